/* combine.isa.c: a weighted sum of up to six arrays in one pass.
 *
 * One loop for each number of terms, so that the sum stays in registers. Products and sums are rounded separately on every CPU
 * (no contraction), in the same order: the same bits everywhere.
 */
#include "sample/combine.h"

#define TERM(j) factor[j] * (double)term[j][i]
#define LOOP(sum)                                                                                                      \
    _Pragma("omp simd") for (size_t i = 0; i < n; i++)                                                                 \
    {                                                                                                                  \
        out[i] = (float)(sum);                                                                                         \
    }                                                                                                                  \
    break

void BFN__ISA(bfn__combine)(size_t n, float *out, double k, size_t n_terms, const double *factor,
                            const float *const *term)
{
    switch (n_terms) {
    case 1:
        LOOP(k + TERM(0));
    case 2:
        LOOP(k + TERM(0) + TERM(1));
    case 3:
        LOOP(k + TERM(0) + TERM(1) + TERM(2));
    case 4:
        LOOP(k + TERM(0) + TERM(1) + TERM(2) + TERM(3));
    case 5:
        LOOP(k + TERM(0) + TERM(1) + TERM(2) + TERM(3) + TERM(4));
    case 6:
        LOOP(k + TERM(0) + TERM(1) + TERM(2) + TERM(3) + TERM(4) + TERM(5));
    default:
        LOOP(k);
    }
}
