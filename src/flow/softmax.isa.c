/* softmax.isa.c: softmax over short rows, as plain loops that vectorise.
 *
 *   exp(x), x <= 0:  n = round(x / ln 2), r = x - n ln 2 in two parts, |r| < 0.347, Taylor polynomial of degree 7 (error 6e-9), times 2^n
 *
 * Text has 27 classes: a row is too short to fill vectors well, so the exponential, which costs most, runs over several rows at once
 * in a buffer. Sums and maxima go through a fixed number of lanes, whatever the width of the CPU's vectors, so that results are
 * the same on all of them. Below exp(-87.3), the smallest normal float, the result is 0.
 */
#include "flow/softmax.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

enum { LANES = 8, BUFFER = 1024 };

static inline float exp_not_positive(float x)
{
    const float lowest = -87.33654f, magic = 12582912.0f; /* 1.5 2^23: adding it rounds to an integer */
    float y = x < lowest ? lowest : x;
    float shifted = y * 1.44269504f + magic;
    float n = shifted - magic;
    float r = (y - n * 0.693359375f) + n * 2.12194440e-4f;
    float p = 1.0f / 5040;
    p = p * r + 1.0f / 720;
    p = p * r + 1.0f / 120;
    p = p * r + 1.0f / 24;
    p = p * r + 1.0f / 6;
    p = p * r + 0.5f;
    p = p * (r * r) + r + 1.0f;
    uint32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    bits = (bits << 23) + 0x3f800000u; /* 2^n */
    float scale;
    memcpy(&scale, &bits, sizeof scale);
    return x < lowest ? 0.0f : p * scale;
}

static inline float larger(float a, float b)
{
    return a > b ? a : b;
}

/* A NaN is passed over here; its own exponential then makes the row's sum NaN. */
static float row_max(size_t K, const float *x)
{
    float lane[LANES];
    for (int l = 0; l < LANES; l++)
        lane[l] = -INFINITY;
    size_t j = 0;
    for (; j + LANES <= K; j += LANES)
        for (int l = 0; l < LANES; l++)
            lane[l] = larger(x[j + l], lane[l]);
    for (; j < K; j++)
        lane[0] = larger(x[j], lane[0]);
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int l = 0; l < half; l++)
            lane[l] = larger(lane[l], lane[l + half]);
    return lane[0];
}

static float row_sum(size_t K, const float *x)
{
    float lane[LANES] = {0};
    size_t j = 0;
    for (; j + LANES <= K; j += LANES)
        for (int l = 0; l < LANES; l++)
            lane[l] += x[j + l];
    for (int l = 0; j < K; j++, l++)
        lane[l] += x[j];
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int l = 0; l < half; l++)
            lane[l] += lane[l + half];
    return lane[0];
}

static void exponentials(size_t n, const float *x, float *out)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        out[i] = exp_not_positive(x[i]);
}

/* Rows that fit the buffer together. */
static void short_rows(size_t n, size_t K, const float *in, float *out)
{
    float buffer[BUFFER];
    for (size_t i = 0; i < n; i++) {
        float max = row_max(K, in + i * K);
        for (size_t j = 0; j < K; j++)
            buffer[i * K + j] = in[i * K + j] - max;
    }
    exponentials(n * K, buffer, buffer);
    for (size_t i = 0; i < n; i++) {
        float scale = 1.0f / row_sum(K, buffer + i * K);
        for (size_t j = 0; j < K; j++)
            out[i * K + j] = buffer[i * K + j] * scale;
    }
}

static void long_row(size_t K, const float *in, float *out)
{
    float max = row_max(K, in);
    for (size_t j = 0; j < K; j++)
        out[j] = in[j] - max;
    exponentials(K, out, out);
    float scale = 1.0f / row_sum(K, out);
    for (size_t j = 0; j < K; j++)
        out[j] *= scale;
}

void BFN__ISA(bfn__softmax)(size_t n, size_t K, const float *in, float *out)
{
    size_t together = BUFFER / K;
    for (size_t i = 0; i < n;) {
        size_t rows = together < n - i ? together : n - i;
        if (together > 0) {
            short_rows(rows, K, in + i * K, out + i * K);
        } else {
            rows = 1;
            long_row(K, in + i * K, out + i * K);
        }
        i += rows;
    }
}

void BFN__ISA(bfn__pairs)(size_t n, const float *restrict logit, float *restrict out)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        float e = exp_not_positive(-fabsf(logit[i]));
        float likely = 1.0f / (1.0f + e), unlikely = e * likely;
        out[2 * i] = logit[i] > 0.0f ? unlikely : likely;
        out[2 * i + 1] = logit[i] > 0.0f ? likely : unlikely;
    }
}

void BFN__ISA(bfn__contrast)(size_t n, const float *restrict z, float *restrict out)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        float difference = z[2 * i] - z[2 * i + 1];
        float e = exp_not_positive(-fabsf(difference));
        out[i] = copysignf((1.0f - e) / (1.0f + e), difference);
    }
}
