/* sha256.c: SHA-256 through nettle, which uses the CPU's instructions for it where there are any. */
#include "io/sha256.h"

void bfn__sha256_begin(bfn__sha256 *hash)
{
    sha256_init(&hash->state);
}

void bfn__sha256_add(bfn__sha256 *hash, const void *bytes, size_t n)
{
    if (n > 0)
        sha256_update(&hash->state, n, bytes);
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
