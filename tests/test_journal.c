/* test_journal.c: files of lines that only grow: whole lines or none, one process at a time; folders; base64. */
#include "helper_fixture.h"
#include "io/base64.h"
#include "io/journal.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>

static void write_bytes(const char *path, const char *bytes, size_t n)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static size_t size_of(const char *path)
{
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    return (size_t)info.st_size;
}

/* The lines that a file of these bytes opens with, joined by '|'. */
static const char *lines_of(const char *bytes)
{
    static char joined[256];
    bfn__journal *j;
    write_bytes(scratch("j"), bytes, strlen(bytes));
    assert_int_equal(bfn__journal_open(ctx, &j, scratch("j"), 1000), BFN_OK);
    joined[0] = '\0';
    for (size_t i = 0; i < bfn__journal_n(j); i++)
        snprintf(joined + strlen(joined), sizeof joined - strlen(joined), "%s|", bfn__journal_line(j, i));
    bfn__journal_close(j);
    return joined;
}

static void test_lines(void **state)
{
    (void)state;
    assert_string_equal(lines_of(""), "");
    assert_string_equal(lines_of("one\ntwo\n"), "one|two|");
    assert_string_equal(lines_of("one\n\n"), "one||");
    assert_string_equal(lines_of("one\ntw"), "one|"); /* a torn line is cut off, in the file too */
    assert_int_equal(size_of(scratch("j")), 4);
    assert_string_equal(lines_of("torn"), "");
    assert_int_equal(size_of(scratch("j")), 0);
}

static void test_append(void **state)
{
    (void)state;
    bfn__journal *j;
    remove(scratch("j"));
    assert_int_equal(bfn__journal_open(ctx, &j, scratch("j"), 1000), BFN_OK);
    assert_int_equal(bfn__journal_n(j), 0);
    assert_int_equal(bfn__journal_append(j, "one"), BFN_OK);
    assert_int_equal(size_of(scratch("j")), 4); /* at once, not when it is closed */
    assert_int_equal(bfn__journal_append(j, ""), BFN_OK);
    assert_int_equal(bfn__journal_append(j, "three"), BFN_OK);
    bfn__journal_close(j);
    assert_int_equal(bfn__journal_open(ctx, &j, scratch("j"), 1000), BFN_OK);
    assert_int_equal(bfn__journal_n(j), 3);
    assert_string_equal(bfn__journal_line(j, 2), "three");
    bfn__journal_close(j);
}

/* A disk that is full in the middle of a line: nothing of the line stays. */
static void test_full(void **state)
{
    (void)state;
    bfn__journal *j;
    char line[100];
    struct rlimit old, small = {40, 40};
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 1] = '\0';
    remove(scratch("j"));
    assert_int_equal(bfn__journal_open(ctx, &j, scratch("j"), 1000), BFN_OK);
    assert_int_equal(bfn__journal_append(j, "one"), BFN_OK);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    small.rlim_max = old.rlim_max;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    bfn_status status = bfn__journal_append(j, line);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
    assert_says(status, BFN_ERR_WRITE, "j: cannot be written: ");
    assert_int_equal(size_of(scratch("j")), 4);
    assert_int_equal(bfn__journal_append(j, "two"), BFN_OK);
    bfn__journal_close(j);
    assert_int_equal(size_of(scratch("j")), 8);
}

static void test_refused(void **state)
{
    (void)state;
    bfn__journal *j, *second;
    write_bytes(scratch("j"), "one\ntwo\n", 8);
    assert_says(bfn__journal_open(ctx, &j, scratch("j"), 7), BFN_ERR_INPUT, "has 8 bytes, at most 7");
    write_bytes(scratch("j"), "o\0e\n", 4);
    assert_says(bfn__journal_open(ctx, &j, scratch("j"), 100), BFN_ERR_INPUT, "found a byte 0");
    assert_null(j);
    assert_says(bfn__journal_open(ctx, &j, scratch("nowhere/j"), 100), BFN_ERR_WRITE, "nowhere/j: cannot be opened");
    assert_says(bfn__journal_open(ctx, &j, "/dev/null", 100), BFN_ERR_WRITE, "is no regular file");
    write_bytes(scratch("j"), "", 0);
    assert_int_equal(bfn__journal_open(ctx, &j, scratch("j"), 100), BFN_OK);
    assert_says(bfn__journal_open(ctx, &second, scratch("j"), 100), BFN_ERR_ARGUMENT, "another process");
    bfn__journal_close(j);
    bfn__journal_close(NULL);
}

static bfn_status open_journal(bfn_context *c, void *arg)
{
    bfn__journal *j;
    (void)arg;
    bfn_status status = bfn__journal_open(c, &j, scratch("j"), 100);
    if (status == BFN_OK)
        status = bfn__journal_append(j, "more");
    if (j != NULL)
        bfn__journal_close(j);
    return status;
}

static void test_memory(void **state)
{
    (void)state;
    write_bytes(scratch("j"), "one\n", 4);
    assert_true(each_allocation(open_journal, NULL, BFN_OK) >= 4);
}

static void test_folders(void **state)
{
    (void)state;
    struct stat info;
    assert_int_equal(bfn__folder_make(ctx, scratch("a/b/c")), BFN_OK);
    assert_int_equal(bfn__folder_make(ctx, scratch("a/b/c")), BFN_OK);
    assert_int_equal(stat(scratch("a/b/c"), &info), 0);
    assert_true(S_ISDIR(info.st_mode));
    write_bytes(scratch("f"), "", 0);
    assert_says(bfn__folder_make(ctx, scratch("f")), BFN_ERR_WRITE, "is a file, a folder is needed");
    assert_says(bfn__folder_make(ctx, scratch("f/g")), BFN_ERR_WRITE, "cannot be made");
}

static void test_base64(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *text;
    } known[] = {{"", ""}, /* RFC 4648, section 10 */
                 {"f", "Zg=="},
                 {"fo", "Zm8="},
                 {"foo", "Zm9v"},
                 {"foob", "Zm9vYg=="},
                 {"fooba", "Zm9vYmE="},
                 {"foobar", "Zm9vYmFy"},
                 {"\xfb\xff\xbf", "+/+/"}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        char *text;
        void *copy = exact_copy(known[i].bytes, strlen(known[i].bytes));
        assert_int_equal(bfn__base64_encode(ctx, copy, strlen(known[i].bytes), &text), BFN_OK);
        assert_string_equal(text, known[i].text);
        bfn__free(ctx, text);
        free(copy);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_scratch, teardown_scratch)
    const struct CMUnitTest tests[] = {
        TEST(test_lines),  TEST(test_append),  TEST(test_full),   TEST(test_refused),
        TEST(test_memory), TEST(test_folders), TEST(test_base64),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
