/* The parser: precedence and grouping, what ends an expression, recovery, and bounds on nesting. */
#include "frontend/parser.h"
#include "tests/suite_run.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static Arena *arena;
static Diagnostics *diagnostics;

static void setup(void) {
  arena = arena_create();
  diagnostics = diagnostics_create(arena);
}

static void teardown(void) { arena_destroy(arena); }

static SyntaxFile *parse(const char *text) {
  return parser_run(arena, diagnostics, diagnostics_add_source(diagnostics, "test.simba", text, strlen(text)));
}

/* The canonical text of an expression that stands in a let. */
static const char *reprint(const char *expression) {
  SyntaxFile *file = parse(arena_format(arena, "model m() { let y = %s }", expression));
  ck_assert_uint_eq(diagnostics_error_count(diagnostics), 0);
  Text text = text_begin(arena);
  ast_print_expression(file->definition[0].body.statement[0].value, &text);
  return text.data;
}

START_TEST(expressions_group_as_written) {
  ck_assert_str_eq(reprint("a - b - c"), "a-b-c");
  ck_assert_str_eq(reprint("a - (b - c)"), "a-(b-c)");
  ck_assert_str_eq(reprint("(a + b) * c"), "(a+b)*c");
  ck_assert_str_eq(reprint("a + (b * c)"), "a+b*c");
  ck_assert_str_eq(reprint("-x ^ 2"), "-x^2");
  ck_assert_str_eq(reprint("(-x) ^ 2"), "(-x)^2");
  ck_assert_str_eq(reprint("a ^ b ^ c"), "a^b^c");
  ck_assert_str_eq(reprint("(a ^ b) ^ c"), "(a^b)^c");
  ck_assert_str_eq(reprint("a / (b * c)"), "a/(b*c)");
  ck_assert_str_eq(reprint("not a == b or c and d"), "not a==b or c and d");
  ck_assert_str_eq(reprint("f(x, M -> 2 * E, over = [T, K]) @ a[i].b"), "f(x, M -> 2*E, over = [T, K]) @ a[i].b");
}
END_TEST

START_TEST(printed_expressions_parse_to_themselves) {
  static const char *const samples[] = {
      "a-b*-c^d/(e-f)", "not (a and b) or c<=d", "(a, f(x)@p.q.0, 2.5e-07)", "-(a+b)*c", "a/(b/c)/d", "2^-x"};
  for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
    const char *once = reprint(samples[i]);
    ck_assert_str_eq(reprint(once), once);
  }
}
END_TEST

START_TEST(lines_end_expressions) {
  SyntaxFile *file = parse("model m() {\n let a = f\n (b)\n let c = d\n -e\n let g = (h\n - i) +\n j }");
  ck_assert_uint_eq(diagnostics_error_count(diagnostics), 0);
  const Body *body = &file->definition[0].body;
  ck_assert_uint_eq(body->count, 5);
  ck_assert_int_eq(body->statement[0].value->kind, EXPRESSION_NAME);
  ck_assert_int_eq(body->statement[1].kind, STATEMENT_EXPRESSION);
  ck_assert_int_eq(body->statement[3].kind, STATEMENT_EXPRESSION);
  ck_assert_int_eq(body->statement[4].value->kind, EXPRESSION_BINARY);
}
END_TEST

START_TEST(statements_share_a_line) {
  SyntaxFile *file =
      parse("model m() { param a: [T] = normal(1) @ x.y   param b: complex[T] @ z let target = a output c = target }");
  ck_assert_uint_eq(diagnostics_error_count(diagnostics), 0);
  const Body *body = &file->definition[0].body;
  ck_assert_uint_eq(body->count, 4);
  ck_assert_uint_eq(body->statement[0].path.count, 2);
  ck_assert_ptr_null(body->statement[0].value->path.part); /* the path is the param's, not the call's */
  ck_assert_str_eq(body->statement[1].path.part[0].name.text, "z");
}
END_TEST

START_TEST(paths_take_numbers_and_words) {
  SyntaxFile *file = parse("model m() { let y = f(x) @ conv.0.1.in[i + 1].for }");
  ck_assert_uint_eq(diagnostics_error_count(diagnostics), 0);
  Text text = text_begin(arena);
  ast_print_expression(file->definition[0].body.statement[0].value, &text);
  ck_assert_str_eq(text.data, "f(x) @ conv.0.1.in[i+1].for");
}
END_TEST

START_TEST(mistakes_do_not_hide_each_other) {
  SyntaxFile *file =
      parse("block a( { }\nblock b(x: [T]) -> [T] {\n let = 1\n let y = )\n x }\nmodel m() {\n let z = [1\n}\n");
  ck_assert_uint_ge(diagnostics_error_count(diagnostics), 4);
  ck_assert_uint_eq(file->definition_count, 3);
}
END_TEST

/* `count` times `piece`, between `before` and `after`. */
static const char *repeated(const char *before, const char *piece, int count, const char *after) {
  Text text = text_begin(arena);
  text_puts(&text, before);
  for (int i = 0; i < count; i++) text_puts(&text, piece);
  text_puts(&text, after);
  return text.data;
}

START_TEST(nesting_is_bounded) {
  static const char *const cases[][3] = {
      {"model m() { let y = ", "(", ""},       {"model m() { let y = ", "-", "x }"},
      {"model m() { let y = ", "not ", "x }"}, {"model m() { let y = x", " + x", " }"},
      {"model m() { ", "if a { ", ""},         {"model m() { if a { }", " else if a { }", " }"},
      {"model m() { let y = ", "f(", ""},      {"model m() { let y = x", " ^ x", " }"}};
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    uint32_t before = diagnostics_error_count(diagnostics);
    parse(repeated(cases[i][0], cases[i][1], 20000, cases[i][2]));
    ck_assert_uint_gt(diagnostics_error_count(diagnostics), before);
  }
  uint32_t before = diagnostics_error_count(diagnostics);
  parse(repeated("model m() { let y = x", " + x", 150, " }"));
  ck_assert_uint_eq(diagnostics_error_count(diagnostics), before);
}
END_TEST

START_TEST(settings) {
  Name name;
  Expression *value;
  const char *text = "recipe.lr=2*1e-3";
  ck_assert(parser_run_setting(arena, diagnostics, diagnostics_add_source(diagnostics, "--set", text, strlen(text)),
                               &name, &value));
  ck_assert_str_eq(name.text, "recipe.lr");
  ck_assert_int_eq(value->kind, EXPRESSION_BINARY);
  text = "lr=1 2";
  ck_assert(!parser_run_setting(arena, diagnostics, diagnostics_add_source(diagnostics, "--set", text, strlen(text)),
                                &name, &value));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("frontend_parser");
  TCase *tests = tcase_create("parser");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, expressions_group_as_written);
  tcase_add_test(tests, printed_expressions_parse_to_themselves);
  tcase_add_test(tests, lines_end_expressions);
  tcase_add_test(tests, statements_share_a_line);
  tcase_add_test(tests, paths_take_numbers_and_words);
  tcase_add_test(tests, mistakes_do_not_hide_each_other);
  tcase_add_test(tests, nesting_is_bounded);
  tcase_add_test(tests, settings);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
