/* help.c: what `bfn help` prints, from the tables of commands, options and configuration keys. */
#include "cli.h"

#include "bfn/picture.h"
#include "bfn/train.h"

#include <stdio.h>
#include <string.h>

enum { TEXT_COLUMN = 28, LAST_COLUMN = 100 };

/* Words of text from column `from` on, further lines indented to it. */
static void print_wrapped(const char *text, size_t column, size_t from)
{
    for (const char *c = text; *c != '\0';) {
        size_t n = strcspn(c, " ");
        if (column > from && column + 1 + n > LAST_COLUMN) {
            printf("\n%*s", (int)from, "");
            column = from;
        } else if (column > from) {
            putchar(' ');
            column++;
        }
        printf("%.*s", (int)n, c);
        column += n;
        c += n;
        c += strspn(c, " ");
    }
    putchar('\n');
}

static void print_option(const cli_option *o)
{
    char left[80];
    char letter[8] = "    ";
    if (o->letter != 0)
        snprintf(letter, sizeof letter, "-%c, ", o->letter);
    int n = snprintf(left, sizeof left, "  %s--%s%s%s", letter, o->name, o->argument != NULL ? " " : "",
                     o->argument != NULL ? o->argument : "");
    printf("%s", left);
    if (n > TEXT_COLUMN - 2)
        printf("\n%*s", TEXT_COLUMN, "");
    else
        printf("%*s", TEXT_COLUMN - n, "");
    if (o->type == CLI_CHOICE) {
        char text[800], choices[200];
        cli_choices(o, choices, sizeof choices);
        snprintf(text, sizeof text, "%s; %s", o->text, choices);
        print_wrapped(text, TEXT_COLUMN, TEXT_COLUMN);
    } else {
        print_wrapped(o->text, TEXT_COLUMN, TEXT_COLUMN);
    }
}

void cli_help(const cli_command *command)
{
    printf("bfn %s: %s\n\n", command->name, command->summary);
    printf("Usage\n  bfn %s %s\n", command->name, command->usage);
    if (command->intro != NULL)
        printf("\n%s\n", command->intro);
    printf("\nOptions\n");
    for (size_t i = 0; i < command->n_options; i++)
        print_option(&command->options[i]);
    printf("      --limit NAME=VALUE%*sset a cap on what is read from files (bfn help limits)\n", 2, "");
    printf("  -h, --help%*sthis text\n", TEXT_COLUMN - 12, "");
    if (command->examples != NULL)
        printf("\nExamples\n%s\n", command->examples);
}

void cli_help_all(void)
{
    printf("bfn %s: Bayesian Flow Networks: train, sample, evaluate\n\nUsage\n  bfn COMMAND [options]\n\nCommands\n",
           bfn_version());
    for (size_t i = 0; i < cli_n_commands(); i++)
        printf("  %-10s %s\n", cli_commands[i]->name, cli_commands[i]->summary);
    printf("  %-10s %s\n", "help",
           "help of a command (bfn help sample), of the keys of a configuration (bfn help config), of data sets (bfn "
           "help data), of caps on files (bfn help limits)");
    printf("  %-10s %s\n", "version", "version, network library and the CPU's instruction set (also --version)");
    printf("\nExamples\n"
           "  bfn sample --model models/text8-small.safetensors --method sde2m --nfe 10 --n 4\n"
           "  bfn train configs/text8-tiny.yaml --data book.txt --out runs/book\n"
           "  bfn train configs/fashion-small.yaml --data /usr/share/datasets/fashion-mnist --out runs/fashion\n"
           "  bfn sample --model runs/fashion/last.safetensors --n 36 -o grid.png\n"
           "  bfn plan --method ode2m --nfe 5\n");
}

static void print_key(const char *name, const char *fallback, const char *text, const char *allowed)
{
    int used = printf("  %s: %s", name, fallback);
    printf("%*s", used < 34 ? 34 - used : 1, "");
    print_wrapped(text, 34, 34);
    printf("%36s(%s)\n", "", allowed);
}

/* What the classes of networks understand. The library judges these when it builds one; tests/cli/help.sh compares. */
typedef struct network_key {
    const char *name, *fallback, *text, *allowed;
} network_key;

static const network_key gpt_keys[] = {
    {"n_layer", "24", "blocks of attention and two-layer network", "a whole number from 1 to 1024"},
    {"n_head", "12", "heads of attention", "a whole number from 1 to 1024 that divides n_embd"},
    {"n_embd", "768", "width", "a whole number from 1 to 65536"},
    {"skip", "true", "the last layer sees the embedding too", "true or false"},
    {"bias", "true", "biases in linear layers and norms", "true or false"},
    {"learn_pos_embedding", "false", "positions are learned instead of sines and cosines", "true or false"},
    {"is_causal", "false", "a position attends to none behind it", "true or false"},
    {"dropout", "0", "part of the activations that training drops", "a number from 0 to 0.9"},
    {"scaled_init", "false", "initial weights for small networks that train briefly", "true or false"},
    {"log_skip", "false", "the position's own evidence is added to the logits", "true or false"},
};

static const network_key vdm_keys[] = {
    {"embedding_dim", "128", "channels", "a whole number from 2 to 65536"},
    {"n_blocks", "32", "residual blocks on the way down; one more on the way up", "a whole number from 1 to 1024"},
    {"n_attention_heads", "1", "heads of attention", "a whole number from 1 to 1024 that divides embedding_dim"},
    {"attention_everywhere", "false", "attention after every block (else in the middle alone)", "true or false"},
    {"norm_groups", "32", "groups of the norms", "a whole number that divides embedding_dim"},
    {"use_fourier_features", "true", "sines and cosines of the image beside it", "true or false"},
    {"dropout_prob", "0.1", "part of the activations that training drops", "a number from 0 to 0.9"},
    {"input_channels", "the data's", "channels that the adapter makes of the image", "a whole number from 1 to 1024"},
};

static const network_key adm_keys[] = {
    {"model_channels", "128", "channels of the first level", "a multiple of norm_groups"},
    {"norm_groups", "32", "groups of the norms", "a whole number from 1 to 65536"},
    {"channel_mult", "[1, 2, 2, 2]", "levels, each of half the size: their channels as multiples of model_channels",
     "a list of up to 8 whole numbers from 1 to 64"},
    {"num_res_blocks", "3", "residual blocks a level", "a whole number from 1 to 64"},
    {"attention_resolutions", "[8, 16]", "attention where the size is divided by one of these",
     "a list of up to 8 powers of 2; [0]: in the middle alone"},
    {"num_heads", "4", "heads of attention", "a whole number from 1 to 1024"},
    {"num_heads_upsample", "-1", "heads on the way up; -1: the same", "a whole number from -1 to 1024"},
    {"conv_resample", "true", "sizes change by convolutions (else by means and copies alone, which is cheaper)",
     "true or false"},
    {"use_scale_shift_norm", "false", "the time scales and shifts (else it is added)", "true or false"},
    {"project_input", "false", "a linear layer in front", "true or false"},
    {"skip", "true", "the last layer sees the input too", "true or false"},
    {"in_channels", "the adapter's", "channels that the adapter makes of the image", "a whole number up to 65536"},
    {"out_channels", "128", "channels in front of the last layer", "a whole number from 1 to 65536"},
    {"num_classes", "0", "the network is told the class, one of so many labels of the data; 0: it is not",
     "a whole number from 0 to 65536"},
    {"dropout", "0", "part of the activations that training drops", "a number from 0 to 0.9"},
    {"dims", "2", "dimensions of an image", "2"},
};

static const network_key adapter_keys[] = {
    {"input_adapter.add_mask", "false", "the time as a channel (unet_adm: true)", "true or false"},
    {"input_adapter.add_pos_feats", "false", "sines and cosines of the place as channels", "true or false"},
    {"input_adapter.n_freq_bands", "64", "... how many", "a whole number from 1 to 4096"},
    {"input_adapter.learn_pos_feats", "false", "learned channels of the place instead", "true or false"},
    {"input_adapter.pos_embed_size", "32", "... how many", "a whole number from 1 to 65536"},
    {"input_adapter.output_height", "the network's", "channels behind the adapter's linear layer",
     "a whole number up to 65536"},
    {"input_adapter.value_res", "-1", "has no effect; published configurations name it", "a number from -1 to 1e6"},
    {"input_adapter.mask_res", "-1", "above 0: sines and cosines of the time as channels", "a number from -1 to 1e6"},
};

static void print_keys(const char *heading, const network_key *keys, size_t n)
{
    printf("  # %s:\n", heading);
    for (size_t i = 0; i < n; i++)
        print_key(keys[i].name, keys[i].fallback, keys[i].text, keys[i].allowed);
}

static void print_network_keys(void)
{
#define KEYS(heading, keys) print_keys(heading, keys, sizeof keys / sizeof keys[0])
    KEYS("class gpt", gpt_keys);
    KEYS("class unet_vdm", vdm_keys);
    KEYS("class unet_adm", adm_keys);
    KEYS("both U-Nets", adapter_keys);
#undef KEYS
}

void cli_help_config(void)
{
    char section[32] = "";
    printf("Keys of a configuration file (YAML), with their defaults. `bfn train --set KEY=VALUE` overrides one.\n");
    for (size_t i = 0; i < bfn_config_n_fields(); i++) {
        bfn_config_field field;
        bfn_config_get_field(i, &field);
        size_t n = strcspn(field.name, ".");
        if (strncmp(section, field.name, n + 1) != 0) {
            snprintf(section, sizeof section, "%.*s.", (int)n, field.name);
            printf("\n%.*s:\n", (int)n, field.name);
        }
        print_key(field.name + n + 1, field.fallback, field.text, field.allowed);
        if (strcmp(field.name, "network.class") == 0)
            print_network_keys();
    }
}

void cli_help_data(void)
{
    const char *name, *where;
    puts("Public sets of images that bfn train knows; they are read where --data says, and nothing is downloaded.\n"
         "A folder of PNG files of one size does as well, and so does a folder of such folders, each a class.");
    for (size_t i = 0; (where = bfn_picture_source(i, &name)) != NULL; i++) {
        printf("\n%s\n  ", name);
        print_wrapped(where, 2, 2);
    }
}

void cli_help_limits(void)
{
    printf("Caps on what is read from files, so that no file can ask for all memory or time. `--limit NAME=VALUE` sets "
           "one.\n\n");
    for (size_t i = 0; i < bfn_n_limits(); i++) {
        bfn_limit limit;
        bfn_get_limit(i, &limit);
        int used = printf("  %s", limit.name);
        used += printf("%*s%zu", used < 24 ? 24 - used : 1, "", limit.fallback);
        printf("%*s%s\n", used < 42 ? 42 - used : 1, "", limit.text);
    }
}
