# bfn plan: the three formats hold the same numbers, and those of the formulas; errors.
source "$BFN_SOURCE_DIR/tests/cli/helper_cli.sh" "$1"

# The rows of every format as "t t_next a b0 b1 b2 b3 k e".
rows_of_csv() {
    awk -F, 'NR > 1 {for (i = 4; i < 12; i++) printf "%s ", $i; print $12}' "$1"
}
rows_of_json() {
    grep '"t":' "$1" | sed 's/^ *{"call": [a-z]*, "corrector": [a-z]*, //; s/"[a-z_]*"://g; s/[][{},]/ /g' |
        awk '{$1 = $1; print}'
}

for method in bfn euler em ode1 ode2m ode3m ode2s sde1 sde2m sde3m; do
    for kind in discrete continuous discretised; do
        run plan --method $method --steps 5 --kind $kind --format csv
        expect 0
        quiet
        cp out csv
        head -1 csv | grep -qx "row,call,corrector,t,t_next,a,b0,b1,b2,b3,k,e" || fail "$method: head of the csv"
        awk -F, 'NF != 12 {exit 1}' csv || fail "$method: the csv has other than 12 columns"
        run plan --method $method --steps 5 --kind $kind --format json
        expect 0
        rows_of_json out >json_rows
        cmp -s json_rows <(rows_of_csv csv) || fail "$method $kind: csv and json differ"
        calls=$(grep -c '"call": true' out)
        grep -q '"final_call": true' out && calls=$((calls + 1))
        grep -q "\"n_steps\": 5, \"n_evaluations\": $calls," out || fail "$method: calls and n_evaluations differ"
        [ "$(tr -dc '{' <out | wc -c)" -eq "$(tr -dc '}' <out | wc -c)" ] || fail "$method: the json is not closed"
        run plan --method $method --steps 5 --kind $kind
        expect 0
        grep -q "^steps 5, network evaluations $calls, rows $(wc -l <json_rows), " out || fail "$method: head of the table"
        [ "$(grep -cE '^ +[0-9]+ (call|correct|step)' out)" -eq "$(wc -l <json_rows)" ] || fail "$method: rows of the table"
    done
done
if command -v python3 >/dev/null && python3 -c 'import json' 2>/dev/null; then
    run plan --method sde2m --corrector --nfe 4 --format json
    python3 -c 'import json; p = json.load(open("out")); assert len(p["rows"]) >= 4 and len(p["rows"][0]["b"]) == 4' ||
        fail "the json does not parse"
fi

# grids, and the rows of the original sampler, whose formula is short
run plan --method euler --steps 4 --eta 0.2 --classes 5 --max-sqrt-beta 2 --format csv
expect 0
awk -F, 'function off(x, y) {return (x - y) * (x - y) > 1e-18}
    NR == 2 && off($4, 0.2) || NR > 1 && off($5, $4 + 0.2) {exit 1}
    END {if (NR != 5) exit 1}' out || fail "the times of an even grid"
run plan --method ode2m --grid list:0.1,0.25,1 --format csv
expect 0
awk -F, 'NR == 2 && ($4 != 0.1 || $5 != 0.25) || NR == 3 && ($4 != 0.25 || $5 != 1) {exit 1}' out || fail "a list of times"
run plan --method bfn --steps 10 --classes 5 --max-sqrt-beta 2 --format csv # z + alpha (K e_k - 1) + sqrt(K alpha) noise, alpha = beta (t_next^2 - t^2)
expect 0
awk -F, 'function off(x, y) {return (x - y) * (x - y) > 1e-18}
    NR > 1 {a = 4 * ($5 * $5 - $4 * $4); if (off($6, 1) || off($7, 5 * a) || off($12, sqrt(5 * a))) exit 1}' out ||
    fail "the rows of the original sampler"

# the flow of a model
make_model --set flow.max_sqrt_beta=1.5 --set train.steps=2
run plan --model run/last.safetensors --method ode2m --nfe 3 --format csv
expect 0
cp out of_model
run plan --max-sqrt-beta 1.5 --method ode2m --nfe 3 --format csv
cmp -s out of_model || fail "--model takes another flow"
run plan --method ode2m --nfe 3 --format csv
cmp -s out of_model && fail "--model changes nothing"
run plan --model nowhere
expect 4
run plan --model words.txt
expect 3
says "words.txt"
"$bfn" plan >/dev/full 2>err
code=$?
expect 5

wrong() {
    local words=$1
    shift
    run plan --model nowhere "$@"
    expect 2
    says "$words"
    [ ! -s out ] || fail "something on standard output"
}
wrong '--method: "xyz": methods are bfn, euler' --method xyz
grep -q "method: *method" err && fail "a doubled name"
wrong "--nfe: 2: ode3m with last step \"predict\" cannot spend it, the nearest are 1 and 3" --method ode3m --nfe 2
wrong "--corrector: bfn is no multistep method" --method bfn --corrector
wrong "--noise: sde2m has no noise dial" --noise 1
wrong "--steps: found 3, --grid lists 2 steps" --grid list:0,0.5,1 --steps 3
wrong "--kind: found \"text\"" --kind text
wrong "--classes: found \"1\"" --classes 1
wrong "--format: found \"xml\", needs one of table, csv, json" --format xml
exit 0
