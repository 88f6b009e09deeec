/* config_fields.h: the table behind config.h: one row a field, with type, range, default and what it means. */
#ifndef BFN_CONFIG_FIELDS_H
#define BFN_CONFIG_FIELDS_H

#include "model/config.h"

typedef enum bfn__field_type {
    BFN__FIELD_SIZE,   /* size_t */
    BFN__FIELD_SEED,   /* uint64_t */
    BFN__FIELD_REAL,   /* double[n] */
    BFN__FIELD_BOOL,   /* int: true, false */
    BFN__FIELD_CHOICE, /* int: index into choices, words separated by '|' */
} bfn__field_type;

enum { BFN__FIELD_MAX_VALUES = 3 };

typedef struct bfn__field {
    const char *name; /* "train.lr" */
    bfn__field_type type;
    size_t offset, n; /* into bfn__config; numbers in a list, 1 else */
    double low, high; /* inclusive */
    double fallback[BFN__FIELD_MAX_VALUES];
    const char *choices;
    bool may_change; /* a resumed run may be given another value */
    unsigned forms;  /* kinds of data that it belongs to: BFN__FOR_ bits */
    const char *text;
} bfn__field;

enum { BFN__FOR_TEXT = 1 << BFN__FORM_TEXT, BFN__FOR_IMAGE = 1 << BFN__FORM_IMAGE, BFN__FOR_ALL = 3 };

/* Does the field belong to the configuration's kind of data? */
bool bfn__field_applies(const bfn__field *field, const bfn__config *config);

size_t bfn__n_fields(void);
const bfn__field *bfn__field_at(size_t i);

/* Text of a field's value: "[0.9, 0.98]", "cosine". */
enum { BFN__FIELD_TEXT = 320 };
void bfn__field_write(const bfn__field *field, const bfn__config *config, char text[BFN__FIELD_TEXT]);
bfn_status bfn__field_read(bfn_context *ctx, const bfn__field *field, bfn__config *config, const char *text);
/* What is allowed: "a number from 0 to 1", "one of text8, chars". */
void bfn__field_range(const bfn__field *field, char text[BFN__FIELD_TEXT]);

/* The value of any key as text, options of the network too ("network.n_layer"); "": it has none. */
void bfn__config_get(const bfn__config *config, const char *key, char text[BFN__FIELD_TEXT]);

/* A scalar's text, or the scalars of a sequence as "[a,b]": what bfn__config_set takes. false: neither, or too long. */
struct bfn__yaml_node;
bool bfn__config_node_text(const struct bfn__yaml_node *node, char text[BFN__FIELD_TEXT]);

/* Word i of "a|b|c" into a buffer; false beyond the last. */
bool bfn__choice_word(const char *choices, size_t i, char word[BFN__CONFIG_MAX_KEY]);

#endif
