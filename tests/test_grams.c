/* Counts of short runs against counting by hand: totals, divergence, what follows a context, pieces that overlap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/random.h"
#include "eval/grams.h"

#include <math.h>
#include <string.h>

enum { N = 3000, K = 3 };

static bfn_context *ctx;

static int set_up(void **state)
{
    (void)state;
    return bfn_context_create(&ctx, NULL) != BFN_OK;
}

static int tear_down(void **state)
{
    (void)state;
    bfn_context_destroy(ctx);
    return 0;
}

static void draw_text(uint64_t seed, size_t n, uint16_t *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (uint16_t)bfn__random_below(seed, 0, 3, i, i % 2 == 0 ? K : 2);
}

static bfn__grams *count_whole(const uint16_t *text, size_t n)
{
    bfn__grams *g;
    assert_int_equal(bfn__grams_create(ctx, &g), BFN_OK);
    assert_int_equal(bfn__grams_add(g, text, n, n), BFN_OK);
    assert_int_equal(bfn__grams_finish(g), BFN_OK);
    return g;
}

static size_t power(size_t n)
{
    size_t p = 1;
    for (size_t i = 0; i < n; i++)
        p *= K;
    return p;
}

/* Frequencies of all K^order runs. */
static void frequencies(const uint16_t *text, size_t n, size_t order, double *f)
{
    memset(f, 0, power(order) * sizeof *f);
    for (size_t i = 0; i + order <= n; i++) {
        size_t index = 0;
        for (size_t k = 0; k < order; k++)
            index = index * K + text[i + k];
        f[index] += 1.0 / (double)(n - order + 1);
    }
}

static double entropy(const double *p, size_t n)
{
    double h = 0.0;
    for (size_t i = 0; i < n; i++)
        h -= p[i] > 0.0 ? p[i] * log2(p[i]) : 0.0;
    return h;
}

static void divergence_is_the_definition(void **state)
{
    (void)state;
    static uint16_t a[N], b[N / 2];
    static double p[243], q[243], m[243];
    draw_text(1, N, a);
    draw_text(2, N / 2, b);
    bfn__grams *ga = count_whole(a, N), *gb = count_whole(b, N / 2);
    for (int order = 1; order <= BFN__GRAM_ORDERS; order++) {
        size_t n = power((size_t)order);
        frequencies(a, N, (size_t)order, p);
        frequencies(b, N / 2, (size_t)order, q);
        for (size_t i = 0; i < n; i++)
            m[i] = 0.5 * (p[i] + q[i]);
        double wanted = entropy(m, n) - 0.5 * entropy(p, n) - 0.5 * entropy(q, n);
        assert_true(wanted > 1e-4);
        assert_true(fabs(bfn__grams_divergence(ga, gb, order) - wanted) < 1e-12);
        assert_true(fabs(bfn__grams_divergence(gb, ga, order) - wanted) < 1e-12);
        assert_true(bfn__grams_divergence(ga, ga, order) == 0.0);
        assert_int_equal(bfn__grams_total(ga, order), N - order + 1);
    }
    bfn__grams_destroy(ga);
    bfn__grams_destroy(gb);
}

static void extremes(void **state)
{
    (void)state;
    const uint16_t low[6] = {0, 1, 0, 1, 0, 1}, high[6] = {700, 701, 700, 701, 700, 701};
    bfn__grams *a = count_whole(low, 6), *b = count_whole(high, 6), *none = count_whole(low, 0);
    for (int order = 1; order <= BFN__GRAM_ORDERS; order++) {
        assert_true(fabs(bfn__grams_divergence(a, b, order) - 1.0) < 1e-12);
        assert_true(isnan(bfn__grams_divergence(a, none, order)));
        assert_int_equal(bfn__grams_different(a, order), 2);
    }
    assert_int_equal(bfn__grams_next(none, low, 3, 0.5), BFN__GRAM_OTHER - 1);
    bfn__grams_destroy(a);
    bfn__grams_destroy(b);
    bfn__grams_destroy(none);
}

/* Strings of their own leave their last runs short; pieces that overlap give what the whole gives. */
static void pieces(void **state)
{
    (void)state;
    static uint16_t text[N];
    draw_text(3, N, text);
    bfn__grams *whole = count_whole(text, N), *cut, *strings;
    assert_int_equal(bfn__grams_create(ctx, &cut), BFN_OK);
    assert_int_equal(bfn__grams_create(ctx, &strings), BFN_OK);
    for (size_t at = 0; at < N; at += 500) {
        size_t n = N - at < 500 + BFN__GRAM_ORDERS - 1 ? N - at : 500 + BFN__GRAM_ORDERS - 1;
        assert_int_equal(bfn__grams_add(cut, text + at, 500, n), BFN_OK);
        assert_int_equal(bfn__grams_add(strings, text + at, 500, 500), BFN_OK);
    }
    assert_int_equal(bfn__grams_finish(cut), BFN_OK);
    assert_int_equal(bfn__grams_finish(strings), BFN_OK);
    for (int order = 1; order <= BFN__GRAM_ORDERS; order++) {
        assert_true(bfn__grams_divergence(whole, cut, order) == 0.0);
        assert_int_equal(bfn__grams_total(cut, order), N - order + 1);
        assert_int_equal(bfn__grams_total(strings, order), N - 6 * (order - 1));
    }
    bfn__grams_destroy(whole);
    bfn__grams_destroy(cut);
    bfn__grams_destroy(strings);
}

/* Every symbol that can follow, as often as its frequency says; then contexts that never occurred. */
static void next_follows_the_counts(void **state)
{
    (void)state;
    static uint16_t text[N];
    draw_text(4, N, text);
    bfn__grams *g = count_whole(text, N);
    const uint16_t last[6] = {9, 9, 0, 1, 2, 1};
    for (size_t context = 0; context <= 4; context++) {
        double follow[K] = {0.0}, total = 0.0, got[K] = {0.0};
        for (size_t i = context; i < N; i++) {
            if (memcmp(text + i - context, last + 6 - context, context * sizeof *last) != 0)
                continue;
            follow[text[i]] += 1.0;
            total += 1.0;
        }
        /* the newest symbols of a context of 4 that the text lacks in full come from the shorter one */
        const uint16_t asked[5] = {context == 4 ? last[2] : 9, last[3], last[4], last[5], 0};
        size_t n_asked = context == 4 ? 4 : context;
        const uint16_t *from = context == 4 ? asked : last + 6 - context;
        enum { DRAWS = 20000 };
        for (size_t j = 0; j < DRAWS; j++) {
            uint16_t symbol = bfn__grams_next(g, from, n_asked, ((double)j + 0.5) / DRAWS);
            assert_true(symbol < K);
            got[symbol] += 1.0 / DRAWS;
        }
        assert_true(total > 5.0);
        for (size_t k = 0; k < K; k++)
            assert_true(fabs(got[k] - follow[k] / total) < 1e-4);
    }
    const uint16_t unseen[3] = {9, 9, 1}, shorter[1] = {1};
    for (size_t j = 0; j < 100; j++) {
        double u = ((double)j + 0.5) / 100.0;
        assert_int_equal(bfn__grams_next(g, unseen, 3, u), bfn__grams_next(g, shorter, 1, u));
    }
    bfn__grams_destroy(g);
}

/* More different runs than the first table holds; symbols at the edge of what a digit can say. */
static void large_alphabet(void **state)
{
    (void)state;
    static uint16_t text[20000];
    for (size_t i = 0; i < 20000; i++)
        text[i] = (uint16_t)bfn__random_below(6, 0, 3, i, 65536);
    bfn__grams *g = count_whole(text, 20000);
    size_t ordinary = 0;
    static bool seen[65536];
    for (size_t i = 0; i < 20000; i++) {
        uint16_t symbol = text[i] < BFN__GRAM_OTHER - 1 ? text[i] : BFN__GRAM_OTHER - 1;
        ordinary += !seen[symbol];
        seen[symbol] = true;
    }
    assert_int_equal(bfn__grams_different(g, 1), ordinary);
    assert_int_equal(bfn__grams_total(g, 5), 19996);
    bfn__grams_destroy(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(divergence_is_the_definition), cmocka_unit_test(extremes),       cmocka_unit_test(pieces),
        cmocka_unit_test(next_follows_the_counts),      cmocka_unit_test(large_alphabet),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
