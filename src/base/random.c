/* random.c: counter-based random numbers, cut out of chunks of 64 Philox blocks.
 *
 * A request for elements first .. first+n-1 of a stream covers blocks first/4 .. (first+n-1)/4; they are made 64 at a time by the
 * kernels of normals.isa.c, and what was not asked for is dropped. A chunk may start at any block, so a long request wastes
 * at most one chunk, and short ones (a few numbers) go block by block. Which elements share a chunk has no influence on them.
 */
#include "base/random.h"

#include "base/normals.h"

#include <Random123/philox.h>
#include <string.h>

typedef struct stream {
    uint32_t key[2], counter[4];
} stream;

static stream stream_of(uint64_t seed, uint64_t sample, uint32_t draw)
{
    return (stream){{(uint32_t)seed, (uint32_t)(seed >> 32)}, {0, draw, (uint32_t)sample, (uint32_t)(sample >> 32)}};
}

/* Words of the chunk that begins with the block of `element`; for few of them only the blocks that are needed. */
static void chunk_words(stream *s, bfn__philox_fn philox, size_t element, size_t n,
                        uint32_t words[4][BFN__RANDOM_LANES])
{
    enum { FEW = 8 };
    s->counter[0] = (uint32_t)(element / 4);
    size_t n_blocks = (element % 4 + n + 3) / 4;
    if (n_blocks > FEW) {
        philox(s->key, s->counter, words);
        return;
    }
    for (size_t b = 0; b < n_blocks; b++) {
        philox4x32_ctr_t counter = {{s->counter[0] + (uint32_t)b, s->counter[1], s->counter[2], s->counter[3]}};
        philox4x32_key_t key = {{s->key[0], s->key[1]}};
        philox4x32_ctr_t block = philox4x32(counter, key);
        for (int w = 0; w < 4; w++)
            words[w][b] = block.v[w];
    }
}

/* How many of the n wanted elements a chunk that starts at the block of `element` holds. */
static size_t chunk_take(size_t element, size_t n)
{
    size_t room = BFN__RANDOM_CHUNK - element % 4;
    return n < room ? n : room;
}

void bfn__random_words(uint64_t seed, uint64_t sample, uint32_t draw, size_t first, size_t n, uint32_t *out)
{
    stream s = stream_of(seed, sample, draw);
    bfn__philox_fn philox = BFN__ISA_PICK(bfn__philox);
    uint32_t words[4][BFN__RANDOM_LANES];
    while (n > 0) {
        size_t take = chunk_take(first, n);
        chunk_words(&s, philox, first, take, words);
        for (size_t i = 0, e = first % 4; i < take; i++, e++)
            out[i] = words[e % 4][e / 4];
        first += take, out += take, n -= take;
    }
}

void bfn__random_uniforms(uint64_t seed, uint64_t sample, uint32_t draw, size_t first, size_t n, double *out)
{
    stream s = stream_of(seed, sample, draw);
    bfn__philox_fn philox = BFN__ISA_PICK(bfn__philox);
    uint32_t words[4][BFN__RANDOM_LANES];
    while (n > 0) {
        size_t take = chunk_take(first, n);
        chunk_words(&s, philox, first, take, words);
        for (size_t i = 0, e = first % 4; i < take; i++, e++)
            out[i] = ((double)words[e % 4][e / 4] + 0.5) * 0x1p-32;
        first += take, out += take, n -= take;
    }
}

void bfn__random_normals(uint64_t seed, uint64_t sample, uint32_t draw, size_t first, size_t n, float *out)
{
    stream s = stream_of(seed, sample, draw);
    bfn__philox_fn philox = BFN__ISA_PICK(bfn__philox);
    bfn__normals_fn normals = BFN__ISA_PICK(bfn__normals);
    uint32_t words[4][BFN__RANDOM_LANES] = {{0}};
    float chunk[BFN__RANDOM_CHUNK];
    while (n > 0) {
        size_t skip = first % 4, take = chunk_take(first, n);
        chunk_words(&s, philox, first, take, words);
        if (take == BFN__RANDOM_CHUNK) {
            normals(words, out);
        } else {
            normals(words, chunk);
            memcpy(out, chunk + skip, take * sizeof *out);
        }
        first += take, out += take, n -= take;
    }
}

/* The upper half of the 128-bit product. */
static uint64_t mul_high64(uint64_t a, uint64_t b)
{
    uint64_t a0 = (uint32_t)a, a1 = a >> 32, b0 = (uint32_t)b, b1 = b >> 32;
    uint64_t middle = a1 * b0 + ((a0 * b0) >> 32), middle2 = a0 * b1 + (uint32_t)middle;
    return a1 * b1 + (middle >> 32) + (middle2 >> 32);
}

uint64_t bfn__random_below(uint64_t seed, uint64_t sample, uint32_t draw, size_t element, uint64_t bound)
{
    uint32_t words[2];
    bfn__random_words(seed, sample, draw, 2 * element, 2, words);
    uint64_t number = ((uint64_t)words[1] << 32) | words[0];
    return mul_high64(number, bound);
}
