/* text8.h: cleaning to text8's alphabet, as a stream or line by line. */
#ifndef BFN_TEXT8_H
#define BFN_TEXT8_H

#include "base/base.h"

/* lines: ends of lines are kept, lines have no spaces at their ends. *out by bfn__free. */
bfn_status bfn__text8_clean_as(bfn_context *ctx, const char *raw, size_t n, bool lines, char **out, size_t *n_out);

/* Only a..z and spaces, no two spaces in a row. */
bool bfn__text8_is_clean(const char *text, size_t n);

#endif
