/* quadrature.h: weights that integrate a polynomial through predictions against the kernel of a path (SPEC 9.1). */
#ifndef BFN_QUADRATURE_H
#define BFN_QUADRATURE_H

#include "solver/path.h"

enum { BFN__MAX_NODES = 4 };

/* One step from time s to time t without its predictions:
 *     x_t = a x_s + scale * sum_j c_j p_j + k + e z,   sum_j c_j u_j^m = moments[m] for nodes u_j (in units of the step h)
 * where u = (variable of a prediction - variable at s) / h. */
typedef struct bfn__step {
    double s, t;
    double from,
        h; /* the path's variable at s, and the length of the step in it; not finite for continuous data from s = 0 */
    double a, scale, k, e;
    double moments[BFN__MAX_NODES];
} bfn__step;

/* sde: the reverse SDE; else the probability-flow ODE. From s = 0 the ODE has a = 0 and draws its noise (SPEC 11.2). */
void bfn__step_init(const bfn__path *path, bool sde, double s, double t, bfn__step *step);

/* c[j] for n nodes u[j], 1 <= n <= BFN__MAX_NODES, all different. */
void bfn__quadrature(size_t n, const double *u, const double *moments, double *c);

#endif
