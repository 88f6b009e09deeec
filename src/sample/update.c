/* update.c: x' = a x + sum_j b_j p_j + k + e z.
 *
 * One pass over memory: blocks of 1024 elements, whose noise is made just before and never leaves the first-level cache. Everything that has
 * a weight, the old state and the noise as well, is one more term of a weighted sum (combine.isa.c). Sums are made in double:
 * beside the noise that costs little, and the large opposite weights of high orders lose no digits.
 */
#include "sample/update.h"

#include "base/random.h"
#include "sample/combine.h"

enum { BLOCK = 1024 };

void bfn__update(const bfn_plan_row *row, size_t n, float *x, const float *const p[4], const bfn__noise *noise)
{
    const double weight[BFN__MAX_TERMS] = {row->a, row->b[0], row->b[1], row->b[2], row->b[3], row->e};
    float drawn[BLOCK];
    for (size_t first = 0; first < n; first += BLOCK) {
        size_t m = n - first < BLOCK ? n - first : BLOCK, n_terms = 0;
        double factor[BFN__MAX_TERMS];
        const float *term[BFN__MAX_TERMS];
        for (size_t j = 0; j < BFN__MAX_TERMS; j++) {
            if (weight[j] == 0.0)
                continue;
            factor[n_terms] = weight[j];
            if (j == 0)
                term[n_terms++] = x + first;
            else if (j < BFN__MAX_TERMS - 1)
                term[n_terms++] = p[j - 1] + first;
            else
                term[n_terms++] = noise->given != NULL ? noise->given + first : drawn;
        }
        if (row->e != 0.0 && noise->given == NULL)
            bfn__random_normals(noise->seed, noise->sample, noise->draw, first, m, drawn);
        BFN__ISA_PICK(bfn__combine)(m, x + first, row->k, n_terms, factor, term);
    }
}
