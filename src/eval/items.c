/* items.c: take items of a data set until a mean is known well enough.
 *
 * Items are independent samples of the data's law, and what is measured of one item does not depend on the others, so the spread of the
 * values gives the standard error. Stopping when it falls below a precision looks at it again and again; that would be unfair if it could be
 * small by chance, which after 32 items and more it hardly can.
 */
#include "eval/likelihood.h"

#include "io/permute.h"

#include <math.h>

size_t bfn__item_index(const bfn__item_plan *plan, size_t i)
{
    if (plan->precision > 0.0)
        return (size_t)bfn__permute(plan->seed, 0, plan->n_available, i);
    return (size_t)((double)i * (double)plan->n_available / (double)plan->n_max);
}

double bfn__mean(const double *values, size_t n, double *standard_error)
{
    double sum = 0.0, squares = 0.0;
    for (size_t i = 0; i < n; i++)
        sum += values[i];
    double mean = n > 0 ? sum / (double)n : 0.0;
    for (size_t i = 0; i < n; i++)
        squares += (values[i] - mean) * (values[i] - mean);
    *standard_error = n > 1 ? sqrt(squares / ((double)n * (double)(n - 1))) : 0.0;
    return mean;
}

static bool is_precise(const bfn__item_plan *plan, const double *values, size_t n)
{
    double error;
    if (!(plan->precision > 0.0) || n < BFN__LEAST_ITEMS)
        return false;
    (void)bfn__mean(values, n, &error);
    return error <= plan->precision;
}

bfn_status bfn__items_run(bfn_context *ctx, const bfn__item_plan *plan, bfn__measure_fn measure, void *user,
                          double *values, size_t *n_done)
{
    for (*n_done = 0; *n_done < plan->n_max && !is_precise(plan, values, *n_done);) {
        size_t left = plan->n_max - *n_done, n = left < plan->batch ? left : plan->batch;
        bfn_status status = measure(user, *n_done, n, values + *n_done);
        if (status != BFN_OK)
            return status;
        *n_done += n;
        if (plan->progress != NULL && plan->progress(plan->user, *n_done, plan->n_max) != 0)
            return bfn__fail(ctx, BFN_CANCELLED, "stopped after %zu of %zu sequences", *n_done, plan->n_max);
    }
    return BFN_OK;
}
