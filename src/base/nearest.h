/* nearest.h: the known name that a misspelt one was probably meant to be, for error messages. */
#ifndef BFN_NEAREST_H
#define BFN_NEAREST_H

#include <stddef.h>

/* Number of edits (insert, delete, replace, swap of neighbours) from a to b, letters compared without case. */
size_t bfn__edit_distance(const char *a, const char *b);

/* The i in [0, n) whose name(user, i) is nearest to `wrong`; n when none is near (more edits than half its length, at least 2). */
size_t bfn__nearest(const char *wrong, size_t n, const char *(*name)(const void *user, size_t i), const void *user);

#endif
