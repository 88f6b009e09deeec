/* file.h: whole files in and out: read (or map) with size caps, write atomically. Messages name the path and the system's reason. */
#ifndef BFN_FILE_H
#define BFN_FILE_H

#include "base/base.h"

typedef struct bfn__bytes {
    void *data; /* NULL when size == 0 */
    size_t size;
    bool mapped;
} bfn__bytes;

/* BFN_ERR_NOT_FOUND (missing, folder, no permission), BFN_ERR_INPUT (larger than max_bytes, not a regular file). */
bfn_status bfn__file_map(bfn_context *ctx, const char *path, size_t max_bytes, bfn__bytes *out);
void bfn__file_unmap(bfn_context *ctx, bfn__bytes *bytes);

/* A file under construction: temporary name in the same folder; commit = flush, fsync, rename, fsync folder. abort removes it.
 * A symbolic link is followed; a device or FIFO is written directly. Every failure is BFN_ERR_WRITE (or BFN_ERR_MEMORY). */
typedef struct bfn__writer bfn__writer;
bfn_status bfn__writer_open(bfn_context *ctx, bfn__writer **out, const char *path);
bfn_status bfn__writer_write(bfn__writer *w, const void *data, size_t n);
bfn_status bfn__writer_commit(bfn__writer *w); /* frees w, also on failure */
void bfn__writer_abort(bfn__writer *w);        /* frees w; NULL is fine */

/* Whole file at once through a writer. */
bfn_status bfn__file_write(bfn_context *ctx, const char *path, const void *data, size_t n);

/* Add n bytes to the end of a regular file, which is made where it is missing: all of them or none. BFN_ERR_WRITE. */
bfn_status bfn__file_append(bfn_context *ctx, const char *path, const void *data, size_t n);
/* Cut a regular file to its first n bytes. BFN_ERR_WRITE. */
bfn_status bfn__file_cut(bfn_context *ctx, const char *path, size_t n);
/* Is it the name of a writer's temporary file ("<target>.tmp-<process>-<try>")? Length of the target's part; 0: no. */
size_t bfn__file_is_temporary(const char *name);

#endif
