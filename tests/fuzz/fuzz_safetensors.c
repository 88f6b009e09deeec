/* fuzz_safetensors.c: any bytes as a safetensors file.
 *
 * What is parsed must be consistent (data inside the input, bytes = count x size, every name found again) and convertible; what
 * is refused must come with one line and the right status.
 */
#include "fuzz.h"

#include "io/safetensors.h"

enum { LENGTH_BYTES = 8, MAX_COUNT = 4096 };

static void check_tensor(bfn_context *ctx, const bfn__safetensors *st, const bfn__st_tensor *t, const uint8_t *data,
                         size_t size)
{
    static float f32[MAX_COUNT];
    static int64_t i64[MAX_COUNT];
    fuzz_require(t->bytes == t->count * bfn__dtype_size(t->dtype) && t->rank <= BFN__ST_MAX_RANK);
    fuzz_require(t->bytes == 0 ||
                 ((const uint8_t *)t->data >= data && (const uint8_t *)t->data + t->bytes <= data + size));
    fuzz_require(bfn__safetensors_find(st, t->name) == t);
    if (t->count > MAX_COUNT)
        return;
    fuzz_status(ctx, bfn__st_to_f32(ctx, t, f32), BFN_ERR_INPUT);
    fuzz_status(ctx, bfn__st_to_i64(ctx, t, i64), BFN_ERR_INPUT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bfn_context *ctx = fuzz_context();
    bfn__safetensors *st = NULL;
    bfn_status status = bfn__safetensors_parse(ctx, &st, data, size, "fuzz");
    fuzz_status(ctx, status, BFN_ERR_INPUT);
    fuzz_require((status == BFN_OK) == (st != NULL));
    size_t covered = LENGTH_BYTES;
    for (size_t i = 0; st != NULL && i < bfn__safetensors_n_tensors(st); i++) {
        check_tensor(ctx, st, bfn__safetensors_tensor(st, i), data, size);
        covered += bfn__safetensors_tensor(st, i)->bytes;
    }
    fuzz_require(covered <= size + LENGTH_BYTES);
    if (st != NULL) {
        bool has_checksum;
        (void)bfn__safetensors_metadata(st, "flow");
        fuzz_status(ctx, bfn__safetensors_verify(st, "fuzz", &has_checksum), BFN_ERR_INPUT);
    }
    bfn__safetensors_close(st);
    return 0;
}

#ifdef BFN_FUZZ
#include "mutate.h"

#include <stdio.h>

enum { MAX_DATA = 256 };

/* Length, header, and as many bytes of data as the largest number behind "data_offsets" says (those at hand first). */
static void put_file(fuzz_out *o, fuzz_random *r, const uint8_t *header, size_t n, const uint8_t *data, size_t n_data)
{
    size_t wanted = 0, value = 0, offsets = n;
    for (size_t i = 0; i < n; i++) {
        if (n - i > 12 && memcmp(header + i, "data_offsets", 12) == 0)
            offsets = i;
        bool digit = header[i] >= '0' && header[i] <= '9';
        value = digit && value <= MAX_DATA ? 10 * value + header[i] - '0' : digit ? value : 0;
        if (offsets < i && value <= MAX_DATA && value > wanted)
            wanted = value;
        if (header[i] == ']')
            offsets = n;
    }
    if (fuzz_chance(r, 8))
        wanted = n_data;
    fuzz_put_little(o, n, LENGTH_BYTES);
    fuzz_put(o, header, n);
    fuzz_put(o, data, wanted < n_data ? wanted : n_data);
    if (wanted > n_data)
        fuzz_put_random(o, r, wanted - n_data);
}

static void put_fresh(fuzz_out *o, fuzz_random *r)
{
    static const char *const types[] = {"F64", "F32", "F16", "BF16", "I64", "I32", "U8", "BOOL", "I8", "f32"};
    static const size_t sizes[] = {8, 4, 2, 2, 8, 4, 1, 1, 1, 4};
    static fuzz_out header;
    size_t at = 0;
    header.n = 0;
    header.full = false;
    fuzz_put_text(&header, fuzz_chance(r, 3) ? "{\"__metadata__\":{\"flow\":\"\\u00e9\\n\",\"b\":\"c\"}" : "{");
    for (size_t i = 0, n = fuzz_below(r, 4); i < n; i++) {
        char text[256];
        size_t type = fuzz_below(r, fuzz_chance(r, 8) ? 10 : 8), rank = fuzz_below(r, 4), bytes = sizes[type];
        int used = snprintf(text, sizeof text, "%s\"%c%zu\": {\"dtype\":\"%s\",\"shape\":[", header.n > 1 ? "," : "",
                            fuzz_chance(r, 16) ? '"' : 't', fuzz_below(r, 16), types[type]);
        for (size_t d = 0; d < rank; d++) {
            size_t side = fuzz_chance(r, 32) ? fuzz_below(r, 1u << 31) << fuzz_below(r, 34) : fuzz_below(r, 4);
            bytes *= side;
            used += snprintf(text + used, sizeof text - (size_t)used, "%s%zu", d > 0 ? "," : "", side);
        }
        (void)snprintf(text + used, sizeof text - (size_t)used, "],\"data_offsets\":[%zu,%zu]}", at, at + bytes);
        at += bytes;
        fuzz_put_text(&header, text);
    }
    fuzz_put_text(&header, fuzz_chance(r, 2) ? "}   " : "}");
    put_file(o, r, header.data, header.n, NULL, 0);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    static fuzz_out out, header;
    fuzz_random r = {seed};
    out.n = header.n = 0;
    out.full = header.full = false;
    if (size <= LENGTH_BYTES || fuzz_chance(&r, 8))
        return LLVMFuzzerMutate(data, size, max_size);
    size_t n = LENGTH_BYTES; /* the header ends with its last closing brace */
    for (size_t i = LENGTH_BYTES; i < size; i++)
        if (data[i] == '}')
            n = i + 1;
    if (fuzz_chance(&r, 8))
        put_fresh(&out, &r);
    else {
        fuzz_put_mutated(&header, data + LENGTH_BYTES, n - LENGTH_BYTES, 32);
        put_file(&out, &r, header.data, header.n, data + n, size - n);
    }
    return fuzz_deliver(&out, data, size, max_size);
}
#endif
