/* ops.h: compiled networks from the inside, and the table of operations. */
#ifndef BFN_NN_OPS_H
#define BFN_NN_OPS_H

#include "nn/dnnl_ops.h"
#include "nn/graph.h"
#include "nn/kernels.h"
#include "nn/plan.h"

enum { BFN__TILE_ROWS = 128, BFN__TILE_COLS = 768, BFN__PIECE_ROWS = 256, BFN__PIECE_PIXELS = 4096 };

static inline size_t bfn__ceil_div(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

/* A tensor of the running network: data [n * rows, cols] with row stride ld, and its gradient likewise. */
typedef struct bfn__value {
    size_t rows, cols, ld, grad_ld;
    float *data, *grad;
} bfn__value;

/* A node of the fused graph with what its operation prepared. */
typedef struct bfn__step {
    bfn__node node;
    int out;                   /* id of the value that it makes */
    int pre;                   /* LINEAR with act, training: the value before act; else -1 */
    bool add_in[BFN__MAX_IN];  /* backward: the gradient of in[k] holds something already: add to it */
    bool same_in[BFN__MAX_IN]; /* backward: the gradient of in[k] is the very memory of out's gradient */
    bool in_place;             /* forward: out is the memory of in[1] */
    float *packed; /* LINEAR: W^T, row stride ld_packed; or a block in oneDNN's layout for each tile of columns */
    size_t ld_packed;
    const bfn__product *products[2][2]; /* primitives for [last tile of rows][last tile of columns]; NULL: bfn__gemm */
    void **weights;                     /* ... handles of the packed blocks, one for each tile of columns */
    bool winograd;                      /* CONV: by Winograd's algorithm */
    bool low;                           /* operands are rounded to bf16 */
    float *padded; /* LINEAR, training: W with row stride ld_padded, when its own stride is a bad one; else NULL */
    size_t ld_padded;
    float *turned; /* CONV, training: weights for the gradient of the input, row stride ld_turned */
    size_t ld_turned;
    float *saved; /* kept from forward to backward */
    float *work;  /* shared work space of backward */
} bfn__step;

struct bfn__exec {
    bfn_context *ctx;
    const bfn__net *net;
    bfn__exec_options options; /* batch: samples that run at once */
    size_t max_batch;          /* largest n of a forward: cut into pieces of options.batch */
    bfn__precision precision;
    const bfn__kernels *k;
    bfn__dnnl *dnnl; /* NULL: all products are bfn__gemm */
    int n_threads;
    size_t n_steps;
    bfn__step *steps;
    bfn__value *values; /* by node id */
    int input, output;  /* ids; input -1: none */
    float *arena;
    size_t arena_floats;
    float *scratch; /* [n_threads, scratch_floats] */
    size_t scratch_floats;
    const float *params;
    const double *t;  /* of the running forward */
    size_t first;     /* its first sample's number within the call */
    size_t n_forward; /* samples of the last one; 0: none */
    bool want_shown;  /* backward: the gradient of the input is wanted */
    bool failed;      /* set by a task: oneDNN had no memory */
    bool drops;       /* dropout is on */
    uint64_t dropout_seed, dropout_step;
    const int32_t *labels; /* of the running forward; NULL: none */
    /* while compiling */
    bfn__buffer *buffers;
    float ***owners;
    size_t n_buffers, buffers_capacity;
    bfn_status status;
};

typedef struct bfn__op {
    const char *name;
    /* multiply-adds of a sample */
    double (*products)(const bfn__net *net, const bfn__node *node);
    /* ask for buffers; NULL: needs none */
    void (*plan)(bfn__exec *e, bfn__step *s, size_t now);
    void (*set_params)(bfn__exec *e, bfn__step *s);
    void (*forward)(bfn__exec *e, bfn__step *s, size_t n);
    /* adds to grads and writes or adds to the gradients of the inputs; NULL: the operation is for inference only */
    void (*backward)(bfn__exec *e, bfn__step *s, size_t n, float *grads);
} bfn__op;

extern const bfn__op bfn__ops[BFN__OP_COUNT];

/* A row stride that is good for the caches: strides that are multiples of 1 KiB map many rows to few cache lines. */
size_t bfn__row_stride(size_t cols);

/* Ask for a buffer alive from first to last; its address is put into *where when the plan is made. */
void bfn__exec_buffer(bfn__exec *e, size_t floats, size_t first, size_t last, float **where);
/* Times: forward of step i is i, its backward is n_times - 1 - i. */
size_t bfn__exec_times(const bfn__exec *e);
void bfn__exec_scratch(bfn__exec *e, size_t floats); /* at least so many floats a thread */
void bfn__exec_fail(bfn__exec *e);                   /* from inside tasks */

static inline const float *bfn__exec_param(const bfn__exec *e, int i)
{
    return i < 0 ? NULL : e->params + e->net->params[i].offset;
}

/* A parameter that the operation always has. */
static inline const float *bfn__exec_weight(const bfn__exec *e, int i)
{
    return e->params + e->net->params[i].offset;
}

static inline float *bfn__exec_grad(const bfn__exec *e, float *grads, int i)
{
    return i < 0 ? NULL : grads + e->net->params[i].offset;
}

/* Is the gradient of input k of the step to be computed now? */
static inline bool bfn__wants_grad(const bfn__exec *e, const bfn__step *s, int k)
{
    if (s->node.in[k] < 0)
        return false;
    const bfn__node *from = &e->net->nodes[s->node.in[k]];
    return from->needs_grad && (!from->input_only || e->want_shown);
}

/* Does the step multiply by weights, then add in[1] (and CONV: the row in[2]) in its epilogue? */
static inline bool bfn__is_product(const bfn__step *s)
{
    return s->node.kind == BFN__OP_LINEAR || s->node.kind == BFN__OP_CONV;
}

double bfn__no_products(const bfn__net *net, const bfn__node *node); /* 0 */

/* op_linear.c */
/* Decide how the step multiplies; false: not possible with e's precision here (fall back). Before plan. */
bool bfn__linear_prepare(bfn__exec *e, bfn__step *s);
double bfn__linear_products(const bfn__net *net, const bfn__node *node);
void bfn__linear_plan(bfn__exec *e, bfn__step *s, size_t now);
void bfn__linear_set_params(bfn__exec *e, bfn__step *s);
void bfn__linear_forward(bfn__exec *e, bfn__step *s, size_t n);
void bfn__linear_backward(bfn__exec *e, bfn__step *s, size_t n, float *grads);
/* op_attention.c */
double bfn__attention_products(const bfn__net *net, const bfn__node *node);
void bfn__attention_plan(bfn__exec *e, bfn__step *s, size_t now);
void bfn__attention_forward(bfn__exec *e, bfn__step *s, size_t n);
void bfn__attention_backward(bfn__exec *e, bfn__step *s, size_t n, float *grads);
/* op_conv.c: as op_linear.c */
bool bfn__conv_prepare(bfn__exec *e, bfn__step *s);
double bfn__conv_products(const bfn__net *net, const bfn__node *node);
void bfn__conv_plan(bfn__exec *e, bfn__step *s, size_t now);
void bfn__conv_set_params(bfn__exec *e, bfn__step *s);
void bfn__conv_forward(bfn__exec *e, bfn__step *s, size_t n);
void bfn__conv_backward(bfn__exec *e, bfn__step *s, size_t n, float *grads);
/* op_winograd.c: the parts of op_conv.c that Winograd's algorithm replaces; work begins with the samples' sums [batch, out] */
bool bfn__winograd_suits(const bfn__exec *e, const bfn__step *s);
void bfn__winograd_plan(bfn__exec *e, bfn__step *s, size_t now);
void bfn__winograd_set_params(bfn__exec *e, bfn__step *s);
void bfn__winograd_forward(bfn__exec *e, bfn__step *s, size_t n);
void bfn__winograd_input_gradient(bfn__exec *e, bfn__step *s, size_t n);
void bfn__winograd_filter_gradient(bfn__exec *e, bfn__step *s, size_t n, float *grads);
/* op_groupnorm.c */
void bfn__groupnorm_plan(bfn__exec *e, bfn__step *s, size_t now);
void bfn__groupnorm_forward(bfn__exec *e, bfn__step *s, size_t n);
void bfn__groupnorm_backward(bfn__exec *e, bfn__step *s, size_t n, float *grads);
/* op_image.c */
void bfn__silu_forward(bfn__exec *e, bfn__step *s, size_t n);
void bfn__silu_backward(bfn__exec *e, bfn__step *s, size_t n, float *grads);
void bfn__upsample_forward(bfn__exec *e, bfn__step *s, size_t n);
void bfn__upsample_backward(bfn__exec *e, bfn__step *s, size_t n, float *grads);
void bfn__pool_forward(bfn__exec *e, bfn__step *s, size_t n);
void bfn__pool_backward(bfn__exec *e, bfn__step *s, size_t n, float *grads);
void bfn__value_waves_forward(bfn__exec *e, bfn__step *s, size_t n);
void bfn__value_waves_backward(bfn__exec *e, bfn__step *s, size_t n, float *grads);
void bfn__time_waves_forward(bfn__exec *e, bfn__step *s, size_t n);
void bfn__concat_param_forward(bfn__exec *e, bfn__step *s, size_t n);
void bfn__concat_param_backward(bfn__exec *e, bfn__step *s, size_t n, float *grads);
void bfn__label_forward(bfn__exec *e, bfn__step *s, size_t n);
void bfn__label_backward(bfn__exec *e, bfn__step *s, size_t n, float *grads);
/* op_window.c */
void bfn__relu_forward(bfn__exec *e, bfn__step *s, size_t n);
void bfn__relu_backward(bfn__exec *e, bfn__step *s, size_t n, float *grads);
void bfn__mean_forward(bfn__exec *e, bfn__step *s, size_t n);
void bfn__mean_backward(bfn__exec *e, bfn__step *s, size_t n, float *grads);
void bfn__window_forward(bfn__exec *e, bfn__step *s, size_t n);
/* op_norm.c */
void bfn__layernorm_plan(bfn__exec *e, bfn__step *s, size_t now);
void bfn__layernorm_forward(bfn__exec *e, bfn__step *s, size_t n);
void bfn__layernorm_backward(bfn__exec *e, bfn__step *s, size_t n, float *grads);

#endif
