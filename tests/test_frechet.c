/* Fréchet and kernel distances: closed forms of Gaussians, brute force on tiny sets, standard errors against repeated draws; statistics streamed, merged,
 * saved and refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/random.h"
#include "bfn/frechet.h"
#include "eval/feature_stats.h"
#include "helper_fixture.h"
#include "io/file.h"
#include "io/npz.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[160]; /* a file of the test's own */

static int begin(void **state)
{
    int failed = setup_scratch(state);
    snprintf(path, sizeof path, "%s", scratch("stats.npz"));
    return failed;
}

/* n samples of D features: normals of the seed through x = mean + A z, A [D,D]; NULL: the identity. */
static float *draw(uint64_t seed, size_t n, size_t D, double mean, const double *A)
{
    float *z = calloc(n * D, sizeof *z), *x = calloc(n * D, sizeof *x);
    assert_true(z != NULL && x != NULL);
    bfn__random_normals(seed, 0, 0, 0, n * D, z);
    for (size_t i = 0; i < n; i++)
        for (size_t d = 0; d < D; d++) {
            double sum = mean;
            for (size_t e = 0; e < D; e++)
                sum += (A != NULL ? A[d * D + e] : d == e ? 1.0 : 0.0) * (double)z[i * D + e];
            x[i * D + d] = (float)sum;
        }
    free(z);
    return x;
}

static bfn_feature_stats *stats_of(size_t n, size_t D, const float *x, int keep)
{
    bfn_feature_stats *s;
    assert_ok(bfn_feature_stats_create(ctx, &s, D, keep));
    assert_ok(bfn_feature_stats_add(s, n, x));
    return s;
}

static void write_stats(size_t n_mu, const double *mu, size_t rows, size_t cols, const double *sigma)
{
    const bfn__st_tensor tensors[2] = {{.name = "mu",
                                        .dtype = BFN__DTYPE_F64,
                                        .rank = 1,
                                        .shape = {n_mu},
                                        .count = n_mu,
                                        .data = mu,
                                        .bytes = 8 * n_mu},
                                       {.name = "sigma",
                                        .dtype = BFN__DTYPE_F64,
                                        .rank = 2,
                                        .shape = {rows, cols},
                                        .count = rows * cols,
                                        .data = sigma,
                                        .bytes = 8 * rows * cols}};
    assert_ok(bfn__npz_save(ctx, path, tensors, 2, false));
}

static bfn_feature_stats *loaded(size_t D, const double *mu, const double *sigma)
{
    bfn_feature_stats *s;
    write_stats(D, mu, D, D, sigma);
    assert_ok(bfn_feature_stats_load(ctx, &s, path));
    return s;
}

static bfn_frechet distance(const bfn_feature_stats *a, const bfn_feature_stats *b)
{
    bfn_frechet r;
    assert_ok(bfn_eval_frechet(ctx, a, b, NULL, &r));
    return r;
}

static void near(double got, double want, double bound)
{
    if (!(fabs(got - want) <= bound))
        fail_msg("%.15g, should be %.15g within %g", got, want, bound);
}

/* ---- closed forms ---- */

static void commuting_covariances(void **state)
{
    (void)state;
    const double mu1[3] = {1, 2, 3}, mu2[3] = {1.5, 2, 1}, s1[9] = {4, 0, 0, 0, 0.25, 0, 0, 0, 0},
                 s2[9] = {1, 0, 0, 0, 9, 0, 0, 0, 2};
    bfn_feature_stats *a = loaded(3, mu1, s1), *b = loaded(3, mu2, s2);
    double want = 0.25 + 4.0 + 1.0 + 2.5 * 2.5 + 2.0; /* squares of the deviations' differences; one of them is 0 */
    bfn_frechet r = distance(a, b);
    near(r.distance, want, 1e-12);
    near(r.of_means, 4.25, 1e-12);
    near(distance(b, a).distance, want, 1e-12);
    assert_true(isnan(r.standard_error) && isnan(r.kernel) && r.n[0] == 0 && !r.exact_small);
    near(distance(a, a).distance, 0.0, 1e-12);
    bfn_feature_stats_destroy(a);
    bfn_feature_stats_destroy(b);
}

/* Of 2 x 2 matrices: tr M^1/2 = sqrt(tr M + 2 sqrt(det M)), M = S1 S2. */
static void covariances_that_do_not_commute(void **state)
{
    (void)state;
    const double mu[2] = {0, 0}, s1[4] = {2, 1.2, 1.2, 1}, s2[4] = {1, -0.5, -0.5, 3};
    bfn_feature_stats *a = loaded(2, mu, s1), *b = loaded(2, mu, s2);
    double product = 2 * 1 + 2 * 1.2 * -0.5 + 1 * 3, det = (2 - 1.44) * (3 - 0.25);
    double want = 3.0 + 4.0 - 2.0 * sqrt(product + 2.0 * sqrt(det));
    near(distance(a, b).distance, want, 1e-12);
    near(distance(b, a).distance, want, 1e-12);
    bfn_feature_stats_destroy(a);
    bfn_feature_stats_destroy(b);
}

/* A covariance without full rank, as dead features and small sets have it: nothing imaginary, nothing that is no number. */
static void singular_covariances(void **state)
{
    (void)state;
    enum { D = 40 };
    double mu[D] = {0}, s1[D * D], s2[D * D];
    for (size_t i = 0; i < D; i++)
        for (size_t j = 0; j < D; j++) {
            s1[i * D + j] = sin((double)i) * sin((double)j);
            s2[i * D + j] = cos((double)i) * cos((double)j);
        }
    bfn_feature_stats *a = loaded(D, mu, s1), *b = loaded(D, mu, s2);
    double u = 0.0, v = 0.0, uv = 0.0; /* tr (uu^T vv^T)^1/2 = |u.v| */
    for (size_t i = 0; i < D; i++) {
        u += sin((double)i) * sin((double)i);
        v += cos((double)i) * cos((double)i);
        uv += sin((double)i) * cos((double)i);
    }
    near(distance(a, b).distance, u + v - 2.0 * fabs(uv), 1e-6);
    near(distance(a, a).distance, 0.0, 1e-6);
    bfn_feature_stats_destroy(a);
    bfn_feature_stats_destroy(b);
}

/* With fewer samples than features the samples stand for their covariance: the same number as through the full matrix. */
static void few_samples(void **state)
{
    (void)state;
    enum { D = 30 };
    float *x = draw(1, 12, D, 0.0, NULL), *y = draw(2, 20, D, 0.5, NULL), *z = draw(3, 200, D, 0.2, NULL);
    bfn_feature_stats *few[2] = {stats_of(12, D, x, 1), stats_of(20, D, y, 1)}, *many = stats_of(200, D, z, 1),
                      *plain[2] = {stats_of(12, D, x, 0), stats_of(20, D, y, 0)};
    bfn_frechet r = distance(few[0], few[1]);
    assert_true(r.exact_small && isnan(r.standard_error));
    bfn_frechet full = distance(plain[0], plain[1]);
    assert_true(!full.exact_small && isnan(full.kernel));
    near(r.distance, full.distance, 1e-6);
    near(distance(few[1], few[0]).distance, full.distance, 1e-6);
    near(distance(few[0], many).distance, distance(plain[0], many).distance, 1e-6);
    near(distance(few[0], few[0]).distance, 0.0, 1e-9);
    for (int i = 0; i < 2; i++) {
        bfn_feature_stats_destroy(few[i]);
        bfn_feature_stats_destroy(plain[i]);
    }
    bfn_feature_stats_destroy(many);
    free(x);
    free(y);
    free(z);
}

/* The spread of the distance over repeated draws is what the standard error says, for one side and for both. */
static void standard_error_is_the_spread(void **state)
{
    (void)state;
    enum { D = 3, N = 400, RUNS = 300 };
    const double A[9] = {1.0, 0.3, 0.0, 0.0, 0.7, -0.4, 0.2, 0.0, 1.5}, mu[D] = {0.4, 0, 0},
                 sigma[9] = {1.5, 0.2, 0, 0.2, 0.8, 0.1, 0, 0.1, 1.0};
    bfn_feature_stats *fixed = loaded(D, mu, sigma);
    for (int both = 0; both < 2; both++) {
        double mean = 0.0, squares = 0.0, error = 0.0;
        for (uint64_t run = 0; run < RUNS; run++) {
            float *x = draw(100 + 2 * run, N, D, 0.0, A), *y = draw(101 + 2 * run, N, D, 0.4, NULL);
            bfn_feature_stats *a = stats_of(N, D, x, 1), *b = stats_of(N, D, y, 1);
            bfn_frechet r = both != 0 ? distance(b, a) : distance(a, fixed);
            double delta = r.distance - mean;
            mean += delta / (double)(run + 1);
            squares += delta * (r.distance - mean);
            error += r.standard_error / RUNS;
            bfn_feature_stats_destroy(a);
            bfn_feature_stats_destroy(b);
            free(x);
            free(y);
        }
        double spread = sqrt(squares / (RUNS - 1));
        near(error / spread, 1.0, 0.15); /* the spread of 300 runs itself is known to 4 % */
    }
    bfn_feature_stats_destroy(fixed);
}

/* ---- kernel distance ---- */

static double kernel(size_t D, const float *x, const float *y)
{
    double sum = 1.0;
    for (size_t d = 0; d < D; d++)
        sum += (double)x[d] * (double)y[d] / (double)D;
    return sum * sum * sum;
}

static void kernel_distance_of_tiny_sets(void **state)
{
    (void)state;
    enum { D = 5, M = 6 };
    float *x = draw(7, M, D, 0.0, NULL), *y = draw(8, M, D, 0.3, NULL);
    double want = 0.0;
    for (size_t i = 0; i < M; i++)
        for (size_t j = 0; j < M; j++) {
            if (i != j)
                want += (kernel(D, x + i * D, x + j * D) + kernel(D, y + i * D, y + j * D)) / (M * (M - 1));
            want -= 2.0 * kernel(D, x + i * D, y + j * D) / (M * M);
        }
    bfn_feature_stats *a = stats_of(M, D, x, 1), *b = stats_of(M, D, y, 1);
    bfn_frechet_options o = BFN_FRECHET_OPTIONS_INIT;
    o.kernel_subset = M;
    bfn_frechet r;
    assert_ok(bfn_eval_frechet(ctx, a, b, &o, &r));
    near(r.kernel, want, 1e-12);
    assert_true(isnan(r.kernel_error) && r.n_subsets == 1 && r.subset == M);
    o.kernel_subset = M + 1;
    assert_int_equal(bfn_eval_frechet(ctx, a, b, &o, &r), BFN_ERR_ARGUMENT);
    bfn_feature_stats_destroy(a);
    bfn_feature_stats_destroy(b);
    free(x);
    free(y);
}

/* No bias: over many pairs from one law the mean is 0 within its error, and the errors are honest. */
static void kernel_distance_has_no_bias(void **state)
{
    (void)state;
    enum { D = 4, N = 80, RUNS = 200 };
    double sum = 0.0, squares = 0.0, variance = 0.0;
    for (uint64_t run = 0; run < RUNS; run++) {
        float *x = draw(1000 + 2 * run, N, D, 0.0, NULL), *y = draw(1001 + 2 * run, N, D, 0.0, NULL);
        bfn_feature_stats *a = stats_of(N, D, x, 1), *b = stats_of(N, D, y, 1);
        bfn_frechet r = distance(a, b);
        assert_int_equal(r.n_subsets, 4);
        assert_int_equal(r.subset, 20);
        sum += r.kernel;
        squares += r.kernel * r.kernel;
        variance += r.kernel_error * r.kernel_error / RUNS;
        bfn_feature_stats_destroy(a);
        bfn_feature_stats_destroy(b);
        free(x);
        free(y);
    }
    double spread = sqrt(squares / RUNS);
    near(sum / RUNS, 0.0, 4.0 * spread / sqrt(RUNS));
    near(sqrt(variance) / spread, 1.0, 0.3);
}

/* ---- statistics ---- */

static void moments_of(size_t n, size_t D, const float *x, double *mean, double *cov)
{
    for (size_t d = 0; d < D; d++)
        for (size_t i = 0; i < n; i++)
            mean[d] += (double)x[i * D + d] / (double)n;
    for (size_t d = 0; d < D; d++)
        for (size_t e = 0; e < D; e++)
            for (size_t i = 0; i < n; i++)
                cov[d * D + e] += ((double)x[i * D + d] - mean[d]) * ((double)x[i * D + e] - mean[e]) / (double)(n - 1);
}

static void check_moments(const bfn_feature_stats *s, size_t n, const double *mean, const double *cov)
{
    assert_int_equal(s->n, n);
    for (size_t d = 0; d < s->D; d++)
        near(s->mean[d], mean[d], 1e-10);
    for (size_t i = 0; i < s->D * s->D; i++)
        near(s->scatter[i] * bfn__covariance_scale(s), cov[i], 1e-9);
}

/* Far from zero: sums of squares in double would lose most digits. */
static void streams_and_merges(void **state)
{
    (void)state;
    enum { D = 7, N = 700 };
    float *x = draw(5, N, D, 1000.0, NULL);
    double mean[D] = {0}, cov[D * D] = {0};
    moments_of(N, D, x, mean, cov);
    bfn_feature_stats *whole = stats_of(N, D, x, 1), *parts = stats_of(3, D, x, 1), *rest, *empty;
    check_moments(whole, N, mean, cov);
    for (size_t i = 3; i < 300; i += 99)
        assert_ok(bfn_feature_stats_add(parts, 99, x + i * D));
    rest = stats_of(N - 300, D, x + 300 * D, 1);
    assert_ok(bfn_feature_stats_create(ctx, &empty, D, 1));
    assert_ok(bfn_feature_stats_merge(parts, empty));
    assert_ok(bfn_feature_stats_merge(parts, rest));
    check_moments(parts, N, mean, cov);
    assert_memory_equal(parts->kept, x, N * D * sizeof *x);
    bfn_feature_stats *plain = stats_of(N, D, x, 0);
    assert_ok(bfn_feature_stats_merge(parts, plain));
    bfn_feature_stats_info info;
    bfn_feature_stats_get_info(parts, &info);
    assert_true(info.n == 2 * N && !info.kept && info.n_features == D);
    bfn_feature_stats *all[] = {whole, parts, rest, empty, plain};
    for (size_t i = 0; i < 5; i++)
        bfn_feature_stats_destroy(all[i]);
    free(x);
}

static void saved_and_loaded(void **state)
{
    (void)state;
    enum { D = 6, N = 50 };
    const char network[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    float *x = draw(9, N, D, 2.0, NULL);
    double mean[D] = {0}, cov[D * D] = {0};
    moments_of(N, D, x, mean, cov);
    bfn_feature_stats *s = stats_of(N, D, x, 1), *back;
    assert_ok(bfn_feature_stats_save(s, path, network));
    assert_ok(bfn_feature_stats_load(ctx, &back, path));
    check_moments(back, N, mean, cov);
    bfn_feature_stats_info info;
    bfn_feature_stats_get_info(back, &info);
    assert_true(info.n == N && !info.kept && strlen(info.checksum) == 64);
    assert_string_equal(info.network, network);
    assert_ok(bfn_feature_stats_merge(back, s));
    assert_int_equal(back->n, 2 * N);
    bfn_feature_stats_destroy(s);
    bfn_feature_stats_destroy(back);
    free(x);
}

static void refuse(const char *what)
{
    bfn_feature_stats *s;
    assert_int_equal(bfn_feature_stats_load(ctx, &s, path), BFN_ERR_INPUT);
    assert_null(s);
    if (strstr(bfn_errmsg(ctx), what) == NULL || strstr(bfn_errmsg(ctx), path) == NULL)
        fail_msg("message \"%s\" does not say \"%s\"", bfn_errmsg(ctx), what);
}

static void bad_files(void **state)
{
    (void)state;
    double mu[3] = {0, 1, 2}, sigma[9] = {2, 0.5, 0, 0.5, 2, 0, 0, 0, 2};
    write_stats(2, mu, 3, 3, sigma);
    refuse("\"sigma\" has 9 values, \"mu\" has 2");
    write_stats(3, mu, 9, 1, sigma);
    refuse("[3, 3] is needed");
    sigma[1] = 0.6;
    write_stats(3, mu, 3, 3, sigma);
    refuse("not symmetric");
    sigma[1] = 0.5;
    sigma[8] = -1;
    write_stats(3, mu, 3, 3, sigma);
    refuse("variance -1 at 2");
    sigma[8] = (double)INFINITY;
    write_stats(3, mu, 3, 3, sigma);
    refuse("\"sigma\" at number 8 is not finite");
    sigma[8] = 2;
    mu[1] = (double)NAN;
    write_stats(3, mu, 3, 3, sigma);
    refuse("\"mu\" at number 1 is not finite");
    mu[1] = 1e31;
    write_stats(3, mu, 3, 3, sigma);
    refuse("\"mu\" at number 1 is 1e+31, allowed: at most 1e+30");
    mu[1] = 1;
    sigma[4] = 1e300;
    write_stats(3, mu, 3, 3, sigma);
    refuse("\"sigma\" at number 4 is 1e+300");
    sigma[4] = 2;
    sigma[1] = sigma[3] = 2.1; /* more than the variances allow */
    write_stats(3, mu, 3, 3, sigma);
    refuse("no covariance: its first 2 features");
    sigma[1] = sigma[3] = sigma[5] = sigma[7] = 1.6; /* each pair could be, the three together cannot */
    write_stats(3, mu, 3, 3, sigma);
    refuse("no covariance: its first 3 features");
    const bfn__st_tensor alone = {
        .name = "mu", .dtype = BFN__DTYPE_F64, .rank = 1, .shape = {3}, .count = 3, .data = mu, .bytes = 24};
    assert_ok(bfn__npz_save(ctx, path, &alone, 1, false));
    refuse("no array \"sigma\"");
    bfn__st_tensor other = alone;
    other.name = "sigma";
    assert_int_equal(bfn__npz_save(ctx, path, &other, 1, false), BFN_OK);
    refuse("no array \"mu\"");
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("no zip", file);
    fclose(file);
    refuse("");
    unlink(path);
    bfn_feature_stats *s;
    assert_int_equal(bfn_feature_stats_load(ctx, &s, path), BFN_ERR_NOT_FOUND);
}

/* A file of arrays that are right, but for the one that replaces or joins them. */
static void write_with(const bfn__st_tensor *changed)
{
    static const double mu[2] = {0, 1}, sigma[4] = {2, 0.5, 0.5, 2};
    bfn__st_tensor tensors[4] = {
        {.name = "mu", .dtype = BFN__DTYPE_F64, .rank = 1, .shape = {2}, .count = 2, .data = mu, .bytes = sizeof mu},
        {.name = "sigma",
         .dtype = BFN__DTYPE_F64,
         .rank = 2,
         .shape = {2, 2},
         .count = 4,
         .data = sigma,
         .bytes = sizeof sigma}};
    size_t n = 2, at = 0;
    while (at < n && strcmp(tensors[at].name, changed->name) != 0)
        at++;
    tensors[at] = *changed;
    assert_int_equal(bfn__npz_save(ctx, path, tensors, at == n ? n + 1 : n, false), BFN_OK);
}

static void odd_arrays(void **state)
{
    (void)state;
    static double many[9000];
    const int64_t counts[] = {1, 0, -1, INT64_MIN, INT64_MAX, 5};
    static const float single[4] = {2, 0.5f, 0.5f, 2};
    const struct {
        bfn__st_tensor tensor;
        const char *words;
    } bad[] = {
        {{.name = "mu", .dtype = BFN__DTYPE_F64, .rank = 1, .shape = {8193}, .data = many},
         "\"mu\" has 1 dimensions and 8193"},
        {{.name = "mu", .dtype = BFN__DTYPE_F64, .rank = 1, .shape = {0}, .data = many},
         "\"mu\" has 1 dimensions and 0"},
        {{.name = "mu", .dtype = BFN__DTYPE_F64, .rank = 2, .shape = {2, 1}, .data = many}, "\"mu\" has 2 dimensions"},
        {{.name = "mu", .dtype = BFN__DTYPE_F64, .rank = 0, .data = many}, "\"mu\" has 0 dimensions"},
        {{.name = "mu", .dtype = BFN__DTYPE_I64, .rank = 1, .shape = {2}, .data = many},
         "\"mu\" is I64, allowed: F64, F32"},
        {{.name = "sigma", .dtype = BFN__DTYPE_U8, .rank = 2, .shape = {2, 2}, .data = many}, "\"sigma\" is U8"},
        {{.name = "sigma", .dtype = BFN__DTYPE_F64, .rank = 1, .shape = {4}, .data = many}, "[2, 2] is needed"},
        {{.name = "sigma", .dtype = BFN__DTYPE_F64, .rank = 3, .shape = {2, 2, 1}, .data = many}, "[2, 2] is needed"},
        {{.name = "sigma", .dtype = BFN__DTYPE_F64, .rank = 2, .shape = {2, 3}, .data = many}, "[2, 2] is needed"},
        {{.name = "sigma", .dtype = BFN__DTYPE_F64, .rank = 2, .shape = {90, 100}, .data = many}, "[2, 2] is needed"},
        {{.name = "n", .dtype = BFN__DTYPE_I64, .data = &counts[0]}, "\"n\" is 1, allowed: 2 and more"},
        {{.name = "n", .dtype = BFN__DTYPE_I64, .data = &counts[1]}, "\"n\" is 0"},
        {{.name = "n", .dtype = BFN__DTYPE_I64, .data = &counts[2]}, "\"n\" is -1"},
        {{.name = "n", .dtype = BFN__DTYPE_I64, .data = &counts[3]}, "\"n\" is -9223372036854775808"},
        {{.name = "n", .dtype = BFN__DTYPE_I64, .data = &counts[4]}, "\"n\" is 9223372036854775807"},
    };
    static const size_t sizes[] = {[BFN__DTYPE_F64] = 8, [BFN__DTYPE_I64] = 8, [BFN__DTYPE_U8] = 1};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        bfn__st_tensor t = bad[i].tensor;
        t.count = 1;
        for (int k = 0; k < t.rank; k++)
            t.count *= t.shape[k];
        t.bytes = t.count * sizes[t.dtype];
        write_with(&t);
        refuse(bad[i].words);
    }
    /* single precision is read; a network's checksum is text that is fit to print */
    bfn_feature_stats *s;
    write_with(&(bfn__st_tensor){
        .name = "sigma", .dtype = BFN__DTYPE_F32, .rank = 2, .shape = {2, 2}, .count = 4, .data = single, .bytes = 16});
    assert_int_equal(bfn_feature_stats_load(ctx, &s, path), BFN_OK);
    assert_true(s->scatter[1] == 0.5 && !s->counted);
    bfn_feature_stats_destroy(s);
    char network[64];
    memset(network, '\033', sizeof network);
    write_with(&(bfn__st_tensor){.name = "network",
                                 .dtype = BFN__DTYPE_U8,
                                 .rank = 1,
                                 .shape = {64},
                                 .count = 64,
                                 .data = network,
                                 .bytes = 64});
    assert_int_equal(bfn_feature_stats_load(ctx, &s, path), BFN_OK);
    assert_int_equal(strspn(s->network, "?"), 64);
    bfn_feature_stats_destroy(s);
}

/* Without the care that bfn__file_write takes of a disk: it is called for every byte. */
static void put_bytes(const void *bytes, size_t n)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static bfn_status load_file(bfn_context *other, void *arg)
{
    bfn_feature_stats *s;
    (void)arg;
    bfn_status status = bfn_feature_stats_load(other, &s, path);
    assert_true((status == BFN_OK) == (s != NULL));
    bfn_feature_stats_destroy(s);
    return status;
}

/* Samples, statistics of a file, their distance with its error and the kernel distance. */
static bfn_status measure(bfn_context *other, void *arg)
{
    enum { N = 60, D = 3 };
    bfn_feature_stats *sides[3] = {NULL};
    bfn_frechet r;
    bfn_status status = bfn_feature_stats_load(other, &sides[2], path);
    for (int i = 0; i < 2 && status == BFN_OK; i++) {
        status = bfn_feature_stats_create(other, &sides[i], D, 1);
        for (size_t first = 0; first < N && status == BFN_OK; first += 20)
            status = bfn_feature_stats_add(sides[i], 20, (const float *)arg + (i * N + first) * D);
    }
    if (status == BFN_OK)
        status = bfn_eval_frechet(other, sides[0], sides[1], NULL, &r);
    if (status == BFN_OK)
        status = bfn_eval_frechet(other, sides[0], sides[2], NULL, &r);
    for (int i = 0; i < 3; i++)
        bfn_feature_stats_destroy(sides[i]);
    return status;
}

static void failing_allocations(void **state)
{
    (void)state;
    const double mu[3] = {0}, sigma[9] = {2, 0.5, 0, 0.5, 2, 0, 0, 0, 2};
    float *x = draw(9, 120, 3, 2.0, NULL);
    write_stats(3, mu, 3, 3, sigma);
    assert_true(each_allocation(measure, x, BFN_OK) > 20);
    free(x);
}

/* Our own file, all four arrays of it: cut to every length, one bit of every byte flipped, each allocation failing. */
static void every_byte_and_allocation(void **state)
{
    (void)state;
    float *x = draw(9, 5, 3, 2.0, NULL);
    bfn_feature_stats *s = stats_of(5, 3, x, 0), *changed;
    bfn__bytes file;
    assert_int_equal(
        bfn_feature_stats_save(s, path, "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"), BFN_OK);
    assert_true(each_allocation(load_file, NULL, BFN_OK) > 8);
    assert_int_equal(bfn__file_map(ctx, path, SIZE_MAX, &file), BFN_OK);
    size_t n = file.size, n_read = 0;
    unsigned char *bytes = exact_copy(file.data, n);
    bfn__file_unmap(ctx, &file);
    for (size_t i = 0; i < n; i++) {
        put_bytes(bytes, i);
        refuse("");
    }
    for (size_t i = 0; i < n; i++) { /* a bit in a time or an attribute changes nothing */
        bytes[i] ^= (unsigned char)(1 << i % 8);
        put_bytes(bytes, n);
        bytes[i] ^= (unsigned char)(1 << i % 8);
        bfn_status status = bfn_feature_stats_load(ctx, &changed, path);
        assert_true(status == BFN_OK || status == BFN_ERR_INPUT);
        if (status == BFN_OK) {
            assert_memory_equal(changed->mean, s->mean, 3 * sizeof(double));
            bfn_feature_stats_destroy(changed);
            n_read++;
        }
    }
    assert_true(n_read < n / 4);
    free(bytes);
    bfn_feature_stats_destroy(s);
    free(x);
}

static void bad_calls(void **state)
{
    (void)state;
    float x[8] = {0, 1, 2, 3, 4, 5, 6, (float)NAN};
    double mu[2] = {0, 0}, sigma[4] = {1, 0, 0, 1};
    bfn_feature_stats *two = stats_of(3, 2, x, 1), *four, *file = loaded(2, mu, sigma), *one = stats_of(1, 2, x, 1);
    bfn_frechet r;
    assert_int_equal(bfn_feature_stats_create(ctx, &four, 0, 0), BFN_ERR_ARGUMENT);
    assert_ok(bfn_feature_stats_create(ctx, &four, 4, 0));
    assert_int_equal(bfn_feature_stats_add(four, 2, x), BFN_ERR_DIVERGED);
    assert_int_equal(four->n, 0);
    assert_int_equal(bfn_eval_frechet(ctx, two, four, NULL, &r), BFN_ERR_ARGUMENT);
    assert_int_equal(bfn_eval_frechet(ctx, two, one, NULL, &r), BFN_ERR_ARGUMENT);
    assert_int_equal(bfn_feature_stats_merge(two, four), BFN_ERR_ARGUMENT);
    assert_int_equal(bfn_feature_stats_merge(two, file), BFN_ERR_ARGUMENT);
    assert_int_equal(bfn_feature_stats_add(file, 1, x), BFN_ERR_ARGUMENT);
    assert_int_equal(bfn_feature_stats_save(one, path, NULL), BFN_ERR_ARGUMENT);
    bfn_feature_stats *all[] = {two, four, file, one};
    for (size_t i = 0; i < 4; i++)
        bfn_feature_stats_destroy(all[i]);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, teardown_scratch)
    const struct CMUnitTest tests[] = {
        TEST(commuting_covariances),
        TEST(covariances_that_do_not_commute),
        TEST(singular_covariances),
        TEST(few_samples),
        TEST(standard_error_is_the_spread),
        TEST(kernel_distance_of_tiny_sets),
        TEST(kernel_distance_has_no_bias),
        TEST(streams_and_merges),
        TEST(saved_and_loaded),
        TEST(bad_files),
        TEST(bad_calls),
        TEST(odd_arrays),
        TEST(every_byte_and_allocation),
        TEST(failing_allocations),
    };
#undef TEST
    return cmocka_run_group_tests(tests, NULL, NULL);
}
