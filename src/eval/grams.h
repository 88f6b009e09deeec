/* grams.h: how often each run of up to five symbols occurs, in one sorted list that serves all orders: counts, divergence, draws.
 *
 * Symbols are uint16_t. Those from BFN__GRAM_OTHER - 1 on count as one symbol: an alphabet beyond 4,094 symbols is measured by its first ones.
 */
#ifndef BFN_GRAMS_H
#define BFN_GRAMS_H

#include "base/base.h"

enum { BFN__GRAM_ORDERS = 5, BFN__GRAM_OTHER = 4095 };

typedef struct bfn__grams bfn__grams;

bfn_status bfn__grams_create(bfn_context *ctx, bfn__grams **out);
void bfn__grams_destroy(bfn__grams *grams); /* NULL is fine */

/* Count what begins at symbols[0 .. n_begin - 1] of a text of which n symbols are given (those from n_begin on are looked at as what
 * follows): a long text may come in pieces that overlap by BFN__GRAM_ORDERS - 1 symbols. */
bfn_status bfn__grams_add(bfn__grams *grams, const uint16_t *symbols, size_t n_begin, size_t n);
/* After the last add, before anything below. */
bfn_status bfn__grams_finish(bfn__grams *grams);

/* Runs of `order` symbols, all together; how many different ones. */
uint64_t bfn__grams_total(const bfn__grams *grams, int order);
size_t bfn__grams_different(const bfn__grams *grams, int order);

/* Jensen-Shannon divergence of the two laws of runs of `order` symbols, in bits: 0 (equal) to 1 (nothing in common). NaN when
 * one of them is empty. */
double bfn__grams_divergence(const bfn__grams *a, const bfn__grams *b, int order);

/* A symbol by the law of what follows the last `n` (at most 4 are looked at) symbols, the longest of these contexts that
 * something ever followed; u in (0,1) is the randomness. BFN__GRAM_OTHER - 1: one of the symbols that count as one, or nothing was
 * counted. */
uint16_t bfn__grams_next(const bfn__grams *grams, const uint16_t *last, size_t n, double u);

#endif
