#include "label_map.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "image_set_internal.h"
#include "safetensors.h"

enum { DENSE_RANK = 3, BEST_RANK = 4, MAX_SIDE = 4096, NUMBER_SIZE = 32 };

void image_set_label_map_size(const ImageSet *set, int32_t *out_height, int32_t *out_width) {
  *out_height = set->map_height;
  *out_width = set->map_width;
}

void label_map_clear(LabelMap *map) {
  free(map->scores);
  free(map->classes);
  memset(map, 0, sizeof *map);
}

/* The file of an image of the set; free() it. */
static char *map_path(const ImageSet *set, int64_t image) {
  char number[NUMBER_SIZE];
  snprintf(number, sizeof number, "%lld", (long long)image);
  const char *name = set->file ? set->file[image] : number;
  const char *dot = set->file ? strrchr(name, '.') : NULL; /* of .jpg and the like, which every file there has */
  size_t kept = dot ? (size_t)(dot - name) : strlen(name);
  char *folder = path_join(set->options.label_maps, name);
  char *path = folder ? memory_allocate(strlen(folder) + sizeof ".safetensors", 1) : NULL;
  if (path) {
    size_t length = strlen(folder) - strlen(name) + kept;
    memcpy(path, folder, length);
    strcpy(path + length, ".safetensors");
  }
  free(folder);
  return path;
}

/* ---- One file ---- */

static simba_status check_form(const ImageSet *set, const TensorFile *file, const Tensor *labels, simba_error *error) {
  char shape[120];
  tensor_shape_text(labels->rank, labels->shape, shape, sizeof shape);
  bool dense = labels->rank == DENSE_RANK, best = labels->rank == BEST_RANK && labels->shape[0] == 2;
  if (!dense && !best)
    return error_set(
        error, SIMBA_DATA_ERROR,
        "%s: tensor 'labels' is %s: expected [K, H, W] with the scores of all classes, or [2, k, H, W] with "
        "the k best scores and their classes",
        file->path, shape);
  const int64_t *size = labels->shape + (best ? 1 : 0); /* count, H, W */
  if (dense && size[0] != set->class_count)
    return error_set(error, SIMBA_DATA_ERROR,
                     "%s: tensor 'labels' is %s: scores of %lld classes, but the images have %d", file->path, shape,
                     (long long)size[0], set->class_count);
  if (size[0] < 1 || size[0] > set->class_count || size[1] < 1 || size[1] > MAX_SIDE || size[2] < 1 ||
      size[2] > MAX_SIDE)
    return error_set(error, SIMBA_DATA_ERROR,
                     "%s: tensor 'labels' is %s: expected at most %d classes and a grid of 1x1 to %dx%d", file->path,
                     shape, set->class_count, MAX_SIDE, MAX_SIDE);
  if (set->map_height && (size[1] != set->map_height || size[2] != set->map_width))
    return error_set(error, SIMBA_DATA_ERROR,
                     "%s: a label map of another size: %lldx%lld, but that of the first image is %dx%d", file->path,
                     (long long)size[1], (long long)size[2], set->map_height, set->map_width);
  return SIMBA_OK;
}

static simba_status reserve(LabelMap *map, const Tensor *labels, simba_error *error) {
  bool best = labels->rank == BEST_RANK;
  const int64_t *size = labels->shape + (best ? 1 : 0);
  size_t elements = (size_t)(size[0] * size[1] * size[2]);
  if (elements > map->capacity) {
    label_map_clear(map);
    map->scores = memory_allocate(elements, 2 * sizeof *map->scores); /* the classes as numbers behind, while reading */
    map->classes = memory_allocate(elements, sizeof *map->classes);
    if (!map->scores || !map->classes) {
      label_map_clear(map);
      return error_set_memory(error, "a label map");
    }
    map->capacity = elements;
  }
  map->count = (int32_t)size[0];
  map->height = (int32_t)size[1];
  map->width = (int32_t)size[2];
  map->dense = !best;
  return SIMBA_OK;
}

static simba_status fail_at(const TensorFile *file, const LabelMap *map, int64_t element, const char *found,
                            simba_error *error) {
  int64_t place = (int64_t)map->height * map->width;
  return error_set(error, SIMBA_DATA_ERROR, "%s: tensor 'labels': %s at row %lld, column %lld of the grid", file->path,
                   found, (long long)(element % place / map->width), (long long)(element % map->width));
}

/* Scores are finite; classes whole, in range and different at each place. */
static simba_status take_values(const ImageSet *set, const TensorFile *file, LabelMap *map, simba_error *error) {
  int64_t place = (int64_t)map->height * map->width, elements = map->count * place;
  for (int64_t i = 0; i < elements; i++)
    if (!isfinite(map->scores[i])) return fail_at(file, map, i, "a score that is no finite number", error);
  for (int64_t i = 0; i < elements && !map->dense; i++) {
    float class = map->scores[elements + i];
    char found[120];
    if (!(class >= 0 && class < (float)set->class_count) || class != floorf(class)) {
      snprintf(found, sizeof found, "class %g (there are %d, 0 to %d)", (double)class, set->class_count,
               set->class_count - 1);
      return fail_at(file, map, i, found, error);
    }
    map->classes[i] = (int32_t) class;
    for (int64_t k = i - place; k >= 0; k -= place) {
      if (map->classes[k] != map->classes[i]) continue;
      snprintf(found, sizeof found, "class %d twice", map->classes[i]);
      return fail_at(file, map, i, found, error);
    }
  }
  return SIMBA_OK;
}

static simba_status read_file(const ImageSet *set, const char *path, LabelMap *map, simba_error *error) {
  TensorFile *file;
  simba_status status = tensor_file_open(path, &file, error);
  if (status) return status;
  const Tensor *labels = tensor_file_find(file, "labels");
  if (labels)
    status = check_form(set, file, labels, error);
  else
    status = error_set(error, SIMBA_DATA_ERROR, "%s: no tensor 'labels'", path);
  if (!status) status = reserve(map, labels, error);
  if (!status) status = tensor_read_f32(file, labels, map->scores, error);
  if (!status) status = take_values(set, file, map, error);
  tensor_file_close(file);
  return status;
}

static simba_status read_map(const ImageSet *set, int64_t image, LabelMap *map, simba_error *error) {
  char *path = map_path(set, image);
  if (!path) return error_set_memory(error, set->options.label_maps);
  simba_status status;
  if (path_is_file(path, NULL)) {
    status = read_file(set, path, map, error);
  } else {
    char place[PLACE_SIZE];
    image_set_place(set, image, place, sizeof place);
    status = error_set(error, SIMBA_DATA_ERROR, "%s: the label map is missing of the image %s", path, place);
  }
  free(path);
  return status;
}

simba_status label_maps_check(ImageSet *set, simba_error *error) {
  LabelMap map = {0};
  simba_status status = read_map(set, set->order[SPLIT_TRAIN][0], &map, error);
  set->map_height = map.height;
  set->map_width = map.width;
  label_map_clear(&map);
  return status;
}

simba_status image_set_label_map(const ImageSet *set, int64_t i, LabelMap *map, simba_error *error) {
  if (!set->options.label_maps)
    return error_set(error, SIMBA_INVALID_ARGUMENT, "%s: opened without label maps", set->path);
  if (i < 0 || i >= set->split_count[SPLIT_TRAIN])
    return error_set(error, SIMBA_INVALID_ARGUMENT, "%s: no image %lld for training", set->path, (long long)i);
  return read_map(set, image_set_image(set, SPLIT_TRAIN, i), map, error);
}
