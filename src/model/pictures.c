/* pictures.c: samples of image models as pictures: the public face of io/{image,png,apng,npz,canvas}.h.
 *
 * Layout of a grid: 2 pixels between pictures and around them. A board is a table of such grids: title on top, a label above each column
 * and to the left of each row, dark words on white.
 */
#include "bfn/record.h"

#include "io/apng.h"
#include "io/canvas.h"
#include "io/limits.h"
#include "io/npz.h"
#include "io/standard_sets.h"

#include <string.h>

enum { PADDING = 2, LEAST_SIDE = 56, GAP = 8, LABEL_SCALE = 2 };
static const bfn__colour white = {255, 255, 255}, ink = {32, 32, 32}, between = {128, 128, 128};

void bfn_samples_to_pixels(const bfn_flow *flow, size_t n, const void *samples, uint8_t *pixels)
{
    if (flow->kind != BFN_DATA_DISCRETE) {
        bfn__quantise_all(n, samples, pixels);
        return;
    }
    const int32_t *classes = samples;
    for (size_t i = 0; i < n; i++)
        pixels[i] = classes[i] != 0 ? 255 : 0;
}

void bfn_predictions_to_pixels(const bfn_flow *flow, size_t n, const float *prediction, uint8_t *pixels)
{
    size_t K = bfn_flow_state_width(flow);
    if (flow->kind != BFN_DATA_DISCRETE) {
        bfn__quantise_all(n, prediction, pixels);
        return;
    }
    for (size_t i = 0; i < n; i++)
        pixels[i] = bfn__quantise(2.0f * prediction[i * K + 1] - 1.0f);
}

static bfn_status check(bfn_context *ctx, const bfn_pictures *p)
{
    if (p->struct_size != sizeof *p)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "pictures: struct_size %zu, needs %zu", p->struct_size, sizeof *p);
    if (p->n == 0 || p->height == 0 || p->width == 0 || (p->channels != 1 && p->channels != 3))
        return bfn__fail(ctx, BFN_ERR_ARGUMENT,
                         "pictures: found %zu of %zu x %zu x %zu, needs at least one with 1 or 3 channels", p->n,
                         p->height, p->width, p->channels);
    return BFN_OK;
}

static bfn__grid grid_of(const bfn_pictures *p)
{
    size_t side = p->height > p->width ? p->height : p->width, scale = p->scale;
    if (scale == 0)
        scale = side < LEAST_SIDE ? (LEAST_SIDE + side - 1) / side : 1;
    return (bfn__grid){.n = p->n,
                       .H = p->height,
                       .W = p->width,
                       .C = p->channels,
                       .columns = p->columns < p->n ? p->columns : p->n,
                       .scale = scale,
                       .padding = p->n == 1 ? 0 : PADDING,
                       .background = between};
}

/* The file's texts, and who wrote it in front of them. *out by bfn__free. */
static bfn_status texts_of(bfn_context *ctx, const bfn_pictures *p, bfn__png_text **out, size_t *n)
{
    *n = p->n_texts + 1;
    *out = bfn__calloc(ctx, *n, sizeof **out);
    if (*out == NULL)
        return BFN_ERR_MEMORY;
    (*out)[0] = (bfn__png_text){"Software", "bfn"};
    for (size_t i = 0; i < p->n_texts; i++)
        (*out)[i + 1] = (bfn__png_text){p->texts[i].key, p->texts[i].value};
    return BFN_OK;
}

static bfn_status save_image(bfn_context *ctx, const char *path, const bfn__image *image, const bfn_pictures *p)
{
    bfn__png_text *texts;
    size_t n;
    bfn_status status = texts_of(ctx, p, &texts, &n);
    if (status == BFN_OK)
        status = bfn__png_save(ctx, path, image, texts, n);
    bfn__free(ctx, texts);
    return status;
}

bfn_status bfn_pictures_size(bfn_context *ctx, const bfn_pictures *pictures, size_t *height, size_t *width)
{
    bfn_status status = check(ctx, pictures);
    if (status != BFN_OK)
        return status;
    const bfn__grid grid = grid_of(pictures);
    return bfn__grid_size(ctx, &grid, height, width);
}

bfn_status bfn_pictures_save_png(bfn_context *ctx, const char *path, const bfn_pictures *pictures)
{
    bfn__image image = {0};
    bfn_status status = check(ctx, pictures);
    if (status != BFN_OK)
        return status;
    const bfn__grid grid = grid_of(pictures);
    status = bfn__canvas_grid(ctx, &image, &grid, pictures->pixels);
    if (status == BFN_OK)
        status = save_image(ctx, path, &image, pictures);
    bfn__image_free(ctx, &image);
    return status;
}

bfn_status bfn_pictures_save_npy(bfn_context *ctx, const char *path, const bfn_pictures *p)
{
    const size_t shape[] = {p->n, p->height, p->width, p->channels};
    bfn_status status = check(ctx, p);
    return status == BFN_OK ? bfn__npy_save(ctx, path, BFN__DTYPE_U8, 4, shape, p->pixels) : status;
}

/* The texts "bfn.<key>" as JSON; *out NULL: there are none. */
static bfn_status provenance(bfn_context *ctx, const bfn_pictures *p, bfn_record **record, char **out)
{
    *out = NULL;
    bfn_status status = bfn_record_create(ctx, record);
    for (size_t i = 0; i < p->n_texts && status == BFN_OK; i++)
        if (strncmp(p->texts[i].key, "bfn.", 4) == 0)
            status = bfn_record_set(*record, p->texts[i].key + 4, p->texts[i].value);
    return status == BFN_OK && bfn_record_n(*record) > 0 ? bfn_record_json(*record, out) : status;
}

static bfn__st_tensor tensor(const char *name, bfn__dtype dtype, size_t n, const void *data)
{
    return (bfn__st_tensor){.name = name,
                            .dtype = dtype,
                            .rank = 1,
                            .shape = {n},
                            .count = n,
                            .bytes = n * bfn__dtype_size(dtype),
                            .data = data};
}

bfn_status bfn_pictures_save_npz(bfn_context *ctx, const char *path, const bfn_pictures *p, const int32_t *labels)
{
    bfn_status status = check(ctx, p);
    if (status != BFN_OK)
        return status;
    bfn_record *record = NULL;
    char *json = NULL;
    status = provenance(ctx, p, &record, &json);
    bfn__st_tensor tensors[3];
    size_t n = 0;
    tensors[n] = tensor("arr_0", BFN__DTYPE_U8, p->n * p->height * p->width * p->channels, p->pixels);
    tensors[n].rank = 4;
    memcpy(tensors[n++].shape, (const size_t[]){p->n, p->height, p->width, p->channels}, 4 * sizeof(size_t));
    if (labels != NULL)
        tensors[n++] = tensor("arr_1", BFN__DTYPE_I32, p->n, labels);
    if (json != NULL)
        tensors[n++] = tensor("provenance", BFN__DTYPE_U8, strlen(json), json);
    if (status == BFN_OK)
        status = bfn__npz_save(ctx, path, tensors, n, true);
    if (json != NULL)
        bfn_record_free_text(record, json);
    bfn_record_destroy(record);
    return status;
}

bfn_status bfn_pictures_preview(bfn_context *ctx, const bfn_pictures *pictures, size_t max_columns, char **text)
{
    bfn__image image = {0};
    *text = NULL;
    bfn_status status = check(ctx, pictures);
    if (status != BFN_OK)
        return status;
    bfn__grid grid = grid_of(pictures);
    grid.scale = pictures->scale > 0 ? pictures->scale : 1;
    status = bfn__canvas_grid(ctx, &image, &grid, pictures->pixels);
    if (status == BFN_OK)
        status = bfn__canvas_preview(ctx, &image, max_columns, text);
    bfn__image_free(ctx, &image);
    return status;
}

void bfn_preview_free(bfn_context *ctx, char *text)
{
    bfn__free(ctx, text);
}

bfn_status bfn_picture_load_png(bfn_context *ctx, const char *path, size_t height, size_t width, size_t channels,
                                uint8_t *pixels)
{
    bfn__image image = {0};
    bfn_status status = bfn__png_load(ctx, path, &image);
    if (status != BFN_OK)
        return status;
    if (image.H != height || image.W != width || (image.C != channels && image.C != 1))
        status = bfn__fail(ctx, BFN_ERR_INPUT, "%s: is %zu x %zu x %zu, needs %zu x %zu x %zu", path, image.H, image.W,
                           image.C, height, width, channels);
    for (size_t i = 0; status == BFN_OK && i < height * width * channels; i++)
        pixels[i] = image.pixels[i * image.C / channels]; /* grey is the same in all channels */
    bfn__image_free(ctx, &image);
    return status;
}

/* ---- films ---- */

struct bfn_film {
    bfn_context *ctx;
    bfn__grid grid;
    bfn__apng *apng;
};

bfn_status bfn_film_create(bfn_context *ctx, bfn_film **out, const bfn_pictures *layout)
{
    *out = NULL;
    bfn_status status = check(ctx, layout);
    if (status != BFN_OK)
        return status;
    bfn_film *film = bfn__calloc(ctx, 1, sizeof *film);
    if (film == NULL)
        return BFN_ERR_MEMORY;
    *film = (bfn_film){.ctx = ctx, .grid = grid_of(layout)};
    bfn__png_text *texts = NULL;
    size_t height, width, n;
    status = bfn__grid_size(ctx, &film->grid, &height, &width);
    if (status == BFN_OK)
        status = texts_of(ctx, layout, &texts, &n);
    if (status == BFN_OK)
        status = bfn__apng_create(ctx, &film->apng, height, width, layout->channels, texts, n);
    bfn__free(ctx, texts);
    if (status != BFN_OK) {
        bfn_film_destroy(film);
        return status;
    }
    *out = film;
    return BFN_OK;
}

bfn_status bfn_film_add(bfn_film *film, const uint8_t *pixels, unsigned milliseconds)
{
    bfn__image frame = {0};
    bfn_status status = bfn__canvas_grid(film->ctx, &frame, &film->grid, pixels);
    if (status == BFN_OK)
        status = bfn__apng_add(film->apng, frame.pixels, milliseconds);
    bfn__image_free(film->ctx, &frame);
    return status;
}

bfn_status bfn_film_save(bfn_film *film, const char *path)
{
    return bfn__apng_save(film->apng, path);
}

void bfn_film_destroy(bfn_film *film)
{
    if (film == NULL)
        return;
    bfn__apng_destroy(film->apng);
    bfn__free(film->ctx, film);
}

/* ---- boards ---- */

/* Where things are on a board. */
typedef struct board_layout {
    bfn__grid grid;
    size_t cell_height, cell_width; /* of a cell's grid */
    size_t top, left;               /* of the first cell */
    size_t step;                    /* from column to column */
    size_t height, width;
} board_layout;

static size_t widest(const char *const *labels, size_t n)
{
    size_t most = 0;
    for (size_t i = 0; labels != NULL && i < n; i++) {
        size_t width = bfn__text_width(labels[i], LABEL_SCALE);
        most = width > most ? width : most;
    }
    return most;
}

static bfn_status lay_out(bfn_context *ctx, const bfn_board *b, board_layout *l)
{
    size_t line = bfn__text_height("x", LABEL_SCALE), label = widest(b->column_labels, b->n_columns);
    l->grid = grid_of(&b->cell);
    bfn_status status = bfn__grid_size(ctx, &l->grid, &l->cell_height, &l->cell_width);
    if (status != BFN_OK)
        return status;
    l->step = (label > l->cell_width ? label : l->cell_width) + GAP; /* a narrow column is as wide as its label */
    l->top = GAP + (b->title != NULL ? line + GAP : 0) + (b->column_labels != NULL ? line + GAP : 0);
    l->left = GAP + (b->row_labels != NULL ? widest(b->row_labels, b->n_rows) + GAP : 0);
    l->height = l->top + b->n_rows * (l->cell_height + GAP);
    l->width = l->left + b->n_columns * l->step;
    if (b->title != NULL && bfn__text_width(b->title, LABEL_SCALE) + 2 * GAP > l->width)
        l->width = bfn__text_width(b->title, LABEL_SCALE) + 2 * GAP;
    return BFN_OK;
}

static void put_labels(bfn__image *canvas, const bfn_board *b, const board_layout *l)
{
    size_t line = bfn__text_height("x", LABEL_SCALE);
    if (b->title != NULL)
        bfn__canvas_text(canvas, GAP, GAP, b->title, LABEL_SCALE, ink);
    for (size_t c = 0; b->column_labels != NULL && c < b->n_columns; c++)
        bfn__canvas_text(canvas, (long)(l->top - GAP - line), (long)(l->left + c * l->step), b->column_labels[c],
                         LABEL_SCALE, ink);
    for (size_t r = 0; b->row_labels != NULL && r < b->n_rows; r++)
        bfn__canvas_text(canvas, (long)(l->top + r * (l->cell_height + GAP) + (l->cell_height - line) / 2), GAP,
                         b->row_labels[r], LABEL_SCALE, ink);
}

static bfn_status put_cells(bfn_context *ctx, bfn__image *canvas, const bfn_board *b, const board_layout *l)
{
    size_t each = b->cell.n * b->cell.height * b->cell.width * b->cell.channels;
    bfn_status status = BFN_OK;
    for (size_t i = 0; i < b->n_rows * b->n_columns && status == BFN_OK; i++) {
        bfn__image cell = {0};
        size_t r = i / b->n_columns, c = i % b->n_columns;
        status = bfn__canvas_grid(ctx, &cell, &l->grid, b->pixels + i * each);
        if (status == BFN_OK)
            bfn__canvas_paste(canvas, (long)(l->top + r * (l->cell_height + GAP)), (long)(l->left + c * l->step), &cell,
                              1);
        bfn__image_free(ctx, &cell);
    }
    return status;
}

static bfn_status check_board(bfn_context *ctx, const bfn_board *board, board_layout *layout)
{
    if (board->struct_size != sizeof *board)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "board: struct_size %zu, needs %zu", board->struct_size, sizeof *board);
    if (board->n_rows == 0 || board->n_columns == 0)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "board: found %zu rows and %zu columns, needs one of each at least",
                         board->n_rows, board->n_columns);
    bfn_status status = check(ctx, &board->cell);
    if (status == BFN_OK)
        status = lay_out(ctx, board, layout);
    if (status == BFN_OK &&
        (layout->height > bfn__limit(ctx, BFN__CAP_IMAGE_SIDE) || layout->width > bfn__limit(ctx, BFN__CAP_IMAGE_SIDE)))
        status = bfn__fail(ctx, BFN_ERR_ARGUMENT, "board: %zu x %zu pixels, allowed: sides up to %zu", layout->height,
                           layout->width, bfn__limit(ctx, BFN__CAP_IMAGE_SIDE));
    return status;
}

bfn_status bfn_board_size(bfn_context *ctx, const bfn_board *board, size_t *height, size_t *width)
{
    board_layout layout = {0};
    bfn_status status = check_board(ctx, board, &layout);
    *height = layout.height;
    *width = layout.width;
    return status;
}

bfn_status bfn_board_save_png(bfn_context *ctx, const char *path, const bfn_board *board)
{
    board_layout layout;
    bfn__image canvas = {0};
    bfn_status status = check_board(ctx, board, &layout);
    if (status == BFN_OK)
        status = bfn__canvas_create(ctx, &canvas, layout.height, layout.width, board->cell.channels, white);
    if (status == BFN_OK) {
        put_labels(&canvas, board, &layout);
        status = put_cells(ctx, &canvas, board, &layout);
    }
    if (status == BFN_OK)
        status = save_image(ctx, path, &canvas, &board->cell);
    bfn__image_free(ctx, &canvas);
    return status;
}

const char *bfn_picture_source(size_t i, const char **name)
{
    const bfn__standard_set *set = bfn__standard_set_number(i);
    *name = set != NULL ? set->name : NULL;
    return set != NULL ? set->where : NULL;
}
