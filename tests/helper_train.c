/* helper_train.c: tiny trainings for tests. */
#include "helper_train.h"

#include "io/file.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char config_text[] =
    "data: {alphabet: text8, seq_len: 16}\n"
    "network: {n_layer: 1, n_head: 2, n_embd: 16}\n"
    "train: {batch: 4, accumulate: 2, steps: 20, warmup: 3, ema: 0.9, valid_every: 5, valid_batches: 2,\n"
    "        sample_every: 10, sample_n: 1, sample_nfe: 4, checkpoint_every: 7, log_every: 1}\n";

void path_in(const training *s, const char *name, char path[PATH_BYTES])
{
    snprintf(path, PATH_BYTES, "%s/%s", s->folder, name);
}

void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void on_log(void *user, const char *line)
{
    training *s = user;
    size_t used = strlen(s->log);
    snprintf(s->log + used, sizeof s->log - used, "%s\n", line);
}

int setup_train(void **p)
{
    training *s = calloc(1, sizeof *s);
    char text[20000] = "";
    size_t used = 0;
    for (unsigned i = 0; used + 40 < sizeof text; i = i * 1103515245u + 12345u)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s ",
                                 &"the quick brown fox jumps over a lazy dog"[i >> 16 & 31]);
    snprintf(s->folder, sizeof s->folder, "%s", "bfn-test-train-XXXXXX"); /* in the working folder */
    if (mkdtemp(s->folder) == NULL)
        return -1;
    path_in(s, "config.yaml", s->config);
    path_in(s, "data.txt", s->data);
    write_file(s->config, config_text);
    write_file(s->data, text);
    bfn_context_options o = BFN_CONTEXT_OPTIONS_INIT;
    o.log = on_log;
    o.log_user = s;
    o.n_threads = 2;
    *p = s;
    return bfn_context_create(&s->ctx, &o);
}

int teardown_train(void **p)
{
    training *s = *p;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", s->folder);
    bfn_context_destroy(s->ctx);
    int code = system(command);
    free(s);
    return code;
}

static int watch(void *user, const bfn_train_progress *p)
{
    watcher *w = user;
    if (w->last_step == 0 && w->spoil != NULL)
        mkdir(w->spoil, 0777);
    if (w->first_loss == 0.0)
        w->first_loss = p->loss;
    w->last_loss = p->loss;
    w->last_step = p->step;
    w->bound = p->valid_bound;
    if (isfinite(w->bound) && w->first_bound == 0.0)
        w->first_bound = w->bound;
    w->samples += p->sample != NULL;
    return w->stop_at != 0 && p->step >= w->stop_at;
}

bfn_status train(training *s, const char *run, watcher *w, int resume, const char *const *set, size_t n_set)
{
    char out[PATH_BYTES];
    path_in(s, run, out);
    bfn_train_options o = BFN_TRAIN_OPTIONS_INIT;
    o.config_path = resume ? NULL : s->config;
    o.data_path = s->data;
    o.out_dir = out;
    o.resume = resume;
    o.set = set;
    o.n_set = n_set;
    o.progress = w != NULL ? watch : NULL;
    o.user = w;
    return bfn_train(s->ctx, &o);
}

bool same_bytes(const training *s, const char *a, const char *b)
{
    char path[PATH_BYTES];
    bfn__bytes x, y;
    path_in(s, a, path);
    assert_int_equal(bfn__file_map(s->ctx, path, SIZE_MAX, &x), BFN_OK);
    path_in(s, b, path);
    assert_int_equal(bfn__file_map(s->ctx, path, SIZE_MAX, &y), BFN_OK);
    bool same = x.size == y.size && memcmp(x.data, y.data, x.size) == 0;
    bfn__file_unmap(s->ctx, &x);
    bfn__file_unmap(s->ctx, &y);
    return same;
}
