/* strings.h: lists of strings from bytes: lines of text, JSON lines, arrays of class indices. */
#ifndef BFN_STRINGS_H
#define BFN_STRINGS_H

#include "io/text.h"

typedef struct bfn__strings {
    size_t n;
    const char **list; /* [n] zero-terminated UTF-8 */
    char *text;        /* what they point into */
} bfn__strings;

typedef enum bfn__strings_form {
    BFN__STRINGS_ANY,   /* npy by its magic; JSON lines where the first byte is '{'; else text */
    BFN__STRINGS_LINES, /* ended by LF or CR LF; the last one may lack it */
    BFN__STRINGS_JSON   /* an object a line, whose member "text" is the string; empty lines are left out */
} bfn__strings_form;

/* alphabet: of npy's indices ([n,D], any integer type). BFN_ERR_INPUT with the line or the row: not UTF-8, no JSON object, no "text", a NUL, an
 * index outside the alphabet, no string at all. Nothing of `bytes` is kept. */
bfn_status bfn__strings_parse(bfn_context *ctx, bfn__strings *out, const void *bytes, size_t n, const char *label,
                              bfn__strings_form form, const bfn__alphabet *alphabet);
void bfn__strings_free(bfn_context *ctx, bfn__strings *strings);

#endif
