/* fuzz_text.c: any bytes as a text data set.
 *
 * The first three bytes choose how it is read (alphabet, lines or stream, T, fractions, a fixed alphabet, gzip); the rest is the file. In a set that
 * is accepted every sequence of every split holds symbols of its alphabet, and its characters encode to the same symbols.
 */
#include "fuzz.h"

#include "io/text.h"

#include <math.h>
#include <zlib.h>

enum { N_OPTIONS = 3, MAX_T = 16, MAX_SEQUENCES = 64, ZIP_ROOM = 1 << 12 };

static void check_sequence(const bfn__alphabet *a, size_t T, const int32_t *symbols)
{
    char text[4 * MAX_T + 1];
    for (size_t t = 0; t < T; t++)
        fuzz_require(symbols[t] >= 0 && (size_t)symbols[t] < bfn__alphabet_size(a));
    fuzz_require(bfn__alphabet_decode(a, symbols, T, text) <= 4 * T);
}

/* What the symbols of a stream stand for encodes to them again. */
static void check_encoding(bfn_context *ctx, const bfn__alphabet *a, size_t T, const int32_t *symbols)
{
    char text[4 * MAX_T + 1];
    uint16_t *again = NULL;
    size_t n = bfn__alphabet_decode(a, symbols, T, text), n_again;
    fuzz_require(bfn__alphabet_encode(ctx, a, text, n, "again", &again, &n_again) == BFN_OK && n_again == T);
    for (size_t t = 0; t < T; t++)
        fuzz_require(again[t] == symbols[t]);
    bfn__free(ctx, again);
}

static void check_set(bfn_context *ctx, const bfn__textset *set, const bfn__textset_options *o)
{
    const bfn__alphabet *a = bfn__textset_alphabet(set);
    int32_t symbols[MAX_T];
    for (int which = BFN__SPLIT_TRAIN; which <= BFN__SPLIT_TEST; which++) {
        size_t n = bfn__textset_n_sequences(set, (bfn__split)which);
        for (size_t i = 0; i < n && i < MAX_SEQUENCES; i++) {
            bfn__textset_sequence(set, (bfn__split)which, i, symbols);
            check_sequence(a, o->T, symbols);
        }
    }
    for (uint64_t i = 0; i < 4; i++) {
        bfn__textset_training(set, 7, i, symbols);
        check_sequence(a, o->T, symbols);
    }
    if (!o->lines)
        check_encoding(ctx, a, o->T, symbols);
    size_t K = bfn__alphabet_size(a);
    float *mean = malloc(o->T * K * sizeof *mean);
    fuzz_require(mean == NULL || bfn__textset_moments(set, mean) >= 0.0);
    free(mean);
}

/* A gzip file with one stored block and the right checksum. */
static size_t zip(const uint8_t *data, size_t n, uint8_t out[ZIP_ROOM])
{
    size_t at = 10;
    if (n > ZIP_ROOM - 32)
        n = ZIP_ROOM - 32;
    memcpy(out, "\x1f\x8b\x08\0\0\0\0\0\0\3\1", 11);
    out[11] = (uint8_t)(n & 255);
    out[12] = (uint8_t)(n >> 8);
    out[13] = (uint8_t)~out[11];
    out[14] = (uint8_t)~out[12];
    if (n > 0)
        memcpy(out + 15, data, n);
    at = 15 + n;
    uint32_t crc = (uint32_t)crc32(0, out + 15, (uInt)n), size = (uint32_t)n;
    for (int i = 0; i < 4; i++) {
        out[at + i] = (uint8_t)(crc >> (8 * i));
        out[at + 4 + i] = (uint8_t)(size >> (8 * i));
    }
    return at + 8;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const double fractions[][3] = {{0, 0, 0}, {1, 0, 0}, {0.5, 0.25, 0.25}, {0.5, 0, 0.5}};
    static uint8_t zipped[ZIP_ROOM];
    if (size < N_OPTIONS)
        return 0;
    bfn_context *ctx = fuzz_context();
    bfn__alphabet *fixed = NULL;
    bfn__textset *set = NULL;
    bfn__textset_options o = {.alphabet = (data[0] & 1) != 0 ? "chars" : "text8", .T = 1 + data[1] % MAX_T};
    o.lines = (data[0] & 2) != 0;
    o.truncate_lines = (data[0] & 4) != 0;
    memcpy(o.fractions, fractions[data[2] % 4], sizeof o.fractions);
    if ((data[0] & 8) != 0)
        fuzz_require(bfn__alphabet_from_symbols(ctx, &fixed, "\nab\xc3\xa9 ", o.lines) == BFN_OK);
    o.fixed = fixed;
    const uint8_t *text = data + N_OPTIONS;
    size_t n = size - N_OPTIONS;
    if ((data[0] & 16) != 0) {
        n = zip(text, n, zipped);
        text = zipped;
    }
    bfn_status status = bfn__textset_create(ctx, &set, text, n, "fuzz", &o);
    fuzz_status(ctx, status, BFN_ERR_INPUT);
    fuzz_require((status == BFN_OK) == (set != NULL));
    if (set != NULL)
        check_set(ctx, set, &o);
    bfn__textset_destroy(set);
    bfn__alphabet_destroy(fixed);
    return 0;
}

#ifdef BFN_FUZZ
#include "mutate.h"

/* Words of text go in where they stand, so that most inputs stay valid UTF-8. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    static const char *const words[] = {"\r\n",
                                        "\n",
                                        "\n\n",
                                        "\r",
                                        "a",
                                        "b",
                                        " ",
                                        "  ",
                                        "1999",
                                        "Zz",
                                        "\t",
                                        "\xc3\xa9",
                                        "\xe2\x82\xac",
                                        "\xef\xbb\xbf",
                                        "\xf0\x9f\x98\x80",
                                        "\xf4\x8f\xbf\xbf",
                                        "\xc0\x80",
                                        "\xed\xa0\x80",
                                        "\xf4\x90\x80\x80",
                                        "\x1b[2J",
                                        "\x7f",
                                        "\xc2\x85",
                                        "\xe2\x80",
                                        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                                        "ab ba\nab",
                                        "\x1f\x8b\x08"};
    static fuzz_out out;
    fuzz_random r = {seed};
    out.n = 0;
    out.full = false;
    if (size < N_OPTIONS || fuzz_chance(&r, 4))
        return LLVMFuzzerMutate(data, size, max_size);
    size_t at = N_OPTIONS + fuzz_below(&r, size - N_OPTIONS + 1), skip = fuzz_chance(&r, 2) ? 0 : fuzz_below(&r, 8);
    while (at > N_OPTIONS && at < size && (data[at] & 0xc0) == 0x80) /* not into the middle of a character */
        at--;
    fuzz_put(&out, data, at);
    for (size_t i = fuzz_below(&r, 4); i > 0; i--)
        fuzz_put_text(&out, words[fuzz_below(&r, sizeof words / sizeof words[0])]);
    at += skip < size - at ? skip : size - at;
    while (at < size && (data[at] & 0xc0) == 0x80)
        at++;
    fuzz_put(&out, data + at, size - at);
    if (fuzz_chance(&r, 4))
        out.data[fuzz_below(&r, N_OPTIONS)] = (uint8_t)fuzz_below(&r, 32);
    return fuzz_deliver(&out, data, size, max_size);
}
#endif
