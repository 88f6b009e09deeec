/* bfn/record.h: what made a number or a file: settings, seed, model checksum, version, as named texts in a fixed order.
 *
 * Values are texts that the options of `bfn sample` understand, numbers with every digit that tells them apart, so that a record can be
 * run again (`bfn repro`). Keys: letters, digits and '_'. Where a file keeps its record: PNG in text entries "bfn.<key>", .npz in
 * a member "provenance" (the JSON text as bytes), everything else in FILE.json beside it.
 */
#ifndef BFN_RECORD_H
#define BFN_RECORD_H

#include "bfn/model.h"
#include "bfn/picture.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct bfn_record bfn_record;

BFN_API BFN_MUST_CHECK bfn_status bfn_record_create(bfn_context *ctx, bfn_record **out);
BFN_API void bfn_record_destroy(bfn_record *record);

/* Add an entry at the end, or give the one of that key another value. Both are copied. */
BFN_API BFN_MUST_CHECK bfn_status bfn_record_set(bfn_record *record, const char *key, const char *value);
BFN_API BFN_MUST_CHECK bfn_status bfn_record_set_count(bfn_record *record, const char *key, uint64_t value);
BFN_API BFN_MUST_CHECK bfn_status bfn_record_set_number(bfn_record *record, const char *key, double value);
/* A file that something was made from: its path, and as <key>_sha256 the checksum of its bytes. */
BFN_API BFN_MUST_CHECK bfn_status bfn_record_set_file(bfn_record *record, const char *key, const char *path);
BFN_API const char *bfn_record_get(const bfn_record *record, const char *key); /* NULL: no such entry */
BFN_API size_t bfn_record_n(const bfn_record *record);
BFN_API const char *bfn_record_key(const bfn_record *record, size_t i);
BFN_API const char *bfn_record_value(const bfn_record *record, size_t i);

/* What makes samples: version, backend (library and CPU path), model_sha256, precision, weights. Where the model's file holds no
 * configuration (info.config_checksum is not "") model_sha256 does not stand for the whole model: bfn_record_config says the rest. */
BFN_API BFN_MUST_CHECK bfn_status bfn_record_model(bfn_record *record, const bfn_model *model);
/* config: the configuration as it was understood, where the model's file does not hold it; no entry for all other models. Its text, not its
 * path: that file may be elsewhere, or another one, when it is wanted. */
BFN_API BFN_MUST_CHECK bfn_status bfn_record_config(bfn_record *record, const bfn_model *model);
/* A sampler as its plan resolves it: method, evaluations, steps, grid, eta, start, last, prediction, corrector and noise where they are
 * set, clip for continuous data. BFN_ERR_ARGUMENT when there is no such plan. */
BFN_API BFN_MUST_CHECK bfn_status bfn_record_solver(bfn_record *record, const bfn_flow *flow,
                                                    const bfn_solver_options *solver, bfn_clip clip);

/* The record as JSON, one object of texts; freed with bfn_record_free_text. BFN_ERR_ARGUMENT: a value that is no UTF-8. */
BFN_API BFN_MUST_CHECK bfn_status bfn_record_json(const bfn_record *record, char **text);
BFN_API void bfn_record_free_text(const bfn_record *record, char *text);
/* The record as text entries of a PNG file, "bfn.<key>"; they live as long as the array. *texts by bfn_record_free_texts. */
BFN_API BFN_MUST_CHECK bfn_status bfn_record_texts(const bfn_record *record, bfn_picture_text **texts, size_t *n);
BFN_API void bfn_record_free_texts(const bfn_record *record, bfn_picture_text *texts);
/* Atomically. */
BFN_API BFN_MUST_CHECK bfn_status bfn_record_save(bfn_context *ctx, const bfn_record *record, const char *path);
/* The record of a sample file: by its content PNG or .npz, else path with ".json" behind it. BFN_ERR_INPUT: it holds none. */
BFN_API BFN_MUST_CHECK bfn_status bfn_record_load(bfn_context *ctx, bfn_record **out, const char *path);
/* The same for files that may come from elsewhere: BFN_OK with *out NULL when there is no record, or what is in its place is none. Any other
 * failure (memory) stays one: it says nothing about the file. */
BFN_API BFN_MUST_CHECK bfn_status bfn_record_find(bfn_context *ctx, bfn_record **out, const char *path);

#ifdef __cplusplus
}
#endif
#endif
