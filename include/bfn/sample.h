/* bfn/sample.h: run a plan with anybody's network.
 *
 * The network is a callback. For each call of the plan it is shown n samples and returns their outputs; bfn turns outputs into
 * predictions, applies the row, draws the noise. Noise of sample i depends on (seed, i, row, element) alone, so any batch size
 * and thread count draws the same.
 */
#ifndef BFN_SAMPLE_H
#define BFN_SAMPLE_H

#include "bfn/solver.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Evaluate the network for samples first .. first+n-1 (n is at most the sampler's batch).
 *   t [n]; shown float [n,D,shown width]; out float [n,D,output width] (bfn/flow.h).
 * Non-zero stops the run with BFN_CANCELLED, or, when the number is that of a bfn_status (1 to 8) and the callback has left a message in the
 * sampler's context, with that status and message. Outputs that are not finite stop it with BFN_ERR_DIVERGED. */
typedef int (*bfn_predict_fn)(void *user, size_t first, size_t n, const double *t, const float *shown, float *out);

/* Called for every batch after `row` rows are done: row = 0 is the initial state, row = n_rows the end, where the sample is final and
 * `sample` is not NULL. state float [n,D,state width]; prediction likewise, the newest p_0 (at row 0 what is known without the
 * network: the data's mean or 0, equal probabilities). Non-zero return stops the run with BFN_CANCELLED. */
typedef struct bfn_sample_step {
    size_t first, n; /* samples of this batch */
    size_t row, n_rows;
    double t; /* time of state */
    const float *state, *prediction;
    const void *sample; /* int32_t [n,D] (discrete) or float [n,D]; NULL before the end */
} bfn_sample_step;
typedef int (*bfn_step_fn)(void *user, const bfn_sample_step *step);

/* Static: to the flow's [-clip, clip]. Dynamic (SPEC 11.5): s = max(1, quantile of |p| over a sample), clip to [-s, s], divide by s. */
typedef enum bfn_clip { BFN_CLIP_STATIC = 0, BFN_CLIP_DYNAMIC = 1, BFN_CLIP_OFF = 2 } bfn_clip;

/* Moments of the data, for BFN_START_MOMENTS and, for continuous data, the prediction at t = 0 (SPEC 3.3, 11.2). */
typedef struct bfn_moments {
    const float *mean; /* [D] E[x], or [D,K] E[e_x] (discrete) */
    double variance;   /* tr Cov / D: of x, or of the one-hot vectors e_x (discrete), per position */
} bfn_moments;

typedef struct bfn_sampler_options {
    size_t struct_size;
    uint64_t seed;
    size_t batch;         /* samples a call, 1..65536; 0: 8. No influence on the samples */
    bfn_clip clip;        /* continuous data */
    double clip_quantile; /* BFN_CLIP_DYNAMIC: in (0,1]; 0: 0.995 */
    bfn_moments moments;  /* mean == NULL: not known */
    const unsigned char
        *known;               /* infilling (SPEC 9.8): [D], non-zero where the value is given; NULL: nothing is known */
    const void *known_values; /* int32_t [D] or float [D]; read where known. Predictions and samples keep them */
    /* How known positions are shown. 0: as given, for networks whose answer does not depend on how sure each position is at the time they are
     * told (discrete data). Non-zero: blurred as all positions are at that time, along one path of the flow a sample: for
     * networks of continuous and discretised data, which are told one time for all positions and would misread sharp ones. */
    int known_blurred;
    const float *initial_state; /* [n,D,state width]: replaces the drawn initial state (tests, restarts); NULL: drawn */
    const float *
        noise; /* [n_noisy_rows, n, D, state width]: replaces the drawn step noise, rows with e != 0 in order; NULL: drawn */
    const double *
        category_uniforms; /* [n_calls, n, D]: replaces the draws of BFN_PREDICTION_DRAW; NULL: drawn. A call for each row
                                        with call != 0; uniforms in (0,1), standard normals for discretised data */
    bfn_step_fn step;      /* NULL: none */
    void *step_user;
} bfn_sampler_options;

#define BFN_SAMPLER_OPTIONS_INIT                                                                                       \
    {                                                                                                                  \
        sizeof(bfn_sampler_options), 0, 0, BFN_CLIP_STATIC, 0.0, {0, 0.0}, 0, 0, 0, 0, 0, 0, 0, 0                      \
    }

typedef struct bfn_sampler bfn_sampler;

/* D positions a sample, 1..2^31. Allocates all that running needs; plan and flow are copied, the arrays that options point to are read
 * by runs and must live as long. Positions, and moments where the plan starts from them, are checked (BFN_ERR_ARGUMENT). */
BFN_API BFN_MUST_CHECK bfn_status bfn_sampler_create(bfn_context *ctx, bfn_sampler **out, const bfn_flow *flow,
                                                     const bfn_plan *plan, size_t D,
                                                     const bfn_sampler_options *options);
BFN_API void bfn_sampler_destroy(bfn_sampler *sampler);

/* Draw samples first .. first+n-1 of the seed. out: int32_t [n,D] (discrete) or float [n,D]. Allocates nothing.
 * The sample is, with BFN_LAST_PREDICT and BFN_LAST_CALL, the most likely data of the last evaluation (continuous: its prediction); with
 * BFN_LAST_UPDATE the last state (continuous, discretised: the mean; discrete: the most likely class).
 * n_evaluations (may be NULL) receives the network evaluations a sample that were made. */
BFN_API BFN_MUST_CHECK bfn_status bfn_sampler_run(bfn_sampler *sampler, bfn_predict_fn predict, void *user,
                                                  size_t first, size_t n, void *out, size_t *n_evaluations);

/* One call for the common case: plan, sampler and run together, samples 0 .. n-1. options may be NULL. */
BFN_API BFN_MUST_CHECK bfn_status bfn_sample(bfn_context *ctx, const bfn_flow *flow, const bfn_solver_options *solver,
                                             const bfn_sampler_options *options, size_t D, bfn_predict_fn predict,
                                             void *user, size_t n, void *out);

#ifdef __cplusplus
}
#endif
#endif
