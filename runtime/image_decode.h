/* JPEG and PNG files in memory, known by their first bytes and not by their names. The result is grey where the file is,
 * without a palette, and colour otherwise (image_set.h has the conversions). A file that is cut off or corrupt is
 * SIMBA_DATA_ERROR "<path>: byte N of M: ...", as is one with more than max_pixels; nothing is decoded of that one. */
#ifndef SIMBA_IMAGE_DECODE_H
#define SIMBA_IMAGE_DECODE_H

#include "image_set.h"

/* Fills height, width, channels and pixels; the memory of `image` is used again. */
simba_status image_decode(const char *path, const void *bytes, size_t size, int64_t max_pixels, Image *image,
                          simba_error *error);
/* Height, width and channels only, from the header; image->pixels is left alone. */
simba_status image_decode_header(const char *path, const void *bytes, size_t size, int64_t max_pixels, Image *image,
                                 simba_error *error);
/* To 1 or 3 channels, as ImageNeeds.convert_channels has it. */
simba_status image_convert_channels(Image *image, int32_t channels, simba_error *error);

#endif
