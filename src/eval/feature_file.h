/* feature_file.h: small feature networks that describe themselves: a safetensors file whose metadata "bfn.features" is JSON
 *
 *   {"format": 1, "name": "resnet20-cifar10",
 *    "input": {"height": 32, "width": 32, "channels": 3, "scale": [a, a, a], "shift": [b, b, b]},      x = a byte + b, for each channel
 *    "layers": [{"name": "stem", "op": "conv", "in": ["input"], "out": 16, "kernel": [3, 3], "stride": 1, "border": [1, 1]},
 *               {"name": "a", "op": "relu", "in": ["stem"]}, ...],                                      operations: nn/layers.h
 *    "features": "pool", "logits": "fc", "accuracy": 0.9173, ...}                                       names of layers; the rest is for people
 *
 * and whose tensors are "<layer>.weight" and "<layer>.bias". Everything in it is untrusted.
 */
#ifndef BFN_FEATURE_FILE_H
#define BFN_FEATURE_FILE_H

#include "io/safetensors.h"
#include "nn/layers.h"

#define BFN__FEATURES_KEY "bfn.features"

typedef struct bfn__feature_net {
    void *json;                           /* owner of the strings below where it was read from a file; else NULL */
    const char *name, *features, *logits; /* logits: NULL where it has none */
    size_t height, width, channels, n_layers;
    double scale[3], shift[3];
    double accuracy; /* NaN: not known */
    bfn__layer *layers;
} bfn__feature_net;

/* BFN_ERR_INPUT names what is wrong; label names the file. Freed with bfn__feature_net_free. */
bfn_status bfn__feature_net_parse(bfn_context *ctx, const char *json, const char *label, bfn__feature_net *out);
/* The same of a file's metadata, which must have the key. */
bfn_status bfn__feature_net_read(bfn_context *ctx, const bfn__safetensors *st, const char *label,
                                 bfn__feature_net *out);
void bfn__feature_net_free(bfn_context *ctx, bfn__feature_net *net);
/* The JSON; notes: pairs of more entries, "data", "fashion-mnist", ... Freed with free(). NULL: out of memory. */
char *bfn__feature_net_write(const bfn__feature_net *net, const bfn__st_entry *notes, size_t n_notes);

#endif
