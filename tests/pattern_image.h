/* image() of golden/augment/pillow.py, of any size: levels 40 to 215 without much order. */
#ifndef SIMBAC_TESTS_PATTERN_IMAGE_H
#define SIMBAC_TESTS_PATTERN_IMAGE_H

#include <check.h>

#include "runtime/image_set.h"

static inline Image pattern_image(int32_t height, int32_t width, int32_t channels) {
  Image image = {0};
  ck_assert_int_eq(image_reserve(&image, height, width, channels, NULL), SIMBA_OK);
  uint8_t *pixel = image.pixels;
  for (int32_t y = 0; y < height; y++) {
    for (int32_t x = 0; x < width; x++) {
      for (int32_t c = 0; c < channels; c++)
        *pixel++ = (uint8_t)(40 + (x * 17 + y * 31 + c * 67 + x * y * (c + 3)) % 176);
    }
  }
  return image;
}

#endif
