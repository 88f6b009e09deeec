/* strings.c: lists of strings from files: what `bfn sample` writes (text, JSON lines, npy), and what others write like it.
 *
 * A string is never longer than what it came from (an index: 4 bytes or more in, 4 bytes of UTF-8 at most out; JSON's \u00e9: 6 in, 2 out), so one
 * block of the input's size and a terminator a string holds them all.
 */
#include "io/strings.h"

#include "io/npy.h"
#include "io/utf8.h"

#include <jansson.h>
#include <string.h>

static bfn_status reserve(bfn_context *ctx, bfn__strings *out, size_t n_strings, size_t bytes)
{
    size_t total;
    if (!bfn__size_add(bytes, n_strings, &total))
        return bfn__fail(ctx, BFN_ERR_MEMORY, "out of memory: %zu strings", n_strings);
    out->list = bfn__calloc(ctx, n_strings, sizeof *out->list);
    out->text = bfn__calloc(ctx, total, 1);
    return out->list != NULL && out->text != NULL ? BFN_OK : BFN_ERR_MEMORY;
}

static char *put(bfn__strings *out, char *at, const char *string, size_t n)
{
    memcpy(at, string, n);
    at[n] = '\0';
    out->list[out->n++] = at;
    return at + n + 1;
}

/* ---- text and JSON lines ---- */

static bfn_status line_string(bfn_context *ctx, const char *line, size_t n, const char *label, size_t number)
{
    size_t valid = bfn__utf8_check(line, n);
    if (valid < n)
        return bfn__fail(ctx, BFN_ERR_INPUT, "%s: line %zu: byte %zu is 0x%02x, which is not valid UTF-8 there", label,
                         number, valid, (unsigned)(unsigned char)line[valid]);
    if (memchr(line, '\0', n) != NULL)
        return bfn__fail(ctx, BFN_ERR_INPUT, "%s: line %zu holds a NUL byte", label, number);
    return BFN_OK;
}

/* The string of an object, into out. */
static bfn_status json_line(bfn_context *ctx, bfn__strings *out, char **at, const char *line, size_t n,
                            const char *label, size_t number)
{
    json_error_t error;
    json_t *object = json_loadb(line, n, JSON_REJECT_DUPLICATES, &error); /* refuses bad UTF-8 and \u0000 */
    const json_t *text = json_object_get(object, "text");
    bfn_status status = BFN_OK;
    if (object == NULL)
        status = bfn__fail(ctx, BFN_ERR_INPUT, "%s: line %zu is no JSON object: %s", label, number, error.text);
    else if (!json_is_string(text))
        status = bfn__fail(ctx, BFN_ERR_INPUT, "%s: line %zu: has no string \"text\"", label, number);
    else
        *at = put(out, *at, json_string_value(text), json_string_length(text));
    json_decref(object);
    return status;
}

static bfn_status parse_lines(bfn_context *ctx, bfn__strings *out, const char *text, size_t n, const char *label,
                              bool json)
{
    size_t n_lines = 1, number = 1;
    for (size_t i = 0; i < n; i++)
        n_lines += text[i] == '\n';
    bfn_status status = reserve(ctx, out, n_lines, n);
    char *at = out->text;
    for (size_t begin = 0; status == BFN_OK && begin < n; number++) {
        const char *stop = memchr(text + begin, '\n', n - begin);
        size_t end = stop != NULL ? (size_t)(stop - text) : n, length = end - begin;
        length -= length > 0 && text[begin + length - 1] == '\r';
        if (!json) {
            status = line_string(ctx, text + begin, length, label, number);
            if (status == BFN_OK)
                at = put(out, at, text + begin, length);
        } else if (length > 0) {
            status = json_line(ctx, out, &at, text + begin, length, label, number);
        }
        begin = end + 1;
    }
    return status;
}

/* ---- npy ---- */

static bfn_status decode_rows(bfn_context *ctx, bfn__strings *out, const int64_t *values, size_t n, size_t D,
                              const char *label, const bfn__alphabet *alphabet)
{
    int32_t *row = bfn__calloc(ctx, D, sizeof *row);
    bfn_status status = row != NULL ? BFN_OK : BFN_ERR_MEMORY;
    char *at = out->text;
    for (size_t i = 0; status == BFN_OK && i < n; i++) {
        for (size_t d = 0; status == BFN_OK && d < D; d++) {
            int64_t value = values[i * D + d];
            if (value < 0 || (uint64_t)value >= bfn__alphabet_size(alphabet))
                status = bfn__fail(ctx, BFN_ERR_INPUT, "%s: row %zu holds index %lld, the alphabet has %zu symbols",
                                   label, i, (long long)value, bfn__alphabet_size(alphabet));
            else
                row[d] = (int32_t)value;
        }
        if (status == BFN_OK) {
            out->list[out->n++] = at;
            at += bfn__alphabet_decode(alphabet, row, D, at) + 1;
        }
    }
    bfn__free(ctx, row);
    return status;
}

static bfn_status parse_npy(bfn_context *ctx, bfn__strings *out, const void *bytes, size_t n, const char *label,
                            const bfn__alphabet *alphabet)
{
    bfn__st_tensor t;
    bfn_status status = bfn__npy_parse(ctx, bytes, n, label, &t);
    if (status != BFN_OK)
        return status;
    if (t.rank != 2 || t.dtype < BFN__DTYPE_I64)
        return bfn__fail(ctx, BFN_ERR_INPUT,
                         "%s: an array of %s with %d dimensions, class indices [n, positions] are wanted", label,
                         bfn__dtype_name(t.dtype), t.rank);
    int64_t *values = bfn__calloc(ctx, t.count, sizeof *values);
    status = values != NULL ? bfn__st_to_i64(ctx, &t, values) : BFN_ERR_MEMORY;
    if (status == BFN_OK && t.count > 0)
        status = reserve(ctx, out, t.shape[0], 4 * t.count);
    if (status == BFN_OK && t.count > 0)
        status = decode_rows(ctx, out, values, t.shape[0], t.shape[1], label, alphabet);
    bfn__free(ctx, values);
    return status;
}

bfn_status bfn__strings_parse(bfn_context *ctx, bfn__strings *out, const void *bytes, size_t n, const char *label,
                              bfn__strings_form form, const bfn__alphabet *alphabet)
{
    static const char magic[6] = {'\x93', 'N', 'U', 'M', 'P', 'Y'};
    const char *text = bytes;
    bfn_status status;
    *out = (bfn__strings){0};
    if (form == BFN__STRINGS_ANY && n >= sizeof magic && memcmp(text, magic, sizeof magic) == 0)
        status = parse_npy(ctx, out, bytes, n, label, alphabet);
    else
        status = parse_lines(ctx, out, text, n, label,
                             form == BFN__STRINGS_JSON || (form == BFN__STRINGS_ANY && n > 0 && text[0] == '{'));
    if (status == BFN_OK && out->n == 0)
        status = bfn__fail(ctx, BFN_ERR_INPUT, "%s: found no string", label);
    if (status != BFN_OK)
        bfn__strings_free(ctx, out);
    return status;
}

void bfn__strings_free(bfn_context *ctx, bfn__strings *strings)
{
    bfn__free(ctx, strings->list);
    bfn__free(ctx, strings->text);
    *strings = (bfn__strings){0};
}
