/* eval.h: the measures of bfn eval, one a file: eval_<measure>.c. Each is a command with a table of its own; cmd_eval.c lists them. */
#ifndef BFN_CLI_EVAL_H
#define BFN_CLI_EVAL_H

#include "cli.h"

extern const cli_command cli_eval_spell, cli_eval_text, cli_eval_bpd, cli_eval_bound, cli_eval_fid;

#endif
