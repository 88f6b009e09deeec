/* image.h: pictures as bytes, and data sets of them.
 *
 * A picture is uint8_t [H,W,C], rows from the top, C = 1 (grey) or 3 (red, green, blue); D = H*W*C in that order. Networks and flows see
 *   x = 2 p/255 - 1 in [-1,1]
 * and there is one way back, for every file and every screen:
 *   p = floor(127.5 x + 127.5 + 1/2), clamped to 0..255, NaN to 0    (bfn__quantise)
 * It undoes the above, and takes the centre of bin k of 256 bins, 2 (k + 1/2)/256 - 1, to k as well.
 */
#ifndef BFN_IMAGE_H
#define BFN_IMAGE_H

#include "base/base.h"

typedef struct bfn__image {
    size_t H, W, C;
    uint8_t
        *pixels; /* [H,W,C]; from bfn__image_create or a reader: by bfn__image_free. Or borrowed: then do not free */
} bfn__image;

/* Black. BFN_ERR_ARGUMENT: a side of 0 or beyond BFN__CAP_IMAGE_SIDE, C neither 1 nor 3, more than BFN__CAP_IMAGE_BYTES. */
bfn_status bfn__image_create(bfn_context *ctx, bfn__image *out, size_t H, size_t W, size_t C);
void bfn__image_free(bfn_context *ctx, bfn__image *image); /* leaves it empty; an empty one (all zero) is fine */

uint8_t bfn__quantise(float x);
void bfn__quantise_all(size_t n, const float *x, uint8_t *out);

/* ---- data sets ---- */

typedef enum bfn__image_split { BFN__IMAGES_TRAIN = 0, BFN__IMAGES_VALID = 1, BFN__IMAGES_TEST = 2 } bfn__image_split;

typedef struct bfn__imageset bfn__imageset;

typedef struct bfn__imageset_options {
    double valid_fraction; /* of the items that are no test items; 0: 0.01; in [0,1) */
    double test_fraction;  /* the same, read only where the data bring no test items of their own; 0: 0.01; in [0,1) */
    bool all_training; /* no validation or test items are split off (test items of the data's own stay what they are) */
    bool skip_bad;     /* a folder of PNG files: leave out what is broken or of another size, and count it */
    uint64_t seed;     /* of the split */
    size_t max_bytes;  /* pixels in memory, and any one file inflated; 0: BFN__CAP_IMAGESET_BYTES */
} bfn__imageset_options;

/* Opens what `path` is, told by content and names, never by the path's ending alone:
 *   IDX, raw or gzip    one file of images (uint8, [n,H,W], or [n,H,W,C] with C 1 or 3); its labels when they lie beside it
 *                       (x-images-idx3-ubyte: x-labels-idx1-ubyte); or a folder with train-images-idx3-ubyte,
 *                       train-labels-..., t10k-images-..., t10k-labels-idx1-ubyte (also with '.' before "idx", with .gz or without):
 *                       train and, where it is there, test items
 *   CIFAR-10 binary     a folder with data_batch_1.bin .. data_batch_5.bin (train) and test_batch.bin (test), or one .bin file;
 *                       each raw or gzip
 *   PNG                 a folder of PNG files of one size, in byte order of their names; or of sub-folders of them, which are the classes
 *                       in the order of their names. Hidden files and files that are not named .png are left out
 * Of n items that are not test items by themselves, round(n * fraction), but at least one while one is left for training, become
 * validation (then test) items: those at the front of a permutation that options->seed gives. Every split keeps the files' order.
 * options may be NULL. BFN_ERR_NOT_FOUND: missing, no permission, with where to get a standard set that the path seems to mean, and
 * its checksums; BFN_ERR_INPUT: not one of these formats, broken, mixed sizes, counts that disagree, no images, too large. */
bfn_status bfn__imageset_open(bfn_context *ctx, const char *path, const bfn__imageset_options *options,
                              bfn__imageset **out);
void bfn__imageset_close(bfn__imageset *set); /* NULL is fine */

typedef struct bfn__imageset_info {
    size_t H, W, C, D;
    size_t n;           /* items, all splits */
    size_t n_split[3];  /* items of each split */
    size_t n_classes;   /* largest label + 1; 0: no labels */
    size_t n_skipped;   /* options.skip_bad */
    const char *format; /* "idx", "cifar10", "png" */
    const char *
        name; /* "mnist", "fashion-mnist", "cifar10" where it is (the training images' checksum tells), else the last part of the path */
    const char *
        checksum; /* SHA-256 of what was read: the files, inflated, one after the other: training images, their labels, test images,
                           * their labels; batches 1 to 5, test; PNG: before each file its name below `path` and a zero byte */
} bfn__imageset_info;

/* Strings live as long as the set. */
void bfn__imageset_get_info(const bfn__imageset *set, bfn__imageset_info *info);
size_t bfn__imageset_n(const bfn__imageset *set, bfn__image_split which);

/* Item i of a split: uint8 [H,W,C], lives as long as the set. Its label, -1: none. i < n of that split. */
const uint8_t *bfn__imageset_item(const bfn__imageset *set, bfn__image_split which, size_t i);
int32_t bfn__imageset_label(const bfn__imageset *set, bfn__image_split which, size_t i);

/* A class's name: of its sub-folder, or as the standard sets' papers call it; NULL: none. */
const char *bfn__imageset_class(const bfn__imageset *set, size_t k);

/* The endless shuffled order of training: which item of the training split comes as number `index`: another permutation
 * in each epoch (index / n), a function of seed and index alone. And whether it is to be flipped, for those who flip: a fair coin. */
size_t bfn__imageset_training(const bfn__imageset *set, uint64_t seed, uint64_t index);
bool bfn__imageset_flipped(uint64_t seed, uint64_t index);

#endif
