/* bound.c: the variational bound on the negative log likelihood of text or images, in bits per character or dimension.
 *
 *   -log P(x) <= L^inf(x) + L^r(x), or L^n(x) + L^r(x)                 (arXiv 2308.07037, equations 11 to 16)
 *   L^inf(x) = E_{t ~ U(0,1)} [loss at t], here by stratified times t_j = (j + u)/n with one u a sequence: the strata make the
 *              estimate of a sequence far less noisy than independent times, and it stays unbiased
 *   L^n(x)   = the same over the steps i/n of a transmission in n messages; strata of steps
 *   L^r(x)   = -ln p_O(x | t = 1)
 * Sequences (windows, lines, images) are independent samples, so their spread gives the standard error. For text, character n-gram models
 * of the training split are evaluated on the same sequences: a network whose bound does not beat a trigram model has learned little.
 */
#include "bfn/eval.h"

#include "base/random.h"
#include "eval/ngram.h"
#include "model/dataset.h"

#include <math.h>
#include <string.h>

enum { DEFAULT_SEQUENCES = 256, DEFAULT_TIMES = 16, DEFAULT_BATCH = 16, DEFAULT_DRAWS = 10, FIT_SEQUENCES = 1000 };

typedef struct bound_work {
    bfn_model *model;
    bfn__dataset *set;
    bfn_bound_options options;
    size_t D, batch;
    void *data;                            /* [batch, D]: int32_t or float */
    int32_t *labels;                       /* [batch] */
    float *state;                          /* [batch, D, state width] */
    float *normals;                        /* L^n: [n_draws, batch, D, state width] */
    float *shown, *out;                    /* [batch, D, width] */
    double *t, *loss;                      /* [batch], [batch, D] */
    double *transmission, *reconstruction; /* [n_sequences], nats per position */
} bound_work;

static bfn_status allocate(bound_work *w)
{
    bfn_context *ctx = w->model->ctx;
    size_t positions = w->batch * w->D, n = w->options.n_sequences;
    const bfn_flow *flow = &w->model->flow;
    size_t draws = w->options.n_steps > 0 ? w->options.n_draws : 0;
    w->data = bfn__calloc(ctx, positions, sizeof(float));
    w->labels = bfn__calloc(ctx, w->batch, sizeof *w->labels);
    w->normals = bfn__calloc(ctx, positions * draws, bfn_flow_state_width(flow) * sizeof *w->normals);
    w->state = bfn__calloc(ctx, positions * bfn_flow_state_width(flow), sizeof *w->state);
    w->shown = bfn__calloc(ctx, positions * bfn_flow_shown_width(flow), sizeof *w->shown);
    w->out = bfn__calloc(ctx, positions * bfn_flow_output_width(flow), sizeof *w->out);
    w->t = bfn__calloc(ctx, w->batch, sizeof *w->t);
    w->loss = bfn__calloc(ctx, positions, sizeof *w->loss);
    w->transmission = bfn__calloc(ctx, n, sizeof *w->transmission);
    w->reconstruction = bfn__calloc(ctx, n, sizeof *w->reconstruction);
    bool all = w->data && w->labels && w->normals && w->state && w->shown && w->out && w->t && w->loss &&
               w->transmission && w->reconstruction;
    return all ? BFN_OK : BFN_ERR_MEMORY;
}

static void release(bound_work *w)
{
    void *blocks[] = {w->data, w->labels, w->normals, w->state,        w->shown,
                      w->out,  w->t,      w->loss,    w->transmission, w->reconstruction};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        bfn__free(w->model->ctx, blocks[i]);
}

/* Evenly spread over the split. */
static size_t sequence_of(const bound_work *w, size_t i)
{
    size_t available = bfn__dataset_n(w->set, (bfn__split)w->options.split);
    return (size_t)((double)i * (double)available / (double)w->options.n_sequences);
}

/* Normals of the sender's messages: one stream of draws a time, beyond those of the states. */
static void draw_messages(const bound_work *w, uint32_t pass, size_t first, size_t n)
{
    size_t per_sample = w->D * bfn_flow_state_width(&w->model->flow);
    for (size_t k = 0; k < w->options.n_draws; k++)
        for (size_t i = 0; i < n; i++)
            bfn__random_normals(w->options.seed, first + i, bfn__draw(pass, BFN__DRAW_CATEGORY), k * per_sample,
                                per_sample, w->normals + (k * n + i) * per_sample);
}

/* One draw of the loss for sequences first..first+n-1 at the times w->t; what is added to sums[first+i] is per position. */
static bfn_status add_loss(bound_work *w, bfn_loss_kind kind, uint32_t pass, size_t first, size_t n, double weight,
                           double *sums)
{
    const bfn_flow *flow = &w->model->flow;
    size_t per_sample = w->D * bfn_flow_state_width(flow);
    for (size_t i = 0; i < n; i++)
        bfn__random_normals(w->options.seed, first + i, bfn__draw(pass, BFN__DRAW_NOISE), 0, per_sample,
                            w->state + i * per_sample);
    bfn_flow_draw(flow, n, w->D, w->data, w->t, w->state, w->state);
    bfn_flow_show(flow, n, w->D, w->state, w->shown);
    if (bfn_model_predict(w->model, first, n, w->t, w->shown, w->out) != 0)
        return BFN_ERR_INTERNAL;
    bfn_loss_options options = BFN_LOSS_OPTIONS_INIT;
    options.kind = kind;
    if (kind == BFN_LOSS_N_STEP) {
        options.n_steps = w->options.n_steps;
        options.n_draws = w->options.n_draws;
        options.normals = w->normals;
        draw_messages(w, pass, first, n);
    }
    bfn_status status =
        bfn_flow_loss(w->model->ctx, flow, &options, n, w->D, w->data, w->t, w->state, w->out, w->loss, NULL);
    for (size_t i = 0; status == BFN_OK && i < n; i++)
        for (size_t d = 0; d < w->D; d++)
            sums[first + i] += weight * w->loss[i * w->D + d] / (double)w->D;
    return status;
}

/* Where the D values of item i of the batch lie. */
static void *item_of(const bound_work *w, size_t i)
{
    return (char *)w->data + i * w->D * sizeof(float);
}

static bfn_status evaluate_batch(bound_work *w, size_t first, size_t n)
{
    size_t n_times = w->options.n_times, n_steps = w->options.n_steps;
    bfn_loss_kind kind = n_steps > 0 ? BFN_LOSS_N_STEP : BFN_LOSS_CONTINUOUS_TIME;
    for (size_t i = 0; i < n; i++)
        bfn__dataset_item(w->set, (bfn__split)w->options.split, sequence_of(w, first + i), item_of(w, i),
                          &w->labels[i]);
    w->model->given = w->labels;
    for (size_t j = 0; j < n_times; j++) {
        for (size_t i = 0; i < n; i++) {
            double u;
            bfn__random_uniforms(w->options.seed, first + i, bfn__draw(0, BFN__DRAW_DATA), 0, 1, &u);
            w->t[i] = ((double)j + u) / (double)n_times;
            if (n_steps > 0)
                w->t[i] = floor(w->t[i] * (double)n_steps) / (double)n_steps;
        }
        bfn_status status = add_loss(w, kind, (uint32_t)j + 1, first, n, 1.0 / (double)n_times, w->transmission);
        if (status != BFN_OK)
            return status;
    }
    for (size_t i = 0; i < n; i++)
        w->t[i] = 1.0;
    return add_loss(w, BFN_LOSS_RECONSTRUCTION, 0, first, n, 1.0, w->reconstruction);
}

static void summarise(const bound_work *w, bfn_bound *result)
{
    size_t n = w->options.n_sequences;
    double sum = 0.0, squares = 0.0;
    for (size_t i = 0; i < n; i++) {
        double bits = (w->transmission[i] + w->reconstruction[i]) / M_LN2;
        sum += bits;
        squares += bits * bits;
        result->transmission += w->transmission[i] / M_LN2 / (double)n;
        result->reconstruction += w->reconstruction[i] / M_LN2 / (double)n;
    }
    double mean = sum / (double)n;
    result->n_sequences = n;
    result->n_positions = n * w->D;
    result->bound = mean;
    result->standard_error = n > 1 ? sqrt(fmax(squares / (double)n - mean * mean, 0.0) / (double)(n - 1)) : 0.0;
}

static bfn_status fit_ngram(bound_work *w, bfn__ngram *model)
{
    bfn_context *ctx = w->model->ctx;
    for (size_t i = 0; i < bfn__dataset_n(w->set, BFN__SPLIT_TRAIN); i++) {
        bfn__dataset_item(w->set, BFN__SPLIT_TRAIN, i, w->data, NULL);
        bfn__ngram_count(model, w->data, w->D);
    }
    size_t available = bfn__dataset_n(w->set, BFN__SPLIT_VALID);
    size_t n = available < FIT_SEQUENCES ? available : FIT_SEQUENCES;
    int32_t *held_out = bfn__calloc(ctx, n * w->D, sizeof *held_out);
    if (held_out == NULL)
        return BFN_ERR_MEMORY;
    for (size_t i = 0; i < n; i++)
        bfn__dataset_item(w->set, BFN__SPLIT_VALID, i, held_out + i * w->D, NULL);
    bfn__ngram_fit(model, held_out, n, w->D);
    bfn__free(ctx, held_out);
    return BFN_OK;
}

/* Bits per position of the n-gram models on the sequences that the bound was taken on. */
static bfn_status evaluate_ngrams(bound_work *w, double bits[BFN__NGRAM_ORDERS])
{
    bfn__ngram *model;
    bfn_status status = bfn__ngram_create(w->model->ctx, &model, w->model->flow.n_classes);
    if (status != BFN_OK)
        return status;
    status = fit_ngram(w, model);
    for (size_t i = 0; status == BFN_OK && i < w->options.n_sequences; i++) {
        bfn__dataset_item(w->set, (bfn__split)w->options.split, sequence_of(w, i), w->data, NULL);
        for (int order = 1; order <= BFN__NGRAM_ORDERS; order++)
            bits[order - 1] += bfn__ngram_bits(model, order, w->data, w->D) / (double)(w->options.n_sequences * w->D);
    }
    bfn__ngram_destroy(model);
    return status;
}

static bfn_status evaluate(bound_work *w, bfn_bound *result)
{
    bfn_status status = allocate(w);
    if (status == BFN_OK)
        status = bfn_model_reserve(w->model, w->batch);
    for (size_t first = 0; status == BFN_OK && first < w->options.n_sequences; first += w->batch) {
        size_t left = w->options.n_sequences - first;
        status = evaluate_batch(w, first, left < w->batch ? left : w->batch);
        size_t done = left < w->batch ? w->options.n_sequences : first + w->batch;
        if (status == BFN_OK && w->options.progress != NULL &&
            w->options.progress(w->options.user, done, w->options.n_sequences) != 0)
            status = bfn__fail(w->model->ctx, BFN_CANCELLED, "stopped after %zu of %zu sequences", done,
                               w->options.n_sequences);
    }
    w->model->given = NULL;
    if (status == BFN_OK && !result->images)
        status = evaluate_ngrams(w, result->ngram);
    if (status == BFN_OK)
        summarise(w, result);
    release(w);
    return status;
}

static bfn_status check_model(const bfn_model *model)
{
    if (model->config.data.kind == BFN__FORM_IMAGE || model->data.alphabet != NULL)
        return BFN_OK;
    return bfn__fail(model->ctx, BFN_ERR_ARGUMENT, "bound: this model has no alphabet: its text cannot be read");
}

/* Options with their defaults in place, as far as the data allows. */
static bfn_status fit_options(const bfn_model *model, const bfn__dataset *set, const char *data_path,
                              bfn_bound_options *o)
{
    size_t available = bfn__dataset_n(set, (bfn__split)o->split);
    o->n_sequences = o->n_sequences > 0 ? o->n_sequences : DEFAULT_SEQUENCES;
    o->n_times = o->n_times > 0 ? o->n_times : DEFAULT_TIMES;
    o->n_draws = o->n_draws > 0 ? o->n_draws : DEFAULT_DRAWS;
    o->batch = o->batch > 0 ? o->batch : DEFAULT_BATCH;
    if (o->n_sequences > available)
        o->n_sequences = available;
    if (available > 0)
        return BFN_OK;
    if (model->config.data.kind == BFN__FORM_IMAGE)
        return bfn__fail(model->ctx, BFN_ERR_INPUT, "%s: the split holds no image", data_path);
    return bfn__fail(model->ctx, BFN_ERR_INPUT, "%s: the split holds no sequence of %zu characters", data_path,
                     model->D);
}

bfn_status bfn_eval_bound(bfn_model *model, const char *data_path, const bfn_bound_options *options, bfn_bound *result)
{
    *result = (bfn_bound){.images = model->config.data.kind == BFN__FORM_IMAGE};
    bfn_bound_options o = BFN_BOUND_OPTIONS_INIT;
    if (options != NULL)
        o = *options;
    if (o.struct_size != sizeof o)
        return bfn__fail(model->ctx, BFN_ERR_ARGUMENT, "bound: struct_size is %zu, not %zu", o.struct_size, sizeof o);
    bfn_status status = check_model(model);
    if (status != BFN_OK)
        return status;
    bfn__dataset *set;
    const bfn__dataset_options how = {.known = &model->data};
    status = bfn__dataset_open(model->ctx, &set, data_path, &model->config, &how);
    if (status != BFN_OK)
        return status;
    bfn__data_info data = {0};
    status = fit_options(model, set, data_path, &o);
    if (status == BFN_OK && bfn__net_n_labels(model->net) > 0)
        status = bfn__dataset_describe(set, &data);
    if (status == BFN_OK)
        status = bfn__data_info_check_labels(model->ctx, &data, model->net, data_path);
    bfn__data_info_free(model->ctx, &data);
    if (status == BFN_OK) {
        bound_work work = {.model = model, .set = set, .options = o, .D = model->D, .batch = o.batch};
        status = evaluate(&work, result);
    }
    bfn__dataset_close(set);
    return status;
}
