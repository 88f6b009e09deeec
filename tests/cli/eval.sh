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
wrong "found \"spel\", the measures are spell, bound; nearest is spell" spel
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
wrong "--data FILE is missing" bound --model m
wrong "--split: found \"dev\", needs one of train, valid, test" bound --model m --data d --split dev
wrong "--times: found \"0\"" bound --model m --data d --times 0
wrong "no operand" bound --model m --data d extra
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
says "found no line"
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
for row in "bfn +3" "bfn +5" "ode2m\+corrector +3" "ode2m\+corrector +5"; do
    grep -Eq "^$row " out || fail "no row $row"
done
[ "$(wc -l <out)" -eq 7 ] || fail "$(wc -l <out) lines, wanted 7"
run eval spell --model $model --methods sde2m --nfe 5 --n 6 --seed 2 --json
expect 0
cp out cell
grep -q "\"model_sha256\": \"$(sha256sum <$model | cut -c1-64)\"" cell || fail "checksum of the model"
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
"$bfn" eval bound --model $model --data words.txt --sequences 2 --times 1 >/dev/full 2>err
code=$?
expect 5
exit 0
