/* cmd_sample.c: bfn sample: text from a model, one sample a line on standard output and nothing else there; pictures are made by
 * sample_pictures.c.
 *
 * Sample i of a seed is the same whatever --n, --batch and --threads are, so --first continues where an earlier call ended. Samples are
 * made in chunks and written as they come; .npy needs its whole array first.
 */
#include "cmd_sample.h"
#include "sample_pictures.h"
#include "sample_record.h"
#include "signals.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AT(member) offsetof(sample_values, member)
const cli_option sample_options[] = {
    {"model", 'm', "FILE", CLI_TEXT, AT(model), 0, 0, NULL,
     "the model: a checkpoint of bfn train, export or convert, or a PyTorch .pt with --config"},
    CLI_CONFIG_OPTION(AT(config)),
    {"n", 'n', "N", CLI_SIZE, AT(n), 1, 1e9, NULL, "how many samples (default 1)"},
    {"seed", 's', "N", CLI_SEED, AT(seed), 0, 0, NULL, "seed (default 1); sample i of a seed is always the same"},
    {"first", 0, "I", CLI_SEED, AT(first), 0, 0, NULL, "number of the first sample (default 0)"},
    CLI_SOLVER_OPTIONS(AT(solver)),
    {"clip", 0, "KIND", CLI_CHOICE, AT(clip), 0, 0, "static|dynamic|off",
     "clipping of continuous predictions: static to the range of the data, dynamic to where 99.5 % of a sample's "
     "values are (default static)"},
    {"class", 0, "K", CLI_SIZE, AT(label), 0, 65535, NULL,
     "networks that are told classes: the class of all samples (default: all classes in turn)"},
    {"infill", 0, "WHAT", CLI_TEXT, AT(infill), 0, 0, NULL,
     "text: keep these characters, fill in each _ (a shorter pattern leaves the rest open); images: a PNG whose pixels "
     "are kept "
     "where --mask says so"},
    {"mask", 0, "FILE", CLI_TEXT, AT(mask), 0, 0, NULL,
     "images: a PNG as large as the model's; what is white in it is kept from --infill, what is black is filled in"},
    {"film", 0, NULL, CLI_FLAG, AT(film), 0, 0, NULL,
     "text: show it settling step by step (on standard error); images: beside FILE.png write FILE-film.png (animated) "
     "and "
     "FILE-strip.png"},
    {"preview", 0, NULL, CLI_FLAG, AT(preview), 0, 0, NULL,
     "images: show them in the terminal (half blocks in 24-bit colours, on standard error)"},
    {"output", 'o', "FILE", CLI_TEXT, AT(out), 0, 0, NULL,
     "write here; text: instead of to standard output; images: FILE.png, FILE.npy, FILE.npz or FOLDER/"},
    {"format", 0, "KIND", CLI_CHOICE, AT(format), 0, 0, SAMPLE_FORMATS,
     "text: txt (a sample a line, the default), jsonl (an object a line), npy (class indices [n, positions], needs "
     "-o); images: png "
     "(one grid), folder (a PNG each), npy and npz (bytes [n, height, width, channels]; npz: and classes, where the "
     "network is told them); default: by the ending of -o"},
    {"columns", 0, "N", CLI_SIZE, AT(columns), 1, 10000, NULL, "images: columns of the grid (default: a square)"},
    {"scale", 0, "N", CLI_SIZE, AT(scale), 1, 64, NULL,
     "images: enlarge every pixel of a grid so many times (default: sides of at least 56)"},
    {"batch", 0, "N", CLI_SIZE, AT(batch), 1, 4096, NULL,
     "samples a network call (default 8): speed and memory, not results"},
    {"threads", 0, "N", CLI_SIZE, AT(threads), 1, 1024, NULL, "CPU threads (default: all)"},
    {"precision", 0, "KIND", CLI_CHOICE, AT(precision), 0, 0, "default|f32|bf16",
     "arithmetic of the network (default: bf16 where the CPU has it; 3 x 3 convolutions stay f32)"},
    {"raw-weights", 0, NULL, CLI_FLAG, AT(raw), 0, 0, NULL, "the trained weights instead of their average"},
    {"allow-nonfinite", 0, NULL, CLI_FLAG, AT(nonfinite), 0, 0, NULL, "load weights that hold NaN or infinity"},
};

const size_t sample_n_options = sizeof sample_options / sizeof sample_options[0];
enum { SAMPLE_N_OPTIONS = sizeof sample_options / sizeof sample_options[0] };

/* ---- writing ---- */

/* A sample must stay on its line: line ends, tabs and other control characters are escaped. */
static void put_line(FILE *out, const char *text)
{
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0'; c++) {
        if (*c == '\n')
            fputs("\\n", out);
        else if (*c == '\t')
            fputs("\\t", out);
        else if (*c < 0x20 || *c == 0x7f)
            fprintf(out, "\\x%02x", *c);
        else
            fputc(*c, out);
    }
    fputc('\n', out);
}

static bfn_status put_sample(sample_run *r, size_t i)
{
    const int32_t *sample = r->samples + i * r->info.positions;
    bfn_status status = bfn_model_decode(r->model, sample, r->text);
    if (status != BFN_OK)
        return status;
    if (r->format == FORMAT_TXT) {
        put_line(r->out, r->text);
        return BFN_OK;
    }
    fprintf(r->out, "{\"i\":%" PRIu64 ",\"seed\":%" PRIu64 ",\"text\":", r->v->first + r->done + i, r->v->seed);
    cli_put_json(r->out, r->text);
    fputs("}\n", r->out);
    return BFN_OK;
}

static int fail_write(const sample_run *r)
{
    char safe[512];
    const char *name = r->v->out != NULL ? cli_safe(r->v->out, safe, sizeof safe) : "standard output";
    fprintf(stderr, "bfn %s: %s: cannot be written: %s\n", r->command->name, name, strerror(errno));
    return CLI_EXIT_WRITE;
}

static int open_output(sample_run *r)
{
    r->out = stdout;
    if (r->v->out == NULL)
        return 0;
    if (r->format == FORMAT_NPY)
        return cli_check_output(r->command, r->v->out);
    r->out = NULL;
    if (!cli_outfile_open(&r->outfile, r->v->out))
        return fail_write(r);
    r->out = r->outfile.file;
    return 0;
}

static int close_output(sample_run *r)
{
    bool good = r->outfile.file != NULL ? cli_outfile_commit(&r->outfile)
                                        : r->out == NULL || (fflush(r->out) == 0 && !ferror(r->out));
    return good ? 0 : fail_write(r);
}

/* ---- the run ---- */

static int on_step(void *user, const bfn_sample_step *step)
{
    sample_run *r = user;
    if (cli_signals_caught() != 0)
        return 1;
    if (r->film != NULL)
        return cli_film_step(r->film, step);
    if (r->pictures_film != NULL)
        sample_pictures_step(r, step);
    if (r->counting && step->row % 4 == 0) {
        size_t at = r->done + (size_t)(step->first - (r->v->first + r->done));
        fprintf(stderr, "\r\033[Ksampling: %zu of %zu, step %zu of %zu", at, r->v->n, step->row, step->n_rows);
        fflush(stderr);
        r->counted = true;
    }
    return 0;
}

static int sample_chunks(sample_run *r)
{
    bool whole = r->format == FORMAT_NPY;
    size_t chunk = whole ? r->v->n : r->v->batch * SAMPLE_CHUNK_BATCHES;
    for (r->done = 0; r->done < r->v->n;) {
        size_t n = r->v->n - r->done < chunk ? r->v->n - r->done : chunk;
        bfn_status status = bfn_model_sample(r->model, &r->solver, &r->sampler, r->v->first + r->done, n, r->samples);
        if (status != BFN_OK)
            return sample_failure(r, status);
        sample_end_counting(r);
        for (size_t i = 0; i < n && !whole; i++)
            if ((status = put_sample(r, i)) != BFN_OK)
                return sample_failure(r, status);
        if (!whole && (fflush(r->out) != 0 || ferror(r->out)))
            return fail_write(r);
        r->done += n;
    }
    if (!whole)
        return 0;
    bfn_status status = bfn_samples_save_npy(r->ctx, r->v->out, &r->info.flow, r->v->n, r->info.positions, r->samples);
    return status == BFN_OK ? 0 : sample_failure(r, status);
}

static int prepare_infill(sample_run *r)
{
    if (r->v->infill == NULL)
        return 0;
    r->known = calloc(r->info.positions, 1);
    r->known_values = calloc(r->info.positions, sizeof(int32_t));
    if (r->known == NULL || r->known_values == NULL)
        return sample_no_memory(r);
    bfn_status status = bfn_model_infill(r->model, r->v->infill, r->known, r->known_values);
    if (status == BFN_ERR_ARGUMENT)
        return cli_usage(r->command, "--infill: %s", bfn_errmsg(r->ctx));
    r->sampler.known = r->known;
    r->sampler.known_values = r->known_values;
    return status == BFN_OK ? 0 : sample_failure(r, status);
}

static int other_model(const sample_run *r)
{
    char safe[512], wanted[80];
    fprintf(stderr, "bfn %s: %s: its sha256 is %s, the samples were made with %s\n", r->command->name,
            cli_safe(r->v->model, safe, sizeof safe), r->info.checksum,
            cli_safe(r->v->wanted_sha256, wanted, sizeof wanted));
    return (int)BFN_ERR_INPUT;
}

static bool is_given(const sample_values *v, const char *name)
{
    for (size_t i = 0; i < SAMPLE_N_OPTIONS; i++)
        if (strcmp(sample_options[i].name, name) == 0)
            return v->given[i];
    return false;
}

/* What the model's configuration wants where no option says anything. Who names a method or its length means all of it. */
static bool own_solver(const sample_values *v)
{
    static const char *const names[] = {"method", "nfe", "steps", "grid", "last", "prediction", "noise", "corrector"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (is_given(v, names[i]))
            return true;
    return false;
}

static int take_defaults(sample_run *r)
{
    const bfn_sampling_defaults *d = &r->info.sampling;
    sample_values *v = r->v;
    if (v->given == NULL)
        return 0;
    if (!is_given(v, "n") && d->n > 0)
        v->n = d->n;
    if (!is_given(v, "seed"))
        v->seed = d->seed;
    if (d->method[0] == '\0' || own_solver(v))
        return 0;
    v->solver.method = d->method;
    v->solver.nfe = d->n_evaluations;
    v->solver.steps = d->n_evaluations > 0 ? 0 : d->n_steps;
    v->solver.last = (int)d->last;
    v->solver.prediction = (int)d->prediction;
    if (!is_given(v, "eta") && d->eta >= 0.0)
        v->solver.eta = d->eta;
    if (!is_given(v, "start"))
        v->solver.start = (int)d->start;
    v->solver.grid = d->grid == BFN_GRID_LOGSNR ? "logsnr" : d->grid == BFN_GRID_TIME ? "time" : "default";
    if (!cli_solver_resolve(r->command, r->ctx, &v->solver, &r->solver))
        return CLI_EXIT_USAGE;
    return cli_solver_check(r->command, r->ctx, &r->solver, "sampling");
}

static int load(sample_run *r)
{
    sample_values *v = r->v;
    bfn_model_options o = BFN_MODEL_OPTIONS_INIT;
    o.precision = (bfn_precision)v->precision;
    o.raw_weights = v->raw;
    o.allow_nonfinite = v->nonfinite;
    o.config_path = v->config;
    bfn_status status = bfn_model_load(r->ctx, &r->model, v->model, &o);
    if (status == BFN_OK && v->label != SIZE_MAX)
        status = bfn_model_set_label(r->model, (int)v->label);
    if (status == BFN_ERR_ARGUMENT && r->model != NULL)
        return cli_usage(r->command, "--%s", bfn_errmsg(r->ctx));
    if (status != BFN_OK)
        return cli_fail(r->command, r->ctx, status);
    bfn_model_get_info(r->model, &r->info);
    if (v->wanted_sha256 != NULL && strcmp(v->wanted_sha256, r->info.checksum) != 0)
        return other_model(r);
    if (v->clip != 0 && r->info.flow.kind != BFN_DATA_CONTINUOUS)
        return cli_usage(r->command,
                         "--clip: the predictions of %s are within the data's range, there is nothing to clip",
                         v->model);
    int code = take_defaults(r);
    if (code != 0)
        return code;
    bfn_model_resolve(r->model, &r->solver);
    r->sampler = (bfn_sampler_options)BFN_SAMPLER_OPTIONS_INIT;
    r->sampler.seed = v->seed;
    r->sampler.batch = v->batch;
    r->sampler.clip = (bfn_clip)v->clip;
    r->sampler.step = on_step;
    r->sampler.step_user = r;
    r->counting = cli_is_terminal(STDERR_FILENO);
    return 0;
}

/* Options that mean nothing for text are mistakes. */
static int text_format(sample_run *r)
{
    const sample_values *v = r->v;
    r->format = v->format == FORMAT_AUTO ? FORMAT_TXT : (sample_format)v->format;
    if (r->format == FORMAT_PNG || r->format == FORMAT_FOLDER || r->format == FORMAT_NPZ)
        return cli_usage(r->command, "--format: %s is a text model: it has txt, jsonl and npy", v->model);
    if (v->mask != NULL || v->preview || v->columns > 0 || v->scale > 0)
        return cli_usage(r->command, "--%s: %s is a text model",
                         v->mask != NULL ? "mask"
                         : v->preview    ? "preview"
                         : v->scale > 0  ? "scale"
                                         : "columns",
                         v->model);
    return 0;
}

static int prepare_text(sample_run *r)
{
    const sample_values *v = r->v;
    size_t chunk = v->batch * SAMPLE_CHUNK_BATCHES, n = r->format == FORMAT_NPY || v->n < chunk ? v->n : chunk;
    r->samples =
        n <= SIZE_MAX / sizeof(int32_t) / r->info.positions ? calloc(n * r->info.positions, sizeof(int32_t)) : NULL;
    r->text = malloc(4 * r->info.positions + 1);
    if (r->samples == NULL || r->text == NULL)
        return sample_no_memory(r);
    int code = prepare_infill(r);
    if (code == 0 && v->film && (r->film = cli_film_create(r->model, r->known)) == NULL)
        return cli_usage(r->command, "--film: needs a text model");
    r->counting = r->counting && !v->film;
    return code;
}

static int sample_text(sample_run *r)
{
    int code = text_format(r);
    if (code == 0)
        code = prepare_text(r);
    if (code == 0)
        code = sample_record(r);
    if (code == 0)
        code = open_output(r);
    if (code == 0)
        code = sample_chunks(r);
    if (code == 0)
        code = close_output(r);
    cli_outfile_abort(&r->outfile); /* where it was not committed */
    if (code == 0 && r->v->out != NULL)
        code = sample_record_beside(r);
    cli_film_destroy(r->film);
    free(r->samples);
    free(r->text);
    return code;
}

static int usage_errors(sample_run *r, sample_values *v)
{
    if (v->model == NULL)
        return cli_usage(r->command, "--model FILE is missing");
    if ((v->format == FORMAT_NPY || v->format == FORMAT_NPZ) && v->out == NULL)
        return cli_usage(r->command, "--format %s: needs -o FILE", v->format == FORMAT_NPY ? "npy" : "npz");
    if (v->mask != NULL && v->infill == NULL)
        return cli_usage(r->command, "--mask: needs --infill FILE.png");
    if (v->first > UINT64_MAX - v->n)
        return cli_usage(r->command, "--first: found %" PRIu64 ", needs at most 2^64 - n", v->first);
    if (!cli_solver_resolve(r->command, r->ctx, &v->solver, &r->solver))
        return CLI_EXIT_USAGE;
    return cli_solver_check(r->command, r->ctx, &r->solver, "--method");
}

int sample_run_values(const cli_command *command, sample_values *v)
{
    sample_run r = {.command = command, .v = v};
    if (v->out != NULL) /* an interruption leaves no half of a file */
        (void)cli_signals_watch();
    bfn_status status = cli_context(command, v->threads, &r.ctx);
    if (status != BFN_OK)
        return (int)status;
    int code = usage_errors(&r, v);
    if (code == 0)
        code = load(&r);
    if (code == 0)
        code = r.info.channels > 0 ? sample_pictures(&r) : sample_text(&r);
    free(r.known);
    free(r.known_values);
    bfn_record_destroy(r.record);
    bfn_model_destroy(r.model);
    bfn_context_destroy(r.ctx);
    return code;
}

static int run(const cli_command *command, int argc, char **argv)
{
    sample_values v = SAMPLE_VALUES_INIT;
    bool given[SAMPLE_N_OPTIONS] = {false};
    size_t n_operands;
    v.given = given;
    if (!cli_parse(command, argc, argv, &v, given, 0, &n_operands))
        return CLI_EXIT_USAGE;
    return sample_run_values(command, &v);
}

const cli_command cli_command_sample = {
    "sample",
    "draw text or images from a model",
    "--model FILE [options]",
    "Text: prints one sample a line on standard output and nothing else there. Images: writes what -o names: a grid\n"
    "as PNG (with settings, seed and the model's checksum in its text), a folder of PNG files, or .npy and .npz.\n"
    "Sample I of a seed is the same for any --n, --batch and --threads. More evaluations (--nfe) make better\n"
    "samples; sde2m and ode2m need few, bfn (the original sampler) needs many. `bfn plan` shows the numbers behind\n"
    "a method, `bfn compare` puts images of several methods into one picture. Files hold what made them, in the\n"
    "format's own place (PNG, .npz) or in FILE.json beside them; `bfn repro FILE` makes them again and compares.",
    sample_options,
    sizeof sample_options / sizeof sample_options[0],
    "  bfn sample --model models/text8-small.safetensors --method sde2m --nfe 10 --n 8\n"
    "  bfn sample --model m.safetensors --method ode2m --corrector --nfe 20 --film\n"
    "  bfn sample --model m.safetensors --infill \"the ____ of the\" --n 5\n"
    "  bfn sample --model m.safetensors --n 1000 --format npy -o samples.npy\n"
    "  bfn sample --model images.safetensors --n 64 --nfe 20 -o grid.png --preview\n"
    "  bfn sample --model images.safetensors --n 16 --nfe 50 -o grid.png --film\n"
    "  bfn sample --model images.safetensors --n 10000 --batch 64 -o samples.npz\n"
    "  bfn sample --model images.safetensors --infill half.png --mask mask.png --n 9 -o filled.png",
    run,
};
