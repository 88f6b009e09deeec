/* cmd_selftest.c: bfn selftest: samplers against closed forms, on this machine. */
#include "cli.h"

#include "bfn/selftest.h"

#include <stddef.h>
#include <stdio.h>

typedef struct selftest_values {
    int full, quiet;
    size_t threads;
} selftest_values;

#define AT(member) offsetof(selftest_values, member)
static const cli_option options[] = {
    {"full", 0, NULL, CLI_FLAG, AT(full), 0, 0, NULL,
     "also text from a Markov chain with its exact network (a minute or two)"},
    {"quiet", 'q', NULL, CLI_FLAG, AT(quiet), 0, 0, NULL, "only the last line"},
    {"threads", 0, "N", CLI_SIZE, AT(threads), 1, 1024, NULL, "CPU threads (default: all)"},
};

static int print_line(void *user, const char *line)
{
    (void)user;
    return printf("%s\n", line) < 0 || fflush(stdout) != 0;
}

static int run(const cli_command *command, int argc, char **argv)
{
    selftest_values v = {0};
    size_t n_operands, n_checks = 0, n_failed = 0;
    if (!cli_parse(command, argc, argv, &v, NULL, 0, &n_operands))
        return CLI_EXIT_USAGE;
    bfn_context *ctx;
    bfn_status status = cli_context(command, v.threads, &ctx);
    if (status != BFN_OK)
        return (int)status;
    bfn_selftest_options o = BFN_SELFTEST_OPTIONS_INIT;
    o.full = v.full;
    o.print = v.quiet ? NULL : print_line;
    status = bfn_selftest(ctx, &o, &n_checks, &n_failed);
    int code = 0;
    if (status == BFN_CANCELLED) { /* only our own printing stops it */
        fprintf(stderr, "bfn selftest: standard output cannot be written\n");
        code = CLI_EXIT_WRITE;
    } else if (status != BFN_OK) {
        code = cli_fail(command, ctx, status);
    }
    if (code == 0)
        printf("%zu checks passed\n", n_checks);
    if (code == 0)
        code = cli_flush(command);
    bfn_context_destroy(ctx);
    return code;
}

const cli_command cli_command_selftest = {
    "selftest",
    "prove on this machine that the samplers do what their equations say",
    "[options]",
    "Runs every sampling method on data whose best network is known in closed form, and compares orders of accuracy,\n"
    "the law of the samples, numbers of evaluations and random numbers with exact answers. Reads no files.\n"
    "Exit code 8 when a check fails.",
    options,
    sizeof options / sizeof options[0],
    "  bfn selftest\n  bfn selftest --full",
    run,
};
