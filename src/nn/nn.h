/* nn.h: networks as graphs: described once, compiled for a batch size and precision, run without allocation.
 *
 *   net     a description: class, configuration, list of named parameters (names of the published PyTorch checkpoints) and a graph
 *           of operations over them; owns no numbers
 *   params  one flat float arena with every parameter (or its gradient, moment, average) at 64-byte aligned offsets
 *   exec    a net compiled for batch size, precision and inference/training: primitives created, buffers placed in one arena by
 *           lifetime (inference) or kept for backward (training), weights packed
 *
 * Knows tensors, not Bayesian flows. All oneDNN calls are in dnnl_ops.c. Times t are given in [0,1].
 */
#ifndef BFN_NN_H
#define BFN_NN_H

#include "base/base.h"

typedef enum bfn__precision { BFN__F32 = 0, BFN__BF16 = 1 } bfn__precision;

enum { BFN__MAX_RANK = 4, BFN__MAX_NAME = 96 };

/* Configuration of a network as key/value pairs with the published names (n_layer, n_head, n_embd, ...). */
typedef struct bfn__option {
    const char *key;
    double value; /* numbers and booleans (0/1) */
} bfn__option;

typedef enum bfn__init { BFN__INIT_ZERO, BFN__INIT_ONE, BFN__INIT_NORMAL, BFN__INIT_UNIFORM } bfn__init;

typedef struct bfn__param {
    char name[BFN__MAX_NAME]; /* "transformer.h.0.ln_1.weight" */
    int rank;
    size_t shape[BFN__MAX_RANK];
    size_t count;  /* product of shape */
    size_t offset; /* in floats, into a params arena */
    bool decay;    /* weight decay applies (Linear and convolution weights) */
    bool trained;  /* false: a fixed buffer (pos_embedding): saved and loaded, no gradient */
    bfn__init init;
    double init_scale; /* standard deviation or half width */
} bfn__param;

typedef struct bfn__net bfn__net;

/* class_name "gpt", "unet_vdm" or "unet_adm". Keys of nested configurations are joined with a point, members of lists are numbered:
 * "input_adapter.add_mask", "channel_mult.0". Unknown keys are refused with the nearest name; missing ones take the
 * class's defaults. Every wrong value gives BFN_ERR_ARGUMENT with key, value and range. */
bfn_status bfn__net_create(bfn_context *ctx, bfn__net **out, const char *class_name, const bfn__option *options,
                           size_t n_options);
void bfn__net_destroy(bfn__net *net);

const char *bfn__net_class(const bfn__net *net);
size_t bfn__net_n_options(const bfn__net *net); /* the resolved configuration, defaults included */
const bfn__option *bfn__net_options(const bfn__net *net);
size_t bfn__net_positions(const bfn__net *net); /* D: T, or H*W*C */
size_t bfn__net_n_labels(const bfn__net *net);  /* classes that a label may name; 0: the network takes no labels */
/* Height, width and channels of the image that the network is shown; false: it is shown no image. */
bool bfn__net_image(const bfn__net *net, size_t *height, size_t *width, size_t *channels);
size_t bfn__net_shown_size(const bfn__net *net);  /* floats a sample of the input */
size_t bfn__net_output_size(const bfn__net *net); /* floats a sample of the output */
size_t bfn__net_n_params(const bfn__net *net);    /* number of tensors */
const bfn__param *bfn__net_param(const bfn__net *net, size_t i);
const bfn__param *bfn__net_find(const bfn__net *net,
                                const char *name); /* by name; NULL: the network has no such parameter */
size_t bfn__net_arena(const bfn__net *net);        /* floats of a params arena */
double bfn__net_flops(const bfn__net *net);        /* forward, a sample: 2 x multiply-adds of products and attention */

/* Fill an arena with the initial values (counter-based: depends on seed and parameter index alone), fixed buffers included. */
void bfn__net_init(const bfn__net *net, uint64_t seed, float *params);

typedef struct bfn__exec bfn__exec;

typedef struct bfn__exec_options {
    size_t batch;             /* largest n given to forward, >= 1 */
    bfn__precision precision; /* BF16 falls back to f32 where the CPU lacks it; training is f32 */
    bool training;
    /* training: for the gradient of the input alone. Products leave out their weights' (grads is scratch then), and a forward may have any number of
     * backwards; takes more memory. */
    bool input_only;
    /* for tests: */
    bool emulate_bf16; /* BF16 where the CPU lacks it: operands are rounded to bf16 and multiplied in f32 */
    bool packed;       /* products by oneDNN's primitives with packed weights even where dnnl_sgemm is faster */
} bfn__exec_options;

bfn_status bfn__exec_create(bfn_context *ctx, bfn__exec **out, const bfn__net *net, const bfn__exec_options *options);
void bfn__exec_destroy(bfn__exec *exec);
bfn__precision bfn__exec_precision(const bfn__exec *exec); /* what is really used */
size_t bfn__exec_bytes(const bfn__exec *exec);             /* memory it holds */

/* Take (new) parameters: packs the weights, and keeps `params` for the rest: they must stay valid, and set_params must be called
 * again after every change of them (each optimiser step), before the next forward. */
bfn_status bfn__exec_set_params(bfn__exec *exec, const float *params);

/* Training with a network whose dropout is not 0: on for the following forwards, with masks that are a function of (seed, step); give
 * each forward a step of its own. Off (nothing is dropped) until the first call, and after bfn__exec_no_dropout (validation). */
void bfn__exec_set_dropout(bfn__exec *exec, uint64_t seed, uint64_t step);
void bfn__exec_no_dropout(bfn__exec *exec);

/* Labels of the following forwards (and their backward): labels[i] in [0, n_labels) or -1 (none) for sample i of the call; the array must
 * stay valid. NULL: no sample has one (as it is at first). Networks without labels ignore it. */
void bfn__exec_set_labels(bfn__exec *exec, const int32_t *labels);

/* shown float [n, shown_size], t double [n], out float [n, output_size]; 1 <= n <= batch. */
bfn_status bfn__exec_forward(bfn__exec *exec, size_t n, const float *shown, const double *t, float *out);

/* After a forward of the same n on a training exec, once (input_only: as often as wanted). d_out [n, output_size]; grads: params arena that is ADDED to (accumulation);
 * d_shown NULL or [n, shown_size]. */
bfn_status bfn__exec_backward(bfn__exec *exec, size_t n, const float *d_out, float *grads, float *d_shown);

/* ---- optimiser (optim.c): AdamW with decoupled decay, global gradient norm clipping, EMA ---- */
typedef struct bfn__adamw {
    double lr, beta1, beta2, eps, weight_decay;
} bfn__adamw;

/* Norm over all trained parameters, in double. */
double bfn__grad_norm(bfn_context *ctx, const bfn__net *net, const float *grads);

/* One update, step counted from 1; grads are multiplied by grad_scale first. m, v: arenas. */
void bfn__adamw_step(bfn_context *ctx, const bfn__net *net, const bfn__adamw *options, uint64_t step, double grad_scale,
                     const float *grads, float *params, float *m, float *v);

/* ema = decay * ema + (1-decay) * params, trained parameters only. */
void bfn__ema_update(bfn_context *ctx, const bfn__net *net, double decay, const float *params, float *ema);

/* "avx512_bf16", "avx512", "avx2", "generic": what the own kernels use; oneDNN's version "2.6.3". */
const char *bfn__cpu_path(void);
const char *bfn__dnnl_version(void);

#endif
