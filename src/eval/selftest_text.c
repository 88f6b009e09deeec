/* selftest_text.c: text from a Markov chain with its exact network: what fast samplers are worth (SPEC 5.3, 5.4).
 *
 * Strings of 128 symbols from a stationary bigram chain of English (exact_bigram.def); the network is the exact posterior. A
 * sampler that has too few steps gets the dependence between positions wrong: its strings have a longer code under the true chain (bits
 * per character) and other bigrams (total variation). A sampler that is exact reaches the entropy; one that falls below it does not sample
 * the law but sharpens it.
 *
 * Checked: the order of the methods at few evaluations, each pair beyond two standard errors of its difference; that good methods with
 * many evaluations reach the entropy; L_inf + L_r against the code length of the same strings (bound = entropy); and that clamping
 * known positions (infilling) gives the exact conditional law, compared with exact conditional draws string by string.
 */
#include "base/random.h"
#include "eval/selftest.h"

#include <math.h>
#include <string.h>

enum { LENGTH = 128, N_STRINGS = 400, BATCH = 50, K = BFN__CHAIN_SYMBOLS };

typedef struct text_method {
    bfn_method method;
    bool corrector;
    const char *name;
} text_method;

enum text_index {
    T_EULER,
    T_BFN,
    T_EM,
    T_SDE1,
    T_ODE1,
    T_ODE2S,
    T_ODE2M,
    T_SDE2M,
    T_ODE3M,
    T_SDE3M,
    T_ODE2M_C,
    T_ODE3M_C,
    N_METHODS
};

static const text_method methods[N_METHODS] = {
    [T_EULER] = {BFN_METHOD_EULER, false, "euler"},
    [T_BFN] = {BFN_METHOD_BFN, false, "bfn"},
    [T_EM] = {BFN_METHOD_EM, false, "em"},
    [T_SDE1] = {BFN_METHOD_SDE1, false, "sde1"},
    [T_ODE1] = {BFN_METHOD_ODE1, false, "ode1"},
    [T_ODE2S] = {BFN_METHOD_ODE2S, false, "ode2s"},
    [T_ODE2M] = {BFN_METHOD_ODE2M, false, "ode2m"},
    [T_SDE2M] = {BFN_METHOD_SDE2M, false, "sde2m"},
    [T_ODE3M] = {BFN_METHOD_ODE3M, false, "ode3m"},
    [T_SDE3M] = {BFN_METHOD_SDE3M, false, "sde3m"},
    [T_ODE2M_C] = {BFN_METHOD_ODE2M, true, "ode2m + corrector"},
    [T_ODE3M_C] = {BFN_METHOD_ODE3M, true, "ode3m + corrector"},
};

enum { N_BUDGETS = 5 };
static const size_t budgets[N_BUDGETS] = {5, 8, 10, 20, 50};

typedef struct text_result {
    double bits, error, distance;
} text_result;

typedef struct text_bench {
    bfn__exact_chain chain;
    bfn__exact exact;
    int32_t *strings; /* [N_STRINGS, LENGTH] */
    text_result results[N_METHODS][N_BUDGETS];
} text_bench;

/* Mean of numbers and its standard error. */
typedef struct spread {
    double n, mean, squares;
} spread;

static void spread_add(spread *s, double x)
{
    double change = x - s->mean;
    s->n += 1.0;
    s->mean += change / s->n;
    s->squares += change * (x - s->mean);
}

static double spread_error(const spread *s)
{
    return sqrt(s->squares / (s->n - 1.0) / s->n);
}

static bfn_flow text_flow(void)
{
    bfn_flow flow = BFN_FLOW_INIT;
    flow.kind = BFN_DATA_DISCRETE;
    flow.n_classes = K;
    flow.max_sqrt_beta = 0.75;
    flow.min_variance = flow.clip = 0.0;
    return flow;
}

static text_result measure(const text_bench *b)
{
    spread bits = {0};
    for (size_t i = 0; i < N_STRINGS; i++)
        spread_add(&bits, bfn__exact_chain_bits(&b->chain, LENGTH, b->strings + i * LENGTH));
    double distance = bfn__exact_chain_distance(&b->chain, N_STRINGS, LENGTH, b->strings);
    return (text_result){bits.mean, spread_error(&bits), distance};
}

static void draw_strings(const text_bench *b, uint64_t seed, size_t n, int32_t *strings)
{
    for (size_t i = 0; i < n; i++) {
        double uniforms[LENGTH];
        bfn__random_uniforms(seed, i, bfn__draw(0, BFN__DRAW_DATA), 0, LENGTH, uniforms);
        bfn__exact_chain_draw(&b->chain, LENGTH, NULL, uniforms, strings + i * LENGTH);
    }
}

static bfn_status sample_budget(bfn__selftest *st, text_bench *b, size_t m, size_t budget)
{
    bfn__selftest_job job = {.exact = &b->exact, .n = N_STRINGS, .out = b->strings};
    job.solver = bfn__selftest_options(methods[m].method, 0, BFN_GRID_TIME, 1e-3);
    job.solver.n_evaluations = budgets[budget];
    job.solver.corrector = methods[m].corrector;
    job.solver.last = BFN_LAST_PREDICT;
    if (methods[m].method == BFN_METHOD_ODE2S && budgets[budget] % 2 == 0)
        job.solver.n_evaluations--; /* it spends odd numbers only */
    job.sampler = (bfn_sampler_options)BFN_SAMPLER_OPTIONS_INIT;
    job.sampler.batch = BATCH;
    job.sampler.seed = 1000 + m;
    bfn_status status = bfn__selftest_sample(st, &job);
    b->results[m][budget] = measure(b);
    return status;
}

static bfn_status sample_table(bfn__selftest *st, text_bench *b)
{
    bfn__selftest_note(st, "  bits per character | bigram total variation; NFE %zu, %zu, %zu, %zu, %zu; entropy %.3f",
                       budgets[0], budgets[1], budgets[2], budgets[3], budgets[4],
                       bfn__exact_chain_entropy(&b->chain, LENGTH));
    for (size_t m = 0; m < N_METHODS; m++) {
        for (size_t n = 0; n < N_BUDGETS; n++) {
            bfn_status status = sample_budget(st, b, m, n);
            if (status != BFN_OK || st->stopped)
                return status;
        }
        const text_result *r = b->results[m];
        bfn__selftest_note(st, "  %-18s %.3f|%.3f  %.3f|%.3f  %.3f|%.3f  %.3f|%.3f  %.3f|%.3f", methods[m].name,
                           r[0].bits, r[0].distance, r[1].bits, r[1].distance, r[2].bits, r[2].distance, r[3].bits,
                           r[3].distance, r[4].bits, r[4].distance);
    }
    return BFN_OK;
}

/* The first of a pair needs more bits than the second at that budget. */
typedef struct text_order {
    enum text_index worse, better;
    int budget;
} text_order;

/* Of the order that SPEC 5.3 found, the pairs that lie more than three standard errors apart with these strings. */
static const text_order orders[] = {
    {T_EULER, T_BFN, 0},  {T_BFN, T_SDE1, 0},      {T_BFN, T_ODE1, 0},      {T_ODE1, T_ODE2M, 0}, {T_SDE1, T_SDE2M, 0},
    {T_SDE1, T_ODE2M, 0}, {T_ODE2M, T_ODE2M_C, 0}, {T_ODE2M, T_ODE3M_C, 0}, {T_EULER, T_BFN, 2},  {T_BFN, T_SDE1, 2},
    {T_BFN, T_ODE1, 2},   {T_BFN, T_EM, 2},        {T_ODE1, T_ODE2M, 2},    {T_SDE1, T_SDE2M, 2}, {T_EULER, T_BFN, 3},
    {T_ODE1, T_ODE2M, 3}, {T_SDE1, T_SDE2M, 3},
};

static void check_table(bfn__selftest *st, const text_bench *b)
{
    double entropy = bfn__exact_chain_entropy(&b->chain, LENGTH);
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        const text_result *worse = &b->results[orders[i].worse][orders[i].budget];
        const text_result *better = &b->results[orders[i].better][orders[i].budget];
        double z = (worse->bits - better->bits) / hypot(worse->error, better->error);
        bfn__selftest_range(st, z, 2.0, 1e3, "NFE %2zu: %s behind %s, standard errors", budgets[orders[i].budget],
                            methods[orders[i].worse].name, methods[orders[i].better].name);
    }
    static const enum text_index good[] = {T_ODE2M, T_SDE2M, T_ODE3M, T_SDE3M, T_ODE2M_C};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        const text_result *r = &b->results[good[i]][N_BUDGETS - 1];
        bfn__selftest_equal(st, r->bits, entropy, 4.0 * r->error + 0.005, "NFE 50: %s, bits per character = entropy",
                            methods[good[i]].name);
    }
}

/* Loss of one string at time t in bits per character: of the continuous-time bound, or of the reconstruction (t = 1). */
static bfn_status string_loss(bfn__selftest *st, text_bench *b, const int32_t *x, uint64_t sample, size_t draw,
                              double t, double *bits)
{
    float state[LENGTH * K], shown[LENGTH * K], output[LENGTH * K];
    double loss[LENGTH], sum = 0.0;
    bfn_loss_options options = BFN_LOSS_OPTIONS_INIT;
    options.kind = t < 1.0 ? BFN_LOSS_CONTINUOUS_TIME : BFN_LOSS_RECONSTRUCTION;
    bfn__random_normals(8, sample, bfn__draw(draw, BFN__DRAW_NOISE), 0, LENGTH * K, state);
    bfn_flow_draw(&b->exact.flow, 1, LENGTH, x, &t, state, state);
    bfn_flow_show(&b->exact.flow, 1, LENGTH, state, shown);
    (void)bfn__exact_predict(&b->exact, 0, 1, &t, shown, output);
    bfn_status status = bfn_flow_loss(st->ctx, &b->exact.flow, &options, 1, LENGTH, x, &t, state, output, loss, NULL);
    for (size_t d = 0; d < LENGTH && status == BFN_OK; d++)
        sum += loss[d];
    *bits = sum / (LENGTH * log(2.0));
    return status;
}

/* L_inf + L_r of strings against their own code lengths: the difference has little noise, as both rise with an unlikely string. */
static bfn_status check_bound(bfn__selftest *st, text_bench *b)
{
    enum { TIMES = 48, STRINGS = 120 };
    spread difference = {0};
    draw_strings(b, 7, STRINGS, b->strings);
    for (size_t i = 0; i < STRINGS; i++) {
        const int32_t *x = b->strings + i * LENGTH;
        double u[TIMES], bits, bound = 0.0;
        bfn__random_uniforms(8, i, bfn__draw(0, BFN__DRAW_DATA), 0, TIMES, u);
        for (size_t j = 0; j <= TIMES; j++) {
            double t = j < TIMES ? ((double)j + u[j]) / TIMES : 1.0;
            bfn_status status = string_loss(st, b, x, i, j, t, &bits);
            if (status != BFN_OK)
                return status;
            bound += j < TIMES ? bits / TIMES : bits;
        }
        spread_add(&difference, bound - bfn__exact_chain_bits(&b->chain, LENGTH, x));
    }
    double entropy = bfn__exact_chain_entropy(&b->chain, LENGTH), error = spread_error(&difference);
    /* What is still common to the positions at t = 1 comes on top; it is below 0.01 bits here. */
    bfn__selftest_equal(st, entropy + difference.mean, entropy, 4.0 * error + 0.01,
                        "bound L_inf + L_r = entropy (bits per character, se %.4f)", error);
    return BFN_OK;
}

enum { PER_STRING = 8 };

/* Bits of samples of the method given the known part of a text. */
static bfn_status infill(bfn__selftest *st, text_bench *b, bfn_method method, uint64_t seed, const unsigned char *known,
                         const int32_t *text, double *bits, size_t *changed)
{
    int32_t drawn[PER_STRING * LENGTH] = {0};
    bfn__selftest_job job = {.exact = &b->exact, .n = PER_STRING, .out = drawn};
    job.solver = bfn__selftest_options(method, 20, BFN_GRID_TIME, 1e-3);
    job.sampler = (bfn_sampler_options)BFN_SAMPLER_OPTIONS_INIT;
    job.sampler.batch = PER_STRING;
    job.sampler.seed = seed;
    job.sampler.known = known;
    job.sampler.known_values = text;
    bfn_status status = bfn__selftest_sample(st, &job);
    *bits = 0.0;
    for (size_t j = 0; j < PER_STRING; j++) {
        *bits += bfn__exact_chain_bits(&b->chain, LENGTH, drawn + j * LENGTH) / PER_STRING;
        for (size_t d = 0; d < LENGTH; d++)
            *changed += known[d] && drawn[j * LENGTH + d] != text[d];
    }
    return status;
}

/* Bits of exact conditional draws. */
static double infill_exactly(const text_bench *b, uint64_t sample, const unsigned char *known, const int32_t *text)
{
    double bits = 0.0;
    for (size_t j = 0; j < PER_STRING; j++) {
        double uniforms[LENGTH];
        int32_t x[LENGTH];
        memcpy(x, text, sizeof x);
        bfn__random_uniforms(10, sample * PER_STRING + j, bfn__draw(0, BFN__DRAW_DATA), 0, LENGTH, uniforms);
        bfn__exact_chain_draw(&b->chain, LENGTH, known, uniforms, x);
        bits += bfn__exact_chain_bits(&b->chain, LENGTH, x) / PER_STRING;
    }
    return bits;
}

/* Blocks of 8 known and 8 open symbols. */
static bfn_status check_infilling(bfn__selftest *st, text_bench *b, bfn_method method)
{
    enum { STRINGS = 50 };
    unsigned char known[LENGTH];
    spread exact = {0}, difference = {0};
    size_t changed = 0;
    for (size_t d = 0; d < LENGTH; d++)
        known[d] = d / 8 % 2 == 0;
    draw_strings(b, 9, STRINGS, b->strings);
    for (size_t i = 0; i < STRINGS; i++) {
        const int32_t *text = b->strings + i * LENGTH;
        double bits, wanted = infill_exactly(b, i, known, text);
        bfn_status status = infill(st, b, method, 2000 + i, known, text, &bits, &changed);
        if (status != BFN_OK)
            return status;
        spread_add(&exact, wanted);
        spread_add(&difference, bits - wanted);
    }
    double error = spread_error(&difference);
    bfn__selftest_equal(st, (double)changed, 0.0, 0.0, "infilling, %s: known symbols that changed",
                        bfn_method_name(method));
    bfn__selftest_equal(st, exact.mean + difference.mean, exact.mean, 4.0 * error + 0.005,
                        "infilling, %s, 20 NFE: bits (se %.4f) = exact draws", bfn_method_name(method), error);
    return BFN_OK;
}

static bfn_status check_laws(bfn__selftest *st, text_bench *b)
{
    double entropy = bfn__exact_chain_entropy(&b->chain, LENGTH);
    bfn__selftest_heading(st, "Text of a Markov chain (27 symbols, English bigrams)");
    draw_strings(b, 6, N_STRINGS, b->strings);
    text_result data = measure(b);
    bfn__selftest_equal(st, data.bits, entropy, 4.0 * data.error, "strings of the chain: bits per character = entropy");
    bfn__selftest_most(st, data.distance, 0.035, "strings of the chain: bigram total variation (chance)");
    bfn_status status = st->setup.only == BFN_METHOD_NONE ? check_bound(st, b) : BFN_OK;
    static const bfn_method for_infilling[] = {BFN_METHOD_ODE2M, BFN_METHOD_SDE2M};
    for (size_t m = 0; m < sizeof for_infilling / sizeof *for_infilling && status == BFN_OK; m++)
        if (bfn__selftest_wants(st, for_infilling[m]))
            status = check_infilling(st, b, for_infilling[m]);
    return status;
}

static bfn_status check_methods(bfn__selftest *st, text_bench *b)
{
    bfn__selftest_heading(st, "Text: methods at few evaluations");
    bfn_status status = sample_table(st, b);
    if (status == BFN_OK && !st->stopped)
        check_table(st, b);
    return status;
}

static bfn_status run_text(bfn__selftest *st, bfn_status (*part)(bfn__selftest *st, text_bench *b))
{
    text_bench *b = bfn__calloc(st->ctx, 1, sizeof *b);
    int32_t *strings = bfn__calloc(st->ctx, (size_t)N_STRINGS * LENGTH, sizeof *strings);
    bfn_status status = BFN_ERR_MEMORY;
    if (b != NULL && strings != NULL) {
        bfn__exact_chain_init(&b->chain);
        b->strings = strings;
        b->exact = (bfn__exact){.law = BFN__EXACT_CHAIN, .flow = text_flow(), .D = LENGTH, .chain = &b->chain};
        status = part(st, b);
    }
    bfn__free(st->ctx, strings);
    bfn__free(st->ctx, b);
    return status;
}

bfn_status bfn__selftest_text(bfn__selftest *st)
{
    return run_text(st, check_laws);
}

bfn_status bfn__selftest_methods(bfn__selftest *st)
{
    return run_text(st, check_methods);
}
