/* fuzz_npz.c: any bytes as an .npz file. All that is accepted is read to its last byte, and every array is found by its name. */
#include "fuzz.h"

#include "io/npz.h"

enum { MAX_CONTENT = 1 << 20 };

static void check_tensor(const bfn__st_tensor *t)
{
    static volatile unsigned sum; /* so that the reads are made */
    fuzz_require(t->bytes == t->count * bfn__dtype_size(t->dtype));
    for (size_t i = 0; i < t->bytes; i++)
        sum += ((const uint8_t *)t->data)[i];
    (void)sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bfn_context *ctx = fuzz_context();
    bfn__npz *npz = NULL;
    bfn_status status = bfn__npz_parse(ctx, &npz, data, size, MAX_CONTENT, "fuzz");
    fuzz_status(ctx, status, BFN_ERR_INPUT);
    fuzz_require((status == BFN_OK) == (npz != NULL));
    for (size_t i = 0; npz != NULL && i < bfn__npz_n(npz); i++) {
        check_tensor(bfn__npz_tensor(npz, i));
        fuzz_require(bfn__npz_find(npz, bfn__npz_tensor(npz, i)->name) == bfn__npz_tensor(npz, i));
    }
    bfn__npz_close(npz);
    return 0;
}

#ifdef BFN_FUZZ
#include "mutate.h"

enum { MAX_ENTRIES = 6, ENTRY_ROOM = 2048, LOCAL = 30 };

typedef struct entry {
    uint8_t name[64], content[ENTRY_ROOM];
    size_t n_name, n, n_stored, offset;
    uint32_t crc;
    unsigned method;
} entry;

static unsigned little(const uint8_t *b, int n)
{
    unsigned value = 0;
    for (int i = n - 1; i >= 0; i--)
        value = value << 8 | b[i];
    return value;
}

/* The next file of a zip, inflated; false: there is none that is whole. */
static bool take_entry(const uint8_t *data, size_t size, size_t *at, entry *e)
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
        e->n = fuzz_inflate(from, n, -15, e->content, ENTRY_ROOM, &used, &whole);
    else {
        e->n = n < ENTRY_ROOM ? n : ENTRY_ROOM;
        memcpy(e->content, from, e->n);
    }
    *at += LOCAL + n_name + n_extra + n;
    return true;
}

static void set_content(entry *e, const fuzz_out *o)
{
    e->n = o->n < ENTRY_ROOM ? o->n : ENTRY_ROOM;
    memcpy(e->content, o->data, e->n);
}

static void change(entry *entries, size_t *count, fuzz_random *r)
{
    static fuzz_out part;
    part.n = 0;
    part.full = false;
    size_t i = fuzz_below(r, *count);
    entry *e = &entries[i];
    switch (*count == 0 ? 4 : fuzz_below(r, 6)) {
    case 0:
        e->n_name = LLVMFuzzerMutate(e->name, e->n_name, sizeof e->name);
        break;
    case 1: /* one less, or the last one twice */
        e[0] = entries[*count - 1];
        *count -= fuzz_chance(r, 2);
        break;
    case 2: /* named as it should be */
        memcpy(e->name, "a.npy", 5);
        e->n_name = 5;
        e->name[0] = (uint8_t)('a' + i);
        break;
    case 3:
    case 5:
        fuzz_put_npy_mutated(&part, r, e->content, e->n);
        set_content(e, &part);
        break;
    default:
        if (*count == MAX_ENTRIES)
            return;
        fuzz_put_npy(&part, r);
        e = &entries[(*count)++];
        memcpy(e->name, "z.npy", 5);
        e->n_name = 5;
        e->name[0] = (uint8_t)('a' + *count);
        set_content(e, &part);
    }
}

static void put_header(fuzz_out *o, const entry *e, unsigned flags, bool central)
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

static void put_zip(fuzz_out *o, fuzz_random *r, entry *entries, size_t count)
{
    unsigned flags = fuzz_chance(r, 8) ? 1u << fuzz_below(r, 12) : 0;
    for (size_t i = 0; i < count; i++) {
        static fuzz_out packed;
        entry *e = &entries[i];
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

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    static fuzz_out out;
    static entry entries[MAX_ENTRIES];
    fuzz_random r = {seed};
    size_t count = 0, at = 0;
    out.n = 0;
    out.full = false;
    if (fuzz_chance(&r, 6))
        return LLVMFuzzerMutate(data, size, max_size);
    while (count < MAX_ENTRIES && take_entry(data, size, &at, &entries[count]))
        count++;
    change(entries, &count, &r);
    put_zip(&out, &r, entries, count);
    return fuzz_deliver(&out, data, size, max_size);
}
#endif
