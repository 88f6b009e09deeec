/* vectors.h: what the kernels of every instruction set are written with: the compiler's vector types, so that one text serves 4, 8 and
 * 16 lanes and every CPU. For *.isa.c files only. A row's tail (n not a multiple of the lanes W) goes through a zero-padded vector, so
 * every element takes the same arithmetic path.
 */
#ifndef BFN_NN_VECTORS_H
#define BFN_NN_VECTORS_H

#include "base/isa.h"

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
enum { W = 16 };
#elif defined(__AVX2__)
enum { W = 8 };
#else
enum { W = 4 };
#endif

typedef float vf __attribute__((vector_size(W * 4), aligned(4), may_alias));
typedef int32_t vi __attribute__((vector_size(W * 4), aligned(4), may_alias));
typedef double vd __attribute__((vector_size(W * 8), aligned(8), may_alias));

#if defined(__AVX512F__)
static const vi LANE = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
#elif defined(__AVX2__)
static const vi LANE = {0, 1, 2, 3, 4, 5, 6, 7};
#else
static const vi LANE = {0, 1, 2, 3};
#endif

static inline vf splat(float x)
{
    return x - (vf){0};
}

static inline vf load(const float *p)
{
    return *(const vf *)p;
}

static inline void store(float *p, vf v)
{
    *(vf *)p = v;
}

static inline vf load_part(const float *p, size_t n)
{
    vf v = {0};
    memcpy(&v, p, n * sizeof *p);
    return v;
}

static inline void store_part(float *p, size_t n, vf v)
{
    memcpy(p, &v, n * sizeof *p);
}

static inline vf load_n(const float *p, size_t left)
{
    return left >= W ? load(p) : load_part(p, left);
}

static inline void store_n(float *p, size_t left, vf v)
{
    if (left >= W)
        store(p, v);
    else
        store_part(p, left, v);
}

static inline vf select_less(vf a, vf b, vf yes, vf no) /* a < b ? yes : no */
{
    vi mask = a < b;
    return (vf)((mask & (vi)yes) | (~mask & (vi)no));
}

/* a < b ? a : b and a < b ? b : a, in one instruction where there is one; the compiler does not find it by itself. */
static inline vf vmin(vf a, vf b)
{
#if defined(__AVX512F__)
    return (vf)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
    return (vf)_mm256_min_ps((__m256)a, (__m256)b);
#else
    return select_less(a, b, a, b);
#endif
}

static inline vf vmax(vf a, vf b)
{
#if defined(__AVX512F__)
    return (vf)_mm512_max_ps((__m512)b, (__m512)a);
#elif defined(__AVX2__)
    return (vf)_mm256_max_ps((__m256)b, (__m256)a);
#else
    return select_less(a, b, b, a);
#endif
}

/* Lane i gets lane i ^ by. clang has no shuffle by a vector of indices; it unrolls the loop and finds the instruction. */
static inline vf exchange(vf v, int by)
{
#if defined(__clang__)
    vf r;
    for (int i = 0; i < W; i++)
        r[i] = v[i ^ by];
    return r;
#else
    return __builtin_shuffle(v, LANE ^ by);
#endif
}

/* The lanes as a tree: each step adds the lanes half as far away. */
static inline float sum_lanes(vf v)
{
    for (int by = W / 2; by > 0; by /= 2)
        v += exchange(v, by);
    return v[0];
}

static inline float max_lanes(vf v)
{
    for (int by = W / 2; by > 0; by /= 2)
        v = vmax(v, exchange(v, by));
    return v[0];
}

static inline vf vsqrt(vf v)
{
    vf r;
    for (int i = 0; i < W; i++)
        r[i] = sqrtf(v[i]);
    return r;
}

/* exp(x) = 2^k exp(r), x = k ln 2 + r with |r| <= ln(2)/2, and the Taylor polynomial of degree 7 of exp(r), whose remainder is below 6e-9. */
static inline vf vexp(vf x)
{
    x = vmin(vmax(x, splat(-87.0f)), splat(88.0f));
    /* adding and taking away 1.5 * 2^23 rounds to the nearest integer; 127 more makes the low bits the biased exponent */
    vf big = splat(12582912.0f + 127.0f);
    vf shifted = x * 1.44269504088896341f + big;
    vf k = shifted - big;
    vf r = x - k * 0.693145751953125f;
    r = r - k * 1.42860682030941723e-6f;
    /* in pairs: a chain of seven would be waited for */
    vf r2 = r * r;
    vf low = (1.0f + r) + r2 * (0.5f + r * (1.0f / 6.0f));
    vf high = (1.0f / 24.0f + r * (1.0f / 120.0f)) + r2 * (1.0f / 720.0f + r * (1.0f / 5040.0f));
    vf p = low + r2 * r2 * high;
    return p * (vf)((vi)shifted << 23);
}

/* 1/(1 + exp(-x)). */
static inline vf vlogistic(vf x)
{
#if defined(__AVX512F__) && defined(__AVX512DQ__)
    /* Half the instructions of a quotient with vexp, thanks to those that only this set has: exp(-x) = 2^t = 2^floor(t) 2^f by the polynomial of
     * degree 6 nearest to 2^f on [0, 1) (off by 7e-9), and a step of Newton's method on the 14 digits of an approximate reciprocal. 2^t must stay
     * below the largest number that has a normal reciprocal. */
    __m512 t = _mm512_min_ps(_mm512_set1_ps(115.0f), (__m512)(x * -1.44269504088896341f));
    vf f = (vf)_mm512_reduce_ps(t, 9 /* less the floor */);
    vf p = 0.0012439688434824347f + f * 0.00021702254889532924f;
    p = 0.009678840637207031f + f * p;
    p = 0.055483341217041016f + f * p;
    p = 0.24022983014583588f + f * p;
    p = 0.6931470036506653f + f * p;
    vf sum = 1.0f + (vf)_mm512_scalef_ps((__m512)(1.0f + f * p), t);
    vf r = (vf)_mm512_rcp14_ps((__m512)sum);
    return r + r * (1.0f - sum * r);
#else
    return 1.0f / (1.0f + vexp(-x));
#endif
}

#endif
