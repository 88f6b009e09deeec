/* weights.c: tensors of a checkpoint into parameter arenas, with everything that does not fit said at once.
 *
 * A file may hold "net.X" (weights; a PyTorch state dict may say "X" alone), "ema.net.X" (their average), "adam.m.X", "adam.v.X" (optimiser) for every parameter X of the
 * network and "data.mean". Fixed buffers (positions) exist as net.X alone. Someone who converts or edits checkpoints wants the whole list of
 * misfits, not the first one, so they are gathered into one message.
 */
#include "model/model_internal.h"

#include <stdio.h>
#include <string.h>

enum { NAME_BYTES = BFN__MAX_NAME + 16 };

void bfn__report_add(bfn__report *r, const char *line)
{
    size_t n = strlen(line);
    r->n++;
    if (r->used + n + 3 >= sizeof r->text)
        return;
    if (r->used > 0) {
        memcpy(r->text + r->used, "; ", 2);
        r->used += 2;
    }
    memcpy(r->text + r->used, line, n + 1);
    r->used += n;
}

bfn_status bfn__report_end(bfn_context *ctx, const bfn__report *r, const char *what)
{
    if (r->n == 0)
        return BFN_OK;
    return bfn__fail(ctx, BFN_ERR_INPUT, "%zu %s: %s", r->n, what, r->text);
}

static void shape_text(int rank, const size_t *shape, char *text, size_t capacity)
{
    size_t used = (size_t)snprintf(text, capacity, "[");
    for (int i = 0; i < rank && used < capacity; i++)
        used += (size_t)snprintf(text + used, capacity - used, "%s%zu", i > 0 ? ", " : "", shape[i]);
    if (used < capacity)
        snprintf(text + used, capacity - used, "]");
}

static bool same_shape(const bfn__param *p, const bfn__st_tensor *t)
{
    if (p->rank != t->rank)
        return false;
    for (int i = 0; i < p->rank; i++)
        if (p->shape[i] != t->shape[i])
            return false;
    return true;
}

static void full_name(const bfn__param *p, const char *prefix, char name[NAME_BYTES])
{
    snprintf(name, NAME_BYTES, "%s%s", p->trained || prefix[0] == '\0' ? prefix : "net.", p->name);
}

static void check_tensor(const bfn__safetensors *st, const bfn__param *p, const char *prefix, bfn__report *r)
{
    char name[NAME_BYTES], is[128], needs[128], line[NAME_BYTES + 320];
    full_name(p, prefix, name);
    const bfn__st_tensor *t = bfn__safetensors_find(st, name);
    if (t == NULL) {
        snprintf(line, sizeof line, "\"%s\" is missing", name);
        bfn__report_add(r, line);
        return;
    }
    if (same_shape(p, t))
        return;
    shape_text(t->rank, t->shape, is, sizeof is);
    shape_text(p->rank, p->shape, needs, sizeof needs);
    snprintf(line, sizeof line, "\"%s\" is %s, the configuration needs %s", name, is, needs);
    bfn__report_add(r, line);
}

bfn_status bfn__weights_check_shapes(bfn_context *ctx, const bfn__safetensors *st, const bfn__net *net,
                                     const char *prefix)
{
    bfn__report misfits = {0, 0, ""};
    for (size_t i = 0; i < bfn__net_n_params(net); i++)
        check_tensor(st, bfn__net_param(net, i), prefix, &misfits);
    return bfn__report_end(ctx, &misfits, "tensors do not fit");
}

/* Reading of all parameters, a task each. A task cannot fail: what can (whole numbers, doubles) is left for later. */
typedef struct reading {
    const bfn__safetensors *st;
    const bfn__net *net;
    const char *prefix;
    float *arena;
    size_t *bad; /* [parameters]: index of the first number that is not finite; count: none */
} reading;

static const bfn__st_tensor *tensor_of(const reading *r, const bfn__param *p)
{
    char name[NAME_BYTES];
    full_name(p, r->prefix, name);
    return bfn__safetensors_find(r->st, name);
}

static void clear(float *from, const float *to)
{
    if (to > from)
        memset(from, 0, (size_t)(to - from) * sizeof *from);
}

/* Everything up to the next parameter, so that no byte of the arena is left as it was. */
static void read_parameter(void *arg, size_t i)
{
    const reading *r = arg;
    const bfn__param *p = bfn__net_param(r->net, i);
    size_t n = bfn__net_n_params(r->net);
    const bfn__st_tensor *t = tensor_of(r, p);
    float *out = r->arena + p->offset;
    bool easy = t->dtype == BFN__DTYPE_F32 || t->dtype == BFN__DTYPE_F16 || t->dtype == BFN__DTYPE_BF16;
    if (!easy || bfn__st_to_f32(NULL, t, out) != BFN_OK)
        clear(out, out + p->count);
    r->bad[i] = bfn__st_first_nonfinite(t);
    if (i == 0)
        clear(r->arena, out);
    clear(out + p->count, r->arena + (i + 1 < n ? bfn__net_param(r->net, i + 1)->offset : bfn__net_arena(r->net)));
}

static void report_nonfinite(const reading *r, const bfn__param *p, size_t at, bfn__report *infinite)
{
    char name[NAME_BYTES], line[NAME_BYTES + 64];
    if (at == p->count)
        return;
    full_name(p, r->prefix, name);
    snprintf(line, sizeof line, "\"%s\" at number %zu", name, at);
    bfn__report_add(infinite, line);
}

/* What is left: types whose numbers may not fit, and what was found. */
static bfn_status finish_reading(bfn_context *ctx, const reading *r, bool allow_nonfinite)
{
    bfn__report infinite = {0, 0, ""};
    bfn_status status = BFN_OK;
    for (size_t i = 0; i < bfn__net_n_params(r->net) && status == BFN_OK; i++) {
        const bfn__param *p = bfn__net_param(r->net, i);
        const bfn__st_tensor *t = tensor_of(r, p);
        bool done = t->dtype == BFN__DTYPE_F32 || t->dtype == BFN__DTYPE_F16 || t->dtype == BFN__DTYPE_BF16;
        if (!done)
            status = bfn__st_to_f32(ctx, t, r->arena + p->offset);
        if (!allow_nonfinite)
            report_nonfinite(r, p, r->bad[i], &infinite);
    }
    return status == BFN_OK ? bfn__report_end(ctx, &infinite, BFN__NONFINITE) : status;
}

bfn_status bfn__weights_read(bfn_context *ctx, const bfn__safetensors *st, const bfn__net *net, const char *prefix,
                             bool allow_nonfinite, float *arena)
{
    size_t n = bfn__net_n_params(net);
    reading r = {.st = st, .net = net, .prefix = prefix, .arena = arena};
    bfn_status status = bfn__weights_check_shapes(ctx, st, net, prefix);
    if (status != BFN_OK)
        return status;
    r.bad = bfn__calloc(ctx, n, sizeof *r.bad);
    if (r.bad == NULL)
        return BFN_ERR_MEMORY;
    bfn__parallel(ctx, n, read_parameter, &r);
    status = finish_reading(ctx, &r, allow_nonfinite);
    bfn__free(ctx, r.bad);
    return status;
}

/* The parameter that a tensor's name means: the text after a known prefix; NULL: no known prefix. */
static const char *without_prefix(const char *name)
{
    static const char *const prefixes[] = {"net.", "ema.net.", "adam.m.", "adam.v."};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            return name + strlen(prefixes[i]);
    return NULL;
}

/* How many parameters the file has under a prefix. */
static size_t count_with(const bfn__safetensors *st, const bfn__net *net, const char *prefix)
{
    size_t n = 0;
    for (size_t i = 0; i < bfn__net_n_params(net); i++) {
        char name[NAME_BYTES];
        snprintf(name, sizeof name, "%s%s", prefix, bfn__net_param(net, i)->name);
        n += bfn__net_param(net, i)->trained && bfn__safetensors_find(st, name) != NULL;
    }
    return n;
}

const char *bfn__weights_prefix(const bfn__safetensors *st, const bfn__net *net, bool raw)
{
    if (!raw && count_with(st, net, "ema.net.") > 0)
        return "ema.net.";
    return count_with(st, net, "net.") == 0 && count_with(st, net, "") > 0 ? "" : "net.";
}

bfn_status bfn__weights_check_names(bfn_context *ctx, const bfn__safetensors *st, const bfn__net *net)
{
    bfn__report extra = {0, 0, ""};
    bool plain = bfn__weights_prefix(st, net, true)[0] == '\0';
    for (size_t i = 0; i < bfn__safetensors_n_tensors(st); i++) {
        const char *name = bfn__safetensors_tensor(st, i)->name, *parameter = without_prefix(name);
        char line[160];
        if (plain && parameter == NULL)
            parameter = name;
        if (strcmp(name, "data.mean") == 0 || (parameter != NULL && bfn__net_find(net, parameter) != NULL))
            continue;
        snprintf(line, sizeof line, "\"%.120s\"", name);
        bfn__report_add(&extra, line);
    }
    return bfn__report_end(ctx, &extra, "tensors belong to no part of this network");
}
