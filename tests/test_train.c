/* test_train.c: training: resuming exactly, divergence, a full disk, locks, what a resumed run may not change. */
#include "bfn/tensors.h"
#include "bfn/train.h"
#include "helper_io.h"
#include "helper_train.h"
#include "io/file.h"
#include "io/safetensors.h"
#include "train/trainer.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static size_t count_lines(const training *s, const char *name)
{
    char path[PATH_BYTES];
    path_in(s, name, path);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t n = 0;
    for (int c; (c = getc(f)) != EOF;)
        n += c == '\n';
    fclose(f);
    return n;
}

static void append_line(const training *s, const char *name, const char *line)
{
    char path[PATH_BYTES];
    path_in(s, name, path);
    FILE *f = fopen(path, "a");
    assert_non_null(f);
    fprintf(f, "%s\n", line);
    assert_int_equal(fclose(f), 0);
}

static void get_info(training *s, const char *name, int raw, bfn_model_info *info)
{
    char path[PATH_BYTES];
    bfn_model *model;
    bfn_model_options o = BFN_MODEL_OPTIONS_INIT;
    path_in(s, name, path);
    o.raw_weights = raw;
    assert_int_equal(bfn_model_load(s->ctx, &model, path, &o), BFN_OK);
    bfn_model_get_info(model, info);
    bfn_model_destroy(model); /* its numbers stay, its strings do not */
}

static void test_resume_is_exact(void **p)
{
    training *s = *p;
    watcher whole = {0}, half = {.stop_at = 10}, rest = {0};
    assert_int_equal(train(s, "a", &whole, 0, NULL, 0), BFN_OK);
    assert_int_equal(whole.last_step, 20);
    assert_int_equal(whole.samples, 2);
    assert_true(isfinite(whole.bound));
    assert_int_equal(train(s, "b", &half, 0, NULL, 0), BFN_CANCELLED);
    assert_int_equal(half.last_step, 10);
    assert_false(same_bytes(s, "a/last.safetensors", "b/last.safetensors"));
    append_line(s, "b/log.jsonl",
                "{\"step\":11,\"loss\":1}"); /* as a run that was killed after its checkpoint leaves it */
    append_line(s, "b/samples.txt", "# step 12");
    assert_int_equal(train(s, "b", &rest, 1, NULL, 0), BFN_OK);
    assert_true(same_bytes(s, "a/last.safetensors", "b/last.safetensors"));
    assert_true(same_bytes(s, "a/best.safetensors", "b/best.safetensors"));
    assert_true(same_bytes(s, "a/samples.txt", "b/samples.txt"));
    assert_int_equal(count_lines(s, "a/log.jsonl"), 20);
    assert_int_equal(count_lines(s, "b/log.jsonl"), 20);
}

/* Dropout acts in training alone, on masks that a resumed run repeats: the first validation of untouched weights (rate 0) is that of
 * the network without dropout, the losses are not. */
static void test_dropout(void **p)
{
    training *s = *p;
    const char *still[] = {"train.lr=0", "network.dropout=0.5"}, *learning[] = {"network.dropout=0.5"};
    watcher without = {0}, with = {0}, half = {.stop_at = 10}, whole = {0}, rest = {0};
    assert_int_equal(train(s, "a", &without, 0, still, 1), BFN_OK);
    assert_int_equal(train(s, "b", &with, 0, still, 2), BFN_OK);
    assert_true(with.first_loss != without.first_loss);
    assert_true(with.first_bound == without.first_bound);
    assert_int_equal(train(s, "c", &whole, 0, learning, 1), BFN_OK);
    assert_int_equal(train(s, "d", &half, 0, learning, 1), BFN_CANCELLED);
    assert_int_equal(train(s, "d", &rest, 1, NULL, 0), BFN_OK);
    assert_true(same_bytes(s, "c/last.safetensors", "d/last.safetensors"));
}

/* The text repeats a few words, so even a tiny network gets far in a few hundred steps. */
static void test_learning(void **p)
{
    training *s = *p;
    const char *set[] = {"train.steps=300", "train.lr=0.01", "train.valid_every=50", "train.sample_every=0",
                         "train.checkpoint_every=0"};
    watcher w = {0};
    assert_int_equal(train(s, "a", &w, 0, set, 5), BFN_OK);
    assert_true(w.bound < 0.75 * w.first_bound);
    assert_true(w.last_loss < 0.6 * w.first_loss);
    assert_int_equal(w.samples, 0);
    bfn_model_info last, best;
    get_info(s, "a/last.safetensors", 0, &last);
    get_info(s, "a/best.safetensors", 0, &best);
    assert_true(last.valid_bound == w.bound && last.best_bound <= last.valid_bound);
    assert_true(best.valid_bound == last.best_bound);
    assert_int_equal(last.step, 300);
}

static void test_resume_refuses_differences(void **p)
{
    training *s = *p;
    watcher half = {.stop_at = 10};
    const char *lr[] = {"train.lr=0.5"}, *width[] = {"network.n_embd=32"}, *longer[] = {"train.steps=21"};
    const char *objective[] = {"train.loss=cross_entropy"};
    assert_int_equal(train(s, "a", &half, 0, NULL, 0), BFN_CANCELLED);
    assert_int_equal(train(s, "a", NULL, 1, lr, 1), BFN_ERR_ARGUMENT);
    assert_non_null(strstr(bfn_errmsg(s->ctx), "train.lr: the run was started with 0.001, found 0.5"));
    assert_int_equal(train(s, "a", NULL, 1, width, 1), BFN_ERR_ARGUMENT);
    assert_non_null(strstr(bfn_errmsg(s->ctx), "network.n_embd"));
    assert_int_equal(train(s, "a", NULL, 0, NULL, 0), BFN_ERR_ARGUMENT);
    assert_non_null(strstr(bfn_errmsg(s->ctx), "holds a training already"));
    assert_int_equal(train(s, "missing", NULL, 1, NULL, 0), BFN_ERR_NOT_FOUND);
    char old[PATH_BYTES];
    path_in(s, "old.txt", old);
    assert_int_equal(rename(s->data, old), 0);
    write_file(
        s->data,
        "another text that is long enough to be cut into some windows of sixteen characters each, more or less, "
        "with some for validation and some for the test as well, so here are a few more words to reach that length "
        "and beyond it by far, because five hundredths of the text have to hold a window of sixteen characters too, "
        "which needs more than three hundred and twenty characters in all");
    assert_int_equal(train(s, "a", NULL, 1, NULL, 0), BFN_ERR_ARGUMENT);
    assert_non_null(strstr(bfn_errmsg(s->ctx), "sha256"));
    assert_int_equal(rename(old, s->data), 0);
    watcher other = {.stop_at = 12}, same = {.stop_at = 12};
    assert_int_equal(train(s, "a", &other, 1, objective, 1), BFN_CANCELLED); /* fine-tuning on the other objective */
    assert_int_equal(train(s, "b", &same, 0, NULL, 0), BFN_CANCELLED);
    assert_true(other.last_loss != same.last_loss);
    assert_int_equal(train(s, "a", NULL, 1, longer, 1), BFN_OK);
}

/* Whatever makes it another network or other data is refused by its name, and the folder stays as it was. */
static void test_resume_refuses_other_networks(void **p)
{
    static const struct {
        const char *set[3];
        size_t n;
        const char *words;
    } others[] = {
        {{"network.n_layer=2"}, 1, "network.n_layer: the run was started with 1, found 2"},
        {{"network.n_head=4"}, 1, "network.n_head: the run was started with 2, found 4"},
        {{"network.n_embd=32"}, 1, "network.n_embd: the run was started with 16, found 32"},
        {{"network.skip=0"}, 1, "network.skip: the run was started with 1, found 0"},
        {{"network.bias=0"}, 1, "network.bias: the run was started with 1, found 0"},
        {{"network.dropout=0.5"}, 1, "network.dropout: the run was started with 0, found 0.5"},
        {{"network.vocab_size=30"}, 1, "network.vocab_size: found 30, the number of classes is 27"},
        {{"network.class=unet_vdm"}, 1, "network.class: the run was started with gpt, found unet_vdm"},
        {{"data.alphabet=chars"}, 1, "data.alphabet: the run was started with text8, found chars"},
        {{"data.seq_len=8"}, 1, "data.seq_len: the run was started with 16, found 8"},
        {{"data.fractions=0.8,0.1,0.1"}, 1, "data.fractions: the run was started with [0.9, 0.05, 0.05]"},
        {{"flow.n_classes=30"}, 1, "flow.n_classes: the run was started with 27, found 30"},
        {{"flow.max_sqrt_beta=1"}, 1, "flow.max_sqrt_beta: the run was started with 0.75, found 1"},
        {{"flow.kind=continuous"}, 1, "flow.kind: the run was started with discrete, found continuous"},
        {{"data.kind=image"}, 1, "data.kind: the run was started with text, found image"},
        {{"data.kind=image", "network.class=unet_vdm", "flow.kind=continuous"},
         3,
         "data.kind: the run was started with text, found image"},
    };
    training *s = *p;
    watcher half = {.stop_at = 4};
    char path[PATH_BYTES], command[3 * PATH_BYTES];
    assert_int_equal(train(s, "a", &half, 0, NULL, 0), BFN_CANCELLED);
    path_in(s, "a", path);
    snprintf(command, sizeof command, "cp -r %s %s.before", path, path);
    assert_int_equal(system(command), 0);
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        bfn_status status = train(s, "a", NULL, 1, others[i].set, others[i].n);
        if (status != BFN_ERR_ARGUMENT || strstr(bfn_errmsg(s->ctx), others[i].words) == NULL)
            fail_msg("%s: status %d, %s", others[i].set[0], (int)status, bfn_errmsg(s->ctx));
    }
    snprintf(command, sizeof command, "diff -r %s %s.before", path, path);
    assert_int_equal(system(command), 0);
}

/* A checkpoint that was rounded is no state of that run: it may be sampled from, not trained on. */
static void test_resume_refuses_rounded_numbers(void **p)
{
    training *s = *p;
    watcher half = {.stop_at = 4};
    char path[2][PATH_BYTES];
    static const bfn_numbers numbers[] = {BFN_NUMBERS_BF16, BFN_NUMBERS_F16};
    static const char *const words[] = {"\" is BF16, a training goes on from F32",
                                        "\" is F16, a training goes on from F32"};
    assert_int_equal(train(s, "a", &half, 0, NULL, 0), BFN_CANCELLED);
    path_in(s, "a/last.safetensors", path[0]);
    path_in(s, "whole", path[1]);
    assert_int_equal(rename(path[0], path[1]), 0);
    for (size_t i = 0; i < 2; i++) {
        bfn_convert_options o = BFN_CONVERT_OPTIONS_INIT;
        o.numbers = numbers[i];
        assert_int_equal(bfn_convert(s->ctx, path[1], path[0], &o), BFN_OK);
        assert_int_equal(train(s, "a", NULL, 1, NULL, 0), BFN_ERR_INPUT);
        assert_non_null(strstr(bfn_errmsg(s->ctx), words[i]));
        assert_non_null(strstr(bfn_errmsg(s->ctx), "a/last.safetensors"));
    }
    assert_int_equal(rename(path[1], path[0]), 0);
    assert_int_equal(train(s, "a", NULL, 1, NULL, 0), BFN_OK);
}

static void test_divergence(void **p)
{
    training *s = *p;
    const char *set[] = {"train.lr=1e6",          "train.warmup=0",  "train.schedule=constant",
                         "train.max_bad_steps=5", "train.steps=500", "train.checkpoint_every=1"};
    assert_int_equal(train(s, "a", NULL, 0, set, 6), BFN_ERR_DIVERGED);
    assert_non_null(strstr(bfn_errmsg(s->ctx), "5 steps in a row"));
    assert_non_null(strstr(s->log, "the step is skipped"));
    /* The checkpoint that stands is one of finite numbers, its average too, from before the numbers went wrong. */
    bfn_model_info info;
    for (int raw = 0; raw < 2; raw++)
        get_info(s, "a/last.safetensors", raw, &info);
    char path[PATH_BYTES];
    bfn__safetensors *st;
    path_in(s, "a/last.safetensors", path);
    assert_int_equal(bfn__safetensors_open(s->ctx, &st, path), BFN_OK);
    assert_non_null(strstr(bfn__safetensors_metadata(st, "bfn.train"), "\"bad_in_row\":0,"));
    bfn__safetensors_close(st);
}

/* last.safetensors cannot be replaced (it became a folder): warnings on the way, an error at the end; best.safetensors is fine. */
static void test_unwritable_checkpoint(void **p)
{
    training *s = *p;
    char spoil[PATH_BYTES];
    path_in(s, "a/last.safetensors", spoil);
    watcher w = {.spoil = spoil};
    assert_int_equal(train(s, "a", &w, 0, NULL, 0), BFN_ERR_WRITE);
    assert_int_equal(w.last_step, 20);
    assert_non_null(strstr(s->log, "warning: step 7: no checkpoint"));
    assert_non_null(strstr(s->log, "warning: step 14: no checkpoint"));
}

/* A limit on the size of files stands for the full disk: writes fail with EFBIG in the middle. */
static void test_full_disk(void **p)
{
    training *s = *p;
    char path[PATH_BYTES], command[4 * PATH_BYTES];
    watcher half = {.stop_at = 8};
    assert_int_equal(train(s, "a", &half, 0, NULL, 0), BFN_CANCELLED);
    path_in(s, "a", path);
    snprintf(command, sizeof command, "cp %s/last.safetensors %s/kept.safetensors", path, path);
    assert_int_equal(system(command), 0);
    struct rlimit before, tight;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    tight = before;
    tight.rlim_cur = 20000;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    bfn_status status = train(s, "a", NULL, 1, NULL, 0);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(status, BFN_ERR_WRITE);
    assert_non_null(strstr(s->log, "no checkpoint"));
    assert_true(same_bytes(s, "a/last.safetensors", "a/kept.safetensors"));
    snprintf(command, sizeof command, "! ls -A %s | grep -q tmp-", path); /* no temporary file is left */
    assert_int_equal(system(command), 0);
    assert_int_equal(train(s, "a", NULL, 1, NULL, 0), BFN_OK); /* there is room again: it goes on from the old one */
}

static int nested(void *user, const bfn_train_progress *p)
{
    training *s = user;
    bfn_context *other;
    bfn_train_options o = BFN_TRAIN_OPTIONS_INIT;
    char out[PATH_BYTES];
    path_in(s, "a", out);
    o.config_path = s->config;
    o.data_path = s->data;
    o.out_dir = out;
    assert_int_equal(bfn_context_create(&other, NULL), BFN_OK);
    assert_int_equal(bfn_train(other, &o), BFN_ERR_ARGUMENT);
    assert_non_null(strstr(bfn_errmsg(other), "another training"));
    bfn_context_destroy(other);
    return p->step == 2;
}

static void test_lock(void **p)
{
    training *s = *p;
    char out[PATH_BYTES];
    path_in(s, "a", out);
    bfn_train_options o = BFN_TRAIN_OPTIONS_INIT;
    o.config_path = s->config;
    o.data_path = s->data;
    o.out_dir = out;
    o.progress = nested;
    o.user = s;
    assert_int_equal(bfn_train(s->ctx, &o), BFN_CANCELLED);
    assert_int_equal(train(s, "a", NULL, 1, NULL, 0), BFN_OK); /* the lock file that is left is no lock */
}

static void test_keep(void **p)
{
    training *s = *p;
    char path[PATH_BYTES];
    const char *set[] = {"train.keep=3", "train.checkpoint_every=3", "train.valid_every=0"};
    assert_int_equal(train(s, "a", NULL, 0, set, 3), BFN_OK);
    static const int kept[] = {15, 18}, gone[] = {3, 6, 9, 12};
    for (size_t i = 0; i < 2; i++) {
        char name[64];
        snprintf(name, sizeof name, "a/step-%09d.safetensors", kept[i]);
        path_in(s, name, path);
        assert_int_equal(access(path, F_OK), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        char name[64];
        snprintf(name, sizeof name, "a/step-%09d.safetensors", gone[i]);
        path_in(s, name, path);
        assert_int_not_equal(access(path, F_OK), 0);
    }
    /* The newest is damaged: the one before it is taken. */
    path_in(s, "a/last.safetensors", path);
    assert_int_equal(truncate(path, 1000), 0);
    watcher w = {0};
    assert_int_equal(train(s, "a", &w, 1, NULL, 0), BFN_OK);
    assert_non_null(strstr(s->log, "step-000000018"));
    assert_int_equal(w.last_step, 20);
}

static bool is_there(const training *s, const char *name)
{
    char path[PATH_BYTES];
    path_in(s, name, path);
    return access(path, F_OK) == 0;
}

/* Of three that are to be kept beside the newest two, one is damaged: the run that goes on keeps it no place. */
static void test_damaged_files_do_not_count(void **p)
{
    training *s = *p;
    char path[PATH_BYTES];
    const char *set[] = {"train.keep=3", "train.checkpoint_every=3", "train.valid_every=0"};
    watcher half = {.stop_at = 13};
    assert_int_equal(train(s, "a", &half, 0, set, 3), BFN_CANCELLED); /* last: 13; kept: 9, 12 */
    path_in(s, "a/step-000000012.safetensors", path);
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, -3, SEEK_END), 0); /* in the numbers: only its checksum tells */
    int c = getc(f);
    assert_int_equal(fseek(f, -3, SEEK_END), 0);
    assert_int_equal(putc(c ^ 1, f), c ^ 1);
    assert_int_equal(fclose(f), 0);
    watcher rest = {.stop_at = 14};
    assert_int_equal(train(s, "a", &rest, 1, NULL, 0),
                     BFN_CANCELLED); /* last: 14; kept: 13 and, past the damaged 12, 9 */
    assert_true(is_there(s, "a/step-000000009.safetensors"));
    assert_true(is_there(s, "a/step-000000013.safetensors"));
    assert_non_null(strstr(s->log, "step-000000012.safetensors: the file is damaged"));
    assert_int_equal(train(s, "a", NULL, 1, NULL, 0), BFN_OK); /* last: 20; kept: 15 and 18 */
    assert_true(is_there(s, "a/step-000000015.safetensors"));
    assert_true(is_there(s, "a/step-000000018.safetensors"));
    for (int step = 9; step <= 13; step++) {
        char name[64];
        snprintf(name, sizeof name, "a/step-%09d.safetensors", step);
        assert_false(is_there(s, name));
    }
}

/* Without a word about it, a run whose newest checkpoint is damaged goes on from the one before. */
static void test_two_are_kept(void **p)
{
    training *s = *p;
    char path[PATH_BYTES];
    const char *set[] = {"train.valid_every=0"}; /* no best.safetensors to help */
    watcher w = {0};
    assert_int_equal(train(s, "a", NULL, 0, set, 1), BFN_OK);
    assert_int_equal(train(s, "whole", NULL, 0, set, 1), BFN_OK);
    assert_true(is_there(s, "a/step-000000014.safetensors"));
    assert_false(is_there(s, "a/step-000000007.safetensors"));
    path_in(s, "a/last.safetensors", path);
    assert_int_equal(truncate(path, 1000), 0);
    assert_int_equal(train(s, "a", &w, 1, NULL, 0), BFN_OK);
    assert_non_null(strstr(s->log, "going on from"));
    assert_int_equal(w.last_step, 20);
    assert_true(same_bytes(s, "a/last.safetensors", "whole/last.safetensors"));
}

static void test_bad_requests(void **p)
{
    training *s = *p;
    const char *unknown[] = {"train.lrr=1"}, *range[] = {"train.batch=0"}, *junk[] = {"train.steps=10x"},
               *bare[] = {"train.lr"};
    const char *heads[] = {"network.n_head=3"}, *option[] = {"network.n_heads=2"}, *nan_value[] = {"train.lr=nan"};
    static const char *const words[] = {"nearest is train.lr",
                                        "needs a whole number from 1",
                                        "\"10x\"",
                                        "section.key=value",
                                        "n_head",
                                        "n_head",
                                        "\"nan\""};
    const char *const *sets[] = {unknown, range, junk, bare, heads, option, nan_value};
    for (size_t i = 0; i < sizeof sets / sizeof sets[0]; i++) {
        assert_int_equal(train(s, "x", NULL, 0, sets[i], 1), BFN_ERR_ARGUMENT);
        assert_non_null(strstr(bfn_errmsg(s->ctx), words[i]));
    }
    char path[PATH_BYTES];
    path_in(s, "x", path);
    assert_int_not_equal(access(path, F_OK), 0); /* nothing was made */
}

/* Constants are those of the formulas: lr s/warmup, then lr (m + (1-m)(1 + cos(pi x))/2); ema min(decay, (1+n)/(10+n)). */
static void test_schedules(void **p)
{
    (void)p;
    bfn__config c;
    bfn__config_init(&c);
    c.train.lr = 2.0;
    c.train.warmup = 100;
    c.train.steps = 1100;
    c.train.min_lr_ratio = 0.1;
    c.train.ema = 0.9;
    assert_true(fabs(bfn__trainer_lr(&c, 1) - 0.02) < 1e-12);
    assert_true(fabs(bfn__trainer_lr(&c, 50) - 1.0) < 1e-12);
    assert_true(fabs(bfn__trainer_lr(&c, 100) - 2.0) < 1e-12);
    assert_true(fabs(bfn__trainer_lr(&c, 600) - 1.1) < 1e-6);
    assert_true(fabs(bfn__trainer_lr(&c, 1100) - 0.2) < 1e-6);
    c.train.schedule = BFN__SCHEDULE_CONSTANT;
    assert_true(fabs(bfn__trainer_lr(&c, 1100) - 2.0) < 1e-12);
    c.train.warmup = 0;
    assert_true(fabs(bfn__trainer_lr(&c, 1) - 2.0) < 1e-12);
    assert_true(fabs(bfn__trainer_ema(&c, 1) - 2.0 / 11.0) < 1e-12);
    assert_true(fabs(bfn__trainer_ema(&c, 1000) - 0.9) < 1e-12);
    double sum = 0.0, squares = 0.0;
    for (uint64_t step = 0; step < 1000; step++) {
        double u = bfn__trainer_time_offset(&c, step);
        assert_true(u > 0.0 && u < 1.0);
        sum += u;
        squares += u * u;
    }
    assert_true(fabs(sum / 1000.0 - 0.5) < 0.03); /* uniform: mean 1/2 and second moment 1/3, three standard errors */
    assert_true(fabs(squares / 1000.0 - 1.0 / 3.0) < 0.03);
}

static int check_time(void *user, const bfn_train_progress *p)
{
    const bfn__config *c = user;
    double t = bfn__trainer_time_offset(c, p->step - 1);
    double uniform = 27.0 * 0.75 * 0.75 * (26.0 / 27.0) * t; /* K beta t |e_x - p|^2 for p = 1/K */
    if (!(fabs(p->loss / uniform - 1.0) < 0.1))
        fail_msg("step %d: loss %g, about %g is expected at t = %g", (int)p->step, p->loss, uniform, t);
    return 0;
}

/* Every step has a time of its own, that of its number: with one sequence a step and a network that learns nothing and knows nothing yet,
 * the loss is that of the uniform prediction, which is proportional to t. */
static void test_times(void **p)
{
    training *s = *p;
    char out[PATH_BYTES];
    const char *set[] = {"train.batch=1", "train.accumulate=1", "train.lr=0", "train.valid_every=0", "train.seed=5"};
    bfn__config c;
    bfn__config_init(&c);
    c.train.seed = 5;
    path_in(s, "run", out);
    bfn_train_options o = BFN_TRAIN_OPTIONS_INIT;
    o.config_path = s->config;
    o.data_path = s->data;
    o.out_dir = out;
    o.set = set;
    o.n_set = sizeof set / sizeof set[0];
    o.progress = check_time;
    o.user = &c;
    assert_int_equal(bfn_train(s->ctx, &o), BFN_OK);
}

static bfn_status prepare(bfn_context *ctx, void *arg)
{
    const training *s = arg;
    bfn_train_options o = BFN_TRAIN_OPTIONS_INIT;
    o.config_path = s->config;
    o.data_path = s->data;
    o.dry_run = 1;
    return bfn_train(ctx, &o);
}

static void test_out_of_memory(void **p)
{
    assert_true(each_allocation(prepare, *p, BFN_OK) > 40);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_train, teardown_train)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_schedules),
        TEST(test_out_of_memory),
        TEST(test_times),
        TEST(test_learning),
        TEST(test_resume_is_exact),
        TEST(test_dropout),
        TEST(test_resume_refuses_differences),
        TEST(test_resume_refuses_other_networks),
        TEST(test_resume_refuses_rounded_numbers),
        TEST(test_divergence),
        TEST(test_unwritable_checkpoint),
        TEST(test_full_disk),
        TEST(test_lock),
        TEST(test_keep),
        TEST(test_damaged_files_do_not_count),
        TEST(test_two_are_kept),
        TEST(test_bad_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
