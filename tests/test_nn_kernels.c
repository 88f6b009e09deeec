/* test_nn_kernels.c: every kernel of every instruction set that runs here, against the same formula in double, for all lengths
 * around the vector widths; and the optimiser.
 */
#include "nn/graph.h"
#include "nn/kernels.h"
#include "nn/peak.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_N = 70, ROWS = 11, LD = 73, COUNT = ROWS * LD };
static const float GUARD = -12345.0f;

typedef struct matrix {
    float x[COUNT];
} matrix;

static uint64_t random_state = 1;

static double uniform(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (double)(random_state >> 11) / 4503599627370496.0 - 1.0;
}

static matrix random_matrix(size_t n, double scale)
{
    matrix m;
    for (size_t i = 0; i < COUNT; i++)
        m.x[i] = i % LD < n ? (float)(scale * uniform()) : GUARD;
    return m;
}

static double at(const matrix *m, size_t row, size_t col)
{
    return (double)m->x[row * LD + col];
}

static void near(const char *what, const bfn__kernels *k, size_t n, double got, double want, double bound)
{
    if (!(fabs(got - want) <= bound))
        fail_msg("%s (%s), n = %zu: %.9g, should be %.9g", what, k->name, n, got, want);
}

/* Nothing right of the columns may be written. */
static void guarded(const char *what, const bfn__kernels *k, size_t n, const matrix *m)
{
    for (size_t r = 0; r < ROWS; r++)
        for (size_t i = n; i < LD; i++)
            if (m->x[r * LD + i] != GUARD)
                fail_msg("%s (%s), n = %zu: wrote to column %zu", what, k->name, n, i);
}

static void each_kernel(void (*check)(const bfn__kernels *k, size_t n))
{
    const bfn__kernels *tables[8];
    size_t n_tables = bfn__kernels_list(tables, 8);
    assert_true(n_tables >= 1 && tables[0] == bfn__kernels_get());
    assert_string_equal(tables[n_tables - 1]->name, "base");
    for (size_t i = 0; i < n_tables; i++)
        for (size_t n = 1; n <= MAX_N; n++)
            check(tables[i], n);
}

static double gelu(double x)
{
    return 0.5 * x * (1.0 + tanh(sqrt(2.0 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
}

static void check_gelu(const bfn__kernels *k, size_t n)
{
    matrix x = random_matrix(n, 6.0), before = x, y = random_matrix(n, 1.0), bias = random_matrix(n, 1.0);
    x.x[0] = before.x[0] = 60.0f; /* far out: no overflow, no NaN */
    if (n > 1)
        x.x[1] = before.x[1] = -60.0f;
    k->bias_gelu(ROWS, n, x.x, LD, bias.x, y.x, LD);
    for (size_t r = 0; r < ROWS; r++) {
        for (size_t i = 0; i < n; i++) {
            double v = (double)(before.x[r * LD + i] + bias.x[i]);
            near("bias_gelu: x", k, n, at(&x, r, i), v, 0.0);
            near("bias_gelu", k, n, at(&y, r, i), gelu(v), 4e-7 * fmax(1.0, fabs(v)));
        }
    }
    guarded("bias_gelu", k, n, &y);
    matrix in_place = before;
    k->bias_gelu(ROWS, n, in_place.x, LD, bias.x, in_place.x, LD);
    assert_memory_equal(in_place.x, y.x, sizeof y.x);
    matrix d = random_matrix(n, 1.0), d_before = d;
    k->gelu_backward(ROWS, n, x.x, LD, d.x, LD);
    for (size_t r = 0; r < ROWS; r++) {
        for (size_t i = 0; i < n; i++) {
            double v = at(&x, r, i), slope = (gelu(v + 1e-5) - gelu(v - 1e-5)) / 2e-5;
            near("gelu_backward", k, n, at(&d, r, i), at(&d_before, r, i) * slope, 3e-6);
        }
    }
    guarded("gelu_backward", k, n, &d);
}

static void check_layernorm(const bfn__kernels *k, size_t n)
{
    matrix x = random_matrix(n, 1.0), y = random_matrix(n, 1.0), g = random_matrix(n, 1.0), b = random_matrix(n, 1.0);
    matrix dy = random_matrix(n, 1.0), dx = random_matrix(n, 1.0), dx_before = dx;
    float stats[2 * ROWS], dgamma[MAX_N] = {0}, dbeta[MAX_N] = {0};
    for (size_t i = 0; i < n; i++)
        x.x[LD + i] += 100.0f; /* a large mean must not cancel */
    k->layernorm(ROWS, n, 1e-5f, x.x, LD, g.x, b.x, y.x, LD, stats);
    k->layernorm_backward(ROWS, n, x.x, LD, stats, g.x, dy.x, LD, dx.x, LD, true, dgamma, dbeta);
    double want_gamma[MAX_N] = {0}, want_beta[MAX_N] = {0};
    for (size_t r = 0; r < ROWS; r++) {
        double mean = 0.0, var = 0.0, mg = 0.0, mgh = 0.0, loose = r == 1 ? 60.0 : 1.0;
        for (size_t i = 0; i < n; i++)
            mean += at(&x, r, i) / (double)n;
        for (size_t i = 0; i < n; i++)
            var += pow(at(&x, r, i) - mean, 2.0) / (double)n;
        double rstd = 1.0 / sqrt(var + 1e-5);
        for (size_t i = 0; i < n; i++) {
            double h = (at(&x, r, i) - mean) * rstd, d = at(&dy, r, i) * (double)g.x[i];
            near("layernorm", k, n, at(&y, r, i), h * (double)g.x[i] + (double)b.x[i], 4e-6 * loose * fmin(rstd, 10.0));
            mg += d / (double)n;
            mgh += d * h / (double)n;
            want_gamma[i] += at(&dy, r, i) * h;
            want_beta[i] += at(&dy, r, i);
        }
        for (size_t i = 0; i < n; i++) {
            double h = (at(&x, r, i) - mean) * rstd, d = at(&dy, r, i) * (double)g.x[i];
            near("layernorm_backward", k, n, at(&dx, r, i), at(&dx_before, r, i) + rstd * (d - mg - h * mgh),
                 4e-6 * loose * rstd * rstd + 1e-6);
        }
    }
    for (size_t i = 0; i < n; i++) {
        near("layernorm_backward: weight", k, n, (double)dgamma[i], want_gamma[i], 3e-3);
        near("layernorm_backward: bias", k, n, (double)dbeta[i], want_beta[i], 1e-5);
    }
    guarded("layernorm", k, n, &y);
    guarded("layernorm_backward", k, n, &dx);
}

static void check_softmax(const bfn__kernels *k, size_t n)
{
    for (int causal = 0; causal < 2; causal++) {
        const double scale = 0.7;
        const size_t first = 3;
        matrix s = random_matrix(n, 20.0), before = s, again = s, p, dp = random_matrix(n, 1.0), dp_before = dp;
        float lse[ROWS];
        s.x[0] = before.x[0] = again.x[0] = 300.0f; /* must not overflow */
        k->softmax(ROWS, n, (float)scale, causal != 0, first, s.x, LD, lse);
        k->softmax_again(ROWS, n, (float)scale, causal != 0, first, again.x, LD, lse);
        p = s;
        k->softmax_backward(ROWS, n, (float)scale, p.x, LD, dp.x, LD);
        for (size_t r = 0; r < ROWS; r++) {
            size_t valid = causal != 0 && first + r + 1 < n ? first + r + 1 : n;
            double max = -1e30, sum = 0.0, dot = 0.0;
            for (size_t i = 0; i < valid; i++)
                max = fmax(max, scale * at(&before, r, i));
            for (size_t i = 0; i < valid; i++)
                sum += exp(scale * at(&before, r, i) - max);
            near("softmax: lse", k, n, (double)lse[r], max + log(sum), 2e-5);
            for (size_t i = 0; i < n; i++) {
                double want = i < valid ? exp(scale * at(&before, r, i) - max) / sum : 0.0;
                near("softmax", k, n, at(&s, r, i), want, 2e-6);
                near("softmax_again", k, n, at(&again, r, i), want, 2e-5);
                dot += at(&p, r, i) * at(&dp_before, r, i);
            }
            for (size_t i = 0; i < n; i++)
                near("softmax_backward", k, n, at(&dp, r, i), at(&p, r, i) * (at(&dp_before, r, i) - dot) * scale,
                     1e-6);
        }
        guarded("softmax", k, n, &s);
        guarded("softmax_again", k, n, &again);
        guarded("softmax_backward", k, n, &dp);
    }
}

static void check_simple(const bfn__kernels *k, size_t n)
{
    matrix x = random_matrix(n, 2.0), y = random_matrix(n, 2.0), r = random_matrix(n, 2.0), z = y;
    matrix bias = random_matrix(n, 1.0);
    float sums[MAX_N] = {0};
    k->bias_residual(ROWS, n, z.x, LD, bias.x, r.x, LD, z.x, LD);
    for (size_t row = 0; row < ROWS; row++)
        for (size_t i = 0; i < n; i++)
            near("bias_residual", k, n, at(&z, row, i), at(&y, row, i) + at(&bias, 0, i) + at(&r, row, i), 1e-6);
    guarded("bias_residual", k, n, &z);
    k->column_sums(ROWS, n, x.x, LD, sums);
    double squares = 0.0;
    for (size_t i = 0; i < n; i++) {
        double want = 0.0;
        for (size_t row = 0; row < ROWS; row++)
            want += at(&x, row, i);
        near("column_sums", k, n, (double)sums[i], want, 1e-5);
        squares += at(&x, 0, i) * at(&x, 0, i);
    }
    near("sum_squares", k, n, k->sum_squares(n, x.x), squares, 1e-12 * squares);
    z = y;
    k->affine(n, 2.0f, -1.0f, x.x, z.x);
    k->scale(n, 0.5f, x.x, z.x + LD, true);
    k->scale(n, 0.5f, x.x, z.x + 2 * LD, false);
    k->add(n, x.x, y.x, z.x + 3 * LD);
    k->ema(n, 0.75f, 0.25f, x.x, z.x + 4 * LD);
    for (size_t i = 0; i < n; i++) {
        near("affine", k, n, at(&z, 0, i), 2.0 * at(&x, 0, i) - 1.0, 1e-6);
        near("scale", k, n, at(&z, 1, i), at(&y, 1, i) + 0.5 * at(&x, 0, i), 1e-6);
        near("scale", k, n, at(&z, 2, i), 0.5 * at(&x, 0, i), 0.0);
        near("add", k, n, at(&z, 3, i), at(&x, 0, i) + at(&y, 0, i), 1e-6);
        near("ema", k, n, at(&z, 4, i), 0.75 * at(&y, 4, i) + 0.25 * at(&x, 0, i), 1e-6);
    }
    guarded("affine, scale, add, ema", k, n, &z);
}

/* bfloat16 keeps 8 bits: ties to even, infinity and NaN stay what they are. */
static void check_bf16(const bfn__kernels *k, size_t n)
{
    const float in[] = {1.0f, 1.00390625f, 1.01171875f, -1.004f, 3.3895314e38f, INFINITY, 0.0f, 1e-40f};
    const float want[] = {1.0f, 1.0f, 1.015625f, -1.0078125f, 3.3895314e38f, INFINITY, 0.0f, 9.1835e-41f};
    float x[MAX_N] = {0}, y[MAX_N + 1];
    uint16_t h[MAX_N + 1];
    for (size_t i = 0; i < n; i++)
        x[i] = i % 9 == 8 ? NAN : in[i % 9];
    y[n] = GUARD;
    h[n] = 77;
    k->round_bf16(n, x, y);
    k->to_bf16(n, x, h);
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &y[i], sizeof bits);
        assert_int_equal(bits & 0xffffu, 0);
        assert_int_equal(bits >> 16, h[i]);
        if (i % 9 == 8)
            assert_true(isnan(y[i]));
        else if (y[i] != want[i % 9])
            near("round_bf16", k, n, (double)y[i], (double)want[i % 9], 1e-42);
    }
    assert_true(y[n] == GUARD && h[n] == 77);
}

static void check_adamw(const bfn__kernels *k, size_t n)
{
    matrix g = random_matrix(n, 1.0), p = random_matrix(n, 1.0), m = random_matrix(n, 0.1), v = random_matrix(n, 0.1);
    for (size_t i = 0; i < n; i++)
        v.x[i] = fabsf(v.x[i]);
    matrix p0 = p, m0 = m, v0 = v;
    k->adamw(n, 0.5f, 0.9f, 0.98f, 1e-8f, 0.01f, 0.002f, 3.0f, g.x, p.x, m.x, v.x);
    for (size_t i = 0; i < n; i++) {
        double gi = 0.5 * at(&g, 0, i), mi = 0.9 * at(&m0, 0, i) + 0.1 * gi, vi = 0.98 * at(&v0, 0, i) + 0.02 * gi * gi;
        near("adamw: m", k, n, at(&m, 0, i), mi, 1e-6);
        near("adamw: v", k, n, at(&v, 0, i), vi, 1e-6);
        near("adamw", k, n, at(&p, 0, i), 0.99 * at(&p0, 0, i) - 0.002 * mi / (sqrt(3.0 * vi) + 1e-8), 1e-6);
    }
    guarded("adamw", k, n, &p);
    guarded("adamw", k, n, &m);
    guarded("adamw", k, n, &v);
}

static void kernels(void **state)
{
    (void)state;
    each_kernel(check_gelu);
    each_kernel(check_layernorm);
    each_kernel(check_softmax);
    each_kernel(check_simple);
    each_kernel(check_bf16);
    each_kernel(check_adamw);
}

/* ---- the optimiser on a network: which parameters decay, which are left alone, and several pieces of one ---- */
static void optimiser(void **state)
{
    (void)state;
    bfn_context *ctx;
    bfn__net *net;
    assert_int_equal(bfn_context_create(&ctx, NULL), BFN_OK);
    assert_int_equal(bfn__graph_create(ctx, &net, "test"), BFN_OK);
    int decays = bfn__graph_param(net, "a", 300, 301, BFN__INIT_NORMAL, 1.0, true);
    int stays = bfn__graph_param(net, "b", 40000, 0, BFN__INIT_NORMAL, 1.0, false);
    int fixed = bfn__graph_fixed(net, "c", 10, 10);
    size_t n = bfn__net_arena(net);
    float *a[5];
    for (size_t i = 0; i < 5; i++) { /* params, grads, m, v, average */
        a[i] = calloc(n, sizeof **a);
        for (size_t j = 0; j < n; j++)
            a[i][j] = i == 2 || i == 3 ? 0.0f : (float)uniform();
    }
    float *before = calloc(n, sizeof *before), *average = calloc(n, sizeof *average);
    memcpy(before, a[0], n * sizeof *before);
    memcpy(average, a[4], n * sizeof *average);
    double squares = 0.0;
    for (int i = 0; i < 2; i++) {
        const bfn__param *p = bfn__net_param(net, (size_t)(i == 0 ? decays : stays));
        for (size_t j = 0; j < p->count; j++)
            squares += (double)a[1][p->offset + j] * (double)a[1][p->offset + j];
    }
    assert_true(fabs(bfn__grad_norm(ctx, net, a[1]) - sqrt(squares)) < 1e-9 * sqrt(squares));
    const bfn__adamw o = {.lr = 0.1, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8, .weight_decay = 0.2};
    bfn__adamw_step(ctx, net, &o, 1, 1.0, a[1], a[0], a[2], a[3]);
    bfn__ema_update(ctx, net, 0.5, a[0], a[4]);
    for (size_t i = 0; i < bfn__net_n_params(net); i++) {
        const bfn__param *p = bfn__net_param(net, i);
        for (size_t j = p->offset; j < p->offset + p->count; j++) { /* the first step is lr * sign(gradient) */
            double keep = (int)i == decays ? 1.0 - 0.1 * 0.2 : 1.0, sign = a[1][j] < 0.0f ? -1.0 : 1.0;
            double want = (int)i == fixed ? (double)before[j] : keep * (double)before[j] - 0.1 * sign;
            double averaged = (int)i == fixed ? (double)average[j] : 0.5 * ((double)average[j] + (double)a[0][j]);
            if (fabs((double)a[1][j]) < 1e-4)
                continue;
            if (!(fabs((double)a[0][j] - want) < 1e-4) || !(fabs((double)a[4][j] - averaged) < 1e-6))
                fail_msg("%s[%zu]: %g, should be %g; average %g, should be %g", p->name, j - p->offset, (double)a[0][j],
                         want, (double)a[4][j], averaged);
        }
    }
    for (size_t i = 0; i < 5; i++)
        free(a[i]);
    free(before);
    free(average);
    bfn__net_destroy(net);
    bfn_context_destroy(ctx);
}

static void peak_loops(void **state)
{
    (void)state;
    float sink = 1e-3f;
    assert_true(bfn__peak_loop_f32()(1000, &sink) >= 2.0 * 4 * 12 * 1000);
    assert_true(sink > 66.0f && isfinite(sink)); /* the loops were not optimised away */
    if (bfn__peak_loop_bf16() != NULL)
        assert_true(bfn__peak_loop_bf16()(1000, &sink) > 0.0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels),
        cmocka_unit_test(optimiser),
        cmocka_unit_test(peak_loops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
