/* Between image_set.c and the loader of each layout. A set under construction grows by parts: the images of one file,
 * or of one split's folder. The order of images in a set is that of its parts; splits are lists of images. */
#ifndef SIMBA_IMAGE_SET_INTERNAL_H
#define SIMBA_IMAGE_SET_INTERNAL_H

#include <pthread.h>

#include "image_set.h"

enum { CLASS_LIMIT = 1 << 20, FORMAT_SIZE = 200, PLACE_SIZE = 512 };

/* What parts of a data set its files tell apart. */
typedef enum PlaceKind { PLACE_BYTE, PLACE_ROW, PLACE_FILE } PlaceKind;

typedef struct ImagePart {
  char *path; /* the file, or the split's folder */
  DataSplit split;
  int64_t begin, count; /* of the set's images */
  PlaceKind kind;
  int64_t first_row; /* PLACE_ROW: of the first image */
} ImagePart;

/* Images found corrupt, in the order in which they were found. */
typedef struct SkipList {
  pthread_mutex_t lock;
  bool *corrupt; /* [count of the set] */
  char **message;
  int64_t count, capacity;
} SkipList;

struct ImageSet {
  char *path;
  ImageSetOptions options; /* label_maps is owned */
  ImageNeeds needs;
  char format[FORMAT_SIZE];
  ImagePart *part;
  size_t part_count;
  int64_t count;
  int32_t *label; /* [count] */
  int32_t height, width, channels;
  Image sample;    /* of folders: header of the first sound image that was looked at, and its number; height 0: none */
  uint8_t *pixels; /* [count, height, width, channels], or NULL: images are in files */
  char **file;     /* [count], below the part's path, or NULL */
  int64_t *order[SPLIT_COUNT], split_count[SPLIT_COUNT];
  char **class_name; /* [class_count] */
  int32_t class_count;
  char **note;
  size_t note_count;
  int32_t map_height, map_width;
  SkipList *skipped; /* where images are in files */
};

simba_status image_set_create(const char *path, const ImageSetOptions *options, ImageSet **out_set, simba_error *error);
/* Names, splits and checks, when all parts are there. */
simba_status image_set_finish(ImageSet *set, simba_error *error);
/* Room for `count` more images of one file, each of height, width and channels, which must be those of the parts before;
 * counted against the limit of memory. The caller fills labels and pixels from part->begin on. */
simba_status image_set_add_part(ImageSet *set, const char *path, DataSplit split, int64_t count, const int32_t size[3],
                                const ImagePart **out_part, simba_error *error);
simba_status image_set_add_note(ImageSet *set, simba_error *error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Adds a class; copies the name's `length` characters. */
simba_status image_set_add_class(ImageSet *set, const char *name, size_t length, simba_error *error);
/* Names from a file of one a line, where there is such a file. */
simba_status image_set_read_class_names(ImageSet *set, const char *path, simba_error *error);
/* Where an image of the set is. */
void image_set_place(const ImageSet *set, int64_t image, char *out_text, size_t size);
/* The image of the set that image i of a split is. */
int64_t image_set_image(const ImageSet *set, DataSplit split, int64_t i);
simba_status skip_list_create(int64_t count, SkipList **out_list, simba_error *error);
/* Takes NULL. */
void skip_list_destroy(SkipList *list);
bool skip_list_has(SkipList *list, int64_t image);
/* An image that is there already is not added again. */
simba_status skip_list_add(SkipList *list, int64_t image, const char *message, simba_error *error);
/* Size and sound form of the maps, from that of the first image. */
simba_status label_maps_check(ImageSet *set, simba_error *error);
/* Fills order[] from the parts, and draws what the files have not. */
simba_status image_set_split(ImageSet *set, simba_error *error);

/* A file in memory: read, and expanded if it was gzipped. */
typedef struct ImageFile {
  char *path, *bytes;
  size_t size;
  bool gzipped;
} ImageFile;

/* `name` below `folder`, or `folder` itself where name is NULL. */
simba_status image_file_read(const ImageSet *set, const char *folder, const char *name, ImageFile *out_file,
                             simba_error *error);
void image_file_free(ImageFile *file);
/* "<folder>/<name>"; free() it. NULL where memory is exhausted. */
char *path_join(const char *folder, const char *name);
bool path_is_file(const char *folder, const char *name);
bool path_is_folder(const char *folder, const char *name);

/* The loaders. *_folder: whether the folder is in their layout, and if so loads it. */
bool idx_is_folder(const char *path);
simba_status idx_load_folder(ImageSet *set, simba_error *error);
bool idx_is_file(const ImageFile *file);
/* `images` is what set->path holds; labels are looked for beside it. */
simba_status idx_load_file(ImageSet *set, const ImageFile *images, simba_error *error);
simba_status idx_load(ImageSet *set, DataSplit split, const ImageFile *images, const ImageFile *labels,
                      simba_error *error);

bool cifar_is_folder(const char *path);
simba_status cifar_load_folder(ImageSet *set, simba_error *error);
bool cifar_is_file(const ImageFile *file);
simba_status cifar_load_file(ImageSet *set, const ImageFile *file, simba_error *error);

bool pixel_csv_is_folder(const char *path);
simba_status pixel_csv_load_folder(ImageSet *set, simba_error *error);
simba_status pixel_csv_load_file(ImageSet *set, const ImageFile *file, simba_error *error);

simba_status class_folder_load(ImageSet *set, simba_error *error);

#endif
