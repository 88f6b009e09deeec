/* test_apng.c: films, read back by the format's own rules (helper_png.c) and, the first frame, by libspng. */
#include "helper_fixture.h"
#include "helper_png.h"
#include "io/apng.h"
#include "io/file.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { H = 6, W = 10, N_FRAMES = 5 };

static void draw(uint8_t *pixels, size_t C, size_t frame)
{
    for (size_t i = 0; i < H * W * C; i++)
        pixels[i] = (uint8_t)(i * 3 + frame * 50 + i / W * frame);
}

static const bfn__png_text texts[] = {{"Title", "a film"}, {"Comment", "\xe2\x86\x92"}};

static bfn__apng *make_film(size_t C, size_t n_frames)
{
    bfn__apng *film;
    uint8_t pixels[H * W * 3];
    assert_ok(bfn__apng_create(ctx, &film, H, W, C, texts, 2));
    for (size_t i = 0; i < n_frames; i++) {
        draw(pixels, C, i);
        assert_ok(bfn__apng_add(film, pixels, 100 + (unsigned)i * 300));
    }
    return film;
}

static void check_frames(const char *bytes, size_t n, size_t C, size_t n_frames)
{
    uint8_t wanted[H * W * 3];
    bfn__image image;
    for (size_t i = 0; i < n_frames; i++) {
        draw(wanted, C, i);
        uint8_t *found = png_frame((const unsigned char *)bytes, n, i, H, W * C, C);
        assert_memory_equal(found, wanted, H * W * C);
        free(found);
    }
    draw(wanted, C, 0);
    assert_ok(bfn__png_decode(ctx, bytes, n, "film.png", &image));
    assert_int_equal(image.C, C);
    assert_memory_equal(image.pixels, wanted, H * W * C);
    bfn__image_free(ctx, &image);
}

static void test_frames(void **state)
{
    (void)state;
    for (size_t C = 1; C <= 3; C += 2)
        for (size_t n_frames = 1; n_frames <= N_FRAMES; n_frames += 4) {
            bfn__apng *film = make_film(C, n_frames);
            char *bytes;
            size_t n;
            assert_int_equal(bfn__apng_n_frames(film), n_frames);
            assert_ok(bfn__apng_encode(film, &bytes, &n));
            check_frames(bytes, n, C, n_frames);
            bfn__free(ctx, bytes);
            bfn__apng_destroy(film);
        }
}

/* The order of the chunks and each field of the control chunks. */
static void test_chunks(void **state)
{
    (void)state;
    static const char *const order[] = {"IHDR", "acTL", "tEXt", "iTXt", "fcTL", "IDAT",
                                        "fcTL", "fdAT", "fcTL", "fdAT", "IEND"};
    bfn__apng *film = make_film(3, 3);
    char *bytes;
    size_t n, i = 0, n_controls = 0;
    assert_ok(bfn__apng_encode(film, &bytes, &n));
    for (size_t offset = 8; offset < n; i++) {
        bfn__png_chunk chunk;
        assert_ok(bfn__png_next_chunk(ctx, bytes, n, "film", offset, &chunk));
        assert_true(i < sizeof order / sizeof order[0]);
        assert_string_equal(chunk.type, order[i]);
        if (strcmp(chunk.type, "acTL") == 0) {
            assert_int_equal(chunk.n, 8);
            assert_memory_equal(chunk.data, "\0\0\0\3\0\0\0\0", 8); /* three frames, for ever */
        }
        if (strcmp(chunk.type, "fcTL") == 0) {
            unsigned delay = 100 + 300 * (unsigned)n_controls;
            unsigned char wanted[26] = {
                0, 0, 0, (unsigned char)(n_controls == 0 ? 0 : 2 * n_controls - 1), 0, 0, 0, W, 0, 0, 0, H};
            wanted[20] = (unsigned char)(delay >> 8);
            wanted[21] = (unsigned char)delay;
            wanted[22] = 3; /* 1000 */
            wanted[23] = 232;
            assert_int_equal(chunk.n, 26);
            assert_memory_equal(chunk.data, wanted, 26);
            n_controls++;
        }
        offset = chunk.next;
    }
    assert_int_equal(i, sizeof order / sizeof order[0]);
    char *value;
    assert_ok(bfn__png_read_text(ctx, bytes, n, "film", "Comment", &value));
    assert_string_equal(value, texts[1].value);
    bfn__free(ctx, value);
    bfn__free(ctx, bytes);
    bfn__apng_destroy(film);
}

/* A film may be saved while it grows. */
static void test_save_while_growing(void **state)
{
    (void)state;
    bfn__apng *film = make_film(1, 2);
    uint8_t pixels[H * W];
    for (size_t i = 2; i < 4; i++) {
        bfn__bytes file;
        assert_ok(bfn__apng_save(film, scratch("film.png")));
        assert_ok(bfn__file_map(ctx, scratch("film.png"), SIZE_MAX, &file));
        check_frames(file.data, file.size, 1, i);
        bfn__file_unmap(ctx, &file);
        draw(pixels, 1, i);
        assert_ok(bfn__apng_add(film, pixels, 40));
    }
    assert_int_equal(scratch_count(), 1);
    bfn__apng_destroy(film);
}

static void test_refused(void **state)
{
    (void)state;
    bfn__apng *film;
    char *bytes;
    size_t n;
    uint8_t pixels[H * W] = {0};
    assert_says(bfn__apng_create(ctx, &film, 0, 5, 1, NULL, 0), BFN_ERR_ARGUMENT, "0 x 5 pixels");
    assert_null(film);
    assert_says(bfn__apng_create(ctx, &film, 5, 5, 2, NULL, 0), BFN_ERR_ARGUMENT, "2 channels");
    assert_ok(bfn__apng_create(ctx, &film, H, W, 1, NULL, 0));
    assert_says(bfn__apng_encode(film, &bytes, &n), BFN_ERR_ARGUMENT, "without frames");
    assert_null(bytes);
    assert_says(bfn__apng_save(film, scratch("film.png")), BFN_ERR_ARGUMENT, "without frames");
    assert_says(bfn__apng_add(film, pixels, 65536), BFN_ERR_ARGUMENT, "65536 milliseconds, allowed: 0 to 65535");
    assert_ok(bfn__apng_add(film, pixels, 65535));
    assert_says(bfn__apng_save(film, "/dev/full"), BFN_ERR_WRITE, "No space left");
    assert_int_equal(scratch_count(), 0);
    bfn__apng_destroy(film);
    bfn__apng_destroy(NULL);
    assert_ok(bfn__apng_create(ctx, &film, H, W, 1, &(bfn__png_text){"", "x"}, 1));
    assert_says(bfn__apng_add(film, pixels, 1), BFN_ERR_ARGUMENT, "PNG text key");
    bfn__apng_destroy(film);
}

static bfn_status run_film(bfn_context *context, void *arg)
{
    bfn__apng *film = NULL;
    uint8_t pixels[H * W * 3];
    bfn_status status = bfn__apng_create(context, &film, H, W, 3, texts, 2);
    for (size_t i = 0; i < 2 && status == BFN_OK; i++) {
        draw(pixels, 3, i);
        status = bfn__apng_add(film, pixels, 100);
    }
    if (status == BFN_OK)
        status = bfn__apng_save(film, arg);
    bfn__apng_destroy(film);
    return status;
}

/* A frame that found no memory leaves the film as it was: it can be added again. */
static void test_frame_without_memory(void **state)
{
    (void)state;
    enum { MANY = 24 }; /* the film's memory has to grow several times */
    bfn__apng *film = make_film(3, 1);
    uint8_t pixels[H * W * 3];
    char *bytes;
    size_t n, n_failed = 0;
    for (size_t i = 1; i < MANY; i++) {
        draw(pixels, 3, i);
        for (size_t k = 1;; k++) {
            memory.fail_at = memory.n_calls + k;
            bfn_status status = bfn__apng_add(film, pixels, 400);
            memory.fail_at = 0;
            if (status == BFN_OK)
                break;
            n_failed++;
            assert_int_equal(status, BFN_ERR_MEMORY);
            assert_int_equal(bfn__apng_n_frames(film), i);
        }
    }
    assert_true(n_failed > 2 * (MANY - 1)); /* the encoder's two, and those of growing */
    assert_ok(bfn__apng_encode(film, &bytes, &n));
    check_frames(bytes, n, 3, MANY);
    bfn__free(ctx, bytes);
    bfn__apng_destroy(film);
}

static void test_out_of_memory(void **state)
{
    (void)state;
    char path[512];
    (void)snprintf(path, sizeof path, "%s", scratch("film.png"));
    assert_true(each_allocation(run_film, path, BFN_OK) >= 15);
    assert_int_equal(scratch_count(), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_frames, setup, teardown),
        cmocka_unit_test_setup_teardown(test_chunks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_save_while_growing, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_refused, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_frame_without_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_out_of_memory, setup_scratch, teardown_scratch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
