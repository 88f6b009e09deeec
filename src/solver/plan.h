/* plan.h: inside a plan: options resolved, the grid, and the rows being filled. */
#ifndef BFN_PLAN_H
#define BFN_PLAN_H

#include "bfn/solver.h"
#include "solver/path.h"

enum { BFN__MAX_STEPS = 1000000 };

struct bfn_plan {
    bfn_context *ctx;
    bfn_plan_info info;
    bfn_plan_row *rows;
};

/* What a method is made of. */
typedef struct bfn__method_traits {
    bool sde;
    size_t order;        /* predictions that a full step weighs */
    bool multistep;      /* may have a corrector */
    bool euler;          /* linear part not integrated exactly */
    bool dial;           /* takes a noise fraction */
    bool midpoint_each;  /* two stages in every step */
    bool midpoint_first; /* ... in the first step */
} bfn__method_traits;

bfn__method_traits bfn__method_describe(bfn_method method);

/* Options with every default replaced by its value. */
typedef struct bfn__resolved {
    bfn__path path;
    bfn_method method;
    bfn__method_traits traits;
    size_t n_steps;
    bfn_grid grid;
    double power, eta;
    const double *times; /* BFN_GRID_LIST */
    bfn_start start;
    bfn_last last;
    bfn_prediction prediction;
    bool corrector, published, noise_is_set;
    double noise;
    bool drop_last; /* the last step is one call whose prediction is the sample */
} bfn__resolved;

bfn_status bfn__options_resolve(bfn_context *ctx, const bfn_flow *flow, const bfn_solver_options *options,
                                bfn__resolved *r);

/* Do the defaults start early and from the data's moments, on the logsnr grid? For continuous data and bits whose linear part the method integrates
 * exactly: uniform steps in time hardly look at the early times where most is decided. The published names keep what was published. */
bool bfn__starts_early(const bfn_flow *flow, const bfn_solver_options *options);

/* Times t_0 .. t_N of the grid, N + 1 of them, strictly increasing, the last exactly 1. */
bfn_status bfn__grid_fill(bfn_context *ctx, const bfn__resolved *r, double *t);

/* Rows for the grid t; rows has room for bfn__rows_max(r) of them. Returns how many there are. */
size_t bfn__rows_max(const bfn__resolved *r);
size_t bfn__rows_fill(const bfn__resolved *r, const double *t, bfn_plan_row *rows);

#endif
