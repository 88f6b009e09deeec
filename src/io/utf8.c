/* utf8.c: strict UTF-8 decoding and encoding.
 *
 *   0xxxxxxx                             U+0000 .. U+007F
 *   110xxxxx 10xxxxxx                    U+0080 .. U+07FF
 *   1110xxxx 10xxxxxx 10xxxxxx           U+0800 .. U+FFFF without D800 .. DFFF
 *   11110xxx 10xxxxxx 10xxxxxx 10xxxxxx  U+10000 .. U+10FFFF
 *
 * A longer form than needed is refused: two spellings of one character would make two names of one tensor.
 */
#include "io/utf8.h"

#include <string.h>

size_t bfn__utf8_decode(const char *s, size_t n, uint32_t *code)
{
    static const uint32_t smallest[5] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *u = (const unsigned char *)s;
    if (u[0] < 0x80) {
        *code = u[0];
        return 1;
    }
    size_t length = u[0] >= 0xf8 ? 0 : u[0] >= 0xf0 ? 4 : u[0] >= 0xe0 ? 3 : u[0] >= 0xc0 ? 2 : 0;
    if (length == 0 || length > n)
        return 0;
    uint32_t value = u[0] & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((u[i] & 0xc0) != 0x80)
            return 0;
        value = (value << 6) | (u[i] & 0x3fu);
    }
    if (value < smallest[length] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
        return 0;
    *code = value;
    return length;
}

size_t bfn__utf8_encode(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t length = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (code & 0x3f));
        code >>= 6;
    }
    out[0] = (char)((0xf00u >> length & 0xf0u) | code);
    return length;
}

size_t bfn__utf8_check(const char *s, size_t n)
{
    for (size_t i = 0; i < n;) {
        uint32_t code;
        uint64_t eight;
        if (n - i >= sizeof eight) { /* most text is mostly ASCII */
            memcpy(&eight, s + i, sizeof eight);
            if ((eight & 0x8080808080808080u) == 0) {
                i += sizeof eight;
                continue;
            }
        }
        size_t length = bfn__utf8_decode(s + i, n - i, &code);
        if (length == 0)
            return i;
        i += length;
    }
    return n;
}

bool bfn__is_control(uint32_t code)
{
    return code < 0x20 || (code >= 0x7f && code < 0xa0);
}

bool bfn__is_odd_control(uint32_t code)
{
    return bfn__is_control(code) && (code < '\t' || code > '\r');
}
