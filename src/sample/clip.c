/* clip.c: dynamic clipping: values beyond the q-quantile of a sample's |p| are clipped to it and the sample is scaled back to [-1, 1],
 * which keeps the contrast that a fixed clip to [-1, 1] would flatten.
 *
 * The quantile at position q (n - 1) of the sorted values is found by selection (expected linear time, no allocation): after
 * the k-th smallest is in place, the next one is the minimum of what stands behind it.
 */
#include "sample/clip.h"

#include <math.h>

static void swap(float *a, float *b)
{
    float t = *a;
    *a = *b;
    *b = t;
}

/* Hoare's partition of v[low..high], low < high: returns j < high with v[low..j] <= pivot <= v[j+1..high]. */
static size_t partition(float *v, size_t low, size_t high)
{
    float pivot = v[low + (high - low) / 2];
    for (size_t i = low, j = high;; i++, j--) {
        while (v[i] < pivot)
            i++;
        while (v[j] > pivot)
            j--;
        if (i >= j)
            return j;
        swap(&v[i], &v[j]);
    }
}

/* Move the k-th smallest of v[0..n) to v[k], nothing larger before it, nothing smaller behind it. */
static void select_kth(size_t n, float *v, size_t k)
{
    size_t low = 0, high = n - 1;
    while (low < high) {
        size_t end = partition(v, low, high);
        if (k <= end)
            high = end;
        else
            low = end + 1;
    }
}

static double quantile(size_t n, float *v, double q)
{
    double position = q * (double)(n - 1);
    size_t k = (size_t)position;
    select_kth(n, v, k);
    double value = (double)v[k], fraction = position - (double)k;
    if (fraction > 0.0 && k + 1 < n) {
        float next = v[k + 1];
        for (size_t i = k + 2; i < n; i++)
            next = v[i] < next ? v[i] : next;
        value += fraction * ((double)next - value);
    }
    return value;
}

void bfn__clip_dynamic(size_t n, float *p, double q, float *scratch)
{
    for (size_t i = 0; i < n; i++) {
        if (isnan(p[i])) /* has no place in an order; the caller finds it in p */
            return;
        scratch[i] = fabsf(p[i]);
    }
    double s = fmax(1.0, quantile(n, scratch, q));
    for (size_t i = 0; i < n; i++)
        p[i] = (float)(fmin(fmax((double)p[i], -s), s) / s);
}
