/* equals.h: at how many network evaluations each sampler of a sweep equals the original one. One computation for results.json, the report and
 * the caller (bfn_sweep_table). */
#ifndef BFN_EVAL_EQUALS_H
#define BFN_EVAL_EQUALS_H

#include "eval/series.h"

enum { BFN__MAX_LEVELS = 8 };

typedef struct bfn__equals {
    bfn_sweep_table table;
    const bfn__series *reference;
    const bfn__series **rows; /* [table.n_samplers]: whose they are */
    bfn_sweep_level levels[BFN__MAX_LEVELS];
    const char **names;     /* [table.n_samplers] */
    bfn_sweep_equal *cells; /* [table.n_samplers, table.n_levels] */
} bfn__equals;

/* All that the files of a sweep are written from. */
typedef struct bfn__results {
    const bfn__sweep *sweep;
    bfn__point *points;
    size_t n_points;
    bfn__series *series;
    size_t n_series;
    bfn__equals equals[BFN__MAX_VALUES]; /* by value */
} bfn__results;

/* The table of value number v. n_levels 0 where there is nothing to compare: no series of the original method, or no other. By bfn__equals_free. */
bfn_status bfn__equals_make(const bfn__sweep *sweep, const bfn__series *series, size_t n, size_t v,
                            bfn__equals *equals);
void bfn__equals_free(bfn_context *ctx, bfn__equals *equals);

#endif
