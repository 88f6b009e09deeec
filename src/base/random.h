/* random.h: counter-based random numbers (Philox4x32-10), SPEC 11.6.
 *
 * key = seed (64 bit), counter = (element/4, draw, sample low, sample high). Word w = element%4 of the block belongs to
 * an element. draw = row * 4 + kind. So a number depends on (seed, sample, draw, element) alone: not on batch, thread or order.
 *   uniform  u = (r + 1/2) 2^-32, in double, in (0,1)
 *   normal   Box-Muller on word pairs (0,1) and (2,3) in double: sqrt(-2 ln u1) cos(2 pi u2) is the first element of the pair,
 *            ... sin(2 pi u2) the second; rounded to float at the end. Same bits on every CPU (no contraction, own ln/sin/cos).
 */
#ifndef BFN_RANDOM_H
#define BFN_RANDOM_H

#include <stddef.h>
#include <stdint.h>

typedef enum bfn__draw_kind {
    BFN__DRAW_NOISE = 0,    /* initial state or step noise */
    BFN__DRAW_CATEGORY = 1, /* categorical or bin draw */
    BFN__DRAW_DROPOUT = 2,
    BFN__DRAW_DATA = 3,
} bfn__draw_kind;

/* The draw number of a plan row (row 0 is the initial state; the j-th row of the plan is j + 1). */
static inline uint32_t bfn__draw(size_t row, bfn__draw_kind kind)
{
    return (uint32_t)row * 4u + (uint32_t)kind;
}

void bfn__random_words(uint64_t seed, uint64_t sample, uint32_t draw, size_t first, size_t n, uint32_t *out);
void bfn__random_uniforms(uint64_t seed, uint64_t sample, uint32_t draw, size_t first, size_t n, double *out);
void bfn__random_normals(uint64_t seed, uint64_t sample, uint32_t draw, size_t first, size_t n, float *out);

/* Uniform integer in [0, bound), bound >= 1, from one 64-bit number made of two words (bias below 2^-32 for bound < 2^32). */
uint64_t bfn__random_below(uint64_t seed, uint64_t sample, uint32_t draw, size_t element, uint64_t bound);

#endif
