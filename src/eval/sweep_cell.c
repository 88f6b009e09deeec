/* sweep_cell.c: cells of a sweep as lines of JSON.
 *
 *   {"bfn_sweep": 1, "header": {"version": "0.1.0", "model_sha256": ..., "n": "1000", ...}}
 *   {"key": "...", "settings": {"method": "ode2m", ...}, "seconds": 1.5, "values": {"accuracy": [0.85, 0.004], ...}, "texts": [...]}
 *
 * The key is the SHA-256 of the model's checksum and the resolved settings, one "name=value" a line. The file may have been edited, so
 * everything in it is checked.
 */
#include "eval/sweep.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FORMAT_VERSION = 1 };

static void hash_entry(bfn__sha256 *hash, const char *key, const char *value)
{
    bfn__sha256_add(hash, key, strlen(key));
    bfn__sha256_add(hash, "=", 1);
    bfn__sha256_add(hash, value, strlen(value));
    bfn__sha256_add(hash, "\n", 1);
}

bfn_status bfn__cell_describe(bfn__sweep *sweep, bfn__cell *cell)
{
    const bfn_sweep_cell *asked = cell->asked;
    bfn_solver_options solver = asked->solver;
    bfn_model_resolve(sweep->model, &solver);
    bfn_status status = bfn_record_create(sweep->ctx, &cell->settings);
    if (status == BFN_OK)
        status = bfn_record_solver(cell->settings, &sweep->info.flow, &solver, asked->clip);
    if (status == BFN_OK)
        status = bfn_record_set_count(cell->settings, "seed", asked->seed);
    if (status != BFN_OK)
        return status;
    bfn__sha256 hash;
    bfn__sha256_begin(&hash);
    hash_entry(&hash, "model_sha256", sweep->info.checksum);
    for (size_t i = 0; i < bfn_record_n(cell->settings); i++)
        hash_entry(&hash, bfn_record_key(cell->settings, i), bfn_record_value(cell->settings, i));
    bfn__sha256_end(&hash, cell->key);
    cell->evaluations = (size_t)strtoull(bfn_record_get(cell->settings, "evaluations"), NULL, 10);
    return BFN_OK;
}

static bool begins_at_zero(const bfn__cell *cell)
{
    const char *eta = bfn_record_get(cell->settings, "eta");
    return eta != NULL && strcmp(eta, "0") == 0;
}

bool bfn__same_setting(const bfn__cell *a, const bfn__cell *b, const char *key)
{
    const char *va = bfn_record_get(a->settings, key), *vb = bfn_record_get(b->settings, key);
    if (va == vb || (va != NULL && vb != NULL && strcmp(va, vb) == 0))
        return true;
    return strcmp(key, "start") == 0 && (begins_at_zero(a) || begins_at_zero(b));
}

void bfn__cell_free(bfn_context *ctx, bfn__cell *cell)
{
    bfn_record_destroy(cell->settings);
    for (size_t i = 0; i < cell->n_texts; i++)
        bfn__free(ctx, cell->texts[i]);
    bfn__free(ctx, cell->strip);
}

/* ---- out ---- */

static json_t *record_object(const bfn_record *record)
{
    json_t *object = json_object();
    for (size_t i = 0; i < bfn_record_n(record); i++)
        json_object_set_new(object, bfn_record_key(record, i), json_string(bfn_record_value(record, i)));
    return object;
}

static json_t *real_or_null(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static char *dump(json_t *object)
{
    char *text = json_dumps(object, JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(17));
    json_decref(object);
    return text;
}

static json_t *values_object(const bfn__sweep *sweep, const bfn__cell *cell)
{
    json_t *object = json_object();
    for (size_t i = 0; i < sweep->n_values; i++) {
        json_t *pair = json_array();
        json_array_append_new(pair, real_or_null(cell->values[i].value));
        json_array_append_new(pair, real_or_null(cell->values[i].error));
        json_object_set_new(object, sweep->values[i].name, pair);
    }
    return object;
}

char *bfn__cell_write(const bfn__sweep *sweep, const bfn__cell *cell)
{
    json_t *object = json_object(), *texts = json_array();
    json_object_set_new(object, "key", json_string(cell->key));
    json_object_set_new(object, "settings", record_object(cell->settings));
    json_object_set_new(object, "seconds", json_real(cell->seconds));
    json_object_set_new(object, "values", values_object(sweep, cell));
    for (size_t i = 0; i < cell->n_texts; i++)
        json_array_append_new(texts, json_string(cell->texts[i]));
    if (cell->strip != NULL) {
        json_object_set_new(object, "strip", json_string(cell->strip));
        json_object_set_new(object, "strip_width", json_integer((json_int_t)cell->strip_width));
        json_object_set_new(object, "strip_height", json_integer((json_int_t)cell->strip_height));
    }
    json_object_set_new(object, "texts", texts);
    return dump(object);
}

char *bfn__header_write(const bfn__sweep *sweep)
{
    json_t *object = json_object();
    json_object_set_new(object, "bfn_sweep", json_integer(FORMAT_VERSION));
    json_object_set_new(object, "header", record_object(sweep->header));
    return dump(object);
}

/* ---- in ---- */

static bfn_status fail_line(const bfn__sweep *sweep, size_t number, const char *what)
{
    return bfn__fail(sweep->ctx, BFN_ERR_INPUT, "%s/cells.jsonl: line %zu: %s", sweep->options->out_dir, number, what);
}

static bool same(const char *a, const char *b)
{
    return a != NULL && b != NULL && strcmp(a, b) == 0;
}

static bfn_status compare_headers(const bfn__sweep *sweep, const json_t *found)
{
    for (size_t i = 0; i < bfn_record_n(sweep->header); i++) {
        const char *key = bfn_record_key(sweep->header, i), *now = bfn_record_value(sweep->header, i);
        const char *then = json_string_value(json_object_get(found, key));
        if (!same(then, now))
            return bfn__fail(sweep->ctx, BFN_ERR_ARGUMENT,
                             "%s: %s: the sweep in this folder was begun with %s, now it is %s: other settings need "
                             "another folder",
                             sweep->options->out_dir, key, then != NULL ? then : "none", now);
    }
    return BFN_OK;
}

bfn_status bfn__header_check(const bfn__sweep *sweep, const char *line)
{
    json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, NULL);
    const json_t *header = json_object_get(object, "header");
    bfn_status status = BFN_OK;
    if (json_integer_value(json_object_get(object, "bfn_sweep")) != FORMAT_VERSION || !json_is_object(header))
        status = fail_line(sweep, 1, "is not the head of a sweep");
    else
        status = compare_headers(sweep, header);
    json_decref(object);
    return status;
}

static double number_of(const json_t *value)
{
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

static bool read_values(const bfn__sweep *sweep, const json_t *object, bfn__cell *cell)
{
    const json_t *values = json_object_get(object, "values"), *seconds = json_object_get(object, "seconds");
    for (size_t i = 0; i < sweep->n_values; i++) {
        const json_t *pair = json_object_get(values, sweep->values[i].name);
        if (json_array_size(pair) != 2)
            return false;
        cell->values[i] = (bfn__value){number_of(json_array_get(pair, 0)), number_of(json_array_get(pair, 1))};
    }
    cell->seconds = number_of(seconds);
    return isfinite(cell->seconds) && cell->seconds >= 0.0;
}

static bool is_base64(const char *text)
{
    return strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") == strlen(text);
}

static bfn_status read_shown(const bfn__sweep *sweep, const json_t *object, bfn__cell *cell, bool *good)
{
    const json_t *texts = json_object_get(object, "texts");
    const char *strip = json_string_value(json_object_get(object, "strip"));
    *good = json_is_array(texts) && json_array_size(texts) <= BFN__MAX_SHOWN && (strip == NULL || is_base64(strip));
    for (size_t i = 0; *good && i < json_array_size(texts); i++) {
        const char *text = json_string_value(json_array_get(texts, i));
        *good = text != NULL;
        if (*good && (cell->texts[cell->n_texts] = bfn__strdup(sweep->ctx, text)) == NULL)
            return BFN_ERR_MEMORY;
        cell->n_texts += *good;
    }
    if (!*good || strip == NULL)
        return BFN_OK;
    cell->strip = bfn__strdup(sweep->ctx, strip);
    json_int_t width = json_integer_value(json_object_get(object, "strip_width")),
               height = json_integer_value(json_object_get(object, "strip_height"));
    *good = width > 0 && width < 1 << 20 && height > 0 && height < 1 << 20;
    cell->strip_width = (size_t)width;
    cell->strip_height = (size_t)height;
    return cell->strip != NULL ? BFN_OK : BFN_ERR_MEMORY;
}

static bfn__cell *find_cell(const bfn__sweep *sweep, const char *key)
{
    for (size_t i = 0; key != NULL && i < sweep->n_cells; i++)
        if (strcmp(sweep->cells[i].key, key) == 0)
            return &sweep->cells[i];
    return NULL;
}

bfn_status bfn__cell_read(bfn__sweep *sweep, const char *line, size_t number)
{
    json_error_t error;
    json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, &error);
    const char *key = json_string_value(json_object_get(object, "key"));
    bfn__cell *cell = find_cell(sweep, key);
    bfn_status status = BFN_OK;
    bool good = key != NULL;
    if (good && cell != NULL && !cell->done) {
        good = read_values(sweep, object, cell);
        if (good)
            status = read_shown(sweep, object, cell, &good);
        cell->done = good && status == BFN_OK;
        sweep->n_found += cell->done;
    }
    if (!good && status == BFN_OK)
        status = fail_line(sweep, number, object == NULL ? error.text : "is not a finished cell of this sweep");
    json_decref(object);
    return status;
}
