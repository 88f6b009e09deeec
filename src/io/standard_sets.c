/* standard_sets.c: the public data sets of pictures. The MD5 sums are of the inflated files, so that they hold for every compression of them;
 * those of the archive are of the archive as it is published. */
#include "io/standard_sets.h"

#include <string.h>
#include <strings.h>

static const bfn__standard_set sets[] = {
    {"fashion-mnist",
     "fashion",
     "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
     {"T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot"},
     "Fashion-MNIST is Debian's package dataset-fashion-mnist, which puts it into /usr/share/datasets/fashion-mnist; "
     "files (raw or "
     ".gz) and the md5 of the raw ones: train-images-idx3-ubyte f4a8712d7a061bf5bd6d2ca38dc4d50a, "
     "train-labels-idx1-ubyte "
     "9018921c3c673c538a1fc5bad174d6f9, t10k-images-idx3-ubyte 8181f5470baa50b63fa0f6fddb340f0a, "
     "t10k-labels-idx1-ubyte "
     "15d484375f8d13e6eb1aabb0c3f46965"},
    {"mnist",
     "mnist",
     "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
     {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"},
     "MNIST is published at yann.lecun.com/exdb/mnist; files (raw or .gz) and the md5 of the raw ones: "
     "train-images-idx3-ubyte "
     "6bbc9ace898e44ae57da46a324031adb, train-labels-idx1-ubyte a25bea736e30d166cdddb491f175f624, "
     "t10k-images-idx3-ubyte "
     "2646ac647ad5339dbf082846283269ea, t10k-labels-idx1-ubyte 27ae3e4e09519cfbb04c329615203637"},
    {"cifar10",
     "cifar",
     NULL,
     {"airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"},
     "CIFAR-10 is cifar-10-binary.tar.gz (md5 c32a1d4ab5d03f1284b67883e8d87530) from "
     "www.cs.toronto.edu/~kriz/cifar.html; its "
     "folder holds, with md5: data_batch_1.bin 5dd7e06a14cb22eb9f671a540d1b7c25, data_batch_2.bin "
     "5ea93a67294ea407fff1d09f752e9692, data_batch_3.bin 942cd6a4bcdd0dd3c604fbe906cb4421, data_batch_4.bin "
     "ae636b3ba5c66a11e91e8cb52e771fcb, data_batch_5.bin 53f37980c15c3d472c316c40844f3f0d, test_batch.bin "
     "803d5f7f4d78ea53de84dbe85f74fb6d"},
};

enum { N_SETS = sizeof sets / sizeof sets[0] };

const bfn__standard_set *bfn__standard_set_number(size_t i)
{
    return i < N_SETS ? &sets[i] : NULL;
}

const bfn__standard_set *bfn__standard_set_of_path(const char *path)
{
    for (size_t i = 0; i < N_SETS; i++)
        for (const char *c = path; *c != '\0'; c++)
            if (strncasecmp(c, sets[i].word, strlen(sets[i].word)) == 0)
                return &sets[i];
    return NULL;
}

const bfn__standard_set *bfn__standard_set_of_images(const char *sha256)
{
    for (size_t i = 0; i < N_SETS; i++)
        if (sets[i].train_sha256 != NULL && strcmp(sets[i].train_sha256, sha256) == 0)
            return &sets[i];
    return NULL;
}

const bfn__standard_set *bfn__standard_set_named(const char *name)
{
    for (size_t i = 0; i < N_SETS; i++)
        if (strcmp(sets[i].name, name) == 0)
            return &sets[i];
    return NULL;
}
