/* eval_bpd.c: bfn eval bpd (and bound, the same command under its older name): bounds on the negative log likelihood of text or images. */
#include "cli.h"
#include "eval.h"

#include "bfn/eval.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

typedef struct bpd_values {
    const char *model, *config, *data;
    int split, json, raw, ode, trace;
    size_t sequences, times, steps, batch, threads, ode_steps, probes;
    double precision, eta;
    uint64_t seed;
} bpd_values;

static const char *const splits[] = {"train", "valid", "test"};
static const char *const traces[] = {"hutchinson", "exact", "posterior"};

#define AT(member) offsetof(bpd_values, member)
static const cli_option bpd_options[] = {
    {"model", 'm', "FILE", CLI_TEXT, AT(model), 0, 0, NULL, "model of text or images"},
    CLI_CONFIG_OPTION(AT(config)),
    {"data", 'd', "PATH", CLI_TEXT, AT(data), 0, 0, NULL,
     "what is split as in training: text (UTF-8, plain or gzip); images (a folder of PNG, IDX, CIFAR-10)"},
    {"split", 0, "NAME", CLI_CHOICE, AT(split), 0, 0, "train|valid|test", "train, valid or test (default test)"},
    {"precision", 'p', "BITS", CLI_REAL, AT(precision), 1e-6, 100, NULL,
     "go on until the standard error, in bits per position, is not above this, or the split is used up"},
    {"sequences", 0, "N", CLI_SIZE, AT(sequences), 2, 1e7, NULL,
     "sequences or images, spread over the split (default 256, with --ode 64; at most all of it); with --precision: at "
     "most so many"},
    {"times", 0, "N", CLI_SIZE, AT(times), 1, 1e4, NULL, "stratified, antithetic times a sequence (default 16)"},
    {"steps", 0, "N", CLI_SIZE, AT(steps), 1, 1e6, NULL,
     "the loss of a transmission in N steps (default: in continuous time)"},
    {"ode", 0, NULL, CLI_FLAG, AT(ode), 0, 0, NULL, "the likelihood under the probability-flow ODE instead"},
    {"ode-steps", 0, "N", CLI_SIZE, AT(ode_steps), 1, 1e5, NULL,
     "with --ode: steps of the fourth-order Runge-Kutta method, 4 evaluations each (default 40); how far off they are "
     "is measured"},
    {"trace", 0, "KIND", CLI_CHOICE, AT(trace), 0, 0, "hutchinson|exact|posterior",
     "with --ode: trace of the network's Jacobian: by random signs, exact (low dimensions), or what it would be for an "
     "ideal network (discrete data; no backward pass, but no bound either) (default hutchinson)"},
    {"probes", 0, "N", CLI_SIZE, AT(probes), 1, 1e4, NULL, "with --trace hutchinson: vectors of signs (default 1)"},
    {"eta", 0, "T", CLI_REAL, AT(eta), 1e-8, 0.5, NULL,
     "with --ode: first time, continuous and discretised data (default 0.0001)"},
    {"seed", 0, "N", CLI_SEED, AT(seed), 0, 0, NULL, "seed of times, noise and signs (default 0)"},
    {"batch", 0, "N", CLI_SIZE, AT(batch), 1, 4096, NULL, "sequences a network call (default 16)"},
    {"raw-weights", 0, NULL, CLI_FLAG, AT(raw), 0, 0, NULL, "the trained weights instead of their average"},
    {"threads", 0, "N", CLI_SIZE, AT(threads), 1, 1024, NULL, "CPU threads (default: all)"},
    {"json", 0, NULL, CLI_FLAG, AT(json), 0, 0, NULL, "one JSON object instead of text"},
};
#undef AT

/* What both kinds of result have. */
typedef struct bpd_result {
    size_t n_sequences, n_positions, n_available;
    int images, reached;
    double bound, standard_error, nats, nats_error;
    const char *data_checksum;
} bpd_result;

static int show_progress(void *user, size_t done, size_t total)
{
    (void)user;
    fprintf(stderr, "\r%zu of %zu sequences%s", done, total, done == total ? "\r\033[K" : "");
    return 0;
}

static size_t dimensions(const bpd_result *r)
{
    return r->n_positions / r->n_sequences;
}

/* ---- text ---- */

static void print_head(const bpd_values *v, const bpd_result *r)
{
    if (r->images)
        printf("bits per dimension, %s split, %zu images of %zu dimensions\n", splits[v->split], r->n_sequences,
               dimensions(r));
    else
        printf("bits per character, %s split, %zu sequences, %zu characters\n", splits[v->split], r->n_sequences,
               r->n_positions);
}

/* What the number bounds, for images: there every paper means something else. */
static void print_meaning(const bfn_model_info *info, bool ode)
{
    const bfn_flow *flow = &info->flow;
    if (info->channels == 0)
        return;
    if (flow->kind == BFN_DATA_DISCRETE)
        printf("  -log2 P(image) / dimensions of images in %zu levels (drawn once an image where grey is binarised)\n",
               flow->n_classes);
    else if (flow->kind == BFN_DATA_DISCRETISED)
        printf("  -log2 P(image) / dimensions of images in %zu levels; nothing is dequantised\n", flow->n_classes);
    else
        printf("  -log2 P(image) / dimensions of images in levels of grey: the probability of a level is the mass that "
               "a normal\n"
               "  distribution around the last prediction puts into its bin, so bin widths are counted\n");
    if (ode && flow->kind != BFN_DATA_DISCRETE)
        printf("  dequantised by the flow's own noise of deviation %.3g\n", sqrt(flow->min_variance));
}

static void print_nats(const bpd_values *v, const bpd_result *r)
{
    double per_position = M_LN2;
    printf("  nats a %-13s %.4f ± %.4f\n", r->images ? "dimension" : "character", r->bound * per_position,
           r->standard_error * per_position);
    printf("  nats %-15s %.2f ± %.2f\n", r->images ? "an image" : "a sequence", r->nats, r->nats_error);
    if (v->precision > 0.0)
        printf("  precision %g: %s with %zu of %zu\n", v->precision, r->reached ? "reached" : "not reached",
               r->n_sequences, r->n_available);
}

static void print_origin(const bpd_values *v, const bfn_model_info *info, const bpd_result *r)
{
    printf("  model sha256 %s, %s, seed %" PRIu64 "\n", info->checksum,
           info->precision == BFN_PRECISION_BF16 ? "bf16" : "f32", v->seed);
    if (info->config_checksum[0] != '\0')
        printf("  config sha256 %s\n", info->config_checksum);
    printf("  data sha256 %s\n  bfn %s, %s\n", r->data_checksum, bfn_version(), bfn_backend());
}

/* ---- JSON ---- */

static void json_head(const bpd_values *v, const bpd_result *r)
{
    printf("{\"split\": \"%s\", \"%s\": %zu, \"%s\": %zu, \"bound\": %.6f, \"standard_error\": %.6f, ",
           splits[v->split], r->images ? "images" : "sequences", r->n_sequences,
           r->images ? "dimensions" : "characters", r->n_positions, r->bound, r->standard_error);
}

static void json_tail(const bpd_values *v, const bfn_model_info *info, const bpd_result *r)
{
    printf(", \"nats\": %.6f, \"nats_standard_error\": %.6f, \"available\": %zu", r->nats, r->nats_error,
           r->n_available);
    if (v->precision > 0.0)
        printf(", \"precision\": %.17g, \"reached\": %s", v->precision, r->reached ? "true" : "false");
    printf(", \"seed\": %" PRIu64 ", \"weights\": \"%s\", \"network_precision\": \"%s\", \"model\": ", v->seed,
           v->raw ? "raw" : "average", info->precision == BFN_PRECISION_BF16 ? "bf16" : "f32");
    cli_put_json(stdout, v->model);
    printf(", \"model_sha256\": \"%s\"", info->checksum);
    if (info->config_checksum[0] != '\0') {
        printf(", \"config\": ");
        cli_put_json(stdout, info->config);
    }
    printf(", \"data\": ");
    cli_put_json(stdout, v->data);
    printf(", \"data_sha256\": \"%s\", \"version\": \"%s\", \"backend\": ", r->data_checksum, bfn_version());
    cli_put_json(stdout, bfn_backend());
    printf("}\n");
}

/* ---- the variational bound ---- */

static void print_bound(const bpd_values *v, const bfn_model_info *info, const bfn_bound *b)
{
    const bpd_result r = {b->n_sequences, b->n_positions,    b->n_available, b->images,     b->reached,
                          b->bound,       b->standard_error, b->nats,        b->nats_error, b->data_checksum};
    char transmission[64] = "continuous-time loss";
    if (v->steps > 0)
        snprintf(transmission, sizeof transmission, "%zu-step loss", v->steps);
    if (v->json) {
        json_head(v, &r);
        printf("\"transmission\": %.6f, \"reconstruction\": %.6f", b->transmission, b->reconstruction);
        if (v->steps > 0)
            printf(", \"steps\": %zu", v->steps);
        if (!b->images)
            printf(", \"unigram\": %.6f, \"bigram\": %.6f, \"trigram\": %.6f", b->ngram[0], b->ngram[1], b->ngram[2]);
        printf(", \"times\": %zu", b->n_times);
        json_tail(v, info, &r);
        return;
    }
    print_head(v, &r);
    printf("  model, upper bound   %.4f ± %.4f   (%s %.4f + reconstruction %.4f)\n", b->bound, b->standard_error,
           transmission, b->transmission, b->reconstruction);
    if (!b->images)
        printf("  trigram model        %.4f\n  bigram model         %.4f\n  unigram model        %.4f\n", b->ngram[2],
               b->ngram[1], b->ngram[0]);
    print_nats(v, &r);
    print_meaning(info, false);
    print_origin(v, info, &r);
}

static int measure_bound(const cli_command *command, bfn_context *ctx, const bpd_values *v, bfn_model *model,
                         const bfn_model_info *info)
{
    bfn_bound_options o = BFN_BOUND_OPTIONS_INIT;
    o.split = (bfn_data_split)v->split;
    o.n_sequences = v->sequences;
    o.n_times = v->times;
    o.n_steps = v->steps;
    o.batch = v->batch;
    o.seed = v->seed;
    o.precision = v->precision;
    o.progress = cli_is_terminal(STDERR_FILENO) ? show_progress : NULL;
    bfn_bound bound;
    bfn_status status = bfn_eval_bound(model, v->data, &o, &bound);
    if (status != BFN_OK)
        return cli_fail(command, ctx, status);
    print_bound(v, info, &bound);
    return 0;
}

/* ---- the ODE's ---- */

static void print_ode(const bpd_values *v, const bfn_model_info *info, const bfn_ode_likelihood *b)
{
    const bpd_result r = {b->n_sequences, b->n_positions,    b->n_available, b->images,     b->reached,
                          b->bound,       b->standard_error, b->nats,        b->nats_error, b->data_checksum};
    if (v->json) {
        json_head(v, &r);
        printf(
            "\"reconstruction\": %.6f, \"density_nats\": %.6f, \"density_standard_error\": %.6f, \"trace\": \"%s\", "
            "\"probes\": %zu, \"ode_steps\": %zu, \"step_error\": %.6g, \"steps_checked\": %zu, \"evaluations\": %zu, "
            "\"eta\": %g",
            b->reconstruction, b->density, b->density_error, traces[v->trace], b->n_probes, b->n_steps, b->step_error,
            b->n_checked, b->n_evaluations, b->eta);
        json_tail(v, info, &r);
        return;
    }
    print_head(v, &r);
    printf("  ODE, %s     %.4f ± %.4f   (reconstruction %.4f; %s trace, %zu evaluations)\n",
           v->trace == BFN_TRACE_POSTERIOR ? "estimate   " : "upper bound", b->bound, b->standard_error,
           b->reconstruction, traces[v->trace], b->n_evaluations);
    printf("  log density, nats    %.4f ± %.4f   (of %s at t = 1, a position)\n", b->density, b->density_error,
           info->flow.kind == BFN_DATA_DISCRETE ? "the logits" : "the blurred data");
    printf("  step error           %.4f            (%zu %s moved so far with %zu steps instead of %zu)\n",
           b->step_error, b->n_checked, b->images ? "images" : "sequences", 2 * b->n_steps, b->n_steps);
    print_nats(v, &r);
    print_meaning(info, true);
    print_origin(v, info, &r);
}

static int measure_ode(const cli_command *command, bfn_context *ctx, const bpd_values *v, bfn_model *model,
                       const bfn_model_info *info)
{
    bfn_ode_options o = BFN_ODE_OPTIONS_INIT;
    o.split = (bfn_data_split)v->split;
    o.n_sequences = v->sequences;
    o.n_steps = v->ode_steps;
    o.trace = (bfn_trace)v->trace;
    o.n_probes = v->probes;
    o.eta = v->eta;
    o.batch = v->batch;
    o.seed = v->seed;
    o.precision = v->precision;
    o.progress = cli_is_terminal(STDERR_FILENO) ? show_progress : NULL;
    bfn_ode_likelihood result;
    bfn_status status = bfn_eval_ode(model, v->data, &o, &result);
    if (status != BFN_OK)
        return cli_fail(command, ctx, status);
    if (result.step_error > result.standard_error)
        fprintf(
            stderr,
            "bfn %s: warning: %zu steps are too few: with twice as many the value moves by %.2g bits a position, its "
            "standard error is %.2g: more --ode-steps\n",
            command->name, result.n_steps, result.step_error, result.standard_error);
    print_ode(v, info, &result);
    return 0;
}

/* ---- the command ---- */

/* Options of the other kind mean nothing. */
static int usage_errors(const cli_command *command, const bpd_values *v)
{
    if (v->model == NULL || v->data == NULL)
        return cli_usage(command, "--%s is missing", v->model == NULL ? "model FILE" : "data PATH");
    if (v->ode && (v->times > 0 || v->steps > 0))
        return cli_usage(command, "--%s: does not go with --ode", v->times > 0 ? "times" : "steps");
    const char *alone = v->ode_steps > 0 ? "ode-steps" : v->trace > 0 ? "trace" : v->probes > 0 ? "probes" : NULL;
    if (!v->ode && (alone != NULL || v->eta > 0.0))
        return cli_usage(command, "--%s: only with --ode", alone != NULL ? alone : "eta");
    if (v->probes > 0 && v->trace != BFN_TRACE_HUTCHINSON)
        return cli_usage(command, "--probes: only with --trace hutchinson");
    return 0;
}

static int run_bpd(const cli_command *command, int argc, char **argv)
{
    bpd_values v = {.split = BFN_SPLIT_TEST};
    size_t n_operands;
    if (!cli_parse(command, argc, argv, &v, NULL, 0, &n_operands))
        return CLI_EXIT_USAGE;
    int code = usage_errors(command, &v);
    if (code != 0)
        return code;
    bfn_context *ctx;
    bfn_status status = cli_context(command, v.threads, &ctx);
    if (status != BFN_OK)
        return (int)status;
    bfn_model_options model_options = BFN_MODEL_OPTIONS_INIT;
    model_options.raw_weights = v.raw;
    model_options.config_path = v.config;
    model_options.precision = BFN_PRECISION_F32; /* a likelihood is of the weights, not of their rounding */
    bfn_model *model = NULL;
    bfn_model_info info;
    status = bfn_model_load(ctx, &model, v.model, &model_options);
    if (status == BFN_OK) {
        bfn_model_get_info(model, &info);
        code = v.ode ? measure_ode(command, ctx, &v, model, &info) : measure_bound(command, ctx, &v, model, &info);
    } else {
        code = cli_fail(command, ctx, status);
    }
    bfn_model_destroy(model);
    bfn_context_destroy(ctx);
    return code != 0 ? code : cli_flush(command);
}

#define BPD_INTRO                                                                                                      \
    "An upper bound on -log P(data), in bits per dimension (images) or character (text) and in nats, with its\n"       \
    "standard error over sequences: continuous-time (or n-step) loss + reconstruction loss. Text: beside n-gram\n"     \
    "models that are fitted to the training split of the same file and measured on the same sequences.\n"              \
    "--ode: the same for the sampler that follows the probability-flow ODE to t = 1 and draws from the output\n"       \
    "distribution there. The network computes in f32. `bfn eval bound` is the same command: its older name."
#define BPD_EXAMPLES                                                                                                   \
    "  bfn eval bpd --model runs/book/best.safetensors --data book.txt --precision 0.01\n"                             \
    "  bfn eval bpd --model runs/fashion/best.safetensors --data /usr/share/datasets/fashion-mnist --steps 100\n"      \
    "  bfn eval bpd --model runs/fashion/best.safetensors --data /usr/share/datasets/fashion-mnist --ode"

const cli_command cli_eval_bpd = {
    "eval bpd",
    "bound on the negative log likelihood of text or images",
    "--model FILE --data PATH [options]",
    BPD_INTRO,
    bpd_options,
    sizeof bpd_options / sizeof bpd_options[0],
    BPD_EXAMPLES,
    run_bpd,
};

const cli_command cli_eval_bound = {
    "eval bound",
    "the same as bfn eval bpd",
    "--model FILE --data PATH [options]",
    BPD_INTRO,
    bpd_options,
    sizeof bpd_options / sizeof bpd_options[0],
    BPD_EXAMPLES,
    run_bpd,
};
