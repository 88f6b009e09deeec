/* sha256.h: checksums that tell "the same data" and "this model file". */
#ifndef BFN_SHA256_H
#define BFN_SHA256_H

#include <stddef.h>

/* 64 lower-case hexadecimal digits and a NUL. */
void bfn__sha256_hex(const void *bytes, size_t n, char out[65]);

#endif
