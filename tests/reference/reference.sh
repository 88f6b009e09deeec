#!/bin/bash
# reference.sh TEST_FOLDER GOLDEN_FOLDER: BFN_GOLDEN_DIR chooses the folder of reference values; an empty folder, a missing folder, a missing
# array, a missing file and a wrong number are failures that are named.
set -u
programs=$1 golden=$2
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT

fail() {
    echo "$*" >&2
    tail -5 "$folder/log" >&2
    exit 1
}

with() { # with FOLDER PROGRAM
    BFN_GOLDEN_DIR=$1 "$programs/test-golden_$2" >"$folder/log" 2>&1
}

fails() { # fails "words" FOLDER PROGRAM
    with "$2" "$3" && fail "$3 passes: $1"
    grep -qF -- "$1" "$folder/log" || fail "$3 does not say: $1"
}

# copy of the folder in which, in one file, a name or number of the header is replaced by one as long
spoil() { # spoil FILE OLD NEW
    rm -rf "$folder/copy"
    cp -rs "$golden" "$folder/copy"
    LC_ALL=C sed -i "1s/$2/$3/" "$folder/copy/$1"
    cmp -s "$golden/$1" "$folder/copy/$1" && fail "$1 has no $2"
}

mkdir "$folder/empty"
for program in networks losses solver trace; do
    fails "$folder/empty: no file" "$folder/empty" $program
    fails "$folder/nowhere: cannot open the folder" "$folder/nowhere" $program
done

cp -rs "$golden" "$folder/copy"
with "$folder/copy" losses || fail "a copy of the folder fails"
grep -q "^gpt_losses.safetensors .* arrays, worst .*, bound " "$folder/log" || fail "no line of file, arrays, worst error and bound"
with "$folder/copy" solver || fail "a copy of the folder fails"
[ "$(grep -c "^solver_.* states " "$folder/log")" -eq "$(ls "$golden"/solver_*.safetensors | wc -l)" ] || fail "not every file is run"

# a file under another name is another set of the same layout: it is found and run too
cp "$golden/gpt_losses.safetensors" "$folder/copy/other_losses.safetensors"
with "$folder/copy" losses || fail "another set fails"
grep -q "^other_losses.safetensors " "$folder/log" || fail "another set is not run"

solver=solver_discrete_sde_bfnsolver1_n10_last_drop.safetensors
for array in z.init z.7 prob_pred.3 noise.2 sample; do
    spoil $solver "\"$array\":" "\"${array%?}Q\":"
    fails "$solver: no array \"$array\"" "$folder/copy" solver
done
for array in x.10 x0_pred.0 noise.8; do
    spoil solver_continuous_sde_euler_n10_last_drop.safetensors "\"$array\":" "\"${array%?}Q\":"
    fails "no array \"$array\"" "$folder/copy" solver
done
for array in cts.loss cts.net_input disc.loss_mean recon.loss recon.flow_noise; do
    spoil gpt_losses.safetensors "\"$array\":" "\"${array%?}Q\":"
    fails "gpt_losses.safetensors: no array \"$array\"" "$folder/copy" losses
done
spoil $solver '"n_steps": "10"' '"n_steps": "11"' # options come from the file: another number of steps is another run
with "$folder/copy" solver && fail "n_steps of the file is ignored"
spoil $solver 'max_sqrt_beta\\": 0\.75' 'max_sqrt_beta\\": 0.76' # so does the flow
with "$folder/copy" solver && fail "the flow of the file is ignored"
rm "$folder/copy/gpt_training_trace.safetensors"
fails "no file *_training_trace.safetensors" "$folder/copy" trace
exit 0
