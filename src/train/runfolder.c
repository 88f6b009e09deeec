/* runfolder.c: the run folder beside its checkpoints: lock, log.jsonl, samples.txt or samples-<step>.png, config.yaml.
 *
 * The lock is an flock on <run>/lock: the kernel drops it with the process that held it, so a crash leaves nothing stale. Who holds it
 * removes the temporary files of a process that was killed while it wrote, and refuses a folder in which the names of the run are links:
 * a folder that somebody else packed must not choose what is written to.
 * A run that starts or is resumed cuts log and samples back to its step, so that a killed run leaves no line twice and no half of one.
 * These files are for the reader; the training does not depend on them. If one cannot be written, this is said once.
 */
#include "train/trainer.h"

#include "bfn/picture.h"
#include "io/file.h"
#include "io/limits.h"
#include "io/yaml.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

void bfn__run_path(const bfn__trainer *tr, const char *name, char *path)
{
    if (snprintf(path, PATH_MAX, "%s/%s", tr->options->out_dir, name) >= PATH_MAX)
        path[0] = '\0'; /* no file has that name; bfn__run_lock leaves room for our own ones */
}

/* mkdir -p. */
static int make_folders(const char *folder)
{
    char path[PATH_MAX];
    snprintf(path, sizeof path, "%s", folder);
    for (char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(path, 0777) != 0 && errno != EEXIST)
            return -1;
        *slash = '/';
    }
    return mkdir(path, 0777) != 0 && errno != EEXIST ? -1 : 0;
}

static void write_pid(int descriptor)
{
    char text[32];
    int n = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(descriptor, 0) != 0 || pwrite(descriptor, text, (size_t)n, 0) != n)
        return; /* the number is only a hint for the reader */
}

/* The files that a run makes. */
static bool is_ours(const char *name, size_t n)
{
    static const char *const names[] = {"lock", "config.yaml", "log.jsonl", "loss.svg", "samples.txt"};
    static const char *const endings[] = {".safetensors", ".png"}; /* last, best, step-N; samples, samples-N */
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strlen(names[i]) == n && strncmp(names[i], name, n) == 0)
            return true;
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++)
        if (n > strlen(endings[i]) && strncmp(name + n - strlen(endings[i]), endings[i], strlen(endings[i])) == 0)
            return true;
    return false;
}

static bfn_status tidy_entry(bfn__trainer *tr, const char *name)
{
    char path[PATH_MAX];
    struct stat info;
    size_t target = bfn__file_is_temporary(name);
    if (!is_ours(name, target > 0 ? target : strlen(name)))
        return BFN_OK;
    bfn__run_path(tr, name, path);
    if (target > 0)
        (void)unlink(path);
    else if (lstat(path, &info) == 0 && S_ISLNK(info.st_mode))
        return bfn__fail(tr->ctx, BFN_ERR_WRITE, "%s: is a symbolic link, the files of a run folder must be its own",
                         path);
    return BFN_OK;
}

static bfn_status tidy_folder(bfn__trainer *tr)
{
    bfn_status status = BFN_OK;
    DIR *dir = opendir(tr->options->out_dir);
    for (struct dirent *entry; dir != NULL && status == BFN_OK && (entry = readdir(dir)) != NULL;)
        status = tidy_entry(tr, entry->d_name);
    if (dir != NULL)
        closedir(dir);
    return status;
}

static bfn_status fail_locked(bfn__trainer *tr)
{
    char pid[32] = "";
    ssize_t n = pread(tr->lock, pid, sizeof pid - 1, 0);
    pid[n > 0 ? strspn(pid, "0123456789") : 0] = '\0';
    return bfn__fail(tr->ctx, BFN_ERR_ARGUMENT, "%s: another training (process %s) is at work in this folder",
                     tr->options->out_dir, pid[0] != '\0' ? pid : "unknown");
}

bfn_status bfn__run_lock(bfn__trainer *tr)
{
    const char *folder = tr->options->out_dir;
    char path[PATH_MAX];
    struct stat info;
    if (strlen(folder) + 64 > PATH_MAX)
        return bfn__fail(tr->ctx, BFN_ERR_ARGUMENT, "%.80s...: the path is too long", folder);
    if (tr->options->resume && stat(folder, &info) != 0)
        return bfn__fail(tr->ctx, BFN_ERR_NOT_FOUND, "%s: nothing to resume: %s", folder, strerror(errno));
    if (make_folders(folder) != 0 || stat(folder, &info) != 0)
        return bfn__fail(tr->ctx, BFN_ERR_WRITE, "%s: cannot be made: %s", folder, strerror(errno));
    if (!S_ISDIR(info.st_mode))
        return bfn__fail(tr->ctx, BFN_ERR_WRITE, "%s: is a file, a folder is needed", folder);
    bfn__run_path(tr, "lock", path);
    tr->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
    if (tr->lock < 0 || fstat(tr->lock, &info) != 0)
        return bfn__fail(tr->ctx, BFN_ERR_WRITE, "%s: cannot be opened: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return bfn__fail(tr->ctx, BFN_ERR_WRITE, "%s: is no regular file", path);
    if (flock(tr->lock, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            return fail_locked(tr);
        return bfn__fail(tr->ctx, BFN_ERR_WRITE, "%s: cannot be locked: %s", path, strerror(errno));
    }
    write_pid(tr->lock);
    return tidy_folder(tr);
}

/* The step that a line of log.jsonl ({"step": n, ...) or a heading of samples.txt (# step n ...) is about; 0: none. */
static uint64_t step_of_line(const char *line)
{
    static const char *const starts[] = {"{\"step\":", "# step "};
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++)
        if (strncmp(line, starts[i], strlen(starts[i])) == 0)
            return strtoull(line + strlen(starts[i]), NULL, 10);
    return 0;
}

/* How much of the text is whole lines that belong to steps up to `step`. */
static size_t lines_up_to(const char *text, size_t n, uint64_t step)
{
    size_t keep = 0;
    while (keep < n) {
        char start[40];
        const char *end = memchr(text + keep, '\n', n - keep);
        if (end == NULL)
            break;
        size_t length = (size_t)(end - text) - keep;
        snprintf(start, sizeof start, "%.*s", length < sizeof start ? (int)length : (int)sizeof start - 1, text + keep);
        if (step_of_line(start) > step)
            break;
        keep += length + 1;
    }
    return keep;
}

static bfn_status cut_back(bfn__trainer *tr, const char *name)
{
    char path[PATH_MAX];
    struct stat info;
    bfn__bytes bytes;
    bfn__run_path(tr, name, path);
    if (lstat(path, &info) != 0)
        return BFN_OK;
    bfn_status status = bfn__file_map(tr->ctx, path, bfn__limit(tr->ctx, BFN__CAP_LOG_BYTES), &bytes);
    if (status != BFN_OK)
        return status;
    size_t keep = lines_up_to(bytes.data, bytes.size, tr->info.step);
    bool cut = keep < bytes.size;
    bfn__file_unmap(tr->ctx, &bytes);
    return cut ? bfn__file_cut(tr->ctx, path, keep) : BFN_OK;
}

static bfn_status write_config(bfn__trainer *tr, const char *name)
{
    char path[PATH_MAX];
    bfn__run_path(tr, name, path);
    return bfn__file_write(tr->ctx, path, tr->config_text, strlen(tr->config_text));
}

static bfn_status write_nothing(bfn__trainer *tr, const char *name)
{
    char path[PATH_MAX];
    bfn__run_path(tr, name, path);
    return bfn__file_append(tr->ctx, path, "", 0);
}

/* Nothing is lost yet where a new run cannot write: it ends. A resumed one goes on without what is only for the reader. */
bfn_status bfn__run_open_log(bfn__trainer *tr, bool resume)
{
    static const struct {
        const char *name;
        bfn_status (*prepare)(bfn__trainer *tr, const char *name);
    } files[] = {{"config.yaml", write_config},
                 {"samples.txt", cut_back},
                 {"log.jsonl", cut_back},
                 {"log.jsonl", write_nothing}};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        bfn_status status = files[i].prepare(tr, files[i].name);
        if (status == BFN_OK)
            continue;
        if (!resume || status == BFN_ERR_MEMORY)
            return status;
        bfn__run_warn(tr, files[i].name, bfn_errmsg(tr->ctx));
    }
    return BFN_OK;
}

void bfn__run_warn(bfn__trainer *tr, const char *name, const char *why)
{
    if (!tr->log_failed)
        bfn__log(tr->ctx, "warning: %s: %s; the training goes on", name, why);
    tr->log_failed = true;
}

/* A line of the log while it is made. */
typedef struct line {
    char text[1024];
    size_t n;
} line;

static void add_text(line *l, const char *text)
{
    size_t n = strlen(text);
    if (l->n + n >= sizeof l->text)
        return;
    memcpy(l->text + l->n, text, n + 1);
    l->n += n;
}

static void add_number(line *l, const char *key, double value)
{
    char text[BFN__NUMBER_TEXT_MAX] = "null";
    if (isfinite(value))
        bfn__format_number(value, text);
    add_text(l, ",\"");
    add_text(l, key);
    add_text(l, "\":");
    add_text(l, text);
}

static void add_count(line *l, const char *key, uint64_t value)
{
    char text[64];
    snprintf(text, sizeof text, "\"%s\":%llu", key, (unsigned long long)value);
    add_text(l, text);
}

/* Rounded to `digits` significant digits: logs are read by people. */
static double rounded(double value, int digits)
{
    if (!isfinite(value) || value == 0.0)
        return value;
    double scale = pow(10.0, digits - 1 - (int)floor(log10(fabs(value))));
    return round(value * scale) / scale;
}

static void append(bfn__trainer *tr, const char *name, const char *text, size_t n)
{
    char path[PATH_MAX];
    bfn__run_path(tr, name, path);
    if (bfn__file_append(tr->ctx, path, text, n) != BFN_OK)
        bfn__run_warn(tr, name, bfn_errmsg(tr->ctx));
}

void bfn__run_log_step(bfn__trainer *tr, double loss)
{
    line l = {.n = 0};
    bool text = tr->config.data.kind == BFN__FORM_TEXT;
    add_text(&l, "{");
    add_count(&l, "step", tr->info.step);
    add_number(&l, "loss", rounded(loss, 6));
    add_number(&l, "bits", rounded(loss / log(2.0), 6));
    add_number(&l, "grad_norm", rounded(tr->last_norm, 4));
    add_number(&l, "lr", rounded(tr->last_lr, 6));
    add_number(&l, text ? "tokens_per_second" : "images_per_second",
               rounded(text ? tr->rate : tr->rate / (double)tr->D, 4));
    add_number(&l, "seconds", rounded(bfn__seconds() - tr->started, 6));
    add_number(&l, "valid_loss", rounded(tr->info.valid_loss, 6));
    add_number(&l, "valid_bound", rounded(tr->info.valid_bound, 6));
    add_text(&l, ",");
    add_count(&l, "bad_steps", tr->info.bad_steps);
    add_text(&l, "}\n");
    append(tr, "log.jsonl", l.text, l.n);
}

/* A heading, the samples, an empty line: at once. */
static void log_texts(bfn__trainer *tr)
{
    size_t room = strlen(tr->sample_text) + 64;
    char *text = bfn__calloc(tr->ctx, room, 1);
    if (text == NULL) {
        bfn__run_warn(tr, "samples.txt", bfn_errmsg(tr->ctx));
        return;
    }
    int n = snprintf(text, room, "# step %llu\n%s\n\n", (unsigned long long)tr->info.step, tr->sample_text);
    append(tr, "samples.txt", text, (size_t)n);
    bfn__free(tr->ctx, text);
}

/* The newest grid under a name that a viewer can stay open on, and one for each step. */
static void log_pictures(bfn__trainer *tr)
{
    const bfn__config *c = &tr->config;
    size_t n = c->train.sample_n;
    char step[24], seed[24], nfe[24], name[48], newest[PATH_MAX];
    snprintf(step, sizeof step, "%llu", (unsigned long long)tr->info.step);
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)c->train.seed);
    snprintf(nfe, sizeof nfe, "%zu", c->train.sample_nfe);
    snprintf(name, sizeof name, "samples-%s.png", step);
    bfn__run_path(tr, name, tr->sample_text);
    bfn__run_path(tr, "samples.png", newest);
    const bfn_picture_text texts[] = {{"bfn.step", step},
                                      {"bfn.seed", seed},
                                      {"bfn.method", "sde2m"},
                                      {"bfn.evaluations", nfe},
                                      {"bfn.start", "moments"}};
    bfn_pictures grid = BFN_PICTURES_INIT;
    bfn_samples_to_pixels(&tr->flow, n * tr->D, tr->samples, tr->sample_pixels);
    grid.n = n;
    grid.height = c->data.height;
    grid.width = c->data.width;
    grid.channels = c->data.channels;
    grid.pixels = tr->sample_pixels;
    grid.texts = texts;
    grid.n_texts = sizeof texts / sizeof texts[0];
    if (bfn_pictures_save_png(tr->ctx, tr->sample_text, &grid) != BFN_OK ||
        bfn_pictures_save_png(tr->ctx, newest, &grid) != BFN_OK)
        bfn__run_warn(tr, name, bfn_errmsg(tr->ctx));
}

void bfn__run_log_samples(bfn__trainer *tr)
{
    if (tr->config.data.kind == BFN__FORM_TEXT)
        log_texts(tr);
    else
        log_pictures(tr);
}

void bfn__run_close(bfn__trainer *tr)
{
    if (tr->lock >= 0)
        close(tr->lock);
    tr->lock = -1;
}
