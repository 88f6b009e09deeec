/* op_linear.c: y = act(x W^T + bias) + residual, and its backward pass.
 *
 * Forward runs on tiles of at most 128 rows of one sample by at most 384 columns, each computed by one thread with one product
 * and its epilogue while the tile is in cache. Tiles never cross a sample and their sizes depend on the shape alone, so a
 * sample's output is the same for every batch size and number of threads. The weights are packed once, transposed to [in, out] with a padded
 * row stride: that is the layout oneDNN's product reads fastest.
 * Backward: dX = dY W on tiles of rows; dW += dY^T X on tiles of W's rows, each summed over all samples by one product, so it depends
 * on the batch but not on the threads.
 */
#include "nn/dnnl_ops.h"
#include "nn/ops.h"
#include "nn/parallel.h"

enum { GRAD_TILE = 96 };

typedef struct linear_run {
    bfn__exec *e;
    const bfn__step *s;
    size_t n, tiles_a_sample, tile_rows, col_tiles, tile_cols;
    float *grads;
} linear_run;

static size_t ceil_div(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

static linear_run make_run(bfn__exec *e, const bfn__step *s, size_t n)
{
    linear_run run = {.e = e, .s = s, .n = n};
    size_t rows = e->values[s->out].rows, cols = e->values[s->out].cols;
    run.tile_rows = ceil_div(rows, ceil_div(rows, BFN__TILE_ROWS));
    run.tiles_a_sample = ceil_div(rows, run.tile_rows);
    run.tile_cols = ceil_div(ceil_div(cols, ceil_div(cols, BFN__TILE_COLS)), 16) * 16;
    run.col_tiles = ceil_div(cols, run.tile_cols);
    return run;
}

double bfn__linear_products(const bfn__net *net, const bfn__node *node)
{
    return (double)node->rows * (double)node->cols * (double)net->nodes[node->in[0]].cols;
}

void bfn__linear_plan(bfn__exec *e, bfn__step *s, size_t now)
{
    (void)now;
    size_t in = e->values[s->node.in[0]].cols, out = s->node.cols, end = bfn__exec_times(e) - 1;
    s->ld_packed = bfn__row_stride(out);
    bfn__exec_buffer(e, in * s->ld_packed, 0, end, &s->packed);
    s->ld_padded = bfn__row_stride(in);
    if (e->options.training && s->ld_padded != in)
        bfn__exec_buffer(e, out * s->ld_padded, 0, end, &s->padded);
}

typedef struct pack_run {
    const float *w; /* [out, in] */
    float *packed, *padded;
    size_t in, out, ld_packed, ld_padded;
} pack_run;

/* 16 rows of W: to 16 columns of the packed copy. */
static void pack_rows(void *arg, size_t i, int thread)
{
    (void)thread;
    const pack_run *p = arg;
    size_t first = 16 * i, last = first + 16 < p->out ? first + 16 : p->out;
    for (size_t k = 0; k < p->in; k++)
        for (size_t o = first; o < last; o++)
            p->packed[k * p->ld_packed + o] = p->w[o * p->in + k];
    for (size_t o = first; p->padded != NULL && o < last; o++)
        for (size_t k = 0; k < p->in; k++)
            p->padded[o * p->ld_padded + k] = p->w[o * p->in + k];
}

void bfn__linear_set_params(bfn__exec *e, bfn__step *s)
{
    pack_run p = {bfn__exec_param(e, s->node.weight),
                  s->packed,
                  s->padded,
                  e->values[s->node.in[0]].cols,
                  s->node.cols,
                  s->ld_packed,
                  s->ld_padded};
    bfn__loop(e->n_threads, ceil_div(p.out, 16), pack_rows, &p);
}

static void forward_tile(void *arg, size_t i, int thread)
{
    (void)thread;
    const linear_run *run = arg;
    const bfn__exec *e = run->e;
    const bfn__step *s = run->s;
    const bfn__value *x = &e->values[s->node.in[0]], *y = &e->values[s->out];
    size_t tile = i / run->col_tiles, col = i % run->col_tiles * run->tile_cols;
    size_t row = tile % run->tiles_a_sample * run->tile_rows;
    size_t rows = y->rows - row < run->tile_rows ? y->rows - row : run->tile_rows;
    size_t cols = y->cols - col < run->tile_cols ? y->cols - col : run->tile_cols;
    row += tile / run->tiles_a_sample * y->rows;
    const bfn__value *product = s->pre >= 0 ? &e->values[s->pre] : y;
    float *p = product->data + row * product->ld + col, *out = y->data + row * y->ld + col;
    const float *bias = bfn__exec_param(e, s->node.bias);
    if (bias != NULL)
        bias += col;
    if (!bfn__gemm(false, false, rows, cols, x->cols, x->data + row * x->ld, x->ld, s->packed + col, s->ld_packed,
                   s->in_place ? 1.0f : 0.0f, p, product->ld))
        bfn__exec_fail(run->e);
    if (s->node.act == BFN__ACT_GELU) {
        e->k->bias_gelu(rows, cols, p, product->ld, bias, out, y->ld);
        bias = NULL;
    }
    const bfn__value *residual = s->node.in[1] >= 0 && !s->in_place ? &e->values[s->node.in[1]] : NULL;
    if (bias != NULL || residual != NULL)
        e->k->bias_residual(rows, cols, out, y->ld, bias,
                            residual != NULL ? residual->data + row * residual->ld + col : NULL,
                            residual != NULL ? residual->ld : 0);
}

void bfn__linear_forward(bfn__exec *e, bfn__step *s, size_t n)
{
    linear_run run = make_run(e, s, n);
    bfn__loop(e->n_threads, n * run.tiles_a_sample * run.col_tiles, forward_tile, &run);
}

/* Rows of dY: through the activation, to the residual, and to dX. */
static void backward_rows(void *arg, size_t i, int thread)
{
    (void)thread;
    const linear_run *run = arg;
    bfn__exec *e = run->e;
    const bfn__step *s = run->s;
    const bfn__value *x = &e->values[s->node.in[0]], *y = &e->values[s->out];
    size_t row = i * run->tile_rows, all = run->n * y->rows;
    size_t rows = all - row < run->tile_rows ? all - row : run->tile_rows;
    float *dy = y->grad + row * y->grad_ld;
    if (s->pre >= 0) {
        const bfn__value *pre = &e->values[s->pre];
        e->k->gelu_backward(rows, y->cols, pre->data + row * pre->ld, pre->ld, dy, y->grad_ld);
    }
    if (bfn__wants_grad(e, s, 1) && !s->same_in[1]) {
        const bfn__value *r = &e->values[s->node.in[1]];
        for (size_t j = 0; j < rows; j++)
            e->k->scale(r->cols, 1.0f, dy + j * y->grad_ld, r->grad + (row + j) * r->grad_ld, s->add_in[1]);
    }
    if (!bfn__wants_grad(e, s, 0))
        return;
    const float *w = s->padded != NULL ? s->padded : bfn__exec_param(e, s->node.weight);
    if (!bfn__gemm(false, false, rows, x->cols, y->cols, dy, y->grad_ld, w, s->padded != NULL ? s->ld_padded : x->cols,
                   s->add_in[0] ? 1.0f : 0.0f, x->grad + row * x->grad_ld, x->grad_ld))
        bfn__exec_fail(e);
}

/* Rows of dW, and their part of the bias gradient. */
static void backward_weights(void *arg, size_t i, int thread)
{
    (void)thread;
    const linear_run *run = arg;
    bfn__exec *e = run->e;
    const bfn__step *s = run->s;
    const bfn__value *x = &e->values[s->node.in[0]], *y = &e->values[s->out];
    size_t first = i * GRAD_TILE, all = run->n * y->rows;
    size_t count = y->cols - first < GRAD_TILE ? y->cols - first : GRAD_TILE;
    float *dw = bfn__exec_grad(e, run->grads, s->node.weight) + first * x->cols;
    if (!bfn__gemm(true, false, count, x->cols, all, y->grad + first, y->grad_ld, x->data, x->ld, 1.0f, dw, x->cols))
        bfn__exec_fail(e);
    if (s->node.bias >= 0)
        e->k->column_sums(all, count, y->grad + first, y->grad_ld, bfn__exec_grad(e, run->grads, s->node.bias) + first);
}

void bfn__linear_backward(bfn__exec *e, bfn__step *s, size_t n, float *grads)
{
    linear_run run = make_run(e, s, n);
    run.grads = grads;
    run.tile_rows = BFN__TILE_ROWS;
    bfn__loop(e->n_threads, ceil_div(n * e->values[s->out].rows, run.tile_rows), backward_rows, &run);
    bfn__loop(e->n_threads, ceil_div(s->node.cols, GRAD_TILE), backward_weights, &run);
}
