/* Any bytes as images. The first byte says as what: 'i' a JPEG or PNG file, 'x' IDX (two bytes of length and as many of
 * the labels' file, then the images' file), 'c' CIFAR, 'v' CSV of pixels and a label, 'g' gzip. Refused with the name of
 * the file, or a set whose images can all be read, have labels within its classes and are in one split each; pixels do
 * not depend on what was in memory before. */
#include <stdlib.h>
#include <string.h>

#include "runtime/gzip.h"
#include "runtime/image_decode.h"
#include "runtime/image_set_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { MAX_PIXELS = 1 << 16, MAX_BYTES = 1 << 20, MAX_SIDE = 256 };

static void check_refusal(const simba_error *error, const char *path) {
  if (error->status == SIMBA_OK || strncmp(error->message, path, strlen(path)) != 0) abort();
}

static simba_status decode_over(uint8_t before, const uint8_t *bytes, size_t size, Image *image, simba_error *error) {
  if (image_reserve(image, MAX_SIDE, MAX_SIDE, 3, error)) abort();
  memset(image->pixels, before, image->capacity);
  return image_decode("f", bytes, size, MAX_PIXELS, image, error);
}

static void decode(const uint8_t *bytes, size_t size) {
  Image image = {0}, again = {0}, header = {0};
  simba_error error = {0};
  simba_status status = decode_over(0, bytes, size, &image, &error);
  if (status) {
    check_refusal(&error, "f: ");
  } else {
    size_t count = (size_t)image.height * (size_t)image.width;
    if (count == 0 || count > MAX_PIXELS || (image.channels != 1 && image.channels != 3)) abort();
    if (decode_over(0xFF, bytes, size, &again, &error)) abort();
    if (memcmp(image.pixels, again.pixels, count * (size_t)image.channels) != 0) abort();
    if (image_decode_header("f", bytes, size, MAX_PIXELS, &header, &error)) abort();
    if (header.height != image.height || header.width != image.width || header.channels != image.channels) abort();
    if (image_convert_channels(&image, image.channels == 1 ? 3 : 1, &error)) abort();
  }
  image_clear(&image);
  image_clear(&again);
}

static void read_all(const ImageSet *set) {
  Image image = {0};
  simba_error error = {0};
  int64_t total = 0;
  for (int split = 0; split < SPLIT_COUNT; split++) {
    total += image_set_count(set, (DataSplit)split);
    for (int64_t i = 0; i < image_set_count(set, (DataSplit)split); i++) {
      if (image_set_read(set, (DataSplit)split, i, &image, &error)) abort();
      if (image.label < 0 || image.label >= image_set_class_count(set)) abort();
    }
  }
  if (total != set->count) abort();
  image_clear(&image);
}

static simba_status load(ImageSet *set, uint8_t kind, const uint8_t *bytes, size_t size, simba_error *error) {
  ImageFile file = {.path = "f.bin", .bytes = (char *)bytes, .size = size}, labels = {.path = "f.labels"};
  if (kind == 'c') return cifar_load_file(set, &file, error);
  if (kind == 'v') return pixel_csv_load_file(set, &file, error);
  size_t length = size < 2 ? 0 : (size_t)bytes[0] | (size_t)bytes[1] << 8;
  if (size < 2 + length) length = 0;
  size_t begin = size < 2 ? size : 2 + length;
  labels.bytes = (char *)bytes + begin - length;
  labels.size = length;
  file.bytes += begin;
  file.size -= begin;
  return idx_load(set, SPLIT_TRAIN, &file, &labels, error);
}

static void open_set(uint8_t kind, const uint8_t *bytes, size_t size) {
  ImageSetOptions options = image_set_defaults();
  options.max_bytes = MAX_BYTES;
  options.max_pixels = MAX_PIXELS;
  ImageSet *set;
  simba_error error = {0};
  if (image_set_create("f", &options, &set, &error)) abort();
  simba_status status = load(set, kind, bytes, size, &error);
  if (!status) status = image_set_finish(set, &error);
  if (status)
    check_refusal(&error, "f");
  else
    read_all(set);
  image_set_close(set);
}

static void expand(const uint8_t *bytes, size_t size) {
  char *out;
  size_t out_size;
  simba_error error = {0};
  if (gzip_expand("f", bytes, size, MAX_BYTES, &out, &out_size, &error)) {
    check_refusal(&error, "f: ");
    return;
  }
  if (out_size > MAX_BYTES || out[out_size] != 0) abort();
  free(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  if (size == 0) return 0;
  if (bytes[0] == 'i')
    decode(bytes + 1, size - 1);
  else if (bytes[0] == 'g')
    expand(bytes + 1, size - 1);
  else
    open_set(bytes[0], bytes + 1, size - 1);
  return 0;
}
