/* cmd_bench.c: bfn bench: the network against what the machine can do at most, and the sampler against the network.
 *
 * The peak is measured in the same run, so that a slow or busy machine does not look like slow code. What a sampler costs besides the
 * network (plan, noise, what the network is shown, update) is measured with a network that does nothing.
 */
#include "cli.h"

#include "bfn/bench.h"
#include "bfn/model.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct bench_values {
    const char *model, *config, *only;
    size_t threads, n_layer, n_embd, n_head, seq_len;
    double seconds;
    int quick;
} bench_values;

#define AT(member) offsetof(bench_values, member)
static const cli_option options[] = {
    {"quick", 0, NULL, CLI_FLAG, AT(quick), 0, 0, NULL,
     "a second for each measurement, and networks of 6 layers and 4 blocks"},
    {"seconds", 0, "S", CLI_REAL, AT(seconds), 0.05, 3600, NULL, "time for each network measurement (default 5)"},
    {"only", 0, "WHAT", CLI_TEXT, AT(only), 0, 0, NULL, "text or images: that network alone (default both)"},
    {"model", 'm', "FILE", CLI_TEXT, AT(model), 0, 0, NULL, "also the sampler's own cost with this model"},
    CLI_CONFIG_OPTION(AT(config)),
    {"n-layer", 0, "N", CLI_SIZE, AT(n_layer), 1, 1000, NULL,
     "layers (default 24, the text8 network of the BFN paper)"},
    {"n-embd", 0, "N", CLI_SIZE, AT(n_embd), 2, 65536, NULL, "width (default 768)"},
    {"n-head", 0, "N", CLI_SIZE, AT(n_head), 1, 1024, NULL, "heads (default 12)"},
    {"seq-len", 0, "N", CLI_SIZE, AT(seq_len), 1, 65536, NULL, "positions (default 256)"},
    {"threads", 0, "N", CLI_SIZE, AT(threads), 1, 1024, NULL, "CPU threads (default: all)"},
};

static bfn_status show_peak(bfn_context *ctx, const bench_values *v, bfn_bench_peak_result *peak)
{
    bfn_status status = bfn_bench_peak(ctx, v->quick ? 0.2 : 0.0, peak);
    if (status != BFN_OK)
        return status;
    printf("machine   %s, %d thread%s\n", bfn_backend(), peak->n_threads, peak->n_threads == 1 ? "" : "s");
    printf("peak      f32   %8.1f GFLOP/s  (multiply-add loop %.1f, 4096^3 product %.1f)\n", 1e-9 * peak->f32,
           1e-9 * peak->f32_loop, 1e-9 * peak->f32_product);
    if (peak->bf16 > 0.0)
        printf("          bf16  %8.1f GFLOP/s  (dot product loop %.1f, 4096^3 product %.1f)\n", 1e-9 * peak->bf16,
               1e-9 * peak->bf16_loop, 1e-9 * peak->bf16_product);
    else
        printf("          bf16  none on this CPU\n");
    return BFN_OK;
}

/* A measurement: what runs, and which part of which peak is the goal. */
typedef struct bench_row {
    const char *label;
    bool images, training, bf16;
    double peak, goal;
} bench_row;

/* One row of the table; *seconds of a forward pass a sample. */
static bfn_status show_network(bfn_context *ctx, const bench_values *v, const bench_row *row, double *seconds)
{
    bfn_bench_options o = BFN_BENCH_OPTIONS_INIT;
    bfn_bench_result r;
    o.images = row->images;
    o.n_blocks = v->quick ? 4 : 0;
    o.n_layer = v->n_layer != 0 ? v->n_layer : v->quick ? 6 : 0;
    o.n_embd = v->n_embd;
    o.n_head = v->n_head;
    o.seq_len = v->seq_len;
    o.training = row->training;
    o.bf16 = row->bf16;
    o.seconds = v->seconds > 0.0 ? v->seconds : v->quick ? 1.0 : 0.0;
    bfn_status status = bfn_bench_network(ctx, &o, &r);
    if (status != BFN_OK)
        return status;
    double part = 100.0 * r.flops_per_second / row->peak;
    printf("%-9s %-5s %8.1f GFLOP/s  %5.1f %% of peak (goal %.0f %%: %s)  %7.1f ms a %s  %6.*f %s/s  %4.0f MB\n",
           row->label, r.bf16 ? "bf16" : "f32", 1e-9 * r.flops_per_second, part, row->goal,
           part >= row->goal ? "reached" : "missed", 1e3 * r.seconds_best, row->training ? "step" : "pass",
           row->images ? 2 : 0, row->images ? r.samples_per_second : r.tokens_per_second,
           row->images ? "images" : "tokens", 1e-6 * (double)r.bytes);
    fflush(stdout);
    *seconds = r.samples_per_second > 0.0 ? 1.0 / r.samples_per_second : 0.0;
    return BFN_OK;
}

/* ---- the sampler's own cost ---- */

typedef struct null_network {
    size_t width; /* floats of output a sample */
} null_network;

static int predict_nothing(void *user, size_t first, size_t n, const double *t, const float *shown, float *out)
{
    const null_network *net = user;
    (void)first;
    (void)t;
    (void)shown;
    memset(out, 0, n * net->width * sizeof *out);
    return 0;
}

/* Seconds that an evaluation of a sample costs besides the network: the better of three runs of `nfe` evaluations. */
static bfn_status sampler_cost(bfn_context *ctx, const bfn_flow *flow, size_t D, size_t n, size_t nfe, double *seconds)
{
    bfn_solver_options solver = BFN_SOLVER_OPTIONS_INIT;
    bfn_sampler_options o = BFN_SAMPLER_OPTIONS_INIT;
    null_network net = {D * bfn_flow_output_width(flow)};
    int32_t *out = malloc(n * D * sizeof *out);
    if (out == NULL)
        return BFN_ERR_MEMORY;
    solver.method = BFN_METHOD_SDE2M;
    solver.n_evaluations = nfe;
    o.batch = n;
    *seconds = 1e9;
    bfn_status status = BFN_OK;
    for (int run = 0; run < 3 && status == BFN_OK; run++) {
        double start = cli_seconds();
        status = bfn_sample(ctx, flow, &solver, &o, D, predict_nothing, &net, n, out);
        double took = (cli_seconds() - start) / (double)(n * nfe);
        *seconds = took < *seconds ? took : *seconds;
    }
    free(out);
    return status;
}

static void print_share(const char *what, double sampler, double network)
{
    double part = 100.0 * sampler / (sampler + network);
    printf("sampler   %s: %.1f us an evaluation beside %.1f us of network: %.2f %% (goal: under 1 %%: %s)\n", what,
           1e6 * sampler, 1e6 * network, part, part < 1.0 ? "reached" : "missed");
}

static bfn_status show_sampler(bfn_context *ctx, const bench_values *v, double network_seconds)
{
    bfn_flow flow = BFN_FLOW_INIT;
    flow.kind = BFN_DATA_DISCRETE;
    flow.n_classes = 27;
    flow.max_sqrt_beta = 0.75;
    flow.min_variance = flow.clip = 0.0;
    double seconds;
    bfn_status status = sampler_cost(ctx, &flow, v->seq_len != 0 ? v->seq_len : 256, 8, 50, &seconds);
    if (status == BFN_OK)
        print_share("this network", seconds, network_seconds);
    return status;
}

/* Seconds a sample of a model's forward pass, batch n: the best of several. */
static bfn_status time_model(bfn_model *model, const bfn_model_info *info, size_t n, double *seconds)
{
    size_t shown = info->positions * bfn_flow_shown_width(&info->flow),
           width = info->positions * bfn_flow_output_width(&info->flow);
    float *in = calloc(n * shown, sizeof *in), *out = calloc(n * width, sizeof *out);
    double *t = calloc(n, sizeof *t);
    bfn_status status = in != NULL && out != NULL && t != NULL ? bfn_model_reserve(model, n) : BFN_ERR_MEMORY;
    *seconds = 1e9;
    for (int run = 0; run < 10 && status == BFN_OK; run++) {
        double start = cli_seconds();
        if (bfn_model_predict(model, 0, n, t, in, out) != 0)
            status = BFN_ERR_INTERNAL;
        double took = (cli_seconds() - start) / (double)n;
        *seconds = took < *seconds ? took : *seconds;
    }
    free(in);
    free(out);
    free(t);
    return status;
}

static bfn_status show_model(bfn_context *ctx, bfn_model *model)
{
    bfn_model_info info;
    double network, sampler;
    bfn_model_get_info(model, &info);
    bfn_status status = time_model(model, &info, 8, &network);
    if (status == BFN_OK)
        status = sampler_cost(ctx, &info.flow, info.positions, 8, 50, &sampler);
    if (status == BFN_OK)
        print_share("this model", sampler, network);
    return status;
}

/* The rows of a network: forward in f32, in bf16 where the CPU has it, training. *forward: seconds a sample. */
static bfn_status show_rows(bfn_context *ctx, const bench_values *v, const bfn_bench_peak_result *peak, bool images,
                            double *forward)
{
    double ignored;
    const bench_row rows[] = {
        {images ? "pictures" : "forward", images, false, false, peak->f32, images ? 100.0 : 70.0},
        {images ? "pictures" : "forward", images, false, true, peak->bf16, 70.0},
        {"training", images, true, false, peak->f32, 55.0},
    };
    bfn_status status = BFN_OK;
    for (size_t i = 0; i < sizeof rows / sizeof *rows && status == BFN_OK; i++)
        if (rows[i].peak > 0.0)
            status = show_network(ctx, v, &rows[i], rows[i].training ? &ignored : forward);
    return status;
}

static bfn_status show_memory(bfn_context *ctx, const bench_values *v)
{
    bfn_bench_memory_result r;
    bfn_status status = bfn_bench_memory(ctx, v->quick ? 0.2 : 0.0, &r);
    if (status != BFN_OK)
        return status;
    double part = 100.0 * r.groupnorm / r.copy;
    printf("memory    copy  %8.1f GB/s; GroupNorm and SiLU in one pass %.1f GB/s, %.0f %% (goal 50 %%: %s)\n",
           1e-9 * r.copy, 1e-9 * r.groupnorm, part, part >= 50.0 ? "reached" : "missed");
    return BFN_OK;
}

static bool wants(const bench_values *v, const char *what)
{
    return v->only == NULL || strcmp(v->only, what) == 0;
}

static bfn_status bench(bfn_context *ctx, const bench_values *v, bfn_model *model)
{
    bfn_bench_peak_result peak;
    double forward = 0.0;
    bfn_status status = show_peak(ctx, v, &peak);
    if (status == BFN_OK && wants(v, "text"))
        status = show_rows(ctx, v, &peak, false, &forward);
    if (status == BFN_OK && wants(v, "text"))
        status = show_sampler(ctx, v, forward);
    if (status == BFN_OK && wants(v, "images"))
        status = show_rows(ctx, v, &peak, true, &forward);
    if (status == BFN_OK && wants(v, "images") && peak.bf16 > 0.0)
        printf(
            "          (bf16: all products but 3 x 3 convolutions, which are faster in f32 by Winograd's algorithm)\n");
    if (status == BFN_OK && wants(v, "images"))
        status = show_memory(ctx, v);
    return status == BFN_OK && model != NULL ? show_model(ctx, model) : status;
}

static int run(const cli_command *command, int argc, char **argv)
{
    bench_values v = {0};
    size_t n_operands;
    if (!cli_parse(command, argc, argv, &v, NULL, 0, &n_operands))
        return CLI_EXIT_USAGE;
    size_t width = v.n_embd != 0 ? v.n_embd : 768, heads = v.n_head != 0 ? v.n_head : 12;
    if (width % heads != 0)
        return cli_usage(command, "--n-head: found %zu, must divide --n-embd, which is %zu", heads, width);
    if (v.only != NULL && strcmp(v.only, "text") != 0 && strcmp(v.only, "images") != 0)
        return cli_usage(command, "--only: found \"%s\", allowed: text, images", v.only);
    if (v.config != NULL && v.model == NULL)
        return cli_usage(command, "--config: goes with --model FILE");
    bfn_context *ctx;
    bfn_status status = cli_context(command, v.threads, &ctx);
    if (status != BFN_OK)
        return (int)status;
    bfn_model *model = NULL;
    bfn_model_options o = BFN_MODEL_OPTIONS_INIT;
    o.config_path = v.config;
    if (v.model != NULL) /* first: nobody wants to wait for an error */
        status = bfn_model_load(ctx, &model, v.model, &o);
    if (status == BFN_OK)
        status = bench(ctx, &v, model);
    int code = status == BFN_OK ? cli_flush(command) : cli_fail(command, ctx, status);
    bfn_model_destroy(model);
    bfn_context_destroy(ctx);
    return code;
}

const cli_command cli_command_bench = {
    "bench",
    "measure the network's speed against the machine's peak",
    "[options]",
    "The transformer of text8's size: forward passes of 8 sequences and training steps of 4; the U-Net of CIFAR-10's "
    "size:\n"
    "passes of 8 images and training steps of 16; as a part of the peak that is measured in the same run (convolutions "
    "count\n"
    "as the direct algorithm has them); memory; and what a sampler costs besides its network.",
    options,
    sizeof options / sizeof options[0],
    "  bfn bench\n  bfn bench --quick\n  bfn bench --only images\n  bfn bench --model models/text8-small.safetensors",
    run,
};
