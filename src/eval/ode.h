/* ode.h: the density that the probability-flow ODE gives to a state at t = 1.
 *
 * Both kinds of flow have a variable y in which the ODE is plain and regular, with y ~ N(0, v_0 I) at the start (SPEC 2.1, 2.2, 9.9):
 *   continuous, discretised  y = mu / sigma, over w = sqrt(beta):  dy/dw = x_hat                     v_0 = 1
 *   discrete                 y = z / t, over t:                    dy/dt = K beta_1 (e_hat - 1/K)     v_0 = K beta_1
 * and along a solution  d ln p(y) = -(divergence of the slope). From a state at t = 1 back to the start this gives ln p_1.
 */
#ifndef BFN_ODE_H
#define BFN_ODE_H

#include "base/base.h"
#include "bfn/flow.h"

/* Predictions (as bfn_flow_predict) and the traces of their Jacobians by the state, of n samples at one time:
 * state, prediction double [n,size], trace [n]. size = D * state width. first: number of the first sample. */
typedef bfn_status (*bfn__field_fn)(void *user, size_t first, size_t n, double t, const double *state,
                                    double *prediction, double *trace);

typedef struct bfn__ode {
    bfn_context *ctx;
    const bfn_flow *flow;
    size_t size;
    bfn__field_fn field;
    void *user;
    size_t n_steps; /* of the classical fourth-order Runge-Kutta method: 4 evaluations each */
    double eta;     /* continuous, discretised: the start, above 0; discrete: 0 is fine, and taken */
    /* continuous, discretised: y at eta ~ N(w m, 1 + w^2 variance), m [size] (NULL: 0), the data's moments */
    const float *mean;
    double variance;
} bfn__ode;

/* state [n,size] at t = 1 becomes y at the start. ln_density [n]: of y(1), in nats: ln p(mu) = that - D ln sigma(1); discrete: of z itself.
 * BFN_ERR_DIVERGED where something is not finite. */
bfn_status bfn__ode_density(const bfn__ode *ode, size_t first, size_t n, double *state, double *ln_density);

#endif
