/* clip.h: dynamic clipping of a continuous prediction (SPEC 11.5). */
#ifndef BFN_CLIP_H
#define BFN_CLIP_H

#include <stddef.h>

/* s = max(1, quantile of |p| over the sample, q in (0,1], interpolated linearly between neighbours); p = clip(p, -s, s) / s.
 * scratch holds n floats. NaN in p gives NaN out. */
void bfn__clip_dynamic(size_t n, float *p, double q, float *scratch);

#endif
