# Help of every command, version, unknown commands.
source "$BFN_SOURCE_DIR/tests/cli/helper_cli.sh" "$1"

commands="train sample compare eval sweep repro info plan export classifier selftest bench"

run
expect 2
for c in $commands; do
    grep -q "^  $c " out || fail "bfn alone does not list $c"
done
run help
expect 0
quiet
run --help
expect 0

for c in $commands "eval spell" "eval text" "eval bpd" "eval bound" "eval fid"; do
    run $c --help
    expect 0
    quiet
    grep -q "^bfn $c: " out || fail "help of $c has no heading"
    grep -q "^Usage" out || fail "help of $c has no usage"
    grep -q "^Options" out || fail "help of $c has no options"
    [ "$c" = eval ] || grep -q "^Examples" out || fail "help of $c has no examples"
    awk 'length($0) > 120 {exit 1}' out || fail "help of $c has a line of more than 120 columns"
    grep -q $'\033' out && fail "help of $c has escape codes"
    cp out first
    run help $c
    expect 0
    cmp -s first out || fail "bfn help $c differs from bfn $c --help"
done

run help data
expect 0
quiet
for word in dataset-fashion-mnist yann.lecun.com cifar-10-binary.tar.gz c32a1d4ab5d03f1284b67883e8d87530 6bbc9ace898e44ae57da46a324031adb; do
    grep -q "$word" out || fail "help data does not say $word"
done
awk 'length($0) > 110 {exit 1}' out || fail "help data has a long line"
run sample --help
tr -s " \n" " " <out | grep -q "one of static, dynamic, off" || fail "the help does not list what --clip takes"

run help config
expect 0
for key in "seq_len: 128" "lr: 0.001" "betas: \[0.9, 0.98\]" "max_sqrt_beta: 0.75" "class: gpt"; do
    grep -q "  $key" out || fail "help config does not list $key"
done

# The options of every class of networks are listed too, all of them: those of a configuration that sets none. Those of gpt with their
# defaults; U-Nets fill in some, and number the members of lists.
listed() {
    awk -v class="# $1:" '/^  # / {here = index($0, class) > 0} /^[a-z]+:$/ {here = 0} here && /^  [a-z_.]+: / {print $1, $2}' config
}
resolved() {
    awk '/^[a-z]+:$/ {section = $1} section == "network:" && /^  [a-z_.0-9]+: / {print $1, $2}' run-$1/config.yaml |
        grep -vE "^class:"
}
names() {
    sed 's/:.*//; s/\.[0-9]$//' | sort -u
}
cp out config
cat "$BFN_SOURCE_DIR"/include/bfn/*.h | head -c 30000 >words.txt
echo 'train: {batch: 1, steps: 1, valid_every: 0, sample_every: 0}' >short.yaml
echo 'data: {seq_len: 4}' >>short.yaml
run train short.yaml --data words.txt --out run-gpt -q --set network.n_layer=1 --set network.n_head=1 --set network.n_embd=4
expect 0
listed "class gpt" | sed 's/ true$/ 1/; s/ false$/ 0/' | sort >gpt-listed
resolved gpt | sed 's/^n_layer: 1$/n_layer: 24/; s/^n_head: 1$/n_head: 12/; s/^n_embd: 4$/n_embd: 768/' | sort >gpt-resolved
[ "$(wc -l <gpt-listed)" -ge 9 ] || fail "options of the network"
cmp -s gpt-listed gpt-resolved || fail "help config lists other options of gpt than it has: $(diff gpt-listed gpt-resolved | tr '\n' ' ')"

make_images digits 20 8 8
cat >images.yaml <<'YAML'
data: {kind: image}
flow: {kind: continuous}
train: {batch: 1, steps: 1, valid_every: 0, sample_every: 0}
YAML
run train images.yaml --data digits --out run-unet_vdm -q --set network.class=unet_vdm --set network.embedding_dim=4 --set network.n_blocks=1 --set network.norm_groups=2
expect 0
run train images.yaml --data digits --out run-unet_adm -q --set network.class=unet_adm --set network.model_channels=32 --set network.channel_mult=1,1 --set network.num_res_blocks=1
expect 0
for class in unet_vdm unet_adm; do
    (listed "class $class" && listed "both U-Nets") | names >$class-listed
    resolved $class | names >$class-resolved
    cmp -s $class-listed $class-resolved || fail "help config lists other options of $class than it has: $(diff $class-listed $class-resolved | tr '\n' ' ')"
done

for form in --version -V version; do
    run $form
    expect 0
    quiet
    grep -Eq '^bfn [0-9]+\.[0-9]+\.[0-9]+ \(oneDNN [0-9]+\.[0-9]+\.[0-9]+, [a-z0-9_]+\)$' out || fail "version"
    [ "$(wc -l <out)" -eq 1 ] || fail "version has more than a line"
done

run smaple
expect 2
says "bfn: smaple: no such command, nearest is sample"
run $'evil\033[31m'
expect 2
grep -q $'\033' err && fail "an escape code came through"
run help nothing
expect 2
for words in "help sample x" "help data x" "help config x" "help eval spell x" "--version x"; do
    run $words
    expect 2
    says "found \"x\", which is one word too many"
done
run help help
expect 0

"$bfn" help >/dev/full 2>err
code=$?
expect 5
"$bfn" --version >/dev/full 2>err
code=$?
expect 5
says "standard output cannot be written"
exit 0
