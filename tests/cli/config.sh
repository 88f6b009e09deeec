# Configuration files that are wrong, hostile or from another country: one line, exit code 2 (a file that cannot be read: 3 or 4), nothing made.
source "$BFN_SOURCE_DIR/tests/cli/helper_cli.sh" "$1"
make_text words.txt

wrong() { # wrong CODE "words of the message" 'content of the file'
    printf -- "$3" >bad.yaml
    run train bad.yaml --data words.txt --out x
    expect $1
    says "$2"
    [ ! -e x ] || fail "a folder was made"
}

wrong 2 'bad.yaml: line 1: train.lrr: no such key, nearest is train.lr' 'train: {lrr: 1}'
wrong 2 'bad.yaml: line 2: trian: no such section' 'data: {seq_len: 16}\ntrian: {lr: 1}'
wrong 2 'unknown option "n_heads" of network "gpt": did you mean "n_head"?' 'network: {n_heads: 2}'
wrong 2 'line 3' 'train:\n  lr: 1e-3\n  lr: 1e-4\n' # twice
wrong 2 'line 2' 'train: {lr: 1e-3}\ntrain: {steps: 5}\n'
wrong 2 'found "10x"' 'train: {steps: 10x}'
wrong 2 $'found "\xe2\x88\x921"' 'train: {lr: \xe2\x88\x921}' # U+2212, a minus of books
wrong 2 'found "-1", needs a number from 0' 'train: {lr: -1}'
wrong 2 'found "-1", needs a whole number from 1' 'train: {steps: -1}'
wrong 2 'found "0", needs a whole number from 1 to 1000000000' 'train: {steps: 0}'
wrong 2 'found "2147483648"' 'train: {steps: 2147483648}'
wrong 2 'found "1.5"' 'train: {steps: 1.5}'
wrong 2 'train.lr: found ".nan"' 'train: {lr: .nan}'
wrong 2 'train.lr: found "nan"' 'train: {lr: nan}'
wrong 2 'train.lr: found "inf"' 'train: {lr: inf}'
wrong 2 'train.lr: found "1e400"' 'train: {lr: 1e400}'
wrong 2 'train.lr: found "0,5"' 'train: {lr: "0,5"}'
wrong 2 'train.lr: found "0x1"' 'train: {lr: 0x1}'
wrong 2 'train.betas' 'train: {betas: [0.9]}'
wrong 2 'train.betas' 'train: {betas: [0.9, 0.98, 0.99]}'
wrong 2 'train.schedule: found "cosin"' 'train: {schedule: cosin}'
wrong 2 'train.lr' 'train: {lr: [1, [2]]}'
wrong 2 'bad.yaml' 'train: {lr: 1'
wrong 2 'bad.yaml' '- a\n- b\n'
wrong 2 'anchor' 'a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n'
wrong 2 'bad.yaml' "$(printf '[%.0s' $(seq 2000))"
wrong 2 'bad.yaml' 'train: {lr: 1}\n\xff\xfe\n'
wrong 2 'bad.yaml' 'train: !!python/object/apply:os.system ["touch x"]\n'

# a large file is refused by its size, before it is read
truncate -s 1G huge.yaml
SECONDS=0
run train huge.yaml --data words.txt --out x
expect 3
says "huge.yaml: has 1073741824 bytes, at most 1048576 are allowed"
[ $SECONDS -le 5 ] || fail "it took $SECONDS s"
mkfifo pipe.yaml
run train pipe.yaml --data words.txt --out x
expect 3
says "is a FIFO"
run train . --data words.txt --out x
expect 4
run train /dev/zero --data words.txt --out x
expect 3
says "is a device"

# where the decimal mark is a comma, numbers are as everywhere
cat >tiny.yaml <<'YAML'
data: {alphabet: text8, seq_len: 16, fractions: [0.8, 0.1, 0.1]}
network: {n_layer: 1, n_head: 2, n_embd: 16}
train: {batch: 4, steps: 4, lr: 1.5e-3, valid_every: 2, valid_batches: 1, sample_every: 0, log_every: 1}
YAML
make_comma_locale
run train tiny.yaml --data words.txt --out plain -q
expect 0
run_comma train tiny.yaml --data words.txt --out comma -q --set train.clip_norm=1.0
expect 0
for f in config.yaml last.safetensors best.safetensors loss.svg; do
    cmp -s plain/$f comma/$f || fail "$f: the locale changes it"
done
run_comma plan --method ode2m --nfe 3 --json
cp out comma.json
run plan --method ode2m --nfe 3 --json
cmp -s out comma.json || fail "the locale changes a plan"
run_comma plan --method ode2m --nfe 3 --eta 0,5
expect 2
exit 0
