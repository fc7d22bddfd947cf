/* gzip: whole, in several members, and every way to be cut or spoilt. */
#include "runtime/gzip.h"

#include "tests/image_files.h"
#include "tests/suite_run.h"

enum { SIZE = 100000, CAPACITY = 2 * SIZE };

static char plain[SIZE];
static uint8_t packed[CAPACITY];
static size_t packed_size;

/* Not so regular that it would shrink to nothing. */
static void fill(void) {
  uint32_t state = 1;
  for (int i = 0; i < SIZE; i++) {
    state = state * 1664525 + 1013904223;
    plain[i] = (char)(state >> 28);
  }
  packed_size = gzip_bytes(plain, SIZE, packed, CAPACITY);
}

static simba_status expand(size_t size, size_t limit, size_t *out_size, simba_error *error) {
  char *bytes = NULL;
  simba_status status = gzip_expand("a.gz", packed, size, limit, &bytes, out_size, error);
  if (!status) {
    for (size_t i = 0; i < *out_size; i++) ck_assert_int_eq(bytes[i], plain[i % SIZE]);
    ck_assert_int_eq(bytes[*out_size], 0);
    free(bytes);
  }
  return status;
}

START_TEST(whole) {
  size_t size;
  simba_error error = {0};
  fill();
  ck_assert(gzip_is(packed, packed_size));
  ck_assert(!gzip_is(plain, SIZE));
  ck_assert_msg(expand(packed_size, SIZE, &size, &error) == SIMBA_OK, "%s", error.message);
  ck_assert_uint_eq(size, SIZE);
  /* Two members are one file; what else follows is padding; an empty member is one. */
  memcpy(packed + packed_size, packed, packed_size);
  memset(packed + 2 * packed_size, 0, 100);
  ck_assert_int_eq(expand(2 * packed_size, CAPACITY, &size, &error), SIMBA_OK);
  ck_assert_uint_eq(size, 2 * SIZE);
  ck_assert_int_eq(expand(2 * packed_size + 100, CAPACITY, &size, &error), SIMBA_OK);
  ck_assert_uint_eq(size, 2 * SIZE);
  ck_assert_int_eq(expand(gzip_bytes("", 0, packed, CAPACITY), 0, &size, &error), SIMBA_OK);
  ck_assert_uint_eq(size, 0);
}
END_TEST

START_TEST(limited) {
  size_t size;
  simba_error error = {0};
  fill();
  ck_assert_int_eq(expand(packed_size, SIZE - 1, &size, &error), SIMBA_DATA_ERROR);
  ck_assert_str_eq(error.message, "a.gz: expands to more than 99999 bytes, the limit");
  ck_assert_int_eq(expand(packed_size, 10, &size, &error), SIMBA_DATA_ERROR);
}
END_TEST

START_TEST(cut_anywhere) {
  fill();
  for (size_t size = 2; size < packed_size; size += size < 40 || size + 20 > packed_size ? 1 : 997) {
    size_t expanded;
    simba_error error = {0};
    char expected[120];
    ck_assert_int_eq(expand(size, CAPACITY, &expanded, &error), SIMBA_DATA_ERROR);
    snprintf(expected, sizeof expected, "a.gz: byte %zu: the file ends in the midst of its gzip data: it is cut off",
             size);
    ck_assert_str_eq(error.message, expected);
  }
}
END_TEST

START_TEST(spoilt) {
  size_t size;
  simba_error error = {0};
  fill();
  packed[packed_size - 6] ^= 1; /* of the check sum */
  ck_assert_int_eq(expand(packed_size, CAPACITY, &size, &error), SIMBA_DATA_ERROR);
  ck_assert_ptr_nonnull(strstr(error.message, "corrupt gzip data: incorrect data check"));
  fill();
  packed[2] = 9; /* an unknown method */
  ck_assert_int_eq(expand(packed_size, CAPACITY, &size, &error), SIMBA_DATA_ERROR);
  ck_assert_ptr_nonnull(strstr(error.message, "corrupt gzip data: unknown compression method"));
}
END_TEST

int main(void) {
  Suite *suite = suite_create("runtime_gzip");
  TCase *tests = tcase_create("gzip");
  tcase_add_test(tests, whole);
  tcase_add_test(tests, limited);
  tcase_add_test(tests, cut_anywhere);
  tcase_add_test(tests, spoilt);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
