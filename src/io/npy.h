/* npy.h: NumPy's .npy format: writing arrays of samples (version 1.0, C order), reading them back. */
#ifndef BFN_NPY_H
#define BFN_NPY_H

#include "io/safetensors.h"

bfn_status bfn__npy_save(bfn_context *ctx, const char *path, bfn__dtype dtype, int rank, const size_t *shape,
                         const void *data);

/* Reads versions 1.0, 2.0 and 3.0. out->data points into bytes (not aligned in general), out->name is `label`.
 * BFN_ERR_INPUT: broken, longer or shorter than its shape says, Fortran order (of more than one dimension), big-endian, a type that
 * safetensors.h does not have (objects, strings, structures, complex numbers), more than 8 dimensions. */
bfn_status bfn__npy_parse(bfn_context *ctx, const void *bytes, size_t n, const char *label, bfn__st_tensor *out);

/* What stands before the data in a file of version 1.0; at most BFN__NPY_HEADER_MAX bytes. BFN_ERR_ARGUMENT as bfn__npy_save;
 * label is for messages. *n_header and the bytes of data that must follow. */
enum { BFN__NPY_HEADER_MAX = 512 };
bfn_status bfn__npy_header(bfn_context *ctx, const char *label, bfn__dtype dtype, int rank, const size_t *shape,
                           char out[BFN__NPY_HEADER_MAX], size_t *n_header, size_t *n_data);

#endif
