/* sample_run.c: what every part of a run of bfn sample needs (sample_run.h): the end of its counter, and failures in words.
 *
 * The parts know each other in one direction only:
 *   cmd_repro.c -> cmd_sample.c (the command; text) -> sample_pictures.c -> sample_record.c -> sample_run.c
 */
#include "sample_run.h"

#include "signals.h"

#include <signal.h>
#include <stdio.h>

void sample_end_counting(sample_run *r)
{
    if (r->counted)
        fputs("\r\033[K", stderr);
    r->counted = false;
}

int sample_failure(sample_run *r, bfn_status status)
{
    sample_end_counting(r);
    if (status == BFN_CANCELLED && cli_signals_caught() != 0) /* who asked for it knows */
        return cli_signals_caught() == SIGTERM ? CLI_EXIT_SIGTERM : CLI_EXIT_SIGINT;
    return cli_fail(r->command, r->ctx, status);
}

int sample_no_memory(const sample_run *r)
{
    fprintf(stderr, "bfn %s: out of memory: %zu samples of %zu positions\n", r->command->name, r->v->n,
            r->info.positions);
    return BFN_ERR_MEMORY;
}
