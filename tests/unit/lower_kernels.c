/* Programs compute what their graphs do: random graphs with every op, with and without fusion, several batch sizes. */
#include "passes/lower.h"
#include "passes/pipeline.h"
#include "tests/golden_graph.h"
#include "tests/program_run.h"
#include "tests/random_graph.h"
#include "tests/suite_run.h"

#include <check.h>
#include <dirent.h>
#include <stdlib.h>

enum { GRAPHS = 400, STEPS = 20 };

static Arena *arena;

static void begin(void) { arena = arena_create(); }
static void end(void) { arena_destroy(arena); }

static const char *const no_fusion[] = {"scan-fusion", "map-fusion"};

static Program *build(const Graph *graph, bool fuse) {
  PipelineOptions options = {.verify = true};
  if (!fuse) {
    options.skip = no_fusion;
    options.skip_count = 2;
  }
  return program_build(pipeline_run(graph, arena, &options, NULL), arena, NULL);
}

static void print_failure(const Graph *graph, const Program *program, uint64_t seed, bool fuse) {
  Text text = text_begin(arena);
  graph_print(graph, &text);
  program_print(program, &text);
  fprintf(stderr, "%s\nseed %llu, fusion %d\n", text.data, (unsigned long long)seed, fuse);
}

static void check_random(uint64_t seed, bool fuse, const DifferentiateSpec *spec) {
  begin();
  Random random = {seed};
  Graph *graph = random_graph(&random, arena, STEPS);
  const Graph *reference = spec ? graph_differentiate(graph, arena, spec) : graph;
  Program *program = build(reference, fuse);
  for (int64_t batch = 1; batch <= 3; batch++) {
    int64_t symbols[SYMBOL_MAX] = {batch};
    double error = program_error(reference, program, symbols, arena);
    if (!(error <= program_tolerance())) print_failure(program->graph, program, seed, fuse);
    ck_assert_msg(error <= program_tolerance(), "seed %llu, batch %lld: error %g", (unsigned long long)seed,
                  (long long)batch, error);
  }
  end();
}

/* Graphs that once went wrong: largest values over channel tiles, a value stored where only a slice of it was read. */
static const uint64_t regressions[] = {458, 484, 2364, 2445, 2491, 2493, 2728, 2834, 3548, 3599, 3856};
enum { REGRESSIONS = sizeof regressions / sizeof *regressions };

START_TEST(regression_computes) {
  const DifferentiateSpec spec = {.parameters = true, .inputs = true};
  check_random(regressions[_i], true, NULL);
  check_random(regressions[_i], true, &spec);
}
END_TEST

START_TEST(random_forward) { check_random((uint64_t)_i / 2 + 1, _i % 2, NULL); }
END_TEST

START_TEST(random_backward) {
  const DifferentiateSpec spec = {.parameters = true, .inputs = true};
  check_random((uint64_t)_i / 2 + 1, _i % 2, &spec);
}
END_TEST

/* Whole models as the front end makes them: Mamba, EinFFT, a forecaster, complex products, states, ... */
enum { MODEL_LIMIT = 64 };
static char models[MODEL_LIMIT][512];
static int model_count;

static void find_models(void) {
  const char *folder = TESTS_FOLDER "/golden/lower";
  DIR *directory = opendir(folder);
  if (!directory) return;
  for (const struct dirent *entry; (entry = readdir(directory)) && model_count < MODEL_LIMIT;) {
    size_t length = strlen(entry->d_name);
    if (length < 4 || strcmp(entry->d_name + length - 3, ".ir") != 0) continue;
    snprintf(models[model_count++], sizeof models[0], "%s/%.200s", folder, entry->d_name);
  }
  closedir(directory);
}

static bool has_loss(const Graph *graph) {
  for (uint32_t k = 0; k < graph->output_count; k++) {
    if (graph->output[k].kind == OUTPUT_LOSS) return true;
  }
  return false;
}

/* The largest scan with channels and inner states: [B, T, E, N]; 0 where there is none. */
static int64_t full_space(const Graph *graph, const int64_t *symbols) {
  int64_t largest = 0;
  for (NodeId id = 1; id <= graph->node_count; id++) {
    int64_t count = shape_value_count(graph_shape(graph, id), symbols);
    if (graph_op(graph, id) == OP_SCAN && graph_shape(graph, id)->rank == 4 && count > largest) largest = count;
  }
  return largest;
}

/* Forward and backward; no tensor of a scan's full space [B, T, E, N] is in a fused program. */
START_TEST(model_computes) {
  begin();
  Graph *graph = golden_graph(arena, models[_i / 2]);
  bool fuse = _i % 2;
  if (has_loss(graph))
    graph = graph_differentiate(graph, arena, &(DifferentiateSpec){.parameters = true, .inputs = true});
  Program *program = build(graph, fuse);
  int64_t symbols[SYMBOL_MAX] = {2, 2, 2, 2};
  double error = program_error(graph, program, symbols, arena);
  ck_assert_msg(error <= 20 * program_tolerance(), "%s: error %g", models[_i / 2], error);
  int64_t full = full_space(graph, symbols);
  for (BufferId b = 0; b < program->buffer_count && fuse && full > 0; b++) {
    ck_assert_int_ne(dim_value(program->buffer[b].count, symbols), full);
  }
  end();
}
END_TEST

/* f32 does not tell an index from its neighbours above 2^24, only on which side of 0 it is. */
START_TEST(large_indices_are_compared_with_zero) {
  begin();
  Graph *graph = graph_create(arena, "large");
  int64_t half = (INT64_C(1) << 25) + 1;
  NodeId x = graph_leaf(graph, OP_INPUT, "x", &(Shape){1, {dim_constant(half)}});
  NodeId y = graph_pad(graph, graph_unary(graph, OP_ABSOLUTE, x), 0, 1, 2);
  graph_add_output(graph, OUTPUT_VALUE, "y", y, NODE_NONE);
  const Program *program = build(graph, true);
  for (uint32_t k = 0; k < program->kernel_count; k++) {
    for (uint32_t e = 0; e < program->kernel[k]->expr_count; e++)
      ck_assert_double_le(fabs(program->kernel[k]->expr[e].value), 0x1p24);
  }
  end();
}
END_TEST

/* A single window moves nowhere, so it does not matter how far. */
START_TEST(single_window_with_a_huge_stride) {
  begin();
  Graph *graph = graph_create(arena, "window");
  NodeId x = graph_leaf(graph, OP_INPUT, "x", &(Shape){3, {dim_constant(1), dim_constant(3), dim_constant(2)}});
  graph_add_output(graph, OUTPUT_VALUE, "y", graph_unwindow(graph, x, 0, 4, INT64_C(1) << 40), NODE_NONE);
  int64_t symbols[SYMBOL_MAX] = {1};
  ck_assert_double_le(program_error(graph, build(graph, true), symbols, arena), 0);
  end();
}
END_TEST

int main(void) {
  find_models();
  Suite *suite = suite_create("lower_kernels");
  TCase *graphs = tcase_create("random graphs");
  tcase_set_timeout(graphs, 300);
  tcase_add_loop_test(graphs, random_forward, 0, 2 * GRAPHS);
  tcase_add_loop_test(graphs, random_backward, 0, 2 * GRAPHS);
  tcase_add_loop_test(graphs, regression_computes, 0, REGRESSIONS);
  tcase_add_loop_test(graphs, model_computes, 0, 2 * model_count);
  tcase_add_test(graphs, large_indices_are_compared_with_zero);
  tcase_add_test(graphs, single_window_with_a_huge_stride);
  suite_add_tcase(suite, graphs);
  return suite_run(suite);
}
