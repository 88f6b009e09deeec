/* metrics.c: what a sweep can measure: one table of metrics, each with the numbers that it gives. A new metric is a row here. */
#include "eval/sweep.h"

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

/* ---- the table ---- */

#define VALUES(table) table, sizeof(table) / sizeof((table)[0])
static const bfn__metric metrics[] = {
    {"spell", "text: words that a dictionary knows, with entropies and duplicates", false, true, VALUES(spell_values),
     open_spell, measure_spell, close_spell},
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
