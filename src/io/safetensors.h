/* safetensors.h: files of tensors: the safetensors format (8-byte header length, JSON header, raw little-endian data), read and written;
 * and, through the same handle, whatever else holds named tensors (torch.h). Parsers take bytes, not paths. */
#ifndef BFN_SAFETENSORS_H
#define BFN_SAFETENSORS_H

#include "base/base.h"

typedef enum bfn__dtype {
    BFN__DTYPE_F64,
    BFN__DTYPE_F32,
    BFN__DTYPE_F16,
    BFN__DTYPE_BF16,
    BFN__DTYPE_I64,
    BFN__DTYPE_I32,
    BFN__DTYPE_U8,
    BFN__DTYPE_BOOL
} bfn__dtype;

size_t bfn__dtype_size(bfn__dtype dtype);
const char *bfn__dtype_name(bfn__dtype dtype); /* "F32" */

/* Numbers and bytes of an array: *count and *bytes. A dimension of 0 makes it empty, however large the others are; false (and SIZE_MAX): more
 * than memory can hold. */
bool bfn__dtype_extent(bfn__dtype dtype, int rank, const size_t *shape, size_t *count, size_t *bytes);

enum { BFN__ST_MAX_RANK = 8 };

typedef struct bfn__st_tensor {
    const char *name; /* owned by the file handle, UTF-8 */
    bfn__dtype dtype;
    int rank;
    size_t shape[BFN__ST_MAX_RANK];
    size_t count;
    const void *data; /* into the parsed bytes; NOT aligned in general: copy (bfn__st_to_f32) or memcpy out */
    size_t bytes;
} bfn__st_tensor;

typedef struct bfn__st_entry {
    const char *key, *value;
} bfn__st_entry;

typedef struct bfn__safetensors bfn__safetensors;

/* bytes must outlive the handle. `label` names the source in messages ("model.safetensors"). Everything in ROBUSTNESS.md holds. */
bfn_status bfn__safetensors_parse(bfn_context *ctx, bfn__safetensors **out, const void *bytes, size_t n,
                                  const char *label);
/* Map (or read) a file and parse it; close unmaps. */
bfn_status bfn__safetensors_open(bfn_context *ctx, bfn__safetensors **out, const char *path);
/* The same for any format that is read, which the first bytes tell: safetensors, or PyTorch's (torch.h). */
bfn_status bfn__tensors_parse(bfn_context *ctx, bfn__safetensors **out, const void *bytes, size_t n, const char *label);
bfn_status bfn__tensors_open(bfn_context *ctx, bfn__safetensors **out, const char *path);
void bfn__safetensors_close(bfn__safetensors *st); /* NULL is fine; for all of the above */

/* The bytes of an opened file (NULL, 0 when the handle came from a parser). */
void bfn__tensors_file(const bfn__safetensors *st, const void **bytes, size_t *n);

size_t bfn__safetensors_n_tensors(const bfn__safetensors *st);
const bfn__st_tensor *bfn__safetensors_tensor(const bfn__safetensors *st, size_t i);       /* in file order */
const bfn__st_tensor *bfn__safetensors_find(const bfn__safetensors *st, const char *name); /* NULL: none */
const char *bfn__safetensors_metadata(const bfn__safetensors *st, const char *key);        /* NULL: none */
size_t bfn__safetensors_n_metadata(const bfn__safetensors *st);
const bfn__st_entry *bfn__safetensors_metadata_at(const bfn__safetensors *st, size_t i); /* sorted by key */

/* Metadata key whose value is the SHA-256 of the whole file, taken with 64 zeros ('0') in the place of its own digits. */
#define BFN__ST_CHECKSUM "bfn.sha256"
/* Compare it with the file. BFN_ERR_INPUT: they differ. A file without one is fine (*has_checksum, which may be NULL, says it). */
bfn_status bfn__safetensors_verify(const bfn__safetensors *st, const char *label, bool *has_checksum);
/* The same, and the sum of the file as it is, on the way: whole[65]; "" where the file has no checksum of its own. */
bfn_status bfn__safetensors_sums(const bfn__safetensors *st, const char *label, char *whole, bool *has_checksum);

/* Convert any dtype to float / double / int64 (count of them). Integers that do not fit are BFN_ERR_INPUT. */
bfn_status bfn__st_to_f32(bfn_context *ctx, const bfn__st_tensor *t, float *out);
bfn_status bfn__st_to_i64(bfn_context *ctx, const bfn__st_tensor *t, int64_t *out);
/* Numbers first..first+n-1 alone; one number of any dtype; index of the first that is NaN or infinite (count: none is). */
bfn_status bfn__st_slice_to_f32(bfn_context *ctx, const bfn__st_tensor *t, size_t first, size_t n, float *out);
double bfn__st_value(const bfn__st_tensor *t, size_t i);
size_t bfn__st_first_nonfinite(const bfn__st_tensor *t);

/* Write atomically: temporary file beside it, fsync, rename, fsync of the folder. data in the given dtype.
 * The data section begins at a multiple of 64 bytes (spaces pad the header); tensors follow in the given order without gaps, as
 * the format demands. The value of the metadata key BFN__ST_CHECKSUM, if there is one, is made here, whatever is given (NULL is fine).
 * On failure: BFN_ERR_WRITE, the old file is as it was and no temporary file is left. */
bfn_status bfn__safetensors_save(bfn_context *ctx, const char *path, const bfn__st_tensor *tensors, size_t n_tensors,
                                 const bfn__st_entry *metadata, size_t n_metadata);
/* The same with numbers that are made as they are written: numbers(user, i, sink) puts exactly tensors[i].bytes bytes there. It is called
 * twice for each tensor where metadata has the checksum: once to sum up, once to write. */
typedef struct bfn__sink {
    struct bfn__writer *writer;
    struct bfn__sha256 *hash;
} bfn__sink; /* NULL: not there */
bfn_status bfn__sink_put(bfn__sink *sink, const void *bytes, size_t n);
bfn_status bfn__safetensors_save_from(bfn_context *ctx, const char *path, const bfn__st_tensor *tensors,
                                      size_t n_tensors, const bfn__st_entry *metadata, size_t n_metadata,
                                      bfn_status (*numbers)(void *user, size_t i, bfn__sink *sink), void *user);

/* Names by rules "old=new": see bfn_tensors_rename. */
bfn_status bfn__st_rename(bfn_context *ctx, bfn__safetensors *st, const char *const *rules, size_t n_rules);

/* float -> IEEE half (round to nearest even): index of the first finite value that is too large for one (n: all fit). */
size_t bfn__f16_from_f32(size_t n, const float *in, uint16_t *out);
/* float <-> bfloat16 (round to nearest even), n values. */
void bfn__bf16_from_f32(size_t n, const float *in, uint16_t *out);
void bfn__f32_from_bf16(size_t n, const uint16_t *in, float *out);

#endif
