/* feature_stats.h: the inside of bfn_feature_stats (bfn/frechet.h): number, mean and centred sum of products of features, in double. */
#ifndef BFN_FEATURE_STATS_H
#define BFN_FEATURE_STATS_H

#include "bfn/frechet.h"

#include "base/base.h"
#include "io/sha256.h"

struct bfn_feature_stats {
    bfn_context *ctx;
    size_t n, D;
    double *mean; /* [D] */
    double *
        scatter; /* [D,D] sum of (x - mean)(x - mean)^T, both triangles; loaded without a number: the covariance itself */
    bool counted; /* n is known */
    bool keep;
    float *kept; /* [n,D] */
    size_t capacity;
    char checksum[BFN__SHA256_HEX], network[BFN__SHA256_HEX]; /* "" */
};

/* The arrays of a file of statistics; NULL: it has none of that name. */
typedef struct bfn__stats_arrays {
    const struct bfn__st_tensor *mu, *sigma, *n, *network;
} bfn__stats_arrays;
/* Their values may be anything: BFN_ERR_INPUT says what is wrong; label names the file. */
bfn_status bfn__feature_stats_read(bfn_context *ctx, const bfn__stats_arrays *arrays, const char *label,
                                   bfn_feature_stats **out);

/* Entry (i,j) of the covariance is scatter[i*D+j] * bfn__covariance_scale(). */
double bfn__covariance_scale(const bfn_feature_stats *stats);

/* Unbiased squared maximum mean discrepancy with the kernel ((x.y)/D + 1)^3 between samples a and b of m each, m >= 2. a, b [m,D]; work: m * m
 * doubles. (kernel_distance.c) */
double bfn__kernel_distance(size_t m, size_t D, const double *a, const double *b, double *work);
/* The mean over disjoint subsets of both sides' kept features, into result->kernel...; which samples form a subset is a function of seed. */
bfn_status bfn__kernel_subsets(bfn_context *ctx, const bfn_feature_stats *a, const bfn_feature_stats *b,
                               const bfn_frechet_options *options, bfn_frechet *result);

#endif
