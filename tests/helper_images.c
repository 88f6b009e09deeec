/* helper_images.c: pictures of stripes, some of them slanted, each with its own greys. */
#include "helper_images.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

#include <cmocka.h>

uint8_t images_pixel(size_t i, size_t y, size_t x)
{
    bool bright = y == 0 ? (i >> x & 1) != 0 : (x + y * (i % 2) + i) % 4 < 2; /* the first row is the number, in bits */
    return (uint8_t)(bright ? 200 + (7 * i + x) % 56 : (5 * i + y) % 60);
}

static void put_size(FILE *f, size_t n)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        putc((int)(n >> shift & 255), f);
}

static FILE *begin(const char *folder, const char *part, const char *kind, int rank, size_t n)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s-%s-idx%d-ubyte", folder, part, kind, rank);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    put_size(f, 0x800u + (size_t)rank);
    put_size(f, n);
    return f;
}

static void write_part(const char *folder, const char *part, size_t first, size_t n, size_t H, size_t W)
{
    FILE *f = begin(folder, part, "images", 3, n);
    put_size(f, H);
    put_size(f, W);
    for (size_t i = first; i < first + n; i++)
        for (size_t y = 0; y < H; y++)
            for (size_t x = 0; x < W; x++)
                putc(images_pixel(i, y, x), f);
    assert_int_equal(fclose(f), 0);
    f = begin(folder, part, "labels", 1, n);
    for (size_t i = first; i < first + n; i++)
        putc((int)(i % 4), f);
    assert_int_equal(fclose(f), 0);
}

void images_write_idx(const char *folder, size_t n, size_t n_test, size_t H, size_t W)
{
    write_part(folder, "train", 0, n, H, W);
    write_part(folder, "t10k", n, n_test, H, W);
}
