/* zipfile.h: reading zip files in memory through libzip, with the checks that every format made of a zip needs. */
#ifndef BFN_ZIPFILE_H
#define BFN_ZIPFILE_H

#include "base/base.h"

typedef struct bfn__zip bfn__zip;

typedef struct bfn__zip_entry {
    const char *name; /* owned by the handle */
    size_t index, size;
    bool stored;
} bfn__zip_entry;

/* bytes must outlive the handle. BFN_ERR_INPUT: not a zip file, cut short, local and central headers that disagree, a name twice, more
 * than max_entries files inside (looked at before memory is taken). */
bfn_status bfn__zip_open(bfn_context *ctx, bfn__zip **out, const void *bytes, size_t n, size_t max_entries,
                         const char *label);
void bfn__zip_close(bfn__zip *zip); /* NULL is fine */

size_t bfn__zip_n(const bfn__zip *zip);
/* BFN_ERR_INPUT: encrypted, a compression other than stored or deflate, a size that its compressed bytes cannot hold. */
bfn_status bfn__zip_entry_at(bfn__zip *zip, size_t i, bfn__zip_entry *entry);
/* The entry of that name; false: there is none. */
bool bfn__zip_find(bfn__zip *zip, const char *name, size_t *i);

/* The entry's content, `size` bytes, into out. BFN_ERR_INPUT: a wrong checksum, more or fewer bytes than the header says. */
bfn_status bfn__zip_read(bfn__zip *zip, const bfn__zip_entry *entry, void *out);
/* Where a stored entry's content lies in the bytes of the file; its checksum is compared first. Errors as above. */
bfn_status bfn__zip_place(bfn__zip *zip, const bfn__zip_entry *entry, const void **data);

#endif
