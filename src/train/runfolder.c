/* runfolder.c: the run folder beside its checkpoints: lock, log.jsonl, samples.txt or samples-<step>.png, config.yaml.
 *
 * The lock is an flock on <run>/lock: the kernel drops it with the process that held it, so a crash leaves nothing stale. A resumed
 * run cuts log and samples back to the step it resumes from, so that a killed run leaves no line twice.
 * These files are for the reader; the training does not depend on them. If one cannot be written, this is said once.
 */
#include "train/trainer.h"

#include "bfn/picture.h"
#include "io/file.h"
#include "io/yaml.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

void bfn__run_path(const bfn__trainer *tr, const char *name, char *path)
{
    snprintf(path, PATH_MAX, "%s/%s", tr->options->out_dir, name);
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
    tr->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (tr->lock < 0)
        return bfn__fail(tr->ctx, BFN_ERR_WRITE, "%s: cannot be opened: %s", path, strerror(errno));
    if (flock(tr->lock, LOCK_EX | LOCK_NB) == 0) {
        write_pid(tr->lock);
        return BFN_OK;
    }
    char pid[32] = "";
    ssize_t n = pread(tr->lock, pid, sizeof pid - 1, 0);
    pid[n > 0 ? strcspn(pid, "\n") : 0] = '\0';
    return bfn__fail(tr->ctx, BFN_ERR_ARGUMENT, "%s: another training (process %s) is at work in this folder", folder,
                     pid[0] != '\0' ? pid : "unknown");
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

/* Cut a file back to the last line that belongs to a step up to `step`. */
static void cut_back(const char *path, uint64_t step)
{
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return;
    char *line = NULL;
    size_t capacity = 0;
    off_t keep = 0;
    for (ssize_t n; (n = getline(&line, &capacity, file)) > 0 && step_of_line(line) <= step && line[n - 1] == '\n';)
        keep += n;
    free(line);
    fclose(file);
    if (truncate(path, keep) != 0)
        return; /* a doubled line harms nobody */
}

bfn_status bfn__run_open_log(bfn__trainer *tr, bool resume)
{
    char path[PATH_MAX];
    bfn__run_path(tr, "config.yaml", path);
    bfn_status status = bfn__file_write(tr->ctx, path, tr->config_text, strlen(tr->config_text));
    if (status != BFN_OK)
        return status;
    bfn__run_path(tr, "samples.txt", path);
    if (resume)
        cut_back(path, tr->info.step);
    bfn__run_path(tr, "log.jsonl", path);
    if (resume)
        cut_back(path, tr->info.step);
    tr->log = fopen(path, "ae");
    if (tr->log == NULL)
        return bfn__fail(tr->ctx, BFN_ERR_WRITE, "%s: cannot be opened: %s", path, strerror(errno));
    return BFN_OK;
}

void bfn__run_warn(bfn__trainer *tr, const char *name, const char *why)
{
    if (!tr->log_failed)
        bfn__log(tr->ctx, "%s/%s: cannot be written: %s; the training goes on", tr->options->out_dir, name, why);
    tr->log_failed = true;
}

static void put_number(FILE *log, const char *key, double value)
{
    char text[BFN__NUMBER_TEXT_MAX] = "null";
    if (isfinite(value))
        bfn__format_number(value, text);
    fprintf(log, ",\"%s\":%s", key, text);
}

/* Rounded to `digits` significant digits: logs are read by people. */
static double rounded(double value, int digits)
{
    if (!isfinite(value) || value == 0.0)
        return value;
    double scale = pow(10.0, digits - 1 - (int)floor(log10(fabs(value))));
    return round(value * scale) / scale;
}

void bfn__run_log_step(bfn__trainer *tr)
{
    double loss = tr->loss_count > 0 ? tr->loss_sum / (double)tr->loss_count : (double)NAN;
    fprintf(tr->log, "{\"step\":%llu", (unsigned long long)tr->info.step);
    put_number(tr->log, "loss", rounded(loss, 6));
    put_number(tr->log, "bits", rounded(loss / log(2.0), 6));
    put_number(tr->log, "grad_norm", rounded(tr->last_norm, 4));
    put_number(tr->log, "lr", rounded(tr->last_lr, 6));
    if (tr->config.data.kind == BFN__FORM_TEXT)
        put_number(tr->log, "tokens_per_second", rounded(tr->rate, 4));
    else
        put_number(tr->log, "images_per_second", rounded(tr->rate / (double)tr->D, 4));
    put_number(tr->log, "seconds", rounded(bfn__seconds() - tr->started, 6));
    put_number(tr->log, "valid_loss", rounded(tr->valid_loss, 6));
    put_number(tr->log, "valid_bound", rounded(tr->info.valid_bound, 6));
    fprintf(tr->log, ",\"bad_steps\":%llu}\n", (unsigned long long)tr->info.bad_steps);
    if (fflush(tr->log) != 0 || ferror(tr->log)) {
        bfn__run_warn(tr, "log.jsonl", strerror(errno));
        clearerr(tr->log);
    }
}

static void log_texts(bfn__trainer *tr)
{
    char path[PATH_MAX];
    bfn__run_path(tr, "samples.txt", path);
    FILE *file = fopen(path, "ae");
    bool good =
        file != NULL && fprintf(file, "# step %llu\n%s\n\n", (unsigned long long)tr->info.step, tr->sample_text) > 0;
    if (file != NULL && fclose(file) != 0)
        good = false;
    if (!good)
        bfn__run_warn(tr, "samples.txt", strerror(errno));
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
    const bfn_picture_text texts[] = {
        {"bfn.step", step}, {"bfn.seed", seed}, {"bfn.method", "sde2m"}, {"bfn.evaluations", nfe}};
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
    if (tr->log != NULL)
        fclose(tr->log);
    if (tr->lock >= 0)
        close(tr->lock);
    tr->log = NULL;
    tr->lock = -1;
}
