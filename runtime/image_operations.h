/* What RandAugment is made of: each operation as Pillow's ImageOps, ImageEnhance and Image.transform do it, to the bit.
 * Those that need other pixels than their own write to a second image, reserved at the first one's size; the others
 * work in place. A factor of 1, a rotation by 0, a threshold of 256 and 8 bits change nothing. */
#ifndef SIMBA_IMAGE_OPERATIONS_H
#define SIMBA_IMAGE_OPERATIONS_H

#include "image_augment.h"

/* Left for right. */
void image_flip(Image *image);
/* Each channel stretched to 0 .. 255 (ImageOps.autocontrast). */
void image_autocontrast(Image *image);
/* Each channel's histogram made even (ImageOps.equalize). */
void image_equalize(Image *image);
void image_invert(Image *image);
/* Keeps the upper `bits`, 0 .. 8. */
void image_posterize(Image *image, int32_t bits);
/* Inverts what is not below the threshold. */
void image_solarize(Image *image, int32_t threshold);
/* Adds to what is below 128 (timm's solarize_add). */
void image_solarize_add(Image *image, int32_t add);
/* Blends with a degenerate image: 0 gives that, 1 the image itself, more exaggerates. The degenerate one is grey, the
 * mean grey everywhere, black, or smoothed. */
void image_color(Image *image, float factor);
void image_contrast(Image *image, float factor);
void image_brightness(Image *image, float factor);
void image_sharpness(const Image *source, float factor, Image *out);

/* out[y, x] = source at (m[0] x + m[1] y + m[2], m[3] x + m[4] y + m[5]), pixels' centres at halves; `fill` beyond the
 * edges. `filter` is bilinear or bicubic (here Keys' with a = -1, as in Pillow). */
void image_affine(const Image *source, const double m[6], ImageFilter filter, const uint8_t fill[3], Image *out);
/* The matrix that turns an image counter-clockwise around its centre. */
void rotation_matrix(double degrees, int32_t height, int32_t width, double out_m[6]);

#endif
