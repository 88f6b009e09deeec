/* flow.c: what a flow is: its check, its widths, its accuracy schedule, and the Bayesian update.
 *
 * Everything about time follows from beta(t), the accuracy collected until t:
 *   continuous, discretised  beta = sigma_1^(-2t) - 1: near t = 0 this is 1 - 1, so it is expm1(-t ln sigma_1^2)
 *   discrete                 beta = beta_1 t^2
 * and lambda = ln(beta)/2 is half the logarithm of the signal-to-noise ratio.
 */
#include "bfn/flow.h"

#include "base/base.h"

#include <math.h>

enum { MAX_CLASSES = 65536 };

static bfn_status check_classes(bfn_context *ctx, const bfn_flow *flow, const char *what)
{
    if (flow->n_classes >= 2 && flow->n_classes <= MAX_CLASSES)
        return BFN_OK;
    return bfn__fail(ctx, BFN_ERR_ARGUMENT, "flow: n_classes: %zu: %s is 2 to %d", flow->n_classes, what, MAX_CLASSES);
}

static bfn_status check_discrete(bfn_context *ctx, const bfn_flow *flow)
{
    bfn_status status = check_classes(ctx, flow, "the number of classes");
    if (status != BFN_OK)
        return status;
    if (!(flow->max_sqrt_beta > 0.0 && flow->max_sqrt_beta <= 1e3))
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "flow: max_sqrt_beta: %g: above 0, at most 1000 (text8: 0.75)",
                         flow->max_sqrt_beta);
    return BFN_OK;
}

static bfn_status check_variance(bfn_context *ctx, const bfn_flow *flow)
{
    if (!(flow->min_variance >= 1e-30 && flow->min_variance < 1.0))
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "flow: min_variance: %g: 1e-30 to below 1 (256 bins: 1e-6)",
                         flow->min_variance);
    return BFN_OK;
}

bfn_status bfn_flow_check(bfn_context *ctx, const bfn_flow *flow)
{
    if (flow->struct_size != sizeof *flow)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "flow: struct_size: %zu: must be %zu (use BFN_FLOW_INIT)",
                         flow->struct_size, sizeof *flow);
    bfn_status status;
    switch (flow->kind) {
    case BFN_DATA_DISCRETE:
        return check_discrete(ctx, flow);
    case BFN_DATA_DISCRETISED:
        status = check_classes(ctx, flow, "the number of bins");
        return status != BFN_OK ? status : check_variance(ctx, flow);
    case BFN_DATA_CONTINUOUS:
        if (!(flow->clip >= 0.0 && flow->clip <= 1e6))
            return bfn__fail(ctx, BFN_ERR_ARGUMENT, "flow: clip: %g: 0 (none) to 1e6", flow->clip);
        status = flow->n_classes == 0 ? BFN_OK : check_classes(ctx, flow, "the number of bins (or 0)");
        return status != BFN_OK ? status : check_variance(ctx, flow);
    }
    return bfn__fail(ctx, BFN_ERR_ARGUMENT, "flow: kind: %d: 1 (continuous), 2 (discretised) or 3 (discrete)",
                     (int)flow->kind);
}

size_t bfn_flow_state_width(const bfn_flow *flow)
{
    return flow->kind == BFN_DATA_DISCRETE ? flow->n_classes : 1;
}

size_t bfn_flow_shown_width(const bfn_flow *flow)
{
    return flow->kind == BFN_DATA_DISCRETE && flow->n_classes > 2 ? flow->n_classes : 1;
}

size_t bfn_flow_output_width(const bfn_flow *flow)
{
    return flow->kind == BFN_DATA_DISCRETISED ? 2 : bfn_flow_shown_width(flow);
}

double bfn_flow_beta(const bfn_flow *flow, double t)
{
    if (flow->kind == BFN_DATA_DISCRETE)
        return flow->max_sqrt_beta * t * flow->max_sqrt_beta * t;
    return expm1(-t * log(flow->min_variance));
}

double bfn_flow_gamma(const bfn_flow *flow, double t)
{
    return -expm1(t * log(flow->min_variance));
}

double bfn_flow_sigma(const bfn_flow *flow, double t)
{
    double ln_rest = t * log(flow->min_variance); /* ln(1 - gamma) */
    return sqrt(-expm1(ln_rest) * exp(ln_rest));
}

double bfn_flow_lambda(const bfn_flow *flow, double t)
{
    if (flow->kind == BFN_DATA_DISCRETE)
        return log(flow->max_sqrt_beta * t);
    return 0.5 * log(bfn_flow_beta(flow, t));
}

double bfn_flow_time_of_lambda(const bfn_flow *flow, double lambda)
{
    if (flow->kind == BFN_DATA_DISCRETE)
        return exp(lambda) / flow->max_sqrt_beta;
    return log1p(exp(2.0 * lambda)) / -log(flow->min_variance);
}

double bfn_flow_accuracy(const bfn_flow *flow, double t0, double t1)
{
    if (flow->kind == BFN_DATA_DISCRETE)
        return flow->max_sqrt_beta * flow->max_sqrt_beta * (t1 - t0) * (t1 + t0);
    double ln_variance = log(flow->min_variance);
    return exp(-t0 * ln_variance) * expm1((t0 - t1) * ln_variance);
}

void bfn_flow_update(const bfn_flow *flow, size_t B, size_t D, double t0, double t1, const float *y, float *state)
{
    size_t n = B * D * bfn_flow_state_width(flow);
    double old = 1.0, new = 1.0;
    if (flow->kind != BFN_DATA_DISCRETE) {
        double rho = exp(-t0 * log(flow->min_variance)), alpha = bfn_flow_accuracy(flow, t0, t1);
        old = rho / (rho + alpha);
        new = alpha / (rho + alpha);
    }
    for (size_t i = 0; i < n; i++)
        state[i] = (float)(old * (double)state[i] + new *(double)y[i]);
}
