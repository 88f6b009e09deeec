/* loss.h: the losses of one sample, by data kind. Sizes and options were checked by bfn_flow_loss. */
#ifndef BFN_LOSS_H
#define BFN_LOSS_H

#include "flow/output.h"

/* One sample of the batch. normals points at the sample in draw 0; draw j is normals + j * draw_stride. */
typedef struct bfn__loss_sample {
    const bfn_flow *flow;
    const bfn_loss_options *options;
    size_t D;
    double t;
    const void *data;
    const float *state, *output, *normals;
    size_t draw_stride;
    double *loss;    /* [D] */
    float *gradient; /* [D, output width], or NULL */
} bfn__loss_sample;

void bfn__loss_continuous(const bfn__loss_sample *s);
void bfn__loss_discretised(const bfn__loss_sample *s);
void bfn__loss_discrete(const bfn__loss_sample *s);

/* Continuous and discretised: the factor before (x - x_hat)^2. */
double bfn__square_weight(const bfn__loss_sample *s);

/* A bin's mass by the published rule (SPEC 6.10): below 1e-5, density at the centre times width instead. */
double bfn__ln_bin_mass_published(size_t K, bfn__normal q, size_t bin, bfn__bin_gradient *gradient);

#endif
