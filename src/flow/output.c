/* output.c: from states and network outputs to statements about the data.
 *
 * The state is mu = gamma x + sqrt(gamma (1-gamma)) eps and the network estimates eps, so x_hat = mu / gamma - sqrt((1-gamma)/gamma) eps_hat.
 * Near t = 0 the division has nothing to divide; below t = 1e-6 the output is ignored: x_hat = 0, deviation 1 (SPEC 1.1, 1.2).
 * Discrete outputs are logits. Two classes have one: the logit of class 1.
 */
#include "flow/output.h"

#include "flow/softmax.h"

#include <math.h>
#include <string.h>

static const double T_START = 1e-6;

bfn__time_terms bfn__terms_at(const bfn_flow *flow, double t)
{
    double ln_rest = t * log(flow->min_variance), gamma = -expm1(ln_rest);
    bfn__time_terms terms = {t < T_START, gamma, 0.0, ln_rest};
    if (!terms.start)
        terms.spread = sqrt(exp(ln_rest) / gamma);
    return terms;
}

double bfn__x_hat(const bfn_flow *flow, const bfn__time_terms *terms, double state, double noise, double *slope)
{
    double x = 0.0, d = 0.0;
    if (!terms->start) {
        x = state / terms->gamma - terms->spread * noise;
        d = -terms->spread;
    }
    if (flow->clip > 0.0 && fabs(x) > flow->clip) {
        x = copysign(flow->clip, x);
        d = 0.0;
    }
    if (slope != NULL)
        *slope = d;
    return x;
}

bfn__normal bfn__data_normal(const bfn__time_terms *terms, double state, const float output[2],
                             bfn__bin_gradient *slope)
{
    const double ln_limit = 10.0, least = 1e-3, most = 10.0;
    bfn__normal q = {0.0, 1.0};
    bfn__bin_gradient d = {0.0, 0.0};
    if (!terms->start) {
        double ln_deviation = (double)output[1];
        bool clamped = fabs(ln_deviation) > ln_limit;
        q.mean = state / terms->gamma - terms->spread * (double)output[0];
        q.deviation = terms->spread * exp(clamped ? copysign(ln_limit, ln_deviation) : ln_deviation);
        d.mean = -terms->spread;
        d.deviation = clamped ? 0.0 : q.deviation;
    }
    if (q.deviation < least || q.deviation > most) {
        q.deviation = q.deviation < least ? least : most;
        d.deviation = 0.0;
    }
    if (slope != NULL)
        *slope = d;
    return q;
}

size_t bfn_flow_bin(const bfn_flow *flow, double x)
{
    return bfn__bin(flow->n_classes, x);
}

double bfn_flow_bin_centre(const bfn_flow *flow, size_t bin)
{
    return bfn__bin_centre(flow->n_classes, bin);
}

/* -------------------------------------------------------------------------------------------------- flow distribution */

static void draw_means(const bfn_flow *flow, size_t D, const float *data, double t, const float *normals, float *state)
{
    double gamma = bfn_flow_gamma(flow, t), sigma = bfn_flow_sigma(flow, t);
    for (size_t d = 0; d < D; d++)
        state[d] = (float)(gamma * (double)data[d] + sigma * (double)normals[d]);
}

static void draw_logits(const bfn_flow *flow, size_t D, const int32_t *data, double t, const float *normals,
                        float *state)
{
    size_t K = flow->n_classes;
    double beta = bfn_flow_beta(flow, t), sigma = sqrt(beta * (double)K);
    double other = -beta, own = beta * ((double)K - 1.0);
    for (size_t d = 0; d < D; d++, normals += K, state += K) {
        for (size_t k = 0; k < K; k++)
            state[k] = (float)(((int32_t)k == data[d] ? own : other) + sigma * (double)normals[k]);
    }
}

void bfn_flow_draw(const bfn_flow *flow, size_t B, size_t D, const void *data, const double *t, const float *normals,
                   float *state)
{
    size_t stride = D * bfn_flow_state_width(flow);
    for (size_t b = 0; b < B; b++) {
        if (flow->kind == BFN_DATA_DISCRETE)
            draw_logits(flow, D, (const int32_t *)data + b * D, t[b], normals + b * stride, state + b * stride);
        else
            draw_means(flow, D, (const float *)data + b * D, t[b], normals + b * stride, state + b * stride);
    }
}

/* ------------------------------------------------------------------------------------------ to and from the network */

void bfn_flow_show(const bfn_flow *flow, size_t B, size_t D, const float *state, float *shown)
{
    if (flow->kind != BFN_DATA_DISCRETE)
        memmove(shown, state, B * D * sizeof *state);
    else if (flow->n_classes == 2)
        BFN__ISA_PICK(bfn__contrast)(B * D, state, shown);
    else
        BFN__ISA_PICK(bfn__softmax)(B * D, flow->n_classes, state, shown);
}

static void predict_sample(const bfn_flow *flow, size_t D, const float *state, double t, const float *output,
                           float *prediction)
{
    bfn__time_terms terms = bfn__terms_at(flow, t);
    for (size_t d = 0; d < D; d++) {
        double x;
        if (flow->kind == BFN_DATA_CONTINUOUS)
            x = bfn__x_hat(flow, &terms, (double)state[d], (double)output[d], NULL);
        else
            x = bfn__bin_mean(flow->n_classes, bfn__data_normal(&terms, (double)state[d], output + 2 * d, NULL), NULL);
        prediction[d] = (float)x;
    }
}

void bfn_flow_predict(const bfn_flow *flow, size_t B, size_t D, const float *state, const double *t,
                      const float *output, float *prediction)
{
    if (flow->kind == BFN_DATA_DISCRETE) {
        if (flow->n_classes == 2)
            BFN__ISA_PICK(bfn__pairs)(B * D, output, prediction);
        else
            BFN__ISA_PICK(bfn__softmax)(B * D, flow->n_classes, output, prediction);
        return;
    }
    size_t width = bfn_flow_output_width(flow);
    for (size_t b = 0; b < B; b++)
        predict_sample(flow, D, state + b * D, t[b], output + b * D * width, prediction + b * D);
}

/* ---------------------------------------------------------------------------------------------------- draws and modes */

/* The first class whose cumulative probability exceeds u. */
static size_t draw_class(size_t K, const float *logits, double u)
{
    double max = (double)logits[0], total = 0.0, sum = 0.0;
    for (size_t k = 1; k < K; k++)
        max = fmax(max, (double)logits[k]);
    for (size_t k = 0; k < K; k++)
        total += exp((double)logits[k] - max);
    for (size_t k = 0; k < K - 1; k++) {
        sum += exp((double)logits[k] - max);
        if (u * total < sum)
            return k;
    }
    return K - 1;
}

/* The same from float probabilities p, where u is far enough from every step of their CDF (all but one in some thousand draws);
 * K when it is not. */
static size_t draw_class_quickly(size_t K, const float *p, double u)
{
    const double margin = 1e-5; /* float probabilities are good to about 3e-7 */
    double below = 0.0;
    for (size_t k = 0; k < K; k++) {
        double above = below + (double)p[k];
        if (u < above)
            return u > below + margin && u < above - margin ? k : K;
        below = above;
    }
    return K;
}

/* Probabilities become the one-hot of the drawn class. */
static void draw_one_hot(size_t K, const float *output, double u, float *p)
{
    size_t drawn = draw_class_quickly(K, p, u);
    if (drawn == K) {
        const float pair[2] = {0.0f, output[0]};
        drawn = draw_class(K, K == 2 ? pair : output, u);
    }
    memset(p, 0, K * sizeof *p);
    p[drawn] = 1.0f;
}

void bfn_flow_predict_drawn(const bfn_flow *flow, size_t B, size_t D, const float *state, const double *t,
                            const float *output, const double *randoms, float *prediction)
{
    size_t K = flow->n_classes, width = bfn_flow_output_width(flow);
    if (flow->kind == BFN_DATA_CONTINUOUS) {
        bfn_flow_predict(flow, B, D, state, t, output, prediction);
        return;
    }
    if (flow->kind == BFN_DATA_DISCRETE) {
        bfn_flow_predict(flow, B, D, state, t, output, prediction);
        for (size_t i = 0; i < B * D; i++)
            draw_one_hot(K, output + i * width, randoms[i], prediction + i * K);
        return;
    }
    for (size_t b = 0; b < B; b++) {
        bfn__time_terms terms = bfn__terms_at(flow, t[b]);
        for (size_t i = b * D; i < (b + 1) * D; i++) {
            bfn__normal q = bfn__data_normal(&terms, (double)state[i], output + 2 * i, NULL);
            prediction[i] = (float)bfn__bin_centre(K, bfn__bin(K, q.mean + q.deviation * randoms[i]));
        }
    }
}

static int32_t largest(size_t K, const float *logits)
{
    size_t best = 0;
    for (size_t k = 1; k < K; k++)
        if (logits[k] > logits[best])
            best = k;
    return (int32_t)best;
}

static void mode_discrete(size_t n, size_t K, const float *output, int32_t *data)
{
    for (size_t i = 0; i < n; i++)
        data[i] = K == 2 ? output[i] > 0.0f : largest(K, output + i * K);
}

void bfn_flow_mode(const bfn_flow *flow, size_t B, size_t D, const float *state, const double *t, const float *output,
                   void *data)
{
    if (flow->kind == BFN_DATA_DISCRETE) {
        mode_discrete(B * D, flow->n_classes, output, data);
        return;
    }
    if (flow->kind == BFN_DATA_CONTINUOUS) {
        bfn_flow_predict(flow, B, D, state, t, output, data);
        return;
    }
    float *centres = data;
    for (size_t b = 0; b < B; b++) {
        bfn__time_terms terms = bfn__terms_at(flow, t[b]);
        for (size_t i = b * D; i < (b + 1) * D; i++) {
            bfn__normal q = bfn__data_normal(&terms, (double)state[i], output + 2 * i, NULL);
            centres[i] = (float)bfn__bin_centre(flow->n_classes, bfn__bin_mode(flow->n_classes, q));
        }
    }
}
