/* sha256.h: checksums that tell "the same data" and "this model file". */
#ifndef BFN_SHA256_H
#define BFN_SHA256_H

#include <nettle/sha2.h>
#include <stddef.h>

enum { BFN__SHA256_HEX = 65 }; /* 64 lower-case hexadecimal digits and a NUL */
/* What stands for the digits where they are part of what is summed up. */
#define BFN__SHA256_BLANK "0000000000000000000000000000000000000000000000000000000000000000"

/* Of one block. */
void bfn__sha256_hex(const void *bytes, size_t n, char out[BFN__SHA256_HEX]);

/* Of several, one after the other: begin, add as often as wanted, end. */
typedef struct bfn__sha256 {
    struct sha256_ctx state;
} bfn__sha256;

void bfn__sha256_begin(bfn__sha256 *hash);
void bfn__sha256_add(bfn__sha256 *hash, const void *bytes, size_t n);
void bfn__sha256_end(bfn__sha256 *hash, char out[BFN__SHA256_HEX]);

#endif
