/* dnnl_ops.h: everything that the engine asks of oneDNN. */
#ifndef BFN_NN_DNNL_OPS_H
#define BFN_NN_DNNL_OPS_H

#include "base/base.h"

/* C [M,N] = op(A) op(B) + beta C, row-major with row strides; op transposes when asked: A is [M,K], or [K,M] when trans_a; B is [K,N], or
 * [N,K] when trans_b. Runs on the calling thread inside bfn__loop. false: oneDNN had no memory for its work. */
bool bfn__gemm(bool trans_a, bool trans_b, size_t M, size_t N, size_t K, const float *A, size_t lda, const float *B,
               size_t ldb, float beta, float *C, size_t ldc);

/* ---- products with weights in oneDNN's own layout, one primitive for each size of tile ---- */

typedef struct bfn__dnnl bfn__dnnl; /* engine, streams, primitives */
typedef struct bfn__product
    bfn__product; /* C [M,N] = A [M,K] W [K,N], for one thread; A and C without gaps between rows */

typedef struct bfn__product_key {
    size_t M, N, K;
    bool bf16; /* A and W are bf16; C is f32 */
    bool any;  /* take whatever implementation there is (tests); else only one that profits from packed weights */
} bfn__product_key;

bfn_status bfn__dnnl_create(bfn_context *ctx, bfn__dnnl **out, int n_threads);
void bfn__dnnl_destroy(bfn__dnnl *d);

/* The product for a key, made at the first call; `like`: use the weight layout of this one (same N and K), or NULL. NULL: not
 * implemented here, or bfn__dnnl_no_memory: the context's allocator refused (d may be NULL: false). */
const bfn__product *bfn__dnnl_product(bfn__dnnl *d, const bfn__product_key *key, const bfn__product *like);
bool bfn__dnnl_no_memory(const bfn__dnnl *d);
size_t bfn__product_packed_bytes(const bfn__product *p);

/* Pack N rows of weights [N,K] (row stride ldw) into `packed`, which must live as long as it is used. *weights: handle for running,
 * NULL at the first call, then reused; owned by d. */
bool bfn__dnnl_pack(bfn__dnnl *d, const bfn__product *p, const float *w, size_t ldw, void *packed, void **weights);

/* Runs on the calling thread; thread: its number. A: float, or uint16_t when the key says bf16. */
bool bfn__product_run(const bfn__dnnl *d, const bfn__product *p, int thread, const void *A, void *weights, float *C);

/* Seconds that one product C = A B of [n, n] matrices took on so many threads; bf16: rounded to bf16 first (outside of the time). 0:
 * not implemented on this machine. */
double bfn__dnnl_time_product(bfn_context *ctx, int n_threads, bool bf16, size_t n, const float *a, const float *b,
                              float *c);

#endif
