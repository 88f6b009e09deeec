/* parallel.c: OpenMP loops.
 *
 * Tasks are handed out one by one (schedule dynamic), because they are coarse and other programs may slow one core down; no
 * result depends on which thread ran a task. A loop that ends up on one thread sets the number of threads to one meanwhile: inside a
 * real parallel region oneDNN runs on the calling thread alone, but a region of one thread looks like none to it, and it would start a team
 * of its own, whose sums may be ordered differently.
 * Built without OpenMP (thread sanitizer, fuzzers) all loops are plain.
 */
#include "nn/parallel.h"

#include <stdlib.h>

#ifdef _OPENMP
#include <omp.h>
#else
static int omp_get_max_threads(void)
{
    return 1;
}

static void omp_set_num_threads(int n)
{
    (void)n;
}

static int omp_in_parallel(void)
{
    return 0;
}

static int omp_get_thread_num(void)
{
    return 0;
}
#endif

int bfn__limit_threads(int n)
{
    int before = omp_get_max_threads();
    omp_set_num_threads(n);
    return before;
}

int bfn__n_threads(const bfn_context *ctx)
{
    int n = ctx != NULL && ctx->n_threads > 0 ? ctx->n_threads : omp_get_max_threads();
    return n > 0 ? n : 1;
}

void bfn__loop(int n_threads, size_t n, void (*task)(void *arg, size_t i, int thread), void *arg)
{
    if (n_threads <= 1 || n <= 1 || omp_in_parallel()) {
        int before = bfn__limit_threads(1);
        for (size_t i = 0; i < n; i++)
            task(arg, i, 0);
        (void)bfn__limit_threads(before);
        return;
    }
#pragma omp parallel for schedule(dynamic, 1) num_threads(n_threads)
    for (size_t i = 0; i < n; i++)
        task(arg, i, omp_get_thread_num());
}

typedef struct plain_task {
    void (*task)(void *arg, size_t i);
    void *arg;
} plain_task;

static void run_plain(void *arg, size_t i, int thread)
{
    (void)thread;
    const plain_task *p = arg;
    p->task(p->arg, i);
}

void bfn__openmp_parallel_for(void *user, size_t n, void (*task)(void *arg, size_t i), void *arg)
{
    plain_task p = {task, arg};
    bfn__loop(bfn__n_threads(user), n, run_plain, &p);
}

/* Measured: oneDNN's generated code, tables and buffers for small networks are below 20 MB; a stack has 8 MB where nobody changed it. */
static const size_t ROOM_FOR_ONEDNN = 48u << 20, ROOM_FOR_STACK = 8u << 20;

bfn_status bfn__room_for_threads(bfn_context *ctx)
{
    size_t bytes = ROOM_FOR_ONEDNN + (size_t)(bfn__n_threads(ctx) - 1) * ROOM_FOR_STACK;
    void *volatile room =
        malloc(bytes); /* not the context's: what others take is not, either. Not touched: it costs nothing. */
    if (room == NULL)
        return bfn__fail(ctx, BFN_ERR_MEMORY, "out of memory: %zu MB more are needed for %d threads and oneDNN",
                         bytes >> 20, bfn__n_threads(ctx));
    free(room);
    return BFN_OK;
}
