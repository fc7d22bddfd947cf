#include <math.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>

#include "file.h"
#include "image_batches.h"

enum { LEAST_SIDE = 96 /* small images are enlarged to be seen */, GAP = 2, WHITE = 255 };

typedef struct Sheet {
  int32_t columns, scale; /* images in a row; pixels of the sheet for one of an image */
  int32_t height, width;
  size_t channels;
  uint8_t *pixels; /* [height, width, channels] */
} Sheet;

static uint8_t displayed(float value, float mean, float deviation) {
  float level = rintf((value * deviation + mean) * 255);
  return (uint8_t)(level >= 0 ? fminf(level, 255) : 0);
}

static void draw_image(const Sheet *sheet, const ImageAugmentation *a, const float *image, int64_t i) {
  int32_t top = GAP + (int32_t)(i / sheet->columns) * (a->height * sheet->scale + GAP);
  int32_t left = GAP + (int32_t)(i % sheet->columns) * (a->width * sheet->scale + GAP);
  for (size_t c = 0; c < sheet->channels; c++) {
    for (int32_t y = 0; y < a->height * sheet->scale; y++) {
      const float *row = image + (c * (size_t)a->height + (size_t)(y / sheet->scale)) * (size_t)a->width;
      uint8_t *out = sheet->pixels + ((size_t)(top + y) * (size_t)sheet->width + (size_t)left) * sheet->channels + c;
      for (int32_t x = 0; x < a->width * sheet->scale; x++) {
        out[(size_t)x * sheet->channels] = displayed(row[x / sheet->scale], a->mean[c], a->deviation[c]);
      }
    }
  }
}

static simba_status write_png(const Sheet *sheet, const char *path, simba_error *error) {
  png_image image = {.version = PNG_IMAGE_VERSION,
                     .width = (png_uint_32)sheet->width,
                     .height = (png_uint_32)sheet->height,
                     .format = sheet->channels == 1 ? PNG_FORMAT_GRAY : PNG_FORMAT_RGB};
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(image);
  void *bytes = memory_allocate(size, 1);
  simba_status status = SIMBA_OK;
  if (!bytes) {
    status = error_set_memory(error, path);
  } else if (!png_image_write_to_memory(&image, bytes, &size, 0, sheet->pixels, 0, NULL)) {
    status = error_set(error, SIMBA_OUT_OF_MEMORY, "%s: cannot make the picture: %s", path, image.message);
  } else {
    status = file_write(path, bytes, size, error);
  }
  png_image_free(&image);
  free(bytes);
  return status;
}

simba_status image_batch_sheet(const ImageBatch *batch, const ImageAugmentation *augmentation, int32_t columns,
                               const char *path, simba_error *error) {
  const ImageAugmentation *a = augmentation;
  if (batch->count < 1 || columns < 1) {
    return error_set(error, SIMBA_INVALID_ARGUMENT, "%s: a sheet needs images and columns", path);
  }
  Sheet sheet = {.columns = batch->count < columns ? (int32_t)batch->count : columns, .channels = (size_t)a->channels};
  int32_t side = a->height < a->width ? a->height : a->width;
  int64_t rows = (batch->count + sheet.columns - 1) / sheet.columns, width, height;
  sheet.scale = (LEAST_SIDE + side - 1) / side;
  width = GAP + (int64_t)sheet.columns * (a->width * sheet.scale + GAP);
  height = GAP + rows * (a->height * sheet.scale + GAP);
  if (width > INT16_MAX || height > INT16_MAX) {
    return error_set(error, SIMBA_INVALID_ARGUMENT, "%s: a sheet of %lldx%lld pixels is too large", path,
                     (long long)height, (long long)width);
  }
  sheet.height = (int32_t)height;
  sheet.width = (int32_t)width;
  size_t size = (size_t)height * (size_t)width * sheet.channels;
  sheet.pixels = memory_allocate(size, 1);
  if (!sheet.pixels) return error_set_memory(error, path);
  memset(sheet.pixels, WHITE, size);
  size_t input = sheet.channels * (size_t)a->height * (size_t)a->width;
  for (int64_t i = 0; i < batch->count; i++) draw_image(&sheet, a, batch->images + (size_t)i * input, i);
  simba_status status = write_png(&sheet, path, error);
  free(sheet.pixels);
  return status;
}
