/* replay.c: a plain main for a fuzz target: feeds it every file of a folder, and each file's beginnings.
 *
 * The committed corpus holds small valid files and every input that ever crashed, so the ordinary test run (and the one under
 * the sanitizers) repeats what fuzzing found. A file of n bytes is also given cut to every shorter length; when it is long,
 * to MAX_CUTS lengths, evenly spread. An empty folder is an error: a replay of nothing proves nothing.
 */
#include "fuzz.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_PATH = 4096, MAX_BYTES = 1 << 24, MAX_CUTS = 2048 };

/* A copy of exactly `size` bytes, so that the address sanitizer sees a read past the end. */
static bool feed(const uint8_t *data, size_t size)
{
    uint8_t *exact = malloc(size > 0 ? size : 1);
    if (exact == NULL)
        return false;
    memcpy(exact, data, size);
    (void)LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    return true;
}

static bool feed_beginnings(const uint8_t *data, size_t size)
{
    size_t stride = size / MAX_CUTS + 1;
    for (size_t n = 0; n < size; n += stride)
        if (!feed(data, n))
            return false;
    return feed(data, size);
}

static bool replay_file(const char *path, uint8_t *buffer)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        fprintf(stderr, "replay: %s: cannot be opened\n", path);
        return false;
    }
    size_t size = fread(buffer, 1, MAX_BYTES, file);
    bool whole = feof(file) != 0;
    fclose(file);
    if (!whole) {
        fprintf(stderr, "replay: %s: longer than %d bytes, or unreadable\n", path, MAX_BYTES - 1);
        return false;
    }
    return feed_beginnings(buffer, size);
}

static int replay_folder(const char *folder, uint8_t *buffer)
{
    DIR *dir = opendir(folder);
    if (dir == NULL)
        return 0;
    int n_files = 0;
    for (struct dirent *entry = readdir(dir); entry != NULL && n_files >= 0; entry = readdir(dir)) {
        char path[MAX_PATH];
        if (entry->d_name[0] == '.')
            continue;
        int length = snprintf(path, sizeof path, "%s/%s", folder, entry->d_name);
        bool ok = length > 0 && length < MAX_PATH && replay_file(path, buffer);
        n_files = ok ? n_files + 1 : -1;
    }
    closedir(dir);
    return n_files;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
        return 2;
    }
    uint8_t *buffer = malloc(MAX_BYTES);
    int n_files = buffer != NULL ? replay_folder(argv[1], buffer) : -1;
    free(buffer);
    if (n_files <= 0) {
        fprintf(stderr, "replay: %s: no file replayed\n", argv[1]);
        return 1;
    }
    printf("%d files replayed\n", n_files);
    return 0;
}
