/* Context, messages, checked sizes, memory through the allocator hook, parallel loops. */
#include "base/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static bfn_context *new_context(const bfn_context_options *options)
{
    bfn_context *ctx;
    assert_int_equal(bfn_context_create(&ctx, options), BFN_OK);
    return ctx;
}

static void messages_are_one_tidy_line(void **state)
{
    (void)state;
    bfn_context *ctx = new_context(NULL);
    assert_string_equal(bfn_errmsg(ctx), "");
    assert_int_equal(bfn__fail(ctx, BFN_ERR_INPUT, "a\nb\x1b[31m: %d", 7), BFN_ERR_INPUT);
    assert_string_equal(bfn_errmsg(ctx), "a?b?[31m: 7");
    assert_int_equal(bfn__fail_prefix(ctx, BFN_ERR_WRITE, "file.txt"), BFN_ERR_WRITE);
    assert_string_equal(bfn_errmsg(ctx), "file.txt: a?b?[31m: 7");
    char longest[2 * BFN__ERRMSG_MAX];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    (void)bfn__fail(ctx, BFN_ERR_INPUT, "%s", longest);
    assert_int_equal(strlen(bfn_errmsg(ctx)), BFN__ERRMSG_MAX - 1);
    assert_string_equal(bfn_errmsg(ctx) + BFN__ERRMSG_MAX - 5, "x...");
    (void)bfn__fail_prefix(ctx, BFN_ERR_INPUT, "prefix");
    assert_memory_equal(bfn_errmsg(ctx), "prefix: xxx", 11);
    assert_int_equal(bfn__fail(NULL, BFN_ERR_INPUT, "nobody listens"), BFN_ERR_INPUT);
    bfn_context_destroy(ctx);
    bfn_context_destroy(NULL);
}

static void two_contexts_never_meet(void **state)
{
    (void)state;
    bfn_context *a = new_context(NULL), *b = new_context(NULL);
    (void)bfn__fail(a, BFN_ERR_INPUT, "of a");
    assert_string_equal(bfn_errmsg(b), "");
    bfn_context_destroy(a);
    bfn_context_destroy(b);
}

static void bad_context_options_are_refused(void **state)
{
    (void)state;
    bfn_context_options options = BFN_CONTEXT_OPTIONS_INIT;
    bfn_context *ctx;
    const int bad[] = {-1, 1025, 100000};
    for (int i = 0; i < 3; i++) {
        options.n_threads = bad[i];
        assert_int_equal(bfn_context_create(&ctx, &options), BFN_ERR_ARGUMENT);
        assert_null(ctx);
    }
    options = (bfn_context_options)BFN_CONTEXT_OPTIONS_INIT;
    options.struct_size--;
    assert_int_equal(bfn_context_create(&ctx, &options), BFN_ERR_ARGUMENT);
    assert_null(ctx);
}

static void sizes_do_not_wrap(void **state)
{
    (void)state;
    size_t out;
    assert_true(bfn__size_mul(3, 5, &out) && out == 15);
    assert_true(bfn__size_mul(0, SIZE_MAX, &out) && out == 0);
    assert_true(bfn__size_mul(SIZE_MAX, 1, &out) && out == SIZE_MAX);
    assert_false(bfn__size_mul(SIZE_MAX / 2 + 1, 2, &out));
    assert_true(out == SIZE_MAX);
    assert_true(bfn__size_add(SIZE_MAX - 1, 1, &out) && out == SIZE_MAX);
    assert_false(bfn__size_add(SIZE_MAX, 1, &out));
    assert_true(out == SIZE_MAX);
}

static void memory_is_zeroed_and_aligned(void **state)
{
    (void)state;
    bfn_context *ctx = new_context(NULL);
    for (size_t n = 0; n < 300; n += 7) {
        unsigned char *block = bfn__calloc(ctx, n, 3);
        assert_non_null(block);
        assert_int_equal((uintptr_t)block % 64, 0);
        for (size_t i = 0; i < 3 * n; i++)
            assert_int_equal(block[i], 0);
        memset(block, 0xff, 3 * n);
        bfn__free(ctx, block);
    }
    char *copy = bfn__strdup(ctx, "text");
    assert_string_equal(copy, "text");
    bfn__free(ctx, copy);
    bfn__free(ctx, NULL);
    assert_null(bfn__calloc(ctx, SIZE_MAX, 2));
    assert_non_null(strstr(bfn_errmsg(ctx), "out of memory"));
    assert_null(bfn__calloc(ctx, SIZE_MAX - 8, 1));
    bfn_context_destroy(ctx);
}

typedef struct counting {
    size_t n_alive, n_left;
} counting;

static void *counted_alloc(void *user, size_t bytes, size_t align)
{
    counting *c = user;
    if (c->n_left == 0)
        return NULL;
    c->n_left--;
    c->n_alive++;
    return aligned_alloc(align, (bytes + align - 1) / align * align);
}

static void counted_free(void *user, void *block)
{
    ((counting *)user)->n_alive--;
    free(block);
}

static void allocator_hook_sees_everything(void **state)
{
    (void)state;
    counting c = {0, 2};
    bfn_context_options options = BFN_CONTEXT_OPTIONS_INIT;
    options.allocator = (bfn_allocator){&c, counted_alloc, counted_free};
    bfn_context *ctx = new_context(&options);
    void *block = bfn__calloc(ctx, 10, 10);
    assert_non_null(block);
    assert_int_equal(c.n_alive, 2);
    assert_null(bfn__calloc(ctx, 10, 10));
    assert_string_equal(bfn_errmsg(ctx), "out of memory: 10 items of 10 bytes");
    assert_null(bfn__strdup(ctx, "x"));
    bfn__free(ctx, block);
    bfn_context_destroy(ctx);
    assert_int_equal(c.n_alive, 0);
    c.n_left = 0;
    assert_int_equal(bfn_context_create(&ctx, &options), BFN_ERR_MEMORY);
    assert_null(ctx);
}

static void mark(void *arg, size_t i)
{
    ((int *)arg)[i]++;
}

static void backwards(void *user, size_t n, void (*task)(void *arg, size_t i), void *arg)
{
    (*(int *)user)++;
    while (n > 0)
        task(arg, --n);
}

static void parallel_runs_each_task_once(void **state)
{
    (void)state;
    int n_loops = 0, seen[5];
    bfn_context_options options = BFN_CONTEXT_OPTIONS_INIT;
    options.parallel_for = backwards;
    options.parallel_user = &n_loops;
    bfn_context *hooked = new_context(&options), *plain = new_context(NULL);
    bfn_context *contexts[3] = {hooked, plain, NULL};
    for (int c = 0; c < 3; c++) {
        for (size_t n = 0; n <= 5; n++) {
            memset(seen, 0, sizeof seen);
            bfn__parallel(contexts[c], n, mark, seen);
            for (size_t i = 0; i < 5; i++)
                assert_int_equal(seen[i], i < n);
        }
    }
    assert_int_equal(n_loops, 4); /* 2 to 5 tasks */
    bfn_context_destroy(hooked);
    bfn_context_destroy(plain);
}

static void keep_line(void *user, const char *line)
{
    strncat(user, line, 20);
}

static void log_lines_reach_the_hook(void **state)
{
    (void)state;
    char line[32] = "";
    bfn_context_options options = BFN_CONTEXT_OPTIONS_INIT;
    options.log = keep_line;
    options.log_user = line;
    bfn_context *ctx = new_context(&options), *silent = new_context(NULL);
    bfn__log(ctx, "step %d\t", 3);
    bfn__log(silent, "nothing");
    bfn__log(NULL, "nothing");
    assert_string_equal(line, "step 3?");
    bfn_context_destroy(ctx);
    bfn_context_destroy(silent);
}

static void every_status_has_a_text(void **state)
{
    (void)state;
    for (int s = BFN_OK; s <= BFN_CANCELLED; s++)
        assert_string_not_equal(bfn_status_text((bfn_status)s), "unknown status");
    assert_string_equal(bfn_status_text((bfn_status)1000), "unknown status");
    assert_string_equal(bfn_status_text(BFN_OK), "success");
    assert_string_equal(bfn_version(), "0.1.0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_are_one_tidy_line),      cmocka_unit_test(two_contexts_never_meet),
        cmocka_unit_test(bad_context_options_are_refused), cmocka_unit_test(sizes_do_not_wrap),
        cmocka_unit_test(memory_is_zeroed_and_aligned),    cmocka_unit_test(allocator_hook_sees_everything),
        cmocka_unit_test(parallel_runs_each_task_once),    cmocka_unit_test(log_lines_reach_the_hook),
        cmocka_unit_test(every_status_has_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
