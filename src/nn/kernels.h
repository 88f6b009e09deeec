/* kernels.h: the vectorised kernels, one table for each instruction set (kernels.isa.c), picked at run time.
 *
 * Matrices are [rows, n] with a row stride ld (in floats). All work on any n; nothing needs to be aligned.
 */
#ifndef BFN_NN_KERNELS_H
#define BFN_NN_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct bfn__kernels {
    const char *name;
    /* y = a x + b */
    void (*affine)(size_t n, float a, float b, const float *x, float *y);
    /* y (+)= a x */
    void (*scale)(size_t n, float a, const float *x, float *y, bool add);
    /* y = x + z */
    void (*add)(size_t n, const float *x, const float *z, float *y);
    /* y = x + bias (NULL: none) + residual (NULL: none); y may be x or residual */
    void (*bias_residual)(size_t rows, size_t n, const float *x, size_t ldx, const float *bias, const float *residual,
                          size_t ldr, float *y, size_t ldy);
    /* x += bias (NULL: none); y = gelu(x); x and y may be the same memory */
    void (*bias_gelu)(size_t rows, size_t n, float *x, size_t ldx, const float *bias, float *y, size_t ldy);
    /* d *= gelu'(x) */
    void (*gelu_backward)(size_t rows, size_t n, const float *x, size_t ldx, float *d, size_t ldd);
    /* stats [rows,2] = mean, 1/sqrt(var + eps); beta may be NULL */
    void (*layernorm)(size_t rows, size_t n, float eps, const float *x, size_t ldx, const float *gamma,
                      const float *beta, float *y, size_t ldy, float *stats);
    /* dx (+)= ..., dgamma [n] += ..., dbeta [n] += ... (NULL: not wanted) */
    void (*layernorm_backward)(size_t rows, size_t n, const float *x, size_t ldx, const float *stats,
                               const float *gamma, const float *dy, size_t lddy, float *dx, size_t lddx, bool add,
                               float *dgamma, float *dbeta);
    /* s = softmax of scale * s over the first valid (row r: first + r + 1 when causal) entries of n; lse [rows] = log sum exp */
    void (*softmax)(size_t rows, size_t n, float scale, bool causal, size_t first, float *s, size_t ld, float *lse);
    /* s = exp(scale * s - lse) */
    void (*softmax_again)(size_t rows, size_t n, float scale, bool causal, size_t first, float *s, size_t ld,
                          const float *lse);
    /* dp = p (dp - sum_j p_j dp_j) scale */
    void (*softmax_backward)(size_t rows, size_t n, float scale, const float *p, size_t ldp, float *dp, size_t lddp);
    /* out[n] (+)= sum over rows */
    void (*column_sums)(size_t rows, size_t n, const float *x, size_t ld, float *out);
    double (*sum_squares)(size_t n, const float *x);
    /* x = round to bfloat16 (nearest even), kept as float */
    void (*round_bf16)(size_t n, const float *x, float *y);
    /* x = bfloat16 bits */
    void (*to_bf16)(size_t n, const float *x, uint16_t *y);
    /* AdamW on n values; decay = lr * weight decay (0: none), c1 = lr / (1 - beta1^step), c2 = 1 / (1 - beta2^step) */
    void (*adamw)(size_t n, float grad_scale, float beta1, float beta2, float eps, float decay, float c1, float c2,
                  const float *g, float *p, float *m, float *v);
    /* ema = keep * ema + (1 - keep) * p */
    void (*ema)(size_t n, float keep, float take, const float *p, float *ema);
} bfn__kernels;

/* The best table for this CPU. */
const bfn__kernels *bfn__kernels_get(void);
/* All tables that run here, best first; at most `max`; returns how many (tests). */
size_t bfn__kernels_list(const bfn__kernels **out, size_t max);

#endif
