/* progress.h: how far a long run is: a bar on a terminal, plain lines elsewhere. All on standard error. */
#ifndef BFN_CLI_PROGRESS_H
#define BFN_CLI_PROGRESS_H

#include "bfn/train.h"
#include "cli.h"

typedef struct cli_progress {
    bool terminal, colour;
    bool drawn;        /* a bar stands on the last line */
    double last;       /* when something was shown */
    double loss;       /* smoothed; NaN at first */
    double interval;   /* seconds between plain lines */
    double valid_seen; /* the newest bound that was announced */
} cli_progress;

enum { CLI_PROGRESS_PARTS = 5, CLI_PROGRESS_BYTES = 48 };

/* What stands on the line: a bar filled to `part`, and texts from left to right; "" is left out. */
typedef struct cli_progress_view {
    double part; /* 0..1 */
    char texts[CLI_PROGRESS_PARTS][CLI_PROGRESS_BYTES];
    size_t order[CLI_PROGRESS_PARTS]; /* the most wanted text first: the others go when the terminal is narrow */
} cli_progress_view;

void cli_progress_init(cli_progress *p, double interval);
/* Redraw, at most ten times a second; off a terminal a line every `interval` seconds. last: whatever the time. */
void cli_progress_show(cli_progress *p, const cli_progress_view *view, bool last);
/* Of a training. */
void cli_progress_step(cli_progress *p, const bfn_train_progress *step);
/* A line of its own, above the bar. */
void cli_progress_line(cli_progress *p, const char *line);
/* Leave the bar where it is and go to the next line. */
void cli_progress_end(cli_progress *p);

#endif
