/* published.h: configurations in the YAML layouts of the two published code bases, read into our own. */
#ifndef BFN_PUBLISHED_H
#define BFN_PUBLISHED_H

#include "io/yaml.h"
#include "model/config.h"

/* Is the tree in one of these layouts (a network under model.net or net), and not in ours? */
bool bfn__published_is(bfn__yaml *tree);

/* Every key into the fields of an initialised config; what is absent gets the published code's default, which is not always ours. A key
 * that nobody knows, and a value that means something that we do not have, are BFN_ERR_ARGUMENT. */
bfn_status bfn__published_read(bfn_context *ctx, bfn__yaml *tree, const char *label, bfn__config *config);

#endif
