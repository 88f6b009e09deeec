/* torch.c: PyTorch's .pt state dicts: a zip file whose entries share a folder:
 *
 *   NAME/data.pkl     the dict, with tensors as views (offset, sizes, strides) of numbered storages     (pickle.c)
 *   NAME/data/KEY     the numbers of storage KEY, raw; torch.save stores them uncompressed
 *   NAME/byteorder    "little" or "big", in newer files; others (version, ...) say nothing about tensors
 *
 * Files from before PyTorch 1.6 are pickles in a row instead (torch_legacy.c). Numbers stay where they lie in the file; memory is taken for
 * what is compressed or not aligned, and for tensors that are not contiguous, which are copied into row-major order. The content decides, not names: nothing is written by a name from the file.
 */
#include "io/torch.h"

#include "io/limits.h"
#include "io/pickle.h"
#include "io/safetensors_set.h"
#include "io/torch_legacy.h"
#include "io/zipfile.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

enum { MAX_ENTRY_NAME = 1024 };
static const char description[] = "/data.pkl";

/* The storage's numbers once they have been looked for. */
typedef struct storage {
    const void *data; /* NULL: not yet */
    size_t bytes;
} storage;

typedef struct loader {
    bfn_context *ctx;
    const char *label;
    bfn__zip *zip;
    size_t root; /* bytes of the folder's name in `name` */
    char name[MAX_ENTRY_NAME];
    size_t room; /* bytes that may still be unpacked */
    bfn__pickle *pickle;
    storage *storages;         /* one an entry of the zip, or a storage of the old format */
    bfn__torch_legacy *legacy; /* of a file without zip; NULL */
    bfn__safetensors *st;
    size_t block_room;
} loader;

/* PROTO, and then what a number, a dict, a list, a frame or a name begins with. */
static bool is_pickle(const unsigned char *b)
{
    return b[0] == 0x80 && b[1] >= 2 && b[1] <= 5 && b[2] != 0 && strchr("\x8a}](c\x95", b[2]) != NULL;
}

bool bfn__is_torch(const void *bytes, size_t n)
{
    const unsigned char *b = bytes;
    if (n < 4)
        return false;
    /* A safetensors file begins with the length of its header: PK\3\4 would be one of 67 MB, followed by zeros and a '{'. */
    bool zip = b[0] == 'P' && b[1] == 'K' && ((b[2] == 3 && b[3] == 4) || (b[2] == 5 && b[3] == 6));
    bool header = n > 8 && b[4] == 0 && b[5] == 0 && b[6] == 0 && b[7] == 0 && b[8] == '{';
    return (zip && !header) || is_pickle(b);
}

static bfn_status fail(const loader *l, const char *what)
{
    return bfn__fail(l->ctx, BFN_ERR_INPUT, "%s: %s", l->label, what);
}

/* ---- entries ---- */

/* Memory of the handle. */
static bfn_status take_block(loader *l, size_t bytes, void **block)
{
    bfn__safetensors *st = l->st;
    if (bytes > l->room)
        return bfn__fail(l->ctx, BFN_ERR_INPUT, "%s: unpacks to more than %zu bytes, the most that is allowed",
                         l->label, bfn__limit(l->ctx, BFN__CAP_TORCH_BYTES));
    if (st->n_blocks == l->block_room) {
        size_t room = 2 * l->block_room + 16;
        void **more = bfn__calloc(l->ctx, room, sizeof *more);
        if (more == NULL)
            return BFN_ERR_MEMORY;
        if (st->n_blocks > 0)
            memcpy(more, st->blocks, st->n_blocks * sizeof *more);
        bfn__free(l->ctx, st->blocks);
        st->blocks = more;
        l->block_room = room;
    }
    *block = bfn__calloc(l->ctx, bytes, 1);
    if (*block == NULL)
        return BFN_ERR_MEMORY;
    st->blocks[st->n_blocks++] = *block;
    l->room -= bytes;
    return BFN_OK;
}

static bfn_status read_content(loader *l, const bfn__zip_entry *e, const void **data)
{
    void *block = NULL;
    if (e->stored)
        return bfn__zip_place(l->zip, e, data);
    bfn_status status = take_block(l, e->size, &block);
    *data = block;
    return status == BFN_OK ? bfn__zip_read(l->zip, e, block) : status;
}

/* Nothing is written by these names, but an honest file has none of this. */
static bool is_odd(const char *name)
{
    for (const char *part = name; part != NULL;) {
        size_t n = strcspn(part, "/");
        if ((n == 2 && strncmp(part, "..", 2) == 0) || (n == 0 && part == name))
            return true;
        part = part[n] == '/' ? part + n + 1 : NULL;
    }
    return strchr(name, '\\') != NULL;
}

/* The folder that data.pkl is in. */
static bfn_status find_root(loader *l)
{
    size_t n_end = strlen(description), found = 0;
    for (size_t i = 0; i < bfn__zip_n(l->zip); i++) {
        bfn__zip_entry e;
        bfn_status status = bfn__zip_entry_at(l->zip, i, &e);
        if (status != BFN_OK)
            return status;
        size_t n = strlen(e.name);
        if (is_odd(e.name))
            return bfn__fail(l->ctx, BFN_ERR_INPUT, "%s: the name \"%.80s\" inside leaves its folder", l->label,
                             e.name);
        if (n <= n_end || n >= sizeof l->name || strcmp(e.name + n - n_end, description) != 0)
            continue;
        if (found++ > 0)
            return fail(l, "has more than one data.pkl");
        l->root = n - n_end;
        memcpy(l->name, e.name, l->root);
    }
    return found == 1 ? BFN_OK : fail(l, "is a zip file without data.pkl, so no PyTorch checkpoint");
}

/* The entry ROOT/name; false: there is none. */
static bool find_entry(loader *l, const char *folder, const char *name, size_t *index)
{
    size_t room = sizeof l->name - l->root;
    int n = snprintf(l->name + l->root, room, "/%s%s", folder, name);
    return n > 0 && (size_t)n < room && bfn__zip_find(l->zip, l->name, index);
}

static bfn_status check_byte_order(loader *l)
{
    bfn__zip_entry e;
    const void *data;
    size_t index;
    if (!find_entry(l, "", "byteorder", &index))
        return BFN_OK;
    bfn_status status = bfn__zip_entry_at(l->zip, index, &e);
    if (status != BFN_OK)
        return status;
    if (e.size > 16)
        return fail(l, "its byteorder is neither little nor big");
    status = read_content(l, &e, &data);
    if (status == BFN_OK && (e.size != 6 || memcmp(data, "little", 6) != 0))
        return fail(l, "its numbers are big-endian, which is not read");
    return status;
}

static bfn_status read_description(loader *l)
{
    bfn__zip_entry e;
    const void *data;
    size_t index;
    if (!find_entry(l, "", description + 1, &index))
        return fail(l, "has no data.pkl");
    bfn_status status = bfn__zip_entry_at(l->zip, index, &e);
    if (status != BFN_OK)
        return status;
    if (e.size > bfn__limit(l->ctx, BFN__CAP_PICKLE_BYTES))
        return bfn__fail(l->ctx, BFN_ERR_INPUT, "%s: data.pkl has %zu bytes, at most %zu are allowed", l->label, e.size,
                         bfn__limit(l->ctx, BFN__CAP_PICKLE_BYTES));
    status = read_content(l, &e, &data);
    return status == BFN_OK ? bfn__pickle_parse(l->ctx, &l->pickle, data, e.size, l->label) : status;
}

/* ---- tensors ---- */

/* Copied once, for all tensors that look at it, unless it happens to be aligned. */
static bfn_status find_legacy_storage(loader *l, const bfn__pickle_tensor *t, const char **data)
{
    size_t index, size = bfn__dtype_size(t->dtype), bytes = t->storage_count * size; /* they are in the file */
    const char *there = bfn__torch_legacy_find(l->legacy, t->storage, &index);
    void *block = NULL;
    if (there == NULL)
        return bfn__fail(l->ctx, BFN_ERR_INPUT, "%s: \"%s\": its storage %s is missing", l->label, t->name, t->storage);
    if (l->storages[index].data == NULL && (uintptr_t)there % size != 0) {
        bfn_status status = take_block(l, bytes, &block);
        if (status != BFN_OK)
            return status;
        memcpy(block, there, bytes);
    }
    if (l->storages[index].data == NULL)
        l->storages[index] = (storage){block != NULL ? block : there, bytes};
    *data = l->storages[index].data;
    return BFN_OK;
}

static bfn_status find_storage(loader *l, const bfn__pickle_tensor *t, const char **data)
{
    bfn__zip_entry e;
    size_t index, bytes;
    if (l->legacy != NULL)
        return find_legacy_storage(l, t, data);
    if (!find_entry(l, "data/", t->storage, &index))
        return bfn__fail(l->ctx, BFN_ERR_INPUT, "%s: \"%s\": its storage data/%s is missing", l->label, t->name,
                         t->storage);
    bfn_status status = bfn__zip_entry_at(l->zip, index, &e);
    if (status != BFN_OK)
        return status;
    if (!bfn__size_mul(t->storage_count, bfn__dtype_size(t->dtype), &bytes) || bytes != e.size)
        return bfn__fail(l->ctx, BFN_ERR_INPUT,
                         "%s: \"%s\": its storage data/%s has %zu bytes, %zu numbers of %s need %zu", l->label, t->name,
                         t->storage, e.size, t->storage_count, bfn__dtype_name(t->dtype), bytes);
    if (l->storages[index].data == NULL) {
        const void *content = NULL;
        status = read_content(l, &e, &content);
        if (status != BFN_OK)
            return status;
        l->storages[index] = (storage){content, e.size};
    }
    *data = l->storages[index].data;
    return status;
}

static bool is_contiguous(const bfn__pickle_tensor *t)
{
    size_t step = 1;
    for (int i = t->rank - 1; i >= 0; i--) {
        if (t->shape[i] != 1 && t->stride[i] != step)
            return false;
        step *= t->shape[i]; /* at most the count, which fits */
    }
    return true;
}

/* Numbers in row-major order, wherever their strides scatter them. */
static void gather(const bfn__pickle_tensor *t, const char *data, char *out)
{
    size_t size = bfn__dtype_size(t->dtype), index[BFN__ST_MAX_RANK] = {0}, at = t->offset;
    for (size_t i = 0; i < t->count; i++) {
        memcpy(out + i * size, data + at * size, size);
        for (int d = t->rank - 1; d >= 0; d--) {
            at += t->stride[d];
            if (++index[d] < t->shape[d])
                break;
            at -= t->stride[d] * t->shape[d];
            index[d] = 0;
        }
    }
}

static bfn_status load_tensor(loader *l, const bfn__pickle_tensor *from, const char *name)
{
    const char *data = "";
    void *block = NULL;
    bfn__st_tensor t = {.name = name, .dtype = from->dtype, .rank = from->rank, .count = from->count};
    memcpy(t.shape, from->shape, sizeof t.shape);
    t.bytes = t.count * bfn__dtype_size(t.dtype); /* lies inside the storage */
    t.data = data;
    bfn_status status = t.count > 0 ? find_storage(l, from, &data) : BFN_OK;
    if (status == BFN_OK && t.count > 0 && is_contiguous(from))
        t.data = data + from->offset * bfn__dtype_size(t.dtype);
    else if (status == BFN_OK && t.count > 0) {
        status = take_block(l, t.bytes, &block);
        if (status == BFN_OK)
            gather(from, data, block);
        t.data = block;
    }
    if (status == BFN_OK)
        l->st->tensors[l->st->n_tensors++] = t;
    return status;
}

/* Names move into one block: the pickle goes. */
static bfn_status copy_names(loader *l)
{
    size_t bytes = 1;
    for (size_t i = 0; i < bfn__pickle_n_tensors(l->pickle); i++)
        bytes += strlen(bfn__pickle_tensor_at(l->pickle, i)->name) + 1;
    l->st->header = bfn__calloc(l->ctx, bytes, 1);
    return l->st->header != NULL ? BFN_OK : BFN_ERR_MEMORY;
}

static bfn_status load_tensors(loader *l)
{
    size_t n = bfn__pickle_n_tensors(l->pickle);
    if (n == 0)
        return fail(l, "has no tensors");
    l->storages = bfn__calloc(l->ctx, l->zip != NULL ? bfn__zip_n(l->zip) : bfn__pickle_n_storages(l->pickle) + 1,
                              sizeof *l->storages);
    l->st->tensors = l->storages != NULL ? bfn__calloc(l->ctx, n, sizeof *l->st->tensors) : NULL;
    bfn_status status = l->st->tensors != NULL ? copy_names(l) : BFN_ERR_MEMORY;
    char *name = l->st->header;
    for (size_t i = 0; i < n && status == BFN_OK; i++) {
        const bfn__pickle_tensor *t = bfn__pickle_tensor_at(l->pickle, i);
        size_t length = strlen(t->name) + 1;
        memcpy(name, t->name, length);
        status = load_tensor(l, t, name);
        name += length;
    }
    return status == BFN_OK ? bfn__st_index(l->st, l->label) : status;
}

static bfn_status load(loader *l, const void *bytes, size_t n)
{
    if (bfn__is_torch_legacy(bytes, n)) {
        bfn_status old = bfn__torch_legacy_open(l->ctx, &l->legacy, &l->pickle, bytes, n, l->label);
        return old == BFN_OK ? load_tensors(l) : old;
    }
    bfn_status status = bfn__zip_open(l->ctx, &l->zip, bytes, n, bfn__limit(l->ctx, BFN__CAP_TORCH_ENTRIES), l->label);
    if (status == BFN_OK)
        status = find_root(l);
    if (status == BFN_OK)
        status = check_byte_order(l);
    if (status == BFN_OK)
        status = read_description(l);
    return status == BFN_OK ? load_tensors(l) : status;
}

bfn_status bfn__torch_parse(bfn_context *ctx, bfn__safetensors **out, const void *bytes, size_t n, const char *label)
{
    loader l = {.ctx = ctx, .label = label, .room = bfn__limit(ctx, BFN__CAP_TORCH_BYTES)};
    *out = NULL;
    if (n > 0 && *(const unsigned char *)bytes == 0x80 && !bfn__is_torch_legacy(bytes, n))
        return fail(&l, "is a bare pickle, no file of torch.save");
    l.st = bfn__calloc(ctx, 1, sizeof *l.st);
    if (l.st == NULL)
        return BFN_ERR_MEMORY;
    l.st->ctx = ctx;
    bfn_status status = load(&l, bytes, n);
    bfn__zip_close(l.zip);
    bfn__torch_legacy_close(l.legacy);
    bfn__pickle_destroy(l.pickle);
    bfn__free(ctx, l.storages);
    if (status != BFN_OK) {
        bfn__safetensors_close(l.st);
        return status;
    }
    *out = l.st;
    return BFN_OK;
}
