/* cmd_info.c: bfn info: what is inside a model file. Names and texts from the file are made safe for terminals. */
#include "cli.h"

#include "bfn/model.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

typedef struct info_values {
    int tensors, config, json, nonfinite;
} info_values;

#define AT(member) offsetof(info_values, member)
static const cli_option options[] = {
    {"tensors", 0, NULL, CLI_FLAG, AT(tensors), 0, 0, NULL, "list the tensors: name, type, shape"},
    {"config", 0, NULL, CLI_FLAG, AT(config), 0, 0, NULL, "print the configuration (YAML) and nothing else"},
    {"json", 0, NULL, CLI_FLAG, AT(json), 0, 0, NULL, "print everything as one JSON object"},
    {"allow-nonfinite", 0, NULL, CLI_FLAG, AT(nonfinite), 0, 0, NULL, "load weights that hold NaN or infinity"},
};

static void shape_text(const bfn_tensor_info *t, char text[128])
{
    size_t used = (size_t)snprintf(text, 128, "[");
    for (int i = 0; i < t->rank && used < 120; i++)
        used += (size_t)snprintf(text + used, 128 - used, "%s%zu", i > 0 ? ", " : "", t->shape[i]);
    snprintf(text + used, 128 - used, "]");
}

static const char *kind_name(bfn_data_kind kind)
{
    static const char *const names[] = {"continuous", "discretised", "discrete"};
    return names[kind - 1];
}

static void print_flow(const bfn_flow *flow)
{
    printf("flow         %s", kind_name(flow->kind));
    if (flow->n_classes > 0)
        printf(", %zu %s", flow->n_classes, flow->kind == BFN_DATA_DISCRETE ? "classes" : "bins");
    if (flow->kind == BFN_DATA_DISCRETE)
        printf(", max_sqrt_beta %.10g\n", flow->max_sqrt_beta);
    else
        printf(", min_variance %.10g\n", flow->min_variance);
}

/* 2730000 as "2.73 M". */
static void count_text(double n, char text[32])
{
    if (n >= 1e9)
        snprintf(text, 32, "%.3g G", n / 1e9);
    else if (n >= 1e6)
        snprintf(text, 32, "%.3g M", n / 1e6);
    else if (n >= 1e4)
        snprintf(text, 32, "%.3g k", n / 1e3);
    else
        snprintf(text, 32, "%.0f", n);
}

static void print_tensors(const bfn_model *model)
{
    printf("tensors      %zu\n", bfn_model_n_tensors(model));
    for (size_t i = 0; i < bfn_model_n_tensors(model); i++) {
        bfn_tensor_info t;
        char name[512], shape[128];
        bfn_model_tensor(model, i, &t);
        shape_text(&t, shape);
        printf("  %-52s %-5s %s\n", cli_safe(t.name, name, sizeof name), t.dtype, shape);
    }
}

static void print_human(const char *path, const bfn_model *model, const bfn_model_info *info, bool tensors)
{
    char safe[8192], count[32], flops[32];
    count_text((double)info->n_parameters, count);
    count_text(info->flops, flops);
    printf("file         %s\n", cli_safe(path, safe, sizeof safe));
    printf("sha256       %s\n", info->checksum);
    printf("network      %s, %s parameters (%zu), %sFLOP a sample forward\n", info->network, count, info->n_parameters,
           flops);
    print_flow(&info->flow);
    if (info->channels > 0)
        printf("data         images of %zu x %zu x %zu (%zu dimensions)\n", info->height, info->width, info->channels,
               info->positions);
    else
        printf("data         %zu positions a sample\n", info->positions);
    if (info->n_labels > 0)
        printf("classes      the network is told one of %zu\n", info->n_labels);
    if (info->alphabet != NULL)
        printf("alphabet     \"%s\"\n", cli_safe(info->alphabet, safe, sizeof safe));
    if (info->data_checksum[0] != '\0')
        printf("trained on   %s%ssha256 %s\n", cli_safe(info->data_name, safe, sizeof safe),
               info->data_name[0] != '\0' ? ", " : "", info->data_checksum);
    if (info->has_moments)
        printf("moments      stored; variance %.6g a position\n", info->variance);
    else
        printf("moments      none\n");
    printf("training     %" PRIu64 " steps", info->step);
    if (isfinite(info->valid_bound))
        printf(", validation bound %.4f bits a %s (best %.4f)", info->valid_bound,
               info->channels > 0 ? "dimension" : "position", info->best_bound);
    printf("\nweights      %s\n", strcmp(info->weights, "ema") == 0
                                      ? "averages only"
                                      : "as trained, averages beside them where training stored them");
    printf("arithmetic   %s here (%s)\n", info->precision == BFN_PRECISION_BF16 ? "bf16" : "f32", bfn_backend());
    if (tensors)
        print_tensors(model);
}

/* ---- JSON ---- */

static void put_text(const char *key, const char *text, const char *end)
{
    printf("  \"%s\": \"", key);
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            printf("\\%c", *c);
        else if ((unsigned char)*c < 0x20)
            printf("\\u%04x", (unsigned)(unsigned char)*c);
        else
            putchar(*c);
    }
    printf("\"%s\n", end);
}

static void put_real(const char *key, double value)
{
    if (isfinite(value))
        printf("  \"%s\": %.9g,\n", key, value);
    else
        printf("  \"%s\": null,\n", key);
}

static void print_json(const char *path, const bfn_model *model, const bfn_model_info *info)
{
    printf("{\n");
    put_text("file", path, ",");
    put_text("sha256", info->checksum, ",");
    put_text("network", info->network, ",");
    printf("  \"parameters\": %zu,\n", info->n_parameters);
    put_real("flops", info->flops);
    put_text("kind", kind_name(info->flow.kind), ",");
    printf("  \"classes\": %zu,\n  \"positions\": %zu,\n", info->flow.n_classes, info->positions);
    put_real("max_sqrt_beta", info->flow.max_sqrt_beta);
    put_real("min_variance", info->flow.min_variance);
    if (info->alphabet != NULL)
        put_text("alphabet", info->alphabet, ",");
    if (info->channels > 0) {
        printf("  \"height\": %zu,\n  \"width\": %zu,\n  \"channels\": %zu,\n  \"labels\": %zu,\n", info->height,
               info->width, info->channels, info->n_labels);
        put_text("data_name", info->data_name, ",");
    }
    put_text("data_sha256", info->data_checksum, ",");
    printf("  \"moments\": %s,\n  \"step\": %" PRIu64 ",\n", info->has_moments ? "true" : "false", info->step);
    put_real("variance", info->variance);
    put_real("valid_bound", info->valid_bound);
    put_real("best_bound", info->best_bound);
    put_text("weights", info->weights, ",");
    put_text("precision", info->precision == BFN_PRECISION_BF16 ? "bf16" : "f32", ",");
    put_text("config", info->config, ",");
    printf("  \"tensors\": [");
    for (size_t i = 0; i < bfn_model_n_tensors(model); i++) {
        bfn_tensor_info t;
        char shape[128];
        bfn_model_tensor(model, i, &t);
        shape_text(&t, shape);
        printf("%s\n    {\n    ", i > 0 ? "," : "");
        put_text("name", t.name, ",");
        printf("      \"dtype\": \"%s\",\n      \"shape\": %s\n    }", t.dtype, shape);
    }
    printf("\n  ]\n}\n");
}

static int run(const cli_command *command, int argc, char **argv)
{
    info_values v = {0};
    size_t n_operands;
    if (!cli_parse(command, argc, argv, &v, NULL, 1, &n_operands))
        return CLI_EXIT_USAGE;
    if (n_operands == 0)
        return cli_usage(command, "a model file is missing");
    bfn_context *ctx;
    bfn_model *model;
    bfn_status status = cli_context(command, 0, &ctx);
    if (status != BFN_OK)
        return (int)status;
    bfn_model_options o = BFN_MODEL_OPTIONS_INIT;
    o.allow_nonfinite = v.nonfinite;
    status = bfn_model_load(ctx, &model, argv[0], &o);
    int code = status == BFN_OK ? 0 : cli_fail(command, ctx, status);
    if (status == BFN_OK) {
        bfn_model_info info;
        bfn_model_get_info(model, &info);
        if (v.config)
            fputs(info.config, stdout);
        else if (v.json)
            print_json(argv[0], model, &info);
        else
            print_human(argv[0], model, &info, v.tensors != 0);
        code = cli_flush(command);
    }
    bfn_model_destroy(model);
    bfn_context_destroy(ctx);
    return code;
}

const cli_command cli_command_info = {
    "info",
    "say what is inside a model file",
    "FILE [options]",
    NULL,
    options,
    sizeof options / sizeof options[0],
    "  bfn info models/text8-small.safetensors\n"
    "  bfn info runs/book/last.safetensors --tensors\n"
    "  bfn info m.safetensors --config > again.yaml",
    run,
};
