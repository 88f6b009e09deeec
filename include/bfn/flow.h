/* bfn/flow.h: Bayesian flows: what a BFN does to data, for three kinds of data.
 *
 *   continuous   x in [-1,1]^D; state = mean mu [D]; the network sees mu and returns the noise estimate eps [D]
 *   discretised  x on K bin centres of [-1,1]; state = mean mu [D]; the network sees mu and returns (mean, log deviation) of the
 *                noise [D,2]
 *   discrete     x in {0..K-1}^D; state = logits z [D,K]; K >= 3: the network sees theta = softmax(z) [D,K] and returns logits
 *                [D,K]; K = 2: it sees 2 theta_0 - 1 [D] and returns one logit of class 1 [D]
 *
 * Time t runs from 0 (prior) to 1 (data). Equations: Graves et al. 2023 (arXiv 2308.07037), sections 4 to 6; accuracy schedules:
 *   continuous, discretised  beta(t) = sigma_1^(-2t) - 1, gamma(t) = beta/(1+beta)   sigma_1^2 = min_variance
 *   discrete                 beta(t) = beta_1 t^2                                      beta_1 = max_sqrt_beta^2
 * All losses are in nats. Arrays are row-major and contiguous; [B,D,K] means sample, position, class.
 */
#ifndef BFN_FLOW_H
#define BFN_FLOW_H

#include "bfn/status.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum bfn_data_kind { BFN_DATA_CONTINUOUS = 1, BFN_DATA_DISCRETISED = 2, BFN_DATA_DISCRETE = 3 } bfn_data_kind;

typedef struct bfn_flow {
    size_t struct_size;
    bfn_data_kind kind;
    size_t
        n_classes; /* discrete: classes, 2..65536; discretised: bins, 2..65536; continuous: 0, or the bins that data came from */
    double max_sqrt_beta; /* discrete: sqrt(beta_1), > 0 (text8 0.75, binary images 3); else 0 */
    double min_variance;  /* continuous, discretised: sigma_1^2 in (0,1) (256 bins 1e-6, 16 bins 1e-3); else 0 */
    double clip; /* continuous: predictions are clipped to [-clip, clip], also inside the loss; 0: no clip; else 0 */
} bfn_flow;

#define BFN_FLOW_INIT                                                                                                  \
    {                                                                                                                  \
        sizeof(bfn_flow), BFN_DATA_CONTINUOUS, 0, 0.0, 1e-6, 1.0                                                       \
    }

/* BFN_ERR_ARGUMENT with the field, its value and the range. */
BFN_API BFN_MUST_CHECK bfn_status bfn_flow_check(bfn_context *ctx, const bfn_flow *flow);

/* Floats per position: of the state, of what the network is shown, of what it returns. */
BFN_API size_t bfn_flow_state_width(const bfn_flow *flow);
BFN_API size_t bfn_flow_shown_width(const bfn_flow *flow);
BFN_API size_t bfn_flow_output_width(const bfn_flow *flow);

/* Schedules; t in [0,1]. gamma, sigma: continuous and discretised only. lambda = ln(beta)/2, -inf at t = 0. */
BFN_API double bfn_flow_beta(const bfn_flow *flow, double t);
BFN_API double bfn_flow_gamma(const bfn_flow *flow, double t); /* computed with expm1 */
BFN_API double bfn_flow_sigma(const bfn_flow *flow, double t); /* sqrt(gamma (1-gamma)) */
BFN_API double bfn_flow_lambda(const bfn_flow *flow, double t);
BFN_API double bfn_flow_time_of_lambda(const bfn_flow *flow, double lambda); /* inverse of the above */

/* The accuracy alpha = beta(t1) - beta(t0) of a step, without cancellation. */
BFN_API double bfn_flow_accuracy(const bfn_flow *flow, double t0, double t1);

/* Bins of [-1,1] (discretised data): the bin that holds x, 0..n_classes-1 (values outside go to the edge bins), and its centre. */
BFN_API size_t bfn_flow_bin(const bfn_flow *flow, double x);
BFN_API double bfn_flow_bin_centre(const bfn_flow *flow, size_t bin);

/* Draw from the flow distribution p_F(. | data; t).
 *   data    float [B,D] (continuous, discretised) or int32_t [B,D] (discrete)
 *   t       double [B];  normals  standard normals, float [B,D,state width]
 *   state   float [B,D,state width], may be the same memory as normals */
BFN_API void bfn_flow_draw(const bfn_flow *flow, size_t B, size_t D, const void *data, const double *t,
                           const float *normals, float *state);

/* Bayesian update of a state at time t0 by a message y of accuracy alpha = beta(t1) - beta(t0); state becomes one of time t1.
 *   continuous, discretised  mu' = (rho mu + alpha y) / (rho + alpha), rho = 1 + beta(t0);  discrete  z' = z + y
 * y, state: float [B,D,state width]. */
BFN_API void bfn_flow_update(const bfn_flow *flow, size_t B, size_t D, double t0, double t1, const float *y,
                             float *state);

/* What the network is shown for a state: float [B,D,shown width]; may be the same memory for K >= 3. */
BFN_API void bfn_flow_show(const bfn_flow *flow, size_t B, size_t D, const float *state, float *shown);

/* The prediction p that solvers use, from the network's output at time t [B]: float [B,D,state width].
 *   continuous   x_hat = mu/gamma - sqrt((1-gamma)/gamma) eps, 0 for t < 1e-6, clipped to [-clip,clip]
 *   discretised  sum_k p_O(k) centre_k;  discrete  softmax(logits) (both classes for K = 2)
 * state [B,D,state width] is read for continuous and discretised data. */
BFN_API void bfn_flow_predict(const bfn_flow *flow, size_t B, size_t D, const float *state, const double *t,
                              const float *output, float *prediction);

/* A draw from the output distribution instead of its mean: discrete: one-hot of k ~ Cat; discretised: centre of a bin drawn by
 * quantising N(mu_x, sigma_x); continuous: the same as bfn_flow_predict.
 *   randoms  [B,D]: discrete: uniforms in (0,1), inverse CDF in class order (the published binary draw is class 1 where u < P(class 1):
 *            to replay it, give 1 - u); discretised: standard normals */
BFN_API void bfn_flow_predict_drawn(const bfn_flow *flow, size_t B, size_t D, const float *state, const double *t,
                                    const float *output, const double *randoms, float *prediction);

/* The most likely data for an output: class index (discrete), bin centre of the most likely bin (discretised), x_hat. */
BFN_API void bfn_flow_mode(const bfn_flow *flow, size_t B, size_t D, const float *state, const double *t,
                           const float *output, void *data);

typedef enum bfn_loss_kind {
    BFN_LOSS_CONTINUOUS_TIME = 1, /* L^inf at the given times; an unbiased estimate when t ~ U(0,1) */
    BFN_LOSS_N_STEP = 2,          /* L^n; t = (i-1)/n given by the caller */
    BFN_LOSS_RECONSTRUCTION = 3,  /* L^r = -ln p_O(x | t = 1) */
    /* Discrete data: K beta_1 t (-ln p_x). Least where L^inf is, at the exact posterior, but its gradient does not fade while
     * predictions are diffuse (that of L^inf is proportional to p_x), so training starts faster. Not a likelihood. */
    BFN_LOSS_CROSS_ENTROPY = 4
} bfn_loss_kind;

typedef struct bfn_loss_options {
    size_t struct_size;
    bfn_loss_kind kind;
    size_t n_steps;       /* BFN_LOSS_N_STEP: n >= 1 */
    size_t n_draws;       /* ... Monte Carlo draws of y for discretised and discrete data, >= 1 */
    const float *normals; /* ... float [n_draws,B,D,state width]; continuous data need none */
    int published_mixture; /* non-zero: the published code's n-step mixture (per coordinate; clamped bins), SPEC 6.9, 6.15 */
} bfn_loss_options;

#define BFN_LOSS_OPTIONS_INIT                                                                                          \
    {                                                                                                                  \
        sizeof(bfn_loss_options), BFN_LOSS_CONTINUOUS_TIME, 0, 0, 0, 0                                                 \
    }

/* Loss of a network output, and its gradient with respect to that output.
 *   data, t, state as in bfn_flow_draw;  output float [B,D,output width]
 *   loss     double [B,D]: nats per position, already weighted so that the mean over everything is the estimate per position
 *   gradient NULL, or float [B,D,output width]: d(sum of loss)/d(output)
 * Allocates nothing. Reconstruction of discretised data: the mass of x's bin. Of continuous data: the mass that N(x_hat, s^2) puts
 * into the bin of x, with n_classes bins (0: 16 where min_variance is 1e-3, else 256), s = sigma_1, 0.7 sigma_1 with 16 bins.
 * Fails (BFN_ERR_ARGUMENT) on bad options and on a class outside 0..K-1. */
BFN_API BFN_MUST_CHECK bfn_status bfn_flow_loss(bfn_context *ctx, const bfn_flow *flow, const bfn_loss_options *options,
                                                size_t B, size_t D, const void *data, const double *t,
                                                const float *state, const float *output, double *loss, float *gradient);

#ifdef __cplusplus
}
#endif
#endif
