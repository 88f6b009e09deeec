#!/bin/sh
# make demo: sample text and pictures from the shipped models, train a small model live on English text, compare samplers. Under five minutes.
#   BFN=path of the program (default build/bfn)   STRINGS=strings a cell of the table (default 48)
#   PICTURES=folder for the pictures (default: beside the program)
set -eu

bfn=${BFN:-build/bfn}
strings=${STRINGS:-48}
pictures=${PICTURES:-$(dirname "$bfn")/demo}
model=$(ls models/text8-*.safetensors | head -n 1)
run=$(mktemp -d)
trap 'rm -rf "$run"' EXIT
started=$(date +%s)

say() {
    printf '\n== %s\n' "$1"
}

sh tools/setup.sh dict-gcide
"$bfn" --version

say "Text from $model: 10 network evaluations, method sde2m"
"$bfn" sample --model "$model" --method sde2m --nfe 10 --n 4 --seed 1

say "The same with gaps to fill: the given characters stay, the network writes the rest"
"$bfn" sample --model "$model" --method sde2m --nfe 20 --n 3 --seed 2 --infill "in the ________ of the ________ century the "

say "A small model learns English from a dictionary (Debian's dict-gcide), live"
# a few bytes of it are not UTF-8
gzip -dc </usr/share/dictd/gcide.dict.dz | iconv -c -f utf-8 -t utf-8 >"$run/gcide.txt"
"$bfn" train configs/text8-tiny.yaml --data "$run/gcide.txt" --out "$run/tiny" --set train.steps=1500 --set train.valid_every=500 --set train.sample_every=500 --every 10

say "What it writes after that minute"
"$bfn" sample --model "$run/tiny/last.safetensors" --method sde2m --nfe 20 --n 4 --seed 1

say "Samplers compared on the shipped model: percent of words in the dictionary (hunspell en_US)"
echo "bfn is the original sampler; ode2m and sde2m are the fast solvers: compare their row at 10 with its row at 50."
"$bfn" eval spell --model "$model" --methods bfn,ode2m,sde2m --nfe 5,10,20,50 --n "$strings" --seed 1

for model in models/fashion-*.safetensors; do
    [ -e "$model" ] || continue
    name=$(basename "$model" .safetensors)
    mkdir -p "$pictures"
    say "Pictures from $model: 20 network evaluations, a film of how they settle, and the samplers side by side"
    "$bfn" sample --model "$model" --method sde2m --nfe 20 --n 16 --seed 1 --columns 8 -o "$pictures/$name.png" --film --preview
    "$bfn" compare --model "$model" --methods bfn,ode2m,sde2m --nfe 5,10,20,50 --n 9 --seed 1 -o "$pictures/$name-methods.png"
    echo "written: $pictures/$name.png, $name-film.png (animated), $name-strip.png, $name-methods.png"
done

printf '\nDone in %d seconds.\n' $(($(date +%s) - started))
