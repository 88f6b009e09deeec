/* series.h: the points of a sweep as lines over network evaluations: one for each sampler, named by what tells it from the others. */
#ifndef BFN_EVAL_SERIES_H
#define BFN_EVAL_SERIES_H

#include "eval/sweep.h"

typedef struct bfn__series {
    char label[240]; /* "ode2m + corrector, grid logsnr" */
    char group[120],
        name[240]; /* where lines are split among plots: heading of its plot, and its name there ("": the method) */
    size_t colour; /* number of `name` among all different ones, the original sampler's left out */
    const char *method;        /* "ode2m" */
    bool original;             /* the original sampler as it was published */
    const bfn__point **points; /* by evaluations, rising */
    size_t n;
} bfn__series;

/* *series by bfn__series_free. */
bfn_status bfn__series_make(const bfn__sweep *sweep, const bfn__point *points, size_t n_points, bfn__series **series,
                            size_t *n);
void bfn__series_free(bfn_context *ctx, bfn__series *series, size_t n);

/* What the others are compared with: the original sampler as it was published, else the first series of its method with other settings; NULL:
 * none. */
const bfn__series *bfn__series_reference(const bfn__series *series, size_t n);

#endif
