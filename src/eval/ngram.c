/* ngram.c: interpolated character n-grams.
 *
 *   p_o(x | context) = w_o0 / K + sum_{m=1..o} w_om c(last m-1 symbols, x) / c(last m-1 symbols)
 * with one weight vector per order, fitted by expectation maximisation on held-out text, so that unseen contexts cost little
 * and no smoothing constant has to be chosen. A context that never occurred hands its weight to the uniform term.
 * Every sequence stands alone: the first symbol sees no context, the second one symbol, as for the model it is compared with.
 */
#include "eval/ngram.h"

#include <math.h>

enum { MAX_TRIGRAMS = 1 << 27, EM_ROUNDS = 30, TERMS = BFN__NGRAM_ORDERS + 1 };

struct bfn__ngram {
    bfn_context *ctx;
    size_t K;
    uint32_t *counts[BFN__NGRAM_ORDERS];   /* [K], [K,K], [K,K,K]; the last index is the symbol */
    uint32_t *contexts[BFN__NGRAM_ORDERS]; /* [1], [K], [K,K]: how often a context was followed by anything */
    double weights[BFN__NGRAM_ORDERS][TERMS];
};

bfn_status bfn__ngram_create(bfn_context *ctx, bfn__ngram **out, size_t K)
{
    *out = NULL;
    if (K < 2 || K * K > MAX_TRIGRAMS / K)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "n-gram model: %zu symbols: 2 to 512 are allowed", K);
    bfn__ngram *model = bfn__calloc(ctx, 1, sizeof *model);
    if (model == NULL)
        return BFN_ERR_MEMORY;
    model->ctx = ctx;
    model->K = K;
    size_t contexts = 1;
    for (int m = 0; m < BFN__NGRAM_ORDERS; m++, contexts *= K) {
        model->contexts[m] = bfn__calloc(ctx, contexts, sizeof(uint32_t));
        model->counts[m] = bfn__calloc(ctx, contexts * K, sizeof(uint32_t));
        if (model->contexts[m] == NULL || model->counts[m] == NULL) {
            bfn__ngram_destroy(model);
            return BFN_ERR_MEMORY;
        }
        for (int term = 0; term <= m + 1; term++)
            model->weights[m][term] = 1.0 / (m + 2);
    }
    *out = model;
    return BFN_OK;
}

void bfn__ngram_destroy(bfn__ngram *model)
{
    if (model == NULL)
        return;
    for (int m = 0; m < BFN__NGRAM_ORDERS; m++) {
        bfn__free(model->ctx, model->counts[m]);
        bfn__free(model->ctx, model->contexts[m]);
    }
    bfn__free(model->ctx, model);
}

/* Index of the last m symbols before position i. */
static size_t context_index(const bfn__ngram *model, const int32_t *symbols, size_t i, int m)
{
    size_t index = 0;
    for (int back = m; back > 0; back--)
        index = index * model->K + (size_t)symbols[i - (size_t)back];
    return index;
}

void bfn__ngram_count(bfn__ngram *model, const int32_t *symbols, size_t n)
{
    for (size_t i = 0; i < n; i++)
        for (int m = 0; m < BFN__NGRAM_ORDERS && (size_t)m <= i; m++) {
            size_t context = context_index(model, symbols, i, m);
            model->contexts[m][context]++;
            model->counts[m][context * model->K + (size_t)symbols[i]]++;
        }
}

/* The weighted terms of the mixture at position i; returns their sum, the probability. Weights of contexts that are too long for i
 * or were never seen go to the uniform term. */
static double mixture_terms(const bfn__ngram *model, int order, const int32_t *symbols, size_t i, double *terms)
{
    const double *weights = model->weights[order - 1];
    double uniform_weight = weights[0], sum = 0.0;
    for (int m = 0; m < order; m++) {
        size_t context = (size_t)m <= i ? context_index(model, symbols, i, m) : 0;
        uint32_t seen = (size_t)m <= i ? model->contexts[m][context] : 0;
        terms[m + 1] = 0.0;
        if (seen == 0)
            uniform_weight += weights[m + 1];
        else
            terms[m + 1] = weights[m + 1] * model->counts[m][context * model->K + (size_t)symbols[i]] / seen;
        sum += terms[m + 1];
    }
    terms[0] = uniform_weight / (double)model->K;
    return sum + terms[0];
}

static void fit_order(bfn__ngram *model, int order, const int32_t *held_out, size_t n_sequences, size_t T)
{
    for (int round = 0; round < EM_ROUNDS; round++) {
        double expected[TERMS] = {0.0}, total = 0.0;
        for (size_t s = 0; s < n_sequences; s++)
            for (size_t i = (size_t)(order - 1); i < T; i++) {
                double terms[TERMS];
                double p = mixture_terms(model, order, held_out + s * T, i, terms);
                for (int term = 0; term <= order; term++)
                    expected[term] += terms[term] / p;
                total += 1.0;
            }
        for (int term = 0; total > 0.0 && term <= order; term++)
            model->weights[order - 1][term] = fmax(expected[term] / total, 1e-9);
    }
}

void bfn__ngram_fit(bfn__ngram *model, const int32_t *held_out, size_t n_sequences, size_t T)
{
    for (int order = 1; order <= BFN__NGRAM_ORDERS; order++)
        fit_order(model, order, held_out, n_sequences, T);
}

double bfn__ngram_bits(const bfn__ngram *model, int order, const int32_t *symbols, size_t n)
{
    double bits = 0.0, terms[TERMS];
    for (size_t i = 0; i < n; i++) {
        /* early positions use the model of the order that their context allows */
        int usable = (size_t)order <= i + 1 ? order : (int)i + 1;
        bits -= log2(mixture_terms(model, usable, symbols, i, terms));
    }
    return bits;
}
