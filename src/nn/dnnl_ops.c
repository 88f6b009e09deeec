/* dnnl_ops.c: the only file that calls oneDNN.
 *
 * f32 products go through dnnl_sgemm, which exists unchanged in oneDNN 2.x and 3.x, takes row strides (so heads and padded rows
 * need no copies) and packs its operands itself. It is called on tiles of fixed size from our own parallel loops: what a tile
 * gives depends on its size alone, not on the batch or on the number of threads.
 */
#include "nn/dnnl_ops.h"

#include "nn/nn.h"

#include <dnnl.h>
#include <omp.h>
#include <stdio.h>

bool bfn__gemm(bool trans_a, bool trans_b, size_t M, size_t N, size_t K, const float *A, size_t lda, const float *B,
               size_t ldb, float beta, float *C, size_t ldc)
{
    return dnnl_sgemm(trans_a ? 'T' : 'N', trans_b ? 'T' : 'N', (dnnl_dim_t)M, (dnnl_dim_t)N, (dnnl_dim_t)K, 1.0f, A,
                      (dnnl_dim_t)lda, B, (dnnl_dim_t)ldb, beta, C, (dnnl_dim_t)ldc) == dnnl_success;
}

double bfn__dnnl_time_product(int n_threads, bool bf16, size_t n, const float *a, const float *b, float *c)
{
    if (bf16)
        return 0.0;
    int before = omp_get_max_threads();
    omp_set_num_threads(n_threads);
    double begin = omp_get_wtime();
    bool ok = bfn__gemm(false, false, n, n, n, a, n, b, n, 0.0f, c, n);
    double took = omp_get_wtime() - begin;
    omp_set_num_threads(before);
    return ok ? took : 0.0;
}

#define STRING_(x) #x
#define STRING(x) STRING_(x)

const char *bfn__dnnl_version(void)
{
    return STRING(DNNL_VERSION_MAJOR) "." STRING(DNNL_VERSION_MINOR) "." STRING(DNNL_VERSION_PATCH);
}
