/* A folder for each class. Names are sorted by their bytes, classes as well as files, so that a set is the same on every
 * machine; what begins with a dot is passed over. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "file.h"
#include "image_decode.h"
#include "image_set_internal.h"

enum { MAX_DEPTH = 8 };

/* ---- Names in a folder ---- */

typedef struct Names {
  char **name; /* sorted */
  size_t count, capacity;
} Names;

static void names_free(Names *names) {
  for (size_t i = 0; i < names->count; i++) free(names->name[i]);
  free(names->name);
}

static bool names_add(Names *names, const char *name) {
  if (names->count == names->capacity) {
    size_t capacity = names->capacity ? 2 * names->capacity : 64;
    char **larger = realloc(names->name, capacity * sizeof *larger);
    if (!larger) return false;
    names->name = larger;
    names->capacity = capacity;
  }
  names->name[names->count] = text_copy(name);
  return names->name[names->count++] != NULL;
}

static simba_status list_folder(const char *path, Names *out_names, simba_error *error) {
  *out_names = (Names){0};
  DIR *folder = opendir(path);
  if (!folder) return error_set_system(error, path, "open", errno);
  bool enough = true;
  struct dirent *entry;
  for (errno = 0; enough && (entry = readdir(folder)); errno = 0)
    if (entry->d_name[0] != '.') enough = names_add(out_names, entry->d_name);
  int failure = enough ? errno : 0;
  closedir(folder);
  simba_status status = !enough   ? error_set_memory(error, path)
                        : failure ? error_set_system(error, path, "read", failure)
                                  : SIMBA_OK;
  if (status)
    names_free(out_names);
  else if (out_names->count > 0)
    texts_sort((const char **)out_names->name, out_names->count);
  return status;
}

static bool is_image_name(const char *name) {
  static const char *const ENDS[] = {".jpg", ".jpeg", ".png"};
  const char *dot = strrchr(name, '.');
  for (size_t i = 0; dot && i < sizeof ENDS / sizeof *ENDS; i++)
    if (strcasecmp(dot, ENDS[i]) == 0) return true;
  return false;
}

/* ---- One split ---- */

typedef struct Scan {
  ImageSet *set;
  const char *folder; /* the split's */
  int32_t label;
  int64_t capacity;   /* of set->label and set->file */
  int64_t passed;     /* files that are no images by their names, pipes and the like */
  char *first_passed; /* one of them */
  simba_error *error;
} Scan;

static simba_status add_image(Scan *scan, char *file) {
  ImageSet *set = scan->set;
  if (set->count == scan->capacity) {
    int64_t capacity = scan->capacity ? 2 * scan->capacity : 1024;
    int32_t *labels = realloc(set->label, (size_t)capacity * sizeof *labels);
    if (labels) set->label = labels;
    char **files = realloc(set->file, (size_t)capacity * sizeof *files);
    if (files) set->file = files;
    if (!labels || !files) {
      free(file);
      return error_set_memory(scan->error, scan->folder);
    }
    scan->capacity = capacity;
  }
  set->label[set->count] = scan->label;
  set->file[set->count++] = file;
  return SIMBA_OK;
}

static simba_status scan_folder(Scan *scan, const char *below, int depth);

/* A pipe or a device would be waited for, or never end. What cannot be looked at is for whoever reads it to report. */
static bool is_no_file(const char *folder, const char *name) {
  struct stat status;
  char *path = path_join(folder, name);
  bool special = path && stat(path, &status) == 0 && !S_ISREG(status.st_mode);
  free(path);
  return special;
}

/* `path` is below scan->folder and owned. */
static simba_status scan_entry(Scan *scan, char *path, int depth) {
  if (path_is_folder(scan->folder, path)) {
    simba_status status = depth == MAX_DEPTH
                              ? error_set(scan->error, SIMBA_DATA_ERROR, "%s/%s: more than %d folders deep",
                                          scan->folder, path, MAX_DEPTH)
                              : scan_folder(scan, path, depth + 1);
    free(path);
    return status;
  }
  if (is_image_name(path) && !is_no_file(scan->folder, path)) return add_image(scan, path);
  scan->passed++;
  if (!scan->first_passed)
    scan->first_passed = path;
  else
    free(path);
  return SIMBA_OK;
}

static simba_status scan_folder(Scan *scan, const char *below, int depth) {
  char *folder = path_join(scan->folder, below);
  if (!folder) return error_set_memory(scan->error, scan->folder);
  Names names;
  simba_status status = list_folder(folder, &names, scan->error);
  free(folder);
  if (status) return status;
  for (size_t i = 0; i < names.count && !status; i++) {
    char *path = path_join(below, names.name[i]);
    status = path ? scan_entry(scan, path, depth) : error_set_memory(scan->error, scan->folder);
  }
  names_free(&names);
  return status;
}

static simba_status note_passed(const Scan *scan) {
  if (scan->passed == 0) return SIMBA_OK;
  return image_set_add_note(scan->set, scan->error,
                            "%s: files passed over that are no .jpg, .jpeg or .png: %lld, as %s", scan->folder,
                            (long long)scan->passed, scan->first_passed);
}

/* The label of a class folder: a new one in training, one that training has otherwise. */
static simba_status find_class(Scan *scan, DataSplit split, const char *name) {
  ImageSet *set = scan->set;
  if (split == SPLIT_TRAIN) {
    scan->label = set->class_count;
    return image_set_add_class(set, name, strlen(name), scan->error);
  }
  for (scan->label = 0; scan->label < set->class_count; scan->label++)
    if (strcmp(set->class_name[scan->label], name) == 0) return SIMBA_OK;
  return error_set(scan->error, SIMBA_DATA_ERROR, "%s/%s: a class that the images for training do not have",
                   scan->folder, name);
}

static simba_status scan_class(Scan *scan, DataSplit split, const char *name) {
  int64_t before = scan->set->count;
  simba_status status = find_class(scan, split, name);
  if (!status) status = scan_folder(scan, name, 1);
  if (!status && scan->set->count == before)
    status = error_set(scan->error, SIMBA_DATA_ERROR, "%s/%s: a class folder without an image (.jpg, .jpeg or .png)",
                       scan->folder, name);
  return status;
}

static simba_status scan_classes(Scan *scan, DataSplit split) {
  Names names;
  simba_status status = list_folder(scan->folder, &names, scan->error);
  if (status) return status;
  int64_t images = 0;
  size_t classes = 0;
  for (size_t i = 0; i < names.count && !status; i++) {
    bool folder = path_is_folder(scan->folder, names.name[i]);
    if (folder) {
      status = scan_class(scan, split, names.name[i]);
      classes++;
    } else {
      images += is_image_name(names.name[i]);
    }
  }
  names_free(&names);
  if (status) return status;
  if (images > 0)
    return error_set(scan->error, SIMBA_DATA_ERROR,
                     "%s: images in no class folder, %lld in all: expected a folder for each class", scan->folder,
                     (long long)images);
  if (classes == 0)
    return error_set(scan->error, SIMBA_DATA_ERROR,
                     "%s: no classes: expected a folder for each class, with JPEG or PNG files (or files in IDX, CIFAR "
                     "or CSV format)",
                     scan->folder);
  return SIMBA_OK;
}

/* `path` is owned and becomes the part's. */
static simba_status load_split(ImageSet *set, DataSplit split, char *path, int64_t *capacity, simba_error *error) {
  if (!path) return error_set_memory(error, set->path);
  ImagePart *larger = realloc(set->part, (set->part_count + 1) * sizeof *larger);
  if (!larger) {
    free(path);
    return error_set_memory(error, set->path);
  }
  set->part = larger;
  ImagePart *part = &set->part[set->part_count++];
  *part = (ImagePart){.path = path, .split = split, .begin = set->count, .kind = PLACE_FILE};
  Scan scan = {.set = set, .folder = path, .capacity = *capacity, .error = error};
  simba_status status = scan_classes(&scan, split);
  if (!status) status = note_passed(&scan);
  free(scan.first_passed);
  part->count = set->count - part->begin;
  *capacity = scan.capacity;
  return status;
}

/* ---- The set ---- */

/* The first image of each class shows whether images are grey, the first of all their size. One that is corrupt shows
 * nothing: reading it says so. */
static simba_status find_channels(ImageSet *set, simba_error *error) {
  bool grey = false, colour = false;
  for (int64_t i = 0; i < set->part[0].count && !(grey && colour); i++) {
    if (i > 0 && set->label[i] == set->label[i - 1]) continue;
    char *path = path_join(set->part[0].path, set->file[i]), *bytes;
    size_t size;
    if (!path) return error_set_memory(error, set->path);
    Image header = {0};
    if (file_read(path, &bytes, &size, NULL) == SIMBA_OK) {
      if (image_decode_header(path, bytes, size, set->options.max_pixels, &header, NULL) == SIMBA_OK) {
        if (set->sample.height == 0) {
          set->sample = header;
          set->sample.index = i;
        }
        grey |= header.channels == 1;
        colour |= header.channels == 3;
      }
      free(bytes);
    }
    free(path);
  }
  set->channels = grey == colour ? 0 : grey ? 1 : 3;
  return SIMBA_OK;
}

simba_status class_folder_load(ImageSet *set, simba_error *error) {
  static const struct {
    DataSplit split;
    const char *name;
  } PARTS[] = {{SPLIT_TRAIN, "train"},
               {SPLIT_VALIDATION, "val"},
               {SPLIT_VALIDATION, "valid"},
               {SPLIT_VALIDATION, "validation"},
               {SPLIT_TEST, "test"}};
  int64_t capacity = 0;
  simba_status status = SIMBA_OK;
  bool parts = path_is_folder(set->path, "train");
  if (!parts) status = load_split(set, SPLIT_TRAIN, text_copy(set->path), &capacity, error);
  for (size_t i = 0; i < sizeof PARTS / sizeof *PARTS && parts && !status; i++)
    if (path_is_folder(set->path, PARTS[i].name))
      status = load_split(set, PARTS[i].split, path_join(set->path, PARTS[i].name), &capacity, error);
  if (!status && set->class_count < 2)
    status = error_set(error, SIMBA_DATA_ERROR, "%s: only one class folder, '%s': expected at least two%s",
                       set->part[0].path, set->class_name[0], parts ? "" : " (is that folder the data set?)");
  if (!status) status = find_channels(set, error);
  snprintf(set->format, sizeof set->format, "a folder for each class%s",
           parts ? ", below a folder for each split" : "");
  return status;
}
