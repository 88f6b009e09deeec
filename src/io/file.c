/* file.c: whole files in (mapped or read) and out (atomically).
 *
 * In: open without blocking (a FIFO would wait for a writer for ever), look at what was opened (not at the path: it may be
 * exchanged meanwhile), refuse what is not a regular file, then map it. Small files are read instead: a copy cannot change or
 * vanish under the parser.
 * Out: a temporary file in the same folder (rename works within one file system only), fsync so that the data is on disk
 * before the name is, rename, fsync of the folder so that the name is on disk too. Until the rename, the old file is untouched.
 * Logs grow instead: a line that does not fit whole is taken back.
 */
#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BELOW = 1 << 16, WRITE_BUFFER = 1 << 16 };

/* strerror is not safe between threads; this is (the XSI form would be, too, but glibc gives the GNU one here). */
static const char *reason(int error, char *buffer, size_t size)
{
#if defined(__GLIBC__) && defined(_GNU_SOURCE)
    return strerror_r(error, buffer, size);
#else
    return strerror_r(error, buffer, size) == 0 ? buffer : "unknown error";
#endif
}

static bfn_status fail_errno(bfn_context *ctx, bfn_status status, const char *path, const char *what, int error)
{
    char text[128];
    return bfn__fail(ctx, status, "%s: %s: %s", path, what, reason(error, text, sizeof text));
}

static const char *kind_of(mode_t mode)
{
    if (S_ISDIR(mode))
        return "a folder";
    if (S_ISFIFO(mode))
        return "a FIFO";
    if (S_ISSOCK(mode))
        return "a socket";
    return "a device";
}

static bfn_status check_kind(bfn_context *ctx, const char *path, const struct stat *info, size_t max_bytes)
{
    if (S_ISDIR(info->st_mode))
        return bfn__fail(ctx, BFN_ERR_NOT_FOUND, "%s: is a folder, a file is needed", path);
    if (!S_ISREG(info->st_mode))
        return bfn__fail(ctx, BFN_ERR_INPUT, "%s: is %s, a regular file is needed", path, kind_of(info->st_mode));
    if ((uint64_t)info->st_size > max_bytes)
        return bfn__fail(ctx, BFN_ERR_INPUT, "%s: has %lld bytes, at most %zu are allowed", path,
                         (long long)info->st_size, max_bytes);
    return BFN_OK;
}

/* Exactly size bytes into a fresh block. */
static bfn_status read_all(bfn_context *ctx, const char *path, int fd, size_t size, bfn__bytes *out)
{
    char *data = bfn__calloc(ctx, size, 1);
    if (data == NULL)
        return BFN_ERR_MEMORY;
    size_t done = 0;
    while (done < size) {
        ssize_t got = read(fd, data + done, size - done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            int error = errno;
            bfn__free(ctx, data);
            if (got == 0)
                return bfn__fail(ctx, BFN_ERR_INPUT, "%s: ended after %zu of %zu bytes", path, done, size);
            return fail_errno(ctx, BFN_ERR_NOT_FOUND, path, "cannot be read", error);
        }
        done += (size_t)got;
    }
    *out = (bfn__bytes){.data = data, .size = size, .mapped = false};
    return BFN_OK;
}

static bfn_status map_descriptor(bfn_context *ctx, const char *path, int fd, size_t max_bytes, bfn__bytes *out)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return fail_errno(ctx, BFN_ERR_NOT_FOUND, path, "cannot be examined", errno);
    bfn_status status = check_kind(ctx, path, &info, max_bytes);
    if (status != BFN_OK)
        return status;
    size_t size = (size_t)info.st_size;
    if (size == 0)
        return BFN_OK;
    if (size < READ_BELOW)
        return read_all(ctx, path, fd, size, out);
    void *data = mmap(NULL, size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (data == MAP_FAILED)
        return errno == ENOMEM ? fail_errno(ctx, BFN_ERR_MEMORY, path, "cannot be mapped", errno)
                               : read_all(ctx, path, fd, size, out);
    *out = (bfn__bytes){.data = data, .size = size, .mapped = true};
    return BFN_OK;
}

bfn_status bfn__file_map(bfn_context *ctx, const char *path, size_t max_bytes, bfn__bytes *out)
{
    *out = (bfn__bytes){NULL, 0, false};
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return fail_errno(ctx, BFN_ERR_NOT_FOUND, path, "cannot be opened", errno);
    bfn_status status = map_descriptor(ctx, path, fd, max_bytes, out);
    close(fd);
    return status;
}

void bfn__file_unmap(bfn_context *ctx, bfn__bytes *bytes)
{
    if (bytes->mapped)
        munmap(bytes->data, bytes->size);
    else
        bfn__free(ctx, bytes->data);
    *bytes = (bfn__bytes){NULL, 0, false};
}
/* ---- writing ---- */

struct bfn__writer {
    bfn_context *ctx;
    char *path, *temporary;
    int fd;
    bool direct; /* no temporary file */
    size_t used;
    char buffer[WRITE_BUFFER];
};

static bfn_status put(bfn_context *ctx, const char *path, int fd, const char *data, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, data, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return fail_errno(ctx, BFN_ERR_WRITE, path, "cannot be written", done < 0 ? errno : ENOSPC);
        data += done;
        n -= (size_t)done;
    }
    return BFN_OK;
}

static bfn_status fail_write(bfn__writer *w, const char *what)
{
    return fail_errno(w->ctx, BFN_ERR_WRITE, w->path, what, errno);
}

/* A name that is not there yet, beside the target: "<path>.tmp-<pid>-<try>". */
static int create_temporary(bfn__writer *w, size_t room)
{
    for (unsigned attempt = 0; attempt < 1000; attempt++) {
        (void)snprintf(w->temporary, room, "%s.tmp-%ld-%u", w->path, (long)getpid(), attempt);
        int fd = open(w->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (fd >= 0 || errno != EEXIST)
            return fd;
    }
    return -1; /* errno is EEXIST */
}

size_t bfn__file_is_temporary(const char *name)
{
    static const char mark[] = ".tmp-";
    const char *at = NULL;
    for (const char *c = name; (c = strstr(c, mark)) != NULL; c++)
        at = c;
    if (at == NULL)
        return 0;
    const char *process = at + strlen(mark);
    size_t digits = strspn(process, "0123456789");
    const char *attempt = process + digits + (process[digits] == '-');
    size_t rest = strspn(attempt, "0123456789");
    return digits > 0 && process[digits] == '-' && rest > 0 && attempt[rest] == '\0' ? (size_t)(at - name) : 0;
}

/* A symbolic link is followed, so that the file it points to is replaced and not the link. NULL path: memory. */
static char *resolve(bfn_context *ctx, const char *path)
{
    struct stat info;
    char *target = lstat(path, &info) == 0 && S_ISLNK(info.st_mode) ? realpath(path, NULL) : NULL;
    char *copy = bfn__strdup(ctx, target != NULL ? target : path);
    free(target);
    return copy;
}

/* Devices and FIFOs cannot be replaced by a rename: they are written to as they are. */
static bool is_direct(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
}

static bfn_status open_target(bfn__writer *w, size_t room)
{
    struct stat info;
    if (w->path[0] == '\0')
        return bfn__fail(w->ctx, BFN_ERR_WRITE, "the name of the file to write is empty");
    if (stat(w->path, &info) == 0 && S_ISDIR(info.st_mode))
        return bfn__fail(w->ctx, BFN_ERR_WRITE, "%s: is a folder, a file is needed", w->path);
    w->direct = is_direct(w->path);
    w->fd = w->direct ? open(w->path, O_WRONLY | O_CLOEXEC | O_NOCTTY) : create_temporary(w, room);
    if (w->fd >= 0)
        return BFN_OK;
    bfn_status status = fail_write(w, "cannot be created");
    w->temporary[0] = '\0'; /* not ours to remove */
    return status;
}

bfn_status bfn__writer_open(bfn_context *ctx, bfn__writer **out, const char *path)
{
    *out = NULL;
    bfn__writer *w = bfn__calloc(ctx, 1, sizeof *w);
    if (w == NULL)
        return BFN_ERR_MEMORY;
    w->ctx = ctx;
    w->fd = -1;
    w->path = resolve(ctx, path);
    size_t room = w->path != NULL ? strlen(w->path) + 64 : 0;
    w->temporary = w->path != NULL ? bfn__calloc(ctx, room, 1) : NULL;
    bfn_status status = w->temporary != NULL ? open_target(w, room) : BFN_ERR_MEMORY;
    if (status != BFN_OK) {
        bfn__writer_abort(w);
        return status;
    }
    *out = w;
    return BFN_OK;
}

static bfn_status flush(bfn__writer *w)
{
    size_t n = w->used;
    w->used = 0;
    return put(w->ctx, w->path, w->fd, w->buffer, n);
}

bfn_status bfn__writer_write(bfn__writer *w, const void *data, size_t n)
{
    if (n <= WRITE_BUFFER - w->used) {
        if (n > 0)
            memcpy(w->buffer + w->used, data, n);
        w->used += n;
        return BFN_OK;
    }
    bfn_status status = flush(w);
    if (status != BFN_OK)
        return status;
    if (n >= WRITE_BUFFER)
        return put(w->ctx, w->path, w->fd, data, n);
    memcpy(w->buffer, data, n);
    w->used = n;
    return BFN_OK;
}

/* The rename is durable once its folder is. Some file systems cannot sync folders (EINVAL): nothing more can be done there. */
static bfn_status sync_folder(bfn__writer *w)
{
    char *slash = strrchr(w->temporary, '/');
    const char *folder = slash == NULL ? "." : slash == w->temporary ? "/" : w->temporary;
    if (slash != NULL && slash != w->temporary)
        *slash = '\0';
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return errno == EACCES ? BFN_OK : fail_write(w, "its folder cannot be opened");
    bool bad = fsync(fd) != 0 && errno != EINVAL && errno != EROFS && errno != ENOTSUP;
    bfn_status status = bad ? fail_write(w, "its folder cannot be brought to disk") : BFN_OK;
    close(fd);
    return status;
}

bfn_status bfn__writer_commit(bfn__writer *w)
{
    bfn_status status = flush(w);
    struct stat old;
    if (status == BFN_OK &&
        stat(w->path, &old) == 0) /* keep who may read it; failing to is no reason to lose the data */
        (void)!fchmod(w->fd, old.st_mode & 0777);
    if (status == BFN_OK && fsync(w->fd) != 0 && !w->direct)
        status = fail_write(w, "cannot be brought to disk");
    int closed = close(w->fd);
    w->fd = -1;
    if (status == BFN_OK && closed != 0)
        status = fail_write(w, "cannot be closed");
    if (status == BFN_OK && !w->direct && rename(w->temporary, w->path) != 0)
        status = fail_write(w, "cannot be replaced");
    if (status != BFN_OK) {
        bfn__writer_abort(w);
        return status;
    }
    if (!w->direct)
        status = sync_folder(w);
    w->temporary[0] = '\0';
    bfn__writer_abort(w);
    return status;
}

void bfn__writer_abort(bfn__writer *w)
{
    if (w == NULL)
        return;
    bfn_context *ctx = w->ctx;
    if (w->fd >= 0)
        close(w->fd);
    /* The temporary name is only set once this writer made the file. */
    if (w->temporary != NULL && w->temporary[0] != '\0')
        (void)unlink(w->temporary);
    bfn__free(ctx, w->path);
    bfn__free(ctx, w->temporary);
    bfn__free(ctx, w);
}

bfn_status bfn__file_write(bfn_context *ctx, const char *path, const void *data, size_t n)
{
    bfn__writer *w;
    bfn_status status = bfn__writer_open(ctx, &w, path);
    if (status != BFN_OK)
        return status;
    status = bfn__writer_write(w, data, n);
    if (status != BFN_OK) {
        bfn__writer_abort(w);
        return status;
    }
    return bfn__writer_commit(w);
}

/* ---- files that grow ---- */

/* For a file of our own: no link to somewhere else, no device. -1: message set. */
static int open_own(bfn_context *ctx, const char *path, int flags, struct stat *info)
{
    int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0666);
    if (fd < 0) {
        (void)fail_errno(ctx, BFN_ERR_WRITE, path, "cannot be opened", errno);
        return -1;
    }
    if (fstat(fd, info) == 0 && S_ISREG(info->st_mode))
        return fd;
    (void)bfn__fail(ctx, BFN_ERR_WRITE, "%s: a regular file is needed", path);
    (void)close(fd);
    return -1;
}

bfn_status bfn__file_append(bfn_context *ctx, const char *path, const void *data, size_t n)
{
    struct stat info;
    int fd = open_own(ctx, path, O_WRONLY | O_CREAT | O_APPEND, &info);
    if (fd < 0)
        return BFN_ERR_WRITE;
    bfn_status status = put(ctx, path, fd, data, n);
    if (status != BFN_OK)
        (void)!ftruncate(fd, info.st_size);
    if (close(fd) != 0 && status == BFN_OK)
        status = fail_errno(ctx, BFN_ERR_WRITE, path, "cannot be closed", errno);
    return status;
}

bfn_status bfn__file_cut(bfn_context *ctx, const char *path, size_t n)
{
    struct stat info;
    int fd = open_own(ctx, path, O_WRONLY, &info);
    if (fd < 0)
        return BFN_ERR_WRITE;
    bfn_status status = BFN_OK;
    if ((uint64_t)info.st_size > n && ftruncate(fd, (off_t)n) != 0)
        status = fail_errno(ctx, BFN_ERR_WRITE, path, "cannot be cut", errno);
    (void)close(fd);
    return status;
}
