/* loss.c: bfn_flow_loss, and the losses of continuous data.
 *
 *   L^inf  = -ln(sigma_1) sigma_1^(-2t) (x - x_hat)^2             t ~ U(0,1)
 *   L^n    = n (alpha_i / 2) (x - x_hat)^2                        alpha_i = beta(t + 1/n) - beta(t), t = (i-1)/n
 *   L^r    = -ln of the mass that N(x_hat, s^2) puts into the bin of x, so that it compares with discretised data
 *
 * per position. x_hat is clipped inside the loss, as in the published training; the gradient there is zero.
 */
#include "flow/loss.h"

#include "base/base.h"

#include <math.h>

double bfn__square_weight(const bfn__loss_sample *s)
{
    double ln_variance = log(s->flow->min_variance);
    if (s->options->kind == BFN_LOSS_CONTINUOUS_TIME)
        return -0.5 * ln_variance * exp(-s->t * ln_variance);
    double n = (double)s->options->n_steps;
    return 0.5 * n * bfn_flow_accuracy(s->flow, s->t, s->t + 1.0 / n);
}

double bfn__ln_bin_mass_published(size_t K, bfn__normal q, size_t bin, bfn__bin_gradient *gradient)
{
    double ln_mass = bfn__ln_bin_mass(K, q, bin, gradient);
    if (ln_mass >= log(1e-5))
        return ln_mass;
    double z = (bfn__bin_centre(K, bin) - q.mean) / q.deviation;
    if (gradient != NULL) {
        gradient->mean = z / q.deviation;
        gradient->deviation = (z * z - 1.0) / q.deviation;
    }
    return bfn__ln_density(z) - log(q.deviation) + log(2.0 / (double)K);
}

static size_t reconstruction_bins(const bfn_flow *flow)
{
    if (flow->n_classes > 0)
        return flow->n_classes;
    return fabs(flow->min_variance / 1e-3 - 1.0) < 1e-6 ? 16 : 256;
}

static void continuous_reconstruction(const bfn__loss_sample *s)
{
    const bfn_flow *flow = s->flow;
    const float *data = s->data;
    size_t K = reconstruction_bins(flow);
    double width = sqrt(flow->min_variance) * (K == 16 ? 0.7 : 1.0);
    bfn__time_terms terms = bfn__terms_at(flow, s->t);
    for (size_t d = 0; d < s->D; d++) {
        double slope;
        bfn__normal q = {bfn__x_hat(flow, &terms, (double)s->state[d], (double)s->output[d], &slope), width};
        bfn__bin_gradient g;
        size_t bin = bfn__bin(K, (double)data[d]);
        s->loss[d] = s->options->published_mixture ? -bfn__ln_bin_mass_published(K, q, bin, &g)
                                                   : -bfn__ln_bin_mass(K, q, bin, &g);
        if (s->gradient != NULL)
            s->gradient[d] = (float)(-g.mean * slope);
    }
}

void bfn__loss_continuous(const bfn__loss_sample *s)
{
    if (s->options->kind == BFN_LOSS_RECONSTRUCTION) {
        continuous_reconstruction(s);
        return;
    }
    const float *data = s->data;
    double weight = bfn__square_weight(s);
    bfn__time_terms terms = bfn__terms_at(s->flow, s->t);
    for (size_t d = 0; d < s->D; d++) {
        double slope, x_hat = bfn__x_hat(s->flow, &terms, (double)s->state[d], (double)s->output[d], &slope);
        double difference = x_hat - (double)data[d];
        s->loss[d] = weight * difference * difference;
        if (s->gradient != NULL)
            s->gradient[d] = (float)(2.0 * weight * difference * slope);
    }
}

static bfn_status check_options(bfn_context *ctx, const bfn_flow *flow, const bfn_loss_options *o)
{
    if (o->struct_size != sizeof *o)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "loss: struct_size: %zu: must be %zu (use BFN_LOSS_OPTIONS_INIT)",
                         o->struct_size, sizeof *o);
    if (o->kind < BFN_LOSS_CONTINUOUS_TIME || o->kind > BFN_LOSS_CROSS_ENTROPY)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT,
                         "loss: kind: %d: 1 (continuous time), 2 (n steps), 3 (reconstruction) or 4 (cross-entropy)",
                         (int)o->kind);
    if (o->kind == BFN_LOSS_CROSS_ENTROPY && flow->kind != BFN_DATA_DISCRETE)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "loss: kind: 4 (cross-entropy): for discrete data only");
    if (o->kind != BFN_LOSS_N_STEP)
        return BFN_OK;
    if (o->n_steps < 1)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "loss: n_steps: 0: at least 1");
    if (flow->kind != BFN_DATA_CONTINUOUS && (o->n_draws < 1 || o->normals == NULL))
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "loss: n_draws: %zu: at least 1, with normals", o->n_draws);
    return BFN_OK;
}

static bfn_status check_data(bfn_context *ctx, const bfn_flow *flow, size_t n, const int32_t *data)
{
    for (size_t i = 0; i < n; i++)
        if (data[i] < 0 || (size_t)data[i] >= flow->n_classes)
            return bfn__fail(ctx, BFN_ERR_ARGUMENT, "loss: data[%zu]: class %d: 0 to %zu", i, (int)data[i],
                             flow->n_classes - 1);
    return BFN_OK;
}

bfn_status bfn_flow_loss(bfn_context *ctx, const bfn_flow *flow, const bfn_loss_options *options, size_t B, size_t D,
                         const void *data, const double *t, const float *state, const float *output, double *loss,
                         float *gradient)
{
    bfn_status status = bfn_flow_check(ctx, flow);
    if (status == BFN_OK)
        status = check_options(ctx, flow, options);
    if (status == BFN_OK && flow->kind == BFN_DATA_DISCRETE)
        status = check_data(ctx, flow, B * D, data);
    if (status != BFN_OK)
        return status;
    size_t in = D * bfn_flow_state_width(flow), out = D * bfn_flow_output_width(flow);
    for (size_t b = 0; b < B; b++) {
        bfn__loss_sample s = {flow,
                              options,
                              D,
                              t[b],
                              NULL,
                              state + b * in,
                              output + b * out,
                              NULL,
                              B * in,
                              loss + b * D,
                              gradient != NULL ? gradient + b * out : NULL};
        s.data = flow->kind == BFN_DATA_DISCRETE ? (const void *)((const int32_t *)data + b * D)
                                                 : (const void *)((const float *)data + b * D);
        if (options->normals != NULL)
            s.normals = options->normals + b * in;
        if (flow->kind == BFN_DATA_CONTINUOUS)
            bfn__loss_continuous(&s);
        else if (flow->kind == BFN_DATA_DISCRETISED)
            bfn__loss_discretised(&s);
        else
            bfn__loss_discrete(&s);
    }
    return BFN_OK;
}
