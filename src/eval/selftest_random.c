/* selftest_random.c: random numbers against published test vectors and against their law.
 *
 * The three vectors are those that the authors of Philox4x32-10 publish with Random123: counters and keys of all zeros, all ones,
 * and the digits of pi. A number of ours is reached through (seed, sample, draw, element), so the vectors also fix which of these
 * fills which word of counter and key (SPEC 11.6). Normals are recomputed here from their words with libm's functions.
 */
#include "base/random.h"
#include "eval/selftest.h"

#include <math.h>

typedef struct known_answer {
    uint64_t seed, sample;
    uint32_t draw, block;
    uint32_t words[4];
} known_answer;

static const known_answer answers[] = {
    {0, 0, 0, 0, {0x6627e8d5U, 0xe169c58dU, 0xbc57ac4cU, 0x9b00dbd8U}},
    {UINT64_MAX, UINT64_MAX, UINT32_MAX, UINT32_MAX, {0x408f276dU, 0x41c83b0eU, 0xa20bc7c6U, 0x6d5451fdU}},
    {0x299f31d0a4093822U,
     0x0370734413198a2eU,
     0x85a308d3U,
     0x243f6a88U,
     {0xd16cfe09U, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
};

static void check_words(bfn__selftest *st)
{
    size_t wrong = 0;
    for (size_t a = 0; a < sizeof answers / sizeof *answers; a++) {
        const known_answer *k = &answers[a];
        uint32_t words[4];
        bfn__random_words(k->seed, k->sample, k->draw, 4 * (size_t)k->block, 4, words);
        for (int w = 0; w < 4; w++)
            wrong += words[w] != k->words[w];
    }
    bfn__selftest_equal(st, (double)wrong, 0.0, 0.0, "Philox4x32-10 test vectors, wrong words of 12");
}

/* Any part of a stream is the same numbers as the whole stream. */
static void check_parts(bfn__selftest *st)
{
    enum { N = 600 };
    float whole[N], part[N];
    size_t wrong = 0;
    bfn__random_normals(3, 5, 7, 0, N, whole);
    for (size_t first = 0; first < N; first += 37) {
        size_t n = N - first < 41 ? N - first : 41;
        bfn__random_normals(3, 5, 7, first, n, part);
        for (size_t i = 0; i < n; i++)
            wrong += part[i] != whole[first + i];
    }
    bfn__selftest_equal(st, (double)wrong, 0.0, 0.0, "parts of a stream that differ from the whole");
}

static void check_normals(bfn__selftest *st)
{
    enum { N = 1024 };
    const double two_pi = 6.283185307179586;
    uint32_t words[N];
    float normals[N];
    double uniforms[N], worst_uniform = 0.0, worst_normal = 0.0;
    bfn__random_words(11, 2, 9, 0, N, words);
    bfn__random_uniforms(11, 2, 9, 0, N, uniforms);
    bfn__random_normals(11, 2, 9, 0, N, normals);
    for (int i = 0; i < N; i += 2) {
        double u = ((double)words[i] + 0.5) * 0x1p-32, v = ((double)words[i + 1] + 0.5) * 0x1p-32;
        double radius = sqrt(-2.0 * log(u));
        worst_uniform = fmax(worst_uniform, fabs(uniforms[i] - u) + fabs(uniforms[i + 1] - v));
        worst_normal = fmax(worst_normal, fabs((double)normals[i] - radius * cos(two_pi * v)));
        worst_normal = fmax(worst_normal, fabs((double)normals[i + 1] - radius * sin(two_pi * v)));
    }
    bfn__selftest_equal(st, worst_uniform, 0.0, 0.0, "uniforms are (r + 1/2) / 2^32, worst error");
    bfn__selftest_most(st, worst_normal, 1e-6, "normals are Box-Muller, worst error");
}

/* Moments over 64 streams: z-scores of mean, variance, fourth moment, and of the product of neighbours. */
static void check_moments(bfn__selftest *st)
{
    enum { N = 1024, STREAMS = 64 };
    double sum[4] = {0};
    for (uint64_t s = 0; s < STREAMS; s++) {
        float x[N];
        bfn__random_normals(1, s, 4, 0, N, x);
        for (int i = 0; i < N; i++) {
            double v = (double)x[i], square = v * v;
            sum[0] += v;
            sum[1] += square;
            sum[2] += square * square;
            sum[3] += v * (double)x[(i + 1) % N];
        }
    }
    double n = (double)N * STREAMS;
    bfn__selftest_range(st, sum[0] / sqrt(n), -4.0, 4.0, "normals: mean, standard errors from 0");
    bfn__selftest_range(st, (sum[1] - n) / sqrt(2.0 * n), -4.0, 4.0, "normals: variance, standard errors from 1");
    bfn__selftest_range(st, (sum[2] - 3.0 * n) / sqrt(96.0 * n), -4.0, 4.0,
                        "normals: fourth moment, standard errors from 3");
    bfn__selftest_range(st, sum[3] / sqrt(n), -4.0, 4.0, "normals: product of neighbours, standard errors from 0");
}

bfn_status bfn__selftest_random(bfn__selftest *st)
{
    bfn__selftest_heading(st, "Random numbers");
    check_words(st);
    check_parts(st);
    check_normals(st);
    check_moments(st);
    return BFN_OK;
}
