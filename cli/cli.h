/* cli.h: what the commands of the program share: option tables, parsing, messages, exit codes.
 *
 * A command is a row of the table in main.c. Its options are a table too: the parser and `bfn help` walk the same one. Only public
 * headers of the library are used here.
 */
#ifndef BFN_CLI_H
#define BFN_CLI_H

#include "bfn/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

enum { CLI_EXIT_USAGE = 2, CLI_EXIT_WRITE = 5, CLI_EXIT_SIGINT = 130, CLI_EXIT_SIGTERM = 143 };

typedef enum cli_type {
    CLI_FLAG,   /* int: 1 when given */
    CLI_TEXT,   /* const char * */
    CLI_TEXTS,  /* cli_texts: may be given again and again */
    CLI_SIZE,   /* size_t, low..high */
    CLI_SEED,   /* uint64_t */
    CLI_REAL,   /* double, low..high */
    CLI_CHOICE, /* int: index into choices "a|b|c" */
} cli_type;

enum { CLI_MAX_TEXTS = 64, CLI_MAX_OPTIONS = 48 };
typedef struct cli_texts {
    const char *items[CLI_MAX_TEXTS];
    size_t n;
} cli_texts;

typedef struct cli_option {
    const char *name;     /* "nfe" */
    char letter;          /* 'o', or 0 */
    const char *argument; /* "N" in help; NULL for a flag */
    cli_type type;
    size_t offset; /* of its value in the command's struct */
    double low, high;
    const char *choices;
    const char *text; /* one line of help */
} cli_option;

/* An option that every command which reads models has; at: of a const char *. */
#define CLI_CONFIG_OPTION(at)                                                                                          \
    {                                                                                                                  \
        "config", 0, "FILE", CLI_TEXT, at, 0, 0, NULL,                                                                 \
            "configuration of a model that carries none (a PyTorch .pt): YAML of ours or of either published code "    \
            "base"                                                                                                     \
    }
typedef struct cli_command {
    const char *name, *summary;
    const char *usage; /* after "bfn name": "--model FILE [options]" */
    const char *intro; /* paragraphs of help, wrapped by hand at 78 columns */
    const cli_option *options;
    size_t n_options;
    const char *examples; /* lines of help */
    int (*run)(const struct cli_command *command, int argc, char **argv);
} cli_command;

/* Parse into `values` (a struct with defaults already in place). Operands are moved to argv[0..*n_operands-1] with argv[0] the first.
 * given (may be NULL): [n_options], set where an option was given. false: the message is out, exit with CLI_EXIT_USAGE. */
bool cli_parse(const cli_command *command, int argc, char **argv, void *values, bool *given, size_t max_operands,
               size_t *n_operands);

/* "bfn sample: " + message + newline on stderr. Returns CLI_EXIT_USAGE. */
int cli_usage(const cli_command *command, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The library's message on stderr; returns the exit code of the status. */
int cli_fail(const cli_command *command, const bfn_context *ctx, bfn_status status);
/* A context with so many threads (0: all) and the limits of the command line. Where it fails, the message is out. */
bfn_status cli_context(const cli_command *command, size_t threads, bfn_context **ctx);
/* A failed context creation: its message; returns the exit code. */
int cli_no_context(const cli_command *command, bfn_status status);
/* Flush standard output: 0, or the message and CLI_EXIT_WRITE. The last thing that a printing command does. */
int cli_flush(const cli_command *command);

/* Whole text as a number: [+-]digits[.digits][e[+-]digits], finite, '.' whatever the locale. */
bool cli_number(const char *text, double *value);

/* Text from a file on a terminal or in a line: control characters and invalid UTF-8 become '?'. Returns out. */
const char *cli_safe(const char *text, char *out, size_t capacity);
/* Text as a JSON string, quotes included; invalid UTF-8 becomes '?'. */
void cli_put_json(FILE *out, const char *text);

/* What an option of type CLI_CHOICE takes: "one of a, b, c". */
void cli_choices(const cli_option *option, char *text, size_t capacity);

/* Help of one command on stdout. */
void cli_help(const cli_command *command);
/* All commands; all keys of a configuration file; where the public sets of images come from; all caps on files. */
void cli_help_all(void);
void cli_help_config(void);
void cli_help_data(void);
void cli_help_limits(void);

/* The table in main.c. */
extern const cli_command *const cli_commands[];
size_t cli_n_commands(void);
const cli_command *cli_find_command(const char *name);
/* The nearest of n names to a wrong one; NULL: none is near. */
const char *cli_nearest(const char *wrong, const char *const *names, size_t n);

/* ---- output.c: 0, or the message is out and the exit code returned ---- */
int cli_check_output(const cli_command *command, const char *path); /* a file can be made there */
int cli_check_folder(const cli_command *command,
                     const char *path); /* ... in this folder, which is made where it is not there */

/* ---- outfile.c: a file written piece by piece that appears under its name when all of it is on the disk. false: errno ---- */
typedef struct cli_outfile {
    FILE *file; /* NULL: not open */
    char *path, *temporary;
} cli_outfile;
bool cli_outfile_open(cli_outfile *o, const char *path);
bool cli_outfile_commit(cli_outfile *o);
void cli_outfile_abort(cli_outfile *o); /* what was written is gone; an empty one is fine */

/* ---- terminal.c ---- */
bool cli_is_terminal(int descriptor); /* a terminal that understands escape sequences (TERM is set and not "dumb") */
bool cli_colour(int descriptor);      /* ... and NO_COLOR is not set */
size_t cli_columns(int descriptor);   /* width, 80 when unknown */
size_t cli_rows(int descriptor);      /* height, 24 when unknown */
double cli_seconds(void);             /* of a clock that nobody sets */
void cli_duration(double seconds, char text[32]); /* "3 min 20 s" */

/* The commands, one a file. */
extern const cli_command cli_command_train, cli_command_sample, cli_command_compare, cli_command_eval, cli_command_info,
    cli_command_plan, cli_command_sweep, cli_command_repro, cli_command_export, cli_command_convert, cli_command_diff,
    cli_command_classifier, cli_command_selftest, cli_command_bench;

#endif
