/* cmd_export.c: bfn export: a training checkpoint made small for shipping. */
#include "cli.h"

#include "bfn/model.h"

#include <stddef.h>
#include <stdio.h>

typedef struct export_values {
    const char *out, *config;
    int precision, raw, nonfinite;
} export_values;

#define AT(member) offsetof(export_values, member)
static const cli_option options[] = {
    {"output", 'o', "FILE", CLI_TEXT, AT(out), 0, 0, NULL, "the file to write"},
    CLI_CONFIG_OPTION(AT(config)),
    {"precision", 0, "KIND", CLI_CHOICE, AT(precision), 0, 0, "bf16|f32",
     "numbers of the matrices (default bf16; vectors stay f32)"},
    {"raw-weights", 0, NULL, CLI_FLAG, AT(raw), 0, 0, NULL, "the trained weights instead of their average"},
    {"allow-nonfinite", 0, NULL, CLI_FLAG, AT(nonfinite), 0, 0, NULL, "load weights that hold NaN or infinity"},
};

static int run(const cli_command *command, int argc, char **argv)
{
    export_values v = {0};
    size_t n_operands;
    if (!cli_parse(command, argc, argv, &v, NULL, 1, &n_operands))
        return CLI_EXIT_USAGE;
    if (n_operands == 0)
        return cli_usage(command, "a checkpoint is missing");
    if (v.out == NULL)
        return cli_usage(command, "-o FILE is missing");
    bfn_context *ctx;
    bfn_status status = cli_context(command, 0, &ctx);
    if (status != BFN_OK)
        return (int)status;
    bfn_model_options o = BFN_MODEL_OPTIONS_INIT;
    o.precision = v.precision == 0 ? BFN_PRECISION_BF16 : BFN_PRECISION_F32;
    o.raw_weights = v.raw;
    o.config_path = v.config;
    o.allow_nonfinite = v.nonfinite;
    status = bfn_model_export(ctx, argv[0], v.out, &o);
    int code = status == BFN_OK ? 0 : cli_fail(command, ctx, status);
    bfn_context_destroy(ctx);
    return code;
}

const cli_command cli_command_export = {
    "export",
    "make a checkpoint small for shipping",
    "CHECKPOINT -o FILE [options]",
    "Keeps one set of weights (the average), configuration, alphabet and moments; drops the optimiser's state.\n"
    "Matrices are stored as bf16, a quarter to an eighth of the checkpoint's size.",
    options,
    sizeof options / sizeof options[0],
    "  bfn export runs/book/best.safetensors -o book.safetensors",
    run,
};
