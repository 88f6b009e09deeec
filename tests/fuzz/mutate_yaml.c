/* mutate_yaml.c: texts of lines "key: value" with one line changed (see mutate.h): what a writer of YAML could write, and a bit more. */
#include "mutate.h"

#include <string.h>

enum { MAX_LINES = 64, DEPTH = 18 };

typedef struct line {
    const uint8_t *text;
    size_t n;
} line;

static const char *pick(fuzz_random *r, const char *const *list)
{
    size_t n = 0;
    while (list[n] != NULL)
        n++;
    return n > 0 ? list[fuzz_below(r, n)] : "";
}

static const char *const odd_values[] = {"",
                                         "~",
                                         "null",
                                         "[]",
                                         "{}",
                                         "[1, 2]",
                                         "{a: 1}",
                                         "[[[]]]",
                                         "{a: {b: [c, {d: e}]}}",
                                         "\"a\\tb\\u00e9\\U0001F600\"",
                                         "'it''s'",
                                         "\"\\x1b\"",
                                         "|\n   block\n   text",
                                         ">-\n   folded\n\n   text",
                                         "&a 1",
                                         "*a",
                                         "!!str 1",
                                         "!x",
                                         "1e400",
                                         "-1",
                                         "+.5e-3",
                                         "0x10",
                                         "1_000",
                                         "10x",
                                         "nan",
                                         ".inf",
                                         "\xe2\x88\x92"
                                         "1",
                                         "1,5",
                                         "\xef\xbb\xbf",
                                         "\xc0\x80",
                                         "\"a\\\n  b\"",
                                         "? x",
                                         "- y",
                                         "# comment",
                                         "%YAML 1.1",
                                         "...",
                                         "... x",
                                         "---",
                                         "--- x",
                                         "18446744073709551615",
                                         "18446744073709551616",
                                         "true",
                                         "off",
                                         "a: b",
                                         "\xc2\x85",
                                         "\xe2\x80\xa8",
                                         "@x",
                                         "`x",
                                         "a # b",
                                         "a#b",
                                         NULL};

static void put_spaces(fuzz_out *o, size_t n)
{
    for (size_t i = 0; i < n; i++)
        fuzz_put_text(o, " ");
}

static void put_value(fuzz_out *o, fuzz_random *r, const fuzz_words *words)
{
    fuzz_put_text(o, fuzz_chance(r, 2) ? pick(r, words->values) : pick(r, odd_values));
}

static void put_line(fuzz_out *o, fuzz_random *r, const fuzz_words *words, size_t indent)
{
    put_spaces(o, indent);
    if (fuzz_chance(r, 8))
        fuzz_put_text(o, fuzz_chance(r, 2) ? "- " : "? ");
    fuzz_put_text(o, fuzz_chance(r, 12) ? pick(r, odd_values) : pick(r, words->keys));
    fuzz_put_text(o, fuzz_chance(r, 12) ? ":" : ": ");
    put_value(o, r, words);
    fuzz_put_text(o, fuzz_chance(r, 16) ? "\r\n" : "\n");
}

static size_t indent_of(const line *l)
{
    size_t n = 0;
    while (n < l->n && l->text[n] == ' ')
        n++;
    return n;
}

/* A mapping in a mapping in a mapping. */
static void put_nest(fuzz_out *o, fuzz_random *r, const fuzz_words *words)
{
    size_t depth = 1 + fuzz_below(r, DEPTH);
    bool flow = fuzz_chance(r, 2);
    for (size_t i = 0; i < depth; i++) {
        if (!flow)
            put_spaces(o, 2 * i);
        fuzz_put_text(o, pick(r, words->keys));
        fuzz_put_text(o, flow ? ": {" : ":\n");
    }
    for (size_t i = 0; flow && i < depth; i++)
        fuzz_put_text(o, "}");
    fuzz_put_text(o, "\n");
}

static size_t split(const uint8_t *data, size_t n, line lines[MAX_LINES])
{
    size_t count = 0;
    for (size_t at = 0; at < n && count < MAX_LINES;) {
        const uint8_t *stop = memchr(data + at, '\n', n - at);
        size_t length = stop != NULL ? (size_t)(stop - data) - at + 1 : n - at;
        lines[count++] = (line){data + at, length};
        at += length;
    }
    return count;
}

/* The line itself, changed in one way. */
static void put_changed(fuzz_out *o, fuzz_random *r, const line *l, const fuzz_words *words)
{
    const uint8_t *colon = memchr(l->text, ':', l->n);
    size_t head = colon != NULL ? (size_t)(colon - l->text) + 1 : l->n, shift = fuzz_below(r, 4);
    switch (fuzz_below(r, 5)) {
    case 0: /* another value */
        fuzz_put(o, l->text, head);
        fuzz_put_text(o, " ");
        put_value(o, r, words);
        fuzz_put_text(o, "\n");
        break;
    case 1: /* another key */
        put_spaces(o, indent_of(l));
        fuzz_put_text(o, pick(r, words->keys));
        fuzz_put(o, l->text + head - (colon != NULL), l->n - head + (colon != NULL));
        break;
    case 2: /* deeper */
        put_spaces(o, shift);
        fuzz_put(o, l->text, l->n);
        break;
    case 3: /* less deep */
        shift = shift < indent_of(l) ? shift : indent_of(l);
        fuzz_put(o, l->text + shift, l->n - shift);
        break;
    default:
        fuzz_put_mutated(o, l->text, l->n, 8);
    }
}

void fuzz_put_yaml_mutated(fuzz_out *o, fuzz_random *r, const uint8_t *data, size_t n, const fuzz_words *words)
{
    line lines[MAX_LINES];
    size_t count = split(data, n, lines), chosen = fuzz_below(r, count + 1), other = fuzz_below(r, count + 1);
    size_t action = fuzz_below(r, 8);
    for (size_t i = 0; i < count; i++) {
        const line *l = &lines[i];
        if (i != chosen || action == 0) {
            fuzz_put(o, l->text, l->n);
            continue;
        }
        if (action <= 3)
            put_changed(o, r, l, words);
        if (action == 4 && other < count) /* doubled or exchanged */
            fuzz_put(o, lines[other].text, lines[other].n);
        if (action == 5)
            put_line(o, r, words, indent_of(l) + (fuzz_chance(r, 3) ? 2 : 0));
        if (action >= 5 && action <= 6)
            fuzz_put(o, l->text, l->n);
    }
    if (action == 0 || chosen == count)
        put_line(o, r, words, count > 0 && !fuzz_chance(r, 3) ? indent_of(&lines[count - 1]) : 2 * fuzz_below(r, 3));
    if (action == 6)
        put_nest(o, r, words);
}
