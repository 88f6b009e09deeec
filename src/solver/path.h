/* path.h: the Gaussian path that a flow describes, in the two coordinates solvers integrate in. All in double.
 *
 *   discrete    z ~ N(beta (K e_x - 1), K beta),  beta = beta_1 t^2                     integrated in t
 *   continuous  mu ~ N(gamma x, gamma (1 - gamma)), beta = sigma_1^(-2t) - 1            integrated in lambda = ln(beta)/2
 * Discretised data follow the continuous path. With y = -2 t ln sigma_1 >= 0: beta = e^y - 1, gamma = 1 - e^-y.
 */
#ifndef BFN_PATH_H
#define BFN_PATH_H

#include "base/base.h"
#include "bfn/flow.h"

typedef struct bfn__path {
    bool discrete;
    double K;      /* discrete: classes */
    double beta_1; /* discrete */
    double rate;   /* continuous: -2 ln sigma_1 > 0, so y = rate t */
} bfn__path;

/* BFN_ERR_ARGUMENT when the flow is out of range. */
bfn_status bfn__path_init(bfn_context *ctx, const bfn_flow *flow, bfn__path *path);

double bfn__path_beta(const bfn__path *path, double t);
double bfn__path_lambda(const bfn__path *path, double t); /* -inf at t = 0 */
double bfn__path_time(const bfn__path *path, double lambda);
double bfn__path_gamma(const bfn__path *path, double t); /* continuous */
double bfn__path_sigma(const bfn__path *path, double t); /* continuous */

/* beta(s)/beta(t) and (continuous) sigma(t)/sigma(s) without over- or underflow of the parts. */
double bfn__path_beta_ratio(const bfn__path *path, double s, double t);
double bfn__path_sigma_ratio(const bfn__path *path, double s, double t);

/* The variable that a method's order is judged in: t or lambda; its half-way time between s and t. From s = 0 a continuous path
 * is halved in sqrt(beta) instead, because lambda is -inf there (SPEC 2.1: the ODE is regular in that coordinate). */
double bfn__path_variable(const bfn__path *path, double t);
double bfn__path_midpoint(const bfn__path *path, double s, double t);

#endif
