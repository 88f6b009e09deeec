/* test_convert.c: files of tensors into safetensors: precision, one set of weights, names, configurations; and looking at and comparing them. */
#include "bfn/model.h"
#include "bfn/tensors.h"
#include "helper_fixture.h"
#include "helper_golden.h"
#include "helper_torch.h"
#include "io/file.h"
#include "io/safetensors.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char published[] =
    "data: {dataset: text8, seq_len: 24}\n"
    "net:\n"
    "  name: GPT\n"
    "  backbone: {vocab_size: 27, n_layer: 2, n_head: 4, n_embd: 32, skip: True}\n"
    "  input_adapter: {name: TextInputAdapter, vocab_size: 27, seq_len: 24, output_size: 32}\n"
    "  output_adapter: null\n"
    "bayesian_flow: {n_classes: 27, max_sqrt_beta: 0.75}\n"
    "sampling: {last_drop: True, eta: 0.002, algorithm: sde_bfnsolver2_multi_step, n_steps: 7, n_samples: 3}\n";

static const char *golden(const char *name)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/%s", golden_folder(), name);
    return path;
}

static void make_config(void)
{
    assert_ok(bfn__file_write(ctx, scratch("given.yaml"), published, sizeof published - 1));
}

static bfn_tensors *open_tensors(const char *path)
{
    bfn_tensors *t;
    assert_ok(bfn_tensors_open(ctx, &t, path));
    return t;
}

/* All tensors of a are in b, with the same shape and numbers that differ by at most `relative`. */
static void assert_same(const char *a_path, const char *b_path, double relative)
{
    bfn_tensors *a = open_tensors(a_path), *b = open_tensors(b_path);
    assert_int_equal(bfn_tensors_n(a), bfn_tensors_n(b));
    for (size_t i = 0; i < bfn_tensors_n(a); i++) {
        bfn_tensor_info info;
        bfn_tensor_difference d;
        bfn_tensors_get(a, i, &info);
        size_t j = bfn_tensors_find(b, info.name);
        assert_true(j != SIZE_MAX);
        bfn_tensors_compare(a, i, b, j, &d);
        assert_true(d.same_shape && d.max_relative <= relative);
        assert_true(d.same_dtype || relative > 0.0);
    }
    bfn_tensors_close(a);
    bfn_tensors_close(b);
}

/* ---- conversion ---- */

static void test_plain(void **state)
{
    (void)state;
    char out[64];
    snprintf(out, sizeof out, "%s", scratch("out.safetensors"));
    assert_ok(bfn_convert(ctx, golden("gpt_ema.pt"), out, NULL));
    assert_same(golden("gpt_ema.pt"), out, 0.0);
    assert_same(golden("gpt_weights.safetensors"), out, 0.0);
    assert_ok(bfn_convert(ctx, out, out, NULL)); /* onto itself */
    assert_same(golden("gpt_ema.pt"), out, 0.0);
    assert_int_equal(scratch_count(), 1);
}

static void read_all(bfn_model *model, float *out)
{
    bfn_sampler_options o = BFN_SAMPLER_OPTIONS_INIT;
    bfn_solver_options s = BFN_SOLVER_OPTIONS_INIT;
    int32_t samples[3 * 24];
    s.n_evaluations = 6;
    assert_ok(bfn_model_sample(model, &s, &o, 0, 3, samples));
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++)
        out[i] = (float)samples[i];
}

/* With a configuration the result is a model: the same samples, an alphabet, the defaults of sampling. */
static void test_model(void **state)
{
    (void)state;
    char out[64], config[64];
    bfn_model *a, *b;
    bfn_model_info info;
    float x[72], y[72];
    bfn_convert_options c = BFN_CONVERT_OPTIONS_INIT;
    bfn_model_options o = BFN_MODEL_OPTIONS_INIT;
    make_config();
    snprintf(out, sizeof out, "%s", scratch("out.safetensors"));
    snprintf(config, sizeof config, "%s", scratch("given.yaml"));
    c.config_path = o.config_path = config;
    assert_ok(bfn_convert(ctx, golden("gpt_ema.pt"), out, &c));
    assert_ok(bfn_model_load(ctx, &a, golden("gpt_ema.pt"), &o));
    assert_ok(bfn_model_load(ctx, &b, out, NULL));
    read_all(a, x);
    read_all(b, y);
    assert_memory_equal(x, y, sizeof x);
    bfn_model_get_info(b, &info);
    assert_string_equal(info.alphabet, " abcdefghijklmnopqrstuvwxyz");
    assert_string_equal(info.sampling.method, "sde_bfnsolver2_multi_step");
    assert_true(info.sampling.n_steps == 7 && info.sampling.eta == 0.002 && info.sampling.n == 3);
    bfn_model_destroy(a);
    bfn_model_destroy(b);
    assert_says(bfn_convert(ctx, out, scratch("b.safetensors"), &c), BFN_ERR_ARGUMENT,
                "has a configuration of its own");
    assert_says(bfn_model_load(ctx, &a, out, &o), BFN_ERR_ARGUMENT, "has a configuration of its own");
    c.config_path = "nowhere.yaml";
    assert_says(bfn_convert(ctx, golden("gpt_ema.pt"), scratch("b.safetensors"), &c), BFN_ERR_NOT_FOUND,
                "nowhere.yaml");
    c.config_path = config;
    assert_says(bfn_convert(ctx, golden("vdm1_ema.pt"), scratch("b.safetensors"), &c), BFN_ERR_INPUT,
                "tensors do not fit");
    assert_int_equal(scratch_count(), 2); /* nothing was begun */
}

static const char *dtype_of(const char *path, const char *name)
{
    static bfn_tensor_info info;
    bfn_tensors *t = open_tensors(path);
    size_t i = bfn_tensors_find(t, name);
    assert_true(i != SIZE_MAX);
    bfn_tensors_get(t, i, &info);
    bfn_tensors_close(t);
    return info.dtype;
}

static void test_precision(void **state)
{
    (void)state;
    char out[64], back[64], config[64];
    bfn_convert_options c = BFN_CONVERT_OPTIONS_INIT;
    make_config();
    snprintf(config, sizeof config, "%s", scratch("given.yaml"));
    snprintf(out, sizeof out, "%s", scratch("out.safetensors"));
    snprintf(back, sizeof back, "%s", scratch("back.safetensors"));
    c.numbers = BFN_NUMBERS_BF16;
    assert_ok(bfn_convert(ctx, golden("gpt_ema.pt"), out, &c));
    assert_same(golden("gpt_ema.pt"), out, 0x1p-8);
    assert_string_equal(dtype_of(out, "net.lm_head.weight"), "BF16");
    assert_string_equal(dtype_of(out, "net.lm_head.bias"), "F32");
    assert_string_equal(dtype_of(out, "net.input_adapter.pos_embedding"), "BF16"); /* nobody says that it is a table */
    c.config_path = config;
    assert_ok(bfn_convert(ctx, golden("gpt_ema.pt"), out, &c));
    assert_string_equal(dtype_of(out, "net.lm_head.weight"), "BF16");
    assert_string_equal(dtype_of(out, "net.input_adapter.pos_embedding"), "F32");
    c.numbers = BFN_NUMBERS_F16;
    assert_ok(bfn_convert(ctx, golden("gpt_ema.pt"), out, &c));
    assert_string_equal(dtype_of(out, "net.lm_head.weight"), "F16");
    assert_same(golden("gpt_ema.pt"), out, 1.0); /* tiny numbers become 0 */
    c.config_path = NULL;
    c.numbers = BFN_NUMBERS_F32;
    assert_ok(bfn_convert(ctx, out, back, &c));
    assert_string_equal(dtype_of(back, "net.lm_head.weight"), "F32");
    assert_same(out, back, 1e-300); /* the same numbers in another type */
}

/* Every half is itself again; what lies between two goes to the nearer, and in the middle to the even one. */
static void test_halves(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 0x10000; h++) {
        uint16_t bits = (uint16_t)h, again;
        const bfn__st_tensor t = {.dtype = BFN__DTYPE_F16, .count = 1, .data = &bits, .bytes = 2};
        float value = (float)bfn__st_value(&t, 0);
        size_t at = bfn__f16_from_f32(1, &value, &again);
        assert_int_equal(at, 1);
        if (isnan(value))
            assert_true((again & 0x7c00) == 0x7c00 && (again & 0x3ff) != 0);
        else
            assert_int_equal(again, bits);
    }
    for (uint16_t low = 0; low < 0x7bff; low++) {
        const uint16_t two[2] = {low, (uint16_t)(low + 1)};
        const bfn__st_tensor t = {.dtype = BFN__DTYPE_F16, .count = 2, .data = two, .bytes = 4};
        float a = (float)bfn__st_value(&t, 0), b = (float)bfn__st_value(&t, 1), middle = 0.5f * (a + b);
        const float in[3] = {nextafterf(middle, a), middle, nextafterf(middle, b)};
        uint16_t out[3];
        assert_int_equal(bfn__f16_from_f32(3, in, out), 3);
        assert_int_equal(out[0], low);
        assert_int_equal(out[1], low % 2 == 0 ? low : low + 1);
        assert_int_equal(out[2], low + 1);
    }
    const float large[] = {65504.0f, 65519.99f, 65520.0f, INFINITY};
    uint16_t out[4];
    assert_int_equal(bfn__f16_from_f32(4, large, out), 2);
    assert_int_equal(bfn__f16_from_f32(2, large, out), 2);
}

/* ---- one set of weights ---- */

static const float raw[4] = {1, 2, 3, 4}, average[4] = {5, 6, 7, 8};

static void save_training(const char *path, const float *numbers)
{
    const bfn__st_tensor tensors[] = {
        {.name = "net.w",
         .dtype = BFN__DTYPE_F32,
         .rank = 2,
         .shape = {2, 2},
         .count = 4,
         .bytes = 16,
         .data = numbers},
        {.name = "net.table",
         .dtype = BFN__DTYPE_F32,
         .rank = 1,
         .shape = {4},
         .count = 4,
         .bytes = 16,
         .data = numbers},
        {.name = "ema.net.w",
         .dtype = BFN__DTYPE_F32,
         .rank = 2,
         .shape = {2, 2},
         .count = 4,
         .bytes = 16,
         .data = average},
        {.name = "adam.m.w",
         .dtype = BFN__DTYPE_F32,
         .rank = 2,
         .shape = {2, 2},
         .count = 4,
         .bytes = 16,
         .data = numbers},
        {.name = "data.mean",
         .dtype = BFN__DTYPE_F32,
         .rank = 1,
         .shape = {4},
         .count = 4,
         .bytes = 16,
         .data = numbers},
    };
    const bfn__st_entry metadata[] = {{"note", "kept"}};
    assert_ok(bfn__safetensors_save(ctx, path, tensors, 5, metadata, 1));
}

static void check_one(const char *path, size_t n, const char *name, float first)
{
    bfn__safetensors *st;
    assert_ok(bfn__safetensors_open(ctx, &st, path));
    assert_int_equal(bfn__safetensors_n_tensors(st), n);
    const bfn__st_tensor *t = bfn__safetensors_find(st, name);
    assert_non_null(t);
    assert_true((float)bfn__st_value(t, 0) == first);
    assert_string_equal(bfn__safetensors_metadata(st, "note"), "kept");
    bfn__safetensors_close(st);
}

static void test_weights(void **state)
{
    (void)state;
    char in[64], out[64];
    bfn_convert_options c = BFN_CONVERT_OPTIONS_INIT;
    snprintf(in, sizeof in, "%s", scratch("in.safetensors"));
    snprintf(out, sizeof out, "%s", scratch("out.safetensors"));
    save_training(in, raw);
    assert_ok(bfn_convert(ctx, in, out, &c));
    check_one(out, 5, "adam.m.w", 1);
    c.weights = BFN_WEIGHTS_EMA;
    assert_ok(bfn_convert(ctx, in, out, &c));
    check_one(out, 3, "net.w", 5);
    check_one(out, 3, "net.table", 1);
    assert_says(bfn_convert(ctx, out, in, &c), BFN_ERR_INPUT, "out.safetensors: has no averages");
    c.weights = BFN_WEIGHTS_RAW;
    assert_ok(bfn_convert(ctx, in, out, &c));
    check_one(out, 3, "net.w", 1);
    c.weights = BFN_WEIGHTS_BEST;
    assert_ok(bfn_convert(ctx, in, out, &c));
    check_one(out, 3, "net.w", 5);
    c.weights = (bfn_weights)9;
    assert_says(bfn_convert(ctx, in, out, &c), BFN_ERR_ARGUMENT, "weights 9");
}

static void test_names(void **state)
{
    (void)state;
    char in[64], out[64];
    bfn_convert_options c = BFN_CONVERT_OPTIONS_INIT;
    static const char *const rules[] = {"net.ta=shelf.ta", "net.=model.net.", "adam.m.=", "nothing=x"};
    snprintf(in, sizeof in, "%s", scratch("in.safetensors"));
    snprintf(out, sizeof out, "%s", scratch("out.safetensors"));
    save_training(in, raw);
    c.prefixes = rules;
    c.n_prefixes = 4;
    assert_ok(bfn_convert(ctx, in, out, &c));
    check_one(out, 5, "model.net.w", 1);
    check_one(out, 5, "shelf.table", 1);
    check_one(out, 5, "w", 1);
    static const char *const collide[] = {"net.w=ema.net.w"}, *const bad[] = {"net."}, *const all[] = {"=x."};
    c.prefixes = collide;
    c.n_prefixes = 1;
    assert_says(bfn_convert(ctx, in, out, &c), BFN_ERR_INPUT, "\"ema.net.w\" occurs twice");
    c.prefixes = bad;
    assert_says(bfn_convert(ctx, in, out, &c), BFN_ERR_ARGUMENT, "needs old=new");
    c.prefixes = all;
    assert_ok(bfn_convert(ctx, in, out, &c));
    check_one(out, 5, "x.data.mean", 1);
}

static void test_nonfinite(void **state)
{
    (void)state;
    char in[64];
    static const float bad[4] = {1, NAN, 3, -INFINITY}, large[4] = {1, 2, 70000, 4};
    bfn_convert_options c = BFN_CONVERT_OPTIONS_INIT;
    bfn_tensor_stats stats;
    snprintf(in, sizeof in, "%s", scratch("in.safetensors"));
    save_training(in, bad);
    assert_says(bfn_convert(ctx, in, scratch("out.safetensors"), &c), BFN_ERR_INPUT,
                "in.safetensors: 4 tensors hold NaN or infinity: \"net.w\" at number 1; \"net.table\" at number 1");
    assert_int_equal(scratch_count(), 1);
    c.allow_nonfinite = 1;
    assert_ok(bfn_convert(ctx, in, scratch("out.safetensors"), &c));
    bfn_tensors *t = open_tensors(scratch("out.safetensors"));
    bfn_tensors_stats(t, bfn_tensors_find(t, "net.w"), &stats);
    assert_true(stats.n_nan == 1 && stats.n_infinite == 1 && stats.least == 1 && stats.largest == 3);
    bfn_tensors_close(t);
    save_training(in, large);
    c.numbers = BFN_NUMBERS_F16;
    assert_says(bfn_convert(ctx, in, scratch("half.safetensors"), &c), BFN_ERR_INPUT,
                "in.safetensors: \"net.w\"[2] is 70000, f16 holds up to 65504");
    assert_int_equal(scratch_count(), 2); /* no half-written file */
}

/* ---- comparing ---- */

static void test_compare(void **state)
{
    (void)state;
    static const float x[4] = {1, NAN, 0, 4}, y[4] = {1, NAN, 0.5f, INFINITY};
    static const double z[4] = {1, NAN, 0, 4};
    const bfn__st_tensor a[] = {
        {.name = "x", .dtype = BFN__DTYPE_F32, .rank = 1, .shape = {4}, .count = 4, .bytes = 16, .data = x}};
    const bfn__st_tensor b[] = {
        {.name = "x", .dtype = BFN__DTYPE_F32, .rank = 1, .shape = {4}, .count = 4, .bytes = 16, .data = y},
        {.name = "y", .dtype = BFN__DTYPE_F32, .rank = 2, .shape = {2, 2}, .count = 4, .bytes = 16, .data = x},
        {.name = "z", .dtype = BFN__DTYPE_F64, .rank = 1, .shape = {4}, .count = 4, .bytes = 32, .data = z}};
    assert_ok(bfn__safetensors_save(ctx, scratch("a"), a, 1, NULL, 0));
    assert_ok(bfn__safetensors_save(ctx, scratch("b"), b, 3, NULL, 0));
    bfn_tensors *left = open_tensors(scratch("a")), *right = open_tensors(scratch("b"));
    bfn_tensor_difference d;
    bfn_tensors_compare(left, 0, left, 0, &d);
    assert_true(d.same_shape && d.same_dtype && d.n_different == 0);
    bfn_tensors_compare(left, 0, right, 0, &d);
    assert_true(d.n_different == 2 && isinf(d.max_abs) && isinf(d.max_relative) && d.worst == 3);
    bfn_tensors_compare(left, 0, right, 1, &d);
    assert_true(!d.same_shape && d.n_different == 0);
    bfn_tensors_compare(left, 0, right, 2, &d);
    assert_true(d.same_shape && !d.same_dtype && d.n_different == 0);
    char checksum[BFN_CHECKSUM_BYTES], other[BFN_CHECKSUM_BYTES];
    bfn_tensors_tensor_checksum(left, 0, checksum);
    bfn_tensors_tensor_checksum(right, 1, other); /* the same bytes in another shape */
    assert_string_equal(checksum, other);
    bfn_tensors_tensor_checksum(right, 0, other);
    assert_string_not_equal(checksum, other);
    bfn_tensors_close(left);
    bfn_tensors_close(right);
}

static void test_limits(void **state)
{
    (void)state;
    bfn_tensors *t;
    assert_ok(bfn_set_limit(ctx, "st-tensors", 10));
    assert_says(bfn_tensors_open(ctx, &t, golden("gpt_ema.pt")), BFN_ERR_INPUT, "more than 10 tensors");
    assert_ok(bfn_set_limit(ctx, "st-tensors", 33));
    assert_ok(bfn_tensors_open(ctx, &t, golden("gpt_ema.pt")));
    bfn_tensors_close(t);
    assert_ok(bfn_set_limit(ctx, "pickle-bytes", 100));
    assert_says(bfn_tensors_open(ctx, &t, golden("gpt_ema.pt")), BFN_ERR_INPUT, "data.pkl has 3155 bytes, at most 100");
    assert_says(bfn_set_limit(ctx, "pickel-bytes", 1), BFN_ERR_ARGUMENT, "no such limit, nearest is pickle-bytes");
    assert_says(bfn_set_limit(ctx, "image-side", 1 << 21), BFN_ERR_ARGUMENT, "allowed: 1 to 1048576");
    assert_says(bfn_set_limit(ctx, "image-side", 0), BFN_ERR_ARGUMENT, "found 0");
    for (size_t i = 0; i < bfn_n_limits(); i++) {
        bfn_limit limit;
        bfn_get_limit(i, &limit);
        assert_true(limit.fallback >= 1 && limit.fallback <= limit.most && limit.text[0] != '\0');
        assert_ok(bfn_set_limit(ctx, limit.name, limit.most));
    }
}

/* ---- memory ---- */

static bfn_status run_convert(bfn_context *context, void *arg)
{
    bfn_convert_options c = BFN_CONVERT_OPTIONS_INIT;
    static const char *const rules[] = {"net.=net."};
    c.config_path = arg;
    c.numbers = BFN_NUMBERS_BF16;
    c.prefixes = rules;
    c.n_prefixes = 1;
    return bfn_convert(context, golden("gpt_ema.pt"), scratch("out.safetensors"), &c);
}

static void test_memory(void **state)
{
    (void)state;
    char config[64];
    make_config();
    snprintf(config, sizeof config, "%s", scratch("given.yaml"));
    assert_true(each_allocation(run_convert, config, BFN_OK) > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_plain, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_model, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_precision, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_halves, setup, teardown),
        cmocka_unit_test_setup_teardown(test_weights, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_names, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_nonfinite, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_compare, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_memory, setup_scratch, teardown_scratch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
