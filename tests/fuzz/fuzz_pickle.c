/* fuzz_pickle.c: any bytes as the pickle of a PyTorch state dict.
 *
 * What is accepted must be consistent: every number of every tensor lies inside its storage, and names are clean. Byte mutations alone
 * rarely keep a pickle's stack in order, so the mutator of the libFuzzer build also inserts whole phrases (a name, a storage, a tensor's
 * arguments), copies pieces of the input to other places, and lets it end with STOP.
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
size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t max_size);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed);

static const struct {
    const char *bytes;
    size_t n;
} phrases[] = {
#define PHRASE(text)                                                                                                   \
    {                                                                                                                  \
        text, sizeof(text) - 1                                                                                         \
    }
    PHRASE("ctorch._utils\n_rebuild_tensor_v2\n"),
    PHRASE("ctorch._utils\n_rebuild_parameter\n"),
    PHRASE("ccollections\nOrderedDict\n)R"),
    PHRASE("((X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0000X\3\0\0\0cpuK\4tQK\0K\4\x85K\1\x85\x89)t"),
    PHRASE("(X\7\0\0\0storagectorch\nLongStorage\nX\1\0\0\0001X\3\0\0\0cpuM\0\1tQ"),
    PHRASE("K\0K\2K\2\x86K\2K\1\x86\x89}"),
    PHRASE("X\1\0\0\0w"),
    PHRASE("\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7f"),
    PHRASE("}X\1\0\0\0kNsb"),
    PHRASE("h\0"),
    PHRASE("q\0"),
    PHRASE("(u"),
    PHRASE("](K\1K\2e"),
    PHRASE("\x8c\5torch\x8c\x0cHalfStorage\x93"),
#undef PHRASE
};

/* Make room for n bytes at a place and copy them there. */
static size_t insert(uint8_t *data, size_t size, size_t max_size, size_t at, const void *bytes, size_t n)
{
    if (n > max_size - size)
        return size;
    memmove(data + at + n, data + at, size - at);
    memcpy(data + at, bytes, n);
    return size + n;
}

static size_t copy_piece(uint8_t *data, size_t size, size_t max_size, size_t from, size_t to)
{
    uint8_t piece[256];
    size_t n = size - from < sizeof piece ? size - from : sizeof piece;
    memcpy(piece, data + from, n);
    return insert(data, size, max_size, to, piece, n);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    size_t at = size > 0 ? (seed >> 8) % (size + 1) : 0, which = (seed >> 4) % (sizeof phrases / sizeof phrases[0]);
    switch (seed % 4) {
    case 0:
        size = insert(data, size, max_size, at, phrases[which].bytes, phrases[which].n);
        break;
    case 1:
        size = size > 0 ? copy_piece(data, size, max_size, (seed >> 16) % size, at) : size;
        break;
    default:
        return LLVMFuzzerMutate(data, size, max_size);
    }
    if (size > 0 && seed & 0x80000000u)
        data[size - 1] = '.';
    return size;
}
#endif
