/* Longest shared runs by the automaton against comparing every place with every place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/random.h"
#include "eval/copies.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_STRINGS = 40, MAX_LENGTH = 60 };

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

typedef struct text {
    size_t n_pieces, sizes[3];
    const uint16_t *symbols[3];
} text;

static size_t size_of(const void *user, size_t piece)
{
    return ((const text *)user)->sizes[piece];
}

static void read_from(const void *user, size_t piece, size_t begin, size_t n, uint16_t *out)
{
    memcpy(out, ((const text *)user)->symbols[piece] + begin, n * sizeof *out);
}

static bfn__copy by_comparison(const text *t, const uint16_t *string, size_t length)
{
    bfn__copy best = {0};
    for (size_t end = 1; end <= length; end++) /* the first place where a run of that length ends */
        for (size_t p = 0; p < t->n_pieces; p++)
            for (size_t at = 0; at < t->sizes[p]; at++) {
                size_t n = 0;
                while (n < end && n <= at && string[end - 1 - n] == t->symbols[p][at - n])
                    n++;
                if (n > best.length)
                    best = (bfn__copy){n, end - n};
            }
    return best;
}

static void equals_comparison(void **state)
{
    (void)state;
    for (uint64_t trial = 0; trial < 200; trial++) {
        size_t K = 1 + bfn__random_below(trial, 1, 3, 0, trial % 2 == 0 ? 3 : 30), n = 1 + trial % MAX_STRINGS;
        uint16_t symbols[3][300], strings[MAX_STRINGS][MAX_LENGTH];
        const uint16_t *list[MAX_STRINGS];
        size_t lengths[MAX_STRINGS];
        text t = {.n_pieces = 1 + trial % 3};
        for (size_t p = 0; p < t.n_pieces; p++) {
            t.symbols[p] = symbols[p];
            t.sizes[p] = bfn__random_below(trial, 2, 3, p, 300);
            for (size_t i = 0; i < t.sizes[p]; i++)
                symbols[p][i] = (uint16_t)bfn__random_below(trial, 3 + p, 3, i, K);
        }
        for (size_t s = 0; s < n; s++) {
            list[s] = strings[s];
            lengths[s] = bfn__random_below(trial, 7, 3, s, MAX_LENGTH + 1);
            for (size_t i = 0; i < lengths[s]; i++)
                strings[s][i] = (uint16_t)bfn__random_below(trial, 100 + s, 3, i, K + 1);
            if (s % 3 == 1) /* many common beginnings and equal strings */
                memcpy(strings[s], strings[s - 1], sizeof strings[s]);
        }
        bfn__copy copies[MAX_STRINGS];
        const bfn__copy_source source = {t.n_pieces, size_of, read_from, &t};
        assert_int_equal(bfn__copies_find(ctx, &source, n, list, lengths, copies), BFN_OK);
        for (size_t s = 0; s < n; s++) {
            bfn__copy wanted = by_comparison(&t, list[s], lengths[s]);
            assert_int_equal(copies[s].length, wanted.length);
            assert_int_equal(copies[s].begin, wanted.begin);
        }
    }
}

/* A span across the places where the text is cut into buffers and parts, found by every number of threads. */
static void parts_overlap(void **state)
{
    (void)state;
    enum { SIZE = 3 << 20, LENGTH = 5000 };
    uint16_t *big = malloc(SIZE * sizeof *big), *string = malloc(LENGTH * sizeof *string);
    assert_non_null(big);
    assert_non_null(string);
    for (size_t i = 0; i < SIZE; i++)
        big[i] = (uint16_t)bfn__random_below(1, 0, 3, i, 200);
    for (size_t i = 0; i < LENGTH; i++)
        string[i] = (uint16_t)(300 + i % 7);
    memcpy(string + 100, big + (1 << 20) - 2000, 4500 * sizeof *string);
    text t = {1, {SIZE}, {big}};
    const bfn__copy_source source = {1, size_of, read_from, &t};
    const uint16_t *list[1] = {string};
    const size_t lengths[1] = {LENGTH};
    for (int n_threads = 1; n_threads <= 3; n_threads += 2) {
        bfn_context_options o = BFN_CONTEXT_OPTIONS_INIT;
        bfn_context *own;
        bfn__copy copy;
        o.n_threads = n_threads;
        assert_int_equal(bfn_context_create(&own, &o), BFN_OK);
        assert_int_equal(bfn__copies_find(own, &source, 1, list, lengths, &copy), BFN_OK);
        assert_int_equal(copy.length, 4500);
        assert_int_equal(copy.begin, 100);
        bfn_context_destroy(own);
    }
    free(big);
    free(string);
}

/* So many strings that they are taken in several groups. */
static void groups(void **state)
{
    (void)state;
    enum { STRINGS = 30000, LENGTH = 40, SIZE = 2000 };
    uint16_t *all = malloc((size_t)STRINGS * LENGTH * sizeof *all), big[SIZE];
    const uint16_t **list = malloc(STRINGS * sizeof *list);
    size_t *lengths = malloc(STRINGS * sizeof *lengths);
    bfn__copy *copies = malloc(STRINGS * sizeof *copies);
    assert_true(all != NULL && list != NULL && lengths != NULL && copies != NULL);
    for (size_t i = 0; i < SIZE; i++)
        big[i] = (uint16_t)bfn__random_below(9, 0, 3, i, 26);
    for (size_t s = 0; s < STRINGS; s++) {
        list[s] = all + s * LENGTH;
        lengths[s] = LENGTH;
        for (size_t i = 0; i < LENGTH; i++)
            all[s * LENGTH + i] = (uint16_t)(30 + (i + s) % 3);
        size_t n = 1 + s % (LENGTH - 1); /* a piece of the text of known length, between symbols that it lacks */
        memcpy(all + s * LENGTH + (LENGTH - n), big + s % (SIZE - LENGTH), n * sizeof *all);
    }
    text t = {1, {SIZE}, {big}};
    const bfn__copy_source source = {1, size_of, read_from, &t};
    assert_int_equal(bfn__copies_find(ctx, &source, STRINGS, list, lengths, copies), BFN_OK);
    for (size_t s = 0; s < STRINGS; s++)
        assert_int_equal(copies[s].length, 1 + s % (LENGTH - 1));
    free(all);
    free(list);
    free(lengths);
    free(copies);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_comparison),
        cmocka_unit_test(parts_overlap),
        cmocka_unit_test(groups),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
