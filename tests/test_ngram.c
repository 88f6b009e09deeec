/* Interpolated n-grams: a Markov chain's entropy rate is found, the orders rank as they must, probabilities sum to one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/random.h"
#include "eval/ngram.h"

#include <math.h>
#include <stdlib.h>

enum { K = 3, T = 64, N = 4000 };

/* A chain whose next symbol is the last one + 1 with probability 0.8, else one of the other two. */
static void draw_chain(uint64_t sample, int32_t *out)
{
    double u[T];
    bfn__random_uniforms(5, sample, 3, 0, T, u);
    out[0] = (int32_t)(u[0] * K);
    for (size_t i = 1; i < T; i++)
        out[i] = (out[i - 1] + (u[i] < 0.8 ? 1 : u[i] < 0.9 ? 2 : 0)) % K;
}

static bfn__ngram *fitted(bfn_context *ctx)
{
    bfn__ngram *model;
    assert_int_equal(bfn__ngram_create(ctx, &model, K), BFN_OK);
    int32_t *held_out = calloc((size_t)N / 10 * T, sizeof *held_out), sequence[T];
    assert_non_null(held_out);
    for (uint64_t s = 0; s < N; s++) {
        draw_chain(s, sequence);
        bfn__ngram_count(model, sequence, T);
    }
    for (uint64_t s = 0; s < N / 10; s++)
        draw_chain(N + s, held_out + s * T);
    bfn__ngram_fit(model, held_out, N / 10, T);
    free(held_out);
    return model;
}

static void finds_the_entropy_rate(void **state)
{
    (void)state;
    bfn_context *ctx;
    assert_int_equal(bfn_context_create(&ctx, NULL), BFN_OK);
    bfn__ngram *model = fitted(ctx);
    double bits[3] = {0.0};
    for (uint64_t s = 0; s < N / 4; s++) {
        int32_t sequence[T];
        draw_chain(2 * N + s, sequence);
        for (int order = 1; order <= 3; order++)
            bits[order - 1] += bfn__ngram_bits(model, order, sequence, T) / (N / 4 * T);
    }
    double rate = -(0.8 * log2(0.8) + 0.2 * log2(0.1));
    double expected = ((T - 1) * rate + log2(K)) / T;
    assert_true(fabs(bits[0] - log2(K)) < 0.01);
    assert_true(fabs(bits[1] - expected) < 0.015); /* standard error 0.005 */
    assert_true(fabs(bits[2] - bits[1]) < 0.003);
    bfn__ngram_destroy(model);
    bfn_context_destroy(ctx);
}

static void sums_to_one(void **state)
{
    (void)state;
    bfn_context *ctx;
    assert_int_equal(bfn_context_create(&ctx, NULL), BFN_OK);
    bfn__ngram *model = fitted(ctx);
    for (int order = 1; order <= 3; order++) {
        double sum = 0.0;
        for (int32_t a = 0; a < K * K * K; a++) {
            const int32_t sequence[3] = {a / 9, a / 3 % 3, a % 3};
            sum += exp2(-bfn__ngram_bits(model, order, sequence, 3));
        }
        assert_true(fabs(sum - 1.0) < 1e-6);
    }
    bfn__ngram_destroy(model);
    bfn_context_destroy(ctx);
}

static void refuses_silly_alphabets(void **state)
{
    (void)state;
    bfn_context *ctx;
    bfn__ngram *model;
    assert_int_equal(bfn_context_create(&ctx, NULL), BFN_OK);
    assert_int_equal(bfn__ngram_create(ctx, &model, 1), BFN_ERR_ARGUMENT);
    assert_int_equal(bfn__ngram_create(ctx, &model, 4000), BFN_ERR_ARGUMENT);
    bfn_context_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_entropy_rate),
        cmocka_unit_test(sums_to_one),
        cmocka_unit_test(refuses_silly_alphabets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
