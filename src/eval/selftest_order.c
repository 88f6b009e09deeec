/* selftest_order.c: observed orders of accuracy of every method, for continuous and discrete data.
 *
 * Order p: halving the steps divides the error by 2^p. It is judged in the variable that a method integrates: steps uniform
 * in lambda for continuous data, in t for discrete (SPEC 5.1, 11.1).
 *
 * ODE methods run through the real sampler with an exact network, from recorded initial states, and are compared with a
 * Runge-Kutta solution of the same ODE in double. A multistep method that starts with a first-order step stays at order 2, however high its
 * own order is; ode3m begins with a midpoint step, and a corrector lifts the start as well: both reach 3.
 *
 * SDE methods: the error of single paths is dominated by the noise inside a step, which no method of this kind resolves, so two
 * other orders are meaningful. The weak order is that of a law: on a problem with affine predictions the variance of
 * the state follows from the rows without sampling (selftest_linear.c), so it is measured in double. The order of the
 * drift, that of the mean on the same problem with a driving term, is what the digit in the methods' names says. sde3m starts with lower
 * orders, so drifts are judged on steps that are small at the start (v = u^2), which SPEC 5.1 names as a cure. With double
 * precision these problems can be taken to many steps, where the orders are within a tenth of whole numbers.
 * The weak order of the categorical sampler on dependent positions is seen by sampling: E[z_1 . z_2] is known exactly.
 *
 * The bounds leave +-0.2 to 0.3 around whole orders: enough for the step sizes that a quick test can afford, and a broken
 * coefficient costs a whole order.
 */
#include "base/random.h"
#include "eval/selftest.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { N_PATHS = 48, MAX_WIDTH = 12, N_SIZES = 3, SDE_STEPS = 128 };

typedef struct ode_case {
    bfn_method method;
    bool corrector;
    size_t finer; /* times the bench's steps: the Euler method needs more of them to show its order */
    double low, high;
} ode_case;

static const ode_case ode_cases[] = {
    {BFN_METHOD_EULER, false, 4, 0.8, 1.25}, {BFN_METHOD_ODE1, false, 1, 0.8, 1.25},
    {BFN_METHOD_ODE2M, false, 1, 1.75, 2.3}, {BFN_METHOD_ODE2S, false, 1, 1.75, 2.3},
    {BFN_METHOD_ODE3M, false, 1, 2.65, 3.6}, {BFN_METHOD_ODE2M, true, 1, 2.65, 3.6},
    {BFN_METHOD_ODE3M, true, 1, 2.65, 4.6},
};

typedef struct ode_bench {
    const char *name;
    bfn__exact *exact;
    double eta;
    size_t steps; /* the coarsest grid */
    float initial[N_PATHS * MAX_WIDTH];
    double reference[N_PATHS * MAX_WIDTH];
} ode_bench;

static size_t width_of(const bfn__exact *e)
{
    return e->D * bfn_flow_state_width(&e->flow);
}

/* Initial states: what zero-mean starts draw, plus for continuous data the part of the data (else the mixture is hardly seen). */
static void bench_init(ode_bench *b, uint64_t seed)
{
    size_t width = width_of(b->exact);
    const bfn_flow *f = &b->exact->flow;
    bool discrete = f->kind == BFN_DATA_DISCRETE;
    double std = discrete ? sqrt((double)f->n_classes * bfn_flow_beta(f, b->eta)) : bfn_flow_sigma(f, b->eta);
    for (size_t i = 0; i < N_PATHS; i++) {
        float *x = b->initial + i * width;
        double state[MAX_WIDTH];
        bfn__random_normals(seed, i, 0, 0, width, x);
        for (size_t d = 0; d < width; d++) {
            double shift = discrete ? 0.0 : bfn_flow_gamma(f, b->eta) * (i % 3 == 0 ? -0.6 : 0.5);
            x[d] = (float)(shift + std * (double)x[d]);
            state[d] = (double)x[d];
        }
        bfn__exact_integrate(b->exact, b->eta, discrete ? 300 : 1500, state);
        memcpy(b->reference + i * width, state, width * sizeof *state);
    }
}

/* Mean absolute error of the final state. */
static bfn_status ode_error(bfn__selftest *st, const ode_bench *b, const ode_case *c, size_t n_steps, double *error)
{
    float state[N_PATHS * MAX_WIDTH] = {0};
    int32_t out[N_PATHS * MAX_WIDTH];
    size_t width = width_of(b->exact), n = N_PATHS * width;
    bfn_grid grid = b->exact->flow.kind == BFN_DATA_DISCRETE ? BFN_GRID_TIME : BFN_GRID_LOGSNR;
    bfn_sampler_options sampler = BFN_SAMPLER_OPTIONS_INIT;
    sampler.batch = N_PATHS;
    sampler.clip = BFN_CLIP_OFF;
    sampler.initial_state = b->initial;
    bfn__selftest_job job = {.exact = b->exact, .sampler = sampler, .n = N_PATHS, .state = state, .out = out};
    job.solver = bfn__selftest_options(c->method, n_steps, grid, b->eta);
    job.solver.corrector = c->corrector;
    job.solver.last = BFN_LAST_UPDATE;
    bfn_status status = bfn__selftest_sample(st, &job);
    *error = 0.0;
    for (size_t i = 0; i < n; i++)
        *error += fabs((double)state[i] - b->reference[i]) / (double)n;
    return status;
}

/* The slope of ln(error) against ln(steps) over three halvings. */
static double observed_order(const double *errors, int n)
{
    return log2(errors[0] / errors[n - 1]) / (n - 1);
}

static bfn_status ode_orders(bfn__selftest *st, const ode_bench *b)
{
    bfn_status status = BFN_OK;
    for (size_t c = 0; c < sizeof ode_cases / sizeof *ode_cases; c++) {
        double errors[N_SIZES];
        if (!bfn__selftest_wants(st, ode_cases[c].method))
            continue;
        for (int s = 0; s < N_SIZES && status == BFN_OK; s++)
            status = ode_error(st, b, &ode_cases[c], (b->steps * ode_cases[c].finer) << s, &errors[s]);
        if (status != BFN_OK)
            return status;
        bfn__selftest_range(st, observed_order(errors, N_SIZES), ode_cases[c].low, ode_cases[c].high,
                            "%s: %s%s (error %.1e at %zu steps)", b->name, bfn_method_name(ode_cases[c].method),
                            ode_cases[c].corrector ? " + corrector" : "", errors[1], b->steps * ode_cases[c].finer * 2);
    }
    return status;
}

typedef struct sde_case {
    bfn_method method;
    bool corrector;
    double weak_low, weak_high, drift_low, drift_high;
} sde_case;

static const sde_case sde_cases[] = {
    {BFN_METHOD_EM, false, 0.85, 1.15, 0.85, 1.15},  {BFN_METHOD_SDE1, false, 0.85, 1.15, 0.85, 1.15},
    {BFN_METHOD_BFN, false, 0.85, 1.15, 0.85, 1.15}, {BFN_METHOD_SDE2M, false, 1.8, 2.3, 1.8, 2.3},
    {BFN_METHOD_SDE3M, false, 1.8, 2.6, 2.75, 3.5},  {BFN_METHOD_SDE2M, true, 1.8, 2.6, 2.5, 3.5},
    {BFN_METHOD_SDE3M, true, 1.8, 2.6, 2.75, 6.0},
};

/* Times whose variable goes from that of eta to that of 1 as u^power. */
static void fill_times(const bfn_flow *flow, double eta, double power, size_t n_steps, double *times)
{
    bool discrete = flow->kind == BFN_DATA_DISCRETE;
    double from = discrete ? eta : bfn_flow_lambda(flow, eta), to = discrete ? 1.0 : bfn_flow_lambda(flow, 1.0);
    for (size_t i = 0; i <= n_steps; i++) {
        double v = from + (to - from) * pow((double)i / (double)n_steps, power);
        times[i] = discrete ? v : bfn_flow_time_of_lambda(flow, v);
    }
    times[0] = eta;
    times[n_steps] = 1.0;
}

/* Errors of the mean and the variance of the linear problem after n_steps. */
static bfn_status linear_error(bfn__selftest *st, const bfn__linear *problem, const sde_case *c, double power,
                               size_t n_steps, double *mean_error, double *variance_error)
{
    enum { MAX_STEPS = 4 * SDE_STEPS };
    double times[MAX_STEPS + 1], eta = problem->flow.kind == BFN_DATA_DISCRETE ? 1e-3 : 1e-2;
    fill_times(&problem->flow, eta, power, n_steps, times);
    bfn_solver_options options = bfn__selftest_options(c->method, n_steps, BFN_GRID_LIST, 0.0);
    options.times = times;
    options.n_times = n_steps + 1;
    options.last = BFN_LAST_UPDATE;
    options.corrector = c->corrector;
    bfn_plan *plan = NULL;
    bfn_status status = bfn__selftest_plan(st, &plan, &problem->flow, &options);
    if (status != BFN_OK)
        return status;
    bfn_plan_info info;
    bfn_plan_get_info(plan, &info);
    double mean[2] = {0.01, 0.01}, variance[2] = {info.start_std * info.start_std, info.start_std * info.start_std};
    bfn__linear_run(problem, bfn_plan_rows(plan), info.n_rows, &mean[0], &variance[0]);
    bfn__linear_solve(problem, eta, &mean[1], &variance[1]);
    *mean_error = fabs(mean[0] - mean[1]);
    *variance_error = fabs(variance[0] - variance[1]);
    bfn_plan_destroy(plan);
    return BFN_OK;
}

static bfn_status sde_orders(bfn__selftest *st, const char *name, const bfn__linear *problem)
{
    bfn_status status = BFN_OK;
    for (size_t i = 0; i < sizeof sde_cases / sizeof *sde_cases; i++) {
        const sde_case *c = &sde_cases[i];
        double weak[N_SIZES], drift[N_SIZES], unused;
        if (!bfn__selftest_wants(st, c->method))
            continue;
        for (int s = 0; s < N_SIZES && status == BFN_OK; s++)
            status = linear_error(st, problem, c, 1.0, (size_t)SDE_STEPS << s, &unused, &weak[s]);
        for (int s = 0; s < N_SIZES && status == BFN_OK; s++)
            status = linear_error(st, problem, c, 2.0, (size_t)SDE_STEPS << s, &drift[s], &unused);
        if (status != BFN_OK)
            return status;
        const char *method = bfn_method_name(c->method), *corrector = c->corrector ? " + corrector" : "";
        bfn__selftest_range(st, observed_order(weak, N_SIZES), c->weak_low, c->weak_high,
                            "%s: %s%s, weak (variance off by %.1e)", name, method, corrector, weak[1]);
        bfn__selftest_range(st, observed_order(drift, N_SIZES), c->drift_low, c->drift_high,
                            "%s: %s%s, drift (mean off by %.1e)", name, method, corrector, drift[1]);
    }
    return status;
}

/* Weak order of the original sampler, whose predictions are drawn: E[sum_k z_1k z_2k] at t = 1 for two dependent bits is
 * beta^2 (K^2 P(x_1 = x_2) - K), because z = beta (K e_x - 1) + noise that is independent between positions. */
static bfn_status categorical_error(bfn__selftest *st, bfn__exact *e, size_t n_steps, double *error, double *deviation)
{
    enum { N = 40000, WIDTH = 4 };
    bfn_sampler_options sampler = BFN_SAMPLER_OPTIONS_INIT;
    sampler.batch = 256;
    sampler.seed = 5;
    bfn__selftest_job job = {.exact = e, .sampler = sampler, .n = N};
    job.solver = bfn__selftest_options(BFN_METHOD_BFN, n_steps, BFN_GRID_TIME, 0.0);
    job.solver.last = BFN_LAST_UPDATE;
    job.state = bfn__calloc(st->ctx, N * WIDTH, sizeof *job.state);
    job.out = bfn__calloc(st->ctx, N * WIDTH, sizeof(int32_t));
    bfn_status status = job.state == NULL || job.out == NULL ? BFN_ERR_MEMORY : bfn__selftest_sample(st, &job);
    double sum = 0.0, square = 0.0, beta = bfn_flow_beta(&e->flow, 1.0), K = 2.0;
    for (size_t i = 0; i < N && status == BFN_OK; i++) {
        const float *z = job.state + i * WIDTH;
        double f = (double)z[0] * (double)z[2] + (double)z[1] * (double)z[3];
        sum += f / N;
        square += f * f / N;
    }
    *error = sum - beta * beta * (K * K * (e->table[0] + e->table[3]) - K);
    *deviation = sqrt((square - sum * sum) / N);
    bfn__free(st->ctx, job.state);
    bfn__free(st->ctx, job.out);
    return status;
}

static bfn_status categorical_order(bfn__selftest *st)
{
    static const double cells[4] = {0.5, 0.08, 0.12, 0.3};
    bfn_flow flow = BFN_FLOW_INIT;
    flow.kind = BFN_DATA_DISCRETE;
    flow.n_classes = 2;
    flow.max_sqrt_beta = 1.2;
    flow.min_variance = flow.clip = 0.0;
    bfn__exact e = {.law = BFN__EXACT_TABLE, .flow = flow, .D = 2, .table = cells};
    double error[N_SIZES], deviation[N_SIZES];
    for (int s = 0; s < N_SIZES; s++) {
        bfn_status status = categorical_error(st, &e, (size_t)1 << s, &error[s], &deviation[s]);
        if (status != BFN_OK)
            return status;
    }
    /* The errors are 2.4, 1.2 and 0.6 with standard errors of 0.04: the order is known to 0.05. */
    bfn__selftest_range(st, observed_order(error, N_SIZES), 0.75, 1.25,
                        "discrete  : bfn, drawn (E[z_1 . z_2] off by %.2f +- %.2f)", error[1], deviation[1]);
    return BFN_OK;
}

bfn_status bfn__selftest_order(bfn__selftest *st)
{
    bfn__selftest_models models;
    bfn__selftest_models_init(&models);
    ode_bench benches[] = {{.name = "continuous", .exact = &models.mixture, .eta = 1e-2, .steps = 40},
                           {.name = "discrete  ", .exact = &models.table, .eta = 1e-3, .steps = 10},
                           {.name = "two class ", .exact = &models.binary, .eta = 1e-3, .steps = 10}};
    bfn__selftest_heading(st, "Observed orders of ODE methods (exact network, real sampler)");
    bfn_status status = BFN_OK;
    for (size_t b = 0; b < sizeof benches / sizeof *benches && status == BFN_OK; b++) {
        if (!bfn__selftest_is_sde(st->setup.only))
            bench_init(&benches[b], 100 + b);
        status = ode_orders(st, &benches[b]);
    }
    if (status != BFN_OK)
        return status;
    bfn__linear continuous = {.flow = models.gauss.flow, .offset = 0.3, .mean = 0.2, .deviation = 0.5};
    bfn__linear discrete = {.flow = models.table.flow, .slope = -0.1, .offset = 0.2};
    bfn__selftest_heading(st, "Observed orders of SDE methods (affine predictions, exact law)");
    status = sde_orders(st, "continuous", &continuous);
    if (status == BFN_OK)
        status = sde_orders(st, "discrete  ", &discrete);
    if (status == BFN_OK)
        status = bfn__selftest_wants(st, BFN_METHOD_BFN) ? categorical_order(st) : BFN_OK;
    return status;
}
