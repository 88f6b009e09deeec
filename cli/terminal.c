/* terminal.c: what kind of place a stream goes to. Escape sequences are only for terminals that say they understand them. */
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

bool cli_is_terminal(int descriptor)
{
    const char *term = getenv("TERM");
    return isatty(descriptor) && term != NULL && term[0] != '\0' && strcmp(term, "dumb") != 0;
}

bool cli_colour(int descriptor)
{
    const char *no_colour = getenv("NO_COLOR");
    return cli_is_terminal(descriptor) && (no_colour == NULL || no_colour[0] == '\0');
}

static void window(int descriptor, size_t *columns, size_t *rows)
{
    struct winsize size = {0};
    bool known = ioctl(descriptor, TIOCGWINSZ, &size) == 0;
    *columns = known && size.ws_col > 0 ? size.ws_col : 80;
    *rows = known && size.ws_row > 0 ? size.ws_row : 24;
}

size_t cli_columns(int descriptor)
{
    size_t columns, rows;
    window(descriptor, &columns, &rows);
    return columns;
}

size_t cli_rows(int descriptor)
{
    size_t columns, rows;
    window(descriptor, &columns, &rows);
    return rows;
}

double cli_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void cli_duration(double seconds, char text[32])
{
    if (!(seconds >= 0.0) || seconds > 1e8) {
        snprintf(text, 32, "?");
        return;
    }
    unsigned long s = (unsigned long)(seconds + 0.5);
    if (s < 60)
        snprintf(text, 32, "%lu s", s);
    else if (s < 3600)
        snprintf(text, 32, "%lu min %02lu s", s / 60, s % 60);
    else if (s < 86400)
        snprintf(text, 32, "%lu h %02lu min", s / 3600, s / 60 % 60);
    else
        snprintf(text, 32, "%lu d %02lu h", s / 86400, s / 3600 % 24);
}
