# Pictures: training, every form of sampling, comparison, bound, info and export, and what is refused, with tiny networks and sets of IDX files.
source "$BFN_SOURCE_DIR/tests/cli/helper_cli.sh" "$1"
trap 'kill -KILL $(jobs -p) 2>/dev/null' EXIT
make_images digits 60 8 8

cat >grey.yaml <<'YAML'
data: {kind: image}
network: {class: unet_vdm, embedding_dim: 8, n_blocks: 1, norm_groups: 4}
flow: {kind: continuous}
train: {batch: 8, steps: 20, lr: 5e-3, warmup: 3, ema: 0.9, valid_every: 10, valid_batches: 1, sample_every: 10, sample_n: 4, sample_nfe: 4,
  checkpoint_every: 10, log_every: 5}
YAML
sed 's/flow: .*/flow: {kind: discretised, n_classes: 16, min_variance: 1e-3}/' grey.yaml >bins.yaml
sed 's/flow: .*/flow: {kind: discrete, max_sqrt_beta: 3}/' grey.yaml >binary.yaml
png_magic=$(printf '\211PNG')
is_png() {
    [ "$(head -c 4 "$1" | LC_ALL=C tr -d '\0')" = "$png_magic" ] || fail "$1 is no PNG"
}

# training
for kind in grey bins binary; do
    run train $kind.yaml --data digits --out $kind
    expect 0
    [ ! -s out ] || fail "training prints on standard output"
    grep -q "^data       digits: 59 images of 8 x 8 x 1, 1 more to validate, 8 to test; labels of 4 classes$" err || fail "what is trained on"
    grep -q "^step 20/20, loss [0-9.]*, [0-9.]* bits/dim, [0-9.]* images/s, 0 s left$" err || fail "no last line of progress"
    grep -q "^  $kind/samples-20.png$" err || fail "it does not say where the samples are"
    grep -q $'[\033\r]' err && fail "escape codes where there is no terminal"
    for f in config.yaml log.jsonl loss.svg last.safetensors best.safetensors samples.png samples-10.png samples-20.png; do
        [ -s $kind/$f ] || fail "$kind/$f is missing or empty"
    done
    cmp -s $kind/samples.png $kind/samples-20.png || fail "samples.png is not the newest"
    head -c 100 $kind/loss.svg | grep -q "<svg" || fail "loss.svg"
    grep -q "height: 8" $kind/config.yaml || fail "config.yaml is not resolved"
    grep -q "seq_len" $kind/config.yaml && fail "config.yaml speaks of text"
    run train $kind/config.yaml --data digits --out $kind-again -q
    expect 0
    quiet
    cmp -s $kind/last.safetensors $kind-again/last.safetensors || fail "the stored configuration gives another run"
done

# a signal saves, and the resumed run is the same
"$bfn" train bins.yaml --data digits --out stopped -q --set train.steps=100000 --set train.schedule=constant --set train.sample_every=0 \
    --set train.valid_every=0 2>err &
pid=$!
for i in $(seq 200); do
    [ -s stopped/log.jsonl ] && break
    sleep 0.05
done
kill -INT $pid
wait $pid
code=$?
expect 130
[ -s stopped/last.safetensors ] && [ -s stopped/loss.svg ] || fail "nothing is saved"
at=$("$bfn" info stopped/last.safetensors --json | sed -n 's/.*"step": \([0-9]*\),/\1/p')
run train --resume --data digits --out stopped -q --set train.steps=$((at + 4))
expect 0
run train bins.yaml --data digits --out whole -q --set train.steps=100000 --set train.schedule=constant --set train.sample_every=0 \
    --set train.valid_every=0 --dry-run
expect 0

# what is inside
run info grey/last.safetensors
expect 0
grep -q "^network      unet_vdm, " out || fail "network"
grep -q "^flow         continuous, min_variance 1e-06$" out || fail "flow"
grep -q "^data         images of 8 x 8 x 1 (64 dimensions)$" out || fail "size of the images"
grep -q "^trained on   digits, sha256 [0-9a-f]*$" out || fail "data"
grep -q "validation bound [0-9.]* bits a dimension" out || fail "bound"
run info binary/last.safetensors
expect 0
grep -q "^flow         discrete, 2 classes, max_sqrt_beta 3$" out || fail "flow of black and white"
run info bins/last.safetensors --json
grep -q '"channels": 1,' out || fail "json"

# samples: the same for every batch, thread and way of writing
for kind in grey bins binary; do
    run sample --model $kind/last.safetensors --nfe 4 --n 10 --seed 3 -o $kind.npy
    expect 0
    quiet
    [ ! -s out ] || fail "samples of images leave something on standard output"
    head -c 128 $kind.npy | grep -aq "'descr': '|u1'.*'shape': (10, 8, 8, 1)" || fail "npy: shape"
    [ "$(wc -c <$kind.npy)" -eq $((128 + 640)) ] || fail "npy: size"
    for how in "--batch 1" "--batch 3 --threads 1" "--threads 3"; do
        run sample --model $kind/last.safetensors --nfe 4 --n 10 --seed 3 $how -o other.npy
        expect 0
        cmp -s $kind.npy other.npy || fail "$kind: $how changes the samples"
    done
    run sample --model $kind/last.safetensors --nfe 4 --n 3 --seed 3 --first 5 -o other.npy
    cmp -s <(tail -c 192 other.npy) <(tail -c 320 $kind.npy | head -c 192) || fail "$kind: --first"
    run sample --model $kind/last.safetensors --nfe 4 --n 10 --seed 4 -o other.npy
    cmp -s $kind.npy other.npy && fail "another seed gives the same"
    for method in bfn euler em ode1 ode2m sde1 sde2m sde3m; do
        run sample --model $kind/last.safetensors --nfe 5 --n 2 --method $method -o x.npy
        expect 0
    done
    run sample --model $kind/last.safetensors --nfe 5 --n 2 --start moments --eta 0 -o x.npy
    expect 0
done
for clip in static dynamic off; do
    run sample --model grey/last.safetensors --nfe 4 --n 2 --seed 3 --clip $clip -o $clip.npy
    expect 0
done
cmp -s static.npy dynamic.npy && fail "--clip makes no difference"
LC_ALL=C tail -c 640 binary.npy | LC_ALL=C tr -d '\000\377' | [ "$(wc -c)" -eq 0 ] || fail "black and white has greys"

run sample --model grey/last.safetensors --nfe 4 --n 10 --seed 3 -o grid.png
expect 0
is_png grid.png
for word in bfn.model_sha256 "$(sha256sum <grey/last.safetensors | cut -c1-64)" bfn.seed bfn.method sde2m bfn.evaluations; do
    grep -aqF "$word" grid.png || fail "the grid does not say $word"
done
run sample --model grey/last.safetensors --nfe 4 --n 10 --seed 3 -o grid2.png --batch 4
cmp -s grid.png grid2.png || fail "the same grid twice differs"
run sample --model grey/last.safetensors --nfe 4 --n 3 --seed 3 --first 7 -o each/ --batch 1
expect 0
[ "$(ls each | tr '\n' ' ')" = "000007.png 000008.png 000009.png " ] || fail "a folder of pictures: $(ls each)"
is_png each/000009.png
run sample --model grey/last.safetensors --nfe 4 --n 3 --seed 3 -o s.npz
expect 0
[ "$(head -c 2 s.npz)" = PK ] || fail "npz"
grep -aq arr_0.npy s.npz || fail "npz: name"

run sample --model grey/last.safetensors --nfe 3 --n 2 --grid list:0.01,0.3,0.6,1 -o list.png
grep -aqF "list:0.01,0.3,0.6,1" list.png || fail "the grid of times is not in the text"
size_of() { # width and height of a PNG
    od -An -j16 -N8 -tu1 "$1" | awk '{print $3 * 256 + $4, $7 * 256 + $8}'
}

# film, strip, preview
run sample --model binary/last.safetensors --nfe 6 --n 4 -o film/grid.png --film
expect 5
mkdir film
run sample --model binary/last.safetensors --nfe 6 --n 4 -o film/grid.png --film
expect 0
for f in grid grid-film grid-strip; do
    is_png film/$f.png
done
grep -aq acTL film/grid-film.png || fail "the film is not animated"
strip=$(size_of film/grid-strip.png)
run sample --model binary/last.safetensors --nfe 6 --n 4 -o film/grid.png --film --columns 4
expect 0
[ "$(size_of film/grid-strip.png)" = "$strip" ] || fail "columns of the grid widen the strip: $strip, $(size_of film/grid-strip.png)"
pixels=$(dirname "$bfn")/tests/tool-pixels
"$pixels" film/grid-strip.png | awk 'NR > 1 {for (i = NF - 60; i <= NF; i++) grey += $i > 0 && $i < 255} END {exit !(NR > 100 && grey < 1000)}' ||
    fail "the last states of the strip are grey"
[ "$(size_of film/grid.png)" = "234 60" ] || fail "a row of four: $(size_of film/grid.png)"
run sample --model grey/last.safetensors --nfe 4 --preview
expect 2
says "no terminal"
run sample --model grey/last.safetensors --nfe 4 --preview -o p.png
expect 0
quiet

# infilling: what is white in the mask stays
run sample --model grey/last.safetensors --nfe 4 --n 1 --seed 9 -o given/
expect 0
run sample --model binary/last.safetensors --nfe 4 --n 1 --seed 2 -o mask/
expect 0
run sample --model grey/last.safetensors --nfe 4 --n 2 --seed 5 --infill given/000000.png --mask mask/000000.png -o filled.npy
expect 0
run sample --model grey/last.safetensors --nfe 4 --n 1 --seed 9 -o given.npy
run sample --model binary/last.safetensors --nfe 4 --n 1 --seed 2 -o mask.npy
paste <(tail -c 64 given.npy | od -An -v -tu1 -w1) <(tail -c 64 mask.npy | od -An -v -tu1 -w1) <(tail -c 64 filled.npy | od -An -v -tu1 -w1) |
    awk '$2 == 255 && $1 != $3 {bad++} $2 == 0 && $1 != $3 {filled++} END {exit bad > 0 || filled == 0}' || fail "infilling"
run sample --model grey/last.safetensors --nfe 4 --n 1 --infill given/000000.png --mask mask/000000.png -o filled.png
expect 0
grep -aq "bfn.infill.given/000000.png" filled.png || fail "the text does not say what was filled in"
run sample --model grey/last.safetensors --infill given/000000.png -o x.png
expect 2
says "need --mask"

# a network that is told classes: all in turn or one, and arrays say which
sed 's/^network: .*/network: {class: unet_adm, model_channels: 8, norm_groups: 4, channel_mult: [1, 1], num_res_blocks: 1, num_classes: 4}/; s/^train: {/train: {seed: 3, /' \
    grey.yaml >told.yaml
run train told.yaml --data digits --out told -q
expect 0
run sample --model told/last.safetensors --nfe 2 --n 1 --first 6 -o turn.npz
expect 0
grep -aq arr_1.npy turn.npz || fail "the classes are not in the file"
run sample --model told/last.safetensors --nfe 2 --n 1 --first 6 -o turn.npy
expect 0
for class in 2 1; do
    run sample --model told/last.safetensors --nfe 2 --n 1 --first 6 --class $class -o $class.npy
    expect 0
    grep -qF "\"class\": \"$class\"" $class.npy.json || fail "the record does not say the class"
done
cmp -s turn.npy 2.npy || fail "sample 6 of 4 classes in turn is not of class 2"
cmp -s turn.npy 1.npy && fail "--class makes no difference"
run sample --model told/last.safetensors --nfe 2 --class 4 -o x.png
expect 2
says "needs 0 to 3"
run sample --model grey/last.safetensors --nfe 2 -o x.npz
grep -aq arr_1.npy x.npz && fail "classes of a network that knows none"

# where nobody says otherwise, continuous data and bits start from their moments on the logsnr grid; the published names, and bfn, as published
for kind in grey bins binary; do
    run sample --model $kind/last.safetensors --nfe 4 --n 2 -o plain.npy
    for member in '"grid": "logsnr"' '"eta": "0.001"' '"start": "moments"'; do
        grep -qF "$member" plain.npy.json || fail "$kind: the record does not say $member"
    done
    run sample --model $kind/last.safetensors --nfe 4 --n 2 --grid logsnr --eta 0.001 --start moments -o said.npy
    cmp -s plain.npy said.npy || fail "$kind: the defaults are not what the record says"
    for method in sde_bfnsolver2_multi_step bfn; do
        run sample --model $kind/last.safetensors --method $method --nfe 4 --n 2 -o published.npy
        run sample --model $kind/last.safetensors --method $method --nfe 4 --n 2 --grid time --start zero -o said.npy
        cmp -s published.npy said.npy || fail "$kind: $method is not as published"
    done
done
run plan --model grey/last.safetensors --nfe 4
grep -q "data's moments" out || fail "a plan for a model does not say how it starts"

# comparison and bound
run compare --model bins/last.safetensors --methods bfn,ode2m+corrector --nfe 2,4 --n 4 -o board.png
expect 0
quiet
is_png board.png
cp board.png default.png
keeps() { # file, "key text"...: its record
    local file=$1 entry
    shift
    for entry in "$@"; do
        grep -aqP "bfn\\.${entry%% *}\\x00\\Q${entry#* }\\E" "$file" || fail "$file does not say: $entry"
    done
}
keeps default.png "methods bfn,ode2m+corrector" "evaluations 2,4" "seed 1" "first 0" "weights average" \
    "model_sha256 $(sha256sum <bins/last.safetensors | cut -c1-64)" "grid time,logsnr" "eta 0,0.001" "start zero,moments" "prediction draw,mean"
run compare --model bins/last.safetensors --methods bfn,ode2m+corrector --nfe 2,4 --n 4 --grid time --eta 0.01 --start zero -o board.png
expect 0
[ "$("$pixels" board.png)" = "$("$pixels" default.png)" ] && fail "compare: --grid, --eta and --start make no difference"
keeps board.png "grid time,time" "eta 0.01,0.01" "start zero,zero"
run compare --model bins/last.safetensors --nfe 4 --grid list:0.1,1 -o board.png
expect 2
says 'needs default, time, logsnr or power:R'
run compare --model bins/last.safetensors --methods ode2s --nfe 4 -o board.png
expect 2
run compare --model bins/last.safetensors --n 4096 --nfe 2 --scale 64 -o board.png
expect 2
says "16384"
for kind in grey bins binary; do
    run eval bound --model $kind/last.safetensors --data digits --times 4
    expect 0
    grep -q "^bits per dimension, test split, 8 images of 64 dimensions$" out || fail "bound"
    run eval bound --model $kind/last.safetensors --data digits --times 4 --steps 20 --json
    expect 0
    grep -q '"images": 8, "dimensions": 512, "bound": .*"steps": 20,' out || fail "bound as JSON"
    # the trace by signs and exactly, which is the same on average
    for trace in "hutchinson --probes 8" exact; do
        run eval bpd --model $kind/last.safetensors --data digits --ode --ode-steps 2 --batch 8 --trace $trace --json
        expect 0
        grep -Eq '"trace": "'${trace%% *}'", .*"eta": 0(\.0001)?,' out || fail "the ODE's likelihood as JSON"
        [ $kind != grey ] || says "warning: 2 steps are too few: with twice as many the value moves by "
        cp out ode_${trace%% *}
    done
    awk -F'[:,]' 'NR == FNR {a = $8; next} (a - $8) ^ 2 > 4 {exit 1}' ode_hutchinson ode_exact || fail "the traces differ"
done

# export
run export grey/last.safetensors -o small.safetensors
expect 0
run sample --model small.safetensors --nfe 4 --n 2 -o x.npy
expect 0
run export grey/last.safetensors -o full.safetensors --precision f32
run sample --model full.safetensors --nfe 4 --n 10 --seed 3 -o x.npy
expect 0
cmp -s x.npy grey.npy || fail "an f32 export samples other images"

# refusals
refuse() { # code message arguments
    wanted=$1 message=$2
    shift 2
    run "$@"
    expect $wanted
    says "$message"
}
refuse 5 "nowhere/x.png: cannot be written" compare --model bins/last.safetensors --methods ode2m --nfe 2 -o nowhere/x.png
refuse 5 "film: cannot be written: Is a directory" compare --model bins/last.safetensors --methods ode2m --nfe 2 -o film
refuse 2 "-o FILE is missing" sample --model grey/last.safetensors
refuse 2 "found \"x.jpg\", needs FILE.png" sample --model grey/last.safetensors -o x.jpg
if [ -r /usr/share/hunspell/en_US.dic ]; then
    refuse 2 "is a model of images" eval spell --model grey/last.safetensors
fi
refuse 2 "has png, folder, npy and npz" sample --model grey/last.safetensors --format txt -o x
refuse 2 "nothing to clip" sample --model bins/last.safetensors --clip dynamic -o x.png
refuse 2 "takes no classes" sample --model grey/last.safetensors --class 1 -o x.png
refuse 2 "needs -o FILE.png" sample --model grey/last.safetensors --film -o x.npz
refuse 5 "nowhere/x.png" sample --model grey/last.safetensors --nfe 2 -o nowhere/x.png
refuse 2 "16384" sample --model grey/last.safetensors --nfe 2 --n 200000 -o x.png
refuse 5 "nowhere/x" sample --model grey/last.safetensors --nfe 2 -o nowhere/x/
refuse 4 "nowhere.png" sample --model grey/last.safetensors --nfe 2 --infill nowhere.png --mask nowhere.png -o x.png
make_images large 8 10 10
refuse 2 "data.height: found 8, the images of large are 10 x 10 x 1" eval bound --model grey/last.safetensors --data large
refuse 2 "the run was started with data of sha256" train --resume --data large --out stopped -q
refuse 3 "grid.png: is " sample --model grey/last.safetensors --nfe 2 --infill grid.png --mask grid.png -o x.png
refuse 4 "nowhere" train grey.yaml --data nowhere --out x -q
mkdir mixed empty
cp each/000007.png mixed/a.png
cp grid.png mixed/b.png
refuse 3 "b.png" train grey.yaml --data mixed --out x -q
for i in 1 2 3 4 5 6; do
    cp each/00000$((7 + i % 3)).png mixed/good$i.png
done
run train grey.yaml --data mixed --out skipped --skip-bad --set train.steps=2
expect 0
grep -q "^data       mixed: 5 images of 8 x 8 x 1, 1 more to validate, 1 to test; 1 bad file left out$" err || fail "--skip-bad: $(grep "^data" err)"
rm mixed/good*
refuse 3 "empty" train grey.yaml --data empty --out x -q
head -c 40 each/000007.png >mixed/a.png
rm mixed/b.png
refuse 3 "a.png" train grey.yaml --data mixed --out x -q
sed 's/^network: .*/network: {class: unet_adm, model_channels: 32, channel_mult: [1, 1, 1, 1, 1]}/' grey.yaml >deep.yaml
refuse 2 "multiple of" train deep.yaml --data digits --out x -q
[ ! -e x ] || fail "a refused training made its folder"
make_model
refuse 2 "is a text model" sample --model run/last.safetensors --format png -o x.png
refuse 2 "--preview" sample --model run/last.safetensors --preview
refuse 2 "bfn eval spell" compare --model run/last.safetensors -o x.png
exit 0
