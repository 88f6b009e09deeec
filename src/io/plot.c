/* plot.c: a line plot as SVG text.
 *
 * Plain SVG 1.1: a frame, grid lines at round numbers, one path a curve, a legend. Round numbers are 1, 2 or 5 times a power of ten; a log axis
 * has them at the powers of ten, at 2 and 5 times them too where it covers less than two powers, and in even steps where it covers less than one.
 * Coordinates are whole tenths
 * of a pixel printed as integers, so no locale's comma gets in. A curve of more points than the frame has pixels is drawn column by column:
 * first, least, largest and last value in each, which looks the same and is small.
 */
#include "io/plot.h"

#include "io/file.h"
#include "io/utf8.h"
#include "io/yaml.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LEFT = 70,
    RIGHT = 16,
    TOP = 34,
    BOTTOM = 46,
    MIN_SIDE = 160,
    MAX_SIDE = 10000,
    MAX_TICKS = 24,
    LINE_MAX_BYTES = 512
};

/* Eight colours that differ in lightness, too. */
static const char *const colours[BFN__PLOT_MAX_CURVES] = {"#1f5fa8", "#d1622b", "#2f8f4e", "#8b3fa0",
                                                          "#b59410", "#3aa6b9", "#a3283a", "#555555"};

typedef struct text {
    bfn_context *ctx;
    char *data;
    size_t n, room;
    bool failed;
} text;

typedef struct axis {
    double low, high; /* in plotted units: log10 where log */
    bool log;
    double ticks[MAX_TICKS];
    size_t n_ticks;
} axis;

typedef struct drawing {
    const bfn__plot *plot;
    text out;
    double width, height; /* of the frame */
    axis x, y;
} drawing;

/* ---- text ---- */

static void add_bytes(text *t, const char *data, size_t n)
{
    if (!t->failed && n + 1 > t->room - t->n) {
        size_t room = 2 * t->room + n + 4096;
        char *grown = bfn__calloc(t->ctx, room, 1);
        t->failed = grown == NULL;
        if (t->failed)
            return;
        if (t->n > 0)
            memcpy(grown, t->data, t->n);
        bfn__free(t->ctx, t->data);
        t->data = grown;
        t->room = room;
    }
    if (t->failed)
        return;
    memcpy(t->data + t->n, data, n);
    t->n += n;
    t->data[t->n] = '\0';
}

static void add(text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void add(text *t, const char *format, ...)
{
    char line[LINE_MAX_BYTES];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (n > 0)
        add_bytes(t, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
}

/* A coordinate: tenths of a pixel. */
static void add_coordinate(text *t, double value)
{
    long tenths = lround(value * 10.0);
    add(t, "%s%ld.%ld", tenths < 0 ? "-" : "", labs(tenths) / 10, labs(tenths) % 10);
}

/* Text of the caller's: what XML reserves becomes entities, controls and bytes that are no UTF-8 a '?'. */
static void add_escaped(text *t, const char *s)
{
    size_t n = strlen(s);
    for (size_t i = 0; i < n;) {
        uint32_t code = 0;
        size_t length = bfn__utf8_decode(s + i, n - i, &code);
        const char *entity = code == '&'   ? "&amp;"
                             : code == '<' ? "&lt;"
                             : code == '>' ? "&gt;"
                             : code == '"' ? "&quot;"
                                           : NULL;
        if (length == 0 || bfn__is_control(code) || (code & 0xfffe) == 0xfffe)
            add(t, "?");
        else if (entity != NULL)
            add(t, "%s", entity);
        else
            add_bytes(t, s + i, length);
        i += length > 0 ? length : 1;
    }
}

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

static void log_axis(axis *a)
{
    open_up(a);
    bool fine = a->high - a->low < 2.0;
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

/* A point that can be drawn, in plotted units; numbers beyond 1e100 would overflow on the way to pixels. */
static bool point(const drawing *d, const bfn__curve *c, size_t i, double *x, double *y)
{
    *x = c->x[i];
    *y = c->y[i];
    if (!(fabs(*x) < 1e100 && fabs(*y) < 1e100) || (d->y.log && *y <= 0.0))
        return false;
    if (d->y.log)
        *y = log10(*y);
    return true;
}

static void find_ranges(drawing *d)
{
    double x, y;
    bool any = false;
    for (size_t k = 0; k < d->plot->n_curves; k++)
        for (size_t i = 0; i < d->plot->curves[k].n; i++) {
            if (!point(d, &d->plot->curves[k], i, &x, &y))
                continue;
            d->x.low = any ? fmin(d->x.low, x) : x;
            d->x.high = any ? fmax(d->x.high, x) : x;
            d->y.low = any ? fmin(d->y.low, y) : y;
            d->y.high = any ? fmax(d->y.high, y) : y;
            any = true;
        }
    if (!any) {
        d->x.high = 1.0;
        d->y.high = d->y.log ? 0.0 : 1.0;
        d->y.low = d->y.log ? -1.0 : 0.0;
    }
}

static double to_x(const drawing *d, double x)
{
    return LEFT + (x - d->x.low) / (d->x.high - d->x.low) * d->width;
}

static double to_y(const drawing *d, double y)
{
    return TOP + (d->y.high - y) / (d->y.high - d->y.low) * d->height;
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

static void draw_ticks(drawing *d)
{
    char number[BFN__NUMBER_TEXT_MAX];
    text *t = &d->out;
    double right = LEFT + d->width, bottom = TOP + d->height;
    for (size_t i = 0; i < d->x.n_ticks; i++) {
        double x = to_x(d, d->x.ticks[i]);
        format_tick(&d->x, d->x.ticks[i], number);
        add(t, "<path class=\"g\" d=\"M");
        add_coordinate(t, x);
        add(t, " %dV%.0f\"/><text class=\"n\" text-anchor=\"middle\" x=\"", TOP, bottom);
        add_coordinate(t, x);
        add(t, "\" y=\"%.0f\">%s</text>\n", bottom + 15.0, number);
    }
    for (size_t i = 0; i < d->y.n_ticks; i++) {
        double y = to_y(d, d->y.ticks[i]);
        format_tick(&d->y, d->y.ticks[i], number);
        add(t, "<path class=\"g\" d=\"M%d ", LEFT);
        add_coordinate(t, y);
        add(t, "H%.0f\"/><text class=\"n\" text-anchor=\"end\" x=\"%d\" y=\"", right, LEFT - 6);
        add_coordinate(t, y + 4.0);
        add(t, "\">%s</text>\n", number);
    }
}

static void draw_label(drawing *d, const char *label, const char *attributes)
{
    if (label == NULL || label[0] == '\0')
        return;
    add(&d->out, "<text %s>", attributes);
    add_escaped(&d->out, label);
    add(&d->out, "</text>\n");
}

static void draw_labels(drawing *d)
{
    char where[LINE_MAX_BYTES];
    double middle = LEFT + d->width / 2.0, centre = TOP + d->height / 2.0;
    (void)snprintf(where, sizeof where, "class=\"t\" text-anchor=\"middle\" x=\"%.0f\" y=\"20\"", middle);
    draw_label(d, d->plot->title, where);
    (void)snprintf(where, sizeof where, "text-anchor=\"middle\" x=\"%.0f\" y=\"%.0f\"", middle, TOP + d->height + 36.0);
    draw_label(d, d->plot->x_label, where);
    (void)snprintf(where, sizeof where, "text-anchor=\"middle\" transform=\"translate(16 %.0f) rotate(-90)\"", centre);
    draw_label(d, d->plot->y_label, where);
}

static void move_to(drawing *d, char command, double x, double y)
{
    add(&d->out, "%c", command);
    add_coordinate(&d->out, to_x(d, x));
    add(&d->out, " ");
    add_coordinate(&d->out, to_y(d, y));
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
        add(&d->out, "m-2 0h4");
    return end;
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
            add(&d->out, "<path class=\"c\" stroke=\"%s\" d=\"", colours[k]);
        any = true;
        i = draw_run(d, c, i, (double)c->n > 2.0 * d->width);
    }
    if (any)
        add(&d->out, "\"/>\n");
}

static void draw_legend(drawing *d)
{
    double y = TOP + 16.0, x = LEFT + d->width - 10.0;
    for (size_t k = 0; k < d->plot->n_curves; k++) {
        const char *name = d->plot->curves[k].name;
        if (name == NULL || name[0] == '\0')
            continue;
        add(&d->out, "<text class=\"n\" text-anchor=\"end\" x=\"%.0f\" y=\"%.0f\" style=\"fill:%s\">", x, y,
            colours[k]);
        add_escaped(&d->out, name);
        add(&d->out, "</text>\n");
        y += 15.0;
    }
}

static void draw(drawing *d)
{
    double W = d->width + LEFT + RIGHT, H = d->height + TOP + BOTTOM;
    add(&d->out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\">\n<style>"
        "text{font:12px "
        "sans-serif;fill:#333}.t{font-size:14px;font-weight:bold}.n{font-size:11px}.g{stroke:#ddd;fill:none}"
        ".c{fill:none;stroke-width:1.6;stroke-linejoin:round;stroke-linecap:round}</style>\n",
        W, H, W, H);
    add(&d->out, "<rect width=\"%.0f\" height=\"%.0f\" fill=\"#fff\"/>\n", W, H);
    draw_ticks(d);
    for (size_t k = 0; k < d->plot->n_curves; k++)
        draw_curve(d, k);
    add(&d->out, "<rect x=\"%d\" y=\"%d\" width=\"%.0f\" height=\"%.0f\" fill=\"none\" stroke=\"#888\"/>\n", LEFT, TOP,
        d->width, d->height);
    draw_labels(d);
    draw_legend(d);
    add(&d->out, "</svg>\n");
}

static bfn_status check(bfn_context *ctx, const bfn__plot *p)
{
    if (p->n_curves == 0 || p->n_curves > BFN__PLOT_MAX_CURVES)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "a plot of %zu curves, allowed: 1 to %d", p->n_curves,
                         BFN__PLOT_MAX_CURVES);
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
    drawing d = {.plot = plot, .out = {.ctx = ctx}, .y = {.log = plot->log_y}};
    d.width = (double)(plot->width > 0 ? plot->width : 720) - LEFT - RIGHT;
    d.height = (double)(plot->height > 0 ? plot->height : 420) - TOP - BOTTOM;
    find_ranges(&d);
    linear_axis(&d.x, fmax(2.0, d.width / 90.0), false);
    if (plot->log_y)
        log_axis(&d.y);
    else
        linear_axis(&d.y, fmax(2.0, d.height / 50.0), true);
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
