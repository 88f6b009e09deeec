/* gpt.c: the transformer of the BFN paper's text experiments (SPEC 12.1), described as a graph.
 *
 *   x_in = Linear(2 theta - 1) + positions + Linear(2t - 1)
 *   each block: x += c_proj(attention(LN(x))), x += c_proj(gelu(c_fc(LN(x))))
 *   output = lm_head(LN(x)), with skip lm_head(LN(x) | x_in)
 *
 * Sizes: V vocab_size, E n_embd, T seq_len. Shown: theta [T,V]; for V = 2 one channel [T,1] that already lies in [-1,1], and the
 * output is one logit [T,1], so that inp_embedding is [E,1] and lm_head has one row. `bias` = 0 leaves the biases of the blocks' Linears,
 * of every LayerNorm and of lm_head out; the embeddings keep theirs. A causal network has no skip (it would show position i its own
 * input). Positions are a fixed table: even columns sin(p 1000^(-c/E)), odd ones cos(p 1000^(-c/E)), c the column; or learned.
 * Initial weights are the paper's N(0, 0.02), which suits width 768; `scaled_init` = 1 is for small networks that train briefly:
 * N(0, 1/E) in the blocks, so that attention is not flat at first, embeddings as large as positions, and what gpt_init.c says.
 *
 * `log_skip` = 1 adds ln theta to the output logits. What is known of a position from its own noisy observations is theta, exactly, and
 * by Bayes' rule the best prediction there is softmax(ln theta + ln p(class | all other positions)) up to a constant: the network is left
 * with the second term, what the context says, and starts as the perfect model of characters without context. A linear embedding of
 * theta could not even tell 1e-3 from 1e-6. Not a part of the published network; docs/SPEED.md says what it saves.
 */
#include "nn/gpt_init.h"
#include "nn/graph.h"

#include <math.h>
#include <stdio.h>

static const bfn__option_rule RULES[] = {
    {"vocab_size", 27, 2, 65536, true},
    {"n_layer", 24, 1, 1024, true},
    {"n_head", 12, 1, 1024, true},
    {"n_embd", 768, 1, 65536, true},
    {"seq_len", 256, 1, 65536, true},
    {"skip", 1, 0, 1, true},
    {"bias", 1, 0, 1, true},
    {"learn_pos_embedding", 0, 0, 1, true},
    {"is_causal", 0, 0, 1, true},
    {"dropout", 0, 0, 0.9, false},
    {"scaled_init", 0, 0, 1, true},
    {"log_skip", 0, 0, 1, true},
};
enum { N_RULES = sizeof RULES / sizeof *RULES };
static const double SMALLEST = 1e-30; /* theta below this is no further evidence */

typedef struct gpt {
    bfn__net *net;
    size_t V, L, H, E, T;
    bool skip, bias, learned, causal, log_skip;
    double dropout;
    double block_std, input_std; /* of initial weights */
} gpt;

static void fill_positions(const bfn__net *net, const bfn__param *param, float *values)
{
    (void)net;
    size_t T = param->shape[0], E = param->shape[1];
    for (size_t p = 0; p < T; p++) {
        for (size_t c = 0; c < E; c++) {
            double angle = (double)p * pow(1000.0, -(double)c / (double)E);
            values[p * E + c] = (float)(c % 2 == 0 ? sin(angle) : cos(angle));
        }
    }
}

/* *shown: the input as it came. */
static int embed(const gpt *g, int *shown_id)
{
    bfn__net *net = g->net;
    size_t channels = g->V == 2 ? 1 : g->V;
    int shown = bfn__graph_input(net, g->T, channels);
    *shown_id = shown;
    if (g->V > 2)
        shown = bfn__graph_affine(net, shown, 2.0, -1.0);
    int position = g->learned ? bfn__graph_param(net, "input_adapter.pos_embedding.weight", g->T, g->E,
                                                 BFN__INIT_NORMAL, 0.02, false)
                              : bfn__graph_fixed(net, "input_adapter.pos_embedding", g->T, g->E);
    int x = bfn__graph_linear(net, shown, "input_adapter.inp_embedding", g->E, g->input_std, true);
    int t =
        bfn__graph_linear(net, bfn__graph_time(net, 2.0, -1.0), "input_adapter.t_embedding", g->E, g->input_std, true);
    x = bfn__graph_add(net, bfn__graph_add_position(net, x, position), t);
    return x;
}

static int block(const gpt *g, int x, size_t layer)
{
    bfn__net *net = g->net;
    char name[BFN__MAX_NAME];
#define NAME(what) (snprintf(name, sizeof name, "transformer.h.%zu." what, layer), name)
    double out_std = g->block_std / sqrt(2.0 * (double)g->L);
    int a = bfn__graph_layernorm(net, x, NAME("ln_1"), g->bias);
    a = bfn__graph_linear(net, a, NAME("attn.c_attn"), 3 * g->E, g->block_std, g->bias);
    a = bfn__graph_attention(net, a, g->H, g->causal);
    a = bfn__graph_linear(net, a, NAME("attn.c_proj"), g->E, out_std, g->bias);
    x = bfn__graph_add(net, x, bfn__graph_dropout(net, a, g->dropout));
    int m = bfn__graph_layernorm(net, x, NAME("ln_2"), g->bias);
    m = bfn__graph_gelu(net, bfn__graph_linear(net, m, NAME("mlp.c_fc"), 4 * g->E, g->block_std, g->bias));
    m = bfn__graph_linear(net, m, NAME("mlp.c_proj"), g->E, out_std, g->bias);
#undef NAME
    return bfn__graph_add(net, x, bfn__graph_dropout(net, m, g->dropout));
}

bfn_status bfn__gpt_build(bfn__net *net, const bfn__option *options, size_t n_options)
{
    bfn_status status = bfn__graph_options(net, RULES, N_RULES, options, n_options);
    if (status != BFN_OK)
        return status;
#define SIZE(key) (size_t) bfn__graph_option(net, key)
#define FLAG(key) (bfn__graph_option(net, key) != 0.0)
    gpt g = {.net = net,
             .V = SIZE("vocab_size"),
             .L = SIZE("n_layer"),
             .H = SIZE("n_head"),
             .E = SIZE("n_embd"),
             .T = SIZE("seq_len"),
             .skip = FLAG("skip"),
             .bias = FLAG("bias"),
             .learned = FLAG("learn_pos_embedding"),
             .causal = FLAG("is_causal"),
             .log_skip = FLAG("log_skip"),
             .dropout = bfn__graph_option(net, "dropout")};
    if (g.E % g.H != 0)
        return bfn__fail(net->ctx, BFN_ERR_ARGUMENT, "n_head: %zu: must divide n_embd, which is %zu", g.H, g.E);
    if (g.log_skip && g.V == 2)
        return bfn__fail(net->ctx, BFN_ERR_ARGUMENT, "log_skip: 1: needs a vocab_size of 3 or more, which is 2");
    if (g.causal) {
        g.skip = false;
        for (size_t i = 0; i < N_RULES; i++)
            if (RULES[i].key[0] == 's' && RULES[i].key[1] == 'k')
                net->options[i].value = 0.0;
    }
    bool scaled = FLAG("scaled_init");
    g.block_std = scaled ? 1.0 / sqrt((double)g.E) : 0.02;
    g.input_std = scaled ? 0.3 : 0.02;
    net->fill_fixed = fill_positions;
    net->finish_init = scaled && g.V > 2 ? bfn__gpt_scaled_init : NULL;
#undef SIZE
#undef FLAG
    int shown, x_in = embed(&g, &shown), x = bfn__graph_dropout(net, x_in, g.dropout);
    for (size_t layer = 0; layer < g.L; layer++)
        x = block(&g, x, layer);
    x = bfn__graph_layernorm(net, x, "transformer.ln_f", g.bias);
    if (g.skip)
        x = bfn__graph_concat(net, x, x_in);
    x = bfn__graph_linear(net, x, "lm_head", g.V == 2 ? 1 : g.V, 0.02, g.bias);
    if (g.log_skip)
        x = bfn__graph_add(net, bfn__graph_log(net, shown, SMALLEST), x);
    bfn__graph_output(net, x);
    return net->status;
}
