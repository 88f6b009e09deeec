/* test_sampler.c: the loop over a plan, with networks whose answers are known.
 *
 * Laws of samples (Gaussian and independent categorical data with their exact networks), the sample's independence of batch and
 * threads, the contracts of callbacks, infilling, clipping, moments, replayed noise, and every allocation failing once.
 */
#include "base/random.h"
#include "sample/clip.h"
#include "sample/sampler.h"
#include "sample/update.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const bfn_flow continuous = {sizeof(bfn_flow), BFN_DATA_CONTINUOUS, 0, 0.0, 1e-6, 1.0};
static const bfn_flow bins = {sizeof(bfn_flow), BFN_DATA_DISCRETISED, 16, 0.0, 1e-3, 0.0};
static const bfn_flow classes = {sizeof(bfn_flow), BFN_DATA_DISCRETE, 5, 1.0, 0.0, 0.0};
static const bfn_flow binary = {sizeof(bfn_flow), BFN_DATA_DISCRETE, 2, 3.0, 0.0, 0.0};

static bfn_context *ctx;

static bfn_solver_options solver_of(bfn_method method, size_t n_evaluations)
{
    bfn_solver_options o = BFN_SOLVER_OPTIONS_INIT;
    o.method = method;
    o.n_evaluations = n_evaluations;
    o.grid = BFN_GRID_TIME;
    return o;
}

static void ok(bfn_context *c, bfn_status s)
{
    if (s != BFN_OK)
        fail_msg("%s: %s", bfn_status_text(s), bfn_errmsg(c));
}

/* ---- networks ---- */

/* An exact or invented network, and what it saw. */
typedef struct net {
    const bfn_flow *flow;
    size_t D;
    double mean, variance; /* of Gaussian data */
    const double *prior;   /* [K] of independent classes */
    size_t n_calls, fail_at;
    int fail_with;
    bfn_context *ctx;
    bool nan;
    const unsigned char *known;
    const void *values;
} net;

/* Gaussian data: E[x | mu] in closed form, returned as the noise that belongs to it. */
static int gaussian_net(void *user, size_t first, size_t n, const double *t, const float *shown, float *out)
{
    net *m = user;
    (void)first;
    m->n_calls++;
    for (size_t i = 0; i < n; i++) {
        double gamma = bfn_flow_gamma(m->flow, t[i]), sigma = bfn_flow_sigma(m->flow, t[i]);
        for (size_t d = 0; d < m->D; d++) {
            double mu = (double)shown[i * m->D + d];
            double gain = gamma * m->variance / (gamma * gamma * m->variance + sigma * sigma);
            double x = m->mean + gain * (mu - gamma * m->mean);
            out[i * m->D + d] = sigma > 0.0 ? (float)((mu - gamma * x) / sigma) : 0.0f;
        }
    }
    return 0;
}

/* Independent classes of probabilities `prior`: softmax(ln theta + ln prior). */
static int independent_net(void *user, size_t first, size_t n, const double *t, const float *shown, float *out)
{
    net *m = user;
    (void)first;
    (void)t;
    m->n_calls++;
    size_t K = m->flow->n_classes;
    for (size_t i = 0; i < n * m->D; i++) {
        if (K == 2) {
            double one = 0.5 * (1.0 - (double)shown[i]), zero = 0.5 * (1.0 + (double)shown[i]);
            out[i] = (float)(log(fmax(one, 1e-30) * m->prior[1]) - log(fmax(zero, 1e-30) * m->prior[0]));
            continue;
        }
        for (size_t k = 0; k < K; k++)
            out[i * K + k] = (float)log(fmax((double)shown[i * K + k], 1e-30) * m->prior[k]);
    }
    return 0;
}

/* Any smooth function of what is shown, the position and the time; can misbehave. */
static int wild_net(void *user, size_t first, size_t n, const double *t, const float *shown, float *out)
{
    net *m = user;
    (void)first;
    size_t in = m->D * bfn_flow_shown_width(m->flow), width = m->D * bfn_flow_output_width(m->flow);
    if (m->fail_with != 0 && m->n_calls == m->fail_at) {
        if (m->ctx != NULL)
            (void)bfn__fail(m->ctx, BFN_ERR_MEMORY, "the network is out of memory");
        return m->fail_with;
    }
    m->n_calls++;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < width; j++)
            out[i * width + j] =
                (float)sin(3.0 * (double)shown[i * in + j % in] + 0.7 * (double)j + 2.0 * t[i]) + (j % 7 == 3);
    if (m->nan)
        out[(n - 1) * width] = NAN;
    return 0;
}

/* ---- laws ---- */

static void gaussian_law(void **state)
{
    (void)state;
    enum { N = 80, D = 50 };
    static float x[N * D];
    for (bfn_method method = BFN_METHOD_BFN; method < BFN_METHOD_COUNT; method++) {
        net m = {.flow = &continuous, .D = D, .mean = 0.2, .variance = 0.04};
        bfn_solver_options o = solver_of(method, 0);
        bool first_order = method == BFN_METHOD_BFN || method == BFN_METHOD_EULER || method == BFN_METHOD_EM ||
                           method == BFN_METHOD_ODE1 || method == BFN_METHOD_SDE1;
        o.n_steps = first_order ? 400 : 60;
        o.grid = BFN_GRID_LOGSNR;
        o.last = BFN_LAST_UPDATE;
        o.start = BFN_START_MOMENTS;
        float mean[D];
        for (size_t d = 0; d < D; d++)
            mean[d] = 0.2f;
        bfn_sampler_options s = BFN_SAMPLER_OPTIONS_INIT;
        s.moments.mean = mean;
        s.moments.variance = 0.04;
        s.seed = method;
        s.batch = 40;
        ok(ctx, bfn_sample(ctx, &continuous, &o, &s, D, gaussian_net, &m, N, x));
        double sum = 0.0, square = 0.0;
        for (size_t i = 0; i < N * D; i++)
            sum += (double)x[i], square += (double)x[i] * (double)x[i];
        sum /= N * D;
        square = square / (N * D) - sum * sum;
        double standard = 0.2 / sqrt(N * D);
        if (fabs(sum - 0.2) > 5.0 * standard || fabs(square / 0.04 - 1.0) > 4.0 * sqrt(2.0 / (N * D)) + 0.03)
            fail_msg("%s: mean %g, variance %g", bfn_method_name(method), sum, square);
    }
}

static void independent_law(void **state)
{
    (void)state;
    enum { N = 300, D = 20 };
    static int32_t x[N * D];
    const double prior5[5] = {0.4, 0.1, 0.25, 0.05, 0.2}, prior2[2] = {0.3, 0.7};
    for (bfn_method method = BFN_METHOD_BFN; method < BFN_METHOD_COUNT; method++) {
        for (int two = 0; two < 2; two++) {
            /* a high accuracy at the end, so that the mode of the last output hides no error of the law */
            bfn_flow flow = two ? binary : classes;
            flow.max_sqrt_beta = two ? 4.0 : 3.0;
            net m = {.flow = &flow, .D = D, .prior = two ? prior2 : prior5};
            bfn_solver_options o = solver_of(method, 0);
            o.n_steps = 50;
            bfn_sampler_options s = BFN_SAMPLER_OPTIONS_INIT;
            s.seed = 3;
            s.batch = 100;
            ok(ctx, bfn_sample(ctx, &flow, &o, &s, D, independent_net, &m, N, x));
            for (size_t k = 0; k < flow.n_classes; k++) {
                double count = 0.0, p = m.prior[k];
                for (size_t i = 0; i < N * D; i++)
                    count += x[i] == (int32_t)k;
                count /= N * D;
                if (fabs(count - p) > 5.0 * sqrt(p * (1.0 - p) / (N * D)) + 0.01)
                    fail_msg("%s: class %zu of %zu: %g, want %g", bfn_method_name(method), k, flow.n_classes, count, p);
            }
        }
    }
}

/* ---- batch, threads ---- */

typedef struct work {
    void (*task)(void *arg, size_t i);
    void *arg;
    size_t begin, end;
} work;

static void *work_thread(void *user)
{
    work *w = user;
    for (size_t i = w->end; i > w->begin; i--) /* backwards: order must not matter either */
        w->task(w->arg, i - 1);
    return NULL;
}

static void four_threads(void *user, size_t n, void (*task)(void *arg, size_t i), void *arg)
{
    (void)user;
    pthread_t threads[4];
    work parts[4];
    for (size_t k = 0; k < 4; k++) {
        parts[k] = (work){task, arg, n * k / 4, n * (k + 1) / 4};
        assert_int_equal(pthread_create(&threads[k], NULL, work_thread, &parts[k]), 0);
    }
    for (size_t k = 0; k < 4; k++)
        assert_int_equal(pthread_join(threads[k], NULL), 0);
}

static void sampled(bfn_context *c, const bfn_flow *flow, const bfn_solver_options *o, const bfn_sampler_options *s,
                    size_t D, size_t first, size_t n, void *out)
{
    bfn_plan *plan;
    bfn_sampler *sampler;
    net m = {.flow = flow, .D = D};
    size_t n_evaluations;
    bfn_plan_info info;
    ok(c, bfn_plan_create(c, &plan, flow, o));
    bfn_plan_get_info(plan, &info);
    ok(c, bfn_sampler_create(c, &sampler, flow, plan, D, s));
    bfn_plan_destroy(plan); /* was copied */
    ok(c, bfn_sampler_run(sampler, wild_net, &m, first, n, out, &n_evaluations));
    assert_int_equal(n_evaluations, info.n_evaluations);
    bfn_sampler_destroy(sampler);
}

static void batch_and_threads(void **state)
{
    (void)state;
    enum { N = 11, D = 300 };
    const bfn_flow *flows[] = {&continuous, &bins, &classes, &binary};
    const bfn_method methods[] = {BFN_METHOD_BFN, BFN_METHOD_SDE3M, BFN_METHOD_ODE3M};
    const size_t batches[] = {1, 2, 3, 8, 64};
    static float want[N * D], got[N * D];
    bfn_context_options threads = BFN_CONTEXT_OPTIONS_INIT;
    threads.parallel_for = four_threads;
    bfn_context *parallel;
    assert_int_equal(bfn_context_create(&parallel, &threads), BFN_OK);
    for (size_t f = 0; f < 4; f++)
        for (size_t m = 0; m < 3; m++) {
            bfn_solver_options o = solver_of(methods[m], 7);
            bfn_sampler_options s = BFN_SAMPLER_OPTIONS_INIT;
            s.seed = 0x123456789abcdef0u;
            s.clip = BFN_CLIP_DYNAMIC;
            s.batch = N;
            sampled(ctx, flows[f], &o, &s, D, 0, N, want);
            assert_true(memcmp(want, want + D, D * sizeof want[0]) != 0);
            for (size_t b = 0; b < 5; b++) {
                s.batch = batches[b];
                memset(got, 0, sizeof got);
                sampled(b % 2 == 0 ? ctx : parallel, flows[f], &o, &s, D, 0, N, got);
                assert_memory_equal(got, want, sizeof want);
            }
            sampled(parallel, flows[f], &o, &s, D, 4, 5, got); /* samples 4 .. 8 alone */
            assert_memory_equal(got, want + 4 * D, 5 * D * sizeof got[0]);
            s.seed++;
            sampled(ctx, flows[f], &o, &s, D, 0, N, got);
            assert_true(memcmp(got, want, sizeof want) != 0);
        }
    bfn_context_destroy(parallel);
}

/* Drawn classes for uniforms anywhere, against the CDF in double. */
static void drawn_classes(void **state)
{
    (void)state;
    enum { D = 5000 };
    static float output[D * 5], one_hot[D * 5];
    static double uniforms[D];
    const double t = 0.5;
    bfn__random_normals(1, 2, 3, 0, D * 5, output);
    bfn__random_uniforms(1, 2, 4, 0, D, uniforms);
    bfn_flow_predict_drawn(&classes, 1, D, NULL, &t, output, uniforms, one_hot);
    for (size_t d = 0; d < D; d++) {
        double total = 0.0, sum = 0.0;
        for (size_t k = 0; k < 5; k++)
            total += exp((double)output[5 * d + k]);
        size_t want = 0;
        while (want < 4 && uniforms[d] * total >= (sum += exp((double)output[5 * d + want])))
            want++;
        for (size_t k = 0; k < 5; k++)
            assert_true(one_hot[5 * d + k] == (k == want ? 1.0f : 0.0f));
    }
}

/* ---- arithmetic ---- */

static void update_in_blocks(void **state)
{
    (void)state;
    enum { N = 2500 };
    static float x[N], p[4][N], z[N], want[N];
    const bfn_plan_row row = {.a = 0.7, .b = {1.3, -2.1, 0.0, 0.4}, .k = 0.05, .e = 0.9};
    for (int drawn = 0; drawn < 2; drawn++) {
        if (drawn)
            bfn__random_normals(5, 6, 7, 0, N, z);
        for (size_t i = 0; i < N; i++) {
            x[i] = (float)sin(0.1 * (double)i);
            for (int j = 0; j < 4; j++)
                p[j][i] = (float)cos((double)i + j);
            if (!drawn)
                z[i] = (float)(i % 13) - 6.0f;
            double sum = row.a * (double)x[i] + row.k + row.e * (double)z[i];
            for (int j = 0; j < 4; j++)
                sum += row.b[j] * (double)p[j][i];
            want[i] = (float)sum;
        }
        const float *const predictions[4] = {p[0], p[1], NULL, p[3]}; /* what has no weight is not read */
        const bfn__noise noise = {drawn ? NULL : z, 5, 6, 7};
        bfn__update(&row, N, x, predictions, &noise);
        for (size_t i = 0; i < N; i++)
            assert_true(fabs((double)x[i] - (double)want[i]) <= 1e-6 * (1.0 + fabs((double)want[i])));
    }
}

static int ascending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static void dynamic_clip(void **state)
{
    (void)state;
    enum { MAX = 1000 };
    float p[MAX], sorted[MAX], scratch[MAX], original[MAX];
    const double quantiles[] = {1.0, 0.995, 0.9, 0.5, 0.001};
    for (size_t n = 1; n <= MAX; n = n * 2 + 1)
        for (size_t q = 0; q < 5; q++)
            for (int ties = 0; ties < 2; ties++) {
                bfn__random_normals(n, q, 0, 0, n, p);
                for (size_t i = 0; i < n; i++) {
                    p[i] = ties ? rintf(2.0f * p[i]) : 2.0f * p[i];
                    sorted[i] = fabsf(p[i]);
                }
                memcpy(original, p, n * sizeof p[0]);
                qsort(sorted, n, sizeof sorted[0], ascending);
                double at = quantiles[q] * (double)(n - 1), s = (double)sorted[(size_t)at];
                if ((size_t)at + 1 < n)
                    s += (at - floor(at)) * ((double)sorted[(size_t)at + 1] - s);
                s = fmax(s, 1.0);
                bfn__clip_dynamic(n, p, quantiles[q], scratch);
                for (size_t i = 0; i < n; i++) {
                    double want = fmin(fmax((double)original[i], -s), s) / s;
                    assert_true(fabs((double)p[i] - want) < 1e-6);
                }
            }
}

/* The three clips, on a network whose prediction leaves [-1, 1] by far. */
static int outward_net(void *user, size_t first, size_t n, const double *t, const float *shown, float *out)
{
    const bfn_flow *flow = user;
    (void)first;
    for (size_t i = 0; i < n * 100; i++) { /* x_hat = 0.01, 0.03, .. 1.99 */
        double gamma = bfn_flow_gamma(flow, t[0]), sigma = bfn_flow_sigma(flow, t[0]);
        out[i] = (float)(((double)shown[i] - gamma * (0.01 + 0.02 * (double)(i % 100))) / sigma);
    }
    return 0;
}

static void clips(void **state)
{
    (void)state;
    enum { D = 100 };
    float x[D];
    bfn_solver_options o = solver_of(BFN_METHOD_ODE1, 3);
    for (int clip = 0; clip < 3; clip++) {
        bfn_sampler_options s = BFN_SAMPLER_OPTIONS_INIT;
        s.clip = (bfn_clip)clip;
        s.clip_quantile = 1.0;
        bfn_flow flow = continuous;
        ok(ctx, bfn_sample(ctx, &flow, &o, &s, D, outward_net, &flow, 1, x));
        for (size_t d = 0; d < D; d++) {
            double p = 0.01 + 0.02 * (double)d;
            double want = clip == BFN_CLIP_OFF ? p : clip == BFN_CLIP_DYNAMIC ? p / 1.99 : fmin(p, 1.0);
            assert_true(fabs((double)x[d] - want) < 1e-4);
        }
    }
}

/* ---- start, noise ---- */

typedef struct watch {
    size_t n_steps, cancel_at, n_rows, samples_seen;
    float state[64];
    float prediction[64];
    double t;
} watch;

static int watch_step(void *user, const bfn_sample_step *step)
{
    watch *w = user;
    assert_int_equal(step->row, w->n_steps % (step->n_rows + 1));
    assert_true((step->sample != NULL) == (step->row == step->n_rows));
    assert_true(step->t >= w->t || step->row == 0);
    w->t = step->t;
    w->n_rows = step->n_rows;
    w->samples_seen += step->sample != NULL ? step->n : 0;
    if (step->row == 0) {
        memcpy(w->state, step->state, sizeof w->state);
        memcpy(w->prediction, step->prediction, sizeof w->prediction);
    }
    return w->n_steps++ == w->cancel_at;
}

static void starts(void **state)
{
    (void)state;
    enum { D = 64 };
    float mean[D], z[D], x[D];
    for (size_t d = 0; d < D; d++)
        mean[d] = 0.01f * (float)d - 0.3f;
    bfn__random_normals(9, 0, bfn__draw(0, BFN__DRAW_NOISE), 0, D, z);
    for (int moments = 0; moments < 2; moments++) {
        watch w = {.cancel_at = SIZE_MAX};
        net m = {.flow = &continuous, .D = D};
        bfn_solver_options o = solver_of(BFN_METHOD_SDE1, 4);
        o.start = moments ? BFN_START_MOMENTS : BFN_START_ZERO_MEAN;
        bfn_sampler_options s = BFN_SAMPLER_OPTIONS_INIT;
        s.seed = 9;
        s.batch = 1;
        s.moments.mean = mean;
        s.moments.variance = 0.25;
        s.step = watch_step;
        s.step_user = &w;
        ok(ctx, bfn_sample(ctx, &continuous, &o, &s, D, wild_net, &m, 1, x));
        double gamma = 1.0 - pow(1e-6, 0.01);
        for (size_t d = 0; d < D; d++) {
            double variance = gamma * (1.0 - gamma) + (moments ? gamma * gamma * 0.25 : 0.0);
            double want = (moments ? gamma * (double)mean[d] : 0.0) + sqrt(variance) * (double)z[d];
            assert_true(fabs((double)w.state[d] - want) < 1e-6);
            assert_true(w.prediction[d] == mean[d]); /* what is known before the first call */
        }
    }
    /* discrete: mean beta (K E[e_x] - 1), variance K beta + K beta^2 tr Cov / D */
    float probabilities[60];
    int32_t k[12];
    for (size_t i = 0; i < 60; i++)
        probabilities[i] = i % 5 == 2 ? 0.6f : 0.1f;
    watch w = {.cancel_at = SIZE_MAX};
    net m = {.flow = &classes, .D = 12};
    bfn_solver_options o = solver_of(BFN_METHOD_SDE1, 4);
    o.start = BFN_START_MOMENTS;
    o.eta = 0.3;
    o.eta_is_set = 1;
    bfn_sampler_options s = BFN_SAMPLER_OPTIONS_INIT;
    s.seed = 9;
    s.moments.mean = probabilities;
    s.moments.variance = 0.6;
    s.step = watch_step;
    s.step_user = &w;
    ok(ctx, bfn_sample(ctx, &classes, &o, &s, 12, wild_net, &m, 1, k));
    for (size_t i = 0; i < 60; i++) {
        double beta = 0.09, want = beta * (5.0 * (double)probabilities[i] - 1.0);
        want += sqrt(5.0 * beta + 5.0 * beta * beta * 0.6) * (double)z[i];
        assert_true(fabs((double)w.state[i] - want) < 1e-6);
        assert_true(fabs((double)w.prediction[i] - 0.2) < 1e-7);
    }
}

/* At t = 0 the mean of continuous data is the prediction, whatever the network says; without moments it is 0. */
static void prediction_at_zero(void **state)
{
    (void)state;
    const float mean[2] = {0.5f, -0.25f};
    float x[2];
    for (int known = 0; known < 2; known++) {
        net m = {.flow = &continuous, .D = 2};
        bfn_solver_options o = solver_of(BFN_METHOD_ODE1, 1);
        o.eta_is_set = 1;
        bfn_sampler_options s = BFN_SAMPLER_OPTIONS_INIT;
        s.moments.mean = known ? mean : NULL;
        ok(ctx, bfn_sample(ctx, &continuous, &o, &s, 2, wild_net, &m, 1, x));
        assert_int_equal(m.n_calls, 1);
        for (int d = 0; d < 2; d++)
            assert_true(x[d] == (known ? mean[d] : 0.0f));
    }
}

/* Noise, uniforms and initial states that a caller brings are used exactly like those that are drawn. */
static void replayed_randoms(void **state)
{
    (void)state;
    enum { N = 3, D = 7, STEPS = 4 };
    const bfn_flow *flows[] = {&classes, &bins};
    for (int f = 0; f < 2; f++) {
        size_t w = bfn_flow_state_width(flows[f]);
        static float noise[STEPS * N * D * 5], initial[N * D * 5];
        static double uniforms[(STEPS + 1) * N * D];
        float normals[D];
        bfn_solver_options o = solver_of(BFN_METHOD_BFN, 0);
        o.n_steps = STEPS;
        o.eta_is_set = 1;
        o.eta = 0.1;
        bfn_plan *plan;
        bfn_plan_info info;
        ok(ctx, bfn_plan_create(ctx, &plan, flows[f], &o));
        bfn_plan_get_info(plan, &info);
        bfn_plan_destroy(plan);
        for (size_t i = 0; i < N; i++) {
            bfn__random_normals(4, i, 0, 0, D * w, initial + i * D * w);
            for (size_t j = 0; j < D * w; j++)
                initial[i * D * w + j] *= (float)info.start_std;
            for (size_t r = 0; r < STEPS; r++) {
                uint32_t draw = bfn__draw(r + 1, BFN__DRAW_CATEGORY);
                double *u = uniforms + (r * N + i) * D;
                bfn__random_normals(4, i, bfn__draw(r + 1, BFN__DRAW_NOISE), 0, D * w, noise + (r * N + i) * D * w);
                bfn__random_uniforms(4, i, draw, 0, D, u);
                bfn__random_normals(4, i, draw, 0, D, normals);
                for (size_t d = 0; f == 1 && d < D; d++)
                    u[d] = (double)normals[d];
            }
        }
        int32_t drawn[N * D], given[N * D];
        bfn_sampler_options s = BFN_SAMPLER_OPTIONS_INIT;
        s.seed = 4;
        s.batch = 2;
        net m = {.flow = flows[f], .D = D};
        ok(ctx, bfn_sample(ctx, flows[f], &o, &s, D, wild_net, &m, N, drawn));
        s.seed = 77;
        s.initial_state = initial;
        s.noise = noise;
        s.category_uniforms = uniforms;
        ok(ctx, bfn_sample(ctx, flows[f], &o, &s, D, wild_net, &m, N, given));
        assert_memory_equal(drawn, given, sizeof drawn);
        s.noise = NULL;
        ok(ctx, bfn_sample(ctx, flows[f], &o, &s, D, wild_net, &m, N, given));
        assert_true(memcmp(drawn, given, sizeof drawn) != 0);
    }
}

/* Rows without noise take none of what the caller brings: here correctors, and steps whose number of rows differs. */
static void replayed_noise_of_rows(void **state)
{
    (void)state;
    enum { D = 9, MAX = 16 };
    static float noise[MAX * D];
    float drawn[D], given[D];
    bfn_solver_options o = solver_of(BFN_METHOD_SDE2M, 6);
    o.corrector = 1;
    bfn_plan *plan;
    bfn_plan_info info;
    ok(ctx, bfn_plan_create(ctx, &plan, &continuous, &o));
    bfn_plan_get_info(plan, &info);
    size_t n_noisy = 0;
    for (size_t i = 0; i < info.n_rows; i++)
        if (bfn_plan_rows(plan)[i].e != 0.0)
            bfn__random_normals(0, 0, bfn__draw(i + 1, BFN__DRAW_NOISE), 0, D, noise + n_noisy++ * D);
    bfn_plan_destroy(plan);
    assert_int_equal(n_noisy, 5);
    assert_int_equal(info.n_rows, 10);
    bfn_sampler_options s = BFN_SAMPLER_OPTIONS_INIT;
    net m = {.flow = &continuous, .D = D};
    ok(ctx, bfn_sample(ctx, &continuous, &o, &s, D, wild_net, &m, 1, drawn));
    s.noise = noise;
    ok(ctx, bfn_sample(ctx, &continuous, &o, &s, D, wild_net, &m, 1, given));
    assert_memory_equal(drawn, given, sizeof drawn);
}

/* ---- callbacks ---- */

static void steps_and_cancel(void **state)
{
    (void)state;
    enum { N = 5, D = 6 };
    int32_t x[N * D];
    bfn_solver_options o = solver_of(BFN_METHOD_ODE3M, 9);
    o.corrector = 1;
    o.last = BFN_LAST_CALL;
    bfn_sampler_options s = BFN_SAMPLER_OPTIONS_INIT;
    s.batch = 2;
    watch w = {.cancel_at = SIZE_MAX};
    s.step = watch_step;
    s.step_user = &w;
    net m = {.flow = &classes, .D = D};
    ok(ctx, bfn_sample(ctx, &classes, &o, &s, D, wild_net, &m, N, x));
    assert_int_equal(m.n_calls, 9 * 3);
    assert_int_equal(w.n_steps, 3 * (w.n_rows + 1));
    assert_int_equal(w.samples_seen, N);
    w = (watch){.cancel_at = 3};
    assert_int_equal(bfn_sample(ctx, &classes, &o, &s, D, wild_net, &m, N, x), BFN_CANCELLED);
    assert_int_equal(w.n_steps, 4);
    assert_non_null(strstr(bfn_errmsg(ctx), "row 3"));
}

static void network_failures(void **state)
{
    (void)state;
    enum { N = 5, D = 6 };
    int32_t x[N * D];
    bfn_solver_options o = solver_of(BFN_METHOD_ODE2M, 9);
    bfn_sampler_options s = BFN_SAMPLER_OPTIONS_INIT;
    s.batch = 3;
    net m = {.flow = &classes, .D = D, .fail_at = 10, .fail_with = 42};
    assert_int_equal(bfn_sample(ctx, &classes, &o, &s, D, wild_net, &m, N, x), BFN_CANCELLED);
    assert_int_equal(m.n_calls, 10);
    assert_non_null(strstr(bfn_errmsg(ctx), "42"));
    assert_non_null(strstr(bfn_errmsg(ctx), "samples 3 to 4"));
    m = (net){.flow = &classes, .D = D, .fail_with = BFN_ERR_MEMORY, .ctx = ctx};
    assert_int_equal(bfn_sample(ctx, &classes, &o, &s, D, wild_net, &m, N, x), BFN_ERR_MEMORY);
    assert_string_equal(bfn_errmsg(ctx), "the network is out of memory");
    m = (net){.flow = &classes, .D = D, .nan = true};
    assert_int_equal(bfn_sample(ctx, &classes, &o, &s, D, wild_net, &m, N, x), BFN_ERR_DIVERGED);
    assert_non_null(strstr(bfn_errmsg(ctx), "sample 2"));
    assert_int_equal(m.n_calls, 1);
}

/* ---- what the sample is ---- */

/* The network answers class (number of the call) everywhere: the last call decides, or the state. */
static int counting_net(void *user, size_t first, size_t n, const double *t, const float *shown, float *out)
{
    net *m = user;
    (void)first;
    (void)shown;
    (void)t;
    memset(out, 0, n * m->D * 5 * sizeof *out);
    for (size_t i = 0; i < n * m->D; i++)
        out[i * 5 + m->n_calls % 5] = 60.0f;
    m->n_calls++;
    return 0;
}

static void last_rules(void **state)
{
    (void)state;
    int32_t x[3];
    bfn_flow flow = classes;
    flow.max_sqrt_beta = 20.0;
    for (bfn_last last = BFN_LAST_PREDICT; last <= BFN_LAST_CALL; last++) {
        net m = {.flow = &flow, .D = 3};
        bfn_solver_options o = solver_of(BFN_METHOD_SDE1, 0);
        o.n_steps = 3;
        o.last = last;
        ok(ctx, bfn_sample(ctx, &flow, &o, NULL, 3, counting_net, &m, 1, x));
        assert_int_equal(m.n_calls, last == BFN_LAST_CALL ? 4 : 3);
        for (int d = 0; d < 3; d++)
            assert_int_equal(x[d], last == BFN_LAST_CALL ? 3 : 2);
    }
}

/* ---- infilling ---- */

static int known_net(void *user, size_t first, size_t n, const double *t, const float *shown, float *out)
{
    net *m = user;
    size_t w = bfn_flow_shown_width(m->flow);
    for (size_t i = 0; i < n * m->D; i++) {
        size_t d = i % m->D;
        if (m->known[d] == 0)
            continue;
        int32_t k = ((const int32_t *)m->values)[d];
        for (size_t c = 0; c < w; c++) {
            double want = m->flow->kind != BFN_DATA_DISCRETE ? (double)((const float *)m->values)[d]
                          : w == 1                           ? (k == 0 ? 1.0 : -1.0)
                                                             : (double)((size_t)k == c);
            assert_true((double)shown[i * w + c] == want);
        }
    }
    return wild_net(user, first, n, t, shown, out);
}

static void infilling(void **state)
{
    (void)state;
    enum { N = 3, D = 6 };
    const unsigned char known[D] = {1, 0, 0, 7, 0, 1};
    const int32_t ones[D] = {1, -5, -5, 0, -5, 1};
    const float reals[D] = {0.25f, NAN, NAN, -0.75f, NAN, 1.0f};
    const bfn_flow *flows[] = {&continuous, &bins, &classes, &binary};
    for (int f = 0; f < 4; f++)
        for (bfn_last last = BFN_LAST_PREDICT; last <= BFN_LAST_CALL; last++) {
            bool discrete = flows[f]->kind == BFN_DATA_DISCRETE;
            net m = {.flow = flows[f], .D = D, .known = known, .values = discrete ? (const void *)ones : reals};
            bfn_solver_options o = solver_of(f % 2 == 0 ? BFN_METHOD_SDE2M : BFN_METHOD_BFN, 6);
            o.last = last;
            bfn_sampler_options s = BFN_SAMPLER_OPTIONS_INIT;
            s.known = known;
            s.known_values = m.values;
            int32_t k[N * D];
            float x[N * D];
            ok(ctx, bfn_sample(ctx, flows[f], &o, &s, D, known_net, &m, N, discrete ? (void *)k : x));
            for (size_t i = 0; i < N * D; i++) {
                if (known[i % D] != 0 && discrete)
                    assert_int_equal(k[i], ones[i % D]);
                else if (known[i % D] != 0)
                    assert_true(x[i] == reals[i % D]);
                else if (discrete)
                    assert_true(k[i] >= 0 && k[i] < (int32_t)flows[f]->n_classes);
                else
                    assert_true(isfinite(x[i]));
            }
        }
}

/* ---- options, memory ---- */

static void refusals(void **state)
{
    (void)state;
    bfn_plan *plan;
    bfn_sampler *sampler;
    bfn_solver_options o = solver_of(BFN_METHOD_ODE1, 3);
    ok(ctx, bfn_plan_create(ctx, &plan, &classes, &o));
    const unsigned char known[2] = {0, 1};
    const int32_t values[2] = {99, 5};
    const bfn_sampler_options good = BFN_SAMPLER_OPTIONS_INIT;
    bfn_sampler_options s;
#define REFUSED(change, D, field, found)                                                                               \
    do {                                                                                                               \
        s = good;                                                                                                      \
        change;                                                                                                        \
        assert_int_equal(bfn_sampler_create(ctx, &sampler, &classes, plan, D, &s), BFN_ERR_ARGUMENT);                  \
        assert_null(sampler);                                                                                          \
        assert_non_null(strstr(bfn_errmsg(ctx), field));                                                               \
        assert_non_null(strstr(bfn_errmsg(ctx), found));                                                               \
    } while (0)
    REFUSED(s.struct_size = 1, 2, "struct_size", "1");
    REFUSED(s.batch = 65537, 2, "batch", "65537");
    REFUSED(s.clip = (bfn_clip)3, 2, "clip", "3");
    REFUSED(s.clip_quantile = 1.5, 2, "clip_quantile", "1.5");
    REFUSED(s.clip_quantile = NAN, 2, "clip_quantile", "nan");
    REFUSED(s.known = known, 2, "known_values", "none");
    REFUSED((s.known = known, s.known_values = values), 2, "position 1", "class 5");
    REFUSED(s.batch = 0, 0, "positions", "0");
#undef REFUSED
    bfn_plan_destroy(plan);
    o.start = BFN_START_MOMENTS;
    ok(ctx, bfn_plan_create(ctx, &plan, &classes, &o));
    assert_int_equal(bfn_sampler_create(ctx, &sampler, &classes, plan, 2, NULL), BFN_ERR_ARGUMENT);
    assert_non_null(strstr(bfn_errmsg(ctx), "moments"));
    bfn_plan_destroy(plan);
}

typedef struct heap {
    size_t n_allocations, fail_at;
    long balance;
} heap;

static void *heap_alloc(void *user, size_t bytes, size_t align)
{
    heap *h = user;
    if (h->n_allocations++ == h->fail_at)
        return NULL;
    h->balance++;
    return aligned_alloc(align, (bytes + align - 1) / align * align);
}

static void heap_free(void *user, void *block)
{
    heap *h = user;
    h->balance--;
    free(block);
}

static int count_allocations(void *user, const bfn_sample_step *step)
{
    heap *h = user;
    if (step->row == 0)
        h->fail_at = h->n_allocations; /* none from here on */
    return 0;
}

static void every_allocation_fails(void **state)
{
    (void)state;
    float x[20];
    bfn_flow flow = continuous;
    size_t n_failures = 0;
    for (size_t k = 0;; k++) {
        heap h = {.fail_at = k};
        bfn_context_options co = BFN_CONTEXT_OPTIONS_INIT;
        co.allocator = (bfn_allocator){&h, heap_alloc, heap_free};
        bfn_context *c;
        bfn_status s = bfn_context_create(&c, &co);
        if (k == 0) {
            assert_int_equal(s, BFN_ERR_MEMORY);
            assert_null(c);
            continue;
        }
        ok(NULL, s);
        bfn_solver_options o = solver_of(BFN_METHOD_ODE3M, 8);
        o.corrector = 1;
        bfn_sampler_options so = BFN_SAMPLER_OPTIONS_INIT;
        so.clip = BFN_CLIP_DYNAMIC;
        so.step = count_allocations;
        so.step_user = &h;
        net m = {.flow = &flow, .D = 5};
        s = bfn_sample(c, &flow, &o, &so, 5, wild_net, &m, 4, x);
        if (s != BFN_OK) {
            assert_int_equal(s, BFN_ERR_MEMORY);
            assert_non_null(strstr(bfn_errmsg(c), "memory"));
            n_failures++;
        }
        bfn_context_destroy(c);
        assert_int_equal(h.balance, 0);
        if (s == BFN_OK)
            break;
    }
    assert_true(n_failures >= 10);
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
        cmocka_unit_test(gaussian_law),
        cmocka_unit_test(independent_law),
        cmocka_unit_test(batch_and_threads),
        cmocka_unit_test(drawn_classes),
        cmocka_unit_test(update_in_blocks),
        cmocka_unit_test(dynamic_clip),
        cmocka_unit_test(clips),
        cmocka_unit_test(starts),
        cmocka_unit_test(replayed_randoms),
        cmocka_unit_test(replayed_noise_of_rows),
        cmocka_unit_test(prediction_at_zero),
        cmocka_unit_test(steps_and_cancel),
        cmocka_unit_test(network_failures),
        cmocka_unit_test(last_rules),
        cmocka_unit_test(infilling),
        cmocka_unit_test(refusals),
        cmocka_unit_test(every_allocation_fails),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
