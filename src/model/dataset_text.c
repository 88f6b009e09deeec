/* dataset_text.c: a text file as a data set: windows of a stream, or padded lines (io/text.h). Items are class indices. */
#include "io/file.h"
#include "io/limits.h"
#include "io/sha256.h"
#include "model/dataset.h"

#include <stdio.h>
#include <string.h>

typedef struct text_set {
    bfn__dataset base;
    bfn__textset *text;
    size_t T;
    bool lines;
} text_set;

static const bfn__textset *text_of(const bfn__dataset *set)
{
    return ((const text_set *)(const void *)set)->text;
}

static void text_close(bfn__dataset *set)
{
    bfn__textset_destroy(((text_set *)(void *)set)->text);
}

static size_t text_n(const bfn__dataset *set, bfn__split which)
{
    return bfn__textset_n_sequences(text_of(set), which);
}

static void text_item(const bfn__dataset *set, bfn__split which, size_t i, void *out, int32_t *label)
{
    bfn__textset_sequence(text_of(set), which, i, out);
    if (label != NULL)
        *label = -1;
}

static void text_training(const bfn__dataset *set, uint64_t seed, uint64_t index, void *out, int32_t *label)
{
    bfn__textset_training(text_of(set), seed, index, out);
    if (label != NULL)
        *label = -1;
}

/* Moments of the training split; a stream has the same ones at every position, so one row is kept. */
static bfn_status measure_moments(const text_set *set, bfn__data_info *info)
{
    bfn_context *ctx = set->base.ctx;
    size_t rows = set->lines ? set->T : 1, K = set->base.n_classes, count;
    if (!bfn__size_mul(set->T, K, &count))
        return bfn__fail(ctx, BFN_ERR_MEMORY, "moments: too many numbers");
    float *all = bfn__calloc(ctx, count, sizeof(float));
    info->mean = bfn__calloc(ctx, rows * K, sizeof(float));
    info->mean_rows = rows;
    bfn_status status = all != NULL && info->mean != NULL ? BFN_OK : BFN_ERR_MEMORY;
    if (status == BFN_OK) {
        info->variance = bfn__textset_moments(set->text, all);
        memcpy(info->mean, all, rows * K * sizeof(float));
    }
    bfn__free(ctx, all);
    return status;
}

static bfn_status text_describe(const bfn__dataset *set, bfn__data_info *info)
{
    const bfn__alphabet *from = bfn__textset_alphabet(text_of(set));
    bfn_status status = bfn__alphabet_from_symbols(set->ctx, &info->alphabet, bfn__alphabet_symbols(from),
                                                   bfn__alphabet_pad(from) >= 0);
    return status == BFN_OK ? measure_moments((const text_set *)(const void *)set, info) : status;
}

static void text_summary(const bfn__dataset *base, char *text, size_t capacity)
{
    const text_set *set = (const text_set *)(const void *)base;
    char train[32], valid[32];
    bfn__dataset_count(bfn__textset_n_symbols(set->text, BFN__SPLIT_TRAIN), train);
    bfn__dataset_count(bfn__textset_n_symbols(set->text, BFN__SPLIT_VALID), valid);
    snprintf(text, capacity, "%s %s, %s more to validate; %zu symbols, sequences of %zu", train,
             set->lines ? "lines" : "characters", valid, base->n_classes, set->T);
}

static const bfn__dataset_class text_class = {text_close,    text_n,        text_item,
                                              text_training, text_describe, text_summary};

static bfn_status create(text_set *set, const bfn__bytes *bytes, const char *path, const bfn__config *c,
                         const bfn__alphabet *fixed)
{
    bfn__textset_options options = {.alphabet = c->data.alphabet == 0 ? "text8" : "chars",
                                    .lines = set->lines,
                                    .truncate_lines = c->data.truncate != 0,
                                    .T = set->T,
                                    .fixed = fixed};
    memcpy(options.fractions, c->data.fractions, sizeof options.fractions);
    bfn_status status = bfn__textset_create(set->base.ctx, &set->text, bytes->data, bytes->size, path, &options);
    if (status == BFN_OK)
        set->base.n_classes = bfn__alphabet_size(bfn__textset_alphabet(set->text));
    return status;
}

bfn_status bfn__dataset_text(bfn_context *ctx, bfn__dataset **out, const char *path, bfn__config *config,
                             const bfn__dataset_options *options)
{
    bfn__bytes bytes;
    bfn_status status = bfn__file_map(ctx, path, bfn__limit(ctx, BFN__CAP_TEXT_BYTES), &bytes);
    if (status != BFN_OK)
        return status;
    text_set *set = bfn__calloc(ctx, 1, sizeof *set);
    if (set == NULL) {
        status = BFN_ERR_MEMORY;
    } else {
        set->base = (bfn__dataset){.type = &text_class, .ctx = ctx};
        set->T = config->data.seq_len;
        set->lines = config->data.lines != 0;
        *out = &set->base;
        bfn__sha256_hex(bytes.data, bytes.size, set->base.sha256);
        status = bfn__dataset_check_same(&set->base, path, options);
    }
    if (status == BFN_OK)
        status = create(set, &bytes, path, config,
                        options != NULL && options->known != NULL ? options->known->alphabet : NULL);
    bfn__file_unmap(ctx, &bytes);
    return status;
}
