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

static void change(fuzz_entry *entries, size_t *count, fuzz_random *r)
{
    static fuzz_out part;
    part.n = 0;
    part.full = false;
    size_t i = fuzz_below(r, *count);
    fuzz_entry *e = &entries[i];
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
        fuzz_set_content(e, &part);
        break;
    default:
        if (*count == FUZZ_ENTRIES)
            return;
        fuzz_put_npy(&part, r);
        e = &entries[(*count)++];
        memcpy(e->name, "z.npy", 5);
        e->n_name = 5;
        e->name[0] = (uint8_t)('a' + *count);
        fuzz_set_content(e, &part);
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    return fuzz_mutate_zip(data, size, max_size, seed, change);
}
#endif
