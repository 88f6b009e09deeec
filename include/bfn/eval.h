/* bfn/eval.h: measure what a model makes: spelling accuracy of text, and the bound on the negative log likelihood of text or images.
 */
#ifndef BFN_EVAL_H
#define BFN_EVAL_H

#include "bfn/model.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- spelling accuracy (2404.15766, section 6.2) ---- */

typedef struct bfn_speller bfn_speller;

/* Open a hunspell dictionary: path of the .dic file with its .aff beside it; NULL: Debian's en_US. The checksum is the SHA-256 of
 * both files, .aff first. BFN_ERR_NOT_FOUND when one of them cannot be read. */
BFN_API BFN_MUST_CHECK bfn_status bfn_speller_open(bfn_context *ctx, bfn_speller **out, const char *dictionary);
BFN_API void bfn_speller_close(bfn_speller *speller);
BFN_API const char *bfn_speller_path(const bfn_speller *speller);
BFN_API const char *bfn_speller_checksum(const bfn_speller *speller);

typedef struct bfn_spelling {
    size_t n_strings;
    size_t n_words, n_correct; /* tokens between spaces, those cut by a string's edge included (the papers' count) */
    double accuracy;           /* n_correct / n_words, in [0,1]; 0 without words */
    double standard_error;     /* of the accuracy, strings as clusters; 0 for fewer than two strings */
    size_t n_inner_words; /* the same without the first and last token of each string, which its edges may have cut */
    double inner_accuracy, inner_standard_error;
    double character_entropy; /* bits per character of the unigram distribution over all strings */
    double word_entropy;      /* bits per word */
    size_t n_duplicates;      /* strings that equal an earlier one */
} bfn_spelling;

/* strings: UTF-8, zero-terminated, n of them. Deterministic. */
BFN_API BFN_MUST_CHECK bfn_status bfn_eval_spelling(bfn_speller *speller, const char *const *strings, size_t n,
                                                    bfn_spelling *result);

/* ---- bound on the negative log likelihood (2308.07037, equations 11 to 16) ---- */

typedef enum bfn_data_split { BFN_SPLIT_TRAIN = 0, BFN_SPLIT_VALID = 1, BFN_SPLIT_TEST = 2 } bfn_data_split;

typedef struct bfn_bound_options {
    size_t struct_size;
    bfn_data_split split;
    size_t n_sequences; /* disjoint windows, lines or images, spread evenly over the split; 0: 256 */
    size_t n_times;     /* stratified times (or steps) a sequence; 0: 16 */
    size_t batch;       /* sequences a network call; 0: 16 */
    uint64_t seed;
    size_t n_steps; /* the loss of so many steps, L^n, instead of the continuous-time loss; 0: continuous time */
    size_t n_draws; /* L^n of discrete and discretised data: draws of the sender's message; 0: 10 */
    int (*progress)(void *user, size_t done, size_t total); /* may be NULL; non-zero return stops: BFN_CANCELLED */
    void *user;
} bfn_bound_options;

#define BFN_BOUND_OPTIONS_INIT                                                                                         \
    {                                                                                                                  \
        sizeof(bfn_bound_options), BFN_SPLIT_TEST, 0, 0, 0, 0, 0, 0, 0, 0                                              \
    }

/* All in bits per position (per character of text, per dimension of images). */
typedef struct bfn_bound {
    size_t n_sequences, n_positions;
    double bound, standard_error; /* transmission + reconstruction; sequences as samples */
    double transmission;          /* L^inf, or L^n */
    double reconstruction;        /* L^r */
    /* Text: the same sequences under uni-, bi- and trigram models of the training split: what a bound must beat. */
    double ngram[3];
    int images; /* non-zero: the data is images */
} bfn_bound;

/* data_path: what the model was trained on, or other data of the same alphabet or image size. The n-gram models are interpolated with
 * weights fitted on the validation split. BFN_ERR_ARGUMENT when the model does not fit the data. */
BFN_API BFN_MUST_CHECK bfn_status bfn_eval_bound(bfn_model *model, const char *data_path,
                                                 const bfn_bound_options *options, bfn_bound *result);

#ifdef __cplusplus
}
#endif
#endif
