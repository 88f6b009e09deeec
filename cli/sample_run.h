/* sample_run.h: a run of bfn sample: what was asked for, what it needs while it goes, and how it fails. The parts of the command build on it. */
#ifndef BFN_CLI_SAMPLE_RUN_H
#define BFN_CLI_SAMPLE_RUN_H

#include "cli.h"
#include "film.h"
#include "solver_options.h"

#include "bfn/model.h"
#include "bfn/record.h"

#include <stdio.h>

typedef enum sample_format {
    FORMAT_AUTO = -1, /* by the kind of the model and the ending of -o */
    FORMAT_TXT,
    FORMAT_JSONL,
    FORMAT_PNG,
    FORMAT_FOLDER,
    FORMAT_NPY,
    FORMAT_NPZ
} sample_format;
#define SAMPLE_FORMATS "txt|jsonl|png|folder|npy|npz" /* in the order above */

typedef struct sample_values {
    const char *model, *config, *out, *infill, *mask;
    size_t n, batch, threads, columns, scale;
    uint64_t first, seed;
    size_t label; /* SIZE_MAX: not given */
    int clip, precision, raw, nonfinite, format, film, preview;
    cli_solver_values solver;
    /* Of a file that is made again (bfn repro): what its record calls the model, and the checksum that this must have. NULL: a new file. */
    const char *recorded_model, *wanted_sha256;
    const bool *given; /* by option, in the order of the table; NULL: everything is said as it is (bfn repro) */
} sample_values;

typedef struct picture_film picture_film;

/* What was asked for, and what it needs while it goes. */
typedef struct sample_run {
    const cli_command *command;
    sample_values *v;
    sample_format format;
    bfn_context *ctx;
    bfn_model *model;
    bfn_model_info info;
    bfn_solver_options solver;
    bfn_sampler_options sampler;
    unsigned char *known;
    void *known_values; /* int32_t [D] or float [D] */
    bfn_record *record; /* what makes the samples: kept beside or in the files */
    size_t done;        /* samples of finished chunks */
    bool counting, counted;

    /* text */
    cli_film *film;
    int32_t *samples; /* a chunk, or all of them for npy */
    char *text;       /* 4 D + 1 */
    FILE *out;        /* standard output, or that of outfile */
    cli_outfile outfile;

    /* pictures */
    picture_film *pictures_film;
} sample_run;

enum { SAMPLE_CHUNK_BATCHES = 4 };

/* Clear the counter's line; say what the library says, or that memory is short; the exit code. */
void sample_end_counting(sample_run *r);
int sample_failure(sample_run *r, bfn_status status);
int sample_no_memory(const sample_run *r);

#endif
