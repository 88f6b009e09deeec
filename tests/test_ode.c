/* The probability-flow ODE's density against closed forms: normal, mixture, Markov chain (forward algorithm); the order of the integrator; the
 * traces of a network's Jacobian against central differences.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/random.h"
#include "eval/exact.h"
#include "eval/ode_network.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double PI = 3.14159265358979323846;
static bfn_context *ctx;

static int set_up(void **state)
{
    (void)state;
    return bfn_context_create(&ctx, NULL) != BFN_OK;
}

static int tear_down(void **state)
{
    (void)state;
    bfn_context_destroy(ctx);
    return 0;
}

/* ---- mixtures ---- */

enum { D = 3 };

static bfn__exact mixture(size_t n_components, double min_variance)
{
    bfn__exact e = {.law = BFN__EXACT_MIXTURE,
                    .flow = BFN_FLOW_INIT,
                    .D = D,
                    .n_components = n_components,
                    .weight = {n_components == 1 ? 1.0 : 0.35, 0.65},
                    .mean = {n_components == 1 ? 0.25 : -0.6, 0.5},
                    .deviation = {n_components == 1 ? 0.4 : 0.08, 0.15}};
    e.flow.min_variance = min_variance;
    e.flow.clip = 0.0;
    return e;
}

static bfn_status mixture_field(void *user, size_t first, size_t n, double t, const double *state, double *prediction,
                                double *trace)
{
    const bfn__exact *e = user;
    double beta = bfn_flow_beta(&e->flow, t);
    (void)first;
    for (size_t i = 0; i < n; i++) {
        trace[i] = 0.0;
        for (size_t d = i * D; d < (i + 1) * D; d++) {
            double variance;
            bfn__exact_posterior(e, beta, (1.0 + beta) * state[d], &prediction[d], &variance);
            trace[i] += (1.0 + beta) * variance; /* d x_hat / d mu = Var(x | mu) / (1 - gamma) */
        }
    }
    return BFN_OK;
}

/* ln of the density of y = mu / sigma at t = 1. */
static double mixture_density(const bfn__exact *e, const double *mu)
{
    double gamma = bfn_flow_gamma(&e->flow, 1.0), sigma = bfn_flow_sigma(&e->flow, 1.0), sum = 0.0;
    for (size_t d = 0; d < D; d++) {
        double p = 0.0;
        for (size_t c = 0; c < e->n_components; c++) {
            double v = gamma * gamma * e->deviation[c] * e->deviation[c] + sigma * sigma, m = gamma * e->mean[c];
            p += e->weight[c] * exp(-0.5 * (mu[d] - m) * (mu[d] - m) / v) / sqrt(2.0 * PI * v);
        }
        sum += log(p) + log(sigma);
    }
    return sum;
}

static double mixture_error(bfn__exact *e, double eta, size_t n_steps)
{
    const double states[3 * D] = {-0.7, 0.1, 0.6, 0.45, 0.52, -0.55, 0.3, -0.35, 0.9};
    double y[3 * D], density[3], worst = 0.0, mean, variance;
    float means[D];
    bfn__exact_moments(e, &mean, &variance);
    for (size_t d = 0; d < D; d++)
        means[d] = (float)mean;
    bfn__ode ode = {ctx, &e->flow, D, mixture_field, e, n_steps, eta, means, variance};
    memcpy(y, states, sizeof y);
    assert_int_equal(bfn__ode_density(&ode, 0, 3, y, density), BFN_OK);
    for (size_t i = 0; i < 3; i++)
        worst = fmax(worst, fabs(density[i] - mixture_density(e, states + i * D)));
    return worst;
}

/* Errors with n and 2 n steps: their logarithm to base 2 is the order. */
static void assert_order(double coarse, double fine)
{
    double order = log2(coarse / fine);
    print_message("      errors %.2e, %.2e: order %.2f\n", coarse, fine, order);
    assert_true(order > 3.6 && order < 4.6);
}

/* Normal data: the start is exact at any eta. */
static void normal_density(void **state)
{
    (void)state;
    const double etas[3] = {1e-6, 1e-3, 0.1};
    for (size_t i = 0; i < 3; i++) {
        bfn__exact e = mixture(1, 1e-3);
        assert_order(mixture_error(&e, etas[i], 20), mixture_error(&e, etas[i], 40));
        assert_true(mixture_error(&e, etas[i], 2000) < 1e-10);
    }
    bfn__exact images = mixture(1, 1e-6);
    assert_true(mixture_error(&images, 1e-4, 3000) < 1e-10);
}

static void mixture_of_two(void **state)
{
    (void)state;
    bfn__exact e = mixture(2, 1e-3);
    assert_order(mixture_error(&e, 1e-7, 80), mixture_error(&e, 1e-7, 160));
    assert_true(mixture_error(&e, 1e-7, 3000) < 1e-8);
    assert_true(mixture_error(&e, 1e-4, 3000) < 1e-4); /* the default start: normal there but for w^3 */
}

/* ---- Markov chain ---- */

enum { K = BFN__CHAIN_SYMBOLS, LENGTH = 24 };
static bfn__exact_chain chain;

/* Marginals of p(x) prod theta by forward and backward recursions in double. */
static void chain_posterior(const double *theta, double *p)
{
    double f[LENGTH][K], b[K], seen[K];
    for (size_t i = 0; i < LENGTH; i++) {
        double total = 0.0;
        for (size_t k = 0; k < K; k++) {
            double sum = i == 0 ? chain.stationary[k] : 0.0;
            for (size_t j = 0; i > 0 && j < K; j++)
                sum += f[i - 1][j] * chain.step[j][k];
            total += f[i][k] = sum * theta[i * K + k];
        }
        for (size_t k = 0; k < K; k++)
            f[i][k] /= total;
    }
    for (size_t k = 0; k < K; k++)
        b[k] = 1.0;
    for (size_t i = LENGTH; i-- > 0;) {
        double total = 0.0, scale = 0.0;
        for (size_t k = 0; k < K; k++)
            total += p[i * K + k] = f[i][k] * b[k];
        for (size_t k = 0; k < K; k++) {
            p[i * K + k] /= total;
            seen[k] = theta[i * K + k] * b[k];
        }
        for (size_t j = 0; j < K; j++) {
            b[j] = 0.0;
            for (size_t k = 0; k < K; k++)
                b[j] += chain.step[j][k] * seen[k];
            scale += b[j];
        }
        for (size_t j = 0; j < K; j++)
            b[j] /= scale;
    }
}

static void chain_theta(const double *z, double *theta)
{
    for (size_t i = 0; i < LENGTH; i++) {
        double most = z[i * K], sum = 0.0;
        for (size_t k = 0; k < K; k++)
            most = fmax(most, z[i * K + k]);
        for (size_t k = 0; k < K; k++)
            sum += theta[i * K + k] = exp(z[i * K + k] - most);
        for (size_t k = 0; k < K; k++)
            theta[i * K + k] /= sum;
    }
}

static bfn_status chain_field(void *user, size_t first, size_t n, double t, const double *state, double *prediction,
                              double *trace)
{
    double theta[LENGTH * K];
    (void)user, (void)first, (void)t;
    for (size_t i = 0; i < n; i++) {
        double *p = prediction + i * LENGTH * K;
        chain_theta(state + i * LENGTH * K, theta);
        chain_posterior(theta, p);
        trace[i] = LENGTH;
        for (size_t k = 0; k < LENGTH * K; k++)
            trace[i] -= p[k] * p[k];
    }
    return BFN_OK;
}

static bfn_flow chain_flow(void)
{
    bfn_flow flow = BFN_FLOW_INIT;
    flow.kind = BFN_DATA_DISCRETE;
    flow.n_classes = K;
    flow.max_sqrt_beta = 0.75;
    flow.min_variance = flow.clip = 0.0;
    return flow;
}

/* ln sum_x p(x) prod_d N(z_d; beta (K e_x - 1), beta K I) by the forward algorithm. */
static double chain_density(const double *z, double beta)
{
    double f[K], next[K], sum = 0.0;
    for (size_t i = 0; i < LENGTH; i++) {
        double squares = 0.0, total = 0.0, most = -INFINITY, ln_symbol[K];
        for (size_t k = 0; k < K; k++)
            squares += (z[i * K + k] + beta) * (z[i * K + k] + beta);
        for (size_t k = 0; k < K; k++) { /* |z + beta - beta K e_k|^2 */
            double own = z[i * K + k] + beta;
            ln_symbol[k] = -0.5 * (squares - own * own + (own - beta * K) * (own - beta * K)) / (beta * K);
            most = fmax(most, ln_symbol[k]);
        }
        for (size_t k = 0; k < K; k++) {
            next[k] = i == 0 ? chain.stationary[k] : 0.0;
            for (size_t j = 0; i > 0 && j < K; j++)
                next[k] += f[j] * chain.step[j][k];
            total += next[k] *= exp(ln_symbol[k] - most);
        }
        for (size_t k = 0; k < K; k++)
            f[k] = next[k] / total;
        sum += log(total) + most - 0.5 * K * log(2.0 * PI * beta * K);
    }
    return sum;
}

static void chain_state(uint64_t seed, double *z)
{
    double u[LENGTH];
    int32_t x[LENGTH];
    float normals[LENGTH * K];
    bfn_flow flow = chain_flow();
    const double one = 1.0;
    bfn__random_uniforms(seed, 0, 1, 0, LENGTH, u);
    bfn__exact_chain_draw(&chain, LENGTH, NULL, u, x);
    bfn__random_normals(seed, 0, 0, 0, LENGTH * K, normals);
    bfn_flow_draw(&flow, 1, LENGTH, x, &one, normals, normals);
    for (size_t i = 0; i < LENGTH * K; i++)
        z[i] = (double)normals[i];
}

/* Worst error a character over four strings. */
static double chain_error(size_t n_steps, bfn__field_fn field, void *user)
{
    enum { N = 4 };
    static double z[N * LENGTH * K];
    double exact[N], density[N], worst = 0.0;
    bfn_flow flow = chain_flow();
    for (uint64_t i = 0; i < N; i++) {
        chain_state(i, z + i * LENGTH * K);
        exact[i] = chain_density(z + i * LENGTH * K, bfn_flow_beta(&flow, 1.0));
    }
    bfn__ode ode = {ctx, &flow, LENGTH * K, field, user, n_steps, 0.0, NULL, 0.0};
    assert_int_equal(bfn__ode_density(&ode, 0, N, z, density), BFN_OK);
    for (size_t i = 0; i < N; i++)
        worst = fmax(worst, fabs(density[i] - exact[i]) / LENGTH);
    return worst;
}

static int chain_network(void *user, size_t first, size_t n, const double *t, const float *shown, float *out)
{
    return bfn__exact_predict(user, first, n, t, shown, out);
}

static void markov_chain(void **state)
{
    (void)state;
    bfn__exact_chain_init(&chain);
    double error = chain_error(60, chain_field, NULL);
    assert_order(chain_error(30, chain_field, NULL), error);
    print_message("      60 steps: %.2e nats a character\n", error);
    assert_true(error < 3e-7 && chain_error(240, chain_field, NULL) < 2e-9);
    /* the same through the network's interface, in float, with the posterior's trace */
    bfn_flow flow = chain_flow();
    bfn__exact e = {.law = BFN__EXACT_CHAIN, .flow = flow, .D = LENGTH, .chain = &chain};
    const bfn__network network = {&e, chain_network, NULL};
    bfn__network_field *field;
    assert_int_equal(bfn__network_field_create(ctx, &field, &flow, LENGTH, 4, BFN_TRACE_POSTERIOR, 0, 0, &network),
                     BFN_OK);
    error = chain_error(60, bfn__network_field_evaluate, field);
    print_message("      in float: %.2e nats a character\n", error);
    assert_true(error < 2e-6);
    assert_int_equal(bfn__network_field_evaluations(field), 4 * 60 * 4);
    bfn__network_field_destroy(field);
}

/* ---- traces ---- */

enum { HIDDEN = 7, MAX_IN = 24, P = 3 };

/* out = A tanh(B shown + t), with its backward pass. */
typedef struct tiny_network {
    size_t n_in, n_out;
    double hidden[MAX_IN][HIDDEN]; /* of each sample */
} tiny_network;

static double weight_at(uint64_t matrix, size_t i)
{
    double u;
    bfn__random_uniforms(77, matrix, 0, i, 1, &u);
    return 2.0 * u - 1.0;
}

static int tiny_forward(void *user, size_t first, size_t n, const double *t, const float *shown, float *out)
{
    tiny_network *net = user;
    (void)first;
    for (size_t s = 0; s < n; s++) {
        for (size_t h = 0; h < HIDDEN; h++) {
            double sum = t[s];
            for (size_t i = 0; i < net->n_in; i++)
                sum += weight_at(1, h * MAX_IN + i) * (double)shown[s * net->n_in + i];
            net->hidden[s][h] = tanh(sum);
        }
        for (size_t o = 0; o < net->n_out; o++) {
            double sum = 0.0;
            for (size_t h = 0; h < HIDDEN; h++)
                sum += weight_at(2, o * HIDDEN + h) * net->hidden[s][h];
            out[s * net->n_out + o] = (float)sum;
        }
    }
    return 0;
}

static int tiny_backward(void *user, size_t n, const float *d_out, float *d_shown)
{
    const tiny_network *net = user;
    for (size_t s = 0; s < n; s++)
        for (size_t i = 0; i < net->n_in; i++) {
            double sum = 0.0;
            for (size_t h = 0; h < HIDDEN; h++)
                for (size_t o = 0; o < net->n_out; o++)
                    sum += (double)d_out[s * net->n_out + o] * weight_at(2, o * HIDDEN + h) *
                           (1.0 - net->hidden[s][h] * net->hidden[s][h]) * weight_at(1, h * MAX_IN + i);
            d_shown[s * net->n_in + i] = (float)sum;
        }
    return 0;
}

static bfn_flow flow_of(bfn_data_kind kind, size_t n_classes, double clip)
{
    bfn_flow flow = BFN_FLOW_INIT;
    flow.kind = kind;
    flow.n_classes = n_classes;
    flow.clip = clip;
    flow.min_variance = kind == BFN_DATA_DISCRETE ? 0.0 : 1e-2;
    flow.max_sqrt_beta = kind == BFN_DATA_DISCRETE ? 1.0 : 0.0;
    return flow;
}

static double central_trace(bfn__network_field *field, double t, const double *state, size_t size)
{
    double s[MAX_IN], up[MAX_IN], down[MAX_IN], unused, sum = 0.0;
    const double h = 4e-3;
    for (size_t i = 0; i < size; i++) {
        memcpy(s, state, size * sizeof *s);
        s[i] = (double)(float)(state[i] + h);
        double high = s[i];
        assert_int_equal(bfn__network_field_evaluate(field, 0, 1, t, s, up, &unused), BFN_OK);
        s[i] = (double)(float)(state[i] - h);
        assert_int_equal(bfn__network_field_evaluate(field, 0, 1, t, s, down, &unused), BFN_OK);
        sum += (up[i] - down[i]) / (high - s[i]);
    }
    return sum;
}

/* Every kind of data, at several times; some predictions are clipped. */
static void traces(void **state)
{
    (void)state;
    const bfn_flow flows[] = {flow_of(BFN_DATA_CONTINUOUS, 0, 0.0), flow_of(BFN_DATA_CONTINUOUS, 0, 1.0),
                              flow_of(BFN_DATA_DISCRETISED, 16, 0.0), flow_of(BFN_DATA_DISCRETE, 5, 0.0),
                              flow_of(BFN_DATA_DISCRETE, 2, 0.0)};
    for (size_t f = 0; f < sizeof flows / sizeof *flows; f++) {
        const bfn_flow *flow = &flows[f];
        size_t size = P * bfn_flow_state_width(flow);
        tiny_network net = {P * bfn_flow_shown_width(flow), P * bfn_flow_output_width(flow), {{0}}};
        const bfn__network network = {&net, tiny_forward, tiny_backward};
        bfn__network_field *exact, *signs;
        assert_int_equal(bfn__network_field_create(ctx, &exact, flow, P, 2, BFN_TRACE_EXACT, 0, 0, &network), BFN_OK);
        enum { PROBES = 1000 };
        assert_int_equal(bfn__network_field_create(ctx, &signs, flow, P, 2, BFN_TRACE_HUTCHINSON, PROBES, 9, &network),
                         BFN_OK);
        const double times[3] = {0.3, 0.6, 0.95};
        for (size_t j = 0; j < 3; j++) {
            double both[2 * MAX_IN], prediction[2 * MAX_IN], trace[2], by_signs[2];
            float normals[2 * MAX_IN];
            bfn__random_normals(5, f, (uint32_t)j, 0, 2 * size, normals);
            for (size_t i = 0; i < 2 * size; i++)
                both[i] = 0.5 * (double)normals[i];
            assert_int_equal(bfn__network_field_evaluate(exact, 0, 2, times[j], both, prediction, trace), BFN_OK);
            assert_int_equal(bfn__network_field_evaluate(signs, 0, 2, times[j], both, prediction, by_signs), BFN_OK);
            for (size_t s = 0; s < 2; s++) {
                double wanted = central_trace(exact, times[j], both + s * size, size);
                assert_true(fabs(trace[s] - wanted) < 1e-3 * (1.0 + fabs(wanted)));
                assert_true(fabs(by_signs[s] - trace[s]) < 0.3 * (0.2 + fabs(trace[s])));
            }
        }
        bfn__network_field_destroy(exact);
        bfn__network_field_destroy(signs);
    }
}

/* Signs: the same for a sample whatever its batch, others for other samples; the posterior's trace refuses what it is not for. */
static void probes_and_refusals(void **state)
{
    (void)state;
    const bfn_flow flow = flow_of(BFN_DATA_DISCRETE, 5, 0.0), numbers = flow_of(BFN_DATA_CONTINUOUS, 0, 0.0);
    tiny_network net = {P * 5, P * 5, {{0}}};
    const bfn__network network = {&net, tiny_forward, tiny_backward};
    bfn__network_field *field;
    assert_int_equal(bfn__network_field_create(ctx, &field, &flow, P, 2, BFN_TRACE_HUTCHINSON, 1, 9, &network), BFN_OK);
    double states[2 * P * 5], prediction[2 * P * 5], together[2], alone, other;
    for (size_t i = 0; i < 2 * (size_t)P * 5; i++)
        states[i] = weight_at(3, i % (P * 5));
    assert_int_equal(bfn__network_field_evaluate(field, 10, 2, 0.5, states, prediction, together), BFN_OK);
    assert_int_equal(bfn__network_field_evaluate(field, 11, 1, 0.5, states, prediction, &alone), BFN_OK);
    assert_int_equal(bfn__network_field_evaluate(field, 12, 1, 0.5, states, prediction, &other), BFN_OK);
    assert_true(together[1] == alone);
    assert_true(together[0] != alone && other != alone);
    bfn__network_field_destroy(field);
    assert_int_equal(bfn__network_field_create(ctx, &field, &numbers, P, 2, BFN_TRACE_POSTERIOR, 1, 9, &network),
                     BFN_ERR_ARGUMENT);
    assert_null(field);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(normal_density), cmocka_unit_test(mixture_of_two),      cmocka_unit_test(markov_chain),
        cmocka_unit_test(traces),         cmocka_unit_test(probes_and_refusals),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
