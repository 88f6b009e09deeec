/* Training against recorded values: every *_training_trace.safetensors, a few AdamW steps on recorded data, times and noise.
 *
 * Losses, gradient norms before clipping, final parameters and averages. The key third of every c_attn bias (rows E to 2E) is left
 * out: softmax does not see it, so its true gradient is zero and AdamW amplifies rounding to full steps.
 */
#include "helper_network.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

typedef struct trace {
    golden_file *g;
    golden_network w;
    bfn_flow flow;
    bfn__adamw adamw;
    double clip, ema_decay;
    size_t n_steps, B, D;
    float *grads, *m, *v, *ema;
    double *losses, *norms;
} trace;

static bool open_trace(trace *r, golden_file *g)
{
    memset(r, 0, sizeof *r);
    r->g = g;
    r->B = golden_tensor(g, "data.0")->shape[0];
    if (!golden_network_open(&r->w, g, r->B, true))
        return false;
    r->flow = golden_flow(g);
    r->D = bfn__net_positions(r->w.net);
    r->n_steps = (size_t)golden_number(g, "steps");
    r->clip = golden_number(g, "grad_clip_norm");
    r->ema_decay = golden_number(g, "ema_decay");
    json_t *betas = json_object_get(golden_json(g, "optimizer"), "betas");
    r->adamw = (bfn__adamw){.beta1 = json_number_value(json_array_get(betas, 0)),
                            .beta2 = json_number_value(json_array_get(betas, 1))};
    r->adamw.lr = golden_json_number(g, "optimizer", "lr");
    r->adamw.eps = golden_json_number(g, "optimizer", "eps");
    r->adamw.weight_decay = golden_json_number(g, "optimizer", "weight_decay");
    size_t arena = bfn__net_arena(r->w.net);
    r->grads = golden_alloc(g, arena, sizeof(float));
    r->m = golden_alloc(g, arena, sizeof(float));
    r->v = golden_alloc(g, arena, sizeof(float));
    r->ema = golden_alloc(g, arena, sizeof(float));
    memcpy(r->ema, r->w.params, arena * sizeof(float));
    r->losses = golden_alloc(g, r->n_steps, sizeof(double));
    r->norms = golden_alloc(g, r->n_steps, sizeof(double));
    return true;
}

/* Mean loss of the step's data, and its gradient in r->grads. */
static double loss_and_gradient(trace *r, size_t step)
{
    golden_file *g = r->g;
    char name[32];
    size_t n = r->B * r->D, n_out = r->B * bfn__net_output_size(r->w.net);
    (void)snprintf(name, sizeof name, "data.%zu", step);
    const int32_t *data = golden_i32(g, name, NULL);
    (void)snprintf(name, sizeof name, "t.%zu", step);
    const double *t = golden_f64(g, name, NULL);
    (void)snprintf(name, sizeof name, "noise.%zu", step);
    float *state = golden_f32(g, name, NULL);
    float *shown = golden_alloc(g, r->B * bfn__net_shown_size(r->w.net), sizeof *shown);
    float *y = golden_alloc(g, n_out, sizeof *y), *dy = golden_alloc(g, n_out, sizeof *dy);
    double *loss = golden_alloc(g, n, sizeof *loss), mean = 0.0;
    bfn_loss_options options = BFN_LOSS_OPTIONS_INIT;
    bfn_flow_draw(&r->flow, r->B, r->D, data, t, state, state);
    bfn_flow_show(&r->flow, r->B, r->D, state, shown);
    assert_int_equal(bfn__exec_set_params(r->w.exec, r->w.params), BFN_OK);
    assert_int_equal(bfn__exec_forward(r->w.exec, r->B, shown, t, y), BFN_OK);
    assert_int_equal(bfn_flow_loss(g->ctx, &r->flow, &options, r->B, r->D, data, t, state, y, loss, dy), BFN_OK);
    for (size_t i = 0; i < n; i++)
        mean += loss[i] / (double)n;
    for (size_t i = 0; i < n_out; i++)
        dy[i] /= (float)n;
    memset(r->grads, 0, bfn__net_arena(r->w.net) * sizeof *r->grads);
    assert_int_equal(bfn__exec_backward(r->w.exec, r->B, dy, r->grads, NULL), BFN_OK);
    return mean;
}

static bool is_attention_bias(const char *name)
{
    static const char end[] = "attn.c_attn.bias";
    size_t n = strlen(name);
    return n >= sizeof end - 1 && strcmp(name + n - (sizeof end - 1), end) == 0;
}

/* Largest absolute difference of each parameter. */
static void compare_arena(trace *r, const char *kind, const float *arena)
{
    golden_group_begin(r->g, kind, 2e-5);
    for (size_t i = 0; i < bfn__net_n_params(r->w.net); i++) {
        const bfn__param *p = bfn__net_param(r->w.net, i);
        char name[256];
        size_t n;
        if (!p->trained)
            continue;
        (void)snprintf(name, sizeof name, "%s.%s", kind, p->name);
        const float *want = golden_f32(r->g, name, &n), *got = arena + p->offset;
        assert_int_equal(n, p->count);
        double worst = 0.0;
        for (size_t j = 0; j < n; j++) {
            double d = fabs((double)got[j] - (double)want[j]);
            if (is_attention_bias(p->name) && j >= n / 3 && j < 2 * n / 3)
                continue;
            if (!(d <= worst))
                worst = isnan(d) ? (double)INFINITY : d;
        }
        golden_note_error(r->g, name, worst);
    }
    golden_group_end(r->g);
}

static void check_trace(golden_file *g)
{
    trace r;
    if (!open_trace(&r, g))
        return;
    for (size_t step = 0; step < r.n_steps; step++) {
        r.losses[step] = loss_and_gradient(&r, step);
        r.norms[step] = bfn__grad_norm(g->ctx, r.w.net, r.grads);
        double scale = r.norms[step] > r.clip ? r.clip / r.norms[step] : 1.0;
        bfn__adamw_step(g->ctx, r.w.net, &r.adamw, step + 1, scale, r.grads, r.w.params, r.m, r.v);
        bfn__ema_update(g->ctx, r.w.net, r.ema_decay, r.w.params, r.ema);
    }
    golden_group_begin(g, "loss", 1e-5);
    golden_compare_f64(g, "loss", r.losses, r.n_steps);
    golden_group_end(g);
    golden_group_begin(g, "grad_norm", 1e-4);
    golden_compare_f64(g, "grad_norm", r.norms, r.n_steps);
    golden_group_end(g);
    compare_arena(&r, "param", r.w.params);
    compare_arena(&r, "ema", r.ema);
    golden_network_close(&r.w);
}

static void recorded_training(void **state)
{
    (void)state;
    golden_each("", "_training_trace", check_trace);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(recorded_training)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
