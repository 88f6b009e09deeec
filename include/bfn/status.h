/* bfn/status.h: status codes, the context that carries the error message, and version.
 *
 * Every function that can fail returns a bfn_status. On failure the context given to it (or the context its handle was
 * created with) holds one line that says what was wrong, which value was found and what is allowed: bfn_errmsg().
 * There are no globals: two contexts never meet, and one context belongs to one thread at a time.
 * Signals: a program that handles signals while libbfn computes must run its handlers on a stack of their own (sigaltstack, SA_ONSTACK), or
 * block the signals and wait for them in a thread: oneDNN 2.6's generated code keeps data where a handler's frame would be written.
 */
#ifndef BFN_STATUS_H
#define BFN_STATUS_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define BFN_API __attribute__((visibility("default")))
#define BFN_MUST_CHECK __attribute__((warn_unused_result))
#else
#define BFN_API
#define BFN_MUST_CHECK
#endif

#define BFN_VERSION_MAJOR 0
#define BFN_VERSION_MINOR 1
#define BFN_VERSION_PATCH 0

/* X(name, number, text): the number is also the program's exit code, except for BFN_CANCELLED. */
#define BFN_STATUS_TABLE(X)                                                                                            \
    X(BFN_OK, 0, "success")                                                                                            \
    X(BFN_ERR_INTERNAL, 1, "internal error")                                                                           \
    X(BFN_ERR_ARGUMENT, 2, "bad option or configuration")                                                              \
    X(BFN_ERR_INPUT, 3, "bad input file")                                                                              \
    X(BFN_ERR_NOT_FOUND, 4, "not found or no permission")                                                              \
    X(BFN_ERR_WRITE, 5, "write failed")                                                                                \
    X(BFN_ERR_DIVERGED, 6, "numbers diverged")                                                                         \
    X(BFN_ERR_MEMORY, 7, "out of memory")                                                                              \
    X(BFN_ERR_SELFTEST, 8, "self-test failed")                                                                         \
    X(BFN_CANCELLED, 9, "stopped by a callback")

typedef enum bfn_status {
#define BFN_STATUS_ENUM(name, number, text) name = number,
    BFN_STATUS_TABLE(BFN_STATUS_ENUM)
#undef BFN_STATUS_ENUM
} bfn_status;

typedef struct bfn_context bfn_context;

/* Memory hook. alloc returns at least `bytes` bytes aligned to `align` (a power of two, at least 16), or NULL. */
typedef struct bfn_allocator {
    void *user;
    void *(*alloc)(void *user, size_t bytes, size_t align);
    void (*free)(void *user, void *block);
} bfn_allocator;

/* Runs task(arg, i) for every i in [0, n_tasks), in any order, possibly at once; returns when all are done. */
typedef void (*bfn_parallel_for)(void *user, size_t n_tasks, void (*task)(void *arg, size_t i), void *arg);

/* One line of information for a human; never called with the result of a computation. */
typedef void (*bfn_log_fn)(void *user, const char *line);

typedef struct bfn_context_options {
    size_t struct_size;            /* sizeof(bfn_context_options) */
    int n_threads;                 /* 0: as many as the parallel runtime offers; 1..1024 */
    bfn_allocator allocator;       /* alloc == NULL: aligned_alloc and free */
    bfn_parallel_for parallel_for; /* NULL: a plain loop (libbfn-core); libbfn puts OpenMP here on model creation */
    void *parallel_user;
    bfn_log_fn log; /* NULL: silent */
    void *log_user;
} bfn_context_options;

#define BFN_CONTEXT_OPTIONS_INIT                                                                                       \
    {                                                                                                                  \
        sizeof(bfn_context_options), 0, {0, 0, 0}, 0, 0, 0, 0                                                          \
    }

/* options may be NULL. *out is set to NULL on failure. */
BFN_API BFN_MUST_CHECK bfn_status bfn_context_create(bfn_context **out, const bfn_context_options *options);
BFN_API void bfn_context_destroy(bfn_context *ctx); /* NULL is fine; destroy everything created with it first */

/* Caps on what is read from files (bytes, entries, sides of images, ...), so that no file can ask for all memory or time. */
typedef struct bfn_limit {
    const char *name, *text; /* "st-tensors", and what it caps */
    size_t fallback, most;   /* as long as nobody sets it; the largest value */
} bfn_limit;
BFN_API size_t bfn_n_limits(void);
BFN_API void bfn_get_limit(size_t i, bfn_limit *limit);
/* BFN_ERR_ARGUMENT: no such name (the nearest is said), a value outside 1..most. */
BFN_API BFN_MUST_CHECK bfn_status bfn_set_limit(bfn_context *ctx, const char *name, size_t value);

/* The line that belongs to the last failure in this context; "" when there was none. Valid until the next call. */
BFN_API const char *bfn_errmsg(const bfn_context *ctx);

/* The general text of a status, never NULL. */
BFN_API const char *bfn_status_text(bfn_status status);

/* "0.1.0". */
BFN_API const char *bfn_version(void);

#ifdef __cplusplus
}
#endif
#endif
