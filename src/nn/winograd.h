/* winograd.h: 3 x 3 convolutions by Winograd's minimal filtering, F(4x4, 3x3): kernels for each instruction set (winograd.isa.c).
 *
 * A tile of 4 x 4 outputs needs 6 x 6 inputs. With the transforms of winograd.isa.c, for each of 36 places xi
 *   M[xi] [tiles, out] = V[xi] [tiles, in] U[xi] [in, out],   V = transformed inputs, U = transformed filters,   y = transformed M
 * and, for the filter's gradient, dU[xi] [in, out] = V[xi]^T W[xi], W = transformed gradients of the output.
 * V, W, M: places `stride` floats apart, in each a row of ld floats for a tile; ld: a multiple of `panel`, columns behind the channels hold
 * zeros. U is packed: [36][panels][in][panel].
 */
#ifndef BFN_NN_WINOGRAD_H
#define BFN_NN_WINOGRAD_H

#include <stdbool.h>
#include <stddef.h>

enum { BFN__PLACES = 36, BFN__TILE_IN = 6, BFN__TILE_OUT = 4, BFN__MAX_PANEL = 32 };

typedef struct bfn__winograd {
    const char *name;
    size_t panel; /* columns that a product works on at once */
    size_t rows;  /* tiles that it works on at once: groups of a multiple of them are best */
    /* One panel p of U from w [out, in, 3, 3]; turned: the filter that takes gradients of the output to those of the input (then in and out
     * change places in U). */
    void (*filters)(size_t out, size_t in, const float *w, bool turned, size_t p, float *packed);
    /* V of one tile for n channels; pixels: 36 places of n floats. */
    void (*input)(size_t n, const float *const *pixels, float *v, size_t stride);
    /* W of one tile for n channels; pixels: 16 places of n floats. */
    void (*output_gradient)(size_t n, const float *const *pixels, float *w, size_t stride);
    /* c [rows, ldc] = a [rows, lda] times panels first .. first + count - 1 of one place of U; c begins at the first of these panels.
     * next: the panel that will be wanted after them; NULL: not known. */
    void (*product)(size_t rows, size_t K, const float *a, size_t lda, const float *u, size_t first, size_t count,
                    const float *next, float *c, size_t ldc);
    /* The 4 x 4 pixels of a tile from n channels of M: y = transformed M + bias (NULL: none) + residual (NULL: none). pixels: 16 row numbers
     * in y and residual, SIZE_MAX: outside of the image. residual may be y. */
    void (*output)(size_t n, const float *m, size_t stride, const size_t *pixels, const float *bias,
                   const float *residual, size_t ldr, float *y, size_t ldy);
    /* du [in, ld_du] (+)= a^T b over T tiles; a [T, lda], b [T, ldb], `out` rounded up to panels is computed. */
    void (*filter_product)(size_t in, size_t out, size_t T, const float *a, size_t lda, const float *b, size_t ldb,
                           bool add, float *du, size_t ld_du);
    /* dw [out, in, 3, 3] += the filters' gradient for panel p of out; du: places `stride` floats apart. */
    void (*filter_gradient)(size_t out, size_t in, size_t p, const float *du, size_t ld_du, size_t stride, float *dw);
} bfn__winograd;

/* The table that goes with bfn__kernels_get(), and all that run here, in the order of bfn__kernels_list. */
const bfn__winograd *bfn__winograd_get(void);
size_t bfn__winograd_list(const bfn__winograd **out, size_t max);

#endif
