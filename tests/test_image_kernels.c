/* test_image_kernels.c: the kernels of image operations and of Winograd's convolution, of every instruction set that runs here, against the
 * same formula in double, for numbers of channels around the vector widths. Nothing beside the channels may be written.
 */
#include "nn/image_kernels.h"
#include "nn/kernels.h"
#include "nn/winograd.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_N = 150, ROWS = 67, LD = 153, COUNT = ROWS * LD };
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

static void near(const char *what, const char *table, size_t n, double got, double want, double bound)
{
    if (!(fabs(got - want) <= bound))
        fail_msg("%s (%s), n = %zu: %.9g, should be %.9g", what, table, n, got, want);
}

static void guarded(const char *what, const char *table, size_t n, const matrix *m)
{
    for (size_t i = 0; i < COUNT; i++)
        if (i % LD >= n && m->x[i] != GUARD)
            fail_msg("%s (%s), n = %zu: wrote to column %zu", what, table, n, i % LD);
}

static void each_table(void (*check)(const bfn__image_kernels *k, size_t n))
{
    const bfn__image_kernels *tables[8];
    size_t n_tables = bfn__image_kernels_list(tables, 8);
    assert_true(n_tables >= 1 && tables[0] == bfn__image_kernels_get());
    assert_string_equal(tables[0]->name, bfn__kernels_get()->name);
    assert_string_equal(tables[n_tables - 1]->name, "base");
    for (size_t i = 0; i < n_tables; i++)
        for (size_t n = 1; n <= MAX_N; n += n < 20 ? 1 : n < 50 ? 5 : 47) /* 144: many vectors, and one */
            check(tables[i], n);
}

static double logistic(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

static double slope(double x)
{
    return logistic(x) * (1.0 + x * (1.0 - logistic(x)));
}

static void check_silu(const bfn__image_kernels *k, size_t n)
{
    matrix x = random_matrix(n, 8.0), y = random_matrix(n, 1.0), d = random_matrix(n, 1.0), dx = d;
    x.x[0] = 200.0f; /* far out: no overflow, no NaN */
    if (n > 1)
        x.x[1] = -200.0f;
    for (size_t r = 0; r < ROWS; r++) {
        k->silu(n, x.x + r * LD, y.x + r * LD);
        k->silu_backward(n, x.x + r * LD, d.x + r * LD, dx.x + r * LD, r % 2 == 1);
        for (size_t i = 0; i < n; i++) {
            double v = (double)x.x[r * LD + i], g = (double)d.x[r * LD + i];
            near("silu", k->name, n, (double)y.x[r * LD + i], v * logistic(v), 4e-7 * fmax(1.0, fabs(v)));
            near("silu_backward", k->name, n, (double)dx.x[r * LD + i], g * (slope(v) + (r % 2 == 1 ? 1.0 : 0.0)),
                 2e-6 * fmax(1.0, fabs(v)));
        }
    }
    guarded("silu", k->name, n, &y);
    guarded("silu_backward", k->name, n, &dx);
}

static void silu(void **state)
{
    (void)state;
    each_table(check_silu);
}

/* A network that diverged must say so: its NaN goes through; and the ends of the range give numbers. */
static void silu_at_the_ends(void **state)
{
    (void)state;
    const bfn__image_kernels *tables[8];
    size_t n_tables = bfn__image_kernels_list(tables, 8);
    float x[20] = {0.0f}, y[20];
    x[3] = NAN;
    x[4] = 1e30f;
    x[5] = -1e30f;
    x[6] = -100.0f;
    for (size_t i = 0; i < n_tables; i++) {
        tables[i]->silu(20, x, y);
        assert_true(isnan(y[3]));
        assert_true(y[4] == 1e30f && fabsf(y[5]) <= 1e-4f && fabsf(y[6]) < 1e-30f && y[7] == 0.0f);
    }
}

static void check_moments(const bfn__image_kernels *k, size_t n)
{
    matrix x = random_matrix(n, 1.0);
    double sums[MAX_N + 1], squares[MAX_N + 1];
    sums[n] = squares[n] = 7.0;
    for (size_t i = 0; i < COUNT; i++) /* far from zero: sums are relative to the first row */
        x.x[i] += 100.0f;
    k->moments(ROWS, n, x.x, LD, sums, squares);
    for (size_t i = 0; i < n; i++) {
        double s = 0.0, q = 0.0;
        for (size_t r = 0; r < ROWS; r++) {
            double v = (double)x.x[r * LD + i] - (double)x.x[i];
            s += v;
            q += v * v;
        }
        near("sums", k->name, n, sums[i], s, 2e-5);
        near("squares", k->name, n, squares[i], q, 2e-5);
    }
    assert_true(sums[n] == 7.0 && squares[n] == 7.0);
}

static void moments(void **state)
{
    (void)state;
    each_table(check_moments);
}

static void check_normalise(const bfn__image_kernels *k, size_t n)
{
    matrix x = random_matrix(n, 3.0), y = random_matrix(n, 1.0), p = random_matrix(n, 1.0);
    const float *mean = p.x, *scale = p.x + LD, *shift = p.x + 2 * LD;
    for (int silu_too = 0; silu_too < 2; silu_too++) {
        matrix d = random_matrix(n, 1.0), g = d, dx = random_matrix(n, 1.0), before = dx;
        double sums[MAX_N], products[MAX_N];
        k->normalise(ROWS, n, x.x, LD, mean, scale, shift, silu_too != 0, y.x, LD);
        k->normalise_sums(ROWS, n, x.x, LD, mean, scale, shift, silu_too != 0, g.x, LD, sums, products);
        k->normalise_backward(ROWS, n, x.x, LD, mean, scale, shift, p.x + 3 * LD, g.x, LD, dx.x, LD, silu_too != 0);
        for (size_t i = 0; i < n; i++) {
            double s = 0.0, q = 0.0;
            for (size_t r = 0; r < ROWS; r++) {
                size_t at = r * LD + i;
                double h = (double)x.x[at] - (double)mean[i], v = h * (double)scale[i] + (double)shift[i];
                double want = (double)d.x[at] * (silu_too != 0 ? slope(v) : 1.0);
                near("normalise", k->name, n, (double)y.x[at], silu_too != 0 ? v * logistic(v) : v, 3e-6);
                near("slope", k->name, n, (double)g.x[at], want, 3e-6);
                s += want;
                q += want * h;
                near("dx", k->name, n, (double)dx.x[at],
                     (silu_too != 0 ? (double)before.x[at] : 0.0) + (double)scale[i] * want + (double)shift[i] * h +
                         (double)p.x[3 * LD + i],
                     6e-6);
            }
            near("sum of d", k->name, n, sums[i], s, 1e-4);
            near("sum of d (x - mean)", k->name, n, products[i], q, 3e-4);
        }
        guarded("normalise", k->name, n, &y);
        guarded("normalise_sums", k->name, n, &g);
        guarded("normalise_backward", k->name, n, &dx);
    }
    matrix in_place = x;
    k->normalise(ROWS, n, in_place.x, LD, mean, scale, shift, true, in_place.x, LD);
    assert_memory_equal(in_place.x, y.x, sizeof y.x);
}

static void normalise(void **state)
{
    (void)state;
    each_table(check_normalise);
}

static void check_relu(const bfn__image_kernels *k, size_t n)
{
    matrix x = random_matrix(n, 1.0), y = random_matrix(n, 1.0), d = random_matrix(n, 1.0), dx = random_matrix(n, 1.0);
    matrix larger = d, before = dx;
    for (size_t r = 0; r < 2; r++) {
        k->relu(n, x.x + r * LD, y.x + r * LD);
        k->relu_backward(n, y.x + r * LD, d.x + r * LD, dx.x + r * LD, r == 1);
        k->largest(n, x.x + r * LD, larger.x + r * LD);
    }
    for (size_t i = 0; i < 2 * LD; i++) {
        if (i % LD >= n)
            continue;
        double v = (double)x.x[i], add = i >= LD ? (double)before.x[i] : 0.0;
        near("relu", k->name, n, (double)y.x[i], fmax(v, 0.0), 0.0);
        near("relu_backward", k->name, n, (double)dx.x[i], (v > 0.0 ? (double)d.x[i] : 0.0) + add, 2e-7);
        near("largest", k->name, n, (double)larger.x[i], fmax(v, (double)d.x[i]), 0.0);
    }
    guarded("relu", k->name, n, &y);
    guarded("relu_backward", k->name, n, &dx);
    guarded("largest", k->name, n, &larger);
}

static void relu(void **state)
{
    (void)state;
    each_table(check_relu);
}

static void check_four(const bfn__image_kernels *k, size_t n)
{
    matrix x = random_matrix(n, 1.0), y = random_matrix(n, 1.0), before = y;
    for (int add = 0; add < 2; add++)
        k->add_four(n, 0.25f, x.x, x.x + LD, x.x + 2 * LD, x.x + 3 * LD, y.x + (size_t)add * LD, add != 0);
    for (size_t i = 0; i < n; i++) {
        double sum = 0.0;
        for (size_t r = 0; r < 4; r++)
            sum += 0.25 * (double)x.x[r * LD + i];
        near("add_four", k->name, n, (double)y.x[i], sum, 2e-7);
        near("add_four (add)", k->name, n, (double)y.x[LD + i], sum + (double)before.x[LD + i], 3e-7);
    }
    guarded("add_four", k->name, n, &y);
}

static void add_four(void **state)
{
    (void)state;
    each_table(check_four);
}

/* ---- Winograd ---- */

enum { MAX_C = 70, TILES = 29, PLACES = BFN__PLACES };

/* One layer on single tiles: x [6,6,in] -> y [4,4,out] with w [out,in,3,3]. */
typedef struct layer {
    size_t in, out, ld_in, ld_out;
    float *w, *x, *y, *packed, *v, *m, *dy, *t, *du, *dw;
} layer;

static float *floats(size_t n, double scale)
{
    float *x = calloc(n, sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(scale * uniform());
    return x;
}

static layer make_layer(const bfn__winograd *k, size_t in, size_t out)
{
    layer l = {.in = in, .out = out};
    l.ld_in = (in + k->panel - 1) / k->panel * k->panel;
    l.ld_out = (out + k->panel - 1) / k->panel * k->panel;
    l.w = floats(out * in * 9, 1.0);
    l.x = floats(TILES * 36 * in, 1.0);
    l.y = floats(TILES * 16 * out, 0.0);
    l.dy = floats(TILES * 16 * out, 1.0);
    size_t packed = in * l.ld_out > out * l.ld_in ? in * l.ld_out : out * l.ld_in;
    l.packed = floats(PLACES * packed, 0.0);
    l.v = floats(PLACES * TILES * l.ld_in, 7.0);
    l.m = floats(PLACES * TILES * l.ld_out, 7.0);
    l.t = floats(PLACES * TILES * l.ld_out, 7.0);
    l.du = floats(PLACES * in * l.ld_out, 7.0);
    l.dw = floats(out * in * 9, 1.0);
    return l;
}

static void free_layer(layer *l)
{
    float *blocks[] = {l->w, l->x, l->y, l->packed, l->v, l->m, l->dy, l->t, l->du, l->dw};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        free(blocks[i]);
}

static void transform(const bfn__winograd *k, const layer *l)
{
    for (size_t t = 0; t < TILES; t++) {
        const float *pixels[36];
        for (size_t i = 0; i < 36; i++)
            pixels[i] = l->x + (t * 36 + i) * l->in;
        k->input(l->in, pixels, l->v + t * l->ld_in, TILES * l->ld_in);
        for (size_t i = 0; i < 16; i++)
            pixels[i] = l->dy + (t * 16 + i) * l->out;
        k->output_gradient(l->out, pixels, l->t + t * l->ld_out, TILES * l->ld_out);
    }
}

static void forward(const bfn__winograd *k, const layer *l, const float *bias)
{
    for (size_t p = 0; p < l->ld_out / k->panel; p++)
        k->filters(l->out, l->in, l->w, false, p, l->packed);
    for (size_t xi = 0; xi < PLACES; xi++)
        k->product(TILES, l->in, l->v + xi * TILES * l->ld_in, l->ld_in, l->packed + xi * l->in * l->ld_out, 0,
                   l->ld_out / k->panel, NULL, l->m + xi * TILES * l->ld_out, l->ld_out);
    for (size_t t = 0; t < TILES; t++) {
        size_t pixels[16];
        for (size_t i = 0; i < 16; i++)
            pixels[i] = i % 5 == 4 ? SIZE_MAX : t * 16 + i;
        k->output(l->out, l->m + t * l->ld_out, TILES * l->ld_out, pixels, bias, bias != NULL ? l->dy : NULL, l->out,
                  l->y, l->out);
    }
}

static double direct(const layer *l, size_t t, size_t pixel, size_t o)
{
    double sum = 0.0;
    for (size_t tap = 0; tap < 9; tap++)
        for (size_t c = 0; c < l->in; c++)
            sum += (double)l->x[(t * 36 + (pixel / 4 + tap / 3) * 6 + pixel % 4 + tap % 3) * l->in + c] *
                   (double)l->w[(o * l->in + c) * 9 + tap];
    return sum;
}

static void check_forward(const bfn__winograd *k, const layer *l, const float *bias)
{
    double worst = 0.0;
    forward(k, l, bias);
    for (size_t t = 0; t < TILES; t++)
        for (size_t i = 0; i < 16; i++)
            for (size_t o = 0; o < l->out; o++) {
                size_t at = (t * 16 + i) * l->out + o;
                double more = bias != NULL ? (double)bias[o] + (double)l->dy[at] : 0.0;
                double want = i % 5 == 4 ? 0.0 : direct(l, t, i, o) + more;
                worst = fmax(worst, fabs((double)l->y[at] - want));
            }
    near("winograd", k->name, l->in, worst, 0.0, 2e-6 * sqrt(9.0 * (double)l->in));
}

static void check_filter_gradient(const bfn__winograd *k, const layer *l)
{
    float *before = floats(l->out * l->in * 9, 0.0);
    memcpy(before, l->dw, l->out * l->in * 9 * sizeof *before);
    for (size_t xi = 0; xi < PLACES; xi++) /* in two parts: the second is added */
        for (size_t part = 0; part < 2; part++)
            k->filter_product(l->in, l->out, part == 0 ? 13 : TILES - 13, l->v + (xi * TILES + part * 13) * l->ld_in,
                              l->ld_in, l->t + (xi * TILES + part * 13) * l->ld_out, l->ld_out, part == 1,
                              l->du + xi * l->in * l->ld_out, l->ld_out);
    for (size_t p = 0; p < l->ld_out / k->panel; p++)
        k->filter_gradient(l->out, l->in, p, l->du, l->ld_out, l->in * l->ld_out, l->dw);
    for (size_t o = 0; o < l->out; o += 3)
        for (size_t c = 0; c < l->in; c += 2)
            for (size_t tap = 0; tap < 9; tap++) {
                double sum = (double)before[(o * l->in + c) * 9 + tap];
                for (size_t t = 0; t < TILES; t++)
                    for (size_t i = 0; i < 16; i++)
                        sum += (double)l->x[(t * 36 + (i / 4 + tap / 3) * 6 + i % 4 + tap % 3) * l->in + c] *
                               (double)l->dy[(t * 16 + i) * l->out + o];
                near("filter gradient", k->name, l->in, (double)l->dw[(o * l->in + c) * 9 + tap], sum, 6e-5);
            }
    free(before);
}

/* turned filters: packed as if in and out changed places and the filter were turned by half a turn. */
static void check_turned(const bfn__winograd *k, const layer *l)
{
    float *other = floats(l->out * l->in * 9, 0.0), *want = floats(PLACES * l->out * l->ld_in, 0.0);
    for (size_t o = 0; o < l->out; o++)
        for (size_t c = 0; c < l->in; c++)
            for (size_t tap = 0; tap < 9; tap++)
                other[(c * l->out + o) * 9 + 8 - tap] = l->w[(o * l->in + c) * 9 + tap];
    for (size_t p = 0; p < l->ld_in / k->panel; p++) {
        k->filters(l->in, l->out, other, false, p, want);
        k->filters(l->out, l->in, l->w, true, p, l->packed);
    }
    assert_memory_equal(want, l->packed, PLACES * l->out * l->ld_in * sizeof *want);
    free(other);
    free(want);
}

static void winograd(void **state)
{
    (void)state;
    const bfn__winograd *tables[8];
    size_t n_tables = bfn__winograd_list(tables, 8);
    assert_true(n_tables >= 1 && tables[0] == bfn__winograd_get());
    const size_t sizes[][2] = {{1, 1}, {16, 16}, {3, 35}, {33, 7}, {40, 64}, {70, 17}};
    float *bias = floats(MAX_C, 1.0);
    for (size_t i = 0; i < n_tables; i++) {
        assert_true(tables[i]->panel <= BFN__MAX_PANEL);
        random_state = 1; /* every instruction set gets the same numbers */
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            layer l = make_layer(tables[i], sizes[s][0], sizes[s][1]);
            transform(tables[i], &l);
            check_forward(tables[i], &l, NULL);
            check_forward(tables[i], &l, bias);
            check_filter_gradient(tables[i], &l);
            check_turned(tables[i], &l);
            free_layer(&l);
        }
    }
    free(bias);
}

/* A row of the product is the same sum whichever rows are beside it. */
static void rows_do_not_know_each_other(void **state)
{
    (void)state;
    const bfn__winograd *tables[8];
    size_t n_tables = bfn__winograd_list(tables, 8);
    for (size_t i = 0; i < n_tables; i++) {
        const bfn__winograd *k = tables[i];
        enum { K = 37 };
        float *a = floats(TILES * K, 1.0), *u = floats(K * 2 * BFN__MAX_PANEL, 1.0);
        float *want = floats(TILES * BFN__MAX_PANEL, 0.0), *got = floats(TILES * BFN__MAX_PANEL, 0.0);
        for (size_t r = 0; r < TILES; r++)
            k->product(1, K, a + r * K, K, u, 1, 1, NULL, want + r * k->panel, k->panel);
        for (size_t rows = 2; rows <= TILES; rows++) {
            k->product(rows, K, a, K, u, 1, 1, u, got, k->panel);
            assert_memory_equal(got, want, rows * k->panel * sizeof *got);
        }
        free(a);
        free(u);
        free(want);
        free(got);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silu),     cmocka_unit_test(silu_at_the_ends),
        cmocka_unit_test(moments),  cmocka_unit_test(normalise),
        cmocka_unit_test(relu),     cmocka_unit_test(add_four),
        cmocka_unit_test(winograd), cmocka_unit_test(rows_do_not_know_each_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
