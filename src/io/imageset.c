/* imageset.c: data sets of pictures in memory: splits, items, training order.
 *
 * All items lie in one block, bytes as in the files. A table of 4 bytes an item says which belongs to which split: those that a keyed
 * permutation puts in front are validation (and test) items, each split in the files' order, so that a split depends on the seed and the
 * number of items and on nothing else.
 */
#include "io/imageset.h"

#include "base/random.h"
#include "io/limits.h"
#include "io/permute.h"

#include <math.h>
#include <string.h>

enum { FLIP_ROW = 7 };
static const uint64_t SPLIT_EPOCH = UINT64_MAX; /* no epoch of training has this number */
static const double USUAL_FRACTION = 0.01;

/* ---- construction ---- */

bfn_status bfn__imageset_reserve(bfn__loader *l, size_t n, size_t H, size_t W, size_t C, bool labels)
{
    bfn__imageset *set = l->set;
    if (n == 0)
        return bfn__fail(l->ctx, BFN_ERR_INPUT, "%s: has no images", l->path);
    if (H == 0 || H > bfn__limit(l->ctx, BFN__CAP_IMAGE_SIDE) || W == 0 ||
        W > bfn__limit(l->ctx, BFN__CAP_IMAGE_SIDE) || (C != 1 && C != 3))
        return bfn__fail(l->ctx, BFN_ERR_INPUT,
                         "%s: images of %zu x %zu pixels and %zu channels, allowed: 1 to %zu pixels, 1 or 3 channels",
                         l->path, H, W, C, bfn__limit(l->ctx, BFN__CAP_IMAGE_SIDE));
    size_t bytes;
    if (!bfn__size_mul(n, H * W * C, &bytes) || bytes > l->max_bytes || n > UINT32_MAX)
        return bfn__fail(l->ctx, BFN_ERR_INPUT, "%s: %zu images of %zu bytes, at most %zu bytes are allowed", l->path,
                         n, H * W * C, l->max_bytes);
    set->H = H;
    set->W = W;
    set->C = C;
    set->D = H * W * C;
    set->n = n;
    set->pixels = bfn__calloc(l->ctx, n, set->D);
    if (set->pixels != NULL && labels)
        set->labels = bfn__calloc(l->ctx, n, sizeof *set->labels);
    return set->pixels != NULL && (set->labels != NULL || !labels) ? BFN_OK : BFN_ERR_MEMORY;
}

/* How many of n: at least one, while `left` are more than one. */
static size_t share(size_t n, double fraction, size_t left)
{
    size_t count = (size_t)llround(fraction * (double)n);
    if (count == 0)
        count = 1;
    return count < left ? count : left - 1;
}

/* Every item's split into splits [n]. */
static void assign(const bfn__imageset *set, const bfn__imageset_options *o, uint8_t *splits)
{
    size_t n = set->n - set->n_test, n_valid = 0, n_test = 0;
    memset(splits, BFN__IMAGES_TRAIN, n);
    memset(splits + n, BFN__IMAGES_TEST, set->n_test);
    if (o->all_training || n == 0)
        return;
    n_valid = share(n, o->valid_fraction > 0.0 ? o->valid_fraction : USUAL_FRACTION, n);
    if (set->n_test == 0)
        n_test = share(n, o->test_fraction > 0.0 ? o->test_fraction : USUAL_FRACTION, n - n_valid);
    for (size_t rank = 0; rank < n_valid + n_test; rank++)
        splits[bfn__permute(o->seed, SPLIT_EPOCH, n, rank)] = rank < n_valid ? BFN__IMAGES_VALID : BFN__IMAGES_TEST;
}

static bfn_status check_fractions(const bfn__loader *l)
{
    double valid = l->options->valid_fraction, test = l->options->test_fraction;
    if (!(valid >= 0.0 && valid < 1.0) || !(test >= 0.0 && test < 1.0) || valid + test >= 1.0)
        return bfn__fail(
            l->ctx, BFN_ERR_ARGUMENT,
            "the fractions of validation and test images are %g and %g, allowed: 0 to below 1, also their sum", valid,
            test);
    return BFN_OK;
}

static bfn_status split(bfn__loader *l)
{
    bfn__imageset *set = l->set;
    uint8_t *splits = bfn__calloc(l->ctx, set->n, 1);
    set->order = splits != NULL ? bfn__calloc(l->ctx, set->n, sizeof *set->order) : NULL;
    if (set->order == NULL) {
        bfn__free(l->ctx, splits);
        return BFN_ERR_MEMORY;
    }
    assign(set, l->options, splits);
    size_t at = 0;
    for (int which = 0; which < 3; which++) {
        for (size_t i = 0; i < set->n; i++)
            if (splits[i] == which)
                set->order[at++] = (uint32_t)i;
        set->bounds[which + 1] = at;
    }
    bfn__free(l->ctx, splits);
    return BFN_OK;
}

/* The last part of a path, without slashes at its end. */
static char *last_part(bfn_context *ctx, const char *path)
{
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/')
        end--;
    size_t begin = end;
    while (begin > 0 && path[begin - 1] != '/')
        begin--;
    char *name = bfn__calloc(ctx, end - begin + 1, 1);
    if (name != NULL)
        memcpy(name, path + begin, end - begin);
    return name;
}

/* What all formats end with. */
static bfn_status finish(bfn__loader *l)
{
    bfn__imageset *set = l->set;
    bfn__sha256_end(&l->hash, set->checksum);
    set->name = set->known != NULL ? bfn__strdup(l->ctx, set->known->name) : last_part(l->ctx, l->path);
    if (set->name == NULL)
        return BFN_ERR_MEMORY;
    for (size_t i = 0; set->labels != NULL && i < set->n; i++)
        if (set->labels[i] >= 0 && (size_t)set->labels[i] >= set->n_classes)
            set->n_classes = (size_t)set->labels[i] + 1;
    return split(l);
}

bfn_status bfn__imageset_open(bfn_context *ctx, const char *path, const bfn__imageset_options *options,
                              bfn__imageset **out)
{
    static const bfn__imageset_options usual;
    bfn__loader l = {.ctx = ctx, .path = path, .options = options != NULL ? options : &usual};
    *out = NULL;
    l.max_bytes = l.options->max_bytes > 0 ? l.options->max_bytes : bfn__limit(l.ctx, BFN__CAP_IMAGESET_BYTES);
    bfn_status status = check_fractions(&l);
    if (status != BFN_OK)
        return status;
    l.set = bfn__calloc(ctx, 1, sizeof *l.set);
    if (l.set == NULL)
        return BFN_ERR_MEMORY;
    l.set->ctx = ctx;
    bfn__sha256_begin(&l.hash);
    status = bfn__imageset_load(&l);
    if (status == BFN_OK)
        status = finish(&l);
    if (status != BFN_OK) {
        bfn__imageset_close(l.set);
        return status;
    }
    *out = l.set;
    return BFN_OK;
}

void bfn__imageset_close(bfn__imageset *set)
{
    if (set == NULL)
        return;
    bfn_context *ctx = set->ctx;
    for (size_t i = 0; set->classes != NULL && i < set->n_classes; i++)
        bfn__free(ctx, set->classes[i]);
    bfn__free(ctx, set->classes);
    bfn__free(ctx, set->name);
    bfn__free(ctx, set->pixels);
    bfn__free(ctx, set->labels);
    bfn__free(ctx, set->order);
    bfn__free(ctx, set);
}

/* ---- use ---- */

void bfn__imageset_get_info(const bfn__imageset *set, bfn__imageset_info *info)
{
    *info = (bfn__imageset_info){.H = set->H, .W = set->W, .C = set->C, .D = set->D, .n = set->n};
    for (int i = 0; i < 3; i++)
        info->n_split[i] = set->bounds[i + 1] - set->bounds[i];
    info->n_classes = set->n_classes;
    info->n_skipped = set->n_skipped;
    info->format = set->format;
    info->name = set->name;
    info->checksum = set->checksum;
}

size_t bfn__imageset_n(const bfn__imageset *set, bfn__image_split which)
{
    return set->bounds[which + 1] - set->bounds[which];
}

const uint8_t *bfn__imageset_item(const bfn__imageset *set, bfn__image_split which, size_t i)
{
    return set->pixels + set->order[set->bounds[which] + i] * set->D;
}

int32_t bfn__imageset_label(const bfn__imageset *set, bfn__image_split which, size_t i)
{
    return set->labels != NULL ? set->labels[set->order[set->bounds[which] + i]] : -1;
}

const char *bfn__imageset_class(const bfn__imageset *set, size_t k)
{
    if (k >= set->n_classes)
        return NULL;
    if (set->classes != NULL)
        return set->classes[k];
    return set->known != NULL && k < 10 ? set->known->classes[k] : NULL;
}

size_t bfn__imageset_training(const bfn__imageset *set, uint64_t seed, uint64_t index)
{
    uint64_t n = bfn__imageset_n(set, BFN__IMAGES_TRAIN);
    return (size_t)bfn__permute(seed, index / n, n, index % n);
}

bool bfn__imageset_flipped(uint64_t seed, uint64_t index)
{
    uint32_t word;
    bfn__random_words(seed, index, bfn__draw(FLIP_ROW, BFN__DRAW_DATA), 0, 1, &word);
    return (word & 1) != 0;
}
