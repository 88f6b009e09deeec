# Training: the run folder, resuming, signals, what is printed where there is no terminal.
source "$BFN_SOURCE_DIR/tests/cli/helper_cli.sh" "$1"
trap 'kill -KILL $(jobs -p) 2>/dev/null' EXIT
make_model

for f in config.yaml log.jsonl last.safetensors best.safetensors lock; do
    [ -s run/$f ] || fail "run/$f is missing or empty"
done
[ ! -s out ] || fail "training prints on standard output"
grep -q "^step 30/30, loss [0-9.]*, [0-9.]* bits/char, .* left$" err || fail "no last line of progress"
grep -q "^saved: run/last.safetensors$" err || fail "it does not say what was saved"
grep -q $'[\033\r]' err && fail "escape codes where there is no terminal"
[ "$(wc -l <run/log.jsonl)" -eq 6 ] || fail "log.jsonl has $(wc -l <run/log.jsonl) lines"
grep -q '^{"step":30,"loss":[0-9.]*,' run/log.jsonl || fail "log.jsonl"
grep -q "n_classes: 27" run/config.yaml || fail "config.yaml is not resolved"

# the stored configuration trains the same run again
run train run/config.yaml --data words.txt --out again -q
expect 0
quiet
cmp -s run/last.safetensors again/last.safetensors || fail "the stored configuration gives another run"

# the environment makes no difference
make_comma_locale
TERM=dumb run_comma train tiny.yaml --data words.txt --out german
expect 0
cmp -s run/last.safetensors german/last.safetensors || fail "a locale changes the run"

# once trained, a folder is not overwritten
run train tiny.yaml --data words.txt --out run
expect 2
says "holds a training already"
run train --resume --data words.txt --out run
expect 2
says "already at step 30 of 30"

run train --resume --data words.txt --out nowhere
expect 4
says "nowhere: nothing to resume"
[ ! -e nowhere ] || fail "a folder was made where there is nothing to resume"

# a checkpoint whose configuration says other sizes than its tensors have is refused before memory is taken for them
reseal() { # with the checksum that its changed bytes have
    local blank=0000000000000000000000000000000000000000000000000000000000000000
    LC_ALL=C sed "1s/bfn.sha256\":\"[0-9a-f]\{64\}/bfn.sha256\":\"$blank/" "$1" >blank
    LC_ALL=C sed "1s/bfn.sha256\":\"$blank/bfn.sha256\":\"$(sha256sum <blank | cut -c1-64)/" blank >"$1"
}
cp run/last.safetensors sealed
reseal sealed
cmp -s sealed run/last.safetensors || fail "the checksum inside is not that of the file"
mkdir liar
LC_ALL=C sed '1s/n_embd: 32/n_embd: 60000/; 1s/ lr: 0.003/ lr: 1 /' run/last.safetensors >liar/last.safetensors
cmp -s run/last.safetensors liar/last.safetensors && fail "the configuration was not changed"
[ "$(wc -c <run/last.safetensors)" -eq "$(wc -c <liar/last.safetensors)" ] || fail "the header has another length"
run info liar/last.safetensors
expect 3
says "liar/last.safetensors: the file is damaged"
reseal liar/last.safetensors
run info liar/last.safetensors
expect 3
says "the configuration needs [32, 60000]"
run train --resume --data words.txt --out liar
expect 3
says "the configuration needs [32, 60000]"

# a dry run writes nothing
run train tiny.yaml --data words.txt --out dry --dry-run
expect 0
[ ! -e dry ] || fail "a dry run made its folder"
grep -q "^network    gpt, " err || fail "a dry run describes nothing"
cmp -s out run/config.yaml || fail "a dry run prints another configuration than a run stores"
run info run/last.safetensors --json
grep -q '"config"' out || fail "info --json has no configuration"
run train tiny.yaml --data words.txt --dry-run --set train.lr=1e-4
expect 0
grep -qx "  lr: 0.0001" out || fail "--set does not show in the printed configuration"
cp out printed.yaml
run train printed.yaml --data words.txt --dry-run -q
expect 0
grep -qx "  lr: 0.0001" out || fail "the printed configuration is none"
"$bfn" train tiny.yaml --data words.txt --dry-run >/dev/full 2>err
code=$?
expect 5

# interrupted in the middle, saved, resumed: the same bytes
for signal in INT TERM; do
    rm -rf cut
    "$bfn" train tiny.yaml --data words.txt --out cut --set train.steps=3000 --set train.schedule=constant --every 0 2>err &
    pid=$!
    for i in $(seq 200); do
        grep -q "^step 3/" err && break
        sleep 0.05
    done
    kill -$signal $pid
    wait $pid
    code=$?
    [ $signal = INT ] && expect 130 || expect 143
    grep -q "^saved: cut/last.safetensors" err || fail "not saved"
    done_steps=$(grep -o '^step [0-9]*/' err | tail -1 | tr -dc 0-9)
    [ "$done_steps" -lt 3000 ] || fail "it was not interrupted"
    end=$((done_steps + 7))
    run train --resume --data words.txt --out cut --set train.steps=$end -q
    expect 0
    run train tiny.yaml --data words.txt --out straight --set train.steps=$end --set train.schedule=constant -q
    expect 0
    cmp -s cut/last.safetensors straight/last.safetensors || fail "$signal: the resumed run differs"
    rm -rf straight
done

# a second signal does not wait for the step (one of minutes) to end, and leaves no half of a file
for signal in INT TERM; do
    "$bfn" train tiny.yaml --data words.txt --out slow -q --set train.accumulate=60000 --set train.batch=64 2>err &
    pid=$!
    for i in $(seq 200); do
        [ -s slow/lock ] && [ -e slow/log.jsonl ] && break
        sleep 0.05
    done
    [ -e slow/log.jsonl ] || fail "it did not start"
    # threads of the program run no handler: it would run on the stack of oneDNN's code, which keeps data where it would write. Those that a
    # library started before the program (OpenBLAS does) may: they compute no networks
    blocking=0
    for status in /proc/$pid/task/*/status; do
        blocked=$(sed -n 's/^SigBlk:[[:space:]]*//p' "$status")
        [ $((0x$blocked & 0x4002)) -ne $((0x4002)) ] || blocking=$((blocking + 1))
    done
    [ $((0x$(sed -n 's/^SigBlk:[[:space:]]*//p' /proc/$pid/status) & 0x4002)) -eq $((0x4002)) ] || fail "SIGINT or SIGTERM runs in the program's main thread"
    [ $blocking -ge 2 ] || fail "$blocking threads block SIGINT and SIGTERM, wanted the main thread and one of its own"
    kill -$signal $pid
    sleep 0.3
    kill -0 $pid || fail "$signal: the first signal did not wait for the step"
    kill -$signal $pid
    for i in $(seq 100); do
        kill -0 $pid 2>/dev/null || break
        sleep 0.05
    done
    kill -0 $pid 2>/dev/null && fail "$signal: the second signal was not obeyed within 5 seconds"
    wait $pid
    code=$?
    [ $signal = INT ] && expect 130 || expect 143
    ls slow | grep -q safetensors && fail "a checkpoint in the middle of a step"
    rm -rf slow
done

# two at once
env -u OMP_WAIT_POLICY "$bfn" train tiny.yaml --data words.txt --out busy --set train.steps=100000 --set train.checkpoint_every=0 --set train.valid_every=0 -q 2>/dev/null &
pid=$!
for i in $(seq 100); do
    [ -s busy/log.jsonl ] && break
    sleep 0.05
done
run train tiny.yaml --data words.txt --out busy
expect 2
grep -q "busy: another training (process $pid) is at work" err || fail "the lock"
tr '\0' '\n' </proc/$pid/environ | grep -qx GOMP_SPINCOUNT=1000 || fail "threads that wait would spin for long"
[ "$(cat /proc/$pid/comm)" = "$(basename "$bfn")" ] || fail "the process is called $(cat /proc/$pid/comm)"
kill -KILL $pid
wait $pid 2>/dev/null
run train tiny.yaml --data words.txt --out busy --set train.steps=2 -q
expect 0 # killed before its first checkpoint, its lock is gone with it

# bad input
run train tiny.yaml --data nowhere.txt --out x
expect 4
says "nowhere.txt"
: >empty.txt
run train tiny.yaml --data empty.txt --out x
expect 3
says "empty.txt"
run train tiny.yaml --data . --out x
expect 4
says "is a folder"
run train nowhere.yaml --data words.txt --out x
expect 4
says "nowhere.yaml"
echo "train: {lrr: 1}" >bad.yaml
run train bad.yaml --data words.txt --out x
expect 2
says "bad.yaml: line 1: train.lrr: no such key, nearest is train.lr"
run train tiny.yaml --data words.txt --out words.txt/x
expect 5
says "words.txt/x"
run train tiny.yaml --data words.txt --out x --set train.lr=1e6 --set train.warmup=0 --set train.max_bad_steps=2 --set train.steps=400 -q
expect 6
grep -q "2 steps in a row without finite numbers" err || fail "divergence is not explained"
exit 0
