/* Every model of examples/scans: its recurrences fuse, forward and backward, and no tensor of their index space is
 * stored; its gradients are those of central differences; its kernels and their code compute what the evaluator
 * does. Files are found
 * by scanning. */
#include "frontend/frontend.h"
#include "passes/autodiff.h"
#include "passes/lower.h"
#include "passes/pipeline.h"
#include "passes/scan_nodes.h"
#include "tests/program_code.h"
#include "tests/suite_run.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

enum { FILE_LIMIT = 32, PATH_LIMIT = 512, LINE_LIMIT = 40, PROBES = 12 };

static const char *const FOLDER = TESTS_FOLDER "/../examples/scans";

/* Sizes at which the evaluator is quick, and tiles of channels are not whole. */
static const FrontendSetting SMALL[] = {{"T", "7"}, {"H", "2"}, {"W", "3"}, {"M", "9"}, {"N", "3"}};
enum { SMALL_COUNT = sizeof SMALL / sizeof *SMALL };

static char files[FILE_LIMIT][PATH_LIMIT];
static int file_count;

static void find_files(void) {
  DIR *directory = opendir(FOLDER);
  if (directory == NULL) abort();
  for (const struct dirent *entry; (entry = readdir(directory)) && file_count < FILE_LIMIT;) {
    const char *dot = strrchr(entry->d_name, '.');
    if (dot == NULL || strcmp(dot, ".simba")) continue;
    int length = snprintf(files[file_count++], PATH_LIMIT, "%s/%.200s", FOLDER, entry->d_name);
    if (length < 0) abort();
  }
  closedir(directory);
}

static Model *elaborate(const char *path, const FrontendSetting *setting, uint32_t count, Arena *arena) {
  Diagnostics *diagnostics = diagnostics_create(arena);
  FrontendFile *file = frontend_parse_file(arena, diagnostics, path);
  FrontendOptions options = {.setting = setting, .setting_count = count, .training = true};
  Model *model = file ? frontend_elaborate(file, arena, diagnostics, &options) : NULL;
  Text report = text_begin(arena);
  diagnostics_render(diagnostics, DIAGNOSTIC_HUMAN, false, &report);
  ck_assert_msg(model != NULL, "%.3000s", report.data);
  return model;
}

/* The model with those of SMALL that it has. */
static Model *small_model(const char *path, Arena *arena) {
  const Model *model = elaborate(path, NULL, 0, arena);
  FrontendSetting setting[SMALL_COUNT];
  uint32_t count = 0;
  for (uint32_t k = 0; k < model->setting_count; k++)
    for (int s = 0; s < SMALL_COUNT; s++)
      if (!strcmp(SMALL[s].name, model->setting[k].name)) setting[count++] = SMALL[s];
  return elaborate(path, setting, count, arena);
}

static const Graph *with_gradients(const Graph *graph, Arena *arena) {
  const char **output = ARENA_ARRAY(arena, const char *, graph->output_count + 1);
  DifferentiateSpec spec = {.parameters = true, .inputs = true, .cotangent = output};
  for (uint32_t k = 0; k < graph->output_count; k++)
    if (graph->output[k].kind == OUTPUT_VALUE) output[spec.cotangent_count++] = graph->output[k].name;
  return graph_differentiate(graph, arena, &spec);
}

static const Program *build(const Graph *graph, Arena *arena) {
  PipelineOptions options = {.verify = true};
  return program_build(pipeline_run(graph, arena, &options, NULL), arena, NULL);
}

/* --- fusion -------------------------------------------------------------------------------------------------- */

static void check_fused(const Program *program) {
  const Graph *graph = program->graph;
  int64_t symbols[SYMBOL_MAX] = {1}, space = INT64_MAX;
  uint32_t scans = 0;
  for (NodeId id = 1; id <= graph->node_count; id++) {
    const Node *node = graph_node(graph, id);
    if (!op_is_recurrence(node->op)) continue;
    ck_assert_msg(node->cluster != 0, "scan %%%u is alone", id);
    int64_t count = shape_value_count(&node->shape, symbols);
    space = count < space ? count : space;
    scans++;
  }
  ck_assert_uint_gt(scans, 0);
  for (BufferId b = 0; b < program->buffer_count; b++) {
    int64_t count = dim_value(program->buffer[b].count, symbols);
    ck_assert_msg(count < space, "buffer %u has %lld elements, the index space %lld", b, (long long)count,
                  (long long)space);
  }
}

START_TEST(recurrences_fuse) {
  Arena *arena = arena_create();
  const Model *model = elaborate(files[_i], NULL, 0, arena);
  check_fused(build(model->graph, arena));
  check_fused(build(with_gradients(model->graph, arena), arena));
  arena_destroy(arena);
}
END_TEST

/* --- gradients ----------------------------------------------------------------------------------------------- */

typedef struct Leaves {
  EvaluateInput *input;
  uint32_t count;
} Leaves;

static Leaves find_leaves(const Graph *graph, const int64_t *symbols, Arena *arena) {
  Leaves leaves = {.input = ARENA_ARRAY(arena, EvaluateInput, graph->node_count + 1)};
  for (NodeId id = 1; id <= graph->node_count; id++) {
    const Node *node = graph_node(graph, id);
    if (node->op != OP_INPUT && node->op != OP_PARAMETER) continue;
    double *data = leaf_data(node_text(node, LEAF_NAME), &node->shape, symbols, arena);
    leaves.input[leaves.count++] = (EvaluateInput){id, data};
  }
  return leaves;
}

static double loss_of(const Graph *graph, const int64_t *symbols, const Leaves *leaves) {
  Arena *arena = arena_create();
  Value *values = ARENA_ARRAY(arena, Value, graph->node_count + 1);
  graph_evaluate(graph, symbols, PROGRAM_SEED, PROGRAM_STEP, leaves->input, leaves->count, false, arena, values);
  double loss = NAN;
  for (uint32_t k = 0; k < graph->output_count; k++)
    if (graph->output[k].kind == OUTPUT_LOSS) loss = values[graph->output[k].node].data[0];
  arena_destroy(arena);
  return loss;
}

/* Some elements of the gradient of one leaf. */
static void check_gradient(const Graph *graph, const int64_t *symbols, const Leaves *leaves, uint32_t leaf,
                           const Value *gradient, const char *name) {
  const double step = 1e-5;
  double *data = (double *)(uintptr_t)leaves->input[leaf].data;
  int64_t count = value_count(gradient);
  for (int64_t i = 0; i < count; i += count / PROBES + 1) {
    double kept = data[i];
    data[i] = kept + step;
    double above = loss_of(graph, symbols, leaves);
    data[i] = kept - step;
    double below = loss_of(graph, symbols, leaves);
    data[i] = kept;
    double expected = (above - below) / (2 * step), found = gradient->data[i];
    ck_assert_msg(fabs(expected - found) <= 1e-6 * (1 + fabs(expected)), "%s[%lld]: %.12g by differences, %.12g", name,
                  (long long)i, expected, found);
  }
}

START_TEST(gradients_are_right) {
  Arena *arena = arena_create();
  const Graph *graph = with_gradients(small_model(files[_i], arena)->graph, arena);
  int64_t symbols[SYMBOL_MAX] = {2};
  Leaves leaves = find_leaves(graph, symbols, arena);
  const Value *values = reference_values(graph, symbols, arena);
  uint32_t checked = 0;
  for (uint32_t k = 0; k < leaves.count; k++) {
    const char *name = node_text(graph_node(graph, leaves.input[k].node), LEAF_NAME);
    const Output *gradient = graph_find_output(graph, OUTPUT_GRADIENT, name);
    if (gradient == NULL) continue;
    check_gradient(graph, symbols, &leaves, k, &values[gradient->node], name);
    checked++;
  }
  ck_assert_uint_gt(checked, 1);
  arena_destroy(arena);
}
END_TEST

START_TEST(kernels_are_as_the_evaluator) {
  Arena *arena = arena_create();
  const Graph *graph = with_gradients(small_model(files[_i], arena)->graph, arena);
  const Program *program = build(graph, arena);
  for (int64_t batch = 1; batch <= 2; batch++) {
    int64_t symbols[SYMBOL_MAX] = {batch};
    ck_assert_double_le(program_error(graph, program, symbols, arena), 1e-9);
  }
  arena_destroy(arena);
}
END_TEST

/* Machine code: near the evaluator, and the same bits for any number of threads. */
START_TEST(code_is_as_the_evaluator) {
  static const int32_t threads[] = {0, 1, 2, 3, 8};
  enum { THREAD_COUNTS = sizeof threads / sizeof *threads };
  Arena *arena = arena_create();
  const Graph *graph = with_gradients(small_model(files[_i], arena)->graph, arena);
  const Program *program = build(graph, arena);
  Code code = code_create(program, &(CodegenOptions){.verify = true}, arena);
  int64_t symbols[SYMBOL_MAX] = {3};
  const Value *expected = reference_values(graph, symbols, arena);
  float **output[THREAD_COUNTS];
  for (int n = 0; n < THREAD_COUNTS; n++) output[n] = code_run(&code, symbols, threads[n], arena);
  for (uint32_t k = 0; k < graph->output_count; k++) {
    const Value *value = &expected[graph->output[k].node];
    int64_t count = value_count(value);
    double largest = 1;
    for (int64_t i = 0; i < count; i++) largest = fmax(largest, fabs(value->data[i]));
    for (int64_t i = 0; i < count; i++)
      ck_assert_double_le(fabs(value->data[i] - (double)output[0][k][i]), 1e-4 * largest);
    for (int n = 1; n < THREAD_COUNTS; n++) ck_assert_mem_eq(output[0][k], output[n][k], (size_t)count * sizeof(float));
  }
  code_destroy(&code);
  arena_destroy(arena);
}
END_TEST

/* A block is short enough to be read at a glance. */
START_TEST(file_is_short) {
  FILE *file = fopen(files[_i], "r");
  ck_assert_ptr_nonnull(file);
  int lines = 0;
  for (int c; (c = fgetc(file)) != EOF;) lines += c == '\n';
  fclose(file);
  ck_assert_int_lt(lines, LINE_LIMIT);
}
END_TEST

int main(void) {
  codegen_library(); /* loaded once, before the tests fork */
  find_files();
  Suite *suite = suite_create("examples_scan");
  TCase *examples = tcase_create("examples");
  tcase_set_timeout(examples, 300);
  tcase_add_loop_test(examples, recurrences_fuse, 0, file_count);
  tcase_add_loop_test(examples, gradients_are_right, 0, file_count);
  tcase_add_loop_test(examples, kernels_are_as_the_evaluator, 0, file_count);
  tcase_add_loop_test(examples, code_is_as_the_evaluator, 0, file_count);
  tcase_add_loop_test(examples, file_is_short, 0, file_count);
  suite_add_tcase(suite, examples);
  return suite_run(suite);
}
