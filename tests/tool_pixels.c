/* tool-pixels FILE.png: width, height and channels, then the bytes of each row, for the command line tests. */
#include "io/png.h"

#include <stdio.h>

int main(int argc, char **argv)
{
    bfn_context *ctx;
    bfn__image image;
    if (argc != 2 || bfn_context_create(&ctx, NULL) != BFN_OK)
        return 2;
    bfn_status status = bfn__png_load(ctx, argv[1], &image);
    if (status != BFN_OK) {
        fprintf(stderr, "%s\n", bfn_errmsg(ctx));
        bfn_context_destroy(ctx);
        return (int)status;
    }
    printf("%zu %zu %zu\n", image.W, image.H, image.C);
    for (size_t y = 0; y < image.H; y++)
        for (size_t i = 0; i < image.W * image.C; i++)
            printf("%d%c", image.pixels[y * image.W * image.C + i], i + 1 < image.W * image.C ? ' ' : '\n');
    bfn__image_free(ctx, &image);
    bfn_context_destroy(ctx);
    return 0;
}
