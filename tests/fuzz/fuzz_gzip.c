/* fuzz_gzip.c: any bytes as a gzip file, with a small cap. What comes out is the same when it is read again under its own size as cap, and
 * refused under one byte less. */
#include "fuzz.h"

#include "io/gzip.h"

enum { CAP = 4096 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bfn_context *ctx = fuzz_context();
    char *out, *again;
    size_t n, n_again;
    bfn_status status = bfn__gunzip(ctx, data, size, CAP, "fuzz", &out, &n);
    fuzz_status(ctx, status, BFN_ERR_INPUT);
    fuzz_require((status == BFN_OK) == (out != NULL) && n <= CAP);
    if (status == BFN_OK) {
        fuzz_require(bfn__is_gzip(data, size));
        fuzz_require(n == 0 || bfn__gunzip(ctx, data, size, n - 1, "fuzz", &again, &n_again) == BFN_ERR_INPUT);
        fuzz_require(bfn__gunzip(ctx, data, size, n + 1, "fuzz", &again, &n_again) == BFN_OK);
        fuzz_require(n_again == n && memcmp(out, again, n) == 0);
        bfn__free(ctx, again);
    }
    bfn__free(ctx, out);
    return 0;
}

#ifdef BFN_FUZZ
#include "mutate.h"

enum { HEADER = 10, HCRC = 2, EXTRA = 4, NAME = 8, COMMENT = 16 };

static void put_head(fuzz_out *o, fuzz_random *r)
{
    size_t start = o->n;
    unsigned flags = fuzz_chance(r, 2) ? 0 : (unsigned)fuzz_below(r, 32);
    fuzz_put(o, "\x1f\x8b\x08", 3);
    fuzz_put_little(o, flags, 1);
    fuzz_put_little(o, fuzz_below(r, 1u << 31), 6);
    if ((flags & EXTRA) != 0) {
        size_t n = fuzz_below(r, 8);
        fuzz_put_little(o, n, 2);
        fuzz_put_random(o, r, n);
    }
    if ((flags & NAME) != 0)
        fuzz_put(o, "a.txt", 6);
    if ((flags & COMMENT) != 0)
        fuzz_put(o, "", 1);
    if ((flags & HCRC) != 0)
        fuzz_put_little(o, fuzz_crc(o->data + start, o->n - start), 2);
}

static void put_member(fuzz_out *o, fuzz_random *r, const uint8_t *content, size_t n, bool mutate)
{
    static fuzz_out part;
    part.n = 0;
    part.full = false;
    if (mutate)
        fuzz_put_mutated(&part, content, n, 64);
    else
        fuzz_put(&part, content, n);
    put_head(o, r);
    fuzz_put_deflated(o, r, part.data, part.n);
    fuzz_put_little(o, fuzz_crc(part.data, part.n) ^ fuzz_chance(r, 32), 4);
    fuzz_put_little(o, part.n + fuzz_chance(r, 32), 4);
}

/* Mutated deflate data with the checksum of whatever they hold. */
static void put_broken(fuzz_out *o, fuzz_random *r, const uint8_t *deflated, size_t n)
{
    static uint8_t content[FUZZ_ROOM];
    size_t used, from;
    bool whole;
    put_head(o, r);
    from = o->n;
    fuzz_put_mutated(o, deflated, n, 16);
    size_t n_content = fuzz_inflate(o->data + from, o->n - from, -15, content, sizeof content, &used, &whole);
    if (whole)
        o->n = from + used;
    fuzz_put_little(o, fuzz_crc(content, n_content), 4);
    fuzz_put_little(o, n_content, 4);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    static fuzz_out out;
    static uint8_t content[FUZZ_ROOM / 4];
    fuzz_random r = {seed};
    size_t used, n;
    bool whole;
    out.n = 0;
    out.full = false;
    if (size < HEADER || fuzz_chance(&r, 4))
        return LLVMFuzzerMutate(data, size, max_size);
    n = fuzz_inflate(data, size, 15 + 16, content, sizeof content, &used, &whole);
    if (fuzz_chance(&r, 3))
        put_broken(&out, &r, data + HEADER, size - HEADER);
    else
        put_member(&out, &r, content, n, true);
    if (fuzz_chance(&r, 4))
        put_member(&out, &r, content, n / 2, false);
    if (fuzz_chance(&r, 8))
        fuzz_put_little(&out, fuzz_chance(&r, 2), 1 + (int)fuzz_below(&r, 6));
    return fuzz_deliver(&out, data, size, max_size);
}
#endif
