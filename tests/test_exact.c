/* The exact networks against brute force: quadrature for the mixture, enumeration for tables and chains; the reference solver's order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/random.h"
#include "eval/exact.h"
#include "eval/selftest.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static bfn__selftest_models models;

static int make_models(void **state)
{
    (void)state;
    bfn__selftest_models_init(&models);
    return 0;
}

/* E[x | mu, t] and Var(x | mu, t) by integrating prior times likelihood. */
static void integrate_posterior(const bfn__exact *e, double t, double mu, double *mean, double *variance)
{
    double gamma = bfn_flow_gamma(&e->flow, t), sigma = bfn_flow_sigma(&e->flow, t), sum[3] = {0};
    for (int i = 0; i <= 400000; i++) {
        double x = -2.0 + 4.0 * i / 400000.0, prior = 0.0, z = (mu - gamma * x) / sigma;
        for (size_t c = 0; c < e->n_components; c++) {
            double u = (x - e->mean[c]) / e->deviation[c];
            prior += e->weight[c] / e->deviation[c] * exp(-0.5 * u * u);
        }
        double p = prior * exp(-0.5 * z * z);
        sum[0] += p;
        sum[1] += p * x;
        sum[2] += p * x * x;
    }
    *mean = sum[1] / sum[0];
    *variance = sum[2] / sum[0] - *mean * *mean;
}

static void mixture_posterior_is_the_integral(void **state)
{
    (void)state;
    static const double cases[][2] = {{0.01, 0.1}, {0.1, 0.4}, {0.1, -0.7}, {0.3, 0.02}, {0.5, -0.55}, {0.6, 0.0}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double t = cases[i][0], mu = cases[i][1], mean, variance, wanted_mean, wanted_variance, prediction;
        double beta = bfn_flow_beta(&models.mixture.flow, t);
        integrate_posterior(&models.mixture, t, mu, &wanted_mean, &wanted_variance);
        bfn__exact_posterior(&models.mixture, beta, (1.0 + beta) * mu, &mean, &variance);
        bfn__exact_mean(&models.mixture, t, &mu, &prediction);
        assert_true(fabs(mean - wanted_mean) < 1e-7);
        assert_true(fabs(variance - wanted_variance) < 1e-7);
        assert_true(prediction == mean);
    }
    double mean, variance, prior_mean, prior_variance;
    bfn__exact_posterior(&models.mixture, 0.0, 0.0, &mean, &variance);
    bfn__exact_moments(&models.mixture, &prior_mean, &prior_variance);
    assert_true(fabs(prior_mean - (0.35 * -0.6 + 0.65 * 0.5)) < 1e-15);
    assert_true(fabs(mean - prior_mean) < 1e-14);
    assert_true(fabs(variance - prior_variance) < 1e-14);
}

/* The network's noise estimate leads the flow back to the posterior mean. */
static void noise_estimate_gives_the_mean(void **state)
{
    (void)state;
    for (int i = 1; i <= 20; i++) {
        double t = 0.05 * i, wanted, mu = bfn_flow_gamma(&models.mixture.flow, t) * 0.3;
        float state_f = (float)mu, output, prediction;
        assert_int_equal(bfn__exact_predict(&models.mixture, 0, 1, &t, &state_f, &output), 0);
        bfn_flow_predict(&models.mixture.flow, 1, 1, &state_f, &t, &output, &prediction);
        mu = (double)state_f;
        bfn__exact_mean(&models.mixture, t, &mu, &wanted);
        assert_true(fabs((double)prediction - wanted) < 2e-6);
    }
}

/* Posterior marginals by Bayes' rule over all outcomes, from the densities of z ~ N(beta (K e_x - 1), K beta). */
static void bayes_marginals(const bfn__exact *e, double t, const double *z, double *p)
{
    size_t K = e->flow.n_classes, D = e->D, n = 1;
    double beta = bfn_flow_beta(&e->flow, t), total = 0.0;
    for (size_t d = 0; d < D; d++)
        n *= K;
    for (size_t i = 0; i < D * K; i++)
        p[i] = 0.0;
    for (size_t i = 0; i < n; i++) {
        size_t x[8], rest = i;
        double w = 1.0, exponent = 0.0;
        for (size_t d = D; d-- > 0; rest /= K)
            x[d] = rest % K;
        for (size_t d = 0; d < D; d++) {
            if (e->law == BFN__EXACT_INDEPENDENT)
                w *= e->prior[d * K + x[d]];
            for (size_t k = 0; k < K; k++) {
                double gap = z[d * K + k] - beta * ((double)K * (double)(k == x[d]) - 1.0);
                exponent -= gap * gap / (2.0 * (double)K * beta);
            }
        }
        w *= e->law == BFN__EXACT_TABLE ? e->table[i] : 1.0;
        w *= exp(exponent + 40.0);
        total += w;
        for (size_t d = 0; d < D; d++)
            p[d * K + x[d]] += w;
    }
    for (size_t i = 0; i < D * K; i++)
        p[i] /= total;
}

static void check_discrete(bfn__exact *e, double tolerance)
{
    size_t width = e->D * e->flow.n_classes;
    double t = 0.6, z[64], wanted[64], got[64];
    float state[64], shown[64], output[64], prediction[64];
    for (uint64_t sample = 0; sample < 20; sample++) {
        bfn__random_normals(1, sample, 0, 0, width, state);
        for (size_t i = 0; i < width; i++)
            z[i] = (double)state[i];
        bayes_marginals(e, t, z, wanted);
        bfn__exact_mean(e, t, z, got);
        bfn_flow_show(&e->flow, 1, e->D, state, shown);
        assert_int_equal(bfn__exact_predict(e, 0, 1, &t, shown, output), 0);
        bfn_flow_predict(&e->flow, 1, e->D, state, &t, output, prediction);
        for (size_t i = 0; i < width; i++) {
            assert_true(fabs(got[i] - wanted[i]) < 1e-12);
            assert_true(fabs((double)prediction[i] - wanted[i]) < tolerance);
        }
    }
}

static void discrete_networks_obey_bayes(void **state)
{
    (void)state;
    check_discrete(&models.independent, 1e-6);
    check_discrete(&models.pair, 1e-6);
    check_discrete(&models.table, 1e-6);
    check_discrete(&models.binary, 1e-6);
}

static void calls_are_counted(void **state)
{
    (void)state;
    bfn__exact e = models.pair;
    e.n_samples = e.n_calls = 0;
    double t[3] = {0.1, 0.1, 0.1};
    float shown[18], output[18];
    for (int i = 0; i < 18; i++)
        shown[i] = 1.0F / 3.0F;
    assert_int_equal(bfn__exact_predict(&e, 0, 3, t, shown, output), 0);
    assert_int_equal(bfn__exact_predict(&e, 3, 2, t, shown, output), 0);
    assert_int_equal(e.n_samples, 5);
    assert_int_equal(e.n_calls, 2);
}

/* Fourth order, for both kinds. */
static void the_reference_converges(void **state)
{
    (void)state;
    bfn__exact *cases[2] = {&models.mixture, &models.table};
    for (int c = 0; c < 2; c++) {
        double result[3][16] = {{0}}, t0 = c == 0 ? 1e-2 : 1e-3;
        size_t width = cases[c]->D * bfn_flow_state_width(&cases[c]->flow), steps = c == 0 ? 200 : 20;
        for (int s = 0; s < 3; s++) {
            for (size_t i = 0; i < width; i++)
                result[s][i] = 0.01 * sin(1.0 + 3.0 * (double)i);
            bfn__exact_integrate(cases[c], t0, s == 2 ? 16 * steps : steps << s, result[s]);
        }
        double coarse = 0.0, fine = 0.0;
        for (size_t i = 0; i < width; i++) {
            coarse += fabs(result[0][i] - result[2][i]);
            fine += fabs(result[1][i] - result[2][i]);
        }
        assert_true(coarse > 1e-12);
        assert_true(log2(coarse / fine) > 3.5 && log2(coarse / fine) < 4.6);
    }
}

static void chain_is_stationary(void **state)
{
    (void)state;
    bfn__exact_chain *chain = malloc(sizeof *chain);
    assert_non_null(chain);
    bfn__exact_chain_init(chain);
    double total = 0.0;
    for (int k = 0; k < BFN__CHAIN_SYMBOLS; k++) {
        double row = 0.0, next = 0.0;
        for (int j = 0; j < BFN__CHAIN_SYMBOLS; j++) {
            row += chain->step[k][j];
            next += chain->stationary[j] * chain->step[j][k];
            assert_true(chain->step[k][j] > 0.0);
        }
        total += chain->stationary[k];
        assert_true(fabs(row - 1.0) < 1e-12);
        assert_true(fabs(next - chain->stationary[k]) < 1e-12);
    }
    assert_true(fabs(total - 1.0) < 1e-12);
    double rate = bfn__exact_chain_entropy(chain, SIZE_MAX); /* both numbers stand in exact_bigram.def */
    assert_true(fabs(rate - 3.1642) < 1e-4);
    assert_true(fabs(bfn__exact_chain_entropy(chain, 1) - 4.0254) < 1e-4);
    free(chain);
}

/* Posterior and conditional draws of strings of three symbols against the sum over all of them. */
static void chain_posterior_is_the_sum(void **state)
{
    (void)state;
    enum { K = BFN__CHAIN_SYMBOLS, L = 3 };
    bfn__exact_chain *chain = malloc(sizeof *chain);
    assert_non_null(chain);
    bfn__exact_chain_init(chain);
    for (int known = 0; known < 2; known++) {
        float normals[L * K], theta[L * K], got[L * K];
        double wanted[L][K] = {{0}}, total = 0.0;
        bfn__random_normals(3, (uint64_t)known, 0, 0, (size_t)L * K, normals);
        for (int i = 0; i < L * K; i++)
            theta[i] = known == 1 && i / K == 1 ? (float)(i % K == 20) : expf(2.0F * normals[i]);
        for (int a = 0; a < K; a++)
            for (int b = 0; b < K; b++)
                for (int c = 0; c < K; c++) {
                    double w = chain->stationary[a] * chain->step[a][b] * chain->step[b][c];
                    w *= (double)theta[a] * (double)theta[K + b] * (double)theta[2 * K + c];
                    wanted[0][a] += w;
                    wanted[1][b] += w;
                    wanted[2][c] += w;
                    total += w;
                }
        bfn__exact_chain_posterior(chain, L, theta, got);
        for (int i = 0; i < L * K; i++)
            assert_true(fabs((double)got[i] - wanted[i / K][i % K] / total) < 2e-6);
    }
    free(chain);
}

static void conditional_draws_follow_the_posterior(void **state)
{
    (void)state;
    enum { K = BFN__CHAIN_SYMBOLS, L = 5, N = 20000 };
    bfn__exact_chain *chain = malloc(sizeof *chain);
    assert_non_null(chain);
    bfn__exact_chain_init(chain);
    static const unsigned char known[L] = {1, 0, 0, 1, 0};
    static const int32_t values[L] = {20, 0, 0, 5, 0};
    float theta[L * K], posterior[L * K];
    double count[L * K] = {0};
    for (int i = 0; i < L * K; i++)
        theta[i] = known[i / K] ? (float)(i % K == values[i / K]) : 1.0F;
    bfn__exact_chain_posterior(chain, L, theta, posterior);
    for (uint64_t s = 0; s < N; s++) {
        double uniforms[L];
        int32_t x[L];
        memcpy(x, values, sizeof x);
        bfn__random_uniforms(9, s, 0, 0, L, uniforms);
        bfn__exact_chain_draw(chain, L, known, uniforms, x);
        for (int i = 0; i < L; i++)
            count[i * K + x[i]] += 1.0;
    }
    for (int i = 0; i < L * K; i++) {
        double p = (double)posterior[i], se = sqrt(p * (1.0 - p) / N);
        assert_true(fabs(count[i] / N - p) < 5.0 * se + 1e-4);
    }
    free(chain);
}

/* Long strings neither underflow nor overflow; evidence that cannot be gives uniform rows. */
static void chain_scales(void **state)
{
    (void)state;
    enum { K = BFN__CHAIN_SYMBOLS, L = BFN__CHAIN_MAX_LENGTH };
    bfn__exact_chain *chain = malloc(sizeof *chain);
    float *theta = calloc((size_t)L * K, sizeof *theta), *p = calloc((size_t)L * K, sizeof *p);
    assert_non_null(chain);
    assert_non_null(theta);
    assert_non_null(p);
    bfn__exact_chain_init(chain);
    for (int i = 0; i < L; i++)
        theta[i * K + i % K] = 1e-30F;
    bfn__exact_chain_posterior(chain, L, theta, p);
    for (int i = 0; i < L; i++)
        assert_true(fabsf(p[i * K + i % K] - 1.0F) < 1e-5F);
    memset(theta + 7 * K, 0, K * sizeof *theta);
    bfn__exact_chain_posterior(chain, L, theta, p);
    for (int i = 0; i < L * K; i++)
        assert_true(p[i] == 1.0F / K);
    free(chain);
    free(theta);
    free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mixture_posterior_is_the_integral),
        cmocka_unit_test(noise_estimate_gives_the_mean),
        cmocka_unit_test(discrete_networks_obey_bayes),
        cmocka_unit_test(calls_are_counted),
        cmocka_unit_test(the_reference_converges),
        cmocka_unit_test(chain_is_stationary),
        cmocka_unit_test(chain_posterior_is_the_sum),
        cmocka_unit_test(conditional_draws_follow_the_posterior),
        cmocka_unit_test(chain_scales),
    };
    return cmocka_run_group_tests(tests, make_models, NULL);
}
