/* test_pictures.c: samples as bytes, PNG, arrays, films and boards: what is in the files. */
#include "bfn/picture.h"
#include "io/canvas.h"
#include "io/file.h"
#include "io/npz.h"
#include "io/png.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bfn_context *ctx;
static char folder[] = "bfn-test-pictures-XXXXXX";

static int setup(void **p)
{
    (void)p;
    return mkdtemp(folder) == NULL || bfn_context_create(&ctx, NULL) != BFN_OK;
}

static int teardown(void **p)
{
    (void)p;
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    bfn_context_destroy(ctx);
    return system(command);
}

static const char *in_folder(const char *name)
{
    static char paths[4][64];
    static size_t next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static bfn_flow flow_of(bfn_data_kind kind, size_t n_classes)
{
    bfn_flow flow = BFN_FLOW_INIT;
    flow.kind = kind;
    flow.n_classes = n_classes;
    return flow;
}

/* Every byte survives the way to data and back, for levels as they are and for bin centres; beyond the ends is clamped. */
static void test_quantiser(void **p)
{
    (void)p;
    bfn_flow continuous = flow_of(BFN_DATA_CONTINUOUS, 0), bins = flow_of(BFN_DATA_DISCRETISED, 256);
    float x[256], centres[256];
    uint8_t out[256], from_bins[256];
    for (int i = 0; i < 256; i++) {
        x[i] = 2.0f * (float)i / 255.0f - 1.0f;
        centres[i] = (float)bfn_flow_bin_centre(&bins, (size_t)i);
    }
    bfn_samples_to_pixels(&continuous, 256, x, out);
    bfn_samples_to_pixels(&bins, 256, centres, from_bins);
    for (int i = 0; i < 256; i++)
        assert_true(out[i] == i && from_bins[i] == i);
    const float odd[] = {-1.2f, 1.2f, 0.0f, NAN, INFINITY, -INFINITY};
    bfn_samples_to_pixels(&continuous, 6, odd, out);
    assert_true(out[0] == 0 && out[1] == 255 && out[2] == 128 && out[3] == 0 && out[4] == 255 && out[5] == 0);
    bfn_flow binary = flow_of(BFN_DATA_DISCRETE, 2);
    const int32_t classes[] = {0, 1, 1};
    bfn_samples_to_pixels(&binary, 3, classes, out);
    assert_true(out[0] == 0 && out[1] == 255 && out[2] == 255);
    const float beliefs[] = {1.0f, 0.0f, 0.25f, 0.75f, 0.0f, 1.0f};
    bfn_predictions_to_pixels(&binary, 3, beliefs, out);
    assert_true(out[0] == 0 && out[1] == 191 && out[2] == 255);
}

enum { N = 3, H = 4, W = 5, C = 3, SIZE = H * W * C };

static bfn_pictures pictures(const uint8_t *pixels)
{
    bfn_pictures p = BFN_PICTURES_INIT;
    p.n = N;
    p.height = H;
    p.width = W;
    p.channels = C;
    p.pixels = pixels;
    return p;
}

static void fill(uint8_t *pixels, size_t n)
{
    for (size_t i = 0; i < n; i++)
        pixels[i] = (uint8_t)(i * 37 + i / 7);
}

static void load(const char *path, bfn__image *image)
{
    assert_int_equal(bfn__png_load(ctx, path, image), BFN_OK);
}

/* Is picture i at (top, left), enlarged? */
static bool stands_at(const bfn__image *image, size_t top, size_t left, size_t scale, const uint8_t *pixels)
{
    for (size_t y = 0; y < H * scale; y++)
        for (size_t x = 0; x < W * scale; x++)
            for (size_t c = 0; c < C; c++)
                if (image->pixels[((top + y) * image->W + left + x) * C + c] !=
                    pixels[(y / scale * W + x / scale) * C + c])
                    return false;
    return true;
}

static void test_grid(void **p)
{
    (void)p;
    uint8_t pixels[N * SIZE];
    bfn__image image;
    fill(pixels, sizeof pixels);
    const bfn_picture_text text = {"bfn.seed", "7"};
    bfn_pictures grid = pictures(pixels);
    size_t height, width;
    grid.scale = 2;
    grid.texts = &text;
    grid.n_texts = 1;
    const char *path = in_folder("grid.png");
    assert_int_equal(bfn_pictures_save_png(ctx, path, &grid), BFN_OK);
    assert_int_equal(bfn_pictures_size(ctx, &grid, &height, &width), BFN_OK);
    load(path, &image);
    assert_true(image.H == 2 * (2 * H + 2) + 2 && image.W == 2 * (2 * W + 2) + 2 && image.C == C);
    assert_true(image.H == height && image.W == width);
    assert_true(stands_at(&image, 2, 2, 2, pixels));
    assert_true(stands_at(&image, 2, 2 * W + 4, 2, pixels + SIZE));
    assert_true(stands_at(&image, 2 * H + 4, 2, 2, pixels + (size_t)2 * SIZE));
    bfn__image_free(ctx, &image);
    grid.columns = 50; /* no room for pictures that are not there */
    assert_int_equal(bfn_pictures_size(ctx, &grid, &height, &width), BFN_OK);
    assert_true(height == 2 * H + 4 && width == N * (2 * W + 2) + 2);
    bfn__bytes bytes;
    char *value;
    assert_int_equal(bfn__file_map(ctx, path, SIZE_MAX, &bytes), BFN_OK);
    assert_int_equal(bfn__png_read_text(ctx, bytes.data, bytes.size, path, "bfn.seed", &value), BFN_OK);
    assert_string_equal(value, "7");
    bfn__free(ctx, value);
    bfn__file_unmap(ctx, &bytes);
    bfn_pictures one = pictures(pixels + SIZE);
    one.n = 1;
    one.scale = 1;
    uint8_t back[SIZE];
    assert_int_equal(bfn_pictures_save_png(ctx, in_folder("one.png"), &one), BFN_OK);
    assert_int_equal(bfn_picture_load_png(ctx, in_folder("one.png"), H, W, C, back), BFN_OK);
    assert_memory_equal(back, pixels + SIZE, SIZE);
    assert_int_equal(bfn_picture_load_png(ctx, in_folder("one.png"), H, W + 1, C, back), BFN_ERR_INPUT);
    assert_non_null(strstr(bfn_errmsg(ctx), "one.png: is 4 x 5 x 3, needs 4 x 6 x 3"));
    one.channels = 1;
    assert_int_equal(bfn_pictures_save_png(ctx, in_folder("grey.png"), &one), BFN_OK);
    assert_int_equal(bfn_picture_load_png(ctx, in_folder("grey.png"), H, W, C, back), BFN_OK);
    for (size_t i = 0; i < SIZE; i++)
        assert_int_equal(back[i], one.pixels[i / C]);
}

static void test_arrays(void **p)
{
    (void)p;
    uint8_t pixels[N * SIZE];
    const int32_t labels[N] = {2, 0, 1};
    bfn__npz *npz;
    fill(pixels, sizeof pixels);
    bfn_pictures all = pictures(pixels);
    assert_int_equal(bfn_pictures_save_npz(ctx, in_folder("a.npz"), &all, labels), BFN_OK);
    assert_int_equal(bfn__npz_open(ctx, &npz, in_folder("a.npz")), BFN_OK);
    const bfn__st_tensor *a = bfn__npz_find(npz, "arr_0"), *b = bfn__npz_find(npz, "arr_1");
    assert_true(a != NULL && a->rank == 4 && a->shape[0] == N && a->shape[3] == C && a->dtype == BFN__DTYPE_U8);
    assert_memory_equal(a->data, pixels, sizeof pixels);
    assert_true(b != NULL && b->rank == 1);
    assert_memory_equal(b->data, labels, sizeof labels);
    bfn__npz_close(npz);
    bfn__bytes bytes;
    assert_int_equal(bfn_pictures_save_npy(ctx, in_folder("a.npy"), &all), BFN_OK);
    assert_int_equal(bfn__file_map(ctx, in_folder("a.npy"), SIZE_MAX, &bytes), BFN_OK);
    assert_memory_equal((const char *)bytes.data + bytes.size - sizeof pixels, pixels, sizeof pixels);
    bfn__file_unmap(ctx, &bytes);
}

static void test_film_and_board(void **p)
{
    (void)p;
    uint8_t pixels[4 * N * SIZE];
    bfn_film *film;
    bfn__image image;
    fill(pixels, sizeof pixels);
    bfn_pictures layout = pictures(NULL);
    layout.scale = 1;
    assert_int_equal(bfn_film_create(ctx, &film, &layout), BFN_OK);
    for (size_t f = 0; f < 4; f++)
        assert_int_equal(bfn_film_add(film, pixels + f * N * SIZE, 50), BFN_OK);
    assert_int_equal(bfn_film_save(film, in_folder("film.png")), BFN_OK);
    bfn_film_destroy(film);
    load(in_folder("film.png"), &image); /* readers that know no films see the first frame */
    assert_true(stands_at(&image, 2, 2, 1, pixels));
    bfn__image_free(ctx, &image);

    const char *const rows[] = {"a", "long name"}, *const columns[] = {"1", "2"};
    bfn_board board = BFN_BOARD_INIT;
    board.title = "title";
    board.n_rows = board.n_columns = 2;
    board.row_labels = rows;
    board.column_labels = columns;
    board.cell = layout;
    board.pixels = pixels;
    assert_int_equal(bfn_board_save_png(ctx, in_folder("board.png"), &board), BFN_OK);
    load(in_folder("board.png"), &image);
    size_t height, width;
    assert_int_equal(bfn_board_size(ctx, &board, &height, &width), BFN_OK);
    assert_true(height == image.H && width == image.W);
    size_t found[4] = {0};
    for (size_t cell = 0; cell < 4; cell++)
        for (size_t y = 0; y + H <= image.H; y++)
            for (size_t x = 0; x + W <= image.W; x++)
                if (stands_at(&image, y, x, 1, pixels + cell * N * SIZE))
                    found[cell] = y * image.W + x;
    size_t w = image.W;
    assert_true(found[0] % w < found[1] % w && found[0] / w == found[1] / w); /* a row: same height */
    assert_true(found[0] % w == found[2] % w && found[0] / w < found[2] / w);
    assert_true(found[3] % w == found[1] % w && found[3] / w == found[2] / w);
    assert_true(found[0] % w > bfn__text_width("long name", 2));
    bfn__image_free(ctx, &image);
}

static void test_preview(void **p)
{
    (void)p;
    uint8_t pixels[N * SIZE];
    char *text;
    fill(pixels, sizeof pixels);
    bfn_pictures grid = pictures(pixels);
    assert_int_equal(bfn_pictures_preview(ctx, &grid, 80, &text), BFN_OK);
    size_t lines = 0;
    for (const char *c = text; *c != '\0'; c++)
        lines += *c == '\n';
    assert_int_equal(lines, (2 * (H + 2) + 2 + 1) / 2);
    assert_non_null(strstr(text, "\xe2\x96\x80"));
    bfn_preview_free(ctx, text);
}

static void test_refusals(void **p)
{
    (void)p;
    uint8_t pixels[N * SIZE] = {0};
    bfn_pictures bad = pictures(pixels);
    bad.n = 0;
    assert_int_equal(bfn_pictures_save_png(ctx, in_folder("x.png"), &bad), BFN_ERR_ARGUMENT);
    bad = pictures(pixels);
    bad.channels = 2;
    assert_int_equal(bfn_pictures_save_npy(ctx, in_folder("x.npy"), &bad), BFN_ERR_ARGUMENT);
    bad = pictures(pixels);
    bad.struct_size = 1;
    assert_int_equal(bfn_pictures_save_npz(ctx, in_folder("x.npz"), &bad, NULL), BFN_ERR_ARGUMENT);
    bad = pictures(pixels);
    assert_int_equal(bfn_pictures_save_png(ctx, "nowhere/x.png", &bad), BFN_ERR_WRITE);
    bad.n = (size_t)1 << 40;
    size_t height, width;
    assert_int_equal(bfn_pictures_size(ctx, &bad, &height, &width), BFN_ERR_ARGUMENT);
    bfn_board board = BFN_BOARD_INIT;
    board.cell = pictures(NULL);
    assert_int_equal(bfn_board_save_png(ctx, in_folder("x.png"), &board), BFN_ERR_ARGUMENT);
    board.n_rows = board.n_columns = 1000;
    assert_int_equal(bfn_board_size(ctx, &board, &height, &width), BFN_ERR_ARGUMENT);
    assert_non_null(strstr(bfn_errmsg(ctx), "allowed: sides up to 16384"));
    bfn_film_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quantiser),      cmocka_unit_test(test_grid),    cmocka_unit_test(test_arrays),
        cmocka_unit_test(test_film_and_board), cmocka_unit_test(test_preview), cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
