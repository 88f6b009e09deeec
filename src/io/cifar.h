/* cifar.h: the binary files of CIFAR-10. Parsers take bytes. */
#ifndef BFN_CIFAR_H
#define BFN_CIFAR_H

#include "base/base.h"

enum { BFN__CIFAR_SIDE = 32, BFN__CIFAR_PIXELS = 3 * 32 * 32, BFN__CIFAR_RECORD = 1 + BFN__CIFAR_PIXELS };

/* Records in a file of n bytes. BFN_ERR_INPUT: none, or bytes left over, or a label above 9 (record and offset named). */
bfn_status bfn__cifar_check(bfn_context *ctx, const void *bytes, size_t n, const char *label, size_t *n_records);

/* All records of a checked file: pixels [n_records,32,32,3] (the file has three planes), labels [n_records]. */
void bfn__cifar_read(const void *bytes, size_t n_records, uint8_t *pixels, int32_t *labels);

#endif
