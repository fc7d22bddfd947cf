/* A folder for each class: order, splits, corrupt images skipped or not, and every mistake with its message. */
#include <pthread.h>
#include <unistd.h>

#include "runtime/image_set.h"
#include "tests/image_files.h"
#include "tests/suite_run.h"
#include "tests/temporary_folder.h"

enum { SIDE = 4, PIXELS = SIDE * SIDE };

static void make_folder(const char *name) {
  char path[128];
  ck_assert_int_eq(mkdir(in_folder(name, path), 0777), 0);
}

/* A grey image whose pixels all have `value`, which JPEG keeps too. */
static void put_image(const char *name, int value) {
  char path[128];
  uint8_t pixels[PIXELS];
  memset(pixels, value, sizeof pixels);
  in_folder(name, path);
  if (strstr(name, ".png"))
    write_grey_png(path, SIDE, SIDE, pixels);
  else
    write_jpeg(path, SIDE, SIDE, JCS_GRAYSCALE, false, pixels);
}

static void put_colour(const char *name) {
  char path[128];
  uint8_t pixels[3 * PIXELS] = {0};
  write_png(in_folder(name, path), SIDE, SIDE, (PngForm){PNG_COLOR_TYPE_RGB, 8, PNG_INTERLACE_NONE, NULL, 0}, pixels);
}

static void put_text(const char *name, const char *text) {
  char path[128];
  write_text(in_folder(name, path), text);
}

static ImageSetOptions whole(void) {
  ImageSetOptions options = image_set_defaults();
  options.validation = options.test = 0;
  return options;
}

static ImageSet *open_with(const ImageSetOptions *options) {
  ImageSet *set = NULL;
  simba_error error = {0};
  ck_assert_msg(image_set_open(temporary_folder, options, &set, &error) == SIMBA_OK, "%s", error.message);
  return set;
}

/* Without the test's folder, whose name differs from run to run. */
static const char *below_folder(const char *text) {
  size_t length = strlen(temporary_folder);
  ck_assert_int_eq(strncmp(text, temporary_folder, length), 0);
  return text + length + (text[length] == '/');
}

static void expect_failure(const char *message) {
  ImageSetOptions options = whole();
  ImageSet *set = NULL;
  simba_error error = {0};
  ck_assert_int_eq(image_set_open(temporary_folder, &options, &set, &error), SIMBA_DATA_ERROR);
  ck_assert_str_eq(below_folder(error.message), message);
}

static void check_image(const ImageSet *set, DataSplit split, int64_t i, const char *source, int label, int value) {
  Image image = {0};
  simba_error error = {0};
  char found[200];
  image_set_source(set, split, i, found, sizeof found);
  ck_assert_str_eq(below_folder(found), source);
  ck_assert_msg(image_set_read(set, split, i, &image, &error) == SIMBA_OK, "%s", error.message);
  ck_assert_int_eq(image.label, label);
  ck_assert(image.height == SIDE && image.width == SIDE && image.channels == 1 && image.index == i);
  for (int k = 0; k < PIXELS; k++) ck_assert_int_eq(image.pixels[k], value);
  image_clear(&image);
}

START_TEST(splits) {
  ImageSetOptions options = image_set_defaults();
  static const char *const FOLDERS[] = {"train", "train/dog", "train/cat", "train/cat/more", "val",  "val/cat",
                                        "test",  "test/dog",  "test/cat",  "train/.hidden",  ".git", "val/dog"};
  for (size_t i = 0; i < sizeof FOLDERS / sizeof *FOLDERS; i++) make_folder(FOLDERS[i]);
  put_image("train/dog/b.png", 10);
  put_image("train/dog/B.PNG.jpeg", 20);
  put_image("train/cat/2.JPG", 30);
  put_image("train/cat/10.png", 40);
  put_image("train/cat/more/x.jpg", 50);
  put_image("val/cat/1.png", 60);
  put_image("val/dog/1.png", 65);
  put_image("test/cat/1.png", 70);
  put_image("test/dog/1.png", 80);
  put_text("train/dog/notes.txt", "x");
  put_text("train/dog/.hidden.png", "x");
  ImageSet *set = open_with(&options);
  ck_assert_str_eq(image_set_format(set), "a folder for each class, below a folder for each split");
  ck_assert_int_eq(image_set_count(set, SPLIT_TRAIN), 5);
  ck_assert_int_eq(image_set_count(set, SPLIT_VALIDATION), 2);
  ck_assert_int_eq(image_set_count(set, SPLIT_TEST), 2);
  ck_assert_int_eq(image_set_class_count(set), 2);
  ck_assert_str_eq(image_set_class_name(set, 0), "cat");
  ck_assert_int_eq(image_set_channels(set), 1);
  check_image(set, SPLIT_TRAIN, 0, "train/cat/10.png", 0, 40);
  check_image(set, SPLIT_TRAIN, 1, "train/cat/2.JPG", 0, 30);
  check_image(set, SPLIT_TRAIN, 2, "train/cat/more/x.jpg", 0, 50);
  check_image(set, SPLIT_TRAIN, 3, "train/dog/B.PNG.jpeg", 1, 20);
  check_image(set, SPLIT_TRAIN, 4, "train/dog/b.png", 1, 10);
  check_image(set, SPLIT_VALIDATION, 0, "val/cat/1.png", 0, 60);
  check_image(set, SPLIT_TEST, 1, "test/dog/1.png", 1, 80);
  ck_assert_uint_eq(image_set_note_count(set), 1);
  ck_assert_str_eq(below_folder(image_set_note(set, 0)),
                   "train: files passed over that are no .jpg, .jpeg or .png: 1, as dog/notes.txt");
  image_set_close(set);
}
END_TEST

START_TEST(one_folder) {
  ImageSetOptions options = image_set_defaults();
  make_folder("a");
  make_folder("b");
  for (int i = 0; i < 24; i++) {
    char name[32];
    snprintf(name, sizeof name, "%c/%d.png", i % 2 ? 'b' : 'a', i);
    put_image(name, i);
  }
  ImageSet *set = open_with(&options);
  ck_assert_str_eq(image_set_format(set), "a folder for each class");
  ck_assert_int_eq(image_set_count(set, SPLIT_TEST), 4);
  ck_assert_int_eq(image_set_count(set, SPLIT_VALIDATION), 2);
  ck_assert_int_eq(image_set_count(set, SPLIT_TRAIN), 18);
  int sum = 0;
  Image image = {0};
  for (int split = 0; split < SPLIT_COUNT; split++)
    for (int64_t i = 0; i < image_set_count(set, (DataSplit)split); i++) {
      ck_assert_int_eq(image_set_read(set, (DataSplit)split, i, &image, NULL), SIMBA_OK);
      ck_assert_int_eq(image.label, image.pixels[0] % 2);
      sum += image.pixels[0];
    }
  ck_assert_int_eq(sum, 23 * 24 / 2);
  image_clear(&image);
  image_set_close(set);
}
END_TEST

START_TEST(bad_folders) {
  expect_failure(
      ": no classes: expected a folder for each class, with JPEG or PNG files (or files in IDX, CIFAR or CSV "
      "format)");
  put_image("x.png", 1);
  expect_failure(": images in no class folder, 1 in all: expected a folder for each class");
  char path[128];
  ck_assert_int_eq(unlink(in_folder("x.png", path)), 0);
  make_folder("cat");
  expect_failure("cat: a class folder without an image (.jpg, .jpeg or .png)");
  put_image("cat/1.png", 1);
  expect_failure(": only one class folder, 'cat': expected at least two (is that folder the data set?)");
  make_folder("train");
  make_folder("train/cat");
  make_folder("train/dog");
  put_image("train/cat/1.png", 1);
  put_image("train/dog/1.png", 1);
  make_folder("val");
  make_folder("val/bird");
  put_image("val/bird/1.png", 1);
  expect_failure("val/bird: a class that the images for training do not have");
  ck_assert_int_eq(
      unlink(in_folder("val/bird/1.png", path)) | rmdir(in_folder("val/bird", path)) | rmdir(in_folder("val", path)),
      0);
  make_folder("train/dog/empty");
  make_folder("test");
  make_folder("test/dog");
  expect_failure("test/dog: a class folder without an image (.jpg, .jpeg or .png)");
  put_image("test/x.png", 1);
  put_image("test/dog/x.png", 1);
  expect_failure("test: images in no class folder, 1 in all: expected a folder for each class");
}
END_TEST

START_TEST(one_image) {
  char path[128];
  ImageSetOptions options = whole();
  ImageSet *set = NULL;
  simba_error error = {0};
  put_image("x.png", 1);
  ck_assert_int_eq(image_set_open(in_folder("x.png", path), &options, &set, &error), SIMBA_DATA_ERROR);
  ck_assert_str_eq(below_folder(error.message), "x.png: one image: expected a folder with a folder for each class");
}
END_TEST

/* The first image shows that the size is wrong before anything is read; that others differ is known when they are. */
START_TEST(other_sizes) {
  ImageSetOptions options = whole();
  char path[128];
  uint8_t pixels[2 * PIXELS] = {0};
  make_folder("a");
  make_folder("b");
  put_text("a/0.png", "corrupt");
  put_image("a/1.png", 10);
  write_grey_png(in_folder("b/1.png", path), 2 * SIDE, SIDE, pixels);
  ImageSet *set = open_with(&options);
  simba_error error = {0};
  ImageNeeds needs = {.height = SIDE, .width = 5, .how_to_resize = "ask for it"};
  ck_assert_int_eq(image_set_require(set, &needs, &error), SIMBA_DATA_ERROR);
  ck_assert_str_eq(below_folder(error.message),
                   "b/1.png: the image has 8x4 pixels, but the model takes 4x5: build it for that size, or let images "
                   "be resized (ask for it)");
  needs = (ImageNeeds){.height = 2 * SIDE, .width = SIDE};
  ck_assert_int_eq(image_set_require(set, &needs, &error), SIMBA_OK);
  Image image = {0};
  ck_assert_int_eq(image_set_read(set, SPLIT_TRAIN, 1, &image, &error), SIMBA_DATA_ERROR);
  ck_assert_str_eq(below_folder(error.message),
                   "a/1.png: the image has 4x4 pixels, but the model takes 8x4: build it for that size, or let images "
                   "be resized");
  image_clear(&image);
  image_set_close(set);
}
END_TEST

/* Names of others: what would upset a terminal or a file of text, pipes that nobody writes to. */
START_TEST(odd_names) {
  ImageSetOptions options = whole();
  char path[128];
  static const char *const FOLDERS[] = {"\x1B[31mred", "a\nb", "\xC3\xA9", "\xFF"};
  for (size_t i = 0; i < sizeof FOLDERS / sizeof *FOLDERS; i++) {
    make_folder(FOLDERS[i]);
    snprintf(path, sizeof path, "%s/1.png", FOLDERS[i]);
    put_image(path, 1);
  }
  ck_assert_int_eq(mkfifo(in_folder("a\nb/2.png", path), 0600), 0);
  ImageSet *set = open_with(&options);
  static const char *const NAMES[] = {"?[31mred", "a?b", "\xC3\xA9", "?"};
  ck_assert_int_eq(image_set_class_count(set), 4);
  for (int32_t k = 0; k < 4; k++) ck_assert_str_eq(image_set_class_name(set, k), NAMES[k]);
  ck_assert_int_eq(image_set_count(set, SPLIT_TRAIN), 4);
  image_set_close(set);
}
END_TEST

START_TEST(mixed_channels) {
  ImageSetOptions options = whole();
  make_folder("a");
  make_folder("b");
  put_image("a/1.png", 10);
  put_colour("a/2.png");
  put_image("b/1.png", 20);
  ImageSet *set = open_with(&options);
  ck_assert_int_eq(image_set_channels(set), 1); /* as far as the first ones show */
  simba_error error = {0};
  ck_assert_int_eq(image_set_require(set, &(ImageNeeds){.channels = 3}, &error), SIMBA_DATA_ERROR);
  ck_assert_int_eq(image_set_require(set, &(ImageNeeds){.channels = 1}, &error), SIMBA_OK);
  Image image = {0};
  ck_assert_int_eq(image_set_read(set, SPLIT_TRAIN, 1, &image, &error), SIMBA_DATA_ERROR);
  ck_assert_str_eq(
      below_folder(error.message),
      "a/2.png: the image is in colour (3 channels), but the model takes 1 channel: build it for 3, or let "
      "channels be converted");
  ck_assert_int_eq(image_set_require(set, &(ImageNeeds){.channels = 3, .convert_channels = true}, &error), SIMBA_OK);
  for (int i = 0; i < 3; i++) {
    ck_assert_int_eq(image_set_read(set, SPLIT_TRAIN, i, &image, &error), SIMBA_OK);
    ck_assert_int_eq(image.channels, 3);
  }
  image_clear(&image);
  image_set_close(set);
  put_colour("b/1.png");
  set = open_with(&options);
  ck_assert_int_eq(image_set_channels(set), 0);
  image_set_close(set);
}
END_TEST

/* ---- Corrupt images ---- */

/* Images 2, 3 and 7 (the last one) of 8 are corrupt. */
static void make_corrupt(void) {
  make_folder("a");
  make_folder("b");
  for (int i = 0; i < 8; i++) {
    char name[32], path[128];
    snprintf(name, sizeof name, "%c/%d.jpg", i < 4 ? 'a' : 'b', i);
    put_image(name, i);
    if (i == 2) cut_file(in_folder(name, path), 300);
    if (i == 3) put_text(name, "no image");
    if (i == 7) put_text(name, "");
  }
}

START_TEST(corrupt_stops) {
  make_corrupt();
  ImageSetOptions options = whole();
  ImageSet *set = open_with(&options);
  Image image = {0};
  simba_error error = {0};
  ck_assert_int_eq(image_set_read(set, SPLIT_TRAIN, 1, &image, &error), SIMBA_OK);
  ck_assert_int_eq(image_set_read(set, SPLIT_TRAIN, 2, &image, &error), SIMBA_DATA_ERROR);
  ck_assert_str_eq(below_folder(error.message),
                   "a/2.jpg: byte 300 of 300: JPEG: the file ends in the midst of the image: it is cut off");
  ck_assert_int_eq(image_set_skipped_count(set), 0);
  char path[128];
  ck_assert_int_eq(unlink(in_folder("b/7.jpg", path)), 0);
  ck_assert_int_eq(image_set_read(set, SPLIT_TRAIN, 7, &image, &error), SIMBA_IO_ERROR);
  image_clear(&image);
  image_set_close(set);
}
END_TEST

static const int TAKEN[] = {0, 1, 4, 4, 4, 5, 6, 0};

START_TEST(corrupt_skipped) {
  make_corrupt();
  ImageSetOptions options = whole();
  options.skip_corrupt = true;
  ImageSet *set = open_with(&options);
  Image image = {0};
  for (int round = 0; round < 2; round++)
    for (int i = 0; i < 8; i++) {
      ck_assert_int_eq(image_set_read(set, SPLIT_TRAIN, i, &image, NULL), SIMBA_OK);
      ck_assert_int_eq(image.index, TAKEN[i]);
      ck_assert_int_eq(image.label, TAKEN[i] >= 4);
      ck_assert_int_eq(image.pixels[0], TAKEN[i]);
    }
  ck_assert_int_eq(image_set_skipped_count(set), 3);
  static const char *const MESSAGES[] = {
      "a/2.jpg: byte 300 of 300: JPEG: the file ends in the midst of the image: it is cut off",
      "a/3.jpg: the file begins as no image does that is read here: expected a JPEG or PNG image",
      "b/7.jpg: the file is empty: expected a JPEG or PNG image",
  };
  for (int i = 0; i < 3; i++) {
    char message[200];
    image_set_skipped(set, i, message, sizeof message);
    ck_assert_str_eq(below_folder(message), MESSAGES[i]);
  }
  char path[128];
  simba_error error = {0};
  ck_assert_int_eq(unlink(in_folder("b/5.jpg", path)), 0); /* cannot be read at all: no reason to go on */
  ck_assert_int_eq(image_set_read(set, SPLIT_TRAIN, 5, &image, &error), SIMBA_IO_ERROR);
  image_clear(&image);
  image_set_close(set);
}
END_TEST

START_TEST(all_corrupt) {
  make_folder("a");
  make_folder("b");
  put_text("a/1.png", "x");
  put_text("b/1.png", "x");
  ImageSetOptions options = whole();
  options.skip_corrupt = true;
  ImageSet *set = open_with(&options);
  Image image = {0};
  simba_error error = {0};
  ck_assert_int_eq(image_set_channels(set), 0);
  ck_assert_int_eq(image_set_read(set, SPLIT_TRAIN, 1, &image, &error), SIMBA_DATA_ERROR);
  ck_assert_str_eq(below_folder(error.message), ": all 2 images of this split are corrupt");
  image_clear(&image);
  image_set_close(set);
}
END_TEST

static void *read_all(void *context) {
  const ImageSet *set = context;
  Image image = {0};
  intptr_t wrong = 0;
  for (int round = 0; round < 5; round++)
    for (int i = 0; i < 8; i++)
      wrong += image_set_read(set, SPLIT_TRAIN, i, &image, NULL) != SIMBA_OK || image.pixels[0] != TAKEN[i];
  image_clear(&image);
  return (void *)wrong;
}

START_TEST(threads) {
  make_corrupt();
  ImageSetOptions options = whole();
  options.skip_corrupt = true;
  ImageSet *set = open_with(&options);
  pthread_t thread[4];
  for (int t = 0; t < 4; t++) ck_assert_int_eq(pthread_create(&thread[t], NULL, read_all, set), 0);
  for (int t = 0; t < 4; t++) {
    void *wrong;
    ck_assert_int_eq(pthread_join(thread[t], &wrong), 0);
    ck_assert_ptr_null(wrong);
  }
  ck_assert_int_eq(image_set_skipped_count(set), 3);
  image_set_close(set);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("runtime_class_folder");
  TCase *tests = tcase_create("folders");
  tcase_add_checked_fixture(tests, enter_folder, leave_folder);
  tcase_add_test(tests, splits);
  tcase_add_test(tests, one_folder);
  tcase_add_test(tests, bad_folders);
  tcase_add_test(tests, one_image);
  tcase_add_test(tests, other_sizes);
  tcase_add_test(tests, odd_names);
  tcase_add_test(tests, mixed_channels);
  tcase_add_test(tests, corrupt_stops);
  tcase_add_test(tests, corrupt_skipped);
  tcase_add_test(tests, all_corrupt);
  tcase_add_test(tests, threads);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
