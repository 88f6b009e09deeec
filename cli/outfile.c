/* outfile.c: a file that a command writes piece by piece. It has a temporary name beside its own until all of it is on the disk, so that a
 * full disk or an interruption leaves the old file, or none, and no half of one. Devices and FIFOs are written to as they are.
 */
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a symbolic link points to, so that the link stays; a copy of the path otherwise. NULL: errno. */
static char *target_of(const char *path)
{
    struct stat info;
    char *target = lstat(path, &info) == 0 && S_ISLNK(info.st_mode) ? realpath(path, NULL) : NULL;
    return target != NULL ? target : strdup(path);
}

static bool open_direct(cli_outfile *o)
{
    int fd = open(o->path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    o->file = fd >= 0 ? fdopen(fd, "w") : NULL;
    return o->file != NULL;
}

static bool open_temporary(cli_outfile *o)
{
    size_t room = strlen(o->path) + 32;
    o->temporary = malloc(room);
    if (o->temporary == NULL)
        return false;
    snprintf(o->temporary, room, "%s.tmp-%ld-0", o->path, (long)getpid());
    o->file = fopen(o->temporary, "wxe");
    if (o->file != NULL)
        return true;
    free(o->temporary);
    o->temporary = NULL;
    return false;
}

bool cli_outfile_open(cli_outfile *o, const char *path)
{
    struct stat info;
    memset(o, 0, sizeof *o);
    o->path = target_of(path);
    bool good = false;
    if (o->path != NULL && stat(o->path, &info) == 0 && S_ISDIR(info.st_mode))
        errno = EISDIR;
    else if (o->path != NULL)
        good = stat(o->path, &info) == 0 && !S_ISREG(info.st_mode) ? open_direct(o) : open_temporary(o);
    int error = errno;
    if (!good)
        cli_outfile_abort(o);
    errno = error;
    return good;
}

bool cli_outfile_commit(cli_outfile *o)
{
    bool good = fflush(o->file) == 0 && !ferror(o->file) && (o->temporary == NULL || fsync(fileno(o->file)) == 0);
    int error = errno;
    if (fclose(o->file) != 0 && good) {
        good = false;
        error = errno;
    }
    o->file = NULL;
    if (good && o->temporary != NULL && rename(o->temporary, o->path) == 0) {
        free(o->temporary);
        o->temporary = NULL; /* it is not there any more */
    } else if (good && o->temporary != NULL) {
        good = false;
        error = errno;
    }
    cli_outfile_abort(o);
    errno = error;
    return good;
}

void cli_outfile_abort(cli_outfile *o)
{
    if (o->file != NULL)
        fclose(o->file);
    if (o->temporary != NULL)
        unlink(o->temporary);
    free(o->temporary);
    free(o->path);
    memset(o, 0, sizeof *o);
}
