# What the libraries stand on: OpenMP (optional), oneDNN, and a few small libraries found by pkg-config.
if(BFN_CORE_ONLY)
  return()
endif()

if(BFN_OPENMP AND NOT BFN_FUZZ)
  find_package(OpenMP COMPONENTS C)
endif()
if(NOT TARGET OpenMP::OpenMP_C)
  message(STATUS "OpenMP is off: one thread")
  add_library(OpenMP::OpenMP_C INTERFACE IMPORTED)
  set_target_properties(OpenMP::OpenMP_C PROPERTIES INTERFACE_COMPILE_OPTIONS -Wno-unknown-pragmas)
endif()

find_package(PkgConfig REQUIRED)
pkg_check_modules(DEPS REQUIRED IMPORTED_TARGET jansson yaml-0.1 zlib hunspell nettle spng libzip lapacke blas)

# Debian's dnnl-config.cmake wants OpenCL headers that a CPU build does not need, so the library is found directly.
find_library(DNNL_LIBRARY dnnl REQUIRED)
find_path(DNNL_INCLUDE_DIR dnnl.h REQUIRED)
add_library(DNNL::dnnl UNKNOWN IMPORTED)
set_target_properties(DNNL::dnnl PROPERTIES IMPORTED_LOCATION ${DNNL_LIBRARY}
                                            INTERFACE_INCLUDE_DIRECTORIES ${DNNL_INCLUDE_DIR})
