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

void cli_help_config(void)
{
    char section[32] = "";
    printf(
        "Keys of a configuration file (YAML), with their defaults. `bfn train --set KEY=VALUE` overrides one.\n"
        "Options of the network (n_layer, n_head, n_embd, skip, bias, ...) stand in its section, beside its class.\n");
    for (size_t i = 0; i < bfn_config_n_fields(); i++) {
        bfn_config_field field;
        bfn_config_get_field(i, &field);
        size_t n = strcspn(field.name, ".");
        if (strncmp(section, field.name, n + 1) != 0) {
            snprintf(section, sizeof section, "%.*s.", (int)n, field.name);
            printf("\n%.*s:\n", (int)n, field.name);
        }
        char left[200];
        int used = snprintf(left, sizeof left, "  %s: %s", field.name + n + 1, field.fallback);
        printf("%s%*s", left, used < 34 ? 34 - used : 1, "");
        print_wrapped(field.text, 34, 34);
        printf("%36s(%s)\n", "", field.allowed);
    }
}
