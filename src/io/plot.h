/* plot.h: curves as a small SVG picture: losses of a run, refreshed as it trains; scores of samplers, inside a page of HTML. */
#ifndef BFN_PLOT_H
#define BFN_PLOT_H

#include "base/base.h"

typedef struct bfn__curve {
    const char *name; /* NULL or "": not in the legend */
    size_t n;
    const double *x,
        *y; /* x not falling. Points that are not finite (or not above 0 on a log axis) interrupt the line */
    const double *low, *high; /* a band around the line, drawn where both can be; NULL: none */
    int mark;                 /* points are marked: 1 circle, 2 square, 3 triangle, 4 diamond; 0: not */
    const char *style;        /* of a plot in a page: CSS classes of the curve */
    const char *label;        /* of a plot in a page: at the right of its last point; NULL: none */
} bfn__curve;

/* A line across a plot in a page. One that would more than double the axis stands as a label with an arrow at its edge. */
typedef struct bfn__plot_level {
    double y;
    const char *style; /* CSS classes */
    const char *label; /* at its right end; NULL: none */
} bfn__plot_level;

enum { BFN__PLOT_MAX_CURVES = 8, BFN__PLOT_MAX_LEVELS = 2 };

typedef struct bfn__plot {
    const char *title, *x_label, *y_label; /* UTF-8; NULL: none */
    bool log_x, log_y;
    const double *x_ticks;         /* where x has its marks; NULL: at round numbers */
    size_t n_x_ticks;              /* at most 24 */
    double y_low, y_high;          /* the y axis holds these, too; equal: nothing more than the data */
    const bfn__plot_level *levels; /* in a page */
    size_t n_levels;               /* at most 2 */
    /* Part of a page of HTML: no sizes, title, legend, fonts or colours of its own, the page styles the classes plot, g (grid), a (axis), n
     * (number), l (label), c (curve), b (band), w (error of a lone point), m (mark), v (level), e (label at the end of a line), r (from a line to its label). Marks have tooltips. */
    bool page;
    size_t width, height; /* pixels; 0: 720 x 420; 160 to 10000 */
    size_t n_curves;      /* 1 to 8 */
    const bfn__curve *curves;
} bfn__plot;

/* Curves of more points than pixels are drawn as the span of each pixel column, so that the file stays small and no peak is lost. Without a
 * single point the axes stand alone. Numbers do not depend on the locale; the same plot gives the same bytes. *svg ends with NUL, by bfn__free. */
bfn_status bfn__plot_svg(bfn_context *ctx, const bfn__plot *plot, char **svg, size_t *n);
/* Do the labels of lines fit? They may take two fifths of the width; where they need more, none is drawn and the page has to have a legend. */
bool bfn__plot_labels_fit(const bfn__plot *plot);
/* Atomically (file.h). */
bfn_status bfn__plot_save(bfn_context *ctx, const char *path, const bfn__plot *plot);

#endif
