/* sample_record.c: what bfn sample leaves with its files about how they were made.
 *
 * Keys are those of bfn/record.h, and for what is this command's own the names of its options. What has no influence on the samples (batch,
 * threads) is not there, so that files are the same for all of them. cmd_repro.c has the way back.
 */
#include "sample_record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static bfn_status add_given(sample_run *r)
{
    static const char *const formats[] = {"txt", "jsonl", "png", "folder", "npy", "npz"};
    const sample_values *v = r->v;
    bfn_record *record = r->record;
    bfn_status status = bfn_record_set(record, "model", v->recorded_model != NULL ? v->recorded_model : v->model);
    if (status == BFN_OK)
        status = bfn_record_config(record, r->model);
    if (status == BFN_OK && r->format != FORMAT_AUTO)
        status = bfn_record_set(record, "format", formats[r->format]);
    if (status == BFN_OK)
        status = bfn_record_set_count(record, "seed", v->seed);
    if (status == BFN_OK)
        status = bfn_record_set_count(record, "first", v->first);
    if (status == BFN_OK)
        status = bfn_record_set_count(record, "n", v->n);
    if (status == BFN_OK && v->label != SIZE_MAX)
        status = bfn_record_set_count(record, "class", v->label);
    if (status == BFN_OK && v->nonfinite)
        status = bfn_record_set(record, "allow_nonfinite", "yes");
    if (status == BFN_OK && v->infill != NULL)
        status = r->info.channels > 0 ? bfn_record_set_file(record, "infill", v->infill)
                                      : bfn_record_set(record, "infill", v->infill);
    if (status == BFN_OK && v->mask != NULL)
        status = bfn_record_set_file(record, "mask", v->mask);
    if (status == BFN_OK && v->columns > 0)
        status = bfn_record_set_count(record, "columns", v->columns);
    if (status == BFN_OK && (v->scale > 0 || r->format == FORMAT_FOLDER)) /* pictures of a folder are not enlarged */
        status = bfn_record_set_count(record, "scale", v->scale > 0 ? v->scale : 1);
    return status;
}

int sample_record(sample_run *r)
{
    bfn_status status = bfn_record_create(r->ctx, &r->record);
    if (status == BFN_OK)
        status = bfn_record_model(r->record, r->model);
    if (status == BFN_OK)
        status = add_given(r);
    if (status != BFN_OK)
        return sample_failure(r, status);
    status = bfn_record_solver(r->record, &r->info.flow, &r->solver, (bfn_clip)r->v->clip);
    return status == BFN_OK ? 0 : cli_solver_failure(r->command, r->ctx, status, "--method");
}

int sample_record_beside(sample_run *r)
{
    struct stat info;
    size_t n = strlen(r->v->out) + 6;
    if (stat(r->v->out, &info) != 0 || !S_ISREG(info.st_mode))
        return 0;
    char *path = malloc(n);
    if (path == NULL)
        return sample_no_memory(r);
    snprintf(path, n, "%s.json", r->v->out);
    bfn_status status = bfn_record_save(r->ctx, r->record, path);
    free(path);
    return status == BFN_OK ? 0 : sample_failure(r, status);
}
