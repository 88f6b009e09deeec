/* alphabet.c: characters to class indices and back.
 *
 * Index i stands for the i-th symbol; the padding symbol, if there is one, comes last and stands for no character. A table in pages of
 * 256 code points gives index + 1 (0: not in the alphabet); pages without a symbol share an empty one, so that an alphabet with one
 * rare character in it costs kilobytes and not the megabytes of all code points.
 * Control characters that could steer a terminal are refused: samples are printed, and a model file may come from anybody.
 */
#include "io/alphabet.h"

#include "io/limits.h"
#include "io/utf8.h"

#include <stdio.h>
#include <string.h>

enum { N_CODES = 0x110000, PAGE = 256, WORD = 64 };

const char bfn__text8_symbols[] = " abcdefghijklmnopqrstuvwxyz";

void bfn__describe_code(uint32_t code, char out[BFN__CODE_TEXT_MAX])
{
    char bytes[5] = "";
    if (bfn__is_control(code))
        (void)snprintf(out, BFN__CODE_TEXT_MAX, "U+%04X", (unsigned)code);
    else {
        bytes[bfn__utf8_encode(code, bytes)] = '\0';
        (void)snprintf(out, BFN__CODE_TEXT_MAX, "'%s' (U+%04X)", bytes, (unsigned)code);
    }
}

size_t bfn__next_code(const char *text, size_t n, size_t i, uint32_t *code)
{
    size_t skip = text[i] == '\r' && i + 1 < n && text[i + 1] == '\n';
    unsigned char c = (unsigned char)text[i + skip];
    if (c < 0x80) {
        *code = c;
        return skip + 1;
    }
    size_t length = bfn__utf8_decode(text + i, n - i, code);
    return length > 0 ? length : 0;
}

bfn_status bfn__text_check(bfn_context *ctx, const char *text, size_t n, const char *label)
{
    size_t valid = bfn__utf8_check(text, n);
    if (valid < n)
        return bfn__fail(ctx, BFN_ERR_INPUT,
                         "%s: byte %zu is 0x%02x, which is not valid UTF-8 there (convert the file, as with iconv)",
                         label, valid, (unsigned)(unsigned char)text[valid]);
    return BFN_OK;
}

bfn_status bfn__fail_code(bfn_context *ctx, const char *label, size_t at, uint32_t code)
{
    char text[BFN__CODE_TEXT_MAX];
    bfn__describe_code(code, text);
    return bfn__fail(ctx, BFN_ERR_INPUT, "%s: byte %zu: the character %s is not in the alphabet", label, at, text);
}

/* ---- making one ---- */

static bfn_status allocate(bfn_context *ctx, bfn__alphabet **out, const char *symbols, size_t n, uint32_t largest)
{
    uint32_t n_pages = largest / PAGE + 1;
    bfn__alphabet *a = bfn__calloc(ctx, 1, sizeof *a);
    if (a == NULL)
        return BFN_ERR_MEMORY;
    a->ctx = ctx;
    a->n_pages = n_pages;
    a->pad = -1;
    a->symbols = bfn__strdup(ctx, symbols);
    a->codes = a->symbols != NULL ? bfn__calloc(ctx, n, sizeof *a->codes) : NULL;
    a->pages = a->codes != NULL ? bfn__calloc(ctx, n_pages, sizeof *a->pages) : NULL;
    a->index = a->pages != NULL ? bfn__calloc(ctx, (n < n_pages ? n : n_pages) + 1, PAGE * sizeof *a->index) : NULL;
    if (a->index == NULL) {
        bfn__alphabet_destroy(a);
        return BFN_ERR_MEMORY;
    }
    *out = a;
    return BFN_OK;
}

/* How many symbols there are and the largest code point; refuses what an alphabet may not hold. */
static bfn_status survey(bfn_context *ctx, const char *symbols, size_t n_bytes, size_t *n, uint32_t *largest)
{
    bfn_status status = bfn__text_check(ctx, symbols, n_bytes, "alphabet");
    for (size_t i = 0; i < n_bytes && status == BFN_OK; ++*n) {
        uint32_t code = 0;
        i += bfn__utf8_decode(symbols + i, n_bytes - i, &code);
        if (bfn__is_odd_control(code))
            status = bfn__fail(ctx, BFN_ERR_INPUT, "alphabet: symbol U+%04X is a control character, allowed: text",
                               (unsigned)code);
        *largest = code > *largest ? code : *largest;
    }
    return status;
}

bfn_status bfn__alphabet_from_symbols(bfn_context *ctx, bfn__alphabet **out, const char *symbols, bool pad)
{
    *out = NULL;
    size_t n_bytes = strlen(symbols), n = 0;
    uint32_t code = 0, largest = 0;
    uint16_t n_used = 0; /* pages of the index */
    bfn_status status = survey(ctx, symbols, n_bytes, &n, &largest);
    if (status == BFN_OK && (n + pad < 2 || n >= bfn__limit(ctx, BFN__CAP_ALPHABET)))
        status = bfn__fail(ctx, BFN_ERR_INPUT, "alphabet: has %zu symbols, allowed: %d to %zu", n, pad ? 1 : 2,
                           bfn__limit(ctx, BFN__CAP_ALPHABET) - 1);
    bfn__alphabet *a = NULL;
    if (status == BFN_OK)
        status = allocate(ctx, &a, symbols, n, largest);
    for (size_t i = 0; i < n_bytes && status == BFN_OK;) {
        i += bfn__utf8_decode(symbols + i, n_bytes - i, &code);
        if (bfn__alphabet_lookup(a, code) >= 0)
            status = bfn__fail(ctx, BFN_ERR_INPUT, "alphabet: symbol U+%04X occurs twice", (unsigned)code);
        if (a->pages[code / PAGE] == 0)
            a->pages[code / PAGE] = ++n_used;
        a->codes[a->n++] = code;
        a->index[a->pages[code / PAGE] * (size_t)PAGE + code % PAGE] = (uint16_t)a->n;
    }
    if (status != BFN_OK) {
        bfn__alphabet_destroy(a);
        return status;
    }
    a->pad = pad ? (int)n : -1;
    *out = a;
    return BFN_OK;
}

bfn_status bfn__alphabet_text8(bfn_context *ctx, bfn__alphabet **out)
{
    return bfn__alphabet_from_symbols(ctx, out, bfn__text8_symbols, false);
}

/* All code points of valid UTF-8 are below this: its largest byte tells how long its characters can be. */
static uint32_t codes_below(const char *text, size_t n)
{
    unsigned char largest = 0;
    for (size_t i = 0; i < n; i++)
        largest = (unsigned char)text[i] > largest ? (unsigned char)text[i] : largest;
    return largest < 0x80 ? 0x80 : largest < 0xe0 ? 0x800 : largest < 0xf0 ? 0x10000 : N_CODES;
}

/* The first code point from `code` on whose bit is set, or `below`, which is a multiple of WORD. */
static uint32_t next_seen(const uint64_t *seen, uint32_t code, uint32_t below)
{
    for (; code < below; code = (code / WORD + 1) * WORD) {
        uint64_t rest = seen[code / WORD] >> code % WORD;
        if (rest != 0)
            return code + (uint32_t)__builtin_ctzll(rest);
    }
    return below;
}

/* One bit a code point: which occur? Text is valid UTF-8. */
static bfn_status mark_codes(bfn_context *ctx, const char *text, size_t n, bool lines, const char *label,
                             uint64_t *seen)
{
    bool ascii[128] = {false}; /* setting a flag is quicker than setting a bit */
    for (size_t i = 0; i < n;) {
        unsigned char c = (unsigned char)text[i];
        if (c >= 0x20 && c < 0x7f) {
            ascii[c] = true;
            i++;
            continue;
        }
        uint32_t code = 0;
        size_t length = bfn__next_code(text, n, i, &code);
        if (bfn__is_odd_control(code))
            return bfn__fail(ctx, BFN_ERR_INPUT, "%s: byte %zu is the control character U+%04X, allowed: text", label,
                             i, (unsigned)code);
        if (!lines || code != '\n')
            seen[code / WORD] |= (uint64_t)1 << code % WORD;
        i += length;
    }
    for (size_t c = 0; c < 128; c++)
        seen[c / WORD] |= (uint64_t)ascii[c] << c % WORD;
    return BFN_OK;
}

bfn_status bfn__alphabet_from_text(bfn_context *ctx, bfn__alphabet **out, const char *text, size_t n, bool lines,
                                   const char *label)
{
    *out = NULL;
    bfn_status status = bfn__text_check(ctx, text, n, label);
    if (status != BFN_OK)
        return status;
    uint32_t below = codes_below(text, n);
    uint64_t *seen = bfn__calloc(ctx, below / WORD, sizeof *seen);
    if (seen == NULL)
        return BFN_ERR_MEMORY;
    char *symbols = NULL;
    size_t n_symbols = 0, end = 0;
    status = mark_codes(ctx, text, n, lines, label, seen);
    for (uint32_t code = 0; (code = next_seen(seen, code, below)) < below; code++)
        n_symbols++;
    if (status == BFN_OK && (n_symbols + lines < 2 || n_symbols >= bfn__limit(ctx, BFN__CAP_ALPHABET)))
        status = bfn__fail(ctx, BFN_ERR_INPUT, "%s: has %zu different characters, allowed: %d to %zu", label, n_symbols,
                           lines ? 1 : 2, bfn__limit(ctx, BFN__CAP_ALPHABET) - 1);
    if (status == BFN_OK) {
        symbols = bfn__calloc(ctx, n_symbols, 4 + 1);
        status = symbols != NULL ? BFN_OK : BFN_ERR_MEMORY;
    }
    for (uint32_t code = 0; status == BFN_OK && (code = next_seen(seen, code, below)) < below; code++)
        end += bfn__utf8_encode(code, symbols + end);
    bfn__free(ctx, seen);
    if (status == BFN_OK)
        status = bfn__alphabet_from_symbols(ctx, out, symbols, lines);
    bfn__free(ctx, symbols);
    return status;
}

void bfn__alphabet_destroy(bfn__alphabet *a)
{
    if (a == NULL)
        return;
    bfn_context *ctx = a->ctx;
    bfn__free(ctx, a->symbols);
    bfn__free(ctx, a->codes);
    bfn__free(ctx, a->pages);
    bfn__free(ctx, a->index);
    bfn__free(ctx, a);
}

/* ---- using one ---- */

size_t bfn__alphabet_size(const bfn__alphabet *a)
{
    return a->n + (a->pad >= 0);
}

const char *bfn__alphabet_symbols(const bfn__alphabet *a)
{
    return a->symbols;
}

int bfn__alphabet_pad(const bfn__alphabet *a)
{
    return a->pad;
}

int bfn__alphabet_find(const bfn__alphabet *a, uint32_t code)
{
    return bfn__alphabet_lookup(a, code);
}

bfn_status bfn__alphabet_encode(bfn_context *ctx, const bfn__alphabet *a, const char *text, size_t n, const char *label,
                                uint16_t **out, size_t *n_out)
{
    *out = NULL;
    *n_out = 0;
    bfn_status status = bfn__text_check(ctx, text, n, label);
    if (status != BFN_OK)
        return status;
    uint16_t *indices = bfn__calloc(ctx, n, sizeof *indices);
    if (indices == NULL)
        return BFN_ERR_MEMORY;
    size_t count = 0;
    for (size_t i = 0; i < n;) {
        uint32_t code = 0;
        size_t length = bfn__utf8_decode(text + i, n - i, &code);
        int index = bfn__alphabet_lookup(a, code);
        if (index < 0) {
            bfn__free(ctx, indices);
            return bfn__fail_code(ctx, label, i, code);
        }
        indices[count++] = (uint16_t)index;
        i += length;
    }
    *out = indices;
    *n_out = count;
    return BFN_OK;
}

size_t bfn__alphabet_decode(const bfn__alphabet *a, const int32_t *indices, size_t D, char *buffer)
{
    size_t n = 0;
    for (size_t i = 0; i < D; i++)
        if (indices[i] >= 0 && (size_t)indices[i] < a->n)
            n += bfn__utf8_encode(a->codes[indices[i]], buffer + n);
    buffer[n] = '\0';
    return n;
}
