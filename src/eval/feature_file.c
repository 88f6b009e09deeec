/* feature_file.c: the description of a small feature network: JSON to layers and back (feature_file.h). */
#include "eval/feature_file.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { FORMAT = 1, MAX_LAYERS = 1000, MAX_SIDE = 1024, MAX_CHANNELS = 8192, MAX_WINDOW = 64 };

typedef struct reader {
    bfn_context *ctx;
    const char *label;
    const char *where; /* "input", or a layer's name */
} reader;

static bfn_status bad(const reader *r, const char *key, const char *allowed)
{
    return bfn__fail(r->ctx, BFN_ERR_INPUT, "%s: %s: \"%s\" of %s: must be %s", r->label, BFN__FEATURES_KEY, key,
                     r->where, allowed);
}

static bfn_status read_size(const reader *r, const json_t *value, const char *key, size_t low, size_t high, size_t *out)
{
    json_int_t v = json_integer_value(value);
    if (!json_is_integer(value) || v < (json_int_t)low || v > (json_int_t)high) {
        char range[64];
        (void)snprintf(range, sizeof range, "a whole number from %zu to %zu", low, high);
        return bad(r, key, range);
    }
    *out = (size_t)v;
    return BFN_OK;
}

static bfn_status read_text(const reader *r, const json_t *object, const char *key, const char **out)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value) || json_string_length(value) == 0)
        return bad(r, key, "a text");
    *out = json_string_value(value);
    return BFN_OK;
}

/* [height, width] */
static bfn_status read_pair(const reader *r, const json_t *object, const char *key, size_t low, size_t *y, size_t *x)
{
    const json_t *pair = json_object_get(object, key);
    if (!json_is_array(pair) || json_array_size(pair) != 2)
        return bad(r, key, "an array of two numbers");
    bfn_status status = read_size(r, json_array_get(pair, 0), key, low, MAX_WINDOW, y);
    return status != BFN_OK ? status : read_size(r, json_array_get(pair, 1), key, low, MAX_WINDOW, x);
}

static bfn_status read_window(const reader *r, const json_t *object, bfn__window *w)
{
    bfn_status status = read_pair(r, object, "kernel", 1, &w->height, &w->width);
    if (status == BFN_OK)
        status = read_pair(r, object, "border", 0, &w->pad_y, &w->pad_x);
    if (status == BFN_OK)
        status = read_size(r, json_object_get(object, "stride"), "stride", 1, MAX_WINDOW, &w->stride);
    return status;
}

static bfn_status read_op(const reader *r, const json_t *object, bfn__layer *layer, int *n_in)
{
    const char *word;
    char list[160] = "one of";
    bfn_status status = read_text(r, object, "op", &word);
    for (int op = 0; status == BFN_OK && op < BFN__LAYER_COUNT; op++) {
        const char *is = bfn__layer_word((bfn__layer_op)op, n_in);
        if (strcmp(is, word) == 0) {
            layer->op = (bfn__layer_op)op;
            return BFN_OK;
        }
        size_t used = strlen(list);
        (void)snprintf(list + used, sizeof list - used, " %s", is);
    }
    return status != BFN_OK ? status : bad(r, "op", list);
}

static bfn_status read_layer(reader *r, const json_t *object, bfn__layer *layer)
{
    int n_in = 0;
    r->where = "a layer";
    bfn_status status = read_text(r, object, "name", &layer->name);
    if (status != BFN_OK)
        return status;
    r->where = layer->name;
    status = read_op(r, object, layer, &n_in);
    if (status != BFN_OK)
        return status;
    const json_t *in = json_object_get(object, "in");
    if (!json_is_array(in) || json_array_size(in) != (size_t)n_in)
        return bad(r, "in", n_in == 1 ? "an array of one name" : "an array of two names");
    for (int k = 0; k < n_in; k++) {
        layer->in[k] = json_string_value(json_array_get(in, (size_t)k));
        if (layer->in[k] == NULL)
            return bad(r, "in", "an array of names");
    }
    if (layer->op == BFN__LAYER_CONV || layer->op == BFN__LAYER_LINEAR)
        status = read_size(r, json_object_get(object, "out"), "out", 1, MAX_CHANNELS, &layer->out);
    if (status == BFN_OK &&
        (layer->op == BFN__LAYER_CONV || layer->op == BFN__LAYER_LARGEST || layer->op == BFN__LAYER_AVERAGE))
        status = read_window(r, object, &layer->window);
    return status;
}

static bfn_status read_scales(const reader *r, const json_t *object, const char *key, size_t n, double *out)
{
    const json_t *array = json_object_get(object, key);
    if (!json_is_array(array) || json_array_size(array) != n)
        return bad(r, key, "an array of a number for each channel");
    for (size_t c = 0; c < n; c++) {
        const json_t *value = json_array_get(array, c);
        out[c] = json_number_value(value);
        if (!json_is_number(value) || !isfinite(out[c]) || fabs(out[c]) > 1e6)
            return bad(r, key, "numbers of at most 1e6");
    }
    return BFN_OK;
}

static bfn_status read_input(reader *r, const json_t *root, bfn__feature_net *net)
{
    const json_t *input = json_object_get(root, "input");
    r->where = "input";
    bfn_status status = read_size(r, json_object_get(input, "height"), "height", 1, MAX_SIDE, &net->height);
    if (status == BFN_OK)
        status = read_size(r, json_object_get(input, "width"), "width", 1, MAX_SIDE, &net->width);
    if (status == BFN_OK)
        status = read_size(r, json_object_get(input, "channels"), "channels", 1, 3, &net->channels);
    if (status == BFN_OK && net->channels == 2)
        status = bad(r, "channels", "1 or 3");
    if (status == BFN_OK)
        status = read_scales(r, input, "scale", net->channels, net->scale);
    return status != BFN_OK ? status : read_scales(r, input, "shift", net->channels, net->shift);
}

static bfn_status read_root(reader *r, const json_t *root, bfn__feature_net *net)
{
    size_t format;
    r->where = "the description";
    const json_t *layers = json_object_get(root, "layers"), *accuracy = json_object_get(root, "accuracy");
    bfn_status status = read_size(r, json_object_get(root, "format"), "format", FORMAT, FORMAT, &format);
    if (status == BFN_OK)
        status = read_text(r, root, "name", &net->name);
    if (status == BFN_OK)
        status = read_text(r, root, "features", &net->features);
    if (status == BFN_OK && json_object_get(root, "logits") != NULL)
        status = read_text(r, root, "logits", &net->logits);
    if (status != BFN_OK)
        return status;
    if (!json_is_array(layers) || json_array_size(layers) < 1 || json_array_size(layers) > MAX_LAYERS)
        return bad(r, "layers", "an array of 1 to 1000 layers");
    net->accuracy = json_is_number(accuracy) ? json_number_value(accuracy) : (double)NAN;
    net->n_layers = json_array_size(layers);
    net->layers = bfn__calloc(r->ctx, net->n_layers, sizeof *net->layers);
    status = net->layers == NULL ? BFN_ERR_MEMORY : read_input(r, root, net);
    for (size_t i = 0; status == BFN_OK && i < net->n_layers; i++)
        status = read_layer(r, json_array_get(layers, i), &net->layers[i]);
    return status;
}

bfn_status bfn__feature_net_parse(bfn_context *ctx, const char *json, const char *label, bfn__feature_net *out)
{
    *out = (bfn__feature_net){.accuracy = (double)NAN};
    json_error_t error;
    json_t *root = json_loads(json, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(root)) {
        json_decref(root);
        return bfn__fail(ctx, BFN_ERR_INPUT, "%s: %s: is no JSON object: %s", label, BFN__FEATURES_KEY, error.text);
    }
    out->json = root;
    reader r = {ctx, label, ""};
    bfn_status status = read_root(&r, root, out);
    if (status != BFN_OK)
        bfn__feature_net_free(ctx, out);
    return status;
}

bfn_status bfn__feature_net_read(bfn_context *ctx, const bfn__safetensors *st, const char *label, bfn__feature_net *out)
{
    return bfn__feature_net_parse(ctx, bfn__safetensors_metadata(st, BFN__FEATURES_KEY), label, out);
}

void bfn__feature_net_free(bfn_context *ctx, bfn__feature_net *net)
{
    json_decref((json_t *)net->json);
    bfn__free(ctx, net->layers);
    *net = (bfn__feature_net){0};
}

/* ---- writing ---- */

static json_t *layer_json(const bfn__layer *l)
{
    int n_in;
    const char *word = bfn__layer_word(l->op, &n_in);
    json_t *object = json_pack("{s:s, s:s, s:[s]}", "name", l->name, "op", word, "in", l->in[0]);
    if (n_in == 2)
        json_array_append_new(json_object_get(object, "in"), json_string(l->in[1]));
    if (l->op == BFN__LAYER_CONV || l->op == BFN__LAYER_LINEAR)
        json_object_set_new(object, "out", json_integer((json_int_t)l->out));
    if (l->window.height > 0) {
        const bfn__window *w = &l->window;
        json_object_set_new(object, "kernel", json_pack("[i, i]", (int)w->height, (int)w->width));
        json_object_set_new(object, "border", json_pack("[i, i]", (int)w->pad_y, (int)w->pad_x));
        json_object_set_new(object, "stride", json_integer((json_int_t)w->stride));
    }
    return object;
}

char *bfn__feature_net_write(const bfn__feature_net *net, const bfn__st_entry *notes, size_t n_notes)
{
    json_t *root = json_pack("{s:i, s:s}", "format", FORMAT, "name", net->name);
    json_t *scale = json_array(), *shift = json_array(), *layers = json_array();
    for (size_t c = 0; c < net->channels; c++) {
        json_array_append_new(scale, json_real(net->scale[c]));
        json_array_append_new(shift, json_real(net->shift[c]));
    }
    for (size_t i = 0; i < net->n_layers; i++)
        json_array_append_new(layers, layer_json(&net->layers[i]));
    json_object_set_new(root, "input",
                        json_pack("{s:i, s:i, s:i, s:o, s:o}", "height", (int)net->height, "width", (int)net->width,
                                  "channels", (int)net->channels, "scale", scale, "shift", shift));
    json_object_set_new(root, "layers", layers);
    json_object_set_new(root, "features", json_string(net->features));
    if (net->logits != NULL)
        json_object_set_new(root, "logits", json_string(net->logits));
    if (isfinite(net->accuracy))
        json_object_set_new(root, "accuracy", json_real(net->accuracy));
    for (size_t i = 0; i < n_notes; i++)
        json_object_set_new(root, notes[i].key, json_string(notes[i].value));
    char *text = json_dumps(root, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9));
    json_decref(root);
    return text;
}
