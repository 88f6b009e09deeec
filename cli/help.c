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
           "  bfn plan --method ode2m --nfe 5\n");
}

static void print_key(const char *name, const char *fallback, const char *text, const char *allowed)
{
    int used = printf("  %s: %s", name, fallback);
    printf("%*s", used < 34 ? 34 - used : 1, "");
    print_wrapped(text, 34, 34);
    printf("%36s(%s)\n", "", allowed);
}

/* What the class gpt understands. The library judges these when it builds the network. */
static void print_gpt_keys(void)
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
            print_gpt_keys();
    }
}
