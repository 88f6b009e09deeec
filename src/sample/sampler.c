/* sampler.c: the loop over a plan, with anybody's network.
 *
 *     x = initial state
 *     for every row:  if row.call:  show x to the network (softmax of logits, or the mean), p_0 = prediction from its output
 *                     x = row.a x + sum_j row.b[j] p_j + row.k + row.e z
 *
 * Samples go through in batches. Between two calls of the network every sample is its own task of the context's parallel loop, and
 * all it draws comes from (seed, sample, row, element); so neither batch nor threads can change a sample. Predictions live in a
 * ring of at most four buffers whose pointers are rotated. Infilling clamps what the network is shown at the known positions to
 * the given values (one-hot, or the mean itself), which is exact for an ideal network (SPEC 9.8), and its prediction there as well,
 * so that states and films agree with them. With known_blurred only the prediction is clamped: then the state of a known position, which
 * starts around its value, runs along a path of the flow of that value, and this is what the network is shown.
 */
#include "sample/sampler.h"

#include "base/random.h"
#include "sample/clip.h"
#include "sample/update.h"

#include <math.h>
#include <string.h>

/* Below this time the mean holds nothing of continuous data, and the prediction is their mean (SPEC 1.1, 11.2). */
static const double time_of_nothing = 1e-6;

/* One batch on its way through the plan. */
typedef struct pass {
    bfn_sampler *s;
    size_t n_run;  /* samples of the whole run */
    size_t offset; /* of the batch in it */
    size_t first;  /* number of the batch's first sample */
    size_t n;      /* samples in the batch */
    size_t row;    /* rows done */
    size_t n_noisy, n_calls;
    double t;     /* of the call being made */
    bool sampled; /* the sample is taken from this call */
    char *out;    /* the batch's samples */
} pass;

static bool all_finite(size_t n, const float *v)
{
    uint32_t found = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &v[i], sizeof bits);
        found |= (uint32_t)((bits & 0x7f800000u) == 0x7f800000u);
    }
    return found == 0;
}

static void *sample_of(const pass *p, size_t i)
{
    size_t item = p->s->flow.kind == BFN_DATA_DISCRETE ? sizeof(int32_t) : sizeof(float);
    return p->out + i * p->s->D * item;
}

/* ---- known positions ---- */

static void clamp_shown(const bfn_sampler *s, float *shown)
{
    const unsigned char *known = s->options.known;
    if (known == NULL || s->options.known_blurred)
        return;
    const int32_t *classes = s->options.known_values;
    const float *values = s->options.known_values;
    size_t w = s->shown_width;
    for (size_t d = 0; d < s->D; d++) {
        if (known[d] == 0)
            continue;
        if (s->flow.kind != BFN_DATA_DISCRETE) {
            shown[d] = values[d];
        } else if (w == 1) { /* two classes: 2 P(class 0) - 1 */
            shown[d] = classes[d] == 0 ? 1.0f : -1.0f;
        } else {
            memset(shown + d * w, 0, w * sizeof *shown);
            shown[d * w + (size_t)classes[d]] = 1.0f;
        }
    }
}

static void clamp_prediction(const bfn_sampler *s, float *prediction)
{
    const unsigned char *known = s->options.known;
    if (known == NULL)
        return;
    size_t w = s->state_width;
    for (size_t d = 0; d < s->D; d++) {
        if (known[d] == 0)
            continue;
        if (s->flow.kind != BFN_DATA_DISCRETE) {
            prediction[d] = ((const float *)s->options.known_values)[d];
        } else {
            memset(prediction + d * w, 0, w * sizeof *prediction);
            prediction[d * w + (size_t)((const int32_t *)s->options.known_values)[d]] = 1.0f;
        }
    }
}

static void clamp_sample(const bfn_sampler *s, void *sample)
{
    const unsigned char *known = s->options.known;
    for (size_t d = 0; known != NULL && d < s->D; d++) {
        if (known[d] == 0)
            continue;
        if (s->flow.kind == BFN_DATA_DISCRETE)
            ((int32_t *)sample)[d] = ((const int32_t *)s->options.known_values)[d];
        else
            ((float *)sample)[d] = ((const float *)s->options.known_values)[d];
    }
}

/* ---- tasks: one sample of the batch each ---- */

/* What is known of the data before the network has been asked. */
static void prior_prediction(const bfn_sampler *s, float *prediction)
{
    const float *mean = s->options.moments.mean;
    if (s->flow.kind != BFN_DATA_DISCRETE && mean != NULL) {
        memcpy(prediction, mean, s->state_size * sizeof *prediction);
    } else {
        float value = s->flow.kind == BFN_DATA_DISCRETE ? 1.0f / (float)s->flow.n_classes : 0.0f;
        for (size_t i = 0; i < s->state_size; i++)
            prediction[i] = value;
    }
    clamp_prediction(s, prediction);
}

/* x_0 = mean + std z (bfn/solver.h, bfn_plan_info). */
static void initial_state(const bfn_sampler *s, uint64_t sample, float *state)
{
    const bfn_plan_info *plan = &s->plan;
    bool discrete = s->flow.kind == BFN_DATA_DISCRETE, moments = plan->start == BFN_START_MOMENTS;
    double K = discrete ? (double)s->flow.n_classes : 1.0, variance = plan->start_std * plan->start_std;
    if (moments)
        variance += plan->start_mean * plan->start_mean * K * s->options.moments.variance;
    const bfn_plan_row scale = {.e = sqrt(variance)};
    const bfn__noise noise = {.seed = s->options.seed, .sample = sample, .draw = bfn__draw(0, BFN__DRAW_NOISE)};
    const float *const none[BFN__HISTORY] = {0};
    bfn__update(&scale, s->state_size, state, none, &noise);
    if (!moments)
        return;
    const float *mean = s->options.moments.mean;
    for (size_t i = 0; i < s->state_size; i++) {
        double m = discrete ? K * (double)mean[i] - 1.0 : (double)mean[i];
        state[i] = (float)((double)state[i] + plan->start_mean * m);
    }
}

/* Known positions that are shown blurred start as the flow has them at that time: k m + std z with their own m, not the data's. */
static void start_known(const bfn_sampler *s, float *state)
{
    const bfn_plan_info *plan = &s->plan;
    bool discrete = s->flow.kind == BFN_DATA_DISCRETE, moments = plan->start == BFN_START_MOMENTS;
    double K = discrete ? (double)s->flow.n_classes : 1.0, all = plan->start_std * plan->start_std, ratio = 1.0;
    if (moments) {
        all += plan->start_mean * plan->start_mean * K * s->options.moments.variance;
        ratio = all > 0.0 ? plan->start_std / sqrt(all) : 0.0;
    }
    for (size_t i = 0; i < s->state_size; i++) {
        size_t d = i / s->state_width, k = i % s->state_width;
        if (s->options.known[d] == 0)
            continue;
        double own, other = 0.0, x = (double)state[i];
        if (discrete)
            own = ((const int32_t *)s->options.known_values)[d] == (int32_t)k ? K - 1.0 : -1.0;
        else
            own = (double)((const float *)s->options.known_values)[d];
        if (moments)
            other = discrete ? K * (double)s->options.moments.mean[i] - 1.0 : (double)s->options.moments.mean[i];
        state[i] = (float)((x - plan->start_mean * other) * ratio + plan->start_mean * own);
    }
}

static void start_task(void *arg, size_t i)
{
    const pass *p = arg;
    const bfn_sampler *s = p->s;
    float *state = s->state + i * s->state_size;
    if (s->options.initial_state != NULL)
        memcpy(state, s->options.initial_state + (p->offset + i) * s->state_size, s->state_size * sizeof *state);
    else
        initial_state(s, p->first + i, state);
    if (s->options.initial_state == NULL && s->options.known != NULL && s->options.known_blurred)
        start_known(s, state);
    prior_prediction(s, s->history[0] + i * s->state_size);
}

static void show_task(void *arg, size_t i)
{
    const pass *p = arg;
    const bfn_sampler *s = p->s;
    float *shown = s->shown + i * s->shown_size;
    bfn_flow_show(&s->flow, 1, s->D, s->state + i * s->state_size, shown);
    clamp_shown(s, shown);
}

/* The numbers that turn an output distribution into a draw: uniforms, or normals for discretised data. */
static const double *draw_randoms(const pass *p, size_t i)
{
    const bfn_sampler *s = p->s;
    if (s->options.category_uniforms != NULL)
        return s->options.category_uniforms + (p->n_calls * p->n_run + p->offset + i) * s->D;
    double *randoms = s->randoms + i * s->D;
    uint32_t draw = bfn__draw(p->row + 1, BFN__DRAW_CATEGORY);
    if (s->flow.kind == BFN_DATA_DISCRETE) {
        bfn__random_uniforms(s->options.seed, p->first + i, draw, 0, s->D, randoms);
        return randoms;
    }
    enum { BLOCK = 256 };
    float normals[BLOCK];
    for (size_t d = 0; d < s->D; d += BLOCK) {
        size_t n = s->D - d < BLOCK ? s->D - d : BLOCK;
        bfn__random_normals(s->options.seed, p->first + i, draw, d, n, normals);
        for (size_t j = 0; j < n; j++)
            randoms[d + j] = (double)normals[j];
    }
    return randoms;
}

static void argmax_sample(const bfn_sampler *s, const float *scores, int32_t *sample)
{
    size_t K = s->state_width;
    for (size_t d = 0; d < s->D; d++) {
        const float *v = scores + d * K;
        size_t best = 0;
        for (size_t k = 1; k < K; k++)
            if (v[k] > v[best])
                best = k;
        sample[d] = (int32_t)best;
    }
}

/* The sample itself is a state: discrete logits (or probabilities), a mean, a continuous prediction. */
static void sample_from_state(const bfn_sampler *s, const float *state, void *sample)
{
    if (s->flow.kind == BFN_DATA_DISCRETE)
        argmax_sample(s, state, sample);
    else
        memcpy(sample, state, s->state_size * sizeof *state);
}

static void predict_from_output(const pass *p, size_t i, float *prediction)
{
    const bfn_sampler *s = p->s;
    const float *state = s->state + i * s->state_size, *output = s->output + i * s->output_size;
    bool continuous = s->flow.kind == BFN_DATA_CONTINUOUS, final = p->row == s->plan.n_rows;
    if (s->plan.prediction == BFN_PREDICTION_DRAW && !continuous && !final)
        bfn_flow_predict_drawn(&s->flow, 1, s->D, state, &p->t, output, draw_randoms(p, i), prediction);
    else
        bfn_flow_predict(&s->flow, 1, s->D, state, &p->t, output, prediction);
    if (continuous && s->options.clip == BFN_CLIP_DYNAMIC)
        bfn__clip_dynamic(s->D, prediction, s->options.clip_quantile, s->scratch + i * s->D);
}

/* After the network has answered: the prediction, and the sample where this call gives it. */
static void predict_task(void *arg, size_t i)
{
    const pass *p = arg;
    const bfn_sampler *s = p->s;
    float *prediction = s->history[0] + i * s->state_size;
    const float *state = s->state + i * s->state_size, *output = s->output + i * s->output_size;
    if (s->replay != NULL) {
        size_t at = (p->n_calls * p->n_run + p->offset + i) * s->state_size;
        memcpy(prediction, s->replay + at, s->state_size * sizeof *prediction);
    } else {
        s->bad[i] = !all_finite(s->output_size, output);
        bool mean = s->plan.prediction == BFN_PREDICTION_MEAN && s->options.moments.mean != NULL;
        if (p->t < time_of_nothing && s->flow.kind != BFN_DATA_DISCRETE && mean)
            prior_prediction(s, prediction);
        else
            predict_from_output(p, i, prediction);
    }
    clamp_prediction(s, prediction);
    if (!p->sampled)
        return;
    if (s->replay != NULL || s->flow.kind == BFN_DATA_CONTINUOUS)
        sample_from_state(s, prediction, sample_of(p, i));
    else
        bfn_flow_mode(&s->flow, 1, s->D, state, &p->t, output, sample_of(p, i));
    clamp_sample(s, sample_of(p, i));
}

static void update_task(void *arg, size_t i)
{
    const pass *p = arg;
    const bfn_sampler *s = p->s;
    const bfn_plan_row *row = &s->rows[p->row];
    const float *predictions[BFN__HISTORY] = {0};
    for (int j = 0; j < s->plan.n_history; j++)
        predictions[j] = s->history[j] + i * s->state_size;
    bfn__noise noise = {
        .seed = s->options.seed, .sample = p->first + i, .draw = bfn__draw(p->row + 1, BFN__DRAW_NOISE)};
    if (s->options.noise != NULL)
        noise.given = s->options.noise + (p->n_noisy * p->n_run + p->offset + i) * s->state_size;
    bfn__update(row, s->state_size, s->state + i * s->state_size, predictions, &noise);
}

static void finish_task(void *arg, size_t i)
{
    const pass *p = arg;
    const bfn_sampler *s = p->s;
    const float *state = s->state + i * s->state_size;
    s->bad[i] = !all_finite(s->state_size, state);
    if (s->plan.last == BFN_LAST_UPDATE) {
        sample_from_state(s, state, sample_of(p, i));
        clamp_sample(s, sample_of(p, i));
    }
}

/* ---- the loop ---- */

static bfn_status check_bad(const pass *p, const char *what)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->s->bad[i] != 0)
            return bfn__fail(p->s->ctx, BFN_ERR_DIVERGED, "sample %zu: %s at t = %g holds numbers that are not finite",
                             p->first + i, what, p->t);
    return BFN_OK;
}

static bfn_status ask_network(pass *p, bfn_predict_fn predict, void *user)
{
    bfn_sampler *s = p->s;
    bfn__parallel(s->ctx, p->n, show_task, p);
    for (size_t i = 0; i < p->n; i++)
        s->times[i] = p->t;
    s->ctx->errmsg[0] = '\0';
    int result = predict(user, p->first, p->n, s->times, s->shown, s->output);
    if (result == 0)
        return BFN_OK;
    if (s->ctx->errmsg[0] != '\0' && result > 0 && result < BFN_CANCELLED)
        return (bfn_status)result;
    return bfn__fail(s->ctx, BFN_CANCELLED,
                     "stopped by the network callback: it returned %d for samples %zu to %zu at t = %g", result,
                     p->first, p->first + p->n - 1, p->t);
}

/* Make p_0 the prediction for the state at time t. */
static bfn_status call_network(pass *p, double t, bool sampled, bfn_predict_fn predict, void *user)
{
    bfn_sampler *s = p->s;
    p->t = t;
    p->sampled = sampled;
    if (s->replay == NULL) {
        bfn_status status = ask_network(p, predict, user);
        if (status != BFN_OK)
            return status;
    }
    int n = s->plan.n_history;
    float *oldest = s->history[n - 1];
    memmove(s->history + 1, s->history, (size_t)(n - 1) * sizeof s->history[0]);
    s->history[0] = oldest;
    memset(s->bad, 0, p->n);
    bfn__parallel(s->ctx, p->n, predict_task, p);
    p->n_calls++;
    return check_bad(p, "the network's output");
}

static bfn_status report(const pass *p, double t)
{
    const bfn_sampler *s = p->s;
    if (s->options.step == NULL)
        return BFN_OK;
    bfn_sample_step step = {.first = p->first,
                            .n = p->n,
                            .row = p->row,
                            .n_rows = s->plan.n_rows,
                            .t = t,
                            .state = s->state,
                            .prediction = s->history[0],
                            .sample = p->row == s->plan.n_rows ? p->out : NULL};
    if (s->options.step(s->options.step_user, &step) == 0)
        return BFN_OK;
    return bfn__fail(s->ctx, BFN_CANCELLED, "stopped by the step callback after row %zu of %zu", p->row,
                     s->plan.n_rows);
}

static bfn_status finish(pass *p, bfn_predict_fn predict, void *user)
{
    const bfn_sampler *s = p->s;
    p->t = 1.0;
    bfn__parallel(s->ctx, p->n, finish_task, p);
    bfn_status status = check_bad(p, "the state");
    if (status == BFN_OK && s->plan.final_call)
        status = call_network(p, 1.0, true, predict, user);
    return status == BFN_OK ? report(p, 1.0) : status;
}

static bfn_status run_batch(pass *p, bfn_predict_fn predict, void *user)
{
    const bfn_sampler *s = p->s;
    bfn__parallel(s->ctx, p->n, start_task, p);
    bfn_status status = report(p, s->plan.start_time);
    while (status == BFN_OK && p->row < s->plan.n_rows) {
        const bfn_plan_row *row = &s->rows[p->row];
        bool last = p->row + 1 == s->plan.n_rows;
        if (row->call)
            status = call_network(p, row->t, last && s->plan.last == BFN_LAST_PREDICT, predict, user);
        if (status != BFN_OK)
            return status;
        bfn__parallel(s->ctx, p->n, update_task, p);
        p->n_noisy += row->e != 0.0;
        p->row++;
        if (p->row < s->plan.n_rows)
            status = report(p, row->t_next);
    }
    return status == BFN_OK ? finish(p, predict, user) : status;
}

bfn_status bfn_sampler_run(bfn_sampler *s, bfn_predict_fn predict, void *user, size_t first, size_t n, void *out,
                           size_t *n_evaluations)
{
    size_t item = s->flow.kind == BFN_DATA_DISCRETE ? sizeof(int32_t) : sizeof(float);
    if (n_evaluations != NULL)
        *n_evaluations = 0;
    for (size_t done = 0; done < n; done += s->options.batch) {
        pass p = {.s = s, .n_run = n, .offset = done, .first = first + done, .n = n - done};
        if (p.n > s->options.batch)
            p.n = s->options.batch;
        p.out = (char *)out + done * s->D * item;
        bfn_status status = run_batch(&p, predict, user);
        if (n_evaluations != NULL)
            *n_evaluations = p.n_calls;
        if (status != BFN_OK)
            return status;
    }
    return BFN_OK;
}

bfn_status bfn_sample(bfn_context *ctx, const bfn_flow *flow, const bfn_solver_options *solver,
                      const bfn_sampler_options *options, size_t D, bfn_predict_fn predict, void *user, size_t n,
                      void *out)
{
    bfn_plan *plan;
    bfn_sampler *sampler = NULL;
    bfn_status status = bfn_plan_create(ctx, &plan, flow, solver);
    if (status == BFN_OK)
        status = bfn_sampler_create(ctx, &sampler, flow, plan, D, options);
    if (status == BFN_OK)
        status = bfn_sampler_run(sampler, predict, user, 0, n, out, NULL);
    bfn_sampler_destroy(sampler);
    bfn_plan_destroy(plan);
    return status;
}
