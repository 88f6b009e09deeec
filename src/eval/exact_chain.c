/* exact_chain.c: a stationary Markov chain of 27 symbols: law, strings, and the exact posterior of every symbol.
 *
 * With likelihoods theta[i,.] of independent observations of the positions (what a discrete BFN's state is), the posterior of
 * symbol i is forward x backward:
 *   f_0 = pi theta_0,  f_i = (f_{i-1} P) theta_i;     b_{L-1} = 1,  b_i = P (theta_{i+1} b_{i+1});     p_i ~ f_i b_i
 * O(L K^2). Every vector is scaled to sum 1, so long strings neither underflow nor overflow. Single precision is enough: all
 * terms are positive, so errors do not cancel; rows are padded to 32 so that the inner loops are whole vectors.
 *
 * A draw given known symbols runs the same backward recursion with one-hot rows (and rows of ones where nothing is known), then
 * samples forward: x_i ~ P(x_{i-1},.) theta_i b_i. In double: it is the reference that infilling is compared with.
 */
#include "eval/exact_chain.h"

#include <math.h>
#include <string.h>

enum { K = BFN__CHAIN_SYMBOLS, KP = BFN__CHAIN_PADDED };

static const int16_t bigram[K][K] = {
#define BIGRAM_ROW(symbol, ...) {__VA_ARGS__},
#include "eval/exact_bigram.def"
#undef BIGRAM_ROW
};

/* The chain mixes within a few dozen steps; 200 leave the stationary law exact to rounding. */
static void find_stationary(bfn__exact_chain *chain)
{
    double p[K], q[K];
    for (int k = 0; k < K; k++)
        p[k] = 1.0 / K;
    for (int round = 0; round < 200; round++) {
        for (int k = 0; k < K; k++)
            q[k] = 0.0;
        for (int j = 0; j < K; j++)
            for (int k = 0; k < K; k++)
                q[k] += p[j] * chain->step[j][k];
        memcpy(p, q, sizeof p);
    }
    memcpy(chain->stationary, p, sizeof p);
}

void bfn__exact_chain_init(bfn__exact_chain *chain)
{
    memset(chain, 0, sizeof *chain);
    for (int j = 0; j < K; j++) {
        double sum = 0.0;
        for (int k = 0; k < K; k++)
            sum += bigram[j][k];
        for (int k = 0; k < K; k++) {
            chain->step[j][k] = bigram[j][k] / sum;
            chain->forward[j][k] = (float)chain->step[j][k];
            chain->backward[k][j] = (float)chain->step[j][k];
        }
    }
    find_stationary(chain);
}

double bfn__exact_chain_entropy(const bfn__exact_chain *chain, size_t length)
{
    double first = 0.0, rate = 0.0;
    for (int j = 0; j < K; j++) {
        first -= chain->stationary[j] * log2(chain->stationary[j]);
        for (int k = 0; k < K; k++)
            rate -= chain->stationary[j] * chain->step[j][k] * log2(chain->step[j][k]);
    }
    if (length == SIZE_MAX)
        return rate;
    return (first + (double)(length - 1) * rate) / (double)length;
}

double bfn__exact_chain_bits(const bfn__exact_chain *chain, size_t length, const int32_t *x)
{
    double bits = -log2(chain->stationary[x[0]]);
    for (size_t i = 1; i < length; i++)
        bits -= log2(chain->step[x[i - 1]][x[i]]);
    return bits / (double)length;
}

/* out = (v P) * weight, scaled to sum 1; zero evidence leaves zeros. Returns false then. */
static int advance(const float P[K][KP], const float *v, const float *weight, float *out)
{
    float sum[KP] = {0};
    for (int j = 0; j < K; j++)
        for (int k = 0; k < KP; k++)
            sum[k] += v[j] * P[j][k];
    float total = 0.0F;
    for (int k = 0; k < K; k++)
        total += sum[k] *= weight[k];
    if (!(total > 0.0F))
        return 0;
    float scale = 1.0F / total;
    for (int k = 0; k < KP; k++)
        out[k] = k < K ? sum[k] * scale : 0.0F;
    return 1;
}

static void flat(float *row)
{
    for (int k = 0; k < K; k++)
        row[k] = 1.0F / K;
}

/* The forward vectors f_i into probability. */
static int forward_pass(const bfn__exact_chain *chain, size_t length, const float *theta, float *probability)
{
    float f[KP] = {0}, next[KP];
    float total = 0.0F;
    for (int k = 0; k < K; k++)
        total += f[k] = (float)chain->stationary[k] * theta[k];
    if (!(total > 0.0F))
        return 0;
    for (int k = 0; k < K; k++)
        f[k] /= total;
    memcpy(probability, f, K * sizeof(float));
    for (size_t i = 1; i < length; i++) {
        if (!advance(chain->forward, f, theta + i * K, next))
            return 0;
        memcpy(f, next, sizeof f);
        memcpy(probability + i * K, f, K * sizeof(float));
    }
    return 1;
}

/* p_i = f_i b_i / sum. The evidence at position i is already in f_i, so b_i carries the later ones only. */
static int backward_pass(const bfn__exact_chain *chain, size_t length, const float *theta, float *probability)
{
    static const float ones[KP] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    float b[KP] = {0}, seen[KP] = {0};
    memcpy(b, ones, sizeof b);
    for (size_t i = length; i-- > 0;) {
        float *p = probability + i * K;
        float total = 0.0F;
        for (int k = 0; k < K; k++)
            total += p[k] *= b[k];
        if (!(total > 0.0F))
            return 0;
        for (int k = 0; k < K; k++) {
            p[k] /= total;
            seen[k] = theta[i * K + (size_t)k] * b[k];
        }
        if (i > 0 && !advance(chain->backward, seen, ones, b))
            return 0;
    }
    return 1;
}

void bfn__exact_chain_posterior(const bfn__exact_chain *chain, size_t length, const float *theta, float *probability)
{
    if (forward_pass(chain, length, theta, probability) && backward_pass(chain, length, theta, probability))
        return;
    for (size_t i = 0; i < length; i++)
        flat(probability + i * K);
}

/* later[i][k]: likelihood of everything known after position i when symbol i is k, up to scale. */
static void backward_known(const bfn__exact_chain *chain, size_t length, const unsigned char *known, const int32_t *x,
                           double later[BFN__CHAIN_MAX_LENGTH][K])
{
    for (int k = 0; k < K; k++)
        later[length - 1][k] = 1.0;
    for (size_t i = length - 1; i > 0; i--) {
        double top = 0.0;
        for (int j = 0; j < K; j++) {
            double sum = 0.0;
            for (int k = 0; k < K; k++)
                if (known == NULL || !known[i] || x[i] == k)
                    sum += chain->step[j][k] * later[i][k];
            later[i - 1][j] = sum;
            top = sum > top ? sum : top;
        }
        for (int j = 0; j < K; j++)
            later[i - 1][j] /= top;
    }
}

void bfn__exact_chain_draw(const bfn__exact_chain *chain, size_t length, const unsigned char *known,
                           const double *uniforms, int32_t *x)
{
    double later[BFN__CHAIN_MAX_LENGTH][K];
    backward_known(chain, length, known, x, later);
    const double *row = chain->stationary;
    for (size_t i = 0; i < length; i++) {
        if (known == NULL || !known[i]) {
            double total = 0.0, sum = 0.0;
            for (int k = 0; k < K; k++)
                total += row[k] * later[i][k];
            int32_t pick = 0;
            for (; pick < K - 1; pick++) {
                sum += row[pick] * later[i][pick];
                if (sum > uniforms[i] * total)
                    break;
            }
            x[i] = pick;
        }
        row = chain->step[x[i]];
    }
}

double bfn__exact_chain_distance(const bfn__exact_chain *chain, size_t n, size_t length, const int32_t *x)
{
    double count[K][K] = {{0}};
    for (size_t s = 0; s < n; s++)
        for (size_t i = 1; i < length; i++)
            count[x[s * length + i - 1]][x[s * length + i]] += 1.0;
    double total = (double)n * (double)(length - 1), distance = 0.0;
    for (int j = 0; j < K; j++)
        for (int k = 0; k < K; k++)
            distance += fabs(count[j][k] / total - chain->stationary[j] * chain->step[j][k]);
    return 0.5 * distance;
}
