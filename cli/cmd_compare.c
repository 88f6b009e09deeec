/* cmd_compare.c: bfn compare: one picture that shows what sampling methods make of the same seeds with few and many evaluations.
 *
 * A board: a row for each method, a column for each number of evaluations, in every cell a grid of the same samples (seed and numbers).
 * Text has its own comparison, with a score: bfn eval spell.
 */
#include "cli.h"
#include "method_list.h"
#include "solver_options.h"

#include "bfn/model.h"
#include "bfn/picture.h"
#include "bfn/record.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct compare_values {
    const char *model, *config, *out, *methods, *counts;
    size_t n, batch, threads, columns, scale;
    uint64_t seed, first;
    int precision, raw;
    cli_solver_values solver;  /* grid, eta and start, the same in every cell */
    bfn_solver_options shared; /* ... in the library's terms */
} compare_values;

#define AT(member) offsetof(compare_values, member)
static const cli_option options[] = {
    {"model", 'm', "FILE", CLI_TEXT, AT(model), 0, 0, NULL, "a model of images"},
    CLI_CONFIG_OPTION(AT(config)),
    {"methods", 0, "LIST", CLI_TEXT, AT(methods), 0, 0, NULL,
     "a row each, as in bfn,ode2m,sde2m; \"+corrector\" behind one adds the free corrector (default bfn,ode2m,sde2m)"},
    {"nfe", 0, "LIST", CLI_TEXT, AT(counts), 0, 0, NULL, "a column each: network evaluations (default 5,10,20,50)"},
    {"n", 'n', "N", CLI_SIZE, AT(n), 1, 4096, NULL, "samples a cell (default 16)"},
    {"seed", 's', "N", CLI_SEED, AT(seed), 0, 0, NULL, "seed (default 1), the same for every cell"},
    {"first", 0, "I", CLI_SEED, AT(first), 0, 0, NULL, "number of the first sample (default 0)"},
    CLI_GRID_OPTIONS(AT(solver), ""),
    {"output", 'o', "FILE", CLI_TEXT, AT(out), 0, 0, NULL, "the PNG to write"},
    {"columns", 0, "N", CLI_SIZE, AT(columns), 1, 4096, NULL, "columns of the grid in a cell (default: a square)"},
    {"scale", 0, "N", CLI_SIZE, AT(scale), 1, 64, NULL,
     "enlarge every pixel so many times (default: sides of at least 56)"},
    {"batch", 0, "N", CLI_SIZE, AT(batch), 1, 4096, NULL, "samples a network call (default 16)"},
    {"threads", 0, "N", CLI_SIZE, AT(threads), 1, 1024, NULL, "CPU threads (default: all)"},
    {"precision", 0, "KIND", CLI_CHOICE, AT(precision), 0, 0, "default|f32|bf16",
     "arithmetic of the network (default: bf16 where the CPU has it; 3 x 3 convolutions stay f32)"},
    {"raw-weights", 0, NULL, CLI_FLAG, AT(raw), 0, 0, NULL, "the trained weights instead of their average"},
};
#undef AT

enum { LABEL_BYTES = 24, TITLE_BYTES = 160, LIST_BYTES = CLI_MAX_METHODS * 32 };

typedef struct board_memory {
    char columns[CLI_MAX_COUNTS][LABEL_BYTES];
    const char *column_labels[CLI_MAX_COUNTS];
    char title[TITLE_BYTES];
    bfn_record *record;
    bfn_picture_text *texts; /* the record in the file */
    size_t n_texts;
    uint8_t *pixels; /* [methods, counts, n, D] */
    void *samples;   /* [n, D] */
} board_memory;

static void show_cell(const cli_method_list *list, size_t cell)
{
    size_t m = cell / list->n_counts, c = cell % list->n_counts;
    fprintf(stderr, "\r\033[Kcell %zu of %zu: %s, %zu evaluations", cell + 1, list->n_methods * list->n_counts,
            list->labels[m], list->counts[c]);
    fflush(stderr);
}

/* What cell i is made with, before the model has its say. */
static bfn_solver_options solver_of(const compare_values *v, const cli_method_list *list, size_t i)
{
    bfn_solver_options solver = list->solvers[i / list->n_counts];
    solver.n_evaluations = list->counts[i % list->n_counts];
    solver.grid = v->shared.grid;
    solver.power = v->shared.power;
    solver.eta = v->shared.eta;
    solver.eta_is_set = v->shared.eta_is_set;
    solver.start = v->shared.start;
    return solver;
}

static bfn_status sample_cells(bfn_model *model, const bfn_model_info *info, const compare_values *v,
                               const cli_method_list *list, const board_memory *b)
{
    bfn_sampler_options sampler = BFN_SAMPLER_OPTIONS_INIT;
    bool showing = cli_is_terminal(STDERR_FILENO);
    size_t each = v->n * info->positions;
    bfn_status status = BFN_OK;
    sampler.seed = v->seed;
    sampler.batch = v->batch;
    for (size_t i = 0; i < list->n_methods * list->n_counts && status == BFN_OK; i++) {
        const bfn_solver_options solver = solver_of(v, list, i);
        if (showing)
            show_cell(list, i);
        status = bfn_model_sample(model, &solver, &sampler, v->first, v->n, b->samples);
        if (status == BFN_OK)
            bfn_samples_to_pixels(&info->flow, each, b->samples, b->pixels + i * each);
    }
    if (showing)
        fputs("\r\033[K", stderr);
    return status;
}

static void label(const bfn_model_info *info, const compare_values *v, const cli_method_list *list, board_memory *b)
{
    for (size_t c = 0; c < list->n_counts; c++) {
        snprintf(b->columns[c], LABEL_BYTES, "%zu evaluation%s", list->counts[c], list->counts[c] == 1 ? "" : "s");
        b->column_labels[c] = b->columns[c];
    }
    snprintf(b->title, TITLE_BYTES, "%s%smodel %.12s, seed %" PRIu64, info->data_name,
             info->data_name[0] != '\0' ? ", " : "", info->checksum, v->seed);
}

/* ---- what made the board ---- */

/* What the sampler of a row came to: as its first cell has it. The settings that are recorded do not depend on the number of evaluations. */
static bfn_status resolve_row(bfn_context *ctx, const bfn_model *model, const bfn_model_info *info,
                              const bfn_solver_options *asked, bfn_record **row)
{
    bfn_solver_options solver = *asked;
    bfn_model_resolve(model, &solver);
    bfn_status status = bfn_record_create(ctx, row);
    return status == BFN_OK ? bfn_record_solver(*row, &info->flow, &solver, BFN_CLIP_STATIC) : status;
}

/* Lists with an item a row, in the order of "methods". */
static bfn_status record_rows(bfn_context *ctx, const bfn_model *model, const bfn_model_info *info,
                              const compare_values *v, const cli_method_list *list, bfn_record *record)
{
    static const char *const keys[] = {"grid", "eta", "start", "prediction"};
    enum { N_KEYS = sizeof keys / sizeof keys[0] };
    char lists[N_KEYS][LIST_BYTES] = {""};
    bfn_status status = BFN_OK;
    for (size_t m = 0; m < list->n_methods && status == BFN_OK; m++) {
        const bfn_solver_options asked = solver_of(v, list, m * list->n_counts);
        bfn_record *row = NULL;
        status = resolve_row(ctx, model, info, &asked, &row);
        for (size_t k = 0; k < N_KEYS && status == BFN_OK; k++) {
            size_t used = strlen(lists[k]);
            snprintf(lists[k] + used, LIST_BYTES - used, "%s%s", m > 0 ? "," : "", bfn_record_get(row, keys[k]));
        }
        bfn_record_destroy(row);
    }
    for (size_t k = 0; k < N_KEYS && status == BFN_OK; k++)
        status = bfn_record_set(record, keys[k], lists[k]);
    return status;
}

static bfn_status make_record(bfn_context *ctx, const bfn_model *model, const bfn_model_info *info,
                              const compare_values *v, const cli_method_list *list, board_memory *b)
{
    bfn_status status = bfn_record_create(ctx, &b->record);
    if (status == BFN_OK)
        status = bfn_record_model(b->record, model);
    if (status == BFN_OK)
        status = bfn_record_config(b->record, model);
    if (status == BFN_OK)
        status = bfn_record_set(b->record, "methods", v->methods);
    if (status == BFN_OK)
        status = bfn_record_set(b->record, "evaluations", v->counts);
    if (status == BFN_OK)
        status = bfn_record_set_count(b->record, "seed", v->seed);
    if (status == BFN_OK)
        status = bfn_record_set_count(b->record, "first", v->first);
    if (status == BFN_OK)
        status = record_rows(ctx, model, info, v, list, b->record);
    return status == BFN_OK ? bfn_record_texts(b->record, &b->texts, &b->n_texts) : status;
}

static bfn_board lay_out(const bfn_model_info *info, const compare_values *v, const cli_method_list *list,
                         const board_memory *b)
{
    bfn_board board = BFN_BOARD_INIT;
    board.title = b->title;
    board.n_rows = list->n_methods;
    board.n_columns = list->n_counts;
    board.row_labels = list->labels;
    board.column_labels = b->column_labels;
    board.cell.n = v->n;
    board.cell.height = info->height;
    board.cell.width = info->width;
    board.cell.channels = info->channels;
    board.cell.columns = v->columns;
    board.cell.scale = v->scale;
    board.cell.texts = b->texts;
    board.cell.n_texts = b->n_texts;
    board.pixels = b->pixels;
    return board;
}

/* The board is laid out before any sample is drawn: one that is too large is refused at once. */
static bfn_status fill_board(bfn_context *ctx, bfn_model *model, const bfn_model_info *info, const compare_values *v,
                             const cli_method_list *list, board_memory *b)
{
    size_t height, width;
    bfn_status status = make_record(ctx, model, info, v, list, b);
    if (status != BFN_OK)
        return status;
    label(info, v, list, b);
    const bfn_board board = lay_out(info, v, list, b);
    status = bfn_board_size(ctx, &board, &height, &width);
    if (status == BFN_OK)
        status = sample_cells(model, info, v, list, b);
    return status == BFN_OK ? bfn_board_save_png(ctx, v->out, &board) : status;
}

static int compare(const cli_command *command, bfn_context *ctx, bfn_model *model, const compare_values *v,
                   const cli_method_list *list)
{
    bfn_model_info info;
    board_memory b = {.pixels = NULL};
    bfn_model_get_info(model, &info);
    if (info.channels == 0)
        return cli_usage(command, "--model: %s is a model of text: bfn eval spell compares its samples", v->model);
    int code = cli_check_output(command, v->out);
    if (code != 0)
        return code;
    b.samples = calloc(v->n, info.positions * sizeof(float));
    b.pixels = calloc(list->n_methods * list->n_counts * v->n, info.positions);
    bfn_status status = BFN_ERR_MEMORY;
    if (b.samples != NULL && b.pixels != NULL)
        status = fill_board(ctx, model, &info, v, list, &b);
    if (b.texts != NULL)
        bfn_record_free_texts(b.record, b.texts);
    bfn_record_destroy(b.record);
    free(b.samples);
    free(b.pixels);
    return status == BFN_OK ? 0 : cli_fail(command, ctx, status);
}

/* A list of times would say the number of steps itself. */
static int read_times(const cli_command *command, compare_values *v)
{
    v->shared = (bfn_solver_options)BFN_SOLVER_OPTIONS_INIT;
    if (!cli_solver_times(command, &v->solver, &v->shared))
        return CLI_EXIT_USAGE;
    if (v->shared.grid == BFN_GRID_LIST)
        return cli_usage(command, "--grid: found \"%s\", needs default, time, logsnr or power:R (--nfe says the steps)",
                         v->solver.grid);
    return 0;
}

static int run(const cli_command *command, int argc, char **argv)
{
    compare_values v = {.methods = "bfn,ode2m,sde2m",
                        .counts = "5,10,20,50",
                        .n = 16,
                        .seed = 1,
                        .batch = 16,
                        .solver = CLI_SOLVER_VALUES_INIT};
    cli_method_list list = {.copy = NULL};
    size_t n_operands;
    if (!cli_parse(command, argc, argv, &v, NULL, 0, &n_operands))
        return CLI_EXIT_USAGE;
    if (v.model == NULL || v.out == NULL)
        return cli_usage(command, "%s FILE is missing", v.model == NULL ? "--model" : "-o");
    bfn_context *ctx;
    bfn_status status = cli_context(command, v.threads, &ctx);
    if (status != BFN_OK)
        return (int)status;
    bfn_model *model = NULL;
    bfn_model_options o = BFN_MODEL_OPTIONS_INIT;
    o.precision = (bfn_precision)v.precision;
    o.raw_weights = v.raw;
    o.config_path = v.config;
    int code = read_times(command, &v);
    if (code == 0)
        code = cli_methods_parse(command, ctx, v.methods, v.counts, &list);
    if (code == 0 && (status = bfn_model_load(ctx, &model, v.model, &o)) != BFN_OK)
        code = cli_fail(command, ctx, status);
    if (code == 0)
        code = compare(command, ctx, model, &v, &list);
    cli_methods_free(&list);
    bfn_model_destroy(model);
    bfn_context_destroy(ctx);
    return code;
}

const cli_command cli_command_compare = {
    "compare",
    "draw one picture of what methods make of the same seeds",
    "--model FILE -o FILE.png [options]",
    "For models of images: a labelled table with a row for each method and a column for each number of network\n"
    "evaluations; every cell holds the same samples (same seed, same numbers). Text: bfn eval spell.",
    options,
    sizeof options / sizeof options[0],
    "  bfn compare --model models/fashion-small.safetensors -o methods.png\n"
    "  bfn compare --model m.safetensors --methods ode2m,ode2m+corrector,ode3m --nfe 6,8,10 --n 9 -o orders.png",
    run,
};
