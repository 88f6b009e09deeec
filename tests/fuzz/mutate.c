/* mutate.c: output, random numbers and deflate for the mutators; .npy files (see mutate.h). */
#include "mutate.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { SMALL_WINDOW = 9 };

size_t fuzz_below(fuzz_random *r, size_t n)
{
    r->state = r->state * 6364136223846793005u + 1442695040888963407u;
    return n > 0 ? (size_t)(r->state >> 33) % n : 0;
}

bool fuzz_chance(fuzz_random *r, size_t n)
{
    return fuzz_below(r, n) == 0;
}

/* ---- output ---- */

void fuzz_put(fuzz_out *o, const void *bytes, size_t n)
{
    if (n > FUZZ_ROOM - o->n) {
        o->full = true;
        return;
    }
    if (n > 0)
        memcpy(o->data + o->n, bytes, n);
    o->n += n;
}

void fuzz_put_text(fuzz_out *o, const char *text)
{
    fuzz_put(o, text, strlen(text));
}

void fuzz_put_little(fuzz_out *o, uint64_t value, int n)
{
    for (int i = 0; i < n; i++) {
        uint8_t byte = (uint8_t)(value >> (8 * i));
        fuzz_put(o, &byte, 1);
    }
}

void fuzz_put_big(fuzz_out *o, uint64_t value, int n)
{
    for (int i = n - 1; i >= 0; i--) {
        uint8_t byte = (uint8_t)(value >> (8 * i));
        fuzz_put(o, &byte, 1);
    }
}

void fuzz_put_random(fuzz_out *o, fuzz_random *r, size_t n)
{
    for (size_t i = 0; i < n; i++)
        fuzz_put_little(o, fuzz_below(r, 256), 1);
}

void fuzz_put_mutated(fuzz_out *o, const void *bytes, size_t n, size_t more)
{
    size_t before = o->n;
    if (n + more > FUZZ_ROOM - o->n) {
        o->full = true;
        return;
    }
    fuzz_put(o, bytes, n);
    o->n = before + LLVMFuzzerMutate(o->data + before, n, n + more);
}

size_t fuzz_deliver(const fuzz_out *o, uint8_t *data, size_t size, size_t max_size)
{
    if (o->full || o->n == 0 || o->n > max_size)
        return LLVMFuzzerMutate(data, size, max_size);
    memcpy(data, o->data, o->n);
    return o->n;
}

/* ---- deflate ---- */

static void put_stored(fuzz_out *o, const uint8_t *bytes, size_t n)
{
    fuzz_put_little(o, 1, 1); /* the last block, stored */
    fuzz_put_little(o, n, 2);
    fuzz_put_little(o, ~n, 2);
    fuzz_put(o, bytes, n);
}

void fuzz_put_deflated(fuzz_out *o, fuzz_random *r, const void *bytes, size_t n)
{
    z_stream z = {0};
    if (n > 0xffff) {
        o->full = true;
        return;
    }
    int strategy = fuzz_chance(r, 2) ? Z_FIXED : Z_DEFAULT_STRATEGY;
    if (!fuzz_chance(r, 8) || deflateInit2(&z, 9, Z_DEFLATED, -SMALL_WINDOW, 1, strategy) != Z_OK) {
        put_stored(o, bytes, n);
        return;
    }
    z.next_in = (uint8_t *)(uintptr_t)bytes;
    z.avail_in = (uInt)n;
    z.next_out = o->data + o->n;
    z.avail_out = (uInt)(FUZZ_ROOM - o->n);
    o->full = deflate(&z, Z_FINISH) != Z_STREAM_END || o->full;
    o->n = FUZZ_ROOM - z.avail_out;
    (void)deflateEnd(&z);
}

size_t fuzz_inflate(const void *in, size_t n, int window_bits, void *out, size_t room, size_t *used, bool *whole)
{
    z_stream z = {.next_in = (uint8_t *)(uintptr_t)in, .avail_in = (uInt)n, .next_out = out, .avail_out = (uInt)room};
    *used = 0;
    *whole = false;
    if (inflateInit2(&z, window_bits) != Z_OK)
        return 0;
    *whole = inflate(&z, Z_FINISH) == Z_STREAM_END;
    *used = n - z.avail_in;
    (void)inflateEnd(&z);
    return room - z.avail_out;
}

uint32_t fuzz_crc(const void *bytes, size_t n)
{
    return (uint32_t)crc32(0, bytes, (uInt)n);
}

/* ---- npy ---- */

enum { MAX_DATA = 512 };

/* A dict with its prefix; shape and type say how much data follow. */
static void put_dict(fuzz_out *o, int version, const char *dict, size_t n)
{
    fuzz_put(o, "\x93NUMPY", 6);
    fuzz_put_little(o, (uint64_t)version, 2);
    fuzz_put_little(o, n, version == 1 ? 2 : 4);
    fuzz_put(o, dict, n);
}

/* As many bytes as the shape in the text of a dict asks for, MAX_DATA at most. */
static size_t data_of(const char *dict, size_t n)
{
    char text[256];
    if (n >= sizeof text)
        return 0;
    memcpy(text, dict, n);
    text[n] = '\0';
    const char *type = strpbrk(text, "<|>="), *shape = strchr(text, '(');
    size_t bytes = type != NULL && type[1] != '\0' ? (size_t)(type[2] - '0') : 1;
    for (const char *s = shape; s != NULL && *s != ')' && *s != '\0'; s++)
        if (*s >= '0' && *s <= '9' && (s[-1] < '0' || s[-1] > '9') && bytes <= MAX_DATA)
            bytes *= strtoul(s, NULL, 10);
    return bytes <= MAX_DATA ? bytes : 0;
}

void fuzz_put_npy(fuzz_out *o, fuzz_random *r)
{
    static const char *const types[] = {"<f4", "<f8", "<f2", "<i8", "<i4", "|u1", "|b1", ">f4", "|O", "<U3", "<c8"};
    char dict[256];
    size_t n = (size_t)snprintf(dict, sizeof dict, "{'descr': '%s', 'fortran_order': %s, 'shape': (",
                                types[fuzz_below(r, fuzz_chance(r, 4) ? 11 : 7)], fuzz_chance(r, 8) ? "True" : "False");
    size_t rank = fuzz_below(r, fuzz_chance(r, 16) ? 11 : 4);
    for (size_t i = 0; i < rank; i++)
        n += (size_t)snprintf(dict + n, sizeof dict - n, "%zu,%s",
                              fuzz_chance(r, 24) ? fuzz_below(r, SIZE_MAX) * 3 : fuzz_below(r, 4),
                              i + 1 < rank ? " " : "");
    n += (size_t)snprintf(dict + n, sizeof dict - n, "), }%*s\n", (int)fuzz_below(r, 5), "");
    put_dict(o, fuzz_chance(r, 16) ? (int)fuzz_below(r, 1 << 16) : 1 + (int)fuzz_below(r, 3), dict, n);
    fuzz_put_random(o, r, data_of(dict, n));
}

void fuzz_put_npy_mutated(fuzz_out *o, fuzz_random *r, const uint8_t *data, size_t n)
{
    static fuzz_out dict;
    bool wide = n > 6 && data[6] != 1;
    size_t prefix = wide ? 12 : 10, length = 0;
    if (n >= prefix)
        length = data[8] | (size_t)data[9] << 8;
    if (n < prefix || length > n - prefix || fuzz_chance(r, 8)) {
        if (fuzz_chance(r, 2))
            fuzz_put_npy(o, r);
        else
            fuzz_put_mutated(o, data, n, 16);
        return;
    }
    dict.n = 0;
    dict.full = false;
    fuzz_put_mutated(&dict, data + prefix, length, 16);
    put_dict(o, wide ? (data[6] | data[7] << 8) : 1, (const char *)dict.data, dict.n);
    size_t wanted = data_of((const char *)dict.data, dict.n), there = n - prefix - length;
    if (fuzz_chance(r, 8))
        wanted = there;
    fuzz_put(o, data + prefix + length, wanted < there ? wanted : there);
    if (wanted > there)
        fuzz_put_random(o, r, wanted - there);
}
