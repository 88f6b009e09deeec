/* imageset_open.c: finding out what a path is, and reading IDX and CIFAR-10 files.
 *
 * A file tells by its bytes: an IDX file says its own size exactly; CIFAR-10 records have no header, so any other file whose size
 * is a multiple of 3073 is taken for one and its labels are checked. A folder tells by the standard names in it, else it is a folder
 * of PNG files. All files of a set are in memory (mapped, or inflated) until their sizes agree; then the set's one block is
 * filled and they are let go.
 */
#include "io/imageset.h"

#include "io/cifar.h"
#include "io/gzip.h"
#include "io/idx.h"
#include "io/limits.h"
#include "io/png.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { N_BATCHES = 6, NAME_ROOM = 64, HEADER_ROOM = 4096 };

/* ---- files ---- */

char *bfn__join_path(bfn_context *ctx, const char *folder, const char *name)
{
    size_t n_folder = strlen(folder), n_name = strlen(name);
    char *path = bfn__calloc(ctx, n_folder + n_name + 2, 1);
    if (path == NULL)
        return NULL;
    memcpy(path, folder, n_folder);
    if (n_folder > 0 && folder[n_folder - 1] != '/')
        path[n_folder++] = '/';
    memcpy(path + n_folder, name, n_name);
    return path;
}

bfn_status bfn__input_read(bfn__loader *l, const char *path, bfn__input *out)
{
    *out = (bfn__input){0};
    size_t cap, inflated_cap = l->max_bytes < bfn__limit(l->ctx, BFN__CAP_INFLATED_BYTES)
                                   ? l->max_bytes
                                   : bfn__limit(l->ctx, BFN__CAP_INFLATED_BYTES);
    (void)bfn__size_add(l->max_bytes, HEADER_ROOM, &cap);
    out->path = bfn__strdup(l->ctx, path);
    if (out->path == NULL)
        return BFN_ERR_MEMORY;
    bfn_status status = bfn__file_map(l->ctx, path, cap, &out->file);
    if (status == BFN_OK && bfn__is_gzip(out->file.data, out->file.size)) {
        status = bfn__gunzip(l->ctx, out->file.data, out->file.size, inflated_cap + HEADER_ROOM, path, &out->inflated,
                             &out->n);
        out->data = (const unsigned char *)out->inflated;
    } else {
        out->data = out->file.data;
        out->n = out->file.size;
    }
    if (status != BFN_OK)
        bfn__input_free(l->ctx, out);
    return status;
}

void bfn__input_free(bfn_context *ctx, bfn__input *input)
{
    bfn__free(ctx, input->path);
    bfn__free(ctx, input->inflated);
    bfn__file_unmap(ctx, &input->file);
    *input = (bfn__input){0};
}

bfn_status bfn__fail_missing(bfn__loader *l, bfn_status status, const char *format, ...)
{
    char what[256];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(what, sizeof what, format, args);
    va_end(args);
    const bfn__standard_set *known = l->set->known != NULL ? l->set->known : bfn__standard_set_of_path(l->path);
    return bfn__fail(l->ctx, status, "%s: %s%s%s", l->path, what, known != NULL ? ". " : "",
                     known != NULL ? known->where : "");
}

/* There is something of this name in the folder, readable or not. */
static bool is_there(const bfn__loader *l, const char *name)
{
    struct stat info;
    return fstatat(l->folder, name, &info, AT_SYMLINK_NOFOLLOW) == 0;
}

static bfn_status read_in_folder(bfn__loader *l, const char *name, bfn__input *out)
{
    char *path = bfn__join_path(l->ctx, l->path, name);
    bfn_status status = path != NULL ? bfn__input_read(l, path, out) : BFN_ERR_MEMORY;
    bfn__free(l->ctx, path);
    return status;
}

/* ---- IDX ---- */

/* One file of images with its labels, which may be missing. */
typedef struct idx_part {
    bfn__input images, labels;
    bfn__idx pixels, classes;
    size_t H, W, C;
} idx_part;

static void free_part(bfn_context *ctx, idx_part *part)
{
    bfn__input_free(ctx, &part->images);
    bfn__input_free(ctx, &part->labels);
}

static bfn_status parse_images(bfn__loader *l, idx_part *part)
{
    const bfn__input *in = &part->images;
    bfn_status status = bfn__idx_parse(l->ctx, in->data, in->n, in->path, &part->pixels);
    if (status != BFN_OK)
        return status;
    int rank = part->pixels.rank;
    if (rank != 3 && rank != 4)
        return bfn__fail(l->ctx, BFN_ERR_INPUT, "%s: has %d dimension%s%s, images have 3 (or 4, with channels)",
                         in->path, rank, rank == 1 ? "" : "s", rank == 1 ? ", as labels have" : "");
    part->H = part->pixels.dims[1];
    part->W = part->pixels.dims[2];
    part->C = rank == 4 ? part->pixels.dims[3] : 1;
    return BFN_OK;
}

static bfn_status parse_labels(bfn__loader *l, idx_part *part)
{
    const bfn__input *in = &part->labels;
    if (in->path == NULL)
        return BFN_OK;
    bfn_status status = bfn__idx_parse(l->ctx, in->data, in->n, in->path, &part->classes);
    if (status != BFN_OK)
        return status;
    if (part->classes.rank != 1)
        return bfn__fail(l->ctx, BFN_ERR_INPUT, "%s: has %d dimensions, labels have 1", in->path, part->classes.rank);
    if (part->classes.count != part->pixels.dims[0])
        return bfn__fail(l->ctx, BFN_ERR_INPUT, "%s: has %zu labels, %s has %zu images", in->path, part->classes.count,
                         part->images.path, part->pixels.dims[0]);
    return BFN_OK;
}

/* Bytes of a part into the set at item `first`, and into the checksum; that of the first part's images alone tells a standard set. */
static void store_part(bfn__loader *l, const idx_part *part, size_t first)
{
    bfn__imageset *set = l->set;
    size_t n = part->pixels.dims[0];
    memcpy(set->pixels + first * set->D, part->pixels.data, part->pixels.count);
    bfn__sha256_add(&l->hash, part->images.data, part->images.n);
    if (first == 0) {
        char sha256[BFN__SHA256_HEX];
        bfn__sha256 so_far = l->hash;
        bfn__sha256_end(&so_far, sha256);
        set->known = bfn__standard_set_of_images(sha256);
    }
    bfn__sha256_add(&l->hash, part->labels.data, part->labels.n);
    for (size_t i = 0; set->labels != NULL && i < n; i++)
        set->labels[first + i] = part->classes.data != NULL ? part->classes.data[i] : -1;
}

static bfn_status store_idx(bfn__loader *l, const idx_part *train, const idx_part *test)
{
    size_t n_train = train->pixels.dims[0], n_test = test->images.path != NULL ? test->pixels.dims[0] : 0;
    if (n_test > 0 && (test->H != train->H || test->W != train->W || test->C != train->C))
        return bfn__fail(l->ctx, BFN_ERR_INPUT,
                         "%s: images of %zu x %zu x %zu, the training images are %zu x %zu x %zu", test->images.path,
                         test->H, test->W, test->C, train->H, train->W, train->C);
    if (n_train == 0)
        return bfn__fail(l->ctx, BFN_ERR_INPUT, "%s: has no images", train->images.path);
    bfn_status status = bfn__imageset_reserve(l, n_train + n_test, train->H, train->W, train->C,
                                              train->classes.data != NULL || test->classes.data != NULL);
    if (status != BFN_OK)
        return status;
    l->set->n_test = n_test;
    store_part(l, train, 0);
    if (n_test > 0)
        store_part(l, test, n_train);
    l->set->format = "idx";
    return BFN_OK;
}

/* "train-images-idx3-ubyte" and its like as they may be called; false: not there. */
static bool find_idx(const bfn__loader *l, const char *part, const char *kind, char name[NAME_ROOM])
{
    const char *type = strcmp(kind, "images") == 0 ? "idx3" : "idx1";
    for (int form = 0; form < 4; form++) {
        (void)snprintf(name, NAME_ROOM, "%s-%s%c%s-ubyte%s", part, kind, form < 2 ? '-' : '.', type,
                       form % 2 == 0 ? "" : ".gz");
        if (is_there(l, name))
            return true;
    }
    return false;
}

static bfn_status read_part(bfn__loader *l, const char *which, idx_part *part)
{
    char name[NAME_ROOM];
    bfn_status status = BFN_OK;
    if (find_idx(l, which, "images", name))
        status = read_in_folder(l, name, &part->images);
    if (status == BFN_OK && part->images.path != NULL && find_idx(l, which, "labels", name))
        status = read_in_folder(l, name, &part->labels);
    if (status == BFN_OK && part->images.path != NULL)
        status = parse_images(l, part);
    if (status == BFN_OK && part->images.path != NULL)
        status = parse_labels(l, part);
    return status;
}

static bfn_status load_idx_folder(bfn__loader *l)
{
    idx_part train = {0}, test = {0};
    bfn_status status = read_part(l, "train", &train);
    if (status == BFN_OK && train.images.path == NULL)
        status = bfn__fail_missing(
            l, BFN_ERR_NOT_FOUND, "has t10k-images but neither train-images-idx3-ubyte nor train-images-idx3-ubyte.gz");
    if (status == BFN_OK)
        status = read_part(l, "t10k", &test);
    if (status == BFN_OK)
        status = store_idx(l, &train, &test);
    free_part(l->ctx, &train);
    free_part(l->ctx, &test);
    return status;
}

/* The labels of ".../x-images-idx3-ubyte.gz" are ".../x-labels-idx1-ubyte.gz", or the same without or with .gz. Read if there. */
static bfn_status read_labels_beside(bfn__loader *l, bfn__input *out)
{
    const char *slash = strrchr(l->path, '/'), *name = slash != NULL ? slash + 1 : l->path;
    const char *images = strstr(name, "images"), *idx3 = images != NULL ? strstr(images, "idx3") : NULL;
    if (idx3 == NULL)
        return BFN_OK;
    struct stat info;
    bfn_status status = BFN_OK;
    size_t n = strlen(l->path);
    char *path = bfn__calloc(l->ctx, n + 4, 1); /* room for .gz and NUL */
    if (path == NULL)
        return BFN_ERR_MEMORY;
    memcpy(path, l->path, n);
    memcpy(path + (images - l->path), "labels", 6);
    memcpy(path + (idx3 - l->path), "idx1", 4);
    bool there = lstat(path, &info) == 0;
    if (!there) {
        bool zipped = n > 3 && strcmp(path + n - 3, ".gz") == 0;
        memcpy(path + (zipped ? n - 3 : n), zipped ? "" : ".gz", zipped ? 1 : 4);
        there = lstat(path, &info) == 0;
    }
    if (there)
        status = bfn__input_read(l, path, out);
    bfn__free(l->ctx, path);
    return status;
}

/* Takes `images` over. */
static bfn_status load_idx_file(bfn__loader *l, bfn__input *images)
{
    idx_part train = {.images = *images}, none = {0};
    *images = (bfn__input){0};
    bfn_status status = parse_images(l, &train);
    if (status == BFN_OK)
        status = read_labels_beside(l, &train.labels);
    if (status == BFN_OK)
        status = parse_labels(l, &train);
    if (status == BFN_OK)
        status = store_idx(l, &train, &none);
    free_part(l->ctx, &train);
    return status;
}

/* ---- CIFAR-10 ---- */

static bfn_status store_cifar(bfn__loader *l, const bfn__input *inputs, size_t n_inputs, bool last_is_test)
{
    size_t counts[N_BATCHES], total = 0, first = 0;
    for (size_t i = 0; i < n_inputs; i++) {
        bfn_status status = bfn__cifar_check(l->ctx, inputs[i].data, inputs[i].n, inputs[i].path, &counts[i]);
        if (status != BFN_OK)
            return status;
        total += counts[i];
    }
    bfn_status status = bfn__imageset_reserve(l, total, BFN__CIFAR_SIDE, BFN__CIFAR_SIDE, 3, true);
    if (status != BFN_OK)
        return status;
    for (size_t i = 0; i < n_inputs; first += counts[i++]) {
        bfn__cifar_read(inputs[i].data, counts[i], l->set->pixels + first * l->set->D, l->set->labels + first);
        bfn__sha256_add(&l->hash, inputs[i].data, inputs[i].n);
    }
    l->set->n_test = last_is_test ? counts[n_inputs - 1] : 0;
    l->set->known = bfn__standard_set_named("cifar10");
    l->set->format = "cifar10";
    return BFN_OK;
}

static void batch_name(size_t i, bool zipped, char name[NAME_ROOM])
{
    if (i + 1 < N_BATCHES)
        (void)snprintf(name, NAME_ROOM, "data_batch_%zu.bin%s", i + 1, zipped ? ".gz" : "");
    else
        (void)snprintf(name, NAME_ROOM, "test_batch.bin%s", zipped ? ".gz" : "");
}

/* The name of batch i in the folder, raw or gzip; false: neither is there (name is the raw one's). */
static bool find_batch(const bfn__loader *l, size_t i, char name[NAME_ROOM])
{
    batch_name(i, true, name);
    if (is_there(l, name))
        return true;
    batch_name(i, false, name);
    return is_there(l, name);
}

static bfn_status load_cifar_folder(bfn__loader *l)
{
    bfn__input inputs[N_BATCHES] = {{0}};
    bfn_status status = BFN_OK;
    l->set->known = bfn__standard_set_named("cifar10"); /* what a missing batch's message is about */
    for (size_t i = 0; i < N_BATCHES && status == BFN_OK; i++) {
        char name[NAME_ROOM];
        status = find_batch(l, i, name)
                     ? read_in_folder(l, name, &inputs[i])
                     : bfn__fail_missing(l, BFN_ERR_NOT_FOUND, "has CIFAR-10 batches, but no %s", name);
    }
    if (status == BFN_OK)
        status = store_cifar(l, inputs, N_BATCHES, true);
    for (size_t i = 0; i < N_BATCHES; i++)
        bfn__input_free(l->ctx, &inputs[i]);
    return status;
}

/* ---- what is it? ---- */

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), n_end = strlen(end);
    return n >= n_end && strcmp(text + n - n_end, end) == 0;
}

/* An IDX header that tells this very size (CIFAR-10 data may begin with the same four bytes). */
static bool is_whole_idx(bfn__loader *l, const bfn__input *in)
{
    bfn__idx idx;
    return bfn__is_idx(in->data, in->n) && bfn__idx_parse(l->ctx, in->data, in->n, in->path, &idx) == BFN_OK;
}

static bfn_status load_file(bfn__loader *l)
{
    bfn__input in;
    bfn_status status = bfn__input_read(l, l->path, &in);
    if (status != BFN_OK)
        return status;
    bool cifar = in.n > 0 && in.n % BFN__CIFAR_RECORD == 0;
    bool named = ends_with(l->path, ".bin") || ends_with(l->path, ".bin.gz");
    if (is_whole_idx(l, &in) || (bfn__is_idx(in.data, in.n) && !cifar && !named))
        status = load_idx_file(l, &in);
    else if (cifar || named)
        status = store_cifar(l, &in, 1, false);
    else if (bfn__is_png(in.data, in.n))
        status = bfn__fail(l->ctx, BFN_ERR_INPUT, "%s: is one PNG file, a folder of them is needed", l->path);
    else
        status =
            bfn__fail(l->ctx, BFN_ERR_INPUT,
                      "%s: %zu bytes that are neither an IDX file (it begins with 00 00 08 and its rank) nor CIFAR-10 "
                      "records (a multiple of %d bytes)",
                      l->path, in.n, BFN__CIFAR_RECORD);
    bfn__input_free(l->ctx, &in);
    return status;
}

static bfn_status load_folder(bfn__loader *l)
{
    char name[NAME_ROOM];
    if (find_idx(l, "train", "images", name) || find_idx(l, "t10k", "images", name))
        return load_idx_folder(l);
    for (size_t i = 0; i < N_BATCHES; i++)
        if (find_batch(l, i, name))
            return load_cifar_folder(l);
    return bfn__imageset_load_png(l);
}

static const char *reason(int error)
{
    return error == ENOENT || error == ENOTDIR ? "there is no such file or folder"
           : error == EACCES                   ? "no permission"
           : error == ELOOP                    ? "a loop of symbolic links"
                                               : "cannot be opened";
}

bfn_status bfn__imageset_load(bfn__loader *l)
{
    struct stat info;
    if (stat(l->path, &info) != 0)
        return bfn__fail_missing(l, BFN_ERR_NOT_FOUND, "%s", reason(errno));
    if (!S_ISDIR(info.st_mode))
        return load_file(l);
    l->folder = open(l->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (l->folder < 0)
        return bfn__fail_missing(l, BFN_ERR_NOT_FOUND, "%s", reason(errno));
    bfn_status status = load_folder(l);
    close(l->folder);
    return status;
}
