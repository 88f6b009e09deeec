/* published.c: the YAML layouts of the code of arXiv 2308.07037 and of arXiv 2404.15766.
 *
 *   nested   model.net, model.input_adapter, ...: class_name and parameters; model.bayesian_flow, loss and distribution_factory say the
 *            kind of data; train_loader, optimizer and training say how it was trained
 *   flat     net.name, net.backbone, net.input_adapter, ...: name and the parameters beside it; bayesian_flow: parameters alone
 *   sampling (in either) what its samplers use by default
 *
 * The parameters have the same names in both, so one table says what each of them is here; a second one says where the two layouts keep
 * them. Dialect: True and False, numbers like 1_000, null for "not given".
 */
#include "model/published.h"

#include "model/config_fields.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum place { NET, IN, OUT, FLOW, LOSS, DIST, DATA, LOADER, OPTIMIZER, TRAINING, SAMPLING, N_PLACES } place;

/* Where a layout keeps parameters, and the class they belong to; NULL: nowhere. */
static const struct {
    const char *parameters[2], *name[2]; /* nested, flat */
} places[N_PLACES] = {
    [NET] = {{"model.net.parameters", "net.backbone"}, {"model.net.class_name", "net.name"}},
    [IN] = {{"model.input_adapter.parameters", "net.input_adapter"},
            {"model.input_adapter.class_name", "net.input_adapter.name"}},
    [OUT] = {{"model.output_adapter.parameters", "net.output_adapter"},
             {"model.output_adapter.class_name", "net.output_adapter.name"}},
    [FLOW] = {{"model.bayesian_flow.parameters", "bayesian_flow"}, {"model.bayesian_flow.class_name", NULL}},
    [LOSS] = {{"model.loss.parameters", NULL}, {"model.loss.class_name", NULL}},
    [DIST] = {{"model.distribution_factory.parameters", NULL}, {"model.distribution_factory.class_name", NULL}},
    [DATA] = {{"data", "data"}, {NULL, NULL}},
    [LOADER] = {{"train_loader", "train_loader"}, {NULL, NULL}},
    [OPTIMIZER] = {{"optimizer", "optimizer"}, {NULL, NULL}},
    [TRAINING] = {{"training", "training"}, {NULL, NULL}},
    [SAMPLING] = {{"sampling", "sampling"}, {NULL, NULL}},
};

/* What a row belongs to: networks, and kinds of data by their distribution. */
enum { GPT = 1, VDM = 2, ADM = 4, UNETS = VDM | ADM, NETS = 7 };
enum { DISCRETE = 8, DELTA = 16, BINS = 32, MEANS = DELTA | BINS, KINDS = 56, ANY = 63 };

typedef enum treatment {
    SET,     /* the value goes to our key */
    ABOVE_0, /* ... and a negative one, which switches something off, is our 0 */
    SAME,    /* it must be what our key has got from elsewhere */
    MUST,    /* it must be `value`: we have nothing else */
    IGNORE   /* it says nothing that we need */
} treatment;

typedef struct key_row {
    place place;
    const char *name;
    unsigned what;
    treatment how;
    const char *key;   /* ours */
    const char *value; /* SET: the published default, NULL: ours; MUST */
} key_row;

/* clang-format off */
static const key_row rows[] = {
    {NET, "vocab_size", GPT, SET, "network.vocab_size", NULL},
    {NET, "n_layer", GPT, SET, "network.n_layer", "12"},
    {NET, "n_head", GPT, SET, "network.n_head", "12"},
    {NET, "n_embd", GPT, SET, "network.n_embd", "768"},
    {NET, "dropout", GPT, SET, "network.dropout", "0"},
    {NET, "bias", GPT, SET, "network.bias", "true"},
    {NET, "skip", GPT, SET, "network.skip", "false"},
    {NET, "is_causal", GPT, SET, "network.is_causal", "false"},
    {NET, "embedding_dim", VDM, SET, "network.embedding_dim", "128"},
    {NET, "n_blocks", VDM, SET, "network.n_blocks", "32"},
    {NET, "n_attention_heads", VDM, SET, "network.n_attention_heads", "1"},
    {NET, "dropout_prob", VDM, SET, "network.dropout_prob", "0.1"},
    {NET, "norm_groups", VDM, SET, "network.norm_groups", "32"},
    {NET, "input_channels", VDM, SET, "network.input_channels", "3"},
    {NET, "use_fourier_features", VDM, SET, "network.use_fourier_features", "true"},
    {NET, "attention_everywhere", VDM, SET, "network.attention_everywhere", "false"},
    {NET, "image_size", UNETS, SET, "network.image_size", "32"},
    {NET, "in_channels", ADM, SET, "network.in_channels", "3"},
    {NET, "model_channels", ADM, SET, "network.model_channels", "128"},
    {NET, "out_channels", ADM, SET, "network.out_channels", "128"},
    {NET, "num_res_blocks", ADM, SET, "network.num_res_blocks", "3"},
    {NET, "attention_resolutions", ADM, SET, "network.attention_resolutions", "[8, 16]"},
    {NET, "dropout", ADM, SET, "network.dropout", "0"},
    {NET, "channel_mult", ADM, SET, "network.channel_mult", "[1, 2, 2, 2]"},
    {NET, "conv_resample", ADM, SET, "network.conv_resample", "true"},
    {NET, "dims", ADM, SET, "network.dims", "2"},
    {NET, "skip", ADM, SET, "network.skip", "true"},
    {NET, "num_classes", ADM, SET, "network.num_classes", "0"},
    {NET, "use_checkpoint", ADM, IGNORE, NULL, NULL}, /* memory against time in training */
    {NET, "num_heads", ADM, SET, "network.num_heads", "4"},
    {NET, "num_heads_upsample", ADM, SET, "network.num_heads_upsample", "-1"},
    {NET, "use_scale_shift_norm", ADM, SET, "network.use_scale_shift_norm", "false"},
    {NET, "project_input", ADM, SET, "network.project_input", "false"},
    {IN, "seq_len", GPT, SET, "data.seq_len", NULL},
    {IN, "vocab_size", GPT, SAME, "network.vocab_size", NULL},
    {IN, "output_size", GPT, SAME, "network.n_embd", NULL},
    {IN, "learn_pos_embedding", GPT, SET, "network.learn_pos_embedding", "false"},
    {IN, "input_channels", UNETS, SET, "data.channels", "3"},
    {IN, "input_shape", UNETS, SET, "network.input_adapter.input_shape", NULL},
    {IN, "n_freq_bands", UNETS, SET, "network.input_adapter.n_freq_bands", "64"},
    {IN, "output_height", UNETS, SET, "network.input_adapter.output_height", "256"},
    {IN, "value_res", UNETS, SET, "network.input_adapter.value_res", "-1"},
    {IN, "mask_res", UNETS, SET, "network.input_adapter.mask_res", "-1"},
    {IN, "add_pos_feats", UNETS, SET, "network.input_adapter.add_pos_feats", "true"},
    {IN, "add_mask", UNETS, SET, "network.input_adapter.add_mask", "true"},
    {IN, "learn_pos_feats", UNETS, SET, "network.input_adapter.learn_pos_feats", "false"},
    {IN, "pos_embed_size", UNETS, SET, "network.input_adapter.pos_embed_size", "32"},
    {IN, "init_scale", UNETS, IGNORE, NULL, NULL}, /* of weights that are loaded or drawn by our own rule */
    {OUT, "input_height", UNETS, IGNORE, NULL, NULL}, /* follows; the shapes of the tensors are compared anyway */
    {OUT, "output_channels", UNETS, SET, "network.output_channels", NULL},
    {OUT, "output_height", UNETS, SET, "network.output_height", NULL},
    {FLOW, "n_classes", DISCRETE, SET, "flow.n_classes", NULL},
    {FLOW, "max_sqrt_beta", DISCRETE, SET, "flow.max_sqrt_beta", "1"},
    {FLOW, "min_sqrt_beta", DISCRETE, IGNORE, NULL, NULL}, /* guards of its arithmetic: */
    {FLOW, "epsilon", DISCRETE, IGNORE, NULL, NULL},
    {FLOW, "discretize", DISCRETE, MUST, NULL, "false"},
    {FLOW, "min_variance", MEANS, SET, "flow.min_variance", "1e-6"},
    {LOSS, "noise_pred", MEANS, MUST, NULL, "true"},
    {LOSS, "min_loss_variance", MEANS, MUST, NULL, "-1"},
    {DIST, "clip_range", DELTA, ABOVE_0, "flow.clip", "1"},
    {DIST, "num_bins", BINS, SET, "flow.n_classes", NULL},
    {DIST, "clip", BINS, MUST, NULL, "true"},
    {DIST, "min_std_dev", BINS, MUST, NULL, "1e-3"},
    {DIST, "max_std_dev", BINS, MUST, NULL, "10"},
    {DIST, "min_prob", BINS, MUST, NULL, "1e-5"},
    {DIST, "log_dev", BINS, IGNORE, NULL, NULL}, /* its noise prediction switches it off */
    {DATA, "dataset", ANY, IGNORE, NULL, NULL}, /* see read_dataset */
    {DATA, "data_dir", ANY, IGNORE, NULL, NULL},
    {DATA, "seq_len", GPT, SAME, "data.seq_len", NULL},
    {DATA, "vocab_size", GPT, SAME, "network.vocab_size", NULL},
    {DATA, "num_bins", MEANS, SET, "flow.n_classes", NULL},
    {DATA, "num_bins", DISCRETE, IGNORE, NULL, NULL},
    {DATA, "horizontal_flip", UNETS, SET, "data.flip", "false"},
    {DATA, "val_frac", UNETS, SET, "data.valid", "0.01"},
    {DATA, "image_size", UNETS, SAME, "network.image_size", NULL},
    {DATA, "image_channels", UNETS, SAME, "data.channels", NULL},
    {LOADER, "batch_size", ANY, SET, "train.batch", NULL},
    {LOADER, "shuffle", ANY, IGNORE, NULL, NULL},
    {LOADER, "num_workers", ANY, IGNORE, NULL, NULL},
    {LOADER, "pin_memory", ANY, IGNORE, NULL, NULL},
    {LOADER, "drop_last", ANY, IGNORE, NULL, NULL},
    {LOADER, "persistent_workers", ANY, IGNORE, NULL, NULL},
    {OPTIMIZER, "lr", ANY, SET, "train.lr", "1e-3"},
    {OPTIMIZER, "betas", ANY, SET, "train.betas", "[0.9, 0.999]"},
    {OPTIMIZER, "weight_decay", ANY, SET, "train.weight_decay", "0.01"},
    {OPTIMIZER, "eps", ANY, SET, "train.eps", "1e-8"},
    {TRAINING, "accumulate", ANY, SET, "train.accumulate", "1"},
    {TRAINING, "checkpoint_dir", ANY, IGNORE, NULL, NULL},
    {TRAINING, "checkpoint_interval", ANY, SET, "train.checkpoint_every", NULL},
    {TRAINING, "ema_decay", ANY, ABOVE_0, "train.ema", "0"},
    {TRAINING, "grad_clip_norm", ANY, ABOVE_0, "train.clip_norm", "0"},
    {TRAINING, "log_interval", ANY, SET, "train.log_every", NULL},
    {TRAINING, "max_val_batches", ANY, IGNORE, NULL, NULL}, /* its validation repeats the whole set */
    {TRAINING, "n_training_steps", ANY, SET, "train.steps", NULL},
    {TRAINING, "seed", ANY, SET, "train.seed", NULL},
    {TRAINING, "start_step", ANY, IGNORE, NULL, NULL},
    {TRAINING, "val_interval", ANY, SET, "train.valid_every", NULL},
    {TRAINING, "val_repeats", ANY, IGNORE, NULL, NULL},
    {SAMPLING, "algorithm", ANY, SET, "sampling.method", NULL},
    {SAMPLING, "n_steps", ANY, SET, "sampling.steps", NULL},
    {SAMPLING, "n_samples", ANY, SET, "sampling.n", NULL},
    {SAMPLING, "seed", ANY, SET, "sampling.seed", NULL},
    {SAMPLING, "eta", ANY, IGNORE, NULL, NULL}, /* these five: see read_sampling */
    {SAMPLING, "last_drop", ANY, IGNORE, NULL, NULL},
    {SAMPLING, "addi_step", ANY, IGNORE, NULL, NULL},
    {SAMPLING, "cate_samp", ANY, IGNORE, NULL, NULL},
    {SAMPLING, "initial_dist", ANY, IGNORE, NULL, NULL},
    {SAMPLING, "batch_size", ANY, IGNORE, NULL, NULL}, /* speed and memory, not results */
    {SAMPLING, "save_path", ANY, IGNORE, NULL, NULL},
    {SAMPLING, "mean_std_path", ANY, IGNORE, NULL, NULL},
    {SAMPLING, "fid_stat", ANY, IGNORE, NULL, NULL},
};
/* clang-format on */
enum { N_ROWS = sizeof rows / sizeof rows[0] };

typedef struct reading {
    bfn_context *ctx;
    bfn__yaml *tree;
    const char *label;
    bfn__config *config;
    int layout;    /* 0: nested, 1: flat */
    unsigned what; /* bits of the network and of the kind of data */
} reading;

enum { PATH = 160 };

bool bfn__published_is(bfn__yaml *tree)
{
    const bfn__yaml_node *model = bfn__yaml_find(tree, "model.net"), *net = bfn__yaml_find(tree, "net");
    return (model != NULL && model->kind == BFN__YAML_MAPPING) || (net != NULL && net->kind == BFN__YAML_MAPPING);
}

/* ---- values ---- */

static void row_path(const reading *r, const key_row *row, char path[PATH])
{
    snprintf(path, PATH, "%s.%s", places[row->place].parameters[r->layout], row->name);
}

/* 1_000 as 1000, True as true: what our own reader takes. */
static void plain_text(char *text)
{
    char *to = text;
    bool number = strspn(text, "0123456789_") == strlen(text);
    for (const char *c = text; *c != '\0'; c++)
        if (*c != '_' || !number)
            *to++ = *c;
    *to = '\0';
    if (strcmp(text, "True") == 0 || strcmp(text, "TRUE") == 0)
        memcpy(text, "true", 5);
    if (strcmp(text, "False") == 0 || strcmp(text, "FALSE") == 0)
        memcpy(text, "false", 6);
}

static bool is_null(const char *text)
{
    return text[0] == '\0' || strcmp(text, "null") == 0 || strcmp(text, "~") == 0 || strcmp(text, "None") == 0;
}

/* The value at a path as text; false: there is none (or null). */
static bool find_text(const reading *r, const char *path, char text[BFN__FIELD_TEXT])
{
    const bfn__yaml_node *node = path != NULL ? bfn__yaml_find(r->tree, path) : NULL;
    if (path != NULL)
        bfn__yaml_allow(r->tree, path, false);
    if (node == NULL || !bfn__config_node_text(node, text))
        return false;
    plain_text(text);
    return !is_null(text);
}

/* Our message says what is wrong with our key; the reader of the file looks for theirs. */
static bfn_status set(const reading *r, const char *path, const char *key, const char *text)
{
    bfn_status status = bfn__config_set(r->ctx, r->config, key, text);
    const bfn__yaml_node *node = bfn__yaml_find(r->tree, path);
    char where[2 * PATH + 64];
    if (status == BFN_OK)
        return BFN_OK;
    snprintf(where, sizeof where, "%.*s: line %zu: %s, here", PATH, r->label, node != NULL ? node->line : 0, path);
    return bfn__fail_prefix(r->ctx, status, where);
}

static bool same_value(const char *a, const char *b)
{
    double x, y;
    return strcmp(a, b) == 0 || (bfn__parse_number(a, &x) && bfn__parse_number(b, &y) && x == y);
}

static bfn_status check_same(const reading *r, const char *path, const key_row *row, const char *text)
{
    char is[BFN__FIELD_TEXT];
    bfn__config_get(r->config, row->key, is);
    if (is[0] == '\0' || same_value(text, is))
        return BFN_OK;
    return bfn__yaml_fail(r->tree, path, "%s, which stands elsewhere in the file", is);
}

static bfn_status read_row(const reading *r, const key_row *row)
{
    char path[PATH], text[BFN__FIELD_TEXT];
    row_path(r, row, path);
    bool found = find_text(r, path, text);
    if (!found && row->how != SET && row->how != ABOVE_0)
        return BFN_OK;
    switch (row->how) {
    case SAME:
        return check_same(r, path, row, text);
    case MUST:
        return same_value(text, row->value) ? BFN_OK : bfn__yaml_fail(r->tree, path, "%s", row->value);
    case IGNORE:
        return BFN_OK;
    case ABOVE_0:
        if (found && text[0] == '-')
            return set(r, path, row->key, "0");
        break;
    case SET:
        break;
    }
    if (!found && row->value == NULL)
        return BFN_OK;
    return set(r, path, row->key, found ? text : row->value);
}

/* Rows of the treatment `how` (or of all others) that belong to the network and kind of data. */
static bfn_status read_rows(const reading *r, bool same)
{
    bfn_status status = BFN_OK;
    for (size_t i = 0; i < N_ROWS && status == BFN_OK; i++) {
        const key_row *row = &rows[i];
        unsigned nets = row->what & NETS, kinds = row->what & KINDS;
        bool fits = (nets == 0 || (nets & r->what) != 0) && (kinds == 0 || (kinds & r->what) != 0);
        if (fits && places[row->place].parameters[r->layout] != NULL && (row->how == SAME) == same)
            status = read_row(r, row);
    }
    return status;
}

/* ---- classes ---- */

typedef struct class_name {
    place place;
    const char *name;
    unsigned what;
    const char *key, *value; /* of ours, that the name sets */
} class_name;

static const class_name classes[] = {
    {NET, "GPT", GPT, "network.class", "gpt"},
    {NET, "UNetVDM", VDM, "network.class", "unet_vdm"},
    {NET, "UNetModel", ADM, "network.class", "unet_adm"},
    {IN, "TextInputAdapter", GPT, "data.kind", "text"},
    {IN, "FourierImageInputAdapter", UNETS, "data.kind", "image"},
    {OUT, "OutputAdapter", UNETS, NULL, NULL},
    {FLOW, "DiscreteBayesianFlow", DISCRETE, NULL, NULL},
    {FLOW, "CtsBayesianFlow", MEANS, NULL, NULL},
    {LOSS, "DiscreteBayesianFlowLoss", DISCRETE, NULL, NULL},
    {LOSS, "CtsBayesianFlowLoss", MEANS, NULL, NULL},
    {DIST, "CategoricalFactory", DISCRETE, "flow.kind", "discrete"},
    {DIST, "BernoulliFactory", DISCRETE, "flow.kind", "discrete"},
    {DIST, "DeltaFactory", DELTA, "flow.kind", "continuous"},
    {DIST, "DiscretizedNormalFactory", BINS, "flow.kind", "discretised"},
};
enum { N_CLASSES = sizeof classes / sizeof classes[0] };

static bfn_status unknown_class(const reading *r, place where, const char *path)
{
    char allowed[BFN__FIELD_TEXT] = "";
    size_t used = 0;
    for (size_t i = 0; i < N_CLASSES; i++)
        if (classes[i].place == where && used < sizeof allowed)
            used +=
                (size_t)snprintf(allowed + used, sizeof allowed - used, "%s%s", used > 0 ? ", " : "", classes[i].name);
    return bfn__yaml_fail(r->tree, path, "%s", allowed);
}

/* The class at a place, into r->what; a place without a name has none (an output adapter of null). */
static bfn_status read_class(reading *r, place where)
{
    const char *path = places[where].name[r->layout];
    char text[BFN__FIELD_TEXT];
    if (!find_text(r, path, text))
        return BFN_OK;
    size_t i = 0;
    while (i < N_CLASSES && (classes[i].place != where || strcmp(classes[i].name, text) != 0))
        i++;
    if (i == N_CLASSES)
        return unknown_class(r, where, path);
    const class_name *found = &classes[i];
    unsigned mask = (found->what & NETS) != 0 ? NETS : KINDS;
    if ((r->what & mask) != 0 && (r->what & found->what) == 0)
        return bfn__yaml_fail(r->tree, path, "one that goes with the rest of the model");
    r->what |= (r->what & mask) == 0 ? found->what : 0;
    return found->key != NULL ? set(r, path, found->key, found->value) : BFN_OK;
}

/* Nothing names the kind of data in the flat layout: its numbers tell it. */
static bfn_status guess_kind(reading *r)
{
    char path[PATH], text[BFN__FIELD_TEXT];
    static const key_row classes_row = {FLOW, "n_classes", 0, SET, NULL, NULL},
                         height_row = {OUT, "output_height", 0, SET, NULL, NULL};
    row_path(r, &classes_row, path);
    bool discrete = find_text(r, path, text);
    row_path(r, &height_row, path);
    bool bins = !discrete && find_text(r, path, text) && same_value(text, "2");
    r->what |= discrete ? DISCRETE : bins ? BINS : DELTA;
    return bfn__config_set(r->ctx, r->config, "flow.kind", discrete ? "discrete" : bins ? "discretised" : "continuous");
}

static bfn_status read_classes(reading *r)
{
    static const place others[] = {IN, OUT, DIST, FLOW, LOSS};
    bfn_status status = read_class(r, NET);
    if (status == BFN_OK && (r->what & NETS) == 0)
        return bfn__fail(r->ctx, BFN_ERR_ARGUMENT, "%s: %s is missing, allowed: GPT, UNetVDM, UNetModel", r->label,
                         places[NET].name[r->layout]);
    for (size_t i = 0; i < sizeof others / sizeof others[0] && status == BFN_OK; i++)
        status = read_class(r, others[i]);
    if (status != BFN_OK)
        return status;
    status = bfn__config_set(r->ctx, r->config, "data.kind", (r->what & GPT) != 0 ? "text" : "image");
    return status == BFN_OK && (r->what & KINDS) == 0 ? guess_kind(r) : status;
}

/* ---- what is not one key for one key ---- */

static bfn_status read_dataset(const reading *r)
{
    static const char *const images[] = {"cifar10", "mnist", "bin_mnist"};
    char text[BFN__FIELD_TEXT];
    bool is_text = (r->what & GPT) != 0, known = false;
    if (!find_text(r, "data.dataset", text))
        return BFN_OK;
    for (size_t i = 0; i < sizeof images / sizeof images[0]; i++)
        known = known || strcmp(text, images[i]) == 0;
    if (is_text && strcmp(text, "text8") == 0)
        return set(r, "data.dataset", "data.alphabet", "text8");
    if (!is_text && known)
        return BFN_OK;
    return bfn__yaml_fail(r->tree, "data.dataset", is_text ? "text8" : "cifar10, mnist, bin_mnist");
}

/* The size of the images is written in the adapter. */
static bfn_status read_shape(const reading *r)
{
    static const char *const ours[] = {"data.height", "data.width"};
    bfn_status status = BFN_OK;
    for (int i = 0; i < 2 && status == BFN_OK && (r->what & UNETS) != 0; i++) {
        char key[64], is[BFN__FIELD_TEXT];
        snprintf(key, sizeof key, "network.input_adapter.input_shape.%d", i);
        bfn__config_get(r->config, key, is);
        if (is[0] == '\0')
            bfn__config_get(r->config, "network.image_size", is);
        status = bfn__config_set(r->ctx, r->config, ours[i], is);
    }
    return status;
}

static bool says(const reading *r, const char *path, const char *word)
{
    char text[BFN__FIELD_TEXT];
    return find_text(r, path, text) && strcmp(text, word) == 0;
}

/* Times and last step are the solvers'; the original sampler has its own. */
static bfn_status read_sampling(const reading *r)
{
    char text[BFN__FIELD_TEXT];
    bfn_status status = BFN_OK;
    bool original = says(r, "sampling.algorithm", "bfn"), drop = !says(r, "sampling.last_drop", "false");
    if (bfn__yaml_find(r->tree, "sampling") == NULL || original)
        return BFN_OK;
    if (find_text(r, "sampling.eta", text))
        status = set(r, "sampling.eta", "sampling.eta", text);
    if (status == BFN_OK)
        status = set(r, "sampling.last_drop", "sampling.last",
                     drop                                    ? "predict"
                     : says(r, "sampling.addi_step", "true") ? "call"
                                                             : "update");
    if (status == BFN_OK && says(r, "sampling.cate_samp", "true"))
        status = set(r, "sampling.cate_samp", "sampling.prediction", "draw");
    if (status == BFN_OK && find_text(r, "sampling.initial_dist", text)) {
        if (strcmp(text, "zero_mean_and_std") != 0 && strcmp(text, "optimal_mean_and_std") != 0)
            return bfn__yaml_fail(r->tree, "sampling.initial_dist", "zero_mean_and_std, optimal_mean_and_std");
        status = set(r, "sampling.initial_dist", "sampling.start", text[0] == 'z' ? "zero" : "moments");
    }
    return status;
}

/* Sections that say nothing of the model, and the mappings on the way to the parameters. */
static void allow_sections(const reading *r)
{
    static const char *const whole[] = {"meta", "val_loader"};
    static const char *const on_the_way[] = {"model",
                                             "model.net",
                                             "model.input_adapter",
                                             "model.output_adapter",
                                             "model.bayesian_flow",
                                             "model.loss",
                                             "model.distribution_factory",
                                             "net"};
    for (size_t i = 0; i < sizeof whole / sizeof whole[0]; i++)
        bfn__yaml_allow(r->tree, whole[i], true);
    for (size_t i = 0; i < sizeof on_the_way / sizeof on_the_way[0]; i++)
        bfn__yaml_allow(r->tree, on_the_way[i], false);
    for (size_t i = 0; i < N_PLACES; i++)
        if (places[i].parameters[r->layout] != NULL)
            bfn__yaml_allow(r->tree, places[i].parameters[r->layout], false);
}

bfn_status bfn__published_read(bfn_context *ctx, bfn__yaml *tree, const char *label, bfn__config *config)
{
    reading r = {.ctx = ctx, .tree = tree, .label = label, .config = config};
    r.layout = bfn__yaml_find(tree, "model.net") != NULL ? 0 : 1;
    allow_sections(&r);
    bfn_status status = bfn__config_set(ctx, config, "train.schedule", "constant");
    if (status == BFN_OK)
        status = bfn__config_set(ctx, config, "train.warmup", "0");
    if (status == BFN_OK)
        status = read_classes(&r);
    if (status == BFN_OK)
        status = read_rows(&r, false);
    if (status == BFN_OK)
        status = read_shape(&r);
    if (status == BFN_OK)
        status = read_rows(&r, true);
    if (status == BFN_OK)
        status = read_dataset(&r);
    if (status == BFN_OK)
        status = read_sampling(&r);
    return status == BFN_OK ? bfn__yaml_check_unknown(tree, NULL) : status;
}
