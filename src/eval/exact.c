/* exact.c: the exact networks of exact.h, and a reference solution of the probability-flow ODE.
 *
 * Mixture of Gaussians N(m, s^2): observations up to accuracy beta are summarised by S = (1 + beta) mu; the law of a component is
 * tilted by exp(x S - x^2 beta / 2), so
 *   posterior   N((m + s^2 S) / (1 + s^2 beta), s^2 / (1 + s^2 beta))
 *   weight      w (1 + s^2 beta)^(-1/2) exp((m S + (s^2 S^2 - m^2 beta) / 2) / (1 + s^2 beta))
 * which stays regular at beta = 0, where mu / gamma does not exist. The network returns the noise estimate that this mean implies:
 * eps = (mu - gamma x_hat) / sqrt(gamma (1 - gamma)).
 *
 * Discrete laws see theta = softmax(z) and return logits: ln theta + ln prior, or the logarithm of the marginals of
 * p(x) prod theta (table, chain). K = 2 keeps the library's own representation: shown 2 theta_0 - 1, one logit of class 1.
 */
#include "eval/exact.h"

#include <assert.h>
#include <math.h>
#include <string.h>

void bfn__exact_moments(const bfn__exact *e, double *mean, double *variance)
{
    double first = 0.0, second = 0.0;
    for (size_t c = 0; c < e->n_components; c++) {
        first += e->weight[c] * e->mean[c];
        second += e->weight[c] * (e->mean[c] * e->mean[c] + e->deviation[c] * e->deviation[c]);
    }
    *mean = first;
    *variance = second - first * first;
}

void bfn__exact_posterior(const bfn__exact *e, double beta, double S, double *mean, double *variance)
{
    double log_weight[BFN__EXACT_COMPONENTS], component_mean[BFN__EXACT_COMPONENTS], top = -INFINITY;
    double component_variance[BFN__EXACT_COMPONENTS];
    for (size_t c = 0; c < e->n_components; c++) {
        double m = e->mean[c], v = e->deviation[c] * e->deviation[c], shrink = 1.0 / (1.0 + v * beta);
        component_mean[c] = (m + v * S) * shrink;
        component_variance[c] = v * shrink;
        log_weight[c] = log(e->weight[c]) + 0.5 * log(shrink) + (m * S + 0.5 * (v * S * S - m * m * beta)) * shrink;
        top = fmax(top, log_weight[c]);
    }
    double total = 0.0, first = 0.0, second = 0.0;
    for (size_t c = 0; c < e->n_components; c++) {
        double w = exp(log_weight[c] - top);
        total += w;
        first += w * component_mean[c];
        second += w * (component_variance[c] + component_mean[c] * component_mean[c]);
    }
    *mean = first / total;
    *variance = fmax(second / total - *mean * *mean, 0.0);
}

/* Marginals of p(x) prod_d theta[d,x_d] by going through all outcomes; theta (any positive scale a row) and p are [D,K]. */
static void table_marginals(const bfn__exact *e, const double *theta, double *p)
{
    size_t K = e->flow.n_classes, D = e->D, digit[BFN__EXACT_POSITIONS] = {0}, n = 1;
    double total = 0.0;
    for (size_t d = 0; d < D; d++)
        n *= K;
    for (size_t i = 0; i < D * K; i++)
        p[i] = 0.0;
    for (size_t i = 0; i < n; i++) {
        double w = e->table[i];
        for (size_t d = 0; d < D; d++)
            w *= theta[d * K + digit[d]];
        for (size_t d = 0; d < D; d++)
            p[d * K + digit[d]] += w;
        total += w;
        for (size_t d = D; d-- > 0;) {
            if (++digit[d] < K)
                break;
            digit[d] = 0;
        }
    }
    for (size_t i = 0; i < D * K; i++)
        p[i] /= total;
}

static void independent_marginals(const bfn__exact *e, const double *theta, double *p)
{
    size_t K = e->flow.n_classes;
    for (size_t d = 0; d < e->D; d++) {
        double total = 0.0;
        for (size_t k = d * K; k < (d + 1) * K; k++)
            total += p[k] = e->prior[k] * theta[k];
        for (size_t k = d * K; k < (d + 1) * K; k++)
            p[k] /= total;
    }
}

static void discrete_marginals(const bfn__exact *e, const double *theta, double *p)
{
    if (e->law == BFN__EXACT_TABLE)
        table_marginals(e, theta, p);
    else
        independent_marginals(e, theta, p);
}

/* softmax(z), each row up to scale. */
static void theta_of_state(const bfn__exact *e, const double *z, double *theta)
{
    size_t K = e->flow.n_classes;
    for (size_t d = 0; d < e->D; d++) {
        double top = -INFINITY;
        for (size_t k = d * K; k < (d + 1) * K; k++)
            top = fmax(top, z[k]);
        for (size_t k = d * K; k < (d + 1) * K; k++)
            theta[k] = exp(z[k] - top);
    }
}

void bfn__exact_mean(const bfn__exact *e, double t, const double *state, double *prediction)
{
    if (e->law != BFN__EXACT_MIXTURE) {
        double theta[BFN__EXACT_CELLS] = {0};
        theta_of_state(e, state, theta);
        discrete_marginals(e, theta, prediction);
        return;
    }
    double beta = bfn_flow_beta(&e->flow, t), unused;
    for (size_t d = 0; d < e->D; d++)
        bfn__exact_posterior(e, beta, (1.0 + beta) * state[d], prediction + d, &unused);
}

/* Noise estimate of one sample [D,output width]; discretised data also want the logarithm of its deviation. */
static void predict_noise(const bfn__exact *e, double t, const float *mu, float *out)
{
    double beta = bfn_flow_beta(&e->flow, t), gamma = bfn_flow_gamma(&e->flow, t), sigma = bfn_flow_sigma(&e->flow, t);
    size_t width = bfn_flow_output_width(&e->flow);
    for (size_t d = 0; d < e->D; d++) {
        double mean, variance, m = (double)mu[d];
        bfn__exact_posterior(e, beta, (1.0 + beta) * m, &mean, &variance);
        out[d * width] = sigma > 0.0 ? (float)((m - gamma * mean) / sigma) : 0.0F;
        if (width == 2) /* sigma_x = (sigma / gamma) exp(out) */
            out[d * width + 1] = sigma > 0.0 ? (float)log(sqrt(variance) * gamma / sigma) : 0.0F;
    }
}

/* A logarithm that a float can hold: an impossible class gets -100, which softmax turns into zero all the same. */
static float log_of(double p)
{
    return p > 1e-43 ? (float)log(p) : -100.0F;
}

static void predict_chain(const bfn__exact *e, const float *theta, float *out)
{
    size_t n = e->D * BFN__CHAIN_SYMBOLS;
    bfn__exact_chain_posterior(e->chain, e->D, theta, out);
    for (size_t i = 0; i < n; i++)
        out[i] = out[i] > 1e-37F ? logf(out[i]) : -100.0F;
}

/* Logits of one sample. K = 2: shown s = 2 theta_0 - 1, so theta = (1 + s, 1 - s) / 2; it is kept from being exactly 0, which a
 * float so close to 1 cannot mean. */
static void predict_logits(const bfn__exact *e, const float *shown, float *out)
{
    size_t n = e->D * e->flow.n_classes;
    bool binary = e->flow.n_classes == 2;
    double theta[BFN__EXACT_CELLS] = {0}, p[BFN__EXACT_CELLS] = {0};
    for (size_t i = 0; i < n; i++) {
        double s = (double)shown[binary ? i / 2 : i];
        theta[i] = !binary ? s : fmax(0.5 * (i % 2 == 0 ? 1.0 + s : 1.0 - s), 1e-9);
    }
    discrete_marginals(e, theta, p);
    for (size_t i = 0; i < n; i++) {
        if (!binary)
            out[i] = log_of(p[i]);
        else if (i % 2 == 0)
            out[i / 2] = log_of(p[i + 1]) - log_of(p[i]);
    }
}

int bfn__exact_predict(void *exact, size_t first, size_t n, const double *t, const float *shown, float *out)
{
    bfn__exact *e = exact;
    size_t in = e->D * bfn_flow_shown_width(&e->flow), width = e->D * bfn_flow_output_width(&e->flow);
    (void)first;
    for (size_t i = 0; i < n; i++) {
        if (e->law == BFN__EXACT_MIXTURE)
            predict_noise(e, t[i], shown + i * in, out + i * width);
        else if (e->law == BFN__EXACT_CHAIN)
            predict_chain(e, shown + i * in, out + i * width);
        else
            predict_logits(e, shown + i * in, out + i * width);
    }
    e->n_samples += n;
    e->n_calls++;
    return 0;
}

/* Slope of the regular variable. Continuous: dY/dlambda = w x_hat, Y = mu / sigma, w = e^lambda. Discrete: du/dt = K beta_1
 * (e_hat - 1/K), z = t u. */
static void slope(const bfn__exact *e, double at, const double *y, double *dy)
{
    size_t n = e->D * bfn_flow_state_width(&e->flow);
    double state[BFN__EXACT_CELLS] = {0};
    if (e->law == BFN__EXACT_MIXTURE) {
        double t = bfn_flow_time_of_lambda(&e->flow, at), sigma = bfn_flow_sigma(&e->flow, t);
        for (size_t i = 0; i < n; i++)
            state[i] = y[i] * sigma;
        bfn__exact_mean(e, t, state, dy);
        for (size_t i = 0; i < n; i++)
            dy[i] *= exp(at);
        return;
    }
    double K = (double)e->flow.n_classes, beta_1 = e->flow.max_sqrt_beta * e->flow.max_sqrt_beta;
    for (size_t i = 0; i < n; i++)
        state[i] = y[i] * at;
    bfn__exact_mean(e, at, state, dy);
    for (size_t i = 0; i < n; i++)
        dy[i] = K * beta_1 * (dy[i] - 1.0 / K);
}

static void runge_kutta_step(const bfn__exact *e, double at, double h, size_t n, double *y)
{
    double k[4][BFN__EXACT_CELLS] = {0}, stage[BFN__EXACT_CELLS] = {0};
    static const double part[4] = {0.0, 0.5, 0.5, 1.0};
    for (int s = 0; s < 4; s++) {
        for (size_t i = 0; i < n; i++)
            stage[i] = s == 0 ? y[i] : y[i] + h * part[s] * k[s - 1][i];
        slope(e, at + h * part[s], stage, k[s]);
    }
    for (size_t i = 0; i < n; i++)
        y[i] += h / 6.0 * (k[0][i] + 2.0 * k[1][i] + 2.0 * k[2][i] + k[3][i]);
}

void bfn__exact_integrate(const bfn__exact *e, double t0, size_t n_steps, double *state)
{
    size_t n = e->D * bfn_flow_state_width(&e->flow);
    int continuous = e->law == BFN__EXACT_MIXTURE;
    assert(n <= BFN__EXACT_CELLS && t0 > 0.0);
    double from = continuous ? bfn_flow_lambda(&e->flow, t0) : t0,
           to = continuous ? bfn_flow_lambda(&e->flow, 1.0) : 1.0;
    double scale_0 = continuous ? bfn_flow_sigma(&e->flow, t0) : t0,
           scale_1 = continuous ? bfn_flow_sigma(&e->flow, 1.0) : 1.0;
    for (size_t i = 0; i < n; i++)
        state[i] /= scale_0;
    for (size_t s = 0; s < n_steps; s++)
        runge_kutta_step(e, from + (to - from) * (double)s / (double)n_steps, (to - from) / (double)n_steps, n, state);
    for (size_t i = 0; i < n; i++)
        state[i] *= scale_1;
}
