/* fuzz_png.c: any bytes as a PNG file.
 *
 * What is decoded must survive being written and read again. Mutations alone die at the chunks' checksums, so the mutator of the libFuzzer
 * build makes these right again, and most inputs reach libspng.
 */
#include "fuzz.h"

#include "io/png.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_PIXELS = 1 << 16 };

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_round_trip(bfn_context *ctx, const bfn__image *image)
{
    char *bytes = NULL;
    size_t n = 0;
    bfn__image again;
    if (image->H * image->W > MAX_PIXELS)
        return;
    require(bfn__png_encode(ctx, image, NULL, 0, &bytes, &n) == BFN_OK);
    require(bfn__png_decode(ctx, bytes, n, "again", &again) == BFN_OK);
    require(again.H == image->H && again.W == image->W && again.C == image->C);
    require(memcmp(again.pixels, image->pixels, image->H * image->W * image->C) == 0);
    bfn__image_free(ctx, &again);
    bfn__free(ctx, bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bfn_context *ctx;
    if (bfn_context_create(&ctx, NULL) != BFN_OK)
        return 0;
    bfn__image image;
    char *value = NULL;
    bfn_status status = bfn__png_decode(ctx, data, size, "fuzz", &image);
    if (status == BFN_OK) {
        require(image.H >= 1 && image.W >= 1 && (image.C == 1 || image.C == 3));
        check_round_trip(ctx, &image);
    } else {
        require(status == BFN_ERR_INPUT || status == BFN_ERR_MEMORY);
        require(bfn_errmsg(ctx)[0] != '\0' && strchr(bfn_errmsg(ctx), '\n') == NULL);
        require(image.pixels == NULL);
    }
    if (bfn__png_read_text(ctx, data, size, "fuzz", "Title", &value) != BFN_OK)
        require(value == NULL);
    bfn__free(ctx, value);
    bfn__image_free(ctx, &image);
    bfn_context_destroy(ctx);
    return 0;
}

#ifdef BFN_FUZZ
#include <zlib.h>

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    size = LLVMFuzzerMutate(data, size, max_size);
    if (seed % 8 == 0)
        return size;
    for (size_t at = 8; at + 12 <= size;) {
        size_t length = (size_t)data[at] << 24 | (size_t)data[at + 1] << 16 | (size_t)data[at + 2] << 8 | data[at + 3];
        if (length > size - at - 12)
            break;
        uLong crc = crc32(0, data + at + 4, (uInt)length + 4);
        for (int i = 0; i < 4; i++)
            data[at + 8 + length + i] = (uint8_t)(crc >> (24 - 8 * i));
        at += length + 12;
    }
    return size;
}
#endif
