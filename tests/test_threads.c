/* test_threads.c: eight threads with eight handles each: contexts, models, samplers and files that never meet. The thread sanitizer
 * (make tsan) sees what the results do not show. */
#include "bfn/model.h"
#include "helper_io.h"
#include "helper_train.h"
#include "io/file.h"
#include "io/safetensors.h"
#include "io/yaml.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = 8, POSITIONS = 16, D = 6 };

/* What thread i makes of its handles; why[0] stays '\0' where all is well (cmocka's checks are for the first thread alone). */
typedef struct worker {
    const training *s;
    size_t i;
    bfn_context *ctx[N];
    bfn_model *models[N];
    int32_t texts[N][POSITIONS];
    float numbers[N][D];
    char why[300];
} worker;

#define NEED(condition, ...)                                                                                           \
    do {                                                                                                               \
        if (!(condition)) {                                                                                            \
            (void)snprintf(w->why, sizeof w->why, __VA_ARGS__);                                                        \
            return;                                                                                                    \
        }                                                                                                              \
    } while (0)

static void open_handles(worker *w)
{
    char path[PATH_BYTES];
    path_in(w->s, "a/last.safetensors", path);
    for (size_t j = 0; j < N; j++) {
        bfn_context_options o = BFN_CONTEXT_OPTIONS_INIT;
        o.n_threads = 1 + (int)(j % 2);
        NEED(bfn_context_create(&w->ctx[j], &o) == BFN_OK, "context %zu", j);
        NEED(bfn_model_load(w->ctx[j], &w->models[j], path, NULL) == BFN_OK, "model %zu: %s", j, bfn_errmsg(w->ctx[j]));
    }
}

static void sample_text(worker *w, size_t j)
{
    bfn_solver_options solver = BFN_SOLVER_OPTIONS_INIT;
    bfn_sampler_options sampler = BFN_SAMPLER_OPTIONS_INIT;
    solver.method = j % 2 == 0 ? BFN_METHOD_SDE2M : BFN_METHOD_ODE2M;
    solver.n_evaluations = 4;
    sampler.seed = 7 + j;
    NEED(bfn_model_sample(w->models[j], &solver, &sampler, j, 1, w->texts[j]) == BFN_OK, "samples %zu: %s", j,
         bfn_errmsg(w->ctx[j]));
}

/* Noise that pulls towards 0.5: any function will do. */
static int formula(void *user, size_t first, size_t n, const double *t, const float *shown, float *out)
{
    (void)user;
    (void)first;
    (void)t;
    for (size_t i = 0; i < n * D; i++)
        out[i] = shown[i] - 0.5f;
    return 0;
}

static void sample_formula(worker *w, size_t j)
{
    bfn_flow flow = BFN_FLOW_INIT;
    bfn_solver_options solver = BFN_SOLVER_OPTIONS_INIT;
    bfn_sampler_options sampler = BFN_SAMPLER_OPTIONS_INIT;
    flow.kind = BFN_DATA_CONTINUOUS;
    flow.min_variance = 1e-3;
    solver.method = BFN_METHOD_SDE2M;
    solver.n_evaluations = 5;
    sampler.seed = 1 + j;
    NEED(bfn_sample(w->ctx[j], &flow, &solver, &sampler, D, formula, NULL, 1, w->numbers[j]) == BFN_OK,
         "formula %zu: %s", j, bfn_errmsg(w->ctx[j]));
}

/* Files and configurations of its own, and an error whose message nobody else may get. */
static void use_files(worker *w, size_t j)
{
    char path[PATH_BYTES], name[64];
    float value = (float)(10 * w->i + j);
    bfn__st_tensor tensor = {
        .name = "x", .dtype = BFN__DTYPE_F32, .rank = 1, .shape = {1}, .count = 1, .data = &value, .bytes = 4};
    const bfn__st_entry metadata[] = {{BFN__ST_CHECKSUM, NULL}};
    bfn_context *ctx = w->ctx[j];
    (void)snprintf(name, sizeof name, "t-%zu-%zu.safetensors", w->i, j);
    path_in(w->s, name, path);
    NEED(bfn__safetensors_save(ctx, path, &tensor, 1, metadata, 1) == BFN_OK, "%s", bfn_errmsg(ctx));
    bfn__safetensors *st;
    NEED(bfn__safetensors_open(ctx, &st, path) == BFN_OK, "%s", bfn_errmsg(ctx));
    bool good = bfn__safetensors_verify(st, path, NULL) == BFN_OK &&
                memcmp(bfn__safetensors_find(st, "x")->data, &value, sizeof value) == 0;
    bfn__safetensors_close(st);
    NEED(good, "%s has other numbers", path);
    bfn__yaml *tree;
    char text[64];
    double lr = 0.0;
    (void)snprintf(text, sizeof text, "train: {lr: %zu.5}", 10 * w->i + j);
    NEED(bfn__yaml_parse(ctx, &tree, text, strlen(text), "y") == BFN_OK, "%s", bfn_errmsg(ctx));
    bfn_status status = bfn__yaml_get_number(tree, "train.lr", 0, 1000, &lr);
    bfn__yaml_destroy(tree);
    NEED(status == BFN_OK && lr == (double)value + 0.5, "read %g", lr);
    (void)snprintf(name, sizeof name, "nowhere-%zu-%zu", w->i, j);
    bfn_model *none;
    NEED(bfn_model_load(ctx, &none, name, NULL) == BFN_ERR_NOT_FOUND, "%s was found", name);
    NEED(strstr(bfn_errmsg(ctx), name) != NULL, "another's message: %s", bfn_errmsg(ctx));
}

static void *work(void *arg)
{
    worker *w = arg;
    open_handles(w);
    for (size_t j = 0; j < N && w->why[0] == '\0'; j++) {
        sample_text(w, j);
        sample_formula(w, j);
        if (w->why[0] == '\0')
            use_files(w, j);
    }
    for (size_t j = 0; j < N; j++) {
        bfn_model_destroy(w->models[j]);
        bfn_context_destroy(w->ctx[j]);
    }
    return NULL;
}

static void test_eight_by_eight(void **p)
{
    training *s = *p;
    static worker alone, workers[N];
    pthread_t threads[N];
    watcher first = {.stop_at = 1};
    assert_int_equal(train(s, "a", &first, 0, NULL, 0), BFN_CANCELLED);
    alone = (worker){.s = s, .i = N};
    (void)work(&alone);
    assert_string_equal(alone.why, "");
    for (size_t i = 0; i < N; i++) {
        workers[i] = (worker){.s = s, .i = i};
        assert_int_equal(pthread_create(&threads[i], NULL, work, &workers[i]), 0);
    }
    for (size_t i = 0; i < N; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    for (size_t i = 0; i < N; i++) {
        assert_string_equal(workers[i].why, "");
        assert_memory_equal(workers[i].texts, alone.texts, sizeof alone.texts);
        assert_memory_equal(workers[i].numbers, alone.numbers, sizeof alone.numbers);
    }
    assert_true(isfinite((double)alone.numbers[0][0]) && alone.numbers[0][0] != alone.numbers[1][0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_eight_by_eight, setup_train, teardown_train),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
