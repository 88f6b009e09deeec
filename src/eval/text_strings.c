/* text_strings.c: bfn_text_strings: strings to be scored, from a file (io/strings.c says how they are found). */
#include "eval/corpus.h"
#include "io/file.h"
#include "io/limits.h"
#include "io/strings.h"

#include <string.h>

struct bfn_text_strings {
    bfn_context *ctx;
    bfn__strings strings;
};

static bfn__strings_form form_of(const char *label)
{
    size_t n = strlen(label);
    if (n >= 4 && strcmp(label + n - 4, ".txt") == 0)
        return BFN__STRINGS_LINES;
    return n >= 6 && strcmp(label + n - 6, ".jsonl") == 0 ? BFN__STRINGS_JSON : BFN__STRINGS_ANY;
}

bfn_status bfn_text_strings_parse(bfn_context *ctx, bfn_text_strings **out, const void *bytes, size_t n,
                                  const char *label, const bfn_text_corpus *corpus)
{
    *out = NULL;
    bfn__alphabet *text8 = NULL;
    bfn_text_strings *strings = bfn__calloc(ctx, 1, sizeof *strings);
    bfn_status status = strings != NULL ? BFN_OK : BFN_ERR_MEMORY;
    if (status == BFN_OK && corpus == NULL)
        status = bfn__alphabet_text8(ctx, &text8);
    if (status == BFN_OK) {
        strings->ctx = ctx;
        status = bfn__strings_parse(ctx, &strings->strings, bytes, n, label, form_of(label),
                                    corpus != NULL ? bfn__textset_alphabet(corpus->set) : text8);
    }
    bfn__alphabet_destroy(text8);
    if (status != BFN_OK) {
        bfn__free(ctx, strings);
        return status;
    }
    *out = strings;
    return BFN_OK;
}

bfn_status bfn_text_strings_load(bfn_context *ctx, bfn_text_strings **out, const char *path,
                                 const bfn_text_corpus *corpus)
{
    *out = NULL;
    bfn__bytes bytes;
    bfn_status status = bfn__file_map(ctx, path, bfn__limit(ctx, BFN__CAP_TEXT_BYTES), &bytes);
    if (status != BFN_OK)
        return status;
    status = bfn_text_strings_parse(ctx, out, bytes.size > 0 ? bytes.data : "", bytes.size, path, corpus);
    bfn__file_unmap(ctx, &bytes);
    return status;
}

void bfn_text_strings_free(bfn_text_strings *strings)
{
    if (strings == NULL)
        return;
    bfn__strings_free(strings->ctx, &strings->strings);
    bfn__free(strings->ctx, strings);
}

size_t bfn_text_strings_n(const bfn_text_strings *strings)
{
    return strings->strings.n;
}

const char *const *bfn_text_strings_list(const bfn_text_strings *strings)
{
    return strings->strings.list;
}
