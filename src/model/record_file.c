/* record_file.c: records in files (bfn/record.h): as JSON, in the text entries of a PNG, in a member of an .npz.
 *
 * Files come from outside: a record is an object of texts under keys of letters, digits and '_', and nothing else.
 */
#include "bfn/record.h"

#include "io/file.h"
#include "io/limits.h"
#include "io/npz.h"
#include "io/png.h"
#include "model/model_internal.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

enum { PREFIX = 4, MAX_JSON_BYTES = 1 << 24 }; /* "bfn." */

bfn_status bfn_record_json(const bfn_record *record, char **text)
{
    json_t *object = json_object();
    for (size_t i = 0; i < bfn_record_n(record); i++)
        json_object_set_new(object, bfn_record_key(record, i), json_string(bfn_record_value(record, i)));
    *text = json_dumps(object, JSON_INDENT(1) | JSON_PRESERVE_ORDER);
    bool whole = json_object_size(object) == bfn_record_n(record); /* a value that is no UTF-8 is not taken */
    json_decref(object);
    if (*text != NULL && whole)
        return BFN_OK;
    free(*text);
    *text = NULL;
    return whole ? BFN_ERR_MEMORY : BFN_ERR_ARGUMENT;
}

void bfn_record_free_text(const bfn_record *record, char *text)
{
    (void)record;
    free(text);
}

bfn_status bfn_record_save(bfn_context *ctx, const bfn_record *record, const char *path)
{
    char *text;
    bfn__writer *w;
    bfn_status status = bfn_record_json(record, &text);
    if (status != BFN_OK)
        return bfn__fail(ctx, status, "%s: the record cannot be written as JSON", path);
    status = bfn__writer_open(ctx, &w, path);
    if (status == BFN_OK) {
        status = bfn__writer_write(w, text, strlen(text));
        if (status == BFN_OK)
            status = bfn__writer_write(w, "\n", 1);
        if (status == BFN_OK)
            status = bfn__writer_commit(w);
        else
            bfn__writer_abort(w);
    }
    free(text);
    return status;
}

/* ---- reading ---- */

/* What is wrong with it is the file's fault. */
static bfn_status add_entry(bfn_context *ctx, bfn_record *record, const char *key, const char *value, const char *label)
{
    bfn_status status = bfn_record_set(record, key, value);
    return status == BFN_ERR_ARGUMENT ? bfn__fail_prefix(ctx, BFN_ERR_INPUT, label) : status;
}

bfn_status bfn__record_parse_json(bfn_context *ctx, bfn_record *record, const char *bytes, size_t n, const char *label)
{
    json_error_t error;
    const char *key;
    json_t *value, *object = json_loadb(bytes, n, JSON_REJECT_DUPLICATES, &error);
    bfn_status status = BFN_OK;
    if (object == NULL)
        return bfn__fail(ctx, BFN_ERR_INPUT, "%s: is no JSON: %s", label, error.text);
    if (!json_is_object(object) || json_object_size(object) == 0)
        status = bfn__fail(ctx, BFN_ERR_INPUT, "%s: is no record: needs a JSON object of texts", label);
    json_object_foreach(object, key, value)
    {
        if (status == BFN_OK && !json_is_string(value))
            status = bfn__fail(ctx, BFN_ERR_INPUT, "%s: \"%.80s\": needs a text", label, key);
        if (status == BFN_OK)
            status = add_entry(ctx, record, key, json_string_value(value), label);
    }
    json_decref(object);
    return status;
}

/* The first entry of a key counts. */
static bfn_status add_png_entry(bfn_context *ctx, bfn_record *record, const bfn__png_chunk *chunk, const char *label)
{
    char key[80];
    size_t n = 0, n_value;
    while (n < chunk->n && n < sizeof key - 1 && chunk->data[n] != '\0')
        n++;
    if (n <= PREFIX || memcmp(chunk->data, "bfn.", PREFIX) != 0)
        return BFN_OK;
    memcpy(key, chunk->data, n);
    key[n] = '\0';
    const unsigned char *text = bfn__png_chunk_text(chunk, key, &n_value);
    if (text == NULL || bfn_record_get(record, key + PREFIX) != NULL)
        return BFN_OK;
    char *value = bfn__calloc(ctx, n_value + 1, 1);
    if (value == NULL)
        return BFN_ERR_MEMORY;
    memcpy(value, text, n_value);
    bfn_status status = add_entry(ctx, record, key + PREFIX, value, label);
    bfn__free(ctx, value);
    return status;
}

static bfn_status read_png(bfn_context *ctx, bfn_record *record, const void *bytes, size_t n, const char *label)
{
    bfn__png_chunk chunk;
    bfn_status status = BFN_OK;
    for (size_t at = 8; at < n && status == BFN_OK; at = chunk.next) {
        status = bfn__png_next_chunk(ctx, bytes, n, label, at, &chunk);
        if (status == BFN_OK && (strcmp(chunk.type, "tEXt") == 0 || strcmp(chunk.type, "iTXt") == 0))
            status = add_png_entry(ctx, record, &chunk, label);
    }
    return status;
}

static bfn_status read_npz(bfn_context *ctx, bfn_record *record, const void *bytes, size_t n, const char *label)
{
    bfn__npz *npz;
    bfn_status status = bfn__npz_parse(ctx, &npz, bytes, n, 0, label);
    if (status != BFN_OK)
        return status;
    const bfn__st_tensor *member = bfn__npz_find(npz, "provenance");
    if (member != NULL && member->dtype == BFN__DTYPE_U8)
        status = bfn__record_parse_json(ctx, record, member->data, member->bytes, label);
    bfn__npz_close(npz);
    return status;
}

static bfn_status read_beside(bfn_context *ctx, bfn_record *record, const char *path)
{
    size_t n = strlen(path);
    char *beside = bfn__calloc(ctx, n + 6, 1);
    if (beside == NULL)
        return BFN_ERR_MEMORY;
    memcpy(beside, path, n);
    memcpy(beside + n, ".json", 5);
    bfn__bytes file;
    bfn_status status = bfn__file_map(ctx, beside, MAX_JSON_BYTES, &file);
    if (status == BFN_OK) {
        status = bfn__record_parse_json(ctx, record, file.size > 0 ? file.data : "", file.size, beside);
        bfn__file_unmap(ctx, &file);
    }
    bfn__free(ctx, beside);
    return status;
}

bfn_status bfn__record_parse(bfn_context *ctx, bfn_record *record, const void *bytes, size_t n, const char *label,
                             bool *inside)
{
    bool png = n > 8 && bfn__is_png(bytes, n), npz = n > 4 && memcmp(bytes, "PK\3\4", 4) == 0;
    *inside = png || npz;
    return png ? read_png(ctx, record, bytes, n, label) : npz ? read_npz(ctx, record, bytes, n, label) : BFN_OK;
}

static bfn_status read_any(bfn_context *ctx, bfn_record *record, const char *path)
{
    bool inside;
    bfn__bytes file;
    bfn_status status = bfn__file_map(ctx, path, bfn__limit(ctx, BFN__CAP_NPZ_BYTES), &file);
    if (status != BFN_OK)
        return status;
    status = bfn__record_parse(ctx, record, file.data, file.size, path, &inside);
    if (status == BFN_OK && !inside)
        status = read_beside(ctx, record, path);
    bfn__file_unmap(ctx, &file);
    if (status == BFN_OK && bfn_record_n(record) == 0)
        status = bfn__fail(ctx, BFN_ERR_INPUT, "%s: holds no record of what made it", path);
    return status;
}

bfn_status bfn_record_load(bfn_context *ctx, bfn_record **out, const char *path)
{
    bfn_status status = bfn_record_create(ctx, out);
    if (status == BFN_OK)
        status = read_any(ctx, *out, path);
    if (status != BFN_OK) {
        bfn_record_destroy(*out);
        *out = NULL;
    }
    return status;
}

bfn_status bfn_record_find(bfn_context *ctx, bfn_record **out, const char *path)
{
    bfn_status status = bfn_record_load(ctx, out, path);
    return status == BFN_ERR_INPUT || status == BFN_ERR_NOT_FOUND ? BFN_OK : status;
}
