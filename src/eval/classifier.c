/* classifier.c: train the small classifier of labelled pictures in whose features sets of such pictures are compared.
 *
 *   conv 16, relu | residual block of 32 channels, half the size | residual block of 64 channels, a quarter of the size | mean of all pixels: the
 *   64 features | linear: the classes
 *   block: relu(conv(relu(conv, stride 2)) + conv of one pixel, stride 2); the second convolution begins at zero
 *
 * Softmax cross-entropy, AdamW with a warm-up and a cosine down to zero, pictures shifted by up to 2 pixels. There is no normalisation: with the
 * residual branches beginning at zero two blocks need none. What is random depends on (seed, number of the picture) alone.
 */
#include "bfn/frechet.h"

#include "base/random.h"
#include "eval/feature_file.h"
#include "io/imageset.h"
#include "model/model_internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LAYERS = 24, NAME_ROOM = 24, WARM_UP = 100, SHIFT = 2, DEFAULT_EPOCHS = 4, DEFAULT_BATCH = 64 };
static const double DEFAULT_LR = 3e-3, WEIGHT_DECAY = 0.02;

/* ---- the layers ---- */

typedef struct plan {
    bfn__layer layers[MAX_LAYERS];
    char names[MAX_LAYERS][NAME_ROOM];
    size_t n;
} plan;

/* Append a layer "<block>.<part>" (part NULL: "<block>"); returns its name. */
static const char *append(plan *p, const char *block, const char *part, bfn__layer layer)
{
    char *name = p->names[p->n];
    (void)snprintf(name, NAME_ROOM, "%s%s%s", block, part != NULL ? "." : "", part != NULL ? part : "");
    layer.name = name;
    p->layers[p->n++] = layer;
    return name;
}

static bfn__layer conv(const char *in, size_t out, size_t kernel, size_t stride, bool zero)
{
    bfn__layer l = {.op = BFN__LAYER_CONV, .in = {in, NULL}, .out = out, .zero = zero};
    l.window = (bfn__window){kernel, kernel, stride, kernel / 2, kernel / 2};
    return l;
}

static bfn__layer one(bfn__layer_op op, const char *in)
{
    return (bfn__layer){.op = op, .in = {in, NULL}};
}

static const char *residual(plan *p, const char *block, const char *in, size_t out)
{
    const char *x = append(p, block, "conv1", conv(in, out, 3, 2, false));
    x = append(p, block, "relu1", one(BFN__LAYER_RELU, x));
    x = append(p, block, "conv2", conv(x, out, 3, 1, true));
    const char *skip = append(p, block, "skip", conv(in, out, 1, 2, false));
    x = append(p, block, "sum", (bfn__layer){.op = BFN__LAYER_ADD, .in = {skip, x}});
    return append(p, block, NULL, one(BFN__LAYER_RELU, x));
}

static void fill_plan(plan *p, size_t n_classes)
{
    p->n = 0;
    const char *x = append(p, "stem", "conv", conv("input", 16, 3, 1, false));
    x = append(p, "stem", NULL, one(BFN__LAYER_RELU, x));
    x = residual(p, "block1", x, 32);
    x = residual(p, "block2", x, 64);
    x = append(p, "pool", NULL, one(BFN__LAYER_MEAN, x));
    (void)append(p, "classes", NULL, (bfn__layer){.op = BFN__LAYER_LINEAR, .in = {x, NULL}, .out = n_classes});
}

/* ---- training ---- */

typedef struct trainer {
    bfn_context *ctx;
    bfn_classifier_options options;
    bfn__imageset *set;
    bfn__imageset_info info;
    plan plan;
    bfn__feature_net described;
    char name[96];
    bfn__net *net;
    bfn__exec *exec;
    float *params, *grads, *m, *v; /* arenas */
    float *shown, *logits, *slopes;
    double *t; /* what networks without time are told */
    int32_t *labels;
} trainer;

/* Scale and shift that give the training pictures mean 0 and deviation 1 in each channel. */
static void fill_scales(trainer *tr)
{
    size_t n = bfn__imageset_n(tr->set, BFN__IMAGES_TRAIN), C = tr->info.C;
    double sums[3] = {0.0}, squares[3] = {0.0}, count = (double)n * (double)tr->info.D / (double)C;
    for (size_t i = 0; i < n; i++) {
        const uint8_t *pixels = bfn__imageset_item(tr->set, BFN__IMAGES_TRAIN, i);
        for (size_t d = 0; d < tr->info.D; d++) {
            sums[d % C] += pixels[d];
            squares[d % C] += (double)pixels[d] * pixels[d];
        }
    }
    for (size_t c = 0; c < C; c++) {
        double mean = sums[c] / count, variance = squares[c] / count - mean * mean;
        tr->described.scale[c] = variance > 0.0 ? 1.0 / sqrt(variance) : 1.0;
        tr->described.shift[c] = -mean * tr->described.scale[c];
    }
}

static void show(const trainer *tr, const uint8_t *pixels, long dy, long dx, float *to)
{
    long H = (long)tr->info.H, W = (long)tr->info.W;
    size_t C = tr->info.C;
    for (long y = 0; y < H; y++)
        for (long x = 0; x < W; x++)
            for (size_t c = 0; c < C; c++, to++) {
                bool inside = y + dy >= 0 && y + dy < H && x + dx >= 0 && x + dx < W;
                double byte = inside ? pixels[(size_t)((y + dy) * W + x + dx) * C + c] : 0.0;
                *to = (float)(tr->described.scale[c] * byte + tr->described.shift[c]);
            }
}

/* Cross-entropy of a sample and, where slopes is not NULL, its gradient. */
static double lose(size_t K, const float *logits, int32_t label, double weight, float *slopes)
{
    double top = (double)logits[0], sum = 0.0;
    for (size_t k = 1; k < K; k++)
        top = fmax(top, (double)logits[k]);
    for (size_t k = 0; k < K; k++)
        sum += exp((double)logits[k] - top);
    for (size_t k = 0; slopes != NULL && k < K; k++)
        slopes[k] = (float)(weight * (exp((double)logits[k] - top) / sum - ((size_t)label == k ? 1.0 : 0.0)));
    return log(sum) + top - (double)logits[label];
}

static double rate_at(const trainer *tr, uint64_t step, uint64_t n_steps)
{
    double rise = (double)(step + 1) / WARM_UP, done = (double)step / (double)n_steps;
    double fall = 0.5 * (1.0 + cos(3.14159265358979323846 * done));
    return tr->options.learning_rate * (rise < 1.0 ? rise : 1.0) * fall;
}

static bfn_status train_step(trainer *tr, uint64_t step, uint64_t n_steps, double *loss)
{
    size_t batch = tr->options.batch, K = tr->info.n_classes;
    uint64_t seed = tr->options.seed;
    for (size_t i = 0; i < batch; i++) {
        uint64_t index = step * batch + i;
        size_t item = bfn__imageset_training(tr->set, seed, index);
        long dy = (long)bfn__random_below(seed, index, bfn__draw(2, BFN__DRAW_DATA), 0, 2 * SHIFT + 1) - SHIFT;
        long dx = (long)bfn__random_below(seed, index, bfn__draw(2, BFN__DRAW_DATA), 2, 2 * SHIFT + 1) - SHIFT;
        show(tr, bfn__imageset_item(tr->set, BFN__IMAGES_TRAIN, item), dy, dx, tr->shown + i * tr->info.D);
        tr->labels[i] = bfn__imageset_label(tr->set, BFN__IMAGES_TRAIN, item);
    }
    bfn_status status = bfn__exec_forward(tr->exec, batch, tr->shown, tr->t, tr->logits);
    if (status != BFN_OK)
        return status;
    *loss = 0.0;
    for (size_t i = 0; i < batch; i++)
        *loss += lose(K, tr->logits + i * K, tr->labels[i], 1.0 / (double)batch, tr->slopes + i * K) / (double)batch;
    if (!isfinite(*loss))
        return bfn__fail(tr->ctx, BFN_ERR_DIVERGED, "step %llu: the loss is not finite: take a smaller learning rate",
                         (unsigned long long)step);
    memset(tr->grads, 0, bfn__net_arena(tr->net) * sizeof *tr->grads);
    status = bfn__exec_backward(tr->exec, batch, tr->slopes, tr->grads, NULL);
    if (status != BFN_OK)
        return status;
    bfn__adamw adamw = {rate_at(tr, step, n_steps), 0.9, 0.99, 1e-8, WEIGHT_DECAY};
    bfn__adamw_step(tr->ctx, tr->net, &adamw, step + 1, 1.0, tr->grads, tr->params, tr->m, tr->v);
    return bfn__exec_set_params(tr->exec, tr->params);
}

static bfn_status train(trainer *tr)
{
    uint64_t n_steps = bfn__imageset_n(tr->set, BFN__IMAGES_TRAIN) * tr->options.epochs / tr->options.batch;
    double loss = 0.0;
    bfn_status status = BFN_OK;
    for (uint64_t step = 0; status == BFN_OK && step < n_steps; step++) {
        status = train_step(tr, step, n_steps, &loss);
        if (status == BFN_OK && tr->options.progress != NULL &&
            tr->options.progress(tr->options.user, step + 1, n_steps, loss) != 0)
            status = bfn__fail(tr->ctx, BFN_CANCELLED, "stopped at step %llu", (unsigned long long)step + 1);
    }
    return status;
}

/* Part of the test pictures whose largest logit is the label's. */
static bfn_status measure(trainer *tr, double *accuracy)
{
    size_t n = bfn__imageset_n(tr->set, BFN__IMAGES_TEST), K = tr->info.n_classes, right = 0, each = tr->options.batch;
    for (size_t first = 0; first < n; first += each) {
        size_t count = n - first < each ? n - first : each;
        for (size_t i = 0; i < count; i++)
            show(tr, bfn__imageset_item(tr->set, BFN__IMAGES_TEST, first + i), 0, 0, tr->shown + i * tr->info.D);
        bfn_status status = bfn__exec_forward(tr->exec, count, tr->shown, tr->t, tr->logits);
        if (status != BFN_OK)
            return status;
        for (size_t i = 0; i < count; i++) {
            size_t best = 0;
            for (size_t k = 1; k < K; k++)
                best = tr->logits[i * K + k] > tr->logits[i * K + best] ? k : best;
            right += (int32_t)best == bfn__imageset_label(tr->set, BFN__IMAGES_TEST, first + i) ? 1 : 0;
        }
    }
    *accuracy = (double)right / (double)n;
    return BFN_OK;
}

/* ---- the file ---- */

static bfn_status save(trainer *tr, const char *path)
{
    bfn__st_tensor tensors[2 * MAX_LAYERS];
    char epochs[24], seed[24];
    size_t n = bfn__net_n_params(tr->net);
    for (size_t i = 0; i < n; i++) {
        const bfn__param *p = bfn__net_param(tr->net, i);
        tensors[i] = (bfn__st_tensor){.name = p->name,
                                      .dtype = BFN__DTYPE_F32,
                                      .rank = p->rank,
                                      .count = p->count,
                                      .data = tr->params + p->offset,
                                      .bytes = p->count * sizeof(float)};
        memcpy(tensors[i].shape, p->shape, sizeof p->shape);
    }
    (void)snprintf(epochs, sizeof epochs, "%zu", tr->options.epochs);
    (void)snprintf(seed, sizeof seed, "%llu", (unsigned long long)tr->options.seed);
    const bfn__st_entry notes[] = {{"data", tr->info.name},
                                   {"data_sha256", tr->info.checksum},
                                   {"epochs", epochs},
                                   {"seed", seed},
                                   {"made_by", "bfn classifier"}};
    char *text = bfn__feature_net_write(&tr->described, notes, sizeof notes / sizeof *notes);
    if (text == NULL)
        return bfn__fail(tr->ctx, BFN_ERR_MEMORY, "%s: no memory for its description", path);
    const bfn__st_entry metadata = {BFN__FEATURES_KEY, text};
    bfn_status status = bfn__safetensors_save(tr->ctx, path, tensors, n, &metadata, 1);
    free(text);
    return status;
}

/* ---- all of it ---- */

static bfn_status open_data(trainer *tr, const char *data)
{
    const bfn__imageset_options all = {.all_training = true};
    bfn_status status = bfn__imageset_open(tr->ctx, data, &all, &tr->set);
    if (status != BFN_OK)
        return status;
    bfn__imageset_get_info(tr->set, &tr->info);
    if (tr->info.n_classes < 2 || tr->info.n_split[BFN__IMAGES_TEST] == 0)
        return bfn__fail(tr->ctx, BFN_ERR_INPUT,
                         "%s: has %s: a classifier needs labels, and test pictures to be measured on", data,
                         tr->info.n_classes < 2 ? "no labels" : "no test pictures");
    if (tr->info.n_split[BFN__IMAGES_TRAIN] < tr->options.batch)
        return bfn__fail(tr->ctx, BFN_ERR_ARGUMENT, "batch: %zu: there are %zu training pictures", tr->options.batch,
                         tr->info.n_split[BFN__IMAGES_TRAIN]);
    return BFN_OK;
}

/* Initial filters are drawn with the variance 1/(3 fan in); a ReLU halves what passes, so 2/(fan in) keeps its size from layer to layer. */
static void enlarge_filters(trainer *tr)
{
    for (size_t i = 0; i < bfn__net_n_params(tr->net); i++) {
        const bfn__param *p = bfn__net_param(tr->net, i);
        for (size_t j = 0; p->rank == 4 && j < p->count; j++)
            tr->params[p->offset + j] *= sqrtf(6.0f);
    }
}

static bfn_status prepare(trainer *tr)
{
    fill_plan(&tr->plan, tr->info.n_classes);
    (void)snprintf(tr->name, sizeof tr->name, "%s classifier", tr->info.name);
    tr->described = (bfn__feature_net){.name = tr->name,
                                       .features = "pool",
                                       .logits = "classes",
                                       .height = tr->info.H,
                                       .width = tr->info.W,
                                       .channels = tr->info.C,
                                       .n_layers = tr->plan.n,
                                       .layers = tr->plan.layers};
    fill_scales(tr);
    bfn_status status = bfn__layers_build(tr->ctx, &tr->net, tr->info.H, tr->info.W, tr->info.C, tr->plan.layers,
                                          tr->plan.n, "classes");
    const bfn__exec_options training = {.batch = tr->options.batch, .training = true};
    if (status == BFN_OK)
        status = bfn__exec_create(tr->ctx, &tr->exec, tr->net, &training);
    if (status != BFN_OK)
        return status;
    size_t arena = bfn__net_arena(tr->net), batch = tr->options.batch, K = tr->info.n_classes;
    tr->params = bfn__calloc(tr->ctx, 4 * arena, sizeof(float));
    tr->shown = bfn__calloc(tr->ctx, batch * tr->info.D, sizeof(float));
    tr->logits = bfn__calloc(tr->ctx, 2 * batch * K, sizeof(float));
    tr->t = bfn__calloc(tr->ctx, batch, sizeof *tr->t);
    tr->labels = bfn__calloc(tr->ctx, batch, sizeof *tr->labels);
    if (!tr->params || !tr->shown || !tr->logits || !tr->t || !tr->labels)
        return BFN_ERR_MEMORY;
    tr->grads = tr->params + arena;
    tr->m = tr->params + 2 * arena;
    tr->v = tr->params + 3 * arena;
    tr->slopes = tr->logits + batch * K;
    bfn__net_init(tr->net, tr->options.seed, tr->params);
    enlarge_filters(tr);
    return bfn__exec_set_params(tr->exec, tr->params);
}

static void release(trainer *tr)
{
    void *blocks[] = {tr->params, tr->shown, tr->logits, tr->t, tr->labels};
    bfn__exec_destroy(tr->exec);
    bfn__net_destroy(tr->net);
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++)
        bfn__free(tr->ctx, blocks[i]);
    bfn__imageset_close(tr->set);
}

bfn_status bfn_classifier_train(bfn_context *ctx, const char *data, const char *path,
                                const bfn_classifier_options *options, double *accuracy)
{
    trainer tr = {.ctx = ctx,
                  .options = options != NULL ? *options : (bfn_classifier_options)BFN_CLASSIFIER_OPTIONS_INIT};
    bfn_classifier_options *o = &tr.options;
    o->epochs = o->epochs > 0 ? o->epochs : DEFAULT_EPOCHS;
    o->batch = o->batch > 0 ? o->batch : DEFAULT_BATCH;
    if (o->learning_rate == 0.0)
        o->learning_rate = DEFAULT_LR;
    if (!(o->learning_rate > 0.0 && o->learning_rate <= 1.0))
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "learning_rate: %g: must be in (0, 1]", o->learning_rate);
    bfn__use_openmp(ctx);
    bfn_status status = open_data(&tr, data);
    if (status == BFN_OK)
        status = prepare(&tr);
    if (status == BFN_OK)
        status = train(&tr);
    if (status == BFN_OK)
        status = measure(&tr, &tr.described.accuracy);
    if (status == BFN_OK)
        status = save(&tr, path);
    *accuracy = tr.described.accuracy;
    release(&tr);
    return status;
}
