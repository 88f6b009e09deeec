/* Compiled U-Nets: a sample's output has the same bits alone and in any batch, piece of a batch and number of threads; gradients are the same
 * for any number of threads; labels stay with their samples; dropout is a function of (seed, step) and backward uses forward's mask;
 * running takes no memory, and compiling says when there is none; the modes (packed weights, bf16) agree.
 */
#include "nn/nn.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N(array) (sizeof(array) / sizeof *(array))

enum { BATCH = 5 };

/* Images of more than one tile of rows, whose rows are no multiple of anything; heads and groups other than channels. */
static const bfn__option VDM[] = {
    {"embedding_dim", 48},
    {"n_blocks", 1},
    {"norm_groups", 8},
    {"n_attention_heads", 3},
    {"attention_everywhere", 1},
    {"output_height", 2},
    {"dropout_prob", 0.25},
    {"input_adapter.input_shape.0", 9},
    {"input_adapter.input_shape.1", 15},
};
static const bfn__option ADM[] = {
    {"model_channels", 32},
    {"num_res_blocks", 1},
    {"channel_mult.0", 1},
    {"channel_mult.1", 2},
    {"attention_resolutions.0", 2},
    {"num_heads", 4},
    {"use_scale_shift_norm", 1},
    {"num_classes", 3},
    {"dropout", 0.25},
    {"output_channels", 1},
    {"project_input", 1},
    {"input_adapter.input_shape.0", 10},
    {"input_adapter.input_shape.1", 14},
};

static const struct network {
    const char *class_name;
    const bfn__option *options;
    size_t n_options;
} networks[] = {{"unet_vdm", VDM, N(VDM)}, {"unet_adm", ADM, N(ADM)}};

static const int32_t labels[BATCH] = {2, -1, 0, 1, 0};

/* An allocator that counts, and fails at call number `fail_at`, counted from 1; 0: never. */
typedef struct counter {
    int made, live, fail_at;
} counter;

static void *counted_alloc(void *user, size_t bytes, size_t align)
{
    counter *c = user;
    if (++c->made == c->fail_at)
        return NULL;
    c->live++;
    return aligned_alloc(align, (bytes + align - 1) / align * align + align);
}

static void counted_free(void *user, void *block)
{
    counter *c = user;
    c->live -= block != NULL;
    free(block);
}

typedef struct fixture {
    counter count;
    bfn_context *ctx;
    bfn__net *net;
    bfn__exec *exec;
    size_t in, n_out, arena; /* floats a sample; of all outputs; of parameters */
    float *params, *shown, *d_out, *out, *grads, *d_shown;
    double t[BATCH];
} fixture;

static float *floats(size_t n)
{
    float *x = calloc(n, sizeof *x);
    assert_non_null(x);
    return x;
}

/* Numbers in [-1, 1) that depend on i alone. */
static float spread(size_t i)
{
    return (float)((i * 2654435761u) % 2003) / 1001.5f - 1.0f;
}

static void open_fixture(fixture *f, const struct network *which, int n_threads, bfn__exec_options o)
{
    memset(f, 0, sizeof *f);
    bfn_context_options options = BFN_CONTEXT_OPTIONS_INIT;
    options.n_threads = n_threads;
    options.allocator = (bfn_allocator){&f->count, counted_alloc, counted_free};
    assert_int_equal(bfn_context_create(&f->ctx, &options), BFN_OK);
    if (bfn__net_create(f->ctx, &f->net, which->class_name, which->options, which->n_options) != BFN_OK ||
        bfn__exec_create(f->ctx, &f->exec, f->net, &o) != BFN_OK)
        fail_msg("%s", bfn_errmsg(f->ctx));
    f->in = bfn__net_shown_size(f->net);
    f->n_out = BATCH * bfn__net_output_size(f->net);
    f->arena = bfn__net_arena(f->net);
    f->params = floats(f->arena);
    f->grads = floats(f->arena);
    f->shown = floats(BATCH * f->in);
    f->d_shown = floats(BATCH * f->in);
    f->d_out = floats(f->n_out);
    f->out = floats(f->n_out);
    bfn__net_init(f->net, 1, f->params);
    for (size_t i = 0; i < bfn__net_n_params(f->net); i++) { /* no layer may hide behind zeros */
        const bfn__param *p = bfn__net_param(f->net, i);
        float scale = p->rank > 1 ? 1.5f / sqrtf((float)(p->count / p->shape[0])) : 0.2f;
        for (size_t j = 0; p->trained && j < p->count; j++)
            f->params[p->offset + j] += scale * spread(p->offset + j);
    }
    for (size_t i = 0; i < BATCH * f->in; i++)
        f->shown[i] = spread(7 * i + 3);
    for (size_t i = 0; i < f->n_out; i++)
        f->d_out[i] = spread(5 * i + 1);
    for (size_t i = 0; i < BATCH; i++)
        f->t[i] = (double)(i + 1) / (BATCH + 1);
    assert_int_equal(bfn__exec_set_params(f->exec, f->params), BFN_OK);
}

static void close_fixture(fixture *f)
{
    bfn__exec_destroy(f->exec);
    bfn__net_destroy(f->net);
    bfn_context_destroy(f->ctx);
    free(f->params);
    free(f->grads);
    free(f->shown);
    free(f->d_shown);
    free(f->d_out);
    free(f->out);
}

static void forward(fixture *f, size_t first, size_t n)
{
    bfn__exec_set_labels(f->exec, labels + first);
    if (bfn__exec_forward(f->exec, n, f->shown + first * f->in, f->t + first, f->out + first * (f->n_out / BATCH)) !=
        BFN_OK)
        fail_msg("%s", bfn_errmsg(f->ctx));
}

/* All samples, `each` at a time; the caller frees them. */
static float *outputs(const struct network *which, int n_threads, size_t each, bfn__exec_options o)
{
    static fixture f;
    o.batch = each;
    open_fixture(&f, which, n_threads, o);
    for (size_t i = 0; i < BATCH; i += each)
        forward(&f, i, BATCH - i < each ? BATCH - i : each);
    float *out = floats(f.n_out);
    memcpy(out, f.out, f.n_out * sizeof *out);
    close_fixture(&f);
    return out;
}

static size_t n_outputs(const struct network *which)
{
    return BATCH * (size_t)(which->options == VDM ? 9 * 15 * 3 * 2 : 10 * 14);
}

/* ---- the same bits ---- */

static void check_same_bits(const char *mode, bfn__exec_options o)
{
    for (size_t k = 0; k < N(networks); k++) {
        float *want = outputs(&networks[k], 1, 1, o);
        const int threads[] = {1, 2, 2, 3};
        const size_t each[] = {5, 5, 1, 2};
        for (size_t i = 0; i < N(each); i++) {
            float *got = outputs(&networks[k], threads[i], each[i], o);
            if (memcmp(got, want, n_outputs(&networks[k]) * sizeof *got) != 0)
                fail_msg("%s, %s, %d threads, batch %zu: other bits than one by one on one thread",
                         networks[k].class_name, mode, threads[i], each[i]);
            free(got);
        }
        free(want);
    }
}

static void same_bits_in_f32(void **state)
{
    (void)state;
    check_same_bits("f32", (bfn__exec_options){0});
}

static void same_bits_in_training(void **state)
{
    (void)state;
    check_same_bits("training", (bfn__exec_options){.training = true});
}

static void same_bits_in_other_modes(void **state)
{
    (void)state;
    check_same_bits("packed", (bfn__exec_options){.packed = true});
    check_same_bits("emulated bf16", (bfn__exec_options){.precision = BFN__BF16, .emulate_bf16 = true});
    check_same_bits("bf16", (bfn__exec_options){.precision = BFN__BF16});
}

static double difference(const struct network *which, const float *a, const float *b)
{
    double worst = 0.0, scale = 0.0;
    for (size_t i = 0; i < n_outputs(which); i++) {
        double d = fabs((double)a[i] - (double)b[i]);
        worst = isnan(d) ? (double)INFINITY : fmax(worst, d);
        scale = fmax(scale, fabs((double)a[i]));
    }
    return worst / scale;
}

static void modes_agree(void **state)
{
    (void)state;
    for (size_t k = 0; k < N(networks); k++) {
        const struct network *which = &networks[k];
        float *f32 = outputs(which, 2, BATCH, (bfn__exec_options){0});
        float *training = outputs(which, 2, BATCH, (bfn__exec_options){.training = true});
        float *packed = outputs(which, 2, BATCH, (bfn__exec_options){.packed = true});
        float *low = outputs(which, 2, BATCH, (bfn__exec_options){.precision = BFN__BF16, .emulate_bf16 = true});
        double in_training = difference(which, f32, training), in_packed = difference(which, f32, packed);
        double in_low = difference(which, f32, low);
        print_message("%s: training is off by %.1e, packed by %.1e, emulated bf16 by %.1e of the largest output\n",
                      which->class_name, in_training, in_packed, in_low);
        assert_true(in_training <= 2e-5 && in_packed <= 2e-5);
        assert_true(in_low > 1e-5 && in_low <= 5e-2);
        free(f32);
        free(training);
        free(packed);
        free(low);
    }
}

/* ---- training ---- */

static void gradients_do_not_depend_on_threads(void **state)
{
    (void)state;
    static fixture one, more;
    for (size_t k = 0; k < N(networks); k++) {
        bfn__exec_options o = {.batch = BATCH, .training = true};
        open_fixture(&one, &networks[k], 1, o);
        open_fixture(&more, &networks[k], 2, o);
        fixture *both[] = {&one, &more};
        for (int i = 0; i < 2; i++) {
            bfn__exec_set_dropout(both[i]->exec, 4, 9);
            forward(both[i], 0, BATCH);
            assert_int_equal(bfn__exec_backward(both[i]->exec, BATCH, both[i]->d_out, both[i]->grads, both[i]->d_shown),
                             BFN_OK);
        }
        assert_memory_equal(one.out, more.out, one.n_out * sizeof *one.out);
        assert_memory_equal(one.grads, more.grads, one.arena * sizeof *one.grads);
        assert_memory_equal(one.d_shown, more.d_shown, BATCH * one.in * sizeof *one.d_shown);
        close_fixture(&one);
        close_fixture(&more);
    }
}

/* One forward, several backwards, no gradients of weights: the gradient of the input is to the bit that of training. */
static void gradient_of_the_input_alone(void **state)
{
    (void)state;
    static fixture whole, alone;
    for (size_t k = 0; k < 2 * N(networks); k++) {
        bfn__exec_options o = {.batch = BATCH, .training = true};
        open_fixture(&whole, &networks[k / 2], 2, o);
        o.input_only = true;
        open_fixture(&alone, &networks[k / 2], 2, o);
        if (k % 2 == 1) {
            bfn__exec_set_dropout(whole.exec, 4, 9);
            bfn__exec_set_dropout(alone.exec, 4, 9);
        }
        forward(&alone, 0, BATCH);
        for (int turn = 0; turn < 3; turn++) {
            forward(&whole, 0, BATCH);
            assert_int_equal(bfn__exec_backward(whole.exec, BATCH, whole.d_out, whole.grads, whole.d_shown), BFN_OK);
            assert_int_equal(bfn__exec_backward(alone.exec, BATCH, whole.d_out, alone.grads, alone.d_shown), BFN_OK);
            assert_memory_equal(whole.out, alone.out, whole.n_out * sizeof *whole.out);
            assert_memory_equal(whole.d_shown, alone.d_shown, BATCH * whole.in * sizeof *whole.d_shown);
            for (size_t i = 0; i < whole.n_out; i++)
                whole.d_out[i] = whole.d_out[i] * 0.5f + (float)(i % 7) - 3.0f;
        }
        close_fixture(&whole);
        close_fixture(&alone);
    }
}

static double weighted_sum(const fixture *f)
{
    double sum = 0.0;
    for (size_t i = 0; i < f->n_out; i++)
        sum += (double)f->out[i] * (double)f->d_out[i];
    return sum;
}

/* Slope of sum(y dy) along +-1 in the weights and biases of the last convolutions of blocks: what follows each dropout. */
static void check_slope_behind_dropout(fixture *f, const char *ending)
{
    double want = 0.0, squares = 0.0, sums[2];
    const float step = 2e-4f;
    for (int side = 0; side < 2; side++) {
        float h = side == 0 ? step : -2.0f * step;
        for (size_t i = 0; i < bfn__net_n_params(f->net); i++) {
            const bfn__param *p = bfn__net_param(f->net, i);
            if (strstr(p->name, ending) == NULL)
                continue;
            for (size_t j = p->offset; j < p->offset + p->count; j++) {
                float v = j * 7 % 3 == 0 ? 1.0f : -1.0f;
                f->params[j] += h * v;
                want += side == 0 ? (double)v * (double)f->grads[j] : 0.0;
                squares += side == 0 ? (double)f->grads[j] * (double)f->grads[j] : 0.0;
            }
        }
        assert_int_equal(bfn__exec_set_params(f->exec, f->params), BFN_OK);
        forward(f, 0, BATCH);
        sums[side] = weighted_sum(f);
    }
    double got = (sums[0] - sums[1]) / (2.0 * (double)step), error = fabs(got - want) / sqrt(squares);
    print_message("%s: slope behind dropout is off by %.1e of the gradient's norm\n", bfn__net_class(f->net), error);
    assert_true(error < 5e-3);
}

static void dropout_is_a_function_of_seed_and_step(void **state)
{
    (void)state;
    static fixture f;
    for (size_t k = 0; k < N(networks); k++) {
        open_fixture(&f, &networks[k], 2, (bfn__exec_options){.batch = BATCH, .training = true});
        size_t bytes = f.n_out * sizeof(float);
        float *plain = floats(f.n_out), *dropped = floats(f.n_out);
        forward(&f, 0, BATCH);
        memcpy(plain, f.out, bytes);
        bfn__exec_set_dropout(f.exec, 4, 9);
        forward(&f, 0, BATCH);
        memcpy(dropped, f.out, bytes);
        assert_memory_not_equal(plain, dropped, bytes);
        bfn__exec_set_dropout(f.exec, 4, 10);
        forward(&f, 0, BATCH);
        assert_memory_not_equal(f.out, dropped, bytes);
        bfn__exec_set_dropout(f.exec, 5, 9);
        forward(&f, 0, BATCH);
        assert_memory_not_equal(f.out, dropped, bytes);
        bfn__exec_no_dropout(f.exec);
        forward(&f, 0, BATCH);
        assert_memory_equal(f.out, plain, bytes);
        bfn__exec_set_dropout(f.exec, 4, 9);
        forward(&f, 0, BATCH);
        assert_memory_equal(f.out, dropped, bytes);
        assert_int_equal(bfn__exec_backward(f.exec, BATCH, f.d_out, f.grads, f.d_shown), BFN_OK);
        check_slope_behind_dropout(&f, networks[k].options == VDM ? "net2." : "out_layers.");
        free(plain);
        free(dropped);
        close_fixture(&f);
    }
}

/* ---- labels, memory ---- */

static void labels_stay_with_their_samples(void **state)
{
    (void)state;
    static fixture f;
    open_fixture(&f, &networks[1], 2, (bfn__exec_options){.batch = BATCH});
    size_t each = f.n_out / BATCH;
    float *want = floats(f.n_out);
    forward(&f, 0, BATCH);
    memcpy(want, f.out, f.n_out * sizeof *want);
    static const int32_t other[BATCH] = {2, -1, 0, 2, 0};
    bfn__exec_set_labels(f.exec, other);
    assert_int_equal(bfn__exec_forward(f.exec, BATCH, f.shown, f.t, f.out), BFN_OK);
    for (size_t i = 0; i < BATCH; i++)
        assert_int_equal(memcmp(f.out + i * each, want + i * each, each * sizeof *want) == 0, i != 3);
    bfn__exec_set_labels(f.exec, NULL);
    assert_int_equal(bfn__exec_forward(f.exec, BATCH, f.shown, f.t, f.out), BFN_OK);
    for (size_t i = 0; i < BATCH; i++)
        assert_int_equal(memcmp(f.out + i * each, want + i * each, each * sizeof *want) == 0, labels[i] < 0);
    free(want);
    close_fixture(&f);
}

static void running_takes_no_memory(void **state)
{
    (void)state;
    static fixture f;
    for (size_t k = 0; k < N(networks); k++) {
        open_fixture(&f, &networks[k], 2, (bfn__exec_options){.batch = BATCH, .training = true});
        int made = f.count.made;
        bfn__exec_set_dropout(f.exec, 1, 1);
        forward(&f, 0, BATCH);
        assert_int_equal(bfn__exec_backward(f.exec, BATCH, f.d_out, f.grads, f.d_shown), BFN_OK);
        assert_int_equal(bfn__exec_set_params(f.exec, f.params), BFN_OK);
        forward(&f, 0, 2);
        assert_int_equal(f.count.made, made);
        close_fixture(&f);
    }
}

/* A U-Net of a level, created and destroyed. */
static bfn_status build_and_compile(bfn_context *ctx, const char *class_name, bool training)
{
    static const bfn__option small[] = {{"model_channels", 32}, {"num_res_blocks", 1}, {"channel_mult.0", 1}};
    static const bfn__option shallow[] = {{"embedding_dim", 32}, {"n_blocks", 1}};
    bool adm = strcmp(class_name, "unet_adm") == 0;
    bfn__net *net;
    bfn__exec *exec;
    bfn_status status = bfn__net_create(ctx, &net, class_name, adm ? small : shallow, adm ? N(small) : N(shallow));
    if (status != BFN_OK)
        return status;
    bfn__exec_options o = {.batch = 1, .training = training};
    status = bfn__exec_create(ctx, &exec, net, &o);
    bfn__exec_destroy(exec);
    bfn__net_destroy(net);
    return status;
}

static void memory_that_is_not_there(void **state)
{
    (void)state;
    for (size_t k = 0; k < 2 * N(networks); k++) {
        counter c = {0};
        bfn_context *ctx;
        bfn_context_options options = BFN_CONTEXT_OPTIONS_INIT;
        options.allocator = (bfn_allocator){&c, counted_alloc, counted_free};
        assert_int_equal(bfn_context_create(&ctx, &options), BFN_OK);
        const char *class_name = networks[k / 2].class_name;
        int before = c.made, live = c.live;
        assert_int_equal(build_and_compile(ctx, class_name, k % 2 != 0), BFN_OK);
        int needed = c.made - before;
        assert_true(needed > 5);
        for (int at = 1; at <= needed; at++) {
            c.fail_at = c.made + at;
            if (build_and_compile(ctx, class_name, k % 2 != 0) != BFN_ERR_MEMORY)
                fail_msg("%s: allocation %d of %d fails, but not the network", class_name, at, needed);
            assert_int_equal(c.live, live);
        }
        c.fail_at = 0;
        bfn_context_destroy(ctx);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_bits_in_f32),
        cmocka_unit_test(same_bits_in_training),
        cmocka_unit_test(same_bits_in_other_modes),
        cmocka_unit_test(modes_agree),
        cmocka_unit_test(gradients_do_not_depend_on_threads),
        cmocka_unit_test(gradient_of_the_input_alone),
        cmocka_unit_test(dropout_is_a_function_of_seed_and_step),
        cmocka_unit_test(labels_stay_with_their_samples),
        cmocka_unit_test(running_takes_no_memory),
        cmocka_unit_test(memory_that_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
