/* What is random about an image: draws in a row, from a stream that (seed, epoch, repeat, purpose) names, beginning at
 * the image's own counter. Purposes do not see each other's draws. */
#ifndef SIMBA_IMAGE_RANDOM_H
#define SIMBA_IMAGE_RANDOM_H

#include "image_augment.h"

typedef enum DrawPurpose { DRAW_CROP, DRAW_FLIP, DRAW_OPERATIONS, DRAW_CUTOUT, DRAW_ERASE, DRAW_MIX } DrawPurpose;

typedef struct ImageDraws {
  uint64_t seed, stream, counter;
  uint32_t words[4];
  int left;
} ImageDraws;

ImageDraws image_draws(const ImageKey *key, DrawPurpose purpose);
/* Uniform in [0, 1): a multiple of 2^-32. */
double draw_uniform(ImageDraws *draws);
/* Uniform between two numbers. */
double draw_between(ImageDraws *draws, double low, double high);
/* Uniform in 0 .. count - 1, as far as 32 bits go: count is a number of pixels or of operations. */
int32_t draw_index(ImageDraws *draws, int32_t count);
/* Normal with mean 0 and deviation 1: two of them (Box and Muller). */
void draw_normals(ImageDraws *draws, double out_normals[2]);
/* Beta(alpha, alpha), for any alpha > 0. */
double draw_beta(ImageDraws *draws, double alpha);

#endif
