/* helper_unet_reference.c: the U-Nets as plain loops in double; see helper_unet_reference.h. Written from SPEC 12, slow and obvious.
 *
 * Layers are functions from image to image; every image they make is kept in a list and freed when the network is done. A Linear on
 * each pixel is a 1x1 convolution: the weights lie alike. A vector (the time embedding) is an image of one pixel.
 */
#include "helper_unet_reference.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const double pi = 3.14159265358979323846;

enum { MAX_IMAGES = 8192, MAX_SKIPS = 512, MAX_LIST = 16, NAME = 160 };

typedef struct image {
    size_t h, w, c;
    double *x; /* [h, w, c] */
} image;

typedef struct run {
    const unet_reference *r;
    double *kept[MAX_IMAGES]; /* all memory of this run */
    size_t n_kept;
    image skips[MAX_SKIPS]; /* stack of what the way down left for the way up */
    size_t n_skips;
} run;

/* ---- memory, options, parameters ---- */

static image new_image(run *n, size_t h, size_t w, size_t c)
{
    if (n->n_kept == MAX_IMAGES)
        fail_msg("the reference network is too deep");
    image y = {h, w, c, calloc(h * w * c, sizeof(double))};
    if (y.x == NULL)
        fail_msg("no memory");
    n->kept[n->n_kept++] = y.x;
    return y;
}

static void free_images(run *n)
{
    for (size_t i = 0; i < n->n_kept; i++)
        free(n->kept[i]);
    free(n);
}

static run *new_run(const unet_reference *r)
{
    run *n = calloc(1, sizeof *n);
    if (n == NULL)
        fail_msg("no memory");
    n->r = r;
    return n;
}

static double option(const run *n, const char *key, double fallback)
{
    for (size_t i = 0; i < n->r->n_options; i++)
        if (strcmp(n->r->options[i].key, key) == 0)
            return n->r->options[i].value;
    return fallback;
}

static size_t size_option(const run *n, const char *key, size_t fallback)
{
    return (size_t)option(n, key, (double)fallback);
}

static bool flag(const run *n, const char *key, bool fallback)
{
    return option(n, key, fallback ? 1.0 : 0.0) != 0.0;
}

/* Elements "<key>.0", "<key>.1", ... of a list; those from the first missing one, or the first 0, on are not there. */
static size_t list_option(const run *n, const char *key, size_t values[MAX_LIST])
{
    size_t count = 0;
    for (; count < MAX_LIST; count++) {
        char name[NAME];
        (void)snprintf(name, sizeof name, "%s.%zu", key, count);
        if (option(n, name, 0.0) == 0.0)
            break;
        values[count] = size_option(n, name, 0);
    }
    return count;
}

static const double *optional_parameter(const run *n, const char *layer, const char *what, size_t count)
{
    char name[NAME];
    (void)snprintf(name, sizeof name, "%s%s%s", layer, what[0] != '\0' ? "." : "", what);
    return n->r->lookup(n->r->user, name, count);
}

static const double *parameter(const run *n, const char *layer, const char *what, size_t count)
{
    const double *p = optional_parameter(n, layer, what, count);
    if (p == NULL)
        fail_msg("no parameter \"%s.%s\"", layer, what);
    return p;
}

/* ---- layers ---- */

/* y[r, c, o] = bias[o] + sum over i, ky, kx of w[o, i, ky, kx] x[r stride + ky - k/2, c stride + kx - k/2, i], x = 0 outside. The weights
 * are put in the order [ky, kx, i, o] first, for speed. */
static image conv(run *n, const char *name, image x, size_t out, size_t k, size_t stride)
{
    const double *w = parameter(n, name, "weight", out * x.c * k * k), *b = optional_parameter(n, name, "bias", out);
    image y = new_image(n, (x.h + stride - 1) / stride, (x.w + stride - 1) / stride, out);
    double *ordered = new_image(n, k, k, x.c * out).x;
    for (size_t o = 0; o < out; o++)
        for (size_t c = 0; c < x.c; c++)
            for (size_t tap = 0; tap < k * k; tap++)
                ordered[(tap * x.c + c) * out + o] = w[(o * x.c + c) * k * k + tap];
    for (size_t p = 0; p < y.h * y.w; p++) {
        double *sums = y.x + p * out;
        for (size_t o = 0; b != NULL && o < out; o++)
            sums[o] = b[o];
        for (size_t tap = 0; tap < k * k; tap++) {
            size_t row = p / y.w * stride + tap / k - k / 2, column = p % y.w * stride + tap % k - k / 2;
            if (row >= x.h || column >= x.w) /* -1 has become huge */
                continue;
            for (size_t i = 0; i < x.c; i++)
                for (size_t o = 0; o < out; o++)
                    sums[o] += ordered[(tap * x.c + i) * out + o] * x.x[(row * x.w + column) * x.c + i];
        }
    }
    return y;
}

static image pixelwise(run *n, const char *name, image x, size_t out)
{
    return conv(n, name, x, out, 1, 1);
}

/* Each group of c/groups neighbouring channels is brought to mean 0 and variance 1 over the whole image; then weight and bias a channel. */
static image group_norm(run *n, const char *name, image x, size_t groups)
{
    const double *w = parameter(n, name, "weight", x.c), *b = parameter(n, name, "bias", x.c);
    image y = new_image(n, x.h, x.w, x.c);
    size_t width = x.c / groups, pixels = x.h * x.w;
    for (size_t first = 0; first < x.c; first += width) {
        double mean = 0.0, variance = 0.0, count = (double)(width * pixels);
        for (size_t p = 0; p < pixels; p++)
            for (size_t c = first; c < first + width; c++)
                mean += x.x[p * x.c + c] / count;
        for (size_t p = 0; p < pixels; p++)
            for (size_t c = first; c < first + width; c++)
                variance += (x.x[p * x.c + c] - mean) * (x.x[p * x.c + c] - mean) / count;
        for (size_t p = 0; p < pixels; p++)
            for (size_t c = first; c < first + width; c++)
                y.x[p * x.c + c] = (x.x[p * x.c + c] - mean) / sqrt(variance + 1e-5) * w[c] + b[c];
    }
    return y;
}

static image silu(run *n, image x)
{
    image y = new_image(n, x.h, x.w, x.c);
    for (size_t i = 0; i < x.h * x.w * x.c; i++)
        y.x[i] = x.x[i] / (1.0 + exp(-x.x[i]));
    return y;
}

/* x + y; y may be one pixel, which is then added to all. */
static image add(run *n, image x, image y)
{
    image z = new_image(n, x.h, x.w, x.c);
    bool one = y.h * y.w == 1;
    for (size_t p = 0; p < x.h * x.w; p++)
        for (size_t c = 0; c < x.c; c++)
            z.x[p * x.c + c] = x.x[p * x.c + c] + y.x[(one ? 0 : p) * x.c + c];
    return z;
}

static image concat(run *n, image x, image y)
{
    image z = new_image(n, x.h, x.w, x.c + y.c);
    for (size_t p = 0; p < x.h * x.w; p++) {
        memcpy(z.x + p * z.c, x.x + p * x.c, x.c * sizeof(double));
        memcpy(z.x + p * z.c + x.c, y.x + p * y.c, y.c * sizeof(double));
    }
    return z;
}

/* Mean of 2x2 pixels. */
static image pool(run *n, image x)
{
    image y = new_image(n, x.h / 2, x.w / 2, x.c);
    for (size_t r = 0; r < 2 * y.h; r++)
        for (size_t column = 0; column < 2 * y.w; column++)
            for (size_t c = 0; c < x.c; c++)
                y.x[(r / 2 * y.w + column / 2) * x.c + c] += x.x[(r * x.w + column) * x.c + c] / 4.0;
    return y;
}

/* Every pixel becomes 2x2 equal ones. */
static image enlarge(run *n, image x)
{
    image y = new_image(n, 2 * x.h, 2 * x.w, x.c);
    for (size_t p = 0; p < y.h * y.w; p++)
        memcpy(y.x + p * x.c, x.x + (p / y.w / 2 * x.w + p % y.w / 2) * x.c, x.c * sizeof(double));
    return y;
}

/* One head of attention between all pixels: y[i] = sum over j of softmax_j(q_i . k_j / sqrt(d)) v_j. q, k, v: d channels of qkv from the
 * given ones on; the result goes to channels to, to+1, ... of y. */
static void attend(image qkv, size_t q, size_t k, size_t v, size_t d, image y, size_t to)
{
    size_t pixels = qkv.h * qkv.w;
    for (size_t i = 0; i < pixels; i++) {
        const double *query = qkv.x + i * qkv.c + q;
        double *out = y.x + i * y.c + to, sum = 0.0, largest = -HUGE_VAL;
        double *score = calloc(pixels, sizeof *score);
        assert_non_null(score);
        for (size_t j = 0; j < pixels; j++) {
            for (size_t c = 0; c < d; c++)
                score[j] += query[c] * qkv.x[j * qkv.c + k + c] / sqrt((double)d);
            largest = fmax(largest, score[j]);
        }
        for (size_t j = 0; j < pixels; j++)
            sum += score[j] = exp(score[j] - largest);
        for (size_t j = 0; j < pixels; j++)
            for (size_t c = 0; c < d; c++)
                out[c] += score[j] / sum * qkv.x[j * qkv.c + v + c];
        free(score);
    }
}

/* ---- input and output ---- */

/* Value i of `steps` equally spaced ones from low to high. */
static double linspace(double low, double high, size_t steps, size_t i)
{
    return steps > 1 ? low + (high - low) * (double)i / (double)(steps - 1) : low;
}

/* Features of a pixel's place: sin(pi y band_y) for all bands, the same for x, the cosines in that order, then y and x themselves, which
 * run from -1 to 1; bands from 1 to half the side. y is the row. */
static image position_features(run *n, size_t h, size_t w, size_t bands)
{
    image f = new_image(n, h, w, 4 * bands + 2);
    for (size_t p = 0; p < h * w; p++) {
        double *out = f.x + p * f.c;
        double place[2] = {linspace(-1.0, 1.0, h, p / w), linspace(-1.0, 1.0, w, p % w)};
        for (size_t axis = 0; axis < 2; axis++) {
            for (size_t j = 0; j < bands; j++) {
                double angle = pi * place[axis] * linspace(1.0, (double)(axis == 0 ? h : w) / 2.0, bands, j);
                out[axis * bands + j] = sin(angle);
                out[(2 + axis) * bands + j] = cos(angle);
            }
            out[4 * bands + axis] = place[axis];
        }
    }
    return f;
}

/* A parameter of the whole image, [H*W, width] once the option says so. */
static image learned_features(run *n, size_t h, size_t w, size_t width)
{
    image f = new_image(n, h, w, width);
    memcpy(f.x, parameter(n, "input_adapter.pos_feats", "", h * w * width), h * w * width * sizeof(double));
    return f;
}

/* The time at every pixel: 2t - 1, and with mask_res = m > 0 also 2 bands numbers: sin(m t / 10000^(j/2bands)) for even j, cos for odd. */
static image time_features(run *n, size_t h, size_t w, double t)
{
    double m = option(n, "input_adapter.mask_res", -1.0);
    size_t width = m > 0.0 ? 2 * size_option(n, "input_adapter.n_freq_bands", 64) : 0;
    image f = new_image(n, h, w, 1 + width);
    for (size_t p = 0; p < h * w; p++) {
        f.x[p * f.c] = 2.0 * t - 1.0;
        for (size_t j = 0; j < width; j++) {
            double angle = m * t / pow(10000.0, (double)j / (double)width);
            f.x[p * f.c + 1 + j] = j % 2 == 0 ? sin(angle) : cos(angle);
        }
    }
    return f;
}

/* What is shown, time features, position features; a Linear to output_height channels unless there are just so many. value_res has no
 * effect in the published network, nor here. */
static image input_adapter(run *n, const double *shown, double t)
{
    size_t side = size_option(n, "image_size", 32);
    size_t h = size_option(n, "input_adapter.input_shape.0", side),
           w = size_option(n, "input_adapter.input_shape.1", side);
    image x = new_image(n, h, w, size_option(n, "input_adapter.input_channels", 3));
    memcpy(x.x, shown, h * w * x.c * sizeof(double));
    if (flag(n, "input_adapter.add_mask", true))
        x = concat(n, x, time_features(n, h, w, t));
    if (flag(n, "input_adapter.add_pos_feats", true))
        x = concat(n, x,
                   flag(n, "input_adapter.learn_pos_feats", false)
                       ? learned_features(n, h, w, size_option(n, "input_adapter.pos_embed_size", 32))
                       : position_features(n, h, w, size_option(n, "input_adapter.n_freq_bands", 64)));
    size_t height = size_option(n, "input_adapter.output_height", 256);
    return height == x.c ? x : pixelwise(n, "input_adapter.output_projection", x, height);
}

static void output_adapter(run *n, image x, double *out)
{
    size_t width = size_option(n, "output_channels", 3) * size_option(n, "output_height", 1);
    image y = pixelwise(n, "output_adapter.output_projection", x, width);
    memcpy(out, y.x, y.h * y.w * y.c * sizeof(double));
}

static void push(run *n, image x)
{
    if (n->n_skips == MAX_SKIPS)
        fail_msg("the reference network is too deep");
    n->skips[n->n_skips++] = x;
}

static image pop(run *n)
{
    return n->skips[--n->n_skips];
}

/* ---- the U-Net of variational diffusion models ---- */

/* sin(1000 (t + 0.001) f), then cos, for the frequencies f = 10^0 ... 10^-4, equally spaced in the exponent, both ends included. */
static image vdm_time(run *n, double t)
{
    size_t width = size_option(n, "embedding_dim", 128), half = width / 2;
    image e = new_image(n, 1, 1, width);
    for (size_t i = 0; i < half; i++) {
        double angle = 1000.0 * (t + 0.001) * pow(10.0, linspace(0.0, -4.0, half, i));
        e.x[i] = sin(angle);
        e.x[half + i] = cos(angle);
    }
    e = silu(n, pixelwise(n, "embed_conditioning.0", e, 4 * width));
    return silu(n, pixelwise(n, "embed_conditioning.2", e, 4 * width));
}

/* x, then sin(2 pi 2^5 x) and sin(2 pi 2^6 x) of all channels, then the cosines. */
static image fourier_features(run *n, image x)
{
    image y = new_image(n, x.h, x.w, 5 * x.c);
    for (size_t p = 0; p < x.h * x.w; p++) {
        for (size_t c = 0; c < x.c; c++) {
            double value = x.x[p * x.c + c], *out = y.x + p * y.c + c;
            out[0] = value;
            out[x.c] = sin(2.0 * pi * 32.0 * value);
            out[2 * x.c] = sin(2.0 * pi * 64.0 * value);
            out[3 * x.c] = cos(2.0 * pi * 32.0 * value);
            out[4 * x.c] = cos(2.0 * pi * 64.0 * value);
        }
    }
    return y;
}

/* x + conv(silu(norm(conv(silu(norm(x))) + projected time))); x itself goes through a 1x1 convolution where the widths differ. */
static image vdm_resnet(run *n, const char *block, image x, image time)
{
    size_t width = size_option(n, "embedding_dim", 128), groups = size_option(n, "norm_groups", 32);
    char name[NAME];
#define PART(what) ((void)snprintf(name, sizeof name, "%s." what, block), name)
    image h = silu(n, group_norm(n, PART("net1.0"), x, groups));
    h = conv(n, PART("net1.2"), h, width, 3, 1);
    h = add(n, h, pixelwise(n, PART("cond_proj"), time, width));
    h = silu(n, group_norm(n, PART("net2.0"), h, groups));
    h = conv(n, PART("net2.3"), h, width, 3, 1);
    return add(n, x.c == width ? x : pixelwise(n, PART("skip_conv"), x, width), h);
#undef PART
}

/* x + conv(attention(conv(norm(x)))). Channels of the inner convolution: all heads' queries, all keys, all values. */
static image vdm_attention(run *n, const char *block, image x)
{
    size_t heads = size_option(n, "n_attention_heads", 1), d = x.c / heads;
    char name[NAME];
#define PART(what) ((void)snprintf(name, sizeof name, "%s." what, block), name)
    image h = group_norm(n, PART("layers.0"), x, size_option(n, "norm_groups", 32));
    image qkv = pixelwise(n, PART("layers.1"), h, 3 * x.c), y = new_image(n, x.h, x.w, x.c);
    for (size_t i = 0; i < heads; i++)
        attend(qkv, i * d, x.c + i * d, 2 * x.c + i * d, d, y, i * d);
    return add(n, x, pixelwise(n, PART("layers.3"), y, x.c));
#undef PART
}

/* "down_blocks" or "up_blocks" i: a resnet block, and attention where it is everywhere. */
static image vdm_block(run *n, const char *way, size_t i, image x, image time)
{
    char name[NAME];
    (void)snprintf(name, sizeof name, "%s.%zu.resnet_block", way, i);
    x = vdm_resnet(n, name, x, time);
    (void)snprintf(name, sizeof name, "%s.%zu.attention_block", way, i);
    return flag(n, "attention_everywhere", false) ? vdm_attention(n, name, x) : x;
}

void reference_unet_vdm(const unet_reference *r, const double *shown, double t, double *out)
{
    run *n = new_run(r);
    size_t width = size_option(n, "embedding_dim", 128), n_blocks = size_option(n, "n_blocks", 32);
    image x = input_adapter(n, shown, t), time = vdm_time(n, t);
    image h = flag(n, "use_fourier_features", true) ? fourier_features(n, x) : x;
    h = conv(n, "conv_in", h, width, 3, 1);
    for (size_t i = 0; i < n_blocks; i++) {
        push(n, h);
        h = vdm_block(n, "down_blocks", i, h, time);
    }
    push(n, h);
    h = vdm_resnet(n, "mid_resnet_block_1", h, time);
    h = vdm_attention(n, "mid_attn_block", h);
    h = vdm_resnet(n, "mid_resnet_block_2", h, time);
    for (size_t i = 0; i <= n_blocks; i++)
        h = vdm_block(n, "up_blocks", i, concat(n, h, pop(n)), time);
    h = silu(n, group_norm(n, "conv_out.0", h, size_option(n, "norm_groups", 32)));
    h = conv(n, "conv_out.2", h, width, 3, 1);
    output_adapter(n, concat(n, x, h), out);
    free_images(n);
}

/* ---- the U-Net of improved diffusion ---- */

/* cos(4000 t f), then sin, for f = 10^4^(-i/half): without the last end. The published network forms this angle in float, whatever the precision of
 * the rest; that moves the sine of 4000 by 1e-4, so it is done here too. With classes the label's row is added to what follows. */
static image adm_embedding(run *n, double t, int32_t label)
{
    size_t width = size_option(n, "model_channels", 128), half = width / 2;
    image e = new_image(n, 1, 1, width);
    for (size_t i = 0; i < half; i++) {
        float exponent = (float)-log(10000.0) * (float)i / (float)half;
        float angle = (float)(4000.0 * t) * (float)exp((double)exponent);
        e.x[i] = cos((double)angle);
        e.x[half + i] = sin((double)angle);
    }
    e = silu(n, pixelwise(n, "time_embed.0", e, 4 * width));
    e = pixelwise(n, "time_embed.2", e, 4 * width);
    size_t n_classes = size_option(n, "num_classes", 0);
    if (n_classes > 0 && label >= 0) {
        const double *rows = parameter(n, "label_emb", "weight", n_classes * 4 * width);
        for (size_t c = 0; c < e.c; c++)
            e.x[c] += rows[(size_t)label * e.c + c];
    }
    return e;
}

/* x (1 + scale) + shift with scale the first half of `both`, a number a channel, and shift the second. */
static image scale_shift(run *n, image x, image both)
{
    image y = new_image(n, x.h, x.w, x.c);
    for (size_t p = 0; p < x.h * x.w; p++)
        for (size_t c = 0; c < x.c; c++)
            y.x[p * x.c + c] = x.x[p * x.c + c] * (1.0 + both.x[c]) + both.x[x.c + c];
    return y;
}

/* As vdm_resnet, but the embedding goes through SiLU first, and with use_scale_shift_norm acts after the second norm. */
static image adm_resnet(run *n, const char *block, image x, image embedding, size_t out)
{
    bool scales = flag(n, "use_scale_shift_norm", false);
    size_t groups = size_option(n, "norm_groups", 32);
    char name[NAME];
#define PART(what) ((void)snprintf(name, sizeof name, "%s." what, block), name)
    image h = silu(n, group_norm(n, PART("in_layers.0"), x, groups));
    h = conv(n, PART("in_layers.2"), h, out, 3, 1);
    image e = pixelwise(n, PART("emb_layers.1"), silu(n, embedding), scales ? 2 * out : out);
    if (scales)
        h = scale_shift(n, group_norm(n, PART("out_layers.0"), h, groups), e);
    else
        h = group_norm(n, PART("out_layers.0"), add(n, h, e), groups);
    h = conv(n, PART("out_layers.3"), silu(n, h), out, 3, 1);
    return add(n, x.c == out ? x : pixelwise(n, PART("skip_connection"), x, out), h);
#undef PART
}

/* Channels of qkv: first head's query, key, value, second head's query, ... */
static image adm_attention(run *n, const char *block, image x, size_t heads)
{
    size_t d = x.c / heads;
    char name[NAME];
#define PART(what) ((void)snprintf(name, sizeof name, "%s." what, block), name)
    image h = group_norm(n, PART("norm"), x, size_option(n, "norm_groups", 32));
    image qkv = pixelwise(n, PART("qkv"), h, 3 * x.c), y = new_image(n, x.h, x.w, x.c);
    for (size_t i = 0; i < heads; i++)
        attend(qkv, 3 * i * d, (3 * i + 1) * d, (3 * i + 2) * d, d, y, i * d);
    return add(n, x, pixelwise(n, PART("proj_out"), y, x.c));
#undef PART
}

static bool attends_at(const run *n, size_t factor)
{
    size_t values[MAX_LIST], count = list_option(n, "attention_resolutions", values);
    for (size_t i = 0; i < count; i++)
        if (values[i] == factor)
            return true;
    return false;
}

/* "input_blocks" or "output_blocks" i: a resnet block, and attention where the image is 1/factor of the whole in each direction.
 * *n_layers: how many of the two there were. */
static image adm_block(run *n, const char *way, size_t i, image x, image embedding, size_t out, size_t factor,
                       size_t *n_layers)
{
    size_t heads = size_option(n, "num_heads", 4);
    double up = option(n, "num_heads_upsample", -1.0);
    if (strcmp(way, "output_blocks") == 0 && up > 0.0)
        heads = (size_t)up;
    char name[NAME];
    (void)snprintf(name, sizeof name, "%s.%zu.0", way, i);
    x = adm_resnet(n, name, x, embedding, out);
    *n_layers = 1;
    if (!attends_at(n, factor))
        return x;
    (void)snprintf(name, sizeof name, "%s.%zu.1", way, i);
    *n_layers = 2;
    return adm_attention(n, name, x, heads);
}

static image adm_shrink(run *n, size_t block, image x)
{
    char name[NAME];
    (void)snprintf(name, sizeof name, "input_blocks.%zu.0.op", block);
    return flag(n, "conv_resample", true) ? conv(n, name, x, x.c, 3, 2) : pool(n, x);
}

static image adm_enlarge(run *n, size_t block, size_t layer, image x)
{
    char name[NAME];
    (void)snprintf(name, sizeof name, "output_blocks.%zu.%zu.conv", block, layer);
    x = enlarge(n, x);
    return flag(n, "conv_resample", true) ? conv(n, name, x, x.c, 3, 1) : x;
}

/* Down: at each level num_res_blocks blocks of mult * model_channels, then half the size; every result is kept for the way up. */
static image adm_down(run *n, image h, image embedding, const size_t *mult, size_t n_levels)
{
    size_t channels = size_option(n, "model_channels", 128), per_level = size_option(n, "num_res_blocks", 3);
    size_t block = 1, n_layers;
    push(n, h);
    for (size_t level = 0; level < n_levels; level++) {
        for (size_t i = 0; i < per_level; i++) {
            h = adm_block(n, "input_blocks", block++, h, embedding, mult[level] * channels, (size_t)1 << level,
                          &n_layers);
            push(n, h);
        }
        if (level + 1 < n_levels) {
            h = adm_shrink(n, block++, h);
            push(n, h);
        }
    }
    return h;
}

/* Up: one block more a level, each of which reads its input beside what the way down left; then twice the size. */
static image adm_up(run *n, image h, image embedding, const size_t *mult, size_t n_levels)
{
    size_t channels = size_option(n, "model_channels", 128), per_level = size_option(n, "num_res_blocks", 3);
    size_t block = 0, n_layers = 0;
    for (size_t level = n_levels; level-- > 0;) {
        for (size_t i = 0; i <= per_level; i++)
            h = adm_block(n, "output_blocks", block++, concat(n, h, pop(n)), embedding, mult[level] * channels,
                          (size_t)1 << level, &n_layers);
        if (level > 0)
            h = adm_enlarge(n, block - 1, n_layers, h);
    }
    return h;
}

void reference_unet_adm(const unet_reference *r, const double *shown, double t, int32_t label, double *out)
{
    run *n = new_run(r);
    size_t channels = size_option(n, "model_channels", 128), mult[MAX_LIST];
    size_t n_levels = list_option(n, "channel_mult", mult);
    image x = input_adapter(n, shown, t), embedding = adm_embedding(n, t, label);
    if (flag(n, "project_input", false))
        x = pixelwise(n, "input_projection", x, channels);
    image h = conv(n, "input_blocks.0.0", x, channels, 3, 1);
    h = adm_down(n, h, embedding, mult, n_levels);
    h = adm_resnet(n, "middle_block.0", h, embedding, h.c);
    h = adm_attention(n, "middle_block.1", h, size_option(n, "num_heads", 4));
    h = adm_resnet(n, "middle_block.2", h, embedding, h.c);
    h = adm_up(n, h, embedding, mult, n_levels);
    h = silu(n, group_norm(n, "out.0", h, size_option(n, "norm_groups", 32)));
    h = conv(n, "out.2", h, size_option(n, "out_channels", 128), 3, 1);
    output_adapter(n, flag(n, "skip", true) ? concat(n, x, h) : h, out);
    free_images(n);
}

const double *reference_arena_lookup(void *arena, const char *name, size_t count)
{
    const reference_arena *a = arena;
    const bfn__param *p = bfn__net_find(a->net, name);
    if (p == NULL)
        return NULL;
    if (p->count != count)
        fail_msg("%s: %zu numbers, the reference needs %zu", name, p->count, count);
    return a->params + p->offset;
}
