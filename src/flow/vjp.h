/* vjp.h: the two maps around the network, backwards: from a cotangent of the prediction to one of the state.
 *
 *   prediction = P(state, output), output = network(shown), shown = S(state)
 * so v^T d prediction / d state = v^T dP/dstate + (v^T dP/doutput) (d network) dS/dstate: the first two are bfn__predict_vjp, the last one is
 * bfn__show_vjp, and what lies between is the network's backward pass. One sample at a time.
 */
#ifndef BFN_VJP_H
#define BFN_VJP_H

#include "bfn/flow.h"

/* v [D,state width], of bfn_flow_predict's prediction; state and output as there. d_output [D,output width] = v^T dP/doutput;
 * d_state [D,state width] = v^T dP/dstate. Where a prediction is clipped both are 0. */
void bfn__predict_vjp(const bfn_flow *flow, size_t D, const float *state, double t, const float *output, const float *v,
                      float *d_output, double *d_state);

/* d_state [D,state width] += d_shown^T dS/dstate, d_shown [D,shown width]. */
void bfn__show_vjp(const bfn_flow *flow, size_t D, const float *state, const float *d_shown, double *d_state);

#endif
