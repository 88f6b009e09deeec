/* help.c: what `bfn help` prints, from the tables of commands, options and configuration keys. */
#include "cli.h"

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
    print_wrapped(o->text, TEXT_COLUMN, TEXT_COLUMN);
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
    printf("  %-10s %s\n", "help", "help of a command: bfn help sample; keys of a configuration: bfn help config");
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

/* What the classes understand. The library judges these when it builds the network. */
static void print_network_keys(void)
{
    static const char *const keys[][4] = {
        {"n_layer", "24", "gpt: blocks of attention and two-layer network", "a whole number from 1 to 1024"},
        {"n_head", "12", "gpt: heads of attention", "a whole number from 1 to 1024 that divides n_embd"},
        {"n_embd", "768", "gpt: width", "a whole number from 1 to 65536"},
        {"skip", "true", "gpt: the last layer sees the embedding too", "true or false"},
        {"bias", "true", "gpt: biases in linear layers and norms", "true or false"},
        {"learn_pos_embedding", "false", "gpt: positions are learned instead of sines and cosines", "true or false"},
        {"is_causal", "false", "gpt: a position attends to none behind it", "true or false"},
        {"dropout", "0", "gpt: part of the activations that training drops", "a number from 0 to 0.9"},
        {"scaled_init", "false", "gpt: initial weights for small networks that train briefly", "true or false"},
        {"log_skip", "false", "gpt: the position's own evidence is added to the logits", "true or false"},
        {"embedding_dim", "128", "unet_vdm: channels", "a whole number from 2 to 65536"},
        {"n_blocks", "32", "unet_vdm: residual blocks on the way down; one more on the way up",
         "a whole number from 1 to 1024"},
        {"n_attention_heads", "1", "unet_vdm: heads of attention",
         "a whole number from 1 to 1024 that divides embedding_dim"},
        {"attention_everywhere", "false", "unet_vdm: attention after every block (else in the middle)",
         "true or false"},
        {"norm_groups", "32", "unet_vdm: groups of the norms", "a whole number that divides embedding_dim"},
        {"use_fourier_features", "true", "unet_vdm: sines and cosines of the image beside it", "true or false"},
        {"dropout_prob", "0.1", "unet_vdm: part of the activations that training drops", "a number from 0 to 0.9"},
        {"input_channels", "data", "unet_vdm: what the adapter makes of the image's channels",
         "a whole number from 1 to 1024"},
        {"model_channels", "128", "unet_adm: channels of the first level", "a multiple of 32"},
        {"channel_mult", "[1, 2, 2, 2]",
         "unet_adm: a level each, its channels as multiples; each level halves the size",
         "a list of up to 8 whole numbers from 1 to 64"},
        {"num_res_blocks", "3", "unet_adm: residual blocks a level", "a whole number from 1 to 64"},
        {"attention_resolutions", "[8, 16]", "unet_adm: attention where the size is divided by these",
         "a list of up to 8 powers of 2; [0]: only in the middle"},
        {"num_heads", "4", "unet_adm: heads of attention", "a whole number from 1 to 1024"},
        {"num_heads_upsample", "-1", "unet_adm: heads on the way up; -1: the same", "a whole number from -1 to 1024"},
        {"conv_resample", "true", "unet_adm: sizes change by convolutions (else by means and copies alone: cheaper)",
         "true or false"},
        {"use_scale_shift_norm", "false", "unet_adm: the time scales and shifts (else is added)", "true or false"},
        {"project_input", "false", "unet_adm: a linear layer in front", "true or false"},
        {"skip", "true", "unet_adm: the last layer sees the input too", "true or false"},
        {"out_channels", "128", "unet_adm: channels in front of the last layer", "a whole number from 1 to 65536"},
        {"num_classes", "0", "unet_adm: the network is told the class, of the data's labels; 0: it is not",
         "a whole number from 0 to 65536"},
        {"dropout", "0", "unet_adm: part of the activations that training drops", "a number from 0 to 0.9"},
        {"input_adapter.add_mask", "false", "U-Nets: the time as a channel (unet_adm: true)", "true or false"},
        {"input_adapter.add_pos_feats", "false", "U-Nets: sines and cosines of the place as channels", "true or false"},
        {"input_adapter.learn_pos_feats", "false", "U-Nets: learned channels of the place instead", "true or false"},
    };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        print_key(keys[i][0], keys[i][1], keys[i][2], keys[i][3]);
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
