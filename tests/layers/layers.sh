#!/bin/bash
# layers.sh SOURCE_DIR BUILD_DIR: holds the code to the layer table of ARCHITECTURE.md.
#
#   includes   what a file of a layer may include: the layers below it, the public headers it may know, its libraries
#   banned     functions that src/ and cli/ never call
#   symbols    what the objects of a layer leave undefined (the pure layers: libc's and libm's plain functions only; no layer
#              prints, exits or reads the environment) and that they hold no writable data
#   exports    global names: bfn_ and bfn__ in the static libraries, public names alone in the shared ones, and all of those
#
# It then checks itself: small trees that break each rule must be reported.
set -u
LC_ALL=C
export LC_ALL

problems=0
report() {
    echo "  $*"
    problems=$((problems + 1))
}

# ---- the table ------------------------------------------------------------------------------------------------------------

layers="base flow solver sample nn io model train eval"
pure_layers="base flow solver sample"

# Folders of src/ that a layer's files may include.
layer_uses() {
    case $1 in
    base) echo "base" ;;
    flow) echo "base flow" ;;
    solver) echo "base solver" ;;
    sample) echo "base flow solver sample" ;;
    nn) echo "base nn" ;;
    io) echo "base io" ;;
    model) echo "base flow solver sample nn io model" ;;
    train) echo "base flow solver sample nn io model train" ;;
    eval) echo "base flow solver sample nn io model eval" ;;
    cli) echo "cli" ;;
    esac
}

# Public headers that a layer may know.
layer_knows() {
    case $1 in
    base | io) echo "status.h" ;;
    nn) echo "status.h bench.h" ;;
    flow) echo "status.h flow.h" ;;
    solver) echo "status.h flow.h solver.h methods.def" ;;
    sample) echo "status.h flow.h solver.h methods.def sample.h" ;;
    *) echo "any" ;;
    esac
}

c_headers="assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign stdarg stdatomic \
stdbool stddef stdint stdio stdlib stdnoreturn string tgmath time uchar wchar wctype"
pure_headers="assert ctype errno float inttypes limits math stdalign stdarg stdatomic stdbool stddef stdint stdio stdlib string"

# System headers (as a pattern) that a layer may include besides pure_headers and, outside the pure layers, the C library's.
layer_system() {
    case $1 in
    base) echo '^(Random123/.*|immintrin\.h|arm_neon\.h|cpuid\.h|sys/auxv\.h)$' ;;
    flow | solver | sample) echo '^(immintrin\.h|arm_neon\.h)$' ;;
    nn) echo '^(immintrin\.h|arm_neon\.h|omp\.h|dnnl[a-z_]*\.h)$' ;;
    io) echo '^(immintrin\.h|cpuid\.h|unistd\.h|strings\.h|fcntl\.h|dirent\.h|sys/(stat|mman|types|file|uio)\.h|jansson\.h|yaml\.h|zlib\.h|zip\.h|spng\.h|nettle/.*)$' ;;
    model | train) echo '^(pthread\.h|unistd\.h|fcntl\.h|dirent\.h|sys/(stat|types|file)\.h|jansson\.h|yaml\.h|nettle/.*|mpi\.h)$' ;;
    eval) echo '^(jansson\.h|unistd\.h|fcntl\.h|sys/(stat|types)\.h|hunspell/.*|nettle/.*|lapacke?\.h|cblas\.h)$' ;;
    cli) echo '.*' ;;
    esac
}

has() { case " $2 " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }

# ---- includes -------------------------------------------------------------------------------------------------------------

check_quoted() { # layer file included; uses and knows are the layer's
    case $3 in
    bfn/*) [ "$knows" = any ] || has "${3#bfn/}" "$knows" || report "$2: a file of $1 includes public $3; it may: $knows" ;;
    */*) has "${3%%/*}" "$uses" || report "$2: a file of $1 includes $3; it may use: $uses" ;;
    *) [ -f "${2%/*}/$3" ] || report "$2: $3 is not in this file's own folder" ;;
    esac
}

check_angled() { # layer file included; allowed and system are the layer's
    has "${3%.h}" "$allowed" || [[ $3 =~ $system ]] || report "$2: a file of $1 includes <$3>"
}

check_includes() { # root
    local layer folder file kind included uses knows system allowed
    for layer in $layers cli; do
        folder=$1/src/$layer
        [ "$layer" = cli ] && folder=$1/cli
        uses=$(layer_uses "$layer")
        knows=$(layer_knows "$layer")
        system=$(layer_system "$layer")
        allowed=$c_headers
        has "$layer" "$pure_layers" && allowed=$pure_headers
        while read -r file kind included; do
            case $kind in
            '"') check_quoted "$layer" "$file" "$included" ;;
            '<') check_angled "$layer" "$file" "$included" ;;
            esac
        done < <(list_includes "$folder")
    done
    while read -r file kind included; do
        case $kind$included in
        '"bfn/'*) ;;
        '<'*) has "${included%.h}" "stddef stdint stdbool stdarg" || report "$file: a public header includes <$included>" ;;
        *) report "$file: a public header includes $included" ;;
        esac
    done < <(list_includes "$1/include")
    check_one_dnnl_file "$1"
}

# file kind included, one line each
list_includes() {
    grep -rHoE --include='*.[ch]' --include='*.def' '^[ 	]*#[ 	]*include[ 	]*["<][^">]+' "$1" 2>/dev/null |
        sed -E 's/^([^:]*):[ \t]*#[ \t]*include[ \t]*(["<])/\1 \2 /'
}

check_one_dnnl_file() { # root
    local files
    files=$(grep -rlE --include='*.[ch]' '#[ 	]*include[ 	]*[<"](oneapi/dnnl/)?dnnl' "$1/src" "$1/cli" "$1/include" 2>/dev/null)
    [ "$(echo "$files" | wc -l)" -le 1 ] || report "oneDNN's header is included by more than one file:" $files
}

# ---- banned functions -----------------------------------------------------------------------------------------------------

banned='atoi|atol|atoll|atof|strcpy|strcat|sprintf|vsprintf|gets|rand|srand|strtok|tmpnam|mktemp|alloca'
banned_in_src='getenv|secure_getenv|setenv|putenv|exit|_exit|abort|atexit|system|popen|signal|sigaction|printf|vprintf|puts|putchar|perror'

# C without its comments and with empty string literals, as "file: line".
code_of() { # file...
    awk '
        FNR == 1 {comment = 0}
        {
            line = $0
            code = ""
            while (line != "") {
                if (comment) {
                    end = index(line, "*/")
                    if (!end) break
                    line = substr(line, end + 2)
                    comment = 0
                } else if (!match(line, /\/\*|\/\/|"([^"\\]|\\.)*"|'\''([^'\''\\]|\\.)+'\''/)) {
                    code = code line
                    break
                } else {
                    code = code substr(line, 1, RSTART - 1) " "
                    token = substr(line, RSTART, 2)
                    line = substr(line, RSTART + RLENGTH)
                    if (token == "//") break
                    comment = token == "/*"
                }
            }
            print FILENAME ": " code
        }' "$@"
}

# Function-like words only: "sprintf(" but not "x.exit(" or "bfn_exit(".
check_banned() { # root
    local found files
    files=$(find "$1/src" "$1/cli" -name '*.[ch]' 2>/dev/null)
    [ -n "$files" ] || return
    while read -r found; do
        report "calls a banned function: $found"
    done < <(code_of $files | grep -E "[^A-Za-z0-9_.>]($banned)[ ]*\(|^[^:]*/src/[^:]*:.*[^A-Za-z0-9_.>]($banned_in_src)[ ]*\(")
}

# ---- symbols --------------------------------------------------------------------------------------------------------------

# libc and libm, as far as pure code needs them. vsnprintf and snprintf write to memory.
pure_symbols='(mem(cpy|move|set|cmp|chr)|str(len|n?cmp|n?casecmp|chr|rchr|nlen|stn?cpy|str|spn|cspn|to(d|f|ul|ull|l|ll))|v?snprintf
|malloc|calloc|realloc|free|aligned_alloc|qsort|bsearch|__errno_location|__ctype_b_loc|__ctype_to(upper|lower)_loc|tolower|toupper
|(acos|asin|atan|atan2|cos|sin|sincos|tan|cosh|sinh|tanh|acosh|asinh|atanh|exp|exp2|exp10|expm1|log|log2|log10|log1p|pow|sqrt|cbrt|hypot
|erf|erfc|tgamma|lgamma|floor|ceil|round|lround|llround|trunc|rint|nearbyint|lrint|llrint|fabs|fmod|fma|fmin|fmax|fdim|copysign|frexp|ldexp|scalbn
|logb|ilogb|modf|remainder|nextafter|nan)f?
|bfn_.*|_GLOBAL_OFFSET_TABLE_|__stack_chk_fail|__assert_fail|__cpu_model|__cpu_features2|__cpu_indicator_init|getauxval|__tls_get_addr)'
pure_symbols=$(echo "$pure_symbols" | tr -d '\n')
loud_symbols="(stdout|stderr|stdin|$banned|$banned_in_src|vfprintf_unlocked|quick_exit|raise|kill|fork|exec[a-z]*|__environ|environ)"

# The one exception: model/predict.c writes the name of oneDNN's version and CPU path once; it is the same for every context.
once_set="backend_text once.0"

# "undefined NAME OBJECT" and "data NAME OBJECT" lines; fortified names (__memcpy_chk) as the plain ones.
# Tables of pointers lie in .data.rel.ro, which is read only once loaded.
symbols_of() { # object...
    objdump -t "$@" | awk -v names="$once_set" '
        BEGIN {split(names, list); for (i in list) once[list[i]]}
        /file format/ {object = $1; sub(/:$/, "", object); next}
        /\*UND\*/ {
            name = $NF
            sub(/@.*/, "", name)
            if (name ~ /^__[a-z]+_chk$/) {sub(/^__/, "", name); sub(/_chk$/, "", name)}
            sub(/^__isoc99_/, "", name)
            print "undefined", name, object
            next
        }
        /\*COM\*/ {print "data", $NF, object; next}
        {section = 0; for (i = 2; i <= NF && !section; i++) {if ($i == "d") break; if ($i ~ /^\./) section = i}}
        $NF in once {next}
        section && $section ~ /^\.(data|bss|tdata|tbss)/ && $section !~ /^\.data\.rel\.ro/ {print "data", $NF, object}'
}

check_objects() { # layer object...
    local layer=$1 symbols kind name object
    shift
    symbols=$(symbols_of "$@")
    while read -r kind name object; do
        report "$object: $layer calls $name: the library does not print, exit, read the environment or install handlers"
    done < <(grep -E "^undefined ($loud_symbols) " <<<"$symbols")
    while read -r kind name object; do
        report "$object: $layer holds writable data: $name"
    done < <(grep '^data ' <<<"$symbols")
    has "$layer" "$pure_layers" || return
    while read -r kind name object; do
        report "$object: $layer is pure but needs $name"
    done < <(grep '^undefined ' <<<"$symbols" | grep -vE "^undefined ($pure_symbols|$loud_symbols) ")
}

check_build() { # build
    local layer objects
    for layer in $layers; do
        objects=$(find "$1"/CMakeFiles/layer-"$layer".dir "$1"/CMakeFiles/layer-"$layer"-*.dir -name '*.o' 2>/dev/null)
        [ -z "$objects" ] || check_objects "$layer" $objects
    done
}

# ---- exports --------------------------------------------------------------------------------------------------------------

check_static_exports() { # library
    local name
    for name in $(nm -g --defined-only "$1" 2>/dev/null | awk 'NF == 3 {print $3}' | sort -u); do
        case $name in bfn_*) ;; *) report "$1: global name $name; names begin with bfn_ or bfn__" ;; esac
    done
}

check_shared_exports() { # library header...
    local library=$1 exported name missing=""
    shift
    exported=$(nm -D --defined-only "$library" | awk '{print $NF}' | sort -u)
    for name in $exported; do
        case $name in
        bfn__*) report "$library: exports the internal $name" ;;
        bfn_*) ;;
        *) report "$library: exports $name" ;;
        esac
    done
    for name in $(declared_in "$@"); do
        has "$name" "$(echo $exported)" || missing="$missing $name"
    done
    [ -z "$missing" ] || report "$library: headers declare what it does not have:$missing"
}

declared_in() { # names of the BFN_API functions of these headers
    [ $# -gt 0 ] && code_of "$@" | sed 's/^[^:]*: //' | grep -v '^ *#' | tr '\n' ' ' | grep -oE 'BFN_API [^;{]*' |
        sed -E 's/\(.*//; s/.*[ *]//' | grep '^bfn_' | sort -u
}

# ---- the check of the check -----------------------------------------------------------------------------------------------

# expect NAME COMMAND...: the command must report at least one problem.
missed=0
expect() {
    local name=$1 before=$problems
    shift
    "$@" >/dev/null
    if [ "$problems" -eq "$before" ]; then
        echo "  self-check: not caught: $name"
        missed=$((missed + 1))
    fi
    problems=$before
}

# accept NAME COMMAND...: the command must report nothing.
accept() {
    local name=$1 before=$problems
    shift
    "$@"
    [ "$problems" -eq "$before" ] || { echo "  self-check: wrongly reported: $name" && missed=$((missed + 1)); }
    problems=$before
}

write_tree() { # path text: a tree of one file
    rm -rf "$work/tree"
    mkdir -p "$work/tree/$(dirname "$1")"
    printf '%s\n' "$2" >"$work/tree/$1"
}

object_of() { # text -> $work/x.o
    printf '%s\n' "$1" >"$work/x.c"
    gcc -std=gnu11 -O2 -fPIC -fvisibility=hidden -w -c "$work/x.c" -o "$work/x.o" || exit 1
}

self_check() {
    while IFS='|' read -r path text; do
        write_tree "$path" "$text"
        expect "$path: $text" check_includes "$work/tree"
    done <<'END'
src/base/a.c|#include "flow/flow.h"
src/flow/a.c|#include "solver/plan.h"
src/flow/a.h|#include "bfn/solver.h"
src/solver/a.c|  #  include "flow/flow.h"
src/sample/a.c|#include "nn/nn.h"
src/sample/a.c|#include <unistd.h>
src/nn/a.c|#include "io/file.h"
src/nn/a.c|#include "bfn/flow.h"
src/io/a.c|#include "nn/nn.h"
src/io/a.c|#include <dnnl.h>
src/base/a.c|#include <signal.h>
src/base/a.c|#include "elsewhere.h"
src/train/a.c|#include "eval/spell.h"
cli/a.c|#include "base/base.h"
cli/a.c|#include "../src/base/base.h"
include/bfn/a.h|#include "base/base.h"
include/bfn/a.h|#include <stdio.h>
END
    mkdir -p "$work/two/src/nn"
    echo '#include <dnnl.h>' | tee "$work/two/src/nn/a.c" >"$work/two/src/nn/b.c"
    expect "two files with oneDNN" check_includes "$work/two"
    write_tree src/sample/a.c '#include "bfn/sample.h"
#include "base/base.h"
#include <math.h>'
    accept "good includes" check_includes "$work/tree"

    while IFS='|' read -r path text; do
        write_tree "$path" "$text"
        expect "$path: $text" check_banned "$work/tree"
    done <<'END'
src/io/a.c|int f(const char *s) { return atoi(s); }
src/io/a.c|void f(char *s) { strcpy (s, "x"); }
src/io/a.c|void f(void) { printf("x"); }
src/io/a.c|char *f(void) { return getenv("HOME"); }
cli/a.c|int f(void) { return rand(); }
cli/a.c|void f(char *s) { sprintf(s, "%d", 1); }
END
    write_tree src/io/a.c '/* atoi(x) */ const char *f(void) { return "rand()"; } // exit(1)
int g(int (*my_rand)(void)) { return my_rand(); }'
    accept "banned words in comments and strings" check_banned "$work/tree"

    object_of '#include <stdio.h>
void bfn__f(void) { printf("%d", 1); }'
    expect "printf" check_objects nn "$work/x.o"
    object_of '#include <stdio.h>
void bfn__f(void) { fputs("x", stderr); }'
    expect "stderr" check_objects io "$work/x.o"
    object_of '#include <stdio.h>
void *bfn__f(void) { return fopen("x", "r"); }'
    expect "fopen in a pure layer" check_objects flow "$work/x.o"
    accept "fopen in io" check_objects io "$work/x.o"
    object_of 'int bfn__f(void) { static int n; return n++; }'
    expect "static counter" check_objects flow "$work/x.o"
    object_of 'int bfn__n = 3;'
    expect "global variable" check_objects train "$work/x.o"
    object_of '_Thread_local int bfn__n;'
    expect "thread-local variable" check_objects nn "$work/x.o"
    object_of '#include <math.h>
#include <string.h>
const char *const bfn__names[] = {"a", "b"};
double bfn__f(double x, const char *s) { return expm1(x) + (double)strlen(s); }'
    accept "pure code with a table" check_objects base "$work/x.o"

    object_of 'int helper(void) { return 1; }'
    expect "global without prefix" check_static_exports "$work/x.o"
    object_of '__attribute__((visibility("default"))) int bfn__f(void) { return 1; }'
    gcc -shared -o "$work/x.so" "$work/x.o"
    expect "exported internal name" check_shared_exports "$work/x.so"
    echo '#define BFN_API __attribute__((visibility("default")))
BFN_API int *bfn_missing(void (*f)(int), int n);' >"$work/x.h"
    expect "declared but absent" check_shared_exports "$work/x.so" "$work/x.h"
    object_of '__attribute__((visibility("default"))) int bfn_missing(void) { return 1; }'
    gcc -shared -o "$work/x.so" "$work/x.o"
    accept "declared and there" check_shared_exports "$work/x.so" "$work/x.h"
}

# ---- main -----------------------------------------------------------------------------------------------------------------

root=$1 build=$2
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

h=$root/include/bfn
echo "includes" && check_includes "$root"
echo "banned functions" && check_banned "$root"
echo "symbols" && check_build "$build"
echo "exports"
for library in bfn bfn-core; do
    check_static_exports "$build/lib$library.a"
done
check_shared_exports "$build/libbfn-core.so" "$h/status.h" "$h/flow.h" "$h/solver.h" "$h/sample.h"
check_shared_exports "$build/libbfn.so" "$h"/*.h
echo "self-check" && self_check

objects=$(find "$build"/CMakeFiles/layer-*.dir -name '*.o' | wc -l)
echo "$problems problems in $(find "$root/src" "$root/cli" -name '*.[ch]' | wc -l) files and $objects objects; $missed missed by the check itself"
[ "$problems" -eq 0 ] && [ "$missed" -eq 0 ] && [ "$objects" -gt 0 ]
