/* torch.h: PyTorch's .pt state dicts (torch.save since 1.6: a zip of data.pkl and one file a storage; before: pickles in a row), read only, nothing executed. */
#ifndef BFN_TORCH_H
#define BFN_TORCH_H

#include "io/safetensors.h"

/* Does the content begin as a file of torch.save does (zip, or the pickle of old versions)? */
bool bfn__is_torch(const void *bytes, size_t n);

/* The tensors of a state dict under their names, contiguous, as if a safetensors file had held them. bytes must outlive the handle:
 * stored numbers are used where they lie. BFN_ERR_INPUT: what zipfile.h and pickle.h refuse; big-endian numbers; a storage that is
 * missing or whose size is not what the pickle says; what torch_legacy.h refuses. */
bfn_status bfn__torch_parse(bfn_context *ctx, bfn__safetensors **out, const void *bytes, size_t n, const char *label);

#endif
