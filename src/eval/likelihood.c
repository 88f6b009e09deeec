/* likelihood.c: bfn_eval_bound and bfn_eval_ode: a model and a data set behind the estimators of bound.c and ode_bound.c.
 *
 * For text, character n-gram models of the training split are evaluated on the same sequences: a network whose bound does not beat a trigram
 * model has learned little.
 */
#include "eval/likelihood.h"

#include "eval/ngram.h"
#include "model/dataset.h"

#include <string.h>

enum {
    DEFAULT_SEQUENCES = 256,
    DEFAULT_TIMES = 16,
    DEFAULT_BATCH = 16,
    DEFAULT_DRAWS = 10,
    FIT_SEQUENCES = 1000,
    DEFAULT_ODE_SEQUENCES = 64,
    DEFAULT_ODE_STEPS = 40,
    DEFAULT_CHECKED = 8,
    MOST_EXACT = 4096 /* numbers of a state whose trace is taken one by one */
};
static const double DEFAULT_ETA = 1e-4;

/* ---- n-gram models on the sequences that a bound was taken on ---- */

static bfn_status fit_ngram(bfn_context *ctx, const bfn__dataset *set, size_t D, bfn__ngram *model)
{
    size_t available = bfn__dataset_n(set, BFN__SPLIT_VALID);
    size_t n = available < FIT_SEQUENCES ? available : FIT_SEQUENCES;
    int32_t *items = bfn__calloc(ctx, (n > 0 ? n : 1) * D, sizeof *items);
    if (items == NULL)
        return BFN_ERR_MEMORY;
    for (size_t i = 0; i < bfn__dataset_n(set, BFN__SPLIT_TRAIN); i++) {
        bfn__dataset_item(set, BFN__SPLIT_TRAIN, i, items, NULL);
        bfn__ngram_count(model, items, D);
    }
    for (size_t i = 0; i < n; i++)
        bfn__dataset_item(set, BFN__SPLIT_VALID, i, items + i * D, NULL);
    bfn__ngram_fit(model, items, n, D);
    bfn__free(ctx, items);
    return BFN_OK;
}

static bfn_status evaluate_ngrams(const bfn_model *model, const bfn__dataset *set, const bfn_bound_options *o,
                                  bfn_bound *result)
{
    bfn_context *ctx = model->ctx;
    size_t D = model->D;
    bfn__item_plan plan = bfn__bound_items(o, result->n_available);
    bfn__ngram *ngram = NULL;
    int32_t *item = bfn__calloc(ctx, D, sizeof *item);
    bfn_status status = item != NULL ? bfn__ngram_create(ctx, &ngram, model->flow.n_classes) : BFN_ERR_MEMORY;
    if (status == BFN_OK)
        status = fit_ngram(ctx, set, D, ngram);
    for (size_t i = 0; status == BFN_OK && i < result->n_sequences; i++) {
        bfn__dataset_item(set, (bfn__split)o->split, bfn__item_index(&plan, i), item, NULL);
        for (int order = 1; order <= BFN__NGRAM_ORDERS; order++)
            result->ngram[order - 1] += bfn__ngram_bits(ngram, order, item, D) / (double)result->n_positions;
    }
    bfn__ngram_destroy(ngram);
    bfn__free(ctx, item);
    return status;
}

/* ---- a model's data ---- */

static bfn_status open_data(bfn_model *model, const char *data_path, bfn__dataset **set)
{
    *set = NULL;
    if (model->config.data.kind != BFN__FORM_IMAGE && model->data.alphabet == NULL)
        return bfn__fail(model->ctx, BFN_ERR_ARGUMENT,
                         "likelihood: this model has no alphabet: its text cannot be read");
    const bfn__dataset_options how = {.known = &model->data};
    bfn_status status = bfn__dataset_open(model->ctx, set, data_path, &model->config, &how);
    if (status != BFN_OK)
        return status;
    bfn__data_info data = {0};
    if (bfn__net_n_labels(model->net) > 0)
        status = bfn__dataset_describe(*set, &data);
    if (status == BFN_OK)
        status = bfn__data_info_check_labels(model->ctx, &data, model->net, data_path);
    bfn__data_info_free(model->ctx, &data);
    return status;
}

/* How many items of the split are to be taken: `wanted`, all of them where 0 and a precision says when to end, else `usual`. */
static bfn_status choose_items(const bfn_model *model, const bfn__dataset *set, bfn_data_split split,
                               const char *data_path, double precision, size_t usual, size_t *wanted)
{
    size_t available = bfn__dataset_n(set, (bfn__split)split);
    if (available == 0 && model->config.data.kind == BFN__FORM_IMAGE)
        return bfn__fail(model->ctx, BFN_ERR_INPUT, "%s: the split holds no image", data_path);
    if (available == 0)
        return bfn__fail(model->ctx, BFN_ERR_INPUT, "%s: the split holds no sequence of %zu characters", data_path,
                         model->D);
    if (*wanted == 0)
        *wanted = precision > 0.0 ? available : usual;
    if (*wanted > available)
        *wanted = available;
    return BFN_OK;
}

typedef struct split_items {
    const bfn__dataset *set;
    bfn__split split;
} split_items;

static void split_item(const void *user, size_t index, void *out, int32_t *label)
{
    const split_items *s = user;
    bfn__dataset_item(s->set, s->split, index, out, label);
}

static bfn_status check_precision(bfn_context *ctx, double precision)
{
    if (precision >= 0.0 && precision <= 1e6)
        return BFN_OK;
    return bfn__fail(ctx, BFN_ERR_ARGUMENT, "precision: found %g, needs 0 (none) to 1e6 bits", precision);
}

/* ---- the variational bound ---- */

static bfn_status bound_of_set(bfn_model *model, const bfn__dataset *set, const bfn_bound_options *o, bfn_bound *result)
{
    split_items items = {set, (bfn__split)o->split};
    bfn__likelihood_source source = {.ctx = model->ctx,
                                     .flow = &model->flow,
                                     .D = model->D,
                                     .n_available = bfn__dataset_n(set, items.split),
                                     .item = split_item,
                                     .user = &items,
                                     .predict = bfn_model_predict,
                                     .predict_user = model};
    bfn_status status = bfn_model_reserve(model, o->batch);
    if (status != BFN_OK)
        return status;
    source.labels = bfn__calloc(model->ctx, o->batch, sizeof *source.labels);
    if (source.labels == NULL)
        return BFN_ERR_MEMORY;
    model->given = source.labels;
    status = bfn__bound_estimate(&source, o, result);
    model->given = NULL;
    bfn__free(model->ctx, source.labels);
    return status == BFN_OK && !result->images ? evaluate_ngrams(model, set, o, result) : status;
}

bfn_status bfn_eval_bound(bfn_model *model, const char *data_path, const bfn_bound_options *options, bfn_bound *result)
{
    *result = (bfn_bound){.images = model->config.data.kind == BFN__FORM_IMAGE};
    bfn_bound_options o = BFN_BOUND_OPTIONS_INIT;
    if (options != NULL)
        o = *options;
    if (o.struct_size != sizeof o)
        return bfn__fail(model->ctx, BFN_ERR_ARGUMENT, "bound: struct_size is %zu, not %zu", o.struct_size, sizeof o);
    o.n_times = o.n_times > 0 ? o.n_times : DEFAULT_TIMES;
    o.n_draws = o.n_draws > 0 ? o.n_draws : DEFAULT_DRAWS;
    o.batch = o.batch > 0 ? o.batch : DEFAULT_BATCH;
    bfn_status status = check_precision(model->ctx, o.precision);
    if (status != BFN_OK)
        return status;
    bfn__dataset *set;
    status = open_data(model, data_path, &set);
    if (status == BFN_OK)
        status = choose_items(model, set, o.split, data_path, o.precision, DEFAULT_SEQUENCES, &o.n_sequences);
    if (status == BFN_OK) {
        memcpy(result->data_checksum, set->sha256, sizeof result->data_checksum);
        status = bound_of_set(model, set, &o, result);
    }
    bfn__dataset_close(set);
    return status;
}

/* ---- the ODE's likelihood ---- */

/* The model's network compiled for training, for the sake of its backward pass. */
typedef struct model_network {
    bfn_model *model;
    bfn__exec *exec;
    float *grads; /* the pass adds its gradients here; nobody reads them */
    const int32_t *labels;
} model_network;

static int network_forward(void *user, size_t first, size_t n, const double *t, const float *shown, float *out)
{
    const model_network *m = user;
    (void)first;
    bfn__exec_set_labels(m->exec, m->labels);
    return (int)bfn__exec_forward(m->exec, n, shown, t, out);
}

static int network_backward(void *user, size_t n, const float *d_out, float *d_shown)
{
    const model_network *m = user;
    return (int)bfn__exec_backward(m->exec, n, d_out, m->grads, d_shown);
}

static bfn_status network_create(bfn_model *model, size_t batch, model_network *m)
{
    bfn__exec_options options = {.batch = batch, .precision = BFN__F32, .training = true, .input_only = true};
    *m = (model_network){.model = model};
    m->grads = bfn__calloc(model->ctx, bfn__net_arena(model->net), sizeof *m->grads);
    bfn_status status =
        m->grads != NULL ? bfn__exec_create(model->ctx, &m->exec, model->net, &options) : BFN_ERR_MEMORY;
    return status == BFN_OK ? bfn__exec_set_params(m->exec, model->params) : status;
}

static void network_destroy(model_network *m)
{
    bfn__exec_destroy(m->exec);
    bfn__free(m->model->ctx, m->grads);
}

static bfn_status ode_of_set(bfn_model *model, const bfn__dataset *set, const bfn_ode_options *o,
                             bfn_ode_likelihood *result)
{
    split_items items = {set, (bfn__split)o->split};
    model_network m;
    bfn__likelihood_source source = {.ctx = model->ctx,
                                     .flow = &model->flow,
                                     .D = model->D,
                                     .n_available = bfn__dataset_n(set, items.split),
                                     .item = split_item,
                                     .user = &items,
                                     .network = {&m, network_forward, network_backward}};
    const bfn_moments moments = {model->mean, model->data.variance};
    bfn_status status = network_create(model, o->batch, &m);
    source.labels = bfn__calloc(model->ctx, o->batch, sizeof *source.labels);
    m.labels = source.labels;
    if (status == BFN_OK && source.labels == NULL)
        status = BFN_ERR_MEMORY;
    if (status == BFN_OK)
        status = bfn__ode_estimate(&source, o, &moments, result);
    bfn__free(model->ctx, source.labels);
    network_destroy(&m);
    return status;
}

static bfn_status check_ode(const bfn_model *model, bfn_ode_options *o)
{
    bfn_context *ctx = model->ctx;
    size_t size = model->D * bfn_flow_state_width(&model->flow);
    if (o->struct_size != sizeof *o)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "ode: struct_size is %zu, not %zu", o->struct_size, sizeof *o);
    if ((int)o->trace < 0 || o->trace > BFN_TRACE_POSTERIOR)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "ode: trace: found %d, needs 0 to 2", (int)o->trace);
    if (o->trace == BFN_TRACE_EXACT && size > MOST_EXACT)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "ode: trace: exact: the state has %zu numbers, at most %d are allowed",
                         size, MOST_EXACT);
    if (o->trace == BFN_TRACE_POSTERIOR && model->flow.kind != BFN_DATA_DISCRETE)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT,
                         "ode: trace: posterior: is for discrete data, needs hutchinson or exact");
    if (!(o->eta >= 0.0 && o->eta <= 0.5))
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "ode: eta: found %g, needs 0 (the default) to 0.5", o->eta);
    o->n_steps = o->n_steps > 0 ? o->n_steps : DEFAULT_ODE_STEPS;
    o->n_probes = o->n_probes > 0 ? o->n_probes : 1;
    o->eta = o->eta > 0.0 ? o->eta : DEFAULT_ETA;
    o->batch = o->batch > 0 ? o->batch : DEFAULT_BATCH;
    o->n_checked = o->n_checked > 0 ? o->n_checked : DEFAULT_CHECKED;
    return check_precision(ctx, o->precision);
}

bfn_status bfn_eval_ode(bfn_model *model, const char *data_path, const bfn_ode_options *options,
                        bfn_ode_likelihood *result)
{
    *result = (bfn_ode_likelihood){.images = model->config.data.kind == BFN__FORM_IMAGE};
    bfn_ode_options o = BFN_ODE_OPTIONS_INIT;
    if (options != NULL)
        o = *options;
    bfn_status status = check_ode(model, &o);
    if (status != BFN_OK)
        return status;
    bfn__dataset *set;
    status = open_data(model, data_path, &set);
    if (status == BFN_OK)
        status = choose_items(model, set, o.split, data_path, o.precision, DEFAULT_ODE_SEQUENCES, &o.n_sequences);
    if (status == BFN_OK) {
        memcpy(result->data_checksum, set->sha256, sizeof result->data_checksum);
        status = ode_of_set(model, set, &o, result);
    }
    bfn__dataset_close(set);
    return status;
}
