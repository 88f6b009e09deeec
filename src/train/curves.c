/* curves.c: loss.svg of a run folder: training loss and validation bound over steps, both in bits a position.
 *
 * It is drawn from log.jsonl and nothing else, so that a resumed run shows its whole past. Only lines that this program wrote are
 * understood; a line that is not is left out. The picture is for the reader: where it cannot be written, this is said once.
 */
#include "io/file.h"
#include "io/limits.h"
#include "io/plot.h"
#include "io/yaml.h"
#include "train/trainer.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

typedef struct points {
    bfn_context *ctx;
    double *x, *y;
    size_t n, capacity;
} points;

static bool grow(points *p)
{
    size_t capacity = p->capacity > 0 ? 2 * p->capacity : 256;
    double *x = bfn__calloc(p->ctx, capacity, sizeof *x), *y = bfn__calloc(p->ctx, capacity, sizeof *y);
    if (x == NULL || y == NULL) {
        bfn__free(p->ctx, x);
        bfn__free(p->ctx, y);
        return false;
    }
    if (p->n > 0) {
        memcpy(x, p->x, p->n * sizeof *x);
        memcpy(y, p->y, p->n * sizeof *y);
    }
    bfn__free(p->ctx, p->x);
    bfn__free(p->ctx, p->y);
    p->x = x;
    p->y = y;
    p->capacity = capacity;
    return true;
}

static bool add(points *p, double x, double y)
{
    if (p->n == p->capacity && !grow(p))
        return false;
    p->x[p->n] = x;
    p->y[p->n++] = y;
    return true;
}

static void release(const points *p)
{
    bfn__free(p->ctx, p->x);
    bfn__free(p->ctx, p->y);
}

/* The number behind "key": in a line; NaN: null, or not there. */
static double number_of(const char *line, const char *key)
{
    char quoted[32], text[64];
    double value;
    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    const char *at = strstr(line, quoted);
    if (at == NULL)
        return (double)NAN;
    at += strlen(quoted);
    size_t n = strcspn(at, ",}\n");
    snprintf(text, sizeof text, "%.*s", n < sizeof text ? (int)n : 0, at);
    return bfn__parse_number(text, &value) ? value : (double)NAN;
}

/* A validation stands in all lines until the next one: it is a point where it first occurs. */
static bool read_line(const char *line, points *loss, points *bound, double *last)
{
    double step = number_of(line, "step"), valid = number_of(line, "valid_bound");
    if (!isfinite(step))
        return true;
    bool good = add(loss, step, number_of(line, "bits"));
    if (isfinite(valid) && valid != *last)
        good = good && add(bound, step, valid);
    *last = valid;
    return good;
}

static bool read_log(const char *text, size_t n, points *loss, points *bound)
{
    bool good = true;
    double last = (double)NAN;
    for (size_t at = 0; at < n && good;) {
        char line[1024];
        const char *end = memchr(text + at, '\n', n - at);
        size_t length = end != NULL ? (size_t)(end - text) - at : n - at;
        if (end != NULL && length < sizeof line) {
            memcpy(line, text + at, length);
            line[length] = '\0';
            good = read_line(line, loss, bound, &last);
        }
        at += length + 1;
    }
    return good;
}

void bfn__run_plot(bfn__trainer *tr)
{
    char path[PATH_MAX];
    bool text = tr->config.data.kind == BFN__FORM_TEXT;
    points loss = {.ctx = tr->ctx}, bound = {.ctx = tr->ctx};
    tr->last_plot = bfn__seconds();
    bfn__run_path(tr, "log.jsonl", path);
    bfn__bytes log;
    if (bfn__file_map(tr->ctx, path, bfn__limit(tr->ctx, BFN__CAP_LOG_BYTES), &log) != BFN_OK)
        return;
    bool good = read_log(log.data, log.size, &loss, &bound);
    bfn__file_unmap(tr->ctx, &log);
    const bfn__curve curves[] = {{.name = "training loss", .n = loss.n, .x = loss.x, .y = loss.y},
                                 {.name = "validation bound", .n = bound.n, .x = bound.x, .y = bound.y}};
    const bfn__plot plot = {.x_label = "step",
                            .y_label = text ? "bits per character" : "bits per dimension",
                            .log_y = true,
                            .n_curves = 2,
                            .curves = curves};
    bfn__run_path(tr, "loss.svg", path);
    if (!good || bfn__plot_save(tr->ctx, path, &plot) != BFN_OK)
        bfn__run_warn(tr, "loss.svg", bfn_errmsg(tr->ctx));
    release(&loss);
    release(&bound);
}
