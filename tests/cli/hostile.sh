# Files from strangers, and files that are no files: refused with one clean line and the right code, at once, without much memory.
source "$BFN_SOURCE_DIR/tests/cli/helper_cli.sh" "$1"
make_text book.txt
ldd "$bfn" | grep -Eq 'lib[at]san' || ulimit -v 4000000 # sanitizers reserve terabytes of it

# clean CODE WORDS: refused with this, and nothing that steers a terminal gets through.
clean() {
    expect "$1"
    says "$2"
    ! LC_ALL=C grep -q "$(printf '[\1-\10\13-\37\177]')" err || fail "control characters in the message"
}
train() {
    run train "$1" --data book.txt --out run --set network.n_layer=1
    [ ! -e run ] || fail "$1: refused, but a run folder was made"
}

# ---- configurations ----
truncate -s 1G large.yaml
train large.yaml
clean 3 "large.yaml: has 1073741824 bytes, at most 1048576 are allowed"
mkfifo fifo
for command in "train fifo --data book.txt --out run" "train $BFN_SOURCE_DIR/configs/text8-tiny.yaml --data fifo --out run" \
    "info fifo" "sample --model fifo --nfe 5"; do
    run $command
    clean 3 "fifo: is a FIFO, a regular file is needed"
done
cat >bomb.yaml <<'END'
a: &a [x, x, x, x, x, x, x, x, x, x]
b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a]
c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b, *b]
train: {lr: *c}
END
train bomb.yaml
clean 2 "bomb.yaml: line 1: an anchor or alias (& or *)"
for value in 10x "−1" nan inf 1e999 0x10 "1,5" -1; do # the second has a minus of U+2212
    printf 'train:\n  lr: %s\n' "$value" >bad.yaml
    train bad.yaml
    expect 2
    says "bad.yaml: line 2"
    run train "$BFN_SOURCE_DIR/configs/text8-tiny.yaml" --data book.txt --out run --set "train.lr=$value"
    expect 2
    says "train.lr"
done
printf 'train:\n  lr: 1e-3\n  lr: 2e-3\n' >bad.yaml
train bad.yaml
clean 2 'bad.yaml: line 3: key "lr" occurs twice, first in line 2'
printf 'train:\n  lrr: 1\n' >bad.yaml
train bad.yaml
clean 2 'bad.yaml: line 2: train.lrr: no such key, nearest is train.lr'
printf 'train:\n  schedule: "\\e[2J"\n' >bad.yaml
train bad.yaml
clean 2 "line 2"

# ---- models ----
# file HEADER: a safetensors file without data
file() {
    n=$(printf "%s" "$1" | wc -c)
    { printf "$(printf '\\%03o\\%03o\\0\\0\\0\\0\\0\\0' $((n % 256)) $((n / 256)))" && printf "%s" "$1"; } >x.safetensors
}
file '{"\u001b[2Jx":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}'
run info x.safetensors
clean 3 "a name without control characters"
file "$(printf '{"a\033[2J":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}')"
run info x.safetensors
clean 3 "x.safetensors: header byte 11"
file '{"../../etc/passwd":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"/":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}'
run info x.safetensors
[ "$code" -eq 0 ] || clean 3 "x.safetensors"
file '{"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}}'
run info x.safetensors
clean 3 "shape holds"
if truncate -s 300G huge.safetensors 2>/dev/null; then # holes: takes no room
    run info huge.safetensors
    clean 3 "huge.safetensors: has 322122547200 bytes, at most 274877906944 are allowed"
    rm huge.safetensors
fi

# ---- data ----
truncate -s 20G large.txt && run train "$BFN_SOURCE_DIR/configs/text8-tiny.yaml" --data large.txt --out run &&
    clean 3 "large.txt: has 21474836480 bytes, at most 17179869184 are allowed"
rm -f large.txt
mkdir images
mkfifo images/a.png
ln -s images images/loop
ln -s b.png images/b.png
run train "$BFN_SOURCE_DIR/configs/fashion-small.yaml" --data images --out run
clean 4 "images/b.png"
rm images/b.png
run train "$BFN_SOURCE_DIR/configs/fashion-small.yaml" --data images --out run
clean 3 "images: a folder without images"
[ ! -e run ] || fail "a run folder was made for data that cannot be read"
exit 0
