/* Charts of what files may hold: names that are not UTF-8, numbers so large that one more is the same number. */
#include "frontend/driver/chart.h"
#include "tests/suite_run.h"

#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *draw(const char *title, double low, double high) {
  const double x[] = {0, 1}, y[] = {low, high};
  ChartLine line = {.label = title, .x = x, .y = y, .count = 2};
  Chart chart = {.title = title, .x_label = title, .line = &line, .line_count = 1, .mark_x = (double)NAN};
  char folder[] = "driver_chart_XXXXXX", path[64];
  simba_error error = {0};
  ck_assert_ptr_nonnull(mkdtemp(folder));
  snprintf(path, sizeof path, "%s/chart.svg", folder);
  ck_assert_msg(chart_write(&chart, 1, 1, 400, 300, path, &error) == SIMBA_OK, "%s", error.message);
  FILE *file = fopen(path, "rb");
  char *text = calloc(1 << 20, 1);
  ck_assert(file && text && fread(text, 1, (1 << 20) - 1, file) > 0);
  fclose(file);
  unlink(path);
  rmdir(folder);
  return text;
}

START_TEST(names_in_any_encoding) {
  static const char *const names[] = {"Temp\xe9rature",
                                      "\xc3\xa9 is fine",
                                      "cut \xe2\x82",
                                      "\xc0\xaf overlong",
                                      "\xed\xa0\x80 surrogate",
                                      "\xf4\x90\x80\x80 beyond",
                                      ""};
  for (size_t k = 0; k < sizeof names / sizeof *names; k++) {
    char *text = draw(names[k], 0, 1);
    ck_assert(strstr(text, "</svg>") != NULL);
    free(text);
  }
}
END_TEST

START_TEST(numbers_of_any_size) {
  static const double ranges[][2] = {{1e17, 1e17 + 16}, {-1e300, 1e300}, {0, 5e-324}, {3, 3}, {-0.0, 0.0}};
  for (size_t k = 0; k < sizeof ranges / sizeof *ranges; k++) free(draw("numbers", ranges[k][0], ranges[k][1]));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("driver_chart");
  TCase *cases = tcase_create("chart");
  tcase_add_test(cases, names_in_any_encoding);
  tcase_add_test(cases, numbers_of_any_size);
  suite_add_tcase(suite, cases);
  return suite_run(suite);
}
