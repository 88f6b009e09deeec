# bfn eval fid and bfn classifier.
source "$BFN_SOURCE_DIR/tests/cli/helper_cli.sh" "$1"
fashion=$BFN_SOURCE_DIR/models/features-fashion-mnist.safetensors
mnist=$BFN_SOURCE_DIR/models/features-mnist.safetensors

# ---- usage errors, before the files that do not exist are looked for ----
wrong() { # wrong "words of the message" arguments...
    local words=$1
    shift
    run eval fid "$@"
    expect 2
    says "$words"
    [ ! -s out ] || fail "something on standard output"
}
wrong "one of --model FILE and --samples PATH is wanted" --data d
wrong "one of --model FILE and --samples PATH is wanted" --data d --model m --samples s
wrong "one of --data PATH and --stats FILE.npz is wanted" --model m
wrong "pt_inception-2015-12-05-6726825d.pth" --model m --data d
wrong "only one of them" --model m --data d --weights w --features f
wrong "--save-stats: needs --data" --model m --stats s --features f --save-stats t
wrong "--method: \"sde2n\": did you mean \"sde2m\"?" --model m --data d --features f --method sde2n
wrong "--class: is for --model" --samples s --data d --features f --class 3
wrong "--clip: is for --model" --samples s --data d --features f --clip off
wrong "--precision: is for --model" --samples s --data d --features f --precision f32
wrong "--clip: found \"soft\"" --model m --data d --features f --clip soft
run eval fid --model m --data d --features nowhere
expect 4
says "nowhere"

# ---- pictures to pictures; what --save-stats wrote does for --data ----
make_images stripes 60 28 28
run eval fid --samples stripes --data stripes --features "$fashion" --save-stats stats.npz --json
expect 0
grep -q "warning: 68 samples: below 2048" err || fail "no warning of few samples"
cp out whole.json
for entry in '"metric": "Fréchet distance in classifier features"' '"n": 68, "n_reference": 60' '"floor_of_test_pictures": {"n": 8' \
    '"small_n_form": true' '"name": "fashion-mnist classifier"' "\"sha256\": \"$(sha256sum <"$fashion" | head -c 64)\"" \
    '"split": "train"' '"kernel_subsets": 4'; do
    grep -qF "$entry" whole.json || fail "the JSON lacks $entry"
done
run eval fid --samples stripes --stats stats.npz --features "$fashion" --json
expect 0
distance() {
    sed 's/.*"result": {[^}]*"distance": \([0-9.e-]*\).*/\1/' "$1"
}
awk -v a="$(distance whole.json)" -v b="$(distance out)" 'BEGIN {exit !(a > 0.01 && a - b < 1e-4 * a && b - a < 1e-4 * a)}' ||
    fail "distance $(distance out) through statistics, $(distance whole.json) without"
grep -qF "\"sha256\": \"$(sha256sum <stats.npz | head -c 64)\"" out || fail "checksum of the statistics"
run eval fid --samples stripes --stats stats.npz --features "$mnist"
expect 2
says "was made with the network"
run eval fid --samples stripes --data stripes --weights "$fashion"
expect 2
says "small classifier: give it as --features"
make_images small 20 8 8
run eval fid --samples small --data small --features "$fashion"
expect 2
says "are for 28 x 28 with 1"
echo text >text.npz
run eval fid --samples stripes --stats text.npz --features "$fashion"
expect 3

# ---- a model's samples: text for people, with the settings ----
cat >images.yaml <<'YAML'
data: {kind: image}
flow: {kind: continuous}
network: {class: unet_vdm, embedding_dim: 4, n_blocks: 1, norm_groups: 2}
train: {batch: 1, steps: 1, valid_every: 0, sample_every: 0}
YAML
run train images.yaml --data stripes --out run -q
expect 0
run eval fid --model run/last.safetensors --data stripes --features "$fashion" --n 40 --method ode2m --nfe 2 --seed 5
expect 0
for line in "not FID" "ode2m, 2 evaluations, grid logsnr, eta 0.001, seed 5" "60 training pictures" "^  samples  *40 " "^  test pictures  *8 "; do
    grep -q "$line" out || fail "no line with: $line"
done
run eval fid --model run/last.safetensors --data stripes --features "$fashion" --n 40 --nfe 2 --json
expect 0
grep -qF "\"model_sha256\": \"$(sha256sum <run/last.safetensors | head -c 64)\"" out || fail "checksum of the model"
for entry in '"seed": "1", "first": "0", "n": "40", "batch": "32", "method": "sde2m", "evaluations": "2", "steps": "2", "grid": "logsnr", "eta": "0.001"' \
    '"clip": "static"' '"weights": "average"' '"precision": "' '"backend": "' '"version": "' \
    "\"sha256\": \"$(sha256sum <"$fashion" | head -c 64)\"" '"split": "train"'; do
    grep -qF "$entry" out || fail "the JSON lacks $entry"
done

# the same samples out of a file: the same distance, and the file's own record beside it; --clip and --precision arrive
settings=(--model run/last.safetensors --n 40 --seed 7 --first 3 --method sde1 --nfe 3 --clip off --precision f32 --batch 16)
run eval fid "${settings[@]}" --data stripes --features "$fashion" --json
expect 0
cp out own.json
for entry in '"precision": "f32"' '"clip": "off"' '"seed": "7", "first": "3", "n": "40", "batch": "16"'; do
    grep -qF "$entry" own.json || fail "the JSON lacks $entry"
done
run sample "${settings[@]}" -o samples.npz
expect 0
run eval fid --samples samples.npz --data stripes --features "$fashion" --json
expect 0
[ "$(distance own.json)" = "$(distance out)" ] || fail "distance $(distance own.json) of a model's samples, $(distance out) of their file"
grep -qF '"made_with": {' out && grep -qF '"clip": "off"' out && grep -qF '"method": "sde1"' out || fail "the record of the file of samples"
run eval fid "${settings[@]}" --clip static --data stripes --features "$fashion" --json
[ "$(distance own.json)" != "$(distance out)" ] || fail "--clip changes nothing"
run eval fid "${settings[@]}" --class 1 --data stripes --features "$fashion"
expect 2
says "--class"
sed 's/^network: .*/network: {class: unet_adm, model_channels: 8, norm_groups: 4, channel_mult: [1, 1], num_res_blocks: 1, num_classes: 4}/; s/^train: {/train: {seed: 3, /' \
    images.yaml >told.yaml
run train told.yaml --data stripes --out told -q
expect 0
run eval fid --model told/last.safetensors --nfe 2 --n 8 --class 3 --data stripes --features "$fashion" --json
expect 0
grep -qF '"class": "3", "seed": "1"' out || fail "the class is not in the JSON"
run sample --model told/last.safetensors --nfe 2 --n 8 --class 3 -o three.npz
expect 0
run eval fid --samples three.npz --data stripes --features "$fashion" --json
expect 0
cp out three.json
run eval fid --model told/last.safetensors --nfe 2 --n 8 --class 3 --data stripes --features "$fashion" --batch 8 --json
[ "$(distance three.json)" = "$(distance out)" ] || fail "samples of one class: $(distance out), their file $(distance three.json)"

# ---- a classifier of one's own ----
run classifier --data stripes
expect 2
says "--out FILE is missing"
run classifier --data stripes --out own.safetensors --epochs 2 --batch 10
expect 0
grep -q "own.safetensors: .* % of the test pictures named right" out || fail "what it learned"
run eval fid --samples stripes --data stripes --features own.safetensors
expect 0
grep -q "stripes classifier" out || fail "its name"
run classifier --data stripes --out nowhere/own.safetensors --epochs 1 --batch 60
expect 5
exit 0
