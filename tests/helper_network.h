/* helper_network.h: networks of golden files: built from the metadata's configuration, with recorded weights. */
#ifndef HELPER_NETWORK_H
#define HELPER_NETWORK_H

#include "helper_golden.h"
#include "nn/nn.h"

typedef struct golden_network {
    golden_file *g;
    const bfn__option *options; /* the network's, from the metadata's configuration */
    size_t n_options;
    bfn__net *net;
    bfn__exec *exec;
    float *params; /* arena */
} golden_network;

/* Our name of the file's network ("UNetVDM" is "unet_vdm"); NULL: not built. */
const char *golden_network_class(golden_file *g);

/* False (and a line that says so) when the file's network is not built. weights: name of the file of weights; NULL: the one that
 * metadata "weights" names, or else the file of the same prefix ("gpt_losses" -> "gpt_weights"). */
bool golden_network_open(golden_network *w, golden_file *g, size_t batch, bool training);
void golden_network_close(golden_network *w);

/* A bfn_predict_fn; user: the golden_network. Any n up to its batch. */
int golden_network_predict(void *user, size_t first, size_t n, const double *t, const float *shown, float *out);

#endif
