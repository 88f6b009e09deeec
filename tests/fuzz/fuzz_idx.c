/* fuzz_idx.c: any bytes as an IDX file. What is accepted covers the input exactly. */
#include "fuzz.h"

#include "io/idx.h"

#include <stdlib.h>
#include <string.h>

static void require(bool condition)
{
    if (!condition)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bfn_context *ctx;
    if (bfn_context_create(&ctx, NULL) != BFN_OK)
        return 0;
    bfn__idx idx;
    bfn_status status = bfn__idx_parse(ctx, data, size, "fuzz", &idx);
    if (status == BFN_OK) {
        size_t count = 1;
        require(bfn__is_idx(data, size) && idx.rank >= 1 && idx.rank <= BFN__IDX_MAX_RANK);
        for (int i = 0; i < idx.rank; i++)
            require(bfn__size_mul(count, idx.dims[i], &count));
        require(count == idx.count && idx.data + idx.count == data + size);
    } else {
        require(status == BFN_ERR_INPUT);
        require(bfn_errmsg(ctx)[0] != '\0' && strchr(bfn_errmsg(ctx), '\n') == NULL);
    }
    bfn_context_destroy(ctx);
    return 0;
}
