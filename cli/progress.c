/* progress.c: one line that is redrawn, as wide as the terminal and never wider:
 *
 *   ████████████░░░░░░░░░░░░  48%  step 960/2000  loss 1.234  1.98 bits/char  12.3k char/s  3 min 20 s left
 *
 * Parts are dropped from the right end of this list when the terminal is narrow; the bar takes what is left. Off a terminal, a plain
 * line every few seconds says the same without escape sequences, so that log files stay readable.
 */
#include "progress.h"

#include <langinfo.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void cli_progress_init(cli_progress *p, double interval)
{
    setlocale(LC_CTYPE, ""); /* does this terminal show UTF-8? numbers keep the C locale */
    *p = (cli_progress){.terminal = cli_is_terminal(STDERR_FILENO),
                        .colour = cli_colour(STDERR_FILENO),
                        .loss = (double)NAN,
                        .interval = interval,
                        .valid_seen = (double)NAN,
                        .last = -1e9};
}

static void clear(cli_progress *p)
{
    if (p->drawn)
        fputs("\r\033[K", stderr);
    p->drawn = false;
}

void cli_progress_line(cli_progress *p, const char *line)
{
    char safe[4096];
    clear(p);
    fprintf(stderr, "%s\n", cli_safe(line, safe, sizeof safe));
}

void cli_progress_end(cli_progress *p)
{
    if (p->drawn)
        fputc('\n', stderr);
    p->drawn = false;
}

static void rate_text(const bfn_train_progress *s, char text[24])
{
    double rate = s->images ? s->samples_per_second : s->tokens_per_second;
    const char *what = s->images ? "images/s" : "char/s";
    if (rate >= 9999.5)
        snprintf(text, 24, "%.1fk %s", rate / 1000.0, what);
    else
        snprintf(text, 24, s->images && rate < 99.95 ? "%.1f %s" : "%.0f %s", rate, what);
}

static cli_progress_view describe(const cli_progress *p, const bfn_train_progress *s)
{
    cli_progress_view v = {.part = (double)s->step / (double)s->n_steps, .order = {0, 1, 4, 2, 3}};
    char rate[24], left[32];
    const char *unit = s->images ? "bits/dim" : "bits/char";
    rate_text(s, rate);
    cli_duration(s->seconds_left, left);
    snprintf(v.texts[0], CLI_PROGRESS_BYTES, "step %llu/%llu", (unsigned long long)s->step,
             (unsigned long long)s->n_steps);
    snprintf(v.texts[1], CLI_PROGRESS_BYTES, "loss %.4f", p->loss);
    if (isfinite(s->valid_bound))
        snprintf(v.texts[2], CLI_PROGRESS_BYTES, s->valid_bound < 1000.0 ? "%.3f %s" : "%.2g %s", s->valid_bound, unit);
    snprintf(v.texts[3], CLI_PROGRESS_BYTES, "%s", rate);
    snprintf(v.texts[4], CLI_PROGRESS_BYTES, "%s left", left);
    return v;
}

static void draw_bar(const cli_progress *p, double part, size_t cells)
{
    bool utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    size_t full = (size_t)(part * (double)cells + 1e-9);
    if (p->colour)
        fputs("\033[36m", stderr);
    for (size_t i = 0; i < cells; i++)
        fputs(i < full ? (utf8 ? "█" : "#") : (utf8 ? "░" : "-"), stderr);
    if (p->colour)
        fputs("\033[0m", stderr);
}

static void draw(cli_progress *p, const cli_progress_view *v)
{
    bool shown[CLI_PROGRESS_PARTS] = {false};
    size_t columns = cli_columns(STDERR_FILENO), used = 4; /* "100%" */
    for (size_t k = 0; k < CLI_PROGRESS_PARTS; k++) {
        size_t n = strlen(v->texts[v->order[k]]);
        if (n == 0 || used + n + 2 >= columns)
            continue;
        used += n + 2;
        shown[v->order[k]] = true;
    }
    size_t room = columns > used + 3 ? columns - used - 3 : 0;
    fputs("\r\033[K", stderr);
    if (room >= 6) {
        draw_bar(p, v->part, room < 40 ? room : 40);
        fputs("  ", stderr);
    }
    fprintf(stderr, "%3.0f%%", floor(100.0 * v->part));
    for (size_t k = 0; k < CLI_PROGRESS_PARTS; k++)
        if (shown[k])
            fprintf(stderr, "  %s", v->texts[k]);
    fflush(stderr);
    p->drawn = true;
}

static void plain(const cli_progress_view *v)
{
    const char *between = "";
    for (size_t k = 0; k < CLI_PROGRESS_PARTS; k++)
        if (v->texts[k][0] != '\0') {
            fprintf(stderr, "%s%s", between, v->texts[k]);
            between = ", ";
        }
    fputc('\n', stderr);
}

void cli_progress_show(cli_progress *p, const cli_progress_view *view, bool last)
{
    double time = cli_seconds();
    if (!last && time - p->last < (p->terminal ? 0.1 : p->interval))
        return;
    p->last = time;
    if (p->terminal)
        draw(p, view);
    else
        plain(view);
}

void cli_progress_step(cli_progress *p, const bfn_train_progress *s)
{
    if (isfinite(s->loss))
        p->loss = s->loss;
    const cli_progress_view view = describe(p, s);
    cli_progress_show(p, &view, s->step == s->n_steps);
}
