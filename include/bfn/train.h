/* bfn/train.h: train a BFN from a configuration and data (a text, pictures); resume exactly; save on interruption. */
#ifndef BFN_TRAIN_H
#define BFN_TRAIN_H

#include "bfn/model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bfn_train_progress {
    uint64_t step, n_steps;
    double loss; /* nats per position, running mean since the last report */
    double grad_norm, lr;
    double tokens_per_second, samples_per_second; /* positions, and sequences or images, that training went through */
    double seconds, seconds_left;
    double valid_loss;  /* newest validation loss (EMA weights), nats per position; NaN before the first */
    double valid_bound; /* continuous-time loss + reconstruction, bits per position; NaN before the first */
    uint64_t bad_steps; /* steps skipped because their numbers were not finite */
    const char
        *sample; /* sample texts of this step, one a line; images: the path of their picture; NULL: none in this step */
    int checkpoint_saved;    /* this step wrote one */
    int images;              /* the data is images, else text */
    const uint8_t *pictures; /* ... where sample is not NULL: the samples, [n_pictures,height,width,channels] */
    size_t n_pictures, height, width, channels;
} bfn_train_progress;

/* Called after every step. Non-zero: finish this step, save, and return BFN_CANCELLED. */
typedef int (*bfn_train_fn)(void *user, const bfn_train_progress *progress);

typedef struct bfn_train_options {
    size_t struct_size;
    const char *config_path; /* YAML file; with resume it may be NULL (the run's own is used) */
    const char *data_path;   /* a text file; a file or folder of images */
    const char *out_dir;     /* run folder (made if missing): config.yaml, log.jsonl, loss.svg, lock, last.safetensors,
                              * best.safetensors (lowest validation bound), step-N.safetensors (train.keep > 1); samples.txt, or
                              * samples.png (the newest) and samples-N.png */
    int resume; /* continue from the newest valid checkpoint of out_dir; refused when config or data differ */
    const char *const *set; /* "key=value" overrides of the configuration */
    size_t n_set;
    int dry_run; /* check everything, describe it through the context's log, write nothing */
    bfn_train_fn progress;
    void *user;
    void (*config)(void *user,
                   const char *yaml); /* is given the resolved configuration before anything is written; may be NULL */
} bfn_train_options;

#define BFN_TRAIN_OPTIONS_INIT                                                                                         \
    {                                                                                                                  \
        sizeof(bfn_train_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                                        \
    }

/* Same configuration, data, threads and CPU: same bytes in every checkpoint, whether interrupted and resumed or not.
 *   BFN_CANCELLED      the callback asked for it; everything is saved
 *   BFN_ERR_ARGUMENT   configuration, a resumed run that differs from what it resumes, a folder that is in use or already trained
 *   BFN_ERR_INPUT, BFN_ERR_NOT_FOUND   configuration file, data, checkpoint
 *   BFN_ERR_WRITE      the final checkpoint could not be written (failures on the way are warnings through the context's log)
 *   BFN_ERR_DIVERGED   train.max_bad_steps in a row without finite numbers; the last good checkpoint stays */
BFN_API BFN_MUST_CHECK bfn_status bfn_train(bfn_context *ctx, const bfn_train_options *options);

/* The keys of a configuration file, for help texts: i in [0, bfn_config_n_fields()). */
typedef struct bfn_config_field {
    const char *name; /* "train.lr" */
    const char *text; /* what it means */
    char allowed[320], fallback[320];
} bfn_config_field;
BFN_API size_t bfn_config_n_fields(void);
BFN_API void bfn_config_get_field(size_t i, bfn_config_field *field);

#ifdef __cplusplus
}
#endif
#endif
