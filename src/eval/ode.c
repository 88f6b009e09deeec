/* ode.c: integrate the probability-flow ODE from t = 1 back to its start, with the logarithm of the density.
 *
 * The variable of integration s: for discrete data t itself, for the others s = asinh(w), w = sqrt(beta): linear in w where w is small and
 * the ODE is regular, logarithmic where w is large and everything happens on the scale of the signal-to-noise ratio.
 *   dy/ds = (dw/ds) x_hat,  dw/ds = cosh s = sqrt(1 + w^2);    dy/dt = K beta_1 (e_hat - 1/K)
 *   d(state)/dy = sigma or t, so the divergence of the slope is  rate * (sigma or t) * trace, rate = dw/ds or K beta_1
 */
#include "eval/ode.h"

#include <math.h>

typedef struct work {
    const bfn__ode *ode;
    size_t first, n;
    double *state, *prediction, *trace; /* arguments of the field */
    double *stage, *slope, *sum;        /* [n,size] */
    double *ln_slope, *ln_sum;          /* [n]: of the integrated divergence */
} work;

static bool is_discrete(const bfn__ode *ode)
{
    return ode->flow->kind == BFN_DATA_DISCRETE;
}

/* Where s is: time, factor from y to the state, and rate. */
typedef struct place {
    double t, scale, rate;
} place;

static place at(const bfn__ode *ode, double s)
{
    const bfn_flow *flow = ode->flow;
    if (is_discrete(ode)) {
        double K = (double)flow->n_classes;
        return (place){s, s, K * flow->max_sqrt_beta * flow->max_sqrt_beta};
    }
    double t = fmin(bfn_flow_time_of_lambda(flow, log(sinh(s))), 1.0);
    return (place){t, bfn_flow_sigma(flow, t), cosh(s)};
}

static double s_of_time(const bfn__ode *ode, double t)
{
    return is_discrete(ode) ? t : asinh(sqrt(bfn_flow_beta(ode->flow, t)));
}

/* The slope dy/ds and the divergence at (s, y). */
static bfn_status evaluate(work *w, double s, const double *y)
{
    const bfn__ode *ode = w->ode;
    place p = at(ode, s);
    size_t count = w->n * ode->size;
    double shift = is_discrete(ode) ? 1.0 / (double)ode->flow->n_classes : 0.0;
    for (size_t i = 0; i < count; i++)
        w->state[i] = y[i] * p.scale;
    bfn_status status = ode->field(ode->user, w->first, w->n, p.t, w->state, w->prediction, w->trace);
    for (size_t i = 0; i < count; i++)
        w->slope[i] = p.rate * (w->prediction[i] - shift);
    for (size_t i = 0; i < w->n; i++)
        w->ln_slope[i] = p.rate * p.scale * w->trace[i];
    return status;
}

/* One step of length h from s; y and its integral of the divergence are advanced. */
static bfn_status step(work *w, double s, double h, double *y, double *ln)
{
    static const double where[4] = {0.0, 0.5, 0.5, 1.0}, weight[4] = {1.0 / 6.0, 1.0 / 3.0, 1.0 / 3.0, 1.0 / 6.0};
    size_t count = w->n * w->ode->size;
    for (size_t i = 0; i < count; i++)
        w->sum[i] = 0.0;
    for (size_t i = 0; i < w->n; i++)
        w->ln_sum[i] = 0.0;
    for (int k = 0; k < 4; k++) {
        for (size_t i = 0; i < count; i++)
            w->stage[i] = k == 0 ? y[i] : y[i] + h * where[k] * w->slope[i];
        bfn_status status = evaluate(w, s + h * where[k], w->stage);
        if (status != BFN_OK)
            return status;
        for (size_t i = 0; i < count; i++)
            w->sum[i] += weight[k] * w->slope[i];
        for (size_t i = 0; i < w->n; i++)
            w->ln_sum[i] += weight[k] * w->ln_slope[i];
    }
    for (size_t i = 0; i < count; i++)
        y[i] += h * w->sum[i];
    for (size_t i = 0; i < w->n; i++)
        ln[i] += h * w->ln_sum[i];
    return BFN_OK;
}

/* ln N(y; w m, v I) of one sample at the start. */
static double ln_start(const bfn__ode *ode, double w, const double *y)
{
    double v = 1.0 + w * w * ode->variance, square = 0.0;
    if (is_discrete(ode))
        v = (double)ode->flow->n_classes * ode->flow->max_sqrt_beta * ode->flow->max_sqrt_beta;
    for (size_t i = 0; i < ode->size; i++) {
        double m = ode->mean != NULL && !is_discrete(ode) ? w * (double)ode->mean[i] : 0.0;
        square += (y[i] - m) * (y[i] - m);
    }
    return -0.5 * (square / v + (double)ode->size * log(2.0 * 3.14159265358979323846 * v));
}

static bfn_status integrate(work *w, double *y, double *ln)
{
    const bfn__ode *ode = w->ode;
    double start = is_discrete(ode) ? 0.0 : s_of_time(ode, ode->eta), end = s_of_time(ode, 1.0);
    double h = (start - end) / (double)ode->n_steps, scale = at(ode, end).scale;
    for (size_t i = 0; i < w->n * ode->size; i++)
        y[i] /= scale;
    for (size_t k = 0; k < ode->n_steps; k++) {
        double s = end + (start - end) * (double)k / (double)ode->n_steps;
        bfn_status status = step(w, s, k + 1 == ode->n_steps ? start - s : h, y, ln);
        if (status != BFN_OK)
            return status;
    }
    for (size_t i = 0; i < w->n; i++) {
        /* h is negative, so ln holds minus the divergence from the start to 1: what the density gained on the way */
        ln[i] += ln_start(ode, sinh(start), y + i * ode->size);
        if (!isfinite(ln[i]))
            return bfn__fail(ode->ctx, BFN_ERR_DIVERGED, "ode: sample %zu: its density is not finite", w->first + i);
    }
    return BFN_OK;
}

bfn_status bfn__ode_density(const bfn__ode *ode, size_t first, size_t n, double *state, double *ln_density)
{
    size_t count = n * ode->size;
    work w = {.ode = ode, .first = first, .n = n};
    double *block = bfn__calloc(ode->ctx, 5 * count + 3 * n, sizeof *block);
    if (block == NULL)
        return BFN_ERR_MEMORY;
    double **parts[] = {&w.state, &w.prediction, &w.stage, &w.slope, &w.sum, &w.trace, &w.ln_slope, &w.ln_sum};
    double *next = block;
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        *parts[i] = next;
        next += i < 5 ? count : n;
    }
    for (size_t i = 0; i < n; i++)
        ln_density[i] = 0.0;
    bfn_status status = integrate(&w, state, ln_density);
    bfn__free(ode->ctx, block);
    return status;
}
