/* Opening a set, what is asked of it, and reading images. Construction is in image_set_build.c. */
#include "image_set.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "file.h"
#include "image_decode.h"
#include "image_set_internal.h"

static const char DEFAULT_PATH[] = "/usr/share/datasets/fashion-mnist";

ImageSetOptions image_set_defaults(void) {
  return (ImageSetOptions){
      .validation = 1.0 / 12, .test = 1.0 / 6, .max_pixels = (int64_t)1 << 26, .max_bytes = (int64_t)4 << 30};
}

simba_status image_set_default_path(const char **out_path, simba_error *error) {
  *out_path = DEFAULT_PATH;
  if (path_is_folder(DEFAULT_PATH, NULL)) return SIMBA_OK;
  return error_set(
      error, SIMBA_DATA_ERROR,
      "%s: the default images are not installed: `apt-get install dataset-fashion-mnist` does that, or give "
      "images of your own",
      DEFAULT_PATH);
}

/* ---- Opening ---- */

static simba_status load_file(ImageSet *set, simba_error *error) {
  ImageFile file;
  simba_status status = image_file_read(set, set->path, NULL, &file, error);
  if (status) return status;
  Image header = {0};
  bool text = memchr(file.bytes, 0, file.size < 4096 ? file.size : 4096) == NULL;
  if (image_decode_header(file.path, file.bytes, file.size, set->options.max_pixels, &header, NULL) == SIMBA_OK)
    status =
        error_set(error, SIMBA_DATA_ERROR, "%s: one image: expected a folder with a folder for each class", file.path);
  else if (cifar_is_file(&file))
    status = cifar_load_file(set, &file, error);
  else if (idx_is_file(&file))
    status = idx_load_file(set, &file, error);
  else if (text)
    status = pixel_csv_load_file(set, &file, error);
  else
    status = error_set(error, SIMBA_DATA_ERROR,
                       "%s: byte 0: wrong magic number: neither IDX nor CIFAR (.bin) nor CSV with pixels and a label",
                       file.path);
  image_file_free(&file);
  return status;
}

static simba_status load(ImageSet *set, simba_error *error) {
  struct stat status;
  if (stat(set->path, &status)) return error_set_system(error, set->path, "open", errno);
  if (!S_ISDIR(status.st_mode)) return load_file(set, error);
  if (idx_is_folder(set->path)) return idx_load_folder(set, error);
  if (cifar_is_folder(set->path)) return cifar_load_folder(set, error);
  if (pixel_csv_is_folder(set->path)) return pixel_csv_load_folder(set, error);
  return class_folder_load(set, error);
}

simba_status image_set_open(const char *path, const ImageSetOptions *options, ImageSet **out_set, simba_error *error) {
  ImageSet *set;
  simba_status status = image_set_create(path, options, &set, error);
  if (status) return status;
  status = load(set, error);
  if (!status) status = image_set_finish(set, error);
  if (status)
    image_set_close(set);
  else
    *out_set = set;
  return status;
}

/* ---- What a set is ---- */

const char *image_set_format(const ImageSet *set) { return set->format; }
int64_t image_set_count(const ImageSet *set, DataSplit split) { return set->split_count[split]; }
int32_t image_set_class_count(const ImageSet *set) { return set->class_count; }
const char *image_set_class_name(const ImageSet *set, int32_t label) { return set->class_name[label]; }
int32_t image_set_channels(const ImageSet *set) { return set->channels; }
size_t image_set_note_count(const ImageSet *set) { return set->note_count; }
const char *image_set_note(const ImageSet *set, size_t i) { return set->note[i]; }

int64_t image_set_image(const ImageSet *set, DataSplit split, int64_t i) { return set->order[split][i]; }

int32_t image_set_label(const ImageSet *set, DataSplit split, int64_t i) {
  return set->label[image_set_image(set, split, i)];
}

void image_set_source(const ImageSet *set, DataSplit split, int64_t i, char *out_text, size_t size) {
  image_set_place(set, image_set_image(set, split, i), out_text, size);
}

void image_set_size(const ImageSet *set, int32_t *out_height, int32_t *out_width) {
  *out_height = set->height;
  *out_width = set->width;
}

/* ---- What a model takes ---- */

static const char *colours(int32_t channels) { return channels == 1 ? "grey (1 channel)" : "in colour (3 channels)"; }

static simba_status fail_channels(const char *place, const char *verb, int32_t found, const ImageNeeds *needs,
                                  simba_error *error) {
  const char *how = needs->how_to_convert;
  return error_set(error, SIMBA_DATA_ERROR,
                   "%s: %s %s, but the model takes %d channel%s: build it for %d, or let channels be converted%s%s%s",
                   place, verb, colours(found), needs->channels, needs->channels == 1 ? "" : "s", found,
                   how ? " (" : "", how ? how : "", how ? ")" : "");
}

static simba_status fail_size(const char *place, const char *verb, int32_t height, int32_t width,
                              const ImageNeeds *needs, simba_error *error) {
  const char *how = needs->how_to_resize;
  return error_set(error, SIMBA_DATA_ERROR,
                   "%s: %s %dx%d pixels, but the model takes %dx%d: build it for that size, or let images be "
                   "resized%s%s%s",
                   place, verb, height, width, needs->height, needs->width, how ? " (" : "", how ? how : "",
                   how ? ")" : "");
}

static bool has_other_size(const ImageNeeds *needs, int32_t height, int32_t width) {
  return needs->height && needs->width && height && (height != needs->height || width != needs->width);
}

/* Names the first image whose label the model has no class for. */
static simba_status check_labels(ImageSet *set, int32_t classes, simba_error *error) {
  if (set->class_count < classes)
    return image_set_add_note(set, error, "%s: %d classes, but the model tells %d apart", set->path, set->class_count,
                              classes);
  for (int64_t image = 0; image < set->count; image++) {
    if (set->label[image] < classes) continue;
    char place[PLACE_SIZE];
    image_set_place(set, image, place, sizeof place);
    return error_set(error, SIMBA_DATA_ERROR,
                     "%s: label %d (%s) is out of range: the model tells %d classes apart, 0 to %d, the images have %d",
                     place, set->label[image], set->class_name[set->label[image]], classes, classes - 1,
                     set->class_count);
  }
  return SIMBA_OK;
}

simba_status image_set_require(ImageSet *set, const ImageNeeds *needs, simba_error *error) {
  if (needs->channels != 0 && needs->channels != 1 && needs->channels != 3)
    return error_set(error, SIMBA_DATA_ERROR, "%s: the model takes %d channels, but images have 1 (grey) or 3 (colour)",
                     set->path, needs->channels);
  if (needs->channels && !needs->convert_channels && set->channels && set->channels != needs->channels)
    return fail_channels(set->path, "the images are", set->channels, needs, error);
  if (has_other_size(needs, set->height, set->width))
    return fail_size(set->path, "the images have", set->height, set->width, needs, error);
  if (has_other_size(needs, set->sample.height, set->sample.width)) {
    char place[PLACE_SIZE];
    image_set_place(set, set->sample.index, place, sizeof place);
    return fail_size(place, "the image has", set->sample.height, set->sample.width, needs, error);
  }
  simba_status status = needs->classes ? check_labels(set, needs->classes, error) : SIMBA_OK;
  if (!status) set->needs = *needs;
  return status;
}

/* ---- Reading ---- */

static simba_status copy_image(const ImageSet *set, int64_t index, Image *image, simba_error *error) {
  simba_status status = image_reserve(image, set->height, set->width, set->channels, error);
  if (status) return status;
  size_t bytes = (size_t)set->height * (size_t)set->width * (size_t)set->channels;
  memcpy(image->pixels, set->pixels + (size_t)index * bytes, bytes);
  return SIMBA_OK;
}

/* out_corrupt: the file could be read, and is no sound image. */
static simba_status decode_file(const ImageSet *set, const char *place, Image *image, bool *out_corrupt,
                                simba_error *error) {
  char *bytes;
  size_t size;
  simba_status status = file_read(place, &bytes, &size, error);
  if (status) return status;
  status = image_decode(place, bytes, size, set->options.max_pixels, image, error);
  *out_corrupt = status == SIMBA_DATA_ERROR;
  free(bytes);
  return status;
}

/* What image_set_require could not know of images in files. */
static simba_status check_read(const ImageSet *set, const char *place, const Image *image, simba_error *error) {
  const ImageNeeds *needs = &set->needs;
  if (has_other_size(needs, image->height, image->width))
    return fail_size(place, "the image has", image->height, image->width, needs, error);
  if (needs->channels && needs->channels != image->channels && !needs->convert_channels)
    return fail_channels(place, "the image is", image->channels, needs, error);
  return SIMBA_OK;
}

static simba_status read_file(const ImageSet *set, int64_t index, Image *image, bool *out_corrupt, simba_error *error) {
  const ImagePart *part = set->part;
  while (index >= part->begin + part->count) part++;
  char *path = path_join(part->path, set->file[index]);
  if (!path) return error_set_memory(error, set->path);
  simba_status status = decode_file(set, path, image, out_corrupt, error);
  if (!status) status = check_read(set, path, image, error);
  free(path);
  return status;
}

static simba_status read_image(const ImageSet *set, int64_t index, Image *image, bool *out_corrupt,
                               simba_error *error) {
  *out_corrupt = false;
  image->label = set->label[index];
  simba_status status =
      set->pixels ? copy_image(set, index, image, error) : read_file(set, index, image, out_corrupt, error);
  if (!status && set->needs.channels) status = image_convert_channels(image, set->needs.channels, error);
  return status;
}

simba_status image_set_read(const ImageSet *set, DataSplit split, int64_t i, Image *image, simba_error *error) {
  int64_t count = set->split_count[split];
  if (i < 0 || i >= count)
    return error_set(error, SIMBA_INVALID_ARGUMENT, "%s: no image %lld: this split has %lld", set->path, (long long)i,
                     (long long)count);
  bool skip = set->options.skip_corrupt && set->skipped;
  for (int64_t k = 0; k < count; k++) {
    simba_error own = {0};
    bool corrupt;
    int64_t index = i < count - k ? i + k : i + k - count, member = image_set_image(set, split, index);
    if (skip && skip_list_has(set->skipped, member)) continue;
    simba_status status = read_image(set, member, image, &corrupt, &own);
    image->index = index;
    if (status && corrupt && skip) status = skip_list_add(set->skipped, member, own.message, &own);
    if (status && error) *error = own;
    if (status || !corrupt) return status;
  }
  return error_set(error, SIMBA_DATA_ERROR, "%s: all %lld images of this split are corrupt", set->path,
                   (long long)count);
}
