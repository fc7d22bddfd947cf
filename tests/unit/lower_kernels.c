/* Programs compute what their graphs do: random graphs with every op, with and without fusion, several batch sizes. */
#include "passes/lower.h"
#include "passes/pipeline.h"
#include "tests/program_run.h"
#include "tests/random_graph.h"

#include <check.h>
#include <stdlib.h>

enum { GRAPHS = 400, STEPS = 20 };

static Arena *arena;

static void begin(void) { arena = arena_create(); }
static void end(void) { arena_destroy(arena); }

static const char *const no_fusion[] = {"fuse-scan", "fuse-map"};

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
    if (!(error <= program_tolerance(program))) print_failure(program->graph, program, seed, fuse);
    ck_assert_msg(error <= program_tolerance(program), "seed %llu, batch %lld: error %g", (unsigned long long)seed,
                  (long long)batch, error);
  }
  end();
}

START_TEST(random_forward) { check_random((uint64_t)_i / 2 + 1, _i % 2, NULL); }
END_TEST

START_TEST(random_backward) {
  const DifferentiateSpec spec = {.parameters = true, .inputs = true};
  check_random((uint64_t)_i / 2 + 1, _i % 2, &spec);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("lower_kernels");
  TCase *graphs = tcase_create("random graphs");
  tcase_set_timeout(graphs, 300);
  tcase_add_loop_test(graphs, random_forward, 0, 2 * GRAPHS);
  tcase_add_loop_test(graphs, random_backward, 0, 2 * GRAPHS);
  suite_add_tcase(suite, graphs);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_NORMAL);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
