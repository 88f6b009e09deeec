/* test_long_released.c: checkpoints of the papers' sizes, with random weights, in the layout of the released files: all five load with their
 * configurations; converting takes little more memory than the file is long; what was converted loads in under a second.
 *
 * Each part runs in a process of its own, so that its largest memory is its own. The time is judged where nothing else runs.
 */
#include "bfn/model.h"
#include "helper_fixture.h"
#include "helper_torch.h"
#include "io/file.h"
#include "model/model_internal.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const struct {
    const char *config;
    size_t n_parameters;
} experiments[] = {
    {"text8-paper.yaml", 170175003},       {"mnist-paper.yaml", 24808961},       {"cifar10-256c-paper.yaml", 30722188},
    {"cifar10-256d-paper.yaml", 30722584}, {"cifar10-16d-paper.yaml", 30722584},
};
enum { N_EXPERIMENTS = sizeof experiments / sizeof experiments[0] };

static const char *config_path(size_t i)
{
    static char path[4096];
    snprintf(path, sizeof path, "%s/configs/%s", BFN_SOURCE_DIR, experiments[i].config);
    return path;
}

/* In a child: the network's initial weights as torch.save would have written them. */
static bool make(size_t i, const char *path)
{
    bfn__bytes file;
    bfn_model *model;
    if (bfn__file_map(ctx, config_path(i), 1 << 20, &file) != BFN_OK)
        return false;
    char *yaml = calloc(file.size + 1, 1);
    memcpy(yaml, file.data, file.size);
    if (bfn_model_create(ctx, &model, yaml, 7, NULL) != BFN_OK)
        return false;
    size_t n = bfn__net_n_params(model->net);
    bfn__st_tensor *tensors = calloc(n, sizeof *tensors);
    for (size_t j = 0; j < n; j++) {
        const bfn__param *p = bfn__net_param(model->net, j);
        tensors[j] = (bfn__st_tensor){.name = p->name,
                                      .dtype = BFN__DTYPE_F32,
                                      .rank = p->rank,
                                      .count = p->count,
                                      .data = model->params + p->offset};
        memcpy(tensors[j].shape, p->shape, (size_t)p->rank * sizeof *p->shape);
    }
    torch_save_path(path, "net.", tensors, n);
    return true;
}

static bool load(const char *path, const char *config, size_t n_parameters)
{
    bfn_model *model;
    bfn_model_info info;
    bfn_model_options o = BFN_MODEL_OPTIONS_INIT;
    o.config_path = config;
    if (bfn_model_load(ctx, &model, path, &o) != BFN_OK) {
        fprintf(stderr, "%s\n", bfn_errmsg(ctx));
        return false;
    }
    bfn_model_get_info(model, &info);
    if (info.n_parameters != n_parameters)
        fprintf(stderr, "%s: %zu parameters, expected %zu\n", path, info.n_parameters, n_parameters);
    bool right = info.n_parameters == n_parameters;
    bfn_model_destroy(model);
    return right;
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* ---- parts ---- */

typedef enum part { MAKE, LOAD_PT, CONVERT, LOAD } part;

static bool load_quickly(const char *path, size_t i)
{
    double best = 1e9;
    for (int run = 0; run < 5; run++) {
        double start = seconds();
        if (!load(path, NULL, experiments[i].n_parameters))
            return false;
        double took = seconds() - start;
        best = took < best ? took : best;
    }
    printf("%s: loads in %.2f s\n", experiments[i].config, best);
    fflush(stdout);
    double load = 0.0;
    return best < 1.0 || (getloadavg(&load, 1) == 1 && load > 1.5);
}

static bool run_part(part what, size_t i, const char *pt, const char *out)
{
    bfn_convert_options c = BFN_CONVERT_OPTIONS_INIT;
    switch (what) {
    case MAKE:
        return make(i, pt);
    case LOAD_PT:
        return load(pt, config_path(i), experiments[i].n_parameters);
    case CONVERT:
        c.config_path = config_path(i);
        return bfn_convert(ctx, pt, out, &c) == BFN_OK;
    case LOAD:
        return load_quickly(out, i);
    }
    return false;
}

/* The part in a child; bytes of memory that it took at most. */
static size_t in_child(part what, size_t i, const char *pt, const char *out)
{
    struct rusage usage;
    int status = 0;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(run_part(what, i, pt, out) ? 0 : 1);
    assert_int_equal(wait4(child, &status, 0, &usage), child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("%s: part %d failed (status %d)", experiments[i].config, (int)what, status);
    return (size_t)usage.ru_maxrss * 1024;
}

static void test_checkpoints(void **state)
{
    (void)state;
    char pt[64], out[64];
    snprintf(pt, sizeof pt, "%s", scratch("made.pt"));
    snprintf(out, sizeof out, "%s", scratch("out.safetensors"));
    for (size_t i = 0; i < N_EXPERIMENTS; i++) {
        struct stat info;
        (void)in_child(MAKE, i, pt, out);
        assert_int_equal(stat(pt, &info), 0);
        (void)in_child(LOAD_PT, i, pt, out);
        size_t used = in_child(CONVERT, i, pt, out);
        printf("%s: %.0f MB, %.2f of them to convert\n", experiments[i].config, 1e-6 * (double)info.st_size,
               (double)used / (double)info.st_size);
        if (i == 0) /* the program itself weighs in smaller files */
            assert_true((double)used < 1.2 * (double)info.st_size);
        (void)in_child(LOAD, i, pt, out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_checkpoints, setup_scratch, teardown_scratch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
