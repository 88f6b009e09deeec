/* test_imageset.c: data sets of pictures: what a path is taken for, splits, order, labels, checksums; everything that can be wrong with
 * the files; and the way from numbers to bytes. */
#include "helper_fixture.h"
#include "helper_png.h"
#include "io/cifar.h"
#include "io/file.h"
#include "io/image.h"
#include "io/limits.h"
#include "io/png.h"
#include "io/sha256.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

/* ---- pictures and numbers ---- */

static void test_quantiser(void **state)
{
    (void)state;
    uint8_t bytes[256];
    float x[256];
    for (int p = 0; p < 256; p++)
        x[p] = (float)(2.0 * p / 255.0 - 1.0);
    bfn__quantise_all(256, x, bytes);
    for (int p = 0; p < 256; p++)
        assert_int_equal(bytes[p], p);
    for (int k = 0; k < 256; k++) /* centres of 256 bins */
        assert_int_equal(bfn__quantise((float)(2.0 * (k + 0.5) / 256.0 - 1.0)), k);
    for (int k = 0; k < 255; k++) { /* round to nearest: the borders lie half way */
        assert_int_equal(bfn__quantise((float)(2.0 * (k + 0.499) / 255.0 - 1.0)), k);
        assert_int_equal(bfn__quantise((float)(2.0 * (k + 0.501) / 255.0 - 1.0)), k + 1);
    }
    assert_int_equal(bfn__quantise(-1.01f), 0);
    assert_int_equal(bfn__quantise(1.01f), 255);
    assert_int_equal(bfn__quantise(-INFINITY), 0);
    assert_int_equal(bfn__quantise(INFINITY), 255);
    assert_int_equal(bfn__quantise(3e38f), 255);
    assert_int_equal(bfn__quantise(NAN), 0);
    assert_int_equal(bfn__quantise(-NAN), 0);
}

static void test_image_create(void **state)
{
    (void)state;
    bfn__image image;
    static const size_t bad[][3] = {{0, 1, 1}, {1, 0, 1},     {1, 1, 0},     {1, 1, 2},
                                    {1, 1, 4}, {16385, 1, 1}, {1, 16385, 1}, {SIZE_MAX, SIZE_MAX, 3}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_says(bfn__image_create(ctx, &image, bad[i][0], bad[i][1], bad[i][2]), BFN_ERR_ARGUMENT, "allowed");
        assert_null(image.pixels);
    }
    assert_ok(bfn__image_create(ctx, &image, 2, 3, 3));
    for (size_t i = 0; i < 18; i++)
        assert_int_equal(image.pixels[i], 0);
    bfn__image_free(ctx, &image);
    bfn__image_free(ctx, &image);
}

/* ---- making files ---- */

static void put(const char *name, const void *data, size_t n)
{
    assert_ok(bfn__file_write(ctx, scratch(name), data, n));
}

static void put_gzip(const char *name, const void *data, size_t n)
{
    gzFile file = gzopen(scratch(name), "wb");
    assert_non_null(file);
    assert_int_equal(gzwrite(file, data, (unsigned)n), n);
    assert_int_equal(gzclose(file), Z_OK);
}

enum { IDX_H = 3, IDX_W = 4, IDX_D = IDX_H * IDX_W };

static uint8_t idx_pixel(size_t set, size_t item, size_t d)
{
    return (uint8_t)(set * 100 + item * 13 + d * 3);
}

/* n images of 3 x 4, into a static buffer; returns its length. */
static size_t make_images(unsigned char *out, size_t set, size_t n)
{
    static const unsigned char header[16] = {0, 0, 8, 3, 0, 0, 0, 0, 0, 0, 0, IDX_H, 0, 0, 0, IDX_W};
    memcpy(out, header, 16);
    out[7] = (unsigned char)n;
    out[6] = (unsigned char)(n >> 8);
    for (size_t i = 0; i < n * IDX_D; i++)
        out[16 + i] = idx_pixel(set, i / IDX_D, i % IDX_D);
    return 16 + n * IDX_D;
}

static size_t make_labels(unsigned char *out, size_t n)
{
    static const unsigned char header[8] = {0, 0, 8, 1};
    memcpy(out, header, 8);
    out[7] = (unsigned char)n;
    out[6] = (unsigned char)(n >> 8);
    for (size_t i = 0; i < n; i++)
        out[8 + i] = (unsigned char)(i % 7);
    return 8 + n;
}

static unsigned char buffer[1 << 16];

static void put_images(const char *name, size_t set, size_t n)
{
    put(name, buffer, make_images(buffer, set, n));
}

static void put_labels(const char *name, size_t n)
{
    put(name, buffer, make_labels(buffer, n));
}

static void folder(const char *name)
{
    assert_int_equal(mkdir(scratch(name), 0777), 0);
}

/* A grey picture of one value. */
static void put_png(const char *name, size_t H, size_t W, size_t C, uint8_t value)
{
    bfn__image image;
    assert_ok(bfn__image_create(ctx, &image, H, W, C));
    memset(image.pixels, value, H * W * C);
    assert_ok(bfn__png_save(ctx, scratch(name), &image, NULL, 0));
    bfn__image_free(ctx, &image);
}

static bfn__imageset *open_set(const char *path, const bfn__imageset_options *options)
{
    bfn__imageset *set;
    assert_ok(bfn__imageset_open(ctx, path, options, &set));
    return set;
}

static void refuse(const char *path, const bfn__imageset_options *options, bfn_status wanted, const char *words)
{
    bfn__imageset *set = (bfn__imageset *)1;
    assert_says(bfn__imageset_open(ctx, path, options, &set), wanted, words);
    assert_null(set);
}

/* ---- IDX ---- */

static void put_idx_folder(size_t n_train, size_t n_test)
{
    put_images("train-images-idx3-ubyte", 0, n_train);
    put_labels("train-labels-idx1-ubyte", n_train);
    if (n_test == 0)
        return;
    put_images("t10k-images-idx3-ubyte", 1, n_test);
    put_labels("t10k-labels-idx1-ubyte", n_test);
}

static void test_idx_folder(void **state)
{
    (void)state;
    put_idx_folder(300, 5);
    bfn__imageset *set = open_set(scratch(""), NULL);
    bfn__imageset_info info;
    bfn__imageset_get_info(set, &info);
    assert_int_equal(info.H, IDX_H);
    assert_int_equal(info.W, IDX_W);
    assert_int_equal(info.C, 1);
    assert_int_equal(info.D, IDX_D);
    assert_int_equal(info.n, 305);
    assert_int_equal(info.n_split[BFN__IMAGES_TRAIN], 297);
    assert_int_equal(info.n_split[BFN__IMAGES_VALID], 3);
    assert_int_equal(info.n_split[BFN__IMAGES_TEST], 5);
    assert_int_equal(info.n_classes, 7);
    assert_string_equal(info.format, "idx");
    assert_int_equal(strncmp(info.name, "scratch-", 8), 0); /* the folder's name, without the slash at its end */
    assert_null(strchr(info.name, '/'));
    assert_null(bfn__imageset_class(set, 0));
    for (size_t i = 0; i < 5; i++) {
        const uint8_t *p = bfn__imageset_item(set, BFN__IMAGES_TEST, i);
        for (size_t d = 0; d < IDX_D; d++)
            assert_int_equal(p[d], idx_pixel(1, i, d));
        assert_int_equal(bfn__imageset_label(set, BFN__IMAGES_TEST, i), i % 7);
    }
    /* Checksum: training images, labels, test images, labels. */
    bfn__sha256 hash;
    char hex[BFN__SHA256_HEX];
    bfn__sha256_begin(&hash);
    bfn__sha256_add(&hash, buffer, make_images(buffer, 0, 300));
    bfn__sha256_add(&hash, buffer, make_labels(buffer, 300));
    bfn__sha256_add(&hash, buffer, make_images(buffer, 1, 5));
    bfn__sha256_add(&hash, buffer, make_labels(buffer, 5));
    bfn__sha256_end(&hash, hex);
    assert_string_equal(info.checksum, hex);
    bfn__imageset_close(set);
    bfn__imageset_close(NULL);
}

/* Compressed, and under the names with a dot: the same set, told by the same checksum. */
static void test_idx_names(void **state)
{
    (void)state;
    char wanted[BFN__SHA256_HEX] = "";
    static const char *const names[][2] = {{"train-images-idx3-ubyte", "train-labels-idx1-ubyte"},
                                           {"train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"},
                                           {"train-images.idx3-ubyte", "train-labels.idx1-ubyte.gz"},
                                           {"train-images.idx3-ubyte.gz", "train-labels-idx1-ubyte"}};
    for (size_t i = 0; i < 4; i++) {
        for (int k = 0; k < 2; k++) {
            size_t n = k == 0 ? make_images(buffer, 0, 20) : make_labels(buffer, 20);
            (strstr(names[i][k], ".gz") != NULL ? put_gzip : put)(names[i][k], buffer, n);
        }
        bfn__imageset *set = open_set(scratch(""), NULL);
        bfn__imageset_info info;
        bfn__imageset_get_info(set, &info);
        assert_int_equal(info.n, 20);
        assert_int_equal(info.n_classes, 7);
        if (i == 0)
            memcpy(wanted, info.checksum, sizeof wanted);
        assert_string_equal(info.checksum, wanted);
        bfn__imageset_close(set);
        assert_int_equal(remove(scratch(names[i][0])), 0);
        assert_int_equal(remove(scratch(names[i][1])), 0);
    }
}

static void test_idx_file(void **state)
{
    (void)state;
    put_images("my-images-idx3-ubyte", 0, 4);
    bfn__imageset *set = open_set(scratch("my-images-idx3-ubyte"), NULL);
    bfn__imageset_info info;
    bfn__imageset_get_info(set, &info);
    assert_int_equal(info.n, 4);
    assert_int_equal(info.n_split[0], 2);
    assert_int_equal(info.n_split[1], 1);
    assert_int_equal(info.n_split[2], 1);
    assert_int_equal(info.n_classes, 0);
    assert_int_equal(bfn__imageset_label(set, BFN__IMAGES_TRAIN, 0), -1);
    assert_string_equal(info.name, "my-images-idx3-ubyte");
    bfn__imageset_close(set);
    /* Labels beside it, raw or gzip. */
    put_gzip("my-labels-idx1-ubyte.gz", buffer, make_labels(buffer, 4));
    set = open_set(scratch("my-images-idx3-ubyte"), NULL);
    bfn__imageset_get_info(set, &info);
    assert_int_equal(info.n_classes, 4);
    bfn__imageset_close(set);
    put_labels("my-labels-idx1-ubyte", 3);
    refuse(scratch("my-images-idx3-ubyte"), NULL, BFN_ERR_INPUT, "my-labels-idx1-ubyte: has 3 labels, ");
    assert_non_null(strstr(bfn_errmsg(ctx), "my-images-idx3-ubyte has 4 images"));
    put_labels("my-labels-idx1-ubyte", 5);
    refuse(scratch("my-images-idx3-ubyte"), NULL, BFN_ERR_INPUT, "has 5 labels");
    put_images("my-labels-idx1-ubyte", 0, 4);
    refuse(scratch("my-images-idx3-ubyte"), NULL, BFN_ERR_INPUT, "has 3 dimensions, labels have 1");
    put_gzip("zipped-images-idx3-ubyte.gz", buffer, make_images(buffer, 0, 4));
    put_labels("zipped-labels-idx1-ubyte", 4);
    set = open_set(scratch("zipped-images-idx3-ubyte.gz"), NULL);
    bfn__imageset_get_info(set, &info);
    assert_int_equal(info.n_classes, 4);
    bfn__imageset_close(set);
}

static void test_idx_colours(void **state)
{
    (void)state;
    unsigned char bytes[4 + 16 + 2 * 12] = {0, 0, 8, 4, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3};
    for (size_t i = 0; i < 24; i++)
        bytes[20 + i] = (unsigned char)i;
    put("rgb", bytes, sizeof bytes);
    bfn__imageset *set = open_set(scratch("rgb"), &(bfn__imageset_options){.all_training = true});
    bfn__imageset_info info;
    bfn__imageset_get_info(set, &info);
    assert_int_equal(info.C, 3);
    assert_int_equal(info.D, 12);
    assert_memory_equal(bfn__imageset_item(set, BFN__IMAGES_TRAIN, 1), bytes + 32, 12);
    bfn__imageset_close(set);
    bytes[15] = 3; /* 2 x 3 of 2 channels */
    bytes[19] = 2;
    put("rgb", bytes, sizeof bytes);
    refuse(scratch("rgb"), NULL, BFN_ERR_INPUT, "2 channels, allowed");
}

static void test_idx_refused(void **state)
{
    (void)state;
    put_labels("labels", 5);
    refuse(scratch("labels"), NULL, BFN_ERR_INPUT, "has 1 dimension, as labels have, images have 3");
    put_images("none", 0, 0);
    refuse(scratch("none"), NULL, BFN_ERR_INPUT, "none: has no images");
    static const unsigned char flat[] = {0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 5};
    put("flat", flat, sizeof flat);
    refuse(scratch("flat"), NULL, BFN_ERR_INPUT, "0 x 5 pixels");
    size_t n = make_images(buffer, 0, 3);
    put("cut", buffer, n - 1);
    refuse(scratch("cut"), NULL, BFN_ERR_INPUT, "cut: its header says 36 values, 35 bytes follow it");
    static const unsigned char wide[] = {0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0x7f, 0xff};
    unsigned char *bytes = calloc(1, 16 + 32767);
    memcpy(bytes, wide, 16);
    put("wide", bytes, 16 + 32767);
    refuse(scratch("wide"), NULL, BFN_ERR_INPUT, "1 x 32767 pixels");
    free(bytes);
    put_images("t10k-images-idx3-ubyte", 0, 3);
    refuse(scratch(""), NULL, BFN_ERR_NOT_FOUND, "has t10k-images but neither train-images-idx3-ubyte nor");
    put_images("train-images-idx3-ubyte", 0, 3);
    static const unsigned char other[] = {0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 8, 9};
    put("t10k-images-idx3-ubyte", other, sizeof other);
    refuse(scratch(""), NULL, BFN_ERR_INPUT, "images of 1 x 2 x 1, the training images are 3 x 4 x 1");
    put_labels("t10k-labels-idx1-ubyte", 2);
    refuse(scratch(""), NULL, BFN_ERR_INPUT, "has 2 labels");
}

/* Every truncation of each of the four files, raw; every truncation of a gzip one. */
static void test_idx_truncated_everywhere(void **state)
{
    (void)state;
    static const char *const names[] = {"train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte",
                                        "t10k-labels-idx1-ubyte"};
    put_idx_folder(4, 3);
    for (size_t k = 0; k < 4; k++) {
        size_t n = k == 0   ? make_images(buffer, 0, 4)
                   : k == 1 ? make_labels(buffer, 4)
                   : k == 2 ? make_images(buffer, 1, 3)
                            : make_labels(buffer, 3);
        for (size_t cut = 0; cut < n; cut++) {
            put(names[k], buffer, cut);
            refuse(scratch(""), NULL, BFN_ERR_INPUT, names[k]);
        }
        put(names[k], buffer, n);
    }
    bfn__bytes file;
    assert_int_equal(remove(scratch(names[0])), 0);
    put_gzip("train-images-idx3-ubyte.gz", buffer, make_images(buffer, 0, 4));
    assert_ok(bfn__file_map(ctx, scratch("train-images-idx3-ubyte.gz"), SIZE_MAX, &file));
    unsigned char *bytes = exact_copy(file.data, file.size);
    size_t n = file.size;
    bfn__file_unmap(ctx, &file);
    for (size_t cut = 0; cut < n; cut++) {
        put("train-images-idx3-ubyte.gz", bytes, cut);
        refuse(scratch(""), NULL, BFN_ERR_INPUT, "train-images-idx3-ubyte.gz");
    }
    free(bytes);
}

static void test_gzip_bomb(void **state)
{
    (void)state;
    static unsigned char zeros[1 << 22];
    put_gzip("bomb-images-idx3-ubyte", zeros, sizeof zeros);
    refuse(scratch("bomb-images-idx3-ubyte"), &(bfn__imageset_options){.max_bytes = 100000}, BFN_ERR_INPUT,
           "inflates to more than 104096 bytes");
    put("large", zeros, sizeof zeros);
    refuse(scratch("large"), &(bfn__imageset_options){.max_bytes = 100000}, BFN_ERR_INPUT,
           "has 4194304 bytes, at most 104096 are allowed");
    put_images("images", 0, 10);
    refuse(scratch("images"), &(bfn__imageset_options){.max_bytes = 119}, BFN_ERR_INPUT,
           "10 images of 12 bytes, at most 119 bytes are allowed");
    bfn__imageset_close(open_set(scratch("images"), &(bfn__imageset_options){.max_bytes = 120}));
}

/* ---- CIFAR-10 ---- */

static unsigned char *cifar(size_t seed, size_t n)
{
    unsigned char *bytes = malloc(n * BFN__CIFAR_RECORD);
    assert_non_null(bytes);
    for (size_t i = 0; i < n * BFN__CIFAR_RECORD; i++)
        bytes[i] = (unsigned char)(i % BFN__CIFAR_RECORD == 0 ? (seed + i / BFN__CIFAR_RECORD) % 10 : i * 11 + seed);
    return bytes;
}

static void put_cifar(const char *name, size_t seed, size_t n, bool zip)
{
    unsigned char *bytes = cifar(seed, n);
    (zip ? put_gzip : put)(name, bytes, n * BFN__CIFAR_RECORD);
    free(bytes);
}

static void put_cifar_folder(void)
{
    for (size_t i = 1; i <= 5; i++) {
        char name[32];
        (void)snprintf(name, sizeof name, "data_batch_%zu.bin%s", i, i == 4 ? ".gz" : "");
        put_cifar(name, i, 2, i == 4);
    }
    put_cifar("test_batch.bin", 6, 3, false);
}

static void test_cifar_folder(void **state)
{
    (void)state;
    put_cifar_folder();
    bfn__imageset *set = open_set(scratch(""), &(bfn__imageset_options){.all_training = true});
    bfn__imageset_info info;
    bfn__imageset_get_info(set, &info);
    assert_string_equal(info.format, "cifar10");
    assert_string_equal(info.name, "cifar10");
    assert_int_equal(info.D, 3072);
    assert_int_equal(info.C, 3);
    assert_int_equal(info.n_split[BFN__IMAGES_TRAIN], 10);
    assert_int_equal(info.n_split[BFN__IMAGES_VALID], 0);
    assert_int_equal(info.n_split[BFN__IMAGES_TEST], 3);
    assert_string_equal(bfn__imageset_class(set, 3), "cat");
    assert_null(bfn__imageset_class(set, 10));
    for (size_t i = 0; i < 13; i++) {
        size_t batch = i < 10 ? i / 2 + 1 : 6, at = i < 10 ? i % 2 : i - 10,
               which = i < 10 ? BFN__IMAGES_TRAIN : BFN__IMAGES_TEST;
        unsigned char *bytes = cifar(batch, 3);
        uint8_t pixels[3072];
        int32_t label;
        bfn__cifar_read(bytes + at * BFN__CIFAR_RECORD, 1, pixels, &label);
        assert_memory_equal(bfn__imageset_item(set, (bfn__image_split)which, i < 10 ? i : i - 10), pixels, 3072);
        assert_int_equal(bfn__imageset_label(set, (bfn__image_split)which, i < 10 ? i : i - 10), label);
        free(bytes);
    }
    bfn__imageset_close(set);
}

static void test_cifar_refused(void **state)
{
    (void)state;
    put_cifar_folder();
    assert_int_equal(remove(scratch("data_batch_3.bin")), 0);
    refuse(scratch(""), NULL, BFN_ERR_NOT_FOUND,
           "has CIFAR-10 batches, but no data_batch_3.bin. CIFAR-10 is cifar-10-binary.tar.gz (md5 "
           "c32a1d4ab5d03f1284b67883e8d87530)");
    assert_non_null(
        strstr(bfn_errmsg(ctx), "test_batch.bin 803d5f7f4d78ea53de84dbe85f74fb6d")); /* the message is not cut */
    put_cifar("data_batch_3.bin", 1, 1, false);
    put("test_batch.bin", buffer, 3072);
    refuse(scratch(""), NULL, BFN_ERR_INPUT, "test_batch.bin: has 3072 bytes, a CIFAR-10 file has a multiple of 3073");
    unsigned char *bytes = cifar(0, 2);
    bytes[BFN__CIFAR_RECORD] = 10;
    put("test_batch.bin", bytes, 2 * BFN__CIFAR_RECORD);
    refuse(scratch(""), NULL, BFN_ERR_INPUT, "test_batch.bin: byte 3073: the label of record 1 is 10");
    free(bytes);
}

/* A record that begins like an IDX file: 00 00 08 03. */
static void test_one_file(void **state)
{
    (void)state;
    unsigned char *bytes = cifar(0, 3);
    memcpy(bytes, "\0\0\x08\3", 4);
    put("batch", bytes, 3 * BFN__CIFAR_RECORD);
    bfn__imageset *set = open_set(scratch("batch"), NULL);
    bfn__imageset_info info;
    bfn__imageset_get_info(set, &info);
    assert_string_equal(info.format, "cifar10");
    assert_int_equal(info.n, 3);
    bfn__imageset_close(set);
    free(bytes);
    put("x.bin", buffer, 100);
    refuse(scratch("x.bin"), NULL, BFN_ERR_INPUT, "x.bin: has 100 bytes, a CIFAR-10 file");
    put("text", "just some words", 15);
    refuse(scratch("text"), NULL, BFN_ERR_INPUT, "15 bytes that are neither an IDX file");
    put("empty", NULL, 0);
    refuse(scratch("empty"), NULL, BFN_ERR_INPUT, "0 bytes that are neither");
    put_png("one.png", 2, 2, 1, 7);
    refuse(scratch("one.png"), NULL, BFN_ERR_INPUT, "is one PNG file, a folder of them is needed");
}

/* ---- PNG ---- */

static void test_png_folder(void **state)
{
    (void)state;
    /* Byte order: capitals before small letters, 10 before 2. */
    static const char *const sorted[] = {"10.png", "2.png", "B.PNG", "a.png", "b.png"};
    for (size_t i = 0; i < 5; i++)
        put_png(sorted[4 - i], 2, 3, 1, (uint8_t)(4 - i));
    put("readme.txt", "hello", 5);
    put(".hidden.png", "x", 1);
    bfn__imageset *set = open_set(scratch(""), &(bfn__imageset_options){.all_training = true});
    bfn__imageset_info info;
    bfn__imageset_get_info(set, &info);
    assert_string_equal(info.format, "png");
    assert_int_equal(info.n, 5);
    assert_int_equal(info.H, 2);
    assert_int_equal(info.W, 3);
    assert_int_equal(info.n_classes, 0);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(bfn__imageset_item(set, BFN__IMAGES_TRAIN, i)[0], i);
    char before[BFN__SHA256_HEX];
    memcpy(before, info.checksum, sizeof before);
    bfn__imageset_close(set);
    /* Another name is another set. */
    assert_int_equal(rename(scratch("b.png"), scratch("c.png")), 0);
    set = open_set(scratch(""), NULL);
    bfn__imageset_get_info(set, &info);
    assert_string_not_equal(info.checksum, before);
    bfn__imageset_close(set);
}

static void test_png_classes(void **state)
{
    (void)state;
    static const char *const names[] = {"cat", "cat-like", "ant", "empty"};
    for (size_t i = 0; i < 4; i++)
        folder(names[i]);
    put_png("cat/1.png", 2, 2, 3, 1);
    put_png("cat/0.png", 2, 2, 3, 2);
    static const char more[] = "gcebdfa"; /* in no order */
    for (size_t i = 0; i < 7; i++)
        put_png((char[]){'a', 'n', 't', '/', more[i], '.', 'p', 'n', 'g', 0}, 2, 2, 3, (uint8_t)(more[i]));
    put_png("cat-like/a.png", 2, 2, 3, 3);
    put_png("ant/x.png", 2, 2, 3, 4);
    put("empty/notes.txt", "x", 1);
    bfn__imageset *set = open_set(scratch(""), &(bfn__imageset_options){.all_training = true});
    bfn__imageset_info info;
    bfn__imageset_get_info(set, &info);
    assert_int_equal(info.n, 11);
    assert_int_equal(info.n_classes, 3);
    static const char *const classes[] = {"ant", "cat", "cat-like"};
    for (size_t k = 0; k < 3; k++)
        assert_string_equal(bfn__imageset_class(set, k), classes[k]);
    assert_null(bfn__imageset_class(set, 3));
    static const int values[] = {'a', 'b', 'c', 'd', 'e', 'f', 'g', 4, 2, 1, 3},
                     labels[] = {0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 2};
    for (size_t i = 0; i < 11; i++) {
        assert_int_equal(bfn__imageset_item(set, BFN__IMAGES_TRAIN, i)[0], values[i]);
        assert_int_equal(bfn__imageset_label(set, BFN__IMAGES_TRAIN, i), labels[i]);
    }
    bfn__imageset_close(set);
    put_png("top.png", 2, 2, 3, 5);
    refuse(scratch(""), NULL, BFN_ERR_INPUT, "has PNG files and sub-folders of PNG files (\"ant\")");
}

static void test_png_refused(void **state)
{
    (void)state;
    bfn__imageset_options skip = {.skip_bad = true, .all_training = true};
    refuse(scratch(""), NULL, BFN_ERR_INPUT, "a folder without images");
    put("a.txt", "x", 1);
    refuse(scratch(""), NULL, BFN_ERR_INPUT, "no .png files (1 other files)");
    put("a.png", "no picture", 10);
    refuse(scratch(""), NULL, BFN_ERR_INPUT, "a.png: is not a PNG file");
    refuse(scratch(""), &skip, BFN_ERR_INPUT, "a.png: is not a PNG file"); /* nothing is left */
    put_png("b.png", 3, 4, 1, 1);
    refuse(scratch(""), NULL, BFN_ERR_INPUT, "a.png: is not a PNG file");
    put_png("c.png", 4, 3, 1, 2);
    put_png("d.png", 3, 4, 3, 3);
    put_png("e.png", 3, 4, 1, 4);
    put("f.png", NULL, 0);
    assert_int_equal(symlink("nowhere", scratch("g.png")), 0);
    assert_int_equal(symlink("h.png", scratch("h.png")), 0); /* a loop */
    assert_int_equal(mkfifo(scratch("i.png"), 0666), 0);     /* passed over: it is no file */
    assert_int_equal(symlink(".", scratch("loop")), 0);      /* a folder of PNG files in itself */
    refuse(scratch(""), &skip, BFN_ERR_INPUT, "it must be one or the other");
    assert_int_equal(remove(scratch("loop")), 0);
    bfn__imageset *set = open_set(scratch(""), &skip);
    bfn__imageset_info info;
    bfn__imageset_get_info(set, &info);
    assert_int_equal(info.n, 2);
    assert_int_equal(info.n_skipped, 6);
    assert_int_equal(bfn__imageset_item(set, BFN__IMAGES_TRAIN, 0)[0], 1);
    assert_int_equal(bfn__imageset_item(set, BFN__IMAGES_TRAIN, 1)[0], 4);
    bfn__imageset_close(set);
    assert_int_equal(remove(scratch("a.png")), 0);
    refuse(scratch(""), NULL, BFN_ERR_INPUT, "c.png: 3 x 4 pixels, grey; the first image is 4 x 3, grey");
    assert_int_equal(remove(scratch("c.png")), 0);
    refuse(scratch(""), NULL, BFN_ERR_INPUT, "d.png: 4 x 3 pixels, RGB; the first image is 4 x 3, grey");
    put_png("d.png", 5, 4, 1, 3);
    refuse(scratch(""), NULL, BFN_ERR_INPUT, "d.png: 4 x 5 pixels, grey; the first image is 4 x 3, grey");
    put_png("d.png", 3, 5, 1, 3);
    refuse(scratch(""), NULL, BFN_ERR_INPUT, "d.png: 5 x 3 pixels, grey; the first image is 4 x 3, grey");
    assert_int_equal(remove(scratch("d.png")), 0);
    refuse(scratch(""), NULL, BFN_ERR_INPUT, "f.png: is not a PNG file");
    assert_int_equal(remove(scratch("f.png")), 0);
    refuse(scratch(""), NULL, BFN_ERR_NOT_FOUND, "g.png: cannot be opened");
    refuse(scratch(""), &(bfn__imageset_options){.max_bytes = 20}, BFN_ERR_INPUT, "4 images of 12 bytes, at most 20");
}

/* ---- missing ---- */

static void test_missing(void **state)
{
    (void)state;
    static const struct {
        const char *path, *words;
    } sets[] = {
        {"data/Fashion-MNIST",
         "Debian's package dataset-fashion-mnist, which puts it into /usr/share/datasets/fashion-mnist"},
        {"data/mnist/", "train-images-idx3-ubyte 6bbc9ace898e44ae57da46a324031adb"},
        {"cifar-10-batches-bin", "data_batch_5.bin 53f37980c15c3d472c316c40844f3f0d"},
    };
    for (size_t i = 0; i < 3; i++) {
        refuse(sets[i].path, NULL, BFN_ERR_NOT_FOUND, sets[i].words);
        assert_non_null(strstr(bfn_errmsg(ctx), ": there is no such file or folder. "));
        assert_null(strstr(bfn_errmsg(ctx), "..."));
    }
    refuse("nothing here", NULL, BFN_ERR_NOT_FOUND, "nothing here: there is no such file or folder");
    assert_null(strchr(bfn_errmsg(ctx), '.'));
    folder("mnist");
    refuse(scratch("mnist"), NULL, BFN_ERR_INPUT, "MNIST is published at");
    refuse("/dev/null", NULL, BFN_ERR_INPUT, "a regular file is needed");
}

/* ---- splits and order ---- */

/* 250 images whose first two bytes are their number. */
static void put_numbered(const char *name)
{
    size_t n = make_images(buffer, 0, 250);
    for (size_t i = 0; i < 250; i++) {
        buffer[16 + i * IDX_D] = (unsigned char)(i >> 8);
        buffer[17 + i * IDX_D] = (unsigned char)i;
    }
    put(name, buffer, n);
}

static size_t number(const bfn__imageset *set, bfn__image_split which, size_t i)
{
    const uint8_t *p = bfn__imageset_item(set, which, i);
    return (size_t)p[0] << 8 | p[1];
}

/* Every item in exactly one split, each split in the file's order, the same for the same seed. */
static void test_splits(void **state)
{
    (void)state;
    size_t valid[2][50];
    put_numbered("images");
    for (uint64_t seed = 0; seed < 2; seed++) {
        bfn__imageset_options o = {.valid_fraction = 0.2, .test_fraction = 0.1, .seed = seed};
        bfn__imageset *set = open_set(scratch("images"), &o), *same = open_set(scratch("images"), &o);
        static const size_t sizes[] = {175, 50, 25};
        uint8_t seen[250] = {0};
        for (int k = 0; k < 3; k++) {
            bfn__image_split which = (bfn__image_split)k;
            assert_int_equal(bfn__imageset_n(set, which), sizes[k]);
            for (size_t i = 0; i < sizes[k]; i++) {
                size_t item = number(set, which, i);
                assert_true(item < 250 && (i == 0 || item > number(set, which, i - 1)));
                assert_int_equal(seen[item]++, 0);
                assert_int_equal(number(same, which, i), item);
                if (which == BFN__IMAGES_VALID)
                    valid[seed][i] = item;
            }
        }
        bfn__imageset_close(set);
        bfn__imageset_close(same);
    }
    assert_memory_not_equal(valid[0], valid[1], sizeof valid[0]); /* another seed, another split */
    size_t late = 0;
    for (size_t i = 0; i < 50; i++)
        late += valid[0][i] >= 125;
    assert_true(late > 12 && late < 38); /* from all over the file */
}

/* Splits of n items for every small n: training never goes empty. */
static void test_small_sets(void **state)
{
    (void)state;
    static const size_t wanted[][3] = {{1, 0, 0}, {1, 1, 0}, {1, 1, 1}, {2, 1, 1}, {3, 1, 1}};
    for (size_t n = 1; n <= 5; n++) {
        put_images("images", 0, n);
        bfn__imageset *set = open_set(scratch("images"), NULL);
        for (int which = 0; which < 3; which++)
            assert_int_equal(bfn__imageset_n(set, (bfn__image_split)which), wanted[n - 1][which]);
        bfn__imageset_close(set);
        set = open_set(scratch("images"), &(bfn__imageset_options){.valid_fraction = 0.5, .test_fraction = 0.499});
        assert_true(bfn__imageset_n(set, BFN__IMAGES_TRAIN) >= 1);
        bfn__imageset_close(set);
        set = open_set(scratch("images"), &(bfn__imageset_options){.all_training = true});
        assert_int_equal(bfn__imageset_n(set, BFN__IMAGES_TRAIN), n);
        bfn__imageset_close(set);
    }
    static const double bad[][2] = {{-0.1, 0.0}, {1.0, 0.0}, {0.0, 1.0}, {0.5, 0.5}, {(double)NAN, 0.0}, {0.0, -1.0}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refuse(scratch("images"), &(bfn__imageset_options){.valid_fraction = bad[i][0], .test_fraction = bad[i][1]},
               BFN_ERR_ARGUMENT, "fractions");
}

static void test_training_order(void **state)
{
    (void)state;
    put_images("images", 0, 120);
    bfn__imageset *set =
        open_set(scratch("images"), &(bfn__imageset_options){.valid_fraction = 0.1, .test_fraction = 0.07});
    size_t n = bfn__imageset_n(set, BFN__IMAGES_TRAIN), differ = 0, flipped = 0, moved = 0;
    assert_int_equal(n, 100);
    for (uint64_t epoch = 0; epoch < 3; epoch++) {
        uint8_t seen[100] = {0};
        for (uint64_t i = 0; i < n; i++) {
            size_t item = bfn__imageset_training(set, 17, epoch * n + i);
            assert_true(item < n);
            assert_int_equal(seen[item]++, 0);
            differ += item != bfn__imageset_training(set, 18, epoch * n + i);
            moved += item != bfn__imageset_training(set, 17, i);
        }
    }
    assert_true(differ > 250 && moved > 150); /* another seed; another epoch */
    for (uint64_t i = 0; i < 10000; i++)
        flipped += bfn__imageset_flipped(17, i);
    assert_true(flipped > 4800 && flipped < 5200);
    assert_true(bfn__imageset_flipped(17, 123) == bfn__imageset_flipped(17, 123));
    size_t other = 0;
    for (uint64_t i = 0; i < 1000; i++)
        other += bfn__imageset_flipped(17, i) != bfn__imageset_flipped(18, i);
    assert_true(other > 400 && other < 600);
    bfn__imageset_close(set);
}

/* ---- the real ones, where they are installed ---- */

static void test_fashion_mnist(void **state)
{
    (void)state;
    static const char path[] = "/usr/share/datasets/fashion-mnist";
    if (access(path, R_OK) != 0) {
        print_message("%s is not installed: skipped\n", path);
        skip();
    }
    bfn__imageset *set = open_set(path, NULL);
    bfn__imageset_info info;
    bfn__imageset_get_info(set, &info);
    assert_string_equal(info.name, "fashion-mnist");
    assert_string_equal(info.checksum, "14410854cf7a289477dcfc7df3f8ec24741e281cdcc425ede0d9a748ca630214");
    assert_int_equal(info.n_split[BFN__IMAGES_TRAIN], 59400);
    assert_int_equal(info.n_split[BFN__IMAGES_VALID], 600);
    assert_int_equal(info.n_split[BFN__IMAGES_TEST], 10000);
    assert_int_equal(info.n_classes, 10);
    assert_string_equal(bfn__imageset_class(set, (size_t)bfn__imageset_label(set, BFN__IMAGES_TEST, 0)), "ankle boot");
    bfn__imageset_close(set);
}

/* ---- memory ---- */

static bfn_status run_open(bfn_context *context, void *arg)
{
    bfn__imageset *set;
    bfn_status status = bfn__imageset_open(context, arg, NULL, &set);
    assert_true((status == BFN_OK) == (set != NULL));
    bfn__imageset_close(set);
    return status;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    char path[512];
    put_idx_folder(20, 4);
    assert_int_equal(remove(scratch("t10k-images-idx3-ubyte")), 0);
    put_gzip("t10k-images-idx3-ubyte.gz", buffer, make_images(buffer, 1, 4));
    (void)snprintf(path, sizeof path, "%s", scratch(""));
    assert_true(each_allocation(run_open, path, BFN_OK) >= 14);
    (void)snprintf(path, sizeof path, "%s", scratch("train-images-idx3-ubyte"));
    assert_true(each_allocation(run_open, path, BFN_OK) >= 8);
    folder("cifar");
    static const char *const batches[] = {"cifar/data_batch_1.bin", "cifar/data_batch_2.bin", "cifar/data_batch_3.bin",
                                          "cifar/data_batch_4.bin", "cifar/data_batch_5.bin", "cifar/test_batch.bin"};
    for (size_t i = 0; i < 6; i++)
        put_cifar(batches[i], i, 1, false);
    (void)snprintf(path, sizeof path, "%s", scratch("cifar"));
    assert_true(each_allocation(run_open, path, BFN_OK) >= 20);
    folder("png");
    folder("png/one");
    folder("png/two");
    put_png("png/one/a.png", 2, 2, 1, 1);
    put_png("png/one/b.png", 2, 2, 1, 1);
    put_png("png/two/a.png", 2, 2, 1, 1);
    (void)snprintf(path, sizeof path, "%s", scratch("png"));
    assert_true(each_allocation(run_open, path, BFN_OK) >= 25);
    assert_true(each_allocation(run_open, (char[]){"no mnist"}, BFN_ERR_NOT_FOUND) >= 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_quantiser, setup, teardown),
        cmocka_unit_test_setup_teardown(test_image_create, setup, teardown),
        cmocka_unit_test_setup_teardown(test_idx_folder, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_idx_names, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_idx_file, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_idx_colours, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_idx_refused, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_idx_truncated_everywhere, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_gzip_bomb, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_cifar_folder, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_cifar_refused, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_one_file, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_png_folder, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_png_classes, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_png_refused, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_missing, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_splits, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_small_sets, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_training_order, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_fashion_mnist, setup, teardown),
        cmocka_unit_test_setup_teardown(test_out_of_memory, setup_scratch, teardown_scratch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
