/* bfn/model.h: a trained BFN of text or images: network + flow + data description, from one checkpoint file.
 *
 * A checkpoint is a safetensors file. Tensors: "net.<parameter>"; training checkpoints add "ema.net.<parameter>" (the average, which
 * models use unless raw_weights), "adam.m.<parameter>", "adam.v.<parameter>"; "data.mean" [K] (all positions alike) or [D,K], K the
 * state's width (1 for continuous and discretised data).
 * Metadata: "bfn.config" (the resolved YAML configuration), "bfn.data" (JSON: alphabet, or name and labels; variance, checksum of the data),
 * "bfn.train" (JSON: step, bounds), "bfn.sha256" (of the whole file, with 64 zeros in place of these digits; checked where it is there). F32, F16, BF16 and F64 tensors are read.
 */
#ifndef BFN_MODEL_H
#define BFN_MODEL_H

#include "bfn/sample.h"
#include "bfn/tensors.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bfn_model bfn_model;

/* BF16: the operands of matrix products are rounded to bf16. All else is f32, 3 x 3 convolutions of many channels too: Winograd's algorithm does them
 * faster in f32 than products in bf16 would, and rounds less. */
typedef enum bfn_precision { BFN_PRECISION_DEFAULT = 0, BFN_PRECISION_F32 = 1, BFN_PRECISION_BF16 = 2 } bfn_precision;

typedef struct bfn_model_options {
    size_t struct_size;
    bfn_precision precision; /* default: bf16 where the CPU has it, else f32 */
    int raw_weights;         /* non-zero: the trained weights instead of their average (EMA) */
    int allow_nonfinite;     /* non-zero: NaN and infinity in weights are let through */
    const char *
        config_path; /* NULL, or a YAML file for models that carry no configuration (PyTorch checkpoints): ours, or the layout of
                              * either published code base. BFN_ERR_ARGUMENT: the model has one of its own */
} bfn_model_options;

#define BFN_MODEL_OPTIONS_INIT                                                                                         \
    {                                                                                                                  \
        sizeof(bfn_model_options), BFN_PRECISION_DEFAULT, 0, 0, 0                                                      \
    }

/* A checkpoint of ours, or a PyTorch state dict (.pt, names "net.X" or "X") with options->config_path.
 * BFN_ERR_NOT_FOUND, BFN_ERR_INPUT (all shape mismatches, missing and extra names listed), BFN_ERR_ARGUMENT (configuration). */
BFN_API BFN_MUST_CHECK bfn_status bfn_model_load(bfn_context *ctx, bfn_model **out, const char *path,
                                                 const bfn_model_options *options);
/* A fresh network of random weights from YAML text (a configuration file's content): benches, tests, training from scratch. */
BFN_API BFN_MUST_CHECK bfn_status bfn_model_create(bfn_context *ctx, bfn_model **out, const char *yaml, uint64_t seed,
                                                   const bfn_model_options *options);
BFN_API void bfn_model_destroy(bfn_model *model);

/* How a configuration wants samples to be drawn where nobody says otherwise (section "sampling"). */
typedef struct bfn_sampling_defaults {
    char method[32];               /* a name for bfn_method_parse; "": not said */
    size_t n_steps, n_evaluations; /* 0: not said */
    double eta;                    /* below 0: not said */
    bfn_last last;
    bfn_prediction prediction;
    bfn_grid grid;
    bfn_start start;
    size_t n; /* 0: not said */
    uint64_t seed;
} bfn_sampling_defaults;

typedef struct bfn_model_info {
    const char *network;  /* "gpt" */
    const char *config;   /* the resolved configuration, YAML; these strings live as long as the model */
    const char *checksum; /* sha256 of the file's bytes, hex; "" for a created model */
    const char
        *config_checksum;      /* sha256 of config, hex, where the model's file does not hold it but it was given; "" */
    const char *data_checksum; /* sha256 of the file it was trained on; "" */
    const char *alphabet;      /* symbols in order, UTF-8, padding excluded; NULL: not a text model */
    const char *weights;       /* what tensors net.* hold: "raw", or "ema" after an export */
    bfn_flow flow;
    size_t positions;               /* D */
    size_t height, width, channels; /* images: D = height x width x channels; else 0 */
    size_t n_labels;                /* classes that the network is told; 0: it takes none */
    const char *data_name;          /* of the images it was trained on, "fashion-mnist"; "" */
    size_t n_parameters;            /* trained numbers */
    double flops;                   /* forward, a sample */
    bfn_precision precision;        /* what inference really uses */
    uint64_t step;                  /* training steps behind it */
    double valid_bound, best_bound; /* newest and best validation bound, bits a position; NaN: none */
    int has_moments;
    double variance; /* ... of the data, per position; 0 without moments */
    bfn_sampling_defaults sampling;
} bfn_model_info;
BFN_API void bfn_model_get_info(const bfn_model *model, bfn_model_info *info);

BFN_API size_t bfn_model_n_tensors(const bfn_model *model);
BFN_API void bfn_model_tensor(const bfn_model *model, size_t i, bfn_tensor_info *info);

/* Networks that are told classes: the class of all samples from here on; -1 (as it is at first): sample i has class i mod n_labels.
 * BFN_ERR_ARGUMENT: the network takes none, or there is no such class. */
BFN_API BFN_MUST_CHECK bfn_status bfn_model_set_label(bfn_model *model, int label);

/* The network as a callback for bfn_sampler_run: user is the bfn_model. Compiled lazily for the largest n seen (reserve first). */
BFN_API int bfn_model_predict(void *model, size_t first, size_t n, const double *t, const float *shown, float *out);
BFN_API BFN_MUST_CHECK bfn_status bfn_model_reserve(bfn_model *model, size_t batch);

/* What the options leave to the default and the model decides: with BFN_START_DEFAULT and methods that treat the linear part of continuous
 * data and of bits exactly, the start becomes BFN_START_MOMENTS where the model holds the data's moments (not for published names); else
 * BFN_START_ZERO_MEAN. bfn_model_sample does it itself: call it to say what was done. */
BFN_API void bfn_model_resolve(const bfn_model *model, bfn_solver_options *options);

/* Draw samples first..first+n-1: fills what the model knows (moments) into a copy of options. out: int32_t [n,D] or float [n,D]. */
BFN_API BFN_MUST_CHECK bfn_status bfn_model_sample(bfn_model *model, const bfn_solver_options *solver,
                                                   const bfn_sampler_options *options, size_t first, size_t n,
                                                   void *out);

/* Text models: sample [D] to UTF-8, and a pattern back to (known, values) for infilling: '_' marks a gap; shorter patterns leave the
 * rest open. buffer: 4 D + 1 bytes. BFN_ERR_ARGUMENT when the model is not a text model or a character is not in its alphabet. */
BFN_API BFN_MUST_CHECK bfn_status bfn_model_decode(bfn_model *model, const int32_t *sample, char *buffer);
BFN_API BFN_MUST_CHECK bfn_status bfn_model_infill(bfn_model *model, const char *pattern, unsigned char *known,
                                                   int32_t *values);

/* Write the model of a checkpoint to another file for shipping: one set of weights (net.*), no optimiser. options as for loading
 * (raw_weights: not the average). precision BFN_PRECISION_BF16: trained matrices as bf16, the rest as f32; else all f32. */
BFN_API BFN_MUST_CHECK bfn_status bfn_model_export(bfn_context *ctx, const char *in, const char *out,
                                                   const bfn_model_options *options);

/* Arrays of samples as NumPy .npy: int32_t [n,D] (discrete flow) or float [n,D]. Written atomically. Images: see bfn/picture.h. */
BFN_API BFN_MUST_CHECK bfn_status bfn_samples_save_npy(bfn_context *ctx, const char *path, const bfn_flow *flow,
                                                       size_t n, size_t D, const void *samples);

/* "oneDNN 2.6.3, AVX2": the library and instruction set that networks run on here. */
BFN_API const char *bfn_backend(void);
/* Non-zero where bf16 products run in hardware. */
BFN_API int bfn_has_bf16(void);

#ifdef __cplusplus
}
#endif
#endif
