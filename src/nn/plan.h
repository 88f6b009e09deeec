/* plan.h: places buffers with known lifetimes in one arena. */
#ifndef BFN_NN_PLAN_H
#define BFN_NN_PLAN_H

#include "base/base.h"

/* A buffer that is needed at times first..last (inclusive); offset is the answer, a multiple of 16 floats. */
typedef struct bfn__buffer {
    size_t floats, first, last, offset;
} bfn__buffer;

/* Largest buffers first, each at the lowest place that no buffer alive at the same time takes. *total: floats of the arena.
 * BFN_ERR_MEMORY when sizes overflow or the work space cannot be had. */
bfn_status bfn__plan_buffers(bfn_context *ctx, bfn__buffer *buffers, size_t n, size_t *total);

#endif
