/* trainer.h: the state of a training run, shared by the files of src/train.
 *
 * A run is a pure function of (configuration, data, threads, CPU): step s uses training samples s B .. s B + B - 1 (B = batch x
 * accumulate), whose place in the data, noise and time depend on (seed, sample number) alone. So a checkpoint is weights, averages,
 * the optimiser's moments and the step; there is no random state to save. What a sample is (a string of text, a picture) only the data
 * set knows (model/dataset.h).
 */
#ifndef BFN_TRAINER_H
#define BFN_TRAINER_H

#include "bfn/train.h"
#include "model/dataset.h"
#include "nn/peak.h" /* bfn__seconds */

enum { BFN__N_JUDGED = 1024 }; /* train.keep is at most 1000 */

typedef struct bfn__trainer {
    bfn_context *ctx;
    const bfn_train_options *options;
    bfn__config config;
    char *config_text;
    bfn_flow flow;
    bfn__net *net;
    bfn__exec *exec;
    bfn__dataset *set;
    bfn__data_info data;
    size_t D, K;       /* positions; floats of state a position */
    size_t shown, out; /* floats a sample */
    size_t total;      /* samples an optimiser step: batch x accumulate */

    float *params, *ema, *m, *v, *grads; /* arenas */

    /* one batch */
    void *items;           /* [B,D]: int32_t or float */
    int32_t *labels;       /* [B], -1: none */
    double *t;             /* [B] */
    float *state;          /* [B,D,K] */
    float *seen;           /* [B,shown] */
    float *output, *d_out; /* [B,out] */
    double *loss;          /* [B,D] */
    double *sums;          /* [B] */

    bfn_sampler *sampler;   /* NULL: no samples */
    void *samples;          /* [sample_n,D]: int32_t or float */
    char *sample_text;      /* texts: 4 D + 1 bytes for each; pictures: the path of their grid */
    uint8_t *sample_pixels; /* pictures: [sample_n,D] */
    int32_t *sample_labels; /* [sample_n] */

    bfn__train_info info;

    /* what is reported */
    double last_norm, last_lr;
    double started, rate, last_time, last_plot, recent_tokens, recent_seconds;

    struct {
        uint64_t step;
        bool whole;
    } judged[BFN__N_JUDGED]; /* numbered checkpoints that were written or read by this process */
    size_t n_judged;
    uint64_t last_step;           /* that last.safetensors holds; 0: none, or not known */
    uint64_t retry_at, retry_gap; /* after a checkpoint that could not be written: when to try again; 0: none is due */
    int lock;                     /* descriptor, -1 */
    bool log_failed, link_failed;
} bfn__trainer;

/* ---- step.c ---- */
typedef struct bfn__batch_plan {
    bfn__split split; /* training samples, or items of another split */
    uint64_t first;   /* number of the first sample (training), or of the first item of the validation (0..n_items-1) */
    size_t n;         /* samples in this batch */
    size_t n_items;   /* validation: how many in all */
    double offset;    /* training: the uniform number that shifts all times */
    size_t index_in_step; /* training: of the first sample */
    bfn_loss_kind kind;
} bfn__batch_plan;

/* Draw data, times, noise; forward; loss and (gradient) d_out scaled to the mean over a whole step. *loss: sum of nats per position. */
bfn_status bfn__trainer_forward(bfn__trainer *tr, const bfn__batch_plan *plan, bool gradient, double *loss);
/* One optimiser step; counts it. A step whose loss or gradient is not finite changes nothing but the counters. BFN_ERR_DIVERGED after
 * train.max_bad_steps of them in a row. */
bfn_status bfn__trainer_step(bfn__trainer *tr);
/* The uniform number u of a step (counted from 0): sample b of B has time (u + b)/B. */
double bfn__trainer_time_offset(const bfn__config *config, uint64_t step);
/* Learning rate and decay of the average in a step, counted from 1. */
double bfn__trainer_lr(const bfn__config *config, uint64_t step);
double bfn__trainer_ema(const bfn__config *config, uint64_t step);

/* ---- validate.c ---- */
/* Bound on fixed items of the validation split with the averaged weights; NaN stays where the split is empty. */
bfn_status bfn__trainer_validate(bfn__trainer *tr);
/* Samples with the averaged weights: into the run folder (samples.txt, or samples.png and samples-<step>.png), and, as text or as
 * the picture's path, into sample_text. */
bfn_status bfn__trainer_sample(bfn__trainer *tr);

/* ---- checkpoint.c ---- */
bfn_status bfn__checkpoint_save(bfn__trainer *tr, const char *path);
/* Weights, averages, moments and counters from an open checkpoint (its configuration has been checked already). */
bfn_status bfn__checkpoint_load(bfn__trainer *tr, const bfn__safetensors *st, const char *label);
/* The newest checkpoint in the run folder that is whole: last.safetensors (*is_last), or else, with a warning, the newest of
 * step-*.safetensors, or best.safetensors. path: PATH_MAX bytes. */
bfn_status bfn__checkpoint_newest(bfn_context *ctx, const char *folder, bfn__safetensors **st, char *path,
                                  bool *is_last);
/* Is there a file that looks like a checkpoint, whole or not? */
bool bfn__checkpoint_any(const char *folder);
/* Before last.safetensors is replaced: keep it under the name of its step. After: remove what is older than the
 * train.keep - 1 newest of these that are whole: a damaged file takes no valid one's place. */
void bfn__checkpoint_keep(bfn__trainer *tr);
void bfn__checkpoint_prune(bfn__trainer *tr);

/* ---- runfolder.c ---- */
bfn_status bfn__run_lock(bfn__trainer *tr);
bfn_status bfn__run_open_log(bfn__trainer *tr, bool resume);
void bfn__run_log_step(bfn__trainer *tr, double loss);
void bfn__run_log_samples(bfn__trainer *tr);
/* A file beside the log could not be written: said once. */
void bfn__run_warn(bfn__trainer *tr, const char *name, const char *why);
void bfn__run_close(bfn__trainer *tr);
void bfn__run_path(const bfn__trainer *tr, const char *name, char *path); /* PATH_MAX bytes */

/* ---- curves.c ---- */
/* loss.svg from log.jsonl: training loss and validation bound over steps, in bits a position. */
void bfn__run_plot(bfn__trainer *tr);

#endif
