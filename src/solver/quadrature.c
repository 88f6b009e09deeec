/* quadrature.c: the exact linear part of a step, and the weights of its predictions.
 *
 * Between s and t both the ODE and the SDE have solution  x_t = a x_s + scale * integral of kernel * p + k + e z,  where only the
 * kernel differs. In the path's variable, from u = 0 at s to u = 1 at t in units of the step h (d = t_t - t_s):
 *   discrete ODE    x_t = (t_t/t_s) x_s + K beta_1 t_t (sum c p - d/K)                    M_m = d/(m+1)
 *   discrete SDE    x_t = x_s + K beta_1 (sum c p - (t_t^2 - t_s^2)/K) + sqrt(K (beta_t - beta_s)) z
 *                                                                            M_m = 2 t_s d/(m+1) + 2 d^2/(m+2)
 *   continuous ODE  x_t = (sigma_t/sigma_s) x_s + gamma_t sum c p                         r = 1 below
 *   continuous SDE  x_t = [(1+beta_s) x_s + sqrt(beta_t - beta_s) z]/(1+beta_t) + gamma_t sum c p      r = 2
 *                   h^m M_m = int_0^h r e^(-r(h-v)) v^m dv:  M_0 = 1 - e^(-r h),  M_m = 1 - (m/(r h)) M_(m-1)
 * Replacing p by the polynomial through the predictions gives sum c_j u_j^m = M_m (a Vandermonde system); it is solved by
 * integrating the Lagrange polynomials, exact enough for the four nodes there can be. The recursion of the continuous moments cancels
 * for small h, so there the series  M_m = r h m! sum_j (-r h)^j/(m+1+j)!  is summed.
 */
#include "solver/quadrature.h"

#include <math.h>

/* M_0 .. M_3 of the exponential kernel, x = r h > 0 (or infinite: the kernel is a point at the end, M_m = 1). */
static void exponential_moments(double x, double moments[BFN__MAX_NODES])
{
    if (x < 2.0) {
        for (int m = 0; m < BFN__MAX_NODES; m++) {
            double term = x / (m + 1), sum = 0.0;
            for (int j = 0; j < 40; j++) {
                sum += term;
                term *= -x / (m + 2 + j);
            }
            moments[m] = sum;
        }
        return;
    }
    moments[0] = -expm1(-x);
    for (int m = 1; m < BFN__MAX_NODES; m++)
        moments[m] = 1.0 - m / x * moments[m - 1];
}

static void init_discrete(const bfn__path *path, bool sde, bfn__step *step)
{
    double s = step->s, t = step->t, d = t - s;
    if (sde) {
        step->a = 1.0;
        step->scale = path->K * path->beta_1;
        step->k = -path->beta_1 * d * (t + s);
        step->e = sqrt(path->K * path->beta_1 * d * (t + s));
    } else {
        step->a = s > 0.0 ? t / s : 0.0;
        step->scale = path->K * path->beta_1 * t;
        step->k = -path->beta_1 * t * d;
        step->e = s > 0.0 ? 0.0 : sqrt(path->K * path->beta_1) * t;
    }
    for (int m = 0; m < BFN__MAX_NODES; m++)
        step->moments[m] = sde ? 2.0 * s * d / (m + 1) + 2.0 * d * d / (m + 2) : d / (m + 1);
}

static void init_continuous(const bfn__path *path, bool sde, bfn__step *step)
{
    double s = step->s, t = step->t, decay = exp(path->rate * (s - t));
    step->scale = bfn__path_gamma(path, t);
    if (sde) {
        step->a = decay;
        step->e = sqrt(-expm1(path->rate * (s - t))) * exp(-0.5 * path->rate * t);
    } else {
        step->a = s > 0.0 ? bfn__path_sigma_ratio(path, s, t) : 0.0;
        step->e = s > 0.0 ? 0.0 : bfn__path_sigma(path, t);
    }
    exponential_moments((sde ? 2.0 : 1.0) * step->h, step->moments);
}

void bfn__step_init(const bfn__path *path, bool sde, double s, double t, bfn__step *step)
{
    *step = (bfn__step){.s = s, .t = t};
    step->from = bfn__path_variable(path, s);
    step->h = bfn__path_variable(path, t) - step->from;
    if (path->discrete)
        init_discrete(path, sde, step);
    else
        init_continuous(path, sde, step);
}

void bfn__quadrature(size_t n, const double *u, const double *moments, double *c)
{
    for (size_t j = 0; j < n; j++) {
        /* poly = product over k != j of (u - u_k)/(u_j - u_k), lowest power first */
        double poly[BFN__MAX_NODES] = {1.0};
        size_t degree = 0;
        for (size_t k = 0; k < n; k++) {
            if (k == j)
                continue;
            double inverse = 1.0 / (u[j] - u[k]);
            degree++;
            for (size_t m = degree; m > 0; m--)
                poly[m] = (poly[m - 1] - u[k] * poly[m]) * inverse;
            poly[0] *= -u[k] * inverse;
        }
        c[j] = 0.0;
        for (size_t m = 0; m <= degree; m++)
            c[j] += poly[m] * moments[m];
    }
}
