/* The standardisation of a series through the metadata of a weights file. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "frontend/driver/standardisation.h"

static Arena *arena;
static char path[] = "standardisation.XXXXXX";

static void begin(void) {
  arena = arena_create();
  snprintf(path, sizeof path, "standardisation.XXXXXX");
  int file = mkstemp(path);
  ck_assert_int_ge(file, 0);
  close(file);
}

static void end(void) {
  unlink(path);
  arena_destroy(arena);
}

static void write_weights(const TensorMetadata *metadata, size_t count) {
  float one = 1;
  Tensor tensor = {.name = "w", .type = TENSOR_F32, .rank = 0, .bytes = &one};
  ck_assert_int_eq(tensor_file_write(path, &tensor, 1, metadata, count, NULL), SIMBA_OK);
}

static simba_status read_back(Standardisation *out, simba_error *error) {
  TensorFile *file;
  simba_status status = tensor_file_open(path, &file, error);
  if (status != SIMBA_OK) return status;
  status = standardisation_read(file, arena, out, error);
  tensor_file_close(file);
  return status;
}

START_TEST(what_is_written_is_read_bit_by_bit) {
  double mean[] = {0.1, -1e300, 0}, deviation[] = {1.0 / 3, 5e-324, 1};
  Series series = {.channels = 3, .mean = mean, .deviation = deviation};
  TensorMetadata metadata[STANDARDISATION_KEYS];
  standardisation_metadata(&series, arena, metadata);
  write_weights(metadata, STANDARDISATION_KEYS);
  Standardisation read;
  ck_assert_int_eq(read_back(&read, NULL), SIMBA_OK);
  ck_assert_int_eq(read.channels, 3);
  ck_assert(!memcmp(read.mean, mean, sizeof mean) && !memcmp(read.deviation, deviation, sizeof deviation));
}
END_TEST

START_TEST(weights_of_others_have_none) {
  write_weights(NULL, 0);
  Standardisation read = {.channels = 7};
  ck_assert_int_eq(read_back(&read, NULL), SIMBA_OK);
  ck_assert_int_eq(read.channels, 0);
}
END_TEST

static const char *const NONSENSE[][2] = {{"1 2", "1"},    {"1 x", "1 2"}, {"", ""},       {"1  2", "1 1 1"},
                                          {"1 2", "1 1 "}, {"nan", "1"},   {"1", "1e999"}, {"1", NULL}};

START_TEST(nonsense_is_refused) {
  TensorMetadata metadata[] = {{"series.mean", NONSENSE[_i][0]}, {"series.deviation", NONSENSE[_i][1]}};
  write_weights(metadata, NONSENSE[_i][1] ? 2 : 1);
  Standardisation read;
  simba_error error = {0};
  ck_assert_int_eq(read_back(&read, &error), SIMBA_DATA_ERROR);
  ck_assert_ptr_nonnull(strstr(error.message, "'series.mean' and 'series.deviation'"));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("driver_standardisation");
  TCase *cases = tcase_create("standardisation");
  tcase_add_checked_fixture(cases, begin, end);
  tcase_add_test(cases, what_is_written_is_read_bit_by_bit);
  tcase_add_test(cases, weights_of_others_have_none);
  tcase_add_loop_test(cases, nonsense_is_refused, 0, (int)(sizeof NONSENSE / sizeof *NONSENSE));
  suite_add_tcase(suite, cases);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed != 0;
}
