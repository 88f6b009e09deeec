/* cmd_classifier.c: bfn classifier: trains the small network in whose features bfn eval fid compares pictures where no Inception weights are at hand. */
#include "cli.h"

#include "bfn/frechet.h"

#include <stdio.h>
#include <unistd.h>

typedef struct classifier_values {
    const char *data, *out;
    size_t epochs, batch, threads;
    double rate;
    uint64_t seed;
} classifier_values;

#define AT(member) offsetof(classifier_values, member)
static const cli_option options[] = {
    {"data", 'd', "PATH", CLI_TEXT, AT(data), 0, 0, NULL,
     "labelled pictures with test pictures of their own: a folder of IDX or CIFAR-10 files"},
    {"out", 'o', "FILE", CLI_TEXT, AT(out), 0, 0, NULL, "file to write (.safetensors)"},
    {"epochs", 0, "N", CLI_SIZE, AT(epochs), 1, 1000, NULL, "passes over the training pictures (default 4)"},
    {"batch", 0, "N", CLI_SIZE, AT(batch), 1, 4096, NULL, "pictures a step (default 64)"},
    {"lr", 0, "X", CLI_REAL, AT(rate), 1e-9, 1, NULL, "peak of the learning rate (default 0.003)"},
    {"seed", 0, "N", CLI_SEED, AT(seed), 0, 0, NULL, "seed of weights and order (default 0)"},
    {"threads", 0, "N", CLI_SIZE, AT(threads), 1, 1024, NULL, "CPU threads (default: all)"},
};
#undef AT

static int show_progress(void *user, uint64_t step, uint64_t n_steps, double loss)
{
    (void)user;
    if (step % 20 == 0 || step == n_steps)
        fprintf(stderr, "\rstep %llu of %llu, loss %.3f %s", (unsigned long long)step, (unsigned long long)n_steps,
                loss, step == n_steps ? "\r\033[K" : "");
    return 0;
}

static int run(const cli_command *command, int argc, char **argv)
{
    classifier_values v = {0};
    size_t n_operands;
    if (!cli_parse(command, argc, argv, &v, NULL, 0, &n_operands))
        return CLI_EXIT_USAGE;
    if (v.data == NULL || v.out == NULL)
        return cli_usage(command, "%s is missing", v.data == NULL ? "--data PATH" : "--out FILE");
    int unwritable = cli_check_output(command, v.out);
    if (unwritable != 0)
        return unwritable;
    bfn_context *ctx;
    bfn_status status = cli_context(command, v.threads, &ctx);
    if (status != BFN_OK)
        return (int)status;
    bfn_classifier_options o = BFN_CLASSIFIER_OPTIONS_INIT;
    o.epochs = v.epochs;
    o.batch = v.batch;
    o.learning_rate = v.rate;
    o.seed = v.seed;
    o.progress = cli_is_terminal(STDERR_FILENO) ? show_progress : NULL;
    double accuracy = 0.0, start = cli_seconds();
    status = bfn_classifier_train(ctx, v.data, v.out, &o, &accuracy);
    int code = status == BFN_OK ? 0 : cli_fail(command, ctx, status);
    if (code == 0) {
        char took[32], safe[512];
        cli_duration(cli_seconds() - start, took);
        printf("%s: %.2f %% of the test pictures named right, %s\n", cli_safe(v.out, safe, sizeof safe),
               100.0 * accuracy, took);
    }
    bfn_context_destroy(ctx);
    return code != 0 ? code : cli_flush(command);
}

const cli_command cli_command_classifier = {
    "classifier",
    "train a small network for bfn eval fid",
    "--data PATH --out FILE [options]",
    "Trains a small residual classifier of labelled pictures. In its 64 features bfn eval fid --features FILE "
    "compares\n"
    "sets of pictures where the weights of Inception-v3 are not at hand, or mean little, as for digits.",
    options,
    sizeof options / sizeof options[0],
    "  bfn classifier --data /usr/share/datasets/fashion-mnist --out features.safetensors",
    run,
};
