/* loss_discrete.c: losses of discrete data, K classes, from logits l with p = softmax(l).
 *
 *   L^inf  = K beta_1 t |e_x - p|^2
 *   L^n    = n E_y [ ln N(y; m_x, alpha K) - ln sum_k p_k N(y; m_k, alpha K) ],  m_k = alpha (K e_k - 1),  y ~ N(m_x, alpha K)
 *   L^r    = -ln p_x,  and K beta_1 t (-ln p_x) as a training objective (cross-entropy)
 *
 * |m_k| is the same for all k, so everything but y_k cancels in the mixture:  L^n = -n E_y ln sum_k p_k exp(y_k - y_x): no powers, no
 * overflow, and y_k - y_x = sqrt(alpha K) (xi_k - xi_x) - alpha K for k != x.
 *
 * The published code mixes per coordinate d of y instead: components "class d" and "another class" (SPEC 6.9). Their log ratio is
 * u_d = y_d - alpha (K - 2) / 2, so a coordinate adds  [d = x] u_d - ln(p_d exp(u_d) + 1 - p_d).
 *
 * Two classes have one logit, of class 1: (0, l). No buffer for p is needed: a probability is exp(l_k - max - ln_sum) wherever it occurs.
 */
#include "flow/loss.h"

#include <math.h>

typedef struct position {
    size_t K, x;
    const float *logits; /* [K], or [1] for two classes */
    const float *normals;
    size_t n_draws, draw_stride;
    double max, ln_sum; /* largest logit; ln sum exp(logit - max) */
    double alpha;       /* accuracy of the step (n-step loss) */
    double scale;       /* gradient factor */
    float *gradient;    /* as logits, or NULL */
} position;

static double logit(const position *p, size_t k)
{
    if (p->K == 2)
        return k == 0 ? 0.0 : (double)p->logits[0];
    return (double)p->logits[k];
}

static double ln_probability(const position *p, size_t k)
{
    return logit(p, k) - p->max - p->ln_sum;
}

/* Kept apart from the maximum, and by log1p: then 1 - p of a sure class has its digits. */
static void normalise(position *p)
{
    size_t largest = 0;
    double others = 0.0;
    for (size_t k = 1; k < p->K; k++)
        if (logit(p, k) > logit(p, largest))
            largest = k;
    p->max = logit(p, largest);
    for (size_t k = 0; k < p->K; k++)
        others += k == largest ? 0.0 : exp(logit(p, k) - p->max);
    p->ln_sum = log1p(others);
}

/* gradient[k] += value for d loss / d logit_k; two classes keep that of class 1. */
static void add_gradient(const position *p, size_t k, double value)
{
    if (p->K > 2)
        p->gradient[k] += (float)value;
    else if (k == 1)
        p->gradient[0] += (float)value;
}

/* |e_x - p|^2, with d/d logit_k = 2 p_k (p_k - [k = x] - s), s = sum_j p_j (p_j - [j = x]). */
static double squared_distance(const position *p)
{
    double sum = 0.0, mean = 0.0;
    for (size_t k = 0; k < p->K; k++) {
        double l = ln_probability(p, k), probability = exp(l);
        /* p - 1 by expm1: a sure prediction's small distance keeps its digits */
        double difference = k == p->x ? expm1(l) : probability;
        sum += difference * difference;
        mean += probability * difference;
    }
    for (size_t k = 0; p->gradient != NULL && k < p->K; k++) {
        double l = ln_probability(p, k), probability = exp(l);
        double difference = k == p->x ? expm1(l) : probability;
        add_gradient(p, k, p->scale * 2.0 * probability * (difference - mean));
    }
    return sum;
}

static double cross_entropy(const position *p)
{
    for (size_t k = 0; p->gradient != NULL && k < p->K; k++) {
        double l = ln_probability(p, k);
        add_gradient(p, k, p->scale * (k == p->x ? expm1(l) : exp(l)));
    }
    return -ln_probability(p, p->x);
}

/* The sender's message for one draw: y_k. */
static double message(const position *p, const float *xi, size_t k)
{
    double K = (double)p->K;
    return p->alpha * (k == p->x ? K - 1.0 : -1.0) + sqrt(p->alpha * K) * (double)xi[k];
}

/* -ln sum_k p_k exp(y_k - y_x) for one draw; gradient p_k - r_k, r the posterior of the class. */
static double joint_mixture(const position *p, const float *xi)
{
    double own = message(p, xi, p->x), max = -(double)INFINITY, sum = 0.0;
    for (size_t k = 0; k < p->K; k++)
        max = fmax(max, ln_probability(p, k) + message(p, xi, k) - own);
    for (size_t k = 0; k < p->K; k++)
        sum += exp(ln_probability(p, k) + message(p, xi, k) - own - max);
    double ln_sum = max + log(sum);
    for (size_t k = 0; p->gradient != NULL && k < p->K; k++) {
        double l = ln_probability(p, k), r = exp(l + message(p, xi, k) - own - ln_sum);
        add_gradient(p, k, p->scale * (exp(l) - r));
    }
    return -ln_sum;
}

/* ln(1 - p_k). */
static double ln_other(const position *p, size_t k)
{
    double l = ln_probability(p, k);
    if (l < -0.6931)
        return log1p(-exp(l));
    double max = -(double)INFINITY, sum = 0.0; /* p near 1: the sum of the others has the digits */
    for (size_t j = 0; j < p->K; j++)
        max = j == k ? max : fmax(max, ln_probability(p, j));
    for (size_t j = 0; j < p->K; j++)
        sum += j == k ? 0.0 : exp(ln_probability(p, j) - max);
    return max + log(sum);
}

/* ln(p exp(u) + 1 - p) of coordinate k, and its derivative with respect to p: (exp(u) - 1) / (p exp(u) + 1 - p). */
static double ln_coordinate(const position *p, const float *xi, size_t k, double *derivative)
{
    double u = message(p, xi, k) - 0.5 * p->alpha * ((double)p->K - 2.0);
    double a = ln_probability(p, k) + u, b = ln_other(p, k), max = fmax(a, b);
    double ln_mix = max + log(exp(a - max) + exp(b - max));
    *derivative = exp(u - ln_mix) - exp(-ln_mix);
    return ln_mix - (k == p->x ? u : 0.0);
}

static double coordinate_mixture(const position *p, const float *xi)
{
    double sum = 0.0, mean = 0.0;
    for (size_t k = 0; k < p->K; k++) {
        double derivative;
        sum += ln_coordinate(p, xi, k, &derivative);
        mean += exp(ln_probability(p, k)) * derivative;
    }
    for (size_t k = 0; p->gradient != NULL && k < p->K; k++) {
        double derivative;
        (void)ln_coordinate(p, xi, k, &derivative);
        add_gradient(p, k, -p->scale * exp(ln_probability(p, k)) * (derivative - mean));
    }
    return -sum;
}

static double n_step(const position *p, bool published)
{
    double sum = 0.0;
    for (size_t j = 0; j < p->n_draws; j++) {
        const float *xi = p->normals + j * p->draw_stride;
        sum += published ? coordinate_mixture(p, xi) : joint_mixture(p, xi);
    }
    return sum;
}

/* The factor before the sums above, and before their gradients. */
static double weight_of(const bfn__loss_sample *s)
{
    const bfn_flow *flow = s->flow;
    if (s->options->kind == BFN_LOSS_CONTINUOUS_TIME || s->options->kind == BFN_LOSS_CROSS_ENTROPY)
        return (double)flow->n_classes * flow->max_sqrt_beta * flow->max_sqrt_beta * s->t;
    if (s->options->kind == BFN_LOSS_N_STEP)
        return (double)s->options->n_steps / (double)s->options->n_draws;
    return 1.0;
}

void bfn__loss_discrete(const bfn__loss_sample *s)
{
    const int32_t *data = s->data;
    const bfn_loss_options *o = s->options;
    size_t K = s->flow->n_classes, width = K == 2 ? 1 : K;
    double weight = weight_of(s);
    position p = {.K = K, .n_draws = o->n_draws, .draw_stride = s->draw_stride, .scale = weight};
    if (o->kind == BFN_LOSS_N_STEP)
        p.alpha = bfn_flow_accuracy(s->flow, s->t, s->t + 1.0 / (double)o->n_steps);
    for (size_t d = 0; d < s->D; d++) {
        p.x = (size_t)data[d];
        p.logits = s->output + d * width;
        p.normals = s->normals != NULL ? s->normals + d * K : NULL;
        normalise(&p);
        p.gradient = s->gradient != NULL ? s->gradient + d * width : NULL;
        for (size_t k = 0; p.gradient != NULL && k < width; k++)
            p.gradient[k] = 0.0f;
        if (o->kind == BFN_LOSS_CONTINUOUS_TIME)
            s->loss[d] = weight * squared_distance(&p);
        else if (o->kind == BFN_LOSS_N_STEP)
            s->loss[d] = weight * n_step(&p, o->published_mixture != 0);
        else
            s->loss[d] = weight * cross_entropy(&p);
    }
}
