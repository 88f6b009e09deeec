/* Networks against recorded values: forward, gradients, losses with the network in the loop.
 *
 * forward_backward: y = net(x, t) and the gradients of sum(y dy) for x and every parameter. losses: the network's output for the
 * recorded input, and the norm of the gradient of the mean loss. solver_* and *_bfn_sampler: sampling with the network in the loop, on the
 * recorded initial state and noise; every state, prediction, the last output and the sample.
 */
#include "helper_network.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "bfn/sample.h"

static void compare_gradients(golden_network *w, const float *grads)
{
    golden_group_begin(w->g, "gradients", 1e-4);
    for (size_t i = 0; i < bfn__net_n_params(w->net); i++) {
        const bfn__param *p = bfn__net_param(w->net, i);
        char name[256];
        (void)snprintf(name, sizeof name, "grad.%s", p->name);
        if (p->trained)
            golden_compare(w->g, name, grads + p->offset, p->count);
    }
}

static void forward_backward(golden_file *g)
{
    golden_network w;
    size_t n_x, n_y, B = golden_tensor(g, "t")->count;
    if (!golden_network_open(&w, g, B + 2, true))
        return;
    const float *x = golden_f32(g, "x", &n_x), *dy = golden_f32(g, "dy", &n_y);
    const double *t = golden_f64(g, "t", NULL);
    assert_int_equal(n_x, B * bfn__net_shown_size(w.net));
    assert_int_equal(n_y, B * bfn__net_output_size(w.net));
    float *y = golden_alloc(g, n_y, sizeof *y), *dx = golden_alloc(g, n_x, sizeof *dx);
    float *grads = golden_alloc(g, bfn__net_arena(w.net), sizeof *grads);
    assert_int_equal(bfn__exec_forward(w.exec, B, x, t, y), BFN_OK);
    golden_group_begin(g, "forward", 2e-5);
    golden_compare(g, "y", y, n_y);
    golden_group_end(g);
    assert_int_equal(bfn__exec_backward(w.exec, B, dy, grads, dx), BFN_OK);
    compare_gradients(&w, grads);
    golden_compare(g, "grad_x", dx, n_x);
    golden_group_end(g);
    golden_network_close(&w);
}

/* Output and gradient norm of one of the recorded losses ("cts", "disc", "recon"). */
static void check_loss(golden_network *w, const char *part, const bfn_loss_options *options)
{
    golden_file *g = w->g;
    char name[64];
#define NAMED(field) (snprintf(name, sizeof name, "%s." field, part), name)
    bfn_flow flow = golden_flow(g);
    size_t D = bfn__net_positions(w->net), n_x, n_y, B = golden_tensor(g, "data")->shape[0];
    double *t = golden_alloc(g, B, sizeof *t);
    bool timed = options->kind != BFN_LOSS_RECONSTRUCTION;
    for (size_t i = 0; i < B; i++)
        t[i] = timed ? golden_f64(g, NAMED("t"), NULL)[i] : 1.0;
    const float *shown = golden_f32(g, NAMED("net_input"), &n_x);
    const float *noise = golden_f32(g, NAMED("flow_noise"), NULL);
    (void)golden_tensor(g, NAMED("net_output"));
    n_y = golden_tensor(g, name)->count;
    float *y = golden_alloc(g, n_y, sizeof *y), *dy = golden_alloc(g, n_y, sizeof *dy);
    assert_int_equal(bfn__exec_forward(w->exec, B, shown, t, y), BFN_OK);
    golden_group_begin(g, NAMED("net_output"), 2e-5);
    golden_compare(g, name, y, n_y);
    golden_group_end(g);
    if (!timed)
        return;
    float *state = golden_alloc(g, B * D * bfn_flow_state_width(&flow), sizeof *state);
    double *loss = golden_alloc(g, B * D, sizeof *loss);
    bfn_flow_draw(&flow, B, D, golden_i32(g, "data", NULL), t, noise, state);
    assert_int_equal(bfn_flow_loss(g->ctx, &flow, options, B, D, golden_i32(g, "data", NULL), t, state, y, loss, dy),
                     BFN_OK);
    float *grads = golden_alloc(g, bfn__net_arena(w->net), sizeof *grads);
    assert_int_equal(bfn__exec_backward(w->exec, B, dy, grads, NULL), BFN_OK);
    double norm = bfn__grad_norm(g->ctx, w->net, grads) / (double)(B * D);
    golden_group_begin(g, NAMED("grad_norm"), 1e-4);
    golden_compare_f64(g, name, &norm, 1);
    golden_group_end(g);
#undef NAMED
}

static void losses(golden_file *g)
{
    golden_network w;
    if (!golden_network_open(&w, g, golden_tensor(g, "data")->shape[0], true))
        return;
    bfn_loss_options options = BFN_LOSS_OPTIONS_INIT;
    options.published_mixture = 1;
    options.kind = BFN_LOSS_CONTINUOUS_TIME;
    check_loss(&w, "cts", &options);
    options.kind = BFN_LOSS_N_STEP;
    options.n_steps = (size_t)golden_number(g, "n_steps_discrete");
    options.normals = golden_f32(g, "disc.sender_noise.0", NULL);
    options.n_draws = golden_tensor(g, "disc.sender_noise.0")->shape[0];
    check_loss(&w, "disc", &options);
    options.kind = BFN_LOSS_RECONSTRUCTION;
    check_loss(&w, "recon", &options);
    golden_network_close(&w);
}

/* ---- sampling ---- */

typedef struct loop {
    golden_file *g;
    golden_network w;
    bfn_flow flow;
    bfn_plan *plan;
    bfn_plan_info info;
    size_t n, D, K, size, n_calls;      /* samples, positions, classes, floats of all states */
    float *states, *predictions, *last; /* [n_rows + 1, size], [calls, size], [size]: newest output */
    float *noise;                       /* [noisy rows, size] */
    double *uniforms;                   /* [calls, n * D] */
    int32_t *sample;
} loop;

static const char *numbered(const char *name, size_t i)
{
    static char text[64];
    (void)snprintf(text, sizeof text, "%s.%zu", name, i);
    return text;
}

static int predict(void *user, size_t first, size_t n, const double *t, const float *shown, float *out)
{
    loop *r = user;
    int status = golden_network_predict(&r->w, first, n, t, shown, out);
    memcpy(r->last, out, r->size * sizeof *out);
    r->n_calls++;
    return status;
}

static int keep(void *user, const bfn_sample_step *step)
{
    loop *r = user;
    memcpy(r->states + step->row * r->size, step->state, r->size * sizeof(float));
    if (r->n_calls > 0)
        memcpy(r->predictions + (r->n_calls - 1) * r->size, step->prediction, r->size * sizeof(float));
    return 0;
}

/* False: the network is not built. like: an array of the state's shape. */
static bool start_loop(loop *r, golden_file *g, const char *like, const bfn_solver_options *o)
{
    memset(r, 0, sizeof *r);
    r->g = g;
    if (strcmp(golden_text(g, "network"), "GPT") != 0)
        return golden_network_open(&r->w, g, 1, false);
    r->flow = golden_flow(g);
    const bfn__st_tensor *t = golden_tensor(g, like);
    r->n = t->shape[0];
    r->size = t->count;
    r->K = r->flow.n_classes;
    r->D = t->count / r->n / r->K;
    if (!golden_network_open(&r->w, g, r->n, false))
        return false;
    if (bfn_plan_create(g->ctx, &r->plan, &r->flow, o) != BFN_OK)
        fail_msg("%s: %s", g->name, bfn_errmsg(g->ctx));
    bfn_plan_get_info(r->plan, &r->info);
    r->states = golden_alloc(g, (r->info.n_rows + 1) * r->size, sizeof(float));
    r->predictions = golden_alloc(g, (r->info.n_evaluations + 1) * r->size, sizeof(float));
    r->last = golden_alloc(g, r->size, sizeof(float));
    r->noise = golden_alloc(g, (r->info.n_rows + 1) * r->size, sizeof(float));
    r->uniforms = golden_alloc(g, (r->info.n_evaluations + 1) * r->n * r->D, sizeof(double));
    r->sample = golden_alloc(g, r->n * r->D, sizeof(int32_t));
    return true;
}

static void copy_noise(loop *r, size_t array, size_t noisy)
{
    size_t n;
    const float *from = golden_f32(r->g, numbered("noise", array), &n);
    assert_int_equal(n, r->size);
    memcpy(r->noise + noisy * r->size, from, n * sizeof *from);
}

static void copy_uniforms(loop *r, size_t array, size_t call)
{
    size_t n;
    const double *from = golden_f64(r->g, numbered("noise", array), &n);
    assert_int_equal(n, r->n * r->D);
    memcpy(r->uniforms + call * n, from, n * sizeof *from);
}

static void run_loop(loop *r, const float *initial)
{
    bfn_sampler *sampler;
    bfn_sampler_options o = BFN_SAMPLER_OPTIONS_INIT;
    size_t n_evaluations = 0;
    o.batch = r->n;
    o.initial_state = initial;
    o.noise = r->noise;
    o.category_uniforms = r->info.prediction == BFN_PREDICTION_DRAW ? r->uniforms : NULL;
    o.step = keep;
    o.step_user = r;
    if (bfn_sampler_create(r->g->ctx, &sampler, &r->flow, r->plan, r->D, &o) != BFN_OK ||
        bfn_sampler_run(sampler, predict, r, 0, r->n, r->sample, &n_evaluations) != BFN_OK)
        fail_msg("%s: %s", r->g->name, bfn_errmsg(r->g->ctx));
    assert_int_equal(n_evaluations, r->info.n_evaluations);
    assert_int_equal(r->n_calls, n_evaluations);
    bfn_sampler_destroy(sampler);
}

static void end_loop(loop *r)
{
    golden_group_begin(r->g, "sample with network", 0.0);
    golden_compare_i32(r->g, "sample", r->sample, r->n * r->D);
    golden_group_end(r->g);
    bfn_plan_destroy(r->plan);
    golden_network_close(&r->w);
}

static void solver_with_network(golden_file *g)
{
    bfn_solver_options o = BFN_SOLVER_OPTIONS_INIT;
    if (bfn_method_parse(g->ctx, golden_text(g, "algorithm"), &o) != BFN_OK)
        fail_msg("%s: %s", g->name, bfn_errmsg(g->ctx));
    bool drawn = golden_bool(g, "cate_samp"), dropped = golden_bool(g, "last_drop");
    size_t a_step = o.method == BFN_METHOD_ODE2S ? 2 : 1, n_noisy = 0;
    o.n_steps = (size_t)golden_number(g, "n_steps");
    o.eta = golden_number(g, "eta");
    o.eta_is_set = 1;
    o.last = dropped ? BFN_LAST_PREDICT : BFN_LAST_UPDATE;
    o.prediction = drawn ? BFN_PREDICTION_DRAW : BFN_PREDICTION_MEAN;
    loop r;
    if (!start_loop(&r, g, "z.init", &o))
        return;
    const bfn_plan_row *rows = bfn_plan_rows(r.plan);
    for (size_t i = 0; i < r.info.n_rows; i++) {
        if (rows[i].e != 0.0)
            copy_noise(&r, drawn ? 2 * i + 1 : i, n_noisy++);
        if (drawn)
            copy_uniforms(&r, 2 * i, i);
    }
    run_loop(&r, golden_f32(g, "z.init", NULL));
    golden_group_begin(g, "states with network", 1e-4);
    for (size_t i = 1; i <= o.n_steps; i++) {
        bool logits = dropped && i == o.n_steps;
        golden_compare(g, numbered("z", i), logits ? r.last : r.states + a_step * i * r.size, r.size);
        if (!logits)
            golden_compare(g, numbered("prob_pred", i - 1), r.predictions + (a_step * i - 1) * r.size, r.size);
    }
    golden_group_end(g);
    end_loop(&r);
}

/* The original sampler records theta = softmax(z) after each step. */
static void original_with_network(golden_file *g)
{
    bfn_solver_options o = BFN_SOLVER_OPTIONS_INIT;
    o.method = BFN_METHOD_BFN;
    o.n_steps = (size_t)golden_number(g, "n_steps");
    loop r;
    if (!start_loop(&r, g, "noise.1", &o))
        return;
    for (size_t i = 0; i < o.n_steps; i++) {
        copy_uniforms(&r, 2 * i, i);
        copy_noise(&r, 2 * i + 1, i);
    }
    run_loop(&r, NULL);
    float *theta = golden_alloc(g, o.n_steps * r.size, sizeof *theta);
    bfn_flow_show(&r.flow, o.n_steps * r.n, r.D, r.states + r.size, theta);
    golden_group_begin(g, "parameters with network", 1e-4);
    golden_compare(g, "params_trajectory", theta, o.n_steps * r.size);
    golden_compare(g, "final_net_output", r.last, r.size);
    golden_group_end(g);
    end_loop(&r);
}

static void recorded_solvers(void **state)
{
    (void)state;
    golden_each("solver_discrete", "", solver_with_network);
}

static void recorded_original(void **state)
{
    (void)state;
    golden_each("", "_bfn_sampler", original_with_network);
}

static void recorded_forward_backward(void **state)
{
    (void)state;
    golden_each("", "_forward_backward", forward_backward);
}

static void recorded_losses(void **state)
{
    (void)state;
    golden_each("", "_losses", losses);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorded_forward_backward),
        cmocka_unit_test(recorded_losses),
        cmocka_unit_test(recorded_solvers),
        cmocka_unit_test(recorded_original),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
