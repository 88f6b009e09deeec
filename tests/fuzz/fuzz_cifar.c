/* fuzz_cifar.c: any bytes as a CIFAR-10 file. What is accepted can be read into exactly the memory it asks for. */
#include "fuzz.h"

#include "io/cifar.h"

#include <stdlib.h>
#include <string.h>

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void read_all(const uint8_t *data, size_t n)
{
    uint8_t *pixels = malloc(n * BFN__CIFAR_PIXELS);
    int32_t *labels = malloc(n * sizeof *labels);
    if (pixels != NULL && labels != NULL) {
        bfn__cifar_read(data, n, pixels, labels);
        for (size_t i = 0; i < n; i++)
            require(labels[i] >= 0 && labels[i] <= 9);
    }
    free(pixels);
    free(labels);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bfn_context *ctx;
    if (bfn_context_create(&ctx, NULL) != BFN_OK)
        return 0;
    size_t n;
    bfn_status status = bfn__cifar_check(ctx, data, size, "fuzz", &n);
    if (status == BFN_OK) {
        require(n >= 1 && n * BFN__CIFAR_RECORD == size);
        read_all(data, n);
    } else {
        require(status == BFN_ERR_INPUT && n == 0);
        require(bfn_errmsg(ctx)[0] != '\0' && strchr(bfn_errmsg(ctx), '\n') == NULL);
    }
    bfn_context_destroy(ctx);
    return 0;
}
