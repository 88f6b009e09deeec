#!/bin/bash
# headers.sh SOURCE_DIR C_COMPILER: every public header compiles alone, twice over, as C99, C11 and C++17, without a warning.
set -u
include=$1/include cc=$2
cxx=$(command -v g++ || command -v c++ || command -v clang++) || { echo "no C++ compiler: make setup" && exit 1; }
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
failed=0

compile() { # compiler language standard text
    printf '%s\n' "$4" >"$work/x.c"
    "$1" -x "$2" -std="$3" -Wall -Wextra -Wshadow -pedantic -Werror -fsyntax-only -I"$include" "$work/x.c" 2>"$work/log"
}

# The check itself must be able to fail.
compile "$cc" c c99 '#include "bfn/none.h"' && echo "self-check: a missing header was not noticed" && failed=1
compile "$cxx" c++ c++17 'struct s { int class; };' && echo "self-check: C++ was not compiled as C++" && failed=1
compile "$cc" c c99 'int f(int used, int unused)
{
    return used;
}' && echo "self-check: a warning was not an error" && failed=1

n=0
for header in "$include"/bfn/*.h; do
    name=bfn/$(basename "$header")
    text="#include \"$name\"
#include \"$name\"
int bfn_use(void);"
    for kind in "$cc c c99" "$cc c c11" "$cxx c++ c++17"; do
        if ! compile $kind "$text"; then
            echo "$name does not compile alone with $kind:"
            cat "$work/log"
            failed=1
        fi
        n=$((n + 1))
    done
done
echo "$n compilations"
[ $failed -eq 0 ] && [ $n -gt 0 ]
