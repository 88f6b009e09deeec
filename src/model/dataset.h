/* dataset.h: data as training and evaluation need it, whatever it is: items for a flow, splits, order, moments, identity.
 *
 * An item is D values of four bytes: int32_t (discrete flows) or float in [-1,1]. Everything random is a function of (seed, number), so that
 * an item is the same whenever and by whomever it is asked for; the functions that read items may be called from several threads.
 * Implementations: dataset_text.c (windows or lines of a text), dataset_image.c (pictures).
 */
#ifndef BFN_DATASET_H
#define BFN_DATASET_H

#include "model/model_internal.h"

typedef struct bfn__dataset bfn__dataset;

typedef struct bfn__dataset_options {
    const bfn__data_info *known; /* what a checkpoint says of its data (its alphabet is used); NULL: nothing is known */
    bool same; /* the data must be what `known` was trained on, by its checksum: BFN_ERR_ARGUMENT if not */
} bfn__dataset_options;

/* Read `path` as the configuration says, and put what follows from the data into the configuration (the size of images; a size that is given
 * there already must be the data's: BFN_ERR_ARGUMENT). The flow's kind and classes must be final: images are reduced to its levels. */
bfn_status bfn__dataset_open(bfn_context *ctx, bfn__dataset **out, const char *path, bfn__config *config,
                             const bfn__dataset_options *options);
void bfn__dataset_close(bfn__dataset *set); /* NULL is fine */

/* Symbols of the alphabet, for bfn__config_resolve; 0: not a text. */
size_t bfn__dataset_n_classes(const bfn__dataset *set);
/* Items of a split: disjoint windows, lines, pictures. */
size_t bfn__dataset_n(const bfn__dataset *set, bfn__split which);
/* Item i of a split. Binarised pictures: a draw that depends on i alone. label: its class, -1: none; may be NULL. */
void bfn__dataset_item(const bfn__dataset *set, bfn__split which, size_t i, void *out, int32_t *label);
/* Number `index` of the endless order of training, with what training adds at random (mirroring, binarisation). */
void bfn__dataset_training(const bfn__dataset *set, uint64_t seed, uint64_t index, void *out, int32_t *label);

/* What a checkpoint stores of it, moments included; freed with bfn__data_info_free. */
bfn_status bfn__dataset_describe(const bfn__dataset *set, bfn__data_info *info);
/* One line for people: "18 M characters, 1 M more to validate; 27 symbols, sequences of 96". */
void bfn__dataset_summary(const bfn__dataset *set, char *text, size_t capacity);

/* ---- for the implementations ---- */
typedef struct bfn__dataset_class {
    void (*close)(bfn__dataset *set); /* what it owns; not the set itself */
    size_t (*n)(const bfn__dataset *set, bfn__split which);
    void (*item)(const bfn__dataset *set, bfn__split which, size_t i, void *out, int32_t *label);
    void (*training)(const bfn__dataset *set, uint64_t seed, uint64_t index, void *out, int32_t *label);
    bfn_status (*describe)(const bfn__dataset *set, bfn__data_info *info); /* all but the checksum */
    void (*summary)(const bfn__dataset *set, char *text, size_t capacity);
} bfn__dataset_class;

struct bfn__dataset {
    const bfn__dataset_class *type;
    bfn_context *ctx;
    size_t n_classes;
    char sha256[BFN__SHA256_TEXT];
};

/* Read the data; *out is a structure that begins with a bfn__dataset, from bfn__calloc. On failure it may be left for bfn__dataset_close. */
bfn_status bfn__dataset_text(bfn_context *ctx, bfn__dataset **out, const char *path, bfn__config *config,
                             const bfn__dataset_options *options);
bfn_status bfn__dataset_image(bfn_context *ctx, bfn__dataset **out, const char *path, bfn__config *config,
                              const bfn__dataset_options *options);
/* BFN_ERR_ARGUMENT where options->same and the checksum is another than the known one. */
bfn_status bfn__dataset_check_same(const bfn__dataset *set, const char *path, const bfn__dataset_options *options);
/* 30935236 as "30.9 M". */
void bfn__dataset_count(size_t n, char text[32]);

#endif
