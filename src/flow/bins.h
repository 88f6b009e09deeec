/* bins.h: a normal distribution seen through bins of [-1,1]; the edge bins take the tails (SPEC 1.2). */
#ifndef BFN_BINS_H
#define BFN_BINS_H

#include <stddef.h>

typedef struct bfn__normal {
    double mean, deviation;
} bfn__normal;

/* Standard normal: ln of the upper tail mass Q(z), for any z (no underflow), and ln of the density. */
double bfn__ln_tail(double z);
double bfn__ln_density(double z);

size_t bfn__bin(size_t K, double x);
double bfn__bin_centre(size_t K, size_t bin);

/* ln of the mass in a bin, and its derivatives with respect to mean and deviation (NULL: not wanted). */
typedef struct bfn__bin_gradient {
    double mean, deviation;
} bfn__bin_gradient;
double bfn__ln_bin_mass(size_t K, bfn__normal q, size_t bin, bfn__bin_gradient *gradient);

/* sum_k mass(k) centre(k), and its derivatives. */
double bfn__bin_mean(size_t K, bfn__normal q, bfn__bin_gradient *gradient);

/* The bin with the largest mass (the first of equals). */
size_t bfn__bin_mode(size_t K, bfn__normal q);

#endif
