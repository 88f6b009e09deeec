/* update.c: x' = a x + sum_j b_j p_j + k + e z.
 *
 * One pass over memory: blocks of 1024 elements are summed up in a double buffer that stays in the first-level cache, noise is made
 * block by block and never stored, and the result is rounded to float once. Sums in double cost little beside the noise and
 * keep the large opposite weights of high orders from losing digits. The loops are plain so that any compiler vectorises them.
 */
#include "sample/update.h"

#include "base/random.h"

enum { BLOCK = 1024 };

static void start_block(size_t n, double *restrict sum, double a, double k, const float *restrict x)
{
    if (a == 0.0) {
        for (size_t i = 0; i < n; i++)
            sum[i] = k;
        return;
    }
    for (size_t i = 0; i < n; i++)
        sum[i] = a * (double)x[i] + k;
}

static void add_block(size_t n, double *restrict sum, double factor, const float *restrict term)
{
    for (size_t i = 0; i < n; i++)
        sum[i] += factor * (double)term[i];
}

void bfn__update(const bfn_plan_row *row, size_t n, float *x, const float *const p[4], const bfn__noise *noise)
{
    double sum[BLOCK];
    float drawn[BLOCK];
    for (size_t first = 0; first < n; first += BLOCK) {
        size_t m = n - first < BLOCK ? n - first : BLOCK;
        start_block(m, sum, row->a, row->k, x + first);
        for (int j = 0; j < 4; j++)
            if (row->b[j] != 0.0)
                add_block(m, sum, row->b[j], p[j] + first);
        if (row->e != 0.0) {
            const float *z = drawn;
            if (noise->given != NULL)
                z = noise->given + first;
            else
                bfn__random_normals(noise->seed, noise->sample, noise->draw, first, m, drawn);
            add_block(m, sum, row->e, z);
        }
        for (size_t i = 0; i < m; i++)
            x[first + i] = (float)sum[i];
    }
}
