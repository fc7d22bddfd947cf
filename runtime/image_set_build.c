/* Construction of sets: parts, names, notes, and the checks when all is there. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "file.h"
#include "gzip.h"
#include "image_set_internal.h"

enum { NOTE_SIZE = 1024, NAME_SIZE = 24 };

/* ---- Paths and files ---- */

char *path_join(const char *folder, const char *name) {
  size_t length = strlen(folder), name_length = strlen(name);
  while (length > 1 && folder[length - 1] == '/') length--;
  char *path = memory_allocate(length + name_length + 2, 1);
  if (!path) return NULL;
  memcpy(path, folder, length);
  path[length] = '/';
  memcpy(path + length + 1, name, name_length + 1);
  return path;
}

static bool has_type(const char *folder, const char *name, mode_t type) {
  struct stat status;
  char *path = name ? path_join(folder, name) : text_copy(folder);
  bool has = path && stat(path, &status) == 0 && (status.st_mode & S_IFMT) == type;
  free(path);
  return has;
}

bool path_is_file(const char *folder, const char *name) { return has_type(folder, name, S_IFREG); }
bool path_is_folder(const char *folder, const char *name) { return has_type(folder, name, S_IFDIR); }

simba_status image_file_read(const ImageSet *set, const char *folder, const char *name, ImageFile *out_file,
                             simba_error *error) {
  *out_file = (ImageFile){.path = name ? path_join(folder, name) : text_copy(folder)};
  if (!out_file->path) return error_set_memory(error, folder);
  simba_status status = gzip_file_read(out_file->path, (size_t)set->options.max_bytes, &out_file->bytes,
                                       &out_file->size, &out_file->gzipped, error);
  if (!status) return SIMBA_OK;
  free(out_file->path);
  *out_file = (ImageFile){0};
  return status;
}

void image_file_free(ImageFile *file) {
  free(file->path);
  free(file->bytes);
}

/* ---- Sets and parts ---- */

simba_status image_set_create(const char *path, const ImageSetOptions *options, ImageSet **out_set,
                              simba_error *error) {
  if (!(options->validation >= 0 && options->validation < 1) || !(options->test >= 0 && options->test < 1) ||
      options->max_pixels < 1 || options->max_bytes < 1 || options->height < 0 || options->width < 0 ||
      (options->height > 0) != (options->width > 0) || !(options->maximum >= 0))
    return error_set(error, SIMBA_INVALID_ARGUMENT,
                     "image_set_open: shares must be from 0 up to 1, limits positive, height and width given both or "
                     "not at all");
  ImageSet *set = calloc(1, sizeof *set);
  if (!set) return error_set_memory(error, path);
  set->options = *options;
  set->options.label_maps = NULL;
  set->path = text_copy(path);
  char *maps = text_copy(options->label_maps);
  set->options.label_maps = maps;
  if (!set->path || (options->label_maps && !maps)) {
    image_set_close(set);
    return error_set_memory(error, path);
  }
  *out_set = set;
  return SIMBA_OK;
}

void image_set_close(ImageSet *set) {
  if (!set) return;
  for (size_t i = 0; i < set->part_count; i++) free(set->part[i].path);
  for (int64_t i = 0; set->file && i < set->count; i++) free(set->file[i]);
  for (int32_t i = 0; i < set->class_count; i++) free(set->class_name[i]);
  for (size_t i = 0; i < set->note_count; i++) free(set->note[i]);
  for (int split = 0; split < SPLIT_COUNT; split++) free(set->order[split]);
  skip_list_destroy(set->skipped);
  free((char *)set->options.label_maps);
  free(set->class_name);
  free(set->note);
  free(set->part);
  free(set->file);
  free(set->label);
  free(set->pixels);
  free(set->path);
  free(set);
}

static simba_status check_size(const ImageSet *set, const char *path, int64_t count, const int32_t size[3],
                               simba_error *error) {
  if (set->part_count > 0 && (size[0] != set->height || size[1] != set->width || size[2] != set->channels))
    return error_set(error, SIMBA_DATA_ERROR, "%s: images of %dx%d pixels, but those of %s have %dx%d", path, size[0],
                     size[1], set->part[0].path, set->height, set->width);
  int64_t pixels = (int64_t)size[0] * size[1], bytes, total;
  if (pixels < 1 || pixels > set->options.max_pixels)
    return error_set(error, SIMBA_DATA_ERROR, "%s: the images have %dx%d pixels: expected 1 to %lld in all", path,
                     size[0], size[1], (long long)set->options.max_pixels);
  if (__builtin_add_overflow(set->count, count, &total) || __builtin_mul_overflow(pixels * size[2], total, &bytes) ||
      bytes > set->options.max_bytes)
    return error_set(error, SIMBA_DATA_ERROR, "%s: the images take more than %lld bytes, the limit", path,
                     (long long)set->options.max_bytes);
  return SIMBA_OK;
}

static bool grow_arrays(ImageSet *set, int64_t count) {
  size_t total = (size_t)(set->count + count), bytes = (size_t)set->height * (size_t)set->width * (size_t)set->channels;
  ImagePart *parts = realloc(set->part, (set->part_count + 1) * sizeof *parts);
  if (parts) set->part = parts;
  int32_t *labels = realloc(set->label, total * sizeof *labels);
  if (labels) set->label = labels;
  uint8_t *pixels = realloc(set->pixels, total * bytes);
  if (pixels) set->pixels = pixels;
  return parts && labels && pixels;
}

simba_status image_set_add_part(ImageSet *set, const char *path, DataSplit split, int64_t count, const int32_t size[3],
                                const ImagePart **out_part, simba_error *error) {
  simba_status status = check_size(set, path, count, size, error);
  if (status) return status;
  set->height = size[0];
  set->width = size[1];
  set->channels = size[2];
  char *name = text_copy(path);
  if (!name || !grow_arrays(set, count)) {
    free(name);
    return error_set_memory(error, path);
  }
  ImagePart *part = &set->part[set->part_count++];
  *part = (ImagePart){.path = name, .split = split, .begin = set->count, .count = count, .kind = PLACE_BYTE};
  set->count += count;
  *out_part = part;
  return SIMBA_OK;
}

void image_set_place(const ImageSet *set, int64_t image, char *out_text, size_t size) {
  const ImagePart *part = set->part;
  while (image >= part->begin + part->count) part++;
  long long within = (long long)(image - part->begin);
  if (part->kind == PLACE_FILE)
    snprintf(out_text, size, "%s/%s", part->path, set->file[image]);
  else if (part->kind == PLACE_ROW)
    snprintf(out_text, size, "%s:%lld", part->path, part->first_row + within);
  else
    snprintf(out_text, size, "%s: image %lld", part->path, within);
}

/* ---- Notes and names ---- */

simba_status image_set_add_note(ImageSet *set, simba_error *error, const char *format, ...) {
  char text[NOTE_SIZE];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  char **larger = realloc(set->note, (set->note_count + 1) * sizeof *larger);
  if (!larger) return error_set_memory(error, set->path);
  set->note = larger;
  set->note[set->note_count] = text_copy(text);
  if (!set->note[set->note_count]) return error_set_memory(error, set->path);
  set->note_count++;
  return SIMBA_OK;
}

simba_status image_set_add_class(ImageSet *set, const char *name, size_t length, simba_error *error) {
  if (set->class_count == CLASS_LIMIT)
    return error_set(error, SIMBA_DATA_ERROR, "%s: more than %d classes", set->path, CLASS_LIMIT);
  bool full = (set->class_count & (set->class_count - 1)) == 0; /* room for the next power of two */
  size_t capacity = set->class_count ? 2 * (size_t)set->class_count : 1;
  char **larger = full ? realloc(set->class_name, capacity * sizeof *larger) : set->class_name;
  char *copy = strndup(name, length);
  if (larger) set->class_name = larger;
  if (!larger || !copy) {
    free(copy);
    return error_set_memory(error, set->path);
  }
  set->class_name[set->class_count++] = copy;
  return SIMBA_OK;
}

simba_status image_set_read_class_names(ImageSet *set, const char *name, simba_error *error) {
  if (!path_is_file(set->path, name)) return SIMBA_OK;
  ImageFile file;
  simba_status status = image_file_read(set, set->path, name, &file, error);
  if (status) return status;
  for (const char *at = file.bytes; *at && !status;) {
    size_t length = strcspn(at, "\n"), kept = length;
    while (kept > 0 && strchr(" \t\r", at[kept - 1])) kept--;
    if (kept > 0) status = image_set_add_class(set, at, kept, error);
    at += length + (at[length] == '\n');
  }
  image_file_free(&file);
  return status;
}

/* ---- When all is there ---- */

static int32_t largest_label(const ImageSet *set) {
  int32_t largest = -1;
  for (size_t p = 0; p < set->part_count; p++)
    for (int64_t i = 0; i < set->part[p].count && set->part[p].split == SPLIT_TRAIN; i++)
      if (set->label[set->part[p].begin + i] > largest) largest = set->label[set->part[p].begin + i];
  return largest;
}

/* Without a list of names the labels of the training images are the classes, and digits their names. */
static simba_status name_classes(ImageSet *set, simba_error *error) {
  int32_t classes = largest_label(set) + 1;
  simba_status status = SIMBA_OK;
  bool named = set->class_count > 0;
  while (!named && set->class_count < classes && !status) {
    char name[NAME_SIZE];
    snprintf(name, sizeof name, "%d", set->class_count);
    status = image_set_add_class(set, name, strlen(name), error);
  }
  if (!status && set->class_count < 2)
    return error_set(error, SIMBA_DATA_ERROR, "%s: all labels are 0: expected at least two classes", set->path);
  return status;
}

static simba_status check_labels(ImageSet *set, simba_error *error) {
  int64_t *images = calloc((size_t)set->class_count, sizeof *images);
  if (!images) return error_set_memory(error, set->path);
  simba_status status = SIMBA_OK;
  for (int64_t i = 0; i < set->count && !status; i++) {
    if (set->label[i] < set->class_count) {
      images[set->label[i]]++;
      continue;
    }
    char place[PLACE_SIZE];
    image_set_place(set, i, place, sizeof place);
    status = error_set(error, SIMBA_DATA_ERROR, "%s: label %d is out of range: there are %d classes, 0 to %d", place,
                       set->label[i], set->class_count, set->class_count - 1);
  }
  int32_t absent = 0, first = -1;
  for (int32_t k = 0; k < set->class_count && !status; k++) {
    if (images[k] > 0) continue;
    if (absent++ == 0) first = k;
  }
  if (absent == 1)
    status = image_set_add_note(set, error, "%s: no image of class %s", set->path, set->class_name[first]);
  if (absent > 1)
    status = image_set_add_note(set, error, "%s: no image of %d of %d classes, the first being %s", set->path, absent,
                                set->class_count, set->class_name[first]);
  free(images);
  return status;
}

simba_status image_set_finish(ImageSet *set, simba_error *error) {
  simba_status status = name_classes(set, error);
  for (int32_t k = 0; k < set->class_count; k++) text_make_printable(set->class_name[k]);
  if (!status) status = check_labels(set, error);
  if (!status) status = image_set_split(set, error);
  if (!status && set->split_count[SPLIT_TRAIN] == 0)
    status = error_set(error, SIMBA_DATA_ERROR, "%s: no image is left for training", set->path);
  if (!status && set->file) status = skip_list_create(set->count, &set->skipped, error);
  if (!status && set->options.label_maps) status = label_maps_check(set, error);
  return status;
}
