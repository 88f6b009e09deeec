/* test_png.c: PNG files in and out: all kinds of pixels, truncation, corruption, lies about sizes, texts, memory. */
#include "helper_fixture.h"
#include "helper_png.h"
#include "io/file.h"
#include "io/png.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* A picture whose rows want different filters. */
static bfn__image example(size_t H, size_t W, size_t C)
{
    bfn__image image;
    assert_ok(bfn__image_create(ctx, &image, H, W, C));
    for (size_t i = 0; i < H * W * C; i++)
        image.pixels[i] = (uint8_t)(i * 37 + i / 11 * 5 + (i % 13) * (i % 7));
    return image;
}

static bfn_status decode(const void *bytes, size_t n, bfn__image *out)
{
    void *copy = exact_copy(bytes, n);
    bfn_status status = bfn__png_decode(ctx, copy, n, "x.png", out);
    free(copy);
    assert_true((status == BFN_OK) == (out->pixels != NULL));
    return status;
}

static void refuse(const void *bytes, size_t n, const char *words)
{
    bfn__image image;
    assert_says(decode(bytes, n, &image), BFN_ERR_INPUT, words);
    assert_int_equal(strncmp(bfn_errmsg(ctx), "x.png: ", 7), 0);
}

static void assert_same(const bfn__image *a, const bfn__image *b)
{
    assert_int_equal(a->H, b->H);
    assert_int_equal(a->W, b->W);
    assert_int_equal(a->C, b->C);
    assert_memory_equal(a->pixels, b->pixels, a->H * a->W * a->C);
}

static const bfn__png_text texts[] = {{"Software", "bfn 0.1"},
                                      {"bfn:settings", "method ode2m\nseed 17"},
                                      {"Title", "gr\xc3\xb6\xc3\x9f"
                                                "er \xe2\x82\xac"},
                                      {"empty", ""}};

static void test_round_trip(void **state)
{
    (void)state;
    static const size_t shapes[][3] = {{1, 1, 1}, {1, 1, 3}, {5, 7, 1}, {7, 5, 3}, {28, 28, 1}, {40, 33, 3}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        bfn__image image = example(shapes[i][0], shapes[i][1], shapes[i][2]), back;
        assert_ok(bfn__png_save(ctx, scratch("a.png"), &image, texts, i % 5));
        assert_ok(bfn__png_load(ctx, scratch("a.png"), &back));
        assert_same(&image, &back);
        bfn__image_free(ctx, &image);
        bfn__image_free(ctx, &back);
    }
}

/* What was written, read by the format's own rules. */
static void test_written_file_by_hand(void **state)
{
    (void)state;
    bfn__image image = example(9, 6, 3);
    char *bytes;
    size_t n;
    assert_ok(bfn__png_encode(ctx, &image, texts, 4, &bytes, &n));
    uint8_t *pixels = png_frame((unsigned char *)bytes, n, 0, 9, 18, 3);
    assert_memory_equal(pixels, image.pixels, 9 * 6 * 3);
    static const unsigned char header[] = {0, 0, 0, 13, 'I', 'H', 'D', 'R', 0, 0, 0, 6, 0, 0, 0, 9, 8, 2, 0, 0, 0};
    assert_memory_equal(bytes + 8, header, sizeof header);
    free(pixels);
    char *again;
    size_t n_again;
    assert_ok(bfn__png_encode(ctx, &image, texts, 4, &again, &n_again));
    assert_int_equal(n, n_again);
    assert_memory_equal(bytes, again, n);
    bfn__free(ctx, bytes);
    bfn__free(ctx, again);
    bfn__image_free(ctx, &image);
}

static void test_texts(void **state)
{
    (void)state;
    bfn__image image = example(3, 3, 1);
    char *bytes, *value;
    size_t n;
    assert_ok(bfn__png_encode(ctx, &image, texts, 4, &bytes, &n));
    for (size_t i = 0; i < 4; i++) {
        assert_ok(bfn__png_read_text(ctx, bytes, n, "x.png", texts[i].key, &value));
        if (texts[i].value[0] == '\0') {
            assert_null(value); /* left out */
            continue;
        }
        assert_non_null(value);
        assert_string_equal(value, texts[i].value);
        bfn__free(ctx, value);
    }
    assert_ok(bfn__png_read_text(ctx, bytes, n, "x.png", "Soft", &value));
    assert_null(value);
    assert_ok(bfn__png_read_text(ctx, bytes, n, "x.png", "Softwares", &value));
    assert_null(value);
    for (size_t cut = 0; cut < n; cut++)
        assert_says(bfn__png_read_text(ctx, bytes, cut, "x.png", "Title", &value), BFN_ERR_INPUT, "");
    bfn__free(ctx, bytes);
    static char long_key[81];
    memset(long_key, 'k', 80);
    const bfn__png_text bad[] = {{"", "x"},   {" a", "x"},      {"a ", "x"},     {"a  b", "x"},
                                 {"a\n", ""}, {"\xc3\xb6", ""}, {long_key, "x"}, {"key", "\xff"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_says(bfn__png_encode(ctx, &image, &bad[i], 1, &bytes, &n), BFN_ERR_ARGUMENT, "PNG text");
    assert_null(bytes);
    long_key[79] = '\0';
    assert_ok(bfn__png_encode(ctx, &image, &(bfn__png_text){long_key, "x"}, 1, &bytes, &n));
    bfn__free(ctx, bytes);
    bfn__image_free(ctx, &image);
}

/* A compressed entry is not taken for a plain one, nor is one that is cut short; the plain one behind them is found. */
static void test_odd_texts(void **state)
{
    (void)state;
    static const uint8_t row[4] = {1, 2, 3, 4};
    png_file file;
    char *value;
    png_begin(&file);
    png_header(&file, 4, 1, 8, 0, 0);
    png_chunk(&file, "iTXt", "Title\0\1\0en\0x\0packed", 19);
    png_chunk(&file, "iTXt", "Title\0\0\0no end", 14);
    png_chunk(&file, "iTXt", "Title\0\0", 7);
    png_chunk(&file, "tEXt", "Titl", 4);
    png_chunk(&file, "tEXt", "Title", 5);
    png_chunk(&file, "iTXt", "Title\0\0\0de\0Titel\0Wort", 21);
    png_data(&file, row, 1, 4);
    png_chunk(&file, "tEXt", "T", 1);
    png_end(&file);
    unsigned char *exact = exact_copy(file.bytes, file.n);
    assert_ok(bfn__png_read_text(ctx, exact, file.n, "x.png", "Title", &value));
    assert_non_null(value);
    assert_string_equal(value, "Wort");
    bfn__free(ctx, value);
    assert_ok(bfn__png_read_text(ctx, exact, file.n, "x.png", "T, and more than there is left of the file", &value));
    assert_null(value); /* and not read beyond */
    free(exact);
    free(file.bytes);
}

/* ---- kinds of pixels ---- */

typedef struct kind {
    int depth, type;
    size_t row_bytes, C;
    uint8_t rows[64];   /* 2 rows of 4 pixels */
    uint8_t wanted[24]; /* [2,4,C] */
} kind;

static void put_palette(png_file *file)
{
    static const uint8_t colours[] = {255, 0, 0, 0, 255, 0, 0, 0, 255, 10, 20, 30};
    png_chunk(file, "PLTE", colours, sizeof colours);
}

static void test_kinds(void **state)
{
    (void)state;
    static const kind kinds[] = {
        {1, 0, 1, 1, {0xa0, 0x50}, {255, 0, 255, 0, 0, 255, 0, 255}},
        {2, 0, 1, 1, {0x1b, 0xe4}, {0, 85, 170, 255, 255, 170, 85, 0}},
        {4, 0, 2, 1, {0x01, 0x2f, 0xf8, 0x70}, {0, 17, 34, 255, 255, 136, 119, 0}},
        {8, 0, 4, 1, {1, 2, 3, 4, 5, 6, 7, 255}, {1, 2, 3, 4, 5, 6, 7, 255}},
        /* 16 bits: 128 = 0x8080; 0x00ff is 0.99 and becomes 1, 0x0080 is just below a half and 0, 0x0081 1 */
        {16,
         0,
         8,
         1,
         {0, 0, 0xff, 0xff, 0x80, 0x80, 0x00, 0xff, 0x00, 0x80, 0x00, 0x81, 0xff, 0x7f, 0x01, 0x01},
         {0, 255, 128, 1, 0, 1, 255, 1}},
        {8,
         2,
         12,
         3,
         {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24},
         {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24}},
        {16,
         2,
         24,
         3,
         {0xff, 0xff, 0, 0, 0x80, 0x80, [24] = 0x40, 0x40, 0x20, 0x20, 0x10, 0x10},
         {255, 0, 128, [12] = 0x40, 0x20, 0x10}},
        {2, 3, 1, 3, {0x1b, 0xe4}, {255, 0,  0,  0, 255, 0,   0, 0,   255, 10,  20, 30,
                                    10,  20, 30, 0, 0,   255, 0, 255, 0,   255, 0,  0}},
        {8, 3, 4, 3, {0, 1, 2, 3, 3, 2, 1, 0}, {255, 0,  0,  0, 255, 0,   0, 0,   255, 10,  20, 30,
                                                10,  20, 30, 0, 0,   255, 0, 255, 0,   255, 0,  0}},
        {8, 4, 8, 1, {1, 255, 2, 255, 3, 255, 4, 255, 5, 255, 6, 255, 7, 255, 8, 255}, {1, 2, 3, 4, 5, 6, 7, 8}},
        {16,
         4,
         16,
         1,
         {0x80, 0x80, 255, 255, 0, 0, 255, 255, 0, 0, 255, 255, 0,    0,    255, 255,
          0,    0,    255, 255, 0, 0, 255, 255, 0, 0, 255, 255, 0xff, 0xff, 255, 255},
         {128, 0, 0, 0, 0, 0, 0, 255}},
        {8,
         6,
         16,
         3,
         {1,  2,  3,  255, 4,  5,  6,  255, 7,  8,  9,  255, 10, 11, 12, 255,
          13, 14, 15, 255, 16, 17, 18, 255, 19, 20, 21, 255, 22, 23, 24, 255},
         {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24}},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        const kind *k = &kinds[i];
        png_file file;
        bfn__image image;
        png_begin(&file);
        png_header(&file, 4, 2, k->depth, k->type, 0);
        if (k->type == 3)
            put_palette(&file);
        png_data(&file, k->rows, 2, k->row_bytes);
        png_end(&file);
        bfn_status status = decode(file.bytes, file.n, &image);
        if (status != BFN_OK)
            fail_msg("kind %zu: %s", i, bfn_errmsg(ctx));
        assert_int_equal(image.C, k->C);
        if (memcmp(image.pixels, k->wanted, 8 * k->C) != 0)
            fail_msg("kind %zu (depth %d, type %d): pixels differ", i, k->depth, k->type);
        bfn__image_free(ctx, &image);
        free(file.bytes);
    }
}

static void test_alpha(void **state)
{
    (void)state;
    uint8_t rgba[2][16] = {{1, 2, 3, 255, 4, 5, 6, 255, 7, 8, 9, 255, 1, 1, 1, 255},
                           {1, 2, 3, 255, 4, 5, 6, 254, 7, 8, 9, 255, 1, 1, 1, 255}};
    png_file file;
    png_begin(&file);
    png_header(&file, 4, 2, 8, 6, 0);
    png_data(&file, rgba[0], 2, 16);
    png_end(&file);
    refuse(file.bytes, file.n, "pixel 1 of row 1 has opacity 254 of 255, all must be opaque");
    free(file.bytes);
    /* A colour declared transparent: fine as long as no pixel has it. */
    for (uint8_t transparent = 0; transparent < 4; transparent++) {
        static const uint8_t grey[8] = {0, 1, 2, 0, 0, 1, 2, 0};
        const uint8_t trns[2] = {0, transparent};
        bfn__image image;
        png_begin(&file);
        png_header(&file, 4, 2, 8, 0, 0);
        png_chunk(&file, "tRNS", trns, 2);
        png_data(&file, grey, 2, 4);
        png_end(&file);
        if (transparent < 3) {
            refuse(file.bytes, file.n, "has opacity 0 of 255");
        } else {
            assert_ok(decode(file.bytes, file.n, &image));
            assert_int_equal(image.C, 1);
            assert_memory_equal(image.pixels, grey, 8);
            bfn__image_free(ctx, &image);
        }
        free(file.bytes);
    }
}

/* Adam7 by hand: seven passes, each a picture of its own; those without pixels have no rows. */
static void test_interlaced(void **state)
{
    (void)state;
    enum { W = 5, H = 5 };
    static const int x0[] = {0, 4, 0, 2, 0, 1, 0}, y0[] = {0, 0, 4, 0, 2, 0, 1}, dx[] = {8, 8, 4, 4, 2, 2, 1},
                     dy[] = {8, 8, 8, 4, 4, 2, 2};
    uint8_t pixels[H * W], raw[100];
    size_t n = 0;
    for (size_t i = 0; i < H * W; i++)
        pixels[i] = (uint8_t)(10 * i + 1);
    for (int pass = 0; pass < 7; pass++)
        for (int y = y0[pass]; y < H; y += dy[pass]) {
            size_t begin = n++;
            raw[begin] = 0; /* filter */
            for (int x = x0[pass]; x < W; x += dx[pass])
                raw[n++] = pixels[y * W + x];
            if (n == begin + 1)
                n = begin; /* an empty pass has no rows */
        }
    png_file file;
    bfn__image image;
    png_begin(&file);
    png_header(&file, W, H, 8, 0, 1);
    png_data(&file, raw + 1, 1, n - 1); /* png_data adds the first filter byte itself */
    png_end(&file);
    assert_ok(decode(file.bytes, file.n, &image));
    assert_memory_equal(image.pixels, pixels, H * W);
    bfn__image_free(ctx, &image);
    free(file.bytes);
}

/* ---- broken files ---- */

static void test_truncated_everywhere(void **state)
{
    (void)state;
    bfn__image image = example(12, 9, 3);
    char *bytes;
    size_t n;
    assert_ok(bfn__png_encode(ctx, &image, texts, 4, &bytes, &n));
    for (size_t cut = 0; cut < n; cut++)
        refuse(bytes, cut, "");
    char *longer = malloc(n + 1);
    memcpy(longer, bytes, n);
    longer[n] = '\n';
    refuse(longer, n + 1, "data behind the end of the PNG file");
    free(longer);
    bfn__free(ctx, bytes);
    bfn__image_free(ctx, &image);
}

/* A flipped bit is always noticed: every byte is under a signature, a length or a CRC. */
static void test_bit_flips(void **state)
{
    (void)state;
    bfn__image image = example(6, 5, 1);
    char *bytes;
    size_t n;
    assert_ok(bfn__png_encode(ctx, &image, texts, 2, &bytes, &n));
    for (size_t i = 0; i < n; i++)
        for (int bit = 0; bit < 8; bit++) {
            bytes[i] ^= (char)(1 << bit);
            refuse(bytes, n, "");
            bytes[i] ^= (char)(1 << bit);
        }
    bfn__image back;
    assert_ok(decode(bytes, n, &back));
    assert_same(&image, &back);
    bfn__free(ctx, bytes);
    bfn__image_free(ctx, &back);
    bfn__image_free(ctx, &image);
}

/* Noise in one chunk beyond the limit of texts: pixels have no such limit. */
static void test_large_chunk(void **state)
{
    (void)state;
    enum { SIDE = 4200 };
    uint8_t *pixels = malloc(SIDE * SIDE);
    assert_non_null(pixels);
    uint32_t word = 1;
    for (size_t i = 0; i < SIDE * SIDE; i++) {
        word = word * 1664525u + 1013904223u;
        pixels[i] = (uint8_t)(word >> 24);
    }
    png_file file;
    bfn__image image;
    png_begin(&file);
    png_header(&file, SIDE, SIDE, 8, 0, 0);
    png_data(&file, pixels, SIDE, SIDE);
    png_end(&file);
    assert_true(file.n > (size_t)1 << 24);
    assert_ok(decode(file.bytes, file.n, &image));
    assert_memory_equal(image.pixels, pixels, SIDE * SIDE);
    bfn__image_free(ctx, &image);
    free(file.bytes);
    free(pixels);
}

/* The same with the CRC made right again: whatever libspng then meets, no crash, and what is accepted has the size it says. */
static void test_corrupted_with_right_checksums(void **state)
{
    (void)state;
    bfn__image image = example(6, 5, 3), out;
    char *bytes;
    size_t n, accepted = 0, refused = 0;
    assert_ok(bfn__png_encode(ctx, &image, texts, 4, &bytes, &n));
    unsigned char *copy = malloc(n);
    for (size_t offset = 8; offset < n;) {
        bfn__png_chunk chunk;
        assert_ok(bfn__png_next_chunk(ctx, bytes, n, "x.png", offset, &chunk));
        for (size_t i = 4; i < 8 + chunk.n; i++)
            for (int value = 0; value < 256; value += 5) {
                memcpy(copy, bytes, n);
                copy[offset + i] = (unsigned char)value;
                png_repair(copy, offset);
                bfn_status status = decode(copy, n, &out);
                assert_true(status == BFN_OK || status == BFN_ERR_INPUT);
                accepted += status == BFN_OK;
                refused += status != BFN_OK;
                if (status == BFN_OK)
                    assert_true(out.H >= 1 && out.W >= 1 && out.H * out.W <= 6 * 5 * 3);
                bfn__image_free(ctx, &out);
            }
        offset = chunk.next;
    }
    assert_true(accepted > 0 && refused > 0);
    free(copy);
    bfn__free(ctx, bytes);
    bfn__image_free(ctx, &image);
}

/* 64 MiB of text packed into 64 KiB: given up at the cap of texts. */
static void test_text_bomb(void **state)
{
    (void)state;
    enum { UNFOLDED = 1 << 26 };
    static const uint8_t row[4] = {1, 2, 3, 4};
    char *text = calloc(UNFOLDED, 1);
    uLongf n = compressBound(UNFOLDED);
    unsigned char *packed = malloc(n + 5);
    assert_non_null(text);
    assert_non_null(packed);
    memset(text, 'a', UNFOLDED);
    memcpy(packed, "bomb\0", 6); /* key, zero, method 0 */
    packed[5] = 0;
    n -= 1;
    assert_int_equal(compress(packed + 6, &n, (unsigned char *)text, UNFOLDED), Z_OK);
    free(text);
    png_file file;
    png_begin(&file);
    png_header(&file, 4, 1, 8, 0, 0);
    png_chunk(&file, "zTXt", packed, n + 6);
    png_data(&file, row, 1, 4);
    png_end(&file);
    refuse(file.bytes, file.n, "limits");
    free(file.bytes);
    free(packed);
}

static void refuse_size(uint32_t width, uint32_t height, int depth, int type, const char *words)
{
    static const uint8_t row[4];
    png_file file;
    png_begin(&file);
    png_header(&file, width, height, depth, type, 0);
    png_data(&file, row, 1, 4);
    png_end(&file);
    refuse(file.bytes, file.n, words);
    free(file.bytes);
}

static void test_claimed_sizes(void **state)
{
    (void)state;
    refuse_size(0, 1, 8, 0, "0 x 1 pixels (width x height), allowed: 1 to 16384");
    refuse_size(1, 0, 8, 0, "1 x 0 pixels");
    refuse_size(0x80000000u, 0x80000000u, 8, 0, "2147483648 x 2147483648 pixels");
    refuse_size(0x7fffffff, 1, 8, 0, "2147483647 x 1 pixels");
    refuse_size(16385, 1, 8, 0, "16385 x 1 pixels");
    refuse_size(16384, 16384, 8, 0, "bytes of data cannot hold them");
    refuse_size(16384, 16384, 16, 6, "are 2147483648 bytes, at most 1073741824 are allowed");
    refuse_size(4, 2, 8, 0, "broken PNG file");
    refuse_size(4, 2, 3, 0, "broken PNG file");
    refuse_size(4, 2, 8, 1, "broken PNG file");
    size_t before = memory.n_calls;
    refuse_size(16384, 16000, 8, 0, "cannot hold them");
    assert_int_equal(memory.n_calls, before); /* nothing was allocated for the claim */
}

static void test_structure(void **state)
{
    (void)state;
    static const uint8_t row[4] = {1, 2, 3, 4};
    refuse("", 0, "is not a PNG file");
    refuse("GIF89a..........", 16, "is not a PNG file");
    png_file file;
    png_begin(&file); /* no chunk at all */
    refuse(file.bytes, file.n, "ends where a chunk should begin");
    png_end(&file);
    refuse(file.bytes, file.n, "the first chunk is \"IEND\"");
    free(file.bytes);
    png_begin(&file); /* no pixels */
    png_header(&file, 4, 1, 8, 0, 0);
    png_end(&file);
    refuse(file.bytes, file.n, "broken PNG file");
    free(file.bytes);
    png_begin(&file); /* a palette picture without palette */
    png_header(&file, 4, 1, 8, 3, 0);
    png_data(&file, row, 1, 4);
    png_end(&file);
    refuse(file.bytes, file.n, "broken PNG file");
    free(file.bytes);
    png_begin(&file); /* an index beyond the palette: 4 of 4 */
    png_header(&file, 4, 1, 8, 3, 0);
    put_palette(&file);
    png_data(&file, row, 1, 4);
    png_end(&file);
    bfn__image image;
    bfn_status status = decode(file.bytes, file.n, &image);
    assert_true(status == BFN_OK || status == BFN_ERR_INPUT);
    bfn__image_free(ctx, &image);
    free(file.bytes);
    png_begin(&file); /* an unknown chunk that must be understood */
    png_header(&file, 4, 1, 8, 0, 0);
    png_chunk(&file, "ABCD", row, 4);
    png_data(&file, row, 1, 4);
    png_end(&file);
    refuse(file.bytes, file.n, "broken PNG file");
    free(file.bytes);
}

static void test_messages_are_clean(void **state)
{
    (void)state;
    png_file file;
    png_begin(&file);
    png_chunk(&file, "\x1b[2J", "", 0);
    png_end(&file);
    refuse(file.bytes, file.n, "the first chunk is");
    for (const char *c = bfn_errmsg(ctx); *c != '\0'; c++)
        assert_true((unsigned char)*c >= 0x20 && *c != 0x7f);
    free(file.bytes);
}

static void test_files(void **state)
{
    (void)state;
    bfn__image image;
    assert_says(bfn__png_load(ctx, "none.png", &image), BFN_ERR_NOT_FOUND, "none.png: cannot be opened");
    assert_says(bfn__png_load(ctx, ".", &image), BFN_ERR_NOT_FOUND, "is a folder");
    assert_ok(bfn__file_write(ctx, scratch("text.png"), "no picture", 10));
    assert_says(bfn__png_load(ctx, scratch("text.png"), &image), BFN_ERR_INPUT, "text.png: is not a PNG file");
    assert_ok(bfn__file_write(ctx, scratch("empty.png"), NULL, 0));
    assert_says(bfn__png_load(ctx, scratch("empty.png"), &image), BFN_ERR_INPUT, "empty.png: is not a PNG file");
    image = example(2, 2, 1);
    assert_says(bfn__png_save(ctx, "/dev/full", &image, NULL, 0), BFN_ERR_WRITE, "No space left");
    assert_says(bfn__png_save(ctx, scratch("no/a.png"), &image, NULL, 0), BFN_ERR_WRITE, "a.png");
    bfn__image bad = image;
    bad.C = 2;
    assert_says(bfn__png_save(ctx, scratch("a.png"), &bad, NULL, 0), BFN_ERR_ARGUMENT, "2 channels");
    bad = (bfn__image){0};
    assert_says(bfn__png_save(ctx, scratch("a.png"), &bad, NULL, 0), BFN_ERR_ARGUMENT, "0 x 0");
    assert_int_equal(scratch_count(), 2);
    bfn__image_free(ctx, &image);
}

/* ---- memory ---- */

static bfn_status run_save(bfn_context *context, void *arg)
{
    uint8_t pixels[48] = {1, 2, 3};
    bfn__image image = {4, 4, 3, pixels};
    return bfn__png_save(context, arg, &image, texts, 4);
}

static bfn_status run_load(bfn_context *context, void *arg)
{
    bfn__image image;
    bfn_status status = bfn__png_load(context, arg, &image);
    assert_true((status == BFN_OK) == (image.pixels != NULL));
    bfn__image_free(context, &image);
    return status;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    char path[512];
    (void)snprintf(path, sizeof path, "%s", scratch("a.png"));
    assert_true(each_allocation(run_save, path, BFN_OK) >= 5);
    assert_true(each_allocation(run_load, path, BFN_OK) >= 3);
    assert_int_equal(scratch_count(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_round_trip, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_written_file_by_hand, setup, teardown),
        cmocka_unit_test_setup_teardown(test_texts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_odd_texts, setup, teardown),
        cmocka_unit_test_setup_teardown(test_kinds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_alpha, setup, teardown),
        cmocka_unit_test_setup_teardown(test_interlaced, setup, teardown),
        cmocka_unit_test_setup_teardown(test_truncated_everywhere, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bit_flips, setup, teardown),
        cmocka_unit_test_setup_teardown(test_large_chunk, setup, teardown),
        cmocka_unit_test_setup_teardown(test_corrupted_with_right_checksums, setup, teardown),
        cmocka_unit_test_setup_teardown(test_text_bomb, setup, teardown),
        cmocka_unit_test_setup_teardown(test_claimed_sizes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_structure, setup, teardown),
        cmocka_unit_test_setup_teardown(test_messages_are_clean, setup, teardown),
        cmocka_unit_test_setup_teardown(test_files, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_out_of_memory, setup_scratch, teardown_scratch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
