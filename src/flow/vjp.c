/* vjp.c: vector-Jacobian products of predictions and of what the network is shown.
 *
 *   continuous   x = mu/gamma - spread eps, clipped           dx/deps = -spread, dx/dmu = 1/gamma
 *   discretised  E(m, s) of the bins, m as above, s = spread exp(ln s)   by dE/dm, dE/ds
 *   softmax      p = softmax(l)                                (v^T dp/dl)_k = p_k (v_k - v.p); used for output -> prediction and z -> theta
 *   two classes  p_1 = 1/(1 + exp(-l)); shown s = theta_0 - theta_1, ds/dz_0 = -ds/dz_1 = 2 theta_0 theta_1
 */
#include "flow/vjp.h"

#include "flow/output.h"

#include <math.h>

static void predict_continuous(const bfn_flow *flow, size_t D, const float *state, double t, const float *output,
                               const float *v, float *d_output, double *d_state)
{
    bfn__time_terms terms = bfn__terms_at(flow, t);
    for (size_t d = 0; d < D; d++) {
        double slope;
        (void)bfn__x_hat(flow, &terms, (double)state[d], (double)output[d], &slope);
        bool free = slope < 0.0; /* neither clipped nor at the start */
        d_output[d] = (float)((double)v[d] * slope);
        d_state[d] = free ? (double)v[d] / terms.gamma : 0.0;
    }
}

static void predict_discretised(const bfn_flow *flow, size_t D, const float *state, double t, const float *output,
                                const float *v, float *d_output, double *d_state)
{
    bfn__time_terms terms = bfn__terms_at(flow, t);
    for (size_t d = 0; d < D; d++) {
        bfn__bin_gradient slope, mean;
        bfn__normal q = bfn__data_normal(&terms, (double)state[d], output + 2 * d, &slope);
        (void)bfn__bin_mean(flow->n_classes, q, &mean);
        d_output[2 * d] = (float)((double)v[d] * mean.mean * slope.mean);
        d_output[2 * d + 1] = (float)((double)v[d] * mean.deviation * slope.deviation);
        d_state[d] = terms.start ? 0.0 : (double)v[d] * mean.mean / terms.gamma;
    }
}

/* The largest of K logits and the sum of exp(l - largest). */
static double softmax_terms(size_t K, const float *l, double *sum)
{
    double most = (double)l[0];
    *sum = 0.0;
    for (size_t k = 1; k < K; k++)
        most = fmax(most, (double)l[k]);
    for (size_t k = 0; k < K; k++)
        *sum += exp((double)l[k] - most);
    return most;
}

static double inner_softmax(size_t K, const float *l, double most, double sum, const float *v)
{
    double inner = 0.0;
    for (size_t k = 0; k < K; k++)
        inner += (double)v[k] * exp((double)l[k] - most) / sum;
    return inner;
}

static void predict_discrete(size_t K, size_t D, const float *output, const float *v, float *d_output)
{
    for (size_t d = 0; d < D; d++) {
        const float *l = output + d * (K == 2 ? 1 : K), *w = v + d * K;
        if (K == 2) {
            double p = 1.0 / (1.0 + exp(-(double)l[0]));
            d_output[d] = (float)(p * (1.0 - p) * ((double)w[1] - (double)w[0]));
            continue;
        }
        double sum, most = softmax_terms(K, l, &sum), inner = inner_softmax(K, l, most, sum, w);
        for (size_t k = 0; k < K; k++)
            d_output[d * K + k] = (float)(exp((double)l[k] - most) / sum * ((double)w[k] - inner));
    }
}

void bfn__predict_vjp(const bfn_flow *flow, size_t D, const float *state, double t, const float *output, const float *v,
                      float *d_output, double *d_state)
{
    if (flow->kind == BFN_DATA_CONTINUOUS) {
        predict_continuous(flow, D, state, t, output, v, d_output, d_state);
    } else if (flow->kind == BFN_DATA_DISCRETISED) {
        predict_discretised(flow, D, state, t, output, v, d_output, d_state);
    } else {
        predict_discrete(flow->n_classes, D, output, v, d_output);
        for (size_t i = 0; i < D * flow->n_classes; i++)
            d_state[i] = 0.0;
    }
}

void bfn__show_vjp(const bfn_flow *flow, size_t D, const float *state, const float *d_shown, double *d_state)
{
    size_t K = flow->n_classes;
    for (size_t d = 0; d < D; d++) {
        if (flow->kind != BFN_DATA_DISCRETE) {
            d_state[d] += (double)d_shown[d];
            continue;
        }
        const float *z = state + d * K;
        double *dz = d_state + d * K;
        if (K == 2) {
            double theta = 1.0 / (1.0 + exp((double)z[1] - (double)z[0]));
            double slope = 2.0 * theta * (1.0 - theta) * (double)d_shown[d];
            dz[0] += slope;
            dz[1] -= slope;
            continue;
        }
        const float *g = d_shown + d * K;
        double sum, most = softmax_terms(K, z, &sum), inner = inner_softmax(K, z, most, sum, g);
        for (size_t k = 0; k < K; k++)
            dz[k] += exp((double)z[k] - most) / sum * ((double)g[k] - inner);
    }
}
