/* test_train_images.c: training on pictures: resuming exactly for every kind of flow, learning, what the run folder shows, the bound. */
#include "bfn/eval.h"
#include "bfn/model.h"
#include "bfn/picture.h"
#include "bfn/train.h"
#include "helper_images.h"
#include "io/file.h"
#include "io/png.h"
#include "io/safetensors.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PATH_BYTES = 160, STEPS = 6 };

#define TRAIN                                                                                                          \
    "train: {batch: 3, accumulate: 2, steps: 6, warmup: 2, ema: 0.9, valid_every: 2, valid_batches: 1, sample_every: " \
    "3,\n"                                                                                                             \
    "        sample_n: 3, sample_nfe: 3, checkpoint_every: 2, log_every: 1}\n"
#define VDM "network: {class: unet_vdm, embedding_dim: 8, n_blocks: 1, norm_groups: 4}\n"
#define ADM                                                                                                            \
    "network: {class: unet_adm, model_channels: 32, out_channels: 32, num_res_blocks: 1, channel_mult: [1, 1], "       \
    "dropout: 0.3,\n"                                                                                                  \
    "          attention_resolutions: [2], num_heads: 2, conv_resample: false"

static const char continuous[] = "data: {kind: image, flip: true, valid: 0.1}\n" VDM "flow: {kind: continuous}\n" TRAIN;
static const char discretised[] =
    "data: {kind: image, valid: 0.1}\n" VDM "flow: {kind: discretised, n_classes: 16, min_variance: 1e-3}\n" TRAIN;
static const char binary[] =
    "data: {kind: image, valid: 0.1}\n" ADM "}\nflow: {kind: discrete, max_sqrt_beta: 3}\n" TRAIN;
static const char labelled[] =
    "data: {kind: image, valid: 0.1}\n" ADM ", num_classes: 4}\nflow: {kind: continuous}\n" TRAIN;

typedef struct state {
    bfn_context *ctx;
    char folder[64], config[PATH_BYTES], data[PATH_BYTES];
    char log[8192];
} state;

static void path_in(const state *s, const char *name, char path[PATH_BYTES])
{
    snprintf(path, PATH_BYTES, "%s/%s", s->folder, name);
}

static void on_log(void *user, const char *line)
{
    state *s = user;
    size_t used = strlen(s->log);
    snprintf(s->log + used, sizeof s->log - used, "%s\n", line);
}

static int setup(void **p)
{
    state *s = calloc(1, sizeof *s);
    snprintf(s->folder, sizeof s->folder, "%s", "bfn-test-images-XXXXXX");
    if (mkdtemp(s->folder) == NULL)
        return -1;
    path_in(s, "config.yaml", s->config);
    snprintf(s->data, sizeof s->data, "%s", s->folder);
    images_write_idx(s->folder, 40, 8, 8, 8);
    bfn_context_options o = BFN_CONTEXT_OPTIONS_INIT;
    o.log = on_log;
    o.log_user = s;
    o.n_threads = 2;
    *p = s;
    return bfn_context_create(&s->ctx, &o);
}

static int teardown(void **p)
{
    state *s = *p;
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", s->folder);
    bfn_context_destroy(s->ctx);
    int code = system(command);
    free(s);
    return code;
}

typedef struct watcher {
    uint64_t stop_at;
    double first_loss, last_loss, first_bound, bound;
    char sample[PATH_BYTES];
    int images;
} watcher;

static int watch(void *user, const bfn_train_progress *p)
{
    watcher *w = user;
    w->first_loss = w->first_loss == 0.0 ? p->loss : w->first_loss;
    w->last_loss = p->loss;
    w->bound = p->valid_bound;
    if (isfinite(w->bound) && w->first_bound == 0.0)
        w->first_bound = w->bound;
    if (p->sample != NULL)
        snprintf(w->sample, sizeof w->sample, "%s", p->sample);
    w->images = p->images;
    return w->stop_at != 0 && p->step >= w->stop_at;
}

static bfn_status train(state *s, const char *run, const char *config, watcher *w, int resume, const char *const *set,
                        size_t n_set)
{
    char out[PATH_BYTES];
    path_in(s, run, out);
    assert_int_equal(bfn__file_write(s->ctx, s->config, config, strlen(config)), BFN_OK);
    bfn_train_options o = BFN_TRAIN_OPTIONS_INIT;
    o.config_path = resume ? NULL : s->config;
    o.data_path = s->data;
    o.out_dir = out;
    o.resume = resume;
    o.set = set;
    o.n_set = n_set;
    o.progress = watch;
    o.user = w;
    return bfn_train(s->ctx, &o);
}

static bool same_bytes(const state *s, const char *a, const char *b)
{
    char path[PATH_BYTES];
    bfn__bytes x, y;
    path_in(s, a, path);
    assert_int_equal(bfn__file_map(s->ctx, path, SIZE_MAX, &x), BFN_OK);
    path_in(s, b, path);
    assert_int_equal(bfn__file_map(s->ctx, path, SIZE_MAX, &y), BFN_OK);
    bool same = x.size == y.size && memcmp(x.data, y.data, x.size) == 0;
    bfn__file_unmap(s->ctx, &x);
    bfn__file_unmap(s->ctx, &y);
    return same;
}

/* Order of the data, mirroring, binarisation, noise, times, dropout and labels come back as they were. */
static void test_resume_is_exact(void **p)
{
    state *s = *p;
    static const char *const configs[] = {continuous, discretised, binary, labelled};
    static const char *const files[] = {"last.safetensors", "best.safetensors", "samples.png", "samples-3.png"};
    for (size_t k = 0; k < 4; k++) {
        char whole_name[8], half_name[8], a[64], b[64];
        watcher whole = {0}, half = {.stop_at = 3}, rest = {0};
        snprintf(whole_name, sizeof whole_name, "a%zu", k);
        snprintf(half_name, sizeof half_name, "b%zu", k);
        assert_int_equal(train(s, whole_name, configs[k], &whole, 0, NULL, 0), BFN_OK);
        assert_int_equal(train(s, half_name, configs[k], &half, 0, NULL, 0), BFN_CANCELLED);
        assert_true(isfinite(whole.last_loss) && isfinite(whole.bound) && whole.images);
        snprintf(a, sizeof a, "%s/%s", whole_name, files[0]);
        snprintf(b, sizeof b, "%s/%s", half_name, files[0]);
        assert_false(same_bytes(s, a, b));
        assert_int_equal(train(s, half_name, configs[k], &rest, 1, NULL, 0), BFN_OK);
        for (size_t f = 0; f < 4; f++) {
            snprintf(a, sizeof a, "%s/%s", whole_name, files[f]);
            snprintf(b, sizeof b, "%s/%s", half_name, files[f]);
            if (!same_bytes(s, a, b))
                fail_msg("%s and %s differ", a, b);
        }
    }
}

/* Stripes are simple: a small network learns some of them in a few steps. */
static void test_learning(void **p)
{
    state *s = *p;
    const char *set[] = {"train.steps=120", "train.lr=0.01",      "train.valid_every=10", "train.sample_every=0",
                         "train.batch=8",   "train.accumulate=1", "data.flip=false"};
    static const char *const configs[] = {continuous, discretised, binary};
    static const double factors[] = {0.98, 0.92, 0.92}; /* most of 8 bits of continuous data is noise here */
    for (size_t k = 0; k < 3; k++) {
        char name[8];
        watcher w = {0};
        snprintf(name, sizeof name, "r%zu", k);
        assert_int_equal(train(s, name, configs[k], &w, 0, set, 7), BFN_OK);
        if (!(w.bound < factors[k] * w.first_bound))
            fail_msg("kind %zu: the bound went from %g to %g", k, w.first_bound, w.bound);
        assert_true(w.last_loss < w.first_loss);
    }
}

static bool file_says(const state *s, const char *name, const char *words)
{
    char path[PATH_BYTES];
    bfn__bytes bytes;
    bool found = false;
    size_t n = strlen(words);
    path_in(s, name, path);
    assert_int_equal(bfn__file_map(s->ctx, path, SIZE_MAX, &bytes), BFN_OK);
    for (size_t i = 0; i + n <= bytes.size && !found; i++)
        found = memcmp((const char *)bytes.data + i, words, n) == 0;
    bfn__file_unmap(s->ctx, &bytes);
    return found;
}

/* A network that is told classes learns from them: with no decay, its table of classes only moves by their gradients. */
static void test_classes_are_told(void **p)
{
    state *s = *p;
    static const char *const names[] = {"a/last.safetensors", "b/last.safetensors"};
    const char *set[] = {"train.weight_decay=0", "train.valid_every=0", "train.sample_every=0"};
    watcher two = {.stop_at = 2}, all = {0};
    bfn__safetensors *st[2];
    const float *tables[2];
    assert_int_equal(train(s, "a", labelled, &two, 0, set, 3), BFN_CANCELLED);
    assert_int_equal(train(s, "b", labelled, &all, 0, set, 3), BFN_OK);
    for (int i = 0; i < 2; i++) {
        char path[PATH_BYTES];
        path_in(s, names[i], path);
        assert_int_equal(bfn__safetensors_open(s->ctx, &st[i], path), BFN_OK);
        const bfn__st_tensor *t = bfn__safetensors_find(st[i], "net.label_emb.weight");
        assert_non_null(t);
        assert_int_equal(t->shape[0], 4);
        tables[i] = t->data;
    }
    for (size_t row = 0; row < 4; row++)
        assert_memory_not_equal(tables[0] + row * 64, tables[1] + row * 64, 64 * sizeof(float));
    bfn__safetensors_close(st[0]);
    bfn__safetensors_close(st[1]);
}

/* What a run shows: grids with their settings inside, a plot, a log. */
/* The last grid is what the saved averages give: sde2m from the moments, the run's seed, f32. */
static void test_grid_is_a_sample(void **p)
{
    state *s = *p;
    static const char *const configs[] = {continuous, discretised, binary};
    for (size_t k = 0; k < 3; k++) {
        watcher w = {0};
        char run[8], name[32], path[PATH_BYTES];
        union {
            float values[3 * 64];
            int32_t classes[3 * 64];
        } samples;
        uint8_t pixels[3 * 64];
        bfn_model *model;
        bfn_model_info info;
        bfn_model_options o = BFN_MODEL_OPTIONS_INIT;
        bfn_solver_options solver = BFN_SOLVER_OPTIONS_INIT;
        bfn_sampler_options sampler = BFN_SAMPLER_OPTIONS_INIT;
        snprintf(run, sizeof run, "g%zu", k);
        assert_int_equal(train(s, run, configs[k], &w, 0, NULL, 0), BFN_OK);
        snprintf(name, sizeof name, "%s/last.safetensors", run);
        path_in(s, name, path);
        o.precision = BFN_PRECISION_F32;
        assert_int_equal(bfn_model_load(s->ctx, &model, path, &o), BFN_OK);
        bfn_model_get_info(model, &info);
        solver.method = BFN_METHOD_SDE2M;
        solver.n_evaluations = 3;
        solver.start = BFN_START_MOMENTS;
        sampler.seed = 1;
        assert_int_equal(bfn_model_sample(model, &solver, &sampler, 0, 3, &samples), BFN_OK);
        bfn_samples_to_pixels(&info.flow, sizeof pixels, &samples, pixels);
        bfn_pictures grid = BFN_PICTURES_INIT;
        grid.n = 3;
        grid.height = grid.width = 8;
        grid.channels = 1;
        grid.pixels = pixels;
        bfn__image is, was;
        path_in(s, "again.png", path);
        assert_int_equal(bfn_pictures_save_png(s->ctx, path, &grid), BFN_OK);
        assert_int_equal(bfn__png_load(s->ctx, path, &is), BFN_OK);
        snprintf(name, sizeof name, "%s/samples-6.png", run);
        path_in(s, name, path);
        assert_int_equal(bfn__png_load(s->ctx, path, &was), BFN_OK);
        assert_true(is.H == was.H && is.W == was.W);
        size_t differ = 0;
        for (size_t i = 0; i < is.H * is.W; i++) /* one level: batches and kernels of training round otherwise */
            differ += abs((int)is.pixels[i] - (int)was.pixels[i]) > 1;
        if (differ > 0)
            fail_msg("%s: %zu of %zu pixels differ", run, differ, is.H * is.W);
        bfn__image_free(s->ctx, &is);
        bfn__image_free(s->ctx, &was);
        bfn_model_destroy(model);
    }
}

static void test_run_folder(void **p)
{
    state *s = *p;
    watcher w = {0};
    char path[PATH_BYTES], *text;
    bfn__bytes bytes;
    assert_int_equal(train(s, "a", continuous, &w, 0, NULL, 0), BFN_OK);
    path_in(s, "a/samples-6.png", path);
    assert_string_equal(w.sample, path);
    assert_true(same_bytes(s, "a/samples-6.png", "a/samples.png"));
    assert_int_equal(bfn__file_map(s->ctx, path, SIZE_MAX, &bytes), BFN_OK);
    bfn__image image;
    assert_int_equal(bfn__png_decode(s->ctx, bytes.data, bytes.size, "grid", &image), BFN_OK);
    assert_true(image.H == 2 * 56 + 3 * 2 && image.W == image.H && image.C == 1);
    bfn__image_free(s->ctx, &image);
    assert_int_equal(bfn__png_read_text(s->ctx, bytes.data, bytes.size, "grid", "bfn.step", &text), BFN_OK);
    assert_string_equal(text, "6");
    bfn__free(s->ctx, text);
    bfn__file_unmap(s->ctx, &bytes);
    assert_true(file_says(s, "a/loss.svg", "bits per dimension"));
    assert_true(file_says(s, "a/loss.svg", "validation bound"));
    assert_true(file_says(s, "a/log.jsonl", "\"images_per_second\":"));
}

static void test_refusals(void **p)
{
    state *s = *p;
    watcher w = {.stop_at = 2};
    const struct {
        const char *set, *message;
    } bad[] = {
        {"network.num_classes=3", "network.num_classes: found 3, the labels of"},
        {"data.width=9", "data.width: found 9, the images of"},
        {"data.seq_len=9", "data.seq_len: found 9, which has no meaning with data.kind: image"},
        {"train.loss=cross_entropy", "train.loss: found cross_entropy"},
        {"network.output_height=2", "network.output_height: found 2, by flow.kind, it is 1"},
        {"network.image_size=32", "network.image_size: found 32, data.height is 8"},
        {"network.class=gpt", "network.class: found gpt, images need unet_vdm or unet_adm"},
        {"network.channel_mult=1,1,1,1,1", "multiple of 16"},
        {"flow.n_classes=257", "flow.n_classes: found 257, images have 2 to 256 bins"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(train(s, "x", labelled, &w, 0, &bad[i].set, 1), BFN_ERR_ARGUMENT);
        if (strstr(bfn_errmsg(s->ctx), bad[i].message) == NULL)
            fail_msg("%s: \"%s\" does not say \"%s\"", bad[i].set, bfn_errmsg(s->ctx), bad[i].message);
    }
    const char *classes[] = {"flow.n_classes=3"};
    assert_int_equal(train(s, "x", binary, &w, 0, classes, 1), BFN_ERR_ARGUMENT);
    assert_non_null(strstr(bfn_errmsg(s->ctx), "black and white: 2"));
    assert_int_equal(train(s, "a", continuous, &w, 0, NULL, 0), BFN_CANCELLED);
    const char *mirrored[] = {"data.flip=false"};
    assert_int_equal(train(s, "a", continuous, &w, 1, mirrored, 1), BFN_ERR_ARGUMENT);
    assert_non_null(strstr(bfn_errmsg(s->ctx), "data.flip: the run was started with true, found false"));
    const struct {
        const char *set, *message;
    } others[] = {
        {"network.class=unet_adm", "network.class: the run was started with unet_vdm, found unet_adm"},
        {"network.n_blocks=2", "network.n_blocks: the run was started with 1, found 2"},
        {"network.embedding_dim=16", "network.embedding_dim: the run was started with 8, found 16"},
        {"flow.kind=discretised", "flow.kind: the run was started with continuous, found discretised"},
        {"flow.n_classes=16", "flow.n_classes: the run was started with 0, found 16"},
        {"data.height=16", "data.height: the run was started with 8, found 16"},
        {"data.kind=text", "data.kind: the run was started with image, found text"},
    };
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        assert_int_equal(train(s, "a", continuous, &w, 1, &others[i].set, 1), BFN_ERR_ARGUMENT);
        if (strstr(bfn_errmsg(s->ctx), others[i].message) == NULL)
            fail_msg("%s: \"%s\" does not say \"%s\"", others[i].set, bfn_errmsg(s->ctx), others[i].message);
    }
    assert_int_equal(train(s, "b", labelled, &w, 0, NULL, 0), BFN_CANCELLED);
    const char *levels[] = {"network.channel_mult=1,1,1"};
    assert_int_equal(train(s, "b", labelled, &w, 1, levels, 1), BFN_ERR_ARGUMENT);
    assert_non_null(strstr(bfn_errmsg(s->ctx), "network.channel_mult.2: the run was started with 0, found 1"));
    images_write_idx(s->folder, 41, 8, 8, 8);
    assert_int_equal(train(s, "a", continuous, &w, 1, NULL, 0), BFN_ERR_ARGUMENT);
    assert_non_null(strstr(bfn_errmsg(s->ctx), "the run was started with data of sha256"));
}

/* The bound of a checkpoint on the validation split is near the training's own; more steps of transmission cost less. */
static void test_bound(void **p)
{
    state *s = *p;
    watcher w = {0};
    char path[PATH_BYTES];
    bfn_model *model;
    const char *set[] = {"train.steps=40", "train.lr=0.01", "train.valid_every=40", "train.valid_batches=100"};
    static const char *const configs[] = {continuous, discretised, binary};
    for (size_t k = 0; k < 3; k++) {
        char name[8], file[32];
        snprintf(name, sizeof name, "r%zu", k);
        snprintf(file, sizeof file, "%s/last.safetensors", name);
        assert_int_equal(train(s, name, configs[k], &w, 0, set, 4), BFN_OK);
        path_in(s, file, path);
        assert_int_equal(bfn_model_load(s->ctx, &model, path, NULL), BFN_OK);
        bfn_bound_options o = BFN_BOUND_OPTIONS_INIT;
        bfn_bound limit, few, many;
        o.split = BFN_SPLIT_VALID;
        o.n_times = 64;
        assert_int_equal(bfn_eval_bound(model, s->data, &o, &limit), BFN_OK);
        assert_true(limit.images && limit.n_sequences == 4 && limit.n_positions == 4 * 64);
        assert_true(fabs(limit.transmission + limit.reconstruction - limit.bound) < 1e-9);
        assert_true(fabs(limit.bound - w.bound) < 0.35 * w.bound); /* one time an image against 64 */
        o.n_steps = 2;
        assert_int_equal(bfn_eval_bound(model, s->data, &o, &few), BFN_OK);
        o.n_steps = 1000;
        assert_int_equal(bfn_eval_bound(model, s->data, &o, &many), BFN_OK);
        assert_true(few.transmission > many.transmission);
        assert_true(fabs(many.transmission - limit.transmission) < 0.15 * limit.transmission);
        bfn_model_destroy(model);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_resume_is_exact, setup, teardown),
        cmocka_unit_test_setup_teardown(test_learning, setup, teardown),
        cmocka_unit_test_setup_teardown(test_classes_are_told, setup, teardown),
        cmocka_unit_test_setup_teardown(test_grid_is_a_sample, setup, teardown),
        cmocka_unit_test_setup_teardown(test_run_folder, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bound, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
