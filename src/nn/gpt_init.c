/* gpt_init.c: a start that spares a small transformer its slowest lesson (option scaled_init).
 *
 * Text under noise is read from its neighbours, and finding them through random attention takes a small network thousands of
 * steps. Here it starts with them:
 *  - the embedding's bias puts the prior theta = 1/V at zero, so that what is known, not the constant, sets the scale;
 *  - with learned positions, the first E/n_head channels hold pairs sin(w_i p), cos(w_i p), and nothing else;
 *  - head h of every layer asks for offset o_h = -1, 1, -2, 2, ...: its query turns each pair by w_i o_h, its key takes it as it is, so
 *    that q.k = sum_i cos(w_i (p + o_h - p')) is largest at p' = p + o_h.
 * All of it is a start only: every number is trained. What it saved is in docs/SPEED.md.
 */
#include "nn/gpt_init.h"

#include "nn/graph.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const float random_part = 0.2f; /* what stays of the random queries and keys */

/* The embedding of theta = 1/V, shown as 2/V - 1 in every channel, becomes zero. */
static void centre_input(const bfn__net *net, float *params)
{
    const bfn__param *weight = bfn__net_find(net, "input_adapter.inp_embedding.weight");
    const bfn__param *bias = bfn__net_find(net, "input_adapter.inp_embedding.bias");
    size_t E = weight->shape[0], V = weight->shape[1];
    for (size_t e = 0; e < E; e++) {
        double sum = 0.0;
        for (size_t v = 0; v < V; v++)
            sum += (double)params[weight->offset + e * V + v];
        params[bias->offset + e] = (float)((1.0 - 2.0 / (double)V) * sum);
    }
}

/* Pair i of n, geometric from 2 (a third of a turn a position) to one turn in T. */
static double frequency(size_t i, size_t n, size_t T)
{
    double high = 2.0, low = 2.0 * M_PI / (double)T;
    return high * pow(low / high, n > 1 ? (double)i / (double)(n - 1) : 0.0);
}

/* Channels 0 .. 2n-1 of the embeddings: positions alone. */
static void write_positions(const bfn__net *net, const bfn__param *position, size_t n, float *params)
{
    static const char *const others[] = {"input_adapter.inp_embedding.weight", "input_adapter.inp_embedding.bias",
                                         "input_adapter.t_embedding.weight"};
    size_t T = position->shape[0], E = position->shape[1];
    for (size_t p = 0; p < T; p++)
        for (size_t i = 0; i < n; i++) {
            double angle = (double)p * frequency(i, n, T);
            params[position->offset + p * E + 2 * i] = (float)sin(angle);
            params[position->offset + p * E + 2 * i + 1] = (float)cos(angle);
        }
    for (size_t j = 0; j < sizeof others / sizeof *others; j++) {
        const bfn__param *p = bfn__net_find(net, others[j]);
        memset(params + p->offset, 0, 2 * n * (p->count / E) * sizeof *params);
    }
}

/* Queries and keys [E, E] of one head: rows begin at `first`. */
static void aim_head(float *q, float *k, size_t E, size_t first, size_t n, size_t T, double offset)
{
    for (size_t i = 0; i < n; i++) {
        double turn = offset * frequency(i, n, T);
        float *q_sin = q + (first + 2 * i) * E + 2 * i, *q_cos = q_sin + E;
        float *k_sin = k + (first + 2 * i) * E + 2 * i, *k_cos = k_sin + E;
        q_sin[0] += (float)cos(turn); /* sin(a + turn) = sin a cos turn + cos a sin turn */
        q_sin[1] += (float)sin(turn);
        q_cos[0] -= (float)sin(turn);
        q_cos[1] += (float)cos(turn);
        k_sin[0] += 1.0f;
        k_cos[1] += 1.0f;
    }
}

static void aim_layer(const bfn__net *net, size_t layer, size_t T, float *params)
{
    char name[BFN__MAX_NAME];
    snprintf(name, sizeof name, "transformer.h.%zu.attn.c_attn.weight", layer);
    const bfn__param *attention = bfn__net_find(net, name);
    size_t E = attention->shape[1], n_head = (size_t)bfn__graph_option(net, "n_head"), size = E / n_head;
    float *q = params + attention->offset, *k = q + E * E;
    for (size_t j = 0; j < 2 * E * E; j++)
        q[j] *= random_part;
    for (size_t h = 0; h < n_head; h++) {
        double distance = (double)(h / 2 + 1);
        aim_head(q, k, E, h * size, size / 2, T, h % 2 == 0 ? -distance : distance);
    }
}

void bfn__gpt_scaled_init(const bfn__net *net, float *params)
{
    centre_input(net, params);
    const bfn__param *position = bfn__net_find(net, "input_adapter.pos_embedding.weight");
    if (position == NULL)
        return;
    size_t n_head = (size_t)bfn__graph_option(net, "n_head"), n_layer = (size_t)bfn__graph_option(net, "n_layer");
    write_positions(net, position, position->shape[1] / n_head / 2, params);
    for (size_t layer = 0; layer < n_layer; layer++)
        aim_layer(net, layer, position->shape[0], params);
}
