/* pickle.h: the tensors that a pickled PyTorch state dict describes. Nothing is executed: a closed list of opcodes (pickle_ops.def) and
 * of names (collections.OrderedDict, torch._utils._rebuild_tensor_v2, torch._utils._rebuild_parameter, torch.<Type>Storage); whatever
 * else a pickle asks for is refused by its name. Parsers take bytes, not paths; the tensors' numbers are elsewhere (torch.h).
 */
#ifndef BFN_PICKLE_H
#define BFN_PICKLE_H

#include "io/safetensors.h"

typedef struct bfn__pickle_tensor {
    const char *name;     /* its key; keys of dicts inside dicts are joined by points; owned by the pickle */
    const char *storage;  /* key of the storage that holds its numbers, 1 to 64 letters, digits, '_' or '-' */
    size_t storage_count; /* numbers that the storage has */
    bfn__dtype dtype;
    int rank;
    size_t shape[BFN__ST_MAX_RANK], stride[BFN__ST_MAX_RANK]; /* strides and offset in numbers, not bytes */
    size_t offset, count;
} bfn__pickle_tensor;

typedef struct bfn__pickle bfn__pickle;

/* BFN_ERR_INPUT names the byte (or the tensor) and what was found. Every number of every tensor lies inside its storage. Values of the
 * dict that are no tensors (a step, a version) are left out. bytes may go afterwards. */
bfn_status bfn__pickle_parse(bfn_context *ctx, bfn__pickle **out, const void *bytes, size_t n, const char *label);
void bfn__pickle_destroy(bfn__pickle *pickle); /* NULL is fine */

/* Pickles in a row, as the format without zip has them: the first of the n bytes' is read, *used is where the next one begins. */
bfn_status bfn__pickle_parse_first(bfn_context *ctx, bfn__pickle **out, const void *bytes, size_t n, const char *label,
                                   size_t *used);
/* The same of a pickle that is a list of texts. *texts by bfn__free: one block, strings included. */
bfn_status bfn__pickle_texts_first(bfn_context *ctx, char ***texts, size_t *n_texts, const void *bytes, size_t n,
                                   const char *label, size_t *used);

/* Storages that a pickle names (bfn__pickle_parse_first only), each once, by key. */
typedef struct bfn__pickle_storage {
    const char *key; /* owned by the pickle */
    size_t count;
    bfn__dtype dtype;
} bfn__pickle_storage;
size_t bfn__pickle_n_storages(const bfn__pickle *pickle);
const bfn__pickle_storage *bfn__pickle_storage_at(const bfn__pickle *pickle, size_t i);

size_t bfn__pickle_n_tensors(const bfn__pickle *pickle);
const bfn__pickle_tensor *bfn__pickle_tensor_at(const bfn__pickle *pickle, size_t i); /* in the dict's order */

#endif
