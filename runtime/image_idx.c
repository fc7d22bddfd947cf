/* IDX: big-endian; two zero bytes, the type of elements (8: unsigned bytes), the number of axes, the axes' 32-bit sizes,
 * the elements. Images have axes [count, height, width], labels [count]. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image_set_internal.h"

enum { IDX_UNSIGNED_BYTE = 8, MAGIC_BYTES = 4, IMAGE_HEADER_BYTES = 16, LABEL_HEADER_BYTES = 8 };

/* How the files of a data set are called: after "train" or "t10k". */
static const char *const IMAGES_NAME[] = {"-images-idx3-ubyte", "-images.idx3-ubyte"}, *const LABELS_NAME[] = {
                                                                                           "-labels-idx1-ubyte",
                                                                                           "-labels.idx1-ubyte"};
enum { NAME_STYLES = 2, NAME_SIZE = 64 };

static uint32_t read_u32(const char *bytes) {
  const uint8_t *b = (const uint8_t *)bytes;
  return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

bool idx_is_file(const ImageFile *file) {
  return file->size >= MAGIC_BYTES && file->bytes[0] == 0 && file->bytes[1] == 0;
}

/* Checks the header against `axes` and the length of the file. out_size: of each axis. */
static simba_status read_header(const ImageFile *file, int axes, uint32_t *out_size, simba_error *error) {
  size_t header = axes == 1 ? LABEL_HEADER_BYTES : IMAGE_HEADER_BYTES;
  const char *what = axes == 1 ? "labels" : "images";
  uint32_t magic = file->size < MAGIC_BYTES ? 0 : read_u32(file->bytes),
           expected = IDX_UNSIGNED_BYTE << 8 | (uint32_t)axes;
  if (magic != expected && file->size >= MAGIC_BYTES)
    return error_set(error, SIMBA_DATA_ERROR, "%s: byte 0: wrong magic number 0x%08x: expected 0x%08x, IDX %s%s",
                     file->path, magic, expected, what,
                     magic == 0x801   ? " (this file holds labels)"
                     : magic == 0x803 ? " (this file holds images)"
                                      : "");
  if (file->size < header)
    return error_set(error, SIMBA_DATA_ERROR, "%s: byte %zu: the file ends in its header: IDX %s have one of %zu bytes",
                     file->path, file->size, what, header);
  uint64_t elements = 1;
  bool overflow = false;
  for (int axis = 0; axis < axes; axis++) {
    out_size[axis] = read_u32(file->bytes + MAGIC_BYTES + 4 * axis);
    overflow |= __builtin_mul_overflow(elements, out_size[axis], &elements);
  }
  size_t found = file->size - header;
  if (!overflow && elements == found) return SIMBA_OK;
  if (overflow || elements > found)
    return error_set(error, SIMBA_DATA_ERROR,
                     "%s: byte %zu: the file ends where more %s should follow: it has %zu bytes behind its header, the "
                     "sizes there take %s%llu",
                     file->path, file->size, what, found, overflow ? "more than " : "",
                     overflow ? (unsigned long long)UINT64_MAX : (unsigned long long)elements);
  return error_set(error, SIMBA_DATA_ERROR, "%s: byte %zu: %zu bytes follow behind the last of the %s", file->path,
                   header + (size_t)elements, found - (size_t)elements, what);
}

simba_status idx_load(ImageSet *set, DataSplit split, const ImageFile *images, const ImageFile *labels,
                      simba_error *error) {
  uint32_t size[3] = {0}, label_count = 0;
  simba_status status = read_header(images, 3, size, error);
  if (!status) status = read_header(labels, 1, &label_count, error);
  if (status) return status;
  if (label_count != size[0])
    return error_set(error, SIMBA_DATA_ERROR, "%s: %u labels, but %s has %u images", labels->path, label_count,
                     images->path, size[0]);
  if (size[0] == 0) return error_set(error, SIMBA_DATA_ERROR, "%s: no images", images->path);
  int64_t pixels = (int64_t)size[1] * size[2]; /* the header's product fits in the file */
  if (pixels == 0 || pixels > set->options.max_pixels || size[1] > INT32_MAX || size[2] > INT32_MAX)
    return error_set(error, SIMBA_DATA_ERROR, "%s: the images have %ux%u pixels: expected 1 to %lld in all",
                     images->path, size[1], size[2], (long long)set->options.max_pixels);
  const ImagePart *part;
  const int32_t shape[3] = {(int32_t)size[1], (int32_t)size[2], 1};
  status = image_set_add_part(set, images->path, split, size[0], shape, &part, error);
  if (status) return status;
  memcpy(set->pixels + part->begin * pixels, images->bytes + IMAGE_HEADER_BYTES, (size_t)(part->count * pixels));
  const uint8_t *label = (const uint8_t *)labels->bytes + LABEL_HEADER_BYTES;
  for (int64_t i = 0; i < part->count; i++) set->label[part->begin + i] = label[i];
  return SIMBA_OK;
}

/* ---- Folders ---- */

/* The name of a split's file in `folder`, as it is or gzipped; false where there is none. */
static bool find_file(const char *folder, const char *prefix, const char *const names[NAME_STYLES],
                      char out_name[NAME_SIZE]) {
  for (int style = 0; style < NAME_STYLES; style++)
    for (int gzipped = 0; gzipped < 2; gzipped++) {
      snprintf(out_name, NAME_SIZE, "%s%s%s", prefix, names[style], gzipped ? ".gz" : "");
      if (path_is_file(folder, out_name)) return true;
    }
  return false;
}

bool idx_is_folder(const char *path) {
  char name[NAME_SIZE];
  return find_file(path, "train", IMAGES_NAME, name);
}

static simba_status load_split(ImageSet *set, DataSplit split, const char *prefix, simba_error *error) {
  char images_name[NAME_SIZE], labels_name[NAME_SIZE];
  if (!find_file(set->path, prefix, IMAGES_NAME, images_name)) return SIMBA_OK;
  if (!find_file(set->path, prefix, LABELS_NAME, labels_name))
    return error_set(error, SIMBA_DATA_ERROR, "%s/%s: its labels are missing: expected %s%s[.gz] beside it", set->path,
                     images_name, prefix, LABELS_NAME[0]);
  ImageFile images = {0}, labels = {0};
  simba_status status = image_file_read(set, set->path, images_name, &images, error);
  if (!status) status = image_file_read(set, set->path, labels_name, &labels, error);
  if (!status) status = idx_load(set, split, &images, &labels, error);
  if (!status && split == SPLIT_TRAIN)
    snprintf(set->format, sizeof set->format, "IDX, %dx%d%s", set->height, set->width,
             images.gzipped ? ", gzipped" : "");
  image_file_free(&images);
  image_file_free(&labels);
  return status;
}

/* The classes of Fashion-MNIST are published on its page and in none of its files. */
static simba_status name_fashion(ImageSet *set, simba_error *error) {
  static const char *const NAMES[] = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                      "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};
  static const char FOLDER[] = "fashion-mnist";
  size_t end = strlen(set->path);
  while (end > 0 && set->path[end - 1] == '/') end--;
  if (end < sizeof FOLDER - 1 || memcmp(set->path + end - (sizeof FOLDER - 1), FOLDER, sizeof FOLDER - 1) != 0)
    return SIMBA_OK;
  simba_status status = SIMBA_OK;
  for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES && !status; i++)
    status = image_set_add_class(set, NAMES[i], strlen(NAMES[i]), error);
  return status;
}

simba_status idx_load_folder(ImageSet *set, simba_error *error) {
  simba_status status = load_split(set, SPLIT_TRAIN, "train", error);
  if (!status) status = load_split(set, SPLIT_TEST, "t10k", error);
  if (!status) status = image_set_read_class_names(set, "classes.txt", error);
  if (!status && set->class_count == 0) status = name_fashion(set, error);
  return status;
}

/* ---- One file ---- */

/* The last `word` in the name becomes `other`, of the same length; false where there is none. */
static bool replace_word(char *name, const char *word, const char *other) {
  char *last = NULL;
  for (char *at = name; (at = strstr(at, word)); at++) last = at;
  if (last) memcpy(last, other, strlen(other));
  return last != NULL;
}

/* The labels' path from the images' path, gzipped or not as there is a file. NULL where memory is exhausted or the name
 * is not one of images: out_named says which. */
static char *labels_path(const char *images_path, bool *out_named) {
  size_t length = strlen(images_path);
  char *path = memory_allocate(length + sizeof ".gz", 1);
  *out_named = true;
  if (!path) return NULL;
  memcpy(path, images_path, length + 1);
  char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
  *out_named = replace_word(name, "images", "labels");
  if (!*out_named) {
    free(path);
    return NULL;
  }
  replace_word(name, "idx3", "idx1");
  if (path_is_file(path, NULL)) return path;
  bool gzipped = length > 3 && strcmp(path + length - 3, ".gz") == 0;
  strcpy(gzipped ? path + length - 3 : path + length, gzipped ? "" : ".gz");
  return path;
}

simba_status idx_load_file(ImageSet *set, const ImageFile *images, simba_error *error) {
  bool named;
  char *path = labels_path(images->path, &named);
  if (!path && named) return error_set_memory(error, images->path);
  uint32_t size[3];
  simba_status status = read_header(images, 3, size, error);
  if (!status && (!named || !path_is_file(path, NULL)))
    status = error_set(error, SIMBA_DATA_ERROR,
                       "%s: its labels are missing: expected a file of the same name with 'labels' instead of "
                       "'images' (and idx1 instead of idx3) beside it",
                       images->path);
  ImageFile labels = {0};
  if (!status) status = image_file_read(set, path, NULL, &labels, error);
  if (!status) status = idx_load(set, SPLIT_TRAIN, images, &labels, error);
  if (!status)
    snprintf(set->format, sizeof set->format, "IDX, %dx%d%s", set->height, set->width,
             images->gzipped ? ", gzipped" : "");
  image_file_free(&labels);
  free(path);
  return status;
}
