/* signals.c: a thread that waits for SIGINT and SIGTERM, which all other threads block.
 *
 * Why no handler: the kernel runs a handler on the interrupted thread's stack, 128 bytes below its stack pointer, and oneDNN's generated
 * code (2.6.3: dnnl_sgemm) keeps data lower than that. A handler that interrupts it destroys addresses that the code then writes to.
 */
#include "signals.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

static atomic_int caught;

static void *wait_for_signals(void *arg)
{
    const sigset_t *set = arg;
    for (;;) {
        int number;
        if (sigwait(set, &number) != 0)
            continue;
        if (atomic_load(&caught) != 0)
            _exit(128 + number);
        atomic_store(&caught, number);
    }
    return NULL;
}

bool cli_signals_watch(void)
{
    static sigset_t set; /* the thread reads it */
    sigset_t before;
    pthread_t thread;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    if (pthread_sigmask(SIG_BLOCK, &set, &before) != 0)
        return false;
    (void)signal(SIGINT, SIG_DFL); /* shells let background commands ignore it */
    (void)signal(SIGTERM, SIG_DFL);
    if (pthread_create(&thread, NULL, wait_for_signals, &set) != 0) {
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
        return false;
    }
    (void)pthread_detach(thread);
    return true;
}

int cli_signals_caught(void)
{
    return atomic_load(&caught);
}
