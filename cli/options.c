/* options.c: command line options from tables: getopt_long for the syntax, strict values, the nearest name for a wrong one.
 *
 * Numbers are taken whole or not at all ("10x", "1e400", "0x1", a decimal comma are refused) and a value outside its range is an
 * error that says the range; nothing is clamped.
 */
#include "cli.h"

#include <getopt.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --limit NAME=VALUE, which every command has: kept here for the contexts that are made later. */
enum { MAX_LIMITS = 64 };
static struct {
    char name[32];
    size_t value;
} given_limits[MAX_LIMITS];
static size_t n_given_limits;

/* ---- messages ---- */

int cli_usage(const cli_command *command, const char *format, ...)
{
    char line[1024], safe[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    fprintf(stderr, "bfn %s: %s (bfn help %s)\n", command->name, cli_safe(line, safe, sizeof safe), command->name);
    return CLI_EXIT_USAGE;
}

int cli_fail(const cli_command *command, const bfn_context *ctx, bfn_status status)
{
    char safe[2048];
    const char *message = bfn_errmsg(ctx);
    fprintf(stderr, "bfn %s: %s\n", command->name,
            message[0] != '\0' ? cli_safe(message, safe, sizeof safe) : bfn_status_text(status));
    return status == BFN_CANCELLED ? CLI_EXIT_SIGINT : (int)status;
}

int cli_no_context(const cli_command *command, bfn_status status)
{
    fprintf(stderr, "bfn %s: %s\n", command->name, bfn_status_text(status));
    return (int)status;
}

bfn_status cli_context(const cli_command *command, size_t threads, bfn_context **ctx)
{
    bfn_context_options options = BFN_CONTEXT_OPTIONS_INIT;
    options.n_threads = (int)threads;
    bfn_status status = bfn_context_create(ctx, &options);
    if (status != BFN_OK) {
        cli_no_context(command, status);
        return status;
    }
    for (size_t i = 0; i < n_given_limits && status == BFN_OK; i++)
        status = bfn_set_limit(*ctx, given_limits[i].name, given_limits[i].value);
    if (status != BFN_OK) {
        cli_usage(command, "--limit: %s", bfn_errmsg(*ctx));
        bfn_context_destroy(*ctx);
        *ctx = NULL;
    }
    return status;
}

int cli_flush(const cli_command *command)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    fprintf(stderr, "bfn %s: standard output cannot be written\n", command->name);
    return CLI_EXIT_WRITE;
}

/* Bytes of a valid UTF-8 character at c (continuation bytes checked, no overlong forms of ASCII); 0: invalid. */
static size_t utf8_bytes(const unsigned char *c)
{
    size_t n = c[0] < 0x80 ? 1 : c[0] >= 0xf0 && c[0] < 0xf5 ? 4 : c[0] >= 0xe0 ? 3 : c[0] >= 0xc2 ? 2 : 0;
    if (c[0] >= 0xf5)
        return 0;
    for (size_t i = 1; i < n; i++)
        if ((c[i] & 0xc0) != 0x80)
            return 0;
    return n;
}

const char *cli_safe(const char *text, char *out, size_t capacity)
{
    size_t used = 0;
    const unsigned char *c = (const unsigned char *)text;
    while (*c != '\0' && used + 5 < capacity) {
        size_t n = utf8_bytes(c);
        bool c1 = n == 2 && c[0] == 0xc2 && c[1] < 0xa0; /* 8-bit control characters */
        if (n == 0 || *c < 0x20 || *c == 0x7f || c1) {
            out[used++] = '?';
            c += n == 0 ? 1 : n;
            continue;
        }
        memcpy(out + used, c, n);
        used += n;
        c += n;
    }
    out[used] = '\0';
    return out;
}

void cli_put_json(FILE *out, const char *text)
{
    fputc('"', out);
    for (const unsigned char *c = (const unsigned char *)text; *c != '\0';) {
        size_t n = utf8_bytes(c);
        if (n == 0)
            fputc('?', out);
        else if (*c == '"' || *c == '\\')
            fprintf(out, "\\%c", *c);
        else if (*c < 0x20 || *c == 0x7f)
            fprintf(out, "\\u%04x", *c);
        else
            fwrite(c, 1, n, out);
        c += n == 0 ? 1 : n;
    }
    fputc('"', out);
}

/* ---- names ---- */

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Edits (insert, delete, replace) from a to b, both cut at 63 bytes. */
static size_t edits(const char *a, const char *b)
{
    size_t row[64], n_a = smaller(strlen(a), 63), n_b = smaller(strlen(b), 63);
    for (size_t j = 0; j <= n_b; j++)
        row[j] = j;
    for (size_t i = 1; i <= n_a; i++) {
        size_t corner = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n_b; j++) {
            size_t replaced = corner + (a[i - 1] != b[j - 1]);
            corner = row[j];
            row[j] = smaller(replaced, smaller(row[j], row[j - 1]) + 1);
        }
    }
    return row[n_b];
}

const char *cli_nearest(const char *wrong, const char *const *names, size_t n)
{
    const char *best = NULL;
    size_t limit = strlen(wrong) / 2, least = (limit < 2 ? 2 : limit) + 1;
    for (size_t i = 0; i < n; i++) {
        bool begins = strlen(wrong) >= 3 && strncmp(names[i], wrong, strlen(wrong)) == 0;
        size_t distance = begins ? 0 : edits(wrong, names[i]);
        if (distance < least) {
            least = distance;
            best = names[i];
        }
    }
    return best;
}

/* ---- values ---- */

/* The plain decimal grammar: strtod alone also takes "0x1", "inf", blanks and the locale's mark. */
static bool is_decimal(const char *text)
{
    const char *c = text + (*text == '-' || *text == '+');
    size_t whole = strspn(c, "0123456789"), part = 0;
    c += whole;
    if (*c == '.') {
        part = strspn(c + 1, "0123456789");
        c += 1 + part;
    }
    if (whole + part == 0)
        return false;
    if (*c == 'e' || *c == 'E') {
        c += 1 + (c[1] == '-' || c[1] == '+');
        size_t digits = strspn(c, "0123456789");
        if (digits == 0)
            return false;
        c += digits;
    }
    return *c == '\0';
}

bool cli_number(const char *text, double *value)
{
    char copy[64];
    size_t n = strlen(text);
    if (n >= sizeof copy || !is_decimal(text))
        return false;
    memcpy(copy, text, n + 1);
    char *point = strchr(copy, '.');
    if (point != NULL)
        *point = localeconv()->decimal_point[0];
    *value = strtod(copy, NULL);
    return isfinite(*value);
}

static bool read_seed(const char *text, uint64_t *value)
{
    size_t n = strlen(text);
    if (n == 0 || n > 20 || strspn(text, "0123456789") != n)
        return false;
    *value = 0;
    for (; *text != '\0'; text++)
        if (__builtin_mul_overflow(*value, 10u, value) ||
            __builtin_add_overflow(*value, (uint64_t)(*text - '0'), value))
            return false;
    return true;
}

static int choice_index(const char *choices, const char *text)
{
    size_t n = strlen(text);
    for (int i = 0;; i++) {
        size_t length = strcspn(choices, "|");
        if (length == n && n > 0 && strncmp(choices, text, n) == 0)
            return i;
        if (choices[length] == '\0')
            return -1;
        choices += length + 1;
    }
}

void cli_choices(const cli_option *o, char *text, size_t capacity)
{
    size_t used = (size_t)snprintf(text, capacity, "one of ");
    for (const char *c = o->choices; *c != '\0' && used + 3 < capacity; c++) {
        text[used++] = *c == '|' ? ',' : *c;
        if (*c == '|')
            text[used++] = ' ';
    }
    text[used] = '\0';
}

static void allowed_text(const cli_option *o, char *text, size_t capacity)
{
    if (o->type == CLI_CHOICE) {
        cli_choices(o, text, capacity);
    } else if (o->type == CLI_SEED) {
        snprintf(text, capacity, "a whole number from 0 to %" PRIu64, UINT64_MAX);
    } else {
        snprintf(text, capacity, "a %snumber from %.10g to %.10g", o->type == CLI_SIZE ? "whole " : "", o->low,
                 o->high);
    }
}

static bool store_number(const cli_option *o, const char *text, void *at)
{
    double value;
    if (!cli_number(text, &value) || value < o->low || value > o->high)
        return false;
    if (o->type == CLI_REAL)
        *(double *)at = value;
    else if (value == floor(value))
        *(size_t *)at = (size_t)value;
    else
        return false;
    return true;
}

static bool store(const cli_option *o, const char *text, void *at)
{
    cli_texts *texts = at;
    switch (o->type) {
    case CLI_FLAG:
        *(int *)at = 1;
        return true;
    case CLI_TEXT:
        *(const char **)at = text;
        return true;
    case CLI_TEXTS:
        if (texts->n == CLI_MAX_TEXTS)
            return false;
        texts->items[texts->n++] = text;
        return true;
    case CLI_SEED:
        return read_seed(text, at);
    case CLI_CHOICE:
        *(int *)at = choice_index(o->choices, text);
        return *(int *)at >= 0;
    case CLI_SIZE:
    case CLI_REAL:
        return store_number(o, text, at);
    }
    return false;
}

/* ---- the parser ---- */

typedef struct syntax {
    struct option longs[CLI_MAX_OPTIONS + 3];
    char shorts[2 * CLI_MAX_OPTIONS + 4];
} syntax;

enum { CODE_HELP = 1000, CODE_LIMIT = 1001, CODE_FIRST = 2000 };

static void build_syntax(const cli_command *command, syntax *s)
{
    size_t used = 0;
    memset(s, 0, sizeof *s);
    s->shorts[used++] = ':';
    for (size_t i = 0; i < command->n_options; i++) {
        const cli_option *o = &command->options[i];
        int has = o->argument != NULL ? required_argument : no_argument;
        s->longs[i] = (struct option){o->name, has, NULL, CODE_FIRST + (int)i};
        if (o->letter != 0) {
            s->shorts[used++] = o->letter;
            if (has == required_argument)
                s->shorts[used++] = ':';
        }
    }
    s->shorts[used++] = 'h';
    s->longs[command->n_options] = (struct option){"help", no_argument, NULL, CODE_HELP};
    s->longs[command->n_options + 1] = (struct option){"limit", required_argument, NULL, CODE_LIMIT};
}

/* getopt_long found no such option: which was meant? */
static bool fail_unknown(const cli_command *command, const char *argument)
{
    const char *names[CLI_MAX_OPTIONS];
    char wrong[64];
    if (argument == NULL || strncmp(argument, "--", 2) != 0) {
        cli_usage(command, "-%c: no such option", optopt);
        return false;
    }
    size_t n = strcspn(argument + 2, "="), n_begin = 0;
    snprintf(wrong, sizeof wrong, "%.*s", (int)(n < 60 ? n : 60), argument + 2);
    for (size_t i = 0; i < command->n_options; i++)
        if (strncmp(command->options[i].name, wrong, strlen(wrong)) == 0)
            names[n_begin++] = command->options[i].name;
    if (n_begin > 1) {
        cli_usage(command, "--%s: short for more than one option, as --%s and --%s", wrong, names[0], names[1]);
        return false;
    }
    for (size_t i = 0; i < command->n_options; i++)
        names[i] = command->options[i].name;
    const char *near = cli_nearest(wrong, names, command->n_options);
    if (near != NULL)
        cli_usage(command, "--%s: no such option, nearest is --%s", wrong, near);
    else
        cli_usage(command, "--%s: no such option", wrong);
    return false;
}

static const cli_option *option_of_code(const cli_command *command, int code, size_t *index)
{
    for (size_t i = 0; i < command->n_options; i++)
        if (code == CODE_FIRST + (int)i || (code != 0 && code == command->options[i].letter)) {
            *index = i;
            return &command->options[i];
        }
    return NULL;
}

static bool take(const cli_command *command, const cli_option *o, const char *text, void *values)
{
    char allowed[200];
    if (store(o, text, (char *)values + o->offset))
        return true;
    allowed_text(o, allowed, sizeof allowed);
    cli_usage(command, "--%s: found \"%s\", needs %s", o->name, text, allowed);
    return false;
}

static bool fail_value(const cli_command *command, const char *argument, bool missing)
{
    size_t index;
    const cli_option *o = option_of_code(command, optopt, &index);
    if (o == NULL)
        return fail_unknown(command, argument);
    if (missing)
        cli_usage(command, "--%s: needs a value: %s", o->name, o->argument);
    else
        cli_usage(command, "--%s: takes no value", o->name);
    return false;
}

/* The name is judged when a context is there to know it. */
static bool take_limit(const cli_command *command, const char *text)
{
    const char *value = strchr(text, '=');
    size_t n = value != NULL ? (size_t)(value - text) : 0;
    double number;
    if (n == 0 || n >= sizeof given_limits[0].name || n_given_limits == MAX_LIMITS || !cli_number(value + 1, &number) ||
        number < 1.0 || number > 0x1p53 || number != floor(number)) {
        cli_usage(command, "--limit: found \"%s\", needs NAME=VALUE with a whole number (bfn help limits)", text);
        return false;
    }
    memcpy(given_limits[n_given_limits].name, text, n);
    given_limits[n_given_limits].name[n] = '\0';
    given_limits[n_given_limits++].value = (size_t)number;
    return true;
}

bool cli_parse(const cli_command *command, int argc, char **argv, void *values, bool *given, size_t max_operands,
               size_t *n_operands)
{
    syntax s;
    build_syntax(command, &s);
    optind = 0; /* a fresh start, GNU's way */
    opterr = 0;
    for (int code; (code = getopt_long(argc, argv, s.shorts, s.longs, NULL)) != -1;) {
        size_t index = 0;
        const char *argument = optind > 0 && optind <= argc ? argv[optind - 1] : NULL;
        if (code == CODE_HELP || code == 'h') {
            cli_help(command);
            exit(cli_flush(command));
        }
        if (code == CODE_LIMIT) {
            if (!take_limit(command, optarg != NULL ? optarg : ""))
                return false;
            continue;
        }
        if (code == ':' && optopt == CODE_LIMIT) {
            cli_usage(command, "--limit: needs a value: NAME=VALUE");
            return false;
        }
        if (code == ':' || (code == '?' && optopt >= CODE_FIRST))
            return fail_value(command, argument, code == ':');
        const cli_option *o = code == '?' ? NULL : option_of_code(command, code, &index);
        if (o == NULL)
            return fail_unknown(command, argument);
        if (!take(command, o, optarg != NULL ? optarg : "", values))
            return false;
        if (given != NULL)
            given[index] = true;
    }
    size_t n = (size_t)(argc - optind);
    if (n > max_operands) {
        cli_usage(command, "found \"%s\", %s", argv[optind + (int)max_operands],
                  max_operands == 0 ? "no operand is expected" : "which is one operand too many");
        return false;
    }
    for (size_t i = 0; i < n; i++)
        argv[i] = argv[optind + (int)i];
    *n_operands = n;
    return true;
}
