/* sample_record.h: what bfn sample leaves with its files about how they were made. */
#ifndef BFN_CLI_SAMPLE_RECORD_H
#define BFN_CLI_SAMPLE_RECORD_H

#include "sample_run.h"

/* Fills r->record: everything that the samples depend on, under names that bfn repro reads. The exit code. */
int sample_record(sample_run *r);
/* FILE.json beside FILE, for formats that have no place of their own; nothing beside what is no regular file. The exit code. */
int sample_record_beside(sample_run *r);

#endif
