/* op_image.c: the operations on images that only move or combine numbers: SiLU, upsampling, pooling, waves, position features, labels.
 *
 * Pixels are rows; tasks are chunks of 32 rows of the tensor that is written, so no two tasks write to the same place.
 * Waves are computed in double: a frequency of 2^6 turns leaves few digits of an angle in float, and there are few channels.
 */
#include "nn/image_kernels.h"
#include "nn/ops.h"
#include "nn/parallel.h"

#include <math.h>
#include <string.h>

enum { CHUNK = 32 };

static const double TURN = 6.28318530717958647693;

typedef struct image_run {
    bfn__exec *e;
    const bfn__step *s;
    const bfn__image_kernels *k;
    size_t n, all; /* samples; rows to write */
    float *grads;
    void (*row)(const struct image_run *run, size_t row);
} image_run;

static void run_chunk(void *arg, size_t i, int thread)
{
    (void)thread;
    const image_run *run = arg;
    for (size_t row = i * CHUNK; row < run->all && row < (i + 1) * CHUNK; row++)
        run->row(run, row);
}

/* rows: of a sample. */
static void each_row(bfn__exec *e, const bfn__step *s, size_t n, size_t rows, float *grads,
                     void (*row)(const image_run *run, size_t row))
{
    image_run run = {e, s, bfn__image_kernels_get(), n, n * rows, grads, row};
    bfn__loop(e->n_threads, (run.all + CHUNK - 1) / CHUNK, run_chunk, &run);
}

static const bfn__value *in_value(const image_run *run)
{
    return &run->e->values[run->s->node.in[0]];
}

static float *data_row(const bfn__value *v, size_t row)
{
    return v->data + row * v->ld;
}

static float *grad_row(const bfn__value *v, size_t row)
{
    return v->grad + row * v->grad_ld;
}

/* ---- silu ---- */
static void silu_row(const image_run *run, size_t row)
{
    run->k->silu(run->s->node.cols, data_row(in_value(run), row), data_row(&run->e->values[run->s->out], row));
}

void bfn__silu_forward(bfn__exec *e, bfn__step *s, size_t n)
{
    each_row(e, s, n, s->node.rows, NULL, silu_row);
}

static void silu_back_row(const image_run *run, size_t row)
{
    run->k->silu_backward(run->s->node.cols, data_row(in_value(run), row), grad_row(&run->e->values[run->s->out], row),
                          grad_row(in_value(run), row), run->s->add_in[0]);
}

void bfn__silu_backward(bfn__exec *e, bfn__step *s, size_t n, float *grads)
{
    (void)grads;
    if (bfn__wants_grad(e, s, 0))
        each_row(e, s, n, s->node.rows, NULL, silu_back_row);
}

/* ---- pixels of the larger and the smaller image ---- */

/* The first of the four rows of the large image (width W) that go with a row of the small one (height h, width w). */
static size_t first_of_four(size_t row, size_t h, size_t w, size_t H, size_t W)
{
    size_t sample = row / (h * w), y = row / w % h, x = row % w;
    return (sample * H + 2 * y) * W + 2 * x;
}

/* The row of the small image that goes with a row of the large one; SIZE_MAX: none (an odd last line). */
static size_t one_of_four(size_t row, size_t h, size_t w, size_t H, size_t W)
{
    size_t sample = row / (H * W), y = row / W % H / 2, x = row % W / 2;
    return y < h && x < w ? (sample * h + y) * w + x : SIZE_MAX;
}

/* ---- upsample ---- */
static void upsample_row(const image_run *run, size_t row)
{
    const bfn__node *node = &run->s->node;
    size_t from = one_of_four(row, node->height / 2, node->width / 2, node->height, node->width);
    memcpy(data_row(&run->e->values[run->s->out], row), data_row(in_value(run), from), node->cols * sizeof(float));
}

void bfn__upsample_forward(bfn__exec *e, bfn__step *s, size_t n)
{
    each_row(e, s, n, s->node.rows, NULL, upsample_row);
}

static void upsample_back_row(const image_run *run, size_t row)
{
    const bfn__node *node = &run->s->node;
    const bfn__value *y = &run->e->values[run->s->out];
    size_t from = first_of_four(row, node->height / 2, node->width / 2, node->height, node->width);
    run->k->add_four(node->cols, 1.0f, grad_row(y, from), grad_row(y, from + 1), grad_row(y, from + node->width),
                     grad_row(y, from + node->width + 1), grad_row(in_value(run), row), run->s->add_in[0]);
}

void bfn__upsample_backward(bfn__exec *e, bfn__step *s, size_t n, float *grads)
{
    (void)grads;
    if (bfn__wants_grad(e, s, 0))
        each_row(e, s, n, s->node.rows / 4, NULL, upsample_back_row);
}

/* ---- average pool ---- */
static void pool_row(const image_run *run, size_t row)
{
    const bfn__node *node = &run->s->node, *in = &run->e->net->nodes[node->in[0]];
    const bfn__value *x = in_value(run);
    size_t from = first_of_four(row, node->height, node->width, in->height, in->width);
    run->k->add_four(node->cols, 0.25f, data_row(x, from), data_row(x, from + 1), data_row(x, from + in->width),
                     data_row(x, from + in->width + 1), data_row(&run->e->values[run->s->out], row), false);
}

void bfn__pool_forward(bfn__exec *e, bfn__step *s, size_t n)
{
    each_row(e, s, n, s->node.rows, NULL, pool_row);
}

static void pool_back_row(const image_run *run, size_t row)
{
    const bfn__node *node = &run->s->node, *in = &run->e->net->nodes[node->in[0]];
    size_t from = one_of_four(row, node->height, node->width, in->height, in->width);
    float *dx = grad_row(in_value(run), row);
    if (from != SIZE_MAX)
        run->e->k->scale(node->cols, 0.25f, grad_row(&run->e->values[run->s->out], from), dx, run->s->add_in[0]);
    else if (!run->s->add_in[0])
        memset(dx, 0, node->cols * sizeof *dx);
}

void bfn__pool_backward(bfn__exec *e, bfn__step *s, size_t n, float *grads)
{
    (void)grads;
    if (bfn__wants_grad(e, s, 0))
        each_row(e, s, n, e->values[s->node.in[0]].rows, NULL, pool_back_row);
}

/* ---- waves of values ---- */

/* One wave of a value x: column (counted after the copy of x) = sin or cos of angle(x), and the angle's slope. */
typedef struct wave {
    size_t channel;
    bool cosine;
    double angle, slope;
} wave;

static wave wave_of_column(const bfn__node *node, size_t channels, size_t column, const float *x)
{
    size_t n = node->heads;
    wave w;
    if (node->waves == BFN__WAVES_POWERS) {
        size_t f = column / channels % n;
        w.channel = column % channels;
        w.cosine = column >= n * channels;
        double turns = ldexp((double)x[w.channel], (int)node->a + (int)f);
        w.slope = TURN * ldexp(1.0, (int)node->a + (int)f);
        w.angle = TURN * (turns - rint(turns));
    } else {
        size_t j = column % (2 * n);
        w.channel = column / (2 * n);
        w.cosine = j % 2 != 0;
        w.slope = 0.5 * node->a * pow(10000.0, -(double)j / (double)(2 * n));
        w.angle = w.slope * ((double)x[w.channel] + 1.0);
    }
    return w;
}

static void waves_row(const image_run *run, size_t row)
{
    const bfn__value *in = in_value(run);
    const float *x = data_row(in, row);
    float *y = data_row(&run->e->values[run->s->out], row);
    memcpy(y, x, in->cols * sizeof *y);
    for (size_t c = in->cols; c < run->s->node.cols; c++) {
        wave w = wave_of_column(&run->s->node, in->cols, c - in->cols, x);
        y[c] = (float)(w.cosine ? cos(w.angle) : sin(w.angle));
    }
}

void bfn__value_waves_forward(bfn__exec *e, bfn__step *s, size_t n)
{
    each_row(e, s, n, s->node.rows, NULL, waves_row);
}

static void waves_back_row(const image_run *run, size_t row)
{
    const bfn__value *in = in_value(run);
    const float *x = data_row(in, row), *dy = grad_row(&run->e->values[run->s->out], row);
    float *dx = grad_row(in, row);
    run->e->k->scale(in->cols, 1.0f, dy, dx, run->s->add_in[0]);
    for (size_t c = in->cols; c < run->s->node.cols; c++) {
        wave w = wave_of_column(&run->s->node, in->cols, c - in->cols, x);
        dx[w.channel] += (float)((double)dy[c] * w.slope * (w.cosine ? -sin(w.angle) : cos(w.angle)));
    }
}

void bfn__value_waves_backward(bfn__exec *e, bfn__step *s, size_t n, float *grads)
{
    (void)grads;
    if (bfn__wants_grad(e, s, 0))
        each_row(e, s, n, s->node.rows, NULL, waves_back_row);
}

/* ---- waves of the time ---- */

/* Angle number j of a time s. The published unet_adm forms it in float, whatever the precision of the rest: at s = 4000 this moves a sine by 1e-4, so
 * it belongs to the network's definition. */
static double time_angle(const bfn__node *node, double s, size_t j, size_t half)
{
    if (node->waves == BFN__WAVES_SIN_FIRST)
        return s * pow(10000.0, half > 1 ? -(double)j / (double)(half - 1) : 0.0);
    float exponent = -9.210340371976184f * (float)j;
    float frequency = (float)exp((double)(exponent / (float)half));
    return (double)((float)s * frequency);
}

void bfn__time_waves_forward(bfn__exec *e, bfn__step *s, size_t n)
{
    const bfn__value *y = &e->values[s->out];
    size_t half = y->cols / 2;
    bool sin_first = s->node.waves == BFN__WAVES_SIN_FIRST;
    for (size_t i = 0; i < n; i++) {
        float *row = data_row(y, i);
        double t = s->node.a * e->t[i] + s->node.b;
        row[y->cols - 1] = 0.0f;
        for (size_t j = 0; j < half; j++) {
            double angle = time_angle(&s->node, t, j, half);
            row[j] = (float)(sin_first ? sin(angle) : cos(angle));
            row[half + j] = (float)(sin_first ? cos(angle) : sin(angle));
        }
    }
}

/* ---- a parameter beside every sample ---- */
static void beside_row(const image_run *run, size_t row)
{
    const bfn__value *in = in_value(run);
    size_t own = run->s->node.cols - in->cols;
    float *y = data_row(&run->e->values[run->s->out], row);
    memcpy(y, data_row(in, row), in->cols * sizeof *y);
    memcpy(y + in->cols, bfn__exec_param(run->e, run->s->node.weight) + row % in->rows * own, own * sizeof *y);
}

void bfn__concat_param_forward(bfn__exec *e, bfn__step *s, size_t n)
{
    each_row(e, s, n, s->node.rows, NULL, beside_row);
}

static void beside_back_row(const image_run *run, size_t row)
{
    const bfn__value *in = in_value(run);
    run->e->k->scale(in->cols, 1.0f, grad_row(&run->e->values[run->s->out], row), grad_row(in, row), run->s->add_in[0]);
}

static void beside_param_row(const image_run *run, size_t row)
{
    const bfn__value *in = in_value(run), *y = &run->e->values[run->s->out];
    size_t own = y->cols - in->cols;
    float *dp = bfn__exec_grad(run->e, run->grads, run->s->node.weight) + row * own;
    for (size_t i = 0; i < run->n; i++)
        run->e->k->scale(own, 1.0f, grad_row(y, i * y->rows + row) + in->cols, dp, true);
}

void bfn__concat_param_backward(bfn__exec *e, bfn__step *s, size_t n, float *grads)
{
    if (bfn__wants_grad(e, s, 0))
        each_row(e, s, n, s->node.rows, NULL, beside_back_row);
    if (!e->net->params[s->node.weight].trained)
        return;
    image_run run = {e, s, bfn__image_kernels_get(), n, s->node.rows, grads, beside_param_row};
    bfn__loop(e->n_threads, (run.all + CHUNK - 1) / CHUNK, run_chunk, &run);
}

/* ---- labels ---- */
static int32_t label_of(const bfn__exec *e, size_t i)
{
    int32_t label = e->labels != NULL ? e->labels[e->first + i] : -1;
    return label >= 0 && (size_t)label < e->net->n_labels ? label : -1;
}

void bfn__label_forward(bfn__exec *e, bfn__step *s, size_t n)
{
    const bfn__value *y = &e->values[s->out];
    for (size_t i = 0; i < n; i++) {
        int32_t label = label_of(e, i);
        memset(data_row(y, i), 0, y->cols * sizeof(float));
        if (label >= 0)
            memcpy(data_row(y, i), bfn__exec_param(e, s->node.weight) + (size_t)label * y->cols,
                   y->cols * sizeof(float));
    }
}

void bfn__label_backward(bfn__exec *e, bfn__step *s, size_t n, float *grads)
{
    const bfn__value *y = &e->values[s->out];
    for (size_t i = 0; i < n; i++) {
        int32_t label = label_of(e, i);
        if (label >= 0)
            e->k->scale(y->cols, 1.0f, grad_row(y, i),
                        bfn__exec_grad(e, grads, s->node.weight) + (size_t)label * y->cols, true);
    }
}
