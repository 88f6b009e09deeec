/* npz.h: NumPy's .npz: arrays with names, zipped .npy files. Parsers take bytes. Reading a single .npy is in npy.h. */
#ifndef BFN_NPZ_H
#define BFN_NPZ_H

#include "io/npy.h"

/* Atomically. tensors: name (1 to 255 characters of printable ASCII but '/' '\\' ':'; ".npy" is added), dtype, rank, shape, data are read;
 * BF16 has no type in NumPy. deflate: compressed (np.savez_compressed), else stored (np.savez). The same arrays give the same bytes.
 * BFN_ERR_ARGUMENT: names, types, no array at all; two arrays of one name. The file is put together in memory. */
bfn_status bfn__npz_save(bfn_context *ctx, const char *path, const bfn__st_tensor *tensors, size_t n_tensors,
                         bool deflate);

typedef struct bfn__npz bfn__npz;

/* All arrays, inflated into memory of the handle; bytes may go afterwards. BFN_ERR_INPUT: not a zip file, broken, encrypted, another
 * compression than stored or deflate, a checksum, two entries of one name, an entry that is not .npy (npy.h says what is refused there),
 * more than BFN__CAP_NPZ_ENTRIES entries or max_bytes (0: BFN__CAP_NPZ_BYTES) of content. */
bfn_status bfn__npz_parse(bfn_context *ctx, bfn__npz **out, const void *bytes, size_t n, size_t max_bytes,
                          const char *label);
bfn_status bfn__npz_open(bfn_context *ctx, bfn__npz **out, const char *path);
void bfn__npz_close(bfn__npz *npz); /* NULL is fine */

size_t bfn__npz_n(const bfn__npz *npz);
const bfn__st_tensor *bfn__npz_tensor(const bfn__npz *npz, size_t i);       /* in file order; name without ".npy" */
const bfn__st_tensor *bfn__npz_find(const bfn__npz *npz, const char *name); /* NULL: none */

#endif
