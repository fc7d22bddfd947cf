/* Every op's gradient against central differences in float64, through the evaluator. A differentiable row of ops.def
 * without a case fails, as does a row through which nothing flows and that has no case saying so. */
#include "ir/guard.h"
#include "passes/differentiate.h"
#include "passes/simplify.h"
#include "tests/random_values.h"
#include "tests/suite_run.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LEAF_LIMIT = 4, BATCH = 3 };

static const int64_t SYMBOLS[SYMBOL_MAX] = {BATCH};

typedef struct Bench {
  Arena *arena;
  Graph *graph;
  uint32_t leaf_count;
  const char *leaf[LEAF_LIMIT];
  double *data[LEAF_LIMIT];
  Random random;
} Bench;

typedef struct Case {
  OpCode op;
  NodeId (*build)(Bench *bench, const struct Case *info);
  double low, high; /* of what the leaves hold */
  int64_t a, b, c;  /* attributes, as the builder reads them */
  const char *text;
} Case;

/* "B" is the dynamic batch; digits are constant extents. */
static Shape shape_of(Bench *bench, const char *dims) {
  Shape shape = {0};
  for (; *dims; dims++) {
    shape.dim[shape.rank++] = *dims == 'B' ? dim_symbol(1, graph_symbol(bench->graph, "B")) : dim_constant(*dims - '0');
  }
  return shape;
}

static NodeId leaf(Bench *bench, const Case *info, const char *dims) {
  static const char *const names[LEAF_LIMIT] = {"p", "q", "r", "s"};
  Shape shape = shape_of(bench, dims);
  uint32_t k = bench->leaf_count++;
  bench->leaf[k] = names[k];
  int64_t count = shape_value_count(&shape, SYMBOLS);
  bench->data[k] = random_values(&bench->random, bench->arena, count, info->low, info->high);
  return graph_leaf(bench->graph, k % 2 ? OP_INPUT : OP_PARAMETER, names[k], &shape);
}

static NodeId unary(Bench *bench, const Case *info) {
  return graph_unary(bench->graph, info->op, leaf(bench, info, "2B2"));
}

static NodeId binary(Bench *bench, const Case *info) {
  NodeId x = leaf(bench, info, "2B2");
  return graph_binary(bench->graph, info->op, x, leaf(bench, info, "2B2"));
}

static NodeId binary_same(Bench *bench, const Case *info) {
  NodeId x = leaf(bench, info, "5");
  return graph_binary(bench->graph, info->op, x, x);
}

static NodeId select_less(Bench *bench, const Case *info) {
  NodeId x = leaf(bench, info, "23"), y = leaf(bench, info, "23");
  NodeId condition = graph_binary(bench->graph, OP_LESS, x, y);
  return graph_select(bench->graph, condition, leaf(bench, info, "23"), graph_unary(bench->graph, OP_EXP, y));
}

static NodeId broadcast_middle(Bench *bench, const Case *info) {
  Shape shape = shape_of(bench, "2B3");
  return graph_broadcast(bench->graph, leaf(bench, info, "23"), &shape, (int64_t[]){0, 2});
}

static NodeId broadcast_scalar(Bench *bench, const Case *info) {
  Shape shape = shape_of(bench, "B4");
  return graph_broadcast(bench->graph, leaf(bench, info, ""), &shape, NULL);
}

static NodeId broadcast_leading(Bench *bench, const Case *info) {
  Shape shape = shape_of(bench, "3B2");
  return graph_broadcast(bench->graph, leaf(bench, info, "B2"), &shape, (int64_t[]){1, 2});
}

static NodeId reshape(Bench *bench, const Case *info) {
  Shape shape = shape_of(bench, "B6");
  return graph_reshape(bench->graph, leaf(bench, info, "B23"), &shape);
}

static NodeId permute(Bench *bench, const Case *info) {
  int64_t axes[] = {info->a, info->b, info->c};
  return graph_permute(bench->graph, leaf(bench, info, "2B3"), axes);
}

static NodeId slice(Bench *bench, const Case *info) {
  return graph_slice(bench->graph, leaf(bench, info, "4B5"), info->a, info->b, info->c);
}

static NodeId reverse(Bench *bench, const Case *info) {
  return graph_reverse(bench->graph, leaf(bench, info, "3B2"), info->a);
}

static NodeId window(Bench *bench, const Case *info) {
  return graph_window(bench->graph, leaf(bench, info, "B72"), 1, info->a, info->b);
}

static NodeId unwindow(Bench *bench, const Case *info) {
  char dims[] = "B..2";
  dims[1] = (char)('0' + (7 - info->a) / info->b + 1);
  dims[2] = (char)('0' + info->a);
  return graph_unwindow(bench->graph, leaf(bench, info, dims), 1, 7, info->b);
}

static NodeId pad(Bench *bench, const Case *info) {
  return graph_pad(bench->graph, leaf(bench, info, "2B3"), info->a, info->b, info->c);
}

static NodeId concat(Bench *bench, const Case *info) {
  NodeId x = leaf(bench, info, info->a ? "B23" : "3B");
  NodeId y = leaf(bench, info, info->a ? "B13" : "2B");
  return graph_concat(bench->graph, (NodeId[]){x, y, x}, 3, info->a);
}

/* a: axis, b: reverse, c: with an initial value */
static NodeId delay(Bench *bench, const Case *info) {
  NodeId x = leaf(bench, info, "4B2");
  NodeId initial = info->c ? leaf(bench, info, info->a == 0 ? "B2" : info->a == 1 ? "42" : "4B") : NODE_NONE;
  return graph_delay(bench->graph, x, initial, info->a, info->b != 0);
}

static NodeId reduce(Bench *bench, const Case *info) {
  int64_t axes[] = {info->b, info->c};
  return graph_reduce(bench->graph, info->op, leaf(bench, info, "2B3"), axes, (uint32_t)info->a);
}

/* text: labels; B is the extent of b, others are 2, 3, ... by letter */
static NodeId contract(Bench *bench, const Case *info) {
  NodeId operand[2];
  const char *labels = info->text;
  for (int k = 0; k < 2; k++) {
    char dims[SHAPE_MAX_RANK + 1] = {0};
    for (int i = 0; *labels >= 'a' && *labels <= 'z'; i++, labels++) {
      dims[i] = *labels == 'b' ? 'B' : (char)('2' + (*labels - 'a') % 3);
    }
    labels++;
    operand[k] = leaf(bench, info, dims);
  }
  return graph_contract(bench->graph, operand[0], operand[1], info->text);
}

static NodeId contract_same(Bench *bench, const Case *info) {
  NodeId x = leaf(bench, info, "33");
  return graph_contract(bench->graph, x, x, info->text);
}

/* a: axis; b: bit 0 reverse, bit 1 late; c: with an initial state */
static NodeId scan(Bench *bench, const Case *info) {
  NodeId decay = leaf(bench, info, "4B2"), input = leaf(bench, info, "4B2");
  NodeId initial = info->c ? leaf(bench, info, info->a == 0 ? "B2" : info->a == 1 ? "42" : "4B") : NODE_NONE;
  return graph_scan(bench->graph, decay, input, initial, info->a, (info->b & 1) != 0, (info->b & 2) != 0);
}

/* The same of parts, along axis 2. */
static NodeId complex_scan(Bench *bench, const Case *info) {
  NodeId decay = leaf(bench, info, "2B32"), input = leaf(bench, info, "2B32");
  NodeId initial = info->c ? leaf(bench, info, "2B2") : NODE_NONE;
  return graph_complex_scan(bench->graph, decay, input, initial, info->a, (info->b & 1) != 0, (info->b & 2) != 0);
}

/* a: form; b: inverse; c: axes as bits; of a tensor [4, B, 3] or [2, 4, B, 3]; of half spectra, of 6 and 5 samples. */
static NodeId dft(Bench *bench, const Case *info) {
  NodeId x = leaf(bench, info, dft_parts_in(info->a) == 1 ? "4B3" : "24B3");
  int64_t axes[3];
  uint32_t count = 0;
  for (int64_t k = 0; k < 3; k++) {
    if (info->c >> k & 1) axes[count++] = k;
  }
  int64_t extent = info->a != DFT_HALF_TO_REAL ? 0 : axes[count - 1] == 0 ? 6 : 5;
  return graph_dft(bench->graph, x, axes, count, info->b != 0, info->a, 0.75, extent);
}

#define FLAGS(build, op, axis)                                                                      \
  {op, build, -1, 1, axis, 0, 0}, {op, build, -1, 1, axis, 1, 0}, {op, build, -1, 1, axis, 0, 1}, { \
    op, build, -1, 1, axis, 1, 1                                                                    \
  }
#define SCANS(build, op, axis)                                                            \
  FLAGS(build, op, axis), {op, build, -1, 1, axis, 2, 0}, {op, build, -1, 1, axis, 3, 0}, \
      {op, build, -1, 1, axis, 2, 1}, {                                                   \
    op, build, -1, 1, axis, 3, 1                                                          \
  }
#define TRANSFORMS(form)                                                                                \
  {OP_DFT, dft, -1, 1, form, 0, 1}, {OP_DFT, dft, -1, 1, form, 1, 1}, {OP_DFT, dft, -1, 1, form, 0, 4}, \
      {OP_DFT, dft, -1, 1, form, 1, 4}, {OP_DFT, dft, -1, 1, form, 0, 5}, {                             \
    OP_DFT, dft, -1, 1, form, 1, 5                                                                      \
  }

static const Case CASES[] = {
    {OP_NEGATE, unary, -2, 2},
    {OP_ABSOLUTE, unary, 0.5, 2},
    {OP_ABSOLUTE, unary, -2, -0.5},
    {OP_EXP, unary, -2, 2},
    {OP_EXP2, unary, -2, 2},
    {OP_LOG, unary, 0.5, 2},
    {OP_SQRT, unary, 0.5, 2},
    {OP_RSQRT, unary, 0.5, 2},
    {OP_TANH, unary, -2, 2},
    {OP_SIGMOID, unary, -3, 3},
    {OP_SOFTPLUS, unary, -3, 3},
    {OP_ERF, unary, -2, 2},
    {OP_ADD, binary, -2, 2},
    {OP_ADD, binary_same, -2, 2},
    {OP_SUBTRACT, binary, -2, 2},
    {OP_MULTIPLY, binary, -2, 2},
    {OP_MULTIPLY, binary_same, -2, 2},
    {OP_DIVIDE, binary, 0.5, 2},
    {OP_DIVIDE, binary, -2, -0.5},
    {OP_MAXIMUM, binary, -2, 2},
    {OP_MAXIMUM, binary_same, -2, 2},
    {OP_MINIMUM, binary, -2, 2},
    {OP_MINIMUM, binary_same, -2, 2},
    {OP_SELECT, select_less, -2, 2},
    {OP_COPY, unary, -2, 2},
    {OP_BROADCAST, broadcast_middle, -1, 1},
    {OP_BROADCAST, broadcast_scalar, -1, 1},
    {OP_BROADCAST, broadcast_leading, -1, 1},
    {OP_RESHAPE, reshape, -1, 1},
    {OP_PERMUTE, permute, -1, 1, 1, 2, 0},
    {OP_PERMUTE, permute, -1, 1, 2, 0, 1},
    {OP_PERMUTE, permute, -1, 1, 0, 2, 1},
    {OP_SLICE, slice, -1, 1, 0, 1, 2},
    {OP_SLICE, slice, -1, 1, 2, 0, 3},
    {OP_SLICE, slice, -1, 1, 2, 4, 1},
    {OP_REVERSE, reverse, -1, 1, 0},
    {OP_REVERSE, reverse, -1, 1, 1},
    {OP_WINDOW, window, -1, 1, 3, 1},
    {OP_WINDOW, window, -1, 1, 2, 3},
    {OP_WINDOW, window, -1, 1, 3, 4},
    {OP_WINDOW, window, -1, 1, 7, 1},
    {OP_UNWINDOW, unwindow, -1, 1, 3, 1},
    {OP_UNWINDOW, unwindow, -1, 1, 2, 3},
    {OP_UNWINDOW, unwindow, -1, 1, 3, 3},
    {OP_PAD, pad, -1, 1, 0, 1, 2},
    {OP_PAD, pad, -1, 1, 2, 0, 3},
    {OP_CONCAT, concat, -1, 1, 0},
    {OP_CONCAT, concat, -1, 1, 1},
    FLAGS(delay, OP_DELAY, 0),
    FLAGS(delay, OP_DELAY, 1),
    FLAGS(delay, OP_DELAY, 2),
    {OP_REDUCE_SUM, reduce, -1, 1, 1, 0},
    {OP_REDUCE_SUM, reduce, -1, 1, 1, 1},
    {OP_REDUCE_SUM, reduce, -1, 1, 2, 0, 2},
    {OP_REDUCE_MAX, reduce, -1, 1, 1, 0},
    {OP_REDUCE_MAX, reduce, -1, 1, 1, 1},
    {OP_REDUCE_MAX, reduce, -1, 1, 2, 1, 2},
    {OP_CONTRACT, contract, -1, 1, .text = "ac,cd->ad"},
    {OP_CONTRACT, contract, -1, 1, .text = "bte,fe->btf"},
    {OP_CONTRACT, contract, -1, 1, .text = "bte,btf->ef"},
    {OP_CONTRACT, contract, -1, 1, .text = "bac,bad->cdb"},
    {OP_CONTRACT, contract, -1, 1, .text = "ac,ca->"},
    {OP_CONTRACT, contract, -1, 1, .text = "a,c->ca"},
    {OP_CONTRACT, contract, -1, 1, .text = ",ab->ba"},
    {OP_CONTRACT, contract_same, -1, 1, .text = "ac,cd->ad"},
    {OP_CONTRACT, contract_same, -1, 1, .text = "ac,ca->ac"},
    SCANS(scan, OP_SCAN, 0),
    SCANS(scan, OP_SCAN, 1),
    SCANS(scan, OP_SCAN, 2),
    SCANS(complex_scan, OP_COMPLEX_SCAN, 2),
    TRANSFORMS(DFT_COMPLEX),
    TRANSFORMS(DFT_REAL_TO_COMPLEX),
    TRANSFORMS(DFT_COMPLEX_TO_REAL),
    TRANSFORMS(DFT_REAL_TO_HALF),
    TRANSFORMS(DFT_HALF_TO_REAL),
};

/* Ops that have operands but pass no gradient on. */
static const Case SILENT[] = {
    {OP_SIGN, unary, -2, 2},        {OP_LESS, binary, -2, 2},  {OP_LESS_EQUAL, binary, -2, 2},
    {OP_EQUAL, binary_same, -2, 2}, {OP_DETACH, unary, -2, 2},
};

enum { CASE_COUNT = sizeof CASES / sizeof CASES[0], SILENT_COUNT = sizeof SILENT / sizeof SILENT[0] };

static Bench bench_create(Arena *arena, uint64_t seed) {
  return (Bench){.arena = arena, .graph = graph_create(arena, "case"), .random = {seed}};
}

/* Values of all nodes of `graph` with the bench's leaves and `weight` for lw.y. */
static Value *evaluate(const Bench *bench, const Graph *graph, const double *weight) {
  EvaluateInput inputs[LEAF_LIMIT + 1];
  uint32_t count = 0;
  for (uint32_t k = 0; k < bench->leaf_count; k++) {
    NodeId id = graph_find_leaf(graph, k % 2 ? OP_INPUT : OP_PARAMETER, bench->leaf[k]);
    if (id) inputs[count++] = (EvaluateInput){id, bench->data[k]};
  }
  NodeId id = graph_find_leaf(graph, OP_INPUT, "lw.y");
  if (id) inputs[count++] = (EvaluateInput){id, weight};
  Value *values = ARENA_ARRAY(bench->arena, Value, graph->node_count + 1);
  graph_evaluate(graph, SYMBOLS, 1, 0, inputs, count, false, bench->arena, values);
  return values;
}

static double loss_of(const Bench *bench, const Graph *graph, const double *weight) {
  return evaluate(bench, graph, weight)[graph_find_output(graph, OUTPUT_LOSS, "loss")->node].data[0];
}

static void check_leaf(const Bench *bench, const Graph *graph, const double *weight, uint32_t k, const char *what) {
  const double step = 1e-5;
  const Output *output = graph_find_output(graph, OUTPUT_GRADIENT, bench->leaf[k]);
  ck_assert_msg(output != NULL, "%s: no gradient of %s", what, bench->leaf[k]);
  Value gradient = evaluate(bench, graph, weight)[output->node];
  int64_t count = value_count(&gradient);
  ck_assert_int_eq(count, shape_value_count(graph_shape(graph, output->leaf), SYMBOLS));
  for (int64_t i = 0; i < count; i++) {
    double *element = &bench->data[k][i], kept = *element;
    *element = kept + step;
    double above = loss_of(bench, graph, weight);
    *element = kept - step;
    double below = loss_of(bench, graph, weight);
    *element = kept;
    double expected = (above - below) / (2 * step), found = gradient.data[i];
    ck_assert_msg(fabs(found - expected) <= 1e-7 * (1 + fabs(expected)),
                  "%s: d/d%s[%d] is %.12g, differences give %.12g", what, bench->leaf[k], (int)i, found, expected);
  }
}

static void check_case(const Case *info, uint32_t number) {
  Arena *arena = arena_create();
  Bench bench = bench_create(arena, number + 1);
  NodeId y = info->build(&bench, info);
  graph_add_output(bench.graph, OUTPUT_VALUE, "y", y, NODE_NONE);
  const char *names[] = {"y"};
  const DifferentiateSpec spec = {names, 1, .parameters = true, .inputs = true, .zeros = info->op == OP_SELECT};
  Graph *graph = graph_differentiate(bench.graph, arena, &spec);
  const char *message = NULL;
  ck_assert_msg(graph_verify(graph, arena, &message), "%s", message);
  int64_t count = shape_value_count(graph_shape(bench.graph, y), SYMBOLS);
  const double *weight = random_values(&bench.random, arena, count, 0.5, 1.5);
  const char *what = arena_format(arena, "%s, case %u", op_info(info->op)->name, number);
  for (uint32_t k = 0; k < bench.leaf_count; k++) check_leaf(&bench, graph, weight, k, what);
  PassContext context = {.arena = arena, .differentiated = true, .pass = "simplify"};
  Graph *simple = pass_simplify(graph, &context);
  for (uint32_t k = 0; k < bench.leaf_count; k++) check_leaf(&bench, simple, weight, k, what);
  arena_destroy(arena);
}

START_TEST(gradient_equals_differences) { check_case(&CASES[_i], (uint32_t)_i); }
END_TEST

START_TEST(nothing_flows_through) {
  const Case *info = &SILENT[_i];
  ck_assert(!op_is_differentiable(info->op));
  Arena *arena = arena_create();
  Bench bench = bench_create(arena, 1);
  graph_add_output(bench.graph, OUTPUT_VALUE, "y", info->build(&bench, info), NODE_NONE);
  const char *names[] = {"y"};
  DifferentiateSpec spec = {names, 1, .parameters = true, .inputs = true};
  Graph *graph = graph_differentiate(bench.graph, arena, &spec);
  for (uint32_t k = 0; k < graph->output_count; k++) ck_assert_int_ne(graph->output[k].kind, OUTPUT_GRADIENT);
  spec.zeros = true;
  graph = graph_differentiate(bench.graph, arena, &spec);
  const Output *output = graph_find_output(graph, OUTPUT_GRADIENT, "p");
  ck_assert(output && node_is_value(graph, output->node, 0.0));
  arena_destroy(arena);
}
END_TEST

START_TEST(every_op_has_a_case) {
  for (OpCode op = OP_NONE + 1; op < OP_COUNT; op++) {
    uint32_t found = 0;
    for (uint32_t k = 0; k < CASE_COUNT; k++) found += CASES[k].op == op;
    for (uint32_t k = 0; k < SILENT_COUNT; k++) found += SILENT[k].op == op;
    bool is_leaf = op_info(op)->operands_max == 0;
    bool is_made_later = op == OP_RESCAN || op == OP_CHECKPOINT || op == OP_SCAN_PART ||
                         op == OP_RESCAN_PART; /* by passes that run once derivatives are taken */
    ck_assert(!is_made_later || !op_is_differentiable(op));
    ck_assert_msg(is_leaf || is_made_later || found > 0, "op %s has no case", op_info(op)->name);
    ck_assert(!is_leaf || !op_is_differentiable(op));
  }
}
END_TEST

/* The gradient of sum(y) with respect to the only leaf, a parameter "p" of constant shape [3] that holds `data`. */
static const double *gradient_of_sum(Arena *arena, Graph *graph, NodeId y, const double *data) {
  NodeId loss = y;
  for (int32_t rank = graph_shape(graph, y)->rank; rank > 0; rank--) {
    loss = graph_reduce(graph, OP_REDUCE_SUM, loss, (int64_t[]){0}, 1);
  }
  graph_add_output(graph, OUTPUT_LOSS, "sum", loss, NODE_NONE);
  const DifferentiateSpec spec = {.parameters = true};
  Graph *backward = graph_differentiate(graph, arena, &spec);
  const Output *output = graph_find_output(backward, OUTPUT_GRADIENT, "p");
  ck_assert_ptr_nonnull(output);
  ck_assert_ptr_nonnull(graph_find_output(backward, OUTPUT_LOSS, "sum"));
  EvaluateInput input = {output->leaf, data};
  Value *values = ARENA_ARRAY(arena, Value, backward->node_count + 1);
  graph_evaluate(backward, NULL, 0, 0, &input, 1, false, arena, values);
  return values[output->node].data;
}

static NodeId parameter(Graph *graph) {
  Shape shape = {1, {dim_constant(3)}};
  return graph_leaf(graph, OP_PARAMETER, "p", &shape);
}

START_TEST(kinks) {
  Arena *arena = arena_create();
  Shape shape = {1, {dim_constant(3)}};
  Graph *graph = graph_create(arena, "relu");
  NodeId relu = graph_binary(graph, OP_MAXIMUM, parameter(graph), graph_constant_like(graph, 0, &shape));
  const double *gradient = gradient_of_sum(arena, graph, relu, (double[]){-1, 0, 1});
  ck_assert(gradient[0] == 0 && gradient[1] == 0 && gradient[2] == 1);

  graph = graph_create(arena, "absolute");
  gradient = gradient_of_sum(arena, graph, graph_unary(graph, OP_ABSOLUTE, parameter(graph)), (double[]){-1, 0, 1});
  ck_assert(gradient[0] == -1 && gradient[1] == 0 && gradient[2] == 1);

  graph = graph_create(arena, "minimum");
  NodeId zero = graph_constant_like(graph, 0, &shape);
  gradient =
      gradient_of_sum(arena, graph, graph_binary(graph, OP_MINIMUM, parameter(graph), zero), (double[]){-1, 0, 1});
  ck_assert(gradient[0] == 1 && gradient[1] == 0 && gradient[2] == 0);

  graph = graph_create(arena, "largest");
  NodeId largest = graph_reduce(graph, OP_REDUCE_MAX, parameter(graph), (int64_t[]){0}, 1);
  gradient = gradient_of_sum(arena, graph, largest, (double[]){2, 1, 2});
  ck_assert(gradient[0] == 0.5 && gradient[1] == 0 && gradient[2] == 0.5);
  arena_destroy(arena);
}
END_TEST

/* Only the path from wanted leaves is walked: an input's side costs nothing when parameters alone are wanted. */
START_TEST(only_wanted_paths) {
  Arena *arena = arena_create();
  Graph *graph = graph_create(arena, "paths");
  Shape shape = {1, {dim_constant(3)}};
  NodeId x = graph_leaf(graph, OP_INPUT, "x", &shape);
  NodeId product = graph_binary(graph, OP_MULTIPLY, parameter(graph), graph_unary(graph, OP_TANH, x));
  NodeId loss = graph_reduce(graph, OP_REDUCE_SUM, product, (int64_t[]){0}, 1);
  graph_add_output(graph, OUTPUT_LOSS, "loss", loss, NODE_NONE);
  const DifferentiateSpec spec = {.parameters = true};
  Graph *backward = graph_differentiate(graph, arena, &spec);
  ck_assert_ptr_null(graph_find_output(backward, OUTPUT_GRADIENT, "x"));
  ck_assert_uint_eq(backward->node_count, graph->node_count + 3); /* 1, its broadcast, the product with tanh(x) */
  ck_assert(graph_equal(backward, graph_differentiate(graph, arena, &spec)));
  arena_destroy(arena);
}
END_TEST

/* y = w2 tanh(w1 x): with w1 frozen nothing goes back through tanh, with w2 frozen all does. */
START_TEST(frozen_parameters) {
  static const char *const names[] = {"w1", "w2"};
  uint32_t nodes[2];
  for (int frozen = 0; frozen < 2; frozen++) {
    Arena *arena = arena_create();
    Shape shape = {1, {dim_constant(3)}};
    Graph *graph = graph_create(arena, "frozen");
    NodeId x = graph_leaf(graph, OP_INPUT, "x", &shape);
    NodeId w1 = graph_leaf(graph, OP_PARAMETER, "w1", &shape), w2 = graph_leaf(graph, OP_PARAMETER, "w2", &shape);
    NodeId hidden = graph_unary(graph, OP_TANH, graph_binary(graph, OP_MULTIPLY, w1, x));
    NodeId y = graph_reduce(graph, OP_REDUCE_SUM, graph_binary(graph, OP_MULTIPLY, w2, hidden), (int64_t[]){0}, 1);
    graph_add_output(graph, OUTPUT_LOSS, "sum", y, NODE_NONE);
    const DifferentiateSpec spec = {.parameters = true, .zeros = true, .frozen = &names[frozen], .frozen_count = 1};
    Graph *backward = graph_differentiate(graph, arena, &spec);
    ck_assert_ptr_null(graph_find_output(backward, OUTPUT_GRADIENT, names[frozen]));
    ck_assert_ptr_nonnull(graph_find_output(backward, OUTPUT_GRADIENT, names[1 - frozen]));
    nodes[frozen] = backward->node_count;
    arena_destroy(arena);
  }
  ck_assert_uint_lt(nodes[0], nodes[1]);
}
END_TEST

START_TEST(spans_follow_the_forward_node) {
  Arena *arena = arena_create();
  Graph *graph = graph_create(arena, "spans");
  NodeId p = parameter(graph);
  graph->span = (Span){1, 10, 5};
  NodeId y = graph_unary(graph, OP_SOFTPLUS, p);
  graph->span = (Span){1, 20, 3};
  NodeId loss = graph_reduce(graph, OP_REDUCE_SUM, y, (int64_t[]){0}, 1);
  graph_add_output(graph, OUTPUT_LOSS, "loss", loss, NODE_NONE);
  const DifferentiateSpec spec = {.parameters = true};
  Graph *backward = graph_differentiate(graph, arena, &spec);
  NodeId gradient = graph_find_output(backward, OUTPUT_GRADIENT, "p")->node;
  ck_assert_uint_eq(graph_node(backward, gradient)->span.start, 10);
  ck_assert_uint_eq(graph_node(backward, graph_operand(backward, gradient, 0))->span.start, 20);
  arena_destroy(arena);
}
END_TEST

/* Cotangents replace the model's loss; an output that is not named is not weighed. */
START_TEST(cotangents_replace_the_loss) {
  Arena *arena = arena_create();
  Graph *graph = graph_create(arena, "cotangents");
  NodeId p = parameter(graph);
  NodeId sum = graph_reduce(graph, OP_REDUCE_SUM, p, (int64_t[]){0}, 1);
  graph_add_output(graph, OUTPUT_VALUE, "y", graph_unary(graph, OP_EXP, p), NODE_NONE);
  graph_add_output(graph, OUTPUT_VALUE, "total", sum, NODE_NONE);
  graph_add_output(graph, OUTPUT_VALUE, "other", graph_unary(graph, OP_TANH, p), NODE_NONE);
  graph_add_output(graph, OUTPUT_LOSS, "mse", sum, NODE_NONE);
  const char *names[] = {"y", "total"};
  const DifferentiateSpec spec = {names, 2, .parameters = true, .inputs = true};
  Graph *backward = graph_differentiate(graph, arena, &spec);
  ck_assert_ptr_null(graph_find_output(backward, OUTPUT_LOSS, "mse"));
  ck_assert_ptr_nonnull(graph_find_output(backward, OUTPUT_LOSS, "loss"));
  ck_assert_uint_ne(graph_find_leaf(backward, OP_INPUT, "lw.y"), NODE_NONE);
  ck_assert_int_eq(graph_shape(backward, graph_find_leaf(backward, OP_INPUT, "lw.total"))->rank, 0);
  ck_assert_uint_eq(graph_find_leaf(backward, OP_INPUT, "lw.other"), NODE_NONE);
  ck_assert_ptr_null(graph_find_output(backward, OUTPUT_GRADIENT, "lw.y"));
  ck_assert_ptr_nonnull(graph_find_output(backward, OUTPUT_GRADIENT, "p"));
  arena_destroy(arena);
}
END_TEST

static void differentiate_nothing(Arena *arena) {
  Graph *graph = graph_create(arena, "nothing");
  graph_add_output(graph, OUTPUT_VALUE, "y", parameter(graph), NODE_NONE);
  const DifferentiateSpec spec = {.parameters = true};
  graph_differentiate(graph, arena, &spec);
}

START_TEST(no_loss_is_a_bug) {
  Arena *arena = arena_create();
  Guard guard;
  if (guard_enter(&guard)) {
    differentiate_nothing(arena);
    guard_leave(&guard);
    ck_abort_msg("a graph without a loss was differentiated");
  }
  ck_assert_int_eq(guard.kind, GUARD_BUG);
  ck_assert_ptr_nonnull(strstr(guard.message, "no loss"));
  arena_destroy(arena);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("passes_autodiff");
  TCase *tests = tcase_create("gradients");
  tcase_set_timeout(tests, 120);
  tcase_add_loop_test(tests, gradient_equals_differences, 0, CASE_COUNT);
  tcase_add_loop_test(tests, nothing_flows_through, 0, SILENT_COUNT);
  tcase_add_test(tests, every_op_has_a_case);
  tcase_add_test(tests, kinks);
  tcase_add_test(tests, only_wanted_paths);
  tcase_add_test(tests, frozen_parameters);
  tcase_add_test(tests, spans_follow_the_forward_node);
  tcase_add_test(tests, cotangents_replace_the_loss);
  tcase_add_test(tests, no_loss_is_a_bug);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
