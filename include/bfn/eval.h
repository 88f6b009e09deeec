/* bfn/eval.h: measure what a model makes: spelling accuracy and likeness of text, and the bound on the negative log likelihood of text or images.
 */
#ifndef BFN_EVAL_H
#define BFN_EVAL_H

#include "bfn/frechet.h"
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
/* Non-zero: the dictionary is the one that the project's numbers are made with (Debian 12's en_US, known by its checksum). */
BFN_API int bfn_speller_is_pinned(const bfn_speller *speller);

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

/* ---- text beside real text: divergence of short runs, copied spans, and baselines to read the numbers by ---- */

/* A text, split as in training. Its training split is what could have been copied and what the baselines are made from, its test split is the
 * reference, its validation split gives strings of real text. */
typedef struct bfn_text_corpus bfn_text_corpus;

typedef struct bfn_text_corpus_options {
    size_t struct_size;
    const bfn_model
        *model; /* its alphabet, its splits and its way of reading (stream or lines); NULL: the fields below */
    const char *alphabet; /* "text8" (NULL) or "chars" */
    int lines;            /* non-zero: a string a line (cut at 4,096 characters); zero: one stream */
    double fractions[3];  /* training, validation, test; all 0: 0.90, 0.05, 0.05 */
} bfn_text_corpus_options;

#define BFN_TEXT_CORPUS_OPTIONS_INIT                                                                                   \
    {                                                                                                                  \
        sizeof(bfn_text_corpus_options), 0, 0, 0,                                                                      \
        {                                                                                                              \
            0.0, 0.0, 0.0                                                                                              \
        }                                                                                                              \
    }

/* path: UTF-8, plain or gzip. Takes two passes over the text, and a byte a character of memory (two beyond 256 symbols). BFN_ERR_NOT_FOUND,
 * BFN_ERR_INPUT (not UTF-8, too short, a split is empty), BFN_ERR_ARGUMENT (options; the model is one of images). */
BFN_API BFN_MUST_CHECK bfn_status bfn_text_corpus_open(bfn_context *ctx, bfn_text_corpus **out, const char *path,
                                                       const bfn_text_corpus_options *options);
BFN_API void bfn_text_corpus_close(bfn_text_corpus *corpus); /* NULL is fine */

typedef struct bfn_text_corpus_info {
    const char *path, *checksum;     /* sha256 of the file's bytes, hex; these live as long as the corpus */
    size_t n_train, n_valid, n_test; /* characters of each split */
    size_t n_symbols;                /* of the alphabet */
} bfn_text_corpus_info;
BFN_API void bfn_text_corpus_get_info(const bfn_text_corpus *corpus, bfn_text_corpus_info *info);

enum { BFN_TEXT_ORDERS = 5 };

typedef struct bfn_text_scores {
    bfn_spelling spelling; /* with entropies and duplicates */
    /* Jensen-Shannon divergence between runs of 1, 2, .. 5 characters in the strings (none crosses a string's end) and in the corpus' test
     * split, in bits: 0 equal, 1 nothing in common. It falls with the number of strings: compare with the baselines' of as many. NaN
     * without a corpus. */
    double divergence[BFN_TEXT_ORDERS];
    /* Longest run of characters that a string shares with the training split: over all strings, the mean over strings, and where
     * it is (characters from the string's start; the first one of that length). 0 without a corpus. */
    size_t longest_copy, copy_string, copy_begin;
    double mean_copy;
    size_t n_characters;
    size_t n_unknown; /* of them outside the corpus' alphabet: they count as one more symbol */
} bfn_text_scores;

/* strings as for bfn_eval_spelling, of at least one character in all where there is a corpus. corpus may be NULL. Deterministic. */
BFN_API BFN_MUST_CHECK bfn_status bfn_eval_text(bfn_speller *speller, const bfn_text_corpus *corpus,
                                                const char *const *strings, size_t n, bfn_text_scores *scores);

typedef enum bfn_text_baseline {
    BFN_TEXT_UNIFORM = 0,  /* every symbol of the alphabet alike */
    BFN_TEXT_UNIGRAM = 1,  /* symbols by their frequency in the training split */
    BFN_TEXT_FIVEGRAM = 2, /* each symbol by what followed the last four in the training split */
    BFN_TEXT_REAL = 3      /* the validation split: windows at random places, or lines */
} bfn_text_baseline;
enum { BFN_TEXT_N_BASELINES = 4 };
BFN_API const char *bfn_text_baseline_name(bfn_text_baseline which); /* "5-gram" */

/* The scores of n strings drawn from a baseline, each as long (in characters) as strings[i]; of a corpus of lines the drawn strings have lengths
 * of their own. A function of the seed. */
BFN_API BFN_MUST_CHECK bfn_status bfn_eval_text_baseline(bfn_speller *speller, const bfn_text_corpus *corpus,
                                                         bfn_text_baseline which, uint64_t seed,
                                                         const char *const *strings, size_t n, bfn_text_scores *scores);

/* Strings from a file: text (a string a line), JSON lines (objects whose "text" is the string) or .npy (class indices [n,D] of the corpus'
 * alphabet; without a corpus of text8's). What it is follows from the name (.txt, .jsonl), else from the content. */
typedef struct bfn_text_strings bfn_text_strings;
BFN_API BFN_MUST_CHECK bfn_status bfn_text_strings_load(bfn_context *ctx, bfn_text_strings **out, const char *path,
                                                        const bfn_text_corpus *corpus);
/* The same from bytes in memory; label takes the place of the path. */
BFN_API BFN_MUST_CHECK bfn_status bfn_text_strings_parse(bfn_context *ctx, bfn_text_strings **out, const void *bytes,
                                                         size_t n, const char *label, const bfn_text_corpus *corpus);
BFN_API void bfn_text_strings_free(bfn_text_strings *strings); /* NULL is fine */
BFN_API size_t bfn_text_strings_n(const bfn_text_strings *strings);
BFN_API const char *const *bfn_text_strings_list(const bfn_text_strings *strings); /* zero-terminated UTF-8 */

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
    /* Bits per position. > 0: sequences are taken in a random order, at least 32 and whole batches, until the standard error is not above it, or
     * n_sequences (0: the split) are used up. */
    double precision;
} bfn_bound_options;

#define BFN_BOUND_OPTIONS_INIT                                                                                         \
    {                                                                                                                  \
        sizeof(bfn_bound_options), BFN_SPLIT_TEST, 0, 0, 0, 0, 0, 0, 0, 0, 0.0                                         \
    }

/* In bits per position (per character of text, per dimension of images) where nothing else is said. Images of continuous data: a bound on the
 * probability of the image in n_classes levels (0: as bfn_flow_loss): the reconstruction is the mass of a normal distribution of deviation
 * sigma_1 in each pixel's bin, so bin widths are in it, and the number compares with those of discretised models. */
typedef struct bfn_bound {
    size_t n_sequences, n_positions;
    size_t n_available;           /* sequences or images in the split */
    int reached;                  /* non-zero: the precision was asked for and reached */
    double bound, standard_error; /* transmission + reconstruction; sequences as samples */
    double nats, nats_error;      /* the same, in nats per sequence or image: bound ln 2 D */
    double transmission;          /* L^inf, or L^n */
    size_t n_times;               /* as they were taken */
    double reconstruction;        /* L^r */
    /* Text: the same sequences under uni-, bi- and trigram models of the training split: what a bound must beat. */
    double ngram[3];
    int images;             /* non-zero: the data is images */
    char data_checksum[65]; /* sha256 of the data, hex */
} bfn_bound;

/* data_path: what the model was trained on, or other data of the same alphabet or image size. The n-gram models are interpolated with
 * weights fitted on the validation split. BFN_ERR_ARGUMENT when the model does not fit the data. */
BFN_API BFN_MUST_CHECK bfn_status bfn_eval_bound(bfn_model *model, const char *data_path,
                                                 const bfn_bound_options *options, bfn_bound *result);

/* ---- likelihood under the probability-flow ODE (2404.15766; how: src/eval/ode_bound.c) ---- */

/* The trace of the network's Jacobian, which the change of density needs at each step: by random signs (Hutchinson; unbiased, one backward pass a
 * probe after one forward pass for all), exact (one a number of the state: low dimensions), or, for discrete data, by what it would be for an ideal network: the trace
 * of the posterior's covariance. That needs no backward pass, but the result is a bound for the ideal network only: bits too high or
 * too low for one that is far from it. */
typedef enum bfn_trace { BFN_TRACE_HUTCHINSON = 0, BFN_TRACE_EXACT = 1, BFN_TRACE_POSTERIOR = 2 } bfn_trace;

typedef struct bfn_ode_options {
    size_t struct_size;
    bfn_data_split split;
    size_t n_sequences; /* as bfn_bound_options; 0: 64 */
    size_t n_steps;     /* of the fourth-order Runge-Kutta method, 4 evaluations each; 0: 40 */
    bfn_trace trace;
    size_t n_probes; /* BFN_TRACE_HUTCHINSON; 0: 1 */
    double eta;      /* continuous and discretised data: the ODE starts at this time; 0: 1e-4. Discrete data: at 0 */
    size_t batch;    /* sequences a network call; 0: 16. The network is compiled as for training */
    uint64_t seed;
    double precision;                                       /* as bfn_bound_options */
    int (*progress)(void *user, size_t done, size_t total); /* may be NULL; non-zero return stops: BFN_CANCELLED */
    void *user;
    size_t n_checked; /* the first sequences are integrated again with twice the steps; 0: 8; at most a batch */
} bfn_ode_options;

#define BFN_ODE_OPTIONS_INIT                                                                                           \
    {                                                                                                                  \
        sizeof(bfn_ode_options), BFN_SPLIT_TEST, 0, 0, BFN_TRACE_HUTCHINSON, 0, 0.0, 0, 0, 0.0, 0, 0, 0                \
    }

/* Of the sampler that draws a state at t = 1 by the ODE and the data from the output distribution there. */
typedef struct bfn_ode_likelihood {
    size_t n_sequences, n_positions, n_available;
    int reached;
    size_t n_evaluations;     /* forward passes of the network, a sequence */
    size_t n_steps, n_probes; /* as they were taken (n_probes: 0 without signs), like eta */
    double eta;
    /* How far the value of a sequence moves with twice the steps, in bits per position: the mean of the absolute differences over n_checked
     * sequences. Where it is not small beside the standard error the steps are too coarse for the bound to mean anything. */
    size_t n_checked;
    double step_error;
    double bound, standard_error; /* on -log2 P(x), bits per position; of what: see bfn_bound */
    double nats, nats_error;      /* nats per sequence or image */
    double reconstruction;        /* bits per position */
    /* Mean of ln p_1 of the state at t = 1, nats per position: the density of the data blurred by the flow, gamma x + sigma eps with
     * gamma = 1 - sigma_1^2, sigma = sigma_1 sqrt(gamma); discrete data: of the logits. */
    double density, density_error;
    int images;
    char data_checksum[65];
} bfn_ode_likelihood;

/* As bfn_eval_bound. Besides: BFN_ERR_DIVERGED where a density is not finite. */
BFN_API BFN_MUST_CHECK bfn_status bfn_eval_ode(bfn_model *model, const char *data_path, const bfn_ode_options *options,
                                               bfn_ode_likelihood *result);

#ifdef __cplusplus
}
#endif
#endif
