/* parallel.h: OpenMP loops. */
#ifndef BFN_NN_PARALLEL_H
#define BFN_NN_PARALLEL_H

#include "base/base.h"

/* Threads that a context's loops use. */
int bfn__n_threads(const bfn_context *ctx);

/* How many threads parallel regions (ours and oneDNN's) started by this thread have from now on; returns what it was. */
int bfn__limit_threads(int n);

/* task(arg, i, thread) for i in [0, n) on n_threads threads, thread in [0, n_threads). oneDNN calls made inside run on the one
 * thread that makes them. */
void bfn__loop(int n_threads, size_t n, void (*task)(void *arg, size_t i, int thread), void *arg);

/* For bfn_context: parallel_for. user: the context whose n_threads counts, or NULL: as many as OpenMP offers. */
void bfn__openmp_parallel_for(void *user, size_t n, void (*task)(void *arg, size_t i), void *arg);

/* Is there address space for the stacks of all threads and for what oneDNN takes for itself? BFN_ERR_MEMORY. Both end the process
 * where they get none (GNU OpenMP by exit, oneDNN by a signal), so they are not called in such a place. */
bfn_status bfn__room_for_threads(bfn_context *ctx);

#endif
