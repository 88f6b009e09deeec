/* validate.c: how good the averaged weights are: the bound on fixed items of the validation split, and samples.
 *
 * bound = L^inf (continuous-time loss at stratified times) + L^r (reconstruction at t = 1), in bits a position (2308.07037, equation 6). Items,
 * times and noise are the same each time, so that the numbers of one run can be compared with each other.
 */
#include "train/trainer.h"

#include <math.h>
#include <string.h>

/* The mean over all items of one kind of loss. */
static bfn_status mean_loss(bfn__trainer *tr, bfn_loss_kind kind, size_t n_items, double *mean)
{
    size_t batch = tr->config.train.batch;
    bfn__batch_plan plan = {.split = BFN__SPLIT_VALID, .n_items = n_items, .kind = kind};
    double total = 0.0;
    for (size_t first = 0; first < n_items; first += batch) {
        double sum;
        plan.first = first;
        plan.n = n_items - first < batch ? n_items - first : batch;
        bfn_status status = bfn__trainer_forward(tr, &plan, false, &sum);
        if (status != BFN_OK)
            return status;
        total += sum;
    }
    *mean = total / (double)n_items;
    return BFN_OK;
}

static bfn_status measure(bfn__trainer *tr, size_t n_items)
{
    double loss, reconstruction;
    bfn_status status = mean_loss(tr, BFN_LOSS_CONTINUOUS_TIME, n_items, &loss);
    if (status == BFN_OK)
        status = mean_loss(tr, BFN_LOSS_RECONSTRUCTION, n_items, &reconstruction);
    if (status != BFN_OK)
        return status;
    tr->info.valid_loss = loss;
    tr->info.valid_bound = (loss + reconstruction) / log(2.0);
    return BFN_OK;
}

bfn_status bfn__trainer_validate(bfn__trainer *tr)
{
    size_t n = tr->config.train.batch * tr->config.train.valid_batches;
    size_t available = bfn__dataset_n(tr->set, BFN__SPLIT_VALID);
    if (n > available)
        n = available;
    if (n == 0)
        return BFN_OK;
    bfn_status status = bfn__exec_set_params(tr->exec, tr->ema);
    if (status == BFN_OK)
        status = measure(tr, n);
    bfn_status back = bfn__exec_set_params(tr->exec, tr->params);
    return status != BFN_OK ? status : back;
}

/* Networks that take labels are shown all classes in turn. */
static int predict(void *user, size_t first, size_t n, const double *t, const float *shown, float *out)
{
    bfn__trainer *tr = user;
    size_t n_labels = bfn__net_n_labels(tr->net);
    for (size_t i = 0; i < n && n_labels > 0; i++)
        tr->sample_labels[i] = (int32_t)((first + i) % n_labels);
    bfn__exec_set_labels(tr->exec, tr->sample_labels);
    return (int)bfn__exec_forward(tr->exec, n, shown, t, out);
}

/* Line ends inside a sample would look like the next sample. */
static void one_line(char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text < 0x20)
            *text = ' ';
}

/* One a line. */
static void decode_texts(bfn__trainer *tr)
{
    char *to = tr->sample_text;
    for (size_t i = 0; i < tr->config.train.sample_n; i++) {
        size_t length = bfn__alphabet_decode(tr->data.alphabet, (const int32_t *)tr->samples + i * tr->D, tr->D, to);
        to[length] = '\0';
        one_line(to);
        to += length;
        *to++ = '\n';
    }
    to[-1] = '\0';
}

bfn_status bfn__trainer_sample(bfn__trainer *tr)
{
    if (tr->sampler == NULL)
        return BFN_OK;
    bfn_status status = bfn__exec_set_params(tr->exec, tr->ema);
    if (status == BFN_OK)
        status = bfn_sampler_run(tr->sampler, predict, tr, 0, tr->config.train.sample_n, tr->samples, NULL);
    bfn_status back = bfn__exec_set_params(tr->exec, tr->params);
    if (status != BFN_OK || back != BFN_OK)
        return status != BFN_OK ? status : back;
    if (tr->config.data.kind == BFN__FORM_TEXT)
        decode_texts(tr);
    bfn__run_log_samples(tr);
    return BFN_OK;
}
