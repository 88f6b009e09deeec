/* op_attention.c: softmax(q k^T / sqrt(d)) v for each sample and head; heads are blocks of d columns.
 *
 * A task is one (sample, head); it walks over blocks of query rows, as many as leave their scores in the second-level cache: each
 * product packs its right side anew, so few large blocks are better than many small ones. Training keeps the log of
 * each row's sum of exponentials; backward computes the probabilities P again from it (one more product, but T^2 numbers a head
 * need not be kept). With S = scale q k^T, P = softmax(S), O = P v:
 *   dv = P^T dO,  dP = dO v^T,  dS = P (dP - rowsum(P dP)),  dq = scale dS k,  dk = scale dS^T q
 */
#include "nn/dnnl_ops.h"
#include "nn/ops.h"
#include "nn/parallel.h"

#include <math.h>

enum { CACHED_FLOATS = 65536, MIN_BLOCK = 32, MAX_BLOCK = 256 };

/* Query rows at once; training keeps two matrices of scores. A function of T and mode alone, as results must be. */
static size_t block_rows(const bfn__exec *e, size_t T)
{
    size_t rows = CACHED_FLOATS / (e->options.training ? 2 : 1) / T / MIN_BLOCK * MIN_BLOCK;
    return rows < MIN_BLOCK ? MIN_BLOCK : rows > MAX_BLOCK ? MAX_BLOCK : rows;
}

typedef struct attention_run {
    bfn__exec *e;
    const bfn__step *s;
} attention_run;

double bfn__attention_products(const bfn__net *net, const bfn__node *node)
{
    (void)net;
    return 2.0 * (double)node->rows * (double)node->rows * (double)node->cols;
}

void bfn__attention_plan(bfn__exec *e, bfn__step *s, size_t now)
{
    size_t T = s->node.rows, times = bfn__exec_times(e);
    bfn__exec_scratch(e, (e->options.training ? 2 : 1) * block_rows(e, T) * bfn__row_stride(T));
    if (e->options.training)
        bfn__exec_buffer(e, e->options.batch * s->node.heads * T, now, times - 1 - now, &s->saved);
}

/* Column of a head's first query number, and how far its keys lie behind it (and its values behind these). */
static size_t first_column(const bfn__step *s, size_t head, size_t d)
{
    return s->node.heads_first ? 3 * head * d : head * d;
}

static size_t apart(const bfn__step *s, size_t d)
{
    return s->node.heads_first ? d : s->node.cols;
}

static void forward_head(void *arg, size_t i, int thread)
{
    const attention_run *run = arg;
    bfn__exec *e = run->e;
    const bfn__step *s = run->s;
    const bfn__value *qkv = &e->values[s->node.in[0]], *y = &e->values[s->out];
    size_t T = y->rows, d = y->cols / s->node.heads, lds = bfn__row_stride(T);
    size_t sample = i / s->node.heads, head = i % s->node.heads;
    const float *q = qkv->data + sample * T * qkv->ld + first_column(s, head, d), *k = q + apart(s, d),
                *v = k + apart(s, d);
    float *out = y->data + sample * T * y->ld + head * d;
    float *scores = e->scratch + (size_t)thread * e->scratch_floats;
    float scale = (float)(1.0 / sqrt((double)d));
    size_t block = block_rows(e, T);
    for (size_t row = 0; row < T; row += block) {
        size_t rows = T - row < block ? T - row : block;
        size_t keys = s->node.causal ? row + rows : T;
        bool ok = bfn__gemm(false, true, rows, keys, d, q + row * qkv->ld, qkv->ld, k, qkv->ld, 0.0f, scores, lds);
        e->k->softmax(rows, keys, scale, s->node.causal, row, scores, lds,
                      s->saved != NULL ? s->saved + i * T + row : NULL);
        ok = ok && bfn__gemm(false, false, rows, d, keys, scores, lds, v, qkv->ld, 0.0f, out + row * y->ld, y->ld);
        if (!ok)
            bfn__exec_fail(e);
    }
}

void bfn__attention_forward(bfn__exec *e, bfn__step *s, size_t n)
{
    attention_run run = {e, s};
    bfn__loop(e->n_threads, n * s->node.heads, forward_head, &run);
}

static void backward_head(void *arg, size_t i, int thread)
{
    const attention_run *run = arg;
    bfn__exec *e = run->e;
    const bfn__step *s = run->s;
    const bfn__value *qkv = &e->values[s->node.in[0]], *y = &e->values[s->out];
    size_t T = y->rows, d = y->cols / s->node.heads, lds = bfn__row_stride(T), ld = qkv->ld, ldg = qkv->grad_ld;
    size_t sample = i / s->node.heads, head = i % s->node.heads;
    const float *q = qkv->data + sample * T * ld + first_column(s, head, d), *k = q + apart(s, d), *v = k + apart(s, d);
    const float *dout = y->grad + sample * T * y->grad_ld + head * d;
    float *dq = qkv->grad + sample * T * ldg + first_column(s, head, d), *dk = dq + apart(s, d), *dv = dk + apart(s, d);
    float *p = e->scratch + (size_t)thread * e->scratch_floats, *dp = p + block_rows(e, T) * lds;
    float scale = (float)(1.0 / sqrt((double)d));
    size_t block = block_rows(e, T);
    for (size_t row = 0; row < T; row += block) {
        size_t rows = T - row < block ? T - row : block;
        const float *qr = q + row * ld, *dor = dout + row * y->grad_ld;
        float beta = row > 0 ? 1.0f : 0.0f;
        bool ok = bfn__gemm(false, true, rows, T, d, qr, ld, k, ld, 0.0f, p, lds);
        e->k->softmax_again(rows, T, scale, s->node.causal, row, p, lds, s->saved + i * T + row);
        ok = ok && bfn__gemm(true, false, T, d, rows, p, lds, dor, y->grad_ld, beta, dv, ldg);
        ok = ok && bfn__gemm(false, true, rows, T, d, dor, y->grad_ld, v, ld, 0.0f, dp, lds);
        e->k->softmax_backward(rows, T, scale, p, lds, dp, lds);
        ok = ok && bfn__gemm(false, false, rows, d, T, dp, lds, k, ld, 0.0f, dq + row * ldg, ldg);
        ok = ok && bfn__gemm(true, false, T, d, rows, dp, lds, qr, ld, beta, dk, ldg);
        if (!ok)
            bfn__exec_fail(e);
    }
}

void bfn__attention_backward(bfn__exec *e, bfn__step *s, size_t n, float *grads)
{
    (void)grads;
    attention_run run = {e, s};
    bfn__loop(e->n_threads, n * s->node.heads, backward_head, &run);
}
