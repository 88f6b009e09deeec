/* sha256.c: SHA-256 through nettle, which uses the CPU's instructions for it where there are any; two sums at once: sha256_blocks.c. */
#include "io/sha256.h"

#include <string.h>

enum {
    LONG = 1 << 16,
    PIECE = 1 << 15
}; /* asking the CPU what it has takes microseconds; a piece stays in its first cache */

void bfn__sha256_begin(bfn__sha256 *hash)
{
    sha256_init(&hash->state);
}

void bfn__sha256_add(bfn__sha256 *hash, const void *bytes, size_t n)
{
    if (n > 0)
        sha256_update(&hash->state, n, bytes);
}

/* Bytes up to the next whole block. */
static size_t add_start(bfn__sha256 *hash, const void *bytes, size_t n)
{
    size_t start = (SHA256_BLOCK_SIZE - hash->state.index) % SHA256_BLOCK_SIZE;
    start = start < n ? start : n;
    if (start > 0)
        sha256_update(&hash->state, start, bytes);
    return start;
}

void bfn__sha256_add_both(bfn__sha256 *one, bfn__sha256 *two, const void *bytes, size_t n)
{
    const unsigned char *at = bytes;
    if (n >= LONG && one->state.index == two->state.index) {
        size_t start = add_start(one, at, n), blocks = (n - start) / SHA256_BLOCK_SIZE;
        (void)add_start(two, at, n);
        at += start;
        n -= start;
        if (bfn__sha256_blocks(one->state.state, two->state.state, at, blocks)) {
            one->state.count += blocks;
            two->state.count += blocks;
            at += blocks * SHA256_BLOCK_SIZE;
            n -= blocks * SHA256_BLOCK_SIZE;
        }
    }
    for (size_t piece; n > 0; at += piece, n -= piece) {
        piece = n < PIECE ? n : PIECE;
        sha256_update(&one->state, piece, at);
        sha256_update(&two->state, piece, at);
    }
}

void bfn__sha256_end(bfn__sha256 *hash, char out[BFN__SHA256_HEX])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_digest(&hash->state, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
    out[2 * sizeof digest] = '\0';
}

void bfn__sha256_hex(const void *bytes, size_t n, char out[BFN__SHA256_HEX])
{
    bfn__sha256 hash;
    bfn__sha256_begin(&hash);
    bfn__sha256_add(&hash, bytes, n);
    bfn__sha256_end(&hash, out);
}
