/* export.c: a checkpoint made small for shipping: one set of weights, no optimiser, matrices as bf16 where asked.
 *
 * Vectors (biases, normalisation) and fixed buffers stay f32: they are a small part of the file and the sensitive part of the network.
 */
#include "model/model_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct export_tensors {
    bfn__st_tensor *items;
    size_t n;
    uint16_t *half; /* arena of bf16 copies, at the offsets of the parameters */
    char (*names)[BFN__MAX_NAME + 8];
} export_tensors;

static void add_parameter(const bfn_model *model, const bfn__param *p, bool bf16, export_tensors *e)
{
    bfn__st_tensor *t = &e->items[e->n];
    char *name = e->names[e->n++];
    memcpy(name, "net.", 4);
    memcpy(name + 4, p->name, strlen(p->name) + 1);
    bool shorten = bf16 && p->trained && p->rank >= 2;
    *t = (bfn__st_tensor){
        .name = name, .dtype = shorten ? BFN__DTYPE_BF16 : BFN__DTYPE_F32, .rank = p->rank, .count = p->count};
    memcpy(t->shape, p->shape, (size_t)p->rank * sizeof(size_t));
    t->bytes = p->count * bfn__dtype_size(t->dtype);
    t->data = model->params + p->offset;
    if (shorten) {
        bfn__bf16_from_f32(p->count, model->params + p->offset, e->half + p->offset);
        t->data = e->half + p->offset;
    }
}

static void add_mean(const bfn_model *model, export_tensors *e)
{
    size_t K = bfn_flow_state_width(&model->flow), rows = model->data.mean_rows;
    bfn__st_tensor t = {.name = "data.mean", .dtype = BFN__DTYPE_F32, .rank = 1, .shape = {K}, .count = rows * K};
    if (rows > 1) {
        t.rank = 2;
        t.shape[0] = rows;
        t.shape[1] = K;
    }
    t.data = model->data.mean;
    t.bytes = t.count * sizeof(float);
    e->items[e->n++] = t;
}

static bfn_status save(const bfn_model *model, const export_tensors *e, const char *out)
{
    bfn__train_info train = model->train;
    train.loss_count = 0; /* of a run that is going on */
    memcpy(train.weights, model->options.raw_weights ? "raw" : "ema", 4);
    char *data = bfn__data_info_write(&model->data), *trained = bfn__train_info_write(&train);
    bfn_status status = BFN_ERR_MEMORY;
    if (data != NULL && trained != NULL) {
        const bfn__st_entry metadata[] = {
            {"bfn.config", model->config_text}, {"bfn.data", data}, {"bfn.train", trained}, {"format", "pt"},
            {BFN__ST_CHECKSUM, NULL},
        };
        status = bfn__safetensors_save(model->ctx, out, e->items, e->n, metadata, sizeof metadata / sizeof metadata[0]);
    }
    free(data);
    free(trained);
    return status;
}

bfn_status bfn_model_export(bfn_context *ctx, const char *in, const char *out, const bfn_model_options *options)
{
    bfn_model *model;
    bfn_status status = bfn_model_load(ctx, &model, in, options);
    if (status != BFN_OK)
        return status;
    size_t n = bfn__net_n_params(model->net);
    bool bf16 = model->options.precision == BFN_PRECISION_BF16;
    export_tensors e = {.items = bfn__calloc(ctx, n + 1, sizeof *e.items),
                        .half = bfn__calloc(ctx, bf16 ? bfn__net_arena(model->net) : 1, sizeof *e.half),
                        .names = bfn__calloc(ctx, n, sizeof *e.names)};
    status = BFN_ERR_MEMORY;
    if (e.items != NULL && e.half != NULL && e.names != NULL) {
        for (size_t i = 0; i < n; i++)
            add_parameter(model, bfn__net_param(model->net, i), bf16, &e);
        if (model->data.mean != NULL)
            add_mean(model, &e);
        status = save(model, &e, out);
    }
    bfn__free(ctx, e.items);
    bfn__free(ctx, e.half);
    bfn__free(ctx, e.names);
    bfn_model_destroy(model);
    return status;
}
