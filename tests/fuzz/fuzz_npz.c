/* fuzz_npz.c: any bytes as an .npz file, and as an .npy file. All that is accepted is read to its last byte. */
#include "fuzz.h"

#include "io/npz.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_CONTENT = 1 << 20 };

static void require(bool condition)
{
    if (!condition)
        abort();
}

static void check_tensor(const bfn__st_tensor *t)
{
    volatile unsigned sum = 0; /* so that the reads are made */
    require(t->bytes == t->count * bfn__dtype_size(t->dtype));
    for (size_t i = 0; i < t->bytes; i++)
        sum += ((const uint8_t *)t->data)[i];
}

static void check_status(bfn_context *ctx, bfn_status status)
{
    require(status == BFN_OK || status == BFN_ERR_INPUT || status == BFN_ERR_MEMORY);
    if (status != BFN_OK)
        require(bfn_errmsg(ctx)[0] != '\0' && strchr(bfn_errmsg(ctx), '\n') == NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bfn_context *ctx;
    if (bfn_context_create(&ctx, NULL) != BFN_OK)
        return 0;
    bfn__npz *npz = NULL;
    bfn__st_tensor t;
    bfn_status status = bfn__npz_parse(ctx, &npz, data, size, MAX_CONTENT, "fuzz");
    check_status(ctx, status);
    require((status == BFN_OK) == (npz != NULL));
    for (size_t i = 0; npz != NULL && i < bfn__npz_n(npz); i++) {
        check_tensor(bfn__npz_tensor(npz, i));
        require(bfn__npz_find(npz, bfn__npz_tensor(npz, i)->name) == bfn__npz_tensor(npz, i));
    }
    bfn__npz_close(npz);
    status = bfn__npy_parse(ctx, data, size, "fuzz", &t);
    check_status(ctx, status);
    if (status == BFN_OK) {
        require((const uint8_t *)t.data + t.bytes == data + size);
        check_tensor(&t);
    }
    bfn_context_destroy(ctx);
    return 0;
}
