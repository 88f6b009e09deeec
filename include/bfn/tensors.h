/* bfn/tensors.h: files of named tensors: safetensors, and PyTorch's .pt state dicts (read only; nothing in them is executed).
 *
 * What a file holds can be looked at, compared and converted without a network that fits it. Content decides what a file is, not its
 * name. Tensors are in the file's order; those of a .pt are given contiguous, whatever view they were.
 */
#ifndef BFN_TENSORS_H
#define BFN_TENSORS_H

#include "bfn/status.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { BFN_MAX_RANK = 8 };

typedef struct bfn_tensor_info {
    const char *name; /* lives as long as what it was asked of */
    int rank;
    size_t shape[BFN_MAX_RANK], count;
    const char *dtype; /* "F64", "F32", "F16", "BF16", "I64", "I32", "U8", "BOOL" */
} bfn_tensor_info;

typedef struct bfn_tensors bfn_tensors;

/* BFN_ERR_NOT_FOUND; BFN_ERR_INPUT: anything about the file that is not right, with what was found and what is allowed. */
BFN_API BFN_MUST_CHECK bfn_status bfn_tensors_open(bfn_context *ctx, bfn_tensors **out, const char *path);
BFN_API void bfn_tensors_close(bfn_tensors *tensors); /* NULL is fine */

/* Give every tensor whose name begins with "old" the name that begins with "new" instead, by the first rule "old=new" that fits (an
 * empty old fits all). BFN_ERR_ARGUMENT: a rule without '='. BFN_ERR_INPUT: two tensors would have one name. */
BFN_API BFN_MUST_CHECK bfn_status bfn_tensors_rename(bfn_tensors *tensors, const char *const *rules, size_t n_rules);

BFN_API size_t bfn_tensors_n(const bfn_tensors *tensors);
BFN_API void bfn_tensors_get(const bfn_tensors *tensors, size_t i, bfn_tensor_info *info);
/* The tensor of that name; SIZE_MAX: there is none. */
BFN_API size_t bfn_tensors_find(const bfn_tensors *tensors, const char *name);

/* Texts of the file (safetensors' __metadata__), sorted by key. */
BFN_API size_t bfn_tensors_n_metadata(const bfn_tensors *tensors);
BFN_API void bfn_tensors_metadata(const bfn_tensors *tensors, size_t i, const char **key, const char **text);
/* The text of a key; NULL: there is none. */
BFN_API const char *bfn_tensors_metadata_of(const bfn_tensors *tensors, const char *key);

enum { BFN_CHECKSUM_BYTES = 65 };
/* sha256 of the whole file; of one tensor's numbers as they lie in memory, row-major, little-endian. */
BFN_API void bfn_tensors_checksum(const bfn_tensors *tensors, char out[BFN_CHECKSUM_BYTES]);
BFN_API void bfn_tensors_tensor_checksum(const bfn_tensors *tensors, size_t i, char out[BFN_CHECKSUM_BYTES]);

typedef struct bfn_tensor_stats {
    size_t n_nan, n_infinite;
    double least, largest; /* of the finite numbers; 0 without any */
} bfn_tensor_stats;
BFN_API void bfn_tensors_stats(const bfn_tensors *tensors, size_t i, bfn_tensor_stats *stats);

typedef struct bfn_tensor_difference {
    int same_shape, same_dtype;
    size_t n_different;           /* numbers that differ; NaN equals NaN */
    double max_abs, max_relative; /* |a-b| and |a-b| / max(|a|,|b|); infinite where one of two is not finite */
    size_t worst;                 /* index of max_abs */
} bfn_tensor_difference;
/* Tensor i of a with tensor j of b: numbers are compared where the shapes are the same. */
BFN_API void bfn_tensors_compare(const bfn_tensors *a, size_t i, const bfn_tensors *b, size_t j,
                                 bfn_tensor_difference *difference);

/* ---- conversion ---- */

typedef enum bfn_numbers {
    BFN_NUMBERS_KEEP = 0,
    BFN_NUMBERS_F32 = 1,
    BFN_NUMBERS_BF16 = 2,
    BFN_NUMBERS_F16 = 3
} bfn_numbers;
typedef enum bfn_weights {
    BFN_WEIGHTS_ALL = 0,  /* all tensors */
    BFN_WEIGHTS_EMA = 1,  /* the averages "ema.net.X" alone, as "net.X"; no optimiser; BFN_ERR_INPUT: there are none */
    BFN_WEIGHTS_RAW = 2,  /* the trained weights "net.X" alone; no optimiser */
    BFN_WEIGHTS_BEST = 3, /* the averages where there are any, else the weights */
} bfn_weights;

typedef struct bfn_convert_options {
    size_t struct_size;
    const char *
        config_path; /* NULL, or a YAML file with a configuration (ours or a published layout): the tensors must fit it, get the
                              * names "net.X", and it is stored, so that the result is a model. BFN_ERR_ARGUMENT: the input has one */
    bfn_numbers
        numbers; /* type of floating-point matrices; vectors, and fixed tables where a configuration tells them, become F32 */
    bfn_weights weights;
    const char *const *prefixes; /* rules as for bfn_tensors_rename, applied first */
    size_t n_prefixes;
    int allow_nonfinite; /* non-zero: NaN and infinity are let through */
} bfn_convert_options;

#define BFN_CONVERT_OPTIONS_INIT                                                                                       \
    {                                                                                                                  \
        sizeof(bfn_convert_options), 0, BFN_NUMBERS_KEEP, BFN_WEIGHTS_ALL, 0, 0, 0                                     \
    }

/* A file of tensors as safetensors. Tensor by tensor: memory does not grow with the file. Written atomically. Metadata is kept. A file
 * with a configuration (its own or a given one) is checked as for loading: all shapes that do not fit, all missing and extra names. */
BFN_API BFN_MUST_CHECK bfn_status bfn_convert(bfn_context *ctx, const char *in, const char *out,
                                              const bfn_convert_options *options);

#ifdef __cplusplus
}
#endif
#endif
