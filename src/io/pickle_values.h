/* pickle_values.h: what the two halves of the pickle reader share: the values that the opcodes build, as indices into one array. */
#ifndef BFN_PICKLE_VALUES_H
#define BFN_PICKLE_VALUES_H

#include "io/pickle.h"

typedef enum bfn__pickle_kind {
    BFN__PICKLE_NONE,
    BFN__PICKLE_BOOL,
    BFN__PICKLE_INTEGER, /* of 64 bits */
    BFN__PICKLE_REAL,
    BFN__PICKLE_TEXT,
    BFN__PICKLE_NAME,  /* one of the few names that a checkpoint may use */
    BFN__PICKLE_TUPLE, /* `count` indices from items[first] */
    BFN__PICKLE_LIST,  /* a chain of links */
    BFN__PICKLE_DICT,
    BFN__PICKLE_STORAGE, /* first: the tuple that describes it */
    BFN__PICKLE_TENSOR   /* first: the tuple of its arguments */
} bfn__pickle_kind;

typedef enum bfn__pickle_name {
    BFN__PICKLE_ORDERED_DICT,
    BFN__PICKLE_REBUILD_TENSOR,
    BFN__PICKLE_REBUILD_PARAMETER,
    BFN__PICKLE_STORAGE_TYPE /* + bfn__dtype */
} bfn__pickle_name;

typedef struct bfn__pickle_value {
    bfn__pickle_kind kind;
    uint32_t first, last, count; /* tuple: items; list, dict: links; NAME: first says which */
    union {
        int64_t integer;
        struct {
            const char *bytes; /* in the pickle */
            size_t n;
        } text;
    } is;
} bfn__pickle_value;

/* A member of a list or a dict. */
typedef struct bfn__pickle_link {
    uint32_t key, value, next;
} bfn__pickle_link;

#define BFN__PICKLE_NOTHING UINT32_MAX /* no link, no value, a mark on the stack */

/* An array that grows through the context's allocator. */
typedef struct bfn__pickle_array {
    void *items;
    size_t n, room;
} bfn__pickle_array;

typedef struct bfn__pickle_machine {
    bfn_context *ctx;
    const char *label;
    const unsigned char *bytes;
    size_t n, at, op_at; /* op_at: where the running opcode is */
    unsigned char op;
    bool stopped;
    bfn__pickle_array values, items, links, stack, memo;
} bfn__pickle_machine;

static inline bfn__pickle_value *bfn__pickle_at(const bfn__pickle_machine *m, uint32_t i)
{
    return (bfn__pickle_value *)m->values.items + i;
}

static inline uint32_t bfn__pickle_item(const bfn__pickle_machine *m, const bfn__pickle_value *tuple, uint32_t i)
{
    return ((const uint32_t *)m->items.items)[tuple->first + i];
}

/* The tensors below the value `root`, in order. */
bfn_status bfn__pickle_collect(const bfn__pickle_machine *m, uint32_t root, bfn__pickle *out);
/* All storages that were named. */
bfn_status bfn__pickle_collect_storages(const bfn__pickle_machine *m, bfn__pickle *out);

struct bfn__pickle {
    bfn_context *ctx;
    bfn__pickle_tensor *tensors;
    size_t n, room;
    bfn__pickle_storage *storages; /* one block, keys included */
    size_t n_storages;
};

#endif
