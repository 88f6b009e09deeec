/* cmd_sample.h: bfn sample with values that do not come from its command line (bfn repro). */
#ifndef BFN_CLI_CMD_SAMPLE_H
#define BFN_CLI_CMD_SAMPLE_H

#include "sample_run.h"

/* The whole of bfn sample. The exit code. */
int sample_run_values(const cli_command *command, sample_values *v);
extern const cli_option sample_options[];
extern const size_t sample_n_options;
#define SAMPLE_VALUES_INIT                                                                                             \
    {                                                                                                                  \
        .n = 1, .batch = 8, .seed = 1, .label = SIZE_MAX, .format = FORMAT_AUTO, .solver = CLI_SOLVER_VALUES_INIT      \
    }

#endif
