# Warning flags for every target of the project; errors unless BFN_WERROR=OFF.
add_compile_options(
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wno-sign-conversion -Wdouble-promotion -Wstrict-prototypes
  -Wmissing-prototypes -Wvla -Wundef -Wformat=2 -Wwrite-strings -fno-math-errno -fno-trapping-math)
if(BFN_WERROR)
  add_compile_options(-Werror)
endif()
if(BFN_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -g)
  add_link_options(-fsanitize=address,undefined)
endif()
