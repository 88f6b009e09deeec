/* selftest_identities.c: numbers that are known without sampling (SPEC 10).
 *
 * Coefficients printed in SPEC 3.1 and 3.2; methods that must coincide (the original sampler is the first-order SDE solver; the
 * dial between ODE and SDE ends in both); the third order in Newton's form (SPEC 9.2) against the Vandermonde form that plans use;
 * schedules and their inverses; the quantiser; and losses with an exact network, whose expectations are informations:
 *   discrete    L_inf + L_r = entropy of the data, when little is left unknown at t = 1 (I-MMSE, SPEC 2.3)
 *   continuous  L_inf = ln(1 + s^2 beta(1)) / 2 for N(m, s^2)
 *   n steps     the divergence of sender and receiver never exceeds -ln p(x), draw by draw: the joint mixture, not the per-coordinate one
 */
#include "base/random.h"
#include "eval/selftest.h"

#include <math.h>
#include <string.h>

static bfn_status list_plan(bfn__selftest *st, bfn_plan **plan, const bfn_flow *flow, bfn_method method,
                            const double *times, size_t n_times)
{
    bfn_solver_options options = bfn__selftest_options(method, n_times - 1, BFN_GRID_LIST, 0.0);
    options.times = times;
    options.n_times = n_times;
    options.last = BFN_LAST_UPDATE;
    return bfn__selftest_plan(st, plan, flow, &options);
}

static bfn_status check_printed_numbers(bfn__selftest *st, const bfn_flow *continuous)
{
    static const double times[] = {0.3, 0.4, 1.0}, discrete_times[] = {0.1, 0.3, 0.45, 1.0};
    bfn_flow text = BFN_FLOW_INIT;
    text.kind = BFN_DATA_DISCRETE;
    text.n_classes = 27;
    text.max_sqrt_beta = 0.75;
    text.min_variance = text.clip = 0.0;
    bfn_plan *plan = NULL;
    bfn_status status = list_plan(st, &plan, continuous, BFN_METHOD_SDE1, times, 3);
    if (status != BFN_OK)
        return status;
    bfn_plan_row row = bfn_plan_rows(plan)[0];
    bfn__selftest_equal(st, row.a, 0.251189, 1e-6, "sde1, sigma_1 = 1e-3, t = 0.3 to 0.4: a");
    bfn__selftest_equal(st, row.b[0], 0.748811, 1e-6, "sde1, sigma_1 = 1e-3, t = 0.3 to 0.4: b");
    bfn__selftest_equal(st, row.e, 0.0545992, 1e-7, "sde1, sigma_1 = 1e-3, t = 0.3 to 0.4: noise");
    bfn_plan_destroy(plan);
    if ((status = list_plan(st, &plan, continuous, BFN_METHOD_ODE1, times, 3)) != BFN_OK)
        return status;
    row = bfn_plan_rows(plan)[0];
    bfn__selftest_equal(st, row.a, 0.504200, 1e-6, "ode1, sigma_1 = 1e-3, t = 0.3 to 0.4: a");
    bfn__selftest_equal(st, row.b[0], 0.499810, 1e-6, "ode1, sigma_1 = 1e-3, t = 0.3 to 0.4: b");
    bfn_plan_destroy(plan);
    if ((status = list_plan(st, &plan, &text, BFN_METHOD_SDE2M, discrete_times, 4)) != BFN_OK)
        return status;
    bfn__selftest_equal(st, -bfn_plan_rows(plan)[1].b[1] * 0.2, 0.1366875, 1e-9,
                        "sde2m, K = 27, t = 0.3 to 0.45: weight of the slope");
    bfn_plan_destroy(plan);
    return BFN_OK;
}

static double row_distance(const bfn_plan_row *x, const bfn_plan_row *y)
{
    double worst = fmax(fabs(x->a - y->a), fmax(fabs(x->k - y->k), fabs(x->e - y->e)));
    for (int j = 0; j < 4; j++)
        worst = fmax(worst, fabs(x->b[j] - y->b[j]));
    return worst;
}

/* Two methods (dial < 0: none) whose rows must be equal. */
static bfn_status check_same_rows(bfn__selftest *st, const bfn_flow *flow, bfn_method m1, double dial_1, bfn_method m2,
                                  const char *what)
{
    enum { N = 8 };
    bfn_solver_options o1 = bfn__selftest_options(m1, N, BFN_GRID_POWER, 2e-3),
                       o2 = bfn__selftest_options(m2, N, BFN_GRID_POWER, 2e-3);
    o1.last = o2.last = BFN_LAST_UPDATE;
    o1.noise = dial_1;
    o1.noise_is_set = dial_1 >= 0.0;
    bfn_plan *p1 = NULL, *p2 = NULL;
    bfn_status status = bfn__selftest_plan(st, &p1, flow, &o1);
    if (status == BFN_OK)
        status = bfn__selftest_plan(st, &p2, flow, &o2);
    double worst = 0.0;
    for (size_t i = 0; i < N && status == BFN_OK; i++)
        worst = fmax(worst, row_distance(&bfn_plan_rows(p1)[i], &bfn_plan_rows(p2)[i]));
    if (status == BFN_OK)
        bfn__selftest_most(st, worst, 1e-12, "%s: %s", flow->kind == BFN_DATA_DISCRETE ? "discrete" : "continuous",
                           what);
    bfn_plan_destroy(p1);
    bfn_plan_destroy(p2);
    return status;
}

/* Weights of f0, D1, D2 for the step s to t (SPEC 9.2), without the factor in front. g1 is the gap h1 between the newest two. */
static void newton_weights(const bfn_flow *flow, bool sde, double s, double t, double g1, double w[3])
{
    double d = t - s;
    if (flow->kind == BFN_DATA_DISCRETE && sde) {
        double w1 = s * d * d + 2.0 * d * d * d / 3.0, w2 = 2.0 * s * d * d * d / 3.0 + pow(d, 4.0) / 2.0;
        w[0] = t * t - s * s, w[1] = w1, w[2] = w2 + g1 * w1;
    } else if (flow->kind == BFN_DATA_DISCRETE) {
        w[0] = d, w[1] = d * d / 2.0, w[2] = d * d * d / 3.0 + d * d * g1 / 2.0;
    } else {
        double h = bfn_flow_lambda(flow, t) - bfn_flow_lambda(flow, s), r = sde ? 2.0 : 1.0;
        double a0 = 1.0 - exp(-r * h), a1 = h - a0 / r, a2 = h * h - 2.0 / r * a1;
        w[0] = a0, w[1] = a1, w[2] = a2 + g1 * a1;
    }
}

/* The last row but one, which has three predictions behind it, in Newton's form. */
static bfn_status check_newton(bfn__selftest *st, const bfn_flow *flow, bool sde)
{
    static const double times[] = {0.1, 0.25, 0.35, 0.6, 0.8, 1.0};
    bfn_plan *plan = NULL;
    bfn_status status = list_plan(st, &plan, flow, sde ? BFN_METHOD_SDE3M : BFN_METHOD_ODE3M, times, 6);
    if (status != BFN_OK)
        return status;
    bool discrete = flow->kind == BFN_DATA_DISCRETE;
    bfn_plan_info info;
    bfn_plan_get_info(plan, &info);
    const bfn_plan_row *row = &bfn_plan_rows(plan)[info.n_rows - 2]; /* from 0.6, after 0.35 and 0.25 */
    double v[4];
    for (int i = 0; i < 4; i++)
        v[i] = discrete ? times[4 - i] : bfn_flow_lambda(flow, times[4 - i]);
    double g1 = v[1] - v[2], g2 = v[2] - v[3], w[3];
    newton_weights(flow, sde, times[3], times[4], g1, w);
    double front = bfn_flow_gamma(flow, times[4]);
    if (discrete)
        front = (double)flow->n_classes * bfn_flow_beta(flow, 1.0) * (sde ? 1.0 : times[4]);
    /* w1 D1 + w2 D2 with D1 = (f0 - f1)/g1 and D2 = (D1 - (f1 - f2)/g2)/(g1 + g2), sorted by f */
    double second = w[2] / (g1 + g2), first = w[1] + second;
    double b0 = front * (w[0] + first / g1), b1 = front * (-first / g1 - second / g2), b2 = front * second / g2;
    double worst = fmax(fabs(row->b[0] - b0), fmax(fabs(row->b[1] - b1), fabs(row->b[2] - b2)));
    bfn__selftest_most(st, worst / front, 1e-12, "%s %s: Newton's form equals Vandermonde's",
                       discrete ? "discrete" : "continuous", sde ? "sde3m" : "ode3m");
    bfn_plan_destroy(plan);
    return BFN_OK;
}

/* Times of every grid (SPEC 11.1); lambda = ln(beta)/2. */
static bfn_status check_grid(bfn__selftest *st, const bfn_flow *flow, bfn_grid grid, const char *name)
{
    enum { N = 9 };
    const double eta = 2e-3;
    bfn_solver_options options = bfn__selftest_options(BFN_METHOD_ODE1, N, grid, eta);
    options.last = BFN_LAST_UPDATE;
    bfn_plan *plan = NULL;
    bfn_status status = bfn__selftest_plan(st, &plan, flow, &options);
    if (status != BFN_OK)
        return status;
    double worst = 0.0, from = 0.5 * log(bfn_flow_beta(flow, eta)), to = 0.5 * log(bfn_flow_beta(flow, 1.0));
    for (int i = 0; i < N; i++) {
        const bfn_plan_row *row = &bfn_plan_rows(plan)[i];
        double u = (double)i / N, wanted = eta + (1.0 - eta) * (grid == BFN_GRID_POWER ? pow(u, options.power) : u);
        double error = fabs(row->t - wanted);
        if (grid == BFN_GRID_LOGSNR)
            error = fabs(0.5 * log(bfn_flow_beta(flow, row->t)) - (from + (to - from) * u));
        worst = fmax(worst, error + (i > 0 ? fabs(row->t - row[-1].t_next) : 0.0));
    }
    worst = fmax(worst, fabs(bfn_plan_rows(plan)[N - 1].t_next - 1.0));
    bfn__selftest_most(st, worst, 1e-12, "%s: times of grid %s",
                       flow->kind == BFN_DATA_DISCRETE ? "discrete" : "continuous", name);
    bfn_plan_destroy(plan);
    return BFN_OK;
}

static bfn_status check_grids(bfn__selftest *st, const bfn_flow *flow)
{
    bfn_status status = check_grid(st, flow, BFN_GRID_TIME, "time");
    if (status == BFN_OK)
        status = check_grid(st, flow, BFN_GRID_LOGSNR, "logsnr");
    return status == BFN_OK ? check_grid(st, flow, BFN_GRID_POWER, "power:1.3") : status;
}

static void check_schedules(bfn__selftest *st, const bfn_flow *continuous, const bfn_flow *discrete)
{
    double worst = 0.0, inverse = 0.0, bayes = 0.0;
    for (int i = 1; i <= 100; i++) {
        double t = i / 100.0, beta = bfn_flow_beta(continuous, t), gamma = bfn_flow_gamma(continuous, t);
        worst = fmax(worst, fabs(bfn_flow_lambda(continuous, t) - 0.5 * log(beta)));
        worst = fmax(worst, fabs(bfn_flow_lambda(discrete, t) - 0.5 * log(bfn_flow_beta(discrete, t))));
        worst = fmax(worst, fabs(log(gamma / bfn_flow_sigma(continuous, t)) - 0.5 * log(beta)));
        inverse = fmax(inverse, fabs(bfn_flow_time_of_lambda(continuous, bfn_flow_lambda(continuous, t)) - t));
        inverse = fmax(inverse, fabs(bfn_flow_time_of_lambda(discrete, bfn_flow_lambda(discrete, t)) - t));
        bayes = fmax(bayes, fabs(gamma - beta / (1.0 + beta)));
    }
    bfn__selftest_most(st, worst, 1e-9, "lambda = ln(beta)/2 = ln(gamma/sigma)");
    bfn__selftest_most(st, inverse, 1e-12, "t = time of lambda(t)");
    bfn__selftest_most(st, bayes, 1e-12, "gamma = beta/(1 + beta)");
}

/* A byte, scaled to [-1,1], falls into the bin of its own number: the most likely bin of a narrow normal there. */
static void check_quantiser(bfn__selftest *st)
{
    bfn_flow flow = BFN_FLOW_INIT;
    flow.kind = BFN_DATA_DISCRETISED;
    flow.n_classes = 256;
    flow.min_variance = 1e-6;
    float state[256], output[512] = {0}, centre[256];
    double t = 1.0;
    size_t wrong = 0;
    for (int p = 0; p < 256; p++) {
        state[p] = (float)((p / 255.0 * 2.0 - 1.0) * bfn_flow_gamma(&flow, t));
        bfn_flow_mode(&flow, 1, 1, state + p, &t, output + 2 * p, centre + p);
        wrong += fabs((double)centre[p] - (2.0 * (p + 0.5) / 256.0 - 1.0)) > 1e-6;
    }
    bfn__selftest_equal(st, (double)wrong, 0.0, 0.0, "256 bytes to bins and back, wrong ones");
}

/* One step for two classes: every draw's divergence is below -ln p, and close to it when classes are far apart. */
static bfn_status check_joint_mixture(bfn__selftest *st)
{
    enum { DRAWS = 256 };
    static const double prior[2] = {0.862, 0.138};
    bfn_flow flow = BFN_FLOW_INIT;
    flow.kind = BFN_DATA_DISCRETE;
    flow.n_classes = 2;
    flow.max_sqrt_beta = 3.0;
    flow.min_variance = flow.clip = 0.0;
    bfn__exact e = {.law = BFN__EXACT_INDEPENDENT, .flow = flow, .D = 1, .prior = prior};
    float normals[2 * DRAWS], state[2] = {0.0F, 0.0F}, shown[1], output[1];
    int32_t x = 1;
    double t = 0.0, loss;
    bfn__random_normals(17, 0, 0, 0, 2 * DRAWS, normals);
    bfn_flow_show(&flow, 1, 1, state, shown);
    (void)bfn__exact_predict(&e, 0, 1, &t, shown, output);
    bfn_loss_options options = BFN_LOSS_OPTIONS_INIT;
    options.kind = BFN_LOSS_N_STEP;
    options.n_steps = 1;
    options.n_draws = DRAWS;
    options.normals = normals;
    bfn_status status = bfn_flow_loss(st->ctx, &flow, &options, 1, 1, &x, &t, state, output, &loss, NULL);
    if (status == BFN_OK)
        bfn__selftest_range(st, loss, 0.95 * -log(prior[1]), -log(prior[1]) + 1e-6,
                            "one step, two classes: divergence up to -ln p(x)");
    return status;
}

enum { MAX_D = 4, MAX_WIDTH = 16 };

/* Data number i of the seed: classes from a table, or one number from a Gaussian. */
static void draw_data(const bfn__exact *e, uint64_t seed, uint64_t i, double u, int32_t *classes, float *x)
{
    if (e->law == BFN__EXACT_MIXTURE) {
        bfn__random_normals(seed, i, bfn__draw(1, BFN__DRAW_DATA), 0, 1, x);
        x[0] = (float)(e->mean[0] + e->deviation[0] * (double)x[0]);
        return;
    }
    size_t K = e->flow.n_classes, cell = 0, n_cells = 1;
    for (size_t d = 0; d < e->D; d++)
        n_cells *= K;
    double sum = e->table[0];
    while (cell + 1 < n_cells && sum < u)
        sum += e->table[++cell];
    for (size_t d = e->D; d-- > 0; cell /= K)
        classes[d] = (int32_t)(cell % K);
}

/* Mean over B samples of the law of a loss, summed over positions, at stratified times (or t = 1). The standard error comes from
 * neighbours, whose times are nearly equal: what varies with time is integrated exactly and is no error. */
static bfn_status expected_loss(bfn__selftest *st, bfn__exact *e, bfn_loss_kind kind, uint64_t seed, double *mean,
                                double *error)
{
    enum { B = 32768 };
    bfn_loss_options options = BFN_LOSS_OPTIONS_INIT;
    options.kind = kind;
    double sum = 0.0, square = 0.0, last = 0.0;
    for (size_t i = 0; i < B; i++) {
        double u[2], loss[MAX_D], total = 0.0;
        float state[MAX_WIDTH], shown[MAX_WIDTH], output[MAX_WIDTH], x[MAX_D] = {0};
        int32_t classes[MAX_D] = {0};
        bfn__random_uniforms(seed, i, bfn__draw(0, BFN__DRAW_DATA), 0, 2, u);
        bfn__random_normals(seed, i, bfn__draw(0, BFN__DRAW_NOISE), 0, e->D * bfn_flow_state_width(&e->flow), state);
        draw_data(e, seed, i, u[1], classes, x);
        double t = kind == BFN_LOSS_RECONSTRUCTION ? 1.0 : ((double)i + u[0]) / B;
        const void *data = e->law == BFN__EXACT_MIXTURE ? (const void *)x : (const void *)classes;
        bfn_flow_draw(&e->flow, 1, e->D, data, &t, state, state);
        bfn_flow_show(&e->flow, 1, e->D, state, shown);
        (void)bfn__exact_predict(e, 0, 1, &t, shown, output);
        bfn_status status = bfn_flow_loss(st->ctx, &e->flow, &options, 1, e->D, data, &t, state, output, loss, NULL);
        if (status != BFN_OK)
            return status;
        for (size_t d = 0; d < e->D; d++)
            total += loss[d];
        sum += total;
        square += i > 0 ? (total - last) * (total - last) : 0.0;
        last = total;
    }
    *mean = sum / B;
    *error = sqrt(0.5 * square) / B;
    return BFN_OK;
}

static bfn_status check_bounds(bfn__selftest *st, bfn__selftest_models *models)
{
    double bound, error, rest, rest_error, entropy = 0.0;
    for (int i = 0; i < 9; i++)
        entropy -= models->nine[i] * log(models->nine[i]);
    bfn_status status = expected_loss(st, &models->pair, BFN_LOSS_CONTINUOUS_TIME, 21, &bound, &error);
    if (status == BFN_OK)
        status = expected_loss(st, &models->pair, BFN_LOSS_RECONSTRUCTION, 22, &rest, &rest_error);
    if (status != BFN_OK)
        return status;
    bfn__selftest_equal(st, bound + rest, entropy, 4.5 * hypot(error, rest_error),
                        "pair: L_inf + L_r = entropy (nats)");
    double s = models->gauss.deviation[0];
    if ((status = expected_loss(st, &models->gauss, BFN_LOSS_CONTINUOUS_TIME, 23, &bound, &error)) != BFN_OK)
        return status;
    bfn__selftest_equal(st, bound, 0.5 * log1p(s * s * bfn_flow_beta(&models->gauss.flow, 1.0)), 4.5 * error,
                        "Gaussian: L_inf = ln(1 + s^2 beta(1))/2 (nats)");
    return BFN_OK;
}

bfn_status bfn__selftest_identities(bfn__selftest *st)
{
    bfn__selftest_models models;
    bfn__selftest_models_init(&models);
    const bfn_flow *flows[2] = {&models.gauss.flow, &models.table.flow};
    bfn__selftest_heading(st, "Identities");
    check_schedules(st, flows[0], flows[1]);
    check_quantiser(st);
    bfn_status status = check_printed_numbers(st, flows[0]);
    for (int f = 0; f < 2 && status == BFN_OK; f++) {
        status = check_grids(st, flows[f]);
        if (status == BFN_OK)
            status = check_same_rows(st, flows[f], BFN_METHOD_BFN, -1.0, BFN_METHOD_SDE1,
                                     "the original sampler's rows are sde1's");
        if (status == BFN_OK)
            status = check_same_rows(st, flows[f], BFN_METHOD_ODE1, 0.0, BFN_METHOD_ODE1, "noise 0 is ode1");
        if (status == BFN_OK)
            status = check_same_rows(st, flows[f], BFN_METHOD_SDE1, 1.0, BFN_METHOD_SDE1, "noise 1 is sde1");
        for (int sde = 0; sde < 2 && status == BFN_OK; sde++)
            status = check_newton(st, flows[f], sde != 0);
    }
    if (status == BFN_OK)
        status = check_joint_mixture(st);
    return status == BFN_OK ? check_bounds(st, &models) : status;
}
