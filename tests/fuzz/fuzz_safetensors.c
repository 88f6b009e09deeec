/* fuzz_safetensors.c: any bytes as a safetensors file.
 *
 * What is parsed must be consistent (data inside the input, bytes = count x size, every name found again) and convertible; what
 * is refused must come with one line and the right status. Byte mutations alone die at the header's length, so the mutator of the
 * libFuzzer build mutates the rest and writes a length that fits in front.
 */
#include "fuzz.h"

#include "io/safetensors.h"

#include <stdlib.h>
#include <string.h>

enum { LENGTH_BYTES = 8, MAX_COUNT = 1 << 16 };

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_tensor(bfn_context *ctx, const bfn__safetensors *st, const bfn__st_tensor *t, const uint8_t *data,
                         size_t size)
{
    require(t->bytes == t->count * bfn__dtype_size(t->dtype));
    require(t->bytes == 0 || ((const uint8_t *)t->data >= data && (const uint8_t *)t->data + t->bytes <= data + size));
    require(bfn__safetensors_find(st, t->name) == t);
    if (t->count > MAX_COUNT)
        return;
    float *f32 = malloc((t->count + 1) * sizeof *f32);
    int64_t *i64 = malloc((t->count + 1) * sizeof *i64);
    if (f32 != NULL && i64 != NULL) {
        bfn_status status = bfn__st_to_f32(ctx, t, f32);
        require(status == BFN_OK || status == BFN_ERR_INPUT);
        status = bfn__st_to_i64(ctx, t, i64);
        require(status == BFN_OK || status == BFN_ERR_INPUT);
    }
    free(f32);
    free(i64);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bfn_context *ctx;
    if (bfn_context_create(&ctx, NULL) != BFN_OK)
        return 0;
    bfn__safetensors *st = NULL;
    bfn_status status = bfn__safetensors_parse(ctx, &st, data, size, "fuzz");
    if (status == BFN_OK) {
        for (size_t i = 0; i < bfn__safetensors_n_tensors(st); i++)
            check_tensor(ctx, st, bfn__safetensors_tensor(st, i), data, size);
        (void)bfn__safetensors_metadata(st, "flow");
    } else {
        require(status == BFN_ERR_INPUT || status == BFN_ERR_MEMORY);
        require(bfn_errmsg(ctx)[0] != '\0' && strchr(bfn_errmsg(ctx), '\n') == NULL);
    }
    bfn__safetensors_close(st);
    bfn_context_destroy(ctx);
    return 0;
}

#ifdef BFN_FUZZ
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    if (size <= LENGTH_BYTES || max_size <= LENGTH_BYTES || seed % 8 == 0)
        return LLVMFuzzerMutate(data, size, max_size);
    size_t rest = LLVMFuzzerMutate(data + LENGTH_BYTES, size - LENGTH_BYTES, max_size - LENGTH_BYTES);
    const uint8_t *last = NULL; /* the header ends with its last closing brace */
    for (size_t i = 0; i < rest; i++)
        if (data[LENGTH_BYTES + i] == '}')
            last = data + LENGTH_BYTES + i;
    uint64_t length = last != NULL ? (uint64_t)(last - data) + 1 - LENGTH_BYTES : rest;
    for (int i = 0; i < LENGTH_BYTES; i++)
        data[i] = (uint8_t)(length >> (8 * i));
    return rest + LENGTH_BYTES;
}
#endif
