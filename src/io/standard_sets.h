/* standard_sets.h: what is known of the public data sets: names, classes, checksums, where they come from. */
#ifndef BFN_STANDARD_SETS_H
#define BFN_STANDARD_SETS_H

#include <stddef.h>

typedef struct bfn__standard_set {
    const char *name;         /* "mnist" */
    const char *word;         /* a path that holds it, in any case, means this set (the first of the table that fits) */
    const char *train_sha256; /* of its training images, inflated; NULL: told by its layout */
    const char *classes[10];
    const char *where; /* one line: where to get it, its files and their checksums */
} bfn__standard_set;

const bfn__standard_set *bfn__standard_set_number(size_t i);              /* NULL: there are no more */
const bfn__standard_set *bfn__standard_set_of_path(const char *path);     /* NULL: none */
const bfn__standard_set *bfn__standard_set_of_images(const char *sha256); /* NULL: none */
const bfn__standard_set *bfn__standard_set_named(const char *name);       /* NULL: none */

#endif
