/* apng.h: films: animated PNG. Readers that do not know the extension show the first frame.
 *
 *   bfn__apng *film;
 *   bfn__apng_create(ctx, &film, H, W, C, texts, n_texts);
 *   bfn__apng_add(film, pixels, 100);            ... once a frame
 *   bfn__apng_save(film, "film.png");
 *   bfn__apng_destroy(film);
 *
 * Frames are compressed as they come, so that a long film takes the memory of its file and not that of its pixels.
 */
#ifndef BFN_APNG_H
#define BFN_APNG_H

#include "io/png.h"

typedef struct bfn__apng bfn__apng;

/* Frames are uint8 [H,W,C]. texts as in png.h; copied. The film repeats for ever. */
bfn_status bfn__apng_create(bfn_context *ctx, bfn__apng **out, size_t H, size_t W, size_t C, const bfn__png_text *texts,
                            size_t n_texts);
/* One more frame, shown for `milliseconds` (0 to 65535). */
bfn_status bfn__apng_add(bfn__apng *film, const uint8_t *pixels, unsigned milliseconds);
size_t bfn__apng_n_frames(const bfn__apng *film);
/* The file so far, at least one frame: bytes (by bfn__free), or atomically to a path. More frames may follow. */
bfn_status bfn__apng_encode(bfn__apng *film, char **out, size_t *n_out);
bfn_status bfn__apng_save(bfn__apng *film, const char *path);
void bfn__apng_destroy(bfn__apng *film); /* NULL is fine */

#endif
