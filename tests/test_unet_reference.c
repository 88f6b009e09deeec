/* The double-precision U-Nets of helper_unet_reference.c against recorded values: forward, and the gradient of sum(y dy) by central
 * differences along one direction of x. It does not touch the engine: it says that the reference may be trusted.
 */
#include "helper_golden.h"
#include "helper_unet_reference.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_OPTIONS = 64 };

typedef struct recorded {
    golden_file *weights;
    bfn__option options[MAX_OPTIONS];
    char keys[MAX_OPTIONS][64];
    unet_reference reference;
} recorded;

static const double *lookup(void *user, const char *name, size_t count)
{
    golden_file *g = user;
    char full[256];
    size_t n;
    (void)snprintf(full, sizeof full, "net.%s", name);
    if (!golden_has(g, full))
        return NULL;
    const double *values = golden_f64(g, full, &n);
    if (n != count)
        fail_msg("%s: %zu numbers, the reference needs %zu", name, n, count);
    return values;
}

/* A JSON document as flat options: {"a": {"b": [3, 4]}} becomes a.b.0 = 3, a.b.1 = 4. */
static void flatten(recorded *r, const char *prefix, json_t *value)
{
    char name[64];
    const char *key;
    size_t i;
    json_t *item;
    if (json_is_object(value)) {
        json_object_foreach(value, key, item)
        {
            (void)snprintf(name, sizeof name, "%s%s%s", prefix, prefix[0] != '\0' ? "." : "", key);
            flatten(r, name, item);
        }
    } else if (json_is_array(value)) {
        json_array_foreach(value, i, item)
        {
            (void)snprintf(name, sizeof name, "%.40s.%zu", prefix, i);
            flatten(r, name, item);
        }
    } else {
        size_t n = r->reference.n_options++;
        assert_true(n < MAX_OPTIONS);
        (void)snprintf(r->keys[n], sizeof r->keys[n], "%s", prefix);
        r->options[n].key = r->keys[n];
        r->options[n].value = json_is_boolean(value) ? (double)json_is_true(value) : json_number_value(value);
    }
}

static void open_recorded(recorded *r, golden_file *g)
{
    char name[256];
    memset(r, 0, sizeof *r);
    (void)snprintf(name, sizeof name, "%.*s_weights.safetensors", (int)strcspn(g->name, "_"), g->name);
    r->weights = golden_open(name);
    r->reference = (unet_reference){r->options, 0, lookup, r->weights};
    flatten(r, "", golden_json(g, "config"));
}

static void run(const recorded *r, golden_file *g, const double *x, double t, double *y)
{
    if (strcmp(golden_text(g, "network"), "UNetVDM") == 0)
        reference_unet_vdm(&r->reference, x, t, y);
    else
        reference_unet_adm(&r->reference, x, t, 0, y);
}

/* sum over the sample of dy times (y(x + h v) - y(x - h v)) / 2h, beside the recorded gradient of x times v, whose elements are +-1. */
static void compare_slope(const recorded *r, golden_file *g, const double *x, double t, const double *dy,
                          const double *grad, size_t n_x, size_t n_y)
{
    double *moved = golden_alloc(g, n_x, sizeof *moved), *y = golden_alloc(g, 2 * n_y, sizeof *y);
    double step = 1e-6, want = 0.0, got = 0.0, norm = 0.0;
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < n_x; i++)
            moved[i] = x[i] + (side == 0 ? step : -step) * ((i * i / 3) % 2 == 0 ? 1.0 : -1.0);
        run(r, g, moved, t, y + (size_t)side * n_y);
    }
    for (size_t i = 0; i < n_x; i++) {
        want += grad[i] * ((i * i / 3) % 2 == 0 ? 1.0 : -1.0);
        norm += grad[i] * grad[i];
    }
    for (size_t i = 0; i < n_y; i++)
        got += dy[i] * (y[i] - y[n_y + i]) / (2.0 * step);
    golden_note_error(g, "slope", fabs(got - want) / sqrt(norm));
}

static void forward(golden_file *g)
{
    if (strcmp(golden_text(g, "network"), "GPT") == 0)
        return;
    static recorded r;
    open_recorded(&r, g);
    size_t n_x, n_y, B = golden_tensor(g, "t")->count;
    const double *x = golden_f64(g, "x", &n_x), *t = golden_f64(g, "t", NULL), *dy = golden_f64(g, "dy", &n_y);
    const double *grad = golden_f64(g, "grad_x", NULL);
    n_x /= B;
    n_y /= B;
    double *y = golden_alloc(g, B * n_y, sizeof *y);
    for (size_t i = 0; i < B; i++)
        run(&r, g, x + i * n_x, t[i], y + i * n_y);
    golden_group_begin(g, "reference forward", 2e-6);
    golden_compare_f64(g, "y", y, B * n_y);
    golden_group_end(g);
    golden_group_begin(g, "reference slope", 1e-5);
    for (size_t i = 0; i < B; i++)
        compare_slope(&r, g, x + i * n_x, t[i], dy + i * n_y, grad + i * n_x, n_x, n_y);
    golden_group_end(g);
    golden_close(r.weights);
}

static void recorded_networks(void **state)
{
    (void)state;
    golden_each("", "_forward_backward", forward);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(recorded_networks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
