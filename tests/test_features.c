/* Small feature networks: the shipped ones against plain loops in double, what a classifier learns, descriptions that are refused, pictures from arrays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bfn/frechet.h"
#include "eval/feature_file.h"
#include "helper_fixture.h"
#include "helper_graph.h"
#include "io/file.h"
#include "io/npz.h"
#include "model/model_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[160]; /* a file of the test's own */

static int begin(void **state)
{
    int failed = setup_scratch(state);
    snprintf(path, sizeof path, "%s", scratch("file"));
    return failed;
}

static bfn_features *opened(const char *file)
{
    bfn_features *f;
    assert_ok(bfn_features_open(ctx, &f, file, NULL));
    return f;
}

/* A picture with gradients and noise. */
static void paint(size_t number, size_t H, size_t W, size_t C, uint8_t *pixels)
{
    uint32_t r = (uint32_t)number * 2654435761u + 1u;
    for (size_t i = 0; i < H * W * C; i++) {
        r = r * 1664525u + 1013904223u;
        pixels[i] = (uint8_t)((i / (W * C) * 5 + i % (W * C) * 3 + number * 40 + (r >> 27)) & 255);
    }
}

/* ---- shipped networks ---- */

static void naive_features(const char *file, const uint8_t *pixels, double *out)
{
    bfn__safetensors *st;
    bfn__feature_net d;
    bfn__net *net;
    assert_ok(bfn__safetensors_open(ctx, &st, file));
    assert_ok(bfn__feature_net_read(ctx, st, file, &d));
    assert_int_equal(bfn__layers_build(ctx, &net, d.height, d.width, d.channels, d.layers, d.n_layers, d.features),
                     BFN_OK);
    size_t arena = bfn__net_arena(net), D = bfn__net_shown_size(net);
    float *params = calloc(arena, sizeof *params);
    double *params64 = calloc(arena, sizeof *params64), *shown = calloc(D, sizeof *shown);
    assert_true(params && params64 && shown);
    assert_ok(bfn__weights_read(ctx, st, net, "", false, params));
    for (size_t i = 0; i < arena; i++)
        params64[i] = (double)params[i];
    for (size_t i = 0; i < D; i++)
        shown[i] = d.scale[i % d.channels] * pixels[i] + d.shift[i % d.channels];
    naive_graph(net, params64, shown, 0.0, -1, out);
    free(params);
    free(params64);
    free(shown);
    bfn__net_destroy(net);
    bfn__feature_net_free(ctx, &d);
    bfn__safetensors_close(st);
}

static void check_shipped(const char *file, size_t H, size_t W, size_t C, double least_accuracy)
{
    enum { N = 2, MAX = 64 };
    uint8_t *pixels = malloc(N * H * W * C);
    float got[N * MAX];
    double want[MAX], worst = 0.0, largest = 0.0;
    assert_non_null(pixels);
    bfn_features *f = opened(file);
    bfn_features_info info;
    bfn_features_get_info(f, &info);
    assert_true(info.height == H && info.width == W && info.channels == C && info.n_features == MAX);
    assert_true(!info.is_inception && info.accuracy >= least_accuracy && info.accuracy < 1.0);
    assert_null(strstr(info.distance, "FID"));
    for (size_t i = 0; i < N; i++)
        paint(i, H, W, C, pixels + i * H * W * C);
    assert_ok(bfn_features_run(f, N, H, W, C, pixels, got));
    for (size_t i = 0; i < N; i++) {
        naive_features(file, pixels + i * H * W * C, want);
        for (size_t d = 0; d < MAX; d++) {
            worst = fmax(worst, fabs((double)got[i * MAX + d] - want[d]));
            largest = fmax(largest, fabs(want[d]));
        }
    }
    assert_true(largest > 0.1 && worst <= 1e-5 * largest);
    assert_int_equal(bfn_features_run(f, 1, H, W + 1, C, pixels, got), BFN_ERR_ARGUMENT);
    assert_int_equal(bfn_features_run(f, 1, H, W, 2, pixels, got), BFN_ERR_ARGUMENT);
    bfn_features_close(f);
    free(pixels);
}

static void shipped_networks(void **state)
{
    (void)state;
    check_shipped(BFN_SOURCE_DIR "/models/features-cifar10.safetensors", 32, 32, 3, 0.9);
    check_shipped(BFN_SOURCE_DIR "/models/features-fashion-mnist.safetensors", 28, 28, 1, 0.85);
    check_shipped(BFN_SOURCE_DIR "/models/features-mnist.safetensors", 28, 28, 1, 0.97);
}

/* Grey pictures do for a network of colours; batches do not matter. */
static void grey_and_batches(void **state)
{
    (void)state;
    enum { N = 5, SIZE = 32 * 32, F = 64 };
    static uint8_t grey[N * SIZE], colours[N * SIZE * 3];
    float a[N * F], b[N * F];
    for (size_t i = 0; i < N; i++)
        paint(i, 32, 32, 1, grey + i * SIZE);
    for (size_t i = 0; i < N * SIZE * 3; i++)
        colours[i] = grey[i / 3];
    bfn_features *f = opened(BFN_SOURCE_DIR "/models/features-cifar10.safetensors"), *small;
    bfn_features_options o = BFN_FEATURES_OPTIONS_INIT;
    o.batch = 2;
    assert_ok(bfn_features_open(ctx, &small, BFN_SOURCE_DIR "/models/features-cifar10.safetensors", &o));
    assert_ok(bfn_features_run(f, N, 32, 32, 3, colours, a));
    assert_ok(bfn_features_run(small, N, 32, 32, 1, grey, b));
    for (size_t i = 0; i < N * F; i++)
        assert_true(fabsf(a[i] - b[i]) <= 1e-5f * (1.0f + fabsf(a[i])));
    bfn_feature_stats *stats;
    assert_ok(bfn_feature_stats_create(ctx, &stats, F, 1));
    assert_ok(bfn_features_add(f, stats, N, 32, 32, 3, colours));
    bfn_feature_stats_info info;
    bfn_feature_stats_get_info(stats, &info);
    assert_true(info.n == N && info.kept);
    for (size_t d = 0; d < F; d++) {
        double mean = 0.0;
        for (size_t i = 0; i < N; i++)
            mean += (double)a[i * F + d] / N;
        assert_true(fabs(info.mean[d] - mean) < 1e-5);
    }
    bfn_feature_stats_destroy(stats);
    bfn_features_close(f);
    bfn_features_close(small);
}

/* ---- descriptions ---- */

static void refuse(const char *json, const char *what)
{
    const float one[1] = {1.0f};
    const bfn__st_tensor tensor = {
        .name = "x", .dtype = BFN__DTYPE_F32, .rank = 1, .shape = {1}, .count = 1, .data = one, .bytes = 4};
    const bfn__st_entry metadata = {BFN__FEATURES_KEY, json};
    bfn_features *f;
    assert_ok(bfn__safetensors_save(ctx, path, &tensor, 1, &metadata, 1));
    assert_int_equal(bfn_features_open(ctx, &f, path, NULL), BFN_ERR_INPUT);
    if (strstr(bfn_errmsg(ctx), what) == NULL)
        fail_msg("message \"%s\" does not say \"%s\"", bfn_errmsg(ctx), what);
    assert_null(f);
}

#define HEAD "{\"format\":1,\"name\":\"n\",\"features\":\"f\","
#define INPUT "\"input\":{\"height\":4,\"width\":4,\"channels\":1,\"scale\":[1],\"shift\":[0]},"
#define CONV(name, in, out, kernel, stride)                                                                            \
    "{\"name\":\"" name "\",\"op\":\"conv\",\"in\":[\"" in "\"],\"out\":" out ",\"kernel\":" kernel                    \
    ",\"border\":[0,0],\"stride\":" stride "}"

static void descriptions_that_are_refused(void **state)
{
    (void)state;
    refuse("[]", "no JSON object");
    refuse("{", "no JSON object");
    refuse("{\"format\":2}", "\"format\"");
    refuse("{\"format\":1}", "\"name\"");
    refuse("{\"format\":1,\"name\":\"n\",\"features\":3}", "\"features\"");
    refuse(HEAD "\"layers\":[]}", "\"layers\"");
    refuse(HEAD "\"layers\":[1]}", "\"height\" of input");
    refuse(HEAD INPUT "\"layers\":[1]}", "\"name\" of a layer");
    refuse(HEAD INPUT "\"layers\":[{\"name\":\"f\",\"op\":\"norm\"}]}", "one of conv linear relu");
    refuse(HEAD INPUT "\"layers\":[{\"name\":\"f\",\"op\":\"add\",\"in\":[\"input\"]}]}", "two names");
    refuse(HEAD INPUT "\"layers\":[{\"name\":\"f\",\"op\":\"relu\",\"in\":[1]}]}", "\"in\" of f");
    refuse(HEAD INPUT "\"layers\":[{\"name\":\"f\",\"op\":\"relu\",\"in\":[\"g\"]}]}", "reads \"g\"");
    refuse(HEAD INPUT "\"layers\":[{\"name\":\"g\",\"op\":\"relu\",\"in\":[\"input\"]}]}",
           "no layer has the name \"f\"");
    refuse(HEAD INPUT "\"layers\":[" CONV("f", "input", "1e9", "[1,1]", "1") "]}", "\"out\" of f");
    refuse(HEAD INPUT "\"layers\":[" CONV("f", "input", "1", "[1]", "1") "]}", "\"kernel\" of f");
    refuse(HEAD INPUT "\"layers\":[" CONV("f", "input", "1", "[1,1]", "0") "]}", "\"stride\" of f");
    refuse(HEAD INPUT "\"layers\":[" CONV("f", "input", "1", "[5,1]", "1") "]}", "does not fit an image of 4 x 4");
    refuse(HEAD INPUT "\"layers\":[" CONV("f", "input", "2", "[3,3]", "1") "]}", "\"f.weight\" is missing");
    refuse(HEAD INPUT "\"layers\":[" CONV("g", "input", "1", "[1,1]", "1") "," CONV("g", "g", "1", "[1,1]", "1") "]}",
           "an earlier one");
    refuse(HEAD "\"input\":{\"height\":4,\"width\":4,\"channels\":2},\"layers\":[1]}", "1 or 3");
    refuse(HEAD "\"input\":{\"height\":4,\"width\":4,\"channels\":1,\"scale\":[1,2]},\"layers\":[1]}", "\"scale\"");
    refuse(HEAD "\"input\":{\"height\":4,\"width\":4,\"channels\":1,\"scale\":[1e99]},\"layers\":[1]}", "\"scale\"");
}

/* Sizes that no file of this length may ask for are refused before memory is taken; odd texts give one clean line. */
static void descriptions_that_are_hostile(void **state)
{
    (void)state;
    enum { ROOM = 200000 };
    char *text = malloc(ROOM);
    size_t n;
    assert_non_null(text);
    refuse(HEAD
           "\"input\":{\"height\":1024,\"width\":1024,\"channels\":1,\"scale\":[1],\"shift\":[0]},\"layers\":[" CONV(
               "f", "input", "8192", "[1,1]", "1") "]}",
           "more than 33554432 numbers of a picture");
    n = (size_t)snprintf(text, ROOM, HEAD INPUT "\"layers\":[");
    for (int i = 0; i < 100; i++) /* doubled a hundred times */
        n += (size_t)snprintf(text + n, ROOM - n,
                              "%s{\"name\":\"l%d\",\"op\":\"concat\",\"in\":[\"%s%.0d\",\"%s%.0d\"]}", i > 0 ? "," : "",
                              i, i > 0 ? "l" : "input", i > 1 ? i - 1 : 0, i > 0 ? "l" : "input", i > 1 ? i - 1 : 0);
    (void)snprintf(text + n, ROOM - n, "]}");
    for (char *c = text; (c = strstr(c, "\"l\"")) != NULL; c++) /* %.0d writes no zero */
        memmove(c + 3, c + 2, strlen(c + 2) + 1), memcpy(c, "\"l0\"", 4);
    refuse(text, "columns: each must be 1 to 1048576");
    n = (size_t)snprintf(text, ROOM, HEAD INPUT "\"layers\":[");
    for (int i = 0; i <= 1000; i++)
        n += (size_t)snprintf(text + n, ROOM - n, "%s{\"name\":\"l%d\",\"op\":\"relu\",\"in\":[\"input\"]}",
                              i > 0 ? "," : "", i);
    (void)snprintf(text + n, ROOM - n, "]}");
    refuse(text, "1 to 1000 layers");
    memset(text, '[', ROOM - 1);
    text[ROOM - 1] = '\0';
    refuse(text, "no JSON object");
    memset(text, 'x', ROOM);
    (void)snprintf(text, ROOM, HEAD INPUT "\"layers\":[{\"name\":\"");
    n = strlen(text);
    text[n] = 'x';
    (void)snprintf(text + 1000, ROOM - 1000, "\",\"op\":\"relu\",\"in\":[\"input\"]}]}");
    refuse(text, "must be 1 to");
    free(text);
    refuse(HEAD INPUT "\"layers\":[{\"name\":\"\\u001b[2J\",\"op\":\"relu\",\"in\":[\"input\"]}]}",
           "no layer has the name");
    refuse(HEAD INPUT "\"layers\":[{\"name\":\"\\u001b[2J\\n\",\"op\":\"relu\",\"in\":[\"x\\u001b\"]}]}",
           "which is no layer");
    if (strpbrk(bfn_errmsg(ctx), "\033\n") != NULL)
        fail_msg("control characters in the message");
    refuse(HEAD INPUT "\"layers\":[{\"name\":\"a\\u0000b\"}]}", "no JSON object");
    refuse(HEAD HEAD + 1, "no JSON object");
    refuse(HEAD "\"name\":\"m\"}", "no JSON object: duplicate");
    refuse(HEAD "\"input\":{\"height\":4.5}}", "");
    refuse(HEAD "\"layers\":[1],\"input\":{\"height\":1025}}", "from 1 to 1024");
    refuse(HEAD "\"layers\":[1],\"input\":{\"height\":-1}}", "from 1 to 1024");
    refuse(HEAD "\"layers\":[1],\"input\":{\"height\":9223372036854775808}}", "no JSON object");
    refuse(HEAD "\"layers\":[1],\"input\":{\"height\":4,\"width\":4,\"channels\":1,\"scale\":[1e400]}}",
           "no JSON object");
    refuse(HEAD "\"layers\":{}}", "\"layers\"");
}

/* A file of one layer: two channels by 3 x 3 windows of a picture of 4 x 4. */
typedef struct small_file {
    float weight[18], bias[2];
    bfn__st_tensor tensors[2];
} small_file;

static const char small_json[] = HEAD INPUT "\"layers\":[" CONV("f", "input", "2", "[3,3]", "1") "]}";

static void small_make(small_file *f)
{
    for (size_t i = 0; i < 18; i++)
        f->weight[i] = 0.01f * (float)i;
    f->bias[0] = 1.0f;
    f->bias[1] = -1.0f;
    f->tensors[0] = (bfn__st_tensor){.name = "f.weight",
                                     .dtype = BFN__DTYPE_F32,
                                     .rank = 4,
                                     .shape = {2, 1, 3, 3},
                                     .count = 18,
                                     .data = f->weight,
                                     .bytes = sizeof f->weight};
    f->tensors[1] = (bfn__st_tensor){.name = "f.bias",
                                     .dtype = BFN__DTYPE_F32,
                                     .rank = 1,
                                     .shape = {2},
                                     .count = 2,
                                     .data = f->bias,
                                     .bytes = sizeof f->bias};
}

static void small_save(const small_file *f, size_t n)
{
    const bfn__st_entry metadata = {BFN__FEATURES_KEY, small_json};
    assert_int_equal(bfn__safetensors_save(ctx, path, f->tensors, n, &metadata, 1), BFN_OK);
}

static void small_refuse(const char *what)
{
    bfn_features *f;
    assert_int_equal(bfn_features_open(ctx, &f, path, NULL), BFN_ERR_INPUT);
    if (strstr(bfn_errmsg(ctx), what) == NULL || strstr(bfn_errmsg(ctx), path) == NULL)
        fail_msg("message \"%s\" does not say \"%s\"", bfn_errmsg(ctx), what);
    assert_null(f);
}

static void tensors_that_are_refused(void **state)
{
    (void)state;
    small_file f;
    small_make(&f);
    small_save(&f, 1);
    small_refuse("\"f.bias\" is missing");
    f.weight[7] = (float)NAN;
    small_save(&f, 2);
    small_refuse("\"f.weight\" at number 7");
    f.weight[7] = 0.0f;
    f.bias[1] = (float)INFINITY;
    small_save(&f, 2);
    small_refuse("\"f.bias\" at number 1");
    small_make(&f);
    f.tensors[0].shape[0] = 1;
    f.tensors[0].shape[1] = 2;
    f.tensors[1].rank = 2;
    f.tensors[1].shape[1] = 1;
    small_save(&f, 2);
    small_refuse("2 tensors do not fit: \"f.weight\" is [1, 2, 3, 3], the configuration needs [2, 1, 3, 3]; \"f.bias\" "
                 "is [2, 1]");
}

/* Without the care that bfn__file_write takes of a disk: it is called for every byte. */
static void put_bytes(const void *bytes, size_t n)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static bfn_status open_and_run(bfn_context *other, void *arg)
{
    bfn_features *f;
    bfn_feature_stats *stats = NULL;
    static const uint8_t pixels[2 * 16] = {1, 2, 3};
    (void)arg;
    bfn_status status = bfn_features_open(other, &f, path, NULL);
    assert_true((status == BFN_OK) == (f != NULL));
    if (status == BFN_OK)
        status = bfn_feature_stats_create(other, &stats, 8, 1);
    if (status == BFN_OK)
        status = bfn_features_add(f, stats, 2, 4, 4, 1, pixels);
    bfn_feature_stats_destroy(stats);
    bfn_features_close(f);
    return status;
}

/* Cut to every length, one bit of every byte flipped (most of them are numbers, which may be any), each allocation failing. */
static void every_byte_and_allocation(void **state)
{
    (void)state;
    small_file f;
    bfn__bytes file;
    small_make(&f);
    small_save(&f, 2);
    assert_int_equal(open_and_run(ctx, NULL), BFN_OK);
    assert_true(each_allocation(open_and_run, NULL, BFN_OK) > 20);
    assert_int_equal(bfn__file_map(ctx, path, SIZE_MAX, &file), BFN_OK);
    size_t n = file.size;
    unsigned char *bytes = exact_copy(file.data, n);
    bfn__file_unmap(ctx, &file);
    for (size_t i = 0; i < n; i++) {
        put_bytes(bytes, i);
        small_refuse("");
    }
    for (size_t i = 0; i < n; i++) {
        bfn_features *opened_file;
        bytes[i] ^= (unsigned char)(1 << i % 7);
        put_bytes(bytes, n);
        bytes[i] ^= (unsigned char)(1 << i % 7);
        bfn_status status = bfn_features_open(ctx, &opened_file, path, NULL);
        if (status != BFN_OK &&
            (status != BFN_ERR_INPUT || bfn_errmsg(ctx)[0] == '\0' || strpbrk(bfn_errmsg(ctx), "\n\033") != NULL))
            fail_msg("byte %zu: status %d, \"%s\"", i, (int)status, bfn_errmsg(ctx));
        bfn_features_close(opened_file);
    }
    free(bytes);
}

/* ---- training ---- */

static int count_steps(void *user, uint64_t step, uint64_t n_steps, double loss)
{
    assert_true(step <= n_steps && isfinite(loss));
    ++*(size_t *)user;
    return 0;
}

static int stop(void *user, uint64_t step, uint64_t n_steps, double loss)
{
    (void)user;
    (void)n_steps;
    (void)loss;
    return step == 2;
}

static void write_idx(const char *name, const unsigned char *header, size_t n_header, const uint8_t *data, size_t n)
{
    FILE *file = fopen(name, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(header, 1, n_header, file), n_header);
    assert_int_equal(fwrite(data, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

enum { TRAIN = 192, TEST = 64, SIDE = 8 };

/* Labelled pictures: class 0 has a bright left half, class 1 a bright right half, both with noise. */
static void write_set(const char *folder, const char *prefix, uint8_t n, size_t seed)
{
    static uint8_t pixels[TRAIN * SIDE * SIDE], labels[TRAIN];
    char name[160];
    uint32_t r = (uint32_t)seed;
    for (size_t i = 0; i < (size_t)n * SIDE * SIDE; i++) {
        size_t number = i / (SIDE * SIDE), x = i % SIDE;
        r = r * 1664525u + 1013904223u;
        labels[number] = (uint8_t)(number % 2);
        pixels[i] = (uint8_t)(((x < SIDE / 2) == (labels[number] == 0) ? 100u : 60u) + (r >> 25));
    }
    const unsigned char images[] = {0, 0, 8, 3, 0, 0, 0, n, 0, 0, 0, SIDE, 0, 0, 0, SIDE},
                        marks[] = {0, 0, 8, 1, 0, 0, 0, n};
    snprintf(name, sizeof name, "%s/%s-images-idx3-ubyte", folder, prefix);
    write_idx(name, images, sizeof images, pixels, (size_t)n * SIDE * SIDE);
    snprintf(name, sizeof name, "%s/%s-labels-idx1-ubyte", folder, prefix);
    write_idx(name, marks, sizeof marks, labels, n);
}

static void a_classifier_learns(void **state)
{
    (void)state;
    char folder[160];
    snprintf(folder, sizeof folder, "%s", scratch("."));
    write_set(folder, "train", TRAIN, 1);
    write_set(folder, "t10k", TEST, 2);
    bfn_classifier_options o = BFN_CLASSIFIER_OPTIONS_INIT;
    size_t steps = 0;
    double accuracy = 0.0;
    o.batch = 16;
    o.epochs = 8;
    o.progress = count_steps;
    o.user = &steps;
    assert_ok(bfn_classifier_train(ctx, folder, path, &o, &accuracy));
    assert_int_equal(steps, TRAIN / 16 * 8);
    assert_true(accuracy > 0.95);
    bfn_features *f = opened(path);
    bfn_features_info info;
    bfn_features_get_info(f, &info);
    assert_true(info.n_features == 64 && info.height == SIDE && fabs(info.accuracy - accuracy) < 1e-8);
    bfn_features_close(f);

    bfn_images *images;
    bfn_images_info set;
    const size_t n[] = {TRAIN + TEST, TRAIN, TEST};
    for (int part = 0; part < 3; part++) {
        assert_ok(bfn_images_open(ctx, &images, folder, (bfn_image_part)part));
        bfn_images_get_info(images, &set);
        assert_true(set.n == n[part] && set.n_test == TEST && set.height == SIDE && set.channels == 1);
        assert_non_null(bfn_images_item(images, set.n - 1));
        bfn_images_close(images);
    }
    unlink(path);
    o.progress = stop;
    assert_int_equal(bfn_classifier_train(ctx, folder, path, &o, &accuracy), BFN_CANCELLED);
    assert_int_equal(access(path, F_OK), -1);
    o.learning_rate = 2.0;
    assert_int_equal(bfn_classifier_train(ctx, folder, path, &o, &accuracy), BFN_ERR_ARGUMENT);
}

/* ---- arrays of pictures ---- */

static void save_array(bfn__dtype dtype, int rank, const size_t *shape, const void *data)
{
    assert_ok(bfn__npy_save(ctx, path, dtype, rank, shape, data));
}

static void arrays(void **state)
{
    (void)state;
    uint8_t pixels[2 * 3 * 4 * 3];
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(7 * i);
    const size_t colours[4] = {2, 3, 4, 3}, grey[3] = {6, 3, 4}, odd[4] = {2, 3, 6, 2};
    bfn_images *images;
    bfn_images_info info;
    save_array(BFN__DTYPE_U8, 4, colours, pixels);
    assert_ok(bfn_images_open(ctx, &images, path, BFN_IMAGES_ALL));
    bfn_images_get_info(images, &info);
    assert_true(info.n == 2 && info.height == 3 && info.width == 4 && info.channels == 3 &&
                strlen(info.checksum) == 64);
    assert_memory_equal(bfn_images_item(images, 1), pixels + 36, 36);
    bfn_images_close(images);
    save_array(BFN__DTYPE_U8, 3, grey, pixels);
    assert_ok(bfn_images_open(ctx, &images, path, BFN_IMAGES_OF_TRAIN));
    bfn_images_get_info(images, &info);
    assert_true(info.n == 6 && info.channels == 1);
    bfn_images_close(images);
    assert_int_equal(bfn_images_open(ctx, &images, path, BFN_IMAGES_OF_TEST), BFN_ERR_INPUT);
    save_array(BFN__DTYPE_U8, 4, odd, pixels);
    assert_int_equal(bfn_images_open(ctx, &images, path, BFN_IMAGES_ALL), BFN_ERR_INPUT);
    save_array(BFN__DTYPE_F32, 3, (const size_t[]){1, 3, 6}, pixels);
    assert_int_equal(bfn_images_open(ctx, &images, path, BFN_IMAGES_ALL), BFN_ERR_INPUT);
    const bfn__st_tensor named = {.name = "arr_0",
                                  .dtype = BFN__DTYPE_U8,
                                  .rank = 4,
                                  .shape = {2, 3, 4, 3},
                                  .count = sizeof pixels,
                                  .data = pixels,
                                  .bytes = sizeof pixels};
    assert_ok(bfn__npz_save(ctx, path, &named, 1, true));
    assert_ok(bfn_images_open(ctx, &images, path, BFN_IMAGES_ALL));
    assert_memory_equal(bfn_images_item(images, 0), pixels, 36);
    bfn_images_close(images);
    assert_int_equal(bfn_images_open(ctx, &images, "absent", BFN_IMAGES_ALL), BFN_ERR_NOT_FOUND);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, teardown_scratch)
    const struct CMUnitTest tests[] = {
        TEST(shipped_networks),
        TEST(grey_and_batches),
        TEST(descriptions_that_are_refused),
        TEST(a_classifier_learns),
        TEST(arrays),
        TEST(descriptions_that_are_hostile),
        TEST(tensors_that_are_refused),
        TEST(every_byte_and_allocation),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
