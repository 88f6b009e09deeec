/* eval_fid.c: bfn eval fid: Fréchet and kernel distance of samples to reference pictures, in the features of Inception-v3 (FID) or of a small classifier.
 *
 * Beside the samples stand the reference's own test pictures: the distance that pictures of the same kind have, and below which no model can be
 * expected to come. Every setting and checksum that made the numbers is printed with them.
 */
#include "cli.h"
#include "eval.h"
#include "made_with.h"
#include "solver_options.h"

#include "bfn/eval.h"
#include "bfn/picture.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct fid_values {
    const char *model, *config, *samples, *data, *stats, *weights, *features, *save_stats;
    int resize, json, raw, precision, clip;
    size_t n, n_data, batch, threads, subset, label; /* label SIZE_MAX: not given */
    uint64_t seed, first;
    cli_solver_values solver;
} fid_values;

#define AT(member) offsetof(fid_values, member)
static const cli_option options[] = {
    {"model", 'm', "FILE", CLI_TEXT, AT(model), 0, 0, NULL, "image model whose samples are measured"},
    CLI_CONFIG_OPTION(AT(config)),
    {"samples", 's', "PATH", CLI_TEXT, AT(samples), 0, 0, NULL,
     "measure these pictures instead: a folder of PNG, .npy or .npz of bytes, IDX, CIFAR-10"},
    {"data", 'd', "PATH", CLI_TEXT, AT(data), 0, 0, NULL,
     "reference pictures: its training pictures are the reference, its test pictures give the floor"},
    {"stats", 0, "FILE.npz", CLI_TEXT, AT(stats), 0, 0, NULL,
     "statistics of the reference (mu, sigma) instead of --data"},
    {"save-stats", 0, "FILE.npz", CLI_TEXT, AT(save_stats), 0, 0, NULL, "write the statistics of --data for --stats"},
    {"weights", 0, "FILE", CLI_TEXT, AT(weights), 0, 0, NULL,
     "weights of Inception-v3 as pytorch-fid has them (.pth or .safetensors): FID"},
    {"features", 0, "FILE", CLI_TEXT, AT(features), 0, 0, NULL,
     "a small classifier (bfn classifier makes one) instead: Fréchet distance in classifier features"},
    {"resize", 0, "WAY", CLI_CHOICE, AT(resize), 0, 0, "torch|tf1",
     "Inception-v3: bilinear to 299 x 299 as torch (default) or as TensorFlow 1 does it"},
    {"n", 'n', "N", CLI_SIZE, AT(n), 2, 1e7, NULL, "samples (default 10000; of --samples: all)"},
    {"n-data", 0, "N", CLI_SIZE, AT(n_data), 2, 1e7, NULL,
     "reference pictures, spread over the training pictures (default: all)"},
    {"subset", 0, "N", CLI_SIZE, AT(subset), 2, 1e5, NULL, "pictures a subset of the kernel distance (default 1000)"},
    CLI_SOLVER_OPTIONS(AT(solver)),
    {"seed", 0, "N", CLI_SEED, AT(seed), 0, 0, NULL, "seed of the samples (default 1)"},
    {"first", 0, "I", CLI_SEED, AT(first), 0, 0, NULL, "number of the first sample (default 0)"},
    {"clip", 0, "KIND", CLI_CHOICE, AT(clip), 0, 0, "static|dynamic|off",
     "clipping of continuous predictions, as bfn sample has it (default static)"},
    {"class", 0, "K", CLI_SIZE, AT(label), 0, 65535, NULL,
     "networks that are told classes: the class of all samples (default: all classes in turn)"},
    {"precision", 0, "KIND", CLI_CHOICE, AT(precision), 0, 0, "default|f32|bf16",
     "arithmetic of the model's network (default: bf16 where the CPU has it; 3 x 3 convolutions stay f32)"},
    {"batch", 0, "N", CLI_SIZE, AT(batch), 1, 4096, NULL, "samples a network call (default 32)"},
    {"raw-weights", 0, NULL, CLI_FLAG, AT(raw), 0, 0, NULL, "the trained weights instead of their average"},
    {"threads", 0, "N", CLI_SIZE, AT(threads), 1, 1024, NULL, "CPU threads (default: all)"},
    {"json", 0, NULL, CLI_FLAG, AT(json), 0, 0, NULL, "one JSON object instead of text"},
};
#undef AT

typedef struct fid_run {
    const cli_command *command;
    fid_values *v;
    bfn_context *ctx;
    bfn_features *net;
    bfn_features_info net_info;
    bfn_images *reference;
    bfn_images_info data;
    bfn_solver_options solver;
    bfn_model *model;
    bfn_model_info model_info;
    bfn_record *made_with; /* of a model's samples, or what their file says; NULL: not known */
    char samples_sha256[65];
    bfn_feature_stats *of_samples, *of_reference, *of_test;
    bfn_frechet result, floor; /* floor: test pictures to the reference; n[0] == 0: none */
    double seconds;
    bool counting;
} fid_run;

static void count(const fid_run *r, const char *what, size_t done, size_t total)
{
    if (r->counting)
        fprintf(stderr, "\r%zu of %zu %s%s", done, total, what, done == total ? "\r\033[K" : "");
}

/* ---- features of pictures ---- */

/* n pictures, spread evenly over all that there are, a block at a time. */
static bfn_status add_pictures(const fid_run *r, const bfn_images *images, size_t n, const char *what,
                               bfn_feature_stats *stats)
{
    enum { BLOCK = 256 };
    bfn_images_info info;
    bfn_images_get_info(images, &info);
    size_t D = info.height * info.width * info.channels;
    uint8_t *pixels = malloc(BLOCK * D);
    bfn_status status = pixels != NULL ? BFN_OK : BFN_ERR_MEMORY;
    for (size_t i = 0; status == BFN_OK && i < n; i += BLOCK) {
        size_t block = n - i < BLOCK ? n - i : BLOCK;
        for (size_t j = 0; j < block; j++)
            memcpy(pixels + j * D, bfn_images_item(images, (size_t)((double)(i + j) * (double)info.n / (double)n)), D);
        status = bfn_features_add(r->net, stats, block, info.height, info.width, info.channels, pixels);
        count(r, what, i + block, n);
    }
    free(pixels);
    return status;
}

static bfn_status stats_of(const fid_run *r, const bfn_images *images, size_t n, const char *what,
                           bfn_feature_stats **stats)
{
    bfn_status status = bfn_feature_stats_create(r->ctx, stats, r->net_info.n_features, 1);
    return status == BFN_OK ? add_pictures(r, images, n, what, *stats) : status;
}

static bfn_status add_samples(fid_run *r)
{
    const fid_values *v = r->v;
    const bfn_model_info *m = &r->model_info;
    size_t D = m->positions, chunk = 4 * v->batch;
    bfn_sampler_options sampler = BFN_SAMPLER_OPTIONS_INIT;
    sampler.seed = v->seed;
    sampler.batch = v->batch;
    sampler.clip = (bfn_clip)v->clip;
    void *samples = calloc(chunk * D, sizeof(float));
    uint8_t *pixels = malloc(chunk * D);
    bfn_status status = samples != NULL && pixels != NULL ? BFN_OK : BFN_ERR_MEMORY;
    if (status == BFN_OK)
        status = bfn_feature_stats_create(r->ctx, &r->of_samples, r->net_info.n_features, 1);
    double start = cli_seconds();
    for (size_t i = 0; status == BFN_OK && i < v->n; i += chunk) {
        size_t n = v->n - i < chunk ? v->n - i : chunk;
        status = bfn_model_sample(r->model, &r->solver, &sampler, v->first + i, n, samples);
        if (status != BFN_OK)
            break;
        bfn_samples_to_pixels(&m->flow, n * D, samples, pixels);
        status = bfn_features_add(r->net, r->of_samples, n, m->height, m->width, m->channels, pixels);
        count(r, "samples", i + n, v->n);
    }
    r->seconds = cli_seconds() - start;
    free(samples);
    free(pixels);
    return status;
}

static bfn_status load_model(fid_run *r)
{
    const fid_values *v = r->v;
    bfn_model_options o = BFN_MODEL_OPTIONS_INIT;
    o.precision = (bfn_precision)v->precision;
    o.raw_weights = v->raw;
    o.config_path = v->config;
    bfn_status status = bfn_model_load(r->ctx, &r->model, v->model, &o);
    return status == BFN_OK && v->label != SIZE_MAX ? bfn_model_set_label(r->model, (int)v->label) : status;
}

/* Before anything is computed: what the model and its sampler have against the options. */
static int open_model(fid_run *r)
{
    const fid_values *v = r->v;
    bfn_status status = load_model(r);
    if (status == BFN_ERR_ARGUMENT && r->model != NULL)
        return cli_usage(r->command, "--%s", bfn_errmsg(r->ctx));
    if (status != BFN_OK)
        return cli_fail(r->command, r->ctx, status);
    bfn_model_get_info(r->model, &r->model_info);
    if (r->model_info.channels == 0)
        return cli_usage(r->command, "--model: %s is a text model", v->model);
    if (v->clip != 0 && r->model_info.flow.kind != BFN_DATA_CONTINUOUS)
        return cli_usage(r->command,
                         "--clip: the predictions of %s are within the data's range, there is nothing to clip",
                         v->model);
    bfn_model_resolve(r->model, &r->solver);
    const cli_made_with made = {.path = v->model,
                                .model = r->model,
                                .solver = &r->solver,
                                .clip = (bfn_clip)v->clip,
                                .seed = v->seed,
                                .first = v->first,
                                .n = v->n,
                                .batch = v->batch,
                                .label = v->label};
    status = cli_made_with_record(r->ctx, &made, &r->made_with);
    return status == BFN_OK ? 0 : cli_solver_failure(r->command, r->ctx, status, "--method");
}

static bfn_status read_samples(fid_run *r)
{
    bfn_images *images;
    bfn_images_info info;
    bfn_status status = bfn_images_open(r->ctx, &images, r->v->samples, BFN_IMAGES_ALL);
    if (status != BFN_OK)
        return status;
    bfn_images_get_info(images, &info);
    memcpy(r->samples_sha256, info.checksum, strnlen(info.checksum, sizeof r->samples_sha256 - 1));
    size_t n = r->v->n > 0 && r->v->n < info.n ? r->v->n : info.n;
    status = stats_of(r, images, n, "samples", &r->of_samples);
    bfn_images_close(images);
    return status == BFN_OK ? bfn_record_find(r->ctx, &r->made_with, r->v->samples) : status;
}

/* ---- the reference ---- */

static bfn_status read_floor(fid_run *r, size_t n_most)
{
    if (r->data.n_test < 2)
        return BFN_OK;
    bfn_images *test;
    bfn_status status = bfn_images_open(r->ctx, &test, r->v->data, BFN_IMAGES_OF_TEST);
    if (status != BFN_OK)
        return status;
    status = stats_of(r, test, r->data.n_test < n_most ? r->data.n_test : n_most, "test pictures", &r->of_test);
    bfn_images_close(test);
    return status;
}

static bfn_status read_data(fid_run *r)
{
    bfn_status status = bfn_images_open(r->ctx, &r->reference, r->v->data, BFN_IMAGES_OF_TRAIN);
    if (status != BFN_OK)
        return status;
    bfn_images_get_info(r->reference, &r->data);
    size_t n = r->v->n_data > 0 && r->v->n_data < r->data.n ? r->v->n_data : r->data.n;
    status = stats_of(r, r->reference, n, "reference pictures", &r->of_reference);
    if (status == BFN_OK && r->v->save_stats != NULL)
        status = bfn_feature_stats_save(r->of_reference, r->v->save_stats, r->net_info.checksum);
    return status;
}

static int read_reference(fid_run *r)
{
    bfn_status status =
        r->v->stats != NULL ? bfn_feature_stats_load(r->ctx, &r->of_reference, r->v->stats) : read_data(r);
    if (status != BFN_OK)
        return cli_fail(r->command, r->ctx, status);
    bfn_feature_stats_info info;
    bfn_feature_stats_get_info(r->of_reference, &info);
    if (info.network[0] != '\0' && strcmp(info.network, r->net_info.checksum) != 0)
        return cli_usage(r->command, "--stats: %s was made with the network %.12s, here it is %.12s", r->v->stats,
                         info.network, r->net_info.checksum);
    if (info.n_features != r->net_info.n_features)
        return cli_usage(r->command, "--stats: %s has %zu features, the network %zu", r->v->stats, info.n_features,
                         r->net_info.n_features);
    return 0;
}

static int compare(fid_run *r)
{
    bfn_frechet_options o = BFN_FRECHET_OPTIONS_INIT;
    o.kernel_subset = r->v->subset;
    bfn_status status = bfn_eval_frechet(r->ctx, r->of_samples, r->of_reference, &o, &r->result);
    if (status == BFN_OK && r->v->data != NULL)
        status = read_floor(r, r->result.n[0]);
    if (status == BFN_OK && r->of_test != NULL)
        status = bfn_eval_frechet(r->ctx, r->of_test, r->of_reference, &o, &r->floor);
    return status == BFN_OK ? 0 : cli_fail(r->command, r->ctx, status);
}

/* ---- what is printed ---- */

static void print_row(const char *label, const bfn_frechet *f)
{
    char error[32] = "", kernel[64] = "-";
    if (isfinite(f->standard_error))
        snprintf(error, sizeof error, "± %.3f", f->standard_error);
    if (isfinite(f->kernel_error))
        snprintf(kernel, sizeof kernel, "%.3f ± %.3f", 1e3 * f->kernel, 1e3 * f->kernel_error);
    else if (isfinite(f->kernel))
        snprintf(kernel, sizeof kernel, "%.3f", 1e3 * f->kernel);
    printf("  %-14s %8zu   %10.3f %-9s   %s\n", label, f->n[0], f->distance, error, kernel);
}

static void print_model(const fid_run *r)
{
    const fid_values *v = r->v;
    const bfn_record *m = r->made_with;
    char safe[512];
    const char *clip = bfn_record_get(m, "clip"), *label = bfn_record_get(m, "class");
    const char *config = r->model_info.config_checksum;
    printf("  samples      %s, sha256 %.12s%s%.12s: %s%s, %s evaluations, grid %s, eta %s, seed %s\n",
           cli_safe(v->model, safe, sizeof safe), r->model_info.checksum, config[0] != '\0' ? ", config sha256 " : "",
           config, bfn_record_get(m, "method"), bfn_record_get(m, "corrector") != NULL ? " with corrector" : "",
           bfn_record_get(m, "evaluations"), bfn_record_get(m, "grid"), bfn_record_get(m, "eta"),
           bfn_record_get(m, "seed"));
    printf("               samples %" PRIu64 " to %" PRIu64 "%s%s, start %s, %s%s%s, %s, weights %s\n", v->first,
           v->first + (v->n - 1), label != NULL ? ", class " : "", label != NULL ? label : "",
           bfn_record_get(m, "start"), clip != NULL ? "clip " : "", clip != NULL ? clip : "",
           clip != NULL ? "" : "no clip", bfn_record_get(m, "precision"), bfn_record_get(m, "weights"));
}

static void print_text(const fid_run *r)
{
    const fid_values *v = r->v;
    bfn_feature_stats_info reference;
    bfn_feature_stats_get_info(r->of_reference, &reference);
    char accuracy[48] = "", a[512], b[512];
    if (isfinite(r->net_info.accuracy))
        snprintf(accuracy, sizeof accuracy, " (%.2f %% of its test pictures right)", 100.0 * r->net_info.accuracy);
    printf("%s%s\n", r->net_info.distance,
           r->net_info.is_inception ? "" : ": not FID, comparable in these features alone");
    printf("  features     %s%s, %zu, sha256 %.12s, input %s\n", cli_safe(r->net_info.name, a, sizeof a), accuracy,
           r->net_info.n_features, r->net_info.checksum, r->net_info.input);
    if (v->model != NULL)
        print_model(r);
    else
        printf("  samples      %s, sha256 %.12s\n", cli_safe(v->samples, a, sizeof a), r->samples_sha256);
    if (v->stats != NULL)
        printf("  reference    %s, sha256 %.12s\n\n", cli_safe(v->stats, a, sizeof a), reference.checksum);
    else
        printf("  reference    %s, %s, sha256 %.12s: %zu training pictures\n\n", cli_safe(v->data, a, sizeof a),
               cli_safe(r->data.name, b, sizeof b), r->data.checksum, reference.n);
    printf("  %-14s %8s   %-20s   %s\n", "", "pictures", "Fréchet distance", "kernel distance x 1000");
    print_row("samples", &r->result);
    if (r->of_test != NULL)
        print_row("test pictures", &r->floor);
}

static void print_number(const char *key, double value)
{
    if (isfinite(value))
        printf(", \"%s\": %.9g", key, value);
    else
        printf(", \"%s\": null", key);
}

static void print_distance(const bfn_frechet *f)
{
    printf("{\"n\": %zu, \"n_reference\": %zu", f->n[0], f->n[1]);
    print_number("distance", f->distance);
    print_number("standard_error", f->standard_error);
    print_number("of_means", f->of_means);
    print_number("kernel", f->kernel);
    print_number("kernel_standard_error", f->kernel_error);
    printf(", \"kernel_subsets\": %zu, \"kernel_subset\": %zu, \"small_n_form\": %s}", f->n_subsets, f->subset,
           f->exact_small ? "true" : "false");
}

/* Everything that the samples depend on, under the names of bfn/record.h. */
static void print_samples(const fid_run *r)
{
    const fid_values *v = r->v;
    char safe[4096];
    printf(", \"samples\": ");
    if (v->model != NULL) {
        cli_put_record(stdout, r->made_with);
        printf(", \"seconds\": %.3f", r->seconds);
        return;
    }
    printf("{\"path\": \"%s\", \"sha256\": \"%s\"", cli_safe(v->samples, safe, sizeof safe), r->samples_sha256);
    if (r->made_with != NULL) {
        printf(", \"made_with\": ");
        cli_put_record(stdout, r->made_with);
    }
    printf("}");
}

static void print_json(const fid_run *r)
{
    const fid_values *v = r->v;
    const bfn_features_info *net = &r->net_info;
    bfn_feature_stats_info reference;
    bfn_feature_stats_get_info(r->of_reference, &reference);
    char a[4096], b[512];
    printf("{\"metric\": \"%s\", \"result\": ", net->distance);
    print_distance(&r->result);
    if (r->of_test != NULL) {
        printf(", \"floor_of_test_pictures\": ");
        print_distance(&r->floor);
    }
    printf(", \"features\": {\"name\": \"%s\", \"sha256\": \"%s\", \"size\": %zu, \"input\": \"%s\"",
           cli_safe(net->name, a, sizeof a), net->checksum, net->n_features, net->input);
    print_number("accuracy", net->accuracy);
    printf("}");
    print_samples(r);
    if (v->stats != NULL)
        printf(", \"reference\": {\"stats\": \"%s\", \"sha256\": \"%s\"}", cli_safe(v->stats, a, sizeof a),
               reference.checksum);
    else
        printf(", \"reference\": {\"data\": \"%s\", \"name\": \"%s\", \"sha256\": \"%s\", \"split\": \"train\"}",
               cli_safe(v->data, a, sizeof a), cli_safe(r->data.name, b, sizeof b), r->data.checksum);
    printf(", \"version\": \"%s\", \"backend\": \"%s\"}\n", bfn_version(), bfn_backend());
}

/* ---- the command ---- */

static int usage_errors(fid_run *r)
{
    const fid_values *v = r->v;
    if ((v->model == NULL) == (v->samples == NULL))
        return cli_usage(r->command, "one of --model FILE and --samples PATH is wanted");
    if ((v->data == NULL) == (v->stats == NULL))
        return cli_usage(r->command, "one of --data PATH and --stats FILE.npz is wanted");
    if (v->weights == NULL && v->features == NULL)
        return cli_usage(
            r->command,
            "--weights FILE is missing: FID needs pt_inception-2015-12-05-6726825d.pth (96 MB; its sha256 begins with "
            "6726825d), from the release \"fid_weights\" of github.com/mseitzer/pytorch-fid; or take --features FILE, "
            "a small classifier");
    if (v->weights != NULL && v->features != NULL)
        return cli_usage(r->command, "--weights and --features: only one of them can be given");
    if (v->save_stats != NULL && v->data == NULL)
        return cli_usage(r->command, "--save-stats: needs --data");
    if (v->model == NULL && (v->clip != 0 || v->label != SIZE_MAX || v->precision != 0 || v->config != NULL))
        return cli_usage(r->command, "--%s: is for --model",
                         v->clip != 0           ? "clip"
                         : v->label != SIZE_MAX ? "class"
                         : v->precision != 0    ? "precision"
                                                : "config");
    if (v->first > UINT64_MAX - v->n)
        return cli_usage(r->command, "--first: found %llu, needs at most 2^64 - n", (unsigned long long)v->first);
    if (!cli_solver_resolve(r->command, r->ctx, &r->v->solver, &r->solver))
        return CLI_EXIT_USAGE;
    return cli_solver_check(r->command, r->ctx, &r->solver, "--method");
}

static int open_network(fid_run *r)
{
    const fid_values *v = r->v;
    bfn_features_options o = BFN_FEATURES_OPTIONS_INIT;
    o.resize = (bfn_resize)v->resize;
    bfn_status status = bfn_features_open(r->ctx, &r->net, v->weights != NULL ? v->weights : v->features, &o);
    if (status != BFN_OK)
        return cli_fail(r->command, r->ctx, status);
    bfn_features_get_info(r->net, &r->net_info);
    if (r->net_info.is_inception != (v->weights != NULL))
        return cli_usage(r->command,
                         v->weights != NULL ? "--weights: %s is a small classifier: give it as --features"
                                            : "--features: %s is Inception-v3: give it as --weights",
                         v->weights != NULL ? v->weights : v->features);
    return 0;
}

static void warn_few(const fid_run *r)
{
    if (r->result.n[0] < BFN_FRECHET_FEW || (r->result.n[1] > 0 && r->result.n[1] < BFN_FRECHET_FEW))
        fprintf(stderr,
                "bfn %s: warning: %zu samples: below %d the Fréchet distance is mostly bias, compare it only with the "
                "same number\n",
                r->command->name, r->result.n[0], (int)BFN_FRECHET_FEW);
}

static int measure(fid_run *r)
{
    int code = r->v->save_stats != NULL ? cli_check_output(r->command, r->v->save_stats) : 0;
    if (code == 0)
        code = open_network(r);
    if (code == 0 && r->v->model != NULL)
        code = open_model(r);
    if (code == 0)
        code = read_reference(r);
    if (code == 0) {
        bfn_status status = r->v->model != NULL ? add_samples(r) : read_samples(r);
        code = status == BFN_OK ? 0 : cli_fail(r->command, r->ctx, status);
    }
    if (code == 0)
        code = compare(r);
    if (code != 0)
        return code;
    warn_few(r);
    if (r->v->json)
        print_json(r);
    else
        print_text(r);
    return cli_flush(r->command);
}

static int run(const cli_command *command, int argc, char **argv)
{
    fid_values v = {.seed = 1, .batch = 32, .label = SIZE_MAX, .solver = CLI_SOLVER_VALUES_INIT};
    size_t n_operands;
    if (!cli_parse(command, argc, argv, &v, NULL, 0, &n_operands))
        return CLI_EXIT_USAGE;
    if (v.model != NULL && v.n == 0)
        v.n = 10000;
    fid_run r = {.command = command, .v = &v, .counting = cli_is_terminal(STDERR_FILENO)};
    bfn_status status = cli_context(command, v.threads, &r.ctx);
    if (status != BFN_OK)
        return (int)status;
    int code = usage_errors(&r);
    if (code == 0)
        code = measure(&r);
    bfn_feature_stats_destroy(r.of_samples);
    bfn_feature_stats_destroy(r.of_reference);
    bfn_feature_stats_destroy(r.of_test);
    bfn_images_close(r.reference);
    bfn_features_close(r.net);
    bfn_record_destroy(r.made_with);
    bfn_model_destroy(r.model);
    bfn_context_destroy(r.ctx);
    return code;
}

const cli_command cli_eval_fid = {
    "eval fid",
    "Fréchet and kernel distance of pictures to a reference",
    "(--model FILE | --samples PATH) (--data PATH | --stats FILE.npz)\n"
    "                    (--weights INCEPTION | --features CLASSIFIER) [options]",
    "With the weights of Inception-v3 (yours; they are not shipped) the Fréchet distance is FID. In the features of a\n"
    "small classifier (models/features-*.safetensors, or one of your own from bfn classifier) it is another number,\n"
    "never to be compared with FID. Test pictures of --data, measured like the samples, give the floor. ± is one\n"
    "standard error of the choice of pictures; the bias of a Fréchet distance of few pictures is not in it.",
    options,
    sizeof options / sizeof options[0],
    "  bfn eval fid --model runs/fashion/best.safetensors --data /usr/share/datasets/fashion-mnist \\\n"
    "      --features models/features-fashion-mnist.safetensors --n 10000 --method sde2m --nfe 20\n"
    "  bfn eval fid --samples samples.npz --stats cifar10.npz --weights pt_inception-2015-12-05-6726825d.pth",
    run,
};
