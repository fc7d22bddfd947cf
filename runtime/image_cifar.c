/* The binary version of CIFAR-10 and CIFAR-100: records of one label or two (coarse, fine; the fine one is the class)
 * and 3 planes of 32x32 bytes: red, green, blue. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image_set_internal.h"

enum { SIDE = 32, PLANE = SIDE * SIDE, COLOURS = 3, PIXEL_BYTES = COLOURS * PLANE, BATCHES = 5, NAME_SIZE = 32 };

typedef struct Layout {
  const char *name;
  int32_t labels, classes, coarse; /* labels before the pixels; classes of the last label and of the first of two */
} Layout;

static const Layout CIFAR_10 = {"CIFAR-10", 1, 10, 0}, CIFAR_100 = {"CIFAR-100", 2, 100, 20};

static int64_t record_bytes(const Layout *layout) { return layout->labels + PIXEL_BYTES; }

/* Planes to pixels. */
static void interleave(const uint8_t *planes, uint8_t *pixels) {
  for (int i = 0; i < PLANE; i++)
    for (int c = 0; c < COLOURS; c++) pixels[COLOURS * i + c] = planes[c * PLANE + i];
}

static simba_status check_label(const Layout *layout, const ImageFile *file, int64_t record, simba_error *error) {
  const uint8_t *label = (const uint8_t *)file->bytes + record * record_bytes(layout);
  for (int k = 0; k < layout->labels; k++) {
    int limit = k + 1 == layout->labels ? layout->classes : layout->coarse;
    if (label[k] < limit) continue;
    return error_set(error, SIMBA_DATA_ERROR, "%s: image %lld (byte %lld): label %d is out of range: %s has %d %s",
                     file->path, (long long)record, (long long)(record * record_bytes(layout) + k), label[k],
                     layout->name, limit, limit == layout->coarse ? "coarse classes" : "classes");
  }
  return SIMBA_OK;
}

static simba_status load(ImageSet *set, DataSplit split, const Layout *layout, const ImageFile *file,
                         simba_error *error) {
  int64_t stride = record_bytes(layout), count = (int64_t)file->size / stride;
  if (file->size == 0) return error_set(error, SIMBA_DATA_ERROR, "%s: the file is empty", file->path);
  if ((int64_t)file->size % stride != 0)
    return error_set(error, SIMBA_DATA_ERROR,
                     "%s: byte %zu: the file ends in the midst of image %lld: expected images of %lld bytes each "
                     "(%s, binary version)",
                     file->path, file->size, (long long)count, (long long)stride, layout->name);
  const ImagePart *part;
  const int32_t shape[3] = {SIDE, SIDE, COLOURS};
  simba_status status = image_set_add_part(set, file->path, split, count, shape, &part, error);
  for (int64_t i = 0; i < count && !status; i++) {
    const uint8_t *record = (const uint8_t *)file->bytes + i * stride;
    status = check_label(layout, file, i, error);
    set->label[part->begin + i] = record[layout->labels - 1];
    interleave(record + layout->labels, set->pixels + (part->begin + i) * PIXEL_BYTES);
  }
  snprintf(set->format, sizeof set->format, "%s", layout->name);
  return status;
}

/* ---- Folders ---- */

bool cifar_is_folder(const char *path) {
  return path_is_file(path, "data_batch_1.bin") || path_is_file(path, "train.bin");
}

static simba_status load_named(ImageSet *set, DataSplit split, const Layout *layout, const char *name,
                               simba_error *error) {
  ImageFile file = {0};
  simba_status status = image_file_read(set, set->path, name, &file, error);
  if (!status) status = load(set, split, layout, &file, error);
  image_file_free(&file);
  return status;
}

simba_status cifar_load_folder(ImageSet *set, simba_error *error) {
  simba_status status = SIMBA_OK;
  bool ten = path_is_file(set->path, "data_batch_1.bin");
  const Layout *layout = ten ? &CIFAR_10 : &CIFAR_100;
  const char *test = ten ? "test_batch.bin" : "test.bin";
  for (int i = 1; i <= BATCHES && !status && ten; i++) {
    char name[NAME_SIZE];
    snprintf(name, sizeof name, "data_batch_%d.bin", i);
    if (path_is_file(set->path, name))
      status = load_named(set, SPLIT_TRAIN, layout, name, error);
    else
      status = image_set_add_note(set, error, "%s is missing: its images are not in the set", name);
  }
  if (!ten) status = load_named(set, SPLIT_TRAIN, layout, "train.bin", error);
  if (!status && path_is_file(set->path, test)) status = load_named(set, SPLIT_TEST, layout, test, error);
  if (!status) status = image_set_read_class_names(set, ten ? "batches.meta.txt" : "fine_label_names.txt", error);
  return status;
}

/* ---- One file ---- */

static const Layout *layout_of(const ImageFile *file) {
  if (file->size == 0) return NULL;
  if (file->size % (size_t)record_bytes(&CIFAR_10) == 0) return &CIFAR_10;
  return file->size % (size_t)record_bytes(&CIFAR_100) == 0 ? &CIFAR_100 : NULL;
}

bool cifar_is_file(const ImageFile *file) {
  size_t length = strlen(file->path);
  return length > 4 && strcmp(file->path + length - 4, ".bin") == 0;
}

simba_status cifar_load_file(ImageSet *set, const ImageFile *file, simba_error *error) {
  const Layout *layout = layout_of(file);
  if (!layout)
    return error_set(error, SIMBA_DATA_ERROR,
                     "%s: %zu bytes are no whole number of images of CIFAR-10 (%lld bytes) or CIFAR-100 (%lld bytes)",
                     file->path, file->size, (long long)record_bytes(&CIFAR_10), (long long)record_bytes(&CIFAR_100));
  return load(set, SPLIT_TRAIN, layout, file, error);
}
