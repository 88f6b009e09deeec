/* plan_print.h: a plan for people (table), spreadsheets (CSV) and other programs (JSON). */
#ifndef BFN_CLI_PLAN_PRINT_H
#define BFN_CLI_PLAN_PRINT_H

#include "bfn/solver.h"

#include <stdio.h>

void plan_print_table(FILE *out, const bfn_plan *plan);
void plan_print_csv(FILE *out, const bfn_plan *plan);
void plan_print_json(FILE *out, const bfn_plan *plan);

#endif
