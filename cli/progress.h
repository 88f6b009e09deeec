/* progress.h: the training's display: a bar on a terminal, plain lines elsewhere. All on standard error. */
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

void cli_progress_init(cli_progress *p, double interval);
void cli_progress_step(cli_progress *p, const bfn_train_progress *step);
/* A line of its own, above the bar. */
void cli_progress_line(cli_progress *p, const char *line);
/* Leave the bar where it is and go to the next line. */
void cli_progress_end(cli_progress *p);

#endif
