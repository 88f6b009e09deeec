/* adapter.h: what stands before and after both U-Nets: the image input adapter with its options, the output adapter (SPEC 12.4).
 *
 * Per pixel the adapter gives [channels | 2t - 1 (add_mask) | its encoding (and mask_res > 0) | position features (add_pos_feats)],
 * and a Linear "input_adapter.output_projection" where their number is not output_height. Position features are a fixed table
 * "input_adapter.pos_feats" [H*W, 4 n_freq_bands + 2], stored even where they are not used, as in the published checkpoints; or
 * learned, [1, H*W, pos_embed_size]. value_res is accepted because published configurations may name it: it has no effect there either.
 */
#ifndef BFN_NN_ADAPTER_H
#define BFN_NN_ADAPTER_H

#include "nn/graph.h"

/* Options of the adapter, to be put into a network's table of rules; add_mask: the class's default. Zero for input_channels,
 * input_shape and output_height: what the network needs (channels of its data, image_size, what its first layer reads). */
#define BFN__ADAPTER_RULES(add_mask)                                                                                   \
    {"input_adapter.input_channels", 0, 0, 1024, true}, {"input_adapter.input_shape.0", 0, 0, 4096, true},             \
        {"input_adapter.input_shape.1", 0, 0, 4096, true}, {"input_adapter.output_height", 0, 0, 65536, true},         \
        {"input_adapter.add_pos_feats", 0, 0, 1, true}, {"input_adapter.add_mask", add_mask, 0, 1, true},              \
        {"input_adapter.n_freq_bands", 64, 1, 4096, true}, {"input_adapter.value_res", -1, -1, 1e6, false},            \
        {"input_adapter.mask_res", -1, -1, 1e6, false}, {"input_adapter.learn_pos_feats", 0, 0, 1, true},              \
    {                                                                                                                  \
        "input_adapter.pos_embed_size", 32, 1, 65536, true                                                             \
    }

/* The image as the network reads it. image_size, data_channels, height: what stands for zeros in the options (and replaces them in the
 * resolved configuration; height 0: all features, without a projection). *shown: the id of the bare input. Registers its parameters
 * first; net->fill_fixed is set. */
int bfn__image_adapter(bfn__net *net, size_t image_size, size_t data_channels, size_t height, int *shown);

/* "output_adapter.output_projection": one Linear to channels * height numbers a pixel, channel-major; also makes it the output and
 * says that a row describes `channels` values. */
int bfn__output_adapter(bfn__net *net, int x, size_t channels, size_t height);

#endif
