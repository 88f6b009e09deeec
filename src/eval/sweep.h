/* sweep.h: what the files of a sweep share: its cells (sweep.c, sweep_cell.c), its metrics (metrics.c), what is written (sweep_results.c,
 * report.c). */
#ifndef BFN_EVAL_SWEEP_H
#define BFN_EVAL_SWEEP_H

#include "base/base.h"
#include "bfn/record.h"
#include "bfn/sweep.h"
#include "io/journal.h"
#include "io/sha256.h"

enum { BFN__MAX_METRICS = 4, BFN__MAX_VALUES = 16, BFN__MAX_SHOWN = 64 };

/* One number that a metric gives. */
typedef struct bfn__value_kind {
    const char *name;  /* column of results.csv */
    const char *title; /* in the report */
    const char *unit;  /* "%": shown 100 times as large; "" */
    bool has_error;
    int better;   /* 1: larger is better, -1: smaller, 0: neither */
    bool plotted; /* a plot of its own in the report */
} bfn__value_kind;

typedef struct bfn__value {
    double value, error; /* error: one standard error; NaN: not known */
} bfn__value;

/* The samples of a cell, in the forms that metrics want. */
typedef struct bfn__sample_set {
    size_t n;
    const int32_t *indices;   /* text: [n,D] */
    const char *const *texts; /* text */
    const uint8_t *pixels;    /* images: [n,H,W,C] */
} bfn__sample_set;

typedef struct bfn__sweep bfn__sweep;

typedef struct bfn__metric {
    const char *name, *text;
    bool images;                     /* is for images, else for text */
    bool needs_data, needs_features; /* of the sweep's options. What is not named is measured when these are there */
    const bfn__value_kind *values;
    size_t n_values;
    /* Opens what it needs, and adds to sweep->header what its numbers depend on (checksums). */
    bfn_status (*open)(bfn__sweep *sweep, void **state);
    bfn_status (*measure)(void *state, const bfn__sample_set *set, bfn__value *values);
    void (*close)(void *state);
    void (*label)(void *state,
                  bfn__value_kind *values); /* other words for its values, by what was opened; NULL: none */
} bfn__metric;

double bfn__value_scale(const bfn__value_kind *kind); /* from the number to what is shown: 100 for "%" */
const bfn__metric *bfn__metric_at(size_t i);          /* NULL behind the last */
const bfn__metric *bfn__metric_find(const char *name);

typedef struct bfn__cell {
    const bfn_sweep_cell *asked;
    bfn_record *settings; /* resolved: method ... clip, seed */
    char key[BFN__SHA256_HEX];
    size_t evaluations;
    bool done;
    double seconds;
    bfn__value values[BFN__MAX_VALUES];
    char *texts[BFN__MAX_SHOWN]; /* first samples of a text model */
    size_t n_texts;
    char *strip; /* first samples of an image model: a PNG in base64 */
    size_t strip_width, strip_height;
} bfn__cell;

struct bfn__sweep {
    bfn_context *ctx;
    bfn_model *model;
    bfn_model_info info;
    const bfn_sweep_options *options;
    size_t n, batch, n_shown;
    bfn_record *header; /* what all cells have in common */
    const bfn__metric *metrics[BFN__MAX_METRICS];
    void *states[BFN__MAX_METRICS];
    size_t n_metrics;
    bfn__value_kind values[BFN__MAX_VALUES]; /* of all metrics, in order */
    size_t n_values;
    bfn__cell *cells;
    size_t n_cells, n_found, n_done;
    bfn__journal *journal;
    void *samples;                /* [n,D] */
    uint8_t *pixels;              /* images [n,D] */
    char *text;                   /* text [n][4 D + 1] */
    const char **strings;         /* [n] */
    double work, finished, spent; /* evaluations in all cells to be run, in finished ones, seconds for those */
    size_t running;               /* cell in work */
};

/* ---- sweep_cell.c: a cell as text ---- */
/* Settings and key of cell i. */
bfn_status bfn__cell_describe(bfn__sweep *sweep, bfn__cell *cell);
/* Does this setting not tell them apart? A start differs from none where a sampler begins at t = 0: every initial state is the same there. */
bool bfn__same_setting(const bfn__cell *a, const bfn__cell *b, const char *key);
/* The line of a finished cell, by free(). NULL: out of memory. */
char *bfn__cell_write(const bfn__sweep *sweep, const bfn__cell *cell);
/* A line of the journal into the cell that it belongs to; lines of cells that were not asked for are passed over. */
bfn_status bfn__cell_read(bfn__sweep *sweep, const char *line, size_t number);
void bfn__cell_free(bfn_context *ctx, bfn__cell *cell);
/* First line of the journal. */
char *bfn__header_write(const bfn__sweep *sweep);
bfn_status bfn__header_check(const bfn__sweep *sweep, const char *line);

/* ---- sweep_results.c ---- */
bfn_status bfn__results_write(const bfn__sweep *sweep);
/* A sampler: cells that differ in nothing but the seed, and their mean. */
typedef struct bfn__point {
    const bfn__cell *cell; /* the first of them */
    size_t n_seeds;
    double seconds; /* mean */
    bfn__value values[BFN__MAX_VALUES];
} bfn__point;
/* Equal in all that has an influence but the seed. */
bool bfn__same_sampler(const bfn__cell *a, const bfn__cell *b);
/* In the order of the cells; finished cells only. *points by bfn__free. */
bfn_status bfn__points_make(const bfn__sweep *sweep, bfn__point **points, size_t *n);

#endif
