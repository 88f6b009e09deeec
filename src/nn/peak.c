/* peak.c: measures what this machine can do at most; see peak.h. */
#include "nn/peak.h"

#include "base/isa.h"
#include "nn/dnnl_ops.h"
#include "nn/parallel.h"

#include <string.h>
#include <time.h>

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#define HAVE_DOT 1
#else
#define HAVE_DOT 0
#endif

double bfn__seconds(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double bfn__peak_f32_base(size_t rounds, float *sink);
#if defined(__x86_64__)
double bfn__peak_f32_avx2(size_t rounds, float *sink);
double bfn__peak_f32_avx512(size_t rounds, float *sink);
#endif

bfn__peak_loop bfn__peak_loop_f32(void)
{
    return BFN__ISA_PICK(bfn__peak_f32);
}

#if HAVE_DOT
/* Each instruction multiplies 32 pairs of bf16 numbers and adds them to 16 sums. */
__attribute__((target("avx512f,avx512bf16"))) static double dot_bf16(size_t rounds, float *sink)
{
    enum { CHAINS = 12 };
    __m512 sums[CHAINS];
    __m512i bits = _mm512_set1_epi32(0x3f803f80); /* ones */
    __m512bh x, y;
    memcpy(&x, &bits, sizeof x);
    memcpy(&y, &bits, sizeof y);
    for (int c = 0; c < CHAINS; c++)
        sums[c] = _mm512_set1_ps(*sink + (float)c);
    for (size_t i = 0; i < rounds; i++)
#pragma GCC unroll 12
        for (int c = 0; c < CHAINS; c++)
            sums[c] = _mm512_dpbf16_ps(sums[c], x, y);
    for (int c = 0; c < CHAINS; c++)
        *sink += _mm512_reduce_add_ps(sums[c]);
    return 2.0 * 32.0 * CHAINS * (double)rounds;
}
#endif

bfn__peak_loop bfn__peak_loop_bf16(void)
{
#if HAVE_DOT
    if (__builtin_cpu_supports("avx512f") != 0 && __builtin_cpu_supports("avx512bf16") != 0)
        return dot_bf16;
#endif
    return NULL;
}

enum { ROUNDS = 1 << 20, MAX_THREADS = 1024 };

typedef struct peak_run {
    bfn__peak_loop loop;
    double done[MAX_THREADS];
    float sink[MAX_THREADS];
} peak_run;

static void run_loop(void *arg, size_t i, int thread)
{
    (void)thread;
    peak_run *run = arg;
    float sink = 1e-3f; /* on the stack: threads do not share a cache line */
    run->done[i] = run->loop(ROUNDS, &sink);
    run->sink[i] = sink;
}

double bfn__peak_of_loop(bfn_context *ctx, bfn__peak_loop loop, double seconds)
{
    peak_run run = {.loop = loop};
    size_t n = (size_t)bfn__n_threads(ctx);
    double best = 0.0, start = bfn__seconds();
    n = n < MAX_THREADS ? n : MAX_THREADS;
    do {
        double begin = bfn__seconds(), done = 0.0;
        bfn__loop((int)n, n, run_loop, &run);
        double took = bfn__seconds() - begin;
        for (size_t i = 0; i < n; i++)
            done += run.done[i];
        if (took > 0.0 && done / took > best)
            best = done / took;
    } while (bfn__seconds() - start < seconds);
    return best;
}

double bfn__peak_of_product(bfn_context *ctx, bool bf16, double seconds)
{
    enum { N = 4096 };
    float *a = bfn__calloc(ctx, (size_t)3 * N * N, sizeof *a);
    if (a == NULL)
        return -1.0;
    float *b = a + (size_t)N * N, *c = b + (size_t)N * N;
    for (size_t i = 0; i < (size_t)2 * N * N; i++)
        a[i] = (float)(i % 97) * 0.01f;
    double best = 0.0, start = bfn__seconds();
    for (int i = 0; i < 2 || bfn__seconds() - start < seconds; i++) {
        double took = bfn__dnnl_time_product(ctx, bfn__n_threads(ctx), bf16, N, a, b, c);
        if (took <= 0.0)
            break;
        double rate = 2.0 * (double)N * N * N / took;
        best = rate > best ? rate : best;
    }
    bfn__free(ctx, a);
    return best;
}
