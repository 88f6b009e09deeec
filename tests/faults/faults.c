/* faults.c: loaded before a program (LD_PRELOAD), it counts the calls that change files below one folder, and ends the process or lets
 * calls fail where it was told to. What the program is stays as it is: exit codes, messages and files are the real ones.
 *
 *   FAULTS_FOLDER  the folder, as the program names it
 *   FAULTS_LIST    where to write the calls, "kind path" a line (optional)
 *   FAULTS         kill N      the process dies in front of the Nth call
 *                  tear N      ... in the middle of it, if it is a write: half of the bytes are there
 *                  fail N E    the Nth call fails with errno E; a failing close closes
 *                  full N E    so do the Nth and all after it that put something on the disk; writes are cut short first
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_DESCRIPTORS = 1024 };

static struct {
    bool ready;
    const char *folder;
    int list;
    char mode[8];
    int at, error, n;
    char *paths[MAX_DESCRIPTORS]; /* of open descriptors that concern us */
} faults = {.list = -1};

#define REAL(name) (__extension__(__typeof__(&name)) dlsym(RTLD_NEXT, #name))

static void begin(void)
{
    if (faults.ready)
        return;
    faults.ready = true;
    faults.folder = getenv("FAULTS_FOLDER");
    const char *plan = getenv("FAULTS"), *list = getenv("FAULTS_LIST");
    if (plan != NULL) {
        size_t n = strcspn(plan, " ");
        char *rest = NULL;
        snprintf(faults.mode, sizeof faults.mode, "%.*s", (int)n, plan);
        faults.at = (int)strtol(plan + n, &rest, 10);
        faults.error = (int)strtol(rest, NULL, 10);
    }
    if (list != NULL)
        faults.list = REAL(open)(list, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
}

static bool concerns(const char *path)
{
    begin();
    return faults.folder != NULL && strncmp(path, faults.folder, strlen(faults.folder)) == 0;
}

static const char *path_of(int fd)
{
    return fd >= 0 && fd < MAX_DESCRIPTORS ? faults.paths[fd] : NULL;
}

static void note(const char *kind, const char *path)
{
    char line[512];
    int n = snprintf(line, sizeof line, "%s %s\n", kind, path);
    if (faults.list >= 0 && REAL(write)(faults.list, line, (size_t)n) != n)
        abort();
}

/* One more call. true: it must fail, errno is set. `puts`: it puts something on the disk. */
static bool strike(const char *kind, const char *path, bool puts)
{
    note(kind, path);
    faults.n++;
    if (strcmp(faults.mode, "kill") == 0 && faults.n == faults.at)
        (void)kill(getpid(), SIGKILL);
    if (strcmp(faults.mode, "tear") == 0 && faults.n == faults.at && strcmp(kind, "write") != 0)
        (void)kill(getpid(), SIGKILL);
    bool fail = (strcmp(faults.mode, "fail") == 0 && faults.n == faults.at) ||
                (strcmp(faults.mode, "full") == 0 && faults.n >= faults.at && puts);
    if (fail)
        errno = faults.error;
    return fail;
}

static void remember(int fd, const char *path)
{
    if (fd >= 0 && fd < MAX_DESCRIPTORS)
        faults.paths[fd] = strdup(path);
}

int open(const char *path, int flags, ...)
{
    mode_t mode = 0;
    va_list args;
    va_start(args, flags);
    if ((flags & O_CREAT) != 0)
        mode = va_arg(args, mode_t);
    va_end(args);
    bool ours = concerns(path) && ((flags & O_ACCMODE) != O_RDONLY || (flags & O_DIRECTORY) != 0);
    if (ours && strike("open", path, (flags & O_CREAT) != 0))
        return -1;
    int fd = REAL(open)(path, flags, mode);
    if (ours)
        remember(fd, path);
    return fd;
}

static ssize_t half_write(int fd, const void *data, size_t n)
{
    return REAL(write)(fd, data, n / 2);
}

ssize_t write(int fd, const void *data, size_t n)
{
    const char *path = path_of(fd);
    if (path == NULL)
        return REAL(write)(fd, data, n);
    if (strike("write", path, true)) {
        if (strcmp(faults.mode, "full") == 0 && faults.n == faults.at && n > 1)
            return half_write(fd, data, n);
        return -1;
    }
    if (strcmp(faults.mode, "tear") == 0 && faults.n == faults.at) {
        (void)!half_write(fd, data, n);
        (void)kill(getpid(), SIGKILL);
    }
    return REAL(write)(fd, data, n);
}

ssize_t pwrite(int fd, const void *data, size_t n, off_t offset)
{
    const char *path = path_of(fd);
    return path != NULL && strike("pwrite", path, true) ? -1 : REAL(pwrite)(fd, data, n, offset);
}

int fsync(int fd)
{
    const char *path = path_of(fd);
    return path != NULL && strike("fsync", path, true) ? -1 : REAL(fsync)(fd);
}

int ftruncate(int fd, off_t size)
{
    const char *path = path_of(fd);
    return path != NULL && strike("ftruncate", path, false) ? -1 : REAL(ftruncate)(fd, size);
}

int close(int fd)
{
    char *path = (char *)path_of(fd);
    bool fail = path != NULL && strike("close", path, false);
    if (path != NULL)
        faults.paths[fd] = NULL;
    free(path);
    int error = errno, result = REAL(close)(fd);
    errno = fail ? error : errno;
    return fail ? -1 : result;
}

int rename(const char *from, const char *to)
{
    return concerns(to) && strike("rename", to, true) ? -1 : REAL(rename)(from, to);
}

int link(const char *from, const char *to)
{
    return concerns(to) && strike("link", to, true) ? -1 : REAL(link)(from, to);
}

int unlink(const char *path)
{
    return concerns(path) && strike("unlink", path, false) ? -1 : REAL(unlink)(path);
}

int mkdir(const char *path, mode_t mode)
{
    return concerns(path) && strike("mkdir", path, true) ? -1 : REAL(mkdir)(path, mode);
}
