/* plan.c: places buffers with known lifetimes in one arena.
 *
 * The problem is NP-hard; the usual greedy rule comes close: take the buffers from the largest to the smallest, and put each at the
 * lowest offset where it overlaps none of the placed buffers whose lifetimes meet its own. Quadratic in the number of
 * buffers, which is a few hundred.
 */
#include "nn/plan.h"

#include <stdlib.h>

enum { ALIGN = 16 };

static int by_size(const void *a, const void *b)
{
    const bfn__buffer *x = *(bfn__buffer *const *)a, *y = *(bfn__buffer *const *)b;
    if (x->floats != y->floats)
        return x->floats > y->floats ? -1 : 1;
    return x < y ? -1 : x > y;
}

static int by_offset(const void *a, const void *b)
{
    const bfn__buffer *x = *(bfn__buffer *const *)a, *y = *(bfn__buffer *const *)b;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static size_t rounded(size_t floats)
{
    return (floats + ALIGN - 1) / ALIGN * ALIGN;
}

/* Lowest offset for b among the buffers that are alive with it, given in order of their offsets. */
static size_t lowest_place(const bfn__buffer *b, bfn__buffer *const *alive, size_t n)
{
    size_t place = 0;
    for (size_t i = 0; i < n; i++) {
        if (alive[i]->offset >= place && alive[i]->offset - place >= b->floats)
            break;
        size_t end = alive[i]->offset + alive[i]->floats;
        if (end > place)
            place = rounded(end);
    }
    return place;
}

bfn_status bfn__plan_buffers(bfn_context *ctx, bfn__buffer *buffers, size_t n, size_t *total)
{
    *total = 0;
    size_t sum = 0;
    for (size_t i = 0; i < n; i++)
        if (!bfn__size_add(sum, buffers[i].floats, &sum) || !bfn__size_add(sum, ALIGN, &sum) ||
            sum > SIZE_MAX / (2 * sizeof(float)))
            return bfn__fail(ctx, BFN_ERR_MEMORY, "the network's buffers do not fit in memory: take a smaller batch");
    bfn__buffer **order = bfn__calloc(ctx, 2 * n, sizeof *order);
    if (order == NULL)
        return BFN_ERR_MEMORY;
    bfn__buffer **alive = order + n;
    for (size_t i = 0; i < n; i++)
        order[i] = &buffers[i];
    qsort(order, n, sizeof *order, by_size);
    for (size_t i = 0; i < n; i++) {
        bfn__buffer *b = order[i];
        size_t n_alive = 0;
        for (size_t j = 0; j < i; j++)
            if (order[j]->first <= b->last && b->first <= order[j]->last)
                alive[n_alive++] = order[j];
        qsort(alive, n_alive, sizeof *alive, by_offset);
        b->offset = lowest_place(b, alive, n_alive);
        if (b->offset + rounded(b->floats) > *total)
            *total = b->offset + rounded(b->floats);
    }
    bfn__free(ctx, order);
    return BFN_OK;
}
