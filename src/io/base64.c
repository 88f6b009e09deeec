/* base64.c: three bytes to four letters (base64.h). */
#include "io/base64.h"

bfn_status bfn__base64_encode(bfn_context *ctx, const void *bytes, size_t n, char **out)
{
    static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const unsigned char *b = bytes;
    size_t groups = n / 3 + (n % 3 != 0);
    size_t room;
    char *text = bfn__size_mul(groups, 4, &room) ? bfn__calloc(ctx, room + 1, 1) : NULL;
    *out = text;
    if (text == NULL)
        return BFN_ERR_MEMORY;
    for (size_t i = 0; i < n; i += 3, text += 4) {
        unsigned b1 = i + 1 < n ? b[i + 1] : 0, b2 = i + 2 < n ? b[i + 2] : 0;
        unsigned bits = (unsigned)b[i] << 16 | b1 << 8 | b2;
        text[0] = letters[bits >> 18];
        text[1] = letters[bits >> 12 & 63];
        text[2] = i + 1 < n ? letters[bits >> 6 & 63] : '=';
        text[3] = i + 2 < n ? letters[bits & 63] : '=';
    }
    return BFN_OK;
}
