# bfn sweep: cells are what bfn sample and bfn eval give, a killed sweep goes on, other settings are refused, presets, bad options.
source "$BFN_SOURCE_DIR/tests/cli/helper_cli.sh" "$1"
trap 'kill -KILL $(jobs -p) 2>/dev/null' EXIT

# ---- usage errors, before the files that do not exist are looked for ----
wrong() { # wrong "words of the message" arguments...
    local words=$1
    shift
    run sweep "$@"
    expect 2
    says "$words"
    [ ! -s out ] || fail "something on standard output"
    [ ! -e o ] || fail "a refused sweep made its folder"
}
wrong "--model FILE is missing" --out o
wrong "--out FOLDER is missing" --model m
wrong "--preset: found \"figure33\", nearest is figure3" --model m --out o --preset figure33
wrong "\"sde2n\": did you mean \"sde2m\"?" --model m --out o --methods bfn,sde2n
wrong "only +corrector may follow" --model m --out o --methods ode2m+correct
wrong "--methods: no cell is left of ode1+corrector" --model m --out o --methods bfn,ode1+corrector
wrong "--methods: no cell is left of ode2s: ode2s at 10 evaluations" --model m --out o --methods ode2s --nfe 10
wrong "--nfe: found \"0\"" --model m --out o --nfe 0
wrong "--nfe: found \"5,\", needs items separated by commas" --model m --out o --nfe 5,
wrong "--nfe: found \"\", needs items separated by commas" --model m --out o --nfe ""
wrong "--grids: found \"tim\"" --model m --out o --grids tim
wrong "--grids: found \"power:99\"" --model m --out o --grids power:99
wrong "--eta: found \"0.7\", needs default or numbers from 0 to 0.5" --model m --out o --eta default,0.7
wrong "--start: found \"mean\", needs default, zero or moments" --model m --out o --start mean
wrong "--last: found \"never\"" --model m --out o --last predict,never
wrong "--prediction: found \"x\"" --model m --out o --prediction x
wrong "--corrector: found \"yes\", needs off or on" --model m --out o --corrector yes
wrong "--clip: found \"soft\"" --model m --out o --clip soft
wrong "--seeds: found \"-1\"" --model m --out o --seeds -1
wrong "--seeds: found \"5-3\"" --model m --out o --seeds 5-3
wrong "--seeds: more than 64 items" --model m --out o --seeds 1-99999999
run sweep --model nowhere --out o
expect 4
says "nowhere"

# ---- presets ----
run sweep --presets
expect 0
quiet
cp out presets
for preset in figure3 figure4 figure6 eta start; do
    grep -q "^$preset " presets || fail "no preset $preset"
done

[ -r /usr/share/hunspell/en_US.dic ] || exit 0
make_model --set train.steps=60 --set train.lr=0.01
model=run/last.safetensors
for preset in $(sed '/^$/q' presets | sed -n 's/^\([a-z0-9]\{1,\}\)  *.*$/\1/p'); do
    run sweep --model $model --preset $preset --nfe 5 --n 2 --batch 2 --out p-$preset -q
    expect 0
    quiet
    [ "$(wc -l <p-$preset/results.csv)" -gt 1 ] || fail "$preset: no cell"
done
[ "$(cut -d, -f1,3,9 p-figure6/results.csv | tail -n +2 | sort | tr '\n' ' ')" = "bfn,5,draw bfn,5,mean sde1,5,draw sde1,5,mean " ] || fail "figure6: other cells"
[ "$(cut -d, -f1 p-figure4/results.csv | tail -n +2 | tr '\n' ' ')" = "bfn ode1 ode2m sde2m " ] || fail "figure4: other cells"
[ "$(cut -d, -f6 p-eta/results.csv | grep -cx 0.05)" -eq 6 ] || fail "eta: other cells"

# ---- cells are what bfn sample and bfn eval give ----
axes=(--methods bfn,ode2m,ode2m+corrector,ode2s --nfe 3,4 --grids time,power:1.2 --seeds 1-2 --n 4)
run sweep --model $model "${axes[@]}" --out whole
expect 0
cp out table
grep -q "^left out: 4 combinations that no plan exists for: the first is ode2s at 4 evaluations: " err || fail "what is left out"
grep -q "^28 cells (0 were there): whole/results.csv and report.html$" err || fail "no last line"
grep -q $'[\033\r]' err && fail "escape codes where there is no terminal"
[ "$(wc -l <whole/results.csv)" -eq 29 ] || fail "28 cells, $(wc -l <whole/results.csv) lines"
[ "$(wc -l <whole/times.csv)" -eq 29 ] || fail "times.csv"
column() { # row method evaluations grid seed -> its column $1
    awk -F, -v c="$1" -v m="$2" -v k="$3" -v n="$4" -v g="$5" -v s="$6" 'NR == 1 {for (i = 1; i <= NF; i++) if ($i == c) at = i; next}
        $1 == m && $2 == k && $3 == n && $5 == g && $12 == s {print $at}' whole/results.csv
}
check_cell() { # method corrector evaluations grid seed
    local flag=()
    [ -z "$2" ] || flag=(--corrector)
    run sample --model $model --method $1 "${flag[@]}" --nfe $3 --grid $4 --seed $5 --n 4
    expect 0
    cp out texts
    run eval spell --text texts --json
    expect 0
    [ "$(sed 's/.*"accuracy": \([0-9.]*\).*/\1/' out | head -1)" = "$(printf %.6f "$(column accuracy "$@")")" ] || fail "cell $*: another accuracy"
    [ "$(sed 's/.*"words": \([0-9]*\).*/\1/' out)" = "$(column words "$@")" ] || fail "cell $*: another number of words"
    grep -qF "\"texts\":[\"$(head -1 texts)\",\"$(sed -n 2p texts)\"]" whole/cells.jsonl || fail "cell $*: other texts"
}
check_cell bfn "" 3 time 1
check_cell ode2m on 4 power:1.2 2
check_cell ode2s "" 3 time 2
[ "$(grep -cF ",$(sha256sum <$model | cut -c1-64)," whole/results.csv)" -eq 28 ] || fail "the model's checksum"
dictionary=$(cat /usr/share/hunspell/en_US.aff /usr/share/hunspell/en_US.dic | sha256sum | cut -c1-64)
[ "$(grep -cF ",$dictionary," whole/results.csv)" -eq 28 ] || fail "the dictionary's checksum"

# ---- at t = 0 zero mean and the data's moments are the same state: one cell, the one that bfn sample draws from either ----
run sweep --model $model --methods bfn,ode2m --nfe 3 --start zero,moments --n 2 --out starts
expect 0
[ "$(cut -d, -f1,7 starts/results.csv | tail -n +2 | tr '\n' ' ')" = "bfn,zero ode2m,zero ode2m,moments " ] || fail "starts: other cells"
grep -q "^  bfn" out && fail "starts: the original sampler has a row beside itself"
for start in zero moments; do
    run sample --model $model --method bfn --nfe 3 --n 4 --start $start
    expect 0
    cp out from-$start
done
cmp -s from-zero from-moments || fail "at t = 0 the start makes a difference"

# ---- as good as the original sampler: the same on standard output, in results.json and in the report ----
grep -qx "As good as bfn, grid time, the original sampler: spelling accuracy, %" table || fail "no table: $(cat table)"
grep -qE "^  evaluations, times fewer +bfn at 4$" table || fail "table: levels"
[ "$(wc -l <table)" -eq $((1 + 3 + 7)) ] || fail "table: $(wc -l <table) lines, wanted a row for each of 7 samplers"
part=$(sed -n '/"as_good_as_original"/,/^ }/p' whole/results.json)
for words in '"original": "bfn, grid time"' '"as_published": true' '"metric": "accuracy"' '"metric": "inner_accuracy"' '"better": "higher"'; do
    echo "$part" | grep -qF "$words" || fail "results.json does not say $words"
done
row() { # sampler -> evaluations and factor of its first level by spelling accuracy in results.json
    echo "$part" | awk -v s="\"sampler\": \"$1\"," 'index($0, s) {on = 1} on && /"evaluations":|"saved":/ {gsub(/[ ,]/, ""); sub(/.*:/, ""); print} on && /"saved"/ {exit}'
}
for sampler in "bfn, grid power:1.2" "ode2m, grid time" "ode2m + corrector, grid power:1.2" "ode2s, grid time"; do
    line=$(grep -F "  $sampler " table) || fail "table: no row of $sampler"
    evaluations=$(row "$sampler" | head -1)
    case $evaluations in
    null)
        [ "$(row "$sampler" | tail -1)" = null ] && echo "$line" | grep -qE " -$" || fail "$sampler: never, and $line"
        ;;
    3) echo "$line" | grep -qE " ≤ 3 ≥ x1\.3$" || fail "$sampler: 3, and $line" ;;
    4) echo "$line" | grep -qE " 4   x1\.0$" || fail "$sampler: 4, and $line" ;;
    *) fail "$sampler: $evaluations evaluations" ;;
    esac
done
grep -qF "<h2>As good as the original sampler</h2>" whole/report.html || fail "report: no comparison with the original sampler"

# ---- the report: well formed, one file, every cell ----
check_report() { # file cells
    if command -v xmllint >/dev/null; then
        xmllint --noout $1 2>err || fail "$1 is not well formed"
    fi
    awk '{
        while (match($0, /<[\/a-zA-Z!][^>]*>/)) { # every element is closed, in order
            tag = substr($0, RSTART + 1, RLENGTH - 2)
            $0 = substr($0, RSTART + RLENGTH)
            if (tag ~ /^!/ || tag ~ /\/$/) continue
            if (tag ~ /^\//) {if (open[n--] != substr(tag, 2)) exit 1; continue}
            split(tag, words, " ")
            open[++n] = words[1]
        }
    } END {exit n != 0}' $1 || fail "$1: elements are not closed in order"
    grep -qE '<script|<link|src="?(http|//|[a-z]*\.)|url\(|@import' $1 && fail "$1 needs other files or scripts"
    grep -oE 'class="cell"' $1 | wc -l
}
[ "$(check_report whole/report.html)" -eq 14 ] || fail "report: $(check_report whole/report.html) cells with samples, wanted 14"
[ "$(grep -oE '<path class="m k?[ko][0-9]*" d="M[0-9. ]*m[^>]*><title>' whole/report.html | wc -l)" -eq $((14 * 2 * (1 + 1))) ] || fail "report: marks of points"
for words in "bfn, grid time (original sampler)" "ode2m + corrector, grid power:1.2" "Higher is better" "spelling accuracy, %" "$dictionary" "bfn sweep --model run/last.safetensors"; do
    grep -qF "$words" whole/report.html || fail "report does not say: $words"
done
head -1 texts | grep -qF "$(grep -oF "$(head -1 texts)" whole/report.html | head -1)" || fail "report: no sample"

[ "$(grep -c '<path class="v vo" d="M46 ' whole/report.html)" -eq 2 ] || fail "report: no line of the original sampler's level"
grep -qE '</svg>original sampler, bfn at 4 evaluations: [0-9.]*.%</li>' whole/report.html || fail "report: which level it is"

# more than eight lines: a plot a method, in which lines of the same setting have the same colour
[ "$(check_report p-eta/report.html)" -eq 36 ] || fail "eta: $(check_report p-eta/report.html) cells with samples, wanted 36"
[ "$(grep -c '^<figure>$' p-eta/report.html)" -eq 12 ] || fail "eta: $(grep -c '^<figure>$' p-eta/report.html) plots, wanted 3 methods and 2 grids by 2"
[ "$(grep -c '^<h3>sde2m, grid logsnr</h3>$' p-eta/report.html)" -eq 2 ] || fail "eta: headings"
[ "$(grep -oE '<text class="e k[0-7]" [^>]*>η = 0.05<' p-eta/report.html | wc -l)" -eq 24 ] || fail "eta: names at the ends of lines"
[ "$(grep -oE '<text class="e k[0-7]" [^>]*>η = 0.05<' p-eta/report.html | cut -c1-19 | sort -u | wc -l)" -eq 1 ] || fail "eta: one setting, several colours"
[ "$(grep -oE '<text class="e k[0-7]" ' p-eta/report.html | sort -u | wc -l)" -eq 7 ] || fail "eta: seven settings, other colours"

# ---- the same command again does nothing; --threads 2 is what the tests run with ----
cp whole/results.csv before.csv
cp whole/cells.jsonl before.jsonl
run sweep --model $model "${axes[@]}" --out whole --threads 2
expect 0
grep -q "^28 cells (28 were there)" err || fail "finished cells are run again"
cmp -s before.csv whole/results.csv && cmp -s before.jsonl whole/cells.jsonl || fail "the same command again changes files"

# ---- a killed sweep goes on: the same results.csv ----
slow=(--methods bfn,ode2m --nfe 20,30 --seeds 1-4 --n 100)
wait_for_lines() { # file lines
    for i in $(seq 1000); do
        [ "$(cat $1 2>/dev/null | wc -l)" -ge $2 ] && break
        sleep 0.01
    done
}
run sweep --model $model "${slow[@]}" --out through -q
expect 0
grep -qF "<h2>As good as the original sampler</h2>" through/report.html || fail "report: no comparison with the original sampler"
quiet
[ ! -s out ] || fail "-q and something on standard output"
[ "$(grep -oE "<th>bfn at [0-9]*<br/>" through/report.html)" = "<th>bfn at 20<br/>" ] || fail "report: compared at other evaluations than 20"
"$bfn" sweep --model $model "${slow[@]}" --out killed -q 2>err &
pid=$!
wait_for_lines killed/cells.jsonl 4
kill -KILL $pid
wait $pid 2>/dev/null
n=$(wc -l <killed/cells.jsonl)
[ "$n" -ge 4 ] && [ "$n" -lt 17 ] || fail "$n lines when it was killed, wanted 4 to 16"
[ ! -e killed/results.csv ] || fail "results of an unfinished sweep"
printf '{"key":"torn' >>killed/cells.jsonl
run sweep --model $model "${slow[@]}" --out killed
expect 0
grep -q "^16 cells ($((n - 1)) were there)" err || fail "resumed: $(tail -1 err)"
cmp -s through/results.csv killed/results.csv || fail "a killed sweep ends with other results"

# ... and one that was asked to stop shows what it has
"$bfn" sweep --model $model "${slow[@]}" --out stopped 2>err &
pid=$!
wait_for_lines stopped/cells.jsonl 3
kill -INT $pid
wait $pid
code=$?
expect 130
grep -q "^bfn sweep: stopped with [0-9]* of 16 cells finished; the same command goes on from there$" err || fail "what it says when stopped"
grep -qF "Not finished: $(($(wc -l <stopped/cells.jsonl) - 1)) of 16 cells are here" stopped/report.html || fail "report of an unfinished sweep"
[ "$(wc -l <stopped/results.csv)" -eq "$(wc -l <stopped/cells.jsonl)" ] || fail "results of what is finished"

# ---- refusals ----
refuse() { # code message arguments
    local wanted=$1 message=$2
    shift 2
    run sweep -q "$@"
    expect $wanted
    says "$message"
}
refuse 2 "whole: n: the sweep in this folder was begun with 4, now it is 5" --model $model "${axes[@]}" --out whole --n 5
refuse 2 "whole: threads: the sweep in this folder was begun with 2, now it is 1" --model $model "${axes[@]}" --out whole --threads 1
refuse 2 "whole: weights: the sweep in this folder was begun with average, now it is raw" --model $model "${axes[@]}" --out whole --raw-weights
run export $model -o exported.safetensors
refuse 2 "whole: model_sha256: the sweep in this folder was begun with" --model exported.safetensors "${axes[@]}" --out whole
printf 'SET UTF-8\n' >own.aff
printf '2\nthe\nof\n' >own.dic
refuse 2 "whole: dictionary_sha256: " --model $model "${axes[@]}" --out whole --dictionary own.dic
refuse 4 "nowhere.aff" --model $model "${axes[@]}" --out other --dictionary nowhere.dic
refuse 2 "metrics: found \"spel\"" --model $model --out other --metric spel
refuse 2 "metrics: spell is there twice" --model $model --out other --metric spell,spell
refuse 5 "words.txt: is a file" --model $model --out words.txt
mkdir broken
printf 'x\n' >broken/cells.jsonl
refuse 3 "broken/cells.jsonl: line 1: is not the head of a sweep" --model $model --out broken
(head -3 whole/cells.jsonl && echo '{"key": 5}') >broken/cells.jsonl
refuse 3 "broken/cells.jsonl: line 4: " --model $model "${axes[@]}" --out broken
(head -3 whole/cells.jsonl && sed -n 4p whole/cells.jsonl | sed 's/"seconds":/"seconds":-/') >broken/cells.jsonl
refuse 3 "broken/cells.jsonl: line 4: is not a finished cell" --model $model "${axes[@]}" --out broken
(
    flock 9
    run sweep --model $model "${axes[@]}" --out whole -q
    expect 2
    says "another process is at work on it"
) 9>>whole/cells.jsonl || exit 1

# cells that come to the same are run once; other cells may join those of a folder
run sweep --model $model --methods ode2m --nfe 3 --n 4 --last default,predict --prediction default,mean --clip static,off --out joined
expect 0
grep -q "^1 cells (0 were there)" err || fail "equal cells are run more than once"
run sweep --model $model --methods ode2m,sde1 --nfe 3 --n 4 --out joined
expect 0
grep -q "^2 cells (1 were there)" err || fail "a wider table begins anew"
run sweep --model $model --methods ode2m --grids time,list:0.001,0.5,1 --nfe 3 --n 4 --metric none --out lists
expect 0
grep -q '^ode2m,,2,2,"list:0.001,0.5,1",0.001,' lists/results.csv || fail "a list of times"
grep -q accuracy lists/results.csv && fail "--metric none measures"

# a text to compare with adds its metrics
run sweep --model $model --methods ode2m --nfe 3,5 --n 4 --data words.txt --out compared -q
expect 0
quiet
head -1 compared/results.csv | grep -q ",accuracy,.*,divergence_3,.*,longest_copy,mean_copy,.*,data_sha256,accuracy_of_real_text,divergence_3_of_real_text,metrics$" || fail "columns: $(head -1 compared/results.csv)"
grep -q ",$(sha256sum <words.txt | cut -c1-64),[0-9.]*,[0-9.]*,\"spell,text\"$" compared/results.csv || fail "checksum of the text"
awk -F, 'NR == 1 {for (i = 1; i <= NF; i++) at[$i] = i; next}
    {d = $at["divergence_3"]; if (!(d > 0 && d < 1) || $at["longest_copy"] < 1 || $at["mean_copy"] > $at["longest_copy"]) exit 1}' compared/results.csv || fail "scores of text"
[ "$(check_report compared/report.html)" -eq 2 ] || fail "report of two metrics"
grep -q "<h2>Divergence of runs of 3 characters from real text</h2>" compared/report.html || fail "report: no plot of the second metric"
[ "$(grep -c '</svg>as much real text: [0-9.]*.\(%\|bits\)</li>' compared/report.html)" -eq 2 ] || fail "report: what real text scores"
[ "$(grep -cE '<path class="v vr" d="M46 |<text class="e vr"' compared/report.html)" -ge 4 ] || fail "report: no line of real text"
grep -q '<path class="v vo"' compared/report.html && fail "report: a level of an original sampler that was not run"
refuse 2 "metrics: text needs data" --model $model --metric text --out other
refuse 4 "nowhere" --model $model --data nowhere --out other

# ---- images ----
make_images digits 20 8 8
cat >grey.yaml <<'YAML'
data: {kind: image}
network: {class: unet_vdm, embedding_dim: 8, n_blocks: 1, norm_groups: 4}
flow: {kind: continuous}
train: {batch: 8, steps: 4, valid_every: 0, sample_every: 0}
YAML
run train grey.yaml --data digits --out grey -q
expect 0
run sweep --model grey/last.safetensors --methods ode2m --nfe 3 --n 4 --clip static,off --start zero,moments --out pictures -q
expect 0
quiet
[ "$(cut -d, -f7,11 pictures/results.csv | tail -n +2 | tr '\n' ' ')" = "zero,static zero,off moments,static moments,off " ] || fail "clip and start"
grep -q '"strip":"iVBORw0KGgo' pictures/cells.jsonl || fail "no pictures"
grep -qF 'src="data:image/png;base64,iVBORw0KGgo' pictures/report.html || fail "report: no pictures"
[ "$(check_report pictures/report.html)" -eq 4 ] || fail "report: cells of pictures"
refuse 2 "metrics: spell is for text, this is a model of images" --model grey/last.safetensors --out other --metric spell
exit 0
