/* Texts beside a corpus: scores whose values are known, baselines in the order they must have, lines, files of strings. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/random.h"
#include "bfn/eval.h"
#include "io/file.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WORDS = 40000 };

static bfn_context *ctx;
static bfn_speller *speller;

/* English-like: common words, each a function of the one before and a coin. */
static char *make_text(uint64_t seed, char end)
{
    static const char *const words[] = {"the",     "house", "stands", "near", "a",   "river", "that", "flows",
                                        "between", "green", "hills",  "and",  "old", "trees", "of",   "oak"};
    enum { LONGEST = 9 };
    char *text = malloc(WORDS * LONGEST), *at = text;
    size_t word = 0;
    for (size_t i = 0; i < WORDS; i++) {
        word = (word * 5 + 3 + bfn__random_below(seed, 0, 3, i, 4)) % 16;
        at += snprintf(at, LONGEST, "%s%c", words[word], i % 8 == 7 ? end : ' ');
    }
    return text;
}

static void write_file(const char *path, const char *text, size_t n)
{
    assert_int_equal(bfn__file_write(ctx, path, text, n), BFN_OK);
}

static bfn_text_corpus *open_corpus(const char *path, const bfn_text_corpus_options *options)
{
    bfn_text_corpus *corpus;
    if (bfn_text_corpus_open(ctx, &corpus, path, options) != BFN_OK)
        fail_msg("%s", bfn_errmsg(ctx));
    return corpus;
}

static int set_up(void **state)
{
    (void)state;
    bool ready = bfn_context_create(&ctx, NULL) == BFN_OK && bfn_speller_open(ctx, &speller, NULL) == BFN_OK;
    char *stream = make_text(1, ' '), *lines = make_text(1, '\n');
    write_file("scores_stream.txt", stream, strlen(stream) - 1);
    write_file("scores_lines.txt", lines, strlen(lines));
    free(stream);
    free(lines);
    return ready ? 0 : 1;
}

static int tear_down(void **state)
{
    (void)state;
    remove("scores_stream.txt");
    remove("scores_lines.txt");
    bfn_speller_close(speller);
    bfn_context_destroy(ctx);
    return 0;
}

/* Pieces of the training split are copies from end to end; what follows them is not. */
static void finds_copies(void **state)
{
    (void)state;
    bfn_text_corpus *corpus = open_corpus("scores_stream.txt", NULL);
    char *text = make_text(1, ' '), mixed[61], strange[] = "zqzq zqzq";
    bfn_text_corpus_info info;
    bfn_text_corpus_get_info(corpus, &info);
    assert_int_equal(info.n_symbols, 27);
    assert_int_equal(info.n_train + info.n_valid + info.n_test, strlen(text) - 1);
    assert_int_equal(strlen(info.checksum), 64);
    memcpy(mixed, text + 5000, 40);
    memcpy(mixed + 40, "qzqzqzqzqzqzqzqzqzqz", 21);
    const char *strings[] = {strange, mixed};
    bfn_text_scores scores;
    assert_int_equal(bfn_eval_text(speller, corpus, strings, 2, &scores), BFN_OK);
    assert_int_equal(scores.longest_copy, 40);
    assert_int_equal(scores.copy_string, 1);
    assert_int_equal(scores.copy_begin, 0);
    assert_true(fabs(scores.mean_copy - 20.5) < 1e-12); /* of "zqzq zqzq" the space alone */
    assert_int_equal(scores.n_characters, 69);
    assert_int_equal(scores.n_unknown, 0);
    assert_int_equal(scores.spelling.n_strings, 2);
    free(text);
    bfn_text_corpus_close(corpus);
}

/* The test split against itself: no divergence; an alphabet that has nothing in common: 1 bit. */
static void divergence_of_known_texts(void **state)
{
    (void)state;
    bfn_text_corpus *corpus = open_corpus("scores_stream.txt", NULL);
    bfn_text_corpus_info info;
    bfn_text_corpus_get_info(corpus, &info);
    char *text = make_text(1, ' ');
    text[strlen(text) - 1] = '\0';
    const char *test[] = {text + info.n_train + info.n_valid}, *other[] = {"QQQQQQQQ", "Q\xff"};
    bfn_text_scores scores;
    assert_int_equal(bfn_eval_text(speller, corpus, test, 1, &scores), BFN_OK);
    for (int order = 0; order < BFN_TEXT_ORDERS; order++)
        assert_true(scores.divergence[order] == 0.0);
    assert_int_equal(bfn_eval_text(speller, corpus, other, 2, &scores), BFN_OK);
    for (int order = 0; order < BFN_TEXT_ORDERS; order++)
        assert_true(fabs(scores.divergence[order] - 1.0) < 1e-12);
    assert_int_equal(scores.n_unknown, 10);
    assert_int_equal(scores.longest_copy, 0);
    assert_int_equal(bfn_eval_text(speller, NULL, test, 1, &scores), BFN_OK);
    assert_true(isnan(scores.divergence[0]));
    assert_int_equal(scores.longest_copy, 0);
    assert_int_equal(scores.n_characters, info.n_test);
    free(text);
    bfn_text_corpus_close(corpus);
}

static void score_all(const bfn_text_corpus *corpus, uint64_t seed, size_t n, size_t length, bfn_text_scores out[4])
{
    char *like = calloc(1, length + 1);
    const char **strings = calloc(n, sizeof *strings);
    memset(like, 'a', length);
    for (size_t i = 0; i < n; i++)
        strings[i] = like;
    for (int which = 0; which < BFN_TEXT_N_BASELINES; which++)
        if (bfn_eval_text_baseline(speller, corpus, (bfn_text_baseline)which, seed, strings, n, &out[which]) != BFN_OK)
            fail_msg("%s", bfn_errmsg(ctx));
    free(like);
    free(strings);
}

/* Each baseline knows what the one before knows and more, and has the laws that it promises. */
static void baselines_in_their_order(void **state)
{
    (void)state;
    bfn_text_corpus *corpus = open_corpus("scores_stream.txt", NULL);
    bfn_text_scores s[4], again[4];
    score_all(corpus, 5, 300, 64, s);
    const bfn_text_scores *uniform = &s[0], *unigram = &s[1], *fivegram = &s[2], *real = &s[3];
    for (int which = 0; which < 4; which++) {
        assert_int_equal(s[which].n_characters, 300 * 64);
        assert_int_equal(s[which].n_unknown, 0);
        assert_int_equal(s[which].spelling.n_strings, 300);
    }
    assert_true(uniform->divergence[0] > 0.05 && unigram->divergence[0] < 0.002);
    assert_true(fabs(uniform->spelling.character_entropy - log2(27.0)) < 0.01);
    assert_true(unigram->divergence[1] > 0.2 && fivegram->divergence[1] < 0.01 && real->divergence[1] < 0.01);
    assert_true(unigram->divergence[4] > 0.8 && fivegram->divergence[4] < 0.02 && real->divergence[4] < 0.02);
    assert_true(unigram->spelling.accuracy < 0.5 && fivegram->spelling.inner_accuracy > 0.99);
    assert_true(real->spelling.inner_accuracy == 1.0);
    assert_true(uniform->mean_copy < unigram->mean_copy && unigram->mean_copy < fivegram->mean_copy);
    score_all(corpus, 5, 300, 64, again);
    assert_memory_equal(&s[2].divergence, &again[2].divergence, sizeof s[2].divergence);
    score_all(corpus, 6, 300, 64, again);
    assert_memory_not_equal(&s[2].divergence, &again[2].divergence, sizeof s[2].divergence);
    bfn_text_corpus_close(corpus);
}

/* Lines: how they begin and end is part of the text; lines of the 5-gram model and real ones have their own lengths. */
static void lines(void **state)
{
    (void)state;
    bfn_text_corpus_options o = BFN_TEXT_CORPUS_OPTIONS_INIT;
    o.alphabet = "chars";
    o.lines = 1;
    bfn_text_corpus *corpus = open_corpus("scores_lines.txt", &o);
    bfn_text_scores s[4];
    score_all(corpus, 5, 400, 400, s);
    double mean = 0.0;
    char *text = make_text(1, '\n');
    mean = (double)(strlen(text) - WORDS / 8) / (WORDS / 8);
    free(text);
    assert_int_equal(s[0].n_characters, 400 * 400);
    assert_true(fabs((double)s[2].n_characters / 400.0 - mean) < 8.0); /* every word may be the last: geometric */
    assert_true(fabs((double)s[3].n_characters / 400.0 - mean) < 1.0);
    assert_true(s[2].divergence[4] < 0.03 && s[3].divergence[4] < 0.03);
    assert_true(s[3].spelling.accuracy == 1.0);
    bfn_text_corpus_close(corpus);
}

static void refuse(bfn_status wanted, const char *words, const char *path, const bfn_text_corpus_options *options)
{
    bfn_text_corpus *corpus = (bfn_text_corpus *)1;
    assert_int_equal(bfn_text_corpus_open(ctx, &corpus, path, options), wanted);
    assert_null(corpus);
    assert_non_null(strstr(bfn_errmsg(ctx), words));
}

static void refusals(void **state)
{
    (void)state;
    bfn_text_corpus_options o = BFN_TEXT_CORPUS_OPTIONS_INIT;
    refuse(BFN_ERR_NOT_FOUND, "nowhere.txt", "nowhere.txt", NULL);
    o.fractions[0] = 1.0;
    refuse(BFN_ERR_INPUT, "its validation split is empty", "scores_stream.txt", &o);
    o.fractions[0] = 0.0;
    o.alphabet = "latin";
    refuse(BFN_ERR_ARGUMENT, "latin", "scores_stream.txt", &o);
    o.struct_size = 1;
    refuse(BFN_ERR_ARGUMENT, "struct_size", "scores_stream.txt", &o);
    bfn_text_corpus *corpus = open_corpus("scores_stream.txt", NULL);
    const char *strings[] = {"a"};
    bfn_text_scores scores;
    assert_int_equal(bfn_eval_text_baseline(speller, corpus, (bfn_text_baseline)4, 0, strings, 1, &scores),
                     BFN_ERR_ARGUMENT);
    assert_int_equal(bfn_speller_is_pinned(speller), 1);
    bfn_text_corpus_close(corpus);
}

static void strings_of_a_file(void **state)
{
    (void)state;
    bfn_text_strings *strings;
    write_file("scores.jsonl", "{\"text\": \"one two\", \"i\": 1}\n\n{\"text\": \"\"}\n", 42);
    assert_int_equal(bfn_text_strings_load(ctx, &strings, "scores.jsonl", NULL), BFN_OK);
    assert_int_equal(bfn_text_strings_n(strings), 2);
    assert_string_equal(bfn_text_strings_list(strings)[0], "one two");
    assert_string_equal(bfn_text_strings_list(strings)[1], "");
    bfn_text_strings_free(strings);
    /* the same bytes under another name: as text where it says so, as what they look like where it says nothing */
    assert_int_equal(bfn_text_strings_parse(ctx, &strings, "{\"text\": \"a\"}\r\nb", 16, "x.txt", NULL), BFN_OK);
    assert_string_equal(bfn_text_strings_list(strings)[0], "{\"text\": \"a\"}");
    assert_string_equal(bfn_text_strings_list(strings)[1], "b");
    bfn_text_strings_free(strings);
    assert_int_equal(bfn_text_strings_parse(ctx, &strings, "{\"text\": \"a\"}\r\nb", 16, "-", NULL), BFN_ERR_INPUT);
    assert_non_null(strstr(bfn_errmsg(ctx), "-: line 2 is no JSON object"));
    assert_null(strings);
    remove("scores.jsonl");
    assert_int_equal(bfn_text_strings_load(ctx, &strings, "scores.jsonl", NULL), BFN_ERR_NOT_FOUND);
    bfn_text_strings_free(NULL);
    bfn_text_corpus_close(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_copies),
        cmocka_unit_test(divergence_of_known_texts),
        cmocka_unit_test(baselines_in_their_order),
        cmocka_unit_test(lines),
        cmocka_unit_test(refusals),
        cmocka_unit_test(strings_of_a_file),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
