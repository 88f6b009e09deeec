/* sample_pictures.h: bfn sample for models of images. */
#ifndef BFN_CLI_SAMPLE_PICTURES_H
#define BFN_CLI_SAMPLE_PICTURES_H

#include "sample_run.h"

/* Everything after loading. The exit code. */
int sample_pictures(sample_run *r);
/* For the sampler's callback: remember a row for the film. */
void sample_pictures_step(sample_run *r, const bfn_sample_step *step);

#endif
