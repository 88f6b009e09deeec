/* limits.h: caps on what is read from outside that nobody can set; those that can be set are in base/limits.def: bfn__limit(). */
#ifndef BFN_LIMITS_H
#define BFN_LIMITS_H

#include "base/base.h"

#define BFN__LIMIT_JSON_INTEGER ((uint64_t)1 << 53) /* largest whole number that every JSON reader keeps exactly */
#define BFN__LIMIT_YAML_DEPTH ((size_t)16)          /* nesting of mappings and sequences of a configuration */
#define BFN__LIMIT_YAML_KEY_BYTES                                                                                      \
    ((size_t)80) /* one key, so that it stays below YAML's own bound with all of it escaped */

#endif
