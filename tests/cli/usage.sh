# Usage errors: exit code 2, one line that says what is allowed, nothing on standard output, and before any file is opened
# (the files named here do not exist: a program that looked for them first would say so, with code 4).
source "$BFN_SOURCE_DIR/tests/cli/helper_cli.sh" "$1"

wrong() { # wrong "words of the message" arguments...
    local words=$1
    shift
    run "$@"
    expect 2
    says "$words"
    [ ! -s out ] || fail "standard output is not empty"
    [ "$(ls | wc -l)" -eq 2 ] || fail "a file was made"
}

wrong "--model FILE is missing" sample
wrong "--modle: no such option, nearest is --model" sample --modle m
wrong "-x: no such option" sample -x
wrong "--m: short for more than one option, as --model and --method" sample --m m
wrong "--nfe: needs a value" sample --model m --nfe
wrong "--film: takes no value" sample --model m --film=yes
for bad in 0 -1 2147483648 1e12 10x 1.5 "" 0x10 nan " 5" ５; do
    wrong '--nfe: found "'"$bad"'", needs a whole number from 1 to 1000000' sample --model m --nfe "$bad"
done
wrong "--n: found \"1e12\", needs a whole number from 1 to 1000000000" sample --model m --n 1e12
wrong "--threads: found \"100000\", needs a whole number from 1 to 1024" sample --model m --threads 100000
wrong "--seed: found \"-1\"" sample --model m --seed -1
wrong "--seed: found \"18446744073709551616\"" sample --model m --seed 18446744073709551616
wrong "--batch: found \"0\"" sample --model m --batch 0
wrong "--eta: found \"0.9\"" sample --model m --eta 0.9
wrong "--eta: found \"0,1\"" sample --model m --eta 0,1
wrong "--clip: found \"hard\", needs one of static, dynamic, off" sample --model m --clip hard
wrong "--format: found \"csv\"" sample --model m --format csv
wrong "--format npy: needs -o FILE" sample --model m --format npy
wrong "--method: \"sde2n\": did you mean \"sde2m\"?" sample --model m --method sde2n
wrong "--grid: found \"cubic\"" sample --model m --grid cubic
wrong "--grid: found \"power:20\"" sample --model m --grid power:20
wrong "--grid: found \"0.1\" as time 1" sample --model m --grid list:0.5,0.1,1
wrong "the last of them 1" sample --model m --grid list:0.1,0.5
wrong "only one of them" sample --model m --nfe 5 --steps 5
wrong "--nfe: 6: ode2s with last step" sample --model m --method ode2s --nfe 6
wrong "--corrector: bfn is no multistep method" sample --model m --method bfn --corrector
wrong "--noise: sde2m has no noise dial" sample --model m --noise 0.5
wrong "found \"extra\", no operand" sample --model m extra

wrong "a configuration file is missing" train
wrong "--data PATH is missing" train c.yaml
wrong "--out FOLDER is missing" train c.yaml --data d
wrong "--data PATH is missing" train --resume
wrong "--set: found \"lr\"" train c.yaml --data d --out o --set lr
wrong "--set: train.lrr: no such key, nearest is train.lr" train c.yaml --data d --out o --set train.lrr=1
wrong "--set: train.lr: found \"0,1\"" train c.yaml --data d --out o --set train.lr=0,1
wrong "--set: train.steps: found \"0\"" train --resume --data d --out o --set train.steps=0
wrong "--every: found \"-1\"" train c.yaml --data d --out o --every -1
wrong "found \"two\", which is one operand too many" train one two
wrong "--resum" train --resumee

wrong "a model file is missing" info
wrong "-o FILE is missing" export m
wrong "a checkpoint is missing" export -o m
wrong "--precision: found \"fp8\"" export m -o n --precision fp8
wrong "no operand" selftest x
wrong "--fall: no such option, nearest is --full" selftest --fall
wrong "--seconds: found \"0\"" bench --seconds 0
wrong "--only: found \"sound\", allowed: text, images" bench --only sound
wrong "--n-head: found 3, must divide --n-embd, which is 64" bench --n-embd 64 --n-head 3
wrong "--config: goes with --model FILE" bench --config c.yaml
wrong "a measure is missing" eval
# every option of every command that takes a number: silly ones are refused with the bounds
n_numbers=0
for command in $("$bfn" help | sed -n '/^Commands/,/^Examples/s/^  \([a-z]*\) .*/\1/p'); do
    case $command in help | version) continue ;; esac
    for option in $("$bfn" help $command | sed -n 's/^  .*\(--[a-z-]*\) [A-Z].*/\1/p'); do
        run $command $option=10x
        range=$(sed -n 's/.*found "10x", needs a \(whole \)*number from \([^ ]*\) to \([^ ]*\) .*/\2 \3/p' err)
        [ -n "$range" ] || continue
        n_numbers=$((n_numbers + 1))
        for bad in "" nan 0x10 1,5 1e400 -1e30; do
            wrong "$option: found \"$bad\", needs a" $command $option="$bad"
            grep -q " from ${range% *} to ${range#* } " err || fail "$command $option $bad: another range"
        done
        for bad in -1 2147483648 1e12; do # within the range of some
            awk -v x=$bad -v r="$range" 'BEGIN { split(r, b); exit !(x < b[1] || x > b[2]) }' || continue
            wrong "$option: found \"$bad\", needs a" $command $option=$bad
        done
    done
done
[ $n_numbers -ge 30 ] || fail "only $n_numbers options take numbers?"

run bench --model m # not after minutes of measuring
expect 4
[ ! -s out ] || fail "the model is looked for after the measurements"
exit 0
