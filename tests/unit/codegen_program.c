/* Machine code of whole programs against the reference evaluator: random graphs, forward and backward, with and without
 * fusion, at every vector width. */
#include "passes/lower.h"
#include "passes/pipeline.h"
#include "tests/golden_graph.h"
#include "tests/program_code.h"
#include "tests/random_graph.h"
#include "tests/suite_run.h"

#include <stdlib.h>

enum { GRAPHS = 48, STEPS = 20 };

/* Sums of a few hundred values of moderate size in f32. */
static const double TOLERANCE = 1e-4;

static Arena *arena;

static Program *build(const Graph *graph, bool fuse) {
  static const char *const NO_FUSION[] = {"cse"};
  PipelineOptions options = {.verify = true, .skip = NO_FUSION, .skip_count = fuse ? 0 : 1};
  return program_build(pipeline_run(graph, arena, &options, NULL), arena, NULL);
}

/* Largest difference of any output relative to its largest value or 1; infinite where it is NaN. */
static double worst_error(const Graph *graph, const Value *expected, float *const *found) {
  double worst = 0;
  for (uint32_t k = 0; k < graph->output_count; k++) {
    const Value *value = &expected[graph->output[k].node];
    double largest = 1, difference = 0;
    for (int64_t i = 0; i < value_count(value); i++) {
      largest = fmax(largest, fabs(value->data[i]));
      double here = fabs(value->data[i] - (double)found[k][i]);
      if (isnan(here) && !isnan(value->data[i])) return INFINITY;
      difference = fmax(difference, here);
    }
    worst = fmax(worst, difference / largest);
  }
  return worst;
}

static void fail_with_program(const Program *program, uint64_t seed, int64_t batch, double error) {
  Text text = text_begin(arena);
  program_print(program, &text);
  fprintf(stderr, "%s\n", text.data); /* too long for a message of Check */
  ck_abort_msg("seed %llu, batch %lld: error %g", (unsigned long long)seed, (long long)batch, error);
}

/* The program's code at three batch sizes against the values of `reference`. */
static void check_code(const Program *program, const Graph *reference, uint64_t seed) {
  CodegenOptions options = {.lanes = 4 << seed % 3, .verify = true};
  Code code = code_create(program, &options, arena);
  for (int64_t batch = 1; batch <= 3; batch++) {
    int64_t symbols[SYMBOL_MAX] = {batch};
    const Value *expected = reference_values(reference, symbols, arena);
    float **found = code_run(&code, symbols, 0, arena);
    double error = worst_error(reference, expected, found);
    if (!(error <= TOLERANCE)) fail_with_program(program, seed, batch, error);
  }
  code_destroy(&code);
}

static void check_random(uint64_t seed, bool fuse, const DifferentiateSpec *spec) {
  arena = arena_create();
  Random random = {seed};
  Graph *graph = random_graph(&random, arena, STEPS);
  const Graph *reference = spec ? graph_differentiate(graph, arena, spec) : graph;
  const Program *program = build(reference, fuse);
  check_code(program, reference, seed);
  arena_destroy(arena);
}

START_TEST(random_forward) { check_random((uint64_t)_i / 2 + 1, _i % 2, NULL); }
END_TEST

START_TEST(random_backward) {
  const DifferentiateSpec spec = {.parameters = true, .inputs = true};
  check_random((uint64_t)_i / 2 + 1, _i % 2, &spec);
}
END_TEST

static uint32_t count_ops(const Program *program, OpCode op) {
  uint32_t count = 0;
  for (NodeId id = 1; id <= program->graph->node_count; id++) count += graph_op(program->graph, id) == op;
  return count;
}

/* The adjoint of a long scan starts from checkpoints; the last chunk is shorter. All vector widths. */
START_TEST(long_scan) {
  arena = arena_create();
  static const char *const model[] = {TESTS_FOLDER "/golden/lower/long_scan.ir",
                                      TESTS_FOLDER "/golden/lower/long_scan_reverse.ir"};
  Graph *graph = golden_graph(arena, model[_i % 2]);
  const Graph *reference =
      graph_differentiate(graph, arena, &(DifferentiateSpec){.parameters = true, .inputs = true});
  const Program *program = build(reference, true);
  ck_assert_uint_eq(count_ops(program, OP_RESCAN), 1);
  check_code(program, reference, (uint64_t)_i);
  arena_destroy(arena);
}
END_TEST

int main(void) {
  codegen_library(); /* loaded once, before the tests fork */
  Suite *suite = suite_create("codegen_program");
  TCase *graphs = tcase_create("random graphs");
  tcase_set_timeout(graphs, 300);
  tcase_add_loop_test(graphs, random_forward, 0, 2 * GRAPHS);
  tcase_add_loop_test(graphs, random_backward, 0, GRAPHS);
  tcase_add_loop_test(graphs, long_scan, 0, 6);
  suite_add_tcase(suite, graphs);
  return suite_run(suite);
}
