/* kernels.c: which instruction sets this program was built with and which this CPU has. */
#include "nn/kernels.h"

#include "nn/nn.h"

extern const bfn__kernels bfn__kernels_base;
#if defined(__x86_64__)
extern const bfn__kernels bfn__kernels_avx2;
extern const bfn__kernels bfn__kernels_avx512;
#endif

size_t bfn__kernels_list(const bfn__kernels **out, size_t max)
{
    const bfn__kernels *all[3];
    size_t n = 0;
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        all[n++] = &bfn__kernels_avx512;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
        all[n++] = &bfn__kernels_avx2;
#endif
    all[n++] = &bfn__kernels_base;
    for (size_t i = 0; i < n && i < max; i++)
        out[i] = all[i];
    return n < max ? n : max;
}

const bfn__kernels *bfn__kernels_get(void)
{
    const bfn__kernels *best = NULL;
    (void)bfn__kernels_list(&best, 1);
    return best;
}

const char *bfn__cpu_path(void)
{
#if defined(__x86_64__)
    const bfn__kernels *best = bfn__kernels_get();
    if (best == &bfn__kernels_avx512)
        return __builtin_cpu_supports("avx512bf16") ? "avx512_bf16" : "avx512";
    if (best == &bfn__kernels_avx2)
        return "avx2";
#endif
    return "generic";
}
