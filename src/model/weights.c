/* weights.c: tensors of a checkpoint into parameter arenas, with everything that does not fit said at once.
 *
 * A file may hold "net.X" (weights), "ema.net.X" (their average), "adam.m.X", "adam.v.X" (optimiser) for every parameter X of the
 * network and "data.mean". Fixed buffers (positions) exist as net.X alone. Someone who converts or edits checkpoints wants the whole list of
 * misfits, not the first one, so they are gathered into one message.
 */
#include "model/model_internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { NAME_BYTES = BFN__MAX_NAME + 16, REPORT_BYTES = BFN__ERRMSG_MAX };

/* The list of misfits so far: text is cut when full, the count goes on. */
typedef struct report {
    size_t n, used;
    char text[REPORT_BYTES];
} report;

static void report_add(report *r, const char *line)
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

static bfn_status report_end(bfn_context *ctx, const report *r, const char *what)
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
    snprintf(name, NAME_BYTES, "%s%s", p->trained ? prefix : "net.", p->name);
}

static void check_tensor(const bfn__safetensors *st, const bfn__param *p, const char *prefix, report *r)
{
    char name[NAME_BYTES], is[128], needs[128], line[NAME_BYTES + 320];
    full_name(p, prefix, name);
    const bfn__st_tensor *t = bfn__safetensors_find(st, name);
    if (t == NULL) {
        snprintf(line, sizeof line, "\"%s\" is missing", name);
        report_add(r, line);
        return;
    }
    if (same_shape(p, t))
        return;
    shape_text(t->rank, t->shape, is, sizeof is);
    shape_text(p->rank, p->shape, needs, sizeof needs);
    snprintf(line, sizeof line, "\"%s\" is %s, the configuration needs %s", name, is, needs);
    report_add(r, line);
}

static void check_finite(const bfn__param *p, const char *prefix, const float *values, report *r)
{
    char name[NAME_BYTES], line[NAME_BYTES + 64];
    for (size_t i = 0; i < p->count; i++)
        if (!isfinite(values[i])) {
            full_name(p, prefix, name);
            snprintf(line, sizeof line, "\"%s\" at number %zu", name, i);
            report_add(r, line);
            return;
        }
}

bfn_status bfn__weights_check_shapes(bfn_context *ctx, const bfn__safetensors *st, const bfn__net *net,
                                     const char *prefix)
{
    report misfits = {0, 0, ""};
    for (size_t i = 0; i < bfn__net_n_params(net); i++)
        check_tensor(st, bfn__net_param(net, i), prefix, &misfits);
    return report_end(ctx, &misfits, "tensors do not fit");
}

bfn_status bfn__weights_read(bfn_context *ctx, const bfn__safetensors *st, const bfn__net *net, const char *prefix,
                             bool allow_nonfinite, float *arena)
{
    report infinite = {0, 0, ""};
    bfn_status status = bfn__weights_check_shapes(ctx, st, net, prefix);
    for (size_t i = 0; status == BFN_OK && i < bfn__net_n_params(net); i++) {
        const bfn__param *p = bfn__net_param(net, i);
        char name[NAME_BYTES];
        full_name(p, prefix, name);
        status = bfn__st_to_f32(ctx, bfn__safetensors_find(st, name), arena + p->offset);
        if (status == BFN_OK && !allow_nonfinite)
            check_finite(p, prefix, arena + p->offset, &infinite);
    }
    return status != BFN_OK ? status : report_end(ctx, &infinite, "tensors hold NaN or infinity");
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

bfn_status bfn__weights_check_names(bfn_context *ctx, const bfn__safetensors *st, const bfn__net *net)
{
    report extra = {0, 0, ""};
    for (size_t i = 0; i < bfn__safetensors_n_tensors(st); i++) {
        const char *name = bfn__safetensors_tensor(st, i)->name, *parameter = without_prefix(name);
        char line[160];
        if (strcmp(name, "data.mean") == 0 || (parameter != NULL && bfn__net_find(net, parameter) != NULL))
            continue;
        snprintf(line, sizeof line, "\"%.120s\"", name);
        report_add(&extra, line);
    }
    return report_end(ctx, &extra, "tensors belong to no part of this network");
}
