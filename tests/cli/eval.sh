# bfn eval spell and bfn eval bound.
source "$BFN_SOURCE_DIR/tests/cli/helper_cli.sh" "$1"

# ---- usage errors, before the files that do not exist are looked for ----
wrong() { # wrong "words of the message" arguments...
    local words=$1
    shift
    run eval "$@"
    expect 2
    says "$words"
    [ ! -s out ] || fail "something on standard output"
}
wrong "a measure is missing"
wrong "nearest is spell" spel
wrong "found \"-x\", a measure comes first" -x
wrong "one of --model FILE and --text FILE is wanted" spell
wrong "one of --model FILE and --text FILE is wanted" spell --model m --text t
wrong "--methods: \"sde2n\": did you mean \"sde2m\"?" spell --model m --methods bfn,sde2n
wrong "only +corrector may follow a method" spell --model m --methods ode2m+correct
wrong "--methods: ode1 is no multistep method" spell --model m --methods ode1+corrector
wrong "--methods: found \",\"" spell --model m --methods ,
wrong "--nfe: found \"0\"" spell --model m --nfe 0
wrong "--nfe: found \"1.5\"" spell --model m --nfe 5,1.5
wrong "--nfe: 4: ode2s with last step" spell --model m --methods sde2m,ode2s --nfe 5,4
wrong "--n: found \"1e12\"" spell --model m --n 1e12
wrong "--model FILE is missing" bound --data d
wrong "--data PATH is missing" bound --model m
wrong "--split: found \"dev\", needs one of train, valid, test" bound --model m --data d --split dev
wrong "--times: found \"0\"" bound --model m --data d --times 0
wrong "no operand" bound --model m --data d extra
wrong "--precision: found \"0\"" bpd --model m --data d --precision 0
wrong "--ode-steps: only with --ode" bpd --model m --data d --ode-steps 5
wrong "--eta: only with --ode" bpd --model m --data d --eta 0.1
wrong "--times: does not go with --ode" bpd --model m --data d --ode --times 5
wrong "--probes: only with --trace hutchinson" bpd --model m --data d --ode --trace exact --probes 2
wrong "one of --model FILE and --samples FILE is wanted" text
wrong "one of --model FILE and --samples FILE is wanted" text --model m --samples s
wrong "--lines: only with --samples" text --model m --lines
wrong "--method: \"sde2n\": did you mean \"sde2m\"?" text --model m --method sde2n
run eval spell --model nowhere
expect 4
says "nowhere"
run eval bound --model nowhere --data nowhere
expect 4
says "nowhere"

# ---- spelling of lines ----
# in each line 3 words of 4 are right and 1 of the 2 inner ones; one line is there twice
printf 'the house zzxq water\nthe house xqzz water\nthe house zzxq water\r\n' >lines.txt
run eval spell --text lines.txt
expect 0
quiet
grep -q "^3 strings$" out || fail "number of strings"
grep -Eq "^dictionary .*en_US\.dic, sha256 [0-9a-f]{12}$" out || fail "dictionary and checksum"
grep -Eq "^lines.txt +-  +75\.00 ± 0\.00 %  +50\.00 ± 0\.00 % .* 1 +-$" out || fail "the row"
cp out by_name
run eval spell --text lines.txt --json
expect 0
grep -q '"strings": 3, "words": 12, "correct": 9, "accuracy": 0.750000,' out || fail "json"
grep -q '"duplicates": 1,' out || fail "json: duplicates"
"$bfn" eval spell --text - <lines.txt >out 2>err
code=$?
expect 0
cmp -s <(grep "75.00" by_name | cut -c19-) <(grep "75.00" out | cut -c19-) || fail "standard input gives another score"
printf 'SET UTF-8\n' >own.aff
printf '2\nzzxq\nxqzz\n' >own.dic
run eval spell --text lines.txt --dictionary own.dic --json
expect 0
grep -q '"correct": 3, "accuracy": 0.250000' out || fail "a dictionary of the user's own"
run eval spell --text lines.txt --dictionary nowhere.dic
expect 4
run eval spell --text nowhere
expect 4
says "nowhere: cannot be read"
: >empty
run eval spell --text empty
expect 3
says "empty: found no string"
run eval spell --text .
expect 4
"$bfn" eval spell --text lines.txt >/dev/full 2>err
code=$?
expect 5

# ---- spelling of samples ----
make_model --set train.steps=60 --set train.lr=0.01
model=run/last.safetensors
run eval spell --model $model --methods bfn,ode2m+corrector --nfe 3,5 --n 6 --seed 2
expect 0
quiet
grep -q "^6 strings of 32 characters a row, seed 2, " out || fail "head"
grep -q "^model $model, sha256 $(sha256sum <$model | cut -c1-12), bfn [0-9.]*$" out || fail "the model's checksum"
for row in "bfn +3" "bfn +5" "ode2m\+corrector +3" "ode2m\+corrector +5"; do
    grep -Eq "^$row " out || fail "no row $row"
done
[ "$(wc -l <out)" -eq 8 ] || fail "$(wc -l <out) lines, wanted 8"
run eval spell --model $model --methods sde2m --nfe 5 --n 6 --seed 2 --json
expect 0
cp out cell
grep -q "\"model_sha256\": \"$(sha256sum <$model | cut -c1-64)\"" cell || fail "checksum of the model"
for entry in '"seed": "2", "first": "0", "n": "6", "batch": "32", "method": "sde2m", "evaluations": "5", "steps": "5", "grid": "time", "eta": "0.001"' '"version": "'; do
    grep -qF "$entry" cell || fail "json of a cell lacks $entry"
done
run eval spell --model $model --methods sde2m --nfe 5 --n 6 --seed 2 --precision f32 --json
expect 0
grep -q '"precision": "f32"' out || fail "the precision asked for"
run sample --model $model --method sde2m --nfe 5 --n 6 --seed 2
cp out texts
run eval spell --text texts --json
expect 0
cmp -s <(grep -o '"strings".*"duplicates": [0-9]*' cell) <(grep -o '"strings".*"duplicates": [0-9]*' out) ||
    fail "samples scored inside and outside differ"

# ---- bound ----
run eval bound --model $model --data words.txt --sequences 8 --times 4
expect 0
quiet
grep -q "^bits per character, test split, 8 sequences, 256 characters$" out || fail "head"
for order in trigram bigram unigram; do
    grep -Eq "^  $order model +[0-9]+\.[0-9]{4}$" out || fail "no $order model"
done
run eval bound --model $model --data words.txt --sequences 8 --times 4 --json
expect 0
cp out first
awk -F'[:,}]' '{for (i = 1; i < NF; i++) v[$i] = $(i + 1)
    b = v[" \"bound\""]; t = v[" \"transmission\""]; r = v[" \"reconstruction\""]
    if (!(b > 0) || (b - t - r) ^ 2 > 1e-10) exit 1
    if (!(v[" \"trigram\""] < v[" \"bigram\""] && v[" \"bigram\""] < v[" \"unigram\""] && v[" \"unigram\""] < 4.76)) exit 1}' first ||
    fail "the bound is not the sum of its parts, or the n-gram models are not in order"
run eval bound --model $model --data words.txt --sequences 8 --times 4 --batch 3 --threads 1 --json
awk -F'[:,]' 'NR == FNR {a = $8; next} (a - $8) ^ 2 > 1e-8 {exit 1}' first out || fail "the batch size changes the bound"
run eval bound --model $model --data words.txt --sequences 8 --times 4 --split train --json
grep -q '"split": "train"' out || fail "the split"
cmp -s out first && fail "two splits give the same"
run eval bound --model $model --data empty
expect 3
says "empty"
run eval bound --model words.txt --data words.txt
expect 3
says "words.txt"
run eval bound --model $model --data nowhere
expect 4
says "nowhere"

# ---- bpd: the same command, to a precision; the ODE's likelihood ----
run eval bpd --model $model --data words.txt --sequences 8 --times 4 --json
cmp -s out first || fail "bpd and bound differ"
grep -q "\"model_sha256\": \"$(sha256sum <$model | cut -c1-64)\"" out || fail "checksum of the model"
grep -q "\"data_sha256\": \"$(sha256sum <words.txt | cut -c1-64)\"" out || fail "checksum of the data"
run eval bpd --model $model --data words.txt --split train --times 1 --batch 8 --precision 0.2
expect 0
quiet
sequences=$(sed -n 's/^bits per character, train split, \([0-9]*\) sequences.*/\1/p' out)
[ "$sequences" -ge 32 ] || fail "$sequences sequences"
grep -Eq "^  precision 0.2: reached with $sequences of [0-9]+$" out || fail "the precision"
awk '/upper bound/ {if ($6 > 0.2) exit 1}' out || fail "the standard error"
grep -Eq "^  nats a sequence  +[0-9.]+ ± [0-9.]+$" out || fail "nats"
for trace in hutchinson posterior; do
    run eval bpd --model $model --data words.txt --ode --ode-steps 4 --sequences 8 --trace $trace --json
    expect 0
    quiet
    grep -q "\"trace\": \"$trace\", .*\"ode_steps\": 4, \"step_error\": [0-9.e-]*, \"steps_checked\": 8, \"evaluations\": 17, \"eta\": 0" out || fail "what the ODE took"
    cp out $trace
done
awk -F'[:,]' 'NR == FNR {a = $8; next} (a - $8) ^ 2 > 1 {exit 1}' first hutchinson ||
    fail "the ODE's likelihood is far from the variational bound"
cmp -s hutchinson posterior && fail "two traces give the same"
for row in "hutchinson upper bound" "posterior estimate   "; do
    run eval bpd --model $model --data words.txt --ode --ode-steps 2 --sequences 2 --trace ${row%% *}
    expect 0
    grep -Eq "^  step error +[0-9.]+ +\(2 sequences moved so far with 4 steps instead of 2\)$" out || fail "the error of the steps"
    grep -Eq "^  ODE, ${row#* } +[0-9.]+ ± [0-9.]+ " out || fail "the ODE's row"
done

# ---- text: beside a corpus ----
run eval text --model $model --data words.txt --method sde2m --nfe 4 --n 12 --seed 3 --first 5
expect 0
quiet
grep -q "^12 samples of $model, 32 positions, sde2m, 4 evaluations, grid time, eta 0.001, seed 3, samples 5 to 16, " out || fail "head"
grep -q "^model sha256 $(sha256sum <$model | cut -c1-64)$" out || fail "checksum of the model"
grep -q "^dictionary .*, sha256 [0-9a-f]* (the pinned one)$" out || fail "checksum of the dictionary"
grep -q "^text words.txt, sha256 $(sha256sum <words.txt | cut -c1-64): training " out || fail "checksum of the text"
for row in samples uniform unigram 5-gram "real text"; do
    grep -Eq "^$row +[0-9.]+ ± [0-9.]+ " out || fail "no row $row"
done
run eval text --model $model --data words.txt --method sde2m --nfe 4 --n 12 --seed 3 --first 5 --json
expect 0
for entry in "\"model_sha256\": \"$(sha256sum <$model | cut -c1-64)\"" '"weights": "average"' '"start": "zero"' \
    '"seed": "3", "first": "5", "n": "12", "batch": "32", "method": "sde2m", "evaluations": "4", "steps": "4", "grid": "time", "eta": "0.001"'; do
    grep -qF "$entry" out || fail "json of eval text lacks $entry"
done
grep -o '"label": "samples".*"label": "uniform"' out >inside
run sample --model $model --method sde2m --nfe 4 --n 12 --seed 3 --first 5 --format jsonl
cp out texts.jsonl
run eval text --samples texts.jsonl --data words.txt --seed 3 --json
expect 0
grep -o '"label": "strings".*"label": "uniform"' out | sed 's/"strings"/"samples"/' >outside
cmp -s inside outside || fail "samples measured inside and outside differ"
run sample --model $model --method sde2m --nfe 4 --n 12 --seed 3 --first 5 --format npy -o texts.npy
run eval text --samples texts.npy --data words.txt --seed 3 --json
expect 0
grep -o '"label": "strings".*"label": "uniform"' out | sed 's/"strings"/"samples"/' >outside
cmp -s inside outside || fail "npy and text differ"
"$bfn" eval text --samples - --data words.txt --seed 3 --json <texts.jsonl >out 2>err
code=$?
expect 0
grep -o '"label": "strings".*"label": "uniform"' out | sed 's/"strings"/"samples"/' >outside
cmp -s inside outside || fail "standard input and a file differ"
run eval text --samples lines.txt
expect 0
grep -q "^With --data FILE:" out || fail "no word of what --data gives"
grep -Eq "^strings +75\.00 ± 0\.00 +50\.00 ± 0\.00 .* 1$" out || fail "the row without a corpus"
run eval text --samples lines.txt --dictionary own.dic
grep -q "(not the pinned one: numbers do not compare)$" out || fail "another dictionary"
run eval text --samples empty
expect 3
says "empty: found no string"
run eval text --samples lines.txt --data nowhere
expect 4
"$bfn" eval text --samples lines.txt >/dev/full 2>err
code=$?
expect 5
"$bfn" eval bound --model $model --data words.txt --sequences 2 --times 1 >/dev/full 2>err
code=$?
expect 5
exit 0
