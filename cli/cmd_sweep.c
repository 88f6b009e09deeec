/* cmd_sweep.c: bfn sweep: a table of samplers on one model, resumable, as CSV, JSON and one page of HTML. The engine is bfn/sweep.h. */
#include "cli.h"
#include "progress.h"
#include "signals.h"
#include "sweep_axes.h"
#include "sweep_table.h"

#include "bfn/sweep.h"

#include <math.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct sweep_values {
    const char *model, *config, *out, *preset, *metrics, *data, *features, *dictionary, *title;
    sweep_axes axes;
    size_t n, batch, threads, shown;
    uint64_t first;
    int precision, raw, presets, quiet;
} sweep_values;

#define AT(member) offsetof(sweep_values, member)
static const cli_option options[] = {
    {"model", 'm', "FILE", CLI_TEXT, AT(model), 0, 0, NULL, "the model"},
    CLI_CONFIG_OPTION(AT(config)),
    {"out", 'o', "FOLDER", CLI_TEXT, AT(out), 0, 0, NULL,
     "what is written: cells.jsonl, results.csv, times.csv, results.json, report.html"},
    {"preset", 'p', "NAME", CLI_TEXT, AT(preset), 0, 0, NULL,
     "a named experiment (--presets lists them); options override its settings"},
    {"presets", 0, NULL, CLI_FLAG, AT(presets), 0, 0, NULL, "list the presets with their settings, and the metrics"},
    {"methods", 0, "LIST", CLI_TEXT, AT(axes.methods), 0, 0, NULL,
     "methods; \"+corrector\" behind one adds the free corrector (default bfn,ode2m,sde2m)"},
    {"nfe", 0, "LIST", CLI_TEXT, AT(axes.nfe), 0, 0, NULL, "network evaluations (default 5,10,20,50)"},
    {"grids", 0, "LIST", CLI_TEXT, AT(axes.grids), 0, 0, NULL,
     "default, time, logsnr, power:R; list:T0,...,1 as the last item (default: as in bfn sample)"},
    {"eta", 0, "LIST", CLI_TEXT, AT(axes.eta), 0, 0, NULL, "first times: numbers, default (the default)"},
    {"start", 0, "LIST", CLI_TEXT, AT(axes.start), 0, 0, NULL,
     "initial states: default, zero, moments (default: as in bfn sample)"},
    {"last", 0, "LIST", CLI_TEXT, AT(axes.last), 0, 0, NULL, "last steps: default, predict, update, call"},
    {"prediction", 0, "LIST", CLI_TEXT, AT(axes.prediction), 0, 0, NULL,
     "default, mean, draw (the categorical draw on)"},
    {"corrector", 0, "LIST", CLI_TEXT, AT(axes.corrector), 0, 0, NULL, "off, on (default off)"},
    {"clip", 0, "LIST", CLI_TEXT, AT(axes.clip), 0, 0, NULL, "continuous data: static, dynamic, off (default static)"},
    {"seeds", 's', "LIST", CLI_TEXT, AT(axes.seeds), 0, 0, NULL, "seeds, as 1,2,3 or 1-5 (default 1)"},
    {"n", 'n', "N", CLI_SIZE, AT(n), 1, 1e7, NULL, "samples a cell (default 100)"},
    {"first", 0, "I", CLI_SEED, AT(first), 0, 0, NULL, "number of the first sample (default 0)"},
    {"metric", 0, "LIST", CLI_TEXT, AT(metrics), 0, 0, NULL,
     "what is measured (--presets lists it; default: all that can be), or none: times and samples alone"},
    {"data", 'd', "PATH", CLI_TEXT, AT(data), 0, 0, NULL,
     "what samples are compared with: the text, or the images, that the model was trained on"},
    {"features", 0, "FILE", CLI_TEXT, AT(features), 0, 0, NULL,
     "feature network of the metric frechet: Inception-v3, or a classifier of bfn classifier"},
    {"dictionary", 0, "FILE.dic", CLI_TEXT, AT(dictionary), 0, 0, NULL,
     "hunspell dictionary of the metric spell (default: Debian's en_US)"},
    {"show", 0, "N", CLI_SIZE, AT(shown), 1, 64, NULL,
     "samples a cell that the report shows (default 2 texts, 8 images)"},
    {"title", 0, "TEXT", CLI_TEXT, AT(title), 0, 0, NULL, "title of the report"},
    {"batch", 0, "N", CLI_SIZE, AT(batch), 1, 4096, NULL, "samples a network call (default 16)"},
    {"threads", 0, "N", CLI_SIZE, AT(threads), 1, 1024, NULL, "CPU threads (default: all)"},
    {"precision", 0, "KIND", CLI_CHOICE, AT(precision), 0, 0, "default|f32|bf16",
     "arithmetic of the network (default: bf16 where the CPU has it; 3 x 3 convolutions stay f32)"},
    {"raw-weights", 0, NULL, CLI_FLAG, AT(raw), 0, 0, NULL, "the trained weights instead of their average"},
    {"quiet", 'q', NULL, CLI_FLAG, AT(quiet), 0, 0, NULL, "no progress, no table at the end"},
};
#undef AT

/* ---- presets ---- */

static void print_axis(const char *option, const char *value)
{
    if (value != NULL)
        printf(" --%s %s", option, value);
}

static int list_presets(const cli_command *command)
{
    printf("Presets (--preset)\n");
    for (size_t i = 0; sweep_preset_at(i) != NULL; i++) {
        const sweep_preset *p = sweep_preset_at(i);
        printf("%-9s %s\n          ", p->name, p->text);
        print_axis("methods", p->axes.methods);
        print_axis("nfe", p->axes.nfe);
        print_axis("grids", p->axes.grids);
        print_axis("eta", p->axes.eta);
        print_axis("start", p->axes.start);
        print_axis("last", p->axes.last);
        print_axis("prediction", p->axes.prediction);
        print_axis("corrector", p->axes.corrector);
        print_axis("clip", p->axes.clip);
        putchar('\n');
    }
    printf("\nMetrics (--metric)\n");
    for (size_t i = 0; bfn_sweep_metric_name(i) != NULL; i++)
        printf("%-9s %s\n", bfn_sweep_metric_name(i), bfn_sweep_metric_text(i));
    return cli_flush(command);
}

static int apply_preset(const cli_command *command, sweep_values *v)
{
    if (v->preset == NULL)
        return 0;
    const sweep_preset *preset = sweep_preset_find(v->preset);
    if (preset != NULL) {
        v->axes = sweep_axes_merge(&v->axes, &preset->axes);
        return 0;
    }
    const char *names[64], *near;
    size_t n = 0;
    while (n < 64 && sweep_preset_at(n) != NULL) {
        names[n] = sweep_preset_at(n)->name;
        n++;
    }
    near = cli_nearest(v->preset, names, n);
    return cli_usage(command, "--preset: found \"%s\"%s%s: bfn sweep --presets lists them", v->preset,
                     near != NULL ? ", nearest is " : "", near != NULL ? near : "");
}

/* ---- progress ---- */

typedef struct display {
    cli_progress progress;
    bool quiet;
} display;

static void say_cell(display *d, const bfn_sweep_progress *p)
{
    char line[256], error[32] = "";
    if (isfinite(p->error))
        snprintf(error, sizeof error, " ± %.2g", p->error);
    snprintf(line, sizeof line, "%zu/%zu  %s, %zu evaluations: %s %.4g%s %s", p->cell, p->n_cells, p->method,
             p->evaluations, p->value_name, p->value, error, p->unit);
    cli_progress_line(&d->progress, line);
}

static int on_progress(void *user, const bfn_sweep_progress *p)
{
    display *d = user;
    cli_progress_view view = {.part = p->part < 1.0 ? p->part : 1.0, .order = {0, 2, 1, 3, 4}};
    char left[32];
    if (!d->quiet && p->value_name != NULL)
        say_cell(d, p);
    snprintf(view.texts[0], CLI_PROGRESS_BYTES, "cell %zu/%zu", p->cell, p->n_cells);
    snprintf(view.texts[1], CLI_PROGRESS_BYTES, "%s, %zu evaluations", p->method, p->evaluations);
    if (isfinite(p->seconds_left)) {
        cli_duration(p->seconds_left, left);
        snprintf(view.texts[2], CLI_PROGRESS_BYTES, "%s left", left);
    }
    if (!d->quiet && p->value_name == NULL)
        cli_progress_show(&d->progress, &view, false);
    return cli_signals_caught() != 0;
}

static void on_compared(void *user, const bfn_sweep_table *table)
{
    display *d = user;
    cli_progress_end(&d->progress);
    if (!d->quiet && table->plotted)
        sweep_table_print(table);
}

/* ---- the run ---- */

/* The words of the command, quoted where a shell would need it. */
static char *command_text(int argc, char **argv)
{
    size_t room = 16;
    for (int i = 1; i < argc; i++)
        room += 4 * strlen(argv[i]) + 3;
    char *text = malloc(room), *to = text;
    if (text == NULL)
        return NULL;
    to += snprintf(text, room, "bfn sweep");
    for (int i = 1; i < argc; i++) {
        bool plain = argv[i][0] != '\0' && strpbrk(argv[i], " \t\n'\"\\$&|;<>()*?[]{}~#!`") == NULL;
        *to++ = ' ';
        if (!plain)
            *to++ = '\'';
        for (const char *c = argv[i]; *c != '\0'; c++) {
            if (*c == '\'')
                to = stpcpy(to, "'\\'");
            *to++ = *c;
        }
        if (!plain)
            *to++ = '\'';
    }
    *to = '\0';
    return text;
}

static int load(const cli_command *command, bfn_context *ctx, const sweep_values *v, bfn_model **model)
{
    bfn_model_options o = BFN_MODEL_OPTIONS_INIT;
    o.precision = (bfn_precision)v->precision;
    o.raw_weights = v->raw;
    o.config_path = v->config;
    bfn_status status = bfn_model_load(ctx, model, v->model, &o);
    return status == BFN_OK ? 0 : cli_fail(command, ctx, status);
}

static int end(const cli_command *command, const bfn_context *ctx, const sweep_values *v, bfn_status status,
               const bfn_sweep_summary *summary)
{
    if (status == BFN_CANCELLED) {
        fprintf(stderr, "bfn %s: stopped with %zu of %zu cells finished; the same command goes on from there\n",
                command->name, summary->n_done, summary->n_cells);
        return cli_signals_caught() == SIGTERM ? CLI_EXIT_SIGTERM : CLI_EXIT_SIGINT;
    }
    if (status != BFN_OK)
        return cli_fail(command, ctx, status);
    char safe[512];
    if (!v->quiet)
        fprintf(stderr, "%zu cells (%zu were there): %s/results.csv and report.html\n", summary->n_done,
                summary->n_found, cli_safe(v->out, safe, sizeof safe));
    return cli_flush(command);
}

static int sweep(const cli_command *command, bfn_context *ctx, const sweep_values *v, const sweep_cells *cells,
                 const char *text)
{
    bfn_model *model = NULL;
    int code = load(command, ctx, v, &model);
    if (code != 0)
        return code;
    display d = {.quiet = v->quiet != 0};
    cli_progress_init(&d.progress, 10.0);
    bfn_sweep_options o = BFN_SWEEP_OPTIONS_INIT;
    o.out_dir = v->out;
    o.cells = cells->cells;
    o.n_cells = cells->n;
    o.n = v->n;
    o.first = v->first;
    o.batch = v->batch;
    o.n_shown = v->shown;
    o.metrics = v->metrics;
    o.dictionary = v->dictionary;
    o.data = v->data;
    o.features = v->features;
    o.title = v->title;
    o.command = text;
    o.model_path = v->model;
    o.progress = on_progress;
    o.compared = on_compared;
    o.user = &d;
    bfn_sweep_summary summary;
    bfn_status status = bfn_sweep(model, &o, &summary);
    cli_progress_end(&d.progress);
    bfn_model_destroy(model);
    return end(command, ctx, v, status, &summary);
}

static int prepare(const cli_command *command, bfn_context *ctx, sweep_values *v, const char *text)
{
    sweep_cells cells = {.cells = NULL};
    const sweep_preset *preset = v->preset != NULL ? sweep_preset_find(v->preset) : NULL;
    char title[160];
    if (v->title == NULL && preset != NULL) {
        snprintf(title, sizeof title, "%s", preset->text);
        v->title = title;
    }
    int code = sweep_axes_span(command, ctx, &v->axes, &cells);
    if (code == 0 && cells.n_refused > 0 && !v->quiet)
        fprintf(stderr, "left out: %zu combination%s that no plan exists for: %s%s\n", cells.n_refused,
                cells.n_refused == 1 ? "" : "s", cells.n_refused == 1 ? "" : "the first is ", cells.refused);
    if (code == 0)
        code = sweep(command, ctx, v, &cells, text);
    sweep_cells_free(&cells);
    return code;
}

static int run(const cli_command *command, int argc, char **argv)
{
    sweep_values v = {.n = 100, .batch = 16};
    size_t n_operands;
    char *text = command_text(argc, argv);
    int code = 0;
    if (text == NULL || !cli_parse(command, argc, argv, &v, NULL, 0, &n_operands))
        code = text == NULL ? (int)BFN_ERR_MEMORY : CLI_EXIT_USAGE;
    else if (v.presets)
        code = list_presets(command);
    else if (v.model == NULL || v.out == NULL)
        code = cli_usage(command, "%s is missing", v.model == NULL ? "--model FILE" : "--out FOLDER");
    else
        code = apply_preset(command, &v);
    if (code != 0 || v.presets) {
        free(text);
        return code;
    }
    bfn_context *ctx;
    (void)cli_signals_watch();
    bfn_status status = cli_context(command, v.threads, &ctx);
    if (status == BFN_OK)
        code = prepare(command, ctx, &v, text);
    bfn_context_destroy(ctx);
    free(text);
    return status != BFN_OK ? (int)status : code;
}

const cli_command cli_command_sweep = {
    "sweep",
    "score a table of samplers, with plots in one HTML page",
    "--model FILE --out FOLDER [--preset NAME] [options]",
    "Runs every combination of the lists, scores and times each cell once and writes FOLDER/results.csv, times.csv,\n"
    "results.json and report.html (one file, no other files needed). A finished cell is on disk before the next\n"
    "begins: a sweep that was stopped goes on where it was when the same command is given again; other settings\n"
    "in the same folder are refused. Combinations that no plan exists for are left out. At the end stands at how many\n"
    "evaluations each sampler equals the original one, within the errors of both (also in results.json and the "
    "report).",
    options,
    sizeof options / sizeof options[0],
    "  bfn sweep --presets\n"
    "  bfn sweep --model models/text8-small.safetensors --preset figure4 --n 1000 --out sweeps/figure4\n"
    "  bfn sweep --model m.safetensors --methods bfn,ode2m,sde2m --nfe 5,10,20,50 --seeds 1-3 --out sweeps/mine",
    run,
};
