/* CSV of pixels and a label: where the label is, which range pixels have, and every kind of bad file with its place. */
#include "runtime/image_set.h"
#include "tests/image_files.h"
#include "tests/suite_run.h"
#include "tests/temporary_folder.h"

/* No image is drawn for another split. */
static ImageSetOptions whole(void) {
  ImageSetOptions options = image_set_defaults();
  options.validation = options.test = 0;
  return options;
}

static ImageSet *open_with(const char *path, const ImageSetOptions *options) {
  ImageSet *set = NULL;
  simba_error error = {0};
  ck_assert_msg(image_set_open(path, options, &set, &error) == SIMBA_OK, "%s", error.message);
  return set;
}

static void expect_failure(const char *path, const ImageSetOptions *options, const char *message) {
  ImageSet *set = NULL;
  simba_error error = {0};
  ck_assert_int_eq(image_set_open(path, options, &set, &error), SIMBA_DATA_ERROR);
  ck_assert_str_eq(error.message + strlen(temporary_folder) + 1, message);
}

static const struct GoodFile {
  const char *text, *format;
  double maximum;
  int height, width;
  LabelColumn label;
  const uint8_t *pixels; /* of image 1, which has label 1 and stands behind one with label 0 */
} GOOD_FILES[] = {
    {"0,0,0,0,0\n5,16,8,1,1\n", "CSV, 2x2 pixels from 0 to 16, label last", 0, 0, 0, LABEL_ANYWHERE,
     (const uint8_t[]){80, 255, 128, 16}},
    {"0,9,0,0,7\n1,255,128,0,1\n", "CSV, 2x2 pixels from 0 to 255, label first", 0, 0, 0, LABEL_ANYWHERE,
     (const uint8_t[]){255, 128, 0, 1}},
    {"label,p0,p1,p2,p3\r\n0,1,0,0,0\r\n1,0.5,0,1,.25\r\n", "CSV, 2x2 pixels from 0 to 1, label first", 0, 0, 0,
     LABEL_ANYWHERE, (const uint8_t[]){128, 0, 255, 64}},
    {"\xEF\xBB\xBF\"0\",\"1\",\"2\",\"3\",\"Class\"\n0,0,0,1,0\n3e1,20,10,0,1\n\n\n",
     "CSV, 2x2 pixels from 0 to 255, label last", 0, 0, 0, LABEL_ANYWHERE, (const uint8_t[]){30, 20, 10, 0}},
    {"a,b,c,d,e\n0,0,0,0,0\n1,2,3,4,1\n", "CSV, 2x2 pixels from 0 to 4, label last", 4, 0, 0, LABEL_LAST,
     (const uint8_t[]){64, 128, 191, 255}},
    {"0,0,0\n0,1,1\n", "CSV, 1x2 pixels from 0 to 1, label last", 0, 1, 2, LABEL_ANYWHERE, (const uint8_t[]){0, 255}},
    {"0,1\n1,0\n", "CSV, 1x1 pixels from 0 to 1, label first", 0, 0, 0, LABEL_FIRST, (const uint8_t[]){0}},
};

START_TEST(good_files) {
  const struct GoodFile *good = &GOOD_FILES[_i];
  char path[128];
  ImageSetOptions options = whole();
  options.maximum = good->maximum;
  options.height = good->height;
  options.width = good->width;
  options.label = good->label;
  for (int gzipped = 0; gzipped < 2; gzipped++) {
    (gzipped ? write_gzipped : write_bytes)(in_folder("a.csv", path), good->text, strlen(good->text));
    ImageSet *set = open_with(path, &options);
    if (!gzipped) ck_assert_str_eq(image_set_format(set), good->format);
    if (gzipped) ck_assert_ptr_nonnull(strstr(image_set_format(set), "CSV, gzipped"));
    ck_assert_int_eq(image_set_count(set, SPLIT_TRAIN), 2);
    ck_assert_int_eq(image_set_class_count(set), 2);
    ck_assert_int_eq(image_set_label(set, SPLIT_TRAIN, 0), 0);
    Image image = {0};
    simba_error error = {0};
    ck_assert_int_eq(image_set_read(set, SPLIT_TRAIN, 1, &image, &error), SIMBA_OK);
    ck_assert_int_eq(image.label, 1);
    ck_assert_int_eq(image.channels, 1);
    ck_assert_mem_eq(image.pixels, good->pixels, (size_t)(image.height * image.width));
    image_clear(&image);
    image_set_close(set);
  }
}
END_TEST

START_TEST(places) {
  char path[128], source[200];
  ImageSetOptions options = whole();
  write_text(in_folder("a.csv", path), "label,a\n0,1\n1,0\n");
  ImageSet *set = open_with(path, &options);
  image_set_source(set, SPLIT_TRAIN, 1, source, sizeof source);
  ck_assert_str_eq(source + strlen(temporary_folder) + 1, "a.csv:3");
  image_set_close(set);
}
END_TEST

static const struct BadFile {
  const char *text, *message;
} BAD_FILES[] = {
    {"", "a.csv:1:1: the file is empty: expected rows of pixels and a label"},
    {"\n\n", "a.csv:1:1: the file is empty: expected rows of pixels and a label"},
    {"label,a\n", "a.csv:2:1: no rows below the header"},
    {"5\n6\n", "a.csv:1:1: one cell: expected pixels and a label, separated by commas"},
    {"0;1;2\n1;2;3\n", "a.csv:2:1: found '1;2;3': expected a number (cells must be separated by commas)"},
    {"0,0,0,0,0\n1,2,x,4,1\n", "a.csv:2:3: found 'x': expected a number"},
    {"0,0,0,0,0\n1,2,,4,1\n", "a.csv:2:3: an empty cell: expected a number"},
    {"0,0,0,0,0\n1,2,nan,4,1\n", "a.csv:2:3: found 'nan': expected a number"},
    {"0,0,0,0,0\n1,2,1e999,4,1\n", "a.csv:2:3: found '1e999': expected a number"},
    {"0,0,zero,0,0\n1,2,1,4,1\n", "a.csv:1:3: found 'zero': expected a number"},
    {"0,0,0,0,0\n1,2,3,1\n", "a.csv:2:5: row of another length: 4 cells, but the first row has 5"},
    {"0,0,0,0,0\n1,2,3,4,5,1\n", "a.csv:2:6: row of another length: more cells than the first row, which has 5"},
    {"0,0,0,0,0\n\n1,2,3,4,1\n", "a.csv:2:1: empty row"},
    {"0,0,0,0,0\n1,\"2,3,4,1\n", "a.csv:2:2: a quotation mark that does not enclose the whole cell"},
    {"7,0,0,0,0\n1,2,3,256,1\n", "a.csv:2:4: pixel 256: expected a number from 0 to 255"},
    {"7,0,0,0,0\n1,-2,3,25,1\n", "a.csv:2:2: pixel -2: expected a number from 0 to 255"},
    {"a,b,c,d,label\n0,0,0,0,0\n1,2,3,4,1.5\n", "a.csv:3:5: label 1.5: expected a whole number from 0 to 1048575"},
    {"a,b,c,d,label\n0,0,0,0,0\n1,2,3,4,-1\n", "a.csv:3:5: label -1: expected a whole number from 0 to 1048575"},
    {"a,b,c,d,label\n0,0,0,0,0\n1,2,3,4,1e9\n", "a.csv:3:5: label 1e+09: expected a whole number from 0 to 1048575"},
    {"a,b,label,c,d\n0,0,0,0,0\n", "a.csv:1:3: the column of labels must be the first or the last one"},
    {"0,0,0,0,0\n1,2,3,4,1\n",
     "a.csv:1:1: the labels may be in the first column or in the last: a header that names one of them 'label' says "
     "which"},
    {"0,0,0,0,0\n7,2,3,4,8\n",
     "a.csv:1:1: no column of labels: neither the first nor the last one has whole numbers from 0 up to the number of "
     "classes, all of them: a header that names one of them 'label' says which"},
    {"0,0,0,0\n7,2,3,1\n", "a.csv:1:4: 3 pixels and a label: no square image, so its height and width must be given"},
    {"label,a\n0,1\n0,2\n", "a.csv: all labels are 0: expected at least two classes"},
};

START_TEST(bad_files) {
  char path[128];
  ImageSetOptions options = whole();
  write_text(in_folder("a.csv", path), BAD_FILES[_i].text);
  expect_failure(path, &options, BAD_FILES[_i].message);
}
END_TEST

START_TEST(bad_options) {
  char path[128];
  ImageSetOptions options = whole();
  write_text(in_folder("a.csv", path), "label,a,b,c,d\n0,1,2,3,4\n1,0,0,0,5\n");
  options.height = 2;
  options.width = 3;
  expect_failure(path, &options, "a.csv:2:5: 4 pixels and a label: images of 2x3 have 6");
  options = whole();
  options.maximum = 4;
  expect_failure(path, &options, "a.csv:3:5: pixel 5: expected a number from 0 to 4");
  options = whole();
  options.max_bytes = 40;
  ImageSet *set = NULL;
  simba_error error = {0};
  write_gzipped(in_folder("b.csv.gz", path), "label,a,b,c,d\n0,1,2,3,4\n1,0,0,0,5\n", 34);
  ck_assert_int_eq(image_set_open(path, &options, &set, &error), SIMBA_OK); /* 34 bytes, and 10 numbers are few */
  image_set_close(set);
  options.max_bytes = 20;
  expect_failure(path, &options, "b.csv.gz: expands to more than 20 bytes, the limit");
}
END_TEST

START_TEST(folders) {
  char path[128];
  ImageSetOptions options = image_set_defaults();
  write_text(in_folder("train.csv", path), "0,0,0,0,0\n1,9,9,9,1\n16,3,3,3,2\n");
  write_text(in_folder("val.csv", path), "0,1,0,0,1\n");
  write_gzipped(in_folder("test.csv.gz", path), "5,1,0,0,2\n8,0,0,0,0\n", 20);
  write_text(in_folder("classes.txt", path), "nought\none\ntwo\n");
  ImageSet *set = open_with(temporary_folder, &options);
  ck_assert_int_eq(image_set_count(set, SPLIT_TRAIN), 3);
  ck_assert_int_eq(image_set_count(set, SPLIT_VALIDATION), 1);
  ck_assert_int_eq(image_set_count(set, SPLIT_TEST), 2);
  ck_assert_str_eq(image_set_class_name(set, 2), "two");
  Image image = {0};
  simba_error error = {0};
  ck_assert_int_eq(image_set_read(set, SPLIT_TEST, 1, &image, &error), SIMBA_OK);
  ck_assert_int_eq(image.pixels[0], 128); /* 8 of 16, as in training */
  image_clear(&image);
  image_set_close(set);
  write_text(in_folder("val.csv", path), "0,17,0,0,1\n");
  expect_failure(temporary_folder, &options, "val.csv:1:2: pixel 17: expected a number from 0 to 16");
  write_text(in_folder("val.csv", path), "0,1,1\n");
  expect_failure(temporary_folder, &options, "val.csv:1:3: 2 pixels and a label, but images for training have 4");
  write_text(in_folder("val.csv", path), "0,1,0,0,3\n");
  expect_failure(temporary_folder, &options, "val.csv:1: label 3 is out of range: there are 3 classes, 0 to 2");
}
END_TEST

/* Four rows of the digits of scikit-learn (BSD-3): 8x8 pixels from 0 to 16, label last. */
static const char DIGITS[] =
    "0,0,5,13,9,1,0,0,0,0,13,15,10,15,5,0,0,3,15,2,0,11,8,0,0,4,12,0,0,8,8,0,0,5,8,0,0,9,8,0,0,4,11,0,1,12,7,0,0,2,14,"
    "5,"
    "10,12,0,0,0,0,6,13,10,0,0,0,0\n"
    "0,0,0,12,13,5,0,0,0,0,0,11,16,9,0,0,0,0,3,15,16,6,0,0,0,7,15,16,16,2,0,0,0,0,1,16,16,3,0,0,0,0,1,16,16,6,0,0,0,0,"
    "1,"
    "16,16,6,0,0,0,0,0,11,16,10,0,0,1\n"
    "0,0,0,4,15,12,0,0,0,0,3,16,15,14,0,0,0,0,8,13,8,16,0,0,0,0,1,6,15,11,0,0,0,1,8,13,15,1,0,0,0,9,16,16,5,0,0,0,0,3,"
    "13,"
    "16,16,11,5,0,0,0,0,3,11,16,9,0,2\n"
    "0,0,7,15,13,1,0,0,0,8,13,6,15,4,0,0,0,2,1,13,13,0,0,0,0,0,2,15,11,1,0,0,0,0,0,1,12,12,1,0,0,0,0,0,1,10,8,0,0,0,8,"
    "4,5,"
    "14,9,0,0,0,7,13,13,9,0,0,3\n";

START_TEST(digits) {
  char path[128];
  ImageSetOptions options = whole();
  write_gzipped(in_folder("digits.csv.gz", path), DIGITS, sizeof DIGITS - 1);
  ImageSet *set = open_with(path, &options);
  ck_assert_str_eq(image_set_format(set), "CSV, gzipped, 8x8 pixels from 0 to 16, label last");
  ck_assert_int_eq(image_set_class_count(set), 4);
  Image image = {0};
  simba_error error = {0};
  ck_assert_int_eq(image_set_read(set, SPLIT_TRAIN, 0, &image, &error), SIMBA_OK);
  static const uint8_t ROW[] = {0, 0, 80, 207, 143, 16, 0, 0};
  ck_assert_mem_eq(image.pixels, ROW, sizeof ROW);
  image_clear(&image);
  image_set_close(set);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("runtime_pixel_csv");
  TCase *tests = tcase_create("csv");
  tcase_add_checked_fixture(tests, enter_folder, leave_folder);
  tcase_add_loop_test(tests, good_files, 0, sizeof GOOD_FILES / sizeof *GOOD_FILES);
  tcase_add_test(tests, places);
  tcase_add_loop_test(tests, bad_files, 0, sizeof BAD_FILES / sizeof *BAD_FILES);
  tcase_add_test(tests, bad_options);
  tcase_add_test(tests, folders);
  tcase_add_test(tests, digits);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
