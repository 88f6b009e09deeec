/* create.c: a sampler's options checked, its plan copied, its buffers allocated: running allocates nothing.
 *
 * Memory a sample of the batch, in floats a position: the state, as many predictions as the plan weighs (1 to 4), what the
 * network is shown and what it returns.
 */
#include "sample/sampler.h"

#include <math.h>
#include <string.h>

enum { DEFAULT_BATCH = 8, MAX_BATCH = 65536 };

static const size_t max_positions = (size_t)1 << 31;

static bfn_status check_ranges(bfn_context *ctx, const bfn_sampler_options *o, size_t D)
{
    if (D < 1 || D > max_positions)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "positions: %zu: allowed are 1 to %zu", D, max_positions);
    if (o->batch > MAX_BATCH)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "batch: %zu: allowed are 1 to %d", o->batch, MAX_BATCH);
    if ((int)o->clip < 0 || o->clip > BFN_CLIP_OFF)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "clip: %d: allowed are 0 (static), 1 (dynamic), 2 (off)", (int)o->clip);
    if (!(o->clip_quantile >= 0.0 && o->clip_quantile <= 1.0))
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "clip_quantile: %g: allowed are numbers above 0 up to 1",
                         o->clip_quantile);
    if (o->known != NULL && o->known_values == NULL)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "known_values: none: known positions need their values");
    return BFN_OK;
}

static bfn_status check_known(bfn_context *ctx, const bfn_flow *flow, const bfn_sampler_options *o, size_t D)
{
    if (o->known == NULL)
        return BFN_OK;
    for (size_t d = 0; d < D; d++) {
        if (o->known[d] == 0)
            continue;
        if (flow->kind == BFN_DATA_DISCRETE) {
            int32_t k = ((const int32_t *)o->known_values)[d];
            if (k < 0 || (size_t)k >= flow->n_classes)
                return bfn__fail(ctx, BFN_ERR_ARGUMENT, "known_values: position %zu is class %ld: allowed are 0 to %zu",
                                 d, (long)k, flow->n_classes - 1);
        } else {
            double x = (double)((const float *)o->known_values)[d];
            if (!isfinite(x))
                return bfn__fail(ctx, BFN_ERR_ARGUMENT, "known_values: position %zu is %g: allowed are finite numbers",
                                 d, x);
        }
    }
    return BFN_OK;
}

static bfn_status check_moments(bfn_context *ctx, const bfn_plan_info *plan, const bfn_moments *m)
{
    if (plan->start == BFN_START_MOMENTS && m->mean == NULL)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "moments: none: the plan starts from the data's moments");
    if (m->mean != NULL && !(m->variance >= 0.0 && isfinite(m->variance)))
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "moments variance: %g: allowed are finite numbers from 0 up",
                         m->variance);
    return BFN_OK;
}

static bfn_status check_options(bfn_context *ctx, const bfn_flow *flow, const bfn_plan_info *plan,
                                const bfn_sampler_options *o, size_t D)
{
    if (o->struct_size != sizeof *o)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "sampler options struct_size: %zu: this library has %zu",
                         o->struct_size, sizeof *o);
    bfn_status s = bfn_flow_check(ctx, flow);
    if (s == BFN_OK)
        s = check_ranges(ctx, o, D);
    if (s == BFN_OK)
        s = check_known(ctx, flow, o, D);
    return s == BFN_OK ? check_moments(ctx, plan, &o->moments) : s;
}

/* Floats for a batch of samples of `size` each; NULL (with the message set) when they do not fit. */
static void *batch_alloc(bfn_sampler *s, size_t size, size_t item)
{
    size_t n;
    if (!bfn__size_mul(s->options.batch, size, &n)) {
        (void)bfn__fail(s->ctx, BFN_ERR_MEMORY, "out of memory: a batch of %zu samples of %zu numbers",
                        s->options.batch, size);
        return NULL;
    }
    return bfn__calloc(s->ctx, n, item);
}

static bfn_status allocate(bfn_sampler *s, const bfn_plan *plan)
{
    bool ok = (s->rows = bfn__calloc(s->ctx, s->plan.n_rows, sizeof *s->rows)) != NULL &&
              (s->state = batch_alloc(s, s->state_size, sizeof(float))) != NULL &&
              (s->shown = batch_alloc(s, s->shown_size, sizeof(float))) != NULL &&
              (s->output = batch_alloc(s, s->output_size, sizeof(float))) != NULL &&
              (s->times = batch_alloc(s, 1, sizeof(double))) != NULL && (s->bad = batch_alloc(s, 1, 1)) != NULL;
    for (int j = 0; ok && j < s->plan.n_history; j++)
        ok = (s->history[j] = batch_alloc(s, s->state_size, sizeof(float))) != NULL;
    if (ok && s->flow.kind == BFN_DATA_CONTINUOUS && s->options.clip == BFN_CLIP_DYNAMIC)
        ok = (s->scratch = batch_alloc(s, s->D, sizeof(float))) != NULL;
    if (ok && s->flow.kind != BFN_DATA_CONTINUOUS && s->plan.prediction == BFN_PREDICTION_DRAW)
        ok = (s->randoms = batch_alloc(s, s->D, sizeof(double))) != NULL;
    if (!ok)
        return BFN_ERR_MEMORY;
    memcpy(s->rows, bfn_plan_rows(plan), s->plan.n_rows * sizeof *s->rows);
    return BFN_OK;
}

bfn_status bfn_sampler_create(bfn_context *ctx, bfn_sampler **out, const bfn_flow *flow, const bfn_plan *plan, size_t D,
                              const bfn_sampler_options *options)
{
    *out = NULL;
    const bfn_sampler_options init = BFN_SAMPLER_OPTIONS_INIT;
    bfn_plan_info info;
    bfn_plan_get_info(plan, &info);
    if (options == NULL)
        options = &init;
    bfn_status status = check_options(ctx, flow, &info, options, D);
    if (status != BFN_OK)
        return status;
    bfn_sampler *s = bfn__calloc(ctx, 1, sizeof *s);
    if (s == NULL)
        return BFN_ERR_MEMORY;
    s->ctx = ctx;
    s->flow = *flow;
    s->plan = info;
    s->options = *options;
    s->D = D;
    if (s->options.batch == 0)
        s->options.batch = DEFAULT_BATCH;
    if (s->options.clip_quantile <= 0.0)
        s->options.clip_quantile = 0.995;
    if (s->options.clip != BFN_CLIP_STATIC)
        s->flow.clip = 0.0;
    s->state_width = bfn_flow_state_width(flow);
    s->shown_width = bfn_flow_shown_width(flow);
    s->output_width = bfn_flow_output_width(flow);
    s->state_size = D * s->state_width; /* D and the widths are checked: below 2^48 */
    s->shown_size = D * s->shown_width;
    s->output_size = D * s->output_width;
    status = allocate(s, plan);
    if (status != BFN_OK) {
        bfn_sampler_destroy(s);
        return status;
    }
    *out = s;
    return BFN_OK;
}

void bfn_sampler_destroy(bfn_sampler *s)
{
    if (s == NULL)
        return;
    bfn_context *ctx = s->ctx;
    void *const blocks[] = {s->rows,       s->state,      s->shown,   s->output, s->history[0], s->history[1],
                            s->history[2], s->history[3], s->scratch, s->times,  s->randoms,    s->bad};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
        bfn__free(ctx, blocks[i]);
    bfn__free(ctx, s);
}

void bfn__sampler_replay(bfn_sampler *sampler, const float *predictions)
{
    sampler->replay = predictions;
}
