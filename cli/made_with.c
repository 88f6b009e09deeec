/* made_with.c: the record of the samples behind a number (made_with.h).
 *
 * Names are those of sample files and sweeps, so that `bfn sample` can be asked for the same samples again. The batch does not change
 * samples, but where the products of a CPU depend on it their last bits, and the time.
 */
#include "made_with.h"

static bfn_status fill(bfn_record *record, const cli_made_with *made)
{
    bfn_model_info info;
    bfn_model_get_info(made->model, &info);
    bfn_status status = bfn_record_model(record, made->model);
    if (status == BFN_OK)
        status = bfn_record_set(record, "model", made->path);
    if (status == BFN_OK)
        status = bfn_record_config(record, made->model);
    const struct {
        const char *key;
        uint64_t value;
        bool wanted;
    } counts[] = {{"class", made->label, made->label != SIZE_MAX},
                  {"seed", made->seed, true},
                  {"first", made->first, true},
                  {"n", made->n, true},
                  {"batch", made->batch, true}};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0] && status == BFN_OK; i++)
        if (counts[i].wanted)
            status = bfn_record_set_count(record, counts[i].key, counts[i].value);
    return status == BFN_OK ? bfn_record_solver(record, &info.flow, made->solver, made->clip) : status;
}

bfn_status cli_made_with_record(bfn_context *ctx, const cli_made_with *made, bfn_record **out)
{
    bfn_status status = bfn_record_create(ctx, out);
    if (status != BFN_OK)
        return status;
    status = fill(*out, made);
    if (status != BFN_OK) {
        bfn_record_destroy(*out);
        *out = NULL;
    }
    return status;
}

void cli_put_record(FILE *out, const bfn_record *record)
{
    fputc('{', out);
    for (size_t i = 0; i < bfn_record_n(record); i++) {
        fprintf(out, "%s\"%s\": ", i > 0 ? ", " : "", bfn_record_key(record, i));
        cli_put_json(out, bfn_record_value(record, i));
    }
    fputc('}', out);
}
