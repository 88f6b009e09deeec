/* model_internal.h: what the files of src/model share with each other and with training. */
#ifndef BFN_MODEL_INTERNAL_H
#define BFN_MODEL_INTERNAL_H

#include "bfn/model.h"
#include "bfn/record.h"
#include "io/safetensors.h"
#include "io/text.h"
#include "model/config.h"

enum { BFN__SHA256_TEXT = 65 };

/* What a checkpoint says of its data: metadata "bfn.data" (JSON) and tensor "data.mean" ([K] when all positions share it, or [D,K]; K is the
 * state's width: 1 for continuous and discretised data). */
typedef struct bfn__data_info {
    bfn__alphabet *alphabet; /* NULL: not a text model, or not known */
    char name[64];           /* of a set of images, "mnist"; "" */
    size_t n_labels;         /* classes that its labels name; 0: no labels */
    float *mean;             /* [mean_rows, K]; NULL: moments not known */
    size_t mean_rows;        /* 1 or D */
    double variance;
    char sha256[BFN__SHA256_TEXT]; /* of the data file; "" */
} bfn__data_info;

void bfn__data_info_free(bfn_context *ctx, bfn__data_info *data);
/* JSON text, freed with free(). NULL: out of memory. */
char *bfn__data_info_write(const bfn__data_info *data);
bfn_status bfn__data_info_read(bfn_context *ctx, const bfn__safetensors *st, size_t D, size_t K, bfn__data_info *data);

/* A network that is told classes needs data with labels that it knows: BFN_ERR_ARGUMENT. */
bfn_status bfn__data_info_check_labels(bfn_context *ctx, const bfn__data_info *data, const bfn__net *net,
                                       const char *path);

/* What a checkpoint says of its training: metadata "bfn.train" (JSON). */
typedef struct bfn__train_info {
    uint64_t step;       /* optimiser steps done */
    uint64_t bad_steps;  /* ... of which this many were skipped */
    uint64_t bad_in_row; /* ... the newest of them, without a good one between */
    double valid_bound;  /* newest validation: bits a position; NaN: none yet */
    double best_bound;   /* best so far; NaN */
    double valid_loss;   /* newest validation: nats a position; NaN */
    double loss_sum;     /* of the good steps since the last line of the log: loss_count of them */
    uint64_t loss_count;
    char weights[8]; /* "raw", or "ema" where net.* holds the average */
} bfn__train_info;

char *bfn__train_info_write(const bfn__train_info *info);
/* Metadata that is missing gives zeros. */
bfn_status bfn__train_info_read(bfn_context *ctx, const bfn__safetensors *st, bfn__train_info *info);

/* The list of what is wrong with a file, in one message: text is cut when full, the count goes on. */
typedef struct bfn__report {
    size_t n, used;
    char text[BFN__ERRMSG_MAX];
} bfn__report;
void bfn__report_add(bfn__report *r, const char *line);
/* BFN_OK when nothing was added; BFN_ERR_INPUT "3 <what>: ...". */
bfn_status bfn__report_end(bfn_context *ctx, const bfn__report *r, const char *what);
#define BFN__NONFINITE "tensors hold NaN or infinity"

/* Where the weights are: "ema.net." (the averages of a training checkpoint, unless raw), "net.", or "" (a bare state dict). */
const char *bfn__weights_prefix(const bfn__safetensors *st, const bfn__net *net, bool raw);

/* Are all tensors "<prefix><parameter>" there, with the network's shapes? What is missing or has another shape is listed in one message
 * (BFN_ERR_INPUT). Comes before memory is taken for a network whose size only the file's configuration says: its tensors prove it. */
bfn_status bfn__weights_check_shapes(bfn_context *ctx, const bfn__safetensors *st, const bfn__net *net,
                                     const char *prefix);
/* Copy tensors "<prefix><parameter>" of a file into an arena; fixed buffers are taken from "net." instead. Shapes are checked first; what
 * is not finite is listed in one message too. */
bfn_status bfn__weights_read(bfn_context *ctx, const bfn__safetensors *st, const bfn__net *net, const char *prefix,
                             bool allow_nonfinite, float *arena);
/* Tensors of the file that belong to no known prefix or parameter: listed in one message (BFN_ERR_INPUT). */
bfn_status bfn__weights_check_names(bfn_context *ctx, const bfn__safetensors *st, const bfn__net *net);

/* Configuration of a checkpoint, resolved again, and its network. label: the file's name for messages. */
bfn_status bfn__checkpoint_config(bfn_context *ctx, const bfn__safetensors *st, const char *label, bfn__config *config,
                                  bfn__net **net);

/* Is the file whole? Its checksum is right, or it has none; and nothing stands in its metadata that this program does not write (else the
 * name of the checksum itself may be what is damaged). For files to resume from; others may carry what they like. */
bfn_status bfn__checkpoint_verify(bfn_context *ctx, const bfn__safetensors *st, const char *label);

/* The same for a file that may need a configuration from another file (NULL: none is given): exactly one of the two must be there. */
bfn_status bfn__find_config(bfn_context *ctx, const bfn__safetensors *st, const char *label, const char *config_path,
                            bfn__config *config, bfn__net **net);

/* What the data is as far as the configuration alone tells it: the alphabet of text8. */
bfn_status bfn__data_info_default(bfn_context *ctx, const bfn__config *config, bfn__data_info *data);

/* BFN_ERR_ARGUMENT: a field out of its range. */
bfn_status bfn__model_options_check(bfn_context *ctx, const bfn_model_options *options);

/* Make bfn__parallel use OpenMP from here on, unless the context brought its own loop. */
void bfn__use_openmp(bfn_context *ctx);

/* Bytes to a record (bfn/record.h): of a PNG or .npz file (*inside false: it is neither), of JSON. BFN_ERR_INPUT: broken, values that are no
 * texts, keys that are none, too many of them. */
bfn_status bfn__record_parse(bfn_context *ctx, bfn_record *record, const void *bytes, size_t n, const char *label,
                             bool *inside);
bfn_status bfn__record_parse_json(bfn_context *ctx, bfn_record *record, const char *bytes, size_t n, const char *label);

typedef struct bfn__file_tensor {
    char *name;
    bfn__dtype dtype;
    int rank;
    size_t shape[BFN_MAX_RANK], count;
} bfn__file_tensor;

struct bfn_model {
    bfn_context *ctx;
    bfn_model_options options;
    bfn__config config;
    char *config_text;
    bfn__net *net;
    float *params; /* arena */
    bfn__exec *exec;
    size_t batch;         /* that exec is compiled for; 0: not yet */
    int32_t label;        /* networks with labels: class of all samples; -1: sample i has class i mod n_labels */
    const int32_t *given; /* not NULL: labels of the samples of the next calls (bfn__dataset's items) */
    int32_t *labels;      /* [batch] */
    bfn_flow flow;
    size_t D;
    size_t n_parameters;
    bfn__data_info data;
    float *mean; /* [D,K] for samplers; NULL */
    bfn__train_info train;
    char checksum[BFN__SHA256_TEXT];
    char config_checksum[BFN__SHA256_TEXT]; /* of config_text where it is no part of the file; "" */
    bfn__file_tensor *tensors;
    size_t n_tensors;
};

#endif
