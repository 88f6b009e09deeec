/* npy.c: writing NumPy's .npy, version 1.0.
 *
 *   "\x93NUMPY" 1 0, two bytes header length (little-endian), then a Python dict literal padded by spaces and closed by a
 *   newline so that the data begins at a multiple of 64 bytes:
 *   {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }
 * A shape of one number keeps its comma: (3,). Rank 0 is ().  bfloat16 has no type there: it is refused.
 */
#include "io/npy.h"

#include "io/file.h"

#include <stdio.h>
#include <string.h>

enum { PREFIX = 10, ALIGNMENT = 64 };

static const char *descr_of(bfn__dtype dtype)
{
    static const char *const descr[] = {"<f8", "<f4", "<f2", NULL, "<i8", "<i4", "|u1", "|b1"};
    return descr[dtype];
}

/* Prefix and dict into out, padded; returns the length of both. */
static size_t make_header(char out[BFN__NPY_HEADER_MAX], const char *descr, int rank, const size_t *shape)
{
    char *dict = out + PREFIX;
    size_t room = BFN__NPY_HEADER_MAX - PREFIX;
    size_t n = (size_t)snprintf(dict, room, "{'descr': '%s', 'fortran_order': False, 'shape': (", descr);
    for (int i = 0; i < rank; i++)
        n += (size_t)snprintf(dict + n, room - n, i == 0 ? "%zu," : i == 1 ? " %zu" : ", %zu", shape[i]);
    n += (size_t)snprintf(dict + n, room - n, "), }");
    while ((PREFIX + n + 1) % ALIGNMENT != 0)
        dict[n++] = ' ';
    dict[n++] = '\n';
    memcpy(out, "\x93NUMPY\x01\x00", 8);
    out[8] = (char)(n & 0xff);
    out[9] = (char)(n >> 8);
    return PREFIX + n;
}

bfn_status bfn__npy_header(bfn_context *ctx, const char *label, bfn__dtype dtype, int rank, const size_t *shape,
                           char out[BFN__NPY_HEADER_MAX], size_t *n_header, size_t *n_data)
{
    const char *descr = descr_of(dtype);
    if (descr == NULL)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "%s: npy has no type for %s", label, bfn__dtype_name(dtype));
    if (rank < 0 || rank > BFN__ST_MAX_RANK)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "%s: rank is %d, allowed: 0 to %d", label, rank, BFN__ST_MAX_RANK);
    size_t count;
    if (!bfn__dtype_extent(dtype, rank, shape, &count, n_data))
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "%s: the array has more bytes than memory can", label);
    *n_header = make_header(out, descr, rank, shape);
    return BFN_OK;
}

bfn_status bfn__npy_save(bfn_context *ctx, const char *path, bfn__dtype dtype, int rank, const size_t *shape,
                         const void *data)
{
    char header[BFN__NPY_HEADER_MAX];
    size_t n, bytes;
    bfn_status status = bfn__npy_header(ctx, path, dtype, rank, shape, header, &n, &bytes);
    if (status != BFN_OK)
        return status;
    bfn__writer *w;
    status = bfn__writer_open(ctx, &w, path);
    if (status != BFN_OK)
        return status;
    status = bfn__writer_write(w, header, n);
    if (status == BFN_OK)
        status = bfn__writer_write(w, data, bytes);
    if (status == BFN_OK)
        return bfn__writer_commit(w);
    bfn__writer_abort(w);
    return status;
}
