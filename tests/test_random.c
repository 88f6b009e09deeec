/* Random numbers: Random123's known answers, our lanes against its own function, every instruction set against the others bit for bit,
 * normals against libm, their law, and that a number depends on (seed, sample, draw, element) alone. */
#include "base/normals.h"
#include "base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <Random123/philox.h>
#include <cmocka.h>

enum { L = BFN__RANDOM_LANES, CHUNK = BFN__RANDOM_CHUNK };

static const uint64_t SEED = 0x0123456789abcdefu, SAMPLE = 0x1122334455667788u;

/* One chunk by the kernels of a level. */
static void philox_at(bfn__isa_level level, const uint32_t key[2], const uint32_t counter[4], uint32_t words[4][L])
{
    BFN__ISA_PICK_LEVEL(bfn__philox, level)(key, counter, words);
}

static void normals_at(bfn__isa_level level, uint32_t words[4][L], float *out)
{
    BFN__ISA_PICK_LEVEL(bfn__normals, level)(words, out);
}

static void known_answers(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], answer[4];
    } known[3] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff},
         {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344},
         {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (bfn__isa_level level = BFN__ISA_BASE; level <= bfn__isa_best(); level++) {
        for (int i = 0; i < 3; i++) {
            uint32_t words[4][L];
            philox_at(level, known[i].key, known[i].counter, words);
            for (int w = 0; w < 4; w++)
                assert_int_equal(words[w][0], known[i].answer[w]);
        }
    }
}

static void lanes_are_philox(void **state)
{
    (void)state;
    const uint32_t key[2] = {0x89abcdef, 0x01234567}, counter[4] = {0xffffffe0, 7, 1, 0x80000000};
    for (bfn__isa_level level = BFN__ISA_BASE; level <= bfn__isa_best(); level++) {
        uint32_t words[4][L];
        philox_at(level, key, counter, words);
        for (uint32_t l = 0; l < L; l++) {
            philox4x32_ctr_t c = {{counter[0] + l, counter[1], counter[2], counter[3]}};
            philox4x32_key_t k = {{key[0], key[1]}};
            philox4x32_ctr_t block = philox4x32(c, k);
            for (int w = 0; w < 4; w++)
                assert_int_equal(words[w][l], block.v[w]);
        }
    }
}

/* Blocks 5 and 6 of a stream, computed by an independent program. Changing these numbers changes every sample of every seed. */
static void layout_is_frozen(void **state)
{
    (void)state;
    static const uint32_t want_words[8] = {1245688814, 1396859142, 377819820, 2768822373,
                                           2783431248, 1221528760, 413453111, 2081396017};
    static const float want_normals[8] = {-0x1.6ec3b6p-1f, 0x1.669de6p+0f, -0x1.5ae4p+0f,   -0x1.bd47b2p+0f,
                                          -0x1.993382p-3f, 0x1.d1c748p-1f, -0x1.13a6dap+1f, 0x1.abbcbcp-3f};
    uint32_t words[8];
    float normals[8];
    double uniforms[8];
    bfn__random_words(SEED, SAMPLE, 9, 20, 8, words);
    bfn__random_normals(SEED, SAMPLE, 9, 20, 8, normals);
    bfn__random_uniforms(SEED, SAMPLE, 9, 20, 8, uniforms);
    for (int i = 0; i < 8; i++) {
        assert_int_equal(words[i], want_words[i]);
        assert_true(normals[i] == want_normals[i]);
        assert_true(uniforms[i] == ((double)want_words[i] + 0.5) / 4294967296.0);
    }
    assert_int_equal(bfn__random_below(SEED, SAMPLE, 9, 10, 1000), 325);
    assert_int_equal(bfn__draw(3, BFN__DRAW_DROPOUT), 14);
}

/* Any cut of a stream gives the numbers of the whole. */
static void cuts_do_not_matter(void **state)
{
    (void)state;
    enum { N = 1500 };
    static float whole[N], part[N];
    static uint32_t words[N], part_words[N];
    static double uniforms[N], part_uniforms[N];
    bfn__random_normals(SEED, 3, 4, 0, N, whole);
    bfn__random_words(SEED, 3, 4, 0, N, words);
    bfn__random_uniforms(SEED, 3, 4, 0, N, uniforms);
    for (size_t first = 0; first < N; first += 37) {
        for (size_t n = 0; first + n <= N; n += n < 40 ? 1 : 131) {
            bfn__random_normals(SEED, 3, 4, first, n, part);
            bfn__random_words(SEED, 3, 4, first, n, part_words);
            bfn__random_uniforms(SEED, 3, 4, first, n, part_uniforms);
            assert_memory_equal(part, whole + first, n * sizeof *part);
            assert_memory_equal(part_words, words + first, n * sizeof *part_words);
            assert_memory_equal(part_uniforms, uniforms + first, n * sizeof *part_uniforms);
        }
    }
}

static void streams_differ(void **state)
{
    (void)state;
    float a[8], b[4][8];
    bfn__random_normals(1, 2, 3, 0, 8, a);
    bfn__random_normals(0x100000001u, 2, 3, 0, 8, b[0]);
    bfn__random_normals(1, 0x100000002u, 3, 0, 8, b[1]);
    bfn__random_normals(1, 2, 4, 0, 8, b[2]);
    bfn__random_normals(2, 1, 3, 0, 8, b[3]);
    for (int s = 0; s < 4; s++)
        for (int i = 0; i < 8; i++)
            assert_true(a[i] != b[s][i]);
}

/* Words that matter: ends of the range, powers of two, quarter turns, and random ones. */
static uint32_t telling_word(size_t i, uint32_t random)
{
    static const uint32_t ends[] = {0, 1, 0xffffffff, 0xfffffffe, 0x7fffffff, 0x80000000, 0xb504f333, 0xb504f334};
    if (i % 8 == 0)
        return ends[(i / 8) % 8];
    if (i % 8 == 1)
        return (1u << ((i / 8) % 32)) - (uint32_t)((i / 256) % 3);
    if (i % 8 == 2) /* eighths of a turn, just before and after */
        return (uint32_t)((i / 8) % 8) * 0x20000000u - (uint32_t)((i / 64) % 3) + 1u;
    return random;
}

static void telling_words(uint32_t round, uint32_t words[4][L])
{
    uint32_t random[CHUNK];
    bfn__random_words(11, 0, 0, (size_t)round * CHUNK, CHUNK, random);
    for (size_t w = 0; w < 4; w++)
        for (size_t l = 0; l < L; l++)
            words[w][l] = telling_word(random[l * 4 + w] >> 8, random[l * 4 + w]);
}

static void instruction_sets_agree(void **state)
{
    (void)state;
    for (uint32_t round = 0; round < 2000; round++) {
        uint32_t words[4][L];
        float base[CHUNK], other[CHUNK];
        telling_words(round, words);
        normals_at(BFN__ISA_BASE, words, base);
        for (bfn__isa_level level = BFN__ISA_AVX2; level <= bfn__isa_best(); level++) {
            normals_at(level, words, other);
            assert_memory_equal(base, other, sizeof base);
        }
    }
    print_message("instruction sets compared: base%s%s\n", bfn__isa_best() >= BFN__ISA_AVX2 ? ", avx2" : "",
                  bfn__isa_best() >= BFN__ISA_AVX512 ? ", avx512" : "");
}

/* libm's Box-Muller. Multiples of a quarter turn are taken off exactly first: cos(pi/2 + tiny) in double would lose the tiny part. */
static void box_muller(uint32_t r1, uint32_t r2, double out[2])
{
    double length = sqrt(-2.0 * log(((double)r1 + 0.5) * 0x1p-32));
    double turn = ((double)r2 + 0.5) * 0x1p-32, quarters = floor(4.0 * turn + 0.5);
    double angle = 6.283185307179586477 * (turn - 0.25 * quarters);
    double c = cos(angle), s = sin(angle);
    switch ((int)quarters % 4) {
    case 0:
        out[0] = length * c, out[1] = length * s;
        return;
    case 1:
        out[0] = -length * s, out[1] = length * c;
        return;
    case 2:
        out[0] = -length * c, out[1] = -length * s;
        return;
    default:
        out[0] = length * s, out[1] = -length * c;
    }
}

static double ulps(float got, double want)
{
    float nearest = (float)want;
    double ulp = (double)(nextafterf(fabsf(nearest), INFINITY) - fabsf(nearest));
    return fabs((double)got - (double)nearest) / ulp;
}

static void normals_are_box_muller(void **state)
{
    (void)state;
    double worst = 0.0;
    size_t n_off = 0, n = 0;
    for (uint32_t round = 0; round < 1000; round++) {
        uint32_t words[4][L];
        float got[CHUNK];
        telling_words(round, words);
        normals_at(bfn__isa_best(), words, got);
        for (size_t i = 0; i < CHUNK; i += 2, n += 2) {
            double want[2];
            box_muller(words[i % 4][i / 4], words[i % 4 + 1][i / 4], want);
            for (size_t j = 0; j < 2; j++) {
                double off = ulps(got[i + j], want[j]);
                worst = fmax(worst, off);
                n_off += off > 0.0;
            }
        }
    }
    print_message("%zu normals: worst %.0f ulp of float, %zu not the nearest float\n", n, worst, n_off);
    assert_true(worst <= 1.0);
    assert_true((double)n_off < 4e-5 * (double)n);
}

static int ascending(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Moments and Kolmogorov's distance of a million normals: each bound is 5 standard errors, or chance 1e-9. */
static void law_of_normals(void **state)
{
    (void)state;
    enum { SAMPLES = 1000, EACH = 1000, N = SAMPLES * EACH };
    float *x = malloc(N * sizeof *x);
    assert_non_null(x);
    for (uint64_t s = 0; s < SAMPLES; s++)
        bfn__random_normals(2026, s, bfn__draw(1, BFN__DRAW_NOISE), 0, EACH, x + s * EACH);
    double moments[5] = {0}, neighbours = 0.0, distance = 0.0;
    for (size_t i = 0; i < N; i++) {
        double v = (double)x[i], power = 1.0;
        for (int m = 1; m <= 4; m++)
            moments[m] += (power *= v) / N;
        neighbours += i > 0 ? v * (double)x[i - 1] / N : 0.0;
    }
    const double e = 5.0 / sqrt(N);
    assert_true(fabs(moments[1]) < e);
    assert_true(fabs(moments[2] - 1.0) < e * sqrt(2.0));
    assert_true(fabs(moments[3]) < e * sqrt(15.0));
    assert_true(fabs(moments[4] - 3.0) < e * sqrt(96.0));
    assert_true(fabs(neighbours) < e);
    qsort(x, N, sizeof *x, ascending);
    for (size_t i = 0; i < N; i++)
        distance = fmax(distance, fabs(0.5 * erfc(-(double)x[i] * sqrt(0.5)) - ((double)i + 0.5) / N));
    assert_true(distance < 3.3 / sqrt(N));
    assert_true((double)x[N - 1] > 4.0 && (double)x[0] < -4.0);
    free(x);
}

static void below_is_uniform(void **state)
{
    (void)state;
    enum { BOUND = 7, N = 70000 };
    size_t count[BOUND] = {0};
    for (size_t i = 0; i < N; i++) {
        uint64_t value = bfn__random_below(5, 6, 7, i, BOUND);
        assert_true(value < BOUND);
        count[value]++;
        assert_int_equal(bfn__random_below(5, 6, 7, i, 1), 0);
    }
    for (int k = 0; k < BOUND; k++)
        assert_true(fabs((double)count[k] - 1e4) < 5.0 * sqrt(1e4));
    /* a 64-bit bound: the upper half of the product, checked with two known words */
    uint32_t words[2];
    bfn__random_words(5, 6, 7, 8, 2, words);
    uint64_t number = ((uint64_t)words[1] << 32) | words[0];
    assert_true(bfn__random_below(5, 6, 7, 4, (uint64_t)1 << 63) == number >> 1);
    assert_true(bfn__random_below(5, 6, 7, 4, UINT64_MAX) == number - 1); /* number (2^64 - 1) / 2^64, rounded down */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),          cmocka_unit_test(lanes_are_philox),
        cmocka_unit_test(layout_is_frozen),       cmocka_unit_test(cuts_do_not_matter),
        cmocka_unit_test(streams_differ),         cmocka_unit_test(instruction_sets_agree),
        cmocka_unit_test(normals_are_box_muller), cmocka_unit_test(law_of_normals),
        cmocka_unit_test(below_is_uniform),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
