/* apng.c: writing animated PNG.
 *
 *   signature, IHDR, acTL (frames, plays: 0 is for ever), texts, fcTL, IDAT ..., and for each further frame fcTL, fdAT ..., IEND
 *   fcTL  sequence number, width, height, x, y (4 bytes each), delay numerator and denominator (2 bytes each), dispose 0, blend 0
 *   fdAT  sequence number, then what IDAT would hold; the numbers count over fcTL and fdAT together
 *
 * Each frame is first encoded as a PNG file of its own (filters and zlib are libspng's business) and its IDAT chunks are taken over. Every
 * frame covers the whole picture and replaces the one before. The number of frames stands in front, so the finished chunks are
 * kept in memory and the front is made when a file is wanted.
 */
#include "io/apng.h"

#include "io/file.h"
#include "io/limits.h"

#include <string.h>
#include <zlib.h>

enum { SIGNATURE = 8, FRAME_BYTES = 26, MAX_DELAY = 65535 };

typedef struct buffer {
    char *data;
    size_t n, room;
} buffer;

struct bfn__apng {
    bfn_context *ctx;
    size_t H, W, C;
    size_t n_frames;
    uint32_t sequence; /* number of the next fcTL or fdAT */
    bfn__png_text *texts;
    size_t n_texts;
    buffer front; /* signature and IHDR */
    buffer words; /* chunks of texts */
    buffer body;  /* frames */
};

/* ---- chunks into buffers ---- */

static bfn_status append(bfn_context *ctx, buffer *b, const void *data, size_t n)
{
    if (n > b->room - b->n) {
        size_t room = 2 * b->room + n + 256;
        char *grown = bfn__calloc(ctx, room, 1);
        if (grown == NULL)
            return BFN_ERR_MEMORY;
        if (b->n > 0)
            memcpy(grown, b->data, b->n);
        bfn__free(ctx, b->data);
        b->data = grown;
        b->room = room;
    }
    if (n > 0)
        memcpy(b->data + b->n, data, n);
    b->n += n;
    return BFN_OK;
}

static void put_u32(unsigned char *out, size_t value)
{
    for (int i = 0; i < 4; i++)
        out[i] = (unsigned char)(value >> (24 - 8 * i));
}

/* A chunk of two parts of data. */
static bfn_status append_chunk(bfn_context *ctx, buffer *b, const char *type, const void *first, size_t n_first,
                               const void *second, size_t n_second)
{
    unsigned char head[8], tail[4];
    put_u32(head, n_first + n_second);
    memcpy(head + 4, type, 4);
    uLong crc = crc32_z(crc32(0, NULL, 0), head + 4, 4);
    crc = crc32_z(crc, first, n_first);
    if (n_second > 0)
        crc = crc32_z(crc, second, n_second);
    put_u32(tail, crc);
    bfn_status status = append(ctx, b, head, sizeof head);
    if (status == BFN_OK)
        status = append(ctx, b, first, n_first);
    if (status == BFN_OK)
        status = append(ctx, b, second, n_second);
    return status == BFN_OK ? append(ctx, b, tail, sizeof tail) : status;
}

/* ---- a film ---- */

static bfn_status copy_texts(bfn__apng *film, const bfn__png_text *texts, size_t n_texts)
{
    film->texts = bfn__calloc(film->ctx, n_texts, sizeof *film->texts);
    if (film->texts == NULL)
        return BFN_ERR_MEMORY;
    film->n_texts = n_texts;
    for (size_t i = 0; i < n_texts; i++) {
        film->texts[i].key = bfn__strdup(film->ctx, texts[i].key);
        film->texts[i].value = film->texts[i].key != NULL ? bfn__strdup(film->ctx, texts[i].value) : NULL;
        if (film->texts[i].value == NULL)
            return BFN_ERR_MEMORY;
    }
    return BFN_OK;
}

bfn_status bfn__apng_create(bfn_context *ctx, bfn__apng **out, size_t H, size_t W, size_t C, const bfn__png_text *texts,
                            size_t n_texts)
{
    bfn__image probe;
    *out = NULL;
    bfn_status status = bfn__image_create(ctx, &probe, H, W, C); /* the size's check */
    bfn__image_free(ctx, &probe);
    if (status != BFN_OK)
        return status;
    bfn__apng *film = bfn__calloc(ctx, 1, sizeof *film);
    if (film == NULL)
        return BFN_ERR_MEMORY;
    film->ctx = ctx;
    film->H = H;
    film->W = W;
    film->C = C;
    status = copy_texts(film, texts, n_texts);
    if (status != BFN_OK) {
        bfn__apng_destroy(film);
        return status;
    }
    *out = film;
    return BFN_OK;
}

static bfn_status append_frame_control(bfn__apng *film, unsigned milliseconds)
{
    unsigned char frame[FRAME_BYTES] = {0}; /* x, y, dispose and blend stay 0 */
    put_u32(frame, film->sequence++);
    put_u32(frame + 4, film->W);
    put_u32(frame + 8, film->H);
    frame[20] = (unsigned char)(milliseconds >> 8);
    frame[21] = (unsigned char)milliseconds;
    frame[22] = 1000 >> 8;
    frame[23] = 1000 & 255;
    return append_chunk(film->ctx, &film->body, "fcTL", frame, sizeof frame, NULL, 0);
}

/* A chunk of a frame's own PNG file to where it belongs. */
static bfn_status take_chunk(bfn__apng *film, const bfn__png_chunk *chunk)
{
    bool first = film->n_frames == 0, data = strcmp(chunk->type, "IDAT") == 0;
    if (data && !first) {
        unsigned char sequence[4];
        put_u32(sequence, film->sequence++);
        return append_chunk(film->ctx, &film->body, "fdAT", sequence, sizeof sequence, chunk->data, chunk->n);
    }
    if (!first || strcmp(chunk->type, "IEND") == 0)
        return BFN_OK;
    buffer *where = data ? &film->body : strcmp(chunk->type, "IHDR") == 0 ? &film->front : &film->words;
    return append(film->ctx, where, chunk->whole, chunk->n_whole);
}

static bfn_status take_file(bfn__apng *film, const char *png, size_t n, unsigned milliseconds)
{
    bfn_status status = film->n_frames == 0 ? append(film->ctx, &film->front, png, SIGNATURE) : BFN_OK;
    if (status == BFN_OK)
        status = append_frame_control(film, milliseconds);
    for (size_t offset = SIGNATURE; offset < n && status == BFN_OK;) {
        bfn__png_chunk chunk;
        status = bfn__png_next_chunk(film->ctx, png, n, "film", offset, &chunk);
        if (status == BFN_OK)
            status = take_chunk(film, &chunk);
        offset = chunk.next;
    }
    return status;
}

bfn_status bfn__apng_add(bfn__apng *film, const uint8_t *pixels, unsigned milliseconds)
{
    if (milliseconds > MAX_DELAY)
        return bfn__fail(film->ctx, BFN_ERR_ARGUMENT, "a frame of %u milliseconds, allowed: 0 to %d", milliseconds,
                         MAX_DELAY);
    if (film->n_frames >= bfn__limit(film->ctx, BFN__CAP_APNG_FRAMES))
        return bfn__fail(film->ctx, BFN_ERR_ARGUMENT, "a film of more than %zu frames, the most allowed",
                         bfn__limit(film->ctx, BFN__CAP_APNG_FRAMES));
    bool first = film->n_frames == 0;
    bfn__image image = {film->H, film->W, film->C, (uint8_t *)pixels};
    char *png;
    size_t n, front = film->front.n, words = film->words.n, body = film->body.n;
    uint32_t sequence = film->sequence;
    bfn_status status = bfn__png_encode(film->ctx, &image, film->texts, first ? film->n_texts : 0, &png, &n);
    if (status != BFN_OK)
        return status;
    status = take_file(film, png, n, milliseconds);
    bfn__free(film->ctx, png);
    if (status != BFN_OK) { /* the film is as it was */
        film->front.n = front;
        film->words.n = words;
        film->body.n = body;
        film->sequence = sequence;
        return status;
    }
    film->n_frames++;
    return BFN_OK;
}

size_t bfn__apng_n_frames(const bfn__apng *film)
{
    return film->n_frames;
}

bfn_status bfn__apng_encode(bfn__apng *film, char **out, size_t *n_out)
{
    buffer b = {0};
    unsigned char control[8] = {0}; /* plays 0: for ever */
    *out = NULL;
    *n_out = 0;
    if (film->n_frames == 0)
        return bfn__fail(film->ctx, BFN_ERR_ARGUMENT, "a film without frames, at least one is needed");
    put_u32(control, film->n_frames);
    bfn_status status = append(film->ctx, &b, film->front.data, film->front.n);
    if (status == BFN_OK)
        status = append_chunk(film->ctx, &b, "acTL", control, sizeof control, NULL, 0);
    if (status == BFN_OK)
        status = append(film->ctx, &b, film->words.data, film->words.n);
    if (status == BFN_OK)
        status = append(film->ctx, &b, film->body.data, film->body.n);
    if (status == BFN_OK)
        status = append_chunk(film->ctx, &b, "IEND", "", 0, NULL, 0);
    if (status != BFN_OK) {
        bfn__free(film->ctx, b.data);
        return status;
    }
    *out = b.data;
    *n_out = b.n;
    return BFN_OK;
}

bfn_status bfn__apng_save(bfn__apng *film, const char *path)
{
    char *bytes;
    size_t n;
    bfn_status status = bfn__apng_encode(film, &bytes, &n);
    if (status != BFN_OK)
        return status;
    status = bfn__file_write(film->ctx, path, bytes, n);
    bfn__free(film->ctx, bytes);
    return status;
}

void bfn__apng_destroy(bfn__apng *film)
{
    if (film == NULL)
        return;
    bfn_context *ctx = film->ctx;
    for (size_t i = 0; i < film->n_texts; i++) {
        bfn__free(ctx, (char *)film->texts[i].key);
        bfn__free(ctx, (char *)film->texts[i].value);
    }
    bfn__free(ctx, film->texts);
    bfn__free(ctx, film->front.data);
    bfn__free(ctx, film->words.data);
    bfn__free(ctx, film->body.data);
    bfn__free(ctx, film);
}
