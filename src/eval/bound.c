/* bound.c: the variational bound on the negative log likelihood, item by item.
 *
 *   -log P(x) <= L^inf(x) + L^r(x), or L^n(x) + L^r(x)                 (arXiv 2308.07037, equations 11 to 16)
 *   L^inf(x) = E_{t ~ U(0,1)} [loss at t], here by stratified and antithetic times: t_j = (j + u)/n for even j, (j + 1 - u)/n for odd j, one
 *              u an item. Each t_j is uniform in its stratum, so the estimate is unbiased; in neighbouring strata the slopes of the loss
 *              cancel
 *   L^n(x)   = the same over the steps i/n of a transmission in n messages; strata of steps
 *   L^r(x)   = -ln p_O(x | t = 1)
 * The network is called for a batch of items at a time; everything around it (noise, states, losses) runs item by item on all threads.
 */
#include "eval/likelihood.h"

#include "base/random.h"

#include <math.h>

typedef struct bound_work {
    const bfn__likelihood_source *source;
    const bfn_bound_options *options;
    bfn__item_plan plan;
    size_t D, W, batch;              /* positions, state width */
    void *data;                      /* [batch, D]: int32_t or float */
    float *state;                    /* [batch, D, W] */
    float *normals;                  /* L^n: [batch, n_draws, D, W] */
    float *shown, *out;              /* [batch, D, width] */
    double *t, *u, *loss;            /* [batch], [batch], [batch, D] */
    double *sums;                    /* [batch] nats per position */
    double *values, *reconstruction; /* [n_sequences] nats per position */
    /* of the network call that is being prepared */
    bfn_loss_kind kind;
    uint32_t pass;
    size_t first;
    double weight;
    bool failed;
} bound_work;

static bool allocate(bound_work *w)
{
    bfn_context *ctx = w->source->ctx;
    const bfn_flow *flow = w->source->flow;
    size_t positions = w->batch * w->D, n = w->plan.n_max;
    size_t draws = w->options->n_steps > 0 ? w->options->n_draws : 0;
    w->data = bfn__calloc(ctx, positions, sizeof(float));
    w->normals = bfn__calloc(ctx, positions * draws, w->W * sizeof *w->normals);
    w->state = bfn__calloc(ctx, positions, w->W * sizeof *w->state);
    w->shown = bfn__calloc(ctx, positions, bfn_flow_shown_width(flow) * sizeof *w->shown);
    w->out = bfn__calloc(ctx, positions, bfn_flow_output_width(flow) * sizeof *w->out);
    w->t = bfn__calloc(ctx, w->batch, sizeof *w->t);
    w->u = bfn__calloc(ctx, w->batch, sizeof *w->u);
    w->sums = bfn__calloc(ctx, w->batch, sizeof *w->sums);
    w->loss = bfn__calloc(ctx, positions, sizeof *w->loss);
    w->values = bfn__calloc(ctx, n, sizeof *w->values);
    w->reconstruction = bfn__calloc(ctx, n, sizeof *w->reconstruction);
    return w->data && w->normals && w->state && w->shown && w->out && w->t && w->u && w->sums && w->loss && w->values &&
           w->reconstruction;
}

static void release(bound_work *w)
{
    void *blocks[] = {w->data, w->normals, w->state, w->shown,  w->out,           w->t,
                      w->u,    w->sums,    w->loss,  w->values, w->reconstruction};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        bfn__free(w->source->ctx, blocks[i]);
}

/* Where the D values of item i of the batch lie. */
static void *item_of(const bound_work *w, size_t i)
{
    return (char *)w->data + i * w->D * sizeof(float);
}

static void load_item(void *arg, size_t i)
{
    bound_work *w = arg;
    int32_t unused;
    w->source->item(w->source->user, bfn__item_index(&w->plan, w->first + i), item_of(w, i),
                    w->source->labels != NULL ? &w->source->labels[i] : &unused);
    bfn__random_uniforms(w->options->seed, w->first + i, bfn__draw(0, BFN__DRAW_DATA), 0, 1, &w->u[i]);
    w->sums[i] = 0.0;
}

static void draw_state(void *arg, size_t i)
{
    bound_work *w = arg;
    const bfn_flow *flow = w->source->flow;
    size_t size = w->D * w->W;
    float *state = w->state + i * size;
    bfn__random_normals(w->options->seed, w->first + i, bfn__draw(w->pass, BFN__DRAW_NOISE), 0, size, state);
    bfn_flow_draw(flow, 1, w->D, item_of(w, i), &w->t[i], state, state);
    bfn_flow_show(flow, 1, w->D, state, w->shown + i * w->D * bfn_flow_shown_width(flow));
}

/* Adds the loss of item i, a position, to its sum. */
static void lose(void *arg, size_t i)
{
    bound_work *w = arg;
    const bfn_flow *flow = w->source->flow;
    size_t size = w->D * w->W;
    double *loss = w->loss + i * w->D;
    bfn_loss_options o = BFN_LOSS_OPTIONS_INIT;
    o.kind = w->kind;
    if (w->kind ==
        BFN_LOSS_N_STEP) { /* the sender's messages: one stream of draws a time, beyond those of the states */
        float *normals = w->normals + i * w->options->n_draws * size;
        o.n_steps = w->options->n_steps;
        o.n_draws = w->options->n_draws;
        o.normals = normals;
        bfn__random_normals(w->options->seed, w->first + i, bfn__draw(w->pass, BFN__DRAW_CATEGORY), 0, o.n_draws * size,
                            normals);
    }
    if (bfn_flow_loss(NULL, flow, &o, 1, w->D, item_of(w, i), &w->t[i], w->state + i * size,
                      w->out + i * w->D * bfn_flow_output_width(flow), loss, NULL) != BFN_OK)
        __atomic_store_n(&w->failed, true, __ATOMIC_RELAXED);
    for (size_t d = 0; d < w->D; d++)
        w->sums[i] += w->weight * loss[d] / (double)w->D;
}

/* One draw of the loss of n items at the times w->t. */
static bfn_status add_loss(bound_work *w, bfn_loss_kind kind, uint32_t pass, size_t n, double weight)
{
    bfn_context *ctx = w->source->ctx;
    w->kind = kind;
    w->pass = pass;
    w->weight = weight;
    bfn__parallel(ctx, n, draw_state, w);
    bfn_status status = (bfn_status)w->source->predict(w->source->predict_user, w->first, n, w->t, w->shown, w->out);
    if (status != BFN_OK)
        return status;
    bfn__parallel(ctx, n, lose, w);
    return !w->failed ? BFN_OK : bfn__fail(ctx, BFN_ERR_INPUT, "bound: an item holds a class that the model lacks");
}

static double time_of(const bound_work *w, size_t j, double u)
{
    double n_times = (double)w->options->n_times, n_steps = (double)w->options->n_steps;
    double t = ((double)j + (j % 2 == 0 ? u : 1.0 - u)) / n_times;
    return w->options->n_steps == 0 ? t : fmin(floor(t * n_steps), n_steps - 1.0) / n_steps;
}

static bfn_status measure(void *user, size_t first, size_t n, double *values)
{
    bound_work *w = user;
    size_t n_times = w->options->n_times;
    bfn_loss_kind kind = w->options->n_steps > 0 ? BFN_LOSS_N_STEP : BFN_LOSS_CONTINUOUS_TIME;
    w->first = first;
    bfn__parallel(w->source->ctx, n, load_item, w);
    for (size_t i = 0; i < n; i++)
        w->t[i] = 1.0;
    bfn_status status = add_loss(w, BFN_LOSS_RECONSTRUCTION, 0, n, 1.0);
    for (size_t i = 0; i < n; i++)
        w->reconstruction[first + i] = w->sums[i];
    for (size_t j = 0; status == BFN_OK && j < n_times; j++) {
        for (size_t i = 0; i < n; i++)
            w->t[i] = time_of(w, j, w->u[i]);
        status = add_loss(w, kind, (uint32_t)j + 1, n, 1.0 / (double)n_times);
    }
    for (size_t i = 0; i < n; i++)
        values[i] = w->sums[i];
    return status;
}

bfn__item_plan bfn__bound_items(const bfn_bound_options *o, size_t n_available)
{
    return (bfn__item_plan){.n_available = n_available,
                            .n_max = o->n_sequences,
                            .precision = o->precision * M_LN2,
                            .batch = o->batch,
                            .seed = o->seed,
                            .progress = o->progress,
                            .user = o->user};
}

static void summarise(const bound_work *w, size_t n, bfn_bound *result)
{
    double nats_error, unused, nats = bfn__mean(w->values, n, &nats_error);
    double reconstruction = bfn__mean(w->reconstruction, n, &unused);
    result->n_times = w->options->n_times;
    result->n_sequences = n;
    result->n_available = w->plan.n_available;
    result->n_positions = n * w->D;
    result->bound = nats / M_LN2;
    result->standard_error = nats_error / M_LN2;
    result->nats = nats * (double)w->D;
    result->nats_error = nats_error * (double)w->D;
    result->reconstruction = reconstruction / M_LN2;
    result->transmission = (nats - reconstruction) / M_LN2;
    result->reached =
        w->options->precision > 0.0 && n >= BFN__LEAST_ITEMS && result->standard_error <= w->options->precision;
}

bfn_status bfn__bound_estimate(const bfn__likelihood_source *source, const bfn_bound_options *options,
                               bfn_bound *result)
{
    bound_work w = {.source = source,
                    .options = options,
                    .plan = bfn__bound_items(options, source->n_available),
                    .D = source->D,
                    .W = bfn_flow_state_width(source->flow),
                    .batch = options->batch};
    size_t n = 0;
    bfn_status status = allocate(&w) ? BFN_OK : BFN_ERR_MEMORY;
    if (status == BFN_OK)
        status = bfn__items_run(source->ctx, &w.plan, measure, &w, w.values, &n);
    if (status == BFN_OK)
        summarise(&w, n, result);
    release(&w);
    return status;
}
