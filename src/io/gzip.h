/* gzip.h: gzip and dictzip files (several members in a row are fine) to bytes. */
#ifndef BFN_GZIP_H
#define BFN_GZIP_H

#include "base/base.h"

bool bfn__is_gzip(const void *bytes, size_t n);

/* BFN_ERR_INPUT with the offset for broken or cut-off data, for garbage behind the last member and beyond max_bytes of output.
 * *out (never NULL) by bfn__free. */
bfn_status bfn__gunzip(bfn_context *ctx, const void *bytes, size_t n, size_t max_bytes, const char *label, char **out,
                       size_t *n_out);

#endif
