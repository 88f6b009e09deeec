/* npy_read.c: reading NumPy's .npy, versions 1.0 to 3.0.
 *
 *   "\x93NUMPY", major, minor, the header's length (2 bytes in version 1, 4 later; little-endian), the header, the data
 * The header is a Python dict with the keys descr, fortran_order and shape. The reader knows just the literals that occur there: strings
 * without escapes, True, False, tuples of whole numbers. Nothing is evaluated; a type that is not a plain number is refused by its name.
 */
#include "io/npy.h"

#include "io/limits.h"

#include <string.h>

enum { MAGIC = 6, DESCR_ROOM = 16 };
static const char magic[] = "\x93NUMPY";

typedef struct reader {
    bfn_context *ctx;
    const char *label;
    const char *bytes; /* the file */
    size_t at, end;    /* in it: the next character, the header's end */
    bool has_descr, has_order, has_shape;
    bool fortran;
    char descr[DESCR_ROOM];
    bfn__st_tensor t;
} reader;

static bfn_status fail_at(const reader *r, const char *allowed)
{
    return bfn__fail(r->ctx, BFN_ERR_INPUT, "%s: byte %zu of the npy header: %s is needed", r->label, r->at, allowed);
}

static void skip_spaces(reader *r)
{
    while (r->at < r->end && (r->bytes[r->at] == ' ' || r->bytes[r->at] == '\n' || r->bytes[r->at] == '\t'))
        r->at++;
}

/* The next character that is not a space, 0 at the end. */
static char peek(reader *r)
{
    skip_spaces(r);
    return r->at < r->end ? r->bytes[r->at] : '\0';
}

static bool take(reader *r, char c)
{
    if (c == '\0' || peek(r) != c)
        return false;
    r->at++;
    return true;
}

/* A string in single or double quotes, without escapes: at most room-1 characters are kept. */
static bfn_status read_string(reader *r, char *out, size_t room)
{
    char quote = peek(r);
    if (quote != '\'' && quote != '"')
        return fail_at(r, "a string");
    const char *begin = r->bytes + r->at + 1, *stop = memchr(begin, quote, r->end - r->at - 1);
    if (stop == NULL || memchr(begin, '\\', (size_t)(stop - begin)) != NULL)
        return fail_at(r, "a string without escapes");
    size_t n = (size_t)(stop - begin), kept = n < room ? n : room - 1;
    memcpy(out, begin, kept);
    out[kept] = '\0';
    r->at += n + 2;
    return BFN_OK;
}

static bfn_status read_bool(reader *r, bool *out)
{
    (void)peek(r);
    size_t left = r->end - r->at;
    const char *s = r->bytes + r->at;
    *out = left >= 4 && memcmp(s, "True", 4) == 0;
    if (!*out && (left < 5 || memcmp(s, "False", 5) != 0))
        return fail_at(r, "True or False");
    r->at += *out ? 4 : 5;
    return BFN_OK;
}

static bfn_status read_size(reader *r, size_t *out)
{
    (void)peek(r);
    size_t value = 0, first = r->at;
    for (; r->at < r->end && r->bytes[r->at] >= '0' && r->bytes[r->at] <= '9'; r->at++)
        if (!bfn__size_mul(value, 10, &value) || !bfn__size_add(value, (size_t)(r->bytes[r->at] - '0'), &value))
            return fail_at(r, "a size below 2^64");
    *out = value;
    return r->at > first ? BFN_OK : fail_at(r, "a whole number that is not negative");
}

static bfn_status read_shape(reader *r)
{
    if (!take(r, '('))
        return fail_at(r, "a tuple");
    for (bool comma = true; !take(r, ')');) {
        size_t size = 0;
        if (!comma)
            return fail_at(r, "',' or ')'");
        if (r->t.rank == BFN__ST_MAX_RANK)
            return bfn__fail(r->ctx, BFN_ERR_INPUT, "%s: has more than %d dimensions, the most allowed", r->label,
                             BFN__ST_MAX_RANK);
        bfn_status status = read_size(r, &size);
        if (status != BFN_OK)
            return status;
        r->t.shape[r->t.rank++] = size;
        comma = take(r, ',');
    }
    return BFN_OK;
}

static bfn_status read_entry(reader *r)
{
    char key[DESCR_ROOM];
    bfn_status status = read_string(r, key, sizeof key);
    if (status != BFN_OK)
        return status;
    if (!take(r, ':'))
        return fail_at(r, "':'");
    bool *seen = strcmp(key, "descr") == 0           ? &r->has_descr
                 : strcmp(key, "fortran_order") == 0 ? &r->has_order
                 : strcmp(key, "shape") == 0         ? &r->has_shape
                                                     : NULL;
    if (seen == NULL || *seen)
        return bfn__fail(r->ctx, BFN_ERR_INPUT,
                         "%s: the npy header has the key \"%s\"%s, allowed: descr, fortran_order, shape", r->label, key,
                         seen == NULL ? "" : " twice");
    *seen = true;
    if (seen == &r->has_shape)
        return read_shape(r);
    if (seen == &r->has_order)
        return read_bool(r, &r->fortran);
    if (peek(r) == '[')
        return bfn__fail(r->ctx, BFN_ERR_INPUT, "%s: holds structures, allowed: plain numbers", r->label);
    return read_string(r, r->descr, sizeof r->descr);
}

static bfn_status read_dict(reader *r)
{
    if (!take(r, '{'))
        return fail_at(r, "'{'");
    for (bool comma = true; !take(r, '}');) {
        if (!comma)
            return fail_at(r, "',' or '}'");
        bfn_status status = read_entry(r);
        if (status != BFN_OK)
            return status;
        comma = take(r, ',');
    }
    skip_spaces(r);
    if (r->at != r->end)
        return fail_at(r, "the header's end");
    if (!r->has_descr || !r->has_order || !r->has_shape)
        return bfn__fail(r->ctx, BFN_ERR_INPUT, "%s: the npy header has no %s", r->label,
                         !r->has_descr   ? "descr"
                         : !r->has_order ? "fortran_order"
                                         : "shape");
    return BFN_OK;
}

/* Prefix and length: where the header lies. */
static bfn_status find_header(reader *r, size_t n)
{
    const unsigned char *b = (const unsigned char *)r->bytes;
    if (n < MAGIC + 4 || memcmp(b, magic, MAGIC) != 0)
        return bfn__fail(r->ctx, BFN_ERR_INPUT,
                         "%s: is not an npy file (its first bytes are not \\x93NUMPY and a version)", r->label);
    if (b[6] < 1 || b[6] > 3 || b[7] != 0)
        return bfn__fail(r->ctx, BFN_ERR_INPUT, "%s: npy version %d.%d, allowed: 1.0, 2.0, 3.0", r->label, (int)b[6],
                         (int)b[7]);
    size_t length = b[8] | (size_t)b[9] << 8;
    r->at = MAGIC + 4;
    if (b[6] > 1) {
        r->at += 2;
        if (n >= r->at)
            length |= (size_t)b[10] << 16 | (size_t)b[11] << 24;
    }
    if (n < r->at || length > n - r->at || length > bfn__limit(r->ctx, BFN__CAP_NPY_HEADER_BYTES))
        return bfn__fail(r->ctx, BFN_ERR_INPUT, "%s: the npy header has %zu bytes, the file %zu, allowed: at most %zu",
                         r->label, length, n, bfn__limit(r->ctx, BFN__CAP_NPY_HEADER_BYTES));
    r->end = r->at + length;
    return BFN_OK;
}

static bfn_status find_type(reader *r)
{
    static const struct {
        const char *descr;
        bfn__dtype dtype;
    } types[] = {{"<f8", BFN__DTYPE_F64}, {"<f4", BFN__DTYPE_F32}, {"<f2", BFN__DTYPE_F16}, {"<i8", BFN__DTYPE_I64},
                 {"<i4", BFN__DTYPE_I32}, {"|u1", BFN__DTYPE_U8},  {"|b1", BFN__DTYPE_BOOL}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(r->descr, types[i].descr) == 0) {
            r->t.dtype = types[i].dtype;
            return BFN_OK;
        }
    return bfn__fail(r->ctx, BFN_ERR_INPUT, "%s: values of type \"%s\"%s, allowed: <f8 <f4 <f2 <i8 <i4 |u1 |b1",
                     r->label, r->descr,
                     r->descr[0] == '>'              ? " (big-endian)"
                     : strchr(r->descr, 'O') != NULL ? " (objects)"
                                                     : "");
}

bfn_status bfn__npy_parse(bfn_context *ctx, const void *bytes, size_t n, const char *label, bfn__st_tensor *out)
{
    reader r = {.ctx = ctx, .label = label, .bytes = bytes};
    *out = (bfn__st_tensor){0};
    bfn_status status = find_header(&r, n);
    if (status == BFN_OK)
        status = read_dict(&r);
    if (status == BFN_OK)
        status = find_type(&r);
    if (status != BFN_OK)
        return status;
    if (r.fortran && r.t.rank > 1)
        return bfn__fail(ctx, BFN_ERR_INPUT, "%s: is in Fortran order, C order is needed", label);
    bool fits = bfn__dtype_extent(r.t.dtype, r.t.rank, r.t.shape, &r.t.count, &r.t.bytes);
    if (!fits || r.t.bytes != n - r.end)
        return bfn__fail(ctx, BFN_ERR_INPUT, "%s: its shape needs %s%zu bytes of data, %zu follow the header", label,
                         fits ? "" : "more than ", r.t.bytes, n - r.end);
    r.t.name = label;
    r.t.data = r.bytes + r.end;
    *out = r.t;
    return BFN_OK;
}
