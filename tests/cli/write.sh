# Output that cannot be written, for every command that writes: exit code 5, one line that names it, nothing left. The folder is missing, is a
# file, takes no new files from anybody (/sys), or from this user; the output is a folder. Root may write where permissions forbid it, so there
# the program runs as another user.
source "$BFN_SOURCE_DIR/tests/cli/helper_cli.sh" "$1"
trap 'kill $(jobs -p) 2>/dev/null' EXIT
chmod 755 .
cp "$bfn" bfn # the build may lie where another user cannot go
bfn=$PWD/bfn
make_model --set train.steps=2 --set train.valid_every=0
make_image_model
make_images pictures 8 28 28
cp "$BFN_SOURCE_DIR/models/features-fashion-mnist.safetensors" features
text=run/last.safetensors image=grey/last.safetensors
echo precious >file
mkdir folder locked pipes
mkfifo -m 666 pipes/pipe
chmod 555 locked pipes

as_user() { # as somebody for whom permissions count
    if [ "$(id -u)" -eq 0 ]; then
        setpriv --reuid=65534 --regid=65534 --clear-groups "$@"
    else
        "$@"
    fi
}
as_user "$bfn" --version >/dev/null 2>err || fail "the program does not run as another user"
as_user touch locked/x 2>/dev/null && fail "permissions do not count here"

# a pipe is written as it is, wherever it is
cat pipes/pipe >piped &
as_user "$bfn" sample --model $text --nfe 2 --n 3 --format npy -o pipes/pipe >out 2>err || fail "a pipe cannot be written"
wait $!
run sample --model $text --nfe 2 --n 3 --format npy -o whole.npy
cmp -s piped whole.npy || fail "a pipe got something else"

# Endings of the output, and a command in which OUT is the output. "folders": a folder is what it writes.
n=0
while IFS='|' read -r ending kind arguments; do
    for where in nowhere/x file/x /sys/x locked/x folder; do
        [ $kind = makes ] && [ $where = nowhere/x ] && continue # it makes folders that are missing
        [ $kind != file ] && [ $where = folder ] && continue
        out=$where$ending
        [ $where = folder ] && out=folder
        if [ $where = locked/x ]; then
            as_user "$bfn" ${arguments//OUT/$out} >out 2>err
            code=$?
        else
            run ${arguments//OUT/$out}
        fi
        [ $code -eq 5 ] || fail "$arguments, $out: exit code $code"
        says "${out%/}"
        [ -z "$(ls -A folder)$(ls -A locked)" ] && [ "$(cat file)" = precious ] && [ ! -e nowhere ] || fail "$arguments, $out: something was written"
        ls | grep -q tmp- && fail "$arguments, $out: a temporary file is left"
        n=$((n + 1))
    done
done <<END
.txt|file|sample --model $text --nfe 2 -o OUT
.jsonl|file|sample --model $text --nfe 2 --format jsonl -o OUT
.npy|file|sample --model $text --nfe 2 --format npy -o OUT
.png|file|sample --model $image --nfe 2 --format png -o OUT
.png|either|sample --model $image --nfe 2 --film -o OUT
.npy|file|sample --model $image --nfe 2 --format npy -o OUT
.npz|file|sample --model $image --nfe 2 --format npz -o OUT
/|either|sample --model $image --nfe 2 -o OUT
.safetensors|file|convert $text OUT
.safetensors|file|export $text -o OUT
.png|file|compare --model $image --methods ode2m --nfe 2 --n 1 -o OUT
|makes|train tiny.yaml --data words.txt -q --set train.steps=1 --out OUT
|makes|sweep --model $text --methods ode2m --nfe 2 --n 2 -q --out OUT
.npz|file|eval fid --samples pictures --data pictures --features features --save-stats OUT
.safetensors|file|classifier --data pictures --epochs 1 --batch 8 --out OUT
END
[ $n -eq 69 ] || fail "$n outputs were tried"

# a run folder that is a file, and one that may not be written to any more
run train tiny.yaml --data words.txt -q --out file
expect 5
says "file"
run sweep --model $text --methods ode2m --nfe 2 --n 2 -q --out file
expect 5
says "file"
chmod -R a-w run
as_user "$bfn" train --resume --data words.txt --out run --set train.steps=4 -q >out 2>err
code=$?
expect 5
says "run/lock"
chmod -R u+w run
cp $text before
as_user "$bfn" convert $text $text 2>err # over a file in a folder of somebody else's
code=$?
expect 5
says "$text"
cmp -s before $text || fail "a refused conversion changed the old file"

# before the work, not after it: samples that would take hours
for arguments in "sample --model $text --nfe 1000 --n 1000000 -o nowhere/x" "sample --model $text --nfe 1000 --n 100000 --format npy -o nowhere/x.npy" \
    "sample --model $image --nfe 1000 --n 1000000 -o nowhere/x.npz" "compare --model $image --nfe 1000 --n 256 -o nowhere/x.png" \
    "classifier --data nowhere --out nowhere/x" "eval fid --model m --data d --features f --save-stats nowhere/x.npz"; do
    timeout 60 "$bfn" $arguments >out 2>err
    code=$?
    expect 5
    says "nowhere/x"
done
exit 0
