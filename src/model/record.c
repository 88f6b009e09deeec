/* record.c: what made a number or a file, as named texts (bfn/record.h).
 *
 * Sample files, cells of a sweep and reports all describe a sampler through bfn_record_solver, so that there is one set of names. A plan is
 * made to resolve what "default" means, and the resolved values are kept: they stay true when defaults change.
 */
#include "bfn/record.h"

#include "base/base.h"
#include "io/file.h"
#include "io/limits.h"
#include "io/sha256.h"
#include "io/yaml.h"
#include "model/model_internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { MAX_ENTRIES = 256 };

typedef struct entry {
    char *key, *value;
} entry;

struct bfn_record {
    bfn_context *ctx;
    entry entries[MAX_ENTRIES];
    size_t n;
};

bfn_status bfn_record_create(bfn_context *ctx, bfn_record **out)
{
    *out = bfn__calloc(ctx, 1, sizeof **out);
    if (*out == NULL)
        return BFN_ERR_MEMORY;
    (*out)->ctx = ctx;
    return BFN_OK;
}

void bfn_record_destroy(bfn_record *record)
{
    if (record == NULL)
        return;
    bfn_context *ctx = record->ctx;
    for (size_t i = 0; i < record->n; i++) {
        bfn__free(ctx, record->entries[i].key);
        bfn__free(ctx, record->entries[i].value);
    }
    bfn__free(ctx, record);
}

static entry *find(const bfn_record *record, const char *key)
{
    for (size_t i = 0; i < record->n; i++)
        if (strcmp(record->entries[i].key, key) == 0)
            return (entry *)&record->entries[i];
    return NULL;
}

static bool good_key(const char *key)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    size_t n = strlen(key);
    return n > 0 && n <= 64 && strspn(key, allowed) == n;
}

bfn_status bfn_record_set(bfn_record *record, const char *key, const char *value)
{
    entry *e = find(record, key);
    if (!good_key(key))
        return bfn__fail(record->ctx, BFN_ERR_ARGUMENT,
                         "record: found the key \"%.80s\", needs 1 to 64 letters, digits or _", key);
    char *copy = bfn__strdup(record->ctx, value);
    if (copy == NULL)
        return BFN_ERR_MEMORY;
    if (e != NULL) {
        bfn__free(record->ctx, e->value);
        e->value = copy;
        return BFN_OK;
    }
    char *name = record->n < MAX_ENTRIES ? bfn__strdup(record->ctx, key) : NULL;
    if (name == NULL) {
        bfn__free(record->ctx, copy);
        return record->n < MAX_ENTRIES
                   ? BFN_ERR_MEMORY
                   : bfn__fail(record->ctx, BFN_ERR_ARGUMENT, "record: more than %d entries", MAX_ENTRIES);
    }
    record->entries[record->n++] = (entry){name, copy};
    return BFN_OK;
}

bfn_status bfn_record_set_count(bfn_record *record, const char *key, uint64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRIu64, value);
    return bfn_record_set(record, key, text);
}

bfn_status bfn_record_set_number(bfn_record *record, const char *key, double value)
{
    char text[BFN__NUMBER_TEXT_MAX];
    bfn__format_number(value, text);
    return bfn_record_set(record, key, text);
}

bfn_status bfn_record_set_file(bfn_record *record, const char *key, const char *path)
{
    char name[80], hex[BFN__SHA256_HEX];
    bfn__bytes file;
    bfn_status status = bfn__file_map(record->ctx, path, bfn__limit(record->ctx, BFN__CAP_FILE_BYTES), &file);
    if (status != BFN_OK)
        return status;
    bfn__sha256_hex(file.data, file.size, hex);
    bfn__file_unmap(record->ctx, &file);
    snprintf(name, sizeof name, "%s_sha256", key);
    status = bfn_record_set(record, key, path);
    return status == BFN_OK ? bfn_record_set(record, name, hex) : status;
}

const char *bfn_record_get(const bfn_record *record, const char *key)
{
    const entry *e = find(record, key);
    return e != NULL ? e->value : NULL;
}

size_t bfn_record_n(const bfn_record *record)
{
    return record->n;
}

const char *bfn_record_key(const bfn_record *record, size_t i)
{
    return record->entries[i].key;
}

const char *bfn_record_value(const bfn_record *record, size_t i)
{
    return record->entries[i].value;
}

/* ---- models and samplers ---- */

bfn_status bfn_record_model(bfn_record *record, const bfn_model *model)
{
    bfn_model_info info;
    bfn_model_get_info(model, &info);
    bfn_status status = bfn_record_set(record, "version", bfn_version());
    if (status == BFN_OK)
        status = bfn_record_set(record, "backend", bfn_backend());
    if (status == BFN_OK)
        status = bfn_record_set(record, "model_sha256", info.checksum);
    if (status == BFN_OK)
        status = bfn_record_set(record, "precision", info.precision == BFN_PRECISION_BF16 ? "bf16" : "f32");
    if (status == BFN_OK)
        status = bfn_record_set(record, "weights", model->options.raw_weights ? "raw" : "average");
    return status;
}

bfn_status bfn_record_config(bfn_record *record, const bfn_model *model)
{
    bool given = model->config_checksum[0] != '\0';
    return given ? bfn_record_set(record, "config", model->config_text) : BFN_OK;
}

/* "list:0.001,0.5,1". *out by bfn__free. */
static bfn_status list_text(bfn_context *ctx, const bfn_solver_options *s, char **out)
{
    char *text = bfn__calloc(ctx, s->n_times + 1, BFN__NUMBER_TEXT_MAX + 1);
    if (text == NULL)
        return BFN_ERR_MEMORY;
    size_t used = 5;
    memcpy(text, "list:", used);
    for (size_t i = 0; i < s->n_times; i++) {
        char number[BFN__NUMBER_TEXT_MAX];
        bfn__format_number(s->times[i], number);
        size_t n = strlen(number);
        if (i > 0)
            text[used++] = ',';
        memcpy(text + used, number, n + 1);
        used += n;
    }
    *out = text;
    return BFN_OK;
}

static bfn_status set_grid(bfn_record *record, const bfn_solver_options *s, bfn_grid grid)
{
    char text[BFN__NUMBER_TEXT_MAX + 8], number[BFN__NUMBER_TEXT_MAX], *list;
    if (grid == BFN_GRID_TIME || grid == BFN_GRID_LOGSNR)
        return bfn_record_set(record, "grid", grid == BFN_GRID_TIME ? "time" : "logsnr");
    if (grid == BFN_GRID_POWER) {
        bfn__format_number(s->power, number);
        snprintf(text, sizeof text, "power:%s", number);
        return bfn_record_set(record, "grid", text);
    }
    bfn_status status = list_text(record->ctx, s, &list);
    if (status != BFN_OK)
        return status;
    status = bfn_record_set(record, "grid", list);
    bfn__free(record->ctx, list);
    return status;
}

/* The name that gives these options back: a published one where its slips are wanted. */
static const char *method_name(const bfn_solver_options *s)
{
#define BFN_METHOD(NAME, name, text)
#define BFN_ALIAS(alias, NAME)                                                                                         \
    if (s->published && s->method == BFN_METHOD_##NAME)                                                                \
        return alias;
#include "bfn/methods.def"
#undef BFN_METHOD
    return bfn_method_name(s->method);
}

static bfn_status set_plan(bfn_record *record, const bfn_solver_options *s, const bfn_plan_info *plan)
{
    static const char *const starts[] = {"default", "zero", "moments"},
                             *const lasts[] = {"default", "predict", "update", "call"},
                             *const predictions[] = {"default", "mean", "draw"};
    bfn_status status = bfn_record_set(record, "method", method_name(s));
    if (status == BFN_OK && s->corrector)
        status = bfn_record_set(record, "corrector", "on");
    if (status == BFN_OK)
        status = bfn_record_set_count(record, "evaluations", plan->n_evaluations);
    if (status == BFN_OK)
        status = bfn_record_set_count(record, "steps", plan->n_steps);
    if (status == BFN_OK)
        status = set_grid(record, s, plan->grid);
    if (status == BFN_OK)
        status = bfn_record_set_number(record, "eta", plan->start_time);
    if (status == BFN_OK)
        status = bfn_record_set(record, "start", starts[plan->start]);
    if (status == BFN_OK)
        status = bfn_record_set(record, "last", lasts[plan->last]);
    if (status == BFN_OK)
        status = bfn_record_set(record, "prediction", predictions[plan->prediction]);
    if (status == BFN_OK && s->noise_is_set)
        status = bfn_record_set_number(record, "noise", s->noise);
    return status;
}

bfn_status bfn_record_solver(bfn_record *record, const bfn_flow *flow, const bfn_solver_options *solver, bfn_clip clip)
{
    static const char *const clips[] = {"static", "dynamic", "off"};
    bfn_plan *plan;
    bfn_plan_info info;
    bfn_status status = bfn_plan_create(record->ctx, &plan, flow, solver);
    if (status != BFN_OK)
        return status;
    bfn_plan_get_info(plan, &info);
    bfn_plan_destroy(plan);
    status = set_plan(record, solver, &info);
    if (status == BFN_OK && flow->kind == BFN_DATA_CONTINUOUS)
        status = bfn_record_set(record, "clip", clips[clip]);
    return status;
}

bfn_status bfn_record_texts(const bfn_record *record, bfn_picture_text **texts, size_t *n)
{
    enum { KEY_BYTES = 72 };
    *n = record->n;
    *texts = bfn__calloc(record->ctx, record->n > 0 ? record->n : 1, sizeof **texts + KEY_BYTES);
    if (*texts == NULL)
        return BFN_ERR_MEMORY;
    char *keys = (char *)(*texts + record->n);
    for (size_t i = 0; i < record->n; i++) {
        snprintf(keys + i * KEY_BYTES, KEY_BYTES, "bfn.%s", record->entries[i].key);
        (*texts)[i] = (bfn_picture_text){keys + i * KEY_BYTES, record->entries[i].value};
    }
    return BFN_OK;
}

void bfn_record_free_texts(const bfn_record *record, bfn_picture_text *texts)
{
    bfn__free(record->ctx, texts);
}
