/* file.c: whole files in (mapped or read) and out (atomically).
 *
 * In: open without blocking (a FIFO would wait for a writer for ever), look at what was opened (not at the path: it may be
 * exchanged meanwhile), refuse what is not a regular file, then map it. Small files are read instead: a copy cannot change or
 * vanish under the parser.
 * Out: a temporary file in the same folder (rename works within one file system only), fsync so that the data is on disk
 * before the name is, rename, fsync of the folder so that the name is on disk too. Until the rename, the old file is untouched.
 */
#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
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
