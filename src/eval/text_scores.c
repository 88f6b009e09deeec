/* text_scores.c: bfn_eval_text: strings beside a corpus, and the same scores of the baselines.
 *
 *   divergence   JS(p, q) = H((p+q)/2) - (H(p) + H(q))/2 of the laws p, q of runs of n characters, n = 1..5, in bits (grams.c)
 *   copies       longest runs shared with the training split (copies.c)
 *   spelling, entropies, duplicates (spell.c)
 *
 * None of them means much alone: few strings diverge from any text, and real text repeats phrases of other real text. So the same scores are
 * taken of as many strings of the same lengths from four sources: uniform symbols and the unigram model (what knows nothing), the
 * 5-gram model (what knows spelling but no sentence; it cannot be told from the text by the divergences alone) and held-out real text (what
 * a perfect model would get).
 */
#include "base/random.h"
#include "eval/copies.h"
#include "eval/corpus.h"
#include "eval/spell.h"

#include <math.h>
#include <string.h>

/* ---- scores ---- */

static size_t piece_size(const void *user, size_t piece)
{
    return bfn__textset_piece_size(((const bfn_text_corpus *)user)->set, BFN__SPLIT_TRAIN, piece);
}

static void read_piece(const void *user, size_t piece, size_t begin, size_t n, uint16_t *out)
{
    bfn__textset_read(((const bfn_text_corpus *)user)->set, BFN__SPLIT_TRAIN, piece, begin, n, out);
}

static bfn_status score_copies(const bfn_text_corpus *corpus, const bfn__symbols *symbols, bfn_text_scores *scores)
{
    const bfn__copy_source source = {.n_pieces = bfn__textset_n_pieces(corpus->set, BFN__SPLIT_TRAIN),
                                     .size = piece_size,
                                     .read = read_piece,
                                     .user = corpus};
    bfn__copy *copies = bfn__calloc(corpus->ctx, symbols->n, sizeof *copies);
    bfn_status status = copies != NULL ? BFN_OK : BFN_ERR_MEMORY;
    if (status == BFN_OK)
        status = bfn__copies_find(corpus->ctx, &source, symbols->n, symbols->strings, symbols->lengths, copies);
    for (size_t i = 0; status == BFN_OK && i < symbols->n; i++) {
        scores->mean_copy += (double)copies[i].length / (double)symbols->n;
        if (copies[i].length > scores->longest_copy) {
            scores->longest_copy = copies[i].length;
            scores->copy_string = i;
            scores->copy_begin = copies[i].begin;
        }
    }
    bfn__free(corpus->ctx, copies);
    return status;
}

static bfn_status score_divergence(const bfn_text_corpus *corpus, const bfn__symbols *symbols, bfn_text_scores *scores)
{
    bfn__grams *grams = NULL;
    uint16_t *buffer = bfn__calloc(corpus->ctx, symbols->total + 2, sizeof *buffer);
    bfn_status status = buffer != NULL ? bfn__grams_create(corpus->ctx, &grams) : BFN_ERR_MEMORY;
    for (size_t i = 0; status == BFN_OK && i < symbols->n; i++)
        status = bfn__corpus_count(corpus, grams, symbols->strings[i], symbols->lengths[i], buffer);
    if (status == BFN_OK)
        status = bfn__grams_finish(grams);
    for (int order = 1; status == BFN_OK && order <= BFN_TEXT_ORDERS; order++)
        scores->divergence[order - 1] = bfn__grams_divergence(grams, corpus->test, order);
    bfn__grams_destroy(grams);
    bfn__free(corpus->ctx, buffer);
    return status;
}

bfn_status bfn_eval_text(bfn_speller *speller, const bfn_text_corpus *corpus, const char *const *strings, size_t n,
                         bfn_text_scores *scores)
{
    *scores = (bfn_text_scores){0};
    for (int order = 0; order < BFN_TEXT_ORDERS; order++)
        scores->divergence[order] = (double)NAN;
    bfn_status status = bfn_eval_spelling(speller, strings, n, &scores->spelling);
    if (status != BFN_OK)
        return status;
    bfn__symbols symbols;
    status = bfn__symbols_create(bfn__speller_context(speller), &symbols,
                                 corpus != NULL ? bfn__textset_alphabet(corpus->set) : NULL, strings, n);
    if (status != BFN_OK)
        return status;
    scores->n_characters = symbols.total;
    scores->n_unknown = corpus != NULL ? symbols.n_unknown : 0;
    if (corpus != NULL) {
        status = score_divergence(corpus, &symbols, scores);
        if (status == BFN_OK)
            status = score_copies(corpus, &symbols, scores);
    }
    bfn__symbols_free(&symbols);
    return status;
}

/* ---- baselines ---- */

const char *bfn_text_baseline_name(bfn_text_baseline which)
{
    static const char *const names[BFN_TEXT_N_BASELINES] = {"uniform", "unigram", "5-gram", "real text"};
    return names[which];
}

typedef struct baseline {
    const bfn_text_corpus *corpus;
    bfn_text_baseline which;
    uint64_t seed;
    size_t longest; /* symbols of a string, at most */
    double *u;      /* [longest] */
    uint16_t *symbols;
    int32_t *indices;
} baseline;

/* Length n, or shorter where a line's end is drawn. The padding symbol of a corpus of lines is no character. */
static size_t draw_grams(const baseline *b, size_t n)
{
    int pad = b->corpus->pad;
    size_t marks = pad >= 0 && b->which == BFN_TEXT_FIVEGRAM ? 1 : 0; /* a line's beginning is context */
    if (marks > 0)
        b->symbols[0] = (uint16_t)pad;
    for (size_t i = 0; i < n; i++) {
        size_t context = b->which == BFN_TEXT_FIVEGRAM ? i + marks : 0;
        uint16_t symbol = bfn__grams_next(b->corpus->train, b->symbols, context, b->u[i]);
        if (symbol == pad && b->which == BFN_TEXT_FIVEGRAM) {
            n = i;
            break;
        }
        b->symbols[i + marks] = symbol;
    }
    memmove(b->symbols, b->symbols + marks, n * sizeof *b->symbols);
    return n;
}

static size_t draw_real(const baseline *b, uint64_t i, size_t n)
{
    const bfn__textset *set = b->corpus->set;
    uint32_t draw = bfn__draw((size_t)b->which + 1, BFN__DRAW_DATA);
    size_t piece = 0, begin = 0;
    if (b->corpus->pad >= 0)
        piece = bfn__random_below(b->seed, i, draw, 0, bfn__textset_n_pieces(set, BFN__SPLIT_VALID));
    size_t size = bfn__textset_piece_size(set, BFN__SPLIT_VALID, piece);
    n = b->corpus->pad >= 0 || n > size ? size : n;
    n = n < b->longest ? n : b->longest;
    if (n < size)
        begin = bfn__random_below(b->seed, i, draw, 0, size - n + 1);
    bfn__textset_read(set, BFN__SPLIT_VALID, piece, begin, n, b->symbols);
    return n;
}

/* String i, as long as n symbols or as the source makes it. */
static size_t draw_string(const baseline *b, uint64_t i, size_t n)
{
    if (b->which == BFN_TEXT_REAL)
        return draw_real(b, i, n);
    bfn__random_uniforms(b->seed, i, bfn__draw((size_t)b->which + 1, BFN__DRAW_CATEGORY), 0, b->longest, b->u);
    if (b->corpus->pad >= 0 && b->which == BFN_TEXT_FIVEGRAM)
        n = b->longest;
    if (b->which != BFN_TEXT_UNIFORM)
        return draw_grams(b, n);
    bfn_text_corpus_info info;
    bfn_text_corpus_get_info(b->corpus, &info);
    for (size_t k = 0; k < n; k++)
        b->symbols[k] = (uint16_t)(b->u[k] * (double)info.n_symbols);
    return n;
}

/* Strings of the baseline one after the other: text (4 bytes a character at most), and where each begins. */
static void draw_strings(const baseline *b, const size_t *lengths, size_t n, char *text, const char **strings)
{
    const bfn__alphabet *alphabet = bfn__textset_alphabet(b->corpus->set);
    for (size_t i = 0; i < n; i++) {
        size_t length = draw_string(b, i, lengths[i]);
        for (size_t k = 0; k < length; k++)
            b->indices[k] = b->symbols[k];
        strings[i] = text;
        text += bfn__alphabet_decode(alphabet, b->indices, length, text) + 1;
    }
}

static bfn_status score_baseline(bfn_speller *speller, baseline *b, const size_t *lengths, size_t n,
                                 bfn_text_scores *scores)
{
    bfn_context *ctx = b->corpus->ctx;
    size_t bytes;
    if (!bfn__size_mul(4 * b->longest + 1, n, &bytes))
        return bfn__fail(ctx, BFN_ERR_MEMORY, "baseline: %zu strings of %zu characters", n, b->longest);
    b->u = bfn__calloc(ctx, b->longest, sizeof *b->u);
    b->symbols = bfn__calloc(ctx, b->longest + 1, sizeof *b->symbols);
    b->indices = bfn__calloc(ctx, b->longest, sizeof *b->indices);
    char *text = bfn__calloc(ctx, bytes, 1);
    const char **strings = bfn__calloc(ctx, n, sizeof *strings);
    bfn_status status = BFN_ERR_MEMORY;
    if (b->u != NULL && b->symbols != NULL && b->indices != NULL && text != NULL && strings != NULL) {
        draw_strings(b, lengths, n, text, strings);
        status = bfn_eval_text(speller, b->corpus, strings, n, scores);
    }
    bfn__free(ctx, b->u);
    bfn__free(ctx, b->symbols);
    bfn__free(ctx, b->indices);
    bfn__free(ctx, text);
    bfn__free(ctx, strings);
    return status;
}

bfn_status bfn_eval_text_baseline(bfn_speller *speller, const bfn_text_corpus *corpus, bfn_text_baseline which,
                                  uint64_t seed, const char *const *strings, size_t n, bfn_text_scores *scores)
{
    if ((int)which < 0 || (int)which >= BFN_TEXT_N_BASELINES)
        return bfn__fail(corpus->ctx, BFN_ERR_ARGUMENT, "baseline: found %d, needs 0 to %d", (int)which,
                         BFN_TEXT_N_BASELINES - 1);
    bfn__symbols symbols;
    bfn_status status = bfn__symbols_create(corpus->ctx, &symbols, NULL, strings, n);
    if (status != BFN_OK)
        return status;
    baseline b = {.corpus = corpus, .which = which, .seed = seed};
    for (size_t i = 0; i < n; i++)
        b.longest = symbols.lengths[i] > b.longest ? symbols.lengths[i] : b.longest;
    status = score_baseline(speller, &b, symbols.lengths, n, scores);
    bfn__symbols_free(&symbols);
    return status;
}
