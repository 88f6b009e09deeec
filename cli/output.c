/* output.c: whether a file can be made where the user wants it: asked before minutes of work, not after. It may still fail later. */
#include "cli.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

static int fail(const cli_command *command, const char *path, const char *reason)
{
    char safe[512];
    fprintf(stderr, "bfn %s: %s: cannot be written: %s\n", command->name, cli_safe(path, safe, sizeof safe), reason);
    return CLI_EXIT_WRITE;
}

int cli_check_output(const cli_command *command, const char *path)
{
    char folder[PATH_BYTES] = ".";
    struct stat info;
    if (stat(path, &info) == 0 && !S_ISREG(info.st_mode) &&
        !S_ISDIR(info.st_mode)) /* a device or a pipe: written as it is */
        return access(path, W_OK) == 0 ? 0 : fail(command, path, strerror(errno));
    const char *slash = strrchr(path, '/');
    if (slash != NULL)
        snprintf(folder, sizeof folder, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    if (stat(folder, &info) == 0 && !S_ISDIR(info.st_mode))
        return fail(command, path, strerror(ENOTDIR));
    if (access(folder, W_OK | X_OK) != 0)
        return fail(command, path, strerror(errno));
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        return fail(command, path, strerror(EISDIR));
    return 0;
}

int cli_check_folder(const cli_command *command, const char *path)
{
    if (mkdir(path, 0777) == 0 || access(path, W_OK | X_OK) == 0)
        return 0;
    return fail(command, path, strerror(errno));
}
