/* optim.c: AdamW with decoupled weight decay, the global gradient norm, and the moving average of the parameters.
 *
 *   m = b1 m + (1-b1) g,  v = b2 v + (1-b2) g^2,  p = p (1 - lr wd) - lr / (1-b1^s) * m / (sqrt(v / (1-b2^s)) + eps)
 * at step s, with weight decay wd for the parameters marked `decay` alone. Parameters are cut into pieces of fixed size; the
 * norm sums the pieces in order, in double, so nothing depends on the number of threads.
 */
#include "nn/graph.h"
#include "nn/kernels.h"
#include "nn/parallel.h"

#include <math.h>

enum { PIECE = 1 << 14 };

typedef struct optim_run {
    const bfn__net *net;
    const bfn__kernels *k;
    const bfn__adamw *options;
    double c1, c2, grad_scale, decay;
    const float *in;
    float *params, *m, *v, *out;
    double *partial;
    size_t first;
    const bfn__param *param;
} optim_run;

static size_t pieces(const bfn__param *p)
{
    return (p->count + PIECE - 1) / PIECE;
}

static size_t piece_size(const bfn__param *p, size_t i)
{
    size_t left = p->count - i * PIECE;
    return left < PIECE ? left : PIECE;
}

/* task for every piece of every trained parameter */
static void each_piece(bfn_context *ctx, optim_run *run, void (*task)(void *arg, size_t i, int thread))
{
    for (size_t i = 0; i < run->net->n_params; i++) {
        run->param = &run->net->params[i];
        if (run->param->trained)
            bfn__loop(pieces(run->param) > 1 ? bfn__n_threads(ctx) : 1, pieces(run->param), task, run);
    }
}

static void square_piece(void *arg, size_t i, int thread)
{
    (void)thread;
    const optim_run *r = arg;
    i += r->first;
    r->partial[i - r->first] = r->k->sum_squares(piece_size(r->param, i), r->in + r->param->offset + i * PIECE);
}

double bfn__grad_norm(bfn_context *ctx, const bfn__net *net, const float *grads)
{
    enum { GROUP = 256 };
    double partial[GROUP], sum = 0.0;
    optim_run run = {.net = net, .k = bfn__kernels_get(), .in = grads, .partial = partial};
    for (size_t i = 0; i < net->n_params; i++) {
        run.param = &net->params[i];
        size_t n = run.param->trained ? pieces(run.param) : 0;
        for (run.first = 0; run.first < n; run.first += GROUP) {
            size_t count = n - run.first < GROUP ? n - run.first : GROUP;
            bfn__loop(bfn__n_threads(ctx), count, square_piece, &run);
            for (size_t j = 0; j < count; j++)
                sum += partial[j];
        }
    }
    return sqrt(sum);
}

static void adamw_piece(void *arg, size_t i, int thread)
{
    (void)thread;
    const optim_run *r = arg;
    const bfn__adamw *o = r->options;
    size_t at = r->param->offset + i * PIECE;
    r->k->adamw(piece_size(r->param, i), (float)r->grad_scale, (float)o->beta1, (float)o->beta2, (float)o->eps,
                r->param->decay ? (float)(o->lr * o->weight_decay) : 0.0f, (float)r->c1, (float)r->c2, r->in + at,
                r->params + at, r->m + at, r->v + at);
}

void bfn__adamw_step(bfn_context *ctx, const bfn__net *net, const bfn__adamw *options, uint64_t step, double grad_scale,
                     const float *grads, float *params, float *m, float *v)
{
    double s = (double)step;
    optim_run run = {.net = net,
                     .k = bfn__kernels_get(),
                     .options = options,
                     .grad_scale = grad_scale,
                     .c1 = options->lr / (1.0 - pow(options->beta1, s)),
                     .c2 = 1.0 / (1.0 - pow(options->beta2, s)),
                     .in = grads,
                     .params = params,
                     .m = m,
                     .v = v};
    each_piece(ctx, &run, adamw_piece);
}

static void ema_piece(void *arg, size_t i, int thread)
{
    (void)thread;
    const optim_run *r = arg;
    size_t at = r->param->offset + i * PIECE;
    r->k->ema(piece_size(r->param, i), (float)r->decay, (float)(1.0 - r->decay), r->in + at, r->out + at);
}

void bfn__ema_update(bfn_context *ctx, const bfn__net *net, double decay, const float *params, float *ema)
{
    optim_run run = {.net = net, .k = bfn__kernels_get(), .decay = decay, .in = params, .out = ema};
    each_piece(ctx, &run, ema_piece);
}
