/* cmd_repro.c: bfn repro: makes a file of bfn sample again from its own record, and compares the bytes.
 *
 * The record becomes the options of bfn sample through a closed table, so that a file cannot name any other option (where to write, say); each
 * value is judged by the same parser. The new file goes to a folder of its own for temporary files, which is removed.
 */
#include "cmd_sample.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct repro_values {
    const char *model, *config;
    size_t batch, threads;
} repro_values;

#define AT(member) offsetof(repro_values, member)
static const cli_option options[] = {
    {"model", 'm', "FILE", CLI_TEXT, AT(model), 0, 0, NULL,
     "where the model is now (default: where it was, as the record says)"},
    {"config", 0, "FILE", CLI_TEXT, AT(config), 0, 0, NULL,
     "the configuration of a model that carries none (default: the one in the record)"},
    {"batch", 0, "N", CLI_SIZE, AT(batch), 1, 4096, NULL, "samples a network call (default 8): speed, not results"},
    {"threads", 0, "N", CLI_SIZE, AT(threads), 1, 1024, NULL, "CPU threads (default: all)"},
};
#undef AT

enum { PATH_BYTES = 4096, MAX_WORDS = 64 };

/* Entries of a record that are options of bfn sample; `only`: a flag, given when the value is this. */
static const struct {
    const char *key, *option, *only;
} entries[] = {
    {"method", "--method", NULL},
    {"corrector", "--corrector", "on"},
    {"steps", "--steps", NULL},
    {"grid", "--grid", NULL},
    {"eta", "--eta", NULL},
    {"start", "--start", NULL},
    {"last", "--last", NULL},
    {"prediction", "--prediction", NULL},
    {"noise", "--noise", NULL},
    {"clip", "--clip", NULL},
    {"seed", "--seed", NULL},
    {"first", "--first", NULL},
    {"n", "--n", NULL},
    {"class", "--class", NULL},
    {"format", "--format", NULL},
    {"precision", "--precision", NULL},
    {"weights", "--raw-weights", "raw"},
    {"allow_nonfinite", "--allow-nonfinite", "yes"},
    {"infill", "--infill", NULL},
    {"mask", "--mask", NULL},
    {"columns", "--columns", NULL},
    {"scale", "--scale", NULL},
};
enum { N_ENTRIES = sizeof entries / sizeof entries[0] };

typedef struct repro_run {
    const cli_command *command;
    const repro_values *v;
    const char *path;
    bfn_context *ctx;
    bfn_record *record;
    char folder[PATH_BYTES], made[PATH_BYTES + 64]; /* where it is made again */
    char config[PATH_BYTES + 64];                   /* "", or a file with the record's configuration */
} repro_run;

static int fail(const repro_run *r, int code, const char *what)
{
    char safe[512], line[1024];
    fprintf(stderr, "bfn %s: %s: %s\n", r->command->name, cli_safe(r->path, safe, sizeof safe),
            cli_safe(what, line, sizeof line));
    return code;
}

/* ---- the record as options ---- */

static const char *get(const repro_run *r, const char *key)
{
    return bfn_record_get(r->record, key);
}

/* argv of bfn sample; values are not copied: getopt_long leaves the words as they are. Returns their number. */
static int build_words(const repro_run *r, char *words[MAX_WORDS])
{
    int n = 0;
    const char *grid = get(r, "grid");
    bool list = grid != NULL && strncmp(grid, "list:", 5) == 0;
    words[n++] = (char *)"sample";
    for (size_t i = 0; i < N_ENTRIES; i++) {
        const char *value = get(r, entries[i].key);
        if (value == NULL || (entries[i].only != NULL && strcmp(value, entries[i].only) != 0) ||
            (list && strcmp(entries[i].key, "eta") == 0)) /* a list begins at its own first time */
            continue;
        words[n++] = (char *)entries[i].option;
        if (entries[i].only == NULL)
            words[n++] = (char *)value;
    }
    words[n] = NULL;
    return n;
}

static int check_record(const repro_run *r)
{
    static const char *const needed[] = {"model_sha256", "method", "steps", "seed", "first", "n", "format"};
    for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++)
        if (get(r, needed[i]) == NULL) {
            char line[128];
            snprintf(line, sizeof line, "its record has no \"%s\": it was not made by bfn sample", needed[i]);
            return fail(r, (int)BFN_ERR_INPUT, line);
        }
    if (r->v->model == NULL && get(r, "model") == NULL)
        return fail(r, (int)BFN_ERR_INPUT, "its record does not say where the model is: --model FILE does");
    return 0;
}

/* ---- comparing ---- */

typedef struct content {
    char *bytes;
    size_t n;
} content;

static bool read_file(const char *path, content *c)
{
    struct stat info;
    FILE *file = fopen(path, "re");
    bool good = file != NULL && fstat(fileno(file), &info) == 0 && S_ISREG(info.st_mode);
    if (good) {
        c->n = (size_t)info.st_size;
        c->bytes = malloc(c->n + 1);
        good = c->bytes != NULL && fread(c->bytes, 1, c->n, file) == c->n;
    }
    if (file != NULL)
        fclose(file);
    return good;
}

/* Name the first entry of the records that differs: a new version, another CPU. */
static void say_record(const repro_run *r)
{
    bfn_record *made = NULL;
    char was[256], now[256];
    if (bfn_record_load(r->ctx, &made, r->made) != BFN_OK)
        return;
    for (size_t i = 0; i < bfn_record_n(made); i++) {
        const char *key = bfn_record_key(made, i), *value = bfn_record_value(made, i), *old = get(r, key);
        if (old != NULL && strcmp(value, old) == 0)
            continue;
        printf("record: %s was %s, now it is %s\n", key, old != NULL ? cli_safe(old, was, sizeof was) : "not there",
               cli_safe(value, now, sizeof now));
        break;
    }
    bfn_record_destroy(made);
}

/* Lines of text, bytes of everything else. */
static void say_difference(const repro_run *r, const content *old, const content *made)
{
    const char *format = get(r, "format");
    size_t at = 0, line = 1, start = 0;
    while (at < old->n && at < made->n && old->bytes[at] == made->bytes[at]) {
        if (old->bytes[at++] == '\n') {
            line++;
            start = at;
        }
    }
    if (strcmp(format, "txt") != 0 && strcmp(format, "jsonl") != 0) {
        printf("first difference: byte %zu (the file has %zu, made again %zu)\n", at, old->n, made->n);
        return;
    }
    char was[160], now[160], safe[2][160];
    const char *end_old = memchr(old->bytes + start, '\n', old->n - start),
               *end_made = memchr(made->bytes + start, '\n', made->n - start);
    snprintf(was, sizeof was, "%.*s", (int)((end_old != NULL ? end_old : old->bytes + old->n) - (old->bytes + start)),
             old->bytes + start);
    snprintf(now, sizeof now, "%.*s",
             (int)((end_made != NULL ? end_made : made->bytes + made->n) - (made->bytes + start)), made->bytes + start);
    printf("first difference: line %zu, character %zu\n  file        %s\n  made again  %s\n", line, at - start + 1,
           cli_safe(was, safe[0], sizeof safe[0]), cli_safe(now, safe[1], sizeof safe[1]));
}

static int compare(const repro_run *r)
{
    content old = {NULL, 0}, made = {NULL, 0};
    char safe[512];
    int code = 0;
    if (!read_file(r->path, &old) || !read_file(r->made, &made)) {
        code = fail(r, (int)BFN_ERR_NOT_FOUND, "the file, or what was made of it, cannot be read");
    } else if (old.n == made.n && memcmp(old.bytes, made.bytes, old.n) == 0) {
        printf("%s: the same %zu bytes\n", cli_safe(r->path, safe, sizeof safe), old.n);
    } else {
        printf("%s: differs\n", cli_safe(r->path, safe, sizeof safe));
        say_record(r);
        say_difference(r, &old, &made);
        code = 1;
    }
    free(old.bytes);
    free(made.bytes);
    return code != 0 ? code : cli_flush(r->command);
}

/* ---- making it again ---- */

static bool make_folder(repro_run *r)
{
    const char *base = getenv("TMPDIR");
    if (base == NULL || base[0] == '\0' || strlen(base) > PATH_BYTES - 64)
        base = "/tmp";
    snprintf(r->folder, sizeof r->folder, "%s/bfn-repro-XXXXXX", base);
    return mkdtemp(r->folder) != NULL;
}

/* The configuration that the record holds, as a file: what loads models takes no other. */
static bool write_config(repro_run *r, const char *text)
{
    snprintf(r->config, sizeof r->config, "%s/config.yaml", r->folder);
    FILE *file = fopen(r->config, "wxe");
    bool good = file != NULL && fputs(text, file) >= 0;
    return file != NULL && fclose(file) == 0 && good;
}

/* All that bfn sample can have left there. */
static void remove_folder(const repro_run *r, const char *out)
{
    static const char *const ends[] = {"", ".json", "-film.png", "-strip.png"};
    char path[PATH_BYTES + 128];
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        size_t n = strlen(out);
        bool png = n > 4 && strcmp(out + n - 4, ".png") == 0;
        snprintf(path, sizeof path, "%.*s%s", (int)(i >= 2 && png ? n - 4 : n), out, ends[i]);
        (void)unlink(path);
    }
    (void)unlink(r->made);
    if (r->config[0] != '\0')
        (void)unlink(r->config);
    (void)rmdir(r->folder);
}

/* Where bfn sample is told to write, and which of its files is the one to compare. */
static void name_output(repro_run *r, const sample_values *v, char out[PATH_BYTES + 64])
{
    const char *picture = get(r, "picture");
    if (v->format == FORMAT_FOLDER) {
        snprintf(out, PATH_BYTES + 64, "%s/", r->folder);
        snprintf(r->made, sizeof r->made, "%s/%06" PRIu64 ".png", r->folder, v->first);
        return;
    }
    snprintf(out, PATH_BYTES + 64, "%s/again%s", r->folder, v->format == FORMAT_PNG ? ".png" : "");
    bool beside = picture != NULL && (strcmp(picture, "film") == 0 || strcmp(picture, "strip") == 0);
    if (beside)
        snprintf(r->made, sizeof r->made, "%s/again-%s.png", r->folder, picture);
    else
        snprintf(r->made, sizeof r->made, "%s", out);
}

static int make_again(repro_run *r, sample_values *v)
{
    char out[PATH_BYTES + 64];
    const char *picture = get(r, "picture");
    const char *config = r->v->config == NULL ? get(r, "config") : NULL;
    if (!make_folder(r))
        return fail(r, CLI_EXIT_WRITE, strerror(errno));
    name_output(r, v, out);
    v->out = out;
    v->film = picture != NULL && strcmp(picture, "grid") != 0;
    v->model = r->v->model != NULL ? r->v->model : get(r, "model");
    v->recorded_model = get(r, "model");
    v->wanted_sha256 = get(r, "model_sha256");
    v->config = config != NULL ? r->config : r->v->config;
    v->batch = r->v->batch;
    v->threads = r->v->threads;
    int code = config == NULL || write_config(r, config) ? sample_run_values(r->command, v)
                                                         : fail(r, CLI_EXIT_WRITE, strerror(errno));
    if (code == (int)BFN_ERR_NOT_FOUND && r->v->model == NULL && access(v->model, R_OK) != 0)
        fprintf(stderr, "bfn %s: --model FILE says where the model is now\n", r->command->name);
    if (code == CLI_EXIT_USAGE && config != NULL) /* all that was said came from the record */
        code = (int)BFN_ERR_INPUT;
    if (code == 0)
        code = compare(r);
    remove_folder(r, out);
    v->out = NULL;
    return code;
}

static int repro(repro_run *r)
{
    sample_values v = SAMPLE_VALUES_INIT;
    cli_command judge = *r->command; /* messages are this command's, options those of bfn sample */
    char *words[MAX_WORDS];
    size_t n_operands;
    bfn_status status = bfn_record_load(r->ctx, &r->record, r->path);
    if (status != BFN_OK)
        return cli_fail(r->command, r->ctx, status);
    int code = check_record(r);
    if (code != 0)
        return code;
    judge.options = sample_options;
    judge.n_options = sample_n_options;
    if (!cli_parse(&judge, build_words(r, words), words, &v, NULL, 0, &n_operands))
        return (int)BFN_ERR_INPUT;
    return make_again(r, &v);
}

static int run(const cli_command *command, int argc, char **argv)
{
    repro_values v = {.batch = 8};
    size_t n_operands;
    if (!cli_parse(command, argc, argv, &v, NULL, 1, &n_operands))
        return CLI_EXIT_USAGE;
    if (n_operands == 0)
        return cli_usage(command, "FILE is missing: samples that bfn sample wrote");
    repro_run r = {.command = command, .v = &v, .path = argv[0]};
    bfn_status status = cli_context(command, v.threads, &r.ctx);
    if (status != BFN_OK)
        return (int)status;
    int code = repro(&r);
    bfn_record_destroy(r.record);
    bfn_context_destroy(r.ctx);
    return code;
}

const cli_command cli_command_repro = {
    "repro",
    "make a file of samples again and compare the bytes",
    "FILE [--model FILE] [--config FILE]",
    "Reads what made FILE (written by bfn sample) from its own record: text entries of a PNG, the member "
    "\"provenance\" of\n"
    "an .npz, FILE.json beside .txt, .jsonl and .npy. Makes it again and compares: exit code 0 when all bytes are the\n"
    "same, 1 with the first difference when not. A model file of another checksum is refused.",
    options,
    sizeof options / sizeof options[0],
    "  bfn repro samples.npz\n"
    "  bfn repro grid.png --model models/fashion-small.safetensors",
    run,
};
