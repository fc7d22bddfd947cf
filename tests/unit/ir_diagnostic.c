/* What people, programs and tests get to see of diagnostics. */
#include "ir/diagnostic.h"
#include "ir/guard.h"
#include "tests/suite_run.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

typedef struct Fixture {
  Arena *arena;
  Diagnostics *diagnostics;
  const char *text;
  uint32_t source;
} Fixture;

static Fixture begin(const char *text) {
  Fixture fixture = {.arena = arena_create(), .text = text};
  fixture.diagnostics = diagnostics_create(fixture.arena);
  fixture.source = diagnostics_add_source(fixture.diagnostics, "m.simba", text, strlen(text));
  return fixture;
}

/* The first place where `word` is in the text. */
static Span span_of(const Fixture *fixture, const char *word) {
  const char *found = strstr(fixture->text, word);
  ck_assert(found != NULL);
  return (Span){fixture->source, (uint32_t)(found - fixture->text), (uint32_t)strlen(word)};
}

static void check_rendered(const Fixture *fixture, DiagnosticStyle style, bool colour, const char *expected) {
  Text text = text_begin(fixture->arena);
  diagnostics_render(fixture->diagnostics, style, colour, &text);
  ck_assert_str_eq(text.data, expected);
}

START_TEST(three_styles) {
  Fixture fixture = begin("model m {\r\n\tlet y\t= linaer(x)\r\n}\n");
  diagnostic_error(fixture.diagnostics, DIAG_IR_UNKNOWN_OP, span_of(&fixture, "linaer"), "linaer");
  diagnostic_note(fixture.diagnostics, span_of(&fixture, "model"), "in the model \"%s\"", "m");
  diagnostic_hint(fixture.diagnostics, "did you mean '%s'?", "linear");
  diagnostic_warning(fixture.diagnostics, DIAG_IR_UNKNOWN_NODE, SPAN_NONE, "x");
  check_rendered(&fixture, DIAGNOSTIC_HUMAN, false,
                 "m.simba:2:10: error[E0402]: unknown op 'linaer'\n"
                 "    2 |     let y   = linaer(x)\n"
                 "      |               ^~~~~~\n"
                 "m.simba:1:1: note: in the model \"m\"\n"
                 "    1 | model m {\n"
                 "      | ^~~~~\n"
                 "hint: did you mean 'linear'?\n"
                 "warning[E0403]: %x is not defined before its use\n");
  check_rendered(&fixture, DIAGNOSTIC_JSON, false,
                 "{\"severity\":\"error\",\"code\":\"E0402\",\"message\":\"unknown op 'linaer'\",\"file\":\"m.simba\","
                 "\"line\":2,\"column\":10,\"length\":6,\"notes\":[{\"message\":\"in the model \\\"m\\\"\","
                 "\"file\":\"m.simba\",\"line\":1,\"column\":1,\"length\":5}],\"hints\":[\"did you mean 'linear'?\"]}\n"
                 "{\"severity\":\"warning\",\"code\":\"E0403\",\"message\":\"%x is not defined before its use\","
                 "\"notes\":[],\"hints\":[]}\n");
  check_rendered(&fixture, DIAGNOSTIC_TEST, false,
                 "2:10 E0402 unknown op 'linaer'\n"
                 "  1:1 note: in the model \"m\"\n"
                 "  hint: did you mean 'linear'?\n"
                 "0:0 E0403 %x is not defined before its use\n");
  ck_assert_uint_eq(diagnostics_error_count(fixture.diagnostics), 1);
  ck_assert_uint_eq(diagnostics_warning_count(fixture.diagnostics), 1);
  arena_destroy(fixture.arena);
}
END_TEST

START_TEST(colour) {
  Fixture fixture = begin("abc");
  diagnostic_error(fixture.diagnostics, DIAG_IR_UNKNOWN_OP, span_of(&fixture, "bc"), "bc");
  check_rendered(&fixture, DIAGNOSTIC_HUMAN, true,
                 "\033[1mm.simba:1:2:\033[0m \033[1;31merror[E0402]:\033[0m unknown op 'bc'\n"
                 "    1 | abc\n"
                 "      |  \033[1;32m^~\033[0m\n");
  arena_destroy(fixture.arena);
}
END_TEST

/* Letters beyond ASCII take one column; bytes that are none, and control bytes, are shown as '?'. */
START_TEST(odd_bytes) {
  Fixture fixture = begin("\xc3\xa9t\xc3\xa9 \x1b\xff here");
  diagnostic_error(fixture.diagnostics, DIAG_IR_UNKNOWN_OP, span_of(&fixture, "here"), "\x1b\xff\"");
  check_rendered(&fixture, DIAGNOSTIC_HUMAN, false,
                 "m.simba:1:10: error[E0402]: unknown op '??\"'\n"
                 "    1 | \xc3\xa9t\xc3\xa9 ?? here\n"
                 "      |        ^~~~\n");
  check_rendered(&fixture, DIAGNOSTIC_JSON, false,
                 "{\"severity\":\"error\",\"code\":\"E0402\",\"message\":\"unknown op '\\u001b\\ufffd\\\"'\","
                 "\"file\":\"m.simba\",\"line\":1,\"column\":10,\"length\":4,\"notes\":[],\"hints\":[]}\n");
  arena_destroy(fixture.arena);
}
END_TEST

START_TEST(long_lines_are_windowed) {
  char text[400] = "";
  for (int k = 0; k < 30; k++) strcat(text, "abcdefghij");
  Fixture fixture = begin(text);
  diagnostic_error(fixture.diagnostics, DIAG_IR_UNKNOWN_OP, (Span){fixture.source, 150, 4}, "x");
  diagnostic_note(fixture.diagnostics, (Span){fixture.source, 0, 300}, "the line");
  diagnostic_note(fixture.diagnostics, (Span){fixture.source, 300, 0}, "its end");
  check_rendered(&fixture, DIAGNOSTIC_HUMAN, false,
                 "m.simba:1:151: error[E0402]: unknown op 'x'\n"
                 "    1 | ...abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghij"
                 "abcdefghij...\n"
                 "      |                                            ^~~~\n"
                 "m.simba:1:1: note: the line\n"
                 "    1 | abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghij"
                 "abcdefghij...\n"
                 "      | ^~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~~"
                 "~~~~~~~~~~~\n"
                 "m.simba:1:301: note: its end\n"
                 "    1 | ...abcdefghijabcdefghijabcdefghijabcdefghij\n"
                 "      |                                            ^\n");
  arena_destroy(fixture.arena);
}
END_TEST

/* A span over several lines is marked on its first; one beyond the text is at its end. */
START_TEST(spans_at_the_edges) {
  Fixture fixture = begin("one\ntwo\n");
  diagnostic_error(fixture.diagnostics, DIAG_IR_UNKNOWN_OP, (Span){fixture.source, 1, 5}, "a");
  diagnostic_error(fixture.diagnostics, DIAG_IR_UNKNOWN_OP, (Span){fixture.source, 99, 5}, "b");
  check_rendered(&fixture, DIAGNOSTIC_HUMAN, false,
                 "m.simba:1:2: error[E0402]: unknown op 'a'\n"
                 "    1 | one\n"
                 "      |  ^~\n"
                 "m.simba:3:1: error[E0402]: unknown op 'b'\n"
                 "    3 | \n"
                 "      | ^\n");
  arena_destroy(fixture.arena);
}
END_TEST

START_TEST(twenty_at_most) {
  Fixture fixture = begin("x");
  for (int k = 0; k < 23; k++) {
    diagnostic_error(fixture.diagnostics, DIAG_IR_UNKNOWN_OP, SPAN_NONE, "x");
    diagnostic_hint(fixture.diagnostics, "hint %d", k);
  }
  ck_assert_uint_eq(diagnostics_error_count(fixture.diagnostics), 23);
  Text text = text_begin(fixture.arena);
  diagnostics_render(fixture.diagnostics, DIAGNOSTIC_TEST, false, &text);
  ck_assert(strstr(text.data, "hint 19\nand 3 more errors\n") && !strstr(text.data, "hint 20"));
  text = text_begin(fixture.arena);
  diagnostics_render(fixture.diagnostics, DIAGNOSTIC_JSON, false, &text);
  ck_assert(strstr(text.data, "{\"severity\":\"error\",\"more\":3}\n"));
  arena_destroy(fixture.arena);
}
END_TEST

START_TEST(codes_are_sorted_and_unique) {
  static const char *const codes[] = {
#define DIAGNOSTIC(code, name, format) code,
#include "ir/diagnostic.def"
#undef DIAGNOSTIC
  };
  for (size_t k = 0; k + 1 < sizeof codes / sizeof codes[0]; k++) ck_assert_str_lt(codes[k], codes[k + 1]);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("ir_diagnostic");
  TCase *tests = tcase_create("diagnostic");
  tcase_add_test(tests, three_styles);
  tcase_add_test(tests, colour);
  tcase_add_test(tests, odd_bytes);
  tcase_add_test(tests, long_lines_are_windowed);
  tcase_add_test(tests, spans_at_the_edges);
  tcase_add_test(tests, twenty_at_most);
  tcase_add_test(tests, codes_are_sorted_and_unique);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
