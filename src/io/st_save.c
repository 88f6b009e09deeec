/* st_save.c: writing the safetensors format.
 *
 * The header is made in memory (twice: once to measure, once to write), padded by spaces so that the data section begins at
 * a multiple of 64 bytes; tensors follow in the given order without gaps, as the format demands. The file goes through a
 * bfn__writer: after a crash or a full disk the old file is there, unharmed.
 */
#include "io/safetensors.h"

#include "io/file.h"
#include "io/limits.h"
#include "io/sha256.h"
#include "io/utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { PREFIX = 8, ALIGNMENT = 64 };

/* Text that is written when there is room for it and counted always. */
typedef struct text {
    char *out; /* NULL: only count */
    size_t n;
    size_t checksum; /* where the digits of the checksum belong; 0: there is none */
} text;

static void put(text *t, const char *s, size_t n)
{
    if (t->out != NULL)
        memcpy(t->out + t->n, s, n);
    t->n += n;
}

static void put_text(text *t, const char *s)
{
    put(t, s, strlen(s));
}

static void put_number(text *t, size_t value)
{
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%zu", value);
    put(t, digits, (size_t)n);
}

static void put_string(text *t, const char *s)
{
    put_text(t, "\"");
    for (; *s != '\0'; s++) {
        char escape[8];
        if (*s == '"' || *s == '\\') {
            put_text(t, "\\");
            put(t, s, 1);
        } else if ((unsigned char)*s < 0x20) {
            (void)snprintf(escape, sizeof escape, "\\u%04x", (unsigned)*s);
            put_text(t, escape);
        } else {
            put(t, s, 1);
        }
    }
    put_text(t, "\"");
}

static void put_tensor(text *t, const bfn__st_tensor *tensor, size_t begin)
{
    put_string(t, tensor->name);
    put_text(t, ":{\"dtype\":\"");
    put_text(t, bfn__dtype_name(tensor->dtype));
    put_text(t, "\",\"shape\":[");
    for (int i = 0; i < tensor->rank; i++) {
        put_text(t, i > 0 ? "," : "");
        put_number(t, tensor->shape[i]);
    }
    put_text(t, "],\"data_offsets\":[");
    put_number(t, begin);
    put_text(t, ",");
    put_number(t, begin + tensor->bytes);
    put_text(t, "]}");
}

static void put_header(text *t, const bfn__st_tensor *tensors, size_t n_tensors, const bfn__st_entry *metadata,
                       size_t n_metadata)
{
    size_t begin = 0;
    put_text(t, "{");
    if (n_metadata > 0) {
        put_text(t, "\"__metadata__\":{");
        for (size_t i = 0; i < n_metadata; i++) {
            put_text(t, i > 0 ? "," : "");
            bool checksum = strcmp(metadata[i].key, BFN__ST_CHECKSUM) == 0;
            put_string(t, metadata[i].key);
            put_text(t, ":");
            if (checksum)
                t->checksum = t->n + 1;
            put_string(t, checksum ? BFN__SHA256_BLANK : metadata[i].value);
        }
        put_text(t, n_tensors > 0 ? "}," : "}");
    }
    for (size_t i = 0; i < n_tensors; i++) {
        put_text(t, i > 0 ? "," : "");
        put_tensor(t, &tensors[i], begin);
        begin += tensors[i].bytes;
    }
    put_text(t, "}");
    while ((PREFIX + t->n) % ALIGNMENT != 0)
        put_text(t, " ");
}

/* bytes must be what dtype and shape say, names and metadata UTF-8: else the file could not be read back. */
static bfn_status check_tensor(bfn_context *ctx, const bfn__st_tensor *t)
{
    size_t count, bytes = SIZE_MAX;
    if (t->rank < 0 || t->rank > BFN__ST_MAX_RANK || !bfn__dtype_extent(t->dtype, t->rank, t->shape, &count, &bytes) ||
        bytes != t->bytes)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "tensor \"%s\" has %zu bytes, its shape needs %zu", t->name, t->bytes,
                         bytes);
    return BFN_OK;
}

static bfn_status check_text(bfn_context *ctx, const char *what, const char *s)
{
    size_t n = strlen(s), valid = bfn__utf8_check(s, n);
    if (valid < n)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "%s \"%.40s\" is not valid UTF-8 at byte %zu", what, s, valid);
    return BFN_OK;
}

static bfn_status check_all(bfn_context *ctx, const bfn__st_tensor *tensors, size_t n_tensors,
                            const bfn__st_entry *metadata, size_t n_metadata)
{
    bfn_status status = BFN_OK;
    for (size_t i = 0; i < n_tensors && status == BFN_OK; i++) {
        status = check_text(ctx, "tensor name", tensors[i].name);
        if (status == BFN_OK)
            status = check_tensor(ctx, &tensors[i]);
    }
    for (size_t i = 0; i < n_metadata && status == BFN_OK; i++) {
        status = check_text(ctx, "metadata key", metadata[i].key);
        if (status == BFN_OK && strcmp(metadata[i].key, BFN__ST_CHECKSUM) != 0)
            status = check_text(ctx, metadata[i].key, metadata[i].value);
    }
    return status;
}

typedef bfn_status (*put_numbers)(void *user, size_t i, bfn__sink *sink);

bfn_status bfn__sink_put(bfn__sink *sink, const void *bytes, size_t n)
{
    if (sink->hash != NULL)
        bfn__sha256_add(sink->hash, bytes, n);
    return sink->writer != NULL ? bfn__writer_write(sink->writer, bytes, n) : BFN_OK;
}

static bfn_status put_all(bfn__sink *sink, const text *header, size_t n_tensors, put_numbers numbers, void *user)
{
    uint64_t length = header->n;
    bfn_status status = bfn__sink_put(sink, &length, sizeof length);
    if (status == BFN_OK)
        status = bfn__sink_put(sink, header->out, header->n);
    for (size_t i = 0; i < n_tensors && status == BFN_OK; i++)
        status = numbers(user, i, sink);
    return status;
}

/* Digits over the blanks that were summed up: numbers that are made as they are written are made twice. */
static bfn_status put_checksum(const text *header, size_t n_tensors, put_numbers numbers, void *user)
{
    char digits[BFN__SHA256_HEX];
    bfn__sha256 hash;
    bfn__sink sink = {NULL, &hash};
    if (header->checksum == 0)
        return BFN_OK;
    bfn__sha256_begin(&hash);
    bfn_status status = put_all(&sink, header, n_tensors, numbers, user);
    bfn__sha256_end(&hash, digits);
    memcpy(header->out + header->checksum, digits, sizeof digits - 1);
    return status;
}
static bfn_status write_file(bfn_context *ctx, const char *path, const text *header, size_t n_tensors,
                             put_numbers numbers, void *user)
{
    bfn__writer *w;
    bfn_status status = bfn__writer_open(ctx, &w, path);
    if (status != BFN_OK)
        return status;
    bfn__sink sink = {w, NULL};
    status = put_all(&sink, header, n_tensors, numbers, user);
    if (status == BFN_OK)
        return bfn__writer_commit(w);
    bfn__writer_abort(w);
    return status;
}

bfn_status bfn__safetensors_save_from(bfn_context *ctx, const char *path, const bfn__st_tensor *tensors,
                                      size_t n_tensors, const bfn__st_entry *metadata, size_t n_metadata,
                                      put_numbers numbers, void *user)
{
    bfn_status status = check_all(ctx, tensors, n_tensors, metadata, n_metadata);
    if (status != BFN_OK)
        return status;
    text header = {0};
    put_header(&header, tensors, n_tensors, metadata, n_metadata);
    if (header.n > bfn__limit(ctx, BFN__CAP_ST_HEADER_BYTES))
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "%s: its header would have %zu bytes, at most %zu are allowed", path,
                         header.n, bfn__limit(ctx, BFN__CAP_ST_HEADER_BYTES));
    header.out = bfn__calloc(ctx, header.n, 1);
    if (header.out == NULL)
        return BFN_ERR_MEMORY;
    header.n = 0;
    put_header(&header, tensors, n_tensors, metadata, n_metadata);
    status = put_checksum(&header, n_tensors, numbers, user);
    if (status == BFN_OK)
        status = write_file(ctx, path, &header, n_tensors, numbers, user);
    bfn__free(ctx, header.out);
    return status;
}

static bfn_status put_data(void *user, size_t i, bfn__sink *sink)
{
    const bfn__st_tensor *tensors = user;
    return bfn__sink_put(sink, tensors[i].data, tensors[i].bytes);
}

bfn_status bfn__safetensors_save(bfn_context *ctx, const char *path, const bfn__st_tensor *tensors, size_t n_tensors,
                                 const bfn__st_entry *metadata, size_t n_metadata)
{
    return bfn__safetensors_save_from(ctx, path, tensors, n_tensors, metadata, n_metadata, put_data,
                                      (bfn__st_tensor *)tensors);
}
