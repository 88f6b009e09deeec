/* idx.h: the IDX format of MNIST and its like. Parsers take bytes. */
#ifndef BFN_IDX_H
#define BFN_IDX_H

#include "base/base.h"

enum { BFN__IDX_MAX_RANK = 4 };

/* uint8 values [dims[0], ..., dims[rank-1]]. */
typedef struct bfn__idx {
    int rank;
    size_t dims[BFN__IDX_MAX_RANK];
    size_t count;        /* their product */
    const uint8_t *data; /* into the parsed bytes */
} bfn__idx;

bool bfn__is_idx(const void *bytes, size_t n); /* two zero bytes, a known type, a rank */

/* BFN_ERR_INPUT: wrong magic, another type than uint8, rank 0 or above 4, a file longer or shorter than its header says. */
bfn_status bfn__idx_parse(bfn_context *ctx, const void *bytes, size_t n, const char *label, bfn__idx *out);

#endif
