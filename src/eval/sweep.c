/* sweep.c: the engine of bfn/sweep.h: cells, their journal, running what is not there yet.
 *
 *   header  what all cells share (model, metrics, number of samples, threads ...): the first line of the journal
 *   cells   settings resolved through their plans; two that come to the same samples are one
 *   run     for each cell without a line: sample, score, append its line
 */
#include "eval/sweep.h"

#include "io/base64.h"
#include "io/canvas.h"
#include "io/png.h"
#include "model/model_internal.h"
#include "nn/parallel.h"
#include "nn/peak.h" /* bfn__seconds */

#include "bfn/picture.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEFAULT_N = 100, DEFAULT_BATCH = 16, SHOWN_PICTURES = 8, SHOWN_TEXTS = 2, PATH_BYTES = 4096 };
static const size_t max_journal_bytes = (size_t)1 << 31;

/* ---- metrics and header ---- */

/* Is there what it needs? */
static bool has_needs(const bfn__sweep *s, const bfn__metric *metric)
{
    return (!metric->needs_data || s->options->data != NULL) &&
           (!metric->needs_features || s->options->features != NULL);
}

static bfn_status add_metric(bfn__sweep *s, const bfn__metric *metric)
{
    bool images = s->info.channels > 0;
    if (metric->images != images)
        return bfn__fail(s->ctx, BFN_ERR_ARGUMENT, "metrics: %s is for %s, this is a model of %s", metric->name,
                         metric->images ? "images" : "text", images ? "images" : "text");
    if (!has_needs(s, metric))
        return bfn__fail(s->ctx, BFN_ERR_ARGUMENT, "metrics: %s needs data%s", metric->name,
                         metric->needs_features ? " and features" : "");
    if (s->n_metrics == BFN__MAX_METRICS || s->n_values + metric->n_values > BFN__MAX_VALUES)
        return bfn__fail(s->ctx, BFN_ERR_ARGUMENT, "metrics: more than %d of them", BFN__MAX_METRICS);
    bfn_status status = metric->open(s, &s->states[s->n_metrics]);
    if (status != BFN_OK)
        return status;
    s->metrics[s->n_metrics++] = metric;
    bfn__value_kind *values = s->values + s->n_values;
    for (size_t i = 0; i < metric->n_values; i++)
        s->values[s->n_values++] = metric->values[i];
    if (metric->label != NULL)
        metric->label(s->states[s->n_metrics - 1], values);
    return BFN_OK;
}

static bfn_status add_named_metric(bfn__sweep *s, const char *name, size_t length)
{
    char word[32] = "";
    if (length < sizeof word)
        memcpy(word, name, length);
    const bfn__metric *metric = bfn__metric_find(word);
    if (metric == NULL)
        return bfn__fail(s->ctx, BFN_ERR_ARGUMENT, "metrics: found \"%.*s\", which is none", (int)length, name);
    for (size_t i = 0; i < s->n_metrics; i++)
        if (s->metrics[i] == metric)
            return bfn__fail(s->ctx, BFN_ERR_ARGUMENT, "metrics: %s is there twice", word);
    return add_metric(s, metric);
}

static bfn_status open_metrics(bfn__sweep *s)
{
    const char *names = s->options->metrics;
    bfn_status status = BFN_OK;
    for (size_t i = 0; names == NULL && bfn__metric_at(i) != NULL && status == BFN_OK; i++)
        if (has_needs(s, bfn__metric_at(i)) && bfn__metric_at(i)->images == (s->info.channels > 0))
            status = add_metric(s, bfn__metric_at(i));
    if (names == NULL || strcmp(names, "none") == 0)
        return status;
    for (const char *c = names; *c != '\0' && status == BFN_OK;) {
        size_t n = strcspn(c, ",");
        status = add_named_metric(s, c, n);
        c += n + (c[n] == ',');
    }
    return status;
}

static bfn_status name_metrics(bfn__sweep *s)
{
    char names[BFN__MAX_METRICS * 32] = "none";
    size_t used = 0;
    for (size_t i = 0; i < s->n_metrics; i++)
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i > 0 ? "," : "", s->metrics[i]->name);
    return bfn_record_set(s->header, "metrics", names);
}

static bfn_status make_header(bfn__sweep *s)
{
    bfn_status status = bfn_record_create(s->ctx, &s->header);
    if (status == BFN_OK)
        status = bfn_record_model(s->header, s->model);
    if (status == BFN_OK && s->info.config_checksum[0] != '\0') /* a line of results.csv has no room for all of it */
        status = bfn_record_set(s->header, "config_sha256", s->info.config_checksum);
    if (status == BFN_OK)
        status = bfn_record_set_count(s->header, "threads", (uint64_t)bfn__n_threads(s->ctx));
    if (status == BFN_OK)
        status = bfn_record_set_count(s->header, "batch", s->batch);
    if (status == BFN_OK)
        status = bfn_record_set_count(s->header, "first", s->options->first);
    if (status == BFN_OK)
        status = bfn_record_set_count(s->header, "n", s->n);
    if (status == BFN_OK)
        status = open_metrics(s);
    return status == BFN_OK ? name_metrics(s) : status;
}

/* ---- cells ---- */

static bool is_new(const bfn__sweep *s, const bfn__cell *cell)
{
    for (size_t i = 0; i < s->n_cells; i++)
        if (bfn__same_sampler(&s->cells[i], cell) && bfn__same_setting(&s->cells[i], cell, "seed"))
            return false;
    return true;
}

static bfn_status make_cells(bfn__sweep *s)
{
    s->cells = bfn__calloc(s->ctx, s->options->n_cells, sizeof *s->cells);
    if (s->cells == NULL)
        return BFN_ERR_MEMORY;
    for (size_t i = 0; i < s->options->n_cells; i++) {
        bfn__cell *cell = &s->cells[s->n_cells];
        cell->asked = &s->options->cells[i];
        bfn_status status = bfn__cell_describe(s, cell);
        if (status != BFN_OK)
            return status;
        if (is_new(s, cell)) {
            s->n_cells++;
            continue;
        }
        bfn__cell_free(s->ctx, cell);
        *cell = (bfn__cell){0};
    }
    return BFN_OK;
}

static bfn_status read_journal(bfn__sweep *s)
{
    char path[PATH_BYTES];
    bfn_status status = bfn__folder_make(s->ctx, s->options->out_dir);
    if (status != BFN_OK)
        return status;
    snprintf(path, sizeof path, "%s/cells.jsonl", s->options->out_dir);
    status = bfn__journal_open(s->ctx, &s->journal, path, max_journal_bytes);
    if (status != BFN_OK)
        return status;
    size_t n = bfn__journal_n(s->journal);
    if (n > 0)
        status = bfn__header_check(s, bfn__journal_line(s->journal, 0));
    for (size_t i = 1; i < n && status == BFN_OK; i++)
        status = bfn__cell_read(s, bfn__journal_line(s->journal, i), i + 1);
    s->n_done = s->n_found;
    if (n > 0 || status != BFN_OK)
        return status;
    char *line = bfn__header_write(s);
    status = line != NULL ? bfn__journal_append(s->journal, line) : BFN_ERR_MEMORY;
    free(line);
    return status;
}

/* ---- running ---- */

/* Row `row` of a batch is done: how far is the whole? */
static int on_step(void *user, const bfn_sample_step *step)
{
    bfn__sweep *s = user;
    const bfn__cell *cell = &s->cells[s->running];
    double batches = (double)(step->first - s->options->first), rows = (double)step->row / (double)step->n_rows;
    double part = (batches + rows * (double)step->n) / (double)s->n;
    double work = s->finished + part * (double)cell->evaluations, now = bfn__seconds() - s->spent;
    bfn_sweep_progress p = {.cell = s->n_done,
                            .n_cells = s->n_cells,
                            .part = work / s->work,
                            .seconds_left = work > 0.0 ? now * (s->work - work) / work : (double)NAN,
                            .method = bfn_record_get(cell->settings, "method"),
                            .evaluations = cell->evaluations};
    return s->options->progress != NULL ? s->options->progress(s->options->user, &p) : 0;
}

static int say_finished(bfn__sweep *s, const bfn__cell *cell)
{
    static const bfn__value_kind seconds = {"seconds", "sampled in", "s", false, 0, false};
    const bfn__value_kind *kind = s->n_values > 0 ? &s->values[0] : &seconds;
    bfn__value value = s->n_values > 0 ? cell->values[0] : (bfn__value){cell->seconds, (double)NAN};
    double scale = bfn__value_scale(kind);
    bfn_sweep_progress p = {.cell = s->n_done,
                            .n_cells = s->n_cells,
                            .part = s->work > 0.0 ? s->finished / s->work : 1.0,
                            .seconds_left = (double)NAN,
                            .method = bfn_record_get(cell->settings, "method"),
                            .evaluations = cell->evaluations,
                            .value_name = kind->title,
                            .value = scale * value.value,
                            .error = scale * value.error,
                            .unit = kind->unit};
    return s->options->progress != NULL ? s->options->progress(s->options->user, &p) : 0;
}

static bfn_status keep_texts(bfn__sweep *s, bfn__cell *cell)
{
    for (size_t i = 0; i < s->n_shown && i < s->n; i++) {
        cell->texts[i] = bfn__strdup(s->ctx, s->strings[i]);
        if (cell->texts[i] == NULL)
            return BFN_ERR_MEMORY;
        cell->n_texts++;
    }
    return BFN_OK;
}

/* The first samples side by side, as a PNG in base64. */
static bfn_status keep_strip(bfn__sweep *s, bfn__cell *cell)
{
    const bfn_model_info *info = &s->info;
    size_t n = s->n_shown < s->n ? s->n_shown : s->n, n_bytes;
    const bfn__grid grid = {.n = n,
                            .H = info->height,
                            .W = info->width,
                            .C = info->channels,
                            .columns = n,
                            .scale = 1,
                            .padding = 1,
                            .background = {128, 128, 128}};
    bfn__image image = {0};
    char *bytes = NULL;
    bfn_status status = bfn__canvas_grid(s->ctx, &image, &grid, s->pixels);
    if (status == BFN_OK)
        status = bfn__png_encode(s->ctx, &image, NULL, 0, &bytes, &n_bytes);
    if (status == BFN_OK)
        status = bfn__base64_encode(s->ctx, bytes, n_bytes, &cell->strip);
    cell->strip_width = image.W;
    cell->strip_height = image.H;
    bfn__free(s->ctx, bytes);
    bfn__image_free(s->ctx, &image);
    return status;
}

static bfn_status decode_samples(bfn__sweep *s)
{
    size_t D = s->info.positions, width = 4 * D + 1;
    if (s->pixels != NULL) {
        bfn_samples_to_pixels(&s->info.flow, s->n * D, s->samples, s->pixels);
        return BFN_OK;
    }
    bfn_status status = BFN_OK;
    for (size_t i = 0; i < s->n && status == BFN_OK; i++) {
        s->strings[i] = s->text + i * width;
        status = bfn_model_decode(s->model, (const int32_t *)s->samples + i * D, s->text + i * width);
    }
    return status;
}

static bfn_status sample_cell(bfn__sweep *s, bfn__cell *cell)
{
    bfn_sampler_options o = BFN_SAMPLER_OPTIONS_INIT;
    o.seed = cell->asked->seed;
    o.batch = s->batch;
    o.clip = cell->asked->clip;
    o.step = on_step;
    o.step_user = s;
    double start = bfn__seconds();
    bfn_status status = bfn_model_sample(s->model, &cell->asked->solver, &o, s->options->first, s->n, s->samples);
    cell->seconds = bfn__seconds() - start;
    return status == BFN_OK ? decode_samples(s) : status;
}

static bfn_status score_cell(bfn__sweep *s, bfn__cell *cell)
{
    bfn__sample_set set = {.n = s->n, .indices = s->samples, .texts = s->strings, .pixels = s->pixels};
    bfn_status status = BFN_OK;
    bfn__value *values = cell->values;
    for (size_t i = 0; i < s->n_metrics && status == BFN_OK; i++) {
        status = s->metrics[i]->measure(s->states[i], &set, values);
        values += s->metrics[i]->n_values;
    }
    return status;
}

static bfn_status run_cell(bfn__sweep *s, bfn__cell *cell)
{
    bfn_status status = sample_cell(s, cell);
    if (status == BFN_OK)
        status = score_cell(s, cell);
    if (status == BFN_OK)
        status = s->pixels != NULL ? keep_strip(s, cell) : keep_texts(s, cell);
    if (status != BFN_OK)
        return status;
    char *line = bfn__cell_write(s, cell);
    status = line != NULL ? bfn__journal_append(s->journal, line) : BFN_ERR_MEMORY;
    free(line);
    if (status != BFN_OK)
        return status;
    cell->done = true;
    s->n_done++;
    s->finished += (double)cell->evaluations;
    return say_finished(s, cell) == 0 ? BFN_OK : BFN_CANCELLED;
}

static bfn_status take_memory(bfn__sweep *s)
{
    size_t D = s->info.positions, total, bytes;
    if (!bfn__size_mul(s->n, D, &total) || !bfn__size_mul(total, sizeof(float), &bytes))
        return bfn__fail(s->ctx, BFN_ERR_MEMORY, "n: %zu samples of %zu positions are too many", s->n, D);
    s->samples = bfn__calloc(s->ctx, total, sizeof(float));
    if (s->info.channels > 0) {
        s->pixels = bfn__calloc(s->ctx, total, 1);
        return s->samples != NULL && s->pixels != NULL ? BFN_OK : BFN_ERR_MEMORY;
    }
    s->text = bfn__calloc(s->ctx, s->n, 4 * D + 1);
    s->strings = bfn__calloc(s->ctx, s->n, sizeof *s->strings);
    return s->samples != NULL && s->text != NULL && s->strings != NULL ? BFN_OK : BFN_ERR_MEMORY;
}

static bfn_status run_cells(bfn__sweep *s)
{
    for (size_t i = 0; i < s->n_cells; i++)
        s->work += s->cells[i].done ? 0.0 : (double)s->cells[i].evaluations;
    if (s->n_found == s->n_cells)
        return BFN_OK;
    bfn_status status = take_memory(s);
    if (status == BFN_OK)
        status = bfn_model_reserve(s->model, s->batch < s->n ? s->batch : s->n); /* compiling is no sampling time */
    s->spent = bfn__seconds();
    for (size_t i = 0; i < s->n_cells && status == BFN_OK; i++) {
        s->running = i;
        if (!s->cells[i].done)
            status = run_cell(s, &s->cells[i]);
    }
    return status;
}

/* ---- the whole ---- */

static bfn_status check_options(bfn_context *ctx, const bfn_sweep_options *o)
{
    if (o->struct_size != sizeof *o)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "sweep: struct_size %zu, needs %zu", o->struct_size, sizeof *o);
    if (o->out_dir == NULL || o->out_dir[0] == '\0' || strlen(o->out_dir) + 64 > PATH_BYTES)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "out_dir: a folder is needed, its path at most %d bytes long",
                         PATH_BYTES - 64);
    if (o->n_cells == 0)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "sweep: no cells");
    if (o->n_shown > BFN__MAX_SHOWN)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "n_shown: found %zu, allowed: up to %d", o->n_shown, BFN__MAX_SHOWN);
    return BFN_OK;
}

static bfn_status run_sweep(bfn__sweep *s)
{
    bfn_status status = make_header(s);
    if (status == BFN_OK)
        status = make_cells(s);
    if (status == BFN_OK)
        status = read_journal(s);
    if (status == BFN_OK)
        status = run_cells(s);
    bfn_status written = status == BFN_OK || status == BFN_CANCELLED ? bfn__results_write(s) : BFN_OK;
    return status == BFN_OK ? written : status;
}

static void close_sweep(bfn__sweep *s)
{
    for (size_t i = 0; i < s->n_metrics; i++)
        s->metrics[i]->close(s->states[i]);
    for (size_t i = 0; s->cells != NULL && i < s->options->n_cells; i++)
        bfn__cell_free(s->ctx, &s->cells[i]);
    bfn_record_destroy(s->header);
    bfn__journal_close(s->journal);
    bfn__free(s->ctx, s->cells);
    bfn__free(s->ctx, s->samples);
    bfn__free(s->ctx, s->pixels);
    bfn__free(s->ctx, s->text);
    bfn__free(s->ctx, s->strings);
}

bfn_status bfn_sweep(bfn_model *model, const bfn_sweep_options *options, bfn_sweep_summary *summary)
{
    bfn__sweep s = {.model = model, .options = options};
    s.ctx = model->ctx;
    bfn_status status = check_options(s.ctx, options);
    if (status != BFN_OK)
        return status;
    bfn_model_get_info(model, &s.info);
    s.n = options->n > 0 ? options->n : DEFAULT_N;
    s.batch = options->batch > 0 ? options->batch : DEFAULT_BATCH;
    s.n_shown = options->n_shown > 0 ? options->n_shown : s.info.channels > 0 ? SHOWN_PICTURES : SHOWN_TEXTS;
    status = run_sweep(&s);
    if (summary != NULL)
        *summary = (bfn_sweep_summary){s.n_cells, s.n_found, s.n_done};
    close_sweep(&s);
    return status;
}
