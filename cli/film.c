/* film.c: what the network believes after each row of the plan, as text: each position shows its most likely symbol.
 *
 * How sure the network is shows as brightness: faint below 1/2, plain below 9/10, bold above; known positions of an infilling are in
 * colour. Where there is no colour, a dot stands for what is unsure. The block is redrawn in place, so it must not be taller than the
 * window: what does not fit is left out. Where the output is no terminal, every row becomes one plain line of the first sample.
 *
 * A line is erased before it is written: a terminal that has just filled a line's last column would erase that one afterwards.
 */
#include "film.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

struct cli_film {
    size_t D, K;
    const unsigned char *known;
    char (*symbols)[8]; /* [K], UTF-8; what cannot be shown is a space */
    bool terminal, colour;
    size_t lines; /* of the block that stands on the screen */
    double last;  /* when the newest frame was drawn */
};

enum { SURENESS_FAINT = 0, SURENESS_PLAIN, SURENESS_BOLD, SURENESS_KNOWN };
static const double frame_seconds = 0.06;

static void read_symbols(cli_film *film, const char *alphabet)
{
    const char *c = alphabet;
    for (size_t k = 0; k < film->K; k++) {
        size_t n = *c == '\0' ? 0 : 1;
        while (n > 0 && n < 7 && ((unsigned char)c[n] & 0xc0) == 0x80)
            n++;
        bool shown = n > 1 || (n == 1 && (unsigned char)*c >= 0x20 && *c != 0x7f);
        snprintf(film->symbols[k], sizeof film->symbols[k], "%.*s", shown ? (int)n : 1, shown ? c : " ");
        c += n;
    }
}

cli_film *cli_film_create(const bfn_model *model, const unsigned char *known)
{
    bfn_model_info info;
    bfn_model_get_info(model, &info);
    if (info.alphabet == NULL || info.flow.kind != BFN_DATA_DISCRETE)
        return NULL;
    cli_film *film = calloc(1, sizeof *film);
    if (film == NULL)
        return NULL;
    film->D = info.positions;
    film->K = info.flow.n_classes;
    film->known = known;
    film->symbols = calloc(film->K, sizeof *film->symbols);
    film->terminal = cli_is_terminal(STDERR_FILENO);
    film->colour = cli_colour(STDERR_FILENO);
    if (film->symbols == NULL) {
        free(film);
        return NULL;
    }
    read_symbols(film, info.alphabet);
    return film;
}

void cli_film_destroy(cli_film *film)
{
    if (film == NULL)
        return;
    free(film->symbols);
    free(film);
}

/* The most likely class of a position and how sure it is. */
static size_t judge(const cli_film *film, const bfn_sample_step *step, size_t i, size_t d, int *sureness)
{
    *sureness = film->known != NULL && film->known[d] ? SURENESS_KNOWN : SURENESS_BOLD;
    if (step->sample != NULL)
        return (size_t)((const int32_t *)step->sample)[i * film->D + d];
    const float *p = step->prediction + (i * film->D + d) * film->K;
    size_t best = 0;
    for (size_t k = 1; k < film->K; k++)
        if (p[k] > p[best])
            best = k;
    if (*sureness != SURENESS_KNOWN)
        *sureness = p[best] < 0.5f ? SURENESS_FAINT : p[best] < 0.9f ? SURENESS_PLAIN : SURENESS_BOLD;
    return best;
}

static void put_symbol(const cli_film *film, size_t k, int sureness, int *current)
{
    static const char *const escapes[] = {"\033[0;2m", "\033[0m", "\033[0;1m", "\033[0;36m"};
    if (film->colour && sureness != *current)
        fputs(escapes[sureness], stderr);
    *current = sureness;
    fputs(!film->colour && sureness == SURENESS_FAINT ? "." : film->symbols[k], stderr);
}

/* Sample i, broken into lines of the terminal's width, `most` of them. Returns the lines. */
static size_t put_sample(const cli_film *film, const bfn_sample_step *step, size_t i, size_t columns, size_t most)
{
    size_t lines = 1, column = 0;
    int current = -1;
    fputs("\033[K", stderr);
    for (size_t d = 0; d < film->D; d++, column++) {
        int sureness;
        size_t k = judge(film, step, i, d, &sureness);
        if (column == columns) {
            if (lines == most)
                break;
            fputs("\n\033[K", stderr);
            lines++;
            column = 0;
        }
        put_symbol(film, k < film->K ? k : 0, sureness, &current);
    }
    fputs(film->colour ? "\033[0m\n" : "\n", stderr);
    return lines;
}

/* As many samples as the window holds; the block above is overwritten. */
static void draw(cli_film *film, const bfn_sample_step *step)
{
    size_t columns = cli_columns(STDERR_FILENO), rows = cli_rows(STDERR_FILENO);
    size_t each = (film->D + columns - 1) / columns, lines = 1;
    size_t most = rows > 3 ? rows - 2 : 1; /* lines for samples: one stays for the head, one for the cursor */
    char head[64];
    snprintf(head, sizeof head, "step %zu of %zu, t = %.3f", step->row, step->n_rows, step->t);
    if (film->lines > 0)
        fprintf(stderr, "\r\033[%zuA", film->lines);
    fprintf(stderr, "\033[K%.*s\n", columns < sizeof head ? (int)columns : (int)sizeof head, head);
    for (size_t i = 0; i < step->n && (i == 0 || lines + each <= most); i++)
        lines += put_sample(film, step, i, columns, most);
    fflush(stderr);
    film->lines = lines;
}

static void erase(cli_film *film)
{
    if (isatty(STDOUT_FILENO)) { /* the sample itself follows in its place */
        fprintf(stderr, "\r\033[%zuA\033[J", film->lines);
        fflush(stderr);
    }
    film->lines = 0;
}

static void wait_for_frame(cli_film *film)
{
    double left = film->last + frame_seconds - cli_seconds();
    if (left > 0.0 && left <= frame_seconds) {
        struct timespec pause = {0, (long)(left * 1e9)};
        nanosleep(&pause, NULL);
    }
    film->last = cli_seconds();
}

static void plain_line(const cli_film *film, const bfn_sample_step *step)
{
    fprintf(stderr, "%4zu/%zu t=%.3f ", step->row, step->n_rows, step->t);
    for (size_t d = 0; d < film->D; d++) {
        int sureness;
        size_t k = judge(film, step, 0, d, &sureness);
        fputs(sureness == SURENESS_FAINT ? "." : film->symbols[k < film->K ? k : 0], stderr);
    }
    fputc('\n', stderr);
}

int cli_film_step(void *user, const bfn_sample_step *step)
{
    cli_film *film = user;
    if (step->row == 0 && step->sample == NULL) /* nothing has been predicted yet */
        return 0;
    if (!film->terminal) {
        plain_line(film, step);
        return 0;
    }
    wait_for_frame(film);
    draw(film, step);
    if (step->sample != NULL)
        erase(film);
    return 0;
}
