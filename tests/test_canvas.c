/* test_canvas.c: drawing: cuts at the edges, scales, grids, words, and the preview read back as a terminal would. */
#include "helper_fixture.h"
#include "io/canvas.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

static const bfn__colour black = {0, 0, 0}, white = {255, 255, 255}, red = {255, 0, 0};

static bfn__image canvas_of(size_t H, size_t W, size_t C, bfn__colour background)
{
    bfn__image canvas;
    assert_ok(bfn__canvas_create(ctx, &canvas, H, W, C, background));
    return canvas;
}

static uint8_t at(const bfn__image *image, size_t y, size_t x, size_t c)
{
    return image->pixels[(y * image->W + x) * image->C + c];
}

static void test_colours(void **state)
{
    (void)state;
    bfn__image grey = canvas_of(2, 2, 1, (bfn__colour){10, 20, 30}),
               rgb = canvas_of(2, 2, 3, (bfn__colour){10, 20, 30});
    assert_int_equal(at(&grey, 1, 1, 0), 18); /* 0.299 * 10 + 0.587 * 20 + 0.114 * 30 = 18.15 */
    for (size_t c = 0; c < 3; c++)
        assert_int_equal(at(&rgb, 1, 1, c), 10 * (c + 1));
    bfn__canvas_fill(&grey, 0, 0, 1, 1, white);
    assert_int_equal(at(&grey, 0, 0, 0), 255);
    bfn__canvas_paste(&rgb, 0, 0, &grey, 1); /* grey in every channel */
    assert_int_equal(at(&rgb, 0, 0, 2), 255);
    assert_int_equal(at(&rgb, 0, 1, 2), 18);
    bfn__canvas_fill(&rgb, 0, 0, 2, 2, red);
    bfn__canvas_paste(&grey, 0, 0, &rgb, 1); /* luma */
    assert_int_equal(at(&grey, 1, 0, 0), 76);
    bfn__image_free(ctx, &grey);
    bfn__image_free(ctx, &rgb);
}

/* A rectangle anywhere, against the definition. */
static void test_fill_is_cut(void **state)
{
    (void)state;
    for (long top = -4; top <= 6; top++)
        for (long left = -4; left <= 7; left++)
            for (size_t size = 0; size < 12; size += 3) {
                bfn__image canvas = canvas_of(5, 6, 1, black);
                bfn__canvas_fill(&canvas, top, left, size, size + 1, white);
                for (long y = 0; y < 5; y++)
                    for (long x = 0; x < 6; x++) {
                        bool inside = y >= top && y < top + (long)size && x >= left && x < left + (long)size + 1;
                        assert_int_equal(at(&canvas, (size_t)y, (size_t)x, 0), inside ? 255 : 0);
                    }
                bfn__image_free(ctx, &canvas);
            }
    bfn__image canvas = canvas_of(5, 6, 1, black);
    bfn__canvas_fill(&canvas, LONG_MIN, LONG_MIN, SIZE_MAX, SIZE_MAX, white);
    bfn__canvas_fill(&canvas, LONG_MAX, LONG_MAX, SIZE_MAX, SIZE_MAX, black);
    bfn__canvas_fill(&canvas, 3, 3, SIZE_MAX, SIZE_MAX, red);
    assert_int_equal(at(&canvas, 0, 0, 0), 255);
    assert_int_equal(at(&canvas, 4, 5, 0), 76);
    bfn__image_free(ctx, &canvas);
}

static void test_paste_scaled(void **state)
{
    (void)state;
    uint8_t pixels[6] = {1, 2, 3, 4, 5, 6};
    bfn__image picture = {2, 3, 1, pixels}, canvas = canvas_of(7, 9, 1, white);
    bfn__canvas_paste(&canvas, 1, -2, &picture, 3);
    for (size_t y = 0; y < 7; y++)
        for (size_t x = 0; x < 9; x++) {
            bool inside = y >= 1 && x < 7;
            assert_int_equal(at(&canvas, y, x, 0), inside ? pixels[(y - 1) / 3 * 3 + (x + 2) / 3] : 255);
        }
    bfn__image_free(ctx, &canvas);
}

static void test_grid(void **state)
{
    (void)state;
    uint8_t pixels[5 * 2 * 3 * 3];
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)i;
    bfn__grid grid = {.n = 5, .H = 2, .W = 3, .C = 3, .columns = 2, .scale = 2, .padding = 1, .background = white};
    bfn__image out;
    assert_ok(bfn__canvas_grid(ctx, &out, &grid, pixels));
    assert_int_equal(out.H, 1 + 3 * (4 + 1));
    assert_int_equal(out.W, 1 + 2 * (6 + 1));
    for (size_t y = 0; y < out.H; y++)
        for (size_t x = 0; x < out.W; x++) {
            size_t row = y / 5, column = x / 7, i = row * 2 + column, v = (y % 5 - 1) / 2, u = (x % 7 - 1) / 2;
            bool inside = y % 5 > 0 && x % 7 > 0 && i < 5;
            for (size_t c = 0; c < 3; c++)
                assert_int_equal(at(&out, y, x, c), inside ? pixels[((i * 2 + v) * 3 + u) * 3 + c] : 255);
        }
    size_t top, left, H, W;
    bfn__grid_cell(&grid, 3, &top, &left);
    assert_int_equal(top, 6);
    assert_int_equal(left, 8);
    assert_ok(bfn__grid_size(ctx, &grid, &H, &W));
    assert_int_equal(H, out.H);
    assert_int_equal(W, out.W);
    bfn__image_free(ctx, &out);
    grid.columns = 5; /* a strip */
    grid.scale = 0;   /* as they are */
    grid.padding = 0;
    assert_ok(bfn__canvas_grid(ctx, &out, &grid, pixels));
    assert_int_equal(out.H, 2);
    assert_int_equal(out.W, 15);
    bfn__image_free(ctx, &out);
    grid.columns = 0; /* the smallest square: 5 fit into 3 x 3 */
    assert_ok(bfn__grid_size(ctx, &grid, &H, &W));
    assert_int_equal(H, 4);
    assert_int_equal(W, 9);
    grid.n = 4; /* a square number */
    assert_ok(bfn__grid_size(ctx, &grid, &H, &W));
    assert_int_equal(H, 4);
    assert_int_equal(W, 6);
}

static void test_grid_refused(void **state)
{
    (void)state;
    const bfn__grid good = {.n = 4, .H = 2, .W = 2, .C = 1, .columns = 2, .scale = 1};
    size_t H, W;
    bfn__grid g = good;
    g.n = 0;
    assert_says(bfn__grid_size(ctx, &g, &H, &W), BFN_ERR_ARGUMENT, "a grid of 0 pictures");
    g = good;
    g.W = 0;
    assert_says(bfn__grid_size(ctx, &g, &H, &W), BFN_ERR_ARGUMENT, "2 x 0 pixels");
    g = good;
    g.scale = SIZE_MAX;
    assert_says(bfn__grid_size(ctx, &g, &H, &W), BFN_ERR_ARGUMENT, "allowed: sides up to 16384");
    g = good;
    g.padding = SIZE_MAX;
    assert_says(bfn__grid_size(ctx, &g, &H, &W), BFN_ERR_ARGUMENT, "allowed: sides up to 16384");
    g = good;
    g.n = 1000000;
    g.columns = 1;
    assert_says(bfn__grid_size(ctx, &g, &H, &W), BFN_ERR_ARGUMENT, "1000000 x 1 pictures");
    g.n = SIZE_MAX;
    assert_says(bfn__grid_size(ctx, &g, &H, &W), BFN_ERR_ARGUMENT, "a grid of");
    bfn__image out;
    g = good;
    g.C = 2;
    assert_says(bfn__canvas_grid(ctx, &out, &g, NULL), BFN_ERR_ARGUMENT, "2 channels");
    assert_null(out.pixels);
}

/* ---- words ---- */

/* The 95 glyphs differ, use their five columns only, and none but the space is empty; what is none is a box. */
static void test_font(void **state)
{
    (void)state;
    for (unsigned a = 32; a < 127; a++) {
        const uint8_t *glyph = bfn__font_glyph((unsigned char)a);
        unsigned bits = 0;
        for (size_t y = 0; y < BFN__FONT_HEIGHT; y++) {
            assert_true(glyph[y] < 32);
            bits |= glyph[y];
        }
        assert_true((bits == 0) == (a == ' '));
        for (unsigned b = 32; b < a; b++)
            assert_memory_not_equal(glyph, bfn__font_glyph((unsigned char)b), BFN__FONT_HEIGHT);
        assert_memory_not_equal(glyph, bfn__font_glyph(200), BFN__FONT_HEIGHT);
    }
    assert_ptr_equal(bfn__font_glyph(0), bfn__font_glyph(255));
    assert_ptr_equal(bfn__font_glyph(31), bfn__font_glyph(127));
    static const uint8_t box[] = {31, 17, 17, 17, 17, 17, 31, 0};
    assert_memory_equal(bfn__font_glyph(127), box, 8);
}

static void test_text(void **state)
{
    (void)state;
    assert_int_equal(bfn__text_width("ab\nabcd\n", 2), 4 * 6 * 2);
    assert_int_equal(bfn__text_height("ab\nabcd\n", 2), 3 * 8 * 2);
    assert_int_equal(bfn__text_width("", 1), 0);
    assert_int_equal(bfn__text_height("", 1), 8);
    bfn__image canvas = canvas_of(40, 60, 3, black);
    bfn__canvas_text(&canvas, 3, 5, "L\nTi", 2, red);
    for (size_t y = 0; y < 40; y++)
        for (size_t x = 0; x < 60; x++) {
            bool dot = false;
            static const char lines[2][3] = {"L ", "Ti"};
            if (y >= 3 && y < 3 + 32 && x >= 5 && x < 5 + 24) {
                size_t v = (y - 3) / 2, u = (x - 5) / 2;
                const uint8_t *glyph = bfn__font_glyph((unsigned char)lines[v / 8][u / 6]);
                dot = u % 6 < 5 && (glyph[v % 8] >> (4 - u % 6) & 1) != 0;
            }
            assert_int_equal(at(&canvas, y, x, 0), dot ? 255 : 0);
            assert_int_equal(at(&canvas, y, x, 1), 0);
        }
    bfn__canvas_text(&canvas, -5, -7, "cut on all sides, and far beyond", 5, white); /* no write outside */
    bfn__image_free(ctx, &canvas);
    /* L by eye: a bar on the left and a foot. */
    canvas = canvas_of(8, 6, 1, black);
    bfn__canvas_text(&canvas, 0, 0, "L", 1, white);
    for (size_t y = 0; y < 7; y++)
        assert_int_equal(at(&canvas, y, 0, 0), 255);
    assert_int_equal(at(&canvas, 6, 4, 0), 255);
    assert_int_equal(at(&canvas, 3, 4, 0), 0);
    bfn__image_free(ctx, &canvas);
}

/* ---- preview ---- */

/* Reads a preview as a terminal does: [lines * 2, columns] pixels of three bytes; a lower half without colour becomes 1, 1, 1. */
static void read_preview(const char *text, size_t columns, size_t lines, uint8_t *out)
{
    for (size_t y = 0; y < lines; y++) {
        unsigned colours[2][3] = {{1, 1, 1}, {1, 1, 1}};
        for (size_t x = 0; x < columns;) {
            if (strncmp(text, "\xe2\x96\x80", 3) == 0) {
                for (size_t half = 0; half < 2; half++)
                    for (size_t c = 0; c < 3; c++)
                        out[((2 * y + half) * columns + x) * 3 + c] = (uint8_t)colours[half][c];
                text += 3;
                x++;
                continue;
            }
            assert_int_equal(strncmp(text, "\x1b[38;2;", 7) == 0 || strncmp(text, "\x1b[48;2;", 7) == 0, 1);
            unsigned *colour = colours[text[2] == '4'];
            text += 6; /* at the ';' before red */
            for (size_t c = 0; c < 3; c++) {
                char *end;
                assert_int_equal(*text, ';');
                colour[c] = (unsigned)strtoul(text + 1, &end, 10);
                assert_true(end > text + 1 && end <= text + 4 && colour[c] < 256);
                text = end;
            }
            assert_int_equal(*text++, 'm');
        }
        assert_int_equal(strncmp(text, "\x1b[0m\n", 5), 0);
        text += 5;
    }
    assert_int_equal(*text, '\0');
}

static void test_preview(void **state)
{
    (void)state;
    bfn__image image = canvas_of(5, 4, 3, black);
    for (size_t i = 0; i < 60; i++)
        image.pixels[i] = (uint8_t)(i / 6 * 20 + i % 3);
    char *text;
    uint8_t seen[6 * 4 * 3];
    assert_ok(bfn__canvas_preview(ctx, &image, 0, &text));
    read_preview(text, 4, 3, seen);
    assert_memory_equal(seen, image.pixels, 60);
    for (size_t i = 60; i < 72; i++)
        assert_int_equal(seen[i], 1); /* below the last row nothing is painted */
    bfn__free(ctx, text);
    assert_ok(bfn__canvas_preview(ctx, &image, 4, &text)); /* it fits */
    read_preview(text, 4, 3, seen);
    assert_memory_equal(seen, image.pixels, 60);
    bfn__free(ctx, text);
    bfn__image_free(ctx, &image);
}

static void test_preview_reduced(void **state)
{
    (void)state;
    bfn__image image = canvas_of(5, 7, 1, black);
    for (size_t i = 0; i < 35; i++)
        image.pixels[i] = (uint8_t)(i * 7);
    char *text;
    uint8_t seen[4 * 3 * 3];
    assert_ok(bfn__canvas_preview(ctx, &image, 3, &text)); /* squares of 3: 3 columns, 2 rows of them: one line */
    read_preview(text, 3, 1, seen);
    for (size_t v = 0; v < 2; v++)
        for (size_t u = 0; u < 3; u++) {
            unsigned sum = 0, n = 0;
            for (size_t y = 3 * v; y < 3 * v + 3 && y < 5; y++)
                for (size_t x = 3 * u; x < 3 * u + 3 && x < 7; x++, n++)
                    sum += at(&image, y, x, 0);
            for (size_t c = 0; c < 3; c++)
                assert_int_equal(seen[(v * 3 + u) * 3 + c], (sum + n / 2) / n);
        }
    bfn__free(ctx, text);
    assert_ok(bfn__canvas_preview(ctx, &image, 1, &text));
    read_preview(text, 1, 1, seen);
    bfn__free(ctx, text);
    bfn__image_free(ctx, &image);
}

/* Equal neighbours say their colour once; and the largest numbers fit the room. */
static void test_preview_size(void **state)
{
    (void)state;
    char *text;
    bfn__image image = canvas_of(2, 100, 3, white);
    assert_ok(bfn__canvas_preview(ctx, &image, 0, &text));
    assert_int_equal(strlen(text), 2 * strlen("\x1b[38;2;255;255;255m") + 300 + 5);
    bfn__free(ctx, text);
    for (size_t i = 0; i < 600; i++)
        image.pixels[i] = (uint8_t)(100 + i % 150); /* all differ, all of three digits */
    assert_ok(bfn__canvas_preview(ctx, &image, 0, &text));
    assert_int_equal(strlen(text), 100 * (2 * strlen("\x1b[38;2;255;255;255m") + 3) + 5);
    bfn__free(ctx, text);
    bfn__image_free(ctx, &image);
}

static bfn_status run(bfn_context *context, void *arg)
{
    uint8_t pixels[8] = {0};
    bfn__grid grid = {.n = 2, .H = 2, .W = 2, .C = 1};
    bfn__image out;
    char *text;
    (void)arg;
    bfn_status status = bfn__canvas_grid(context, &out, &grid, pixels);
    if (status != BFN_OK)
        return status;
    status = bfn__canvas_preview(context, &out, 0, &text);
    bfn__free(context, text);
    bfn__image_free(context, &out);
    return status;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    assert_int_equal(each_allocation(run, NULL, BFN_OK), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_colours, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fill_is_cut, setup, teardown),
        cmocka_unit_test_setup_teardown(test_paste_scaled, setup, teardown),
        cmocka_unit_test_setup_teardown(test_grid, setup, teardown),
        cmocka_unit_test_setup_teardown(test_grid_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_font, setup, teardown),
        cmocka_unit_test_setup_teardown(test_text, setup, teardown),
        cmocka_unit_test_setup_teardown(test_preview, setup, teardown),
        cmocka_unit_test_setup_teardown(test_preview_reduced, setup, teardown),
        cmocka_unit_test_setup_teardown(test_preview_size, setup, teardown),
        cmocka_unit_test_setup_teardown(test_out_of_memory, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
