/* fuzz_metadata.c: any bytes as the JSON texts in a checkpoint's metadata (bfn.data, bfn.train), inside a safetensors file that is right.
 *
 * The first two bytes choose D, K and the tensor data.mean; the rest is bfn.data, then, behind a zero byte, bfn.train. What is accepted
 * is written and read again to the same text.
 */
#include "fuzz.h"

#include "model/model_internal.h"

#include <math.h>
#include <stdio.h>

enum { N_OPTIONS = 2, ROOM = 1 << 14, MAX_MEAN = 64, MAX_TEXT = 1024 };

typedef struct file {
    char bytes[ROOM];
    size_t n;
} file;

static void put(file *f, const void *bytes, size_t n)
{
    fuzz_require(n <= ROOM - f->n);
    memcpy(f->bytes + f->n, bytes, n);
    f->n += n;
}

static void put_text(file *f, const char *text)
{
    put(f, text, strlen(text));
}

/* As a JSON string; bytes that are not UTF-8 stay so. */
static void put_string(file *f, const uint8_t *text, size_t n)
{
    char escape[8];
    put_text(f, "\"");
    for (size_t i = 0; i < n; i++) {
        bool odd = text[i] < 0x20 || text[i] == '"' || text[i] == '\\';
        if (odd)
            put(f, escape, (size_t)snprintf(escape, sizeof escape, "\\u%04x", (unsigned)text[i]));
        else
            put(f, text + i, 1);
    }
    put_text(f, "\"");
}

/* Length, header with both texts and the tensor, n_mean numbers. */
static void make_file(file *f, const uint8_t *data, size_t n_data, const uint8_t *train, size_t n_train, size_t n_mean,
                      float value)
{
    char tensor[128];
    f->n = 8;
    put_text(f, "{\"__metadata__\":{\"bfn.data\":");
    put_string(f, data, n_data);
    put_text(f, ",\"bfn.train\":");
    put_string(f, train, n_train);
    (void)snprintf(tensor, sizeof tensor,
                   "}%s\"data.mean\":{\"dtype\":\"F32\",\"shape\":[%zu],\"data_offsets\":[0,%zu]}}",
                   n_mean > 0 ? "," : "", n_mean, 4 * n_mean);
    put_text(f, n_mean > 0 ? tensor : "}}");
    uint64_t length = f->n - 8;
    memcpy(f->bytes, &length, 8);
    for (size_t i = 0; i < n_mean; i++)
        put(f, &value, sizeof value);
}

/* Both texts as they are written for what was read. */
static void write_again(bfn_context *ctx, const bfn__data_info *data, const bfn__train_info *train, size_t D, size_t K)
{
    static file f;
    bfn__data_info again;
    bfn__train_info train_again;
    bfn__safetensors *st;
    char *a = bfn__data_info_write(data), *b = bfn__train_info_write(train);
    fuzz_require(a != NULL && b != NULL);
    size_t n_mean = data->mean_rows * K;
    make_file(&f, (const uint8_t *)a, strlen(a), (const uint8_t *)b, strlen(b), n_mean, n_mean > 0 ? data->mean[0] : 0);
    fuzz_require(bfn__safetensors_parse(ctx, &st, f.bytes, f.n, "again") == BFN_OK);
    fuzz_require(bfn__data_info_read(ctx, st, D, K, &again) == BFN_OK);
    fuzz_require(bfn__train_info_read(ctx, st, &train_again) == BFN_OK);
    char *a2 = bfn__data_info_write(&again), *b2 = bfn__train_info_write(&train_again);
    fuzz_require(a2 != NULL && b2 != NULL && strcmp(a, a2) == 0 && strcmp(b, b2) == 0);
    bfn__data_info_free(ctx, &again);
    bfn__safetensors_close(st);
    free(a);
    free(b);
    free(a2);
    free(b2);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const float values[] = {0.0f, -1.5f, INFINITY, NAN};
    static file f;
    if (size < N_OPTIONS || size > MAX_TEXT)
        return 0;
    bfn_context *ctx = fuzz_context();
    bfn__safetensors *st = NULL;
    bfn__data_info info = {0};
    bfn__train_info train = {0};
    size_t D = 1 + data[0] % 4, K = 1 + data[1] % 8, n = size - N_OPTIONS;
    size_t n_mean = (data[0] & 16) != 0 ? K * D : (data[0] & 32) != 0 ? K : (data[0] & 64) != 0 ? 3 : 0;
    const uint8_t *text = data + N_OPTIONS, *zero = memchr(text, 0, n);
    size_t n_text = zero != NULL ? (size_t)(zero - text) : n, skip = zero != NULL;
    make_file(&f, text, n_text, text + n_text + skip, n - n_text - skip, n_mean, values[data[1] >> 3 & 3]);
    bfn_status status = bfn__safetensors_parse(ctx, &st, f.bytes, f.n, "fuzz");
    fuzz_status(ctx, status, BFN_ERR_INPUT);
    if (status == BFN_OK)
        status = bfn__data_info_read(ctx, st, D, K, &info);
    if (status == BFN_OK)
        status = bfn__train_info_read(ctx, st, &train);
    fuzz_status(ctx, status, BFN_ERR_INPUT);
    if (status == BFN_OK && data[size / 2] % 4 == 0) /* a part of the inputs, told by their bytes: writing costs most */
        write_again(ctx, &info, &train, D, K);
    bfn__data_info_free(ctx, &info);
    bfn__safetensors_close(st);
    return 0;
}

#ifdef BFN_FUZZ
#include "mutate.h"

static const char *const tokens[] = {"{",
                                     "}",
                                     "[",
                                     "]",
                                     ",",
                                     ":",
                                     "\"",
                                     "{}",
                                     "null",
                                     "true",
                                     "false",
                                     "0",
                                     "-1",
                                     "1.5",
                                     "1e400",
                                     "1e-400",
                                     "1E5",
                                     "9223372036854775807",
                                     "9223372036854775808",
                                     "-9223372036854775808",
                                     "\"ab\"",
                                     "\" abcdefghijklmnopqrstuvwxyz\"",
                                     "\"\\u00e9\\ud83d\\ude00\"",
                                     "\"\\u0000\"",
                                     "\"\\u001b[2J\"",
                                     "\"ema\"",
                                     "\"raw\"",
                                     "\"mnist\"",
                                     "\"\xe2\x82\xac\"",
                                     "\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"",
                                     "[[[[[[[[",
                                     "\"alphabet\":",
                                     "\"pad\":",
                                     "\"variance\":",
                                     "\"sha256\":",
                                     "\"name\":",
                                     "\"labels\":",
                                     "\"step\":",
                                     "\"bad_steps\":",
                                     "\"bad_in_row\":",
                                     "\"valid_bound\":",
                                     "\"best_bound\":",
                                     "\"weights\":"};
enum { N_TOKENS = sizeof tokens / sizeof tokens[0], N_KEYS = 12 };

static void put_object(fuzz_out *o, fuzz_random *r)
{
    fuzz_put_text(o, "{");
    for (size_t i = 0, n = fuzz_below(r, 6); i < n; i++) {
        fuzz_put_text(o, i > 0 ? "," : "");
        fuzz_put_text(o, tokens[N_TOKENS - 1 - fuzz_below(r, N_KEYS)]);
        fuzz_put_text(o, tokens[7 + fuzz_below(r, N_TOKENS - N_KEYS - 7)]);
    }
    fuzz_put_text(o, "}");
}

/* A token put in, an object anew, or libFuzzer's mutations. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    static fuzz_out out;
    fuzz_random r = {seed};
    out.n = 0;
    out.full = false;
    if (size < N_OPTIONS || fuzz_chance(&r, 3))
        return LLVMFuzzerMutate(data, size, max_size);
    if (fuzz_chance(&r, 6)) {
        fuzz_put_random(&out, &r, N_OPTIONS);
        put_object(&out, &r);
        fuzz_put(&out, "", 1);
        put_object(&out, &r);
        return fuzz_deliver(&out, data, size, max_size);
    }
    size_t at = N_OPTIONS + fuzz_below(&r, size - N_OPTIONS + 1), skip = fuzz_chance(&r, 2) ? 0 : fuzz_below(&r, 12);
    fuzz_put(&out, data, at);
    fuzz_put_text(&out, tokens[fuzz_below(&r, N_TOKENS)]);
    at += skip < size - at ? skip : size - at;
    fuzz_put(&out, data + at, size - at);
    return fuzz_deliver(&out, data, size, max_size);
}
#endif
