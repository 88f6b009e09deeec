/* fuzz_png.c: any bytes as a PNG file. What is decoded must survive being written and read again. */
#include "fuzz.h"

#include "io/png.h"

enum { MAX_PIXELS = 1 << 10 };

static void check_round_trip(bfn_context *ctx, const bfn__image *image)
{
    char *bytes = NULL;
    size_t n = 0;
    bfn__image again;
    if (image->H * image->W > MAX_PIXELS)
        return;
    fuzz_require(bfn__png_encode(ctx, image, NULL, 0, &bytes, &n) == BFN_OK);
    fuzz_require(bfn__png_decode(ctx, bytes, n, "again", &again) == BFN_OK);
    fuzz_require(again.H == image->H && again.W == image->W && again.C == image->C);
    fuzz_require(memcmp(again.pixels, image->pixels, image->H * image->W * image->C) == 0);
    bfn__image_free(ctx, &again);
    bfn__free(ctx, bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    bfn_context *ctx = fuzz_context();
    bfn__image image;
    char *value = NULL;
    bfn_status status = bfn__png_decode(ctx, data, size, "fuzz", &image);
    fuzz_status(ctx, status, BFN_ERR_INPUT);
    if (status == BFN_OK) {
        fuzz_require(image.H >= 1 && image.W >= 1 && (image.C == 1 || image.C == 3));
        /* writing costs more than all the rest: a part of the pictures, told by their bytes so that a finding can be repeated */
        if (data[size / 2] % 8 == 0)
            check_round_trip(ctx, &image);
    } else
        fuzz_require(image.pixels == NULL);
    bfn__image_free(ctx, &image);
    status = bfn__png_read_text(ctx, data, size, "fuzz", "Title", &value);
    fuzz_status(ctx, status, BFN_ERR_INPUT);
    fuzz_require(status == BFN_OK || value == NULL);
    bfn__free(ctx, value);
    return 0;
}

#ifdef BFN_FUZZ
#include "mutate.h"

#include <zlib.h>

enum { SIGNATURE = 8, FRAME = 12, MAX_CHUNKS = 24, RAW_ROOM = 1 << 13 };
static const char signature[] = "\x89PNG\r\n\x1a\n";

static void put_chunk(fuzz_out *o, const void *type, const void *data, size_t n)
{
    size_t start = o->n + 4;
    fuzz_put_big(o, n, 4);
    fuzz_put(o, type, 4);
    fuzz_put(o, data, n);
    fuzz_put_big(o, fuzz_crc(o->data + start, o->n - start), 4);
}

/* A zlib stream of the bytes. */
static void put_zlib(fuzz_out *o, fuzz_random *r, const uint8_t *raw, size_t n)
{
    fuzz_put(o, "\x78\x01", 2);
    fuzz_put_deflated(o, r, raw, n);
    fuzz_put_big(o, adler32(1, raw, (uInt)n) ^ fuzz_chance(r, 32), 4);
}

/* What may stand beside a picture, right or nearly so. */
static void put_extra(fuzz_out *o, fuzz_random *r)
{
    static const struct {
        const char *type, *data;
        size_t n;
    } extras[] = {
        {"tEXt", "Title\0text", 10},
        {"iTXt", "Title\0\0\0de\0Titel\0\xc3\xa9", 17},
        {"zTXt", "Title\0\0\x78\x9c\x4b\x04\x00\x00\x62\x00\x62", 16},
        {"iTXt", "Title\0\1\0\0\0\x78\x9c\x4b\x04\x00\x00\x62\x00\x62", 19},
        {"gAMA", "\0\0\xb1\x8f", 4},
        {"cHRM", "\0\0z&\0\0\x80\x84\0\0\xfa\0\0\0\x80\xe8\0\0u0\0\0\xea`\0\0:\x98\0\0\x17p", 32},
        {"sRGB", "\0", 1},
        {"iCCP", "p\0\0\x78\x9c\x4b\x04\x00\x00\x62\x00\x62", 12},
        {"sBIT", "\x08\x08\x08\x08", 1},
        {"sBIT", "\x08\x08\x08\x08", 3},
        {"bKGD", "\0\0\0\0\0\0", 2},
        {"bKGD", "\0\0\0\0\0\0", 6},
        {"pHYs", "\0\0\x0b\x13\0\0\x0b\x13\1", 9},
        {"tIME", "\x07\xe4\x01\x01\x00\x00\x00", 7},
        {"hIST", "\0\1\0\1", 4},
        {"sPLT", "p\0\x08\1\2\3\4\0\1", 9},
        {"oFFs", "\0\0\0\0\0\0\0\0\0", 9},
        {"eXIf", "II*\0", 4},
        {"acTL", "\0\0\0\1\0\0\0\0", 8},
        {"fcTL", "\0\0\0\0\0\0\0\1\0\0\0\1\0\0\0\0\0\0\0\0\0\1\0\1\0\0", 26},
        {"fdAT", "\0\0\0\1\x78\x01\x01\x00\x00", 9},
        {"abCd", "private", 7},
        {"ABCD", "unknown", 7},
        {"tRNS", "\0\0\0\0\0\0", 2},
        {"tRNS", "\0\0\0\0\0\0", 6},
        {"tRNS", "\xff\xff\xff\0", 3},
        {"PLTE", "\0\0\0\xff\xff\xff\1\2\3", 6},
    };
    size_t i = fuzz_below(r, sizeof extras / sizeof extras[0]);
    static fuzz_out part;
    part.n = 0;
    part.full = false;
    if (fuzz_chance(r, 3))
        fuzz_put_mutated(&part, extras[i].data, extras[i].n, 16);
    else
        fuzz_put(&part, extras[i].data, extras[i].n);
    put_chunk(o, extras[i].type, part.data, part.n);
}

static size_t row_bytes(size_t width, unsigned depth, unsigned colour)
{
    static const uint8_t channels[8] = {1, 1, 3, 1, 2, 1, 4, 1};
    return (width * channels[colour & 7] * depth + 7) / 8;
}

/* A picture whose data have the size that its header says. */
static void put_fresh(fuzz_out *o, fuzz_random *r)
{
    static const uint8_t kinds[][2] = {{1, 0}, {2, 0}, {4, 0}, {8, 0}, {16, 0}, {8, 2}, {16, 2}, {1, 3},
                                       {2, 3}, {4, 3}, {8, 3}, {8, 4}, {16, 4}, {8, 6}, {16, 6}, {3, 5}};
    static uint8_t raw[RAW_ROOM];
    static fuzz_out part;
    size_t kind = fuzz_below(r, 16), width = 1 + fuzz_below(r, 9), height = 1 + fuzz_below(r, 9);
    bool interlaced = fuzz_chance(r, 4);
    size_t row = row_bytes(width, kinds[kind][0], kinds[kind][1]), n = height * (row + 1);
    if (interlaced) /* seven small pictures: about so many bytes */
        n += fuzz_below(r, 16);
    for (size_t i = 0; i < n; i++)
        raw[i] = (uint8_t)fuzz_below(r, i % (row + 1) == 0 ? 5 : 256);
    part.n = 0;
    part.full = false;
    fuzz_put_big(&part, width, 4);
    fuzz_put_big(&part, height, 4);
    fuzz_put(&part, kinds[kind], 2);
    fuzz_put_big(&part, interlaced, 3);
    fuzz_put(o, signature, SIGNATURE);
    put_chunk(o, "IHDR", part.data, part.n);
    if (kinds[kind][1] == 3)
        put_chunk(o, "PLTE", "\0\0\0\xff\xff\xff\1\2\3\4\5\6", 3 * (1 + fuzz_below(r, 4)));
    if (fuzz_chance(r, 3))
        put_extra(o, r);
    part.n = 0;
    put_zlib(&part, r, raw, n);
    size_t cut = fuzz_chance(r, 4) ? fuzz_below(r, part.n + 1) : part.n;
    put_chunk(o, "IDAT", part.data, cut);
    if (cut < part.n)
        put_chunk(o, "IDAT", part.data + cut, part.n - cut);
    put_chunk(o, "IEND", "", 0);
}

typedef struct piece {
    const uint8_t *type, *data;
    size_t n;
} piece;

static size_t split(const uint8_t *data, size_t size, piece pieces[MAX_CHUNKS])
{
    size_t count = 0;
    for (size_t at = SIGNATURE; count < MAX_CHUNKS && at + FRAME <= size;) {
        size_t n = (size_t)data[at] << 24 | (size_t)data[at + 1] << 16 | (size_t)data[at + 2] << 8 | data[at + 3];
        if (n > size - at - FRAME)
            break;
        pieces[count++] = (piece){data + at + 4, data + at + 8, n};
        at += n + FRAME;
    }
    return count;
}

/* Data of an IDAT chunk: the pixels changed, where it is one whole stream, or its bytes. */
static void put_pixels(fuzz_out *o, fuzz_random *r, const piece *p)
{
    static uint8_t raw[RAW_ROOM];
    static fuzz_out part, packed;
    size_t used;
    bool whole;
    size_t n = fuzz_inflate(p->data, p->n, 15, raw, sizeof raw, &used, &whole);
    part.n = packed.n = 0;
    part.full = packed.full = false;
    fuzz_put_mutated(&part, whole ? raw : p->data, whole ? n : p->n, whole ? 0 : 16);
    if (whole) /* of the size that the header asks for */
        put_zlib(&packed, r, part.n < n ? raw : part.data, n);
    else
        fuzz_put(&packed, part.data, part.n);
    put_chunk(o, "IDAT", packed.data, packed.n);
}

static void put_changed(fuzz_out *o, fuzz_random *r, const piece *p)
{
    static fuzz_out part;
    part.n = 0;
    part.full = false;
    if (memcmp(p->type, "IDAT", 4) == 0 && !fuzz_chance(r, 3)) {
        put_pixels(o, r, p);
        return;
    }
    fuzz_put_mutated(&part, p->data, p->n, 16);
    put_chunk(o, p->type, part.data, part.n);
}

/* The chunks again, one of them changed, left out, doubled, or with another one before it. */
static void put_chunks(fuzz_out *o, fuzz_random *r, const piece *pieces, size_t count)
{
    size_t chosen = fuzz_below(r, count), action = fuzz_below(r, 8);
    fuzz_put(o, signature, SIGNATURE);
    for (size_t i = 0; i < count; i++) {
        const piece *p = &pieces[i];
        if (i == chosen && action == 0)
            put_extra(o, r);
        if (i == chosen && action == 1)
            put_chunk(o, p->type, p->data, p->n);
        if (i == chosen && action > 2)
            put_changed(o, r, p);
        else if (i != chosen || action != 2)
            put_chunk(o, p->type, p->data, p->n);
    }
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t max_size, unsigned seed)
{
    static fuzz_out out;
    piece pieces[MAX_CHUNKS];
    fuzz_random r = {seed};
    out.n = 0;
    out.full = false;
    if (fuzz_chance(&r, 8))
        return LLVMFuzzerMutate(data, size, max_size);
    size_t count = split(data, size, pieces);
    if (count == 0 || fuzz_chance(&r, 12))
        put_fresh(&out, &r);
    else
        put_chunks(&out, &r, pieces, count);
    return fuzz_deliver(&out, data, size, max_size);
}
#endif
