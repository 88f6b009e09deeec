/* test_nn_exec.c: compiled networks: the same bits for any batch and number of threads, no allocation while running, bf16, memory
 * that runs out, dropout.
 */
#include "helper_gpt.h"
#include "nn/graph.h"
#include "nn/plan.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define N(array) (sizeof(array) / sizeof *(array))

/* An allocator that counts, and fails at the call `fail_at` (counted from 0). */
typedef struct counter {
    size_t calls, live, fail_at;
} counter;

static void *counted_alloc(void *user, size_t bytes, size_t align)
{
    counter *c = user;
    if (c->calls++ == c->fail_at)
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

static bfn_context *open_context(counter *c, int n_threads)
{
    bfn_context *ctx;
    bfn_context_options o = BFN_CONTEXT_OPTIONS_INIT;
    o.n_threads = n_threads;
    if (c != NULL)
        o.allocator = (bfn_allocator){c, counted_alloc, counted_free};
    assert_int_equal(bfn_context_create(&ctx, &o), BFN_OK);
    return ctx;
}

static const bfn__option LARGE[] = {{"n_layer", 2}, {"n_head", 4}, {"n_embd", 256}, {"seq_len", 150}};
static const bfn__option SMALL[] = {{"n_layer", 2}, {"n_head", 3}, {"n_embd", 36}, {"seq_len", 7}};

enum { BATCH = 5 };

typedef struct inputs {
    float *params, *shown, *d_out;
    double t[BATCH];
    size_t in, out, arena; /* floats a sample; floats of an arena */
} inputs;

static inputs make_inputs(const bfn__net *net)
{
    inputs x = {.in = bfn__net_shown_size(net), .out = bfn__net_output_size(net), .arena = bfn__net_arena(net)};
    x.params = calloc(x.arena, sizeof(float));
    x.shown = calloc(BATCH * x.in, sizeof(float));
    x.d_out = calloc(BATCH * x.out, sizeof(float));
    bfn__net_init(net, 1, x.params);
    for (size_t i = 0; i < x.arena; i++) /* larger than at the start of training, so that rounding shows */
        x.params[i] *= 3.0f;
    for (size_t i = 0; i < BATCH * x.in; i++)
        x.shown[i] = (float)(i * 2654435761u % 1009) / 1009.0f;
    for (size_t i = 0; i < BATCH * x.out; i++)
        x.d_out[i] = (float)(i * 40503u % 997) / 997.0f - 0.5f;
    for (size_t i = 0; i < BATCH; i++)
        x.t[i] = (double)(i + 1) / (BATCH + 1);
    return x;
}

static void free_inputs(inputs *x)
{
    free(x->params);
    free(x->shown);
    free(x->d_out);
}

/* All samples, `each` at a time, with so many threads. */
static float *outputs(const bfn__option *options, size_t n_options, int n_threads, size_t each, bfn__exec_options o,
                      bfn__precision *precision)
{
    bfn_context *ctx = open_context(NULL, n_threads);
    bfn__net *net;
    bfn__exec *exec;
    assert_int_equal(bfn__net_create(ctx, &net, "gpt", options, n_options), BFN_OK);
    inputs x = make_inputs(net);
    float *out = calloc(BATCH * x.out, sizeof *out);
    o.batch = each;
    assert_int_equal(bfn__exec_create(ctx, &exec, net, &o), BFN_OK);
    assert_int_equal(bfn__exec_set_params(exec, x.params), BFN_OK);
    for (size_t i = 0; i < BATCH; i += each) {
        size_t n = BATCH - i < each ? BATCH - i : each;
        assert_int_equal(bfn__exec_forward(exec, n, x.shown + i * x.in, x.t + i, out + i * x.out), BFN_OK);
    }
    if (precision != NULL)
        *precision = bfn__exec_precision(exec);
    bfn__exec_destroy(exec);
    bfn__net_destroy(net);
    free_inputs(&x);
    bfn_context_destroy(ctx);
    return out;
}

static size_t total_out(const bfn__option *options)
{
    return BATCH * 27 * (size_t)options[3].value;
}

static double worst_difference(const bfn__option *options, const float *a, const float *b, double *scale)
{
    double worst = 0.0;
    *scale = 0.0;
    for (size_t i = 0; i < total_out(options); i++) {
        double d = fabs((double)a[i] - (double)b[i]);
        worst = isnan(d) ? (double)INFINITY : fmax(worst, d);
        *scale = fmax(*scale, fabs((double)a[i]));
    }
    return worst;
}

/* oneDNN chooses how to add up by the shape of a product alone, and ours never depends on batch or threads. */
static void check_same_bits(const bfn__option *options, bfn__exec_options o)
{
    float *want = outputs(options, 4, 1, 1, o, NULL);
    const int threads[] = {1, 2, 3, 2, 8};
    const size_t each[] = {5, 1, 2, 3, 4};
    for (size_t i = 0; i < N(each); i++) {
        float *got = outputs(options, 4, threads[i], each[i], o, NULL);
        if (memcmp(got, want, total_out(options) * sizeof *got) != 0)
            fail_msg("%d threads, batch %zu: other bits than one by one on one thread", threads[i], each[i]);
        free(got);
    }
    free(want);
}

static void same_bits_for_any_batch_and_threads(void **state)
{
    (void)state;
    check_same_bits(LARGE, (bfn__exec_options){0});
    check_same_bits(SMALL, (bfn__exec_options){0});
}

static void same_bits_in_other_modes(void **state)
{
    (void)state;
    check_same_bits(LARGE, (bfn__exec_options){.packed = true});
    check_same_bits(SMALL, (bfn__exec_options){.packed = true});
    check_same_bits(LARGE, (bfn__exec_options){.precision = BFN__BF16, .emulate_bf16 = true});
    check_same_bits(SMALL, (bfn__exec_options){.precision = BFN__BF16});
}

static void modes_agree(void **state)
{
    (void)state;
    bfn__precision precision;
    double scale;
    const bfn__option *nets[] = {LARGE, SMALL};
    for (size_t i = 0; i < N(nets); i++) {
        float *f32 = outputs(nets[i], 4, 2, 2, (bfn__exec_options){0}, &precision);
        assert_int_equal(precision, BFN__F32);
        float *training = outputs(nets[i], 4, 2, 2, (bfn__exec_options){.training = true}, NULL);
        assert_true(worst_difference(nets[i], f32, training, &scale) <= 1e-5 * scale);
        float *packed = outputs(nets[i], 4, 2, 2, (bfn__exec_options){.packed = true}, NULL);
        assert_true(worst_difference(nets[i], f32, packed, &scale) <= 1e-5 * scale);
        float *low =
            outputs(nets[i], 4, 2, 2, (bfn__exec_options){.precision = BFN__BF16, .emulate_bf16 = true}, &precision);
        assert_int_equal(precision, BFN__BF16);
        double worst = worst_difference(nets[i], f32, low, &scale);
        print_message("emulated bf16 is off by %.2e of the largest output\n", worst / scale);
        assert_true(worst <= 2e-2 * scale && worst >= 1e-5 * scale);
        float *real = outputs(nets[i], 4, 2, 2, (bfn__exec_options){.precision = BFN__BF16}, &precision);
        bool has = strcmp(bfn__cpu_path(), "avx512_bf16") == 0;
        assert_true(has || precision == BFN__F32);
        worst = worst_difference(nets[i], f32, real, &scale);
        if (precision == BFN__BF16) {
            print_message("bf16 is off by %.2e of the largest output\n", worst / scale);
            assert_true(worst <= 2e-2 * scale && worst > 0.0);
        } else {
            print_message("no bf16 on this CPU (%s): f32 instead\n", bfn__cpu_path());
            assert_true(worst == 0.0);
        }
        free(f32);
        free(training);
        free(packed);
        free(low);
        free(real);
    }
}

/* ---- training ---- */

static float *gradients(const bfn__option *options, int n_threads, size_t *arena)
{
    bfn_context *ctx = open_context(NULL, n_threads);
    bfn__net *net;
    bfn__exec *exec;
    assert_int_equal(bfn__net_create(ctx, &net, "gpt", options, 4), BFN_OK);
    inputs x = make_inputs(net);
    float *grads = calloc(x.arena, sizeof *grads), *out = calloc(BATCH * x.out, sizeof *out);
    bfn__exec_options o = {.batch = BATCH, .training = true};
    assert_int_equal(bfn__exec_create(ctx, &exec, net, &o), BFN_OK);
    assert_int_equal(bfn__exec_set_params(exec, x.params), BFN_OK);
    assert_int_equal(bfn__exec_forward(exec, BATCH, x.shown, x.t, out), BFN_OK);
    assert_int_equal(bfn__exec_backward(exec, BATCH, x.d_out, grads, NULL), BFN_OK);
    *arena = x.arena;
    free(out);
    free_inputs(&x);
    bfn__exec_destroy(exec);
    bfn__net_destroy(net);
    bfn_context_destroy(ctx);
    return grads;
}

/* One forward, several backwards, no gradients of weights: the gradient of the input is to the bit that of training. */
static void gradient_of_the_input_alone(void **state)
{
    (void)state;
    bfn_context *ctx = open_context(NULL, 2);
    const bfn__option options[] = {{"n_layer", 2}, {"n_head", 2}, {"n_embd", 16}, {"seq_len", 8}};
    bfn__net *net;
    bfn__exec *whole, *alone;
    assert_int_equal(bfn__net_create(ctx, &net, "gpt", options, N(options)), BFN_OK);
    inputs x = make_inputs(net);
    size_t n_in = BATCH * bfn__net_shown_size(net);
    float *grads = calloc(x.arena, sizeof *grads), *out = calloc(2 * BATCH * x.out, sizeof *out),
          *d_shown = calloc(2 * n_in, sizeof *d_shown);
    bfn__exec_options o = {.batch = BATCH, .training = true};
    assert_int_equal(bfn__exec_create(ctx, &whole, net, &o), BFN_OK);
    o.input_only = true;
    assert_int_equal(bfn__exec_create(ctx, &alone, net, &o), BFN_OK);
    assert_int_equal(bfn__exec_set_params(whole, x.params), BFN_OK);
    assert_int_equal(bfn__exec_set_params(alone, x.params), BFN_OK);
    assert_int_equal(bfn__exec_forward(alone, BATCH, x.shown, x.t, out), BFN_OK);
    for (int turn = 0; turn < 3; turn++) {
        assert_int_equal(bfn__exec_forward(whole, BATCH, x.shown, x.t, out + BATCH * x.out), BFN_OK);
        assert_int_equal(bfn__exec_backward(whole, BATCH, x.d_out, grads, d_shown), BFN_OK);
        assert_int_equal(bfn__exec_backward(alone, BATCH, x.d_out, grads, d_shown + n_in), BFN_OK);
        assert_memory_equal(out, out + BATCH * x.out, BATCH * x.out * sizeof *out);
        assert_memory_equal(d_shown, d_shown + n_in, n_in * sizeof *d_shown);
        for (size_t i = 0; i < BATCH * x.out; i++)
            x.d_out[i] = x.d_out[i] * 0.5f + (float)(i % 7) - 3.0f;
    }
    free(grads);
    free(out);
    free(d_shown);
    free_inputs(&x);
    bfn__exec_destroy(whole);
    bfn__exec_destroy(alone);
    bfn__net_destroy(net);
    bfn_context_destroy(ctx);
}

static void same_gradients_for_any_threads(void **state)
{
    (void)state;
    size_t n;
    float *want = gradients(LARGE, 1, &n);
    for (int threads = 2; threads < 5; threads++) {
        float *got = gradients(LARGE, threads, &n);
        assert_memory_equal(got, want, n * sizeof *got);
        free(got);
    }
    free(want);
}

static void misuse_is_reported(void **state)
{
    (void)state;
    bfn_context *ctx = open_context(NULL, 1);
    bfn__net *net;
    bfn__exec *exec;
    assert_int_equal(bfn__net_create(ctx, &net, "gpt", SMALL, 4), BFN_OK);
    inputs x = make_inputs(net);
    float *out = calloc(BATCH * x.out, sizeof *out);
    bfn__exec_options o = {.batch = 0};
    assert_int_equal(bfn__exec_create(ctx, &exec, net, &o), BFN_ERR_ARGUMENT);
    assert_null(exec);
    o.batch = 2;
    assert_int_equal(bfn__exec_create(ctx, &exec, net, &o), BFN_OK);
    assert_int_equal(bfn__exec_forward(exec, 1, x.shown, x.t, out), BFN_ERR_INTERNAL); /* no parameters */
    assert_int_equal(bfn__exec_set_params(exec, x.params), BFN_OK);
    assert_int_equal(bfn__exec_forward(exec, 0, x.shown, x.t, out), BFN_ERR_INTERNAL);
    assert_int_equal(bfn__exec_forward(exec, 3, x.shown, x.t, out), BFN_ERR_INTERNAL);
    assert_int_equal(bfn__exec_forward(exec, 2, x.shown, x.t, out), BFN_OK);
    assert_int_equal(bfn__exec_backward(exec, 2, x.d_out, out, NULL), BFN_ERR_INTERNAL); /* inference */
    bfn__exec_destroy(exec);
    free(out);
    free_inputs(&x);
    bfn__net_destroy(net);
    bfn_context_destroy(ctx);
}

/* ---- memory ---- */

static bfn_status whole_life(bfn_context *ctx, const counter *c, bfn__exec_options o, size_t *while_running)
{
    bfn__net *net;
    bfn__exec *exec = NULL;
    bfn_status status = bfn__net_create(ctx, &net, "gpt", SMALL, 4);
    if (status != BFN_OK)
        return status;
    inputs x = make_inputs(net);
    float *out = calloc(BATCH * x.out, sizeof *out), *grads = calloc(x.arena, sizeof *grads);
    o.batch = BATCH;
    status = bfn__exec_create(ctx, &exec, net, &o);
    if (status == BFN_OK)
        status = bfn__exec_set_params(exec, x.params);
    size_t before = c->calls;
    for (size_t n = 1; status == BFN_OK && n <= BATCH; n++) {
        status = bfn__exec_forward(exec, n, x.shown, x.t, out);
        if (status == BFN_OK && o.training)
            status = bfn__exec_backward(exec, n, x.d_out, grads, NULL);
    }
    *while_running = c->calls - before;
    bfn__exec_destroy(exec);
    bfn__net_destroy(net);
    free_inputs(&x);
    free(out);
    free(grads);
    return status;
}

static void memory(void **state)
{
    (void)state;
    const bfn__exec_options modes[] = {
        {.training = false}, {.training = true}, {.packed = true}, {.precision = BFN__BF16, .emulate_bf16 = true}};
    for (size_t m = 0; m < N(modes); m++) {
        counter c = {.fail_at = SIZE_MAX};
        size_t while_running;
        bfn_context *ctx = open_context(&c, 2);
        assert_int_equal(whole_life(ctx, &c, modes[m], &while_running), BFN_OK);
        assert_int_equal(while_running, 0);
        assert_int_equal(c.live, 1); /* the context */
        size_t needed = c.calls;
        for (size_t k = 1; k < needed; k++) {
            c = (counter){.calls = 1, .live = 1, .fail_at = k};
            bfn_status status = whole_life(ctx, &c, modes[m], &while_running);
            if (status != BFN_ERR_MEMORY)
                fail_msg("allocation %zu of %zu fails: status %d", k, needed, (int)status);
            assert_int_equal(c.live, 1);
        }
        c.fail_at = SIZE_MAX;
        bfn_context_destroy(ctx);
        assert_int_equal(c.live, 0);
    }
}

/* Memory of inference must not grow with depth but for the weights. */
static void buffers_are_reused(void **state)
{
    (void)state;
    bfn_context *ctx = open_context(NULL, 1);
    size_t bytes[2], params[2];
    for (size_t i = 0; i < 2; i++) {
        bfn__option o[] = {{"n_layer", i == 0 ? 2 : 12}, {"n_head", 2}, {"n_embd", 64}, {"seq_len", 64}};
        bfn__net *net;
        bfn__exec *exec;
        bfn__exec_options e = {.batch = 16};
        assert_int_equal(bfn__net_create(ctx, &net, "gpt", o, N(o)), BFN_OK);
        assert_int_equal(bfn__exec_create(ctx, &exec, net, &e), BFN_OK);
        bytes[i] = bfn__exec_bytes(exec);
        params[i] = bfn__net_arena(net) * sizeof(float);
        bfn__exec_destroy(exec);
        bfn__net_destroy(net);
    }
    size_t activation = 16 * 64 * 64 * sizeof(float);
    assert_true(bytes[1] - bytes[0] <= (params[1] - params[0]) * 5 / 4 + activation);
    bfn_context_destroy(ctx);
}

/* No two buffers that are alive together may overlap, and the arena is not larger than it would be without sharing. */
static void plans_do_not_overlap(void **state)
{
    (void)state;
    enum { COUNT = 60 };
    bfn_context *ctx = open_context(NULL, 1);
    uint64_t random = 5;
    for (int round = 0; round < 50; round++) {
        bfn__buffer b[COUNT];
        size_t total, sum = 0;
        for (size_t i = 0; i < COUNT; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            size_t first = (random >> 33) % 40;
            b[i] = (bfn__buffer){(random >> 20) % 1000, first, first + (random >> 40) % 12, 0};
            sum += (b[i].floats + 15) / 16 * 16;
        }
        assert_int_equal(bfn__plan_buffers(ctx, b, COUNT, &total), BFN_OK);
        for (size_t i = 0; i < COUNT; i++) {
            assert_true(b[i].offset % 16 == 0 && b[i].offset + b[i].floats <= total);
            for (size_t j = 0; j < i; j++) {
                bool together = b[i].first <= b[j].last && b[j].first <= b[i].last;
                bool apart = b[i].offset + b[i].floats <= b[j].offset || b[j].offset + b[j].floats <= b[i].offset ||
                             b[i].floats == 0 || b[j].floats == 0;
                assert_true(!together || apart);
            }
        }
        assert_true(total < sum * 3 / 4);
    }
    bfn__buffer huge[2] = {{SIZE_MAX / 8, 0, 1, 0}, {SIZE_MAX / 8, 0, 1, 0}};
    size_t total;
    assert_int_equal(bfn__plan_buffers(ctx, huge, 2, &total), BFN_ERR_MEMORY);
    bfn_context_destroy(ctx);
}

/* ---- single operations: graphs of one's own ---- */

static void dropout(void **state)
{
    (void)state;
    enum { ROWS = 40, COLS = 300, COUNT = ROWS * COLS };
    static float x[2 * COUNT], y[2 * COUNT], dx[2 * COUNT], again[2 * COUNT];
    bfn_context *ctx = open_context(NULL, 2);
    bfn__net *net;
    bfn__exec *exec;
    const double t[2] = {0.1, 0.9}, p = 0.3;
    float nothing[16] = {0};
    for (size_t i = 0; i < 2 * COUNT; i++)
        x[i] = 1.0f;
    assert_int_equal(bfn__graph_create(ctx, &net, "test"), BFN_OK);
    bfn__graph_output(net, bfn__graph_gelu(net, bfn__graph_dropout(net, bfn__graph_input(net, ROWS, COLS), p)));
    assert_int_equal(net->status, BFN_OK);
    bfn__exec_options o = {.batch = 2, .training = true};
    assert_int_equal(bfn__exec_create(ctx, &exec, net, &o), BFN_OK);
    assert_int_equal(bfn__exec_set_params(exec, nothing), BFN_OK);
    bfn__exec_set_dropout(exec, 9, 1);
    assert_int_equal(bfn__exec_forward(exec, 2, x, t, y), BFN_OK);
    assert_int_equal(bfn__exec_backward(exec, 2, x, nothing, dx), BFN_OK);
    size_t zeros = 0, repeats = 0;
    for (size_t i = 0; i < 2 * COUNT; i++) {
        zeros += y[i] == 0.0f;
        if ((y[i] == 0.0f) != (dx[i] == 0.0f) && fabs((double)dx[i] - 0.5 / 0.7) > 1e-6)
            fail_msg("element %zu: output %g, gradient %g", i, (double)y[i], (double)dx[i]);
        assert_true(y[i] == 0.0f || fabs((double)y[i] - (double)y[0]) < 1e-6 || y[0] == 0.0f);
        repeats += i >= COUNT && (y[i] == 0.0f) == (y[i - COUNT] == 0.0f);
    }
    double share = (double)zeros / (2.0 * COUNT), se = sqrt(p * (1.0 - p) / (2.0 * COUNT));
    assert_true(fabs(share - p) < 4.0 * se);
    assert_true(repeats < COUNT * 7 / 10); /* samples have masks of their own: 0.58 agree by chance */
    assert_int_equal(bfn__exec_forward(exec, 2, x, t, again), BFN_OK);
    assert_memory_equal(again, y, sizeof y);
    bfn__exec_set_dropout(exec, 9, 2);
    assert_int_equal(bfn__exec_forward(exec, 2, x, t, again), BFN_OK);
    assert_true(memcmp(again, y, sizeof y) != 0);
    bfn__exec_no_dropout(exec);
    assert_int_equal(bfn__exec_forward(exec, 2, x, t, again), BFN_OK);
    for (size_t i = 0; i < 2 * COUNT; i++)
        assert_true(fabs((double)again[i] - 0.8411919906) < 1e-6);
    bfn__exec_destroy(exec);
    o.training = false; /* inference drops nothing */
    assert_int_equal(bfn__exec_create(ctx, &exec, net, &o), BFN_OK);
    assert_int_equal(bfn__exec_set_params(exec, nothing), BFN_OK);
    assert_int_equal(bfn__exec_forward(exec, 2, x, t, y), BFN_OK);
    for (size_t i = 0; i < 2 * COUNT; i++)
        assert_true(fabs((double)y[i] - 0.8411919906) < 1e-6);
    bfn__exec_destroy(exec);
    bfn__net_destroy(net);
    bfn_context_destroy(ctx);
}

/* A whole network with dropout trains and still agrees with itself. */
static void network_with_dropout(void **state)
{
    (void)state;
    bfn_context *ctx = open_context(NULL, 2);
    const bfn__option o[] = {{"n_layer", 1}, {"n_head", 2}, {"n_embd", 16}, {"seq_len", 8}, {"dropout", 0.2}};
    bfn__net *net;
    bfn__exec *exec;
    assert_int_equal(bfn__net_create(ctx, &net, "gpt", o, N(o)), BFN_OK);
    inputs x = make_inputs(net);
    float *out = calloc(BATCH * x.out, sizeof *out), *grads = calloc(x.arena, sizeof *grads);
    bfn__exec_options e = {.batch = BATCH, .training = true};
    assert_int_equal(bfn__exec_create(ctx, &exec, net, &e), BFN_OK);
    bfn__exec_set_dropout(exec, 4, 7);
    assert_int_equal(bfn__exec_set_params(exec, x.params), BFN_OK);
    assert_int_equal(bfn__exec_forward(exec, BATCH, x.shown, x.t, out), BFN_OK);
    assert_int_equal(bfn__exec_backward(exec, BATCH, x.d_out, grads, NULL), BFN_OK);
    /* directional derivative along the gradient, by differences of the float network itself */
    double loss[2] = {0.0, 0.0}, norm = bfn__grad_norm(ctx, net, grads), h = 1e-2 / norm;
    for (int side = 0; side < 2; side++) {
        float *moved = calloc(x.arena, sizeof *moved);
        for (size_t i = 0; i < x.arena; i++)
            moved[i] = x.params[i] + (float)((side == 0 ? h : -h) * (double)grads[i]);
        assert_int_equal(bfn__exec_set_params(exec, moved), BFN_OK);
        assert_int_equal(bfn__exec_forward(exec, BATCH, x.shown, x.t, out), BFN_OK);
        for (size_t i = 0; i < BATCH * x.out; i++)
            loss[side] += (double)out[i] * (double)x.d_out[i];
        free(moved);
    }
    double slope = (loss[0] - loss[1]) / (2.0 * h);
    if (!(fabs(slope - norm * norm) < 1e-2 * norm * norm))
        fail_msg("along the gradient: %g, its square is %g", slope, norm * norm);
    free(out);
    free(grads);
    free_inputs(&x);
    bfn__exec_destroy(exec);
    bfn__net_destroy(net);
    bfn_context_destroy(ctx);
}

static void builder_checks_shapes(void **state)
{
    (void)state;
    bfn_context *ctx = open_context(NULL, 1);
    for (int wrong = 0; wrong < 4; wrong++) {
        bfn__net *net;
        assert_int_equal(bfn__graph_create(ctx, &net, "test"), BFN_OK);
        int x = bfn__graph_input(net, 4, 6), y = bfn__graph_linear(net, x, "a", 5, 0.02, true);
        if (wrong == 0)
            (void)bfn__graph_add(net, x, y);
        if (wrong == 1)
            (void)bfn__graph_attention(net, y, 2, false);
        if (wrong == 2)
            (void)bfn__graph_add_position(net, x, bfn__graph_fixed(net, "p", 3, 6));
        if (wrong == 3)
            (void)bfn__graph_concat(net, x, bfn__graph_input(net, 3, 2));
        assert_int_equal(net->status, BFN_ERR_INTERNAL);
        assert_true(strlen(bfn_errmsg(ctx)) > 0);
        assert_int_equal(bfn__graph_linear(net, x, "b", 5, 0.02, true), 0); /* the failure sticks */
        bfn__net_destroy(net);
    }
    bfn_context_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_bits_for_any_batch_and_threads),
        cmocka_unit_test(same_bits_in_other_modes),
        cmocka_unit_test(modes_agree),
        cmocka_unit_test(same_gradients_for_any_threads),
        cmocka_unit_test(gradient_of_the_input_alone),
        cmocka_unit_test(misuse_is_reported),
        cmocka_unit_test(memory),
        cmocka_unit_test(buffers_are_reused),
        cmocka_unit_test(plans_do_not_overlap),
        cmocka_unit_test(dropout),
        cmocka_unit_test(network_with_dropout),
        cmocka_unit_test(builder_checks_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
