/* canvas.h: putting pictures together: grids, strips, enlargements, labels, and a preview for terminals.
 *
 * Everything draws into a bfn__image of 1 or 3 channels and is cut off at its edges; coordinates may be negative. A colour is red, green, blue;
 * on a grey canvas its luma, (299 r + 587 g + 114 b)/1000, is drawn. A grey picture on a coloured canvas is repeated in all
 * channels; a coloured picture cannot be put on a grey canvas (its luma is).
 */
#ifndef BFN_CANVAS_H
#define BFN_CANVAS_H

#include "io/image.h"

typedef struct bfn__colour {
    uint8_t r, g, b;
} bfn__colour;

bfn_status bfn__canvas_create(bfn_context *ctx, bfn__image *out, size_t H, size_t W, size_t C, bfn__colour background);
void bfn__canvas_fill(bfn__image *canvas, long top, long left, size_t h, size_t w, bfn__colour colour);

/* `picture` with its corner at (top, left), every pixel scale x scale of them. scale >= 1. */
void bfn__canvas_paste(bfn__image *canvas, long top, long left, const bfn__image *picture, size_t scale);

/* A grid of n equal pictures pixels [n,H,W,C], row by row, each enlarged by scale, with `padding` pixels between them and around.
 * columns 0: the smallest square that holds them; a strip is columns = n. BFN_ERR_ARGUMENT: n == 0, scale == 0, or larger than
 * the caps allow. Cells that are left over stay background. */
typedef struct bfn__grid {
    size_t n, H, W, C;
    size_t columns, scale, padding; /* scale 0: 1 */
    bfn__colour background;
} bfn__grid;

bfn_status bfn__canvas_grid(bfn_context *ctx, bfn__image *out, const bfn__grid *grid, const uint8_t *pixels);
/* Where the grid puts its cells (for labels beside them): its size, and the corner of cell i. BFN_ERR_ARGUMENT as above. */
bfn_status bfn__grid_size(bfn_context *ctx, const bfn__grid *grid, size_t *H, size_t *W);
void bfn__grid_cell(const bfn__grid *grid, size_t i, size_t *top, size_t *left);

/* ---- words ----: the built-in font: printable ASCII in cells of 6 x 8 pixels (glyphs of 5 x 7 and a pixel of space; descenders use the
 * eighth row), times scale. Other characters are drawn as a box, '\n' begins a line. */
enum { BFN__FONT_WIDTH = 6, BFN__FONT_HEIGHT = 8 };
size_t bfn__text_width(const char *text, size_t scale); /* of its longest line */
size_t bfn__text_height(const char *text, size_t scale);
void bfn__canvas_text(bfn__image *canvas, long top, long left, const char *text, size_t scale, bfn__colour colour);

/* Bit 4-x of row y (0 to 7) of a character's glyph: the pixel in column x. */
const uint8_t *bfn__font_glyph(unsigned char character);

/* ---- terminal ----: text for a terminal with 24-bit colours: two pixels a character (upper half block U+2580), reset at the end of each line.
 * The picture is reduced by a whole number (means over squares) until it fits max_columns (0: as it is). *out by bfn__free. */
bfn_status bfn__canvas_preview(bfn_context *ctx, const bfn__image *image, size_t max_columns, char **out);

#endif
