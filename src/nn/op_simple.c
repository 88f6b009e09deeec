/* op_simple.c: the operations that only move or combine numbers, and the table of all operations.
 *
 * They work on chunks of 32 rows in parallel. Gradients of a broadcast (one row added to all rows of a sample, positions added to all
 * samples) are sums in a fixed order.
 */
#include "nn/ops.h"
#include "nn/parallel.h"

#include "base/random.h"

#include <math.h>
#include <string.h>

enum { CHUNK = 32 };

typedef struct simple_run {
    bfn__exec *e;
    const bfn__step *s;
    size_t n, all; /* samples, rows */
    float *grads;
    void (*row)(const struct simple_run *run, size_t row);
} simple_run;

static void run_chunk(void *arg, size_t i, int thread)
{
    (void)thread;
    const simple_run *run = arg;
    for (size_t row = i * CHUNK; row < run->all && row < (i + 1) * CHUNK; row++)
        run->row(run, row);
}

static void each_row(bfn__exec *e, const bfn__step *s, size_t n, void (*row)(const simple_run *run, size_t row))
{
    simple_run run = {e, s, n, n * e->values[s->out].rows, NULL, row};
    bfn__loop(e->n_threads, (run.all + CHUNK - 1) / CHUNK, run_chunk, &run);
}

static const float *in_row(const simple_run *run, int k, size_t row)
{
    const bfn__value *v = &run->e->values[run->s->node.in[k]];
    return v->data + row * v->ld;
}

static float *in_grad(const simple_run *run, int k, size_t row)
{
    const bfn__value *v = &run->e->values[run->s->node.in[k]];
    return v->grad + row * v->grad_ld;
}

static float *out_row(const simple_run *run, size_t row)
{
    const bfn__value *v = &run->e->values[run->s->out];
    return v->data + row * v->ld;
}

static float *out_grad(const simple_run *run, size_t row)
{
    const bfn__value *v = &run->e->values[run->s->out];
    return v->grad + row * v->grad_ld;
}

double bfn__no_products(const bfn__net *net, const bfn__node *node)
{
    (void)net;
    (void)node;
    return 0.0;
}

/* ---- input, time ---- */
static void nothing_forward(bfn__exec *e, bfn__step *s, size_t n)
{
    (void)e;
    (void)s;
    (void)n;
}

static void nothing_backward(bfn__exec *e, bfn__step *s, size_t n, float *grads)
{
    (void)e;
    (void)s;
    (void)n;
    (void)grads;
}

static void time_forward(bfn__exec *e, bfn__step *s, size_t n)
{
    bfn__value *v = &e->values[s->out];
    for (size_t i = 0; i < n; i++)
        v->data[i * v->ld] = (float)(s->node.a * e->t[i] + s->node.b);
}

/* ---- affine ---- */
static void affine_row(const simple_run *run, size_t row)
{
    run->e->k->affine(run->s->node.cols, (float)run->s->node.a, (float)run->s->node.b, in_row(run, 0, row),
                      out_row(run, row));
}

static void affine_forward(bfn__exec *e, bfn__step *s, size_t n)
{
    each_row(e, s, n, affine_row);
}

static void affine_back_row(const simple_run *run, size_t row)
{
    run->e->k->scale(run->s->node.cols, (float)run->s->node.a, out_grad(run, row), in_grad(run, 0, row),
                     run->s->add_in[0]);
}

static void affine_backward(bfn__exec *e, bfn__step *s, size_t n, float *grads)
{
    (void)grads;
    if (bfn__wants_grad(e, s, 0))
        each_row(e, s, n, affine_back_row);
}

/* ---- logarithm ---- */
static void log_row(const simple_run *run, size_t row)
{
    const float *x = in_row(run, 0, row);
    float *y = out_row(run, row), least = (float)run->s->node.a;
    for (size_t c = 0; c < run->s->node.cols; c++)
        y[c] = logf(x[c] > least ? x[c] : least);
}

static void log_forward(bfn__exec *e, bfn__step *s, size_t n)
{
    each_row(e, s, n, log_row);
}

static void log_back_row(const simple_run *run, size_t row)
{
    const float *x = in_row(run, 0, row), *d = out_grad(run, row);
    float *to = in_grad(run, 0, row), least = (float)run->s->node.a;
    for (size_t c = 0; c < run->s->node.cols; c++) {
        float slope = x[c] > least ? d[c] / x[c] : 0.0f;
        to[c] = run->s->add_in[0] ? to[c] + slope : slope;
    }
}

static void log_backward(bfn__exec *e, bfn__step *s, size_t n, float *grads)
{
    (void)grads;
    if (bfn__wants_grad(e, s, 0))
        each_row(e, s, n, log_back_row);
}

/* ---- gelu (when it does not follow a linear) ---- */
static void gelu_row(const simple_run *run, size_t row)
{
    float *x = run->e->values[run->s->node.in[0]].data + row * run->e->values[run->s->node.in[0]].ld;
    run->e->k->bias_gelu(1, run->s->node.cols, x, 0, NULL, out_row(run, row), 0);
}

static void gelu_forward(bfn__exec *e, bfn__step *s, size_t n)
{
    each_row(e, s, n, gelu_row);
}

static void gelu_back_row(const simple_run *run, size_t row)
{
    run->e->k->gelu_backward(1, run->s->node.cols, in_row(run, 0, row), 0, out_grad(run, row), 0);
    run->e->k->scale(run->s->node.cols, 1.0f, out_grad(run, row), in_grad(run, 0, row), run->s->add_in[0]);
}

static void gelu_backward(bfn__exec *e, bfn__step *s, size_t n, float *grads)
{
    (void)grads;
    if (bfn__wants_grad(e, s, 0))
        each_row(e, s, n, gelu_back_row);
}

/* ---- add ---- */
static bool adds_one_row(const bfn__exec *e, const bfn__step *s)
{
    return e->values[s->node.in[1]].rows != s->node.rows;
}

static void add_row(const simple_run *run, size_t row)
{
    size_t other = adds_one_row(run->e, run->s) ? row / run->s->node.rows : row;
    run->e->k->add(run->s->node.cols, in_row(run, 0, row), in_row(run, 1, other), out_row(run, row));
}

static void add_forward(bfn__exec *e, bfn__step *s, size_t n)
{
    each_row(e, s, n, add_row);
}

static void add_back_row(const simple_run *run, size_t row)
{
    const bfn__exec *e = run->e;
    const bfn__step *s = run->s;
    if (bfn__wants_grad(e, s, 0) && !s->same_in[0])
        e->k->scale(s->node.cols, 1.0f, out_grad(run, row), in_grad(run, 0, row), s->add_in[0]);
    if (bfn__wants_grad(e, s, 1) && !adds_one_row(e, s))
        e->k->scale(s->node.cols, 1.0f, out_grad(run, row), in_grad(run, 1, row), s->add_in[1]);
}

static void add_backward(bfn__exec *e, bfn__step *s, size_t n, float *grads)
{
    (void)grads;
    each_row(e, s, n, add_back_row);
    if (!adds_one_row(e, s) || !bfn__wants_grad(e, s, 1))
        return;
    const bfn__value *y = &e->values[s->out], *x = &e->values[s->node.in[1]];
    for (size_t i = 0; i < n; i++) {
        float *d = x->grad + i * x->grad_ld;
        if (!s->add_in[1])
            memset(d, 0, x->cols * sizeof *d);
        e->k->column_sums(y->rows, y->cols, y->grad + i * y->rows * y->grad_ld, y->grad_ld, d);
    }
}

/* ---- positions ---- */
static void position_row(const simple_run *run, size_t row)
{
    const float *p = bfn__exec_param(run->e, run->s->node.weight) + row % run->s->node.rows * run->s->node.cols;
    run->e->k->add(run->s->node.cols, in_row(run, 0, row), p, out_row(run, row));
}

static void position_forward(bfn__exec *e, bfn__step *s, size_t n)
{
    each_row(e, s, n, position_row);
}

static void position_back_row(const simple_run *run, size_t row)
{
    run->e->k->scale(run->s->node.cols, 1.0f, out_grad(run, row), in_grad(run, 0, row), run->s->add_in[0]);
}

static void position_grad_row(const simple_run *run, size_t row)
{
    const bfn__value *y = &run->e->values[run->s->out];
    float *p = bfn__exec_grad(run->e, run->grads, run->s->node.weight) + row * y->cols;
    for (size_t i = 0; i < run->n; i++)
        run->e->k->scale(y->cols, 1.0f, out_grad(run, i * y->rows + row), p, true);
}

static void position_backward(bfn__exec *e, bfn__step *s, size_t n, float *grads)
{
    if (bfn__wants_grad(e, s, 0) && !s->same_in[0])
        each_row(e, s, n, position_back_row);
    if (!e->net->params[s->node.weight].trained)
        return;
    simple_run run = {e, s, n, s->node.rows, grads, position_grad_row};
    bfn__loop(e->n_threads, (run.all + CHUNK - 1) / CHUNK, run_chunk, &run);
}

/* ---- concatenation of columns; the right side may have one row a sample ---- */
static bool has_one_row(const bfn__exec *e, const bfn__step *s)
{
    return e->values[s->node.in[1]].rows != s->node.rows;
}

static void concat_row(const simple_run *run, size_t row)
{
    size_t first = run->e->values[run->s->node.in[0]].cols;
    size_t other = has_one_row(run->e, run->s) ? row / run->s->node.rows : row;
    float *y = out_row(run, row);
    memcpy(y, in_row(run, 0, row), first * sizeof *y);
    memcpy(y + first, in_row(run, 1, other), (run->s->node.cols - first) * sizeof *y);
}

static void concat_forward(bfn__exec *e, bfn__step *s, size_t n)
{
    each_row(e, s, n, concat_row);
}

static void concat_back_row(const simple_run *run, size_t row)
{
    const bfn__exec *e = run->e;
    size_t first = e->values[run->s->node.in[0]].cols;
    const float *d = out_grad(run, row);
    if (bfn__wants_grad(e, run->s, 0))
        e->k->scale(first, 1.0f, d, in_grad(run, 0, row), run->s->add_in[0]);
    if (bfn__wants_grad(e, run->s, 1) && !has_one_row(e, run->s))
        e->k->scale(run->s->node.cols - first, 1.0f, d + first, in_grad(run, 1, row), run->s->add_in[1]);
}

/* Gradient of a right side of one row: the sum over the sample's rows. */
static void concat_back_one(bfn__exec *e, const bfn__step *s, size_t n)
{
    const bfn__value *y = &e->values[s->out], *x = &e->values[s->node.in[1]];
    size_t first = e->values[s->node.in[0]].cols;
    for (size_t i = 0; i < n; i++) {
        float *d = x->grad + i * x->grad_ld;
        if (!s->add_in[1])
            memset(d, 0, x->cols * sizeof *d);
        e->k->column_sums(y->rows, x->cols, y->grad + i * y->rows * y->grad_ld + first, y->grad_ld, d);
    }
}

static void concat_backward(bfn__exec *e, bfn__step *s, size_t n, float *grads)
{
    (void)grads;
    each_row(e, s, n, concat_back_row);
    if (has_one_row(e, s) && bfn__wants_grad(e, s, 1))
        concat_back_one(e, s, n);
}

/* ---- dropout: the mask is a function of (seed, step, operation, row, column), so backward computes it again ---- */
static void dropout_row(const simple_run *run, const float *x, float *y, size_t row, bool add)
{
    enum { PIECE = 256 };
    uint32_t words[PIECE];
    const bfn__exec *e = run->e;
    double p = run->s->node.a;
    if (!e->drops) {
        e->k->scale(run->s->node.cols, 1.0f, x, y, add);
        return;
    }
    uint32_t below = (uint32_t)(p * 4294967296.0);
    float keep = (float)(1.0 / (1.0 - p));
    uint64_t sample = e->dropout_step * 0x9e3779b97f4a7c15u + row;
    for (size_t i = 0; i < run->s->node.cols; i += PIECE) {
        size_t n = run->s->node.cols - i < PIECE ? run->s->node.cols - i : PIECE;
        bfn__random_words(e->dropout_seed, sample, bfn__draw((size_t)run->s->out, BFN__DRAW_DROPOUT), i, n, words);
        for (size_t j = 0; j < n; j++) {
            float v = words[j] < below ? 0.0f : keep * x[i + j];
            y[i + j] = add ? y[i + j] + v : v;
        }
    }
}

static void dropout_forward_row(const simple_run *run, size_t row)
{
    dropout_row(run, in_row(run, 0, row), out_row(run, row), row, false);
}

static void dropout_forward(bfn__exec *e, bfn__step *s, size_t n)
{
    if (e->drops || !s->same_in[0]) /* in place there is nothing to do while it is off */
        each_row(e, s, n, dropout_forward_row);
}

static void dropout_back_row(const simple_run *run, size_t row)
{
    dropout_row(run, out_grad(run, row), in_grad(run, 0, row), row, run->s->add_in[0]);
}

static void dropout_backward(bfn__exec *e, bfn__step *s, size_t n, float *grads)
{
    (void)grads;
    if (bfn__wants_grad(e, s, 0) && (e->drops || !s->same_in[0]))
        each_row(e, s, n, dropout_back_row);
}

const bfn__op bfn__ops[BFN__OP_COUNT] = {
    [BFN__OP_INPUT] = {"input", bfn__no_products, NULL, NULL, nothing_forward, nothing_backward},
    [BFN__OP_TIME] = {"time", bfn__no_products, NULL, NULL, time_forward, nothing_backward},
    [BFN__OP_AFFINE] = {"affine", bfn__no_products, NULL, NULL, affine_forward, affine_backward},
    [BFN__OP_LOG] = {"log", bfn__no_products, NULL, NULL, log_forward, log_backward},
    [BFN__OP_LINEAR] = {"linear", bfn__linear_products, bfn__linear_plan, bfn__linear_set_params, bfn__linear_forward,
                        bfn__linear_backward},
    [BFN__OP_LAYERNORM] = {"layernorm", bfn__no_products, bfn__layernorm_plan, NULL, bfn__layernorm_forward,
                           bfn__layernorm_backward},
    [BFN__OP_GELU] = {"gelu", bfn__no_products, NULL, NULL, gelu_forward, gelu_backward},
    [BFN__OP_ADD] = {"add", bfn__no_products, NULL, NULL, add_forward, add_backward},
    [BFN__OP_ADD_POSITION] = {"add_position", bfn__no_products, NULL, NULL, position_forward, position_backward},
    [BFN__OP_ATTENTION] = {"attention", bfn__attention_products, bfn__attention_plan, NULL, bfn__attention_forward,
                           bfn__attention_backward},
    [BFN__OP_CONCAT] = {"concat", bfn__no_products, NULL, NULL, concat_forward, concat_backward},
    [BFN__OP_DROPOUT] = {"dropout", bfn__no_products, NULL, NULL, dropout_forward, dropout_backward},
    [BFN__OP_CONV] = {"conv", bfn__conv_products, bfn__conv_plan, bfn__conv_set_params, bfn__conv_forward,
                      bfn__conv_backward},
    [BFN__OP_GROUPNORM] = {"groupnorm", bfn__no_products, bfn__groupnorm_plan, NULL, bfn__groupnorm_forward,
                           bfn__groupnorm_backward},
    [BFN__OP_SILU] = {"silu", bfn__no_products, NULL, NULL, bfn__silu_forward, bfn__silu_backward},
    [BFN__OP_UPSAMPLE] = {"upsample", bfn__no_products, NULL, NULL, bfn__upsample_forward, bfn__upsample_backward},
    [BFN__OP_POOL] = {"pool", bfn__no_products, NULL, NULL, bfn__pool_forward, bfn__pool_backward},
    [BFN__OP_VALUE_WAVES] = {"value_waves", bfn__no_products, NULL, NULL, bfn__value_waves_forward,
                             bfn__value_waves_backward},
    [BFN__OP_TIME_WAVES] = {"time_waves", bfn__no_products, NULL, NULL, bfn__time_waves_forward, nothing_backward},
    [BFN__OP_CONCAT_PARAM] = {"concat_param", bfn__no_products, NULL, NULL, bfn__concat_param_forward,
                              bfn__concat_param_backward},
    [BFN__OP_LABEL] = {"label", bfn__no_products, NULL, NULL, bfn__label_forward, bfn__label_backward},
    [BFN__OP_RELU] = {"relu", bfn__no_products, NULL, NULL, bfn__relu_forward, bfn__relu_backward},
    [BFN__OP_MEAN] = {"mean", bfn__no_products, NULL, NULL, bfn__mean_forward, bfn__mean_backward},
    [BFN__OP_WINDOW] = {"window", bfn__no_products, NULL, NULL, bfn__window_forward, NULL},
};
