# bfn info and bfn export.
source "$BFN_SOURCE_DIR/tests/cli/helper_cli.sh" "$1"
make_model

run info run/last.safetensors
expect 0
quiet
grep -q "^sha256       $(sha256sum <run/last.safetensors | cut -c1-64)$" out || fail "checksum of the file"
grep -q "^trained on   sha256 $(sha256sum <words.txt | cut -c1-64)$" out || fail "checksum of the data"
grep -q "^network      gpt, .*parameters" out || fail "network"
grep -q "^flow         discrete, 27 classes, max_sqrt_beta 0.75$" out || fail "flow"
grep -q "^training     30 steps, validation bound" out || fail "training"
grep -q '^alphabet     " abcdefghijklmnopqrstuvwxyz"$' out || fail "alphabet"
run info run/last.safetensors --tensors
expect 0
grep -q "^  net.lm_head.weight  *F32   \[27, 64\]$" out || fail "tensors"
grep -q "^  adam.v.lm_head.weight" out || fail "tensors of the optimiser"
run info run/last.safetensors --print-config
expect 0
cmp -s out run/config.yaml || fail "the configuration differs from the run's"
run info run/last.safetensors --json
expect 0
grep -q '^  "parameters": [0-9]*,$' out || fail "json"
grep -q '^  "step": 30,$' out || fail "json: step"
if command -v python3 >/dev/null && python3 -c 'import json' 2>/dev/null; then
    python3 -c 'import json, sys; d = json.load(open("out")); assert d["positions"] == 32 and len(d["tensors"]) > 50' || fail "json does not parse"
fi
# numbers that are none are counted
header='{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]},"b":{"dtype":"F32","shape":[1],"data_offsets":[12,16]}}'
{ printf "\\$(printf %03o ${#header})\\0\\0\\0\\0\\0\\0\\0%s" "$header" && printf '\0\0\300\177\0\0\200\77\0\0\200\377\0\0\200\77'; } >odd.safetensors
run info odd.safetensors
expect 0
grep -q '^not finite   a: 1 NaN, 1 infinite$' out || fail "numbers that are not finite are not said"
run info nowhere
expect 4
run info words.txt
expect 3
"$bfn" info run/last.safetensors >/dev/full 2>err
code=$?
expect 5

run export run/last.safetensors -o small.safetensors
expect 0
quiet
[ $((4 * $(wc -c <small.safetensors))) -lt "$(wc -c <run/last.safetensors)" ] || fail "an export is not small"
run info small.safetensors --tensors
expect 0
grep -q "^weights      averages only" out || fail "weights of an export"
grep -q "^  net.lm_head.weight  *BF16" out || fail "bf16"
grep -q "adam" out && fail "an export holds the optimiser"
run sample --model small.safetensors --nfe 5 --n 2
expect 0
run export run/last.safetensors -o full.safetensors --precision f32
expect 0
run sample --model full.safetensors --nfe 5 --n 2 --precision f32
cp out exported
run sample --model run/last.safetensors --nfe 5 --n 2 --precision f32
cmp -s out exported || fail "an f32 export samples other text"
run export run/last.safetensors -o nowhere/x
expect 5
run export run/last.safetensors -o /dev/full
expect 5
run export words.txt -o x
expect 3
[ ! -e x ] || fail "a failed export left a file"
exit 0
