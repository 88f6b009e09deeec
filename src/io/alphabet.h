/* alphabet.h: what alphabets and text sets share. */
#ifndef BFN_ALPHABET_H
#define BFN_ALPHABET_H

#include "io/text.h"

struct bfn__alphabet {
    bfn_context *ctx;
    size_t n;        /* symbols without padding */
    int pad;         /* n, or -1 */
    char *symbols;   /* UTF-8 */
    uint32_t *codes; /* [n] */
    uint16_t
        *pages; /* [n_pages] which page of index has the code points 256 p to 256 p + 255; 0: none of them occurs */
    uint16_t *index;  /* [.,256] index + 1 of a code point, 0: none; page 0 is empty */
    uint32_t n_pages; /* up to the largest code point */
};

extern const char bfn__text8_symbols[]; /* space, a..z */

enum { BFN__CODE_TEXT_MAX = 24 };
/* "'x' (U+0078)", or "U+001B" for what cannot be printed. */
void bfn__describe_code(uint32_t code, char out[BFN__CODE_TEXT_MAX]);

/* The character at text[i] of checked UTF-8 and its bytes; CR LF counts as one LF of two bytes. */
size_t bfn__next_code(const char *text, size_t n, size_t i, uint32_t *code);

/* BFN_ERR_INPUT with the offset of the first byte that is not valid UTF-8. */
bfn_status bfn__text_check(bfn_context *ctx, const char *text, size_t n, const char *label);

/* "label: byte 17: character 'x' (U+0078) is not in the alphabet". */
bfn_status bfn__fail_code(bfn_context *ctx, const char *label, size_t at, uint32_t code);

static inline int bfn__alphabet_lookup(const bfn__alphabet *a, uint32_t code)
{
    return code / 256 < a->n_pages ? (int)a->index[a->pages[code / 256] * 256u + code % 256] - 1 : -1;
}

#endif
