/* series.c: points of a sweep into lines (series.h). */
#include "eval/series.h"

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
    return same_text(bfn_record_get(a->cell->settings, key), bfn_record_get(b->cell->settings, key));
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

static void name_series(const bfn__point *points, size_t n, bfn__series *s)
{
    const bfn_record *settings = s->points[0]->cell->settings;
    s->method = bfn_record_get(settings, "method");
    size_t used = (size_t)snprintf(s->label, sizeof s->label, "%s%s", s->method,
                                   bfn_record_get(settings, "corrector") != NULL ? " + corrector" : "");
    for (size_t i = 0; i < N_OPTIONS && used < sizeof s->label; i++) {
        const char *value = bfn_record_get(settings, options[i].key);
        if (value != NULL && varies(points, n, s->points[0], options[i].key))
            used += (size_t)snprintf(s->label + used, sizeof s->label - used, ", %s%.60s", options[i].word, value);
    }
    s->original = is_original(settings);
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
