/* markup.c: text that grows (markup.h). Numbers are printed as whole ones, so that no locale's comma gets in. */
#include "io/markup.h"

#include "io/utf8.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_BYTES = 512, MAX_DIGITS = 9 };

void bfn__markup_bytes(bfn__markup *m, const char *data, size_t n)
{
    if (!m->failed && n + 1 > m->room - m->n) {
        size_t room = 2 * m->room + n + 4096;
        char *grown = bfn__calloc(m->ctx, room, 1);
        m->failed = grown == NULL;
        if (m->failed)
            return;
        if (m->n > 0)
            memcpy(grown, m->data, m->n);
        bfn__free(m->ctx, m->data);
        m->data = grown;
        m->room = room;
    }
    if (m->failed)
        return;
    memcpy(m->data + m->n, data, n);
    m->n += n;
    m->data[m->n] = '\0';
}

void bfn__markup_text(bfn__markup *m, const char *text)
{
    bfn__markup_bytes(m, text, strlen(text));
}

void bfn__markup_add(bfn__markup *m, const char *format, ...)
{
    char line[LINE_MAX_BYTES];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (n > 0)
        bfn__markup_bytes(m, line, (size_t)n < sizeof line ? (size_t)n : sizeof line - 1);
}

void bfn__markup_fixed(bfn__markup *m, double value, int digits)
{
    long long power = 1;
    if (!(fabs(value) < 1e9)) { /* not known, or too large to be of use */
        bfn__markup_text(m, isnan(value) ? "–" : value > 0.0 ? "∞" : "-∞");
        return;
    }
    for (int i = 0; i < digits && i < MAX_DIGITS; i++)
        power *= 10;
    long long scaled = llround(value * (double)power), size = llabs(scaled);
    bfn__markup_add(m, "%s%lld", scaled < 0 ? "-" : "", size / power);
    if (power > 1)
        bfn__markup_add(m, ".%0*lld", digits < MAX_DIGITS ? digits : MAX_DIGITS, size % power);
}

void bfn__markup_coordinate(bfn__markup *m, double value)
{
    bfn__markup_fixed(m, value, 1);
}

void bfn__markup_escaped(bfn__markup *m, const char *text)
{
    size_t n = strlen(text);
    for (size_t i = 0; i < n;) {
        uint32_t code = 0;
        size_t length = bfn__utf8_decode(text + i, n - i, &code);
        const char *entity = code == '&'   ? "&amp;"
                             : code == '<' ? "&lt;"
                             : code == '>' ? "&gt;"
                             : code == '"' ? "&quot;"
                                           : NULL;
        if (length == 0 || bfn__is_control(code) || (code & 0xfffe) == 0xfffe)
            bfn__markup_bytes(m, "?", 1);
        else if (entity != NULL)
            bfn__markup_text(m, entity);
        else
            bfn__markup_bytes(m, text + i, length);
        i += length > 0 ? length : 1;
    }
}
