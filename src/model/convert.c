/* convert.c: files of tensors into safetensors: other names, another precision, one set of weights, with a configuration.
 *
 * Everything that is refused is refused before the output is begun: names, shapes and numbers of the whole input are looked at first.
 * The output is then written tensor by tensor, in pieces, so that neither input (which is mapped) nor output is in memory as a whole.
 * Vectors (biases, normalisation) and fixed tables stay f32: a small part of the file and the sensitive part of the network.
 */
#include "bfn/tensors.h"

#include "model/model_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PIECE = 1 << 14, MAX_METADATA = 8 };

typedef struct converter {
    bfn_context *ctx;
    const bfn_convert_options *o;
    const char *in;
    bfn__safetensors *st;
    bfn__config config;
    bfn__net *net;       /* NULL: no configuration */
    char *config_text;   /* resolved */
    const char *prefix;  /* of the weights in the file, with a network */
    bfn__st_tensor *out; /* what is written: names and types */
    const bfn__st_tensor **from;
    size_t n;
    char (*names)[BFN__MAX_NAME + 8]; /* of those that get another one */
    float values[PIECE];
    uint16_t halves[PIECE];
} converter;

static bool begins(const char *name, const char *prefix)
{
    return strncmp(name, prefix, strlen(prefix)) == 0;
}

/* ---- what is in the file ---- */

static bool has_averages(const bfn__safetensors *st)
{
    for (size_t i = 0; i < bfn__safetensors_n_tensors(st); i++)
        if (begins(bfn__safetensors_tensor(st, i)->name, "ema.net."))
            return true;
    return false;
}

static bool are_averages(const bfn__safetensors *st)
{
    const char *train = bfn__safetensors_metadata(st, "bfn.train");
    return train != NULL && strstr(train, "\"weights\":\"ema\"") != NULL;
}

static bfn_status read_config(converter *c)
{
    bfn_status status;
    bool own = bfn__safetensors_metadata(c->st, "bfn.config") != NULL;
    if (!own && c->o->config_path == NULL)
        return BFN_OK;
    bfn__config_init(&c->config);
    status = bfn__find_config(c->ctx, c->st, c->in, c->o->config_path, &c->config, &c->net);
    if (status == BFN_OK)
        status = bfn__config_write(c->ctx, &c->config, &c->config_text);
    return status;
}

static bfn_status check_finite(const converter *c)
{
    bfn__report bad = {0};
    for (size_t i = 0; i < bfn__safetensors_n_tensors(c->st) && !c->o->allow_nonfinite; i++) {
        const bfn__st_tensor *t = bfn__safetensors_tensor(c->st, i);
        size_t at = bfn__st_first_nonfinite(t);
        char line[700];
        if (at == t->count)
            continue;
        snprintf(line, sizeof line, "\"%.600s\" at number %zu", t->name, at);
        bfn__report_add(&bad, line);
    }
    return bfn__report_end(c->ctx, &bad, BFN__NONFINITE);
}

static bfn_status check(converter *c)
{
    bfn_status status = BFN_OK;
    if (c->net != NULL) {
        c->prefix = bfn__weights_prefix(c->st, c->net, c->o->weights == BFN_WEIGHTS_RAW);
        status = bfn__weights_check_shapes(c->ctx, c->st, c->net, c->prefix);
        if (status == BFN_OK)
            status = bfn__weights_check_names(c->ctx, c->st, c->net);
    }
    if (status == BFN_OK)
        status = check_finite(c);
    if (status == BFN_OK && c->o->weights == BFN_WEIGHTS_EMA && !has_averages(c->st) && !are_averages(c->st))
        status = bfn__fail(c->ctx, BFN_ERR_INPUT, "has no averages (tensors \"ema.net.*\")");
    return status == BFN_OK ? BFN_OK : bfn__fail_prefix(c->ctx, status, c->in);
}

/* ---- what is written ---- */

/* The name that a tensor gets; NULL: it is left out. */
static const char *new_name(const converter *c, const char *name, bool averages, char buffer[BFN__MAX_NAME + 8])
{
    if (c->net != NULL && c->prefix[0] == '\0' && bfn__net_find(c->net, name) != NULL) {
        snprintf(buffer, BFN__MAX_NAME + 8, "net.%s", name);
        return buffer;
    }
    if (c->o->weights == BFN_WEIGHTS_ALL)
        return name;
    if (begins(name, "adam."))
        return NULL;
    if (begins(name, "ema."))
        return averages ? name + strlen("ema.") : NULL;
    if (averages && begins(name, "net.")) { /* only what has no average: fixed tables */
        char average[600];
        snprintf(average, sizeof average, "ema.%.590s", name);
        return bfn__safetensors_find(c->st, average) == NULL ? name : NULL;
    }
    return name;
}

static bool is_weight(const char *name, bool known)
{
    return !known || begins(name, "net.") || begins(name, "ema.net.");
}

static bool is_matrix(const converter *c, const bfn__st_tensor *t)
{
    const char *name = strstr(t->name, "net.");
    const bfn__param *p = c->net != NULL && name != NULL ? bfn__net_find(c->net, name + strlen("net.")) : NULL;
    return t->rank >= 2 && (p == NULL || p->trained);
}

/* The type of a tensor under its new name. */
static bfn__dtype new_dtype(const converter *c, const bfn__st_tensor *t)
{
    static const bfn__dtype wanted[] = {BFN__DTYPE_F32, BFN__DTYPE_F32, BFN__DTYPE_BF16, BFN__DTYPE_F16};
    if (c->o->numbers == BFN_NUMBERS_KEEP || t->dtype > BFN__DTYPE_BF16 || !is_weight(t->name, c->net != NULL))
        return t->dtype;
    return is_matrix(c, t) ? wanted[c->o->numbers] : BFN__DTYPE_F32;
}

static bfn_status choose(converter *c)
{
    size_t n = bfn__safetensors_n_tensors(c->st);
    bool averages = (c->o->weights == BFN_WEIGHTS_EMA || c->o->weights == BFN_WEIGHTS_BEST) && has_averages(c->st);
    c->out = bfn__calloc(c->ctx, n, sizeof *c->out);
    c->from = bfn__calloc(c->ctx, n, sizeof *c->from);
    c->names = bfn__calloc(c->ctx, n, sizeof *c->names);
    if (c->out == NULL || c->from == NULL || c->names == NULL)
        return BFN_ERR_MEMORY;
    for (size_t i = 0; i < n; i++) {
        const bfn__st_tensor *t = bfn__safetensors_tensor(c->st, i);
        const char *name = new_name(c, t->name, averages, c->names[c->n]);
        if (name == NULL)
            continue;
        bfn__st_tensor *to = &c->out[c->n];
        *to = *t;
        to->name = name;
        to->dtype = new_dtype(c, to);
        to->bytes = to->count * bfn__dtype_size(to->dtype);
        c->from[c->n++] = t;
    }
    return BFN_OK;
}

/* Numbers first..first+n-1 of a tensor in another type. */
static bfn_status write_piece(converter *c, const bfn__st_tensor *from, bfn__dtype dtype, size_t first, size_t n,
                              bfn__sink *sink)
{
    bfn_status status = bfn__st_slice_to_f32(c->ctx, from, first, n, c->values);
    if (status == BFN_OK && dtype == BFN__DTYPE_F32)
        return bfn__sink_put(sink, c->values, n * sizeof *c->values);
    if (status == BFN_OK && dtype == BFN__DTYPE_F16) {
        size_t at = bfn__f16_from_f32(n, c->values, c->halves);
        if (at < n)
            status = bfn__fail(c->ctx, BFN_ERR_INPUT, "\"%s\"[%zu] is %g, f16 holds up to 65504 (bf16 holds it)",
                               from->name, first + at, (double)c->values[at]);
    } else if (status == BFN_OK) {
        bfn__bf16_from_f32(n, c->values, c->halves);
    }
    return status == BFN_OK ? bfn__sink_put(sink, c->halves, n * sizeof *c->halves) : status;
}

static bfn_status write_tensor(void *user, size_t i, bfn__sink *sink)
{
    converter *c = user;
    const bfn__st_tensor *from = c->from[i];
    bfn_status status = BFN_OK;
    if (c->out[i].dtype == from->dtype)
        return bfn__sink_put(sink, from->data, from->bytes);
    for (size_t first = 0; first < from->count && status == BFN_OK; first += PIECE) {
        size_t n = from->count - first < PIECE ? from->count - first : PIECE;
        status = write_piece(c, from, c->out[i].dtype, first, n, sink);
    }
    return status == BFN_ERR_INPUT ? bfn__fail_prefix(c->ctx, status, c->in) : status;
}

/* ---- metadata ---- */

/* What the file says of its training, with the set of weights that is kept. *text: free(). */
static bfn_status train_text(const converter *c, char **text)
{
    bfn__train_info train;
    bfn_status status = bfn__train_info_read(c->ctx, c->st, &train);
    if (status != BFN_OK)
        return status;
    if (c->o->weights != BFN_WEIGHTS_ALL) {
        memcpy(train.weights, c->o->weights == BFN_WEIGHTS_RAW ? "raw" : "ema", 4);
        train.loss_count = 0; /* of a run that is going on */
    }
    *text = bfn__train_info_write(&train);
    return *text != NULL ? BFN_OK : BFN_ERR_MEMORY;
}

/* What the data is, where only the configuration says it. *text: NULL, or free(). */
static bfn_status data_text(const converter *c, char **text)
{
    bfn__data_info data = {0};
    if (c->net == NULL || bfn__safetensors_metadata(c->st, "bfn.data") != NULL)
        return BFN_OK;
    bfn_status status = bfn__data_info_default(c->ctx, &c->config, &data);
    if (status == BFN_OK && (*text = bfn__data_info_write(&data)) == NULL)
        status = BFN_ERR_MEMORY;
    bfn__data_info_free(c->ctx, &data);
    return status;
}

static bool is_ours(const char *key)
{
    return strcmp(key, "bfn.config") == 0 || strcmp(key, "bfn.train") == 0;
}

static bfn_status save(converter *c, const char *out, const char *train, const char *data)
{
    size_t n = bfn__safetensors_n_metadata(c->st), used = 0;
    bfn__st_entry *entries = bfn__calloc(c->ctx, n + MAX_METADATA, sizeof *entries);
    if (entries == NULL)
        return BFN_ERR_MEMORY;
    for (size_t i = 0; i < n; i++)
        if (c->net == NULL || !is_ours(bfn__safetensors_metadata_at(c->st, i)->key))
            entries[used++] = *bfn__safetensors_metadata_at(c->st, i);
    if (c->net != NULL) {
        entries[used++] = (bfn__st_entry){"bfn.config", c->config_text};
        entries[used++] = (bfn__st_entry){"bfn.train", train};
    }
    if (data != NULL)
        entries[used++] = (bfn__st_entry){"bfn.data", data};
    if (bfn__safetensors_metadata(c->st, "format") == NULL)
        entries[used++] = (bfn__st_entry){"format", "pt"};
    if (bfn__safetensors_metadata(c->st, BFN__ST_CHECKSUM) == NULL)
        entries[used++] = (bfn__st_entry){BFN__ST_CHECKSUM, NULL};
    bfn_status status = bfn__safetensors_save_from(c->ctx, out, c->out, c->n, entries, used, write_tensor, c);
    bfn__free(c->ctx, entries);
    return status;
}

static bfn_status write_file(converter *c, const char *out)
{
    char *train = NULL, *data = NULL;
    bfn_status status = train_text(c, &train);
    if (status == BFN_OK)
        status = data_text(c, &data);
    if (status == BFN_OK)
        status = save(c, out, train, data);
    free(train);
    free(data);
    return status;
}

/* ---- the whole ---- */

static bfn_status convert(converter *c, const char *out)
{
    bfn_status status = bfn__tensors_open(c->ctx, &c->st, c->in);
    if (status == BFN_OK)
        status = bfn__safetensors_verify(c->st, c->in, NULL);
    if (status == BFN_OK && c->o->n_prefixes > 0)
        status = bfn__st_rename(c->ctx, c->st, c->o->prefixes, c->o->n_prefixes);
    if (status == BFN_OK)
        status = read_config(c);
    if (status == BFN_OK)
        status = check(c);
    if (status == BFN_OK)
        status = choose(c);
    return status == BFN_OK ? write_file(c, out) : status;
}

static bfn_status check_options(bfn_context *ctx, const bfn_convert_options *o)
{
    if (o->struct_size != sizeof *o)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "convert options: struct_size %zu, needs %zu", o->struct_size,
                         sizeof *o);
    if ((unsigned)o->numbers > BFN_NUMBERS_F16 || (unsigned)o->weights > BFN_WEIGHTS_BEST)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "convert options: numbers %d, weights %d, need 0 to 3", (int)o->numbers,
                         (int)o->weights);
    return BFN_OK;
}

bfn_status bfn_convert(bfn_context *ctx, const char *in, const char *out, const bfn_convert_options *options)
{
    static const bfn_convert_options defaults = BFN_CONVERT_OPTIONS_INIT;
    bfn_status status = check_options(ctx, options != NULL ? options : &defaults);
    if (status != BFN_OK)
        return status;
    converter *c = bfn__calloc(ctx, 1, sizeof *c);
    if (c == NULL)
        return BFN_ERR_MEMORY;
    c->ctx = ctx;
    c->o = options != NULL ? options : &defaults;
    c->in = in;
    status = convert(c, out);
    bfn__safetensors_close(c->st);
    bfn__net_destroy(c->net);
    bfn__free(ctx, c->config_text);
    bfn__free(ctx, c->out);
    bfn__free(ctx, c->from);
    bfn__free(ctx, c->names);
    bfn__free(ctx, c);
    return status;
}

bfn_status bfn_model_export(bfn_context *ctx, const char *in, const char *out, const bfn_model_options *options)
{
    static const bfn_model_options defaults = BFN_MODEL_OPTIONS_INIT;
    const bfn_model_options *o = options != NULL ? options : &defaults;
    bfn_convert_options c = BFN_CONVERT_OPTIONS_INIT;
    bfn_status status = bfn__model_options_check(ctx, o);
    if (status != BFN_OK)
        return status;
    c.config_path = o->config_path;
    c.numbers = o->precision == BFN_PRECISION_BF16 ? BFN_NUMBERS_BF16 : BFN_NUMBERS_F32;
    c.weights = o->raw_weights ? BFN_WEIGHTS_RAW : BFN_WEIGHTS_BEST;
    c.allow_nonfinite = o->allow_nonfinite;
    return bfn_convert(ctx, in, out, &c);
}
