/* selftest_law.c: do the samples follow the law of the data?
 *
 * Gaussian data: mean and variance of the samples of every method. With the exact network predictions are affine in the state,
 * so the law that the plan produces is also known exactly (selftest_linear.c): the sampler must reproduce that one within the standard error of the
 * sample, whatever the plan's own error is.
 *
 * Discrete data: total variation (TV) between the empirical law and the data's. Even perfect samples have some: a class of
 * probability p counted in n samples is off by about N(0, p (1-p)/n), so
 *     E TV = 1/2 sum sqrt(2 p (1-p) / (pi n)),    Var TV <= 1/4 sum (1 - 2/pi) p (1-p) / n
 * (deviations of different classes are negatively correlated). The bound is E TV + 6 standard deviations + what the method's own error may add at
 * this number of steps; the original sampler is exact for independent positions with any number of steps (SPEC 5.1), so it gets three steps
 * and nothing added. Infilling: with a known position the others follow the conditional law (SPEC 5.4).
 */
#include "eval/selftest.h"

#include <math.h>
#include <string.h>

enum { N_STEPS = 32, N_SAMPLES = 2500, BATCH = 250 };

/* What first-order methods may be off by with N_STEPS steps, and what the others may. */
static double own_error(bfn_method method, double first_order, double higher_order)
{
    bool first = method == BFN_METHOD_EULER || method == BFN_METHOD_EM || method == BFN_METHOD_ODE1 ||
                 method == BFN_METHOD_SDE1 || method == BFN_METHOD_BFN;
    return first ? first_order : higher_order;
}

static bfn_status draw(bfn__selftest *st, bfn__exact *exact, const bfn_solver_options *solver,
                       const bfn_sampler_options *sampler, void *out)
{
    bfn__selftest_job job = {.exact = exact, .solver = *solver, .sampler = *sampler, .n = N_SAMPLES, .out = out};
    job.sampler.batch = BATCH;
    return bfn__selftest_sample(st, &job);
}

static void sample_moments(const float *x, double *mean, double *variance)
{
    double sum = 0.0, square = 0.0;
    for (size_t i = 0; i < N_SAMPLES; i++)
        sum += (double)x[i] / N_SAMPLES;
    for (size_t i = 0; i < N_SAMPLES; i++)
        square += ((double)x[i] - sum) * ((double)x[i] - sum) / N_SAMPLES;
    *mean = sum;
    *variance = square;
}

/* The law that the method's rows give on Gaussian data. */
static bfn_status plan_law(bfn__selftest *st, const bfn__exact *e, const bfn_solver_options *solver, double *mean,
                           double *variance)
{
    bfn__linear problem = {.flow = e->flow, .mean = e->mean[0], .deviation = e->deviation[0]};
    bfn_plan *plan = NULL;
    bfn_status status = bfn__selftest_plan(st, &plan, &e->flow, solver);
    if (status != BFN_OK)
        return status;
    bfn_plan_info info;
    bfn_plan_get_info(plan, &info);
    double gamma = bfn_flow_gamma(&e->flow, info.start_time), sigma = bfn_flow_sigma(&e->flow, info.start_time);
    *mean = gamma * e->mean[0];
    *variance = sigma * sigma + pow(gamma * e->deviation[0], 2.0);
    bfn__linear_run(&problem, bfn_plan_rows(plan), info.n_rows, mean, variance);
    bfn_plan_destroy(plan);
    return BFN_OK;
}

static bfn_status gauss_method(bfn__selftest *st, bfn__exact *e, bfn_method method, float *x, double *worst)
{
    float moment = (float)e->mean[0];
    bfn_sampler_options sampler = BFN_SAMPLER_OPTIONS_INIT;
    sampler.seed = 40 + (uint64_t)method;
    sampler.clip = BFN_CLIP_OFF;
    sampler.moments = (bfn_moments){&moment, e->deviation[0] * e->deviation[0]};
    bfn_solver_options solver = bfn__selftest_options(method, N_STEPS, BFN_GRID_LOGSNR, 1e-2);
    solver.start = BFN_START_MOMENTS;
    solver.last = BFN_LAST_PREDICT;
    double mean, variance, law_mean, law_variance, data = e->deviation[0] * e->deviation[0];
    bfn_status status = draw(st, e, &solver, &sampler, x);
    if (status == BFN_OK)
        status = plan_law(st, e, &solver, &law_mean, &law_variance);
    if (status != BFN_OK)
        return status;
    sample_moments(x, &mean, &variance);
    double mean_error = sqrt(data / N_SAMPLES), variance_error = data * sqrt(2.0 / N_SAMPLES);
    bfn__selftest_equal(st, mean, e->mean[0], 5.0 * mean_error + own_error(method, 0.01, 1e-3), "Gaussian: %s, mean",
                        bfn_method_name(method));
    bfn__selftest_equal(st, variance, data, 5.0 * variance_error + data * own_error(method, 0.25, 0.03),
                        "Gaussian: %s, variance", bfn_method_name(method));
    *worst = fmax(*worst, fabs(mean - law_mean) / mean_error);
    *worst = fmax(*worst, fabs(variance - law_variance) / (law_variance * sqrt(2.0 / N_SAMPLES)));
    return BFN_OK;
}

/* Share of the samples in the lower component: a nonlinear network and a start that is not exact. */
static bfn_status mixture_method(bfn__selftest *st, bfn__exact *e, bfn_method method, float *x)
{
    double mean, variance;
    bfn__exact_moments(e, &mean, &variance);
    float moment = (float)mean;
    bfn_sampler_options sampler = BFN_SAMPLER_OPTIONS_INIT;
    sampler.seed = 60 + (uint64_t)method;
    sampler.moments = (bfn_moments){&moment, variance};
    bfn_solver_options solver = bfn__selftest_options(method, N_STEPS, BFN_GRID_LOGSNR, 1e-3);
    solver.start = BFN_START_MOMENTS;
    bfn_status status = draw(st, e, &solver, &sampler, x);
    size_t low = 0;
    for (size_t i = 0; i < N_SAMPLES; i++)
        low += x[i] < 0.0F;
    if (status == BFN_OK)
        bfn__selftest_equal(st, (double)low / N_SAMPLES, e->weight[0],
                            5.0 * sqrt(0.35 * 0.65 / N_SAMPLES) + own_error(method, 0.02, 0.01),
                            "mixture: %s, share of the lower component", bfn_method_name(method));
    return status;
}

/* Total variation of n samples from p, and what chance explains of it: mean + 6 standard deviations. */
static double total_variation(const double *count, const double *p, size_t n_cells, double n, double *chance)
{
    const double pi = 3.141592653589793;
    double distance = 0.0, mean = 0.0, variance = 0.0;
    for (size_t i = 0; i < n_cells; i++) {
        double v = p[i] * (1.0 - p[i]) / n;
        distance += 0.5 * fabs(count[i] / n - p[i]);
        mean += 0.5 * sqrt(2.0 * v / pi);
        variance += 0.25 * (1.0 - 2.0 / pi) * v;
    }
    *chance = mean + 6.0 * sqrt(variance);
    return distance;
}

static bfn_status independent_method(bfn__selftest *st, bfn__exact *e, bfn_method method, int32_t *x)
{
    bool exact = method == BFN_METHOD_BFN;
    size_t K = e->flow.n_classes;
    bfn_sampler_options sampler = BFN_SAMPLER_OPTIONS_INIT;
    sampler.seed = 80 + (uint64_t)method;
    bfn_solver_options solver = bfn__selftest_options(method, exact ? 3 : N_STEPS, BFN_GRID_POWER, exact ? 0.0 : 1e-3);
    bfn_status status = draw(st, e, &solver, &sampler, x);
    double worst = 0.0, most = 0.0;
    for (size_t d = 0; d < e->D && status == BFN_OK; d++) {
        double count[BFN__EXACT_CELLS] = {0}, chance;
        for (size_t i = 0; i < N_SAMPLES; i++)
            count[x[i * e->D + d]] += 1.0;
        worst = fmax(worst, total_variation(count, e->prior + d * K, K, N_SAMPLES, &chance));
        most = fmax(most, chance);
    }
    if (status == BFN_OK)
        bfn__selftest_most(st, worst, most + (exact ? 0.0 : own_error(method, 0.02, 0.005)),
                           "independent: %s, %d steps, TV of the worst position", bfn_method_name(method),
                           exact ? 3 : N_STEPS);
    return status;
}

/* Joint law of all positions; known < 0: none is given, else that position has the value 1. */
static bfn_status table_method(bfn__selftest *st, bfn__exact *e, const bfn_solver_options *solver, int known,
                               const char *what, int32_t *x)
{
    size_t K = e->flow.n_classes, n_cells = 1;
    unsigned char mask[BFN__EXACT_POSITIONS] = {0};
    int32_t values[BFN__EXACT_POSITIONS] = {0};
    double p[BFN__EXACT_CELLS] = {0}, count[BFN__EXACT_CELLS] = {0}, total = 0.0, chance;
    for (size_t d = 0; d < e->D; d++)
        n_cells *= K;
    bfn_sampler_options sampler = BFN_SAMPLER_OPTIONS_INIT;
    sampler.seed = 120 + (uint64_t)solver->method;
    size_t divisor = 1;
    if (known >= 0) {
        mask[known] = 1;
        values[known] = 1;
        sampler.known = mask;
        sampler.known_values = values;
        for (size_t d = (size_t)known + 1; d < e->D; d++)
            divisor *= K;
    }
    for (size_t i = 0; i < n_cells; i++)
        total += p[i] = known < 0 || i / divisor % K == 1 ? e->table[i] : 0.0;
    for (size_t i = 0; i < n_cells; i++)
        p[i] /= total;
    bfn_status status = draw(st, e, solver, &sampler, x);
    for (size_t i = 0; i < N_SAMPLES && status == BFN_OK; i++) {
        size_t cell = 0;
        for (size_t d = 0; d < e->D; d++)
            cell = cell * K + (size_t)x[i * e->D + d];
        count[cell] += 1.0;
    }
    if (status != BFN_OK)
        return status;
    double distance = total_variation(count, p, n_cells, N_SAMPLES, &chance);
    bfn__selftest_most(st, distance, chance + own_error(solver->method, 0.02, 0.005), "%s: %s, TV of the joint law",
                       what, bfn_method_name(solver->method));
    return BFN_OK;
}

static bfn_status continuous_laws(bfn__selftest *st, bfn__selftest_models *models, float *x)
{
    static const bfn_method for_mixture[] = {BFN_METHOD_BFN, BFN_METHOD_ODE2M, BFN_METHOD_ODE3M, BFN_METHOD_SDE2M};
    bfn_status status = BFN_OK;
    double worst = 0.0;
    for (int m = 1; m < BFN_METHOD_COUNT && status == BFN_OK; m++)
        if (bfn__selftest_wants(st, (bfn_method)m))
            status = gauss_method(st, &models->gauss, (bfn_method)m, x, &worst);
    if (status == BFN_OK)
        bfn__selftest_most(st, worst, 5.0, "Gaussian: sampler against its plan, worst standard error");
    for (size_t m = 0; m < sizeof for_mixture / sizeof *for_mixture && status == BFN_OK; m++)
        if (bfn__selftest_wants(st, for_mixture[m]))
            status = mixture_method(st, &models->mixture, for_mixture[m], x);
    return status;
}

static bfn_status discrete_laws(bfn__selftest *st, bfn__selftest_models *models, int32_t *x)
{
    bfn_status status = BFN_OK;
    for (int m = 1; m < BFN_METHOD_COUNT && status == BFN_OK; m++)
        if (bfn__selftest_wants(st, (bfn_method)m))
            status = independent_method(st, &models->independent, (bfn_method)m, x);
    for (int m = 1; m < BFN_METHOD_COUNT && status == BFN_OK; m++) {
        bfn_solver_options solver = bfn__selftest_options((bfn_method)m, N_STEPS, BFN_GRID_POWER, 1e-3);
        if (bfn__selftest_wants(st, (bfn_method)m))
            status = table_method(st, &models->pair, &solver, -1, "dependent", x);
    }
    static const bfn_method for_infilling[] = {BFN_METHOD_ODE2M, BFN_METHOD_SDE2M};
    bfn__exact bits = models->binary;
    bits.flow.max_sqrt_beta = 4.0;
    for (size_t m = 0; m < sizeof for_infilling / sizeof *for_infilling && status == BFN_OK; m++) {
        bfn_solver_options solver = bfn__selftest_options(for_infilling[m], N_STEPS, BFN_GRID_POWER, 1e-3);
        if (!bfn__selftest_wants(st, for_infilling[m]))
            continue;
        status = table_method(st, &models->pair, &solver, 0, "infilling", x);
        if (status == BFN_OK)
            status = table_method(st, &bits, &solver, 0, "infilling of bits", x);
    }
    return status;
}

enum { MAX_STATE = 16 };

/* Sums over samples of the initial state, per coordinate. */
typedef struct start_sums {
    size_t width;
    double first[MAX_STATE], second[MAX_STATE];
} start_sums;

static int sum_start(void *user, const bfn_sample_step *step)
{
    start_sums *sums = user;
    for (size_t i = 0; i < step->n * sums->width && step->row == 0; i++) {
        double x = (double)step->state[i];
        sums->first[i % sums->width] += x / N_SAMPLES;
        sums->second[i % sums->width] += x * x / N_SAMPLES;
    }
    return 0;
}

/* Initial states at a late eta, where what moments add is seen: mean and variance of every coordinate, in standard errors. */
static bfn_status check_start(bfn__selftest *st, bfn__exact *e, bfn_start start, const bfn_moments *moments, void *out)
{
    const double eta = 0.3;
    const bfn_flow *f = &e->flow;
    bool discrete = f->kind == BFN_DATA_DISCRETE, moved = start == BFN_START_MOMENTS;
    double K = (double)f->n_classes, beta = bfn_flow_beta(f, eta), factor = discrete ? beta : bfn_flow_gamma(f, eta),
           worst = 0.0;
    double variance = discrete ? K * beta : pow(bfn_flow_sigma(f, eta), 2.0);
    variance += moved ? factor * factor * (discrete ? K : 1.0) * moments->variance : 0.0;
    start_sums sums = {.width = e->D * bfn_flow_state_width(f)};
    bfn_sampler_options sampler = BFN_SAMPLER_OPTIONS_INIT;
    sampler.seed = 31;
    sampler.step = sum_start;
    sampler.step_user = &sums;
    sampler.moments = *moments;
    bfn_solver_options solver = bfn__selftest_options(BFN_METHOD_ODE1, 1, BFN_GRID_TIME, eta);
    solver.start = start;
    bfn_status status = draw(st, e, &solver, &sampler, out);
    for (size_t i = 0; i < sums.width; i++) {
        double m = (double)moments->mean[i], mean = !moved ? 0.0 : factor * (discrete ? K * m - 1.0 : m);
        double measured = sums.second[i] - sums.first[i] * sums.first[i];
        worst = fmax(worst, fabs(sums.first[i] - mean) / sqrt(variance / N_SAMPLES));
        worst = fmax(worst, fabs(measured / variance - 1.0) / sqrt(2.0 / N_SAMPLES));
    }
    if (status == BFN_OK)
        bfn__selftest_most(st, worst, 5.0, "%s: start from %s, worst standard error",
                           discrete ? "independent" : "Gaussian", moved ? "moments" : "zero mean");
    return status;
}

static bfn_status check_starts(bfn__selftest *st, bfn__selftest_models *models, void *out)
{
    float mean = (float)models->gauss.mean[0], prior[2 * 5];
    double trace = 0.0; /* of the one-hot vectors' covariance, a position */
    for (int i = 0; i < 2 * 5; i++) {
        prior[i] = (float)models->prior[i];
        trace += models->prior[i] * (1.0 - models->prior[i]) / 2.0;
    }
    bfn_moments continuous = {&mean, pow(models->gauss.deviation[0], 2.0)}, discrete = {prior, trace};
    bfn_status status = BFN_OK;
    for (bfn_start start = BFN_START_ZERO_MEAN; start <= BFN_START_MOMENTS && status == BFN_OK; start++) {
        status = check_start(st, &models->gauss, start, &continuous, out);
        if (status == BFN_OK)
            status = check_start(st, &models->independent, start, &discrete, out);
    }
    return status;
}

bfn_status bfn__selftest_law(bfn__selftest *st)
{
    bfn__selftest_models models;
    bfn__selftest_models_init(&models);
    bfn__selftest_heading(st, "Law of the samples (2500 each)");
    float *x = bfn__calloc(st->ctx, N_SAMPLES * BFN__EXACT_POSITIONS, sizeof *x);
    int32_t *classes = bfn__calloc(st->ctx, N_SAMPLES * BFN__EXACT_POSITIONS, sizeof *classes);
    bfn_status status = x == NULL || classes == NULL ? BFN_ERR_MEMORY : check_starts(st, &models, classes);
    if (status == BFN_OK)
        status = continuous_laws(st, &models, x);
    if (status == BFN_OK)
        status = discrete_laws(st, &models, classes);
    bfn__free(st->ctx, x);
    bfn__free(st->ctx, classes);
    return status;
}
