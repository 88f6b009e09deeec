/* sweep_results.c: results.csv, times.csv and results.json of a sweep (bfn/sweep.h).
 *
 * results.csv has no times: it is the same for every run of the same settings, so two of them can be compared byte by byte.
 */
#include "eval/report.h"

#include "io/file.h"
#include "io/yaml.h"

#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 4096 };

/* Columns that not every sampler has are there for all. */
static const char *const setting_columns[] = {"method", "corrector", "evaluations", "steps", "grid", "eta",
                                              "start",  "last",      "prediction",  "noise", "clip", "seed"};
enum { N_SETTINGS = sizeof setting_columns / sizeof setting_columns[0] };

/* ---- points ---- */

bool bfn__same_sampler(const bfn__cell *a, const bfn__cell *b)
{
    for (size_t i = 0; i < N_SETTINGS; i++)
        if (strcmp(setting_columns[i], "seed") != 0 && !bfn__same_setting(a, b, setting_columns[i]))
            return false;
    return true;
}

/* Sums become means: seeds are independent, so the error of the mean of n is sqrt(sum of squares)/n; values that come without an error
 * get one from how far the seeds differ. */
static void add_cell(const bfn__sweep *s, bfn__point *p, const bfn__cell *cell, bfn__value *squares)
{
    p->n_seeds++;
    p->seconds += cell->seconds;
    for (size_t i = 0; i < s->n_values; i++) {
        bfn__value v = cell->values[i];
        p->values[i].value += v.value;
        p->values[i].error += v.error * v.error;
        squares[i].value += v.value * v.value;
    }
}

static void finish_point(const bfn__sweep *s, bfn__point *p, const bfn__value *squares)
{
    double n = (double)p->n_seeds;
    p->seconds /= n;
    for (size_t i = 0; i < s->n_values; i++) {
        double mean = p->values[i].value / n, spread = fmax(0.0, squares[i].value / n - mean * mean);
        double own = sqrt(p->values[i].error) / n, of_seeds = n > 1.0 ? sqrt(spread / (n - 1.0)) : (double)NAN;
        p->values[i].error = s->values[i].has_error && isfinite(own) ? own : of_seeds;
        p->values[i].value = mean;
    }
}

bfn_status bfn__points_make(const bfn__sweep *s, bfn__point **points, size_t *n)
{
    *n = 0;
    *points = bfn__calloc(s->ctx, s->n_cells, sizeof **points);
    if (*points == NULL)
        return BFN_ERR_MEMORY;
    for (size_t i = 0; i < s->n_cells; i++) {
        const bfn__cell *cell = &s->cells[i];
        bool first = cell->done;
        for (size_t j = 0; j < *n && first; j++)
            first = !bfn__same_sampler((*points)[j].cell, cell);
        if (!first)
            continue;
        bfn__point *p = &(*points)[(*n)++];
        bfn__value squares[BFN__MAX_VALUES] = {{0}};
        *p = (bfn__point){.cell = cell};
        for (size_t j = i; j < s->n_cells; j++)
            if (s->cells[j].done && bfn__same_sampler(cell, &s->cells[j]))
                add_cell(s, p, &s->cells[j], squares);
        finish_point(s, p, squares);
    }
    return BFN_OK;
}

/* ---- CSV ---- */

static bfn_status put_field(bfn__writer *w, const char *text, bool first)
{
    bfn_status status = first ? BFN_OK : bfn__writer_write(w, ",", 1);
    bool quoted = strpbrk(text, ",\"\n") != NULL; /* grid lists hold commas */
    if (status == BFN_OK && quoted)
        status = bfn__writer_write(w, "\"", 1);
    if (status == BFN_OK)
        status = bfn__writer_write(w, text, strlen(text));
    if (status == BFN_OK && quoted)
        status = bfn__writer_write(w, "\"", 1);
    return status;
}

static bfn_status put_number(bfn__writer *w, double value)
{
    char text[BFN__NUMBER_TEXT_MAX] = "";
    if (isfinite(value))
        bfn__format_number(value, text);
    return put_field(w, text, false);
}

static bfn_status put_settings(bfn__writer *w, const bfn__cell *cell)
{
    bfn_status status = BFN_OK;
    for (size_t i = 0; i < N_SETTINGS && status == BFN_OK; i++) {
        const char *value = cell == NULL ? setting_columns[i] : bfn_record_get(cell->settings, setting_columns[i]);
        status = put_field(w, value != NULL ? value : "", i == 0);
    }
    return status;
}

static bfn_status put_head(const bfn__sweep *s, bfn__writer *w)
{
    char name[96];
    bfn_status status = put_settings(w, NULL);
    for (size_t i = 0; i < s->n_values && status == BFN_OK; i++) {
        status = put_field(w, s->values[i].name, false);
        snprintf(name, sizeof name, "%s_se", s->values[i].name);
        if (status == BFN_OK && s->values[i].has_error)
            status = put_field(w, name, false);
    }
    for (size_t i = 0; i < bfn_record_n(s->header) && status == BFN_OK; i++)
        status = put_field(w, bfn_record_key(s->header, i), false);
    return status == BFN_OK ? bfn__writer_write(w, "\n", 1) : status;
}

static bfn_status put_row(const bfn__sweep *s, bfn__writer *w, const bfn__cell *cell)
{
    bfn_status status = put_settings(w, cell);
    for (size_t i = 0; i < s->n_values && status == BFN_OK; i++) {
        status = put_number(w, cell->values[i].value);
        if (status == BFN_OK && s->values[i].has_error)
            status = put_number(w, cell->values[i].error);
    }
    for (size_t i = 0; i < bfn_record_n(s->header) && status == BFN_OK; i++)
        status = put_field(w, bfn_record_value(s->header, i), false);
    return status == BFN_OK ? bfn__writer_write(w, "\n", 1) : status;
}

static bfn_status put_time(bfn__writer *w, const bfn__cell *cell)
{
    bfn_status status = put_settings(w, cell);
    if (status == BFN_OK)
        status = cell == NULL ? put_field(w, "seconds", false) : put_number(w, cell->seconds);
    return status == BFN_OK ? bfn__writer_write(w, "\n", 1) : status;
}

static bfn_status open_file(const bfn__sweep *s, const char *name, bfn__writer **w)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", s->options->out_dir, name);
    return bfn__writer_open(s->ctx, w, path);
}

static bfn_status close_file(bfn__writer *w, bfn_status status)
{
    if (status == BFN_OK)
        return bfn__writer_commit(w);
    bfn__writer_abort(w);
    return status;
}

static bfn_status write_csv(const bfn__sweep *s, bool times)
{
    bfn__writer *w;
    bfn_status status = open_file(s, times ? "times.csv" : "results.csv", &w);
    if (status != BFN_OK)
        return status;
    status = times ? put_time(w, NULL) : put_head(s, w);
    for (size_t i = 0; i < s->n_cells && status == BFN_OK; i++)
        if (s->cells[i].done)
            status = times ? put_time(w, &s->cells[i]) : put_row(s, w, &s->cells[i]);
    return close_file(w, status);
}

/* ---- JSON ---- */

static json_t *real_or_null(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *settings_object(const bfn__cell *cell, bool with_seed)
{
    json_t *object = json_object();
    for (size_t i = 0; i < N_SETTINGS; i++) {
        const char *key = setting_columns[i], *value = bfn_record_get(cell->settings, key);
        if (value != NULL && (with_seed || strcmp(key, "seed") != 0))
            json_object_set_new(object, key, json_string(value));
    }
    return object;
}

static void add_values(const bfn__sweep *s, json_t *object, const bfn__value *values)
{
    char name[96];
    for (size_t i = 0; i < s->n_values; i++) {
        json_object_set_new(object, s->values[i].name, real_or_null(values[i].value));
        snprintf(name, sizeof name, "%s_se", s->values[i].name);
        if (isfinite(values[i].error))
            json_object_set_new(object, name, json_real(values[i].error));
    }
}

static json_t *cell_object(const bfn__sweep *s, const bfn__cell *cell)
{
    json_t *object = json_object();
    json_object_set_new(object, "key", json_string(cell->key));
    json_object_set_new(object, "settings", settings_object(cell, true));
    add_values(s, object, cell->values);
    json_object_set_new(object, "seconds", json_real(cell->seconds));
    return object;
}

static json_t *point_object(const bfn__sweep *s, const bfn__point *point)
{
    json_t *object = json_object();
    json_object_set_new(object, "settings", settings_object(point->cell, false));
    json_object_set_new(object, "seeds", json_integer((json_int_t)point->n_seeds));
    add_values(s, object, point->values);
    json_object_set_new(object, "seconds", json_real(point->seconds));
    return object;
}

/* ---- JSON: as good as the original sampler ---- */

/* What is one line of a plot: without the number of evaluations and the seed. */
static json_t *sampler_object(const bfn__series *series)
{
    json_t *object = settings_object(series->points[0]->cell, false);
    json_object_del(object, "evaluations");
    json_object_del(object, "steps");
    return object;
}

static json_t *level_object(const bfn_sweep_level *level)
{
    json_t *object = json_object();
    json_object_set_new(object, "evaluations", json_integer((json_int_t)level->evaluations));
    json_object_set_new(object, "score", real_or_null(level->score));
    json_object_set_new(object, "score_se", real_or_null(level->error));
    return object;
}

static json_t *equal_object(const bfn_sweep_level *level, const bfn_sweep_equal *equal)
{
    json_t *object = json_object();
    bool found = equal->evaluations > 0;
    json_object_set_new(object, "original_evaluations", json_integer((json_int_t)level->evaluations));
    json_object_set_new(object, "evaluations", found ? json_integer((json_int_t)equal->evaluations) : json_null());
    json_object_set_new(object, "saved", real_or_null(equal->saved));
    json_object_set_new(object, "fewest_that_were_run", found ? json_boolean(equal->fewest) : json_null());
    json_object_set_new(object, "score", real_or_null(equal->score));
    json_object_set_new(object, "score_se", real_or_null(equal->error));
    return object;
}

static json_t *table_object(const bfn__equals *e)
{
    const bfn_sweep_table *t = &e->table;
    json_t *object = json_object(), *levels = json_array(), *samplers = json_array();
    for (size_t i = 0; i < t->n_levels; i++)
        json_array_append_new(levels, level_object(&t->levels[i]));
    for (size_t k = 0; k < t->n_samplers; k++) {
        json_t *row = json_object(), *equals = json_array();
        for (size_t i = 0; i < t->n_levels; i++)
            json_array_append_new(equals, equal_object(&t->levels[i], &t->cells[k * t->n_levels + i]));
        json_object_set_new(row, "sampler", json_string(t->samplers[k]));
        json_object_set_new(row, "settings", sampler_object(e->rows[k]));
        json_object_set_new(row, "equals", equals);
        json_array_append_new(samplers, row);
    }
    json_object_set_new(object, "metric", json_string(t->name));
    json_object_set_new(object, "better", json_string(t->better > 0 ? "higher" : "lower"));
    json_object_set_new(object, "levels", levels);
    json_object_set_new(object, "samplers", samplers);
    return object;
}

static json_t *comparison_object(const bfn__results *r)
{
    json_t *object = json_object(), *tables = json_array();
    const bfn__series *reference = bfn__series_reference(r->series, r->n_series);
    for (size_t v = 0; v < r->sweep->n_values; v++)
        if (r->equals[v].table.n_levels > 0)
            json_array_append_new(tables, table_object(&r->equals[v]));
    json_object_set_new(object, "rule",
                        json_string("fewest evaluations that were run whose score is not worse than "
                                    "the original sampler's by more than one standard error of the "
                                    "difference; null: none"));
    json_object_set_new(object, "original", reference != NULL ? json_string(reference->label) : json_null());
    if (reference != NULL) {
        json_object_set_new(object, "as_published", json_boolean(reference->original));
        json_object_set_new(object, "settings", sampler_object(reference));
    }
    json_object_set_new(object, "tables", tables);
    return object;
}

static char *json_text(const bfn__results *r)
{
    const bfn__sweep *s = r->sweep;
    json_t *object = json_object(), *header = json_object(), *cells = json_array(), *means = json_array();
    for (size_t i = 0; i < bfn_record_n(s->header); i++)
        json_object_set_new(header, bfn_record_key(s->header, i), json_string(bfn_record_value(s->header, i)));
    for (size_t i = 0; i < s->n_cells; i++)
        if (s->cells[i].done)
            json_array_append_new(cells, cell_object(s, &s->cells[i]));
    for (size_t i = 0; i < r->n_points; i++)
        json_array_append_new(means, point_object(s, &r->points[i]));
    json_object_set_new(object, "made_with", header);
    if (s->options->command != NULL)
        json_object_set_new(object, "command", json_string(s->options->command));
    json_object_set_new(object, "cells_wanted", json_integer((json_int_t)s->n_cells));
    json_object_set_new(object, "as_good_as_original", comparison_object(r));
    json_object_set_new(object, "means", means);
    json_object_set_new(object, "cells", cells);
    char *text = json_dumps(object, JSON_INDENT(1) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(17));
    json_decref(object);
    return text;
}

static bfn_status write_json(const bfn__results *r)
{
    bfn__writer *w;
    char *text = json_text(r);
    if (text == NULL)
        return bfn__fail(r->sweep->ctx, BFN_ERR_MEMORY, "out of memory: results.json");
    bfn_status status = open_file(r->sweep, "results.json", &w);
    if (status == BFN_OK) {
        status = bfn__writer_write(w, text, strlen(text));
        if (status == BFN_OK)
            status = bfn__writer_write(w, "\n", 1);
        status = close_file(w, status);
    }
    free(text);
    return status;
}

/* ---- all of it ---- */

static bfn_status gather(bfn__results *r)
{
    const bfn__sweep *s = r->sweep;
    bfn_status status = bfn__points_make(s, &r->points, &r->n_points);
    if (status == BFN_OK)
        status = bfn__series_make(s, r->points, r->n_points, &r->series, &r->n_series);
    for (size_t v = 0; v < s->n_values && status == BFN_OK; v++)
        status = bfn__equals_make(s, r->series, r->n_series, v, &r->equals[v]);
    return status;
}

static void tell(const bfn__results *r)
{
    const bfn_sweep_options *o = r->sweep->options;
    for (size_t v = 0; o->compared != NULL && v < r->sweep->n_values; v++)
        if (r->equals[v].table.n_levels > 0)
            o->compared(o->user, &r->equals[v].table);
}

bfn_status bfn__results_write(const bfn__sweep *s)
{
    bfn__results r = {.sweep = s};
    bfn_status status = gather(&r);
    if (status == BFN_OK)
        status = write_csv(s, false);
    if (status == BFN_OK)
        status = write_csv(s, true);
    if (status == BFN_OK)
        status = write_json(&r);
    if (status == BFN_OK)
        status = bfn__report_write(&r);
    if (status == BFN_OK)
        tell(&r);
    for (size_t v = 0; v < s->n_values; v++)
        bfn__equals_free(s->ctx, &r.equals[v]);
    bfn__series_free(s->ctx, r.series, r.n_series);
    bfn__free(s->ctx, r.points);
    return status;
}
