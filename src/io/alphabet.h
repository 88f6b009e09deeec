/* alphabet.h: what alphabets and text sets share. */
#ifndef BFN_ALPHABET_H
#define BFN_ALPHABET_H

#include "io/text.h"

struct bfn__alphabet {
    bfn_context *ctx;
    size_t n;         /* symbols without padding */
    int pad;          /* n, or -1 */
    char *symbols;    /* UTF-8 */
    uint32_t *codes;  /* [n] */
    uint16_t *index;  /* [n_codes] index + 1 of a code point, 0: none */
    uint32_t n_codes; /* largest code point + 1 */
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
    return code < a->n_codes ? (int)a->index[code] - 1 : -1;
}

#endif
