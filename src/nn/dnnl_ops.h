/* dnnl_ops.h: everything that the engine asks of oneDNN. */
#ifndef BFN_NN_DNNL_OPS_H
#define BFN_NN_DNNL_OPS_H

#include <stdbool.h>
#include <stddef.h>

/* C [M,N] = op(A) op(B) + beta C, row-major with row strides; op transposes when asked: A is [M,K], or [K,M] when trans_a; B is [K,N], or
 * [N,K] when trans_b. Runs on the calling thread inside bfn__loop. false: oneDNN had no memory for its work. */
bool bfn__gemm(bool trans_a, bool trans_b, size_t M, size_t N, size_t K, const float *A, size_t lda, const float *B,
               size_t ldb, float beta, float *C, size_t ldc);

/* Seconds that one product C = A B of [n, n] matrices took on so many threads; bf16: rounded to bf16 first (outside of the time). 0:
 * not implemented on this machine. */
double bfn__dnnl_time_product(int n_threads, bool bf16, size_t n, const float *a, const float *b, float *c);

#endif
