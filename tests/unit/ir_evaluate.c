/* The reference evaluator: every op on small data whose result is known. */
#include "ir/evaluate.h"
#include "ir/guard.h"
#include "tests/random_values.h"
#include "tests/suite_run.h"

#include <Random123/philox.h>
#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const int64_t SYMBOLS[SYMBOL_MAX] = {2};

typedef struct Case {
  OpCode op;
  const char *text;     /* of the graph's nodes; %y is the result */
  double inputs[4][12]; /* of inputs "a", "b", "c", "d" */
  uint32_t count;
  double expected[16];
} Case;

#define IN(name, shape) "%" #name " = input {name = \"" #name "\", shape = [" shape "]}\n"
#define ONE_TO_12 \
  { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 }

static const Case cases[] = {
    {OP_INPUT, IN(a, "B") "%y = copy(%a)", {{5, 6}}, 2, {5, 6}},
    {OP_CONSTANT, "%y = constant {value = -2.5}", {{0}}, 1, {-2.5}},
    {OP_INDEX, "%y = index {extent = [2*B]}", {{0}}, 4, {0, 1, 2, 3}},
    {OP_EXTENT, "%y = extent {extent = [3*B]}", {{0}}, 1, {6}},
    {OP_NEGATE, IN(a, "3") "%y = negate(%a)", {{-1, 0.5, 2}}, 3, {1, -0.5, -2}},
    {OP_ABSOLUTE, IN(a, "3") "%y = absolute(%a)", {{-1, 0, 2}}, 3, {1, 0, 2}},
    {OP_SIGN, IN(a, "3") "%y = sign(%a)", {{-3, 0, 5}}, 3, {-1, 0, 1}},
    {OP_EXP, IN(a, "3") "%y = exp(%a)", {{0, 1, -1}}, 3, {1, 2.718281828459045, 0.36787944117144233}},
    {OP_EXP2, IN(a, "3") "%y = exp2(%a)", {{0, 1.5, -2}}, 3, {1, 2.8284271247461903, 0.25}},
    {OP_LOG, IN(a, "3") "%y = log(%a)", {{1, 2, 10}}, 3, {0, 0.6931471805599453, 2.302585092994046}},
    {OP_SQRT, IN(a, "3") "%y = sqrt(%a)", {{0, 4, 2}}, 3, {0, 2, 1.4142135623730951}},
    {OP_RSQRT, IN(a, "3") "%y = rsqrt(%a)", {{1, 4, 0.25}}, 3, {1, 0.5, 2}},
    {OP_TANH, IN(a, "3") "%y = tanh(%a)", {{0, 1, -40}}, 3, {0, 0.7615941559557649, -1}},
    {OP_SIGMOID, IN(a, "3") "%y = sigmoid(%a)", {{0, 2, -1000}}, 3, {0.5, 0.8807970779778823, 0}},
    {OP_SOFTPLUS, IN(a, "3") "%y = softplus(%a)", {{0, 1000, -1000}}, 3, {0.6931471805599453, 1000, 0}},
    {OP_ERF, IN(a, "3") "%y = erf(%a)", {{0, 1, -0.5}}, 3, {0, 0.8427007929497149, -0.5204998778130465}},
    {OP_ADD, IN(a, "3") IN(b, "3") "%y = add(%a, %b)", {{1, 2, -3}, {4, -5, 6}}, 3, {5, -3, 3}},
    {OP_SUBTRACT, IN(a, "3") IN(b, "3") "%y = subtract(%a, %b)", {{1, 2, -3}, {4, -5, 6}}, 3, {-3, 7, -9}},
    {OP_MULTIPLY, IN(a, "3") IN(b, "3") "%y = multiply(%a, %b)", {{1, 2, -3}, {4, -5, 6}}, 3, {4, -10, -18}},
    {OP_DIVIDE, IN(a, "3") IN(b, "3") "%y = divide(%a, %b)", {{1, 2, -3}, {4, -5, 6}}, 3, {0.25, -0.4, -0.5}},
    {OP_MAXIMUM, IN(a, "3") IN(b, "3") "%y = maximum(%a, %b)", {{1, 2, -3}, {2, 2, -6}}, 3, {2, 2, -3}},
    {OP_MINIMUM, IN(a, "3") IN(b, "3") "%y = minimum(%a, %b)", {{1, 2, -3}, {2, 2, -6}}, 3, {1, 2, -6}},
    {OP_LESS, IN(a, "3") IN(b, "3") "%y = less(%a, %b)", {{1, 2, 3}, {2, 2, 1}}, 3, {1, 0, 0}},
    {OP_LESS_EQUAL, IN(a, "3") IN(b, "3") "%y = less_equal(%a, %b)", {{1, 2, 3}, {2, 2, 1}}, 3, {1, 1, 0}},
    {OP_EQUAL, IN(a, "3") IN(b, "3") "%y = equal(%a, %b)", {{1, 2, 3}, {2, 2, 1}}, 3, {0, 1, 0}},
    {OP_SELECT,
     IN(a, "3") IN(b, "3") IN(c, "3") "%y = select(%a, %b, %c)",
     {{0, 1, -2}, {1, 2, 3}, {4, 5, 6}},
     3,
     {4, 2, 3}},
    {OP_DETACH, IN(a, "2") "%y = detach(%a)", {{3, -4}}, 2, {3, -4}},
    {OP_COPY, IN(a, "2") "%y = copy(%a)", {{3, -4}}, 2, {3, -4}},
    {OP_BROADCAST, IN(a, "2") "%y = broadcast(%a) {shape = [3, 2], axes = [1]}", {{1, 2}}, 6, {1, 2, 1, 2, 1, 2}},
    {OP_BROADCAST, IN(a, "B") "%y = broadcast(%a) {shape = [B, 3], axes = [0]}", {{1, 2}}, 6, {1, 1, 1, 2, 2, 2}},
    {OP_RESHAPE, IN(a, "2, 3") "%y = reshape(%a) {shape = [3, 1, 2]}", {ONE_TO_12}, 6, {1, 2, 3, 4, 5, 6}},
    {OP_PERMUTE, IN(a, "2, 3") "%y = permute(%a) {axes = [1, 0]}", {ONE_TO_12}, 6, {1, 4, 2, 5, 3, 6}},
    {OP_PERMUTE,
     IN(a, "2, 2, 3") "%y = permute(%a) {axes = [2, 0, 1]}",
     {ONE_TO_12},
     12,
     {1, 4, 7, 10, 2, 5, 8, 11, 3, 6, 9, 12}},
    {OP_SLICE, IN(a, "2, 3") "%y = slice(%a) {axis = 1, start = 1, size = 2}", {ONE_TO_12}, 4, {2, 3, 5, 6}},
    {OP_SLICE, IN(a, "2, 3") "%y = slice(%a) {axis = 0, start = 1, size = 1}", {ONE_TO_12}, 3, {4, 5, 6}},
    {OP_REVERSE, IN(a, "2, 3") "%y = reverse(%a) {axis = 1}", {ONE_TO_12}, 6, {3, 2, 1, 6, 5, 4}},
    {OP_REVERSE, IN(a, "B, 3") "%y = reverse(%a) {axis = 0}", {ONE_TO_12}, 6, {4, 5, 6, 1, 2, 3}},
    {OP_WINDOW, IN(a, "5") "%y = window(%a) {axis = 0, size = 3, stride = 2}", {ONE_TO_12}, 6, {1, 2, 3, 3, 4, 5}},
    {OP_WINDOW,
     IN(a, "3, 2") "%y = window(%a) {axis = 0, size = 2, stride = 1}",
     {ONE_TO_12},
     8,
     {1, 2, 3, 4, 3, 4, 5, 6}},
    {OP_UNWINDOW,
     IN(a, "2, 3") "%y = unwindow(%a) {axis = 0, extent = 6, stride = 2}",
     {ONE_TO_12},
     6,
     {1, 2, 7, 5, 6, 0}},
    {OP_UNWINDOW,
     IN(a, "2, 2, 2") "%y = unwindow(%a) {axis = 0, extent = 3, stride = 1}",
     {ONE_TO_12},
     6,
     {1, 2, 8, 10, 7, 8}},
    {OP_PAD,
     IN(a, "2, 2") "%y = pad(%a) {axis = 1, low = 1, high = 2}",
     {ONE_TO_12},
     10,
     {0, 1, 2, 0, 0, 0, 3, 4, 0, 0}},
    {OP_CONCAT,
     IN(a, "2, 2") IN(b, "2, 1") "%y = concat(%a, %b) {axis = 1}",
     {ONE_TO_12, {9, 8}},
     6,
     {1, 2, 9, 3, 4, 8}},
    {OP_DELAY, IN(a, "3") "%y = delay(%a) {axis = 0, reverse = 0}", {ONE_TO_12}, 3, {0, 1, 2}},
    {OP_DELAY,
     IN(a, "2, 3") IN(b, "2") "%y = delay(%a, %b) {axis = 1, reverse = 1}",
     {ONE_TO_12, {7, 8}},
     6,
     {2, 3, 7, 5, 6, 8}},
    {OP_DELAY,
     IN(a, "2, 3") IN(b, "3") "%y = delay(%a, %b) {axis = 0, reverse = 0}",
     {ONE_TO_12, {7, 8, 9}},
     6,
     {7, 8, 9, 1, 2, 3}},
    {OP_REDUCE_SUM, IN(a, "2, 3") "%y = reduce_sum(%a) {axes = [0]}", {ONE_TO_12}, 3, {5, 7, 9}},
    {OP_REDUCE_SUM, IN(a, "2, 3") "%y = reduce_sum(%a) {axes = [0, 1]}", {ONE_TO_12}, 1, {21}},
    {OP_REDUCE_SUM, IN(a, "2, 2, 3") "%y = reduce_sum(%a) {axes = [0, 2]}", {ONE_TO_12}, 2, {30, 48}},
    {OP_REDUCE_MAX, IN(a, "2, 3") "%y = reduce_max(%a) {axes = [1]}", {{-1, -5, -3, -2, -9, -3}}, 2, {-1, -2}},
    {OP_CONTRACT,
     IN(a, "2, 3") IN(b, "3, 2") "%y = contract(%a, %b) {labels = \"ab,bc->ac\"}",
     {ONE_TO_12, ONE_TO_12},
     4,
     {22, 28, 49, 64}},
    {OP_CONTRACT,
     IN(a, "3") IN(b, "2") "%y = contract(%a, %b) {labels = \"a,b->ba\"}",
     {{1, 2, 3}, {4, 5}},
     6,
     {4, 8, 12, 5, 10, 15}},
    {OP_CONTRACT,
     IN(a, "2, 3") IN(b, "2, 3") "%y = contract(%a, %b) {labels = \"ka,ka->k\"}",
     {ONE_TO_12, {1, 0, 2, 0, 1, 1}},
     2,
     {7, 11}},
    {OP_CONTRACT,
     IN(a, "2, 3") IN(b, "3, 2") "%y = contract(%a, %b) {labels = \"ab,ba->\"}",
     {ONE_TO_12, {1, 0, 2, 0, 1, 1}},
     1,
     {1 + 2 * 2 + 3 * 1 + 0 + 0 + 6}},
    {OP_CHECKPOINT,
     IN(a, "5") "%y = checkpoint(%a) {axis = 0, reverse = 0, steps = 2, last = 0}",
     {ONE_TO_12},
     3,
     {0, 2, 4}},
    {OP_CHECKPOINT,
     IN(a, "5, 2") IN(b, "2") "%y = checkpoint(%a, %b) {axis = 0, reverse = 1, steps = 3, last = 0}",
     {ONE_TO_12, {-1, -2}},
     4,
     {-1, 5, -2, 6}},
    {OP_CHECKPOINT,
     IN(a, "2, 3, 2") "%y = checkpoint(%a) {axis = 1, reverse = 0, steps = 2, last = 0}",
     {ONE_TO_12},
     8,
     {0, 0, 0, 0, 3, 9, 4, 10}},
    {OP_RESCAN,
     IN(a, "4") IN(b, "4") IN(c, "2") "%y = rescan(%a, %b, %c) {axis = 0, reverse = 0, steps = 2, last = 0}",
     {{2, 3, 4, 5}, {1, 1, 1, 1}, {10, 100}},
     4,
     {21, 64, 401, 2006}},
    {OP_RESCAN,
     IN(a, "3") IN(b, "3") IN(c, "2") "%y = rescan(%a, %b, %c) {axis = 0, reverse = 1, steps = 2, last = 0}",
     {{2, 3, 4}, {1, 1, 1}, {10, 100}},
     3,
     {201, 124, 41}},
    {OP_COMPLEX_SCAN, /* h = 1 + i, then (1 + 2i)(1 + i) + 2 = 1 + 3i */
     IN(a, "2, 2") IN(b, "2, 2") "%y = complex_scan(%a, %b) {axis = 1, reverse = 0, late = 0}",
     {{7, 1, 7, 2}, {1, 2, 1, 0}},
     4,
     {1, 1, 1, 3}},
    {OP_COMPLEX_SCAN, /* from i at the end: h[1] = i + 1, c = (1 + 2i) h[1] = -1 + 3i, h[0] = c + 1 + i */
     IN(a, "2, 2") IN(b, "2, 2") IN(c, "2") "%y = complex_scan(%a, %b, %c) {axis = 1, reverse = 1, late = 1}",
     {{7, 1, 7, 2}, {1, 1, 1, 0}, {0, 1}},
     4,
     {0, 1, 4, 1}},
    {OP_SCAN_PART,
     IN(a, "2") IN(b, "2") IN(c, "2")
         IN(d, "2") "%y = scan_part(%a, %b, %c, %d) {axis = 0, reverse = 0, late = 0, part = 1}",
     {{7, 1}, {7, 2}, {1, 2}, {1, 0}},
     2,
     {1, 3}},
    {OP_RESCAN_PART, /* every step from a checkpoint of its own, in the order in which they run: 2 + i, then i */
     IN(a, "2") IN(b, "2") IN(c, "2") IN(d, "2") "%y = rescan_part(%a, %b, %a, %b, %c, %d) "
                                                 "{axis = 0, reverse = 1, steps = 1, last = 0, part = 0}",
     {{1, 3}, {2, 4}, {2, 0}, {1, 1}},
     2,
     {-1, 5}},
    {OP_SCAN,
     IN(a, "3") IN(b, "3") "%y = scan(%a, %b) {axis = 0, reverse = 0, late = 0}",
     {{0.5, 2, 3}, {1, 1, 1}},
     3,
     {1, 3, 10}},
    {OP_SCAN,
     IN(a, "3") IN(b, "3") IN(c, "") "%y = scan(%a, %b, %c) {axis = 0, reverse = 0, late = 0}",
     {{0.5, 2, 3}, {1, 1, 1}, {4}},
     3,
     {3, 7, 22}},
    {OP_SCAN,
     IN(a, "3") IN(b, "3") IN(c, "") "%y = scan(%a, %b, %c) {axis = 0, reverse = 1, late = 0}",
     {{0.5, 2, 3}, {1, 1, 1}, {4}},
     3,
     {14.5, 27, 13}},
    {OP_SCAN,
     IN(a, "3") IN(b, "3") IN(c, "") "%y = scan(%a, %b, %c) {axis = 0, reverse = 0, late = 1}",
     {{0.5, 2, 3}, {1, 1, 1}, {4}},
     3,
     {5, 3.5, 8}},
    {OP_SCAN,
     IN(a, "3") IN(b, "3") "%y = scan(%a, %b) {axis = 0, reverse = 1, late = 1}",
     {{0.5, 2, 3}, {1, 1, 1}},
     3,
     {9, 4, 1}},
    {OP_SCAN,
     IN(a, "B, 2, 2") IN(b, "B, 2, 2") "%y = scan(%a, %b) {axis = 1, reverse = 0, late = 0}",
     {{2, 2, 2, 2, 2, 2, 2, 2}, ONE_TO_12},
     8,
     {1, 2, 5, 8, 5, 6, 17, 20}},
    {OP_DFT,
     IN(a, "4") "%y = dft(%a) {axes = [0], inverse = 0, form = 1, scale = 1, extent = 0}",
     {ONE_TO_12},
     8,
     {10, -2, -2, -2, 0, 2, 0, -2}},
    {OP_DFT,
     IN(a, "2, 2") "%y = dft(%a) {axes = [0], inverse = 0, form = 0, scale = 1, extent = 0}",
     {ONE_TO_12},
     4,
     {3, -1, 7, -1}},
    {OP_DFT,
     IN(a, "2, 4") "%y = dft(%a) {axes = [0], inverse = 1, form = 2, scale = 0.25, extent = 0}",
     {{10, -2, -2, -2, 0, 2, 0, -2}},
     4,
     {1, 2, 3, 4}},
    {OP_DFT,
     IN(a, "4") "%y = dft(%a) {axes = [0], inverse = 0, form = 3, scale = 1, extent = 0}",
     {ONE_TO_12},
     6,
     {10, -2, -2, 0, 2, 0}},
    {OP_DFT,
     IN(a, "2, 2, 1") "%y = dft(%a) {axes = [0], inverse = 1, form = 4, scale = 1, extent = 2}",
     {ONE_TO_12},
     2,
     {3, -1}},
    {OP_DFT,
     IN(a, "2, 3") "%y = dft(%a) {axes = [0], inverse = 0, form = 4, scale = 1, extent = 4}",
     {{10, -2, -2, 0, 2, 0}},
     4,
     {6, 14, 10, 10}},
};

enum { CASE_COUNT = sizeof cases / sizeof cases[0] };

static Graph *read_graph(Arena *arena, const char *nodes) {
  Diagnostics *diagnostics = diagnostics_create(arena);
  const char *text = arena_format(arena, "graph t {\nsymbols B\n%s\noutput value \"y\" = %%y\n}\n", nodes);
  Graph *graph = graph_read(arena, diagnostics, diagnostics_add_source(diagnostics, "case", text, strlen(text)));
  Text rendered = text_begin(arena);
  diagnostics_render(diagnostics, DIAGNOSTIC_HUMAN, false, &rendered);
  ck_assert_msg(graph != NULL, "%s", rendered.data);
  return graph;
}

static Value evaluate_output(const Graph *graph, const EvaluateInput *inputs, uint32_t count, Arena *arena) {
  Value *values = ARENA_ARRAY(arena, Value, graph->node_count + 1);
  graph_evaluate(graph, SYMBOLS, 1, 2, inputs, count, false, arena, values);
  return values[graph_find_output(graph, OUTPUT_VALUE, "y")->node];
}

START_TEST(known_results) {
  const Case *test = &cases[_i];
  Arena *arena = arena_create();
  const Graph *graph = read_graph(arena, test->text);
  EvaluateInput inputs[4];
  uint32_t count = 0;
  static const char *const names[] = {"a", "b", "c", "d"};
  for (int k = 0; k < 4; k++) {
    NodeId leaf = graph_find_leaf(graph, OP_INPUT, names[k]);
    if (leaf) inputs[count++] = (EvaluateInput){leaf, test->inputs[k]};
  }
  Value y = evaluate_output(graph, inputs, count, arena);
  ck_assert_int_eq(value_count(&y), test->count);
  for (uint32_t k = 0; k < test->count; k++) {
    double error = fabs(y.data[k] - test->expected[k]);
    ck_assert_msg(error <= 1e-14 * (1 + fabs(test->expected[k])), "%s\nelement %u: %.17g, not %.17g", test->text, k,
                  y.data[k], test->expected[k]);
  }
  arena_destroy(arena);
}
END_TEST

/* Ops whose results are tested below, not in the table. */
static bool tested_elsewhere(OpCode op) {
  return op == OP_RANDOM_UNIFORM || op == OP_RANDOM_NORMAL || op == OP_PARAMETER || op == OP_STATE;
}

START_TEST(every_op_has_a_case) {
  for (int op = OP_NONE + 1; op < OP_COUNT; op++) {
    bool found = tested_elsewhere((OpCode)op);
    for (int k = 0; k < CASE_COUNT; k++) found = found || cases[k].op == (OpCode)op;
    ck_assert_msg(found, "%s has no case", op_info((OpCode)op)->name);
  }
}
END_TEST

START_TEST(leaves_of_all_kinds) {
  Arena *arena = arena_create();
  const Graph *graph = read_graph(arena,
                                  "%p = param {name = \"n\", shape = [2]}\n%s = state {name = \"n\", shape = [2]}\n"
                                  "%y = subtract(%p, %s)");
  const EvaluateInput inputs[] = {{graph_find_leaf(graph, OP_PARAMETER, "n"), (double[]){5, 7}},
                                  {graph_find_leaf(graph, OP_STATE, "n"), (double[]){1, 2}}};
  Value y = evaluate_output(graph, inputs, 2, arena);
  ck_assert(y.data[0] == 4 && y.data[1] == 5);
  arena_destroy(arena);
}
END_TEST

START_TEST(only_what_is_needed) {
  Arena *arena = arena_create();
  const Graph *graph = read_graph(arena, IN(a, "2") "%u = exp(%a)\n%y = constant {value = 3}");
  Value *values = ARENA_ARRAY(arena, Value, graph->node_count + 1);
  graph_evaluate(graph, SYMBOLS, 0, 0, NULL, 0, false, arena, values);
  ck_assert(!values[1].data && !values[2].data && values[3].data[0] == 3);
  Guard guard;
  if (guard_enter(&guard)) {
    graph_evaluate(graph, SYMBOLS, 0, 0, NULL, 0, true, arena, values);
    ck_abort_msg("a leaf without a value was evaluated");
  }
  ck_assert_str_eq(guard.message, "evaluate: input 'a' has no value");
  arena_destroy(arena);
}
END_TEST

/* Batch, two summed letters, and operands whose letters come in other orders than the result's. */
START_TEST(contract_in_any_order) {
  enum { P = 2, Q = 3, R = 4, S = 5, T = 3 };
  Arena *arena = arena_create();
  Random random = {23};
  const double *a = random_values(&random, arena, P * Q * R * S, -1, 1);
  const double *b = random_values(&random, arena, P * R * S * T, -1, 1);
  const Graph *graph =
      read_graph(arena, IN(a, "5, 2, 4, 3") IN(b, "3, 4, 2, 5") "%y = contract(%a, %b) {labels = \"sprq,trps->qtp\"}");
  const EvaluateInput inputs[] = {{graph_find_leaf(graph, OP_INPUT, "a"), a},
                                  {graph_find_leaf(graph, OP_INPUT, "b"), b}};
  Value y = evaluate_output(graph, inputs, 2, arena);
  for (int at = 0; at < Q * T * P; at++) {
    int q = at / (T * P), t = at / P % T, p = at % P;
    double sum = 0;
    for (int r = 0; r < R; r++) {
      for (int s = 0; s < S; s++) sum += a[((s * P + p) * R + r) * Q + q] * b[((t * R + r) * P + p) * S + s];
    }
    ck_assert_double_eq_tol(y.data[at], sum, 1e-13);
  }
  arena_destroy(arena);
}
END_TEST

/* Transform over axes 0 and 2 of [3, 2, 5], by the definition as one sum. */
START_TEST(dft_over_two_axes) {
  enum { N = 3, M = 2, K = 5, COUNT = N * M * K };
  Arena *arena = arena_create();
  Random random = {17};
  const double *x = random_values(&random, arena, 2 * COUNT, -1, 1);
  const Graph *graph = read_graph(
      arena, IN(a, "2, 3, 2, 5") "%y = dft(%a) {axes = [0, 2], inverse = 1, form = 0, scale = 0.5, extent = 0}");
  EvaluateInput input = {graph_find_leaf(graph, OP_INPUT, "a"), x};
  Value y = evaluate_output(graph, &input, 1, arena);
  for (int at = 0; at < COUNT; at++) {
    int p = at / (M * K), m = at / K % M, q = at % K;
    double re = 0, im = 0;
    for (int n = 0; n < N; n++) {
      for (int k = 0; k < K; k++) {
        double angle = 2 * acos(-1) * ((double)(n * p) / N + (double)(k * q) / K);
        double a = x[(n * M + m) * K + k], b = x[COUNT + (n * M + m) * K + k];
        re += a * cos(angle) - b * sin(angle);
        im += a * sin(angle) + b * cos(angle);
      }
    }
    ck_assert_double_eq_tol(y.data[at], 0.5 * re, 1e-13);
    ck_assert_double_eq_tol(y.data[COUNT + at], 0.5 * im, 1e-13);
  }
  arena_destroy(arena);
}
END_TEST

START_TEST(random_words_are_philox) {
  const uint64_t seed = UINT64_C(0x0123456789abcdef), step = 77, element = UINT64_C(0x500000003);
  philox4x32_ctr_t counter = {{0x3, 0x5, 9, 77}};
  philox4x32_key_t key = {{0x89abcdef, 0x01234567}};
  philox4x32_ctr_t words = philox4x32(counter, key);
  for (int k = 0; k < 4; k++) ck_assert_uint_eq(random_word(seed, step, 9, element, k), words.v[k]);
}
END_TEST

START_TEST(random_tensors) {
  Arena *arena = arena_create();
  const Graph *graph = read_graph(arena,
                                  "%u = random_uniform {stream = 5, shape = [B, 50000]}\n"
                                  "%y = random_normal {stream = 6, shape = [B, 50000]}");
  Value *values = ARENA_ARRAY(arena, Value, graph->node_count + 1);
  graph_evaluate(graph, SYMBOLS, 11, 3, NULL, 0, true, arena, values);
  double moment[4] = {0};
  int64_t count = value_count(&values[1]);
  for (int64_t k = 0; k < count; k++) {
    double u = values[1].data[k], z = values[2].data[k];
    ck_assert(u >= 0 && u < 1 && u == random_unit(random_word(11, 3, 5, (uint64_t)k, 0)));
    ck_assert(z == random_gauss(random_word(11, 3, 6, (uint64_t)k, 0), random_word(11, 3, 6, (uint64_t)k, 1)));
    moment[0] += u / (double)count;
    moment[1] += z / (double)count;
    moment[2] += z * z / (double)count;
    moment[3] += z * z * z * z / (double)count;
  }
  ck_assert_double_eq_tol(moment[0], 0.5, 0.01);
  ck_assert_double_eq_tol(moment[1], 0, 0.02);
  ck_assert_double_eq_tol(moment[2], 1, 0.02);
  ck_assert_double_eq_tol(moment[3], 3, 0.15);
  ck_assert(random_unit(UINT32_MAX) < 1 && isfinite(random_gauss(0, 0)) && random_gauss(UINT32_MAX, 0) == 0);
  arena_destroy(arena);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("ir_evaluate");
  TCase *tests = tcase_create("evaluate");
  tcase_add_loop_test(tests, known_results, 0, CASE_COUNT);
  tcase_add_test(tests, every_op_has_a_case);
  tcase_add_test(tests, leaves_of_all_kinds);
  tcase_add_test(tests, only_what_is_needed);
  tcase_add_test(tests, contract_in_any_order);
  tcase_add_test(tests, dft_over_two_axes);
  tcase_add_test(tests, random_words_are_philox);
  tcase_add_test(tests, random_tensors);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
