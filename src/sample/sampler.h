/* sampler.h: inside a sampler. */
#ifndef BFN_SAMPLER_H
#define BFN_SAMPLER_H

#include "base/base.h"
#include "bfn/sample.h"

enum { BFN__HISTORY = 4 };

struct bfn_sampler {
    bfn_context *ctx;
    bfn_flow flow; /* clip = 0 where the sampler clips itself or not at all */
    bfn_plan_info plan;
    bfn_plan_row *rows;
    bfn_sampler_options options; /* defaults resolved */
    size_t D;
    size_t state_width, shown_width, output_width; /* floats a position */
    size_t state_size, shown_size, output_size;    /* floats a sample */

    /* Buffers for one batch. */
    float *state, *shown, *output;
    float *history[BFN__HISTORY]; /* p_0 (newest) .. ; n_history of them, rotated at every call */
    float *scratch;               /* [batch, D], dynamic clip only */
    double *times;                /* [batch] */
    double *randoms;              /* [batch, D], drawn predictions only */
    unsigned char *bad;           /* [batch]: something was not finite */

    const float *replay; /* [calls, n, D, state width]: predictions that replace the network; NULL: none */
};

/* Replace the network by recorded predictions, one for every row that calls (tests): predict may then be NULL. The final call of
 * BFN_LAST_CALL is recorded too. The array must live as long as runs use it. */
void bfn__sampler_replay(bfn_sampler *sampler, const float *predictions);

#endif
