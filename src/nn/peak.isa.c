/* peak.isa.c: fused multiply-adds on registers alone: 12 independent chains, enough to hide the latency of 4 to 5 cycles on two
 * units (twelve vector registers plus factor and addend fit every instruction set's file). Where the instruction set has no fused
 * multiply-add the compiler emits a product and a sum, which is then the machine's best.
 */
#include "nn/peak.h"

#include "nn/vectors.h"

enum { CHAINS = 12 };

double BFN__ISA(bfn__peak_f32)(size_t rounds, float *sink);

double BFN__ISA(bfn__peak_f32)(size_t rounds, float *sink)
{
    vf a0 = {0}, a1 = a0 + 1, a2 = a0 + 2, a3 = a0 + 3, a4 = a0 + 4, a5 = a0 + 5;
    vf a6 = a0 + 6, a7 = a0 + 7, a8 = a0 + 8, a9 = a0 + 9, b0 = a0 + 10, b1 = a0 + 11;
    vf factor = a0 + 0.999f, addend = a0 + *sink;
    for (size_t i = 0; i < rounds; i++) {
        a0 = a0 * factor + addend;
        a1 = a1 * factor + addend;
        a2 = a2 * factor + addend;
        a3 = a3 * factor + addend;
        a4 = a4 * factor + addend;
        a5 = a5 * factor + addend;
        a6 = a6 * factor + addend;
        a7 = a7 * factor + addend;
        a8 = a8 * factor + addend;
        a9 = a9 * factor + addend;
        b0 = b0 * factor + addend;
        b1 = b1 * factor + addend;
    }
    vf all = a0 + a1 + a2 + a3 + a4 + a5 + a6 + a7 + a8 + a9 + b0 + b1;
    for (int i = 0; i < W; i++)
        *sink += all[i];
    return 2.0 * W * CHAINS * (double)rounds;
}
