/* cifar.c: reading CIFAR-10's binary files: records of 3073 bytes: the label (0 to 9), then 1024 red, 1024 green and 1024 blue
 * values, each plane in rows from the top. There is no header: the size and the labels are all that can be checked.
 */
#include "io/cifar.h"

enum { PLANE = BFN__CIFAR_SIDE * BFN__CIFAR_SIDE, MAX_LABEL = 9 };

bfn_status bfn__cifar_check(bfn_context *ctx, const void *bytes, size_t n, const char *label, size_t *n_records)
{
    const unsigned char *b = bytes;
    *n_records = 0;
    if (n == 0 || n % BFN__CIFAR_RECORD != 0)
        return bfn__fail(ctx, BFN_ERR_INPUT, "%s: has %zu bytes, a CIFAR-10 file has a multiple of %d, at least one",
                         label, n, BFN__CIFAR_RECORD);
    for (size_t i = 0; i < n / BFN__CIFAR_RECORD; i++)
        if (b[i * BFN__CIFAR_RECORD] > MAX_LABEL)
            return bfn__fail(ctx, BFN_ERR_INPUT, "%s: byte %zu: the label of record %zu is %d, allowed: 0 to %d", label,
                             i * BFN__CIFAR_RECORD, i, (int)b[i * BFN__CIFAR_RECORD], MAX_LABEL);
    *n_records = n / BFN__CIFAR_RECORD;
    return BFN_OK;
}

void bfn__cifar_read(const void *bytes, size_t n_records, uint8_t *pixels, int32_t *labels)
{
    const unsigned char *record = bytes;
    for (size_t i = 0; i < n_records; i++, record += BFN__CIFAR_RECORD, pixels += BFN__CIFAR_PIXELS) {
        labels[i] = record[0];
        for (size_t p = 0; p < PLANE; p++)
            for (size_t c = 0; c < 3; c++)
                pixels[3 * p + c] = record[1 + c * PLANE + p];
    }
}
