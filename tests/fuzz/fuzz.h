/* fuzz.h: the entry point that libFuzzer and replay.c call (returns 0; a finding is a crash), and what every target checks. */
#ifndef BFN_FUZZ_H
#define BFN_FUZZ_H

#include "base/base.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static inline void fuzz_require(bool condition)
{
    if (!condition)
        abort();
}

/* One context for all inputs: making one costs more than most inputs do. */
static inline bfn_context *fuzz_context(void)
{
    static bfn_context *ctx;
    if (ctx == NULL)
        fuzz_require(bfn_context_create(&ctx, NULL) == BFN_OK);
    ctx->errmsg[0] = '\0';
    return ctx;
}

/* What a parser may return: BFN_OK, or `refused` or BFN_ERR_MEMORY with one line of text. */
static inline void fuzz_status(const bfn_context *ctx, bfn_status status, bfn_status refused)
{
    fuzz_require(status == BFN_OK || status == refused || status == BFN_ERR_MEMORY);
    fuzz_require(status == BFN_OK || ctx->errmsg[0] != '\0');
    fuzz_require(strpbrk(ctx->errmsg, "\n\r\x1b") == NULL);
}

#endif
