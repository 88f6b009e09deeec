/* sha256_blocks.c: SHA-256 of whole blocks with the CPU's instructions, for two sums of the same bytes at once.
 *
 * A checkpoint is summed up twice: as it is, and with blanks in place of the digits that it holds. Behind these digits both sums run over
 * the same bytes, from different states: the message schedule is made once, and of two chains of rounds, each of which waits for its own last one,
 * the CPU does both in little more than the time of one: measured, 1.6 GB/s for both, where nettle has 1.8 GB/s for one. nettle's context is
 * where a sum lives before and after (sha256.c).
 */
#include "io/sha256.h"

#if defined(__x86_64__)

#include <cpuid.h>
#include <immintrin.h>

enum { BLOCK = SHA256_BLOCK_SIZE };

static const uint32_t rounds[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

static bool cpu_has_sha(void)
{
    unsigned a, b, c, d;
    bool sse41 = __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_SSE4_1) != 0;
    return sse41 && __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (b & bit_SHA) != 0;
}

/* The instructions hold a state as (a, b, e, f) and (c, d, g, h), from the highest word down. */
typedef struct chain {
    __m128i abef, cdgh;
} chain;

#define TARGET __attribute__((target("sha,sse4.1")))

TARGET static inline chain load_state(const uint32_t state[8])
{
    __m128i abcd = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(const void *)state), 0xb1);
    __m128i efgh = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(const void *)(state + 4)), 0x1b);
    return (chain){_mm_alignr_epi8(abcd, efgh, 8), _mm_blend_epi16(efgh, abcd, 0xf0)};
}

TARGET static inline void store_state(const chain *s, uint32_t state[8])
{
    __m128i feba = _mm_shuffle_epi32(s->abef, 0x1b), dchg = _mm_shuffle_epi32(s->cdgh, 0xb1);
    _mm_storeu_si128((__m128i *)(void *)state, _mm_blend_epi16(feba, dchg, 0xf0));
    _mm_storeu_si128((__m128i *)(void *)(state + 4), _mm_alignr_epi8(dchg, feba, 8));
}

TARGET static inline void four_rounds(chain *s, __m128i words)
{
    s->cdgh = _mm_sha256rnds2_epu32(s->cdgh, s->abef, words);
    s->abef = _mm_sha256rnds2_epu32(s->abef, s->cdgh, _mm_shuffle_epi32(words, 0x0e));
}

TARGET static void add_blocks(uint32_t one[8], uint32_t two[8], const unsigned char *bytes, size_t n)
{
    const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0b, 0x0405060700010203);
    chain a = load_state(one), b = load_state(two);
    for (; n > 0; n--, bytes += BLOCK) {
        const chain a0 = a, b0 = b;
        __m128i w[4];
        for (int i = 0; i < 4; i++)
            w[i] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)(bytes + 16 * i)), swap);
#pragma GCC unroll 16
        for (int i = 0; i < 16; i++) {
            __m128i words = _mm_add_epi32(w[i % 4], _mm_loadu_si128((const __m128i *)(const void *)(rounds + 4 * i)));
            four_rounds(&a, words);
            four_rounds(&b, words);
            __m128i next = _mm_sha256msg1_epu32(w[i % 4], w[(i + 1) % 4]);
            next = _mm_add_epi32(next, _mm_alignr_epi8(w[(i + 3) % 4], w[(i + 2) % 4], 4));
            w[i % 4] = _mm_sha256msg2_epu32(next, w[(i + 3) % 4]); /* the last four are not needed */
        }
        a = (chain){_mm_add_epi32(a.abef, a0.abef), _mm_add_epi32(a.cdgh, a0.cdgh)};
        b = (chain){_mm_add_epi32(b.abef, b0.abef), _mm_add_epi32(b.cdgh, b0.cdgh)};
    }
    store_state(&a, one);
    store_state(&b, two);
}

bool bfn__sha256_blocks(uint32_t one[8], uint32_t two[8], const void *bytes, size_t n)
{
    if (!cpu_has_sha())
        return false;
    add_blocks(one, two, bytes, n);
    return true;
}

#else

bool bfn__sha256_blocks(uint32_t one[8], uint32_t two[8], const void *bytes, size_t n)
{
    (void)one;
    (void)two;
    (void)bytes;
    (void)n;
    return false;
}

#endif
