/* png.h: PNG files: any kind in, grey or RGB of 8 bits out. Parsers take bytes. */
#ifndef BFN_PNG_H
#define BFN_PNG_H

#include "io/image.h"

/* A text entry: key 1 to 79 characters of printable ASCII without leading, trailing or double spaces; value UTF-8 without NUL.
 * Stored as tEXt where the value is ASCII, as iTXt otherwise, in the given order; entries of empty
 * value are left out. */
typedef struct bfn__png_text {
    const char *key, *value;
} bfn__png_text;

bool bfn__is_png(const void *bytes, size_t n); /* the signature */

/* Grey stays grey (C = 1); RGB and palettes are RGB (C = 3), 1, 2, 4 bits are spread over 0..255, 16 bits rounded to 8.
 * Alpha and transparent colours are dropped where every pixel is opaque, else BFN_ERR_INPUT names the first that is not. Sample values
 * are taken as stored (gamma and colour profiles are not applied). Of an animation the still image is read.
 * BFN_ERR_INPUT: broken, cut off, any bad checksum, sides beyond the caps, more pixels than the file's bytes can hold. out by bfn__image_free. */
bfn_status bfn__png_decode(bfn_context *ctx, const void *bytes, size_t n, const char *label, bfn__image *out);
bfn_status bfn__png_load(bfn_context *ctx, const char *path, bfn__image *out);

/* The value of a text entry of a PNG file (tEXt or uncompressed iTXt); BFN_OK and *out NULL when there is none. *out by bfn__free. */
bfn_status bfn__png_read_text(bfn_context *ctx, const void *bytes, size_t n, const char *label, const char *key,
                              char **out);

/* The same picture and texts give the same bytes (of one version of zlib). BFN_ERR_ARGUMENT: a bad key or value. *out by bfn__free. */
bfn_status bfn__png_encode(bfn_context *ctx, const bfn__image *image, const bfn__png_text *texts, size_t n_texts,
                           char **out, size_t *n_out);
/* Atomically (file.h). */
bfn_status bfn__png_save(bfn_context *ctx, const char *path, const bfn__image *image, const bfn__png_text *texts,
                         size_t n_texts);

/* Chunks of a PNG file, one after the other: length, type, data, CRC. */
typedef struct bfn__png_chunk {
    char type[5];
    const unsigned char *data, *whole; /* whole: from its length field */
    size_t n, n_whole;
    size_t next; /* offset of the chunk behind it */
} bfn__png_chunk;

/* The value's place in a text entry (tEXt or uncompressed iTXt) of this key; NULL: it is another chunk. */
const unsigned char *bfn__png_chunk_text(const bfn__png_chunk *chunk, const char *key, size_t *n);

/* The chunk at *offset (8: the first). BFN_ERR_INPUT: cut off, or its CRC is wrong. */
bfn_status bfn__png_next_chunk(bfn_context *ctx, const void *bytes, size_t n, const char *label, size_t offset,
                               bfn__png_chunk *out);

#endif
