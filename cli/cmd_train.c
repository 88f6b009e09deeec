/* cmd_train.c: bfn train. SIGINT and SIGTERM let the running step end, save and leave with 130 / 143; a second one leaves at once. */
#include "cli.h"
#include "progress.h"
#include "signals.h"

#include "bfn/picture.h"
#include "bfn/train.h"

#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct train_values {
    const char *data, *out;
    int resume, dry_run, quiet, skip_bad, preview;
    cli_texts set;
    size_t threads;
    double every;
} train_values;

#define AT(member) offsetof(train_values, member)
static const cli_option options[] = {
    {"data", 'd', "PATH", CLI_TEXT, AT(data), 0, 0, NULL,
     "what to learn from: a text (UTF-8, plain or gzip), or images: a folder of PNG files of one size, IDX files "
     "(MNIST, "
     "Fashion-MNIST) or CIFAR-10's binary files"},
    {"out", 'o', "FOLDER", CLI_TEXT, AT(out), 0, 0, NULL,
     "the run folder: checkpoints, log.jsonl, loss.svg, samples.txt or samples.png, config.yaml"},
    {"resume", 0, NULL, CLI_FLAG, AT(resume), 0, 0, NULL,
     "go on from the folder's newest checkpoint, exactly as if there had been no break"},
    {"set", 0, "KEY=VALUE", CLI_TEXTS, AT(set), 0, 0, NULL,
     "override a key of the configuration, as in train.lr=5e-4 (again and again)"},
    {"skip-bad", 0, NULL, CLI_FLAG, AT(skip_bad), 0, 0, NULL,
     "a folder's pictures that are broken or of another size are left out and counted (as --set data.skip_bad=true)"},
    {"threads", 0, "N", CLI_SIZE, AT(threads), 1, 1024, NULL, "CPU threads (default: all)"},
    {"every", 0, "SECONDS", CLI_REAL, AT(every), 0, 86400, NULL,
     "seconds between lines where there is no terminal (default 10)"},
    {"preview", 0, NULL, CLI_FLAG, AT(preview), 0, 0, NULL,
     "images: show the samples in the terminal too (half blocks in 24-bit colours)"},
    {"quiet", 'q', NULL, CLI_FLAG, AT(quiet), 0, 0, NULL, "no progress, only warnings and errors"},
    {"dry-run", 0, NULL, CLI_FLAG, AT(dry_run), 0, 0, NULL,
     "check configuration and data, say what would be trained, print the whole configuration on standard output, write "
     "nothing"},
};

typedef struct train_display {
    bfn_context *ctx;
    cli_progress progress;
    bool quiet, preview, said;
} train_display;

static void show_pictures(const train_display *d, const bfn_train_progress *step)
{
    bfn_pictures pictures = BFN_PICTURES_INIT;
    char *text;
    pictures.n = step->n_pictures;
    pictures.height = step->height;
    pictures.width = step->width;
    pictures.channels = step->channels;
    pictures.pixels = step->pictures;
    pictures.scale = 1;
    if (bfn_pictures_preview(d->ctx, &pictures, cli_columns(STDERR_FILENO), &text) != BFN_OK)
        return; /* the files are there */
    fputs(text, stderr);
    bfn_preview_free(d->ctx, text);
}

static void show_samples(train_display *d, const bfn_train_progress *step)
{
    char line[160];
    snprintf(line, sizeof line, "step %llu: samples", (unsigned long long)step->step);
    cli_progress_line(&d->progress, line);
    for (const char *c = step->sample; *c != '\0';) {
        size_t n = strcspn(c, "\n"), columns = cli_columns(STDERR_FILENO);
        size_t most = columns > 10 && columns < sizeof line ? columns - 4 : sizeof line - 4;
        snprintf(line, sizeof line, "  %.*s", (int)(n < most ? n : most), c);
        cli_progress_line(&d->progress, line);
        c += n + (c[n] == '\n');
    }
    if (d->preview && step->pictures != NULL)
        show_pictures(d, step);
}

static int on_step(void *user, const bfn_train_progress *step)
{
    train_display *d = user;
    if (!d->quiet) {
        if (step->sample != NULL)
            show_samples(d, step);
        cli_progress_step(&d->progress, step);
    }
    if (cli_signals_caught() != 0 && !d->said && !d->quiet) {
        cli_progress_line(&d->progress, "stopping: saving a checkpoint (once more to stop at once)");
        d->said = true;
    }
    return cli_signals_caught() != 0;
}

/* A dry run ends here; what would be trained can go into a file as it is. */
static void on_config(void *user, const char *yaml)
{
    (void)user;
    fputs(yaml, stdout);
}

static void on_log(void *user, const char *line)
{
    train_display *d = user;
    if (!d->quiet || strncmp(line, "warning", 7) == 0 || strncmp(line, "step", 4) == 0)
        cli_progress_line(&d->progress, line);
}

static int usage_errors(const cli_command *command, const train_values *v, size_t n_operands)
{
    if (n_operands == 0 && !v->resume)
        return cli_usage(command, "a configuration file is missing (configs/ has some)");
    if (v->data == NULL)
        return cli_usage(command, "--data PATH is missing");
    if (v->out == NULL && (v->resume || !v->dry_run))
        return cli_usage(command, "--out FOLDER is missing");
    for (size_t i = 0; i < v->set.n; i++)
        if (strchr(v->set.items[i], '=') == NULL || strchr(v->set.items[i], '.') == NULL)
            return cli_usage(command, "--set: found \"%s\", needs KEY=VALUE as in train.lr=5e-4", v->set.items[i]);
    return 0;
}

static int train(const cli_command *command, const train_values *v, const char *config)
{
    train_display display = {.quiet = v->quiet != 0, .preview = v->preview && cli_colour(STDERR_FILENO)};
    cli_progress_init(&display.progress, v->every);
    bfn_context_options context = BFN_CONTEXT_OPTIONS_INIT;
    context.n_threads = (int)v->threads;
    context.log = on_log;
    context.log_user = &display;
    bfn_context *ctx;
    bfn_status status = bfn_context_create(&ctx, &context);
    if (status != BFN_OK)
        return cli_no_context(command, status);
    display.ctx = ctx;
    (void)cli_signals_watch();
    bfn_train_options o = BFN_TRAIN_OPTIONS_INIT;
    o.config_path = config;
    o.data_path = v->data;
    o.out_dir = v->out;
    o.resume = v->resume;
    o.dry_run = v->dry_run;
    o.set = v->set.items;
    o.n_set = v->set.n;
    o.progress = on_step;
    o.user = &display;
    o.config = v->dry_run ? on_config : NULL;
    status = bfn_train(ctx, &o);
    cli_progress_end(&display.progress);
    int code = 0;
    if (status == BFN_CANCELLED)
        code = cli_signals_caught() == SIGTERM ? CLI_EXIT_SIGTERM : CLI_EXIT_SIGINT;
    else if (status != BFN_OK)
        code = cli_fail(command, ctx, status);
    if ((status == BFN_OK || status == BFN_CANCELLED) && !v->dry_run && !v->quiet)
        fprintf(stderr, "saved: %s/last.safetensors\n", v->out);
    bfn_context_destroy(ctx);
    return code == 0 ? cli_flush(command) : code;
}

static int run(const cli_command *command, int argc, char **argv)
{
    train_values v = {.every = 10.0};
    size_t n_operands;
    if (!cli_parse(command, argc, argv, &v, NULL, 1, &n_operands))
        return CLI_EXIT_USAGE;
    if (v.skip_bad && v.set.n < CLI_MAX_TEXTS)
        v.set.items[v.set.n++] = "data.skip_bad=true";
    int code = usage_errors(command, &v, n_operands);
    return code != 0 ? code : train(command, &v, n_operands > 0 ? argv[0] : NULL);
}

const cli_command cli_command_train = {
    "train",
    "train a model on a text or on images",
    "CONFIG.yaml --data PATH --out FOLDER [options]\n  bfn train --resume --data PATH --out FOLDER [options]",
    "The configuration says what is trained and how (bfn help config lists its keys; configs/ has examples).\n"
    "`bfn help data` says where to get MNIST, Fashion-MNIST and CIFAR-10.\n"
    "Progress goes to standard error: a bar on a terminal, a line every few seconds elsewhere.\n"
    "Ctrl-C ends the running step, saves and exits with 130 (SIGTERM: 143); a second one stops at once.\n"
    "FOLDER/best.safetensors has the lowest validation bound, FOLDER/last.safetensors the newest state;\n"
    "both can be sampled from (bfn sample), and --resume goes on from the latter, or, where it is damaged, from the "
    "one\n"
    "before, FOLDER/step-N.safetensors (train.keep: how many there are). FOLDER/loss.svg is a plot of the losses that "
    "is\n"
    "drawn anew as it runs; FOLDER/samples.txt or samples.png shows samples of the averaged weights.",
    options,
    sizeof options / sizeof options[0],
    "  bfn train configs/text8-tiny.yaml --data book.txt --out runs/book\n"
    "  bfn train configs/text8-small.yaml --data book.txt --out runs/long --set train.steps=50000\n"
    "  bfn train --resume --data book.txt --out runs/long\n"
    "  bfn train configs/fashion-small.yaml --data /usr/share/datasets/fashion-mnist --out runs/fashion",
    run,
};
