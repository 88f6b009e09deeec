/* textset.c: text data sets: a stream of characters cut into windows of T, or lines padded to T.
 *
 * All characters are held as indices, one byte each while the alphabet has at most 256 symbols. A stream is split in order
 * (its first 90 % train); a window may begin anywhere in the training part, validation and test take disjoint windows. Lines
 * are split by their rank in a fixed permutation, so that a sorted file gives fair splits, and the training order is another
 * permutation in each epoch: neither needs a table, and step s of a run is found without the steps before it.
 */
#include "base/random.h"
#include "io/alphabet.h"
#include "io/gzip.h"
#include "io/limits.h"
#include "io/permute.h"
#include "io/text.h"
#include "io/text8.h"
#include "io/utf8.h"

#include <math.h>
#include <string.h>

enum { N_SPLITS = 3, NARROW = 256 };

/* The permutation that decides which line belongs to which split: the same in every run. */
static const uint64_t SPLIT_SEED = 0x6c696e6573;

static const char *const split_names[N_SPLITS] = {"training", "validation", "test"};

struct bfn__textset {
    bfn_context *ctx;
    bfn__alphabet *alphabet;
    bool lines;
    size_t T;
    size_t n;        /* characters */
    uint8_t *narrow; /* [n] when the alphabet has at most 256 symbols, else NULL */
    uint16_t *wide;  /* [n] */
    size_t n_lines;
    uint64_t *ends;              /* [n_lines] where a line ends (the next begins) */
    uint64_t *counts;            /* [K] (stream) or [T,K] (lines): of the training split */
    size_t bounds[N_SPLITS + 1]; /* of the splits, in characters or ranks of lines */
};

/* Text on its way into a set. */
typedef struct source {
    bfn_context *ctx;
    const char *label;
    const char *text;
    size_t n;
    size_t skipped; /* bytes before text: a byte-order mark */
    char *owned;    /* inflated or cleaned */
    const bfn__textset_options *options;
} source;

static void replace_text(source *s, char *text, size_t n)
{
    bfn__free(s->ctx, s->owned);
    s->owned = text;
    s->text = text;
    s->n = n;
}

/* ---- options and bytes ---- */

static bfn_status check_options(bfn_context *ctx, const bfn__textset_options *o)
{
    bool text8 = o->alphabet != NULL && strcmp(o->alphabet, "text8") == 0;
    if (!text8 && (o->alphabet == NULL || strcmp(o->alphabet, "chars") != 0))
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "alphabet is \"%s\", allowed: text8, chars",
                         o->alphabet != NULL ? o->alphabet : "");
    if (o->T == 0 || o->T > (size_t)1 << 24)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "sequence length is %zu, allowed: 1 to %zu", o->T, (size_t)1 << 24);
    double sum = 0.0;
    for (int i = 0; i < N_SPLITS; i++) {
        sum += o->fractions[i];
        if (!(o->fractions[i] >= 0.0 && o->fractions[i] <= 1.0))
            return bfn__fail(ctx, BFN_ERR_ARGUMENT, "the fraction of the %s split is %g, allowed: 0 to 1",
                             split_names[i], o->fractions[i]);
    }
    if (sum > 1.0 + 1e-9 || (sum > 0.0 && o->fractions[0] == 0.0))
        return bfn__fail(ctx, BFN_ERR_ARGUMENT,
                         "the fractions of the splits sum to %g, training %g: allowed: a sum up to 1, training above 0",
                         sum, o->fractions[0]);
    if (o->fixed != NULL && o->lines != (bfn__alphabet_pad(o->fixed) >= 0))
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "the alphabet has %s padding symbol, %s need it to be otherwise",
                         o->lines ? "no" : "a", o->lines ? "lines" : "streams");
    return BFN_OK;
}

/* Inflated, without a byte-order mark, checked to be UTF-8, cleaned where the alphabet says so. */
static bfn_status prepare(source *s)
{
    if (s->n > bfn__limit(s->ctx, BFN__CAP_TEXT_BYTES))
        return bfn__fail(s->ctx, BFN_ERR_INPUT, "%s: has %zu bytes, at most %zu are allowed", s->label, s->n,
                         bfn__limit(s->ctx, BFN__CAP_TEXT_BYTES));
    bfn_status status = BFN_OK;
    char *text;
    size_t n;
    if (bfn__is_gzip(s->text, s->n)) {
        status = bfn__gunzip(s->ctx, s->text, s->n, bfn__limit(s->ctx, BFN__CAP_INFLATED_BYTES), s->label, &text, &n);
        if (status == BFN_OK)
            replace_text(s, text, n);
    }
    if (status == BFN_OK)
        status = bfn__text_check(s->ctx, s->text, s->n, s->label);
    if (status != BFN_OK)
        return status;
    if (s->n >= 3 && memcmp(s->text, "\xef\xbb\xbf", 3) == 0) {
        s->skipped = 3;
        s->text += 3;
        s->n -= 3;
    }
    if (strcmp(s->options->alphabet, "text8") != 0 || (!s->options->lines && bfn__text8_is_clean(s->text, s->n)))
        return BFN_OK;
    status = bfn__text8_clean_as(s->ctx, s->text, s->n, s->options->lines, &text, &n);
    if (status == BFN_OK) {
        replace_text(s, text, n);
        s->skipped = 0;
    }
    return status;
}

static bfn_status choose_alphabet(source *s, bfn__alphabet **out)
{
    const bfn__textset_options *o = s->options;
    if (o->fixed != NULL)
        return bfn__alphabet_from_symbols(s->ctx, out, bfn__alphabet_symbols(o->fixed), o->lines);
    if (strcmp(o->alphabet, "text8") == 0)
        return bfn__alphabet_from_symbols(s->ctx, out, bfn__text8_symbols, o->lines);
    return bfn__alphabet_from_text(s->ctx, out, s->text, s->n, o->lines, s->label);
}

/* ---- characters to indices ---- */

static void store(bfn__textset *set, int index)
{
    if (set->narrow != NULL)
        set->narrow[set->n++] = (uint8_t)index;
    else
        set->wide[set->n++] = (uint16_t)index;
}

static int symbol_at(const bfn__textset *set, size_t i)
{
    return set->narrow != NULL ? set->narrow[i] : set->wide[i];
}

/* Room for every character of text. */
static bfn_status reserve(bfn__textset *set, const source *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->n; i++)
        n += ((unsigned char)s->text[i] & 0xc0) != 0x80; /* all but continuation bytes */
    void *block = bfn__calloc(set->ctx, n, bfn__alphabet_size(set->alphabet) <= NARROW ? 1 : 2);
    if (block == NULL)
        return BFN_ERR_MEMORY;
    if (bfn__alphabet_size(set->alphabet) <= NARROW)
        set->narrow = block;
    else
        set->wide = block;
    return BFN_OK;
}

/* As far as characters are ASCII and known: most of most texts. Returns where it stopped. */
static size_t encode_ascii(bfn__textset *set, const source *s, size_t i, const uint8_t table[128])
{
    const unsigned char *text = (const unsigned char *)s->text;
    uint8_t *out = set->narrow + set->n, *start = out;
    while (i < s->n && text[i] < 0x80 && table[text[i]] != 0)
        *out++ = (uint8_t)(table[text[i++]] - 1);
    set->n += (size_t)(out - start);
    return i;
}

static bfn_status encode_stream(bfn__textset *set, const source *s)
{
    uint8_t table[128] = {0}; /* index + 1; 0 sends a character the long way */
    for (uint32_t code = 0; code < 128; code++) {
        int index = bfn__alphabet_lookup(set->alphabet, code);
        if (code != '\r' && index >= 0 && index < 255)
            table[code] = (uint8_t)(index + 1);
    }
    bfn_status status = reserve(set, s);
    for (size_t i = 0; i < s->n && status == BFN_OK;) {
        uint32_t code = 0;
        if (set->narrow != NULL)
            i = encode_ascii(set, s, i, table);
        if (i == s->n)
            break;
        size_t length = bfn__next_code(s->text, s->n, i, &code);
        int index = bfn__alphabet_lookup(set->alphabet, code);
        if (index < 0)
            return bfn__fail_code(s->ctx, s->label, i + s->skipped, code);
        store(set, index);
        i += length;
    }
    return status;
}

/* One line: text[begin..end), its line end and a CR before that left out. */
static bfn_status encode_line(bfn__textset *set, const source *s, size_t begin, size_t end, size_t number)
{
    size_t first = set->n, length = 0;
    if (end > begin && s->text[end - 1] == '\r')
        end--;
    for (size_t i = begin; i < end; length++) {
        uint32_t code = 0;
        size_t bytes = bfn__utf8_decode(s->text + i, end - i, &code);
        int index = bfn__alphabet_lookup(set->alphabet, code);
        if (index < 0)
            return bfn__fail_code(s->ctx, s->label, i + s->skipped, code);
        if (length < set->T)
            store(set, index);
        i += bytes;
    }
    if (length > set->T && !s->options->truncate_lines)
        return bfn__fail(s->ctx, BFN_ERR_INPUT,
                         "%s: line %zu has %zu characters, at most %zu are allowed (or truncate)", s->label, number,
                         length, set->T);
    if (set->n > first)
        set->ends[set->n_lines++] = set->n;
    return BFN_OK;
}

static bfn_status encode_lines(bfn__textset *set, const source *s)
{
    size_t n_ends = 1, number = 0;
    for (size_t i = 0; i < s->n; i++)
        n_ends += s->text[i] == '\n';
    set->ends = bfn__calloc(set->ctx, n_ends, sizeof *set->ends);
    bfn_status status = set->ends != NULL ? reserve(set, s) : BFN_ERR_MEMORY;
    for (size_t begin = 0; begin < s->n && status == BFN_OK;) {
        const char *stop = memchr(s->text + begin, '\n', s->n - begin);
        size_t end = stop != NULL ? (size_t)(stop - s->text) : s->n;
        status = encode_line(set, s, begin, end, ++number);
        begin = end + 1;
    }
    return status;
}

/* ---- splits ---- */

static bfn_status split(bfn__textset *set, const source *s)
{
    static const double usual[N_SPLITS] = {0.90, 0.05, 0.05};
    const double *f = s->options->fractions;
    size_t total = set->lines ? set->n_lines : set->n, needed = set->lines ? 1 : set->T;
    const char *unit = set->lines ? "lines" : "characters";
    double sum = 0.0;
    if (f[0] == 0.0)
        f = usual;
    if (total < needed)
        return bfn__fail(s->ctx, BFN_ERR_INPUT, "%s: has %zu %s, at least %zu are needed", s->label, total, unit,
                         needed);
    for (int i = 0; i < N_SPLITS; i++) {
        sum += f[i];
        set->bounds[i + 1] = (size_t)llround(fmin(sum, 1.0) * (double)total);
        size_t found = set->bounds[i + 1] - set->bounds[i];
        if (f[i] > 0.0 && found < needed)
            return bfn__fail(s->ctx, BFN_ERR_INPUT,
                             "%s: its %zu %s leave %zu for the %s split (%g of them), at least %zu are needed",
                             s->label, total, unit, found, split_names[i], f[i], needed);
    }
    return BFN_OK;
}

/* Four tables in turn: equal neighbours would wait for each other's increment. */
static void histogram(const uint8_t *symbols, size_t n, size_t K, uint64_t *counts)
{
    uint64_t tables[4][NARROW] = {{0}};
    for (size_t i = 0; i < n; i++)
        tables[i % 4][symbols[i]]++;
    for (size_t k = 0; k < K; k++)
        counts[k] = tables[0][k] + tables[1][k] + tables[2][k] + tables[3][k];
}

/* Where a piece begins, and its size. */
static size_t piece_begin(const bfn__textset *set, bfn__split which, size_t piece, size_t *size)
{
    if (!set->lines) {
        *size = bfn__textset_n_symbols(set, which);
        return set->bounds[which];
    }
    size_t line = bfn__permute(SPLIT_SEED, 0, set->n_lines, set->bounds[which] + piece);
    size_t begin = line > 0 ? set->ends[line - 1] : 0;
    *size = set->ends[line] - begin;
    return begin;
}

/* How often each symbol occurs in the training split: in all (stream), at each position (lines). */
static bfn_status count(bfn__textset *set)
{
    size_t K = bfn__alphabet_size(set->alphabet), n, T = set->lines ? set->T : 1;
    if (!bfn__size_mul(T, K, &n))
        return bfn__fail(set->ctx, BFN_ERR_MEMORY, "out of memory: %zu positions of %zu symbols", T, K);
    set->counts = bfn__calloc(set->ctx, n, sizeof *set->counts);
    if (set->counts == NULL)
        return BFN_ERR_MEMORY;
    if (!set->lines) {
        if (set->narrow != NULL)
            histogram(set->narrow, set->bounds[1], K, set->counts);
        else
            for (size_t i = 0; i < set->bounds[1]; i++)
                set->counts[set->wide[i]]++;
        return BFN_OK;
    }
    for (size_t rank = 0; rank < set->bounds[1]; rank++) {
        size_t length, begin = piece_begin(set, BFN__SPLIT_TRAIN, rank, &length);
        for (size_t t = 0; t < T; t++)
            set->counts[t * K + (t < length ? symbol_at(set, begin + t) : bfn__alphabet_pad(set->alphabet))]++;
    }
    return BFN_OK;
}

static bfn_status fill(bfn__textset *set, source *s)
{
    bfn_status status = prepare(s);
    if (status == BFN_OK && s->n == 0)
        status = bfn__fail(s->ctx, BFN_ERR_INPUT, "%s: is empty, at least %zu characters are needed", s->label, set->T);
    if (status == BFN_OK)
        status = choose_alphabet(s, &set->alphabet);
    if (status == BFN_OK)
        status = set->lines ? encode_lines(set, s) : encode_stream(set, s);
    if (status == BFN_OK)
        status = split(set, s);
    return status == BFN_OK ? count(set) : status;
}

bfn_status bfn__textset_create(bfn_context *ctx, bfn__textset **out, const void *bytes, size_t n, const char *label,
                               const bfn__textset_options *options)
{
    *out = NULL;
    bfn_status status = check_options(ctx, options);
    if (status != BFN_OK)
        return status;
    bfn__textset *set = bfn__calloc(ctx, 1, sizeof *set);
    if (set == NULL)
        return BFN_ERR_MEMORY;
    set->ctx = ctx;
    set->lines = options->lines;
    set->T = options->T;
    source s = {.ctx = ctx, .label = label, .text = n > 0 ? bytes : "", .n = n, .options = options};
    status = fill(set, &s);
    bfn__free(ctx, s.owned);
    if (status != BFN_OK) {
        bfn__textset_destroy(set);
        return status;
    }
    *out = set;
    return BFN_OK;
}

void bfn__textset_destroy(bfn__textset *set)
{
    if (set == NULL)
        return;
    bfn_context *ctx = set->ctx;
    bfn__alphabet_destroy(set->alphabet);
    bfn__free(ctx, set->narrow);
    bfn__free(ctx, set->wide);
    bfn__free(ctx, set->ends);
    bfn__free(ctx, set->counts);
    bfn__free(ctx, set);
}

/* ---- sequences ---- */

const bfn__alphabet *bfn__textset_alphabet(const bfn__textset *set)
{
    return set->alphabet;
}

size_t bfn__textset_n_symbols(const bfn__textset *set, bfn__split which)
{
    return set->bounds[which + 1] - set->bounds[which];
}

size_t bfn__textset_n_sequences(const bfn__textset *set, bfn__split which)
{
    return bfn__textset_n_symbols(set, which) / (set->lines ? 1 : set->T);
}

size_t bfn__textset_n_pieces(const bfn__textset *set, bfn__split which)
{
    return set->lines ? bfn__textset_n_symbols(set, which) : 1;
}

size_t bfn__textset_piece_size(const bfn__textset *set, bfn__split which, size_t piece)
{
    size_t size;
    (void)piece_begin(set, which, piece, &size);
    return size;
}

void bfn__textset_read(const bfn__textset *set, bfn__split which, size_t piece, size_t begin, size_t n, uint16_t *out)
{
    size_t unused, first = piece_begin(set, which, piece, &unused) + begin;
    for (size_t i = 0; i < n; i++)
        out[i] = (uint16_t)symbol_at(set, first + i);
}

static void copy_window(const bfn__textset *set, size_t begin, int32_t *out)
{
    for (size_t i = 0; i < set->T; i++)
        out[i] = symbol_at(set, begin + i);
}

static void copy_line(const bfn__textset *set, size_t begin, size_t length, int32_t *out)
{
    for (size_t i = 0; i < set->T; i++)
        out[i] = i < length ? symbol_at(set, begin + i) : bfn__alphabet_pad(set->alphabet);
}

void bfn__textset_sequence(const bfn__textset *set, bfn__split which, size_t i, int32_t *out)
{
    size_t length;
    if (set->lines) {
        size_t begin = piece_begin(set, which, i, &length);
        copy_line(set, begin, length, out);
    } else {
        copy_window(set, set->bounds[which] + i * set->T, out);
    }
}

void bfn__textset_training(const bfn__textset *set, uint64_t seed, uint64_t index, int32_t *out)
{
    size_t n = bfn__textset_n_symbols(set, BFN__SPLIT_TRAIN);
    if (!set->lines) {
        uint32_t draw = bfn__draw(0, BFN__DRAW_DATA);
        copy_window(set, bfn__random_below(seed, index, draw, 0, n - set->T + 1), out);
        return;
    }
    bfn__textset_sequence(set, BFN__SPLIT_TRAIN, bfn__permute(seed, index / n, n, index % n), out);
}

/* ---- moments ---- */

/* Counts to frequencies of one position; returns tr Cov of its one-hot vector, 1 - sum of squares. */
static double normalise(size_t K, const uint64_t *counts, uint64_t total, float *mean)
{
    double squares = 0.0;
    for (size_t k = 0; k < K; k++) {
        double f = (double)counts[k] / (double)total;
        squares += f * f;
        mean[k] = (float)f;
    }
    return 1.0 - squares;
}

double bfn__textset_moments(const bfn__textset *set, float *mean)
{
    size_t n = bfn__textset_n_symbols(set, BFN__SPLIT_TRAIN), K = bfn__alphabet_size(set->alphabet);
    double sum = 0.0;
    if (set->lines) {
        for (size_t t = 0; t < set->T; t++)
            sum += normalise(K, set->counts + t * K, n, mean + t * K);
        return sum / (double)set->T;
    }
    sum = normalise(K, set->counts, n, mean);
    for (size_t t = 1; t < set->T; t++)
        memcpy(mean + t * K, mean, K * sizeof *mean);
    return sum;
}
