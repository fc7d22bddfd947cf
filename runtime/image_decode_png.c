/* PNG by libpng. */
#include "image_decode_internal.h"

#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include <png.h>

typedef struct PngReader {
  png_structp png;
  png_infop info;
  const EncodedImage *encoded;
  size_t at;
  bool ended; /* more bytes were wanted than there are */
  simba_status status;
} PngReader;

_Noreturn static void on_error(png_structp png, png_const_charp found) {
  PngReader *reader = png_get_error_ptr(png);
  if (reader->ended)
    reader->status = image_fail(reader->encoded, reader->encoded->size, "PNG",
                                "the file ends in the midst of the image: it is cut off");
  else if (!reader->status)
    reader->status = image_fail(reader->encoded, reader->at, "PNG", found);
  png_longjmp(png, 1);
}

/* Warnings are about what does not touch the pixels. */
static void on_warning(png_structp png, png_const_charp found) {
  (void)png;
  (void)found;
}

static void on_read(png_structp png, png_bytep out, size_t count) {
  PngReader *reader = png_get_io_ptr(png);
  reader->ended = count > reader->encoded->size - reader->at;
  if (reader->ended) png_error(png, "end of file");
  memcpy(out, reader->encoded->bytes + reader->at, count);
  reader->at += count;
}

/* To 8 bits, grey or red, green, blue. */
static void set_conversions(PngReader *reader, int32_t *out_channels) {
  int colour = png_get_color_type(reader->png, reader->info);
  bool grey = colour == PNG_COLOR_TYPE_GRAY || colour == PNG_COLOR_TYPE_GRAY_ALPHA;
  if (colour == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(reader->png);
  if (grey) png_set_expand_gray_1_2_4_to_8(reader->png);
  png_set_scale_16(reader->png);
  png_set_strip_alpha(reader->png);
  *out_channels = grey ? 1 : 3;
}

static void read_image(PngReader *reader) {
  png_structp png = reader->png;
  png_set_read_fn(png, reader, on_read);
  png_read_info(png, reader->info);
  int32_t channels;
  set_conversions(reader, &channels);
  reader->status = image_begin(reader->encoded, png_get_image_height(png, reader->info),
                               png_get_image_width(png, reader->info), channels);
  if (reader->status || reader->encoded->header_only) return;
  int passes = png_set_interlace_handling(png);
  png_read_update_info(png, reader->info);
  const Image *image = reader->encoded->image;
  size_t stride = (size_t)image->width * (size_t)image->channels;
  if (png_get_rowbytes(png, reader->info) != stride) png_error(png, "rows of an unexpected length");
  for (int pass = 0; pass < passes; pass++)
    for (int32_t y = 0; y < image->height; y++) png_read_row(png, image->pixels + (size_t)y * stride, NULL);
  png_read_end(png, NULL);
}

simba_status image_decode_png(const EncodedImage *encoded) {
  PngReader reader = {.encoded = encoded};
  reader.png = png_create_read_struct(PNG_LIBPNG_VER_STRING, &reader, on_error, on_warning);
  if (reader.png) reader.info = png_create_info_struct(reader.png);
  if (!reader.info) {
    png_destroy_read_struct(&reader.png, NULL, NULL);
    return error_set_memory(encoded->error, encoded->path);
  }
  if (setjmp(png_jmpbuf(reader.png)) == 0) read_image(&reader);
  png_destroy_read_struct(&reader.png, &reader.info, NULL);
  return reader.status;
}
