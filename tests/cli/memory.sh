# Little address space (ulimit -v): a clean error and exit code 7, or success; no half of a file either way.
source "$BFN_SOURCE_DIR/tests/cli/helper_cli.sh" "$1"
ldd "$bfn" | grep -Eq 'lib[at]san' && exit 0 # sanitizers reserve terabytes of it
export OPENBLAS_NUM_THREADS=1 # where LAPACK is OpenBLAS: it ends a program, before main, that has no memory for its threads
make_model --set train.steps=4 --set train.valid_every=2
model=run/last.safetensors

# within KB SECONDS ARGS...: the program with so much address space
limited() {
    local kb=$1
    shift
    (
        ulimit -v $kb
        exec "$bfn" "$@"
    ) >out 2>err
    code=$?
}

check() { # check KB: the code, the message
    case $code in
    127) grep -q "error while loading shared libraries" err || fail "$1: 127" ;; # not even started
    7) says "out of memory" ;;
    0) [ "$1" -gt 60000 ] || fail "$1 kB are enough?" ;;
    *) fail "$1 kB: exit code $code" ;;
    esac
}

codes=
for kb in 30000 52000 56000 $(seq 60000 4500 150000) 400000; do
    limited $kb sample --model $model --nfe 3 --n 2 -o samples.txt
    check $kb
    codes="$codes $code"
    [ $code -ne 0 ] || [ "$(wc -l <samples.txt)" -eq 2 ] || fail "$kb kB: not all samples"
    [ $code -eq 0 ] || [ ! -e samples.txt ] || fail "$kb kB: half of a file"
    ls | grep -q tmp- && fail "$kb kB: a temporary file is left"
    rm -f samples.txt
done
for code in 7 0; do
    [[ " $codes " == *" $code "* ]] || fail "no limit gave exit code $code:$codes"
done
for kb in 52000 $(seq 60000 9000 150000) 400000; do
    limited $kb train tiny.yaml --data words.txt --out cut -q --set train.steps=2
    check $kb
    ls cut 2>/dev/null | grep -q tmp- && fail "$kb kB: a temporary file is left"
    for file in cut/*.safetensors; do
        [ ! -e "$file" ] || "$bfn" info "$file" >/dev/null 2>err || fail "$kb kB: $file is not whole"
    done
    rm -rf cut
done
limited 70000 info $model
check 70000
# numbers that fit no machine
run sample --model $model --nfe 3 --n 1000000000 --format npy -o huge.npy
expect 7
says "out of memory"
[ ! -e huge.npy ] || fail "half of a file"
exit 0
