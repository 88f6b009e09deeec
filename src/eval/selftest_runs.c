/* selftest_runs.c: the exact number of network evaluations, and that nothing overflows.
 *
 * Evaluations are counted in the network itself and compared with SPEC 11.3: N steps cost N evaluations, ode2s 2N (2N - 1 when
 * the last prediction is the sample), a midpoint first step one more, a last call one more, a corrector none.
 *
 * Finite: every method on every grid, for eta from 0 (where the published formulas divide by zero) to 1e-2 and 1 to 64 steps, for
 * all data kinds; last step, corrector and start vary along. A prediction may be poor with one step, but it must be a number within the data's
 * range.
 */
#include "eval/selftest.h"

#include <math.h>
#include <string.h>

enum { MAX_N = 64, MAX_OUT = 64 };

static size_t expected_evaluations(bfn_method method, size_t n_steps, bfn_last last)
{
    size_t n = n_steps;
    if (method == BFN_METHOD_ODE2S)
        n = 2 * n_steps - (last == BFN_LAST_PREDICT ? 1 : 0);
    if (method == BFN_METHOD_ODE3M && !(last == BFN_LAST_PREDICT && n_steps == 1))
        n++;
    return n + (last == BFN_LAST_CALL ? 1 : 0);
}

/* One run of 5 samples in batches of 2. Counts what differs: evaluations in the network, of the sampler, of the plan. */
static bfn_status count_run(bfn__selftest *st, bfn__exact *e, const bfn_solver_options *solver, size_t expected,
                            size_t *wrong)
{
    enum { N = 5, BATCHES = 3 };
    float out[MAX_OUT];
    bfn__selftest_job job = {.exact = e, .solver = *solver, .n = N, .out = out};
    job.sampler = (bfn_sampler_options)BFN_SAMPLER_OPTIONS_INIT;
    job.sampler.batch = 2;
    e->n_samples = e->n_calls = 0;
    bfn_status status = bfn__selftest_sample(st, &job);
    bfn_plan *plan = NULL;
    bfn_plan_info info = {0};
    if (status == BFN_OK)
        status = bfn__selftest_plan(st, &plan, &e->flow, solver);
    if (status == BFN_OK)
        bfn_plan_get_info(plan, &info);
    bfn_plan_destroy(plan);
    *wrong += e->n_samples != N * expected || e->n_calls != BATCHES * expected;
    *wrong += job.n_evaluations != expected || info.n_evaluations != expected;
    return status;
}

static bfn_status count_method(bfn__selftest *st, bfn__exact *e, bfn_method method)
{
    size_t wrong = 0, runs = 0;
    for (int corrector = 0; corrector <= bfn__selftest_is_multistep(method); corrector++)
        for (bfn_last last = BFN_LAST_PREDICT; last <= BFN_LAST_CALL; last++)
            for (size_t n = 1; n <= 9; n++) {
                size_t expected = expected_evaluations(method, n, last);
                bfn_solver_options solver = bfn__selftest_options(method, n, BFN_GRID_TIME, 1e-3);
                solver.last = last;
                solver.corrector = corrector;
                bfn_status status = count_run(st, e, &solver, expected, &wrong);
                solver.n_steps = 0;
                solver.n_evaluations = expected;
                if (status == BFN_OK)
                    status = count_run(st, e, &solver, expected, &wrong);
                if (status != BFN_OK)
                    return status;
                runs += 2;
            }
    bfn__selftest_equal(st, (double)wrong, 0.0, 0.0, "%s: wrong counts in %zu runs", bfn_method_name(method), runs);
    return BFN_OK;
}

bfn_status bfn__selftest_counts(bfn__selftest *st)
{
    bfn__selftest_models models;
    bfn__selftest_models_init(&models);
    bfn__selftest_heading(st, "Network evaluations (counted by the network)");
    bfn_status status = BFN_OK;
    for (int m = 1; m < BFN_METHOD_COUNT && status == BFN_OK; m++)
        if (bfn__selftest_wants(st, (bfn_method)m))
            status = count_method(st, m % 2 == 0 ? &models.pair : &models.gauss, (bfn_method)m);
    return status;
}

typedef struct finite_case {
    bfn__exact exact;
    bfn_moments moments;
} finite_case;

/* Is the sample a class, or a number (in the data's range where it is a prediction and not a state)? */
static bool sample_is_good(const bfn__exact *e, bfn_last last, const void *out)
{
    for (size_t d = 0; d < e->D; d++) {
        if (e->flow.kind == BFN_DATA_DISCRETE) {
            int32_t k = ((const int32_t *)out)[d];
            if (k < 0 || (size_t)k >= e->flow.n_classes)
                return false;
        } else {
            float x = ((const float *)out)[d];
            if (!isfinite(x) || (last != BFN_LAST_UPDATE && fabsf(x) > 1.0F))
                return false;
        }
    }
    return true;
}

static void list_times(double eta, size_t n, double times[MAX_N + 1])
{
    for (size_t i = 0; i <= n; i++) {
        double u = (double)i / (double)n;
        times[i] = eta + (1.0 - eta) * u * u * (3.0 - 2.0 * u);
    }
    times[n] = 1.0;
}

/* One run; its variations follow from the counter. */
static bfn_status finite_run(bfn__selftest *st, finite_case *c, bfn_method method, bfn_grid grid, double eta, size_t n,
                             size_t counter, size_t *bad)
{
    double times[MAX_N + 1];
    float out[MAX_OUT] = {0}, state[MAX_OUT] = {0};
    bfn__selftest_job job = {.exact = &c->exact, .n = 1, .out = out, .state = state};
    job.solver = bfn__selftest_options(method, n, grid, eta);
    job.solver.last = (bfn_last)(1 + counter % 3);
    job.solver.corrector = bfn__selftest_is_multistep(method) && counter / 3 % 2 == 1;
    if (grid == BFN_GRID_LIST) {
        list_times(eta, n, times);
        job.solver.times = times;
        job.solver.n_times = n + 1;
    }
    job.sampler = (bfn_sampler_options)BFN_SAMPLER_OPTIONS_INIT;
    job.sampler.batch = 1;
    job.sampler.seed = counter;
    if (counter / 6 % 2 == 1) {
        job.sampler.moments = c->moments;
        job.solver.start = BFN_START_MOMENTS;
    }
    bfn_status status = bfn__selftest_try(st, &job);
    if (status == BFN_ERR_MEMORY)
        return status;
    bool good = status == BFN_OK && sample_is_good(&c->exact, job.solver.last, out);
    for (size_t i = 0; i < c->exact.D * bfn_flow_state_width(&c->exact.flow); i++)
        good = good && isfinite(state[i]);
    *bad += !good;
    return BFN_OK;
}

static bfn_status finite_method(bfn__selftest *st, finite_case *cases, size_t n_cases, bfn_method method)
{
    static const double etas[] = {0.0, 1e-5, 1e-3, 1e-2};
    static const bfn_grid grids[] = {BFN_GRID_TIME, BFN_GRID_LOGSNR, BFN_GRID_POWER, BFN_GRID_LIST};
    size_t bad = 0, counter = 0;
    for (size_t c = 0; c < n_cases; c++)
        for (size_t g = 0; g < sizeof grids / sizeof *grids; g++)
            for (size_t e = 0; e < sizeof etas / sizeof *etas; e++)
                for (size_t n = 1; n <= MAX_N; n++, counter++) {
                    bfn_status status = finite_run(st, &cases[c], method, grids[g], etas[e], n, counter, &bad);
                    if (status != BFN_OK)
                        return status;
                }
    bfn__selftest_equal(st, (double)bad, 0.0, 0.0, "%s: runs of %zu that are not finite", bfn_method_name(method),
                        counter);
    return BFN_OK;
}

bfn_status bfn__selftest_finite(bfn__selftest *st)
{
    bfn__selftest_models models;
    bfn__selftest_models_init(&models);
    float zero[1] = {0.2F}, third[6] = {0.4F, 0.3F, 0.3F, 0.2F, 0.2F, 0.6F},
          half[8] = {0.5F, 0.5F, 0.3F, 0.7F, 0.4F, 0.6F, 0.5F, 0.5F};
    finite_case cases[4] = {{models.gauss, {zero, 0.0225}},
                            {models.mixture, {zero, 0.3}},
                            {models.pair, {third, 0.6}},
                            {models.binary, {half, 0.5}}};
    cases[0].exact.flow.clip = 1.0;
    cases[1].exact.flow.kind = BFN_DATA_DISCRETISED;
    cases[1].exact.flow.n_classes = 16;
    cases[1].exact.flow.min_variance = 1e-3;
    bfn__selftest_heading(st, "1 to 64 steps, 4 grids, eta 0 to 1e-2: everything is finite");
    bfn_status status = BFN_OK;
    for (int m = 1; m < BFN_METHOD_COUNT && status == BFN_OK; m++)
        if (bfn__selftest_wants(st, (bfn_method)m))
            status = finite_method(st, cases, 4, (bfn_method)m);
    return status;
}
