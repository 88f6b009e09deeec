/* feature_stats.c: mean and covariance of features, streamed, merged, and in files.
 *
 * A batch of b samples has its own mean m and centred sum of products S; two sets are joined by
 *   n = n1 + n2,  d = m2 - m1,  m = m1 + d n2/n,  S = S1 + S2 + d d^T n1 n2/n
 * which loses nothing where means are far from zero, as sums of squares would. The file is what programs that compute the distance publish:
 * an .npz with "mu" [D] and "sigma" [D,D] (the covariance with divisor n - 1).
 */
#include "eval/feature_stats.h"

#include "io/file.h"
#include "io/limits.h"
#include "io/npz.h"

#include <cblas.h>
#include <float.h>
#include <lapacke.h>
#include <math.h>
#include <string.h>

enum { MAX_FEATURES = 8192, BLOCK = 256 };
static const double LARGEST = 1e30; /* of a number in a file: squares and sums of these stay far from infinity */

bfn_status bfn_feature_stats_create(bfn_context *ctx, bfn_feature_stats **out, size_t n_features, int keep)
{
    *out = NULL;
    if (n_features < 1 || n_features > MAX_FEATURES)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "features: %zu: must be 1 to %d", n_features, MAX_FEATURES);
    bfn_feature_stats *s = bfn__calloc(ctx, 1, sizeof *s);
    if (s == NULL)
        return BFN_ERR_MEMORY;
    s->ctx = ctx;
    s->D = n_features;
    s->counted = true;
    s->keep = keep != 0;
    s->mean = bfn__calloc(ctx, n_features, sizeof *s->mean);
    s->scatter = bfn__calloc(ctx, n_features * n_features, sizeof *s->scatter);
    if (s->mean == NULL || s->scatter == NULL) {
        bfn_feature_stats_destroy(s);
        return BFN_ERR_MEMORY;
    }
    *out = s;
    return BFN_OK;
}

void bfn_feature_stats_destroy(bfn_feature_stats *s)
{
    if (s == NULL)
        return;
    bfn__free(s->ctx, s->mean);
    bfn__free(s->ctx, s->scatter);
    bfn__free(s->ctx, s->kept);
    bfn__free(s->ctx, s);
}

double bfn__covariance_scale(const bfn_feature_stats *s)
{
    return s->counted ? 1.0 / (double)(s->n - 1) : 1.0;
}

/* Join with n samples of the given mean and centred sum of products (lower triangle). */
static void join(bfn_feature_stats *s, size_t n, const double *mean, const double *scatter)
{
    double all = (double)(s->n + n), weight = (double)s->n * (double)n / all;
    for (size_t i = 0; i < s->D; i++) {
        double di = mean[i] - s->mean[i];
        for (size_t j = 0; j <= i; j++) {
            s->scatter[i * s->D + j] += scatter[i * s->D + j] + weight * di * (mean[j] - s->mean[j]);
            s->scatter[j * s->D + i] = s->scatter[i * s->D + j];
        }
    }
    for (size_t i = 0; i < s->D; i++)
        s->mean[i] += (mean[i] - s->mean[i]) * (double)n / all;
    s->n += n;
}

static bfn_status keep(bfn_feature_stats *s, size_t n, const float *features)
{
    size_t needed = s->n + n, D = s->D;
    if (needed > s->capacity) {
        size_t capacity = 2 * s->capacity > needed ? 2 * s->capacity : needed, total;
        float *grown = bfn__size_mul(capacity, D, &total) ? bfn__calloc(s->ctx, total, sizeof *grown) : NULL;
        if (grown == NULL)
            return BFN_ERR_MEMORY;
        if (s->n > 0)
            memcpy(grown, s->kept, s->n * D * sizeof *grown);
        bfn__free(s->ctx, s->kept);
        s->kept = grown;
        s->capacity = capacity;
    }
    memcpy(s->kept + s->n * D, features, n * D * sizeof *features);
    return BFN_OK;
}

/* A block of at most BLOCK samples. rows [n,D], mean [D], scatter [D,D]: work space. */
static void add_block(bfn_feature_stats *s, size_t n, const float *features, double *rows, double *mean,
                      double *scatter)
{
    size_t D = s->D;
    memset(mean, 0, D * sizeof *mean);
    for (size_t i = 0; i < n; i++)
        for (size_t d = 0; d < D; d++)
            mean[d] += (double)features[i * D + d] / (double)n;
    for (size_t i = 0; i < n; i++)
        for (size_t d = 0; d < D; d++)
            rows[i * D + d] = (double)features[i * D + d] - mean[d];
    cblas_dsyrk(CblasRowMajor, CblasLower, CblasTrans, (int)D, (int)n, 1.0, rows, (int)D, 0.0, scatter, (int)D);
    join(s, n, mean, scatter);
}

bfn_status bfn_feature_stats_add(bfn_feature_stats *s, size_t n, const float *features)
{
    size_t D = s->D;
    if (!s->counted)
        return bfn__fail(s->ctx, BFN_ERR_ARGUMENT,
                         "statistics whose file says no number of samples cannot be added to");
    for (size_t i = 0; i < n * D; i++)
        if (!isfinite(features[i]))
            return bfn__fail(s->ctx, BFN_ERR_DIVERGED, "feature %zu of sample %zu is not finite", i % D, i / D);
    size_t block = n < BLOCK ? n : BLOCK;
    double *work = bfn__calloc(s->ctx, (block + 1 + D) * D, sizeof *work);
    bfn_status status = work == NULL ? BFN_ERR_MEMORY : s->keep ? keep(s, n, features) : BFN_OK;
    for (size_t i = 0; status == BFN_OK && i < n; i += block)
        add_block(s, n - i < block ? n - i : block, features + i * D, work + (1 + D) * D, work, work + D);
    bfn__free(s->ctx, work);
    return status;
}

bfn_status bfn_feature_stats_merge(bfn_feature_stats *into, const bfn_feature_stats *other)
{
    bfn_context *ctx = into->ctx;
    if (into->D != other->D)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "statistics of %zu and of %zu features cannot be merged", into->D,
                         other->D);
    if (!into->counted || !other->counted)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "statistics whose file says no number of samples cannot be merged");
    if (other->n == 0)
        return BFN_OK;
    if (into->keep && other->kept != NULL) {
        bfn_status status = keep(into, other->n, other->kept);
        if (status != BFN_OK)
            return status;
    } else { /* what is kept would not be all of it */
        bfn__free(ctx, into->kept);
        into->kept = NULL;
        into->capacity = 0;
        into->keep = false;
    }
    join(into, other->n, other->mean, other->scatter);
    return BFN_OK;
}

void bfn_feature_stats_get_info(const bfn_feature_stats *s, bfn_feature_stats_info *info)
{
    *info = (bfn_feature_stats_info){s->counted ? s->n : 0, s->D, s->kept != NULL, s->mean, s->checksum, s->network};
}

/* ---- files ---- */

bfn_status bfn_feature_stats_save(const bfn_feature_stats *s, const char *path, const char *network)
{
    size_t D = s->D, n_tensors = 2;
    if (s->counted && s->n < 2)
        return bfn__fail(s->ctx, BFN_ERR_ARGUMENT, "statistics of %zu samples: at least 2 have a covariance", s->n);
    double *sigma = bfn__calloc(s->ctx, D * D, sizeof *sigma);
    if (sigma == NULL)
        return BFN_ERR_MEMORY;
    double scale = bfn__covariance_scale(s);
    for (size_t i = 0; i < D * D; i++)
        sigma[i] = s->scatter[i] * scale;
    int64_t n = (int64_t)s->n;
    bfn__st_tensor tensors[4] = {
        {.name = "mu", .dtype = BFN__DTYPE_F64, .rank = 1, .shape = {D}, .count = D, .data = s->mean, .bytes = 8 * D},
        {.name = "sigma",
         .dtype = BFN__DTYPE_F64,
         .rank = 2,
         .shape = {D, D},
         .count = D * D,
         .data = sigma,
         .bytes = 8 * D * D}};
    if (s->counted)
        tensors[n_tensors++] =
            (bfn__st_tensor){.name = "n", .dtype = BFN__DTYPE_I64, .count = 1, .data = &n, .bytes = sizeof n};
    if (network != NULL && network[0] != '\0') {
        size_t length = strlen(network);
        tensors[n_tensors++] = (bfn__st_tensor){.name = "network",
                                                .dtype = BFN__DTYPE_U8,
                                                .rank = 1,
                                                .shape = {length},
                                                .count = length,
                                                .data = network,
                                                .bytes = length};
    }
    bfn_status status = bfn__npz_save(s->ctx, path, tensors, n_tensors, false);
    bfn__free(s->ctx, sigma);
    return status;
}

/* Values of a tensor of f64 or f32 as double; they are not aligned in the file. */
static bfn_status read_values(bfn_context *ctx, const bfn__st_tensor *t, const char *what, const char *label,
                              double *out)
{
    for (size_t i = 0; i < t->count; i++) {
        if (t->dtype == BFN__DTYPE_F64) {
            memcpy(&out[i], (const char *)t->data + 8 * i, 8);
        } else {
            float value;
            memcpy(&value, (const char *)t->data + 4 * i, 4);
            out[i] = (double)value;
        }
        if (!isfinite(out[i]))
            return bfn__fail(ctx, BFN_ERR_INPUT, "%s: \"%s\" at number %zu is not finite", label, what, i);
        if (fabs(out[i]) > LARGEST)
            return bfn__fail(ctx, BFN_ERR_INPUT, "%s: \"%s\" at number %zu is %g, allowed: at most %g", label, what, i,
                             out[i], LARGEST);
    }
    return BFN_OK;
}

static bfn_status check_shapes(bfn_context *ctx, const bfn__st_tensor *mu, const bfn__st_tensor *sigma,
                               const char *path)
{
    if (mu == NULL || sigma == NULL)
        return bfn__fail(ctx, BFN_ERR_INPUT, "%s: has no array \"%s\": statistics are \"mu\" [D] and \"sigma\" [D,D]",
                         path, mu == NULL ? "mu" : "sigma");
    const bfn__st_tensor *both[2] = {mu, sigma};
    for (int i = 0; i < 2; i++)
        if (both[i]->dtype != BFN__DTYPE_F64 && both[i]->dtype != BFN__DTYPE_F32)
            return bfn__fail(ctx, BFN_ERR_INPUT, "%s: \"%s\" is %s, allowed: F64, F32", path, both[i]->name,
                             bfn__dtype_name(both[i]->dtype));
    if (mu->rank != 1 || mu->count < 1 || mu->count > MAX_FEATURES)
        return bfn__fail(ctx, BFN_ERR_INPUT, "%s: \"mu\" has %d dimensions and %zu values, allowed: 1 of 1 to %d", path,
                         mu->rank, mu->count, MAX_FEATURES);
    if (sigma->rank != 2 || sigma->shape[0] != mu->count || sigma->shape[1] != mu->count)
        return bfn__fail(ctx, BFN_ERR_INPUT, "%s: \"sigma\" has %zu values, \"mu\" has %zu: [%zu, %zu] is needed", path,
                         sigma->count, mu->count, mu->count, mu->count);
    return BFN_OK;
}

/* Published files come from single precision products: entries across the diagonal may differ by rounding. The mean of both is taken. */
static bfn_status make_symmetric(bfn_context *ctx, size_t D, double *sigma, const char *path)
{
    double largest = 0.0;
    for (size_t i = 0; i < D; i++) {
        if (sigma[i * D + i] < 0.0)
            return bfn__fail(ctx, BFN_ERR_INPUT, "%s: \"sigma\" has the variance %g at %zu, allowed: 0 or more", path,
                             sigma[i * D + i], i);
        largest = fmax(largest, sigma[i * D + i]);
    }
    for (size_t i = 0; i < D; i++)
        for (size_t j = 0; j < i; j++) {
            double a = sigma[i * D + j], b = sigma[j * D + i];
            if (fabs(a - b) > 1e-5 * largest)
                return bfn__fail(ctx, BFN_ERR_INPUT,
                                 "%s: \"sigma\" is not symmetric: %g at (%zu, %zu), %g at (%zu, %zu)", path, a, i, j, b,
                                 j, i);
            sigma[i * D + j] = sigma[j * D + i] = 0.5 * (a + b);
        }
    return BFN_OK;
}

/* Variances in all directions are 0 or more, but for the rounding of single precision: the matrix with a little on its diagonal has a Cholesky
 * factor. One that is no covariance would give distances that mean nothing. */
static bfn_status check_positive(bfn_context *ctx, size_t D, const double *sigma, const char *label)
{
    double *factor = bfn__calloc(ctx, D * D, sizeof *factor), largest = 0.0;
    if (factor == NULL)
        return BFN_ERR_MEMORY;
    memcpy(factor, sigma, D * D * sizeof *factor);
    for (size_t i = 0; i < D; i++)
        largest = fmax(largest, sigma[i * D + i]);
    for (size_t i = 0; i < D; i++)
        factor[i * D + i] += 1e-3 * largest + DBL_MIN;
    lapack_int failed = LAPACKE_dpotrf(LAPACK_ROW_MAJOR, 'L', (lapack_int)D, factor, (lapack_int)D);
    bfn__free(ctx, factor);
    if (failed == LAPACK_TRANSPOSE_MEMORY_ERROR)
        return bfn__fail(ctx, BFN_ERR_MEMORY, "%s: \"sigma\": out of memory", label);
    if (failed != 0)
        return bfn__fail(ctx, BFN_ERR_INPUT,
                         "%s: \"sigma\" is no covariance: its first %d features have a direction of negative variance",
                         label, (int)failed);
    return BFN_OK;
}

/* The entries that our own files have besides. */
static bfn_status read_extras(bfn_feature_stats *s, const bfn__stats_arrays *a, const char *label)
{
    const bfn__st_tensor *n = a->n, *network = a->network;
    s->counted = n != NULL && n->dtype == BFN__DTYPE_I64 && n->count == 1;
    if (s->counted) {
        int64_t value;
        memcpy(&value, n->data, sizeof value);
        if (value < 2 || value > (int64_t)BFN__LIMIT_JSON_INTEGER)
            return bfn__fail(s->ctx, BFN_ERR_INPUT, "%s: \"n\" is %lld, allowed: 2 and more", label, (long long)value);
        s->n = (size_t)value;
        for (size_t i = 0; i < s->D * s->D; i++)
            s->scatter[i] *= (double)(s->n - 1);
    }
    if (network != NULL && network->dtype == BFN__DTYPE_U8 && network->count == BFN__SHA256_HEX - 1)
        for (size_t i = 0; i < network->count; i++) {
            char c = ((const char *)network->data)[i];
            s->network[i] = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ? c : '?';
        }
    return BFN_OK;
}

bfn_status bfn__feature_stats_read(bfn_context *ctx, const bfn__stats_arrays *arrays, const char *label,
                                   bfn_feature_stats **out)
{
    *out = NULL;
    bfn_feature_stats *s = NULL;
    const bfn__st_tensor *mu = arrays->mu;
    bfn_status status = check_shapes(ctx, mu, arrays->sigma, label);
    if (status == BFN_OK)
        status = bfn_feature_stats_create(ctx, &s, mu->count, false);
    if (status == BFN_OK)
        status = read_values(ctx, mu, "mu", label, s->mean);
    if (status == BFN_OK)
        status = read_values(ctx, arrays->sigma, "sigma", label, s->scatter);
    if (status == BFN_OK)
        status = make_symmetric(ctx, mu->count, s->scatter, label);
    if (status == BFN_OK)
        status = check_positive(ctx, mu->count, s->scatter, label);
    if (status == BFN_OK)
        status = read_extras(s, arrays, label);
    if (status != BFN_OK) {
        bfn_feature_stats_destroy(s);
        return status;
    }
    *out = s;
    return BFN_OK;
}

static bfn_status parse(bfn_context *ctx, const bfn__bytes *bytes, const char *path, bfn_feature_stats **out)
{
    bfn__npz *npz;
    bfn_status status = bfn__npz_parse(ctx, &npz, bytes->data, bytes->size, 0, path);
    if (status != BFN_OK)
        return status;
    const bfn__stats_arrays arrays = {bfn__npz_find(npz, "mu"), bfn__npz_find(npz, "sigma"), bfn__npz_find(npz, "n"),
                                      bfn__npz_find(npz, "network")};
    status = bfn__feature_stats_read(ctx, &arrays, path, out);
    bfn__npz_close(npz);
    return status;
}

bfn_status bfn_feature_stats_load(bfn_context *ctx, bfn_feature_stats **out, const char *path)
{
    *out = NULL;
    bfn__bytes bytes;
    bfn_status status = bfn__file_map(ctx, path, bfn__limit(ctx, BFN__CAP_NPZ_BYTES), &bytes);
    if (status != BFN_OK)
        return status;
    status = parse(ctx, &bytes, path, out);
    if (status == BFN_OK)
        bfn__sha256_hex(bytes.data, bytes.size, (*out)->checksum);
    bfn__file_unmap(ctx, &bytes);
    return status;
}
