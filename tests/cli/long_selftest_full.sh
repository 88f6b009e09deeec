# The whole self-test, with the Markov-chain text: every check passes, and the table of methods is printed.
source "$BFN_SOURCE_DIR/tests/cli/helper_cli.sh" "$1"
run selftest --full
expect 0
grep -q '^[0-9]* checks passed$' out || fail "the last line does not count the checks"
for method in bfn euler ode1 ode2m sde1 sde2m; do
    grep -q "$method" out || fail "$method is not in the table"
done
