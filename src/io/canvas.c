/* canvas.c: drawing whole pixels: rectangles, pictures, words; grids of pictures; a picture as coloured characters.
 *
 * There is one primitive, a rectangle cut off at the canvas's edges; an enlarged pixel and a font's dot are such rectangles. The preview
 * uses U+2580, the upper half block: its foreground is the upper of two pixels and its background the lower, so that pixels come
 * out nearly square. Colours are only told where they change.
 */
#include "io/canvas.h"

#include "io/limits.h"

#include <stdio.h>
#include <string.h>

/* ---- rectangles ---- */

static uint8_t luma(bfn__colour c)
{
    return (uint8_t)((299u * c.r + 587u * c.g + 114u * c.b + 500u) / 1000u);
}

/* [begin, begin + n) cut to [0, size): *first and how many are left. */
static size_t cut(long begin, size_t n, size_t size, size_t *first)
{
    size_t lost = begin < 0 ? (size_t)0 - (size_t)begin : 0;
    *first = begin < 0 ? 0 : (size_t)begin;
    if (lost >= n || *first >= size)
        return 0;
    n -= lost;
    return n < size - *first ? n : size - *first;
}

void bfn__canvas_fill(bfn__image *canvas, long top, long left, size_t h, size_t w, bfn__colour colour)
{
    size_t y0, x0, C = canvas->C;
    h = cut(top, h, canvas->H, &y0);
    w = cut(left, w, canvas->W, &x0);
    uint8_t value[3] = {colour.r, colour.g, colour.b};
    if (C == 1)
        value[0] = luma(colour);
    for (size_t y = y0; y < y0 + h; y++)
        for (size_t x = x0; x < x0 + w; x++)
            memcpy(canvas->pixels + (y * canvas->W + x) * C, value, C);
}

bfn_status bfn__canvas_create(bfn_context *ctx, bfn__image *out, size_t H, size_t W, size_t C, bfn__colour background)
{
    bfn_status status = bfn__image_create(ctx, out, H, W, C);
    if (status == BFN_OK)
        bfn__canvas_fill(out, 0, 0, H, W, background);
    return status;
}

static bfn__colour pixel_at(const bfn__image *image, size_t y, size_t x)
{
    const uint8_t *p = image->pixels + (y * image->W + x) * image->C;
    return image->C == 1 ? (bfn__colour){p[0], p[0], p[0]} : (bfn__colour){p[0], p[1], p[2]};
}

void bfn__canvas_paste(bfn__image *canvas, long top, long left, const bfn__image *picture, size_t scale)
{
    for (size_t y = 0; y < picture->H; y++)
        for (size_t x = 0; x < picture->W; x++)
            bfn__canvas_fill(canvas, top + (long)(y * scale), left + (long)(x * scale), scale, scale,
                             pixel_at(picture, y, x));
}

/* ---- grids ---- */

static size_t n_columns(const bfn__grid *g)
{
    size_t columns = g->columns;
    if (columns == 0)
        for (columns = 1; columns * columns < g->n;)
            columns++;
    return columns;
}

static size_t scale_of(const bfn__grid *g)
{
    return g->scale > 0 ? g->scale : 1;
}

/* cells * (size * scale + padding) + padding; false beyond the cap of a side. */
static bool side(const bfn_context *ctx, const bfn__grid *g, size_t cells, size_t size, size_t *out)
{
    size_t scaled;
    return bfn__size_mul(size, scale_of(g), &scaled) && bfn__size_add(scaled, g->padding, &scaled) &&
           bfn__size_mul(cells, scaled, &scaled) && bfn__size_add(scaled, g->padding, out) &&
           *out <= bfn__limit(ctx, BFN__CAP_IMAGE_SIDE);
}

bfn_status bfn__grid_size(bfn_context *ctx, const bfn__grid *grid, size_t *H, size_t *W)
{
    *H = *W = 0;
    if (grid->n == 0 || grid->n > bfn__limit(ctx, BFN__CAP_IMAGE_BYTES) || grid->H == 0 || grid->W == 0)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT,
                         "a grid of %zu pictures of %zu x %zu pixels, allowed: at least 1, 1 x 1", grid->n, grid->H,
                         grid->W);
    size_t columns = n_columns(grid), rows = (grid->n - 1) / columns + 1;
    if (!side(ctx, grid, rows, grid->H, H) || !side(ctx, grid, columns, grid->W, W))
        return bfn__fail(ctx, BFN_ERR_ARGUMENT,
                         "a grid of %zu x %zu pictures of %zu x %zu pixels times %zu, allowed: sides up to %zu", rows,
                         columns, grid->H, grid->W, scale_of(grid), bfn__limit(ctx, BFN__CAP_IMAGE_SIDE));
    return BFN_OK;
}

void bfn__grid_cell(const bfn__grid *grid, size_t i, size_t *top, size_t *left)
{
    size_t columns = n_columns(grid), scale = scale_of(grid);
    *top = grid->padding + i / columns * (grid->H * scale + grid->padding);
    *left = grid->padding + i % columns * (grid->W * scale + grid->padding);
}

bfn_status bfn__canvas_grid(bfn_context *ctx, bfn__image *out, const bfn__grid *grid, const uint8_t *pixels)
{
    size_t H, W, top, left, D = grid->H * grid->W * grid->C;
    *out = (bfn__image){0};
    bfn_status status = bfn__grid_size(ctx, grid, &H, &W);
    if (status == BFN_OK)
        status = bfn__canvas_create(ctx, out, H, W, grid->C, grid->background);
    for (size_t i = 0; status == BFN_OK && i < grid->n; i++) {
        bfn__image picture = {grid->H, grid->W, grid->C, (uint8_t *)(pixels + i * D)};
        bfn__grid_cell(grid, i, &top, &left);
        bfn__canvas_paste(out, (long)top, (long)left, &picture, scale_of(grid));
    }
    return status;
}

/* ---- words ---- */

size_t bfn__text_width(const char *text, size_t scale)
{
    size_t longest = 0, n = 0;
    for (; *text != '\0'; text++) {
        n = *text == '\n' ? 0 : n + 1;
        longest = n > longest ? n : longest;
    }
    return longest * BFN__FONT_WIDTH * scale;
}

size_t bfn__text_height(const char *text, size_t scale)
{
    size_t lines = 1;
    for (; *text != '\0'; text++)
        lines += *text == '\n';
    return lines * BFN__FONT_HEIGHT * scale;
}

static void draw_glyph(bfn__image *canvas, long top, long left, const uint8_t *rows, size_t scale, bfn__colour colour)
{
    for (size_t y = 0; y < BFN__FONT_HEIGHT; y++)
        for (size_t x = 0; x + 1 < BFN__FONT_WIDTH; x++)
            if ((rows[y] >> (4 - x) & 1) != 0)
                bfn__canvas_fill(canvas, top + (long)(y * scale), left + (long)(x * scale), scale, scale, colour);
}

void bfn__canvas_text(bfn__image *canvas, long top, long left, const char *text, size_t scale, bfn__colour colour)
{
    for (long x = left; *text != '\0'; text++) {
        if (*text == '\n') {
            top += (long)(BFN__FONT_HEIGHT * scale);
            x = left;
            continue;
        }
        draw_glyph(canvas, top, x, bfn__font_glyph((unsigned char)*text), scale, colour);
        x += (long)(BFN__FONT_WIDTH * scale);
    }
}

/* ---- terminal ---- */

/* Mean colour of the square [y, y+side) x [x, x+side), cut at the edges. */
static bfn__colour mean_colour(const bfn__image *image, size_t y, size_t x, size_t square)
{
    size_t sum[3] = {0}, n = 0;
    for (size_t v = y; v < y + square && v < image->H; v++)
        for (size_t u = x; u < x + square && u < image->W; u++, n++) {
            bfn__colour c = pixel_at(image, v, u);
            sum[0] += c.r;
            sum[1] += c.g;
            sum[2] += c.b;
        }
    return (bfn__colour){(uint8_t)((sum[0] + n / 2) / n), (uint8_t)((sum[1] + n / 2) / n),
                         (uint8_t)((sum[2] + n / 2) / n)};
}

static bool same(bfn__colour a, bfn__colour b)
{
    return a.r == b.r && a.g == b.g && a.b == b.b;
}

enum { CELL_BYTES = 48 }; /* two colours of at most 19 bytes, three of the block, and some */

static char *put_colour(char *out, int layer, bfn__colour c)
{
    return out +
           snprintf(out, CELL_BYTES / 2, "\x1b[%d;2;%u;%u;%um", layer, (unsigned)c.r, (unsigned)c.g, (unsigned)c.b);
}

/* One line of characters: rows of squares at y and below it. */
static char *put_line(char *out, const bfn__image *image, size_t y, size_t square)
{
    bfn__colour upper = {0}, lower = {0};
    bool has_lower = y + square < image->H;
    for (size_t x = 0; x < image->W; x += square) {
        bfn__colour a = mean_colour(image, y, x, square), b = has_lower ? mean_colour(image, y + square, x, square) : a;
        if (x == 0 || !same(a, upper))
            out = put_colour(out, 38, a);
        if (has_lower && (x == 0 || !same(b, lower)))
            out = put_colour(out, 48, b);
        upper = a;
        lower = b;
        memcpy(out, "\xe2\x96\x80", 3);
        out += 3;
    }
    memcpy(out, "\x1b[0m\n", 5);
    return out + 5;
}

bfn_status bfn__canvas_preview(bfn_context *ctx, const bfn__image *image, size_t max_columns, char **out)
{
    size_t square = max_columns > 0 ? (image->W - 1) / max_columns + 1 : 1;
    size_t columns = (image->W - 1) / square + 1, lines = ((image->H - 1) / square + 2) / 2;
    *out = bfn__calloc(ctx, lines * (columns * CELL_BYTES + 8) + CELL_BYTES, 1);
    if (*out == NULL)
        return BFN_ERR_MEMORY;
    char *at = *out;
    for (size_t y = 0; y < image->H; y += 2 * square)
        at = put_line(at, image, y, square);
    return BFN_OK;
}
