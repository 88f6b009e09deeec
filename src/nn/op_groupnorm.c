/* op_groupnorm.c: group normalisation with scale and shift of a conditioning row and SiLU, in one step.
 *
 * With the group's mean m and r = 1/sqrt(var + eps), each channel has y = act((x - m) a + b), a = r gamma (1 + scale), b = beta (1 + scale) +
 * shift. A task is one sample and a block of channels (whole groups), so few that the block stays in the second-level cache between the pass that
 * sums and the pass that normalises: memory is read once and written once. Rows are read whole where they fit (pieces of rows come from memory at
 * half the speed). Sums are kept for each channel, relative to the channel's first pixel
 * (no cancellation), and combined to those of the group in double; they do not depend on how channels are cut into blocks.
 * Backward, with g = dy act': S = sum g, P = sum g (x - m) for each channel; over a group of N numbers A = sum a S / N, B = r^2 sum a P / N;
 *   dx = a g - (x - m) B - A,  dgamma = r P (1 + scale),  dbeta = S (1 + scale),  dscale = gamma r P + beta S,  dshift = S
 */
#include "nn/image_kernels.h"
#include "nn/ops.h"
#include "nn/parallel.h"

#include <math.h>
#include <string.h>

enum { BLOCK_FLOATS = 131072, MIN_BLOCK = 32 };

typedef struct norm_run {
    bfn__exec *e;
    const bfn__step *s;
    const bfn__image_kernels *k;
    size_t blocks, groups; /* blocks of a sample; groups of a block */
} norm_run;

/* Work space of a thread for n channels. */
typedef struct norm_work {
    double *first, *second; /* sums */
    float *mean, *scale, *shift, *a, *b, *c;
} norm_work;

static size_t group_size(const bfn__step *s)
{
    return s->node.cols / s->node.heads;
}

static norm_run make_run(bfn__exec *e, const bfn__step *s)
{
    size_t size = group_size(s), wanted = BLOCK_FLOATS / s->node.rows, groups;
    wanted = wanted < MIN_BLOCK ? MIN_BLOCK : wanted;
    groups = wanted / size > 0 ? wanted / size : 1;
    groups = groups > s->node.heads ? s->node.heads : groups;
    return (norm_run){e, s, bfn__image_kernels_get(), (s->node.heads + groups - 1) / groups, groups};
}

static norm_work get_work(const norm_run *run, int thread)
{
    size_t n = run->groups * group_size(run->s);
    double *d = (double *)(void *)(run->e->scratch + (size_t)thread * run->e->scratch_floats);
    float *f = (float *)(d + 2 * n);
    return (norm_work){d, d + n, f, f + n, f + 2 * n, f + 3 * n, f + 4 * n, f + 5 * n};
}

void bfn__groupnorm_plan(bfn__exec *e, bfn__step *s, size_t now)
{
    norm_run run = make_run(e, s);
    bfn__exec_scratch(e, 10 * run.groups * group_size(s));
    if (!e->options.training)
        return;
    size_t back = bfn__exec_times(e) - 1 - now;
    bfn__exec_buffer(e, 2 * e->options.batch * s->node.heads, now, back, &s->saved);
    bfn__exec_buffer(e, 2 * e->options.batch * s->node.cols, back, back, &s->work);
}

/* What a task works on: channels first .. first + n - 1 of a sample, and its data there. */
typedef struct norm_task {
    size_t sample, group, groups, first, n;
    const float *x;
    const float *gamma, *beta, *row_scale, *row_shift; /* row_*: NULL without a conditioning row */
} norm_task;

static norm_task make_task(const norm_run *run, size_t i)
{
    const bfn__exec *e = run->e;
    const bfn__step *s = run->s;
    const bfn__value *x = &e->values[s->node.in[0]];
    norm_task t = {.sample = i / run->blocks, .group = i % run->blocks * run->groups};
    t.groups = s->node.heads - t.group < run->groups ? s->node.heads - t.group : run->groups;
    t.first = t.group * group_size(s);
    t.n = t.groups * group_size(s);
    t.x = x->data + t.sample * x->rows * x->ld + t.first;
    t.gamma = bfn__exec_weight(e, s->node.weight) + t.first;
    t.beta = bfn__exec_weight(e, s->node.bias) + t.first;
    if (s->node.in[1] >= 0) {
        const bfn__value *row = &e->values[s->node.in[1]];
        t.row_scale = row->data + t.sample * row->ld + t.first;
        t.row_shift = t.row_scale + s->node.cols;
    }
    return t;
}

/* mean and 1/sqrt(var + eps) of each group from the channels' sums: stats [groups, 2]. */
static void group_stats(const norm_run *run, const norm_task *t, const norm_work *w, float *stats)
{
    size_t size = group_size(run->s);
    double rows = (double)run->s->node.rows, count = rows * (double)size;
    for (size_t g = 0; g < t->groups; g++) {
        double sum = 0.0, squares = 0.0;
        for (size_t c = g * size; c < (g + 1) * size; c++)
            sum += w->first[c] + rows * (double)t->x[c];
        double mean = sum / count;
        for (size_t c = g * size; c < (g + 1) * size; c++) {
            double off = (double)t->x[c] - mean;
            squares += w->second[c] + 2.0 * off * w->first[c] + rows * off * off;
        }
        double var = squares > 0.0 || isnan(squares) ? squares / count : 0.0;
        stats[2 * g] = (float)mean;
        stats[2 * g + 1] = (float)(1.0 / sqrt(var + run->s->node.a));
    }
}

/* mean, scale and shift of each channel. */
static void channel_factors(const norm_run *run, const norm_task *t, const float *stats, const norm_work *w)
{
    size_t size = group_size(run->s);
    for (size_t c = 0; c < t->n; c++) {
        float more = t->row_scale != NULL ? 1.0f + t->row_scale[c] : 1.0f;
        w->mean[c] = stats[2 * (c / size)];
        w->scale[c] = stats[2 * (c / size) + 1] * t->gamma[c] * more;
        w->shift[c] = t->beta[c] * more + (t->row_shift != NULL ? t->row_shift[c] : 0.0f);
    }
}

static void forward_task(void *arg, size_t i, int thread)
{
    const norm_run *run = arg;
    const bfn__exec *e = run->e;
    const bfn__step *s = run->s;
    const bfn__value *x = &e->values[s->node.in[0]], *y = &e->values[s->out];
    norm_task t = make_task(run, i);
    norm_work w = get_work(run, thread);
    float *stats = s->saved != NULL ? s->saved + 2 * (t.sample * s->node.heads + t.group) : w.a;
    run->k->moments(x->rows, t.n, t.x, x->ld, w.first, w.second);
    group_stats(run, &t, &w, stats);
    channel_factors(run, &t, stats, &w);
    run->k->normalise(x->rows, t.n, t.x, x->ld, w.mean, w.scale, w.shift, s->node.act == BFN__ACT_SILU,
                      y->data + t.sample * y->rows * y->ld + t.first, y->ld);
}

void bfn__groupnorm_forward(bfn__exec *e, bfn__step *s, size_t n)
{
    norm_run run = make_run(e, s);
    bfn__loop(e->n_threads, n * run.blocks, forward_task, &run);
}

/* Gradients of weight, bias and the conditioning row from the channels' sums. */
static void parameter_gradients(const norm_run *run, const norm_task *t, const float *stats, const norm_work *w)
{
    const bfn__exec *e = run->e;
    const bfn__step *s = run->s;
    size_t size = group_size(s), C = s->node.cols;
    float *dgamma = s->work + 2 * t->sample * C + t->first, *dbeta = dgamma + C, *drow = NULL;
    if (bfn__wants_grad(e, s, 1))
        drow = e->values[s->node.in[1]].grad + t->sample * e->values[s->node.in[1]].grad_ld + t->first;
    for (size_t c = 0; c < t->n; c++) {
        float rstd = stats[2 * (c / size) + 1], more = t->row_scale != NULL ? 1.0f + t->row_scale[c] : 1.0f;
        float sum = (float)w->first[c], product = rstd * (float)w->second[c];
        dgamma[c] = product * more;
        dbeta[c] = sum * more;
        if (drow != NULL) {
            float dscale = t->gamma[c] * product + t->beta[c] * sum;
            drow[c] = s->add_in[1] ? drow[c] + dscale : dscale;
            drow[C + c] = s->add_in[1] ? drow[C + c] + sum : sum;
        }
    }
}

/* dx = a g + b (x - m) + c for each channel. */
static void input_factors(const norm_run *run, const norm_task *t, const float *stats, const norm_work *w)
{
    size_t size = group_size(run->s);
    double count = (double)run->s->node.rows * (double)size;
    for (size_t g = 0; g < t->groups; g++) {
        double sum = 0.0, product = 0.0, rstd = (double)stats[2 * g + 1];
        for (size_t c = g * size; c < (g + 1) * size; c++) {
            sum += (double)w->scale[c] * w->first[c];
            product += (double)w->scale[c] * w->second[c];
        }
        for (size_t c = g * size; c < (g + 1) * size; c++) {
            w->a[c] = w->scale[c];
            w->b[c] = (float)(-rstd * rstd * product / count);
            w->c[c] = (float)(-sum / count);
        }
    }
}

static void backward_task(void *arg, size_t i, int thread)
{
    const norm_run *run = arg;
    const bfn__exec *e = run->e;
    const bfn__step *s = run->s;
    const bfn__value *x = &e->values[s->node.in[0]], *y = &e->values[s->out];
    norm_task t = make_task(run, i);
    norm_work w = get_work(run, thread);
    const float *stats = s->saved + 2 * (t.sample * s->node.heads + t.group);
    float *d = y->grad + t.sample * y->rows * y->grad_ld + t.first;
    channel_factors(run, &t, stats, &w);
    run->k->normalise_sums(x->rows, t.n, t.x, x->ld, w.mean, w.scale, w.shift, s->node.act == BFN__ACT_SILU, d,
                           y->grad_ld, w.first, w.second);
    parameter_gradients(run, &t, stats, &w);
    if (!bfn__wants_grad(e, s, 0))
        return;
    input_factors(run, &t, stats, &w);
    run->k->normalise_backward(x->rows, t.n, t.x, x->ld, w.mean, w.a, w.b, w.c, d, y->grad_ld,
                               x->grad + t.sample * x->rows * x->grad_ld + t.first, x->grad_ld, s->add_in[0]);
}

void bfn__groupnorm_backward(bfn__exec *e, bfn__step *s, size_t n, float *grads)
{
    norm_run run = make_run(e, s);
    size_t C = s->node.cols;
    bfn__loop(e->n_threads, n * run.blocks, backward_task, &run);
    e->k->column_sums(n, C, s->work, 2 * C, bfn__exec_grad(e, grads, s->node.weight));
    e->k->column_sums(n, C, s->work + C, 2 * C, bfn__exec_grad(e, grads, s->node.bias));
}
