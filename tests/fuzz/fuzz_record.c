/* fuzz_record.c: any bytes as the record of what made a file of samples: inside a PNG or .npz file, or as JSON. What is read is written as
 * JSON and reads back the same.
 */
#include "fuzz.h"

#include "model/model_internal.h"

static void check_round_trip(bfn_context *ctx, const bfn_record *record)
{
    bfn_record *again;
    char *text;
    bfn_status status = bfn_record_json(record, &text);
    fuzz_require(status == BFN_OK || status == BFN_ERR_ARGUMENT); /* a value that is no UTF-8 */
    if (status != BFN_OK || bfn_record_n(record) == 0) {
        bfn_record_free_text(record, text);
        return;
    }
    fuzz_require(bfn_record_create(ctx, &again) == BFN_OK);
    fuzz_require(bfn__record_parse_json(ctx, again, text, strlen(text), "again") == BFN_OK);
    fuzz_require(bfn_record_n(again) == bfn_record_n(record));
    for (size_t i = 0; i < bfn_record_n(record); i++)
        fuzz_require(strcmp(bfn_record_get(again, bfn_record_key(record, i)), bfn_record_value(record, i)) == 0);
    bfn_record_free_text(record, text);
    bfn_record_destroy(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bfn_context *ctx = fuzz_context();
    bfn_record *record;
    bool inside;
    if (bfn_record_create(ctx, &record) != BFN_OK)
        return 0;
    bfn_status status = bfn__record_parse(ctx, record, data, size, "fuzz", &inside);
    if (status == BFN_OK && !inside)
        status = bfn__record_parse_json(ctx, record, (const char *)data, size, "fuzz");
    fuzz_status(ctx, status, BFN_ERR_INPUT);
    if (status == BFN_OK)
        check_round_trip(ctx, record);
    bfn_record_destroy(record);
    return 0;
}

#ifdef BFN_FUZZ
#include "mutate.h"

enum { SIGNATURE = 8, FRAME = 12 };

static const char *const words[] = {"method",  "seed",         "infill", "version", "a b",         "",
                                    "a",       "model_sha256", "0.1",    "ode2m",   "\\u00e9",     "\\ud800",
                                    "\\u0000", "\xc3\xa9",     "\xff",   "\\n",     "line\x1b[2J", "x.y"};
enum { N_WORDS = sizeof words / sizeof words[0] };

static const char *word(fuzz_random *r)
{
    return words[fuzz_below(r, N_WORDS)];
}

static void put_json(fuzz_out *o, fuzz_random *r)
{
    static const char *const others[] = {"1", "null", "[]", "{}", "true", "1e400"};
    fuzz_put_text(o, "{");
    for (size_t i = 0, n = fuzz_below(r, fuzz_chance(r, 32) ? 300 : 5); i < n; i++) {
        fuzz_put_text(o, i > 0 ? ",\"" : "\"");
        fuzz_put_text(o, word(r));
        if (n > 5)
            fuzz_put_little(o, '0' + i % 10 + (i / 10 % 10 + '0') * 256u, 2);
        fuzz_put_text(o, "\":");
        fuzz_put_text(o, fuzz_chance(r, 12) ? others[fuzz_below(r, 6)] : "\"");
        fuzz_put_text(o, word(r));
        fuzz_put_text(o, "\"");
    }
    fuzz_put_text(o, "}");
}

static void put_chunk(fuzz_out *o, const char *type, const void *data, size_t n)
{
    size_t start = o->n + 4;
    fuzz_put_big(o, n, 4);
    fuzz_put(o, type, 4);
    fuzz_put(o, data, n);
    fuzz_put_big(o, fuzz_crc(o->data + start, o->n - start), 4);
}

static void put_png(fuzz_out *o, fuzz_random *r)
{
    static fuzz_out part;
    fuzz_put(o, "\x89PNG\r\n\x1a\n", SIGNATURE);
    for (size_t i = 0, n = 1 + fuzz_below(r, 4); i < n; i++) {
        bool international = fuzz_chance(r, 2);
        part.n = 0;
        part.full = false;
        fuzz_put_text(&part, fuzz_chance(r, 8) ? "bfn" : "bfn.");
        fuzz_put_text(&part, word(r));
        fuzz_put(&part, "\0\0\0de\0x", international ? 7 : 1);
        fuzz_put_text(&part, word(r));
        if (fuzz_chance(r, 4))
            fuzz_put_mutated(o, "", 0, 4);
        put_chunk(o, international ? "iTXt" : "tEXt", part.data, part.n);
    }
}

/* The checksums of a PNG file's chunks, right again. */
static void repair(uint8_t *data, size_t size)
{
    for (size_t at = SIGNATURE; at + FRAME <= size;) {
        size_t n = (size_t)data[at] << 24 | (size_t)data[at + 1] << 16 | (size_t)data[at + 2] << 8 | data[at + 3];
        if (n > size - at - FRAME)
            return;
        uint32_t crc = fuzz_crc(data + at + 4, n + 4);
        for (size_t i = 0; i < 4; i++)
            data[at + 8 + n + i] = (uint8_t)(crc >> (24 - 8 * i));
        at += n + FRAME;
    }
}

/* A record anew, or libFuzzer's mutations with the checksums of a PNG repaired. (fuzz_npz.c is about zip files.) */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    static fuzz_out out;
    fuzz_random r = {seed};
    out.n = 0;
    out.full = false;
    if (fuzz_chance(&r, 4)) {
        if (fuzz_chance(&r, 2))
            put_json(&out, &r);
        else
            put_png(&out, &r);
        return fuzz_deliver(&out, data, size, max_size);
    }
    size = LLVMFuzzerMutate(data, size, max_size);
    if (size > 0 && data[0] == 0x89 && !fuzz_chance(&r, 8))
        repair(data, size);
    return size;
}
#endif
