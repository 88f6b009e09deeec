/* equals.c: where the samplers of a sweep equal the original one (equals.h).
 *
 * A sampler equals the level of `bfn` at N evaluations with the fewest evaluations whose score is not worse than the level's by more than one
 * standard error of the difference, sqrt(se^2 + se_level^2). One, not two: the noisier a sweep, the more it would otherwise seem to save. Only numbers of
 * evaluations that were run count; nothing is interpolated. An error that is not known counts as none, so then the score itself must reach
 * the level.
 */
#include "eval/equals.h"

#include <math.h>

/* Levels: of what the original sampler was run with, these; where it has none of them, its most evaluations. */
static bool is_mark(size_t evaluations)
{
    static const size_t marks[] = {20, 50, 100, 200, 500, 1000};
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++)
        if (marks[i] == evaluations)
            return true;
    return false;
}

static void find_levels(bfn__equals *e, size_t v)
{
    const bfn__series *s = e->reference;
    const bfn__point *found[BFN__MAX_LEVELS];
    size_t n = 0;
    for (size_t i = 0; i < s->n && n < BFN__MAX_LEVELS; i++)
        if (is_mark(s->points[i]->cell->evaluations))
            found[n++] = s->points[i];
    if (n == 0 && s->n > 0)
        found[n++] = s->points[s->n - 1];
    for (size_t i = 0; i < n; i++)
        e->levels[i] =
            (bfn_sweep_level){found[i]->cell->evaluations, found[i]->values[v].value, found[i]->values[v].error};
    e->table.levels = e->levels;
    e->table.n_levels = n;
}

static bfn_sweep_equal find_equal(const bfn__series *s, size_t v, int better, const bfn_sweep_level *level)
{
    double level_error = isfinite(level->error) ? level->error : 0.0;
    for (size_t i = 0; i < s->n; i++) {
        const bfn__value *value = &s->points[i]->values[v];
        double error = isfinite(value->error) ? value->error : 0.0, ahead = better * (value->value - level->score);
        if (ahead >= -hypot(error, level_error)) {
            size_t evaluations = s->points[i]->cell->evaluations;
            return (bfn_sweep_equal){evaluations, i == 0, (double)level->evaluations / (double)evaluations,
                                     value->value, value->error};
        }
    }
    return (bfn_sweep_equal){0, 0, (double)NAN, (double)NAN, (double)NAN};
}

static bfn_status fill_rows(bfn_context *ctx, const bfn__series *series, size_t n, size_t v, bfn__equals *e)
{
    bfn_sweep_table *t = &e->table;
    e->rows = bfn__calloc(ctx, n, sizeof *e->rows);
    e->names = bfn__calloc(ctx, n, sizeof *e->names);
    e->cells = bfn__calloc(ctx, n * BFN__MAX_LEVELS, sizeof *e->cells);
    if (e->rows == NULL || e->names == NULL || e->cells == NULL)
        return BFN_ERR_MEMORY;
    for (size_t k = 0; k < n; k++) {
        if (&series[k] == e->reference)
            continue;
        for (size_t i = 0; i < t->n_levels; i++)
            e->cells[t->n_samplers * t->n_levels + i] = find_equal(&series[k], v, t->better, &t->levels[i]);
        e->rows[t->n_samplers] = &series[k];
        e->names[t->n_samplers++] = series[k].label;
    }
    t->samplers = e->names;
    t->cells = e->cells;
    return BFN_OK;
}

bfn_status bfn__equals_make(const bfn__sweep *sweep, const bfn__series *series, size_t n, size_t v, bfn__equals *equals)
{
    const bfn__value_kind *kind = &sweep->values[v];
    *equals = (bfn__equals){.reference = bfn__series_reference(series, n)};
    equals->table = (bfn_sweep_table){
        .name = kind->name, .title = kind->title, .unit = kind->unit, .better = kind->better, .plotted = kind->plotted};
    if (equals->reference == NULL || n < 2 || kind->better == 0)
        return BFN_OK;
    equals->table.reference = equals->reference->label;
    equals->table.published = equals->reference->original;
    find_levels(equals, v);
    return fill_rows(sweep->ctx, series, n, v, equals);
}

void bfn__equals_free(bfn_context *ctx, bfn__equals *equals)
{
    bfn__free(ctx, (void *)equals->rows);
    bfn__free(ctx, (void *)equals->names);
    bfn__free(ctx, equals->cells);
}
