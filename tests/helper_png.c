/* helper_png.c: PNG by hand, for tests: the format's own rules and zlib, nothing of the library. */
#include "helper_png.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

static uint32_t get_u32(const unsigned char *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static void put_u32(unsigned char *b, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        b[i] = (unsigned char)(value >> (24 - 8 * i));
}

static void grow(png_file *file, const void *data, size_t n)
{
    file->bytes = realloc(file->bytes, file->n + n + 1);
    assert_non_null(file->bytes);
    if (n > 0)
        memcpy(file->bytes + file->n, data, n);
    file->n += n;
}

void png_begin(png_file *file)
{
    *file = (png_file){0};
    grow(file, "\x89PNG\r\n\x1a\n", 8);
}

void png_repair(unsigned char *bytes, size_t offset)
{
    uint32_t n = get_u32(bytes + offset);
    put_u32(bytes + offset + 8 + n, (uint32_t)crc32(0, bytes + offset + 4, n + 4));
}

void png_chunk(png_file *file, const char *type, const void *data, size_t n)
{
    unsigned char head[8], crc[4] = {0};
    size_t offset = file->n;
    put_u32(head, (uint32_t)n);
    memcpy(head + 4, type, 4);
    grow(file, head, 8);
    grow(file, data, n);
    grow(file, crc, 4);
    png_repair(file->bytes, offset);
}

void png_header(png_file *file, uint32_t width, uint32_t height, int depth, int colour_type, int interlace)
{
    unsigned char data[13] = {0};
    put_u32(data, width);
    put_u32(data + 4, height);
    data[8] = (unsigned char)depth;
    data[9] = (unsigned char)colour_type;
    data[12] = (unsigned char)interlace;
    png_chunk(file, "IHDR", data, sizeof data);
}

void png_data(png_file *file, const uint8_t *pixels, size_t rows, size_t row_bytes)
{
    unsigned char *raw = calloc(rows, row_bytes + 1);
    uLongf n = compressBound((uLong)(rows * (row_bytes + 1)));
    unsigned char *packed = malloc(n);
    assert_non_null(raw);
    assert_non_null(packed);
    for (size_t y = 0; y < rows; y++)
        memcpy(raw + y * (row_bytes + 1) + 1, pixels + y * row_bytes, row_bytes);
    assert_int_equal(compress(packed, &n, raw, (uLong)(rows * (row_bytes + 1))), Z_OK);
    png_chunk(file, "IDAT", packed, n);
    free(raw);
    free(packed);
}

void png_end(png_file *file)
{
    png_chunk(file, "IEND", NULL, 0);
}

/* ---- reading ---- */

static int paeth(int a, int b, int c)
{
    int p = a + b - c, pa = abs(p - a), pb = abs(p - b), pc = abs(p - c);
    return pa <= pb && pa <= pc ? a : pb <= pc ? b : c;
}

static void unfilter(const uint8_t *raw, uint8_t *out, size_t H, size_t row_bytes, size_t bpp)
{
    for (size_t y = 0; y < H; y++, raw += row_bytes + 1) {
        assert_true(raw[0] <= 4);
        for (size_t x = 0; x < row_bytes; x++) {
            int a = x >= bpp ? out[y * row_bytes + x - bpp] : 0, b = y > 0 ? out[(y - 1) * row_bytes + x] : 0;
            int c = x >= bpp && y > 0 ? out[(y - 1) * row_bytes + x - bpp] : 0;
            int predicted = raw[0] == 0   ? 0
                            : raw[0] == 1 ? a
                            : raw[0] == 2 ? b
                            : raw[0] == 3 ? (a + b) / 2
                                          : paeth(a, b, c);
            out[y * row_bytes + x] = (uint8_t)(raw[1 + x] + predicted);
        }
    }
}

/* Walks a file's chunks and collects a frame's compressed bytes. Sequence numbers must count up from 0 over fcTL and fdAT. */
static unsigned char *collect(const unsigned char *bytes, size_t n, size_t frame, size_t *n_packed)
{
    unsigned char *packed = malloc(n);
    size_t frames = 0; /* fcTL seen */
    uint32_t sequence = 0;
    bool ended = false;
    assert_non_null(packed);
    *n_packed = 0;
    assert_memory_equal(bytes, "\x89PNG\r\n\x1a\n", 8);
    for (size_t at = 8; at < n;) {
        assert_false(ended);
        assert_true(n - at >= 12);
        size_t length = get_u32(bytes + at);
        assert_true(length <= n - at - 12);
        const unsigned char *type = bytes + at + 4, *data = bytes + at + 8;
        assert_int_equal(get_u32(data + length), crc32(0, type, (uInt)length + 4));
        bool control = memcmp(type, "fcTL", 4) == 0, later = memcmp(type, "fdAT", 4) == 0;
        if (control || later)
            assert_int_equal(get_u32(data), sequence++);
        frames += control;
        size_t skip = later ? 4 : 0;
        if ((memcmp(type, "IDAT", 4) == 0 && frame == 0) || (later && frames == frame + 1)) {
            memcpy(packed + *n_packed, data + skip, length - skip);
            *n_packed += length - skip;
        }
        ended = memcmp(type, "IEND", 4) == 0;
        at += length + 12;
    }
    assert_true(ended);
    return packed;
}

uint8_t *png_frame(const unsigned char *bytes, size_t n, size_t frame, size_t H, size_t row_bytes, size_t bpp)
{
    size_t n_packed, n_raw = H * (row_bytes + 1);
    unsigned char *packed = collect(bytes, n, frame, &n_packed);
    uint8_t *raw = malloc(n_raw + 1), *out = malloc(H * row_bytes);
    uLongf length = (uLongf)n_raw + 1;
    assert_non_null(raw);
    assert_non_null(out);
    assert_int_equal(uncompress(raw, &length, packed, (uLong)n_packed), Z_OK);
    assert_int_equal(length, n_raw);
    unfilter(raw, out, H, row_bytes, bpp);
    free(packed);
    free(raw);
    return out;
}
