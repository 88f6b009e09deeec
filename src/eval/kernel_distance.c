/* kernel_distance.c: the kernel distance (KID, arXiv 1801.01401): the unbiased estimate of the squared maximum mean discrepancy with
 *
 *   k(x, y) = (x.y/D + 1)^3
 *   MMD^2 = sum_{i != j} [k(a_i, a_j) + k(b_i, b_j)] / (m (m - 1)) - 2 sum_{i,j} k(a_i, b_j) / m^2
 *
 * Both sides are shuffled and cut into disjoint subsets of m samples; the subsets' estimates are independent, so their spread gives an honest standard
 * error (subsets that overlap, as they are often drawn, would make it look smaller than it is). It has no bias for any number of samples: it
 * may be below 0.
 */
#include "eval/feature_stats.h"

#include "base/random.h"

#include <cblas.h>
#include <math.h>

enum { DEFAULT_SUBSET = 1000, LEAST_SUBSETS = 4 };

/* Sum over all i, j, or without i = j. */
static double kernel_sum(size_t m, size_t D, const double *a, const double *b, bool diagonal, double *products)
{
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)m, (int)m, (int)D, 1.0 / (double)D, a, (int)D, b, (int)D,
                0.0, products, (int)m);
    double sum = 0.0;
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < m; j++) {
            double base = products[i * m + j] + 1.0;
            sum += diagonal || i != j ? base * base * base : 0.0;
        }
    return sum;
}

double bfn__kernel_distance(size_t m, size_t D, const double *a, const double *b, double *work)
{
    double within = kernel_sum(m, D, a, a, false, work) + kernel_sum(m, D, b, b, false, work);
    double n = (double)m;
    return within / (n * (n - 1.0)) - 2.0 * kernel_sum(m, D, a, b, true, work) / (n * n);
}

/* order[0..n): a permutation that seed and side give. */
static void shuffle(uint64_t seed, uint64_t side, size_t n, size_t *order)
{
    for (size_t i = 0; i < n; i++)
        order[i] = i;
    for (size_t i = n; i-- > 1;) {
        size_t j = (size_t)bfn__random_below(seed, side, bfn__draw(0, BFN__DRAW_DATA), 2 * i, i + 1), kept = order[i];
        order[i] = order[j];
        order[j] = kept;
    }
}

static void gather(const bfn_feature_stats *s, size_t m, const size_t *order, double *to)
{
    for (size_t i = 0; i < m; i++)
        for (size_t d = 0; d < s->D; d++)
            to[i * s->D + d] = (double)s->kept[order[i] * s->D + d];
}

bfn_status bfn__kernel_subsets(bfn_context *ctx, const bfn_feature_stats *a, const bfn_feature_stats *b,
                               const bfn_frechet_options *options, bfn_frechet *result)
{
    size_t least = a->n < b->n ? a->n : b->n, D = a->D, m = options->kernel_subset;
    if (m == 0)
        m = least / LEAST_SUBSETS < DEFAULT_SUBSET ? least / LEAST_SUBSETS : DEFAULT_SUBSET;
    m = m < 2 ? 2 : m;
    if (m > least)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "kernel_subset: %zu: must be 2 to the %zu samples of the smaller side",
                         m, least);
    size_t n_subsets = least / m;
    size_t *order = bfn__calloc(ctx, a->n + b->n, sizeof *order);
    double *x = bfn__calloc(ctx, m * (2 * D + m), sizeof *x), sum = 0.0, squares = 0.0;
    if (order == NULL || x == NULL) {
        bfn__free(ctx, order);
        bfn__free(ctx, x);
        return BFN_ERR_MEMORY;
    }
    shuffle(options->seed, 0, a->n, order);
    shuffle(options->seed, 1, b->n, order + a->n);
    for (size_t i = 0; i < n_subsets; i++) {
        gather(a, m, order + i * m, x);
        gather(b, m, order + a->n + i * m, x + m * D);
        double value = bfn__kernel_distance(m, D, x, x + m * D, x + 2 * m * D), old = sum / (double)(i > 0 ? i : 1);
        sum += value;
        squares += i > 0 ? (value - old) * (value - sum / (double)(i + 1)) : 0.0;
    }
    bfn__free(ctx, order);
    bfn__free(ctx, x);
    double n = (double)n_subsets;
    result->kernel = sum / n;
    result->kernel_error = n_subsets > 1 ? sqrt(squares / (n * (n - 1.0))) : (double)NAN;
    result->n_subsets = n_subsets;
    result->subset = m;
    return BFN_OK;
}
