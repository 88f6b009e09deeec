/* output.h: the schedule's terms of one sample, and what a network output says about the data under them. */
#ifndef BFN_OUTPUT_H
#define BFN_OUTPUT_H

#include "bfn/flow.h"
#include "flow/bins.h"

#include <stdbool.h>

/* Continuous and discretised data: x = state / gamma - spread * noise. */
typedef struct bfn__time_terms {
    bool start;     /* t < 1e-6: the state says nothing yet */
    double gamma;   /* gamma(t) */
    double spread;  /* sqrt((1 - gamma) / gamma) */
    double ln_rest; /* ln(1 - gamma) = t ln min_variance */
} bfn__time_terms;

bfn__time_terms bfn__terms_at(const bfn_flow *flow, double t);

/* Continuous: x_hat from the noise estimate; *slope (may be NULL) = d x_hat / d noise, 0 where clipped. */
double bfn__x_hat(const bfn_flow *flow, const bfn__time_terms *terms, double state, double noise, double *slope);

/* Discretised: the normal distribution that output = (noise mean, ln noise deviation) describes. slope (may be NULL): d mean / d
 * output[0] and d deviation / d output[1], 0 where clamped. */
bfn__normal bfn__data_normal(const bfn__time_terms *terms, double state, const float output[2],
                             bfn__bin_gradient *slope);

#endif
