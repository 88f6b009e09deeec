/* graph_image.c: builder functions for images; see graph.h.
 *
 * Every one checks what it is given, registers its parameters and appends one node, as those of graph.c do. Weights and biases begin uniform in
 * +-1/sqrt(fan in): the variance 1/(3 fan in) is what the framework of the published networks draws.
 */
#include "nn/graph.h"

#include <math.h>

int bfn__graph_image(bfn__net *net, size_t height, size_t width, size_t channels)
{
    bfn__node node = bfn__graph_like(net, BFN__OP_INPUT, -1);
    size_t rows = 0;
    if (net->status == BFN_OK && !bfn__size_mul(height, width, &rows))
        net->status = bfn__fail(net->ctx, BFN_ERR_ARGUMENT, "image of %zu x %zu pixels: too large", height, width);
    node.rows = rows;
    node.cols = channels;
    node.height = height;
    node.width = width;
    node.needs_grad = node.input_only = true;
    return bfn__graph_append(net, node);
}

static bool is_image(bfn__net *net, const bfn__node *node, const char *what)
{
    if (net->status != BFN_OK)
        return false;
    if (node->height > 0)
        return true;
    net->status = bfn__fail(net->ctx, BFN_ERR_INTERNAL, "%s: its input is no image", what);
    return false;
}

/* Weight and bias of a node whose rows are sums of fan_in products. */
static void add_weights(bfn__net *net, bfn__node *node, const char *name, int rank, const size_t *shape, size_t fan_in,
                        bool with_bias, bool zero)
{
    char buffer[BFN__MAX_NAME];
    double scale = zero ? 0.0 : 1.0 / sqrt((double)fan_in);
    node->weight = bfn__graph_weight(net, bfn__graph_join(net, buffer, name, "weight"), rank, shape, scale);
    if (with_bias)
        node->bias = bfn__graph_param(net, bfn__graph_join(net, buffer, name, "bias"), shape[0], 0,
                                      zero ? BFN__INIT_ZERO : BFN__INIT_UNIFORM, scale, false);
    node->cols = shape[0];
    bfn__graph_make_trained(node);
}

int bfn__graph_conv(bfn__net *net, int x, const char *name, size_t out, size_t kernel, size_t stride, bool zero)
{
    if (net->status == BFN_OK && ((kernel != 1 && kernel != 3) || (stride != 1 && stride != 2))) {
        net->status = bfn__fail(net->ctx, BFN_ERR_INTERNAL, "%s: kernel %zu, stride %zu", name, kernel, stride);
        return 0;
    }
    const bfn__window window = {kernel, kernel, stride, kernel / 2, kernel / 2};
    return bfn__graph_conv_window(net, x, name, out, &window, zero);
}

/* The node's image becomes that of the window's places. */
static bool place_window(bfn__net *net, bfn__node *node, const char *what, const bfn__window *w)
{
    if (!is_image(net, node, what))
        return false;
    if (w->height < 1 || w->width < 1 || w->stride < 1 || w->pad_y >= w->height || w->pad_x >= w->width ||
        node->height + 2 * w->pad_y < w->height || node->width + 2 * w->pad_x < w->width) {
        net->status = bfn__fail(
            net->ctx, BFN_ERR_ARGUMENT,
            "%s: a window of %zu x %zu pixels, stride %zu, borders %zu and %zu does not fit an image of %zu x %zu",
            what, w->height, w->width, w->stride, w->pad_y, w->pad_x, node->height, node->width);
        return false;
    }
    node->window = *w;
    node->height = (node->height + 2 * w->pad_y - w->height) / w->stride + 1;
    node->width = (node->width + 2 * w->pad_x - w->width) / w->stride + 1;
    node->rows = node->height * node->width;
    return true;
}

int bfn__graph_conv_window(bfn__net *net, int x, const char *name, size_t out, const bfn__window *window, bool zero)
{
    bfn__node node = bfn__graph_like(net, BFN__OP_CONV, x);
    if (!place_window(net, &node, name, window))
        return 0;
    if (window->height == 1 && window->width == 1 && window->stride == 1)
        return bfn__graph_project(net, x, name, 4, out, true, zero);
    const size_t shape[4] = {out, node.cols, window->height, window->width};
    add_weights(net, &node, name, 4, shape, node.cols * window->height * window->width, true, zero);
    return bfn__graph_append(net, node);
}

int bfn__graph_window(bfn__net *net, int x, const bfn__window *window, bool largest)
{
    bfn__node node = bfn__graph_like(net, BFN__OP_WINDOW, x);
    if (!place_window(net, &node, "pooling", window))
        return 0;
    node.largest = largest;
    return bfn__graph_append(net, node);
}

int bfn__graph_mean(bfn__net *net, int x)
{
    bfn__node node = bfn__graph_like(net, BFN__OP_MEAN, x);
    node.rows = 1;
    node.height = node.width = 0;
    return bfn__graph_append(net, node);
}

int bfn__graph_relu(bfn__net *net, int x)
{
    return bfn__graph_append(net, bfn__graph_like(net, BFN__OP_RELU, x));
}

int bfn__graph_project(bfn__net *net, int x, const char *name, int rank, size_t out, bool with_bias, bool zero)
{
    bfn__node node = bfn__graph_like(net, BFN__OP_LINEAR, x);
    const size_t shape[4] = {out, node.cols, 1, 1};
    add_weights(net, &node, name, rank, shape, node.cols > 0 ? node.cols : 1, with_bias, zero);
    return bfn__graph_append(net, node);
}

int bfn__graph_groupnorm(bfn__net *net, int x, const char *name, size_t groups, int scale_shift, bool silu)
{
    char buffer[BFN__MAX_NAME];
    bfn__node node = bfn__graph_like(net, BFN__OP_GROUPNORM, x);
    if (net->status != BFN_OK)
        return 0;
    if (groups < 1 || node.cols % groups != 0) {
        net->status = bfn__fail(net->ctx, BFN_ERR_ARGUMENT,
                                "%s: %zu groups do not divide %zu channels: choose a width that they divide", name,
                                groups, node.cols);
        return 0;
    }
    if (scale_shift >= 0) {
        const bfn__node *row = &net->nodes[scale_shift];
        if (row->rows != 1 || row->cols != 2 * node.cols) {
            net->status =
                bfn__fail(net->ctx, BFN_ERR_INTERNAL, "%s: scale and shift are [%zu, %zu]", name, row->rows, row->cols);
            return 0;
        }
        node.in[1] = scale_shift;
    }
    node.weight =
        bfn__graph_param(net, bfn__graph_join(net, buffer, name, "weight"), node.cols, 0, BFN__INIT_ONE, 0.0, false);
    node.bias =
        bfn__graph_param(net, bfn__graph_join(net, buffer, name, "bias"), node.cols, 0, BFN__INIT_ZERO, 0.0, false);
    node.heads = groups;
    node.a = 1e-5;
    node.act = silu ? BFN__ACT_SILU : BFN__ACT_NONE;
    bfn__graph_make_trained(&node);
    return bfn__graph_append(net, node);
}

int bfn__graph_silu(bfn__net *net, int x)
{
    return bfn__graph_append(net, bfn__graph_like(net, BFN__OP_SILU, x));
}

int bfn__graph_upsample(bfn__net *net, int x)
{
    bfn__node node = bfn__graph_like(net, BFN__OP_UPSAMPLE, x);
    if (!is_image(net, &node, "upsample"))
        return 0;
    node.height *= 2;
    node.width *= 2;
    node.rows *= 4;
    return bfn__graph_append(net, node);
}

int bfn__graph_average_pool(bfn__net *net, int x)
{
    bfn__node node = bfn__graph_like(net, BFN__OP_POOL, x);
    if (!is_image(net, &node, "average pool"))
        return 0;
    if (node.height < 2 || node.width < 2) {
        net->status = bfn__fail(net->ctx, BFN_ERR_ARGUMENT, "image of %zu x %zu pixels: too small to be halved",
                                node.height, node.width);
        return 0;
    }
    node.height /= 2;
    node.width /= 2;
    node.rows = node.height * node.width;
    return bfn__graph_append(net, node);
}

int bfn__graph_attention_image(bfn__net *net, int qkv, size_t heads, bool heads_first)
{
    int id = bfn__graph_attention(net, qkv, heads, false);
    if (net->status == BFN_OK)
        net->nodes[id].heads_first = heads_first;
    return id;
}

static int value_waves(bfn__net *net, int x, bfn__waves waves, double a, size_t n)
{
    bfn__node node = bfn__graph_like(net, BFN__OP_VALUE_WAVES, x);
    node.waves = waves;
    node.a = a;
    node.heads = n;
    node.cols *= 1 + 2 * n;
    return bfn__graph_append(net, node);
}

int bfn__graph_fourier_features(bfn__net *net, int x, int first, size_t n)
{
    return value_waves(net, x, BFN__WAVES_POWERS, first, n);
}

int bfn__graph_encode_values(bfn__net *net, int x, double resolution, size_t n)
{
    return value_waves(net, x, BFN__WAVES_ENCODING, resolution, n);
}

int bfn__graph_time_waves(bfn__net *net, double factor, double shift, size_t cols, bfn__waves order)
{
    bfn__node node = bfn__graph_like(net, BFN__OP_TIME_WAVES, -1);
    node.rows = 1;
    node.cols = cols;
    node.a = factor;
    node.b = shift;
    node.waves = order;
    return bfn__graph_append(net, node);
}

int bfn__graph_concat_param(bfn__net *net, int x, int param)
{
    bfn__node node = bfn__graph_like(net, BFN__OP_CONCAT_PARAM, x);
    if (net->status != BFN_OK)
        return 0;
    const bfn__param *p = &net->params[param];
    if (p->rank != 2 || p->shape[0] != node.rows) {
        net->status = bfn__fail(net->ctx, BFN_ERR_INTERNAL, "%s: %zu rows beside %zu", p->name, p->shape[0], node.rows);
        return 0;
    }
    node.weight = param;
    node.cols += p->shape[1];
    if (p->trained)
        bfn__graph_make_trained(&node);
    return bfn__graph_append(net, node);
}

int bfn__graph_label(bfn__net *net, const char *name, size_t n_classes, size_t cols)
{
    char buffer[BFN__MAX_NAME];
    bfn__node node = bfn__graph_like(net, BFN__OP_LABEL, -1);
    node.weight = bfn__graph_param(net, bfn__graph_join(net, buffer, name, "weight"), n_classes, cols, BFN__INIT_NORMAL,
                                   1.0, false);
    node.rows = 1;
    node.cols = cols;
    net->n_labels = n_classes;
    bfn__graph_make_trained(&node);
    return bfn__graph_append(net, node);
}
