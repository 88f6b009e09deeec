/* ode_network.h: a field for ode.h from a network: predictions, and traces of their Jacobians by vector-Jacobian products. */
#ifndef BFN_ODE_NETWORK_H
#define BFN_ODE_NETWORK_H

#include "bfn/eval.h"
#include "eval/ode.h"

/* A network that can be run backwards. forward as bfn_predict_fn; backward: d_shown [n,D,shown width] from d_out [n,D,output width], of
 * the newest forward, which had the same n; called as often as there are probes. Both: 0, or a bfn_status whose message is out. */
typedef struct bfn__network {
    void *user;
    int (*forward)(void *user, size_t first, size_t n, const double *t, const float *shown, float *out);
    int (*backward)(void *user, size_t n, const float *d_out, float *d_shown); /* NULL: BFN_TRACE_POSTERIOR only */
} bfn__network;

typedef struct bfn__network_field bfn__network_field;

/* trace: HUTCHINSON (n_probes vectors of signs, the same along a sample's whole path, a function of seed and sample), EXACT (as many
 * products as the state has numbers), POSTERIOR (discrete data). At most `batch` samples a call. */
bfn_status bfn__network_field_create(bfn_context *ctx, bfn__network_field **out, const bfn_flow *flow, size_t D,
                                     size_t batch, bfn_trace trace, size_t n_probes, uint64_t seed,
                                     const bfn__network *network);
void bfn__network_field_destroy(bfn__network_field *field); /* NULL is fine */
/* A bfn__field_fn; user: the field. */
bfn_status bfn__network_field_evaluate(void *field, size_t first, size_t n, double t, const double *state,
                                       double *prediction, double *trace);
/* Network evaluations so far, in samples; a backward pass counts as none. */
size_t bfn__network_field_evaluations(const bfn__network_field *field);

#endif
