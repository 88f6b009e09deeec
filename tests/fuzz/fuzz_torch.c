/* fuzz_torch.c: any bytes as a .pt file: the zip, the pickle in it, the storages. All that is accepted is read to its last byte.
 */
#include "fuzz.h"

#include "io/torch.h"

static void set_limit(bfn_context *ctx, const char *name, size_t value)
{
    fuzz_require(bfn_set_limit(ctx, name, value) == BFN_OK);
}

static void check_tensor(const bfn__safetensors *st, const bfn__st_tensor *t)
{
    static volatile unsigned sum; /* so that the reads are made */
    fuzz_require(t->bytes == t->count * bfn__dtype_size(t->dtype));
    fuzz_require(bfn__safetensors_find(st, t->name) == t);
    for (size_t i = 0; i < t->bytes; i++)
        sum += ((const uint8_t *)t->data)[i];
    (void)sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bfn_context *ctx = fuzz_context();
    set_limit(ctx, "pickle-values", 1 << 16);
    set_limit(ctx, "pickle-bytes", 1 << 20);
    set_limit(ctx, "torch-bytes", 1 << 20);
    set_limit(ctx, "torch-entries", 1 << 12);
    bfn__safetensors *st = NULL;
    bfn_status status = bfn__torch_parse(ctx, &st, data, size, "fuzz");
    fuzz_status(ctx, status, BFN_ERR_INPUT);
    fuzz_require((status == BFN_OK) == (st != NULL));
    for (size_t i = 0; st != NULL && i < bfn__safetensors_n_tensors(st); i++)
        check_tensor(st, bfn__safetensors_tensor(st, i));
    bfn__safetensors_close(st);
    return 0;
}

#ifdef BFN_FUZZ
#include "mutate.h"

static bool is_pickle(const fuzz_entry *e)
{
    return e->n_name > 4 && memcmp(e->name + e->n_name - 4, ".pkl", 4) == 0;
}

/* A storage: its number in the name, a few bytes of content. */
static void put_storage(fuzz_entry *e, fuzz_random *r)
{
    memcpy(e->name, "a/data/0", 8);
    e->n_name = 8;
    e->name[7] = (uint8_t)('0' + fuzz_below(r, 6));
    e->n = 4 * fuzz_below(r, 9);
    for (size_t i = 0; i < e->n; i++)
        e->content[i] = (uint8_t)fuzz_below(r, 256);
}

static void change(fuzz_entry *entries, size_t *count, fuzz_random *r)
{
    fuzz_entry *e = &entries[fuzz_below(r, *count)];
    switch (*count == 0 ? 4 : fuzz_below(r, 8)) {
    case 0:
        e->n_name = LLVMFuzzerMutate(e->name, e->n_name, sizeof e->name);
        break;
    case 1: /* one less, or the last one twice */
        *e = entries[*count - 1];
        *count -= fuzz_chance(r, 2);
        break;
    case 2:
        e->n = LLVMFuzzerMutate(e->content, e->n, sizeof e->content);
        break;
    case 3:
    case 4:
        put_storage(*count < FUZZ_ENTRIES ? &entries[(*count)++] : e, r);
        break;
    default:
        for (size_t i = 0; i < *count; i++)
            if (is_pickle(&entries[i]))
                entries[i].n = fuzz_mutate_pickle(entries[i].content, entries[i].n, sizeof entries[i].content,
                                                  (unsigned)fuzz_below(r, SIZE_MAX));
    }
}

/* The pickle, a storage or a name changes; the zip around them stays right. What is no zip is of the old format: pickles one after another. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    if (size > 0 && data[0] != 'P')
        return fuzz_mutate_pickle(data, size, max_size, seed);
    return fuzz_mutate_zip(data, size, max_size, seed, change);
}
#endif
