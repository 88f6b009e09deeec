/* test_dataset.c: data sets as training sees them: values of pictures, mirroring, binarisation, moments, refusals; text through the same door. */
#include "helper_images.h"
#include "io/file.h"
#include "model/dataset.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

enum { N = 50, N_TEST = 6, H = 5, W = 6, D = H * W };

static bfn_context *ctx;
static char folder[] = "bfn-test-dataset-XXXXXX";

static int setup(void **p)
{
    (void)p;
    if (mkdtemp(folder) == NULL || bfn_context_create(&ctx, NULL) != BFN_OK)
        return -1;
    images_write_idx(folder, N, N_TEST, H, W);
    return 0;
}

static int teardown(void **p)
{
    (void)p;
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    bfn_context_destroy(ctx);
    return system(command);
}

static bfn__config config_of(const char *yaml)
{
    bfn__config c;
    bfn__config_init(&c);
    assert_int_equal(bfn__config_parse(ctx, &c, yaml, strlen(yaml), "test"), BFN_OK);
    return c;
}

static bfn__dataset *open_set(const char *yaml)
{
    bfn__config c = config_of(yaml);
    bfn__dataset *set;
    assert_int_equal(bfn__dataset_open(ctx, &set, folder, &c, NULL), BFN_OK);
    assert_true(c.data.height == H && c.data.width == W && c.data.channels == 1);
    return set;
}

static double value_of(uint8_t p, size_t K)
{
    if (K == 0)
        return 2.0 * p / 255.0 - 1.0;
    double bin = fmin(floor((double)K * p / 255.0), (double)K - 1.0);
    return 2.0 * (bin + 0.5) / (double)K - 1.0;
}

/* Which of the written pictures has these values? */
static size_t identify(const float *values, size_t K, bool *mirrored)
{
    for (size_t i = 0; i < N + N_TEST; i++) {
        size_t same = 0, flipped = 0;
        for (size_t y = 0; y < H; y++)
            for (size_t x = 0; x < W; x++) {
                double value = (double)values[y * W + x];
                same += fabs(value - value_of(images_pixel(i, y, x), K)) < 1e-6;
                flipped += fabs(value - value_of(images_pixel(i, y, W - 1 - x), K)) < 1e-6;
            }
        if (same == D || flipped == D) {
            *mirrored = same != D;
            return i;
        }
    }
    fail_msg("no such picture");
    return 0;
}

static const char continuous[] = "data: {kind: image, valid: 0.1}\nflow: {kind: continuous}";
static const char binned[] =
    "data: {kind: image, valid: 0.1}\nflow: {kind: discretised, n_classes: 16, min_variance: 1e-3}";
static const char flipped_yaml[] = "data: {kind: image, valid: 0.1, flip: true}\nflow: {kind: continuous}";
static const char binary[] = "data: {kind: image, valid: 0.1}\nflow: {kind: discrete, max_sqrt_beta: 3}";

/* All items of all splits are the written pictures, each once, with their labels; test pictures are the file's own. */
static void test_items(void **p)
{
    (void)p;
    const struct {
        const char *yaml;
        size_t K;
    } kinds[] = {{continuous, 0}, {binned, 16}};
    for (size_t k = 0; k < 2; k++) {
        bfn__dataset *set = open_set(kinds[k].yaml);
        assert_int_equal(bfn__dataset_n(set, BFN__SPLIT_TRAIN), 45);
        assert_int_equal(bfn__dataset_n(set, BFN__SPLIT_VALID), 5);
        assert_int_equal(bfn__dataset_n(set, BFN__SPLIT_TEST), N_TEST);
        assert_int_equal(bfn__dataset_n_classes(set), 0);
        int seen[N + N_TEST] = {0};
        for (int split = 0; split < 3; split++)
            for (size_t i = 0; i < bfn__dataset_n(set, (bfn__split)split); i++) {
                float values[D];
                int32_t label;
                bool mirrored;
                bfn__dataset_item(set, (bfn__split)split, i, values, &label);
                size_t number = identify(values, kinds[k].K, &mirrored);
                assert_false(mirrored);
                assert_int_equal(label, number % 4);
                assert_true((split == BFN__SPLIT_TEST) == (number >= N));
                seen[number]++;
            }
        for (size_t i = 0; i < N + N_TEST; i++)
            assert_int_equal(seen[i], 1);
        bfn__dataset_close(set);
    }
}

/* An epoch of training is every training picture once; another epoch is another order; half of the pictures are mirrored where asked. */
static void test_training_order(void **p)
{
    (void)p;
    bfn__dataset *set = open_set(flipped_yaml);
    size_t n = bfn__dataset_n(set, BFN__SPLIT_TRAIN), mirrored = 0, moved = 0, order[2][N];
    for (size_t epoch = 0; epoch < 2; epoch++) {
        int seen[N + N_TEST] = {0};
        for (size_t i = 0; i < n; i++) {
            float values[D], again[D];
            int32_t label;
            bool flip;
            bfn__dataset_training(set, 7, epoch * n + i, values, &label);
            bfn__dataset_training(set, 7, epoch * n + i, again, NULL);
            assert_memory_equal(values, again, sizeof values);
            order[epoch][i] = identify(values, 0, &flip);
            assert_int_equal(label, order[epoch][i] % 4);
            mirrored += flip;
            seen[order[epoch][i]]++;
            moved += epoch == 1 && order[0][i] != order[1][i];
        }
        for (size_t i = 0; i < N + N_TEST; i++)
            assert_true(seen[i] <= 1);
    }
    assert_true(moved > n / 2);
    assert_true(mirrored > n / 2 && mirrored < 2 * n - n / 2);
    bfn__dataset_close(set);
}

/* Over many epochs a pixel is white as often as it is bright; validation never changes. */
static void test_binarisation(void **p)
{
    (void)p;
    enum { EPOCHS = 400 };
    bfn__dataset *set = open_set(binary);
    bfn__data_info info;
    size_t n = bfn__dataset_n(set, BFN__SPLIT_TRAIN);
    double mean[D] = {0}, worst = 0.0;
    int32_t classes[D], again[D];
    assert_int_equal(bfn__dataset_describe(set, &info), BFN_OK);
    for (size_t i = 0; i < EPOCHS * n; i++) {
        bfn__dataset_training(set, 3, i, classes, NULL);
        for (size_t d = 0; d < D; d++) {
            assert_true(classes[d] == 0 || classes[d] == 1);
            mean[d] += classes[d] / (double)(EPOCHS * n);
        }
    }
    for (size_t d = 0; d < D; d++) {
        worst = fmax(worst, fabs(mean[d] - (double)info.mean[2 * d + 1]));
        assert_true(fabs((double)(info.mean[2 * d] + info.mean[2 * d + 1]) - 1.0) < 1e-6);
    }
    assert_true(worst < 0.012); /* standard error 0.5 / sqrt(18000) = 0.0037 */
    size_t differ = 0;
    for (size_t i = 0; i < bfn__dataset_n(set, BFN__SPLIT_VALID); i++) {
        bfn__dataset_item(set, BFN__SPLIT_VALID, i, classes, NULL);
        bfn__dataset_item(set, BFN__SPLIT_VALID, i, again, NULL);
        assert_memory_equal(classes, again, sizeof classes);
    }
    bfn__dataset_training(set, 3, 0, classes, NULL);
    bfn__dataset_training(set, 4, 0, again, NULL);
    for (size_t d = 0; d < D; d++)
        differ += classes[d] != again[d];
    assert_true(differ > 0);
    bfn__data_info_free(ctx, &info);
    bfn__dataset_close(set);
}

/* Moments against the two-pass formula over the training items (and their mirrored copies). */
static void test_moments(void **p)
{
    (void)p;
    const struct {
        const char *yaml;
        bool flip;
    } kinds[] = {{continuous, false}, {binned, false}, {flipped_yaml, true}};
    for (size_t k = 0; k < 3; k++) {
        bfn__dataset *set = open_set(kinds[k].yaml);
        bfn__data_info info;
        size_t n = bfn__dataset_n(set, BFN__SPLIT_TRAIN);
        double mean[D] = {0}, variance = 0.0;
        float values[D];
        assert_int_equal(bfn__dataset_describe(set, &info), BFN_OK);
        assert_int_equal(info.mean_rows, D);
        for (int pass = 0; pass < 2; pass++)
            for (size_t i = 0; i < n; i++) {
                bfn__dataset_item(set, BFN__SPLIT_TRAIN, i, values, NULL);
                for (size_t d = 0; d < D; d++) {
                    double other = (double)values[kinds[k].flip ? d / W * W + W - 1 - d % W : d];
                    double v = (double)values[d];
                    if (pass == 0)
                        mean[d] += (v + other) / (2.0 * (double)n);
                    else
                        variance += ((v - mean[d]) * (v - mean[d]) + (other - mean[d]) * (other - mean[d])) /
                                    (2.0 * (double)n * D);
                }
            }
        for (size_t d = 0; d < D; d++)
            assert_true(fabs(mean[d] - (double)info.mean[d]) < 1e-6);
        assert_true(fabs(variance - info.variance) < 1e-6 * variance);
        bfn__data_info_free(ctx, &info);
        bfn__dataset_close(set);
    }
    bfn__dataset *set = open_set(binary);
    bfn__data_info info;
    assert_int_equal(bfn__dataset_describe(set, &info), BFN_OK);
    double variance = 0.0;
    for (size_t d = 0; d < D; d++)
        variance += 2.0 * (double)info.mean[2 * d] * (double)info.mean[2 * d + 1] / D;
    assert_true(fabs(variance - info.variance) < 1e-6);
    assert_int_equal(info.n_labels, 4);
    assert_int_equal(strlen(info.sha256), 64);
    bfn__data_info_free(ctx, &info);
    bfn__dataset_close(set);
}

static void test_refusals(void **p)
{
    (void)p;
    bfn__dataset *set;
    bfn__config c = config_of("data: {kind: image, height: 8}\nflow: {kind: continuous}");
    assert_int_equal(bfn__dataset_open(ctx, &set, folder, &c, NULL), BFN_ERR_ARGUMENT);
    assert_null(set);
    assert_non_null(strstr(bfn_errmsg(ctx), "data.height: found 8, the images of bfn-test-dataset-"));
    assert_non_null(strstr(bfn_errmsg(ctx), "are 5 x 6 x 1"));
    c = config_of(continuous);
    bfn__data_info known = {.sha256 = "0123"};
    const bfn__dataset_options same = {.known = &known, .same = true}, other = {.known = &known};
    assert_int_equal(bfn__dataset_open(ctx, &set, folder, &c, &same), BFN_ERR_ARGUMENT);
    assert_non_null(strstr(bfn_errmsg(ctx), "the run was started with data of sha256 0123"));
    assert_int_equal(bfn__dataset_open(ctx, &set, folder, &c, &other), BFN_OK);
    bfn__dataset_close(set);
    assert_int_equal(bfn__dataset_open(ctx, &set, "nowhere", &c, NULL), BFN_ERR_NOT_FOUND);
    bfn__dataset_close(NULL);
}

/* A text through the same door gives what io/text.h gives. */
static void test_text(void **p)
{
    (void)p;
    char path[64], text[400];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = "abcde fgh "[(i * i + i / 7) % 10];
    snprintf(path, sizeof path, "%s/text", folder);
    assert_int_equal(bfn__file_write(ctx, path, text, sizeof text), BFN_OK);
    bfn__config c = config_of("data: {alphabet: chars, seq_len: 8}");
    bfn__dataset *set;
    bfn__textset *direct;
    const bfn__textset_options options = {.alphabet = "chars", .T = 8};
    assert_int_equal(bfn__dataset_open(ctx, &set, path, &c, NULL), BFN_OK);
    assert_int_equal(bfn__textset_create(ctx, &direct, text, sizeof text, "text", &options), BFN_OK);
    assert_int_equal(bfn__dataset_n_classes(set), 9);
    int32_t a[8], b[8], label = 3;
    for (int split = 0; split < 3; split++) {
        assert_int_equal(bfn__dataset_n(set, (bfn__split)split), bfn__textset_n_sequences(direct, (bfn__split)split));
        bfn__dataset_item(set, (bfn__split)split, 0, a, &label);
        bfn__textset_sequence(direct, (bfn__split)split, 0, b);
        assert_memory_equal(a, b, sizeof a);
    }
    bfn__dataset_training(set, 5, 9, a, &label);
    bfn__textset_training(direct, 5, 9, b);
    assert_memory_equal(a, b, sizeof a);
    assert_int_equal(label, -1);
    bfn__data_info info;
    assert_int_equal(bfn__dataset_describe(set, &info), BFN_OK);
    assert_int_equal(info.mean_rows, 1);
    assert_string_equal(bfn__alphabet_symbols(info.alphabet), " abcdefgh");
    bfn__data_info_free(ctx, &info);
    bfn__textset_destroy(direct);
    bfn__dataset_close(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_items),   cmocka_unit_test(test_training_order), cmocka_unit_test(test_binarisation),
        cmocka_unit_test(test_moments), cmocka_unit_test(test_refusals),       cmocka_unit_test(test_text),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
