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
    BFN__OP_LOG,          /* ln(max(x, a)), x >= 0 */
    BFN__OP_LINEAR,       /* x W^T + bias, then what `act` and `in[1]` add (see bfn__fuse) */
    BFN__OP_LAYERNORM,    /* (x - mean) / sqrt(var + eps) * weight + bias, each row */
    BFN__OP_GELU,         /* tanh form */
    BFN__OP_ADD,          /* x + y; y may have one row (added to all rows) */
    BFN__OP_ADD_POSITION, /* x + parameter [rows, cols] */
    BFN__OP_ATTENTION,    /* softmax(q k^T / sqrt(d)) v for each head, from rows q|k|v */
    BFN__OP_CONCAT,       /* x | y along cols */
    BFN__OP_DROPOUT,      /* training: zero with probability a, scale the rest by 1/(1-a) */
    /* images */
    BFN__OP_CONV,      /* convolution with a kernel x kernel filter, then what in[1], in[2] add (see fuse in exec.c) */
    BFN__OP_GROUPNORM, /* each group of channels of a sample normalised; then SiLU where act says so */
    BFN__OP_SILU,      /* x / (1 + exp(-x)) */
    BFN__OP_UPSAMPLE,  /* every pixel four times */
    BFN__OP_POOL,      /* mean of 2 x 2 pixels */
    BFN__OP_VALUE_WAVES,  /* x | sines and cosines of x */
    BFN__OP_TIME_WAVES,   /* sines and cosines of the time, one row a sample */
    BFN__OP_CONCAT_PARAM, /* x | parameter [rows, .] */
    BFN__OP_LABEL,        /* the row of a parameter that the sample's label names */
    BFN__OP_RELU,         /* max(x, 0) */
    BFN__OP_MEAN,         /* one row: the mean of all rows */
    BFN__OP_WINDOW,       /* largest or mean value under a window; inference only */
    BFN__OP_COUNT
} bfn__op_kind;

typedef enum bfn__act { BFN__ACT_NONE = 0, BFN__ACT_GELU = 1, BFN__ACT_SILU = 2 } bfn__act;

/* Which sines and cosines, and in which order. */
typedef enum bfn__waves {
    BFN__WAVES_POWERS,    /* values: sin(2^f 2 pi x), f-major, then the cosines likewise */
    BFN__WAVES_ENCODING,  /* values: each channel's pairs sin(p_0), cos(p_1), sin(p_2), ... lie together */
    BFN__WAVES_SIN_FIRST, /* time: sines, then cosines, both ends of the range of frequencies included */
    BFN__WAVES_COS_FIRST  /* time: cosines, then sines, the low end left out */
} bfn__waves;

enum { BFN__MAX_IN = 3 };

/* What lies under a filter: height x width pixels at every stride-th place, beginning pad_y rows above and pad_x columns left of the image. H
 * becomes (H + 2 pad_y - height)/stride + 1. */
typedef struct bfn__window {
    size_t height, width, stride, pad_y, pad_x;
} bfn__window;

typedef struct bfn__node {
    bfn__op_kind kind;
    int in[BFN__MAX_IN]; /* ids; -1: none */
    int weight, bias;    /* parameter numbers; -1: none */
    size_t rows, cols;
    double a, b;  /* AFFINE, TIME, TIME_WAVES: factor, shift; LAYERNORM, GROUPNORM: a = eps; DROPOUT: a = probability;
                             VALUE_WAVES: a = lowest power of two, or the resolution */
    size_t heads; /* GROUPNORM: groups; VALUE_WAVES: frequencies */
    size_t height, width; /* of an image: rows = height * width, row-major; else 0 */
    bfn__window window;   /* CONV, WINDOW */
    bool largest;         /* WINDOW: the largest value, not the mean */
    bool causal;
    bool heads_first; /* ATTENTION: q|k|v of each head lie together */
    bfn__waves waves;
    bfn__act act;    /* LINEAR after fusion; GROUPNORM */
    bool needs_grad; /* a parameter or the input is upstream */
    bool input_only; /* no parameter is upstream: its gradient is wanted only for d_shown */
} bfn__node;

enum { BFN__MAX_OPTIONS = 64 };

struct bfn__net {
    bfn_context *ctx;
    const char *class_name;
    bfn__option options[BFN__MAX_OPTIONS];
    size_t n_options;
    bfn__param *params;
    size_t n_params, params_capacity, arena;
    bfn__node *nodes;
    size_t n_nodes, nodes_capacity;
    int output;      /* id */
    size_t channels; /* data values a row of the output describes (images: colours); 0: 1 */
    size_t n_labels; /* classes of the label input; 0: the network has none */
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
/* A trained weight of any rank from 2 to 4 with weight decay: uniform in +-scale; scale 0: zeros. */
int bfn__graph_weight(bfn__net *net, const char *name, int rank, const size_t *shape, double scale);
int bfn__graph_fixed(bfn__net *net, const char *name, size_t rows, size_t cols);

int bfn__graph_input(bfn__net *net, size_t rows, size_t cols);
int bfn__graph_time(bfn__net *net, double factor, double shift);
int bfn__graph_affine(bfn__net *net, int x, double factor, double shift);
int bfn__graph_log(bfn__net *net, int x, double floor);
/* weight "<name>.weight" [out, in] drawn from N(0, std); bias "<name>.bias" [out] = 0 when with_bias */
int bfn__graph_linear(bfn__net *net, int x, const char *name, size_t out, double std, bool with_bias);
int bfn__graph_layernorm(bfn__net *net, int x, const char *name, bool with_bias);
int bfn__graph_gelu(bfn__net *net, int x);
int bfn__graph_add(bfn__net *net, int x, int y);
int bfn__graph_add_position(bfn__net *net, int x, int param);
int bfn__graph_attention(bfn__net *net, int qkv, size_t heads, bool causal);
/* y may have one row: it is put beside all rows of x */
int bfn__graph_concat(bfn__net *net, int x, int y);
int bfn__graph_dropout(bfn__net *net, int x, double probability); /* 0: returns x */
void bfn__graph_output(bfn__net *net, int x);

/* ---- images (graph_image.c) ----
 * A tensor of an image is [rows = H*W pixels, row-major; cols = channels] a sample: channels last. An operation that moves pixels
 * keeps height and width in its node; the others pass them on. Initial weights and biases are uniform in +-1/sqrt(fan in), as
 * the framework of the published networks has them, or all zero where `zero` is set. "x.weight" is made from the name "x". */

/* The input: what the network is shown, [H*W, C]. */
int bfn__graph_image(bfn__net *net, size_t height, size_t width, size_t channels);

/* Convolution with weight "<name>.weight" [out, in, kernel, kernel] and bias "<name>.bias" [out]; kernel 1 or 3, stride 1 or 2, zeros
 * around the image (kernel/2 of them): H becomes (H - 1)/stride + 1. In add(conv, row) and add(x, conv) the addition is part of the
 * convolution's last pass over its output, if nothing else reads what lies between. */
int bfn__graph_conv(bfn__net *net, int x, const char *name, size_t out, size_t kernel, size_t stride, bool zero);
/* The same with any window: weight "<name>.weight" [out, in, height, width], zeros around the image. */
int bfn__graph_conv_window(bfn__net *net, int x, const char *name, size_t out, const bfn__window *window, bool zero);

/* A product for each row: bfn__graph_linear with the weight's shape written [out, in], [out, in, 1] or [out, in, 1, 1] (rank 2, 3 or 4: a
 * Linear, or a convolution of one pixel in one or two dimensions) and with the initial values of this section. */
int bfn__graph_project(bfn__net *net, int x, const char *name, int rank, size_t out, bool with_bias, bool zero);

/* Mean and variance over the pixels and cols/groups channels of each group; y = (x - mean)/sqrt(var + 1e-5) * weight + bias, weight and
 * bias [cols] named "<name>.weight", "<name>.bias"; with scale_shift >= 0 (a row [1, 2 cols], scale | shift) y = y (1 + scale) + shift; with
 * silu y = silu(y). groups must divide cols (BFN_ERR_ARGUMENT with both numbers). */
int bfn__graph_groupnorm(bfn__net *net, int x, const char *name, size_t groups, int scale_shift, bool silu);

int bfn__graph_silu(bfn__net *net, int x);
int bfn__graph_relu(bfn__net *net, int x);
/* One row: the mean of all rows (of an image: of all pixels). */
int bfn__graph_mean(bfn__net *net, int x);
/* Largest, or mean, value of the pixels under the window; pixels beyond the border do not count (nor in the mean's divisor). Inference only: such a
 * network cannot be compiled for training. pad_y < height, pad_x < width. */
int bfn__graph_window(bfn__net *net, int x, const bfn__window *window, bool largest);
/* Nearest pixel, twice the height and width. */
int bfn__graph_upsample(bfn__net *net, int x);
/* Mean of 2 x 2 pixels, stride 2; an odd last row or column is left out. */
int bfn__graph_average_pool(bfn__net *net, int x);

/* Attention of all pixels to all pixels, softmax(q k^T / sqrt(cols/heads)) v, from rows [3 cols]. Columns are q | k | v, each split into heads
 * (heads_first = false, as bfn__graph_attention has it), or for each head its q | k | v (heads_first = true). */
int bfn__graph_attention_image(bfn__net *net, int qkv, size_t heads, bool heads_first);

/* x | sin(2^f 2 pi x) for f = first .. first + n - 1 (f-major: all channels of the first f, then of the next) | the cosines likewise:
 * cols (1 + 2n). */
int bfn__graph_fourier_features(bfn__net *net, int x, int first, size_t n);
/* x | for each channel the 2n numbers sin(p_0), cos(p_1), sin(p_2), cos(p_3), ..., p_j = resolution (x + 1)/2 / 10000^(j/2n):
 * cols (1 + 2n). */
int bfn__graph_encode_values(bfn__net *net, int x, double resolution, size_t n);

/* Sines and cosines of s = factor t + shift, one row [1, cols] a sample, half = cols/2 frequencies w_i:
 *   BFN__WAVES_SIN_FIRST  sin(s w_i) | cos(s w_i), w_i = 10000^(-i/(half - 1))     (unet_vdm)
 *   BFN__WAVES_COS_FIRST  cos(s w_i) | sin(s w_i), w_i = 10000^(-i/half)            (unet_adm)
 * An odd last column is 0. */
int bfn__graph_time_waves(bfn__net *net, double factor, double shift, size_t cols, bfn__waves order);

/* x | parameter [rows, any]: the same for every sample; learned when the parameter is. */
int bfn__graph_concat_param(bfn__net *net, int x, int param);

/* One row [1, cols] a sample: row `label` of "<name>.weight" [n_classes, cols], drawn from N(0, 1); zeros for a sample without a label. The
 * labels of a forward are given by bfn__exec_set_labels; at most one such node a network. */
int bfn__graph_label(bfn__net *net, const char *name, size_t n_classes, size_t cols);

/* ---- for builder functions in other files ---- */
/* A node of the kind that reads x (-1: nothing) and has its shape; append checks the size and returns the id. */
bfn__node bfn__graph_like(const bfn__net *net, bfn__op_kind kind, int x);
void bfn__graph_make_trained(bfn__node *node); /* it has parameters */
int bfn__graph_append(bfn__net *net, bfn__node node);
/* "<name>.<what>" into a buffer of BFN__MAX_NAME. */
const char *bfn__graph_join(bfn__net *net, char *buffer, const char *name, const char *what);

/* Networks: read options, build. */
bfn_status bfn__gpt_build(bfn__net *net, const bfn__option *options, size_t n_options);
bfn_status bfn__unet_vdm_build(bfn__net *net, const bfn__option *options, size_t n_options);
bfn_status bfn__unet_adm_build(bfn__net *net, const bfn__option *options, size_t n_options);

/* Options of a class: names, defaults and ranges in one table; fills net->options with the resolved configuration. */
typedef struct bfn__option_rule {
    const char *key;
    double fallback, low, high;
    bool integer;
} bfn__option_rule;
bfn_status bfn__graph_options(bfn__net *net, const bfn__option_rule *rules, size_t n_rules, const bfn__option *options,
                              size_t n_options);
double bfn__graph_option(const bfn__net *net, const char *key);
/* Replace a value by what it stands for ("0: as large as that one"), so that the resolved configuration says it. */
void bfn__graph_set_option(bfn__net *net, const char *key, double value);

#endif
