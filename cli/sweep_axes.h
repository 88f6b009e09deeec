/* sweep_axes.h: the dimensions of bfn sweep, as lists separated by commas, and the cells that they span. */
#ifndef BFN_CLI_SWEEP_AXES_H
#define BFN_CLI_SWEEP_AXES_H

#include "cli.h"

#include "bfn/sweep.h"

enum { SWEEP_MAX_ITEMS = 64, SWEEP_MAX_CELLS = 100000 };

/* NULL: not given. */
typedef struct sweep_axes {
    const char *methods, *nfe, *grids, *eta, *start, *last, *prediction, *corrector, *clip, *seeds;
} sweep_axes;

typedef struct sweep_cells {
    bfn_sweep_cell *cells;
    size_t n;
    double *times;     /* of --grids list:... */
    size_t n_refused;  /* combinations that do not exist, as a corrector for a method of one step */
    char refused[512]; /* the first of them, and why */
} sweep_cells;

typedef struct sweep_preset {
    const char *name, *text;
    sweep_axes axes;
} sweep_preset;

/* NULL behind the last. */
const sweep_preset *sweep_preset_at(size_t i);
const sweep_preset *sweep_preset_find(const char *name);
/* Where `over` says nothing, what `under` says. */
sweep_axes sweep_axes_merge(const sweep_axes *over, const sweep_axes *under);

/* Reads all lists and spans the cells: seeds vary slowest, then methods, options, evaluations. Combinations without a plan are counted and
 * left out; a method that is left with none is refused. 0, or the exit code with the message out. */
int sweep_axes_span(const cli_command *command, bfn_context *ctx, const sweep_axes *axes, sweep_cells *out);
void sweep_cells_free(sweep_cells *cells);

#endif
