/* plot.c: a line plot as SVG text.
 *
 * Plain SVG 1.1: a frame, grid lines at round numbers, one path a curve, a legend. Round numbers are 1, 2 or 5 times a power of ten; a log axis
 * has them at the powers of ten, at 2 and 5 times them too where it covers less than two powers, and in even steps where it covers less than one.
 * Coordinates are whole tenths
 * of a pixel printed as integers, so no locale's comma gets in. A curve of more points than the frame has pixels is drawn column by column:
 * first, least, largest and last value in each, which looks the same and is small. Labels at the ends of lines are spread so that none covers
 * another. Inside a page the picture has classes instead of
 * colours, so that the page can be light or dark, and words on top are the page's.
 */
#include "io/plot.h"

#include "io/file.h"
#include "io/markup.h"
#include "io/yaml.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_WIDTH = 720, DEFAULT_HEIGHT = 420, MIN_SIDE = 160, MAX_SIDE = 10000, MAX_TICKS = 24 };

/* Eight colours that differ in lightness, too. */
static const char *const colours[BFN__PLOT_MAX_CURVES] = {"#1f5fa8", "#d1622b", "#2f8f4e", "#8b3fa0",
                                                          "#b59410", "#3aa6b9", "#a3283a", "#555555"};

typedef struct axis {
    double low, high; /* in plotted units: log10 where log */
    bool log;
    double ticks[MAX_TICKS];
    size_t n_ticks;
} axis;

typedef struct drawing {
    const bfn__plot *plot;
    bfn__markup out;
    int left, right, top, bottom; /* margins */
    double width, height;         /* of the frame */
    axis x, y;
} drawing;

/* ---- axes ---- */

/* 1, 2 or 5 times a power of ten, at least `raw`. */
static double round_step(double raw)
{
    double power = pow(10.0, floor(log10(raw))), part = raw / power;
    return power * (part <= 1.0 ? 1.0 : part <= 2.0 ? 2.0 : part <= 5.0 ? 5.0 : 10.0);
}

static void add_tick(axis *a, double value)
{
    double slack = 1e-9 * (a->high - a->low);
    if (a->n_ticks < MAX_TICKS && value >= a->low - slack && value <= a->high + slack)
        a->ticks[a->n_ticks++] = value;
}

/* Data that are all the same, or the same but for rounding, get some room around them. */
static void open_up(axis *a)
{
    double size = fmax(fabs(a->low), fabs(a->high)), reach = a->log ? 0.5 : size > 1e-290 ? size * 0.1 : 1.0;
    if (a->high - a->low > 1e-9 * size && a->high - a->low > 1e-300)
        return;
    a->low -= reach;
    a->high += reach;
}

/* Widens to whole steps (y) or keeps the data's ends (x). */
static void linear_axis(axis *a, double n_wanted, bool widen)
{
    open_up(a);
    double step = round_step((a->high - a->low) / n_wanted);
    double first = floor(a->low / step), last = ceil(a->high / step);
    if (widen) {
        a->low = first * step;
        a->high = last * step;
    }
    for (int i = 0; i < 2 * MAX_TICKS && first + i <= last; i++)
        add_tick(a, (first + i) * step);
}

/* Powers of ten, 2 and 5 times them would leave a short axis with one number, or none. */
static void even_log_ticks(axis *a, double margin)
{
    a->low -= margin;
    a->high += margin;
    double step = round_step((pow(10.0, a->high) - pow(10.0, a->low)) / 7.0), first = ceil(pow(10.0, a->low) / step);
    for (int i = 0; i < MAX_TICKS; i++)
        if (first + i > 0.0)
            add_tick(a, log10((first + i) * step));
}

/* tall: there is room for three numbers a power of ten over three of them. */
static void log_axis(axis *a, bool tall)
{
    open_up(a);
    bool fine = a->high - a->low < (tall ? 3.0 : 2.0);
    double margin = 0.04 * (a->high - a->low), stride = ceil((a->high - a->low) / 8.0);
    if (a->high - a->low < 1.0) {
        even_log_ticks(a, margin);
        return;
    }
    a->low -= margin;
    a->high += margin;
    double first = floor(a->low / stride) * stride;
    for (int i = 0; i < MAX_TICKS; i++) {
        double power = first + i * stride;
        add_tick(a, power);
        if (fine) {
            add_tick(a, power + log10(2.0));
            add_tick(a, power + log10(5.0));
        }
    }
}

/* Into plotted units; false: cannot be drawn. Numbers beyond 1e100 would overflow on the way to pixels. */
static bool plotted(const drawing *d, double *x, double *y)
{
    if (!(fabs(*x) < 1e100 && fabs(*y) < 1e100) || (d->x.log && *x <= 0.0) || (d->y.log && *y <= 0.0))
        return false;
    *x = d->x.log ? log10(*x) : *x;
    *y = d->y.log ? log10(*y) : *y;
    return true;
}

static bool point(const drawing *d, const bfn__curve *c, size_t i, double *x, double *y)
{
    *x = c->x[i];
    *y = c->y[i];
    return plotted(d, x, y);
}

/* The same of an edge of the band. */
static bool edge(const drawing *d, const bfn__curve *c, const double *values, size_t i, double *x, double *y)
{
    *x = c->x[i];
    *y = values != NULL ? values[i] : (double)NAN;
    return plotted(d, x, y);
}

static void include(drawing *d, double x, double y, bool *any)
{
    d->x.low = *any ? fmin(d->x.low, x) : x;
    d->x.high = *any ? fmax(d->x.high, x) : x;
    d->y.low = *any ? fmin(d->y.low, y) : y;
    d->y.high = *any ? fmax(d->y.high, y) : y;
    *any = true;
}

/* Into plotted units; false: cannot be drawn. */
static bool level_at(const drawing *d, size_t i, double *y)
{
    double x = 1.0;
    *y = d->plot->levels[i].y;
    return plotted(d, &x, y);
}

/* Levels that are not too far from the data to be seen with them. */
static void include_levels(drawing *d)
{
    double y, low = d->y.low, high = d->y.high;
    for (size_t i = 0; i < d->plot->n_levels; i++) {
        if (!level_at(d, i, &y) || y < low - (high - low) || y > high + (high - low))
            continue;
        d->y.low = fmin(d->y.low, y);
        d->y.high = fmax(d->y.high, y);
    }
}

static void find_ranges(drawing *d)
{
    double x, y;
    bool any = false;
    for (size_t k = 0; k < d->plot->n_curves; k++) {
        const bfn__curve *c = &d->plot->curves[k];
        for (size_t i = 0; i < c->n; i++) {
            if (point(d, c, i, &x, &y))
                include(d, x, y, &any);
            if (edge(d, c, c->low, i, &x, &y))
                include(d, x, y, &any);
            if (edge(d, c, c->high, i, &x, &y))
                include(d, x, y, &any);
        }
    }
    if (any && d->plot->y_low < d->plot->y_high && (!d->y.log || d->plot->y_low > 0.0)) {
        d->y.low = fmin(d->y.low, d->y.log ? log10(d->plot->y_low) : d->plot->y_low);
        d->y.high = fmax(d->y.high, d->y.log ? log10(d->plot->y_high) : d->plot->y_high);
    }
    if (any)
        include_levels(d);
    if (!any) {
        d->x.high = 1.0;
        d->x.low = 0.0;
        d->y.high = d->y.log ? 0.0 : 1.0;
        d->y.low = d->y.log ? -1.0 : 0.0;
    }
}

/* Marks where the caller wants them, and some room at the ends. */
static void given_axis(axis *a, const double *ticks, size_t n)
{
    open_up(a);
    double margin = 0.03 * (a->high - a->low);
    a->low -= margin;
    a->high += margin;
    for (size_t i = 0; i < n; i++)
        if (!a->log || ticks[i] > 0.0)
            add_tick(a, a->log ? log10(ticks[i]) : ticks[i]);
}

static double to_x(const drawing *d, double x)
{
    return d->left + (x - d->x.low) / (d->x.high - d->x.low) * d->width;
}

static double to_y(const drawing *d, double y)
{
    return d->top + (d->y.high - y) / (d->y.high - d->y.low) * d->height;
}

/* Six digits are enough for a tick, and hide the rounding of i * step. They go through decimal text, so that 2 is "2". */
static void format_tick(const axis *a, double value, char out[BFN__NUMBER_TEXT_MAX])
{
    double shown = a->log ? pow(10.0, value) : value, rounded = 0.0;
    double step = a->n_ticks > 1 ? fabs(a->ticks[1] - a->ticks[0]) : 0.0;
    if (shown != 0.0 && (a->log || fabs(shown) > step * 1e-6)) {
        char digits[BFN__NUMBER_TEXT_MAX];
        int exponent = (int)floor(log10(fabs(shown))) - 5;
        (void)snprintf(digits, sizeof digits, "%.0fe%d", shown / pow(10.0, exponent), exponent);
        (void)bfn__parse_number(digits, &rounded);
    }
    bfn__format_number(rounded, out);
}

/* ---- drawing ---- */

/* Labels that would touch the one before are left out: true when this one stands. */
static bool has_room(double x, const char *number, double *free_from)
{
    double half = 3.6 * (double)strlen(number);
    if (x - half < *free_from)
        return false;
    *free_from = x + half + 6.0;
    return true;
}

static void draw_x_ticks(drawing *d)
{
    char number[BFN__NUMBER_TEXT_MAX];
    bfn__markup *t = &d->out;
    double bottom = d->top + d->height, free_from = -1e9;
    for (size_t i = 0; i < d->x.n_ticks; i++) {
        double x = to_x(d, d->x.ticks[i]);
        format_tick(&d->x, d->x.ticks[i], number);
        bfn__markup_add(t, "<path class=\"%s\" d=\"M", d->plot->page ? "a" : "g");
        bfn__markup_coordinate(t, x);
        bfn__markup_add(t, " %.0fV%.0f\"/>", d->plot->page ? bottom + 5.0 : (double)d->top, bottom);
        if (!d->plot->page || has_room(x, number, &free_from)) {
            bfn__markup_text(t, "<text class=\"n\" text-anchor=\"middle\" x=\"");
            bfn__markup_coordinate(t, x);
            bfn__markup_add(t, "\" y=\"%.0f\">%s</text>", bottom + (d->plot->page ? 19.0 : 15.0), number);
        }
        bfn__markup_text(t, "\n");
    }
}

static void draw_y_ticks(drawing *d)
{
    char number[BFN__NUMBER_TEXT_MAX];
    bfn__markup *t = &d->out;
    for (size_t i = 0; i < d->y.n_ticks; i++) {
        double y = to_y(d, d->y.ticks[i]);
        format_tick(&d->y, d->y.ticks[i], number);
        bfn__markup_add(t, "<path class=\"g\" d=\"M%d ", d->left);
        bfn__markup_coordinate(t, y);
        bfn__markup_add(t, "H%.0f\"/><text class=\"n\" text-anchor=\"end\" x=\"%d\" y=\"", d->left + d->width,
                        d->left - 6);
        bfn__markup_coordinate(t, y + 4.0);
        bfn__markup_add(t, "\">%s</text>\n", number);
    }
}

static void draw_label(drawing *d, const char *label, const char *attributes)
{
    if (label == NULL || label[0] == '\0')
        return;
    bfn__markup_add(&d->out, "<text %s>", attributes);
    bfn__markup_escaped(&d->out, label);
    bfn__markup_add(&d->out, "</text>\n");
}

/* The label of the y axis stands above it: words are easier to read that way than turned. */
static void draw_page_labels(drawing *d)
{
    char where[128];
    draw_label(d, d->plot->y_label, "class=\"l\" x=\"0\" y=\"14\"");
    (void)snprintf(where, sizeof where, "class=\"l\" text-anchor=\"middle\" x=\"%.0f\" y=\"%.0f\"",
                   d->left + d->width / 2.0, d->top + d->height + d->bottom - 6.0);
    draw_label(d, d->plot->x_label, where);
}

static void draw_labels(drawing *d)
{
    char where[128];
    double middle = d->left + d->width / 2.0, centre = d->top + d->height / 2.0;
    (void)snprintf(where, sizeof where, "class=\"t\" text-anchor=\"middle\" x=\"%.0f\" y=\"20\"", middle);
    draw_label(d, d->plot->title, where);
    (void)snprintf(where, sizeof where, "text-anchor=\"middle\" x=\"%.0f\" y=\"%.0f\"", middle,
                   d->top + d->height + 36.0);
    draw_label(d, d->plot->x_label, where);
    (void)snprintf(where, sizeof where, "text-anchor=\"middle\" transform=\"translate(16 %.0f) rotate(-90)\"", centre);
    draw_label(d, d->plot->y_label, where);
}

static void move_to(drawing *d, char command, double x, double y)
{
    bfn__markup_add(&d->out, "%c", command);
    bfn__markup_coordinate(&d->out, to_x(d, x));
    bfn__markup_add(&d->out, " ");
    bfn__markup_coordinate(&d->out, to_y(d, y));
}

/* Points [first, end) that lie in one pixel column, as the line through their first, least, largest and last. */
static void draw_column(drawing *d, const bfn__curve *c, size_t first, size_t end, bool joined)
{
    double x, y, low, high, last = 0.0;
    (void)point(d, c, first, &x, &y);
    low = high = last = y;
    move_to(d, joined ? 'L' : 'M', x, y);
    for (size_t i = first + 1; i < end; i++) {
        (void)point(d, c, i, &x, &last);
        low = fmin(low, last);
        high = fmax(high, last);
    }
    if (end - first == 1)
        return;
    if (end - first > 2 && (low < fmin(y, last) || high > fmax(y, last))) {
        move_to(d, 'L', x, low);
        move_to(d, 'L', x, high);
    }
    move_to(d, 'L', x, last);
}

/* A run of drawable points that begins at `first`; returns its end. */
static size_t draw_run(drawing *d, const bfn__curve *c, size_t first, bool columns)
{
    double x, y;
    size_t end = first;
    while (end < c->n && point(d, c, end, &x, &y))
        end++;
    for (size_t i = first; i < end;) {
        size_t next = i + 1;
        (void)point(d, c, i, &x, &y);
        for (double column = floor(to_x(d, x)); columns && next < end; next++) {
            (void)point(d, c, next, &x, &y);
            if (floor(to_x(d, x)) > column)
                break;
        }
        draw_column(d, c, i, next, i > first);
        i = next;
    }
    if (end - first == 1) /* a lone point: a short dash */
        bfn__markup_add(&d->out, "m-2 0h4");
    return end;
}

/* A lone point has a line in place of a band. */
static void draw_whisker(drawing *d, const bfn__curve *c, size_t i)
{
    double x, low, high;
    (void)edge(d, c, c->low, i, &x, &low);
    (void)edge(d, c, c->high, i, &x, &high);
    bfn__markup_add(&d->out, "<path class=\"w %s\" d=\"", c->style != NULL ? c->style : "");
    move_to(d, 'M', x, low);
    move_to(d, 'L', x, high);
    bfn__markup_text(&d->out, "\"/>\n");
}

/* A run of points with both edges: there along the upper, back along the lower. Returns its end. */
static size_t draw_band_run(drawing *d, const bfn__curve *c, size_t first)
{
    double x, y;
    size_t end = first;
    while (end < c->n && edge(d, c, c->low, end, &x, &y) && edge(d, c, c->high, end, &x, &y))
        end++;
    if (end == first + 1)
        draw_whisker(d, c, first);
    if (end < first + 2)
        return end > first ? end : first + 1;
    bfn__markup_add(&d->out, "<path class=\"b %s\" d=\"", c->style != NULL ? c->style : "");
    for (size_t i = first; i < end; i++) {
        (void)edge(d, c, c->high, i, &x, &y);
        move_to(d, i == first ? 'M' : 'L', x, y);
    }
    for (size_t i = end; i-- > first;) {
        (void)edge(d, c, c->low, i, &x, &y);
        move_to(d, 'L', x, y);
    }
    bfn__markup_text(&d->out, "Z\"/>\n");
    return end;
}

static void draw_band(drawing *d, size_t k)
{
    const bfn__curve *c = &d->plot->curves[k];
    for (size_t i = 0; c->low != NULL && c->high != NULL && i < c->n;)
        i = draw_band_run(d, c, i);
}

/* Marks of about the same area. */
static void draw_mark(drawing *d, const bfn__curve *c, size_t i)
{
    static const char *const shapes[] = {"m-4 0a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z", "m-3.6 -3.6h7.2v7.2h-7.2z",
                                         "m0 -4.9l4.7 8.2h-9.4z", "m0 -5.2l5.2 5.2l-5.2 5.2l-5.2 -5.2z"};
    enum { N_SHAPES = sizeof shapes / sizeof shapes[0] };
    double x, y;
    char number[BFN__NUMBER_TEXT_MAX];
    if (!point(d, c, i, &x, &y))
        return;
    bfn__markup_add(&d->out, "<path class=\"m %s\" d=\"", c->style != NULL ? c->style : "");
    move_to(d, 'M', x, y);
    bfn__markup_text(&d->out, shapes[(c->mark - 1) % N_SHAPES]);
    bfn__markup_text(&d->out, "\"><title>");
    bfn__markup_escaped(&d->out, c->name != NULL ? c->name : "");
    bfn__format_number(c->x[i], number);
    bfn__markup_add(&d->out, " at %s: ", number);
    bfn__markup_fixed(&d->out, c->y[i], fabs(c->y[i]) < 1.0 ? 4 : 2);
    if (c->high != NULL && isfinite(c->high[i])) {
        bfn__markup_text(&d->out, " ± ");
        bfn__markup_fixed(&d->out, c->high[i] - c->y[i], fabs(c->y[i]) < 1.0 ? 4 : 2);
    }
    bfn__markup_text(&d->out, "</title></path>\n");
}

static void draw_marks(drawing *d, size_t k)
{
    const bfn__curve *c = &d->plot->curves[k];
    for (size_t i = 0; c->mark > 0 && d->plot->page && i < c->n; i++)
        draw_mark(d, c, i);
}

static void begin_curve(drawing *d, size_t k)
{
    const char *style = d->plot->curves[k].style;
    if (d->plot->page)
        bfn__markup_add(&d->out, "<path class=\"c %s\" d=\"", style != NULL ? style : "");
    else
        bfn__markup_add(&d->out, "<path class=\"c\" stroke=\"%s\" d=\"", colours[k]);
}

static void draw_curve(drawing *d, size_t k)
{
    const bfn__curve *c = &d->plot->curves[k];
    double x, y;
    bool any = false;
    for (size_t i = 0; i < c->n;) {
        if (!point(d, c, i, &x, &y)) {
            i++;
            continue;
        }
        if (!any)
            begin_curve(d, k);
        any = true;
        i = draw_run(d, c, i, (double)c->n > 2.0 * d->width);
    }
    if (any)
        bfn__markup_add(&d->out, "\"/>\n");
}

static void draw_legend(drawing *d)
{
    double y = d->top + 16.0, x = d->left + d->width - 10.0;
    for (size_t k = 0; k < d->plot->n_curves; k++) {
        const char *name = d->plot->curves[k].name;
        if (name == NULL || name[0] == '\0')
            continue;
        bfn__markup_add(&d->out, "<text class=\"n\" text-anchor=\"end\" x=\"%.0f\" y=\"%.0f\" style=\"fill:%s\">", x, y,
                        colours[k]);
        bfn__markup_escaped(&d->out, name);
        bfn__markup_add(&d->out, "</text>\n");
        y += 15.0;
    }
}

static void draw_levels(drawing *d)
{
    double y;
    for (size_t i = 0; i < d->plot->n_levels; i++) {
        if (!level_at(d, i, &y) || y < d->y.low || y > d->y.high)
            continue;
        bfn__markup_add(&d->out, "<path class=\"v %s\" d=\"M%d ", d->plot->levels[i].style, d->left);
        bfn__markup_coordinate(&d->out, to_y(d, y));
        bfn__markup_add(&d->out, "H%.0f\"/>\n", d->left + d->width);
    }
}

/* ---- labels at the ends of lines ---- */

enum { MAX_LABELS = BFN__PLOT_MAX_CURVES + BFN__PLOT_MAX_LEVELS, LABEL_HEIGHT = 15, LABEL_GAP = 12 };

typedef struct end_label {
    const char *text, *style, *arrow;
    double x, y; /* end of its line, pixels */
    double at;   /* its own height */
} end_label;

/* As wide as it can be drawn, whatever the reader's font: pixels a character at 13 pixels. */
static double label_width(const char *text)
{
    double n = 0.0;
    for (; *text != '\0'; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return 8.4 * n + 3.0;
}

static double widest_label(const bfn__plot *p)
{
    double width = 0.0;
    for (size_t k = 0; k < p->n_curves; k++)
        if (p->curves[k].label != NULL)
            width = fmax(width, label_width(p->curves[k].label));
    for (size_t i = 0; i < p->n_levels; i++)
        if (p->levels[i].label != NULL)
            width = fmax(width, label_width(p->levels[i].label) + label_width("↓ "));
    return width > 0.0 ? width + LABEL_GAP : 0.0;
}

bool bfn__plot_labels_fit(const bfn__plot *plot)
{
    return widest_label(plot) <= 0.4 * (double)(plot->width > 0 ? plot->width : DEFAULT_WIDTH);
}

static size_t find_labels(const drawing *d, end_label labels[MAX_LABELS])
{
    const bfn__plot *p = d->plot;
    size_t n = 0;
    double x, y;
    for (size_t k = 0; k < p->n_curves; k++) {
        size_t i = p->curves[k].n;
        while (i > 0 && !point(d, &p->curves[k], i - 1, &x, &y))
            i--;
        if (i > 0 && p->curves[k].label != NULL)
            labels[n++] = (end_label){p->curves[k].label, p->curves[k].style, "", to_x(d, x), to_y(d, y), 0.0};
    }
    for (size_t i = 0; i < p->n_levels; i++) {
        if (p->levels[i].label == NULL || !level_at(d, i, &y))
            continue;
        const char *arrow = y > d->y.high ? "↑ " : y < d->y.low ? "↓ " : "";
        y = fmax(d->y.low, fmin(d->y.high, y));
        labels[n++] = (end_label){p->levels[i].label, p->levels[i].style, arrow, d->left + d->width, to_y(d, y), 0.0};
    }
    return n;
}

static int by_height(const void *a, const void *b)
{
    double x = ((const end_label *)a)->y, y = ((const end_label *)b)->y;
    return (x > y) - (x < y);
}

/* Heights that keep the order, are LABEL_HEIGHT apart, and together move as little as can be: with z_i = y_i - i h the condition is that z
 * does not fall, and groups that would overlap get their mean (pool adjacent violators). */
static void spread_labels(end_label *labels, size_t n, double low, double high)
{
    double mean[MAX_LABELS];
    size_t size[MAX_LABELS], n_groups = 0;
    for (size_t i = 0; i < n; i++) {
        mean[n_groups] = labels[i].y - (double)i * LABEL_HEIGHT;
        size[n_groups++] = 1;
        while (n_groups > 1 && mean[n_groups - 2] > mean[n_groups - 1]) {
            size_t a = n_groups - 2, b = n_groups - 1;
            mean[a] = (mean[a] * (double)size[a] + mean[b] * (double)size[b]) / (double)(size[a] + size[b]);
            size[a] += size[b];
            n_groups--;
        }
    }
    double most = high - (n > 0 ? (double)(n - 1) : 0.0) * LABEL_HEIGHT;
    for (size_t g = 0, i = 0; g < n_groups; g++)
        for (size_t k = 0; k < size[g]; k++, i++)
            labels[i].at = fmax(low, fmin(most, mean[g])) + (double)i * LABEL_HEIGHT;
}

static void draw_end_label(drawing *d, const end_label *l)
{
    double x = d->left + d->width + LABEL_GAP;
    const char *style = l->style != NULL ? l->style : "";
    if (fabs(l->at - l->y) > 3.0 || x - l->x > 3.0 * LABEL_GAP) { /* not where its line ends: a thin line leads there */
        bfn__markup_add(&d->out, "<path class=\"r %s\" d=\"M", style);
        bfn__markup_coordinate(&d->out, l->x);
        bfn__markup_text(&d->out, " ");
        bfn__markup_coordinate(&d->out, l->y);
        bfn__markup_add(&d->out, "L%.0f ", x - 3.0);
        bfn__markup_coordinate(&d->out, l->at);
        bfn__markup_text(&d->out, "\"/>");
    }
    bfn__markup_add(&d->out, "<text class=\"e %s\" x=\"%.0f\" y=\"", style, x);
    bfn__markup_coordinate(&d->out, l->at + 4.5);
    bfn__markup_add(&d->out, "\">%s", l->arrow);
    bfn__markup_escaped(&d->out, l->text);
    bfn__markup_text(&d->out, "</text>\n");
}

static void draw_end_labels(drawing *d)
{
    end_label labels[MAX_LABELS];
    size_t n = bfn__plot_labels_fit(d->plot) ? find_labels(d, labels) : 0;
    qsort(labels, n, sizeof *labels, by_height);
    spread_labels(labels, n, d->top, d->top + d->height);
    for (size_t i = 0; i < n; i++)
        draw_end_label(d, &labels[i]);
}

static void draw_page(drawing *d)
{
    double bottom = d->top + d->height;
    bfn__markup_add(&d->out, "<svg class=\"plot\" viewBox=\"0 0 %.0f %.0f\" role=\"img\" aria-label=\"",
                    d->width + d->left + d->right, bottom + d->bottom);
    bfn__markup_escaped(&d->out, d->plot->title != NULL ? d->plot->title : "");
    bfn__markup_text(&d->out, "\">\n");
    draw_y_ticks(d);
    bfn__markup_add(&d->out, "<path class=\"a\" d=\"M%d %.0fH%.0f\"/>\n", d->left, bottom, d->left + d->width);
    draw_x_ticks(d);
    for (size_t k = 0; k < d->plot->n_curves; k++)
        draw_band(d, k);
    draw_levels(d);
    for (size_t k = 0; k < d->plot->n_curves; k++)
        draw_curve(d, k);
    for (size_t k = 0; k < d->plot->n_curves; k++)
        draw_marks(d, k);
    draw_end_labels(d);
    draw_page_labels(d);
    bfn__markup_text(&d->out, "</svg>\n");
}

static void draw(drawing *d)
{
    double W = d->width + d->left + d->right, H = d->height + d->top + d->bottom;
    bfn__markup_add(
        &d->out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\">\n<style>"
        "text{font:12px "
        "sans-serif;fill:#333}.t{font-size:14px;font-weight:bold}.n{font-size:11px}.g{stroke:#ddd;fill:none}"
        ".c{fill:none;stroke-width:1.6;stroke-linejoin:round;stroke-linecap:round}</style>\n",
        W, H, W, H);
    bfn__markup_add(&d->out, "<rect width=\"%.0f\" height=\"%.0f\" fill=\"#fff\"/>\n", W, H);
    draw_x_ticks(d);
    draw_y_ticks(d);
    for (size_t k = 0; k < d->plot->n_curves; k++)
        draw_curve(d, k);
    bfn__markup_add(&d->out, "<rect x=\"%d\" y=\"%d\" width=\"%.0f\" height=\"%.0f\" fill=\"none\" stroke=\"#888\"/>\n",
                    d->left, d->top, d->width, d->height);
    draw_labels(d);
    draw_legend(d);
    bfn__markup_add(&d->out, "</svg>\n");
}

static void set_margins(drawing *d)
{
    bool page = d->plot->page;
    d->left = page ? 46 : 70;
    d->right = page && bfn__plot_labels_fit(d->plot) ? (int)fmax(16.0, widest_label(d->plot)) : 16;
    d->top = page ? 30 : 34;
    d->bottom = page ? 48 : 46;
}

static bfn_status check(bfn_context *ctx, const bfn__plot *p)
{
    if (p->n_curves == 0 || p->n_curves > BFN__PLOT_MAX_CURVES)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "a plot of %zu curves, allowed: 1 to %d", p->n_curves,
                         BFN__PLOT_MAX_CURVES);
    if (p->n_levels > BFN__PLOT_MAX_LEVELS)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "a plot with %zu levels, allowed: up to %d", p->n_levels,
                         BFN__PLOT_MAX_LEVELS);
    if ((p->width != 0 && (p->width < MIN_SIDE || p->width > MAX_SIDE)) ||
        (p->height != 0 && (p->height < MIN_SIDE || p->height > MAX_SIDE)))
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "a plot of %zu x %zu pixels, allowed: %d to %d each", p->width,
                         p->height, MIN_SIDE, MAX_SIDE);
    return BFN_OK;
}

bfn_status bfn__plot_svg(bfn_context *ctx, const bfn__plot *plot, char **svg, size_t *n)
{
    *svg = NULL;
    *n = 0;
    bfn_status status = check(ctx, plot);
    if (status != BFN_OK)
        return status;
    drawing d = {.plot = plot, .out = {.ctx = ctx}, .x = {.log = plot->log_x}, .y = {.log = plot->log_y}};
    set_margins(&d);
    d.width = (double)(plot->width > 0 ? plot->width : DEFAULT_WIDTH) - d.left - d.right;
    d.height = (double)(plot->height > 0 ? plot->height : DEFAULT_HEIGHT) - d.top - d.bottom;
    find_ranges(&d);
    if (plot->x_ticks != NULL)
        given_axis(&d.x, plot->x_ticks, plot->n_x_ticks);
    else if (plot->log_x)
        log_axis(&d.x, false);
    else
        linear_axis(&d.x, fmax(2.0, d.width / 90.0), false);
    if (plot->log_y)
        log_axis(&d.y, plot->page);
    else
        linear_axis(&d.y, fmax(2.0, d.height / 50.0), true);
    if (plot->page)
        draw_page(&d);
    else
        draw(&d);
    if (d.out.failed) {
        bfn__free(ctx, d.out.data);
        return BFN_ERR_MEMORY;
    }
    *svg = d.out.data;
    *n = d.out.n;
    return BFN_OK;
}

bfn_status bfn__plot_save(bfn_context *ctx, const char *path, const bfn__plot *plot)
{
    char *svg;
    size_t n;
    bfn_status status = bfn__plot_svg(ctx, plot, &svg, &n);
    if (status != BFN_OK)
        return status;
    status = bfn__file_write(ctx, path, svg, n);
    bfn__free(ctx, svg);
    return status;
}
