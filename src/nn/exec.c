/* exec.c: a network compiled for a batch size: fused steps, buffers by lifetime, then forward and backward without allocation.
 *
 * Compiling: (1) fuse: GELU and residual additions become the epilogue of the linear before them, dropout disappears from
 * inference; (2) lifetimes: step i runs at time i, in training its backward at 2S-1-i for S steps; a value lives from the step that
 * makes it to its last reader (training: to its maker's backward), a gradient from its last reader's backward to its maker's; (3) memory
 * is shared where a value may be overwritten: the residual stream in inference, its gradient in training; (4) one plan places everything,
 * packed weights included, in one arena.
 */
#include "nn/ops.h"
#include "nn/parallel.h"

#include <string.h>

enum { STRIDE_STEP = 256, STRIDE_PAD = 16, NONE = -1 };

size_t bfn__row_stride(size_t cols)
{
    return cols % STRIDE_STEP == 0 ? cols + STRIDE_PAD : cols;
}

size_t bfn__exec_times(const bfn__exec *e)
{
    return e->options.training ? 2 * e->n_steps : e->n_steps;
}

void bfn__exec_scratch(bfn__exec *e, size_t floats)
{
    size_t padded = (floats + 31) / 16 * 16;
    if (padded > e->scratch_floats)
        e->scratch_floats = padded;
}

void bfn__exec_fail(bfn__exec *e)
{
    __atomic_store_n(&e->failed, true, __ATOMIC_RELAXED);
}

static bool grow_buffers(bfn__exec *e)
{
    size_t capacity = e->buffers_capacity > 0 ? 2 * e->buffers_capacity : 256;
    bfn__buffer *buffers = bfn__calloc(e->ctx, capacity, sizeof *buffers);
    float ***owners = bfn__calloc(e->ctx, capacity, sizeof *owners);
    if (buffers == NULL || owners == NULL) {
        bfn__free(e->ctx, buffers);
        bfn__free(e->ctx, owners);
        e->status = BFN_ERR_MEMORY;
        return false;
    }
    if (e->n_buffers > 0) {
        memcpy(buffers, e->buffers, e->n_buffers * sizeof *buffers);
        memcpy(owners, e->owners, e->n_buffers * sizeof *owners);
    }
    bfn__free(e->ctx, e->buffers);
    bfn__free(e->ctx, e->owners);
    e->buffers = buffers;
    e->owners = owners;
    e->buffers_capacity = capacity;
    return true;
}

void bfn__exec_buffer(bfn__exec *e, size_t floats, size_t first, size_t last, float **where)
{
    if (e->status != BFN_OK || (e->n_buffers == e->buffers_capacity && !grow_buffers(e)))
        return;
    if (e->options.input_only && first < e->n_steps && last >= e->n_steps)
        last = bfn__exec_times(e) - 1; /* kept for the next backward */
    e->buffers[e->n_buffers] = (bfn__buffer){floats, first, last, 0};
    e->owners[e->n_buffers] = where;
    e->n_buffers++;
}

/* ---- fusion ---- */

typedef struct compile {
    bfn__exec *e;
    int *readers;     /* how many nodes read this node (the output counts as one) */
    int *absorbed_by; /* the node into which a linear goes, or NONE */
    int *same_as;     /* what stands for this node: itself, or what a removed dropout reads */
    int *maker;       /* step that makes a value, or NONE */
    int *last_reader; /* step that reads it last, or NONE */
    int *storage;     /* value whose data memory this one uses */
    int *grad_storage;
} compile;

static bool compile_create(compile *c, bfn__exec *e)
{
    size_t n = e->net->n_nodes;
    c->e = e;
    c->readers = bfn__calloc(e->ctx, 7 * n, sizeof *c->readers);
    if (c->readers == NULL)
        return false;
    int **arrays[] = {&c->absorbed_by, &c->same_as, &c->maker, &c->last_reader, &c->storage, &c->grad_storage};
    for (size_t a = 0; a < 6; a++) {
        *arrays[a] = c->readers + (a + 1) * n;
        for (size_t i = 0; i < n; i++)
            (*arrays[a])[i] = arrays[a] == &c->same_as || a >= 4 ? (int)i : NONE;
    }
    return true;
}

static void count_readers(compile *c)
{
    const bfn__net *net = c->e->net;
    for (size_t i = 0; i < net->n_nodes; i++) {
        const bfn__node *node = &net->nodes[i];
        if (node->kind == BFN__OP_DROPOUT && !c->e->options.training) {
            c->same_as[i] = c->same_as[node->in[0]];
            continue;
        }
        for (int k = 0; k < BFN__MAX_IN; k++)
            if (node->in[k] >= 0)
                c->readers[c->same_as[node->in[k]]]++;
    }
    c->readers[c->same_as[net->output]]++;
}

/* What a node takes into itself: the linear or convolution `from`, whose input number k it is. */
typedef struct absorbed {
    int from, k; /* from: NONE if there is none */
} absorbed;

static bool can_absorb(const compile *c, int from, const bfn__node *node, bool conv_only)
{
    const bfn__node *f = &c->e->net->nodes[from];
    bool kind = f->kind == BFN__OP_CONV || (f->kind == BFN__OP_LINEAR && !conv_only);
    return kind && c->readers[from] == 1 && f->rows == node->rows;
}

/* gelu(linear), x + linear, x + conv, conv + row: the linear or convolution, if nothing else reads it. */
static absorbed absorbed_by(const compile *c, size_t i)
{
    const bfn__net *net = c->e->net;
    const bfn__node *node = &net->nodes[i];
    const absorbed none = {NONE, 0};
    if (node->kind == BFN__OP_GELU) {
        int from = c->same_as[node->in[0]];
        return can_absorb(c, from, node, false) && net->nodes[from].kind == BFN__OP_LINEAR ? (absorbed){from, 0} : none;
    }
    if (node->kind != BFN__OP_ADD)
        return none;
    int first = c->same_as[node->in[0]], second = c->same_as[node->in[1]];
    if (can_absorb(c, second, node, false))
        return (absorbed){second, 1};
    bool row = net->nodes[second].rows == 1 && node->rows > 1;
    return row && can_absorb(c, first, node, true) ? (absorbed){first, 0} : none;
}

static void fuse(compile *c)
{
    bfn__exec *e = c->e;
    const bfn__net *net = e->net;
    count_readers(c);
    for (size_t i = 0; i < net->n_nodes; i++) {
        int from = absorbed_by(c, i).from;
        if (from != NONE)
            c->absorbed_by[from] = (int)i;
    }
    for (size_t i = 0; i < net->n_nodes; i++) {
        if (c->absorbed_by[i] != NONE || c->same_as[i] != (int)i)
            continue;
        bfn__step *s = &e->steps[e->n_steps];
        absorbed taken = absorbed_by(c, i);
        int from = taken.from;
        s->node = net->nodes[from != NONE ? from : (int)i];
        s->out = (int)i;
        s->pre = NONE;
        if (from != NONE && net->nodes[i].kind == BFN__OP_GELU) {
            s->node.act = BFN__ACT_GELU;
            s->pre = e->options.training ? from : NONE;
        } else if (from != NONE) {
            s->node.in[taken.k == 1 ? 1 : 2] = net->nodes[i].in[1 - taken.k];
        }
        for (int k = 0; k < BFN__MAX_IN; k++) {
            if (s->node.in[k] < 0)
                continue;
            s->node.in[k] = c->same_as[s->node.in[k]];
            c->last_reader[s->node.in[k]] = (int)e->n_steps;
        }
        c->maker[i] = (int)e->n_steps++;
    }
    e->output = c->same_as[net->output];
}

/* ---- memory ---- */

/* The residual stream, and what a ReLU reads, is overwritten in inference when nobody reads it afterwards. */
static void share_values(compile *c)
{
    bfn__exec *e = c->e;
    for (size_t i = 0; i < e->n_steps && !e->options.training; i++) {
        bfn__step *s = &e->steps[i];
        bool relu = s->node.kind == BFN__OP_RELU;
        int r = s->node.in[relu ? 0 : 1];
        if (!(relu || bfn__is_product(s)) || r < 0 || s->out == e->output || c->last_reader[r] != (int)i ||
            (!relu && r == s->node.in[0]) || e->net->nodes[r].kind == BFN__OP_INPUT)
            continue;
        s->in_place = true;
        c->storage[s->out] = c->storage[r];
    }
}

/* Steps in the order of backward: who writes a gradient first, who adds, and who need not copy at all. */
static void share_gradients(compile *c, int *seen)
{
    bfn__exec *e = c->e;
    memset(seen, 0, e->net->n_nodes * sizeof *seen);
    for (size_t i = e->n_steps; i-- > 0;) {
        bfn__step *s = &e->steps[i];
        bool product = bfn__is_product(s);
        for (int turn = 0; turn < BFN__MAX_IN; turn++) { /* products: what they add first */
            int k = product ? (turn + 1) % BFN__MAX_IN : turn, in = s->node.in[k];
            if (in < 0)
                continue;
            s->add_in[k] = seen[in] != 0;
            bool passes = (product && k == 1 && in != s->node.in[0]) || (s->node.kind == BFN__OP_ADD && k == 0) ||
                          s->node.kind == BFN__OP_ADD_POSITION;
            if (s->node.kind == BFN__OP_DROPOUT && s->same_in[0]) {
                c->grad_storage[in] = c->grad_storage[s->out];
            } else if (passes && !seen[in] && e->net->nodes[in].rows == s->node.rows) {
                s->same_in[k] = true;
                c->grad_storage[in] = c->grad_storage[s->out];
            }
            seen[in] = 1;
        }
        if (s->node.kind == BFN__OP_ATTENTION && s->add_in[0])
            e->status = bfn__fail(e->ctx, BFN_ERR_INTERNAL, "attention: its q|k|v has other readers");
    }
}

/* Dropout works in place on what a normalisation wrote: backward computes that again from the normalisation's input. */
static void share_dropout(compile *c)
{
    bfn__exec *e = c->e;
    for (size_t i = 0; i < e->n_steps; i++) {
        bfn__step *s = &e->steps[i];
        int in = s->node.in[0];
        if (s->node.kind != BFN__OP_DROPOUT || s->out == e->output || c->readers[in] != 1 || c->maker[in] == NONE ||
            e->steps[c->maker[in]].node.kind != BFN__OP_GROUPNORM)
            continue;
        s->same_in[0] = true;
        c->storage[s->out] = in;
    }
}

static void extend(size_t *first, size_t *last, size_t from, size_t to)
{
    *first = from < *first ? from : *first;
    *last = to > *last ? to : *last;
}

/* The buffer of the values that use the memory of value v (gradients: of its gradient). */
static void place(compile *c, size_t v, bool gradient)
{
    bfn__exec *e = c->e;
    const int *storage = gradient ? c->grad_storage : c->storage;
    if (storage[v] != (int)v)
        return;
    size_t first = SIZE_MAX, last = 0, end = bfn__exec_times(e) - 1;
    for (size_t i = 0; i < e->net->n_nodes; i++) {
        if (storage[i] != (int)v || c->maker[i] == NONE)
            continue;
        size_t made = (size_t)c->maker[i], read = c->last_reader[i] == NONE ? made : (size_t)c->last_reader[i];
        if (gradient)
            extend(&first, &last, (int)i == e->output ? e->n_steps : end - read, end - made);
        else
            extend(&first, &last, made, e->options.training ? end - made : read);
    }
    bfn__value *value = &e->values[v];
    if (first == SIZE_MAX)
        return;
    size_t ld = bfn__row_stride(value->cols), floats;
    if (!bfn__size_mul(e->options.batch, value->rows, &floats) || !bfn__size_mul(floats, ld, &floats)) {
        e->status = bfn__fail(e->ctx, BFN_ERR_MEMORY, "batch: %zu: the network's buffers do not fit in memory",
                              e->options.batch);
        return;
    }
    bfn__exec_buffer(e, floats, first, last, gradient ? &value->grad : &value->data);
}

static void plan_values(compile *c)
{
    bfn__exec *e = c->e;
    const bfn__net *net = e->net;
    for (size_t i = 0; i < net->n_nodes; i++) {
        bfn__value *v = &e->values[i];
        v->rows = net->nodes[i].rows;
        v->cols = net->nodes[i].cols;
        bool callers = net->nodes[i].kind == BFN__OP_INPUT || (int)i == e->output;
        v->ld = callers || e->dnnl != NULL ? v->cols : bfn__row_stride(v->cols);
        v->grad_ld = bfn__row_stride(v->cols);
        if (net->nodes[i].kind == BFN__OP_INPUT)
            e->input = (int)i;
    }
    for (size_t i = 0; i < e->n_steps; i++) /* values before an activation are made by the same step */
        if (e->steps[i].pre >= 0)
            c->maker[e->steps[i].pre] = (int)i;
    for (size_t i = 0; i < net->n_nodes; i++) {
        if ((int)i != e->input && (int)i != e->output)
            place(c, i, false);
        if (e->options.training && c->absorbed_by[i] == NONE)
            place(c, i, true);
    }
}

static bfn_status make_arena(compile *c)
{
    bfn__exec *e = c->e;
    if (e->status != BFN_OK)
        return e->status;
    bfn_status status = bfn__plan_buffers(e->ctx, e->buffers, e->n_buffers, &e->arena_floats);
    if (status != BFN_OK)
        return status;
    e->arena = bfn__calloc(e->ctx, e->arena_floats, sizeof *e->arena);
    e->scratch = bfn__calloc(e->ctx, e->scratch_floats * (size_t)e->n_threads, sizeof *e->scratch);
    if (e->arena == NULL || e->scratch == NULL)
        return BFN_ERR_MEMORY;
    for (size_t i = 0; i < e->n_buffers; i++)
        *e->owners[i] = e->arena + e->buffers[i].offset;
    for (size_t i = 0; i < e->net->n_nodes; i++) {
        e->values[i].data = e->values[c->storage[i]].data;
        e->values[i].grad = e->values[c->grad_storage[i]].grad;
    }
    return BFN_OK;
}

/* Precision, and whether oneDNN's packed weights are tried: for inference in bf16 or on AVX-512. */
static bfn_status choose_precision(bfn__exec *e)
{
    bool avx512 = strncmp(bfn__cpu_path(), "avx512", 6) == 0, has_bf16 = strcmp(bfn__cpu_path(), "avx512_bf16") == 0;
    bool wants_bf16 = e->options.precision == BFN__BF16 && !e->options.training;
    e->precision = wants_bf16 && (has_bf16 || e->options.emulate_bf16) ? BFN__BF16 : BFN__F32;
    bool emulated = e->precision == BFN__BF16 && e->options.emulate_bf16;
    if (e->options.training || emulated || !(avx512 || e->options.packed))
        return BFN_OK;
    return bfn__dnnl_create(e->ctx, &e->dnnl, e->n_threads);
}

static bool prepare_product(bfn__exec *e, bfn__step *s)
{
    if (s->node.kind == BFN__OP_CONV)
        return bfn__conv_prepare(e, s);
    return s->node.kind != BFN__OP_LINEAR || bfn__linear_prepare(e, s);
}

/* How each product is made. Where oneDNN lacks one in bf16, the whole network takes f32. */
static void choose_products(bfn__exec *e)
{
    bool all = true;
    for (size_t i = 0; i < e->n_steps; i++)
        all = prepare_product(e, &e->steps[i]) && all;
    if (all)
        return;
    e->precision = BFN__F32;
    for (size_t i = 0; i < e->n_steps; i++)
        (void)prepare_product(e, &e->steps[i]);
}

static bool can_train(bfn__exec *e)
{
    for (size_t i = 0; e->options.training && i < e->n_steps; i++) {
        const bfn__op *op = &bfn__ops[e->steps[i].node.kind];
        if (op->backward == NULL) {
            e->status = bfn__fail(e->ctx, BFN_ERR_ARGUMENT,
                                  "network \"%s\": cannot be trained: its operation \"%s\" is for inference only",
                                  e->net->class_name, op->name);
            return false;
        }
    }
    return true;
}

static bfn_status compile_all(bfn__exec *e)
{
    size_t n = e->net->n_nodes;
    e->steps = bfn__calloc(e->ctx, n, sizeof *e->steps);
    e->values = bfn__calloc(e->ctx, n, sizeof *e->values);
    compile c = {0};
    if (bfn__room_for_threads(e->ctx) != BFN_OK)
        return BFN_ERR_MEMORY;
    if (e->steps == NULL || e->values == NULL || !compile_create(&c, e))
        return BFN_ERR_MEMORY;
    fuse(&c);
    if (!can_train(e)) {
        bfn__free(e->ctx, c.readers);
        return BFN_ERR_ARGUMENT;
    }
    share_values(&c);
    if (e->options.training) {
        share_dropout(&c);
        share_gradients(&c, c.readers);
    }
    bfn_status status = choose_precision(e);
    plan_values(&c);
    choose_products(e);
    if (bfn__dnnl_no_memory(e->dnnl))
        status = BFN_ERR_MEMORY;
    for (size_t i = 0; status == BFN_OK && i < e->n_steps; i++)
        if (bfn__ops[e->steps[i].node.kind].plan != NULL)
            bfn__ops[e->steps[i].node.kind].plan(e, &e->steps[i], i);
    if (status == BFN_OK)
        status = make_arena(&c);
    if (status == BFN_OK)
        status = bfn__room_for_threads(e->ctx); /* it is still there */
    bfn__free(e->ctx, c.readers);
    bfn__free(e->ctx, e->buffers);
    bfn__free(e->ctx, e->owners);
    e->buffers = NULL;
    e->owners = NULL;
    return status;
}

/* Rows a thread that a network wants at once: a transformer's weights are used from the caches by few rows already; the filters of a U-Net are
 * hundreds of megabytes when transformed, so that each pass over them must serve many pixels. */
static size_t rows_at_once(const bfn__net *net)
{
    for (size_t i = 0; i < net->n_nodes; i++)
        if (net->nodes[i].kind == BFN__OP_CONV)
            return BFN__PIECE_PIXELS;
    return BFN__PIECE_ROWS;
}

/* Rows of a sample where there are most: a classifier ends in one. */
static size_t largest_rows(const bfn__net *net)
{
    size_t rows = 1;
    for (size_t i = 0; i < net->n_nodes; i++)
        rows = net->nodes[i].rows > rows ? net->nodes[i].rows : rows;
    return rows;
}

/* Inference takes a batch piece by piece through all steps: just enough rows to keep every thread busy, so that what one step writes
 * is still in cache when the next one reads it (and little memory is needed). No output depends on it. */
static size_t samples_at_once(const bfn__exec *e)
{
    size_t rows = largest_rows(e->net), each = (rows_at_once(e->net) + rows - 1) / rows;
    size_t samples = each * (size_t)e->n_threads;
    return e->options.training || samples > e->max_batch ? e->max_batch : samples;
}

bfn_status bfn__exec_create(bfn_context *ctx, bfn__exec **out, const bfn__net *net, const bfn__exec_options *options)
{
    *out = NULL;
    if (options->batch < 1 || options->batch > 1u << 20)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "batch: %zu: must be 1 to %u", options->batch, 1u << 20);
    bfn__exec *e = bfn__calloc(ctx, 1, sizeof *e);
    if (e == NULL)
        return BFN_ERR_MEMORY;
    e->ctx = ctx;
    e->net = net;
    e->options = *options;
    e->max_batch = options->batch;
    e->k = bfn__kernels_get();
    e->n_threads = bfn__n_threads(ctx);
    e->options.batch = samples_at_once(e);
    e->input = NONE;
    bfn_status status = compile_all(e);
    if (status != BFN_OK) {
        bfn__exec_destroy(e);
        return status;
    }
    *out = e;
    return BFN_OK;
}

void bfn__exec_destroy(bfn__exec *e)
{
    if (e == NULL)
        return;
    bfn_context *ctx = e->ctx;
    for (size_t i = 0; e->steps != NULL && i < e->n_steps; i++)
        bfn__free(ctx, e->steps[i].weights);
    bfn__dnnl_destroy(e->dnnl);
    bfn__free(ctx, e->steps);
    bfn__free(ctx, e->values);
    bfn__free(ctx, e->arena);
    bfn__free(ctx, e->scratch);
    bfn__free(ctx, e->buffers);
    bfn__free(ctx, e->owners);
    bfn__free(ctx, e);
}

bfn__precision bfn__exec_precision(const bfn__exec *e)
{
    return e->precision;
}

size_t bfn__exec_bytes(const bfn__exec *e)
{
    return sizeof *e + e->net->n_nodes * (sizeof *e->steps + sizeof *e->values) +
           (e->arena_floats + e->scratch_floats * (size_t)e->n_threads) * sizeof(float);
}

/* ---- running ---- */

static bfn_status run_status(bfn__exec *e)
{
    if (!e->failed)
        return BFN_OK;
    e->failed = false;
    return bfn__fail(e->ctx, BFN_ERR_MEMORY,
                     "oneDNN had no memory for a product: take a smaller batch or fewer threads");
}

bfn_status bfn__exec_set_params(bfn__exec *e, const float *params)
{
    e->params = params;
    e->n_forward = 0;
    for (size_t i = 0; i < e->n_steps; i++)
        if (bfn__ops[e->steps[i].node.kind].set_params != NULL)
            bfn__ops[e->steps[i].node.kind].set_params(e, &e->steps[i]);
    return run_status(e);
}

void bfn__exec_set_dropout(bfn__exec *e, uint64_t seed, uint64_t step)
{
    e->drops = true;
    e->dropout_seed = seed;
    e->dropout_step = step;
}

void bfn__exec_no_dropout(bfn__exec *e)
{
    e->drops = false;
}

void bfn__exec_set_labels(bfn__exec *e, const int32_t *labels)
{
    e->labels = labels;
}

static void run_piece(bfn__exec *e, size_t n, const float *shown, const double *t, float *out)
{
    if (e->input >= 0) {
        union {
            const float *given;
            float *kept;
        } shown_memory = {shown}; /* values of kind INPUT are only read */
        e->values[e->input].data = shown_memory.kept;
    }
    e->values[e->output].data = out;
    e->t = t;
    for (size_t i = 0; i < e->n_steps; i++)
        bfn__ops[e->steps[i].node.kind].forward(e, &e->steps[i], n);
}

bfn_status bfn__exec_forward(bfn__exec *e, size_t n, const float *shown, const double *t, float *out)
{
    if (e->params == NULL || n < 1 || n > e->max_batch)
        return bfn__fail(e->ctx, BFN_ERR_INTERNAL, "forward of %zu samples: compiled for 1 to %zu%s", n, e->max_batch,
                         e->params == NULL ? ", and no parameters were set" : "");
    size_t in_size = bfn__net_shown_size(e->net), out_size = bfn__net_output_size(e->net), each = e->options.batch;
    for (size_t i = 0; i < n; i += each) {
        e->first = i;
        run_piece(e, n - i < each ? n - i : each, shown + i * in_size, t + i, out + i * out_size);
    }
    e->n_forward = n;
    return run_status(e);
}

bfn_status bfn__exec_backward(bfn__exec *e, size_t n, const float *d_out, float *grads, float *d_shown)
{
    if (!e->options.training || n != e->n_forward)
        return bfn__fail(e->ctx, BFN_ERR_INTERNAL, "backward of %zu samples: %s", n,
                         e->options.training ? "it must follow a forward of as many" : "compiled for inference");
    const bfn__value *y = &e->values[e->output];
    for (size_t r = 0; r < n * y->rows; r++)
        memcpy(y->grad + r * y->grad_ld, d_out + r * y->cols, y->cols * sizeof *d_out);
    e->want_shown = d_shown != NULL;
    for (size_t i = e->n_steps; i-- > 0;)
        bfn__ops[e->steps[i].node.kind].backward(e, &e->steps[i], n, grads);
    if (d_shown != NULL && e->input >= 0) {
        const bfn__value *x = &e->values[e->input];
        for (size_t r = 0; r < n * x->rows; r++)
            memcpy(d_shown + r * x->cols, x->grad + r * x->grad_ld, x->cols * sizeof *d_shown);
    }
    return run_status(e);
}

double bfn__net_flops(const bfn__net *net)
{
    double products = 0.0;
    for (size_t i = 0; i < net->n_nodes; i++)
        products += bfn__ops[net->nodes[i].kind].products(net, &net->nodes[i]);
    return 2.0 * products;
}
