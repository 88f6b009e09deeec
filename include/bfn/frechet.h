/* bfn/frechet.h: distances between sets of images in the features of a network: Fréchet (1706.08500) and kernel distance (1801.01401).
 *
 * Three handles: bfn_images (where pictures come from), bfn_features (the network), bfn_feature_stats (what is known of a set's features).
 *
 *     bfn_features_open(ctx, &net, "inception.safetensors", NULL);
 *     bfn_feature_stats_create(ctx, &a, info.n_features, 1);
 *     bfn_features_add(net, a, n, H, W, C, pixels);               as often as wanted
 *     bfn_feature_stats_load(ctx, &b, "cifar10_stats.npz");
 *     bfn_eval_frechet(a, b, NULL, &result);
 *
 * Only with Inception-v3 is the distance called FID. In the features of any other network it is a "Fréchet distance in classifier features": its numbers
 * are comparable among themselves, never with published FID.
 */
#ifndef BFN_FRECHET_H
#define BFN_FRECHET_H

#include "bfn/status.h"

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- pictures of a file or folder ---- */

typedef struct bfn_images bfn_images;

typedef enum bfn_image_part { BFN_IMAGES_ALL = 0, BFN_IMAGES_OF_TRAIN = 1, BFN_IMAGES_OF_TEST = 2 } bfn_image_part;

/* path: a folder of PNG, IDX or CIFAR-10 files (as for training), or an array uint8 [n,H,W,C] or [n,H,W] in .npy or .npz ("arr_0", or the
 * only array): told by content. part: sets that bring no test pictures of their own have only BFN_IMAGES_ALL and BFN_IMAGES_OF_TRAIN (all).
 * BFN_ERR_NOT_FOUND, BFN_ERR_INPUT. */
BFN_API BFN_MUST_CHECK bfn_status bfn_images_open(bfn_context *ctx, bfn_images **out, const char *path,
                                                  bfn_image_part part);
BFN_API void bfn_images_close(bfn_images *images);

typedef struct bfn_images_info {
    size_t n, height, width, channels; /* of the part */
    size_t n_test;                     /* test pictures that the set brings, whatever the part; 0: none */
    const char *name;                  /* "cifar10", or the last part of the path; strings live as long as the handle */
    const char *checksum;              /* sha256 of what was read */
} bfn_images_info;
BFN_API void bfn_images_get_info(const bfn_images *images, bfn_images_info *info);
/* Picture i of the part: uint8 [height,width,channels], lives as long as the handle. */
BFN_API const uint8_t *bfn_images_item(const bfn_images *images, size_t i);

/* ---- feature networks ---- */

typedef struct bfn_features bfn_features;

/* How Inception-v3 is shown pictures of another size than 299 x 299, and their range:
 *   TORCH  bilinear, pixel centres aligned (align_corners = False), x/127.5 - 1: what pytorch-fid does
 *   TF1    bilinear, pixel corners aligned at the top left, (x - 128)/128: what the original TensorFlow graph does
 * Small networks are shown pictures as they are and refuse other sizes. */
typedef enum bfn_resize { BFN_RESIZE_TORCH = 0, BFN_RESIZE_TF1 = 1 } bfn_resize;

typedef struct bfn_features_options {
    size_t struct_size;
    bfn_resize resize;
    size_t batch; /* pictures a network call, 1..4096; 0: 32. No influence on the features */
} bfn_features_options;

#define BFN_FEATURES_OPTIONS_INIT                                                                                      \
    {                                                                                                                  \
        sizeof(bfn_features_options), BFN_RESIZE_TORCH, 0                                                              \
    }

/* The weights of Inception-v3 with the parameter names of pytorch-fid, or a small network that describes itself (docs/FEATURES.md): told by
 * content. BFN_ERR_NOT_FOUND, BFN_ERR_INPUT (all wrong and missing tensors listed). */
BFN_API BFN_MUST_CHECK bfn_status bfn_features_open(bfn_context *ctx, bfn_features **out, const char *path,
                                                    const bfn_features_options *options);
BFN_API void bfn_features_close(bfn_features *features);

typedef struct bfn_features_info {
    const char *name;     /* "inception-v3 pool3", "resnet20-cifar10"; strings live as long as the handle */
    const char *distance; /* "FID", or "Fréchet distance in classifier features" */
    const char *input;    /* "299 x 299 by torch's bilinear", "as they are" */
    const char *checksum; /* sha256 of the file */
    int is_inception;
    size_t n_features;
    size_t height, width, channels; /* that a small network wants; Inception: 0 (any) */
    double accuracy; /* of the classifier on its test pictures, in [0,1], as its file says; NaN: not known */
} bfn_features_info;
BFN_API void bfn_features_get_info(const bfn_features *features, bfn_features_info *info);

/* pixels uint8 [n,H,W,C], C = 1 or 3 (grey pictures do for colours): out float [n,n_features]. */
BFN_API BFN_MUST_CHECK bfn_status bfn_features_run(bfn_features *features, size_t n, size_t H, size_t W, size_t C,
                                                   const uint8_t *pixels, float *out);

/* ---- statistics of features: number, mean, covariance; mergeable ---- */

typedef struct bfn_feature_stats bfn_feature_stats;

/* keep: non-zero keeps the features too (4 bytes each), for the exact form with few samples, the kernel distance and standard errors. */
BFN_API BFN_MUST_CHECK bfn_status bfn_feature_stats_create(bfn_context *ctx, bfn_feature_stats **out, size_t n_features,
                                                           int keep);
BFN_API void bfn_feature_stats_destroy(bfn_feature_stats *stats);
/* features float [n,n_features]. BFN_ERR_DIVERGED: one of them is not finite (nothing is added). */
BFN_API BFN_MUST_CHECK bfn_status bfn_feature_stats_add(bfn_feature_stats *stats, size_t n, const float *features);
/* As if into had been given other's features after its own. BFN_ERR_ARGUMENT: other sizes, or one of them was loaded without a number. */
BFN_API BFN_MUST_CHECK bfn_status bfn_feature_stats_merge(bfn_feature_stats *into, const bfn_feature_stats *other);
/* bfn_features_run and bfn_feature_stats_add, batch by batch. */
BFN_API BFN_MUST_CHECK bfn_status bfn_features_add(bfn_features *features, bfn_feature_stats *stats, size_t n, size_t H,
                                                   size_t W, size_t C, const uint8_t *pixels);

/* .npz with float64 "mu" [D] and "sigma" [D,D], the divisor n - 1 (the published reference files load); ours add "n" and "network" (sha256 of
 * the network, hex digits as uint8). BFN_ERR_INPUT: not finite, above 1e30, not symmetric, a direction of negative
 * variance, sizes that differ. */
BFN_API BFN_MUST_CHECK bfn_status bfn_feature_stats_load(bfn_context *ctx, bfn_feature_stats **out, const char *path);
/* network: checksum that is stored with them; NULL: none. */
BFN_API BFN_MUST_CHECK bfn_status bfn_feature_stats_save(const bfn_feature_stats *stats, const char *path,
                                                         const char *network);

typedef struct bfn_feature_stats_info {
    size_t n, n_features; /* n: 0 where a file does not say */
    int kept;             /* the features are there */
    const double *mean;   /* [n_features], lives as long as the handle is not changed */
    const char *checksum; /* sha256 of the file; "" */
    const char *network;  /* checksum of the network that made the file; "" */
} bfn_feature_stats_info;
BFN_API void bfn_feature_stats_get_info(const bfn_feature_stats *stats, bfn_feature_stats_info *info);

/* ---- training a small feature network ---- */

typedef struct bfn_classifier_options {
    size_t struct_size;
    size_t epochs;        /* passes over the training pictures; 0: 4 */
    size_t batch;         /* pictures a step; 0: 64 */
    double learning_rate; /* its peak, in (0,1]; 0: 0.003 */
    uint64_t seed;
    int (*progress)(void *user, uint64_t step, uint64_t n_steps,
                    double loss); /* may be NULL; non-zero return stops: BFN_CANCELLED */
    void *user;
} bfn_classifier_options;

#define BFN_CLASSIFIER_OPTIONS_INIT                                                                                    \
    {                                                                                                                  \
        sizeof(bfn_classifier_options), 0, 0, 0.0, 0, 0, 0                                                             \
    }

/* Train a small residual classifier (64 features) on labelled pictures and write it to path for bfn_features_open. data: as for training, with
 * labels and test pictures of its own (BFN_ERR_INPUT). accuracy: the part of the test pictures that it names right. */
BFN_API BFN_MUST_CHECK bfn_status bfn_classifier_train(bfn_context *ctx, const char *data, const char *path,
                                                       const bfn_classifier_options *options, double *accuracy);

/* ---- distances ---- */

enum { BFN_FRECHET_FEW = 2048 }; /* below so many samples the distance is mostly bias: callers warn */

typedef struct bfn_frechet_options {
    size_t struct_size;
    size_t
        kernel_subset; /* samples of each side a subset of the kernel distance; 0: 1000, or a quarter of the smaller side */
    uint64_t seed;     /* which samples go to which subset */
} bfn_frechet_options;

#define BFN_FRECHET_OPTIONS_INIT                                                                                       \
    {                                                                                                                  \
        sizeof(bfn_frechet_options), 0, 0                                                                              \
    }

typedef struct bfn_frechet {
    double distance; /* |mu1 - mu2|^2 + tr(S1 + S2 - 2 (S1 S2)^1/2) */
    double of_means; /* its first term */
    double
        standard_error; /* infinitesimal jackknife over the samples of both sides whose features are kept; NaN: not known (none kept,
                             * or no more samples than features) */
    double
        kernel; /* unbiased MMD^2 with ((x.y)/D + 1)^3, mean over disjoint subsets; NaN: features of one side are not kept */
    double kernel_error; /* standard error over the subsets; NaN with fewer than 2 */
    size_t n_subsets, subset;
    size_t n[2];
    int exact_small; /* the form for fewer samples than features was taken */
} bfn_frechet;

/* Both with the same n_features; at least 2 samples each (BFN_ERR_ARGUMENT). */
BFN_API BFN_MUST_CHECK bfn_status bfn_eval_frechet(bfn_context *ctx, const bfn_feature_stats *a,
                                                   const bfn_feature_stats *b, const bfn_frechet_options *options,
                                                   bfn_frechet *result);

#ifdef __cplusplus
}
#endif
#endif
