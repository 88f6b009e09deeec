/* helper_png.h: a PNG reader and writer for tests that shares nothing with the library: chunks, CRC and filters by hand, zlib for the rest. */
#ifndef HELPER_PNG_H
#define HELPER_PNG_H

#include <stddef.h>
#include <stdint.h>

/* A file under construction, on the heap: free(bytes). */
typedef struct png_file {
    unsigned char *bytes;
    size_t n;
} png_file;

void png_begin(png_file *file); /* the signature */
void png_chunk(png_file *file, const char *type, const void *data, size_t n);
void png_header(png_file *file, uint32_t width, uint32_t height, int depth, int colour_type, int interlace);
/* IDAT of `rows` rows of row_bytes, each with filter byte 0. */
void png_data(png_file *file, const uint8_t *pixels, size_t rows, size_t row_bytes);
void png_end(png_file *file);

/* Sets the CRC of the chunk at offset anew, after a test changed it. */
void png_repair(unsigned char *bytes, size_t offset);

/* The data of the zlib streams in the IDAT chunks (frame 0) or the fdAT chunks of frame number `frame` of an APNG; unfiltered: [H, row_bytes].
 * bpp: bytes a pixel. Fails the test when anything is wrong: CRC, sequence numbers, sizes. free() it. */
uint8_t *png_frame(const unsigned char *bytes, size_t n, size_t frame, size_t H, size_t row_bytes, size_t bpp);

#endif
