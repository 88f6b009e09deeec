/* npy.h: NumPy's .npy format, version 1.0, C order: writing arrays of samples, reading them back. */
#ifndef BFN_NPY_H
#define BFN_NPY_H

#include "io/safetensors.h"

bfn_status bfn__npy_save(bfn_context *ctx, const char *path, bfn__dtype dtype, int rank, const size_t *shape,
                         const void *data);

#endif
