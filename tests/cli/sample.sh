# Sampling: what stands on standard output, formats, independence of numbers, batch and threads, infilling, errors of writing.
source "$BFN_SOURCE_DIR/tests/cli/helper_cli.sh" "$1"
make_model --set train.steps=200 --set train.lr=0.01 --set data.seq_len=32
model=run/best.safetensors

run sample --model $model --nfe 5 --n 12 --seed 7
expect 0
quiet
[ "$(wc -l <out)" -eq 12 ] || fail "12 samples, $(wc -l <out) lines"
grep -qv '^[a-z ]\{32\}$' out && fail "a line is not 32 characters of the alphabet"
cp out twelve

for how in "--batch 1" "--batch 5" "--threads 1" "--threads 3 --batch 7"; do
    run sample --model $model --nfe 5 --n 12 --seed 7 $how
    expect 0
    cmp -s out twelve || fail "$how changes the samples"
done
run sample --model $model --nfe 5 --n 3 --seed 7 --first 4
cmp -s out <(sed -n 5,7p twelve) || fail "--first"
run sample --model $model --nfe 5 --seed 7
cmp -s out <(head -1 twelve) || fail "one sample"
run sample --model $model --nfe 5 --n 12 --seed 8
cmp -s out twelve && fail "another seed gives the same"
run sample --model $model --nfe 5 --n 12 --seed 7 --raw-weights
expect 0

for method in bfn euler em ode1 ode2m ode3m ode2s sde1 sde2m sde3m sde_bfnsolver2_multi_step; do
    run sample --model $model --method $method --nfe 7
    [ $method = ode2s ] || [ $method = ode3m ] || expect 0
done
run sample --model $model --method ode2m --corrector --steps 4 --grid power:1.2 --eta 0 --start moments --last update --prediction draw
expect 0
run sample --model $model --method ode1 --noise 0.5 --grid list:0.001,0.2,0.6,1
expect 0

# formats
run sample --model $model --nfe 5 --n 2 --seed 7 --format jsonl
expect 0
printf '{"i":0,"seed":7,"text":"%s"}\n{"i":1,"seed":7,"text":"%s"}\n' "$(sed -n 1p twelve)" "$(sed -n 2p twelve)" >wanted
cmp -s out wanted || fail "jsonl"
run sample --model $model --nfe 5 --n 12 --seed 7 -o text.txt
expect 0
[ ! -s out ] || fail "-o leaves something on standard output"
cmp -s text.txt twelve || fail "-o"
run sample --model $model --nfe 5 --n 12 --seed 7 --format npy -o s.npy
expect 0
[ "$(head -c 6 s.npy | tail -c 5)" = NUMPY ] || fail "npy: no magic"
head -c 128 s.npy | grep -aq "'shape': (12, 32)" || fail "npy: shape"
[ "$(wc -c <s.npy)" -eq $((128 + 12 * 32 * 4)) ] || fail "npy: size"
first=$(od -An -tu4 -j128 -N4 s.npy | tr -d ' ')
[ "$(printf ' abcdefghijklmnopqrstuvwxyz' | cut -c$((first + 1)))" = "$(head -c 1 twelve)" ] || fail "npy: the first character"

# infilling
run sample --model $model --nfe 5 --n 4 --infill "the ____ of th_ "
expect 0
grep -qv '^the .... of th. .\{16\}$' out && fail "infilling changed what was given"
run sample --model $model --infill "The"
expect 2
says "\"T\""
run sample --model $model --infill "$(printf 'a%.0s' {1..33})"
expect 2
says "longer than the model's 32 positions"

# the film goes to standard error, without escape codes where that is no terminal
run sample --model $model --nfe 5 --film
expect 0
[ "$(wc -l <out)" -eq 1 ] || fail "the film changes standard output"
[ "$(wc -l <err)" -ge 5 ] || fail "no film"
grep -q $'\033' err && fail "escape codes in a file"

# writing
"$bfn" sample --model $model --nfe 5 >/dev/full 2>err
code=$?
expect 5
says "standard output: cannot be written"
for format in txt jsonl npy; do
    run sample --model $model --nfe 5 --format $format -o /dev/full
    expect 5
    says "/dev/full"
    run sample --model $model --nfe 5 --format $format -o .
    expect 5
    run sample --model $model --nfe 5 --format $format -o nowhere/x
    expect 5
    says "nowhere/x"
done
"$bfn" sample --model $model --nfe 5 2>err >&-
code=$?
expect 5
says "standard output: cannot be written"
"$bfn" sample --model $model --nfe 5 --n 12 --seed 7 --film -o closed.txt >out 2>&- # a file must not get a stream's number
code=$?
expect 0
cmp -s closed.txt twelve || fail "closed streams: messages in the output"
"$bfn" sample --model $model --nfe 5 --n 2000 2>err | head -1 >out
code=${PIPESTATUS[0]}
expect 5

# a file appears when it is whole: an interruption leaves the old one
cp text.txt old
for signal in INT TERM; do
    "$bfn" sample --model $model --nfe 1000 --n 100000 -o text.txt >out 2>err &
    pid=$!
    for i in $(seq 200); do
        ls | grep -q "^text.txt.tmp-" && break
        sleep 0.05
    done
    ls | grep -q "^text.txt.tmp-" || fail "it did not start"
    kill -$signal $pid
    wait $pid
    code=$?
    [ $signal = INT ] && expect 130 || expect 143
    cmp -s text.txt old || fail "an interruption changes the old file"
    ls | grep -q tmp- && fail "an interruption leaves a temporary file"
done
ln -s text.txt link.txt
run sample --model $model --nfe 5 --seed 7 -o link.txt
expect 0
[ -L link.txt ] || fail "-o replaces a symbolic link"
cmp -s text.txt <(head -1 twelve) || fail "-o through a symbolic link"

# models
run sample --model nowhere
expect 4
says "nowhere"
run sample --model words.txt
expect 3
says "words.txt"
head -c 5000 $model >cut.safetensors
run sample --model cut.safetensors
expect 3
says "cut.safetensors"
run sample --model "$BFN_SOURCE_DIR/tests/golden/gpt_weights.safetensors"
expect 3
says "not a bfn checkpoint"
exit 0
