/* yaml_tree.h: what the parts of the YAML reader and writer share. Nodes and strings live in an arena that dies with the tree. */
#ifndef BFN_YAML_TREE_H
#define BFN_YAML_TREE_H

#include "io/yaml.h"

typedef struct bfn__yaml_chunk {
    struct bfn__yaml_chunk *next;
    size_t used, room;
} bfn__yaml_chunk;

/* A path that a getter asked for, in the file or not. */
typedef struct bfn__yaml_asked {
    const char *path;
    bool subtree;
    struct bfn__yaml_asked *next;
} bfn__yaml_asked;

struct bfn__yaml {
    bfn_context *ctx;
    const char *label;
    bfn__yaml_node *root;
    bfn__yaml_chunk *chunks;
    bfn__yaml_asked *asked;
    size_t n_nodes;
    bool failed; /* out of memory in a function that cannot say so */
};

void *bfn__yaml_take(bfn__yaml *tree, size_t bytes);                  /* zeroed, 16-byte aligned; NULL: message set */
const char *bfn__yaml_text(bfn__yaml *tree, const char *s, size_t n); /* a copy, closed by NUL */
bfn_status bfn__yaml_new(bfn__yaml *tree, bfn__yaml_kind kind, const char *key, size_t line, bfn__yaml_node **out);
bfn__yaml_node *bfn__yaml_child(const bfn__yaml_node *node, const char *key, size_t n_key);
void bfn__yaml_append(bfn__yaml_node *parent, bfn__yaml_node *child);

#endif
