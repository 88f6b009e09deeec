/* gzip.c: inflating gzip by zlib into a growing buffer.
 *
 * The size at the end of a gzip file is neither trusted nor needed: the buffer doubles as data come, up to the cap. zlib's own
 * memory comes from the context's allocator. dictzip is gzip with an extra header field that zlib skips.
 */
#include "io/gzip.h"

#include <string.h>
#include <zlib.h>

enum { GZIP_FORMAT = 15 + 16, FIRST_ROOM = 1 << 16 };
static const size_t FEED = (size_t)1 << 30; /* zlib counts in 32 bits */

typedef struct inflater {
    bfn_context *ctx;
    const char *label;
    z_stream z;
    const unsigned char *in;
    size_t n_in, n_fed; /* n_fed: given to zlib, of which z.avail_in are not used yet */
    char *out;
    size_t n_out, room, max;
} inflater;

static void *take(void *ctx, uInt n, uInt size)
{
    return bfn__calloc(ctx, n, size);
}

static void give(void *ctx, void *block)
{
    bfn__free(ctx, block);
}

bool bfn__is_gzip(const void *bytes, size_t n)
{
    const unsigned char *b = bytes;
    return n >= 3 && b[0] == 0x1f && b[1] == 0x8b && b[2] == 8;
}

static bfn_status grow(inflater *f)
{
    if (f->n_out < f->room)
        return BFN_OK;
    if (f->room >= f->max)
        return bfn__fail(f->ctx, BFN_ERR_INPUT, "%s: inflates to more than %zu bytes, the most allowed", f->label,
                         f->max);
    size_t room = f->room > f->max / 2 ? f->max : f->room * 2;
    char *out = bfn__calloc(f->ctx, room, 1);
    if (out == NULL)
        return BFN_ERR_MEMORY;
    memcpy(out, f->out, f->n_out);
    bfn__free(f->ctx, f->out);
    f->out = out;
    f->room = room;
    return BFN_OK;
}

static size_t used(const inflater *f)
{
    return f->n_fed - f->z.avail_in;
}

static void feed(inflater *f)
{
    size_t n = f->n_in - f->n_fed;
    if (f->z.avail_in > 0 || n == 0)
        return;
    if (n > FEED)
        n = FEED;
    f->z.next_in = (unsigned char *)(f->in + f->n_fed);
    f->z.avail_in = (uInt)n;
    f->n_fed += n;
}

/* After a member: another one, padding by zeros, or the end. *more: go on. */
static bfn_status next_member(inflater *f, bool *more)
{
    size_t at = used(f), rest = at;
    *more = bfn__is_gzip(f->in + at, f->n_in - at);
    if (*more)
        return inflateReset(&f->z) == Z_OK ? BFN_OK : bfn__fail(f->ctx, BFN_ERR_INTERNAL, "inflateReset failed");
    while (rest < f->n_in && f->in[rest] == 0)
        rest++;
    if (rest < f->n_in)
        return bfn__fail(f->ctx, BFN_ERR_INPUT, "%s: byte %zu: data behind the end of the gzip file", f->label, rest);
    return BFN_OK;
}

static bfn_status inflate_all(inflater *f)
{
    for (bool more = true; more;) {
        bfn_status status = grow(f);
        if (status != BFN_OK)
            return status;
        feed(f);
        size_t room = f->room - f->n_out;
        f->z.next_out = (unsigned char *)f->out + f->n_out;
        f->z.avail_out = (uInt)(room > FEED ? FEED : room);
        uInt before = f->z.avail_out;
        int code = inflate(&f->z, Z_NO_FLUSH);
        f->n_out += before - f->z.avail_out;
        if (code == Z_STREAM_END)
            status = next_member(f, &more);
        else if (code == Z_MEM_ERROR)
            status = bfn__fail(f->ctx, BFN_ERR_MEMORY, "%s: out of memory", f->label);
        else if (code == Z_BUF_ERROR || (code == Z_OK && used(f) == f->n_in && f->z.avail_out > 0))
            status =
                bfn__fail(f->ctx, BFN_ERR_INPUT, "%s: the gzip data end early, after %zu bytes", f->label, f->n_in);
        else if (code != Z_OK)
            status = bfn__fail(f->ctx, BFN_ERR_INPUT, "%s: byte %zu: broken gzip data: %s", f->label, used(f),
                               f->z.msg != NULL ? f->z.msg : "not in the format");
        if (status != BFN_OK)
            return status;
    }
    return BFN_OK;
}

bfn_status bfn__gunzip(bfn_context *ctx, const void *bytes, size_t n, size_t max_bytes, const char *label, char **out,
                       size_t *n_out)
{
    *out = NULL;
    *n_out = 0;
    inflater f = {.ctx = ctx, .label = label, .in = bytes, .n_in = n, .max = max_bytes};
    f.z = (z_stream){.zalloc = take, .zfree = give, .opaque = ctx};
    if (inflateInit2(&f.z, GZIP_FORMAT) != Z_OK)
        return bfn__fail(ctx, BFN_ERR_MEMORY, "%s: out of memory", label);
    f.room = max_bytes < FIRST_ROOM ? max_bytes : FIRST_ROOM;
    f.out = bfn__calloc(ctx, f.room, 1);
    bfn_status status = f.out != NULL ? inflate_all(&f) : BFN_ERR_MEMORY;
    inflateEnd(&f.z);
    if (status != BFN_OK) {
        bfn__free(ctx, f.out);
        return status;
    }
    *out = f.out;
    *n_out = f.n_out;
    return BFN_OK;
}
