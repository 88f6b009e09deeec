/* test_killed.c: a training that is killed, or whose disk fails, at every call that changes its run folder.
 *
 * The program itself runs, with tests/faults/faults.c loaded before it. A run is repeated with its Nth call hit, for every N (or, in the
 * ordinary run of the tests, for some of each kind of call); then it is resumed, and must end with the files of a run that nothing
 * happened to, byte for byte (the log but for its times).
 * Usage: test-killed [all]
 */
#include "helper_fixture.h"
#include "io/file.h"
#include "model/model_internal.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static const char config_text[] = "data: {alphabet: text8, seq_len: 16}\n"
                                  "network: {n_layer: 1, n_head: 2, n_embd: 16}\n"
                                  "train: {batch: 4, steps: 6, warmup: 2, ema: 0.5, lr: 0.01, valid_every: 2, "
                                  "valid_batches: 1, sample_every: 3, sample_n: 1,\n"
                                  "        sample_nfe: 3, checkpoint_every: 2, log_every: 2, keep: 2}\n";

enum { MAX_CALLS = 1000, LINE = 300 };
static bool all;
static size_t n_calls;
static char calls[MAX_CALLS][LINE]; /* "write run/last.safetensors.tmp-1-0" */

static void put_file(const char *name, const char *text)
{
    if (bfn__file_write(ctx, scratch(name), text, strlen(text)) != BFN_OK)
        fail_msg("%s", bfn_errmsg(ctx));
}

/* ---- the program ---- */

/* In the child. plan NULL: nothing happens to it. */
static void become_training(bool resume, const char *plan, const char *list)
{
    static char program[] = BFN_PROGRAM;
    int out = open("out", O_WRONLY | O_CREAT | O_TRUNC, 0666), err = open("err", O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (out < 0 || err < 0 || dup2(out, STDOUT_FILENO) < 0 || dup2(err, STDERR_FILENO) < 0)
        _exit(99);
    if (plan != NULL || list != NULL) {
        (void)setenv("LD_PRELOAD", BFN_FAULTS_LIBRARY, 1);
        (void)setenv("FAULTS_FOLDER", "run", 1);
    }
    if (plan != NULL)
        (void)setenv("FAULTS", plan, 1);
    if (list != NULL)
        (void)setenv("FAULTS_LIST", list, 1);
    (void)setenv("OMP_NUM_THREADS", "1", 1); /* two numbers of threads may not sum in the same order */
    (void)execl(program, program, "train", resume ? "--resume" : "c.yaml", "--data", "words.txt", "--out", "run", "-q",
                (char *)NULL);
    _exit(98);
}

/* Exit code, or 128 + signal. The working folder is the scratch folder. */
static int train(bool resume, const char *plan, const char *list)
{
    int status;
    (void)fflush(stdout);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        become_training(resume, plan, list);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static void read_text(const char *path, char **text, size_t *n)
{
    bfn__bytes bytes;
    if (bfn__file_map(ctx, path, SIZE_MAX, &bytes) != BFN_OK)
        fail_msg("%s", bfn_errmsg(ctx));
    *text = test_malloc(bytes.size + 1);
    *n = bytes.size;
    if (bytes.size > 0)
        memcpy(*text, bytes.data, bytes.size);
    (*text)[bytes.size] = '\0';
    bfn__file_unmap(ctx, &bytes);
}

static bool said(const char *words)
{
    char *text;
    size_t n;
    read_text("err", &text, &n);
    bool found = strstr(text, words) != NULL;
    test_free(text);
    return found;
}

static void remove_run(const char *folder)
{
    char command[64];
    (void)snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
}

/* ---- what is in the folder ---- */

typedef struct listing {
    size_t n;
    char names[64][64];
} listing;

static int compare_names(const void *a, const void *b)
{
    return strcmp(a, b);
}

static void list_folder(const char *folder, listing *l)
{
    l->n = 0;
    DIR *dir = opendir(folder);
    for (struct dirent *e; dir != NULL && (e = readdir(dir)) != NULL;)
        if (e->d_name[0] != '.') {
            assert_true(l->n < 64);
            (void)snprintf(l->names[l->n++], 64, "%.63s", e->d_name);
        }
    if (dir != NULL)
        (void)closedir(dir);
    qsort(l->names, l->n, sizeof l->names[0], compare_names);
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), n_end = strlen(end);
    return n >= n_end && strcmp(text + n - n_end, end) == 0;
}

/* Every checkpoint under its final name is whole. Returns how many there are; *n_temporary: files under construction. */
static size_t check_whole(const char *where, size_t *n_temporary)
{
    listing l;
    size_t n = 0;
    *n_temporary = 0;
    list_folder("run", &l);
    for (size_t i = 0; i < l.n; i++) {
        char path[128];
        bfn__safetensors *st;
        (void)snprintf(path, sizeof path, "run/%s", l.names[i]);
        *n_temporary += bfn__file_is_temporary(l.names[i]) > 0;
        if (!ends_with(path, ".safetensors"))
            continue;
        bool has = false;
        if (bfn__safetensors_open(ctx, &st, path) != BFN_OK || bfn__safetensors_verify(st, path, &has) != BFN_OK ||
            !has)
            fail_msg("%s: %s: not whole: %s", where, path, bfn_errmsg(ctx));
        bfn__safetensors_close(st);
        n++;
    }
    return n;
}

/* The log without what depends on the clock. */
static void strip_times(char *text)
{
    static const char *const keys[] = {"\"tokens_per_second\":", "\"seconds\":"};
    for (size_t k = 0; k < 2; k++)
        for (char *at = text; (at = strstr(at, keys[k])) != NULL;) {
            char *end = at + strcspn(at, ",}");
            memmove(at, end, strlen(end) + 1);
        }
}

static void check_same_file(const char *where, const char *name)
{
    char path[2][128], *text[2];
    size_t n[2];
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(path[i], sizeof path[i], "%s/%s", i == 0 ? "run" : "whole", name);
        read_text(path[i], &text[i], &n[i]);
        if (strcmp(name, "log.jsonl") == 0) {
            strip_times(text[i]);
            n[i] = strlen(text[i]);
        }
    }
    if (n[0] != n[1] || memcmp(text[0], text[1], n[0]) != 0)
        fail_msg("%s: %s differs from that of a run that nothing happened to", where, name);
    test_free(text[0]);
    test_free(text[1]);
}

/* Names and contents are those of the run that nothing happened to; `lost`: but for the lines that only a reader misses. */
static void check_same(const char *where, bool lost)
{
    listing run, whole;
    list_folder("run", &run);
    list_folder("whole", &whole);
    for (size_t i = 0; i < whole.n; i++) {
        if (!lost && (i >= run.n || strcmp(run.names[i], whole.names[i]) != 0))
            fail_msg("%s: found \"%s\" in place of \"%s\"", where, i < run.n ? run.names[i] : "nothing",
                     whole.names[i]);
        bool for_readers = !ends_with(whole.names[i], ".safetensors");
        if (strcmp(whole.names[i], "lock") != 0 && !(lost && for_readers))
            check_same_file(where, whole.names[i]);
    }
    if (!lost)
        assert_int_equal(run.n, whole.n);
}

/* A run that was killed behind its last checkpoint has nothing left to do. */
static bool is_done(int code)
{
    return code == 2 && said("already at step 6 of 6");
}

/* Go on with what is there, or start again where nothing is. */
static void go_on(const char *where)
{
    size_t n_temporary;
    bool resume = check_whole(where, &n_temporary) > 0;
    int code = train(resume, NULL, NULL);
    if ((code != 0 && !is_done(code)) || said("warning"))
        fail_msg("%s: the %s run ends with %d (see err)", where, resume ? "resumed" : "new", code);
    (void)check_whole(where, &n_temporary);
    assert_int_equal(n_temporary, 0);
}

/* ---- the tests ---- */

static bool is_kind(size_t i, const char *kind)
{
    return strncmp(calls[i], kind, strlen(kind)) == 0 && calls[i][strlen(kind)] == ' ';
}

/* All calls, or every `stride`th with a start that goes around, so that the tests of one program look at different ones. */
static bool chosen(size_t i, size_t stride, size_t start)
{
    return all || i % stride == start % stride;
}

static void reference(void)
{
    char *text, *rest;
    size_t n;
    put_file("c.yaml", config_text);
    static char words[16000];
    for (size_t i = 0; i + 1 < sizeof words; i++)
        words[i] = "a lazy dog jumps over the quick brown fox "[(i * i / 7 + i) % 42];
    put_file("words.txt", words);
    assert_int_equal(chdir(scratch("")), 0);
    assert_int_equal(train(false, NULL, "list"), 0);
    read_text("list", &text, &n);
    for (char *line = strtok_r(text, "\n", &rest); line != NULL; line = strtok_r(NULL, "\n", &rest)) {
        assert_true(n_calls < MAX_CALLS);
        (void)snprintf(calls[n_calls++], LINE, "%s", line);
    }
    test_free(text);
    assert_int_equal(rename("run", "whole"), 0);
}

static void test_calls_are_seen(void **state)
{
    (void)state;
    static const char *const kinds[] = {"mkdir", "open", "write", "fsync", "close", "rename", "link", "unlink"};
    for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
        size_t n = 0;
        for (size_t i = 0; i < n_calls; i++)
            n += is_kind(i, kinds[k]);
        if (n == 0)
            fail_msg("no %s among the %zu calls of a run", kinds[k], n_calls);
    }
    (void)printf("%zu calls\n", n_calls);
}

static void kill_at(const char *mode, size_t i)
{
    char plan[32], where[LINE + 64];
    size_t n_temporary;
    (void)snprintf(plan, sizeof plan, "%s %zu", mode, i + 1);
    (void)snprintf(where, sizeof where, "%s (%s)", plan, calls[i]);
    remove_run("run");
    assert_int_equal(train(false, plan, NULL), 128 + SIGKILL);
    size_t n = check_whole(where, &n_temporary);
    if (n == 0 && strstr(calls[i], "step-") != NULL) /* an older one was there already */
        fail_msg("%s: no checkpoint is left", where);
    go_on(where);
    check_same(where, false);
}

static void test_killed(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_calls; i++)
        if (chosen(i, 9, 4))
            kill_at("kill", i);
}

static void test_killed_in_a_write(void **state)
{
    (void)state;
    for (size_t i = 0, n = 0; i < n_calls; i++)
        if (is_kind(i, "write") && chosen(n++, 9, 2))
            kill_at("tear", i);
}

/* Killed, resumed, killed again, until it gets through: each time one call further. */
static void test_killed_again_and_again(void **state)
{
    (void)state;
    size_t n_temporary, kills = 0;
    int code = 0;
    remove_run("run");
    for (size_t at = all ? 10 : 38; kills < 400; at += all ? 1 : 3, kills++) {
        char plan[32];
        (void)snprintf(plan, sizeof plan, "kill %zu", at);
        bool resume = check_whole(plan, &n_temporary) > 0;
        code = train(resume, plan, NULL);
        if (code != 128 + SIGKILL)
            break;
    }
    assert_true(code == 0 || is_done(code));
    assert_true(kills >= 3);
    /* step-000000004 may never have been: killed in time, the run goes on from best to best */
    static const char *const names[] = {"last.safetensors", "best.safetensors", "config.yaml",
                                        "log.jsonl",        "samples.txt",      "loss.svg"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        check_same_file("killed again and again", names[i]);
}

/* Calls whose failure changes nothing that anybody could miss. */
static bool is_harmless(size_t i)
{
    return is_kind(i, "unlink") || is_kind(i, "pwrite") || is_kind(i, "ftruncate") || ends_with(calls[i], "run/lock") ||
           (is_kind(i, "close") && ends_with(calls[i], " run"));
}

/* Before the first step: a run that cannot even begin to write ends. */
static bool is_at_the_start(size_t i)
{
    for (size_t j = 0; j <= i; j++)
        if (strstr(calls[j], "log.jsonl") != NULL && is_kind(j, "write"))
            return false;
    return true;
}

static void fail_at(size_t i, int error)
{
    char plan[48], where[LINE + 64];
    size_t n_temporary;
    (void)snprintf(plan, sizeof plan, "fail %zu %d", i + 1, error);
    (void)snprintf(where, sizeof where, "%s (%s)", plan, calls[i]);
    remove_run("run");
    int code = train(false, plan, NULL);
    bool warned = said("warning");
    size_t n = check_whole(where, &n_temporary);
    if (n_temporary != 0)
        fail_msg("%s: a temporary file is left", where);
    bool start = is_at_the_start(i);
    if (code != 0 && !(start && code == 5))
        fail_msg("%s: ends with %d", where, code);
    if (code == 0 && !warned && !is_harmless(i))
        fail_msg("%s: no warning", where);
    if (code != 0) {
        assert_int_equal(n, 0);
        go_on(where);
        check_same(where, false);
    } else if (!is_kind(i, "unlink") && !is_kind(i, "link")) {
        check_same(where, warned);
    }
}

static void test_one_error(void **state)
{
    (void)state;
    static const int errors[] = {ENOSPC, EIO};
    for (size_t e = 0; e < 2; e++)
        for (size_t i = 0; i < n_calls; i++)
            if (chosen(i, 23, 7 + 11 * e))
                fail_at(i, errors[e]);
}

/* From one call on nothing can be written any more: the training goes on to its end, says 5, and what was there stays. */
static void full_from(size_t i, int error)
{
    char plan[48], where[LINE + 64];
    size_t n_temporary;
    (void)snprintf(plan, sizeof plan, "full %zu %d", i + 1, error);
    (void)snprintf(where, sizeof where, "%s (%s)", plan, calls[i]);
    remove_run("run");
    int code = train(false, plan, NULL);
    (void)check_whole(where, &n_temporary);
    if (n_temporary != 0)
        fail_msg("%s: a temporary file is left", where);
    if (code != 5 && code != 0)
        fail_msg("%s: ends with %d", where, code);
    size_t after = 0; /* calls that had to succeed, after this one */
    for (size_t j = i; j < n_calls; j++)
        after += is_kind(j, "rename") && ends_with(calls[j], "/last.safetensors");
    if (code == 0 && after > 0)
        fail_msg("%s: the last checkpoint is missing, and the exit code is 0", where);
    if (code == 5) {
        if (!is_at_the_start(i) && !said("warning"))
            fail_msg("%s: no warning before the end", where);
        go_on(where);
        check_same(where, true);
    }
}

static void test_full_disk(void **state)
{
    (void)state;
    for (size_t i = 0; i < n_calls; i++)
        if (chosen(i, 19, 3))
            full_from(i, i % 2 == 0 ? ENOSPC : EIO);
}

static int begin(void **state)
{
    (void)setup_scratch(state);
    reference();
    return 0;
}

static int end(void **state)
{
    if (chdir("..") != 0)
        return -1;
    return teardown_scratch(state);
}

int main(int argc, char **argv)
{
    all = argc > 1 && strcmp(argv[1], "all") == 0;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calls_are_seen),    cmocka_unit_test(test_killed),
        cmocka_unit_test(test_killed_in_a_write), cmocka_unit_test(test_killed_again_and_again),
        cmocka_unit_test(test_one_error),         cmocka_unit_test(test_full_disk),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
