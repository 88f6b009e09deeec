/* imageset_png.c: folders of PNG files: of one size and kind, sorted by the bytes of their names (the same on every machine and in
 * every locale); or one level of sub-folders, each a class.
 *
 * What is not a regular file named .png, and what is hidden, is passed over; so FIFOs, sockets and loops of links do no harm. The
 * first picture fixes the size; a picture that is broken or different is an error that names it, or is counted (skip_bad). The
 * checksum covers names, too: they decide order and classes.
 */
#include "io/imageset.h"

#include "io/limits.h"
#include "io/png.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* Names, in byte order once sorted. */
typedef struct name_list {
    char **names;
    size_t n, room;
} name_list;

typedef struct scan {
    bfn__loader *l;
    name_list files;   /* below l->path: "a.png" or "class/a.png" */
    name_list folders; /* sub-folders with PNG files in them: the classes */
    name_list all;     /* all sub-folders */
    int32_t *labels;   /* [files.n]; NULL: no classes */
    size_t n_others;
} scan;

static bfn_status add_name(bfn_context *ctx, name_list *list, char *name)
{
    if (name == NULL)
        return BFN_ERR_MEMORY;
    if (list->n == list->room) {
        size_t room = list->room > 0 ? 2 * list->room : 256;
        char **grown = bfn__calloc(ctx, room, sizeof *grown);
        if (grown == NULL) {
            bfn__free(ctx, name);
            return BFN_ERR_MEMORY;
        }
        if (list->n > 0)
            memcpy(grown, list->names, list->n * sizeof *grown);
        bfn__free(ctx, list->names);
        list->names = grown;
        list->room = room;
    }
    list->names[list->n++] = name;
    return BFN_OK;
}

static void free_names(bfn_context *ctx, name_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        bfn__free(ctx, list->names[i]);
    bfn__free(ctx, list->names);
    *list = (name_list){0};
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The names from `first` on. */
static void sort_names(name_list *list, size_t first)
{
    if (list->n > first)
        qsort(list->names + first, list->n - first, sizeof *list->names, compare_names);
}

static bool is_png_name(const char *name)
{
    size_t n = strlen(name);
    return n > 4 && strcasecmp(name + n - 4, ".png") == 0;
}

/* ---- folders ---- */

/* One entry of a folder: into the files, or (prefix "": of the top folder) the sub-folders, or neither. */
static bfn_status sort_entry(scan *s, DIR *dir, const char *prefix, const char *name)
{
    struct stat info;
    if (name[0] == '.')
        return BFN_OK;
    bool known = fstatat(dirfd(dir), name, &info, 0) == 0;
    if (known && S_ISDIR(info.st_mode))
        return prefix[0] == '\0' ? add_name(s->l->ctx, &s->all, bfn__strdup(s->l->ctx, name)) : BFN_OK;
    /* What cannot be examined (a dangling link) is kept: opening it says what is wrong. */
    if (!is_png_name(name) || (known && !S_ISREG(info.st_mode))) {
        s->n_others++;
        return BFN_OK;
    }
    if (s->files.n >= bfn__limit(s->l->ctx, BFN__CAP_IMAGESET_FILES))
        return bfn__fail(s->l->ctx, BFN_ERR_INPUT, "%s: has more than %zu images, the most allowed", s->l->path,
                         bfn__limit(s->l->ctx, BFN__CAP_IMAGESET_FILES));
    char *path = prefix[0] == '\0' ? bfn__strdup(s->l->ctx, name) : bfn__join_path(s->l->ctx, prefix, name);
    return add_name(s->l->ctx, &s->files, path);
}

/* The entries of l->path, or of its sub-folder `prefix`. */
static bfn_status list_folder(scan *s, const char *prefix)
{
    char *path = bfn__join_path(s->l->ctx, s->l->path, prefix);
    if (path == NULL)
        return BFN_ERR_MEMORY;
    DIR *dir = opendir(path);
    bfn_status status = BFN_OK;
    if (dir == NULL)
        status = bfn__fail(s->l->ctx, BFN_ERR_NOT_FOUND, "%s: %s", path,
                           errno == EACCES ? "no permission to list it" : "cannot be listed");
    while (status == BFN_OK) {
        errno = 0;
        struct dirent *entry = readdir(dir);
        if (entry == NULL) {
            if (errno != 0)
                status = bfn__fail(s->l->ctx, BFN_ERR_NOT_FOUND, "%s: cannot be listed to its end", path);
            break;
        }
        status = sort_entry(s, dir, prefix, entry->d_name);
    }
    if (dir != NULL)
        closedir(dir);
    bfn__free(s->l->ctx, path);
    return status;
}

/* Sub-folders in order; those with PNG files become classes. */
static bfn_status list_classes(scan *s)
{
    bfn_status status = BFN_OK;
    sort_names(&s->all, 0);
    for (size_t i = 0; i < s->all.n && status == BFN_OK; i++) {
        size_t before = s->files.n;
        status = list_folder(s, s->all.names[i]);
        if (status != BFN_OK || s->files.n == before)
            continue;
        sort_names(&s->files, before);
        if (s->folders.n >= bfn__limit(s->l->ctx, BFN__CAP_CLASSES))
            return bfn__fail(s->l->ctx, BFN_ERR_INPUT, "%s: has more than %zu sub-folders of images, the most allowed",
                             s->l->path, bfn__limit(s->l->ctx, BFN__CAP_CLASSES));
        status = add_name(s->l->ctx, &s->folders, bfn__strdup(s->l->ctx, s->all.names[i]));
    }
    return status;
}

/* Labels of the files, which lie class after class: the place of their folder among the classes. */
static bfn_status label_files(scan *s)
{
    if (s->folders.n == 0)
        return BFN_OK;
    s->labels = bfn__calloc(s->l->ctx, s->files.n, sizeof *s->labels);
    if (s->labels == NULL)
        return BFN_ERR_MEMORY;
    for (size_t k = 0, i = 0; k < s->folders.n; k++) {
        size_t n = strlen(s->folders.names[k]);
        for (; i < s->files.n && strncmp(s->files.names[i], s->folders.names[k], n) == 0 && s->files.names[i][n] == '/';
             i++)
            s->labels[i] = (int32_t)k;
    }
    return BFN_OK;
}

static bfn_status find_files(scan *s)
{
    bfn_status status = list_folder(s, "");
    size_t at_top = s->files.n;
    if (status == BFN_OK)
        status = list_classes(s);
    if (status != BFN_OK)
        return status;
    if (at_top > 0 && s->folders.n > 0)
        return bfn__fail(s->l->ctx, BFN_ERR_INPUT,
                         "%s: has PNG files and sub-folders of PNG files (\"%s\"): it must be one or the other",
                         s->l->path, s->folders.names[0]);
    if (s->files.n == 0)
        return bfn__fail_missing(s->l, BFN_ERR_INPUT,
                                 "a folder without images: no IDX files (train-images-idx3-ubyte), no CIFAR-10 batches "
                                 "(data_batch_1.bin), no .png files (%zu other files)",
                                 s->n_others);
    if (at_top > 0)
        sort_names(&s->files, 0);
    return label_files(s);
}

/* ---- pictures ---- */

static bfn_status check_like_first(bfn__loader *l, const char *path, const bfn__image *image)
{
    const bfn__imageset *set = l->set;
    if (image->H != set->H || image->W != set->W || image->C != set->C)
        return bfn__fail(l->ctx, BFN_ERR_INPUT, "%s: %zu x %zu pixels, %s; the first image is %zu x %zu, %s", path,
                         image->W, image->H, image->C == 1 ? "grey" : "RGB", set->W, set->H,
                         set->C == 1 ? "grey" : "RGB");
    return BFN_OK;
}

/* File i as the next item of the set. */
static bfn_status load_one(scan *s, size_t i, size_t *n_loaded)
{
    bfn__loader *l = s->l;
    bfn__image image = {0};
    bfn__bytes file = {0};
    char *path = bfn__join_path(l->ctx, l->path, s->files.names[i]);
    bfn_status status = path != NULL ? BFN_OK : BFN_ERR_MEMORY;
    if (status == BFN_OK)
        status = bfn__file_map(l->ctx, path, bfn__limit(l->ctx, BFN__CAP_PNG_FILE_BYTES), &file);
    if (status == BFN_OK)
        status = bfn__png_decode(l->ctx, file.data, file.size, path, &image);
    if (status == BFN_OK && l->set->pixels == NULL)
        status = bfn__imageset_reserve(l, s->files.n, image.H, image.W, image.C, s->labels != NULL);
    if (status == BFN_OK)
        status = check_like_first(l, path, &image);
    if (status == BFN_OK) {
        memcpy(l->set->pixels + *n_loaded * l->set->D, image.pixels, l->set->D);
        if (s->labels != NULL)
            l->set->labels[*n_loaded] = s->labels[i];
        bfn__sha256_add(&l->hash, s->files.names[i], strlen(s->files.names[i]) + 1);
        bfn__sha256_add(&l->hash, file.data, file.size);
        (*n_loaded)++;
    }
    bfn__image_free(l->ctx, &image);
    bfn__file_unmap(l->ctx, &file);
    bfn__free(l->ctx, path);
    return status;
}

static bfn_status load_all(scan *s)
{
    bfn__loader *l = s->l;
    size_t n_loaded = 0;
    for (size_t i = 0; i < s->files.n; i++) {
        bfn_status status = load_one(s, i, &n_loaded);
        bool bad = status == BFN_ERR_INPUT || status == BFN_ERR_NOT_FOUND;
        if (status == BFN_OK)
            continue;
        if (!bad || !l->options->skip_bad || (l->set->pixels == NULL && i + 1 == s->files.n))
            return status;
        l->set->n_skipped++;
        bfn__log(l->ctx, "left out: %s", l->ctx->errmsg);
    }
    l->set->n = n_loaded;
    return BFN_OK;
}

bfn_status bfn__imageset_load_png(bfn__loader *l)
{
    scan s = {.l = l};
    bfn_status status = find_files(&s);
    if (status == BFN_OK)
        status = load_all(&s);
    if (status == BFN_OK && s.folders.n > 0) {
        l->set->classes = s.folders.names;
        l->set->n_classes = s.folders.n;
        s.folders = (name_list){0};
    }
    l->set->format = "png";
    free_names(l->ctx, &s.files);
    free_names(l->ctx, &s.folders);
    free_names(l->ctx, &s.all);
    bfn__free(l->ctx, s.labels);
    return status;
}
