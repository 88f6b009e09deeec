/* op_linear.c: y = act(x W^T + bias) + residual, and its backward pass.
 *
 * Forward runs on tiles of at most 128 rows of one sample by at most 768 columns (half of that where a sample is one tile high, so that there
 * is work for several threads), each computed by one thread with one product and its epilogue while the tile is in cache. Tiles never cross a sample and their sizes depend on the shape alone, so a
 * sample's output is the same for every batch size and number of threads. The weights are packed once, transposed to [in, out] with a padded
 * row stride: that is the layout oneDNN's product reads fastest.
 * Backward: dX = dY W on tiles of rows; dW += dY^T X on tiles of W's rows, each summed over all samples by one product, so it depends
 * on the batch but not on the threads.
 */
#include "nn/ops.h"
#include "nn/parallel.h"

#include <string.h>

enum { GRAD_TILE = 96 };

typedef struct linear_run {
    bfn__exec *e;
    const bfn__step *s;
    size_t n, tiles_a_sample, tile_rows, col_tiles, tile_cols;
    float *grads;
} linear_run;

static linear_run make_run(bfn__exec *e, const bfn__step *s, size_t n)
{
    linear_run run = {.e = e, .s = s, .n = n};
    size_t rows = e->values[s->out].rows, cols = e->values[s->out].cols;
    run.tile_rows = bfn__ceil_div(rows, bfn__ceil_div(rows, BFN__TILE_ROWS));
    run.tiles_a_sample = bfn__ceil_div(rows, run.tile_rows);
    size_t widest = run.tiles_a_sample > 1 ? BFN__TILE_COLS : BFN__TILE_COLS / 2;
    run.tile_cols = bfn__ceil_div(bfn__ceil_div(cols, bfn__ceil_div(cols, widest)), 16) * 16;
    run.col_tiles = bfn__ceil_div(cols, run.tile_cols);
    return run;
}

double bfn__linear_products(const bfn__net *net, const bfn__node *node)
{
    return (double)node->rows * (double)node->cols * (double)net->nodes[node->in[0]].cols;
}

/* Small products stay in f32: there is nothing to win, and the network's input keeps its digits. */
static bool worth_bf16(const bfn__exec *e, const bfn__step *s)
{
    return e->values[s->node.in[0]].cols >= 32 && s->node.cols >= 16;
}

/* Sizes of the tiles: [0] all but the last, [1] the last. */
static void tile_sizes(const linear_run *run, const bfn__value *y, size_t rows[2], size_t cols[2])
{
    rows[0] = run->tile_rows;
    cols[0] = run->tile_cols;
    rows[1] = y->rows - (run->tiles_a_sample - 1) * run->tile_rows;
    cols[1] = y->cols - (run->col_tiles - 1) * run->tile_cols;
}

bool bfn__linear_prepare(bfn__exec *e, bfn__step *s)
{
    const bfn__value *x = &e->values[s->node.in[0]], *y = &e->values[s->out];
    linear_run run = make_run(e, s, 1);
    size_t rows[2], cols[2];
    s->low = e->precision == BFN__BF16 && worth_bf16(e, s);
    tile_sizes(&run, y, rows, cols);
    memset(s->products, 0, sizeof s->products);
    if (e->dnnl == NULL || (e->precision == BFN__BF16 && !s->low) || x->cols < 32)
        return true;
    for (int c = 0; c < 2; c++) {
        for (int r = 0; r < 2; r++) {
            bfn__product_key key = {rows[r], cols[c], x->cols, s->low, e->options.packed};
            s->products[r][c] = bfn__dnnl_product(e->dnnl, &key, r > 0 ? s->products[0][c] : NULL);
            if (s->products[r][c] == NULL) {
                memset(s->products, 0, sizeof s->products);
                return !s->low;
            }
        }
    }
    return true;
}

/* Floats of scratch for a tile of X without gaps between rows, a multiple of 16; 0: X is used as it is. */
static size_t lowered_floats(const bfn__exec *e, const bfn__step *s, const linear_run *run)
{
    const bfn__value *x = &e->values[s->node.in[0]];
    bool copied = s->low || (s->products[0][0] != NULL && x->ld != x->cols);
    return copied ? (run->tile_rows * x->cols + 15) / 16 * 16 : 0;
}

/* Floats of a packed block, a multiple of 16. */
static size_t block_floats(const bfn__step *s, bool last)
{
    return (bfn__product_packed_bytes(s->products[0][last]) + 63) / 64 * 16;
}

void bfn__linear_plan(bfn__exec *e, bfn__step *s, size_t now)
{
    (void)now;
    size_t in = e->values[s->node.in[0]].cols, out = s->node.cols, end = bfn__exec_times(e) - 1;
    linear_run run = make_run(e, s, 1);
    bfn__exec_scratch(e, lowered_floats(e, s, &run) + run.tile_rows * run.tile_cols);
    if (s->products[0][0] != NULL) {
        size_t blocks = (run.col_tiles - 1) * block_floats(s, false) + block_floats(s, true);
        bfn__exec_buffer(e, blocks, 0, end, &s->packed);
        s->weights = bfn__calloc(e->ctx, run.col_tiles, sizeof *s->weights);
        if (s->weights == NULL)
            e->status = BFN_ERR_MEMORY;
        return;
    }
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

enum { PACK_ROWS = 64, PACK_COLS = 16 };

/* 64 rows of W: to 64 columns of the packed copy, by way of a small buffer, so that each line of memory is touched once. */
static void pack_rows(void *arg, size_t i, int thread)
{
    (void)thread;
    const pack_run *p = arg;
    float block[PACK_COLS][PACK_ROWS];
    size_t first = PACK_ROWS * i, rows = p->out - first < PACK_ROWS ? p->out - first : PACK_ROWS;
    for (size_t k = 0; k < p->in; k += PACK_COLS) {
        size_t cols = p->in - k < PACK_COLS ? p->in - k : PACK_COLS;
        for (size_t o = 0; o < rows; o++)
            for (size_t c = 0; c < cols; c++)
                block[c][o] = p->w[(first + o) * p->in + k + c];
        for (size_t c = 0; c < cols; c++)
            memcpy(p->packed + (k + c) * p->ld_packed + first, block[c], rows * sizeof **block);
    }
    for (size_t o = first; p->padded != NULL && o < first + rows; o++)
        memcpy(p->padded + o * p->ld_padded, p->w + o * p->in, p->in * sizeof *p->w);
}

static void pack_blocks(bfn__exec *e, bfn__step *s)
{
    linear_run run = make_run(e, s, 1);
    size_t in = e->values[s->node.in[0]].cols;
    const float *w = bfn__exec_param(e, s->node.weight);
    for (size_t c = 0; c < run.col_tiles; c++) {
        float *block = s->packed + c * block_floats(s, false);
        if (!bfn__dnnl_pack(e->dnnl, s->products[0][c + 1 == run.col_tiles], w + c * run.tile_cols * in, in, block,
                            &s->weights[c]))
            bfn__exec_fail(e);
    }
}

void bfn__linear_set_params(bfn__exec *e, bfn__step *s)
{
    if (s->products[0][0] != NULL) {
        pack_blocks(e, s);
        return;
    }
    pack_run p = {bfn__exec_param(e, s->node.weight),
                  s->packed,
                  s->padded,
                  e->values[s->node.in[0]].cols,
                  s->node.cols,
                  s->ld_packed,
                  s->ld_padded};
    bfn__loop(e->n_threads, bfn__ceil_div(p.out, PACK_ROWS), pack_rows, &p);
    if (s->low)
        e->k->round_bf16(p.in * p.ld_packed, s->packed, s->packed);
}

/* The tile of X as a product wants it: bf16; or rounded to bf16 but kept as float where oneDNN cannot multiply bf16; or a copy
 * without gaps between rows; or X itself. */
static const void *operand(const linear_run *run, size_t row, size_t rows, float *scratch, size_t *ld)
{
    const bfn__exec *e = run->e;
    const bfn__value *x = &e->values[run->s->node.in[0]];
    *ld = x->ld;
    if (lowered_floats(e, run->s, run) == 0)
        return x->data + row * x->ld;
    *ld = x->cols;
    for (size_t r = 0; r < rows; r++) {
        const float *from = x->data + (row + r) * x->ld;
        if (!run->s->low)
            memcpy(scratch + r * x->cols, from, x->cols * sizeof *from);
        else if (run->s->products[0][0] != NULL)
            e->k->to_bf16(x->cols, from, (uint16_t *)scratch + r * x->cols);
        else
            e->k->round_bf16(x->cols, from, scratch + r * x->cols);
    }
    return scratch;
}

/* Where X W^T of a tile is: in `to` (which it may add to), or in the thread's scratch. */
typedef struct tile_product {
    float *data;
    size_t ld;
} tile_product;

static tile_product multiply_tile(const linear_run *run, size_t row, size_t rows, size_t col, size_t cols,
                                  tile_product to, int thread)
{
    bfn__exec *e = run->e;
    const bfn__step *s = run->s;
    float *scratch = e->scratch + (size_t)thread * e->scratch_floats;
    size_t lda;
    const void *a = operand(run, row, rows, scratch, &lda);
    bool ok;
    if (s->products[0][0] != NULL) {
        to = (tile_product){scratch + lowered_floats(e, s, run), cols};
        ok = bfn__product_run(e->dnnl, s->products[rows != run->tile_rows][cols != run->tile_cols], thread, a,
                              s->weights[col / run->tile_cols], to.data);
    } else {
        ok = bfn__gemm(false, false, rows, cols, e->values[s->node.in[0]].cols, a, lda, s->packed + col, s->ld_packed,
                       s->in_place ? 1.0f : 0.0f, to.data, to.ld);
    }
    if (!ok)
        bfn__exec_fail(e);
    return to;
}

/* y = act(product + bias) + residual; nothing to do where the product is in y already and there is neither. */
static void finish_tile(const linear_run *run, size_t row, size_t rows, size_t col, size_t cols, tile_product p)
{
    const bfn__exec *e = run->e;
    const bfn__step *s = run->s;
    const bfn__value *y = &e->values[s->out];
    float *out = y->data + row * y->ld + col;
    const float *bias = bfn__exec_param(e, s->node.bias);
    if (bias != NULL)
        bias += col;
    if (s->node.act == BFN__ACT_GELU) {
        e->k->bias_gelu(rows, cols, p.data, p.ld, bias, out, y->ld);
        return;
    }
    bool added = s->in_place && p.data == out;
    const bfn__value *residual = s->node.in[1] >= 0 && !added ? &e->values[s->node.in[1]] : NULL;
    const float *r = residual != NULL ? residual->data + row * residual->ld + col : NULL;
    if (bias != NULL || r != NULL || p.data != out)
        e->k->bias_residual(rows, cols, p.data, p.ld, bias, r, residual != NULL ? residual->ld : 0, out, y->ld);
}

static void forward_tile(void *arg, size_t i, int thread)
{
    const linear_run *run = arg;
    const bfn__step *s = run->s;
    const bfn__value *y = &run->e->values[s->out], *product = s->pre >= 0 ? &run->e->values[s->pre] : y;
    size_t tile = i / run->col_tiles, col = i % run->col_tiles * run->tile_cols;
    size_t row = tile % run->tiles_a_sample * run->tile_rows;
    size_t rows = y->rows - row < run->tile_rows ? y->rows - row : run->tile_rows;
    size_t cols = y->cols - col < run->tile_cols ? y->cols - col : run->tile_cols;
    row += tile / run->tiles_a_sample * y->rows;
    tile_product to = {product->data + row * product->ld + col, product->ld};
    finish_tile(run, row, rows, col, cols, multiply_tile(run, row, rows, col, cols, to, thread));
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
    bfn__loop(e->n_threads, bfn__ceil_div(n * e->values[s->out].rows, run.tile_rows), backward_rows, &run);
    if (!e->options.input_only)
        bfn__loop(e->n_threads, bfn__ceil_div(s->node.cols, GRAD_TILE), backward_weights, &run);
}
