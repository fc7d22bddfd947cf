/* Safetensors: round trips, conversions, and every way in which a file can lie; atomic writing on a full disk. */
#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <unistd.h>

#include "runtime/file.h"
#include "runtime/safetensors.h"
#include "tests/temporary_folder.h"
#include "tests/suite_run.h"

/* A file of a header and `data_size` zero bytes. */
static simba_status parse(const char *header, size_t data_size, TensorFile **out_file, simba_error *error) {
  uint64_t length = strlen(header);
  char *bytes = calloc(1, 8 + length + data_size);
  memcpy(bytes, &length, 8);
  memcpy(bytes + 8, header, length);
  simba_status status = tensor_file_parse("f", bytes, 8 + length + data_size, out_file, error);
  free(bytes);
  return status;
}

#define TENSOR(name, type, shape, begin, end) \
  "\"" name "\":{\"dtype\":\"" type "\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end "]}"

static const struct BadHeader {
  const char *header;
  size_t data_size;
  const char *message;
} BAD_HEADERS[] = {
    {"", 0, "f: the header is not valid JSON at byte 8"},
    {"{\"a\":", 0, "f: the header is not valid JSON at byte 12"},
    {"[]", 0, "f: the header is not a JSON object"},
    {"{} x", 0, "f: the header goes on after its JSON object at byte 11"},
    {"{\"a\":1}", 0, "f: tensor 'a': its header entry is not an object"},
    {"{\"a\":{}}", 0, "f: tensor 'a': has no dtype: expected a string"},
    {"{" TENSOR("a", "F8", "[1]", 0, 1) "}", 1,
     "f: tensor 'a': unknown dtype 'F8': expected F32, F64, F16, BF16, I64, I32, I16, I8, U8 or BOOL"},
    {"{\"a\":{\"dtype\":\"F32\"}}", 0, "f: tensor 'a': has no shape: expected an array"},
    {"{" TENSOR("a", "F32", "[1.5]", 0, 4) "}", 4, "f: tensor 'a': a size in its shape is not a whole number"},
    {"{" TENSOR("a", "F32", "[-1]", 0, 4) "}", 4, "f: tensor 'a': a size in its shape is not a whole number"},
    {"{" TENSOR("a", "F32", "[1e300]", 0, 4) "}", 4, "f: tensor 'a': a size in its shape is not a whole number"},
    {"{" TENSOR("a", "F32", "[1,1,1,1,1,1,1,1,1]", 0, 4) "}", 4, "f: tensor 'a': has more than 8 axes"},
    {"{" TENSOR("a", "F32", "[4294967296,4294967296]", 0, 4) "}", 4,
     "f: tensor 'a': its shape has more elements than a file can hold"},
    {"{" TENSOR("a", "F32", "[4294967296,1073741824]", 0, 0) "}", 4,
     "f: tensor 'a': its shape has more elements than a file can hold"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "f: tensor 'a': has no data_offsets: expected two whole numbers"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}}", 4,
     "f: tensor 'a': has no data_offsets: expected two whole numbers"},
    {"{" TENSOR("a", "F32", "[2]", 0, 8) "}", 4,
     "f: tensor 'a': data_offsets [0, 8] lie outside of the 4 bytes that the file holds"},
    {"{" TENSOR("a", "F32", "[1]", 4, 0) "}", 4,
     "f: tensor 'a': data_offsets [4, 0] lie outside of the 4 bytes that the file holds"},
    {"{" TENSOR("a", "F32", "[2,3]", 0, 12) "}", 12, "f: tensor 'a': 12 bytes of data, but F32 [2, 3] takes 24"},
    {"{" TENSOR("a", "F64", "[]", 0, 4) "}", 4, "f: tensor 'a': 4 bytes of data, but F64 [] takes 8"},
    {"{" TENSOR("a", "F32", "[2]", 0, 8) "," TENSOR("b", "F32", "[2]", 4, 12) "}", 12,
     "f: tensor 'b': its bytes overlap those of tensor 'a'"},
    {"{" TENSOR("a", "F32", "[4294967296,4294967296,2]", 0, 0) "}", 0,
     "f: tensor 'a': its shape has more elements than a file can hold"},
    {"{" TENSOR("a", "F32", "[1]", 0, 4) "," TENSOR("b", "F32", "[1]", 3, 7) "}", 7,
     "f: tensor 'b': its bytes overlap those of tensor 'a'"},
    {"{" TENSOR("b", "F32", "[1]", 4, 8) "," TENSOR("a", "F32", "[4]", 0, 16) "}", 16,
     "f: tensor 'b': its bytes overlap those of tensor 'a'"},
    {"{" TENSOR("a", "F32", "[1]", 0, 4) "," TENSOR("a", "F32", "[1]", 4, 8) "}", 8,
     "f: tensor 'a': its name appears twice in the header"},
    {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"shape\":[2],\"data_offsets\":[0,4]}}", 4,
     "f: tensor 'a': its header entry has 'shape' twice"},
    {"{\"__metadata__\":{\"k\":\"1\",\"l\":\"2\",\"k\":\"3\"}}", 0, "f: __metadata__ has 'k' twice"},
    {"{" TENSOR("a\\u0000b", "F32", "[1]", 0, 4) "}", 4, "f: the header contains a zero byte"},
    {"{\"__metadata__\":{\"k\":\"\\\\\\u0000\"}}", 0, "f: the header contains a zero byte"},
    {"{\"__metadata__\":{\"k\":1}}", 0, "f: __metadata__ 'k' is not a string"},
    {"{\"__metadata__\":[]}", 0, "f: __metadata__ is not an object"},
};

START_TEST(bad_headers) {
  const struct BadHeader *bad = &BAD_HEADERS[_i];
  TensorFile *file = NULL;
  simba_error error = {0};
  ck_assert_int_eq(parse(bad->header, bad->data_size, &file, &error), SIMBA_DATA_ERROR);
  ck_assert_str_eq(error.message, bad->message);
  ck_assert_ptr_null(file);
}
END_TEST

START_TEST(bad_lengths) {
  TensorFile *file = NULL;
  simba_error error;
  char bytes[16] = {0};
  ck_assert_int_eq(tensor_file_parse("f", bytes, 7, &file, &error), SIMBA_DATA_ERROR);
  ck_assert_str_eq(error.message, "f: 7 bytes: a safetensors file begins with 8 bytes of header length");
  bytes[0] = 9;
  ck_assert_int_eq(tensor_file_parse("f", bytes, 16, &file, &error), SIMBA_DATA_ERROR);
  ck_assert_str_eq(error.message, "f: truncated: header of 9 bytes, but the file has 16");
  bytes[0] = 8;
  ck_assert_int_eq(tensor_file_parse("f", bytes, 16, &file, &error), SIMBA_DATA_ERROR);
  ck_assert_str_eq(error.message, "f: the header contains a zero byte");
  memset(bytes, 0xFF, 8);
  ck_assert_int_eq(tensor_file_parse("f", bytes, 16, &file, &error), SIMBA_DATA_ERROR);
  ck_assert_str_eq(error.message, "f: header length 18446744073709551615: not a safetensors file (at most 100000000)");
  ck_assert_int_eq(tensor_file_open("no/such", &file, &error), SIMBA_IO_ERROR);
  ck_assert_str_eq(error.message, "no/such: cannot open: No such file or directory");
}
END_TEST

/* Cut anywhere, a file is refused and never read beyond its end. */
START_TEST(truncated_anywhere) {
  char path[128], *bytes;
  size_t size;
  const float values[3] = {1, 2, 3};
  const Tensor tensor = {.name = "w", .type = TENSOR_F32, .rank = 1, .shape = {3}, .bytes = values};
  ck_assert_int_eq(tensor_file_write(in_folder("whole", path), &tensor, 1, NULL, 0, NULL), SIMBA_OK);
  ck_assert_int_eq(file_read(path, &bytes, &size, NULL), SIMBA_OK);
  for (size_t cut = 0; cut < size; cut++) {
    TensorFile *file = NULL;
    ck_assert_int_eq(tensor_file_parse("f", bytes, cut, &file, NULL), SIMBA_DATA_ERROR);
  }
  free(bytes);
}
END_TEST

START_TEST(holes_are_noted) {
  TensorFile *file = NULL;
  ck_assert_int_eq(parse("{" TENSOR("a", "F32", "[1]", 4, 8) "}", 10, &file, NULL), SIMBA_OK);
  ck_assert_str_eq(file->note, "6 bytes belong to no tensor");
  tensor_file_close(file);
  ck_assert_int_eq(parse("{" TENSOR("a", "F32", "[1]", 0, 4) "}  ", 4, &file, NULL), SIMBA_OK);
  ck_assert_ptr_null(file->note);
  tensor_file_close(file);
  ck_assert_int_eq(parse("{" TENSOR("a\\\\u0000", "F32", "[1]", 0, 4) "}", 4, &file, NULL), SIMBA_OK);
  ck_assert_str_eq(file->tensor[0].name, "a\\u0000"); /* a backslash and a word, no zero */
  tensor_file_close(file);
  ck_assert_int_eq(parse("{}", 0, &file, NULL), SIMBA_OK);
  ck_assert_uint_eq(file->count, 0);
  tensor_file_close(file);
}
END_TEST

START_TEST(round_trip) {
  char path[128];
  const float matrix[6] = {1, -2, NAN, INFINITY, 1e-45f, 0.1f};
  const double scalar = 0.1;
  const int64_t whole[2] = {INT64_MIN, 7};
  const Tensor tensors[] = {
      {.name = "odd \"name\"\\\n\xC3\xA9", .type = TENSOR_F32, .rank = 2, .shape = {2, 3}, .bytes = matrix},
      {.name = "scalar", .type = TENSOR_F64, .rank = 0, .bytes = &scalar},
      {.name = "none", .type = TENSOR_F32, .rank = 2, .shape = {0, 5}, .bytes = matrix},
      {.name = "whole", .type = TENSOR_I64, .rank = 1, .shape = {2}, .bytes = whole},
      {.name = "deep", .type = TENSOR_F32, .rank = 8, .shape = {1, 1, 1, 3, 1, 1, 1, 2}, .bytes = matrix},
  };
  const TensorMetadata metadata[] = {{"kind", "a \"test\""}, {"empty", ""}};
  simba_error error = {0};
  ck_assert_msg(tensor_file_write(in_folder("round", path), tensors, 5, metadata, 2, &error) == SIMBA_OK, "%s",
                error.message);
  TensorFile *file = NULL;
  ck_assert_msg(tensor_file_open(path, &file, &error) == SIMBA_OK, "%s", error.message);
  ck_assert_uint_eq(file->count, 5);
  ck_assert_int_eq(tensor_file_find(file, "deep")->rank, 8);
  ck_assert_int_eq(((const char *)file->tensor[0].bytes - (const char *)file->memory[0]) % 8, 0); /* as others expect */
  ck_assert_ptr_null(file->note);
  ck_assert_str_eq(tensor_file_metadata(file, "kind"), "a \"test\"");
  ck_assert_str_eq(tensor_file_metadata(file, "empty"), "");
  ck_assert_ptr_null(tensor_file_metadata(file, "other"));
  const Tensor *found = tensor_file_find(file, tensors[0].name);
  ck_assert_ptr_nonnull(found);
  float copy[6];
  ck_assert_int_eq(tensor_read_f32(file, found, copy, &error), SIMBA_OK);
  ck_assert_mem_eq(copy, matrix, sizeof matrix);
  double value;
  ck_assert_int_eq(tensor_read_f64(file, tensor_file_find(file, "scalar"), &value, &error), SIMBA_OK);
  ck_assert_double_eq(value, 0.1);
  ck_assert_int_eq(tensor_read_f32(file, tensor_file_find(file, "scalar"), copy, &error), SIMBA_OK);
  ck_assert_float_eq(copy[0], 0.1f);
  ck_assert_int_eq(tensor_file_find(file, "none")->count, 0);
  ck_assert_int_eq(tensor_read_f32(file, tensor_file_find(file, "whole"), copy, &error), SIMBA_DATA_ERROR);
  char expected[300];
  snprintf(expected, sizeof expected,
           "%s: tensor 'whole' of type I64: -9223372036854775808 is not exact as a number of 24 bits", path);
  ck_assert_str_eq(error.message, expected);
  tensor_file_close(file);
}
END_TEST

START_TEST(half_precision) {
  static const uint16_t HALF[] = {0x3C00, 0xC000, 0x0001, 0x03FF, 0x7BFF, 0x7C00, 0x8000, 0x3555};
  static const float EXPECTED[] = {1, -2, 0x1p-24f, 0x3FFp-24f, 65504, INFINITY, -0.0f, 0x1.554p-2f};
  static const uint16_t BRAIN[] = {0x3F80, 0xC000, 0x7F80};
  static const float EXPECTED_BRAIN[] = {1, -2, INFINITY};
  const Tensor tensors[] = {{.name = "h", .type = TENSOR_F16, .rank = 1, .shape = {8}, .bytes = HALF},
                            {.name = "b", .type = TENSOR_BF16, .rank = 1, .shape = {3}, .bytes = BRAIN}};
  char path[128];
  TensorFile *file = NULL;
  ck_assert_int_eq(tensor_file_write(in_folder("half", path), tensors, 2, NULL, 0, NULL), SIMBA_OK);
  ck_assert_int_eq(tensor_file_open(path, &file, NULL), SIMBA_OK);
  float values[8];
  ck_assert_int_eq(tensor_file_read(file, "h", 1, (int64_t[]){8}, values, NULL), SIMBA_OK);
  ck_assert_mem_eq(values, EXPECTED, sizeof EXPECTED);
  ck_assert_int_eq(tensor_file_read(file, "b", 1, (int64_t[]){3}, values, NULL), SIMBA_OK);
  ck_assert_mem_eq(values, EXPECTED_BRAIN, sizeof EXPECTED_BRAIN);
  tensor_file_close(file);
}
END_TEST

START_TEST(expected_tensors) {
  TensorFile *file = NULL;
  simba_error error;
  float value[6];
  ck_assert_int_eq(
      parse("{" TENSOR("a", "F32", "[1]", 0, 4) "," TENSOR("b", "F32", "[2,3]", 4, 28) "}", 28, &file, &error),
      SIMBA_OK);
  ck_assert_int_eq(tensor_file_read(file, "a", 0, NULL, value, &error), SIMBA_OK); /* [1] is [] */
  ck_assert(tensor_shape_equal(0, NULL, 1, (int64_t[]){1}) && !tensor_shape_equal(0, NULL, 1, (int64_t[]){2}));
  ck_assert_int_eq(tensor_file_read(file, "b", 2, (int64_t[]){2, 3}, value, &error), SIMBA_OK);
  ck_assert_int_eq(tensor_file_read(file, "b", 2, (int64_t[]){3, 2}, value, &error), SIMBA_DATA_ERROR);
  ck_assert_str_eq(error.message, "f: tensor 'b' has shape [2, 3]: expected [3, 2]");
  ck_assert_int_eq(tensor_file_read(file, "c", 1, (int64_t[]){4}, value, &error), SIMBA_DATA_ERROR);
  ck_assert_str_eq(error.message, "f: tensor 'c' is missing: expected shape [4]");
  tensor_file_close(file);
}
END_TEST

/* A process that may write no more than `limit` bytes a file, as on a full disk: the old file stays, no litter. */
START_TEST(full_disk) {
  char path[128], temporary[128];
  float values[4096] = {1};
  Tensor tensor = {.name = "w", .type = TENSOR_F32, .rank = 1, .shape = {1}, .bytes = values};
  ck_assert_int_eq(tensor_file_write(in_folder("kept", path), &tensor, 1, NULL, 0, NULL), SIMBA_OK);
  signal(SIGXFSZ, SIG_IGN);
  const struct rlimit limit = {4096, RLIM_INFINITY}, none = {RLIM_INFINITY, RLIM_INFINITY};
  ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
  tensor.shape[0] = 4096;
  simba_error error;
  simba_status status = tensor_file_write(path, &tensor, 1, NULL, 0, &error);
  ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &none), 0);
  ck_assert_int_eq(status, SIMBA_IO_ERROR);
  char expected[256];
  snprintf(expected, sizeof expected, "%s: cannot write: File too large", path);
  ck_assert_str_eq(error.message, expected);
  ck_assert_int_ne(access(in_folder("kept.tmp", temporary), F_OK), 0);
  TensorFile *file = NULL;
  ck_assert_int_eq(tensor_file_open(path, &file, NULL), SIMBA_OK);
  ck_assert_int_eq(tensor_file_find(file, "w")->count, 1);
  tensor_file_close(file);
}
END_TEST

/* Below a regular file there is no folder, whoever we are. */
START_TEST(unwritable_folder) {
  char path[128], below[160], expected[256];
  ck_assert_int_eq(file_write(in_folder("plain", path), "x", 1, NULL), SIMBA_OK);
  snprintf(below, sizeof below, "%s/w.safetensors", path);
  const float value = 1;
  const Tensor tensor = {.name = "w", .type = TENSOR_F32, .bytes = &value};
  simba_error error;
  ck_assert_int_eq(tensor_file_write(below, &tensor, 1, NULL, 0, &error), SIMBA_IO_ERROR);
  snprintf(expected, sizeof expected, "%s: cannot write: Not a directory", below);
  ck_assert_str_eq(error.message, expected);
  ck_assert_int_eq(folder_create(below, &error), SIMBA_IO_ERROR);
  snprintf(expected, sizeof expected, "%s: cannot create the folder: Not a directory", below);
  ck_assert_str_eq(error.message, expected);
  /* The target is a folder: the rename fails, the temporary file goes. */
  ck_assert_int_eq(folder_create(in_folder("deep/er", path), &error), SIMBA_OK);
  ck_assert_int_eq(folder_create(path, &error), SIMBA_OK);
  ck_assert_int_eq(tensor_file_write(path, &tensor, 1, NULL, 0, &error), SIMBA_IO_ERROR);
  snprintf(expected, sizeof expected, "%s: cannot write: Is a directory", path);
  ck_assert_str_eq(error.message, expected);
  ck_assert_int_ne(access(in_folder("deep/er.tmp", below), F_OK), 0);
}
END_TEST

START_TEST(two_writers) {
  char path[128], temporary[128];
  int other = open(in_folder("busy.tmp", temporary), O_WRONLY | O_CREAT, 0666);
  ck_assert_int_ge(other, 0);
  ck_assert_int_eq(flock(other, LOCK_EX), 0);
  simba_error error;
  ck_assert_int_eq(file_write(in_folder("busy", path), "x", 1, &error), SIMBA_IO_ERROR);
  char expected[256];
  snprintf(expected, sizeof expected, "%s: another process is writing this file", path);
  ck_assert_str_eq(error.message, expected);
  close(other); /* what a killed writer leaves is taken over */
  ck_assert_int_eq(file_write(path, "x", 1, &error), SIMBA_OK);
  ck_assert_int_ne(access(temporary, F_OK), 0);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("runtime_safetensors");
  TCase *cases = tcase_create("safetensors");
  tcase_add_unchecked_fixture(cases, enter_folder, leave_folder);
  tcase_add_loop_test(cases, bad_headers, 0, (int)(sizeof BAD_HEADERS / sizeof *BAD_HEADERS));
  tcase_add_test(cases, bad_lengths);
  tcase_add_test(cases, truncated_anywhere);
  tcase_add_test(cases, holes_are_noted);
  tcase_add_test(cases, round_trip);
  tcase_add_test(cases, half_precision);
  tcase_add_test(cases, expected_tensors);
  tcase_add_test(cases, full_disk);
  tcase_add_test(cases, unwritable_folder);
  tcase_add_test(cases, two_writers);
  suite_add_tcase(suite, cases);
  return suite_run(suite);
}
