/* rows.c: methods as rows of a plan (SPEC sections 3, 9, 11).
 *
 * The builder walks the grid. It remembers at which times the newest predictions were made, exactly as a sampler's history will hold
 * them, and turns a step of quadrature.c into a row. Four kinds of step exist:
 *
 *   plain     call, then  x' = a x + scale sum c_j p_j + k + e z
 *   Euler     the same with the coefficients of a derivative frozen at t_s
 *   midpoint  two rows: to t_m with p(t_s), then over the whole step with p(t_m). The second needs x_s, which is not kept; as the first is
 *             affine in it (x_m = a_m x_s + b_m p_s + k_m), x_s is solved for and put in:
 *                 x_t = r x_m + scale M_0 p_m - r b_m p_s + k - r k_m,     r = a/a_m = t_t/t_m or sigma_t/sigma_m
 *   corrector a row that costs no evaluation (9.3): once the prediction at t_t is known, the same step is integrated again
 *             with it as one more node; its row adds the difference of both results, scale (c'_j - c_j) p_j. The noise is unchanged.
 *
 * From t = 0 a step is the exact first-order one (11.2). A prediction made at t = 0 has lambda = -inf, so for continuous data it is
 * nobody's node, and the step from there has no corrector.
 */
#include "solver/plan.h"
#include "solver/quadrature.h"

#include <math.h>
#include <string.h>

/* A step that the corrector can repeat. */
typedef struct past_step {
    bool usable;
    bfn__step step;
    size_t n;                 /* nodes it weighed */
    double c[BFN__MAX_NODES]; /* ... and their weights */
} past_step;

typedef struct builder {
    const bfn__resolved *r;
    bfn_plan_row *rows;
    size_t n_rows;
    double made[BFN__MAX_NODES]; /* times of the newest predictions, newest first */
    size_t n_made;
    past_step past;
} builder;

/* Append a row that leaves the state as it is. `call`: a prediction is made at t before it. */
static bfn_plan_row *add_row(builder *b, bool call, double t, double t_next)
{
    bfn_plan_row *row = &b->rows[b->n_rows++];
    *row = (bfn_plan_row){.call = call, .t = t, .t_next = t_next, .a = 1.0};
    if (call) {
        memmove(b->made + 1, b->made, (BFN__MAX_NODES - 1) * sizeof b->made[0]);
        b->made[0] = t;
        if (b->n_made < BFN__MAX_NODES)
            b->n_made++;
    }
    return row;
}

/* The first n predictions as nodes of a step, in units of its length. Returns how many of them can be used. */
static size_t nodes(const builder *b, const bfn__step *step, size_t n, double *u)
{
    size_t usable = 0;
    while (usable < n && usable < b->n_made) {
        double v = bfn__path_variable(&b->r->path, b->made[usable]);
        if (!isfinite(v))
            break;
        u[usable++] = (v - step->from) / step->h;
    }
    return usable;
}

/* Weights of the published second-order continuous solvers: the slope is weighted by M_0/2 instead of M_1 (SPEC 3.1). */
static void published_slope(const bfn__step *step, const double *u, double *c)
{
    double slope = step->moments[0] * 0.5 / -u[1];
    c[0] = step->moments[0] + slope;
    c[1] = -slope;
}

static void plain_step(builder *b, bool call, double s, double t)
{
    const bfn__resolved *r = b->r;
    bfn_plan_row *row = add_row(b, call, s, t);
    past_step past = {.n = 1};
    bfn__step_init(&r->path, r->traits.sde, s, t, &past.step);
    past.usable = isfinite(past.step.h);
    double u[BFN__MAX_NODES];
    size_t n = past.usable ? nodes(b, &past.step, r->traits.order, u) : 1;
    if (n < 2)
        past.c[0] = past.step.moments[0];
    else if (r->traits.order == 2 && !r->path.discrete)
        published_slope(&past.step, u, past.c);
    else
        bfn__quadrature(n, u, past.step.moments, past.c);
    past.n = n;
    row->a = past.step.a;
    row->k = past.step.k;
    row->e = past.step.e;
    for (size_t j = 0; j < n; j++)
        row->b[j] = past.step.scale * past.c[j];
    b->past = past;
}

static void euler_step(builder *b, double s, double t)
{
    const bfn__path *path = &b->r->path;
    double d = t - s, half = b->r->traits.sde ? 1.0 : 0.5;
    if (s <= 0.0) {
        plain_step(b, true, s, t);
        return;
    }
    bfn_plan_row *row = add_row(b, true, s, t);
    if (path->discrete) {
        double pull = 2.0 * half * path->beta_1 * s * d; /* K pull (p - 1/K) */
        row->a = b->r->traits.sde ? 1.0 : 1.0 + d / s;
        row->b[0] = path->K * pull;
        row->k = -pull;
        row->e = b->r->traits.sde ? sqrt(path->K * pull) : 0.0;
        return;
    }
    /* dx = -(F x + g^2 eps/sigma) dt + g dW with eps = (x - gamma p)/sigma, g^2 = rate (1 - gamma), F = -g^2/gamma */
    double gamma = bfn__path_gamma(path, s), g2 = path->rate * exp(-path->rate * s);
    row->a = 1.0 + g2 / gamma * d - half * path->rate / gamma * d;
    row->b[0] = half * path->rate * d;
    row->e = b->r->traits.sde ? sqrt(g2 * d) : 0.0;
}

/* Between ODE (kappa = 0) and SDE (1), first order (SPEC 9.6): keep the part sqrt(q) of the noise that is in the state, redraw the rest. */
static void dial_step(builder *b, double s, double t)
{
    const bfn__path *path = &b->r->path;
    if (s <= 0.0) {
        plain_step(b, true, s, t);
        return;
    }
    bfn_plan_row *row = add_row(b, true, s, t);
    double kappa = b->r->noise, ratio = bfn__path_beta_ratio(path, s, t), q = 1.0 - kappa * (1.0 - ratio);
    double fresh = sqrt(kappa * (1.0 - ratio)); /* sqrt(1 - q) */
    if (path->discrete) {
        double beta_t = bfn__path_beta(path, t);
        row->a = sqrt(q / ratio);
        row->k = -(beta_t - row->a * bfn__path_beta(path, s));
        row->b[0] = -path->K * row->k;
        row->e = sqrt(path->K * beta_t) * fresh;
    } else {
        row->a = sqrt(q) * bfn__path_sigma_ratio(path, s, t);
        row->b[0] = bfn__path_gamma(path, t) - row->a * bfn__path_gamma(path, s);
        row->e = bfn__path_sigma(path, t) * fresh;
    }
}

/* The first half of a midpoint step; the second is missing when `return_midpoint`: then the prediction there is the sample. */
static void midpoint_step(builder *b, bool call, double s, double t, bool return_midpoint)
{
    const bfn__path *path = &b->r->path;
    double m = bfn__path_midpoint(path, s, t);
    bfn__step half, full;
    bfn__step_init(path, false, s, m, &half);
    bfn__step_init(path, false, s, t, &full);
    double half_b = half.scale * half.moments[0];
    double ratio = path->discrete ? t / m : bfn__path_sigma_ratio(path, m, t);

    bfn_plan_row *row = add_row(b, call, s, m);
    row->a = half.a;
    row->b[0] = half_b;
    row->k = half.k;
    row->e = half.e;
    row = add_row(b, true, m, t);
    if (return_midpoint) {
        row->a = 0.0;
        row->b[0] = 1.0;
        return;
    }
    row->a = ratio;
    row->b[0] = full.scale * full.moments[0];
    row->b[1] = -ratio * half_b;
    row->k = full.k - ratio * half.k;
    b->past = (past_step){.usable = isfinite(full.h), .step = full, .n = 2, .c = {full.moments[0], 0.0}};
}

/* Repeat the past step with the prediction at its end, t, as the newest node. False when there is nothing to repeat. */
static bool corrector_row(builder *b, double t)
{
    const past_step *past = &b->past;
    if (!past->usable)
        return false;
    bfn_plan_row *row = add_row(b, true, t, t);
    row->corrector = 1;
    double u[BFN__MAX_NODES], c[BFN__MAX_NODES];
    size_t n = nodes(b, &past->step, past->n + 1, u);
    bfn__quadrature(n, u, past->step.moments, c);
    for (size_t j = 0; j < n; j++)
        row->b[j] = past->step.scale * (c[j] - (j > 0 ? past->c[j - 1] : 0.0));
    return true;
}

/* The prediction at t is the sample. */
static void drop_row(builder *b, double t)
{
    bfn_plan_row *row = add_row(b, true, t, 1.0);
    row->a = 0.0;
    row->b[0] = 1.0;
}

size_t bfn__rows_max(const bfn__resolved *r)
{
    return (r->corrector || r->traits.midpoint_each ? 2 * r->n_steps : r->n_steps) + 1;
}

size_t bfn__rows_fill(const bfn__resolved *r, const double *t, bfn_plan_row *rows)
{
    builder b = {.r = r, .rows = rows};
    for (size_t i = 0; i < r->n_steps; i++) {
        bool last = i + 1 == r->n_steps && r->drop_last;
        bool midpoint = r->traits.midpoint_each || (r->traits.midpoint_first && i == 0);
        if (last && r->traits.midpoint_each && r->published) {
            midpoint_step(&b, true, t[i], t[i + 1], true);
        } else if (last) {
            drop_row(&b, t[i]);
        } else {
            bool call = !(r->corrector && i > 0 && corrector_row(&b, t[i]));
            if (midpoint)
                midpoint_step(&b, call, t[i], t[i + 1], false);
            else if (r->traits.euler)
                euler_step(&b, t[i], t[i + 1]);
            else if (r->noise_is_set)
                dial_step(&b, t[i], t[i + 1]);
            else
                plain_step(&b, call, t[i], t[i + 1]);
        }
    }
    return b.n_rows;
}
