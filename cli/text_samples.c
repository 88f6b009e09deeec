/* text_samples.c: samples of a text model as strings, and strings from files and pipes. */
#include "text_samples.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool cli_text_samples_create(const cli_command *command, cli_text_samples *samples, size_t n, size_t D)
{
    size_t width = 4 * D + 1;
    *samples = (cli_text_samples){.n = n, .D = D};
    samples->indices = calloc(n, D * sizeof *samples->indices);
    samples->text = calloc(n, width);
    samples->strings = calloc(n, sizeof *samples->strings);
    if (samples->indices == NULL || samples->text == NULL || samples->strings == NULL) {
        fprintf(stderr, "bfn %s: out of memory: %zu samples of %zu positions\n", command->name, n, D);
        return false;
    }
    for (size_t i = 0; i < n; i++)
        samples->strings[i] = samples->text + i * width;
    return true;
}

void cli_text_samples_free(cli_text_samples *samples)
{
    free(samples->indices);
    free(samples->text);
    free(samples->strings);
    *samples = (cli_text_samples){0};
}

bfn_status cli_text_samples_draw(cli_text_samples *samples, bfn_model *model, const bfn_solver_options *solver,
                                 uint64_t seed, uint64_t first, size_t batch)
{
    bfn_sampler_options sampler = BFN_SAMPLER_OPTIONS_INIT;
    size_t D = samples->D;
    sampler.seed = seed;
    sampler.batch = batch;
    double start = cli_seconds();
    bfn_status status = bfn_model_sample(model, solver, &sampler, first, samples->n, samples->indices);
    samples->seconds = cli_seconds() - start;
    for (size_t i = 0; status == BFN_OK && i < samples->n; i++)
        status = bfn_model_decode(model, samples->indices + i * D, samples->text + i * (4 * D + 1));
    return status;
}

/* All bytes of a file; NULL: out of memory. */
static char *read_all(FILE *file, size_t *n)
{
    size_t capacity = 1 << 16, got;
    char *bytes = malloc(capacity);
    *n = 0;
    while (bytes != NULL && (got = fread(bytes + *n, 1, capacity - *n, file)) > 0) {
        *n += got;
        if (*n < capacity)
            continue;
        char *grown = capacity <= SIZE_MAX / 2 ? realloc(bytes, 2 * capacity) : NULL;
        if (grown == NULL)
            free(bytes);
        bytes = grown;
        capacity *= 2;
    }
    return bytes;
}

int cli_read_strings(const cli_command *command, bfn_context *ctx, const char *path, const bfn_text_corpus *corpus,
                     bfn_text_strings **strings)
{
    bool piped = strcmp(path, "-") == 0;
    char safe[512];
    const char *label = piped ? "standard input" : path;
    FILE *file = piped ? stdin : fopen(path, "re");
    size_t n = 0;
    errno = file != NULL ? 0 : errno;
    char *bytes = file != NULL ? read_all(file, &n) : NULL;
    int code = 0;
    if (file == NULL || ferror(file)) {
        fprintf(stderr, "bfn %s: %s: cannot be read: %s\n", command->name, cli_safe(label, safe, sizeof safe),
                strerror(errno));
        code = (int)BFN_ERR_NOT_FOUND;
    } else if (bytes == NULL) {
        fprintf(stderr, "bfn %s: %s: out of memory\n", command->name, cli_safe(label, safe, sizeof safe));
        code = (int)BFN_ERR_MEMORY;
    } else {
        bfn_status status = bfn_text_strings_parse(ctx, strings, bytes, n, label, corpus);
        code = status == BFN_OK ? 0 : cli_fail(command, ctx, status);
    }
    free(bytes);
    if (file != NULL && !piped)
        fclose(file);
    return code;
}
