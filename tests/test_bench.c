/* bfn/bench.h: small networks are measured, numbers hang together, bad options are named. No test looks at how fast anything is. */
#include "base/base.h"
#include "bfn/bench.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static bfn_context *open_context(void)
{
    bfn_context *ctx;
    bfn_context_options o = BFN_CONTEXT_OPTIONS_INIT;
    o.n_threads = 2;
    assert_int_equal(bfn_context_create(&ctx, &o), BFN_OK);
    return ctx;
}

static bfn_bench_options tiny(int images, int training)
{
    bfn_bench_options o = BFN_BENCH_OPTIONS_INIT;
    o.images = images;
    o.training = training;
    o.batch = 2;
    o.seconds = 1e-3;
    o.n_layer = o.n_head = 1;
    o.n_embd = 16;
    o.seq_len = 12;
    o.n_blocks = 1;
    o.embedding_dim = 32;
    o.image_size = 8;
    return o;
}

static void networks(void **state)
{
    (void)state;
    bfn_context *ctx = open_context();
    for (int images = 0; images < 2; images++) {
        bfn_bench_result r[2];
        for (int training = 0; training < 2; training++) {
            bfn_bench_options o = tiny(images, training);
            if (bfn_bench_network(ctx, &o, &r[training]) != BFN_OK)
                fail_msg("%s", bfn_errmsg(ctx));
            assert_true(r[training].n_runs >= 2 && r[training].seconds_best > 0.0);
            assert_true(r[training].seconds_mean >= r[training].seconds_best);
            double rate = r[training].flops / r[training].seconds_best;
            assert_true(fabs(r[training].flops_per_second - rate) <= 1e-9 * rate);
            assert_true(fabs(r[training].tokens_per_second / r[training].samples_per_second - (images ? 192.0 : 12.0)) <
                        1e-6);
        }
        assert_true(fabs(r[1].flops - 3.0 * r[0].flops) <= 1e-9 * r[1].flops);
        assert_true(r[1].bytes > r[0].bytes && r[0].bytes > 4 * r[0].n_parameters);
        assert_int_equal(r[0].n_parameters, r[1].n_parameters);
    }
    bfn_context_destroy(ctx);
}

/* Convolutions count as the direct algorithm has them: 2 * 9 * in * out a pixel. */
static void flops_of_an_image_network(void **state)
{
    (void)state;
    bfn_context *ctx = open_context();
    bfn_bench_options o = tiny(1, 0);
    bfn_bench_result r;
    assert_int_equal(bfn_bench_network(ctx, &o, &r), BFN_OK);
    /* blocks: 1 down, 2 middle, 2 up; conv_in, conv_out, skips, attention (1x1 and products), output, conditioning */
    double C = 32, P = 64, conv = 9 * C * C,
           rows = P * (15 * 9 * C + 4 * conv + 2 * conv + 2 * (3 * conv + 2 * C * C) + conv + 4 * C * C + 2 * P * C +
                       35 * 3);
    double cond = C * 4 * C + 16 * C * C + 5 * 4 * C * C;
    assert_true(fabs(r.flops - 2.0 * 2.0 * (rows + cond)) < 1.0);
    bfn_context_destroy(ctx);
}

static void memory(void **state)
{
    (void)state;
    bfn_context *ctx = open_context();
    bfn_bench_memory_result r;
    assert_int_equal(bfn_bench_memory(ctx, 1e-3, &r), BFN_OK);
    assert_true(r.copy > 0.0 && r.groupnorm > 0.0);
    bfn_context_destroy(ctx);
}

static void bad_options(void **state)
{
    (void)state;
    bfn_context *ctx = open_context();
    bfn_bench_result r;
    bfn_bench_memory_result m;
    bfn_bench_options o = tiny(1, 0);
    o.embedding_dim = 34;
    assert_int_equal(bfn_bench_network(ctx, &o, &r), BFN_ERR_ARGUMENT);
    assert_non_null(strstr(bfn_errmsg(ctx), "norm_groups: 32"));
    o = tiny(1, 0);
    o.seconds = -1.0;
    assert_int_equal(bfn_bench_network(ctx, &o, &r), BFN_ERR_ARGUMENT);
    o = tiny(0, 0);
    o.struct_size = 8;
    assert_int_equal(bfn_bench_network(ctx, &o, &r), BFN_ERR_ARGUMENT);
    assert_int_equal(bfn_bench_memory(ctx, -1.0, &m), BFN_ERR_ARGUMENT);
    bfn_context_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(networks),
        cmocka_unit_test(flops_of_an_image_network),
        cmocka_unit_test(memory),
        cmocka_unit_test(bad_options),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
