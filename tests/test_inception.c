/* Inception-v3 against PyTorch: weights and pictures by a formula that tests/reference/inception_features.py computes too, written as the file that a user
 * would bring (batch normalisation not yet folded), read back, run with both ways of resizing. And files that are not what they should be.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bfn/frechet.h"
#include "helper_io.h"
#include "io/file.h"
#include "io/safetensors.h"
#include "nn/graph.h"
#include "nn/inception.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SIDE = 32, PICTURES = 2, FEATURES = 2048, MAX_TENSORS = 600 };

static bfn_context *ctx;
static char path[64];

static uint32_t mixed(uint32_t x)
{
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    return x ^ x >> 16;
}

static uint32_t seed_of(const char *name)
{
    uint32_t seed = 2166136261u;
    for (; *name != '\0'; name++)
        seed = (seed ^ (unsigned char)*name) * 16777619u;
    return seed;
}

/* The upper bits of word j of the name. */
static double bits(const char *name, size_t j, int count)
{
    return (double)(mixed(seed_of(name) + (uint32_t)j * 0x9e3779b9u) >> (32 - count));
}

typedef struct weights {
    bfn__st_tensor tensors[MAX_TENSORS];
    char names[MAX_TENSORS][BFN__MAX_NAME + 24];
    size_t n;
} weights;

/* A tensor of bf16: all values of the formula are exact in it. */
static void add(weights *w, const char *name, int rank, const size_t *shape, double offset, double scale, int count)
{
    bfn__st_tensor *t = &w->tensors[w->n];
    assert_true(w->n < MAX_TENSORS);
    snprintf(w->names[w->n], sizeof w->names[w->n], "%s", name);
    *t = (bfn__st_tensor){.name = w->names[w->n++], .dtype = BFN__DTYPE_BF16, .rank = rank, .count = 1};
    for (int i = 0; i < rank; i++) {
        t->shape[i] = shape[i];
        t->count *= shape[i];
    }
    float *values = malloc(t->count * sizeof *values);
    uint16_t *low = malloc(t->count * sizeof *low);
    assert_true(values != NULL && low != NULL);
    uint32_t seed = seed_of(name);
    for (size_t j = 0; j < t->count; j++)
        values[j] = (float)(((double)(mixed(seed + (uint32_t)j * 0x9e3779b9u) >> (32 - count)) + offset) * scale);
    bfn__bf16_from_f32(t->count, values, low);
    free(values);
    t->data = low;
    t->bytes = 2 * t->count;
}

static void add_unit(weights *w, const bfn__param *p, const char *unit)
{
    static const struct {
        const char *part;
        double offset, scale;
    } parts[] = {{"bn.weight", 64.0, 1.0 / 128.0},
                 {"bn.bias", -64.0, 1.0 / 512.0},
                 {"bn.running_mean", -64.0, 1.0 / 512.0},
                 {"bn.running_var", 64.0, 1.0 / 128.0}};
    double fan_in = (double)(p->count / p->shape[0]);
    add(w, p->name, 4, p->shape, -128.0, exp2(floor(log2(sqrt(6.0 / fan_in)))) / 128.0, 8);
    for (size_t k = 0; k < 4; k++) {
        char name[BFN__MAX_NAME + 24];
        snprintf(name, sizeof name, "%s.%s", unit, parts[k].part);
        add(w, name, 1, p->shape, parts[k].offset, parts[k].scale, 7);
    }
}

static void make_weights(weights *w)
{
    bfn__net *net;
    assert_int_equal(bfn__inception_create(ctx, &net), BFN_OK);
    w->n = 0;
    for (size_t i = 0; i < bfn__net_n_params(net); i++) {
        const bfn__param *p = bfn__net_param(net, i);
        char unit[BFN__MAX_NAME];
        size_t n = strlen(p->name);
        if (strcmp(p->name + n - 7, ".weight") != 0)
            continue;
        memcpy(unit, p->name, n - strlen(".conv.weight"));
        unit[n - strlen(".conv.weight")] = '\0';
        add_unit(w, p, unit);
    }
    assert_int_equal(w->n, 5 * 94);
    bfn__net_destroy(net);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(path, sizeof path, "inception-%ld.safetensors", (long)getpid());
    return bfn_context_create(&ctx, NULL) != BFN_OK;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    bfn_context_destroy(ctx);
    return 0;
}

static void compare(bfn_resize resize, const uint8_t *pixels, const float *want)
{
    static float got[PICTURES * FEATURES];
    bfn_features *f;
    bfn_features_options o = BFN_FEATURES_OPTIONS_INIT;
    o.resize = resize;
    if (bfn_features_open(ctx, &f, path, &o) != BFN_OK)
        fail_msg("%s", bfn_errmsg(ctx));
    bfn_features_info info;
    bfn_features_get_info(f, &info);
    assert_true(info.is_inception && info.n_features == FEATURES && strlen(info.checksum) == 64);
    assert_string_equal(info.distance, "FID");
    assert_non_null(strstr(info.input, resize == BFN_RESIZE_TF1 ? "TensorFlow 1" : "torch"));
    if (bfn_features_run(f, PICTURES, SIDE, SIDE, 3, pixels, got) != BFN_OK)
        fail_msg("%s", bfn_errmsg(ctx));
    double worst = 0.0, largest = 0.0;
    for (size_t i = 0; i < PICTURES * FEATURES; i++) {
        double d = fabs((double)got[i] - (double)want[i]);
        worst = d > worst || isnan(d) ? d : worst;
        largest = fmax(largest, fabs((double)want[i]));
    }
    print_message("%s: off by %.2g of %.3g\n", info.input, worst, largest);
    assert_true(largest > 0.1);
    if (!(worst <= 1e-5 * largest))
        fail_msg("off by %g of %g", worst, largest);
    bfn_features_close(f);
}

static void refuse(const char *what)
{
    bfn_features *f;
    assert_int_equal(bfn_features_open(ctx, &f, path, NULL), BFN_ERR_INPUT);
    if (strstr(bfn_errmsg(ctx), what) == NULL || strstr(bfn_errmsg(ctx), path) == NULL)
        fail_msg("message \"%s\" does not say \"%s\"", bfn_errmsg(ctx), what);
    assert_null(f);
}

/* The numbers of a unit that give none: the tensor of its part holds `value` at `at`. */
static void refuse_value(weights *w, const char *name, size_t at, float value)
{
    char words[BFN__MAX_NAME + 64];
    size_t i = 0;
    while (strcmp(w->names[i], name) != 0)
        i++;
    uint16_t *low = (uint16_t *)(uintptr_t)w->tensors[i].data + at, before = *low;
    bfn__bf16_from_f32(1, &value, low);
    assert_int_equal(bfn__safetensors_save(ctx, path, w->tensors, w->n, NULL, 0), BFN_OK);
    snprintf(words, sizeof words, "\"%.*s\": channel %zu is not finite", (int)(strstr(name, ".bn.") - name), name, at);
    refuse(words);
    *low = before;
}

/* Cut anywhere in its header, and at some places of its numbers. */
static void refuse_beginnings(void)
{
    bfn__bytes file;
    uint64_t header;
    assert_int_equal(bfn__file_map(ctx, path, SIZE_MAX, &file), BFN_OK);
    size_t size = file.size;
    memcpy(&header, file.data, sizeof header);
    bfn__file_unmap(ctx, &file);
    for (size_t n = size - 1; n > 0; n -= n > header + 8 + size / 7 ? size / 7 : n > 137 ? 137 : n) {
        assert_int_equal(truncate(path, (off_t)n), 0);
        refuse("");
        if (n > header + 8 && n <= header + 8 + size / 7)
            n = header + 8 + 137;
    }
    assert_int_equal(truncate(path, 0), 0);
    refuse("");
}

static bfn_status open_file(bfn_context *other, void *arg)
{
    bfn_features *f;
    (void)arg;
    bfn_status status = bfn_features_open(other, &f, path, NULL);
    bfn_features_close(f);
    return status;
}

/* Every 29th allocation fails: all of them would take minutes, and test_features.c has all of a small network's. */
static void failing_allocations(void)
{
    size_t n_failed = 0;
    for (size_t k = 3;; k += 29) {
        counting c;
        bfn_context *failing = counting_context(&c);
        c.fail_at = c.n_calls + k;
        bfn_status status = open_file(failing, NULL);
        bool failed = c.n_calls >= c.fail_at;
        assert_int_equal(status, failed ? BFN_ERR_MEMORY : BFN_OK);
        assert_int_equal(c.n_live, 1);
        bfn_context_destroy(failing);
        n_failed += failed;
        if (!failed)
            break;
    }
    assert_true(n_failed >= 8);
}

static void features_of_pytorch(void **state)
{
    (void)state;
    static weights w;
    static uint8_t pixels[PICTURES * SIDE * SIDE * 3];
    make_weights(&w);
    assert_int_equal(bfn__safetensors_save(ctx, path, w.tensors, w.n, NULL, 0), BFN_OK);
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)bits("pictures", i, 8);
    bfn__bytes golden;
    assert_int_equal(bfn__file_map(ctx, BFN_SOURCE_DIR "/tests/golden/inception_features.f32", 1 << 20, &golden),
                     BFN_OK);
    assert_int_equal(golden.size, 2 * PICTURES * FEATURES * sizeof(float));
    compare(BFN_RESIZE_TORCH, pixels, golden.data);
    compare(BFN_RESIZE_TF1, pixels, (const float *)golden.data + PICTURES * FEATURES);
    bfn__file_unmap(ctx, &golden);

    failing_allocations();
    refuse_beginnings();
    refuse_value(&w, "Conv2d_1a_3x3.bn.running_var", 3, -1.0f);
    refuse_value(&w, "Conv2d_1a_3x3.bn.running_mean", 31, (float)NAN);
    refuse_value(&w, "Mixed_7c.branch_pool.bn.bias", 0, (float)INFINITY);
    refuse_value(&w, "Mixed_7c.branch_pool.bn.running_mean", 5,
                 3e38f); /* times its gain it is more than single precision holds */
    refuse_value(&w, "Mixed_5b.branch1x1.bn.weight", 7, (float)NAN);

    /* One tensor of another shape, one missing. */
    bfn_features *f;
    w.tensors[7].shape[0]--;
    w.tensors[7].bytes -= 2;
    assert_int_equal(bfn__safetensors_save(ctx, path, w.tensors, w.n - 1, NULL, 0), BFN_OK);
    assert_int_equal(bfn_features_open(ctx, &f, path, NULL), BFN_ERR_INPUT);
    assert_non_null(strstr(bfn_errmsg(ctx), "2 of Inception-v3's 94 units"));
    assert_null(f);
    for (size_t i = 0; i < w.n; i++)
        free((void *)(uintptr_t)w.tensors[i].data);
}

/* The name of a published file promises its checksum. */
static void name_and_content(void **state)
{
    (void)state;
    bfn_features *f;
    const char *name = "pt_inception-2015-12-05-6726825d.pth";
    assert_int_equal(bfn__file_write(ctx, name, "something else", 14), BFN_OK);
    assert_int_equal(bfn_features_open(ctx, &f, name, NULL), BFN_ERR_INPUT);
    unlink(name);
    assert_non_null(strstr(bfn_errmsg(ctx), "6726825d"));
    assert_null(f);
    assert_int_equal(bfn_features_open(ctx, &f, "absent.pth", NULL), BFN_ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(features_of_pytorch), cmocka_unit_test(name_and_content)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
