/* helper_io.h: what tests of files and parsers share: an allocator that counts and fails, a scratch folder. */
#ifndef HELPER_IO_H
#define HELPER_IO_H

#include "base/base.h"

typedef struct counting {
    size_t n_calls; /* allocations asked for */
    size_t fail_at; /* the number of the call that fails, from 1; 0: none */
    size_t n_live;  /* blocks that were not freed yet */
} counting;

/* A context whose memory comes through c (which is reset). */
bfn_context *counting_context(counting *c);

/* Runs `run` with its 1st, 2nd, ... allocation failing until it needs fewer. Each failure must be BFN_ERR_MEMORY and leave nothing
 * behind; the last run, undisturbed, must give `wanted`. run frees what it makes. Returns the number of allocations. */
size_t each_allocation(bfn_status (*run)(bfn_context *ctx, void *arg), void *arg, bfn_status wanted);

/* A fresh folder below the current one; path of a file in it (a static buffer, four in turn); removal with all that is in it. */
void scratch_make(void);
const char *scratch(const char *name);
size_t scratch_count(void); /* files and folders right in it */
void scratch_remove(void);

/* A copy of exactly n bytes on the heap, so that the address sanitizer sees a read beyond its end. free() it. */
void *exact_copy(const void *bytes, size_t n);

#endif
