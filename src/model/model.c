/* model.c: a model from a checkpoint or from a configuration; what is inside it.
 *
 * Loading goes from the general to the particular, so that the first message is the one that helps: is it a file of tensors, is there a
 * configuration (its metadata bfn.config, or a given one), is it valid, do the tensors fit it, are the numbers finite, what does it say of its data.
 * The network is compiled only when it is first used (predict.c), because only then the batch size is known.
 */
#include "model/model_internal.h"

#include "io/file.h"
#include "io/limits.h"
#include "io/sha256.h"
#include "nn/parallel.h"

#include <math.h>
#include <string.h>

bfn_status bfn__model_options_check(bfn_context *ctx, const bfn_model_options *options)
{
    if (options->struct_size != sizeof *options)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "model options: struct_size %zu, needs %zu", options->struct_size,
                         sizeof *options);
    if ((unsigned)options->precision > BFN_PRECISION_BF16)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "model options: precision %d, needs 0 to 2", (int)options->precision);
    return BFN_OK;
}

static bfn_status model_new(bfn_context *ctx, bfn_model **out, const bfn_model_options *options)
{
    static const bfn_model_options defaults = BFN_MODEL_OPTIONS_INIT;
    const bfn_model_options *checked = options != NULL ? options : &defaults;
    *out = NULL;
    bfn_status status = bfn__model_options_check(ctx, checked);
    if (status == BFN_OK)
        status = bfn__room_for_threads(ctx);
    if (status != BFN_OK)
        return status;
    bfn_model *model = bfn__calloc(ctx, 1, sizeof *model);
    if (model == NULL)
        return BFN_ERR_MEMORY;
    model->ctx = ctx;
    model->options = *checked;
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

/* What follows from the resolved configuration. The parameters' memory is left as it is where all of it will be written: it may be most of
 * the time of loading. */
static bfn_status finish_network(bfn_model *model, bool will_be_read)
{
    model->flow = bfn__config_flow(&model->config);
    model->D = bfn__config_positions(&model->config);
    for (size_t i = 0; i < bfn__net_n_params(model->net); i++)
        if (bfn__net_param(model->net, i)->trained)
            model->n_parameters += bfn__net_param(model->net, i)->count;
    size_t n = bfn__net_arena(model->net);
    model->params =
        will_be_read ? bfn__malloc(model->ctx, n, sizeof(float)) : bfn__calloc(model->ctx, n, sizeof(float));
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
        to->rank = from->rank;
        to->count = from->count;
        memcpy(to->shape, from->shape, (size_t)to->rank * sizeof(size_t));
    }
    return BFN_OK;
}

static bfn_status resolve(bfn_context *ctx, const void *yaml, size_t n, const char *name, bfn__config *config,
                          bfn__net **net)
{
    bfn_status status = bfn__config_parse(ctx, config, yaml, n, name);
    return status == BFN_OK ? bfn__config_resolve(ctx, config, 0, net) : status;
}

static bfn_status read_given_config(bfn_context *ctx, const char *path, bfn__config *config, bfn__net **net)
{
    bfn__bytes file;
    bfn_status status = bfn__file_map(ctx, path, bfn__limit(ctx, BFN__CAP_YAML_BYTES), &file);
    if (status != BFN_OK)
        return status;
    status = resolve(ctx, file.size > 0 ? file.data : (void *)"", file.size, path, config, net);
    bfn__file_unmap(ctx, &file);
    return status;
}

bfn_status bfn__find_config(bfn_context *ctx, const bfn__safetensors *st, const char *label, const char *config_path,
                            bfn__config *config, bfn__net **net)
{
    *net = NULL;
    const char *own = bfn__safetensors_metadata(st, "bfn.config");
    if (own != NULL && config_path != NULL)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "%s: has a configuration of its own, %s cannot be given", label,
                         config_path);
    if (own == NULL && config_path == NULL)
        return bfn__fail(ctx, BFN_ERR_INPUT,
                         "%s: not a bfn checkpoint: its metadata has no \"bfn.config\" (one that fits can be given: "
                         "--config FILE)",
                         label);
    if (own == NULL)
        return read_given_config(ctx, config_path, config, net);
    bfn_status status = resolve(ctx, own, strlen(own), "bfn.config", config, net);
    /* A configuration inside a file is that file's fault, not the caller's. */
    return status == BFN_OK ? BFN_OK
                            : bfn__fail_prefix(ctx, status == BFN_ERR_ARGUMENT ? BFN_ERR_INPUT : status, label);
}

bfn_status bfn__checkpoint_config(bfn_context *ctx, const bfn__safetensors *st, const char *label, bfn__config *config,
                                  bfn__net **net)
{
    return bfn__find_config(ctx, st, label, NULL, config, net);
}

static bfn_status read_data_info(bfn_model *model, const bfn__safetensors *st)
{
    if (bfn__safetensors_metadata(st, "bfn.data") == NULL && model->options.config_path != NULL)
        return bfn__data_info_default(model->ctx, &model->config, &model->data);
    return bfn__data_info_read(model->ctx, st, model->D, bfn_flow_state_width(&model->flow), &model->data);
}

static bfn_status load_contents(bfn_model *model, const bfn__safetensors *st)
{
    bfn_context *ctx = model->ctx;
    const char *prefix = bfn__weights_prefix(st, model->net, model->options.raw_weights != 0);
    bfn_status status = bfn__weights_check_shapes(ctx, st, model->net, prefix);
    if (status == BFN_OK)
        status = finish_network(model, true);
    if (status == BFN_OK)
        status = bfn__weights_read(ctx, st, model->net, prefix, model->options.allow_nonfinite != 0, model->params);
    if (status == BFN_OK)
        status = bfn__weights_check_names(ctx, st, model->net);
    if (status == BFN_OK)
        status = read_data_info(model, st);
    if (status == BFN_OK)
        status = bfn__train_info_read(ctx, st, &model->train);
    if (status == BFN_OK)
        status = spread_mean(model);
    return status == BFN_OK ? list_tensors(model, st) : status;
}

static bfn_status load_bytes(bfn_model *model, const bfn__bytes *bytes, const char *path)
{
    bfn__safetensors *st;
    const bfn_model_options *o = &model->options;
    bfn_status status = bfn__tensors_parse(model->ctx, &st, bytes->data, bytes->size, path);
    if (status != BFN_OK)
        return status;
    bool has_checksum;
    status = bfn__safetensors_sums(st, path, model->checksum, &has_checksum);
    if (!has_checksum)
        bfn__sha256_hex(bytes->data, bytes->size, model->checksum);
    if (status == BFN_OK)
        status = bfn__find_config(model->ctx, st, path, o->config_path, &model->config, &model->net);
    if (status == BFN_OK) {
        status = load_contents(model, st);
        if (status != BFN_OK)
            status = bfn__fail_prefix(model->ctx, status, path);
    }
    bfn__safetensors_close(st);
    return status;
}

/* The file's checksum does not stand for a configuration that came from elsewhere. */
static void sum_config(bfn_model *model)
{
    bfn__sha256_hex(model->config_text, strlen(model->config_text), model->config_checksum);
}

bfn_status bfn_model_load(bfn_context *ctx, bfn_model **out, const char *path, const bfn_model_options *options)
{
    bfn_model *model;
    bfn__bytes bytes;
    *out = NULL;
    bfn_status status = model_new(ctx, &model, options);
    if (status != BFN_OK)
        return status;
    status = bfn__file_map(ctx, path, bfn__limit(ctx, BFN__CAP_FILE_BYTES), &bytes);
    if (status == BFN_OK) {
        status = load_bytes(model, &bytes, path);
        bfn__file_unmap(ctx, &bytes);
    }
    if (status != BFN_OK) {
        bfn_model_destroy(model);
        return status;
    }
    if (model->options.config_path != NULL) /* then the file has none */
        sum_config(model);
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
        status = finish_network(model, false);
    if (status == BFN_OK)
        status = bfn__data_info_default(ctx, &model->config, &model->data);
    if (status != BFN_OK) {
        bfn_model_destroy(model);
        return status;
    }
    bfn__net_init(model->net, seed, model->params);
    sum_config(model);
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
        .config_checksum = model->config_checksum,
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
        .sampling = bfn__config_sampling(&model->config),
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
        info->count = p->count;
        memcpy(info->shape, p->shape, (size_t)p->rank * sizeof(size_t));
        info->dtype = bfn__dtype_name(BFN__DTYPE_F32);
        return;
    }
    const bfn__file_tensor *t = &model->tensors[i];
    info->name = t->name;
    info->rank = t->rank;
    info->count = t->count;
    memcpy(info->shape, t->shape, (size_t)t->rank * sizeof(size_t));
    info->dtype = bfn__dtype_name(t->dtype);
}
