/* train.c: a training run from start (or checkpoint) to end.
 *
 *   configuration -> data -> network -> memory -> [weights or checkpoint] -> steps -> last checkpoint
 *
 * Everything that can be refused is refused before the run folder is touched. Within a step: update, validate, sample, report,
 * checkpoint; an interruption takes effect after the report, so that what it saves is what an uninterrupted run had at that step.
 * A checkpoint that cannot be written is reported and the training goes on: the disk may have room again at the next one. Only the last
 * one decides over success.
 */
#include "train/trainer.h"

#include "io/file.h"
#include "io/limits.h"
#include "io/sha256.h"
#include "nn/parallel.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- configuration and data ---- */

static bfn_status apply_overrides(bfn__trainer *tr)
{
    for (size_t i = 0; i < tr->options->n_set; i++) {
        bfn_status status = bfn__config_override(tr->ctx, &tr->config, tr->options->set[i]);
        if (status != BFN_OK)
            return bfn__fail_prefix(tr->ctx, status, "--set");
    }
    return BFN_OK;
}

/* Keys and values of the overrides, before any file is opened. The network's own options wait until its class is known. */
static bfn_status check_overrides(bfn__trainer *tr)
{
    bfn_status status = apply_overrides(tr);
    bfn__config_init(&tr->config);
    return status;
}

static bfn_status read_config_file(bfn__trainer *tr)
{
    bfn__bytes bytes;
    const char *path = tr->options->config_path;
    bfn_status status = bfn__file_map(tr->ctx, path, bfn__limit(tr->ctx, BFN__CAP_YAML_BYTES), &bytes);
    if (status != BFN_OK)
        return status;
    status = bfn__config_parse(tr->ctx, &tr->config, bytes.data != NULL ? bytes.data : "", bytes.size, path);
    bfn__file_unmap(tr->ctx, &bytes);
    return status;
}

/* The configuration asked for: the file's, or without a file the stored one; then the overrides. */
static bfn_status read_config(bfn__trainer *tr, const bfn__config *stored)
{
    bfn_status status = BFN_OK;
    if (tr->options->config_path != NULL) {
        status = read_config_file(tr);
    } else if (stored != NULL) {
        tr->config = *stored;
        bfn__config_forget_implied(&tr->config); /* of two that disagree, the one that somebody set is to be named */
    }
    return status == BFN_OK ? apply_overrides(tr) : status;
}

/* Data, network and what both say of each other. */
static bfn_status read_data(bfn__trainer *tr, const bfn__data_info *stored)
{
    const bfn__dataset_options options = {.known = stored, .same = stored != NULL};
    return bfn__dataset_open(tr->ctx, &tr->set, tr->options->data_path, &tr->config, &options);
}

/* ---- memory ---- */

static bfn_status allocate(bfn__trainer *tr)
{
    bfn_context *ctx = tr->ctx;
    size_t arena = bfn__net_arena(tr->net), B = tr->config.train.batch, n = tr->config.train.sample_n;
    float **arenas[] = {&tr->params, &tr->ema, &tr->m, &tr->v, &tr->grads};
    for (size_t i = 0; i < sizeof arenas / sizeof arenas[0]; i++)
        if ((*arenas[i] = bfn__calloc(ctx, arena, sizeof(float))) == NULL)
            return BFN_ERR_MEMORY;
    tr->shown = bfn__net_shown_size(tr->net);
    tr->out = bfn__net_output_size(tr->net);
    tr->items = bfn__calloc(ctx, B * tr->D, sizeof(float));
    tr->labels = bfn__calloc(ctx, B, sizeof *tr->labels);
    tr->t = bfn__calloc(ctx, B, sizeof *tr->t);
    tr->state = bfn__calloc(ctx, B * tr->D, tr->K * sizeof(float));
    tr->seen = bfn__calloc(ctx, B, tr->shown * sizeof(float));
    tr->output = bfn__calloc(ctx, B, tr->out * sizeof(float));
    tr->d_out = bfn__calloc(ctx, B, tr->out * sizeof(float));
    tr->loss = bfn__calloc(ctx, B * tr->D, sizeof *tr->loss);
    tr->sums = bfn__calloc(ctx, B, sizeof *tr->sums);
    tr->samples = bfn__calloc(ctx, n * tr->D, sizeof(float));
    tr->sample_labels = bfn__calloc(ctx, n, sizeof *tr->sample_labels);
    tr->sample_pixels = bfn__calloc(ctx, n, tr->D);
    tr->sample_text = bfn__calloc(ctx, n * (4 * tr->D + 2) + PATH_MAX, 1);
    bool all = tr->items && tr->labels && tr->sample_labels && tr->sample_pixels && tr->t && tr->state && tr->seen &&
               tr->output && tr->d_out && tr->loss && tr->sums && tr->samples && tr->sample_text;
    return all ? BFN_OK : BFN_ERR_MEMORY;
}

static bfn_status compile(bfn__trainer *tr)
{
    bfn__exec_options options = {.batch = tr->config.train.batch, .precision = BFN__F32, .training = true};
    return bfn__exec_create(tr->ctx, &tr->exec, tr->net, &options);
}

static bfn_status prepare_sampler(bfn__trainer *tr)
{
    const bfn__config *c = &tr->config;
    if (c->train.sample_every == 0)
        return BFN_OK;
    bfn_solver_options solver = BFN_SOLVER_OPTIONS_INIT;
    bfn_sampler_options options = BFN_SAMPLER_OPTIONS_INIT;
    solver.method = BFN_METHOD_SDE2M;
    solver.n_evaluations = c->train.sample_nfe;
    if (c->data.kind == BFN__FORM_IMAGE) {
        solver.start =
            BFN_START_MOMENTS; /* without the mean, which their first states carry already, they come out grey and alike */
        options.moments = (bfn_moments){tr->data.mean, tr->data.variance};
    }
    options.seed = c->train.seed;
    options.batch = c->train.sample_n < c->train.batch ? c->train.sample_n : c->train.batch;
    bfn_plan *plan;
    bfn_status status = bfn_plan_create(tr->ctx, &plan, &tr->flow, &solver);
    if (status != BFN_OK)
        return status;
    status = bfn_sampler_create(tr->ctx, &tr->sampler, &tr->flow, plan, tr->D, &options);
    bfn_plan_destroy(plan);
    return status;
}

static void release(bfn__trainer *tr)
{
    bfn_context *ctx = tr->ctx;
    bfn__run_close(tr);
    bfn_sampler_destroy(tr->sampler);
    bfn__exec_destroy(tr->exec);
    bfn__dataset_close(tr->set);
    bfn__data_info_free(ctx, &tr->data);
    bfn__net_destroy(tr->net);
    void *blocks[] = {tr->config_text,  tr->params, tr->ema,  tr->m,       tr->v,           tr->grads,
                      tr->items,        tr->labels, tr->t,    tr->state,   tr->seen,        tr->output,
                      tr->d_out,        tr->loss,   tr->sums, tr->samples, tr->sample_text, tr->sample_labels,
                      tr->sample_pixels};
    for (size_t i = 0; i < sizeof blocks / sizeof blocks[0]; i++)
        bfn__free(ctx, blocks[i]);
}

/* ---- start and resume ---- */

/* Configuration, data, network and memory, given what a checkpoint says (stored NULL: a new run). */
static bfn_status prepare(bfn__trainer *tr, const bfn__config *stored, const bfn__data_info *stored_data)
{
    bfn_status status = read_config(tr, stored);
    if (status == BFN_OK && stored != NULL)
        status =
            bfn__config_compare_given(tr->ctx, stored, &tr->config); /* before it is taken for a fault of the data */
    if (status == BFN_OK)
        status = read_data(tr, stored_data);
    if (status == BFN_OK)
        status = bfn__config_resolve(tr->ctx, &tr->config, bfn__dataset_n_classes(tr->set), &tr->net);
    if (status == BFN_OK && stored != NULL)
        status = bfn__config_compare(tr->ctx, stored, &tr->config);
    if (status != BFN_OK)
        return status;
    tr->flow = bfn__config_flow(&tr->config);
    tr->D = bfn__config_positions(&tr->config);
    tr->K = bfn_flow_state_width(&tr->flow);
    tr->total = tr->config.train.batch * tr->config.train.accumulate;
    status = bfn__config_write(tr->ctx, &tr->config, &tr->config_text);
    if (status == BFN_OK)
        status = allocate(tr);
    if (status == BFN_OK)
        status = compile(tr);
    if (status == BFN_OK)
        status = bfn__dataset_describe(tr->set, &tr->data);
    if (status == BFN_OK)
        status = prepare_sampler(tr);
    return status == BFN_OK ? bfn__data_info_check_labels(tr->ctx, &tr->data, tr->net, tr->options->data_path) : status;
}

static bfn_status refuse_old_run(bfn__trainer *tr)
{
    if (tr->options->out_dir == NULL || !bfn__checkpoint_any(tr->options->out_dir)) /* NULL: a dry run */
        return BFN_OK;
    return bfn__fail(tr->ctx, BFN_ERR_ARGUMENT,
                     "%s: holds a training already: --resume goes on with it, --out takes another folder",
                     tr->options->out_dir);
}

static bfn_status start(bfn__trainer *tr)
{
    bfn_status status = prepare(tr, NULL, NULL);
    if (status == BFN_OK && !tr->options->dry_run)
        status = bfn__run_lock(tr);
    if (status == BFN_OK)
        status = refuse_old_run(tr);
    if (status != BFN_OK)
        return status;
    bfn__net_init(tr->net, tr->config.train.seed, tr->params);
    memcpy(tr->ema, tr->params, bfn__net_arena(tr->net) * sizeof(float));
    memcpy(tr->info.weights, "raw", 4);
    return BFN_OK;
}

static bfn_status resume_from(bfn__trainer *tr, const bfn__safetensors *st, const char *path)
{
    bfn__config stored;
    bfn__data_info data;
    bfn__net *net;
    bfn__config_init(&stored);
    bfn_status status = bfn__checkpoint_config(tr->ctx, st, path, &stored, &net);
    if (status != BFN_OK)
        return status;
    bfn_flow flow = bfn__config_flow(&stored);
    status = bfn__weights_check_shapes(tr->ctx, st, net, "net.");
    if (status == BFN_OK)
        status = bfn__data_info_read(tr->ctx, st, bfn__config_positions(&stored), bfn_flow_state_width(&flow), &data);
    bfn__net_destroy(net);
    if (status != BFN_OK)
        return bfn__fail_prefix(tr->ctx, status, path);
    status = prepare(tr, &stored, &data);
    bfn__data_info_free(tr->ctx, &data);
    return status == BFN_OK ? bfn__checkpoint_load(tr, st, path) : status;
}

static bfn_status resume(bfn__trainer *tr)
{
    char path[PATH_MAX];
    bfn__safetensors *st;
    bool is_last;
    bfn_status status = bfn__checkpoint_newest(tr->ctx, tr->options->out_dir, &st, path, &is_last);
    if (status != BFN_OK)
        return status;
    status = resume_from(tr, st, path);
    bfn__safetensors_close(st);
    tr->last_step = is_last ? tr->info.step : 0;
    if (status == BFN_OK && !tr->options->dry_run)
        bfn__checkpoint_prune(tr); /* what a run that was killed after its checkpoint had no time for */
    if (status == BFN_OK && is_last &&
        tr->info.step >= tr->config.train.steps) /* else last.safetensors is still to be made */
        status = bfn__fail(tr->ctx, BFN_ERR_ARGUMENT, "%s: already at step %llu of %zu: raise train.steps to go on",
                           path, (unsigned long long)tr->info.step, tr->config.train.steps);
    return status;
}

static void describe(bfn__trainer *tr)
{
    size_t n = 0, arena = bfn__net_arena(tr->net) * sizeof(float);
    bool text = tr->config.data.kind == BFN__FORM_TEXT;
    char parameters[32], data[200];
    for (size_t i = 0; i < bfn__net_n_params(tr->net); i++)
        if (bfn__net_param(tr->net, i)->trained)
            n += bfn__net_param(tr->net, i)->count;
    bfn__dataset_count(n, parameters);
    bfn__dataset_summary(tr->set, data, sizeof data);
    bfn__log(tr->ctx, "network    %s, %s parameters, %.3g GFLOP %s forward", bfn__net_class(tr->net), parameters,
             1e-9 * bfn__net_flops(tr->net), text ? "a sequence" : "an image");
    bfn__log(tr->ctx, "data       %s", data);
    bfn__log(tr->ctx, "training   %zu steps of %zu %s, %.0f MB of memory", tr->config.train.steps, tr->total,
             text ? "sequences" : "images", 1e-6 * (double)(5 * arena + bfn__exec_bytes(tr->exec)));
}

/* ---- the loop ---- */

static const double PLOT_SECONDS = 30.0; /* between two drawings of loss.svg */

static bool due(size_t every, uint64_t step, bool last)
{
    return every != 0 && (step % every == 0 || last);
}

/* A disk that fails once may not fail twice. */
static bfn_status save(bfn__trainer *tr, const char *name)
{
    char path[PATH_MAX];
    bfn__run_path(tr, name, path);
    bfn_status status = bfn__checkpoint_save(tr, path);
    if (status != BFN_ERR_WRITE)
        return status;
    bfn__log(tr->ctx, "warning: step %llu: %s; trying again", (unsigned long long)tr->info.step, bfn_errmsg(tr->ctx));
    return bfn__checkpoint_save(tr, path);
}

static bfn_status save_last(bfn__trainer *tr)
{
    bfn__checkpoint_keep(tr);
    bfn_status status = save(tr, "last.safetensors");
    tr->last_step =
        status == BFN_OK ? tr->info.step : 0; /* a folder that cannot be synced leaves it open which one is there */
    if (status == BFN_OK)
        bfn__checkpoint_prune(tr);
    return status;
}

/* A failing save in the middle is a warning; it is tried again after 1, 2, 4, ... steps: there may be room again. */
static bool save_on_the_way(bfn__trainer *tr)
{
    if (tr->info.bad_in_row > 0) /* the last good state stays */
        return false;
    bfn_status status = save_last(tr);
    tr->retry_gap = status == BFN_OK ? 0 : tr->retry_gap > 0 ? 2 * tr->retry_gap : 1;
    tr->retry_at = status == BFN_OK ? 0 : tr->info.step + tr->retry_gap;
    if (status != BFN_OK)
        bfn__log(tr->ctx, "warning: step %llu: no checkpoint: %s; the training goes on, the next try is at step %llu",
                 (unsigned long long)tr->info.step, bfn_errmsg(tr->ctx), (unsigned long long)tr->retry_at);
    return status == BFN_OK;
}

/* *better: the averaged weights are the best so far; *before: the bound that was. */
static bfn_status validate(bfn__trainer *tr, bool *better, double *before)
{
    bfn_status status = bfn__trainer_validate(tr);
    double bound = tr->info.valid_bound;
    *before = tr->info.best_bound;
    *better = status == BFN_OK && isfinite(bound) && !(bound >= *before);
    if (*better)
        tr->info.best_bound = bound;
    return status;
}

static void save_best(bfn__trainer *tr, double before)
{
    if (save(tr, "best.safetensors") == BFN_OK)
        return;
    tr->info.best_bound = before; /* that of the file that is there */
    bfn__log(tr->ctx, "warning: step %llu: best.safetensors stays as it was: %s; the training goes on",
             (unsigned long long)tr->info.step, bfn_errmsg(tr->ctx));
}

/* Positions over seconds, both summed with older steps fading out: a slow step counts for as long as it took. */
static void time_step(bfn__trainer *tr)
{
    const double fade = 0.95;
    double now = bfn__seconds();
    tr->recent_tokens = fade * tr->recent_tokens + (double)tr->total * (double)tr->D;
    tr->recent_seconds = fade * tr->recent_seconds + (now - tr->last_time);
    tr->rate = tr->recent_tokens / (tr->recent_seconds > 1e-9 ? tr->recent_seconds : 1e-9);
    tr->last_time = now;
}

static int report(bfn__trainer *tr, double loss, const char *sample, bool saved)
{
    if (tr->options->progress == NULL)
        return 0;
    uint64_t steps = tr->config.train.steps, left = steps - tr->info.step;
    bool images = tr->config.data.kind == BFN__FORM_IMAGE;
    bfn_train_progress p = {
        .step = tr->info.step,
        .n_steps = steps,
        .loss = loss,
        .grad_norm = tr->last_norm,
        .lr = tr->last_lr,
        .tokens_per_second = tr->rate,
        .samples_per_second = tr->rate / (double)tr->D,
        .images = images,
        .pictures = images && sample != NULL ? tr->sample_pixels : NULL,
        .n_pictures = tr->config.train.sample_n,
        .height = tr->config.data.height,
        .width = tr->config.data.width,
        .channels = tr->config.data.channels,
        .seconds = bfn__seconds() - tr->started,
        .seconds_left = (double)left * (double)tr->total * (double)tr->D / tr->rate,
        .valid_loss = tr->info.valid_loss,
        .valid_bound = tr->info.valid_bound,
        .bad_steps = tr->info.bad_steps,
        .sample = sample,
        .checkpoint_saved = saved,
    };
    return tr->options->progress(tr->options->user, &p);
}

/* The line of the log, and a picture of all lines where the last one is old. */
static void log_step(bfn__trainer *tr, double loss)
{
    bfn__run_log_step(tr, loss);
    tr->info.loss_sum = 0.0;
    tr->info.loss_count = 0;
    if (bfn__seconds() - tr->last_plot > PLOT_SECONDS)
        bfn__run_plot(tr);
}

/* What follows the update of a step; *stop when the caller wants to end. Checkpoints come after all that a reader finds of the step, so
 * that a run that goes on from one need not go back. */
static bfn_status after_step(bfn__trainer *tr, bool *stop)
{
    const bfn__config *c = &tr->config;
    uint64_t step = tr->info.step;
    bool last = step == c->train.steps, saved = false, better = false;
    double before = 0.0;
    const char *sample = NULL;
    time_step(tr);
    if (due(c->train.valid_every, step, last)) {
        bfn_status status = validate(tr, &better, &before);
        if (status != BFN_OK)
            return status;
    }
    if (due(c->train.sample_every, step, last)) {
        bfn_status status = bfn__trainer_sample(tr);
        if (status != BFN_OK)
            return status;
        sample = tr->sample_text;
    }
    double loss = tr->info.loss_count > 0 ? tr->info.loss_sum / (double)tr->info.loss_count : (double)NAN;
    if (due(c->train.log_every, step, last))
        log_step(tr, loss);
    if (better)
        save_best(tr, before);
    if (!last && (due(c->train.checkpoint_every, step, false) || (tr->retry_at != 0 && step >= tr->retry_at)))
        saved = save_on_the_way(tr);
    *stop = report(tr, loss, sample, saved) != 0;
    tr->last_time = bfn__seconds(); /* validation and saving do not count as training speed */
    return BFN_OK;
}

/* The state at the end, or where the caller stopped. The last good one stays where the newest numbers are bad: then a run that is at its
 * end has failed; one that was stopped comes back to them when it is resumed. */
static bfn_status finish(bfn__trainer *tr)
{
    bool done = tr->info.step >= tr->config.train.steps;
    bfn__run_plot(tr);
    if (tr->info.bad_in_row > 0 && done)
        return bfn__fail(tr->ctx, BFN_ERR_DIVERGED,
                         "the last %llu steps had no finite numbers: the checkpoint before them stays",
                         (unsigned long long)tr->info.bad_in_row);
    bfn_status status = tr->info.bad_in_row > 0 ? BFN_OK : save_last(tr);
    if (status != BFN_OK)
        return status;
    return done ? BFN_OK : BFN_CANCELLED;
}

static bfn_status loop(bfn__trainer *tr)
{
    bool stop = false;
    tr->started = tr->last_time = tr->last_plot = bfn__seconds();
    while (tr->info.step < tr->config.train.steps && !stop) {
        bfn_status status = bfn__trainer_step(tr);
        if (status == BFN_OK)
            status = after_step(tr, &stop);
        if (status != BFN_OK)
            return status;
    }
    return finish(tr);
}

static bfn_status run(bfn__trainer *tr)
{
    bfn_status status = bfn__exec_set_params(tr->exec, tr->params);
    if (status == BFN_OK)
        status = bfn__run_open_log(tr, tr->options->resume != 0);
    return status == BFN_OK ? loop(tr) : status;
}

static bfn_status check_options(bfn_context *ctx, const bfn_train_options *options)
{
    if (options->struct_size != sizeof *options)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "training options: struct_size %zu, needs %zu", options->struct_size,
                         sizeof *options);
    if (options->data_path == NULL)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "training options: data_path is missing");
    if (options->out_dir == NULL && !options->dry_run)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "training options: out_dir is missing");
    if (options->resume && options->out_dir == NULL)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "training options: out_dir is missing");
    if (options->config_path == NULL && !options->resume)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT,
                         "training options: config_path is missing (only a resumed run has its own)");
    return BFN_OK;
}

bfn_status bfn_train(bfn_context *ctx, const bfn_train_options *options)
{
    bfn_status status = check_options(ctx, options);
    if (status != BFN_OK)
        return status;
    bfn__trainer tr = {.ctx = ctx, .options = options, .lock = -1};
    tr.info.valid_bound = tr.info.valid_loss = tr.info.best_bound = (double)NAN;
    bfn__use_openmp(ctx);
    bfn__config_init(&tr.config);
    status = check_overrides(&tr);
    if (status == BFN_OK)
        status = bfn__room_for_threads(ctx);
    if (status == BFN_OK && options->resume && !options->dry_run)
        status = bfn__run_lock(&tr);
    if (status == BFN_OK)
        status = options->resume ? resume(&tr) : start(&tr);
    if (status == BFN_OK)
        describe(&tr);
    if (status == BFN_OK && options->config != NULL)
        options->config(options->user, tr.config_text);
    if (status == BFN_OK && !options->dry_run)
        status = run(&tr);
    release(&tr);
    return status;
}
