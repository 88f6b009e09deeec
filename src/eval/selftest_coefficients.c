/* selftest_coefficients.c: every row of every method against numerical integration.
 *
 * Over one step a method replaces the prediction by a polynomial in t (discrete) or lambda (continuous) through the newest
 * predictions. So when the prediction *is* a polynomial of low enough degree, the step is exact:
 *   discrete ODE    x_t = (t_t/t_s) x_s + K beta_1 t_t int (p - 1/K) dr
 *   discrete SDE    x_t = x_s + int 2 K beta_1 r (p - 1/K) dr,                     noise variance K (beta_t - beta_s)
 *   continuous ODE  x_t = (sigma_t/sigma_s) x_s + sigma_t int e^lambda p dlambda
 *   continuous SDE  (1 + beta_t) x_t = (1 + beta_s) x_s + int 2 e^(2 lambda) p dlambda,   noise variance (beta_t - beta_s) / (1 + beta_t)^2
 * The integrals are taken by Simpson's rule, which shares nothing with the formulas that made the rows. A step is run from an
 * arbitrary state on an irregular list of times, with exact predictions as its history, so each coefficient of each row counts.
 *
 * Two things are known not to be exact. Second-order continuous methods weigh a slope as published, with the middle of the
 * step: int kernel (v - v_s) dv -> M_0 h/2 (SPEC 3.1, 11.4), and so does a midpoint step; that is what is expected of them then.
 * Euler methods freeze the derivative at t_s, and are compared with the formula of section 3.
 */
#include "eval/selftest.h"

#include <math.h>
#include <string.h>

enum { N_STEPS = 6, MAX_CALLS = 2 * N_STEPS + 2 };

static const double times[N_STEPS + 1] = {0.02, 0.11, 0.24, 0.45, 0.58, 0.83, 1.0};
static const double state_0 = 0.7; /* arbitrary */

typedef struct step_context {
    const bfn_flow *flow;
    bfn_method method;
    bool corrector;
    double s, t;
    int degree;
} step_context;

static bool is_discrete(const bfn_flow *flow)
{
    return flow->kind == BFN_DATA_DISCRETE;
}

static double variable(const bfn_flow *flow, double t)
{
    return is_discrete(flow) ? t : bfn_flow_lambda(flow, t);
}

/* The prediction: ((v - v_s) / h)^degree. */
static double polynomial(const step_context *c, double v)
{
    double from = variable(c->flow, c->s), h = variable(c->flow, c->t) - from;
    return pow((v - from) / h, c->degree);
}

static double kernel(const step_context *c, double v)
{
    bool sde = bfn__selftest_is_sde(c->method);
    if (!is_discrete(c->flow))
        return sde ? 2.0 * exp(2.0 * v) : exp(v);
    double K = (double)c->flow->n_classes, beta_1 = bfn_flow_beta(c->flow, 1.0);
    return sde ? 2.0 * K * beta_1 * v : K * beta_1;
}

static double simpson(const step_context *c, double (*f)(const step_context *c, double v))
{
    enum { N = 1000 };
    double from = variable(c->flow, c->s), h = (variable(c->flow, c->t) - from) / N, sum = 0.0;
    for (int i = 0; i <= N; i++)
        sum += (i == 0 || i == N ? 1.0 : i % 2 == 1 ? 4.0 : 2.0) * f(c, from + h * i);
    return sum * h / 3.0;
}

static double kernel_times_polynomial(const step_context *c, double v)
{
    return kernel(c, v) * (polynomial(c, v) - (is_discrete(c->flow) ? 1.0 / (double)c->flow->n_classes : 0.0));
}

/* Methods whose slope is weighed with the middle of the step. */
static bool middle_weighs(const step_context *c, bool first)
{
    if (is_discrete(c->flow) || c->degree != 1)
        return false;
    bool midpoint = c->method == BFN_METHOD_ODE2S || (c->method == BFN_METHOD_ODE3M && first);
    bool published = c->method == BFN_METHOD_ODE2M || c->method == BFN_METHOD_SDE2M;
    return (midpoint || published) && !c->corrector;
}

/* Where an exact step takes state_0, and with which noise. */
static double expected_state(const step_context *c, bool first, double *noise)
{
    const bfn_flow *f = c->flow;
    bool sde = bfn__selftest_is_sde(c->method);
    double integral = middle_weighs(c, first) ? 0.5 * simpson(c, kernel) : simpson(c, kernel_times_polynomial);
    double beta_s = bfn_flow_beta(f, c->s), beta_t = bfn_flow_beta(f, c->t);
    if (is_discrete(f)) {
        *noise = sde ? sqrt((double)f->n_classes * (beta_t - beta_s)) : 0.0;
        return sde ? state_0 + integral : c->t / c->s * state_0 + c->t * integral;
    }
    *noise = sde ? sqrt(beta_t - beta_s) / (1.0 + beta_t) : 0.0;
    double sigma_t = bfn_flow_sigma(f, c->t);
    return sde ? ((1.0 + beta_s) * state_0 + integral) / (1.0 + beta_t)
               : sigma_t / bfn_flow_sigma(f, c->s) * state_0 + sigma_t * integral;
}

/* SPEC 3.1 and 3.2, with the prediction polynomial(v_s) (degree 0: 1; else 0). */
static double expected_euler(const step_context *c, double *noise)
{
    const bfn_flow *f = c->flow;
    bool sde = c->method == BFN_METHOD_EM;
    double s = c->s, d = c->t - c->s, p = c->degree == 0 ? 1.0 : 0.0, x = state_0, part = sde ? 1.0 : 0.5;
    if (is_discrete(f)) {
        double K = (double)f->n_classes, push = 2.0 * part * K * bfn_flow_beta(f, 1.0) * s * d;
        *noise = sde ? sqrt(push) : 0.0;
        return x + push * (p - 1.0 / K) + (sde ? 0.0 : x / s * d);
    }
    double log_s1 = 0.5 * log(f->min_variance), gamma = bfn_flow_gamma(f, s), sigma = bfn_flow_sigma(f, s);
    double F = 2.0 * log_s1 * (1.0 - gamma) / gamma, G2 = -2.0 * log_s1 * (1.0 - gamma), eps = (x - gamma * p) / sigma;
    *noise = sde ? sqrt(G2 * d) : 0.0;
    return x - (F * x + part * G2 * eps / sigma) * d;
}

/* Run the rows of one step: those that start in [s, t), and the corrector at t. */
typedef struct walk {
    const bfn_plan_row *rows;
    size_t n_rows, next;
    double calls[MAX_CALLS]; /* times of all calls so far, newest last */
    size_t n_calls;
} walk;

static double run_step(walk *w, const step_context *c, double *noise)
{
    double x = state_0, variance = 0.0;
    *noise = 0.0;
    for (; w->next < w->n_rows; w->next++) {
        const bfn_plan_row *row = &w->rows[w->next];
        if (row->corrector ? row->t > c->t : row->t >= c->t)
            break;
        if (row->call && w->n_calls < MAX_CALLS)
            w->calls[w->n_calls++] = row->t;
        double sum = row->a * x + row->k;
        for (size_t j = 0; j < 4; j++) {
            if (row->b[j] == 0.0)
                continue;
            if (j >= w->n_calls)
                return (double)NAN; /* a prediction that was never made */
            sum += row->b[j] * polynomial(c, variable(c->flow, w->calls[w->n_calls - 1 - j]));
        }
        x = sum;
        variance = row->a * row->a * variance + row->e * row->e;
    }
    *noise = sqrt(variance);
    return x;
}

/* The degree up to which step i is exact. */
static int exact_degree(bfn_method method, bool corrector, size_t i, bool last)
{
    int order = method == BFN_METHOD_ODE3M || method == BFN_METHOD_SDE3M           ? 3
                : bfn__selftest_is_multistep(method) || method == BFN_METHOD_ODE2S ? 2
                                                                                   : 1;
    bool midpoint_start = method == BFN_METHOD_ODE3M;
    int nodes = (int)i + 1 + (midpoint_start ? 1 : 0); /* predictions that exist */
    if (method == BFN_METHOD_ODE2S)
        nodes = 2;
    int used = nodes < order ? nodes : order;
    if (midpoint_start && i == 0)
        used = 2;
    return used - 1 + (corrector && !last ? 1 : 0);
}

/* The worst error of any step and degree, relative to the size of what is compared. */
static double worst_error(const bfn_flow *flow, bfn_method method, bool corrector, const bfn_plan_row *rows,
                          size_t n_rows)
{
    bool euler = method == BFN_METHOD_EULER || method == BFN_METHOD_EM;
    double worst = 0.0;
    for (int degree = 0; degree < 4; degree++) {
        walk w = {.rows = rows, .n_rows = n_rows};
        for (size_t i = 0; i < N_STEPS; i++) {
            bool last = i + 1 == N_STEPS;
            step_context c = {flow, method, corrector && !last, times[i], times[i + 1], degree};
            double noise, expected_noise;
            double x = run_step(&w, &c, &noise);
            if (degree > exact_degree(method, corrector, i, last))
                continue;
            double expected = euler ? expected_euler(&c, &expected_noise) : expected_state(&c, i == 0, &expected_noise);
            double error = fabs(x - expected) / (1.0 + fabs(expected)) + fabs(noise - expected_noise);
            worst = isnan(error) ? (double)INFINITY : fmax(worst, error);
        }
        if (w.next != n_rows)
            worst = INFINITY;
    }
    return worst;
}

static bfn_status check_method(bfn__selftest *st, const bfn_flow *flow, bfn_method method, bool corrector)
{
    bfn_solver_options options = bfn__selftest_options(method, N_STEPS, BFN_GRID_LIST, 0.0);
    options.times = times;
    options.n_times = N_STEPS + 1;
    options.last = BFN_LAST_UPDATE;
    options.corrector = corrector;
    bfn_plan *plan = NULL;
    bfn_status status = bfn__selftest_plan(st, &plan, flow, &options);
    if (status != BFN_OK)
        return status;
    bfn_plan_info info;
    bfn_plan_get_info(plan, &info);
    double worst = worst_error(flow, method, corrector, bfn_plan_rows(plan), info.n_rows);
    bfn__selftest_most(st, worst, 1e-9, "%s %s%s", is_discrete(flow) ? "discrete  " : "continuous",
                       bfn_method_name(method), corrector ? " + corrector" : "");
    bfn_plan_destroy(plan);
    return BFN_OK;
}

/* With a constant prediction x the marginals are those of the flow: mean m_t(x), variance v_t; whatever the mixture of ODE and SDE is. */
static double marginal_error(const bfn_flow *flow, const bfn_plan_row *rows, size_t n_rows)
{
    double worst = 0.0;
    for (size_t i = 0; i < n_rows; i++) {
        const bfn_plan_row *r = &rows[i];
        double s = r->t, t = r->t_next, p = 0.6, K = (double)flow->n_classes;
        double mean_s = is_discrete(flow) ? bfn_flow_beta(flow, s) * (K * p - 1.0) : bfn_flow_gamma(flow, s) * p;
        double mean_t = is_discrete(flow) ? bfn_flow_beta(flow, t) * (K * p - 1.0) : bfn_flow_gamma(flow, t) * p;
        double var_s = is_discrete(flow) ? K * bfn_flow_beta(flow, s) : pow(bfn_flow_sigma(flow, s), 2.0);
        double var_t = is_discrete(flow) ? K * bfn_flow_beta(flow, t) : pow(bfn_flow_sigma(flow, t), 2.0);
        double b = r->b[0] + r->b[1] + r->b[2] + r->b[3];
        double error = fabs(r->a * mean_s + b * p + r->k - mean_t) / (1.0 + fabs(mean_t)) +
                       fabs(r->a * r->a * var_s + r->e * r->e - var_t) / var_t;
        worst = isnan(error) ? (double)INFINITY : fmax(worst, error);
    }
    return worst;
}

static bfn_status check_marginals(bfn__selftest *st, const bfn_flow *flow, bfn_method method, double noise, double eta)
{
    bfn_solver_options options = bfn__selftest_options(method, N_STEPS, BFN_GRID_POWER, eta);
    options.last = BFN_LAST_UPDATE;
    options.noise = noise;
    options.noise_is_set = noise >= 0.0;
    bfn_plan *plan = NULL;
    bfn_status status = bfn__selftest_plan(st, &plan, flow, &options);
    if (status != BFN_OK)
        return status;
    bfn_plan_info info;
    bfn_plan_get_info(plan, &info);
    double worst = marginal_error(flow, bfn_plan_rows(plan), info.n_rows);
    const char *kind = is_discrete(flow) ? "discrete  " : "continuous", *name = bfn_method_name(method);
    if (noise >= 0.0)
        bfn__selftest_most(st, worst, 1e-9, "%s %s, noise %.1f: law for a constant prediction", kind, name, noise);
    else
        bfn__selftest_most(st, worst, 1e-9, "%s %s, eta %g: law for a constant prediction", kind, name, eta);
    bfn_plan_destroy(plan);
    return BFN_OK;
}

static bfn_status check_flow(bfn__selftest *st, const bfn_flow *flow)
{
    static const bfn_method preserving[] = {BFN_METHOD_BFN,  BFN_METHOD_ODE1,  BFN_METHOD_ODE2M,
                                            BFN_METHOD_SDE1, BFN_METHOD_SDE2M, BFN_METHOD_SDE3M};
    bfn_status status = BFN_OK;
    for (int m = 1; m < BFN_METHOD_COUNT && status == BFN_OK; m++) {
        if (!bfn__selftest_wants(st, (bfn_method)m))
            continue;
        status = check_method(st, flow, (bfn_method)m, false);
        if (status == BFN_OK && bfn__selftest_is_multistep((bfn_method)m))
            status = check_method(st, flow, (bfn_method)m, true);
    }
    for (size_t m = 0; m < sizeof preserving / sizeof *preserving && status == BFN_OK; m++)
        if (bfn__selftest_wants(st, preserving[m]))
            status = check_marginals(st, flow, preserving[m], -1.0, 0.0);
    for (int dial = 0; dial <= 4 && status == BFN_OK && bfn__selftest_wants(st, BFN_METHOD_ODE1); dial += 2)
        status = check_marginals(st, flow, BFN_METHOD_ODE1, 0.25 * dial, 1e-3);
    return status;
}

bfn_status bfn__selftest_coefficients(bfn__selftest *st)
{
    bfn__selftest_models models;
    bfn__selftest_models_init(&models);
    bfn__selftest_heading(st, "Coefficients: rows against numerical integration, worst error");
    bfn_status status = check_flow(st, &models.gauss.flow);
    return status == BFN_OK ? check_flow(st, &models.table.flow) : status;
}
