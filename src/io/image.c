/* image.c: memory of pictures, and the way from the numbers of [-1,1] to bytes.
 *
 * 127.5 x + 127.5 in double (exact enough that x = 2 p/255 - 1 rounded to float comes back as p), then round to nearest by
 * floor(v + 1/2). Comparisons that are false for NaN send it to 0: a broken number looks black wherever it is drawn, and is the same on
 * every machine.
 */
#include "io/image.h"

#include "io/limits.h"

bfn_status bfn__image_create(bfn_context *ctx, bfn__image *out, size_t H, size_t W, size_t C)
{
    *out = (bfn__image){0};
    if (H == 0 || H > bfn__limit(ctx, BFN__CAP_IMAGE_SIDE) || W == 0 || W > bfn__limit(ctx, BFN__CAP_IMAGE_SIDE))
        return bfn__fail(ctx, BFN_ERR_ARGUMENT,
                         "a picture of %zu x %zu pixels (height x width), allowed: 1 to %zu each", H, W,
                         bfn__limit(ctx, BFN__CAP_IMAGE_SIDE));
    if (C != 1 && C != 3)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "a picture of %zu channels, allowed: 1 (grey) or 3 (RGB)", C);
    if (H * W * C > bfn__limit(ctx, BFN__CAP_IMAGE_BYTES))
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "a picture of %zu x %zu pixels has %zu bytes, at most %zu are allowed",
                         H, W, H * W * C, bfn__limit(ctx, BFN__CAP_IMAGE_BYTES));
    uint8_t *pixels = bfn__calloc(ctx, H * W, C);
    if (pixels == NULL)
        return BFN_ERR_MEMORY;
    *out = (bfn__image){H, W, C, pixels};
    return BFN_OK;
}

void bfn__image_free(bfn_context *ctx, bfn__image *image)
{
    bfn__free(ctx, image->pixels);
    *image = (bfn__image){0};
}

uint8_t bfn__quantise(float x)
{
    double v = 127.5 * (double)x + 128.0;
    if (!(v >= 1.0))
        return 0;
    return v < 255.0 ? (uint8_t)v : 255; /* v > 0: the conversion is the floor */
}

void bfn__quantise_all(size_t n, const float *x, uint8_t *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = bfn__quantise(x[i]);
}
