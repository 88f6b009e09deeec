/* corpus.c: a text as three splits for the measures of text: counts of short runs of training and test, the characters of training and
 * validation.
 *
 * The counts are taken once, when the corpus is opened: they serve as the reference (test) and as the 5-gram model (training). The text itself
 * stays as symbols, a byte each: spans that were copied are looked for in it (copies.c), real strings are cut from it.
 * Around each line of a corpus of lines stands its padding symbol, so that how lines begin and end counts too.
 */
#include "eval/corpus.h"

#include "io/alphabet.h"
#include "io/file.h"
#include "io/limits.h"
#include "io/sha256.h"
#include "io/utf8.h"
#include "model/model_internal.h"

#include <string.h>

enum { CHUNK = 1 << 16, LINE_MAX_SYMBOLS = 4096 };

/* ---- strings as symbols ---- */

static size_t encode(const bfn__alphabet *alphabet, const char *string, uint16_t *out, size_t *n_unknown)
{
    size_t n = 0, left = strlen(string);
    while (left > 0) {
        uint32_t code = 0;
        size_t bytes = bfn__utf8_decode(string, left, &code);
        int index = bytes > 0 && alphabet != NULL ? bfn__alphabet_find(alphabet, code) : -1;
        *n_unknown += index < 0;
        out[n++] = index < 0 ? BFN__SYMBOL_UNKNOWN : (uint16_t)index;
        bytes = bytes > 0 ? bytes : 1;
        string += bytes;
        left -= bytes;
    }
    return n;
}

bfn_status bfn__symbols_create(bfn_context *ctx, bfn__symbols *out, const bfn__alphabet *alphabet,
                               const char *const *strings, size_t n)
{
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        bytes += strlen(strings[i]);
    *out = (bfn__symbols){.ctx = ctx, .n = n};
    out->all = bfn__calloc(ctx, bytes, sizeof *out->all);
    out->strings = bfn__calloc(ctx, n, sizeof *out->strings);
    out->lengths = bfn__calloc(ctx, n, sizeof *out->lengths);
    if (out->all == NULL || out->strings == NULL || out->lengths == NULL) {
        bfn__symbols_free(out);
        return BFN_ERR_MEMORY;
    }
    for (size_t i = 0; i < n; i++) {
        out->strings[i] = out->all + out->total;
        out->lengths[i] = encode(alphabet, strings[i], out->all + out->total, &out->n_unknown);
        out->total += out->lengths[i];
    }
    return BFN_OK;
}

void bfn__symbols_free(bfn__symbols *symbols)
{
    bfn__free(symbols->ctx, symbols->all);
    bfn__free(symbols->ctx, symbols->strings);
    bfn__free(symbols->ctx, symbols->lengths);
}

/* ---- counting ---- */

bfn_status bfn__corpus_count(const bfn_text_corpus *corpus, bfn__grams *grams, const uint16_t *symbols, size_t n,
                             uint16_t *buffer)
{
    if (corpus->pad < 0)
        return bfn__grams_add(grams, symbols, n, n);
    buffer[0] = buffer[n + 1] = (uint16_t)corpus->pad;
    memcpy(buffer + 1, symbols, n * sizeof *symbols);
    return bfn__grams_add(grams, buffer, n + 2, n + 2);
}

/* A long piece chunk by chunk, each with the symbols that the runs at its end need. */
static bfn_status count_stream(const bfn_text_corpus *corpus, bfn__split which, bfn__grams *grams)
{
    size_t size = bfn__textset_piece_size(corpus->set, which, 0);
    uint16_t *chunk = bfn__calloc(corpus->ctx, CHUNK + BFN__GRAM_ORDERS, sizeof *chunk);
    bfn_status status = chunk != NULL ? BFN_OK : BFN_ERR_MEMORY;
    for (size_t begin = 0; status == BFN_OK && begin < size; begin += CHUNK) {
        size_t left = size - begin, n = left < CHUNK + BFN__GRAM_ORDERS ? left : CHUNK + BFN__GRAM_ORDERS;
        bfn__textset_read(corpus->set, which, 0, begin, n, chunk);
        status = bfn__grams_add(grams, chunk, left < CHUNK ? left : CHUNK, n);
    }
    bfn__free(corpus->ctx, chunk);
    return status;
}

static bfn_status count_lines(const bfn_text_corpus *corpus, bfn__split which, bfn__grams *grams)
{
    size_t longest = 0, n_pieces = bfn__textset_n_pieces(corpus->set, which);
    for (size_t piece = 0; piece < n_pieces; piece++) {
        size_t size = bfn__textset_piece_size(corpus->set, which, piece);
        longest = size > longest ? size : longest;
    }
    uint16_t *line = bfn__calloc(corpus->ctx, 2 * longest + 2, sizeof *line);
    bfn_status status = line != NULL ? BFN_OK : BFN_ERR_MEMORY;
    for (size_t piece = 0; status == BFN_OK && piece < n_pieces; piece++) {
        size_t size = bfn__textset_piece_size(corpus->set, which, piece);
        bfn__textset_read(corpus->set, which, piece, 0, size, line);
        status = bfn__corpus_count(corpus, grams, line, size, line + longest);
    }
    bfn__free(corpus->ctx, line);
    return status;
}

static bfn_status count_split(bfn_text_corpus *corpus, bfn__split which, bfn__grams **out)
{
    bfn_status status = bfn__grams_create(corpus->ctx, out);
    if (status == BFN_OK)
        status = corpus->pad < 0 ? count_stream(corpus, which, *out) : count_lines(corpus, which, *out);
    return status == BFN_OK ? bfn__grams_finish(*out) : status;
}

static bfn_status measure_splits(bfn_text_corpus *corpus)
{
    static const char *const use[3] = {"the baselines are made from it", "strings of real text come from it",
                                       "it is the reference"};
    static const char *const names[3] = {"training", "validation", "test"};
    for (int which = 0; which < 3; which++) {
        for (size_t piece = 0; piece < bfn__textset_n_pieces(corpus->set, (bfn__split)which); piece++)
            corpus->n_characters[which] += bfn__textset_piece_size(corpus->set, (bfn__split)which, piece);
        if (corpus->n_characters[which] == 0)
            return bfn__fail(corpus->ctx, BFN_ERR_INPUT, "%s: its %s split is empty: %s", corpus->path, names[which],
                             use[which]);
    }
    return BFN_OK;
}

/* ---- opening ---- */

static bfn_status textset_options(bfn_context *ctx, const bfn_text_corpus_options *o, bfn__textset_options *out)
{
    *out = (bfn__textset_options){.alphabet = o->alphabet != NULL ? o->alphabet : "text8",
                                  .lines = o->lines != 0,
                                  .truncate_lines = true,
                                  .T = o->lines != 0 ? LINE_MAX_SYMBOLS : 1};
    memcpy(out->fractions, o->fractions, sizeof out->fractions);
    if (o->model == NULL)
        return BFN_OK;
    const bfn__config *c = &o->model->config;
    if (c->data.kind != BFN__FORM_TEXT || o->model->data.alphabet == NULL)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "corpus: the model %s",
                         c->data.kind != BFN__FORM_TEXT ? "is one of images" : "holds no alphabet");
    out->alphabet = c->data.alphabet == 0 ? "text8" : "chars";
    out->lines = c->data.lines != 0;
    out->truncate_lines = c->data.truncate != 0;
    out->T = out->lines ? c->data.seq_len : 1;
    out->fixed = o->model->data.alphabet;
    memcpy(out->fractions, c->data.fractions, sizeof out->fractions);
    return BFN_OK;
}

static bfn_status read_text(bfn_text_corpus *corpus, const bfn__textset_options *options)
{
    bfn__bytes bytes;
    bfn_status status = bfn__file_map(corpus->ctx, corpus->path, bfn__limit(corpus->ctx, BFN__CAP_TEXT_BYTES), &bytes);
    if (status != BFN_OK)
        return status;
    bfn__sha256_hex(bytes.data, bytes.size, corpus->sha256);
    status = bfn__textset_create(corpus->ctx, &corpus->set, bytes.data, bytes.size, corpus->path, options);
    bfn__file_unmap(corpus->ctx, &bytes);
    return status;
}

static bfn_status fill(bfn_text_corpus *corpus, const char *path, const bfn__textset_options *options)
{
    corpus->path = bfn__strdup(corpus->ctx, path);
    bfn_status status = corpus->path != NULL ? read_text(corpus, options) : BFN_ERR_MEMORY;
    if (status != BFN_OK)
        return status;
    corpus->pad = bfn__alphabet_pad(bfn__textset_alphabet(corpus->set));
    status = measure_splits(corpus);
    if (status == BFN_OK)
        status = count_split(corpus, BFN__SPLIT_TRAIN, &corpus->train);
    return status == BFN_OK ? count_split(corpus, BFN__SPLIT_TEST, &corpus->test) : status;
}

bfn_status bfn_text_corpus_open(bfn_context *ctx, bfn_text_corpus **out, const char *path,
                                const bfn_text_corpus_options *options)
{
    *out = NULL;
    bfn_text_corpus_options o = BFN_TEXT_CORPUS_OPTIONS_INIT;
    if (options != NULL)
        o = *options;
    if (o.struct_size != sizeof o)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "corpus: struct_size is %zu, not %zu", o.struct_size, sizeof o);
    bfn__textset_options how;
    bfn_status status = textset_options(ctx, &o, &how);
    if (status != BFN_OK)
        return status;
    bfn_text_corpus *corpus = bfn__calloc(ctx, 1, sizeof *corpus);
    if (corpus == NULL)
        return BFN_ERR_MEMORY;
    corpus->ctx = ctx;
    bfn__use_openmp(ctx);
    status = fill(corpus, path, &how);
    if (status != BFN_OK) {
        bfn_text_corpus_close(corpus);
        return status;
    }
    *out = corpus;
    return BFN_OK;
}

void bfn_text_corpus_close(bfn_text_corpus *corpus)
{
    if (corpus == NULL)
        return;
    bfn__textset_destroy(corpus->set);
    bfn__grams_destroy(corpus->train);
    bfn__grams_destroy(corpus->test);
    bfn__free(corpus->ctx, corpus->path);
    bfn__free(corpus->ctx, corpus);
}

void bfn_text_corpus_get_info(const bfn_text_corpus *corpus, bfn_text_corpus_info *info)
{
    *info = (bfn_text_corpus_info){.path = corpus->path,
                                   .checksum = corpus->sha256,
                                   .n_train = corpus->n_characters[BFN__SPLIT_TRAIN],
                                   .n_valid = corpus->n_characters[BFN__SPLIT_VALID],
                                   .n_test = corpus->n_characters[BFN__SPLIT_TEST],
                                   .n_symbols = bfn__alphabet_size(bfn__textset_alphabet(corpus->set)) -
                                                (corpus->pad >= 0 ? 1 : 0)};
}
