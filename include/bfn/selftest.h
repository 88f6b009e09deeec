/* bfn/selftest.h: prove on this machine that samplers do what their equations say.
 *
 * Data whose best network is known in closed form leave the sampler nothing to blame. The self-test runs every method on such
 * data and compares with exact answers: random number test vectors, coefficients, observed orders of accuracy, the law of the
 * samples, the number of network evaluations, and that nothing overflows for any method, grid, eta and number of steps. It reads
 * no files and takes a few seconds; all its random numbers are counter-based with fixed seeds, so two runs print the same.
 */
#ifndef BFN_SELFTEST_H
#define BFN_SELFTEST_H

#include "bfn/status.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One line of the report, without a line end. Non-zero return stops the self-test with BFN_CANCELLED. */
typedef int (*bfn_selftest_print_fn)(void *user, const char *line);

typedef struct bfn_selftest_options {
    size_t struct_size;
    int full; /* non-zero: also text from a Markov chain with its exact network (a minute or two): bits per character for method
                 and number of evaluations, the bound against the entropy, infilling against the exact conditional law */
    bfn_selftest_print_fn print; /* NULL: silent */
    void *user;
} bfn_selftest_options;

#define BFN_SELFTEST_OPTIONS_INIT                                                                                      \
    {                                                                                                                  \
        sizeof(bfn_selftest_options), 0, 0, 0                                                                          \
    }

/* options NULL: the defaults. BFN_ERR_SELFTEST when a check failed (the message says how many and which came first).
 * n_checks and n_failed may be NULL. */
BFN_API BFN_MUST_CHECK bfn_status bfn_selftest(bfn_context *ctx, const bfn_selftest_options *options, size_t *n_checks,
                                               size_t *n_failed);

#ifdef __cplusplus
}
#endif
#endif
