/* inception.h: Inception-v3 up to the mean of its last block (2048 features), as the Fréchet inception distance uses it. Inference only. */
#ifndef BFN_NN_INCEPTION_H
#define BFN_NN_INCEPTION_H

#include "nn/nn.h"

enum { BFN__INCEPTION_SIDE = 299, BFN__INCEPTION_FEATURES = 2048 };

/* Input [299*299, 3] in [-1,1]; output [1, 2048]. Parameters "<unit>.conv.weight" and "<unit>.conv.bias", with the batch normalisation of each unit
 * folded in: who reads a published file computes them from "<unit>.conv.weight" and "<unit>.bn.weight", ".bias", ".running_mean",
 * ".running_var" with eps = BFN__INCEPTION_EPS. */
bfn_status bfn__inception_create(bfn_context *ctx, bfn__net **out);

#define BFN__INCEPTION_EPS 1e-3

#endif
