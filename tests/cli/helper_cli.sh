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

# make_images FOLDER N HEIGHT WIDTH: IDX files as MNIST has them: N training images of stripes, with labels 0 to 3, and 8 test images.
# Picture i, row y, column x: bright where (x + y (i % 2) + i) % 4 < 2, a little different in each picture.
idx_images() { # n height width
    printf '\0\0\10\3\0\0%b\0\0\0%b\0\0\0%b' "$(printf '\\0%03o\\0%03o' $(($1 / 256)) $(($1 % 256)))" "$(printf '\\0%03o' $2)" "$(printf '\\0%03o' $3)"
    awk -v n=$1 -v h=$2 -v w=$3 'BEGIN {
        for (i = 0; i < n; i++) for (y = 0; y < h; y++) for (x = 0; x < w; x++)
            printf "\\0%03o", (x + y * (i % 2) + i) % 4 < 2 ? 200 + (7 * i + x) % 50 : 10 + (5 * i + y) % 40
        print "" }' |
        while IFS= read -r bytes; do printf '%b' "$bytes"; done
}
idx_labels() { # n
    printf '\0\0\10\1\0\0%b' "$(printf '\\0%03o\\0%03o' $(($1 / 256)) $(($1 % 256)))"
    awk -v n=$1 'BEGIN { for (i = 0; i < n; i++) printf "\\0%03o", i % 4; print "" }' | while IFS= read -r bytes; do printf '%b' "$bytes"; done
}
make_images() {
    mkdir -p "$1"
    idx_images $2 $3 $4 >"$1/train-images-idx3-ubyte"
    idx_labels $2 >"$1/train-labels-idx1-ubyte"
    idx_images 8 $3 $4 >"$1/t10k-images-idx3-ubyte"
    idx_labels 8 >"$1/t10k-labels-idx1-ubyte"
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

# A locale "comma" in the working folder whose decimal mark is a comma, and `run` in it.
make_comma_locale() {
    printf 'LC_NUMERIC\ndecimal_point ","\nthousands_sep "."\ngrouping 3;3\nEND LC_NUMERIC\n' >comma.src
    localedef -c -i comma.src ./comma >/dev/null 2>&1
    env LOCPATH="$PWD" LC_ALL=comma bash -c 'printf "%.1f" 1,5' 2>/dev/null | grep -qx 1,5 || fail "localedef made no locale"
}
run_comma() {
    env LOCPATH="$PWD" LC_ALL=comma "$bfn" "$@" >out 2>err
    code=$?
}

# The published layout's configuration of tests/golden/gpt_ema.pt.
make_published_text() {
    cat >"$1" <<'YAML'
data: {dataset: text8, seq_len: 24}
net:
  name: GPT
  backbone: {vocab_size: 27, n_layer: 2, n_head: 4, n_embd: 32, skip: True}
  input_adapter: {name: TextInputAdapter, vocab_size: 27, seq_len: 24, output_size: 32}
  output_adapter: null
bayesian_flow: {n_classes: 27, max_sqrt_beta: 0.75}
sampling: {last_drop: True, cate_samp: False, eta: 0.002, algorithm: sde_bfnsolver2_multi_step, n_steps: 7, n_samples: 3, seed: 5}
YAML
}

# A tiny trained model of pictures, grey/last.safetensors, and what it was trained on: the folder digits.
make_image_model() {
    make_images digits 20 8 8
    cat >grey.yaml <<'YAML'
data: {kind: image}
network: {class: unet_vdm, embedding_dim: 8, n_blocks: 1, norm_groups: 4}
flow: {kind: continuous}
train: {batch: 8, steps: 2, valid_every: 0, sample_every: 0}
YAML
    run train grey.yaml --data digits --out grey -q
    expect 0
}
