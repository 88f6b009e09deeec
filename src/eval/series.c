/* series.c: points of a sweep into lines (series.h). */
#include "eval/series.h"

#include "io/plot.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What tells the samplers of one method apart, with the words for it. */
static const struct {
    const char *key, *word;
} options[] = {
    {"grid", "grid "},   {"eta", "η = "},  {"start", "start "}, {"last", "last "}, {"prediction", "prediction "},
    {"noise", "noise "}, {"clip", "clip "}};
enum { N_OPTIONS = sizeof options / sizeof options[0] };

static bool same_text(const char *a, const char *b)
{
    return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool same_entry(const bfn__point *a, const bfn__point *b, const char *key)
{
    return bfn__same_setting(a->cell, b->cell, key);
}

static bool same_method(const bfn__point *a, const bfn__point *b)
{
    return same_entry(a, b, "method") && same_entry(a, b, "corrector");
}

/* Grids that are lists of times have a point each and cannot be told apart by their text alone; all else must be equal. */
static bool same_series(const bfn__point *a, const bfn__point *b)
{
    bool same = same_method(a, b);
    for (size_t i = 0; i < N_OPTIONS && same; i++)
        same = same_entry(a, b, options[i].key);
    return same;
}

static bool varies(const bfn__point *points, size_t n, const bfn__point *p, const char *key)
{
    for (size_t i = 0; i < n; i++)
        if (same_method(&points[i], p) && !same_entry(&points[i], p, key))
            return true;
    return false;
}

/* As it was published: Bayesian updates with a draw from t = 0 in equal steps of time, one more evaluation at the end. At t = 0 every initial state
 * is the same, so "start" may be anything. */
static bool is_original(const bfn_record *settings)
{
    static const char *const wanted[][2] = {
        {"method", "bfn"}, {"grid", "time"}, {"eta", "0"}, {"prediction", "draw"}, {"last", "call"}};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++)
        if (!same_text(bfn_record_get(settings, wanted[i][0]), wanted[i][1]))
            return false;
    return true;
}

/* ", grid time" behind the `used` bytes of a text with so much room, for option i where it varies; the bytes then. */
static size_t add_option(const bfn__point *points, size_t n, const bfn__point *p, size_t i, char *text, size_t room,
                         size_t used)
{
    const char *value = bfn_record_get(p->cell->settings, options[i].key);
    if (used >= room || value == NULL || !varies(points, n, p, options[i].key))
        return used;
    return used + (size_t)snprintf(text + used, room - used, "%s%s%.60s", used > 0 ? ", " : "", options[i].word, value);
}

static bool has_corrector(const bfn__series *s)
{
    return bfn_record_get(s->points[0]->cell->settings, "corrector") != NULL;
}

static void name_series(const bfn__point *points, size_t n, bfn__series *s)
{
    const bfn_record *settings = s->points[0]->cell->settings;
    s->method = bfn_record_get(settings, "method");
    size_t used =
        (size_t)snprintf(s->label, sizeof s->label, "%s%s", s->method, has_corrector(s) ? " + corrector" : "");
    for (size_t i = 0; i < N_OPTIONS; i++)
        used = add_option(points, n, s->points[0], i, s->label, sizeof s->label, used);
    s->original = is_original(settings);
}

/* Lines of the method that has most. */
static size_t most_lines(const bfn__series *series, size_t n)
{
    size_t most = 0;
    for (size_t k = 0; k < n; k++) {
        size_t lines = 0;
        for (size_t j = 0; j < n; j++)
            lines += same_text(series[j].method, series[k].method);
        most = lines > most ? lines : most;
    }
    return most;
}

/* A plot a method; where that is too many lines (`split_more`), a plot for each value of the first option that varies (the grid, if it does). */
static void group_series(const bfn__point *points, size_t n, bool split_more, bfn__series *s)
{
    size_t split = N_OPTIONS, used = has_corrector(s) ? strlen("+ corrector") : 0;
    for (size_t i = N_OPTIONS; split_more && i-- > 0;)
        split = varies(points, n, s->points[0], options[i].key) ? i : split;
    size_t begun = (size_t)snprintf(s->group, sizeof s->group, "%s", s->method);
    if (split < N_OPTIONS)
        (void)add_option(points, n, s->points[0], split, s->group, sizeof s->group, begun);
    snprintf(s->name, sizeof s->name, "%s", used > 0 ? "+ corrector" : "");
    for (size_t i = 0; i < N_OPTIONS; i++)
        if (i != split)
            used = add_option(points, n, s->points[0], i, s->name, sizeof s->name, used);
}

/* Lines of one name, in whatever plot, have one number. */
static void number_names(bfn__series *series, size_t n)
{
    size_t n_names = 0;
    for (size_t k = 0; k < n; k++) {
        size_t j = 0;
        while (j < k && (series[j].original || strcmp(series[j].name, series[k].name) != 0))
            j++;
        series[k].colour = series[k].original ? 0 : j < k ? series[j].colour : n_names++;
    }
}

static int by_evaluations(const void *a, const void *b)
{
    const bfn__point *const *p = a, *const *q = b;
    return ((*p)->cell->evaluations > (*q)->cell->evaluations) - ((*p)->cell->evaluations < (*q)->cell->evaluations);
}

static bfn_status fill_series(bfn_context *ctx, const bfn__point *points, size_t n, size_t first, bfn__series *s)
{
    s->points = bfn__calloc(ctx, n - first, sizeof(bfn__point *));
    if (s->points == NULL)
        return BFN_ERR_MEMORY;
    for (size_t i = first; i < n; i++)
        if (same_series(&points[first], &points[i]))
            s->points[s->n++] = &points[i];
    name_series(points, n, s);
    qsort((void *)s->points, s->n, sizeof *s->points, by_evaluations);
    return BFN_OK;
}

bfn_status bfn__series_make(const bfn__sweep *sweep, const bfn__point *points, size_t n_points, bfn__series **series,
                            size_t *n)
{
    *n = 0;
    *series = bfn__calloc(sweep->ctx, n_points, sizeof **series);
    bfn_status status = *series != NULL ? BFN_OK : BFN_ERR_MEMORY;
    for (size_t i = 0; i < n_points && status == BFN_OK; i++) {
        bool known = false;
        for (size_t k = 0; k < i && !known; k++)
            known = same_series(&points[k], &points[i]);
        if (!known)
            status = fill_series(sweep->ctx, points, n_points, i, &(*series)[(*n)++]);
    }
    bool split_more = status == BFN_OK && most_lines(*series, *n) > BFN__PLOT_MAX_CURVES;
    for (size_t k = 0; k < *n && status == BFN_OK; k++)
        group_series(points, n_points, split_more, &(*series)[k]);
    if (status == BFN_OK)
        number_names(*series, *n);
    return status;
}

void bfn__series_free(bfn_context *ctx, bfn__series *series, size_t n)
{
    for (size_t i = 0; series != NULL && i < n; i++)
        bfn__free(ctx, (void *)series[i].points);
    bfn__free(ctx, series);
}

const bfn__series *bfn__series_reference(const bfn__series *series, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (series[i].original)
            return &series[i];
    for (size_t i = 0; i < n; i++)
        if (strcmp(series[i].method, bfn_method_name(BFN_METHOD_BFN)) == 0)
            return &series[i];
    return NULL;
}
