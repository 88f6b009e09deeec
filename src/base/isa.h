/* isa.h: kernels compiled once for each instruction set (files named *.isa.c), picked at run time.
 *
 * In such a file BFN_ISA is base, avx2 or avx512 and every function is named BFN__ISA(bfn__thing), which gives bfn__thing_avx2;
 * BFN__ISA_NAME is "avx2".
 * BFN__ISA_PICK(bfn__thing) is the best one for this CPU. avx512 means F, BW, DQ and VL. Layers whose results must not depend on
 * the CPU (base, flow) are compiled without contraction of a*b+c, so all versions give the same bits.
 */
#ifndef BFN_ISA_H
#define BFN_ISA_H

#define BFN__ISA_PASTE_(name, isa) name##_##isa
#define BFN__ISA_PASTE(name, isa) BFN__ISA_PASTE_(name, isa)
#define BFN__ISA(name) BFN__ISA_PASTE(name, BFN_ISA)
#define BFN__ISA_TEXT_(isa) #isa
#define BFN__ISA_TEXT(isa) BFN__ISA_TEXT_(isa)
#define BFN__ISA_NAME BFN__ISA_TEXT(BFN_ISA)

typedef enum bfn__isa_level { BFN__ISA_BASE = 0, BFN__ISA_AVX2 = 1, BFN__ISA_AVX512 = 2 } bfn__isa_level;

static inline bfn__isa_level bfn__isa_best(void)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
        __builtin_cpu_supports("avx512dq") != 0 && __builtin_cpu_supports("avx512vl") != 0)
        return BFN__ISA_AVX512;
    if (__builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0) /* such CPUs have F16C */
        return BFN__ISA_AVX2;
#endif
    return BFN__ISA_BASE;
}

#if defined(__x86_64__)
#define BFN__ISA_PICK_LEVEL(name, level)                                                                               \
    ((level) == BFN__ISA_AVX512 ? name##_avx512 : (level) == BFN__ISA_AVX2 ? name##_avx2 : name##_base)
#else
#define BFN__ISA_PICK_LEVEL(name, level) ((void)(level), name##_base)
#endif
#define BFN__ISA_PICK(name) BFN__ISA_PICK_LEVEL(name, bfn__isa_best())

#endif
