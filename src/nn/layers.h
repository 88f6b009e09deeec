/* layers.h: networks of images that are given as a list of layers: classifiers whose description comes from a file, or from a loop. */
#ifndef BFN_NN_LAYERS_H
#define BFN_NN_LAYERS_H

#include "nn/graph.h"

/* X(NAME, word in files, number of inputs). What each does is said at the builder function of graph.h with that name. */
#define BFN__LAYER_TABLE(X)                                                                                            \
    X(CONV, "conv", 1)     /* "<name>.weight" [out, in, kernel], "<name>.bias" */                                      \
    X(LINEAR, "linear", 1) /* "<name>.weight" [out, in], "<name>.bias" */                                              \
    X(RELU, "relu", 1)                                                                                                 \
    X(ADD, "add", 2)                                                                                                   \
    X(CONCAT, "concat", 2)                                                                                             \
    X(MEAN, "mean", 1)       /* of all pixels */                                                                       \
    X(LARGEST, "max", 1)     /* under the window */                                                                    \
    X(AVERAGE, "average", 1) /* under the window, of what is inside of the image */

typedef enum bfn__layer_op {
#define X(NAME, word, n) BFN__LAYER_##NAME,
    BFN__LAYER_TABLE(X)
#undef X
        BFN__LAYER_COUNT
} bfn__layer_op;

typedef struct bfn__layer {
    const char *name; /* of what it makes, and of its parameters */
    bfn__layer_op op;
    const char *in[2];  /* names of layers before it, or "input" */
    size_t out;         /* CONV, LINEAR: channels */
    bfn__window window; /* CONV, LARGEST, AVERAGE */
    bool zero;          /* CONV, LINEAR: begins at zero (training) */
} bfn__layer;

/* "conv"; n_in: how many of in[] it reads. op < BFN__LAYER_COUNT. */
const char *bfn__layer_word(bfn__layer_op op, int *n_in);

/* The network of images [height, width, channels] whose output is the layer `output`; layers behind that one are left out.
 * BFN_ERR_ARGUMENT: a name that is no earlier layer's, one that comes twice, shapes that do not fit, more numbers than the cap feature-numbers allows. */
bfn_status bfn__layers_build(bfn_context *ctx, bfn__net **out, size_t height, size_t width, size_t channels,
                             const bfn__layer *layers, size_t n_layers, const char *output);

#endif
