/* limits.h: the hard caps of everything that is read from outside. A file that goes beyond one is refused before memory is spent on it. */
#ifndef BFN_LIMITS_H
#define BFN_LIMITS_H

#include <stddef.h>
#include <stdint.h>

#define BFN__LIMIT_FILE_BYTES ((size_t)1 << 38)        /* a safetensors file: 256 GiB, mapped and not copied */
#define BFN__LIMIT_ST_HEADER_BYTES ((size_t)100000000) /* its JSON header; the format's own bound */
#define BFN__LIMIT_ST_TENSORS ((size_t)1000000)        /* tensors in one file (about 110 bytes of memory each) */
#define BFN__LIMIT_ST_METADATA ((size_t)100000)        /* entries of __metadata__ */
#define BFN__LIMIT_JSON_INTEGER ((uint64_t)1 << 53)    /* largest whole number that every JSON reader keeps exactly */
#define BFN__LIMIT_TEXT_BYTES ((size_t)1 << 34)        /* a text file: 16 GiB */
#define BFN__LIMIT_INFLATED_BYTES ((size_t)1 << 31)    /* what a gzip file may unfold to: 2 GiB */
#define BFN__LIMIT_ALPHABET ((size_t)65536)            /* different characters of a text, padding included */
#define BFN__LIMIT_YAML_BYTES ((size_t)1 << 20)        /* a configuration file: 1 MiB */
#define BFN__LIMIT_YAML_DEPTH ((size_t)16)             /* nesting of mappings and sequences */
#define BFN__LIMIT_YAML_NODES ((size_t)10000)          /* keys and values together */

#endif
