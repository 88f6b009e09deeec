/* metric_frechet.c: Fréchet and kernel distance of a cell's pictures to those that the model was trained on, in a network's features.
 *
 * The reference is the training pictures of --data (or a file of statistics). Where the set has test pictures, the distance of as many of them as a cell
 * has samples goes to the header: what perfect samples would get, at this number of samples.
 */
#include "eval/metric_frechet.h"

#include "bfn/frechet.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 256 };
static const size_t most_kept_bytes =
    (size_t)1 << 28; /* features of the reference, for standard errors and the kernel distance */

typedef struct frechet_state {
    bfn_context *ctx;
    bfn_features *net;
    bfn_features_info info;
    bfn_feature_stats *reference;
    size_t height, width, channels;
} frechet_state;

void bfn__frechet_close(void *state)
{
    frechet_state *f = state;
    bfn_feature_stats_destroy(f->reference);
    bfn_features_close(f->net);
    bfn__free(f->ctx, f);
}

/* The first n pictures of a part, at most all of it, into fresh statistics. */
static bfn_status part_stats(frechet_state *f, const char *path, bfn_image_part part, size_t n, bfn_feature_stats **out,
                             bfn_images_info *info, bfn_record *header)
{
    bfn_images *images = NULL;
    bfn_status status = bfn_images_open(f->ctx, &images, path, part);
    if (status != BFN_OK)
        return status;
    bfn_images_get_info(images, info);
    n = n < info->n ? n : info->n;
    int keep = n <= most_kept_bytes / sizeof(float) / f->info.n_features;
    if (info->height != f->height || info->width != f->width || info->channels != f->channels)
        status = bfn__fail(f->ctx, BFN_ERR_ARGUMENT,
                           "data: the images of %s are %zu x %zu x %zu, the model's %zu x %zu x %zu", path,
                           info->height, info->width, info->channels, f->height, f->width, f->channels);
    if (status == BFN_OK)
        status = bfn_feature_stats_create(f->ctx, out, f->info.n_features, keep);
    for (size_t i = 0; i < n && status == BFN_OK; i += CHUNK) {
        size_t count = n - i < CHUNK ? n - i : CHUNK; /* pictures of a part lie one after the other */
        status = bfn_features_add(f->net, *out, count, info->height, info->width, info->channels,
                                  bfn_images_item(images, i));
    }
    if (status == BFN_OK && header != NULL)
        status = bfn_record_set(header, "data_sha256", info->checksum);
    bfn_images_close(images);
    return status;
}

/* Test pictures beside the reference. */
static bfn_status find_floor(frechet_state *f, const char *path, size_t n, bfn_record *header)
{
    bfn_feature_stats *test = NULL;
    bfn_images_info info;
    bfn_frechet result;
    bfn_status status = part_stats(f, path, BFN_IMAGES_OF_TEST, n, &test, &info, NULL);
    if (status == BFN_OK)
        status = bfn_eval_frechet(f->ctx, test, f->reference, NULL, &result);
    if (status == BFN_OK)
        status = bfn_record_set_number(header, "frechet_of_test_images", result.distance);
    if (status == BFN_OK)
        status = bfn_record_set_count(header, "test_images", n < info.n ? n : info.n);
    bfn_feature_stats_destroy(test);
    return status;
}

/* A file of statistics; BFN_ERR_INPUT: it is something else. */
static bfn_status load_stats(frechet_state *f, const char *path, bfn_record *header)
{
    bfn_feature_stats_info info;
    bfn_status status = bfn_feature_stats_load(f->ctx, &f->reference, path);
    if (status != BFN_OK)
        return status;
    bfn_feature_stats_get_info(f->reference, &info);
    if (info.n_features != f->info.n_features ||
        (info.network[0] != '\0' && strcmp(info.network, f->info.checksum) != 0))
        return bfn__fail(f->ctx, BFN_ERR_ARGUMENT, "data: the statistics of %s are of another feature network", path);
    return bfn_record_set(header, "data_sha256", info.checksum);
}

static bfn_status open_reference(bfn__sweep *sweep, frechet_state *f)
{
    const char *path = sweep->options->data;
    bfn_images_info info;
    size_t n = strlen(path);
    if (n > 4 && strcmp(path + n - 4, ".npz") == 0) {
        bfn_status status = load_stats(f, path, sweep->header);
        if (status != BFN_ERR_INPUT)
            return status;
    }
    bfn_status status = part_stats(f, path, BFN_IMAGES_OF_TRAIN, (size_t)-1, &f->reference, &info, sweep->header);
    if (status == BFN_OK && info.n_test > 1 && sweep->n > 1)
        status = find_floor(f, path, sweep->n, sweep->header);
    return status;
}

bfn_status bfn__frechet_open(bfn__sweep *sweep, void **state)
{
    frechet_state *f = bfn__calloc(sweep->ctx, 1, sizeof *f);
    if (f == NULL)
        return BFN_ERR_MEMORY;
    *f = (frechet_state){
        .ctx = sweep->ctx, .height = sweep->info.height, .width = sweep->info.width, .channels = sweep->info.channels};
    bfn_status status = bfn_features_open(sweep->ctx, &f->net, sweep->options->features, NULL);
    if (status == BFN_OK) {
        bfn_features_get_info(f->net, &f->info);
        status = bfn_record_set(sweep->header, "features", f->info.name);
    }
    if (status == BFN_OK)
        status = bfn_record_set(sweep->header, "features_sha256", f->info.checksum);
    if (status == BFN_OK)
        status = open_reference(sweep, f);
    if (status != BFN_OK) {
        bfn__frechet_close(f);
        return status;
    }
    *state = f;
    return BFN_OK;
}

bfn_status bfn__frechet_measure(void *state, const bfn__sample_set *set, bfn__value *values)
{
    frechet_state *f = state;
    bfn_feature_stats *stats = NULL;
    bfn_frechet result;
    bfn_status status = bfn_feature_stats_create(f->ctx, &stats, f->info.n_features, 1);
    if (status == BFN_OK)
        status = bfn_features_add(f->net, stats, set->n, f->height, f->width, f->channels, set->pixels);
    if (status == BFN_OK)
        status = bfn_eval_frechet(f->ctx, stats, f->reference, NULL, &result);
    bfn_feature_stats_destroy(stats);
    if (status != BFN_OK)
        return status;
    values[0] = (bfn__value){result.distance, result.standard_error};
    values[1] = (bfn__value){result.kernel, result.kernel_error};
    return BFN_OK;
}

void bfn__frechet_label(void *state, bfn__value_kind *values)
{
    const frechet_state *f = state;
    if (f->info.is_inception)
        values[0].title = "FID";
}
