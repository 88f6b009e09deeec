/* test_sweep.c: cells of a sweep are what direct calls of the library give; means over seeds; where samplers equal the original one; callbacks. */
#include "helper_fixture.h"
#include "helper_images.h"

#include "bfn/frechet.h"
#include "bfn/picture.h"
#include "bfn/sweep.h"
#include "eval/equals.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { H = 8, D = H * H, N = 40 };
static const char yaml[] = "data: {kind: image, height: 8, width: 8, channels: 1}\n"
                           "network: {class: unet_vdm, embedding_dim: 8, n_blocks: 1, norm_groups: 4}\n"
                           "flow: {kind: continuous}\n";

static bfn_model *model;

static bfn_sweep_cell cell_of(bfn_method method, size_t evaluations, uint64_t seed)
{
    bfn_sweep_cell cell = {.solver = BFN_SOLVER_OPTIONS_INIT, .seed = seed};
    cell.solver.method = method;
    cell.solver.n_evaluations = evaluations;
    return cell;
}

static json_t *load_results(const char *folder)
{
    char path[256];
    json_error_t error;
    snprintf(path, sizeof path, "%s/results.json", folder);
    json_t *results = json_load_file(path, 0, &error);
    if (results == NULL)
        fail_msg("%s: %s", path, error.text);
    return results;
}

static double number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    if (!json_is_number(value))
        fail_msg("no number \"%s\"", key);
    return json_number_value(value);
}

/* ---- pictures: the distance of a cell is that of its samples to the training pictures, computed here on its own ---- */

static bfn_frechet direct_distance(const bfn_sweep_cell *cell, bfn_features *net, const bfn_feature_stats *reference)
{
    static float samples[N * D];
    static uint8_t pixels[N * D];
    bfn_sampler_options o = BFN_SAMPLER_OPTIONS_INIT;
    bfn_model_info info;
    bfn_features_info features;
    bfn_feature_stats *stats;
    bfn_frechet result;
    bfn_model_get_info(model, &info);
    bfn_features_get_info(net, &features);
    o.seed = cell->seed;
    assert_ok(bfn_model_sample(model, &cell->solver, &o, 5, N, samples));
    bfn_samples_to_pixels(&info.flow, N * D, samples, pixels);
    assert_ok(bfn_feature_stats_create(ctx, &stats, features.n_features, 1));
    assert_ok(bfn_features_add(net, stats, N, H, H, 1, pixels));
    assert_ok(bfn_eval_frechet(ctx, stats, reference, NULL, &result));
    bfn_feature_stats_destroy(stats);
    return result;
}

static bfn_feature_stats *stats_of(bfn_features *net, const char *path, bfn_image_part part, size_t most)
{
    bfn_images *images;
    bfn_images_info info;
    bfn_features_info features;
    bfn_feature_stats *stats;
    assert_ok(bfn_images_open(ctx, &images, path, part));
    bfn_images_get_info(images, &info);
    bfn_features_get_info(net, &features);
    assert_ok(bfn_feature_stats_create(ctx, &stats, features.n_features, 1));
    for (size_t i = 0; i < info.n && i < most; i++)
        assert_ok(bfn_features_add(net, stats, 1, H, H, 1, bfn_images_item(images, i)));
    bfn_images_close(images);
    return stats;
}

static bool near(double a, double b)
{
    return fabs(a - b) <= 1e-6 * fmax(fabs(a), fabs(b));
}

static void check_distances(const json_t *results, const bfn_sweep_cell *cells, size_t n, bfn_features *net,
                            const bfn_feature_stats *reference)
{
    double sum = 0.0, squares = 0.0;
    for (size_t i = 0; i < n; i++) {
        const json_t *found = json_array_get(json_object_get(results, "cells"), i);
        bfn_frechet wanted = direct_distance(&cells[i], net, reference);
        assert_true(near(number(found, "frechet"), wanted.distance));
        assert_true(near(number(found, "kernel_distance"), wanted.kernel));
        const json_t *error = json_object_get(found, "frechet_se");
        assert_true(isfinite(wanted.standard_error) ? near(json_number_value(error), wanted.standard_error)
                                                    : error == NULL);
        if (i < 2) { /* two seeds of one sampler */
            sum += wanted.distance;
            squares += wanted.standard_error * wanted.standard_error;
        }
    }
    const json_t *mean = json_array_get(json_object_get(results, "means"), 0);
    assert_int_equal((int)number(mean, "seeds"), 2);
    assert_true(near(number(mean, "frechet"), sum / 2.0));
    if (isfinite(squares))
        assert_true(near(number(mean, "frechet_se"), sqrt(squares) / 2.0));
}

static void test_pictures(void **state)
{
    (void)state;
    char data[256], features[256], out[256];
    double accuracy;
    snprintf(data, sizeof data, "%s", scratch("."));
    snprintf(features, sizeof features, "%s", scratch("c.safetensors"));
    snprintf(out, sizeof out, "%s", scratch("out"));
    images_write_idx(data, 100, 60, H, H);
    bfn_classifier_options training = BFN_CLASSIFIER_OPTIONS_INIT;
    training.epochs = 1;
    assert_ok(bfn_classifier_train(ctx, data, features, &training, &accuracy));
    assert_ok(bfn_model_create(ctx, &model, yaml, 3, NULL));
    const bfn_sweep_cell cells[] = {cell_of(BFN_METHOD_ODE1, 3, 1), cell_of(BFN_METHOD_ODE1, 3, 2),
                                    cell_of(BFN_METHOD_SDE2M, 4, 1), cell_of(BFN_METHOD_SDE2M, 4, 1)};
    bfn_sweep_options o = BFN_SWEEP_OPTIONS_INIT;
    bfn_sweep_summary summary;
    o.out_dir = out;
    o.cells = cells;
    o.n_cells = 4;
    o.n = N;
    o.first = 5;
    o.data = data;
    o.features = features;
    assert_ok(bfn_sweep(model, &o, &summary));
    assert_int_equal(summary.n_cells, 3); /* the last two are one */
    assert_int_equal(summary.n_done, 3);

    bfn_features *net;
    bfn_frechet floor;
    assert_ok(bfn_features_open(ctx, &net, features, NULL));
    bfn_feature_stats *train = stats_of(net, data, BFN_IMAGES_OF_TRAIN, 1000),
                      *test = stats_of(net, data, BFN_IMAGES_OF_TEST, N);
    json_t *results = load_results(out);
    check_distances(results, cells, 3, net, train);
    assert_ok(bfn_eval_frechet(ctx, test, train, NULL, &floor));
    const json_t *header = json_object_get(results, "made_with");
    assert_true(
        near(strtod(json_string_value(json_object_get(header, "frechet_of_test_images")), NULL), floor.distance));
    assert_string_equal(json_string_value(json_object_get(header, "test_images")), "40");
    json_decref(results);

    /* statistics of the same pictures give the same numbers */
    char stats[256], again[256];
    snprintf(stats, sizeof stats, "%s", scratch("stats.npz"));
    snprintf(again, sizeof again, "%s", scratch("again"));
    bfn_features_info info;
    bfn_features_get_info(net, &info);
    assert_ok(bfn_feature_stats_save(train, stats, info.checksum));
    o.data = stats;
    o.out_dir = again;
    assert_ok(bfn_sweep(model, &o, NULL));
    results = load_results(again);
    const json_t *first = json_array_get(json_object_get(results, "cells"), 0);
    assert_true(near(number(first, "frechet"), direct_distance(&cells[0], net, train).distance));
    json_decref(results);

    o.features = NULL;
    o.metrics = "frechet";
    assert_says(bfn_sweep(model, &o, NULL), BFN_ERR_ARGUMENT, "frechet needs data and features");
    bfn_feature_stats_destroy(train);
    bfn_feature_stats_destroy(test);
    bfn_features_close(net);
    bfn_model_destroy(model);
}

/* ---- what a callback and bad options do ---- */

typedef struct counted {
    size_t n_steps, n_finished, stop_at;
    double part;
} counted;

static int count_progress(void *user, const bfn_sweep_progress *p)
{
    counted *c = user;
    assert_true(p->part >= c->part && p->part <= 1.0 + 1e-9);
    c->part = p->part;
    c->n_steps++;
    c->n_finished += p->value_name != NULL;
    return c->stop_at > 0 && p->value_name != NULL && c->n_finished == c->stop_at;
}

static void test_progress(void **state)
{
    (void)state;
    char out[256];
    counted c = {.stop_at = 2};
    const bfn_sweep_cell cells[] = {cell_of(BFN_METHOD_ODE1, 3, 1), cell_of(BFN_METHOD_ODE2M, 3, 1),
                                    cell_of(BFN_METHOD_SDE1, 3, 1)};
    bfn_sweep_options o = BFN_SWEEP_OPTIONS_INIT;
    bfn_sweep_summary summary;
    snprintf(out, sizeof out, "%s", scratch("out"));
    assert_ok(bfn_model_create(ctx, &model, yaml, 3, NULL));
    o.out_dir = out;
    o.cells = cells;
    o.n_cells = 3;
    o.n = 4;
    o.progress = count_progress;
    o.user = &c;
    assert_int_equal(bfn_sweep(model, &o, &summary), BFN_CANCELLED);
    assert_int_equal(summary.n_done, 2);
    json_t *results = load_results(out);
    assert_int_equal(json_array_size(json_object_get(results, "cells")), 2);
    json_decref(results);
    c = (counted){.stop_at = 0};
    assert_ok(bfn_sweep(model, &o, &summary));
    assert_int_equal(summary.n_found, 2);
    assert_int_equal(summary.n_done, 3);
    assert_int_equal(c.n_finished, 1);
    assert_true(c.n_steps > 3);
    assert_true(fabs(c.part - 1.0) < 1e-9);

    o.n_cells = 0;
    assert_says(bfn_sweep(model, &o, NULL), BFN_ERR_ARGUMENT, "no cells");
    o.n_cells = 3;
    o.out_dir = "";
    assert_says(bfn_sweep(model, &o, NULL), BFN_ERR_ARGUMENT, "out_dir");
    o.out_dir = out;
    o.n_shown = 65;
    assert_says(bfn_sweep(model, &o, NULL), BFN_ERR_ARGUMENT, "n_shown: found 65");
    o.struct_size = 1;
    assert_says(bfn_sweep(model, &o, NULL), BFN_ERR_ARGUMENT, "struct_size");
    bfn_model_destroy(model);
}

/* ---- where samplers equal the original one: a table by hand ---- */

enum { MAX_CELLS = 16 };

/* A finished cell of a sweep that was never run: "method grid eta start prediction", and its scores. */
typedef struct made_cell {
    const char *method, *grid, *eta, *start;
    size_t evaluations;
    const char *seed;
    bfn__value high, low; /* a score that is better when it is larger, and one when it is smaller */
} made_cell;

typedef struct made_sweep {
    bfn__sweep sweep;
    bfn__cell cells[MAX_CELLS];
    bfn__results results;
} made_sweep;

static void make_sweep(made_sweep *m, const made_cell *cells, size_t n)
{
    *m = (made_sweep){.sweep = {.ctx = ctx, .n_values = 3, .n_cells = n, .cells = m->cells}};
    m->sweep.values[0] = (bfn__value_kind){"high", "a", "%", true, 1, true};
    m->sweep.values[1] = (bfn__value_kind){"neither", "b", "", false, 0, false};
    m->sweep.values[2] = (bfn__value_kind){"low", "c", "", true, -1, true};
    for (size_t i = 0; i < n; i++) {
        const made_cell *from = &cells[i];
        bool original = strcmp(from->method, "bfn") == 0;
        bfn__cell *cell = &m->cells[i];
        *cell = (bfn__cell){.done = true, .evaluations = from->evaluations, .values = {from->high, {0}, from->low}};
        assert_ok(bfn_record_create(ctx, &cell->settings));
        const char *const entries[][2] = {{"method", from->method},
                                          {"grid", from->grid},
                                          {"eta", from->eta},
                                          {"start", from->start},
                                          {"last", original ? "call" : "predict"},
                                          {"prediction", original ? "draw" : "mean"},
                                          {"seed", from->seed}};
        for (size_t k = 0; k < sizeof entries / sizeof entries[0]; k++)
            assert_ok(bfn_record_set(cell->settings, entries[k][0], entries[k][1]));
        assert_ok(bfn_record_set_count(cell->settings, "evaluations", from->evaluations));
    }
    bfn__results *r = &m->results;
    r->sweep = &m->sweep;
    assert_ok(bfn__points_make(&m->sweep, &r->points, &r->n_points));
    assert_ok(bfn__series_make(&m->sweep, r->points, r->n_points, &r->series, &r->n_series));
    for (size_t v = 0; v < 3; v++)
        assert_ok(bfn__equals_make(&m->sweep, r->series, r->n_series, v, &r->equals[v]));
}

static void free_sweep(made_sweep *m)
{
    for (size_t v = 0; v < 3; v++)
        bfn__equals_free(ctx, &m->results.equals[v]);
    bfn__series_free(ctx, m->results.series, m->results.n_series);
    bfn__free(ctx, m->results.points);
    for (size_t i = 0; i < m->sweep.n_cells; i++)
        bfn_record_destroy(m->cells[i].settings);
}

static void assert_equals(const bfn_sweep_table *t, size_t row, size_t level, size_t evaluations, int fewest)
{
    const bfn_sweep_equal *cell = &t->cells[row * t->n_levels + level];
    assert_int_equal(cell->evaluations, evaluations);
    assert_int_equal(cell->fewest, fewest);
    if (evaluations > 0)
        assert_true(near(cell->saved, (double)t->levels[level].evaluations / (double)evaluations));
    else
        assert_true(isnan(cell->saved) && isnan(cell->score));
}

/* Two seeds, two grids, a score that rises and one that falls. Errors: the original's mean of two seeds has 0.03 / sqrt 2 = 0.0212 and 3 / sqrt 2; with
 * 0.02 and 2 of the others one standard error of the difference is 0.0292 and 2.92. */
static void test_equals(void **state)
{
    (void)state;
    static made_sweep m;
    static const made_cell cells[] = {
        {"bfn", "time", "0", "moments", 10, "1", {0.30, 0.03}, {90.0, 3.0}},
        {"bfn", "time", "0", "moments", 50, "1", {0.59, 0.03}, {21.0, 3.0}},
        {"bfn", "time", "0", "moments", 50, "2", {0.61, 0.03}, {19.0, 3.0}},
        {"bfn", "time", "0", "moments", 100, "1", {0.70, 0.03}, {10.0, 3.0}},
        {"bfn", "time", "0", "moments", 100, "2", {0.70, 0.03}, {10.0, 3.0}},
        {"ode2m", "time", "0.01", "moments", 5, "1", {0.570, 0.02}, {23.0, 2.0}},
        {"ode2m", "time", "0.01", "moments", 20, "1", {0.572, 0.02}, {22.8, 2.0}},
        {"ode2m", "time", "0.01", "moments", 40, "1", {0.80, 0.02}, {14.0, 2.0}},
        {"ode2m", "logsnr", "0.01", "moments", 5, "1", {0.68, 0.02}, {5.0, 2.0}},
        {"sde2m", "time", "0.01", "moments", 8, "1", {0.10, (double)NAN}, {20.0, (double)NAN}},
        {"sde2m", "time", "0.01", "moments", 9, "1", {(double)NAN, (double)NAN}, {12.0, (double)NAN}},
    };
    make_sweep(&m, cells, sizeof cells / sizeof cells[0]);
    const bfn_sweep_table *high = &m.results.equals[0].table, *low = &m.results.equals[2].table;
    assert_int_equal(m.results.equals[1].table.n_levels, 0); /* neither larger nor smaller is better */
    assert_int_equal(high->n_levels, 2);                     /* 50 and 100: 10 is none of the numbers to compare at */
    assert_int_equal(high->n_samplers, 3);
    assert_true(high->published); /* whatever the start is called, at t = 0 it is the same */
    assert_string_equal(high->reference, "bfn");
    assert_int_equal(high->levels[0].evaluations, 50);
    assert_true(near(high->levels[0].score, 0.6) && near(high->levels[0].error, 0.03 / sqrt(2.0)));
    assert_true(near(low->levels[1].score, 10.0) && near(low->levels[1].error, 3.0 / sqrt(2.0)));
    assert_string_equal(high->samplers[0], "ode2m, grid time");
    assert_string_equal(high->samplers[1], "ode2m, grid logsnr");
    assert_string_equal(high->samplers[2], "sde2m");
    assert_equals(high, 0, 0, 20, 0); /* 0.570 is 0.030 below, 0.572 only 0.028 */
    assert_equals(high, 0, 1, 40, 0);
    assert_equals(high, 1, 0, 5, 1);
    assert_equals(high, 1, 1, 5, 1);
    assert_equals(high, 2, 0, 0, 0);
    assert_equals(high, 2, 1, 0, 0);
    assert_equals(low, 0, 0, 20, 0);
    assert_equals(low, 0, 1, 0, 0);
    assert_equals(low, 1, 0, 5, 1);
    assert_equals(low, 2, 0, 8, 1); /* no error of its own: the level's alone */
    assert_equals(low, 2, 1, 9, 0);
    free_sweep(&m);
}

/* None of the usual numbers of evaluations: the most that there are. Not as published: said. No `bfn`, or nothing else: no table. */
static void test_equals_reference(void **state)
{
    (void)state;
    static made_sweep m;
    static const made_cell cells[] = {{"bfn", "logsnr", "0.001", "zero", 10, "1", {0.4, 0.01}, {5.0, 0.1}},
                                      {"bfn", "logsnr", "0.001", "zero", 30, "1", {0.5, 0.01}, {4.0, 0.1}},
                                      {"ode1", "time", "0.01", "zero", 10, "1", {0.5, 0.01}, {4.5, 0.1}}};
    make_sweep(&m, cells, 3);
    const bfn_sweep_table *t = &m.results.equals[0].table;
    assert_int_equal(t->n_levels, 1);
    assert_int_equal(t->levels[0].evaluations, 30);
    assert_false(t->published);
    assert_equals(t, 0, 0, 10, 1);
    free_sweep(&m);
    make_sweep(&m, cells, 2);
    assert_int_equal(m.results.equals[0].table.n_levels, 0);
    free_sweep(&m);
    make_sweep(&m, cells + 2, 1);
    assert_int_equal(m.results.equals[0].table.n_levels, 0);
    free_sweep(&m);
    static const made_cell two[] = {{"bfn", "logsnr", "0", "zero", 50, "1", {0.4, 0.01}, {5.0, 0.1}},
                                    {"bfn", "time", "0", "zero", 50, "1", {0.5, 0.01}, {4.0, 0.1}}};
    make_sweep(&m, two, 2); /* the published one, wherever it stands */
    assert_true(m.results.equals[0].table.published);
    assert_string_equal(m.results.equals[0].table.reference, "bfn, grid time");
    assert_string_equal(m.results.equals[0].table.samplers[0], "bfn, grid logsnr");
    assert_equals(&m.results.equals[0].table, 0, 0, 0, 0);
    free_sweep(&m);
}

/* What the start is called makes no difference to a sampler that begins at t = 0: one series, two seeds of one point, no row of its own. */
static void test_start_at_zero(void **state)
{
    (void)state;
    static made_sweep m;
    static const made_cell cells[] = {{"bfn", "time", "0", "zero", 20, "1", {0.4, 0.01}, {5.0, 0.1}},
                                      {"bfn", "time", "0", "moments", 20, "2", {0.6, 0.01}, {5.0, 0.1}},
                                      {"bfn", "time", "0", "moments", 50, "1", {0.7, 0.01}, {4.0, 0.1}},
                                      {"bfn", "time", "0.001", "moments", 50, "1", {0.8, 0.01}, {3.0, 0.1}},
                                      {"ode1", "time", "0.01", "zero", 10, "1", {0.5, 0.01}, {5.5, 0.1}},
                                      {"ode1", "time", "0.01", "moments", 10, "1", {0.6, 0.01}, {4.5, 0.1}}};
    make_sweep(&m, cells, 6);
    const bfn_sweep_table *t = &m.results.equals[0].table;
    assert_int_equal(m.results.n_points, 5);
    assert_int_equal(m.results.n_series, 4);
    assert_int_equal(m.results.series[0].n, 2);
    assert_true(m.results.series[0].original);
    assert_int_equal(t->n_levels, 2);
    assert_true(near(t->levels[0].score, 0.5));
    assert_string_equal(t->reference, "bfn, η = 0");
    assert_int_equal(t->n_samplers, 3);
    assert_string_equal(t->samplers[0], "bfn, η = 0.001");
    assert_string_equal(t->samplers[1], "ode1, start zero");
    assert_string_equal(t->samplers[2], "ode1, start moments");
    free_sweep(&m);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup_scratch, teardown_scratch)
    const struct CMUnitTest tests[] = {TEST(test_pictures), TEST(test_progress), TEST(test_equals),
                                       TEST(test_equals_reference), TEST(test_start_at_zero)};
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
