/* winograd.isa.c: F(4x4, 3x3), compiled once for each instruction set (BFN_ISA).
 *
 * Filtering is multiplication of polynomials, done at six points: 0, +-a, +-b and infinity. With M_p(x) the product of (x - q) over the other
 * finite points q and N_p = M_p(p), in one dimension
 *   y = A^T [(G g) . (B^T d)],  A^T row i: p^i (infinity: only i = 3),  G row p: (1, p, p^2)/N_p (infinity: 0 0 1),  B^T row p: coefficients of
 *   M_p (infinity: of the product over all finite points)
 * and in two dimensions the same along rows and columns. a = sqrt(1/2) and b = sqrt(2) instead of the usual 1 and 2: all numbers stay near one,
 * which leaves a third of the usual rounding error, and with a^2 = 1/2, b^2 = 2, a b = 1 the transforms are as short:
 *   B^T d:  d4 - 5/2 d2 + d0;  (d4 - 2 d2) +- a (d3 - 2 d1);  (d4 - d2/2) +- b (d3 - d1/2);  d5 - 5/2 d3 + d1
 *   G g:    g0;  -(g0 + g2/2 +- a g1)/1.5;  (g0 + 2 g2 +- b g1)/6;  g2
 *   A^T m:  m0 + s + r;  a u + b v;  s/2 + 2 r;  a/2 u + 2 b v + m5,  s = m1 + m2, u = m1 - m2, r = m3 + m4, v = m3 - m4
 * Transforms work on one vector of channels at a time. The product keeps a block of rows by two vectors in registers.
 */
#include "nn/winograd.h"

#include "nn/vectors.h"

#if defined(__AVX512F__)
enum { MR = 12 };
#else
enum { MR = 6 };
#endif
enum { NR = 2 * W, P = BFN__PLACES, IN = BFN__TILE_IN, OUT = BFN__TILE_OUT };

static const float A1 = 0.70710678118654752f, B1 = 1.41421356237309505f;

static inline void input_line(const vf d[IN], vf t[IN])
{
    vf even_a = d[4] - 2.0f * d[2], odd_a = A1 * (d[3] - 2.0f * d[1]);
    vf even_b = d[4] - 0.5f * d[2], odd_b = B1 * (d[3] - 0.5f * d[1]);
    t[0] = d[0] + (d[4] - 2.5f * d[2]);
    t[1] = even_a + odd_a;
    t[2] = even_a - odd_a;
    t[3] = even_b + odd_b;
    t[4] = even_b - odd_b;
    t[5] = d[1] + (d[5] - 2.5f * d[3]);
}

static inline void output_line(const vf m[IN], vf y[OUT])
{
    vf s = m[1] + m[2], u = m[1] - m[2], r = m[3] + m[4], v = m[3] - m[4];
    y[0] = m[0] + (s + r);
    y[1] = A1 * u + B1 * v;
    y[2] = 0.5f * s + 2.0f * r;
    y[3] = (0.5f * A1) * u + ((2.0f * B1) * v + m[5]);
}

/* A y: the transpose of output_line. */
static inline void gradient_line(const vf y[OUT], vf t[IN])
{
    vf even_a = y[0] + 0.5f * y[2], odd_a = A1 * y[1] + (0.5f * A1) * y[3];
    vf even_b = y[0] + 2.0f * y[2], odd_b = B1 * y[1] + (2.0f * B1) * y[3];
    t[0] = y[0];
    t[1] = even_a + odd_a;
    t[2] = even_a - odd_a;
    t[3] = even_b + odd_b;
    t[4] = even_b - odd_b;
    t[5] = y[3];
}

static inline void filter_line(const vf g[3], vf t[IN])
{
    vf even_a = g[0] + 0.5f * g[2], odd_a = A1 * g[1], even_b = g[0] + 2.0f * g[2], odd_b = B1 * g[1];
    t[0] = g[0];
    t[1] = (even_a + odd_a) * (-1.0f / 1.5f);
    t[2] = (even_a - odd_a) * (-1.0f / 1.5f);
    t[3] = (even_b + odd_b) * (1.0f / 6.0f);
    t[4] = (even_b - odd_b) * (1.0f / 6.0f);
    t[5] = g[2];
}

/* The transpose of filter_line. */
static inline void filter_gradient_line(const vf t[IN], vf g[3])
{
    vf s = (t[1] + t[2]) * (-1.0f / 1.5f), u = (t[1] - t[2]) * (-1.0f / 1.5f);
    vf r = (t[3] + t[4]) * (1.0f / 6.0f), v = (t[3] - t[4]) * (1.0f / 6.0f);
    g[0] = t[0] + (s + r);
    g[1] = A1 * u + B1 * v;
    g[2] = (0.5f * s + 2.0f * r) + t[5];
}

static void k_filters(size_t out, size_t in, const float *w, bool turned, size_t p, float *packed)
{
    size_t cols = turned ? in : out, K = turned ? out : in, panels = (cols + NR - 1) / NR;
    for (size_t k = 0; k < K; k++) {
        for (size_t half = 0; half < NR; half += W) {
            vf g[3][3], rows[3][IN], t[IN];
            float taps[9][W] = {{0}};
            for (size_t j = 0; j < W && p * NR + half + j < cols; j++) {
                size_t col = p * NR + half + j;
                const float *from = turned ? w + (k * in + col) * 9 : w + (col * in + k) * 9;
                for (size_t tap = 0; tap < 9; tap++)
                    taps[turned ? 8 - tap : tap][j] = from[tap];
            }
            for (size_t tap = 0; tap < 9; tap++)
                g[tap / 3][tap % 3] = load(taps[tap]);
            for (size_t i = 0; i < 3; i++)
                filter_line(g[i], rows[i]);
            for (size_t j = 0; j < IN; j++) {
                vf column[3] = {rows[0][j], rows[1][j], rows[2][j]};
                filter_line(column, t);
                for (size_t i = 0; i < IN; i++)
                    store(packed + (((i * IN + j) * panels + p) * K + k) * NR + half, t[i]);
            }
        }
    }
}

/* n rounded up to panels: columns behind n become zeros. */
static void k_input(size_t n, const float *const *pixels, float *v, size_t stride)
{
    for (size_t c = 0; c < (n + NR - 1) / NR * NR; c += W) {
        size_t left = c < n ? n - c : 0;
        vf rows[IN][IN], t[IN];
        for (size_t i = 0; i < IN; i++) {
            vf d[IN];
            for (size_t j = 0; j < IN; j++)
                d[j] = load_n(pixels[i * IN + j] + c, left);
            input_line(d, rows[i]);
        }
        for (size_t j = 0; j < IN; j++) {
            vf column[IN] = {rows[0][j], rows[1][j], rows[2][j], rows[3][j], rows[4][j], rows[5][j]};
            input_line(column, t);
            for (size_t i = 0; i < IN; i++)
                store(v + (i * IN + j) * stride + c, t[i]);
        }
    }
}

static void k_output_gradient(size_t n, const float *const *pixels, float *w, size_t stride)
{
    for (size_t c = 0; c < (n + NR - 1) / NR * NR; c += W) {
        size_t left = c < n ? n - c : 0;
        vf rows[OUT][IN], t[IN];
        for (size_t i = 0; i < OUT; i++) {
            vf y[OUT];
            for (size_t j = 0; j < OUT; j++)
                y[j] = load_n(pixels[i * OUT + j] + c, left);
            gradient_line(y, rows[i]);
        }
        for (size_t j = 0; j < IN; j++) {
            vf column[OUT] = {rows[0][j], rows[1][j], rows[2][j], rows[3][j]};
            gradient_line(column, t);
            for (size_t i = 0; i < IN; i++)
                store(w + (i * IN + j) * stride + c, t[i]);
        }
    }
}

static void k_output(size_t n, const float *m, size_t stride, const size_t *pixels, const float *bias,
                     const float *residual, size_t ldr, float *y, size_t ldy)
{
    for (size_t c = 0; c < n; c += W) {
        size_t left = n - c;
        vf rows[OUT][IN], t[OUT], b = {0};
        if (bias != NULL)
            b = load_n(bias + c, left);
        for (size_t j = 0; j < IN; j++) {
            vf column[IN];
            for (size_t i = 0; i < IN; i++)
                column[i] = load(m + (i * IN + j) * stride + c);
            output_line(column, t);
            for (size_t i = 0; i < OUT; i++)
                rows[i][j] = t[i];
        }
        for (size_t i = 0; i < OUT; i++) {
            output_line(rows[i], t);
            for (size_t j = 0; j < OUT; j++) {
                size_t pixel = pixels[i * OUT + j];
                if (pixel == SIZE_MAX)
                    continue;
                vf v = t[j] + b;
                if (residual != NULL)
                    v += load_n(residual + pixel * ldr + c, left);
                store_n(y + pixel * ldy + c, left, v);
            }
        }
    }
}

/* c [mr, NR] (+)= a b; element (i, k) of a is a[i * ai + k * ak], row k of b is b + k * ldb. mr is a constant where this is inlined. ahead: one
 * line of memory in every row of it is fetched for later (NULL: nothing is). */
static inline __attribute__((always_inline)) void block(const size_t mr, size_t K, const float *a, size_t ai, size_t ak,
                                                        const float *b, size_t ldb, const float *ahead, bool add,
                                                        float *c, size_t ldc)
{
    vf low[MR], high[MR];
#pragma GCC unroll 12
    for (size_t i = 0; i < mr; i++) {
        low[i] = add ? load(c + i * ldc) : (vf){0};
        high[i] = add ? load(c + i * ldc + W) : (vf){0};
    }
    for (size_t k = 0; k < K; k++) {
        vf b0 = load(b + k * ldb), b1 = load(b + k * ldb + W);
        if (ahead != NULL)
            __builtin_prefetch(ahead + k * NR);
#pragma GCC unroll 12
        for (size_t i = 0; i < mr; i++) {
            vf x = splat(a[i * ai + k * ak]);
            low[i] += x * b0;
            high[i] += x * b1;
        }
    }
#pragma GCC unroll 12
    for (size_t i = 0; i < mr; i++) {
        store(c + i * ldc, low[i]);
        store(c + i * ldc + W, high[i]);
    }
}

/* Every row is the same sum whatever the block it is in. */
static inline __attribute__((always_inline)) void rows_by_panel(size_t rows, size_t K, const float *a, size_t ai,
                                                                size_t ak, const float *b, size_t ldb,
                                                                const float *ahead, bool add, float *c, size_t ldc)
{
    size_t r = 0;
    for (; r + MR <= rows; r += MR) {
        block(MR, K, a + r * ai, ai, ak, b, ldb, ahead, add, c + r * ldc, ldc);
        if (ahead != NULL && r < MR)
            ahead += W; /* the other half of its rows; then they are there */
    }
    for (; r + MR / 2 <= rows; r += MR / 2)
        block(MR / 2, K, a + r * ai, ai, ak, b, ldb, NULL, add, c + r * ldc, ldc);
    for (; r < rows; r++)
        block(1, K, a + r * ai, ai, ak, b, ldb, NULL, add, c + r * ldc, ldc);
}

/* While a panel is multiplied the next one, which comes from the third-level cache or from memory, is fetched. */
static void k_product(size_t rows, size_t K, const float *a, size_t lda, const float *u, size_t first, size_t count,
                      const float *next, float *c, size_t ldc)
{
    for (size_t p = 0; p < count; p++) {
        const float *b = u + (first + p) * K * NR;
        rows_by_panel(rows, K, a, lda, 1, b, NR, p + 1 < count ? b + K * NR : next, false, c + p * NR, ldc);
    }
}

static void k_filter_product(size_t in, size_t out, size_t T, const float *a, size_t lda, const float *b, size_t ldb,
                             bool add, float *du, size_t ld_du)
{
    for (size_t c = 0; c < out; c += NR)
        rows_by_panel(in, T, a, 1, lda, b + c, ldb, NULL, add, du + c, ld_du);
}

static void k_filter_gradient(size_t out, size_t in, size_t p, const float *du, size_t ld_du, size_t stride, float *dw)
{
    for (size_t half = 0; half < NR; half += W) {
        size_t first = p * NR + half, count = first < out ? out - first : 0;
        for (size_t k = 0; k < in && count > 0; k++) {
            vf rows[IN][3], g[3];
            float taps[9][W];
            for (size_t i = 0; i < IN; i++) {
                vf t[IN];
                for (size_t j = 0; j < IN; j++)
                    t[j] = load(du + (i * IN + j) * stride + k * ld_du + first);
                filter_gradient_line(t, rows[i]);
            }
            for (size_t j = 0; j < 3; j++) {
                vf column[IN] = {rows[0][j], rows[1][j], rows[2][j], rows[3][j], rows[4][j], rows[5][j]};
                filter_gradient_line(column, g);
                for (size_t i = 0; i < 3; i++)
                    store(taps[3 * i + j], g[i]);
            }
            for (size_t o = 0; o < W && o < count; o++)
                for (size_t tap = 0; tap < 9; tap++)
                    dw[((first + o) * in + k) * 9 + tap] += taps[tap][o];
        }
    }
}

extern const bfn__winograd BFN__ISA(bfn__winograd);
const bfn__winograd BFN__ISA(bfn__winograd) = {
    .name = BFN__ISA_NAME,
    .panel = NR,
    .rows = MR,
    .filters = k_filters,
    .input = k_input,
    .output_gradient = k_output_gradient,
    .product = k_product,
    .output = k_output,
    .filter_product = k_filter_product,
    .filter_gradient = k_filter_gradient,
};
