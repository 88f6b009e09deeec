/* sweep_table.h: the table "as good as the original sampler" of a sweep, on standard output. */
#ifndef BFN_CLI_SWEEP_TABLE_H
#define BFN_CLI_SWEEP_TABLE_H

#include "cli.h"

#include "bfn/sweep.h"

void sweep_table_print(const bfn_sweep_table *table);

#endif
