/* layers.c: from a list of layers to a graph: each layer is one call of a builder function, names become node numbers. */
#include "nn/layers.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *word;
    int n_in;
} OPS[] = {
#define X(NAME, word, n) {word, n},
    BFN__LAYER_TABLE(X)
#undef X
};

const char *bfn__layer_word(bfn__layer_op op, int *n_in)
{
    *n_in = OPS[op].n_in;
    return OPS[op].word;
}

typedef struct builder {
    bfn__net *net;
    const bfn__layer *layers;
    int *nodes; /* [n] node of each layer */
    int input;
    size_t left; /* numbers a picture that layers may still make */
} builder;

/* Node of the layer of this name among the first n; -1: none. */
static int find(const builder *b, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(b->layers[i].name, name) == 0)
            return b->nodes[i];
    return strcmp(name, "input") == 0 ? b->input : -1;
}

static bfn_status check(const builder *b, size_t i, int in[2])
{
    const bfn__layer *l = &b->layers[i];
    bfn_context *ctx = b->net->ctx;
    if (l->name[0] == '\0' || strlen(l->name) + sizeof ".weight" > BFN__MAX_NAME)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "layer %zu: name \"%s\": must be 1 to %d characters", i, l->name,
                         BFN__MAX_NAME - 9);
    if (find(b, i, l->name) >= 0)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "layer \"%s\": there is an earlier one of this name", l->name);
    for (int k = 0; k < OPS[l->op].n_in; k++) {
        in[k] = find(b, i, l->in[k]);
        if (in[k] < 0)
            return bfn__fail(ctx, BFN_ERR_ARGUMENT, "layer \"%s\": reads \"%s\", which is no layer before it", l->name,
                             l->in[k]);
    }
    return BFN_OK;
}

static int add_layer(bfn__net *net, const bfn__layer *l, const int in[2])
{
    switch (l->op) {
    case BFN__LAYER_CONV:
        return bfn__graph_conv_window(net, in[0], l->name, l->out, &l->window, l->zero);
    case BFN__LAYER_LINEAR:
        return bfn__graph_project(net, in[0], l->name, 2, l->out, true, l->zero);
    case BFN__LAYER_RELU:
        return bfn__graph_relu(net, in[0]);
    case BFN__LAYER_ADD:
        return bfn__graph_add(net, in[0], in[1]);
    case BFN__LAYER_CONCAT:
        return bfn__graph_concat(net, in[0], in[1]);
    case BFN__LAYER_MEAN:
        return bfn__graph_mean(net, in[0]);
    default:
        return bfn__graph_window(net, in[0], &l->window, l->op == BFN__LAYER_LARGEST);
    }
}

/* A few words in a file could ask for any amount of memory. A layer at most doubles what it reads, or has weights to show for it, so
 * nothing overflows before it is found. */
static bfn_status take_room(builder *b, size_t i)
{
    const bfn__node *node = &b->net->nodes[b->nodes[i]];
    size_t most = bfn__limit(b->net->ctx, BFN__CAP_FEATURE_NUMBERS), n;
    if (!bfn__size_mul(node->rows, node->cols, &n) || n > b->left)
        return bfn__fail(b->net->ctx, BFN_ERR_ARGUMENT,
                         "layer \"%s\": all layers up to it make more than %zu numbers of a picture (--limit "
                         "feature-numbers=N allows more)",
                         b->layers[i].name, most);
    b->left -= n;
    return BFN_OK;
}

static bfn_status build(builder *b, size_t n_layers, const char *output)
{
    for (size_t i = 0; i < n_layers; i++) {
        int in[2] = {-1, -1};
        bfn_status status = check(b, i, in);
        if (status != BFN_OK)
            return status;
        b->nodes[i] = add_layer(b->net, &b->layers[i], in);
        if (b->net->status != BFN_OK) {
            char prefix[BFN__MAX_NAME + 16];
            (void)snprintf(prefix, sizeof prefix, "layer \"%s\"", b->layers[i].name);
            /* what is wrong of a builder's caller here is wrong of the list */
            return bfn__fail_prefix(b->net->ctx, b->net->status == BFN_ERR_MEMORY ? BFN_ERR_MEMORY : BFN_ERR_ARGUMENT,
                                    prefix);
        }
        status = take_room(b, i);
        if (status != BFN_OK)
            return status;
        if (strcmp(b->layers[i].name, output) == 0) {
            bfn__graph_output(b->net, b->nodes[i]);
            return BFN_OK;
        }
    }
    return bfn__fail(b->net->ctx, BFN_ERR_ARGUMENT, "no layer has the name \"%s\", which is to be the output", output);
}

bfn_status bfn__layers_build(bfn_context *ctx, bfn__net **out, size_t height, size_t width, size_t channels,
                             const bfn__layer *layers, size_t n_layers, const char *output)
{
    *out = NULL;
    builder b = {.layers = layers, .left = bfn__limit(ctx, BFN__CAP_FEATURE_NUMBERS)};
    bfn_status status = bfn__graph_create(ctx, &b.net, "layers");
    if (status != BFN_OK)
        return status;
    b.nodes = bfn__calloc(ctx, n_layers, sizeof *b.nodes);
    b.input = bfn__graph_image(b.net, height, width, channels);
    status = b.nodes == NULL ? BFN_ERR_MEMORY : b.net->status;
    if (status == BFN_OK)
        status = build(&b, n_layers, output);
    bfn__free(ctx, b.nodes);
    if (status != BFN_OK) {
        bfn__net_destroy(b.net);
        return status;
    }
    *out = b.net;
    return BFN_OK;
}
