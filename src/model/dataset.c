/* dataset.c: the common part of data sets: which implementation, and calls through its table. */
#include "model/dataset.h"

#include <stdio.h>
#include <string.h>

bfn_status bfn__dataset_open(bfn_context *ctx, bfn__dataset **out, const char *path, bfn__config *config,
                             const bfn__dataset_options *options)
{
    static bfn_status (*const openers[])(bfn_context *, bfn__dataset **, const char *, bfn__config *,
                                         const bfn__dataset_options *) = {
        [BFN__FORM_TEXT] = bfn__dataset_text, [BFN__FORM_IMAGE] = bfn__dataset_image};
    *out = NULL;
    bfn_status status = openers[config->data.kind](ctx, out, path, config, options);
    if (status != BFN_OK) {
        bfn__dataset_close(*out);
        *out = NULL;
    }
    return status;
}

void bfn__dataset_close(bfn__dataset *set)
{
    if (set == NULL)
        return;
    set->type->close(set);
    bfn__free(set->ctx, set);
}

size_t bfn__dataset_n_classes(const bfn__dataset *set)
{
    return set->n_classes;
}

size_t bfn__dataset_n(const bfn__dataset *set, bfn__split which)
{
    return set->type->n(set, which);
}

void bfn__dataset_item(const bfn__dataset *set, bfn__split which, size_t i, void *out, int32_t *label)
{
    set->type->item(set, which, i, out, label);
}

void bfn__dataset_training(const bfn__dataset *set, uint64_t seed, uint64_t index, void *out, int32_t *label)
{
    set->type->training(set, seed, index, out, label);
}

bfn_status bfn__dataset_describe(const bfn__dataset *set, bfn__data_info *info)
{
    memset(info, 0, sizeof *info);
    bfn_status status = set->type->describe(set, info);
    memcpy(info->sha256, set->sha256, sizeof info->sha256);
    if (status != BFN_OK)
        bfn__data_info_free(set->ctx, info);
    return status;
}

void bfn__dataset_summary(const bfn__dataset *set, char *text, size_t capacity)
{
    set->type->summary(set, text, capacity);
}

bfn_status bfn__dataset_check_same(const bfn__dataset *set, const char *path, const bfn__dataset_options *options)
{
    if (options == NULL || !options->same || strcmp(options->known->sha256, set->sha256) == 0)
        return BFN_OK;
    return bfn__fail(set->ctx, BFN_ERR_ARGUMENT,
                     "%s: sha256 %.12s..., the run was started with data of sha256 %.12s...", path, set->sha256,
                     options->known->sha256);
}

void bfn__dataset_count(size_t n, char text[32])
{
    if (n >= 1000000)
        snprintf(text, 32, "%.3g M", 1e-6 * (double)n);
    else if (n >= 10000)
        snprintf(text, 32, "%.3g k", 1e-3 * (double)n);
    else
        snprintf(text, 32, "%zu", n);
}
