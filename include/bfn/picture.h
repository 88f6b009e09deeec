/* bfn/picture.h: samples of image models as pictures: bytes, PNG, grids, films, boards of comparison, NumPy arrays, terminals.
 *
 * Pictures are uint8_t [n,H,W,C], rows from the top, C = 1 (grey) or 3 (red, green, blue). There is one way from samples to bytes:
 * p = floor(127.5 x + 128), clamped to 0..255 (the nearest level; centres of 256 bins go to their own level); classes 0 and 1 are 0 and 255.
 * All files are written atomically (BFN_ERR_WRITE); the same pictures and texts give the same bytes.
 */
#ifndef BFN_PICTURE_H
#define BFN_PICTURE_H

#include "bfn/flow.h"

#ifdef __cplusplus
extern "C" {
#endif

/* n values of samples (int32_t for discrete flows, else float) to bytes. */
BFN_API void bfn_samples_to_pixels(const bfn_flow *flow, size_t n, const void *samples, uint8_t *pixels);
/* What a network believes (bfn_sample_step.prediction) at n positions: x_hat, or grey by the probability of class 1. */
BFN_API void bfn_predictions_to_pixels(const bfn_flow *flow, size_t n, const float *prediction, uint8_t *pixels);

/* A text entry of a PNG file. key: 1 to 79 printable ASCII characters; value: UTF-8. */
typedef struct bfn_picture_text {
    const char *key, *value;
} bfn_picture_text;

typedef struct bfn_pictures {
    size_t struct_size;
    size_t n, height, width, channels;
    const uint8_t *pixels; /* [n,height,width,channels] */
    size_t columns;        /* of the grid, at most n; 0: the smallest square that holds n */
    size_t scale;          /* every pixel scale x scale; 0: sides of at least 56 */
    const bfn_picture_text *texts;
    size_t n_texts;
} bfn_pictures;

#define BFN_PICTURES_INIT                                                                                              \
    {                                                                                                                  \
        sizeof(bfn_pictures), 0, 0, 0, 0, 0, 0, 0, 0, 0                                                                \
    }

/* Pixels of the grid that bfn_pictures_save_png would write; BFN_ERR_ARGUMENT when that is larger than pictures may be (16384 a side). */
BFN_API BFN_MUST_CHECK bfn_status bfn_pictures_size(bfn_context *ctx, const bfn_pictures *pictures, size_t *height,
                                                    size_t *width);
/* A grid of all of them; a single picture stands alone, without a frame. */
BFN_API BFN_MUST_CHECK bfn_status bfn_pictures_save_png(bfn_context *ctx, const char *path,
                                                        const bfn_pictures *pictures);
/* uint8 [n,H,W,C]; in .npz as "arr_0", which is what programs that compute statistics of images expect. labels (may be NULL): int32 [n] as
 * "arr_1". Texts whose keys begin with "bfn." go into an .npz as "provenance": uint8, the bytes of a JSON object (bfn/record.h). */
BFN_API BFN_MUST_CHECK bfn_status bfn_pictures_save_npy(bfn_context *ctx, const char *path,
                                                        const bfn_pictures *pictures);
BFN_API BFN_MUST_CHECK bfn_status bfn_pictures_save_npz(bfn_context *ctx, const char *path,
                                                        const bfn_pictures *pictures, const int32_t *labels);
/* The grid (scale 0: as it is) for a terminal with 24-bit colours, at most max_columns wide: two pixels a character. *text is freed with
 * bfn_preview_free. */
BFN_API BFN_MUST_CHECK bfn_status bfn_pictures_preview(bfn_context *ctx, const bfn_pictures *pictures,
                                                       size_t max_columns, char **text);
BFN_API void bfn_preview_free(bfn_context *ctx, char *text);
/* Read a PNG file of the given size: pixels [height,width,channels]. Grey files do for colours; transparent pixels are refused.
 * BFN_ERR_INPUT names what differs. */
BFN_API BFN_MUST_CHECK bfn_status bfn_picture_load_png(bfn_context *ctx, const char *path, size_t height, size_t width,
                                                       size_t channels, uint8_t *pixels);

/* Public set i of images that training knows: where to get it, its files and their checksums, on one line; *name is its name. NULL: there is none. */
BFN_API const char *bfn_picture_source(size_t i, const char **name);

/* ---- films: grids as frames of an animated PNG ---- */
typedef struct bfn_film bfn_film;
/* first: the layout, and the texts, of all frames (its pixels are not read). */
BFN_API BFN_MUST_CHECK bfn_status bfn_film_create(bfn_context *ctx, bfn_film **out, const bfn_pictures *layout);
/* pixels [n,H,W,C], shown for so many milliseconds (at most 65535). */
BFN_API BFN_MUST_CHECK bfn_status bfn_film_add(bfn_film *film, const uint8_t *pixels, unsigned milliseconds);
BFN_API BFN_MUST_CHECK bfn_status bfn_film_save(bfn_film *film, const char *path);
BFN_API void bfn_film_destroy(bfn_film *film);

/* ---- boards: a table of grids with labels at its rows and columns ---- */
typedef struct bfn_board {
    size_t struct_size;
    const char *title; /* may be NULL */
    size_t n_rows, n_columns;
    const char *const *row_labels, *const *column_labels; /* ASCII; NULL: none */
    bfn_pictures cell;     /* layout of every cell, texts of the file; its pixels are not read */
    const uint8_t *pixels; /* [n_rows,n_columns,cell.n,H,W,C] */
} bfn_board;

#define BFN_BOARD_INIT                                                                                                 \
    {                                                                                                                  \
        sizeof(bfn_board), 0, 0, 0, 0, 0, BFN_PICTURES_INIT, 0                                                         \
    }

/* As bfn_pictures_size. */
BFN_API BFN_MUST_CHECK bfn_status bfn_board_size(bfn_context *ctx, const bfn_board *board, size_t *height,
                                                 size_t *width);
BFN_API BFN_MUST_CHECK bfn_status bfn_board_save_png(bfn_context *ctx, const char *path, const bfn_board *board);

#ifdef __cplusplus
}
#endif
#endif
