/* image_kernels.h: the vectorised kernels of image operations, one table for each instruction set (image_kernels.isa.c).
 *
 * Tensors are [rows = pixels, n = channels] with a row stride ld (in floats); per-channel arrays are [n]. All work on any n; nothing needs
 * to be aligned.
 */
#ifndef BFN_NN_IMAGE_KERNELS_H
#define BFN_NN_IMAGE_KERNELS_H

#include <stdbool.h>
#include <stddef.h>

typedef struct bfn__image_kernels {
    const char *name;
    /* sums[c] = sum over rows of (x - x of row 0), squares[c] likewise of its square */
    void (*moments)(size_t rows, size_t n, const float *x, size_t ld, double *sums, double *squares);
    /* y = (x - mean) scale + shift, then silu when asked; y may be x */
    void (*normalise)(size_t rows, size_t n, const float *x, size_t ldx, const float *mean, const float *scale,
                      const float *shift, bool silu, float *y, size_t ldy);
    /* d *= silu'((x - mean) scale + shift) when silu; then sums[c] = sum of d, products[c] = sum of d (x - mean) */
    void (*normalise_sums)(size_t rows, size_t n, const float *x, size_t ldx, const float *mean, const float *scale,
                           const float *shift, bool silu, float *d, size_t ldd, double *sums, double *products);
    /* dx (+)= a d + b (x - mean) + c, with a, b, c for each channel */
    void (*normalise_backward)(size_t rows, size_t n, const float *x, size_t ldx, const float *mean, const float *a,
                               const float *b, const float *c, const float *d, size_t ldd, float *dx, size_t lddx,
                               bool add);
    /* y = silu(x) */
    void (*silu)(size_t n, const float *x, float *y);
    /* dx (+)= d silu'(x) */
    void (*silu_backward)(size_t n, const float *x, const float *d, float *dx, bool add);
    /* y (+)= a (p + q + r + s) */
    void (*add_four)(size_t n, float a, const float *p, const float *q, const float *r, const float *s, float *y,
                     bool add);
    /* y = max(x, 0); y may be x */
    void (*relu)(size_t n, const float *x, float *y);
    /* dx (+)= d where y > 0, else 0; y is what relu gave */
    void (*relu_backward)(size_t n, const float *y, const float *d, float *dx, bool add);
    /* y = max(x, y) */
    void (*largest)(size_t n, const float *x, float *y);
} bfn__image_kernels;

/* The table that goes with bfn__kernels_get(), and all that run here, in the order of bfn__kernels_list. */
const bfn__image_kernels *bfn__image_kernels_get(void);
size_t bfn__image_kernels_list(const bfn__image_kernels **out, size_t max);

#endif
