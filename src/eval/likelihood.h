/* likelihood.h: what the bounds on the negative log likelihood share: where items and network come from, how many items are taken, and the
 * statistics. bfn_eval_bound and bfn_eval_ode put a model and a data set behind it, the tests exact models.
 */
#ifndef BFN_LIKELIHOOD_H
#define BFN_LIKELIHOOD_H

#include "bfn/eval.h"
#include "eval/ode_network.h"

/* Items (sequences, images) and the network that is to describe them. */
typedef struct bfn__likelihood_source {
    bfn_context *ctx;
    const bfn_flow *flow;
    size_t D;
    size_t n_available; /* items */
    /* Item `index`: D values as the flow has them, and its class (-1: none). Called from several threads. */
    void (*item)(const void *user, size_t index, void *out, int32_t *label);
    const void *user;
    int32_t *labels; /* [batch] filled before the network is called; NULL: not wanted */
    bfn_predict_fn
        predict; /* the bound's network: samples are numbered by their place in the order that items are taken in */
    void *predict_user;
    bfn__network network; /* the ODE's */
} bfn__likelihood_source;

/* How many items, and in which order. */
typedef struct bfn__item_plan {
    size_t n_available, n_max; /* n_max <= n_available */
    double precision;          /* > 0: until the standard error is below it, in nats per position */
    size_t batch;
    uint64_t seed;
    int (*progress)(void *user, size_t done, size_t total);
    void *user;
} bfn__item_plan;

enum { BFN__LEAST_ITEMS = 32 }; /* before a standard error is believed */

/* Index of the i-th item taken: without a precision n_max of them are spread evenly; with one they come in a random order, so that wherever it
 * ends they are a fair sample. */
size_t bfn__item_index(const bfn__item_plan *plan, size_t i);

/* Measure items first .. first+n-1 of the order: values [n], nats per position. */
typedef bfn_status (*bfn__measure_fn)(void *user, size_t first, size_t n, double *values);

/* Batch after batch until n_max, or the precision, is reached. values [n_max]; *n_done of them are filled. BFN_CANCELLED by progress. */
bfn_status bfn__items_run(bfn_context *ctx, const bfn__item_plan *plan, bfn__measure_fn measure, void *user,
                          double *values, size_t *n_done);

/* Mean of n values and its standard error (0 for fewer than two). */
double bfn__mean(const double *values, size_t n, double *standard_error);

/* bfn_eval_bound and bfn_eval_ode without model and data set; defaults must be in the options, n_sequences at most n_available. Results
 * without n-gram models. */
bfn_status bfn__bound_estimate(const bfn__likelihood_source *source, const bfn_bound_options *options,
                               bfn_bound *result);
bfn_status bfn__ode_estimate(const bfn__likelihood_source *source, const bfn_ode_options *options,
                             const bfn_moments *moments, bfn_ode_likelihood *result);

/* The plan that the options give. */
bfn__item_plan bfn__bound_items(const bfn_bound_options *options, size_t n_available);

#endif
