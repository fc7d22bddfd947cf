/* Tokens: kinds, places, line starts, and what is no token. */
#include "frontend/lexer.h"
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

static Tokens lex(const char *text) {
  return lexer_run(arena, diagnostics, diagnostics_add_source(diagnostics, "test.simba", text, strlen(text)));
}

static void check_kinds(const char *text, const TokenKind *kinds, uint32_t count) {
  Tokens tokens = lex(text);
  ck_assert_uint_eq(tokens.count, count + 1);
  for (uint32_t i = 0; i < count; i++) ck_assert_int_eq(tokens.token[i].kind, kinds[i]);
  ck_assert_int_eq(tokens.token[count].kind, TOKEN_END);
}

#define CHECK_KINDS(text, ...) \
  check_kinds(text, (TokenKind[]){__VA_ARGS__}, sizeof((TokenKind[]){__VA_ARGS__}) / sizeof(TokenKind))

START_TEST(names_and_reserved_words) {
  CHECK_KINDS("a_1 let letter if iffy in", TOKEN_NAME, TOKEN_LET, TOKEN_NAME, TOKEN_IF, TOKEN_NAME, TOKEN_IN);
  CHECK_KINDS("input target param", TOKEN_NAME, TOKEN_NAME, TOKEN_NAME);
}
END_TEST

START_TEST(numbers) {
  CHECK_KINDS("0 12 1.5 1e-3 2E+4", TOKEN_INTEGER, TOKEN_INTEGER, TOKEN_REAL, TOKEN_REAL, TOKEN_REAL);
  /* A point that no digit follows is not the number's. */
  CHECK_KINDS("0..9", TOKEN_INTEGER, TOKEN_RANGE, TOKEN_INTEGER);
  CHECK_KINDS("conv.0.weight", TOKEN_NAME, TOKEN_DOT, TOKEN_INTEGER, TOKEN_DOT, TOKEN_NAME);
}
END_TEST

START_TEST(the_longest_punctuation_wins) {
  CHECK_KINDS("-> - > >= = == ... .. .", TOKEN_ARROW, TOKEN_MINUS, TOKEN_GREATER, TOKEN_GREATER_EQUAL, TOKEN_ASSIGN,
              TOKEN_EQUAL, TOKEN_ELLIPSIS, TOKEN_RANGE, TOKEN_DOT);
}
END_TEST

START_TEST(places_and_lines) {
  Tokens tokens = lex("a # b\n  \"c\"\r\nd");
  ck_assert_uint_eq(tokens.count, 4);
  ck_assert(tokens.token[0].first_of_line && tokens.token[1].first_of_line && tokens.token[2].first_of_line);
  ck_assert_uint_eq(tokens.token[1].start, 8);
  ck_assert_uint_eq(tokens.token[1].length, 3);
  ck_assert_int_eq(tokens.token[1].kind, TOKEN_STRING);
  ck_assert_uint_eq(tokens.token[2].start, 13);
  tokens = lex("a b");
  ck_assert(tokens.token[0].first_of_line && !tokens.token[1].first_of_line);
}
END_TEST

START_TEST(what_is_no_token) {
  CHECK_KINDS("a $ \xE2\x82\xAC b", TOKEN_NAME, TOKEN_NAME);
  ck_assert_uint_eq(diagnostics_error_count(diagnostics), 2); /* a character of three bytes is one mistake */
  CHECK_KINDS("\"open\nb", TOKEN_NAME);
  ck_assert_uint_eq(diagnostics_error_count(diagnostics), 3);
}
END_TEST

START_TEST(a_byte_order_mark_is_skipped) {
  CHECK_KINDS("\xEF\xBB\xBFmodel", TOKEN_NAME);
  ck_assert_uint_eq(diagnostics_error_count(diagnostics), 0);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("frontend_lexer");
  TCase *tests = tcase_create("lexer");
  tcase_add_checked_fixture(tests, setup, teardown);
  tcase_add_test(tests, names_and_reserved_words);
  tcase_add_test(tests, numbers);
  tcase_add_test(tests, the_longest_punctuation_wins);
  tcase_add_test(tests, places_and_lines);
  tcase_add_test(tests, what_is_no_token);
  tcase_add_test(tests, a_byte_order_mark_is_skipped);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
