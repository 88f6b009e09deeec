/* features.c: pictures to features, by Inception-v3 with its user's weights or by a small network that describes itself (feature_file.h).
 *
 * Inception is shown every picture as 299 x 299, resized in floating point: torch's bilinear reads at (i + 1/2) H/299 - 1/2, TensorFlow 1's
 * at i H/299; both take the two nearest rows and columns, the last one twice at the border. Batch normalisation is folded when the weights are read:
 *   w' = w g / sqrt(var + eps),  b' = beta - mean g / sqrt(var + eps)
 * A published file carries the first 8 hex digits of its sha256 in its name, and is held to them.
 */
#include "eval/feature_stats.h"

#include "eval/feature_file.h"
#include "io/file.h"
#include "io/limits.h"
#include "io/torch.h"
#include "model/model_internal.h"
#include "nn/inception.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { DEFAULT_BATCH = 32, INCEPTION_BATCH = 8, MAX_BATCH = 4096, DIGITS = 8 };

struct bfn_features {
    bfn_context *ctx;
    bfn_features_options options;
    bool inception;
    bfn__feature_net described; /* of a small network */
    bfn__net *net;
    bfn__exec *exec;
    float *params, *shown; /* shown [batch, input] */
    double *t;             /* [batch] zeros: these networks know no time */
    char checksum[BFN__SHA256_HEX];
    /* of the running call */
    const uint8_t *pixels;
    size_t H, W, C;
};

/* ---- Inception's weights ---- */

/* "<unit>.conv.weight" in the network; its file has "<unit>.bn.*" beside it. */
static bool split_name(const bfn__param *p, char unit[BFN__MAX_NAME])
{
    static const char end[] = ".conv.weight";
    size_t n = strlen(p->name), m = sizeof end - 1;
    if (n <= m || strcmp(p->name + n - m, end) != 0)
        return false;
    memcpy(unit, p->name, n - m);
    unit[n - m] = '\0';
    return true;
}

static const bfn__st_tensor *unit_tensor(const bfn__safetensors *st, const char *unit, const char *what)
{
    char name[2 * BFN__MAX_NAME];
    (void)snprintf(name, sizeof name, "%s.%s", unit, what);
    return bfn__safetensors_find(st, name);
}

static const char *const PARTS[] = {"bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"};
enum { GAIN, OFFSET, MEAN, VARIANCE, N_PARTS };

/* All tensors are looked for before any is read, so that a wrong file is told by everything that it lacks. */
static bfn_status check_units(bfn_context *ctx, const bfn__net *net, const bfn__safetensors *st, const char *label)
{
    size_t n_wrong = 0, n_units = 0;
    char first[2 * BFN__MAX_NAME] = "", unit[BFN__MAX_NAME];
    for (size_t i = 0; i < bfn__net_n_params(net); i++) {
        const bfn__param *p = bfn__net_param(net, i);
        if (!split_name(p, unit))
            continue;
        n_units++;
        const bfn__st_tensor *w = bfn__safetensors_find(st, p->name);
        bool fits = w != NULL && w->rank == 4 && memcmp(w->shape, p->shape, 4 * sizeof *w->shape) == 0;
        for (int k = 0; k < N_PARTS; k++) {
            const bfn__st_tensor *t = unit_tensor(st, unit, PARTS[k]);
            fits = fits && t != NULL && t->rank == 1 && t->count == p->shape[0];
        }
        if (!fits && n_wrong++ == 0)
            (void)snprintf(first, sizeof first, "%s", unit);
    }
    if (n_wrong == 0)
        return BFN_OK;
    return bfn__fail(
        ctx, BFN_ERR_INPUT,
        "%s: no feature network: no metadata \"%s\", and %zu of Inception-v3's %zu units are missing or have another "
        "shape, first \"%s\"",
        label, BFN__FEATURES_KEY, n_wrong, n_units, first);
}

static bfn_status fold_unit(bfn_features *f, const bfn__safetensors *st, const bfn__param *p, const char *unit,
                            float *parts)
{
    size_t out = p->shape[0], each = p->count / out;
    float *w = f->params + p->offset;
    char name[2 * BFN__MAX_NAME];
    (void)snprintf(name, sizeof name, "%s.conv.bias", unit);
    float *bias = f->params + bfn__net_find(f->net, name)->offset;
    bfn_status status = bfn__st_to_f32(f->ctx, bfn__safetensors_find(st, p->name), w);
    for (int k = 0; status == BFN_OK && k < N_PARTS; k++)
        status = bfn__st_to_f32(f->ctx, unit_tensor(st, unit, PARTS[k]), parts + (size_t)k * out);
    for (size_t o = 0; status == BFN_OK && o < out; o++) {
        double scale = (double)parts[GAIN * out + o] / sqrt((double)parts[VARIANCE * out + o] + BFN__INCEPTION_EPS);
        double shift = (double)parts[OFFSET * out + o] - (double)parts[MEAN * out + o] * scale;
        bias[o] = (float)shift;
        bool finite = isfinite(scale) && isfinite(bias[o]);
        for (size_t i = o * each; i < (o + 1) * each; i++) {
            w[i] = (float)((double)w[i] * scale);
            finite = finite && isfinite(w[i]);
        }
        if (!finite)
            status = bfn__fail(f->ctx, BFN_ERR_INPUT, "\"%s\": channel %zu is not finite", unit, o);
    }
    return status;
}

static bfn_status load_inception(bfn_features *f, const bfn__safetensors *st, const char *label)
{
    f->inception = true;
    bfn_status status = bfn__inception_create(f->ctx, &f->net);
    if (status == BFN_OK)
        status = check_units(f->ctx, f->net, st, label);
    if (status != BFN_OK)
        return status;
    float *parts = bfn__calloc(f->ctx, N_PARTS * BFN__INCEPTION_FEATURES, sizeof *parts);
    f->params = bfn__calloc(f->ctx, bfn__net_arena(f->net), sizeof *f->params);
    status = parts != NULL && f->params != NULL ? BFN_OK : BFN_ERR_MEMORY;
    char unit[BFN__MAX_NAME];
    for (size_t i = 0; status == BFN_OK && i < bfn__net_n_params(f->net); i++) {
        const bfn__param *p = bfn__net_param(f->net, i);
        if (split_name(p, unit))
            status = fold_unit(f, st, p, unit, parts);
    }
    bfn__free(f->ctx, parts);
    return status == BFN_OK ? BFN_OK : bfn__fail_prefix(f->ctx, status, label);
}

/* ---- small networks ---- */

static bfn_status load_described(bfn_features *f, const bfn__safetensors *st, const char *label)
{
    bfn__feature_net *d = &f->described;
    bfn_status status = bfn__feature_net_read(f->ctx, st, label, d);
    if (status != BFN_OK)
        return status;
    status = bfn__layers_build(f->ctx, &f->net, d->height, d->width, d->channels, d->layers, d->n_layers, d->features);
    if (status == BFN_ERR_ARGUMENT) /* what a file says wrongly is its own fault */
        status = BFN_ERR_INPUT;
    if (status == BFN_OK)
        status = bfn__weights_check_shapes(f->ctx, st, f->net, "");
    if (status == BFN_OK)
        f->params = bfn__calloc(f->ctx, bfn__net_arena(f->net), sizeof *f->params);
    if (status == BFN_OK)
        status = f->params == NULL ? BFN_ERR_MEMORY : bfn__weights_read(f->ctx, st, f->net, "", false, f->params);
    return status == BFN_OK ? BFN_OK : bfn__fail_prefix(f->ctx, status, label);
}

/* ---- opening ---- */

/* name-xxxxxxxx.pth: the digits must be those of the content. */
static bfn_status check_digits(bfn_context *ctx, const char *path, const char *checksum)
{
    const char *end = strrchr(path, '.');
    if (end == NULL || end - path <= DIGITS || end[-DIGITS - 1] != '-' || strcmp(end, ".pth") != 0)
        return BFN_OK;
    if (strspn(end - DIGITS, "0123456789abcdef") != DIGITS || memcmp(end - DIGITS, checksum, DIGITS) == 0)
        return BFN_OK;
    return bfn__fail(ctx, BFN_ERR_INPUT,
                     "%s: its name promises a sha256 that begins with %.8s, it is %s: broken or not the published file",
                     path, end - DIGITS, checksum);
}

static bfn_status load(bfn_features *f, const bfn__bytes *bytes, const char *path)
{
    bfn__safetensors *st;
    bool torch = bfn__is_torch(bytes->data, bytes->size);
    bfn__sha256_hex(bytes->data, bytes->size, f->checksum);
    bfn_status status = check_digits(f->ctx, path, f->checksum);
    if (status == BFN_OK)
        status = torch ? bfn__torch_parse(f->ctx, &st, bytes->data, bytes->size, path)
                       : bfn__safetensors_parse(f->ctx, &st, bytes->data, bytes->size, path);
    if (status != BFN_OK)
        return status;
    bool described = bfn__safetensors_metadata(st, BFN__FEATURES_KEY) != NULL;
    status = described ? load_described(f, st, path) : load_inception(f, st, path);
    bfn__safetensors_close(st);
    return status;
}

static bfn_status compile(bfn_features *f)
{
    size_t batch = f->options.batch;
    const bfn__exec_options options = {.batch = batch};
    bfn_status status = bfn__exec_create(f->ctx, &f->exec, f->net, &options);
    if (status == BFN_OK)
        status = bfn__exec_set_params(f->exec, f->params);
    if (status != BFN_OK)
        return status;
    f->shown = bfn__calloc(f->ctx, batch * bfn__net_shown_size(f->net), sizeof *f->shown);
    f->t = bfn__calloc(f->ctx, batch, sizeof *f->t);
    return f->shown != NULL && f->t != NULL ? BFN_OK : BFN_ERR_MEMORY;
}

bfn_status bfn_features_open(bfn_context *ctx, bfn_features **out, const char *path,
                             const bfn_features_options *options)
{
    *out = NULL;
    if (options != NULL && options->batch > MAX_BATCH)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "batch: %zu: must be 1 to %d", options->batch, MAX_BATCH);
    bfn_features *f = bfn__calloc(ctx, 1, sizeof *f);
    if (f == NULL)
        return BFN_ERR_MEMORY;
    f->ctx = ctx;
    f->options = options != NULL ? *options : (bfn_features_options)BFN_FEATURES_OPTIONS_INIT;
    bfn__use_openmp(ctx);
    bfn__bytes bytes;
    bfn_status status = bfn__file_map(ctx, path, bfn__limit(ctx, BFN__CAP_FILE_BYTES), &bytes);
    if (status == BFN_OK) {
        status = load(f, &bytes, path);
        bfn__file_unmap(ctx, &bytes);
    }
    if (f->options.batch == 0)
        f->options.batch = f->inception ? INCEPTION_BATCH : DEFAULT_BATCH;
    if (status == BFN_OK)
        status = compile(f);
    if (status != BFN_OK) {
        bfn_features_close(f);
        return status;
    }
    *out = f;
    return BFN_OK;
}

void bfn_features_close(bfn_features *f)
{
    if (f == NULL)
        return;
    bfn__exec_destroy(f->exec);
    bfn__net_destroy(f->net);
    bfn__feature_net_free(f->ctx, &f->described);
    void *blocks[] = {f->params, f->shown, f->t};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        bfn__free(f->ctx, blocks[i]);
    bfn__free(f->ctx, f);
}

void bfn_features_get_info(const bfn_features *f, bfn_features_info *info)
{
    const bfn__feature_net *d = &f->described;
    *info = (bfn_features_info){
        .checksum = f->checksum, .is_inception = f->inception, .n_features = bfn__net_output_size(f->net)};
    if (f->inception) {
        bool tf1 = f->options.resize == BFN_RESIZE_TF1;
        info->name = "inception-v3 pool3";
        info->distance = "FID";
        info->input =
            tf1 ? "299 x 299 by TensorFlow 1's bilinear, (x - 128)/128" : "299 x 299 by torch's bilinear, x/127.5 - 1";
        info->accuracy = (double)NAN;
        return;
    }
    info->name = d->name;
    info->distance = "Fréchet distance in classifier features";
    info->input = "pictures as they are";
    info->height = d->height;
    info->width = d->width;
    info->channels = d->channels;
    info->accuracy = d->accuracy;
}

/* ---- running ---- */

/* The two lines that line i of 299 lies between, and how near it is to the second. */
static void between(bfn_resize resize, size_t i, size_t size, size_t *first, size_t *second, double *part)
{
    double scale = (double)size / BFN__INCEPTION_SIDE;
    double at = resize == BFN_RESIZE_TF1 ? (double)i * scale : ((double)i + 0.5) * scale - 0.5;
    at = at > 0.0 ? at : 0.0;
    *first = (size_t)at < size - 1 ? (size_t)at : size - 1;
    *second = *first + 1 < size ? *first + 1 : *first;
    *part = at - (double)*first;
}

static void show_inception(const bfn_features *f, const uint8_t *pixels, float *to)
{
    bfn_resize resize = f->options.resize;
    double scale = resize == BFN_RESIZE_TF1 ? 1.0 / 128.0 : 1.0 / 127.5, ky, kx;
    size_t y0, y1, x0, x1, W = f->W, C = f->C;
    for (size_t i = 0; i < BFN__INCEPTION_SIDE; i++) {
        between(resize, i, f->H, &y0, &y1, &ky);
        for (size_t j = 0; j < BFN__INCEPTION_SIDE; j++) {
            between(resize, j, W, &x0, &x1, &kx);
            for (size_t c = 0; c < 3; c++, to++) {
                const uint8_t *p = pixels + (C == 3 ? c : 0);
                double top = (1.0 - kx) * p[(y0 * W + x0) * C] + kx * p[(y0 * W + x1) * C];
                double bottom = (1.0 - kx) * p[(y1 * W + x0) * C] + kx * p[(y1 * W + x1) * C];
                *to = (float)(((1.0 - ky) * top + ky * bottom) * scale - 1.0);
            }
        }
    }
}

static void show_small(const bfn_features *f, const uint8_t *pixels, float *to)
{
    const bfn__feature_net *d = &f->described;
    for (size_t i = 0; i < f->H * f->W; i++)
        for (size_t c = 0; c < d->channels; c++)
            *to++ = (float)(d->scale[c] * pixels[i * f->C + (f->C == 3 ? c : 0)] + d->shift[c]);
}

static void show_one(void *arg, size_t i)
{
    const bfn_features *f = arg;
    const uint8_t *pixels = f->pixels + i * f->H * f->W * f->C;
    float *to = f->shown + i * bfn__net_shown_size(f->net);
    if (f->inception)
        show_inception(f, pixels, to);
    else
        show_small(f, pixels, to);
}

static bfn_status check_pictures(const bfn_features *f, size_t H, size_t W, size_t C)
{
    const bfn__feature_net *d = &f->described;
    if (H < 1 || W < 1 || H > bfn__limit(f->ctx, BFN__CAP_IMAGE_SIDE) || W > bfn__limit(f->ctx, BFN__CAP_IMAGE_SIDE) ||
        (C != 1 && C != 3))
        return bfn__fail(f->ctx, BFN_ERR_ARGUMENT,
                         "pictures of %zu x %zu pixels with %zu channels: allowed are 1 to %zu a side, 1 or 3 channels",
                         H, W, C, bfn__limit(f->ctx, BFN__CAP_IMAGE_SIDE));
    if (!f->inception && (H != d->height || W != d->width || (C != d->channels && C != 1)))
        return bfn__fail(
            f->ctx, BFN_ERR_ARGUMENT,
            "pictures of %zu x %zu pixels with %zu channels: the features of \"%s\" are for %zu x %zu with %zu", H, W,
            C, d->name, d->height, d->width, d->channels);
    return BFN_OK;
}

bfn_status bfn_features_run(bfn_features *f, size_t n, size_t H, size_t W, size_t C, const uint8_t *pixels, float *out)
{
    size_t width = bfn__net_output_size(f->net), batch = f->options.batch;
    bfn_status status = check_pictures(f, H, W, C);
    f->H = H;
    f->W = W;
    f->C = C;
    for (size_t i = 0; status == BFN_OK && i < n; i += batch) {
        size_t count = n - i < batch ? n - i : batch;
        f->pixels = pixels + i * H * W * C;
        bfn__parallel(f->ctx, count, show_one, f);
        status = bfn__exec_forward(f->exec, count, f->shown, f->t, out + i * width);
    }
    return status;
}

bfn_status bfn_features_add(bfn_features *f, bfn_feature_stats *stats, size_t n, size_t H, size_t W, size_t C,
                            const uint8_t *pixels)
{
    enum { BLOCK = 256 };
    size_t width = bfn__net_output_size(f->net);
    if (stats->D != width)
        return bfn__fail(f->ctx, BFN_ERR_ARGUMENT, "statistics are of %zu features, the network gives %zu", stats->D,
                         width);
    float *out = bfn__calloc(f->ctx, BLOCK * width, sizeof *out);
    bfn_status status = out == NULL ? BFN_ERR_MEMORY : BFN_OK;
    for (size_t i = 0; status == BFN_OK && i < n; i += BLOCK) {
        size_t count = n - i < BLOCK ? n - i : BLOCK;
        status = bfn_features_run(f, count, H, W, C, pixels + i * H * W * C, out);
        if (status == BFN_OK)
            status = bfn_feature_stats_add(stats, count, out);
    }
    bfn__free(f->ctx, out);
    return status;
}
