/* grid.c: the times t_0 .. t_N that a plan steps through (SPEC 11.1).
 *
 *   time     t_i = eta + (1 - eta) i/N
 *   power r  t_i = eta + (1 - eta) (i/N)^r
 *   logsnr   lambda_i uniform from lambda(max(eta, 1e-3)) to lambda(1); the start is that time, never 0
 *   list     as given
 * The ends are set exactly. A grid whose neighbours coincide in double (a high power with many steps) is refused: its steps
 * would divide by zero.
 */
#include "solver/plan.h"

#include <math.h>

static double grid_time(const bfn__resolved *r, size_t i)
{
    double u = (double)i / (double)r->n_steps;
    if (r->grid == BFN_GRID_LOGSNR) {
        double from = bfn__path_lambda(&r->path, r->eta), to = bfn__path_lambda(&r->path, 1.0);
        return bfn__path_time(&r->path, from + (to - from) * u);
    }
    if (r->grid == BFN_GRID_POWER)
        u = pow(u, r->power);
    return r->eta + (1.0 - r->eta) * u;
}

bfn_status bfn__grid_fill(bfn_context *ctx, const bfn__resolved *r, double *t)
{
    size_t n = r->n_steps;
    for (size_t i = 0; i <= n; i++)
        t[i] = r->grid == BFN_GRID_LIST ? r->times[i] : grid_time(r, i);
    if (r->grid != BFN_GRID_LIST) {
        t[0] = r->eta;
        t[n] = 1.0;
    }
    for (size_t i = 0; i < n; i++) {
        bool ordered = t[i] < t[i + 1] && bfn__path_variable(&r->path, t[i]) < bfn__path_variable(&r->path, t[i + 1]);
        if (!ordered)
            return bfn__fail(ctx, BFN_ERR_ARGUMENT,
                             "grid: times %zu and %zu are %.17g and %.17g: they must increase (fewer steps or a lower "
                             "power separate them)",
                             i, i + 1, t[i], t[i + 1]);
    }
    return BFN_OK;
}
