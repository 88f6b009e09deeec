# bfn convert, bfn diff, bfn info of files that are no models, --config, --limit.
source "$BFN_SOURCE_DIR/tests/cli/helper_cli.sh" "$1"
golden=$BFN_SOURCE_DIR/tests/golden

make_published_text text.yaml

# The file decides, not its name.
cp "$golden/gpt_ema.pt" weights.bin
run convert weights.bin plain.safetensors
expect 0
quiet
run diff weights.bin plain.safetensors
expect 0
grep -q '^33 tensors are the same$' out || fail "a conversion differs"
run diff "$golden/gpt_weights.safetensors" weights.bin --quiet
expect 0
[ ! -s out ] || fail "--quiet says something"

# Without a configuration it is no model, but it can be looked at.
run info plain.safetensors
expect 0
grep -q '^holds        33 tensors' out || fail "info of a file"
grep -q '^numbers      all finite$' out || fail "info: finite"
grep -q "^sha256       $(sha256sum <plain.safetensors | cut -c1-64)$" out || fail "info: checksum"
run info weights.bin --checksums
expect 0
grep -q '^  net.lm_head.weight  *F32   \[27, 64\]$' out || fail "info: tensors"
[ "$(grep -c ', sha256 ' out)" -eq 33 ] || fail "info: checksums of tensors"
run sample --model plain.safetensors
expect 3
says "one that fits can be given: --config FILE"
run info plain.safetensors --print-config
expect 2

# With one it is, and its section of sampling says how.
run sample --model weights.bin --config text.yaml --precision f32
expect 0
[ "$(wc -l <out)" -eq 3 ] || fail "n_samples of the configuration"
cp out by_config
run sample --model weights.bin --config text.yaml --precision f32 --method sde_bfnsolver2_multi_step --steps 7 --eta 0.002 --last predict
cmp -s out by_config || fail "the defaults are not what the section says"
run sample --model weights.bin --config text.yaml --precision f32 --n 1 --seed 6
expect 0
[ "$(wc -l <out)" -eq 1 ] || fail "--n against the configuration"
run convert weights.bin model.safetensors --config text.yaml
expect 0
run sample --model model.safetensors --precision f32
expect 0
cmp -s out by_config || fail "a converted model samples something else"
run info model.safetensors
expect 0
grep -q '^network      gpt' out || fail "info of the model"
run info weights.bin --config text.yaml --json
expect 0
grep -q '"network": "gpt"' out || fail "info --config"
run plan --model weights.bin --config text.yaml --nfe 5
expect 0
run sample --model model.safetensors --config text.yaml
expect 2
says "has a configuration of its own"
run sample --model weights.bin --config "$BFN_SOURCE_DIR/configs/text8-paper.yaml"
expect 3
says "tensors do not fit"
run sample --model weights.bin --config nowhere.yaml
expect 4

# Every command that takes a model takes this one.
printf 'the quick brown fox jumps over a lazy dog %.0s' $(seq 60) >words.txt
while read -r arguments; do
    run $arguments --config text.yaml
    [ $code -eq 0 ] || fail "$arguments: exit code $code"
done <<'COMMANDS'
eval bpd --model weights.bin --data words.txt --sequences 2 --times 2
eval text --model weights.bin --nfe 2 --n 4
eval spell --model weights.bin --methods ode2m --nfe 2 --n 4
sweep --model weights.bin --methods ode2m --nfe 2 --n 4 -q --out swept
export weights.bin -o exported.safetensors
COMMANDS

# The checksum of such a file does not say which model made a number: the configuration stands beside it, and a sweep of another one is refused.
sed 's/max_sqrt_beta: 0.75/max_sqrt_beta: 0.5/' text.yaml >flatter.yaml
recorded() { # words of the configuration, arguments of a command whose JSON holds it
    local words=$1
    shift
    run "$@" --json
    expect 0
    grep -qE "\"config\": \"[^\"]*$words" out || fail "$*: the JSON does not hold the configuration"
}
for arguments in "eval text --n 4 --nfe 2" "eval spell --n 4 --nfe 2 --methods ode2m" "eval bpd --data words.txt --sequences 2 --times 2"; do
    recorded "max_sqrt_beta: 0.75" $arguments --model weights.bin --config text.yaml
    recorded "max_sqrt_beta: 0.5" $arguments --model weights.bin --config flatter.yaml
    run $arguments --model model.safetensors --json
    expect 0
    grep -q '"config"' out && fail "$arguments: the configuration of a file that holds it"
done
summed() { # the checksum of the configuration that `out` tells
    sed -n 's/^ *config sha256 //p' out
}
for arguments in "eval text --n 4 --nfe 2" "eval bpd --data words.txt --sequences 2 --times 2"; do
    run $arguments --model weights.bin --config text.yaml
    sharper=$(summed)
    run $arguments --model weights.bin --config flatter.yaml
    [ ${#sharper} -eq 64 ] && [ "$sharper" != "$(summed)" ] || fail "$arguments: no checksum of the configuration"
done
run sweep --model weights.bin --config text.yaml --methods ode2m --nfe 2 --n 4 -q --out swept
expect 0
cp swept/results.csv before.csv
grep -q ",$sharper," before.csv || fail "the sweep does not say its configuration"
run sweep --model weights.bin --config flatter.yaml --methods ode2m --nfe 2 --n 4 -q --out swept
expect 2
says "config_sha256: the sweep in this folder was begun with $sharper, now it is "
cmp -s swept/results.csv before.csv || fail "a refused sweep wrote its results"
run sweep --model model.safetensors --methods ode2m --nfe 2 --n 4 -q --out swept-own
expect 0
grep -q config swept-own/results.csv swept-own/cells.jsonl && fail "the configuration of a file that holds it, in a sweep"

cat >image.yaml <<'YAML'
data: {kind: image, height: 8, width: 8, channels: 3}
network: {class: unet_vdm, embedding_dim: 32, n_blocks: 2, n_attention_heads: 1, norm_groups: 8}
flow: {kind: continuous}
YAML
run compare --model "$golden/vdm1_ema.pt" --config image.yaml --methods ode2m --nfe 2 --n 2 -o board.png
expect 0
grep -aq 'bfn.config.*data:' board.png || fail "the board does not hold the configuration"

# Precision: exit code 1 says different, a tolerance says how much may be.
run convert weights.bin half.safetensors --dtype bf16
expect 0
run diff weights.bin half.safetensors
expect 1
grep -q '^net.lm_head.weight: F32 and BF16, [0-9]* of 1728 numbers differ: at most by ' out || fail "diff of precisions"
run diff weights.bin half.safetensors --tolerance 1e-2
expect 0
run diff weights.bin model.safetensors --prefix net.lm_head=net.head
expect 0
run convert weights.bin other.safetensors --prefix net.lm_head=net.head
expect 0
run diff weights.bin other.safetensors
expect 1
grep -q '^net.lm_head.weight: only in weights.bin$' out || fail "diff of names"
grep -q '^net.head.bias: only in other.safetensors$' out || fail "diff of names, the other way"

# Refusals: one line, the right code, nothing left behind.
printf '\200\002cos\nsystem\nX\017\000\000\000touch bfn.pwned\205R.' >old.pt
run convert old.pt x.safetensors
expect 3
says "is a bare pickle"
run convert weights.bin x.safetensors --limit pickle-bytes=100
expect 3
says "data.pkl has 3155 bytes, at most 100 are allowed"
run convert weights.bin x.safetensors --limit pickle-byte=100
expect 2
says "nearest is pickle-bytes"
run convert weights.bin x.safetensors --limit pickle-bytes
expect 2
run convert weights.bin x.safetensors --prefix net.
expect 2
run convert weights.bin
expect 2
run convert weights.bin x.safetensors --ema
expect 3
says "has no averages"
run convert text.yaml x.safetensors
expect 3
run convert nowhere.pt x.safetensors
expect 4
run convert weights.bin nowhere/x.safetensors
expect 5
run convert weights.bin /dev/full
expect 5
[ ! -e x.safetensors ] && [ ! -e bfn.pwned ] || fail "a refusal left a file"
run diff weights.bin
expect 2
run diff weights.bin nowhere
expect 4
run help limits
expect 0
grep -q '^  pickle-bytes  *268435456 ' out || fail "help limits"
exit 0
