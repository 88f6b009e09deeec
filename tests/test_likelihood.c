/* Bounds on the negative log likelihood of exact models: never below the truth, equal to it where theory says so, with honest standard
 * errors, to the precision that was asked for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/random.h"
#include "eval/exact.h"
#include "eval/likelihood.h"

#include <math.h>
#include <string.h>

static bfn_context *ctx;
static bfn__exact_chain chain;

static int set_up(void **state)
{
    (void)state;
    bfn__exact_chain_init(&chain);
    return bfn_context_create(&ctx, NULL) != BFN_OK;
}

static int tear_down(void **state)
{
    (void)state;
    bfn_context_destroy(ctx);
    return 0;
}

/* ---- laws, and items drawn from them ---- */

enum { D = 4, K = 3, CELLS = 81, CHAIN_LENGTH = 64 };

typedef struct law {
    bfn__exact exact;
    uint64_t seed;
} law;

static double prior[D * K], table[CELLS];

static bfn_flow discrete_flow(size_t n_classes, double max_sqrt_beta)
{
    bfn_flow flow = BFN_FLOW_INIT;
    flow.kind = BFN_DATA_DISCRETE;
    flow.n_classes = n_classes;
    flow.max_sqrt_beta = max_sqrt_beta;
    flow.min_variance = flow.clip = 0.0;
    return flow;
}

static law independent_law(double max_sqrt_beta)
{
    for (size_t d = 0; d < D; d++) {
        double first = 0.1 + 0.15 * (double)d;
        prior[d * K] = first;
        prior[d * K + 1] = 0.25;
        prior[d * K + 2] = 0.75 - first;
    }
    return (law){
        .exact = {.law = BFN__EXACT_INDEPENDENT, .flow = discrete_flow(K, max_sqrt_beta), .D = D, .prior = prior}};
}

/* Positions that depend on each other: neighbours like to be equal. */
static law table_law(double max_sqrt_beta)
{
    double total = 0.0;
    for (size_t i = 0; i < CELLS; i++) {
        size_t x[D] = {i / 27, i / 9 % 3, i / 3 % 3, i % 3};
        table[i] = 1.0;
        for (size_t d = 1; d < D; d++)
            table[i] *= x[d] == x[d - 1] ? 6.0 : 0.5 + (double)x[d];
        total += table[i];
    }
    for (size_t i = 0; i < CELLS; i++)
        table[i] /= total;
    return (law){.exact = {.law = BFN__EXACT_TABLE, .flow = discrete_flow(K, max_sqrt_beta), .D = D, .table = table}};
}

static law chain_law(void)
{
    return (law){
        .exact = {.law = BFN__EXACT_CHAIN, .flow = discrete_flow(27, 0.75), .D = CHAIN_LENGTH, .chain = &chain}};
}

static law normal_law(void)
{
    law l = {.exact = {.law = BFN__EXACT_MIXTURE,
                       .flow = BFN_FLOW_INIT,
                       .D = D,
                       .n_components = 1,
                       .weight = {1.0},
                       .mean = {0.125},
                       .deviation = {0.2}}};
    l.exact.flow.min_variance = 1e-3;
    l.exact.flow.n_classes = 16;
    return l;
}

static void draw_index(size_t n, const double *p, double u, int32_t *out)
{
    double sum = 0.0;
    for (*out = 0; (size_t)*out + 1 < n; ++*out) {
        sum += p[*out];
        if (u < sum)
            return;
    }
}

static void item(const void *user, size_t index, void *out, int32_t *label)
{
    const law *l = user;
    int32_t *x = out, cell;
    double u[CHAIN_LENGTH];
    float normals[D];
    *label = -1;
    bfn__random_uniforms(l->seed + 1000, index, 3, 0, l->exact.D, u);
    switch (l->exact.law) {
    case BFN__EXACT_INDEPENDENT:
        for (size_t d = 0; d < D; d++)
            draw_index(K, prior + d * K, u[d], &x[d]);
        break;
    case BFN__EXACT_TABLE:
        draw_index(CELLS, table, u[0], &cell);
        for (size_t d = D; d-- > 0; cell /= K)
            x[d] = cell % K;
        break;
    case BFN__EXACT_CHAIN:
        bfn__exact_chain_draw(&chain, CHAIN_LENGTH, NULL, u, x);
        break;
    default:
        bfn__random_normals(l->seed + 1000, index, 3, 0, D, normals);
        for (size_t d = 0; d < D; d++)
            ((float *)out)[d] = (float)(0.125 + 0.2 * (double)normals[d]);
    }
}

/* Bits a position. */
static double entropy(const law *l)
{
    double bits = 0.0;
    if (l->exact.law == BFN__EXACT_CHAIN)
        return bfn__exact_chain_entropy(&chain, CHAIN_LENGTH);
    size_t n = l->exact.law == BFN__EXACT_TABLE ? CELLS : D * K;
    const double *p = l->exact.law == BFN__EXACT_TABLE ? table : prior;
    for (size_t i = 0; i < n; i++)
        bits -= p[i] * log2(p[i]) / D;
    return bits;
}

/* ---- the networks, with a backward pass for the normal law ---- */

static int forward(void *user, size_t first, size_t n, const double *t, const float *shown, float *out)
{
    return bfn__exact_predict(&((law *)user)->exact, first, n, t, shown, out);
}

static double newest_t;

static int normal_forward(void *user, size_t first, size_t n, const double *t, const float *shown, float *out)
{
    newest_t = t[0];
    return forward(user, first, n, t, shown, out);
}

/* eps = (mu - gamma x_hat(mu)) / sigma, d x_hat / d mu = Var (1 + beta). */
static int normal_backward(void *user, size_t n, const float *d_out, float *d_shown)
{
    const bfn__exact *e = &((law *)user)->exact;
    double beta = bfn_flow_beta(&e->flow, newest_t), gamma = bfn_flow_gamma(&e->flow, newest_t), mean, variance;
    bfn__exact_posterior(e, beta, 0.3, &mean, &variance); /* the variance is the same everywhere */
    double slope = (1.0 - gamma * variance * (1.0 + beta)) / bfn_flow_sigma(&e->flow, newest_t);
    for (size_t i = 0; i < n * D; i++)
        d_shown[i] = (float)((double)d_out[i] * slope);
    return 0;
}

static bfn__likelihood_source source_of(law *l, size_t n_available)
{
    bool normal = l->exact.law == BFN__EXACT_MIXTURE;
    return (bfn__likelihood_source){.ctx = ctx,
                                    .flow = &l->exact.flow,
                                    .D = l->exact.D,
                                    .n_available = n_available,
                                    .item = item,
                                    .user = l,
                                    .predict = forward,
                                    .predict_user = l,
                                    .network = {l, normal ? normal_forward : forward, normal ? normal_backward : NULL}};
}

static bfn_bound_options bound_options(size_t n, size_t times)
{
    bfn_bound_options o = BFN_BOUND_OPTIONS_INIT;
    o.n_sequences = n;
    o.n_times = times;
    o.n_draws = 10;
    o.batch = 32;
    return o;
}

static bfn_bound estimate(law *l, const bfn_bound_options *o, size_t n_available)
{
    bfn_bound b = {0};
    bfn__likelihood_source source = source_of(l, n_available);
    if (bfn__bound_estimate(&source, o, &b) != BFN_OK)
        fail_msg("%s", bfn_errmsg(ctx));
    assert_true(fabs(b.bound - b.transmission - b.reconstruction) < 1e-12);
    assert_true(fabs(b.nats - b.bound * log(2.0) * (double)l->exact.D) < 1e-9);
    assert_true(fabs(b.nats_error - b.standard_error * log(2.0) * (double)l->exact.D) < 1e-9);
    return b;
}

/* ---- the bound ---- */

/* Independent positions: continuous-time loss and reconstruction add up to the entropy, whatever beta_1. */
static void equal_to_the_entropy(void **state)
{
    (void)state;
    const double roots[3] = {0.3, 1.0, 3.0};
    for (size_t i = 0; i < 3; i++) {
        law l = independent_law(roots[i]);
        bfn_bound_options o = bound_options(4000, 16);
        bfn_bound b = estimate(&l, &o, 4000);
        print_message("      %.4f +- %.4f, entropy %.4f\n", b.bound, b.standard_error, entropy(&l));
        assert_true(fabs(b.bound - entropy(&l)) < 4.0 * b.standard_error && b.standard_error < 0.02);
    }
}

/* Dependent ones: what they share at t = 1 is paid for; with enough accuracy nothing is left. */
static void above_the_entropy(void **state)
{
    (void)state;
    double excess[2];
    const double roots[2] = {0.7, 3.0};
    for (size_t i = 0; i < 2; i++) {
        law l = table_law(roots[i]);
        bfn_bound_options o = bound_options(4000, 16);
        bfn_bound b = estimate(&l, &o, 4000);
        excess[i] = b.bound - entropy(&l);
        print_message("      %.4f +- %.4f, entropy %.4f\n", b.bound, b.standard_error, entropy(&l));
        assert_true(excess[i] > -4.0 * b.standard_error);
        assert_true(i == 0 ? excess[i] > 5.0 * b.standard_error : fabs(excess[i]) < 4.0 * b.standard_error);
    }
}

/* A transmission in n messages costs more, the less of them there are; with many it is the continuous-time loss. */
static void fewer_steps_cost_more(void **state)
{
    (void)state;
    law laws[2] = {table_law(3.0), normal_law()};
    for (size_t i = 0; i < 2; i++) {
        const size_t steps[4] = {2, 8, 500, 0};
        double bounds[4], error = 0.0;
        for (size_t j = 0; j < 4; j++) {
            bfn_bound_options o = bound_options(1500, 16);
            o.n_steps = steps[j];
            bfn_bound b = estimate(&laws[i], &o, 1500);
            bounds[j] = b.bound;
            error = b.standard_error;
        }
        print_message("      %.4f %.4f %.4f %.4f +- %.4f\n", bounds[0], bounds[1], bounds[2], bounds[3], error);
        assert_true(bounds[0] > bounds[1] && bounds[1] > bounds[3] && bounds[0] > bounds[3] + 3.0 * error);
        assert_true(fabs(bounds[2] - bounds[3]) < 4.0 * error);
        if (i == 0)
            assert_true(bounds[2] > entropy(&laws[0]) - 4.0 * error);
    }
}

/* The check of SPEC 5.3 on the self-test's chain. */
static void markov_chain(void **state)
{
    (void)state;
    law l = chain_law();
    bfn_bound_options o = bound_options(128, 16);
    bfn_bound b = estimate(&l, &o, 128);
    print_message("      %.4f +- %.4f, entropy %.4f\n", b.bound, b.standard_error, entropy(&l));
    assert_true(fabs(b.bound - entropy(&l)) < 4.0 * b.standard_error + 0.005);
    assert_true(b.standard_error < 0.04 && b.reconstruction > 0.03 && b.reconstruction < 0.2);
}

/* The truth lies within 1.96 standard errors in 95 of 100 runs. */
static void honest_errors(void **state)
{
    (void)state;
    enum { RUNS = 400 };
    size_t inside = 0;
    for (uint64_t seed = 0; seed < RUNS; seed++) {
        law l = independent_law(1.0);
        l.seed = 7 * seed;
        bfn_bound_options o = bound_options(96, 8);
        o.seed = seed;
        bfn_bound b = estimate(&l, &o, 96);
        inside += fabs(b.bound - entropy(&l)) < 1.96 * b.standard_error;
    }
    print_message("      %zu of %d\n", inside, RUNS);
    assert_true(inside >= 366 && inside <= 394); /* binomial(400, 0.95): 380 +- 4.4; three of them */
}

static void stops_at_the_precision(void **state)
{
    (void)state;
    law l = independent_law(1.0);
    bfn_bound_options o = bound_options(5000, 4);
    o.precision = 0.02;
    bfn_bound b = estimate(&l, &o, 5000);
    assert_true(b.reached && b.standard_error <= 0.02 && b.n_sequences < 5000 && b.n_sequences % 32 == 0);
    assert_int_equal(b.n_available, 5000);
    o.n_sequences = b.n_sequences - 32; /* one batch earlier it was not there */
    bfn_bound before = estimate(&l, &o, 5000);
    assert_true(!before.reached && before.standard_error > 0.02);
    assert_int_equal(before.n_sequences, b.n_sequences - 32);
    o.n_sequences = 5000;
    o.precision = 0.01; /* four times as many */
    bfn_bound finer = estimate(&l, &o, 5000);
    double ratio = (double)finer.n_sequences / (double)b.n_sequences;
    assert_true(finer.reached && ratio > 3.0 && ratio < 5.3);
    o.precision = 1e-5;
    o.n_sequences = 70;
    bfn_bound all = estimate(&l, &o, 70);
    assert_int_equal(all.n_sequences, 70);
    assert_false(all.reached);
    o.precision = 100.0; /* not before a standard error can be believed */
    o.batch = 5;
    all = estimate(&l, &o, 70);
    assert_int_equal(all.n_sequences, 35);
}

static void batches_and_threads(void **state)
{
    (void)state;
    law l = table_law(1.0);
    bfn_bound_options o = bound_options(50, 5);
    bfn_bound a = estimate(&l, &o, 400);
    o.batch = 7;
    bfn_bound b = estimate(&l, &o, 400);
    assert_true(a.bound == b.bound && a.standard_error == b.standard_error && a.reconstruction == b.reconstruction);
    o.seed = 1;
    b = estimate(&l, &o, 400);
    assert_true(a.bound != b.bound);
}

static int stop_at(void *user, size_t done, size_t total)
{
    (void)total;
    return done >= *(const size_t *)user;
}

static void can_be_stopped(void **state)
{
    (void)state;
    law l = table_law(1.0);
    bfn__likelihood_source source = source_of(&l, 400);
    bfn_bound_options o = bound_options(400, 2);
    size_t limit = 64;
    bfn_bound b;
    o.progress = stop_at;
    o.user = &limit;
    assert_int_equal(bfn__bound_estimate(&source, &o, &b), BFN_CANCELLED);
    assert_non_null(strstr(bfn_errmsg(ctx), "stopped after 64 of 400"));
}

/* ---- the ODE ---- */

static bfn_ode_likelihood ode_estimate(law *l, size_t n, size_t n_steps, bfn_trace trace)
{
    bfn_ode_options o = BFN_ODE_OPTIONS_INIT;
    o.n_sequences = n;
    o.n_steps = n_steps;
    o.trace = trace;
    o.n_probes = 2;
    o.batch = 50;
    o.eta = 1e-4;
    o.n_checked = 8;
    bfn_ode_likelihood r = {0};
    bfn__likelihood_source source = source_of(l, n);
    const float mean[D] = {0.125f, 0.125f, 0.125f, 0.125f};
    const bfn_moments moments = {mean, 0.04};
    if (bfn__ode_estimate(&source, &o, l->exact.law == BFN__EXACT_MIXTURE ? &moments : NULL, &r) != BFN_OK)
        fail_msg("%s", bfn_errmsg(ctx));
    assert_true(fabs(r.nats - r.bound * log(2.0) * (double)l->exact.D) < 1e-9);
    return r;
}

/* Exact network, exact trace: the bound is above the entropy, and reaches it where the state at t = 1 says everything. */
static void ode_above_the_entropy(void **state)
{
    (void)state;
    const double roots[2] = {0.7, 3.0};
    for (size_t i = 0; i < 2; i++) {
        law l = table_law(roots[i]);
        bfn_ode_likelihood r = ode_estimate(&l, 1000, 40, BFN_TRACE_POSTERIOR);
        double excess = r.bound - entropy(&l);
        print_message("      %.4f +- %.4f, entropy %.4f\n", r.bound, r.standard_error, entropy(&l));
        assert_true(excess > -4.0 * r.standard_error && r.standard_error < 0.05);
        assert_true(i == 0 || fabs(excess) < 4.0 * r.standard_error);
        assert_int_equal(r.n_evaluations, 4 * 40 + 1);
    }
}

/* Normal data: the density at t = 1 is normal, and its mean logarithm known; with signs and with the exact trace. */
static void ode_density_of_normal_data(void **state)
{
    (void)state;
    law l = normal_law();
    double gamma = bfn_flow_gamma(&l.exact.flow, 1.0), sigma = bfn_flow_sigma(&l.exact.flow, 1.0);
    double wanted = -0.5 * (1.0 + log(2.0 * 3.14159265358979323846 * (gamma * gamma * 0.04 + sigma * sigma)));
    for (int trace = BFN_TRACE_HUTCHINSON; trace <= BFN_TRACE_EXACT; trace++) {
        bfn_ode_likelihood r = ode_estimate(&l, 500, 60, (bfn_trace)trace);
        print_message("      %.4f +- %.4f, closed form %.4f\n", r.density, r.density_error, wanted);
        assert_true(fabs(r.density - wanted) < 4.0 * r.density_error && r.density_error < 0.03);
    }
}

/* The error that is told is how far the value moves: to what twice the steps give, and 16 times less with them in turn. */
static void ode_tells_the_error_of_its_steps(void **state)
{
    (void)state;
    enum { CHECKED = 8 };
    law l = normal_law();
    bfn_ode_likelihood r[3];
    for (size_t k = 0; k < 3; k++) {
        r[k] = ode_estimate(&l, CHECKED, (size_t)16 << k, BFN_TRACE_EXACT);
        assert_int_equal(r[k].n_checked, CHECKED);
        assert_int_equal(r[k].n_steps, 16 << k);
        assert_int_equal(r[k].n_probes, 0);
        assert_int_equal(r[k].n_evaluations, 4 * (16 << k) + 1); /* the check is not among them */
        assert_true(r[k].eta == 1e-4);
    }
    print_message("      %.3e %.3e; moved %.3e\n", r[0].step_error, r[1].step_error, fabs(r[0].bound - r[1].bound));
    assert_true(r[1].step_error > 1e-6);
    assert_true(r[0].step_error / r[1].step_error > 10.0 && r[0].step_error / r[1].step_error < 25.0);
    for (size_t k = 0; k < 2;
         k++) /* a mean of signed differences is not larger than that of their sizes; here all go one way */
        assert_true(fabs(fabs(r[k].bound - r[k + 1].bound) - r[k].step_error) < 0.02 * r[k].step_error);
    bfn_ode_likelihood few = ode_estimate(&l, 3, 16, BFN_TRACE_HUTCHINSON);
    assert_int_equal(few.n_checked, 3);
    assert_int_equal(few.n_probes, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_to_the_entropy),
        cmocka_unit_test(above_the_entropy),
        cmocka_unit_test(fewer_steps_cost_more),
        cmocka_unit_test(markov_chain),
        cmocka_unit_test(honest_errors),
        cmocka_unit_test(stops_at_the_precision),
        cmocka_unit_test(batches_and_threads),
        cmocka_unit_test(can_be_stopped),
        cmocka_unit_test(ode_above_the_entropy),
        cmocka_unit_test(ode_density_of_normal_data),
        cmocka_unit_test(ode_tells_the_error_of_its_steps),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
