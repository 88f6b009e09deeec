# Compiler flags of every target of the project. Warnings are errors unless BFN_WERROR=OFF.
#
# -ffp-contract=off: a sum of products is rounded the same way on CPUs with and without fused multiply-add.
# -ffast-math and -Ofast stay out: they make isfinite(NaN) true.
add_compile_options(
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wdouble-promotion -Wstrict-prototypes
  -Wmissing-prototypes -Wvla -Wundef -Wformat=2 -Wwrite-strings -fno-math-errno -fno-trapping-math -ffp-contract=off)
if(CMAKE_C_COMPILER_ID MATCHES "Clang")
  # clang complains of the float constants NAN and INFINITY (gcc watches the rest) and of long strings in tables
  add_compile_options(-Wno-double-promotion -Wno-string-concatenation)
endif()
if(BFN_WERROR)
  add_compile_options(-Werror)
endif()
if(BFN_SANITIZE STREQUAL "thread")
  add_compile_options(-fsanitize=thread -fno-omit-frame-pointer -g)
  add_link_options(-fsanitize=thread)
elseif(BFN_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -g)
  add_link_options(-fsanitize=address,undefined)
endif()
if(BFN_COVERAGE)
  add_compile_options(--coverage)
  add_link_options(--coverage)
endif()
if(BFN_FUZZ)
  # Without libFuzzer's look at every comparison, which takes half of the time: the mutators of tests/fuzz know magics, names and checksums.
  add_compile_options(-fsanitize=fuzzer-no-link -fno-sanitize-coverage=trace-cmp)
endif()
