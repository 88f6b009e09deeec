/* config.h: the configuration of a model and its training: one table of fields, read from YAML, changed by "section.key=value".
 *
 *   data     what the data is and how it is cut        network  class and its options (checked by the network itself)
 *   flow     what the BFN does to data                 train    batch, optimiser, averaging, what is reported when
 *   sampling what is drawn where nobody says otherwise
 *
 * A resolved configuration has every default filled in, vocabulary or image size known from the data, and the network's full list of
 * options; it is what run folders and checkpoints hold. Fields that belong to another kind of data are left out of it. All text is locale
 * independent.
 */
#ifndef BFN_CONFIG_H
#define BFN_CONFIG_H

#include "bfn/model.h"
#include "nn/nn.h"

enum { BFN__CONFIG_MAX_OPTIONS = 64, BFN__CONFIG_MAX_KEY = 48 };

typedef enum bfn__schedule { BFN__SCHEDULE_CONSTANT = 0, BFN__SCHEDULE_COSINE = 1 } bfn__schedule;

/* data.kind */
typedef enum bfn__form { BFN__FORM_TEXT = 0, BFN__FORM_IMAGE = 1 } bfn__form;

typedef struct bfn__config {
    struct {
        int kind;     /* bfn__form */
        int alphabet; /* text; 0: text8, 1: chars */
        int lines, truncate;
        size_t seq_len; /* T */
        double fractions[3];
        size_t height, width, channels; /* images; 0: not known yet */
        int flip, skip_bad;
        double valid; /* part of the training images that validates */
    } data;
    struct {
        int class_index; /* bfn__config_class() gives the name */
        size_t n_options;
        char keys[BFN__CONFIG_MAX_OPTIONS][BFN__CONFIG_MAX_KEY];
        double values[BFN__CONFIG_MAX_OPTIONS];
    } network; /* resolved: with the options that follow from data and flow */
    struct {
        int kind; /* bfn_data_kind - 1 */
        size_t n_classes;
        double max_sqrt_beta, min_variance, clip;
    } flow;
    struct {
        size_t batch, accumulate, steps, warmup;
        double lr, min_lr_ratio, betas[2], eps, weight_decay, clip_norm, ema;
        int schedule, loss;
        uint64_t seed;
        size_t valid_every, valid_batches, checkpoint_every, keep, sample_every, sample_n, sample_nfe, log_every;
        size_t max_bad_steps;
    } train;
    struct {
        int method; /* index into the words of its field; 0: not said */
        size_t steps, nfe, n;
        double eta; /* below 0: not said */
        int last, prediction, grid, start;
        uint64_t seed;
    } sampling; /* what bfn sample does where nobody says otherwise */
} bfn__config;

/* All defaults. */
void bfn__config_init(bfn__config *config);

/* YAML text of a configuration file, ours or in a published layout (published.h), into an initialised config. `label` names the source in
 * messages. BFN_ERR_ARGUMENT. */
bfn_status bfn__config_parse(bfn_context *ctx, bfn__config *config, const char *yaml, size_t n, const char *label);

/* One field from text: key "train.lr", value "1e-3" (lists: "[0.9, 0.98]" or "0.9,0.98"). */
bfn_status bfn__config_set(bfn_context *ctx, bfn__config *config, const char *key, const char *value);
/* One override "train.lr=1e-3". */
bfn_status bfn__config_override(bfn_context *ctx, bfn__config *config, const char *assignment);

/* Fill in what follows from the data (n_classes: a text's vocabulary; 0: unknown, taken from the configuration; images: their size has
 * been put into data.height, width and channels), check the flow, build the network and take its full list of options. *net is the
 * caller's. */
bfn_status bfn__config_resolve(bfn_context *ctx, bfn__config *config, size_t n_classes, bfn__net **net);
/* Leave out the options of the network that follow from data and flow, as resolving puts them in. */
void bfn__config_forget_implied(bfn__config *config);

bfn_sampling_defaults bfn__config_sampling(const bfn__config *config);
bfn_flow bfn__config_flow(const bfn__config *config);
size_t bfn__config_positions(const bfn__config *config); /* D of a resolved configuration: T, or H W C */
/* Levels of grey that images are reduced to: flow.n_classes, or its default. */
size_t bfn__config_levels(const bfn__config *config);
const char *bfn__config_class(const bfn__config *config);

/* YAML text of every field, freed with bfn__free. */
bfn_status bfn__config_write(bfn_context *ctx, const bfn__config *config, char **out);

/* The first field that a resumed run may not change and that differs: BFN_ERR_ARGUMENT naming it and both values. */
bfn_status bfn__config_compare(bfn_context *ctx, const bfn__config *stored, const bfn__config *given);
/* The same for one that is not resolved yet: without the network's options and what the data will say. */
bfn_status bfn__config_compare_given(bfn_context *ctx, const bfn__config *stored, const bfn__config *given);

#endif
