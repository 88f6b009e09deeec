/* signals.h: Ctrl-C and SIGTERM as a question that a loop can ask, without a signal handler. */
#ifndef BFN_CLI_SIGNALS_H
#define BFN_CLI_SIGNALS_H

#include <stdbool.h>

/* From now on SIGINT and SIGTERM are remembered instead of ending the program; a second one ends it at once. Call it before any
 * other thread exists. False: no thread could be had, and both signals end the program as ever. */
bool cli_signals_watch(void);

/* SIGINT, SIGTERM, or 0. */
int cli_signals_caught(void);

#endif
