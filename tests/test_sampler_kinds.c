/* All methods on all kinds of image data: continuous, discretised with 256 and 16 bins, black and white, with networks that are exact.
 *
 * Data are independent pixels: N(0.2, 0.2^2), for bins its quantised law, or white with probability 0.3. Then the posterior of a
 * pixel is known, and so is what a perfect network says: for bins a normal's mean and log deviation, whose masses of the bins are the posterior's up to the
 * width of a bin. Samples must have the data's mean and variance; with the options as they are by default, and few evaluations, they
 * must be pixels: finite, in range, centres of bins where the last evaluation is the sample.
 */
#include "bfn/sample.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

enum { N = 40, D = 40, BATCH = 20 };

static const double MEAN = 0.2, DEVIATION = 0.2, WHITE = 0.3;

static const struct {
    const char *name;
    bfn_flow flow;
} kinds[] = {
    {"continuous", {sizeof(bfn_flow), BFN_DATA_CONTINUOUS, 0, 0.0, 1e-6, 1.0}},
    {"256 bins", {sizeof(bfn_flow), BFN_DATA_DISCRETISED, 256, 0.0, 1e-6, 0.0}},
    {"16 bins", {sizeof(bfn_flow), BFN_DATA_DISCRETISED, 16, 0.0, 1e-3, 0.0}},
    {"black and white", {sizeof(bfn_flow), BFN_DATA_DISCRETE, 2, 3.0, 0.0, 0.0}},
};
enum { N_KINDS = sizeof kinds / sizeof kinds[0] };

static bfn_context *ctx;

static int setup(void **state)
{
    (void)state;
    return bfn_context_create(&ctx, NULL) != BFN_OK;
}

static int teardown(void **state)
{
    (void)state;
    bfn_context_destroy(ctx);
    return 0;
}

/* ---- exact networks ---- */

/* The noise, and for bins its log deviation, that belong to the posterior given y = mu / gamma = x + N(0, (1 - gamma) / gamma). */
static void normal_pixel(const bfn_flow *flow, double t, float shown, float *out)
{
    double gamma = bfn_flow_gamma(flow, t), rest = gamma > 0.0 ? (1.0 - gamma) / gamma : 0.0;
    out[0] = 0.0F;
    if (flow->kind == BFN_DATA_DISCRETISED)
        out[1] = 0.0F;
    if (!(gamma > 0.0))
        return;
    double y = (double)shown / gamma, gain = DEVIATION * DEVIATION / (DEVIATION * DEVIATION + rest);
    double mean = MEAN + gain * (y - MEAN), spread = sqrt(rest);
    out[0] = (float)((y - mean) / spread);
    if (flow->kind == BFN_DATA_DISCRETISED) /* the posterior's deviation is sqrt(gain rest) */
        out[1] = (float)(0.5 * log(gain));
}

static int network(void *user, size_t first, size_t n, const double *t, const float *shown, float *out)
{
    const bfn_flow *flow = user;
    size_t width = bfn_flow_output_width(flow);
    (void)first;
    for (size_t i = 0; i < n * D; i++) {
        if (flow->kind != BFN_DATA_DISCRETE) {
            normal_pixel(flow, t[i / D], shown[i], out + i * width);
            continue;
        }
        double white = 0.5 * (1.0 - (double)shown[i]), black = 0.5 * (1.0 + (double)shown[i]);
        out[i] = (float)(log(fmax(white, 1e-30) * WHITE) - log(fmax(black, 1e-30) * (1.0 - WHITE)));
    }
    return 0;
}

/* ---- runs ---- */

static bool is_discrete(const bfn_flow *flow)
{
    return flow->kind == BFN_DATA_DISCRETE;
}

/* Samples as numbers; moments_too: the data's, for the start and for t = 0. */
static void draw(const bfn_flow *flow, const bfn_solver_options *solver, bool moments_too, double x[N * D])
{
    static union {
        float values[N * D];
        int32_t classes[N * D];
    } out;
    float mean[2 * D];
    bfn_sampler_options o = BFN_SAMPLER_OPTIONS_INIT;
    for (size_t d = 0; d < D; d++) {
        if (is_discrete(flow)) {
            mean[2 * d] = (float)(1.0 - WHITE);
            mean[2 * d + 1] = (float)WHITE;
        } else {
            mean[d] = (float)MEAN;
        }
    }
    if (moments_too)
        o.moments = (bfn_moments){mean, is_discrete(flow) ? 2.0 * WHITE * (1.0 - WHITE) : DEVIATION * DEVIATION};
    o.seed = (uint64_t)solver->method + 5;
    o.batch = BATCH;
    bfn_status status = bfn_sample(ctx, flow, solver, &o, D, network, (void *)(uintptr_t)flow, N, &out);
    if (status != BFN_OK)
        fail_msg("%s: %s", bfn_method_name(solver->method), bfn_errmsg(ctx));
    for (size_t i = 0; i < N * D; i++)
        x[i] = is_discrete(flow) ? (double)out.classes[i] : (double)out.values[i];
}

static void moments_of(const double x[N * D], double *mean, double *variance)
{
    *mean = *variance = 0.0;
    for (size_t i = 0; i < N * D; i++)
        *mean += x[i] / (N * D);
    for (size_t i = 0; i < N * D; i++)
        *variance += (x[i] - *mean) * (x[i] - *mean) / (N * D);
}

static bool is_first_order(bfn_method method)
{
    return method == BFN_METHOD_BFN || method == BFN_METHOD_EULER || method == BFN_METHOD_EM ||
           method == BFN_METHOD_ODE1 || method == BFN_METHOD_SDE1;
}

/* Mean within 5 standard errors, variance within 4 and what the method's own error may add. */
static void check_law(const char *name, bfn_method method, const double x[N * D], bool discrete, double own)
{
    double mean, variance, want = discrete ? WHITE : MEAN;
    double want_variance = discrete ? WHITE * (1.0 - WHITE) : DEVIATION * DEVIATION;
    moments_of(x, &mean, &variance);
    double off = fabs(mean - want) / sqrt(want_variance), ratio = variance / want_variance;
    if (!(off < 5.0 / sqrt(N * D) + 0.1 * own && fabs(ratio - 1.0) < 4.0 * sqrt(2.0 / (N * D)) + own))
        fail_msg("%s, %s: mean %g, variance %g, wanted %g, %g", name, bfn_method_name(method), mean, variance, want,
                 want_variance);
}

static void laws(void **state)
{
    (void)state;
    static double x[N * D];
    for (size_t k = 0; k < N_KINDS; k++)
        for (bfn_method method = BFN_METHOD_BFN; method < BFN_METHOD_COUNT; method++) {
            const bfn_flow *flow = &kinds[k].flow;
            bfn_solver_options o = BFN_SOLVER_OPTIONS_INIT;
            o.method = method;
            o.n_steps = is_first_order(method) ? 100 : 32;
            o.start = BFN_START_MOMENTS;
            o.grid = is_discrete(flow) ? BFN_GRID_TIME : BFN_GRID_LOGSNR;
            o.last = BFN_LAST_UPDATE;
            draw(flow, &o, true, x);
            check_law(kinds[k].name, method, x, is_discrete(flow), is_first_order(method) ? 0.12 : 0.05);
        }
}

/* A draw from the output distribution in the first-order SDE is the original sampler, of which any number of steps is exact for independent
 * pixels. */
static void draws(void **state)
{
    (void)state;
    static double x[N * D];
    for (size_t k = 0; k < N_KINDS; k++)
        for (int original = 0; original < 2; original++) {
            bfn_solver_options o = BFN_SOLVER_OPTIONS_INIT;
            o.method = original != 0 ? BFN_METHOD_BFN : BFN_METHOD_SDE1;
            o.prediction = BFN_PREDICTION_DRAW;
            o.eta = 0.0;
            o.eta_is_set = 1;
            o.n_steps = kinds[k].flow.kind == BFN_DATA_CONTINUOUS
                            ? 200
                            : 20; /* a continuous prediction has no spread to draw from */
            o.last = BFN_LAST_CALL;
            draw(&kinds[k].flow, &o, true, x);
            check_law(kinds[k].name, o.method, x, is_discrete(&kinds[k].flow), 0.12);
        }
}

static bool is_pixel(const bfn_flow *flow, double x)
{
    if (is_discrete(flow))
        return x == 0.0 || x == 1.0;
    if (flow->kind == BFN_DATA_DISCRETISED)
        return fabs(x - bfn_flow_bin_centre(flow, bfn_flow_bin(flow, x))) < 1e-6;
    return fabs(x) <= 1.0;
}

static void few_evaluations(void **state)
{
    (void)state;
    static double x[N * D];
    for (size_t k = 0; k < N_KINDS; k++)
        for (bfn_method method = BFN_METHOD_BFN; method < BFN_METHOD_COUNT; method++)
            for (size_t n_steps = 1; n_steps <= 10; n_steps += 3) {
                bfn_solver_options o = BFN_SOLVER_OPTIONS_INIT;
                double mean, variance;
                o.method = method;
                o.n_steps = n_steps;
                draw(&kinds[k].flow, &o, false, x);
                for (size_t i = 0; i < N * D; i++)
                    if (!is_pixel(&kinds[k].flow, x[i]))
                        fail_msg("%s, %s, %zu steps: sample %g", kinds[k].name, bfn_method_name(method), n_steps, x[i]);
                moments_of(x, &mean, &variance);
                if (n_steps == 10 && !(fabs(mean - (is_discrete(&kinds[k].flow) ? WHITE : MEAN)) < 0.15))
                    fail_msg("%s, %s, 10 steps: mean %g", kinds[k].name, bfn_method_name(method), mean);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(laws), cmocka_unit_test(draws),
                                       cmocka_unit_test(few_evaluations)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
