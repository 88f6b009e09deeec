# What a terminal is shown: the bar, the film, colours only where they are wanted. `script` (bsdutils) gives a terminal.
source "$BFN_SOURCE_DIR/tests/cli/helper_cli.sh" "$1"
command -v script >/dev/null || exit 0
make_model
export BFN=$bfn
escape=$'\033'

on_terminal() { # on_terminal TERM COMMAND: everything that the terminal got is in `out`
    TERM=$1 script -qec "stty cols ${3:-80} rows ${4:-24}; $2" /dev/null >out 2>err </dev/null || fail "it failed"
}

train='"$BFN" train tiny.yaml --data words.txt --out'
on_terminal xterm "$train one"
grep -q "${escape}\[K" out || fail "no bar"
grep -q "${escape}\[36m" out || fail "no colour"
grep -q "step 30/30" out || fail "no last step"
NO_COLOR=1 on_terminal xterm "$train two"
grep -q "${escape}\[K" out || fail "NO_COLOR: no bar"
grep -q "${escape}\[[0-9;]*m" out && fail "NO_COLOR: colour"
on_terminal dumb "$train three"
grep -q "$escape" out && fail "TERM=dumb: escape codes"
on_terminal xterm "$train four" 20
tr '\r' '\n' <out | sed "s/${escape}\[[0-9;]*[mK]//g" | grep "%" | awk 'length($0) > 20 {exit 1}' || fail "20 columns: a longer bar"

film='"$BFN" sample --model run/last.safetensors --nfe 5 --n 2 --film'
on_terminal xterm "$film"
grep -q "step 5 of 5, t = 1.000" out || fail "no film"
grep -q "${escape}\[3A" out || fail "the film is not redrawn in place"
for size in "20 24" "7 5" "1 3" "1 1"; do # the block is redrawn in place: it must fit the window, whatever its size
    set -- $size
    on_terminal xterm "$film 2>&1 >samples" "$@"
    tr '\r' '\n' <out | sed "s/${escape}\[[0-9;]*[mKAJ]//g" | awk -v n="$1" 'length($0) > n {exit 1}' || fail "$size: a longer line"
    up=$(grep -o "${escape}\[[0-9]*A" out | head -1 | tr -dc 0-9)
    [ "$up" -ge 2 ] && { [ "$up" -lt "$2" ] || [ "$2" -lt 3 ]; } || fail "$size: the film goes up $up lines"
    grep -q "[^A[:cntrl:]]${escape}\[K" out && fail "$size: a full line is erased after it was written"
done
NO_COLOR=1 on_terminal xterm "$film"
grep -q "${escape}\[[0-9;]*m" out && fail "NO_COLOR: a film in colour"
on_terminal dumb "$film"
grep -q "$escape" out && fail "TERM=dumb: a film with escape codes"

# pictures: half blocks in 24-bit colours, no wider than the window, only where there are colours
make_images digits 30 8 8
cat >images.yaml <<'YAML'
data: {kind: image}
network: {class: unet_vdm, embedding_dim: 8, n_blocks: 1, norm_groups: 4}
flow: {kind: continuous}
train: {batch: 4, steps: 4, valid_every: 0, sample_every: 0}
YAML
on_terminal xterm '"$BFN" train images.yaml --data digits --out images'
grep -q "images/s" out || fail "no rate of images in the bar"
grep -q "▀" out && fail "a preview that nobody asked for"
on_terminal xterm '"$BFN" train images.yaml --data digits --out seen --preview --set train.sample_every=4 --set train.sample_nfe=3'
[ "$(grep -c "▀" out)" -eq 11 ] || fail "no preview of the samples"
preview='"$BFN" sample --model images/last.safetensors --nfe 4 --n 4 --preview'
on_terminal xterm "$preview"
grep -q "${escape}\[38;2;[0-9;]*m" out || fail "no preview"
[ "$(grep -c "▀" out)" -eq 11 ] || fail "a preview of $(grep -c "▀" out) lines, wanted 11 for 2 x 8 + 3 x 2 pixels"
on_terminal xterm "$preview" 12
awk 'gsub(/▀/, "") > 12 {exit 1}' out || fail "a preview wider than the window"
NO_COLOR=1 on_terminal xterm "$preview -o grid.png"
grep -q "▀" out && fail "NO_COLOR: a preview"
exit 0
