/* model.c: a model from a checkpoint or from a configuration; what is inside it.
 *
 * Loading goes from the general to the particular, so that the first message is the one that helps: is it a safetensors file, is it one
 * of ours (metadata bfn.config), is the configuration valid, do the tensors fit it, are the numbers finite, what does it say of its data.
 * The network is compiled only when it is first used (predict.c), because only then the batch size is known.
 */
#include "model/model_internal.h"

#include "io/file.h"
#include "io/limits.h"
#include "io/sha256.h"
#include "nn/parallel.h"

#include <math.h>
#include <string.h>

static bfn_status check_options(bfn_context *ctx, const bfn_model_options *options, bfn_model_options *out)
{
    *out = (bfn_model_options)BFN_MODEL_OPTIONS_INIT;
    if (options == NULL)
        return BFN_OK;
    if (options->struct_size != sizeof *options)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "model options: struct_size %zu, needs %zu", options->struct_size,
                         sizeof *options);
    if ((unsigned)options->precision > BFN_PRECISION_BF16)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "model options: precision %d, needs 0 to 2", (int)options->precision);
    *out = *options;
    return BFN_OK;
}

static bfn_status model_new(bfn_context *ctx, bfn_model **out, const bfn_model_options *options)
{
    bfn_model_options checked;
    *out = NULL;
    bfn_status status = check_options(ctx, options, &checked);
    if (status == BFN_OK)
        status = bfn__room_for_threads(ctx);
    if (status != BFN_OK)
        return status;
    bfn_model *model = bfn__calloc(ctx, 1, sizeof *model);
    if (model == NULL)
        return BFN_ERR_MEMORY;
    model->ctx = ctx;
    model->options = checked;
    model->train.valid_bound = model->train.best_bound = NAN;
    model->label = -1;
    bfn__use_openmp(ctx);
    bfn__config_init(&model->config);
    *out = model;
    return BFN_OK;
}

void bfn_model_destroy(bfn_model *model)
{
    if (model == NULL)
        return;
    bfn_context *ctx = model->ctx;
    bfn__exec_destroy(model->exec);
    bfn__net_destroy(model->net);
    bfn__data_info_free(ctx, &model->data);
    bfn__free(ctx, model->mean);
    bfn__free(ctx, model->labels);
    bfn__free(ctx, model->params);
    bfn__free(ctx, model->config_text);
    for (size_t i = 0; model->tensors != NULL && i < model->n_tensors; i++)
        bfn__free(ctx, model->tensors[i].name);
    bfn__free(ctx, model->tensors);
    bfn__free(ctx, model);
}

/* What follows from the resolved configuration. */
static bfn_status finish_network(bfn_model *model)
{
    model->flow = bfn__config_flow(&model->config);
    model->D = bfn__config_positions(&model->config);
    for (size_t i = 0; i < bfn__net_n_params(model->net); i++)
        if (bfn__net_param(model->net, i)->trained)
            model->n_parameters += bfn__net_param(model->net, i)->count;
    model->params = bfn__calloc(model->ctx, bfn__net_arena(model->net), sizeof(float));
    if (model->params == NULL)
        return BFN_ERR_MEMORY;
    return bfn__config_write(model->ctx, &model->config, &model->config_text);
}

/* [D,K] for samplers, from the [K] or [D,K] of the file. */
static bfn_status spread_mean(bfn_model *model)
{
    const bfn__data_info *data = &model->data;
    size_t K = bfn_flow_state_width(&model->flow), count;
    if (data->mean == NULL)
        return BFN_OK;
    if (!bfn__size_mul(model->D, K, &count))
        return BFN_ERR_MEMORY;
    model->mean = bfn__calloc(model->ctx, count, sizeof(float));
    if (model->mean == NULL)
        return BFN_ERR_MEMORY;
    for (size_t d = 0; d < model->D; d++)
        memcpy(model->mean + d * K, data->mean + (data->mean_rows == 1 ? 0 : d * K), K * sizeof(float));
    return BFN_OK;
}

static bfn_status list_tensors(bfn_model *model, const bfn__safetensors *st)
{
    size_t n = bfn__safetensors_n_tensors(st);
    model->tensors = bfn__calloc(model->ctx, n, sizeof *model->tensors);
    if (model->tensors == NULL)
        return BFN_ERR_MEMORY;
    model->n_tensors = n;
    for (size_t i = 0; i < n; i++) {
        const bfn__st_tensor *from = bfn__safetensors_tensor(st, i);
        bfn__file_tensor *to = &model->tensors[i];
        to->name = bfn__strdup(model->ctx, from->name);
        if (to->name == NULL)
            return BFN_ERR_MEMORY;
        to->dtype = from->dtype;
        to->rank = from->rank < 4 ? from->rank : 4;
        memcpy(to->shape, from->shape, (size_t)to->rank * sizeof(size_t));
    }
    return BFN_OK;
}

bfn_status bfn__checkpoint_config(bfn_context *ctx, const bfn__safetensors *st, const char *label, bfn__config *config,
                                  bfn__net **net)
{
    *net = NULL;
    const char *yaml = bfn__safetensors_metadata(st, "bfn.config");
    if (yaml == NULL)
        return bfn__fail(ctx, BFN_ERR_INPUT, "%s: not a bfn checkpoint: its metadata has no \"bfn.config\"", label);
    bfn_status status = bfn__config_parse(ctx, config, yaml, strlen(yaml), "bfn.config");
    if (status == BFN_OK)
        status = bfn__config_resolve(ctx, config, 0, net);
    if (status == BFN_OK)
        return BFN_OK;
    /* A configuration inside a file is that file's fault, not the caller's. */
    return bfn__fail_prefix(ctx, status == BFN_ERR_ARGUMENT ? BFN_ERR_INPUT : status, label);
}

/* A training checkpoint has averages beside the weights; an exported model has one set. */
static const char *weights_prefix(const bfn_model *model, const bfn__safetensors *st)
{
    for (size_t i = 0; i < bfn__net_n_params(model->net) && !model->options.raw_weights; i++) {
        const bfn__param *p = bfn__net_param(model->net, i);
        char name[BFN__MAX_NAME + 16] = "ema.net.";
        size_t used = strlen(name);
        memcpy(name + used, p->name, strlen(p->name) + 1);
        if (p->trained && bfn__safetensors_find(st, name) != NULL)
            return "ema.net.";
    }
    return "net.";
}

static bfn_status load_contents(bfn_model *model, const bfn__safetensors *st)
{
    bfn_context *ctx = model->ctx;
    const char *prefix = weights_prefix(model, st);
    bfn_status status = bfn__weights_check_shapes(ctx, st, model->net, prefix);
    if (status == BFN_OK)
        status = finish_network(model);
    if (status == BFN_OK)
        status = bfn__weights_read(ctx, st, model->net, prefix, model->options.allow_nonfinite != 0, model->params);
    if (status == BFN_OK)
        status = bfn__weights_check_names(ctx, st, model->net);
    if (status == BFN_OK)
        status = bfn__data_info_read(ctx, st, model->D, bfn_flow_state_width(&model->flow), &model->data);
    if (status == BFN_OK)
        status = bfn__train_info_read(ctx, st, &model->train);
    if (status == BFN_OK)
        status = spread_mean(model);
    return status == BFN_OK ? list_tensors(model, st) : status;
}

/* The sum of the file as it is, for the reader, and that inside it: two tasks at once, they cost the same. Only the second can fail. */
typedef struct two_sums {
    bfn_model *model;
    const bfn__safetensors *st;
    const bfn__bytes *bytes;
    const char *path;
    bfn_status status;
} two_sums;

static void sum_up(void *arg, size_t i)
{
    two_sums *sums = arg;
    if (i == 0)
        bfn__sha256_hex(sums->bytes->data, sums->bytes->size, sums->model->checksum);
    else
        sums->status = bfn__safetensors_verify(sums->st, sums->path, NULL);
}

static bfn_status load_bytes(bfn_model *model, const bfn__bytes *bytes, const char *path)
{
    bfn__safetensors *st;
    bfn_status status = bfn__safetensors_parse(model->ctx, &st, bytes->data, bytes->size, path);
    if (status != BFN_OK)
        return status;
    two_sums sums = {model, st, bytes, path, BFN_OK};
    bfn__parallel(model->ctx, 2, sum_up, &sums);
    status = sums.status;
    if (status == BFN_OK)
        status = bfn__checkpoint_config(model->ctx, st, path, &model->config, &model->net);
    if (status == BFN_OK) {
        status = load_contents(model, st);
        if (status != BFN_OK)
            status = bfn__fail_prefix(model->ctx, status, path);
    }
    bfn__safetensors_close(st);
    return status;
}

bfn_status bfn_model_load(bfn_context *ctx, bfn_model **out, const char *path, const bfn_model_options *options)
{
    bfn_model *model;
    bfn__bytes bytes;
    *out = NULL;
    bfn_status status = model_new(ctx, &model, options);
    if (status != BFN_OK)
        return status;
    status = bfn__file_map(ctx, path, BFN__LIMIT_FILE_BYTES, &bytes);
    if (status == BFN_OK) {
        status = load_bytes(model, &bytes, path);
        bfn__file_unmap(ctx, &bytes);
    }
    if (status != BFN_OK) {
        bfn_model_destroy(model);
        return status;
    }
    *out = model;
    return BFN_OK;
}

bfn_status bfn_model_create(bfn_context *ctx, bfn_model **out, const char *yaml, uint64_t seed,
                            const bfn_model_options *options)
{
    bfn_model *model;
    *out = NULL;
    bfn_status status = model_new(ctx, &model, options);
    if (status != BFN_OK)
        return status;
    status = bfn__config_parse(ctx, &model->config, yaml, strlen(yaml), "configuration");
    if (status == BFN_OK)
        status = bfn__config_resolve(ctx, &model->config, 0, &model->net);
    if (status == BFN_OK)
        status = finish_network(model);
    bool text8 = model->config.data.kind == BFN__FORM_TEXT && model->config.data.alphabet == 0;
    if (status == BFN_OK && text8 && model->flow.n_classes == 27)
        status = bfn__alphabet_text8(ctx, &model->data.alphabet);
    if (status != BFN_OK) {
        bfn_model_destroy(model);
        return status;
    }
    bfn__net_init(model->net, seed, model->params);
    *out = model;
    return BFN_OK;
}

void bfn_model_get_info(const bfn_model *model, bfn_model_info *info)
{
    bool bf16 = model->options.precision != BFN_PRECISION_F32 && bfn_has_bf16();
    *info = (bfn_model_info){
        .network = bfn__net_class(model->net),
        .config = model->config_text,
        .checksum = model->checksum,
        .data_checksum = model->data.sha256,
        .alphabet = model->data.alphabet != NULL ? bfn__alphabet_symbols(model->data.alphabet) : NULL,
        .weights = model->train.weights[0] != '\0' ? model->train.weights : "raw",
        .flow = model->flow,
        .positions = model->D,
        .height = model->config.data.height,
        .width = model->config.data.width,
        .channels = model->config.data.channels,
        .n_labels = bfn__net_n_labels(model->net),
        .data_name = model->data.name,
        .n_parameters = model->n_parameters,
        .flops = bfn__net_flops(model->net),
        .precision = bf16 ? BFN_PRECISION_BF16 : BFN_PRECISION_F32,
        .step = model->train.step,
        .valid_bound = model->train.valid_bound,
        .best_bound = model->train.best_bound,
        .has_moments = model->mean != NULL,
        .variance = model->mean != NULL ? model->data.variance : 0.0,
    };
}

size_t bfn_model_n_tensors(const bfn_model *model)
{
    return model->tensors != NULL ? model->n_tensors : bfn__net_n_params(model->net);
}

void bfn_model_tensor(const bfn_model *model, size_t i, bfn_tensor_info *info)
{
    memset(info, 0, sizeof *info);
    if (model->tensors == NULL) {
        const bfn__param *p = bfn__net_param(model->net, i);
        info->name = p->name;
        info->rank = p->rank;
        memcpy(info->shape, p->shape, (size_t)p->rank * sizeof(size_t));
        info->dtype = bfn__dtype_name(BFN__DTYPE_F32);
        return;
    }
    const bfn__file_tensor *t = &model->tensors[i];
    info->name = t->name;
    info->rank = t->rank;
    memcpy(info->shape, t->shape, (size_t)t->rank * sizeof(size_t));
    info->dtype = bfn__dtype_name(t->dtype);
}
