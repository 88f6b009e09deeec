/* inception.c: Inception-v3 (arXiv 1512.00567) as a graph, in the variant whose features define the Fréchet inception distance.
 *
 * A unit is convolution, batch normalisation (folded), ReLU. It is the network of the 2015 TensorFlow graph, which differs from the one that
 * classification libraries ship: means under a window leave out what lies beyond the border, and the pool of the last block takes the largest
 * value. Sizes: 299 -> 149, 147, 147, 73 (pool), 73, 71, 35 (pool), blocks 5b-5d at 35, 6a-6e at 17, 7a-7c at 8, then the mean of 8 x 8.
 */
#include "nn/inception.h"

#include "nn/graph.h"

#include <stdio.h>

static const bfn__window SAME3 = {3, 3, 1, 1, 1}, HALF3 = {3, 3, 2, 0, 0}, VALID3 = {3, 3, 1, 0, 0},
                         SAME5 = {5, 5, 1, 2, 2}, ONE = {1, 1, 1, 0, 0}, WIDE7 = {1, 7, 1, 0, 3},
                         TALL7 = {7, 1, 1, 3, 0}, WIDE3 = {1, 3, 1, 0, 1}, TALL3 = {3, 1, 1, 1, 0};

/* Unit "<block>.<name>", or "<name>" where block is NULL. */
static int unit(bfn__net *net, int x, const char *block, const char *name, size_t out, const bfn__window *window)
{
    char full[BFN__MAX_NAME];
    (void)snprintf(full, sizeof full, "%s%s%s.conv", block != NULL ? block : "", block != NULL ? "." : "", name);
    return bfn__graph_relu(net, bfn__graph_conv_window(net, x, full, out, window, false));
}

static int beside(bfn__net *net, int a, int b, int c, int d)
{
    int x = bfn__graph_concat(net, bfn__graph_concat(net, a, b), c);
    return d >= 0 ? bfn__graph_concat(net, x, d) : x;
}

/* 35 x 35 */
static int block_a(bfn__net *net, int x, const char *name, size_t pooled)
{
    int a = unit(net, x, name, "branch1x1", 64, &ONE);
    int b = unit(net, x, name, "branch5x5_1", 48, &ONE);
    b = unit(net, b, name, "branch5x5_2", 64, &SAME5);
    int c = unit(net, x, name, "branch3x3dbl_1", 64, &ONE);
    c = unit(net, c, name, "branch3x3dbl_2", 96, &SAME3);
    c = unit(net, c, name, "branch3x3dbl_3", 96, &SAME3);
    int d = unit(net, bfn__graph_window(net, x, &SAME3, false), name, "branch_pool", pooled, &ONE);
    return beside(net, a, b, c, d);
}

/* 35 to 17 */
static int block_b(bfn__net *net, int x, const char *name)
{
    int a = unit(net, x, name, "branch3x3", 384, &HALF3);
    int b = unit(net, x, name, "branch3x3dbl_1", 64, &ONE);
    b = unit(net, b, name, "branch3x3dbl_2", 96, &SAME3);
    b = unit(net, b, name, "branch3x3dbl_3", 96, &HALF3);
    return beside(net, a, b, bfn__graph_window(net, x, &HALF3, true), -1);
}

/* 17 x 17 */
static int block_c(bfn__net *net, int x, const char *name, size_t inner)
{
    int a = unit(net, x, name, "branch1x1", 192, &ONE);
    int b = unit(net, x, name, "branch7x7_1", inner, &ONE);
    b = unit(net, b, name, "branch7x7_2", inner, &WIDE7);
    b = unit(net, b, name, "branch7x7_3", 192, &TALL7);
    int c = unit(net, x, name, "branch7x7dbl_1", inner, &ONE);
    c = unit(net, c, name, "branch7x7dbl_2", inner, &TALL7);
    c = unit(net, c, name, "branch7x7dbl_3", inner, &WIDE7);
    c = unit(net, c, name, "branch7x7dbl_4", inner, &TALL7);
    c = unit(net, c, name, "branch7x7dbl_5", 192, &WIDE7);
    int d = unit(net, bfn__graph_window(net, x, &SAME3, false), name, "branch_pool", 192, &ONE);
    return beside(net, a, b, c, d);
}

/* 17 to 8 */
static int block_d(bfn__net *net, int x, const char *name)
{
    int a = unit(net, x, name, "branch3x3_1", 192, &ONE);
    a = unit(net, a, name, "branch3x3_2", 320, &HALF3);
    int b = unit(net, x, name, "branch7x7x3_1", 192, &ONE);
    b = unit(net, b, name, "branch7x7x3_2", 192, &WIDE7);
    b = unit(net, b, name, "branch7x7x3_3", 192, &TALL7);
    b = unit(net, b, name, "branch7x7x3_4", 192, &HALF3);
    return beside(net, a, b, bfn__graph_window(net, x, &HALF3, true), -1);
}

/* 8 x 8 */
static int block_e(bfn__net *net, int x, const char *name, bool largest)
{
    int a = unit(net, x, name, "branch1x1", 320, &ONE);
    int b = unit(net, x, name, "branch3x3_1", 384, &ONE);
    b = bfn__graph_concat(net, unit(net, b, name, "branch3x3_2a", 384, &WIDE3),
                          unit(net, b, name, "branch3x3_2b", 384, &TALL3));
    int c = unit(net, x, name, "branch3x3dbl_1", 448, &ONE);
    c = unit(net, c, name, "branch3x3dbl_2", 384, &SAME3);
    c = bfn__graph_concat(net, unit(net, c, name, "branch3x3dbl_3a", 384, &WIDE3),
                          unit(net, c, name, "branch3x3dbl_3b", 384, &TALL3));
    int d = unit(net, bfn__graph_window(net, x, &SAME3, largest), name, "branch_pool", 192, &ONE);
    return beside(net, a, b, c, d);
}

static int stem(bfn__net *net)
{
    int x = bfn__graph_image(net, BFN__INCEPTION_SIDE, BFN__INCEPTION_SIDE, 3);
    x = unit(net, x, NULL, "Conv2d_1a_3x3", 32, &HALF3);
    x = unit(net, x, NULL, "Conv2d_2a_3x3", 32, &VALID3);
    x = unit(net, x, NULL, "Conv2d_2b_3x3", 64, &SAME3);
    x = bfn__graph_window(net, x, &HALF3, true);
    x = unit(net, x, NULL, "Conv2d_3b_1x1", 80, &ONE);
    x = unit(net, x, NULL, "Conv2d_4a_3x3", 192, &VALID3);
    return bfn__graph_window(net, x, &HALF3, true);
}

bfn_status bfn__inception_create(bfn_context *ctx, bfn__net **out)
{
    *out = NULL;
    bfn__net *net;
    bfn_status status = bfn__graph_create(ctx, &net, "inception-v3");
    if (status != BFN_OK)
        return status;
    int x = stem(net);
    x = block_a(net, x, "Mixed_5b", 32);
    x = block_a(net, x, "Mixed_5c", 64);
    x = block_a(net, x, "Mixed_5d", 64);
    x = block_b(net, x, "Mixed_6a");
    x = block_c(net, x, "Mixed_6b", 128);
    x = block_c(net, x, "Mixed_6c", 160);
    x = block_c(net, x, "Mixed_6d", 160);
    x = block_c(net, x, "Mixed_6e", 192);
    x = block_d(net, x, "Mixed_7a");
    x = block_e(net, x, "Mixed_7b", false);
    x = block_e(net, x, "Mixed_7c", true);
    bfn__graph_output(net, bfn__graph_mean(net, x));
    if (net->status != BFN_OK) {
        status = net->status;
        bfn__net_destroy(net);
        return status;
    }
    *out = net;
    return BFN_OK;
}
