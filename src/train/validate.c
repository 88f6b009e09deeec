/* validate.c: how good the averaged weights are: the bound on fixed windows, and sample texts.
 *
 * bound = L^inf (continuous-time loss at stratified times) + L^r (reconstruction at t = 1), in bits a position (2308.07037, equation 6). Windows,
 * times and noise are the same each time, so that the numbers of one run can be compared with each other.
 */
#include "train/trainer.h"

#include <math.h>
#include <string.h>

/* The mean over all windows of one kind of loss. */
static bfn_status mean_loss(bfn__trainer *tr, bfn_loss_kind kind, size_t n_windows, double *mean)
{
    size_t batch = tr->config.train.batch;
    bfn__batch_plan plan = {.split = BFN__SPLIT_VALID, .n_windows = n_windows, .kind = kind};
    double total = 0.0;
    for (size_t first = 0; first < n_windows; first += batch) {
        double sum;
        plan.first = first;
        plan.n = n_windows - first < batch ? n_windows - first : batch;
        bfn_status status = bfn__trainer_forward(tr, &plan, false, &sum);
        if (status != BFN_OK)
            return status;
        total += sum;
    }
    *mean = total / (double)n_windows;
    return BFN_OK;
}

static bfn_status measure(bfn__trainer *tr, size_t n_windows)
{
    double loss, reconstruction;
    bfn_status status = mean_loss(tr, BFN_LOSS_CONTINUOUS_TIME, n_windows, &loss);
    if (status == BFN_OK)
        status = mean_loss(tr, BFN_LOSS_RECONSTRUCTION, n_windows, &reconstruction);
    if (status != BFN_OK)
        return status;
    tr->valid_loss = loss;
    tr->info.valid_bound = (loss + reconstruction) / log(2.0);
    return BFN_OK;
}

bfn_status bfn__trainer_validate(bfn__trainer *tr)
{
    size_t n = tr->config.train.batch * tr->config.train.valid_batches;
    size_t sequences = bfn__textset_n_sequences(tr->text, BFN__SPLIT_VALID);
    if (n > sequences)
        n = sequences;
    if (n == 0)
        return BFN_OK;
    bfn_status status = bfn__exec_set_params(tr->exec, tr->ema);
    if (status == BFN_OK)
        status = measure(tr, n);
    bfn_status back = bfn__exec_set_params(tr->exec, tr->params);
    return status != BFN_OK ? status : back;
}

static int predict(void *user, size_t first, size_t n, const double *t, const float *shown, float *out)
{
    (void)first;
    bfn__trainer *tr = user;
    return (int)bfn__exec_forward(tr->exec, n, shown, t, out);
}

/* Line ends inside a sample would look like the next sample. */
static void one_line(char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20)
            *text = ' ';
}

bfn_status bfn__trainer_sample(bfn__trainer *tr)
{
    if (tr->sampler == NULL)
        return BFN_OK;
    size_t n = tr->config.train.sample_n;
    bfn_status status = bfn__exec_set_params(tr->exec, tr->ema);
    if (status == BFN_OK)
        status = bfn_sampler_run(tr->sampler, predict, tr, 0, n, tr->samples, NULL);
    bfn_status back = bfn__exec_set_params(tr->exec, tr->params);
    if (status != BFN_OK || back != BFN_OK)
        return status != BFN_OK ? status : back;
    char *to = tr->sample_text;
    for (size_t i = 0; i < n; i++) {
        size_t length = bfn__alphabet_decode(tr->data.alphabet, tr->samples + i * tr->D, tr->D, to);
        to[length] = '\0';
        one_line(to);
        to += length;
        *to++ = '\n';
    }
    to[-1] = '\0';
    return BFN_OK;
}
