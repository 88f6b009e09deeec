/* exact.h: data laws whose best possible network is known in closed form.
 *
 * A network for such a law has no error of its own, so what a sampler's output still lacks is the sampler's fault: these are
 * the models of the self-test. The best prediction is the mean of the posterior (SPEC 1.4):
 *   mixture      positions are independent draws from a 1-D Gaussian mixture; continuous or discretised data
 *   independent  position d has the law prior[d,.]:                e_hat = softmax(z + ln prior)
 *   table        any law p(x) of K^D outcomes (dependent positions): p(x | z) ~ p(x) prod_d theta[d,x_d]
 *   chain        a stationary Markov chain of 27 symbols (English bigrams), by forward and backward recursions (exact_chain.h)
 */
#ifndef BFN_EXACT_H
#define BFN_EXACT_H

#include "base/base.h"
#include "bfn/sample.h"
#include "eval/exact_chain.h"

typedef enum bfn__exact_law {
    BFN__EXACT_MIXTURE = 1,
    BFN__EXACT_INDEPENDENT = 2,
    BFN__EXACT_TABLE = 3,
    BFN__EXACT_CHAIN = 4
} bfn__exact_law;

enum {
    BFN__EXACT_COMPONENTS = 4, /* of a mixture, at most */
    BFN__EXACT_POSITIONS = 16, /* D of `table`, at most */
    BFN__EXACT_CELLS = 256     /* D times the state width, at most (chain: BFN__CHAIN_MAX_LENGTH positions) */
};

typedef struct bfn__exact {
    bfn__exact_law law;
    bfn_flow flow; /* discrete laws: n_classes is the law's K */
    size_t D;
    size_t n_components; /* mixture */
    double weight[BFN__EXACT_COMPONENTS], mean[BFN__EXACT_COMPONENTS], deviation[BFN__EXACT_COMPONENTS];
    const double *prior;           /* independent: [D,K], positive */
    const double *table;           /* table: [K^D], the first position is the slowest index */
    const bfn__exact_chain *chain; /* chain; K = 27 */
    size_t n_samples, n_calls;     /* counted by bfn__exact_predict: samples seen, and calls */
} bfn__exact;

/* E[x] and Var(x) of a mixture. */
void bfn__exact_moments(const bfn__exact *exact, double *mean, double *variance);

/* Posterior mean and variance of a mixture given S = (1 + beta) mu, the sum of all that was observed; regular at beta = 0. */
void bfn__exact_posterior(const bfn__exact *exact, double beta, double S, double *mean, double *variance);

/* The exact prediction in double: state [D,state width] to prediction [D,state width]. Not for the chain. */
void bfn__exact_mean(const bfn__exact *exact, double t, const double *state, double *prediction);

/* The network: a bfn_predict_fn whose user is a bfn__exact. Counts what it is asked. */
int bfn__exact_predict(void *exact, size_t first, size_t n, const double *t, const float *shown, float *out);

/* Solve the probability-flow ODE from t0 to 1 with n_steps of the classical fourth-order Runge-Kutta method, in double and in
 * variables of its own (Y = mu/sigma over lambda; u = z/t over t): the reference for observed orders. state [D,state width]. */
void bfn__exact_integrate(const bfn__exact *exact, double t0, size_t n_steps, double *state);

#endif
