/* predict.c: running a model: the network as the samplers' callback, sampling, text in and out.
 *
 * The network is compiled for a largest batch; a call with more samples compiles it anew (allocating), so sampling reserves its
 * batch first and then allocates nothing.
 */
#include "model/model_internal.h"

#include "io/npy.h"
#include "nn/parallel.h"
#include "solver/plan.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

void bfn__use_openmp(bfn_context *ctx)
{
    if (ctx->parallel_for != NULL)
        return;
    ctx->parallel_for = bfn__openmp_parallel_for;
    ctx->parallel_user = ctx;
}

int bfn_has_bf16(void)
{
    return strcmp(bfn__cpu_path(), "avx512_bf16") == 0;
}

/* Written once, the same for every context: it describes the machine. */
static char backend_text[64];

static void write_backend(void)
{
    snprintf(backend_text, sizeof backend_text, "oneDNN %s, %s", bfn__dnnl_version(), bfn__cpu_path());
}

const char *bfn_backend(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, write_backend);
    return backend_text;
}

bfn_status bfn_model_reserve(bfn_model *model, size_t batch)
{
    if (batch == 0 || batch > 65536)
        return bfn__fail(model->ctx, BFN_ERR_ARGUMENT, "batch: found %zu, needs 1 to 65536", batch);
    if (batch <= model->batch)
        return BFN_OK;
    bool bf16 = model->options.precision != BFN_PRECISION_F32 && bfn_has_bf16();
    bfn__exec_options options = {.batch = batch, .precision = bf16 ? BFN__BF16 : BFN__F32, .training = false};
    bfn__exec *exec;
    bfn_status status = bfn__exec_create(model->ctx, &exec, model->net, &options);
    if (status == BFN_OK)
        status = bfn__exec_set_params(exec, model->params);
    if (status != BFN_OK) {
        bfn__exec_destroy(exec);
        return status;
    }
    int32_t *labels = bfn__calloc(model->ctx, batch, sizeof *labels);
    if (labels == NULL) {
        bfn__exec_destroy(exec);
        return BFN_ERR_MEMORY;
    }
    bfn__free(model->ctx, model->labels);
    model->labels = labels;
    bfn__exec_destroy(model->exec);
    model->exec = exec;
    model->batch = batch;
    return BFN_OK;
}

bfn_status bfn_model_set_label(bfn_model *model, int label)
{
    size_t n = bfn__net_n_labels(model->net);
    if (n == 0)
        return bfn__fail(model->ctx, BFN_ERR_ARGUMENT, "class: the model's network takes no classes");
    if (label < -1 || (label >= 0 && (size_t)label >= n))
        return bfn__fail(model->ctx, BFN_ERR_ARGUMENT, "class: found %d, needs 0 to %zu, or -1 for all in turn", label,
                         n - 1);
    model->label = label;
    return BFN_OK;
}

static void set_labels(const bfn_model *model, size_t first, size_t n)
{
    size_t n_labels = bfn__net_n_labels(model->net);
    for (size_t i = 0; i < n && n_labels > 0; i++)
        model->labels[i] = model->label >= 0 ? model->label : (int32_t)((first + i) % n_labels);
    bfn__exec_set_labels(model->exec, model->given != NULL ? model->given : model->labels);
}

int bfn_model_predict(void *user, size_t first, size_t n, const double *t, const float *shown, float *out)
{
    bfn_model *model = user;
    bfn_status status = bfn_model_reserve(model, n);
    if (status == BFN_OK)
        set_labels(model, first, n);
    if (status == BFN_OK)
        status = bfn__exec_forward(model->exec, n, shown, t, out);
    return (int)status;
}

void bfn_model_resolve(const bfn_model *model, bfn_solver_options *options)
{
    bool moments = model->mean != NULL && bfn__starts_early(&model->flow, options);
    if (options->start == BFN_START_DEFAULT)
        options->start = moments ? BFN_START_MOMENTS : BFN_START_ZERO_MEAN;
}

bfn_status bfn_model_sample(bfn_model *model, const bfn_solver_options *solver, const bfn_sampler_options *options,
                            size_t first, size_t n, void *out)
{
    bfn_context *ctx = model->ctx;
    bfn_sampler_options o = BFN_SAMPLER_OPTIONS_INIT;
    if (options != NULL)
        o = *options;
    if (o.moments.mean == NULL && model->mean != NULL)
        o.moments = (bfn_moments){model->mean, model->data.variance};
    bfn_plan *plan = NULL;
    bfn_sampler *sampler = NULL;
    bfn_solver_options resolved = *solver;
    bfn_model_resolve(model, &resolved);
    bfn_status status = bfn_plan_create(ctx, &plan, &model->flow, &resolved);
    if (status == BFN_OK)
        status = bfn_sampler_create(ctx, &sampler, &model->flow, plan, model->D, &o);
    size_t batch = o.batch != 0 ? o.batch : 8;
    if (status == BFN_OK && n > 0)
        status = bfn_model_reserve(model, batch < n ? batch : n);
    if (status == BFN_OK && n > 0)
        status = bfn_sampler_run(sampler, bfn_model_predict, model, first, n, out, NULL);
    bfn_sampler_destroy(sampler);
    bfn_plan_destroy(plan);
    return status;
}

static bfn_status need_text(bfn_model *model)
{
    if (model->data.alphabet != NULL)
        return BFN_OK;
    return bfn__fail(model->ctx, BFN_ERR_ARGUMENT, "the model holds no alphabet: it is not a text model");
}

bfn_status bfn_model_decode(bfn_model *model, const int32_t *sample, char *buffer)
{
    bfn_status status = need_text(model);
    if (status == BFN_OK)
        bfn__alphabet_decode(model->data.alphabet, sample, model->D, buffer);
    return status;
}

/* Index of one UTF-8 character of n bytes. */
static bfn_status index_of(bfn_model *model, const char *character, size_t n, int32_t *index)
{
    uint16_t *codes;
    size_t n_codes;
    bfn_status status =
        bfn__alphabet_encode(model->ctx, model->data.alphabet, character, n, "pattern", &codes, &n_codes);
    if (status != BFN_OK)
        return bfn__fail(model->ctx, BFN_ERR_ARGUMENT,
                         "pattern: found \"%.*s\", needs characters of the model's alphabet or _", (int)n, character);
    *index = codes[0];
    bfn__free(model->ctx, codes);
    return BFN_OK;
}

static size_t character_bytes(const char *c)
{
    size_t n = 1;
    while (((unsigned char)c[n] & 0xc0) == 0x80)
        n++;
    return n;
}

bfn_status bfn_model_infill(bfn_model *model, const char *pattern, unsigned char *known, int32_t *values)
{
    bfn_status status = need_text(model);
    if (status != BFN_OK)
        return status;
    memset(known, 0, model->D);
    memset(values, 0, model->D * sizeof *values);
    size_t d = 0;
    for (const char *c = pattern; *c != '\0'; d++) {
        size_t n = character_bytes(c);
        if (d == model->D)
            return bfn__fail(model->ctx, BFN_ERR_ARGUMENT, "pattern: longer than the model's %zu positions", model->D);
        if (*c != '_') {
            known[d] = 1;
            status = index_of(model, c, n, &values[d]);
            if (status != BFN_OK)
                return status;
        }
        c += n;
    }
    return BFN_OK;
}

bfn_status bfn_samples_save_npy(bfn_context *ctx, const char *path, const bfn_flow *flow, size_t n, size_t D,
                                const void *samples)
{
    size_t shape[2] = {n, D};
    return bfn__npy_save(ctx, path, flow->kind == BFN_DATA_DISCRETE ? BFN__DTYPE_I32 : BFN__DTYPE_F32, 2, shape,
                         samples);
}
