/* test_golden_solver.c: recorded runs of the published solvers and samplers, replayed through plans and the sampler.
 *
 * solver_*        predictions and noise are recorded for every step, so the network is replaced by them and every state must agree.
 *                 Single-step runs record the midpoint's prediction only; a plan's two rows of a step together do not depend on the
 *                 first one (its weight cancels), so zeros stand in for it. With the network in the loop: test_golden_networks.
 * *_bfn_sampler   the original sampler: predictions are not recorded, but each step's can be recovered from the parameters before and
 *                 after it and the noise. It must be a possible draw (a class, a bin centre, a clipped value), and
 *                 replaying these must give the recorded trajectory. The sample is the mode of the final output.
 */
#include "helper_golden.h"
#include "sample/sampler.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

typedef struct run {
    golden_file *g;
    bfn_flow flow;
    bfn_plan *plan;
    bfn_plan_info info;
    size_t n, D, w, size; /* samples, positions, state width, floats of all samples */
    float *states;        /* [n_rows + 1, size]: after each row */
    float *predictions;   /* [calls, size] */
    float *noise;         /* [noisy rows, size] */
} run;

static const char *numbered(const char *name, size_t i)
{
    static char text[64];
    snprintf(text, sizeof text, "%s.%zu", name, i);
    return text;
}

static int keep_state(void *user, const bfn_sample_step *step)
{
    run *r = user;
    memcpy(r->states + step->row * r->size, step->state, r->size * sizeof(float));
    return 0;
}

static void start_run(run *r, golden_file *g, const char *initial, const bfn_solver_options *o)
{
    const bfn__st_tensor *t = golden_tensor(g, initial);
    *r = (run){.g = g, .flow = golden_flow(g)};
    r->n = t->shape[0];
    r->size = t->count;
    r->w = bfn_flow_state_width(&r->flow);
    r->D = t->count / r->n / r->w;
    assert_int_equal(r->n * r->D * r->w, t->count);
    if (bfn_plan_create(g->ctx, &r->plan, &r->flow, o) != BFN_OK)
        fail_msg("%s: %s", g->name, bfn_errmsg(g->ctx));
    bfn_plan_get_info(r->plan, &r->info);
    r->states = golden_alloc(g, (r->info.n_rows + 1) * r->size, sizeof(float));
    r->predictions = golden_alloc(g, (r->info.n_evaluations + 1) * r->size, sizeof(float));
    r->noise = golden_alloc(g, (r->info.n_rows + 1) * r->size, sizeof(float));
}

static void copy_array(run *r, const char *array, float *to)
{
    size_t count;
    const float *from = golden_f32(r->g, array, &count);
    if (count != r->size)
        fail_msg("%s: \"%s\" holds %zu numbers, the state has %zu", r->g->name, array, count, r->size);
    memcpy(to, from, count * sizeof *to);
}

/* Run the plan on what was recorded. sample: int32_t or float [n, D]. */
static void replay(run *r, const float *initial, void *sample)
{
    bfn_sampler *sampler;
    bfn_sampler_options o = BFN_SAMPLER_OPTIONS_INIT;
    o.batch = r->n;
    o.initial_state = initial;
    o.noise = r->noise;
    o.step = keep_state;
    o.step_user = r;
    if (bfn_sampler_create(r->g->ctx, &sampler, &r->flow, r->plan, r->D, &o) != BFN_OK)
        fail_msg("%s: %s", r->g->name, bfn_errmsg(r->g->ctx));
    bfn__sampler_replay(sampler, r->predictions);
    size_t n_evaluations;
    if (bfn_sampler_run(sampler, NULL, NULL, 0, r->n, sample, &n_evaluations) != BFN_OK)
        fail_msg("%s: %s", r->g->name, bfn_errmsg(r->g->ctx));
    assert_int_equal(n_evaluations, r->info.n_evaluations);
    bfn_sampler_destroy(sampler);
    bfn_plan_destroy(r->plan);
}

/* ---- published solvers ---- */

static bfn_solver_options recorded_options(golden_file *g)
{
    bfn_solver_options o = BFN_SOLVER_OPTIONS_INIT;
    if (bfn_method_parse(g->ctx, golden_text(g, "algorithm"), &o) != BFN_OK)
        fail_msg("%s: %s", g->name, bfn_errmsg(g->ctx));
    assert_true(o.published);
    o.n_steps = (size_t)golden_number(g, "n_steps");
    o.eta = golden_number(g, "eta");
    o.eta_is_set = 1;
    o.last = golden_bool(g, "last_drop") ? BFN_LAST_PREDICT : BFN_LAST_UPDATE;
    return o;
}

/* Recorded predictions and noise in the order that the plan asks for them. */
static void fill_recorded(run *r, bool discrete, bool single_step, bool drawn)
{
    size_t n_calls = 0, n_noisy = 0;
    const bfn_plan_row *rows = bfn_plan_rows(r->plan);
    for (size_t i = 0; i < r->info.n_rows; i++) {
        size_t step = single_step ? i / 2 : i;
        assert_true(rows[i].call);
        if (!single_step || i % 2 == 1)
            copy_array(r, numbered(discrete ? "prob_pred" : "x0_pred", step), r->predictions + n_calls * r->size);
        n_calls++;
        if (rows[i].e != 0.0)
            copy_array(r, numbered("noise", drawn ? 2 * step + 1 : step), r->noise + n_noisy++ * r->size);
    }
}

static void check_solver(golden_file *g)
{
    bfn_solver_options o = recorded_options(g);
    run r;
    bool discrete = golden_flow(g).kind == BFN_DATA_DISCRETE, single_step = o.method == BFN_METHOD_ODE2S;
    const char *name = discrete ? "z" : "x";
    start_run(&r, g, discrete ? "z.init" : "x.init", &o);
    assert_int_equal(r.info.n_evaluations, single_step ? 2 * o.n_steps : o.n_steps);
    assert_int_equal(r.info.n_rows, r.info.n_evaluations);
    fill_recorded(&r, discrete, single_step, discrete && golden_bool(g, "cate_samp"));
    bool dropped = r.info.last == BFN_LAST_PREDICT;
    void *sample = golden_alloc(g, r.n * r.D, discrete ? sizeof(int32_t) : sizeof(float));
    replay(&r, golden_f32(g, discrete ? "z.init" : "x.init", NULL), sample);

    golden_group_begin(g, "states", 1e-5);
    for (size_t i = 1; i <= o.n_steps; i++)
        if (!(discrete && dropped && i == o.n_steps)) /* there raw logits are recorded instead of a state */
            golden_compare(g, numbered(name, i), r.states + (single_step ? 2 * i : i) * r.size, r.size);
        else
            (void)golden_tensor(g, numbered(name, i));
    if (!discrete)
        golden_compare(g, numbered(name, o.n_steps), sample, r.n * r.D);
    golden_group_end(g);
    if (discrete) {
        golden_group_begin(g, "sample", 0.0);
        golden_compare_i32(g, "sample", sample, r.n * r.D);
        golden_group_end(g);
    }
    if (single_step)
        print_message("%-62s with network: see golden_networks\n", g->name);
}

static void solver_runs(void **state)
{
    (void)state;
    (void)golden_each("solver_", "", check_solver);
}

/* ---- the original sampler ---- */

/* theta of the plan's state: softmax of logits, or the mean. */
static void parameters(const run *r, const float *state, double *theta)
{
    for (size_t d = 0; d < r->n * r->D; d++) {
        double sum = 0.0;
        for (size_t k = 0; k < r->w; k++)
            sum += exp((double)state[d * r->w + k] - (double)state[d * r->w]);
        for (size_t k = 0; k < r->w; k++) {
            double z = (double)state[d * r->w + k];
            theta[d * r->w + k] = r->w == 1 ? z : exp(z - (double)state[d * r->w]) / sum;
        }
    }
}

/* The class that a step drew: where ln theta' - ln theta - e z, which is b for the class and 0 for the others plus a constant, is largest. */
static void recover_classes(const run *r, const bfn_plan_row *row, const float *from, const float *to, const float *z,
                            float *p)
{
    for (size_t d = 0; d < r->n * r->D; d++) {
        size_t at = d * r->w, best = 0;
        double most = -INFINITY;
        for (size_t k = 0; k < r->w; k++) {
            double before = from != NULL ? log((double)from[at + k]) : 0.0;
            double score = log((double)to[at + k]) - before - row->e * (double)z[at + k];
            if (score > most) {
                most = score;
                best = k;
            }
        }
        for (size_t k = 0; k < r->w; k++)
            p[at + k] = k == best ? 1.0f : 0.0f;
    }
}

/* The value that a step predicted: clipped; for discretised data a bin centre. */
static void recover_values(const run *r, const bfn_plan_row *row, const float *from, const float *to, const float *z,
                           float *p)
{
    for (size_t i = 0; i < r->size; i++) {
        double before = from != NULL ? (double)from[i] : 0.0;
        double x = ((double)to[i] - row->a * before - row->e * (double)z[i]) / row->b[0];
        double limit = r->flow.kind == BFN_DATA_CONTINUOUS && r->flow.clip > 0.0 ? r->flow.clip : 1.0;
        assert_true(fabs(x) <= limit + 1e-4);
        if (r->flow.kind == BFN_DATA_DISCRETISED) {
            double centre = bfn_flow_bin_centre(&r->flow, bfn_flow_bin(&r->flow, x));
            assert_true(fabs(x - centre) < 1e-4);
            x = centre;
        } else if (row->t == 0.0) {
            assert_true(fabs(x) < 1e-5);
        }
        p[i] = (float)x;
    }
}

static void check_mode(const run *r, const float *state)
{
    golden_file *g = r->g;
    size_t count;
    const float *output = golden_f32(g, "final_net_output", &count);
    assert_int_equal(count, r->n * r->D * bfn_flow_output_width(&r->flow));
    double *ones = golden_alloc(g, r->n, sizeof *ones);
    for (size_t i = 0; i < r->n; i++)
        ones[i] = 1.0;
    void *mode = golden_alloc(g, r->n * r->D, sizeof(int32_t) > sizeof(float) ? sizeof(int32_t) : sizeof(float));
    bfn_flow_mode(&r->flow, r->n, r->D, state, ones, output, mode);
    float *got = golden_alloc(g, r->n * r->D, sizeof *got);
    for (size_t i = 0; i < r->n * r->D; i++)
        got[i] = r->flow.kind == BFN_DATA_DISCRETE ? (float)((int32_t *)mode)[i] : ((float *)mode)[i];
    golden_group_begin(g, "sample", 1e-5);
    golden_compare(g, "sample", got, r->n * r->D);
    golden_group_end(g);
}

static void check_original(golden_file *g)
{
    bfn_solver_options o = BFN_SOLVER_OPTIONS_INIT;
    o.method = BFN_METHOD_BFN;
    o.n_steps = (size_t)golden_number(g, "n_steps");
    run r;
    bool discrete = golden_flow(g).kind == BFN_DATA_DISCRETE, continuous = golden_flow(g).kind == BFN_DATA_CONTINUOUS;
    start_run(&r, g, continuous ? "noise.0" : "noise.1", &o);
    size_t count;
    const float *recorded = golden_f32(g, "params_trajectory", &count);
    assert_int_equal(count, o.n_steps * r.size);
    const bfn_plan_row *rows = bfn_plan_rows(r.plan);
    for (size_t i = 0; i < o.n_steps; i++) {
        float *z = r.noise + i * r.size, *p = r.predictions + i * r.size;
        copy_array(&r, numbered("noise", continuous ? i : 2 * i + 1), z);
        if (!continuous)
            assert_int_equal(golden_tensor(g, numbered("noise", 2 * i))->count, r.n * r.D);
        const float *from = i > 0 ? recorded + (i - 1) * r.size : NULL, *to = recorded + i * r.size;
        (discrete ? recover_classes : recover_values)(&r, &rows[i], from, to, z, p);
    }
    replay(&r, NULL, golden_alloc(g, r.n * r.D, sizeof(double)));
    double *theta = golden_alloc(g, count, sizeof *theta);
    for (size_t i = 0; i < o.n_steps; i++)
        parameters(&r, r.states + (i + 1) * r.size, theta + i * r.size);
    golden_group_begin(g, "parameters", 1e-5);
    golden_compare_f64(g, "params_trajectory", theta, count);
    golden_group_end(g);
    check_mode(&r, recorded + (o.n_steps - 1) * r.size);
    print_message("%-62s with network: see golden_networks\n", g->name);
}

static void original_sampler_runs(void **state)
{
    (void)state;
    (void)golden_each("", "_bfn_sampler", check_original);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(solver_runs),
        cmocka_unit_test(original_sampler_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
