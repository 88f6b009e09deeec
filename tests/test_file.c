/* test_file.c: reading and atomic writing of whole files, with system calls that fail or never return.
 *
 * This program defines write, fsync, rename and close itself, so that the library linked into it calls these: they pass on to
 * the system, or fail, or end the process (a power cut in front of that very call).
 */
#include "helper_fixture.h"
#include "io/file.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

typedef enum call { CALL_WRITE, CALL_FSYNC, CALL_RENAME, CALL_CLOSE, N_CALLS } call;

static struct {
    bool armed;
    unsigned n[N_CALLS], total;
    call failing; /* the at-th of these calls fails with error */
    unsigned at;
    int error;
    unsigned die_at; /* the process ends before this call, counted over all kinds; 0: never */
    bool short_writes;
} faults;

static bool interfere(call kind)
{
    if (!faults.armed)
        return false;
    if (++faults.total == faults.die_at)
        _exit(77);
    if (++faults.n[kind] != faults.at || kind != faults.failing)
        return false;
    errno = faults.error;
    return true;
}

ssize_t write(int fd, const void *data, size_t n)
{
    if (interfere(CALL_WRITE))
        return -1;
    if (faults.armed && faults.short_writes && n > 1000)
        n = 1000;
    return syscall(SYS_write, fd, data, n);
}

int fsync(int fd)
{
    return interfere(CALL_FSYNC) ? -1 : (int)syscall(SYS_fsync, fd);
}

int rename(const char *from, const char *to)
{
    return interfere(CALL_RENAME) ? -1 : (int)syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
}

int close(int fd)
{
    bool failed = interfere(CALL_CLOSE);
    int result = (int)syscall(SYS_close, fd);
    return failed ? -1 : result;
}

static int setup_faults(void **state)
{
    memset(&faults, 0, sizeof faults);
    return setup_scratch(state);
}

static int teardown_faults(void **state)
{
    faults.armed = false;
    return teardown_scratch(state);
}

static char *pattern(size_t n, char first)
{
    char *bytes = malloc(n);
    assert_non_null(bytes);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (char)(first + (char)(i % 23));
    return bytes;
}

static void put_file(const char *name, size_t n, char first)
{
    char *bytes = pattern(n, first);
    if (bfn__file_write(ctx, scratch(name), bytes, n) != BFN_OK)
        fail_msg("%s", bfn_errmsg(ctx));
    free(bytes);
}

/* The file holds exactly the pattern. */
static bool holds(const char *name, size_t n, char first)
{
    bfn__bytes file;
    char *bytes = pattern(n, first);
    assert_int_equal(bfn__file_map(ctx, scratch(name), SIZE_MAX, &file), BFN_OK);
    bool same = file.size == n && memcmp(file.data, bytes, n) == 0;
    bfn__file_unmap(ctx, &file);
    free(bytes);
    return same;
}

static void assert_message(const char *words)
{
    if (strstr(bfn_errmsg(ctx), words) == NULL)
        fail_msg("message \"%s\", expected \"%s\"", bfn_errmsg(ctx), words);
}

/* ---- reading ---- */

static void test_sizes(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 4095, 65535, 65536, 65537, 1000000};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        put_file("a", sizes[i], 'a');
        assert_true(holds("a", sizes[i], 'a'));
    }
    bfn__bytes file;
    assert_int_equal(bfn__file_map(ctx, scratch("a"), SIZE_MAX, &file), BFN_OK);
    assert_true(file.mapped); /* large files are not copied */
    bfn__file_unmap(ctx, &file);
    assert_null(file.data);
    put_file("a", 1, 'a');
    assert_int_equal(bfn__file_write(ctx, scratch("a"), NULL, 0), BFN_OK);
    assert_int_equal(bfn__file_map(ctx, scratch("a"), SIZE_MAX, &file), BFN_OK);
    assert_null(file.data);
    assert_int_equal(file.size, 0);
    bfn__file_unmap(ctx, &file);
}

static void refuse_map(const char *path, size_t max, bfn_status wanted, const char *words)
{
    bfn__bytes file = {(void *)1, 1, true};
    assert_int_equal(bfn__file_map(ctx, path, max, &file), wanted);
    assert_null(file.data);
    assert_non_null(strstr(bfn_errmsg(ctx), path));
    assert_message(words);
}

static void test_map_refuses(void **state)
{
    (void)state;
    refuse_map(scratch("none"), 9, BFN_ERR_NOT_FOUND, "cannot be opened: No such file or directory");
    refuse_map(scratch("a/b"), 9, BFN_ERR_NOT_FOUND, "cannot be opened: No such file or directory");
    refuse_map(".", 9, BFN_ERR_NOT_FOUND, "is a folder");
    refuse_map("/dev/null", 9, BFN_ERR_INPUT, "is a device, a regular file is needed");
    put_file("a", 10, 'a');
    refuse_map(scratch("a"), 9, BFN_ERR_INPUT, "has 10 bytes, at most 9 are allowed");
    refuse_map(scratch("a/b"), 9, BFN_ERR_NOT_FOUND, "Not a directory");
    assert_int_equal(symlink("loop", scratch("loop")), 0);
    refuse_map(scratch("loop"), 9, BFN_ERR_NOT_FOUND, "symbolic links");
    /* Nobody writes to it: opening must not wait. */
    assert_int_equal(mkfifo(scratch("fifo"), 0600), 0);
    alarm(20);
    refuse_map(scratch("fifo"), 9, BFN_ERR_INPUT, "is a FIFO, a regular file is needed");
    alarm(0);
    /* Root may read everything: then as somebody else. */
    bool root = geteuid() == 0;
    assert_int_equal(chmod(scratch("a"), 0), 0);
    assert_true(!root || seteuid(65534) == 0);
    bfn__bytes bytes;
    bfn_status status = bfn__file_map(ctx, scratch("a"), 99, &bytes);
    assert_true(!root || seteuid(0) == 0);
    assert_int_equal(status, BFN_ERR_NOT_FOUND);
    assert_non_null(strstr(bfn_errmsg(ctx), "Permission denied"));
}

/* ---- writing ---- */

static void test_writer_in_pieces(void **state)
{
    (void)state;
    bfn__writer *w;
    char *bytes = pattern(300000, 'a');
    for (int round = 0; round < 4; round++) { /* growing pieces, or such that a buffer is never quite full */
        faults.armed = true;
        faults.short_writes = round % 2 != 0;
        assert_int_equal(bfn__writer_open(ctx, &w, scratch("a")), BFN_OK);
        for (size_t at = 0, piece = 0; at < 300000; at += piece) {
            piece = round < 2 ? piece * 3 + 1 : 40000;
            if (piece > 300000 - at)
                piece = 300000 - at;
            assert_int_equal(bfn__writer_write(w, bytes + at, piece), BFN_OK);
        }
        assert_int_equal(bfn__writer_write(w, NULL, 0), BFN_OK);
        assert_int_equal(bfn__writer_commit(w), BFN_OK);
        faults.armed = false;
        assert_true(holds("a", 300000, 'a'));
        assert_int_equal(scratch_count(), 1);
    }
    free(bytes);
}

static void test_nothing_is_seen_before_commit(void **state)
{
    (void)state;
    bfn__writer *w;
    char *bytes = pattern(200000, 'b');
    put_file("a", 1000, 'a');
    assert_int_equal(bfn__writer_open(ctx, &w, scratch("a")), BFN_OK);
    assert_int_equal(bfn__writer_write(w, bytes, 200000), BFN_OK);
    assert_true(holds("a", 1000, 'a'));
    bfn__writer_abort(w);
    assert_true(holds("a", 1000, 'a'));
    assert_int_equal(scratch_count(), 1);
    bfn__writer_abort(NULL);
    free(bytes);
}

/* The file and its folder are brought to disk, the first before it gets its name. */
static void test_syncs(void **state)
{
    (void)state;
    faults.armed = true;
    put_file("a", 1000, 'a');
    assert_int_equal(faults.n[CALL_FSYNC], 2);
    assert_int_equal(faults.n[CALL_RENAME], 1);
}

/* Every call fails in turn: the old file stays, no temporary file is left, the message has path and reason. */
static void test_failing_calls(void **state)
{
    (void)state;
    static const struct {
        call failing;
        unsigned at;
        int error;
        const char *words;
    } cases[] = {
        {CALL_WRITE, 1, ENOSPC, "cannot be written: No space left"},
        {CALL_WRITE, 2, EIO, "cannot be written: Input/output error"},
        {CALL_WRITE, 1, EDQUOT, "cannot be written: Disk quota"},
        {CALL_FSYNC, 1, EIO, "cannot be brought to disk: Input/output error"},
        {CALL_CLOSE, 1, EIO, "cannot be closed: Input/output error"},
        {CALL_RENAME, 1, EACCES, "cannot be replaced: Permission denied"},
    };
    char *bytes = pattern(200000, 'b');
    put_file("a", 1000, 'a');
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        memset(&faults, 0, sizeof faults);
        faults.failing = cases[i].failing;
        faults.at = cases[i].at;
        faults.error = cases[i].error;
        faults.short_writes = true;
        faults.armed = true;
        bfn_status status = bfn__file_write(ctx, scratch("a"), bytes, 200000);
        faults.armed = false;
        assert_int_equal(status, BFN_ERR_WRITE);
        assert_message(cases[i].words);
        assert_non_null(strstr(bfn_errmsg(ctx), scratch("a")));
        assert_true(holds("a", 1000, 'a'));
        assert_int_equal(scratch_count(), 1);
    }
    /* An interrupted write is no failure. */
    memset(&faults, 0, sizeof faults);
    faults.failing = CALL_WRITE;
    faults.at = 1;
    faults.error = EINTR;
    faults.armed = true;
    assert_int_equal(bfn__file_write(ctx, scratch("a"), bytes, 200000), BFN_OK);
    faults.armed = false;
    assert_true(holds("a", 200000, 'b'));
    /* When the folder cannot be synced the new file is there, but the caller is told. */
    memset(&faults, 0, sizeof faults);
    faults.failing = CALL_FSYNC;
    faults.at = 2;
    faults.error = EIO;
    faults.armed = true;
    assert_int_equal(bfn__file_write(ctx, scratch("a"), bytes, 100), BFN_ERR_WRITE);
    faults.armed = false;
    assert_message("its folder cannot be brought to disk");
    assert_int_equal(scratch_count(), 1);
    free(bytes);
}

/* The process dies before the k-th call, for every k: the file is the old one or the new one, whole. */
static void test_killed_at_every_call(void **state)
{
    (void)state;
    unsigned n_old = 0, n_new = 0;
    char *bytes = pattern(200000, 'b');
    for (unsigned k = 1;; k++) {
        put_file("a", 1000, 'a');
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            memset(&faults, 0, sizeof faults);
            faults.short_writes = true;
            faults.die_at = k;
            faults.armed = true;
            _exit(bfn__file_write(ctx, scratch("a"), bytes, 200000) == BFN_OK ? 0 : 1);
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        bool is_old = holds("a", 1000, 'a'), is_new = holds("a", 200000, 'b');
        assert_true(is_old || is_new);
        n_old += is_old;
        n_new += is_new;
        if (WEXITSTATUS(status) == 0) {
            assert_true(is_new);
            break;
        }
        assert_int_equal(WEXITSTATUS(status), 77);
    }
    assert_true(n_old > 100 && n_new >= 2);
    free(bytes);
}

/* A full disk for real: the kernel cuts writes at a size limit. */
static void test_size_limit(void **state)
{
    (void)state;
    char *bytes = pattern(200000, 'b');
    put_file("a", 1000, 'a');
    struct rlimit old, tight;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    tight = old;
    tight.rlim_cur = 100000;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    bfn_status status = bfn__file_write(ctx, scratch("a"), bytes, 200000);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    (void)signal(SIGXFSZ, handler);
    assert_int_equal(status, BFN_ERR_WRITE);
    assert_message("cannot be written: File too large");
    assert_true(holds("a", 1000, 'a'));
    assert_int_equal(scratch_count(), 1);
    free(bytes);
}

static void test_targets(void **state)
{
    (void)state;
    assert_int_equal(bfn__file_write(ctx, ".", "x", 1), BFN_ERR_WRITE);
    assert_message(".: is a folder");
    assert_int_equal(bfn__file_write(ctx, "", "x", 1), BFN_ERR_WRITE);
    assert_int_equal(bfn__file_write(ctx, scratch("no/a"), "x", 1), BFN_ERR_WRITE);
    assert_message("cannot be created: No such file");
    assert_int_equal(bfn__file_write(ctx, "/dev/full", "x", 1), BFN_ERR_WRITE);
    assert_message("/dev/full: cannot be written: No space left");
    assert_int_equal(bfn__file_write(ctx, "/dev/null", "x", 1), BFN_OK);
    char name[300];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(bfn__file_write(ctx, name, "x", 1), BFN_ERR_WRITE);
    assert_message("too long");
    assert_int_equal(scratch_count(), 0);
}

static void test_link_and_mode(void **state)
{
    (void)state;
    struct stat info;
    put_file("a", 10, 'a');
    assert_int_equal(chmod(scratch("a"), 0640), 0);
    put_file("a", 20, 'a');
    assert_int_equal(stat(scratch("a"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);
    assert_int_equal(symlink("a", scratch("link")), 0);
    put_file("link", 30, 'b');
    assert_int_equal(lstat(scratch("link"), &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_true(holds("a", 30, 'b'));
    assert_int_equal(scratch_count(), 2);
}

/* Two writers of one file at once do not meet: the last commit wins, whole. */
static void test_two_writers(void **state)
{
    (void)state;
    bfn__writer *first, *second;
    char *bytes = pattern(70000, 'a'), *other = pattern(80000, 'b');
    assert_int_equal(bfn__writer_open(ctx, &first, scratch("a")), BFN_OK);
    assert_int_equal(bfn__writer_open(ctx, &second, scratch("a")), BFN_OK);
    assert_int_equal(bfn__writer_write(first, bytes, 70000), BFN_OK);
    assert_int_equal(bfn__writer_write(second, other, 80000), BFN_OK);
    assert_int_equal(bfn__writer_commit(second), BFN_OK);
    assert_true(holds("a", 80000, 'b'));
    assert_int_equal(bfn__writer_commit(first), BFN_OK);
    assert_true(holds("a", 70000, 'a'));
    assert_int_equal(scratch_count(), 1);
    free(bytes);
    free(other);
}

static bfn_status run_write(bfn_context *context, void *arg)
{
    bfn_status status = bfn__file_write(context, arg, "new", 3);
    assert_int_equal(scratch_count(), 1);
    return status;
}

static bfn_status run_map(bfn_context *context, void *arg)
{
    bfn__bytes file;
    bfn_status status = bfn__file_map(context, arg, SIZE_MAX, &file);
    if (status == BFN_OK)
        bfn__file_unmap(context, &file);
    return status;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    char path[512];
    (void)snprintf(path, sizeof path, "%s", scratch("a"));
    put_file("a", 10, 'a');
    assert_true(each_allocation(run_map, path, BFN_OK) >= 1);
    assert_true(each_allocation(run_write, path, BFN_OK) >= 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_sizes, setup_faults, teardown_faults),
        cmocka_unit_test_setup_teardown(test_map_refuses, setup_faults, teardown_faults),
        cmocka_unit_test_setup_teardown(test_writer_in_pieces, setup_faults, teardown_faults),
        cmocka_unit_test_setup_teardown(test_nothing_is_seen_before_commit, setup_faults, teardown_faults),
        cmocka_unit_test_setup_teardown(test_syncs, setup_faults, teardown_faults),
        cmocka_unit_test_setup_teardown(test_failing_calls, setup_faults, teardown_faults),
        cmocka_unit_test_setup_teardown(test_killed_at_every_call, setup_faults, teardown_faults),
        cmocka_unit_test_setup_teardown(test_size_limit, setup_faults, teardown_faults),
        cmocka_unit_test_setup_teardown(test_targets, setup_faults, teardown_faults),
        cmocka_unit_test_setup_teardown(test_link_and_mode, setup_faults, teardown_faults),
        cmocka_unit_test_setup_teardown(test_two_writers, setup_faults, teardown_faults),
        cmocka_unit_test_setup_teardown(test_out_of_memory, setup_faults, teardown_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
