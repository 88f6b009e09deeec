/* bench.c: how fast networks run here (bfn/bench.h).
 *
 * Times are the best of several runs, as the peak is: both then say what the machine does when nothing else disturbs it. One run
 * before the clock starts brings pages and oneDNN's generated code into place.
 */
#include "bfn/bench.h"

#include "nn/graph.h"
#include "nn/parallel.h"
#include "nn/peak.h"

#include <string.h>

bfn_status bfn_bench_peak(bfn_context *ctx, double seconds, bfn_bench_peak_result *result)
{
    if (seconds < 0.0 || seconds > 600.0)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "seconds: %g: must be 0 to 600", seconds);
    double each = seconds > 0.0 ? seconds : 0.5;
    *result = (bfn_bench_peak_result){.n_threads = bfn__n_threads(ctx)};
    result->f32_loop = bfn__peak_of_loop(ctx, bfn__peak_loop_f32(), each);
    result->f32_product = bfn__peak_of_product(ctx, false, each);
    if (result->f32_product < 0.0)
        return BFN_ERR_MEMORY;
    result->f32 = result->f32_loop > result->f32_product ? result->f32_loop : result->f32_product;
    if (bfn__peak_loop_bf16() == NULL)
        return BFN_OK;
    result->bf16_loop = bfn__peak_of_loop(ctx, bfn__peak_loop_bf16(), each);
    result->bf16_product = bfn__peak_of_product(ctx, true, each);
    if (result->bf16_product < 0.0)
        return BFN_ERR_MEMORY;
    result->bf16 = result->bf16_loop > result->bf16_product ? result->bf16_loop : result->bf16_product;
    return BFN_OK;
}

enum { PARAMS, GRADS, MOMENT_1, MOMENT_2, AVERAGE, N_ARENAS };

typedef struct bench {
    bfn_context *ctx;
    bfn__net *net;
    bfn__exec *exec;
    size_t batch, n_in, n_out, arena;
    bool training;
    float *arenas[N_ARENAS], *shown, *out, *d_out;
    double *t;
    uint64_t step;
} bench;

static void bench_destroy(bench *b)
{
    bfn__exec_destroy(b->exec);
    bfn__net_destroy(b->net);
    for (int i = 0; i < N_ARENAS; i++)
        bfn__free(b->ctx, b->arenas[i]);
    bfn__free(b->ctx, b->shown);
    bfn__free(b->ctx, b->out);
    bfn__free(b->ctx, b->d_out);
    bfn__free(b->ctx, b->t);
}

static bfn_status build_network(bench *b, const bfn_bench_options *o)
{
    const bfn__option text[] = {{"n_layer", (double)o->n_layer},
                                {"n_head", (double)o->n_head},
                                {"n_embd", (double)o->n_embd},
                                {"seq_len", (double)o->seq_len},
                                {"vocab_size", (double)o->vocab_size}};
    const bfn__option images[] = {{"n_blocks", (double)o->n_blocks},
                                  {"embedding_dim", (double)o->embedding_dim},
                                  {"image_size", (double)o->image_size}};
    const bfn__option *given = o->images != 0 ? images : text;
    size_t n_given = o->images != 0 ? sizeof images / sizeof *images : sizeof text / sizeof *text, n = 0;
    bfn__option used[sizeof text / sizeof *text];
    for (size_t i = 0; i < n_given; i++)
        if (given[i].value != 0.0)
            used[n++] = given[i];
    return bfn__net_create(b->ctx, &b->net, o->images != 0 ? "unet_vdm" : "gpt", used, n);
}

static size_t default_batch(const bfn_bench_options *o)
{
    if (o->training == 0)
        return 8;
    return o->images != 0 ? 16 : 4;
}

static bfn_status bench_create(bench *b, const bfn_bench_options *o)
{
    bfn_status status = build_network(b, o);
    if (status != BFN_OK)
        return status;
    b->training = o->training != 0;
    b->batch = o->batch != 0 ? o->batch : default_batch(o);
    bfn__exec_options e = {
        .batch = b->batch, .precision = o->bf16 != 0 ? BFN__BF16 : BFN__F32, .training = b->training};
    status = bfn__exec_create(b->ctx, &b->exec, b->net, &e);
    if (status != BFN_OK)
        return status;
    b->n_in = b->batch * bfn__net_shown_size(b->net);
    b->n_out = b->batch * bfn__net_output_size(b->net);
    b->arena = bfn__net_arena(b->net);
    b->shown = bfn__calloc(b->ctx, b->n_in, sizeof *b->shown);
    b->out = bfn__calloc(b->ctx, b->n_out, sizeof *b->out);
    b->d_out = bfn__calloc(b->ctx, b->n_out, sizeof *b->d_out);
    b->t = bfn__calloc(b->ctx, b->batch, sizeof *b->t);
    bool all = b->shown != NULL && b->out != NULL && b->d_out != NULL && b->t != NULL;
    for (int i = 0; i < (b->training ? N_ARENAS : 1); i++) {
        b->arenas[i] = bfn__calloc(b->ctx, b->arena, sizeof(float));
        all = all && b->arenas[i] != NULL;
    }
    if (!all)
        return BFN_ERR_MEMORY;
    for (size_t i = 0; i < b->n_in; i++)
        b->shown[i] = (float)(i * 7919 % 1000) / 13500.0f;
    for (size_t i = 0; i < b->n_out; i++)
        b->d_out[i] = (float)(i * 7907 % 1000) / 1e6f - 5e-4f;
    for (size_t i = 0; i < b->batch; i++)
        b->t[i] = ((double)i + 0.5) / (double)b->batch;
    bfn__net_init(b->net, 1, b->arenas[PARAMS]);
    return bfn__exec_set_params(b->exec, b->arenas[PARAMS]);
}

static bfn_status training_step(bench *b)
{
    static const bfn__adamw adamw = {.lr = 1e-6, .beta1 = 0.9, .beta2 = 0.98, .eps = 1e-8, .weight_decay = 0.01};
    float *const *a = b->arenas;
    memset(a[GRADS], 0, b->arena * sizeof(float));
    bfn_status status = bfn__exec_forward(b->exec, b->batch, b->shown, b->t, b->out);
    if (status == BFN_OK)
        status = bfn__exec_backward(b->exec, b->batch, b->d_out, a[GRADS], NULL);
    if (status != BFN_OK)
        return status;
    double norm = bfn__grad_norm(b->ctx, b->net, a[GRADS]);
    bfn__adamw_step(b->ctx, b->net, &adamw, ++b->step, norm > 1.0 ? 1.0 / norm : 1.0, a[GRADS], a[PARAMS], a[MOMENT_1],
                    a[MOMENT_2]);
    bfn__ema_update(b->ctx, b->net, 0.999, a[PARAMS], a[AVERAGE]);
    return bfn__exec_set_params(b->exec, a[PARAMS]);
}

static bfn_status run_once(bench *b)
{
    return b->training ? training_step(b) : bfn__exec_forward(b->exec, b->batch, b->shown, b->t, b->out);
}

static bfn_status measure(bench *b, double seconds, bfn_bench_result *result)
{
    bfn_status status = run_once(b);
    double start = bfn__seconds(), now = start;
    while (status == BFN_OK && (result->n_runs < 2 || now - start < seconds)) {
        double begin = now;
        status = run_once(b);
        now = bfn__seconds();
        if (result->n_runs == 0 || now - begin < result->seconds_best)
            result->seconds_best = now - begin;
        result->n_runs++;
    }
    result->seconds_mean = (now - start) / (double)(result->n_runs > 0 ? result->n_runs : 1);
    return status;
}

bfn_status bfn_bench_network(bfn_context *ctx, const bfn_bench_options *options, bfn_bench_result *result)
{
    *result = (bfn_bench_result){0};
    if (options->struct_size != sizeof *options)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "struct_size: %zu: must be %zu", options->struct_size, sizeof *options);
    if (options->seconds < 0.0 || options->seconds > 3600.0)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "seconds: %g: must be 0 to 3600", options->seconds);
    bench b = {.ctx = ctx};
    bfn_status status = bench_create(&b, options);
    if (status == BFN_OK)
        status = measure(&b, options->seconds > 0.0 ? options->seconds : 5.0, result);
    if (status == BFN_OK) {
        double samples = (double)b.batch / result->seconds_best;
        result->flops = bfn__net_flops(b.net) * (double)b.batch * (b.training ? 3.0 : 1.0);
        result->flops_per_second = result->flops / result->seconds_best;
        result->samples_per_second = samples;
        result->tokens_per_second = samples * (double)bfn__net_positions(b.net);
        for (size_t i = 0; i < bfn__net_n_params(b.net); i++)
            result->n_parameters += bfn__net_param(b.net, i)->trained ? bfn__net_param(b.net, i)->count : 0;
        result->bytes = bfn__exec_bytes(b.exec) + (b.training ? N_ARENAS : 1) * b.arena * sizeof(float);
        result->bf16 = bfn__exec_precision(b.exec) == BFN__BF16;
    }
    bench_destroy(&b);
    return status;
}

/* ---- memory ---- */

enum { NORM_SAMPLES = 96, NORM_SIDE = 32, NORM_CHANNELS = 128, COPY_FLOATS = 1 << 16 };

typedef struct memory_bench {
    bfn_context *ctx;
    bfn__net *net;
    bfn__exec *exec;
    float *params, *x, *y;
    double t[NORM_SAMPLES];
    size_t floats;
} memory_bench;

static void copy_piece(void *arg, size_t i, int thread)
{
    (void)thread;
    const memory_bench *m = arg;
    memcpy(m->y + i * COPY_FLOATS, m->x + i * COPY_FLOATS, COPY_FLOATS * sizeof *m->y);
}

static bfn_status copy_all(memory_bench *m)
{
    bfn__loop(bfn__n_threads(m->ctx), m->floats / COPY_FLOATS, copy_piece, m);
    return BFN_OK;
}

static bfn_status normalise_all(memory_bench *m)
{
    return bfn__exec_forward(m->exec, NORM_SAMPLES, m->x, m->t, m->y);
}

static bfn_status memory_create(memory_bench *m)
{
    bfn_status status = bfn__graph_create(m->ctx, &m->net, "bench");
    if (status != BFN_OK)
        return status;
    int x = bfn__graph_image(m->net, NORM_SIDE, NORM_SIDE, NORM_CHANNELS);
    bfn__graph_output(m->net, bfn__graph_groupnorm(m->net, x, "norm", NORM_CHANNELS / 4, -1, true));
    bfn__exec_options o = {.batch = NORM_SAMPLES};
    status = m->net->status == BFN_OK ? bfn__exec_create(m->ctx, &m->exec, m->net, &o) : m->net->status;
    if (status != BFN_OK)
        return status;
    m->floats = NORM_SAMPLES * bfn__net_shown_size(m->net);
    m->params = bfn__calloc(m->ctx, bfn__net_arena(m->net), sizeof *m->params);
    m->x = bfn__calloc(m->ctx, m->floats, sizeof *m->x);
    m->y = bfn__calloc(m->ctx, m->floats, sizeof *m->y);
    if (m->params == NULL || m->x == NULL || m->y == NULL)
        return BFN_ERR_MEMORY;
    for (size_t i = 0; i < m->floats; i++)
        m->x[i] = (float)(i * 7919 % 1000) / 500.0f - 1.0f;
    bfn__net_init(m->net, 1, m->params);
    return bfn__exec_set_params(m->exec, m->params);
}

/* Bytes a second of something that reads all of x and writes all of y: the best of several. */
static bfn_status bytes_a_second(memory_bench *m, bfn_status (*run)(memory_bench *m), double seconds, double *rate)
{
    bfn_status status = run(m);
    double start = bfn__seconds(), now = start, best = 1e9;
    for (int n = 0; status == BFN_OK && (n < 2 || now - start < seconds); n++) {
        double begin = now;
        status = run(m);
        now = bfn__seconds();
        best = now - begin < best ? now - begin : best;
    }
    *rate = 2.0 * (double)m->floats * sizeof(float) / best;
    return status;
}

bfn_status bfn_bench_memory(bfn_context *ctx, double seconds, bfn_bench_memory_result *result)
{
    if (seconds < 0.0 || seconds > 600.0)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "seconds: %g: must be 0 to 600", seconds);
    double each = seconds > 0.0 ? seconds : 0.5;
    memory_bench m = {.ctx = ctx};
    *result = (bfn_bench_memory_result){0};
    bfn_status status = memory_create(&m);
    if (status == BFN_OK)
        status = bytes_a_second(&m, copy_all, each, &result->copy);
    if (status == BFN_OK)
        status = bytes_a_second(&m, normalise_all, each, &result->groupnorm);
    bfn__exec_destroy(m.exec);
    bfn__net_destroy(m.net);
    bfn__free(ctx, m.params);
    bfn__free(ctx, m.x);
    bfn__free(ctx, m.y);
    return status;
}
