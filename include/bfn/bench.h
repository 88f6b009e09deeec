/* bfn/bench.h: how fast networks run here, against what this machine can do at most.
 *
 * FLOPs are 2 x multiply-adds of matrix products, convolutions and attention. Convolutions count as the direct algorithm has them, whatever
 * algorithm runs, so a U-Net may do more than the peak; a training step counts three times its forward pass. A training
 * step is: take parameters, forward, backward (of a made-up gradient of the output), gradient norm, AdamW, EMA.
 */
#ifndef BFN_BENCH_H
#define BFN_BENCH_H

#include "bfn/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Operations a second. The peak is the larger of a loop of fused multiply-adds (bf16: dot products) on registers, and a 4096^3
 * product by oneDNN; all threads of the context. */
typedef struct bfn_bench_peak_result {
    double f32_loop, f32_product, f32;
    double bf16_loop, bf16_product, bf16; /* 0 where the CPU has no bf16 products */
    int n_threads;
} bfn_bench_peak_result;

/* seconds: time to spend on each of the measurements, 0: 0.5. */
BFN_API BFN_MUST_CHECK bfn_status bfn_bench_peak(bfn_context *ctx, double seconds, bfn_bench_peak_result *result);

typedef struct bfn_bench_options {
    size_t struct_size;
    size_t n_layer, n_head, n_embd, seq_len, vocab_size; /* transformer; 0: the full-size text8 network's value */
    size_t batch;                                        /* 0: 8, training 4 (transformer) or 16 (U-Net) */
    int training;                                        /* non-zero: training steps instead of forward passes */
    int bf16;                                            /* non-zero: forward in bf16, where the CPU has it */
    double seconds;                                      /* time to spend, 0: 5; at least two runs are made */
    int images;                                 /* non-zero: the U-Net of CIFAR-10 instead of the transformer */
    size_t n_blocks, embedding_dim, image_size; /* U-Net; 0: the full-size CIFAR-10 network's value */
} bfn_bench_options;

#define BFN_BENCH_OPTIONS_INIT                                                                                         \
    {                                                                                                                  \
        sizeof(bfn_bench_options), 0, 0, 0, 0, 0, 0, 0, 0, 0.0, 0, 0, 0, 0                                             \
    }

typedef struct bfn_bench_result {
    double flops; /* of one run: a forward pass of the batch, or a training step */
    double seconds_best, seconds_mean;
    double flops_per_second;                      /* flops / seconds_best */
    double samples_per_second, tokens_per_second; /* tokens: positions or values of an image */
    size_t n_runs, n_parameters;
    size_t bytes; /* memory: buffers and packed weights, parameters; training: gradients, moments and average too */
    int bf16;     /* products ran in bf16 (see bfn_precision for those that stay f32) */
} bfn_bench_result;

BFN_API BFN_MUST_CHECK bfn_status bfn_bench_network(bfn_context *ctx, const bfn_bench_options *options,
                                                    bfn_bench_result *result);

/* Bytes a second, all threads: of a copy (each byte read and each written counts), and of group normalisation with SiLU in one pass over
 * tensors too large for the caches, [32 x 32, 128 channels] a sample. */
typedef struct bfn_bench_memory_result {
    double copy, groupnorm;
} bfn_bench_memory_result;

/* seconds: time to spend on each, 0: 0.5. */
BFN_API BFN_MUST_CHECK bfn_status bfn_bench_memory(bfn_context *ctx, double seconds, bfn_bench_memory_result *result);

#ifdef __cplusplus
}
#endif
#endif
