/* test_nn.c: the transformer against plain loops in double, for all its options and odd sizes.
 *
 * Forward must agree with the loops; gradients (parameters and input) with central differences of the loops, at a few
 * places of every parameter. So each operation's backward is checked through the networks that use it.
 */
#include "helper_gpt.h"
#include "nn/graph.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PLACES = 4 };

typedef struct fixture {
    bfn_context *ctx;
    bfn__net *net;
    bfn__exec *exec;
    size_t B, n_in, n_out, arena;
    float *params, *grads, *shown, *d_shown, *out, *d_out;
    double *params64, *shown64, *t;
    uint64_t random;
} fixture;

static double uniform(fixture *f) /* in [-1, 1) */
{
    f->random = f->random * 6364136223846793005u + 1442695040888963407u;
    return (double)(f->random >> 11) / 4503599627370496.0 - 1.0;
}

static float *random_floats(fixture *f, size_t n, double scale)
{
    float *x = calloc(n, sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(scale * uniform(f));
    return x;
}

static double *as_double(size_t n, const float *x)
{
    double *y = calloc(n, sizeof *y);
    assert_non_null(y);
    for (size_t i = 0; i < n; i++)
        y[i] = (double)x[i];
    return y;
}

static float *zeros(size_t n)
{
    return calloc(n > 0 ? n : 1, sizeof(float));
}

static void open_fixture(fixture *f, const bfn__option *options, size_t n_options, size_t B)
{
    memset(f, 0, sizeof *f);
    f->random = 7;
    f->B = B;
    assert_int_equal(bfn_context_create(&f->ctx, NULL), BFN_OK);
    if (bfn__net_create(f->ctx, &f->net, "gpt", options, n_options) != BFN_OK)
        fail_msg("%s", bfn_errmsg(f->ctx));
    bfn__exec_options o = {.batch = B + 1, .training = true};
    assert_int_equal(bfn__exec_create(f->ctx, &f->exec, f->net, &o), BFN_OK);
    f->arena = bfn__net_arena(f->net);
    f->n_in = B * bfn__net_shown_size(f->net);
    f->n_out = B * bfn__net_output_size(f->net);
    f->params = zeros(f->arena);
    bfn__net_init(f->net, 3, f->params);
    for (size_t i = 0; i < bfn__net_n_params(f->net); i++) { /* nothing may hide behind a zero or a one */
        const bfn__param *p = bfn__net_param(f->net, i);
        for (size_t j = 0; p->trained && j < p->count; j++)
            f->params[p->offset + j] += (float)(0.3 * uniform(f));
    }
    f->grads = zeros(f->arena);
    f->shown = random_floats(f, f->n_in, 1.0);
    for (size_t i = 0; net_option(f->net, "log_skip") != 0.0 && i < f->n_in; i++)
        f->shown[i] = 0.1f + fabsf(f->shown[i]);
    f->d_shown = zeros(f->n_in);
    f->out = zeros(f->n_out);
    f->d_out = random_floats(f, f->n_out, 1.0);
    f->params64 = as_double(f->arena, f->params);
    f->shown64 = as_double(f->n_in, f->shown);
    f->t = calloc(B, sizeof *f->t);
    for (size_t i = 0; i < B; i++)
        f->t[i] = 0.5 + 0.5 * uniform(f);
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
    free(f->out);
    free(f->d_out);
    free(f->params64);
    free(f->shown64);
    free(f->t);
}

static void naive_outputs(const fixture *f, double *out)
{
    for (size_t i = 0; i < f->B; i++)
        naive_gpt(f->net, f->params64, f->shown64 + i * f->n_in / f->B, f->t[i], out + i * f->n_out / f->B);
}

/* sum(y dy) of the loops */
static double naive_loss(const fixture *f)
{
    double *out = calloc(f->n_out, sizeof *out), loss = 0.0;
    assert_non_null(out);
    naive_outputs(f, out);
    for (size_t i = 0; i < f->n_out; i++)
        loss += out[i] * (double)f->d_out[i];
    free(out);
    return loss;
}

static double slope(const fixture *f, double *at)
{
    const double h = 1e-5, before = *at;
    *at = before + h;
    double up = naive_loss(f);
    *at = before - h;
    double down = naive_loss(f);
    *at = before;
    return (up - down) / (2.0 * h);
}

static void check_forward(fixture *f)
{
    double *want = calloc(f->n_out, sizeof *want), scale = 0.0, worst = 0.0;
    naive_outputs(f, want);
    assert_int_equal(bfn__exec_forward(f->exec, f->B, f->shown, f->t, f->out), BFN_OK);
    for (size_t i = 0; i < f->n_out; i++) {
        scale = fmax(scale, fabs(want[i]));
        double d = fabs((double)f->out[i] - want[i]);
        worst = isnan(d) ? (double)INFINITY : fmax(worst, d);
    }
    if (!(worst <= 1e-5 * scale))
        fail_msg("forward is off by %g of %g", worst, scale);
    free(want);
}

/* A few places of `n` gradients against differences. The scale of what is compared: the largest gradient of the tensor. */
static void check_gradients(fixture *f, const char *name, size_t n, const float *grads, double *values)
{
    double scale = 1e-3;
    for (size_t i = 0; i < n; i++)
        scale = fmax(scale, fabs((double)grads[i]));
    for (size_t j = 0; j < PLACES; j++) {
        size_t i = (size_t)((0.5 + 0.5 * uniform(f)) * (double)n);
        double want = slope(f, &values[i]);
        if (!(fabs((double)grads[i] - want) <= 3e-5 * scale))
            fail_msg("%s[%zu]: gradient %.9g, differences give %.9g (largest %g)", name, i, (double)grads[i], want,
                     scale);
    }
}

static void check_network(const bfn__option *options, size_t n, size_t B)
{
    fixture f;
    open_fixture(&f, options, n, B);
    check_forward(&f);
    assert_int_equal(bfn__exec_backward(f.exec, B, f.d_out, f.grads, f.d_shown), BFN_OK);
    for (size_t i = 0; i < bfn__net_n_params(f.net); i++) {
        const bfn__param *p = bfn__net_param(f.net, i);
        if (p->trained)
            check_gradients(&f, p->name, p->count, f.grads + p->offset, f.params64 + p->offset);
    }
    check_gradients(&f, "shown", f.n_in, f.d_shown, f.shown64);
    /* gradients are added to; without d_shown they are the same */
    float *once = calloc(f.arena, sizeof *once);
    memcpy(once, f.grads, f.arena * sizeof *once);
    assert_int_equal(bfn__exec_forward(f.exec, B, f.shown, f.t, f.out), BFN_OK);
    assert_int_equal(bfn__exec_backward(f.exec, B, f.d_out, f.grads, NULL), BFN_OK);
    for (size_t i = 0; i < f.arena; i++)
        if (!(fabs((double)f.grads[i] - 2.0 * (double)once[i]) <= 1e-5 * fmax(1.0, fabs((double)once[i]))))
            fail_msg("gradient %zu: %g after one pass, %g after two", i, (double)once[i], (double)f.grads[i]);
    free(once);
    close_fixture(&f);
}

#define N(array) (sizeof(array) / sizeof *(array))

static void small_network(void **state)
{
    (void)state;
    const bfn__option o[] = {{"n_layer", 2}, {"n_head", 3}, {"n_embd", 12}, {"seq_len", 7}, {"vocab_size", 5}};
    check_network(o, N(o), 3);
}

static void without_bias_and_skip(void **state)
{
    (void)state;
    const bfn__option o[] = {{"n_layer", 2},    {"n_head", 1}, {"n_embd", 10}, {"seq_len", 5},
                             {"vocab_size", 3}, {"bias", 0},   {"skip", 0}};
    check_network(o, N(o), 2);
}

static void learned_positions(void **state)
{
    (void)state;
    const bfn__option o[] = {{"n_layer", 1}, {"n_head", 2},     {"n_embd", 6},
                             {"seq_len", 9}, {"vocab_size", 4}, {"learn_pos_embedding", 1}};
    check_network(o, N(o), 2);
}

static void causal_network(void **state)
{
    (void)state;
    const bfn__option o[] = {{"n_layer", 2},    {"n_head", 2},    {"n_embd", 8}, {"seq_len", 70},
                             {"vocab_size", 4}, {"is_causal", 1}, {"skip", 1}};
    check_network(o, N(o), 1);
}

/* The logarithm of what is shown is added to the logits; a probability of zero is no minus infinity. */
static void log_of_input(void **state)
{
    (void)state;
    const bfn__option o[] = {{"n_layer", 1}, {"n_head", 2},     {"n_embd", 8},
                             {"seq_len", 6}, {"vocab_size", 4}, {"log_skip", 1}};
    check_network(o, N(o), 3);
    fixture f;
    open_fixture(&f, o, N(o), 1);
    f.shown[5] = 0.0f;
    f.shown64[5] = 0.0;
    check_forward(&f);
    assert_true(f.out[5] < -60.0f);
    close_fixture(&f);
}

static void two_classes(void **state)
{
    (void)state;
    const bfn__option o[] = {{"n_layer", 1}, {"n_head", 3}, {"n_embd", 9}, {"seq_len", 11}, {"vocab_size", 2}};
    check_network(o, N(o), 2);
}

/* Several tiles of rows and of columns, several blocks of attention, padded row strides. */
static void many_tiles(void **state)
{
    (void)state;
    const bfn__option o[] = {{"n_layer", 1}, {"n_head", 2}, {"n_embd", 128}, {"seq_len", 131}, {"vocab_size", 5}};
    fixture f;
    open_fixture(&f, o, N(o), 1);
    check_forward(&f);
    assert_int_equal(bfn__exec_backward(f.exec, 1, f.d_out, f.grads, f.d_shown), BFN_OK);
    const char *names[] = {"transformer.h.0.attn.c_attn.weight", "transformer.h.0.mlp.c_proj.weight",
                           "transformer.h.0.mlp.c_fc.bias", "transformer.h.0.ln_1.weight"};
    for (size_t j = 0; j < N(names); j++) {
        const bfn__param *p = bfn__net_find(f.net, names[j]);
        assert_non_null(p);
        check_gradients(&f, p->name, p->count, f.grads + p->offset, f.params64 + p->offset);
    }
    close_fixture(&f);
}

/* ---- what a net says about itself ---- */

static void description(void **state)
{
    (void)state;
    bfn_context *ctx;
    bfn__net *net;
    assert_int_equal(bfn_context_create(&ctx, NULL), BFN_OK);
    assert_int_equal(bfn__net_create(ctx, &net, "gpt", NULL, 0), BFN_OK);
    assert_int_equal(bfn__net_positions(net), 256);
    assert_int_equal(bfn__net_shown_size(net), 256 * 27);
    assert_int_equal(bfn__net_output_size(net), 256 * 27);
    /* products a sample: 12 E^2 a position and block, 2 T E a position and block of attention, ends */
    double E = 768, T = 256, V = 27, products = T * (24 * (12 * E * E + 2 * T * E) + V * E + 2 * V * E) + E;
    assert_true(fabs(bfn__net_flops(net) - 2.0 * products) < 1.0);
    size_t end = 0;
    for (size_t i = 0; i < bfn__net_n_params(net); i++) {
        const bfn__param *p = bfn__net_param(net, i);
        assert_true(p->offset % 16 == 0 && p->offset >= end);
        end = p->offset + p->count;
        assert_int_equal(p->decay, p->rank == 2 && p->trained);
    }
    assert_true(end <= bfn__net_arena(net));
    assert_false(bfn__net_find(net, "input_adapter.pos_embedding")->trained);
    assert_int_equal(bfn__net_find(net, "lm_head.weight")->shape[1], 2 * 768);
    bfn__net_destroy(net);
    const bfn__option o[] = {{"bias", 0}, {"learn_pos_embedding", 1}, {"is_causal", 1}, {"vocab_size", 2}};
    assert_int_equal(bfn__net_create(ctx, &net, "gpt", o, N(o)), BFN_OK);
    assert_null(bfn__net_find(net, "lm_head.bias"));
    assert_null(bfn__net_find(net, "transformer.ln_f.bias"));
    assert_null(bfn__net_find(net, "input_adapter.pos_embedding"));
    assert_non_null(bfn__net_find(net, "input_adapter.inp_embedding.bias"));
    assert_false(bfn__net_find(net, "input_adapter.pos_embedding.weight")->decay);
    assert_int_equal(bfn__net_find(net, "input_adapter.inp_embedding.weight")->shape[1], 1);
    assert_int_equal(bfn__net_find(net, "lm_head.weight")->shape[0], 1);
    assert_int_equal(bfn__net_find(net, "lm_head.weight")->shape[1], 768);
    assert_true(net_option(net, "skip") == 0.0);
    bfn__net_destroy(net);
    bfn_context_destroy(ctx);
}

static void initial_values(void **state)
{
    (void)state;
    bfn_context *ctx;
    bfn__net *net;
    const bfn__option o[] = {{"n_layer", 2}, {"n_head", 2}, {"n_embd", 64}, {"seq_len", 8}};
    assert_int_equal(bfn_context_create(&ctx, NULL), BFN_OK);
    assert_int_equal(bfn__net_create(ctx, &net, "gpt", o, N(o)), BFN_OK);
    float *a = calloc(bfn__net_arena(net), sizeof *a), *b = calloc(bfn__net_arena(net), sizeof *b);
    bfn__net_init(net, 1, a);
    bfn__net_init(net, 1, b);
    assert_memory_equal(a, b, bfn__net_arena(net) * sizeof *a);
    bfn__net_init(net, 2, b);
    for (size_t i = 0; i < bfn__net_n_params(net); i++) {
        const bfn__param *p = bfn__net_param(net, i);
        double squares = 0.0, size = (double)p->count, want = 0.02;
        bool differs = memcmp(a + p->offset, b + p->offset, p->count * sizeof *a) != 0;
        for (size_t j = 0; j < p->count; j++)
            squares += (double)a[p->offset + j] * (double)a[p->offset + j];
        if (strstr(p->name, "c_proj.weight") != NULL)
            want = 0.02 / sqrt(4.0);
        if (strstr(p->name, ".ln_") != NULL && p->init == BFN__INIT_ONE)
            want = 1.0;
        if (strstr(p->name, "bias") != NULL)
            want = 0.0;
        if (p->trained)
            assert_true(fabs(sqrt(squares / size) - want) <= want * 3.5 / sqrt(2.0 * size) + 1e-7);
        assert_int_equal(differs, p->trained && want != 0.0 && want != 1.0);
    }
    const float *positions = a + bfn__net_find(net, "input_adapter.pos_embedding")->offset;
    assert_true(fabs((double)positions[3 * 64 + 2] - sin(3.0 / pow(1000.0, 2.0 / 64.0))) < 1e-6);
    assert_true(fabs((double)positions[3 * 64 + 5] - cos(3.0 / pow(1000.0, 5.0 / 64.0))) < 1e-6);
    free(a);
    free(b);
    bfn__net_destroy(net);
    bfn_context_destroy(ctx);
}

/* scaled_init: width decides the blocks' weights, and the prior theta = 1/V is embedded as zero. */
static void scaled_initial_values(void **state)
{
    (void)state;
    bfn_context *ctx;
    bfn__net *net;
    const bfn__option o[] = {{"n_layer", 2}, {"n_head", 2}, {"n_embd", 64}, {"seq_len", 8}, {"scaled_init", 1}};
    assert_int_equal(bfn_context_create(&ctx, NULL), BFN_OK);
    assert_int_equal(bfn__net_create(ctx, &net, "gpt", o, N(o)), BFN_OK);
    float *a = calloc(bfn__net_arena(net), sizeof *a);
    assert_non_null(a);
    bfn__net_init(net, 1, a);
    const bfn__param *attention = bfn__net_find(net, "transformer.h.1.attn.c_attn.weight");
    double squares = 0.0;
    for (size_t j = 0; j < attention->count; j++)
        squares += (double)a[attention->offset + j] * (double)a[attention->offset + j];
    assert_true(fabs(sqrt(squares / (double)attention->count) - 1.0 / 8.0) < 3e-3);
    const float *weight = a + bfn__net_find(net, "input_adapter.inp_embedding.weight")->offset;
    const float *bias = a + bfn__net_find(net, "input_adapter.inp_embedding.bias")->offset;
    for (size_t e = 0; e < 64; e++) {
        double sum = (double)bias[e];
        for (size_t v = 0; v < 27; v++)
            sum += (2.0 / 27.0 - 1.0) * (double)weight[e * 27 + v];
        assert_true(fabs(sum) < 1e-5 && bias[e] != 0.0f);
    }
    free(a);
    bfn__net_destroy(net);
    bfn_context_destroy(ctx);
}

/* q . k of one head for two positions whose content is zero. */
static double score(const bfn__net *net, const float *params, size_t h, size_t p, size_t q)
{
    const float *attention = params + bfn__net_find(net, "transformer.h.1.attn.c_attn.weight")->offset;
    const float *positions = params + bfn__net_find(net, "input_adapter.pos_embedding.weight")->offset;
    enum { E = 64, SIZE = 16 };
    double sum = 0.0;
    for (size_t row = h * SIZE; row < (h + 1) * SIZE; row++) {
        double query = 0.0, key = 0.0;
        for (size_t c = 0; c < SIZE; c++) {
            query += (double)attention[row * E + c] * (double)positions[p * E + c];
            key += (double)attention[(E + row) * E + c] * (double)positions[q * E + c];
        }
        sum += query * key;
    }
    return sum;
}

/* scaled_init with learned positions: head h looks at offset -1, 1, -2, 2. */
static void heads_look_at_neighbours(void **state)
{
    (void)state;
    static const int offset[4] = {-1, 1, -2, 2};
    bfn_context *ctx;
    bfn__net *net;
    const bfn__option o[] = {{"n_layer", 2},  {"n_head", 4},      {"n_embd", 64},
                             {"seq_len", 32}, {"scaled_init", 1}, {"learn_pos_embedding", 1}};
    assert_int_equal(bfn_context_create(&ctx, NULL), BFN_OK);
    assert_int_equal(bfn__net_create(ctx, &net, "gpt", o, N(o)), BFN_OK);
    float *a = calloc(bfn__net_arena(net), sizeof *a);
    assert_non_null(a);
    bfn__net_init(net, 1, a);
    for (size_t h = 0; h < 4; h++)
        for (size_t p = 2; p < 30; p++) {
            size_t best = 0;
            for (size_t q = 0; q < 32; q++)
                best = score(net, a, h, p, q) > score(net, a, h, p, best) ? q : best;
            assert_int_equal((int)best - (int)p, offset[h]);
        }
    free(a);
    bfn__net_destroy(net);
    bfn_context_destroy(ctx);
}

static void refused(bfn_context *ctx, const char *class_name, bfn__option o, const char *says)
{
    bfn__net *net;
    assert_int_equal(bfn__net_create(ctx, &net, class_name, &o, 1), BFN_ERR_ARGUMENT);
    assert_null(net);
    if (strstr(bfn_errmsg(ctx), says) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", bfn_errmsg(ctx), says);
}

static void wrong_options(void **state)
{
    (void)state;
    bfn_context *ctx;
    assert_int_equal(bfn_context_create(&ctx, NULL), BFN_OK);
    refused(ctx, "gtp", (bfn__option){"n_layer", 2}, "gpt");
    refused(ctx, "transformer", (bfn__option){"n_layer", 2}, "gpt");
    refused(ctx, "gpt", (bfn__option){"n_layers", 2}, "n_layer");
    refused(ctx, "gpt", (bfn__option){"something_else", 2}, "n_layer, n_head");
    refused(ctx, "gpt", (bfn__option){"n_layer", 0}, "n_layer: 0");
    refused(ctx, "gpt", (bfn__option){"n_layer", 1.5}, "whole number");
    refused(ctx, "gpt", (bfn__option){"n_layer", NAN}, "n_layer");
    refused(ctx, "gpt", (bfn__option){"n_head", 7}, "768");
    refused(ctx, "gpt", (bfn__option){"vocab_size", 1}, "from 2");
    refused(ctx, "gpt", (bfn__option){"dropout", 1.0}, "0.9");
    const bfn__option binary[] = {{"vocab_size", 2}, {"log_skip", 1}};
    bfn__net *net;
    assert_int_equal(bfn__net_create(ctx, &net, "gpt", binary, N(binary)), BFN_ERR_ARGUMENT);
    assert_non_null(strstr(bfn_errmsg(ctx), "log_skip"));
    bfn_context_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_network),
        cmocka_unit_test(without_bias_and_skip),
        cmocka_unit_test(learned_positions),
        cmocka_unit_test(causal_network),
        cmocka_unit_test(log_of_input),
        cmocka_unit_test(two_classes),
        cmocka_unit_test(many_tiles),
        cmocka_unit_test(description),
        cmocka_unit_test(initial_values),
        cmocka_unit_test(scaled_initial_values),
        cmocka_unit_test(heads_look_at_neighbours),
        cmocka_unit_test(wrong_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
