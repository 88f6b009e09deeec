/* test_model_images.c: models of pictures: configurations, what a sample's predictions are with a network in the loop, independence of
 * batches, classes. Networks have random weights everywhere (initial ones are zero in the last layers and would hide mistakes). */
#include "base/random.h"
#include "bfn/model.h"
#include "helper_io.h"
#include "model/model_internal.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SIZE "data: {kind: image, height: 4, width: 6, channels: 3}\n"
#define VDM "network: {class: unet_vdm, embedding_dim: 8, n_blocks: 1, norm_groups: 2}\n"
#define ADM                                                                                                            \
    "network: {class: unet_adm, model_channels: 16, out_channels: 8, norm_groups: 4, num_res_blocks: 1, "              \
    "channel_mult: [1, 1], "                                                                                           \
    "num_heads: 2,\n"                                                                                                  \
    "          attention_resolutions: [2]"
enum { D = 4 * 6 * 3 };

static const char continuous[] = SIZE VDM "flow: {kind: continuous}\n";
static const char discretised[] = SIZE VDM "flow: {kind: discretised, n_classes: 16, min_variance: 1e-3}\n";
static const char binary[] = SIZE ADM "}\nflow: {kind: discrete, max_sqrt_beta: 3}\n";
static const char labelled[] = SIZE ADM ", num_classes: 3}\nflow: {kind: continuous}\n";
static const char *const kinds[] = {continuous, discretised, binary};

static bfn_context *ctx;

static int setup(void **p)
{
    (void)p;
    bfn_context_options o = BFN_CONTEXT_OPTIONS_INIT;
    o.n_threads = 2;
    return bfn_context_create(&ctx, &o) != BFN_OK;
}

static int teardown(void **p)
{
    (void)p;
    bfn_context_destroy(ctx);
    return 0;
}

#define assert_message(part)                                                                                           \
    do {                                                                                                               \
        if (strstr(bfn_errmsg(ctx), part) == NULL)                                                                     \
            fail_msg("\"%s\" does not say \"%s\"", bfn_errmsg(ctx), part);                                             \
    } while (0)

static bfn_model *create(const char *yaml)
{
    bfn_model *model;
    bfn_model_options o = BFN_MODEL_OPTIONS_INIT;
    o.precision = BFN_PRECISION_F32;
    assert_int_equal(bfn_model_create(ctx, &model, yaml, 5, &o), BFN_OK);
    size_t n = bfn__net_arena(model->net);
    float *noise = calloc(n, sizeof *noise);
    bfn__random_normals(11, 0, 0, 0, n, noise);
    for (size_t i = 0; i < bfn__net_n_params(model->net); i++) {
        const bfn__param *p = bfn__net_param(model->net, i);
        double scale = p->rank > 1 ? 0.7 / sqrt((double)p->count / (double)p->shape[0]) : 0.1;
        for (size_t j = 0; p->trained && j < p->count; j++)
            model->params[p->offset + j] += (float)scale * noise[p->offset + j];
    }
    free(noise);
    return model;
}

/* ---- configurations ---- */

static void test_resolved(void **p)
{
    (void)p;
    bfn__config c, again;
    bfn__net *net, *net2;
    char *text, *text2;
    bfn__config_init(&c);
    assert_int_equal(bfn__config_parse(ctx, &c, binary, strlen(binary), "x"), BFN_OK);
    assert_int_equal(bfn__config_override(ctx, &c, "network.channel_mult=1,2"), BFN_OK);
    assert_int_equal(bfn__config_override(ctx, &c, "network.input_adapter.add_mask=false"), BFN_OK);
    assert_int_equal(bfn__config_resolve(ctx, &c, 0, &net), BFN_OK);
    assert_int_equal(bfn__config_positions(&c), D);
    assert_int_equal(c.flow.n_classes, 2);
    assert_int_equal(bfn__config_write(ctx, &c, &text), BFN_OK);
    static const char *const has[] = {"kind: image\n",     "height: 4\n",   "width: 6\n", "channel_mult.1: 2\n",
                                      "channel_mult.2: 0", "add_mask: 0\n", "flip: false"},
                             *const has_not[] = {
                                 "seq_len",     "alphabet",       "fractions", "image_size", "output_height: 1\n  num",
                                 "input_shape", "output_channels"};
    for (size_t i = 0; i < sizeof has / sizeof has[0]; i++)
        if (strstr(text, has[i]) == NULL)
            fail_msg("\"%s\" is not in %s", has[i], text);
    for (size_t i = 0; i < sizeof has_not / sizeof has_not[0]; i++)
        if (strstr(text, has_not[i]) != NULL)
            fail_msg("\"%s\" is in %s", has_not[i], text);
    bfn__config_init(&again);
    assert_int_equal(bfn__config_parse(ctx, &again, text, strlen(text), "x"), BFN_OK);
    assert_int_equal(bfn__config_resolve(ctx, &again, 0, &net2), BFN_OK);
    assert_int_equal(bfn__config_compare(ctx, &c, &again), BFN_OK);
    assert_int_equal(bfn__config_write(ctx, &again, &text2), BFN_OK);
    assert_string_equal(text, text2);
    assert_int_equal(bfn__config_override(ctx, &again, "data.valid=0.2"), BFN_OK);
    assert_int_equal(bfn__config_compare(ctx, &c, &again), BFN_ERR_ARGUMENT);
    assert_message("data.valid: the run was started with 0.01, found 0.2");
    bfn__free(ctx, text);
    bfn__free(ctx, text2);
    bfn__net_destroy(net);
    bfn__net_destroy(net2);
}

static size_t members(const bfn__config *c, const char *key)
{
    size_t n = 0;
    for (size_t i = 0; i < c->network.n_options; i++)
        n += strncmp(c->network.keys[i], key, strlen(key)) == 0 && c->network.keys[i][strlen(key)] == '.';
    return n;
}

static void test_lists_and_mappings(void **p)
{
    (void)p;
    bfn__config c;
    static const char yaml[] =
        "network:\n  channel_mult: [1, 2, 3]\n  input_adapter: {add_mask: true, n_freq_bands: 5}\n";
    bfn__config_init(&c);
    assert_int_equal(bfn__config_parse(ctx, &c, yaml, strlen(yaml), "x"), BFN_OK);
    assert_int_equal(members(&c, "channel_mult"), 3);
    assert_int_equal(members(&c, "input_adapter"), 2);
    assert_int_equal(bfn__config_override(ctx, &c, "network.channel_mult=[4,5]"), BFN_OK);
    assert_int_equal(members(&c, "channel_mult"), 2); /* nothing of the longer list is left */
    assert_int_equal(members(&c, "input_adapter"), 2);
    static const char *const bad[] = {"network.channel_mult=1,,2", "network.channel_mult=1,2,",
                                      "network.channel_mult=[]", "network.channel_mult=1,x",
                                      "network.channel_mult=[1 2]"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        if (bfn__config_override(ctx, &c, bad[i]) != BFN_ERR_ARGUMENT)
            fail_msg("%s is taken", bad[i]);
        assert_message("network.channel_mult");
    }
    static const char deep[] = "network: {a: {b: {c: [1]}}}";
    assert_int_equal(bfn__config_parse(ctx, &c, deep, strlen(deep), "x"), BFN_OK);
    assert_int_equal(members(&c, "a.b.c"), 1);
}

static void test_contradictions(void **p)
{
    (void)p;
    static const struct {
        const char *yaml, *set, *message;
    } bad[] = {
        {continuous, "data.height=0", "data.height: must be given where the data is not at hand"},
        {continuous, "data.channels=2", "data.channels: found 2, images have 1 (grey) or 3 (colours)"},
        {continuous, "network.output_channels=1", "network.output_channels: found 1, data.channels is 3"},
        {continuous, "network.output_height=2", "network.output_height: found 2, by flow.kind, it is 1"},
        {discretised, "network.output_height=1", "network.output_height: found 1, by flow.kind, it is 2"},
        {continuous, "network.class=gpt", "images need unet_vdm or unet_adm"},
        {continuous, "data.kind=text", "which has no meaning with data.kind: text"},
        {continuous, "data.lines=true", "data.lines: found true, which has no meaning with data.kind: image"},
        {binary, "flow.n_classes=27", "black and white: 2"},
        {continuous, "network.norm_groups=3", "norm_groups: 3"},
        {continuous, "network.channel_mult=1,2", "channel_mult.0"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        bfn__config c;
        bfn__net *net;
        bfn__config_init(&c);
        assert_int_equal(bfn__config_parse(ctx, &c, bad[i].yaml, strlen(bad[i].yaml), "x"), BFN_OK);
        assert_int_equal(bfn__config_override(ctx, &c, bad[i].set), BFN_OK);
        assert_int_equal(bfn__config_resolve(ctx, &c, 0, &net), BFN_ERR_ARGUMENT);
        assert_null(net);
        assert_message(bad[i].message);
    }
    static const char text[] = "network: {class: unet_vdm}";
    bfn_model *model;
    assert_int_equal(bfn_model_create(ctx, &model, text, 1, NULL), BFN_ERR_ARGUMENT);
    assert_message("network.class: found unet_vdm, text needs gpt");
}

/* ---- predictions with a network in the loop ---- */

typedef struct witness {
    bfn_model *model;
    bool drawn;
    float before[D * 2]; /* the state that the network saw */
    double t;
    size_t compared;
    double worst;
} witness;

static double phi(double v)
{
    return 0.5 * erfc(-v / sqrt(2.0));
}

/* Sum of p_O(k) centre_k for 16 bins, from the formulas of SPEC 1.2. */
static double expected_centre(double mean, double deviation)
{
    double sum = 0.0;
    for (int k = 1; k <= 16; k++) {
        double centre = (2.0 * k - 1.0) / 16.0 - 1.0, left = centre - 1.0 / 16.0, right = centre + 1.0 / 16.0;
        double low = k == 1 ? 0.0 : phi((left - mean) / deviation),
               high = k == 16 ? 1.0 : phi((right - mean) / deviation);
        sum += (high - low) * centre;
    }
    return sum;
}

static double wanted(const bfn_flow *flow, double t, const float *state, const float *out, size_t d)
{
    if (flow->kind == BFN_DATA_DISCRETE)
        return 1.0 / (1.0 + exp(-(double)out[d])); /* of class 1 */
    if (t < 1e-6)                                  /* nothing is known yet */
        return flow->kind == BFN_DATA_CONTINUOUS ? 0.0 : expected_centre(0.0, 1.0);
    double gamma = 1.0 - pow(flow->min_variance, t), spread = sqrt((1.0 - gamma) / gamma), mu = (double)state[d];
    if (flow->kind == BFN_DATA_CONTINUOUS)
        return fmax(-1.0, fmin(1.0, mu / gamma - spread * (double)out[d]));
    double deviation = spread * exp(fmax(-10.0, fmin(10.0, (double)out[2 * d + 1])));
    return expected_centre(mu / gamma - spread * (double)out[2 * d], fmax(1e-3, fmin(10.0, deviation)));
}

static bool is_centre(double x)
{
    double k = (x + 1.0) * 8.0 - 0.5;
    return fabs(k - round(k)) < 1e-5;
}

/* The newest prediction against what the network says of the state before the row. */
static int witness_step(void *user, const bfn_sample_step *step)
{
    witness *w = user;
    const bfn_flow *flow = &w->model->flow;
    size_t K = bfn_flow_state_width(flow);
    if (step->row > 0 && step->sample == NULL) {
        float shown[D], out[2 * D];
        bfn_flow_show(flow, 1, D, w->before, shown);
        assert_int_equal(bfn_model_predict(w->model, 0, 1, &w->t, shown, out), 0);
        for (size_t d = 0; d < D; d++) {
            double is = (double)step->prediction[d * K + K - 1];
            if (w->drawn && flow->kind == BFN_DATA_DISCRETISED)
                assert_true(is_centre(is));
            else if (w->drawn && flow->kind == BFN_DATA_DISCRETE)
                assert_true(is == 0.0 || is == 1.0);
            else
                w->worst = fmax(w->worst, fabs(is - wanted(flow, w->t, w->before, out, d)));
        }
        w->compared++;
    }
    memcpy(w->before, step->state, D * K * sizeof(float));
    w->t = step->t;
    return 0;
}

static void test_predictions(void **p)
{
    (void)p;
    for (size_t k = 0; k < 3; k++)
        for (int drawn = 0; drawn < 2; drawn++) {
            witness w = {.model = create(kinds[k]), .drawn = drawn != 0};
            bfn_solver_options solver = BFN_SOLVER_OPTIONS_INIT;
            bfn_sampler_options o = BFN_SAMPLER_OPTIONS_INIT;
            float sample[D];
            solver.method = drawn ? BFN_METHOD_BFN : BFN_METHOD_SDE2M;
            solver.n_evaluations = 8;
            o.batch = 1;
            o.step = witness_step;
            o.step_user = &w;
            assert_int_equal(bfn_model_sample(w.model, &solver, &o, 0, 1, sample), BFN_OK);
            assert_true(w.compared >= 6);
            if (w.worst > 2e-4)
                fail_msg("kind %zu: a prediction is %g off", k, w.worst);
            for (size_t d = 0; d < D && k == 1; d++)
                assert_true(is_centre((double)sample[d])); /* the centre of the most likely bin */
            for (size_t d = 0; d < D && k == 0; d++)
                assert_true(sample[d] >= -1.0f && sample[d] <= 1.0f);
            bfn_model_destroy(w.model);
        }
}

static void test_samples_stand_alone(void **p)
{
    (void)p;
    enum { N = 7 };
    for (size_t k = 0; k < 3; k++) {
        bfn_model *model = create(kinds[k]);
        bfn_solver_options solver = BFN_SOLVER_OPTIONS_INIT;
        bfn_sampler_options o = BFN_SAMPLER_OPTIONS_INIT;
        float all[N * D], one[N * D];
        solver.n_evaluations = 5;
        o.seed = 4;
        o.batch = N;
        assert_int_equal(bfn_model_sample(model, &solver, &o, 0, N, all), BFN_OK);
        for (size_t batch = 1; batch < N; batch += 2) {
            o.batch = batch;
            assert_int_equal(bfn_model_sample(model, &solver, &o, 0, N, one), BFN_OK);
            assert_memory_equal(all, one, sizeof all);
        }
        assert_int_equal(bfn_model_sample(model, &solver, &o, 4, 2, one), BFN_OK);
        assert_memory_equal(all + (size_t)4 * D, one, 2 * D * sizeof(float));
        bfn_model_destroy(model);
    }
}

/* Without a class sample i takes class i mod 3, so that any one of them can be had again by its class. */
static void test_classes(void **p)
{
    (void)p;
    bfn_model *model = create(labelled), *none = create(continuous);
    bfn_solver_options solver = BFN_SOLVER_OPTIONS_INIT;
    bfn_sampler_options o = BFN_SAMPLER_OPTIONS_INIT;
    bfn_model_info info;
    float all[6 * D], one[D], other[D];
    bfn_model_get_info(model, &info);
    assert_true(info.n_labels == 3 && info.height == 4 && info.width == 6 && info.channels == 3 && info.positions == D);
    solver.n_evaluations = 5;
    o.batch = 4;
    assert_int_equal(bfn_model_sample(model, &solver, &o, 0, 6, all), BFN_OK);
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(bfn_model_set_label(model, (int)(i % 3)), BFN_OK);
        assert_int_equal(bfn_model_sample(model, &solver, &o, i, 1, one), BFN_OK);
        assert_memory_equal(one, all + i * D, sizeof one);
        assert_int_equal(bfn_model_set_label(model, (int)((i + 1) % 3)), BFN_OK);
        assert_int_equal(bfn_model_sample(model, &solver, &o, i, 1, other), BFN_OK);
        assert_memory_not_equal(one, other, sizeof one);
    }
    assert_int_equal(bfn_model_set_label(model, 3), BFN_ERR_ARGUMENT);
    assert_message("class: found 3, needs 0 to 2");
    assert_int_equal(bfn_model_set_label(none, 0), BFN_ERR_ARGUMENT);
    assert_message("takes no classes");
    bfn_model_destroy(model);
    bfn_model_destroy(none);
}

/* ---- memory ---- */

typedef struct live_bytes {
    size_t now, most;
} live_bytes;

enum { HEAD = 64 };

static void *live_alloc(void *user, size_t bytes, size_t align)
{
    live_bytes *live = user;
    size_t head = align > HEAD ? align : HEAD, whole = (bytes + head + align - 1) / align * align;
    char *block = aligned_alloc(align, whole);
    if (block == NULL)
        return NULL;
    ((size_t *)(void *)(block + head))[-1] = bytes;
    ((size_t *)(void *)(block + head))[-2] = head;
    live->now += bytes;
    live->most = live->now > live->most ? live->now : live->most;
    return block + head;
}

static void live_free(void *user, void *block)
{
    live_bytes *live = user;
    if (block == NULL)
        return;
    live->now -= ((size_t *)block)[-1];
    free((char *)block - ((size_t *)block)[-2]);
}

/* What a run of so many steps takes at its peak, beyond the model. */
static size_t peak_of(bfn_context *counted, live_bytes *live, const char *yaml, size_t n_steps)
{
    bfn_model *model;
    bfn_model_options o = BFN_MODEL_OPTIONS_INIT;
    bfn_solver_options solver = BFN_SOLVER_OPTIONS_INIT;
    bfn_sampler_options sampler = BFN_SAMPLER_OPTIONS_INIT;
    float sample[3 * D];
    assert_int_equal(bfn_model_create(counted, &model, yaml, 5, &o), BFN_OK);
    size_t before = live->now;
    live->most = before;
    solver.n_steps = n_steps;
    sampler.batch = 3;
    assert_int_equal(bfn_model_sample(model, &solver, &sampler, 0, 3, sample), BFN_OK);
    bfn_model_destroy(model);
    return live->most - before;
}

/* Rows of the plan are all that more steps need. */
static void test_memory_does_not_grow(void **p)
{
    (void)p;
    live_bytes live = {0};
    bfn_context *counted;
    bfn_context_options o = BFN_CONTEXT_OPTIONS_INIT;
    o.allocator = (bfn_allocator){&live, live_alloc, live_free};
    assert_int_equal(bfn_context_create(&counted, &o), BFN_OK);
    for (size_t k = 0; k < 3; k++) {
        size_t few = peak_of(counted, &live, kinds[k], 4), many = peak_of(counted, &live, kinds[k], 204);
        print_message("kind %zu: %zu bytes for 4 steps, %zu for 204\n", k, few, many);
        assert_true(few > 0 && many <= few + 3 * 200 * sizeof(bfn_plan_row));
    }
    bfn_context_destroy(counted);
    assert_int_equal(live.now, 0);
}

static bfn_status create_and_sample(bfn_context *own, void *yaml)
{
    bfn_model *model;
    float out[2 * D];
    bfn_solver_options solver = BFN_SOLVER_OPTIONS_INIT;
    solver.n_evaluations = 2;
    bfn_status status = bfn_model_create(own, &model, yaml, 3, NULL);
    if (status != BFN_OK)
        return status;
    status = bfn_model_sample(model, &solver, NULL, 0, 2, out);
    bfn_model_destroy(model);
    return status;
}

/* Both U-Nets: each allocation of making one, compiling it and drawing from it fails in turn. */
static void test_out_of_memory(void **p)
{
    (void)p;
    assert_true(each_allocation(create_and_sample, (char *)(uintptr_t)continuous, BFN_OK) > 20);
    assert_true(each_allocation(create_and_sample, (char *)(uintptr_t)labelled, BFN_OK) > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resolved),
        cmocka_unit_test(test_lists_and_mappings),
        cmocka_unit_test(test_contradictions),
        cmocka_unit_test(test_predictions),
        cmocka_unit_test(test_samples_stand_alone),
        cmocka_unit_test(test_memory_does_not_grow),
        cmocka_unit_test(test_classes),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
