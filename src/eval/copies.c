/* copies.c: longest shared runs by a suffix automaton of the strings, through which the text is read.
 *
 * Indexing the text (a suffix array of 100 MB of English takes 400 MB and half a minute) would be the usual way. The strings are a
 * thousand times shorter, so they are indexed instead: the automaton's states are the classes of substrings with the same ends, next[] leads
 * from a substring to it and one symbol more, link[] to the longest suffix of another class. Reading a symbol of the text either
 * prolongs the current match or shortens it along the links until it can be prolonged: constant time a symbol on average.
 * best[s] becomes the longest match that was seen in state s. What is seen at a state was seen, shortened, at its links too; so afterwards
 * each string is walked through the automaton, and the longest match that ends at a place is best[s] of its state, or of the first
 * link that was seen at all (reach).
 *
 * Rows of next[] are as wide as the number of different symbols; strings are taken in groups whose table stays below 64 MB. The text is
 * cut into parts for the threads, each begun one string's length early.
 */
#include "eval/copies.h"

#include "nn/parallel.h"

#include <string.h>

enum {
    TABLE_MAX = 16 << 20, /* entries of next[] */
    BUFFER = 4096,        /* symbols that are read at once */
    PART = 1 << 20,       /* symbols of a part */
    MIN_WIDTH = 16,       /* few symbols: best[] is what takes the memory */
    N_SYMBOLS = 1 << 16
};

typedef struct automaton {
    bfn_context *ctx;
    size_t K;                /* different symbols */
    uint16_t *compact;       /* [N_SYMBOLS] symbol to 1 .. K; 0: occurs in no string */
    uint32_t *next;          /* [n_max, K + 1]; 0: none (nothing leads to the root, state 0) */
    uint32_t *link, *length; /* [n_max] */
    uint32_t *reach;         /* [n_max] */
    uint32_t *best;          /* [n_workers, n_max] */
    size_t n, n_max, n_workers, longest;
} automaton;

static void automaton_free(automaton *a)
{
    void *blocks[] = {a->compact, a->next, a->link, a->length, a->reach, a->best};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        bfn__free(a->ctx, blocks[i]);
}

/* A copy of state q for its suffixes of length `length` and less; those that led to q from p and its links lead to the copy. */
static uint32_t split_state(automaton *a, uint32_t p, uint32_t q, uint32_t length, size_t symbol)
{
    size_t width = a->K + 1;
    uint32_t copy = (uint32_t)a->n++;
    memcpy(a->next + copy * width, a->next + q * width, width * sizeof *a->next);
    a->length[copy] = length;
    a->link[copy] = a->link[q];
    a->link[q] = copy;
    for (;; p = a->link[p]) {
        if (a->next[p * width + symbol] != q)
            break;
        a->next[p * width + symbol] = copy;
        if (p == 0)
            break;
    }
    return copy;
}

/* The state of a string whose state was `last`, one symbol further. */
static uint32_t extend(automaton *a, uint32_t last, size_t symbol)
{
    size_t width = a->K + 1;
    uint32_t q = a->next[last * width + symbol];
    if (q != 0) /* an earlier string had it */
        return a->length[q] == a->length[last] + 1 ? q : split_state(a, last, q, a->length[last] + 1, symbol);
    uint32_t made = (uint32_t)a->n++, p = last;
    a->length[made] = a->length[last] + 1;
    while ((q = a->next[p * width + symbol]) == 0) {
        a->next[p * width + symbol] = made;
        if (p == 0)
            return made; /* linked to the root */
        p = a->link[p];
    }
    a->link[made] = a->length[q] == a->length[p] + 1 ? q : split_state(a, p, q, a->length[p] + 1, symbol);
    return made;
}

/* The automaton of the first strings, as many as its table allows: *n_taken. */
static bfn_status build(automaton *a, size_t n, const uint16_t *const *strings, const size_t *lengths, size_t *n_taken)
{
    size_t symbols = 0;
    a->compact = bfn__calloc(a->ctx, N_SYMBOLS, sizeof *a->compact);
    if (a->compact == NULL)
        return BFN_ERR_MEMORY;
    for (*n_taken = 0; *n_taken < n; ++*n_taken) {
        size_t length = lengths[*n_taken];
        if (*n_taken > 0 && 2 * (symbols + length) + 2 > TABLE_MAX / (a->K + 1 > MIN_WIDTH ? a->K + 1 : MIN_WIDTH))
            break;
        for (size_t i = 0; i < length; i++)
            if (a->compact[strings[*n_taken][i]] == 0)
                a->compact[strings[*n_taken][i]] = (uint16_t)++a->K;
        symbols += length;
        a->longest = length > a->longest ? length : a->longest;
    }
    a->n = 1;
    a->n_max = 2 * symbols + 2;
    a->n_workers = (size_t)bfn__n_threads(a->ctx);
    size_t table, workers;
    if (symbols > UINT32_MAX / 4 || !bfn__size_mul(a->n_max, a->K + 1, &table) ||
        !bfn__size_mul(a->n_max, a->n_workers, &workers))
        return bfn__fail(a->ctx, BFN_ERR_MEMORY, "copied spans: a string of %zu characters is too long", symbols);
    a->next = bfn__calloc(a->ctx, table, sizeof *a->next);
    a->link = bfn__calloc(a->ctx, a->n_max, sizeof *a->link);
    a->length = bfn__calloc(a->ctx, a->n_max, sizeof *a->length);
    a->reach = bfn__calloc(a->ctx, a->n_max, sizeof *a->reach);
    if (a->next == NULL || a->link == NULL || a->length == NULL || a->reach == NULL)
        return BFN_ERR_MEMORY;
    for (size_t s = 0; s < *n_taken; s++) {
        uint32_t state = 0;
        for (size_t i = 0; i < lengths[s]; i++)
            state = extend(a, state, a->compact[strings[s][i]]);
    }
    a->best = bfn__calloc(a->ctx, a->n_workers * a->n, sizeof *a->best);
    return a->best != NULL ? BFN_OK : BFN_ERR_MEMORY;
}

/* ---- reading the text ---- */

/* Symbols begin .. end - 1 of a piece; matches that end there count. */
static void read_range(const automaton *a, const bfn__copy_source *text, size_t piece, size_t begin, size_t end,
                       uint32_t *best)
{
    uint16_t buffer[BUFFER];
    size_t width = a->K + 1;
    uint32_t state = 0, matched = 0;
    for (size_t at = begin > a->longest ? begin - a->longest : 0; at < end;) {
        size_t n = end - at < BUFFER ? end - at : BUFFER;
        text->read(text->user, piece, at, n, buffer);
        for (size_t i = 0; i < n; i++) {
            size_t symbol = a->compact[buffer[i]];
            uint32_t to = a->next[state * width + symbol]; /* symbol 0 leads nowhere */
            while (to == 0 && state != 0) {
                state = a->link[state];
                matched = a->length[state];
                to = a->next[state * width + symbol];
            }
            state = to;
            matched = to != 0 ? matched + 1 : 0;
            if (matched > best[state])
                best[state] = matched;
        }
        at += n;
    }
}

typedef struct reading {
    automaton *a;
    const bfn__copy_source *text;
} reading;

/* Worker w of W takes parts w, w + W, ...: pieces are cut into parts of PART symbols, counted through. */
static void read_share(void *arg, size_t w)
{
    const reading *r = arg;
    uint32_t *best = r->a->best + w * r->a->n;
    size_t part = 0;
    for (size_t piece = 0; piece < r->text->n_pieces; piece++) {
        size_t size = r->text->size(r->text->user, piece);
        for (size_t begin = 0; begin < size; begin += PART, part++)
            if (part % r->a->n_workers == w)
                read_range(r->a, r->text, piece, begin, size - begin < PART ? size : begin + PART, best);
    }
}

/* All states by length, shortest first: a state comes after its link. */
static bool sort_states(const automaton *a, uint32_t *order)
{
    size_t *start = bfn__calloc(a->ctx, a->longest + 2, sizeof *start);
    if (start == NULL)
        return false;
    for (size_t s = 0; s < a->n; s++)
        start[a->length[s] + 1]++;
    for (size_t l = 0; l <= a->longest; l++)
        start[l + 1] += start[l];
    for (size_t s = 0; s < a->n; s++)
        order[start[a->length[s]]++] = (uint32_t)s;
    bfn__free(a->ctx, start);
    return true;
}

/* reach[s]: the longest match that ends where the substrings of s end. */
static bfn_status settle(automaton *a)
{
    uint32_t *order = bfn__calloc(a->ctx, a->n, sizeof *order);
    if (order == NULL || !sort_states(a, order)) {
        bfn__free(a->ctx, order);
        return BFN_ERR_MEMORY;
    }
    for (size_t w = 0; w < a->n_workers; w++)
        for (size_t s = 0; s < a->n; s++)
            if (a->best[w * a->n + s] > a->reach[s])
                a->reach[s] = a->best[w * a->n + s];
    for (size_t i = a->n; i-- > 1;) { /* order[0] is the root */
        uint32_t s = order[i], link = a->link[s];
        if (a->reach[s] > 0 && link != 0) /* what matched has all of its link as a suffix */
            a->reach[link] = a->length[link];
    }
    for (size_t i = 1; i < a->n; i++) {
        uint32_t s = order[i];
        if (a->reach[s] == 0)
            a->reach[s] = a->reach[a->link[s]];
    }
    bfn__free(a->ctx, order);
    return BFN_OK;
}

static void walk(const automaton *a, const uint16_t *string, size_t length, bfn__copy *copy)
{
    uint32_t state = 0;
    *copy = (bfn__copy){0};
    for (size_t i = 0; i < length; i++) {
        state = a->next[state * (a->K + 1) + a->compact[string[i]]];
        if (a->reach[state] > copy->length)
            *copy = (bfn__copy){a->reach[state], i + 1 - a->reach[state]};
    }
}

/* The first strings of many; *n_taken of them were done. */
static bfn_status find_group(bfn_context *ctx, const bfn__copy_source *text, size_t n, const uint16_t *const *strings,
                             const size_t *lengths, bfn__copy *copies, size_t *n_taken)
{
    automaton a = {.ctx = ctx};
    bfn_status status = build(&a, n, strings, lengths, n_taken);
    if (status == BFN_OK) {
        reading r = {&a, text};
        bfn__parallel(ctx, a.n_workers, read_share, &r);
        status = settle(&a);
    }
    for (size_t s = 0; status == BFN_OK && s < *n_taken; s++)
        walk(&a, strings[s], lengths[s], &copies[s]);
    automaton_free(&a);
    return status;
}

bfn_status bfn__copies_find(bfn_context *ctx, const bfn__copy_source *text, size_t n, const uint16_t *const *strings,
                            const size_t *lengths, bfn__copy *copies)
{
    bfn_status status = BFN_OK;
    for (size_t done = 0, taken = 0; status == BFN_OK && done < n; done += taken)
        status = find_group(ctx, text, n - done, strings + done, lengths + done, copies + done, &taken);
    return status;
}
