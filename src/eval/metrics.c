/* metrics.c: what a sweep can measure: one table of metrics, each with the numbers that it gives. A new metric is a row here. */
#include "eval/metric_frechet.h"

#include <math.h>
#include <string.h>

/* ---- spelling accuracy ---- */

static const bfn__value_kind spell_values[] = {
    {"accuracy", "spelling accuracy", "%", true, 1, true},
    {"inner_accuracy", "spelling accuracy of inner words", "%", true, 1, false},
    {"bits_per_word", "entropy of words", "bits", false, 0, false},
    {"bits_per_character", "entropy of characters", "bits", false, 0, false},
    {"duplicates", "duplicate strings", "", false, 0, false},
    {"words", "words", "", false, 0, false},
};

static bfn_status open_spell(bfn__sweep *sweep, void **state)
{
    bfn_speller *speller;
    bfn_status status = bfn_speller_open(sweep->ctx, &speller, sweep->options->dictionary);
    if (status != BFN_OK)
        return status;
    *state = speller;
    return bfn_record_set(sweep->header, "dictionary_sha256", bfn_speller_checksum(speller));
}

static bfn_status measure_spell(void *state, const bfn__sample_set *set, bfn__value *values)
{
    bfn_spelling s;
    const double none = (double)NAN;
    bfn_status status = bfn_eval_spelling(state, set->texts, set->n, &s);
    if (status != BFN_OK)
        return status;
    values[0] = (bfn__value){s.accuracy, s.standard_error};
    values[1] = (bfn__value){s.inner_accuracy, s.inner_standard_error};
    values[2] = (bfn__value){s.word_entropy, none};
    values[3] = (bfn__value){s.character_entropy, none};
    values[4] = (bfn__value){(double)s.n_duplicates, none};
    values[5] = (bfn__value){(double)s.n_words, none};
    return BFN_OK;
}

static void close_spell(void *state)
{
    bfn_speller_close(state);
}

/* ---- text beside a corpus ---- */

static const bfn__value_kind text_values[] = {
    {"divergence_1", "divergence of characters from real text", "bits", false, -1, false},
    {"divergence_2", "divergence of runs of 2 characters from real text", "bits", false, -1, false},
    {"divergence_3", "divergence of runs of 3 characters from real text", "bits", false, -1, true},
    {"divergence_4", "divergence of runs of 4 characters from real text", "bits", false, -1, false},
    {"divergence_5", "divergence of runs of 5 characters from real text", "bits", false, -1, false},
    {"longest_copy", "longest run copied from the training text", "", false, 0, false},
    {"mean_copy", "longest copied run, mean over strings", "", false, 0, false},
};

typedef struct text_state {
    bfn_context *ctx;
    bfn_speller *speller; /* bfn_eval_text has one */
    bfn_text_corpus *corpus;
} text_state;

static void close_text(void *state)
{
    text_state *t = state;
    bfn_text_corpus_close(t->corpus);
    bfn_speller_close(t->speller);
    bfn__free(t->ctx, t);
}

/* The scores of as much real text as a cell has: windows of the validation split. */
static bfn_status score_real_text(const bfn__sweep *sweep, const text_state *t)
{
    size_t D = sweep->info.positions;
    bfn_text_scores scores;
    char *line = bfn__calloc(sweep->ctx, D + 1, 1);
    const char **lines = bfn__calloc(sweep->ctx, sweep->n, sizeof *lines);
    bfn_status status = line != NULL && lines != NULL ? BFN_OK : BFN_ERR_MEMORY;
    for (size_t i = 0; status == BFN_OK && i < D; i++)
        line[i] = 'a'; /* lengths alone are read */
    for (size_t i = 0; status == BFN_OK && i < sweep->n; i++)
        lines[i] = line;
    if (status == BFN_OK)
        status = bfn_eval_text_baseline(t->speller, t->corpus, BFN_TEXT_REAL, 0, lines, sweep->n, &scores);
    if (status == BFN_OK)
        status = bfn_record_set_number(sweep->header, "accuracy_of_real_text", scores.spelling.accuracy);
    if (status == BFN_OK)
        status = bfn_record_set_number(sweep->header, "divergence_3_of_real_text", scores.divergence[2]);
    bfn__free(sweep->ctx, line);
    bfn__free(sweep->ctx, (void *)lines);
    return status;
}

static bfn_status open_text(bfn__sweep *sweep, void **state)
{
    bfn_text_corpus_options o = BFN_TEXT_CORPUS_OPTIONS_INIT;
    text_state *t = bfn__calloc(sweep->ctx, 1, sizeof *t);
    if (t == NULL)
        return BFN_ERR_MEMORY;
    t->ctx = sweep->ctx;
    o.model = sweep->model;
    bfn_status status = bfn_speller_open(sweep->ctx, &t->speller, sweep->options->dictionary);
    if (status == BFN_OK)
        status = bfn_text_corpus_open(sweep->ctx, &t->corpus, sweep->options->data, &o);
    if (status == BFN_OK) {
        bfn_text_corpus_info info;
        bfn_text_corpus_get_info(t->corpus, &info);
        status = bfn_record_set(sweep->header, "data_sha256", info.checksum);
    }
    if (status == BFN_OK)
        status = score_real_text(sweep, t);
    if (status != BFN_OK) {
        close_text(t);
        return status;
    }
    *state = t;
    return BFN_OK;
}

static bfn_status measure_text(void *state, const bfn__sample_set *set, bfn__value *values)
{
    text_state *t = state;
    bfn_text_scores scores;
    const double none = (double)NAN;
    bfn_status status = bfn_eval_text(t->speller, t->corpus, set->texts, set->n, &scores);
    if (status != BFN_OK)
        return status;
    for (int i = 0; i < BFN_TEXT_ORDERS; i++)
        values[i] = (bfn__value){scores.divergence[i], none};
    values[BFN_TEXT_ORDERS] = (bfn__value){(double)scores.longest_copy, none};
    values[BFN_TEXT_ORDERS + 1] = (bfn__value){scores.mean_copy, none};
    return BFN_OK;
}

/* ---- images in features ---- */

static const bfn__value_kind frechet_values[] = {
    {"frechet", "Fréchet distance in classifier features", "", true, -1, true},
    {"kernel_distance", "kernel distance in the same features", "", true, -1, false},
};

/* ---- the table ---- */

#define VALUES(table) table, sizeof(table) / sizeof((table)[0])
static const bfn__metric metrics[] = {
    {"spell", "text: words that a dictionary knows, with entropies and duplicates", false, false, false,
     VALUES(spell_values), open_spell, measure_spell, close_spell, NULL},
    {"text", "text, needs --data: divergence of runs of 1 to 5 characters from real text, spans copied from it", false,
     true, false, VALUES(text_values), open_text, measure_text, close_text, NULL},
    {"frechet", "images, needs --data and --features: Fréchet and kernel distance to the training images", true, true,
     true, VALUES(frechet_values), bfn__frechet_open, bfn__frechet_measure, bfn__frechet_close, bfn__frechet_label},
};
#undef VALUES

double bfn__value_scale(const bfn__value_kind *kind)
{
    return strcmp(kind->unit, "%") == 0 ? 100.0 : 1.0;
}

const bfn__metric *bfn__metric_at(size_t i)
{
    return i < sizeof metrics / sizeof metrics[0] ? &metrics[i] : NULL;
}

const bfn__metric *bfn__metric_find(const char *name)
{
    for (size_t i = 0; bfn__metric_at(i) != NULL; i++)
        if (strcmp(metrics[i].name, name) == 0)
            return &metrics[i];
    return NULL;
}

const char *bfn_sweep_metric_name(size_t i)
{
    return bfn__metric_at(i) != NULL ? metrics[i].name : NULL;
}

const char *bfn_sweep_metric_text(size_t i)
{
    return bfn__metric_at(i) != NULL ? metrics[i].text : NULL;
}
