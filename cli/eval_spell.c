/* eval_spell.c: bfn eval spell: spelling accuracy of samples of a model, a table of methods by evaluations, or of a file's lines. */
#include "cli.h"
#include "eval.h"
#include "made_with.h"
#include "method_list.h"
#include "text_samples.h"

#include <stdio.h>

/* ---- options ---- */

typedef struct spell_values {
    const char *model, *config, *text, *methods, *counts, *dictionary;
    size_t n, batch, threads;
    uint64_t seed;
    int precision, json;
} spell_values;

#define AT(member) offsetof(spell_values, member)
static const cli_option spell_options[] = {
    {"model", 'm', "FILE", CLI_TEXT, AT(model), 0, 0, NULL, "text model whose samples are scored"},
    CLI_CONFIG_OPTION(AT(config)),
    {"text", 't', "FILE", CLI_TEXT, AT(text), 0, 0, NULL,
     "score the strings of this file instead, as bfn eval text reads them (- for standard input)"},
    {"methods", 0, "LIST", CLI_TEXT, AT(methods), 0, 0, NULL,
     "methods to compare, as in bfn,ode2m,sde2m; \"+corrector\" behind one adds the free corrector (default sde2m)"},
    {"nfe", 0, "LIST", CLI_TEXT, AT(counts), 0, 0, NULL, "network evaluations, as in 5,10,20,50 (default 20)"},
    {"n", 'n', "N", CLI_SIZE, AT(n), 1, 1e6, NULL, "strings a cell (default 100)"},
    {"seed", 0, "N", CLI_SEED, AT(seed), 0, 0, NULL, "seed of the samples (default 0); the same for every cell"},
    {"batch", 0, "N", CLI_SIZE, AT(batch), 1, 4096, NULL, "strings a network call (default 32)"},
    {"threads", 0, "N", CLI_SIZE, AT(threads), 1, 1024, NULL, "CPU threads (default: all)"},
    {"precision", 0, "KIND", CLI_CHOICE, AT(precision), 0, 0, "default|f32|bf16",
     "arithmetic of the network (default: bf16 where the CPU has it)"},
    {"dictionary", 0, "FILE.dic", CLI_TEXT, AT(dictionary), 0, 0, NULL,
     "hunspell dictionary (default: Debian's en_US)"},
    {"json", 0, NULL, CLI_FLAG, AT(json), 0, 0, NULL, "one JSON object a cell on standard output instead of a table"},
};
#undef AT

typedef struct spell_cell {
    const char *label; /* "ode2m+corrector", or a file's name */
    bfn_solver_options solver;
    size_t evaluations;
    double seconds;
    bfn_spelling spelling;
} spell_cell;

/* ---- the table ---- */

static const char *precision_name(const bfn_model_info *info)
{
    return info->precision == BFN_PRECISION_BF16 ? "bf16" : "f32";
}

static void print_head(void)
{
    printf("%-18s %5s  %-16s %-16s %9s %8s %6s %9s\n", "method", "nfe", "words correct", "inner words", "bits/word",
           "bits/chr", "dupl.", "seconds");
}

static void print_row(const spell_cell *cell)
{
    const bfn_spelling *s = &cell->spelling;
    char evaluations[24] = "-", seconds[24] = "-";
    if (cell->evaluations > 0) {
        snprintf(evaluations, sizeof evaluations, "%zu", cell->evaluations);
        snprintf(seconds, sizeof seconds, "%.2f", cell->seconds);
    }
    printf("%-18s %5s  %6.2f ± %4.2f %%  %6.2f ± %4.2f %%  %9.2f %8.3f %6zu %9s\n", cell->label, evaluations,
           100.0 * s->accuracy, 100.0 * s->standard_error, 100.0 * s->inner_accuracy, 100.0 * s->inner_standard_error,
           s->word_entropy, s->character_entropy, s->n_duplicates, seconds);
    fflush(stdout);
}

/* made_with: of the samples; NULL: the strings were given. */
static void print_json(const spell_cell *cell, const bfn_speller *speller, const bfn_record *made_with)
{
    const bfn_spelling *s = &cell->spelling;
    char safe[256], path[512];
    printf("{\"label\": \"%s\", \"strings\": %zu, \"words\": %zu, \"correct\": %zu, \"accuracy\": %.6f, "
           "\"standard_error\": %.6f, \"inner_words\": %zu, \"inner_accuracy\": %.6f, \"inner_standard_error\": %.6f, "
           "\"bits_per_word\": %.5f, \"bits_per_character\": %.5f, \"duplicates\": %zu, ",
           cli_safe(cell->label, safe, sizeof safe), s->n_strings, s->n_words, s->n_correct, s->accuracy,
           s->standard_error, s->n_inner_words, s->inner_accuracy, s->inner_standard_error, s->word_entropy,
           s->character_entropy, s->n_duplicates);
    if (made_with != NULL) {
        printf("\"evaluations\": %zu, \"seconds\": %.3f, \"samples\": ", cell->evaluations, cell->seconds);
        cli_put_record(stdout, made_with);
        printf(", ");
    }
    printf("\"dictionary\": \"%s\", \"dictionary_sha256\": \"%s\", \"version\": \"%s\"}\n",
           cli_safe(bfn_speller_path(speller), path, sizeof path), bfn_speller_checksum(speller), bfn_version());
    fflush(stdout);
}

static bfn_status print_json_cell(const spell_cell *cell, const spell_values *v, const bfn_speller *speller,
                                  bfn_context *ctx, const bfn_model *model)
{
    bfn_solver_options solver = cell->solver;
    bfn_model_resolve(model, &solver);
    const cli_made_with made = {.path = v->model,
                                .model = model,
                                .solver = &solver,
                                .seed = v->seed,
                                .n = v->n,
                                .batch = v->batch,
                                .label = SIZE_MAX};
    bfn_record *record;
    bfn_status status = cli_made_with_record(ctx, &made, &record);
    if (status == BFN_OK)
        print_json(cell, speller, record);
    if (status == BFN_OK)
        bfn_record_destroy(record);
    return status;
}

/* ---- samples of a model ---- */

static bfn_status score_cell(bfn_model *model, bfn_speller *speller, const spell_values *v, cli_text_samples *samples,
                             spell_cell *cell)
{
    cell->solver.n_evaluations = cell->evaluations;
    bfn_status status = cli_text_samples_draw(samples, model, &cell->solver, v->seed, 0, v->batch);
    cell->seconds = samples->seconds;
    return status == BFN_OK ? bfn_eval_spelling(speller, samples->strings, v->n, &cell->spelling) : status;
}

static int score_model(const cli_command *command, bfn_context *ctx, bfn_speller *speller, const spell_values *v,
                       const cli_method_list *plan, bfn_model *model)
{
    bfn_model_info info;
    bfn_model_get_info(model, &info);
    if (info.channels > 0)
        return cli_usage(command, "--model: %s is a model of images: bfn compare shows its samples", v->model);
    cli_text_samples samples;
    if (!cli_text_samples_create(command, &samples, v->n, info.positions)) {
        cli_text_samples_free(&samples);
        return (int)BFN_ERR_MEMORY;
    }
    bfn_status status = bfn_model_reserve(model, v->batch < v->n ? v->batch : v->n);
    if (status == BFN_OK && !v->json) {
        char safe[512];
        printf("%zu strings of %zu characters a row, seed %llu, %s\nmodel %s, sha256 %.12s, bfn %s\n"
               "dictionary %s, sha256 %.12s\n",
               v->n, info.positions, (unsigned long long)v->seed, precision_name(&info),
               cli_safe(v->model, safe, sizeof safe), info.checksum, bfn_version(), bfn_speller_path(speller),
               bfn_speller_checksum(speller));
        print_head();
    }
    for (size_t m = 0; m < plan->n_methods; m++)
        for (size_t c = 0; status == BFN_OK && c < plan->n_counts; c++) {
            spell_cell cell = {.label = plan->labels[m], .solver = plan->solvers[m], .evaluations = plan->counts[c]};
            status = score_cell(model, speller, v, &samples, &cell);
            if (status == BFN_OK && v->json)
                status = print_json_cell(&cell, v, speller, ctx, model);
            else if (status == BFN_OK)
                print_row(&cell);
        }
    cli_text_samples_free(&samples);
    return status == BFN_OK ? 0 : cli_fail(command, ctx, status);
}

/* ---- strings of a file ---- */

static int score_text(const cli_command *command, bfn_context *ctx, bfn_speller *speller, const spell_values *v)
{
    bfn_text_strings *strings;
    char label[64];
    int code = cli_read_strings(command, ctx, v->text, NULL, &strings);
    if (code != 0)
        return code;
    spell_cell cell = {.label = cli_safe(v->text, label, sizeof label)};
    size_t n = bfn_text_strings_n(strings);
    bfn_status status = bfn_eval_spelling(speller, bfn_text_strings_list(strings), n, &cell.spelling);
    if (status == BFN_OK && v->json) {
        print_json(&cell, speller, NULL);
    } else if (status == BFN_OK) {
        printf("%zu strings\ndictionary %s, sha256 %.12s\n", n, bfn_speller_path(speller),
               bfn_speller_checksum(speller));
        print_head();
        print_row(&cell);
    }
    bfn_text_strings_free(strings);
    return status == BFN_OK ? 0 : cli_fail(command, ctx, status);
}

static int run_spell_parsed(const cli_command *command, bfn_context *ctx, const spell_values *v,
                            const cli_method_list *plan)
{
    bfn_speller *speller = NULL;
    bfn_model *model = NULL;
    bfn_model_options options = BFN_MODEL_OPTIONS_INIT;
    options.precision = (bfn_precision)v->precision;
    int code = 0;
    options.config_path = v->config;
    bfn_status status = bfn_speller_open(ctx, &speller, v->dictionary);
    if (status == BFN_OK && v->model != NULL)
        status = bfn_model_load(ctx, &model, v->model, &options);
    if (status != BFN_OK)
        code = cli_fail(command, ctx, status);
    else if (model != NULL)
        code = score_model(command, ctx, speller, v, plan, model);
    else
        code = score_text(command, ctx, speller, v);
    bfn_model_destroy(model);
    bfn_speller_close(speller);
    return code != 0 ? code : cli_flush(command);
}

static int run_spell(const cli_command *command, int argc, char **argv)
{
    spell_values v = {.methods = "sde2m", .counts = "20", .n = 100, .batch = 32};
    cli_method_list plan = {0};
    size_t n_operands;
    if (!cli_parse(command, argc, argv, &v, NULL, 0, &n_operands))
        return CLI_EXIT_USAGE;
    if ((v.model == NULL) == (v.text == NULL))
        return cli_usage(command, "one of --model FILE and --text FILE is wanted");
    bfn_context *ctx;
    bfn_status status = cli_context(command, v.threads, &ctx);
    if (status != BFN_OK)
        return (int)status;
    int code = cli_methods_parse(command, ctx, v.methods, v.counts, &plan);
    if (code == 0)
        code = run_spell_parsed(command, ctx, &v, &plan);
    cli_methods_free(&plan);
    bfn_context_destroy(ctx);
    return code;
}

const cli_command cli_eval_spell = {
    "eval spell",
    "spelling accuracy of samples or of text",
    "--model FILE [--methods LIST] [--nfe LIST] [--n N]\n  bfn eval spell --text FILE",
    "Words that hunspell's dictionary accepts, in percent ± one standard error (strings as clusters). \"words "
    "correct\" counts\n"
    "every token, as the papers do; \"inner words\" leaves out the first and last of each string, which its edges may "
    "cut.\n"
    "Entropies and duplicates stand beside it because repetition alone can win a high score.",
    spell_options,
    sizeof spell_options / sizeof spell_options[0],
    "  bfn eval spell --model models/text8-small.safetensors --methods bfn,ode2m,sde2m --nfe 5,10,20,50\n"
    "  bfn sample --model models/text8-small.safetensors --nfe 20 --n 200 | bfn eval spell --text -",
    run_spell,
};
