/* test_checkpoint.c: what a run does when its folder was harmed: bits that flipped, halves of lines, links, files of a dead process, a disk that
 * is full for a while, memory that ends. test_killed.c has the program killed at every call. Usage: test-checkpoint [all] */
#include "helper_io.h"
#include "helper_train.h"
#include "io/file.h"
#include "train/trainer.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool all; /* every allocation, not every ninth */
static const char *const keep_three[] = {"train.keep=3", "train.checkpoint_every=3"};

static bool exists(const training *s, const char *name)
{
    char path[PATH_BYTES];
    struct stat info;
    path_in(s, name, path);
    return lstat(path, &info) == 0;
}

static void flip(const training *s, const char *name, long at)
{
    char path[PATH_BYTES];
    path_in(s, name, path);
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, at, at < 0 ? SEEK_END : SEEK_SET), 0);
    int c = getc(f);
    assert_int_not_equal(c, EOF);
    assert_int_equal(fseek(f, at, at < 0 ? SEEK_END : SEEK_SET), 0);
    assert_int_equal(putc(c ^ 16, f), c ^ 16);
    assert_int_equal(fclose(f), 0);
}

/* ---- damage ---- */

static bool is_whole(bfn_context *ctx, const void *bytes, size_t n)
{
    bfn__safetensors *st;
    if (bfn__safetensors_parse(ctx, &st, bytes, n, "x") != BFN_OK)
        return false;
    bool whole = bfn__checkpoint_verify(ctx, st, "x") == BFN_OK;
    bfn__safetensors_close(st);
    return whole;
}

/* One bit of every byte of the header, and of bytes all over the data: none may go unnoticed. */
static void test_every_bit_counts(void **p)
{
    training *s = *p;
    char path[PATH_BYTES];
    bfn__bytes file;
    watcher first = {.stop_at = 1};
    assert_int_equal(train(s, "a", &first, 0, NULL, 0), BFN_CANCELLED);
    path_in(s, "a/last.safetensors", path);
    assert_int_equal(bfn__file_map(s->ctx, path, SIZE_MAX, &file), BFN_OK);
    unsigned char *bytes = exact_copy(file.data, file.size);
    uint64_t header;
    memcpy(&header, bytes, sizeof header);
    assert_true(is_whole(s->ctx, bytes, file.size));
    for (size_t at = 0; at < file.size; at += at < header + 8 ? 1 : 97) {
        unsigned char bit = (unsigned char)(1 << (at % 8));
        bytes[at] ^= bit;
        if (is_whole(s->ctx, bytes, file.size))
            fail_msg("bit %zu of byte %zu flipped, and nobody notices", at % 8, at);
        bytes[at] ^= bit;
    }
    assert_true(is_whole(s->ctx, bytes, file.size));
    for (size_t n = file.size; n > 0; n -= n > 101 ? 101 : n)
        assert_false(n < file.size && is_whole(s->ctx, bytes, n));
    free(bytes);
    bfn__file_unmap(s->ctx, &file);
}

/* Newest first: last, the numbered ones, the best; what is damaged is named, and the end is that of a run that nothing happened to. */
static void test_previous_is_taken(void **p)
{
    training *s = *p;
    char path[PATH_BYTES], whole[PATH_BYTES], command[3 * PATH_BYTES];
    static const char *const damaged[] = {"a/last.safetensors", "a/step-000000018.safetensors",
                                          "a/step-000000015.safetensors"};
    static const char *const taken[] = {"a/step-000000018", "a/step-000000015", "a/best"};
    assert_int_equal(train(s, "a", NULL, 0, keep_three, 2), BFN_OK);
    path_in(s, "a", path);
    path_in(s, "whole", whole);
    (void)snprintf(command, sizeof command, "cp -r %s %s", path, whole);
    assert_int_equal(system(command), 0);
    for (size_t n = 1; n <= 3; n++) {
        watcher w = {0};
        for (size_t i = 0; i < n; i++)
            flip(s, damaged[i], i == 0 ? 9 : -5); /* in the header; in the numbers */
        s->log[0] = '\0';
        assert_int_equal(train(s, "a", &w, 1, NULL, 0), BFN_OK);
        assert_non_null(strstr(s->log, "warning: "));
        for (size_t i = 0; i < n; i++)
            assert_non_null(strstr(s->log, damaged[i]));
        assert_non_null(strstr(s->log, taken[n - 1]));
        assert_int_equal(w.last_step,
                         n < 3 ? 20 : 0); /* the best is that of the last step: nothing is left to do but to save */
        for (size_t i = 0; i < (n < 3 ? 3 : 1); i++) {
            char other[PATH_BYTES];
            (void)snprintf(other, sizeof other, "whole/%s", damaged[i] + 2);
            assert_true(same_bytes(s, damaged[i], other));
        }
        assert_true(same_bytes(s, "a/best.safetensors", "whole/best.safetensors"));
        assert_true(same_bytes(s, "a/samples.txt", "whole/samples.txt"));
    }
    flip(s, damaged[0], -5);
    flip(s, "a/best.safetensors", 2000);
    assert_int_equal(train(s, "a", NULL, 1, NULL, 0), BFN_ERR_INPUT);
    assert_non_null(strstr(bfn_errmsg(s->ctx), "nothing to resume"));
    assert_non_null(strstr(bfn_errmsg(s->ctx), "last.safetensors: the file is damaged"));
    assert_int_equal(train(s, "a", NULL, 0, NULL, 0), BFN_ERR_ARGUMENT); /* and nothing is written over */
    assert_non_null(strstr(bfn_errmsg(s->ctx), "holds a training already"));
}

/* A model that is damaged is not sampled from either. */
static void test_damaged_model(void **p)
{
    training *s = *p;
    char path[PATH_BYTES];
    bfn_model *model;
    watcher first = {.stop_at = 1};
    assert_int_equal(train(s, "a", &first, 0, NULL, 0), BFN_CANCELLED);
    flip(s, "a/last.safetensors", -1);
    path_in(s, "a/last.safetensors", path);
    assert_int_equal(bfn_model_load(s->ctx, &model, path, NULL), BFN_ERR_INPUT);
    assert_non_null(strstr(bfn_errmsg(s->ctx), "the file is damaged"));
    assert_null(model);
}

/* ---- the folder ---- */

static void test_halves_are_cut(void **p)
{
    training *s = *p;
    char path[PATH_BYTES];
    watcher half = {.stop_at = 10};
    assert_int_equal(train(s, "whole", NULL, 0, NULL, 0), BFN_OK);
    assert_int_equal(train(s, "a", &half, 0, NULL, 0), BFN_CANCELLED);
    static const char *const ends[][2] = {{"a/log.jsonl", "{\"step\":10,\"lo"},
                                          {"a/samples.txt", "# step 9\nhalf of a te"}};
    for (size_t i = 0; i < 2; i++) {
        path_in(s, ends[i][0], path);
        FILE *f = fopen(path, "a");
        assert_non_null(f);
        (void)fputs(ends[i][1] + (i == 1 ? 9 : 0), f); /* half of a line */
        assert_int_equal(fclose(f), 0);
    }
    assert_int_equal(train(s, "a", NULL, 1, NULL, 0), BFN_OK);
    assert_true(same_bytes(s, "a/samples.txt", "whole/samples.txt"));
    assert_true(same_bytes(s, "a/loss.svg", "whole/loss.svg")); /* it is drawn from the log alone */
    assert_true(same_bytes(s, "a/last.safetensors", "whole/last.safetensors"));
}

/* A log that somebody else wrote: whatever its numbers are, the run goes on and draws them, or leaves them out. */
static void test_hostile_log(void **p)
{
    training *s = *p;
    char path[PATH_BYTES];
    bfn__bytes svg;
    static const char *const lines[] = {
        "{\"step\":1e308,\"bits\":1e308,\"valid_bound\":1e-308}",
        "{\"step\":1.7e308,\"bits\":-1e308,\"valid_bound\":-1e308}",
        "{\"step\":0,\"bits\":0,\"valid_bound\":0}",
        "{\"step\":1e-320,\"bits\":5e-324,\"valid_bound\":1e999}",
        "{\"step\":5,\"bits\":nan,\"valid_bound\":inf}",
        "{\"step\":4,\"step\":\"x\",\"bits\":[[[[",
        "{\"step\":",
        "\xff\xfe\033[2J",
        "{\"step\":3,\"bits\":</svg><script>,\"valid_bound\":1}",
        "",
    };
    watcher half = {.stop_at = 10};
    assert_int_equal(train(s, "a", &half, 0, NULL, 0), BFN_CANCELLED);
    path_in(s, "a/log.jsonl", path);
    for (size_t n = 1; n <= sizeof lines / sizeof lines[0]; n++) { /* one of them more each time */
        FILE *f = fopen(path, "w");
        assert_non_null(f);
        for (size_t i = 0; i < n; i++)
            (void)fprintf(f, "%s\n", lines[i]);
        for (size_t i = 0; i < 100000 && n == 2; i++)
            (void)fputc(i % 5 == 0 ? '\0' : '{', f);
        assert_int_equal(fclose(f), 0);
        watcher next = {.stop_at = 10 + n};
        assert_int_equal(train(s, "a", &next, 1, NULL, 0), n < 10 ? BFN_CANCELLED : BFN_OK);
        path_in(s, "a/loss.svg", path);
        assert_int_equal(bfn__file_map(s->ctx, path, 1 << 20, &svg), BFN_OK);
        char *text = calloc(svg.size + 1, 1);
        memcpy(text, svg.data, svg.size);
        bfn__file_unmap(s->ctx, &svg);
        assert_memory_equal(text, "<svg", 4);
        if (strstr(text, "nan") != NULL || strstr(text, "inf") != NULL || strstr(text, "script") != NULL)
            fail_msg("%zu lines: %.2000s", n, text);
        free(text);
        path_in(s, "a/log.jsonl", path);
    }
}

static void test_dead_files_are_swept(void **p)
{
    training *s = *p;
    char path[PATH_BYTES];
    static const char *const files[] = {"a/last.safetensors.tmp-123-0", "a/samples-10.png.tmp-99999-7",
                                        "a/loss.svg.tmp-1-12",          "a/notes.txt.tmp-123-0",
                                        "a/last.safetensors.tmp-",      "a/last.safetensors.tmp-1-x"};
    watcher half = {.stop_at = 10};
    assert_int_equal(train(s, "a", &half, 0, NULL, 0), BFN_CANCELLED);
    for (size_t i = 0; i < 6; i++) {
        path_in(s, files[i], path);
        write_file(path, "half");
    }
    assert_int_equal(train(s, "a", NULL, 1, NULL, 0), BFN_OK);
    for (size_t i = 0; i < 6; i++)
        assert_true(exists(s, files[i]) == (i >= 3)); /* what is not a run's own stays */
}

/* Whoever packed the folder does not choose which file is written to. */
static void test_links_are_refused(void **p)
{
    training *s = *p;
    char path[PATH_BYTES], victim[PATH_BYTES];
    static const char *const names[] = {"a/lock",     "a/log.jsonl",   "a/samples.txt",
                                        "a/loss.svg", "a/config.yaml", "a/best.safetensors"};
    watcher half = {.stop_at = 10};
    assert_int_equal(train(s, "a", &half, 0, NULL, 0), BFN_CANCELLED);
    path_in(s, "victim", victim);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        path_in(s, names[i], path);
        write_file(victim, "precious");
        assert_int_equal(unlink(path), 0);
        assert_int_equal(symlink("../victim", path), 0);
        assert_int_equal(train(s, "a", NULL, 1, NULL, 0), BFN_ERR_WRITE);
        assert_non_null(strstr(bfn_errmsg(s->ctx), names[i]));
        struct stat info;
        assert_int_equal(stat(victim, &info), 0);
        assert_int_equal(info.st_size, 8);
        assert_int_equal(unlink(path), 0);
        write_file(path, "");
    }
    path_in(s, "a/log.jsonl", path); /* nor is a FIFO waited for */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    alarm(60);
    assert_int_equal(train(s, "a", NULL, 1, NULL, 0), BFN_OK);
    alarm(0);
    assert_non_null(strstr(s->log, "warning: log.jsonl"));
}

/* ---- a disk that is full for a while ---- */

/* last.safetensors is a folder until a step: no file can take its place. */
typedef struct trouble {
    char path[PATH_BYTES];
    uint64_t from, until;
} trouble;

static int make_trouble(void *user, const bfn_train_progress *step)
{
    const trouble *t = user;
    if (step->step == t->from)
        assert_int_equal(mkdir(t->path, 0777), 0);
    if (step->step == t->until)
        assert_int_equal(rmdir(t->path), 0);
    return 0;
}

static void test_saves_are_tried_again(void **p)
{
    training *s = *p;
    char out[PATH_BYTES];
    trouble t = {.from = 1, .until = 12};
    bfn_train_options o = BFN_TRAIN_OPTIONS_INIT;
    path_in(s, "a", out);
    path_in(s, "a/last.safetensors", t.path);
    o.config_path = s->config;
    o.data_path = s->data;
    o.out_dir = out;
    o.progress = make_trouble;
    o.user = &t;
    assert_int_equal(bfn_train(s->ctx, &o), BFN_OK);
    static const char *const words[] = {"trying again", "the next try is at step 8", "the next try is at step 10",
                                        "the next try is at step 14"}; /* gaps of 1, 2, 4 steps */
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        assert_non_null(strstr(s->log, words[i]));
    assert_null(strstr(s->log, "the next try is at step 18"));
    assert_int_equal(train(s, "whole", NULL, 0, NULL, 0), BFN_OK);
    assert_true(same_bytes(s, "a/last.safetensors", "whole/last.safetensors"));
}

/* ---- numbers that diverge ---- */

/* Weights that grow by decay times -9 each step: the loss may stay finite, the weights do not. The average must not hear of it. */
static void test_weights_overflow(void **p)
{
    training *s = *p;
    bfn_model_info info;
    bfn_model *model;
    char path[PATH_BYTES];
    const char *set[] = {
        "train.lr=1e3",    "train.warmup=0",           "train.schedule=constant", "train.weight_decay=10",
        "train.steps=500", "train.checkpoint_every=1", "train.max_bad_steps=1000"};
    watcher w = {0};
    bfn_status status = train(s, "a", &w, 0, set, 7);
    assert_int_equal(status, BFN_ERR_DIVERGED);
    path_in(s, "a/last.safetensors", path);
    bfn_model_options o = BFN_MODEL_OPTIONS_INIT; /* refuses what is not finite */
    for (o.raw_weights = 0; o.raw_weights < 2; o.raw_weights++) {
        assert_int_equal(bfn_model_load(s->ctx, &model, path, &o), BFN_OK);
        bfn_model_get_info(model, &info);
        assert_true(info.step >= 1 && info.step < 500);
        bfn_model_destroy(model);
    }
}

/* The learning rate of the table: seen at once, counted, stopped; what stands is from before. */
static void test_wild_rate(void **p)
{
    training *s = *p;
    char path[PATH_BYTES], first[64];
    const char *set[] = {"train.lr=1e3",    "train.warmup=0",        "train.schedule=constant",
                         "train.steps=500", "train.max_bad_steps=3", "train.checkpoint_every=1"};
    watcher w = {0};
    assert_int_equal(train(s, "a", &w, 0, set, 6), BFN_ERR_DIVERGED);
    path_in(s, "a/last.safetensors", path);
    bfn_model *model;
    bfn_model_info info;
    assert_int_equal(bfn_model_load(s->ctx, &model, path, NULL), BFN_OK);
    bfn_model_get_info(model, &info);
    (void)snprintf(first, sizeof first,
                   "step %d: ", (int)info.step + 1); /* the step after the last good one is the one that was seen */
    assert_non_null(strstr(s->log, first));
    bfn_model_destroy(model);
}

/* ---- memory ---- */

typedef struct memory_run {
    const training *s;
    bool resume;
} memory_run;

static bfn_status train_in_memory(bfn_context *ctx, void *arg)
{
    const memory_run *run = arg;
    const char *set[] = {"train.steps=2", "train.checkpoint_every=1", "train.valid_every=1", "train.sample_every=1"};
    char out[PATH_BYTES], command[2 * PATH_BYTES];
    path_in(run->s, "a", out);
    (void)snprintf(command, sizeof command, "rm -rf %s", out);
    assert_int_equal(system(command), 0);
    bfn_train_options o = BFN_TRAIN_OPTIONS_INIT;
    o.config_path = run->s->config;
    o.data_path = run->s->data;
    o.out_dir = out;
    o.set = set;
    o.n_set = 4;
    return bfn_train(ctx, &o);
}

/* Every allocation of a run fails in turn. It ends with the right status, or goes on where only a file for the reader or a checkpoint on
 * the way is concerned; nothing is left half written, nothing leaks. */
static void test_out_of_memory(void **p)
{
    memory_run run = {.s = *p};
    size_t n_failed = 0, n_gone_on = 0;
    for (size_t k = 1;; k += all ? 1 : 9) {
        counting c;
        bfn_context *ctx = counting_context(&c);
        c.fail_at = c.n_calls + k;
        bfn_status status = train_in_memory(ctx, &run);
        bool failed = c.n_calls >= c.fail_at;
        if (status != BFN_OK && (status != BFN_ERR_MEMORY || bfn_errmsg(ctx)[0] == '\0'))
            fail_msg("allocation %zu: status %d, \"%s\"", k, (int)status, bfn_errmsg(ctx));
        assert_int_equal(c.n_live, 1);
        n_failed += status != BFN_OK;
        n_gone_on += status == BFN_OK && failed;
        char command[3 * PATH_BYTES];
        (void)snprintf(command, sizeof command, "! ls %s/a 2>/dev/null | grep -q tmp-", run.s->folder);
        assert_int_equal(system(command), 0);
        bfn__safetensors *st;
        char path[PATH_BYTES];
        path_in(run.s, "a/last.safetensors", path);
        if (access(path, F_OK) == 0) {
            assert_int_equal(bfn__safetensors_open(run.s->ctx, &st, path), BFN_OK);
            assert_int_equal(bfn__checkpoint_verify(run.s->ctx, st, path), BFN_OK);
            bfn__safetensors_close(st);
        }
        bfn_context_destroy(ctx);
        if (!failed)
            break;
    }
    assert_true(all ? n_failed > 50 && n_gone_on > 5 : n_failed > 5 && n_gone_on > 0);
}

int main(int argc, char **argv)
{
    all = argc > 1 && strcmp(argv[1], "all") == 0;
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_train, teardown_train)
    const struct CMUnitTest tests[] = {
        TEST(test_every_bit_counts),  TEST(test_previous_is_taken),     TEST(test_damaged_model),
        TEST(test_halves_are_cut),    TEST(test_dead_files_are_swept),  TEST(test_hostile_log),
        TEST(test_links_are_refused), TEST(test_saves_are_tried_again), TEST(test_weights_overflow),
        TEST(test_wild_rate),         TEST(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
