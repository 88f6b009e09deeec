/* text.h: alphabets and text data: characters to class indices and back, streams and padded lines.
 *
 * Alphabets: "text8": the 27 symbols space, a..z in that order (index 0 is the space, printed '_' nowhere: a plain space);
 * "chars": the UTF-8 characters that occur, sorted by code point (at most 65535). Lines mode adds one padding symbol after them.
 */
#ifndef BFN_TEXT_H
#define BFN_TEXT_H

#include "base/base.h"

typedef struct bfn__alphabet bfn__alphabet;

bfn_status bfn__alphabet_text8(bfn_context *ctx, bfn__alphabet **out);
/* From the characters that occur in UTF-8 text (line ends excluded when lines). BFN_ERR_INPUT with the byte offset of invalid UTF-8. */
bfn_status bfn__alphabet_from_text(bfn_context *ctx, bfn__alphabet **out, const char *text, size_t n, bool lines,
                                   const char *label);
/* From a stored string of its symbols in order (UTF-8); pad: a padding symbol follows them. */
bfn_status bfn__alphabet_from_symbols(bfn_context *ctx, bfn__alphabet **out, const char *symbols, bool pad);
void bfn__alphabet_destroy(bfn__alphabet *a);

size_t bfn__alphabet_size(const bfn__alphabet *a);         /* K, padding included */
const char *bfn__alphabet_symbols(const bfn__alphabet *a); /* UTF-8, padding excluded: store this in checkpoints */
int bfn__alphabet_pad(const bfn__alphabet *a);             /* index of the padding symbol, -1: none */

/* Index of a code point, -1: it is not in the alphabet. */
int bfn__alphabet_find(const bfn__alphabet *a, uint32_t code);

/* text8's usual cleaning of raw text into a..z and single spaces: letters to lower case, digits spelled out ("one nine"),
 * everything else (all that is not ASCII, too) a space, runs of spaces collapsed. Already clean text is unchanged.
 * *out from the context (bfn__free). */
bfn_status bfn__text8_clean(bfn_context *ctx, const char *raw, size_t n, char **out, size_t *n_out);

/* Encode: one uint16 a character; a character outside the alphabet: BFN_ERR_INPUT with its offset. *out by bfn__free. */
bfn_status bfn__alphabet_encode(bfn_context *ctx, const bfn__alphabet *a, const char *text, size_t n, const char *label,
                                uint16_t **out, size_t *n_out);
/* Decode D indices to UTF-8 (padding symbols are dropped); buffer of 4*D+1 bytes. Returns its length. */
size_t bfn__alphabet_decode(const bfn__alphabet *a, const int32_t *indices, size_t D, char *buffer);

/* A text data set: a stream cut into windows at random places (training) or one after the other (validation, test), or lines padded to T. */
typedef struct bfn__textset bfn__textset;
typedef enum bfn__split { BFN__SPLIT_TRAIN = 0, BFN__SPLIT_VALID = 1, BFN__SPLIT_TEST = 2 } bfn__split;

typedef struct bfn__textset_options {
    const char *alphabet; /* "text8" or "chars" */
    bool lines;           /* one sequence a line, padded; empty lines are left out */
    bool truncate_lines;  /* lines longer than T are cut; else they are refused with their number */
    size_t T;
    double fractions
        [3]; /* train, valid, test; all 0: 0.90 0.05 0.05. Stream: by characters in order; lines: by a fixed permutation */
    const bfn__alphabet
        *fixed; /* not NULL: this alphabet (resume, evaluation), copied; has padding exactly when lines */
} bfn__textset_options;

/* Raw bytes of a UTF-8 file (a .gz or .dz is inflated: gzip magic). CRLF becomes LF, a byte-order mark is dropped. With alphabet
 * "text8" the text is cleaned unless it is clean already (a..z and single spaces only). Nothing of `bytes` is kept.
 * BFN_ERR_INPUT: invalid UTF-8 or a control character (offset), a character outside `fixed` (offset), too long a line (number),
 * a split with a positive fraction that holds less than one sequence. BFN_ERR_ARGUMENT: options.
 * Memory: one byte a character while the alphabet has at most 256 symbols, two beyond; lines: 8 bytes a line more. */
bfn_status bfn__textset_create(bfn_context *ctx, bfn__textset **out, const void *bytes, size_t n, const char *label,
                               const bfn__textset_options *options);
void bfn__textset_destroy(bfn__textset *set);

const bfn__alphabet *bfn__textset_alphabet(const bfn__textset *set);
size_t bfn__textset_n_symbols(const bfn__textset *set, bfn__split which);   /* characters (stream) or lines */
size_t bfn__textset_n_sequences(const bfn__textset *set, bfn__split which); /* disjoint windows, or lines */
/* The symbols of a split as they stand there: one piece (stream), or a piece a line, without padding and in an order that is not the file's. */
size_t bfn__textset_n_pieces(const bfn__textset *set, bfn__split which);
size_t bfn__textset_piece_size(const bfn__textset *set, bfn__split which, size_t piece);
void bfn__textset_read(const bfn__textset *set, bfn__split which, size_t piece, size_t begin, size_t n, uint16_t *out);
/* Sequence i of a split (disjoint windows in order, or lines): int32 [T]. */
void bfn__textset_sequence(const bfn__textset *set, bfn__split which, size_t i, int32_t *out);
/* The training sequence number `index` of an endless shuffled order that depends on the seed alone: stream: a window at a uniformly
 * random place; lines: another permutation of the lines in each epoch. Random numbers: sample = index (stream) or epoch (lines),
 * draws of rows 0 to 6 of kind BFN__DRAW_DATA. int32 [T]. */
void bfn__textset_training(const bfn__textset *set, uint64_t seed, uint64_t index, int32_t *out);
/* Moments of the training split: mean [T,K] of the one-hots (stream: the same for every position), returns tr Cov / T. */
double bfn__textset_moments(const bfn__textset *set, float *mean);

#endif
