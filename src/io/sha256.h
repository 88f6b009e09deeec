/* sha256.h: checksums that tell "the same data" and "this model file". */
#ifndef BFN_SHA256_H
#define BFN_SHA256_H

#include <nettle/sha2.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
/* The same bytes to two sums, in little more time than to one. */
void bfn__sha256_add_both(bfn__sha256 *one, bfn__sha256 *two, const void *bytes, size_t n);
void bfn__sha256_end(bfn__sha256 *hash, char out[BFN__SHA256_HEX]);

/* n blocks of 64 bytes into two states at once (sha256_blocks.c). false: the CPU has no instructions for it, nothing was done. */
bool bfn__sha256_blocks(uint32_t one[8], uint32_t two[8], const void *bytes, size_t n);

#endif
