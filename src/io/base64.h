/* base64.h: bytes as text (RFC 4648, section 4, with padding): pictures inside HTML and JSON. */
#ifndef BFN_BASE64_H
#define BFN_BASE64_H

#include "base/base.h"

/* *out: zero-terminated, by bfn__free. */
bfn_status bfn__base64_encode(bfn_context *ctx, const void *bytes, size_t n, char **out);

#endif
