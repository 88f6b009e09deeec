/* normals.h: the vectorised kernels below random.c. One call handles BFN__RANDOM_LANES consecutive Philox blocks of one stream. */
#ifndef BFN_NORMALS_H
#define BFN_NORMALS_H

#include "base/isa.h"

#include <stdint.h>

enum { BFN__RANDOM_LANES = 64, BFN__RANDOM_CHUNK = 4 * BFN__RANDOM_LANES };

/* words[w][lane] = word w of the Philox4x32-10 block with counter (counter[0] + lane, counter[1], counter[2], counter[3]). */
typedef void (*bfn__philox_fn)(const uint32_t key[2], const uint32_t counter[4], uint32_t words[4][BFN__RANDOM_LANES]);

/* out[4 * lane + w] = standard normals made from those words. */
typedef void (*bfn__normals_fn)(uint32_t words[4][BFN__RANDOM_LANES], float out[BFN__RANDOM_CHUNK]);

#define BFN__NORMALS_DECLARE(isa)                                                                                      \
    void bfn__philox_##isa(const uint32_t key[2], const uint32_t counter[4], uint32_t words[4][BFN__RANDOM_LANES]);    \
    void bfn__normals_##isa(uint32_t words[4][BFN__RANDOM_LANES], float out[BFN__RANDOM_CHUNK]);
BFN__NORMALS_DECLARE(base)
BFN__NORMALS_DECLARE(avx2)
BFN__NORMALS_DECLARE(avx512)
#undef BFN__NORMALS_DECLARE

#endif
