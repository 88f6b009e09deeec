/* op_winograd.c: convolutions of 3 x 3 with stride 1 on tiles of 4 x 4 pixels (winograd.h): a quarter of the direct algorithm's products.
 *
 * Forward: a task is a group of tiles. It transforms their inputs (V), multiplies by the packed filters (U), and transforms the products (M) into
 * the output, where bias, conditioning row and residual are added. V and a block of 64 columns of M stay in the second-level cache; U, larger, comes
 * from the third level once for each group. Groups may cross samples: every tile's sums are the same in any group, so a sample's output does not
 * depend on the batch or the threads. The gradient of the input is the same operation with turned filters.
 * The filters' gradient: tiles by chunks of CHUNK_TILES; a chunk is transformed (tasks: some tiles), then multiplied (tasks: the 36 places), chunk
 * after chunk in order; last, the sums are transformed back (tasks: panels of output channels).
 */
#include "nn/ops.h"
#include "nn/parallel.h"
#include "nn/winograd.h"

#include <string.h>

enum {
    GROUP_FLOATS = 3072,
    MAX_GROUP = 48,
    BLOCK_COLS = 64,
    CHUNK_TILES = 128,
    TASK_TILES = 4,
    PAD = 16, /* floats between places, and behind the rows of a chunk: keeps them off the same cache sets */
    MIN_CHANNELS = 16,
    MIN_PIXELS = 9
};

typedef struct wino_run {
    bfn__exec *e;
    const bfn__step *s;
    const bfn__winograd *k;
    size_t H, W, across, tiles; /* image; tiles in a row, of a sample */
    size_t n, all, group;       /* samples, all tiles, tiles of a task */
    size_t in, out, ld_in, ld_out;
    const float *from, *filters; /* [n * H * W, ldf] */
    size_t ldf;
    float *to;
    size_t ldt;
    bool turned;
    /* filters' gradient */
    size_t first, count; /* tiles of the chunk */
    float *v, *w, *du, *grads;
    size_t ld_v, ld_w, stride_v, stride_w, stride_du;
} wino_run;

static size_t padded(const bfn__winograd *k, size_t channels)
{
    return bfn__ceil_div(channels, k->panel) * k->panel;
}

bool bfn__winograd_suits(const bfn__exec *e, const bfn__step *s)
{
    const bfn__node *node = &s->node;
    size_t tiles = bfn__ceil_div(node->height, 4) * bfn__ceil_div(node->width, 4);
    const bfn__window *w = &node->window;
    bool three = w->height == 3 && w->width == 3 && w->stride == 1 && w->pad_y == 1 && w->pad_x == 1;
    return three && e->values[node->in[0]].cols >= MIN_CHANNELS && node->cols >= MIN_CHANNELS &&
           node->rows >= MIN_PIXELS && 16 * tiles <= 3 * node->rows;
}

/* As many tiles as the cache holds, but not so many that threads have nothing to do: a multiple of what the product takes at once. */
static size_t group_tiles(const wino_run *r)
{
    size_t each = r->k->rows, group = GROUP_FLOATS / r->in / each * each;
    size_t shared = bfn__ceil_div(bfn__ceil_div(r->all, 2 * (size_t)r->e->n_threads), each) * each;
    group = group > MAX_GROUP ? MAX_GROUP : group < 2 * each ? 2 * each : group;
    group = group > shared ? shared : group;
    return group < each ? each : group;
}

static wino_run make_run(bfn__exec *e, const bfn__step *s, size_t n, bool turned)
{
    const bfn__node *node = &s->node;
    const bfn__value *x = &e->values[node->in[0]], *y = &e->values[s->out];
    wino_run r = {.e = e, .s = s, .k = bfn__winograd_get(), .H = node->height, .W = node->width, .n = n};
    r.turned = turned;
    r.across = bfn__ceil_div(r.W, 4);
    r.tiles = bfn__ceil_div(r.H, 4) * r.across;
    r.all = n * r.tiles;
    r.in = turned ? y->cols : x->cols;
    r.out = turned ? x->cols : y->cols;
    r.ld_in = padded(r.k, r.in);
    r.ld_out = padded(r.k, r.out);
    r.from = turned ? y->grad : x->data;
    r.ldf = turned ? y->grad_ld : x->ld;
    r.to = turned ? x->grad : y->data;
    r.ldt = turned ? x->grad_ld : y->ld;
    r.filters = turned ? s->turned : s->packed;
    r.group = group_tiles(&r);
    return r;
}

static size_t packed_floats(const wino_run *r)
{
    return BFN__PLACES * r->in * r->ld_out;
}

/* Where a task's things lie in its scratch. */
typedef struct wino_work {
    float *v, *m, *zeros, *bias;
    size_t stride_v, stride_m;
} wino_work;

static size_t block_cols(const wino_run *r)
{
    return r->ld_out < BLOCK_COLS ? r->ld_out : BLOCK_COLS;
}

static size_t work_floats(const wino_run *r)
{
    return BFN__PLACES * (r->group * (r->ld_in + block_cols(r)) + 2 * PAD) + r->ld_in + r->ld_out;
}

static wino_work get_work(const wino_run *r, int thread)
{
    wino_work w = {.stride_v = r->group * r->ld_in + PAD, .stride_m = r->group * block_cols(r) + PAD};
    w.v = r->e->scratch + (size_t)thread * r->e->scratch_floats;
    w.m = w.v + BFN__PLACES * w.stride_v;
    w.zeros = w.m + BFN__PLACES * w.stride_m;
    w.bias = w.zeros + r->ld_in;
    memset(w.zeros, 0, r->ld_in * sizeof *w.zeros);
    return w;
}

void bfn__winograd_plan(bfn__exec *e, bfn__step *s, size_t now)
{
    size_t end = bfn__exec_times(e) - 1;
    wino_run r = make_run(e, s, e->options.batch, false);
    bfn__exec_scratch(e, work_floats(&r));
    bfn__exec_buffer(e, packed_floats(&r), 0, end, &s->packed);
    if (!e->options.training)
        return;
    wino_run back = make_run(e, s, e->options.batch, true);
    bfn__exec_scratch(e, work_floats(&back));
    bfn__exec_scratch(e, r.ld_in > r.ld_out ? r.ld_in : r.ld_out);
    bfn__exec_buffer(e, packed_floats(&back), 0, end, &s->turned);
    size_t tiles = r.all < CHUNK_TILES ? r.all : CHUNK_TILES;
    size_t chunk = BFN__PLACES * (tiles * (r.ld_in + r.ld_out + 2 * PAD) + 2 * PAD);
    size_t sums = e->options.batch * s->node.cols, du = BFN__PLACES * (r.in * r.ld_out + PAD);
    bfn__exec_buffer(e, sums + chunk + du, end - now, end - now, &s->work);
}

/* ---- weights ---- */

static void pack_panel(void *arg, size_t p, int thread)
{
    (void)thread;
    const wino_run *r = arg;
    size_t out = r->turned ? r->in : r->out, in = r->turned ? r->out : r->in;
    r->k->filters(out, in, bfn__exec_param(r->e, r->s->node.weight), r->turned, p,
                  r->turned ? r->s->turned : r->s->packed);
}

void bfn__winograd_set_params(bfn__exec *e, bfn__step *s)
{
    for (int turned = 0; turned < (s->turned != NULL ? 2 : 1); turned++) {
        wino_run r = make_run(e, s, 1, turned != 0);
        bfn__loop(e->n_threads, r.ld_out / r.k->panel, pack_panel, &r);
    }
}

/* ---- tiles ---- */

/* The rows of side * side pixels whose first is (4 ty - before, 4 tx - before) of the tile; SIZE_MAX: outside of the image. */
static void tile_pixels(const wino_run *r, size_t tile, size_t side, size_t before, size_t *pixels)
{
    size_t sample = tile / r->tiles, y0 = tile % r->tiles / r->across * 4, x0 = tile % r->tiles % r->across * 4;
    for (size_t i = 0; i < side; i++) {
        size_t y = y0 + i - before; /* above the image: wraps to a huge number */
        for (size_t j = 0; j < side; j++) {
            size_t x = x0 + j - before;
            pixels[i * side + j] = y < r->H && x < r->W ? (sample * r->H + y) * r->W + x : SIZE_MAX;
        }
    }
}

static void tile_pointers(const wino_run *r, size_t tile, size_t side, size_t before, const float *from, size_t ld,
                          const float *zeros, const float **to)
{
    size_t pixels[BFN__PLACES];
    tile_pixels(r, tile, side, before, pixels);
    for (size_t i = 0; i < side * side; i++)
        to[i] = pixels[i] == SIZE_MAX ? zeros : from + pixels[i] * ld;
}

/* ---- forward, and the gradient of the input ---- */

/* bias + row of a sample; NULL: neither. */
static const float *sample_bias(const wino_run *r, size_t sample, float *to)
{
    const bfn__exec *e = r->e;
    const bfn__node *node = &r->s->node;
    const float *bias = r->turned ? NULL : bfn__exec_param(e, node->bias);
    if (r->turned || node->in[2] < 0)
        return bias;
    const bfn__value *row = &e->values[node->in[2]];
    e->k->bias_residual(1, r->out, row->data + sample * row->ld, 0, bias, NULL, 0, to, 0);
    return to;
}

/* What is added to each pixel: the residual, or the gradient that is there already. */
static const float *added(const wino_run *r, size_t *ld)
{
    const bfn__step *s = r->s;
    *ld = r->ldt;
    if (r->turned)
        return s->add_in[0] ? r->to : NULL;
    if (s->node.in[1] < 0)
        return NULL;
    const bfn__value *residual = &r->e->values[s->node.in[1]];
    *ld = residual->ld;
    return residual->data;
}

/* Columns first .. of all tiles of the group, from M to the output. */
static void write_block(const wino_run *r, const wino_work *w, size_t tile, size_t count, size_t first, size_t cols)
{
    size_t ldr, pixels[16], sample = SIZE_MAX;
    const float *residual = added(r, &ldr), *bias = NULL;
    for (size_t i = 0; i < count; i++) {
        if ((tile + i) / r->tiles != sample) {
            sample = (tile + i) / r->tiles;
            bias = sample_bias(r, sample, w->bias);
        }
        tile_pixels(r, tile + i, BFN__TILE_OUT, 0, pixels);
        r->k->output(cols, w->m + i * block_cols(r), w->stride_m, pixels, bias != NULL ? bias + first : NULL,
                     residual != NULL ? residual + first : NULL, ldr, r->to + first, r->ldt);
    }
}

static void run_group(void *arg, size_t g, int thread)
{
    const wino_run *r = arg;
    wino_work w = get_work(r, thread);
    size_t tile = g * r->group, count = r->all - tile < r->group ? r->all - tile : r->group, block = block_cols(r);
    const float *pixels[BFN__PLACES];
    for (size_t i = 0; i < count; i++) {
        tile_pointers(r, tile + i, BFN__TILE_IN, 1, r->from, r->ldf, w.zeros, pixels);
        r->k->input(r->in, pixels, w.v + i * r->ld_in, w.stride_v);
    }
    for (size_t first = 0; first < r->out; first += block) {
        size_t cols = r->out - first < block ? r->out - first : block;
        for (size_t xi = 0; xi < BFN__PLACES; xi++) {
            const float *u = r->filters + xi * r->in * r->ld_out;
            const float *next = xi + 1 < BFN__PLACES ? u + r->in * (r->ld_out + first) : NULL;
            r->k->product(count, r->in, w.v + xi * w.stride_v, r->ld_in, u, first / r->k->panel,
                          bfn__ceil_div(cols, r->k->panel), next, w.m + xi * w.stride_m, block);
        }
        write_block(r, &w, tile, count, first, cols);
    }
}

void bfn__winograd_forward(bfn__exec *e, bfn__step *s, size_t n)
{
    wino_run r = make_run(e, s, n, false);
    bfn__loop(e->n_threads, bfn__ceil_div(r.all, r.group), run_group, &r);
}

void bfn__winograd_input_gradient(bfn__exec *e, bfn__step *s, size_t n)
{
    wino_run r = make_run(e, s, n, true);
    bfn__loop(e->n_threads, bfn__ceil_div(r.all, r.group), run_group, &r);
}

/* ---- gradient of the filters ---- */

static void transform_tiles(void *arg, size_t i, int thread)
{
    const wino_run *r = arg;
    const bfn__value *x = &r->e->values[r->s->node.in[0]], *y = &r->e->values[r->s->out];
    float *zeros = r->e->scratch + (size_t)thread * r->e->scratch_floats;
    const float *pixels[BFN__PLACES];
    memset(zeros, 0, (r->ld_in > r->ld_out ? r->ld_in : r->ld_out) * sizeof *zeros);
    for (size_t t = i * TASK_TILES; t < r->count && t < (i + 1) * TASK_TILES; t++) {
        tile_pointers(r, r->first + t, BFN__TILE_IN, 1, x->data, x->ld, zeros, pixels);
        r->k->input(r->in, pixels, r->v + t * r->ld_v, r->stride_v);
        tile_pointers(r, r->first + t, BFN__TILE_OUT, 0, y->grad, y->grad_ld, zeros, pixels);
        r->k->output_gradient(r->out, pixels, r->w + t * r->ld_w, r->stride_w);
    }
}

static void multiply_place(void *arg, size_t xi, int thread)
{
    (void)thread;
    const wino_run *r = arg;
    r->k->filter_product(r->in, r->out, r->count, r->v + xi * r->stride_v, r->ld_v, r->w + xi * r->stride_w, r->ld_w,
                         r->first > 0, r->du + xi * r->stride_du, r->ld_out);
}

static void finish_panel(void *arg, size_t p, int thread)
{
    (void)thread;
    const wino_run *r = arg;
    r->k->filter_gradient(r->out, r->in, p, r->du, r->ld_out, r->stride_du,
                          bfn__exec_grad(r->e, r->grads, r->s->node.weight));
}

void bfn__winograd_filter_gradient(bfn__exec *e, bfn__step *s, size_t n, float *grads)
{
    wino_run r = make_run(e, s, n, false);
    size_t tiles = r.all < CHUNK_TILES ? r.all : CHUNK_TILES;
    r.grads = grads;
    r.ld_v = r.ld_in + PAD;
    r.ld_w = r.ld_out + PAD;
    r.stride_v = tiles * r.ld_v + PAD;
    r.stride_w = tiles * r.ld_w + PAD;
    r.stride_du = r.in * r.ld_out + PAD;
    r.v = s->work + e->options.batch * s->node.cols;
    r.w = r.v + BFN__PLACES * r.stride_v;
    r.du = r.w + BFN__PLACES * r.stride_w;
    for (r.first = 0; r.first < r.all; r.first += CHUNK_TILES) {
        r.count = r.all - r.first < CHUNK_TILES ? r.all - r.first : CHUNK_TILES;
        bfn__loop(e->n_threads, bfn__ceil_div(r.count, TASK_TILES), transform_tiles, &r);
        bfn__loop(e->n_threads, BFN__PLACES, multiply_place, &r);
    }
    bfn__loop(e->n_threads, r.ld_out / r.k->panel, finish_panel, &r);
}
