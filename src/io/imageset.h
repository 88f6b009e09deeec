/* imageset.h: what the readers of data sets of pictures share: the set under construction, its files, its checksum. */
#ifndef BFN_IMAGESET_H
#define BFN_IMAGESET_H

#include "io/file.h"
#include "io/image.h"
#include "io/sha256.h"
#include "io/standard_sets.h"

struct bfn__imageset {
    bfn_context *ctx;
    const char *format;
    const bfn__standard_set *known; /* NULL: none */
    char *name;
    char checksum[BFN__SHA256_HEX];
    size_t H, W, C, D, n;
    size_t n_test;    /* the last of the n: test items by themselves */
    uint8_t *pixels;  /* [n,D] */
    int32_t *labels;  /* [n]; NULL: none */
    char **classes;   /* [n_classes] names of sub-folders; NULL: none */
    size_t n_classes; /* of them; after bfn__imageset_finish: largest label + 1 */
    size_t n_skipped;
    uint32_t *order;  /* [n] items of the training, validation and test split, one after the other */
    size_t bounds[4]; /* of the splits in it */
};

typedef struct bfn__loader {
    bfn_context *ctx;
    const char *path;
    const bfn__imageset_options *options; /* never NULL */
    size_t max_bytes;
    int folder; /* open while l->path is one */
    bfn__imageset *set;
    bfn__sha256 hash;
} bfn__loader;

/* A file in memory, inflated where it was gzip. */
typedef struct bfn__input {
    char *path; /* NULL: empty */
    bfn__bytes file;
    char *inflated;
    const unsigned char *data;
    size_t n;
} bfn__input;

bfn_status bfn__input_read(bfn__loader *l, const char *path, bfn__input *out);
void bfn__input_free(bfn_context *ctx, bfn__input *input);

char *bfn__join_path(bfn_context *ctx, const char *folder,
                     const char *name); /* by bfn__free; NULL: memory, message set */

/* Memory of the set for n items [H,W,C], within the caps, with labels or without. BFN_ERR_INPUT names l->path. */
bfn_status bfn__imageset_reserve(bfn__loader *l, size_t n, size_t H, size_t W, size_t C, bool labels);

/* `status` with "path: what", and where to get the standard set that it is (l->set->known) or that the path seems to mean. */
bfn_status bfn__fail_missing(bfn__loader *l, bfn_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Fill l->set and l->hash from whatever l->path is (imageset_open.c); from a folder of PNG files (imageset_png.c). */
bfn_status bfn__imageset_load(bfn__loader *l);
bfn_status bfn__imageset_load_png(bfn__loader *l);

#endif
