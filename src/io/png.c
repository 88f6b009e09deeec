/* png.c: reading PNG files through libspng.
 *
 *   "\x89PNG\r\n\x1a\n", then chunks: length (4 bytes, most significant first), type (4 letters), data, CRC-32 of type and data;
 *   IHDR first, IDAT (one zlib stream in pieces) and IEND at the end.
 *
 * All chunks are walked before libspng sees the file: every length, every checksum, IEND at the very end. So a cut or damaged
 * file is refused wherever the damage lies, and the sum of the IDAT lengths bounds what can come out: deflate packs at most 1032
 * bytes into one, so a header that claims more pixels than that lies, and no memory is taken for it. libspng's own memory comes from
 * malloc: its allocator hooks have no place for a context.
 */
#include "io/png.h"

#include "io/file.h"
#include "io/limits.h"

#include <spng.h>
#include <string.h>
#include <zlib.h>

enum { SIGNATURE = 8, CHUNK_FRAME = 12, HEADER_BYTES = 13, DEFLATE_RATIO = 1040, TEXT_CACHE = 1 << 24 };

static const unsigned char signature[SIGNATURE] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

typedef struct source {
    bfn_context *ctx;
    const char *label;
    const unsigned char *bytes;
    size_t n;
    size_t idat; /* bytes in IDAT chunks */
    bool has_trns;
    struct spng_ihdr header;
} source;

/* What libspng delivers: [H,W,channels] of 8 or 16 bits. */
typedef struct raster {
    uint8_t *data;
    size_t bytes, channels, depth;
    bool alpha; /* the last channel */
} raster;

bool bfn__is_png(const void *bytes, size_t n)
{
    return n >= SIGNATURE && memcmp(bytes, signature, SIGNATURE) == 0;
}

static uint32_t big_endian(const unsigned char *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | (uint32_t)b[3];
}

/* ---- chunks ---- */

bfn_status bfn__png_next_chunk(bfn_context *ctx, const void *bytes, size_t n, const char *label, size_t offset,
                               bfn__png_chunk *out)
{
    *out = (bfn__png_chunk){.whole = (const unsigned char *)bytes + offset};
    if (offset > n || n - offset < CHUNK_FRAME)
        return bfn__fail(ctx, BFN_ERR_INPUT, "%s: byte %zu: the PNG file ends where a chunk should begin", label,
                         offset);
    size_t length = big_endian(out->whole);
    if (length > n - offset - CHUNK_FRAME)
        return bfn__fail(ctx, BFN_ERR_INPUT, "%s: byte %zu: a chunk of %zu bytes, %zu are left", label, offset, length,
                         n - offset - CHUNK_FRAME);
    memcpy(out->type, out->whole + 4, 4);
    out->data = out->whole + 8;
    out->n = length;
    out->n_whole = length + CHUNK_FRAME;
    out->next = offset + out->n_whole;
    uint32_t found = (uint32_t)crc32_z(crc32(0, NULL, 0), out->whole + 4, length + 4);
    uint32_t stored = big_endian(out->data + length);
    if (found != stored)
        return bfn__fail(ctx, BFN_ERR_INPUT, "%s: byte %zu: chunk \"%s\" has the checksum %08x, its data give %08x",
                         label, offset, out->type, (unsigned)stored, (unsigned)found);
    return BFN_OK;
}

static bool is_type(const bfn__png_chunk *chunk, const char *type)
{
    return memcmp(chunk->type, type, 4) == 0;
}

static bfn_status check_header(const source *s, const bfn__png_chunk *chunk)
{
    if (!is_type(chunk, "IHDR") || chunk->n != HEADER_BYTES)
        return bfn__fail(s->ctx, BFN_ERR_INPUT, "%s: the first chunk is \"%s\" of %zu bytes, IHDR of %d is needed",
                         s->label, chunk->type, chunk->n, HEADER_BYTES);
    uint32_t width = big_endian(chunk->data), height = big_endian(chunk->data + 4);
    if (width == 0 || width > bfn__limit(s->ctx, BFN__CAP_IMAGE_SIDE) || height == 0 ||
        height > bfn__limit(s->ctx, BFN__CAP_IMAGE_SIDE))
        return bfn__fail(s->ctx, BFN_ERR_INPUT, "%s: %lu x %lu pixels (width x height), allowed: 1 to %zu each",
                         s->label, (unsigned long)width, (unsigned long)height,
                         bfn__limit(s->ctx, BFN__CAP_IMAGE_SIDE));
    return BFN_OK;
}

/* Signature, all chunks from IHDR to IEND, nothing behind. */
static bfn_status walk(source *s)
{
    if (!bfn__is_png(s->bytes, s->n))
        return bfn__fail(s->ctx, BFN_ERR_INPUT, "%s: is not a PNG file (its first 8 bytes are not the signature)",
                         s->label);
    bfn__png_chunk chunk = {.next = SIGNATURE};
    for (bool first = true; !is_type(&chunk, "IEND"); first = false) {
        bfn_status status = bfn__png_next_chunk(s->ctx, s->bytes, s->n, s->label, chunk.next, &chunk);
        if (status == BFN_OK && first)
            status = check_header(s, &chunk);
        if (status != BFN_OK)
            return status;
        if (is_type(&chunk, "IDAT"))
            s->idat += chunk.n;
        s->has_trns = s->has_trns || is_type(&chunk, "tRNS");
    }
    if (chunk.next != s->n)
        return bfn__fail(s->ctx, BFN_ERR_INPUT, "%s: byte %zu: data behind the end of the PNG file", s->label,
                         chunk.next);
    return BFN_OK;
}

/* ---- pixels ---- */

static bfn_status fail_spng(const source *s, int code)
{
    bfn_status status = code == SPNG_EMEM ? BFN_ERR_MEMORY : BFN_ERR_INPUT;
    return bfn__fail(s->ctx, status, "%s: %s PNG file: %s", s->label,
                     status == BFN_ERR_MEMORY ? "no memory for the" : "broken", spng_strerror(code));
}

/* Which of libspng's formats leaves no information behind; *r without memory yet. */
static int choose_format(const source *s, raster *r)
{
    uint8_t type = s->header.color_type;
    bool grey = type == SPNG_COLOR_TYPE_GRAYSCALE, palette = type == SPNG_COLOR_TYPE_INDEXED;
    r->depth = s->header.bit_depth == 16 ? 16 : 8;
    r->alpha = type == SPNG_COLOR_TYPE_GRAYSCALE_ALPHA || type == SPNG_COLOR_TYPE_TRUECOLOR_ALPHA || s->has_trns;
    if (s->has_trns) {
        r->channels = 4;
        return r->depth == 16 ? SPNG_FMT_RGBA16 : SPNG_FMT_RGBA8;
    }
    r->channels = (grey || type == SPNG_COLOR_TYPE_GRAYSCALE_ALPHA ? 1u : 3u) + (r->alpha ? 1u : 0u);
    if (palette)
        return SPNG_FMT_RGB8;
    return grey && r->depth == 8 ? SPNG_FMT_G8 : SPNG_FMT_PNG;
}

/* Bits a pixel as they are in the file. */
static size_t stored_bits(const struct spng_ihdr *header)
{
    static const uint8_t channels[7] = {1, 0, 3, 1, 2, 0, 4};
    return (size_t)channels[header->color_type] * header->bit_depth;
}

static bfn_status check_size(const source *s, const raster *r)
{
    size_t W = s->header.width, H = s->header.height, stored = (W * stored_bits(&s->header) + 7) / 8 * H;
    if (r->bytes > bfn__limit(s->ctx, BFN__CAP_IMAGE_BYTES))
        return bfn__fail(s->ctx, BFN_ERR_INPUT, "%s: %zu x %zu pixels are %zu bytes, at most %zu are allowed", s->label,
                         W, H, r->bytes, bfn__limit(s->ctx, BFN__CAP_IMAGE_BYTES));
    if (stored / DEFLATE_RATIO > s->idat)
        return bfn__fail(s->ctx, BFN_ERR_INPUT, "%s: %zu x %zu pixels are claimed, %zu bytes of data cannot hold them",
                         s->label, W, H, s->idat);
    return BFN_OK;
}

static bfn_status decode_raster(source *s, spng_ctx *spng, raster *r)
{
    uint32_t side = (uint32_t)bfn__limit(s->ctx, BFN__CAP_IMAGE_SIDE);
    int code = spng_set_image_limits(spng, side, side);
    if (code == 0)
        code = spng_set_chunk_limits(spng, TEXT_CACHE, TEXT_CACHE);
    if (code == 0)
        code = spng_set_png_buffer(spng, s->bytes, s->n);
    if (code == 0)
        code = spng_get_ihdr(spng, &s->header);
    if (code != 0)
        return fail_spng(s, code);
    int format = choose_format(s, r);
    code = spng_decoded_image_size(spng, format, &r->bytes);
    if (code != 0)
        return fail_spng(s, code);
    bfn_status status = check_size(s, r);
    if (status != BFN_OK)
        return status;
    r->data = bfn__calloc(s->ctx, r->bytes, 1);
    if (r->data == NULL)
        return BFN_ERR_MEMORY;
    code = spng_decode_image(spng, r->data, r->bytes, format, s->has_trns ? SPNG_DECODE_TRNS : 0);
    if (code == 0)
        code = spng_decode_chunks(spng);
    return code == 0 ? BFN_OK : fail_spng(s, code);
}

static unsigned sample_at(const raster *r, size_t i)
{
    uint16_t wide;
    if (r->depth == 8)
        return r->data[i];
    memcpy(&wide, r->data + 2 * i, sizeof wide);
    return wide;
}

static bfn_status convert(const source *s, const raster *r, bfn__image *out)
{
    unsigned top = r->depth == 16 ? 65535 : 255;
    for (size_t pixel = 0; pixel < out->H * out->W; pixel++) {
        size_t at = pixel * r->channels;
        if (r->alpha && sample_at(r, at + r->channels - 1) != top)
            return bfn__fail(s->ctx, BFN_ERR_INPUT, "%s: pixel %zu of row %zu has opacity %u of %u, all must be opaque",
                             s->label, pixel % out->W, pixel / out->W, sample_at(r, at + r->channels - 1), top);
        for (size_t c = 0; c < out->C; c++) {
            unsigned v = sample_at(r, at + c);
            out->pixels[pixel * out->C + c] = (uint8_t)(r->depth == 16 ? (v * 255u + 32767u) / 65535u : v);
        }
    }
    return BFN_OK;
}

static bfn_status decode(source *s, raster *r, bfn__image *out)
{
    spng_ctx *spng = spng_ctx_new(0);
    if (spng == NULL)
        return fail_spng(s, SPNG_EMEM);
    bfn_status status = decode_raster(s, spng, r);
    spng_ctx_free(spng);
    if (status != BFN_OK)
        return status;
    uint8_t type = s->header.color_type;
    bool grey = type == SPNG_COLOR_TYPE_GRAYSCALE || type == SPNG_COLOR_TYPE_GRAYSCALE_ALPHA;
    status = bfn__image_create(s->ctx, out, s->header.height, s->header.width, grey ? 1 : 3);
    if (status == BFN_OK)
        status = convert(s, r, out);
    if (status != BFN_OK)
        bfn__image_free(s->ctx, out);
    return status;
}

bfn_status bfn__png_decode(bfn_context *ctx, const void *bytes, size_t n, const char *label, bfn__image *out)
{
    *out = (bfn__image){0};
    source s = {.ctx = ctx, .label = label, .bytes = bytes, .n = n};
    raster r = {0};
    bfn_status status = walk(&s);
    if (status == BFN_OK)
        status = decode(&s, &r, out);
    bfn__free(ctx, r.data);
    return status;
}

bfn_status bfn__png_load(bfn_context *ctx, const char *path, bfn__image *out)
{
    bfn__bytes file;
    *out = (bfn__image){0};
    bfn_status status = bfn__file_map(ctx, path, bfn__limit(ctx, BFN__CAP_PNG_FILE_BYTES), &file);
    if (status != BFN_OK)
        return status;
    status = bfn__png_decode(ctx, file.data, file.size, path, out);
    bfn__file_unmap(ctx, &file);
    return status;
}

/* ---- texts ---- */

const unsigned char *bfn__png_chunk_text(const bfn__png_chunk *chunk, const char *key, size_t *n)
{
    size_t n_key = strlen(key);
    bool plain = is_type(chunk, "tEXt"), international = is_type(chunk, "iTXt");
    if ((!plain && !international) || chunk->n <= n_key || memcmp(chunk->data, key, n_key + 1) != 0)
        return NULL;
    const unsigned char *value = chunk->data + n_key + 1, *end = chunk->data + chunk->n;
    if (international) {
        if (end - value < 2 || value[0] != 0) /* compressed */
            return NULL;
        value += 2;
        for (int skip = 0; skip < 2; skip++) { /* language, translated key */
            const unsigned char *zero = memchr(value, 0, (size_t)(end - value));
            if (zero == NULL)
                return NULL;
            value = zero + 1;
        }
    }
    *n = (size_t)(end - value);
    return value;
}

bfn_status bfn__png_read_text(bfn_context *ctx, const void *bytes, size_t n, const char *label, const char *key,
                              char **out)
{
    *out = NULL;
    source s = {.ctx = ctx, .label = label, .bytes = bytes, .n = n};
    bfn_status status = walk(&s);
    bfn__png_chunk chunk = {.next = SIGNATURE};
    while (status == BFN_OK && chunk.next < n) {
        size_t length = 0;
        status = bfn__png_next_chunk(ctx, bytes, n, label, chunk.next, &chunk);
        const unsigned char *value = status == BFN_OK ? bfn__png_chunk_text(&chunk, key, &length) : NULL;
        if (value == NULL)
            continue;
        *out = bfn__calloc(ctx, length + 1, 1);
        if (*out == NULL)
            return BFN_ERR_MEMORY;
        memcpy(*out, value, length);
        return BFN_OK;
    }
    return status;
}
