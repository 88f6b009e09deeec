/* st_set.c: the tensors of a file as a set with names, whatever format it has: opening by content, finding, closing. */
#include "io/safetensors_set.h"

#include "io/limits.h"
#include "io/torch.h"
#include "io/utf8.h"

#include <stdlib.h>
#include <string.h>

static int compare_names(const void *a, const void *b)
{
    const bfn__st_tensor *const *x = a, *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static int compare_keys(const void *a, const void *b)
{
    const bfn__st_entry *x = a, *y = b;
    return strcmp(x->key, y->key);
}

bfn_status bfn__st_index(bfn__safetensors *st, const char *label)
{
    size_t n = st->n_tensors;
    st->by_name = bfn__calloc(st->ctx, n, sizeof *st->by_name);
    if (st->by_name == NULL)
        return BFN_ERR_MEMORY;
    for (size_t i = 0; i < n; i++)
        st->by_name[i] = &st->tensors[i];
    qsort(st->by_name, n, sizeof *st->by_name, compare_names);
    for (size_t i = 1; i < n; i++)
        if (strcmp(st->by_name[i - 1]->name, st->by_name[i]->name) == 0)
            return bfn__fail(st->ctx, BFN_ERR_INPUT, "%s: tensor \"%s\" occurs twice", label, st->by_name[i]->name);
    if (st->n_entries > 1)
        qsort(st->entries, st->n_entries, sizeof *st->entries, compare_keys);
    for (size_t i = 1; i < st->n_entries; i++)
        if (strcmp(st->entries[i - 1].key, st->entries[i].key) == 0)
            return bfn__fail(st->ctx, BFN_ERR_INPUT, "%s: __metadata__ has \"%s\" twice", label, st->entries[i].key);
    return BFN_OK;
}

/* ---- names ---- */

/* Length of what the rule replaces, and its replacement; false: it does not fit the name. */
static bool rule_fits(const char *rule, const char *name, size_t *n_old, const char **fresh)
{
    *fresh = strchr(rule, '=') + 1;
    *n_old = (size_t)(*fresh - 1 - rule);
    return strncmp(name, rule, *n_old) == 0;
}

/* The new name into out (NULL: only count); its length with the NUL. */
static size_t apply(const char *name, const char *const *rules, size_t n_rules, char *out)
{
    size_t n_old = 0, i = 0;
    const char *fresh = "";
    while (i < n_rules && !rule_fits(rules[i], name, &n_old, &fresh))
        i++;
    if (i == n_rules) {
        n_old = 0;
        fresh = "";
    }
    size_t n_fresh = strlen(fresh), rest = strlen(name + n_old) + 1;
    if (out != NULL) {
        memcpy(out, fresh, n_fresh);
        memcpy(out + n_fresh, name + n_old, rest);
    }
    return n_fresh + rest;
}

static bfn_status check_rules(bfn_context *ctx, const char *const *rules, size_t n_rules)
{
    for (size_t i = 0; i < n_rules; i++) {
        if (strchr(rules[i], '=') == NULL)
            return bfn__fail(ctx, BFN_ERR_ARGUMENT, "prefix \"%s\": needs old=new", rules[i]);
        size_t n = strlen(rules[i]);
        if (bfn__utf8_check(rules[i], n) < n)
            return bfn__fail(ctx, BFN_ERR_ARGUMENT, "prefix \"%s\" is not valid UTF-8", rules[i]);
    }
    return BFN_OK;
}

bfn_status bfn__st_rename(bfn_context *ctx, bfn__safetensors *st, const char *const *rules, size_t n_rules)
{
    size_t bytes = 1;
    bfn_status status = check_rules(ctx, rules, n_rules);
    if (status != BFN_OK)
        return status;
    for (size_t i = 0; i < st->n_tensors; i++)
        bytes += apply(st->tensors[i].name, rules, n_rules, NULL);
    char *names = bfn__calloc(ctx, bytes, 1), *at = names;
    if (names == NULL)
        return BFN_ERR_MEMORY;
    for (size_t i = 0; i < st->n_tensors; i++) {
        size_t n = apply(st->tensors[i].name, rules, n_rules, at);
        st->tensors[i].name = at;
        at += n;
    }
    bfn__free(ctx, st->names); /* of an earlier renaming */
    st->names = names;
    bfn__free(ctx, st->by_name);
    return bfn__st_index(st, "with other prefixes");
}

/* ---- opening ---- */

bfn_status bfn__tensors_parse(bfn_context *ctx, bfn__safetensors **out, const void *bytes, size_t n, const char *label)
{
    if (bfn__is_torch(bytes, n))
        return bfn__torch_parse(ctx, out, bytes, n, label);
    return bfn__safetensors_parse(ctx, out, bytes, n, label);
}

typedef bfn_status (*parser)(bfn_context *ctx, bfn__safetensors **out, const void *bytes, size_t n, const char *label);

static bfn_status open_with(bfn_context *ctx, bfn__safetensors **out, const char *path, parser parse)
{
    *out = NULL;
    bfn__bytes file;
    bfn_status status = bfn__file_map(ctx, path, bfn__limit(ctx, BFN__CAP_FILE_BYTES), &file);
    if (status != BFN_OK)
        return status;
    status = parse(ctx, out, file.data, file.size, path);
    if (status != BFN_OK) {
        bfn__file_unmap(ctx, &file);
        return status;
    }
    (*out)->file = file;
    return BFN_OK;
}

bfn_status bfn__safetensors_open(bfn_context *ctx, bfn__safetensors **out, const char *path)
{
    return open_with(ctx, out, path, bfn__safetensors_parse);
}

bfn_status bfn__tensors_open(bfn_context *ctx, bfn__safetensors **out, const char *path)
{
    return open_with(ctx, out, path, bfn__tensors_parse);
}

void bfn__tensors_file(const bfn__safetensors *st, const void **bytes, size_t *n)
{
    *bytes = st->file.data;
    *n = st->file.size;
}

void bfn__safetensors_close(bfn__safetensors *st)
{
    if (st == NULL)
        return;
    bfn_context *ctx = st->ctx;
    bfn__file_unmap(ctx, &st->file);
    for (size_t i = 0; i < st->n_blocks; i++)
        bfn__free(ctx, st->blocks[i]);
    bfn__free(ctx, st->blocks);
    bfn__free(ctx, st->header);
    bfn__free(ctx, st->names);
    bfn__free(ctx, st->tensors);
    bfn__free(ctx, st->entries);
    bfn__free(ctx, st->by_name);
    bfn__free(ctx, st);
}

size_t bfn__safetensors_n_tensors(const bfn__safetensors *st)
{
    return st->n_tensors;
}

const bfn__st_tensor *bfn__safetensors_tensor(const bfn__safetensors *st, size_t i)
{
    return &st->tensors[i];
}

const bfn__st_tensor *bfn__safetensors_find(const bfn__safetensors *st, const char *name)
{
    size_t low = 0, high = st->n_tensors;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(name, st->by_name[middle]->name);
        if (order == 0)
            return st->by_name[middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

size_t bfn__safetensors_n_metadata(const bfn__safetensors *st)
{
    return st->n_entries;
}

const bfn__st_entry *bfn__safetensors_metadata_at(const bfn__safetensors *st, size_t i)
{
    return &st->entries[i];
}

const char *bfn__safetensors_metadata(const bfn__safetensors *st, const char *key)
{
    bfn__st_entry wanted = {key, NULL};
    if (st->n_entries == 0)
        return NULL;
    const bfn__st_entry *found = bsearch(&wanted, st->entries, st->n_entries, sizeof wanted, compare_keys);
    return found != NULL ? found->value : NULL;
}
