/* Text of graphs: what is printed reads back equal; what is wrong is diagnosed. Files of tests/golden/ir/ that read are
 * printed back; of the others the diagnostics are in a file .err beside them. */
#include "ir/graph.h"
#include "tests/golden_text.h"
#include "tests/random_graph.h"
#include "tests/suite_run.h"

#include <check.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

enum { SEED_COUNT = 200 };

static Graph *read_text(Arena *arena, const char *text, size_t length, DiagnosticStyle style, Text *out_errors) {
  Diagnostics *diagnostics = diagnostics_create(arena);
  Graph *graph = graph_read(arena, diagnostics, diagnostics_add_source(diagnostics, "text.ir", text, length));
  *out_errors = text_begin(arena);
  diagnostics_render(diagnostics, style, false, out_errors);
  ck_assert_int_eq(graph == NULL, diagnostics_error_count(diagnostics) > 0);
  return graph;
}

static void check_round_trip(const Graph *graph, Arena *arena) {
  const char *message;
  ck_assert_msg(graph_verify(graph, arena, &message), "%s", message);
  Text printed = text_begin(arena), again = text_begin(arena), errors;
  graph_print(graph, &printed);
  Graph *read = read_text(arena, printed.data, printed.length, DIAGNOSTIC_HUMAN, &errors);
  ck_assert_msg(read != NULL, "%s", errors.data);
  ck_assert_msg(graph_verify(read, arena, &message), "%s", message);
  ck_assert_msg(graph_equal(graph, read), "reads back as another graph:\n%s", printed.data);
  graph_print(read, &again);
  ck_assert_str_eq(printed.data, again.data);
}

static void check_golden(const char *path) {
  Arena *arena = arena_create();
  size_t length = 0;
  const char *text = golden_read(arena, path, &length);
  ck_assert(text != NULL);
  Text errors;
  Graph *graph = read_text(arena, text, length, DIAGNOSTIC_TEST, &errors);
  if (graph) {
    Text printed = text_begin(arena);
    graph_print(graph, &printed);
    golden_check(arena, path, printed.data, printed.length);
    check_round_trip(graph, arena);
  } else {
    const char *stem = arena_text(arena, path, strlen(path) - strlen(".ir"));
    golden_check(arena, arena_format(arena, "%s.err", stem), errors.data, errors.length);
  }
  arena_destroy(arena);
}

START_TEST(golden_files) {
  DIR *folder = opendir(TESTS_FOLDER "/golden/ir");
  ck_assert(folder != NULL);
  int count = 0;
  for (const struct dirent *entry; (entry = readdir(folder));) {
    const char *end = strrchr(entry->d_name, '.');
    if (!end || strcmp(end, ".ir") != 0) continue;
    char path[1024];
    snprintf(path, sizeof path, "%s/golden/ir/%s", TESTS_FOLDER, entry->d_name);
    check_golden(path);
    count++;
  }
  closedir(folder);
  ck_assert_int_gt(count, 0);
}
END_TEST

START_TEST(every_op_is_in_the_golden_file) {
  Arena *arena = arena_create();
  size_t length = 0;
  const char *text = golden_read(arena, TESTS_FOLDER "/golden/ir/every_op.ir", &length);
  Text errors;
  const Graph *graph = read_text(arena, text, length, DIAGNOSTIC_HUMAN, &errors);
  ck_assert_msg(graph != NULL, "%s", errors.data);
  bool seen[OP_COUNT] = {false};
  for (NodeId id = 1; id <= graph->node_count; id++) seen[graph_op(graph, id)] = true;
  for (int op = OP_NONE + 1; op < OP_COUNT; op++) ck_assert_msg(seen[op], "no %s", op_info((OpCode)op)->name);
  arena_destroy(arena);
}
END_TEST

START_TEST(random_graphs) {
  Arena *arena = arena_create();
  Random random = {(uint64_t)_i + 1};
  check_round_trip(random_graph(&random, arena, 5 + random_below(&random, 60)), arena);
  arena_destroy(arena);
}
END_TEST

/* Recomputed nodes are equal to others and stay apart. */
START_TEST(clones_stay_apart) {
  Arena *arena = arena_create();
  Graph *graph = graph_create(arena, "a model's graph");
  NodeId x = graph_leaf(graph, OP_INPUT, "x", &(Shape){1, {dim_constant(3)}});
  NodeId first = graph_unary(graph, OP_EXP, x), second = graph_add_clone(graph, OP_EXP, &x, 1, NULL);
  ck_assert_uint_ne(first, second);
  graph_add_output(graph, OUTPUT_VALUE, "y", graph_binary(graph, OP_ADD, first, second), NODE_NONE);
  check_round_trip(graph, arena);
  arena_destroy(arena);
}
END_TEST

START_TEST(big_and_odd_texts) {
  static const char *const texts[] = {"",
                                      "graph",
                                      "graph x {",
                                      "graph x }",
                                      "%",
                                      "graph x {\n%1 = exp(",
                                      "\"",
                                      "-",
                                      "graph x {\n%1 = constant {value = -}}",
                                      "graph x {%1=constant{value=1}}x"};
  Arena *arena = arena_create();
  Text errors;
  for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++) {
    ck_assert(!read_text(arena, texts[k], strlen(texts[k]), DIAGNOSTIC_HUMAN, &errors));
  }
  ck_assert(!read_text(arena, "graph x {\0}", 11, DIAGNOSTIC_HUMAN, &errors));
  Text text = text_begin(arena);
  text_puts(&text, "graph x {\n%0 = constant {value = 1}\n");
  for (int k = 1; k <= 50000; k++) text_print(&text, "%%%d = exp(%%%d)\n", k, k - 1);
  text_puts(&text, "}\n");
  const Graph *graph = read_text(arena, text.data, text.length, DIAGNOSTIC_HUMAN, &errors);
  ck_assert(graph && graph->node_count == 50001);
  text.length -= 2;
  text_puts(&text, "%w = concat(%1");
  for (int k = 0; k < 100000; k++) text_puts(&text, ", %1");
  text_puts(&text, ") {axis = 0}\n}\n");
  ck_assert(!read_text(arena, text.data, text.length, DIAGNOSTIC_TEST, &errors));
  ck_assert_str_eq(errors.data, "50003:6 E0404 concat: it has more than 64 operands\n");
  arena_destroy(arena);
}
END_TEST

START_TEST(dot_text) {
  Arena *arena = arena_create();
  size_t length = 0;
  const char *text = golden_read(arena, TESTS_FOLDER "/golden/ir/every_op.ir", &length);
  Text errors, dot = text_begin(arena);
  graph_dot(read_text(arena, text, length, DIAGNOSTIC_HUMAN, &errors), &dot);
  golden_check(arena, TESTS_FOLDER "/golden/ir/every_op.dot", dot.data, dot.length);
  arena_destroy(arena);
}
END_TEST

/* docs/ir.md holds the op table between two marks. */
START_TEST(reference_is_fresh) {
  static const char begin[] = "<!-- ops: generated from ir/ops.def -->\n", end[] = "<!-- ops: end -->\n";
  Arena *arena = arena_create();
  size_t length = 0;
  const char *path = TESTS_FOLDER "/../docs/ir.md";
  const char *reference = golden_read(arena, path, &length);
  ck_assert_msg(reference != NULL, "no %s", path);
  const char *from = strstr(reference, begin), *to = strstr(reference, end);
  ck_assert(from && to && from < to);
  Text fresh = text_begin(arena);
  text_add(&fresh, reference, (size_t)(from - reference) + strlen(begin));
  ops_describe(&fresh);
  text_puts(&fresh, to);
  golden_check(arena, path, fresh.data, fresh.length);
  arena_destroy(arena);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("ir_text");
  TCase *tests = tcase_create("text");
  tcase_set_timeout(tests, 60);
  tcase_add_test(tests, golden_files);
  tcase_add_test(tests, every_op_is_in_the_golden_file);
  tcase_add_loop_test(tests, random_graphs, 0, SEED_COUNT);
  tcase_add_test(tests, clones_stay_apart);
  tcase_add_test(tests, big_and_odd_texts);
  tcase_add_test(tests, dot_text);
  tcase_add_test(tests, reference_is_fresh);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
