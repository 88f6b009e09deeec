#!/bin/bash
# install.sh SOURCE_DIR BUILD_DIR CMAKE C_COMPILER: installs into an empty prefix, moves the tree, and builds programs against it
# as somebody else would: pkg-config and CMake, C and C++, shared and static, core and everything. Then looks at what is linked.
set -u
source=$1 build=$2 cmake=$3 cc=$4
cxx=$(command -v g++ || command -v c++ || command -v clang++) || { echo "no C++ compiler: make setup" && exit 1; }
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

fail() {
    echo "FAILED: $1"
    [ -f "$work/log" ] && cat "$work/log"
    exit 1
}
run() { # what command...
    local what=$1
    shift
    "$@" >"$work/log" 2>&1 || fail "$what: $*"
    echo "ok: $what"
}

run "install" "$cmake" --install "$build" --prefix "$work/first"
mv "$work/first" "$work/prefix" # a .pc file or a CMake package that names the first place would break now
prefix=$work/prefix
grep -rlF "$work/first" "$prefix" >"$work/log" && fail "installed files name the place they were installed to"
[ -x "$prefix/bin/bfn" ] || fail "no bin/bfn"
run "bfn --version" "$prefix/bin/bfn" --version

libdir=$(dirname "$(find "$prefix" -name libbfn-core.so)")
PKG_CONFIG_PATH=$libdir/pkgconfig
LD_LIBRARY_PATH=$libdir
export PKG_CONFIG_PATH LD_LIBRARY_PATH

# An own network against the core: a user's first program.
run "pkg-config, C, core" "$cc" -std=c11 -Wall -Werror "$source/examples/own_network.c" -o "$work/own" \
    $(pkg-config --cflags --libs bfn-core) -lm
run "own_network runs" "$work/own"
[ -s "$work/log" ] || fail "own_network printed nothing"
needed=$(readelf -d "$libdir/libbfn-core.so" | sed -nE 's/.*NEEDED.*\[(.*)\].*/\1/p' | tr '\n' ' ')
for library in $needed; do
    case $library in libc.so.* | libm.so.* | ld-linux*) ;; *) fail "libbfn-core.so needs $library" ;; esac
done
echo "ok: libbfn-core.so needs only: $needed"
run "pkg-config, C, core, static" "$cc" -std=c11 "$source/examples/own_network.c" -o "$work/own-static" \
    $(pkg-config --cflags bfn-core) "$libdir/libbfn-core.a" -lm
cp "$work/log" "$work/static.log"
"$work/own" >"$work/a" && "$work/own-static" >"$work/b" && cmp -s "$work/a" "$work/b" || fail "shared and static differ"

here=$source/tests/install
run "pkg-config, C, everything" "$cc" -std=c99 "$here/version.c" -o "$work/version" $(pkg-config --cflags --libs bfn)
run "... runs" "$work/version"
run "pkg-config, C, everything, static" "$cc" "$here/version.c" -o "$work/version-static" \
    $(pkg-config --cflags bfn) "$libdir/libbfn.a" $(pkg-config --static --libs bfn)
run "... runs" "$work/version-static"
run "pkg-config, C++" "$cxx" -std=c++17 -Wall -Werror "$here/version.cpp" -o "$work/version-cpp" $(pkg-config --cflags --libs bfn-core)
run "... runs" "$work/version-cpp"

run "find_package configures" "$cmake" -S "$here" -B "$work/downstream" -DCMAKE_PREFIX_PATH="$prefix" \
    -DCMAKE_C_COMPILER="$cc" -DCMAKE_CXX_COMPILER="$cxx" -DOWN_NETWORK="$source/examples/own_network.c"
run "find_package builds" "$cmake" --build "$work/downstream"
for program in own own-static version version-cpp; do
    run "... $program runs" "$work/downstream/$program"
done

# The test itself must be able to fail: internal names cannot be linked.
printf 'int bfn__size_mul(unsigned long, unsigned long, unsigned long *);\nint main(void) { unsigned long n; return bfn__size_mul(1, 1, &n); }\n' \
    >"$work/internal.c"
"$cc" "$work/internal.c" -o "$work/internal" $(pkg-config --libs bfn-core) 2>/dev/null && fail "an internal name could be linked"
echo "ok: internal names are hidden"
