/* plan.c: options checked and resolved, evaluations counted, the plan put together.
 *
 * The number of network evaluations (NFE) of N steps, by method and last step (SPEC 11.3):
 *     one call a step          N          ode2s                      2N, dropped last step 2N - 1
 *     a midpoint first step    + 1 (not when the only step is dropped)
 *     last call                + 1        correctors                 + 0
 * The count is exact for every N >= 1 and grows strictly with N, so the N for a wanted NFE is found by bisection, and an NFE between
 * two counts is refused with both. Published names keep two slips of the published code (method.c).
 */
#include "solver/plan.h"

#include <math.h>

/* Published second-order multistep methods never drop their only step. */
static bool drops_last(const bfn__resolved *r, size_t n_steps)
{
    bool slip = r->published && n_steps == 1 && r->traits.order == 2 && r->traits.multistep;
    return r->last == BFN_LAST_PREDICT && !slip;
}

static size_t evaluations(const bfn__resolved *r, size_t n_steps)
{
    bool drop = drops_last(r, n_steps);
    size_t n = n_steps;
    if (r->traits.midpoint_each)
        n = 2 * n_steps - (drop && !r->published ? 1 : 0);
    if (r->traits.midpoint_first && !(drop && n_steps == 1))
        n++;
    return n + (r->last == BFN_LAST_CALL ? 1 : 0);
}

static const char *last_name(bfn_last last)
{
    return last == BFN_LAST_CALL ? "call" : last == BFN_LAST_UPDATE ? "update" : "predict";
}

/* n_steps whose evaluations are `wanted`; refused with the nearest counts when there is none. */
static bfn_status steps_for(bfn_context *ctx, const bfn__resolved *r, size_t wanted, size_t *n_steps)
{
    size_t low = 1, high = BFN__MAX_STEPS; /* the smallest N with evaluations >= wanted */
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (evaluations(r, middle) >= wanted)
            high = middle;
        else
            low = middle + 1;
    }
    *n_steps = low;
    size_t above = evaluations(r, low);
    if (above == wanted)
        return BFN_OK;
    const char *name = bfn_method_name(r->method), *last = last_name(r->last);
    if (low == 1 || above < wanted)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT,
                         "n_evaluations: %zu: %s with last step \"%s\" cannot spend it, the nearest is %zu", wanted,
                         name, last, above);
    return bfn__fail(ctx, BFN_ERR_ARGUMENT,
                     "n_evaluations: %zu: %s with last step \"%s\" cannot spend it, the nearest are %zu and %zu",
                     wanted, name, last, evaluations(r, low - 1), above);
}

static bfn_status check_enum(bfn_context *ctx, const char *field, int value, int max)
{
    if (value >= 0 && value <= max)
        return BFN_OK;
    return bfn__fail(ctx, BFN_ERR_ARGUMENT, "%s: %d: allowed are 0 to %d", field, value, max);
}

static bfn_status check_range(bfn_context *ctx, const char *field, double value, double min, double max)
{
    if (value >= min && value <= max)
        return BFN_OK;
    return bfn__fail(ctx, BFN_ERR_ARGUMENT, "%s: %g: allowed are %g to %g", field, value, min, max);
}

static bfn_status check_count(bfn_context *ctx, const char *field, size_t value)
{
    if (value <= BFN__MAX_STEPS)
        return BFN_OK;
    return bfn__fail(ctx, BFN_ERR_ARGUMENT, "%s: %zu: allowed are 1 to %d", field, value, BFN__MAX_STEPS);
}

static bfn_status check_options(bfn_context *ctx, const bfn_solver_options *o)
{
    bfn_status s = BFN_OK;
    if (o->struct_size != sizeof *o)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "solver options struct_size: %zu: this library has %zu", o->struct_size,
                         sizeof *o);
    if (bfn_method_name(o->method) == NULL)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "method: %d: allowed are 1 to %d", (int)o->method,
                         BFN_METHOD_COUNT - 1);
    if ((s = check_enum(ctx, "grid", (int)o->grid, BFN_GRID_LIST)) != BFN_OK ||
        (s = check_enum(ctx, "start", (int)o->start, BFN_START_MOMENTS)) != BFN_OK ||
        (s = check_enum(ctx, "last", (int)o->last, BFN_LAST_CALL)) != BFN_OK ||
        (s = check_enum(ctx, "prediction", (int)o->prediction, BFN_PREDICTION_DRAW)) != BFN_OK ||
        (s = check_count(ctx, "n_steps", o->n_steps)) != BFN_OK ||
        (s = check_count(ctx, "n_evaluations", o->n_evaluations)) != BFN_OK)
        return s;
    if (o->grid == BFN_GRID_POWER && (s = check_range(ctx, "power", o->power, 0.1, 10.0)) != BFN_OK)
        return s;
    if (o->eta_is_set && o->grid != BFN_GRID_LIST && (s = check_range(ctx, "eta", o->eta, 0.0, 0.5)) != BFN_OK)
        return s;
    if (o->noise_is_set)
        s = check_range(ctx, "noise", o->noise, 0.0, 1.0);
    return s;
}

static bfn_status check_method_options(bfn_context *ctx, const bfn__resolved *r)
{
    const char *name = bfn_method_name(r->method);
    if (r->corrector && !r->traits.multistep)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT,
                         "corrector: %s is no multistep method: allowed with ode2m, ode3m, sde2m, sde3m", name);
    if (r->noise_is_set && !r->traits.dial)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "noise: %s has no noise dial: allowed with ode1 and sde1", name);
    return BFN_OK;
}

static bfn_status check_list(bfn_context *ctx, const bfn_solver_options *o)
{
    if (o->times == NULL || o->n_times < 2 || o->n_times > BFN__MAX_STEPS + 1)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "times: a list of %zu: allowed are 2 to %d times",
                         o->times == NULL ? (size_t)0 : o->n_times, BFN__MAX_STEPS + 1);
    for (size_t i = 0; i < o->n_times; i++)
        if (!(o->times[i] >= 0.0 && o->times[i] <= 1.0) || (i > 0 && !(o->times[i] > o->times[i - 1])))
            return bfn__fail(ctx, BFN_ERR_ARGUMENT, "times: number %zu is %.15g: they increase within 0 to 1", i,
                             o->times[i]);
    if (o->times[o->n_times - 1] < 1.0)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "times: the last is %.15g: it must be 1", o->times[o->n_times - 1]);
    return BFN_OK;
}

/* The number of steps from whichever of n_steps, n_evaluations and the list says it; contradictions are refused. */
static bfn_status resolve_steps(bfn_context *ctx, const bfn_solver_options *o, bfn__resolved *r)
{
    bool list = o->grid == BFN_GRID_LIST;
    if (o->n_steps > 0 && o->n_evaluations > 0)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "n_steps and n_evaluations: %zu and %zu: exactly one of them is given",
                         o->n_steps, o->n_evaluations);
    if (o->n_steps == 0 && o->n_evaluations == 0 && !list)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "n_steps and n_evaluations: both 0: one of them is 1 to %d",
                         BFN__MAX_STEPS);
    bfn_status s = list ? check_list(ctx, o) : BFN_OK;
    r->n_steps = o->n_steps > 0 ? o->n_steps : list ? o->n_times - 1 : 0;
    if (s == BFN_OK && o->n_evaluations > 0)
        s = steps_for(ctx, r, o->n_evaluations, &r->n_steps);
    if (s == BFN_OK && list && r->n_steps != o->n_times - 1)
        s = bfn__fail(ctx, BFN_ERR_ARGUMENT, "times: a list of %zu: %zu steps need %zu", o->n_times, r->n_steps,
                      r->n_steps + 1);
    return s;
}

bool bfn__starts_early(const bfn_flow *flow, const bfn_solver_options *options)
{
    bool exact = options->method != BFN_METHOD_BFN && !bfn__method_describe(options->method).euler;
    bool many_classes = flow->kind == BFN_DATA_DISCRETE && flow->n_classes > 2;
    return exact && !many_classes && options->published == 0;
}

static double resolve_eta(const bfn_solver_options *o, const bfn__resolved *r)
{
    const double logsnr_first = 1e-3;
    bool late = !r->path.discrete && r->grid != BFN_GRID_LOGSNR;
    double eta = o->eta_is_set ? o->eta : r->method == BFN_METHOD_BFN ? 0.0 : late ? 1e-2 : 1e-3;
    return r->grid == BFN_GRID_LOGSNR ? fmax(eta, logsnr_first) : eta;
}

bfn_status bfn__options_resolve(bfn_context *ctx, const bfn_flow *flow, const bfn_solver_options *options,
                                bfn__resolved *r)
{
    bool original = options->method == BFN_METHOD_BFN;
    *r = (bfn__resolved){.method = options->method,
                         .traits = bfn__method_describe(options->method),
                         .power = options->power,
                         .times = options->times,
                         .start = options->start == BFN_START_MOMENTS ? BFN_START_MOMENTS : BFN_START_ZERO_MEAN,
                         .last = options->last,
                         .prediction = options->prediction,
                         .corrector = options->corrector != 0,
                         .published = options->published != 0,
                         .noise_is_set = options->noise_is_set != 0,
                         .noise = options->noise};
    if (r->last == BFN_LAST_DEFAULT)
        r->last = original ? BFN_LAST_CALL : BFN_LAST_PREDICT;
    if (r->prediction == BFN_PREDICTION_DEFAULT)
        r->prediction = original ? BFN_PREDICTION_DRAW : BFN_PREDICTION_MEAN;
    bfn_status s = bfn__path_init(ctx, flow, &r->path);
    if (s == BFN_OK)
        s = check_options(ctx, options);
    if (s == BFN_OK)
        s = check_method_options(ctx, r);
    if (s == BFN_OK)
        s = resolve_steps(ctx, options, r);
    if (s != BFN_OK)
        return s;
    r->drop_last = drops_last(r, r->n_steps);
    r->grid = options->grid != BFN_GRID_DEFAULT  ? options->grid
              : bfn__starts_early(flow, options) ? BFN_GRID_LOGSNR
                                                 : BFN_GRID_TIME;
    r->eta = resolve_eta(options, r);
    return BFN_OK;
}

/* Predictions a sampler has to keep: up to the oldest one that any row weighs. */
static int history(const bfn_plan_row *rows, size_t n_rows)
{
    int n = 1;
    for (size_t i = 0; i < n_rows; i++)
        for (int j = n; j < 4; j++)
            if (rows[i].b[j] != 0.0)
                n = j + 1;
    return n;
}

static bfn_status check_finite(bfn_context *ctx, const bfn_plan *plan)
{
    for (size_t i = 0; i < plan->info.n_rows; i++) {
        const bfn_plan_row *r = &plan->rows[i];
        if (!isfinite(r->a + r->k + r->e + r->b[0] + r->b[1] + r->b[2] + r->b[3]))
            return bfn__fail(ctx, BFN_ERR_ARGUMENT,
                             "plan: row %zu from t = %.17g to %.17g has a coefficient that is no finite number: the "
                             "times or the flow are too extreme",
                             i, r->t, r->t_next);
    }
    return BFN_OK;
}

static void fill_info(bfn_plan *plan, const bfn__resolved *r, double start)
{
    bfn_plan_info *info = &plan->info;
    info->n_steps = r->n_steps;
    info->n_evaluations = evaluations(r, r->n_steps);
    info->start_time = start;
    info->start_mean = r->path.discrete ? bfn__path_beta(&r->path, start) : bfn__path_gamma(&r->path, start);
    info->start_std = r->path.discrete ? sqrt(r->path.K * info->start_mean) : bfn__path_sigma(&r->path, start);
    info->last = r->drop_last || r->last == BFN_LAST_CALL ? r->last : BFN_LAST_UPDATE;
    info->prediction = r->prediction;
    info->start = r->start;
    info->grid = r->grid;
    info->final_call = r->last == BFN_LAST_CALL;
    info->n_history = history(plan->rows, info->n_rows);
}

bfn_status bfn_plan_create(bfn_context *ctx, bfn_plan **out, const bfn_flow *flow, const bfn_solver_options *options)
{
    *out = NULL;
    bfn__resolved r;
    bfn_status s = bfn__options_resolve(ctx, flow, options, &r);
    if (s != BFN_OK)
        return s;
    double *t = bfn__calloc(ctx, r.n_steps + 1, sizeof *t);
    bfn_plan *plan = bfn__calloc(ctx, 1, sizeof *plan);
    if (plan != NULL) {
        plan->ctx = ctx;
        plan->rows = bfn__calloc(ctx, bfn__rows_max(&r), sizeof *plan->rows);
    }
    if (t == NULL || plan == NULL || plan->rows == NULL)
        s = BFN_ERR_MEMORY;
    if (s == BFN_OK)
        s = bfn__grid_fill(ctx, &r, t);
    if (s == BFN_OK) {
        plan->info.n_rows = bfn__rows_fill(&r, t, plan->rows);
        fill_info(plan, &r, t[0]);
        s = check_finite(ctx, plan);
    }
    bfn__free(ctx, t);
    if (s != BFN_OK) {
        bfn_plan_destroy(plan);
        return s;
    }
    *out = plan;
    return BFN_OK;
}

void bfn_plan_destroy(bfn_plan *plan)
{
    if (plan == NULL)
        return;
    bfn__free(plan->ctx, plan->rows);
    bfn__free(plan->ctx, plan);
}

void bfn_plan_get_info(const bfn_plan *plan, bfn_plan_info *info)
{
    *info = plan->info;
}

const bfn_plan_row *bfn_plan_rows(const bfn_plan *plan)
{
    return plan->rows;
}
