/* unet_adm.c: the U-Net of improved diffusion, as the BFN papers use it for binarised MNIST (SPEC 12.3), described as a graph.
 *
 *   x = adapter [input_projection]; h = conv(x); push h
 *   down, for each level of channel_mult: num_res_blocks times h = block(h), push; then half the size, push (not after the last)
 *   middle: resnet, attention, resnet
 *   up, levels in reverse: num_res_blocks + 1 times h = block(h | pop); then twice the size (not after the first level)
 *   output = output_adapter(x | conv(silu(norm(h))))                                 x only with skip
 *   block: resnet to mult * model_channels, then attention where the image is 1/n in each direction, n in attention_resolutions
 *   resnet: skip(h) + conv(dropout(silu(norm(conv(silu(norm(h))) + e)))), e = Linear(silu(embedding)); with use_scale_shift_norm e is
 *           scale | shift of the second norm instead of a summand
 *
 * embedding = Linear(silu(Linear(waves of 4000 t))) [+ the row of label_emb that the sample's class names]. All norms have
 * norm_groups groups, 32 as published (with as many channels, a constant added before a norm, the time's too, is taken out again by
 * it). Unlike unet_vdm's, the columns of qkv are split into heads first. Sizes are halved by convolutions of stride 2 and doubled by
 * repeating pixels before a convolution; without conv_resample by means of 2x2, and alone.
 *
 * Lists are numbered: channel_mult.0, .1, ...; the first 0 ends them, and a list that is not given at all is the published one.
 */
#include "nn/adapter.h"

#include <stdio.h>
#include <string.h>

enum { MAX_LEVELS = 8, NOT_GIVEN = -1 };

#define LIST(key, first, high)                                                                                         \
    {key ".0", first, 0, high, true}, {key ".1", 0, 0, high, true}, {key ".2", 0, 0, high, true},                      \
        {key ".3", 0, 0, high, true}, {key ".4", 0, 0, high, true}, {key ".5", 0, 0, high, true},                      \
        {key ".6", 0, 0, high, true},                                                                                  \
    {                                                                                                                  \
        key ".7", 0, 0, high, true                                                                                     \
    }

static const bfn__option_rule RULES[] = {
    {"image_size", 32, 1, 4096, true},
    {"in_channels", 0, 0, 65536, true}, /* 0: as many as the adapter gives */
    {"model_channels", 128, 1, 65536, true},
    {"out_channels", 128, 1, 65536, true},
    {"num_res_blocks", 3, 1, 64, true},
    LIST("channel_mult", 0, 64),
    LIST("attention_resolutions", NOT_GIVEN, 4096),
    {"dropout", 0, 0, 0.9, false},
    {"conv_resample", 1, 0, 1, true},
    {"dims", 2, 2, 2, true},
    {"num_heads", 4, 1, 1024, true},
    {"num_heads_upsample", -1, -1, 1024, true}, /* -1, 0: as num_heads */
    {"use_scale_shift_norm", 0, 0, 1, true},
    {"norm_groups", 32, 1, 65536, true},
    {"project_input", 0, 0, 1, true},
    {"skip", 1, 0, 1, true},
    {"num_classes", 0, 0, 65536, true}, /* 0: no classes */
    {"output_channels", 3, 1, 1024, true},
    {"output_height", 1, 1, 2, true},
    BFN__ADAPTER_RULES(1),
};
enum { N_RULES = sizeof RULES / sizeof *RULES };

typedef struct adm {
    bfn__net *net;
    size_t C, n_res, heads, heads_up, groups;
    size_t mult[MAX_LEVELS], n_levels, attention[MAX_LEVELS], n_attention;
    double dropout;
    bool resample, scales, project, skip;
    int embedding; /* after SiLU: row [1, 4C] */
    int *pushed;
    size_t n_pushed;
} adm;

/* "<prefix>.<what>" */
static const char *part(char buffer[BFN__MAX_NAME], const char *prefix, const char *what)
{
    (void)snprintf(buffer, BFN__MAX_NAME, "%s.%s", prefix, what);
    return buffer;
}

/* "<way>.<block>.<layer><what>" */
static const char *layer_name(char buffer[BFN__MAX_NAME], const char *way, size_t block, size_t layer, const char *what)
{
    (void)snprintf(buffer, BFN__MAX_NAME, "%s.%zu.%zu%s", way, block, layer, what);
    return buffer;
}

/* ---- layers ---- */

static int resnet(const adm *a, int h, const char *prefix, size_t out)
{
    bfn__net *net = a->net;
    char name[BFN__MAX_NAME];
    int skip = h;
    if (net->status == BFN_OK && net->nodes[h].cols != out)
        skip = bfn__graph_conv(net, h, part(name, prefix, "skip_connection"), out, 1, 1, false);
    int x = bfn__graph_groupnorm(net, h, part(name, prefix, "in_layers.0"), a->groups, -1, true);
    x = bfn__graph_conv(net, x, part(name, prefix, "in_layers.2"), out, 3, 1, false);
    size_t width = a->scales ? 2 * out : out;
    int row = bfn__graph_project(net, a->embedding, part(name, prefix, "emb_layers.1"), 2, width, true, false);
    if (!a->scales)
        x = bfn__graph_add(net, x, row);
    x = bfn__graph_groupnorm(net, x, part(name, prefix, "out_layers.0"), a->groups, a->scales ? row : -1, true);
    x = bfn__graph_dropout(net, x, a->dropout);
    x = bfn__graph_conv(net, x, part(name, prefix, "out_layers.3"), out, 3, 1, true);
    return bfn__graph_add(net, skip, x);
}

static int attention(const adm *a, int h, const char *prefix, size_t heads)
{
    bfn__net *net = a->net;
    char name[BFN__MAX_NAME];
    int x = bfn__graph_groupnorm(net, h, part(name, prefix, "norm"), a->groups, -1, false);
    size_t channels = net->status == BFN_OK ? net->nodes[x].cols : 1;
    x = bfn__graph_project(net, x, part(name, prefix, "qkv"), 3, 3 * channels, true, false);
    x = bfn__graph_attention_image(net, x, heads, true);
    x = bfn__graph_project(net, x, part(name, prefix, "proj_out"), 3, channels, true, true);
    return bfn__graph_add(net, h, x);
}

static bool attends_at(const adm *a, size_t level)
{
    for (size_t i = 0; i < a->n_attention; i++)
        if (a->attention[i] == (size_t)1 << level)
            return true;
    return false;
}

/* Layers 0 and perhaps 1 of a block of the way down or up. */
static int block(const adm *a, int h, const char *way, size_t number, size_t level, size_t heads)
{
    char name[BFN__MAX_NAME];
    h = resnet(a, h, layer_name(name, way, number, 0, ""), a->mult[level] * a->C);
    return attends_at(a, level) ? attention(a, h, layer_name(name, way, number, 1, ""), heads) : h;
}

static int shrink(const adm *a, int h, size_t number)
{
    char name[BFN__MAX_NAME];
    if (!a->resample)
        return bfn__graph_average_pool(a->net, h);
    size_t channels = a->net->status == BFN_OK ? a->net->nodes[h].cols : 1;
    return bfn__graph_conv(a->net, h, layer_name(name, "input_blocks", number, 0, ".op"), channels, 3, 2, false);
}

static int enlarge(const adm *a, int h, size_t number, size_t level)
{
    char name[BFN__MAX_NAME];
    h = bfn__graph_upsample(a->net, h);
    if (!a->resample)
        return h;
    size_t layer = attends_at(a, level) ? 2 : 1;
    return bfn__graph_conv(a->net, h, layer_name(name, "output_blocks", number, layer, ".conv"), a->mult[level] * a->C,
                           3, 1, false);
}

/* ---- the network ---- */

static int embed(bfn__net *net, size_t C, size_t n_classes)
{
    int x = bfn__graph_time_waves(net, 4000.0, 0.0, C, BFN__WAVES_COS_FIRST);
    x = bfn__graph_project(net, x, "time_embed.0", 2, 4 * C, true, false);
    x = bfn__graph_project(net, bfn__graph_silu(net, x), "time_embed.2", 2, 4 * C, true, false);
    if (n_classes > 0)
        x = bfn__graph_add(net, x, bfn__graph_label(net, "label_emb", n_classes, 4 * C));
    return bfn__graph_silu(net, x);
}

static int push(adm *a, int h)
{
    return a->pushed[a->n_pushed++] = h;
}

static int down(adm *a, int h)
{
    size_t number = 1;
    (void)push(a, h);
    for (size_t level = 0; level < a->n_levels; level++) {
        for (size_t i = 0; i < a->n_res; i++)
            h = push(a, block(a, h, "input_blocks", number++, level, a->heads));
        if (level + 1 < a->n_levels)
            h = push(a, shrink(a, h, number++));
    }
    return h;
}

static int middle(const adm *a, int h)
{
    size_t channels = a->mult[a->n_levels - 1] * a->C;
    h = resnet(a, h, "middle_block.0", channels);
    h = attention(a, h, "middle_block.1", a->heads);
    return resnet(a, h, "middle_block.2", channels);
}

static int up(adm *a, int h)
{
    size_t number = 0;
    for (size_t level = a->n_levels; level-- > 0;) {
        for (size_t i = 0; i <= a->n_res; i++) {
            h = bfn__graph_concat(a->net, h, a->pushed[--a->n_pushed]);
            h = block(a, h, "output_blocks", number++, level, a->heads_up);
        }
        if (level > 0)
            h = enlarge(a, h, number - 1, level);
    }
    return h;
}

static bfn_status build(adm *a)
{
    bfn__net *net = a->net;
#define SIZE(key) (size_t) bfn__graph_option(net, key)
    size_t n_pushed = a->n_levels * (a->n_res + 1), out = SIZE("out_channels"), channels = SIZE("output_channels");
    a->pushed = bfn__calloc(net->ctx, n_pushed, sizeof *a->pushed);
    if (a->pushed == NULL)
        return BFN_ERR_MEMORY;
    int shown, x = bfn__image_adapter(net, SIZE("image_size"), channels, SIZE("in_channels"), &shown);
    if (net->status == BFN_OK)
        bfn__graph_set_option(net, "in_channels", (double)net->nodes[x].cols);
    if (a->project)
        x = bfn__graph_project(net, x, "input_projection", 2, a->C, true, false);
    a->embedding = embed(net, a->C, SIZE("num_classes"));
    int h = bfn__graph_conv(net, x, "input_blocks.0.0", a->C, 3, 1, false);
    h = up(a, middle(a, down(a, h)));
    h = bfn__graph_groupnorm(net, h, "out.0", a->groups, -1, true);
    h = bfn__graph_conv(net, h, "out.2", out, 3, 1, true);
    if (a->skip)
        h = bfn__graph_concat(net, x, h);
    (void)bfn__output_adapter(net, h, channels, SIZE("output_height"));
    bfn__free(net->ctx, a->pushed);
    return net->status;
}

/* ---- options ---- */

/* Members of a list up to its first 0; those behind it become 0 too, as they do not count. */
static size_t read_list(bfn__net *net, const char *key, size_t values[MAX_LEVELS])
{
    size_t n = 0;
    bool ended = false;
    for (size_t i = 0; i < MAX_LEVELS; i++) {
        char name[BFN__MAX_NAME];
        (void)snprintf(name, sizeof name, "%s.%zu", key, i);
        size_t value = (size_t)bfn__graph_option(net, name);
        ended = ended || value == 0;
        if (ended)
            bfn__graph_set_option(net, name, 0.0);
        else
            values[n++] = value;
    }
    return n;
}

/* What is not given: the published lists, and heads that follow from others. */
static void complete(bfn__net *net)
{
    bool given = false;
    for (size_t i = 0; i < net->n_options; i++)
        given = given || (strncmp(net->options[i].key, "channel_mult.", 13) == 0 && net->options[i].value != 0.0);
    if (!given) {
        bfn__graph_set_option(net, "channel_mult.0", 1.0);
        bfn__graph_set_option(net, "channel_mult.1", 2.0);
        bfn__graph_set_option(net, "channel_mult.2", 2.0);
        bfn__graph_set_option(net, "channel_mult.3", 2.0);
    }
    if (bfn__graph_option(net, "attention_resolutions.0") == NOT_GIVEN) {
        bfn__graph_set_option(net, "attention_resolutions.0", 8.0);
        bfn__graph_set_option(net, "attention_resolutions.1", 16.0);
    }
    if (bfn__graph_option(net, "num_heads_upsample") <= 0.0)
        bfn__graph_set_option(net, "num_heads_upsample", bfn__graph_option(net, "num_heads"));
}

static bfn_status check_heads(const adm *a, const char *key, size_t heads)
{
    for (size_t level = 0; level < a->n_levels; level++) {
        size_t channels = a->mult[level] * a->C;
        bool used = attends_at(a, level) || level + 1 == a->n_levels; /* the last one: in the middle */
        if (used && channels % heads != 0)
            return bfn__fail(a->net->ctx, BFN_ERR_ARGUMENT, "%s: %zu: must divide %zu, the channels where it attends",
                             key, heads, channels);
    }
    return BFN_OK;
}

static bfn_status check_sizes(const adm *a)
{
    size_t side = (size_t)bfn__graph_option(a->net, "image_size"), parts = (size_t)1 << (a->n_levels - 1);
    static const char *const keys[] = {"input_adapter.input_shape.0", "input_adapter.input_shape.1"};
    for (int k = 0; k < 2; k++) {
        size_t size = (size_t)bfn__graph_option(a->net, keys[k]);
        size = size > 0 ? size : side;
        if (size % parts != 0)
            return bfn__fail(
                a->net->ctx, BFN_ERR_ARGUMENT,
                "image_size: %zu pixels of %s: must be a multiple of %zu for the %zu levels of channel_mult", size,
                k == 0 ? "height" : "width", parts, a->n_levels);
    }
    return BFN_OK;
}

static bfn_status check_shape(const adm *a)
{
    bfn_context *ctx = a->net->ctx;
    if (a->C % a->groups != 0)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "norm_groups: %zu: must divide model_channels, which is %zu", a->groups,
                         a->C);
    if (a->n_levels == 0)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "channel_mult.0: 0: must be a whole number from 1 to 64");
    size_t in = (size_t)bfn__graph_option(a->net, "in_channels");
    size_t given = (size_t)bfn__graph_option(a->net, "input_adapter.output_height");
    if (in != 0 && given != 0 && in != given)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT,
                         "input_adapter.output_height: %zu: must be in_channels, which is %zu, or 0", given, in);
    for (size_t i = 0; i < a->n_attention; i++)
        if ((a->attention[i] & (a->attention[i] - 1)) != 0)
            return bfn__fail(
                ctx, BFN_ERR_ARGUMENT,
                "attention_resolutions.%zu: %zu: must be a power of 2 (1: full size, 2: half, ...; 0: none)", i,
                a->attention[i]);
    return check_sizes(a);
}

bfn_status bfn__unet_adm_build(bfn__net *net, const bfn__option *options, size_t n_options)
{
    bfn_status status = bfn__graph_options(net, RULES, N_RULES, options, n_options);
    if (status != BFN_OK)
        return status;
    complete(net);
#define FLAG(key) (bfn__graph_option(net, key) != 0.0)
    adm a = {.net = net,
             .C = SIZE("model_channels"),
             .n_res = SIZE("num_res_blocks"),
             .heads = SIZE("num_heads"),
             .heads_up = SIZE("num_heads_upsample"),
             .groups = SIZE("norm_groups"),
             .dropout = bfn__graph_option(net, "dropout"),
             .resample = FLAG("conv_resample"),
             .scales = FLAG("use_scale_shift_norm"),
             .project = FLAG("project_input"),
             .skip = FLAG("skip")};
#undef FLAG
#undef SIZE
    a.n_levels = read_list(net, "channel_mult", a.mult);
    a.n_attention = read_list(net, "attention_resolutions", a.attention);
    status = check_shape(&a);
    if (status == BFN_OK)
        status = check_heads(&a, "num_heads", a.heads);
    if (status == BFN_OK)
        status = check_heads(&a, "num_heads_upsample", a.heads_up);
    return status == BFN_OK ? build(&a) : status;
}
