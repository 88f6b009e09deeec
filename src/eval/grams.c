/* grams.c: counts of runs of up to five symbols.
 *
 * A run is a key of five digits of 12 bits, symbol + 1 each, the first symbol in the highest digit; a run that a text's end cuts short has
 * zeros behind it. Each place of a text gives one key, its run of five, and the runs of one to four there are prefixes of it. So in the
 * sorted list of keys every run of every order is a stretch of neighbours, and one table answers three questions: how often a run
 * occurs (sum over the stretch), how two texts differ (merge of two lists), and what follows a context (draw from a stretch).
 * Counting uses a hash table whose size follows the number of different keys, not the text's.
 */
#include "eval/grams.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { DIGIT = 12, START_CAPACITY = 1 << 12 };

typedef struct entry {
    uint64_t key; /* 0: an empty place of the hash table */
    uint64_t count;
} entry;

struct bfn__grams {
    bfn_context *ctx;
    entry *entries; /* a hash table; after finish a list in the order of keys */
    size_t n, capacity;
    uint64_t *before; /* after finish, [n + 1]: sum of the counts of the entries before */
};

bfn_status bfn__grams_create(bfn_context *ctx, bfn__grams **out)
{
    *out = NULL;
    bfn__grams *g = bfn__calloc(ctx, 1, sizeof *g);
    if (g == NULL)
        return BFN_ERR_MEMORY;
    g->ctx = ctx;
    g->capacity = START_CAPACITY;
    g->entries = bfn__calloc(ctx, g->capacity, sizeof *g->entries);
    if (g->entries == NULL) {
        bfn__grams_destroy(g);
        return BFN_ERR_MEMORY;
    }
    *out = g;
    return BFN_OK;
}

void bfn__grams_destroy(bfn__grams *g)
{
    if (g == NULL)
        return;
    bfn__free(g->ctx, g->entries);
    bfn__free(g->ctx, g->before);
    bfn__free(g->ctx, g);
}

/* ---- counting ---- */

static entry *place_of(entry *entries, size_t capacity, uint64_t key)
{
    uint64_t h = (key ^ (key >> 31)) * 0x9e3779b97f4a7c15U;
    size_t i = (size_t)(h >> 20) & (capacity - 1);
    while (entries[i].key != 0 && entries[i].key != key)
        i = (i + 1) & (capacity - 1);
    return &entries[i];
}

static bool grow(bfn__grams *g)
{
    size_t capacity = 2 * g->capacity;
    entry *entries = bfn__calloc(g->ctx, capacity, sizeof *entries);
    if (entries == NULL)
        return false;
    for (size_t i = 0; i < g->capacity; i++)
        if (g->entries[i].key != 0)
            *place_of(entries, capacity, g->entries[i].key) = g->entries[i];
    bfn__free(g->ctx, g->entries);
    g->entries = entries;
    g->capacity = capacity;
    return true;
}

static uint64_t digit_of(uint16_t symbol)
{
    return symbol < BFN__GRAM_OTHER - 1 ? symbol + 1U : BFN__GRAM_OTHER;
}

bfn_status bfn__grams_add(bfn__grams *g, const uint16_t *symbols, size_t n_begin, size_t n)
{
    const uint64_t all = ((uint64_t)1 << (DIGIT * BFN__GRAM_ORDERS)) - 1;
    uint64_t key = 0;
    for (size_t i = 0; i < BFN__GRAM_ORDERS - 1; i++)
        key = key << DIGIT | (i < n ? digit_of(symbols[i]) : 0);
    for (size_t i = 0; i < n_begin; i++) {
        size_t newest = i + BFN__GRAM_ORDERS - 1;
        key = (key << DIGIT | (newest < n ? digit_of(symbols[newest]) : 0)) & all;
        if (2 * g->n >= g->capacity && !grow(g))
            return BFN_ERR_MEMORY;
        entry *e = place_of(g->entries, g->capacity, key);
        g->n += e->key == 0;
        e->key = key;
        e->count++;
    }
    return BFN_OK;
}

static int compare_keys(const void *a, const void *b)
{
    uint64_t x = ((const entry *)a)->key, y = ((const entry *)b)->key;
    return (x > y) - (x < y);
}

bfn_status bfn__grams_finish(bfn__grams *g)
{
    entry *list = bfn__calloc(g->ctx, g->n, sizeof *list);
    g->before = bfn__calloc(g->ctx, g->n + 1, sizeof *g->before);
    if (list == NULL || g->before == NULL) {
        bfn__free(g->ctx, list);
        return BFN_ERR_MEMORY;
    }
    size_t n = 0;
    for (size_t i = 0; i < g->capacity; i++)
        if (g->entries[i].key != 0)
            list[n++] = g->entries[i];
    bfn__free(g->ctx, g->entries);
    g->entries = list;
    g->capacity = n;
    qsort(list, n, sizeof *list, compare_keys);
    for (size_t i = 0; i < n; i++)
        g->before[i + 1] = g->before[i] + list[i].count;
    return BFN_OK;
}

/* ---- stretches of neighbours ---- */

/* The first entry whose key is not below. */
static size_t first_from(const bfn__grams *g, uint64_t key)
{
    size_t low = 0, high = g->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (g->entries[middle].key < key)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The next run of `order` symbols at or after entry *at: its prefix and count; *at goes behind it. false: there is none. */
static bool next_run(const bfn__grams *g, int order, size_t *at, uint64_t *prefix, uint64_t *count)
{
    const int shift = DIGIT * (BFN__GRAM_ORDERS - order);
    const uint64_t last_digit = (1U << DIGIT) - 1;
    while (*at < g->n && ((g->entries[*at].key >> shift) & last_digit) == 0)
        ++*at; /* cut short by the end of a text */
    if (*at == g->n)
        return false;
    *prefix = g->entries[*at].key >> shift;
    *count = 0;
    for (; *at < g->n && g->entries[*at].key >> shift == *prefix; ++*at)
        *count += g->entries[*at].count;
    return true;
}

uint64_t bfn__grams_total(const bfn__grams *g, int order)
{
    uint64_t prefix, count, total = 0;
    for (size_t at = 0; next_run(g, order, &at, &prefix, &count);)
        total += count;
    return total;
}

size_t bfn__grams_different(const bfn__grams *g, int order)
{
    uint64_t prefix, count;
    size_t n = 0;
    for (size_t at = 0; next_run(g, order, &at, &prefix, &count);)
        n++;
    return n;
}

/* A run's part of the divergence, where it has probabilities p and q: p ln(p/m) / 2 + q ln(q/m) / 2, m = (p + q) / 2. */
static double part(double p, double q)
{
    double m = 0.5 * (p + q), sum = 0.0;
    if (p > 0.0)
        sum += 0.5 * p * log2(p / m);
    if (q > 0.0)
        sum += 0.5 * q * log2(q / m);
    return sum;
}

double bfn__grams_divergence(const bfn__grams *a, const bfn__grams *b, int order)
{
    double total_a = (double)bfn__grams_total(a, order), total_b = (double)bfn__grams_total(b, order), sum = 0.0;
    if (!(total_a > 0.0) || !(total_b > 0.0))
        return (double)NAN;
    size_t at_a = 0, at_b = 0;
    uint64_t prefix_a = 0, prefix_b = 0, count_a = 0, count_b = 0;
    bool more_a = next_run(a, order, &at_a, &prefix_a, &count_a);
    bool more_b = next_run(b, order, &at_b, &prefix_b, &count_b);
    while (more_a || more_b) {
        bool use_a = more_a && (!more_b || prefix_a <= prefix_b), use_b = more_b && (!more_a || prefix_b <= prefix_a);
        sum += part(use_a ? (double)count_a / total_a : 0.0, use_b ? (double)count_b / total_b : 0.0);
        if (use_a)
            more_a = next_run(a, order, &at_a, &prefix_a, &count_a);
        if (use_b)
            more_b = next_run(b, order, &at_b, &prefix_b, &count_b);
    }
    return fmin(fmax(sum, 0.0), 1.0);
}

uint16_t bfn__grams_next(const bfn__grams *g, const uint16_t *last, size_t n, double u)
{
    size_t context = n < BFN__GRAM_ORDERS - 1 ? n : BFN__GRAM_ORDERS - 1;
    for (;; context--) {
        uint64_t prefix = 0;
        for (size_t i = n - context; i < n; i++)
            prefix = prefix << DIGIT | digit_of(last[i]);
        int shift = DIGIT * (BFN__GRAM_ORDERS - (int)context); /* of the prefix; the next symbol's digit is below it */
        size_t low = first_from(g, (prefix << shift) + ((uint64_t)1 << (shift - DIGIT)));
        size_t high = first_from(g, (prefix + 1) << shift);
        uint64_t total = g->before[high] - g->before[low];
        if (total == 0 && context > 0)
            continue;
        if (total == 0)
            return BFN__GRAM_OTHER - 1;
        uint64_t wanted = g->before[low] + (uint64_t)(u * (double)total);
        while (high - low > 1) { /* before[low] <= wanted < before[high] */
            size_t middle = low + (high - low) / 2;
            if (g->before[middle] <= wanted)
                low = middle;
            else
                high = middle;
        }
        return (uint16_t)((g->entries[low].key >> (shift - DIGIT) & ((1U << DIGIT) - 1)) - 1);
    }
}
