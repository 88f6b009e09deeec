/* cmd_eval.c: bfn eval: measures of a model or of text. `bfn eval spell` and `bfn eval bound` are commands of their own tables. */
#include "cli.h"
#include "method_list.h"

#include "bfn/eval.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- spell: options ---- */

typedef struct spell_values {
    const char *model, *text, *methods, *counts, *dictionary;
    size_t n, batch, threads;
    uint64_t seed;
    int json;
} spell_values;

#define AT(member) offsetof(spell_values, member)
static const cli_option spell_options[] = {
    {"model", 'm', "FILE", CLI_TEXT, AT(model), 0, 0, NULL, "text model whose samples are scored"},
    {"text", 't', "FILE", CLI_TEXT, AT(text), 0, 0, NULL,
     "score the lines of this file instead (- for standard input)"},
    {"methods", 0, "LIST", CLI_TEXT, AT(methods), 0, 0, NULL,
     "methods to compare, as in bfn,ode2m,sde2m; \"+corrector\" behind one adds the free corrector (default sde2m)"},
    {"nfe", 0, "LIST", CLI_TEXT, AT(counts), 0, 0, NULL, "network evaluations, as in 5,10,20,50 (default 20)"},
    {"n", 'n', "N", CLI_SIZE, AT(n), 1, 1e6, NULL, "strings a cell (default 100)"},
    {"seed", 0, "N", CLI_SEED, AT(seed), 0, 0, NULL, "seed of the samples (default 0); the same for every cell"},
    {"batch", 0, "N", CLI_SIZE, AT(batch), 1, 4096, NULL, "strings a network call (default 32)"},
    {"threads", 0, "N", CLI_SIZE, AT(threads), 1, 1024, NULL, "CPU threads (default: all)"},
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

/* ---- spell: the table ---- */

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

static void print_json(const spell_cell *cell, const spell_values *v, const bfn_speller *speller, const char *checksum)
{
    const bfn_spelling *s = &cell->spelling;
    char safe[256], path[512];
    printf(
        "{\"label\": \"%s\", \"evaluations\": %zu, \"seed\": %llu, \"strings\": %zu, \"words\": %zu, \"correct\": %zu, "
        "\"accuracy\": %.6f, \"standard_error\": %.6f, \"inner_words\": %zu, \"inner_accuracy\": %.6f, "
        "\"inner_standard_error\": %.6f, \"bits_per_word\": %.5f, \"bits_per_character\": %.5f, \"duplicates\": %zu, "
        "\"seconds\": %.3f, \"model_sha256\": \"%s\", \"dictionary\": \"%s\", \"dictionary_sha256\": \"%s\"}\n",
        cli_safe(cell->label, safe, sizeof safe), cell->evaluations, (unsigned long long)v->seed, s->n_strings,
        s->n_words, s->n_correct, s->accuracy, s->standard_error, s->n_inner_words, s->inner_accuracy,
        s->inner_standard_error, s->word_entropy, s->character_entropy, s->n_duplicates, cell->seconds, checksum,
        cli_safe(bfn_speller_path(speller), path, sizeof path), bfn_speller_checksum(speller));
    fflush(stdout);
}

/* ---- spell: samples of a model ---- */

typedef struct sample_set {
    int32_t *indices; /* [n, D] */
    char *text;       /* [n][4 D + 1] */
    const char **strings;
} sample_set;

static bool allocate_set(sample_set *set, size_t n, size_t D)
{
    size_t width = 4 * D + 1;
    set->indices = calloc(n * D, sizeof *set->indices);
    set->text = calloc(n, width);
    set->strings = calloc(n, sizeof *set->strings);
    for (size_t i = 0; set->text != NULL && set->strings != NULL && i < n; i++)
        set->strings[i] = set->text + i * width;
    return set->indices != NULL && set->text != NULL && set->strings != NULL;
}

static void free_set(sample_set *set)
{
    free(set->indices);
    free(set->text);
    free(set->strings);
}

static bfn_status score_cell(bfn_model *model, bfn_speller *speller, const spell_values *v, sample_set *set, size_t D,
                             spell_cell *cell)
{
    bfn_sampler_options sampler = BFN_SAMPLER_OPTIONS_INIT;
    sampler.seed = v->seed;
    sampler.batch = v->batch;
    double start = cli_seconds();
    cell->solver.n_evaluations = cell->evaluations;
    bfn_status status = bfn_model_sample(model, &cell->solver, &sampler, 0, v->n, set->indices);
    cell->seconds = cli_seconds() - start;
    for (size_t i = 0; status == BFN_OK && i < v->n; i++)
        status = bfn_model_decode(model, set->indices + i * D, set->text + i * (4 * D + 1));
    return status == BFN_OK ? bfn_eval_spelling(speller, set->strings, v->n, &cell->spelling) : status;
}

static int score_model(const cli_command *command, bfn_context *ctx, bfn_speller *speller, const spell_values *v,
                       const cli_method_list *plan, bfn_model *model)
{
    bfn_model_info info;
    bfn_model_get_info(model, &info);
    if (info.channels > 0)
        return cli_usage(command, "--model: %s is a model of images: bfn compare shows its samples", v->model);
    sample_set set = {0};
    bfn_status status = allocate_set(&set, v->n, info.positions) ? BFN_OK : BFN_ERR_MEMORY;
    if (status == BFN_OK)
        status = bfn_model_reserve(model, v->batch < v->n ? v->batch : v->n);
    if (status == BFN_OK && !v->json) {
        printf("%zu strings of %zu characters a row, seed %llu, %s\ndictionary %s, sha256 %.12s\n", v->n,
               info.positions, (unsigned long long)v->seed, info.precision == BFN_PRECISION_BF16 ? "bf16" : "f32",
               bfn_speller_path(speller), bfn_speller_checksum(speller));
        print_head();
    }
    for (size_t m = 0; m < plan->n_methods; m++)
        for (size_t c = 0; status == BFN_OK && c < plan->n_counts; c++) {
            spell_cell cell = {.label = plan->labels[m], .solver = plan->solvers[m], .evaluations = plan->counts[c]};
            status = score_cell(model, speller, v, &set, info.positions, &cell);
            if (status == BFN_OK && v->json)
                print_json(&cell, v, speller, info.checksum);
            else if (status == BFN_OK)
                print_row(&cell);
        }
    free_set(&set);
    return status == BFN_OK ? 0 : cli_fail(command, ctx, status);
}

/* ---- spell: lines of a file ---- */

static void say_unreadable(const cli_command *command, const char *path)
{
    char safe[512];
    fprintf(stderr, "bfn %s: %s: cannot be read: %s\n", command->name, cli_safe(path, safe, sizeof safe),
            strerror(errno));
}

static int read_lines(const cli_command *command, const char *path, char ***lines, size_t *n)
{
    /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): without a model there is a text */
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "r");
    if (file == NULL) {
        say_unreadable(command, path);
        return (int)BFN_ERR_NOT_FOUND;
    }
    size_t capacity = 0, size = 0;
    char *line = NULL;
    ssize_t length;
    int code = 0;
    while (code == 0 && (length = getline(&line, &size, file)) >= 0) {
        while (length > 0 && (line[length - 1] == '\n' || line[length - 1] == '\r'))
            line[--length] = '\0';
        if (*n == capacity) {
            capacity = capacity > 0 ? 2 * capacity : 256;
            char **grown = realloc(*lines, capacity * sizeof *grown);
            code = grown == NULL ? (int)BFN_ERR_MEMORY : 0;
            *lines = grown != NULL ? grown : *lines;
        }
        if (code == 0 && ((*lines)[*n] = strdup(line)) == NULL)
            code = (int)BFN_ERR_MEMORY;
        else if (code == 0)
            ++*n;
    }
    if (code == 0 && ferror(file)) {
        say_unreadable(command, path);
        code = (int)BFN_ERR_NOT_FOUND;
    }
    free(line);
    if (file != stdin)
        fclose(file);
    return code;
}

static int score_text(const cli_command *command, bfn_context *ctx, bfn_speller *speller, const spell_values *v)
{
    char **lines = NULL, label[64];
    size_t n = 0;
    int code = read_lines(command, v->text, &lines, &n);
    if (code == 0 && n == 0) {
        fprintf(stderr, "bfn %s: %s: found no line, one string a line is wanted\n", command->name,
                cli_safe(v->text, label, sizeof label));
        code = (int)BFN_ERR_INPUT;
    }
    if (code == 0) {
        spell_cell cell = {.label = cli_safe(v->text, label, sizeof label)};
        bfn_status status = bfn_eval_spelling(speller, (const char *const *)lines, n, &cell.spelling);
        if (status != BFN_OK) {
            code = cli_fail(command, ctx, status);
        } else if (v->json) {
            print_json(&cell, v, speller, "");
        } else {
            printf("%zu strings\ndictionary %s, sha256 %.12s\n", n, bfn_speller_path(speller),
                   bfn_speller_checksum(speller));
            print_head();
            print_row(&cell);
        }
    }
    for (size_t i = 0; i < n; i++)
        free(lines[i]);
    free(lines);
    return code;
}

static int run_spell_parsed(const cli_command *command, bfn_context *ctx, const spell_values *v,
                            const cli_method_list *plan)
{
    bfn_speller *speller = NULL;
    bfn_model *model = NULL;
    int code = 0;
    bfn_status status = bfn_speller_open(ctx, &speller, v->dictionary);
    if (status == BFN_OK && v->model != NULL)
        status = bfn_model_load(ctx, &model, v->model, NULL);
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

static const cli_command command_spell = {
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

/* ---- bound ---- */

typedef struct bound_values {
    const char *model, *data;
    int split, json, raw;
    size_t sequences, times, steps, batch, threads;
    uint64_t seed;
} bound_values;

#define AT(member) offsetof(bound_values, member)
static const cli_option bound_options[] = {
    {"model", 'm', "FILE", CLI_TEXT, AT(model), 0, 0, NULL, "model of text or images"},
    {"data", 'd', "PATH", CLI_TEXT, AT(data), 0, 0, NULL,
     "what is split as in training: text (UTF-8, plain or gzip); images (a folder of PNG, IDX, CIFAR-10)"},
    {"split", 0, "NAME", CLI_CHOICE, AT(split), 0, 0, "train|valid|test", "train, valid or test (default test)"},
    {"sequences", 0, "N", CLI_SIZE, AT(sequences), 2, 1e7, NULL,
     "sequences or images, spread over the split (default 256; at most all of it)"},
    {"times", 0, "N", CLI_SIZE, AT(times), 1, 1e4, NULL, "stratified times a sequence (default 16)"},
    {"steps", 0, "N", CLI_SIZE, AT(steps), 1, 1e6, NULL,
     "the loss of a transmission in N steps (default: in continuous time)"},
    {"seed", 0, "N", CLI_SEED, AT(seed), 0, 0, NULL, "seed of times and noise (default 0)"},
    {"batch", 0, "N", CLI_SIZE, AT(batch), 1, 4096, NULL, "sequences a network call (default 16)"},
    {"raw-weights", 0, NULL, CLI_FLAG, AT(raw), 0, 0, NULL, "the trained weights instead of their average"},
    {"threads", 0, "N", CLI_SIZE, AT(threads), 1, 1024, NULL, "CPU threads (default: all)"},
    {"json", 0, NULL, CLI_FLAG, AT(json), 0, 0, NULL, "one JSON object instead of text"},
};
#undef AT

static int show_bound_progress(void *user, size_t done, size_t total)
{
    (void)user;
    fprintf(stderr, "\r%zu of %zu sequences%s", done, total, done == total ? "\r\033[K" : "");
    return 0;
}

static void print_bound_json(const bound_values *v, const bfn_bound *b, const char *split)
{
    printf("{\"split\": \"%s\", \"%s\": %zu, \"%s\": %zu, \"bound\": %.6f, \"standard_error\": %.6f, "
           "\"transmission\": %.6f, \"reconstruction\": %.6f",
           split, b->images ? "images" : "sequences", b->n_sequences, b->images ? "dimensions" : "characters",
           b->n_positions, b->bound, b->standard_error, b->transmission, b->reconstruction);
    if (v->steps > 0)
        printf(", \"steps\": %zu", v->steps);
    if (!b->images)
        printf(", \"unigram\": %.6f, \"bigram\": %.6f, \"trigram\": %.6f", b->ngram[0], b->ngram[1], b->ngram[2]);
    printf("}\n");
}

static void print_bound(const bound_values *v, const bfn_bound *b)
{
    static const char *const splits[] = {"train", "valid", "test"};
    char transmission[64] = "continuous-time loss";
    if (v->json) {
        print_bound_json(v, b, splits[v->split]);
        return;
    }
    if (v->steps > 0)
        snprintf(transmission, sizeof transmission, "%zu-step loss", v->steps);
    if (b->images)
        printf("bits per dimension, %s split, %zu images of %zu dimensions\n", splits[v->split], b->n_sequences,
               b->n_positions / b->n_sequences);
    else
        printf("bits per character, %s split, %zu sequences, %zu characters\n", splits[v->split], b->n_sequences,
               b->n_positions);
    printf("  model, upper bound   %.4f ± %.4f   (%s %.4f + reconstruction %.4f)\n", b->bound, b->standard_error,
           transmission, b->transmission, b->reconstruction);
    if (b->images)
        printf("  nats an image        %.2f\n", b->bound * M_LN2 * (double)(b->n_positions / b->n_sequences));
    else
        printf("  trigram model        %.4f\n  bigram model         %.4f\n  unigram model        %.4f\n", b->ngram[2],
               b->ngram[1], b->ngram[0]);
}

static int run_bound(const cli_command *command, int argc, char **argv)
{
    bound_values v = {.split = BFN_SPLIT_TEST};
    size_t n_operands;
    if (!cli_parse(command, argc, argv, &v, NULL, 0, &n_operands))
        return CLI_EXIT_USAGE;
    if (v.model == NULL || v.data == NULL)
        return cli_usage(command, "%s FILE is missing", v.model == NULL ? "--model" : "--data");
    bfn_context *ctx;
    bfn_status status = cli_context(command, v.threads, &ctx);
    if (status != BFN_OK)
        return (int)status;
    bfn_model_options model_options = BFN_MODEL_OPTIONS_INIT;
    model_options.raw_weights = v.raw;
    bfn_bound_options o = BFN_BOUND_OPTIONS_INIT;
    o.split = (bfn_data_split)v.split;
    o.n_sequences = v.sequences;
    o.n_times = v.times;
    o.n_steps = v.steps;
    o.batch = v.batch;
    o.seed = v.seed;
    o.progress = cli_is_terminal(STDERR_FILENO) ? show_bound_progress : NULL;
    bfn_model *model = NULL;
    bfn_bound bound = {0};
    status = bfn_model_load(ctx, &model, v.model, &model_options);
    if (status == BFN_OK)
        status = bfn_eval_bound(model, v.data, &o, &bound);
    int code = status == BFN_OK ? 0 : cli_fail(command, ctx, status);
    if (code == 0)
        print_bound(&v, &bound);
    bfn_model_destroy(model);
    bfn_context_destroy(ctx);
    return code != 0 ? code : cli_flush(command);
}

static const cli_command command_bound = {
    "eval bound",
    "bound on the negative log likelihood of text or images",
    "--model FILE --data PATH [options]",
    "Continuous-time (or n-step) loss + reconstruction loss. Text: in bits per character, beside n-gram models that\n"
    "are fitted to the training split of the same file and measured on the same sequences. Images: in bits per\n"
    "dimension.",
    bound_options,
    sizeof bound_options / sizeof bound_options[0],
    "  bfn eval bound --model runs/book/best.safetensors --data book.txt --sequences 1000\n"
    "  bfn eval bound --model runs/fashion/best.safetensors --data /usr/share/datasets/fashion-mnist --steps 100",
    run_bound,
};

/* ---- bfn eval ---- */

static const cli_command *const measures[] = {&command_spell, &command_bound};
enum { N_MEASURES = sizeof measures / sizeof measures[0] };

static int run(const cli_command *command, int argc, char **argv)
{
    if (argc > 1 && (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0)) {
        cli_help(command);
        return cli_flush(command);
    }
    if (argc < 2)
        return cli_usage(command, "a measure is missing: spell or bound");
    if (argv[1][0] == '-')
        return cli_usage(command, "found \"%s\", a measure comes first: spell or bound", argv[1]);
    const char *names[N_MEASURES];
    for (size_t i = 0; i < N_MEASURES; i++) {
        names[i] = measures[i]->name + strlen("eval ");
        if (strcmp(argv[1], names[i]) == 0)
            return measures[i]->run(measures[i], argc - 1, argv + 1);
    }
    const char *near = cli_nearest(argv[1], names, N_MEASURES);
    return cli_usage(command, "found \"%s\", the measures are spell and bound%s%s", argv[1],
                     near != NULL ? ", nearest is " : "", near != NULL ? near : "");
}

const cli_command cli_command_eval = {
    "eval",
    "measure a model: spelling accuracy, likelihood bound",
    "MEASURE [options]",
    "Measures\n"
    "  spell   words that a dictionary knows, for methods and evaluations of a model or for a file's lines\n"
    "  bound   bits per character of text (beside n-gram models) or dimension of images that the model needs at "
    "most\n\n"
    "bfn eval MEASURE --help tells more of each.",
    NULL,
    0,
    "  bfn eval spell --model models/text8-small.safetensors --methods bfn,ode2m,sde2m --nfe 5,10,20,50\n"
    "  bfn eval bound --model models/text8-small.safetensors --data book.txt",
    run,
};
