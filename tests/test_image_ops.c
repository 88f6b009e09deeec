/* Operations on images, each in a small graph of its own, against plain loops in double: the output, and the gradients of all parameters and
 * of the input against central differences of the loops. Every graph is run with the fused epilogues that the engine makes of it, as
 * inference and as training, for a batch of several samples with different times and labels.
 */
#include "helper_graph.h"
#include "nn/ops.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BATCH = 3, PLACES = 6 };

typedef struct fixture {
    bfn_context *ctx;
    bfn__net *net;
    bfn__exec *exec;
    size_t n_in, n_out, arena;
    float *params, *grads, *shown, *d_shown, *out, *d_out;
    double *params64, *shown64, t[BATCH];
    int32_t labels[BATCH];
    uint64_t random;
} fixture;

static double uniform(fixture *f) /* in [-1, 1) */
{
    f->random = f->random * 6364136223846793005u + 1442695040888963407u;
    return (double)(f->random >> 11) / 4503599627370496.0 - 1.0;
}

static void *zeros(size_t n, size_t size)
{
    void *x = calloc(n > 0 ? n : 1, size);
    assert_non_null(x);
    return x;
}

static void fill(fixture *f, size_t n, float *x, double *x64)
{
    for (size_t i = 0; i < n; i++) {
        x[i] = (float)uniform(f);
        if (x64 != NULL)
            x64[i] = (double)x[i];
    }
}

static void compile(fixture *f, bool training)
{
    bfn__exec_destroy(f->exec);
    bfn__exec_options o = {.batch = BATCH + 1, .training = training};
    if (bfn__exec_create(f->ctx, &f->exec, f->net, &o) != BFN_OK)
        fail_msg("%s", bfn_errmsg(f->ctx));
    assert_int_equal(bfn__exec_set_params(f->exec, f->params), BFN_OK);
    bfn__exec_set_labels(f->exec, f->labels);
}

static void open_fixture(fixture *f, int (*build)(bfn__net *net))
{
    memset(f, 0, sizeof *f);
    f->random = 11;
    bfn_context_options one = BFN_CONTEXT_OPTIONS_INIT;
    one.n_threads = 1; /* so that inference cuts even small batches into pieces */
    assert_int_equal(bfn_context_create(&f->ctx, &one), BFN_OK);
    assert_int_equal(bfn__graph_create(f->ctx, &f->net, "test"), BFN_OK);
    bfn__graph_output(f->net, build(f->net));
    if (f->net->status != BFN_OK)
        fail_msg("%s", bfn_errmsg(f->ctx));
    f->arena = bfn__net_arena(f->net);
    f->n_in = BATCH * bfn__net_shown_size(f->net);
    f->n_out = BATCH * bfn__net_output_size(f->net);
    f->params = zeros(f->arena, sizeof(float));
    f->params64 = zeros(f->arena, sizeof(double));
    f->grads = zeros(f->arena, sizeof(float));
    f->shown = zeros(f->n_in, sizeof(float));
    f->shown64 = zeros(f->n_in, sizeof(double));
    f->d_shown = zeros(f->n_in, sizeof(float));
    f->out = zeros(f->n_out, sizeof(float));
    f->d_out = zeros(f->n_out, sizeof(float));
    fill(f, f->arena, f->params, f->params64);
    fill(f, f->n_in, f->shown, f->shown64);
    fill(f, f->n_out, f->d_out, NULL);
    for (size_t i = 0; i < BATCH; i++) {
        f->t[i] = 0.5 + 0.5 * uniform(f);
        f->labels[i] = (int32_t)i - 1;
    }
}

static void close_fixture(fixture *f)
{
    bfn__exec_destroy(f->exec);
    bfn__net_destroy(f->net);
    bfn_context_destroy(f->ctx);
    void *blocks[] = {f->params, f->grads, f->shown, f->d_shown, f->out, f->d_out, f->params64, f->shown64};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        free(blocks[i]);
}

static void naive_outputs(const fixture *f, double *out)
{
    for (size_t i = 0; i < BATCH; i++)
        naive_graph(f->net, f->params64, f->shown64 + i * f->n_in / BATCH, f->t[i], f->labels[i],
                    out + i * f->n_out / BATCH);
}

static double slope(const fixture *f, double *at)
{
    const double h = 1e-5, before = *at;
    double *out = zeros(f->n_out, sizeof *out), sum = 0.0;
    for (int side = 0; side < 2; side++) {
        *at = side == 0 ? before + h : before - h;
        naive_outputs(f, out);
        for (size_t i = 0; i < f->n_out; i++)
            sum += (side == 0 ? 1.0 : -1.0) * out[i] * (double)f->d_out[i];
    }
    *at = before;
    free(out);
    return sum / (2.0 * h);
}

static void check_forward(fixture *f, const double *want, const char *mode)
{
    double scale = 0.0, worst = 0.0;
    memset(f->out, 0x7f, f->n_out * sizeof *f->out);
    assert_int_equal(bfn__exec_forward(f->exec, BATCH, f->shown, f->t, f->out), BFN_OK);
    for (size_t i = 0; i < f->n_out; i++) {
        scale = fmax(scale, fabs(want[i]));
        double d = fabs((double)f->out[i] - want[i]);
        worst = isnan(d) ? (double)INFINITY : fmax(worst, d);
    }
    if (!(worst <= 4e-6 * scale))
        fail_msg("%s: forward is off by %g of %g", mode, worst, scale);
}

static void check_gradients(fixture *f, const char *name, size_t n, const float *grads, double *values)
{
    double scale = 1e-3;
    for (size_t i = 0; i < n; i++)
        scale = fmax(scale, fabs((double)grads[i]));
    for (size_t j = 0; j < PLACES; j++) {
        size_t i = (size_t)((0.5 + 0.5 * uniform(f)) * (double)n);
        double want = slope(f, &values[i]);
        if (!(fabs((double)grads[i] - want) <= 2e-5 * scale))
            fail_msg("%s[%zu]: gradient %.9g, differences give %.9g (largest %g)", name, i, (double)grads[i], want,
                     scale);
    }
}

/* For operations without a gradient: compiling them for training is refused. */
static void check_inference(int (*build)(bfn__net *net))
{
    fixture f;
    open_fixture(&f, build);
    double *want = zeros(f.n_out, sizeof *want);
    naive_outputs(&f, want);
    compile(&f, false);
    check_forward(&f, want, "inference");
    bfn__exec *training = NULL;
    bfn__exec_options o = {.batch = 1, .training = true};
    assert_int_equal(bfn__exec_create(f.ctx, &training, f.net, &o), BFN_ERR_ARGUMENT);
    assert_non_null(strstr(bfn_errmsg(f.ctx), "inference only"));
    assert_null(training);
    free(want);
    close_fixture(&f);
}

static void check(int (*build)(bfn__net *net))
{
    fixture f;
    open_fixture(&f, build);
    double *want = zeros(f.n_out, sizeof *want);
    naive_outputs(&f, want);
    compile(&f, false);
    check_forward(&f, want, "inference");
    compile(&f, true);
    check_forward(&f, want, "training");
    assert_int_equal(bfn__exec_backward(f.exec, BATCH, f.d_out, f.grads, f.d_shown), BFN_OK);
    for (size_t i = 0; i < bfn__net_n_params(f.net); i++) {
        const bfn__param *p = bfn__net_param(f.net, i);
        if (p->trained)
            check_gradients(&f, p->name, p->count, f.grads + p->offset, f.params64 + p->offset);
    }
    if (f.n_in > 0)
        check_gradients(&f, "shown", f.n_in, f.d_shown, f.shown64);
    free(want);
    close_fixture(&f);
}

/* A test for each graph: TEST(name) { build; return output; } */
#define TEST(name) TEST_WITH(check, name)
#define TEST_INFERENCE(name) TEST_WITH(check_inference, name)
#define TEST_WITH(check_it, name)                                                                                      \
    static int build_##name(bfn__net *net);                                                                            \
    static void name(void **state)                                                                                     \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        check_it(build_##name);                                                                                        \
    }                                                                                                                  \
    static int build_##name(bfn__net *net)

TEST(conv_of_odd_sizes)
{
    return bfn__graph_conv(net, bfn__graph_image(net, 5, 7, 3), "c", 5, 3, 1, false);
}

TEST(conv_with_stride)
{
    int x = bfn__graph_conv(net, bfn__graph_image(net, 6, 9, 3), "a", 4, 3, 2, false);
    return bfn__graph_conv(net, x, "b", 3, 1, 2, false);
}

TEST(conv_of_one_pixel)
{
    int x = bfn__graph_conv(net, bfn__graph_image(net, 1, 1, 4), "a", 3, 3, 1, false);
    return bfn__graph_conv(net, x, "b", 2, 1, 1, false);
}

/* Enough channels for the fast algorithm; sizes that its tiles do not divide. */
TEST(conv_of_many_channels)
{
    return bfn__graph_conv(net, bfn__graph_image(net, 9, 6, 40), "c", 35, 3, 1, false);
}

TEST(conv_of_many_channels_in_a_row)
{
    int x = bfn__graph_conv(net, bfn__graph_image(net, 8, 8, 3), "a", 32, 3, 1, false);
    x = bfn__graph_silu(net, x);
    return bfn__graph_conv(net, x, "b", 48, 3, 1, false);
}

TEST(conv_with_wide_filter)
{
    const bfn__window wide = {1, 7, 1, 0, 3}, tall = {5, 1, 1, 2, 0}, mixed = {2, 3, 3, 0, 1};
    int x = bfn__graph_conv_window(net, bfn__graph_image(net, 9, 8, 3), "a", 5, &wide, false);
    x = bfn__graph_conv_window(net, x, "b", 4, &tall, false);
    return bfn__graph_conv_window(net, x, "c", 3, &mixed, false);
}

/* No border: Winograd's algorithm, which assumes one, must not be taken. */
TEST(conv_without_border)
{
    const bfn__window valid = {3, 3, 1, 0, 0}, halved = {3, 3, 2, 0, 0};
    int x = bfn__graph_conv_window(net, bfn__graph_image(net, 11, 10, 16), "a", 16, &valid, false);
    return bfn__graph_conv_window(net, x, "b", 20, &halved, false);
}

/* x is read by both: the first ReLU must not overwrite it. */
TEST(relu)
{
    int x = bfn__graph_conv(net, bfn__graph_image(net, 5, 4, 3), "a", 7, 3, 1, false);
    int y = bfn__graph_conv(net, bfn__graph_relu(net, x), "b", 7, 3, 1, false);
    return bfn__graph_relu(net, bfn__graph_add(net, x, y));
}

TEST(mean_of_pixels)
{
    int x = bfn__graph_conv(net, bfn__graph_image(net, 5, 3, 3), "a", 6, 3, 1, false);
    return bfn__graph_linear(net, bfn__graph_mean(net, bfn__graph_relu(net, x)), "b", 4, 0.5, true);
}

TEST_INFERENCE(largest_under_a_window)
{
    const bfn__window valid = {3, 3, 2, 0, 0}, same = {3, 3, 1, 1, 1};
    int x = bfn__graph_window(net, bfn__graph_image(net, 9, 8, 5), &valid, true);
    return bfn__graph_window(net, x, &same, true);
}

TEST_INFERENCE(mean_under_a_window)
{
    const bfn__window same = {3, 3, 1, 1, 1}, odd = {2, 3, 2, 1, 0};
    int x = bfn__graph_window(net, bfn__graph_image(net, 4, 6, 5), &same, false);
    return bfn__graph_window(net, x, &odd, false);
}

/* Tiles of more than one chunk of the filters' gradient. */
TEST(conv_of_many_tiles)
{
    return bfn__graph_conv(net, bfn__graph_image(net, 27, 26, 16), "c", 17, 3, 1, false);
}

/* Two convolutions read one tensor: the gradient of the second is added to that of the first. */
TEST(conv_beside_conv)
{
    int x = bfn__graph_silu(net, bfn__graph_image(net, 6, 6, 20));
    int a = bfn__graph_conv(net, x, "a", 17, 3, 1, false), b = bfn__graph_conv(net, x, "b", 17, 3, 1, false);
    int c = bfn__graph_conv(net, x, "c", 17, 3, 2, false), d = bfn__graph_conv(net, x, "d", 17, 3, 2, false);
    int large = bfn__graph_average_pool(net, bfn__graph_add(net, a, b));
    return bfn__graph_add(net, large,
                          bfn__graph_average_pool(net, bfn__graph_upsample(net, bfn__graph_add(net, c, d))));
}

/* conv + row, then x + conv: both additions are epilogues. */
TEST(residual_block)
{
    int h = bfn__graph_conv(net, bfn__graph_image(net, 5, 4, 3), "in", 6, 3, 1, false);
    int row = bfn__graph_project(net, bfn__graph_time_waves(net, 7.0, 0.1, 6, BFN__WAVES_SIN_FIRST), "row", 2, 6, true,
                                 false);
    int x = bfn__graph_conv(net, bfn__graph_silu(net, h), "a", 6, 3, 1, false);
    x = bfn__graph_silu(net, bfn__graph_add(net, x, row));
    x = bfn__graph_conv(net, x, "b", 6, 3, 1, false);
    return bfn__graph_silu(net, bfn__graph_add(net, h, x));
}

TEST(residual_block_of_many_channels)
{
    int h = bfn__graph_conv(net, bfn__graph_image(net, 7, 4, 3), "in", 32, 3, 1, false);
    int row = bfn__graph_project(net, bfn__graph_time(net, 1.0, 0.1), "row", 2, 32, true, false);
    int x = bfn__graph_conv(net, bfn__graph_silu(net, h), "a", 32, 3, 1, false);
    x = bfn__graph_silu(net, bfn__graph_add(net, x, row));
    x = bfn__graph_conv(net, x, "b", 32, 3, 1, false);
    return bfn__graph_silu(net, bfn__graph_add(net, h, x));
}

/* The convolution is read twice: nothing may be fused into it. */
TEST(conv_with_two_readers)
{
    int h = bfn__graph_conv(net, bfn__graph_image(net, 4, 4, 3), "in", 6, 3, 1, false);
    return bfn__graph_add(net, bfn__graph_silu(net, h), h);
}

TEST(groupnorm)
{
    int x = bfn__graph_image(net, 5, 3, 12);
    return bfn__graph_groupnorm(net, x, "n", 3, -1, false);
}

TEST(groupnorm_with_silu)
{
    int x = bfn__graph_project(net, bfn__graph_image(net, 9, 9, 3), "p", 4, 40, true, false);
    x = bfn__graph_groupnorm(net, x, "n", 8, -1, true);
    return bfn__graph_add(net, x, bfn__graph_groupnorm(net, x, "m", 40, -1, true));
}

TEST(groupnorm_with_scale_and_shift)
{
    int x = bfn__graph_image(net, 4, 3, 6);
    int row = bfn__graph_project(net, bfn__graph_time_waves(net, 3.0, 0.2, 5, BFN__WAVES_COS_FIRST), "row", 2, 12, true,
                                 false);
    return bfn__graph_groupnorm(net, x, "n", 2, row, true);
}

TEST(upsample_and_pool)
{
    int x = bfn__graph_upsample(net, bfn__graph_conv(net, bfn__graph_image(net, 3, 5, 2), "a", 4, 3, 1, false));
    x = bfn__graph_conv(net, x, "b", 3, 3, 1, false);
    return bfn__graph_average_pool(net, x);
}

TEST(pool_of_odd_size)
{
    int x = bfn__graph_image(net, 5, 7, 3);
    int y = bfn__graph_average_pool(net, x); /* its gradient is added to the other's */
    int z = bfn__graph_average_pool(net, bfn__graph_silu(net, x));
    return bfn__graph_add(net, y, z);
}

TEST(attention_of_blocks)
{
    int x = bfn__graph_conv(net, bfn__graph_image(net, 4, 5, 3), "qkv", 18, 1, 1, false);
    return bfn__graph_attention_image(net, x, 2, false);
}

TEST(attention_of_heads)
{
    int x = bfn__graph_project(net, bfn__graph_image(net, 4, 5, 3), "qkv", 3, 18, true, false);
    return bfn__graph_attention_image(net, x, 3, true);
}

TEST(fourier_features)
{
    return bfn__graph_fourier_features(net, bfn__graph_image(net, 3, 2, 3), 1, 2);
}

TEST(encoded_values)
{
    return bfn__graph_encode_values(net, bfn__graph_image(net, 3, 2, 2), 40.0, 3);
}

TEST(columns_beside_an_image)
{
    int x = bfn__graph_image(net, 3, 4, 2);
    int row = bfn__graph_project(net, bfn__graph_time(net, 2.0, -1.0), "row", 2, 3, true, false);
    x = bfn__graph_concat(net, bfn__graph_concat(net, x, row), bfn__graph_silu(net, x));
    return bfn__graph_concat_param(net, x, bfn__graph_param(net, "p", 12, 5, BFN__INIT_NORMAL, 1.0, false));
}

TEST(labels)
{
    int x = bfn__graph_image(net, 16, 17, 3); /* more rows than a piece: each sample is run by itself */
    int row = bfn__graph_add(net, bfn__graph_time_waves(net, 2.0, 0.0, 4, BFN__WAVES_COS_FIRST),
                             bfn__graph_label(net, "label_emb", 5, 4));
    return bfn__graph_add(net, x, bfn__graph_project(net, bfn__graph_silu(net, row), "e", 2, 3, false, false));
}

/* Sums over many pixels that are far from zero: no digits may be lost. */
static int build_offset(bfn__net *net)
{
    int x = bfn__graph_affine(net, bfn__graph_image(net, 48, 48, 4), 0.01, 30.0);
    return bfn__graph_groupnorm(net, x, "n", 2, -1, false);
}

static void groupnorm_far_from_zero(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f, build_offset);
    for (size_t i = 0; i < f.n_in; i++) /* what the affine rounds away is no error of the normalisation */
        f.shown64[i] = ((double)(0.01f * f.shown[i] + 30.0f) - 30.0) / 0.01;
    double *want = zeros(f.n_out, sizeof *want), worst = 0.0;
    naive_outputs(&f, want);
    compile(&f, false);
    assert_int_equal(bfn__exec_forward(f.exec, BATCH, f.shown, f.t, f.out), BFN_OK);
    for (size_t i = 0; i < f.n_out; i++)
        worst = fmax(worst, fabs((double)f.out[i] - want[i]));
    if (!(worst < 1e-3))
        fail_msg("off by %g", worst);
    free(want);
    close_fixture(&f);
}

static int build_pool(bfn__net *net)
{
    return bfn__graph_average_pool(net,
                                   bfn__graph_project(net, bfn__graph_image(net, 3, 5, 2), "p", 2, 4, true, false));
}

/* What no output depends on has the gradient 0, whatever was in its memory. */
static void pool_clears_what_it_leaves_out(void **state)
{
    (void)state;
    fixture f;
    open_fixture(&f, build_pool);
    compile(&f, true);
    assert_int_equal(bfn__exec_forward(f.exec, BATCH, f.shown, f.t, f.out), BFN_OK);
    const bfn__value *x = &f.exec->values[f.exec->steps[f.exec->n_steps - 1].node.in[0]];
    for (size_t i = 0; i < BATCH * x->rows * x->grad_ld; i++)
        x->grad[i] = 7.0f;
    assert_int_equal(bfn__exec_backward(f.exec, BATCH, f.d_out, f.grads, f.d_shown), BFN_OK);
    for (size_t i = 0; i < BATCH; i++) /* the last column of pixels */
        for (size_t y = 0; y < 3; y++)
            for (size_t c = 0; c < 2; c++)
                assert_true(f.d_shown[((i * 3 + y) * 5 + 4) * 2 + c] == 0.0f);
    close_fixture(&f);
}

static int build_broken(bfn__net *net, int wrong)
{
    int x = bfn__graph_image(net, 3, 1, 6);
    switch (wrong) {
    case 0:
        return bfn__graph_groupnorm(net, x, "n", 4, -1, true);
    case 1:
        return bfn__graph_average_pool(net, x);
    case 2:
        return bfn__graph_conv(net, x, "c", 3, 5, 1, false);
    case 3:
        return bfn__graph_conv(net, bfn__graph_input(net, 4, 4), "c", 3, 3, 1, false);
    case 4:
        return bfn__graph_groupnorm(net, x, "n", 2, bfn__graph_time_waves(net, 1.0, 0.0, 6, BFN__WAVES_COS_FIRST),
                                    true);
    case 5:
        return bfn__graph_concat_param(net, x, bfn__graph_fixed(net, "p", 4, 4));
    case 6:
        return bfn__graph_upsample(net, bfn__graph_time(net, 1.0, 0.0));
    case 7:
        return bfn__graph_window(net, x, &(bfn__window){3, 3, 1, 0, 0}, true);
    case 8:
        return bfn__graph_conv_window(net, x, "c", 2, &(bfn__window){3, 1, 0, 0, 0}, false);
    default:
        return bfn__graph_image(net, (size_t)1 << 40, (size_t)1 << 40, 3);
    }
}

static void builders_check(void **state)
{
    (void)state;
    for (int wrong = 0; wrong < 10; wrong++) {
        bfn_context *ctx;
        bfn__net *net;
        assert_int_equal(bfn_context_create(&ctx, NULL), BFN_OK);
        assert_int_equal(bfn__graph_create(ctx, &net, "test"), BFN_OK);
        assert_int_equal(build_broken(net, wrong), 0);
        assert_int_not_equal(net->status, BFN_OK);
        assert_true(strlen(bfn_errmsg(ctx)) > 10);
        bfn__net_destroy(net);
        bfn_context_destroy(ctx);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conv_of_odd_sizes),
        cmocka_unit_test(conv_with_stride),
        cmocka_unit_test(conv_of_one_pixel),
        cmocka_unit_test(conv_of_many_channels),
        cmocka_unit_test(conv_of_many_channels_in_a_row),
        cmocka_unit_test(conv_with_wide_filter),
        cmocka_unit_test(conv_without_border),
        cmocka_unit_test(relu),
        cmocka_unit_test(mean_of_pixels),
        cmocka_unit_test(largest_under_a_window),
        cmocka_unit_test(mean_under_a_window),
        cmocka_unit_test(conv_of_many_tiles),
        cmocka_unit_test(conv_beside_conv),
        cmocka_unit_test(residual_block),
        cmocka_unit_test(residual_block_of_many_channels),
        cmocka_unit_test(conv_with_two_readers),
        cmocka_unit_test(groupnorm),
        cmocka_unit_test(groupnorm_with_silu),
        cmocka_unit_test(groupnorm_with_scale_and_shift),
        cmocka_unit_test(upsample_and_pool),
        cmocka_unit_test(pool_of_odd_size),
        cmocka_unit_test(attention_of_blocks),
        cmocka_unit_test(attention_of_heads),
        cmocka_unit_test(fourier_features),
        cmocka_unit_test(encoded_values),
        cmocka_unit_test(columns_beside_an_image),
        cmocka_unit_test(labels),
        cmocka_unit_test(groupnorm_far_from_zero),
        cmocka_unit_test(pool_clears_what_it_leaves_out),
        cmocka_unit_test(builders_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
