/* report_plots.c: the plots of a sweep's page: a line a sampler over evaluations, on a logarithmic axis, with 95 % bands.
 *
 * Up to eight lines share a plot; more are split into one plot a method (and eight lines a plot), side by side and with one y axis. Each
 * single plot is drawn twice, for wide and for narrow screens, because the words in a picture that is scaled down could not be read.
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
    WIDE = 1010,
    WIDE_HEIGHT = 440,
    NARROW = 380,
    NARROW_HEIGHT = 330
};
static const double confidence = 1.96; /* standard errors to either side: 95 % */

/* The lines of one plot. */
typedef struct facet {
    const bfn__series *lines[LINES];
    size_t n;
} facet;

typedef struct line_data {
    double *x, *y, *low, *high; /* one block */
} line_data;

static const char *style_of(const facet *f, size_t i)
{
    static const char *const styles[LINES] = {"k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7"};
    size_t colour = 0;
    if (f->lines[i]->original)
        return "ko";
    for (size_t k = 0; k < i; k++)
        colour += !f->lines[k]->original;
    return styles[colour];
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

/* What real data scores, where the metric knows: as the header has it, "<name>_of_real_text" or "<name>_of_test_images". */
static const char *find_level(const bfn__report *r, size_t v, double *level)
{
    static const struct {
        const char *end, *words;
    } kinds[] = {{"_of_real_text", "as much real text"}, {"_of_test_images", "as many test images"}};
    char key[96];
    for (size_t i = 0; v < BFN__REPORT_SECONDS && i < sizeof kinds / sizeof kinds[0]; i++) {
        snprintf(key, sizeof key, "%s%s", r->sweep->values[v].name, kinds[i].end);
        const char *text = bfn_record_get(r->sweep->header, key);
        if (text == NULL || !bfn__parse_number(text, level))
            continue;
        *level *= bfn__value_scale(&r->sweep->values[v]);
        return kinds[i].words;
    }
    return NULL;
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

static bfn_status add_plot(bfn__report *r, const bfn__plot *plot, size_t width, size_t height)
{
    char *svg;
    size_t n;
    bfn__plot sized = *plot;
    sized.width = width;
    sized.height = height;
    bfn_status status = bfn__plot_svg(r->sweep->ctx, &sized, &svg, &n);
    if (status == BFN_OK)
        bfn__markup_bytes(&r->out, svg, n);
    bfn__free(r->sweep->ctx, svg);
    return status;
}

static bfn_status draw_facet(bfn__report *r, const facet *f, size_t v, bool alone)
{
    bfn__curve curves[LINES] = {{0}};
    line_data data[LINES] = {{0}};
    double ticks[MAX_TICKS];
    char label[160], title[200];
    bfn_status status = BFN_OK;
    for (size_t i = 0; i < f->n && status == BFN_OK; i++) {
        status = fill_line(r, f->lines[i], v, &data[i]);
        curves[i] = (bfn__curve){.name = f->lines[i]->label,
                                 .n = f->lines[i]->n,
                                 .x = data[i].x,
                                 .y = data[i].y,
                                 .low = data[i].low,
                                 .high = data[i].high,
                                 .mark = 1 + (int)i % 4,
                                 .style = style_of(f, i)};
    }
    label_axis(r, v, label);
    snprintf(title, sizeof title, "%s against network evaluations", label);
    bfn__plot plot = {.title = title,
                      .x_label = "network evaluations a sample",
                      .y_label = label,
                      .log_x = true,
                      .log_y = v == BFN__REPORT_SECONDS,
                      .n_x_ticks = find_ticks(f, ticks),
                      .page = true,
                      .n_curves = f->n,
                      .curves = curves};
    plot.x_ticks = plot.n_x_ticks > 0 ? ticks : NULL;
    double level;
    plot.level = find_level(r, v, &level) != NULL ? &level : NULL;
    if (!alone)
        share_axis(r, v, &plot);
    bfn__markup_add(&r->out, "<figure%s>", alone ? " class=\"wide\"" : "");
    if (status == BFN_OK)
        status = add_plot(r, &plot, alone ? WIDE : 450, alone ? WIDE_HEIGHT : NARROW_HEIGHT);
    if (alone && status == BFN_OK) {
        bfn__markup_text(&r->out, "</figure>\n<figure class=\"narrow\">");
        status = add_plot(r, &plot, NARROW, NARROW_HEIGHT);
    }
    bfn__markup_text(&r->out, "</figure>\n");
    for (size_t i = 0; i < f->n; i++)
        bfn__free(r->sweep->ctx, data[i].x);
    return status;
}

/* Under the heading of its method a line is named by the rest: "η = 0.01", "+ corrector". */
static const char *short_label(const bfn__series *s, bool alone)
{
    size_t n = strlen(s->method);
    const char *rest = s->label + n;
    if (alone || *rest == '\0')
        return s->label;
    return rest + strspn(rest, ", ");
}

static void add_legend(bfn__report *r, const facet *f, bool alone)
{
    static const char *const shapes[] = {"m-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z", "m-3.6 -3.6h7.2v7.2h-7.2z",
                                         "m0 -4.9l4.7 8.2h-9.4z", "m0 -5.2l5.2 5.2l-5.2 5.2l-5.2 -5.2z"};
    bfn__markup_text(&r->out, "<ul class=\"legend\">\n");
    for (size_t i = 0; i < f->n; i++) {
        const char *style = style_of(f, i);
        bfn__markup_add(&r->out,
                        "<li><svg viewBox=\"0 0 34 14\" aria-hidden=\"true\"><path class=\"c %s\" d=\"M1 7H33\"/>"
                        "<path class=\"m %s\" d=\"M17 7%s\"/></svg>",
                        style, style, shapes[i % 4]);
        bfn__markup_escaped(&r->out, short_label(f->lines[i], alone));
        bfn__markup_text(&r->out, f->lines[i]->original ? " (original sampler)</li>\n" : "</li>\n");
    }
    bfn__markup_text(&r->out, "</ul>\n");
}

/* The lines from `*at` on that go into one plot. */
static facet next_facet(const bfn__report *r, size_t *at)
{
    facet f = {.n = 0};
    bool all = r->n <= LINES;
    const char *method = r->series[*at].method;
    while (*at < r->n && f.n < LINES && (all || strcmp(r->series[*at].method, method) == 0))
        f.lines[f.n++] = &r->series[(*at)++];
    return f;
}

static void add_heading(bfn__report *r, size_t v)
{
    if (v == BFN__REPORT_SECONDS) {
        bfn__markup_text(&r->out, "<h2>Time</h2>\n<p class=\"note\">Seconds of sampling, without scoring. ");
        bfn__markup_add(&r->out, "%s threads, %s samples a network call.</p>\n",
                        bfn_record_get(r->sweep->header, "threads"), bfn_record_get(r->sweep->header, "batch"));
        return;
    }
    const bfn__value_kind *kind = &r->sweep->values[v];
    bfn__markup_text(&r->out, "<h2>");
    bfn__report_sentence(r, kind->title);
    bfn__markup_text(&r->out, " against evaluations</h2>\n<p class=\"note\">");
    bfn__markup_text(&r->out, kind->better > 0 ? "Higher is better. " : kind->better < 0 ? "Lower is better. " : "");
    double level;
    const char *real = find_level(r, v, &level);
    bfn__markup_text(&r->out, "Shaded: 95 % confidence. ");
    if (real != NULL) {
        bfn__markup_add(&r->out, "Dotted: %s, ", real);
        bfn__markup_fixed(&r->out, level, bfn__report_digits(kind, level / bfn__value_scale(kind)));
        bfn__markup_add(&r->out, "%s%s. ", kind->unit[0] != '\0' ? " " : "", kind->unit);
    }
    bfn__markup_text(&r->out, "The axis of evaluations is logarithmic.</p>\n");
}

bfn_status bfn__report_plot(bfn__report *r, size_t v)
{
    bfn_status status = BFN_OK;
    bool alone = r->n <= LINES;
    bfn__markup_text(&r->out, "<section>\n");
    add_heading(r, v);
    if (!alone)
        bfn__markup_text(&r->out, "<div class=\"facets\">\n");
    for (size_t at = 0; at < r->n && status == BFN_OK;) {
        const facet f = next_facet(r, &at);
        bfn__markup_text(&r->out, alone ? "" : "<div>");
        if (!alone) {
            bfn__markup_text(&r->out, "<h3>");
            bfn__markup_escaped(&r->out, f.lines[0]->method);
            bfn__markup_text(&r->out, "</h3>");
        }
        add_legend(r, &f, alone);
        status = draw_facet(r, &f, v, alone);
        bfn__markup_text(&r->out, alone ? "" : "</div>\n");
    }
    bfn__markup_text(&r->out, alone ? "</section>\n" : "</div></section>\n");
    return status;
}
