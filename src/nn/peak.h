/* peak.h: what this machine can do at most: the yardstick of the bench. */
#ifndef BFN_NN_PEAK_H
#define BFN_NN_PEAK_H

#include "base/base.h"

/* Fused multiply-adds on registers alone, `rounds` times on the calling thread; returns the floating-point operations done, and in *sink a
 * number that depends on all of them. */
typedef double (*bfn__peak_loop)(size_t rounds, float *sink);

/* The loop of the best instruction set; bf16: the bf16 dot product, NULL where the CPU has none. */
bfn__peak_loop bfn__peak_loop_f32(void);
bfn__peak_loop bfn__peak_loop_bf16(void);

/* Operations a second of a loop on all threads of the context, best of several runs within about `seconds`. */
double bfn__peak_of_loop(bfn_context *ctx, bfn__peak_loop loop, double seconds);

/* Operations a second of a 4096^3 product by oneDNN on all threads, best of at least two; 0 where bf16 is not implemented.
 * Negative: no memory (message set). */
double bfn__peak_of_product(bfn_context *ctx, bool bf16, double seconds);

double bfn__seconds(void); /* monotonic clock */

#endif
