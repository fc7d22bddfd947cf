/* Resampling with antialiasing, as Pillow's Image.resize does it, to the bit: a separable filter whose support grows
 * with the reduction, coefficients in fixed point with 22 bits, rows first, each pass rounded to u8. */
#ifndef SIMBA_IMAGE_RESIZE_H
#define SIMBA_IMAGE_RESIZE_H

#include "image_augment.h"

/* A rectangle of pixels. */
typedef struct ImageBox {
  int32_t top, left, height, width;
} ImageBox;

/* Memory of a resize, used again by the next one: coefficients, a row of pixels as numbers of 32 bits, and the image
 * between the passes. */
typedef struct ResizeBuffers {
  int32_t *begin, *coefficients, *wide; /* [size of the output], [size of the output, taps], [3 * width + 1] */
  size_t begin_capacity, coefficient_capacity, wide_capacity;
  Image between;
} ResizeBuffers;

/* The part `box` of the source, and nothing of what is around it, as an image of full_height x full_width, of which
 * `window` is wanted: out is reserved, [window.height, window.width, channels]. `filter` is bilinear or bicubic. */
simba_status image_resize(const Image *source, ImageBox box, int32_t full_height, int32_t full_width, ImageBox window,
                          ImageFilter filter, ResizeBuffers *buffers, Image *out, simba_error *error);
void resize_buffers_clear(ResizeBuffers *buffers);

#endif
