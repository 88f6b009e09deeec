/* helper_images.h: small image sets for tests, written as IDX files. */
#ifndef BFN_HELPER_IMAGES_H
#define BFN_HELPER_IMAGES_H

#include <stddef.h>
#include <stdint.h>

/* train-images-idx3-ubyte, train-labels-idx1-ubyte and t10k-... of n and n_test pictures [H,W] in an existing folder. Picture i (test pictures
 * go on counting): images_pixel(i, y, x); its label i % 4. */
void images_write_idx(const char *folder, size_t n, size_t n_test, size_t H, size_t W);
uint8_t images_pixel(size_t i, size_t y, size_t x);

#endif
