/* torch_legacy.c: PyTorch's format before version 1.6 (the published weights of Inception-v3 are in it): pickles in a row, then the numbers.
 *
 *   pickle    a magic number, always the same bytes
 *   pickle    1001, the format's version
 *   pickle    a dict about the machine that wrote it (numbers are little-endian whatever it says)
 *   pickle    the state dict, as in the newer format                          (pickle.c)
 *   pickle    a list of the keys of all storages
 *   storages  in the order of that list: the number of elements, 8 bytes, and the elements
 *
 * Nothing is aligned, so whoever uses the numbers copies what does not lie well.
 */
#include "io/torch_legacy.h"

#include <stdlib.h>
#include <string.h>

static const unsigned char beginning[] = {0x80, 2,    0x8a, 10,  0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a,
                                          0xa8, 0x50, 0x19, '.', 0x80, 2,    'M',  0xe9, 3,    '.'};

struct bfn__torch_legacy {
    bfn_context *ctx;
    const char *label;
    const bfn__pickle *pickle;
    const unsigned char *bytes;
    size_t n, at;
    const char **data; /* by storage of the pickle; NULL: not there */
};

bool bfn__is_torch_legacy(const void *bytes, size_t n)
{
    return n >= sizeof beginning && memcmp(bytes, beginning, sizeof beginning) == 0;
}

static int compare_key(const void *key, const void *storage)
{
    return strcmp(key, ((const bfn__pickle_storage *)storage)->key);
}

/* Its number among the pickle's; n_storages: none of them. */
static size_t find_key(const bfn__torch_legacy *l, const char *key)
{
    size_t n = bfn__pickle_n_storages(l->pickle);
    const bfn__pickle_storage *first = bfn__pickle_storage_at(l->pickle, 0),
                              *found = bsearch(key, first, n, sizeof *first, compare_key);
    return found != NULL ? (size_t)(found - first) : n;
}

/* The next storage of the file, which is `key`. */
static bfn_status place_storage(bfn__torch_legacy *l, const char *key)
{
    size_t index = find_key(l, key), bytes;
    if (index == bfn__pickle_n_storages(l->pickle) || l->data[index] != NULL)
        return bfn__fail(l->ctx, BFN_ERR_INPUT, "%s: the storage \"%.64s\" is %s", l->label, key,
                         index == bfn__pickle_n_storages(l->pickle) ? "in no tensor" : "there twice");
    const bfn__pickle_storage *s = bfn__pickle_storage_at(l->pickle, index);
    uint64_t count = 0;
    for (size_t i = 8; l->n - l->at >= 8 && i > 0; i--)
        count = count << 8 | l->bytes[l->at + i - 1];
    if (l->n - l->at < 8 || !bfn__size_mul(s->count, bfn__dtype_size(s->dtype), &bytes) ||
        (count == s->count && bytes > l->n - l->at - 8))
        return bfn__fail(l->ctx, BFN_ERR_INPUT, "%s: the file ends inside the storage %s", l->label, key);
    if (count != s->count)
        return bfn__fail(l->ctx, BFN_ERR_INPUT, "%s: the storage %s has %llu numbers, the pickle says %zu", l->label,
                         key, (unsigned long long)count, s->count);
    l->data[index] = (const char *)l->bytes + l->at + 8;
    l->at += 8 + bytes;
    return BFN_OK;
}

static bfn_status place_storages(bfn__torch_legacy *l)
{
    char **keys;
    size_t n_keys, used;
    l->data = bfn__calloc(l->ctx, bfn__pickle_n_storages(l->pickle) + 1, sizeof *l->data);
    if (l->data == NULL)
        return BFN_ERR_MEMORY;
    bfn_status status =
        bfn__pickle_texts_first(l->ctx, &keys, &n_keys, l->bytes + l->at, l->n - l->at, l->label, &used);
    if (status != BFN_OK)
        return status;
    l->at += used;
    for (size_t i = 0; i < n_keys && status == BFN_OK; i++)
        status = place_storage(l, keys[i]);
    bfn__free(l->ctx, keys);
    if (status == BFN_OK && l->at < l->n)
        return bfn__fail(l->ctx, BFN_ERR_INPUT, "%s: %zu bytes behind the last storage", l->label, l->n - l->at);
    return status;
}

/* The pickle at this place; `at` moves behind it. */
static bfn_status next_pickle(bfn__torch_legacy *l, bfn__pickle **pickle)
{
    size_t used = 0;
    bfn_status status = bfn__pickle_parse_first(l->ctx, pickle, l->bytes + l->at, l->n - l->at, l->label, &used);
    l->at += used;
    return status;
}

bfn_status bfn__torch_legacy_open(bfn_context *ctx, bfn__torch_legacy **out, bfn__pickle **pickle, const void *bytes,
                                  size_t n, const char *label)
{
    bfn__pickle *machine;
    *pickle = NULL;
    *out = bfn__calloc(ctx, 1, sizeof **out);
    if (*out == NULL)
        return BFN_ERR_MEMORY;
    bfn__torch_legacy *l = *out;
    *l = (bfn__torch_legacy){.ctx = ctx, .label = label, .bytes = bytes, .n = n, .at = sizeof beginning};
    bfn_status status = next_pickle(l, &machine);
    bfn__pickle_destroy(machine);
    if (status == BFN_OK)
        status = next_pickle(l, pickle);
    l->pickle = *pickle;
    return status == BFN_OK ? place_storages(l) : status;
}

void bfn__torch_legacy_close(bfn__torch_legacy *l)
{
    if (l == NULL)
        return;
    bfn__free(l->ctx, (void *)l->data);
    bfn__free(l->ctx, l);
}

const char *bfn__torch_legacy_find(const bfn__torch_legacy *l, const char *key, size_t *index)
{
    *index = find_key(l, key);
    return *index < bfn__pickle_n_storages(l->pickle) ? l->data[*index] : NULL;
}
