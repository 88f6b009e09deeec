/* torch_legacy.h: the storages of a file of torch.save from before PyTorch 1.6 (or of _use_new_zipfile_serialization=False). */
#ifndef BFN_TORCH_LEGACY_H
#define BFN_TORCH_LEGACY_H

#include "io/pickle.h"

typedef struct bfn__torch_legacy bfn__torch_legacy;

/* Does it begin as such a file does? */
bool bfn__is_torch_legacy(const void *bytes, size_t n);

/* *pickle: the state dict, by bfn__pickle_destroy, after the handle is closed. bytes must outlive the handle. BFN_ERR_INPUT: what pickle.h
 * refuses; a storage that is cut off, has another size than the pickle says, is there twice or in no tensor; bytes behind the last. */
bfn_status bfn__torch_legacy_open(bfn_context *ctx, bfn__torch_legacy **out, bfn__pickle **pickle, const void *bytes,
                                  size_t n, const char *label);
void bfn__torch_legacy_close(bfn__torch_legacy *legacy); /* NULL is fine */

/* The numbers of the storage, at any address, and its number among the pickle's; NULL: the file does not have it. */
const char *bfn__torch_legacy_find(const bfn__torch_legacy *legacy, const char *key, size_t *index);

#endif
