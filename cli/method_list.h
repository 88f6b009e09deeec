/* method_list.h: --methods bfn,ode2m+corrector,sde2m and --nfe 5,10,20 as tables of cells, for commands that compare samplers. */
#ifndef BFN_CLI_METHOD_LIST_H
#define BFN_CLI_METHOD_LIST_H

#include "bfn/solver.h"
#include "cli.h"

enum { CLI_MAX_METHODS = 32, CLI_MAX_COUNTS = 32 };

typedef struct cli_method_list {
    char *copy; /* of --methods, cut into labels */
    const char *labels[CLI_MAX_METHODS];
    bfn_solver_options solvers[CLI_MAX_METHODS];
    size_t n_methods;
    size_t counts[CLI_MAX_COUNTS];
    size_t n_counts;
} cli_method_list;

/* Read both lists and judge every cell of their table; 0, or the exit code with the message out. */
int cli_methods_parse(const cli_command *command, bfn_context *ctx, const char *methods, const char *counts,
                      cli_method_list *list);
void cli_methods_free(cli_method_list *list);

#endif
