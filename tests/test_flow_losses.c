/* Losses of flows: gradients against differences, mixtures against brute force in long double, and laws that only right losses obey:
 * with the exact network, loss + reconstruction is the data's entropy for every number of steps. */
#include "base/base.h"
#include "base/random.h"
#include "bfn/flow.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const bfn_flow TEXT = {sizeof(bfn_flow), BFN_DATA_DISCRETE, 27, 0.75, 0.0, 0.0};
static const bfn_flow FIVE = {sizeof(bfn_flow), BFN_DATA_DISCRETE, 5, 1.1, 0.0, 0.0};
static const bfn_flow BINARY = {sizeof(bfn_flow), BFN_DATA_DISCRETE, 2, 3.0, 0.0, 0.0};
static const bfn_flow IMAGE = {sizeof(bfn_flow), BFN_DATA_CONTINUOUS, 0, 0.0, 1e-6, 1.0};
static const bfn_flow IMAGE_16 = {sizeof(bfn_flow), BFN_DATA_CONTINUOUS, 0, 0.0, 1e-3, 0.0};
static const bfn_flow BINS_256 = {sizeof(bfn_flow), BFN_DATA_DISCRETISED, 256, 0.0, 1e-6, 0.0};
static const bfn_flow BINS_16 = {sizeof(bfn_flow), BFN_DATA_DISCRETISED, 16, 0.0, 1e-3, 0.0};
static const bfn_flow BINS_1100 = {sizeof(bfn_flow), BFN_DATA_DISCRETISED, 1100, 0.0, 1e-4, 0.0};

static void assert_close(double got, double want, double absolute)
{
    if (!(fabs(got - want) <= absolute))
        fail_msg("got %.17g, want %.17g within %g", got, want, absolute);
}

/* ---------------------------------------------------------------------------------------------------------- problems */

enum { B = 2, D = 4, DRAWS = 3, MAX_WIDTH = 27 };

/* A small batch with everything a loss needs. Outputs are multiples of 2^-12, so that outputs +- 2^-6 are exact floats. */
typedef struct problem {
    bfn_flow flow;
    bfn_loss_options options;
    size_t in, out; /* floats per position */
    double t[B];
    int32_t classes[B * D];
    float values[B * D];
    const void *data;
    float state[B * D * MAX_WIDTH], output[B * D * MAX_WIDTH], normals[DRAWS * B * D * MAX_WIDTH];
} problem;

static float on_grid(float x)
{
    return roundf(x * 4096.0f) / 4096.0f;
}

static void make_outputs(problem *p, uint64_t seed)
{
    size_t n = B * D * p->out;
    bfn__random_normals(seed, 1, 0, 0, n, p->output);
    for (size_t i = 0; i < n; i++)
        p->output[i] = on_grid(p->output[i]);
    if (p->flow.kind == BFN_DATA_DISCRETISED)
        for (size_t i = 0; i < B * D; i++) /* mild deviations: the differences below are good there */
            p->output[2 * i + 1] = on_grid(0.25f * p->output[2 * i + 1] - 0.5f);
}

static problem make_problem(const bfn_flow *flow, bfn_loss_kind kind, int published, uint64_t seed)
{
    problem p = {.flow = *flow, .options = BFN_LOSS_OPTIONS_INIT, .t = {0.25, 0.75}};
    p.in = bfn_flow_state_width(flow);
    p.out = bfn_flow_output_width(flow);
    float normals[B * D * MAX_WIDTH];
    bfn__random_normals(seed, 0, 0, 0, B * D * p.in, normals);
    bfn__random_normals(seed, 2, 0, 0, DRAWS * B * D * p.in, p.normals);
    size_t bins = flow->kind == BFN_DATA_CONTINUOUS ? 16 : flow->n_classes;
    bfn_flow quantiser = *flow;
    quantiser.n_classes = bins;
    for (size_t i = 0; i < B * D; i++) {
        size_t k = (size_t)bfn__random_below(seed, 3, 0, i, bins);
        p.classes[i] = (int32_t)k;
        p.values[i] = (float)bfn_flow_bin_centre(&quantiser, k);
    }
    const void *data = flow->kind == BFN_DATA_DISCRETE ? (const void *)p.classes : (const void *)p.values;
    bfn_flow_draw(flow, B, D, data, p.t, normals, p.state);
    p.options.kind = kind;
    p.options.n_steps = 4;
    p.options.n_draws = DRAWS;
    p.options.published_mixture = published;
    make_outputs(&p, seed);
    return p;
}

static void run_loss(problem *p, double *loss, float *gradient)
{
    p->options.normals = p->normals;
    p->data = p->flow.kind == BFN_DATA_DISCRETE ? (const void *)p->classes : (const void *)p->values;
    assert_int_equal(
        bfn_flow_loss(NULL, &p->flow, &p->options, B, D, p->data, p->t, p->state, p->output, loss, gradient), BFN_OK);
}

static double total_loss(problem *p)
{
    double loss[B * D], sum = 0.0;
    run_loss(p, loss, NULL);
    for (size_t i = 0; i < B * D; i++)
        sum += loss[i];
    return sum;
}

/* ---------------------------------------------------------------------------------------------------------- gradients */

/* Seven-point central difference of the sum of losses with respect to output i; error h^6. */
static double difference(problem *p, size_t i)
{
    static const double weight[3] = {45.0 / 60.0, -9.0 / 60.0, 1.0 / 60.0};
    const float h = 0x1p-6f, at = p->output[i];
    double sum = 0.0;
    for (int j = 1; j <= 3; j++) {
        p->output[i] = at + (float)j * h;
        double up = total_loss(p);
        p->output[i] = at - (float)j * h;
        sum += weight[j - 1] * (up - total_loss(p));
    }
    p->output[i] = at;
    return sum / (double)h;
}

static double gradient_error(problem *p)
{
    float gradient[B * D * MAX_WIDTH];
    double loss[B * D], worst = 0.0, scale = 0.0;
    run_loss(p, loss, gradient);
    for (size_t i = 0; i < B * D * p->out; i++) {
        double want = difference(p, i);
        worst = fmax(worst, fabs((double)gradient[i] - want));
        scale = fmax(scale, fabs(want));
    }
    assert_true(scale > 0.0);
    return worst / scale;
}

static void gradients_are_differences(void **state)
{
    (void)state;
    const struct {
        const bfn_flow *flow;
        const char *name;
    } flows[] = {{&TEXT, "text"},         {&FIVE, "five"},         {&BINARY, "binary"},   {&IMAGE, "image"},
                 {&IMAGE_16, "image 16"}, {&BINS_256, "256 bins"}, {&BINS_16, "16 bins"}, {&BINS_1100, "1100 bins"}};
    double worst = 0.0;
    for (size_t f = 0; f < sizeof flows / sizeof *flows; f++) {
        for (int kind = BFN_LOSS_CONTINUOUS_TIME; kind <= BFN_LOSS_CROSS_ENTROPY; kind++) {
            if (kind == BFN_LOSS_CROSS_ENTROPY && flows[f].flow->kind != BFN_DATA_DISCRETE)
                continue;
            for (int published = 0; published < 2; published++) {
                /* the published rules for bins have jumps: the next test goes where there is none */
                problem p = make_problem(flows[f].flow, (bfn_loss_kind)kind, published, 17 + f);
                bool jumps = published && p.flow.kind != BFN_DATA_DISCRETE && kind != BFN_LOSS_CONTINUOUS_TIME;
                if (jumps)
                    continue;
                double error = gradient_error(&p);
                worst = fmax(worst, error);
                if (!(error < 2e-6))
                    fail_msg("%s, loss %d%s: gradient off by %g", flows[f].name, kind, published ? ", published" : "",
                             error);
            }
        }
    }
    print_message("gradients: worst %.1e of the largest\n", worst);
}

/* The published rules with jumps, in wide distributions, where no bin crosses a threshold within the differences. */
static void published_gradients_are_differences(void **state)
{
    (void)state;
    for (int kind = BFN_LOSS_N_STEP; kind <= BFN_LOSS_RECONSTRUCTION; kind++) {
        problem p = make_problem(&BINS_16, (bfn_loss_kind)kind, 1, 5);
        for (size_t i = 0; i < B * D; i++) {
            p.output[2 * i] = on_grid(0.1f * p.output[2 * i]);
            p.output[2 * i + 1] = i < D ? 1.5f : 3.0f;
        }
        assert_true(gradient_error(&p) < 2e-6);
        /* far from the data: every own bin has less than 1e-5 of mass */
        for (size_t i = 0; i < B * D; i++) {
            p.output[2 * i] = p.values[i] > 0.0f ? 8.0f : -8.0f;
            p.output[2 * i + 1] = i < D ? -2.0f : 0.5f;
        }
        if (kind == BFN_LOSS_RECONSTRUCTION)
            assert_true(gradient_error(&p) < 2e-6);
    }
}

static void clipped_predictions_have_no_gradient(void **state)
{
    (void)state;
    problem p = make_problem(&IMAGE, BFN_LOSS_CONTINUOUS_TIME, 0, 3);
    float gradient[B * D];
    double loss[B * D];
    p.output[0] = 500.0f;
    p.state[1] = p.output[1] = 0.0f; /* x_hat = 0: inside */
    p.output[B * D - 1] = -5000.0f;
    run_loss(&p, loss, gradient);
    assert_true(gradient[0] == 0.0f && gradient[B * D - 1] == 0.0f && gradient[1] != 0.0f);
    double weight = -0.5 * log(1e-6) * pow(1e-6, -0.25);
    assert_close(loss[0], weight * pow(-1.0 - (double)p.values[0], 2), 1e-9 * weight);
    for (int kind = BFN_LOSS_CONTINUOUS_TIME; kind <= BFN_LOSS_RECONSTRUCTION; kind++) {
        problem q = make_problem(&BINS_16, (bfn_loss_kind)kind, 0, 3);
        float g[2 * B * D];
        q.output[1] = 11.0f; /* ln deviation beyond 10, and deviation beyond its limits */
        q.output[3] = -11.0f;
        q.output[5] = 6.0f;
        run_loss(&q, loss, g);
        assert_true(g[1] == 0.0f && g[3] == 0.0f && g[5] == 0.0f && g[7] != 0.0f);
    }
}

/* --------------------------------------------------------------------------------------------------------- brute force */

/* p of position i, straight from the definition. */
static void probabilities(const problem *p, size_t i, long double *out)
{
    size_t K = p->flow.n_classes;
    const float *l = p->output + i * p->out, two[2] = {0.0f, l[0]};
    long double sum = 0.0L;
    for (size_t k = 0; k < K; k++)
        sum += expl((long double)(K == 2 ? two[k] : l[k]));
    for (size_t k = 0; k < K; k++)
        out[k] = expl((long double)(K == 2 ? two[k] : l[k])) / sum;
}

static long double ln_normal(long double y, long double mean, long double variance)
{
    return -(y - mean) * (y - mean) / (2 * variance) - 0.5L * logl(6.283185307179586476925287L * variance);
}

/* ln N(y; alpha (K e_c - 1), alpha K I) of a whole message. */
static long double ln_sender(size_t K, const long double *y, size_t c, long double alpha)
{
    long double sum = 0.0L;
    for (size_t k = 0; k < K; k++)
        sum += ln_normal(y[k], alpha * ((k == c ? (long double)K : 0.0L) - 1), alpha * (long double)K);
    return sum;
}

/* ln sum_c p_c N(y; c): over whole messages, or coordinate by coordinate. */
static long double ln_receiver(size_t K, const long double *p, const long double *y, long double alpha, bool joint)
{
    long double sum = 0.0L, ln_product = 0.0L;
    if (joint) {
        for (size_t c = 0; c < K; c++)
            sum += p[c] * expl(ln_sender(K, y, c, alpha));
        return logl(sum);
    }
    for (size_t k = 0; k < K; k++) {
        sum = 0.0L;
        for (size_t c = 0; c < K; c++)
            sum += p[c] * expl(ln_normal(y[k], alpha * ((k == c ? (long double)K : 0.0L) - 1), alpha * (long double)K));
        ln_product += logl(sum);
    }
    return ln_product;
}

static double brute_discrete(const problem *p, size_t i, bool joint)
{
    size_t K = p->flow.n_classes, n = p->options.n_steps, x = (size_t)p->classes[i];
    double beta_1 = p->flow.max_sqrt_beta * p->flow.max_sqrt_beta, t = p->t[i / D], s = t + 1.0 / (double)n;
    long double alpha = (long double)beta_1 * (long double)(s * s - t * t), q[MAX_WIDTH], y[MAX_WIDTH], sum = 0.0L;
    probabilities(p, i, q);
    for (size_t j = 0; j < DRAWS; j++) {
        for (size_t k = 0; k < K; k++)
            y[k] = alpha * ((k == x ? (long double)K : 0.0L) - 1) +
                   sqrtl(alpha * (long double)K) * (long double)p->normals[((j * B * D) + i) * K + k];
        sum += ln_sender(K, y, x, alpha) - ln_receiver(K, q, y, alpha, joint);
    }
    return (double)((long double)n * sum / DRAWS);
}

static void discrete_losses_match_brute_force(void **state)
{
    (void)state;
    const bfn_flow *flows[3] = {&TEXT, &FIVE, &BINARY};
    for (int f = 0; f < 3; f++) {
        for (int published = 0; published < 2; published++) {
            problem p = make_problem(flows[f], BFN_LOSS_N_STEP, published, 40);
            double loss[B * D];
            run_loss(&p, loss, NULL);
            for (size_t i = 0; i < B * D; i++) {
                double want = brute_discrete(&p, i, !published);
                assert_close(loss[i], want, 1e-9 * (1.0 + fabs(want)));
            }
        }
        problem p = make_problem(flows[f], BFN_LOSS_CONTINUOUS_TIME, 0, 41);
        size_t K = p.flow.n_classes;
        double loss[B * D], beta_1 = p.flow.max_sqrt_beta * p.flow.max_sqrt_beta;
        long double q[MAX_WIDTH];
        run_loss(&p, loss, NULL);
        for (size_t i = 0; i < B * D; i++) {
            long double square = 0.0L;
            probabilities(&p, i, q);
            for (size_t k = 0; k < K; k++)
                square += powl((k == (size_t)p.classes[i]) - q[k], 2);
            assert_close(loss[i], (double)K * beta_1 * p.t[i / D] * (double)square, 1e-12);
        }
        p.options.kind = BFN_LOSS_RECONSTRUCTION;
        run_loss(&p, loss, NULL);
        for (size_t i = 0; i < B * D; i++) {
            probabilities(&p, i, q);
            assert_close(loss[i], (double)-logl(q[p.classes[i]]), 1e-12);
        }
        p.options.kind = BFN_LOSS_CROSS_ENTROPY;
        run_loss(&p, loss, NULL);
        for (size_t i = 0; i < B * D; i++) {
            probabilities(&p, i, q);
            assert_close(loss[i], (double)K * beta_1 * p.t[i / D] * (double)-logl(q[p.classes[i]]), 1e-10);
        }
    }
}

/* Sure and wrong, sure and right: finite losses with their digits. */
static void sure_predictions(void **state)
{
    (void)state;
    for (int kind = BFN_LOSS_CONTINUOUS_TIME; kind <= BFN_LOSS_RECONSTRUCTION; kind++) {
        for (int published = 0; published < 2; published++) {
            problem p = make_problem(&FIVE, (bfn_loss_kind)kind, published, 8);
            double loss[B * D];
            float gradient[B * D * 5];
            for (size_t i = 0; i < B * D * 5; i++)
                p.output[i] = (int)(i % 5) == (p.classes[i / 5] + (int)(i / 5 % 2)) % 5 ? 2000.0f : -2000.0f;
            run_loss(&p, loss, gradient);
            for (size_t i = 0; i < B * D; i++)
                assert_true(isfinite(loss[i]) && (i % 2 == 1 ? loss[i] > 0.1 : fabs(loss[i]) < 1e-12));
            for (size_t i = 0; i < B * D * 5; i++)
                assert_true(isfinite(gradient[i]));
        }
    }
    bfn_flow sharp = BINARY;
    sharp.max_sqrt_beta = 10.0;
    problem q = make_problem(&sharp, BFN_LOSS_N_STEP, 1, 8);
    q.options.n_steps = 1;
    q.t[0] = q.t[1] = 0.0;
    double loss[B * D];
    for (size_t i = 0; i < B * D; i++)
        q.output[i] = q.classes[i] == 0 ? 60.0f : -60.0f;
    run_loss(&q, loss, NULL);
    for (size_t i = 0; i < B * D; i++) /* 1 - p = 9e-27 decides */
        assert_close(loss[i], brute_discrete(&q, i, false), 1e-9 * fabs(loss[i]));
    problem p = make_problem(&BINARY, BFN_LOSS_CONTINUOUS_TIME, 0, 8);
    for (size_t i = 0; i < B * D; i++)
        p.output[i] = p.classes[i] == 1 ? 30.0f : -30.0f;
    run_loss(&p, loss, NULL);
    for (size_t i = 0; i < B * D; i++) /* 2 (1-p)^2, where 1 - p has only 3 digits left of 1 */
        assert_close(loss[i] / (2.0 * 9.0 * p.t[i / D] * 2.0 * exp(-60.0)), 1.0, 1e-9);
}

static long double tail(long double z)
{
    return 0.5L * erfcl(z * sqrtl(0.5L));
}

static long double mass(size_t K, long double mean, long double deviation, size_t bin)
{
    long double low = ((long double)(2 * bin) / (long double)K - 1 - mean) / deviation;
    long double high = ((long double)(2 * bin + 2) / (long double)K - 1 - mean) / deviation;
    if (bin == 0)
        return tail(-high);
    if (bin == K - 1)
        return tail(low);
    return low > 0 ? tail(low) - tail(high) : tail(-high) - tail(-low);
}

/* The normal of position i of a discretised problem. */
static void data_normal(const problem *p, size_t i, long double *mean, long double *deviation)
{
    double gamma = bfn_flow_gamma(&p->flow, p->t[i / D]), spread = sqrt((1.0 - gamma) / gamma);
    *mean = (long double)((double)p->state[i] / gamma - spread * (double)p->output[2 * i]);
    *deviation = (long double)fmin(fmax(spread * exp((double)p->output[2 * i + 1]), 1e-3), 10.0);
}

/* Bin probabilities as the mixture uses them. */
static void bin_probabilities(const problem *p, size_t i, bool published, long double *q)
{
    size_t K = p->flow.n_classes;
    long double mean, deviation, total = 0.0L;
    data_normal(p, i, &mean, &deviation);
    for (size_t k = 0; k < K; k++) {
        q[k] = mass(K, mean, deviation, k);
        if (published)
            q[k] = fminl(fmaxl(q[k], 0x1p-23L), 1.0L - 0x1p-23L);
        total += q[k];
    }
    for (size_t k = 0; published && k < K; k++)
        q[k] /= total;
}

static double brute_discretised(const problem *p, size_t i, bool published)
{
    static long double q[1100];
    size_t K = p->flow.n_classes, n = p->options.n_steps;
    double t = p->t[i / D], s = t + 1.0 / (double)n;
    long double alpha = (long double)bfn_flow_beta(&p->flow, s) - (long double)bfn_flow_beta(&p->flow, t), sum = 0.0L;
    bin_probabilities(p, i, published, q);
    for (size_t j = 0; j < DRAWS; j++) {
        long double y = (long double)p->values[i] + (long double)p->normals[j * B * D + i] / sqrtl(alpha), mix = 0.0L;
        for (size_t k = 0; k < K; k++) {
            long double centre = (long double)(2 * k + 1) / (long double)K - 1;
            mix += q[k] * expl(ln_normal(y, centre, 1 / alpha));
        }
        sum += ln_normal(y, (long double)p->values[i], 1 / alpha) - logl(mix);
    }
    return (double)((long double)n * sum / DRAWS);
}

static void discretised_losses_match_brute_force(void **state)
{
    (void)state;
    const bfn_flow *flows[3] = {&BINS_16, &BINS_256, &BINS_1100};
    for (int f = 0; f < 3; f++) {
        for (int published = 0; published < 2; published++) {
            problem p = make_problem(flows[f], BFN_LOSS_N_STEP, published, 60);
            double loss[B * D];
            run_loss(&p, loss, NULL);
            for (size_t i = 0; i < B * D; i++) {
                double want = brute_discretised(&p, i, published != 0);
                /* data are floats: half an ulp off the centre they name, times alpha */
                assert_close(loss[i], want, 1e-7 * (1.0 + fabs(want)));
            }
        }
    }
}

/* Own bins from likely to hopeless: the published rule changes to the density at 1e-5. */
static void reconstructions_match_brute_force(void **state)
{
    (void)state;
    size_t n_density = 0, n_near = 0, n = 0;
    for (float far = 0.0f; far < 6.0f; far += 0.05f) {
        problem p = make_problem(&BINS_16, BFN_LOSS_RECONSTRUCTION, 0, 61);
        double loss[B * D], published[B * D];
        for (size_t i = 0; i < B * D; i++)
            p.output[2 * i] += p.values[i] > 0.0f ? far : -far;
        run_loss(&p, loss, NULL);
        p.options.published_mixture = 1;
        run_loss(&p, published, NULL);
        for (size_t i = 0; i < B * D; i++, n++) {
            long double mean, deviation;
            data_normal(&p, i, &mean, &deviation);
            long double want = mass(16, mean, deviation, (size_t)p.classes[i]);
            assert_close(loss[i], (double)-logl(want), 1e-9 * (1.0 + loss[i]));
            long double density = -ln_normal((long double)p.values[i], mean, deviation * deviation) - logl(2.0L / 16);
            assert_close(published[i], want < 1e-5L ? (double)density : loss[i], 1e-9 * (1.0 + loss[i]));
            n_density += want < 1e-5L;
            n_near += want < 1e-5L && want > 1e-6L;
        }
    }
    assert_true(n_near > 0 && n_density > n_near && n_density < n);
}

/* Continuous data: bins and width follow from min_variance, or n_classes. */
static void continuous_reconstruction_knows_its_bins(void **state)
{
    (void)state;
    const struct {
        double min_variance, width;
        size_t n_classes, bins;
    } cases[] = {{1e-6, 1e-3, 0, 256}, {1e-3, 0.7 * sqrt(1e-3), 0, 16}, {1e-2, 0.1, 0, 256}, {1e-2, 0.1, 32, 32}};
    for (int c = 0; c < 4; c++) {
        bfn_flow flow = {sizeof flow, BFN_DATA_CONTINUOUS, cases[c].n_classes, 0.0, cases[c].min_variance, 1.0};
        bfn_loss_options options = BFN_LOSS_OPTIONS_INIT;
        options.kind = BFN_LOSS_RECONSTRUCTION;
        const double t = 1.0;
        const float mu = 0.2f, eps = 0.5f;
        double gamma = 1.0 - cases[c].min_variance, x_hat = (double)mu / gamma - sqrt((1.0 - gamma) / gamma) * 0.5,
               loss;
        bfn_flow quantiser = flow;
        quantiser.n_classes = cases[c].bins;
        size_t bin = bfn_flow_bin(&quantiser, x_hat);
        float data = (float)bfn_flow_bin_centre(&quantiser, bin + (c == 1));
        assert_int_equal(bfn_flow_loss(NULL, &flow, &options, 1, 1, &data, &t, &mu, &eps, &loss, NULL), BFN_OK);
        long double want = mass(cases[c].bins, (long double)x_hat, (long double)cases[c].width, bin + (c == 1));
        assert_close(loss, (double)-logl(want), 1e-8 * (1.0 + loss));
    }
}

/* ---------------------------------------------------------------------------------------------------------------- laws */

/* SPEC 10: K = 2, one step, no information yet: the joint loss cannot exceed -ln p; the per-coordinate one does (3.72 against 1.98). */
static void one_binary_step_is_bounded_by_ln_p(void **state)
{
    (void)state;
    enum { N = 20000 };
    static float normals[N * 2];
    bfn__random_normals(4, 0, 0, 0, N * 2, normals);
    bfn_loss_options options = BFN_LOSS_OPTIONS_INIT;
    options.kind = BFN_LOSS_N_STEP;
    options.n_steps = 1;
    options.n_draws = N;
    options.normals = normals;
    const int32_t x = 1;
    const double t = 0.0, ln_p = 1.98;
    const float z[2] = {0}, logit = (float)-log(exp(ln_p) - 1.0);
    double joint, published;
    assert_int_equal(bfn_flow_loss(NULL, &BINARY, &options, 1, 1, &x, &t, z, &logit, &joint, NULL), BFN_OK);
    options.published_mixture = 1;
    assert_int_equal(bfn_flow_loss(NULL, &BINARY, &options, 1, 1, &x, &t, z, &logit, &published, NULL), BFN_OK);
    print_message("K = 2, n = 1: joint %.3f, per coordinate %.3f, -ln p %.3f nats\n", joint, published, ln_p);
    assert_true(joint <= ln_p && joint > ln_p - 0.03);
    assert_close(published, 3.72, 0.05);
}

/* The exact network of one position with class probabilities pi is softmax(z + ln pi). */
static void exact_output(const bfn_flow *flow, const double *pi, const float *z, float *output)
{
    size_t K = flow->n_classes;
    if (K == 2)
        output[0] = (float)((double)z[1] - (double)z[0] + log(pi[1] / pi[0]));
    for (size_t k = 0; K > 2 && k < K; k++)
        output[k] = (float)((double)z[k] + log(pi[k]));
}

/* Mean of loss(t) + reconstruction over data, times and noise, with its standard error. n_steps 0: continuous time. */
static double bound(const bfn_flow *flow, const double *pi, size_t n_steps, size_t n_samples, double *error)
{
    size_t K = flow->n_classes;
    double sum = 0.0, squares = 0.0;
    for (size_t i = 0; i < n_samples; i++) {
        float normals[MAX_WIDTH], z[MAX_WIDTH], output[MAX_WIDTH];
        double u[2], loss, rest, cumulative = 0.0, one = 1.0;
        int32_t x = 0;
        bfn__random_uniforms(6, i, 0, 0, 2, u);
        while (x < (int32_t)K - 1 && u[0] >= (cumulative += pi[x]))
            x++;
        double t = ((double)i + u[1]) / (double)n_samples;
        if (n_steps > 0)
            t = floor(t * (double)n_steps) / (double)n_steps;
        bfn_loss_options options = BFN_LOSS_OPTIONS_INIT;
        options.kind = n_steps > 0 ? BFN_LOSS_N_STEP : BFN_LOSS_CONTINUOUS_TIME;
        options.n_steps = n_steps;
        options.n_draws = 1;
        options.normals = normals;
        bfn__random_normals(6, i, 1, 0, K, normals);
        bfn_flow_draw(flow, 1, 1, &x, &t, normals, z);
        exact_output(flow, pi, z, output);
        bfn__random_normals(6, i, 2, 0, K, normals);
        assert_int_equal(bfn_flow_loss(NULL, flow, &options, 1, 1, &x, &t, z, output, &loss, NULL), BFN_OK);
        options.kind = BFN_LOSS_RECONSTRUCTION;
        bfn__random_normals(6, i, 3, 0, K, normals);
        bfn_flow_draw(flow, 1, 1, &x, &one, normals, z);
        exact_output(flow, pi, z, output);
        assert_int_equal(bfn_flow_loss(NULL, flow, &options, 1, 1, &x, &one, z, output, &rest, NULL), BFN_OK);
        sum += loss + rest;
        squares += (loss + rest) * (loss + rest);
    }
    double n = (double)n_samples, mean = sum / n;
    *error = sqrt((squares / n - mean * mean) / n);
    return mean;
}

static void exact_network_codes_at_the_entropy(void **state)
{
    (void)state;
    const double five[5] = {0.4, 0.3, 0.15, 0.1, 0.05}, two[2] = {0.8, 0.2};
    const struct {
        const bfn_flow *flow;
        const double *pi;
    } sources[2] = {{&FIVE, five}, {&BINARY, two}};
    const size_t steps[] = {0, 1, 3, 20};
    for (int s = 0; s < 2; s++) {
        double entropy = 0.0;
        for (size_t k = 0; k < sources[s].flow->n_classes; k++)
            entropy -= sources[s].pi[k] * log(sources[s].pi[k]);
        for (int i = 0; i < 4; i++) {
            double error, mean = bound(sources[s].flow, sources[s].pi, steps[i], 60000, &error);
            print_message("K = %zu, %2zu steps: %.4f +- %.4f nats, entropy %.4f\n", sources[s].flow->n_classes,
                          steps[i], mean, error, entropy);
            assert_true(error < 0.03);
            assert_close(mean, entropy, 4.0 * error);
        }
    }
}

/* Gaussian data of variance v, exact network: L^inf is the mutual information ln(1 + v beta(1)) / 2. */
static void gaussian_loss_is_the_information(void **state)
{
    (void)state;
    enum { N = 40000 };
    const double v = 0.09, rate = -log(1e-6);
    bfn_flow flow = IMAGE;
    flow.clip = 0.0;
    bfn_loss_options options = BFN_LOSS_OPTIONS_INIT;
    double sum[2] = {0};
    for (size_t i = 0; i < N; i++) {
        float draws[2], x, mu, eps;
        double u, loss;
        bfn__random_normals(7, i, 0, 0, 2, draws);
        bfn__random_uniforms(7, i, 1, 0, 1, &u);
        x = (float)sqrt(v) * draws[0];
        for (int n_step = 0; n_step < 2; n_step++) {
            double t = ((double)i + u) / N;
            options.kind = n_step ? BFN_LOSS_N_STEP : BFN_LOSS_CONTINUOUS_TIME;
            options.n_steps = 10;
            if (n_step)
                t = floor(10.0 * t) / 10.0;
            double beta = bfn_flow_beta(&flow, t), gamma = bfn_flow_gamma(&flow, t);
            bfn_flow_draw(&flow, 1, 1, &x, &t, &draws[1], &mu);
            double x_hat = v * (1.0 + beta) / (1.0 + v * beta) * (double)mu; /* E[x | mu]; beta / gamma = 1 + beta */
            eps = t > 0.0 ? (float)(((double)mu - gamma * x_hat) / bfn_flow_sigma(&flow, t)) : 0.0f;
            assert_int_equal(bfn_flow_loss(NULL, &flow, &options, 1, 1, &x, &t, &mu, &eps, &loss, NULL), BFN_OK);
            sum[n_step] += loss / N;
        }
    }
    double information = 0.5 * log1p(v * (exp(rate) - 1.0)), steps = 0.0;
    for (int i = 0; i < 10; i++) {
        double beta = bfn_flow_beta(&flow, i / 10.0);
        steps += 0.5 * bfn_flow_accuracy(&flow, i / 10.0, (i + 1) / 10.0) * v / (1.0 + v * beta);
    }
    print_message("Gaussian data: L^inf %.4f, information %.4f; L^10 %.4f, closed form %.4f nats\n", sum[0],
                  information, sum[1], steps);
    assert_close(sum[0], information, 0.15); /* standard error 0.036: squares of normals, weights up to rate / 2 */
    assert_close(sum[1], steps, 0.03 * steps);
}

/* The loss of many steps is the continuous-time loss. */
static void many_steps_are_continuous_time(void **state)
{
    (void)state;
    const bfn_flow *flows[] = {&IMAGE, &IMAGE_16};
    for (int f = 0; f < 2; f++) {
        problem p = make_problem(flows[f], BFN_LOSS_N_STEP, 0, 70);
        double steps[B * D], continuous[B * D];
        p.options.n_steps = 10000000;
        run_loss(&p, steps, NULL);
        p.options.kind = BFN_LOSS_CONTINUOUS_TIME;
        run_loss(&p, continuous, NULL);
        for (size_t i = 0; i < B * D; i++)
            assert_close(steps[i], continuous[i], 2e-6 * continuous[i]);
    }
}

/* ------------------------------------------------------------------------------------------------------------- misuse */

static void *no_memory(void *user, size_t bytes, size_t align)
{
    (void)bytes;
    size_t *n_left = user;
    return (*n_left)-- > 0 ? aligned_alloc(align, (bytes + align - 1) / align * align) : NULL;
}

static void free_block(void *user, void *block)
{
    (void)user;
    free(block);
}

static void refused(bfn_context *ctx, problem *p, const char *field)
{
    double loss[B * D];
    const void *data = p->flow.kind == BFN_DATA_DISCRETE ? (const void *)p->classes : (const void *)p->values;
    assert_int_equal(bfn_flow_loss(ctx, &p->flow, &p->options, B, D, data, p->t, p->state, p->output, loss, NULL),
                     BFN_ERR_ARGUMENT);
    if (strstr(bfn_errmsg(ctx), field) == NULL)
        fail_msg("\"%s\" does not name %s", bfn_errmsg(ctx), field);
}

static void bad_options_are_refused(void **state)
{
    (void)state;
    size_t n_left = 1; /* the context itself, and nothing after it */
    bfn_context_options hook = BFN_CONTEXT_OPTIONS_INIT;
    hook.allocator = (bfn_allocator){&n_left, no_memory, free_block};
    bfn_context *ctx;
    assert_int_equal(bfn_context_create(&ctx, &hook), BFN_OK);
    problem p = make_problem(&FIVE, BFN_LOSS_N_STEP, 0, 1), good = p;
    p.options.normals = p.normals;
    p.classes[7] = 5;
    refused(ctx, &p, "data[7]: class 5: 0 to 4");
    p.classes[7] = -1;
    refused(ctx, &p, "class -1");
    p = good;
    p.options.normals = NULL;
    refused(ctx, &p, "normals");
    p.options.n_draws = 0;
    refused(ctx, &p, "n_draws");
    p.options.n_steps = 0;
    refused(ctx, &p, "n_steps");
    p.options.kind = (bfn_loss_kind)0;
    refused(ctx, &p, "kind");
    p.options.kind = (bfn_loss_kind)5;
    refused(ctx, &p, "kind");
    p.options.struct_size = 1;
    refused(ctx, &p, "struct_size");
    p.flow.n_classes = 1;
    refused(ctx, &p, "n_classes");
    p = make_problem(&IMAGE, BFN_LOSS_CROSS_ENTROPY, 0, 1);
    refused(ctx, &p, "discrete data only");
    bfn_context_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_are_differences),
        cmocka_unit_test(published_gradients_are_differences),
        cmocka_unit_test(clipped_predictions_have_no_gradient),
        cmocka_unit_test(discrete_losses_match_brute_force),
        cmocka_unit_test(sure_predictions),
        cmocka_unit_test(discretised_losses_match_brute_force),
        cmocka_unit_test(reconstructions_match_brute_force),
        cmocka_unit_test(continuous_reconstruction_knows_its_bins),
        cmocka_unit_test(one_binary_step_is_bounded_by_ln_p),
        cmocka_unit_test(exact_network_codes_at_the_entropy),
        cmocka_unit_test(gaussian_loss_is_the_information),
        cmocka_unit_test(many_steps_are_continuous_time),
        cmocka_unit_test(bad_options_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
