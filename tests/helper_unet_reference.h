/* helper_unet_reference.h: both U-Nets once more, as plain loops in double: what the networks compute, and the independent answer that
 * the engine is compared with.
 *
 * One sample at a time. Images are [H, W, channels] (row-major, channels contiguous), weights as in the published checkpoints: Linear
 * [out, in], convolutions [out, in, ky, kx]. Options carry the published names; those of the input adapter begin with "input_adapter.".
 * A list is its elements under "name.0", "name.1", ... Options that are not given have the published defaults.
 */
#ifndef HELPER_UNET_REFERENCE_H
#define HELPER_UNET_REFERENCE_H

#include "nn/nn.h"

/* `count` numbers of parameter `name` without the prefix "net."; NULL: there is none. */
typedef const double *(*reference_lookup)(void *user, const char *name, size_t count);

typedef struct unet_reference {
    const bfn__option *options;
    size_t n_options;
    reference_lookup lookup;
    void *user;
} unet_reference;

/* shown [H*W, input channels] -> out [H*W, output_channels, output_height]. */
void reference_unet_vdm(const unet_reference *r, const double *shown, double t, double *out);
/* label: class of the sample where the network has num_classes (-1: none, nothing is added), else ignored. */
void reference_unet_adm(const unet_reference *r, const double *shown, double t, int32_t label, double *out);

/* A lookup in an arena of doubles laid out as the description's. */
typedef struct reference_arena {
    const bfn__net *net;
    const double *params;
} reference_arena;
const double *reference_arena_lookup(void *arena, const char *name, size_t count);

#endif
