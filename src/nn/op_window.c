/* op_window.c: operations of classifiers: ReLU, the mean of all pixels, and largest or mean value under a window.
 *
 * The mean under a window divides by the number of pixels that are inside of the image, not by the window's size. The gradient of ReLU needs
 * its output alone: where that is positive.
 */
#include "nn/image_kernels.h"
#include "nn/ops.h"
#include "nn/parallel.h"

#include <string.h>

enum { CHUNK = 32 };

typedef struct window_run {
    bfn__exec *e;
    const bfn__step *s;
    const bfn__image_kernels *k;
    const bfn__value *x, *y;
    size_t all; /* rows to go through */
    void (*row)(const struct window_run *run, size_t row);
} window_run;

static void run_chunk(void *arg, size_t i, int thread)
{
    (void)thread;
    const window_run *run = arg;
    for (size_t row = i * CHUNK; row < run->all && row < (i + 1) * CHUNK; row++)
        run->row(run, row);
}

static void each_row(bfn__exec *e, const bfn__step *s, size_t all, void (*row)(const window_run *run, size_t row))
{
    window_run run = {e, s, bfn__image_kernels_get(), &e->values[s->node.in[0]], &e->values[s->out], all, row};
    bfn__loop(e->n_threads, bfn__ceil_div(all, CHUNK), run_chunk, &run);
}

/* ---- relu ---- */
static void relu_row(const window_run *run, size_t row)
{
    run->k->relu(run->y->cols, run->x->data + row * run->x->ld, run->y->data + row * run->y->ld);
}

void bfn__relu_forward(bfn__exec *e, bfn__step *s, size_t n)
{
    each_row(e, s, n * s->node.rows, relu_row);
}

static void relu_back_row(const window_run *run, size_t row)
{
    run->k->relu_backward(run->y->cols, run->y->data + row * run->y->ld, run->y->grad + row * run->y->grad_ld,
                          run->x->grad + row * run->x->grad_ld, run->s->add_in[0]);
}

void bfn__relu_backward(bfn__exec *e, bfn__step *s, size_t n, float *grads)
{
    (void)grads;
    if (bfn__wants_grad(e, s, 0))
        each_row(e, s, n * s->node.rows, relu_back_row);
}

/* ---- mean of all rows ---- */
static void mean_sample(const window_run *run, size_t i)
{
    const bfn__value *x = run->x;
    float *y = run->y->data + i * run->y->ld;
    memset(y, 0, x->cols * sizeof *y);
    run->e->k->column_sums(x->rows, x->cols, x->data + i * x->rows * x->ld, x->ld, y);
    run->e->k->scale(x->cols, 1.0f / (float)x->rows, y, y, false);
}

void bfn__mean_forward(bfn__exec *e, bfn__step *s, size_t n)
{
    each_row(e, s, n, mean_sample);
}

static void mean_back_row(const window_run *run, size_t row)
{
    const bfn__value *x = run->x, *y = run->y;
    run->e->k->scale(x->cols, 1.0f / (float)x->rows, y->grad + row / x->rows * y->grad_ld, x->grad + row * x->grad_ld,
                     run->s->add_in[0]);
}

void bfn__mean_backward(bfn__exec *e, bfn__step *s, size_t n, float *grads)
{
    (void)grads;
    if (bfn__wants_grad(e, s, 0))
        each_row(e, s, n * e->values[s->node.in[0]].rows, mean_back_row);
}

/* ---- windows ---- */

/* [first, end) of the source's lines under the window at place `at`. */
static void range(size_t at, size_t stride, size_t pad, size_t length, size_t size, size_t *first, size_t *end)
{
    size_t begin = at * stride;
    *first = begin > pad ? begin - pad : 0;
    *end = begin + length - pad < size ? begin + length - pad : size;
}

static void window_row(const window_run *run, size_t row)
{
    const bfn__node *node = &run->s->node, *in = &run->e->net->nodes[node->in[0]];
    const bfn__window *w = &node->window;
    size_t sample = row / node->rows, place = row % node->rows, top, bottom, left, right;
    range(place / node->width, w->stride, w->pad_y, w->height, in->height, &top, &bottom);
    range(place % node->width, w->stride, w->pad_x, w->width, in->width, &left, &right);
    float *y = run->y->data + row * run->y->ld;
    const float *x = run->x->data + sample * in->rows * run->x->ld;
    float part = 1.0f / (float)((bottom - top) * (right - left));
    bool first = true;
    for (size_t i = top; i < bottom; i++)
        for (size_t j = left; j < right; j++, first = false) {
            const float *pixel = x + (i * in->width + j) * run->x->ld;
            if (node->largest && !first)
                run->k->largest(node->cols, pixel, y);
            else
                run->e->k->scale(node->cols, node->largest ? 1.0f : part, pixel, y, !first);
        }
}

void bfn__window_forward(bfn__exec *e, bfn__step *s, size_t n)
{
    each_row(e, s, n * s->node.rows, window_row);
}
