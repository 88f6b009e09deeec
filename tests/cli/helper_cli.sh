# helper_cli.sh: what the command line tests share. Usage: source it with the program as $1.
#   run ARGS...          runs the program; leaves $code and the files out and err
#   expect CODE          $code is CODE, else the test ends with what was printed
#   says WORDS           standard error is one line and has WORDS
#   quiet                standard error is empty
bfn=$1
export OMP_WAIT_POLICY=passive OMP_NUM_THREADS=2
unset NO_COLOR

fail() {
    echo "line ${BASH_LINENO[${#BASH_LINENO[@]} - 2]}: $*" >&2
    echo "--- standard output" >&2
    head -c 2000 out >&2
    echo "--- standard error" >&2
    head -c 2000 err >&2
    exit 1
}

run() {
    "$bfn" "$@" >out 2>err
    code=$?
}

expect() {
    [ "$code" -eq "$1" ] || fail "exit code $code, wanted $1"
}

says() {
    [ "$(wc -l <err)" -eq 1 ] || fail "standard error has $(wc -l <err) lines, wanted 1"
    grep -qF -- "$1" err || fail "standard error does not say: $1"
}

quiet() {
    [ ! -s err ] || fail "standard error is not empty"
}

# A little English for training: the words of the project's own texts.
make_text() {
    cat "$BFN_SOURCE_DIR"/include/bfn/*.h | head -c 60000 >"$1"
}

# A small trained model, run/last.safetensors; arguments go to bfn train.
make_model() {
    make_text words.txt
    cat >tiny.yaml <<'YAML'
data: {alphabet: text8, seq_len: 32}
network: {n_layer: 1, n_head: 2, n_embd: 32}
train: {batch: 8, steps: 30, lr: 3e-3, warmup: 3, ema: 0.9, valid_every: 10, valid_batches: 1, sample_every: 0, checkpoint_every: 10, log_every: 5}
YAML
    run train tiny.yaml --data words.txt --out run "$@"
    expect 0
}
