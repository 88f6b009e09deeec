/* path.c: accuracy schedules for solvers.
 *
 * Plain formulas lose digits where it matters: gamma = beta/(1+beta) near t = 0 and 1 - gamma near t = 1. So everything is written
 * with expm1 and log1p of y = -2 t ln sigma_1, and ratios are formed before anything is exponentiated.
 *   ln beta = ln(e^y - 1)                 = y + ln(1 - e^-y) for large y
 *   beta_s/beta_t = e^(y_s - y_t) (1 - e^-y_s)/(1 - e^-y_t)
 *   sigma = sqrt(gamma) e^(-y/2),         sigma_t/sigma_s = sqrt(gamma_t/gamma_s) e^((y_s - y_t)/2)
 *   t(lambda) = ln(1 + e^(2 lambda)) / (-2 ln sigma_1)
 */
#include "solver/path.h"

#include <math.h>

enum { MAX_CLASSES = 65536 };

static bfn_status check_classes(bfn_context *ctx, const bfn_flow *flow)
{
    if (flow->n_classes < 2 || flow->n_classes > MAX_CLASSES)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "flow n_classes: %zu: allowed are 2 to %d", flow->n_classes,
                         MAX_CLASSES);
    return BFN_OK;
}

bfn_status bfn__path_init(bfn_context *ctx, const bfn_flow *flow, bfn__path *path)
{
    *path = (bfn__path){0};
    if (flow->struct_size != sizeof *flow)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "flow struct_size: %zu: this library has %zu", flow->struct_size,
                         sizeof *flow);
    switch (flow->kind) {
    case BFN_DATA_DISCRETE:
        if (check_classes(ctx, flow) != BFN_OK)
            return BFN_ERR_ARGUMENT;
        if (!(flow->max_sqrt_beta > 0.0 && flow->max_sqrt_beta <= 1e6))
            return bfn__fail(ctx, BFN_ERR_ARGUMENT, "flow max_sqrt_beta: %g: allowed are numbers above 0 up to 1e6",
                             flow->max_sqrt_beta);
        path->discrete = true;
        path->K = (double)flow->n_classes;
        path->beta_1 = flow->max_sqrt_beta * flow->max_sqrt_beta;
        return BFN_OK;
    case BFN_DATA_DISCRETISED:
        if (check_classes(ctx, flow) != BFN_OK)
            return BFN_ERR_ARGUMENT;
        break;
    case BFN_DATA_CONTINUOUS:
        break;
    default:
        return bfn__fail(ctx, BFN_ERR_ARGUMENT,
                         "flow kind: %d: allowed are 1 (continuous), 2 (discretised), 3 (discrete)", (int)flow->kind);
    }
    if (!(flow->min_variance > 0.0 && flow->min_variance < 1.0))
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "flow min_variance: %g: allowed are numbers between 0 and 1",
                         flow->min_variance);
    path->rate = -log(flow->min_variance);
    return BFN_OK;
}

double bfn__path_beta(const bfn__path *path, double t)
{
    return path->discrete ? path->beta_1 * t * t : expm1(path->rate * t);
}

double bfn__path_lambda(const bfn__path *path, double t)
{
    if (t <= 0.0)
        return -INFINITY;
    if (path->discrete)
        return log(t) + 0.5 * log(path->beta_1);
    double y = path->rate * t;
    return y > 30.0 ? 0.5 * (y + log1p(-exp(-y))) : 0.5 * log(expm1(y));
}

double bfn__path_time(const bfn__path *path, double lambda)
{
    if (path->discrete)
        return exp(lambda - 0.5 * log(path->beta_1));
    double x = 2.0 * lambda;
    return (fmax(x, 0.0) + log1p(exp(-fabs(x)))) / path->rate;
}

double bfn__path_gamma(const bfn__path *path, double t)
{
    return -expm1(-path->rate * t);
}

double bfn__path_sigma(const bfn__path *path, double t)
{
    return sqrt(bfn__path_gamma(path, t)) * exp(-0.5 * path->rate * t);
}

double bfn__path_beta_ratio(const bfn__path *path, double s, double t)
{
    if (path->discrete)
        return (s / t) * (s / t);
    return exp(path->rate * (s - t)) * (bfn__path_gamma(path, s) / bfn__path_gamma(path, t));
}

double bfn__path_sigma_ratio(const bfn__path *path, double s, double t)
{
    return sqrt(bfn__path_gamma(path, t) / bfn__path_gamma(path, s)) * exp(0.5 * path->rate * (s - t));
}

double bfn__path_variable(const bfn__path *path, double t)
{
    return path->discrete ? t : bfn__path_lambda(path, t);
}

double bfn__path_midpoint(const bfn__path *path, double s, double t)
{
    if (path->discrete)
        return 0.5 * (s + t);
    double from = bfn__path_lambda(path, s), to = bfn__path_lambda(path, t);
    return bfn__path_time(path, s > 0.0 ? 0.5 * (from + to) : to - log(2.0));
}
