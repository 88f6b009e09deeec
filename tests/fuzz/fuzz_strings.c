/* fuzz_strings.c: any bytes as a list of strings, in each of the forms. All that is accepted is read to its last byte. */
#include "fuzz.h"

#include "io/strings.h"

static const bfn__alphabet *text8(bfn_context *ctx)
{
    static bfn__alphabet *alphabet;
    if (alphabet == NULL)
        fuzz_require(bfn__alphabet_text8(ctx, &alphabet) == BFN_OK);
    return alphabet;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bfn_context *ctx = fuzz_context();
    for (int form = BFN__STRINGS_ANY; form <= BFN__STRINGS_JSON; form++) {
        bfn__strings s;
        size_t length = 0;
        bfn_status status = bfn__strings_parse(ctx, &s, data, size, "fuzz", (bfn__strings_form)form, text8(ctx));
        fuzz_status(ctx, status, BFN_ERR_INPUT);
        fuzz_require((status == BFN_OK) == (s.n > 0));
        for (size_t i = 0; i < s.n; i++)
            length += strlen(s.list[i]);
        fuzz_require(length <= 4 * size);
        bfn__strings_free(ctx, &s);
    }
    return 0;
}

#ifdef BFN_FUZZ
#include "mutate.h"

/* Where a line begins: behind the line end at or before `at`. */
static size_t line_start(const uint8_t *data, size_t at)
{
    while (at > 0 && data[at - 1] != '\n')
        at--;
    return at;
}

/* A .npy file with its parts changed, or a line of JSON or text put in. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    static const char *const lines[] = {"{\"text\":\"abc\"}\n",
                                        "{\"seed\":1,\"text\":\"\\u00e9\\ud83d\\ude00\",\"x\":[1,{\"y\":null}]}\n",
                                        "{\"text\":\"\"}\r\n",
                                        "{\"text\":1}\n",
                                        "{\"text\":\"a\",\"text\":1}\n",
                                        "{\"text\":\"\\u0000\"}\n",
                                        "[]\n",
                                        "{}\n",
                                        "\n",
                                        "\r\n",
                                        "plain text\n",
                                        "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\n",
                                        "\xed\xa0\x80\n",
                                        "{\"text\":\"\xff\"}\n"};
    static fuzz_out out;
    fuzz_random r = {seed};
    out.n = 0;
    out.full = false;
    if (fuzz_chance(&r, 3))
        return LLVMFuzzerMutate(data, size, max_size);
    if ((size > 0 && data[0] == 0x93) || fuzz_chance(&r, 16)) {
        fuzz_put_npy_mutated(&out, &r, data, size);
        return fuzz_deliver(&out, data, size, max_size);
    }
    size_t at = line_start(data, fuzz_below(&r, size + 1)), end = at;
    for (size_t n = fuzz_below(&r, 3); n > 0 && end < size; n -= data[end++] == '\n') { /* in place of some lines */
    }
    fuzz_put(&out, data, at);
    fuzz_put_text(&out, lines[fuzz_below(&r, sizeof lines / sizeof lines[0])]);
    fuzz_put(&out, data + end, size - end);
    return fuzz_deliver(&out, data, size, max_size);
}
#endif
