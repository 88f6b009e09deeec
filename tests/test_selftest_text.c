/* The self-test on Markov-chain text: strings of the chain, bound = entropy, infilling = exact conditional draws. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "eval/selftest.h"

#include <string.h>

static int show_failures(void *user, const char *line)
{
    (void)user;
    if (strstr(line, "FAILED") != NULL)
        print_error("%s\n", line);
    return 0;
}

static void bound_and_infilling_are_exact(void **state)
{
    (void)state;
    bfn_context *ctx;
    assert_int_equal(bfn_context_create(&ctx, NULL), BFN_OK);
    bfn__selftest_setup setup = {.groups = BFN__SELFTEST_TEXT, .print = show_failures};
    size_t n_checks = 0, n_failed = 1;
    assert_int_equal(bfn__selftest_run(ctx, &setup, &n_checks, &n_failed), BFN_OK);
    assert_int_equal(n_checks, 7);
    assert_int_equal(n_failed, 0);
    bfn_context_destroy(ctx);
}

/* Without its noise the SDE sampler does not fill gaps with the conditional law. */
static void drop_noise(void *user, const bfn_flow *flow, const bfn_solver_options *options, bfn_plan_row *rows,
                       size_t n_rows)
{
    (void)user, (void)flow, (void)options;
    for (size_t i = 0; i < n_rows; i++)
        rows[i].e = 0.0;
}

static void missing_noise_is_noticed(void **state)
{
    (void)state;
    bfn_context *ctx;
    assert_int_equal(bfn_context_create(&ctx, NULL), BFN_OK);
    bfn__selftest_setup setup = {.groups = BFN__SELFTEST_TEXT, .only = BFN_METHOD_SDE2M, .sabotage = drop_noise};
    assert_int_equal(bfn__selftest_run(ctx, &setup, NULL, NULL), BFN_ERR_SELFTEST);
    assert_non_null(strstr(bfn_errmsg(ctx), "infilling, sde2m"));
    bfn_context_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bound_and_infilling_are_exact),
        cmocka_unit_test(missing_noise_is_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
