/* net.c: networks by class name, what a description says about itself, and initial values.
 *
 * Initial values are counter-based: parameter i of a seed is a function of (seed, i) alone, whatever else the network holds.
 */
#include "nn/graph.h"

#include "base/nearest.h"
#include "base/random.h"

#include <stdio.h>
#include <string.h>

typedef struct network_class {
    const char *name;
    bfn_status (*build)(bfn__net *net, const bfn__option *options, size_t n_options);
} network_class;

static const network_class CLASSES[] = {
    {"gpt", bfn__gpt_build},
    {"unet_vdm", bfn__unet_vdm_build},
    {"unet_adm", bfn__unet_adm_build},
};
enum { N_CLASSES = sizeof CLASSES / sizeof *CLASSES };

static const char *class_key(const void *user, size_t i)
{
    return ((const network_class *)user)[i].name;
}

bfn_status bfn__net_create(bfn_context *ctx, bfn__net **out, const char *class_name, const bfn__option *options,
                           size_t n_options)
{
    *out = NULL;
    for (size_t i = 0; i < N_CLASSES; i++) {
        if (strcmp(CLASSES[i].name, class_name) != 0)
            continue;
        bfn__net *net;
        bfn_status status = bfn__graph_create(ctx, &net, CLASSES[i].name);
        if (status == BFN_OK)
            status = CLASSES[i].build(net, options, n_options);
        if (status != BFN_OK) {
            bfn__net_destroy(net);
            return status;
        }
        *out = net;
        return BFN_OK;
    }
    size_t near = bfn__nearest(class_name, N_CLASSES, class_key, CLASSES);
    if (near < N_CLASSES)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "unknown network \"%s\": did you mean \"%s\"?", class_name,
                         CLASSES[near].name);
    char list[256];
    size_t used = 0;
    for (size_t i = 0; i < N_CLASSES && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i > 0 ? ", " : "", CLASSES[i].name);
    return bfn__fail(ctx, BFN_ERR_ARGUMENT, "unknown network \"%s\": allowed are %s", class_name, list);
}

const char *bfn__net_class(const bfn__net *net)
{
    return net->class_name;
}

size_t bfn__net_n_options(const bfn__net *net)
{
    return net->n_options;
}

const bfn__option *bfn__net_options(const bfn__net *net)
{
    return net->options;
}

static const bfn__node *input_node(const bfn__net *net)
{
    for (size_t i = 0; i < net->n_nodes; i++)
        if (net->nodes[i].kind == BFN__OP_INPUT)
            return &net->nodes[i];
    return NULL;
}

size_t bfn__net_positions(const bfn__net *net)
{
    return net->nodes[net->output].rows * (net->channels > 0 ? net->channels : 1);
}

size_t bfn__net_n_labels(const bfn__net *net)
{
    return net->n_labels;
}

bool bfn__net_image(const bfn__net *net, size_t *height, size_t *width, size_t *channels)
{
    const bfn__node *node = input_node(net);
    if (node == NULL || node->height == 0)
        return false;
    *height = node->height;
    *width = node->width;
    *channels = node->cols;
    return true;
}

size_t bfn__net_shown_size(const bfn__net *net)
{
    const bfn__node *node = input_node(net);
    return node == NULL ? 0 : node->rows * node->cols;
}

size_t bfn__net_output_size(const bfn__net *net)
{
    return net->nodes[net->output].rows * net->nodes[net->output].cols;
}

size_t bfn__net_n_params(const bfn__net *net)
{
    return net->n_params;
}

const bfn__param *bfn__net_param(const bfn__net *net, size_t i)
{
    return &net->params[i];
}

const bfn__param *bfn__net_find(const bfn__net *net, const char *name)
{
    for (size_t i = 0; i < net->n_params; i++)
        if (strcmp(net->params[i].name, name) == 0)
            return &net->params[i];
    return NULL;
}

size_t bfn__net_arena(const bfn__net *net)
{
    return net->arena;
}

void bfn__net_init(const bfn__net *net, uint64_t seed, float *params)
{
    memset(params, 0, net->arena * sizeof *params);
    for (size_t i = 0; i < net->n_params; i++) {
        const bfn__param *p = &net->params[i];
        float *x = params + p->offset;
        if (!p->trained) {
            if (net->fill_fixed != NULL)
                net->fill_fixed(net, p, x);
        } else if (p->init == BFN__INIT_NORMAL) {
            bfn__random_normals(seed, i, bfn__draw(0, BFN__DRAW_NOISE), 0, p->count, x);
        }
        for (size_t j = 0; p->trained && j < p->count; j++) {
            if (p->init == BFN__INIT_ONE)
                x[j] = 1.0f;
            else if (p->init == BFN__INIT_NORMAL)
                x[j] *= (float)p->init_scale;
            else if (p->init == BFN__INIT_UNIFORM) {
                double u;
                bfn__random_uniforms(seed, i, bfn__draw(0, BFN__DRAW_NOISE), j, 1, &u);
                x[j] = (float)(p->init_scale * (2.0 * u - 1.0));
            }
        }
    }
    if (net->finish_init != NULL)
        net->finish_init(net, params);
}
