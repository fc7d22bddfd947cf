/* Images with a class each, from files in the layouts that people have them in. What a path holds is seen from its
 * content and layout:
 *
 *   IDX          a folder with train-images-idx3-ubyte[.gz] and its labels, t10k- beside it or not; or one such file
 *   CIFAR        a folder with data_batch_1.bin .. (CIFAR-10) or train.bin (CIFAR-100), or one such .bin file
 *   CSV          a file of rows of pixels and a label, gzipped or not; or a folder with train.csv[.gz], test.csv[.gz]
 *   class folder a folder for each class, with JPEG and PNG files; below train/, val/ and test/, or all in one
 *
 * The first three are kept in memory; folders are listed, and their images decoded whenever they are read. A set has
 * all three splits. Where the files have a test part it is the test split; where they have no validation part it is
 * drawn from the training images, and where they have none of both, both are: by class, keyed by the seed, the same on
 * every machine. A folder with val/ and no test/ has an empty test split.
 *
 * Pixels are u8, [height, width, channels], red first. Pixels in CSV may have any range; it is stated in a note. JPEG
 * and PNG: palettes are looked up, 16 bits become 8 by rounding, transparency is dropped (the colours under it stay),
 * CMYK becomes RGB, orientation tags are left alone; all as PyTorch's ImageFolder does it. A grey image is read with one
 * channel, any other with three; image_set_require says what a model takes and whether to convert.
 *
 * Everything wrong with the data is SIMBA_DATA_ERROR and names the place: file:row:column, "file: image 7 (byte 5488)"
 * or the image's path. A set does not change after image_set_open and image_set_require, but for its list of skipped
 * images, which is locked: any number of threads may read at once. */
#ifndef SIMBA_IMAGE_SET_H
#define SIMBA_IMAGE_SET_H

#include "split.h"
#include "status.h"

/* The last or the first cell of a row of CSV; found out from the cells where it is LABEL_ANYWHERE. */
typedef enum LabelColumn { LABEL_ANYWHERE, LABEL_FIRST, LABEL_LAST } LabelColumn;

typedef struct ImageSetOptions {
  double validation;      /* share of the training images where the files have no validation part: 0 for none */
  double test;            /* share of all images where the files have no test part and no validation part */
  uint64_t seed;          /* of these draws */
  bool skip_corrupt;      /* a corrupt image is passed over; otherwise reading it fails */
  int64_t max_pixels;     /* height * width of an image */
  int64_t max_bytes;      /* of what is kept in memory */
  LabelColumn label;      /* CSV */
  int32_t height, width;  /* CSV: of an image; 0: square */
  double maximum;         /* CSV: the value that is white; 0: 1, 16 or 255, the least that none exceeds */
  const char *label_maps; /* folder of dense label maps of the training images (label_map.h), or NULL */
} ImageSetOptions;

/* 1/12 for validation, 1/6 for the test, seed 0, corrupt images stop, 2^26 pixels, 4 GiB, CSV found out, no maps. */
ImageSetOptions image_set_defaults(void);

typedef struct ImageSet ImageSet;

simba_status image_set_open(const char *path, const ImageSetOptions *options, ImageSet **out_set, simba_error *error);
/* Takes NULL. */
void image_set_close(ImageSet *set);
/* Debian's dataset-fashion-mnist: its folder. SIMBA_DATA_ERROR that says how to install it where it is not there. */
simba_status image_set_default_path(const char **out_path, simba_error *error);

/* What was found, in one line: "IDX, gzipped", "CSV, 8x8 pixels from 0 to 16, label last" */
const char *image_set_format(const ImageSet *set);
int64_t image_set_count(const ImageSet *set, DataSplit split);
/* Classes are those of the training images. */
int32_t image_set_class_count(const ImageSet *set);
/* A folder's name, a line of the data set's list of names, or the label in digits; printable, '?' for what is not. */
const char *image_set_class_name(const ImageSet *set, int32_t label);
int32_t image_set_label(const ImageSet *set, DataSplit split, int64_t i);
/* Where an image is, for messages and lists: "pets/cat/7.png", "train-images-idx3-ubyte.gz: image 7". Cut to fit. */
void image_set_source(const ImageSet *set, DataSplit split, int64_t i, char *out_text, size_t size);
/* 1 or 3, or 0 where they are mixed. Folders: as far as the first image of each class shows. */
int32_t image_set_channels(const ImageSet *set);
/* The one size of all images, or 0 x 0: images of folders have any. */
void image_set_size(const ImageSet *set, int32_t *out_height, int32_t *out_width);
/* What is odd but no error, for the user, complete lines without an end: the range of pixels in CSV, a class without
 * images, files that are no images. */
size_t image_set_note_count(const ImageSet *set);
const char *image_set_note(const ImageSet *set, size_t i);

/* What a model takes of images. */
typedef struct ImageNeeds {
  int32_t channels;      /* 1 or 3; 0: whatever there is */
  bool convert_channels; /* grey to colour by repetition, colour to grey by 0.299 R + 0.587 G + 0.114 B */
  int32_t height, width; /* 0: any size, as where images are cropped or resized anyway */
  int32_t classes;       /* 0: any number */
  const char *how_to_resize,
      *how_to_convert; /* for messages: what lets images be resized, channels converted; or NULL */
} ImageNeeds;

/* Compares what the set has with what a model takes, and says what is wrong and what would help: channels, size,
 * number of classes, labels that the model has no class for. Of folders it looks at the first sound image; what is known
 * only when the others are decoded is found by image_set_read. Before the first read. */
simba_status image_set_require(ImageSet *set, const ImageNeeds *needs, simba_error *error);

typedef struct Image {
  int32_t height, width, channels; /* channels: 1 or 3 */
  uint8_t *pixels;                 /* [height, width, channels] */
  size_t capacity;                 /* bytes at `pixels` */
  int32_t label;
  int64_t index; /* which image of the split this is: not the one asked for where that was skipped */
} Image;

/* Makes image->pixels large enough for its height, width and channels. */
simba_status image_reserve(Image *image, int32_t height, int32_t width, int32_t channels, simba_error *error);
/* Frees the pixels and zeroes the rest. */
void image_clear(Image *image);

/* Reads image i of a split into `image`, whose memory is used again: start with a zeroed one, end with image_clear.
 * Where corrupt images are skipped, the next one that is sound, in the split's order and around its end, takes the
 * place of a corrupt one: which one is a function of the files alone. */
simba_status image_set_read(const ImageSet *set, DataSplit split, int64_t i, Image *image, simba_error *error);

/* Images found corrupt so far: their number, and message i ("pets/cat/7.jpg: ...") into out_text, cut to fit. In the
 * order in which they were found, each once. */
int64_t image_set_skipped_count(const ImageSet *set);
void image_set_skipped(const ImageSet *set, int64_t i, char *out_text, size_t size);

#endif
