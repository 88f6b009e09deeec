/* unet_vdm.c: the U-Net of variational diffusion models, as the BFN papers use it for CIFAR-10 (SPEC 12.2), described as a graph.
 *
 *   h = conv_in(x | sines and cosines of x)                                       x: what the input adapter gives
 *   down blocks 0..n-1: push h; h = resnet(h) [attention]; push h
 *   h = resnet(attention(resnet(h)))
 *   up blocks 0..n: h = resnet(h | pop) [attention]
 *   output = output_adapter(x | conv(silu(norm(h))))
 *   resnet: skip(h) + conv(dropout(silu(norm(conv(silu(norm(h))) + cond_proj(cond)))))
 *
 * There is no resampling: all tensors are H x W. cond = silu(Linear(silu(Linear(waves of 1000 (t + 0.001))))), the waves as many as
 * embedding_dim. output_height is 1 (noise) or 2 (mean and log deviation of the noise); a pixel's outputs are channel-major.
 */
#include "nn/adapter.h"

#include <stdio.h>

static const bfn__option_rule RULES[] = {
    {"embedding_dim", 128, 2, 65536, true},  {"n_blocks", 32, 1, 1024, true},
    {"n_attention_heads", 1, 1, 1024, true}, {"dropout_prob", 0.1, 0, 0.9, false},
    {"norm_groups", 32, 1, 65536, true},     {"input_channels", 3, 1, 1024, true},
    {"use_fourier_features", 1, 0, 1, true}, {"attention_everywhere", 0, 0, 1, true},
    {"image_size", 32, 1, 4096, true},       {"output_channels", 3, 1, 1024, true},
    {"output_height", 1, 1, 2, true},        BFN__ADAPTER_RULES(0),
};
enum { N_RULES = sizeof RULES / sizeof *RULES, FIRST_POWER = 5, N_POWERS = 2 };

typedef struct vdm {
    bfn__net *net;
    size_t C, n, heads, groups;
    double dropout;
    bool everywhere;
    int cond; /* row [1, 4C] */
} vdm;

/* Names of the parts of a block: "<prefix><what>". */
static const char *part(char buffer[BFN__MAX_NAME], const char *prefix, const char *what)
{
    (void)snprintf(buffer, BFN__MAX_NAME, "%s.%s", prefix, what);
    return buffer;
}

static int resnet(const vdm *v, int h, const char *prefix)
{
    bfn__net *net = v->net;
    char name[BFN__MAX_NAME];
    int skip = h;
    if (net->status == BFN_OK && net->nodes[h].cols != v->C)
        skip = bfn__graph_conv(net, h, part(name, prefix, "skip_conv"), v->C, 1, 1, false);
    int x = bfn__graph_groupnorm(net, h, part(name, prefix, "net1.0"), v->groups, -1, true);
    x = bfn__graph_conv(net, x, part(name, prefix, "net1.2"), v->C, 3, 1, false);
    int row = bfn__graph_project(net, v->cond, part(name, prefix, "cond_proj"), 2, v->C, false, true);
    x = bfn__graph_add(net, x, row);
    x = bfn__graph_groupnorm(net, x, part(name, prefix, "net2.0"), v->groups, -1, true);
    x = bfn__graph_dropout(net, x, v->dropout);
    x = bfn__graph_conv(net, x, part(name, prefix, "net2.3"), v->C, 3, 1, true);
    return bfn__graph_add(net, skip, x);
}

static int attention(const vdm *v, int h, const char *prefix)
{
    bfn__net *net = v->net;
    char name[BFN__MAX_NAME];
    int x = bfn__graph_groupnorm(net, h, part(name, prefix, "layers.0"), v->groups, -1, false);
    x = bfn__graph_conv(net, x, part(name, prefix, "layers.1"), 3 * v->C, 1, 1, false);
    x = bfn__graph_attention_image(net, x, v->heads, false);
    x = bfn__graph_conv(net, x, part(name, prefix, "layers.3"), v->C, 1, 1, true);
    return bfn__graph_add(net, h, x);
}

static int block(const vdm *v, int h, const char *prefix)
{
    char name[BFN__MAX_NAME];
    h = resnet(v, h, part(name, prefix, "resnet_block"));
    return v->everywhere ? attention(v, h, part(name, prefix, "attention_block")) : h;
}

static int conditioning(bfn__net *net, size_t C)
{
    int x = bfn__graph_time_waves(net, 1000.0, 1.0, C, BFN__WAVES_SIN_FIRST);
    x = bfn__graph_project(net, x, "embed_conditioning.0", 2, 4 * C, true, false);
    x = bfn__graph_silu(net, x);
    x = bfn__graph_project(net, x, "embed_conditioning.2", 2, 4 * C, true, false);
    return bfn__graph_silu(net, x);
}

/* Down, middle, up; pushed [n + 1]. */
static int body(const vdm *v, int h, int *pushed)
{
    char name[BFN__MAX_NAME];
    size_t top = 0;
    pushed[top++] = h;
    for (size_t i = 0; i < v->n; i++) {
        (void)snprintf(name, sizeof name, "down_blocks.%zu", i);
        h = block(v, h, name);
        pushed[top++] = h;
    }
    h = resnet(v, h, "mid_resnet_block_1");
    h = attention(v, h, "mid_attn_block");
    h = resnet(v, h, "mid_resnet_block_2");
    for (size_t i = 0; i <= v->n; i++) {
        (void)snprintf(name, sizeof name, "up_blocks.%zu", i);
        h = block(v, bfn__graph_concat(v->net, h, pushed[--top]), name);
    }
    return h;
}

static bfn_status check(const bfn__net *net, const vdm *v, size_t channels)
{
    if (v->C % 2 != 0)
        return bfn__fail(net->ctx, BFN_ERR_ARGUMENT,
                         "embedding_dim: %zu: must be even: half of it are sines of the time, half cosines", v->C);
    if (v->C % v->heads != 0)
        return bfn__fail(net->ctx, BFN_ERR_ARGUMENT, "n_attention_heads: %zu: must divide embedding_dim, which is %zu",
                         v->heads, v->C);
    if (v->C % v->groups != 0)
        return bfn__fail(net->ctx, BFN_ERR_ARGUMENT, "norm_groups: %zu: must divide embedding_dim, which is %zu",
                         v->groups, v->C);
    size_t height = (size_t)bfn__graph_option(net, "input_adapter.output_height");
    if (height != 0 && height != channels)
        return bfn__fail(net->ctx, BFN_ERR_ARGUMENT,
                         "input_adapter.output_height: %zu: must be input_channels, which is %zu, or 0", height,
                         channels);
    return BFN_OK;
}

bfn_status bfn__unet_vdm_build(bfn__net *net, const bfn__option *options, size_t n_options)
{
    bfn_status status = bfn__graph_options(net, RULES, N_RULES, options, n_options);
    if (status != BFN_OK)
        return status;
#define SIZE(key) (size_t) bfn__graph_option(net, key)
    vdm v = {.net = net,
             .C = SIZE("embedding_dim"),
             .n = SIZE("n_blocks"),
             .heads = SIZE("n_attention_heads"),
             .groups = SIZE("norm_groups"),
             .dropout = bfn__graph_option(net, "dropout_prob"),
             .everywhere = bfn__graph_option(net, "attention_everywhere") != 0.0};
    size_t channels = SIZE("input_channels");
    status = check(net, &v, channels);
    if (status != BFN_OK)
        return status;
    int *pushed = bfn__calloc(net->ctx, v.n + 1, sizeof *pushed), shown;
    if (pushed == NULL)
        return BFN_ERR_MEMORY;
    int x = bfn__image_adapter(net, SIZE("image_size"), SIZE("output_channels"), channels, &shown), h = x;
    v.cond = conditioning(net, v.C);
    if (bfn__graph_option(net, "use_fourier_features") != 0.0)
        h = bfn__graph_fourier_features(net, h, FIRST_POWER, N_POWERS);
    h = bfn__graph_conv(net, h, "conv_in", v.C, 3, 1, false);
    h = body(&v, h, pushed);
    h = bfn__graph_groupnorm(net, h, "conv_out.0", v.groups, -1, true);
    h = bfn__graph_conv(net, h, "conv_out.2", v.C, 3, 1, true);
    (void)bfn__output_adapter(net, bfn__graph_concat(net, x, h), SIZE("output_channels"), SIZE("output_height"));
#undef SIZE
    bfn__free(net->ctx, pushed);
    return net->status;
}
