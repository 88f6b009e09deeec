/* test_plan.c: plans against the closed formulas of the method (SPEC sections 3, 9, 10, 11), without a network.
 *
 * Three kinds of check: numbers (the identities of SPEC 10), laws that every row has to keep whatever its method (mean and variance of the
 * Gaussian path, under a constant prediction), and integrals: rows applied to a prediction that is a polynomial of known
 * degree, against the differential equation integrated numerically.
 */
#include "base/base.h"
#include "bfn/solver.h"
#include "solver/quadrature.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static bfn_context *ctx;

static const bfn_flow continuous = {sizeof(bfn_flow), BFN_DATA_CONTINUOUS, 0, 0.0, 1e-6, 1.0};
static const bfn_flow coarse = {sizeof(bfn_flow), BFN_DATA_DISCRETISED, 16, 0.0, 1e-3, 0.0};
static const bfn_flow text = {sizeof(bfn_flow), BFN_DATA_DISCRETE, 27, 0.75, 0.0, 0.0};
static const bfn_flow binary = {sizeof(bfn_flow), BFN_DATA_DISCRETE, 2, 3.0, 0.0, 0.0};

static bfn_solver_options options_of(bfn_method method, size_t n_steps)
{
    bfn_solver_options o = BFN_SOLVER_OPTIONS_INIT;
    o.method = method;
    o.n_steps = n_steps;
    o.grid = BFN_GRID_TIME;
    return o;
}

static bfn_plan *make(const bfn_flow *flow, const bfn_solver_options *o)
{
    bfn_plan *plan;
    bfn_status s = bfn_plan_create(ctx, &plan, flow, o);
    if (s != BFN_OK)
        fail_msg("plan: %s", bfn_errmsg(ctx));
    return plan;
}

static bfn_plan_info info_of(const bfn_plan *plan)
{
    bfn_plan_info info;
    bfn_plan_get_info(plan, &info);
    return info;
}

static void assert_near(double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance))
        fail_msg("got %.17g, want %.17g within %g", got, want, tolerance);
}

static bool multistep(bfn_method m)
{
    return m == BFN_METHOD_ODE2M || m == BFN_METHOD_ODE3M || m == BFN_METHOD_SDE2M || m == BFN_METHOD_SDE3M;
}

static bool is_sde(bfn_method m)
{
    return m == BFN_METHOD_BFN || m == BFN_METHOD_EM || m == BFN_METHOD_SDE1 || m == BFN_METHOD_SDE2M ||
           m == BFN_METHOD_SDE3M;
}

/* ---- numbers of SPEC 10 ---- */

static void identities(void **state)
{
    (void)state;
    const double t[] = {0.3, 0.4, 1.0};
    bfn_solver_options o = options_of(BFN_METHOD_SDE1, 0);
    o.grid = BFN_GRID_LIST;
    o.times = t;
    o.n_times = 3;
    bfn_plan *plan = make(&continuous, &o);
    assert_near(bfn_plan_rows(plan)[0].a, 0.251189, 5e-7);
    assert_near(bfn_plan_rows(plan)[0].b[0], 0.748811, 5e-7);
    assert_near(bfn_plan_rows(plan)[0].e, 0.0545992, 5e-8);
    bfn_plan_destroy(plan);
    o.method = BFN_METHOD_ODE1;
    plan = make(&continuous, &o);
    assert_near(bfn_plan_rows(plan)[0].a, 0.504200, 5e-7);
    assert_near(bfn_plan_rows(plan)[0].b[0], 0.499810, 5e-7);
    assert_true(bfn_plan_rows(plan)[0].e == 0.0);
    bfn_plan_destroy(plan);

    const double u[] = {0.2, 0.3, 0.45, 1.0};
    o.method = BFN_METHOD_SDE2M;
    o.times = u;
    o.n_times = 4;
    plan = make(&text, &o);
    const bfn_plan_row *row = &bfn_plan_rows(plan)[1];
    assert_near(-row->b[1] * 0.1, 0.1366875, 1e-12); /* weight of the slope (p_0 - p_1)/0.1 */
    assert_near(row->b[0] + row->b[1], 27.0 * 0.5625 * (0.45 * 0.45 - 0.3 * 0.3), 1e-12);
    bfn_plan_destroy(plan);
}

/* The original sampler's step is the Bayesian update: mu' = (rho mu + alpha x + sqrt(alpha) z)/(rho + alpha); z' = z + alpha (K e - 1) + .. */
static void original_is_bayes(void **state)
{
    (void)state;
    bfn_solver_options o = options_of(BFN_METHOD_BFN, 10);
    bfn_plan *plan = make(&continuous, &o);
    bfn_plan_info info = info_of(plan);
    assert_int_equal(info.n_evaluations, 11);
    assert_int_equal(info.prediction, BFN_PREDICTION_DRAW);
    assert_true(info.start_time == 0.0 && info.start_mean == 0.0 && info.start_std == 0.0);
    for (size_t i = 0; i < 10; i++) {
        const bfn_plan_row *row = &bfn_plan_rows(plan)[i];
        double rho = pow(1e-3, -0.2 * (double)i), next = pow(1e-3, -0.2 * (double)(i + 1)), alpha = next - rho;
        assert_near(row->a, rho / next, 1e-12);
        assert_near(row->b[0], alpha / next, 1e-12);
        assert_near(row->e, sqrt(alpha) / next, 1e-12);
    }
    bfn_plan_destroy(plan);
    plan = make(&text, &o);
    for (size_t i = 0; i < 10; i++) {
        const bfn_plan_row *row = &bfn_plan_rows(plan)[i];
        double alpha = 0.5625 * (2.0 * (double)i + 1.0) / 100.0;
        assert_true(row->a == 1.0);
        assert_near(row->b[0], 27.0 * alpha, 1e-12);
        assert_near(row->k, -alpha, 1e-13);
        assert_near(row->e, sqrt(27.0 * alpha), 1e-12);
    }
    bfn_plan_destroy(plan);
}

/* Published closed forms of the second-order methods (SPEC 3.1, 3.2) on a grid with unequal steps. */
static void published_weights(void **state)
{
    (void)state;
    const double t[] = {0.1, 0.25, 0.45, 1.0};
    bfn_solver_options o = options_of(BFN_METHOD_ODE2M, 0);
    o.grid = BFN_GRID_LIST;
    o.times = t;
    o.n_times = 4;
    bfn_plan *plan = make(&text, &o);
    const bfn_plan_row *row = &bfn_plan_rows(plan)[1];
    double d = t[2] - t[1], slope = 0.5 * d / (t[1] - t[0]), scale = 27.0 * 0.5625 * t[2] * d;
    assert_near(row->a, t[2] / t[1], 1e-14);
    assert_near(row->b[0], scale * (1.0 + slope), 1e-12);
    assert_near(row->b[1], -scale * slope, 1e-12);
    assert_near(row->k, -scale / 27.0, 1e-13);
    bfn_plan_destroy(plan);
    for (int sde = 0; sde < 2; sde++) {
        o.method = sde ? BFN_METHOD_SDE2M : BFN_METHOD_ODE2M;
        plan = make(&continuous, &o);
        row = &bfn_plan_rows(plan)[1];
        double lambda[3], gamma = 1.0 - pow(1e-6, t[2]);
        for (int i = 0; i < 3; i++)
            lambda[i] = 0.5 * log(pow(1e-6, -t[i]) - 1.0);
        double h = lambda[2] - lambda[1], h_prev = lambda[1] - lambda[0];
        double first = gamma * (1.0 - exp(-(sde ? 2.0 : 1.0) * h));
        assert_near(row->b[0], first * (1.0 + 0.5 * h / h_prev), 1e-12);
        assert_near(row->b[1], -first * 0.5 * h / h_prev, 1e-12);
        bfn_plan_destroy(plan);
    }
}

/* ---- quadrature ---- */

/* SPEC 9.2: the Newton form of third order, for each of the four kernels. */
static void newton_form(const bfn_flow *flow, bool sde, double t0, double t1, double t2, double t3)
{
    bfn__path path;
    assert_int_equal(bfn__path_init(ctx, flow, &path), BFN_OK);
    bfn__step step;
    bfn__step_init(&path, sde, t2, t3, &step);
    double v[3] = {bfn__path_variable(&path, t2), bfn__path_variable(&path, t1), bfn__path_variable(&path, t0)};
    double u[3], c[3], h = step.h, d = t3 - t2;
    for (int j = 0; j < 3; j++)
        u[j] = (v[j] - v[0]) / h;
    bfn__quadrature(3, u, step.moments, c);
    double w0, w1, w2;
    if (path.discrete) {
        w0 = sde ? t3 * t3 - t2 * t2 : d;
        w1 = sde ? d * d / 3.0 * (t2 + 2.0 * t3) : d * d / 2.0;
        w2 = sde ? 2.0 * t2 * d * d * d / 3.0 + d * d * d * d / 2.0 : d * d * d / 3.0;
    } else {
        double r = sde ? 2.0 : 1.0;
        w0 = 1.0 - exp(-r * h);
        w1 = h - w0 / r;
        w2 = h * h - 2.0 * w1 / r;
    }
    const double f[3] = {0.7, -0.4, 1.9};
    double h1 = v[0] - v[1], h2 = v[1] - v[2];
    double slope = (f[0] - f[1]) / h1, older = (f[1] - f[2]) / h2, bend = (slope - older) / (h1 + h2);
    double want = w0 * f[0] + w1 * slope + (w2 + h1 * w1) * bend;
    assert_near(c[0] * f[0] + c[1] * f[1] + c[2] * f[2], want, 1e-11 * (1.0 + fabs(want)));
}

static void vandermonde_is_newton(void **state)
{
    (void)state;
    for (int sde = 0; sde < 2; sde++) {
        newton_form(&text, sde, 0.1, 0.25, 0.45, 0.5);
        newton_form(&text, sde, 0.1, 0.2, 0.3, 0.4);
        newton_form(&continuous, sde, 0.1, 0.25, 0.45, 0.5);
        newton_form(&continuous, sde, 0.3, 0.4, 0.7, 1.0);
    }
    bfn_solver_options o = options_of(BFN_METHOD_ODE3M, 10);
    bfn_plan *plan = make(&text, &o);
    const bfn_plan_row *row = &bfn_plan_rows(plan)[6]; /* far from the midpoint start: uniform Adams-Bashforth */
    double scale = 27.0 * 0.5625 * row->t_next * (row->t_next - row->t);
    assert_near(row->b[0], scale * 23.0 / 12.0, 1e-11);
    assert_near(row->b[1], -scale * 16.0 / 12.0, 1e-11);
    assert_near(row->b[2], scale * 5.0 / 12.0, 1e-11);
    bfn_plan_destroy(plan);
}

/* Moments of the exponential kernel against Simpson's rule, on both sides of the switch from series to recursion. */
static void moments_of_any_step(void **state)
{
    (void)state;
    bfn__path path;
    assert_int_equal(bfn__path_init(ctx, &continuous, &path), BFN_OK);
    for (double h = 1e-9; h < 20.0; h *= 1.7) {
        for (int sde = 0; sde < 2; sde++) {
            double from = bfn__path_lambda(&path, 0.2), r = sde ? 2.0 : 1.0;
            bfn__step step;
            bfn__step_init(&path, sde, 0.2, bfn__path_time(&path, from + h), &step);
            double x = r * step.h;
            for (int m = 0; m < BFN__MAX_NODES; m++) {
                enum { N = 2000 };
                double sum = 0.0;
                for (int i = 0; i <= N; i++) {
                    double v = (double)i / N, weight = i == 0 || i == N ? 1.0 : i % 2 == 1 ? 4.0 : 2.0;
                    sum += weight * x * exp(-x * (1.0 - v)) * pow(v, m);
                }
                double want = sum / (3.0 * N);
                assert_near(step.moments[m], want, 1e-8 * want);
            }
        }
    }
}

/* dY/dv of the regular coordinate Y (SPEC 2.1, 2.2) for a prediction that is a polynomial of the variable v = t or lambda. */
static double forcing(const bfn_flow *flow, bool sde, double v, const double *poly)
{
    double p = poly[0] + v * (poly[1] + v * (poly[2] + v * poly[3]));
    if (flow->kind != BFN_DATA_DISCRETE)
        return sde ? 2.0 * exp(2.0 * v) * p : exp(v) * p; /* dS = p dbeta; dY = p dw */
    double K = (double)flow->n_classes, beta_1 = flow->max_sqrt_beta * flow->max_sqrt_beta;
    return sde ? 2.0 * beta_1 * v * (K * p - 1.0) : beta_1 * (K * p - 1.0); /* dz = (K p - 1) dbeta; du = .. dt */
}

/* The state at t from the one at s under that prediction (the mean of the SDE), by Simpson's rule. */
static double exact(const bfn_flow *flow, bool sde, double s, double t, double x, const double *poly)
{
    bfn__path path;
    assert_int_equal(bfn__path_init(ctx, flow, &path), BFN_OK);
    double from = bfn__path_variable(&path, s), h = bfn__path_variable(&path, t) - from, sum = 0.0;
    enum { N = 400 };
    for (int i = 0; i <= N; i++)
        sum += (i == 0 || i == N ? 1.0 : i % 2 == 1 ? 4.0 : 2.0) * forcing(flow, sde, from + h * i / N, poly);
    double growth = sum * h / (3.0 * N), factor_s = 1.0, factor_t = 1.0; /* x = factor * regular coordinate */
    if (path.discrete && !sde)
        factor_s = s, factor_t = t;
    if (!path.discrete) {
        factor_s = sde ? 1.0 / (1.0 + bfn__path_beta(&path, s)) : bfn__path_sigma(&path, s);
        factor_t = sde ? 1.0 / (1.0 + bfn__path_beta(&path, t)) : bfn__path_sigma(&path, t);
    }
    return factor_t * (x / factor_s + growth);
}

/* From an exact state, a step with q nodes integrates polynomials of degree q - 1 exactly, and a corrector those of degree q. */
static void steps_are_exact_for(const bfn_flow *flow, bfn_method method, bool corrector, bfn_grid grid)
{
    bool own_weights = method == BFN_METHOD_ODE3M || method == BFN_METHOD_SDE3M || flow->kind == BFN_DATA_DISCRETE;
    size_t order = method == BFN_METHOD_ODE3M || method == BFN_METHOD_SDE3M ? 3 : 2;
    bfn_solver_options o = options_of(method, 9);
    o.corrector = corrector;
    o.grid = grid;
    o.power = 1.4;
    o.last = BFN_LAST_UPDATE;
    bfn_plan *plan = make(flow, &o);
    bfn_plan_info info = info_of(plan);
    bfn__path path;
    assert_int_equal(bfn__path_init(ctx, flow, &path), BFN_OK);
    double poly[4] = {0.4, -0.3, 0.2, -0.1}, made[4] = {0};
    size_t n_checked = 0;
    for (size_t degree = 1; degree <= order; degree++) {
        double p_poly[4] = {0};
        memcpy(p_poly, poly, (degree + 1) * sizeof poly[0]);
        double x = 0.3, start = 0.0, want = 0.0;
        size_t n_made = 0;
        for (size_t i = 0; i < info.n_rows; i++) {
            const bfn_plan_row *row = &bfn_plan_rows(plan)[i];
            if (row->call) {
                memmove(made + 1, made, 3 * sizeof made[0]);
                made[0] = bfn__path_variable(&path, row->t);
                n_made++;
            }
            if (!row->corrector) {
                x = 0.3; /* each step begins exact */
                start = row->t;
                want = exact(flow, is_sde(method), start, row->t_next, x, p_poly);
            }
            double next = row->a * x + row->k;
            for (size_t j = 0; j < 4; j++) {
                double v = made[j];
                next += row->b[j] * (p_poly[0] + v * (p_poly[1] + v * (p_poly[2] + v * p_poly[3])));
            }
            x = next;
            size_t nodes = n_made < order ? n_made : order;
            bool midpoint = method == BFN_METHOD_ODE3M && start <= bfn_plan_rows(plan)[1].t;
            bool full = row->corrector ? !midpoint && i > order + 2 && degree <= order
                                       : own_weights && !midpoint && nodes == order && degree < order && i > order + 1;
            if (full) {
                assert_near(x, want, 1e-8 * (1.0 + fabs(want)));
                n_checked++;
            }
        }
    }
    assert_true(n_checked >= (corrector || own_weights ? 4u : 0u));
    bfn_plan_destroy(plan);
}

static void steps_are_exact(void **state)
{
    (void)state;
    const bfn_method methods[] = {BFN_METHOD_ODE2M, BFN_METHOD_ODE3M, BFN_METHOD_SDE2M, BFN_METHOD_SDE3M};
    const bfn_grid grids[] = {BFN_GRID_TIME, BFN_GRID_LOGSNR, BFN_GRID_POWER};
    for (size_t m = 0; m < 4; m++)
        for (int corrector = 0; corrector < 2; corrector++)
            for (size_t g = 0; g < 3; g++) {
                steps_are_exact_for(&text, methods[m], corrector, grids[g]);
                steps_are_exact_for(&continuous, methods[m], corrector, grids[g]);
            }
}

/* Two stages of ode2s (and the first step of ode3m), composed, are the midpoint rule of SPEC 3.1 and 3.2. */
static void midpoint_is_algebraic(void **state)
{
    (void)state;
    const double x = 0.37, p_s = 0.21, p_m = 0.83;
    bfn_solver_options o = options_of(BFN_METHOD_ODE2S, 4);
    o.last = BFN_LAST_UPDATE;
    o.eta_is_set = 1;
    o.eta = 0.1;
    bfn_plan *plan = make(&text, &o);
    assert_int_equal(info_of(plan).n_evaluations, 8);
    const bfn_plan_row *row = &bfn_plan_rows(plan)[2];
    double s = row[0].t, m = row[0].t_next, t = row[1].t_next, d = t - s;
    assert_near(m, 0.5 * (s + t), 1e-15);
    double x_m = row[0].a * x + row[0].b[0] * p_s + row[0].k;
    assert_near(x_m, m / s * x + 27.0 * 0.5625 * m * (m - s) * (p_s - 1.0 / 27.0), 1e-12);
    double x_t = row[1].a * x_m + row[1].b[0] * p_m + row[1].b[1] * p_s + row[1].k;
    assert_near(x_t, t / s * x + 27.0 * 0.5625 * t * d * (p_m - 1.0 / 27.0), 1e-12);
    bfn_plan_destroy(plan);

    plan = make(&continuous, &o);
    row = &bfn_plan_rows(plan)[2];
    s = row[0].t, t = row[1].t_next;
    double gamma_s = 1.0 - pow(1e-6, s), gamma_t = 1.0 - pow(1e-6, t), gamma_m = 1.0 - pow(1e-6, row[0].t_next);
    double sigma_s = sqrt(gamma_s * (1.0 - gamma_s)), sigma_t = sqrt(gamma_t * (1.0 - gamma_t));
    double l_s = 0.5 * log(gamma_s / (1.0 - gamma_s)), l_t = 0.5 * log(gamma_t / (1.0 - gamma_t));
    assert_near(0.5 * log(gamma_m / (1.0 - gamma_m)), 0.5 * (l_s + l_t), 1e-9);
    x_m = row[0].a * x + row[0].b[0] * p_s + row[0].k;
    x_t = row[1].a * x_m + row[1].b[0] * p_m + row[1].b[1] * p_s + row[1].k;
    assert_near(x_t, sigma_t / sigma_s * x + gamma_t * (1.0 - exp(l_s - l_t)) * p_m, 1e-9);
    bfn_plan_destroy(plan);
}

/* What is best where nobody says otherwise: logsnr from 1e-3 for continuous data and methods that treat the linear part exactly; all others, and
 * the published names, as they were published. */
static void default_grid(void **state)
{
    (void)state;
    static const struct {
        const bfn_flow *flow;
        const char *method;
        bfn_grid grid;
        double eta;
    } cases[] = {
        {&continuous, "ode1", BFN_GRID_LOGSNR, 1e-3},
        {&continuous, "sde2m", BFN_GRID_LOGSNR, 1e-3},
        {&continuous, "sde_bfnsolver2_multi_step", BFN_GRID_TIME, 1e-2},
        {&continuous, "bfn", BFN_GRID_TIME, 0.0},
        {&continuous, "em", BFN_GRID_TIME, 1e-2},
        {&continuous, "euler", BFN_GRID_TIME, 1e-2},
        {&text, "sde2m", BFN_GRID_TIME, 1e-3},
        {&binary, "sde2m", BFN_GRID_LOGSNR, 1e-3},
        {&binary, "bfn", BFN_GRID_TIME, 0.0},
        {&text, "bfn", BFN_GRID_TIME, 0.0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bfn_solver_options o = BFN_SOLVER_OPTIONS_INIT;
        o.n_steps = 4;
        assert_int_equal(bfn_method_parse(ctx, cases[i].method, &o), BFN_OK);
        bfn_plan *plan = make(cases[i].flow, &o);
        assert_int_equal(info_of(plan).grid, cases[i].grid);
        assert_near(info_of(plan).start_time, cases[i].eta, 0.0);
        assert_int_equal(info_of(plan).start, BFN_START_ZERO_MEAN);
        double second = bfn_plan_rows(plan)[1].t, quarter = cases[i].eta + (1.0 - cases[i].eta) / 4.0;
        assert_true(cases[i].grid == BFN_GRID_TIME ? fabs(second - quarter) < 1e-15 : second < 0.5 * quarter);
        bfn_plan_destroy(plan);
    }
}

/* ---- laws of every row ---- */

typedef struct law {
    double mean_0, mean_1, variance; /* mean for the constant predictions 0 and 1 */
} law;

static law law_at(const bfn_flow *flow, double t)
{
    if (flow->kind == BFN_DATA_DISCRETE) {
        double beta = flow->max_sqrt_beta * flow->max_sqrt_beta * t * t, K = (double)flow->n_classes;
        return (law){-beta, beta * (K - 1.0), K * beta};
    }
    double gamma = -expm1(t * log(flow->min_variance));
    return (law){0.0, gamma, gamma * exp(t * log(flow->min_variance))};
}

/* Every number finite; times chained; calls counted; and under a constant prediction each row takes the path's law to the path's law. */
static void check_rows(const bfn_flow *flow, const bfn_plan *plan, bool euler)
{
    bfn_plan_info info = info_of(plan);
    const bfn_plan_row *rows = bfn_plan_rows(plan);
    size_t calls = info.final_call;
    double t = info.start_time;
    for (size_t i = 0; i < info.n_rows; i++) {
        const bfn_plan_row *r = &rows[i];
        double sum = r->b[0] + r->b[1] + r->b[2] + r->b[3];
        assert_true(isfinite(sum) && isfinite(r->a) && isfinite(r->k) && isfinite(r->e));
        assert_true(r->t == t && r->t_next >= r->t && r->e >= 0.0);
        for (int j = info.n_history; j < 4; j++)
            assert_true(r->b[j] == 0.0);
        calls += r->call != 0;
        t = r->t_next;
        bool drop = i + 1 == info.n_rows && info.last == BFN_LAST_PREDICT;
        if (drop) {
            assert_true(r->a == 0.0 && r->b[0] == 1.0 && sum == 1.0 && r->k == 0.0 && r->e == 0.0);
            continue;
        }
        if (euler && r->t > 0.0)
            continue; /* Euler keeps the law only from t = 0, where it is exact */
        law from = law_at(flow, r->t), to = law_at(flow, r->t_next);
        double scale = 1e-9 * (1.0 + fabs(to.mean_1) + fabs(r->b[0]) + fabs(r->b[1]) + fabs(r->b[2]) + fabs(r->b[3]));
        assert_near(r->a * from.mean_0 + r->k, to.mean_0, scale);
        assert_near(r->a * from.mean_1 + r->k + sum, to.mean_1, scale);
        assert_near(r->a * r->a * from.variance + r->e * r->e, to.variance, 1e-9 * to.variance);
    }
    assert_true(t == 1.0);
    assert_int_equal(calls, info.n_evaluations);
}

static void full_product(void **state)
{
    (void)state;
    const bfn_flow *flows[] = {&continuous, &coarse, &text, &binary};
    const double etas[] = {0.0, 1e-5, 1e-3, 1e-2}, powers[] = {0.7, 1.3, 2.0};
    for (int f = 0; f < 4; f++)
        for (bfn_method m = BFN_METHOD_BFN; m < BFN_METHOD_COUNT; m++)
            for (int g = 0; g < 5; g++)
                for (int e = 0; e < 4; e++)
                    for (size_t n = 1; n <= 64; n++) {
                        bfn_solver_options o = options_of(m, n);
                        o.grid = g < 2 ? (bfn_grid)g : BFN_GRID_POWER;
                        o.power = g < 2 ? 1.0 : powers[g - 2];
                        o.eta_is_set = 1;
                        o.eta = etas[e];
                        o.last = (bfn_last)(1 + (n + (size_t)e) % 3);
                        o.corrector = multistep(m) && (n + (size_t)g) % 2 == 0;
                        bfn_plan *plan = make(flows[f], &o);
                        check_rows(flows[f], plan, m == BFN_METHOD_EULER || m == BFN_METHOD_EM);
                        bfn_plan_destroy(plan);
                    }
}

static void dial_between(void **state)
{
    (void)state;
    const bfn_flow *flows[] = {&continuous, &text};
    for (int f = 0; f < 2; f++) {
        for (int e = 0; e < 2; e++) {
            bfn_solver_options o = options_of(BFN_METHOD_ODE1, 12);
            o.eta_is_set = e;
            o.last = BFN_LAST_UPDATE;
            bfn_plan *ode = make(flows[f], &o);
            o.method = BFN_METHOD_SDE1;
            bfn_plan *sde = make(flows[f], &o);
            o.noise_is_set = 1;
            for (int k = 0; k <= 4; k++) {
                o.noise = 0.25 * k;
                bfn_plan *dial = make(flows[f], &o);
                check_rows(flows[f], dial, false);
                const bfn_plan_row *same = bfn_plan_rows(k == 4 ? sde : ode), *got = bfn_plan_rows(dial);
                for (size_t i = 1; (k == 0 || k == 4) && i < 12; i++) {
                    assert_near(got[i].a, same[i].a, 1e-12);
                    assert_near(got[i].b[0], same[i].b[0], 1e-11);
                    assert_near(got[i].k, same[i].k, 1e-12);
                    assert_near(got[i].e, same[i].e, 1e-12);
                }
                bfn_plan_destroy(dial);
            }
            bfn_plan_destroy(ode);
            bfn_plan_destroy(sde);
        }
    }
}

/* SPEC 11.2: from t = 0 the first row is exact, draws the noise of the ODE, and is no node for lambda. */
static void from_zero(void **state)
{
    (void)state;
    bfn_solver_options o = options_of(BFN_METHOD_ODE2M, 4);
    o.eta_is_set = 1;
    bfn_plan *plan = make(&text, &o);
    const bfn_plan_row *row = bfn_plan_rows(plan);
    assert_true(row->a == 0.0 && info_of(plan).start_std == 0.0);
    assert_near(row->e, sqrt(27.0) * 0.75 * 0.25, 1e-14);
    assert_near(row->b[0], 27.0 * 0.5625 * 0.0625, 1e-14);
    assert_true(row[1].b[1] != 0.0); /* t = 0 is a node in t */
    bfn_plan_destroy(plan);
    plan = make(&continuous, &o);
    row = bfn_plan_rows(plan);
    double gamma = 1.0 - pow(1e-6, 0.25);
    assert_true(row->a == 0.0);
    assert_near(row->e, sqrt(gamma * (1.0 - gamma)), 1e-14);
    assert_near(row->b[0], gamma, 1e-14);
    assert_true(row[1].b[1] == 0.0 && row[2].b[1] != 0.0);
    bfn_plan_destroy(plan);
    /* Single step: both halves from 0 together are the midpoint rule in sqrt(beta), where the ODE is regular (SPEC 9.4). */
    o.method = BFN_METHOD_ODE2S;
    plan = make(&continuous, &o);
    row = bfn_plan_rows(plan);
    assert_near(pow(1e-6, -row[0].t_next) - 1.0, (pow(1e-6, -0.25) - 1.0) / 4.0, 1e-11);
    const double z = 0.6, p_0 = 0.2, p_m = -0.7;
    double x_m = row[0].a * 99.0 + row[0].b[0] * p_0 + row[0].e * z;
    double x = row[1].a * x_m + row[1].b[0] * p_m + row[1].b[1] * p_0;
    assert_near(x, gamma * p_m + sqrt(gamma * (1.0 - gamma)) * z, 1e-12);
    bfn_plan_destroy(plan);
}

/* SPEC 3.1, 3.2: Euler's coefficients are the frozen derivative. */
static void euler_rows(void **state)
{
    (void)state;
    const double t[] = {0.3, 0.4, 1.0}, K = 27.0, beta_1 = 0.5625, d = t[1] - t[0];
    for (int sde = 0; sde < 2; sde++) {
        bfn_solver_options o = options_of(sde ? BFN_METHOD_EM : BFN_METHOD_EULER, 0);
        o.grid = BFN_GRID_LIST;
        o.times = t;
        o.n_times = 3;
        bfn_plan *plan = make(&text, &o);
        const bfn_plan_row *row = bfn_plan_rows(plan);
        double f = sde ? 2.0 : 1.0, x = 0.7, p = 0.2;
        double drift = (sde ? 0.0 : x / 0.3) + f * K * beta_1 * 0.3 * (p - 1.0 / K);
        assert_near(row->a * x + row->b[0] * p + row->k, x + d * drift, 1e-13);
        assert_near(row->e, sde ? sqrt(2.0 * K * beta_1 * 0.3 * d) : 0.0, 1e-13);
        bfn_plan_destroy(plan);
        plan = make(&continuous, &o);
        row = bfn_plan_rows(plan);
        double ln_s = log(1e-3), gamma = 1.0 - pow(1e-6, 0.3), sigma = sqrt(gamma * (1.0 - gamma));
        double F = 2.0 * ln_s * (1.0 - gamma) / gamma, G2 = -2.0 * ln_s * (1.0 - gamma), eps = (x - gamma * p) / sigma;
        double want = x - (F * x + G2 * eps / (sigma * (sde ? 1.0 : 2.0))) * d;
        assert_near(row->a * x + row->b[0] * p + row->k, want, 1e-11);
        assert_near(row->e, sde ? sqrt(G2 * d) : 0.0, 1e-12);
        bfn_plan_destroy(plan);
    }
}

/* ---- evaluations ---- */

static size_t wanted_evaluations(bfn_method m, bfn_last last, size_t n)
{
    bool predict = last == BFN_LAST_PREDICT;
    size_t calls = m == BFN_METHOD_ODE2S ? (predict ? 2 * n - 1 : 2 * n) : n;
    if (m == BFN_METHOD_ODE3M && !(predict && n == 1))
        calls++;
    return calls + (last == BFN_LAST_CALL);
}

static void exact_evaluations(void **state)
{
    (void)state;
    for (bfn_method m = BFN_METHOD_BFN; m < BFN_METHOD_COUNT; m++)
        for (bfn_last last = BFN_LAST_PREDICT; last <= BFN_LAST_CALL; last++) {
            bool possible[140] = {false};
            for (size_t n = 1; n <= 64; n++) {
                bfn_solver_options o = options_of(m, n);
                o.last = last;
                bfn_plan *plan = make(&text, &o);
                assert_int_equal(info_of(plan).n_evaluations, wanted_evaluations(m, last, n));
                possible[info_of(plan).n_evaluations] = true;
                bfn_plan_destroy(plan);
            }
            for (size_t nfe = 1; nfe <= 64; nfe++) {
                bfn_solver_options o = options_of(m, 0);
                o.last = last;
                o.n_evaluations = nfe;
                bfn_plan *plan;
                bfn_status s = bfn_plan_create(ctx, &plan, &continuous, &o);
                assert_int_equal(s == BFN_OK, possible[nfe]);
                if (s == BFN_OK) {
                    assert_int_equal(info_of(plan).n_evaluations, nfe);
                    bfn_plan_destroy(plan);
                    continue;
                }
                size_t above = nfe;
                while (!possible[above])
                    above++;
                char number[32];
                snprintf(number, sizeof number, " %zu", above);
                assert_non_null(strstr(bfn_errmsg(ctx), number));
                size_t below = nfe;
                while (below > 0 && !possible[below])
                    below--;
                snprintf(number, sizeof number, " %zu and", below);
                assert_int_equal(strstr(bfn_errmsg(ctx), number) != NULL, below > 0);
            }
        }
}

static void published_names(void **state)
{
    (void)state;
    const struct {
        const char *name;
        bfn_method method;
    } names[] = {{"ode_euler", BFN_METHOD_EULER},
                 {"sde_euler", BFN_METHOD_EM},
                 {"ode_bfnsolver1", BFN_METHOD_ODE1},
                 {"ode_bfnsolver2_multi_step", BFN_METHOD_ODE2M},
                 {"ode_bfnsolver2_single_step", BFN_METHOD_ODE2S},
                 {"sde_bfnsolver1", BFN_METHOD_SDE1},
                 {"sde_bfnsolver2_multi_step", BFN_METHOD_SDE2M}};
    bfn_solver_options o = BFN_SOLVER_OPTIONS_INIT;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_int_equal(bfn_method_parse(ctx, names[i].name, &o), BFN_OK);
        assert_int_equal(o.method, names[i].method);
        assert_int_equal(o.published, 1);
    }
    for (bfn_method m = BFN_METHOD_BFN; m < BFN_METHOD_COUNT; m++) {
        assert_int_equal(bfn_method_parse(ctx, bfn_method_name(m), &o), BFN_OK);
        assert_true(o.method == m && o.published == 0 && strlen(bfn_method_text(m)) > 10);
    }
    assert_null(bfn_method_name(BFN_METHOD_NONE));
    assert_int_equal(bfn_method_parse(ctx, "sde2", &o), BFN_ERR_ARGUMENT);
    assert_non_null(strstr(bfn_errmsg(ctx), "did you mean \"sde"));
    assert_int_equal(bfn_method_parse(ctx, "runge-kutta", &o), BFN_ERR_ARGUMENT);
    assert_non_null(strstr(bfn_errmsg(ctx), "ode2m"));
}

/* The published code's slips belong to its names alone. */
static void published_slips(void **state)
{
    (void)state;
    bfn_solver_options o = options_of(BFN_METHOD_ODE2M, 1);
    for (o.published = 0; o.published < 2; o.published++) {
        bfn_plan *plan = make(&text, &o);
        assert_int_equal(info_of(plan).n_evaluations, 1);
        assert_int_equal(info_of(plan).last, o.published ? BFN_LAST_UPDATE : BFN_LAST_PREDICT);
        assert_int_equal(bfn_plan_rows(plan)[0].a != 0.0, o.published);
        bfn_plan_destroy(plan);
    }
    o = options_of(BFN_METHOD_ODE2S, 3);
    o.published = 1;
    bfn_plan *plan = make(&text, &o);
    bfn_plan_info info = info_of(plan);
    const bfn_plan_row *last = &bfn_plan_rows(plan)[info.n_rows - 1];
    assert_int_equal(info.n_evaluations, 6);
    assert_true(last->a == 0.0 && last->b[0] == 1.0 && last->call);
    assert_near(last->t, 1.0 - 0.999 / 6.0, 1e-12); /* the midpoint of the last step */
    bfn_plan_destroy(plan);
}

/* ---- refusals ---- */

static void refused(const bfn_flow *flow, const bfn_solver_options *o, const char *field, const char *found)
{
    bfn_plan *plan;
    assert_int_equal(bfn_plan_create(ctx, &plan, flow, o), BFN_ERR_ARGUMENT);
    assert_null(plan);
    if (strstr(bfn_errmsg(ctx), field) == NULL || strstr(bfn_errmsg(ctx), found) == NULL)
        fail_msg("\"%s\" does not name %s and %s", bfn_errmsg(ctx), field, found);
}

static void refusals(void **state)
{
    (void)state;
    const bfn_solver_options good = options_of(BFN_METHOD_ODE2M, 10);
    bfn_solver_options o = good;
#define REFUSED(change, field, found)                                                                                  \
    do {                                                                                                               \
        o = good;                                                                                                      \
        change;                                                                                                        \
        refused(&text, &o, field, found);                                                                              \
    } while (0)
    REFUSED(o.struct_size = 3, "struct_size", "3");
    REFUSED(o.method = BFN_METHOD_NONE, "method", "0");
    REFUSED(o.method = (bfn_method)77, "method", "77");
    REFUSED(o.n_steps = 0, "n_steps", "0");
    REFUSED(o.n_steps = 1000001, "n_steps", "1000001");
    REFUSED(o.n_evaluations = 5, "n_steps and n_evaluations", "10 and 5");
    REFUSED(o.grid = (bfn_grid)9, "grid", "9");
    REFUSED(o.start = (bfn_start)4, "start", "4");
    REFUSED(o.last = (bfn_last)4, "last", "4");
    REFUSED(o.prediction = (bfn_prediction)-1, "prediction", "-1");
    REFUSED((o.grid = BFN_GRID_POWER, o.power = 0.05), "power", "0.05");
    REFUSED((o.grid = BFN_GRID_POWER, o.power = NAN), "power", "nan");
    REFUSED((o.eta_is_set = 1, o.eta = 0.7), "eta", "0.7");
    REFUSED((o.eta_is_set = 1, o.eta = -1e-9), "eta", "-1e-09");
    REFUSED((o.method = BFN_METHOD_SDE1, o.noise_is_set = 1, o.noise = 1.5), "noise", "1.5");
    REFUSED((o.noise_is_set = 1, o.noise = 0.5), "noise", "ode2m");
    REFUSED((o.method = BFN_METHOD_SDE1, o.corrector = 1), "corrector", "sde1");
    REFUSED((o.method = BFN_METHOD_ODE2S, o.corrector = 1), "corrector", "ode2s");
    REFUSED((o.grid = BFN_GRID_POWER, o.power = 10.0, o.n_steps = 1000), "grid", "0.001");
    const double falling[] = {0.1, 0.5, 0.4, 1.0}, early[] = {0.1, 0.5, 0.9, 0.95}, fine[] = {0.1, 0.5, 0.9, 1.0};
    REFUSED((o.grid = BFN_GRID_LIST, o.times = falling, o.n_times = 4, o.n_steps = 3), "times: number 2", "0.4");
    REFUSED((o.grid = BFN_GRID_LIST, o.times = early, o.n_times = 4, o.n_steps = 3), "times", "0.95");
    REFUSED((o.grid = BFN_GRID_LIST, o.times = fine, o.n_times = 4, o.n_steps = 5), "times", "5 steps need 6");
    REFUSED((o.grid = BFN_GRID_LIST, o.times = NULL), "times", "0");
#undef REFUSED
    bfn_flow flow = text;
    flow.n_classes = 1;
    refused(&flow, &good, "n_classes", "1");
    flow = text;
    flow.max_sqrt_beta = 0.0;
    refused(&flow, &good, "max_sqrt_beta", "0");
    flow = continuous;
    flow.min_variance = 1.0;
    refused(&flow, &good, "min_variance", "1");
    flow.kind = (bfn_data_kind)8;
    refused(&flow, &good, "kind", "8");
}

/* Grids of SPEC 11.1. */
static void grids(void **state)
{
    (void)state;
    bfn_solver_options o = options_of(BFN_METHOD_ODE1, 8);
    o.last = BFN_LAST_UPDATE;
    o.eta_is_set = 1;
    o.eta = 0.02;
    for (int g = BFN_GRID_TIME; g <= BFN_GRID_POWER; g++) {
        o.grid = (bfn_grid)g;
        o.power = 2.0;
        bfn_plan *plan = make(&continuous, &o);
        const bfn_plan_row *rows = bfn_plan_rows(plan);
        double l0 = 0.5 * log(pow(1e-6, -0.02) - 1.0), l1 = 0.5 * log(1e6 - 1.0);
        for (size_t i = 0; i < 8; i++) {
            double u = (double)i / 8.0, want = 0.02 + 0.98 * (g == BFN_GRID_POWER ? u * u : u);
            if (g == BFN_GRID_LOGSNR)
                want = log1p(exp(2.0 * (l0 + (l1 - l0) * u))) / log(1e6);
            assert_near(rows[i].t, want, 1e-12);
        }
        assert_true(rows[0].t == 0.02 && rows[7].t_next == 1.0);
        bfn_plan_destroy(plan);
    }
    o.grid = BFN_GRID_LOGSNR;
    o.eta = 0.0;
    bfn_plan *plan = make(&text, &o);
    assert_true(info_of(plan).start_time == 1e-3);
    assert_near(bfn_plan_rows(plan)[4].t, sqrt(1e-3), 1e-12);
    bfn_plan_destroy(plan);
}

static int setup(void **state)
{
    (void)state;
    return bfn_context_create(&ctx, NULL) == BFN_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    bfn_context_destroy(ctx);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identities),
        cmocka_unit_test(original_is_bayes),
        cmocka_unit_test(published_weights),
        cmocka_unit_test(vandermonde_is_newton),
        cmocka_unit_test(moments_of_any_step),
        cmocka_unit_test(steps_are_exact),
        cmocka_unit_test(midpoint_is_algebraic),
        cmocka_unit_test(full_product),
        cmocka_unit_test(dial_between),
        cmocka_unit_test(from_zero),
        cmocka_unit_test(euler_rows),
        cmocka_unit_test(exact_evaluations),
        cmocka_unit_test(published_names),
        cmocka_unit_test(published_slips),
        cmocka_unit_test(refusals),
        cmocka_unit_test(grids),
        cmocka_unit_test(default_grid),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
