/* frechet.c: the Fréchet distance of two Gaussians, |mu1 - mu2|^2 + tr(S1 + S2 - 2 (S1 S2)^1/2), and its standard error.
 *
 * tr (S1 S2)^1/2 is the sum of the roots of the eigenvalues of F S2 F^T for any F with F^T F = S1: a symmetric matrix that has no negative
 * eigenvalue but by rounding, so nothing imaginary can come out. F is diag(sqrt(l)) V^T from S1 = V diag(l) V^T; or, where one side has
 * fewer samples than features and they are kept, its centred samples / sqrt(n - 1): n x n in place of D x D, and exact.
 *
 * Standard error: infinitesimal jackknife. The distance is a smooth function of both sides' moments, with gradients 2 (mu1 - mu2) in mu1
 * and I - T in S2, where T = F^T (F S2 F^T)^-1/2 F is the optimal map from side 2 to side 1 (in S1: I - T^-1). So sample x of side 2 moves the
 * distance by u = 2 (mu2 - mu1).(x - mu2) + (x - mu2)^T (I - T) (x - mu2), less its mean, divided by n; the variance is that of u over n.
 */
#include "eval/feature_stats.h"

#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <string.h>

enum { BLOCK = 256 };
static const double CUT = 1e-12; /* eigenvalues below this part of the largest are rounding, not variance */

typedef struct work {
    bfn_context *ctx;
    const bfn_feature_stats *one, *two; /* one: whose factor is taken */
    size_t D, r;                        /* r: rows of the factor */
    double *vectors, *values;           /* [D,D] columns, [D]: of S1; NULL where samples are the factor */
    double *factor;                     /* F [r,D] */
    double *product;                    /* [r,D] */
    double *middle, *roots; /* F S2 F^T [r,r], then its eigenvectors as columns; [r] roots of the eigenvalues */
} work;

static void covariance(const bfn_feature_stats *s, double *out)
{
    double scale = bfn__covariance_scale(s);
    for (size_t i = 0; i < s->D * s->D; i++)
        out[i] = s->scatter[i] * scale;
}

static double trace(const bfn_feature_stats *s)
{
    double sum = 0.0;
    for (size_t i = 0; i < s->D; i++)
        sum += s->scatter[i * s->D + i] * bfn__covariance_scale(s);
    return sum;
}

/* Eigenvalues, ascending, and eigenvectors as columns in place of the matrix. */
static bfn_status eigen(const work *w, size_t n, double *matrix, double *values)
{
    lapack_int failed = LAPACKE_dsyevd(LAPACK_ROW_MAJOR, 'V', 'L', (lapack_int)n, matrix, (lapack_int)n, values);
    if (failed == LAPACK_WORK_MEMORY_ERROR || failed == LAPACK_TRANSPOSE_MEMORY_ERROR)
        return bfn__fail(w->ctx, BFN_ERR_MEMORY, "eigenvalues of a matrix of %zu x %zu: out of memory", n, n);
    if (failed != 0)
        return bfn__fail(w->ctx, BFN_ERR_INTERNAL, "eigenvalues of a matrix of %zu x %zu were not found (%d)", n, n,
                         (int)failed);
    return BFN_OK;
}

static double root(double value, double largest)
{
    return value > CUT * largest ? sqrt(value) : 0.0;
}

/* F from the kept samples of side one. */
static void factor_samples(work *w)
{
    double scale = 1.0 / sqrt((double)(w->one->n - 1));
    for (size_t i = 0; i < w->r; i++)
        for (size_t d = 0; d < w->D; d++)
            w->factor[i * w->D + d] = ((double)w->one->kept[i * w->D + d] - w->one->mean[d]) * scale;
}

/* F from the eigenvalues of S1. */
static bfn_status factor_eigen(work *w)
{
    size_t D = w->D;
    covariance(w->one, w->vectors);
    bfn_status status = eigen(w, D, w->vectors, w->values);
    for (size_t i = 0; status == BFN_OK && i < D; i++) {
        double scale = root(w->values[i], w->values[D - 1]);
        for (size_t d = 0; d < D; d++)
            w->factor[i * D + d] = scale * w->vectors[d * D + i];
    }
    return status;
}

static bfn_status allocate(work *w, bool samples)
{
    size_t D = w->D, r = w->r;
    w->factor = bfn__calloc(w->ctx, r * D, sizeof(double));
    w->product = bfn__calloc(w->ctx, r * D, sizeof(double));
    w->middle = bfn__calloc(w->ctx, r * r, sizeof(double));
    w->roots = bfn__calloc(w->ctx, r, sizeof(double));
    if (!samples) {
        w->vectors = bfn__calloc(w->ctx, D * D, sizeof(double));
        w->values = bfn__calloc(w->ctx, D, sizeof(double));
    }
    bool all = w->factor && w->product && w->middle && w->roots && (samples || (w->vectors && w->values));
    return all ? BFN_OK : BFN_ERR_MEMORY;
}

static void release(work *w)
{
    void *blocks[] = {w->factor, w->product, w->middle, w->roots, w->vectors, w->values};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        bfn__free(w->ctx, blocks[i]);
}

/* Fill middle and roots. */
static bfn_status find_roots(work *w)
{
    int D = (int)w->D, r = (int)w->r;
    double scale = bfn__covariance_scale(w->two);
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, r, D, D, scale, w->factor, D, w->two->scatter, D, 0.0,
                w->product, D);
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, r, r, D, 1.0, w->product, D, w->factor, D, 0.0, w->middle, r);
    bfn_status status = eigen(w, w->r, w->middle, w->roots);
    double largest = status == BFN_OK ? w->roots[w->r - 1] : 0.0;
    for (size_t i = 0; i < w->r; i++)
        w->roots[i] = root(w->roots[i], largest);
    return status;
}

/* ---- standard error ---- */

/* gradient [D,D] = I - G^T G with rows G_i = power_i sum_k U_ki R_k: U are the eigenvectors of middle, R [r,D] the given rows. */
static void make_gradient(work *w, const double *rows, bool inverse, double *gradient)
{
    size_t D = w->D, r = w->r;
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)r, (int)D, (int)r, 1.0, w->middle, (int)r, rows, (int)D,
                0.0, w->product, (int)D);
    for (size_t i = 0; i < r; i++) {
        double half = sqrt(w->roots[i]), scale = !inverse ? half : half > 0.0 ? 1.0 / half : 0.0;
        cblas_dscal((int)D, scale, w->product + i * D, 1);
    }
    memset(gradient, 0, D * D * sizeof *gradient);
    for (size_t d = 0; d < D; d++)
        gradient[d * D + d] = 1.0;
    cblas_dgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)D, (int)D, (int)r, -1.0, w->product, (int)D, w->product,
                (int)D, 1.0, gradient, (int)D);
}

/* Variance that the samples of a side give to the distance. block: 2 BLOCK D doubles. */
static double side_variance(const bfn_feature_stats *s, const double *other_mean, const double *gradient, double *block)
{
    size_t D = s->D;
    double mean = 0.0, squares = 0.0, *moved = block + BLOCK * D;
    for (size_t first = 0; first < s->n; first += BLOCK) {
        size_t n = s->n - first < BLOCK ? s->n - first : BLOCK;
        for (size_t i = 0; i < n; i++)
            for (size_t d = 0; d < D; d++)
                block[i * D + d] = (double)s->kept[(first + i) * D + d] - s->mean[d];
        cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)n, (int)D, (int)D, 1.0, block, (int)D, gradient,
                    (int)D, 0.0, moved, (int)D);
        for (size_t i = 0; i < n; i++) {
            double u = 0.0;
            for (size_t d = 0; d < D; d++)
                u += block[i * D + d] * (moved[i * D + d] + 2.0 * (s->mean[d] - other_mean[d]));
            double before = mean;
            mean += (u - before) / (double)(first + i + 1);
            squares += (u - before) * (u - mean);
        }
    }
    return squares / ((double)(s->n - 1) * (double)s->n);
}

/* The rows of F with inverse roots of the eigenvalues: T^-1 = V l^-1/2 M^1/2 l^-1/2 V^T. */
static void invert_factor(work *w)
{
    for (size_t i = 0; i < w->D; i++) {
        double scale = root(w->values[i], w->values[w->D - 1]);
        for (size_t d = 0; d < w->D; d++)
            w->factor[i * w->D + d] = scale > 0.0 ? w->vectors[d * w->D + i] / scale : 0.0;
    }
}

/* Of all sides whose features are kept; a side with no more samples than features has no first-order error. */
static bfn_status find_error(work *w, double *error)
{
    const bfn_feature_stats *one = w->one, *two = w->two;
    size_t D = w->D;
    *error = (double)NAN;
    bool few = (one->kept != NULL && one->n <= D) || (two->kept != NULL && two->n <= D);
    if (w->vectors == NULL || few || (one->kept == NULL && two->kept == NULL))
        return BFN_OK;
    double *gradient = bfn__calloc(w->ctx, D * (D + 2 * BLOCK), sizeof *gradient), variance = 0.0;
    if (gradient == NULL)
        return BFN_ERR_MEMORY;
    if (two->kept != NULL) {
        make_gradient(w, w->factor, true, gradient);
        variance += side_variance(two, one->mean, gradient, gradient + D * D);
    }
    if (one->kept != NULL) {
        invert_factor(w);
        make_gradient(w, w->factor, false, gradient);
        variance += side_variance(one, two->mean, gradient, gradient + D * D);
    }
    bfn__free(w->ctx, gradient);
    *error = sqrt(variance);
    return BFN_OK;
}

/* ---- the distance ---- */

static bfn_status check(bfn_context *ctx, const bfn_feature_stats *a, const bfn_feature_stats *b)
{
    if (a->D != b->D)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "statistics of %zu and of %zu features cannot be compared", a->D, b->D);
    const bfn_feature_stats *sides[2] = {a, b};
    for (int i = 0; i < 2; i++)
        if (sides[i]->counted && sides[i]->n < 2)
            return bfn__fail(ctx, BFN_ERR_ARGUMENT, "statistics of %zu samples: at least 2 are needed", sides[i]->n);
    return BFN_OK;
}

static bool is_small(const bfn_feature_stats *s)
{
    return s->kept != NULL && s->n <= s->D;
}

static bfn_status measure(work *w, bool samples, bfn_frechet *result)
{
    bfn_status status = allocate(w, samples);
    if (status == BFN_OK && samples)
        factor_samples(w);
    else if (status == BFN_OK)
        status = factor_eigen(w);
    if (status == BFN_OK)
        status = find_roots(w);
    if (status != BFN_OK)
        return status;
    double both = 0.0;
    for (size_t i = 0; i < w->r; i++)
        both += w->roots[i];
    for (size_t d = 0; d < w->D; d++) {
        double difference = w->one->mean[d] - w->two->mean[d];
        result->of_means += difference * difference;
    }
    double of_spreads = trace(w->one) + trace(w->two) - 2.0 * both;
    result->distance = result->of_means + (of_spreads > 0.0 ? of_spreads : 0.0); /* below 0 by rounding alone */
    return find_error(w, &result->standard_error);
}

bfn_status bfn_eval_frechet(bfn_context *ctx, const bfn_feature_stats *a, const bfn_feature_stats *b,
                            const bfn_frechet_options *options, bfn_frechet *result)
{
    const bfn_frechet_options defaults = BFN_FRECHET_OPTIONS_INIT;
    *result = (bfn_frechet){.kernel = (double)NAN, .kernel_error = (double)NAN, .standard_error = (double)NAN};
    bfn_status status = check(ctx, a, b);
    if (status != BFN_OK)
        return status;
    result->n[0] = a->counted ? a->n : 0;
    result->n[1] = b->counted ? b->n : 0;
    bool second = is_small(b) && (!is_small(a) || b->n < a->n);
    bool samples = second || is_small(a);
    work w = {.ctx = ctx, .one = second ? b : a, .two = second ? a : b, .D = a->D};
    w.r = samples ? w.one->n : w.D;
    result->exact_small = samples;
    status = measure(&w, samples, result);
    release(&w);
    if (status == BFN_OK && a->kept != NULL && b->kept != NULL)
        status = bfn__kernel_subsets(ctx, a, b, options != NULL ? options : &defaults, result);
    return status;
}
