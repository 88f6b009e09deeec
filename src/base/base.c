/* base.c: context, error message, checked sizes, memory, parallel loops.
 *
 * The context holds the one message line, the allocator and the parallel loop. A context is not shared between threads;
 * tasks that run inside bfn__parallel must not fail through it.
 */
#include "base/base.h"

#include "base/nearest.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#undef bfn__fail
#undef bfn__fail_prefix

#define BFN_STRINGIFY_(x) #x
#define BFN_STRINGIFY(x) BFN_STRINGIFY_(x)

enum { BFN__ALIGN = 64, BFN__MAX_THREADS = 1024 };

static void *default_alloc(void *user, size_t bytes, size_t align)
{
    (void)user;
    size_t rounded;
    if (!bfn__size_add(bytes, align - 1, &rounded))
        return NULL;
    rounded -= rounded % align;
    return aligned_alloc(align, rounded > 0 ? rounded : align);
}

static void default_free(void *user, void *block)
{
    (void)user;
    free(block);
}

bfn_status bfn_context_create(bfn_context **out, const bfn_context_options *options)
{
    *out = NULL;
    bfn_context_options o = BFN_CONTEXT_OPTIONS_INIT;
    if (options != NULL) {
        if (options->struct_size != sizeof o)
            return BFN_ERR_ARGUMENT;
        o = *options;
    }
    if (o.n_threads < 0 || o.n_threads > BFN__MAX_THREADS)
        return BFN_ERR_ARGUMENT;
    if (o.allocator.alloc == NULL) {
        o.allocator.alloc = default_alloc;
        o.allocator.free = default_free;
    }
    bfn_context *ctx = o.allocator.alloc(o.allocator.user, sizeof *ctx, BFN__ALIGN);
    if (ctx == NULL)
        return BFN_ERR_MEMORY;
    memset(ctx, 0, sizeof *ctx);
    ctx->n_threads = o.n_threads;
    ctx->allocator = o.allocator;
    ctx->parallel_for = o.parallel_for;
    ctx->parallel_user = o.parallel_user;
    ctx->log = o.log;
    ctx->log_user = o.log_user;
    *out = ctx;
    return BFN_OK;
}

void bfn_context_destroy(bfn_context *ctx)
{
    if (ctx == NULL)
        return;
    bfn_allocator allocator = ctx->allocator;
    allocator.free(allocator.user, ctx);
}

/* ---- caps ---- */

static const bfn_limit limits[BFN__N_LIMITS] = {
#define BFN_LIMIT(NAME, name, fallback, most, text) [BFN__CAP_##NAME] = {name, text, fallback, most},
#include "base/limits.def"
#undef BFN_LIMIT
};

size_t bfn__limit(const bfn_context *ctx, bfn__limit_name name)
{
    return ctx->limits[name] != 0 ? ctx->limits[name] : limits[name].fallback;
}

size_t bfn_n_limits(void)
{
    return BFN__N_LIMITS;
}

void bfn_get_limit(size_t i, bfn_limit *limit)
{
    *limit = limits[i];
}

static const char *limit_name(const void *user, size_t i)
{
    (void)user;
    return limits[i].name;
}

bfn_status bfn_set_limit(bfn_context *ctx, const char *name, size_t value)
{
    size_t i = 0;
    while (i < BFN__N_LIMITS && strcmp(limits[i].name, name) != 0)
        i++;
    if (i == BFN__N_LIMITS) {
        i = bfn__nearest(name, BFN__N_LIMITS, limit_name, NULL);
        return i < BFN__N_LIMITS
                   ? bfn__fail(ctx, BFN_ERR_ARGUMENT, "%s: no such limit, nearest is %s", name, limits[i].name)
                   : bfn__fail(ctx, BFN_ERR_ARGUMENT, "%s: no such limit", name);
    }
    if (value == 0 || value > limits[i].most)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "%s: found %zu, allowed: 1 to %zu", name, value, limits[i].most);
    ctx->limits[i] = value;
    return BFN_OK;
}

const char *bfn_errmsg(const bfn_context *ctx)
{
    return ctx->errmsg;
}

const char *bfn_status_text(bfn_status status)
{
    switch (status) {
#define BFN_STATUS_TEXT(name, number, text)                                                                            \
    case name:                                                                                                         \
        return text;
        BFN_STATUS_TABLE(BFN_STATUS_TEXT)
#undef BFN_STATUS_TEXT
    }
    return "unknown status";
}

const char *bfn_version(void)
{
    return BFN_STRINGIFY(BFN_VERSION_MAJOR) "." BFN_STRINGIFY(BFN_VERSION_MINOR) "." BFN_STRINGIFY(BFN_VERSION_PATCH);
}

/* One line, whatever was formatted: no control characters, an ellipsis where it was cut. */
static void tidy_line(char *line, size_t capacity, int wanted)
{
    if (wanted >= (int)capacity)
        memcpy(line + capacity - 4, "...", 4);
    for (char *c = line; *c != '\0'; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            *c = '?';
}

bfn_status bfn__fail(bfn_context *ctx, bfn_status status, const char *format, ...)
{
    if (ctx == NULL)
        return status;
    va_list args;
    va_start(args, format);
    int wanted = vsnprintf(ctx->errmsg, sizeof ctx->errmsg, format, args);
    va_end(args);
    tidy_line(ctx->errmsg, sizeof ctx->errmsg, wanted);
    return status;
}

bfn_status bfn__fail_prefix(bfn_context *ctx, bfn_status status, const char *prefix)
{
    if (ctx == NULL)
        return status;
    char rest[BFN__ERRMSG_MAX];
    memcpy(rest, ctx->errmsg, sizeof rest);
    return bfn__fail(ctx, status, "%s: %s", prefix, rest);
}

void bfn__log(bfn_context *ctx, const char *format, ...)
{
    if (ctx == NULL || ctx->log == NULL)
        return;
    char line[BFN__ERRMSG_MAX];
    va_list args;
    va_start(args, format);
    int wanted = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    tidy_line(line, sizeof line, wanted);
    ctx->log(ctx->log_user, line);
}

bool bfn__size_mul(size_t a, size_t b, size_t *out)
{
    if (!__builtin_mul_overflow(a, b, out))
        return true;
    *out = SIZE_MAX;
    return false;
}

bool bfn__size_add(size_t a, size_t b, size_t *out)
{
    if (!__builtin_add_overflow(a, b, out))
        return true;
    *out = SIZE_MAX;
    return false;
}

void *bfn__malloc(bfn_context *ctx, size_t n, size_t size)
{
    size_t bytes;
    void *block = NULL;
    if (bfn__size_mul(n, size, &bytes))
        block = ctx->allocator.alloc(ctx->allocator.user, bytes > 0 ? bytes : 1, BFN__ALIGN);
    if (block == NULL)
        (void)bfn__fail(ctx, BFN_ERR_MEMORY, "out of memory: %zu items of %zu bytes", n, size);
    return block;
}

void *bfn__calloc(bfn_context *ctx, size_t n, size_t size)
{
    void *block = bfn__malloc(ctx, n, size);
    if (block != NULL)
        memset(block, 0, n * size);
    return block;
}

void bfn__free(bfn_context *ctx, void *block)
{
    if (block != NULL)
        ctx->allocator.free(ctx->allocator.user, block);
}

char *bfn__strdup(bfn_context *ctx, const char *text)
{
    size_t n = strlen(text) + 1;
    char *copy = bfn__calloc(ctx, n, 1);
    if (copy != NULL)
        memcpy(copy, text, n);
    return copy;
}

void bfn__parallel(bfn_context *ctx, size_t n, void (*task)(void *arg, size_t i), void *arg)
{
    if (ctx != NULL && ctx->parallel_for != NULL && n > 1) {
        ctx->parallel_for(ctx->parallel_user, n, task, arg);
        return;
    }
    for (size_t i = 0; i < n; i++)
        task(arg, i);
}
