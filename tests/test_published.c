/* test_published.c: configurations in the layouts of both published code bases, and PyTorch checkpoints that carry none: the recorded
 * networks load, give the recorded outputs, and every misfit is said.
 *
 * The YAML here is of the published structure, for the small recorded networks and for the full-size ones.
 */
#include "bfn/model.h"
#include "helper_fixture.h"
#include "helper_golden.h"
#include "helper_torch.h"
#include "io/file.h"
#include "model/model_internal.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* ---- small networks ---- */

static const char gpt_nested[] =
    "meta: {neptune: , debug: False}\n"
    "data: {dataset: text8, seq_len: 24}\n"
    "train_loader: {batch_size: 4, shuffle: True, num_workers: 1, pin_memory: True, drop_last: True}\n"
    "val_loader: {batch_size: 2, anything: 1}\n"
    "model:\n"
    "  net: {class_name: GPT, parameters: {vocab_size: 27, n_layer: 2, n_head: 4, n_embd: 32, dropout: 0.0, skip: "
    "True, bias: True}}\n"
    "  input_adapter: {class_name: TextInputAdapter, parameters: {vocab_size: 27, seq_len: 24, output_size: 32, "
    "learn_pos_embedding: False}}\n"
    "  output_adapter: null\n"
    "  bayesian_flow: {class_name: DiscreteBayesianFlow, parameters: {n_classes: 27, max_sqrt_beta: 0.75}}\n"
    "  loss: {class_name: DiscreteBayesianFlowLoss, parameters: {}}\n"
    "  distribution_factory: {class_name: CategoricalFactory, parameters: {}}\n"
    "optimizer: {lr: 1e-4, betas: [0.9, 0.98], weight_decay: 0.02}\n"
    "training: {accumulate: 3, checkpoint_interval: 1_000, ema_decay: 0.99, grad_clip_norm: 5, log_interval: 2, "
    "max_val_batches: 5_000,"
    " n_training_steps: 12_345, val_interval: 1_00, val_repeats: 1}\n";

static const char gpt_flat[] =
    "data: {dataset: text8, seq_len: 24, vocab_size: 27}\n"
    "net:\n"
    "  name: GPT\n"
    "  backbone: {vocab_size: 27, n_layer: 2, n_head: 4, n_embd: 32, dropout: 0.0, skip: True, bias: True}\n"
    "  input_adapter: {name: TextInputAdapter, vocab_size: 27, seq_len: 24, output_size: 32, learn_pos_embedding: "
    "False}\n"
    "  output_adapter: null\n"
    "bayesian_flow: {n_classes: 27, max_sqrt_beta: 0.75}\n"
    "sampling: {last_drop: True, cate_samp: False, addi_step: False, eta: 0.002, algorithm: sde_bfnsolver2_multi_step,"
    " initial_dist: zero_mean_and_std, n_steps: 7, batch_size: 9, n_samples: 3, save_path: x, mean_std_path: ''}\n";

#define VDM(height, factory)                                                                                           \
    "data: {dataset: cifar10, horizontal_flip: True, num_bins: 256}\n"                                                 \
    "model:\n"                                                                                                         \
    "  net: {class_name: UNetVDM, parameters: {embedding_dim: 32, n_blocks: 2, n_attention_heads: 1, dropout_prob: "   \
    "0.1,"                                                                                                             \
    " norm_groups: 8, input_channels: 3, use_fourier_features: True, attention_everywhere: False, image_size: 8}}\n"   \
    "  input_adapter: {class_name: FourierImageInputAdapter, parameters: {input_channels: 3, input_shape: [8, 8],"     \
    " output_height: 3, add_pos_feats: False, add_mask: False}}\n"                                                     \
    "  output_adapter: {class_name: OutputAdapter, parameters: {input_height: 35, output_channels: 3, "                \
    "output_height: " height "}}\n"                                                                                    \
    "  bayesian_flow: {class_name: CtsBayesianFlow, parameters: {min_variance: 1e-6}}\n"                               \
    "  loss: {class_name: CtsBayesianFlowLoss, parameters: {noise_pred: True}}\n"                                      \
    "  distribution_factory: {class_name: " factory "}\n"                                                              \
    "optimizer: {lr: 2e-4}\n"

static const char vdm1_nested[] = VDM("1", "DeltaFactory, parameters: {clip_range: 1}");
static const char vdm2_nested[] = VDM("2", "DiscretizedNormalFactory, parameters: {num_bins: 256, clip: True}");

#define VDM_FLAT(height)                                                                                               \
    "data: {dataset: cifar10, horizontal_flip: False, num_bins: 256, image_size: 8, image_channels: 3}\n"              \
    "net:\n"                                                                                                           \
    "  name: UNetVDM\n"                                                                                                \
    "  backbone: {embedding_dim: 32, n_blocks: 2, norm_groups: 8, image_size: 8}\n"                                    \
    "  input_adapter: {name: FourierImageInputAdapter, input_channels: 3, input_shape: [8, 8], output_height: 3,"      \
    " add_pos_feats: False, add_mask: False}\n"                                                                        \
    "  output_adapter: {name: OutputAdapter, input_height: 35, output_channels: 3, output_height: " height "}\n"       \
    "bayesian_flow: {min_variance: 1e-6}\n"                                                                            \
    "sampling: {last_drop: False, eta: 0.01, seed: 5, algorithm: ode_bfnsolver2_multi_step,"                           \
    " initial_dist: optimal_mean_and_std, n_steps: 50, batch_size: 500, n_samples: 100, save_path: x,"                 \
    " mean_std_path: '', fid_stat: x.npz}\n"
static const char vdm1_flat[] = VDM_FLAT("1"), vdm2_flat[] = VDM_FLAT("2");

static const char adm_nested[] =
    "data: {dataset: bin_mnist, image_size: 8, image_channels: 1}\n"
    "model:\n"
    "  net: {class_name: UNetModel, parameters: {image_size: 8, in_channels: 2, model_channels: 32, out_channels: 32,"
    " num_res_blocks: 1, attention_resolutions: [2], dropout: 0.5, channel_mult: [1, 2], conv_resample: True, dims: 2,"
    " num_heads: 4, num_heads_upsample: -1, project_input: True, skip: True}}\n"
    "  input_adapter: {class_name: FourierImageInputAdapter, parameters: {input_channels: 1, input_shape: [8, 8],"
    " output_height: 2, add_pos_feats: False}}\n"
    "  output_adapter: {class_name: OutputAdapter, parameters: {input_height: 64, output_channels: 1, output_height: "
    "1}}\n"
    "  bayesian_flow: {class_name: DiscreteBayesianFlow, parameters: {n_classes: 2, max_sqrt_beta: 3, discretize: "
    "False}}\n"
    "  loss: {class_name: DiscreteBayesianFlowLoss, parameters: {}}\n"
    "  distribution_factory: {class_name: BernoulliFactory, parameters: {}}\n"
    "sampling: {last_drop: True, eta: 0.001, seed: 1, algorithm: bfn, n_steps: 100, n_samples: 8}\n";

static const char *config_file(const char *yaml)
{
    assert_ok(bfn__file_write(ctx, scratch("given.yaml"), yaml, strlen(yaml)));
    return scratch("given.yaml");
}

static bfn_status load(bfn_model **model, const char *path, const char *yaml)
{
    bfn_model_options o = BFN_MODEL_OPTIONS_INIT;
    char config[256];
    snprintf(config, sizeof config, "%s", config_file(yaml));
    o.config_path = config;
    o.precision = BFN_PRECISION_F32;
    return bfn_model_load(ctx, model, path, &o);
}

/* The recorded weights as a .pt file, their names with another prefix. */
static const char *make_pt(const char *golden, const char *prefix)
{
    char path[4096];
    bfn__safetensors *st;
    snprintf(path, sizeof path, "%s/%s_weights.safetensors", golden_folder(), golden);
    assert_ok(bfn__safetensors_open(ctx, &st, path));
    size_t n = bfn__safetensors_n_tensors(st);
    bfn__st_tensor *tensors = calloc(n, sizeof *tensors);
    assert_non_null(tensors);
    for (size_t i = 0; i < n; i++) {
        tensors[i] = *bfn__safetensors_tensor(st, i);
        assert_int_equal(strncmp(tensors[i].name, "net.", 4), 0);
        tensors[i].name += 4;
    }
    torch_save_path(scratch("made.pt"), prefix, tensors, n);
    free(tensors);
    bfn__safetensors_close(st);
    return scratch("made.pt");
}

/* The loaded network gives the recorded outputs. */
static void check_outputs(bfn_model *model, const char *golden)
{
    char name[128];
    size_t n_x, n_y, n_t;
    snprintf(name, sizeof name, "%s_forward_backward.safetensors", golden);
    golden_file *g = golden_open(name);
    const float *x = golden_f32(g, "x", &n_x);
    (void)golden_f32(g, "y", &n_y);
    const double *t = golden_f64(g, "t", &n_t);
    float *out = golden_alloc(g, n_y, sizeof *out);
    assert_int_equal(bfn_model_predict(model, 0, n_t, t, x, out), 0);
    golden_group_begin(g, "published configuration, forward", 2e-5);
    golden_compare(g, "y", out, n_y);
    golden_group_end(g);
    golden_close(g);
}

static void check_small(const char *golden, const char *pt, const char *yaml)
{
    bfn_model *model;
    assert_ok(load(&model, pt, yaml));
    check_outputs(model, golden);
    bfn_model_destroy(model);
}

static void test_recorded_checkpoints(void **state)
{
    (void)state;
    char gpt[4096], vdm[4096];
    snprintf(gpt, sizeof gpt, "%s/gpt_ema.pt", golden_folder());
    snprintf(vdm, sizeof vdm, "%s/vdm1_ema.pt", golden_folder());
    check_small("gpt", gpt, gpt_nested);
    check_small("gpt", gpt, gpt_flat);
    check_small("vdm1", vdm, vdm1_nested);
    check_small("vdm1", vdm, vdm1_flat);
    check_small("gpt", make_pt("gpt", ""), gpt_nested); /* a bare state dict */
    check_small("vdm2", make_pt("vdm2", ""), vdm2_nested);
    check_small("vdm2", make_pt("vdm2", "net."), vdm2_flat);
    check_small("adm", make_pt("adm", "net."), adm_nested);
}

/* ---- what the keys become ---- */

static void parse(bfn__config *c, bfn__net **net, const char *yaml)
{
    bfn__config_init(c);
    assert_ok(bfn__config_parse(ctx, c, yaml, strlen(yaml), "x.yaml"));
    assert_ok(bfn__config_resolve(ctx, c, 0, net));
}

static void test_keys(void **state)
{
    (void)state;
    bfn__config c;
    bfn__net *net;
    parse(&c, &net, gpt_nested);
    bfn__net_destroy(net);
    assert_int_equal(c.train.batch, 4);
    assert_int_equal(c.train.accumulate, 3);
    assert_int_equal(c.train.steps, 12345);
    assert_int_equal(c.train.checkpoint_every, 1000);
    assert_int_equal(c.train.valid_every, 100);
    assert_int_equal(c.train.warmup, 0);
    assert_int_equal(c.train.schedule, BFN__SCHEDULE_CONSTANT);
    assert_true(c.train.ema == 0.99 && c.train.clip_norm == 5.0 && c.train.lr == 1e-4 && c.train.weight_decay == 0.02);
    assert_true(c.train.betas[1] == 0.98 && c.flow.max_sqrt_beta == 0.75);
    assert_int_equal(c.sampling.method, 0);
    parse(&c, &net, vdm1_nested);
    bfn__net_destroy(net);
    assert_int_equal(c.data.flip, 1);
    assert_true(c.train.betas[1] == 0.999); /* AdamW's own, where the file says nothing */
    assert_int_equal(c.data.height, 8);
    assert_int_equal(c.flow.kind + 1, BFN_DATA_CONTINUOUS);
    parse(&c, &net, vdm2_flat);
    bfn__net_destroy(net);
    assert_int_equal(c.flow.kind + 1, BFN_DATA_DISCRETISED);
    assert_int_equal(c.flow.n_classes, 256);
    bfn_sampling_defaults d = bfn__config_sampling(&c);
    assert_string_equal(d.method, "ode_bfnsolver2_multi_step");
    assert_true(d.n_steps == 50 && d.n == 100 && d.seed == 5 && d.eta == 0.01);
    assert_true(d.last == BFN_LAST_UPDATE && d.start == BFN_START_MOMENTS);
    parse(&c, &net, gpt_flat);
    bfn__net_destroy(net);
    d = bfn__config_sampling(&c);
    assert_string_equal(d.method, "sde_bfnsolver2_multi_step");
    assert_true(d.n_steps == 7 && d.n == 3 && d.eta == 0.002 && d.last == BFN_LAST_PREDICT &&
                d.start == BFN_START_ZERO_MEAN);
    parse(&c, &net, adm_nested); /* the original sampler has its own times and end */
    bfn__net_destroy(net);
    d = bfn__config_sampling(&c);
    assert_string_equal(d.method, "bfn");
    assert_true(d.n_steps == 100 && d.eta < 0.0 && d.last == BFN_LAST_DEFAULT);
}

/* A copy of a text with the first `old` replaced. */
static char *edit(const char *text, const char *old, const char *fresh)
{
    const char *at = strstr(text, old);
    assert_non_null(at);
    size_t room = strlen(text) + strlen(fresh) + 1;
    char *out = malloc(room);
    assert_non_null(out);
    snprintf(out, room, "%.*s%s%s", (int)(at - text), text, fresh, at + strlen(old));
    return out;
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *old, *fresh, *words;
    } bad[] = {
        {gpt_nested, "n_layer: 2", "n_layers: 2", "model.net.parameters.n_layers"},
        {gpt_nested, "class_name: GPT", "class_name: GPT3",
         "model.net.class_name is \"GPT3\", allowed: GPT, UNetVDM, UNetModel"},
        {gpt_nested, "CategoricalFactory", "GMMFactory",
         "allowed: CategoricalFactory, BernoulliFactory, DeltaFactory, DiscretizedNormalFactory"},
        {gpt_nested, "CategoricalFactory", "DeltaFactory", "one that goes with the rest"},
        {gpt_nested, "TextInputAdapter", "FourierImageInputAdapter", "one that goes with the rest"},
        {gpt_nested, "output_size: 32", "output_size: 64",
         "model.input_adapter.parameters.output_size is \"64\", allowed: 32"},
        {gpt_nested, "text8", "enwik8", "data.dataset is \"enwik8\", allowed: text8"},
        {gpt_nested, "n_embd: 32", "n_embd: wide",
         "x.yaml: line 6: model.net.parameters.n_embd, here: network.n_embd: found \"wide\""},
        {gpt_nested, "lr: 1e-4", "lr: -1", "optimizer.lr, here: train.lr"},
        {gpt_nested, "lr: 1e-4", "learning_rate: 1", "optimizer.learning_rate"},
        {gpt_nested, "training:", "trainig:", "trainig"},
        {gpt_nested, "n_classes: 27", "n_classes: 28", "network.vocab_size"},
        {vdm1_nested, "noise_pred: True", "noise_pred: False",
         "model.loss.parameters.noise_pred is \"False\", allowed: true"},
        {vdm2_nested, "clip: True", "clip: False", "allowed: true"},
        {vdm2_nested, "num_bins: 256, clip", "num_bins: 256, min_std_dev: 0.1, clip", "allowed: 1e-3"},
        {adm_nested, "discretize: False", "discretize: True", "allowed: false"},
        {adm_nested, "bin_mnist", "bin_mnist_cts", "allowed: cifar10, mnist, bin_mnist"},
        {adm_nested, "image_size: 8, image", "image_size: 9, image", "data.image_size is \"9\", allowed: 8"},
        {vdm1_flat, "optimal_mean_and_std", "best", "sampling.initial_dist is \"best\""},
        {vdm1_flat, "ode_bfnsolver2_multi_step", "dpm", "sampling.algorithm, here: sampling.method: found \"dpm\""},
        {vdm1_flat, "name: UNetVDM", "title: UNetVDM", "net.name is missing"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        bfn__config c;
        bfn__net *net = NULL;
        char *yaml = edit(bad[i].yaml, bad[i].old, bad[i].fresh);
        bfn__config_init(&c);
        bfn_status status = bfn__config_parse(ctx, &c, yaml, strlen(yaml), "x.yaml");
        if (status == BFN_OK)
            status = bfn__config_resolve(ctx, &c, 0, &net);
        bfn__net_destroy(net);
        assert_says(status, BFN_ERR_ARGUMENT, bad[i].words);
        free(yaml);
    }
}

/* Weights that parse but are another network's: all misfits in one line. */
static void test_misfits(void **state)
{
    (void)state;
    bfn_model *model;
    char pt[4096], *yaml;
    snprintf(pt, sizeof pt, "%s/gpt_ema.pt", golden_folder());
    yaml = edit(gpt_flat, "n_layer: 2", "n_layer: 3");
    assert_says(load(&model, pt, yaml), BFN_ERR_INPUT,
                "gpt_ema.pt: 12 tensors do not fit: \"net.transformer.h.2.ln_1.weight\" is missing; ");
    free(yaml);
    yaml = edit(gpt_flat, "n_layer: 2", "n_layer: 1");
    assert_says(load(&model, pt, yaml), BFN_ERR_INPUT,
                "12 tensors belong to no part of this network: \"net.transformer.h.1.ln_1.weight\"");
    free(yaml);
    yaml = edit(gpt_nested, "seq_len: 24, output_size", "seq_len: 48, output_size");
    char *both = edit(yaml, "seq_len: 24}", "seq_len: 48}");
    assert_says(load(&model, pt, both), BFN_ERR_INPUT,
                "\"net.input_adapter.pos_embedding\" is [24, 32], the configuration needs [48, 32]");
    free(both);
    free(yaml);
    assert_says(load(&model, pt, vdm1_flat), BFN_ERR_INPUT, "tensors do not fit"); /* another kind of data */
    char *small = edit(gpt_flat, "n_layer: 2", "n_layer: x");
    assert_says(load(&model, pt, small), BFN_ERR_ARGUMENT, "given.yaml");
    free(small);
    bfn_model_options o = BFN_MODEL_OPTIONS_INIT;
    assert_says(bfn_model_load(ctx, &model, pt, &o), BFN_ERR_INPUT, "one that fits can be given: --config FILE");
    o.config_path = "nowhere.yaml";
    assert_says(bfn_model_load(ctx, &model, pt, &o), BFN_ERR_NOT_FOUND, "nowhere.yaml");
}

/* ---- the experiments of the papers ---- */

#define NESTED_CIFAR(height, factory, bins, variance)                                                                  \
    "data: {dataset: cifar10, horizontal_flip: False, num_bins: " bins "}\n"                                           \
    "model:\n"                                                                                                         \
    "  net: {class_name: UNetVDM, parameters: {embedding_dim: 128, n_blocks: 32, n_attention_heads: 1, dropout_prob: " \
    "0.1,"                                                                                                             \
    " norm_groups: 32, input_channels: 3, use_fourier_features: True, attention_everywhere: False, image_size: 32}}\n" \
    "  input_adapter: {class_name: FourierImageInputAdapter, parameters: {input_channels: 3, input_shape: [32, 32],"   \
    " output_height: 3, add_pos_feats: False, add_mask: False}}\n"                                                     \
    "  output_adapter: {class_name: OutputAdapter, parameters: {input_height: 131, output_channels: 3, "               \
    "output_height: " height "}}\n"                                                                                    \
    "  bayesian_flow: {class_name: CtsBayesianFlow, parameters: {min_variance: " variance "}}\n"                       \
    "  loss: {class_name: CtsBayesianFlowLoss, parameters: {noise_pred: True}}\n"                                      \
    "  distribution_factory: {class_name: " factory "}\n"                                                              \
    "optimizer: {lr: 2e-4, betas: [0.9, 0.99], weight_decay: 0.01, eps: 1e-8}\n"                                       \
    "training: {ema_decay: 0.9999, grad_clip_norm: 5.0, n_training_steps: 1_000_000}\n"

static const struct {
    const char *ours, *published;
    size_t batch;
} experiments[] = {
    {"text8-paper.yaml",
     "data: {dataset: text8, seq_len: 256}\n"
     "model:\n"
     "  net: {class_name: GPT, parameters: {vocab_size: 27, n_layer: 24, n_head: 12, n_embd: 768, dropout: 0.0, skip: "
     "True, bias: True}}\n"
     "  input_adapter: {class_name: TextInputAdapter, parameters: {vocab_size: 27, seq_len: 256, output_size: 768, "
     "learn_pos_embedding: False}}\n"
     "  output_adapter: null\n"
     "  bayesian_flow: {class_name: DiscreteBayesianFlow, parameters: {n_classes: 27, max_sqrt_beta: 0.75}}\n"
     "  loss: {class_name: DiscreteBayesianFlowLoss, parameters: {}}\n"
     "  distribution_factory: {class_name: CategoricalFactory, parameters: {}}\n"
     "optimizer: {lr: 1e-4, betas: [0.9, 0.98], weight_decay: 0.01}\n"
     "training: {accumulate: 1, ema_decay: 0.9999, grad_clip_norm: 5, n_training_steps: 10_000_000}\n",
     416},
    {"mnist-paper.yaml",
     "data: {dataset: bin_mnist}\n"
     "model:\n"
     "  net: {class_name: UNetModel, parameters: {image_size: 28, in_channels: 2, model_channels: 128, out_channels: "
     "128,"
     " num_res_blocks: 2, attention_resolutions: [8, 16], dropout: 0.5, channel_mult: [1, 2, 2], conv_resample: True, "
     "dims: 2,"
     " num_heads: 4, num_heads_upsample: -1, project_input: True, skip: True}}\n"
     "  input_adapter: {class_name: FourierImageInputAdapter, parameters: {input_channels: 1, input_shape: [28, 28],"
     " output_height: 2, add_pos_feats: False}}\n"
     "  output_adapter: {class_name: OutputAdapter, parameters: {input_height: 256, output_channels: 1, output_height: "
     "1}}\n"
     "  bayesian_flow: {class_name: DiscreteBayesianFlow, parameters: {n_classes: 2, max_sqrt_beta: 3, discretize: "
     "False}}\n"
     "  loss: {class_name: DiscreteBayesianFlowLoss, parameters: {}}\n"
     "  distribution_factory: {class_name: BernoulliFactory, parameters: {}}\n"
     "optimizer: {lr: 1e-4, betas: [0.9, 0.98]}\n"
     "training: {ema_decay: 0.9999, grad_clip_norm: 5.0, n_training_steps: 1_000_000}\n",
     512},
    {"cifar10-256c-paper.yaml", NESTED_CIFAR("1", "DeltaFactory, parameters: {}", "256", "1e-6"), 32},
    {"cifar10-16c-paper.yaml", NESTED_CIFAR("1", "DeltaFactory, parameters: {}", "16", "1e-3"), 32},
    {"cifar10-256d-paper.yaml",
     NESTED_CIFAR("2", "DiscretizedNormalFactory, parameters: {num_bins: 256, clip: True}", "256", "1e-6"), 32},
    {"cifar10-16d-paper.yaml",
     NESTED_CIFAR("2", "DiscretizedNormalFactory, parameters: {num_bins: 16, clip: True}", "16", "1e-3"), 32},
};

/* Our configuration of an experiment, with the size of its images, which the data would say. */
static void parse_ours(const char *name, bfn__config *c, bfn__net **net)
{
    char path[4096];
    bfn__bytes file;
    snprintf(path, sizeof path, "%s/configs/%s", BFN_SOURCE_DIR, name);
    assert_ok(bfn__file_map(ctx, path, 1 << 20, &file));
    bfn__config_init(c);
    assert_ok(bfn__config_parse(ctx, c, file.data, file.size, name));
    bfn__file_unmap(ctx, &file);
    if (c->data.kind == BFN__FORM_IMAGE && c->data.height == 0) {
        bool mnist = strncmp(name, "mnist", 5) == 0;
        c->data.height = c->data.width = mnist ? 28 : 32;
        c->data.channels = mnist ? 1 : 3;
    }
    assert_ok(bfn__config_resolve(ctx, c, 0, net));
}

/* The same network, flow and training by either file. A batch may be cut into passes. */
static void test_experiments(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof experiments / sizeof experiments[0]; i++) {
        bfn__config ours, published;
        bfn__net *a, *b;
        parse_ours(experiments[i].ours, &ours, &a);
        parse(&published, &b, experiments[i].published);
        assert_int_equal(ours.train.batch * ours.train.accumulate, experiments[i].batch);
        assert_int_equal(ours.train.steps, published.train.steps);
        published.train.batch = ours.train.batch;
        published.train.accumulate = ours.train.accumulate;
        if (ours.flow.kind + 1 == BFN_DATA_CONTINUOUS && ours.flow.n_classes == 0)
            ours.flow.n_classes = 256; /* what 0 stands for */
        assert_ok(bfn__config_compare(ctx, &ours, &published));
        assert_int_equal(bfn__net_n_params(a), bfn__net_n_params(b));
        bfn__net_destroy(a);
        bfn__net_destroy(b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_recorded_checkpoints, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(test_misfits, setup_scratch, teardown_scratch),
        cmocka_unit_test_setup_teardown(test_experiments, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
