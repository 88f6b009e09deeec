/* own_network.c: sample with a network of your own.
 *
 *     cc own_network.c $(pkg-config --cflags --libs bfn-core) -o own_network && ./own_network
 *
 * A Bayesian Flow Network knows the data only through its network: given the noisy mean mu of time t, it says what the noise was. Any
 * code that answers this can be sampled from: PyTorch, ONNX, or, as here, a formula. The data are numbers from a mixture of two
 * normals, for which the best answer is known: mu = gamma x + sigma eps, so each component gives a posterior mean of x,
 * and the mixture's is their average weighted by how well they explain mu. The samples must then follow the mixture.
 */
#include "bfn/sample.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { N = 20000, D = 1 }; /* samples, numbers a sample */

static const double weight[2] = {0.35, 0.65}, centre[2] = {-0.6, 0.5}, width[2] = {0.08, 0.15};

/* E[x | mu] when mu ~ N(gamma x, sigma^2). */
static double posterior_mean(double mu, double gamma, double sigma)
{
    double sum = 0.0, total = 0.0;
    for (int c = 0; c < 2; c++) {
        double spread = gamma * gamma * width[c] * width[c] + sigma * sigma; /* variance of mu */
        double gap = mu - gamma * centre[c];
        double likely = weight[c] * exp(-0.5 * gap * gap / spread) / sqrt(spread);
        sum += likely * (centre[c] + gamma * width[c] * width[c] * gap / spread);
        total += likely;
    }
    return total > 0.0 ? sum / total : 0.0;
}

/* The callback: n samples at times t; shown [n, D] is mu, out [n, D] the estimate of the noise eps. */
static int network(void *user, size_t first, size_t n, const double *t, const float *shown, float *out)
{
    const bfn_flow *flow = user;
    (void)first;
    for (size_t i = 0; i < n; i++) {
        double gamma = bfn_flow_gamma(flow, t[i]), sigma = bfn_flow_sigma(flow, t[i]), mu = (double)shown[i];
        out[i] = sigma > 0.0 ? (float)((mu - gamma * posterior_mean(mu, gamma, sigma)) / sigma) : 0.0f;
    }
    return 0; /* anything else stops the run */
}

int main(void)
{
    bfn_flow flow = BFN_FLOW_INIT; /* continuous data in [-1, 1] */
    bfn_solver_options solver = BFN_SOLVER_OPTIONS_INIT;
    solver.method = BFN_METHOD_SDE2M;
    solver.n_evaluations = 20; /* calls of the network a sample */
    solver.corrector = 1;      /* uses each prediction twice, at no cost */
    bfn_sampler_options options = BFN_SAMPLER_OPTIONS_INIT;
    options.seed = 1;
    options.batch = 1000;

    bfn_context *ctx;
    float *x = malloc(N * D * sizeof *x);
    if (x == NULL || bfn_context_create(&ctx, NULL) != BFN_OK)
        return EXIT_FAILURE;
    if (bfn_sample(ctx, &flow, &solver, &options, D, network, &flow, N, x) != BFN_OK) {
        fprintf(stderr, "%s\n", bfn_errmsg(ctx));
        return EXIT_FAILURE;
    }
    double mean = 0.0, square = 0.0, want = 0.0, want_square = 0.0;
    for (int i = 0; i < N; i++)
        mean += (double)x[i] / N, square += (double)x[i] * (double)x[i] / N;
    for (int c = 0; c < 2; c++)
        want += weight[c] * centre[c], want_square += weight[c] * (centre[c] * centre[c] + width[c] * width[c]);
    printf("mean     %.3f of the samples, %.3f of the data\n", mean, want);
    printf("variance %.3f of the samples, %.3f of the data\n", square - mean * mean, want_square - want * want);
    bfn_context_destroy(ctx);
    free(x);
    return EXIT_SUCCESS;
}
