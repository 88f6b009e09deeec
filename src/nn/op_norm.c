/* op_norm.c: layer normalisation of rows.
 *
 * Backward works on chunks of 64 rows; each chunk writes its own sums for the weight and bias gradients, which are added in order
 * of the chunks at the end, so the result does not depend on the threads.
 */
#include "nn/ops.h"
#include "nn/parallel.h"

#include <string.h>

enum { CHUNK = 64 };

typedef struct norm_run {
    bfn__exec *e;
    const bfn__step *s;
    size_t all; /* rows */
} norm_run;

static size_t chunks(size_t rows)
{
    return (rows + CHUNK - 1) / CHUNK;
}

void bfn__layernorm_plan(bfn__exec *e, bfn__step *s, size_t now)
{
    if (!e->options.training)
        return;
    size_t back = bfn__exec_times(e) - 1 - now, rows = e->options.batch * s->node.rows;
    bfn__exec_buffer(e, 2 * rows, now, back, &s->saved);
    bfn__exec_buffer(e, 2 * chunks(rows) * s->node.cols, back, back, &s->work);
}

static void forward_chunk(void *arg, size_t i, int thread)
{
    (void)thread;
    const norm_run *run = arg;
    const bfn__exec *e = run->e;
    const bfn__step *s = run->s;
    const bfn__value *x = &e->values[s->node.in[0]], *y = &e->values[s->out];
    size_t row = i * CHUNK, rows = run->all - row < CHUNK ? run->all - row : CHUNK;
    e->k->layernorm(rows, x->cols, (float)s->node.a, x->data + row * x->ld, x->ld, bfn__exec_param(e, s->node.weight),
                    bfn__exec_param(e, s->node.bias), y->data + row * y->ld, y->ld,
                    s->saved != NULL ? s->saved + 2 * row : NULL);
}

void bfn__layernorm_forward(bfn__exec *e, bfn__step *s, size_t n)
{
    norm_run run = {e, s, n * s->node.rows};
    bfn__loop(e->n_threads, chunks(run.all), forward_chunk, &run);
}

static void backward_chunk(void *arg, size_t i, int thread)
{
    (void)thread;
    const norm_run *run = arg;
    const bfn__exec *e = run->e;
    const bfn__step *s = run->s;
    const bfn__value *x = &e->values[s->node.in[0]], *y = &e->values[s->out];
    size_t row = i * CHUNK, rows = run->all - row < CHUNK ? run->all - row : CHUNK;
    float *dgamma = s->work + 2 * i * x->cols, *dbeta = dgamma + x->cols;
    memset(dgamma, 0, 2 * x->cols * sizeof *dgamma);
    e->k->layernorm_backward(rows, x->cols, x->data + row * x->ld, x->ld, s->saved + 2 * row,
                             bfn__exec_param(e, s->node.weight), y->grad + row * y->grad_ld, y->grad_ld,
                             x->grad + row * x->grad_ld, x->grad_ld, s->add_in[0], dgamma,
                             s->node.bias >= 0 ? dbeta : NULL);
}

void bfn__layernorm_backward(bfn__exec *e, bfn__step *s, size_t n, float *grads)
{
    norm_run run = {e, s, n * s->node.rows};
    bfn__loop(e->n_threads, chunks(run.all), backward_chunk, &run);
    size_t cols = s->node.cols;
    e->k->column_sums(chunks(run.all), cols, s->work, 2 * cols, bfn__exec_grad(e, grads, s->node.weight));
    if (s->node.bias >= 0)
        e->k->column_sums(chunks(run.all), cols, s->work + cols, 2 * cols, bfn__exec_grad(e, grads, s->node.bias));
}
