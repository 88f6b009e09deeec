/* gpt_init.h: initial values of a small transformer that depend on each other (option scaled_init). */
#ifndef BFN_NN_GPT_INIT_H
#define BFN_NN_GPT_INIT_H

#include "nn/nn.h"

/* Called when every parameter has its random value; V > 2. */
void bfn__gpt_scaled_init(const bfn__net *net, float *params);

#endif
