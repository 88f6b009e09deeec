/* Networks against recorded values: forward, gradients, losses with the network in the loop.
 *
 * forward_backward: y = net(x, t) and the gradients of sum(y dy) for x and every parameter. losses: the network's output for the
 * recorded input, and the norm of the gradient of the mean loss.
 */
#include "helper_network.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
