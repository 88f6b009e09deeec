/* test_model.c: configurations, checkpoints in and out, what is refused and how it is said, sampling that depends on nothing it should not. */
#include "bfn/model.h"
#include "bfn/train.h"
#include "helper_io.h"
#include "io/file.h"
#include "io/safetensors.h"
#include "model/model_internal.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char yaml[] = "data: {alphabet: text8, seq_len: 24}\n"
                           "network: {class: gpt, n_layer: 2, n_head: 2, n_embd: 32}\n"
                           "flow: {kind: discrete, max_sqrt_beta: 0.75}\n";

static bfn_context *ctx;
static char folder[] = "bfn-test-model-XXXXXX";

static int setup(void **p)
{
    (void)p;
    bfn_context_options o = BFN_CONTEXT_OPTIONS_INIT;
    o.n_threads = 2;
    return mkdtemp(folder) == NULL || bfn_context_create(&ctx, &o) != BFN_OK;
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

#define assert_message(part)                                                                                           \
    do {                                                                                                               \
        if (strstr(bfn_errmsg(ctx), part) == NULL)                                                                     \
            fail_msg("\"%s\" does not say \"%s\"", bfn_errmsg(ctx), part);                                             \
    } while (0)

/* ---- configurations ---- */

static bfn_status parse(bfn__config *c, const char *text)
{
    bfn__config_init(c);
    return bfn__config_parse(ctx, c, text, strlen(text), "x.yaml");
}

static void test_config_values(void **p)
{
    (void)p;
    bfn__config c;
    assert_int_equal(
        parse(&c, "train:\n  lr: 3e-4\n  betas: [0.8, 0.9]\n  schedule: constant\n  seed: 18446744073709551615\n"
                  "data:\n  lines: true\n  alphabet: chars\n"),
        BFN_OK);
    assert_true(c.train.lr == 3e-4 && c.train.betas[0] == 0.8 && c.train.betas[1] == 0.9);
    assert_int_equal(c.train.schedule, BFN__SCHEDULE_CONSTANT);
    assert_true(c.train.seed == UINT64_MAX);
    assert_true(c.data.lines && c.data.alphabet == 1);
    assert_int_equal(c.train.batch, 32); /* untouched: the default */
    assert_int_equal(bfn__config_override(ctx, &c, "train.betas=0.5,0.6"), BFN_OK);
    assert_true(c.train.betas[0] == 0.5 && c.train.betas[1] == 0.6);
}

static void test_config_refusals(void **p)
{
    (void)p;
    static const struct {
        const char *text, *message;
    } bad[] = {
        {"train:\n  lrr: 1\n", "x.yaml: line 2: train.lrr: no such key, nearest is train.lr"},
        {"trian:\n  lr: 1\n", "x.yaml: line 1: trian: no such section"},
        {"train: 3\n", "train: needs keys"},
        {"train:\n  steps: 0\n", "train.steps: found \"0\", needs a whole number from 1"},
        {"train:\n  steps: 1.5\n", "train.steps"},
        {"train:\n  steps: -3\n", "train.steps"},
        {"train:\n  lr: 10x\n", "found \"10x\""},
        {"train:\n  lr: nan\n", "found \"nan\""},
        {"train:\n  lr: 0,1\n", "found \"0,1\""},
        {"train:\n  lr: \xe2\x88\x92"
         "1\n",
         "train.lr"}, /* a typographic minus */
        {"train:\n  betas: [0.9]\n", "a list of 2 numbers"},
        {"train:\n  betas: [0.9, 0.98, 0.99]\n", "a list of 2 numbers"},
        {"train:\n  betas: [0.9, [0.98]]\n", "train.betas"},
        {"train:\n  schedule: cosinus\n", "one of constant/cosine"},
        {"train:\n  lr: 1\n  lr: 2\n", "x.yaml"},
        {"network:\n  n_embd: wide\n", "network.n_embd: found \"wide\""},
        {"data:\n  lines: maybe\n", "true or false"},
        {"train:\n  seed: 18446744073709551616\n", "train.seed"},
        {"a: &a [x]\nb: *a\n", "x.yaml"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        bfn__config c;
        assert_int_equal(parse(&c, bad[i].text), BFN_ERR_ARGUMENT);
        assert_message(bad[i].message);
    }
}

static void test_config_round_trip(void **p)
{
    (void)p;
    bfn__config c, again;
    bfn__net *net, *net2;
    char *text, *text2;
    assert_int_equal(parse(&c, yaml), BFN_OK);
    assert_int_equal(bfn__config_override(ctx, &c, "train.lr=0.1"), BFN_OK);
    assert_int_equal(bfn__config_resolve(ctx, &c, 27, &net), BFN_OK);
    assert_int_equal(bfn__config_write(ctx, &c, &text), BFN_OK);
    assert_non_null(strstr(text, "n_classes: 27"));
    assert_non_null(strstr(text, "lr: 0.1\n"));
    assert_non_null(strstr(text, "learn_pos_embedding: 0\n")); /* the network's defaults are in it */
    assert_int_equal(parse(&again, text), BFN_OK);
    assert_int_equal(bfn__config_resolve(ctx, &again, 0, &net2), BFN_OK);
    assert_int_equal(bfn__config_compare(ctx, &c, &again), BFN_OK);
    assert_int_equal(bfn__config_write(ctx, &again, &text2), BFN_OK);
    assert_string_equal(text, text2);
    assert_int_equal(bfn__config_override(ctx, &again, "train.steps=7"), BFN_OK);
    assert_int_equal(bfn__config_compare(ctx, &c, &again), BFN_OK); /* may change */
    assert_int_equal(bfn__config_override(ctx, &again, "train.eps=1e-7"), BFN_OK);
    assert_int_equal(bfn__config_compare(ctx, &c, &again), BFN_ERR_ARGUMENT);
    assert_message("train.eps: the run was started with 1e-08, found 1e-07");
    bfn__free(ctx, text);
    bfn__free(ctx, text2);
    bfn__net_destroy(net);
    bfn__net_destroy(net2);
}

static void test_config_contradictions(void **p)
{
    (void)p;
    static const struct {
        const char *set, *message;
    } bad[] = {
        {"network.vocab_size=30", "network.vocab_size: found 30, the number of classes is 27"},
        {"network.seq_len=30", "network.seq_len: found 30, data.seq_len is 24"},
        {"flow.n_classes=30", "flow.n_classes: found 30"},
        {"flow.kind=continuous", "text needs discrete"},
        {"data.fractions=0.5,0.1,0.1", "data.fractions"},
        {"network.n_head=3", "n_head"},
        {"network.n_haed=2", "n_head"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        bfn__config c;
        bfn__net *net;
        assert_int_equal(parse(&c, yaml), BFN_OK);
        assert_int_equal(bfn__config_override(ctx, &c, bad[i].set), BFN_OK);
        assert_int_equal(bfn__config_resolve(ctx, &c, 27, &net), BFN_ERR_ARGUMENT);
        assert_null(net);
        assert_message(bad[i].message);
    }
}

/* ---- checkpoints ---- */

/* A file of the model's tensors, each changed as the test wants. */
enum { MAX_TENSORS = 64 };
typedef struct file_plan {
    bfn__st_tensor tensors[MAX_TENSORS];
    char names[MAX_TENSORS][128];
    size_t n;
    const char *config;
} file_plan;

static bfn_model *fresh(void)
{
    bfn_model *model;
    assert_int_equal(bfn_model_create(ctx, &model, yaml, 5, NULL), BFN_OK);
    return model;
}

static void plan_file(file_plan *plan, const bfn_model *model)
{
    plan->n = 0;
    plan->config = model->config_text;
    for (size_t i = 0; i < bfn__net_n_params(model->net); i++) {
        const bfn__param *param = bfn__net_param(model->net, i);
        bfn__st_tensor *t = &plan->tensors[plan->n];
        snprintf(plan->names[plan->n], 128, "net.%s", param->name);
        *t = (bfn__st_tensor){
            .name = plan->names[plan->n], .dtype = BFN__DTYPE_F32, .rank = param->rank, .count = param->count};
        memcpy(t->shape, param->shape, (size_t)param->rank * sizeof(size_t));
        t->data = model->params + param->offset;
        t->bytes = param->count * sizeof(float);
        plan->n++;
    }
}

static const char *save_plan(const file_plan *plan)
{
    const bfn__st_entry metadata[] = {
        {plan->config != NULL ? "bfn.config" : "other", plan->config != NULL ? plan->config : "x"},
        {"bfn.data", "{\"alphabet\":\" abcdefghijklmnopqrstuvwxyz\",\"pad\":false}"}};
    const char *path = in_folder("m.safetensors");
    assert_int_equal(bfn__safetensors_save(ctx, path, plan->tensors, plan->n, metadata, 2), BFN_OK);
    return path;
}

static void expect_load(const file_plan *plan, bfn_status wanted, const char *message)
{
    bfn_model *model;
    assert_int_equal(bfn_model_load(ctx, &model, save_plan(plan), NULL), wanted);
    if (wanted != BFN_OK) {
        assert_null(model);
        assert_message(message);
    }
    bfn_model_destroy(model);
}

static void test_load_what_was_saved(void **p)
{
    (void)p;
    bfn_model *model = fresh(), *loaded;
    file_plan plan;
    plan_file(&plan, model);
    assert_int_equal(bfn_model_load(ctx, &loaded, save_plan(&plan), NULL), BFN_OK);
    assert_memory_equal(model->params, loaded->params, bfn__net_arena(model->net) * sizeof(float));
    bfn_model_info a, b;
    bfn_model_get_info(model, &a);
    bfn_model_get_info(loaded, &b);
    assert_string_equal(a.config, b.config);
    assert_int_equal(b.positions, 24);
    assert_int_equal(b.flow.n_classes, 27);
    assert_int_equal(a.n_parameters, b.n_parameters);
    assert_int_equal(strlen(b.checksum), 64);
    assert_string_equal(b.alphabet, " abcdefghijklmnopqrstuvwxyz");
    assert_int_equal(bfn_model_n_tensors(loaded), plan.n);
    bfn_model_destroy(model);
    bfn_model_destroy(loaded);
}

static void test_misfits_are_all_listed(void **p)
{
    (void)p;
    bfn_model *model = fresh();
    file_plan plan;
    plan_file(&plan, model);
    size_t saved = plan.tensors[1].shape[0];
    plan.tensors[1].shape[0] = saved / 2;
    plan.tensors[1].count /= 2;
    plan.tensors[1].bytes /= 2;
    plan.tensors[3].shape[0] -= 1;
    plan.tensors[3].count -= plan.tensors[3].rank == 2 ? plan.tensors[3].shape[1] : 1;
    plan.tensors[3].bytes = plan.tensors[3].count * sizeof(float);
    plan.n -= 1; /* the last one is missing */
    expect_load(&plan, BFN_ERR_INPUT, "3 tensors do not fit");
    assert_message(plan.names[1]);
    assert_message(plan.names[3]);
    assert_message(plan.names[plan.n]);
    assert_message("is missing");
    assert_message("the configuration needs [");
    plan_file(&plan, model);
    plan.tensors[plan.n] = plan.tensors[0];
    plan.tensors[plan.n++].name = "net.something";
    plan.tensors[plan.n] = plan.tensors[0];
    plan.tensors[plan.n++].name = "elsewhere.x";
    expect_load(&plan, BFN_ERR_INPUT,
                "2 tensors belong to no part of this network: \"net.something\"; \"elsewhere.x\"");
    bfn_model_destroy(model);
}

static void test_bad_numbers(void **p)
{
    (void)p;
    bfn_model *model = fresh(), *loaded;
    file_plan plan;
    plan_file(&plan, model);
    const bfn__param *param = bfn__net_param(model->net, 2);
    model->params[param->offset + 3] = NAN;
    char wanted[160];
    snprintf(wanted, sizeof wanted, "\"net.%s\" at number 3", param->name);
    expect_load(&plan, BFN_ERR_INPUT, wanted);
    bfn_model_options o = BFN_MODEL_OPTIONS_INIT;
    o.allow_nonfinite = 1;
    assert_int_equal(bfn_model_load(ctx, &loaded, save_plan(&plan), &o), BFN_OK);
    bfn_model_destroy(loaded);
    bfn_model_destroy(model);
}

static void test_foreign_files(void **p)
{
    (void)p;
    bfn_model *model = fresh();
    file_plan plan;
    plan_file(&plan, model);
    plan.config = NULL;
    expect_load(&plan, BFN_ERR_INPUT, "m.safetensors: not a bfn checkpoint");
    plan.config = "train: {lr: -1}";
    expect_load(&plan, BFN_ERR_INPUT, "train.lr");
    plan.config = "network: {n_layer: 2, n_head: 2, n_embd: 64}\ndata: {seq_len: 24}";
    expect_load(&plan, BFN_ERR_INPUT, "tensors do not fit");
    bfn_model_destroy(model);
    bfn_model *none;
    assert_int_equal(bfn_model_load(ctx, &none, in_folder("nowhere"), NULL), BFN_ERR_NOT_FOUND);
    assert_int_equal(bfn_model_load(ctx, &none, folder, NULL), BFN_ERR_NOT_FOUND);
    assert_int_equal(bfn__file_write(ctx, in_folder("text"), "hello, this is not a model", 26), BFN_OK);
    assert_int_equal(bfn_model_load(ctx, &none, in_folder("text"), NULL), BFN_ERR_INPUT);
}

static void test_metadata_is_untrusted(void **p)
{
    (void)p;
    static const char *const data[] = {"[]", "{", "{\"alphabet\":\"abc\"}", "{\"alphabet\":3}"};
    static const bfn_status wanted[] = {BFN_ERR_INPUT, BFN_ERR_INPUT, BFN_ERR_INPUT, BFN_OK};
    bfn_model *model = fresh(), *loaded;
    file_plan plan;
    plan_file(&plan, model);
    for (size_t i = 0; i < 4; i++) {
        const bfn__st_entry metadata[] = {
            {"bfn.config", model->config_text}, {"bfn.data", data[i]}, {"bfn.train", "{\"step\":-5}"}};
        const char *path = in_folder("d.safetensors");
        assert_int_equal(bfn__safetensors_save(ctx, path, plan.tensors, plan.n, metadata, 3), BFN_OK);
        assert_int_equal(bfn_model_load(ctx, &loaded, path, NULL), wanted[i]);
        if (loaded != NULL)
            assert_int_equal(loaded->train.step, 0);
        bfn_model_destroy(loaded);
    }
    bfn_model_destroy(model);
}

static void test_export(void **p)
{
    (void)p;
    bfn_model *model = fresh(), *half, *full;
    file_plan plan;
    plan_file(&plan, model);
    bfn_model_options o = BFN_MODEL_OPTIONS_INIT;
    o.precision = BFN_PRECISION_BF16;
    const char *in = save_plan(&plan);
    assert_int_equal(bfn_model_export(ctx, in, in_folder("half.safetensors"), &o), BFN_OK);
    o.precision = BFN_PRECISION_F32;
    assert_int_equal(bfn_model_export(ctx, in, in_folder("full.safetensors"), &o), BFN_OK);
    assert_int_equal(bfn_model_load(ctx, &half, in_folder("half.safetensors"), NULL), BFN_OK);
    assert_int_equal(bfn_model_load(ctx, &full, in_folder("full.safetensors"), NULL), BFN_OK);
    size_t n = bfn__net_arena(model->net), differ = 0;
    assert_memory_equal(model->params, full->params, n * sizeof(float));
    for (size_t i = 0; i < n; i++) {
        differ += model->params[i] != half->params[i];
        assert_true(fabsf(model->params[i] - half->params[i]) <= fabsf(model->params[i]) / 256.0f);
    }
    assert_true(differ > n / 2);
    bfn_model_info info;
    bfn_model_get_info(half, &info);
    assert_string_equal(info.weights, "ema");
    bfn_model_destroy(model);
    bfn_model_destroy(half);
    bfn_model_destroy(full);
}

/* ---- sampling ---- */

static void sample(const bfn_model *like, int threads, size_t batch, size_t first, size_t n, int32_t *out)
{
    (void)like;
    bfn_context_options c = BFN_CONTEXT_OPTIONS_INIT;
    bfn_context *own;
    bfn_model *model;
    c.n_threads = threads;
    assert_int_equal(bfn_context_create(&own, &c), BFN_OK);
    assert_int_equal(bfn_model_create(own, &model, yaml, 5, NULL), BFN_OK);
    for (size_t i = 0; i < bfn__net_arena(model->net); i++)
        model->params[i] *= 8.0f; /* random weights of this size have opinions */
    bfn_solver_options solver = BFN_SOLVER_OPTIONS_INIT;
    bfn_sampler_options o = BFN_SAMPLER_OPTIONS_INIT;
    solver.method = BFN_METHOD_SDE2M;
    solver.n_evaluations = 6;
    o.seed = 11;
    o.batch = batch;
    assert_int_equal(bfn_model_sample(model, &solver, &o, first, n, out), BFN_OK);
    bfn_model_destroy(model);
    bfn_context_destroy(own);
}

/* Sample i of a seed is the same for any number of samples, batch and thread count. */
static void test_samples_stand_alone(void **p)
{
    (void)p;
    enum { N = 12, D = 24 };
    int32_t all[N * D], some[N * D];
    sample(NULL, 2, 8, 0, N, all);
    static const struct {
        int threads;
        size_t batch, first, n;
    } runs[] = {{1, 8, 0, N}, {2, 1, 0, N}, {3, 5, 0, N}, {2, 12, 0, N}, {2, 8, 7, 3}, {1, 3, 2, 10}, {2, 8, 11, 1}};
    for (size_t i = 0; i < sizeof runs / sizeof runs[0]; i++) {
        sample(NULL, runs[i].threads, runs[i].batch, runs[i].first, runs[i].n, some);
        assert_memory_equal(some, all + runs[i].first * D, runs[i].n * D * sizeof(int32_t));
    }
    assert_memory_not_equal(all, all + D, D * sizeof(int32_t));
}

/* ---- memory ---- */

static bfn_status load_and_sample(bfn_context *own, void *path)
{
    bfn_model *model;
    int32_t out[2 * 24];
    bfn_solver_options solver = BFN_SOLVER_OPTIONS_INIT;
    solver.n_evaluations = 3;
    bfn_status status = bfn_model_load(own, &model, path, NULL);
    if (status != BFN_OK)
        return status;
    status = bfn_model_sample(model, &solver, NULL, 0, 2, out);
    bfn_model_destroy(model);
    return status;
}

static bfn_status create_and_sample(bfn_context *own, void *text)
{
    bfn_model *model;
    int32_t out[2 * 16];
    bfn_solver_options solver = BFN_SOLVER_OPTIONS_INIT;
    solver.n_evaluations = 3;
    bfn_status status = bfn_model_create(own, &model, text, 3, NULL);
    if (status != BFN_OK)
        return status;
    status = bfn_model_sample(model, &solver, NULL, 0, 2, out);
    bfn_model_destroy(model);
    return status;
}

static bfn_status export_it(bfn_context *own, void *path)
{
    return bfn_model_export(own, path, in_folder("e.safetensors"), NULL);
}

static void test_out_of_memory(void **p)
{
    (void)p;
    bfn_model *model = fresh();
    file_plan plan;
    plan_file(&plan, model);
    char path[64];
    snprintf(path, sizeof path, "%s", save_plan(&plan));
    assert_true(each_allocation(load_and_sample, path, BFN_OK) > 20);
    assert_true(each_allocation(export_it, path, BFN_OK) > 20);
    char text[] = "data: {seq_len: 16}\nnetwork: {n_layer: 1, n_head: 2, n_embd: 16}\n";
    assert_true(each_allocation(create_and_sample, text, BFN_OK) > 20);
    bfn_model_destroy(model);
}

static void test_text_in_and_out(void **p)
{
    (void)p;
    bfn_model *model = fresh();
    unsigned char known[24];
    int32_t values[24];
    char text[4 * 24 + 1];
    assert_int_equal(bfn_model_infill(model, "the _og", known, values), BFN_OK);
    static const unsigned char wanted[] = {1, 1, 1, 1, 0, 1, 1, 0};
    assert_memory_equal(known, wanted, sizeof wanted);
    assert_int_equal(values[0], 't' - 'a' + 1);
    assert_int_equal(values[3], 0);
    assert_int_equal(bfn_model_decode(model, values, text), BFN_OK);
    assert_memory_equal(text, "the ", 4);
    assert_memory_equal(text + 5, "og", 2);
    assert_int_equal(bfn_model_infill(model, "The", known, values), BFN_ERR_ARGUMENT);
    assert_message("\"T\"");
    assert_int_equal(bfn_model_infill(model, "a b c d e f g h i j k l m", known, values), BFN_ERR_ARGUMENT);
    assert_message("longer than the model's 24 positions");

    /* Known characters come back as they were given. */
    bfn_solver_options solver = BFN_SOLVER_OPTIONS_INIT;
    bfn_sampler_options o = BFN_SAMPLER_OPTIONS_INIT;
    int32_t out[2 * 24];
    assert_int_equal(bfn_model_infill(model, "wh___ _t _s", known, values), BFN_OK);
    solver.n_evaluations = 4;
    o.known = known;
    o.known_values = values;
    assert_int_equal(bfn_model_sample(model, &solver, &o, 0, 2, out), BFN_OK);
    for (size_t i = 0; i < 2 * 24; i++)
        if (known[i % 24])
            assert_int_equal(out[i], values[i % 24]);
    bfn_model_destroy(model);
}

static void test_options_are_checked(void **p)
{
    (void)p;
    bfn_model *model;
    bfn_model_options o = BFN_MODEL_OPTIONS_INIT;
    o.struct_size = 3;
    assert_int_equal(bfn_model_create(ctx, &model, yaml, 5, &o), BFN_ERR_ARGUMENT);
    o = (bfn_model_options)BFN_MODEL_OPTIONS_INIT;
    o.precision = (bfn_precision)9;
    assert_int_equal(bfn_model_create(ctx, &model, yaml, 5, &o), BFN_ERR_ARGUMENT);
    assert_int_equal(bfn_model_create(ctx, &model, "data: {alphabet: chars}", 5, NULL), BFN_ERR_ARGUMENT);
    assert_message("flow.n_classes");
    model = fresh();
    assert_int_equal(bfn_model_reserve(model, 0), BFN_ERR_ARGUMENT);
    assert_int_equal(bfn_model_reserve(model, 2), BFN_OK);
    bfn_model_destroy(model);
    bfn_model_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config_values),         cmocka_unit_test(test_config_refusals),
        cmocka_unit_test(test_config_round_trip),     cmocka_unit_test(test_config_contradictions),
        cmocka_unit_test(test_load_what_was_saved),   cmocka_unit_test(test_misfits_are_all_listed),
        cmocka_unit_test(test_bad_numbers),           cmocka_unit_test(test_foreign_files),
        cmocka_unit_test(test_metadata_is_untrusted), cmocka_unit_test(test_export),
        cmocka_unit_test(test_samples_stand_alone),   cmocka_unit_test(test_text_in_and_out),
        cmocka_unit_test(test_options_are_checked),   cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
