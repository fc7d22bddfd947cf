/* CSV in, windows out: every kind of bad file with its exact message, the published protocol, and the loader check. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/series.h"
#include "tests/suite_run.h"

static Series *load(const char *text) {
  Series *series = NULL;
  simba_error error = {0};
  ck_assert_msg(series_parse("a.csv", text, strlen(text), &series, &error) == SIMBA_OK, "%s", error.message);
  return series;
}

static void check_values(Series *series, int64_t rows, int64_t channels, const double *values) {
  ck_assert_int_eq(series->rows, rows);
  ck_assert_int_eq(series->channels, channels);
  for (int64_t i = 0; i < rows * channels; i++) ck_assert_double_eq(series->values[i], values[i]);
  series_destroy(series);
}

START_TEST(plain_files) {
  static const double VALUES[] = {1, -2.5, 3e2, 0.1};
  Series *series = load("x,y\n1,-2.5\n3e2,.1\n");
  ck_assert_str_eq(series->channel[0], "x");
  ck_assert_str_eq(series->channel[1], "y");
  ck_assert(!series->date_skipped);
  check_values(series, 2, 2, VALUES);
  check_values(load("x,y\r\n1,-2.5\r\n3e2,+.1\r\n"), 2, 2, VALUES);            /* CRLF */
  check_values(load("x,y\r1,-2.5\r3e2,.1\r"), 2, 2, VALUES);                   /* CR */
  check_values(load("\xEF\xBB\xBFx,y\n1,-2.5\n3e2,.1"), 2, 2, VALUES);         /* mark, no last line end */
  check_values(load("\"x\",\"y\"\n\"1\", -2.5 \n3e2,.1\n\n\n"), 2, 2, VALUES); /* quotes, spaces, empty last rows */
}
END_TEST

START_TEST(date_columns) {
  static const double VALUES[] = {1, 2};
  static const char *const FILES[] = {
      "date,x\n2016-07-01 00:00:00,1\n2016-07-01 01:00:00,2\n",
      "\xEF\xBB\xBFTime,x\r\nJuly,1\r\nAugust,2\r\n",
      "when,x\n2010-01-01T01:00:00,1\n2010-01-01T02:00:00,2\n",
      "timestamp,x\n1467331200,1\n1467334800,2\n",
      "day,x\n31/12/2010,1\n1/1/2011,2\n",
      "time,x\n12:00,1\n13:00,2\n",
  };
  for (size_t i = 0; i < sizeof FILES / sizeof *FILES; i++) {
    Series *series = load(FILES[i]);
    ck_assert(series->date_skipped);
    ck_assert_str_eq(series->channel[0], "x");
    check_values(series, 2, 1, VALUES);
  }
}
END_TEST

START_TEST(numbers_are_exact) {
  static const double VALUES[] = {5.827000141143799, 2.2250738585072014e-308, 9007199254740993.0, 4.9e-324, 0.1};
  check_values(load("x\n5.827000141143799\n2.2250738585072014e-308\n9007199254740993\n4.9e-324\n"
                    "0.1000000000000000055511151231257827021181583404541015625\n"),
               5, 1, VALUES);
}
END_TEST

static const struct BadFile {
  const char *text, *message;
} BAD_FILES[] = {
    {"", "a.csv:1:1: the file is empty: expected a header row"},
    {"\n\n", "a.csv:1:1: the file is empty: expected a header row"},
    {"date,x\n", "a.csv:2:1: no rows below the header"},
    {"date\n2016-07-01\n", "a.csv:1:1: only a date column: expected at least one channel"},
    {"1,2\n3,4\n", "a.csv:1:1: found '1' in the header: the first row must hold the channels' names"},
    {"2016-07-01,2\n2016-07-02,4\n",
     "a.csv:1:1: found '2016-07-01' in the header: the first row must hold the channels' names"},
    {"date,x,y\n2016-07-01,1,2\n2016-07-02,,3\n",
     "a.csv:3:2: missing value in channel 'x': fill it in or leave its row out"},
    {"date,x,y\n2016-07-01,1,\"\"\n", "a.csv:2:3: missing value in channel 'y': fill it in or leave its row out"},
    {"x,y\n1,2\nNA,3\n", "a.csv:3:1: missing value 'NA' in channel 'x': fill it in or leave its row out"},
    {"x,y\n1,2\n3,NaN\n", "a.csv:3:2: missing value 'NaN' in channel 'y': fill it in or leave its row out"},
    {"x,y\n1,2\n3,inf\n", "a.csv:3:2: found 'inf' in channel 'y': expected a finite number"},
    {"x,y\n1,2\n3,1e999\n", "a.csv:3:2: found '1e999' in channel 'y': expected a finite number"},
    {"x,y\n1,1e\n", "a.csv:2:2: found '1e' in channel 'y': expected a finite number"},
    {"x,y\n1,1e+\n", "a.csv:2:2: found '1e+' in channel 'y': expected a finite number"},
    {"x,y\n1,.\n", "a.csv:2:2: found '.' in channel 'y': expected a finite number"},
    {"x,y\n12345/1/1,1\n", "a.csv:2:1: found '12345/1/1' in channel 'x': expected a finite number"},
    {"x,y\n1-2/3,1\n", "a.csv:2:1: found '1-2/3' in channel 'x': expected a finite number"},
    {"x,y\n1,2,\n", "a.csv:2:3: ragged row: more cells than the header, which has 2"},
    {"x,y\n1,0x10\n", "a.csv:2:2: found '0x10' in channel 'y': expected a finite number"},
    {"x,y\n1,broken\n", "a.csv:2:2: found 'broken' in channel 'y': expected a finite number"},
    {"x,y\n1,2\r\n\"3,5\",1\n",
     "a.csv:3:1: found '3,5' in channel 'x': expected a finite number (a decimal point is a '.')"},
    {"name,y\nSeattle,2\n", "a.csv:2:1: found 'Seattle' in channel 'name': expected a finite number"},
    {"date;x\n2016;5\n",
     "a.csv:2:1: found '2016;5' in channel 'date;x': expected a finite number (cells must be "
     "separated by commas)"},
    {"x\ty\n1\t5\n",
     "a.csv:2:1: found '1?5' in channel 'x?y': expected a finite number (cells must be separated by commas)"},
    {"date;x\n01.07.2016 00:00;3,5\n",
     "a.csv:1:1: only a date column: expected at least one channel (cells must be separated by commas)"},
    {"x,date\n1,2016-07-01\n",
     "a.csv:2:2: found '2016-07-01' in channel 'date': expected a finite number (dates stand in the first column)"},
    {"x,y\n1,a\x01\x7F"
     "b\n",
     "a.csv:2:2: found 'a??b' in channel 'y': expected a finite number"},
    {"x,y\n1,2\n3\n4,5\n", "a.csv:3:2: ragged row: 1 cells, but the header has 2"},
    {"x,y\n1,2\n3,4,5\n", "a.csv:3:3: ragged row: more cells than the header, which has 2"},
    {"x,y\n1,2\n3", "a.csv:3:2: ragged row: 1 cells, but the header has 2"},
    {"x,y\n1,2\n\n3,4\n", "a.csv:3:1: empty row"},
    {"x,y\r\n1,2\r\n\r\n3,4\r\n", "a.csv:3:1: empty row"},
    {"x,y\n1,\"2\n3,4\n", "a.csv:2:2: a quotation mark that does not enclose the whole cell"},
    {"x,y\n1,2\"3\"\n", "a.csv:2:2: a quotation mark that does not enclose the whole cell"},
    {"\xFF\xFEx", "a.csv:1:1: the file is UTF-16: expected UTF-8"},
};

START_TEST(bad_files) {
  const struct BadFile *bad = &BAD_FILES[_i];
  Series *series = NULL;
  simba_error error = {0};
  ck_assert_int_eq(series_parse("a.csv", bad->text, strlen(bad->text), &series, &error), SIMBA_DATA_ERROR);
  ck_assert_str_eq(error.message, bad->message);
  ck_assert_int_eq(series_parse("a.csv", bad->text, strlen(bad->text), &series, NULL), SIMBA_DATA_ERROR);
  ck_assert_ptr_null(series);
}
END_TEST

START_TEST(files_that_cannot_be_read) {
  Series *series = NULL;
  simba_error error;
  ck_assert_int_eq(series_load("no/such.csv", &series, &error), SIMBA_IO_ERROR);
  ck_assert_str_eq(error.message, "no/such.csv: cannot open: No such file or directory");
  ck_assert_int_eq(series_load(TESTS_FOLDER, &series, &error), SIMBA_IO_ERROR);
  ck_assert_ptr_nonnull(strstr(error.message, ": cannot read: Is a directory"));
}
END_TEST

/* A series of `rows` rows: x counts up, y stays at 0.1. */
static char *counting_text(int rows) {
  char *text = malloc((size_t)rows * 32 + 16);
  int used = sprintf(text, "x,y\n");
  for (int i = 0; i < rows; i++) used += sprintf(text + used, "%d,0.1\n", i);
  return text;
}

START_TEST(splits_and_windows) {
  char *text = counting_text(100);
  Series *series = load(text);
  simba_error error = {0};
  ck_assert_msg(series_prepare(series, 8, 4, &error) == SIMBA_OK, "%s", error.message);
  ck_assert_str_eq(series->protocol, "70/10/20");
  static const int64_t BEGIN[] = {0, 62, 72}, END[] = {70, 80, 100}, WINDOWS[] = {59, 7, 17};
  for (int s = 0; s < SPLIT_COUNT; s++) {
    ck_assert_int_eq(series->begin[s], BEGIN[s]);
    ck_assert_int_eq(series->end[s], END[s]);
    ck_assert_int_eq(series_window_count(series, (SeriesSplit)s), WINDOWS[s]);
  }
  ck_assert_double_eq(series->mean[0], 34.5);
  ck_assert_double_eq_tol(series->deviation[0], sqrt((70.0 * 70 - 1) / 12), 1e-12);
  ck_assert_double_eq(series->deviation[1], 1);
  ck_assert_uint_eq(series->warning_count, 1);
  ck_assert_str_eq(series->warning[0], "a.csv: channel 'y' is constant in the training rows");

  static const int64_t PICKED[] = {16, 0};
  float x[2][8][2], y[2][4][2];
  series_gather(series, SPLIT_TEST, PICKED, 2, &x[0][0][0], &y[0][0][0]);
  for (int w = 0; w < 2; w++)
    for (int t = 0; t < 12; t++) {
      float value = t < 8 ? x[w][t][0] : y[w][t - 8][0];
      double row = (double)(72 + PICKED[w] + t);
      ck_assert_float_eq(value, (float)((row - series->mean[0]) / series->deviation[0]));
    }
  ck_assert_float_eq_tol(y[0][0][1], 0, 1e-7f);
  /* The last value is 1 to H steps behind: mean square (1 + 4 + 9 + 16)/4 and mean 2.5 on x, 0 on y. */
  SeriesBaseline baseline = series_repeat_last(series, SPLIT_TEST);
  ck_assert_int_eq(baseline.windows, 17);
  ck_assert_double_eq_tol(baseline.mse, 7.5 / 2 / (series->deviation[0] * series->deviation[0]), 1e-6);
  ck_assert_double_eq_tol(baseline.mae, 2.5 / 2 / series->deviation[0], 1e-6);

  ck_assert_int_eq(series_prepare(series, 16, 2, &error), SIMBA_OK); /* again, with other lengths */
  ck_assert_int_eq(series_window_count(series, SPLIT_TRAIN), 53);
  ck_assert_uint_eq(series->warning_count, 1);
  series_destroy(series);
  free(text);
}
END_TEST

START_TEST(too_few_rows) {
  char *text = counting_text(30);
  Series *series = load(text);
  simba_error error;
  ck_assert_int_eq(series_prepare(series, 20, 4, &error), SIMBA_DATA_ERROR);
  ck_assert_str_eq(error.message,
                   "a.csv: too few rows: 30 in all, 21 for train, where one window of look-back 20 and "
                   "horizon 4 needs 24");
  ck_assert_int_eq(series_prepare(series, 10, 4, &error), SIMBA_DATA_ERROR);
  ck_assert_str_eq(error.message,
                   "a.csv: too few rows: 30 in all, 3 for val, where one window of look-back 10 and "
                   "horizon 4 needs 4");
  ck_assert_int_eq(series_prepare(series, 0, 4, &error), SIMBA_INVALID_ARGUMENT);
  ck_assert_int_eq(series_prepare(series, 10, 3, &error), SIMBA_OK);
  series_destroy(series);
  ck_assert_int_eq(series_parse("data/ETTh1.csv", text, strlen(text), &series, &error), SIMBA_OK);
  ck_assert_int_eq(series_prepare(series, 2, 1, &error), SIMBA_DATA_ERROR);
  ck_assert_str_eq(error.message,
                   "data/ETTh1.csv: too few rows: 30, but the published splits of ETTh need 14400 "
                   "(another file name gives 70/10/20)");
  series_destroy(series);
  free(text);
}
END_TEST

/* The published borders go by the file's name alone. */
START_TEST(published_borders) {
  static const struct {
    const char *path, *protocol;
    int64_t train, validation, test;
  } CASES[] = {
      {"ETTh1.csv", "ETTh", 8640, 11520, 14400},      {"data/ETTh2.csv", "ETTh", 8640, 11520, 14400},
      {"ETTm1.csv", "ETTm", 34560, 46080, 57600},     {"ETTm2.txt", "ETTm", 34560, 46080, 57600},
      {"ETTh3.csv", "70/10/20", 40600, 46400, 58000}, {"ETTh1-new.csv", "70/10/20", 40600, 46400, 58000},
      {"ETTx1.csv", "70/10/20", 40600, 46400, 58000}, {"ETTh1/a.csv", "70/10/20", 40600, 46400, 58000},
  };
  char *text = counting_text(58000);
  simba_error error = {0};
  for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
    Series *series = NULL;
    ck_assert_int_eq(series_parse(CASES[i].path, text, strlen(text), &series, &error), SIMBA_OK);
    ck_assert_msg(series_prepare(series, 96, 24, &error) == SIMBA_OK, "%s", error.message);
    ck_assert_str_eq(series->protocol, CASES[i].protocol);
    ck_assert_int_eq(series->begin[SPLIT_TRAIN], 0);
    ck_assert_int_eq(series->end[SPLIT_TRAIN], CASES[i].train);
    ck_assert_int_eq(series->begin[SPLIT_VALIDATION], CASES[i].train - 96);
    ck_assert_int_eq(series->end[SPLIT_VALIDATION], CASES[i].validation);
    ck_assert_int_eq(series->begin[SPLIT_TEST], CASES[i].validation - 96);
    ck_assert_int_eq(series->end[SPLIT_TEST], CASES[i].test);
    series_destroy(series);
  }
  free(text);
}
END_TEST

START_TEST(odd_but_usable) {
  Series *series = load("x,x,,y,x\n1,2,3,4,5\n");
  ck_assert_uint_eq(series->warning_count, 1); /* one a name */
  ck_assert_str_eq(series->warning[0], "a.csv: two channels are called 'x'");
  ck_assert_str_eq(series->channel[2], "column 3");
  series_destroy(series);
  series = NULL;
  simba_error error;
  ck_assert_int_eq(series_parse("a.csv", "x\0y,z\n1,2\n", 10, &series, &error), SIMBA_DATA_ERROR);
  ck_assert_str_eq(error.message, "a.csv:1:1: a zero byte in a channel's name");
}
END_TEST

/* Constant columns of values that no sum of them is exact for, and many rows for its error to grow in. */
START_TEST(constant_channels) {
  enum { ROWS = 20000 };
  char *text = malloc(ROWS * 64 + 64);
  int used = sprintf(text, "a,b,c,d\n");
  for (int i = 0; i < ROWS; i++) used += sprintf(text + used, "0.1,-123.456,7e-300,%s\n", i < ROWS / 2 ? "3" : "3.001");
  Series *series = load(text);
  simba_error error = {0};
  ck_assert_msg(series_prepare(series, 8, 4, &error) == SIMBA_OK, "%s", error.message);
  ck_assert_uint_eq(series->warning_count, 3);
  for (int64_t c = 0; c < 3; c++) {
    ck_assert_double_eq(series->deviation[c], 1);
    for (int64_t t = 0; t < ROWS; t++) ck_assert_float_eq_tol(series->scaled[t * 4 + c], 0, 1e-13f);
  }
  ck_assert_double_eq_tol(series->deviation[3], 0.001 * sqrt(5.0 / 7 * 2 / 7), 1e-15);
  series_destroy(series);
  free(text);
}
END_TEST

/* Far from 0 against sums in long double: a mean that is off by its rounding would show in every value. */
START_TEST(statistics_are_accurate) {
  enum { ROWS = 30000, TRAIN = 21000 };
  char *text = malloc(ROWS * 32 + 16);
  int used = sprintf(text, "x\n");
  for (int i = 0; i < ROWS; i++) used += sprintf(text + used, "%.17g\n", 1e9 + 0.1 * (i * 7919 % 1009));
  Series *series = load(text);
  simba_error error = {0};
  ck_assert_msg(series_prepare(series, 8, 4, &error) == SIMBA_OK, "%s", error.message);
  ck_assert_int_eq(series->end[SPLIT_TRAIN], TRAIN);
  long double mean = 0, squares = 0;
  for (int t = 0; t < TRAIN; t++) mean += series->values[t];
  mean /= TRAIN;
  for (int t = 0; t < TRAIN; t++) squares += (series->values[t] - mean) * (series->values[t] - mean);
  ck_assert_double_eq_tol(series->mean[0], (double)mean, 1.25e-7); /* a unit in the last place */
  double deviation = (double)sqrtl(squares / TRAIN);
  ck_assert_double_eq_tol(series->deviation[0], deviation, 1e-12 * deviation);
  series_destroy(series);
  free(text);
}
END_TEST

/* As many names as a hostile header holds in a few megabytes: comparing each with each would take minutes. */
START_TEST(very_many_channels) {
  enum { CHANNELS = 400000 };
  char *text = malloc(CHANNELS * 12);
  int used = 0;
  for (int i = 0; i < CHANNELS; i++) used += sprintf(text + used, "x%d,", i);
  text[used - 1] = '\n';
  for (int i = 0; i < CHANNELS; i++) used += sprintf(text + used, "1,");
  text[used - 1] = '\n';
  Series *series = load(text);
  ck_assert_int_eq(series->channels, CHANNELS);
  ck_assert_uint_eq(series->warning_count, 0);
  series_destroy(series);
  free(text);
}
END_TEST

START_TEST(values_too_large) {
  char text[400] = "x,y\n";
  for (int i = 0; i < 20; i++) strcat(text, i % 2 ? "1e308,1\n" : "-1e308,2\n");
  Series *series = load(text);
  simba_error error;
  ck_assert_int_eq(series_prepare(series, 2, 1, &error), SIMBA_DATA_ERROR);
  ck_assert_str_eq(error.message, "a.csv: the values of channel 'x' are too large to standardise");
  series_destroy(series);
  strcpy(text, "x,y\n");
  for (int i = 0; i < 20; i++) strcat(text, i == 19 ? "1,1e300\n" : i % 2 ? "1,2\n" : "2,1\n"); /* in the test rows */
  series = load(text);
  ck_assert_int_eq(series_prepare(series, 2, 1, &error), SIMBA_DATA_ERROR);
  ck_assert_str_eq(error.message, "a.csv: the values of channel 'y' are too large to standardise");
  series_destroy(series);
}
END_TEST

static void check_baseline(const char *path, const int64_t windows[SPLIT_COUNT], double mse, double mae,
                           double tolerance) {
  Series *series = NULL;
  simba_error error = {0};
  ck_assert_msg(series_load(path, &series, &error) == SIMBA_OK, "%s", error.message);
  ck_assert_msg(series_prepare(series, 96, 96, &error) == SIMBA_OK, "%s", error.message);
  ck_assert(series->date_skipped);
  for (int s = 0; s < SPLIT_COUNT; s++) ck_assert_int_eq(series_window_count(series, (SeriesSplit)s), windows[s]);
  SeriesBaseline baseline = series_repeat_last(series, SPLIT_TEST);
  ck_assert_int_eq(baseline.windows, windows[SPLIT_TEST]);
  ck_assert_double_eq_tol(baseline.mse, mse, tolerance);
  ck_assert_double_eq_tol(baseline.mae, mae, tolerance);
  series_destroy(series);
}

START_TEST(embedded_series) {
  static const int64_t WINDOWS[] = {5940, 782, 1656};
  check_baseline(TESTS_FOLDER "/../examples/data/seattle-hourly.csv", WINDOWS, 0.2992499, 0.4005511, 1e-6);
}
END_TEST

/* Published figures; the files are not part of the project: SIMBAC_DATA names a folder that has them. */
START_TEST(published_series) {
  static const int64_t WINDOWS[] = {8449, 2785, 2785};
  const char *folder = getenv("SIMBAC_DATA");
  if (!folder) return;
  char path[4096];
  snprintf(path, sizeof path, "%s/ETT/ETTh1.csv", folder);
  check_baseline(path, WINDOWS, 1.2944, 0.7132, 5e-5);
  snprintf(path, sizeof path, "%s/ETT/ETTh2.csv", folder);
  check_baseline(path, WINDOWS, 0.4317, 0.4216, 5e-5);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("runtime_series");
  TCase *cases = tcase_create("series");
  tcase_add_test(cases, plain_files);
  tcase_add_test(cases, date_columns);
  tcase_add_test(cases, numbers_are_exact);
  tcase_add_loop_test(cases, bad_files, 0, (int)(sizeof BAD_FILES / sizeof *BAD_FILES));
  tcase_add_test(cases, files_that_cannot_be_read);
  tcase_add_test(cases, splits_and_windows);
  tcase_add_test(cases, too_few_rows);
  tcase_add_test(cases, published_borders);
  tcase_add_test(cases, odd_but_usable);
  tcase_add_test(cases, constant_channels);
  tcase_add_test(cases, statistics_are_accurate);
  tcase_add_test(cases, very_many_channels);
  tcase_add_test(cases, values_too_large);
  tcase_add_test(cases, embedded_series);
  tcase_add_test(cases, published_series);
  suite_add_tcase(suite, cases);
  return suite_run(suite);
}
