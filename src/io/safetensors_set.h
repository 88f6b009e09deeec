/* safetensors_set.h: the inside of a bfn__safetensors, for the readers that fill one: safetensors.c and torch.c. */
#ifndef BFN_SAFETENSORS_SET_H
#define BFN_SAFETENSORS_SET_H

#include "io/file.h"
#include "io/safetensors.h"

struct bfn__safetensors {
    bfn_context *ctx;
    bfn__bytes file;   /* when opened from a path */
    const char *bytes; /* safetensors: all of it, and how many; NULL: another format */
    size_t n_bytes;
    char *header; /* what names and metadata point into */
    char *names;  /* ... names once they were changed */
    bfn__st_tensor *tensors;
    size_t n_tensors, tensor_room;
    bfn__st_entry *entries;
    size_t n_entries, entry_room;
    const bfn__st_tensor **by_name;
    void **blocks; /* numbers that do not lie in the file as they are needed (compressed, or in another order) */
    size_t n_blocks;
};

/* Sort tensors and metadata by name, so that they can be found. BFN_ERR_INPUT: a name occurs twice. */
bfn_status bfn__st_index(bfn__safetensors *st, const char *label);

#endif
