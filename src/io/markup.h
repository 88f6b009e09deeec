/* markup.h: text that grows, for SVG and HTML: formatted pieces, escaped words, coordinates without a locale. */
#ifndef BFN_MARKUP_H
#define BFN_MARKUP_H

#include "base/base.h"

/* {.ctx = ctx} to begin with. After a failure of memory everything is ignored and `failed` stays. */
typedef struct bfn__markup {
    bfn_context *ctx;
    char *data; /* zero-terminated; by bfn__free. NULL: nothing was added */
    size_t n, room;
    bool failed;
} bfn__markup;

void bfn__markup_bytes(bfn__markup *m, const char *data, size_t n);
void bfn__markup_text(bfn__markup *m, const char *text); /* as it is */
/* Formatted, at most 511 bytes of it; no floating-point numbers but with precision 0 (the locale's decimal mark). */
void bfn__markup_add(bfn__markup *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Words of the caller's: what XML reserves becomes entities, controls and bytes that are no UTF-8 a '?'. */
void bfn__markup_escaped(bfn__markup *m, const char *text);
/* A coordinate: tenths of a pixel. */
void bfn__markup_coordinate(bfn__markup *m, double value);
/* A number with so many digits behind the point (at most 9), '.' in every locale; a dash for NaN, an infinity beyond 1e9. */
void bfn__markup_fixed(bfn__markup *m, double value, int digits);

#endif
