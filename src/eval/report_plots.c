/* report_plots.c: the plots of a sweep's page: a line a sampler over evaluations, on a logarithmic axis, with 95 % bands.
 *
 * Up to eight lines share a plot, and the plots stand side by side. More are split among plots with one y axis: one a method, or a method and grid.
 * Each plot is drawn twice, for wide and for narrow screens, because the words in a picture that is scaled down could not be read.
 * Lines have their names at their ends; where these would take too much of the width a legend stands above. Dotted lines are what
 * real data scores, and the original sampler at its most evaluations.
 */
#include "eval/report.h"

#include "io/plot.h"
#include "io/yaml.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LINES = BFN__PLOT_MAX_CURVES,
    MAX_TICKS = 24,
    LEVELS = BFN__PLOT_MAX_LEVELS,
    WIDE = 560,
    WIDE_HEIGHT = 390,
    FACET = 480,
    FACET_HEIGHT = 320,
    NARROW = 380,
    NARROW_HEIGHT = 320
};
static const double many_times = 8.0;  /* scores that span more are drawn on a logarithmic axis */
static const double confidence = 1.96; /* standard errors to either side: 95 % */

/* The lines of one plot. */
typedef struct facet {
    const bfn__series *lines[LINES];
    size_t n;
} facet;

typedef struct line_data {
    double *x, *y, *low, *high; /* one block */
} line_data;

/* A line's name in its plot. */
static const char *name_of(const bfn__series *s, bool alone)
{
    return alone ? s->label : s->name[0] != '\0' ? s->name : s->method;
}

/* "ode2m, η = 0.01" and "sde2m, η = 0.01" in two plots have one colour, where there are colours enough. */
static size_t colour_of(const bfn__report *r, const facet *f, size_t i)
{
    size_t n = 0;
    if (r->n > LINES && r->n_colours <= LINES)
        return f->lines[i]->colour;
    for (size_t k = 0; k < i; k++)
        n += !f->lines[k]->original;
    return n;
}

static const char *style_of(const bfn__report *r, const facet *f, size_t i)
{
    static const char *const styles[LINES] = {"k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7"};
    return f->lines[i]->original ? "ko" : styles[colour_of(r, f, i)];
}

/* The original sampler has a circle; colours k0, k1 ... square, triangle, diamond, circle and so on. */
static int mark_of(const bfn__report *r, const facet *f, size_t i)
{
    return f->lines[i]->original ? 1 : 1 + (int)(colour_of(r, f, i) + 1) % 4;
}

/* Number v at point i of a line, as it is plotted, with the edges of its band. */
static bfn__value value_at(const bfn__report *r, const bfn__series *s, size_t i, size_t v)
{
    if (v == BFN__REPORT_SECONDS)
        return (bfn__value){s->points[i]->seconds, (double)NAN};
    double scale = bfn__value_scale(&r->sweep->values[v]);
    return (bfn__value){scale * s->points[i]->values[v].value, scale * s->points[i]->values[v].error};
}

static bfn_status fill_line(bfn__report *r, const bfn__series *s, size_t v, line_data *d)
{
    d->x = bfn__calloc(r->sweep->ctx, 4 * s->n, sizeof *d->x);
    if (d->x == NULL)
        return BFN_ERR_MEMORY;
    d->y = d->x + s->n;
    d->low = d->y + s->n;
    d->high = d->low + s->n;
    for (size_t i = 0; i < s->n; i++) {
        bfn__value value = value_at(r, s, i, v);
        d->x[i] = (double)s->points[i]->cell->evaluations;
        d->y[i] = value.value;
        d->low[i] = value.value - confidence * value.error;
        d->high[i] = value.value + confidence * value.error;
    }
    return BFN_OK;
}

/* ---- levels: dotted lines across ---- */

typedef struct level {
    double value;      /* as it is plotted */
    double error;      /* of the number as it is stored; NaN: not known */
    const char *label; /* on the plot */
    const char *style;
    char words[160]; /* in the legend */
} level;

static double scale_of(const bfn__report *r, size_t v)
{
    return v == BFN__REPORT_SECONDS ? 1.0 : bfn__value_scale(&r->sweep->values[v]);
}

/* What real data scores, where the metric knows: as the header has it, "<name>_of_real_text" or "<name>_of_test_images". */
static size_t add_real(const bfn__report *r, size_t v, level *levels)
{
    static const struct {
        const char *end, *label, *words;
    } kinds[] = {{"_of_real_text", "real text", "as much real text"},
                 {"_of_test_images", "test images", "as many test images"}};
    char key[96];
    for (size_t i = 0; v < BFN__REPORT_SECONDS && i < sizeof kinds / sizeof kinds[0]; i++) {
        level real = {.error = (double)NAN, .label = kinds[i].label, .style = "vr"};
        snprintf(key, sizeof key, "%s%s", r->sweep->values[v].name, kinds[i].end);
        const char *text = bfn_record_get(r->sweep->header, key);
        if (text == NULL || !bfn__parse_number(text, &real.value))
            continue;
        real.value *= scale_of(r, v);
        snprintf(real.words, sizeof real.words, "%s", kinds[i].words);
        *levels = real;
        return 1;
    }
    return 0;
}

/* The original sampler at its most evaluations. */
static size_t add_original(const bfn__report *r, size_t v, level *levels)
{
    const bfn__series *s = bfn__series_reference(r->series, r->n);
    if (v == BFN__REPORT_SECONDS || s == NULL || r->sweep->values[v].better == 0)
        return 0;
    const bfn__point *last = s->points[s->n - 1];
    level original = {
        .value = scale_of(r, v) * last->values[v].value, .error = last->values[v].error, .label = "bfn", .style = "vo"};
    if (!isfinite(original.value))
        return 0;
    snprintf(original.words, sizeof original.words, "%sbfn at %zu evaluations", s->original ? "original sampler, " : "",
             last->cell->evaluations);
    *levels = original;
    return 1;
}

static size_t find_levels(const bfn__report *r, size_t v, level levels[LEVELS])
{
    size_t n = add_real(r, v, levels);
    return n + add_original(r, v, levels + n);
}

/* ---- axes ---- */

/* A distance that falls by a large factor: its differences at the low end are what matters. */
bool bfn__report_is_log(const bfn__report *r, size_t v)
{
    double low = INFINITY, high = 0.0;
    if (v == BFN__REPORT_SECONDS)
        return true;
    if (r->sweep->values[v].better >= 0)
        return false;
    for (size_t k = 0; k < r->n; k++)
        for (size_t i = 0; i < r->series[k].n; i++) {
            bfn__value value = value_at(r, &r->series[k], i, v);
            double reach = isfinite(value.error) ? confidence * value.error : 0.0;
            if (value.value - reach <= 0.0)
                return false;
            low = fmin(low, value.value);
            high = fmax(high, value.value);
        }
    return high > many_times * low;
}

/* Plots side by side have one y axis. */
static void share_axis(const bfn__report *r, size_t v, bfn__plot *plot)
{
    double low = INFINITY, high = -INFINITY;
    for (size_t k = 0; k < r->n; k++)
        for (size_t i = 0; i < r->series[k].n; i++) {
            bfn__value value = value_at(r, &r->series[k], i, v);
            double reach = isfinite(value.error) ? confidence * value.error : 0.0;
            low = fmin(low, value.value - reach);
            high = fmax(high, value.value + reach);
        }
    plot->y_low = low;
    plot->y_high = high;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The evaluations that occur, each once; too many: none, and the plot finds round numbers. */
static size_t find_ticks(const facet *f, double ticks[MAX_TICKS])
{
    size_t n = 0;
    for (size_t k = 0; k < f->n; k++)
        for (size_t i = 0; i < f->lines[k]->n; i++) {
            double x = (double)f->lines[k]->points[i]->cell->evaluations;
            bool known = false;
            for (size_t j = 0; j < n && !known; j++)
                known = ticks[j] == x;
            if (!known && n == MAX_TICKS)
                return 0;
            if (!known)
                ticks[n++] = x;
        }
    qsort(ticks, n, sizeof *ticks, by_size);
    return n;
}

static void label_axis(const bfn__report *r, size_t v, char label[160])
{
    if (v == BFN__REPORT_SECONDS) {
        snprintf(label, 160, "seconds for %zu samples", r->sweep->n);
        return;
    }
    const bfn__value_kind *kind = &r->sweep->values[v];
    snprintf(label, 160, "%s%s%s", kind->title, kind->unit[0] != '\0' ? ", " : "", kind->unit);
}

/* ---- drawing ---- */

static bfn_status add_svg(bfn__report *r, const bfn__plot *plot)
{
    char *svg;
    size_t n;
    bfn_status status = bfn__plot_svg(r->sweep->ctx, plot, &svg, &n);
    if (status == BFN_OK)
        bfn__markup_bytes(&r->out, svg, n);
    bfn__free(r->sweep->ctx, svg);
    return status;
}

static void add_legend(bfn__report *r, const facet *f, bool alone)
{
    static const char *const shapes[] = {"m-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z", "m-3.6 -3.6h7.2v7.2h-7.2z",
                                         "m0 -4.9l4.7 8.2h-9.4z", "m0 -5.2l5.2 5.2l-5.2 5.2l-5.2 -5.2z"};
    bfn__markup_text(&r->out, "<ul class=\"legend\">\n");
    for (size_t i = 0; i < f->n; i++) {
        const char *style = style_of(r, f, i);
        bfn__markup_add(&r->out,
                        "<li><svg viewBox=\"0 0 34 14\" aria-hidden=\"true\"><path class=\"c %s\" d=\"M1 7H33\"/>"
                        "<path class=\"m %s\" d=\"M17 7%s\"/></svg>",
                        style, style, shapes[mark_of(r, f, i) - 1]);
        bfn__markup_escaped(&r->out, name_of(f->lines[i], alone));
        bfn__markup_text(&r->out, f->lines[i]->original ? " (original sampler)</li>\n" : "</li>\n");
    }
    bfn__markup_text(&r->out, "</ul>\n");
}

/* A plot for one width of screen, with a legend where its lines have no names. */
static bfn_status add_sized(bfn__report *r, const facet *f, bool alone, bfn__plot *plot, const char *screen,
                            size_t width, size_t height)
{
    plot->width = width;
    plot->height = height;
    bfn__markup_add(&r->out, "<div class=\"%s\">\n", screen);
    if (!bfn__plot_labels_fit(plot))
        add_legend(r, f, alone);
    bfn_status status = add_svg(r, plot);
    bfn__markup_text(&r->out, "</div>\n");
    return status;
}

/* The original sampler's own line says what its level is. */
static bool has_reference(const bfn__report *r, const facet *f)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->lines[i] == bfn__series_reference(r->series, r->n))
            return true;
    return false;
}

static bfn_status draw_facet(bfn__report *r, const facet *f, size_t v, bool alone)
{
    bfn__curve curves[LINES] = {{0}};
    line_data data[LINES] = {{0}};
    level known[LEVELS];
    bfn__plot_level levels[LEVELS];
    double ticks[MAX_TICKS];
    char label[160], title[200];
    bfn_status status = BFN_OK;
    for (size_t i = 0; i < f->n && status == BFN_OK; i++) {
        status = fill_line(r, f->lines[i], v, &data[i]);
        curves[i] = (bfn__curve){.name = f->lines[i]->label,
                                 .label = name_of(f->lines[i], alone),
                                 .n = f->lines[i]->n,
                                 .x = data[i].x,
                                 .y = data[i].y,
                                 .low = data[i].low,
                                 .high = data[i].high,
                                 .mark = mark_of(r, f, i),
                                 .style = style_of(r, f, i)};
    }
    label_axis(r, v, label);
    snprintf(title, sizeof title, "%s against network evaluations", label);
    bfn__plot plot = {.title = title,
                      .x_label = "network evaluations a sample",
                      .y_label = label,
                      .log_x = true,
                      .log_y = bfn__report_is_log(r, v),
                      .n_x_ticks = find_ticks(f, ticks),
                      .n_levels = find_levels(r, v, known),
                      .levels = levels,
                      .page = true,
                      .n_curves = f->n,
                      .curves = curves};
    plot.x_ticks = plot.n_x_ticks > 0 ? ticks : NULL;
    for (size_t i = 0; i < plot.n_levels; i++) {
        bool said = strcmp(known[i].style, "vo") == 0 && has_reference(r, f);
        levels[i] = (bfn__plot_level){known[i].value, known[i].style, said ? NULL : known[i].label};
    }
    if (!alone)
        share_axis(r, v, &plot);
    if (status == BFN_OK)
        status = add_sized(r, f, alone, &plot, "wide", alone ? WIDE : FACET, alone ? WIDE_HEIGHT : FACET_HEIGHT);
    if (status == BFN_OK)
        status = add_sized(r, f, alone, &plot, "narrow", NARROW, NARROW_HEIGHT);
    for (size_t i = 0; i < f->n; i++)
        bfn__free(r->sweep->ctx, data[i].x);
    return status;
}

/* Lines of the group of line k, wherever they stand, from the `*at`-th on; its number afterwards is behind the last of the plot. Empty: there is none
 * left, or the group began before k. */
static facet next_facet(const bfn__report *r, size_t k, size_t *at)
{
    facet f = {.n = 0};
    size_t place = 0;
    for (size_t i = 0; i < r->n && f.n < LINES; i++) {
        if (strcmp(r->series[i].group, r->series[k].group) != 0)
            continue;
        if (i < k)
            return f;
        if (place++ >= *at)
            f.lines[f.n++] = &r->series[i];
    }
    *at += f.n;
    return f;
}

static bfn_status add_group(bfn__report *r, size_t v, size_t k)
{
    bfn_status status = BFN_OK;
    size_t at = 0;
    for (facet f = next_facet(r, k, &at); f.n > 0 && status == BFN_OK; f = next_facet(r, k, &at)) {
        bfn__markup_text(&r->out, "<figure>\n<h3>");
        bfn__markup_escaped(&r->out, f.lines[0]->group);
        bfn__markup_text(&r->out, "</h3>\n");
        status = draw_facet(r, &f, v, false);
        bfn__markup_text(&r->out, "</figure>\n");
    }
    return status;
}

/* ---- headings ---- */

static void add_levels(bfn__report *r, size_t v)
{
    level levels[LEVELS];
    size_t n = find_levels(r, v, levels);
    if (n > 0)
        bfn__markup_text(&r->out, "<ul class=\"legend\">\n");
    for (size_t i = 0; i < n; i++) {
        const bfn__value_kind *kind = &r->sweep->values[v];
        bfn__markup_add(&r->out,
                        "<li><svg viewBox=\"0 0 34 14\" aria-hidden=\"true\"><path class=\"v %s\" d=\"M1 7H33\"/></svg>"
                        "%s: ",
                        levels[i].style, levels[i].words);
        bfn__markup_fixed(&r->out, levels[i].value,
                          bfn__report_digits(kind, levels[i].value / scale_of(r, v), levels[i].error));
        bfn__markup_add(&r->out, "%s%s</li>\n", kind->unit[0] != '\0' ? "\u00a0" : "", kind->unit);
    }
    if (n > 0)
        bfn__markup_text(&r->out, "</ul>\n");
}

static void add_heading(bfn__report *r, size_t v)
{
    if (v == BFN__REPORT_SECONDS) {
        const char *threads = bfn_record_get(r->sweep->header, "threads");
        bfn__markup_add(
            &r->out,
            "<h2>Time</h2>\n<p class=\"note\">Seconds of sampling, without scoring. %s thread%s, %s samples a "
            "network call. Both axes are logarithmic.</p>\n",
            threads, strcmp(threads, "1") == 0 ? "" : "s", bfn_record_get(r->sweep->header, "batch"));
        return;
    }
    const bfn__value_kind *kind = &r->sweep->values[v];
    bfn__markup_text(&r->out, "<h2>");
    bfn__report_sentence(r, kind->title);
    bfn__markup_text(&r->out, "</h2>\n<p class=\"note\">");
    bfn__markup_text(&r->out, kind->better > 0 ? "Higher is better. " : kind->better < 0 ? "Lower is better. " : "");
    bfn__markup_add(&r->out, "Shaded: 95 %% confidence. %s</p>\n",
                    bfn__report_is_log(r, v) ? "Both axes are logarithmic."
                                             : "The axis of evaluations is logarithmic.");
    add_levels(r, v);
}

static bfn_status add_facets(bfn__report *r, size_t v)
{
    bfn_status status = BFN_OK;
    bfn__markup_text(&r->out, "<section>\n");
    add_heading(r, v);
    bfn__markup_text(&r->out, "<div class=\"plots\">\n");
    for (size_t k = 0; k < r->n && status == BFN_OK; k++)
        status = add_group(r, v, k);
    bfn__markup_text(&r->out, "</div>\n</section>\n");
    return status;
}

bfn_status bfn__report_plots(bfn__report *r)
{
    size_t values[BFN__MAX_VALUES + 1], n = 0;
    bfn_status status = BFN_OK;
    for (size_t k = 0; k < r->n; k++)
        r->n_colours = r->series[k].colour >= r->n_colours ? r->series[k].colour + 1 : r->n_colours;
    for (size_t v = 0; v < r->sweep->n_values; v++)
        if (r->sweep->values[v].plotted)
            values[n++] = v;
    values[n++] = BFN__REPORT_SECONDS;
    for (size_t i = 0; r->n > LINES && i < n && status == BFN_OK; i++)
        status = add_facets(r, values[i]);
    if (r->n > LINES || status != BFN_OK)
        return status;
    facet f = {.n = r->n};
    for (size_t k = 0; k < r->n; k++)
        f.lines[k] = &r->series[k];
    bfn__markup_text(&r->out, "<section class=\"plots\">\n");
    for (size_t i = 0; i < n && status == BFN_OK; i++) {
        bfn__markup_text(&r->out, "<figure>\n");
        add_heading(r, values[i]);
        status = draw_facet(r, &f, values[i], true);
        bfn__markup_text(&r->out, "</figure>\n");
    }
    bfn__markup_text(&r->out, "</section>\n");
    return status;
}
