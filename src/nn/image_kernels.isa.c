/* image_kernels.isa.c: kernels of image operations, compiled once for each instruction set (BFN_ISA).
 *
 * Sums over pixels are taken for each channel in its own lane: in float over at most 64 rows, and from there on in double, so that thousands of
 * pixels do not cost digits. silu(x) = x s(x) with the logistic s; its slope is s (1 + x (1 - s)).
 */
#include "nn/image_kernels.h"

#include "nn/vectors.h"

enum { BLOCK = 64 };

static inline vf logistic(vf x)
{
    return 1.0f / (1.0f + vexp(-x));
}

static inline vf silu_slope(vf x)
{
    vf s = logistic(x);
    return s * (1.0f + x * (1.0f - s));
}

static inline void add_lanes(double *sum, size_t left, vf v)
{
    for (size_t i = 0; i < W && i < left; i++)
        sum[i] += (double)v[i];
}

static void k_moments(size_t rows, size_t n, const float *x, size_t ld, double *sums, double *squares)
{
    memset(sums, 0, n * sizeof *sums);
    memset(squares, 0, n * sizeof *squares);
    for (size_t first = 0; first < rows; first += BLOCK) {
        size_t end = rows - first < BLOCK ? rows : first + BLOCK;
        for (size_t i = 0; i < n; i += W) {
            size_t left = n - i;
            vf origin = load_n(x + i, left), s = {0}, q = {0};
            for (size_t r = first; r < end; r++) {
                vf v = load_n(x + r * ld + i, left) - origin;
                s += v;
                q += v * v;
            }
            add_lanes(sums + i, left, s);
            add_lanes(squares + i, left, q);
        }
    }
}

static void k_normalise(size_t rows, size_t n, const float *x, size_t ldx, const float *mean, const float *scale,
                        const float *shift, bool silu, float *y, size_t ldy)
{
    for (size_t r = 0; r < rows; r++) {
        for (size_t i = 0; i < n; i += W) {
            size_t left = n - i;
            vf v = (load_n(x + r * ldx + i, left) - load_n(mean + i, left)) * load_n(scale + i, left) +
                   load_n(shift + i, left);
            if (silu)
                v *= logistic(v);
            store_n(y + r * ldy + i, left, v);
        }
    }
}

static void k_normalise_sums(size_t rows, size_t n, const float *x, size_t ldx, const float *mean, const float *scale,
                             const float *shift, bool silu, float *d, size_t ldd, double *sums, double *products)
{
    memset(sums, 0, n * sizeof *sums);
    memset(products, 0, n * sizeof *products);
    for (size_t first = 0; first < rows; first += BLOCK) {
        size_t end = rows - first < BLOCK ? rows : first + BLOCK;
        for (size_t i = 0; i < n; i += W) {
            size_t left = n - i;
            vf m = load_n(mean + i, left), a = load_n(scale + i, left), b = load_n(shift + i, left), s = {0}, p = {0};
            for (size_t r = first; r < end; r++) {
                vf h = load_n(x + r * ldx + i, left) - m, g = load_n(d + r * ldd + i, left);
                if (silu) {
                    g *= silu_slope(h * a + b);
                    store_n(d + r * ldd + i, left, g);
                }
                s += g;
                p += g * h;
            }
            add_lanes(sums + i, left, s);
            add_lanes(products + i, left, p);
        }
    }
}

static void k_normalise_backward(size_t rows, size_t n, const float *x, size_t ldx, const float *mean, const float *a,
                                 const float *b, const float *c, const float *d, size_t ldd, float *dx, size_t lddx,
                                 bool add)
{
    for (size_t r = 0; r < rows; r++) {
        for (size_t i = 0; i < n; i += W) {
            size_t left = n - i;
            vf h = load_n(x + r * ldx + i, left) - load_n(mean + i, left);
            vf v =
                load_n(a + i, left) * load_n(d + r * ldd + i, left) + (load_n(b + i, left) * h + load_n(c + i, left));
            if (add)
                v += load_n(dx + r * lddx + i, left);
            store_n(dx + r * lddx + i, left, v);
        }
    }
}

static void k_silu(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i += W) {
        vf v = load_n(x + i, n - i);
        store_n(y + i, n - i, v * logistic(v));
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

extern const bfn__image_kernels JOIN(bfn__image_kernels_, BFN_ISA);
#define STRING_(x) #x
#define STRING(x) STRING_(x)
const bfn__image_kernels JOIN(bfn__image_kernels_, BFN_ISA) = {
    .name = STRING(BFN_ISA),
    .moments = k_moments,
    .normalise = k_normalise,
    .normalise_sums = k_normalise_sums,
    .normalise_backward = k_normalise_backward,
    .silu = k_silu,
    .silu_backward = k_silu_backward,
    .add_four = k_add_four,
};
