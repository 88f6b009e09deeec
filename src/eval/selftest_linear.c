/* selftest_linear.c: the law that a plan produces on a linear test problem, without sampling.
 *
 * If every prediction is affine in the state it was made from, then (x, p_0 .. p_3) stays jointly Gaussian and a row maps its mean
 * vector and its covariance matrix linearly. Weak orders of SDE methods become visible in double precision: no Monte Carlo noise.
 * The reference integrates the moment equations of the reverse SDE with the classical Runge-Kutta method:
 *   discrete    dz = 2 K beta_1 t (p - 1/K) dt + sqrt(2 K beta_1 t) dW
 *   continuous  dS = p dbeta + dW_beta for S = (1 + beta) mu, over lambda = ln(beta)/2: dbeta = 2 beta dlambda     (SPEC 2.1, 2.2)
 */
#include "eval/selftest.h"

#include <math.h>
#include <string.h>

enum { N_VECTOR = 5 }; /* x, p_0 .. p_3 */

static void affine(const bfn__linear *l, double t, double *slope, double *offset)
{
    if (l->flow.kind == BFN_DATA_DISCRETE) {
        *slope = l->slope;
        *offset = 1.0 / (double)l->flow.n_classes + l->offset * sin(3.0 * t);
        return;
    }
    double beta = bfn_flow_beta(&l->flow, t), v = l->deviation * l->deviation;
    *slope = v * (1.0 + beta) / (1.0 + v * beta);
    *offset = l->mean / (1.0 + v * beta) + l->offset * sin(bfn_flow_lambda(&l->flow, t));
}

/* The newest prediction enters the vector; the older ones move back. */
static void push_prediction(double slope, double offset, double mean[N_VECTOR], double cov[N_VECTOR][N_VECTOR])
{
    static const int from[N_VECTOR] = {0, 0, 1, 2,
                                       3}; /* new element i is `slope` (i == 1) or 1 times old element from[i] */
    double m[N_VECTOR], c[N_VECTOR][N_VECTOR];
    for (int i = 0; i < N_VECTOR; i++) {
        m[i] = i == 1 ? slope * mean[0] + offset : mean[from[i]];
        for (int j = 0; j < N_VECTOR; j++)
            c[i][j] = (i == 1 ? slope : 1.0) * (j == 1 ? slope : 1.0) * cov[from[i]][from[j]];
    }
    memcpy(mean, m, sizeof m);
    memcpy(cov, c, sizeof c);
}

static void apply_row(const bfn_plan_row *row, double mean[N_VECTOR], double cov[N_VECTOR][N_VECTOR])
{
    const double w[N_VECTOR] = {row->a, row->b[0], row->b[1], row->b[2], row->b[3]};
    double m = row->k, with[N_VECTOR] = {0}, variance = row->e * row->e;
    for (int i = 0; i < N_VECTOR; i++) {
        m += w[i] * mean[i];
        for (int j = 0; j < N_VECTOR; j++)
            with[i] += w[j] * cov[i][j];
    }
    for (int i = 0; i < N_VECTOR; i++)
        variance += w[i] * with[i];
    mean[0] = m;
    for (int i = 1; i < N_VECTOR; i++)
        cov[0][i] = cov[i][0] = with[i];
    cov[0][0] = variance;
}

void bfn__linear_run(const bfn__linear *l, const bfn_plan_row *rows, size_t n_rows, double *mean, double *variance)
{
    double m[N_VECTOR] = {*mean}, c[N_VECTOR][N_VECTOR] = {{*variance}};
    for (size_t r = 0; r < n_rows; r++) {
        double slope, offset;
        affine(l, rows[r].t, &slope, &offset);
        if (rows[r].call)
            push_prediction(slope, offset, m, c);
        apply_row(&rows[r], m, c);
    }
    *mean = m[0];
    *variance = c[0][0];
}

/* Time derivative of (mean, variance) of z over t, or of S over lambda. */
static void moment_slope(const bfn__linear *l, double at, const double y[2], double dy[2])
{
    double slope, offset;
    if (l->flow.kind == BFN_DATA_DISCRETE) {
        double K = (double)l->flow.n_classes, rate = 2.0 * K * l->flow.max_sqrt_beta * l->flow.max_sqrt_beta * at;
        affine(l, at, &slope, &offset);
        dy[0] = rate * (slope * y[0] + offset - 1.0 / K);
        dy[1] = rate * (2.0 * slope * y[1] + 1.0);
        return;
    }
    double beta = exp(2.0 * at);
    affine(l, bfn_flow_time_of_lambda(&l->flow, at), &slope, &offset);
    slope /= 1.0 + beta;
    dy[0] = 2.0 * beta * (slope * y[0] + offset);
    dy[1] = 2.0 * beta * (2.0 * slope * y[1] + 1.0);
}

void bfn__linear_solve(const bfn__linear *l, double t0, double *mean, double *variance)
{
    enum { N_STEPS = 4000 };
    bool discrete = l->flow.kind == BFN_DATA_DISCRETE;
    double from = discrete ? t0 : bfn_flow_lambda(&l->flow, t0), to = discrete ? 1.0 : bfn_flow_lambda(&l->flow, 1.0);
    double h = (to - from) / N_STEPS, start = discrete ? 1.0 : 1.0 + bfn_flow_beta(&l->flow, t0);
    double end = discrete ? 1.0 : 1.0 + bfn_flow_beta(&l->flow, 1.0);
    double y[2] = {*mean * start, *variance * start * start};
    for (int s = 0; s < N_STEPS; s++) {
        double k[4][2], stage[2], at = from + h * s;
        static const double part[4] = {0.0, 0.5, 0.5, 1.0};
        for (int i = 0; i < 4; i++) {
            for (int c = 0; c < 2; c++)
                stage[c] = i == 0 ? y[c] : y[c] + h * part[i] * k[i - 1][c];
            moment_slope(l, at + h * part[i], stage, k[i]);
        }
        for (int c = 0; c < 2; c++)
            y[c] += h / 6.0 * (k[0][c] + 2.0 * k[1][c] + 2.0 * k[2][c] + k[3][c]);
    }
    *mean = y[0] / end;
    *variance = y[1] / (end * end);
}
