/* corpus.h: what the files about text measures share: the corpus, and strings as symbols of its alphabet. */
#ifndef BFN_CORPUS_H
#define BFN_CORPUS_H

#include "bfn/eval.h"
#include "eval/grams.h"
#include "io/text.h"

enum { BFN__SYMBOL_UNKNOWN = 0xffff }; /* beyond every alphabet's indices */

struct bfn_text_corpus {
    bfn_context *ctx;
    char *path;
    char sha256[65];
    bfn__textset *set;
    int pad; /* symbol that stands before and behind every line; -1: a stream */
    size_t n_characters[3];
    bfn__grams *train, *test;
};

/* Strings as symbols, one after the other. */
typedef struct bfn__symbols {
    bfn_context *ctx;
    uint16_t *all;
    const uint16_t **strings; /* [n] into all */
    size_t *lengths;          /* [n] */
    size_t n, total, n_unknown;
} bfn__symbols;

/* alphabet NULL: all symbols are unknown (lengths are what is wanted). A byte that is no UTF-8 is one unknown character. */
bfn_status bfn__symbols_create(bfn_context *ctx, bfn__symbols *out, const bfn__alphabet *alphabet,
                               const char *const *strings, size_t n);
void bfn__symbols_free(bfn__symbols *symbols);

/* Count the runs of n symbols, with the corpus' marks around them where it is one of lines. buffer: n + 2 symbols. */
bfn_status bfn__corpus_count(const bfn_text_corpus *corpus, bfn__grams *grams, const uint16_t *symbols, size_t n,
                             uint16_t *buffer);

#endif
