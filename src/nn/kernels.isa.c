/* kernels.isa.c: element-wise and row-wise kernels, compiled once for each instruction set (BFN_ISA: base, avx2, avx512).
 *
 * GELU in its tanh form is x * s(2u), s the logistic function, u = sqrt(2/pi) (x + 0.044715 x^3), since (1 + tanh u)/2 = s(2u): one exp and one
 * division. The vectors themselves are in vectors.h.
 */
#include "nn/kernels.h"

#include "nn/vectors.h"

static const float GELU_C = 0.79788456080286536f, GELU_A = 0.044715f;

static inline vf gelu_gate(vf x) /* s(2u) */
{
    vf u = GELU_C * x * (1.0f + GELU_A * x * x);
    return 1.0f / (1.0f + vexp(-2.0f * u));
}

static inline vf gelu_slope(vf x)
{
    vf s = gelu_gate(x);
    return s + x * s * (1.0f - s) * (2.0f * GELU_C) * (1.0f + 3.0f * GELU_A * x * x);
}

static void k_affine(size_t n, float a, float b, const float *x, float *y)
{
    for (size_t i = 0; i < n; i += W)
        store_n(y + i, n - i, a * load_n(x + i, n - i) + b);
}

static void k_scale(size_t n, float a, const float *x, float *y, bool add)
{
    for (size_t i = 0; i < n; i += W) {
        vf v = a * load_n(x + i, n - i);
        if (add)
            v += load_n(y + i, n - i);
        store_n(y + i, n - i, v);
    }
}

static void k_add(size_t n, const float *x, const float *z, float *y)
{
    for (size_t i = 0; i < n; i += W)
        store_n(y + i, n - i, load_n(x + i, n - i) + load_n(z + i, n - i));
}

static void k_bias_residual(size_t rows, size_t n, const float *x, size_t ldx, const float *bias, const float *residual,
                            size_t ldr, float *y, size_t ldy)
{
    for (size_t r = 0; r < rows; r++) {
        for (size_t i = 0; i < n; i += W) {
            vf v = load_n(x + r * ldx + i, n - i);
            if (bias != NULL)
                v += load_n(bias + i, n - i);
            if (residual != NULL)
                v += load_n(residual + r * ldr + i, n - i);
            store_n(y + r * ldy + i, n - i, v);
        }
    }
}

/* One row; `keep`: x + bias is wanted too. Called with constants for keep and whether there is a bias, so that the loop has no tests. */
static inline void gelu_row(size_t n, float *x, const float *bias, bool keep, float *y)
{
    size_t whole = n - n % W;
    for (size_t i = 0; i < whole; i += W) {
        vf v = load(x + i);
        if (bias != NULL)
            v += load(bias + i);
        if (keep)
            store(x + i, v);
        store(y + i, v * gelu_gate(v));
    }
    if (whole < n) {
        vf v = load_part(x + whole, n - whole);
        if (bias != NULL)
            v += load_part(bias + whole, n - whole);
        if (keep)
            store_part(x + whole, n - whole, v);
        store_part(y + whole, n - whole, v * gelu_gate(v));
    }
}

static void k_bias_gelu(size_t rows, size_t n, float *x, size_t ldx, const float *bias, float *y, size_t ldy)
{
    for (size_t r = 0; r < rows; r++) {
        if (bias == NULL)
            gelu_row(n, x + r * ldx, NULL, false, y + r * ldy);
        else if (x == y)
            gelu_row(n, x + r * ldx, bias, false, y + r * ldy);
        else
            gelu_row(n, x + r * ldx, bias, true, y + r * ldy);
    }
}

static void k_gelu_backward(size_t rows, size_t n, const float *x, size_t ldx, float *d, size_t ldd)
{
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < n; i += W)
            store_n(d + r * ldd + i, n - i,
                    load_n(d + r * ldd + i, n - i) * gelu_slope(load_n(x + r * ldx + i, n - i)));
}

/* Mean first, then the mean of squared differences: no cancellation. */
static void row_moments(size_t n, float eps, const float *x, float *mean, float *rstd)
{
    vf s = {0};
    for (size_t i = 0; i < n; i += W)
        s += load_n(x + i, n - i);
    float m = sum_lanes(s) / (float)n;
    vf q = {0};
    size_t whole = n - n % W;
    for (size_t i = 0; i < whole; i += W) {
        vf c = load(x + i) - m;
        q += c * c;
    }
    float var = sum_lanes(q);
    for (size_t i = whole; i < n; i++)
        var += (x[i] - m) * (x[i] - m);
    *mean = m;
    *rstd = 1.0f / sqrtf(var / (float)n + eps);
}

static void k_layernorm(size_t rows, size_t n, float eps, const float *x, size_t ldx, const float *gamma,
                        const float *beta, float *y, size_t ldy, float *stats)
{
    for (size_t r = 0; r < rows; r++) {
        const float *row = x + r * ldx;
        float mean, rstd;
        row_moments(n, eps, row, &mean, &rstd);
        for (size_t i = 0; i < n; i += W) {
            vf v = (load_n(row + i, n - i) - mean) * rstd * load_n(gamma + i, n - i);
            if (beta != NULL)
                v += load_n(beta + i, n - i);
            store_n(y + r * ldy + i, n - i, v);
        }
        if (stats != NULL) {
            stats[2 * r] = mean;
            stats[2 * r + 1] = rstd;
        }
    }
}

/* With h = (x - mean) rstd and g = dy gamma: dx = rstd (g - mean(g) - h mean(g h)). */
static void k_layernorm_backward(size_t rows, size_t n, const float *x, size_t ldx, const float *stats,
                                 const float *gamma, const float *dy, size_t lddy, float *dx, size_t lddx, bool add,
                                 float *dgamma, float *dbeta)
{
    for (size_t r = 0; r < rows; r++) {
        const float *xr = x + r * ldx, *dr = dy + r * lddy;
        float mean = stats[2 * r], rstd = stats[2 * r + 1];
        vf sum_g = {0}, sum_gh = {0};
        for (size_t i = 0; i < n; i += W) {
            vf d = load_n(dr + i, n - i);
            vf h = (load_n(xr + i, n - i) - mean) * rstd;
            vf g = d * load_n(gamma + i, n - i);
            sum_g += g;
            sum_gh += g * h; /* lanes past the end: d = 0 */
            store_n(dgamma + i, n - i, load_n(dgamma + i, n - i) + d * h);
            if (dbeta != NULL)
                store_n(dbeta + i, n - i, load_n(dbeta + i, n - i) + d);
        }
        float mg = sum_lanes(sum_g) / (float)n, mgh = sum_lanes(sum_gh) / (float)n;
        for (size_t i = 0; i < n; i += W) {
            vf h = (load_n(xr + i, n - i) - mean) * rstd;
            vf v = rstd * (load_n(dr + i, n - i) * load_n(gamma + i, n - i) - mg - h * mgh);
            if (add)
                v += load_n(dx + r * lddx + i, n - i);
            store_n(dx + r * lddx + i, n - i, v);
        }
    }
}

/* exp(scale x - shift) over [0, valid), zero over [valid, n); returns the sum. */
static float exp_row(size_t n, size_t valid, float scale, float shift, float *s)
{
    vf sum = {0};
    size_t whole = valid - valid % W;
    for (size_t i = 0; i < whole; i += W) {
        vf e = vexp(scale * load(s + i) - shift);
        sum += e;
        store(s + i, e);
    }
    float total = sum_lanes(sum);
    if (whole < valid) {
        vf e = vexp(scale * load_part(s + whole, valid - whole) - shift);
        store_part(s + whole, valid - whole, e);
        for (size_t i = whole; i < valid; i++)
            total += s[i];
    }
    if (valid < n)
        memset(s + valid, 0, (n - valid) * sizeof *s);
    return total;
}

static void k_softmax(size_t rows, size_t n, float scale, bool causal, size_t first, float *s, size_t ld, float *lse)
{
    for (size_t r = 0; r < rows; r++) {
        float *row = s + r * ld;
        size_t valid = causal && first + r + 1 < n ? first + r + 1 : n;
        vf top = splat(row[0]);
        size_t whole = valid - valid % W;
        for (size_t i = 0; i < whole; i += W)
            top = vmax(top, load(row + i));
        float max = max_lanes(top);
        for (size_t i = whole; i < valid; i++)
            max = row[i] > max ? row[i] : max;
        float total = exp_row(n, valid, scale, scale * max, row);
        k_scale(valid, 1.0f / total, row, row, false);
        if (lse != NULL)
            lse[r] = scale * max + logf(total);
    }
}

static void k_softmax_again(size_t rows, size_t n, float scale, bool causal, size_t first, float *s, size_t ld,
                            const float *lse)
{
    for (size_t r = 0; r < rows; r++)
        exp_row(n, causal && first + r + 1 < n ? first + r + 1 : n, scale, lse[r], s + r * ld);
}

static void k_softmax_backward(size_t rows, size_t n, float scale, const float *p, size_t ldp, float *dp, size_t lddp)
{
    for (size_t r = 0; r < rows; r++) {
        const float *pr = p + r * ldp;
        float *dr = dp + r * lddp;
        vf sum = {0};
        for (size_t i = 0; i < n; i += W)
            sum += load_n(pr + i, n - i) * load_n(dr + i, n - i);
        float dot = sum_lanes(sum);
        for (size_t i = 0; i < n; i += W)
            store_n(dr + i, n - i, load_n(pr + i, n - i) * (load_n(dr + i, n - i) - dot) * scale);
    }
}

/* Eight rows at once: the sums are loaded and stored an eighth as often. */
static void k_column_sums(size_t rows, size_t n, const float *x, size_t ld, float *out)
{
    size_t r = 0;
    for (; r + 8 <= rows; r += 8) {
        const float *p = x + r * ld;
        for (size_t i = 0; i < n; i += W, p += W) {
            size_t left = n - i;
            vf a = load_n(p, left) + load_n(p + ld, left);
            vf b = load_n(p + 2 * ld, left) + load_n(p + 3 * ld, left);
            vf c = load_n(p + 4 * ld, left) + load_n(p + 5 * ld, left);
            vf d = load_n(p + 6 * ld, left) + load_n(p + 7 * ld, left);
            store_n(out + i, left, load_n(out + i, left) + ((a + b) + (c + d)));
        }
    }
    for (; r < rows; r++)
        k_add(n, out, x + r * ld, out);
}

static double k_sum_squares(size_t n, const float *x)
{
    vd s0 = {0};
    for (size_t i = 0; i < n; i += W) {
        vd v = __builtin_convertvector(load_n(x + i, n - i), vd);
        s0 += v * v;
    }
    double s = 0.0;
    for (int i = 0; i < W; i++)
        s += s0[i];
    return s;
}

/* The bits of the nearest bfloat16, in the upper half; a NaN stays one. */
static inline vi bf16_bits(vf x)
{
    typedef uint32_t vu __attribute__((vector_size(W * 4), aligned(4), may_alias));
    vu u = (vu)x;
    vu rounded = (u + (0x7fffu + ((u >> 16) & 1u))) & 0xffff0000u;
    vi nan = x != x; /* NOLINT(misc-redundant-expression): true for NaN alone */
    return (nan & (vi)(u | 0x00400000u) & (vi)((vu){0} + 0xffff0000u)) | (~nan & (vi)rounded);
}

static void k_round_bf16(size_t n, const float *x, float *y)
{
    for (size_t i = 0; i < n; i += W)
        store_n(y + i, n - i, (vf)bf16_bits(load_n(x + i, n - i)));
}

static void k_to_bf16(size_t n, const float *x, uint16_t *y)
{
    typedef uint16_t vh __attribute__((vector_size(W * 2), aligned(2), may_alias));
    typedef uint32_t vu __attribute__((vector_size(W * 4), aligned(4), may_alias));
    size_t i = 0;
    for (; i + W <= n; i += W)
        *(vh *)(y + i) = __builtin_convertvector((vu)bf16_bits(load(x + i)) >> 16, vh);
    if (i < n) {
        vh h = __builtin_convertvector((vu)bf16_bits(load_part(x + i, n - i)) >> 16, vh);
        memcpy(y + i, &h, (n - i) * sizeof *y);
    }
}

static void k_adamw(size_t n, float grad_scale, float beta1, float beta2, float eps, float decay, float c1, float c2,
                    const float *g, float *p, float *m, float *v)
{
    vf keep = splat(1.0f - decay);
    for (size_t i = 0; i < n; i += W) {
        size_t left = n - i;
        vf gi = grad_scale * load_n(g + i, left);
        vf mi = beta1 * load_n(m + i, left) + (1.0f - beta1) * gi;
        vf vi_ = beta2 * load_n(v + i, left) + (1.0f - beta2) * gi * gi;
        vf step = c1 * mi / (vsqrt(c2 * vi_) + eps);
        store_n(m + i, left, mi);
        store_n(v + i, left, vi_);
        store_n(p + i, left, keep * load_n(p + i, left) - step);
    }
}

static void k_ema(size_t n, float keep, float take, const float *p, float *ema)
{
    for (size_t i = 0; i < n; i += W)
        store_n(ema + i, n - i, keep * load_n(ema + i, n - i) + take * load_n(p + i, n - i));
}

extern const bfn__kernels BFN__ISA(bfn__kernels);
const bfn__kernels BFN__ISA(bfn__kernels) = {
    .name = BFN__ISA_NAME,
    .affine = k_affine,
    .scale = k_scale,
    .add = k_add,
    .bias_residual = k_bias_residual,
    .bias_gelu = k_bias_gelu,
    .gelu_backward = k_gelu_backward,
    .layernorm = k_layernorm,
    .layernorm_backward = k_layernorm_backward,
    .softmax = k_softmax,
    .softmax_again = k_softmax_again,
    .softmax_backward = k_softmax_backward,
    .column_sums = k_column_sums,
    .sum_squares = k_sum_squares,
    .round_bf16 = k_round_bf16,
    .to_bf16 = k_to_bf16,
    .adamw = k_adamw,
    .ema = k_ema,
};
