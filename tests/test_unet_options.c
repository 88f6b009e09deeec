/* Both U-Nets with the options that no recorded value covers, against plain loops in double (helper_unet_reference.c).
 *
 * Forward must agree with the loops. The gradients of sum(y dy) for the input and for every kind of parameter (names with the same
 * end are one kind) must agree with central differences of the loops along a random direction: g.v, where each element of v is +-1, is as
 * large as |g| on the average, so an error in any element of weight shows. Weights are drawn so that no layer is zero or saturated.
 */
#include "helper_unet_reference.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_OPTIONS = 64, MAX_KEY = 64, B = 2 };

static const int32_t labels[B] = {2, -1};

typedef struct fixture {
    bfn_context *ctx;
    bfn__net *net;
    bfn__exec *exec;
    char keys[MAX_OPTIONS][MAX_KEY];
    bfn__option options[MAX_OPTIONS];
    size_t n_options;
    unet_reference reference;
    reference_arena arena64;
    size_t arena, n_in, n_out; /* floats of parameters; of B inputs, B outputs */
    float *params, *grads, *shown, *d_shown, *out, *d_out;
    double *params64, *shown64, *out64;
    double t[B];
    uint64_t random;
} fixture;

static double uniform(fixture *f) /* in [-1, 1) */
{
    f->random = f->random * 6364136223846793005u + 1442695040888963407u;
    return (double)(f->random >> 11) / 4503599627370496.0 - 1.0;
}

static void *zeros(size_t n, size_t size)
{
    void *x = calloc(n, size);
    assert_non_null(x);
    return x;
}

/* "a=1 b=2" */
static size_t parse(const char *text, char keys[MAX_OPTIONS][MAX_KEY], bfn__option options[MAX_OPTIONS])
{
    size_t n = 0;
    for (const char *c = text; *c != '\0';) {
        assert_true(n < MAX_OPTIONS);
        size_t length = strcspn(c, "=");
        char *end;
        (void)snprintf(keys[n], MAX_KEY, "%.*s", (int)length, c);
        options[n].key = keys[n];
        options[n++].value = strtod(c + length + 1, &end);
        c = end + strspn(end, " ");
    }
    return n;
}

/* Weights of variance 1 / fan in; biases and factors of norms get a random part. */
static void draw_params(fixture *f)
{
    bfn__net_init(f->net, 3, f->params);
    for (size_t i = 0; i < bfn__net_n_params(f->net); i++) {
        const bfn__param *p = bfn__net_param(f->net, i);
        float *x = f->params + p->offset;
        double fan_in = (double)(p->count / p->shape[0]);
        for (size_t j = 0; p->trained && j < p->count; j++)
            x[j] = p->rank > 1 ? (float)(sqrt(3.0 / fan_in) * uniform(f)) : x[j] + (float)(0.3 * uniform(f));
    }
    for (size_t j = 0; j < f->arena; j++)
        f->params64[j] = (double)f->params[j];
}

static void open_fixture(fixture *f, const char *class_name, const char *options)
{
    memset(f, 0, sizeof *f);
    f->random = 11;
    assert_int_equal(bfn_context_create(&f->ctx, NULL), BFN_OK);
    f->n_options = parse(options, f->keys, f->options);
    if (bfn__net_create(f->ctx, &f->net, class_name, f->options, f->n_options) != BFN_OK)
        fail_msg("%s", bfn_errmsg(f->ctx));
    bfn__exec_options o = {.batch = B + 1, .training = true};
    if (bfn__exec_create(f->ctx, &f->exec, f->net, &o) != BFN_OK)
        fail_msg("%s", bfn_errmsg(f->ctx));
    f->arena = bfn__net_arena(f->net);
    f->n_in = B * bfn__net_shown_size(f->net);
    f->n_out = B * bfn__net_output_size(f->net);
    f->params = zeros(f->arena, sizeof(float));
    f->grads = zeros(f->arena, sizeof(float));
    f->params64 = zeros(f->arena, sizeof(double));
    f->shown = zeros(f->n_in, sizeof(float));
    f->d_shown = zeros(f->n_in, sizeof(float));
    f->shown64 = zeros(f->n_in, sizeof(double));
    f->out = zeros(f->n_out, sizeof(float));
    f->d_out = zeros(f->n_out, sizeof(float));
    f->out64 = zeros(f->n_out, sizeof(double));
    draw_params(f);
    for (size_t i = 0; i < f->n_in; i++)
        f->shown64[i] = (double)(f->shown[i] = (float)uniform(f));
    for (size_t i = 0; i < f->n_out; i++)
        f->d_out[i] = (float)uniform(f);
    for (size_t i = 0; i < B; i++)
        f->t[i] = 0.5 + 0.5 * uniform(f);
    f->arena64 = (reference_arena){f->net, f->params64};
    f->reference =
        (unet_reference){bfn__net_options(f->net), bfn__net_n_options(f->net), reference_arena_lookup, &f->arena64};
    assert_int_equal(bfn__exec_set_params(f->exec, f->params), BFN_OK);
    bfn__exec_set_labels(f->exec, labels);
}

static void close_fixture(fixture *f)
{
    bfn__exec_destroy(f->exec);
    bfn__net_destroy(f->net);
    bfn_context_destroy(f->ctx);
    free(f->params);
    free(f->grads);
    free(f->params64);
    free(f->shown);
    free(f->d_shown);
    free(f->shown64);
    free(f->out);
    free(f->d_out);
    free(f->out64);
}

static void run_reference(fixture *f)
{
    for (size_t i = 0; i < B; i++) {
        const double *shown = f->shown64 + i * (f->n_in / B);
        double *out = f->out64 + i * (f->n_out / B);
        if (strcmp(bfn__net_class(f->net), "unet_vdm") == 0)
            reference_unet_vdm(&f->reference, shown, f->t[i], out);
        else
            reference_unet_adm(&f->reference, shown, f->t[i], labels[i], out);
    }
}

static double reference_loss(fixture *f)
{
    double loss = 0.0;
    run_reference(f);
    for (size_t i = 0; i < f->n_out; i++)
        loss += f->out64[i] * (double)f->d_out[i];
    return loss;
}

/* f->out again, by a network compiled for inference: memory is used again there, and additions are made in place. */
static void infer(fixture *f)
{
    bfn__exec *exec;
    bfn__exec_options o = {.batch = B};
    memset(f->out, 0, f->n_out * sizeof *f->out);
    if (bfn__exec_create(f->ctx, &exec, f->net, &o) != BFN_OK || bfn__exec_set_params(exec, f->params) != BFN_OK)
        fail_msg("%s", bfn_errmsg(f->ctx));
    bfn__exec_set_labels(exec, labels);
    assert_int_equal(bfn__exec_forward(exec, B, f->shown, f->t, f->out), BFN_OK);
    bfn__exec_destroy(exec);
}

static double output_error(const fixture *f, double bound)
{
    double error = 0.0, scale = 0.0;
    for (size_t i = 0; i < f->n_out; i++) {
        double difference = fabs((double)f->out[i] - f->out64[i]);
        error = isnan(difference) ? (double)INFINITY : fmax(error, difference);
        scale = fmax(scale, fabs(f->out64[i]));
    }
    assert_true(scale > 0.05);
    if (!(error <= bound * scale))
        fail_msg("forward is off by %.2e of the largest output", error / scale);
    return error / scale;
}

/* Both ways of compiling. */
static double check_forward(fixture *f, double bound)
{
    run_reference(f);
    double error = output_error(f, bound);
    infer(f);
    return fmax(error, output_error(f, bound));
}

/* ---- gradients ---- */

/* Numbers of the arena or of the input that move together. */
typedef struct probe {
    double *x64;
    const float *grad;
    const bool *moves;
    size_t n;
    double step;
} probe;

/* |g.v - slope of the loops| / |g|; *norm: |g| */
static double slope_error(fixture *f, const probe *p, double *norm)
{
    double *v = zeros(p->n, sizeof *v), *kept = zeros(p->n, sizeof *kept), sum = 0.0, loss[2], squares = 0.0;
    memcpy(kept, p->x64, p->n * sizeof *kept);
    for (size_t i = 0; i < p->n; i++) {
        v[i] = p->moves[i] ? (uniform(f) < 0.0 ? -1.0 : 1.0) : 0.0;
        sum += v[i] * (double)p->grad[i];
        squares += v[i] * v[i] * (double)p->grad[i] * (double)p->grad[i];
    }
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < p->n; i++)
            p->x64[i] = kept[i] + (side == 0 ? p->step : -p->step) * v[i];
        loss[side] = reference_loss(f);
    }
    memcpy(p->x64, kept, p->n * sizeof *kept);
    free(v);
    free(kept);
    *norm = sqrt(squares);
    return fabs(sum - (loss[0] - loss[1]) / (2.0 * p->step));
}

/* The last three parts of a name: "input_blocks.1.0.in_layers.2.weight" is of kind "in_layers.2.weight". */
static const char *kind_of(const char *name)
{
    const char *c = name + strlen(name);
    for (int points = 0; c > name; c--)
        if (c[-1] == '.' && ++points == 3)
            break;
    return c;
}

/* Marks the parameters of i's kind; false where an earlier parameter is of this kind, or it is not trained. */
static bool mark_kind(const fixture *f, size_t i, bool *moves)
{
    const bfn__param *first = bfn__net_param(f->net, i);
    for (size_t k = 0; k < i; k++)
        if (strcmp(kind_of(bfn__net_param(f->net, k)->name), kind_of(first->name)) == 0)
            return false;
    memset(moves, 0, f->arena * sizeof *moves);
    for (size_t k = i; k < bfn__net_n_params(f->net) && first->trained; k++) {
        const bfn__param *p = bfn__net_param(f->net, k);
        if (strcmp(kind_of(p->name), kind_of(first->name)) == 0)
            memset(moves + p->offset, true, p->count * sizeof *moves);
    }
    return first->trained;
}

static double total_norm(const fixture *f)
{
    double squares = 0.0;
    for (size_t i = 0; i < f->arena; i++)
        squares += (double)f->grads[i] * (double)f->grads[i];
    return sqrt(squares);
}

static double check_slope(fixture *f, const probe *p, const char *name, double least, double bound)
{
    double norm, error = slope_error(f, p, &norm), scale = fmax(norm, least);
    if (!(error <= bound * scale))
        fail_msg("gradient of %s is off by %.2e, its norm is %.2e", name, error, norm);
    return error / scale;
}

/* Worst error of all kinds; gradients far below the whole's (a bias before a norm may have none at all) are measured with the whole. */
static double check_gradients(fixture *f, double bound, size_t *n_kinds)
{
    size_t n = f->arena > f->n_in ? f->arena : f->n_in;
    bool *moves = zeros(n, sizeof *moves);
    memset(moves, true, n * sizeof *moves);
    double least = 1e-3 * total_norm(f);
    const probe input = {f->shown64, f->d_shown, moves, f->n_in, 1e-7};
    double worst = check_slope(f, &input, "the input", 0.0, bound);
    const probe params = {f->params64, f->grads, moves, f->arena, 1e-6};
    for (size_t i = 0; i < bfn__net_n_params(f->net); i++) {
        if (!mark_kind(f, i, moves))
            continue;
        worst = fmax(worst, check_slope(f, &params, bfn__net_param(f->net, i)->name, least, bound));
        ++*n_kinds;
    }
    free(moves);
    return worst;
}

/* looser: how many times the usual bounds; above 1 where rounding of what a first layer gives is amplified by 2^6 turns. */
static void check_network(const char *class_name, const char *what, double looser, const char *options)
{
    static fixture f;
    size_t n_kinds = 0;
    open_fixture(&f, class_name, options);
    assert_int_equal(bfn__exec_forward(f.exec, B, f.shown, f.t, f.out), BFN_OK);
    double forward = check_forward(&f, 2e-5 * looser);
    assert_int_equal(bfn__exec_backward(f.exec, B, f.d_out, f.grads, f.d_shown), BFN_OK);
    double gradients = check_gradients(&f, 1e-4 * looser, &n_kinds);
    print_message("%-9s %-44s forward %.1e, gradients of %zu kinds %.1e\n", class_name, what, forward, n_kinds,
                  gradients);
    close_fixture(&f);
}

/* Forward alone. */
static void check_outputs(const char *class_name, const char *what, const char *options)
{
    static fixture f;
    open_fixture(&f, class_name, options);
    assert_int_equal(bfn__exec_forward(f.exec, B, f.shown, f.t, f.out), BFN_OK);
    print_message("%-9s %-44s forward %.1e\n", class_name, what, check_forward(&f, 2e-5));
    close_fixture(&f);
}

/* ---- the networks ---- */

static void vdm_published_width(void **state)
{
    (void)state;
    check_outputs("unet_vdm", "width of CIFAR-10's network",
                  "n_blocks=1 input_adapter.input_shape.0=10 input_adapter.input_shape.1=16");
}

static void adm_published_width(void **state)
{
    (void)state;
    check_outputs(
        "unet_adm", "width of MNIST's network",
        "image_size=10 in_channels=2 num_res_blocks=1 channel_mult.0=1 channel_mult.1=2 attention_resolutions.0=2 "
        "project_input=1 output_channels=1");
}

static void vdm_attention_everywhere(void **state)
{
    (void)state;
    check_network(
        "unet_vdm", "attention everywhere, 3 heads, 5 x 7", 1.0,
        "embedding_dim=12 n_blocks=2 norm_groups=3 n_attention_heads=3 attention_everywhere=1 output_height=2 "
        "input_adapter.input_shape.0=5 input_adapter.input_shape.1=7");
}

static void vdm_plain(void **state)
{
    (void)state;
    check_network("unet_vdm", "1 channel, 1 block, 9 x 4", 1.0,
                  "embedding_dim=10 n_blocks=1 norm_groups=5 use_fourier_features=0 input_channels=1 output_channels=1 "
                  "input_adapter.input_shape.0=9 input_adapter.input_shape.1=4");
}

static void vdm_adapter(void **state)
{
    (void)state;
    check_network("unet_vdm", "encoded time, positions, 2 to 5 channels, 4 x 7", 5.0,
                  "embedding_dim=14 n_blocks=1 norm_groups=2 n_attention_heads=2 input_channels=5 output_channels=2 "
                  "input_adapter.input_shape.0=4 input_adapter.input_shape.1=7 input_adapter.input_channels=2 "
                  "input_adapter.add_mask=1 input_adapter.mask_res=20 "
                  "input_adapter.add_pos_feats=1 input_adapter.n_freq_bands=3 input_adapter.value_res=16");
}

static void vdm_learned_positions(void **state)
{
    (void)state;
    check_network("unet_vdm", "learned positions, heads and groups of 1", 1.0,
                  "embedding_dim=8 n_blocks=1 norm_groups=8 n_attention_heads=8 use_fourier_features=0 image_size=4 "
                  "input_adapter.add_pos_feats=1 input_adapter.learn_pos_feats=1 input_adapter.pos_embed_size=5");
}

static void vdm_smallest(void **state)
{
    (void)state;
    check_network("unet_vdm", "one row of pixels, one band", 1.0,
                  "embedding_dim=4 n_blocks=1 norm_groups=1 use_fourier_features=0 output_channels=1 input_channels=1 "
                  "input_adapter.input_shape.0=1 input_adapter.input_shape.1=3 input_adapter.add_mask=1 "
                  "input_adapter.add_pos_feats=1 input_adapter.n_freq_bands=1");
}

static void adm_pool(void **state)
{
    (void)state;
    check_network("unet_adm", "pools, no skip, first level wider, other heads up", 1.0,
                  "model_channels=32 out_channels=7 num_res_blocks=1 channel_mult.0=2 channel_mult.1=2 image_size=4 "
                  "attention_resolutions.0=2 attention_resolutions.1=1 conv_resample=0 num_heads=2 "
                  "num_heads_upsample=8 skip=0 output_channels=3 output_height=2");
}

static void adm_scale_shift(void **state)
{
    (void)state;
    check_network("unet_adm", "scale and shift, classes, 4 x 8", 1.0,
                  "model_channels=32 out_channels=10 num_res_blocks=1 channel_mult.0=1 channel_mult.1=2 "
                  "input_adapter.input_shape.0=4 input_adapter.input_shape.1=8 attention_resolutions.0=0 num_heads=1 "
                  "use_scale_shift_norm=1 num_classes=3 project_input=1 output_channels=1");
}

static void adm_one_level(void **state)
{
    (void)state;
    check_network(
        "unet_adm", "one level, classes, learned positions, 3 x 5", 1.0,
        "model_channels=20 norm_groups=5 out_channels=32 num_res_blocks=2 channel_mult.0=1 attention_resolutions.0=0 "
        "num_classes=4 input_adapter.input_shape.0=3 input_adapter.input_shape.1=5 in_channels=3 "
        "input_adapter.add_pos_feats=1 input_adapter.learn_pos_feats=1 input_adapter.add_mask=0 "
        "output_channels=2");
}

static void adm_three_levels(void **state)
{
    (void)state;
    check_network(
        "unet_adm", "3 levels, encoded time, 4 x 12", 1.0,
        "model_channels=32 out_channels=5 num_res_blocks=1 channel_mult.0=1 channel_mult.1=1 channel_mult.2=2 "
        "input_adapter.input_shape.0=4 input_adapter.input_shape.1=12 attention_resolutions.0=2 num_heads=1 "
        "num_heads_upsample=32 input_adapter.mask_res=7 input_adapter.n_freq_bands=2 "
        "use_scale_shift_norm=1 output_channels=1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vdm_published_width),
        cmocka_unit_test(adm_published_width),
        cmocka_unit_test(vdm_attention_everywhere),
        cmocka_unit_test(vdm_plain),
        cmocka_unit_test(vdm_adapter),
        cmocka_unit_test(vdm_learned_positions),
        cmocka_unit_test(vdm_smallest),
        cmocka_unit_test(adm_pool),
        cmocka_unit_test(adm_scale_shift),
        cmocka_unit_test(adm_one_level),
        cmocka_unit_test(adm_three_levels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
