/* Negative controls: every kind of damage to a plan makes the self-test fail, in the group of checks that should notice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "eval/selftest.h"

#include <math.h>
#include <string.h>

typedef void (*edit_fn)(const bfn_flow *flow, bfn_plan_row *row, const bfn_plan_row *before);

typedef struct control {
    const char *name;
    bfn_method method;
    int kind; /* a bfn_data_kind; 0: both */
    edit_fn edit;
    size_t first_row; /* rows before it stay; the row before an edited one exists when first_row > 0 */
    size_t n_rows;    /* how many rows are edited; 0: all others */
    unsigned groups;  /* each of them has to notice */
} control;

static double lambda(const bfn_flow *flow, double t)
{
    return bfn_flow_lambda(flow, t);
}

static void scale_a(const bfn_flow *flow, bfn_plan_row *row, const bfn_plan_row *before)
{
    (void)flow, (void)before;
    row->a *= 1.01;
}

static void scale_b0(const bfn_flow *flow, bfn_plan_row *row, const bfn_plan_row *before)
{
    (void)flow, (void)before;
    row->b[0] *= 1.01;
}

static void scale_b1(const bfn_flow *flow, bfn_plan_row *row, const bfn_plan_row *before)
{
    (void)flow, (void)before;
    row->b[1] *= 1.05;
}

static void scale_b2(const bfn_flow *flow, bfn_plan_row *row, const bfn_plan_row *before)
{
    (void)flow, (void)before;
    row->b[2] *= 1.05;
}

static void scale_b3(const bfn_flow *flow, bfn_plan_row *row, const bfn_plan_row *before)
{
    (void)flow, (void)before;
    row->b[3] *= 1.05;
}

static void scale_k(const bfn_flow *flow, bfn_plan_row *row, const bfn_plan_row *before)
{
    (void)flow, (void)before;
    row->k *= 1.05;
}

static void scale_noise(const bfn_flow *flow, bfn_plan_row *row, const bfn_plan_row *before)
{
    (void)flow, (void)before;
    row->e *= 1.05;
}

static void no_noise(const bfn_flow *flow, bfn_plan_row *row, const bfn_plan_row *before)
{
    (void)flow, (void)before;
    row->e = 0.0;
}

static void swap_newest(const bfn_flow *flow, bfn_plan_row *row, const bfn_plan_row *before)
{
    (void)flow, (void)before;
    double b = row->b[0];
    row->b[0] = row->b[1];
    row->b[1] = b;
}

static void swap_oldest(const bfn_flow *flow, bfn_plan_row *row, const bfn_plan_row *before)
{
    (void)flow, (void)before;
    double b = row->b[1];
    row->b[1] = row->b[2];
    row->b[2] = b;
}

/* The slope is per unit of another variable than the step: a factor on the difference of the two newest predictions. */
static void scale_slope(bfn_plan_row *row, double factor)
{
    double change = row->b[1] * (factor - 1.0);
    row->b[1] += change;
    row->b[0] -= change;
}

/* Continuous: extrapolated along t; discrete: along lambda = ln t. */
static void slope_in_other_variable(const bfn_flow *flow, bfn_plan_row *row, const bfn_plan_row *before)
{
    double in_t = (row->t_next - row->t) / (row->t - before->t);
    double in_lambda =
        (lambda(flow, row->t_next) - lambda(flow, row->t)) / (lambda(flow, row->t) - lambda(flow, before->t));
    scale_slope(row, flow->kind == BFN_DATA_DISCRETE ? in_lambda / in_t : in_t / in_lambda);
}

/* Divided by a gap in beta (discrete) or t (continuous), and then multiplied as if it had been the right variable. */
static void slope_in_other_unit(const bfn_flow *flow, bfn_plan_row *row, const bfn_plan_row *before)
{
    double gap_t = row->t - before->t;
    if (flow->kind == BFN_DATA_DISCRETE)
        scale_slope(row, gap_t / (bfn_flow_beta(flow, row->t) - bfn_flow_beta(flow, before->t)));
    else
        scale_slope(row, (lambda(flow, row->t) - lambda(flow, before->t)) / gap_t);
}

static void sabotage(void *user, const bfn_flow *flow, const bfn_solver_options *options, bfn_plan_row *rows,
                     size_t n_rows)
{
    const control *c = user;
    if (options->method != c->method || (c->kind != 0 && c->kind != (int)flow->kind))
        return;
    size_t end = c->n_rows == 0 || c->first_row + c->n_rows > n_rows ? n_rows : c->first_row + c->n_rows;
    for (size_t i = c->first_row; i < end; i++)
        c->edit(flow, &rows[i], i > 0 ? &rows[i - 1] : NULL);
}

enum {
    COEFFICIENTS = BFN__SELFTEST_COEFFICIENTS,
    ORDER = BFN__SELFTEST_ORDER,
    LAW = BFN__SELFTEST_LAW,
    CONTINUOUS = BFN_DATA_CONTINUOUS,
    DISCRETE = BFN_DATA_DISCRETE
};

static const control controls[] = {
    {"factor of the state", BFN_METHOD_EULER, 0, scale_a, 1, 0, COEFFICIENTS | ORDER},
    {"factor of the state", BFN_METHOD_ODE1, CONTINUOUS, scale_a, 1, 0, COEFFICIENTS | ORDER | LAW},
    {"factor of the state", BFN_METHOD_SDE1, DISCRETE, scale_a, 1, 0, COEFFICIENTS | ORDER},
    {"factor of the state, one row", BFN_METHOD_ODE3M, DISCRETE, scale_a, 3, 1, COEFFICIENTS | ORDER},
    {"factor of the newest prediction", BFN_METHOD_EULER, DISCRETE, scale_b0, 1, 0, COEFFICIENTS},
    {"factor of the newest prediction", BFN_METHOD_EM, 0, scale_b0, 1, 0, COEFFICIENTS},
    {"factor of the newest prediction", BFN_METHOD_ODE1, CONTINUOUS, scale_b0, 1, 0, COEFFICIENTS | ORDER},
    {"factor of the newest prediction", BFN_METHOD_ODE2S, DISCRETE, scale_b0, 1, 0, COEFFICIENTS | ORDER},
    {"factor of the newest prediction, one row", BFN_METHOD_ODE2M, CONTINUOUS, scale_b0, 4, 1, COEFFICIENTS | ORDER},
    {"factor of the newest prediction", BFN_METHOD_SDE3M, DISCRETE, scale_b0, 1, 0, COEFFICIENTS | ORDER},
    {"factor of the second prediction", BFN_METHOD_ODE2M, CONTINUOUS, scale_b1, 1, 0, COEFFICIENTS | ORDER},
    {"factor of the second prediction", BFN_METHOD_ODE2M, DISCRETE, scale_b1, 1, 0, COEFFICIENTS | ORDER},
    {"factor of the second prediction", BFN_METHOD_ODE2S, CONTINUOUS, scale_b1, 1, 0, COEFFICIENTS | ORDER},
    {"factor of the second prediction", BFN_METHOD_SDE2M, 0, scale_b1, 1, 0, COEFFICIENTS | ORDER},
    {"factor of the third prediction", BFN_METHOD_ODE3M, CONTINUOUS, scale_b2, 2, 0, COEFFICIENTS | ORDER},
    {"factor of the third prediction", BFN_METHOD_ODE3M, DISCRETE, scale_b2, 2, 0, COEFFICIENTS | ORDER},
    {"factor of the third prediction", BFN_METHOD_SDE3M, 0, scale_b2, 2, 0, COEFFICIENTS | ORDER},
    {"factor of the fourth prediction", BFN_METHOD_ODE3M, 0, scale_b3, 2, 0, COEFFICIENTS | ORDER},
    {"constant", BFN_METHOD_ODE2M, DISCRETE, scale_k, 1, 0, COEFFICIENTS | ORDER},
    {"constant", BFN_METHOD_SDE2M, DISCRETE, scale_k, 1, 0, COEFFICIENTS},
    {"swapped history", BFN_METHOD_ODE2M, CONTINUOUS, swap_newest, 1, 0, COEFFICIENTS | ORDER},
    {"swapped history", BFN_METHOD_ODE2M, DISCRETE, swap_newest, 1, 0, COEFFICIENTS | ORDER},
    {"swapped history", BFN_METHOD_SDE2M, 0, swap_newest, 1, 0, COEFFICIENTS | ORDER},
    {"swapped older history", BFN_METHOD_ODE3M, 0, swap_oldest, 2, 0, COEFFICIENTS | ORDER},
    {"swapped older history", BFN_METHOD_SDE3M, 0, swap_oldest, 2, 0, COEFFICIENTS | ORDER},
    {"slope along the wrong variable", BFN_METHOD_ODE2M, CONTINUOUS, slope_in_other_variable, 1, 0, COEFFICIENTS},
    {"slope along the wrong variable", BFN_METHOD_ODE2M, DISCRETE, slope_in_other_variable, 1, 0, COEFFICIENTS},
    {"slope along the wrong variable", BFN_METHOD_SDE2M, 0, slope_in_other_variable, 1, 0, COEFFICIENTS},
    {"slope in the wrong unit", BFN_METHOD_ODE2M, CONTINUOUS, slope_in_other_unit, 1, 0, COEFFICIENTS | ORDER},
    {"slope in the wrong unit", BFN_METHOD_ODE2M, DISCRETE, slope_in_other_unit, 1, 0, COEFFICIENTS | ORDER},
    {"slope in the wrong unit", BFN_METHOD_SDE2M, DISCRETE, slope_in_other_unit, 1, 0, COEFFICIENTS | ORDER},
    {"noise too large", BFN_METHOD_SDE1, 0, scale_noise, 1, 0, COEFFICIENTS | ORDER},
    {"noise too large", BFN_METHOD_EM, 0, scale_noise, 1, 0, COEFFICIENTS | ORDER},
    {"noise missing", BFN_METHOD_BFN, 0, no_noise, 0, 0, COEFFICIENTS | ORDER | LAW},
    {"noise missing", BFN_METHOD_EM, 0, no_noise, 0, 0, COEFFICIENTS | ORDER | LAW},
    {"noise missing", BFN_METHOD_SDE1, CONTINUOUS, no_noise, 0, 0, COEFFICIENTS | ORDER | LAW},
    {"noise missing", BFN_METHOD_SDE1, DISCRETE, no_noise, 0, 0, COEFFICIENTS | ORDER | LAW},
    {"noise missing", BFN_METHOD_SDE2M, 0, no_noise, 0, 0, COEFFICIENTS | ORDER | LAW},
    {"noise missing, one row", BFN_METHOD_SDE3M, 0, no_noise, 4, 1, COEFFICIENTS | ORDER},
    {"noise of the first row missing (eta = 0)", BFN_METHOD_ODE2M, 0, no_noise, 0, 1, COEFFICIENTS},
};

static size_t failures(bfn_context *ctx, const control *c, unsigned group, bool spoiled)
{
    bfn__selftest_setup setup = {.groups = group, .only = c->method};
    if (spoiled) {
        setup.sabotage = sabotage;
        setup.sabotage_user = (void *)c;
    }
    size_t n_checks = 0, n_failed = 0;
    bfn_status status = bfn__selftest_run(ctx, &setup, &n_checks, &n_failed);
    assert_true(n_checks > 0);
    assert_int_equal(status, n_failed > 0 ? BFN_ERR_SELFTEST : BFN_OK);
    return n_failed;
}

static void every_damage_is_noticed(void **state)
{
    (void)state;
    bfn_context *ctx;
    assert_int_equal(bfn_context_create(&ctx, NULL), BFN_OK);
    size_t missed = 0;
    for (size_t i = 0; i < sizeof controls / sizeof *controls; i++)
        for (unsigned group = COEFFICIENTS; group <= LAW; group *= 2) {
            if ((controls[i].groups & group) == 0 || failures(ctx, &controls[i], group, true) > 0)
                continue;
            print_error("%s, %s, data kind %d: group %u did not notice\n", controls[i].name,
                        bfn_method_name(controls[i].method), controls[i].kind, group);
            missed++;
        }
    assert_int_equal(missed, 0);
    bfn_context_destroy(ctx);
}

/* The same runs without damage pass, so it is the damage that is noticed. */
static void no_damage_is_no_failure(void **state)
{
    (void)state;
    bfn_context *ctx;
    assert_int_equal(bfn_context_create(&ctx, NULL), BFN_OK);
    for (int m = 1; m < BFN_METHOD_COUNT; m++) {
        control c = {.method = (bfn_method)m};
        assert_int_equal(failures(ctx, &c, COEFFICIENTS | ORDER, false), 0);
    }
    bfn_context_destroy(ctx);
}

/* The message names the count and the first failed check. */
static void the_message_says_which(void **state)
{
    (void)state;
    bfn_context *ctx;
    assert_int_equal(bfn_context_create(&ctx, NULL), BFN_OK);
    control c = {"noise", BFN_METHOD_SDE1, CONTINUOUS, no_noise, 0, 0, COEFFICIENTS};
    assert_true(failures(ctx, &c, COEFFICIENTS, true) > 0);
    const char *message = bfn_errmsg(ctx);
    assert_non_null(strstr(message, "checks failed, the first: continuous sde1"));
    bfn_context_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_damage_is_noticed),
        cmocka_unit_test(no_damage_is_no_failure),
        cmocka_unit_test(the_message_says_which),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
