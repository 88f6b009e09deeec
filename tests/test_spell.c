/* Spelling accuracy: counts, clustered standard error, entropies and duplicates against numbers worked out by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "bfn/eval.h"

#include <math.h>
#include <string.h>

static bfn_context *ctx;
static bfn_speller *speller;

static int set_up(void **state)
{
    (void)state;
    return bfn_context_create(&ctx, NULL) != BFN_OK || bfn_speller_open(ctx, &speller, NULL) != BFN_OK;
}

static int tear_down(void **state)
{
    (void)state;
    bfn_speller_close(speller);
    bfn_context_destroy(ctx);
    return 0;
}

static void counts_words_and_edges(void **state)
{
    (void)state;
    const char *strings[] = {"the house is qzxv", "xq green  tree", "the house is qzxv"};
    bfn_spelling r;
    assert_int_equal(bfn_eval_spelling(speller, strings, 3, &r), BFN_OK);
    assert_int_equal(r.n_words, 11);
    assert_int_equal(r.n_correct, 8);
    assert_int_equal(r.n_inner_words, 5);
    assert_true(fabs(r.inner_accuracy - 1.0) < 1e-12);
    assert_int_equal(r.n_duplicates, 1);
    /* residuals c - p w with p = 8/11: 1/11, -2/11, 1/11 */
    double expected = sqrt(3.0 / 2.0 * 6.0) / 11.0 / 11.0;
    assert_true(fabs(r.standard_error - expected) < 1e-12);
}

static void entropies(void **state)
{
    (void)state;
    const char *strings[] = {"ab ab", "cd cd"};
    bfn_spelling r;
    assert_int_equal(bfn_eval_spelling(speller, strings, 2, &r), BFN_OK);
    assert_true(fabs(r.word_entropy - 1.0) < 1e-12);
    assert_true(fabs(r.character_entropy - log2(5.0)) < 1e-12);
}

static void nothing_to_count(void **state)
{
    (void)state;
    const char *strings[] = {"", "   "};
    bfn_spelling r;
    assert_int_equal(bfn_eval_spelling(speller, strings, 2, &r), BFN_OK);
    assert_int_equal(r.n_words, 0);
    assert_true(r.accuracy == 0.0 && r.standard_error == 0.0 && r.word_entropy == 0.0);
    assert_int_equal(bfn_eval_spelling(speller, strings, 0, &r), BFN_OK);
}

static void names_a_missing_dictionary(void **state)
{
    (void)state;
    bfn_speller *none;
    assert_int_equal(bfn_speller_open(ctx, &none, "/nowhere/xx_YY.dic"), BFN_ERR_NOT_FOUND);
    assert_non_null(strstr(bfn_errmsg(ctx), "/nowhere/xx_YY.aff"));
    assert_int_equal(bfn_speller_open(ctx, &none, "/nowhere/words.txt"), BFN_ERR_ARGUMENT);
    assert_null(none);
    assert_int_equal(strlen(bfn_speller_checksum(speller)), 64);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_words_and_edges),
        cmocka_unit_test(entropies),
        cmocka_unit_test(nothing_to_count),
        cmocka_unit_test(names_a_missing_dictionary),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
