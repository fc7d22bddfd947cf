/* IDX and CIFAR in, images out: contents, splits, what a model takes, every kind of bad file with its exact message. */
#include <math.h>
#include <pthread.h>

#include "runtime/image_set.h"
#include "tests/image_files.h"
#include "tests/suite_run.h"
#include "tests/temporary_folder.h"

enum { HEIGHT = 2, WIDTH = 3, PIXELS = HEIGHT * WIDTH, IMAGE_HEADER = 16, LABEL_HEADER = 8, MAX_IMAGES = 300 };

static ImageSet *open_with(const char *path, ImageSetOptions options) {
  ImageSet *set = NULL;
  simba_error error = {0};
  ck_assert_msg(image_set_open(path, &options, &set, &error) == SIMBA_OK, "%s", error.message);
  return set;
}

static ImageSet *open_set(const char *path) { return open_with(path, image_set_defaults()); }

/* Messages begin with the test's folder, whose name differs from run to run. */
static void expect_failure(const char *path, const ImageSetOptions *options, simba_status expected,
                           const char *message) {
  ImageSet *set = NULL;
  simba_error error = {0};
  ck_assert_int_eq(image_set_open(path, options, &set, &error), expected);
  ck_assert_ptr_null(set);
  size_t folder = strlen(temporary_folder) + 1;
  const char *found =
      strncmp(error.message, temporary_folder, folder - 1) == 0 ? error.message + folder : error.message;
  ck_assert_str_eq(found, message);
}

/* ---- IDX ---- */

static void put_u32(uint8_t *out, uint32_t value) {
  for (int i = 0; i < 4; i++) out[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* Image i has the pixels first + i, first + i + 1, .. and the label (first + i) mod classes. Returns sizes. */
typedef struct IdxBytes {
  uint8_t images[IMAGE_HEADER + MAX_IMAGES * PIXELS], labels[LABEL_HEADER + MAX_IMAGES];
  size_t images_size, labels_size;
} IdxBytes;

static IdxBytes idx_bytes(int first, int count, int classes) {
  IdxBytes bytes = {.images_size = IMAGE_HEADER + (size_t)count * PIXELS, .labels_size = LABEL_HEADER + (size_t)count};
  put_u32(bytes.images, 0x803);
  put_u32(bytes.images + 4, (uint32_t)count);
  put_u32(bytes.images + 8, HEIGHT);
  put_u32(bytes.images + 12, WIDTH);
  put_u32(bytes.labels, 0x801);
  put_u32(bytes.labels + 4, (uint32_t)count);
  for (int i = 0; i < count; i++) {
    bytes.labels[LABEL_HEADER + i] = (uint8_t)((first + i) % classes);
    for (int k = 0; k < PIXELS; k++) bytes.images[IMAGE_HEADER + i * PIXELS + k] = (uint8_t)(first + i + k);
  }
  return bytes;
}

static void write_idx(const char *images, const char *labels, const IdxBytes *bytes, bool gzipped) {
  char path[128];
  void (*write)(const char *, const void *, size_t) = gzipped ? write_gzipped : write_bytes;
  write(in_folder(images, path), bytes->images, bytes->images_size);
  write(in_folder(labels, path), bytes->labels, bytes->labels_size);
}

/* Every image of a split is what idx_bytes made; returns the sum of first pixels. */
static int check_images(const ImageSet *set, DataSplit split, int classes) {
  Image image = {0};
  simba_error error = {0};
  int sum = 0;
  for (int64_t i = 0; i < image_set_count(set, split); i++) {
    ck_assert_msg(image_set_read(set, split, i, &image, &error) == SIMBA_OK, "%s", error.message);
    ck_assert(image.height == HEIGHT && image.width == WIDTH && image.channels == 1 && image.index == i);
    for (int k = 0; k < PIXELS; k++) ck_assert_int_eq(image.pixels[k], (uint8_t)(image.pixels[0] + k));
    ck_assert_int_eq(image.label, image.pixels[0] % classes);
    ck_assert_int_eq(image_set_label(set, split, i), image.label);
    sum += image.pixels[0];
  }
  image_clear(&image);
  return sum;
}

START_TEST(idx_folder) {
  static const struct {
    const char *images, *labels, *test_images, *test_labels;
    bool gzipped;
  } STYLES[] = {
      {"train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", false},
      {"train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz",
       "t10k-labels-idx1-ubyte.gz", true},
      {"train-images.idx3-ubyte", "train-labels.idx1-ubyte", "t10k-images.idx3-ubyte", "t10k-labels.idx1-ubyte", false},
  };
  IdxBytes train = idx_bytes(0, 48, 4), test = idx_bytes(60, 12, 4);
  write_idx(STYLES[_i].images, STYLES[_i].labels, &train, STYLES[_i].gzipped);
  write_idx(STYLES[_i].test_images, STYLES[_i].test_labels, &test, STYLES[_i].gzipped);
  ImageSet *set = open_set(temporary_folder);
  ck_assert_str_eq(image_set_format(set), STYLES[_i].gzipped ? "IDX, 2x3, gzipped" : "IDX, 2x3");
  ck_assert_int_eq(image_set_count(set, SPLIT_TRAIN), 44);
  ck_assert_int_eq(image_set_count(set, SPLIT_VALIDATION), 4);
  ck_assert_int_eq(image_set_count(set, SPLIT_TEST), 12);
  ck_assert_int_eq(image_set_class_count(set), 4);
  ck_assert_str_eq(image_set_class_name(set, 3), "3");
  ck_assert_int_eq(image_set_channels(set), 1);
  int32_t height, width;
  image_set_size(set, &height, &width);
  ck_assert(height == HEIGHT && width == WIDTH);
  ck_assert_int_eq(check_images(set, SPLIT_TRAIN, 4) + check_images(set, SPLIT_VALIDATION, 4), 47 * 48 / 2);
  ck_assert_int_eq(check_images(set, SPLIT_TEST, 4), 12 * 60 + 11 * 12 / 2);
  char source[200], expected[200], path[128];
  image_set_source(set, SPLIT_TEST, 7, source, sizeof source);
  snprintf(expected, sizeof expected, "%s: image 7", in_folder(STYLES[_i].test_images, path));
  ck_assert_str_eq(source, expected);
  ck_assert_uint_eq(image_set_note_count(set), 0);
  ck_assert_int_eq(image_set_skipped_count(set), 0);
  image_set_close(set);
}
END_TEST

START_TEST(idx_one_file) {
  IdxBytes bytes = idx_bytes(0, 60, 3);
  char path[128];
  write_idx("my-images-idx3.gz", "my-labels-idx1", &bytes, false);
  write_gzipped(in_folder("my-images-idx3.gz", path), bytes.images, bytes.images_size);
  ImageSet *set = open_set(path);
  ck_assert_int_eq(image_set_count(set, SPLIT_TEST), 10);
  ck_assert_int_eq(image_set_count(set, SPLIT_VALIDATION), 4);
  ck_assert_int_eq(image_set_count(set, SPLIT_TRAIN), 46);
  ck_assert_int_eq(
      check_images(set, SPLIT_TRAIN, 3) + check_images(set, SPLIT_VALIDATION, 3) + check_images(set, SPLIT_TEST, 3),
      59 * 60 / 2);
  image_set_close(set);
}
END_TEST

START_TEST(class_names) {
  IdxBytes bytes = idx_bytes(0, 20, 3);
  char path[128];
  write_idx("train-images-idx3-ubyte", "train-labels-idx1-ubyte", &bytes, false);
  write_text(in_folder("classes.txt", path), "cat\r\ndog \n\nowl and more\nnone");
  ImageSet *set = open_set(temporary_folder);
  ck_assert_int_eq(image_set_class_count(set), 4);
  ck_assert_str_eq(image_set_class_name(set, 1), "dog");
  ck_assert_str_eq(image_set_class_name(set, 2), "owl and more");
  ck_assert_uint_eq(image_set_note_count(set), 1);
  ck_assert_ptr_nonnull(strstr(image_set_note(set, 0), ": no image of class none"));
  image_set_close(set);
  write_text(in_folder("classes.txt", path), "cat\ndog\n");
  ImageSetOptions options = image_set_defaults();
  expect_failure(temporary_folder, &options, SIMBA_DATA_ERROR,
                 "train-images-idx3-ubyte: image 2: label 2 is out of range: there are 2 classes, 0 to 1");
}
END_TEST

/* What is put where in the images or the labels, and how long they are then. */
static const struct BadIdx {
  bool labels;
  int at;
  uint32_t value;
  int size; /* 0: as it was */
  const char *message;
} BAD_IDX[] = {
    {false, 0, 0x801, 0,
     "train-images-idx3-ubyte: byte 0: wrong magic number 0x00000801: expected 0x00000803, IDX images (this file holds "
     "labels)"},
    {false, 0, 0xD03, 0,
     "train-images-idx3-ubyte: byte 0: wrong magic number 0x00000d03: expected 0x00000803, IDX images"},
    {true, 0, 0x803, 0,
     "train-labels-idx1-ubyte: byte 0: wrong magic number 0x00000803: expected 0x00000801, IDX labels (this file holds "
     "images)"},
    {false, 0, 0x803, 15,
     "train-images-idx3-ubyte: byte 15: the file ends in its header: IDX images have one of 16 bytes"},
    {true, 0, 0x801, 7, "train-labels-idx1-ubyte: byte 7: the file ends in its header: IDX labels have one of 8 bytes"},
    {false, 0, 0x803, 39,
     "train-images-idx3-ubyte: byte 39: the file ends where more images should follow: it has 23 bytes behind its "
     "header, the sizes there take 24"},
    {true, 0, 0x801, 11,
     "train-labels-idx1-ubyte: byte 11: the file ends where more labels should follow: it has 3 bytes behind its "
     "header, "
     "the sizes there take 4"},
    {false, 0, 0x803, 42, "train-images-idx3-ubyte: byte 40: 2 bytes follow behind the last of the images"},
    {true, 4, 3, 11, "train-labels-idx1-ubyte: 3 labels, but train-images-idx3-ubyte has 4 images"},
    {false, 12, 0, 16, "train-images-idx3-ubyte: the images have 2x0 pixels: expected 1 to 67108864 in all"},
    {false, 4, 0xFFFFFFFF, 0,
     "train-images-idx3-ubyte: byte 40: the file ends where more images should follow: it has 24 bytes behind its "
     "header, the sizes there take 25769803770"},
};

START_TEST(bad_idx) {
  const struct BadIdx *bad = &BAD_IDX[_i];
  IdxBytes bytes = idx_bytes(0, 4, 2);
  put_u32((bad->labels ? bytes.labels : bytes.images) + bad->at, bad->value);
  if (bad->size) *(bad->labels ? &bytes.labels_size : &bytes.images_size) = (size_t)bad->size;
  write_idx("train-images-idx3-ubyte", "train-labels-idx1-ubyte", &bytes, false);
  ImageSetOptions options = image_set_defaults();
  ImageSet *set = NULL;
  simba_error error = {0};
  ck_assert_int_eq(image_set_open(temporary_folder, &options, &set, &error), SIMBA_DATA_ERROR);
  char found[SIMBA_MESSAGE_SIZE] = "", *out = found; /* without the folder, which has no fixed name */
  size_t folder = strlen(temporary_folder);
  for (const char *at = error.message; *at;)
    if (strncmp(at, temporary_folder, folder) == 0)
      at += folder + 1;
    else
      *out++ = *at++;
  ck_assert_str_eq(found, bad->message);
}
END_TEST

START_TEST(bad_sets) {
  ImageSetOptions options = image_set_defaults();
  IdxBytes bytes = idx_bytes(0, 4, 2), test = idx_bytes(0, 3, 3), more = idx_bytes(0, 2, 2);
  char path[128], labels[128];
  write_bytes(in_folder("train-images-idx3-ubyte", path), bytes.images, bytes.images_size);
  expect_failure(temporary_folder, &options, SIMBA_DATA_ERROR,
                 "train-images-idx3-ubyte: its labels are missing: expected train-labels-idx1-ubyte[.gz] beside it");
  expect_failure(path, &options, SIMBA_DATA_ERROR,
                 "train-images-idx3-ubyte: its labels are missing: expected a file of the same name with 'labels' "
                 "instead of 'images' (and idx1 instead of idx3) beside it");
  write_idx("train-images-idx3-ubyte", "train-labels-idx1-ubyte", &bytes, false);
  expect_failure(
      in_folder("train-labels-idx1-ubyte", labels), &options, SIMBA_DATA_ERROR,
      "train-labels-idx1-ubyte: byte 0: wrong magic number 0x00000801: expected 0x00000803, IDX images (this "
      "file holds labels)");
  write_idx("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", &test, false);
  expect_failure(temporary_folder, &options, SIMBA_DATA_ERROR,
                 "t10k-images-idx3-ubyte: image 2: label 2 is out of range: there are 2 classes, 0 to 1");
  put_u32(more.images + 8, WIDTH);
  put_u32(more.images + 12, HEIGHT);
  write_idx("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", &more, false);
  ImageSet *set = NULL;
  simba_error error = {0};
  ck_assert_int_eq(image_set_open(temporary_folder, &options, &set, &error), SIMBA_DATA_ERROR);
  ck_assert_ptr_nonnull(strstr(error.message, "t10k-images-idx3-ubyte: images of 3x2 pixels, but those of "));
  options.max_bytes = 23;
  expect_failure(path, &options, SIMBA_DATA_ERROR,
                 "train-images-idx3-ubyte: the images take more than 23 bytes, the limit");
  options = image_set_defaults();
  options.max_pixels = 5;
  expect_failure(path, &options, SIMBA_DATA_ERROR,
                 "train-images-idx3-ubyte: the images have 2x3 pixels: expected 1 to 5 in all");
  bytes = idx_bytes(0, 4, 1);
  write_idx("train-images-idx3-ubyte", "train-labels-idx1-ubyte", &bytes, false);
  options = image_set_defaults();
  expect_failure(path, &options, SIMBA_DATA_ERROR,
                 "train-images-idx3-ubyte: all labels are 0: expected at least two classes");
  options.validation = 1;
  expect_failure(
      path, &options, SIMBA_INVALID_ARGUMENT,
      "image_set_open: shares must be from 0 up to 1, limits positive, height and width given both or not at "
      "all");
  options = image_set_defaults();
  write_bytes(in_folder("odd", path), "\1\0\0\0", 4);
  expect_failure(path, &options, SIMBA_DATA_ERROR,
                 "odd: byte 0: wrong magic number: neither IDX nor CIFAR (.bin) nor CSV with pixels and a label");
  expect_failure(in_folder("nowhere", path), &options, SIMBA_IO_ERROR,
                 "nowhere: cannot open: No such file or directory");
}
END_TEST

START_TEST(cut_gzip) {
  IdxBytes bytes = idx_bytes(0, 40, 2);
  char path[128];
  ImageSetOptions options = image_set_defaults();
  write_idx("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", &bytes, true);
  cut_file(in_folder("train-images-idx3-ubyte.gz", path), 50);
  expect_failure(temporary_folder, &options, SIMBA_DATA_ERROR,
                 "train-images-idx3-ubyte.gz: byte 50: the file ends in the midst of its gzip data: it is cut off");
}
END_TEST

/* ---- Splits ---- */

/* Which of 300 images are in a split. */
static void members(const ImageSet *set, DataSplit split, bool out_has[MAX_IMAGES]) {
  char source[200];
  memset(out_has, 0, MAX_IMAGES);
  int last = -1;
  for (int64_t i = 0; i < image_set_count(set, split); i++) {
    image_set_source(set, split, i, source, sizeof source);
    int image = atoi(strrchr(source, ' ') + 1);
    ck_assert_int_gt(image, last); /* in the order of the file */
    out_has[image] = true;
    last = image;
  }
}

START_TEST(drawn_splits) {
  IdxBytes bytes = idx_bytes(0, MAX_IMAGES, 10);
  write_idx("train-images-idx3-ubyte", "train-labels-idx1-ubyte", &bytes, false);
  bool has[SPLIT_COUNT][MAX_IMAGES], again[MAX_IMAGES];
  ImageSetOptions options = image_set_defaults();
  options.seed = 7;
  ImageSet *set = open_with(temporary_folder, options);
  int share[SPLIT_COUNT][10] = {{0}};
  for (int split = 0; split < SPLIT_COUNT; split++) members(set, (DataSplit)split, has[split]);
  for (int i = 0; i < MAX_IMAGES; i++) {
    ck_assert_int_eq(has[0][i] + has[1][i] + has[2][i], 1);
    for (int split = 0; split < SPLIT_COUNT; split++) share[split][i % 10] += has[split][i];
  }
  ck_assert_int_eq(image_set_count(set, SPLIT_TEST), 50);
  ck_assert_int_eq(image_set_count(set, SPLIT_VALIDATION), 21);
  for (int k = 0; k < 10; k++) {
    ck_assert_int_eq(share[SPLIT_TEST][k], 5);
    ck_assert(share[SPLIT_VALIDATION][k] == 2 || share[SPLIT_VALIDATION][k] == 3);
  }
  image_set_close(set);
  set = open_with(temporary_folder, options);
  members(set, SPLIT_TEST, again);
  ck_assert_mem_eq(again, has[SPLIT_TEST], MAX_IMAGES);
  image_set_close(set);
  options.seed = 8;
  set = open_with(temporary_folder, options);
  members(set, SPLIT_TEST, again);
  ck_assert_mem_ne(again, has[SPLIT_TEST], MAX_IMAGES);
  image_set_close(set);
  options.validation = options.test = 0;
  set = open_with(temporary_folder, options);
  ck_assert_int_eq(image_set_count(set, SPLIT_TRAIN), MAX_IMAGES);
  ck_assert_int_eq(image_set_count(set, SPLIT_VALIDATION), 0);
  ck_assert_int_eq(image_set_count(set, SPLIT_TEST), 0);
  image_set_close(set);
}
END_TEST

/* ---- CIFAR ---- */

enum { SIDE = 32, PLANE = SIDE * SIDE };

/* Image i: labels, then planes of 10 + i, 20 + i and x + y. */
static void write_cifar(const char *path, int labels, int count, uint8_t first_label, size_t cut) {
  size_t stride = (size_t)labels + 3 * PLANE;
  uint8_t *bytes = calloc((size_t)count, stride);
  ck_assert_ptr_nonnull(bytes);
  for (int i = 0; i < count; i++) {
    uint8_t *record = bytes + (size_t)i * stride;
    if (labels == 2) record[0] = (uint8_t)(i % 20);
    record[labels - 1] = (uint8_t)(first_label + i);
    memset(record + labels, 10 + i, PLANE);
    memset(record + labels + PLANE, 20 + i, PLANE);
    for (int k = 0; k < PLANE; k++) record[labels + 2 * PLANE + k] = (uint8_t)(k / SIDE + k % SIDE);
  }
  write_bytes(path, bytes, (size_t)count * stride - cut);
  free(bytes);
}

static void check_cifar(const ImageSet *set, DataSplit split, int64_t i, int record) {
  Image image = {0};
  simba_error error = {0};
  ck_assert_int_eq(image_set_read(set, split, i, &image, &error), SIMBA_OK);
  ck_assert(image.height == SIDE && image.width == SIDE && image.channels == 3);
  for (int k = 0; k < PLANE; k++) {
    ck_assert_int_eq(image.pixels[3 * k], 10 + record);
    ck_assert_int_eq(image.pixels[3 * k + 1], 20 + record);
    ck_assert_int_eq(image.pixels[3 * k + 2], k / SIDE + k % SIDE);
  }
  image_clear(&image);
}

START_TEST(cifar) {
  char path[128];
  ImageSetOptions options = image_set_defaults();
  options.validation = 0;
  write_cifar(in_folder("data_batch_1.bin", path), 1, 10, 0, 0);
  for (int i = 2; i <= 4; i++) {
    char name[32];
    snprintf(name, sizeof name, "data_batch_%d.bin", i);
    write_cifar(in_folder(name, path), 1, i, 1, 0);
  }
  write_cifar(in_folder("test_batch.bin", path), 1, 2, 3, 0);
  write_text(in_folder("batches.meta.txt", path),
             "airplane\nautomobile\nbird\ncat\ndeer\ndog\nfrog\nhorse\nship\ntruck\n\n");
  ImageSet *set = open_with(temporary_folder, options);
  ck_assert_str_eq(image_set_format(set), "CIFAR-10");
  ck_assert_int_eq(image_set_count(set, SPLIT_TRAIN), 19);
  ck_assert_int_eq(image_set_count(set, SPLIT_TEST), 2);
  ck_assert_int_eq(image_set_label(set, SPLIT_TRAIN, 11), 2);
  ck_assert_str_eq(image_set_class_name(set, 9), "truck");
  ck_assert_uint_eq(image_set_note_count(set), 1);
  ck_assert_str_eq(image_set_note(set, 0), "data_batch_5.bin is missing: its images are not in the set");
  check_cifar(set, SPLIT_TRAIN, 18, 3);
  check_cifar(set, SPLIT_TEST, 1, 1);
  image_set_close(set);
  write_cifar(in_folder("data_batch_2.bin", path), 1, 2, 9, 0);
  expect_failure(temporary_folder, &options, SIMBA_DATA_ERROR,
                 "data_batch_2.bin: image 1 (byte 3073): label 10 is out of range: CIFAR-10 has 10 classes");
  write_cifar(in_folder("data_batch_2.bin", path), 1, 2, 1, 73);
  expect_failure(temporary_folder, &options, SIMBA_DATA_ERROR,
                 "data_batch_2.bin: byte 6073: the file ends in the midst of image 1: expected images of 3073 bytes "
                 "each (CIFAR-10, binary version)");
  expect_failure(
      path, &options, SIMBA_DATA_ERROR,
      "data_batch_2.bin: 6073 bytes are no whole number of images of CIFAR-10 (3073 bytes) or CIFAR-100 (3074 "
      "bytes)");
}
END_TEST

START_TEST(cifar_100) {
  char path[128];
  ImageSetOptions options = image_set_defaults();
  options.validation = options.test = 0;
  write_cifar(in_folder("train.bin", path), 2, 12, 88, 0);
  ImageSet *set = open_with(temporary_folder, options);
  ck_assert_str_eq(image_set_format(set), "CIFAR-100");
  ck_assert_int_eq(image_set_label(set, SPLIT_TRAIN, 11), 99);
  check_cifar(set, SPLIT_TRAIN, 5, 5);
  ck_assert_ptr_nonnull(strstr(image_set_note(set, 0), ": no image of 88 of 100 classes, the first being 0"));
  image_set_close(set);
  set = open_with(path, options); /* the file alone */
  ck_assert_int_eq(image_set_count(set, SPLIT_TRAIN), 12);
  image_set_close(set);
  write_cifar(path, 2, 1, 100, 0);
  expect_failure(temporary_folder, &options, SIMBA_DATA_ERROR,
                 "train.bin: image 0 (byte 1): label 100 is out of range: CIFAR-100 has 100 classes");
  write_cifar(path, 2, 1, 1, 0);
  FILE *stream = fopen(path, "r+b");
  ck_assert(stream && fputc(20, stream) == 20 && fclose(stream) == 0);
  expect_failure(temporary_folder, &options, SIMBA_DATA_ERROR,
                 "train.bin: image 0 (byte 0): label 20 is out of range: CIFAR-100 has 20 coarse classes");
}
END_TEST

/* ---- What a model takes ---- */

START_TEST(requirements) {
  IdxBytes bytes = idx_bytes(0, 20, 3);
  char path[128];
  write_idx("x-images", "x-labels", &bytes, false);
  ImageSet *set = open_set(in_folder("x-images", path));
  static const struct {
    ImageNeeds needs;
    const char *message; /* NULL: fine */
  } CASES[] = {
      {{0}, NULL},
      {{.channels = 1, .height = HEIGHT, .width = WIDTH, .classes = 3}, NULL},
      {{.channels = 3},
       "the images are grey (1 channel), but the model takes 3 channels: build it for 1, or let channels be converted"},
      {{.channels = 4}, "the model takes 4 channels, but images have 1 (grey) or 3 (colour)"},
      {{.height = 3, .width = 3},
       "the images have 2x3 pixels, but the model takes 3x3: build it for that size, or let images be resized"},
      {{.classes = 2},
       "image 2: label 2 (2) is out of range: the model tells 2 classes apart, 0 to 1, the images have 3"},
      {{.channels = 3, .convert_channels = true}, NULL},
  };
  for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
    simba_error error = {0};
    simba_status status = image_set_require(set, &CASES[i].needs, &error);
    ck_assert_int_eq(status, CASES[i].message ? SIMBA_DATA_ERROR : SIMBA_OK);
    if (CASES[i].message) ck_assert_str_eq(strstr(error.message, ": ") + 2, CASES[i].message);
  }
  Image image = {0};
  simba_error error = {0};
  ck_assert_int_eq(image_set_read(set, SPLIT_TRAIN, 0, &image, &error), SIMBA_OK);
  ck_assert_int_eq(image.channels, 3);
  for (int k = 0; k < 3 * PIXELS; k++) ck_assert_int_eq(image.pixels[k], image.pixels[0] + k / 3);
  ck_assert_int_eq(image_set_read(set, SPLIT_TRAIN, 16, &image, &error), SIMBA_INVALID_ARGUMENT);
  ck_assert_int_eq(image_set_read(set, SPLIT_TRAIN, -1, &image, &error), SIMBA_INVALID_ARGUMENT);
  image_clear(&image);
  ck_assert_int_eq(image_set_require(set, &(ImageNeeds){.classes = 5}, &error), SIMBA_OK);
  ck_assert_ptr_nonnull(strstr(image_set_note(set, 0), ": 3 classes, but the model tells 5 apart"));
  image_set_close(set);
}
END_TEST

/* ---- The set that Debian has ---- */

/* Sums of a split, computed by another program from the files. */
START_TEST(fashion_mnist) {
  const char *path;
  simba_error error = {0};
  if (image_set_default_path(&path, &error)) {
    ck_assert_ptr_nonnull(strstr(error.message, "apt-get install dataset-fashion-mnist"));
    return;
  }
  ImageSetOptions options = image_set_defaults();
  ImageSet *set = open_with(path, options);
  ck_assert_int_eq(image_set_count(set, SPLIT_TRAIN), 55000);
  ck_assert_int_eq(image_set_count(set, SPLIT_VALIDATION), 5000);
  ck_assert_int_eq(image_set_count(set, SPLIT_TEST), 10000);
  ck_assert_str_eq(image_set_class_name(set, 9), "Ankle boot");
  int64_t sum[SPLIT_COUNT] = {0}, labels[SPLIT_COUNT] = {0}, classes[10] = {0};
  Image image = {0};
  for (int split = 0; split < SPLIT_COUNT; split++)
    for (int64_t i = 0; i < image_set_count(set, (DataSplit)split); i++) {
      ck_assert_int_eq(image_set_read(set, (DataSplit)split, i, &image, &error), SIMBA_OK);
      for (int k = 0; k < 784; k++) sum[split] += image.pixels[k];
      labels[split] += image.label;
      if (split == SPLIT_VALIDATION) classes[image.label]++;
    }
  image_clear(&image);
  ck_assert_int_eq(sum[SPLIT_TRAIN] + sum[SPLIT_VALIDATION], 3431114169);
  ck_assert_int_eq(sum[SPLIT_TEST], 573469082);
  ck_assert_int_eq(labels[SPLIT_TRAIN] + labels[SPLIT_VALIDATION], 270000);
  ck_assert_int_eq(labels[SPLIT_TEST], 45000);
  for (int k = 0; k < 10; k++) ck_assert_int_eq(classes[k], 500);
  static const int FIRST[] = {9, 2, 1, 1, 6, 1, 4, 6, 5, 7};
  for (int i = 0; i < 10; i++) ck_assert_int_eq(image_set_label(set, SPLIT_TEST, i), FIRST[i]);
  image_set_close(set);
}
END_TEST

/* ---- Threads ---- */

static void *read_all(void *context) {
  const ImageSet *set = context;
  return (void *)(intptr_t)(check_images(set, SPLIT_TRAIN, 4) + check_images(set, SPLIT_VALIDATION, 4));
}

START_TEST(threads) {
  IdxBytes bytes = idx_bytes(0, 200, 4);
  char path[128];
  write_idx("x-images", "x-labels", &bytes, false);
  ImageSetOptions options = image_set_defaults();
  options.test = 0;
  ImageSet *set = open_with(in_folder("x-images", path), options);
  pthread_t thread[4];
  for (int t = 0; t < 4; t++) ck_assert_int_eq(pthread_create(&thread[t], NULL, read_all, set), 0);
  for (int t = 0; t < 4; t++) {
    void *sum;
    ck_assert_int_eq(pthread_join(thread[t], &sum), 0);
    ck_assert_int_eq((intptr_t)sum, 199 * 200 / 2);
  }
  image_set_close(set);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("runtime_images");
  TCase *tests = tcase_create("sets");
  tcase_add_checked_fixture(tests, enter_folder, leave_folder);
  tcase_add_loop_test(tests, idx_folder, 0, 3);
  tcase_add_test(tests, idx_one_file);
  tcase_add_test(tests, class_names);
  tcase_add_loop_test(tests, bad_idx, 0, sizeof BAD_IDX / sizeof *BAD_IDX);
  tcase_add_test(tests, bad_sets);
  tcase_add_test(tests, cut_gzip);
  tcase_add_test(tests, drawn_splits);
  tcase_add_test(tests, cifar);
  tcase_add_test(tests, cifar_100);
  tcase_add_test(tests, requirements);
  tcase_add_test(tests, fashion_mnist);
  tcase_add_test(tests, threads);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
