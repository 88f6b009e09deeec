/* Options of both U-Nets: what is refused and with which line; what a resolved configuration says; shapes of the published networks.
 *
 * A refusal is one line that names the option, the value found and what is allowed.
 */
#include "nn/nn.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { MAX_OPTIONS = 64, MAX_KEY = 64 };

/* "a=1 b=2" */
typedef struct option_list {
    char keys[MAX_OPTIONS][MAX_KEY];
    bfn__option options[MAX_OPTIONS];
    size_t n;
} option_list;

static void parse(const char *text, option_list *list)
{
    list->n = 0;
    for (const char *c = text; *c != '\0';) {
        assert_true(list->n < MAX_OPTIONS);
        size_t length = strcspn(c, "=");
        char *end;
        (void)snprintf(list->keys[list->n], MAX_KEY, "%.*s", (int)length, c);
        list->options[list->n].key = list->keys[list->n];
        list->options[list->n++].value = strtod(c + length + 1, &end);
        c = end + strspn(end, " ");
    }
}

static bfn__net *make(bfn_context *ctx, const char *class_name, const char *text)
{
    static option_list list;
    bfn__net *net;
    parse(text, &list);
    if (bfn__net_create(ctx, &net, class_name, list.options, list.n) != BFN_OK)
        fail_msg("%s: %s", text, bfn_errmsg(ctx));
    return net;
}

static double option(const bfn__net *net, const char *key)
{
    for (size_t i = 0; i < bfn__net_n_options(net); i++)
        if (strcmp(bfn__net_options(net)[i].key, key) == 0)
            return bfn__net_options(net)[i].value;
    fail_msg("no option %s", key);
    return 0.0;
}

/* ---- refusals ---- */

static const struct {
    const char *class_name, *options, *line;
} refused[] = {
    {"unet_vdm", "norm_groups=48", "norm_groups: 48: must divide embedding_dim, which is 128"},
    {"unet_vdm", "n_attention_heads=3", "n_attention_heads: 3: must divide embedding_dim, which is 128"},
    {"unet_vdm", "embedding_dim=64.5", "embedding_dim: 64.5: must be a whole number from 2 to 65536"},
    {"unet_vdm", "embedding_dim=33 norm_groups=3",
     "embedding_dim: 33: must be even: half of it are sines of the time, half cosines"},
    {"unet_vdm", "n_blocks=0", "n_blocks: 0: must be a whole number from 1 to 1024"},
    {"unet_vdm", "dropout_prob=1", "dropout_prob: 1: must be a number from 0 to 0.9"},
    {"unet_vdm", "output_height=3", "output_height: 3: must be a whole number from 1 to 2"},
    {"unet_vdm", "input_channels=4 input_adapter.output_height=3",
     "input_adapter.output_height: 3: must be input_channels, which is 4, or 0"},
    {"unet_vdm", "norm_group=8",
     "unknown option \"norm_group\" of network \"unet_vdm\": did you mean \"norm_groups\"?"},
    {"unet_vdm", "input_adapter.ad_mask=1",
     "unknown option \"input_adapter.ad_mask\" of network \"unet_vdm\": did you mean \"input_adapter.add_mask\"?"},
    {"unet_adm", "model_channels=48", "norm_groups: 32: must divide model_channels, which is 48"},
    {"unet_adm", "model_channels=32 norm_groups=5", "norm_groups: 5: must divide model_channels, which is 32"},
    {"unet_adm", "num_heads=3", "num_heads: 3: must divide 256, the channels where it attends"},
    {"unet_adm", "model_channels=32 attention_resolutions.0=1 num_heads=64",
     "num_heads: 64: must divide 32, the channels where it attends"},
    {"unet_adm", "num_heads_upsample=6", "num_heads_upsample: 6: must divide 256, the channels where it attends"},
    {"unet_adm", "image_size=28",
     "image_size: 28 pixels of height: must be a multiple of 8 for the 4 levels of channel_mult"},
    {"unet_adm",
     "input_adapter.input_shape.0=16 input_adapter.input_shape.1=18 channel_mult.0=1 channel_mult.1=2 channel_mult.2=2",
     "image_size: 18 pixels of width: must be a multiple of 4 for the 3 levels of channel_mult"},
    {"unet_adm", "attention_resolutions.0=8 attention_resolutions.1=6",
     "attention_resolutions.1: 6: must be a power of 2 (1: full size, 2: half, ...; 0: none)"},
    {"unet_adm", "channel_mult.1=2", "channel_mult.0: 0: must be a whole number from 1 to 64"},
    {"unet_adm", "channel_mult.0=-1", "channel_mult.0: -1: must be a whole number from 0 to 64"},
    {"unet_adm", "num_res_blocks=0", "num_res_blocks: 0: must be a whole number from 1 to 64"},
    {"unet_adm", "dims=3", "dims: 3: must be a whole number from 2 to 2"},
    {"unet_adm", "in_channels=3 input_adapter.output_height=5",
     "input_adapter.output_height: 5: must be in_channels, which is 3, or 0"},
    {"unet_adm", "num_head=2", "unknown option \"num_head\" of network \"unet_adm\": did you mean \"num_heads\"?"},
    {"unet_adm", "channel_mult=1",
     "unknown option \"channel_mult\" of network \"unet_adm\": did you mean \"channel_mult.0\"?"},
    {"unet", "n_blocks=1", "unknown network \"unet\": allowed are gpt, unet_vdm, unet_adm"},
};

static void bad_options_give_one_line(void **state)
{
    (void)state;
    static option_list list;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        bfn_context *ctx;
        bfn__net *net;
        assert_int_equal(bfn_context_create(&ctx, NULL), BFN_OK);
        parse(refused[i].options, &list);
        if (bfn__net_create(ctx, &net, refused[i].class_name, list.options, list.n) != BFN_ERR_ARGUMENT || net != NULL)
            fail_msg("not refused: %s", refused[i].options);
        assert_string_equal(bfn_errmsg(ctx), refused[i].line);
        bfn_context_destroy(ctx);
    }
}

/* ---- resolved configurations ---- */

static void check_same_shapes(const bfn__net *a, const bfn__net *b)
{
    assert_int_equal(bfn__net_n_params(a), bfn__net_n_params(b));
    for (size_t i = 0; i < bfn__net_n_params(a); i++) {
        const bfn__param *p = bfn__net_param(a, i), *q = bfn__net_param(b, i);
        assert_string_equal(p->name, q->name);
        assert_int_equal(p->rank, q->rank);
        assert_memory_equal(p->shape, q->shape, sizeof p->shape);
    }
    for (size_t i = 0; i < bfn__net_n_options(a); i++) {
        assert_string_equal(bfn__net_options(a)[i].key, bfn__net_options(b)[i].key);
        assert_true(bfn__net_options(a)[i].value == bfn__net_options(b)[i].value);
    }
}

/* What a network says about itself makes the same network. */
static void resolved_options_make_the_same_network(void **state)
{
    (void)state;
    static const char *const texts[][2] = {
        {"unet_vdm", "n_blocks=1"},
        {"unet_vdm",
         "n_blocks=2 input_channels=5 output_channels=2 input_adapter.add_pos_feats=1 input_adapter.add_mask=1"},
        {"unet_vdm", "n_blocks=1 input_adapter.add_pos_feats=1 input_adapter.learn_pos_feats=1 image_size=6"},
        {"unet_adm", "num_res_blocks=1"},
        {"unet_adm", "num_res_blocks=1 channel_mult.0=1 channel_mult.1=2 attention_resolutions.0=0"},
        {"unet_adm",
         "channel_mult.0=1 attention_resolutions.0=1 num_classes=10 output_channels=1 num_heads_upsample=2"},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        bfn_context *ctx;
        assert_int_equal(bfn_context_create(&ctx, NULL), BFN_OK);
        bfn__net *first = make(ctx, texts[i][0], texts[i][1]), *second;
        assert_int_equal(bfn__net_create(ctx, &second, texts[i][0], bfn__net_options(first), bfn__net_n_options(first)),
                         BFN_OK);
        check_same_shapes(first, second);
        bfn__net_destroy(first);
        bfn__net_destroy(second);
        bfn_context_destroy(ctx);
    }
}

/* A given list is the whole list; one that is not given is the published one. */
static void lists(void **state)
{
    (void)state;
    bfn_context *ctx;
    assert_int_equal(bfn_context_create(&ctx, NULL), BFN_OK);
    bfn__net *net = make(ctx, "unet_adm", "num_res_blocks=1");
    assert_true(option(net, "channel_mult.3") == 2.0 && option(net, "channel_mult.4") == 0.0);
    assert_true(option(net, "attention_resolutions.0") == 8.0 && option(net, "attention_resolutions.1") == 16.0);
    assert_non_null(
        bfn__net_find(net, "input_blocks.7.1.qkv.weight")); /* blocks 1, 3, 5, 7 are those of 32, 16, 8, 4 pixels */
    assert_null(bfn__net_find(net, "input_blocks.5.1.qkv.weight"));
    bfn__net_destroy(net);
    net = make(ctx, "unet_adm",
               "num_res_blocks=1 channel_mult.0=1 channel_mult.1=3 channel_mult.3=2 attention_resolutions.0=2");
    assert_true(option(net, "channel_mult.1") == 3.0 && option(net, "channel_mult.3") == 0.0);
    assert_non_null(bfn__net_find(net, "input_blocks.3.1.qkv.weight"));
    assert_null(bfn__net_find(net, "input_blocks.4.0.op.weight"));
    bfn__net_destroy(net);
    bfn_context_destroy(ctx);
}

static size_t n_trained(const bfn__net *net)
{
    size_t n = 0;
    for (size_t i = 0; i < bfn__net_n_params(net); i++)
        n += bfn__net_param(net, i)->trained ? bfn__net_param(net, i)->count : 0;
    return n;
}

/* The networks of the paper: what is shown and returned, and some shapes. */
static void published_networks(void **state)
{
    (void)state;
    bfn_context *ctx;
    assert_int_equal(bfn_context_create(&ctx, NULL), BFN_OK);
    bfn__net *net = make(ctx, "unet_vdm", "output_height=2");
    assert_int_equal(bfn__net_shown_size(net), 32 * 32 * 3);
    assert_int_equal(bfn__net_output_size(net), 32 * 32 * 3 * 2);
    assert_int_equal(bfn__net_positions(net), 32 * 32 * 3);
    assert_int_equal(bfn__net_find(net, "output_adapter.output_projection.weight")->shape[1], 131);
    assert_non_null(bfn__net_find(net, "up_blocks.32.resnet_block.net2.3.weight"));
    print_message("unet_vdm: %zu trained numbers\n", n_trained(net));
    assert_in_range(n_trained(net), 30000000, 32000000);
    bfn__net_destroy(net);
    net = make(
        ctx, "unet_adm",
        "image_size=28 in_channels=2 model_channels=128 out_channels=128 num_res_blocks=2 attention_resolutions.0=8 "
        "attention_resolutions.1=16 dropout=0.5 channel_mult.0=1 channel_mult.1=2 channel_mult.2=2 num_heads=4 "
        "num_heads_upsample=-1 project_input=1 skip=1 output_channels=1 input_adapter.input_channels=1");
    assert_int_equal(bfn__net_shown_size(net), 28 * 28);
    assert_int_equal(bfn__net_output_size(net), 28 * 28);
    assert_int_equal(bfn__net_find(net, "output_adapter.output_projection.weight")->shape[1], 256);
    assert_null(bfn__net_find(net, "input_adapter.output_projection.weight"));
    print_message("unet_adm: %zu trained numbers\n", n_trained(net));
    assert_in_range(n_trained(net), 24000000, 26000000);
    bfn__net_destroy(net);
    bfn_context_destroy(ctx);
}

static bool all_zero(const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (x[i] != 0.0f)
            return false;
    return true;
}

/* Last convolutions of blocks begin at zero, everything else with the spread 1/sqrt(3 fan in); norms with 1 and 0. */
static void initial_values(void **state)
{
    (void)state;
    bfn_context *ctx;
    assert_int_equal(bfn_context_create(&ctx, NULL), BFN_OK);
    static const char *const zeros[] = {"out_layers.3", "proj_out", "out.2"};
    bfn__net *net = make(ctx, "unet_adm", "model_channels=32 num_res_blocks=1 image_size=8");
    float *params = calloc(bfn__net_arena(net), sizeof *params);
    assert_non_null(params);
    bfn__net_init(net, 5, params);
    for (size_t i = 0; i < bfn__net_n_params(net); i++) {
        const bfn__param *p = bfn__net_param(net, i);
        const char *end = strrchr(p->name, '.');
        bool zero = false;
        for (size_t k = 0; k < sizeof zeros / sizeof *zeros; k++)
            zero = zero || strstr(p->name, zeros[k]) != NULL;
        if (!p->trained)
            continue;
        assert_int_equal(all_zero(params + p->offset, p->count), zero || (p->rank == 1 && p->init == BFN__INIT_ZERO));
        if (p->rank == 1 || zero || strcmp(end, ".weight") != 0)
            continue;
        double squares = 0.0, fan_in = (double)(p->count / p->shape[0]);
        for (size_t j = 0; j < p->count; j++)
            squares += (double)params[p->offset + j] * (double)params[p->offset + j] / (double)p->count;
        if (p->count > 1000)
            assert_float_equal((float)(squares * 3.0 * fan_in), 1.0f, 0.15f);
    }
    free(params);
    bfn__net_destroy(net);
    bfn_context_destroy(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_options_give_one_line),
        cmocka_unit_test(resolved_options_make_the_same_network),
        cmocka_unit_test(lists),
        cmocka_unit_test(published_networks),
        cmocka_unit_test(initial_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
