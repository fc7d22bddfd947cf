/* Texts that would take long if nothing bounded them: each ends, and says which bound it meets. */
#include "frontend/frontend.h"
#include "tests/suite_run.h"

#include <check.h>
#include <string.h>

static Arena *arena;

static void setup(void) { arena = arena_create(); }
static void teardown(void) { arena_destroy(arena); }

/* `line` with its number for %d, `count` times between `before` and `after`. Gives back the number of errors. */
static uint32_t errors_of(const char *before, const char *line, int count, const char *after, const char *expected) {
  Diagnostics *diagnostics = diagnostics_create(arena);
  Text text = text_begin(arena), report = text_begin(arena);
  const char *number = strstr(line, "%d");
  text_puts(&text, before);
  for (int k = 0; k < count; k++) text_print(&text, "%.*s%d%s\n", (int)(number - line), line, k, number + 2);
  text_puts(&text, after);
  FrontendFile *file = frontend_parse(arena, diagnostics, "test.simba", text.data, text.length);
  if (file) frontend_elaborate(file, arena, diagnostics, &(FrontendOptions){0});
  diagnostics_render(diagnostics, DIAGNOSTIC_TEST, false, &report);
  const char *said = report.data ? report.data : "";
  ck_assert_msg(strstr(said, expected) != NULL, "no '%s' in: %.1000s", expected, said);
  return diagnostics_error_count(diagnostics);
}

static const char MODEL[] = "model m() {\n  input x: [B, T = 3]\n", END[] = "  output y = x\n}\n";

START_TEST(names) {
  ck_assert_uint_eq(errors_of(MODEL, "let a%d = x", 10000, END, "E0306 a block or model has more than 4096 names"), 1);
  ck_assert_uint_eq(errors_of(MODEL, "dim a%d = 1", 10000, END, "E0306 a block or model has more than 4096 static"), 1);
  ck_assert_uint_eq(errors_of(MODEL, "let a%d = x", 4000, END, ""), 0);
}
END_TEST

START_TEST(params) {
  static const char lines[] = "for i in 0..10000 { param w: [T] @ w%d[i] }";
  ck_assert_uint_eq(errors_of(MODEL, lines, 9, END, "E0306 the model has more than 20000 params and states"), 1);
}
END_TEST

START_TEST(definitions) {
  static const char line[] = "block a%d(x: [...]) -> [...] { x }", model[] = "model m() { input x: [B] output y = x }";
  ck_assert_uint_eq(errors_of("", line, 5000, model, "E0306 the file and its imports have more than 4096"), 1);
  ck_assert_uint_eq(errors_of("", line, 4000, model, ""), 0);
}
END_TEST

START_TEST(mistakes) {
  ck_assert_uint_eq(errors_of(MODEL, "let a = q%d", 3000, END, "E0201 unknown name 'q0'"), 1000);
  ck_assert_uint_eq(errors_of("recipe {", "q%d 1", 3000, "}\nmodel m() { input x: [B] output y = x }", "E0311"), 1000);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("frontend_limits");
  TCase *tests = tcase_create("limits");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, names);
  tcase_add_test(tests, params);
  tcase_add_test(tests, definitions);
  tcase_add_test(tests, mistakes);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
