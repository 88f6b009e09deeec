/* fuzz_cifar.c: any bytes as a CIFAR-10 file. What is accepted can be read into exactly the memory it asks for. */
#include "fuzz.h"

#include "io/cifar.h"

static void read_all(const uint8_t *data, size_t n)
{
    uint8_t *pixels = malloc(n * BFN__CIFAR_PIXELS);
    int32_t *labels = malloc(n * sizeof *labels);
    if (pixels != NULL && labels != NULL) {
        bfn__cifar_read(data, n, pixels, labels);
        for (size_t i = 0; i < n; i++)
            fuzz_require(labels[i] >= 0 && labels[i] <= 9);
        fuzz_require(pixels[0] == data[1] && pixels[n * BFN__CIFAR_PIXELS - 1] == data[n * BFN__CIFAR_RECORD - 1]);
    }
    free(pixels);
    free(labels);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bfn_context *ctx = fuzz_context();
    size_t n;
    bfn_status status = bfn__cifar_check(ctx, data, size, "fuzz", &n);
    fuzz_status(ctx, status, BFN_ERR_INPUT);
    fuzz_require((status == BFN_OK) == (n > 0));
    if (status == BFN_OK) {
        fuzz_require(n * BFN__CIFAR_RECORD == size);
        read_all(data, n);
    }
    return 0;
}

#ifdef BFN_FUZZ
#include "mutate.h"

/* Whole records, mostly, with labels that are right, mostly. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    static fuzz_out out;
    fuzz_random r = {seed};
    size_t n = 1 + fuzz_below(&r, fuzz_chance(&r, 16) ? 3 : 1), bytes = n * BFN__CIFAR_RECORD;
    if (fuzz_chance(&r, 4) || bytes > max_size)
        return LLVMFuzzerMutate(data, size, max_size);
    out.n = 0;
    out.full = false;
    while (out.n < bytes && size > 0)
        fuzz_put(&out, data, size < bytes - out.n ? size : bytes - out.n);
    for (size_t i = 0; out.n == bytes && i < n; i++)
        out.data[i * BFN__CIFAR_RECORD] = (uint8_t)fuzz_below(&r, fuzz_chance(&r, 8) ? 256 : 10);
    if (out.n == bytes)
        out.data[fuzz_below(&r, bytes)] = (uint8_t)fuzz_below(&r, 10);
    if (fuzz_chance(&r, 8))
        out.n -= fuzz_below(&r, 3) % (out.n + 1);
    return fuzz_deliver(&out, data, size, max_size);
}
#endif
