/* eval_text.c: bfn eval text: samples of a model, or strings of a file, beside real text and the usual baselines. */
#include "cli.h"
#include "eval.h"
#include "made_with.h"
#include "solver_options.h"
#include "text_samples.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

enum { MAX_ROWS = 1 + BFN_TEXT_N_BASELINES };

typedef struct text_values {
    const char *model, *config, *samples, *data, *dictionary;
    size_t n, batch, threads;
    uint64_t seed, first;
    int json, lines, alphabet, raw, precision;
    cli_solver_values solver;
} text_values;

#define AT(member) offsetof(text_values, member)
static const cli_option text_options[] = {
    {"model", 'm', "FILE", CLI_TEXT, AT(model), 0, 0, NULL, "text model whose samples are measured"},
    CLI_CONFIG_OPTION(AT(config)),
    {"samples", 's', "FILE", CLI_TEXT, AT(samples), 0, 0, NULL,
     "measure the strings of this file instead: lines, JSON lines with \"text\", .npy of class indices (- for standard "
     "input)"},
    {"data", 'd', "FILE", CLI_TEXT, AT(data), 0, 0, NULL,
     "text to compare with, split as in training: UTF-8, plain or gzip. Without it there is no divergence, no copied "
     "span and no "
     "baseline"},
    {"n", 'n', "N", CLI_SIZE, AT(n), 1, 1e6, NULL, "samples to draw (default 100)"},
    {"seed", 0, "N", CLI_SEED, AT(seed), 0, 0, NULL, "seed of the samples and of the baselines (default 0)"},
    {"first", 0, "I", CLI_SEED, AT(first), 0, 0, NULL, "number of the first sample (default 0)"},
    CLI_SOLVER_OPTIONS(AT(solver)),
    {"batch", 0, "N", CLI_SIZE, AT(batch), 1, 4096, NULL, "samples a network call (default 32)"},
    {"raw-weights", 0, NULL, CLI_FLAG, AT(raw), 0, 0, NULL, "the trained weights instead of their average"},
    {"precision", 0, "KIND", CLI_CHOICE, AT(precision), 0, 0, "default|f32|bf16",
     "arithmetic of the network (default: bf16 where the CPU has it)"},
    {"alphabet", 0, "NAME", CLI_CHOICE, AT(alphabet), 0, 0, "text8|chars",
     "with --samples: how --data is read: a to z and spaces, or as it is (default text8)"},
    {"lines", 0, NULL, CLI_FLAG, AT(lines), 0, 0, NULL, "with --samples: --data has a string a line"},
    {"dictionary", 0, "FILE.dic", CLI_TEXT, AT(dictionary), 0, 0, NULL,
     "hunspell dictionary (default: Debian's en_US)"},
    {"threads", 0, "N", CLI_SIZE, AT(threads), 1, 1024, NULL, "CPU threads (default: all)"},
    {"json", 0, NULL, CLI_FLAG, AT(json), 0, 0, NULL, "one JSON object instead of a table"},
};
#undef AT

typedef struct text_run {
    const cli_command *command;
    bfn_context *ctx;
    const text_values *v;
    bfn_solver_options solver;
    bfn_speller *speller;
    bfn_model *model;
    bfn_text_corpus *corpus;
    bfn_model_info info; /* with a model */
    bfn_plan_info plan;
    bfn_text_strings *file_strings; /* without one */
    cli_text_samples samples;
    const char *const *strings; /* what is measured */
    size_t n;
    bfn_record *made_with; /* of a model's samples */
    const char *labels[MAX_ROWS];
    bfn_text_scores scores[MAX_ROWS];
    size_t n_rows;
} text_run;

static void end_run(text_run *r)
{
    bfn_text_strings_free(r->file_strings);
    bfn_text_corpus_close(r->corpus);
    bfn_record_destroy(r->made_with);
    bfn_model_destroy(r->model);
    bfn_speller_close(r->speller);
    bfn_context_destroy(r->ctx);
    cli_text_samples_free(&r->samples);
}

static int failure(const text_run *r, bfn_status status)
{
    return cli_fail(r->command, r->ctx, status);
}

/* ---- the strings ---- */

static int draw_samples(text_run *r)
{
    size_t n = r->v->n;
    if (!cli_text_samples_create(r->command, &r->samples, n, r->info.positions))
        return (int)BFN_ERR_MEMORY;
    bfn_status status = bfn_model_reserve(r->model, r->v->batch < n ? r->v->batch : n);
    if (status == BFN_OK)
        status = cli_text_samples_draw(&r->samples, r->model, &r->solver, r->v->seed, r->v->first, r->v->batch);
    r->strings = r->samples.strings;
    r->n = n;
    return status == BFN_OK ? 0 : failure(r, status);
}

static int read_samples(text_run *r)
{
    int code = cli_read_strings(r->command, r->ctx, r->v->samples, r->corpus, &r->file_strings);
    if (code != 0)
        return code;
    r->strings = bfn_text_strings_list(r->file_strings);
    r->n = bfn_text_strings_n(r->file_strings);
    return 0;
}

static int load_model(text_run *r)
{
    bfn_model_options o = BFN_MODEL_OPTIONS_INIT;
    o.raw_weights = r->v->raw;
    o.config_path = r->v->config;
    o.precision = (bfn_precision)r->v->precision;
    bfn_status status = bfn_model_load(r->ctx, &r->model, r->v->model, &o);
    if (status != BFN_OK)
        return failure(r, status);
    bfn_model_get_info(r->model, &r->info);
    if (r->info.channels > 0)
        return cli_usage(r->command, "--model: %s is a model of images: see bfn eval fid and bfn compare", r->v->model);
    bfn_plan *plan;
    bfn_model_resolve(r->model, &r->solver);
    status = bfn_plan_create(r->ctx, &plan, &r->info.flow, &r->solver);
    if (status != BFN_OK)
        return cli_solver_failure(r->command, r->ctx, status, "--method");
    bfn_plan_get_info(plan, &r->plan);
    bfn_plan_destroy(plan);
    const cli_made_with made = {.path = r->v->model,
                                .model = r->model,
                                .solver = &r->solver,
                                .seed = r->v->seed,
                                .first = r->v->first,
                                .n = r->v->n,
                                .batch = r->v->batch,
                                .label = SIZE_MAX};
    status = cli_made_with_record(r->ctx, &made, &r->made_with);
    return status == BFN_OK ? 0 : failure(r, status);
}

static int load_corpus(text_run *r)
{
    bfn_text_corpus_options o = BFN_TEXT_CORPUS_OPTIONS_INIT;
    o.model = r->model;
    o.alphabet = r->v->alphabet == 0 ? "text8" : "chars";
    o.lines = r->v->lines;
    bfn_status status = bfn_text_corpus_open(r->ctx, &r->corpus, r->v->data, &o);
    return status == BFN_OK ? 0 : failure(r, status);
}

static int score(text_run *r)
{
    r->labels[0] = r->v->model != NULL ? "samples" : "strings";
    bfn_status status = bfn_eval_text(r->speller, r->corpus, r->strings, r->n, &r->scores[0]);
    r->n_rows = 1;
    for (int which = 0; status == BFN_OK && r->corpus != NULL && which < BFN_TEXT_N_BASELINES; which++) {
        r->labels[r->n_rows] = bfn_text_baseline_name((bfn_text_baseline)which);
        status = bfn_eval_text_baseline(r->speller, r->corpus, (bfn_text_baseline)which, r->v->seed, r->strings, r->n,
                                        &r->scores[r->n_rows]);
        r->n_rows++;
    }
    return status == BFN_OK ? 0 : failure(r, status);
}

/* ---- what was measured and with what: the same facts as text and as JSON ---- */

static const char *grid_name(const text_run *r)
{
    return cli_solver_grid_name(&r->v->solver, &r->plan);
}

/* The copied span, from its character copy_begin on. n: capacity of out. */
static const char *copied_span(const text_run *r, char *out, size_t n)
{
    const bfn_text_scores *s = &r->scores[0];
    const char *from = r->strings[s->copy_string];
    size_t at = 0, used = 0;
    for (; *from != '\0'; from++) {
        at += ((unsigned char)*from & 0xc0) != 0x80;
        if (at > s->copy_begin + s->longest_copy)
            break;
        if (at > s->copy_begin && used + 1 < n)
            out[used++] = *from;
    }
    out[used] = '\0';
    return out;
}

static void print_source(const text_run *r)
{
    const bfn_text_scores *s = &r->scores[0];
    char safe[512];
    if (r->model != NULL) {
        printf("%zu samples of %s, %zu positions, %s, %zu evaluations, grid %s, eta %g%s, seed %" PRIu64
               ", samples %" PRIu64 " to %" PRIu64 ", %s, %.1f s\n",
               r->n, cli_safe(r->v->model, safe, sizeof safe), r->info.positions, r->v->solver.method,
               r->plan.n_evaluations, grid_name(r), r->plan.start_time, r->solver.corrector ? ", corrector" : "",
               r->v->seed, r->v->first, r->v->first + (r->n - 1),
               r->info.precision == BFN_PRECISION_BF16 ? "bf16" : "f32", r->samples.seconds);
        printf("model sha256 %s\n", r->info.checksum);
        if (r->info.config_checksum[0] != '\0')
            printf("config sha256 %s\n", r->info.config_checksum);
    } else {
        printf("%zu strings of %s, %zu characters\n", r->n, cli_safe(r->v->samples, safe, sizeof safe),
               s->n_characters);
    }
    printf("dictionary %s, sha256 %s%s\n", cli_safe(bfn_speller_path(r->speller), safe, sizeof safe),
           bfn_speller_checksum(r->speller),
           bfn_speller_is_pinned(r->speller) ? " (the pinned one)" : " (not the pinned one: numbers do not compare)");
    if (r->corpus != NULL) {
        bfn_text_corpus_info c;
        bfn_text_corpus_get_info(r->corpus, &c);
        printf("text %s, sha256 %s: training %zu, validation %zu, test %zu characters\n",
               cli_safe(c.path, safe, sizeof safe), c.checksum, c.n_train, c.n_valid, c.n_test);
    }
    printf("bfn %s, %s\n\n", bfn_version(), bfn_backend());
}

static void print_row(const char *label, const bfn_text_scores *s, bool corpus)
{
    const bfn_spelling *p = &s->spelling;
    printf("%-10s %6.2f ± %4.2f  %6.2f ± %4.2f  %8.3f %9.2f %6zu", label, 100.0 * p->accuracy,
           100.0 * p->standard_error, 100.0 * p->inner_accuracy, 100.0 * p->inner_standard_error, p->character_entropy,
           p->word_entropy, p->n_duplicates);
    for (int order = 0; corpus && order < BFN_TEXT_ORDERS; order++)
        printf(" %7.4f", s->divergence[order]);
    if (corpus)
        printf(" %8zu %6.1f", s->longest_copy, s->mean_copy);
    putchar('\n');
}

static void print_table(const text_run *r)
{
    const bfn_text_scores *s = &r->scores[0];
    bool corpus = r->corpus != NULL;
    print_source(r);
    printf("%-10s %-13s  %-13s  %8s %9s %6s%s\n", "", "words right %", "inner words %", "bits/chr", "bits/word",
           "dupl.", corpus ? "    JS 1    JS 2    JS 3    JS 4    JS 5  longest   mean" : "");
    for (size_t i = 0; i < r->n_rows; i++)
        print_row(r->labels[i], &r->scores[i], corpus);
    if (!corpus) {
        printf("\nWith --data FILE: divergence from real text, copied spans, and the rows of baselines.\n");
        return;
    }
    char span[400], safe[400];
    printf(
        "\nwords right: with the words that a string's edges cut, inner words: without them; ± one standard error\n"
        "JS n: Jensen-Shannon divergence in bits between runs of n characters and the test split's\n"
        "longest, mean: longest span that a string shares with the training split, over all strings and on average\n");
    if (s->longest_copy > 0)
        printf("longest copied span: string %zu, character %zu: \"%s\"\n", s->copy_string, s->copy_begin,
               cli_safe(copied_span(r, span, sizeof span), safe, sizeof safe));
    if (s->n_unknown > 0)
        printf("%zu of %zu characters are outside the text's alphabet\n", s->n_unknown, s->n_characters);
}

static void put_member(const char *name, const char *text)
{
    printf("\"%s\": ", name);
    cli_put_json(stdout, text);
    fputs(", ", stdout);
}

static void json_source(const text_run *r)
{
    if (r->model != NULL) {
        printf("\"samples\": ");
        cli_put_record(stdout, r->made_with);
        printf(", \"seed\": %" PRIu64 ", \"seconds\": %.3f, ", r->v->seed, r->samples.seconds);
    } else {
        put_member("samples", r->v->samples);
        printf("\"seed\": %" PRIu64 ", ", r->v->seed);
    }
    put_member("dictionary", bfn_speller_path(r->speller));
    put_member("dictionary_sha256", bfn_speller_checksum(r->speller));
    printf("\"dictionary_is_pinned\": %s, ", bfn_speller_is_pinned(r->speller) ? "true" : "false");
    if (r->corpus != NULL) {
        bfn_text_corpus_info c;
        bfn_text_corpus_get_info(r->corpus, &c);
        put_member("data", c.path);
        put_member("data_sha256", c.checksum);
        printf("\"characters\": {\"train\": %zu, \"valid\": %zu, \"test\": %zu}, ", c.n_train, c.n_valid, c.n_test);
    }
    put_member("version", bfn_version());
    put_member("backend", bfn_backend());
}

static void json_row(const char *label, const bfn_text_scores *s, bool corpus)
{
    const bfn_spelling *p = &s->spelling;
    printf("{");
    put_member("label", label);
    printf("\"strings\": %zu, \"characters\": %zu, \"words\": %zu, \"correct\": %zu, \"accuracy\": %.6f, "
           "\"standard_error\": %.6f, \"inner_words\": %zu, \"inner_accuracy\": %.6f, \"inner_standard_error\": %.6f, "
           "\"bits_per_character\": %.5f, \"bits_per_word\": %.5f, \"duplicates\": %zu",
           p->n_strings, s->n_characters, p->n_words, p->n_correct, p->accuracy, p->standard_error, p->n_inner_words,
           p->inner_accuracy, p->inner_standard_error, p->character_entropy, p->word_entropy, p->n_duplicates);
    if (corpus) {
        printf(", \"unknown_characters\": %zu, \"divergence\": [", s->n_unknown);
        for (int order = 0; order < BFN_TEXT_ORDERS; order++)
            printf(isfinite(s->divergence[order]) ? "%s%.6f" : "%snull", order > 0 ? ", " : "", s->divergence[order]);
        printf("], \"longest_copy\": %zu, \"mean_copy\": %.4f, \"copy_string\": %zu, \"copy_begin\": %zu",
               s->longest_copy, s->mean_copy, s->copy_string, s->copy_begin);
    }
    printf("}");
}

static void print_json(const text_run *r)
{
    printf("{");
    json_source(r);
    if (r->corpus != NULL) {
        char span[400];
        put_member("longest_copied_span", copied_span(r, span, sizeof span));
    }
    printf("\"scores\": [");
    for (size_t i = 0; i < r->n_rows; i++) {
        printf(i > 0 ? ", " : "");
        json_row(r->labels[i], &r->scores[i], r->corpus != NULL);
    }
    printf("]}\n");
}

/* ---- the command ---- */

static int usage_errors(text_run *r, text_values *v)
{
    if ((v->model == NULL) == (v->samples == NULL))
        return cli_usage(r->command, "one of --model FILE and --samples FILE is wanted");
    if (v->model != NULL && (v->lines || v->alphabet > 0))
        return cli_usage(r->command, "--%s: only with --samples: the model knows how its text is read",
                         v->lines ? "lines" : "alphabet");
    if (v->first > UINT64_MAX - v->n)
        return cli_usage(r->command, "--first: found %" PRIu64 ", needs at most 2^64 - n", v->first);
    if (!cli_solver_resolve(r->command, r->ctx, &v->solver, &r->solver))
        return CLI_EXIT_USAGE;
    return cli_solver_check(r->command, r->ctx, &r->solver, "--method");
}

static int measure(text_run *r)
{
    bfn_status status = bfn_speller_open(r->ctx, &r->speller, r->v->dictionary);
    int code = status == BFN_OK ? 0 : failure(r, status);
    if (code == 0 && r->v->model != NULL)
        code = load_model(r);
    if (code == 0 && r->v->data != NULL)
        code = load_corpus(r);
    if (code == 0)
        code = r->model != NULL ? draw_samples(r) : read_samples(r);
    return code == 0 ? score(r) : code;
}

static int run_text(const cli_command *command, int argc, char **argv)
{
    text_values v = {.n = 100, .batch = 32, .solver = CLI_SOLVER_VALUES_INIT};
    text_run r = {.command = command, .v = &v};
    size_t n_operands;
    if (!cli_parse(command, argc, argv, &v, NULL, 0, &n_operands))
        return CLI_EXIT_USAGE;
    bfn_status status = cli_context(command, v.threads, &r.ctx);
    if (status != BFN_OK)
        return (int)status;
    int code = usage_errors(&r, &v);
    if (code == 0)
        code = measure(&r);
    if (code == 0 && v.json)
        print_json(&r);
    else if (code == 0)
        print_table(&r);
    end_run(&r);
    return code == 0 ? cli_flush(command) : code;
}

const cli_command cli_eval_text = {
    "eval text",
    "samples beside real text: spelling, divergence, copied spans, and baselines",
    "--model FILE --data TEXT [--method NAME] [--nfe N] [--n N]\n  bfn eval text --samples FILE --data TEXT",
    "Scores of samples, and the same scores of as many strings of the same length from four sources, so that the\n"
    "numbers can be read: symbols drawn uniformly, by their frequency (unigram), by the last four (5-gram), and real\n"
    "text that was held out. A model as good as the data would score as \"real text\"; one below \"5-gram\" has not\n"
    "learned spelling. --data is split as in training: baselines and copied spans come from the training split, the\n"
    "divergences compare with the test split, real text comes from the validation split.",
    text_options,
    sizeof text_options / sizeof text_options[0],
    "  bfn eval text --model models/text8-small.safetensors --data wiki.txt --method sde2m --nfe 20 --n 1000\n"
    "  bfn sample --model m.safetensors --n 500 | bfn eval text --samples - --data wiki.txt --json",
    run_text,
};
