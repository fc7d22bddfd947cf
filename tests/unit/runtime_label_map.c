/* Dense label maps from a folder: both forms, and every mistake with its message. */
#include "runtime/label_map.h"

#include <math.h>

#include "runtime/safetensors.h"
#include "tests/image_files.h"
#include "tests/suite_run.h"
#include "tests/temporary_folder.h"

enum { CLASSES = 3, BEST = 2, ROWS = 2, COLUMNS = 3, PLACES = ROWS * COLUMNS };

/* Two images, 0 and 1, with three classes' names. */
static void make_set(void) {
  char path[128];
  write_text(in_folder("train.csv", path), "label,a\n0,1\n1,0\n");
  write_text(in_folder("classes.txt", path), "a\nb\nc\n");
  ck_assert_int_eq(mkdir(in_folder("maps", path), 0777), 0);
}

static void put_map(const char *name, const char *tensor, int32_t rank, const int64_t *shape, const float *values) {
  char path[128];
  Tensor labels = {.name = tensor, .type = TENSOR_F32, .rank = rank, .bytes = values};
  memcpy(labels.shape, shape, (size_t)rank * sizeof *shape);
  simba_error error = {0};
  ck_assert_msg(tensor_file_write(in_folder(name, path), &labels, 1, NULL, 0, &error) == SIMBA_OK, "%s", error.message);
}

/* Scores of image i: 100 i + element. */
static void put_dense(const char *name, int i) {
  float values[CLASSES * PLACES];
  for (int k = 0; k < CLASSES * PLACES; k++) values[k] = (float)(100 * i + k);
  put_map(name, "labels", 3, (const int64_t[]){CLASSES, ROWS, COLUMNS}, values);
}

static const float BEST_VALUES[2 * BEST * PLACES] = {.5F, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, /* scores */
                                                     0,   1, 2, 0, 1, 2, 2, 0, 1, 1, 2,  0}; /* their classes */

static void put_best(const char *name, const float *values) {
  put_map(name, "labels", 4, (const int64_t[]){2, BEST, ROWS, COLUMNS}, values);
}

static simba_status open_set(ImageSet **out_set, simba_error *error) {
  char maps[128];
  ImageSetOptions options = image_set_defaults();
  options.validation = options.test = 0;
  options.label_maps = in_folder("maps", maps);
  return image_set_open(temporary_folder, &options, out_set, error);
}

static const char *below_folder(const char *text) { return text + strlen(temporary_folder) + 1; }

START_TEST(both_forms) {
  ImageSet *set = NULL;
  simba_error error = {0};
  make_set();
  put_best("maps/0.safetensors", BEST_VALUES);
  put_dense("maps/1.safetensors", 1);
  ck_assert_msg(open_set(&set, &error) == SIMBA_OK, "%s", error.message);
  int32_t height, width;
  image_set_label_map_size(set, &height, &width);
  ck_assert(height == ROWS && width == COLUMNS);
  LabelMap map = {0};
  for (int round = 0; round < 2; round++) {
    ck_assert_msg(image_set_label_map(set, 0, &map, &error) == SIMBA_OK, "%s", error.message);
    ck_assert(!map.dense && map.count == BEST && map.height == ROWS && map.width == COLUMNS);
    for (int k = 0; k < BEST * PLACES; k++) {
      ck_assert_float_eq(map.scores[k], BEST_VALUES[k]);
      ck_assert_int_eq(map.classes[k], (int)BEST_VALUES[BEST * PLACES + k]);
    }
    ck_assert_msg(image_set_label_map(set, 1, &map, &error) == SIMBA_OK, "%s", error.message);
    ck_assert(map.dense && map.count == CLASSES && map.height == ROWS && map.width == COLUMNS);
    for (int k = 0; k < CLASSES * PLACES; k++) ck_assert_float_eq(map.scores[k], (float)(100 + k));
  }
  ck_assert_int_eq(image_set_label_map(set, 2, &map, &error), SIMBA_INVALID_ARGUMENT);
  label_map_clear(&map);
  image_set_close(set);
}
END_TEST

/* Beside class folders maps are named as the images are. */
START_TEST(named_maps) {
  char path[128], maps[128];
  static const char *const FOLDERS[] = {"set",  "set/train", "set/train/a", "set/train/b.c",
                                        "maps", "maps/a",    "maps/b.c"};
  const uint8_t pixel = 0;
  for (size_t i = 0; i < sizeof FOLDERS / sizeof *FOLDERS; i++)
    ck_assert_int_eq(mkdir(in_folder(FOLDERS[i], path), 0777), 0);
  write_grey_png(in_folder("set/train/a/x.1.png", path), 1, 1, &pixel);
  write_grey_png(in_folder("set/train/b.c/y.jpeg", path), 1, 1, &pixel);
  float values[2 * PLACES] = {0};
  put_map("maps/a/x.1.safetensors", "labels", 3, (const int64_t[]){2, ROWS, COLUMNS}, values);
  values[0] = 1;
  put_map("maps/b.c/y.safetensors", "labels", 3, (const int64_t[]){2, ROWS, COLUMNS}, values);
  ImageSetOptions options = image_set_defaults();
  options.validation = options.test = 0;
  options.label_maps = in_folder("maps", maps);
  ImageSet *set = NULL;
  simba_error error = {0};
  LabelMap map = {0};
  ck_assert_msg(image_set_open(in_folder("set", path), &options, &set, &error) == SIMBA_OK, "%s", error.message);
  ck_assert_int_eq(image_set_label_map(set, 1, &map, &error), SIMBA_OK);
  ck_assert_float_eq(map.scores[0], 1);
  ck_assert_int_eq(remove(in_folder("maps/a/x.1.safetensors", path)), 0);
  ck_assert_int_eq(image_set_label_map(set, 0, &map, &error), SIMBA_DATA_ERROR);
  char expected[300];
  snprintf(expected, sizeof expected,
           "maps/a/x.1.safetensors: the label map is missing of the image %s/set/train/a/x.1.png", temporary_folder);
  ck_assert_str_eq(below_folder(error.message), expected);
  label_map_clear(&map);
  image_set_close(set);
}
END_TEST

static const struct BadMap {
  const char *tensor;
  int32_t rank;
  int64_t shape[4];
  int at; /* what is put where */
  float value;
  const char *message;
} BAD_MAPS[] = {
    {"scores", 3, {CLASSES, ROWS, COLUMNS}, 0, 0, "no tensor 'labels'"},
    {"labels",
     2,
     {CLASSES, 4},
     0,
     0,
     "tensor 'labels' is [3, 4]: expected [K, H, W] with the scores of all classes, or [2, k, H, W] with the k best "
     "scores and their classes"},
    {"labels",
     4,
     {3, 1, ROWS, COLUMNS},
     0,
     0,
     "tensor 'labels' is [3, 1, 2, 3]: expected [K, H, W] with the scores of all classes, or [2, k, H, W] with the k "
     "best scores and their classes"},
    {"labels", 3, {2, ROWS, COLUMNS}, 0, 0, "tensor 'labels' is [2, 2, 3]: scores of 2 classes, but the images have 3"},
    {"labels",
     4,
     {2, 4, 1, 3},
     0,
     0,
     "tensor 'labels' is [2, 4, 1, 3]: expected at most 3 classes and a grid of 1x1 to 4096x4096"},
    {"labels",
     3,
     {CLASSES, COLUMNS, ROWS},
     0,
     0,
     "a label map of another size: 3x2, but that of the first image is 2x3"},
    {"labels",
     4,
     {2, BEST, ROWS, COLUMNS},
     4,
     NAN,
     "tensor 'labels': a score that is no finite number at row 1, column 1 of the grid"},
    {"labels",
     4,
     {2, BEST, ROWS, COLUMNS},
     12,
     3,
     "tensor 'labels': class 3 (there are 3, 0 to 2) at row 0, column 0 of the grid"},
    {"labels",
     4,
     {2, BEST, ROWS, COLUMNS},
     13,
     .5F,
     "tensor 'labels': class 0.5 (there are 3, 0 to 2) at row 0, column 1 of the grid"},
    {"labels",
     4,
     {2, BEST, ROWS, COLUMNS},
     13,
     -1,
     "tensor 'labels': class -1 (there are 3, 0 to 2) at row 0, column 1 of the grid"},
    {"labels", 4, {2, BEST, ROWS, COLUMNS}, 20, 2, "tensor 'labels': class 2 twice at row 0, column 2 of the grid"},
};

START_TEST(bad_maps) {
  const struct BadMap *bad = &BAD_MAPS[_i];
  make_set();
  put_dense("maps/0.safetensors", 0);
  float values[2 * BEST * PLACES];
  memcpy(values, BEST_VALUES, sizeof values);
  values[bad->at] = bad->value;
  put_map("maps/1.safetensors", bad->tensor, bad->rank, bad->shape, values);
  ImageSet *set = NULL;
  simba_error error = {0};
  LabelMap map = {0};
  ck_assert_msg(open_set(&set, &error) == SIMBA_OK, "%s", error.message);
  ck_assert_int_eq(image_set_label_map(set, 1, &map, &error), SIMBA_DATA_ERROR);
  char expected[300];
  snprintf(expected, sizeof expected, "maps/1.safetensors: %s", bad->message);
  ck_assert_str_eq(below_folder(error.message), expected);
  label_map_clear(&map);
  image_set_close(set);
}
END_TEST

START_TEST(bad_folders) {
  ImageSet *set = NULL;
  simba_error error = {0};
  char expected[300], path[128];
  make_set();
  ck_assert_int_eq(open_set(&set, &error), SIMBA_DATA_ERROR);
  snprintf(expected, sizeof expected, "maps/0.safetensors: the label map is missing of the image %s/train.csv:2",
           temporary_folder);
  ck_assert_str_eq(below_folder(error.message), expected);
  write_text(in_folder("maps/0.safetensors", path), "x");
  ck_assert_int_eq(open_set(&set, &error), SIMBA_DATA_ERROR);
  ImageSetOptions options = image_set_defaults();
  LabelMap map = {0};
  ck_assert_int_eq(image_set_open(temporary_folder, &options, &set, &error), SIMBA_OK);
  int32_t height, width;
  image_set_label_map_size(set, &height, &width);
  ck_assert(height == 0 && width == 0);
  ck_assert_int_eq(image_set_label_map(set, 0, &map, &error), SIMBA_INVALID_ARGUMENT);
  image_set_close(set);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("runtime_label_map");
  TCase *tests = tcase_create("maps");
  tcase_add_checked_fixture(tests, enter_folder, leave_folder);
  tcase_add_test(tests, both_forms);
  tcase_add_test(tests, named_maps);
  tcase_add_loop_test(tests, bad_maps, 0, sizeof BAD_MAPS / sizeof *BAD_MAPS);
  tcase_add_test(tests, bad_folders);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
