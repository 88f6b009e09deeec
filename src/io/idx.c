/* idx.c: reading the IDX format.
 *
 *   bytes 0, 1   zero
 *   byte 2       type: 8 is uint8; 9, B, C, D, E are int8, int16, int32, float32, float64
 *   byte 3       rank
 *   then         one size a dimension, 4 bytes, most significant first
 *   the rest     values, the last dimension fastest
 * Nothing is allocated and nothing copied: the sizes are multiplied with overflow checks and must give exactly the rest of the file.
 */
#include "io/idx.h"

enum { TYPE_UINT8 = 8 };

static bool known_type(unsigned char type)
{
    return type == TYPE_UINT8 || type == 9 || (type >= 0x0b && type <= 0x0e);
}

bool bfn__is_idx(const void *bytes, size_t n)
{
    const unsigned char *b = bytes;
    return n >= 4 && b[0] == 0 && b[1] == 0 && known_type(b[2]) && b[3] >= 1;
}

static size_t big_endian(const unsigned char *b)
{
    return (size_t)b[0] << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | (size_t)b[3];
}

static bfn_status check_magic(bfn_context *ctx, const unsigned char *b, size_t n, const char *label)
{
    if (n < 4)
        return bfn__fail(ctx, BFN_ERR_INPUT, "%s: has %zu bytes, an IDX file begins with 4 bytes of type and rank",
                         label, n);
    if (!bfn__is_idx(b, n))
        return bfn__fail(ctx, BFN_ERR_INPUT,
                         "%s: begins with %02x %02x %02x %02x, an IDX file with 00 00 08 and its rank", label,
                         (unsigned)b[0], (unsigned)b[1], (unsigned)b[2], (unsigned)b[3]);
    if (b[2] != TYPE_UINT8)
        return bfn__fail(ctx, BFN_ERR_INPUT, "%s: values of IDX type 0x%02x, allowed: 0x08 (bytes)", label,
                         (unsigned)b[2]);
    if (b[3] > BFN__IDX_MAX_RANK)
        return bfn__fail(ctx, BFN_ERR_INPUT, "%s: has %d dimensions, allowed: 1 to %d", label, (int)b[3],
                         BFN__IDX_MAX_RANK);
    return BFN_OK;
}

bfn_status bfn__idx_parse(bfn_context *ctx, const void *bytes, size_t n, const char *label, bfn__idx *out)
{
    const unsigned char *b = bytes;
    *out = (bfn__idx){0};
    bfn_status status = check_magic(ctx, b, n, label);
    if (status != BFN_OK)
        return status;
    bfn__idx idx = {.rank = b[3], .count = 1};
    size_t header = 4 + 4 * (size_t)idx.rank;
    if (n < header)
        return bfn__fail(ctx, BFN_ERR_INPUT, "%s: has %zu bytes, its header of %d dimensions needs %zu", label, n,
                         idx.rank, header);
    bool fits = true;
    for (int i = 0; i < idx.rank; i++) {
        idx.dims[i] = big_endian(b + 4 + 4 * i);
        fits = bfn__size_mul(idx.count, idx.dims[i], &idx.count) && fits;
    }
    if (!fits || idx.count != n - header)
        return bfn__fail(ctx, BFN_ERR_INPUT, "%s: its header says %s%zu values, %zu bytes follow it", label,
                         fits ? "" : "at least ", idx.count, n - header);
    idx.data = b + header;
    *out = idx;
    return BFN_OK;
}
