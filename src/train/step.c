/* step.c: one optimiser step: draw, show, forward, loss, backward, clip, AdamW, average.
 *
 * Times are stratified: with one uniform u for the whole step, sample b of B gets t_b = (u + b)/B (2308.07037 draws them independently; the
 * estimate stays unbiased and loses most of the variance over t). The data of sample b is random anyway, so no permutation is needed.
 * The gradient is that of the mean loss over all positions of all samples of the step, whatever the number of accumulated passes.
 *
 * The loss of a BFN is bounded, so numbers go wrong in the weights first: a step whose loss or gradient norm is not finite is dropped
 * (weights, moments and average as they were) and counted.
 */
#include "train/trainer.h"

#include "base/random.h"

#include <math.h>
#include <string.h>

/* Rows of the random number layout that no sampler's plan reaches (base/random.h). */
enum { ROW_NOISE = 1 << 28, ROW_TIME, ROW_VALID };

/* The square of a larger gradient does not fit the float of a second moment. */
static const double LARGEST_NORM = 1e18;

double bfn__trainer_lr(const bfn__config *config, uint64_t step)
{
    double lr = config->train.lr, warmup = (double)config->train.warmup, steps = (double)config->train.steps;
    double s = (double)step;
    if (s < warmup)
        return lr * s / warmup;
    if (config->train.schedule == BFN__SCHEDULE_CONSTANT || steps <= warmup)
        return lr;
    double part = (s - warmup) / (steps - warmup), low = config->train.min_lr_ratio;
    return lr * (low + (1.0 - low) * 0.5 * (1.0 + cos(3.14159265358979323846 * (part < 1.0 ? part : 1.0))));
}

double bfn__trainer_ema(const bfn__config *config, uint64_t step)
{
    double n = (double)step, warm = (1.0 + n) / (10.0 + n);
    return config->train.ema < warm ? config->train.ema : warm;
}

double bfn__trainer_time_offset(const bfn__config *config, uint64_t step)
{
    double offset;
    bfn__random_uniforms(config->train.seed, step, bfn__draw(ROW_TIME, BFN__DRAW_NOISE), 0, 1, &offset);
    return offset;
}

typedef struct batch_job {
    bfn__trainer *tr;
    const bfn__batch_plan *plan;
    bool gradient;
} batch_job;

/* Where the D values of sample i lie, whatever their type. */
static void *item_of(const bfn__trainer *tr, size_t i)
{
    return (char *)tr->items + i * tr->D * sizeof(float);
}

/* Validation items are spread over the split; times go through them in an order that does not follow the data. */
static void place_valid(bfn__trainer *tr, const bfn__batch_plan *plan, size_t i)
{
    size_t w = (size_t)plan->first + i, n = plan->n_items;
    size_t available = bfn__dataset_n(tr->set, plan->split);
    size_t stride = (size_t)(0.6180339887498949 * (double)n) | 1;
    while (stride > 1 && n % stride == 0)
        stride -= 2;
    bfn__dataset_item(tr->set, plan->split, (size_t)((double)w * (double)available / (double)n), item_of(tr, i),
                      &tr->labels[i]);
    tr->t[i] = ((double)(w * stride % n) + 0.5) / (double)n;
}

static void draw_sample(void *arg, size_t i)
{
    const batch_job *job = arg;
    bfn__trainer *tr = job->tr;
    const bfn__batch_plan *plan = job->plan;
    uint64_t number = plan->first + i, seed = tr->config.train.seed;
    bool training = plan->split == BFN__SPLIT_TRAIN;
    float *state = tr->state + i * tr->D * tr->K;
    if (training) {
        bfn__dataset_training(tr->set, seed, number, item_of(tr, i), &tr->labels[i]);
        tr->t[i] = (plan->offset + (double)(plan->index_in_step + i)) / (double)tr->total;
    } else {
        place_valid(tr, plan, i);
    }
    if (plan->kind == BFN_LOSS_RECONSTRUCTION)
        tr->t[i] = 1.0;
    uint32_t draw = bfn__draw(training ? ROW_NOISE : ROW_VALID, BFN__DRAW_NOISE);
    bfn__random_normals(seed, number, draw, 0, tr->D * tr->K, state);
    bfn_flow_draw(&tr->flow, 1, tr->D, item_of(tr, i), &tr->t[i], state, state);
    bfn_flow_show(&tr->flow, 1, tr->D, state, tr->seen + i * tr->shown);
}

static void lose_sample(void *arg, size_t i)
{
    const batch_job *job = arg;
    bfn__trainer *tr = job->tr;
    bfn_loss_options options = BFN_LOSS_OPTIONS_INIT;
    options.kind = job->plan->kind;
    float *d_out = job->gradient ? tr->d_out + i * tr->out : NULL;
    double *loss = tr->loss + i * tr->D;
    bfn_status status = bfn_flow_loss(NULL, &tr->flow, &options, 1, tr->D, item_of(tr, i), &tr->t[i],
                                      tr->state + i * tr->D * tr->K, tr->output + i * tr->out, loss, d_out);
    double sum = 0.0;
    for (size_t d = 0; d < tr->D; d++)
        sum += loss[d];
    tr->sums[i] = status == BFN_OK ? sum / (double)tr->D : (double)NAN;
    float scale = (float)(1.0 / ((double)tr->total * (double)tr->D));
    for (size_t j = 0; d_out != NULL && j < tr->out; j++)
        d_out[j] *= scale;
}

bfn_status bfn__trainer_forward(bfn__trainer *tr, const bfn__batch_plan *plan, bool gradient, double *loss)
{
    batch_job job = {tr, plan, gradient};
    *loss = 0.0;
    bfn__parallel(tr->ctx, plan->n, draw_sample, &job);
    bfn__exec_set_labels(tr->exec, tr->labels);
    bfn_status status = bfn__exec_forward(tr->exec, plan->n, tr->seen, tr->t, tr->output);
    if (status != BFN_OK)
        return status;
    bfn__parallel(tr->ctx, plan->n, lose_sample, &job);
    for (size_t i = 0; i < plan->n; i++)
        *loss += tr->sums[i];
    return BFN_OK;
}

/* Forward and backward over the step's batches; the mean loss, and its gradient in grads. */
static bfn_status accumulate(bfn__trainer *tr, double *loss)
{
    size_t batch = tr->config.train.batch;
    bfn__batch_plan plan = {.split = BFN__SPLIT_TRAIN, .n = batch};
    plan.kind = tr->config.train.loss == 1 ? BFN_LOSS_CROSS_ENTROPY : BFN_LOSS_CONTINUOUS_TIME;
    plan.offset = bfn__trainer_time_offset(&tr->config, tr->info.step);
    memset(tr->grads, 0, bfn__net_arena(tr->net) * sizeof *tr->grads);
    *loss = 0.0;
    for (size_t k = 0; k < tr->config.train.accumulate; k++) {
        double sum;
        plan.index_in_step = k * batch;
        plan.first = tr->info.step * tr->total + plan.index_in_step;
        bfn__exec_set_dropout(tr->exec, tr->config.train.seed, tr->info.step * tr->config.train.accumulate + k);
        bfn_status status = bfn__trainer_forward(tr, &plan, true, &sum);
        if (status == BFN_OK)
            status = bfn__exec_backward(tr->exec, batch, tr->d_out, tr->grads, NULL);
        bfn__exec_no_dropout(tr->exec); /* validation and samples use the whole network */
        if (status != BFN_OK)
            return status;
        *loss += sum / (double)tr->total;
    }
    return BFN_OK;
}

static bfn_status skip_step(bfn__trainer *tr, double loss, double norm)
{
    tr->info.bad_steps++;
    tr->info.bad_in_row++;
    bfn__log(tr->ctx, "step %llu: loss %g, gradient norm %g: the step is skipped", (unsigned long long)tr->info.step,
             loss, norm);
    if (tr->info.bad_in_row < tr->config.train.max_bad_steps)
        return BFN_OK;
    return bfn__fail(
        tr->ctx, BFN_ERR_DIVERGED,
        "step %llu: %llu steps in a row without finite numbers: lower train.lr (found %g) or train.clip_norm",
        (unsigned long long)tr->info.step, (unsigned long long)tr->info.bad_in_row, tr->config.train.lr);
}

bfn_status bfn__trainer_step(bfn__trainer *tr)
{
    const bfn__config *c = &tr->config;
    double loss;
    bfn_status status = accumulate(tr, &loss);
    if (status != BFN_OK)
        return status;
    double norm = bfn__grad_norm(tr->ctx, tr->net, tr->grads);
    uint64_t step = ++tr->info.step;
    tr->last_norm = norm;
    tr->last_lr = bfn__trainer_lr(c, step);
    double scale = c->train.clip_norm > 0.0 && norm > c->train.clip_norm ? c->train.clip_norm / (norm + 1e-6) : 1.0;
    if (!isfinite(loss) || !(norm * scale <= LARGEST_NORM))
        return skip_step(tr, loss, norm);
    tr->info.bad_in_row = 0;
    tr->info.loss_sum += loss;
    tr->info.loss_count++;
    bfn__adamw adamw = {tr->last_lr, c->train.betas[0], c->train.betas[1], c->train.eps, c->train.weight_decay};
    bfn__adamw_step(tr->ctx, tr->net, &adamw, step - tr->info.bad_steps, scale, tr->grads, tr->params, tr->m, tr->v);
    if (!isfinite(bfn__grad_norm(tr->ctx, tr->net, tr->params))) /* before the average hears of it */
        return bfn__fail(
            tr->ctx, BFN_ERR_DIVERGED,
            "step %llu: its weights are not finite any more: lower train.lr (found %g) or train.weight_decay",
            (unsigned long long)step, c->train.lr);
    bfn__ema_update(tr->ctx, tr->net, bfn__trainer_ema(c, step), tr->params, tr->ema);
    return bfn__exec_set_params(tr->exec, tr->params);
}
