/* bfn/sweep.h: a table of samplers run on one model, scored, and written down: what the figures of arXiv 2404.15766 are made of.
 *
 * A cell is a sampler and a seed. Each is sampled, timed and scored once; its line goes to OUT/cells.jsonl and to disk before the next cell
 * begins, so a sweep that was killed goes on where it was. From the lines come
 *   results.csv    a row a cell: settings, scores with standard errors, what made them. The same whenever and however often it was stopped
 *   times.csv      seconds of each cell's sampling
 *   results.json   all of it, the mean over seeds for each sampler, and at how many evaluations it equals the original one
 *   report.html    plots, tables, samples and settings in one file
 */
#ifndef BFN_SWEEP_H
#define BFN_SWEEP_H

#include "bfn/eval.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bfn_sweep_cell {
    bfn_solver_options solver; /* n_evaluations or n_steps set */
    bfn_clip clip;             /* continuous data */
    uint64_t seed;
} bfn_sweep_cell;

typedef struct bfn_sweep_progress {
    size_t cell, n_cells;   /* cells that are finished */
    double part;            /* of the whole work, 0..1 */
    double seconds_left;    /* NaN: not known yet */
    const char *method;     /* of the cell in work; NULL between cells */
    size_t evaluations;     /* ... its network evaluations */
    const char *value_name; /* a cell was finished just now: its first score; NULL */
    double value, error;
    const char *unit; /* of these: "%" */
} bfn_sweep_progress;

/* A number of evaluations of the original sampler, and its score there. */
typedef struct bfn_sweep_level {
    size_t evaluations;
    double score, error; /* error: one standard error; NaN: not known */
} bfn_sweep_level;

typedef struct bfn_sweep_equal {
    size_t
        evaluations; /* the fewest that were run whose score is not worse than the level's by more than one standard error of the
                           difference; 0: none */
    int fewest;   /* non-zero: nothing less was run, so less may do */
    double saved; /* evaluations of the level / these; NaN: none */
    double score, error;
} bfn_sweep_equal;

/* At how many network evaluations each sampler equals the original one, by one score. */
typedef struct bfn_sweep_table {
    const char *name, *title, *unit; /* of the score; unit "%": it is shown 100 times as large */
    int better;                      /* 1: larger is better, -1: smaller */
    int plotted;                     /* non-zero: one of the scores that the report is about */
    const char *reference;           /* the sampler that the others are compared with */
    int published;                   /* non-zero: that is the original sampler as it was published */
    size_t n_levels;
    const bfn_sweep_level *levels;
    size_t n_samplers;
    const char *const *samplers;  /* the others: "ode2m + corrector, grid logsnr" */
    const bfn_sweep_equal *cells; /* [n_samplers, n_levels] */
} bfn_sweep_table;

typedef struct bfn_sweep_options {
    size_t struct_size;
    const char *out_dir; /* made when it is not there */
    const bfn_sweep_cell *cells;
    size_t n_cells;
    size_t n;       /* samples a cell; 0: 100 */
    uint64_t first; /* number of the first sample */
    size_t batch;   /* samples a network call; 0: 16 */
    size_t n_shown; /* samples a cell that the report shows, at most 64; 0: 8 pictures, 2 texts */
    const char
        *metrics; /* names separated by commas (bfn_sweep_metric_name); "none"; NULL: all whose needs are there */
    const char *dictionary; /* of the spelling accuracy; NULL: Debian's en_US */
    const char *data; /* what samples are compared with: a text, or pictures (a folder, IDX, CIFAR-10, .npz); NULL */
    const char *features;   /* feature network of the metric frechet; NULL */
    const char *title;      /* of the report; NULL: one is made from the model */
    const char *command;    /* how the sweep was asked for, shown in the report; NULL */
    const char *model_path; /* shown in the report; NULL */
    int (*progress)(void *user,
                    const bfn_sweep_progress *progress); /* may be NULL; non-zero return stops: BFN_CANCELLED */
    void *user;
    /* When the files are written: once for each score that has a better side, where a sampler `bfn` and another one are finished. What it points
     * to lives during the call. May be NULL. */
    void (*compared)(void *user, const bfn_sweep_table *table);
} bfn_sweep_options;

#define BFN_SWEEP_OPTIONS_INIT                                                                                         \
    {                                                                                                                  \
        sizeof(bfn_sweep_options), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                   \
    }

typedef struct bfn_sweep_summary {
    size_t n_cells; /* different ones: cells that come to the same are run once */
    size_t n_found; /* were there from an earlier run */
    size_t n_done;  /* are there now */
} bfn_sweep_summary;

/* Metrics by number, NULL behind the last: name, and a line on each. */
BFN_API const char *bfn_sweep_metric_name(size_t i);
BFN_API const char *bfn_sweep_metric_text(size_t i);

/* Runs the cells that OUT/cells.jsonl does not have. summary (may be NULL) is filled whatever happens. After BFN_CANCELLED the files show what
 * is finished. BFN_ERR_ARGUMENT: a cell that has no plan; a metric for another kind of model; a folder that holds a sweep of other settings
 * (the message names the one that differs); another process at work there. BFN_ERR_INPUT: a broken cells.jsonl. */
BFN_API BFN_MUST_CHECK bfn_status bfn_sweep(bfn_model *model, const bfn_sweep_options *options,
                                            bfn_sweep_summary *summary);

#ifdef __cplusplus
}
#endif
#endif
