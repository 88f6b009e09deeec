/* ode_network.c: the trace of d prediction / d state of a network.
 *
 *   Hutchinson   E[v^T J v] = tr J for independent signs v: one backward pass a vector, unbiased, and with the same v along the path its error
 *                is that of one integral, not of every step
 *   exact        v = each unit vector in turn
 *   posterior    sum_d (1 - |e_d|^2), the trace of the posterior's covariance of the one-hots: J itself for the ideal network (SPEC 1.4),
 *                not for another
 * v^T J comes by the chain of flow/vjp.h around the network's backward pass. All products at a point share one forward pass.
 */
#include "eval/ode_network.h"

#include "base/random.h"
#include "flow/vjp.h"

#include <string.h>

struct bfn__network_field {
    bfn_context *ctx;
    const bfn_flow *flow;
    size_t D, size, batch, n_probes, n_evaluations;
    bfn_trace trace;
    uint64_t seed;
    bfn__network network;
    double *t;                 /* [batch] */
    float *state, *prediction; /* [batch,size] */
    float *shown, *d_shown;    /* [batch, D, shown width] */
    float *out, *d_out;        /* [batch, D, output width] */
    float *v;                  /* [batch,size] */
    double *product;           /* [batch,size] */
};

typedef struct probe_job {
    bfn__network_field *field;
    size_t first, probe;
    double t;
    double *trace;
} probe_job;

static bool allocate(bfn__network_field *f)
{
    size_t shown = f->D * bfn_flow_shown_width(f->flow), out = f->D * bfn_flow_output_width(f->flow);
    f->t = bfn__calloc(f->ctx, f->batch, sizeof *f->t);
    f->state = bfn__calloc(f->ctx, f->batch * f->size, sizeof *f->state);
    f->prediction = bfn__calloc(f->ctx, f->batch * f->size, sizeof *f->prediction);
    f->v = bfn__calloc(f->ctx, f->batch * f->size, sizeof *f->v);
    f->product = bfn__calloc(f->ctx, f->batch * f->size, sizeof *f->product);
    f->shown = bfn__calloc(f->ctx, f->batch * shown, sizeof *f->shown);
    f->d_shown = bfn__calloc(f->ctx, f->batch * shown, sizeof *f->d_shown);
    f->out = bfn__calloc(f->ctx, f->batch * out, sizeof *f->out);
    f->d_out = bfn__calloc(f->ctx, f->batch * out, sizeof *f->d_out);
    return f->t && f->state && f->prediction && f->v && f->product && f->shown && f->d_shown && f->out && f->d_out;
}

bfn_status bfn__network_field_create(bfn_context *ctx, bfn__network_field **out, const bfn_flow *flow, size_t D,
                                     size_t batch, bfn_trace trace, size_t n_probes, uint64_t seed,
                                     const bfn__network *network)
{
    *out = NULL;
    if (trace == BFN_TRACE_POSTERIOR && flow->kind != BFN_DATA_DISCRETE)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "trace: posterior: is for discrete data, needs hutchinson or exact");
    bfn__network_field *f = bfn__calloc(ctx, 1, sizeof *f);
    if (f == NULL)
        return BFN_ERR_MEMORY;
    f->ctx = ctx;
    f->flow = flow;
    f->D = D;
    f->size = D * bfn_flow_state_width(flow);
    f->batch = batch;
    f->trace = trace;
    f->n_probes = trace == BFN_TRACE_EXACT ? f->size : trace == BFN_TRACE_POSTERIOR ? 0 : n_probes;
    f->seed = seed;
    f->network = *network;
    if (!allocate(f)) {
        bfn__network_field_destroy(f);
        return BFN_ERR_MEMORY;
    }
    *out = f;
    return BFN_OK;
}

void bfn__network_field_destroy(bfn__network_field *f)
{
    if (f == NULL)
        return;
    void *blocks[] = {f->t, f->state, f->prediction, f->v, f->product, f->shown, f->d_shown, f->out, f->d_out};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        bfn__free(f->ctx, blocks[i]);
    bfn__free(f->ctx, f);
}

size_t bfn__network_field_evaluations(const bfn__network_field *f)
{
    return f->n_evaluations;
}

static bfn_status forward(bfn__network_field *f, size_t first, size_t n)
{
    f->n_evaluations += n;
    return (bfn_status)f->network.forward(f->network.user, first, n, f->t, f->shown, f->out);
}

/* Signs, or the unit vector number `probe`. */
static void draw_probe(const bfn__network_field *f, size_t sample, size_t probe, float *v)
{
    if (f->trace == BFN_TRACE_EXACT) {
        memset(v, 0, f->size * sizeof *v);
        v[probe] = 1.0f;
        return;
    }
    uint32_t words[8];
    for (size_t i = 0; i < f->size; i++) {
        if (i % 256 == 0) {
            size_t left = (f->size - i + 31) / 32;
            bfn__random_words(f->seed, sample, bfn__draw(probe + 1, BFN__DRAW_CATEGORY), i / 32, left < 8 ? left : 8,
                              words);
        }
        v[i] = words[i % 256 / 32] >> (i % 32) & 1 ? 1.0f : -1.0f;
    }
}

static void begin_probe(void *arg, size_t i)
{
    const probe_job *job = arg;
    bfn__network_field *f = job->field;
    float *v = f->v + i * f->size;
    draw_probe(f, job->first + i, job->probe, v);
    bfn__predict_vjp(f->flow, f->D, f->state + i * f->size, job->t, f->out + i * f->D * bfn_flow_output_width(f->flow),
                     v, f->d_out + i * f->D * bfn_flow_output_width(f->flow), f->product + i * f->size);
}

static void end_probe(void *arg, size_t i)
{
    const probe_job *job = arg;
    bfn__network_field *f = job->field;
    double *product = f->product + i * f->size, sum = 0.0;
    bfn__show_vjp(f->flow, f->D, f->state + i * f->size, f->d_shown + i * f->D * bfn_flow_shown_width(f->flow),
                  product);
    for (size_t k = 0; k < f->size; k++)
        sum += product[k] * (double)f->v[i * f->size + k];
    job->trace[i] += f->trace == BFN_TRACE_EXACT ? sum : sum / (double)f->n_probes;
}

static void posterior_trace(const bfn__network_field *f, size_t n, double *trace)
{
    for (size_t i = 0; i < n; i++) {
        trace[i] = (double)f->D;
        for (size_t k = 0; k < f->size; k++)
            trace[i] -= (double)f->prediction[i * f->size + k] * (double)f->prediction[i * f->size + k];
    }
}

bfn_status bfn__network_field_evaluate(void *field, size_t first, size_t n, double t, const double *state,
                                       double *prediction, double *trace)
{
    bfn__network_field *f = field;
    for (size_t i = 0; i < n * f->size; i++)
        f->state[i] = (float)state[i];
    for (size_t i = 0; i < n; i++) {
        f->t[i] = t;
        trace[i] = 0.0;
    }
    bfn_flow_show(f->flow, n, f->D, f->state, f->shown);
    bfn_status status = forward(f, first, n);
    if (status != BFN_OK)
        return status;
    bfn_flow_predict(f->flow, n, f->D, f->state, f->t, f->out, f->prediction);
    for (size_t i = 0; i < n * f->size; i++)
        prediction[i] = (double)f->prediction[i];
    if (f->trace == BFN_TRACE_POSTERIOR)
        posterior_trace(f, n, trace);
    for (size_t probe = 0; probe < f->n_probes; probe++) {
        probe_job job = {f, first, probe, t, trace};
        bfn__parallel(f->ctx, n, begin_probe, &job);
        status = (bfn_status)f->network.backward(f->network.user, n, f->d_out, f->d_shown);
        if (status != BFN_OK)
            return status;
        bfn__parallel(f->ctx, n, end_probe, &job);
    }
    return BFN_OK;
}
