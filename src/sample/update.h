/* update.h: the arithmetic of a plan's row on one sample. */
#ifndef BFN_UPDATE_H
#define BFN_UPDATE_H

#include "bfn/solver.h"

/* Where a row's standard normals come from: an array, or the counter-based stream (seed, sample, draw). */
typedef struct bfn__noise {
    const float *given; /* NULL: drawn */
    uint64_t seed, sample;
    uint32_t draw;
} bfn__noise;

/* x = a x + sum_j b[j] p[j] + k + e z over n elements, in one pass. p[j] is read where b[j] != 0, x where a != 0, noise where e != 0. */
void bfn__update(const bfn_plan_row *row, size_t n, float *x, const float *const p[4], const bfn__noise *noise);

#endif
