/* metric_frechet.h: the metric "frechet" of sweeps; a row of the table in metrics.c. */
#ifndef BFN_EVAL_METRIC_FRECHET_H
#define BFN_EVAL_METRIC_FRECHET_H

#include "eval/sweep.h"

bfn_status bfn__frechet_open(bfn__sweep *sweep, void **state);
bfn_status bfn__frechet_measure(void *state, const bfn__sample_set *set, bfn__value *values);
void bfn__frechet_label(void *state, bfn__value_kind *values);
void bfn__frechet_close(void *state);

#endif
