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

#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
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
    CLI_GRID_OPTIONS(AT(solver)),
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

enum { LABEL_BYTES = 24, TITLE_BYTES = 160 };

typedef struct board_memory {
    char columns[CLI_MAX_COUNTS][LABEL_BYTES];
    const char *column_labels[CLI_MAX_COUNTS];
    char title[TITLE_BYTES], seed[24], first[24], eta[32];
    bfn_picture_text texts[11];
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
        bfn_solver_options solver = list->solvers[i / list->n_counts];
        solver.n_evaluations = list->counts[i % list->n_counts];
        solver.grid = v->shared.grid;
        solver.power = v->shared.power;
        solver.eta = v->shared.eta;
        solver.eta_is_set = v->shared.eta_is_set;
        solver.start = v->shared.start;
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
    static const char *const starts[] = {"default", "zero", "moments"};
    for (size_t c = 0; c < list->n_counts; c++) {
        snprintf(b->columns[c], LABEL_BYTES, "%zu evaluation%s", list->counts[c], list->counts[c] == 1 ? "" : "s");
        b->column_labels[c] = b->columns[c];
    }
    snprintf(b->title, TITLE_BYTES, "%s%smodel %.12s, seed %" PRIu64, info->data_name,
             info->data_name[0] != '\0' ? ", " : "", info->checksum, v->seed);
    snprintf(b->seed, sizeof b->seed, "%" PRIu64, v->seed);
    snprintf(b->first, sizeof b->first, "%" PRIu64, v->first);
    b->texts[0] = (bfn_picture_text){"bfn.version", bfn_version()};
    b->texts[1] = (bfn_picture_text){"bfn.model_sha256", info->checksum};
    b->texts[2] = (bfn_picture_text){"bfn.methods", v->methods};
    b->texts[3] = (bfn_picture_text){"bfn.evaluations", v->counts};
    b->texts[4] = (bfn_picture_text){"bfn.seed", b->seed};
    b->texts[5] = (bfn_picture_text){"bfn.first", b->first};
    b->texts[6] = (bfn_picture_text){"bfn.start", starts[v->solver.start]};
    b->texts[9] = (bfn_picture_text){"bfn.grid", v->solver.grid};
    snprintf(b->eta, sizeof b->eta, "%.17g", v->solver.eta);
    b->texts[10] = (bfn_picture_text){"bfn.eta", v->solver.eta >= 0.0 ? b->eta : "default"};
    b->texts[7] = (bfn_picture_text){"bfn.precision", info->precision == BFN_PRECISION_BF16 ? "bf16" : "f32"};
    b->texts[8] = (bfn_picture_text){"bfn.weights", v->raw ? "raw" : "average"};
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
    board.cell.n_texts = sizeof b->texts / sizeof b->texts[0];
    board.pixels = b->pixels;
    return board;
}

/* The board is laid out before any sample is drawn: one that is too large is refused at once. */
static bfn_status fill_board(bfn_context *ctx, bfn_model *model, const bfn_model_info *info, const compare_values *v,
                             const cli_method_list *list, board_memory *b)
{
    size_t height, width;
    label(info, v, list, b);
    const bfn_board board = lay_out(info, v, list, b);
    bfn_status status = bfn_board_size(ctx, &board, &height, &width);
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
