/* sha256.c: SHA-256 through nettle, which uses the CPU's instructions for it where there are any. */
#include "io/sha256.h"

#include <nettle/sha2.h>

void bfn__sha256_hex(const void *bytes, size_t n, char out[65])
{
    static const char digits[] = "0123456789abcdef";
    struct sha256_ctx state;
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_init(&state);
    if (n > 0)
        sha256_update(&state, n, bytes);
    sha256_digest(&state, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++) {
        out[2 * i] = digits[digest[i] >> 4];
        out[2 * i + 1] = digits[digest[i] & 15];
    }
    out[64] = '\0';
}
