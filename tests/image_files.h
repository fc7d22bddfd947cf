/* Files of images as tests need them: bytes, gzipped bytes, PNG and JPEG in any form that their libraries write. */
#ifndef SIMBAC_TESTS_IMAGE_FILES_H
#define SIMBAC_TESTS_IMAGE_FILES_H

#include <check.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <jpeglib.h>
#include <png.h>
#include <zlib.h>

static inline void write_bytes(const char *path, const void *bytes, size_t size) {
  FILE *stream = fopen(path, "wb");
  ck_assert_msg(stream && fwrite(bytes, 1, size, stream) == size && fclose(stream) == 0, "%s", path);
}

static inline void write_text(const char *path, const char *text) { write_bytes(path, text, strlen(text)); }

/* Into `out` of `capacity` bytes; returns how many. */
static inline size_t gzip_bytes(const void *bytes, size_t size, uint8_t *out, size_t capacity) {
  z_stream stream = {0};
  ck_assert_int_eq(deflateInit2(&stream, 6, Z_DEFLATED, MAX_WBITS + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  stream.next_in = (Bytef *)bytes;
  stream.avail_in = (uInt)size;
  stream.next_out = out;
  stream.avail_out = (uInt)capacity;
  ck_assert_int_eq(deflate(&stream, Z_FINISH), Z_STREAM_END);
  deflateEnd(&stream);
  return stream.total_out;
}

static inline void write_gzipped(const char *path, const void *bytes, size_t size) {
  uint8_t *out = malloc(2 * size + 64);
  ck_assert_ptr_nonnull(out);
  write_bytes(path, out, gzip_bytes(bytes, size, out, 2 * size + 64));
  free(out);
}

/* Cuts a file to its first `size` bytes. */
static inline void cut_file(const char *path, size_t size) {
  char *bytes = malloc(size);
  FILE *stream = fopen(path, "rb");
  ck_assert(bytes && stream && fread(bytes, 1, size, stream) == size);
  fclose(stream);
  write_bytes(path, bytes, size);
  free(bytes);
}

typedef struct PngForm {
  int colour_type, depth, interlace;
  const png_color *palette;
  int colours;
} PngForm;

/* rows: [height, bytes of a row], packed as the form has it, 16 bits with the high byte first. */
static inline void write_png(const char *path, int height, int width, PngForm form, const uint8_t *rows) {
  FILE *stream = fopen(path, "wb");
  png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
  png_infop info = png_create_info_struct(png);
  ck_assert(stream && png && info);
  png_init_io(png, stream);
  png_set_IHDR(png, info, (png_uint_32)width, (png_uint_32)height, form.depth, form.colour_type, form.interlace,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  if (form.palette) png_set_PLTE(png, info, form.palette, form.colours);
  png_write_info(png, info);
  size_t stride = png_get_rowbytes(png, info);
  int passes = png_set_interlace_handling(png);
  for (int pass = 0; pass < passes; pass++)
    for (int y = 0; y < height; y++) png_write_row(png, rows + (size_t)y * stride);
  png_write_end(png, info);
  png_destroy_write_struct(&png, &info);
  ck_assert_int_eq(fclose(stream), 0);
}

static inline void write_grey_png(const char *path, int height, int width, const uint8_t *pixels) {
  write_png(path, height, width, (PngForm){PNG_COLOR_TYPE_GRAY, 8, PNG_INTERLACE_NONE, NULL, 0}, pixels);
}

/* samples: [height, width, components of the space] */
static inline void write_jpeg(const char *path, int height, int width, J_COLOR_SPACE space, bool progressive,
                              const uint8_t *samples) {
  struct jpeg_compress_struct jpeg = {0};
  struct jpeg_error_mgr handler;
  FILE *stream = fopen(path, "wb");
  ck_assert_ptr_nonnull(stream);
  jpeg.err = jpeg_std_error(&handler);
  jpeg_create_compress(&jpeg);
  jpeg_stdio_dest(&jpeg, stream);
  jpeg.image_height = (JDIMENSION)height;
  jpeg.image_width = (JDIMENSION)width;
  jpeg.input_components = space == JCS_GRAYSCALE ? 1 : space == JCS_CMYK ? 4 : 3;
  jpeg.in_color_space = space;
  jpeg_set_defaults(&jpeg);
  jpeg_set_quality(&jpeg, 95, TRUE);
  if (progressive) jpeg_simple_progression(&jpeg);
  jpeg_start_compress(&jpeg, TRUE);
  while (jpeg.next_scanline < jpeg.image_height) {
    JSAMPROW row = (JSAMPROW)samples + jpeg.next_scanline * jpeg.image_width * (JDIMENSION)jpeg.input_components;
    jpeg_write_scanlines(&jpeg, &row, 1);
  }
  jpeg_finish_compress(&jpeg);
  jpeg_destroy_compress(&jpeg);
  ck_assert_int_eq(fclose(stream), 0);
}

#endif
