/* Losses against recorded ones: every *_losses.safetensors.
 *
 * For the continuous-time, n-step and reconstruction loss: the recorded data, time and normals must give the recorded network
 * input; the recorded network output must give the recorded loss of every element and its mean. The n-step losses were recorded with
 * the published mixture. Bounds: those of the reference's precision (its CDFs of image models are float32).
 */
#include "helper_golden.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

typedef struct recorded {
    golden_file *g;
    bfn_flow flow;
    size_t B, D;
    const void *data;
    double bound;
} recorded;

static const char *named(char buffer[64], const char *part, const char *field)
{
    (void)snprintf(buffer, 64, "%s.%s", part, field);
    return buffer;
}

/* Binary data is stored as class numbers, whatever the network sees. */
static recorded open_recorded(golden_file *g)
{
    recorded r = {g, golden_flow(g), 0, 0, NULL, 1e-5};
    size_t n;
    if (r.flow.kind == BFN_DATA_DISCRETE) {
        r.data = golden_i32(g, "data", &n);
    } else {
        r.data = golden_f32(g, "data", &n);
        r.bound = 1e-4;
    }
    r.B = golden_tensor(g, "data")->shape[0];
    r.D = n / r.B;
    return r;
}

static double *times(const recorded *r, const char *part)
{
    char name[64];
    if (strcmp(part, "recon") != 0)
        return golden_f64(r->g, named(name, part, "t"), NULL);
    double *t = golden_alloc(r->g, r->B, sizeof *t);
    for (size_t b = 0; b < r->B; b++)
        t[b] = r->flow.kind == BFN_DATA_DISCRETE ? 1.0 - 1e-6 : 1.0; /* where the reference stops its clock */
    return t;
}

/* The loss as recorded: per element, or the mean of each sample. */
static void compare_loss(const recorded *r, const char *part, const double *loss)
{
    char name[64];
    size_t n = golden_tensor(r->g, named(name, part, "loss"))->count, each = r->B * r->D / n;
    double *folded = golden_alloc(r->g, n, sizeof *folded), mean = 0.0;
    for (size_t i = 0; i < r->B * r->D; i++) {
        folded[i / each] += loss[i] / (double)each;
        mean += loss[i] / (double)(r->B * r->D);
    }
    golden_compare_f64(r->g, name, folded, n);
    if (strcmp(part, "recon") != 0)
        golden_compare_f64(r->g, named(name, part, "loss_mean"), &mean, 1);
}

static void check_part(const recorded *r, const char *part, const bfn_loss_options *options)
{
    char name[64];
    golden_file *g = r->g;
    const double *t = times(r, part);
    size_t n = r->B * r->D, n_normals, n_output;
    const float *normals = golden_f32(g, named(name, part, "flow_noise"), &n_normals);
    assert_int_equal(n_normals, n * bfn_flow_state_width(&r->flow));
    float *state = golden_alloc(g, n_normals, sizeof *state);
    float *shown = golden_alloc(g, n * bfn_flow_shown_width(&r->flow), sizeof *shown);
    bfn_flow_draw(&r->flow, r->B, r->D, r->data, t, normals, state);
    bfn_flow_show(&r->flow, r->B, r->D, state, shown);
    golden_group_begin(g, named(name, part, "net_input"), 1e-5);
    golden_compare(g, name, shown, n * bfn_flow_shown_width(&r->flow));
    golden_group_end(g);

    const float *output = golden_f32(g, named(name, part, "net_output"), &n_output);
    assert_int_equal(n_output, n * bfn_flow_output_width(&r->flow));
    double *loss = golden_alloc(g, n, sizeof *loss);
    float *gradient = golden_alloc(g, n_output, sizeof *gradient);
    bfn_status status = bfn_flow_loss(g->ctx, &r->flow, options, r->B, r->D, r->data, t, state, output, loss, gradient);
    if (status != BFN_OK)
        fail_msg("%s: %s: %s", g->name, part, bfn_errmsg(g->ctx));
    golden_group_begin(g, named(name, part, "loss"), r->bound);
    compare_loss(r, part, loss);
    golden_group_end(g);
}

static void check_file(golden_file *g)
{
    recorded r = open_recorded(g);
    bfn_loss_options options = BFN_LOSS_OPTIONS_INIT;
    options.published_mixture = 1;
    options.kind = BFN_LOSS_CONTINUOUS_TIME;
    check_part(&r, "cts", &options);
    options.kind = BFN_LOSS_N_STEP;
    options.n_steps = (size_t)golden_number(g, "n_steps_discrete");
    if (r.flow.kind != BFN_DATA_CONTINUOUS) {
        options.normals = golden_f32(g, "disc.sender_noise.0", NULL);
        options.n_draws = golden_tensor(g, "disc.sender_noise.0")->shape[0];
    }
    check_part(&r, "disc", &options);
    options.kind = BFN_LOSS_RECONSTRUCTION;
    check_part(&r, "recon", &options);
}

static void recorded_losses(void **state)
{
    (void)state;
    assert_true(golden_each("", "_losses", check_file) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(recorded_losses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
