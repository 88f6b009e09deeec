/* pickle_tensors.c: the finished dict of a pickle as a list of tensors.
 *
 * Dicts inside dicts give joined names ("model" {"net.w"} is "model.net.w"); anything that is no tensor and no dict is passed over. A
 * pickle can put one dict into many (or into itself) for a few bytes each, so depth and visits are bounded. Sizes, strides and the
 * offset of a tensor come from the file: what they reach is computed with checked arithmetic and must lie inside the storage.
 */
#include "io/pickle_values.h"

#include "io/limits.h"
#include "io/utf8.h"

#include <stdlib.h>
#include <string.h>

typedef bfn__pickle_machine machine;
typedef bfn__pickle_value value;

enum { MAX_NAME = 512, MAX_KEY = 64, MAX_DEPTH = 16 };

/* A walk through dicts inside dicts: the name so far, and the place in each dict. */
typedef struct walk {
    const machine *m;
    bfn__pickle *out;
    size_t visits, depth, used[MAX_DEPTH];
    uint32_t next[MAX_DEPTH];
    char name[MAX_NAME + 1];
} walk;

static bfn_status grow_tensors(bfn__pickle *out)
{
    if (out->n < out->room)
        return BFN_OK;
    size_t room = out->room * 2 + 64;
    bfn__pickle_tensor *more = bfn__calloc(out->ctx, room, sizeof *more);
    if (more == NULL)
        return BFN_ERR_MEMORY;
    if (out->n > 0)
        memcpy(more, out->tensors, out->n * sizeof *more);
    bfn__free(out->ctx, out->tensors);
    out->tensors = more;
    out->room = room;
    return BFN_OK;
}

/* Name and storage key in one block, which belongs to the tensor's name. */
static bfn_status keep_texts(const walk *w, const value *key, bfn__pickle_tensor *t)
{
    size_t n_name = strlen(w->name) + 1, n_key = key->is.text.n;
    char *block = bfn__calloc(w->m->ctx, n_name + n_key + 1, 1);
    if (block == NULL)
        return BFN_ERR_MEMORY;
    memcpy(block, w->name, n_name);
    memcpy(block + n_name, key->is.text.bytes, n_key);
    t->name = block;
    t->storage = block + n_name;
    return BFN_OK;
}

static bfn_status fail(const walk *w, const char *what)
{
    return bfn__fail(w->m->ctx, BFN_ERR_INPUT, "%s: \"%s\": %s", w->m->label, w->name, what);
}

/* ---- one tensor ---- */

static bfn_status read_sizes(const walk *w, const value *args, uint32_t i, const char *what, size_t *sizes, int *rank)
{
    const value *list = bfn__pickle_at(w->m, bfn__pickle_item(w->m, args, i));
    if (list->count > BFN__ST_MAX_RANK)
        return bfn__fail(w->m->ctx, BFN_ERR_INPUT, "%s: \"%s\": %u %s, at most %d are allowed", w->m->label, w->name,
                         list->count, what, BFN__ST_MAX_RANK);
    *rank = (int)list->count;
    for (uint32_t j = 0; j < list->count; j++) {
        int64_t size = bfn__pickle_at(w->m, bfn__pickle_item(w->m, list, j))->is.integer;
        if (size < 0)
            return bfn__fail(w->m->ctx, BFN_ERR_INPUT, "%s: \"%s\": %s has %lld, which is negative", w->m->label,
                             w->name, what, (long long)size);
        sizes[j] = (size_t)size;
    }
    return BFN_OK;
}

static bool is_key(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (text[i] == '\0' ||
            strchr("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-", text[i]) == NULL)
            return false;
    return n > 0 && n <= MAX_KEY;
}

static bfn_status read_storage(const walk *w, const value *storage, bfn__pickle_tensor *t, const value **key)
{
    const machine *m = w->m;
    const value *tuple = bfn__pickle_at(m, storage->first);
    const value *type = bfn__pickle_at(m, bfn__pickle_item(m, tuple, 1)),
                *count = bfn__pickle_at(m, bfn__pickle_item(m, tuple, 4));
    *key = bfn__pickle_at(m, bfn__pickle_item(m, tuple, 2));
    t->dtype = (bfn__dtype)(type->first - BFN__PICKLE_STORAGE_TYPE);
    if (count->is.integer < 0)
        return fail(w, "its storage has a negative number of elements");
    t->storage_count = (size_t)count->is.integer;
    if (!is_key((*key)->is.text.bytes, (*key)->is.text.n))
        return fail(w, "the key of its storage is not 1 to 64 letters and digits");
    return BFN_OK;
}

/* The last number that sizes and strides reach must lie in the storage. */
static bfn_status check_reach(const walk *w, bfn__pickle_tensor *t)
{
    size_t last = t->offset, step;
    bool fits = true, zero = false;
    t->count = 1;
    for (int i = 0; i < t->rank; i++) {
        zero = zero || t->shape[i] == 0;
        fits = bfn__size_mul(t->count, t->shape[i], &t->count) && fits;
        if (t->shape[i] == 0)
            continue;
        fits = bfn__size_mul(t->shape[i] - 1, t->stride[i], &step) && fits;
        fits = bfn__size_add(last, step, &last) && fits;
    }
    if (zero) {
        t->count = 0;
        return BFN_OK;
    }
    if (!fits || last >= t->storage_count)
        return bfn__fail(w->m->ctx, BFN_ERR_INPUT,
                         "%s: \"%s\": offset and strides reach %s%zu, its storage has %zu numbers", w->m->label,
                         w->name, fits ? "number " : "beyond ", last, t->storage_count);
    if (t->count > t->storage_count) /* repeated numbers (a stride of 0) could ask for any amount of memory */
        return fail(w, "it has more numbers than its storage");
    return BFN_OK;
}

static bfn_status read_tensor(const walk *w, const value *tensor, bfn__pickle_tensor *t, const value **key)
{
    const machine *m = w->m;
    const value *args = bfn__pickle_at(m, tensor->first);
    int n_strides = 0;
    bfn_status status = read_storage(w, bfn__pickle_at(m, bfn__pickle_item(m, args, 0)), t, key);
    if (status == BFN_OK)
        status = read_sizes(w, args, 2, "sizes", t->shape, &t->rank);
    if (status == BFN_OK)
        status = read_sizes(w, args, 3, "strides", t->stride, &n_strides);
    int64_t offset = bfn__pickle_at(m, bfn__pickle_item(m, args, 1))->is.integer;
    if (status == BFN_OK && (n_strides != t->rank || offset < 0))
        status = fail(w, offset < 0 ? "its offset is negative" : "it has not as many strides as sizes");
    t->offset = (size_t)offset;
    return status == BFN_OK ? check_reach(w, t) : status;
}

static bfn_status add_tensor(const walk *w, const value *tensor)
{
    bfn__pickle *out = w->out;
    bfn__pickle_tensor t = {0};
    const value *key = NULL;
    if (out->n >= bfn__limit(w->m->ctx, BFN__CAP_ST_TENSORS))
        return bfn__fail(w->m->ctx, BFN_ERR_INPUT, "%s: has more than %zu tensors, the most that is allowed",
                         w->m->label, bfn__limit(w->m->ctx, BFN__CAP_ST_TENSORS));
    bfn_status status = grow_tensors(out);
    if (status == BFN_OK)
        status = read_tensor(w, tensor, &t, &key);
    if (status == BFN_OK)
        status = keep_texts(w, key, &t);
    if (status == BFN_OK)
        out->tensors[out->n++] = t;
    return status;
}

/* ---- storages ---- */

static int by_key(const void *a, const void *b)
{
    return strcmp(((const bfn__pickle_storage *)a)->key, ((const bfn__pickle_storage *)b)->key);
}

/* Those of one key must agree: they are one. */
static bfn_status unite_storages(const machine *m, bfn__pickle *out)
{
    bfn__pickle_storage *s = out->storages;
    size_t n = 0;
    for (size_t i = 0; i < out->n_storages; i++) {
        if (n > 0 && strcmp(s[n - 1].key, s[i].key) == 0) {
            if (s[n - 1].count != s[i].count || s[n - 1].dtype != s[i].dtype)
                return bfn__fail(m->ctx, BFN_ERR_INPUT, "%s: the storage %s has two types or sizes", m->label,
                                 s[i].key);
            continue;
        }
        s[n++] = s[i];
    }
    out->n_storages = n;
    return BFN_OK;
}

static bfn_status put_storage(const machine *m, const value *storage, bfn__pickle_storage *to, char **keys)
{
    const value *tuple = bfn__pickle_at(m, storage->first);
    const value *type = bfn__pickle_at(m, bfn__pickle_item(m, tuple, 1)),
                *key = bfn__pickle_at(m, bfn__pickle_item(m, tuple, 2)),
                *count = bfn__pickle_at(m, bfn__pickle_item(m, tuple, 4));
    if (count->is.integer < 0 || !is_key(key->is.text.bytes, key->is.text.n))
        return bfn__fail(m->ctx, BFN_ERR_INPUT, "%s: a storage has %s", m->label,
                         count->is.integer < 0 ? "a negative number of elements"
                                               : "a key that is not 1 to 64 letters and digits");
    *to = (bfn__pickle_storage){*keys, (size_t)count->is.integer, (bfn__dtype)(type->first - BFN__PICKLE_STORAGE_TYPE)};
    memcpy(*keys, key->is.text.bytes, key->is.text.n);
    *keys += key->is.text.n + 1;
    return BFN_OK;
}

bfn_status bfn__pickle_collect_storages(const machine *m, bfn__pickle *out)
{
    size_t n = 0, i = 0;
    for (size_t v = 0; v < m->values.n; v++)
        n += bfn__pickle_at(m, (uint32_t)v)->kind == BFN__PICKLE_STORAGE;
    out->storages = bfn__calloc(m->ctx, n + 1, sizeof *out->storages + MAX_KEY + 1);
    if (out->storages == NULL)
        return BFN_ERR_MEMORY;
    char *keys = (char *)(out->storages + n + 1);
    bfn_status status = BFN_OK;
    for (size_t v = 0; v < m->values.n && status == BFN_OK; v++)
        if (bfn__pickle_at(m, (uint32_t)v)->kind == BFN__PICKLE_STORAGE)
            status = put_storage(m, bfn__pickle_at(m, (uint32_t)v), &out->storages[i++], &keys);
    if (status != BFN_OK)
        return status;
    out->n_storages = n;
    qsort(out->storages, n, sizeof *out->storages, by_key);
    return unite_storages(m, out);
}

size_t bfn__pickle_n_storages(const bfn__pickle *pickle)
{
    return pickle->n_storages;
}

const bfn__pickle_storage *bfn__pickle_storage_at(const bfn__pickle *pickle, size_t i)
{
    return &pickle->storages[i];
}

/* ---- the walk ---- */

/* The key's text behind what is already there. */
static bfn_status put_key(walk *w, const value *key, size_t used, size_t *end)
{
    size_t n = key->is.text.n, at = used;
    if (key->kind != BFN__PICKLE_TEXT || memchr(key->is.text.bytes, '\0', n) != NULL)
        return bfn__fail(w->m->ctx, BFN_ERR_INPUT, "%s: the pickle's dict has a tensor under a key that is no text",
                         w->m->label);
    if (n + 1 > MAX_NAME - used)
        return bfn__fail(w->m->ctx, BFN_ERR_INPUT, "%s: a tensor's name has more than %d bytes", w->m->label, MAX_NAME);
    if (at > 0)
        w->name[at++] = '.';
    memcpy(w->name + at, key->is.text.bytes, n);
    w->name[at + n] = '\0';
    *end = at + n;
    for (size_t i = at; i < *end;) {
        uint32_t code;
        i += bfn__utf8_decode(w->name + i, *end - i, &code);
        if (bfn__is_control(code))
            return fail(w, "a name with control characters");
    }
    return BFN_OK;
}

static bfn_status enter(walk *w, const value *dict, size_t used)
{
    if (w->depth == MAX_DEPTH)
        return bfn__fail(w->m->ctx, BFN_ERR_INPUT, "%s: the pickle's dicts are more than %zu deep", w->m->label,
                         (size_t)MAX_DEPTH);
    w->used[w->depth] = used;
    w->next[w->depth++] = dict->first;
    return BFN_OK;
}

static bfn_status visit(walk *w, const bfn__pickle_link *link, size_t used)
{
    const value *is = bfn__pickle_at(w->m, link->value);
    size_t end = used;
    if (is->kind != BFN__PICKLE_TENSOR && is->kind != BFN__PICKLE_DICT)
        return BFN_OK;
    bfn_status status = put_key(w, bfn__pickle_at(w->m, link->key), used, &end);
    if (status != BFN_OK)
        return status;
    return is->kind == BFN__PICKLE_DICT ? enter(w, is, end) : add_tensor(w, is);
}

static bfn_status walk_dicts(walk *w)
{
    const bfn__pickle_link *links = w->m->links.items;
    bfn_status status = BFN_OK;
    while (w->depth > 0 && status == BFN_OK) {
        uint32_t at = w->next[w->depth - 1];
        if (at == BFN__PICKLE_NOTHING) {
            w->depth--;
            continue;
        }
        w->next[w->depth - 1] = links[at].next;
        if (++w->visits > bfn__limit(w->m->ctx, BFN__CAP_PICKLE_VALUES))
            return bfn__fail(w->m->ctx, BFN_ERR_INPUT, "%s: the pickle's dicts unfold to more than %zu entries",
                             w->m->label, bfn__limit(w->m->ctx, BFN__CAP_PICKLE_VALUES));
        status = visit(w, &links[at], w->used[w->depth - 1]);
    }
    return status;
}

bfn_status bfn__pickle_collect(const machine *m, uint32_t root, bfn__pickle *out)
{
    walk w = {.m = m, .out = out};
    bfn_status status = enter(&w, bfn__pickle_at(m, root), 0);
    return status == BFN_OK ? walk_dicts(&w) : status;
}

void bfn__pickle_destroy(bfn__pickle *pickle)
{
    if (pickle == NULL)
        return;
    bfn_context *ctx = pickle->ctx;
    for (size_t i = 0; i < pickle->n; i++)
        bfn__free(ctx, (char *)pickle->tensors[i].name);
    bfn__free(ctx, pickle->tensors);
    bfn__free(ctx, pickle->storages);
    bfn__free(ctx, pickle);
}

size_t bfn__pickle_n_tensors(const bfn__pickle *pickle)
{
    return pickle->n;
}

const bfn__pickle_tensor *bfn__pickle_tensor_at(const bfn__pickle *pickle, size_t i)
{
    return &pickle->tensors[i];
}
