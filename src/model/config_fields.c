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
#define ENTRY(name, type, member, n, low, high, choices, may_change, forms, text, ...)                                 \
    {                                                                                                                  \
        name, type, offsetof(bfn__config, member), n, low, high, {__VA_ARGS__}, choices, may_change, forms, text       \
    }
/* Whole number, number, list of numbers, yes or no, one of some words. */
#define SIZE(section, member, low, high, value, may_change, forms, text)                                               \
    ENTRY(AT(section, member), BFN__FIELD_SIZE, section.member, 1, low, high, NULL, may_change, forms, text, value)
#define REAL(section, member, low, high, value, may_change, forms, text)                                               \
    ENTRY(AT(section, member), BFN__FIELD_REAL, section.member, 1, low, high, NULL, may_change, forms, text, value)
#define LIST(section, member, n, low, high, forms, text, ...)                                                          \
    ENTRY(AT(section, member), BFN__FIELD_REAL, section.member, n, low, high, NULL, false, forms, text, __VA_ARGS__)
#define FLAG(section, member, value, forms, text)                                                                      \
    ENTRY(AT(section, member), BFN__FIELD_BOOL, section.member, 1, 0, 1, NULL, false, forms, text, value)
#define WORD(section, member, key, choices, value, may_change, forms, text)                                            \
    ENTRY(#section "." key, BFN__FIELD_CHOICE, section.member, 1, 0, 0, choices, may_change, forms, text, value)
#define TINY 1e-12
#define MANY 1e9
enum { ALL = BFN__FOR_ALL, TEXT = BFN__FOR_TEXT, IMAGE = BFN__FOR_IMAGE };

/* "default|bfn|euler|...": our methods, and the names of the published code. */
static const char sampling_methods[] = "default"
#define BFN_METHOD(NAME, name, text) "|" name
#define BFN_ALIAS(alias, NAME) "|" alias
#include "bfn/methods.def"
#undef BFN_METHOD
    ;

/* clang-format off */
static const bfn__field fields[] = {
    WORD(data, kind, "kind", "text|image", 0, false, ALL, "what the data is: a text file; images (a folder of PNG, IDX, CIFAR-10)"),
    WORD(data, alphabet, "alphabet", "text8|chars", 0, false, TEXT, "text: text8: a-z and space, raw text is cleaned; chars: the characters that occur"),
    FLAG(data, lines, 0, TEXT, "text: one sequence a line, padded (else one stream, cut into windows)"),
    FLAG(data, truncate, 0, TEXT, "text: cut lines longer than seq_len (else they are refused)"),
    SIZE(data, seq_len, 1, 65536, 128, false, TEXT, "text: characters a sequence"),
    LIST(data, fractions, 3, 0, 1, TEXT, "text: parts for training, validation and test", 0.9, 0.05, 0.05),
    SIZE(data, height, 0, 4096, 0, false, IMAGE, "images: rows of an image; 0: taken from the data"),
    SIZE(data, width, 0, 4096, 0, false, IMAGE, "images: columns of an image; 0: taken from the data"),
    SIZE(data, channels, 0, 3, 0, false, IMAGE, "images: 1 grey, 3 colours; 0: taken from the data"),
    FLAG(data, flip, 0, IMAGE, "images: training images are mirrored at random (left to right)"),
    FLAG(data, skip_bad, 0, IMAGE, "images: a folder's pictures that are broken or of another size are left out and counted (else refused)"),
    REAL(data, valid, 0, 0.5, 0.01, false, IMAGE, "images: part of the training images that is kept for validation (and, of folders of PNG, as much for testing)"),
    WORD(network, class_index, "class", "gpt|unet_vdm|unet_adm", 0, false, ALL, "the network: gpt for text, a U-Net for images; its options stand beside it"),
    WORD(flow, kind, "kind", "continuous|discretised|discrete", 2, false, ALL, "kind of data that the flow blurs; text is discrete, discrete images are black and white"),
    SIZE(flow, n_classes, 0, 65536, 0, false, ALL, "classes or bins; 0: the alphabet's symbols; images: 256 bins, discrete 2; continuous 0: all 256 levels"),
    REAL(flow, max_sqrt_beta, TINY, 100, 0.75, false, ALL, "discrete: square root of the final accuracy"),
    REAL(flow, min_variance, TINY, 0.999999, 1e-6, false, ALL, "continuous, discretised: variance left at the end (256 bins 1e-6, 16 bins 1e-3)"),
    REAL(flow, clip, 0, 1e6, 1, false, ALL, "continuous: predictions are clipped to this; 0: not at all"),
    WORD(train, loss, "loss", "continuous_time|cross_entropy", 0, true, ALL,
     "what is minimised: the bound itself, or (discrete data) the surrogate of the same minimum that learns faster at first (resume may switch)"),
    SIZE(train, batch, 1, 65536, 32, false, ALL, "sequences or images a forward and backward pass"),
    SIZE(train, accumulate, 1, 65536, 1, false, ALL, "passes an optimiser step"),
    SIZE(train, steps, 1, MANY, 10000, true, ALL, "optimiser steps"),
    REAL(train, lr, 0, 1e6, 1e-3, false, ALL, "learning rate after warm-up"),
    WORD(train, schedule, "schedule", "constant|cosine", 1, false, ALL, "learning rate after warm-up"),
    SIZE(train, warmup, 0, MANY, 200, false, ALL, "steps of linear warm-up"),
    REAL(train, min_lr_ratio, 0, 1, 0.02, false, ALL, "cosine: where it ends, as a part of lr"),
    LIST(train, betas, 2, 0, 0.999999, ALL, "AdamW: decay of the two moments", 0.9, 0.98),
    REAL(train, eps, 0, 1, 1e-8, false, ALL, "AdamW: added to the denominator"),
    REAL(train, weight_decay, 0, 10, 0.01, false, ALL, "AdamW: decoupled decay of linear and convolution weights"),
    REAL(train, clip_norm, 0, 1e9, 1, false, ALL, "largest gradient norm; 0: no clipping"),
    REAL(train, ema, 0, 0.999999999, 0.999, false, ALL, "decay of the averaged weights (warmed up: min(ema, (1+n)/(10+n)))"),
    ENTRY("train.seed", BFN__FIELD_SEED, train.seed, 1, 0, 1.8446744073709552e19, NULL, false, ALL, "seed of weights, order, times and noise", 1),
    SIZE(train, max_bad_steps, 1, 1e6, 20, true, ALL, "steps in a row without finite numbers before giving up"),
    SIZE(train, valid_every, 0, MANY, 500, true, ALL, "steps between validations; 0: never"),
    SIZE(train, valid_batches, 1, 65536, 8, true, ALL, "batches of a validation"),
    SIZE(train, checkpoint_every, 0, MANY, 500, true, ALL, "steps between checkpoints; 0: only at the end"),
    SIZE(train, keep, 1, 1000, 2, true, ALL, "newest whole checkpoints kept (beside the best): 2, so that one is left where the newest is damaged"),
    SIZE(train, sample_every, 0, MANY, 500, true, ALL, "steps between samples (texts, or a grid of images); 0: never"),
    SIZE(train, sample_n, 1, 1000, 4, true, ALL, "samples each time"),
    SIZE(train, sample_nfe, 2, 1000, 20, true, ALL, "network evaluations of a sample"),
    SIZE(train, log_every, 1, MANY, 10, true, ALL, "steps between lines of log.jsonl"),
    WORD(sampling, method, "method", sampling_methods, 0, true, ALL, "what bfn sample does where its options do not say: the method; without one the rest of this section means nothing"),
    SIZE(sampling, nfe, 0, 1e6, 0, true, ALL, "... network evaluations; 0: not said"),
    SIZE(sampling, steps, 0, 1e6, 0, true, ALL, "... or steps of the time grid; 0: not said"),
    REAL(sampling, eta, -1, 0.5, -1, true, ALL, "... first time; below 0: the method's own"),
    WORD(sampling, last, "last", "default|predict|update|call", 0, true, ALL, "... last step"),
    WORD(sampling, prediction, "prediction", "default|mean|draw", 0, true, ALL, "... the network's mean, or a draw from its output"),
    WORD(sampling, grid, "grid", "default|time|logsnr", 0, true, ALL, "... time grid"),
    WORD(sampling, start, "start", "default|zero|moments", 0, true, ALL, "... initial state"),
    SIZE(sampling, n, 0, MANY, 0, true, ALL, "... how many samples; 0: not said"),
    ENTRY("sampling.seed", BFN__FIELD_SEED, sampling.seed, 1, 0, 1.8446744073709552e19, NULL, true, ALL, "... seed", 1),
};
/* clang-format on */

bool bfn__field_applies(const bfn__field *field, const bfn__config *config)
{
    return (field->forms >> config->data.kind & 1) != 0;
}

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
