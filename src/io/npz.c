/* npz.c: NumPy's .npz through libzip: one .npy file an array, stored or deflated.
 *
 * Writing: the zip file grows in memory (header and data of each array are handed over without a copy, all dated 1980-01-01, the
 * format's first day) and is then written as every other file, atomically.
 * Reading: zipfile.c opens the zip and checks its headers; the caps on names, entries and content are here.
 */
#include "io/npz.h"

#include "io/file.h"
#include "io/limits.h"
#include "io/zipfile.h"

#include <string.h>
#include <zip.h>

enum { MAX_NAME = 255, COPY_BYTES = 1 << 16, FIRST_DAY = 1 << 5 | 1 };

static bfn_status fail_zip(bfn_context *ctx, bfn_status status, const char *label, const char *what, zip_error_t *error)
{
    if (zip_error_code_zip(error) == ZIP_ER_MEMORY)
        status = BFN_ERR_MEMORY;
    return bfn__fail(ctx, status, "%s: %s: %s", label, what, zip_error_strerror(error));
}

/* ---- writing ---- */

typedef struct packer {
    bfn_context *ctx;
    const char *path;
    zip_source_t *target; /* the file in memory */
    zip_t *zip;
    char (*headers)[BFN__NPY_HEADER_MAX]; /* [n]: libzip reads them when it closes */
    bool deflate;
} packer;

static bool is_name(const char *name)
{
    size_t n = strlen(name);
    if (n == 0 || n > MAX_NAME)
        return false;
    for (size_t i = 0; i < n; i++)
        if (name[i] < ' ' || name[i] > '~' || strchr("/\\:", name[i]) != NULL)
            return false;
    return true;
}

static bfn_status add_array(packer *p, size_t i, const bfn__st_tensor *t)
{
    char name[MAX_NAME + 5];
    size_t n_header, n_data, n = strlen(t->name);
    bfn_status status =
        bfn__npy_header(p->ctx, p->path, t->dtype, t->rank, t->shape, p->headers[i], &n_header, &n_data);
    if (status != BFN_OK)
        return status;
    memcpy(name, t->name, n);
    memcpy(name + n, ".npy", 5);
    zip_buffer_fragment_t parts[2] = {{(zip_uint8_t *)p->headers[i], n_header}, {(zip_uint8_t *)t->data, n_data}};
    zip_source_t *source = zip_source_buffer_fragment(p->zip, parts, n_data > 0 ? 2 : 1, 0);
    zip_int64_t index = source != NULL ? zip_file_add(p->zip, name, source, ZIP_FL_ENC_UTF_8) : -1;
    if (index < 0) {
        zip_source_free(source); /* NULL is fine */
        return fail_zip(p->ctx, BFN_ERR_ARGUMENT, p->path, t->name, zip_get_error(p->zip));
    }
    if (zip_set_file_compression(p->zip, (zip_uint64_t)index, p->deflate ? ZIP_CM_DEFLATE : ZIP_CM_STORE, 0) != 0 ||
        zip_file_set_dostime(p->zip, (zip_uint64_t)index, 0, FIRST_DAY, 0) != 0)
        return fail_zip(p->ctx, BFN_ERR_INTERNAL, p->path, t->name, zip_get_error(p->zip));
    return BFN_OK;
}

static bfn_status begin(packer *p)
{
    zip_error_t error;
    zip_error_init(&error);
    bfn_status status = BFN_OK;
    p->target = zip_source_buffer_create(NULL, 0, 0, &error);
    if (p->target != NULL) {
        zip_source_keep(p->target); /* one reference is the archive's */
        p->zip = zip_open_from_source(p->target, ZIP_CREATE | ZIP_TRUNCATE, &error);
        if (p->zip == NULL)
            zip_source_free(p->target);
    }
    if (p->zip == NULL)
        status = fail_zip(p->ctx, BFN_ERR_INTERNAL, p->path, "zip", &error);
    zip_error_fini(&error);
    return status;
}

/* The finished bytes to the file. */
static bfn_status copy_out(packer *p, bfn__writer *w)
{
    char block[COPY_BYTES];
    if (zip_source_open(p->target) != 0)
        return fail_zip(p->ctx, BFN_ERR_INTERNAL, p->path, "zip", zip_source_error(p->target));
    bfn_status status = BFN_OK;
    zip_int64_t n = 0;
    while (status == BFN_OK && (n = zip_source_read(p->target, block, sizeof block)) > 0)
        status = bfn__writer_write(w, block, (size_t)n);
    if (status == BFN_OK && n < 0)
        status = fail_zip(p->ctx, BFN_ERR_INTERNAL, p->path, "zip", zip_source_error(p->target));
    (void)zip_source_close(p->target);
    return status;
}

static bfn_status write_out(packer *p)
{
    if (zip_close(p->zip) != 0) /* keeps the handle */
        return fail_zip(p->ctx, BFN_ERR_INTERNAL, p->path, "zip", zip_get_error(p->zip));
    p->zip = NULL;
    bfn__writer *w;
    bfn_status status = bfn__writer_open(p->ctx, &w, p->path);
    if (status != BFN_OK)
        return status;
    status = copy_out(p, w);
    if (status == BFN_OK)
        return bfn__writer_commit(w);
    bfn__writer_abort(w);
    return status;
}

static bfn_status check_arrays(bfn_context *ctx, const char *path, const bfn__st_tensor *tensors, size_t n)
{
    if (n == 0 || n > bfn__limit(ctx, BFN__CAP_NPZ_ENTRIES))
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "%s: %zu arrays, allowed: 1 to %zu", path, n,
                         bfn__limit(ctx, BFN__CAP_NPZ_ENTRIES));
    for (size_t i = 0; i < n; i++)
        if (!is_name(tensors[i].name))
            return bfn__fail(ctx, BFN_ERR_ARGUMENT,
                             "%s: array name \"%s\", allowed: 1 to %d printable ASCII characters but / \\ :", path,
                             tensors[i].name, MAX_NAME);
    return BFN_OK;
}

bfn_status bfn__npz_save(bfn_context *ctx, const char *path, const bfn__st_tensor *tensors, size_t n_tensors,
                         bool deflate)
{
    packer p = {.ctx = ctx, .path = path, .deflate = deflate};
    bfn_status status = check_arrays(ctx, path, tensors, n_tensors);
    if (status != BFN_OK)
        return status;
    p.headers = bfn__calloc(ctx, n_tensors, sizeof *p.headers);
    if (p.headers == NULL)
        return BFN_ERR_MEMORY;
    status = begin(&p);
    for (size_t i = 0; i < n_tensors && status == BFN_OK; i++)
        status = add_array(&p, i, &tensors[i]);
    if (status == BFN_OK)
        status = write_out(&p);
    if (p.zip != NULL)
        zip_discard(p.zip);
    zip_source_free(p.target);
    bfn__free(ctx, p.headers);
    return status;
}

/* ---- reading ---- */

struct bfn__npz {
    bfn_context *ctx;
    size_t n, room;          /* arrays that are read; of the file */
    bfn__st_tensor *tensors; /* [room]; names and data point into the two below */
    char **names;            /* [room] */
    char **files;            /* [room] inflated .npy files */
};

typedef struct unpacker {
    bfn_context *ctx;
    const char *label;
    bfn__zip *zip;
    size_t room; /* bytes that may still be inflated */
    bfn__npz *npz;
} unpacker;

static bfn_status check_entry(const unpacker *u, const bfn__zip_entry *e)
{
    size_t n_name = strlen(e->name);
    if (n_name < 5 || n_name > MAX_NAME + 4 || strcmp(e->name + n_name - 4, ".npy") != 0)
        return bfn__fail(u->ctx, BFN_ERR_INPUT, "%s: \"%.80s\" inside, allowed: arrays, named .npy", u->label, e->name);
    if (e->size > u->room)
        return bfn__fail(u->ctx, BFN_ERR_INPUT, "%s: \"%.80s\" inflates to %zu bytes, at most %zu are allowed",
                         u->label, e->name, e->size, u->room);
    return BFN_OK;
}

static bfn_status read_entry(unpacker *u, size_t i)
{
    bfn__zip_entry e;
    bfn__npz *npz = u->npz;
    bfn_status status = bfn__zip_entry_at(u->zip, i, &e);
    if (status == BFN_OK)
        status = check_entry(u, &e);
    if (status != BFN_OK)
        return status;
    npz->names[i] = bfn__strdup(u->ctx, e.name);
    npz->files[i] = npz->names[i] != NULL ? bfn__calloc(u->ctx, e.size, 1) : NULL;
    if (npz->files[i] == NULL)
        return BFN_ERR_MEMORY;
    npz->names[i][strlen(e.name) - 4] = '\0';
    u->room -= e.size;
    status = bfn__zip_read(u->zip, &e, npz->files[i]);
    if (status != BFN_OK)
        return status;
    status = bfn__npy_parse(u->ctx, npz->files[i], e.size, npz->names[i], &npz->tensors[i]);
    if (status == BFN_ERR_INPUT)
        return bfn__fail_prefix(u->ctx, status, u->label);
    npz->n = i + 1;
    return status;
}

static bfn_status read_all(unpacker *u)
{
    bfn__npz *npz = u->npz;
    size_t n = bfn__zip_n(u->zip);
    npz->tensors = bfn__calloc(u->ctx, n, sizeof *npz->tensors);
    npz->names = npz->tensors != NULL ? bfn__calloc(u->ctx, n, sizeof *npz->names) : NULL;
    npz->files = npz->names != NULL ? bfn__calloc(u->ctx, n, sizeof *npz->files) : NULL;
    if (npz->files == NULL)
        return BFN_ERR_MEMORY;
    npz->room = n;
    bfn_status status = BFN_OK;
    for (size_t i = 0; i < n && status == BFN_OK; i++)
        status = read_entry(u, i);
    return status;
}

bfn_status bfn__npz_parse(bfn_context *ctx, bfn__npz **out, const void *bytes, size_t n, size_t max_bytes,
                          const char *label)
{
    unpacker u = {.ctx = ctx, .label = label, .room = max_bytes > 0 ? max_bytes : bfn__limit(ctx, BFN__CAP_NPZ_BYTES)};
    *out = NULL;
    bfn_status status = bfn__zip_open(ctx, &u.zip, bytes, n, bfn__limit(ctx, BFN__CAP_NPZ_ENTRIES), label);
    if (status != BFN_OK)
        return status;
    u.npz = bfn__calloc(ctx, 1, sizeof *u.npz);
    if (u.npz != NULL)
        u.npz->ctx = ctx;
    status = u.npz != NULL ? read_all(&u) : BFN_ERR_MEMORY;
    bfn__zip_close(u.zip);
    if (status != BFN_OK) {
        bfn__npz_close(u.npz);
        return status;
    }
    *out = u.npz;
    return BFN_OK;
}

bfn_status bfn__npz_open(bfn_context *ctx, bfn__npz **out, const char *path)
{
    bfn__bytes file;
    *out = NULL;
    bfn_status status = bfn__file_map(ctx, path, bfn__limit(ctx, BFN__CAP_NPZ_BYTES), &file);
    if (status != BFN_OK)
        return status;
    status = bfn__npz_parse(ctx, out, file.data, file.size, 0, path);
    bfn__file_unmap(ctx, &file);
    return status;
}

void bfn__npz_close(bfn__npz *npz)
{
    if (npz == NULL)
        return;
    bfn_context *ctx = npz->ctx;
    for (size_t i = 0; npz->names != NULL && npz->files != NULL && i < npz->room; i++) {
        bfn__free(ctx, npz->names[i]);
        bfn__free(ctx, npz->files[i]);
    }
    bfn__free(ctx, npz->tensors);
    bfn__free(ctx, npz->names);
    bfn__free(ctx, npz->files);
    bfn__free(ctx, npz);
}

size_t bfn__npz_n(const bfn__npz *npz)
{
    return npz->n;
}

const bfn__st_tensor *bfn__npz_tensor(const bfn__npz *npz, size_t i)
{
    return &npz->tensors[i];
}

const bfn__st_tensor *bfn__npz_find(const bfn__npz *npz, const char *name)
{
    for (size_t i = 0; i < npz->n; i++)
        if (strcmp(npz->tensors[i].name, name) == 0)
            return &npz->tensors[i];
    return NULL;
}
