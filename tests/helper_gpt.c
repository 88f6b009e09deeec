/* helper_gpt.c: the transformer as plain loops in double; see helper_gpt.h. Written from SPEC 12.1 alone, slow and obvious. */
#include "helper_gpt.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct naive {
    const bfn__net *net;
    const double *params;
    size_t T, E, H, L, V, C; /* positions, width, heads, layers, classes, channels shown */
} naive;

double net_option(const bfn__net *net, const char *key)
{
    for (size_t i = 0; i < bfn__net_n_options(net); i++)
        if (strcmp(bfn__net_options(net)[i].key, key) == 0)
            return bfn__net_options(net)[i].value;
    abort();
}

/* NULL: the network has no such parameter. */
static const double *find(const naive *g, const char *name)
{
    const bfn__param *p = bfn__net_find(g->net, name);
    return p != NULL ? g->params + p->offset : NULL;
}

static const double *part(const naive *g, const char *layer, const char *what)
{
    char name[256];
    (void)snprintf(name, sizeof name, "%s.%s", layer, what);
    return find(g, name);
}

static void linear(const naive *g, const char *name, size_t rows, size_t in, size_t out, const double *x, double *y)
{
    const double *w = part(g, name, "weight"), *b = part(g, name, "bias");
    for (size_t r = 0; r < rows; r++) {
        for (size_t o = 0; o < out; o++) {
            double sum = b != NULL ? b[o] : 0.0;
            for (size_t i = 0; i < in; i++)
                sum += x[r * in + i] * w[o * in + i];
            y[r * out + o] = sum;
        }
    }
}

static void layernorm(const naive *g, const char *name, const double *x, double *y)
{
    const double *w = part(g, name, "weight"), *b = part(g, name, "bias");
    for (size_t r = 0; r < g->T; r++) {
        const double *row = x + r * g->E;
        double mean = 0.0, var = 0.0;
        for (size_t i = 0; i < g->E; i++)
            mean += row[i] / (double)g->E;
        for (size_t i = 0; i < g->E; i++)
            var += (row[i] - mean) * (row[i] - mean) / (double)g->E;
        for (size_t i = 0; i < g->E; i++)
            y[r * g->E + i] = (row[i] - mean) / sqrt(var + 1e-5) * w[i] + (b != NULL ? b[i] : 0.0);
    }
}

static void attention(const naive *g, bool causal, const double *qkv, double *y)
{
    size_t E = g->E, d = E / g->H;
    double *p = calloc(g->T, sizeof *p);
    for (size_t h = 0; h < g->H; h++) {
        for (size_t i = 0; i < g->T; i++) {
            size_t n = causal ? i + 1 : g->T;
            double sum = 0.0;
            for (size_t j = 0; j < n; j++) {
                double s = 0.0;
                for (size_t k = 0; k < d; k++)
                    s += qkv[i * 3 * E + h * d + k] * qkv[j * 3 * E + E + h * d + k];
                p[j] = exp(s / sqrt((double)d));
                sum += p[j];
            }
            for (size_t k = 0; k < d; k++) {
                double o = 0.0;
                for (size_t j = 0; j < n; j++)
                    o += p[j] / sum * qkv[j * 3 * E + 2 * E + h * d + k];
                y[i * E + h * d + k] = o;
            }
        }
    }
    free(p);
}

static void add_to(size_t n, double *x, const double *y)
{
    for (size_t i = 0; i < n; i++)
        x[i] += y[i];
}

static void embed(const naive *g, const double *shown, double t, double *x)
{
    double *in = calloc(g->T * g->C, sizeof *in), *time = calloc(g->E, sizeof *time), scaled = 2.0 * t - 1.0;
    for (size_t i = 0; i < g->T * g->C; i++)
        in[i] = g->V == 2 ? shown[i] : 2.0 * shown[i] - 1.0;
    linear(g, "input_adapter.inp_embedding", g->T, g->C, g->E, in, x);
    linear(g, "input_adapter.t_embedding", 1, 1, g->E, &scaled, time);
    const double *learned = find(g, "input_adapter.pos_embedding.weight");
    for (size_t p = 0; p < g->T; p++) {
        for (size_t c = 0; c < g->E; c++) {
            double angle = (double)p / pow(1000.0, (double)c / (double)g->E);
            double fixed = c % 2 == 0 ? sin(angle) : cos(angle);
            x[p * g->E + c] += time[c] + (learned != NULL ? learned[p * g->E + c] : fixed);
        }
    }
    free(in);
    free(time);
}

static void block(const naive *g, size_t layer, double *x)
{
    size_t n = g->T * g->E;
    double *a = calloc(n, sizeof *a), *b = calloc(4 * n, sizeof *b);
    char name[64];
    (void)snprintf(name, sizeof name, "transformer.h.%zu.ln_1", layer);
    layernorm(g, name, x, a);
    (void)snprintf(name, sizeof name, "transformer.h.%zu.attn.c_attn", layer);
    linear(g, name, g->T, g->E, 3 * g->E, a, b);
    attention(g, net_option(g->net, "is_causal") != 0.0, b, a);
    (void)snprintf(name, sizeof name, "transformer.h.%zu.attn.c_proj", layer);
    linear(g, name, g->T, g->E, g->E, a, b);
    add_to(n, x, b);
    (void)snprintf(name, sizeof name, "transformer.h.%zu.ln_2", layer);
    layernorm(g, name, x, a);
    (void)snprintf(name, sizeof name, "transformer.h.%zu.mlp.c_fc", layer);
    linear(g, name, g->T, g->E, 4 * g->E, a, b);
    for (size_t i = 0; i < 4 * n; i++)
        b[i] = 0.5 * b[i] * (1.0 + tanh(sqrt(2.0 / 3.14159265358979323846) * (b[i] + 0.044715 * b[i] * b[i] * b[i])));
    (void)snprintf(name, sizeof name, "transformer.h.%zu.mlp.c_proj", layer);
    linear(g, name, g->T, 4 * g->E, g->E, b, a);
    add_to(n, x, a);
    free(a);
    free(b);
}

void naive_gpt(const bfn__net *net, const double *params, const double *shown, double t, double *out)
{
    naive g = {net,
               params,
               (size_t)net_option(net, "seq_len"),
               (size_t)net_option(net, "n_embd"),
               (size_t)net_option(net, "n_head"),
               (size_t)net_option(net, "n_layer"),
               (size_t)net_option(net, "vocab_size"),
               0};
    g.C = g.V == 2 ? 1 : g.V;
    size_t n = g.T * g.E, wide = net_option(net, "skip") != 0.0 ? 2 * g.E : g.E;
    double *x_in = calloc(n, sizeof *x_in), *x = calloc(n, sizeof *x), *y = calloc(2 * n, sizeof *y);
    embed(&g, shown, t, x_in);
    memcpy(x, x_in, n * sizeof *x);
    for (size_t layer = 0; layer < g.L; layer++)
        block(&g, layer, x);
    double *normed = calloc(n, sizeof *normed);
    layernorm(&g, "transformer.ln_f", x, normed);
    for (size_t r = 0; r < g.T; r++) {
        memcpy(y + r * wide, normed + r * g.E, g.E * sizeof *y);
        if (wide > g.E)
            memcpy(y + r * wide + g.E, x_in + r * g.E, g.E * sizeof *y);
    }
    linear(&g, "lm_head", g.T, wide, g.C, y, out);
    for (size_t i = 0; net_option(net, "log_skip") != 0.0 && i < g.T * g.C; i++)
        out[i] += log(fmax(shown[i], 1e-30));
    free(x_in);
    free(x);
    free(y);
    free(normed);
}
