/* series.h: the points of a sweep as lines over network evaluations: one for each sampler, named by what tells it from the others. */
#ifndef BFN_EVAL_SERIES_H
#define BFN_EVAL_SERIES_H

#include "eval/sweep.h"

typedef struct bfn__series {
    char label[240];           /* "ode2m + corrector, grid logsnr" */
    const char *method;        /* "ode2m" */
    bool original;             /* the original sampler as it was published */
    const bfn__point **points; /* by evaluations, rising */
    size_t n;
} bfn__series;

/* *series by bfn__series_free. */
bfn_status bfn__series_make(const bfn__sweep *sweep, const bfn__point *points, size_t n_points, bfn__series **series,
                            size_t *n);
void bfn__series_free(bfn_context *ctx, bfn__series *series, size_t n);

/* Where a sampler reaches a value of the original one. */
typedef struct bfn__reach {
    enum {
        BFN__REACH_NEVER,
        BFN__REACH_FIRST,
        BFN__REACH_AT
    } kind;             /* not in the sweep; with its first point already */
    double evaluations; /* between two points: interpolated, linear in the logarithm of the evaluations */
} bfn__reach;

/* better: 1 or -1 of value number v. */
bfn__reach bfn__series_reach(const bfn__series *series, size_t v, int better, double wanted);
/* The original sampler's series; NULL: none. */
const bfn__series *bfn__series_original(const bfn__series *series, size_t n);
/* Is this one of the numbers of evaluations that the original sampler is compared at? */
bool bfn__series_is_mark(size_t evaluations);

#endif
