/* selftest_models.c: the exact models that the self-test's groups share.
 *
 * Where laws of samples are compared (gauss, mixture, independent, pair) the accuracies beta_1, sigma_1 are such that at t = 1 the data
 * are known almost surely: the most likely class is wrong with a probability far below what the checks can see. Where orders
 * are observed (table, binary) a small beta_1 keeps the ODE smooth on the few steps that a quick test affords.
 * The tables are functions of the index that make positions depend on one another strongly.
 */
#include "eval/selftest.h"

#include <math.h>
#include <string.h>

static bfn_flow continuous_flow(void)
{
    bfn_flow flow = BFN_FLOW_INIT;
    flow.kind = BFN_DATA_CONTINUOUS;
    flow.min_variance = 1e-6;
    flow.clip = 0.0; /* the closed forms know no clip */
    return flow;
}

static bfn_flow discrete_flow(size_t K, double max_sqrt_beta)
{
    bfn_flow flow = BFN_FLOW_INIT;
    flow.kind = BFN_DATA_DISCRETE;
    flow.n_classes = K;
    flow.max_sqrt_beta = max_sqrt_beta;
    flow.min_variance = 0.0;
    flow.clip = 0.0;
    return flow;
}

static void normalise(double *p, size_t n)
{
    double sum = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += p[i];
    for (size_t i = 0; i < n; i++)
        p[i] /= sum;
}

/* A law of D digits that rewards neighbours for being alike, in a way that is not symmetric. */
static void fill_table(double *p, size_t D, size_t K)
{
    size_t n = 1;
    for (size_t d = 0; d < D; d++)
        n *= K;
    for (size_t i = 0; i < n; i++) {
        double energy = 0.0;
        size_t rest = i, last = 0;
        for (size_t d = 0; d < D; d++, rest /= K) {
            size_t digit = rest % K;
            energy += 0.4 * sin(1.0 + 2.0 * (double)digit + (double)d);
            if (d > 0)
                energy += 1.6 * cos((double)digit - (double)last) + 0.2 * (double)(digit > last);
            last = digit;
        }
        p[i] = exp(energy);
    }
    normalise(p, n);
}

void bfn__selftest_models_init(bfn__selftest_models *m)
{
    memset(m, 0, sizeof *m);
    m->gauss = (bfn__exact){.law = BFN__EXACT_MIXTURE,
                            .flow = continuous_flow(),
                            .D = 1,
                            .n_components = 1,
                            .weight = {1.0},
                            .mean = {0.2},
                            .deviation = {0.15}};
    m->mixture = (bfn__exact){.law = BFN__EXACT_MIXTURE,
                              .flow = continuous_flow(),
                              .D = 1,
                              .n_components = 2,
                              .weight = {0.35, 0.65},
                              .mean = {-0.6, 0.5},
                              .deviation = {0.08, 0.15}};
    for (size_t d = 0; d < 2; d++) {
        for (size_t k = 0; k < 5; k++)
            m->prior[d * 5 + k] = 1.0 + (double)((3 * d + 2 * k) % 5);
        normalise(m->prior + d * 5, 5);
    }
    m->independent =
        (bfn__exact){.law = BFN__EXACT_INDEPENDENT, .flow = discrete_flow(5, 4.0), .D = 2, .prior = m->prior};
    fill_table(m->nine, 2, 3);
    m->pair = (bfn__exact){.law = BFN__EXACT_TABLE, .flow = discrete_flow(3, 4.0), .D = 2, .table = m->nine};
    fill_table(m->cells, 3, 4);
    m->table = (bfn__exact){.law = BFN__EXACT_TABLE, .flow = discrete_flow(4, 1.0), .D = 3, .table = m->cells};
    fill_table(m->bits, 4, 2);
    m->binary = (bfn__exact){.law = BFN__EXACT_TABLE, .flow = discrete_flow(2, 1.0), .D = 4, .table = m->bits};
}
