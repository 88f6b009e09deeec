/* graph.c: builder of network descriptions: parameters, nodes, options.
 *
 * Every builder function checks its shapes, computes the shape of its output and appends one node; the id of a node is its
 * place in the list, so inputs always have smaller ids and the list is an order of execution. Parameters lie in one arena,
 * each at a multiple of 16 floats (64 bytes), in the order in which they were registered.
 */
#include "nn/graph.h"

#include "base/nearest.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { ALIGN = 16, MAX_SIDE = 1 << 20 };

bfn_status bfn__graph_create(bfn_context *ctx, bfn__net **out, const char *class_name)
{
    *out = NULL;
    bfn__net *net = bfn__calloc(ctx, 1, sizeof *net);
    if (net == NULL)
        return BFN_ERR_MEMORY;
    net->ctx = ctx;
    net->class_name = class_name;
    net->output = -1;
    *out = net;
    return BFN_OK;
}

void bfn__net_destroy(bfn__net *net)
{
    if (net == NULL)
        return;
    bfn__free(net->ctx, net->params);
    bfn__free(net->ctx, net->nodes);
    bfn__free(net->ctx, net);
}

/* Room for one more element of `size` bytes; the zeroed array grows by doubling. */
static void *grow(bfn__net *net, void *old, size_t n, size_t *capacity, size_t size)
{
    if (n < *capacity)
        return old;
    size_t wanted = *capacity > 0 ? 2 * *capacity : 64;
    void *block = bfn__calloc(net->ctx, wanted, size);
    if (block == NULL) {
        net->status = BFN_ERR_MEMORY;
        return old;
    }
    if (n > 0)
        memcpy(block, old, n * size);
    bfn__free(net->ctx, old);
    *capacity = wanted;
    return block;
}

/* p: everything but name, count and place. */
static int register_param(bfn__net *net, const char *name, bfn__param p)
{
    if (net->status != BFN_OK)
        return 0;
    net->params = grow(net, net->params, net->n_params, &net->params_capacity, sizeof *net->params);
    if (net->status != BFN_OK)
        return 0;
    if ((size_t)snprintf(p.name, sizeof p.name, "%s", name) >= sizeof p.name) {
        net->status = bfn__fail(net->ctx, BFN_ERR_INTERNAL, "parameter name too long: %s", name);
        return 0;
    }
    size_t padded;
    bool fits = true;
    p.count = 1;
    for (int k = 0; k < p.rank; k++)
        fits = fits && bfn__size_mul(p.count, p.shape[k], &p.count);
    if (!fits || !bfn__size_add(p.count, ALIGN - 1, &padded) || !bfn__size_add(net->arena, padded, &padded)) {
        net->status = bfn__fail(net->ctx, BFN_ERR_ARGUMENT, "parameter %s: %zu x %zu numbers do not fit in memory",
                                name, p.shape[0], p.count / (p.shape[0] > 0 ? p.shape[0] : 1));
        return 0;
    }
    p.offset = net->arena;
    net->arena = padded - padded % ALIGN;
    net->params[net->n_params] = p;
    return (int)net->n_params++;
}

int bfn__graph_param(bfn__net *net, const char *name, size_t rows, size_t cols, bfn__init init, double scale,
                     bool decay)
{
    bfn__param p = {.rank = cols > 0 ? 2 : 1,
                    .shape = {rows, cols},
                    .decay = decay,
                    .trained = true,
                    .init = init,
                    .init_scale = scale};
    return register_param(net, name, p);
}

int bfn__graph_fixed(bfn__net *net, const char *name, size_t rows, size_t cols)
{
    bfn__param p = {.rank = cols > 0 ? 2 : 1, .shape = {rows, cols}, .init = BFN__INIT_ZERO};
    return register_param(net, name, p);
}

int bfn__graph_weight(bfn__net *net, const char *name, int rank, const size_t *shape, double scale)
{
    bfn__param p = {.rank = rank,
                    .decay = true,
                    .trained = true,
                    .init = scale > 0.0 ? BFN__INIT_UNIFORM : BFN__INIT_ZERO,
                    .init_scale = scale};
    memcpy(p.shape, shape, (size_t)rank * sizeof *shape);
    return register_param(net, name, p);
}

int bfn__graph_append(bfn__net *net, bfn__node node)
{
    if (net->status == BFN_OK)
        net->nodes = grow(net, net->nodes, net->n_nodes, &net->nodes_capacity, sizeof *net->nodes);
    if (net->status != BFN_OK)
        return 0;
    if (node.rows < 1 || node.cols < 1 || node.rows > MAX_SIDE || node.cols > MAX_SIDE) {
        net->status = bfn__fail(net->ctx, BFN_ERR_ARGUMENT, "tensor of %zu rows and %zu columns: each must be 1 to %d",
                                node.rows, node.cols, MAX_SIDE);
        return 0;
    }
    net->nodes[net->n_nodes] = node;
    return (int)net->n_nodes++;
}

bfn__node bfn__graph_like(const bfn__net *net, bfn__op_kind kind, int x)
{
    bfn__node node = {.kind = kind, .in = {x, -1, -1}, .weight = -1, .bias = -1};
    if (net->status != BFN_OK || x < 0)
        return node;
    const bfn__node *from = &net->nodes[x];
    node.rows = from->rows;
    node.cols = from->cols;
    node.height = from->height;
    node.width = from->width;
    node.needs_grad = from->needs_grad;
    node.input_only = from->input_only;
    return node;
}

void bfn__graph_make_trained(bfn__node *node)
{
    node->needs_grad = true;
    node->input_only = false;
}

int bfn__graph_input(bfn__net *net, size_t rows, size_t cols)
{
    bfn__node node = bfn__graph_like(net, BFN__OP_INPUT, -1);
    node.rows = rows;
    node.cols = cols;
    node.needs_grad = node.input_only = true;
    return bfn__graph_append(net, node);
}

int bfn__graph_time(bfn__net *net, double factor, double shift)
{
    bfn__node node = bfn__graph_like(net, BFN__OP_TIME, -1);
    node.rows = node.cols = 1;
    node.a = factor;
    node.b = shift;
    return bfn__graph_append(net, node);
}

int bfn__graph_affine(bfn__net *net, int x, double factor, double shift)
{
    bfn__node node = bfn__graph_like(net, BFN__OP_AFFINE, x);
    node.a = factor;
    node.b = shift;
    return bfn__graph_append(net, node);
}

int bfn__graph_log(bfn__net *net, int x, double floor)
{
    bfn__node node = bfn__graph_like(net, BFN__OP_LOG, x);
    node.a = floor;
    return bfn__graph_append(net, node);
}

const char *bfn__graph_join(bfn__net *net, char *buffer, const char *name, const char *what)
{
    if (snprintf(buffer, BFN__MAX_NAME, "%s.%s", name, what) >= BFN__MAX_NAME)
        net->status = bfn__fail(net->ctx, BFN_ERR_INTERNAL, "parameter name too long: %s.%s", name, what);
    return buffer;
}

int bfn__graph_linear(bfn__net *net, int x, const char *name, size_t out, double std, bool with_bias)
{
    char buffer[BFN__MAX_NAME];
    bfn__node node = bfn__graph_like(net, BFN__OP_LINEAR, x);
    node.weight = bfn__graph_param(net, bfn__graph_join(net, buffer, name, "weight"), out, node.cols, BFN__INIT_NORMAL,
                                   std, true);
    if (with_bias)
        node.bias =
            bfn__graph_param(net, bfn__graph_join(net, buffer, name, "bias"), out, 0, BFN__INIT_ZERO, 0.0, false);
    node.cols = out;
    bfn__graph_make_trained(&node);
    return bfn__graph_append(net, node);
}

int bfn__graph_layernorm(bfn__net *net, int x, const char *name, bool with_bias)
{
    char buffer[BFN__MAX_NAME];
    bfn__node node = bfn__graph_like(net, BFN__OP_LAYERNORM, x);
    node.weight =
        bfn__graph_param(net, bfn__graph_join(net, buffer, name, "weight"), node.cols, 0, BFN__INIT_ONE, 0.0, false);
    if (with_bias)
        node.bias =
            bfn__graph_param(net, bfn__graph_join(net, buffer, name, "bias"), node.cols, 0, BFN__INIT_ZERO, 0.0, false);
    node.a = 1e-5;
    bfn__graph_make_trained(&node);
    return bfn__graph_append(net, node);
}

int bfn__graph_gelu(bfn__net *net, int x)
{
    return bfn__graph_append(net, bfn__graph_like(net, BFN__OP_GELU, x));
}

static int shapes_differ(bfn__net *net, const char *what, int x, int y)
{
    const bfn__node *a = &net->nodes[x], *b = &net->nodes[y];
    net->status = bfn__fail(net->ctx, BFN_ERR_INTERNAL, "%s: [%zu, %zu] and [%zu, %zu] do not fit", what, a->rows,
                            a->cols, b->rows, b->cols);
    return 0;
}

int bfn__graph_add(bfn__net *net, int x, int y)
{
    bfn__node node = bfn__graph_like(net, BFN__OP_ADD, x);
    if (net->status != BFN_OK)
        return 0;
    const bfn__node *other = &net->nodes[y];
    if (other->cols != node.cols || (other->rows != node.rows && other->rows != 1))
        return shapes_differ(net, "add", x, y);
    node.in[1] = y;
    node.needs_grad = node.needs_grad || other->needs_grad;
    node.input_only = node.input_only && other->input_only;
    return bfn__graph_append(net, node);
}

int bfn__graph_add_position(bfn__net *net, int x, int param)
{
    bfn__node node = bfn__graph_like(net, BFN__OP_ADD_POSITION, x);
    if (net->status != BFN_OK)
        return 0;
    const bfn__param *p = &net->params[param];
    if (p->rank != 2 || p->shape[0] != node.rows || p->shape[1] != node.cols) {
        net->status = bfn__fail(net->ctx, BFN_ERR_INTERNAL, "%s: [%zu, %zu] does not fit [%zu, %zu]", p->name,
                                p->shape[0], p->shape[1], node.rows, node.cols);
        return 0;
    }
    node.weight = param;
    if (p->trained)
        bfn__graph_make_trained(&node);
    return bfn__graph_append(net, node);
}

int bfn__graph_attention(bfn__net *net, int qkv, size_t heads, bool causal)
{
    bfn__node node = bfn__graph_like(net, BFN__OP_ATTENTION, qkv);
    if (net->status != BFN_OK)
        return 0;
    if (heads < 1 || node.cols % (3 * heads) != 0) {
        net->status = bfn__fail(net->ctx, BFN_ERR_INTERNAL,
                                "attention: %zu columns do not split into q, k, v of %zu heads", node.cols, heads);
        return 0;
    }
    node.cols /= 3;
    node.heads = heads;
    node.causal = causal;
    return bfn__graph_append(net, node);
}

int bfn__graph_concat(bfn__net *net, int x, int y)
{
    bfn__node node = bfn__graph_like(net, BFN__OP_CONCAT, x);
    if (net->status != BFN_OK)
        return 0;
    const bfn__node *other = &net->nodes[y];
    if (other->rows != node.rows && other->rows != 1)
        return shapes_differ(net, "concat", x, y);
    node.in[1] = y;
    node.cols += other->cols;
    node.needs_grad = node.needs_grad || other->needs_grad;
    node.input_only = node.input_only && other->input_only;
    return bfn__graph_append(net, node);
}

int bfn__graph_dropout(bfn__net *net, int x, double probability)
{
    if (probability <= 0.0)
        return x;
    bfn__node node = bfn__graph_like(net, BFN__OP_DROPOUT, x);
    node.a = probability;
    return bfn__graph_append(net, node);
}

void bfn__graph_output(bfn__net *net, int x)
{
    net->output = x;
}

/* ---- options ---- */

static const char *rule_key(const void *user, size_t i)
{
    return ((const bfn__option_rule *)user)[i].key;
}

static bfn_status set_option(bfn__net *net, const bfn__option_rule *rules, size_t n_rules, const bfn__option *o)
{
    for (size_t i = 0; i < n_rules; i++) {
        const bfn__option_rule *r = &rules[i];
        if (strcmp(r->key, o->key) != 0)
            continue;
        if (!(o->value >= r->low && o->value <= r->high) || (r->integer && o->value != floor(o->value)))
            return bfn__fail(net->ctx, BFN_ERR_ARGUMENT, "%s: %g: must be %s from %g to %g", o->key, o->value,
                             r->integer ? "a whole number" : "a number", r->low, r->high);
        net->options[i].value = o->value;
        return BFN_OK;
    }
    size_t near = bfn__nearest(o->key, n_rules, rule_key, rules);
    if (near < n_rules)
        return bfn__fail(net->ctx, BFN_ERR_ARGUMENT, "unknown option \"%s\" of network \"%s\": did you mean \"%s\"?",
                         o->key, net->class_name, rules[near].key);
    char list[1024];
    size_t used = 0;
    for (size_t i = 0; i < n_rules && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i > 0 ? ", " : "", rules[i].key);
    return bfn__fail(net->ctx, BFN_ERR_ARGUMENT, "unknown option \"%s\" of network \"%s\": allowed are %s", o->key,
                     net->class_name, list);
}

bfn_status bfn__graph_options(bfn__net *net, const bfn__option_rule *rules, size_t n_rules, const bfn__option *options,
                              size_t n_options)
{
    if (n_rules > BFN__MAX_OPTIONS)
        return bfn__fail(net->ctx, BFN_ERR_INTERNAL, "network \"%s\" has %zu options", net->class_name, n_rules);
    net->n_options = n_rules;
    for (size_t i = 0; i < n_rules; i++)
        net->options[i] = (bfn__option){rules[i].key, rules[i].fallback};
    for (size_t i = 0; i < n_options; i++) {
        bfn_status status = set_option(net, rules, n_rules, &options[i]);
        if (status != BFN_OK)
            return status;
    }
    return BFN_OK;
}

double bfn__graph_option(const bfn__net *net, const char *key)
{
    for (size_t i = 0; i < net->n_options; i++)
        if (strcmp(net->options[i].key, key) == 0)
            return net->options[i].value;
    return 0.0;
}

void bfn__graph_set_option(bfn__net *net, const char *key, double value)
{
    for (size_t i = 0; i < net->n_options; i++)
        if (strcmp(net->options[i].key, key) == 0)
            net->options[i].value = value;
}
