/* mutate_pickle.c: pickles of PyTorch's state dicts (see mutate.h).
 *
 * Byte mutations alone rarely keep a pickle's stack in order, so whole phrases are inserted, too: a name, a storage, a tensor's arguments.
 */
#include "mutate.h"

#include <string.h>

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

size_t fuzz_mutate_pickle(uint8_t *data, size_t size, size_t max_size, unsigned seed)
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
    if (size > 0 && seed & 0x40000000u)
        data[size - 1] = '.';
    return size;
}
