/* helper_graph.c: network descriptions as plain loops in double; see helper_graph.h. */
#include "helper_graph.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct naive {
    const bfn__net *net;
    const double *params, *shown;
    double t;
    int label;
    double **values; /* by node */
} naive;

typedef struct view { /* a node's tensor, or an input's */
    const bfn__node *node;
    double *x;
} view;

static view input(const naive *n, const bfn__node *node, int k)
{
    return (view){&n->net->nodes[node->in[k]], n->values[node->in[k]]};
}

static const double *param(const naive *n, int i)
{
    return i < 0 ? NULL : n->params + n->net->params[i].offset;
}

static double silu(double x)
{
    return x / (1.0 + exp(-x));
}

static double gelu(double x)
{
    return 0.5 * x * (1.0 + tanh(sqrt(2.0 / 3.14159265358979323846) * (x + 0.044715 * x * x * x)));
}

static void linear(const naive *n, const bfn__node *node, double *y)
{
    view x = input(n, node, 0);
    const double *w = param(n, node->weight), *b = param(n, node->bias);
    for (size_t r = 0; r < node->rows; r++)
        for (size_t o = 0; o < node->cols; o++) {
            double sum = b != NULL ? b[o] : 0.0;
            for (size_t c = 0; c < x.node->cols; c++)
                sum += x.x[r * x.node->cols + c] * w[o * x.node->cols + c];
            y[r * node->cols + o] = sum;
        }
}

static void conv(const naive *n, const bfn__node *node, double *y)
{
    view x = input(n, node, 0);
    const double *w = param(n, node->weight), *b = param(n, node->bias);
    const bfn__window *win = &node->window;
    size_t taps = win->height * win->width, C = x.node->cols;
    for (size_t r = 0; r < node->rows; r++)
        for (size_t o = 0; o < node->cols; o++) {
            double sum = b != NULL ? b[o] : 0.0;
            for (size_t tap = 0; tap < taps; tap++) {
                long iy = (long)(r / node->width * win->stride + tap / win->width) - (long)win->pad_y;
                long ix = (long)(r % node->width * win->stride + tap % win->width) - (long)win->pad_x;
                if (iy < 0 || ix < 0 || iy >= (long)x.node->height || ix >= (long)x.node->width)
                    continue;
                for (size_t c = 0; c < C; c++)
                    sum += x.x[((size_t)iy * x.node->width + (size_t)ix) * C + c] * w[(o * C + c) * taps + tap];
            }
            y[r * node->cols + o] = sum;
        }
}

static void layernorm(const naive *n, const bfn__node *node, double *y)
{
    view x = input(n, node, 0);
    const double *w = param(n, node->weight), *b = param(n, node->bias);
    for (size_t r = 0; r < node->rows; r++) {
        const double *row = x.x + r * node->cols;
        double mean = 0.0, var = 0.0, size = (double)node->cols;
        for (size_t c = 0; c < node->cols; c++)
            mean += row[c] / size;
        for (size_t c = 0; c < node->cols; c++)
            var += (row[c] - mean) * (row[c] - mean) / size;
        for (size_t c = 0; c < node->cols; c++)
            y[r * node->cols + c] = (row[c] - mean) / sqrt(var + node->a) * w[c] + (b != NULL ? b[c] : 0.0);
    }
}

static void groupnorm(const naive *n, const bfn__node *node, double *y)
{
    view x = input(n, node, 0);
    const double *w = param(n, node->weight), *b = param(n, node->bias);
    const double *row = node->in[1] >= 0 ? input(n, node, 1).x : NULL;
    size_t C = node->cols, each = C / node->heads;
    for (size_t g = 0; g < node->heads; g++) {
        double mean = 0.0, var = 0.0, size = (double)(each * node->rows);
        for (size_t r = 0; r < node->rows; r++)
            for (size_t c = g * each; c < (g + 1) * each; c++)
                mean += x.x[r * C + c] / size;
        for (size_t r = 0; r < node->rows; r++)
            for (size_t c = g * each; c < (g + 1) * each; c++)
                var += (x.x[r * C + c] - mean) * (x.x[r * C + c] - mean) / size;
        for (size_t r = 0; r < node->rows; r++)
            for (size_t c = g * each; c < (g + 1) * each; c++) {
                double v = (x.x[r * C + c] - mean) / sqrt(var + node->a) * w[c] + b[c];
                if (row != NULL)
                    v = v * (1.0 + row[c]) + row[C + c];
                y[r * C + c] = node->act == BFN__ACT_SILU ? silu(v) : v;
            }
    }
}

static void attention(const naive *n, const bfn__node *node, double *y)
{
    view x = input(n, node, 0);
    size_t E = node->cols, d = E / node->heads, T = node->rows;
    double *p = calloc(T, sizeof *p);
    assert_non_null(p);
    for (size_t h = 0; h < node->heads; h++) {
        size_t q = node->heads_first ? 3 * h * d : h * d, apart = node->heads_first ? d : E;
        for (size_t i = 0; i < T; i++) {
            double total = 0.0;
            size_t keys = node->causal ? i + 1 : T;
            for (size_t j = 0; j < keys; j++) {
                double s = 0.0;
                for (size_t c = 0; c < d; c++)
                    s += x.x[i * 3 * E + q + c] * x.x[j * 3 * E + q + apart + c];
                p[j] = exp(s / sqrt((double)d));
                total += p[j];
            }
            for (size_t c = 0; c < d; c++) {
                double sum = 0.0;
                for (size_t j = 0; j < keys; j++)
                    sum += p[j] / total * x.x[j * 3 * E + q + 2 * apart + c];
                y[i * E + h * d + c] = sum;
            }
        }
    }
    free(p);
}

static void resample(const naive *n, const bfn__node *node, double *y)
{
    view x = input(n, node, 0);
    size_t C = node->cols, W = x.node->width;
    for (size_t r = 0; r < node->rows; r++) {
        size_t i = r / node->width, j = r % node->width;
        for (size_t c = 0; c < C; c++) {
            double sum = 0.0;
            for (size_t k = 0; k < 4; k++)
                sum += 0.25 * x.x[((2 * i + k / 2) * W + 2 * j + k % 2) * C * (node->kind == BFN__OP_POOL) +
                                  (i / 2 * W + j / 2) * C * (node->kind == BFN__OP_UPSAMPLE) + c];
            y[r * C + c] = sum;
        }
    }
}

static void value_waves(const naive *n, const bfn__node *node, double *y)
{
    view x = input(n, node, 0);
    size_t C = x.node->cols, N = node->heads;
    for (size_t r = 0; r < node->rows; r++) {
        double *row = y + r * node->cols;
        for (size_t c = 0; c < C; c++) {
            double v = row[c] = x.x[r * C + c];
            for (size_t f = 0; f < N && node->waves == BFN__WAVES_POWERS; f++) {
                double angle = 2.0 * 3.14159265358979323846 * pow(2.0, node->a + (double)f) * v;
                row[C + f * C + c] = sin(angle);
                row[C + N * C + f * C + c] = cos(angle);
            }
            for (size_t j = 0; j < 2 * N && node->waves == BFN__WAVES_ENCODING; j++) {
                double angle = node->a * (v + 1.0) / 2.0 / pow(10000.0, (double)j / (double)(2 * N));
                row[C + 2 * N * c + j] = j % 2 == 0 ? sin(angle) : cos(angle);
            }
        }
    }
}

static void time_waves(const naive *n, const bfn__node *node, double *y)
{
    size_t half = node->cols / 2;
    y[node->cols - 1] = 0.0;
    for (size_t i = 0; i < half; i++) {
        bool sin_first = node->waves == BFN__WAVES_SIN_FIRST;
        double exponent = -(double)i / (double)(sin_first ? half - 1 : half);
        double angle = (node->a * n->t + node->b) * pow(10000.0, exponent);
        y[i] = sin_first ? sin(angle) : cos(angle);
        y[half + i] = sin_first ? cos(angle) : sin(angle);
    }
}

/* y = x | other, other of one row or of as many. */
static void beside(const bfn__node *node, view x, const double *other, size_t other_rows, double *y)
{
    size_t first = x.node->cols, second = node->cols - first;
    for (size_t r = 0; r < node->rows; r++)
        for (size_t c = 0; c < node->cols; c++)
            y[r * node->cols + c] =
                c < first ? x.x[r * first + c] : other[(other_rows == 1 ? 0 : r) * second + c - first];
}

static void elementwise(const naive *n, const bfn__node *node, double *y)
{
    const double *x = input(n, node, 0).x, *other = NULL;
    size_t other_rows = node->rows;
    if (node->kind == BFN__OP_ADD) {
        other = input(n, node, 1).x;
        other_rows = input(n, node, 1).node->rows;
    } else if (node->kind == BFN__OP_ADD_POSITION) {
        other = param(n, node->weight);
    }
    for (size_t i = 0; i < node->rows * node->cols; i++) {
        double v = x[i];
        if (node->kind == BFN__OP_AFFINE)
            v = node->a * v + node->b;
        else if (node->kind == BFN__OP_GELU)
            v = gelu(v);
        else if (node->kind == BFN__OP_SILU)
            v = silu(v);
        else if (node->kind == BFN__OP_RELU)
            v = fmax(v, 0.0);
        y[i] = v + (other != NULL ? other[other_rows == 1 ? i % node->cols : i] : 0.0);
    }
}

static void mean_of_rows(const naive *n, const bfn__node *node, double *y)
{
    view x = input(n, node, 0);
    for (size_t c = 0; c < node->cols; c++) {
        y[c] = 0.0;
        for (size_t r = 0; r < x.node->rows; r++)
            y[c] += x.x[r * node->cols + c] / (double)x.node->rows;
    }
}

/* Largest or mean value of those pixels under the window that are inside. */
static void window(const naive *n, const bfn__node *node, double *y)
{
    view x = input(n, node, 0);
    const bfn__window *w = &node->window;
    for (size_t at = 0; at < node->rows * node->cols; at++) {
        size_t r = at / node->cols, c = at % node->cols;
        double sum = 0.0, largest = -INFINITY, count = 0.0;
        for (size_t tap = 0; tap < w->height * w->width; tap++) {
            long iy = (long)(r / node->width * w->stride + tap / w->width) - (long)w->pad_y;
            long ix = (long)(r % node->width * w->stride + tap % w->width) - (long)w->pad_x;
            if (iy < 0 || ix < 0 || iy >= (long)x.node->height || ix >= (long)x.node->width)
                continue;
            double v = x.x[((size_t)iy * x.node->width + (size_t)ix) * node->cols + c];
            sum += v;
            count += 1.0;
            largest = fmax(largest, v);
        }
        y[at] = node->largest ? largest : sum / count;
    }
}

static void evaluate(const naive *n, const bfn__node *node, double *y)
{
    switch (node->kind) {
    case BFN__OP_INPUT:
        memcpy(y, n->shown, node->rows * node->cols * sizeof *y);
        break;
    case BFN__OP_TIME:
        y[0] = node->a * n->t + node->b;
        break;
    case BFN__OP_TIME_WAVES:
        time_waves(n, node, y);
        break;
    case BFN__OP_LINEAR:
        linear(n, node, y);
        break;
    case BFN__OP_CONV:
        conv(n, node, y);
        break;
    case BFN__OP_LAYERNORM:
        layernorm(n, node, y);
        break;
    case BFN__OP_GROUPNORM:
        groupnorm(n, node, y);
        break;
    case BFN__OP_ATTENTION:
        attention(n, node, y);
        break;
    case BFN__OP_UPSAMPLE:
    case BFN__OP_POOL:
        resample(n, node, y);
        break;
    case BFN__OP_MEAN:
        mean_of_rows(n, node, y);
        break;
    case BFN__OP_WINDOW:
        window(n, node, y);
        break;
    case BFN__OP_VALUE_WAVES:
        value_waves(n, node, y);
        break;
    case BFN__OP_CONCAT:
        beside(node, input(n, node, 0), input(n, node, 1).x, input(n, node, 1).node->rows, y);
        break;
    case BFN__OP_CONCAT_PARAM:
        beside(node, input(n, node, 0), param(n, node->weight), node->rows, y);
        break;
    case BFN__OP_LABEL:
        for (size_t c = 0; c < node->cols; c++)
            y[c] = n->label < 0 ? 0.0 : param(n, node->weight)[(size_t)n->label * node->cols + c];
        break;
    default:
        elementwise(n, node, y);
    }
}

void naive_graph(const bfn__net *net, const double *params, const double *shown, double t, int label, double *out)
{
    naive n = {net, params, shown, t, label, calloc(net->n_nodes, sizeof(double *))};
    assert_non_null(n.values);
    for (size_t i = 0; i < net->n_nodes; i++) {
        const bfn__node *node = &net->nodes[i];
        n.values[i] = calloc(node->rows * node->cols, sizeof(double));
        assert_non_null(n.values[i]);
        evaluate(&n, node, n.values[i]);
    }
    memcpy(out, n.values[net->output], bfn__net_output_size(net) * sizeof *out);
    for (size_t i = 0; i < net->n_nodes; i++)
        free(n.values[i]);
    free((void *)n.values);
}
