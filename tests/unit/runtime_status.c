/* Messages: cut where they are too long, prefixed, never a torn character; allocation that checks its size. */
#include <check.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/status.h"
#include "tests/suite_run.h"

START_TEST(long_messages_are_cut) {
  static char text[3 * SIMBA_MESSAGE_SIZE];
  simba_error error;
  memset(text, 'x', SIMBA_MESSAGE_SIZE - 1);
  ck_assert_int_eq(error_set(&error, SIMBA_IO_ERROR, "%s", text), SIMBA_IO_ERROR);
  ck_assert_str_eq(error.message, text); /* just fits */
  text[SIMBA_MESSAGE_SIZE - 1] = 'x';
  error_set(&error, SIMBA_IO_ERROR, "%s", text);
  ck_assert_uint_eq(strlen(error.message), SIMBA_MESSAGE_SIZE - 1);
  ck_assert_str_eq(error.message + SIMBA_MESSAGE_SIZE - 6, "xx...");
  /* Characters of three bytes, at every offset: none is torn. */
  for (size_t shift = 0; shift < 3; shift++) {
    memset(text, 'x', shift);
    for (size_t i = shift; i + 4 < sizeof text; i += 3) memcpy(text + i, "\xE2\x82\xAC", 4);
    error_set(&error, SIMBA_IO_ERROR, "%s", text);
    size_t length = strlen(error.message);
    ck_assert_uint_le(length, SIMBA_MESSAGE_SIZE - 1);
    ck_assert_uint_gt(length, SIMBA_MESSAGE_SIZE - 4);
    ck_assert_uint_eq((length - 3 - shift) % 3, 0);
    ck_assert_str_eq(error.message + length - 6, "\xE2\x82\xAC...");
  }
  ck_assert_int_eq(error_set(NULL, SIMBA_BUG, "x"), SIMBA_BUG);
}
END_TEST

START_TEST(prefixes) {
  static char text[SIMBA_MESSAGE_SIZE];
  simba_error error;
  error_set(&error, SIMBA_DATA_ERROR, "what");
  ck_assert_int_eq(error_prefix(&error, SIMBA_BUG, "where %d: ", 7), SIMBA_BUG);
  ck_assert_str_eq(error.message, "where 7: what");
  memset(text, 'x', sizeof text - 1);
  error_set(&error, SIMBA_DATA_ERROR, "%s", text);
  error_prefix(&error, SIMBA_BUG, "y");
  ck_assert_int_eq(error.message[0], 'y');
  ck_assert_uint_eq(strlen(error.message), SIMBA_MESSAGE_SIZE - 1);
  ck_assert_str_eq(error.message + SIMBA_MESSAGE_SIZE - 6, "xx...");
}
END_TEST

START_TEST(printable) {
  static const struct {
    const char *text, *printable;
  } CASES[] = {{"", ""},
               {"cat \xC3\xA9 \xE2\x82\xAC \xF0\x9F\x90\x88", "cat \xC3\xA9 \xE2\x82\xAC \xF0\x9F\x90\x88"},
               {"\x1B[31m\n\t\x7F", "?[31m???"},
               {"\xC2\x9Bx\xC2\xA0", "??x\xC2\xA0"}, /* C1 */
               {"\xFF\xC3(\xE2\x82",
                "?"
                "?(?"
                "?"},                                                  /* no UTF-8, cut off */
               {"\xC0\xAF\xED\xA0\x80\xF4\x90\x80\x80", "?????????"}}; /* too long, surrogate, too large */
  for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
    char text[64];
    strcpy(text, CASES[i].text);
    text_make_printable(text);
    ck_assert_str_eq(text, CASES[i].printable);
  }
}
END_TEST

START_TEST(system_errors) {
  simba_error error;
  ck_assert_int_eq(error_set_system(&error, "a", "write", ENOSPC), SIMBA_IO_ERROR);
  ck_assert_str_eq(error.message, "a: cannot write: No space left on device");
  ck_assert_int_eq(error_set_system(&error, "a", "open", ENOMEM), SIMBA_OUT_OF_MEMORY);
  ck_assert_int_eq(error_set_system(&error, "a", "open", 123456), SIMBA_IO_ERROR);
  ck_assert_str_eq(error.message, "a: cannot open: unknown error");
}
END_TEST

START_TEST(names_of_statuses) {
  for (int status = SIMBA_OK; status <= SIMBA_BUG; status++) {
    ck_assert_str_ne(simba_status_name((simba_status)status), "unknown status");
    for (int other = SIMBA_OK; other < status; other++)
      ck_assert_str_ne(simba_status_name((simba_status)status), simba_status_name((simba_status)other));
  }
  ck_assert_str_eq(simba_status_name((simba_status)(SIMBA_BUG + 1)), "unknown status");
}
END_TEST

START_TEST(sizes_that_overflow) {
  ck_assert_ptr_null(memory_allocate(SIZE_MAX / 2, 3));
  ck_assert_ptr_null(memory_allocate(SIZE_MAX, 1));
  ck_assert_ptr_null(memory_allocate_aligned(SIZE_MAX / 2, 3));
  ck_assert_ptr_null(memory_allocate_aligned(SIZE_MAX - 8, 1));
  unsigned char *bytes = memory_allocate_aligned(65, 1);
  ck_assert_uint_eq((uintptr_t)bytes % 64, 0);
  for (int i = 0; i < 65; i++) ck_assert_int_eq(bytes[i], 0);
  free(bytes);
  void *nothing[2] = {memory_allocate(0, 8), memory_allocate_aligned(0, 8)};
  ck_assert(nothing[0] && nothing[1]);
  free(nothing[0]);
  free(nothing[1]);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("runtime_status");
  TCase *cases = tcase_create("status");
  tcase_add_test(cases, long_messages_are_cut);
  tcase_add_test(cases, prefixes);
  tcase_add_test(cases, printable);
  tcase_add_test(cases, system_errors);
  tcase_add_test(cases, names_of_statuses);
  tcase_add_test(cases, sizes_that_overflow);
  suite_add_tcase(suite, cases);
  return suite_run(suite);
}
