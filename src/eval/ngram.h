/* ngram.h: interpolated character n-gram models up to trigrams: the baseline that a text model's bound has to beat. */
#ifndef BFN_NGRAM_H
#define BFN_NGRAM_H

#include "base/base.h"

enum { BFN__NGRAM_ORDERS = 3 };

typedef struct bfn__ngram bfn__ngram;

/* K symbols, 2 <= K and K^3 <= 2^27 (trigram table); larger K: BFN_ERR_ARGUMENT. */
bfn_status bfn__ngram_create(bfn_context *ctx, bfn__ngram **out, size_t K);
void bfn__ngram_destroy(bfn__ngram *model);

/* Count a training sequence of n symbols; its first symbols have shorter contexts. */
void bfn__ngram_count(bfn__ngram *model, const int32_t *symbols, size_t n);

/* Fit the interpolation weights of every order by expectation maximisation on held-out sequences [n_sequences, T]. */
void bfn__ngram_fit(bfn__ngram *model, const int32_t *held_out, size_t n_sequences, size_t T);

/* Bits of a sequence under the model of order 1, 2 or 3 (sum over its n symbols). */
double bfn__ngram_bits(const bfn__ngram *model, int order, const int32_t *symbols, size_t n);

#endif
