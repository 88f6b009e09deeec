/* journal.h: a file of lines that only grows: what a long run has finished, so that a killed one can go on.
 *
 * A line is either there as a whole or not at all: it is written with one call and brought to disk before the next; what a kill or a full
 * disk left of a line without its end is cut off when the file is opened again. One process at a time (a lock on the file).
 */
#ifndef BFN_JOURNAL_H
#define BFN_JOURNAL_H

#include "base/base.h"

typedef struct bfn__journal bfn__journal;

/* Opens or makes the file, locks it, reads what is there. BFN_ERR_ARGUMENT: another process holds it. BFN_ERR_WRITE: it cannot be made.
 * BFN_ERR_INPUT: larger than max_bytes, or it holds NUL bytes. */
bfn_status bfn__journal_open(bfn_context *ctx, bfn__journal **out, const char *path, size_t max_bytes);
size_t bfn__journal_n(const bfn__journal *journal); /* lines that were there when it was opened */
const char *bfn__journal_line(const bfn__journal *journal, size_t i);
/* line: without '\n'. On return it is on disk. BFN_ERR_WRITE: it is not, and nothing of it is left in the file. */
bfn_status bfn__journal_append(bfn__journal *journal, const char *line);
void bfn__journal_close(bfn__journal *journal); /* NULL is fine */

/* mkdir -p: BFN_ERR_WRITE when the folder cannot be made or is a file. */
bfn_status bfn__folder_make(bfn_context *ctx, const char *folder);

#endif
