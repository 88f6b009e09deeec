/* mutate_zip.c: zip files taken apart and put together again, with the lengths and checksums of every entry right (see mutate.h). */
#include "mutate.h"

#include <string.h>

enum { LOCAL = 30 };

static unsigned little(const uint8_t *b, int n)
{
    unsigned value = 0;
    for (int i = n - 1; i >= 0; i--)
        value = value << 8 | b[i];
    return value;
}

/* The next file of a zip, inflated; false: there is none that is whole. */
static bool take_entry(const uint8_t *data, size_t size, size_t *at, fuzz_entry *e)
{
    const uint8_t *b = data + *at;
    if (size - *at < LOCAL || memcmp(b, "PK\3\4", 4) != 0)
        return false;
    size_t n_name = little(b + 26, 2), n_extra = little(b + 28, 2), n = little(b + 18, 4), left = size - *at - LOCAL;
    if (n_name > sizeof e->name || n_name + n_extra > left || n > left - n_name - n_extra)
        return false;
    memcpy(e->name, b + LOCAL, n_name);
    e->n_name = n_name;
    const uint8_t *from = b + LOCAL + n_name + n_extra;
    size_t used;
    bool whole;
    if (b[8] == 8)
        e->n = fuzz_inflate(from, n, -15, e->content, FUZZ_ENTRY_ROOM, &used, &whole);
    else {
        e->n = n < FUZZ_ENTRY_ROOM ? n : FUZZ_ENTRY_ROOM;
        memcpy(e->content, from, e->n);
    }
    *at += LOCAL + n_name + n_extra + n;
    return true;
}

void fuzz_set_content(fuzz_entry *e, const fuzz_out *o)
{
    e->n = o->n < FUZZ_ENTRY_ROOM ? o->n : FUZZ_ENTRY_ROOM;
    memcpy(e->content, o->data, e->n);
}

/* Until the first file that is not whole. */
static size_t take_zip(const uint8_t *data, size_t size, fuzz_entry *entries)
{
    size_t count = 0, at = 0;
    while (count < FUZZ_ENTRIES && take_entry(data, size, &at, &entries[count]))
        count++;
    return count;
}

static void put_header(fuzz_out *o, const fuzz_entry *e, unsigned flags, bool central)
{
    fuzz_put_text(o, central ? "PK\1\2" : "PK\3\4");
    if (central)
        fuzz_put_little(o, 20, 2);
    fuzz_put_little(o, 20, 2);
    fuzz_put_little(o, flags, 2);
    fuzz_put_little(o, e->method, 2);
    fuzz_put_little(o, 1 << 5 | 1, 4);
    fuzz_put_little(o, e->crc, 4);
    fuzz_put_little(o, e->n_stored, 4);
    fuzz_put_little(o, e->n, 4);
    fuzz_put_little(o, e->n_name, 2);
    fuzz_put_little(o, 0, 2); /* extra field */
    if (central) {
        fuzz_put_little(o, 0, 4); /* comment, disk */
        fuzz_put_little(o, 0, 6); /* attributes */
        fuzz_put_little(o, e->offset, 4);
    }
    fuzz_put(o, e->name, e->n_name);
}

static void put_zip(fuzz_out *o, fuzz_random *r, fuzz_entry *entries, size_t count)
{
    unsigned flags = fuzz_chance(r, 8) ? 1u << fuzz_below(r, 12) : 0;
    for (size_t i = 0; i < count; i++) {
        static fuzz_out packed;
        fuzz_entry *e = &entries[i];
        packed.n = 0;
        packed.full = false;
        e->method = fuzz_chance(r, 16) ? (unsigned)fuzz_below(r, 100) : 8u * fuzz_chance(r, 2);
        if (e->method == 8)
            fuzz_put_deflated(&packed, r, e->content, e->n);
        else
            fuzz_put(&packed, e->content, e->n);
        e->offset = o->n;
        e->n_stored = packed.n;
        e->crc = fuzz_crc(e->content, e->n);
        put_header(o, e, flags, false);
        fuzz_put(o, packed.data, packed.n);
    }
    size_t directory = o->n;
    for (size_t i = 0; i < count; i++) {
        if (fuzz_chance(r, 24)) /* a lie about the size */
            entries[i].n += fuzz_below(r, 1 << 20);
        put_header(o, &entries[i], flags, true);
    }
    size_t end = o->n;
    fuzz_put_text(o, "PK\5\6");
    fuzz_put_little(o, 0, 4);
    fuzz_put_little(o, count, 2);
    fuzz_put_little(o, count, 2);
    fuzz_put_little(o, end - directory, 4);
    fuzz_put_little(o, directory, 4);
    fuzz_put_little(o, 0, 2);
}

size_t fuzz_mutate_zip(uint8_t *data, size_t size, size_t max_size, unsigned seed, fuzz_change_fn change)
{
    static fuzz_out out;
    static fuzz_entry entries[FUZZ_ENTRIES];
    fuzz_random r = {seed};
    out.n = 0;
    out.full = false;
    if (fuzz_chance(&r, 6))
        return LLVMFuzzerMutate(data, size, max_size);
    size_t count = take_zip(data, size, entries);
    change(entries, &count, &r);
    put_zip(&out, &r, entries, count);
    return fuzz_deliver(&out, data, size, max_size);
}
