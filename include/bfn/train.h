/* bfn/train.h: train a BFN from a configuration and a data file; resume exactly; save on interruption. */
#ifndef BFN_TRAIN_H
#define BFN_TRAIN_H

#include "bfn/model.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bfn_train_progress {
    uint64_t step, n_steps;
    double loss;           /* nats per position, running mean since the last report */
    double grad_norm, lr;
    double tokens_per_second, seconds, seconds_left;
    double valid_loss;     /* newest validation loss (EMA weights), nats per position; NaN before the first */
    double valid_bound;    /* continuous-time loss + reconstruction, bits per position; NaN before the first */
    const char *sample;    /* newest sample text, or NULL */
    int checkpoint_saved;  /* this step wrote one */
} bfn_train_progress;

/* Called after every step. Non-zero: finish this step, save, and return BFN_CANCELLED. */
typedef int (*bfn_train_fn)(void *user, const bfn_train_progress *progress);

typedef struct bfn_train_options {
    size_t struct_size;
    const char *config_path; /* YAML file; with resume it may be NULL (the run's own is used) */
    const char *data_path;
    const char *out_dir;     /* run folder: config.yaml, log.jsonl, last.safetensors, best.safetensors, samples.txt, lock */
    int resume;              /* continue from the newest valid checkpoint of out_dir; refused when config or data differ */
    const char *const *set;  /* "key=value" overrides of the configuration */
    size_t n_set;
    bfn_train_fn progress;
    void *user;
} bfn_train_options;

#define BFN_TRAIN_OPTIONS_INIT {sizeof(bfn_train_options), 0, 0, 0, 0, 0, 0, 0, 0}

BFN_API BFN_MUST_CHECK bfn_status bfn_train(bfn_context *ctx, const bfn_train_options *options);

#ifdef __cplusplus
}
#endif
#endif
