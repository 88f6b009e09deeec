/* fuzz_pickle.c: any bytes as the pickle of a PyTorch state dict.
 *
 * What is accepted must be consistent: every number of every tensor lies inside its storage, and names are clean.
 */
#include "fuzz.h"

#include "io/pickle.h"

static void check_tensor(const bfn__pickle_tensor *t)
{
    size_t last = t->offset, count = 1;
    fuzz_require(t->name[strcspn(t->name, "\n\033")] == '\0');
    fuzz_require(t->storage[0] != '\0' && strchr(t->storage, '/') == NULL && strchr(t->storage, '.') == NULL);
    fuzz_require(t->rank >= 0 && t->rank <= BFN__ST_MAX_RANK);
    for (int i = 0; i < t->rank; i++)
        count = t->shape[i] == 0 ? 0 : count * t->shape[i];
    fuzz_require(count == t->count && count <= t->storage_count);
    for (int i = 0; i < t->rank && count > 0; i++)
        last += (t->shape[i] - 1) * t->stride[i];
    fuzz_require(count == 0 || last < t->storage_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bfn_context *ctx = fuzz_context();
    bfn__pickle *pickle = NULL;
    fuzz_require(bfn_set_limit(ctx, "pickle-values", 1 << 16) == BFN_OK);
    bfn_status status = bfn__pickle_parse(ctx, &pickle, data, size, "fuzz");
    fuzz_status(ctx, status, BFN_ERR_INPUT);
    fuzz_require((status == BFN_OK) == (pickle != NULL));
    for (size_t i = 0; pickle != NULL && i < bfn__pickle_n_tensors(pickle); i++)
        check_tensor(bfn__pickle_tensor_at(pickle, i));
    bfn__pickle_destroy(pickle);
    return 0;
}

#ifdef BFN_FUZZ
#include "mutate.h"

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    return fuzz_mutate_pickle(data, size, max_size, seed);
}
#endif
