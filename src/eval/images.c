/* images.c: pictures to be measured, wherever they come from: data sets (io/imageset.h) and arrays of NumPy, behind one handle. */
#include "bfn/frechet.h"

#include "base/base.h"
#include "io/file.h"
#include "io/imageset.h"
#include "io/limits.h"
#include "io/npz.h"
#include "io/sha256.h"

#include <string.h>
#include <sys/stat.h>

struct bfn_images {
    bfn_context *ctx;
    bfn__imageset *set; /* a data set; or ... */
    bfn__npz *npz;      /* ... an array in an archive, or */
    bfn__bytes bytes;   /* ... in a mapped file */
    bfn_image_part part;
    size_t n, n_train, n_test, H, W, C;
    const uint8_t *pixels; /* of an array */
    char name[64], checksum[BFN__SHA256_HEX];
};

void bfn_images_close(bfn_images *images)
{
    if (images == NULL)
        return;
    bfn__imageset_close(images->set);
    bfn__npz_close(images->npz);
    bfn__file_unmap(images->ctx, &images->bytes);
    bfn__free(images->ctx, images);
}

static bfn_status open_set(bfn_images *im, const char *path)
{
    const bfn__imageset_options all = {.all_training = true};
    bfn__imageset_info info;
    bfn_status status = bfn__imageset_open(im->ctx, path, &all, &im->set);
    if (status != BFN_OK)
        return status;
    bfn__imageset_get_info(im->set, &info);
    im->n_train = info.n_split[BFN__IMAGES_TRAIN];
    im->n_test = info.n_split[BFN__IMAGES_TEST];
    im->H = info.H;
    im->W = info.W;
    im->C = info.C;
    memcpy(im->name, info.name, strnlen(info.name, sizeof im->name - 1));
    memcpy(im->checksum, info.checksum, strnlen(info.checksum, sizeof im->checksum - 1));
    return BFN_OK;
}

static bfn_status take_array(bfn_images *im, const bfn__st_tensor *t, const char *path)
{
    bool shape = t->rank == 3 || (t->rank == 4 && (t->shape[3] == 1 || t->shape[3] == 3));
    if (t->dtype != BFN__DTYPE_U8 || !shape || t->count == 0)
        return bfn__fail(
            im->ctx, BFN_ERR_INPUT,
            "%s: its array is %s of %d dimensions, %zu values: U8 [n,H,W,1], [n,H,W,3] or [n,H,W] is needed", path,
            bfn__dtype_name(t->dtype), t->rank, t->count);
    im->n_train = t->shape[0];
    im->H = t->shape[1];
    im->W = t->shape[2];
    im->C = t->rank == 4 ? t->shape[3] : 1;
    im->pixels = t->data;
    return BFN_OK;
}

static bfn_status open_npz(bfn_images *im, const char *path)
{
    bfn_status status = bfn__npz_parse(im->ctx, &im->npz, im->bytes.data, im->bytes.size, 0, path);
    if (status != BFN_OK)
        return status;
    const bfn__st_tensor *t = bfn__npz_find(im->npz, "arr_0");
    if (t == NULL && bfn__npz_n(im->npz) == 1)
        t = bfn__npz_tensor(im->npz, 0);
    if (t == NULL)
        return bfn__fail(im->ctx, BFN_ERR_INPUT, "%s: has %zu arrays, none of the name \"arr_0\"", path,
                         bfn__npz_n(im->npz));
    return take_array(im, t, path);
}

static bfn_status open_array(bfn_images *im, const char *path, bool *is_array)
{
    struct stat file;
    *is_array = false;
    if (stat(path, &file) != 0 || !S_ISREG(file.st_mode))
        return BFN_OK;
    bfn_status status = bfn__file_map(im->ctx, path, bfn__limit(im->ctx, BFN__CAP_NPZ_BYTES), &im->bytes);
    if (status != BFN_OK)
        return status;
    bool npy = im->bytes.size > 6 && memcmp(im->bytes.data, "\x93NUMPY", 6) == 0;
    bool zip = im->bytes.size > 4 && memcmp(im->bytes.data, "PK", 2) == 0;
    *is_array = npy || zip;
    if (!*is_array) {
        bfn__file_unmap(im->ctx, &im->bytes);
        im->bytes = (bfn__bytes){0};
        return BFN_OK;
    }
    const char *base = strrchr(path, '/');
    base = base != NULL ? base + 1 : path;
    memcpy(im->name, base, strnlen(base, sizeof im->name - 1));
    bfn__sha256_hex(im->bytes.data, im->bytes.size, im->checksum);
    if (zip)
        return open_npz(im, path);
    bfn__st_tensor t;
    status = bfn__npy_parse(im->ctx, im->bytes.data, im->bytes.size, path, &t);
    return status != BFN_OK ? status : take_array(im, &t, path);
}

bfn_status bfn_images_open(bfn_context *ctx, bfn_images **out, const char *path, bfn_image_part part)
{
    *out = NULL;
    bfn_images *im = bfn__calloc(ctx, 1, sizeof *im);
    if (im == NULL)
        return BFN_ERR_MEMORY;
    im->ctx = ctx;
    im->part = part;
    bool is_array;
    bfn_status status = open_array(im, path, &is_array);
    if (status == BFN_OK && !is_array)
        status = open_set(im, path);
    im->n = part == BFN_IMAGES_ALL ? im->n_train + im->n_test : part == BFN_IMAGES_OF_TRAIN ? im->n_train : im->n_test;
    if (status == BFN_OK && im->n == 0)
        status = bfn__fail(ctx, BFN_ERR_INPUT, "%s: brings no %s pictures", path,
                           part == BFN_IMAGES_OF_TEST ? "test" : "training");
    if (status != BFN_OK) {
        bfn_images_close(im);
        return status;
    }
    *out = im;
    return BFN_OK;
}

void bfn_images_get_info(const bfn_images *im, bfn_images_info *info)
{
    *info = (bfn_images_info){im->n, im->H, im->W, im->C, im->n_test, im->name, im->checksum};
}

const uint8_t *bfn_images_item(const bfn_images *im, size_t i)
{
    if (im->set == NULL)
        return im->pixels + i * im->H * im->W * im->C;
    bool test = im->part == BFN_IMAGES_OF_TEST || (im->part == BFN_IMAGES_ALL && i >= im->n_train);
    size_t first = test && im->part == BFN_IMAGES_ALL ? im->n_train : 0;
    return bfn__imageset_item(im->set, test ? BFN__IMAGES_TEST : BFN__IMAGES_TRAIN, i - first);
}
