/* journal.c: a file of lines that only grows (journal.h).
 *
 * The lock is an flock on the file itself: the kernel drops it with the process, so a crash leaves nothing stale.
 */
#include "io/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct bfn__journal {
    bfn_context *ctx;
    char *path;
    int fd;
    off_t end; /* behind the last whole line */
    char *text;
    const char **lines;
    size_t n;
};

static bfn_status fail_write(bfn_context *ctx, const char *path, const char *what)
{
    return bfn__fail(ctx, BFN_ERR_WRITE, "%s: %s: %s", path, what, strerror(errno));
}

/* size bytes from the beginning into journal->text, zero-terminated. */
static bfn_status read_text(bfn__journal *j, size_t size)
{
    j->text = bfn__calloc(j->ctx, size + 1, 1);
    if (j->text == NULL)
        return BFN_ERR_MEMORY;
    for (size_t done = 0; done < size;) {
        ssize_t got = pread(j->fd, j->text + done, size - done, (off_t)done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return bfn__fail(j->ctx, BFN_ERR_INPUT, "%s: cannot be read: %s", j->path,
                             got < 0 ? strerror(errno) : "it became shorter");
        done += (size_t)got;
    }
    if (memchr(j->text, '\0', size) != NULL)
        return bfn__fail(j->ctx, BFN_ERR_INPUT, "%s: found a byte 0, needs lines of text", j->path);
    return BFN_OK;
}

/* Lines end in '\0' from here on. */
static bfn_status cut_lines(bfn__journal *j)
{
    size_t n = 0;
    for (const char *c = j->text; *c != '\0'; c++)
        n += *c == '\n';
    j->lines = bfn__calloc(j->ctx, n > 0 ? n : 1, sizeof *j->lines);
    if (j->lines == NULL)
        return BFN_ERR_MEMORY;
    for (char *line = j->text; j->n < n; j->n++) {
        char *end = strchr(line, '\n');
        *end = '\0';
        j->lines[j->n] = line;
        line = end + 1;
        j->end = (off_t)(line - j->text);
    }
    return BFN_OK;
}

static bfn_status open_and_read(bfn__journal *j, size_t max_bytes)
{
    struct stat info;
    j->fd = open(j->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0666);
    if (j->fd < 0)
        return fail_write(j->ctx, j->path, "cannot be opened");
    if (fstat(j->fd, &info) != 0 || !S_ISREG(info.st_mode))
        return bfn__fail(j->ctx, BFN_ERR_WRITE, "%s: is no regular file", j->path);
    if (flock(j->fd, LOCK_EX | LOCK_NB) != 0)
        return bfn__fail(j->ctx, BFN_ERR_ARGUMENT, "%s: another process is at work on it", j->path);
    if ((uint64_t)info.st_size > max_bytes)
        return bfn__fail(j->ctx, BFN_ERR_INPUT, "%s: has %lld bytes, at most %zu are allowed", j->path,
                         (long long)info.st_size, max_bytes);
    bfn_status status = read_text(j, (size_t)info.st_size);
    if (status == BFN_OK)
        status = cut_lines(j);
    if (status == BFN_OK && j->end < info.st_size && ftruncate(j->fd, j->end) != 0)
        status = fail_write(j->ctx, j->path, "its unfinished last line cannot be cut off");
    return status;
}

bfn_status bfn__journal_open(bfn_context *ctx, bfn__journal **out, const char *path, size_t max_bytes)
{
    *out = NULL;
    bfn__journal *j = bfn__calloc(ctx, 1, sizeof *j);
    if (j == NULL)
        return BFN_ERR_MEMORY;
    j->ctx = ctx;
    j->fd = -1;
    j->path = bfn__strdup(ctx, path);
    bfn_status status = j->path != NULL ? open_and_read(j, max_bytes) : BFN_ERR_MEMORY;
    if (status != BFN_OK) {
        bfn__journal_close(j);
        return status;
    }
    *out = j;
    return BFN_OK;
}

size_t bfn__journal_n(const bfn__journal *journal)
{
    return journal->n;
}

const char *bfn__journal_line(const bfn__journal *journal, size_t i)
{
    return journal->lines[i];
}

static bool put(const bfn__journal *j, const char *data, size_t n)
{
    for (off_t at = j->end; n > 0;) {
        ssize_t done = pwrite(j->fd, data, n, at);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0) {
            errno = done == 0 ? ENOSPC : errno;
            return false;
        }
        data += done;
        at += done;
        n -= (size_t)done;
    }
    return fsync(j->fd) == 0;
}

bfn_status bfn__journal_append(bfn__journal *journal, const char *line)
{
    size_t n = strlen(line);
    char *whole = bfn__calloc(journal->ctx, n + 2, 1);
    if (whole == NULL)
        return BFN_ERR_MEMORY;
    memcpy(whole, line, n);
    whole[n] = '\n';
    bool good = put(journal, whole, n + 1);
    int error = errno;
    bfn__free(journal->ctx, whole);
    if (good) {
        journal->end += (off_t)n + 1;
        return BFN_OK;
    }
    (void)!ftruncate(journal->fd, journal->end);
    errno = error;
    return fail_write(journal->ctx, journal->path, "cannot be written");
}

void bfn__journal_close(bfn__journal *journal)
{
    if (journal == NULL)
        return;
    bfn_context *ctx = journal->ctx;
    if (journal->fd >= 0)
        close(journal->fd);
    bfn__free(ctx, journal->path);
    bfn__free(ctx, journal->text);
    bfn__free(ctx, journal->lines);
    bfn__free(ctx, journal);
}

bfn_status bfn__folder_make(bfn_context *ctx, const char *folder)
{
    char path[PATH_MAX];
    struct stat info;
    if (strlen(folder) >= sizeof path)
        return bfn__fail(ctx, BFN_ERR_ARGUMENT, "%.80s...: the path is too long", folder);
    memcpy(path, folder, strlen(folder) + 1);
    for (char *slash = strchr(path + (path[0] == '/'), '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(path, 0777) != 0 && errno != EEXIST)
            return fail_write(ctx, folder, "cannot be made");
        *slash = '/';
    }
    if ((mkdir(path, 0777) != 0 && errno != EEXIST) || stat(path, &info) != 0)
        return fail_write(ctx, folder, "cannot be made");
    return S_ISDIR(info.st_mode) ? BFN_OK : bfn__fail(ctx, BFN_ERR_WRITE, "%s: is a file, a folder is needed", folder);
}
