/* spell.c: spelling accuracy, the score of generated text in arXiv 2404.15766.
 *
 * Strings are split at spaces; a token counts as correct when hunspell's dictionary accepts it as it is written. The papers count every
 * token, also those that a string's first and last character may have cut; the accuracy without them stands beside it.
 * Strings are independent and words within one are not, so the standard error is that of a ratio estimator with strings as
 * clusters: se = sqrt(n/(n-1) sum_i (c_i - p w_i)^2) / W with w_i words and c_i correct ones in string i, W = sum w_i, p = C/W.
 * Accuracy alone can be won by repeating "the": entropy of characters and words, and the number of duplicates, show that.
 */
#include "eval/spell.h"

#include "base/base.h"
#include "io/file.h"
#include "io/sha256.h"

#include <hunspell/hunspell.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char default_dictionary[] = "/usr/share/hunspell/en_US.dic";
/* Of Debian 12's hunspell-en-us 1:2020.12.07, .aff and then .dic. */
static const char pinned_checksum[] = "74e70b68050678f57d18917dcd8f23c007f331f26fa8bcb62562bc2a4d2e07d1";
enum { MAX_DICTIONARY_BYTES = 256 * 1024 * 1024, MAX_WORD_BYTES = 400 };

struct bfn_speller {
    bfn_context *ctx;
    Hunhandle *hunspell;
    char *path;
    char checksum[BFN__SHA256_HEX];
};

static bfn_status hash_file(bfn_context *ctx, bfn__sha256 *hash, const char *path)
{
    bfn__bytes bytes;
    bfn_status status = bfn__file_map(ctx, path, MAX_DICTIONARY_BYTES, &bytes);
    if (status != BFN_OK)
        return status;
    bfn__sha256_add(hash, bytes.data, bytes.size);
    bfn__file_unmap(ctx, &bytes);
    return BFN_OK;
}

/* The .aff file's name from the .dic file's. */
static bfn_status affix_path(bfn_context *ctx, const char *dictionary, char **out)
{
    size_t n = strlen(dictionary);
    if (n < 5 || strcmp(dictionary + n - 4, ".dic") != 0)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "dictionary: \"%s\": the path of a hunspell .dic file is wanted",
                         dictionary);
    *out = bfn__strdup(ctx, dictionary);
    if (*out == NULL)
        return BFN_ERR_MEMORY;
    memcpy(*out + n - 4, ".aff", 4);
    return BFN_OK;
}

static bfn_status open_dictionary(bfn_speller *speller, const char *affix)
{
    bfn__sha256 hash;
    bfn__sha256_begin(&hash);
    bfn_status status = hash_file(speller->ctx, &hash, affix);
    if (status == BFN_OK)
        status = hash_file(speller->ctx, &hash, speller->path);
    if (status != BFN_OK)
        return status;
    bfn__sha256_end(&hash, speller->checksum);
    speller->hunspell = Hunspell_create(affix, speller->path);
    if (speller->hunspell == NULL)
        return bfn__fail(speller->ctx, BFN_ERR_INPUT, "%s: hunspell cannot load it", speller->path);
    return BFN_OK;
}

bfn_status bfn_speller_open(bfn_context *ctx, bfn_speller **out, const char *dictionary)
{
    *out = NULL;
    bfn_speller *speller = bfn__calloc(ctx, 1, sizeof *speller);
    if (speller == NULL)
        return BFN_ERR_MEMORY;
    speller->ctx = ctx;
    char *affix = NULL;
    bfn_status status = BFN_ERR_MEMORY;
    speller->path = bfn__strdup(ctx, dictionary != NULL ? dictionary : default_dictionary);
    if (speller->path != NULL)
        status = affix_path(ctx, speller->path, &affix);
    if (status == BFN_OK)
        status = open_dictionary(speller, affix);
    bfn__free(ctx, affix);
    if (status != BFN_OK) {
        bfn_speller_close(speller);
        return status;
    }
    *out = speller;
    return BFN_OK;
}

void bfn_speller_close(bfn_speller *speller)
{
    if (speller == NULL)
        return;
    if (speller->hunspell != NULL)
        Hunspell_destroy(speller->hunspell);
    bfn__free(speller->ctx, speller->path);
    bfn__free(speller->ctx, speller);
}

const char *bfn_speller_path(const bfn_speller *speller)
{
    return speller->path;
}

const char *bfn_speller_checksum(const bfn_speller *speller)
{
    return speller->checksum;
}

int bfn_speller_is_pinned(const bfn_speller *speller)
{
    return strcmp(speller->checksum, pinned_checksum) == 0;
}

bfn_context *bfn__speller_context(const bfn_speller *speller)
{
    return speller->ctx;
}

/* Words and correct words of one string; inner: without its first and last token. */
typedef struct string_count {
    double words, correct, inner_words, inner_correct;
} string_count;

typedef struct word_list {
    char **words;
    size_t n, capacity;
} word_list;

static bool word_list_add(bfn_context *ctx, word_list *list, const char *word)
{
    if (list->n == list->capacity) {
        size_t capacity = list->capacity > 0 ? 2 * list->capacity : 1024;
        char **grown = bfn__calloc(ctx, capacity, sizeof *grown);
        if (grown == NULL)
            return false;
        if (list->n > 0)
            memcpy(grown, list->words, list->n * sizeof *grown);
        bfn__free(ctx, list->words);
        list->words = grown;
        list->capacity = capacity;
    }
    list->words[list->n] = bfn__strdup(ctx, word);
    return list->words[list->n++] != NULL;
}

static void word_list_free(bfn_context *ctx, word_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        bfn__free(ctx, list->words[i]);
    bfn__free(ctx, list->words);
}

/* A token longer than any English word is wrong without asking hunspell, whose time grows with the length. */
static bool is_correct(bfn_speller *speller, const char *word)
{
    return strlen(word) < MAX_WORD_BYTES && Hunspell_spell(speller->hunspell, word) != 0;
}

static bfn_status count_string(bfn_speller *speller, const char *string, string_count *count, word_list *words)
{
    *count = (string_count){0};
    char *copy = bfn__strdup(speller->ctx, string);
    if (copy == NULL)
        return BFN_ERR_MEMORY;
    bfn_status status = BFN_OK;
    double first = 0.0, last = 0.0; /* correctness of the first and the newest token */
    char *save = NULL;
    for (char *word = strtok_r(copy, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save)) {
        last = is_correct(speller, word) ? 1.0 : 0.0;
        if (count->words < 0.5)
            first = last;
        count->words += 1.0;
        count->correct += last;
        if (!word_list_add(speller->ctx, words, word)) {
            status = BFN_ERR_MEMORY;
            break;
        }
    }
    bfn__free(speller->ctx, copy);
    if (count->words > 2.5) {
        count->inner_words = count->words - 2.0;
        count->inner_correct = count->correct - first - last;
    }
    return status;
}

static double clustered_error(size_t n, const string_count *counts, bool inner, double accuracy)
{
    if (n < 2)
        return 0.0;
    double sum = 0.0, words = 0.0;
    for (size_t i = 0; i < n; i++) {
        double w = inner ? counts[i].inner_words : counts[i].words;
        double c = inner ? counts[i].inner_correct : counts[i].correct;
        sum += (c - accuracy * w) * (c - accuracy * w);
        words += w;
    }
    return words > 0.0 ? sqrt((double)n / (double)(n - 1) * sum) / words : 0.0;
}

static int compare_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static double entropy_term(size_t count, size_t total)
{
    double p = (double)count / (double)total;
    return count > 0 ? -p * log2(p) : 0.0;
}

/* Bits per word; sorts the list. */
static double word_entropy(word_list *list)
{
    if (list->n == 0)
        return 0.0;
    qsort(list->words, list->n, sizeof *list->words, compare_text);
    double bits = 0.0;
    for (size_t start = 0, i = 1; i <= list->n; i++) {
        if (i < list->n && strcmp(list->words[i], list->words[start]) == 0)
            continue;
        bits += entropy_term(i - start, list->n);
        start = i;
    }
    return bits;
}

static double character_entropy(const char *const *strings, size_t n)
{
    size_t counts[256] = {0}, total = 0;
    for (size_t i = 0; i < n; i++)
        for (const unsigned char *c = (const unsigned char *)strings[i]; *c != 0; c++, total++)
            counts[*c]++;
    double bits = 0.0;
    for (size_t c = 0; total > 0 && c < 256; c++)
        bits += entropy_term(counts[c], total);
    return bits;
}

static bfn_status count_duplicates(bfn_context *ctx, const char *const *strings, size_t n, size_t *out)
{
    *out = 0;
    const char **sorted = bfn__calloc(ctx, n, sizeof *sorted);
    if (sorted == NULL)
        return BFN_ERR_MEMORY;
    if (n > 0)
        memcpy(sorted, strings, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, compare_text);
    for (size_t i = 1; i < n; i++)
        *out += strcmp(sorted[i - 1], sorted[i]) == 0 ? 1 : 0;
    bfn__free(ctx, sorted);
    return BFN_OK;
}

static void summarise(size_t n, const string_count *counts, bfn_spelling *result)
{
    string_count sum = {0};
    for (size_t i = 0; i < n; i++) {
        sum.words += counts[i].words;
        sum.correct += counts[i].correct;
        sum.inner_words += counts[i].inner_words;
        sum.inner_correct += counts[i].inner_correct;
    }
    result->n_words = (size_t)sum.words;
    result->n_correct = (size_t)sum.correct;
    result->n_inner_words = (size_t)sum.inner_words;
    result->accuracy = sum.words > 0.0 ? sum.correct / sum.words : 0.0;
    result->inner_accuracy = sum.inner_words > 0.0 ? sum.inner_correct / sum.inner_words : 0.0;
    result->standard_error = clustered_error(n, counts, false, result->accuracy);
    result->inner_standard_error = clustered_error(n, counts, true, result->inner_accuracy);
}

bfn_status bfn_eval_spelling(bfn_speller *speller, const char *const *strings, size_t n, bfn_spelling *result)
{
    *result = (bfn_spelling){.n_strings = n};
    word_list words = {0};
    string_count *counts = bfn__calloc(speller->ctx, n, sizeof *counts);
    bfn_status status = counts != NULL ? BFN_OK : BFN_ERR_MEMORY;
    for (size_t i = 0; status == BFN_OK && i < n; i++)
        status = count_string(speller, strings[i], &counts[i], &words);
    if (status == BFN_OK)
        status = count_duplicates(speller->ctx, strings, n, &result->n_duplicates);
    if (status == BFN_OK) {
        summarise(n, counts, result);
        result->word_entropy = word_entropy(&words);
        result->character_entropy = character_entropy(strings, n);
    }
    word_list_free(speller->ctx, &words);
    bfn__free(speller->ctx, counts);
    return status;
}
