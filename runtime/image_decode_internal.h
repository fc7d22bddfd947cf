/* Between image_decode.c and the decoder of each format. */
#ifndef SIMBA_IMAGE_DECODE_INTERNAL_H
#define SIMBA_IMAGE_DECODE_INTERNAL_H

#include "image_decode.h"

typedef struct EncodedImage {
  const char *path;
  const uint8_t *bytes;
  size_t size;
  int64_t max_pixels;
  bool header_only;
  Image *image;
  simba_error *error;
} EncodedImage;

simba_status image_decode_jpeg(const EncodedImage *encoded);
simba_status image_decode_png(const EncodedImage *encoded);
/* Called by a decoder that has read the header: checks the size and reserves the pixels unless only the header is
 * wanted. */
simba_status image_begin(const EncodedImage *encoded, uint32_t height, uint32_t width, int32_t channels);
/* "<path>: byte <at> of <size>: <format>: <found>" */
simba_status image_fail(const EncodedImage *encoded, size_t at, const char *format, const char *found);

#endif
