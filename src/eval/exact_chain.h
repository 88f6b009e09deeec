/* exact_chain.h: English text as a stationary Markov chain of 27 symbols, with exact inference.
 *
 * Symbols: 0 is the space, 1 .. 26 are a .. z. The transition table is exact_bigram.def.
 */
#ifndef BFN_EXACT_CHAIN_H
#define BFN_EXACT_CHAIN_H

#include <stddef.h>
#include <stdint.h>

enum {
    BFN__CHAIN_SYMBOLS = 27,
    BFN__CHAIN_PADDED = 32,     /* rows are padded with zeros to whole vectors */
    BFN__CHAIN_MAX_LENGTH = 256 /* positions */
};

typedef struct bfn__exact_chain {
    double step[BFN__CHAIN_SYMBOLS][BFN__CHAIN_SYMBOLS]; /* P(next | this) */
    double stationary[BFN__CHAIN_SYMBOLS];               /* of the first symbol, and so of every one */
    float forward[BFN__CHAIN_SYMBOLS][BFN__CHAIN_PADDED];
    float backward[BFN__CHAIN_SYMBOLS][BFN__CHAIN_PADDED]; /* the transpose of forward */
} bfn__exact_chain;

void bfn__exact_chain_init(bfn__exact_chain *chain);

/* Entropy of a string of that length, in bits per symbol; length SIZE_MAX: the entropy rate. */
double bfn__exact_chain_entropy(const bfn__exact_chain *chain, size_t length);

/* -log2 P(x) of a string, in bits per symbol. */
double bfn__exact_chain_bits(const bfn__exact_chain *chain, size_t length, const int32_t *x);

/* Posterior of every symbol when position i was seen with likelihoods theta[i,.]: probability [length,27]. theta [length,27] may
 * hold zeros (a one-hot row is a known symbol); evidence that the chain cannot have produced gives uniform rows. */
void bfn__exact_chain_posterior(const bfn__exact_chain *chain, size_t length, const float *theta, float *probability);

/* A string given the known symbols (known NULL: none) with their values in x; uniforms [length] are its randomness. */
void bfn__exact_chain_draw(const bfn__exact_chain *chain, size_t length, const unsigned char *known,
                           const double *uniforms, int32_t *x);

/* Total variation between the bigrams of n strings [n,length] and those of the chain. */
double bfn__exact_chain_distance(const bfn__exact_chain *chain, size_t n, size_t length, const int32_t *x);

#endif
