/* fuzz_npy.c: any bytes as an .npy file. What is accepted covers the input to its last byte and can be converted. */
#include "fuzz.h"

#include "io/npy.h"

enum { MAX_COUNT = 4096 };

static void convert(bfn_context *ctx, const bfn__st_tensor *t)
{
    static float f32[MAX_COUNT];
    static int64_t i64[MAX_COUNT];
    if (t->count > MAX_COUNT)
        return;
    fuzz_status(ctx, bfn__st_to_f32(ctx, t, f32), BFN_ERR_INPUT);
    fuzz_status(ctx, bfn__st_to_i64(ctx, t, i64), BFN_ERR_INPUT);
}

/* The header that the writer makes for the same array is read as the same array. */
static void check_round_trip(bfn_context *ctx, const bfn__st_tensor *t)
{
    static char file[BFN__NPY_HEADER_MAX + MAX_COUNT];
    bfn__st_tensor again;
    size_t n_header, n_data;
    if (t->bytes > MAX_COUNT)
        return;
    fuzz_require(bfn__npy_header(ctx, "fuzz", t->dtype, t->rank, t->shape, file, &n_header, &n_data) == BFN_OK);
    fuzz_require(n_data == t->bytes);
    memcpy(file + n_header, t->data, n_data);
    fuzz_require(bfn__npy_parse(ctx, file, n_header + n_data, "again", &again) == BFN_OK);
    fuzz_require(again.dtype == t->dtype && again.rank == t->rank && again.count == t->count);
    fuzz_require(memcmp(again.shape, t->shape, (size_t)t->rank * sizeof t->shape[0]) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bfn_context *ctx = fuzz_context();
    bfn__st_tensor t;
    bfn_status status = bfn__npy_parse(ctx, data, size, "fuzz", &t);
    fuzz_status(ctx, status, BFN_ERR_INPUT);
    if (status != BFN_OK) {
        fuzz_require(t.data == NULL && t.count == 0);
        return 0;
    }
    fuzz_require(t.bytes == t.count * bfn__dtype_size(t.dtype) && t.rank <= BFN__ST_MAX_RANK);
    fuzz_require((const uint8_t *)t.data + t.bytes == data + size);
    convert(ctx, &t);
    check_round_trip(ctx, &t);
    return 0;
}

#ifdef BFN_FUZZ
#include "mutate.h"

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    static fuzz_out out;
    fuzz_random r = {seed};
    out.n = 0;
    out.full = false;
    if (!fuzz_chance(&r, 8))
        fuzz_put_npy_mutated(&out, &r, data, size);
    return fuzz_deliver(&out, data, size, max_size);
}
#endif
