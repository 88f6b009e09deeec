/* helper_torch.h: PyTorch files made by tests: a pickled state dict as torch.save writes it, zip files with nothing hidden. */
#ifndef HELPER_TORCH_H
#define HELPER_TORCH_H

#include "io/safetensors.h"

#include <stdio.h>

/* Bytes that grow; free(b.bytes). */
typedef struct blob {
    unsigned char *bytes;
    size_t n, room;
} blob;

void blob_put(blob *b, const void *bytes, size_t n);
void blob_text(blob *b, const char *text);                  /* without its NUL */
void blob_number(blob *b, unsigned long long value, int n); /* n bytes, little-endian */

/* One tensor as a view of a storage. */
typedef struct torch_view {
    const char *name, *type, *storage; /* "net.w", "FloatStorage", "0" */
    size_t storage_count;
    int rank;
    long long offset, shape[10], stride[10];
    bool parameter; /* wrapped by _rebuild_parameter */
} torch_view;

typedef enum torch_style {
    TORCH_PLAIN = 0,
    TORCH_ORDERED = 1,   /* an OrderedDict with _metadata, as module.state_dict() gives */
    TORCH_PROTOCOL_4 = 2 /* STACK_GLOBAL, MEMOIZE, FRAME, short texts */
} torch_style;

/* The pickle of a state dict. */
void torch_pickle(blob *b, const torch_view *views, size_t n, torch_style style);

/* A stored zip file, entry by entry. */
typedef struct zipper {
    FILE *out;
    size_t at, n;
    blob central;
    bool zip64;     /* end records of 64 bits also where they are not needed */
    unsigned flags; /* general purpose flags of the entries that follow */
} zipper;
void zipper_add(zipper *z, const char *name, const void *bytes, size_t n);
void zipper_end(zipper *z); /* the directory; frees z's memory, leaves `out` open */

/* torch.save of contiguous tensors (name, dtype, rank, shape, data), a storage each; names get the prefix. */
void torch_save(FILE *out, const char *root, const char *prefix, const bfn__st_tensor *tensors, size_t n);

/* The same to a path; fails the test where that cannot be written. */
void torch_save_path(const char *path, const char *prefix, const bfn__st_tensor *tensors, size_t n);

#endif
