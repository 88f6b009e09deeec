/* dataset_image.c: pictures as a data set (io/image.h finds and reads them). A byte p of a picture becomes
 *
 *   continuous    2 p/255 - 1; with flow.n_classes = K bins: the centre of its bin
 *   discretised   the centre of its bin, 2 (k + 1/2)/K - 1 with k = floor(K p/255), at most K - 1
 *   discrete      class 1 with probability p/255, drawn anew each time it is trained on (arXiv 2308.07037, section 7.1); validation and
 *                 test pictures are drawn once and for all: by a seed of their own, so that all models are measured on the same ones
 *
 * Training may mirror pictures (data.flip); the moments are those of what training sees, mirrored halves included.
 */
#include "base/random.h"
#include "io/image.h"
#include "model/dataset.h"

#include <stdio.h>
#include <string.h>

/* Rows of the random number layout (kind BFN__DRAW_DATA) that io/image.c does not use; the seed of drawn-once pictures. */
enum { ROW_BINARISE = 1 << 20, FIXED_SEED = 0, BLOCK = 256 };

typedef struct image_set {
    bfn__dataset base;
    bfn__imageset *images;
    bfn__imageset_info info;
    bool flip, binary;
    float levels[256]; /* value of a byte; binary: probability of class 1 */
} image_set;

static const image_set *self(const bfn__dataset *set)
{
    return (const image_set *)(const void *)set;
}

static void image_close(bfn__dataset *set)
{
    bfn__imageset_close(((image_set *)(void *)set)->images);
}

static size_t image_n(const bfn__dataset *set, bfn__split which)
{
    return bfn__imageset_n(self(set)->images, (bfn__image_split)which);
}

/* Place in the stored picture of place d in the mirrored one. */
static size_t mirrored(const bfn__imageset_info *info, size_t d)
{
    size_t row = info->W * info->C, y = d / row, x = d % row / info->C, c = d % info->C;
    return y * row + (info->W - 1 - x) * info->C + c;
}

static void convert(const image_set *set, const uint8_t *pixels, bool flip, uint64_t seed, uint64_t number, void *out)
{
    size_t D = set->info.D;
    float *values = out;
    int32_t *classes = out;
    double u[BLOCK];
    for (size_t d = 0; d < D; d++) {
        float level = set->levels[pixels[flip ? mirrored(&set->info, d) : d]];
        if (!set->binary) {
            values[d] = level;
            continue;
        }
        if (d % BLOCK == 0)
            bfn__random_uniforms(seed, number, bfn__draw(ROW_BINARISE, BFN__DRAW_DATA), d,
                                 D - d < BLOCK ? D - d : BLOCK, u);
        classes[d] = u[d % BLOCK] < (double)level;
    }
}

static void image_item(const bfn__dataset *base, bfn__split which, size_t i, void *out, int32_t *label)
{
    const image_set *set = self(base);
    bfn__image_split split = (bfn__image_split)which;
    uint64_t number = (uint64_t)which << 40 | i;
    convert(set, bfn__imageset_item(set->images, split, i), false, FIXED_SEED, number, out);
    if (label != NULL)
        *label = bfn__imageset_label(set->images, split, i);
}

static void image_training(const bfn__dataset *base, uint64_t seed, uint64_t index, void *out, int32_t *label)
{
    const image_set *set = self(base);
    size_t i = bfn__imageset_training(set->images, seed, index);
    bool flip = set->flip && bfn__imageset_flipped(seed, index);
    convert(set, bfn__imageset_item(set->images, BFN__IMAGES_TRAIN, i), flip, seed, index, out);
    if (label != NULL)
        *label = bfn__imageset_label(set->images, BFN__IMAGES_TRAIN, i);
}

/* ---- moments ---- */

/* Sums of the levels at each place over the training pictures; the sum of their squares over everything. */
static double add_up(const image_set *set, double *sums)
{
    size_t n = bfn__imageset_n(set->images, BFN__IMAGES_TRAIN), D = set->info.D;
    double squares = 0.0;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *pixels = bfn__imageset_item(set->images, BFN__IMAGES_TRAIN, i);
        for (size_t d = 0; d < D; d++) {
            double level = (double)set->levels[pixels[d]];
            sums[d] += level;
            squares += level * level;
        }
    }
    return squares;
}

/* Means into info->mean, [D,1] or [D,2] for two classes; tr Cov / D of x or of the one-hot vectors. */
static void fill_moments(const image_set *set, const double *sums, double squares, bfn__data_info *info)
{
    size_t n = bfn__imageset_n(set->images, BFN__IMAGES_TRAIN), D = set->info.D;
    double variance = set->binary ? 0.0 : squares / ((double)n * (double)D);
    for (size_t d = 0; d < D; d++) {
        double sum = set->flip ? 0.5 * (sums[d] + sums[mirrored(&set->info, d)]) : sums[d], mean = sum / (double)n;
        if (set->binary) {
            info->mean[2 * d] = (float)(1.0 - mean);
            info->mean[2 * d + 1] = (float)mean;
            variance += 2.0 * mean * (1.0 - mean) / (double)D;
        } else {
            info->mean[d] = (float)mean;
            variance -= mean * mean / (double)D;
        }
    }
    info->mean_rows = D;
    info->variance = variance > 0.0 ? variance : 0.0;
}

static bfn_status image_describe(const bfn__dataset *base, bfn__data_info *info)
{
    const image_set *set = self(base);
    double *sums = bfn__calloc(base->ctx, set->info.D, sizeof *sums);
    info->mean = bfn__calloc(base->ctx, set->info.D, (set->binary ? 2 : 1) * sizeof *info->mean);
    bfn_status status = sums != NULL && info->mean != NULL ? BFN_OK : BFN_ERR_MEMORY;
    if (status == BFN_OK)
        fill_moments(set, sums, add_up(set, sums), info);
    bfn__free(base->ctx, sums);
    snprintf(info->name, sizeof info->name, "%s", set->info.name);
    info->n_labels = set->info.n_classes;
    return status;
}

static void image_summary(const bfn__dataset *base, char *text, size_t capacity)
{
    const image_set *set = self(base);
    char labels[48] = "", skipped[48] = "";
    if (set->info.n_classes > 0)
        snprintf(labels, sizeof labels, "; labels of %zu classes", set->info.n_classes);
    if (set->info.n_skipped > 0)
        snprintf(skipped, sizeof skipped, "; %zu bad file%s left out", set->info.n_skipped,
                 set->info.n_skipped == 1 ? "" : "s");
    snprintf(text, capacity, "%s: %zu images of %zu x %zu x %zu, %zu more to validate, %zu to test%s%s", set->info.name,
             image_n(base, BFN__SPLIT_TRAIN), set->info.H, set->info.W, set->info.C, image_n(base, BFN__SPLIT_VALID),
             image_n(base, BFN__SPLIT_TEST), labels, skipped);
}

static const bfn__dataset_class image_class = {image_close,    image_n,        image_item,
                                               image_training, image_describe, image_summary};

/* ---- opening ---- */

static void fill_levels(image_set *set, const bfn__config *config)
{
    size_t K = bfn__config_levels(config);
    bool as_they_are = config->flow.kind + 1 == BFN_DATA_CONTINUOUS && config->flow.n_classes == 0;
    for (size_t p = 0; p < 256; p++) {
        size_t bin = K * p / 255 < K ? K * p / 255 : K - 1;
        double level = as_they_are ? 2.0 * (double)p / 255.0 - 1.0 : 2.0 * ((double)bin + 0.5) / (double)K - 1.0;
        set->levels[p] = (float)(set->binary ? (double)p / 255.0 : level);
    }
}

/* The size of the pictures is part of the configuration, which may ask for another one. */
static bfn_status take_size(const image_set *set, const char *path, bfn__config *config)
{
    const bfn__imageset_info *i = &set->info;
    struct {
        size_t *asked, is;
        const char *name;
    } sizes[] = {{&config->data.height, i->H, "height"},
                 {&config->data.width, i->W, "width"},
                 {&config->data.channels, i->C, "channels"}};
    for (size_t k = 0; k < 3; k++) {
        if (*sizes[k].asked != 0 && *sizes[k].asked != sizes[k].is)
            return bfn__fail(set->base.ctx, BFN_ERR_ARGUMENT,
                             "data.%s: found %zu, the images of %s are %zu x %zu x %zu", sizes[k].name, *sizes[k].asked,
                             path, i->H, i->W, i->C);
        *sizes[k].asked = sizes[k].is;
    }
    return BFN_OK;
}

bfn_status bfn__dataset_image(bfn_context *ctx, bfn__dataset **out, const char *path, bfn__config *config,
                              const bfn__dataset_options *options)
{
    image_set *set = bfn__calloc(ctx, 1, sizeof *set);
    if (set == NULL)
        return BFN_ERR_MEMORY;
    set->base = (bfn__dataset){.type = &image_class, .ctx = ctx};
    set->flip = config->data.flip != 0;
    set->binary = config->flow.kind + 1 == BFN_DATA_DISCRETE;
    *out = &set->base;
    const bfn__imageset_options how = {.valid_fraction = config->data.valid,
                                       .test_fraction = config->data.valid,
                                       .all_training = config->data.valid == 0.0,
                                       .skip_bad = config->data.skip_bad != 0};
    bfn_status status = bfn__imageset_open(ctx, path, &how, &set->images);
    if (status != BFN_OK)
        return status;
    bfn__imageset_get_info(set->images, &set->info);
    snprintf(set->base.sha256, sizeof set->base.sha256, "%s", set->info.checksum);
    fill_levels(set, config);
    status = bfn__dataset_check_same(&set->base, path, options);
    return status == BFN_OK ? take_size(set, path, config) : status;
}
