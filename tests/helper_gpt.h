/* helper_gpt.h: the transformer once more, as plain loops in double: the independent answer that the engine is compared with. */
#ifndef HELPER_GPT_H
#define HELPER_GPT_H

#include "nn/nn.h"

/* One sample: shown [T,channels], out [T,classes]; params: an arena as the engine's, in double. */
void naive_gpt(const bfn__net *net, const double *params, const double *shown, double t, double *out);

/* Value of an option of the net. */
double net_option(const bfn__net *net, const char *key);

#endif
