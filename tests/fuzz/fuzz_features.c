/* fuzz_features.c: any text as the description of a small feature network. What is accepted is written and read again to the same text, and
 * as far as its layers fit, the network is built: every layer within the cap, parameters for those that have them.
 */
#include "fuzz.h"

#include "eval/feature_file.h"

enum { MAX_TEXT = 2048 };

static void check_written(bfn_context *ctx, const bfn__feature_net *net)
{
    bfn__feature_net again;
    char *text = bfn__feature_net_write(net, NULL, 0);
    fuzz_require(text != NULL);
    fuzz_require(bfn__feature_net_parse(ctx, text, "again", &again) == BFN_OK);
    char *second = bfn__feature_net_write(&again, NULL, 0);
    fuzz_require(second != NULL && strcmp(text, second) == 0);
    bfn__feature_net_free(ctx, &again);
    free(text);
    free(second);
}

static void check_built(bfn_context *ctx, const bfn__feature_net *d)
{
    bfn__net *net;
    bfn_status status =
        bfn__layers_build(ctx, &net, d->height, d->width, d->channels, d->layers, d->n_layers, d->features);
    fuzz_status(ctx, status, BFN_ERR_ARGUMENT);
    fuzz_require((status == BFN_OK) == (net != NULL));
    if (net == NULL)
        return;
    fuzz_require(bfn__net_shown_size(net) == d->height * d->width * d->channels);
    fuzz_require(bfn__net_output_size(net) >= 1 &&
                 bfn__net_output_size(net) <= bfn__limit(ctx, BFN__CAP_FEATURE_NUMBERS));
    for (size_t i = 0; i < bfn__net_n_params(net); i++)
        fuzz_require(bfn__net_find(net, bfn__net_param(net, i)->name) == bfn__net_param(net, i));
    bfn__net_destroy(net);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char text[MAX_TEXT + 1];
    if (size > MAX_TEXT)
        return 0;
    memcpy(text, data, size);
    text[size] = '\0';
    bfn_context *ctx = fuzz_context();
    bfn__feature_net net;
    bfn_status status = bfn__feature_net_parse(ctx, text, "fuzz", &net);
    fuzz_status(ctx, status, BFN_ERR_INPUT);
    if (status != BFN_OK) {
        fuzz_require(net.json == NULL && net.layers == NULL);
        return 0;
    }
    check_written(ctx, &net);
    check_built(ctx, &net);
    bfn__feature_net_free(ctx, &net);
    return 0;
}

#ifdef BFN_FUZZ
#include "mutate.h"

static const char *const numbers[] = {"0",    "1",    "2",    "3",    "4",  "8",   "64",    "65",
                                      "1024", "1025", "8192", "8193", "-1", "1.5", "1e400", "9223372036854775808"};
static const char *const names[] = {"input", "a",        "b",       "c",          "f",
                                    "",      "a.weight", "\\u0000", "\\u001b[2J", "\\ud83d\\ude00"};
static const char *const ops[] = {"conv", "linear", "relu", "add", "concat", "mean", "max", "average", "norm"};
static const char *const tokens[] = {"{",           "}",
                                     "[",           "]",
                                     ",",           ":",
                                     "\"",          "null",
                                     "true",        "\"layers\":",
                                     "\"in\":",     "\"out\":",
                                     "\"kernel\":", "\"border\":",
                                     "\"stride\":", "\"scale\":",
                                     "\"shift\":",  "\"accuracy\":",
                                     "\"logits\":", "\"features\":",
                                     "[[[[[[[["};
#define PICK(list, r) list[fuzz_below(r, sizeof list / sizeof list[0])]

/* A number that fits, mostly. */
static void put_number(fuzz_out *o, fuzz_random *r, size_t low, size_t n)
{
    if (fuzz_chance(r, 24)) {
        fuzz_put_text(o, PICK(numbers, r));
        return;
    }
    const char digit[2] = {(char)('0' + low + fuzz_below(r, n)), '\0'};
    fuzz_put_text(o, digit);
}

static void put_pair(fuzz_out *o, fuzz_random *r, const char *key, size_t low)
{
    fuzz_put_text(o, key);
    put_number(o, r, low, 3);
    fuzz_put_text(o, ",");
    put_number(o, r, low, 3);
    fuzz_put_text(o, "]");
}

/* Layer i reads one before it; each is named by its letter. */
static void put_layer(fuzz_out *o, fuzz_random *r, size_t i)
{
    char name[2] = {(char)('a' + i), '\0'};
    fuzz_put_text(o, i > 0 ? ",{\"name\":\"" : "{\"name\":\"");
    fuzz_put_text(o, fuzz_chance(r, 24) ? PICK(names, r) : name);
    fuzz_put_text(o, "\",\"op\":\"");
    const char *op = PICK(ops, r);
    bool two = op[0] == 'a' && op[1] == 'd', joined = op[0] == 'c' && op[3] == 'c';
    fuzz_put_text(o, op);
    fuzz_put_text(o, "\",\"in\":[\"");
    for (size_t k = 0; k < (two || joined ? 2u : 1u); k++) {
        name[0] = (char)('a' + (i > 0 ? fuzz_below(r, i) : 0));
        fuzz_put_text(o, k > 0 ? "\",\"" : "");
        fuzz_put_text(o, fuzz_chance(r, 24) ? PICK(names, r) : i == 0 || fuzz_chance(r, 4) ? "input" : name);
    }
    fuzz_put_text(o, "\"],\"out\":");
    put_number(o, r, 1, 8);
    put_pair(o, r, ",\"kernel\":[", 1);
    put_pair(o, r, ",\"border\":[", 0);
    fuzz_put_text(o, ",\"stride\":");
    put_number(o, r, 1, 3);
    fuzz_put_text(o, "}");
}

static void put_network(fuzz_out *o, fuzz_random *r)
{
    size_t n = 1 + fuzz_below(r, 6);
    const char last[2] = {(char)('a' + n - 1), '\0'};
    bool colours = fuzz_chance(r, 2);
    fuzz_put_text(o, "{\"format\":1,\"name\":\"n\",\"features\":\"");
    fuzz_put_text(o, fuzz_chance(r, 12) ? PICK(names, r) : last);
    fuzz_put_text(o, "\",\"input\":{\"height\":");
    put_number(o, r, 1, 9);
    fuzz_put_text(o, ",\"width\":");
    put_number(o, r, 1, 9);
    fuzz_put_text(o, colours ? ",\"channels\":3,\"scale\":[1,0.5,1e-3],\"shift\":[0,0,-1]},\"layers\":["
                             : ",\"channels\":1,\"scale\":[1],\"shift\":[0]},\"layers\":[");
    for (size_t i = 0; i < n; i++)
        put_layer(o, r, i);
    fuzz_put_text(o, fuzz_chance(r, 3) ? "],\"logits\":\"a\",\"accuracy\":0.9}" : "]}");
}

/* A network anew, a token put in, or libFuzzer's mutations. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    static fuzz_out out;
    fuzz_random r = {seed};
    out.n = 0;
    out.full = false;
    if (fuzz_chance(&r, 3))
        return LLVMFuzzerMutate(data, size, max_size);
    if (fuzz_chance(&r, 3)) {
        put_network(&out, &r);
        return fuzz_deliver(&out, data, size, max_size);
    }
    size_t at = fuzz_below(&r, size + 1), skip = fuzz_chance(&r, 2) ? 0 : fuzz_below(&r, 12);
    fuzz_put(&out, data, at);
    fuzz_put_text(&out, fuzz_chance(&r, 3) ? PICK(numbers, &r) : PICK(tokens, &r));
    at += skip < size - at ? skip : size - at;
    fuzz_put(&out, data + at, size - at);
    return fuzz_deliver(&out, data, size, max_size);
}
#endif
