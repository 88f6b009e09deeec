/* made_with.h: what made a number of samples, as a record (bfn/record.h) that is printed beside it. */
#ifndef BFN_CLI_MADE_WITH_H
#define BFN_CLI_MADE_WITH_H

#include "cli.h"

#include "bfn/record.h"

/* The samples that a number is about. */
typedef struct cli_made_with {
    const char *path; /* of the model */
    const bfn_model *model;
    const bfn_solver_options *solver; /* resolved by bfn_model_resolve where the model decides */
    bfn_clip clip;
    uint64_t seed, first;
    size_t n, batch;
    size_t label; /* class of all samples; SIZE_MAX: none */
} cli_made_with;

/* version, backend, model and its checksum, precision, weights, a configuration that its file does not hold, class, seed, first, n, batch, and
 * the sampler as its plan resolves it.
 * *out by bfn_record_destroy. BFN_ERR_ARGUMENT: no such plan. */
bfn_status cli_made_with_record(bfn_context *ctx, const cli_made_with *made, bfn_record **out);

/* As one JSON object of texts, on the line where it stands. */
void cli_put_record(FILE *out, const bfn_record *record);

#endif
