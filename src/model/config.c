/* config.c: defaults, overrides, resolving, writing and comparing configurations (config_fields.c has the table).
 *
 * The network's own options are not in the table: they are handed to the network's class, which knows their names and ranges, and come
 * back complete. A list "x: [1, 2]" is handed on as x.0 and x.1, a mapping "x: {y: 1}" as x.y. Options that follow from data and flow
 * (a second small table) are handed in too, and are refused where they contradict them.
 */
#include "model/config_fields.h"

#include "base/nearest.h"
#include "bfn/train.h"
#include "io/yaml.h"
#include "model/published.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const char network_prefix[] = "network.";

void bfn__config_init(bfn__config *config)
{
    memset(config, 0, sizeof *config);
    for (size_t i = 0; i < bfn__n_fields(); i++) {
        const bfn__field *field = bfn__field_at(i);
        char *at = (char *)config + field->offset;
        for (size_t j = 0; j < field->n; j++) {
            double value = field->fallback[j];
            if (field->type == BFN__FIELD_REAL)
                ((double *)(void *)at)[j] = value;
            else if (field->type == BFN__FIELD_SIZE)
                *(size_t *)(void *)at = (size_t)value;
            else if (field->type == BFN__FIELD_SEED)
                *(uint64_t *)(void *)at = (uint64_t)value;
            else
                *(int *)(void *)at = (int)value;
        }
    }
}

const char *bfn__config_class(const bfn__config *config)
{
    static const char *const names[] = {"gpt", "unet_vdm", "unet_adm"};
    return names[config->network.class_index];
}

size_t bfn__config_positions(const bfn__config *config)
{
    if (config->data.kind == BFN__FORM_TEXT)
        return config->data.seq_len;
    return config->data.height * config->data.width * config->data.channels;
}

size_t bfn__config_levels(const bfn__config *config)
{
    if (config->flow.n_classes != 0)
        return config->flow.n_classes;
    return config->flow.kind + 1 == BFN_DATA_DISCRETE ? 2 : 256;
}

bfn_flow bfn__config_flow(const bfn__config *config)
{
    bfn_flow flow = BFN_FLOW_INIT;
    flow.kind = (bfn_data_kind)(config->flow.kind + 1);
    bool discrete = flow.kind == BFN_DATA_DISCRETE;
    flow.n_classes = config->flow.n_classes;
    flow.max_sqrt_beta = discrete ? config->flow.max_sqrt_beta : 0.0;
    flow.min_variance = discrete ? 0.0 : config->flow.min_variance;
    flow.clip = flow.kind == BFN_DATA_CONTINUOUS ? config->flow.clip : 0.0;
    return flow;
}

bfn_sampling_defaults bfn__config_sampling(const bfn__config *config)
{
    bfn_sampling_defaults d = {.n_steps = config->sampling.steps,
                               .n_evaluations = config->sampling.nfe,
                               .eta = config->sampling.eta,
                               .last = (bfn_last)config->sampling.last,
                               .prediction = (bfn_prediction)config->sampling.prediction,
                               .grid = (bfn_grid)config->sampling.grid,
                               .start = (bfn_start)config->sampling.start,
                               .n = config->sampling.n,
                               .seed = config->sampling.seed};
    char word[BFN__FIELD_TEXT];
    bfn__config_get(config, "sampling.method", word);
    if (config->sampling.method > 0)
        snprintf(d.method, sizeof d.method, "%.31s", word);
    return d;
}

/* ---- setting fields by name ---- */

static const bfn__field *find_field(const char *key)
{
    for (size_t i = 0; i < bfn__n_fields(); i++)
        if (strcmp(bfn__field_at(i)->name, key) == 0)
            return bfn__field_at(i);
    return NULL;
}

static const char *field_name(const void *user, size_t i)
{
    (void)user;
    return bfn__field_at(i)->name;
}

static bfn_status unknown_key(bfn_context *ctx, const char *key)
{
    size_t near = bfn__nearest(key, bfn__n_fields(), field_name, NULL);
    if (near < bfn__n_fields())
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "%s: no such key, nearest is %s", key, bfn__field_at(near)->name);
    return bfn__fail(ctx, BFN_ERR_ARGUMENT, "%s: no such key; `bfn help config` lists them", key);
}

static bool word_value(const char *text, double *value)
{
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0) {
        *value = text[0] == 't';
        return true;
    }
    return bfn__parse_number(text, value);
}

/* An option of the network: any name, a number or true/false; the network's class judges it when it is built. */
static bfn_status set_network_option(bfn_context *ctx, bfn__config *config, const char *key, const char *text)
{
    double value;
    if (strlen(key) >= BFN__CONFIG_MAX_KEY)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "network.%.60s: no such key", key);
    if (!word_value(text, &value))
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "network.%s: found \"%s\", needs a number, true or false", key, text);
    size_t i = 0;
    while (i < config->network.n_options && strcmp(config->network.keys[i], key) != 0)
        i++;
    if (i == BFN__CONFIG_MAX_OPTIONS)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "network: more than %d options", BFN__CONFIG_MAX_OPTIONS);
    memcpy(config->network.keys[i], key, strlen(key) + 1);
    config->network.values[i] = value;
    if (i == config->network.n_options)
        config->network.n_options++;
    return BFN_OK;
}

/* Members "key.0", "key.1", ... of an earlier list, so that a shorter one leaves none of them behind. */
static void forget_list(bfn__config *config, const char *key)
{
    size_t n = strlen(key), kept = 0;
    for (size_t i = 0; i < config->network.n_options; i++) {
        const char *name = config->network.keys[i];
        if (strncmp(name, key, n) == 0 && name[n] == '.' && strspn(name + n + 1, "0123456789") == strlen(name + n + 1))
            continue;
        memmove(config->network.keys[kept], name, strlen(name) + 1);
        config->network.values[kept++] = config->network.values[i];
    }
    config->network.n_options = kept;
}

/* "1,2,2" or "[1, 2, 2]" as members of a list. */
static bfn_status set_network_list(bfn_context *ctx, bfn__config *config, const char *key, const char *text)
{
    bfn_status status = BFN_OK;
    size_t n = strlen(text);
    bool brackets = n >= 2 && text[0] == '[' && text[n - 1] == ']';
    const char *c = text + brackets, *end = text + n - brackets;
    forget_list(config, key);
    for (size_t i = 0; c <= end && status == BFN_OK; i++) {
        char name[2 * BFN__CONFIG_MAX_KEY], item[64];
        c += strspn(c, " ");
        size_t length = strcspn(c, ",] ");
        snprintf(name, sizeof name, "%.60s.%zu", key, i);
        snprintf(item, sizeof item, "%.*s", length < 60 ? (int)length : 60, c);
        status = set_network_option(ctx, config, name, item);
        c += length;
        c += strspn(c, " ");
        if (c >= end)
            break;
        if (*c++ != ',')
            return bfn__fail(ctx, BFN_ERR_ARGUMENT, "network.%s: found \"%s\", needs numbers separated by commas", key,
                             text);
    }
    return status;
}

static bfn_status set_network(bfn_context *ctx, bfn__config *config, const char *key, const char *text)
{
    if (text[0] == '[' || strchr(text, ',') != NULL)
        return set_network_list(ctx, config, key, text);
    return set_network_option(ctx, config, key, text);
}

bfn_status bfn__config_set(bfn_context *ctx, bfn__config *config, const char *key, const char *value)
{
    const bfn__field *field = find_field(key);
    if (field != NULL)
        return bfn__field_read(ctx, field, config, value);
    if (strncmp(key, network_prefix, strlen(network_prefix)) == 0)
        return set_network(ctx, config, key + strlen(network_prefix), value);
    return unknown_key(ctx, key);
}

bfn_status bfn__config_override(bfn_context *ctx, bfn__config *config, const char *assignment)
{
    char key[2 * BFN__CONFIG_MAX_KEY];
    size_t n = strcspn(assignment, "=");
    if (assignment[n] != '=' || n == 0 || n >= sizeof key)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "--set %s: needs section.key=value, for example train.lr=1e-3",
                         assignment);
    memcpy(key, assignment, n);
    key[n] = '\0';
    return bfn__config_set(ctx, config, key, assignment + n + 1);
}

/* ---- reading YAML ---- */

bool bfn__config_node_text(const bfn__yaml_node *node, char text[BFN__FIELD_TEXT])
{
    if (node->kind == BFN__YAML_SCALAR)
        return snprintf(text, BFN__FIELD_TEXT, "%s", node->value) < BFN__FIELD_TEXT;
    if (node->kind != BFN__YAML_SEQUENCE)
        return false;
    size_t used = (size_t)snprintf(text, BFN__FIELD_TEXT, "[");
    for (const bfn__yaml_node *item = node->first; item != NULL; item = item->next) {
        if (item->kind != BFN__YAML_SCALAR)
            return false;
        used += (size_t)snprintf(text + used, BFN__FIELD_TEXT - used, "%s%s", used > 1 ? "," : "", item->value);
        if (used + 1 >= BFN__FIELD_TEXT)
            return false;
    }
    memcpy(text + used, "]", 2);
    return true;
}

static bfn_status at_line(bfn_context *ctx, bfn_status status, const char *label, size_t line)
{
    char where[256];
    snprintf(where, sizeof where, "%s: line %zu", label, line);
    return status == BFN_OK ? BFN_OK : bfn__fail_prefix(ctx, status, where);
}

/* One key of a section; the network's options may be mappings of keys again, which are joined by points. */
static bfn_status parse_entry(bfn_context *ctx, bfn__config *config, const char *section, const bfn__yaml_node *node)
{
    char key[3 * BFN__CONFIG_MAX_KEY], text[BFN__FIELD_TEXT];
    snprintf(key, sizeof key, "%.50s.%.90s", section, node->key);
    if (node->kind == BFN__YAML_MAPPING && strncmp(section, "network", 7) == 0) {
        bfn_status status = BFN_OK;
        for (const bfn__yaml_node *n = node->first; n != NULL && status == BFN_OK; n = n->next)
            status = parse_entry(ctx, config, key, n);
        return status;
    }
    if (!bfn__config_node_text(node, text))
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "%s: needs a value or a list of values", key);
    return bfn__config_set(ctx, config, key, text);
}

static bool is_section(const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < bfn__n_fields(); i++)
        if (strncmp(bfn__field_at(i)->name, name, n) == 0 && bfn__field_at(i)->name[n] == '.')
            return true;
    return false;
}

static bfn_status parse_section(bfn_context *ctx, bfn__config *config, const bfn__yaml_node *section, const char *label)
{
    if (!is_section(section->key)) {
        bfn_status status = bfn__fail(
            ctx, BFN_ERR_ARGUMENT, "%s: no such section, allowed: data, network, flow, train, sampling", section->key);
        return at_line(ctx, status, label, section->line);
    }
    if (section->kind != BFN__YAML_MAPPING) {
        bfn_status status = bfn__fail(ctx, BFN_ERR_ARGUMENT, "%s: needs keys with values below it", section->key);
        return at_line(ctx, status, label, section->line);
    }
    for (const bfn__yaml_node *node = section->first; node != NULL; node = node->next) {
        bfn_status status = at_line(ctx, parse_entry(ctx, config, section->key, node), label, node->line);
        if (status != BFN_OK)
            return status;
    }
    return BFN_OK;
}

bfn_status bfn__config_parse(bfn_context *ctx, bfn__config *config, const char *yaml, size_t n, const char *label)
{
    bfn__yaml *tree;
    bfn_status status = bfn__yaml_parse(ctx, &tree, yaml, n, label);
    if (status != BFN_OK)
        return status;
    if (bfn__published_is(tree))
        status = bfn__published_read(ctx, tree, label, config);
    else
        for (const bfn__yaml_node *s = bfn__yaml_root(tree)->first; s != NULL && status == BFN_OK; s = s->next)
            status = parse_section(ctx, config, s, label);
    bfn__yaml_destroy(tree);
    return status;
}

/* ---- resolving ---- */

static double *network_option(bfn__config *config, const char *key)
{
    for (size_t i = 0; i < config->network.n_options; i++)
        if (strcmp(config->network.keys[i], key) == 0)
            return &config->network.values[i];
    return NULL;
}

static size_t classes_of(const bfn__config *c)
{
    return c->flow.n_classes;
}

static size_t length_of(const bfn__config *c)
{
    return c->data.seq_len;
}

static size_t height_of(const bfn__config *c)
{
    return c->data.height;
}

static size_t width_of(const bfn__config *c)
{
    return c->data.width;
}

static size_t channels_of(const bfn__config *c)
{
    return c->data.channels;
}

/* Numbers that the network returns for a value: discretised data have a mean and a deviation. */
static size_t outputs_of(const bfn__config *c)
{
    return c->flow.kind + 1 == BFN_DATA_DISCRETISED ? 2 : 1;
}

void bfn__config_get(const bfn__config *config, const char *key, char text[BFN__FIELD_TEXT])
{
    const bfn__field *field = find_field(key);
    text[0] = '\0';
    if (field != NULL) {
        bfn__field_write(field, config, text);
        return;
    }
    for (size_t i = 0; i < config->network.n_options; i++)
        if (strcmp(config->network.keys[i], key + strlen(network_prefix)) == 0)
            bfn__format_number(config->network.values[i], text);
}

/* The options of a network that data and flow decide. They may be written, but only with the value that follows; where `from` is NULL the
 * value is a default that the data gives, and another one is welcome. */
typedef struct implied_option {
    bfn__form form;
    const char *network; /* NULL: any that goes with the form */
    const char *key;
    size_t (*value)(const bfn__config *config);
    const char *from;
} implied_option;

static const implied_option implied_options[] = {
    {BFN__FORM_TEXT, NULL, "vocab_size", classes_of, "the number of classes"},
    {BFN__FORM_TEXT, NULL, "seq_len", length_of, "data.seq_len"},
    {BFN__FORM_IMAGE, NULL, "image_size", height_of, "data.height"},
    {BFN__FORM_IMAGE, NULL, "input_adapter.input_shape.0", height_of, "data.height"},
    {BFN__FORM_IMAGE, NULL, "input_adapter.input_shape.1", width_of, "data.width"},
    {BFN__FORM_IMAGE, NULL, "input_adapter.input_channels", channels_of, "data.channels"},
    {BFN__FORM_IMAGE, NULL, "output_channels", channels_of, "data.channels"},
    {BFN__FORM_IMAGE, NULL, "output_height", outputs_of, "by flow.kind, it"},
    {BFN__FORM_IMAGE, "unet_vdm", "input_channels", channels_of, NULL},
};
enum { N_IMPLIED = sizeof implied_options / sizeof implied_options[0] };

static bool implies(const implied_option *option, const bfn__config *config)
{
    return (int)option->form == config->data.kind &&
           (option->network == NULL || strcmp(option->network, bfn__config_class(config)) == 0);
}

/* Does the option follow from what stands elsewhere in the configuration? */
static bool is_implied(const bfn__config *config, const char *key)
{
    for (size_t i = 0; i < N_IMPLIED; i++)
        if (implies(&implied_options[i], config) && implied_options[i].from != NULL &&
            strcmp(implied_options[i].key, key) == 0)
            return true;
    return false;
}

void bfn__config_forget_implied(bfn__config *config)
{
    size_t kept = 0;
    for (size_t i = 0; i < config->network.n_options; i++) {
        if (is_implied(config, config->network.keys[i]))
            continue;
        memmove(config->network.keys[kept], config->network.keys[i], BFN__CONFIG_MAX_KEY);
        config->network.values[kept++] = config->network.values[i];
    }
    config->network.n_options = kept;
}

static bfn_status imply_option(bfn_context *ctx, bfn__config *config, const implied_option *option)
{
    char text[BFN__NUMBER_TEXT_MAX], found[BFN__NUMBER_TEXT_MAX];
    size_t value = option->value(config);
    const double *given = network_option(config, option->key);
    snprintf(text, sizeof text, "%zu", value);
    if (given == NULL)
        return set_network_option(ctx, config, option->key, text);
    if (*given == (double)value || option->from == NULL)
        return BFN_OK;
    bfn__format_number(*given, found);
    return bfn__fail(ctx, BFN_ERR_ARGUMENT, "network.%s: found %s, %s is %s", option->key, found, option->from, text);
}

static bfn_status imply_options(bfn_context *ctx, bfn__config *config)
{
    bfn_status status = BFN_OK;
    for (size_t i = 0; i < N_IMPLIED && status == BFN_OK; i++)
        if (implies(&implied_options[i], config))
            status = imply_option(ctx, config, &implied_options[i]);
    return status;
}

static bfn_status resolve_text(bfn_context *ctx, bfn__config *config, size_t n_classes)
{
    const double *vocabulary = network_option(config, "vocab_size");
    if (n_classes == 0)
        n_classes = config->flow.n_classes;
    if (n_classes == 0 && vocabulary != NULL && *vocabulary >= 2 && *vocabulary <= 65536)
        n_classes = (size_t)*vocabulary;
    if (n_classes == 0 && config->data.alphabet == 0)
        n_classes = 27;
    if (n_classes == 0)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "flow.n_classes: must be given where the data is not at hand");
    if (config->flow.n_classes != 0 && config->flow.n_classes != n_classes)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "flow.n_classes: found %zu, the data's alphabet has %zu symbols",
                         config->flow.n_classes, n_classes);
    config->flow.n_classes = n_classes;
    return BFN_OK;
}

static bfn_status resolve_image(bfn_context *ctx, bfn__config *config)
{
    const size_t sizes[] = {config->data.height, config->data.width, config->data.channels};
    static const char *const names[] = {"height", "width", "channels"};
    for (size_t i = 0; i < 3; i++)
        if (sizes[i] == 0)
            return bfn__fail(ctx, BFN_ERR_ARGUMENT, "data.%s: must be given where the data is not at hand", names[i]);
    if (sizes[2] == 2)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "data.channels: found 2, images have 1 (grey) or 3 (colours)");
    bool discrete = config->flow.kind + 1 == BFN_DATA_DISCRETE;
    size_t n = config->flow.n_classes, most = discrete ? 2 : 256;
    if (n == 1 || n > most)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "flow.n_classes: found %zu, %s", n,
                         discrete ? "discrete images are black and white: 2" : "images have 2 to 256 bins");
    if (config->flow.kind + 1 != BFN_DATA_CONTINUOUS) /* continuous: 0 stays, all levels as they are */
        config->flow.n_classes = bfn__config_levels(config);
    return BFN_OK;
}

/* Values for another kind of data would be ignored in silence. */
static bfn_status check_foreign(bfn_context *ctx, const bfn__config *config)
{
    bfn__config defaults;
    bfn__config_init(&defaults);
    for (size_t i = 0; i < bfn__n_fields(); i++) {
        const bfn__field *field = bfn__field_at(i);
        char is[BFN__FIELD_TEXT], fallback[BFN__FIELD_TEXT];
        bfn__field_write(field, config, is);
        bfn__field_write(field, &defaults, fallback);
        if (!bfn__field_applies(field, config) && strcmp(is, fallback) != 0)
            return bfn__fail(ctx, BFN_ERR_ARGUMENT, "%s: found %s, which has no meaning with data.kind: %s",
                             field->name, is, config->data.kind == BFN__FORM_TEXT ? "text" : "image");
    }
    return BFN_OK;
}

static bfn_status check_together(bfn_context *ctx, const bfn__config *config)
{
    const double *f = config->data.fractions;
    bool text = config->data.kind == BFN__FORM_TEXT, discrete = config->flow.kind + 1 == BFN_DATA_DISCRETE;
    if (!(fabs(f[0] + f[1] + f[2] - 1.0) < 1e-9) || f[0] <= 0.0)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT,
                         "data.fractions: found %g, %g, %g, need a sum of 1 and a first part above 0", f[0], f[1],
                         f[2]);
    if (text && !discrete)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "flow.kind: found another kind than discrete, text needs discrete");
    if (text != (strcmp(bfn__config_class(config), "gpt") == 0))
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "network.class: found %s, %s", bfn__config_class(config),
                         text ? "text needs gpt" : "images need unet_vdm or unet_adm");
    if (config->train.loss == 1 && !discrete)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "train.loss: found cross_entropy, which needs a discrete flow");
    return BFN_OK;
}

static bfn_status build_network(bfn_context *ctx, bfn__config *config, bfn__net **net)
{
    bfn__option options[BFN__CONFIG_MAX_OPTIONS];
    for (size_t i = 0; i < config->network.n_options; i++) {
        options[i].key = config->network.keys[i];
        options[i].value = config->network.values[i];
    }
    bfn_status status = bfn__net_create(ctx, net, bfn__config_class(config), options, config->network.n_options);
    if (status != BFN_OK)
        return bfn__fail_prefix(ctx, status, "network");
    const bfn__option *all = bfn__net_options(*net);
    size_t n = bfn__net_n_options(*net);
    for (size_t i = 0; i < n && i < BFN__CONFIG_MAX_OPTIONS; i++) {
        snprintf(config->network.keys[i], BFN__CONFIG_MAX_KEY, "%s", all[i].key);
        config->network.values[i] = all[i].value;
    }
    config->network.n_options = n < BFN__CONFIG_MAX_OPTIONS ? n : BFN__CONFIG_MAX_OPTIONS;
    return BFN_OK;
}

/* A network fits a flow when it reads and returns what the flow shows and expects. */
static bfn_status check_widths(bfn_context *ctx, const bfn__net *net, const bfn_flow *flow, size_t D)
{
    size_t shown = D * bfn_flow_shown_width(flow), output = D * bfn_flow_output_width(flow);
    if (bfn__net_shown_size(net) == shown && bfn__net_output_size(net) == output)
        return BFN_OK;
    return bfn__fail(ctx, BFN_ERR_ARGUMENT,
                     "network: reads %zu and returns %zu numbers a sample, the flow needs %zu and %zu%s",
                     bfn__net_shown_size(net), bfn__net_output_size(net), shown, output,
                     flow->kind == BFN_DATA_DISCRETE && flow->n_classes == 2 && bfn__net_shown_size(net) > shown
                         ? " (an alphabet needs at least 3 symbols)"
                         : "");
}

bfn_status bfn__config_resolve(bfn_context *ctx, bfn__config *config, size_t n_classes, bfn__net **net)
{
    *net = NULL;
    bfn_status status = check_foreign(ctx, config);
    if (status == BFN_OK)
        status = check_together(ctx, config);
    if (status == BFN_OK)
        status =
            config->data.kind == BFN__FORM_TEXT ? resolve_text(ctx, config, n_classes) : resolve_image(ctx, config);
    if (status == BFN_OK)
        status = imply_options(ctx, config);
    bfn_flow flow = bfn__config_flow(config);
    if (status == BFN_OK)
        status = bfn_flow_check(ctx, &flow);
    if (status == BFN_OK)
        status = build_network(ctx, config, net);
    if (status == BFN_OK)
        status = check_widths(ctx, *net, &flow, bfn__config_positions(config));
    if (status != BFN_OK) {
        bfn__net_destroy(*net);
        *net = NULL;
    }
    return status;
}

/* ---- writing and comparing ---- */

static size_t section_length(const char *name)
{
    return strcspn(name, ".");
}

static void append(char *text, size_t capacity, size_t *used, const char *line)
{
    size_t n = strlen(line);
    if (*used + n < capacity)
        memcpy(text + *used, line, n + 1);
    *used += n;
}

static void write_network_options(const bfn__config *config, char *text, size_t capacity, size_t *used)
{
    for (size_t i = 0; i < config->network.n_options; i++) {
        char number[BFN__NUMBER_TEXT_MAX], line[BFN__FIELD_TEXT];
        if (is_implied(config, config->network.keys[i]))
            continue;
        bfn__format_number(config->network.values[i], number);
        snprintf(line, sizeof line, "  %s: %s\n", config->network.keys[i], number);
        append(text, capacity, used, line);
    }
}

bfn_status bfn__config_write(bfn_context *ctx, const bfn__config *config, char **out)
{
    enum { CAPACITY = 16384 };
    char *text = bfn__calloc(ctx, CAPACITY, 1);
    *out = text;
    if (text == NULL)
        return BFN_ERR_MEMORY;
    size_t used = 0;
    const char *section = "";
    for (size_t i = 0; i < bfn__n_fields(); i++) {
        const bfn__field *field = bfn__field_at(i);
        size_t n = section_length(field->name);
        char value[BFN__FIELD_TEXT], line[2 * BFN__FIELD_TEXT];
        if (!bfn__field_applies(field, config))
            continue;
        if (strncmp(section, field->name, n + 1) != 0) {
            snprintf(line, sizeof line, "%.*s:\n", (int)n, field->name);
            append(text, CAPACITY, &used, line);
            section = field->name;
        }
        bfn__field_write(field, config, value);
        snprintf(line, sizeof line, "  %s: %s\n", field->name + n + 1, value);
        append(text, CAPACITY, &used, line);
        if (strcmp(field->name, "network.class") == 0)
            write_network_options(config, text, CAPACITY, &used);
    }
    if (used >= CAPACITY) {
        bfn__free(ctx, text);
        *out = NULL;
        return bfn__fail(ctx, BFN_ERR_INTERNAL, "configuration: longer than %d bytes", CAPACITY);
    }
    return BFN_OK;
}

static bfn_status compare_options(bfn_context *ctx, const bfn__config *stored, const bfn__config *given)
{
    for (size_t i = 0; i < stored->network.n_options && i < given->network.n_options; i++) {
        if (stored->network.values[i] == given->network.values[i])
            continue;
        char was[BFN__NUMBER_TEXT_MAX], is[BFN__NUMBER_TEXT_MAX];
        bfn__format_number(stored->network.values[i], was);
        bfn__format_number(given->network.values[i], is);
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "network.%s: the run was started with %s, found %s",
                         stored->network.keys[i], was, is);
    }
    return BFN_OK;
}

/* A size that is still to be taken from the data. */
static bool is_left_open(const bfn__field *field, const char *is)
{
    return field->type == BFN__FIELD_SIZE && field->fallback[0] == 0.0 && strcmp(is, "0") == 0;
}

static bfn_status compare_fields(bfn_context *ctx, const bfn__config *stored, const bfn__config *given, bool resolved)
{
    for (size_t i = 0; i < bfn__n_fields(); i++) {
        const bfn__field *field = bfn__field_at(i);
        char was[BFN__FIELD_TEXT], is[BFN__FIELD_TEXT];
        bfn__field_write(field, stored, was);
        bfn__field_write(field, given, is);
        bool counts = !field->may_change && (bfn__field_applies(field, stored) || bfn__field_applies(field, given));
        if (counts && strcmp(was, is) != 0 && (resolved || !is_left_open(field, is)))
            return bfn__fail(ctx, BFN_ERR_ARGUMENT, "%s: the run was started with %s, found %s", field->name, was, is);
    }
    return BFN_OK;
}

bfn_status bfn__config_compare_given(bfn_context *ctx, const bfn__config *stored, const bfn__config *given)
{
    return compare_fields(ctx, stored, given, false);
}

bfn_status bfn__config_compare(bfn_context *ctx, const bfn__config *stored, const bfn__config *given)
{
    bfn_status status = compare_fields(ctx, stored, given, true);
    return status == BFN_OK ? compare_options(ctx, stored, given) : status;
}

/* ---- for help texts ---- */

size_t bfn_config_n_fields(void)
{
    return bfn__n_fields();
}

void bfn_config_get_field(size_t i, bfn_config_field *info)
{
    const bfn__field *field = bfn__field_at(i);
    bfn__config defaults;
    bfn__config_init(&defaults);
    info->name = field->name;
    info->text = field->text;
    bfn__field_range(field, info->allowed);
    bfn__field_write(field, &defaults, info->fallback);
}
