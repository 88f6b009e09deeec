/* tensors.c: files of tensors for people who look at them: names, statistics, checksums, differences. */
#include "bfn/tensors.h"

#include "io/safetensors.h"
#include "io/sha256.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

_Static_assert((int)BFN_MAX_RANK == (int)BFN__ST_MAX_RANK, "shapes are copied");
_Static_assert((int)BFN_CHECKSUM_BYTES == (int)BFN__SHA256_HEX, "checksums are written in place");

struct bfn_tensors {
    bfn_context *ctx;
    bfn__safetensors *st;
};

bfn_status bfn_tensors_open(bfn_context *ctx, bfn_tensors **out, const char *path)
{
    *out = NULL;
    bfn_tensors *tensors = bfn__calloc(ctx, 1, sizeof *tensors);
    if (tensors == NULL)
        return BFN_ERR_MEMORY;
    tensors->ctx = ctx;
    bfn_status status = bfn__tensors_open(ctx, &tensors->st, path);
    if (status != BFN_OK) {
        bfn__free(ctx, tensors);
        return status;
    }
    *out = tensors;
    return BFN_OK;
}

void bfn_tensors_close(bfn_tensors *tensors)
{
    if (tensors == NULL)
        return;
    bfn__safetensors_close(tensors->st);
    bfn__free(tensors->ctx, tensors);
}

bfn_status bfn_tensors_rename(bfn_tensors *tensors, const char *const *rules, size_t n_rules)
{
    return bfn__st_rename(tensors->ctx, tensors->st, rules, n_rules);
}

size_t bfn_tensors_n(const bfn_tensors *tensors)
{
    return bfn__safetensors_n_tensors(tensors->st);
}

void bfn_tensors_get(const bfn_tensors *tensors, size_t i, bfn_tensor_info *info)
{
    const bfn__st_tensor *t = bfn__safetensors_tensor(tensors->st, i);
    *info = (bfn_tensor_info){.name = t->name, .rank = t->rank, .count = t->count, .dtype = bfn__dtype_name(t->dtype)};
    memcpy(info->shape, t->shape, (size_t)t->rank * sizeof *t->shape);
}

size_t bfn_tensors_find(const bfn_tensors *tensors, const char *name)
{
    const bfn__st_tensor *t = bfn__safetensors_find(tensors->st, name);
    return t != NULL ? (size_t)(t - bfn__safetensors_tensor(tensors->st, 0)) : SIZE_MAX;
}

size_t bfn_tensors_n_metadata(const bfn_tensors *tensors)
{
    return bfn__safetensors_n_metadata(tensors->st);
}

void bfn_tensors_metadata(const bfn_tensors *tensors, size_t i, const char **key, const char **text)
{
    const bfn__st_entry *entry = bfn__safetensors_metadata_at(tensors->st, i);
    *key = entry->key;
    *text = entry->value;
}

const char *bfn_tensors_metadata_of(const bfn_tensors *tensors, const char *key)
{
    return bfn__safetensors_metadata(tensors->st, key);
}

void bfn_tensors_checksum(const bfn_tensors *tensors, char out[BFN_CHECKSUM_BYTES])
{
    const void *bytes;
    size_t n;
    bfn__tensors_file(tensors->st, &bytes, &n);
    bfn__sha256_hex(bytes, n, out);
}

void bfn_tensors_tensor_checksum(const bfn_tensors *tensors, size_t i, char out[BFN_CHECKSUM_BYTES])
{
    const bfn__st_tensor *t = bfn__safetensors_tensor(tensors->st, i);
    bfn__sha256_hex(t->data, t->bytes, out);
}

void bfn_tensors_stats(const bfn_tensors *tensors, size_t i, bfn_tensor_stats *stats)
{
    const bfn__st_tensor *t = bfn__safetensors_tensor(tensors->st, i);
    bool any = false;
    *stats = (bfn_tensor_stats){0};
    for (size_t j = 0; j < t->count; j++) {
        double x = bfn__st_value(t, j);
        if (!isfinite(x)) {
            stats->n_nan += isnan(x) != 0;
            stats->n_infinite += isinf(x) != 0;
            continue;
        }
        if (!any || x < stats->least)
            stats->least = x;
        if (!any || x > stats->largest)
            stats->largest = x;
        any = true;
    }
}

static void compare_values(const bfn__st_tensor *x, const bfn__st_tensor *y, bfn_tensor_difference *d)
{
    for (size_t i = 0; i < x->count; i++) {
        double a = bfn__st_value(x, i), b = bfn__st_value(y, i);
        if (a == b || (isnan(a) && isnan(b)))
            continue;
        bool finite = isfinite(a) && isfinite(b);
        double size = fabs(a) > fabs(b) ? fabs(a) : fabs(b);
        double apart = finite ? fabs(a - b) : (double)INFINITY, relative = finite ? apart / size : (double)INFINITY;
        d->n_different++;
        if (apart > d->max_abs) {
            d->max_abs = apart;
            d->worst = i;
        }
        if (relative > d->max_relative)
            d->max_relative = relative;
    }
}

void bfn_tensors_compare(const bfn_tensors *a, size_t i, const bfn_tensors *b, size_t j,
                         bfn_tensor_difference *difference)
{
    const bfn__st_tensor *x = bfn__safetensors_tensor(a->st, i), *y = bfn__safetensors_tensor(b->st, j);
    *difference = (bfn_tensor_difference){.same_dtype = x->dtype == y->dtype, .same_shape = x->rank == y->rank};
    for (int d = 0; d < x->rank && difference->same_shape; d++)
        difference->same_shape = x->shape[d] == y->shape[d];
    if (!difference->same_shape)
        return;
    if (difference->same_dtype && (x->bytes == 0 || memcmp(x->data, y->data, x->bytes) == 0))
        return;
    compare_values(x, y, difference);
}
