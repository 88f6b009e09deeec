/* eval_bound.c: bfn eval bound: the bound on the negative log likelihood of text or images. */
#include "cli.h"
#include "eval.h"

#include "bfn/eval.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

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

const cli_command cli_eval_bound = {
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
