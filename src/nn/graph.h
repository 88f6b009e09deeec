/* graph.h: the description of a network: nodes over named parameters, one output tensor a node.
 *
 * A network file (gpt.c) calls the builder functions below in order; they check shapes, register parameters (name, shape,
 * initial values, decay group) and return the id of the node. A tensor is [rows, cols] a sample: positions or pixels by
 * channels, cols contiguous. The first failure sticks in the graph (status, with the message in the context); later calls
 * return id 0 and do nothing, so a network file checks once, at the end.
 */
#ifndef BFN_NN_GRAPH_H
#define BFN_NN_GRAPH_H

#include "nn/nn.h"

typedef enum bfn__op_kind {
    BFN__OP_INPUT,        /* what the network is shown */
    BFN__OP_TIME,         /* a t + b, one number a sample */
    BFN__OP_AFFINE,       /* a x + b */
    BFN__OP_LINEAR,       /* x W^T + bias, then what `act` and `in[1]` add (see bfn__fuse) */
    BFN__OP_LAYERNORM,    /* (x - mean) / sqrt(var + eps) * weight + bias, each row */
    BFN__OP_GELU,         /* tanh form */
    BFN__OP_ADD,          /* x + y; y may have one row (added to all rows) */
    BFN__OP_ADD_POSITION, /* x + parameter [rows, cols] */
    BFN__OP_ATTENTION,    /* softmax(q k^T / sqrt(d)) v for each head, from rows q|k|v */
    BFN__OP_CONCAT,       /* x | y along cols */
    BFN__OP_DROPOUT,      /* training: zero with probability a, scale the rest by 1/(1-a) */
    BFN__OP_COUNT
} bfn__op_kind;

typedef enum bfn__act { BFN__ACT_NONE = 0, BFN__ACT_GELU = 1 } bfn__act;

typedef struct bfn__node {
    bfn__op_kind kind;
    int in[2];        /* ids; -1: none */
    int weight, bias; /* parameter numbers; -1: none */
    size_t rows, cols;
    double a, b; /* AFFINE, TIME: factor, shift; LAYERNORM: a = eps; DROPOUT: a = probability */
    size_t heads;
    bool causal;
    bfn__act act;    /* LINEAR after fusion */
    bool needs_grad; /* a parameter or the input is upstream */
    bool input_only; /* no parameter is upstream: its gradient is wanted only for d_shown */
} bfn__node;

enum { BFN__MAX_OPTIONS = 16 };

struct bfn__net {
    bfn_context *ctx;
    const char *class_name;
    bfn__option options[BFN__MAX_OPTIONS];
    size_t n_options;
    bfn__param *params;
    size_t n_params, params_capacity, arena;
    bfn__node *nodes;
    size_t n_nodes, nodes_capacity;
    int output; /* id */
    bfn_status status;
    /* what init writes into fixed buffers: fill(net, param, values) */
    void (*fill_fixed)(const bfn__net *net, const bfn__param *param, float *values);
    /* what init does last, for initial values that depend on each other; NULL: nothing */
    void (*finish_init)(const bfn__net *net, float *params);
};

/* A graph without a class: networks begin with it, and tests build single operations on it. */
bfn_status bfn__graph_create(bfn_context *ctx, bfn__net **out, const char *class_name);

/* Register a parameter of the given shape (rank 1 or 2: cols == 0 means rank 1); returns its number. */
int bfn__graph_param(bfn__net *net, const char *name, size_t rows, size_t cols, bfn__init init, double scale,
                     bool decay);
int bfn__graph_fixed(bfn__net *net, const char *name, size_t rows, size_t cols);

int bfn__graph_input(bfn__net *net, size_t rows, size_t cols);
int bfn__graph_time(bfn__net *net, double factor, double shift);
int bfn__graph_affine(bfn__net *net, int x, double factor, double shift);
/* weight "<name>.weight" [out, in] drawn from N(0, std); bias "<name>.bias" [out] = 0 when with_bias */
int bfn__graph_linear(bfn__net *net, int x, const char *name, size_t out, double std, bool with_bias);
int bfn__graph_layernorm(bfn__net *net, int x, const char *name, bool with_bias);
int bfn__graph_gelu(bfn__net *net, int x);
int bfn__graph_add(bfn__net *net, int x, int y);
int bfn__graph_add_position(bfn__net *net, int x, int param);
int bfn__graph_attention(bfn__net *net, int qkv, size_t heads, bool causal);
int bfn__graph_concat(bfn__net *net, int x, int y);
int bfn__graph_dropout(bfn__net *net, int x, double probability); /* 0: returns x */
void bfn__graph_output(bfn__net *net, int x);

/* Networks: read options, build. */
bfn_status bfn__gpt_build(bfn__net *net, const bfn__option *options, size_t n_options);

/* Options of a class: names, defaults and ranges in one table; fills net->options with the resolved configuration. */
typedef struct bfn__option_rule {
    const char *key;
    double fallback, low, high;
    bool integer;
} bfn__option_rule;
bfn_status bfn__graph_options(bfn__net *net, const bfn__option_rule *rules, size_t n_rules, const bfn__option *options,
                              size_t n_options);
double bfn__graph_option(const bfn__net *net, const char *key);

#endif
