/* image_kernels.c: the tables of image kernels that this CPU can run. */
#include "nn/image_kernels.h"

#include "nn/kernels.h"

#include <string.h>

extern const bfn__image_kernels bfn__image_kernels_base;
#if defined(__x86_64__)
extern const bfn__image_kernels bfn__image_kernels_avx2;
extern const bfn__image_kernels bfn__image_kernels_avx512;
#endif

static const bfn__image_kernels *named(const char *name)
{
#if defined(__x86_64__)
    if (strcmp(name, bfn__image_kernels_avx512.name) == 0)
        return &bfn__image_kernels_avx512;
    if (strcmp(name, bfn__image_kernels_avx2.name) == 0)
        return &bfn__image_kernels_avx2;
#endif
    (void)name;
    return &bfn__image_kernels_base;
}

const bfn__image_kernels *bfn__image_kernels_get(void)
{
    return named(bfn__kernels_get()->name);
}

size_t bfn__image_kernels_list(const bfn__image_kernels **out, size_t max)
{
    const bfn__kernels *all[8];
    size_t n = bfn__kernels_list(all, 8);
    for (size_t i = 0; i < n && i < max; i++)
        out[i] = named(all[i]->name);
    return n < max ? n : max;
}
