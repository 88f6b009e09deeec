/* ode_bound.c: the likelihood of data under the probability-flow ODE, item by item.
 *
 * Sampling by the ODE draws a state s at t = 1 with density p_1 and then x from the output distribution at s. So
 *   P(x) = int p_1(s) p_O(x | s) ds,   and for s ~ q(s | x), the flow distribution at t = 1,
 *   -ln P(x) <= E_q [ -ln p_O(x | s) - ln p_1(s) + ln q(s | x) ]                                              (SPEC 9.9)
 * This is exact for this sampler up to Jensen's inequality, and small where q is what p_1 looks like around x. For images it is a dequantisation:
 * x gets the flow's own noise of deviation sigma(1), and p_O counts the bin that the result is put into; so the bound is one on the
 * probability of the discrete image (bits per dimension, the bin's width is in p_O). The uniform noise of a bin's width that is used elsewhere
 * would be several sigma(1) wide and ask the density where no data ever was.
 *
 * ln p_1 alone is the density of the blurred data gamma x + sigma eps (discrete data: of the logits); it is reported beside the bound.
 * The ln sigma of p_1 and q cancel in the bound: both are taken in y = mu / sigma.
 */
#include "eval/likelihood.h"

#include "base/random.h"

#include <math.h>

static const double LN_2_PI = 1.8378770664093453;

typedef struct ode_work {
    const bfn__likelihood_source *source;
    const bfn_ode_options *options;
    bfn__item_plan plan;
    bfn__network_field *field;
    bfn__ode ode;
    size_t D, size, batch;
    void *data;                                /* [batch, D] */
    float *state, *noise;                      /* [batch, size] */
    float *shown, *out;                        /* [batch, D, width] */
    double *t, *loss, *y, *ln_density, *finer; /* [batch], [batch, D], [batch, size], [batch], [batch] */
    double *values, *reconstruction, *density; /* [n_sequences], nats per position */
    size_t first, n_checked, n_evaluations;
    double moved; /* sum over the checked items of how far they move with twice the steps, nats per position */
    bool failed;
} ode_work;

static bool allocate(ode_work *w)
{
    bfn_context *ctx = w->source->ctx;
    const bfn_flow *flow = w->source->flow;
    w->data = bfn__calloc(ctx, w->batch * w->D, sizeof(float));
    w->state = bfn__calloc(ctx, w->batch * w->size, sizeof *w->state);
    w->noise = bfn__calloc(ctx, w->batch * w->size, sizeof *w->noise);
    w->shown = bfn__calloc(ctx, w->batch * w->D * bfn_flow_shown_width(flow), sizeof *w->shown);
    w->out = bfn__calloc(ctx, w->batch * w->D * bfn_flow_output_width(flow), sizeof *w->out);
    w->t = bfn__calloc(ctx, w->batch, sizeof *w->t);
    w->loss = bfn__calloc(ctx, w->batch * w->D, sizeof *w->loss);
    w->y = bfn__calloc(ctx, w->batch * w->size, sizeof *w->y);
    w->ln_density = bfn__calloc(ctx, w->batch, sizeof *w->ln_density);
    w->finer = bfn__calloc(ctx, w->batch, sizeof *w->finer);
    w->values = bfn__calloc(ctx, w->plan.n_max, sizeof *w->values);
    w->reconstruction = bfn__calloc(ctx, w->plan.n_max, sizeof *w->reconstruction);
    w->density = bfn__calloc(ctx, w->plan.n_max, sizeof *w->density);
    return w->data && w->state && w->noise && w->shown && w->out && w->t && w->loss && w->y && w->ln_density &&
           w->finer && w->values && w->reconstruction && w->density;
}

static void release(ode_work *w)
{
    void *blocks[] = {w->data, w->state,      w->noise,  w->shown,          w->out,     w->t,    w->loss,
                      w->y,    w->ln_density, w->values, w->reconstruction, w->density, w->finer};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        bfn__free(w->source->ctx, blocks[i]);
    bfn__network_field_destroy(w->field);
}

static void *item_of(const ode_work *w, size_t i)
{
    return (char *)w->data + i * w->D * sizeof(float);
}

/* Item i of the batch and its state at t = 1. */
static void load_item(void *arg, size_t i)
{
    ode_work *w = arg;
    const bfn_flow *flow = w->source->flow;
    float *state = w->state + i * w->size, *noise = w->noise + i * w->size;
    int32_t unused;
    w->source->item(w->source->user, bfn__item_index(&w->plan, w->first + i), item_of(w, i),
                    w->source->labels != NULL ? &w->source->labels[i] : &unused);
    bfn__random_normals(w->options->seed, w->first + i, bfn__draw(0, BFN__DRAW_NOISE), 0, w->size, noise);
    w->t[i] = 1.0;
    bfn_flow_draw(flow, 1, w->D, item_of(w, i), &w->t[i], noise, state);
    bfn_flow_show(flow, 1, w->D, state, w->shown + i * w->D * bfn_flow_shown_width(flow));
    for (size_t k = 0; k < w->size; k++)
        w->y[i * w->size + k] = (double)state[k];
}

/* -ln p_O(x | s) of item i, a position; into values for now. */
static void reconstruct(void *arg, size_t i)
{
    ode_work *w = arg;
    const bfn_flow *flow = w->source->flow;
    double *loss = w->loss + i * w->D, sum = 0.0;
    bfn_loss_options o = BFN_LOSS_OPTIONS_INIT;
    o.kind = BFN_LOSS_RECONSTRUCTION;
    if (bfn_flow_loss(NULL, flow, &o, 1, w->D, item_of(w, i), &w->t[i], w->state + i * w->size,
                      w->out + i * w->D * bfn_flow_output_width(flow), loss, NULL) != BFN_OK)
        __atomic_store_n(&w->failed, true, __ATOMIC_RELAXED);
    for (size_t d = 0; d < w->D; d++)
        sum += loss[d];
    w->reconstruction[w->first + i] = sum / (double)w->D;
}

/* ln q of item i in the variable y (discrete: of the logits). */
static double ln_posterior(const ode_work *w, size_t i)
{
    const bfn_flow *flow = w->source->flow;
    double square = 0.0, ln_variance = 0.0;
    if (flow->kind == BFN_DATA_DISCRETE)
        ln_variance = log((double)flow->n_classes * bfn_flow_beta(flow, 1.0));
    for (size_t k = 0; k < w->size; k++)
        square += (double)w->noise[i * w->size + k] * (double)w->noise[i * w->size + k];
    return -0.5 * (square + (double)w->size * (LN_2_PI + ln_variance));
}

/* The first items once more with twice the steps: what is still wrong with the steps. An estimate from half of them would be cheaper, but where the
 * steps just suffice half of them do not, and it says nothing. */
static bfn_status check_steps(ode_work *w, size_t n)
{
    bfn__ode finer = w->ode;
    double *density = w->finer;
    finer.n_steps = 2 * w->ode.n_steps;
    n = n < w->options->n_checked ? n : w->options->n_checked;
    for (size_t i = 0; i < n * w->size; i++)
        w->y[i] = (double)w->state[i];
    bfn_status status = bfn__ode_density(&finer, 0, n, w->y, density);
    for (size_t i = 0; status == BFN_OK && i < n; i++)
        w->moved += fabs(density[i] - w->ln_density[i]) / (double)w->D;
    w->n_checked = n;
    return status;
}

static bfn_status measure(void *user, size_t first, size_t n, double *values)
{
    ode_work *w = user;
    const bfn__likelihood_source *s = w->source;
    w->first = first;
    bfn__parallel(s->ctx, n, load_item, w);
    bfn_status status = (bfn_status)s->network.forward(s->network.user, first, n, w->t, w->shown, w->out);
    if (status != BFN_OK)
        return status;
    bfn__parallel(s->ctx, n, reconstruct, w);
    if (w->failed)
        return bfn__fail(s->ctx, BFN_ERR_INPUT, "ode: an item holds a class that the model lacks");
    size_t before = bfn__network_field_evaluations(w->field);
    status = bfn__ode_density(&w->ode, first, n, w->y, w->ln_density);
    w->n_evaluations += bfn__network_field_evaluations(w->field) - before;
    if (status == BFN_OK && first == 0)
        status = check_steps(w, n);
    double D = (double)w->D, ln_sigma = s->flow->kind == BFN_DATA_DISCRETE ? 0.0 : log(bfn_flow_sigma(s->flow, 1.0));
    for (size_t i = 0; status == BFN_OK && i < n; i++) {
        values[i] = w->reconstruction[first + i] + (ln_posterior(w, i) - w->ln_density[i]) / D;
        w->density[first + i] = w->ln_density[i] / D - ln_sigma;
    }
    return status;
}

static void summarise(const ode_work *w, size_t n, bfn_ode_likelihood *result)
{
    double error, unused, nats = bfn__mean(w->values, n, &error);
    result->n_sequences = n;
    result->n_available = w->plan.n_available;
    result->n_positions = n * w->D;
    result->n_evaluations = w->n_evaluations / (n > 0 ? n : 1) + 1;
    result->n_steps = w->options->n_steps;
    result->n_probes = w->options->trace == BFN_TRACE_HUTCHINSON ? w->options->n_probes : 0;
    result->eta = w->source->flow->kind == BFN_DATA_DISCRETE ? 0.0 : w->options->eta;
    result->n_checked = w->n_checked;
    result->step_error = w->moved / (double)(w->n_checked > 0 ? w->n_checked : 1) / M_LN2;
    result->bound = nats / M_LN2;
    result->standard_error = error / M_LN2;
    result->nats = nats * (double)w->D;
    result->nats_error = error * (double)w->D;
    result->reconstruction = bfn__mean(w->reconstruction, n, &unused) / M_LN2;
    result->density = bfn__mean(w->density, n, &result->density_error);
    result->reached =
        w->options->precision > 0.0 && n >= BFN__LEAST_ITEMS && result->standard_error <= w->options->precision;
}

static bfn_status prepare(ode_work *w, const bfn_moments *moments)
{
    const bfn__likelihood_source *s = w->source;
    const bfn_ode_options *o = w->options;
    bfn_status status = bfn__network_field_create(s->ctx, &w->field, s->flow, w->D, w->batch, o->trace, o->n_probes,
                                                  o->seed, &s->network);
    w->ode = (bfn__ode){.ctx = s->ctx,
                        .flow = s->flow,
                        .size = w->size,
                        .field = bfn__network_field_evaluate,
                        .user = w->field,
                        .n_steps = o->n_steps,
                        .eta = o->eta};
    if (moments != NULL && moments->mean != NULL) {
        w->ode.mean = moments->mean;
        w->ode.variance = moments->variance;
    }
    if (status == BFN_OK && !allocate(w))
        status = BFN_ERR_MEMORY;
    return status;
}

bfn_status bfn__ode_estimate(const bfn__likelihood_source *source, const bfn_ode_options *o, const bfn_moments *moments,
                             bfn_ode_likelihood *result)
{
    ode_work w = {.source = source,
                  .options = o,
                  .plan = {.n_available = source->n_available,
                           .n_max = o->n_sequences,
                           .precision = o->precision * M_LN2,
                           .batch = o->batch,
                           .seed = o->seed,
                           .progress = o->progress,
                           .user = o->user},
                  .D = source->D,
                  .size = source->D * bfn_flow_state_width(source->flow),
                  .batch = o->batch};
    size_t n = 0;
    bfn_status status = prepare(&w, moments);
    if (status == BFN_OK)
        status = bfn__items_run(source->ctx, &w.plan, measure, &w, w.values, &n);
    if (status == BFN_OK)
        summarise(&w, n, result);
    release(&w);
    return status;
}
