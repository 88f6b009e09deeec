/* report_tables.c: the tables of a sweep's page. Cells are tinted by how good they are among all of the table. */
#include "eval/report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_COLUMNS = 64 };

int bfn__report_digits(const bfn__value_kind *kind, double value, double error)
{
    double scale = bfn__value_scale(kind), size = fabs(value * scale), wanted = 1.0 - floor(log10(error * scale));
    if (kind->unit[0] == '%')
        return 1;
    if (isfinite(wanted)) /* two figures of the error */
        return (int)fmax(0.0, fmin(4.0, wanted));
    return value == floor(value) && size < 1e9 ? 0 : size >= 100.0 ? 1 : size >= 1.0 ? 2 : 4;
}

/* ---- which columns ---- */

static int by_size(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

/* The evaluations that occur, rising. */
static size_t find_columns(const bfn__report *r, size_t columns[MAX_COLUMNS])
{
    size_t n = 0;
    for (size_t k = 0; k < r->n; k++)
        for (size_t i = 0; i < r->series[k].n && n < MAX_COLUMNS; i++) {
            size_t at = r->series[k].points[i]->cell->evaluations, j = 0;
            while (j < n && columns[j] != at)
                j++;
            columns[j] = at;
            n += j == n;
        }
    qsort(columns, n, sizeof *columns, by_size);
    return n;
}

static const bfn__point *point_at(const bfn__series *s, size_t evaluations)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->points[i]->cell->evaluations == evaluations)
            return s->points[i];
    return NULL;
}

/* ---- samplers x evaluations ---- */

typedef struct value_range {
    double low, high;
    bool log;
} value_range;

static value_range find_range(const bfn__report *r, size_t v)
{
    value_range range = {INFINITY, -INFINITY, bfn__report_is_log(r, v)};
    for (size_t k = 0; k < r->n; k++)
        for (size_t i = 0; i < r->series[k].n; i++) {
            range.low = fmin(range.low, r->series[k].points[i]->values[v].value);
            range.high = fmax(range.high, r->series[k].points[i]->values[v].value);
        }
    return range;
}

/* Where in the range: 0 to 1. */
static double part_of(value_range range, double value)
{
    return range.log ? log(value / range.low) / log(range.high / range.low)
                     : (value - range.low) / (range.high - range.low);
}

static bool is_best(const bfn__report *r, size_t v, const bfn__point *p)
{
    int better = r->sweep->values[v].better;
    for (size_t k = 0; k < r->n; k++) {
        const bfn__point *other = point_at(&r->series[k], p->cell->evaluations);
        if (other != NULL && better * (other->values[v].value - p->values[v].value) > 0.0)
            return false;
    }
    return better != 0 && r->n > 1;
}

static void add_value(bfn__report *r, size_t v, const bfn__point *p, value_range range)
{
    const bfn__value_kind *kind = &r->sweep->values[v];
    bfn__value value = p->values[v];
    double scale = bfn__value_scale(kind), part = part_of(range, value.value);
    int digits = bfn__report_digits(kind, value.value, value.error);
    bool best = is_best(r, v, p);
    bfn__markup_text(&r->out, "<td");
    if (kind->better != 0 && isfinite(part)) {
        bfn__markup_text(&r->out, " style=\"background:rgb(var(--heat)/");
        bfn__markup_fixed(&r->out, 0.32 * (kind->better > 0 ? part : 1.0 - part), 3);
        bfn__markup_text(&r->out, ")\"");
    }
    bfn__markup_text(&r->out, best ? "><b>" : ">");
    bfn__markup_fixed(&r->out, scale * value.value, digits);
    bfn__markup_text(&r->out, best ? "</b>" : "");
    if (isfinite(value.error)) {
        bfn__markup_text(&r->out, "<small>±");
        bfn__markup_fixed(&r->out, scale * value.error, digits);
        bfn__markup_text(&r->out, "</small>");
    }
    bfn__markup_text(&r->out, "</td>");
}

static void add_head(bfn__report *r, const size_t *columns, size_t n)
{
    bfn__markup_text(&r->out, "<div class=\"scroll\"><table>\n<thead><tr><th>sampler</th>");
    for (size_t c = 0; c < n; c++)
        bfn__markup_add(&r->out, "<th>%zu</th>", columns[c]);
    bfn__markup_text(&r->out, "</tr></thead>\n<tbody>\n");
}

static void add_row_head(bfn__report *r, const bfn__series *s)
{
    bfn__markup_text(&r->out, "<tr><th>");
    bfn__markup_escaped(&r->out, s->label);
    bfn__markup_text(&r->out, "</th>");
}

void bfn__report_numbers(bfn__report *r, size_t v)
{
    size_t columns[MAX_COLUMNS], n = find_columns(r, columns);
    const bfn__value_kind *kind = &r->sweep->values[v];
    value_range range = find_range(r, v);
    bfn__markup_text(&r->out, "<section>\n<h2>");
    bfn__report_sentence(r, kind->title);
    bfn__markup_add(&r->out,
                    "%s%s</h2>\n<p class=\"note\">At each number of evaluations, ± one standard error. The best of a "
                    "column is bold.</p>\n",
                    kind->unit[0] != '\0' ? ", " : "", kind->unit);
    add_head(r, columns, n);
    for (size_t k = 0; k < r->n; k++) {
        add_row_head(r, &r->series[k]);
        for (size_t c = 0; c < n; c++) {
            const bfn__point *p = point_at(&r->series[k], columns[c]);
            if (p != NULL)
                add_value(r, v, p, range);
            else
                bfn__markup_text(&r->out, "<td class=\"none\">–</td>");
        }
        bfn__markup_text(&r->out, "</tr>\n");
    }
    bfn__markup_text(&r->out, "</tbody></table></div>\n</section>\n");
}

/* ---- as good as the original sampler ---- */

static void add_equal(bfn__report *r, const bfn_sweep_equal *equal)
{
    if (equal->evaluations == 0) {
        bfn__markup_text(&r->out, "<td class=\"none\">not reached</td>");
        return;
    }
    bfn__markup_add(&r->out, equal->fewest ? "<td>≤ <b>%zu</b><small>≥ ×" : "<td><b>%zu</b><small>×",
                    equal->evaluations);
    bfn__markup_fixed(&r->out, equal->saved, 1);
    bfn__markup_text(&r->out, "</small></td>");
}

static void add_level(bfn__report *r, size_t v, const bfn_sweep_level *level)
{
    const bfn__value_kind *kind = &r->sweep->values[v];
    int digits = bfn__report_digits(kind, level->score, level->error);
    bfn__markup_add(&r->out, "<th>bfn at %zu<br/><small>", level->evaluations);
    bfn__markup_fixed(&r->out, bfn__value_scale(kind) * level->score, digits);
    if (isfinite(level->error)) {
        bfn__markup_text(&r->out, " ±");
        bfn__markup_fixed(&r->out, bfn__value_scale(kind) * level->error, digits);
    }
    bfn__markup_text(&r->out, "</small></th>");
}

void bfn__report_equals(bfn__report *r, size_t v)
{
    const bfn_sweep_table *t = &r->equals[v].table;
    if (t->n_levels == 0)
        return;
    bfn__markup_text(&r->out, "<section>\n<h2>As good as the original sampler</h2>\n<p class=\"note\">By ");
    bfn__markup_escaped(&r->out, t->title);
    bfn__markup_text(
        &r->out, ": the fewest evaluations that were run whose score is not worse than that of <i>bfn</i> at so many "
                 "evaluations by more than one standard error of the difference, and how many times fewer that is.");
    if (!t->published) {
        bfn__markup_text(&r->out, " Here <i>bfn</i> is ");
        bfn__markup_escaped(&r->out, t->reference);
        bfn__markup_text(&r->out, ", not as it was published.");
    }
    bfn__markup_text(&r->out, "</p>\n<div class=\"scroll\"><table>\n<thead><tr><th>sampler</th>");
    for (size_t i = 0; i < t->n_levels; i++)
        add_level(r, v, &t->levels[i]);
    bfn__markup_text(&r->out, "</tr></thead>\n<tbody>\n");
    for (size_t k = 0; k < t->n_samplers; k++) {
        add_row_head(r, r->equals[v].rows[k]);
        for (size_t i = 0; i < t->n_levels; i++)
            add_equal(r, &t->cells[k * t->n_levels + i]);
        bfn__markup_text(&r->out, "</tr>\n");
    }
    bfn__markup_text(&r->out, "</tbody></table></div>\n</section>\n");
}

/* ---- every number ---- */

static void add_all_of(bfn__report *r, const bfn__series *s, const bfn__point *p)
{
    add_row_head(r, s);
    bfn__markup_add(&r->out, "<td>%zu</td><td>%zu</td>", p->cell->evaluations, p->n_seeds);
    for (size_t v = 0; v < r->sweep->n_values; v++)
        add_value(r, v, p, (value_range){(double)NAN, (double)NAN, false});
    bfn__markup_text(&r->out, "<td>");
    bfn__markup_fixed(&r->out, p->seconds, p->seconds < 10.0 ? 3 : 1);
    bfn__markup_text(&r->out, "</td></tr>\n");
}

void bfn__report_all_numbers(bfn__report *r)
{
    bfn__markup_text(&r->out,
                     "<section>\n<details><summary><b>All numbers</b> <span class=\"note\">mean over seeds, ± one "
                     "standard error</span></summary>\n<div class=\"scroll\"><table>\n<thead><tr><th>sampler</th>"
                     "<th>evaluations</th><th>seeds</th>");
    for (size_t v = 0; v < r->sweep->n_values; v++) {
        bfn__markup_text(&r->out, "<th>");
        bfn__markup_escaped(&r->out, r->sweep->values[v].title);
        bfn__markup_add(&r->out, "%s%s</th>", r->sweep->values[v].unit[0] != '\0' ? ", " : "",
                        r->sweep->values[v].unit);
    }
    bfn__markup_text(&r->out, "<th>seconds</th></tr></thead>\n<tbody>\n");
    for (size_t k = 0; k < r->n; k++)
        for (size_t i = 0; i < r->series[k].n; i++)
            add_all_of(r, &r->series[k], r->series[k].points[i]);
    bfn__markup_text(&r->out, "</tbody></table></div>\n</details>\n</section>\n");
}

/* ---- settings ---- */

static void add_pair(bfn__report *r, const char *key, const char *value)
{
    bfn__markup_text(&r->out, "<dt>");
    bfn__markup_escaped(&r->out, key);
    bfn__markup_text(&r->out, "</dt><dd>");
    bfn__markup_escaped(&r->out, value);
    bfn__markup_text(&r->out, "</dd>\n");
}

static void add_samplers(bfn__report *r)
{
    static const char *const keys[] = {"grid", "eta", "start", "last", "prediction", "noise", "clip"};
    enum { N_KEYS = sizeof keys / sizeof keys[0] };
    bfn__markup_text(&r->out, "<div class=\"scroll\"><table>\n<thead><tr><th>sampler</th>");
    for (size_t i = 0; i < N_KEYS; i++)
        bfn__markup_add(&r->out, "<th class=\"words\">%s</th>", keys[i]);
    bfn__markup_text(&r->out, "<th class=\"words\">method</th></tr></thead>\n<tbody>\n");
    for (size_t k = 0; k < r->n; k++) {
        const bfn__cell *cell = r->series[k].points[0]->cell;
        add_row_head(r, &r->series[k]);
        for (size_t i = 0; i < N_KEYS; i++) {
            const char *value = bfn_record_get(cell->settings, keys[i]);
            bfn__markup_text(&r->out, "<td class=\"words\">");
            bfn__markup_escaped(&r->out, value != NULL ? value : "–");
            bfn__markup_text(&r->out, "</td>");
        }
        bfn__markup_text(&r->out, "<td class=\"long\">");
        bfn__markup_escaped(&r->out, bfn_method_text(cell->asked->solver.method));
        bfn__markup_text(&r->out, "</td></tr>\n");
    }
    bfn__markup_text(&r->out, "</tbody></table></div>\n");
}

static void add_seeds(bfn__report *r)
{
    const bfn__sweep *s = r->sweep;
    bfn__markup_text(&r->out, "<dt>seeds</dt><dd>");
    for (size_t i = 0; i < s->n_cells; i++) {
        bool known = !s->cells[i].done;
        for (size_t k = 0; k < i && !known; k++)
            known = s->cells[k].done && s->cells[k].asked->seed == s->cells[i].asked->seed;
        if (!known)
            bfn__markup_add(&r->out, "%s ", bfn_record_get(s->cells[i].settings, "seed"));
    }
    bfn__markup_text(&r->out, "</dd>\n");
}

void bfn__report_settings(bfn__report *r)
{
    const bfn__sweep *s = r->sweep;
    bfn__markup_text(&r->out,
                     "<section>\n<h2>Settings</h2>\n<p class=\"note\">Everything that made these numbers. eta is the "
                     "first time of a sampler's grid.</p>\n");
    add_samplers(r);
    bfn__markup_text(&r->out, "<dl>\n");
    if (s->options->model_path != NULL)
        add_pair(r, "model", s->options->model_path);
    for (size_t i = 0; i < bfn_record_n(s->header); i++)
        add_pair(r, bfn_record_key(s->header, i), bfn_record_value(s->header, i));
    add_seeds(r);
    bfn__markup_text(&r->out, "</dl>\n");
    if (s->options->command != NULL) {
        bfn__markup_text(&r->out, "<p class=\"note\" style=\"margin-top:18px\">Made with</p><pre class=\"mono\">");
        bfn__markup_escaped(&r->out, s->options->command);
        bfn__markup_text(&r->out, "</pre>\n");
    }
    bfn__markup_text(&r->out, "</section>\n");
}
