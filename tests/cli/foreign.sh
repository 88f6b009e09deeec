# Models, data and commands that do not go together: a model of another kind of data, a text of other characters, pictures of another size; and
# programs that are started without a standard input.
source "$BFN_SOURCE_DIR/tests/cli/helper_cli.sh" "$1"
make_model --set train.steps=2 --set train.valid_every=0
make_images large 8 10 10
make_image_model
printf 'Hello World 123 %.0s' $(seq 400) >other.txt
sed 's/text8/chars/; s/steps: 30/steps: 2/; s/valid_every: 10/valid_every: 0/' tiny.yaml >chars.yaml
run train chars.yaml --data other.txt --out chars -q
expect 0
text=run/last.safetensors image=grey/last.safetensors

refuse() { # code message arguments
    local wanted=$1 message=$2
    shift 2
    run "$@"
    expect $wanted
    says "$message"
    [ ! -s out ] || fail "something on standard output"
}
refuse 4 "digits: is a folder" eval bpd --model $text --data digits
refuse 3 "words.txt: " eval bpd --model $image --data words.txt
refuse 2 "data.height: found 8, the images of large are 10 x 10 x 1" eval bpd --model $image --data large
refuse 2 "is a model of images" eval text --model $image --data words.txt
refuse 2 "is a text model" eval fid --model $text --data digits --features "$BFN_SOURCE_DIR/models/features-mnist.safetensors"
refuse 2 "frechet is for images, this is a model of text" sweep --model $text --metric frechet --data digits --methods ode2m --nfe 2 --n 2 --out s
refuse 2 "spell is for text, this is a model of images" sweep --model $image --metric spell --methods ode2m --nfe 2 --n 2 --out s
[ ! -e s ] || fail "a refused sweep made its folder"
refuse 2 "is a model of text" compare --model $text -o x.png
refuse 3 "words.txt: byte 0: the character '/' (U+002F) is not in the alphabet" eval bpd --model chars/last.safetensors --data words.txt
refuse 2 "found \"z\", needs characters of the model's alphabet" sample --model chars/last.safetensors --infill zq
refuse 2 "the run was started with data of sha256" train --resume --data other.txt --out run -q --set train.steps=4

# no standard input: files do not take its number, and who asks for it is told
run sample --model $text --nfe 2 --n 3 -o wanted.txt
expect 0
"$bfn" sample --model $text --nfe 2 --n 3 -o closed.txt >out 2>err <&-
code=$?
expect 0
cmp -s closed.txt wanted.txt || fail "a closed standard input changes the samples"
"$bfn" train tiny.yaml --data words.txt --out closed -q --set train.steps=2 --set train.valid_every=0 <&- >&- 2>&-
code=$?
expect 0
cmp -s closed/last.safetensors $text || fail "closed streams change a run"
for measure in "spell --text" "text --samples"; do
    "$bfn" eval $measure - >out 2>err <&-
    code=$?
    expect 4
    says "standard input: cannot be read"
done
exit 0
