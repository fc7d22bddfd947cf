/* Rematerialisation: programs fit their budgets down to the least one, compute what they would without, and give the
 * same bits as machine code. */
#include "frontend/driver/compiler.h"
#include "passes/lower.h"
#include "passes/pipeline.h"
#include "tests/program_code.h"
#include "tests/random_graph.h"
#include "tests/suite_run.h"

#include <stdio.h>
#include <stdlib.h>

enum { GRAPHS = 120, CODE_GRAPHS = 16, STEPS = 20, BATCH = 3, SETTINGS = 6 };

static Arena *arena;

static void begin(void) { arena = arena_create(); }
static void end(void) { arena_destroy(arena); }

static const DifferentiateSpec everything = {.parameters = true, .inputs = true};

/* The program of a graph for `batch` under a budget (0: none). */
static const Program *build(const Graph *graph, const DifferentiateSpec *spec, int64_t batch, int64_t budget) {
  PipelineOptions options = {.verify = true, .differentiate = spec, .memory_budget = budget, .batch = batch};
  return program_build(pipeline_run(graph, arena, &options, NULL), arena, &(LowerOptions){.batch = batch});
}

static int64_t bytes_of(const Program *program, int64_t batch) {
  return linear_value(&program->arena_bytes, (int64_t[SYMBOL_MAX]){batch, batch, batch, batch});
}

static void check_same_bits(const Program *a, const Program *b, const char *what) {
  int64_t symbols[SYMBOL_MAX] = {BATCH};
  Code first = code_create(a, &(CodegenOptions){0}, arena), second = code_create(b, &(CodegenOptions){0}, arena);
  float **expected = code_run(&first, symbols, 0, arena), **found = code_run(&second, symbols, 0, arena);
  ck_assert_uint_eq(a->output_count, b->output_count);
  for (uint32_t k = 0; k < a->output_count; k++) {
    size_t count = (size_t)shape_value_count(&a->output[k].shape, symbols);
    ck_assert_str_eq(a->output[k].name, b->output[k].name);
    ck_assert_msg(memcmp(expected[k], found[k], count * sizeof(float)) == 0, "%s: output %s has other bits", what,
                  a->output[k].name);
  }
  code_destroy(&first);
  code_destroy(&second);
}

/* ---- Models ---- */

typedef struct Case {
  simba_setting setting[SETTINGS]; /* of the forecaster, up to the first without a name */
} Case;

#define SMALL \
  {"d_model", "16"}, {"lookback", "24"}, {"horizon", "5"}, { "channels", "3" }

static const Case cases[] = {
    {{SMALL, {"embed", "patch"}}},
    {{SMALL, {"embed", "time"}}},
    {{SMALL, {"embed", "inverted"}, {"mixer", "mlp"}}},
    {{SMALL, {"embed", "time"}, {"mixer", "einfft_tokens"}}},
    {{{"d_model", "20"}, {"lookback", "37"}, {"embed", "time"}, {"channels", "3"}}},
};
enum { CASES = sizeof cases / sizeof *cases };

static const Graph *training_graph(const Case *from, Compiler **out_compiler) {
  CompilerOptions options = {.setting = from->setting};
  while (options.setting_count < SETTINGS && from->setting[options.setting_count].name) options.setting_count++;
  Model *model;
  simba_error error = {0};
  simba_status status = compiler_open(TESTS_FOLDER "/../examples/forecaster.simba", &options, out_compiler, &error);
  if (status == SIMBA_OK) status = compiler_model(*out_compiler, true, &model, &error);
  ck_assert_msg(status == SIMBA_OK, "%s", error.message);
  return model->graph;
}

/* Two thirds of what the step takes is enough for every form of the forecaster; the least budget that is said to do does, and
 * all bits are those of a run without one. */
START_TEST(models_fit) {
  begin();
  Compiler *compiler = NULL;
  const Graph *graph = training_graph(&cases[_i], &compiler);
  const Program *whole = build(graph, &everything, BATCH, 0), *least = build(graph, &everything, BATCH, 1);
  int64_t most_bytes = bytes_of(whole, BATCH), least_bytes = bytes_of(least, BATCH);
  ck_assert_int_le(least_bytes, most_bytes * 2 / 3);
  ck_assert_int_le(bytes_of(build(graph, &everything, BATCH, least_bytes), BATCH), least_bytes);
  ck_assert_int_eq(bytes_of(build(graph, &everything, BATCH, most_bytes), BATCH), most_bytes);
  check_same_bits(whole, least, "the least budget");
  int64_t between = (most_bytes + least_bytes) / 2;
  const Program *program = build(graph, &everything, BATCH, between);
  ck_assert_int_le(bytes_of(program, BATCH), between);
  compiler_close(compiler);
  end();
}
END_TEST

/* ---- Random graphs ---- */

START_TEST(random_graphs_compute) {
  begin();
  Random random = {(uint64_t)_i + 1};
  Graph *graph = random_graph(&random, arena, STEPS);
  if (_i % 2) graph = graph_differentiate(graph, arena, &everything);
  int64_t symbols[SYMBOL_MAX] = {BATCH};
  const Program *whole = build(graph, NULL, BATCH, 0), *program = build(graph, NULL, BATCH, 1);
  ck_assert_int_le(bytes_of(program, BATCH), bytes_of(whole, BATCH));
  double error = program_error(graph, program, symbols, arena);
  ck_assert_msg(error <= program_tolerance(), "graph %d: error %g", _i, error);
  end();
}
END_TEST

START_TEST(random_graphs_keep_bits) {
  begin();
  Random random = {(uint64_t)_i + 1};
  const Graph *graph = graph_differentiate(random_graph(&random, arena, STEPS), arena, &everything);
  char what[32];
  snprintf(what, sizeof what, "graph %d", _i);
  check_same_bits(build(graph, NULL, BATCH, 0), build(graph, NULL, BATCH, 1), what);
  end();
}
END_TEST

int main(void) {
  codegen_library(); /* loaded once, before the tests fork */
  Suite *suite = suite_create("rematerialise");
  TCase *budgets = tcase_create("budgets");
  tcase_set_timeout(budgets, 300);
  tcase_add_loop_test(budgets, models_fit, 0, CASES);
  tcase_add_loop_test(budgets, random_graphs_compute, 0, GRAPHS);
  tcase_add_loop_test(budgets, random_graphs_keep_bits, 0, CODE_GRAPHS);
  suite_add_tcase(suite, budgets);
  return suite_run(suite);
}
