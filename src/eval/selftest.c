/* selftest.c: the report of the self-test, and what its groups share.
 *
 * A line is: what was measured, the number, what was expected, ok or FAILED, in columns. Checks never stop the run: a report with
 * all failures says more than its first one. An error (out of memory, an option refused) does stop it, because then the
 * machinery is broken and not a number.
 */
#include "eval/selftest.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static void emit(bfn__selftest *st, const char *line)
{
    if (st->setup.print != NULL && !st->stopped && st->setup.print(st->setup.user, line) != 0)
        st->stopped = true;
}

void bfn__selftest_heading(bfn__selftest *st, const char *text)
{
    char line[160];
    emit(st, "");
    snprintf(line, sizeof line, "%-60s %13s  %-25s", text, "measured", "expected");
    emit(st, line);
}

void bfn__selftest_note(bfn__selftest *st, const char *format, ...)
{
    char line[200];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    emit(st, line);
}

__attribute__((format(printf, 5, 0))) static void report(bfn__selftest *st, bool ok, double measured,
                                                         const char *expected, const char *what, va_list args)
{
    char name[128], line[256];
    vsnprintf(name, sizeof name, what, args);
    snprintf(line, sizeof line, "  %-58s %13.6g  %-25s %s", name, measured, expected, ok ? "ok" : "FAILED");
    st->n_checks++;
    if (!ok && st->n_failed++ == 0)
        memcpy(st->first_failure, name, sizeof name);
    emit(st, line);
}

void bfn__selftest_range(bfn__selftest *st, double measured, double low, double high, const char *what, ...)
{
    char expected[64];
    snprintf(expected, sizeof expected, "%.4g .. %.4g", low, high);
    va_list args;
    va_start(args, what);
    report(st, measured >= low && measured <= high, measured, expected, what, args);
    va_end(args);
}

void bfn__selftest_most(bfn__selftest *st, double measured, double most, const char *what, ...)
{
    char expected[64];
    snprintf(expected, sizeof expected, "at most %.4g", most);
    va_list args;
    va_start(args, what);
    report(st, measured <= most, measured, expected, what, args);
    va_end(args);
}

void bfn__selftest_equal(bfn__selftest *st, double measured, double expected, double tolerance, const char *what, ...)
{
    char text[64];
    if (tolerance > 0.0)
        snprintf(text, sizeof text, "%.6g +- %.2g", expected, tolerance);
    else
        snprintf(text, sizeof text, "%.6g", expected);
    va_list args;
    va_start(args, what);
    report(st, fabs(measured - expected) <= tolerance, measured, text, what, args);
    va_end(args);
}

bfn_solver_options bfn__selftest_options(bfn_method method, size_t n_steps, bfn_grid grid, double eta)
{
    bfn_solver_options options = BFN_SOLVER_OPTIONS_INIT;
    options.method = method;
    options.n_steps = n_steps;
    options.grid = grid;
    options.power = grid == BFN_GRID_POWER ? 1.3 : options.power;
    options.eta = eta;
    options.eta_is_set = 1;
    return options;
}

bool bfn__selftest_wants(const bfn__selftest *st, bfn_method method)
{
    return st->setup.only == BFN_METHOD_NONE || st->setup.only == method;
}

bool bfn__selftest_is_sde(bfn_method method)
{
    return method == BFN_METHOD_BFN || method == BFN_METHOD_EM || method == BFN_METHOD_SDE1 ||
           method == BFN_METHOD_SDE2M || method == BFN_METHOD_SDE3M;
}

bool bfn__selftest_is_multistep(bfn_method method)
{
    return method == BFN_METHOD_ODE2M || method == BFN_METHOD_ODE3M || method == BFN_METHOD_SDE2M ||
           method == BFN_METHOD_SDE3M;
}

bfn_status bfn__selftest_plan(bfn__selftest *st, bfn_plan **plan, const bfn_flow *flow,
                              const bfn_solver_options *options)
{
    bfn_status status = bfn_plan_create(st->ctx, plan, flow, options);
    if (status != BFN_OK || st->setup.sabotage == NULL)
        return status;
    bfn_plan_info info;
    bfn_plan_get_info(*plan, &info);
    /* The rows are the plan's own memory; only the self-test's negative controls may write there. */
    bfn_plan_row *rows = (bfn_plan_row *)bfn_plan_rows(*plan);
    st->setup.sabotage(st->setup.sabotage_user, flow, options, rows, info.n_rows);
    return BFN_OK;
}

/* Keep the state after the last row. */
static int keep_state(void *user, const bfn_sample_step *step)
{
    bfn__selftest_job *job = user;
    if (step->row != step->n_rows || job->state == NULL)
        return 0;
    size_t width = job->exact->D * bfn_flow_state_width(&job->exact->flow);
    memcpy(job->state + step->first * width, step->state, step->n * width * sizeof(float));
    return 0;
}

bfn_status bfn__selftest_try(bfn__selftest *st, bfn__selftest_job *job)
{
    bfn_plan *plan = NULL;
    bfn_sampler *sampler = NULL;
    bfn_sampler_options options = job->sampler;
    if (options.step == NULL) {
        options.step = keep_state;
        options.step_user = job;
    }
    bfn_status status = bfn__selftest_plan(st, &plan, &job->exact->flow, &job->solver);
    if (status == BFN_OK)
        status = bfn_sampler_create(st->ctx, &sampler, &job->exact->flow, plan, job->exact->D, &options);
    if (status == BFN_OK)
        status = bfn_sampler_run(sampler, bfn__exact_predict, job->exact, 0, job->n, job->out, &job->n_evaluations);
    bfn_sampler_destroy(sampler);
    bfn_plan_destroy(plan);
    return status;
}

bfn_status bfn__selftest_sample(bfn__selftest *st, bfn__selftest_job *job)
{
    bfn_status status = bfn__selftest_try(st, job);
    if (status != BFN_ERR_DIVERGED)
        return status;
    bfn__selftest_most(st, (double)NAN, 0.0, "%s: numbers diverged", bfn_method_name(job->solver.method));
    return BFN_OK;
}

typedef struct group_entry {
    bfn__selftest_group group;
    bfn_status (*run)(bfn__selftest *st);
} group_entry;

static const group_entry group_table[] = {
    {BFN__SELFTEST_RANDOM, bfn__selftest_random},
    {BFN__SELFTEST_IDENTITIES, bfn__selftest_identities},
    {BFN__SELFTEST_COEFFICIENTS, bfn__selftest_coefficients},
    {BFN__SELFTEST_ORDER, bfn__selftest_order},
    {BFN__SELFTEST_LAW, bfn__selftest_law},
    {BFN__SELFTEST_COUNTS, bfn__selftest_counts},
    {BFN__SELFTEST_FINITE, bfn__selftest_finite},
    {BFN__SELFTEST_TEXT, bfn__selftest_text},
    {BFN__SELFTEST_METHODS, bfn__selftest_methods},
};

static bfn_status finish(bfn__selftest *st)
{
    if (st->stopped)
        return bfn__fail(st->ctx, BFN_CANCELLED, "self-test: stopped by the print callback");
    bfn__selftest_note(st, "%s", "");
    bfn__selftest_note(st, "%zu checks, %zu failed", st->n_checks, st->n_failed);
    if (st->n_failed == 0)
        return BFN_OK;
    return bfn__fail(st->ctx, BFN_ERR_SELFTEST, "self-test: %zu of %zu checks failed, the first: %s", st->n_failed,
                     st->n_checks, st->first_failure);
}

bfn_status bfn__selftest_run(bfn_context *ctx, const bfn__selftest_setup *setup, size_t *n_checks, size_t *n_failed)
{
    bfn__selftest st = {.ctx = ctx, .setup = *setup};
    bfn_status status = BFN_OK;
    for (size_t g = 0; g < sizeof group_table / sizeof *group_table && status == BFN_OK && !st.stopped; g++)
        if ((setup->groups & group_table[g].group) != 0)
            status = group_table[g].run(&st);
    if (status == BFN_OK)
        status = finish(&st);
    if (n_checks != NULL)
        *n_checks = st.n_checks;
    if (n_failed != NULL)
        *n_failed = st.n_failed;
    return status;
}

bfn_status bfn_selftest(bfn_context *ctx, const bfn_selftest_options *options, size_t *n_checks, size_t *n_failed)
{
    bfn_selftest_options o = BFN_SELFTEST_OPTIONS_INIT;
    if (options != NULL) {
        if (options->struct_size != sizeof o)
            return bfn__fail(ctx, BFN_ERR_ARGUMENT, "self-test options: struct_size %zu: this library has %zu",
                             options->struct_size, sizeof o);
        o = *options;
    }
    bfn__selftest_setup setup = {
        .groups = o.full ? BFN__SELFTEST_FULL : BFN__SELFTEST_QUICK, .print = o.print, .user = o.user};
    return bfn__selftest_run(ctx, &setup, n_checks, n_failed);
}
