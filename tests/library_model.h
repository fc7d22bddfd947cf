/* Models written as text in a test, evaluated in float64: the library's blocks against values known by hand. Everything
 * lives from setup() to teardown(), a checked fixture. */
#ifndef SIMBAC_TESTS_LIBRARY_MODEL_H
#define SIMBAC_TESTS_LIBRARY_MODEL_H

#include "frontend/frontend.h"
#include "ir/evaluate.h"

#include <check.h>
#include <string.h>

enum { LEAF_LIMIT = 32 };
static const double TOLERANCE = 1e-12;

static Arena *arena;
static Diagnostics *diagnostics;

static inline void setup(void) {
  arena = arena_create();
  diagnostics = diagnostics_create(arena);
}

static inline void teardown(void) { arena_destroy(arena); }

static inline Model *need_model(FrontendFile *file, const FrontendOptions *options) {
  Model *model = file ? frontend_elaborate(file, arena, diagnostics, options) : NULL;
  Text report = text_begin(arena);
  diagnostics_render(diagnostics, DIAGNOSTIC_HUMAN, false, &report);
  ck_assert_msg(model != NULL, "%.3000s", report.data);
  return model;
}

static inline Model *build(const char *text, bool training) {
  FrontendFile *file = frontend_parse(arena, diagnostics, "test.simba", text, strlen(text));
  return need_model(file, &(FrontendOptions){.training = training});
}

/* All values; leaves get `data` in the order of their nodes, the batch is `batch`. */
static inline Value *run_step(const Graph *graph, int64_t batch, uint64_t step, const double *const *data) {
  EvaluateInput input[LEAF_LIMIT];
  uint32_t count = 0;
  for (NodeId id = 1; id <= graph->node_count; id++) {
    OpCode op = graph_op(graph, id);
    if (op != OP_INPUT && op != OP_PARAMETER && op != OP_STATE) continue;
    ck_assert_uint_lt(count, LEAF_LIMIT);
    input[count] = (EvaluateInput){id, data[count]};
    count++;
  }
  Value *values = ARENA_ARRAY(arena, Value, graph->node_count + 1);
  graph_evaluate(graph, &batch, 7, step, input, count, false, arena, values);
  return values;
}

static inline Value *run(const Graph *graph, int64_t batch, const double *const *data) {
  return run_step(graph, batch, 3, data);
}

static inline Value output(const Graph *graph, const Value *values, const char *name) {
  const Output *found = graph_find_output(graph, OUTPUT_VALUE, name);
  ck_assert_msg(found != NULL, "no output %s", name);
  return values[found->node];
}

static inline void check_values(Value value, const double *expected, int64_t count) {
  ck_assert_int_eq(value_count(&value), count);
  for (int64_t i = 0; i < count; i++) ck_assert_double_eq_tol(value.data[i], expected[i], TOLERANCE);
}

#define LIST(...) ((const double[]){__VA_ARGS__})
#define DATA(...) ((const double *const[]){__VA_ARGS__})
#define CHECK_VALUES(value, ...) check_values(value, LIST(__VA_ARGS__), sizeof(LIST(__VA_ARGS__)) / sizeof(double))

#endif
