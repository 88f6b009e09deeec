/* method.c: names of the methods, what each is made of, and the published names.
 *
 * methods.def is the only list. A published name (of the code of arXiv 2404.15766) means our method plus `published`, which
 * reproduces the places where that code departs from its formulas (SPEC 11.3): a single step of a second-order multistep
 * method is never dropped, and the single-step method evaluates the midpoint of its last step and returns it.
 */
#include "base/nearest.h"
#include "solver/plan.h"

#include <string.h>

typedef struct named_method {
    const char *name;
    bfn_method method;
    const char *text; /* NULL: a published name */
} named_method;

static const named_method table[] = {
#define BFN_METHOD(NAME, name, text) {name, BFN_METHOD_##NAME, text},
#define BFN_ALIAS(alias, NAME) {alias, BFN_METHOD_##NAME, NULL},
#include "bfn/methods.def"
#undef BFN_METHOD
};

enum { N_NAMES = sizeof table / sizeof table[0] };

static const named_method *find(bfn_method method)
{
    for (size_t i = 0; i < N_NAMES; i++)
        if (table[i].method == method && table[i].text != NULL)
            return &table[i];
    return NULL;
}

const char *bfn_method_name(bfn_method method)
{
    const named_method *m = find(method);
    return m != NULL ? m->name : NULL;
}

const char *bfn_method_text(bfn_method method)
{
    const named_method *m = find(method);
    return m != NULL ? m->text : NULL;
}

static const char *name_at(const void *user, size_t i)
{
    (void)user;
    return table[i].name;
}

bfn_status bfn_method_parse(bfn_context *ctx, const char *name, bfn_solver_options *options)
{
    for (size_t i = 0; i < N_NAMES; i++) {
        if (strcmp(name, table[i].name) == 0) {
            options->method = table[i].method;
            options->published = table[i].text == NULL;
            return BFN_OK;
        }
    }
    enum { ALL_MAX = 256 };
    char all[ALL_MAX] = "";
    size_t length = 0;
    for (size_t i = 0; i < N_NAMES && table[i].text != NULL; i++) {
        size_t n = strlen(table[i].name);
        if (length + n + 3 > ALL_MAX)
            break;
        if (length > 0) {
            memcpy(all + length, ", ", 3);
            length += 2;
        }
        memcpy(all + length, table[i].name, n + 1);
        length += n;
    }
    size_t near = bfn__nearest(name, N_NAMES, name_at, NULL);
    if (near < N_NAMES)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "method: \"%.80s\": did you mean \"%s\"? methods are %s", name,
                         table[near].name, all);
    return bfn__fail(ctx, BFN_ERR_ARGUMENT, "method: \"%.80s\": methods are %s", name, all);
}

bfn__method_traits bfn__method_describe(bfn_method method)
{
    switch (method) {
    case BFN_METHOD_BFN:
        return (bfn__method_traits){.sde = true, .order = 1};
    case BFN_METHOD_EULER:
        return (bfn__method_traits){.order = 1, .euler = true};
    case BFN_METHOD_EM:
        return (bfn__method_traits){.sde = true, .order = 1, .euler = true};
    case BFN_METHOD_ODE1:
        return (bfn__method_traits){.order = 1, .dial = true};
    case BFN_METHOD_ODE2M:
        return (bfn__method_traits){.order = 2, .multistep = true};
    case BFN_METHOD_ODE3M:
        return (bfn__method_traits){.order = 3, .multistep = true, .midpoint_first = true};
    case BFN_METHOD_ODE2S:
        return (bfn__method_traits){.order = 2, .midpoint_each = true};
    case BFN_METHOD_SDE1:
        return (bfn__method_traits){.sde = true, .order = 1, .dial = true};
    case BFN_METHOD_SDE2M:
        return (bfn__method_traits){.sde = true, .order = 2, .multistep = true};
    case BFN_METHOD_SDE3M:
        return (bfn__method_traits){.sde = true, .order = 3, .multistep = true};
    case BFN_METHOD_NONE:
    case BFN_METHOD_COUNT:
        break;
    }
    return (bfn__method_traits){0};
}
