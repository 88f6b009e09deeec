/* cmd_info.c: bfn info: what is inside a file of tensors, and of which model where it says so. Names and texts from the file are made safe
 * for terminals. Numbers that are not finite are no reason to stop here: they are what somebody looks for. */
#include "cli.h"

#include "bfn/model.h"

#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

typedef struct info_values {
    const char *config;
    int tensors, checksums, print_config, json;
} info_values;

/* What was opened: the tensors, and the model where the file (or --config) tells of one. */
typedef struct subject {
    const char *path;
    const info_values *v;
    bfn_tensors *tensors;
    bfn_model *model; /* NULL */
    bfn_model_info info;
} subject;

#define AT(member) offsetof(info_values, member)
static const cli_option options[] = {
    CLI_CONFIG_OPTION(AT(config)),
    {"print-config", 0, NULL, CLI_FLAG, AT(print_config), 0, 0, NULL,
     "print the configuration (YAML) and nothing else"},
    {"tensors", 0, NULL, CLI_FLAG, AT(tensors), 0, 0, NULL, "list the tensors: name, type, shape, what is not finite"},
    {"checksums", 0, NULL, CLI_FLAG, AT(checksums), 0, 0, NULL, "... with range and sha256 of the numbers of each"},
    {"json", 0, NULL, CLI_FLAG, AT(json), 0, 0, NULL, "print everything as one JSON object"},
};

static void shape_text(const bfn_tensor_info *t, char text[256])
{
    size_t used = (size_t)snprintf(text, 256, "[");
    for (int i = 0; i < t->rank && used < 230; i++)
        used += (size_t)snprintf(text + used, 256 - used, "%s%zu", i > 0 ? ", " : "", t->shape[i]);
    snprintf(text + used, 256 - used, "]");
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

/* "2 NaN, 1 infinite"; "" when all numbers are finite. */
static void nonfinite_text(const bfn_tensor_stats *stats, char text[96])
{
    text[0] = '\0';
    if (stats->n_nan > 0)
        snprintf(text, 96, "%zu NaN%s", stats->n_nan, stats->n_infinite > 0 ? ", " : "");
    if (stats->n_infinite > 0)
        snprintf(text + strlen(text), 96 - strlen(text), "%zu infinite", stats->n_infinite);
}

static void print_tensors(const subject *s)
{
    printf("tensors      %zu\n", bfn_tensors_n(s->tensors));
    for (size_t i = 0; i < bfn_tensors_n(s->tensors); i++) {
        bfn_tensor_info t;
        bfn_tensor_stats stats;
        char name[2048], shape[256], bad[96];
        bfn_tensors_get(s->tensors, i, &t);
        bfn_tensors_stats(s->tensors, i, &stats);
        shape_text(&t, shape);
        nonfinite_text(&stats, bad);
        printf("  %-52s %-5s %s%s%s\n", cli_safe(t.name, name, sizeof name), t.dtype, shape, bad[0] != '\0' ? "  " : "",
               bad);
        if (s->v->checksums) {
            char checksum[BFN_CHECKSUM_BYTES];
            bfn_tensors_tensor_checksum(s->tensors, i, checksum);
            printf("    %.6g to %.6g, sha256 %s\n", stats.least, stats.largest, checksum);
        }
    }
}

/* The line that says whether all numbers are finite, and names those that are not. */
static void print_finite(const subject *s)
{
    size_t n = 0;
    for (size_t i = 0; i < bfn_tensors_n(s->tensors); i++) {
        bfn_tensor_info t;
        bfn_tensor_stats stats;
        char name[2048], bad[96];
        bfn_tensors_stats(s->tensors, i, &stats);
        nonfinite_text(&stats, bad);
        if (bad[0] == '\0' || n++ >= 8)
            continue;
        bfn_tensors_get(s->tensors, i, &t);
        printf("%s%s: %s\n", n == 1 ? "not finite   " : "             ", cli_safe(t.name, name, sizeof name), bad);
    }
    if (n > 8)
        printf("             and %zu tensors more\n", n - 8);
    if (n == 0)
        printf("numbers      all finite\n");
}

/* A file that says of no model. */
static void print_file(const subject *s)
{
    char safe[2048], count[32], checksum[BFN_CHECKSUM_BYTES];
    size_t numbers = 0;
    for (size_t i = 0; i < bfn_tensors_n(s->tensors); i++) {
        bfn_tensor_info t;
        bfn_tensors_get(s->tensors, i, &t);
        numbers += t.count;
    }
    count_text((double)numbers, count);
    bfn_tensors_checksum(s->tensors, checksum);
    printf("file         %s\nsha256       %s\n", cli_safe(s->path, safe, sizeof safe), checksum);
    printf("holds        %zu tensors, %s numbers (%zu)\n", bfn_tensors_n(s->tensors), count, numbers);
    for (size_t i = 0; i < bfn_tensors_n_metadata(s->tensors); i++) {
        const char *key, *text;
        bfn_tensors_metadata(s->tensors, i, &key, &text);
        printf("metadata     %s: ", cli_safe(key, safe, sizeof safe));
        printf("%.200s\n", cli_safe(text, safe, sizeof safe));
    }
    printf("model        not said: --config FILE gives a configuration\n");
    print_finite(s);
    if (s->v->tensors || s->v->checksums)
        print_tensors(s);
}

static void print_human(const subject *s)
{
    const bfn_model_info *info = &s->info;
    char safe[8192], count[32], flops[32];
    count_text((double)info->n_parameters, count);
    count_text(info->flops, flops);
    printf("file         %s\n", cli_safe(s->path, safe, sizeof safe));
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
    print_finite(s);
    if (s->v->tensors || s->v->checksums)
        print_tensors(s);
}

/* ---- JSON ---- */

/* Controls as escapes, those of 8 bits and DEL too, though JSON would let them through: somebody will look at it in a terminal. */
static void put_text(const char *key, const char *text, const char *end)
{
    printf("  \"%s\": \"", key);
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            printf("\\%c", *c);
        else if (*c < 0x20 || *c == 0x7f)
            printf("\\u%04x", *c);
        else if (*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)
            printf("\\u%04x", *++c);
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

static void put_model(const bfn_model_info *info)
{
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
}

static void put_tensor(const subject *s, size_t i)
{
    bfn_tensor_info t;
    bfn_tensor_stats stats;
    char shape[256], checksum[BFN_CHECKSUM_BYTES];
    bfn_tensors_get(s->tensors, i, &t);
    bfn_tensors_stats(s->tensors, i, &stats);
    shape_text(&t, shape);
    printf("%s\n    {\n    ", i > 0 ? "," : "");
    put_text("name", t.name, ",");
    printf("      \"dtype\": \"%s\",\n      \"shape\": %s,\n      \"nan\": %zu,\n      \"infinite\": %zu", t.dtype,
           shape, stats.n_nan, stats.n_infinite);
    if (s->v->checksums) {
        bfn_tensors_tensor_checksum(s->tensors, i, checksum);
        printf(",\n      \"sha256\": \"%s\"", checksum);
    }
    printf("\n    }");
}

static void print_json(const subject *s)
{
    char checksum[BFN_CHECKSUM_BYTES];
    bfn_tensors_checksum(s->tensors, checksum);
    printf("{\n");
    put_text("file", s->path, ",");
    put_text("sha256", checksum, ",");
    if (s->model != NULL)
        put_model(&s->info);
    printf("  \"tensors\": [");
    for (size_t i = 0; i < bfn_tensors_n(s->tensors); i++)
        put_tensor(s, i);
    printf("\n  ]\n}\n");
}

/* ---- the command ---- */

static bfn_status open_subject(bfn_context *ctx, subject *s)
{
    bfn_model_options o = BFN_MODEL_OPTIONS_INIT;
    bfn_status status = bfn_tensors_open(ctx, &s->tensors, s->path);
    if (status != BFN_OK)
        return status;
    if (s->v->config == NULL && bfn_tensors_metadata_of(s->tensors, "bfn.config") == NULL)
        return BFN_OK;
    o.allow_nonfinite = 1;
    o.config_path = s->v->config;
    status = bfn_model_load(ctx, &s->model, s->path, &o);
    if (status == BFN_OK)
        bfn_model_get_info(s->model, &s->info);
    return status;
}

static int show(const cli_command *command, const subject *s)
{
    if (s->v->print_config && s->model == NULL)
        return cli_usage(command, "--print-config: %s carries no configuration", s->path);
    if (s->v->print_config)
        fputs(s->info.config, stdout);
    else if (s->v->json)
        print_json(s);
    else if (s->model != NULL)
        print_human(s);
    else
        print_file(s);
    return cli_flush(command);
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
    bfn_status status = cli_context(command, 0, &ctx);
    if (status != BFN_OK)
        return (int)status;
    subject s = {.path = argv[0], .v = &v};
    status = open_subject(ctx, &s);
    int code = status == BFN_OK ? show(command, &s) : cli_fail(command, ctx, status);
    bfn_model_destroy(s.model);
    bfn_tensors_close(s.tensors);
    bfn_context_destroy(ctx);
    return code;
}

const cli_command cli_command_info = {
    "info",
    "say what is inside a file of tensors, and of which model",
    "FILE [options]",
    "Any safetensors file, and PyTorch's .pt state dicts (nothing in them is executed). A model is described where "
    "the\n"
    "file carries its configuration, or --config gives one that fits.",
    options,
    sizeof options / sizeof options[0],
    "  bfn info models/text8-small.safetensors\n"
    "  bfn info runs/book/last.safetensors --tensors\n"
    "  bfn info m.safetensors --print-config > again.yaml\n"
    "  bfn info text8_ema.pt --config configs/text8-paper.yaml",
    run,
};
