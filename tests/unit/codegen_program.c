/* Machine code of whole programs against the reference evaluator: random graphs, forward and backward, with and without
 * fusion, at every vector width. */
#include "codegen/codegen.h"
#include "passes/lower.h"
#include "passes/pipeline.h"
#include "tests/codegen_library.h"
#include "tests/program_run.h"
#include "tests/random_graph.h"

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

static void *aligned_block(size_t bytes) {
  char *memory = arena_allocate(arena, bytes + 64);
  return memory + (64 - (uintptr_t)memory % 64) % 64;
}

static float **float_bindings(const Binding *bindings, uint32_t count, const int64_t *symbols) {
  float **data = ARENA_ARRAY(arena, float *, count + 1);
  for (uint32_t k = 0; k < count; k++) {
    int64_t size = shape_value_count(&bindings[k].shape, symbols);
    double *values = leaf_data(bindings[k].name, &bindings[k].shape, symbols, arena);
    data[k] = ARENA_ARRAY(arena, float, size + 1);
    for (int64_t i = 0; i < size; i++) data[k][i] = (float)values[i];
  }
  return data;
}

/* All bits set is a NaN: what is read before it is written shows. */
static void *nan_bytes(const Linear *bytes, const int64_t *symbols) {
  size_t size = (size_t)linear_value(bytes, symbols);
  void *block = aligned_block(size);
  memset(block, 0xff, size);
  return block;
}

static float **run_code(const Program *program, simba_entry *prepare, simba_entry *run, size_t scratch_bytes,
                        const int64_t *symbols) {
  float **output = float_bindings(program->output, program->output_count, symbols);
  simba_call call = {
      .seed = PROGRAM_SEED,
      .step = PROGRAM_STEP,
      .input = (const float *const *)float_bindings(program->input, program->input_count, symbols),
      .output = output,
      .parameter = (const float *const *)float_bindings(program->parameter, program->parameter_count, symbols),
      .state = (const float *const *)float_bindings(program->state, program->state_count, symbols),
      .prepared = nan_bytes(&program->prepared_bytes, symbols),
      .arena = nan_bytes(&program->arena_bytes, symbols),
      .scratch = aligned_block(scratch_bytes)};
  memcpy(call.symbol, symbols, sizeof call.symbol);
  ck_assert_int_eq(prepare(&call), 0);
  ck_assert_int_eq(run(&call), 0);
  return output;
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
  const CodegenApi *api = codegen_library();
  CodegenOptions options = {.lanes = 4 << seed % 3, .verify = true};
  CodegenObjects objects;
  CodegenImage *image;
  simba_entry *prepare, *run;
  const char *message = "";
  if (api->compile(program, "net", &options, arena, &objects, &message)) ck_abort_msg("%s", message);
  if (api->load(&objects, "net", arena, &image, &prepare, &run, &message)) ck_abort_msg("%s", message);
  for (int64_t batch = 1; batch <= 3; batch++) {
    int64_t symbols[SYMBOL_MAX] = {batch};
    const Value *expected = reference_values(reference, symbols, arena);
    float **found = run_code(program, prepare, run, objects.scratch_bytes, symbols);
    double error = worst_error(reference, expected, found);
    if (!(error <= TOLERANCE)) fail_with_program(program, seed, batch, error);
  }
  api->unload(image);
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

int main(void) {
  Suite *suite = suite_create("codegen_program");
  TCase *graphs = tcase_create("random graphs");
  tcase_set_timeout(graphs, 300);
  tcase_add_loop_test(graphs, random_forward, 0, 2 * GRAPHS);
  tcase_add_loop_test(graphs, random_backward, 0, GRAPHS);
  suite_add_tcase(suite, graphs);
  SRunner *runner = srunner_create(suite);
  srunner_run_all(runner, CK_ENV);
  int failed = srunner_ntests_failed(runner);
  srunner_free(runner);
  return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
