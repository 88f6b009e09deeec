/* base.h: what every layer of the library stands on: context, errors, checked sizes, memory, parallel loops.
 *
 * May use libc, libm and Random123 only. Nothing here prints, exits or reads the environment.
 */
#ifndef BFN_BASE_H
#define BFN_BASE_H

#include "bfn/status.h"

#include <stdarg.h>
#include <stdbool.h>

enum { BFN__ERRMSG_MAX = 1024 };

/* What is read from files is capped (limits.def). */
typedef enum bfn__limit_name {
#define BFN_LIMIT(NAME, name, fallback, most, text) BFN__CAP_##NAME,
#include "base/limits.def"
#undef BFN_LIMIT
    BFN__N_LIMITS
} bfn__limit_name;

struct bfn_context {
    char errmsg[BFN__ERRMSG_MAX];
    int n_threads; /* 0: the runtime's default */
    bfn_allocator allocator;
    bfn_parallel_for parallel_for;
    void *parallel_user;
    bfn_log_fn log;
    void *log_user;
    size_t limits[BFN__N_LIMITS]; /* 0: as the table says */
};

size_t bfn__limit(const bfn_context *ctx, bfn__limit_name name);

/* Store one line (control characters are replaced by '?', too long is cut with "...") and return status. */
bfn_status bfn__fail(bfn_context *ctx, bfn_status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Put "prefix: " before the stored message, and return status: callers add the file or the option they know. */
bfn_status bfn__fail_prefix(bfn_context *ctx, bfn_status status, const char *prefix);

#ifdef __clang_analyzer__ /* the analyser cannot see into another file that the status comes back */
#define bfn__fail(ctx, status, ...) ((void)bfn__fail(ctx, status, __VA_ARGS__), (status))
#define bfn__fail_prefix(ctx, status, prefix) ((void)bfn__fail_prefix(ctx, status, prefix), (status))
#endif

void bfn__log(bfn_context *ctx, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* *out = a*b or a+b; false (and *out = SIZE_MAX) when it does not fit. */
bool bfn__size_mul(size_t a, size_t b, size_t *out);
bool bfn__size_add(size_t a, size_t b, size_t *out);

/* n * size bytes, zeroed, 64-byte aligned, from the context's allocator. NULL with the message set (BFN_ERR_MEMORY).
 * n * size == 0 gives a valid pointer. Free with bfn__free; NULL is fine there. */
void *bfn__calloc(bfn_context *ctx, size_t n, size_t size);
/* The same, not zeroed: for large blocks of which every byte is written next. */
void *bfn__malloc(bfn_context *ctx, size_t n, size_t size);
void bfn__free(bfn_context *ctx, void *block);
char *bfn__strdup(bfn_context *ctx, const char *text);

/* task(arg, i) for i in [0, n) through the context's parallel_for. ctx may be NULL: a plain loop. */
void bfn__parallel(bfn_context *ctx, size_t n, void (*task)(void *arg, size_t i), void *arg);

#endif
