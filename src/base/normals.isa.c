/* normals.isa.c: Philox4x32-10 over lanes and Box-Muller with our own ln, sin and cos.
 *
 * Why our own: the bits must be the same on every CPU and C library, and drawing noise must cost nothing beside a small network.
 * So every operation here is one that IEEE 754 rounds exactly (+ - * / sqrt, conversions), in a fixed order: plain loops over lanes
 * that the compiler turns into vectors, compiled without contraction of a*b+c.
 *
 *   u    = (r + 1/2) 2^-32                        exact in double
 *   ln u = k ln 2 + 2 atanh(s), s = (m-1)/(m+1)   u = 2^k m, m in [sqrt(1/2), sqrt 2); odd series in s, |s| < 0.172, error < 2e-12
 *   2 pi u reduced to the nearest quarter turn    by integer arithmetic on r, exactly; Taylor series on [-pi/4, pi/4], error < 1e-11
 *
 * The errors are far below half a float ulp (6e-8), so a normal is the correctly rounded one nearly always.
 */
#include "base/normals.h"

#include <Random123/philox.h>
#include <math.h>
#include <string.h>

enum { L = BFN__RANDOM_LANES };

static inline uint32_t mul_high(uint32_t a, uint32_t b)
{
    return (uint32_t)(((uint64_t)a * b) >> 32);
}

void BFN__ISA(bfn__philox)(const uint32_t key[2], const uint32_t counter[4], uint32_t words[4][L])
{
    for (uint32_t l = 0; l < L; l++) {
        words[0][l] = counter[0] + l;
        words[1][l] = counter[1];
        words[2][l] = counter[2];
        words[3][l] = counter[3];
    }
    for (uint32_t round = 0; round < philox4x32_rounds; round++) {
        uint32_t k0 = key[0] + round * PHILOX_W32_0, k1 = key[1] + round * PHILOX_W32_1;
#pragma omp simd
        for (int l = 0; l < L; l++) {
            uint32_t a = words[0][l], b = words[2][l];
            words[0][l] = mul_high(PHILOX_M4x32_1, b) ^ words[1][l] ^ k0;
            words[1][l] = PHILOX_M4x32_1 * b;
            words[2][l] = mul_high(PHILOX_M4x32_0, a) ^ words[3][l] ^ k1;
            words[3][l] = PHILOX_M4x32_0 * a;
        }
    }
}

static inline double bits_to_double(uint64_t bits)
{
    double value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint64_t double_to_bits(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* sqrt(-2 ln u), u = (r + 1/2) 2^-32. Signed conversion: CPUs before AVX-512 have no other; both steps are exact. */
static inline double radius(uint32_t r)
{
    const uint64_t sqrt_half = 0x3fe6a09e667f3bcdu, fraction = 0x000fffffffffffffu, one = 0x3ff0000000000000u;
    double u = ((double)(int32_t)(r ^ 0x80000000u) + 2147483648.5) * 0x1p-32;
    uint64_t shifted = double_to_bits(u) - sqrt_half + one;
    double m = bits_to_double((shifted & fraction) + sqrt_half);
    /* the exponent as a double: its bits below 2^52, then 2^52 and the bias off */
    double k = bits_to_double((shifted >> 52) | 0x4330000000000000u) - (0x1p52 + 1023.0);
    double s = (m - 1.0) / (m + 1.0), q = s * s;
    double series = 1.0 / 13;
    series = series * q + 1.0 / 11;
    series = series * q + 1.0 / 9;
    series = series * q + 1.0 / 7;
    series = series * q + 1.0 / 5;
    series = series * q + 1.0 / 3;
    series = series * q + 1.0;
    return sqrt(k * -1.3862943611198906 - 4.0 * s * series);
}

/* The angle 2 pi (r + 1/2) 2^-32 less the nearest multiple of pi/2, in [-pi/4, pi/4]. */
static inline double reduced_angle(uint32_t r)
{
    uint32_t quarter = (r + 0x20000000u) & 0xc0000000u;
    return ((double)(int32_t)(r - quarter) + 0.5) * 1.4629180792671596e-9; /* 2 pi 2^-32 */
}

static inline double sine(double x)
{
    double q = x * x, series = -1.0 / 39916800;
    series = series * q + 1.0 / 362880;
    series = series * q - 1.0 / 5040;
    series = series * q + 1.0 / 120;
    series = series * q - 1.0 / 6;
    return x + x * q * series;
}

static inline double cosine(double x)
{
    double q = x * x, series = 1.0 / 479001600;
    series = series * q - 1.0 / 3628800;
    series = series * q + 1.0 / 40320;
    series = series * q - 1.0 / 720;
    series = series * q + 1.0 / 24;
    series = series * q - 1.0 / 2;
    return 1.0 + q * series;
}

static inline uint32_t float_to_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float bits_to_float(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* Turn (c, s) by the quarter turns that reduced_angle took off: swap on odd ones, and signs. */
static inline void turn_back(uint32_t r, float *c, float *s)
{
    uint32_t turns = (r + 0x20000000u) >> 30;
    uint32_t odd = 0u - (turns & 1u);
    uint32_t cos_sign = ((turns + 1u) & 2u) << 30, sin_sign = (turns & 2u) << 30;
    uint32_t c_bits = float_to_bits(*c), s_bits = float_to_bits(*s);
    uint32_t difference = (c_bits ^ s_bits) & odd;
    *c = bits_to_float(c_bits ^ difference ^ cos_sign);
    *s = bits_to_float(s_bits ^ difference ^ sin_sign);
}

static void box_muller(const uint32_t *restrict r1, const uint32_t *restrict r2, float *restrict c, float *restrict s)
{
#pragma omp simd
    for (int l = 0; l < L; l++) {
        double length = radius(r1[l]), angle = reduced_angle(r2[l]);
        c[l] = (float)(length * cosine(angle));
        s[l] = (float)(length * sine(angle));
    }
#pragma omp simd
    for (int l = 0; l < L; l++)
        turn_back(r2[l], &c[l], &s[l]);
}

void BFN__ISA(bfn__normals)(uint32_t words[4][L], float out[BFN__RANDOM_CHUNK])
{
    float n[4][L];
    box_muller(words[0], words[1], n[0], n[1]);
    box_muller(words[2], words[3], n[2], n[3]);
    for (int l = 0; l < L; l++) {
        out[4 * l] = n[0][l];
        out[4 * l + 1] = n[1][l];
        out[4 * l + 2] = n[2][l];
        out[4 * l + 3] = n[3][l];
    }
}
