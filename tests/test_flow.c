/* Flows: option checks, schedules, Bayesian updates, what the network is shown, predictions, draws and modes: closed forms, identities
 * and brute force in long double. */
#include "base/base.h"
#include "base/random.h"
#include "bfn/flow.h"
#include "flow/bins.h"
#include "flow/softmax.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const bfn_flow TEXT = {sizeof(bfn_flow), BFN_DATA_DISCRETE, 27, 0.75, 0.0, 0.0};
static const bfn_flow BINARY = {sizeof(bfn_flow), BFN_DATA_DISCRETE, 2, 3.0, 0.0, 0.0};
static const bfn_flow IMAGE = {sizeof(bfn_flow), BFN_DATA_CONTINUOUS, 0, 0.0, 1e-6, 1.0};
static const bfn_flow BINS_256 = {sizeof(bfn_flow), BFN_DATA_DISCRETISED, 256, 0.0, 1e-6, 0.0};
static const bfn_flow BINS_16 = {sizeof(bfn_flow), BFN_DATA_DISCRETISED, 16, 0.0, 1e-3, 0.0};

static void assert_near(double got, double want, double relative)
{
    if (!(fabs(got - want) <= relative * fabs(want)))
        fail_msg("got %.17g, want %.17g within %g relative", got, want, relative);
}

static void assert_close(double got, double want, double absolute)
{
    if (!(fabs(got - want) <= absolute))
        fail_msg("got %.17g, want %.17g within %g", got, want, absolute);
}

/* ------------------------------------------------------------------------------------------------------------ options */

static void refused(bfn_flow flow, const char *field)
{
    bfn_context *ctx;
    assert_int_equal(bfn_context_create(&ctx, NULL), BFN_OK);
    assert_int_equal(bfn_flow_check(ctx, &flow), BFN_ERR_ARGUMENT);
    if (strstr(bfn_errmsg(ctx), field) == NULL)
        fail_msg("\"%s\" does not name %s", bfn_errmsg(ctx), field);
    bfn_context_destroy(ctx);
}

static void bad_flows_are_refused(void **state)
{
    (void)state;
    const bfn_flow good[] = {TEXT, BINARY, IMAGE, BINS_256, BINS_16, BFN_FLOW_INIT};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_int_equal(bfn_flow_check(NULL, &good[i]), BFN_OK);
    const double nan = (double)NAN, inf = (double)INFINITY;
    const double bad_beta[] = {0.0, -1.0, nan, inf}, bad_variance[] = {0.0, 1.0, -1e-6, nan, inf};
    const double bad_clip[] = {-1.0, nan, inf};
    const size_t bad_classes[] = {0, 1, 65537, SIZE_MAX};
    for (int i = 0; i < 4; i++) {
        bfn_flow flow = TEXT;
        flow.max_sqrt_beta = bad_beta[i];
        refused(flow, "max_sqrt_beta");
        flow = TEXT;
        flow.n_classes = bad_classes[i];
        refused(flow, "n_classes");
        flow = BINS_256;
        flow.n_classes = bad_classes[i];
        refused(flow, "n_classes");
    }
    for (int i = 0; i < 5; i++) {
        bfn_flow flow = IMAGE;
        flow.min_variance = bad_variance[i];
        refused(flow, "min_variance");
        flow = BINS_16;
        flow.min_variance = bad_variance[i];
        refused(flow, "min_variance");
    }
    for (int i = 0; i < 3; i++) {
        bfn_flow flow = IMAGE;
        flow.clip = bad_clip[i];
        refused(flow, "clip");
    }
    bfn_flow flow = TEXT;
    flow.kind = (bfn_data_kind)4;
    refused(flow, "kind");
    flow = TEXT;
    flow.struct_size = 0;
    refused(flow, "struct_size");
}

static void widths(void **state)
{
    (void)state;
    const struct {
        const bfn_flow *flow;
        size_t in, shown, out;
    } want[] = {{&TEXT, 27, 27, 27}, {&BINARY, 2, 1, 1}, {&IMAGE, 1, 1, 1}, {&BINS_256, 1, 1, 2}};
    for (int i = 0; i < 4; i++) {
        assert_int_equal(bfn_flow_state_width(want[i].flow), want[i].in);
        assert_int_equal(bfn_flow_shown_width(want[i].flow), want[i].shown);
        assert_int_equal(bfn_flow_output_width(want[i].flow), want[i].out);
    }
}

/* ---------------------------------------------------------------------------------------------------------- schedules */

static void schedules_keep_their_digits(void **state)
{
    (void)state;
    const double rate = log(1e6); /* -ln min_variance */
    assert_near(bfn_flow_beta(&IMAGE, 1.0), 1e6 - 1.0, 1e-13);
    assert_near(bfn_flow_gamma(&IMAGE, 1.0), 1.0 - 1e-6, 1e-15);
    assert_near(bfn_flow_beta(&TEXT, 0.5), 0.5625 * 0.25, 1e-15);
    for (double t = 1e-14; t < 1e-8; t *= 10.0) { /* where 1 - sigma_1^(2t) has lost its digits */
        double x = rate * t;
        assert_near(bfn_flow_beta(&IMAGE, t), x + x * x / 2.0, 1e-13);
        assert_near(bfn_flow_gamma(&IMAGE, t), x - x * x / 2.0, 1e-13);
    }
    const bfn_flow *flows[] = {&IMAGE, &BINS_16, &TEXT, &BINARY};
    for (int i = 0; i < 4; i++) {
        assert_true(bfn_flow_beta(flows[i], 0.0) == 0.0);
        assert_true(isinf(bfn_flow_lambda(flows[i], 0.0)) && bfn_flow_lambda(flows[i], 0.0) < 0.0);
        assert_true(bfn_flow_time_of_lambda(flows[i], -(double)INFINITY) == 0.0);
        for (double t = 1e-12; t <= 1.0; t *= 1.7) {
            assert_near(bfn_flow_time_of_lambda(flows[i], bfn_flow_lambda(flows[i], t)), t, 1e-13);
            assert_close(bfn_flow_lambda(flows[i], t), 0.5 * log(bfn_flow_beta(flows[i], t)), 1e-13);
        }
    }
    for (double t = 0.0; t <= 1.0; t += 0.01) {
        double gamma = bfn_flow_gamma(&IMAGE, t), beta = bfn_flow_beta(&IMAGE, t);
        assert_near(gamma, beta / (1.0 + beta), 1e-13);
        assert_near(bfn_flow_sigma(&IMAGE, t), sqrt(beta) / (1.0 + beta), 1e-13);
    }
}

static void accuracies_add_up(void **state)
{
    (void)state;
    const bfn_flow *flows[] = {&IMAGE, &BINS_16, &TEXT, &BINARY};
    for (int i = 0; i < 4; i++) {
        double sum = 0.0;
        for (int n = 0; n < 100; n++)
            sum += bfn_flow_accuracy(flows[i], n / 100.0, (n + 1) / 100.0);
        assert_near(sum, bfn_flow_beta(flows[i], 1.0), 1e-12);
        /* a step too short for the difference of two betas */
        double slope = flows[i]->kind == BFN_DATA_DISCRETE
                           ? 2.0 * 0.5 * flows[i]->max_sqrt_beta * flows[i]->max_sqrt_beta
                           : -log(flows[i]->min_variance) * pow(flows[i]->min_variance, -0.5);
        double step = 0x1p-40;
        assert_near(bfn_flow_accuracy(flows[i], 0.5, 0.5 + step), slope * step, 1e-10);
    }
}

/* The numbers of a step 0.3 -> 0.4 with sigma_1 = 1e-3. */
static void coefficients_of_a_step(void **state)
{
    (void)state;
    double s = 0.3, t = 0.4, rho = 1.0 + bfn_flow_beta(&IMAGE, t), alpha = bfn_flow_accuracy(&IMAGE, s, t);
    assert_close((1.0 + bfn_flow_beta(&IMAGE, s)) / rho, 0.251189, 5e-7);
    assert_close(alpha / rho, 0.748811, 5e-7);
    assert_close(sqrt(alpha) / rho, 0.0545992, 5e-8);
    double h = bfn_flow_lambda(&IMAGE, t) - bfn_flow_lambda(&IMAGE, s);
    assert_close(bfn_flow_sigma(&IMAGE, t) / bfn_flow_sigma(&IMAGE, s), 0.504200, 5e-7);
    assert_close(bfn_flow_gamma(&IMAGE, t) * -expm1(-h), 0.499810, 5e-7);
}

/* Updating the flow's mean at t0 by the sender's mean gives the flow's mean at t1; so do the variances. The update is the first-order
 * SDE step: a = (1+beta_s)/(1+beta_t), b = gamma_t (1 - e^(-2h)), noise sqrt(alpha)/(1+beta_t). */
static void bayes_update_is_the_flow_and_the_sde_step(void **state)
{
    (void)state;
    const float x[3] = {-0.9f, 0.1f, 0.7f}, zero[3] = {0};
    for (double s = 0.0; s < 0.95; s += 0.1) {
        double t = s + 0.07, times[2] = {s, t}, alpha = bfn_flow_accuracy(&IMAGE, s, t);
        float mean_s[3], mean_t[3], noisy[3];
        bfn_flow_draw(&IMAGE, 1, 3, x, &times[0], zero, mean_s);
        bfn_flow_draw(&IMAGE, 1, 3, x, &times[1], zero, mean_t);
        float updated[3] = {mean_s[0], mean_s[1], mean_s[2]}, y[3];
        bfn_flow_update(&IMAGE, 1, 3, s, t, x, updated);
        for (int i = 0; i < 3; i++)
            assert_close((double)updated[i], (double)mean_t[i], 1.2e-7);
        double rho_s = 1.0 + bfn_flow_beta(&IMAGE, s), rho_t = 1.0 + bfn_flow_beta(&IMAGE, t), xi = 1.25;
        double var_s = pow(bfn_flow_sigma(&IMAGE, s), 2), a = rho_s / rho_t, e = sqrt(alpha) / rho_t;
        assert_near(a * a * var_s + e * e, pow(bfn_flow_sigma(&IMAGE, t), 2), 1e-12);
        double b = s > 0.0 ? bfn_flow_gamma(&IMAGE, t) *
                                 -expm1(-2.0 * (bfn_flow_lambda(&IMAGE, t) - bfn_flow_lambda(&IMAGE, s)))
                           : bfn_flow_gamma(&IMAGE, t);
        for (int i = 0; i < 3; i++) {
            noisy[i] = mean_s[i];
            y[i] = (float)((double)x[i] + xi / sqrt(alpha));
        }
        bfn_flow_update(&IMAGE, 1, 3, s, t, y, noisy);
        for (int i = 0; i < 3; i++)
            assert_close((double)noisy[i], a * (double)mean_s[i] + b * (double)x[i] + e * xi, 3e-7);
    }
}

static void discrete_update_adds_messages(void **state)
{
    (void)state;
    const int32_t x = 4;
    const float zero[27] = {0};
    double times[2] = {0.3, 0.45}, alpha = bfn_flow_accuracy(&TEXT, 0.3, 0.45);
    float at_s[27], at_t[27], y[27];
    bfn_flow_draw(&TEXT, 1, 1, &x, &times[0], zero, at_s);
    bfn_flow_draw(&TEXT, 1, 1, &x, &times[1], zero, at_t);
    for (int k = 0; k < 27; k++)
        y[k] = (float)(alpha * (k == x ? 26.0 : -1.0));
    bfn_flow_update(&TEXT, 1, 1, 0.3, 0.45, y, at_s);
    for (int k = 0; k < 27; k++)
        assert_close((double)at_s[k], (double)at_t[k], 1e-6);
}

static void draws_follow_the_formula(void **state)
{
    (void)state;
    enum { B = 2, D = 5 };
    float normals[B * D * 27], z[B * D * 27], x[B * D] = {-1, -0.5f, 0, 0.5f, 1, 0.25f, -0.75f, 0.125f, 1, -1};
    int32_t classes[B * D] = {0, 26, 13, 5, 1, 2, 3, 4, 25, 0};
    const double t[B] = {0.2, 0.9};
    bfn__random_normals(1, 2, 3, 0, B * D * 27, normals);
    bfn_flow_draw(&TEXT, B, D, classes, t, normals, z);
    for (int i = 0; i < B * D * 27; i++) {
        double beta = bfn_flow_beta(&TEXT, t[i / (D * 27)]);
        double mean = beta * (i % 27 == classes[i / 27] ? 26.0 : -1.0);
        assert_close((double)z[i], mean + sqrt(beta * 27.0) * (double)normals[i], 1e-6);
    }
    bfn_flow_draw(&BINS_256, B, D, x, t, normals, z);
    for (int i = 0; i < B * D; i++) {
        double gamma = bfn_flow_gamma(&IMAGE, t[i / D]);
        assert_close((double)z[i], gamma * (double)x[i] + sqrt(gamma * (1.0 - gamma)) * (double)normals[i], 1e-7);
    }
    memcpy(z, normals, sizeof z); /* in place */
    float apart[B * D * 27];
    bfn_flow_draw(&TEXT, B, D, classes, t, normals, apart);
    bfn_flow_draw(&TEXT, B, D, classes, t, z, z);
    assert_memory_equal(z, apart, sizeof z);
}

/* ------------------------------------------------------------------------------------------------------------ softmax */

/* Worst relative error of a row against long double. The difference from the maximum is a float there too: its rounding is part of
 * the definition, what is measured is exp and the sum. */
static double softmax_error(size_t K, const float *in, const float *out)
{
    float max = -INFINITY;
    long double sum = 0.0L;
    double worst = 0.0;
    for (size_t k = 0; k < K; k++)
        max = fmaxf(max, in[k]);
    for (size_t k = 0; k < K; k++)
        sum += expl((long double)(in[k] - max));
    for (size_t k = 0; k < K; k++) {
        double want = (double)(expl((long double)(in[k] - max)) / sum);
        if (want > 1e-36)
            worst = fmax(worst, fabs((double)out[k] / want - 1.0));
        else
            assert_true((double)out[k] < 2e-36);
    }
    return worst;
}

static void softmax_is_accurate_and_the_same_everywhere(void **state)
{
    (void)state;
    const size_t classes[] = {2, 3, 5, 8, 27, 64, 65, 1023, 1024, 1025, 3000};
    enum { FLOATS = 12000 };
    static float in[FLOATS], out[FLOATS], other[FLOATS];
    double worst = 0.0;
    for (size_t c = 0; c < sizeof classes / sizeof *classes; c++) {
        size_t K = classes[c], n = FLOATS / K < 97 ? FLOATS / K : 97;
        bfn__random_normals(3, K, 0, 0, n * K, in);
        for (size_t i = 0; i < n * K; i++)
            in[i] *= i / K % 3 == 0 ? 30.0f : 3.0f;
        bfn__softmax_base(n, K, in, out);
        for (bfn__isa_level level = BFN__ISA_AVX2; level <= bfn__isa_best(); level++) {
            BFN__ISA_PICK_LEVEL(bfn__softmax, level)(n, K, in, other);
            assert_memory_equal(out, other, n * K * sizeof *out);
        }
        for (size_t i = 0; i < n; i++)
            worst = fmax(worst, softmax_error(K, in + i * K, out + i * K));
        BFN__ISA_PICK(bfn__softmax)(n, K, in, in);
        assert_memory_equal(in, out, n * K * sizeof *out);
    }
    print_message("softmax: worst relative error %.2e\n", worst);
    assert_true(worst < 4e-7);
}

static void softmax_of_extremes(void **state)
{
    (void)state;
    float in[4 * 3] = {1e30f, -1e30f, 0, -INFINITY, 2, -INFINITY, NAN, 0, 1, 0, 1, NAN}, out[4 * 3];
    bfn_flow flow = TEXT;
    flow.n_classes = 3;
    bfn_flow_show(&flow, 1, 4, in, out);
    const float want[6] = {1, 0, 0, 0, 1, 0};
    for (int i = 0; i < 6; i++)
        assert_true(out[i] == want[i]);
    for (int i = 6; i < 12; i++) /* divergence must be seen, wherever the NaN sits */
        assert_true(isnan(out[i]));
}

static void two_classes(void **state)
{
    (void)state;
    enum { N = 2000 };
    static float z[2 * N], shown[N], pairs[2 * N], again[2 * N];
    bfn__random_normals(5, 1, 0, 0, 2 * N, z);
    for (int i = 0; i < 2 * N; i++)
        z[i] *= i % 5 == 0 ? 40.0f : 2.0f;
    bfn_flow_show(&BINARY, 1, N, z, shown);
    for (int i = 0; i < N; i++)
        assert_close((double)shown[i], tanh(0.5 * ((double)z[2 * i] - (double)z[2 * i + 1])), 3e-7);
    const double t = 0.5;
    bfn_flow_predict(&BINARY, 1, N, NULL, &t, z, pairs); /* z[i] as logits of class 1 */
    for (int i = 0; i < N; i++) {
        double p = 1.0 / (1.0 + exp(-(double)z[i])), other = 1.0 / (1.0 + exp((double)z[i]));
        assert_close((double)pairs[2 * i + 1], p, 4e-7 * p + 1e-37); /* 0 below the smallest normal float */
        assert_close((double)pairs[2 * i], other, 4e-7 * other + 1e-37);
    }
    for (bfn__isa_level level = BFN__ISA_BASE; level <= bfn__isa_best(); level++) {
        BFN__ISA_PICK_LEVEL(bfn__pairs, level)(N, z, again);
        assert_memory_equal(pairs, again, sizeof again);
        BFN__ISA_PICK_LEVEL(bfn__contrast, level)(N, z, again);
        assert_memory_equal(shown, again, sizeof shown);
    }
}

/* --------------------------------------------------------------------------------------------------------------- bins */

static void bytes_survive_quantising(void **state)
{
    (void)state;
    for (int byte = 0; byte < 256; byte++) {
        float x = (float)byte / 255.0f * 2.0f - 1.0f;
        size_t bin = bfn_flow_bin(&BINS_256, (double)x);
        assert_int_equal(bin, byte);
        double centre = bfn_flow_bin_centre(&BINS_256, bin);
        assert_near(centre, 2.0 * (byte + 0.5) / 256.0 - 1.0, 1e-15);
        assert_int_equal(bfn_flow_bin(&BINS_256, (double)(float)centre), byte);
    }
    assert_int_equal(bfn_flow_bin(&BINS_16, -7.0), 0);
    assert_int_equal(bfn_flow_bin(&BINS_16, 1.0), 15);
    assert_int_equal(bfn_flow_bin(&BINS_16, 1e300), 15);
    assert_int_equal(bfn_flow_bin(&BINS_16, (double)NAN), 0);
    assert_int_equal(bfn_flow_bin(&BINS_16, -(double)INFINITY), 0);
}

static long double tail(long double z)
{
    return 0.5L * erfcl(z * sqrtl(0.5L));
}

static long double bin_mass(size_t K, bfn__normal q, size_t bin)
{
    long double low = ((long double)bin * 2 / (long double)K - 1 - (long double)q.mean) / (long double)q.deviation;
    long double high =
        ((long double)(bin + 1) * 2 / (long double)K - 1 - (long double)q.mean) / (long double)q.deviation;
    if (bin == 0)
        return tail(-high);
    if (bin == K - 1)
        return tail(low);
    return low > 0 ? tail(low) - tail(high) : tail(-high) - tail(-low);
}

static void bin_masses_match_long_double(void **state)
{
    (void)state;
    const double deviations[] = {1e-3, 0.02, 0.3, 1.0, 10.0};
    const size_t bins[] = {2, 16, 256};
    for (int c = 0; c < 3; c++) {
        for (int i = 0; i < 5; i++) {
            for (double mean = -3.0; mean <= 3.0; mean += 0.173) {
                bfn__normal q = {mean, deviations[i]};
                double total = 0.0, expected = 0.0;
                for (size_t bin = 0; bin < bins[c]; bin++) {
                    double ln_mass = bfn__ln_bin_mass(bins[c], q, bin, NULL);
                    long double want = bin_mass(bins[c], q, bin);
                    if (want > 1e-4000L)
                        assert_close(ln_mass, (double)logl(want), 1e-9 + 1e-11 * fabs(ln_mass));
                    else
                        assert_true(isfinite(ln_mass) && ln_mass < -9000.0);
                    total += exp(ln_mass);
                    expected += exp(ln_mass) * bfn__bin_centre(bins[c], bin);
                }
                assert_close(total, 1.0, 1e-12);
                assert_close(bfn__bin_mean(bins[c], q, NULL), expected, 1e-12);
            }
        }
    }
}

static void bin_derivatives_are_differences(void **state)
{
    (void)state;
    const double h = 1e-5;
    for (double mean = -1.7; mean < 1.8; mean += 0.21) {
        for (double deviation = 0.05; deviation < 5.0; deviation *= 2.3) {
            bfn__normal q = {mean, deviation}, up = {mean + h, deviation}, down = {mean - h, deviation};
            bfn__normal wide = {mean, deviation + h}, slim = {mean, deviation - h};
            bfn__bin_gradient g;
            for (size_t bin = 0; bin < 16; bin++) {
                (void)bfn__ln_bin_mass(16, q, bin, &g);
                double d_mean = (bfn__ln_bin_mass(16, up, bin, NULL) - bfn__ln_bin_mass(16, down, bin, NULL)) / (2 * h);
                double d_dev =
                    (bfn__ln_bin_mass(16, wide, bin, NULL) - bfn__ln_bin_mass(16, slim, bin, NULL)) / (2 * h);
                assert_close(g.mean, d_mean, 1e-5 * (1.0 + fabs(d_mean)));
                assert_close(g.deviation, d_dev, 1e-5 * (1.0 + fabs(d_dev)));
            }
            (void)bfn__bin_mean(16, q, &g);
            assert_close(g.mean, (bfn__bin_mean(16, up, NULL) - bfn__bin_mean(16, down, NULL)) / (2 * h), 1e-6);
            assert_close(g.deviation, (bfn__bin_mean(16, wide, NULL) - bfn__bin_mean(16, slim, NULL)) / (2 * h), 1e-6);
        }
    }
}

static void mode_is_the_heaviest_bin(void **state)
{
    (void)state;
    for (double mean = -2.5; mean < 2.5; mean += 0.0371) {
        for (double deviation = 1e-3; deviation < 10.0; deviation *= 1.9) {
            bfn__normal q = {mean, deviation};
            size_t best = 0;
            for (size_t bin = 1; bin < 16; bin++)
                if (bin_mass(16, q, bin) > bin_mass(16, q, best) * (1.0L + 1e-9L))
                    best = bin;
            size_t got = bfn__bin_mode(16, q);
            if (got != best && fabsl(bin_mass(16, q, got) / bin_mass(16, q, best) - 1.0L) > 1e-9L)
                fail_msg("N(%g, %g): bin %zu, heaviest is %zu", mean, deviation, got, best);
        }
    }
}

/* -------------------------------------------------------------------------------------------------------- predictions */

static void continuous_predictions(void **state)
{
    (void)state;
    const float x[4] = {-0.8f, -0.1f, 0.3f, 0.99f}, eps[4] = {0.3f, -1.1f, 2.0f, -0.4f};
    const double t[1] = {0.35};
    float mu[4], p[4], wild[4] = {90.0f, -90.0f, 90.0f, -90.0f};
    bfn_flow_draw(&IMAGE, 1, 4, x, t, eps, mu);
    bfn_flow_predict(&IMAGE, 1, 4, mu, t, eps, p); /* the true noise gives the data back */
    for (int i = 0; i < 4; i++)
        assert_close((double)p[i], (double)x[i], 1e-6);
    bfn_flow_predict(&IMAGE, 1, 4, mu, t, wild, p);
    for (int i = 0; i < 4; i++)
        assert_true(p[i] == (i % 2 == 0 ? -1.0f : 1.0f));
    bfn_flow unclipped = IMAGE;
    unclipped.clip = 0.0;
    bfn_flow_predict(&unclipped, 1, 4, mu, t, wild, p);
    for (int i = 0; i < 4; i++) {
        double gamma = bfn_flow_gamma(&IMAGE, t[0]);
        assert_close((double)p[i], (double)mu[i] / gamma - sqrt((1.0 - gamma) / gamma) * (double)wild[i], 1e-6);
    }
    const double start[1] = {0.0};
    bfn_flow_predict(&IMAGE, 1, 4, mu, start, wild, p);
    for (int i = 0; i < 4; i++)
        assert_true(p[i] == 0.0f);
}

/* The normal of an output, written out once more. */
static bfn__normal normal_of(double t, double mu, double mean, double ln_deviation)
{
    double gamma = bfn_flow_gamma(&BINS_16, t), spread = sqrt((1.0 - gamma) / gamma);
    double deviation = spread * exp(fmin(fmax(ln_deviation, -10.0), 10.0));
    return (bfn__normal){mu / gamma - spread * mean, fmin(fmax(deviation, 1e-3), 10.0)};
}

static void discretised_predictions(void **state)
{
    (void)state;
    enum { D = 7 };
    const float mu[D] = {0.1f, -0.2f, 0.5f, 0.0f, -0.7f, 0.9f, 0.3f};
    const float output[2 * D] = {0.2f, -1, 1, 0.5f, -2, 12, 0.1f, -30, 0.4f, 0, 1.5f, -2, -0.3f, 1};
    const double times[2] = {0.4, 0.9}, normals[D] = {0.3, -1.4, 2.2, 0.0, 5.0, -5.0, -0.6};
    for (int i = 0; i < 2; i++) {
        float p[D], drawn[D], mode[D];
        bfn_flow_predict(&BINS_16, 1, D, mu, &times[i], output, p);
        bfn_flow_predict_drawn(&BINS_16, 1, D, mu, &times[i], output, normals, drawn);
        bfn_flow_mode(&BINS_16, 1, D, mu, &times[i], output, mode);
        for (int d = 0; d < D; d++) {
            bfn__normal q = normal_of(times[i], (double)mu[d], (double)output[2 * d], (double)output[2 * d + 1]);
            double mean = 0.0;
            for (size_t k = 0; k < 16; k++)
                mean += (double)bin_mass(16, q, k) * bfn__bin_centre(16, k);
            assert_close((double)p[d], mean, 1e-6);
            double sample = q.mean + q.deviation * normals[d];
            assert_close((double)drawn[d], bfn__bin_centre(16, bfn__bin(16, sample)), 1e-7);
            assert_close((double)mode[d], bfn__bin_centre(16, bfn__bin_mode(16, q)), 1e-7);
        }
    }
}

static void discretised_start_is_a_standard_normal(void **state)
{
    (void)state;
    const double t = 0.0, u[1] = {1.7};
    const float mu = 5.0f, output[2] = {3.0f, 2.0f};
    float p, drawn;
    bfn_flow_predict(&BINS_16, 1, 1, &mu, &t, output, &p);
    bfn_flow_predict_drawn(&BINS_16, 1, 1, &mu, &t, output, u, &drawn);
    assert_close((double)p, 0.0, 1e-7);
    assert_close((double)drawn, bfn__bin_centre(16, 15), 1e-7);
}

/* Inverse CDF in class order: u just below and above each step of the CDF. */
static void drawn_class(const bfn_flow *flow, const float *output, const double *p)
{
    size_t K = flow->n_classes;
    double sum = 0.0, t = 0.5;
    for (size_t k = 0; k < K; k++) {
        double inside[2] = {sum + 1e-9, sum + p[k] - 1e-9};
        for (int i = 0; i < 2; i++) {
            float one_hot[27];
            bfn_flow_predict_drawn(flow, 1, 1, NULL, &t, output, &inside[i], one_hot);
            for (size_t j = 0; j < K; j++)
                assert_true(one_hot[j] == (j == k ? 1.0f : 0.0f));
        }
        sum += p[k];
    }
    assert_close(sum, 1.0, 1e-12);
}

static void drawn_classes_invert_the_cdf(void **state)
{
    (void)state;
    float logits[27];
    double p[27], total = 0.0;
    bfn__random_normals(9, 9, 9, 0, 27, logits);
    for (int k = 0; k < 27; k++)
        total += exp((double)logits[k]);
    for (int k = 0; k < 27; k++)
        p[k] = exp((double)logits[k]) / total;
    drawn_class(&TEXT, logits, p);
    const float logit = 0.8f;
    const double two[2] = {1.0 / (1.0 + exp((double)logit)), 1.0 / (1.0 + exp(-(double)logit))};
    drawn_class(&BINARY, &logit, two);
}

static void modes_of_classes(void **state)
{
    (void)state;
    const double t = 1.0;
    float logits[2 * 27] = {0};
    logits[5] = 1.0f;
    logits[27 + 26] = 0.1f;
    int32_t got[3];
    bfn_flow_mode(&TEXT, 1, 2, NULL, &t, logits, got);
    assert_int_equal(got[0], 5);
    assert_int_equal(got[1], 26);
    const float two[3] = {-0.5f, 0.5f, 20.0f};
    bfn_flow_mode(&BINARY, 1, 3, NULL, &t, two, got);
    assert_int_equal(got[0], 0);
    assert_int_equal(got[1], 1);
    assert_int_equal(got[2], 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_flows_are_refused),
        cmocka_unit_test(widths),
        cmocka_unit_test(schedules_keep_their_digits),
        cmocka_unit_test(accuracies_add_up),
        cmocka_unit_test(coefficients_of_a_step),
        cmocka_unit_test(bayes_update_is_the_flow_and_the_sde_step),
        cmocka_unit_test(discrete_update_adds_messages),
        cmocka_unit_test(draws_follow_the_formula),
        cmocka_unit_test(softmax_is_accurate_and_the_same_everywhere),
        cmocka_unit_test(softmax_of_extremes),
        cmocka_unit_test(two_classes),
        cmocka_unit_test(bytes_survive_quantising),
        cmocka_unit_test(bin_masses_match_long_double),
        cmocka_unit_test(bin_derivatives_are_differences),
        cmocka_unit_test(mode_is_the_heaviest_bin),
        cmocka_unit_test(continuous_predictions),
        cmocka_unit_test(discretised_predictions),
        cmocka_unit_test(discretised_start_is_a_standard_normal),
        cmocka_unit_test(drawn_classes_invert_the_cdf),
        cmocka_unit_test(modes_of_classes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
