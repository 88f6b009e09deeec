/* softmax.h: the exponential that discrete flows need for every position at every step. */
#ifndef BFN_SOFTMAX_H
#define BFN_SOFTMAX_H

#include "base/isa.h"

#include <stddef.h>

/* out[i,:] = softmax(in[i,:]) for n rows of K floats: exp of the float difference from the row's maximum within about 2 ulp, plus the
 * rounding of the sum; same bits on every CPU. out may be in. NaN in a row makes the row NaN; -inf gives 0 beside a finite logit. */
typedef void (*bfn__softmax_fn)(size_t n, size_t K, const float *in, float *out);

/* Two classes. pairs: out[i,:] = (1 - p, p), p = 1 / (1 + exp(-logit[i])).  contrast: out[i] = theta_0 - theta_1 of softmax(z[i,:]). */
typedef void (*bfn__pairs_fn)(size_t n, const float *logit, float *out);
typedef void (*bfn__contrast_fn)(size_t n, const float *z, float *out);

#define BFN__SOFTMAX_DECLARE(isa)                                                                                      \
    void bfn__softmax_##isa(size_t n, size_t K, const float *in, float *out);                                          \
    void bfn__pairs_##isa(size_t n, const float *logit, float *out);                                                   \
    void bfn__contrast_##isa(size_t n, const float *z, float *out);
BFN__SOFTMAX_DECLARE(base)
BFN__SOFTMAX_DECLARE(avx2)
BFN__SOFTMAX_DECLARE(avx512)
#undef BFN__SOFTMAX_DECLARE

#endif
