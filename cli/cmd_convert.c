/* cmd_convert.c: bfn convert: PyTorch checkpoints and safetensors into safetensors. */
#include "cli.h"

#include "bfn/tensors.h"

#include <stddef.h>
#include <string.h>

typedef struct convert_values {
    const char *config;
    int dtype, ema, nonfinite;
    cli_texts prefixes;
} convert_values;

#define AT(member) offsetof(convert_values, member)
static const cli_option options[] = {
    CLI_CONFIG_OPTION(AT(config)),
    {"dtype", 0, "TYPE", CLI_CHOICE, AT(dtype), 0, 0, "keep|f32|bf16|f16",
     "numbers of the matrices (default keep); other than keep, vectors become f32"},
    {"ema", 0, NULL, CLI_FLAG, AT(ema), 0, 0, NULL, "keep the averaged weights alone, under the names of the weights"},
    {"prefix", 0, "OLD=NEW", CLI_TEXTS, AT(prefixes), 0, 0, NULL,
     "names that begin with OLD begin with NEW instead; the first that fits counts (again and again)"},
    {"allow-nonfinite", 0, NULL, CLI_FLAG, AT(nonfinite), 0, 0, NULL, "let NaN and infinity through"},
};

static int run(const cli_command *command, int argc, char **argv)
{
    convert_values v = {0};
    size_t n_operands;
    if (!cli_parse(command, argc, argv, &v, NULL, 2, &n_operands))
        return CLI_EXIT_USAGE;
    if (n_operands < 2)
        return cli_usage(command, n_operands == 0 ? "a file is missing" : "the file to write is missing");
    for (size_t i = 0; i < v.prefixes.n; i++)
        if (strchr(v.prefixes.items[i], '=') == NULL)
            return cli_usage(command, "--prefix: found \"%s\", needs OLD=NEW", v.prefixes.items[i]);
    bfn_context *ctx;
    bfn_status status = cli_context(command, 0, &ctx);
    if (status != BFN_OK)
        return (int)status;
    bfn_convert_options o = BFN_CONVERT_OPTIONS_INIT;
    o.config_path = v.config;
    o.numbers = (bfn_numbers)v.dtype;
    o.weights = v.ema ? BFN_WEIGHTS_EMA : BFN_WEIGHTS_ALL;
    o.prefixes = v.prefixes.items;
    o.n_prefixes = v.prefixes.n;
    o.allow_nonfinite = v.nonfinite;
    status = bfn_convert(ctx, argv[0], argv[1], &o);
    int code = status == BFN_OK ? 0 : cli_fail(command, ctx, status);
    bfn_context_destroy(ctx);
    return code;
}

const cli_command cli_command_convert = {
    "convert",
    "PyTorch checkpoints (.pt) and safetensors into safetensors",
    "IN OUT [options]",
    "Reads state dicts of torch.save (nothing in them is executed) and safetensors; what a file is, its content says.\n"
    "With --config, a YAML file of ours or of either published code base, the tensors must fit that network, and the\n"
    "result is a model with the configuration inside. Memory does not grow with the file.",
    options,
    sizeof options / sizeof options[0],
    "  bfn convert text8_ema.pt text8.safetensors --config configs/text8-paper.yaml --dtype bf16\n"
    "  bfn convert runs/book/last.safetensors book.safetensors --ema\n"
    "  bfn convert state.pt state.safetensors --prefix model.net.=net.",
    run,
};
