/* fuzz_idx.c: any bytes as an IDX file. What is accepted covers the input exactly. */
#include "fuzz.h"

#include "io/idx.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bfn_context *ctx = fuzz_context();
    bfn__idx idx;
    bfn_status status = bfn__idx_parse(ctx, data, size, "fuzz", &idx);
    fuzz_status(ctx, status, BFN_ERR_INPUT);
    if (status != BFN_OK) {
        fuzz_require(idx.data == NULL && idx.count == 0);
        return 0;
    }
    size_t count = 1;
    fuzz_require(bfn__is_idx(data, size) && idx.rank >= 1 && idx.rank <= BFN__IDX_MAX_RANK);
    for (int i = 0; i < idx.rank; i++)
        fuzz_require(bfn__size_mul(count, idx.dims[i], &count));
    fuzz_require(count == idx.count && idx.data + idx.count == data + size);
    return 0;
}

#ifdef BFN_FUZZ
#include "mutate.h"

/* Sizes whose product is the number of values that follow, or nearly. */
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    static fuzz_out out, values;
    fuzz_random r = {seed};
    if (fuzz_chance(&r, 3))
        return LLVMFuzzerMutate(data, size, max_size);
    size_t header = size >= 4 && data[3] <= BFN__IDX_MAX_RANK ? 4 + 4 * (size_t)data[3] : size;
    values.n = out.n = 0;
    values.full = out.full = false;
    fuzz_put_mutated(&values, data + (header < size ? header : size), header < size ? size - header : 0, 8);
    size_t rank = 1 + fuzz_below(&r, fuzz_chance(&r, 16) ? 255 : BFN__IDX_MAX_RANK), product = 1;
    fuzz_put_big(&out, (uint64_t)(fuzz_chance(&r, 16) ? fuzz_below(&r, 16) : 8) << 8 | rank, 4);
    for (size_t i = 0; i + 1 < rank; i++) {
        size_t side = fuzz_chance(&r, 16) ? fuzz_below(&r, 1u << 31) : 1 + fuzz_below(&r, 3);
        fuzz_put_big(&out, side, 4);
        product = product * side % ((size_t)1 << 32);
    }
    size_t last = product > 0 ? values.n / product : fuzz_below(&r, 100), total = product * last;
    fuzz_put_big(&out, last, 4);
    fuzz_put(&out, values.data, total < values.n && !fuzz_chance(&r, 8) ? total : values.n);
    return fuzz_deliver(&out, data, size, max_size);
}
#endif
