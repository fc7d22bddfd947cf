/* What --watch-spectra finds in graphs of scans and products, by the evaluator; eigenvalues by LAPACK. */
#include "frontend/driver/spectra_graph.h"
#include "ir/evaluate.h"
#include "runtime/eigenvalues.h"
#include "tests/suite_run.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 2, INPUT_LIMIT = 1 << 14 };

static Arena *arena;

static void begin(void) { arena = arena_create(); }
static void end(void) { arena_destroy(arena); }

static Model *model_of(const char *text) {
  Diagnostics *diagnostics = diagnostics_create(arena);
  FrontendFile *file = frontend_parse(arena, diagnostics, "test.simba", text, strlen(text));
  FrontendOptions options = {0};
  Model *model = file ? frontend_elaborate(file, arena, diagnostics, &options) : NULL;
  Text report = text_begin(arena);
  diagnostics_render(diagnostics, DIAGNOSTIC_HUMAN, false, &report);
  ck_assert_msg(model != NULL, "%.3000s", report.data);
  return model;
}

static Observation *observe(const char *text, const char *glob) {
  return observation_create(model_of(text), glob, arena);
}

/* Values of all nodes, leaves between 0.1 and 1. */
static Value *evaluate(const Graph *graph) {
  const int64_t symbols[SYMBOL_MAX] = {BATCH};
  EvaluateInput *inputs = ARENA_ARRAY(arena, EvaluateInput, graph->node_count + 1);
  double *data = ARENA_ARRAY(arena, double, INPUT_LIMIT);
  uint32_t count = 0;
  for (int i = 0; i < INPUT_LIMIT; i++) data[i] = 0.1 + 0.9 * random_unit(random_word(3, 0, 0, (uint64_t)i, 0));
  for (NodeId id = 1; id <= graph->node_count; id++) {
    if (op_info(graph_op(graph, id))->lowering != LOWER_LEAF || graph_op(graph, id) > OP_STATE) continue;
    inputs[count++] = (EvaluateInput){id, data + id};
  }
  Value *values = ARENA_ARRAY(arena, Value, graph->node_count + 1);
  graph_evaluate(graph, symbols, 0, 0, inputs, count, true, arena, values);
  return values;
}

static const Value *output(const Graph *graph, const Value *values, const char *name) {
  const Output *found = graph_find_output(graph, OUTPUT_VALUE, name);
  ck_assert_msg(found != NULL, "no output %s", name);
  return &values[found->node];
}

static NodeId find(const Graph *graph, OpCode op) {
  for (NodeId id = 1; id <= graph->node_count; id++)
    if (graph_op(graph, id) == op) return id;
  ck_abort_msg("no %s", op_info(op)->name);
  return NODE_NONE;
}

/* The counts and sums of scan 0 are those of its decay [B, T, n] or [2, B, T, n]. */
static void check_scan(const Observation *observation, OpCode op, int64_t time, int64_t n) {
  const Graph *graph = observation->graph;
  const Value *values = evaluate(graph), *decay = &values[graph_operand(graph, find(graph, op), 0)];
  const Value *below = output(graph, values, "0.below"), *sum = output(graph, values, "0.sum");
  const bool complex = op == OP_COMPLEX_SCAN;
  const int64_t part = BATCH * time * n;
  ck_assert_int_eq(value_count(decay), complex ? 2 * part : part);
  ck_assert_int_eq(observation->scan[0].eigenvalues, n);
  ck_assert_int_eq(value_count(below), SPECTRA_EDGES);
  for (int i = 0; i < SPECTRA_EDGES; i++) {
    int64_t count = 0;
    for (int64_t k = 0; k < part; k++)
      count += hypot(decay->data[k], complex ? decay->data[part + k] : 0) <= spectra_edge(i);
    ck_assert_msg(fabs((double)count - below->data[i]) < 0.5, "edge %d: %g, not %lld", i, below->data[i],
                  (long long)count);
  }
  for (int64_t k = 0; k < n; k++) {
    double total = 0;
    for (int64_t row = 0; row < BATCH * time; row++) total += decay->data[row * n + k];
    ck_assert_double_eq_tol(total, sum->data[k], 1e-9);
  }
}

START_TEST(mamba_has_a) {
  const Observation *observation = observe(
      "model m(T = 5, M = 8) {\n  input x: f32[B, T, M]\n  output y: [B, T, M] = mamba(x, d_state = 3) @ one\n}\n",
      NULL);
  ck_assert_int_eq(observation->scan_count, 1);
  ck_assert_str_eq(observation->scan[0].name, "one.A_log");
  ck_assert(observation->scan[0].has_a && !observation->scan[0].complex);
  check_scan(observation, OP_SCAN, 5, 16 * 3);
  const Graph *graph = observation->graph;
  const Value *values = evaluate(graph), *a = output(graph, values, "0.a");
  const Value *log = &values[graph_find_leaf(graph, OP_PARAMETER, "one.A_log")];
  for (int64_t k = 0; k < 16 * 3; k++) ck_assert_double_eq_tol(a->data[k], -exp(log->data[k]), 1e-12);
}
END_TEST

START_TEST(fixed_decay_is_all_a) {
  const Observation *observation = observe(
      "model m(T = 4, E = 3) {\n  input x: f32[B, T, E]\n  param rate: [E] = 1\n"
      "  output y: [B, T, E] = scan(decay = exp(-rate), input = x, over = T)\n}\n",
      NULL);
  const Graph *graph = observation->graph;
  const Value *values = evaluate(graph), *a = output(graph, values, "0.a");
  const Value *rate = &values[graph_find_leaf(graph, OP_PARAMETER, "rate")];
  for (int64_t k = 0; k < 3; k++) ck_assert_double_eq_tol(a->data[k], -rate->data[k], 1e-12);
  check_scan(observation, OP_SCAN, 4, 3);
}
END_TEST

/* A gate is no exponential: there are decays and no A. */
START_TEST(gate_has_no_a) {
  const Observation *observation = observe(
      "model m(T = 4, E = 3) {\n  input x: f32[B, T, E]\n"
      "  output y: [B, T, E] = scan(decay = sigmoid(x), input = x, over = T)\n}\n",
      NULL);
  ck_assert(!observation->scan[0].has_a);
  ck_assert_str_eq(observation->scan[0].name, "scan");
  check_scan(observation, OP_SCAN, 4, 3);
}
END_TEST

START_TEST(complex_decay) {
  const Observation *observation = observe(
      "model m(T = 4, E = 3) {\n  input x: f32[B, T, E]\n  param re: [E] = 1\n  param im: [E] = 1\n"
      "  let h = scan(decay = complex(re, im), input = x, over = T)\n  output y: [B, T, E] = real(h)\n}\n",
      NULL);
  ck_assert(observation->scan[0].complex && !observation->scan[0].has_a);
  check_scan(observation, OP_COMPLEX_SCAN, 4, 3);
}
END_TEST

/* A product of so many factors that looking at each way through them would never end. */
START_TEST(endless_factors) {
  const Observation *observation = observe(
      "model m(T = 4, E = 3) {\n  input x: f32[B, T, E]\n  let f = x\n  for i in 0..60 { let f = f * f }\n"
      "  output y: [B, T, E] = scan(decay = exp(f), input = x, over = T)\n}\n",
      NULL);
  ck_assert_int_eq(observation->scan_count, 1);
  ck_assert(!observation->scan[0].has_a);
}
END_TEST

/* EinFFT's blocks and square layers are matrices; filters, layers that are not square and vectors are not. */
START_TEST(matrices) {
  static const char text[] =
      "model m(T = 6, M = 8) {\n  input x: f32[B, T, M]\n  let x = einfft(x, blocks = 4) @ fft\n"
      "  let x = linear(x, M -> M) @ square\n  let x = linear(x, M -> 2*M) @ wide\n"
      "  let x = linear(x, 2*M -> M) @ narrow\n  let x = conv1d(x, M -> M, over = T, width = M) @ filter\n"
      "  output y: [B, T, M] = depthwise_conv1d(x, over = T, width = M) @ depth\n}\n";
  const Model *model = model_of(text);
  const Observation *observation = observation_create(model, NULL, arena);
  static const char *const names[] = {"fft.complex_weight_1", "fft.complex_weight_2", "square.weight"};
  ck_assert_int_eq(observation->scan_count, 0);
  ck_assert_int_eq(observation->matrix_count, 3);
  for (uint32_t k = 0; k < 3; k++) {
    ck_assert_str_eq(model->parameter[observation->matrix[k].parameter].path, names[k]);
    ck_assert_int_eq(observation->matrix[k].count, k < 2 ? 4 : 1);
    ck_assert_int_eq(observation->matrix[k].size, k < 2 ? 2 : 8);
  }
  ck_assert_int_eq(observation_create(model, "*_2", arena)->matrix_count, 1);
}
END_TEST

START_TEST(eigenvalues) {
  const float turn[] = {0, -1, 1, 0}, zero[4] = {0}, upper[] = {2, 5, 0, 3}, imaginary[] = {1, 7, 0, -4};
  double re[2], im[2];
  simba_error error = {0};
  ck_assert_msg(eigenvalues_load(&error) == SIMBA_OK, "%s", error.message);
  ck_assert_int_eq(eigenvalues_complex(turn, NULL, 2, re, im, &error), SIMBA_OK);
  ck_assert_double_eq_tol(hypot(re[0], re[1]), 0, 1e-12);
  ck_assert_double_eq_tol(im[0], -im[1], 1e-12);
  ck_assert_double_eq_tol(fabs(im[0]), 1, 1e-12);
  ck_assert_int_eq(eigenvalues_complex(turn, zero, 2, re, im, &error), SIMBA_OK);
  ck_assert_double_eq_tol(fabs(im[0]), 1, 1e-12);
  ck_assert_int_eq(eigenvalues_complex(upper, imaginary, 2, re, im, &error), SIMBA_OK); /* 2 + i and 3 - 4 i */
  int first = re[0] < re[1] ? 0 : 1;
  ck_assert_double_eq_tol(re[first], 2, 1e-12);
  ck_assert_double_eq_tol(im[first], 1, 1e-12);
  ck_assert_double_eq_tol(re[1 - first], 3, 1e-12);
  ck_assert_double_eq_tol(im[1 - first], -4, 1e-12);
  const float bad[] = {NAN};
  ck_assert_int_eq(eigenvalues_complex(bad, NULL, 1, re, im, &error), SIMBA_NOT_FINITE);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("driver_spectra");
  TCase *tests = tcase_create("spectra");
  tcase_add_checked_fixture(tests, begin, end);
  tcase_add_test(tests, mamba_has_a);
  tcase_add_test(tests, fixed_decay_is_all_a);
  tcase_add_test(tests, gate_has_no_a);
  tcase_add_test(tests, complex_decay);
  tcase_add_test(tests, endless_factors);
  tcase_add_test(tests, matrices);
  tcase_add_test(tests, eigenvalues);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
