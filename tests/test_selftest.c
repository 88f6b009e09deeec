/* The self-test itself passes, reports what it did, gives the same report twice, and can be stopped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "eval/selftest.h"

#include <stdlib.h>
#include <string.h>

typedef struct report {
    size_t n_lines, n_ok, n_failed, stop_after;
    uint64_t hash;
} report;

static int read_line(void *user, const char *line)
{
    report *r = user;
    size_t n = strlen(line);
    r->n_lines++;
    r->n_ok += n > 3 && strcmp(line + n - 3, " ok") == 0;
    if (n > 7 && strcmp(line + n - 7, " FAILED") == 0) {
        r->n_failed++;
        print_error("%s\n", line);
    }
    for (size_t i = 0; i < n; i++) {
        assert_true(line[i] >= ' ' && line[i] <= '~');
        r->hash = (r->hash ^ (unsigned char)line[i]) * 1099511628211U;
    }
    return r->stop_after > 0 && r->n_lines >= r->stop_after;
}

static bfn_context *context(void)
{
    bfn_context *ctx;
    assert_int_equal(bfn_context_create(&ctx, NULL), BFN_OK);
    return ctx;
}

static void the_quick_test_passes(void **state)
{
    (void)state;
    bfn_context *ctx = context();
    report r = {0};
    bfn_selftest_options options = BFN_SELFTEST_OPTIONS_INIT;
    options.print = read_line;
    options.user = &r;
    size_t n_checks = 0, n_failed = 1;
    assert_int_equal(bfn_selftest(ctx, &options, &n_checks, &n_failed), BFN_OK);
    assert_int_equal(n_failed, 0);
    assert_int_equal(r.n_failed, 0);
    assert_int_equal(r.n_ok, n_checks);
    assert_in_range(n_checks, 200, 1000);
    bfn_context_destroy(ctx);
}

static void two_runs_print_the_same(void **state)
{
    (void)state;
    bfn_context *ctx = context();
    report r[2] = {{0}, {0}};
    for (int i = 0; i < 2; i++) {
        bfn__selftest_setup setup = {
            .groups = BFN__SELFTEST_QUICK, .only = BFN_METHOD_SDE2M, .print = read_line, .user = &r[i]};
        assert_int_equal(bfn__selftest_run(ctx, &setup, NULL, NULL), BFN_OK);
    }
    assert_true(r[0].n_lines > 40);
    assert_int_equal(r[0].n_lines, r[1].n_lines);
    assert_true(r[0].hash == r[1].hash);
    bfn_context_destroy(ctx);
}

static void the_callback_stops_it(void **state)
{
    (void)state;
    bfn_context *ctx = context();
    report r = {.stop_after = 5};
    bfn_selftest_options options = BFN_SELFTEST_OPTIONS_INIT;
    options.print = read_line;
    options.user = &r;
    assert_int_equal(bfn_selftest(ctx, &options, NULL, NULL), BFN_CANCELLED);
    assert_int_equal(r.n_lines, 5);
    bfn_context_destroy(ctx);
}

static void options_of_another_library_are_refused(void **state)
{
    (void)state;
    bfn_context *ctx = context();
    bfn_selftest_options options = BFN_SELFTEST_OPTIONS_INIT;
    options.struct_size = 3;
    assert_int_equal(bfn_selftest(ctx, &options, NULL, NULL), BFN_ERR_ARGUMENT);
    assert_non_null(strstr(bfn_errmsg(ctx), "struct_size 3"));
    bfn_context_destroy(ctx);
}

/* A number that is none fails whatever is expected. */
static void a_nan_fails_every_check(void **state)
{
    (void)state;
    bfn_context *ctx = context();
    bfn__selftest st = {.ctx = ctx};
    double nan = strtod("nan", NULL);
    bfn__selftest_most(&st, nan, 1.0, "most");
    bfn__selftest_range(&st, nan, -1.0, 1.0, "range");
    bfn__selftest_equal(&st, nan, 0.0, 1.0, "equal");
    assert_int_equal(st.n_checks, 3);
    assert_int_equal(st.n_failed, 3);
    assert_string_equal(st.first_failure, "most");
    bfn__selftest_most(&st, 1.0, 1.0, "most");
    bfn__selftest_range(&st, -1.0, -1.0, 1.0, "range");
    bfn__selftest_equal(&st, 1.0, 0.0, 1.0, "equal");
    assert_int_equal(st.n_failed, 3);
    bfn_context_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_quick_test_passes),

        cmocka_unit_test(two_runs_print_the_same),
        cmocka_unit_test(the_callback_stops_it),
        cmocka_unit_test(options_of_another_library_are_refused),
        cmocka_unit_test(a_nan_fails_every_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
