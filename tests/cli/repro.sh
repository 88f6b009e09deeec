# bfn repro: files of bfn sample hold what made them; made again they have the same bytes; what differs is named.
source "$BFN_SOURCE_DIR/tests/cli/helper_cli.sh" "$1"

same() { # file arguments...
    run repro "$@"
    expect 0
    quiet
    grep -qF "$1: the same $(wc -c <"$1") bytes" out || fail "repro $*: $(cat out)"
}
refuse() { # code message arguments
    local wanted=$1 message=$2
    shift 2
    run repro "$@"
    expect $wanted
    says "$message"
    [ ! -s out ] || fail "something on standard output"
}
export TMPDIR=$PWD/temporary
mkdir temporary

refuse 2 "FILE is missing"
refuse 4 "nowhere.txt" nowhere.txt

# ---- text ----
make_model --set train.steps=200 --set train.lr=0.01
model=run/last.safetensors
run sample --model $model --nfe 5 --n 6 --seed 3 --first 2 -o s.txt
expect 0
[ ! -s out ] || fail "-o leaves something on standard output"
for entry in '"version": "' '"backend": "' "\"model_sha256\": \"$(sha256sum <$model | cut -c1-64)\"" '"precision": "' '"weights": "average"' \
    '"model": "run/last.safetensors"' '"format": "txt"' '"seed": "3"' '"first": "2"' '"n": "6"' '"method": "sde2m"' '"evaluations": "5"' \
    '"steps": "5"' '"grid": "time"' '"eta": "0.001"' '"start": "zero"' '"last": "predict"' '"prediction": "mean"'; do
    grep -qF "$entry" s.txt.json || fail "s.txt.json does not say $entry"
done
same s.txt
same s.txt --batch 1 --threads 1
run sample --model $model --nfe 5 --n 6 --seed 3 --first 2 --format jsonl -o s.jsonl
same s.jsonl
run sample --model $model --nfe 5 --n 6 --seed 3 --first 2 --format npy -o s.npy
same s.npy
n=0
while read -r arguments; do
    run sample --model $model --n 2 $arguments -o options.txt
    expect 0
    same options.txt
    n=$((n + 1))
done <<'END'
--method bfn --nfe 6
--method ode2m --corrector --steps 4 --grid power:1.2 --eta 0 --start moments --last update --prediction draw
--method ode1 --noise 0.5 --grid list:0.001,0.2,0.6,1
--method ode1 --grid list:0.7,0.8,1
--method ode_bfnsolver2_single_step --nfe 6
--method sde_bfnsolver2_multi_step --nfe 1
--method ode3m --nfe 6 --last call --seed 18446744073709551615
--method sde1 --grid logsnr --eta 0.1234567890123456 --nfe 4
--raw-weights --nfe 3 --precision f32 --allow-nonfinite
--infill the_of --nfe 3
END
[ $n -eq 10 ] || fail "$n lines of options"
run sample --model $model --nfe 5 # standard output has samples and nothing else, and no file appears
[ "$(wc -l <out)" -eq 1 ] && [ ! -e .json ] || fail "standard output"
run sample --model $model --nfe 5 -o /dev/null
expect 0
[ ! -e /dev/null.json ] || fail "a record beside a device"

# ---- what differs is named ----
sed 's/^\(..........\)./\1Q/;' s.txt >changed.txt
sed -n 1p s.txt >first
cp s.txt.json changed.txt.json
run repro changed.txt
expect 1
grep -q "^changed.txt: differs$" out || fail "that it differs"
grep -q "^first difference: line 1, character 11$" out || fail "where it differs"
grep -qF "made again  $(cat first)" out || fail "what was made again"
sed 's/"seed": "3"/"seed": "4"/; s/"version": "[^"]*"/"version": "0.0.1"/' s.txt.json >changed.txt.json
cp s.txt changed.txt
run repro changed.txt
expect 1
grep -q "^record: version was 0.0.1, now it is " out || fail "the first entry that differs"
printf 'x' | cat s.npy - >longer.npy
cp s.npy.json longer.npy.json
run repro longer.npy
expect 1
grep -q "^first difference: byte $(wc -c <s.npy) (the file has $(($(wc -c <s.npy) + 1)), made again $(wc -c <s.npy))$" out || fail "bytes: $(cat out)"
"$bfn" repro s.txt >/dev/full 2>err
code=$?
expect 5

# ---- the model ----
mv run/last.safetensors moved.safetensors
run repro s.txt
expect 4
grep -qF "run/last.safetensors" err || fail "which model is missing"
grep -qF "bfn repro: --model FILE says where the model is now" err || fail "no advice"
same s.txt --model moved.safetensors
run export moved.safetensors -o run/last.safetensors
refuse 3 "run/last.safetensors: its sha256 is $(sha256sum <run/last.safetensors | cut -c1-64), the samples were made with $(sha256sum <moved.safetensors | cut -c1-64)" s.txt
cp moved.safetensors run/last.safetensors

# ---- bad records ----
rm s.jsonl.json
refuse 4 "s.jsonl.json: cannot be opened" s.jsonl
bad() { # sed message
    sed "$1" s.txt.json >bad.txt.json
    cp s.txt bad.txt
    refuse 3 "$2" bad.txt
}
bad '/"method"/d' 'its record has no "method"'
bad 's/"steps": "5"/"steps": "0"/' '--steps: found "0"'
bad 's/"grid": "time"/"clip": "x"/' '--clip: found "x"'
bad 's/"seed": "3"/"seed": 3/' '"seed": needs a text'
bad 's/^{/[/' 'is no JSON'
sed 's/"grid": "time"/"output": "evil.txt", "grid": "time"/' s.txt.json >bad.txt.json
cp s.txt bad.txt
run repro bad.txt
expect 0
[ ! -e evil.txt ] || fail "a record names the output"

# ---- images ----
make_images digits 20 8 8
cat >grey.yaml <<'YAML'
data: {kind: image}
network: {class: unet_vdm, embedding_dim: 8, n_blocks: 1, norm_groups: 4}
flow: {kind: continuous}
train: {batch: 8, steps: 4, valid_every: 0, sample_every: 0}
YAML
run train grey.yaml --data digits --out grey -q
expect 0
image=grey/last.safetensors
run sample --model $image --nfe 3 --n 5 --seed 9 -o grid.png --film --clip dynamic --columns 2 --scale 3
expect 0
for f in grid.png grid-film.png grid-strip.png; do
    same $f
done
run sample --model $image --nfe 3 --n 5 --seed 9 -o p.npz
same p.npz
grep -aq provenance.npy p.npz || fail "npz: no record"
run sample --model $image --nfe 3 --n 5 --seed 9 -o p.npy
same p.npy
run sample --model $image --nfe 3 --n 3 --first 41 --batch 1 -o each/
same each/000041.png
same each/000043.png
run sample --model $image --nfe 3 --n 2 --infill each/000041.png --mask each/000042.png -o filled.png
expect 0
same filled.png
cp each/000043.png each/000041.png
run repro filled.png
expect 1
grep -q "^record: infill_sha256 was " out || fail "another picture to fill in: $(cat out)"
cp grid.png other.png
printf '\0' | dd of=other.png bs=1 seek=$(($(wc -c <grid.png) - 20)) conv=notrunc status=none
refuse 3 "other.png" other.png
run compare --model $image --methods ode2m --nfe 2 --n 2 -o board.png
refuse 3 'its record has no "method"' board.png
# ---- models that carry no configuration: the record holds the one that was given, in whichever layout ----
cp "$BFN_SOURCE_DIR/tests/golden/gpt_ema.pt" text.pt
make_published_text text.yaml
cp "$BFN_SOURCE_DIR/tests/golden/vdm1_ema.pt" image.pt
cat >image.yaml <<'YAML'
data: {kind: image, height: 8, width: 8, channels: 3}
network: {class: unet_vdm, embedding_dim: 32, n_blocks: 2, n_attention_heads: 1, norm_groups: 8}
flow: {kind: continuous}
YAML
for format in txt jsonl npy; do
    run sample --model text.pt --config text.yaml --format $format -o pt.$format
    expect 0
done
for out in pt.png pt.npz pt-folder/; do
    run sample --model image.pt --config image.yaml --nfe 3 --n 2 -o $out
    expect 0
done
mkdir before
cp text.pt image.pt before
mv text.yaml given-text.yaml
mv image.yaml given-image.yaml
for f in pt.txt pt.jsonl pt.npy pt.png pt.npz pt-folder/000001.png; do
    same $f
done
same pt.txt --config given-text.yaml
same pt.png --config given-image.yaml --model before/image.pt
run repro pt.txt --config given-image.yaml
expect 3
says "tensors do not fit"
refuse 4 "nowhere.yaml" pt.txt --config nowhere.yaml
refuse 2 "has a configuration of its own" s.txt --config given-text.yaml
grep -v '"config"' pt.txt.json >bad.txt.json # as a record from before it was kept there
cp pt.txt bad.txt
refuse 3 "--config FILE" bad.txt
same bad.txt --config given-text.yaml
sed 's/n_layer: 2/n_layer: 3/' pt.txt.json >bad.txt.json
run repro bad.txt
expect 3
says "tensors do not fit"
sed 's/n_layer: 2/n_lair: 2/' pt.txt.json >bad.txt.json
refuse 3 'unknown option "n_lair"' bad.txt
[ -z "$(ls temporary)" ] || fail "left behind: $(ls temporary)"
exit 0
