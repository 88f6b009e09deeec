/* helper_train.h: what tests of training share: a folder with a configuration of a tiny network and a text, runs of it, what they report. */
#ifndef HELPER_TRAIN_H
#define HELPER_TRAIN_H

#include "bfn/train.h"

#include <stdbool.h>

enum { PATH_BYTES = 160 };

typedef struct training {
    bfn_context *ctx;
    char folder[64], config[PATH_BYTES], data[PATH_BYTES];
    char log[4096]; /* the newest lines */
} training;

/* Stop after a step; remember what was reported. */
typedef struct watcher {
    uint64_t stop_at, last_step, samples;
    double first_loss, last_loss, first_bound, bound;
    const char *spoil; /* made a folder when the first step ends: its file cannot be written any more */
} watcher;

/* For cmocka: *p is a training. */
int setup_train(void **p);
int teardown_train(void **p);

void path_in(const training *s, const char *name, char path[PATH_BYTES]);
void write_file(const char *path, const char *text);
/* A run in the folder `run`: new, or resumed with the stored configuration. w may be NULL. */
bfn_status train(training *s, const char *run, watcher *w, int resume, const char *const *set, size_t n_set);
bool same_bytes(const training *s, const char *a, const char *b);

#endif
