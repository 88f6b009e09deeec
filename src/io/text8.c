/* text8.c: the cleaning that turns raw English text into text8's 27 symbols.
 *
 *   letters      A..Z to a..z
 *   digits       spelled out as words of their own: "19" -> " one nine "
 *   the rest     a space (every byte that is not ASCII, too)
 *   runs of spaces become one space
 * Cleaning clean text changes nothing. Two passes, the first of which counts: the result has the exact size.
 */
#include "io/text8.h"

#include "io/text.h"

#include <string.h>

/* The cleaned text so far. Spaces are held back until a letter follows, so runs collapse. */
typedef struct cleaner {
    char *out; /* NULL: only count */
    size_t n;
    bool space, lines;
} cleaner;

static void put(cleaner *c, char letter)
{
    if (c->out != NULL)
        c->out[c->n] = letter;
    c->n++;
}

static void put_letter(cleaner *c, char letter)
{
    if (c->space)
        put(c, ' ');
    c->space = false;
    put(c, letter);
}

static void put_digit(cleaner *c, int digit, bool line_begins)
{
    static const char *const words[] = {"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"};
    c->space = !line_begins;
    for (const char *w = words[digit]; *w != '\0'; w++)
        put_letter(c, *w);
    c->space = true;
}

static void clean(cleaner *c, const char *raw, size_t n)
{
    bool line_begins = c->lines;
    for (size_t i = 0; i < n; i++) {
        char b = raw[i];
        if (b == '\n' && c->lines) {
            c->space = false;
            line_begins = true;
            put(c, '\n');
            continue;
        }
        if (b >= 'A' && b <= 'Z')
            b = (char)(b - 'A' + 'a');
        if (b >= 'a' && b <= 'z')
            put_letter(c, b);
        else if (b >= '0' && b <= '9')
            put_digit(c, b - '0', line_begins);
        else {
            c->space = !line_begins;
            continue;
        }
        line_begins = false;
    }
    if (c->space && !c->lines)
        put(c, ' ');
}

bfn_status bfn__text8_clean_as(bfn_context *ctx, const char *raw, size_t n, bool lines, char **out, size_t *n_out)
{
    cleaner c = {.lines = lines};
    clean(&c, raw, n);
    *n_out = 0;
    *out = bfn__calloc(ctx, c.n, 1);
    if (*out == NULL)
        return BFN_ERR_MEMORY;
    c = (cleaner){.out = *out, .lines = lines};
    clean(&c, raw, n);
    *n_out = c.n;
    return BFN_OK;
}

bfn_status bfn__text8_clean(bfn_context *ctx, const char *raw, size_t n, char **out, size_t *n_out)
{
    return bfn__text8_clean_as(ctx, raw, n, false, out, n_out);
}

/* In blocks, so that the inner loop has no exits and is vectorised. */
bool bfn__text8_is_clean(const char *text, size_t n)
{
    enum { BLOCK = 4096 };
    if (n == 0)
        return true;
    for (size_t first = 0; first < n; first += BLOCK) {
        size_t last = n - first < BLOCK ? n : first + BLOCK;
        unsigned char bad = 0;
        for (size_t i = first; i < last; i++) {
            unsigned char letter = (unsigned char)(text[i] - 'a');
            bad |= (unsigned char)((letter > 25) & (text[i] != ' '));
        }
        for (size_t i = first > 0 ? first : 1; i < last; i++)
            bad |= (unsigned char)((text[i] == ' ') & (text[i - 1] == ' '));
        if (bad != 0)
            return false;
    }
    return true;
}
