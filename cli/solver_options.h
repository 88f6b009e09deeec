/* solver_options.h: the options that describe a sampler, the same for every command that takes them. */
#ifndef BFN_CLI_SOLVER_OPTIONS_H
#define BFN_CLI_SOLVER_OPTIONS_H

#include "bfn/solver.h"
#include "cli.h"

enum { CLI_MAX_TIMES = 4096 };

typedef struct cli_solver_values {
    const char *method, *grid;
    size_t nfe, steps;
    double eta, noise;
    int start, last, prediction, corrector;
    double times[CLI_MAX_TIMES]; /* of --grid list:... */
} cli_solver_values;

#define CLI_SOLVER_VALUES_INIT                                                                                         \
    {                                                                                                                  \
        .method = "sde2m", .grid = "default", .eta = -1.0, .noise = -1.0                                               \
    }

/* Rows of an option table; `at` is the offset of the cli_solver_values in the command's values; `list`: what --grid takes besides. */
/* clang-format off */
#define CLI_GRID_OPTIONS(at, list) \
    {"grid", 0, "GRID", CLI_TEXT, (at) + offsetof(cli_solver_values, grid), 0, 0, NULL,                                               \
     "default, time, logsnr, power:R (exponent 0.1 to 10)" list " (default: logsnr for continuous data and bits, where it gains " \
     "most; time for others, bfn, and the published names)"}, \
    {"eta", 0, "T", CLI_REAL, (at) + offsetof(cli_solver_values, eta), 0, 0.5, NULL,                                                  \
     "first time (default: 0 for bfn, 0.01 for continuous data on other grids than logsnr, else 0.001)"},                                                   \
    {"start", 0, "KIND", CLI_CHOICE, (at) + offsetof(cli_solver_values, start), 0, 0, "default|zero|moments",                                 \
     "initial state: zero mean, or the data's stored moments (default: moments for continuous data and bits; zero for others, bfn, and the " \
     "published names)"}

#define CLI_SOLVER_OPTIONS(at)                                                                                                       \
    {"method", 'M', "NAME", CLI_TEXT, (at) + offsetof(cli_solver_values, method), 0, 0, NULL,                                         \
     "sampling method: bfn, euler, em, ode1, ode2m, ode3m, ode2s, sde1, sde2m, sde3m or a published name (default sde2m)"},          \
    {"nfe", 0, "N", CLI_SIZE, (at) + offsetof(cli_solver_values, nfe), 1, 1e6, NULL,                                                  \
     "network evaluations to spend (default 20)"},                                                                                   \
    {"steps", 0, "N", CLI_SIZE, (at) + offsetof(cli_solver_values, steps), 1, 1e6, NULL,                                              \
     "steps of the time grid, instead of --nfe"},                                                                                    \
    CLI_GRID_OPTIONS(at, " or list:T0,T1,...,1"), \
    {"last", 0, "KIND", CLI_CHOICE, (at) + offsetof(cli_solver_values, last), 0, 0, "default|predict|update|call",                    \
     "last step: predict (the last prediction is the sample), update, or call the network once more at the end"},                    \
    {"corrector", 0, NULL, CLI_FLAG, (at) + offsetof(cli_solver_values, corrector), 0, 0, NULL,                                       \
     "correct each step with the newest prediction (multistep methods; costs no evaluation)"},                                       \
    {"prediction", 0, "KIND", CLI_CHOICE, (at) + offsetof(cli_solver_values, prediction), 0, 0, "default|mean|draw",                  \
     "the network's mean, or a draw from its output distribution (default: mean; bfn: draw)"},                                       \
    {"noise", 0, "X", CLI_REAL, (at) + offsetof(cli_solver_values, noise), 0, 1, NULL,                                                \
     "dial from ODE (0) to SDE (1) for ode1 and sde1"}
/* clang-format on */

/* What the library says against solver options, with the names of the program's options instead of its fields'; other failures as
 * cli_fail. Returns the exit code. method: "--method", or what the command calls it. */
int cli_solver_failure(const cli_command *command, const bfn_context *ctx, bfn_status status, const char *method);

/* A plan of these options without a model, made and dropped; the message is in ctx. */
bfn_status cli_solver_plan(bfn_context *ctx, const bfn_solver_options *solver);

/* Judge the options without a model: how many steps and evaluations a method can spend does not depend on it. 0, or the exit code. */
int cli_solver_check(const cli_command *command, bfn_context *ctx, const bfn_solver_options *solver,
                     const char *method);

/* The text values->grid into the solver's grid (times stay in `values`). false: the message, about --option, is out. */
bool cli_solver_grid(const cli_command *command, const char *option, cli_solver_values *values,
                     bfn_solver_options *solver);

/* What the grid of a plan is called: its text, or what the default came to. */
const char *cli_solver_grid_name(const cli_solver_values *values, const bfn_plan_info *plan);

/* CLI_GRID_OPTIONS alone: grid, eta and start into the solver options. false: the message is out. */
bool cli_solver_times(const cli_command *command, cli_solver_values *values, bfn_solver_options *solver);

/* Values into solver options (times stay in `values`). false: the message is out. */
bool cli_solver_resolve(const cli_command *command, bfn_context *ctx, cli_solver_values *values,
                        bfn_solver_options *solver);

#endif
