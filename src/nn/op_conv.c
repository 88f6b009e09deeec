/* op_conv.c: convolution of images, channels last: y = conv(x, W) + bias + row + residual, and its backward pass.
 *
 * 3 x 3 filters with stride 1 and enough channels take op_winograd.c, in f32 even where the network is bf16: a quarter of the products at half
 * the speed is faster, and exact. What follows is for all others.
 * By patches: a tile of pixels gathers what lies under its filter, [pixels, 9 channels] (zeros beyond the border), and one product with the
 * packed weights [9 in, out] gives the tile. A tile never crosses a sample and its size depends on the shape alone, so a sample's output is the
 * same for every batch size and number of threads.
 * Backward: dx is the same with patches of dy and the filter turned round (where the stride is 2, a place between dy's pixels is a zero). dW is,
 * for each place of the filter, the product of x shifted to it with dy: one task for each of the 9, summed over the samples in order.
 */
#include "nn/ops.h"
#include "nn/parallel.h"

#include <string.h>

enum { PATCH_FLOATS = 65536, MIN_ROWS = 16, MAX_ROWS = 128, GRAD_ROWS = 256, COPY = 16 };

/* Which pixel of the source lies under place (i, j) of the filter at a pixel of the target. */
typedef struct taps {
    size_t H, W, width; /* of the source; width of the target */
    bfn__window window;
    bool turned; /* the source is the convolution's output */
} taps;

typedef struct conv_run {
    bfn__exec *e;
    const bfn__step *s;
    const bfn__value *x, *y;
    size_t n, K; /* samples; length of a patch */
    size_t tile_rows, tiles_a_sample;
    taps taps;
    float *grads, *sums; /* backward: [n, out] sums of dy of each sample */
} conv_run;

static size_t n_taps(const bfn__node *node)
{
    return node->window.height * node->window.width;
}

/* turned: for the gradient of the input. */
static conv_run make_run(bfn__exec *e, const bfn__step *s, size_t n, bool turned)
{
    const bfn__node *node = &s->node, *in = &e->net->nodes[node->in[0]];
    conv_run run = {.e = e, .s = s, .x = &e->values[node->in[0]], .y = &e->values[s->out], .n = n};
    const bfn__node *from = turned ? node : in, *to = turned ? in : node;
    run.taps = (taps){from->height, from->width, to->width, node->window, turned};
    run.K = n_taps(node) * (turned ? node->cols : in->cols);
    size_t rows = (s->low ? 2 : 1) * PATCH_FLOATS / run.K; /* bf16 takes half the room */
    rows = rows < MIN_ROWS ? MIN_ROWS : rows > MAX_ROWS ? MAX_ROWS : rows;
    run.tile_rows = bfn__ceil_div(to->rows, bfn__ceil_div(to->rows, rows));
    run.tiles_a_sample = bfn__ceil_div(to->rows, run.tile_rows);
    return run;
}

double bfn__conv_products(const bfn__net *net, const bfn__node *node)
{
    return (double)node->rows * (double)node->cols * (double)n_taps(node) * (double)net->nodes[node->in[0]].cols;
}

/* Small products stay in f32, as in op_linear.c. */
static bool worth_bf16(const bfn__exec *e, const bfn__step *s)
{
    return e->values[s->node.in[0]].cols >= 32 && s->node.cols >= 16;
}

bool bfn__conv_prepare(bfn__exec *e, bfn__step *s)
{
    memset(s->products, 0, sizeof s->products);
    s->winograd = bfn__winograd_suits(e, s);
    s->low = e->precision == BFN__BF16 && !s->winograd && worth_bf16(e, s);
    conv_run run = make_run(e, s, 1, false);
    if (e->dnnl == NULL || !s->low)
        return true;
    const size_t rows[2] = {run.tile_rows, s->node.rows - (run.tiles_a_sample - 1) * run.tile_rows};
    for (int r = 0; r < 2; r++) {
        bfn__product_key key = {rows[r], s->node.cols, run.K, true, e->options.packed};
        s->products[r][0] = bfn__dnnl_product(e->dnnl, &key, r > 0 ? s->products[0][0] : NULL);
        if (s->products[r][0] == NULL) {
            memset(s->products, 0, sizeof s->products);
            return false;
        }
    }
    return true;
}

/* Floats of scratch for a tile's patches. */
static size_t patch_floats(const conv_run *run)
{
    return (run->tile_rows * run->K + 15) / 16 * 16;
}

void bfn__conv_plan(bfn__exec *e, bfn__step *s, size_t now)
{
    if (s->winograd) {
        bfn__winograd_plan(e, s, now);
        return;
    }
    conv_run run = make_run(e, s, 1, false);
    size_t in = run.x->cols, out = s->node.cols, end = bfn__exec_times(e) - 1;
    bfn__exec_scratch(e, patch_floats(&run) + run.tile_rows * out);
    if (s->products[0][0] != NULL) {
        bfn__exec_scratch(e, out * run.K);
        bfn__exec_buffer(e, (bfn__product_packed_bytes(s->products[0][0]) + 63) / 64 * 16, 0, end, &s->packed);
        s->weights = bfn__calloc(e->ctx, 1, sizeof *s->weights);
        if (s->weights == NULL)
            e->status = BFN_ERR_MEMORY;
        return;
    }
    s->ld_packed = bfn__row_stride(out);
    bfn__exec_buffer(e, run.K * s->ld_packed, 0, end, &s->packed);
    if (!e->options.training)
        return;
    conv_run back = make_run(e, s, 1, true);
    s->ld_turned = bfn__row_stride(in);
    bfn__exec_scratch(e, patch_floats(&back));
    bfn__exec_scratch(e, GRAD_ROWS * in);
    bfn__exec_buffer(e, back.K * s->ld_turned, 0, end, &s->turned);
    bfn__exec_buffer(e, run.K * out + e->options.batch * out, end - now, end - now, &s->work);
}

/* ---- weights ---- */

typedef struct pack_run {
    const float *w; /* [out, in, taps] */
    float *to;
    size_t in, out, taps, ld;
    bool turned;
} pack_run;

/* Place `tap` of the filter: [in, out] as forward multiplies by it, or [out, in] for backward. */
static void pack_tap(void *arg, size_t tap, int thread)
{
    (void)thread;
    const pack_run *p = arg;
    for (size_t o = 0; o < p->out; o++) {
        for (size_t i = 0; i < p->in; i++) {
            float w = p->w[(o * p->in + i) * p->taps + tap];
            if (p->turned)
                p->to[(tap * p->out + o) * p->ld + i] = w;
            else
                p->to[(tap * p->in + i) * p->ld + o] = w;
        }
    }
}

/* For oneDNN: rows [out] of patches [taps, in], then into its own layout. */
static void pack_product(bfn__exec *e, bfn__step *s, const pack_run *p)
{
    float *rows = e->scratch;
    for (size_t o = 0; o < p->out; o++)
        for (size_t tap = 0; tap < p->taps; tap++)
            for (size_t i = 0; i < p->in; i++)
                rows[(o * p->taps + tap) * p->in + i] = p->w[(o * p->in + i) * p->taps + tap];
    if (!bfn__dnnl_pack(e->dnnl, s->products[0][0], rows, p->taps * p->in, s->packed, &s->weights[0]))
        bfn__exec_fail(e);
}

void bfn__conv_set_params(bfn__exec *e, bfn__step *s)
{
    if (s->winograd) {
        bfn__winograd_set_params(e, s);
        return;
    }
    pack_run p = {bfn__exec_weight(e, s->node.weight),
                  s->packed,
                  e->values[s->node.in[0]].cols,
                  s->node.cols,
                  n_taps(&s->node),
                  s->ld_packed,
                  false};
    if (s->products[0][0] != NULL) {
        pack_product(e, s, &p);
        return;
    }
    bfn__loop(e->n_threads, p.taps, pack_tap, &p);
    if (s->low)
        e->k->round_bf16(p.taps * p.in * p.ld, s->packed, s->packed);
    if (s->turned == NULL)
        return;
    p.to = s->turned;
    p.ld = s->ld_turned;
    p.turned = true;
    bfn__loop(e->n_threads, p.taps, pack_tap, &p);
}

/* ---- patches ---- */

/* Source coordinate under place k of the filter at target coordinate at; false: outside, or between the source's pixels. */
static bool source(const taps *t, size_t at, size_t k, size_t pad, size_t size, size_t *from)
{
    size_t stride = t->window.stride, sum = t->turned ? at + pad : at * stride + k, less = t->turned ? k : pad;
    if (sum < less)
        return false;
    sum -= less;
    if (t->turned && sum % stride != 0)
        return false;
    *from = t->turned ? sum / stride : sum;
    return *from < size;
}

/* The row of the source under a place of the filter; NULL: zeros. data: of the sample. */
static const float *tap_row(const taps *t, size_t row, size_t tap, const float *data, size_t ld)
{
    const bfn__window *w = &t->window;
    size_t y, x;
    if (!source(t, row / t->width, tap / w->width, w->pad_y, t->H, &y) ||
        !source(t, row % t->width, tap % w->width, w->pad_x, t->W, &x))
        return NULL;
    return data + (y * t->W + x) * ld;
}

/* Patches of rows `row`... of the target. */
static void gather(const taps *t, size_t row, size_t rows, size_t cols, const float *data, size_t ld, float *to)
{
    for (size_t r = row; r < row + rows; r++) {
        for (size_t tap = 0; tap < t->window.height * t->window.width; tap++, to += cols) {
            const float *from = tap_row(t, r, tap, data, ld);
            if (from != NULL)
                memcpy(to, from, cols * sizeof *to);
            else
                memset(to, 0, cols * sizeof *to);
        }
    }
}

/* The same as bf16, or rounded to bf16 but kept as float. */
static void gather_low(const conv_run *run, size_t row, size_t rows, const float *data, float *to)
{
    const taps *t = &run->taps;
    const bfn__kernels *k = run->e->k;
    size_t cols = run->x->cols, at = 0;
    bool halves = run->s->products[0][0] != NULL;
    uint16_t *low = (uint16_t *)(void *)to;
    for (size_t r = row; r < row + rows; r++) {
        for (size_t tap = 0; tap < t->window.height * t->window.width; tap++, at += cols) {
            const float *from = tap_row(t, r, tap, data, run->x->ld);
            if (from == NULL && halves)
                memset(low + at, 0, cols * sizeof *low);
            else if (from == NULL)
                memset(to + at, 0, cols * sizeof *to);
            else if (halves)
                k->to_bf16(cols, from, low + at);
            else
                k->round_bf16(cols, from, to + at);
        }
    }
}

/* ---- forward ---- */

/* y = product + bias + row + residual on a tile; product may be y. */
static void finish_tile(const conv_run *run, size_t sample, size_t row, size_t rows, const float *product, size_t ld)
{
    const bfn__exec *e = run->e;
    const bfn__node *node = &run->s->node;
    const bfn__value *y = run->y;
    float *out = y->data + (sample * y->rows + row) * y->ld;
    const float *bias = bfn__exec_param(e, node->bias);
    const float *r = NULL;
    size_t r_ld = 0;
    if (node->in[1] >= 0) {
        const bfn__value *residual = &e->values[node->in[1]];
        r = residual->data + (sample * y->rows + row) * residual->ld;
        r_ld = residual->ld;
    }
    if (node->in[2] >= 0) {
        const bfn__value *add = &e->values[node->in[2]];
        e->k->bias_residual(rows, y->cols, product, ld, add->data + sample * add->ld, r, r_ld, out, y->ld);
        product = out;
        ld = y->ld;
        r = NULL;
    }
    e->k->bias_residual(rows, y->cols, product, ld, bias, r, r_ld, out, y->ld);
}

static void forward_tile(void *arg, size_t i, int thread)
{
    const conv_run *run = arg;
    bfn__exec *e = run->e;
    const bfn__step *s = run->s;
    size_t sample = i / run->tiles_a_sample, row = i % run->tiles_a_sample * run->tile_rows, out = run->y->cols;
    size_t rows = run->y->rows - row < run->tile_rows ? run->y->rows - row : run->tile_rows;
    float *patches = e->scratch + (size_t)thread * e->scratch_floats, *product = patches + patch_floats(run);
    const float *data = run->x->data + sample * run->x->rows * run->x->ld;
    if (s->low)
        gather_low(run, row, rows, data, patches);
    else
        gather(&run->taps, row, rows, run->x->cols, data, run->x->ld, patches);
    bool ok =
        s->products[0][0] != NULL
            ? bfn__product_run(e->dnnl, s->products[rows != run->tile_rows][0], thread, patches, s->weights[0], product)
            : bfn__gemm(false, false, rows, out, run->K, patches, run->K, s->packed, s->ld_packed, 0.0f, product, out);
    if (!ok)
        bfn__exec_fail(e);
    finish_tile(run, sample, row, rows, product, out);
}

void bfn__conv_forward(bfn__exec *e, bfn__step *s, size_t n)
{
    if (s->winograd) {
        bfn__winograd_forward(e, s, n);
        return;
    }
    conv_run run = make_run(e, s, n, false);
    bfn__loop(e->n_threads, n * run.tiles_a_sample, forward_tile, &run);
}

/* ---- backward ---- */

/* The gradients of what a sample's epilogue added: residual, row, and the sample's part of the bias. */
static void backward_added(void *arg, size_t i, int thread)
{
    (void)thread;
    const conv_run *run = arg;
    bfn__exec *e = run->e;
    const bfn__step *s = run->s;
    const bfn__value *y = run->y;
    const float *dy = y->grad + i * y->rows * y->grad_ld;
    float *sums = run->sums + i * y->cols;
    memset(sums, 0, y->cols * sizeof *sums);
    e->k->column_sums(y->rows, y->cols, dy, y->grad_ld, sums);
    if (bfn__wants_grad(e, s, 2)) {
        const bfn__value *row = &e->values[s->node.in[2]];
        e->k->scale(y->cols, 1.0f, sums, row->grad + i * row->grad_ld, s->add_in[2]);
    }
    if (bfn__wants_grad(e, s, 1) && !s->same_in[1]) {
        const bfn__value *r = &e->values[s->node.in[1]];
        for (size_t j = 0; j < y->rows; j++)
            e->k->scale(y->cols, 1.0f, dy + j * y->grad_ld, r->grad + (i * y->rows + j) * r->grad_ld, s->add_in[1]);
    }
}

static void backward_tile(void *arg, size_t i, int thread)
{
    const conv_run *run = arg;
    bfn__exec *e = run->e;
    const bfn__value *x = run->x, *y = run->y;
    size_t sample = i / run->tiles_a_sample, row = i % run->tiles_a_sample * run->tile_rows;
    size_t rows = x->rows - row < run->tile_rows ? x->rows - row : run->tile_rows;
    float *patches = e->scratch + (size_t)thread * e->scratch_floats;
    gather(&run->taps, row, rows, y->cols, y->grad + sample * y->rows * y->grad_ld, y->grad_ld, patches);
    if (!bfn__gemm(false, false, rows, x->cols, run->K, patches, run->K, run->s->turned, run->s->ld_turned,
                   run->s->add_in[0] ? 1.0f : 0.0f, x->grad + (sample * x->rows + row) * x->grad_ld, x->grad_ld))
        bfn__exec_fail(e);
}

/* The work space behind the samples' sums: [taps, in, out]. */
static float *filter_work(const conv_run *run)
{
    return run->s->work + run->e->options.batch * run->y->cols;
}

/* [in, out] of one place of the filter, into the work space. */
static void backward_tap(void *arg, size_t tap, int thread)
{
    const conv_run *run = arg;
    bfn__exec *e = run->e;
    const bfn__value *x = run->x, *y = run->y;
    float *shifted = e->scratch + (size_t)thread * e->scratch_floats, *dw = filter_work(run) + tap * x->cols * y->cols;
    for (size_t i = 0; i < run->n; i++) {
        for (size_t row = 0; row < y->rows; row += GRAD_ROWS) {
            size_t rows = y->rows - row < GRAD_ROWS ? y->rows - row : GRAD_ROWS;
            for (size_t r = 0; r < rows; r++) {
                const float *from = tap_row(&run->taps, row + r, tap, x->data + i * x->rows * x->ld, x->ld);
                if (from != NULL)
                    memcpy(shifted + r * x->cols, from, x->cols * sizeof *from);
                else
                    memset(shifted + r * x->cols, 0, x->cols * sizeof *from);
            }
            if (!bfn__gemm(true, false, x->cols, y->cols, rows, shifted, x->cols,
                           y->grad + (i * y->rows + row) * y->grad_ld, y->grad_ld, i + row > 0 ? 1.0f : 0.0f, dw,
                           y->cols))
                bfn__exec_fail(e);
        }
    }
}

/* COPY filters of the gradient, from [taps, in, out] to [out, in, taps]. */
static void add_filters(void *arg, size_t i, int thread)
{
    (void)thread;
    const conv_run *run = arg;
    size_t in = run->x->cols, out = run->y->cols, taps_ = n_taps(&run->s->node);
    const float *work = filter_work(run);
    float *dw = bfn__exec_grad(run->e, run->grads, run->s->node.weight);
    for (size_t o = i * COPY; o < out && o < (i + 1) * COPY; o++)
        for (size_t c = 0; c < in; c++)
            for (size_t tap = 0; tap < taps_; tap++)
                dw[(o * in + c) * taps_ + tap] += work[(tap * in + c) * out + o];
}

/* Gradient of the weights. */
static void backward_weights(conv_run *run)
{
    bfn__exec *e = run->e;
    bfn__loop(e->n_threads, n_taps(&run->s->node), backward_tap, run);
    bfn__loop(e->n_threads, bfn__ceil_div(run->y->cols, COPY), add_filters, run);
}

void bfn__conv_backward(bfn__exec *e, bfn__step *s, size_t n, float *grads)
{
    conv_run run = make_run(e, s, n, false);
    run.grads = grads;
    run.sums = s->work;
    bfn__loop(e->n_threads, n, backward_added, &run);
    if (s->node.bias >= 0)
        e->k->column_sums(n, run.y->cols, run.sums, run.y->cols, bfn__exec_grad(e, grads, s->node.bias));
    if (s->winograd && !e->options.input_only)
        bfn__winograd_filter_gradient(e, s, n, grads);
    else if (!e->options.input_only)
        backward_weights(&run);
    if (!bfn__wants_grad(e, s, 0))
        return;
    if (s->winograd) {
        bfn__winograd_input_gradient(e, s, n);
        return;
    }
    conv_run back = make_run(e, s, n, true);
    bfn__loop(e->n_threads, n * back.tiles_a_sample, backward_tile, &back);
}
