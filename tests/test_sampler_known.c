/* test_sampler_known.c: infilling with known positions that are shown blurred: what the network is shown follows the flow of their values. */
#include "bfn/sample.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { D = 3, N = 4000, CALLS = 6 };
static const unsigned char known[D] = {0, 1, 1};
static const float values[D] = {0.0f, 0.75f, -0.5f};
static const int32_t classes[D] = {0, 1, 0};

/* Sums over samples of what is shown at each call and position. */
typedef struct record {
    const bfn_flow *flow;
    size_t n_calls, done; /* samples of the current call */
    double t[CALLS], sum[CALLS][D], squares[CALLS][D];
    float last[D];
} record;

static int network(void *user, size_t first, size_t n, const double *t, const float *shown, float *out)
{
    record *r = user;
    (void)first;
    size_t call = r->n_calls++;
    if (call < CALLS)
        r->t[call] = t[0];
    for (size_t i = 0; i < n * D && call < CALLS; i++) {
        r->sum[call][i % D] += (double)shown[i];
        r->squares[call][i % D] += (double)shown[i] * (double)shown[i];
    }
    memset(out, 0, n * D * bfn_flow_output_width(r->flow) * sizeof *out);
    return 0;
}

static void run(const bfn_flow *flow, bfn_method method, bfn_start start, record *r, float *samples)
{
    bfn_context *ctx;
    bfn_solver_options solver = BFN_SOLVER_OPTIONS_INIT;
    bfn_sampler_options o = BFN_SAMPLER_OPTIONS_INIT;
    const float mean[D] = {0.1f, 0.2f, -0.3f};
    assert_int_equal(bfn_context_create(&ctx, NULL), BFN_OK);
    solver.method = method;
    solver.grid = BFN_GRID_TIME;
    solver.n_evaluations = CALLS;
    solver.start = start;
    o.batch = N;
    o.moments = (bfn_moments){mean, 50.0}; /* of the data, wide: known positions have none */
    o.known = known;
    o.known_values = values;
    o.known_blurred = 1;
    *r = (record){.flow = flow};
    assert_int_equal(bfn_sample(ctx, flow, &solver, &o, D, network, r, N, samples), BFN_OK);
    assert_int_equal(r->n_calls, CALLS);
    bfn_context_destroy(ctx);
}

/* At every call the known positions have the law of the flow at that time: mean gamma x, variance gamma (1 - gamma). With an SDE the noise
 * is renewed, with an ODE it is one draw for all times. */
static void test_law(void **p)
{
    (void)p;
    bfn_flow flow = BFN_FLOW_INIT;
    flow.min_variance = 1e-2;
    static const bfn_method methods[] = {BFN_METHOD_SDE1, BFN_METHOD_ODE1, BFN_METHOD_SDE2M, BFN_METHOD_ODE2M};
    float *samples = calloc((size_t)N * D, sizeof *samples);
    for (size_t m = 0; m < 4; m++)
        for (int start = 0; start < 2; start++) {
            record r;
            run(&flow, methods[m], start ? BFN_START_MOMENTS : BFN_START_ZERO_MEAN, &r, samples);
            for (size_t call = 0; call < CALLS; call++)
                for (size_t d = 1; d < D; d++) {
                    double gamma = bfn_flow_gamma(&flow, r.t[call]), sigma = bfn_flow_sigma(&flow, r.t[call]);
                    double mean = r.sum[call][d] / N, sd = sqrt(r.squares[call][d] / N - mean * mean);
                    if (fabs(mean - gamma * (double)values[d]) > 5.0 * sigma / sqrt(N) || fabs(sd / sigma - 1.0) > 0.06)
                        fail_msg("method %zu, start %d, call %zu: mean %g, deviation %g, the flow has %g, %g", m, start,
                                 call, mean, sd, gamma * (double)values[d], sigma);
                }
            for (size_t i = 0; i < N; i++)
                assert_true(samples[i * D + 1] == values[1] && samples[i * D + 2] == values[2]);
        }
    free(samples);
}

/* Two classes: the shown contrast follows the known class from near 0 to its end. */
static void test_discrete(void **p)
{
    (void)p;
    bfn_context *ctx;
    bfn_flow flow = BFN_FLOW_INIT;
    flow.kind = BFN_DATA_DISCRETE;
    flow.n_classes = 2;
    flow.max_sqrt_beta = 3.0;
    flow.min_variance = flow.clip = 0.0;
    bfn_solver_options solver = BFN_SOLVER_OPTIONS_INIT;
    bfn_sampler_options o = BFN_SAMPLER_OPTIONS_INIT;
    record r = {.flow = &flow};
    int32_t *samples = calloc((size_t)N * D, sizeof *samples);
    assert_int_equal(bfn_context_create(&ctx, NULL), BFN_OK);
    solver.method = BFN_METHOD_SDE1;
    solver.grid = BFN_GRID_TIME;
    solver.n_evaluations = CALLS;
    o.batch = N;
    o.known = known;
    o.known_values = classes;
    o.known_blurred = 1;
    assert_int_equal(bfn_sample(ctx, &flow, &solver, &o, D, network, &r, N, samples), BFN_OK);
    assert_true(fabs(r.sum[0][1] / N) < 0.1 && fabs(r.sum[0][2] / N) < 0.1); /* 2 P(class 0) - 1 */
    assert_true(r.sum[CALLS - 1][1] / N < -0.97 && r.sum[CALLS - 1][2] / N > 0.97);
    for (size_t i = 0; i < N; i++)
        assert_true(samples[i * D + 1] == 1 && samples[i * D + 2] == 0);
    free(samples);
    bfn_context_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_law), cmocka_unit_test(test_discrete)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
