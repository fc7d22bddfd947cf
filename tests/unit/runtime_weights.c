/* Name maps, and a file's tensors beside a model's. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/name_map.h"
#include "runtime/weights.h"
#include "tests/suite_run.h"
#include "tests/temporary_folder.h"

/* ---- Name maps ---- */

static const struct {
  const char *map, *name, *becomes; /* NULL: dropped */
} MAPPED[] = {
    {"a -> b", "a", "b"},
    {"a -> b", "ab", "ab"},
    {"a.* -> b.*", "a.x", "b.x"},
    {"a.* -> b.*", "a.x.y", "a.x.y"},
    {"a.* -> b.*", "a.", "a."},
    {"a.** -> b.**", "a.x.y", "b.x.y"},
    {"** -> backbone.**", "x", "backbone.x"},
    {"*.*.* -> *_*", "a.b.c", "a_b"},
    {"layers.{i}.{kind}.** -> {kind}.{i}.**", "layers.3.norm.a.b", "norm.3.a.b"},
    {"layers.{i}.* -> *{i}{i}", "layers.12.w", "w1212"},
    {"*b* -> *|*", "abbb", "a|bb"},
    {"**b** -> **|**", "a.b.b", "a.|.b"},
    {"\n# comment\n  a -> b # and more\r\n\tdrop c.**\n", "a", "b"},
    {"\n# comment\n  a -> b # and more\r\n\tdrop c.**\n", "c.d", NULL},
    {"a.* -> x.*\na.b -> y\n** -> z.**", "a.b", "x.b"},
    {"a.c -> x\na.b -> y\n** -> z.**", "a.b", "y"},
    {"a.c -> x\na.b -> y\n** -> z.**", "q", "z.q"},
};

START_TEST(mapped_names) {
  NameMap *map = NULL;
  simba_error error = {0};
  const char *text = MAPPED[_i].map, *name;
  char buffer[NAME_MAX_LENGTH + 1];
  ck_assert_msg(name_map_parse("m", text, strlen(text), &map, &error) == SIMBA_OK, "%s", error.message);
  ck_assert_int_eq(name_map_apply(map, MAPPED[_i].name, buffer, &name, &error), SIMBA_OK);
  if (MAPPED[_i].becomes)
    ck_assert_pstr_eq(name, MAPPED[_i].becomes);
  else
    ck_assert_ptr_null(name);
  name_map_free(map);
}
END_TEST

static const struct {
  const char *map, *message;
} BAD_MAPS[] = {
    {"", "m: a map without a line"},
    {"# nothing\n", "m: a map without a line"},
    {"a b", "m:1:3: expected 'PATTERN -> NAME' or 'drop PATTERN'"},
    {"\n a", "m:2:3: expected 'PATTERN -> NAME' or 'drop PATTERN'"},
    {"a ->", "m:1:5: expected a name behind '->'"},
    {"a -> b c", "m:1:8: the line should end here"},
    {"drop a b", "m:1:8: the line should end here"},
    {"drop a -> b", "m:1:8: the line should end here"},
    {"a.{ -> b", "m:1:3: expected {name}, of letters, digits and '_'"},
    {"a.{} -> b", "m:1:3: expected {name}, of letters, digits and '_'"},
    {"a.{i-j} -> b", "m:1:3: expected {name}, of letters, digits and '_'"},
    {"a.} -> b", "m:1:3: a '}' without its '{'"},
    {"{i}.{i} -> b", "m:1:6: this name is in the pattern already"},
    {"a.* -> *.*", "m:1:10: the pattern has no '*' for this one"},
    {"a.{i} -> {j}", "m:1:11: the pattern has no such name"},
};

START_TEST(bad_maps) {
  NameMap *map;
  simba_error error;
  const char *text = BAD_MAPS[_i].map;
  ck_assert_int_eq(name_map_parse("m", text, strlen(text), &map, &error), SIMBA_DATA_ERROR);
  ck_assert_str_eq(error.message, BAD_MAPS[_i].message);
}
END_TEST

START_TEST(zero_bytes_and_long_names) {
  NameMap *map;
  simba_error error;
  ck_assert_int_eq(name_map_parse("m", "a -> b\nc\0 -> d", 13, &map, &error), SIMBA_DATA_ERROR);
  ck_assert_str_eq(error.message, "m:2:1: the line has a zero byte: not a map");
  static char name[NAME_MAX_LENGTH + 2], buffer[NAME_MAX_LENGTH + 1];
  const char *out;
  memset(name, 'a', sizeof name - 1);
  ck_assert_int_eq(name_map_parse("m", "* -> b*", 7, &map, &error), SIMBA_OK);
  ck_assert_int_eq(name_map_apply(map, name, buffer, &out, &error), SIMBA_DATA_ERROR);
  name[NAME_MAX_LENGTH] = 0;
  ck_assert_int_eq(name_map_apply(map, name, buffer, &out, &error), SIMBA_DATA_ERROR);
  ck_assert_ptr_nonnull(strstr(error.message, "m:1: makes a name of more than 1000 characters of 'aaa"));
  name[NAME_MAX_LENGTH - 1] = 0;
  ck_assert_int_eq(name_map_apply(map, name, buffer, &out, &error), SIMBA_OK);
  ck_assert_uint_eq(strlen(out), NAME_MAX_LENGTH);
  name_map_free(map);
}
END_TEST

/* A pattern of many stars against a name that fits nearly: work is parts times characters, not a power of them. */
START_TEST(many_stars) {
  NameMap *map;
  simba_error error;
  char text[256] = "", name[NAME_MAX_LENGTH + 1], buffer[NAME_MAX_LENGTH + 1];
  const char *out;
  for (int i = 0; i < 30; i++) strcat(text, "**a");
  strcat(text, "b -> x");
  memset(name, 'a', NAME_MAX_LENGTH);
  name[NAME_MAX_LENGTH] = 0;
  ck_assert_int_eq(name_map_parse("m", text, strlen(text), &map, &error), SIMBA_OK);
  ck_assert_int_eq(name_map_apply(map, name, buffer, &out, &error), SIMBA_OK);
  ck_assert_ptr_eq(out, name);
  name_map_free(map);
}
END_TEST

/* ---- A file beside a model ---- */

static const float ONE = 1;
static const int64_t SEVEN = 7;

static TensorFile *file_of(const Tensor *tensors, size_t count) {
  char path[128];
  TensorFile *file = NULL;
  ck_assert_int_eq(tensor_file_write(in_folder("w", path), tensors, count, NULL, 0, NULL), SIMBA_OK);
  ck_assert_int_eq(tensor_file_open(path, &file, NULL), SIMBA_OK);
  return file;
}

#define SCALAR(tensor_name) \
  { .name = tensor_name, .type = TENSOR_F32, .bytes = &ONE }

START_TEST(everything_that_does_not_fit) {
  const Tensor tensors[] = {SCALAR("backbone.blocks.0.norm"),
                            SCALAR("blocks.1.norm"),
                            {.name = "scale", .type = TENSOR_F32, .rank = 2, .shape = {1, 1}, .bytes = &ONE},
                            {.name = "bn.num_batches_tracked", .type = TENSOR_I64, .bytes = &SEVEN},
                            {.name = "count", .type = TENSOR_I64, .bytes = &SEVEN}};
  float values[4] = {-1, -1, -1, -1};
  const CheckpointTensor model[] = {{.name = "blocks.0.norm", .value = &values[0]},
                                    {.name = "blocks.1.norm", .value = &values[1]},
                                    {.name = "scale", .rank = 1, .shape = {3}, .value = &values[2]},
                                    {.name = "count", .rank = 1, .shape = {1}, .value = &values[3]}};
  TensorFile *file = file_of(tensors, 5);
  WeightsMatch match;
  simba_error error;
  ck_assert_int_eq(weights_match(file, model, 4, &match, &error), SIMBA_OK);
  ck_assert(match.missing == 1 && match.extra == 1 && match.misshapen == 1);
  ck_assert(match.fit[0] == WEIGHT_MISSING && match.fit[1] == WEIGHT_FITS && match.fit[2] == WEIGHT_MISSHAPEN);
  ck_assert_str_eq(match.report,
                   "  missing    blocks.0.norm []; is it the file's 'backbone.blocks.0.norm'?\n"
                   "  extra      backbone.blocks.0.norm []; is it the model's 'blocks.0.norm'?\n"
                   "  shape      scale is [1, 1] in the file, [3] in the model\n");
  ck_assert_str_eq(file->note,
                   "1 tensor left alone, of whole numbers that the model does not have, such as "
                   "'bn.num_batches_tracked'; 1 tensor of whole numbers converted, such as 'count'");
  ck_assert_int_eq(weights_check(file, &match, &error), SIMBA_DATA_ERROR);
  ck_assert_ptr_nonnull(strstr(error.message,
                               "w: 1 missing: 'blocks.0.norm'; 1 not the model's: 'backbone.blocks.0.norm'; 1 of "
                               "another shape: 'scale' is [1, 1], the model's is [3]"));
  ck_assert_int_eq(weights_read(file, model, &match, &error), SIMBA_OK); /* whoever asks for those that fit */
  ck_assert(values[0] == -1 && values[1] == 1 && values[2] == -1 && values[3] == 7);
  weights_match_free(&match);
  tensor_file_close(file);
}
END_TEST

START_TEST(long_reports_end) {
  enum { COUNT = 35 };
  static char names[2 * COUNT][16];
  static Tensor tensors[COUNT];
  static CheckpointTensor model[COUNT];
  for (int i = 0; i < COUNT; i++) {
    snprintf(names[i], sizeof names[i], "file%d", i);
    snprintf(names[COUNT + i], sizeof names[i], "MODEL%d", i);
    tensors[i] = (Tensor)SCALAR(names[i]);
    model[i] = (CheckpointTensor){.name = names[COUNT + i]};
  }
  TensorFile *file = file_of(tensors, COUNT);
  WeightsMatch match;
  ck_assert_int_eq(weights_match(file, model, COUNT, &match, NULL), SIMBA_OK);
  size_t lines = 0;
  for (const char *at = match.report; (at = strchr(at, '\n')); at++) lines++;
  ck_assert_uint_eq(lines, 2 * 21);
  ck_assert_ptr_nonnull(strstr(match.report, "  missing    and 15 more\n"));
  ck_assert_ptr_nonnull(strstr(match.report, "  extra      and 15 more\n"));
  weights_match_free(&match);
  tensor_file_close(file);
}
END_TEST

START_TEST(nothing_beside_nothing) {
  TensorFile *file = file_of(NULL, 0);
  WeightsMatch match;
  ck_assert_int_eq(weights_match(file, NULL, 0, &match, NULL), SIMBA_OK);
  ck_assert_int_eq(weights_check(file, &match, NULL), SIMBA_OK);
  ck_assert_str_eq(match.report, "");
  weights_match_free(&match);
  tensor_file_close(file);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("runtime_weights");
  TCase *cases = tcase_create("weights");
  tcase_add_unchecked_fixture(cases, enter_folder, leave_folder);
  tcase_add_loop_test(cases, mapped_names, 0, (int)(sizeof MAPPED / sizeof *MAPPED));
  tcase_add_loop_test(cases, bad_maps, 0, (int)(sizeof BAD_MAPS / sizeof *BAD_MAPS));
  tcase_add_test(cases, zero_bytes_and_long_names);
  tcase_add_test(cases, many_stars);
  tcase_add_test(cases, everything_that_does_not_fit);
  tcase_add_test(cases, long_reports_end);
  tcase_add_test(cases, nothing_beside_nothing);
  suite_add_tcase(suite, cases);
  return suite_run(suite);
}
