/* config_fields.c: the fields of a configuration and their text.
 *
 * One table says everything about a field: where it lives, its type, range, default, whether a resumed run may change it, and a
 * line for the reader. Parsing, writing, comparing, overrides and the program's help all walk this table, so a new field is one row.
 * Numbers are read and written with the point as decimal mark whatever the locale (configurations travel).
 */
#include "model/config_fields.h"

#include "io/yaml.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT(section, member) #section "." #member
#define SIZE(section, member, low, high, value, may_change, text)                                                      \
    {                                                                                                                  \
        AT(section, member), BFN__FIELD_SIZE, offsetof(bfn__config, section.member), 1, low, high, {value}, NULL,      \
            may_change, text                                                                                           \
    }
#define REAL(section, member, low, high, value, may_change, text)                                                      \
    {                                                                                                                  \
        AT(section, member), BFN__FIELD_REAL, offsetof(bfn__config, section.member), 1, low, high, {value}, NULL,      \
            may_change, text                                                                                           \
    }
#define FLAG(section, member, value, text)                                                                             \
    {                                                                                                                  \
        AT(section, member), BFN__FIELD_BOOL, offsetof(bfn__config, section.member), 1, 0, 1, {value}, NULL, false,    \
            text                                                                                                       \
    }
#define WORD(section, member, key, choices, value, text)                                                               \
    {                                                                                                                  \
#section "." key, BFN__FIELD_CHOICE, offsetof(bfn__config, section.member), 1, 0, 0,                           \
            {value }, choices, false, text                                                                             \
    }
#define TINY 1e-12
#define MANY 1e9

/* clang-format off */
static const bfn__field fields[] = {
    WORD(data, kind, "kind", "text", 0, "what the data file holds"),
    WORD(data, alphabet, "alphabet", "text8|chars", 0, "text8: a-z and space, raw text is cleaned; chars: the characters that occur"),
    FLAG(data, lines, 0, "one sequence a line, padded (else one stream, cut into windows)"),
    FLAG(data, truncate, 0, "cut lines longer than seq_len (else they are refused)"),
    SIZE(data, seq_len, 1, 65536, 128, false, "characters a sequence"),
    {"data.fractions", BFN__FIELD_REAL, offsetof(bfn__config, data.fractions), 3, 0, 1, {0.9, 0.05, 0.05}, NULL, false,
     "parts for training, validation and test"},
    WORD(network, class_index, "class", "gpt", 0, "the network; its options stand beside it (n_layer, n_head, n_embd, ...)"),
    WORD(flow, kind, "kind", "continuous|discretised|discrete", 2, "kind of data that the flow blurs; text is discrete"),
    SIZE(flow, n_classes, 0, 65536, 0, false, "classes or bins; 0: as many as the alphabet has"),
    REAL(flow, max_sqrt_beta, TINY, 100, 0.75, false, "discrete: square root of the final accuracy"),
    REAL(flow, min_variance, TINY, 0.999999, 1e-6, false, "continuous, discretised: variance left at the end"),
    REAL(flow, clip, 0, 1e6, 1, false, "continuous: predictions are clipped to this; 0: not at all"),
    {"train.loss", BFN__FIELD_CHOICE, offsetof(bfn__config, train.loss), 1, 0, 0, {0}, "continuous_time|cross_entropy", true,
     "what is minimised: the bound itself, or the surrogate of the same minimum that learns faster at first (resume may switch)"},
    SIZE(train, batch, 1, 65536, 32, false, "sequences a forward and backward pass"),
    SIZE(train, accumulate, 1, 65536, 1, false, "passes an optimiser step"),
    SIZE(train, steps, 1, MANY, 10000, true, "optimiser steps"),
    REAL(train, lr, 0, 1e6, 1e-3, false, "learning rate after warm-up"),
    WORD(train, schedule, "schedule", "constant|cosine", 1, "learning rate after warm-up"),
    SIZE(train, warmup, 0, MANY, 200, false, "steps of linear warm-up"),
    REAL(train, min_lr_ratio, 0, 1, 0.02, false, "cosine: where it ends, as a part of lr"),
    {"train.betas", BFN__FIELD_REAL, offsetof(bfn__config, train.betas), 2, 0, 0.999999, {0.9, 0.98}, NULL, false,
     "AdamW: decay of the two moments"},
    REAL(train, eps, 0, 1, 1e-8, false, "AdamW: added to the denominator"),
    REAL(train, weight_decay, 0, 10, 0.01, false, "AdamW: decoupled decay of linear weights"),
    REAL(train, clip_norm, 0, 1e9, 1, false, "largest gradient norm; 0: no clipping"),
    REAL(train, ema, 0, 0.999999999, 0.999, false, "decay of the averaged weights (warmed up: min(ema, (1+n)/(10+n)))"),
    {"train.seed", BFN__FIELD_SEED, offsetof(bfn__config, train.seed), 1, 0, 1.8446744073709552e19, {1}, NULL, false,
     "seed of weights, order, times and noise"},
    SIZE(train, max_bad_steps, 1, 1e6, 20, true, "steps in a row without finite numbers before giving up"),
    SIZE(train, valid_every, 0, MANY, 500, true, "steps between validations; 0: never"),
    SIZE(train, valid_batches, 1, 65536, 8, true, "batches of a validation"),
    SIZE(train, checkpoint_every, 0, MANY, 500, true, "steps between checkpoints; 0: only at the end"),
    SIZE(train, keep, 1, 1000, 1, true, "newest checkpoints kept (beside the best)"),
    SIZE(train, sample_every, 0, MANY, 500, true, "steps between sample texts; 0: never"),
    SIZE(train, sample_n, 1, 1000, 4, true, "sample texts each time"),
    SIZE(train, sample_nfe, 2, 1000, 20, true, "network evaluations of a sample text"),
    SIZE(train, log_every, 1, MANY, 10, true, "steps between lines of log.jsonl"),
};
/* clang-format on */

size_t bfn__n_fields(void)
{
    return sizeof fields / sizeof fields[0];
}

const bfn__field *bfn__field_at(size_t i)
{
    return &fields[i];
}

bool bfn__choice_word(const char *choices, size_t i, char word[BFN__CONFIG_MAX_KEY])
{
    for (; i > 0; i--) {
        choices = strchr(choices, '|');
        if (choices == NULL)
            return false;
        choices++;
    }
    size_t n = strcspn(choices, "|");
    memcpy(word, choices, n);
    word[n] = '\0';
    return true;
}

/* ---- one field as text ---- */

static void *slot(const bfn__field *field, bfn__config *config)
{
    return (char *)config + field->offset;
}

void bfn__field_range(const bfn__field *field, char text[BFN__FIELD_TEXT])
{
    char low[BFN__NUMBER_TEXT_MAX], high[BFN__NUMBER_TEXT_MAX];
    bfn__format_number(field->low, low);
    bfn__format_number(field->high, high);
    const char *what = field->type == BFN__FIELD_REAL ? "a number" : "a whole number";
    switch (field->type) {
    case BFN__FIELD_BOOL:
        snprintf(text, BFN__FIELD_TEXT, "true or false");
        break;
    case BFN__FIELD_CHOICE:
        snprintf(text, BFN__FIELD_TEXT, "%s%s", strchr(field->choices, '|') != NULL ? "one of " : "", field->choices);
        for (char *c = text; *c != '\0'; c++)
            if (*c == '|')
                *c = '/';
        break;
    case BFN__FIELD_SEED:
        snprintf(text, BFN__FIELD_TEXT, "a whole number from 0 to 18446744073709551615");
        break;
    case BFN__FIELD_SIZE:
    case BFN__FIELD_REAL:
        if (field->n > 1)
            snprintf(text, BFN__FIELD_TEXT, "a list of %zu numbers from %s to %s", field->n, low, high);
        else
            snprintf(text, BFN__FIELD_TEXT, "%s from %s to %s", what, low, high);
        break;
    }
}

static void write_reals(const double *values, size_t n, char text[BFN__FIELD_TEXT])
{
    size_t used = 0;
    for (size_t i = 0; i < n; i++) {
        char number[BFN__NUMBER_TEXT_MAX];
        bfn__format_number(values[i], number);
        used +=
            (size_t)snprintf(text + used, BFN__FIELD_TEXT - used, "%s%s", i > 0 ? ", " : (n > 1 ? "[" : ""), number);
    }
    if (n > 1)
        snprintf(text + used, BFN__FIELD_TEXT - used, "]");
}

void bfn__field_write(const bfn__field *field, const bfn__config *config, char text[BFN__FIELD_TEXT])
{
    const char *at = (const char *)config + field->offset;
    char word[BFN__CONFIG_MAX_KEY] = "?";
    switch (field->type) {
    case BFN__FIELD_SIZE:
        snprintf(text, BFN__FIELD_TEXT, "%zu", *(const size_t *)(const void *)at);
        break;
    case BFN__FIELD_SEED:
        snprintf(text, BFN__FIELD_TEXT, "%" PRIu64, *(const uint64_t *)(const void *)at);
        break;
    case BFN__FIELD_REAL:
        write_reals((const double *)(const void *)at, field->n, text);
        break;
    case BFN__FIELD_BOOL:
        snprintf(text, BFN__FIELD_TEXT, "%s", *(const int *)(const void *)at != 0 ? "true" : "false");
        break;
    case BFN__FIELD_CHOICE:
        bfn__choice_word(field->choices, (size_t) * (const int *)(const void *)at, word);
        snprintf(text, BFN__FIELD_TEXT, "%s", word);
        break;
    }
}

static bool read_size(const bfn__field *field, const char *text, size_t *out)
{
    double value;
    if (!bfn__parse_number(text, &value) || value != floor(value) || value < field->low || value > field->high)
        return false;
    *out = (size_t)value;
    return true;
}

static bool read_seed(const char *text, uint64_t *out)
{
    if (text[0] == '\0' || strspn(text, "0123456789") != strlen(text))
        return false;
    errno = 0;
    unsigned long long value = strtoull(text, NULL, 10);
    *out = value;
    return errno == 0;
}

/* "[0.9, 0.98]", "0.9,0.98" or a single number. */
static bool read_reals(const bfn__field *field, const char *text, double *out)
{
    char copy[BFN__FIELD_TEXT];
    size_t n = strlen(text), count = 0;
    if (n >= sizeof copy)
        return false;
    memcpy(copy, text, n + 1);
    char *c = copy;
    if (n >= 2 && copy[0] == '[' && copy[n - 1] == ']') {
        copy[n - 1] = '\0';
        c++;
    }
    for (char *rest = NULL; c != NULL; c = rest) {
        rest = strchr(c, ',');
        if (rest != NULL)
            *rest++ = '\0';
        c += strspn(c, " ");
        c[strcspn(c, " ")] = '\0';
        double value;
        if (count == field->n || !bfn__parse_number(c, &value) || value < field->low || value > field->high)
            return false;
        out[count++] = value;
    }
    return count == field->n;
}

static bool read_bool(const char *text, int *out)
{
    bool yes = strcmp(text, "true") == 0 || strcmp(text, "yes") == 0 || strcmp(text, "1") == 0;
    bool no = strcmp(text, "false") == 0 || strcmp(text, "no") == 0 || strcmp(text, "0") == 0;
    *out = yes;
    return yes || no;
}

static bool read_choice(const char *choices, const char *text, int *out)
{
    char word[BFN__CONFIG_MAX_KEY];
    for (size_t i = 0; bfn__choice_word(choices, i, word); i++)
        if (strcmp(word, text) == 0) {
            *out = (int)i;
            return true;
        }
    return false;
}

bfn_status bfn__field_read(bfn_context *ctx, const bfn__field *field, bfn__config *config, const char *text)
{
    void *at = slot(field, config);
    bool good = false;
    double reals[BFN__FIELD_MAX_VALUES];
    switch (field->type) {
    case BFN__FIELD_SIZE:
        good = read_size(field, text, at);
        break;
    case BFN__FIELD_SEED:
        good = read_seed(text, at);
        break;
    case BFN__FIELD_REAL:
        good = read_reals(field, text, reals);
        if (good)
            memcpy(at, reals, field->n * sizeof(double));
        break;
    case BFN__FIELD_BOOL:
        good = read_bool(text, at);
        break;
    case BFN__FIELD_CHOICE:
        good = read_choice(field->choices, text, at);
        break;
    }
    if (good)
        return BFN_OK;
    char range[BFN__FIELD_TEXT];
    bfn__field_range(field, range);
    return bfn__fail(ctx, BFN_ERR_ARGUMENT, "%s: found \"%s\", needs %s", field->name, text, range);
}
