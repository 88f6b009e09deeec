/* selftest.h: the self-test's parts, and the hook by which tests prove that it can fail.
 *
 * A group of checks is a function that adds lines to the report: measured, expected, ok or FAILED. Every plan of the self-test is
 * made by bfn__selftest_plan, which hands its rows to `sabotage` before they are used: a test spoils one kind of coefficient
 * and must see BFN_ERR_SELFTEST.
 */
#ifndef BFN_SELFTEST_INTERNAL_H
#define BFN_SELFTEST_INTERNAL_H

#include "base/base.h"
#include "bfn/sample.h"
#include "bfn/selftest.h"
#include "eval/exact.h"

typedef void (*bfn__sabotage_fn)(void *user, const bfn_flow *flow, const bfn_solver_options *options,
                                 bfn_plan_row *rows, size_t n_rows);

typedef enum bfn__selftest_group {
    BFN__SELFTEST_RANDOM = 1,       /* random number test vectors */
    BFN__SELFTEST_IDENTITIES = 2,   /* numbers of SPEC 10 */
    BFN__SELFTEST_COEFFICIENTS = 4, /* every row against quadrature */
    BFN__SELFTEST_ORDER = 8,
    BFN__SELFTEST_LAW = 16,
    BFN__SELFTEST_COUNTS = 32,
    BFN__SELFTEST_FINITE = 64,
    BFN__SELFTEST_QUICK = 127,
    BFN__SELFTEST_TEXT = 128,    /* --full: bound and infilling */
    BFN__SELFTEST_METHODS = 256, /* --full: methods at few evaluations */
    BFN__SELFTEST_FULL = 511
} bfn__selftest_group;

typedef struct bfn__selftest_setup {
    unsigned groups; /* BFN__SELFTEST_QUICK, _FULL or a selection */
    bfn_method only; /* check this method alone; BFN_METHOD_NONE: all */
    bfn_selftest_print_fn print;
    void *user;
    bfn__sabotage_fn sabotage; /* NULL: none */
    void *sabotage_user;
} bfn__selftest_setup;

typedef struct bfn__selftest {
    bfn_context *ctx;
    bfn__selftest_setup setup;
    size_t n_checks, n_failed;
    bool stopped; /* the print callback asked for it */
    char first_failure[128];
} bfn__selftest;

bfn_status bfn__selftest_run(bfn_context *ctx, const bfn__selftest_setup *setup, size_t *n_checks, size_t *n_failed);

/* Is this method to be checked? */
bool bfn__selftest_wants(const bfn__selftest *st, bfn_method method);

/* A plan, spoiled when a sabotage is on. */
bfn_status bfn__selftest_plan(bfn__selftest *st, bfn_plan **plan, const bfn_flow *flow,
                              const bfn_solver_options *options);

/* Report lines. what: printf-like. A NaN fails every check. */
void bfn__selftest_heading(bfn__selftest *st, const char *text);
void bfn__selftest_note(bfn__selftest *st, const char *format, ...) __attribute__((format(printf, 2, 3)));
void bfn__selftest_range(bfn__selftest *st, double measured, double low, double high, const char *what, ...)
    __attribute__((format(printf, 5, 6)));
void bfn__selftest_most(bfn__selftest *st, double measured, double most, const char *what, ...)
    __attribute__((format(printf, 4, 5)));
void bfn__selftest_equal(bfn__selftest *st, double measured, double expected, double tolerance, const char *what, ...)
    __attribute__((format(printf, 5, 6)));

/* Options of a method with a number of steps (not evaluations) on a grid. */
bfn_solver_options bfn__selftest_options(bfn_method method, size_t n_steps, bfn_grid grid, double eta);
bool bfn__selftest_is_sde(bfn_method method);       /* bfn, em, sde1, sde2m, sde3m */
bool bfn__selftest_is_multistep(bfn_method method); /* those that take the corrector */

/* The exact models that several groups share; storage of the tables belongs to the struct. */
typedef struct bfn__selftest_models {
    bfn__exact gauss;       /* continuous, D = 1, N(0.2, 0.15^2) */
    bfn__exact mixture;     /* continuous, D = 1, SPEC 5.1 */
    bfn__exact independent; /* discrete, D = 2, K = 5 */
    bfn__exact pair;        /* discrete, D = 2, K = 3, dependent */
    bfn__exact table;       /* discrete, D = 3, K = 4, dependent */
    bfn__exact binary;      /* discrete, D = 4, K = 2, dependent */
    double prior[2 * 5], nine[9], cells[64], bits[16];
} bfn__selftest_models;
void bfn__selftest_models_init(bfn__selftest_models *models);

/* Run n samples of `exact` with a (perhaps spoiled) plan; what is NULL is left out.
 *   initial [n,D,state width] replaces the drawn start; state the same shape, receives the last state; out as bfn_sampler_run. */
typedef struct bfn__selftest_job {
    bfn__exact *exact;
    bfn_solver_options solver;
    bfn_sampler_options sampler;
    size_t n;
    float *state;
    void *out;
    size_t n_evaluations; /* result: evaluations a sample */
} bfn__selftest_job;
bfn_status bfn__selftest_try(bfn__selftest *st, bfn__selftest_job *job);
/* The same; numbers that diverge are a failed check, not an error: job->out and job->state keep what they held. */
bfn_status bfn__selftest_sample(bfn__selftest *st, bfn__selftest_job *job);

/* A test problem whose prediction is affine in the state, p = slope(t) x + offset(t): the law of the state stays Gaussian, so the law
 * that a plan gives is known without sampling. One coordinate; for discrete data one of K, all of which obey the same equation. */
typedef struct bfn__linear {
    bfn_flow flow;
    double slope, offset;   /* discrete: p = 1/K + slope z + offset sin(3 t) */
    double mean, deviation; /* continuous: the posterior mean for data N(mean, deviation^2), + offset sin(lambda) */
} bfn__linear;
/* Mean and variance: in, at the plan's start; out, after its last row. */
void bfn__linear_run(const bfn__linear *l, const bfn_plan_row *rows, size_t n_rows, double *mean, double *variance);
/* The same for the SDE itself, from t0 to 1. */
void bfn__linear_solve(const bfn__linear *l, double t0, double *mean, double *variance);

bfn_status bfn__selftest_random(bfn__selftest *st);
bfn_status bfn__selftest_identities(bfn__selftest *st);
bfn_status bfn__selftest_coefficients(bfn__selftest *st);
bfn_status bfn__selftest_order(bfn__selftest *st);
bfn_status bfn__selftest_law(bfn__selftest *st);
bfn_status bfn__selftest_counts(bfn__selftest *st);
bfn_status bfn__selftest_finite(bfn__selftest *st);
bfn_status bfn__selftest_text(bfn__selftest *st);
bfn_status bfn__selftest_methods(bfn__selftest *st);

#endif
