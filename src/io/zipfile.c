/* zipfile.c: reading zip files in memory through libzip.
 *
 * libzip opens the bytes with its consistency checks (local against central headers, no name twice); sizes are compared with what the
 * compressed bytes can hold (deflate packs at most 1032 bytes into one) before memory is taken, and reading to the end checks the CRC.
 * The one number that libzip would allocate by before it looks, the count of a zip64 directory, is looked at before.
 * libzip reads through a source of our own that remembers where it last read: the content of a stored entry can then be used
 * where it lies, without a copy of what may be most of the memory.
 */
#include "io/zipfile.h"

#include <string.h>
#include <zip.h>

enum { DEFLATE_RATIO = 1040, COPY_BYTES = 1 << 16 };
enum { END_BYTES = 22, LOCATOR_BYTES = 20, END64_BYTES = 56, MAX_COMMENT = 65535 };

struct bfn__zip {
    bfn_context *ctx;
    const char *label;
    zip_t *zip;
    const unsigned char *bytes;
    size_t n, at, last; /* where the source is, and where its last reading began */
    zip_error_t error;
};

static bfn_status fail_zip(const bfn__zip *z, const char *what, zip_error_t *error)
{
    bool memory = zip_error_code_zip(error) == ZIP_ER_MEMORY;
    return bfn__fail(z->ctx, memory ? BFN_ERR_MEMORY : BFN_ERR_INPUT, "%s: %.80s: %s", z->label, what,
                     zip_error_strerror(error));
}

/* ---- the source ---- */

static zip_int64_t read_source(bfn__zip *z, void *data, zip_uint64_t length)
{
    size_t n = z->n - z->at;
    if (length < n)
        n = (size_t)length;
    if (n > 0)
        memcpy(data, z->bytes + z->at, n);
    z->last = z->at;
    z->at += n;
    return (zip_int64_t)n;
}

static zip_int64_t seek_source(bfn__zip *z, void *data, zip_uint64_t length)
{
    zip_int64_t to = zip_source_seek_compute_offset(z->at, z->n, data, length, &z->error);
    if (to < 0)
        return -1;
    z->at = (size_t)to;
    return 0;
}

static zip_int64_t stat_source(const bfn__zip *z, void *data)
{
    zip_stat_t *s = data;
    zip_stat_init(s);
    s->valid = ZIP_STAT_SIZE;
    s->size = z->n;
    return sizeof *s;
}

static zip_int64_t source(void *user, void *data, zip_uint64_t length, zip_source_cmd_t command)
{
    bfn__zip *z = user;
    switch (command) {
    case ZIP_SOURCE_OPEN:
        z->at = 0;
        return 0;
    case ZIP_SOURCE_READ:
        return read_source(z, data, length);
    case ZIP_SOURCE_SEEK:
        return seek_source(z, data, length);
    case ZIP_SOURCE_TELL:
        return (zip_int64_t)z->at;
    case ZIP_SOURCE_STAT:
        return stat_source(z, data);
    case ZIP_SOURCE_ERROR:
        return zip_error_to_data(&z->error, data, length);
    case ZIP_SOURCE_SUPPORTS:
        return zip_source_make_command_bitmap(ZIP_SOURCE_OPEN, ZIP_SOURCE_READ, ZIP_SOURCE_CLOSE, ZIP_SOURCE_STAT,
                                              ZIP_SOURCE_ERROR, ZIP_SOURCE_FREE, ZIP_SOURCE_SEEK, ZIP_SOURCE_TELL,
                                              ZIP_SOURCE_SUPPORTS, -1);
    case ZIP_SOURCE_CLOSE:
    case ZIP_SOURCE_FREE:
        return 0;
    default:
        zip_error_set(&z->error, ZIP_ER_OPNOTSUPP, 0);
        return -1;
    }
}

/* ---- opening ---- */

static uint64_t little_endian(const unsigned char *b, int n)
{
    uint64_t number = 0;
    for (int i = n - 1; i >= 0; i--)
        number = number << 8 | b[i];
    return number;
}

/* Wherever libzip may find the end of the directory: a zip64 record there must not claim too many entries. */
static bfn_status check_claims(bfn_context *ctx, const unsigned char *b, size_t n, size_t max_entries,
                               const char *label)
{
    size_t first = n > MAX_COMMENT + END_BYTES ? n - MAX_COMMENT - END_BYTES : 0;
    for (size_t at = first; n >= END_BYTES && at <= n - END_BYTES; at++) {
        if (b[at] != 'P' || memcmp(b + at, "PK\5\6", 4) != 0 || at < LOCATOR_BYTES ||
            memcmp(b + at - LOCATOR_BYTES, "PK\6\7", 4) != 0)
            continue;
        uint64_t end64 = little_endian(b + at - LOCATOR_BYTES + 8, 8);
        if (end64 > n || n - end64 < END64_BYTES)
            continue; /* libzip refuses it */
        uint64_t here = little_endian(b + end64 + 24, 8), entries = little_endian(b + end64 + 32, 8);
        entries = here > entries ? here : entries;
        if (entries > max_entries)
            return bfn__fail(ctx, BFN_ERR_INPUT, "%s: claims %llu files inside, at most %zu are allowed", label,
                             (unsigned long long)entries, max_entries);
    }
    return BFN_OK;
}

static bfn_status open_zip(bfn__zip *z, size_t max_entries)
{
    zip_error_t error;
    zip_error_init(&error);
    zip_source_t *from = zip_source_function_create(source, z, &error);
    z->zip = from != NULL ? zip_open_from_source(from, ZIP_RDONLY | ZIP_CHECKCONS, &error) : NULL;
    bfn_status status = BFN_OK;
    if (z->zip == NULL) {
        zip_source_free(from);
        status = fail_zip(z, "is not a whole zip file", &error);
    }
    zip_error_fini(&error);
    if (status != BFN_OK)
        return status;
    zip_int64_t n = zip_get_num_entries(z->zip, 0);
    if (n < 1 || (zip_uint64_t)n > max_entries)
        return bfn__fail(z->ctx, BFN_ERR_INPUT, "%s: %lld files inside, allowed: 1 to %zu", z->label, (long long)n,
                         max_entries);
    return BFN_OK;
}

bfn_status bfn__zip_open(bfn_context *ctx, bfn__zip **out, const void *bytes, size_t n, size_t max_entries,
                         const char *label)
{
    *out = NULL;
    bfn_status status = check_claims(ctx, bytes, n, max_entries, label);
    if (status != BFN_OK)
        return status;
    bfn__zip *z = bfn__calloc(ctx, 1, sizeof *z);
    if (z == NULL)
        return BFN_ERR_MEMORY;
    *z = (bfn__zip){.ctx = ctx, .label = label, .bytes = bytes, .n = n};
    zip_error_init(&z->error);
    status = open_zip(z, max_entries);
    if (status != BFN_OK) {
        bfn__zip_close(z);
        return status;
    }
    *out = z;
    return BFN_OK;
}

void bfn__zip_close(bfn__zip *zip)
{
    if (zip == NULL)
        return;
    if (zip->zip != NULL)
        zip_discard(zip->zip);
    zip_error_fini(&zip->error);
    bfn__free(zip->ctx, zip);
}

/* ---- entries ---- */

size_t bfn__zip_n(const bfn__zip *zip)
{
    return (size_t)zip_get_num_entries(zip->zip, 0);
}

bool bfn__zip_find(bfn__zip *zip, const char *name, size_t *i)
{
    zip_int64_t index = zip_name_locate(zip->zip, name, ZIP_FL_ENC_RAW);
    *i = index < 0 ? 0 : (size_t)index;
    return index >= 0;
}

bfn_status bfn__zip_entry_at(bfn__zip *zip, size_t i, bfn__zip_entry *entry)
{
    const zip_uint64_t needed = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;
    zip_stat_t s;
    zip_stat_init(&s);
    if (zip_stat_index(zip->zip, i, ZIP_FL_ENC_RAW, &s) != 0)
        return fail_zip(zip, "zip", zip_get_error(zip->zip));
    if ((s.valid & needed) != needed)
        return bfn__fail(zip->ctx, BFN_ERR_INPUT, "%s: a file inside has no name, size or method", zip->label);
    if ((s.valid & ZIP_STAT_ENCRYPTION_METHOD) != 0 && s.encryption_method != ZIP_EM_NONE)
        return bfn__fail(zip->ctx, BFN_ERR_INPUT, "%s: \"%.80s\" is encrypted", zip->label, s.name);
    if (s.comp_method != ZIP_CM_STORE && s.comp_method != ZIP_CM_DEFLATE)
        return bfn__fail(zip->ctx, BFN_ERR_INPUT,
                         "%s: \"%.80s\" is compressed by method %d, allowed: 0 (stored), 8 (deflate)", zip->label,
                         s.name, (int)s.comp_method);
    bool stored = s.comp_method == ZIP_CM_STORE;
    if (s.size / (stored ? 1 : DEFLATE_RATIO) > s.comp_size || s.comp_size > zip->n ||
        (stored && s.size != s.comp_size))
        return bfn__fail(zip->ctx, BFN_ERR_INPUT,
                         "%s: \"%.80s\" has %llu bytes, which its %llu compressed ones cannot hold", zip->label, s.name,
                         (unsigned long long)s.size, (unsigned long long)s.comp_size);
    *entry = (bfn__zip_entry){.name = s.name, .index = i, .size = (size_t)s.size, .stored = stored};
    return BFN_OK;
}

/* Where the content of an open entry goes: out, or nowhere (NULL): then *place is where it came from. */
static bfn_status drain(bfn__zip *z, const bfn__zip_entry *e, zip_file_t *file, char *out, size_t *place)
{
    char scratch[COPY_BYTES];
    size_t done = 0;
    zip_int64_t got = 0;
    while (done < e->size) {
        size_t n = e->size - done;
        char *to = out != NULL ? out + done : scratch;
        if (out == NULL && n > sizeof scratch)
            n = sizeof scratch;
        got = zip_fread(file, to, n);
        if (got <= 0)
            break;
        if (done == 0)
            *place = z->last;
        done += (size_t)got;
    }
    if (got >= 0 && done == e->size) /* one more makes libzip compare the checksum */
        got = zip_fread(file, scratch, 1);
    if (got < 0)
        return fail_zip(z, e->name, zip_file_get_error(file));
    if (done != e->size || got > 0)
        return bfn__fail(z->ctx, BFN_ERR_INPUT, "%s: \"%.80s\" has %s bytes than the %zu its header says", z->label,
                         e->name, got > 0 ? "more" : "fewer", e->size);
    return BFN_OK;
}

static bfn_status read_entry(bfn__zip *z, const bfn__zip_entry *e, void *out, size_t *place)
{
    zip_file_t *file = zip_fopen_index(z->zip, e->index, 0);
    if (file == NULL)
        return fail_zip(z, e->name, zip_get_error(z->zip));
    bfn_status status = drain(z, e, file, out, place);
    (void)zip_fclose(file);
    return status;
}

bfn_status bfn__zip_read(bfn__zip *zip, const bfn__zip_entry *entry, void *out)
{
    size_t place;
    return read_entry(zip, entry, out, &place);
}

bfn_status bfn__zip_place(bfn__zip *zip, const bfn__zip_entry *entry, const void **data)
{
    size_t place = 0;
    *data = zip->bytes;
    if (entry->size == 0)
        return BFN_OK;
    bfn_status status = read_entry(zip, entry, NULL, &place);
    if (status == BFN_OK && (!entry->stored || place > zip->n || entry->size > zip->n - place))
        status =
            bfn__fail(zip->ctx, BFN_ERR_INTERNAL, "%s: \"%.80s\" has no place in the file", zip->label, entry->name);
    *data = zip->bytes + place;
    return status;
}
