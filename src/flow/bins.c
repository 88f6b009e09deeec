/* bins.c: masses of bins under a normal distribution, without cancellation and without underflow.
 *
 * The mass of a bin is a difference of two CDF values. Both are taken as tails on the side where they are small (erfc), so a bin
 * far out keeps its relative accuracy; where erfc underflows, ln Q(z) comes from its asymptotic series
 *
 *   Q(z) = phi(z)/z (1 - 1/z^2 + 3/z^4 - 15/z^6 + ...)
 *
 * The mean of the bin centres needs no masses: centres are 2/K apart, so summation by parts gives
 *   sum_k mass(k) c_k = c_K - (2/K) sum over inner edges F(edge)
 * and only edges within a few deviations of the mean cost an erfc.
 */
#include "flow/bins.h"

#include <math.h>

#define LN_SQRT_2PI 0.91893853320467274178
#define SQRT_HALF 0.70710678118654752440

double bfn__ln_density(double z)
{
    return -0.5 * z * z - LN_SQRT_2PI;
}

double bfn__ln_tail(double z)
{
    if (z < 25.0)
        return log(0.5 * erfc(z * SQRT_HALF));
    double q = 1.0 / (z * z);
    double series = 1.0 - q * (1.0 - 3.0 * q * (1.0 - 5.0 * q * (1.0 - 7.0 * q * (1.0 - 9.0 * q))));
    return bfn__ln_density(z) + log(series / z);
}

size_t bfn__bin(size_t K, double x)
{
    double position = floor((0.5 * x + 0.5) * (double)K);
    if (!(position > 0.0))
        return 0;
    return position >= (double)K ? K - 1 : (size_t)position;
}

double bfn__bin_centre(size_t K, size_t bin)
{
    return (2.0 * (double)bin + 1.0) / (double)K - 1.0;
}

static double edge(size_t K, size_t j)
{
    return 2.0 * (double)j / (double)K - 1.0;
}

/* ln(Q(low) - Q(high)) for 0 <= low < high. */
static double ln_tail_difference(double low, double high)
{
    double ln_low = bfn__ln_tail(low), ln_high = bfn__ln_tail(high);
    return ln_low + log(-expm1(ln_high - ln_low));
}

/* ln of the standard normal mass between low < high, infinities allowed. */
static double ln_mass_between(double low, double high)
{
    if (low >= 0.0)
        return isinf(high) ? bfn__ln_tail(low) : ln_tail_difference(low, high);
    if (high <= 0.0)
        return isinf(low) ? bfn__ln_tail(-high) : ln_tail_difference(-high, -low);
    return log1p(-0.5 * (erfc(-low * SQRT_HALF) + erfc(high * SQRT_HALF)));
}

double bfn__ln_bin_mass(size_t K, bfn__normal q, size_t bin, bfn__bin_gradient *gradient)
{
    double low = bin == 0 ? -(double)INFINITY : (edge(K, bin) - q.mean) / q.deviation;
    double high = bin == K - 1 ? (double)INFINITY : (edge(K, bin + 1) - q.mean) / q.deviation;
    double ln_mass = ln_mass_between(low, high);
    if (gradient != NULL) {
        /* density / mass, by logarithms: both may underflow, their ratio does not */
        double at_low = bin == 0 ? 0.0 : exp(bfn__ln_density(low) - ln_mass);
        double at_high = bin == K - 1 ? 0.0 : exp(bfn__ln_density(high) - ln_mass);
        gradient->mean = (at_low - at_high) / q.deviation;
        gradient->deviation = ((bin == 0 ? 0.0 : low * at_low) - (bin == K - 1 ? 0.0 : high * at_high)) / q.deviation;
    }
    return ln_mass;
}

/* Inner edges j in [1, K-1] between mean - reach and mean + reach: *first to *end - 1. Below them F = 0, above F = 1. */
static void edges_in_reach(size_t K, bfn__normal q, size_t *first, size_t *end)
{
    const double reach = 8.5 * q.deviation; /* Q(8.5) < 1e-17 */
    double low = ceil((0.5 * (q.mean - reach) + 0.5) * (double)K),
           high = floor((0.5 * (q.mean + reach) + 0.5) * (double)K);
    double last = (double)K - 1.0;
    *first = low > 1.0 ? (size_t)fmin(low, last + 1.0) : 1;
    *end = high < 1.0 ? 1 : (size_t)fmin(high, last) + 1;
    if (*end < *first)
        *end = *first;
}

double bfn__bin_mean(size_t K, bfn__normal q, bfn__bin_gradient *gradient)
{
    size_t first, end;
    edges_in_reach(K, q, &first, &end);
    double sum = (double)(K - end), d_mean = 0.0, d_deviation = 0.0; /* edges above the reach: F = 1 */
    for (size_t j = first; j < end; j++) {
        double z = (edge(K, j) - q.mean) / q.deviation;
        sum += 0.5 * erfc(-z * SQRT_HALF);
        if (gradient != NULL) {
            double density = exp(bfn__ln_density(z));
            d_mean += density;
            d_deviation += z * density;
        }
    }
    double width = 2.0 / (double)K;
    if (gradient != NULL) {
        gradient->mean = width * d_mean / q.deviation;
        gradient->deviation = width * d_deviation / q.deviation;
    }
    return bfn__bin_centre(K, K - 1) - width * sum;
}

/* Inside, the heaviest bin is the one around the mean; the edge bins can beat it by their tails. */
size_t bfn__bin_mode(size_t K, bfn__normal q)
{
    size_t best = 0, around = bfn__bin(K, q.mean);
    double ln_best = bfn__ln_bin_mass(K, q, 0, NULL);
    size_t others[2] = {around, K - 1};
    for (int i = 0; i < 2; i++) {
        double ln_mass = bfn__ln_bin_mass(K, q, others[i], NULL);
        if (ln_mass > ln_best) {
            ln_best = ln_mass;
            best = others[i];
        }
    }
    return best;
}
