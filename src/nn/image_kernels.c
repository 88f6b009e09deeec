/* image_kernels.c: the tables of image and Winograd kernels that this CPU can run. */
#include "nn/image_kernels.h"

#include "nn/kernels.h"
#include "nn/winograd.h"

#include <string.h>

extern const bfn__image_kernels bfn__image_kernels_base;
extern const bfn__winograd bfn__winograd_base;
#if defined(__x86_64__)
extern const bfn__image_kernels bfn__image_kernels_avx2, bfn__image_kernels_avx512;
extern const bfn__winograd bfn__winograd_avx2, bfn__winograd_avx512;
#endif

enum { MAX_SETS = 3 };

typedef struct tables {
    const bfn__image_kernels *image;
    const bfn__winograd *winograd;
} tables;

static const tables ALL[] = {
#if defined(__x86_64__)
    {&bfn__image_kernels_avx512, &bfn__winograd_avx512},
    {&bfn__image_kernels_avx2, &bfn__winograd_avx2},
#endif
    {&bfn__image_kernels_base, &bfn__winograd_base},
};

/* The tables of the instruction set that a table of general kernels is for. */
static tables tables_of(const bfn__kernels *k)
{
    size_t i = 0, n = sizeof ALL / sizeof *ALL;
    while (i + 1 < n && strcmp(ALL[i].image->name, k->name) != 0)
        i++;
    return ALL[i];
}

static size_t list(tables out[MAX_SETS])
{
    const bfn__kernels *sets[MAX_SETS];
    size_t n = bfn__kernels_list(sets, MAX_SETS);
    for (size_t i = 0; i < n; i++)
        out[i] = tables_of(sets[i]);
    return n;
}

const bfn__image_kernels *bfn__image_kernels_get(void)
{
    return tables_of(bfn__kernels_get()).image;
}

size_t bfn__image_kernels_list(const bfn__image_kernels **out, size_t max)
{
    tables all[MAX_SETS];
    size_t n = list(all);
    for (size_t i = 0; i < n && i < max; i++)
        out[i] = all[i].image;
    return n < max ? n : max;
}

const bfn__winograd *bfn__winograd_get(void)
{
    return tables_of(bfn__kernels_get()).winograd;
}

size_t bfn__winograd_list(const bfn__winograd **out, size_t max)
{
    tables all[MAX_SETS];
    size_t n = list(all);
    for (size_t i = 0; i < n && i < max; i++)
        out[i] = all[i].winograd;
    return n < max ? n : max;
}
