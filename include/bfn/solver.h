/* bfn/solver.h: sampling methods as tables (plans) of coefficients. No network, no data, no random numbers here.
 *
 * Write x for the state (mean or logits), p_0 for the network's newest prediction, p_1.. p_3 for the ones before, z for standard
 * normals. A sampler is a sequence of rows
 *     if (row.call) { p_3 = p_2; p_2 = p_1; p_1 = p_0; p_0 = prediction(x, row.t); }
 *     x = row.a * x + sum_j row.b[j] * p_j + row.k + row.e * z
 * with scalars that depend on the row alone (2404.15766, algorithms 1 to 7; the higher orders and correctors beyond them fit as well).
 * A plan can be printed, tested without a network and run by another engine.
 */
#ifndef BFN_SOLVER_H
#define BFN_SOLVER_H

#include "bfn/flow.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum bfn_method {
    BFN_METHOD_NONE = 0,
#define BFN_METHOD(NAME, name, text) BFN_METHOD_##NAME,
#include "bfn/methods.def"
#undef BFN_METHOD
    BFN_METHOD_COUNT
} bfn_method;

typedef enum bfn_grid {
    BFN_GRID_DEFAULT =
        0, /* continuous data and bits (two classes), and a method that treats the linear part exactly: LOGSNR; else, and for published names: TIME */
    BFN_GRID_TIME = 1,
    BFN_GRID_LOGSNR = 2,
    BFN_GRID_POWER = 3,
    BFN_GRID_LIST = 4
} bfn_grid;
typedef enum bfn_start {
    BFN_START_DEFAULT = 0, /* as bfn_model_resolve says, which knows the data's moments; a plan alone: ZERO_MEAN */
    BFN_START_ZERO_MEAN = 1,
    BFN_START_MOMENTS = 2
} bfn_start;
typedef enum bfn_last { BFN_LAST_DEFAULT = 0, BFN_LAST_PREDICT = 1, BFN_LAST_UPDATE = 2, BFN_LAST_CALL = 3 } bfn_last;
typedef enum bfn_prediction {
    BFN_PREDICTION_DEFAULT = 0,
    BFN_PREDICTION_MEAN = 1,
    BFN_PREDICTION_DRAW = 2
} bfn_prediction;

typedef struct bfn_solver_options {
    size_t struct_size;
    bfn_method method;
    size_t n_evaluations; /* network evaluations to spend (NFE), 1..1000000; 0: n_steps says it */
    size_t n_steps;       /* steps of the grid, 1..1000000; exactly one of the two is given */
    bfn_grid grid;        /* default: what serves the data best (docs/RESULTS.md), not always what was published */
    double power;         /* BFN_GRID_POWER: exponent r in [0.1, 10] */
    const double *times;  /* BFN_GRID_LIST: increasing, first = eta in [0,1), last = 1 */
    size_t n_times;       /* ... n_steps + 1 of them (here n_steps and n_evaluations may both be 0) */
    double eta; /* first time t_0, in [0, 0.5]; ignored by BFN_GRID_LIST; BFN_GRID_LOGSNR starts at max(eta, 1e-3) */
    int eta_is_set;            /* 0: the default: bfn 0; discrete 1e-3; continuous 1e-3 on BFN_GRID_LOGSNR, else 1e-2 */
    bfn_start start;           /* BFN_START_MOMENTS: the caller's sampler must be given the data's moments */
    bfn_last last;             /* default: predict; method bfn: call */
    bfn_prediction prediction; /* default: mean; method bfn: draw */
    int corrector;             /* non-zero: the free corrector (SPEC 9.3), multistep methods only */
    double noise; /* dial between ODE (0) and SDE (1) for ode1/sde1 (SPEC 9.6); only read when noise_is_set */
    int noise_is_set;
    int published; /* non-zero: reproduce the published code in its slips too (set by the alias names; SPEC 11.3): with last
                               predict, ode2m and sde2m do not drop their only step, ode2s returns the last midpoint's prediction */
} bfn_solver_options;

#define BFN_SOLVER_OPTIONS_INIT                                                                                        \
    {                                                                                                                  \
        sizeof(bfn_solver_options), BFN_METHOD_ODE2M, 0, 0, BFN_GRID_DEFAULT, 1.0, 0, 0, 0.0, 0, BFN_START_DEFAULT,    \
            BFN_LAST_DEFAULT, BFN_PREDICTION_DEFAULT, 0, 0.0, 0, 0                                                     \
    }

/* Name of a method ("ode2m"), or its one-line description; NULL for a value that is none. */
BFN_API const char *bfn_method_name(bfn_method method);
BFN_API const char *bfn_method_text(bfn_method method);

/* Set method (and what a published alias implies: published = 1, prediction) from a name: "ode2m", or a published name such as
 * "ode_bfnsolver2_multi_step". BFN_ERR_ARGUMENT names the nearest known one. */
BFN_API BFN_MUST_CHECK bfn_status bfn_method_parse(bfn_context *ctx, const char *name, bfn_solver_options *options);

typedef struct bfn_plan_row {
    int call;      /* the network is called before this row, at time t, on the state before the row */
    int corrector; /* 1: this row corrects the state at time t (t_next == t) with the newest prediction */
    double t;      /* time of the state before the row */
    double t_next; /* time of the state after the row */
    double a;      /* factor of the old state */
    double b[4];   /* factors of p_0 (newest) .. p_3 */
    double k;      /* constant */
    double e;      /* factor of the noise; 0: none is drawn */
} bfn_plan_row;

typedef struct bfn_plan bfn_plan;

/* The initial state, at start_time, is
 *   BFN_START_ZERO_MEAN  x_0 = start_std z
 *   BFN_START_MOMENTS    x_0 = start_mean m + std z, m = E[x] (discrete: K E[e_x] - 1) and std^2 = start_std^2 + start_mean^2 v,
 *                        v = tr Cov(x)/D (discrete: K tr Cov(e_x)/D)
 * After the last row the state is the sample: BFN_LAST_PREDICT plans end with a row a = 0, b[0] = 1 (x = p_0); the sample of
 * discrete data is its largest class. With final_call the network's output at t = 1 on that state replaces it. */
typedef struct bfn_plan_info {
    size_t n_rows, n_steps, n_evaluations;
    double start_time, start_mean, start_std;
    bfn_last last;             /* resolved */
    bfn_prediction prediction; /* resolved */
    bfn_start start;           /* resolved */
    bfn_grid grid;             /* resolved */
    int final_call;            /* BFN_LAST_CALL: one more evaluation at t = 1 after the last row */
    int n_history;             /* predictions a sampler has to keep, 1..4 */
} bfn_plan_info;

BFN_API BFN_MUST_CHECK bfn_status bfn_plan_create(bfn_context *ctx, bfn_plan **out, const bfn_flow *flow,
                                                  const bfn_solver_options *options);
BFN_API void bfn_plan_destroy(bfn_plan *plan);
BFN_API void bfn_plan_get_info(const bfn_plan *plan, bfn_plan_info *info);
BFN_API const bfn_plan_row *bfn_plan_rows(const bfn_plan *plan); /* [n_rows], lives as long as the plan */

#ifdef __cplusplus
}
#endif
#endif
