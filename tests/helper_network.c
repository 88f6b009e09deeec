/* helper_network.c: networks of golden files; see helper_network.h. */
#include "helper_network.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Names of networks in metadata, and ours. */
static const struct {
    const char *golden, *ours;
} CLASSES[] = {
    {"GPT", "gpt"},
    {"UNetVDM", "unet_vdm"},
    {"UNetModel", "unet_adm"},
};

const char *golden_network_class(golden_file *g)
{
    const char *name = golden_text(g, "network");
    for (size_t i = 0; i < sizeof CLASSES / sizeof *CLASSES; i++)
        if (strcmp(CLASSES[i].golden, name) == 0)
            return CLASSES[i].ours;
    return NULL;
}

enum { MAX_OPTIONS = 64 };

typedef struct option_list {
    bfn__option options[MAX_OPTIONS];
    char keys[MAX_OPTIONS][128];
    size_t n;
} option_list;

/* Nested configurations become "outer.inner", lists "name.0", "name.1", ... */
static void add_option(option_list *list, const char *key, json_t *value)
{
    char name[128];
    const char *inner;
    json_t *item;
    size_t i;
    if (json_is_object(value)) {
        json_object_foreach(value, inner, item)
        {
            (void)snprintf(name, sizeof name, "%s.%s", key, inner);
            add_option(list, name, item);
        }
    } else if (json_is_array(value)) {
        json_array_foreach(value, i, item)
        {
            (void)snprintf(name, sizeof name, "%s.%zu", key, i);
            add_option(list, name, item);
        }
    } else if (!json_is_null(value)) {
        assert_true(list->n < MAX_OPTIONS);
        (void)snprintf(list->keys[list->n], sizeof *list->keys, "%s", key);
        list->options[list->n].key = list->keys[list->n];
        list->options[list->n++].value =
            json_is_boolean(value) ? (double)json_is_true(value) : json_number_value(value);
    }
}

static bool build(golden_network *w)
{
    golden_file *g = w->g;
    const char *class_name = golden_network_class(g);
    if (class_name == NULL) {
        char reason[128];
        (void)snprintf(reason, sizeof reason, "network %s is not built", golden_text(g, "network"));
        golden_skip(g, reason);
        return false;
    }
    option_list *list = golden_alloc(g, 1, sizeof *list);
    const char *key;
    json_t *value;
    json_t *config = golden_json(g, "config"); /* the loop evaluates its argument many times */
    json_object_foreach(config, key, value) add_option(list, key, value);
    w->options = list->options;
    w->n_options = list->n;
    if (bfn__net_create(g->ctx, &w->net, class_name, w->options, w->n_options) != BFN_OK)
        fail_msg("%s: %s", g->name, bfn_errmsg(g->ctx));
    return true;
}

static void weights_name(golden_file *g, char name[256])
{
    const char *given = bfn__safetensors_metadata(g->st, "weights"), *end = strchr(g->name, '_');
    if (given != NULL)
        (void)snprintf(name, 256, "%s", given);
    else
        (void)snprintf(name, 256, "%.*s_weights.safetensors", end == NULL ? 0 : (int)(end - g->name), g->name);
}

/* All tensors of the network must be there with their shapes, and no others. */
static void load(golden_network *w)
{
    char name[256];
    weights_name(w->g, name);
    golden_file *weights = golden_open(name);
    size_t n = bfn__net_n_params(w->net);
    for (size_t i = 0; i < n; i++) {
        const bfn__param *p = bfn__net_param(w->net, i);
        (void)snprintf(name, sizeof name, "net.%s", p->name);
        const bfn__st_tensor *t = golden_tensor(weights, name);
        assert_int_equal(t->rank, p->rank);
        for (int k = 0; k < p->rank; k++)
            assert_int_equal(t->shape[k], p->shape[k]);
        assert_int_equal(bfn__st_to_f32(w->g->ctx, t, w->params + p->offset), BFN_OK);
    }
    assert_int_equal(bfn__safetensors_n_tensors(weights->st), n);
    golden_close(weights);
}

bool golden_network_open(golden_network *w, golden_file *g, size_t batch, bool training)
{
    memset(w, 0, sizeof *w);
    w->g = g;
    if (!build(w))
        return false;
    w->params = golden_alloc(g, bfn__net_arena(w->net), sizeof *w->params);
    load(w);
    bfn__exec_options options = {.batch = batch, .precision = BFN__F32, .training = training};
    if (bfn__exec_create(g->ctx, &w->exec, w->net, &options) != BFN_OK ||
        bfn__exec_set_params(w->exec, w->params) != BFN_OK)
        fail_msg("%s: %s", g->name, bfn_errmsg(g->ctx));
    return true;
}

void golden_network_close(golden_network *w)
{
    bfn__exec_destroy(w->exec);
    bfn__net_destroy(w->net);
}

int golden_network_predict(void *user, size_t first, size_t n, const double *t, const float *shown, float *out)
{
    (void)first;
    golden_network *w = user;
    return bfn__exec_forward(w->exec, n, shown, t, out) != BFN_OK;
}
