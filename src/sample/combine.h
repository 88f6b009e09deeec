/* combine.h: the vectorised kernel below update.c. */
#ifndef BFN_COMBINE_H
#define BFN_COMBINE_H

#include "base/isa.h"

#include <stddef.h>

enum { BFN__MAX_TERMS = 6 };

/* out[i] = k + sum_j factor[j] * term[j][i], in double, rounded once; 0 to BFN__MAX_TERMS terms, added in order. A term may be out. */
#define BFN__COMBINE_DECLARE(isa)                                                                                      \
    void bfn__combine_##isa(size_t n, float *out, double k, size_t n_terms, const double *factor,                      \
                            const float *const *term);
BFN__COMBINE_DECLARE(base)
BFN__COMBINE_DECLARE(avx2)
BFN__COMBINE_DECLARE(avx512)
#undef BFN__COMBINE_DECLARE

#endif
