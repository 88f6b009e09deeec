/* image_kernels.isa.c: kernels of image operations, compiled once for each instruction set (BFN_ISA).
 *
 * Sums over pixels are taken for each channel in its own lane: in float over at most 32 rows, and from there on in double, so that thousands of
 * pixels do not cost digits. silu(x) = x s(x) with the logistic s; its slope is s (1 + x (1 - s)).
 */
#include "nn/image_kernels.h"

#include "nn/vectors.h"

/* Rows whose sums are taken in float. Their lines (a row of many channels is a multiple of 512 bytes away) must not push each other out of the
 * first-level cache before both vectors of a line are read. */
enum { BLOCK = 32, TOGETHER = W == 16 ? 8 : 4 };

static inline vf silu_slope(vf x)
{
    vf s = vlogistic(x);
    return s * (1.0f + x * (1.0f - s));
}

static inline void add_lanes(double *sum, size_t left, vf v)
{
    if (left >= W) {
        vd *all = (vd *)(void *)sum;
        *all += __builtin_convertvector(v, vd);
        return;
    }
    for (size_t i = 0; i < left; i++)
        sum[i] += (double)v[i];
}

/* `vectors` vectors of columns, all lanes in use: sums of x - x of row 0 (at origin) and of its square. vectors: a constant where this is
 * inlined, so many that the additions of one do not wait for each other. */
static inline __attribute__((always_inline)) void column_moments(const size_t vectors, size_t rows, const float *x,
                                                                 size_t ld, const float *origin, double *sums,
                                                                 double *squares)
{
    vf s[TOGETHER], q[TOGETHER], o[TOGETHER];
#pragma GCC unroll 8
    for (size_t j = 0; j < vectors; j++) {
        s[j] = q[j] = (vf){0};
        o[j] = load(origin + j * W);
    }
    for (size_t r = 0; r < rows; r++) {
#pragma GCC unroll 8
        for (size_t j = 0; j < vectors; j++) {
            vf v = load(x + r * ld + j * W) - o[j];
            s[j] += v;
            q[j] += v * v;
        }
    }
#pragma GCC unroll 8
    for (size_t j = 0; j < vectors; j++) {
        add_lanes(sums + j * W, W, s[j]);
        add_lanes(squares + j * W, W, q[j]);
    }
}

/* The last columns, fewer than W. */
static inline void rest_moments(size_t rows, size_t left, const float *x, size_t ld, const float *origin, double *sums,
                                double *squares)
{
    vf s = {0}, q = {0}, o = load_part(origin, left);
    for (size_t r = 0; r < rows; r++) {
        vf v = load_part(x + r * ld, left) - o;
        s += v;
        q += v * v;
    }
    add_lanes(sums, left, s);
    add_lanes(squares, left, q);
}

static void k_moments(size_t rows, size_t n, const float *x, size_t ld, double *sums, double *squares)
{
    memset(sums, 0, n * sizeof *sums);
    memset(squares, 0, n * sizeof *squares);
    for (size_t first = 0; first < rows; first += BLOCK) {
        size_t count = rows - first < BLOCK ? rows - first : BLOCK, i = 0;
        const float *from = x + first * ld;
        for (; i + TOGETHER * W <= n; i += TOGETHER * W)
            column_moments(TOGETHER, count, from + i, ld, x + i, sums + i, squares + i);
        for (; i + W <= n; i += W)
            column_moments(1, count, from + i, ld, x + i, sums + i, squares + i);
        if (i < n)
            rest_moments(count, n - i, from + i, ld, x + i, sums + i, squares + i);
    }
}

static inline vf normal(vf x, vf mean, vf scale, vf shift, bool silu)
{
    vf v = (x - mean) * scale + shift;
    if (silu)
        v *= vlogistic(v);
    return v;
}

/* Along the rows, as memory likes it: the constants come from the first-level cache. */
static inline __attribute__((always_inline)) void normalise(size_t rows, size_t n, const float *x, size_t ldx,
                                                            const float *mean, const float *scale, const float *shift,
                                                            bool silu, float *y, size_t ldy)
{
    size_t whole = n - n % W, left = n - whole;
    for (size_t r = 0; r < rows; r++) {
        const float *from = x + r * ldx;
        float *to = y + r * ldy;
        for (size_t i = 0; i < whole; i += W)
            store(to + i, normal(load(from + i), load(mean + i), load(scale + i), load(shift + i), silu));
        if (left > 0)
            store_part(to + whole, left,
                       normal(load_part(from + whole, left), load_part(mean + whole, left),
                              load_part(scale + whole, left), load_part(shift + whole, left), silu));
    }
}

static void k_normalise(size_t rows, size_t n, const float *x, size_t ldx, const float *mean, const float *scale,
                        const float *shift, bool silu, float *y, size_t ldy)
{
    if (silu)
        normalise(rows, n, x, ldx, mean, scale, shift, true, y, ldy);
    else
        normalise(rows, n, x, ldx, mean, scale, shift, false, y, ldy);
}

/* In the loops below a column of a few rows is done at once, so that its constants stay in registers. */
static inline __attribute__((always_inline)) void column_sums(size_t rows, size_t left, const float *x, size_t ldx,
                                                              vf mean, vf scale, vf shift, bool silu, float *d,
                                                              size_t ldd, double *sums, double *products)
{
    vf s = {0}, p = {0};
    for (size_t r = 0; r < rows; r++) {
        vf h = load_n(x + r * ldx, left) - mean, g = load_n(d + r * ldd, left);
        if (silu) {
            g *= silu_slope(h * scale + shift);
            store_n(d + r * ldd, left, g);
        }
        s += g;
        p += g * h;
    }
    add_lanes(sums, left, s);
    add_lanes(products, left, p);
}

static inline __attribute__((always_inline)) void normalise_sums(size_t rows, size_t n, const float *x, size_t ldx,
                                                                 const float *mean, const float *scale,
                                                                 const float *shift, bool silu, float *d, size_t ldd,
                                                                 double *sums, double *products)
{
    memset(sums, 0, n * sizeof *sums);
    memset(products, 0, n * sizeof *products);
    size_t whole = n - n % W, left = n - whole;
    for (size_t r = 0; r < rows; r += BLOCK) {
        size_t count = rows - r < BLOCK ? rows - r : BLOCK;
        for (size_t i = 0; i < whole; i += W)
            column_sums(count, W, x + r * ldx + i, ldx, load(mean + i), load(scale + i), load(shift + i), silu,
                        d + r * ldd + i, ldd, sums + i, products + i);
        if (left > 0)
            column_sums(count, left, x + r * ldx + whole, ldx, load_part(mean + whole, left),
                        load_part(scale + whole, left), load_part(shift + whole, left), silu, d + r * ldd + whole, ldd,
                        sums + whole, products + whole);
    }
}

static void k_normalise_sums(size_t rows, size_t n, const float *x, size_t ldx, const float *mean, const float *scale,
                             const float *shift, bool silu, float *d, size_t ldd, double *sums, double *products)
{
    if (silu)
        normalise_sums(rows, n, x, ldx, mean, scale, shift, true, d, ldd, sums, products);
    else
        normalise_sums(rows, n, x, ldx, mean, scale, shift, false, d, ldd, sums, products);
}

static inline __attribute__((always_inline)) void column_backward(size_t rows, size_t left, const float *x, size_t ldx,
                                                                  vf mean, vf a, vf b, vf c, const float *d, size_t ldd,
                                                                  float *dx, size_t lddx, bool add)
{
    for (size_t r = 0; r < rows; r++) {
        vf v = a * load_n(d + r * ldd, left) + (b * (load_n(x + r * ldx, left) - mean) + c);
        if (add)
            v += load_n(dx + r * lddx, left);
        store_n(dx + r * lddx, left, v);
    }
}

static void k_normalise_backward(size_t rows, size_t n, const float *x, size_t ldx, const float *mean, const float *a,
                                 const float *b, const float *c, const float *d, size_t ldd, float *dx, size_t lddx,
                                 bool add)
{
    size_t whole = n - n % W, left = n - whole;
    for (size_t r = 0; r < rows; r += BLOCK) {
        size_t count = rows - r < BLOCK ? rows - r : BLOCK;
        for (size_t i = 0; i < whole; i += W)
            column_backward(count, W, x + r * ldx + i, ldx, load(mean + i), load(a + i), load(b + i), load(c + i),
                            d + r * ldd + i, ldd, dx + r * lddx + i, lddx, add);
        if (left > 0)
            column_backward(count, left, x + r * ldx + whole, ldx, load_part(mean + whole, left),
                            load_part(a + whole, left), load_part(b + whole, left), load_part(c + whole, left),
                            d + r * ldd + whole, ldd, dx + r * lddx + whole, lddx, add);
    }
}

static void k_silu(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i += W) {
        vf v = load_n(x + i, n - i);
        store_n(y + i, n - i, v * vlogistic(v));
    }
}

static void k_silu_backward(size_t n, const float *x, const float *d, float *dx, bool add)
{
    for (size_t i = 0; i < n; i += W) {
        vf v = load_n(d + i, n - i) * silu_slope(load_n(x + i, n - i));
        if (add)
            v += load_n(dx + i, n - i);
        store_n(dx + i, n - i, v);
    }
}

static void k_add_four(size_t n, float a, const float *p, const float *q, const float *r, const float *s, float *y,
                       bool add)
{
    for (size_t i = 0; i < n; i += W) {
        size_t left = n - i;
        vf v = a * ((load_n(p + i, left) + load_n(q + i, left)) + (load_n(r + i, left) + load_n(s + i, left)));
        if (add)
            v += load_n(y + i, left);
        store_n(y + i, left, v);
    }
}

static void k_relu(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] > 0.0f ? x[i] : 0.0f;
}

static void k_relu_backward(size_t n, const float *y, const float *d, float *dx, bool add)
{
    for (size_t i = 0; i < n; i++) {
        float v = y[i] > 0.0f ? d[i] : 0.0f;
        dx[i] = add ? dx[i] + v : v;
    }
}

static void k_largest(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] > y[i] ? x[i] : y[i];
}

extern const bfn__image_kernels BFN__ISA(bfn__image_kernels);
const bfn__image_kernels BFN__ISA(bfn__image_kernels) = {
    .name = BFN__ISA_NAME,
    .moments = k_moments,
    .normalise = k_normalise,
    .normalise_sums = k_normalise_sums,
    .normalise_backward = k_normalise_backward,
    .silu = k_silu,
    .silu_backward = k_silu_backward,
    .add_four = k_add_four,
    .relu = k_relu,
    .relu_backward = k_relu_backward,
    .largest = k_largest,
};
