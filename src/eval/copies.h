/* copies.h: the longest pieces that strings share with a long text which is read once, front to back. */
#ifndef BFN_COPIES_H
#define BFN_COPIES_H

#include "base/base.h"

/* A text for bfn__copies_find: read(user, piece, begin, n, out) gives n symbols of a piece. Pieces stand alone: nothing crosses their ends. */
typedef struct bfn__copy_source {
    size_t n_pieces;
    size_t (*size)(const void *user, size_t piece); /* symbols */
    void (*read)(const void *user, size_t piece, size_t begin, size_t n, uint16_t *out);
    const void *user;
} bfn__copy_source;

typedef struct bfn__copy {
    size_t length,
        begin; /* of the longest run of symbols that the text has too, and where in the string it begins (the first such) */
} bfn__copy;

/* strings[i] has lengths[i] symbols; copies [n]. `read` is called from several threads. Time: one pass over the text for every few hundred
 * thousand symbols of strings; memory: about 100 MB. */
bfn_status bfn__copies_find(bfn_context *ctx, const bfn__copy_source *text, size_t n, const uint16_t *const *strings,
                            const size_t *lengths, bfn__copy *copies);

#endif
