/* main.c: the program: finds the command and runs it.
 *
 *   bfn COMMAND [options]     the table below        bfn help [COMMAND]     bfn --version
 *
 * Exit codes: 0 done, 1 internal, 2 usage or configuration, 3 bad input file, 4 not found or no permission, 5 write failed, 6 numbers
 * diverged, 7 out of memory, 8 self-test failed, 130/143 stopped by a signal after a clean save.
 */
#include "cli.h"

#include "bfn/model.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

const cli_command *const cli_commands[] = {
    &cli_command_train, &cli_command_sample,     &cli_command_compare,  &cli_command_eval,    &cli_command_sweep,
    &cli_command_repro, &cli_command_info,       &cli_command_diff,     &cli_command_convert, &cli_command_export,
    &cli_command_plan,  &cli_command_classifier, &cli_command_selftest, &cli_command_bench,
};

size_t cli_n_commands(void)
{
    return sizeof cli_commands / sizeof cli_commands[0];
}

const cli_command *cli_find_command(const char *name)
{
    for (size_t i = 0; i < cli_n_commands(); i++)
        if (strcmp(cli_commands[i]->name, name) == 0)
            return cli_commands[i];
    return NULL;
}

static int unknown_command(const char *name)
{
    const char *names[32];
    char safe[64];
    size_t n = 0;
    for (; n < cli_n_commands(); n++)
        names[n] = cli_commands[n]->name;
    names[n++] = "help";
    names[n++] = "version";
    const char *near = cli_nearest(name, names, n);
    cli_safe(name, safe, sizeof safe);
    if (near != NULL)
        fprintf(stderr, "bfn: %s: no such command, nearest is %s (bfn help)\n", safe, near);
    else
        fprintf(stderr, "bfn: %s: no such command (bfn help)\n", safe);
    return CLI_EXIT_USAGE;
}

static int finish_stdout(void)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    fprintf(stderr, "bfn: standard output cannot be written\n");
    return CLI_EXIT_WRITE;
}

/* A file that is opened while a standard stream is closed would get the stream's number, and messages would end up in it. What
 * stands in for the stream still refuses to be read or written. */
static void hold_standard_streams(void)
{
    for (int stream = STDIN_FILENO; stream <= STDERR_FILENO; stream++)
        if (fcntl(stream, F_GETFD) == -1 && errno == EBADF)
            (void)!open("/dev/null", stream == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

/* Threads of GNU OpenMP that wait for others spin first: for milliseconds, on the very core that the others need where the machine is
 * busy. A thousand turns do as well on a quiet machine (docs/SPEED.md). How many it reads from the environment before main begins, so
 * the program starts itself once more; where that fails, it goes on as it is. AT_BASE is 0 where the dynamic loader was started with the
 * program as its argument: the loader would be started once more. */
static void wait_calmly(const cli_command *command, char **argv)
{
    static const cli_command *const without_network[] = {&cli_command_info, &cli_command_diff, &cli_command_convert,
                                                         &cli_command_export, &cli_command_plan};
    char program[PATH_BYTES];
    for (size_t i = 0; i < sizeof without_network / sizeof without_network[0]; i++)
        if (command == without_network[i])
            return;
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    if (n <= 0 || n == (ssize_t)sizeof program - 1 || getauxval(AT_BASE) == 0 || getenv("OMP_WAIT_POLICY") != NULL ||
        getenv("GOMP_SPINCOUNT") != NULL || setenv("GOMP_SPINCOUNT", "1000", 0) != 0)
        return;
    program[n] = '\0';
    (void)execv(program, argv);
}

static int extra(const char *command, const char *word)
{
    char safe[64];
    fprintf(stderr, "bfn %s: found \"%s\", which is one word too many\n", command, cli_safe(word, safe, sizeof safe));
    return CLI_EXIT_USAGE;
}

static int version(int argc, char **argv)
{
    if (argc > 1)
        return extra("version", argv[1]);
    printf("bfn %s (%s)\n", bfn_version(), bfn_backend());
    return finish_stdout();
}

static int help(int argc, char **argv)
{
    int words = argc > 1 && strcmp(argv[1], "eval") == 0 ? 3 : 2; /* bfn help eval spell */
    if (argc > words)
        return extra("help", argv[words]);
    if (argc < 2 || strcmp(argv[1], "help") == 0 || strcmp(argv[1], "version") == 0) {
        cli_help_all();
    } else if (strcmp(argv[1], "config") == 0) {
        cli_help_config();
    } else if (strcmp(argv[1], "data") == 0) {
        cli_help_data();
    } else if (strcmp(argv[1], "limits") == 0) {
        cli_help_limits();
    } else {
        const cli_command *command = cli_find_command(argv[1]);
        if (command == NULL)
            return unknown_command(argv[1]);
        char flag[] = "--help";
        char *line[] = {argv[1], argc > 2 ? argv[2] : flag, flag, NULL};
        return command->run(command, argc > 2 ? 3 : 2, line);
    }
    return finish_stdout();
}

int main(int argc, char **argv)
{
    hold_standard_streams();
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of writing, with its message and exit code */
    if (argc < 2) {
        cli_help_all();
        return finish_stdout() != 0 ? CLI_EXIT_WRITE : CLI_EXIT_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0 || strcmp(name, "version") == 0)
        return version(argc - 1, argv + 1);
    if (strcmp(name, "help") == 0)
        return help(argc - 1, argv + 1);
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        return help(1, argv);
    const cli_command *command = cli_find_command(name);
    if (command == NULL)
        return unknown_command(name);
    wait_calmly(command, argv);
    return command->run(command, argc - 1, argv + 1);
}
