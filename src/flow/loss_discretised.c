/* loss_discretised.c: losses of data on K bin centres c_k of [-1,1], from a normal distribution seen through the bins.
 *
 *   L^inf  = -ln(sigma_1) sigma_1^(-2t) (x - sum_k p_k c_k)^2
 *   L^n    = n E_y [ -alpha (y-x)^2 / 2 - ln sum_k p_k exp(-alpha (y-c_k)^2 / 2) ],   y ~ N(x, 1/alpha)
 *   L^r    = -ln p_(bin of x)
 *
 * The mixture needs ln p_k of every bin for every draw. They come in pieces of a table on the stack: up to 512 bins are computed once for all
 * draws, more bins again for each draw (nothing is allocated, whatever K is). Bins whose logarithm is more than 45 below the
 * largest add nothing to a double.
 *
 * The published code clamps p_k to [2^-23, 1 - 2^-23] and normalises again before it mixes (SPEC 6.15), and replaces small masses in
 * the reconstruction (SPEC 6.10): options->published_mixture.
 */
#include "flow/loss.h"

#include <math.h>

enum { PIECE = 512 };

static const double LEAST = 0x1p-23, MOST = 1.0 - 0x1p-23;

/* ln p and its derivatives for bins first .. first+n-1. */
typedef struct table {
    size_t first, n;
    double ln_p[PIECE];
    bfn__bin_gradient d[PIECE];
} table;

/* What turns p into the published, clamped distribution: ln of the sum of clamped masses, and the mean derivative. */
typedef struct clamp_terms {
    bool on;
    double ln_total;
    bfn__bin_gradient mean;
} clamp_terms;

static void fill_exact(table *p, size_t K, bfn__normal q, size_t first, bool clamp)
{
    p->first = first;
    p->n = K - first < PIECE ? K - first : PIECE;
    for (size_t i = 0; i < p->n; i++) {
        p->ln_p[i] = bfn__ln_bin_mass(K, q, first + i, &p->d[i]);
        if (clamp && (p->ln_p[i] < log(LEAST) || p->ln_p[i] > log(MOST))) {
            p->ln_p[i] = p->ln_p[i] < log(LEAST) ? log(LEAST) : log(MOST);
            p->d[i] = (bfn__bin_gradient){0.0, 0.0};
        }
    }
}

static clamp_terms clamp_terms_of(table *p, size_t K, bfn__normal q)
{
    double total = 0.0;
    bfn__bin_gradient sum = {0.0, 0.0};
    for (size_t first = 0; first < K; first += PIECE) {
        fill_exact(p, K, q, first, true);
        for (size_t i = 0; i < p->n; i++) {
            double mass = exp(p->ln_p[i]);
            total += mass;
            sum.mean += mass * p->d[i].mean;
            sum.deviation += mass * p->d[i].deviation;
        }
    }
    return (clamp_terms){true, log(total), {sum.mean / total, sum.deviation / total}};
}

static void fill(table *p, size_t K, bfn__normal q, const clamp_terms *clamp, size_t first)
{
    if (p->n > 0 && p->first == first)
        return;
    fill_exact(p, K, q, first, clamp->on);
    for (size_t i = 0; clamp->on && i < p->n; i++) {
        p->ln_p[i] -= clamp->ln_total;
        p->d[i].mean -= clamp->mean.mean;
        p->d[i].deviation -= clamp->mean.deviation;
    }
}

/* A sum of exp(ln_term) kept as (largest so far, sum relative to it), with two weighted sums beside it. */
typedef struct running_sum {
    double max, sum, d_mean, d_deviation;
} running_sum;

static void add_term(running_sum *r, double ln_term, const bfn__bin_gradient *d)
{
    const double negligible = 45.0;
    if (ln_term < r->max - negligible)
        return;
    if (ln_term > r->max) {
        double shrink = exp(r->max - ln_term);
        r->sum *= shrink;
        r->d_mean *= shrink;
        r->d_deviation *= shrink;
        r->max = ln_term;
    }
    double term = exp(ln_term - r->max);
    r->sum += term;
    r->d_mean += term * d->mean;
    r->d_deviation += term * d->deviation;
}

/* ln sum_k p_k exp(-alpha (y - c_k)^2 / 2), and its derivatives. */
static double ln_mixture(table *p, size_t K, bfn__normal q, const clamp_terms *clamp, double alpha, double y,
                         bfn__bin_gradient *d)
{
    running_sum r = {-(double)INFINITY, 0.0, 0.0, 0.0};
    for (size_t first = 0; first < K; first += PIECE) {
        fill(p, K, q, clamp, first);
        for (size_t i = 0; i < p->n; i++) {
            double distance = y - bfn__bin_centre(K, first + i);
            add_term(&r, p->ln_p[i] - 0.5 * alpha * distance * distance, &p->d[i]);
        }
    }
    d->mean = r.d_mean / r.sum;
    d->deviation = r.d_deviation / r.sum;
    return r.max + log(r.sum);
}

/* The n-step loss of position d; *total receives its derivatives with respect to mean and deviation. */
static double n_step(const bfn__loss_sample *s, size_t d, bfn__normal q, bfn__bin_gradient *total)
{
    size_t K = s->flow->n_classes, n_draws = s->options->n_draws;
    double n = (double)s->options->n_steps, alpha = bfn_flow_accuracy(s->flow, s->t, s->t + 1.0 / n);
    double x = (double)((const float *)s->data)[d], sum = 0.0;
    table p = {.n = 0};
    clamp_terms clamp = {.on = false};
    if (s->options->published_mixture) {
        clamp = clamp_terms_of(&p, K, q);
        p.n = 0; /* the table is not adjusted yet */
    }
    *total = (bfn__bin_gradient){0.0, 0.0};
    for (size_t j = 0; j < n_draws; j++) {
        double xi = (double)s->normals[j * s->draw_stride + d];
        bfn__bin_gradient g;
        sum += -0.5 * xi * xi - ln_mixture(&p, K, q, &clamp, alpha, x + xi / sqrt(alpha), &g);
        total->mean -= g.mean;
        total->deviation -= g.deviation;
    }
    double weight = n / (double)n_draws;
    total->mean *= weight;
    total->deviation *= weight;
    return weight * sum;
}

static double reconstruction(const bfn__loss_sample *s, size_t d, bfn__normal q, bfn__bin_gradient *g)
{
    size_t K = s->flow->n_classes, bin = bfn__bin(K, (double)((const float *)s->data)[d]);
    double ln_mass =
        s->options->published_mixture ? bfn__ln_bin_mass_published(K, q, bin, g) : bfn__ln_bin_mass(K, q, bin, g);
    g->mean = -g->mean;
    g->deviation = -g->deviation;
    return -ln_mass;
}

static double squared(const bfn__loss_sample *s, size_t d, bfn__normal q, double weight, bfn__bin_gradient *g)
{
    double difference = bfn__bin_mean(s->flow->n_classes, q, g) - (double)((const float *)s->data)[d];
    g->mean *= 2.0 * weight * difference;
    g->deviation *= 2.0 * weight * difference;
    return weight * difference * difference;
}

void bfn__loss_discretised(const bfn__loss_sample *s)
{
    bfn__time_terms terms = bfn__terms_at(s->flow, s->t);
    double weight = s->options->kind == BFN_LOSS_CONTINUOUS_TIME ? bfn__square_weight(s) : 0.0;
    for (size_t d = 0; d < s->D; d++) {
        bfn__bin_gradient slope, g;
        bfn__normal q = bfn__data_normal(&terms, (double)s->state[d], s->output + 2 * d, &slope);
        if (s->options->kind == BFN_LOSS_CONTINUOUS_TIME)
            s->loss[d] = squared(s, d, q, weight, &g);
        else if (s->options->kind == BFN_LOSS_N_STEP)
            s->loss[d] = n_step(s, d, q, &g);
        else
            s->loss[d] = reconstruction(s, d, q, &g);
        if (s->gradient != NULL) {
            s->gradient[2 * d] = (float)(g.mean * slope.mean);
            s->gradient[2 * d + 1] = (float)(g.deviation * slope.deviation);
        }
    }
}
