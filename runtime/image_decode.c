#include "image_decode.h"

#include <stdlib.h>
#include <string.h>

#include "image_decode_internal.h"

simba_status image_reserve(Image *image, int32_t height, int32_t width, int32_t channels, simba_error *error) {
  size_t bytes = (size_t)height * (size_t)width * (size_t)channels; /* two 31-bit sizes and 3: fits in 64 bits */
  if (bytes > image->capacity || !image->pixels) {
    uint8_t *larger = realloc(image->pixels, bytes ? bytes : 1);
    if (!larger)
      return error_set(error, SIMBA_OUT_OF_MEMORY, "out of memory for an image of %dx%d pixels", height, width);
    image->pixels = larger;
    image->capacity = bytes;
  }
  image->height = height;
  image->width = width;
  image->channels = channels;
  return SIMBA_OK;
}

void image_clear(Image *image) {
  free(image->pixels);
  memset(image, 0, sizeof *image);
}

simba_status image_begin(const EncodedImage *encoded, uint32_t height, uint32_t width, int32_t channels) {
  if (height == 0 || width == 0 || height > INT32_MAX || width > INT32_MAX ||
      (int64_t)height * width > encoded->max_pixels)
    return error_set(encoded->error, SIMBA_DATA_ERROR, "%s: the image has %ux%u pixels: expected 1 to %lld in all",
                     encoded->path, height, width, (long long)encoded->max_pixels);
  if (!encoded->header_only)
    return image_reserve(encoded->image, (int32_t)height, (int32_t)width, channels, encoded->error);
  encoded->image->height = (int32_t)height;
  encoded->image->width = (int32_t)width;
  encoded->image->channels = channels;
  return SIMBA_OK;
}

simba_status image_fail(const EncodedImage *encoded, size_t at, const char *format, const char *found) {
  return error_set(encoded->error, SIMBA_DATA_ERROR, "%s: byte %zu of %zu: %s: %s", encoded->path, at, encoded->size,
                   format, found);
}

static simba_status decode(const EncodedImage *encoded) {
  static const uint8_t JPEG[] = {0xFF, 0xD8, 0xFF}, PNG[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1A, '\n'};
  if (encoded->size >= sizeof JPEG && memcmp(encoded->bytes, JPEG, sizeof JPEG) == 0) return image_decode_jpeg(encoded);
  if (encoded->size >= sizeof PNG && memcmp(encoded->bytes, PNG, sizeof PNG) == 0) return image_decode_png(encoded);
  return error_set(encoded->error, SIMBA_DATA_ERROR, "%s: %s: expected a JPEG or PNG image", encoded->path,
                   encoded->size == 0 ? "the file is empty" : "the file begins as no image does that is read here");
}

simba_status image_decode(const char *path, const void *bytes, size_t size, int64_t max_pixels, Image *image,
                          simba_error *error) {
  EncodedImage encoded = {path, bytes, size, max_pixels, false, image, error};
  return decode(&encoded);
}

simba_status image_decode_header(const char *path, const void *bytes, size_t size, int64_t max_pixels, Image *image,
                                 simba_error *error) {
  EncodedImage encoded = {path, bytes, size, max_pixels, true, image, error};
  return decode(&encoded);
}

simba_status image_convert_channels(Image *image, int32_t channels, simba_error *error) {
  int64_t count = (int64_t)image->height * image->width;
  if (image->channels == channels) return SIMBA_OK;
  if (channels == 3) {
    simba_status status = image_reserve(image, image->height, image->width, 3, error);
    if (status) return status;
    uint8_t *pixels = image->pixels; /* from the end, where nothing is that is still to be read */
    for (int64_t i = count - 1; i >= 0; i--) pixels[3 * i] = pixels[3 * i + 1] = pixels[3 * i + 2] = pixels[i];
    return SIMBA_OK;
  }
  const int red = 19595, green = 38470, blue = 7471; /* 0.299, 0.587 and 0.114 in units of 2^-16; they sum to 2^16 */
  for (int64_t i = 0; i < count; i++) {
    const uint8_t *from = image->pixels + 3 * i;
    image->pixels[i] = (uint8_t)((red * from[0] + green * from[1] + blue * from[2] + (1 << 15)) >> 16);
  }
  image->channels = 1;
  return SIMBA_OK;
}
