/* yaml.h: configuration files: a small, strict part of YAML as a tree with line numbers, typed getters, overrides, an emitter.
 *
 * Refused with the line: duplicate keys, anchors, aliases, tags, several documents, keys that are not plain scalars, invalid UTF-8, and
 * whatever goes beyond the caps of limits.h. All scalars stay text until a getter asks for a type, so no value changes its
 * meaning ("no", "1e3", "007"). Numbers do not depend on the locale.
 * Paths name nodes: "train.lr" is key lr of mapping train; "" is the root. All strings in the tree belong to it.
 *
 * Getters: a missing key is BFN_OK and leaves *out as it was (put the default there first): `required` is the caller's check with
 * bfn__yaml_find. A value of the wrong type or outside the range is BFN_ERR_ARGUMENT: "config.yaml: line 7: train.lr is
 * "10x", allowed: a number from 0 to 1". The tree remembers which paths were asked for; bfn__yaml_check_unknown then refuses all others.
 */
#ifndef BFN_YAML_H
#define BFN_YAML_H

#include "base/base.h"

typedef enum bfn__yaml_kind { BFN__YAML_SCALAR, BFN__YAML_MAPPING, BFN__YAML_SEQUENCE } bfn__yaml_kind;

typedef struct bfn__yaml_node {
    bfn__yaml_kind kind;
    size_t line;       /* 1 is the first; 0: set by an override, not in the file */
    const char *key;   /* in a mapping, else NULL */
    const char *value; /* scalar; "" for an empty one */
    bool quoted;       /* scalar: written in quotes or as a block: a string whatever it looks like */
    struct bfn__yaml_node *first, *last, *next; /* children, in order; the next sibling */
} bfn__yaml_node;

typedef struct bfn__yaml bfn__yaml;

/* An empty document is an empty mapping; the root must be a mapping. `label` names the source in messages. */
bfn_status bfn__yaml_parse(bfn_context *ctx, bfn__yaml **out, const void *bytes, size_t n, const char *label);
bfn_status bfn__yaml_create(bfn_context *ctx, bfn__yaml **out, const char *label); /* an empty mapping, to be filled */
void bfn__yaml_destroy(bfn__yaml *tree);                                           /* NULL is fine */

bfn__yaml_node *bfn__yaml_root(bfn__yaml *tree);
bfn__yaml_node *bfn__yaml_find(bfn__yaml *tree, const char *path); /* NULL: none; marks nothing */

/* ---- reading: out of range, wrong type: BFN_ERR_ARGUMENT; a missing key leaves *out ---- */
bfn_status bfn__yaml_get_number(bfn__yaml *tree, const char *path, double low, double high,
                                double *out); /* finite, low..high inclusive */
bfn_status bfn__yaml_get_size(bfn__yaml *tree, const char *path, size_t low, size_t high,
                              size_t *out); /* whole; 1e3 and 1_000 are not */
bfn_status bfn__yaml_get_u64(bfn__yaml *tree, const char *path, uint64_t low, uint64_t high, uint64_t *out);
bfn_status bfn__yaml_get_bool(bfn__yaml *tree, const char *path,
                              bool *out); /* true or false, yes or no, on or off (any of these in lower case) */
bfn_status bfn__yaml_get_string(bfn__yaml *tree, const char *path, const char **out); /* owned by the tree */
/* One of the names (NULL-terminated list): *out is its index. The message lists the names and suggests the nearest. */
bfn_status bfn__yaml_get_choice(bfn__yaml *tree, const char *path, const char *const *names, int *out);
/* A sequence of numbers (or one number): at most max of them; *n is how many. */
bfn_status bfn__yaml_get_numbers(bfn__yaml *tree, const char *path, double low, double high, size_t max, double *out,
                                 size_t *n);

/* Mark a path (and, with subtree, everything below it) as known without reading it. */
void bfn__yaml_allow(bfn__yaml *tree, const char *path, bool subtree);
/* BFN_ERR_ARGUMENT for the first node that nobody asked for, with its line and the nearest of the known or offered paths.
 * offered (may be NULL): NULL-terminated list of full paths that the suggestion may name besides the asked ones. */
bfn_status bfn__yaml_check_unknown(bfn__yaml *tree, const char *const *offered);

/* A BFN_ERR_ARGUMENT that names source, line and value of a path: "label: line 7: path is "value", allowed: ..." (allowed is a printf format). */
bfn_status bfn__yaml_fail(bfn__yaml *tree, const char *path, const char *allowed, ...)
    __attribute__((format(printf, 3, 4)));

/* ---- writing ---- */
/* "train.lr=1e-3": sets a scalar (replacing what was there), making the mappings above it. BFN_ERR_ARGUMENT when there is no '=', an
 * empty key, or a path through a scalar or onto a mapping. The value is text as in a plain scalar; "[1, 2]" makes a sequence of scalars. */
bfn_status bfn__yaml_set(bfn__yaml *tree, const char *assignment);
bfn_status bfn__yaml_put_string(bfn__yaml *tree, const char *path, const char *value);
bfn_status bfn__yaml_put_number(bfn__yaml *tree, const char *path,
                                double value); /* shortest digits that read back the same */
bfn_status bfn__yaml_put_u64(bfn__yaml *tree, const char *path, uint64_t value);
bfn_status bfn__yaml_put_bool(bfn__yaml *tree, const char *path, bool value);
bfn_status bfn__yaml_put_numbers(bfn__yaml *tree, const char *path, const double *values, size_t n);
/* The tree as YAML text, two spaces a level, quotes where a plain scalar would read differently. Reading it back gives the same tree.
 * *out by bfn__free. */
bfn_status bfn__yaml_emit(bfn__yaml *tree, char **out);

/* ---- numbers as text, on their own (command line options use the same rules) ---- */
/* The whole of text is a finite decimal number: [+-]digits[.digits][e[+-]digits]. false otherwise. */
bool bfn__parse_number(const char *text, double *out);
bool bfn__parse_u64(const char *text, uint64_t *out); /* digits only, fits */
enum { BFN__NUMBER_TEXT_MAX = 32 };
void bfn__format_number(double value, char out[BFN__NUMBER_TEXT_MAX]); /* shortest round trip; '.' in every locale */

#endif
