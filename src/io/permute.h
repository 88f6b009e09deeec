/* permute.h: a random permutation of 0..n-1 without a table: one item at a time, from a key. */
#ifndef BFN_PERMUTE_H
#define BFN_PERMUTE_H

#include <stdint.h>

/* Where i goes in permutation number `epoch` of a seed. 0 <= i < n <= 2^40. */
uint64_t bfn__permute(uint64_t seed, uint64_t epoch, uint64_t n, uint64_t i);

#endif
