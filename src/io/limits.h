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
#define BFN__LIMIT_LOG_BYTES ((size_t)1 << 30)         /* log.jsonl and samples.txt of a run that is resumed: 1 GiB */
#define BFN__LIMIT_YAML_BYTES ((size_t)1 << 20)        /* a configuration file: 1 MiB */
#define BFN__LIMIT_YAML_KEY_BYTES                                                                                      \
    ((size_t)80)                           /* one key, so that it stays below YAML's own bound with all of it escaped */
#define BFN__LIMIT_YAML_DEPTH ((size_t)16) /* nesting of mappings and sequences */
#define BFN__LIMIT_YAML_NODES ((size_t)10000)         /* keys and values together */
#define BFN__LIMIT_IMAGE_SIDE ((size_t)16384)         /* height or width of one picture */
#define BFN__LIMIT_IMAGE_BYTES ((size_t)1 << 30)      /* its pixels: 1 GiB */
#define BFN__LIMIT_IMAGESET_BYTES ((size_t)1 << 36)   /* pixels of a data set, and any of its files inflated: 64 GiB */
#define BFN__LIMIT_IMAGESET_FILES ((size_t)10000000)  /* pictures in a folder */
#define BFN__LIMIT_CLASSES ((size_t)65536)            /* sub-folders that are classes */
#define BFN__LIMIT_PNG_FILE_BYTES ((size_t)1 << 30)   /* a PNG file: 1 GiB */
#define BFN__LIMIT_PNG_TEXT_BYTES ((size_t)1 << 20)   /* one text entry of a PNG file: 1 MiB */
#define BFN__LIMIT_APNG_FRAMES ((size_t)100000)       /* pictures of a film */
#define BFN__LIMIT_NPY_HEADER_BYTES ((size_t)1 << 16) /* the dict in front of an array */
#define BFN__LIMIT_NPZ_BYTES ((size_t)1 << 34)        /* the arrays of an .npz file, inflated: 16 GiB */
#define BFN__LIMIT_NPZ_ENTRIES ((size_t)10000)        /* arrays in it */
#define BFN__LIMIT_PICKLE_BYTES ((size_t)1 << 28)     /* the description of a PyTorch checkpoint's tensors: 256 MiB */
#define BFN__LIMIT_PICKLE_VALUES ((size_t)1 << 24)    /* values in it (about 40 bytes of memory each) */
#define BFN__LIMIT_TORCH_BYTES ((size_t)1 << 36)      /* what is unpacked or reordered of one: 64 GiB */
#define BFN__LIMIT_TORCH_ENTRIES ((size_t)1000100)    /* files inside a PyTorch checkpoint: a storage each */

#endif
