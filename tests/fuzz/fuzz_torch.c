/* fuzz_torch.c: any bytes as a .pt file: the zip, the pickle in it, the storages. All that is accepted is read to its last byte.
 *
 * Byte mutations alone die at the checksums, so the mutator of the libFuzzer build repairs them: it walks the local headers, writes the CRC of
 * each stored entry into its own header and into the directory's.
 */
#include "fuzz.h"

#include "io/torch.h"

static void set_limit(bfn_context *ctx, const char *name, size_t value)
{
    fuzz_require(bfn_set_limit(ctx, name, value) == BFN_OK);
}

static void check_tensor(const bfn__safetensors *st, const bfn__st_tensor *t)
{
    volatile unsigned sum = 0; /* so that the reads are made */
    fuzz_require(t->bytes == t->count * bfn__dtype_size(t->dtype));
    fuzz_require(bfn__safetensors_find(st, t->name) == t);
    for (size_t i = 0; i < t->bytes; i++)
        sum += ((const uint8_t *)t->data)[i];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bfn_context *ctx = fuzz_context();
    set_limit(ctx, "pickle-values", 1 << 16);
    set_limit(ctx, "pickle-bytes", 1 << 20);
    set_limit(ctx, "torch-bytes", 1 << 20);
    set_limit(ctx, "torch-entries", 1 << 12);
    bfn__safetensors *st = NULL;
    bfn_status status = bfn__torch_parse(ctx, &st, data, size, "fuzz");
    fuzz_status(ctx, status, BFN_ERR_INPUT);
    fuzz_require((status == BFN_OK) == (st != NULL));
    for (size_t i = 0; st != NULL && i < bfn__safetensors_n_tensors(st); i++)
        check_tensor(st, bfn__safetensors_tensor(st, i));
    bfn__safetensors_close(st);
    return 0;
}

#ifdef BFN_FUZZ
#include <zlib.h>

enum { LOCAL_BYTES = 30, CENTRAL_BYTES = 46 };

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

static size_t number(const uint8_t *b, int n)
{
    size_t value = 0;
    for (int i = n - 1; i >= 0; i--)
        value = value << 8 | b[i];
    return value;
}

/* The CRC of the entry whose local header is at `at` (sizes and offsets as the directory's header at `central` says). */
static void repair(uint8_t *data, size_t size, size_t central)
{
    size_t at = number(data + central + 42, 4), n = number(data + central + 20, 4);
    if (at > size || size - at < LOCAL_BYTES || memcmp(data + at, "PK\3\4", 4) != 0)
        return;
    size_t start = at + LOCAL_BYTES + number(data + at + 26, 2) + number(data + at + 28, 2);
    if (start > size || n > size - start || number(data + at + 8, 2) != 0)
        return;
    unsigned long crc = crc32(0, data + start, (unsigned)n);
    for (int i = 0; i < 4; i++)
        data[at + 14 + i] = data[central + 16 + i] = (uint8_t)(crc >> 8 * i);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    size = LLVMFuzzerMutate(data, size,
                            seed % 4 == 0 || size == 0 ? max_size : size); /* mostly without moving what follows */
    for (size_t i = 0; i + CENTRAL_BYTES <= size; i++)
        if (memcmp(data + i, "PK\1\2", 4) == 0)
            repair(data, size, i);
    return size;
}
#endif
