/* signals.c: a thread that waits for SIGINT and SIGTERM, which all threads block that this program starts.
 *
 * Why no handler in these: the kernel runs a handler on the interrupted thread's stack, 128 bytes below its stack pointer, and oneDNN's generated
 * code (2.6.3: dnnl_sgemm) keeps data lower than that. A handler that interrupts it destroys addresses that the code then writes to.
 * Threads that a library started before main (OpenBLAS does) block nothing, and the kernel may choose one of them: for these there is a
 * handler, which does the same as the waiting thread. They never run oneDNN's code.
 */
#include "signals.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

static atomic_int caught;

/* The first is remembered, the second ends the program. */
static void remember(int number)
{
    int none = 0;
    if (!atomic_compare_exchange_strong(&caught, &none, number))
        _exit(128 + number);
}

static void *wait_for_signals(void *arg)
{
    const sigset_t *set = arg;
    for (;;) {
        int number;
        if (sigwait(set, &number) == 0)
            remember(number);
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
    if (pthread_create(&thread, NULL, wait_for_signals, &set) != 0) {
        (void)signal(SIGINT, SIG_DFL); /* shells let background commands ignore it */
        (void)signal(SIGTERM, SIG_DFL);
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
        return false;
    }
    (void)pthread_detach(thread);
    (void)sigaction(SIGINT, &(struct sigaction){.sa_handler = remember, .sa_flags = SA_RESTART}, NULL);
    (void)sigaction(SIGTERM, &(struct sigaction){.sa_handler = remember, .sa_flags = SA_RESTART}, NULL);
    return true;
}

int cli_signals_caught(void)
{
    return atomic_load(&caught);
}
