/* test_text.c: alphabets, text8 cleaning, gzip, text sets: splits, windows, permutations, moments, bad input, memory. */
#include "helper_fixture.h"
#include "io/gzip.h"
#include "io/limits.h"
#include "io/permute.h"
#include "io/sha256.h"
#include "io/text.h"
#include "io/text8.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* ---- alphabets ---- */

static void test_text8_alphabet(void **state)
{
    (void)state;
    bfn__alphabet *a;
    assert_int_equal(bfn__alphabet_text8(ctx, &a), BFN_OK);
    assert_int_equal(bfn__alphabet_size(a), 27);
    assert_string_equal(bfn__alphabet_symbols(a), " abcdefghijklmnopqrstuvwxyz");
    assert_int_equal(bfn__alphabet_pad(a), -1);
    assert_int_equal(bfn__alphabet_find(a, ' '), 0);
    assert_int_equal(bfn__alphabet_find(a, 'z'), 26);
    assert_int_equal(bfn__alphabet_find(a, 'A'), -1);
    assert_int_equal(bfn__alphabet_find(a, 0x10ffff), -1);
    bfn__alphabet_destroy(a);
    bfn__alphabet_destroy(NULL);
}

static void test_encode_and_decode(void **state)
{
    (void)state;
    static const char text[] = "na\xc3\xafve \xe2\x82\xac \xf0\x9f\x98\x80 a";
    bfn__alphabet *a, *again;
    uint16_t *indices;
    size_t n;
    assert_int_equal(bfn__alphabet_from_text(ctx, &a, text, sizeof text - 1, false, "x"), BFN_OK);
    assert_string_equal(bfn__alphabet_symbols(a), " aenv\xc3\xaf\xe2\x82\xac\xf0\x9f\x98\x80");
    assert_int_equal(bfn__alphabet_size(a), 8);
    assert_int_equal(bfn__alphabet_encode(ctx, a, text, sizeof text - 1, "x", &indices, &n), BFN_OK);
    static const uint16_t wanted[] = {3, 1, 5, 4, 2, 0, 6, 0, 7, 0, 1};
    assert_int_equal(n, 11);
    assert_memory_equal(indices, wanted, sizeof wanted);
    int32_t wide[13] = {0};
    char buffer[4 * 13 + 1];
    for (size_t i = 0; i < n; i++)
        wide[i] = indices[i];
    bfn__free(ctx, indices);
    assert_int_equal(bfn__alphabet_decode(a, wide, n, buffer), sizeof text - 1);
    assert_string_equal(buffer, text);
    /* Stored and made again, with padding. */
    assert_int_equal(bfn__alphabet_from_symbols(ctx, &again, bfn__alphabet_symbols(a), true), BFN_OK);
    assert_int_equal(bfn__alphabet_size(again), 9);
    assert_int_equal(bfn__alphabet_pad(again), 8);
    wide[11] = wide[12] = 8;
    assert_int_equal(bfn__alphabet_decode(again, wide, 13, buffer), sizeof text - 1);
    assert_string_equal(buffer, text);
    assert_says(bfn__alphabet_encode(ctx, a, "na b", 4, "x.txt", &indices, &n), BFN_ERR_INPUT,
                "x.txt: byte 3: the character 'b' (U+0062) is not in the alphabet");
    assert_says(bfn__alphabet_encode(ctx, a, "na\x1b", 3, "x", &indices, &n), BFN_ERR_INPUT, "character U+001B is not");
    assert_says(bfn__alphabet_encode(ctx, a, "a\xff", 2, "x", &indices, &n), BFN_ERR_INPUT, "byte 1 is 0xff");
    bfn__alphabet_destroy(a);
    bfn__alphabet_destroy(again);
}

static void test_alphabets_refused(void **state)
{
    (void)state;
    static const struct {
        const char *symbols;
        bool pad;
        const char *words;
    } bad[] = {{"", false, "has 0 symbols, allowed: 2"},
               {"a", false, "has 1 symbols"},
               {"", true, "has 0 symbols"},
               {"aba", false, "U+0061 occurs twice"},
               {"a\x1b", false, "U+001B"},
               {"ab\xc2\x9b", false, "U+009B"},
               {"a\xc3", false, "byte 1 is 0xc3, which is not valid UTF-8"}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        bfn__alphabet *a = (bfn__alphabet *)1;
        assert_says(bfn__alphabet_from_symbols(ctx, &a, bad[i].symbols, bad[i].pad), BFN_ERR_INPUT, bad[i].words);
        assert_null(a);
    }
    bfn__alphabet *a;
    assert_says(bfn__alphabet_from_text(ctx, &a, "ab\0c", 4, false, "x"), BFN_ERR_INPUT,
                "byte 2 is the control character U+0000");
    assert_says(bfn__alphabet_from_text(ctx, &a, "abc\x7f", 4, false, "x"), BFN_ERR_INPUT,
                "byte 3 is the control character");
    assert_says(bfn__alphabet_from_text(ctx, &a, "aaaa", 4, false, "x"), BFN_ERR_INPUT,
                "1 different characters, allowed: 2");
    assert_int_equal(bfn__alphabet_from_text(ctx, &a, "aa\n\ta", 5, true, "x"), BFN_OK);
    assert_string_equal(bfn__alphabet_symbols(a), "\ta");
    bfn__alphabet_destroy(a);
}

/* 65535 symbols are the most. */
static void test_largest_alphabet(void **state)
{
    (void)state;
    char *symbols = malloc(4 * 65536 + 1), *end = symbols;
    for (uint32_t code = 0x10000; code < 0x10000 + 65536; code++) {
        *end++ = (char)(0xf0 | code >> 18);
        *end++ = (char)(0x80 | (code >> 12 & 63));
        *end++ = (char)(0x80 | (code >> 6 & 63));
        *end++ = (char)(0x80 | (code & 63));
    }
    *end = '\0';
    bfn__alphabet *a;
    assert_says(bfn__alphabet_from_symbols(ctx, &a, symbols, false), BFN_ERR_INPUT, "has 65536 symbols");
    assert_says(bfn__alphabet_from_text(ctx, &a, symbols, 4 * 65536, false, "x"), BFN_ERR_INPUT, "has 65536 different");
    end[-4] = '\0';
    assert_int_equal(bfn__alphabet_from_symbols(ctx, &a, symbols, true), BFN_OK);
    assert_int_equal(bfn__alphabet_size(a), 65536);
    assert_int_equal(bfn__alphabet_pad(a), 65535);
    assert_int_equal(bfn__alphabet_find(a, 0x10000 + 65534), 65534);
    int32_t last = 65534;
    char text[5];
    assert_int_equal(bfn__alphabet_decode(a, &last, 1, text), 4);
    assert_memory_equal(text, end - 8, 4);
    bfn__alphabet_destroy(a);
    free(symbols);
}

/* ---- cleaning ---- */

static void test_cleaning(void **state)
{
    (void)state;
    static const struct {
        const char *raw, *clean, *lines;
    } cases[] = {
        {"", "", ""},
        {"abc def", "abc def", "abc def"},
        {" anarchism originated", " anarchism originated", "anarchism originated"},
        {"The Cat's  hat.", "the cat s hat ", "the cat s hat"},
        {"in 1984, 7a7", "in one nine eight four seven a seven ", "in one nine eight four seven a seven"},
        {"na\xc3\xafve", "na ve", "na ve"},
        {"a\r\n\r\nb\n", "a b ", "a\n\nb\n"},
        {"  x  \n 5 \ny", " x five y", "x\nfive\ny"},
        {"0123456789", " zero one two three four five six seven eight nine ",
         "zero one two three four five six seven eight nine"},
        {"[z`A{Z@", " z a z ", "z a z"},
        {"\n", " ", "\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int lines = 0; lines < 2; lines++) {
            const char *wanted = lines ? cases[i].lines : cases[i].clean;
            char *out, *again;
            size_t n, n_again;
            char *raw = exact_copy(cases[i].raw, strlen(cases[i].raw));
            assert_int_equal(bfn__text8_clean_as(ctx, raw, strlen(cases[i].raw), lines, &out, &n), BFN_OK);
            free(raw);
            if (n != strlen(wanted) || memcmp(out, wanted, n) != 0)
                fail_msg("\"%s\" became \"%.*s\", expected \"%s\"", cases[i].raw, (int)n, out, wanted);
            assert_int_equal(bfn__text8_clean_as(ctx, out, n, lines, &again, &n_again), BFN_OK);
            assert_int_equal(n_again, n);
            assert_memory_equal(again, out, n);
            if (!lines)
                assert_true(bfn__text8_is_clean(out, n));
            bfn__free(ctx, out);
            bfn__free(ctx, again);
        }
}

/* The quick check sees one bad byte at any place, also across its blocks. */
static void test_is_clean(void **state)
{
    (void)state;
    enum { N = 4096 * 2 + 10 };
    char *text = malloc(N);
    for (size_t i = 0; i < N; i++)
        text[i] = i % 5 == 4 ? ' ' : (char)('a' + i % 26);
    assert_true(bfn__text8_is_clean(text, N));
    assert_true(bfn__text8_is_clean(text, 0));
    for (size_t i = 0; i<N; i += i % 4096> 8 && i % 4096 < 4088 ? 37 : 1) { /* all places near the ends of blocks */
        static const char bad[] = {'A', '\n', '0', '{', '`', '\x00', '\x80', '\xff'};
        char old = text[i];
        text[i] = bad[i % sizeof bad];
        assert_false(bfn__text8_is_clean(text, N));
        text[i] = old;
    }
    for (size_t i = 5; i < N; i += 35) { /* a second space beside one */
        char old = text[i];
        text[i] = ' ';
        assert_false(bfn__text8_is_clean(text, N));
        text[i] = old;
    }
    memcpy(text + 4093, "ab  ab", 6); /* the last of one block and the first of the next */
    assert_false(bfn__text8_is_clean(text, N));
    free(text);
}

/* ---- gzip ---- */

/* One gzip member; header field as dictzip has it when extra is not NULL. */
static size_t gzip(const void *bytes, size_t n, const char *extra, unsigned char *out, size_t room)
{
    z_stream z = {0};
    gz_header head = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    if (extra != NULL) {
        head.extra = (unsigned char *)(uintptr_t)extra;
        head.extra_len = (uInt)strlen(extra);
        assert_int_equal(deflateSetHeader(&z, &head), Z_OK);
    }
    z.next_in = (unsigned char *)(uintptr_t)bytes;
    z.avail_in = (uInt)n;
    z.next_out = out;
    z.avail_out = (uInt)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t size = room - z.avail_out;
    deflateEnd(&z);
    return size;
}

static bfn_status gunzip(const void *bytes, size_t n, size_t max, char **out, size_t *n_out)
{
    void *copy = exact_copy(bytes, n);
    bfn_status status = bfn__gunzip(ctx, copy, n, max, "x.gz", out, n_out);
    free(copy);
    return status;
}

static void test_gzip(void **state)
{
    (void)state;
    enum { N = 300000 };
    unsigned char *file = malloc(2 * N);
    char *text = malloc(N), *out;
    size_t n, n_out;
    for (size_t i = 0; i < N; i++)
        text[i] = (char)('a' + i * i % 25);
    n = gzip(text, N, "RA\x04\x00size", file, 2 * N);
    assert_true(bfn__is_gzip(file, n));
    assert_int_equal(gunzip(file, n, N, &out, &n_out), BFN_OK);
    assert_int_equal(n_out, N);
    assert_memory_equal(out, text, N);
    bfn__free(ctx, out);
    assert_says(gunzip(file, n, N - 1, &out, &n_out), BFN_ERR_INPUT, "inflates to more than 299999 bytes");
    assert_null(out);
    /* Members in a row, zeros at the end. */
    n += gzip("hello", 5, NULL, file + n, 2 * N - n);
    memset(file + n, 0, 10);
    assert_int_equal(gunzip(file, n + 10, 2 * N, &out, &n_out), BFN_OK);
    assert_int_equal(n_out, N + 5);
    assert_memory_equal(out + N, "hello", 5);
    bfn__free(ctx, out);
    file[n + 3] = 'x';
    assert_says(gunzip(file, n + 10, 2 * N, &out, &n_out), BFN_ERR_INPUT, "data behind the end of the gzip file");
    free(file);
    free(text);
}

static void test_broken_gzip(void **state)
{
    (void)state;
    unsigned char file[512];
    char *out;
    size_t n_out, n = gzip("the same the same the same", 26, NULL, file, sizeof file), refused = 0;
    for (size_t cut = 0; cut < n; cut++) {
        assert_int_equal(gunzip(file, cut, 1000, &out, &n_out), BFN_ERR_INPUT);
        assert_null(out);
    }
    for (size_t i = 0; i < n; i++)
        for (int bit = 0; bit < 8; bit++) {
            file[i] ^= (unsigned char)(1 << bit);
            bfn_status status = gunzip(file, n, 1000, &out, &n_out);
            assert_true(status == BFN_OK || status == BFN_ERR_INPUT);
            refused += status != BFN_OK;
            if (status == BFN_OK)
                bfn__free(ctx, out);
            file[i] ^= (unsigned char)(1 << bit);
        }
    assert_true(refused > 6 * (n - 10)); /* all but the header's time and flags, which do not matter */
}

/* ---- permutations ---- */

static void test_permutation(void **state)
{
    (void)state;
    static const uint64_t sizes[] = {1, 2, 3, 4, 5, 16, 17, 1000, 4096, 4097};
    for (size_t s = 0; s < sizeof sizes / sizeof sizes[0]; s++)
        for (uint64_t epoch = 0; epoch < 3; epoch++) {
            uint64_t n = sizes[s];
            bool *seen = calloc(n, sizeof *seen);
            for (uint64_t i = 0; i < n; i++) {
                uint64_t p = bfn__permute(42, epoch, n, i);
                assert_true(p < n);
                assert_false(seen[p]);
                seen[p] = true;
            }
            free(seen);
        }
}

/* Seeds and epochs give different orders that are not near the identity: few fixed points, no correlation with the place. */
static void test_permutation_is_random(void **state)
{
    (void)state;
    enum { N = 1000 };
    for (uint64_t epoch = 0; epoch < 2; epoch++) {
        double sum = 0.0;
        size_t fixed = 0, same_epoch = 0, same_seed = 0;
        for (uint64_t i = 0; i < N; i++) {
            uint64_t p = bfn__permute(7, epoch, N, i);
            sum += ((double)p - (N - 1) / 2.0) * ((double)i - (N - 1) / 2.0);
            fixed += p == i;
            same_epoch += p == bfn__permute(7, epoch + 1, N, i);
            same_seed += p == bfn__permute(8, epoch, N, i);
        }
        double correlation = sum / (N * ((double)N * N - 1.0) / 12.0);
        assert_true(fabs(correlation) < 5.0 / sqrt((double)N));
        assert_true(fixed < 10 && same_epoch < 10 && same_seed < 10); /* Poisson of mean 1 */
    }
}

/* ---- text sets ---- */

static bfn__textset *make_set(const char *text, size_t n, const bfn__textset_options *options)
{
    bfn__textset *set;
    char *copy = exact_copy(text, n);
    if (bfn__textset_create(ctx, &set, copy, n, "x.txt", options) != BFN_OK)
        fail_msg("%s", bfn_errmsg(ctx));
    free(copy); /* nothing of it is kept */
    return set;
}

static void refuse_set(const char *text, size_t n, const bfn__textset_options *options, bfn_status wanted,
                       const char *words)
{
    bfn__textset *set = (bfn__textset *)1;
    char *copy = exact_copy(text, n);
    bfn_status status = bfn__textset_create(ctx, &set, copy, n, "x.txt", options);
    free(copy);
    assert_says(status, wanted, words);
    assert_null(set);
}

static void assert_text(const bfn__textset *set, size_t T, const int32_t *indices, const char *wanted)
{
    char buffer[4 * 256 + 1];
    (void)bfn__alphabet_decode(bfn__textset_alphabet(set), indices, T, buffer);
    assert_string_equal(buffer, wanted);
}

static void test_stream(void **state)
{
    (void)state;
    enum { N = 1000, T = 10 };
    char text[N];
    for (size_t i = 0; i < N; i++)
        text[i] = (char)('a' + (i + i / 26) % 26); /* no two windows of one split are the same */
    bfn__textset_options o = {.alphabet = "text8", .T = T};
    bfn__textset *set = make_set(text, N, &o);
    assert_int_equal(bfn__textset_n_symbols(set, BFN__SPLIT_TRAIN), 900);
    assert_int_equal(bfn__textset_n_symbols(set, BFN__SPLIT_VALID), 50);
    assert_int_equal(bfn__textset_n_symbols(set, BFN__SPLIT_TEST), 50);
    assert_int_equal(bfn__textset_n_sequences(set, BFN__SPLIT_TRAIN), 90);
    assert_int_equal(bfn__textset_n_sequences(set, BFN__SPLIT_TEST), 5);
    static const size_t begins[3] = {0, 900, 950};
    for (int split = 0; split < 3; split++)
        for (size_t i = 0; i < bfn__textset_n_sequences(set, (bfn__split)split); i++) {
            int32_t out[T];
            char wanted[T + 1] = "";
            bfn__textset_sequence(set, (bfn__split)split, i, out);
            memcpy(wanted, text + begins[split] + i * T, T);
            assert_text(set, T, out, wanted);
        }
    bfn__textset_destroy(set);
    bfn__textset_destroy(NULL);
}

/* Windows begin everywhere in the training part, nowhere else, and depend on seed and index alone. */
static void test_training_windows(void **state)
{
    (void)state;
    enum { N = 60, T = 4, DRAWS = 5000 };
    char *text = malloc(3 * N);
    for (size_t i = 0; i < N; i++) { /* character i is U+0800 + i: its index is i */
        text[3 * i] = (char)0xe0;
        text[3 * i + 1] = (char)0xa0;
        text[3 * i + 2] = (char)(0x80 + i);
    }
    bfn__textset_options o = {.alphabet = "chars", .T = T, .fractions = {0.5, 0.3, 0.1}};
    bfn__textset *set = make_set(text, 3 * N, &o);
    assert_int_equal(bfn__textset_n_symbols(set, BFN__SPLIT_TRAIN), 30);
    assert_int_equal(bfn__textset_n_symbols(set, BFN__SPLIT_VALID), 18);
    assert_int_equal(bfn__textset_n_symbols(set, BFN__SPLIT_TEST), 6);
    size_t hits[N] = {0};
    for (uint64_t i = 0; i < DRAWS; i++) {
        int32_t out[T], again[T];
        bfn__textset_training(set, 3, i, out);
        bfn__textset_training(set, 3, i, again);
        assert_memory_equal(out, again, sizeof out);
        for (int t = 1; t < T; t++)
            assert_int_equal(out[t], out[0] + t);
        hits[out[0]]++;
    }
    double expected = DRAWS / 27.0, chi = 0.0;
    for (size_t i = 0; i < N; i++) {
        if (i > 30 - T)
            assert_int_equal(hits[i], 0);
        else
            chi += ((double)hits[i] - expected) * ((double)hits[i] - expected) / expected;
    }
    assert_true(chi > 5.0 && chi < 60.0); /* 26 degrees of freedom: 1e-6 and 0.9998 */
    bfn__textset_destroy(set);
    free(text);
}

static void test_raw_text_is_cleaned(void **state)
{
    (void)state;
    static const char raw[] = "\xef\xbb\xbfIt's 5 o'clock\r\nin Na\xc3\xafve town,\r\nisn't it?";
    bfn__textset_options o = {.alphabet = "text8", .T = 8, .fractions = {1.0, 0.0, 0.0}};
    bfn__textset *set = make_set(raw, sizeof raw - 1, &o);
    assert_int_equal(bfn__textset_n_symbols(set, BFN__SPLIT_TRAIN),
                     strlen("it s five o clock in na ve town isn t it "));
    assert_int_equal(bfn__textset_n_symbols(set, BFN__SPLIT_TEST), 0);
    int32_t out[8];
    bfn__textset_sequence(set, BFN__SPLIT_TRAIN, 0, out);
    assert_text(set, 8, out, "it s fiv");
    bfn__textset_destroy(set);
    o.alphabet = "chars";
    set = make_set(raw, sizeof raw - 1, &o);
    assert_null(strchr(bfn__alphabet_symbols(bfn__textset_alphabet(set)), '\r'));
    bfn__textset_sequence(set, BFN__SPLIT_TRAIN, 1, out);
    assert_text(set, 8, out, "'clock\ni");
    bfn__textset_destroy(set);
}

/* CR LF is one line end; a CR or LF alone is itself. */
static void test_line_ends(void **state)
{
    (void)state;
    static const char text[] = "a\r\nb\nc\rd\n\ne\r\r\n";
    bfn__textset_options o = {.alphabet = "chars", .T = 12, .fractions = {1.0, 0.0, 0.0}};
    bfn__textset *set = make_set(text, sizeof text - 1, &o);
    assert_string_equal(bfn__alphabet_symbols(bfn__textset_alphabet(set)), "\n\rabcde");
    assert_int_equal(bfn__textset_n_symbols(set, BFN__SPLIT_TRAIN), 12);
    int32_t out[12];
    bfn__textset_sequence(set, BFN__SPLIT_TRAIN, 0, out);
    assert_text(set, 12, out, "a\nb\nc\rd\n\ne\r\n");
    bfn__textset_destroy(set);
}

/* QM9's format: plain SMILES, one a line. */
static const char smiles[] =
    "C\nN\nO\nC#C\nC#N\nC=O\nCC\nCO\nCC#C\nCC#N\nCC=O\nNC=O\nCCC\nCCO\nC1CC1\nC1CO1\nCC(C)=O\nCC(N)=O\nNC(N)=O\n"
    "CC(C)C\nCC(C)O\nC1=CNC=C1\n[H]C#N\nC[NH+]\nO=C=O\r\n\r\nCCCC\nCCCO\nCOC\nC1CN1\nCCOC=O";

static void test_lines(void **state)
{
    (void)state;
    enum { T = 9 };
    bfn__textset_options o = {.alphabet = "chars", .lines = true, .T = T};
    bfn__textset *set = make_set(smiles, sizeof smiles - 1, &o);
    const bfn__alphabet *a = bfn__textset_alphabet(set);
    assert_string_equal(bfn__alphabet_symbols(a), "#()+1=CHNO[]");
    assert_int_equal(bfn__alphabet_pad(a), 12);
    assert_int_equal(bfn__alphabet_size(a), 13);
    size_t n[3], total = 0;
    for (int split = 0; split < 3; split++)
        total += n[split] = bfn__textset_n_sequences(set, (bfn__split)split);
    assert_int_equal(total, 30); /* the empty line is left out */
    assert_int_equal(n[0], 27);
    assert_true(n[1] > 0 && n[2] > 0);
    /* Every line occurs in exactly one split, padded at its end only. */
    char expected[sizeof smiles + 1], *line;
    bool found[64] = {false};
    for (int split = 0; split < 3; split++)
        for (size_t i = 0; i < n[split]; i++) {
            int32_t out[T];
            char text[4 * T + 1];
            bfn__textset_sequence(set, (bfn__split)split, i, out);
            size_t length = bfn__alphabet_decode(a, out, T, text), number = 0;
            for (size_t t = 0; t < T; t++)
                assert_int_equal(out[t] == 12, t >= length);
            memcpy(expected, smiles, sizeof smiles);
            for (line = strtok(expected, "\r\n"); line != NULL && strcmp(line, text) != 0; line = strtok(NULL, "\r\n"))
                number++;
            assert_non_null(line);
            assert_false(found[number]);
            found[number] = true;
        }
    bfn__textset_destroy(set);
}

/* Each epoch of training is a permutation of the training lines, another one each time. */
static void test_epochs(void **state)
{
    (void)state;
    enum { T = 9 };
    bfn__textset_options o = {.alphabet = "chars", .lines = true, .T = T};
    bfn__textset *set = make_set(smiles, sizeof smiles - 1, &o);
    size_t n = bfn__textset_n_sequences(set, BFN__SPLIT_TRAIN), moved = 0;
    for (uint64_t epoch = 0; epoch < 4; epoch++) {
        bool seen[64] = {false};
        for (uint64_t i = 0; i < n; i++) {
            int32_t out[T], line[T], next[T];
            bfn__textset_training(set, 5, epoch * n + i, out);
            bfn__textset_training(set, 5, (epoch + 1) * n + i, next);
            moved += memcmp(out, next, sizeof out) != 0;
            size_t k = 0;
            for (; k < n; k++) {
                bfn__textset_sequence(set, BFN__SPLIT_TRAIN, k, line);
                if (memcmp(out, line, sizeof out) == 0)
                    break;
            }
            assert_true(k < n);
            assert_false(seen[k]);
            seen[k] = true;
        }
    }
    assert_true(moved > 3 * n);
    bfn__textset_destroy(set);
}

static void test_long_lines(void **state)
{
    (void)state;
    bfn__textset_options o = {.alphabet = "chars", .lines = true, .T = 8, .fractions = {1.0, 0.0, 0.0}};
    refuse_set(smiles, sizeof smiles - 1, &o, BFN_ERR_INPUT, "x.txt: line 22 has 9 characters, at most 8 are allowed");
    o.truncate_lines = true;
    bfn__textset *set = make_set(smiles, sizeof smiles - 1, &o);
    int32_t out[8];
    size_t cut = 0;
    for (size_t i = 0; i < bfn__textset_n_sequences(set, BFN__SPLIT_TRAIN); i++) {
        char text[33];
        bfn__textset_sequence(set, BFN__SPLIT_TRAIN, i, out);
        (void)bfn__alphabet_decode(bfn__textset_alphabet(set), out, 8, text);
        cut += strcmp(text, "C1=CNC=C") == 0;
    }
    assert_int_equal(cut, 1);
    bfn__textset_destroy(set);
}

static void test_fixed_alphabet(void **state)
{
    (void)state;
    bfn__alphabet *stream, *lines;
    assert_int_equal(bfn__alphabet_from_symbols(ctx, &stream, "zyx", false), BFN_OK);
    assert_int_equal(bfn__alphabet_from_symbols(ctx, &lines, "zyx", true), BFN_OK);
    bfn__textset_options o = {.alphabet = "chars", .T = 2, .fractions = {1.0, 0.0, 0.0}, .fixed = stream};
    bfn__textset *set = make_set("xyyx", 4, &o);
    int32_t out[4];
    bfn__textset_sequence(set, BFN__SPLIT_TRAIN, 0, out);
    assert_true(out[0] == 2 && out[1] == 1);
    bfn__textset_destroy(set);
    refuse_set("xy\xc3\xa9zz", 6, &o, BFN_ERR_INPUT,
               "x.txt: byte 2: the character '\xc3\xa9' (U+00E9) is not in the alphabet");
    refuse_set("\xef\xbb\xbfxyaz", 7, &o, BFN_ERR_INPUT, "byte 5: the character 'a'");
    o.lines = true;
    refuse_set("x\ny\n", 4, &o, BFN_ERR_ARGUMENT, "padding");
    o.fixed = lines;
    set = make_set("x\ny\n", 4, &o);
    bfn__textset_sequence(set, BFN__SPLIT_TRAIN, 0, out);
    assert_int_equal(out[1], 3);
    bfn__textset_destroy(set);
    refuse_set("x\nyw\n", 5, &o, BFN_ERR_INPUT, "byte 3: the character 'w'");
    o.lines = false;
    refuse_set("xy", 2, &o, BFN_ERR_ARGUMENT, "padding");
    bfn__alphabet_destroy(stream);
    bfn__alphabet_destroy(lines);
}

static void test_bad_data(void **state)
{
    (void)state;
    bfn__textset_options stream = {.alphabet = "chars", .T = 16}, lines = {.alphabet = "chars", .lines = true, .T = 16};
    bfn__textset_options text8 = {.alphabet = "text8", .T = 16, .fractions = {1.0, 0.0, 0.0}};
    refuse_set("", 0, &stream, BFN_ERR_INPUT, "x.txt: is empty, at least 16 characters are needed");
    refuse_set("\xef\xbb\xbf", 3, &stream, BFN_ERR_INPUT, "is empty");
    refuse_set("", 0, &lines, BFN_ERR_INPUT, "is empty");
    refuse_set("\n\r\n\n", 4, &lines, BFN_ERR_INPUT, "characters, allowed: 1");
    refuse_set("abc", 3, &stream, BFN_ERR_INPUT, "has 3 characters, at least 16 are needed");
    refuse_set("a b c d e f g h", 15, &text8, BFN_ERR_INPUT, "has 15 characters, at least 16 are needed");
    refuse_set("a b c d e f g h i j k l m n o p", 31, &stream, BFN_ERR_INPUT,
               "its 31 characters leave 1 for the validation split (0.05 of them), at least 16 are needed");
    refuse_set("ab\xc3(cdefghijklmnopqrs", 21, &stream, BFN_ERR_INPUT, "byte 2 is 0xc3, which is not valid UTF-8");
    refuse_set("\xef\xbb\xbf"
               "ab\xff",
               6, &text8, BFN_ERR_INPUT, "byte 5 is 0xff");
    refuse_set("a\nb", 3, &lines, BFN_ERR_INPUT, "validation split");
    static const unsigned char short_gzip[] = {0x1f, 0x8b, 8, 0, 0};
    refuse_set((const char *)short_gzip, sizeof short_gzip, &stream, BFN_ERR_INPUT, "gzip data end early");
}

static void test_bad_options(void **state)
{
    (void)state;
    bfn__textset_options good = {.alphabet = "chars", .T = 2, .fractions = {0.5, 0.25, 0.25}}, o;
    bfn__textset_destroy(make_set("abababab", 8, &good));
    o = good;
    o.alphabet = "ascii";
    refuse_set("abababab", 8, &o, BFN_ERR_ARGUMENT, "alphabet is \"ascii\", allowed: text8, chars");
    o.alphabet = NULL;
    refuse_set("abababab", 8, &o, BFN_ERR_ARGUMENT, "allowed: text8, chars");
    o = good;
    o.T = 0;
    refuse_set("abababab", 8, &o, BFN_ERR_ARGUMENT, "sequence length is 0");
    o.T = SIZE_MAX;
    refuse_set("abababab", 8, &o, BFN_ERR_ARGUMENT, "sequence length");
    static const double bad[][3] = {
        {-0.1, 0.5, 0.5}, {0.9, 0.2, 0.0}, {0.0, 0.5, 0.5}, {0.5, (double)NAN, 0.1}, {2.0, 0.0, 0.0}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        o = good;
        memcpy(o.fractions, bad[i], sizeof bad[i]);
        refuse_set("abababab", 8, &o, BFN_ERR_ARGUMENT, "fraction");
    }
}

/* Any bytes at all: accepted or refused, never a crash. */
static void test_arbitrary_bytes(void **state)
{
    (void)state;
    uint32_t x = 1;
    size_t accepted = 0;
    for (int round = 0; round < 1000; round++) {
        static const char *const parts[] = {"a", "b", "\n",       "\r\n",         "\r",
                                            " ", "1", "\xc3\xa9", "\xe2\x82\xac", "\xef\xbb\xbf"};
        char bytes[64 + 4];
        size_t n = 0;
        while (n < (size_t)(round % 64)) {
            x = x * 1664525u + 1013904223u;
            const char *part = parts[(x >> 16) % 10];
            if (x >> 26 == 0) /* one in 64: any byte */
                bytes[n++] = (char)(x >> 16);
            else
                while (*part != '\0')
                    bytes[n++] = *part++;
        }
        bfn__textset_options o = {.alphabet = round % 2 ? "chars" : "text8",
                                  .lines = round % 3 == 0,
                                  .truncate_lines = true,
                                  .T = 3,
                                  .fractions = {1.0, 0.0, 0.0}};
        bfn__textset *set;
        char *copy = exact_copy(bytes, n);
        bfn_status status = bfn__textset_create(ctx, &set, copy, n, "x", &o);
        free(copy);
        assert_true(status == BFN_OK || status == BFN_ERR_INPUT);
        accepted += status == BFN_OK;
        for (size_t i = 0; set != NULL && i < bfn__textset_n_sequences(set, BFN__SPLIT_TRAIN); i++) {
            int32_t out[3];
            bfn__textset_sequence(set, BFN__SPLIT_TRAIN, i, out);
            for (int t = 0; t < 3; t++)
                assert_true(out[t] >= 0 && (size_t)out[t] < bfn__alphabet_size(bfn__textset_alphabet(set)));
        }
        bfn__textset_destroy(set);
    }
    assert_true(accepted > 50);
}

static void test_moments(void **state)
{
    (void)state;
    /* Stream: a twice as often as b in the training half; the other half does not count. */
    bfn__textset_options o = {.alphabet = "chars", .T = 3, .fractions = {0.5, 0.5, 0.0}};
    bfn__textset *set = make_set("aabaabbbbbbb", 12, &o);
    float mean[3 * 2];
    double variance = bfn__textset_moments(set, mean);
    for (int t = 0; t < 3; t++) {
        assert_float_equal(mean[2 * t], 2.0f / 3.0f, 1e-7f);
        assert_float_equal(mean[2 * t + 1], 1.0f / 3.0f, 1e-7f);
    }
    assert_true(fabs(variance - 4.0 / 9.0) < 1e-12);
    bfn__textset_destroy(set);
    /* Lines: by position, padding counts as a symbol. */
    o = (bfn__textset_options){.alphabet = "chars", .lines = true, .T = 2, .fractions = {1.0, 0.0, 0.0}};
    set = make_set("a\nab\nb\nbb\n", 10, &o);
    static const float wanted[] = {0.5f, 0.5f, 0.0f, 0.0f, 0.5f, 0.5f};
    variance = bfn__textset_moments(set, mean);
    assert_memory_equal(mean, wanted, sizeof wanted);
    assert_true(fabs(variance - 0.5) < 1e-12);
    bfn__textset_destroy(set);
}

/* Lines: the moments are the means over the training sequences, and over these alone. */
static void test_moments_of_split(void **state)
{
    (void)state;
    enum { T = 9, K = 13 };
    bfn__textset_options o = {.alphabet = "chars", .lines = true, .T = T, .fractions = {0.5, 0.3, 0.2}};
    bfn__textset *set = make_set(smiles, sizeof smiles - 1, &o);
    size_t n = bfn__textset_n_sequences(set, BFN__SPLIT_TRAIN);
    float mean[T * K];
    double wanted[T * K] = {0.0}, squares = 0.0;
    double variance = bfn__textset_moments(set, mean);
    assert_int_equal(bfn__alphabet_size(bfn__textset_alphabet(set)), K);
    for (size_t i = 0; i < n; i++) {
        int32_t out[T];
        bfn__textset_sequence(set, BFN__SPLIT_TRAIN, i, out);
        for (int t = 0; t < T; t++)
            wanted[t * K + out[t]] += 1.0 / (double)n;
    }
    for (int i = 0; i < T * K; i++) {
        assert_true(fabs((double)mean[i] - wanted[i]) < 1e-6);
        squares += wanted[i] * wanted[i];
    }
    assert_true(fabs(variance - (1.0 - squares / T)) < 1e-9);
    bfn__textset_destroy(set);
}

/* Beyond 256 symbols two bytes hold a character: the same text through both ways. */
static void test_wide_alphabet(void **state)
{
    (void)state;
    for (size_t K = 255; K <= 258; K++) {
        size_t n = 0;
        char *text = malloc(2 * K + 4);
        for (size_t k = 0; k < K; k++) { /* U+0400 upwards */
            text[n++] = (char)(0xd0 + k / 64);
            text[n++] = (char)(0x80 + k % 64);
        }
        bfn__textset_options o = {.alphabet = "chars", .T = K, .fractions = {1.0, 0.0, 0.0}};
        bfn__textset *set = make_set(text, n, &o);
        assert_int_equal(bfn__alphabet_size(bfn__textset_alphabet(set)), K);
        int32_t out[300];
        bfn__textset_sequence(set, BFN__SPLIT_TRAIN, 0, out);
        for (size_t k = 0; k < K; k++)
            assert_int_equal(out[k], k);
        bfn__textset_destroy(set);
        memcpy(text + n, "a\na", 3); /* two symbols more, in front of the others */
        o.T = K + 3;
        set = make_set(text, n + 3, &o);
        bfn__textset_sequence(set, BFN__SPLIT_TRAIN, 0, out);
        assert_int_equal(out[0], 2);
        assert_true(out[K] == 1 && out[K + 1] == 0 && out[K + 2] == 1);
        bfn__textset_destroy(set);
        free(text);
    }
}

static void test_gzip_text(void **state)
{
    (void)state;
    unsigned char file[1024];
    size_t n = gzip(smiles, sizeof smiles - 1, NULL, file, sizeof file);
    bfn__textset_options o = {.alphabet = "chars", .lines = true, .T = 9};
    bfn__textset *plain = make_set(smiles, sizeof smiles - 1, &o), *packed = make_set((const char *)file, n, &o);
    for (uint64_t i = 0; i < 40; i++) {
        int32_t a[9], b[9];
        bfn__textset_training(plain, 1, i, a);
        bfn__textset_training(packed, 1, i, b);
        assert_memory_equal(a, b, sizeof a);
    }
    bfn__textset_destroy(plain);
    bfn__textset_destroy(packed);
}

/* ---- memory, checksums ---- */

typedef struct job {
    const void *bytes;
    size_t n;
    bfn__textset_options options;
} job;

static bfn_status run_create(bfn_context *context, void *arg)
{
    const job *j = arg;
    bfn__textset *set;
    bfn_status status = bfn__textset_create(context, &set, j->bytes, j->n, "x.txt", &j->options);
    bfn__textset_destroy(set);
    return status;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    unsigned char file[1024];
    size_t n = gzip(smiles, sizeof smiles - 1, NULL, file, sizeof file);
    job packed = {file, n, {.alphabet = "chars", .lines = true, .T = 9}};
    assert_true(each_allocation(run_create, &packed, BFN_OK) >= 10);
    job raw = {smiles, sizeof smiles - 1, {.alphabet = "text8", .T = 4, .fractions = {1.0, 0.0, 0.0}}};
    assert_true(each_allocation(run_create, &raw, BFN_OK) >= 7);
    raw.options.T = 1000;
    assert_true(each_allocation(run_create, &raw, BFN_ERR_INPUT) >= 5);
}

static void test_sha256(void **state)
{
    (void)state;
    char hex[65];
    bfn__sha256_hex("abc", 3, hex);
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    bfn__sha256_hex(NULL, 0, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    /* In pieces: the same as in one, wherever it is cut. */
    static const char long_text[] =
        "a text that is longer than one block of sixty-four bytes, so that pieces meet block edges";
    char whole[BFN__SHA256_HEX];
    size_t n = sizeof long_text - 1;
    bfn__sha256_hex(long_text, n, whole);
    for (size_t cut = 0; cut <= n; cut++) {
        bfn__sha256 hash;
        bfn__sha256_begin(&hash);
        bfn__sha256_add(&hash, long_text, cut);
        bfn__sha256_add(&hash, NULL, 0);
        bfn__sha256_add(&hash, long_text + cut, n - cut);
        bfn__sha256_end(&hash, hex);
        assert_string_equal(hex, whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_text8_alphabet, setup, teardown),
        cmocka_unit_test_setup_teardown(test_encode_and_decode, setup, teardown),
        cmocka_unit_test_setup_teardown(test_alphabets_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(test_largest_alphabet, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cleaning, setup, teardown),
        cmocka_unit_test_setup_teardown(test_is_clean, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gzip, setup, teardown),
        cmocka_unit_test_setup_teardown(test_broken_gzip, setup, teardown),
        cmocka_unit_test_setup_teardown(test_permutation, setup, teardown),
        cmocka_unit_test_setup_teardown(test_permutation_is_random, setup, teardown),
        cmocka_unit_test_setup_teardown(test_stream, setup, teardown),
        cmocka_unit_test_setup_teardown(test_training_windows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_raw_text_is_cleaned, setup, teardown),
        cmocka_unit_test_setup_teardown(test_line_ends, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(test_epochs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fixed_alphabet, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_data, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_options, setup, teardown),
        cmocka_unit_test_setup_teardown(test_arbitrary_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(test_moments, setup, teardown),
        cmocka_unit_test_setup_teardown(test_moments_of_split, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wide_alphabet, setup, teardown),
        cmocka_unit_test_setup_teardown(test_gzip_text, setup, teardown),
        cmocka_unit_test_setup_teardown(test_out_of_memory, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sha256, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
