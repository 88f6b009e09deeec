/* adapter.c: image input adapter and output adapter of both U-Nets; see adapter.h.
 *
 * Position features of pixel (i, j) of an H x W image: y = -1 + 2 i/(H-1), x = -1 + 2 j/(W-1) (linspace), frequencies f_b = linspace(1, H/2) for y
 * and linspace(1, W/2) for x, n_freq_bands of each; columns sin(pi y f_b), sin(pi x f_b), cos(pi y f_b), cos(pi x f_b), y, x.
 */
#include "nn/adapter.h"

#include <math.h>

static double linspace(double first, double last, size_t n, size_t i)
{
    return n > 1 ? first + (last - first) * (double)i / (double)(n - 1) : first;
}

static void fill_positions(const bfn__net *net, const bfn__param *param, float *values)
{
    static const double pi = 3.14159265358979323846;
    size_t H = (size_t)bfn__graph_option(net, "input_adapter.input_shape.0");
    size_t W = (size_t)bfn__graph_option(net, "input_adapter.input_shape.1");
    size_t n = (size_t)bfn__graph_option(net, "input_adapter.n_freq_bands"), cols = param->shape[1];
    for (size_t p = 0; p < H * W; p++) {
        const double at[2] = {linspace(-1.0, 1.0, H, p / W), linspace(-1.0, 1.0, W, p % W)};
        const double top[2] = {(double)H / 2.0, (double)W / 2.0};
        float *row = values + p * cols;
        for (size_t side = 0; side < 2; side++) {
            for (size_t b = 0; b < n; b++) {
                double angle = pi * at[side] * linspace(1.0, top[side], n, b);
                row[side * n + b] = (float)sin(angle);
                row[(2 + side) * n + b] = (float)cos(angle);
            }
            row[4 * n + side] = (float)at[side];
        }
    }
}

/* The value of an option, or `instead` (which then becomes the option's value). */
static size_t resolve(bfn__net *net, const char *key, size_t instead)
{
    size_t value = (size_t)bfn__graph_option(net, key);
    if (value == 0)
        bfn__graph_set_option(net, key, (double)instead);
    return value > 0 ? value : instead;
}

/* Positions of the pixels beside x: always registered, used where add_pos_feats says so. Learned ones are [1, rows, pos_embed_size]. */
static int positions(bfn__net *net, int x, size_t rows)
{
    bool learned = bfn__graph_option(net, "input_adapter.learn_pos_feats") != 0.0;
    size_t bands = (size_t)bfn__graph_option(net, "input_adapter.n_freq_bands");
    size_t size = (size_t)bfn__graph_option(net, "input_adapter.pos_embed_size");
    const char *name = "input_adapter.pos_feats";
    int param = learned ? bfn__graph_param(net, name, rows, size, BFN__INIT_NORMAL, 0.02, false)
                        : bfn__graph_fixed(net, name, rows, 4 * bands + 2);
    if (bfn__graph_option(net, "input_adapter.add_pos_feats") != 0.0)
        x = bfn__graph_concat_param(net, x, param);
    if (learned && net->status == BFN_OK) {
        bfn__param *p = &net->params[param];
        p->rank = 3;
        p->shape[0] = 1;
        p->shape[1] = rows;
        p->shape[2] = size;
    }
    return x;
}

int bfn__image_adapter(bfn__net *net, size_t image_size, size_t data_channels, size_t height, int *shown)
{
    size_t C = resolve(net, "input_adapter.input_channels", data_channels);
    size_t H = resolve(net, "input_adapter.input_shape.0", image_size);
    size_t W = resolve(net, "input_adapter.input_shape.1", image_size);
    double mask_res = bfn__graph_option(net, "input_adapter.mask_res");
    net->fill_fixed = fill_positions;
    int x = *shown = bfn__graph_image(net, H, W, C);
    if (bfn__graph_option(net, "input_adapter.add_mask") != 0.0) {
        int mask = bfn__graph_time(net, 2.0, -1.0);
        if (mask_res > 0.0)
            mask = bfn__graph_encode_values(net, mask, mask_res,
                                            (size_t)bfn__graph_option(net, "input_adapter.n_freq_bands"));
        x = bfn__graph_concat(net, x, mask);
    }
    x = positions(net, x, H * W);
    if (net->status != BFN_OK)
        return 0;
    height = resolve(net, "input_adapter.output_height", height > 0 ? height : net->nodes[x].cols);
    if (net->nodes[x].cols != height)
        x = bfn__graph_project(net, x, "input_adapter.output_projection", 2, height, true, false);
    return x;
}

int bfn__output_adapter(bfn__net *net, int x, size_t channels, size_t height)
{
    int y = bfn__graph_project(net, x, "output_adapter.output_projection", 2, channels * height, true, false);
    net->channels = channels;
    bfn__graph_output(net, y);
    return y;
}
