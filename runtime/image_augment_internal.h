/* Between image_augment.c and image_randaugment.c. */
#ifndef SIMBA_IMAGE_AUGMENT_INTERNAL_H
#define SIMBA_IMAGE_AUGMENT_INTERNAL_H

#include "image_random.h"
#include "image_resize.h"

struct ImageWorkspace {
  Image image, other; /* u8 of the input's size: the one being made, and one to work into */
  ResizeBuffers buffers;
  float normalised[3][256]; /* (value / 255 - mean) / deviation */
  uint8_t fill[3];          /* the mean colour */
};

/* RandAugment on workspace->image. */
void image_randaugment(const ImageAugmentation *augmentation, ImageDraws *draws, ImageWorkspace *workspace);
/* Bilinear or bicubic. */
ImageFilter image_filter_drawn(ImageFilter filter, ImageDraws *draws);

#endif
