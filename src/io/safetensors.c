/* safetensors.c: reading the safetensors format.
 *
 *   bytes 0..7       N, length of the header, little-endian
 *   bytes 8..8+N-1   JSON, padded by spaces: {"__metadata__": {"key": "string", ...},
 *                    "name": {"dtype": "F32", "shape": [2, 3], "data_offsets": [begin, end]}, ...}
 *   the rest         raw little-endian data; every byte belongs to exactly one tensor
 *
 * The header's grammar is so small that a reader for it alone is shorter than the checks around a general JSON library would
 * be, and it bounds the work: no recursion (nesting 1e5 deep is just an unexpected character), memory of the context's
 * allocator only, about 110 bytes a tensor. Strings are unescaped in place in one copy of the header; names point into it.
 */
#include "io/safetensors_set.h"

#include "io/limits.h"
#include "io/sha256.h"
#include "io/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the data section is little-endian and used in place");

enum { PREFIX = 8 };

/* A position in the header. Offsets in messages count from the start of the file. */
typedef struct reader {
    bfn_context *ctx;
    const char *label;
    char *text;
    size_t at, n;
    const char *data; /* the data section */
    size_t n_data;
    bfn__safetensors *st;
} reader;

/* ---- characters ---- */

static bfn_status fail_at(const reader *r, size_t at, const char *allowed)
{
    if (at >= r->n)
        return bfn__fail(r->ctx, BFN_ERR_INPUT, "%s: the header ends at byte %zu, needed there: %s", r->label,
                         r->n + PREFIX, allowed);
    unsigned char c = (unsigned char)r->text[at];
    if (c > 0x20 && c < 0x7f)
        return bfn__fail(r->ctx, BFN_ERR_INPUT, "%s: header byte %zu is '%c', allowed there: %s", r->label, at + PREFIX,
                         c, allowed);
    return bfn__fail(r->ctx, BFN_ERR_INPUT, "%s: header byte %zu is 0x%02x, allowed there: %s", r->label, at + PREFIX,
                     c, allowed);
}

static void skip_space(reader *r)
{
    while (r->at < r->n && r->text[r->at] != '\0' && strchr(" \t\r\n", r->text[r->at]) != NULL)
        r->at++;
}

/* The next character after white space, '\0' at the end. */
static char peek(reader *r)
{
    skip_space(r);
    return r->at < r->n ? r->text[r->at] : '\0';
}

static bfn_status expect(reader *r, char c, const char *allowed)
{
    if (peek(r) != c)
        return fail_at(r, r->at, allowed);
    r->at++;
    return BFN_OK;
}

/* ---- strings ---- */

static bool hex4(const reader *r, size_t at, uint32_t *code)
{
    *code = 0;
    if (r->n - at < 4)
        return false;
    for (size_t i = at; i < at + 4; i++) {
        char c = r->text[i];
        uint32_t digit = c >= '0' && c <= '9'   ? (uint32_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint32_t)(c - 'a') + 10
                         : c >= 'A' && c <= 'F' ? (uint32_t)(c - 'A') + 10
                                                : 16;
        if (digit == 16)
            return false;
        *code = *code * 16 + digit;
    }
    return true;
}

/* \uXXXX, or a pair of them for what lies beyond U+FFFF; r->at is behind the 'u'. */
static bfn_status read_unicode_escape(reader *r, uint32_t *code)
{
    static const char allowed[] = "four hexadecimal digits of a character that is not NUL or half a surrogate pair";
    uint32_t low;
    if (!hex4(r, r->at, code) || *code == 0 || (*code >= 0xdc00 && *code < 0xe000))
        return fail_at(r, r->at, allowed);
    r->at += 4;
    if (*code < 0xd800 || *code >= 0xe000)
        return BFN_OK;
    if (r->n - r->at < 6 || r->text[r->at] != '\\' || r->text[r->at + 1] != 'u' || !hex4(r, r->at + 2, &low) ||
        low < 0xdc00 || low >= 0xe000)
        return fail_at(r, r->at, allowed);
    r->at += 6;
    *code = 0x10000 + ((*code - 0xd800) << 10) + (low - 0xdc00);
    return BFN_OK;
}

/* One character of a string, escaped or not. */
static bfn_status read_character(reader *r, uint32_t *code)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (r->text[r->at] != '\\') {
        size_t length = bfn__utf8_decode(r->text + r->at, r->n - r->at, code);
        if (length == 0)
            return fail_at(r, r->at, "valid UTF-8");
        if (*code < 0x20)
            return fail_at(r, r->at, "a character of a string (controls are written as escapes)");
        r->at += length;
        return BFN_OK;
    }
    r->at++;
    if (r->at < r->n && r->text[r->at] == 'u') {
        r->at++;
        return read_unicode_escape(r, code);
    }
    const char *found = r->at < r->n && r->text[r->at] != '\0' ? strchr(from, r->text[r->at]) : NULL;
    if (found == NULL)
        return fail_at(r, r->at, "an escape: one of \" \\ / b f n r t u");
    *code = (uint32_t)to[found - from];
    r->at++;
    return BFN_OK;
}

/* A string, unescaped in place (never longer than its source) and closed by a NUL in place of the quote at the latest. */
static bfn_status read_string(reader *r, bool is_name, const char **out)
{
    bfn_status status = expect(r, '"', "a string");
    if (status != BFN_OK)
        return status;
    char *start = r->text + r->at, *end = start;
    for (;;) {
        size_t at = r->at;
        uint32_t code = 0;
        if (at >= r->n)
            return fail_at(r, at, "the '\"' that closes a string");
        if (r->text[at] == '"')
            break;
        status = read_character(r, &code);
        if (status != BFN_OK)
            return status;
        if (is_name && bfn__is_control(code))
            return fail_at(r, at, "a name without control characters");
        end += bfn__utf8_encode(code, end);
    }
    r->at++;
    *end = '\0';
    *out = start;
    return BFN_OK;
}

/* ---- numbers and lists ---- */

static bfn_status read_integer(reader *r, const char *name, const char *field, size_t *out)
{
    (void)peek(r);
    size_t start = r->at;
    uint64_t value = 0;
    bool fits = true;
    for (; r->at < r->n && r->text[r->at] >= '0' && r->text[r->at] <= '9'; r->at++) {
        value = value * 10 + (uint64_t)(r->text[r->at] - '0');
        if (value > BFN__LIMIT_JSON_INTEGER) {
            fits = false;
            value = 0;
        }
    }
    size_t digits = r->at - start;
    bool whole = r->at >= r->n || r->text[r->at] == '\0' || strchr(".eE", r->text[r->at]) == NULL;
    if (digits == 0 || !fits || !whole || (digits > 1 && r->text[start] == '0')) {
        size_t shown = 0;
        while (shown < 24 && start + shown < r->n && r->text[start + shown] > ' ' && r->text[start + shown] < 0x7f &&
               strchr(",]}", r->text[start + shown]) == NULL)
            shown++;
        return bfn__fail(r->ctx, BFN_ERR_INPUT, "%s: \"%s\": %s holds \"%.*s\", allowed: whole numbers from 0 to 2^53",
                         r->label, name, field, (int)shown, r->text + start);
    }
    *out = (size_t)value;
    return BFN_OK;
}

/* [a, b, ...], at most max numbers. */
static bfn_status read_list(reader *r, const char *name, const char *field, size_t max, size_t *out, size_t *n)
{
    *n = 0;
    bfn_status status = expect(r, '[', "a list of numbers");
    if (status != BFN_OK)
        return status;
    if (peek(r) == ']') {
        r->at++;
        return BFN_OK;
    }
    for (;;) {
        if (*n == max)
            return bfn__fail(r->ctx, BFN_ERR_INPUT,
                             "%s: \"%s\": %s has more than %zu numbers, the most that is allowed", r->label, name,
                             field, max);
        status = read_integer(r, name, field, &out[*n]);
        if (status != BFN_OK)
            return status;
        ++*n;
        if (peek(r) == ',') {
            r->at++;
            continue;
        }
        return expect(r, ']', "',' or ']'");
    }
}

/* ---- entries ---- */

/* Make room for one more item of a growing array. */
static bfn_status grow(const reader *r, void **items, size_t n, size_t *room, size_t size, size_t max, const char *what)
{
    if (n == max)
        return bfn__fail(r->ctx, BFN_ERR_INPUT, "%s: has more than %zu %s, the most that is allowed", r->label, max,
                         what);
    if (n < *room)
        return BFN_OK;
    size_t more = *room == 0 ? 16 : *room * 2;
    void *block = bfn__calloc(r->ctx, more, size);
    if (block == NULL)
        return BFN_ERR_MEMORY;
    if (n > 0)
        memcpy(block, *items, n * size);
    bfn__free(r->ctx, *items);
    *items = block;
    *room = more;
    return BFN_OK;
}

static bfn_status read_metadata(reader *r)
{
    bfn__safetensors *st = r->st;
    bfn_status status = expect(r, '{', "the object of __metadata__");
    if (status != BFN_OK)
        return status;
    if (peek(r) == '}') {
        r->at++;
        return BFN_OK;
    }
    for (;;) {
        bfn__st_entry entry;
        void *items = st->entries;
        status = grow(r, &items, st->n_entries, &st->entry_room, sizeof entry, bfn__limit(r->ctx, BFN__CAP_ST_METADATA),
                      "metadata entries");
        st->entries = items;
        if (status == BFN_OK)
            status = read_string(r, true, &entry.key);
        if (status == BFN_OK)
            status = expect(r, ':', "':'");
        if (status == BFN_OK && peek(r) != '"')
            status = fail_at(r, r->at, "a string (values of __metadata__ are strings)");
        if (status == BFN_OK)
            status = read_string(r, false, &entry.value);
        if (status != BFN_OK)
            return status;
        st->entries[st->n_entries++] = entry;
        if (peek(r) != ',')
            return expect(r, '}', "',' or '}'");
        r->at++;
    }
}

typedef struct fields {
    bool dtype, shape, offsets;
    size_t range[2];
} fields;

static bfn_status read_dtype(reader *r, bfn__st_tensor *t)
{
    const char *text;
    bfn_status status = read_string(r, true, &text);
    if (status != BFN_OK)
        return status;
    for (int d = BFN__DTYPE_F64; d <= BFN__DTYPE_BOOL; d++)
        if (strcmp(text, bfn__dtype_name((bfn__dtype)d)) == 0) {
            t->dtype = (bfn__dtype)d;
            return BFN_OK;
        }
    return bfn__fail(r->ctx, BFN_ERR_INPUT,
                     "%s: \"%s\": dtype is \"%s\", allowed: F64, F32, F16, BF16, I64, I32, U8, BOOL", r->label, t->name,
                     text);
}

static bfn_status read_field(reader *r, bfn__st_tensor *t, fields *f)
{
    const char *key = "";
    size_t n;
    bfn_status status = read_string(r, true, &key);
    if (status == BFN_OK)
        status = expect(r, ':', "':'");
    if (status != BFN_OK)
        return status;
    bool *seen = strcmp(key, "dtype") == 0          ? &f->dtype
                 : strcmp(key, "shape") == 0        ? &f->shape
                 : strcmp(key, "data_offsets") == 0 ? &f->offsets
                                                    : NULL;
    if (seen == NULL)
        return bfn__fail(r->ctx, BFN_ERR_INPUT, "%s: \"%s\" has a field \"%s\", allowed: dtype, shape, data_offsets",
                         r->label, t->name, key);
    if (*seen)
        return bfn__fail(r->ctx, BFN_ERR_INPUT, "%s: \"%s\" has the field %s twice", r->label, t->name, key);
    *seen = true;
    if (seen == &f->dtype)
        return read_dtype(r, t);
    if (seen == &f->shape) {
        status = read_list(r, t->name, "shape", BFN__ST_MAX_RANK, t->shape, &n);
        t->rank = (int)n;
        return status;
    }
    status = read_list(r, t->name, "data_offsets", 2, f->range, &n);
    if (status == BFN_OK && n != 2)
        return bfn__fail(r->ctx, BFN_ERR_INPUT, "%s: \"%s\": data_offsets has %zu numbers, 2 are needed", r->label,
                         t->name, n);
    return status;
}

/* Do dtype, shape and offsets agree with each other and with the file? */
static bfn_status place_tensor(const reader *r, bfn__st_tensor *t, const fields *f)
{
    const char *missing = !f->dtype ? "dtype" : !f->shape ? "shape" : !f->offsets ? "data_offsets" : NULL;
    if (missing != NULL)
        return bfn__fail(r->ctx, BFN_ERR_INPUT, "%s: \"%s\" has no %s", r->label, t->name, missing);
    size_t begin = f->range[0], end = f->range[1];
    if (begin > end || end > r->n_data)
        return bfn__fail(r->ctx, BFN_ERR_INPUT,
                         "%s: \"%s\": data_offsets are [%zu, %zu], allowed: begin <= end <= %zu (the bytes of data)",
                         r->label, t->name, begin, end, r->n_data);
    if (!bfn__dtype_extent(t->dtype, t->rank, t->shape, &t->count, &t->bytes) || t->bytes != end - begin)
        return bfn__fail(r->ctx, BFN_ERR_INPUT, "%s: \"%s\": its shape of %s needs %zu bytes, data_offsets give %zu",
                         r->label, t->name, bfn__dtype_name(t->dtype), t->bytes, end - begin);
    t->data = r->data + begin;
    return BFN_OK;
}

static bfn_status read_tensor(reader *r, const char *name)
{
    bfn__safetensors *st = r->st;
    bfn__st_tensor t = {.name = name};
    fields f = {0};
    void *items = st->tensors;
    bfn_status status =
        grow(r, &items, st->n_tensors, &st->tensor_room, sizeof t, bfn__limit(r->ctx, BFN__CAP_ST_TENSORS), "tensors");
    st->tensors = items;
    if (status == BFN_OK)
        status = expect(r, '{', "the object of a tensor");
    if (status == BFN_OK && peek(r) == '}')
        r->at++;
    else
        for (bool more = true; status == BFN_OK && more;) {
            status = read_field(r, &t, &f);
            more = status == BFN_OK && peek(r) == ',';
            if (more)
                r->at++;
            else if (status == BFN_OK)
                status = expect(r, '}', "',' or '}'");
        }
    if (status == BFN_OK)
        status = place_tensor(r, &t, &f);
    if (status == BFN_OK)
        st->tensors[st->n_tensors++] = t;
    return status;
}

static bfn_status read_header(reader *r)
{
    bool metadata = false;
    if (r->n == 0 || r->text[0] != '{')
        return fail_at(r, 0, "'{' (is this a safetensors file?)");
    r->at = 1;
    if (peek(r) == '}')
        r->at++;
    else
        for (bool more = true; more;) {
            const char *name;
            bfn_status status = read_string(r, true, &name);
            if (status == BFN_OK)
                status = expect(r, ':', "':'");
            if (status != BFN_OK)
                return status;
            if (strcmp(name, "__metadata__") != 0)
                status = read_tensor(r, name);
            else if (metadata)
                status = bfn__fail(r->ctx, BFN_ERR_INPUT, "%s: __metadata__ occurs twice", r->label);
            else
                status = read_metadata(r);
            metadata = metadata || strcmp(name, "__metadata__") == 0;
            more = status == BFN_OK && peek(r) == ',';
            if (more)
                r->at++;
            else if (status == BFN_OK)
                status = expect(r, '}', "',' or '}'");
            if (status != BFN_OK)
                return status;
        }
    (void)peek(r);
    return r->at == r->n ? BFN_OK : fail_at(r, r->at, "spaces up to the end of the header");
}

/* ---- the whole ---- */

static int compare_places(const void *a, const void *b)
{
    const bfn__st_tensor *const *x = a, *const *y = b;
    const char *p = (*x)->data, *q = (*y)->data;
    if (p != q)
        return p < q ? -1 : 1;
    return ((*x)->bytes > (*y)->bytes) - ((*x)->bytes < (*y)->bytes);
}

/* Every byte of data belongs to exactly one tensor. */
static bfn_status check_cover(const reader *r, const bfn__st_tensor **sorted, size_t n)
{
    size_t covered = 0;
    for (size_t i = 0; i < n; i++) {
        size_t begin = (size_t)((const char *)sorted[i]->data - r->data);
        if (begin != covered)
            return bfn__fail(r->ctx, BFN_ERR_INPUT,
                             "%s: \"%s\" begins at data byte %zu, the tensor before it ends at %zu: %s are not allowed",
                             r->label, sorted[i]->name, begin, covered, begin < covered ? "overlaps" : "holes");
        covered += sorted[i]->bytes;
    }
    if (covered != r->n_data)
        return bfn__fail(r->ctx, BFN_ERR_INPUT, "%s: has %zu bytes of data, its tensors need %zu", r->label, r->n_data,
                         covered);
    return BFN_OK;
}

static bfn_status check_places(const reader *r)
{
    size_t n = r->st->n_tensors;
    const bfn__st_tensor **sorted = bfn__calloc(r->ctx, n, sizeof *sorted);
    if (sorted == NULL)
        return BFN_ERR_MEMORY;
    for (size_t i = 0; i < n; i++)
        sorted[i] = &r->st->tensors[i];
    qsort(sorted, n, sizeof *sorted, compare_places);
    bfn_status status = check_cover(r, sorted, n);
    bfn__free(r->ctx, sorted);
    return status;
}

static bfn_status check_prefix(bfn_context *ctx, const char *label, const void *bytes, size_t n, size_t *header)
{
    uint64_t length = 0;
    if (n < PREFIX)
        return bfn__fail(ctx, BFN_ERR_INPUT, "%s: has %zu bytes, a safetensors file has at least 10", label, n);
    memcpy(&length, bytes, sizeof length);
    if (length > n - PREFIX || length > bfn__limit(ctx, BFN__CAP_ST_HEADER_BYTES) || length < 2)
        return bfn__fail(
            ctx, BFN_ERR_INPUT, "%s: the length of the header is %llu, allowed: 2 to %zu (is this a safetensors file?)",
            label, (unsigned long long)length,
            n - PREFIX < bfn__limit(ctx, BFN__CAP_ST_HEADER_BYTES) ? n - PREFIX
                                                                   : bfn__limit(ctx, BFN__CAP_ST_HEADER_BYTES));
    *header = (size_t)length;
    return BFN_OK;
}

bfn_status bfn__safetensors_parse(bfn_context *ctx, bfn__safetensors **out, const void *bytes, size_t n,
                                  const char *label)
{
    *out = NULL;
    size_t header = 0;
    bfn_status status = check_prefix(ctx, label, bytes, n, &header);
    if (status != BFN_OK)
        return status;
    bfn__safetensors *st = bfn__calloc(ctx, 1, sizeof *st);
    if (st == NULL)
        return BFN_ERR_MEMORY;
    st->ctx = ctx;
    st->bytes = bytes;
    st->n_bytes = n;
    st->header = bfn__calloc(ctx, header + 1, 1);
    if (st->header == NULL) {
        bfn__safetensors_close(st);
        return BFN_ERR_MEMORY;
    }
    memcpy(st->header, (const char *)bytes + PREFIX, header);
    reader r = {.ctx = ctx, .label = label, .text = st->header, .n = header, .st = st};
    r.data = (const char *)bytes + PREFIX + header;
    r.n_data = n - PREFIX - header;
    status = read_header(&r);
    if (status == BFN_OK)
        status = check_places(&r);
    if (status == BFN_OK)
        status = bfn__st_index(st, label);
    if (status != BFN_OK) {
        bfn__safetensors_close(st);
        return status;
    }
    *out = st;
    return BFN_OK;
}

/* ---- the checksum inside ---- */

/* Text that needed no unescaping lies in the file where it lies in the copy of the header. */
static bool in_place(const bfn__safetensors *st, const char *digits, size_t *at)
{
    *at = PREFIX + (size_t)(digits - st->header);
    return strlen(digits) == BFN__SHA256_HEX - 1 && memcmp(st->bytes + *at, digits, BFN__SHA256_HEX - 1) == 0;
}

/* Both sums of the bytes: one as they are, one with blanks at the digits. */
static void sum_up(const bfn__safetensors *st, size_t at, char whole[BFN__SHA256_HEX], char blank[BFN__SHA256_HEX])
{
    size_t after = at + BFN__SHA256_HEX - 1;
    bfn__sha256 one, two;
    bfn__sha256_begin(&one);
    bfn__sha256_begin(&two);
    bfn__sha256_add_both(&one, &two, st->bytes, at);
    bfn__sha256_add(&one, st->bytes + at, BFN__SHA256_HEX - 1);
    bfn__sha256_add(&two, BFN__SHA256_BLANK, BFN__SHA256_HEX - 1);
    bfn__sha256_add_both(&one, &two, st->bytes + after, st->n_bytes - after);
    bfn__sha256_end(&one, whole);
    bfn__sha256_end(&two, blank);
}

bfn_status bfn__safetensors_sums(const bfn__safetensors *st, const char *label, char *whole, bool *has_checksum)
{
    const char *digits = bfn__safetensors_metadata(st, BFN__ST_CHECKSUM);
    char is[BFN__SHA256_HEX] = "";
    size_t at;
    whole[0] = '\0';
    *has_checksum = digits != NULL && st->bytes != NULL;
    if (!*has_checksum)
        return BFN_OK;
    if (!in_place(st, digits, &at))
        return bfn__fail(st->ctx, BFN_ERR_INPUT, "%s: metadata " BFN__ST_CHECKSUM " is \"%.80s\", needs 64 digits",
                         label, digits);
    sum_up(st, at, whole, is);
    if (strcmp(is, digits) == 0)
        return BFN_OK;
    return bfn__fail(st->ctx, BFN_ERR_INPUT,
                     "%s: the file is damaged: its sha256 is %.12s..., its metadata " BFN__ST_CHECKSUM " says %.12s...",
                     label, is, digits);
}

bfn_status bfn__safetensors_verify(const bfn__safetensors *st, const char *label, bool *has_checksum)
{
    char whole[BFN__SHA256_HEX];
    bool has;
    bfn_status status = bfn__safetensors_sums(st, label, whole, &has);
    if (has_checksum != NULL)
        *has_checksum = has;
    return status;
}
