/* Pass complex-product: products with weights whose diagonal blocks are equal are three instead of four, whatever the
 * order of operands and axes; others stay as they are. Values and gradients are the same. */
#include "passes/pipeline.h"
#include "tests/random_graph.h"
#include "tests/suite_run.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { CASE_COUNT = 48 };

/* [2 (Q), 2 (P), 64, 3] of one complex parameter [2, 64, 3]: the weight of a product, or of one with a conjugate. */
static NodeId stacked_weight(Graph *graph, bool conjugate, bool tied) {
  Shape shape = {3, {dim_constant(2), dim_constant(64), dim_constant(3)}};
  NodeId w = graph_leaf(graph, OP_PARAMETER, "w", &shape);
  NodeId re = graph_slice(graph, w, 0, 0, 1), im = graph_slice(graph, w, 0, 1, 1);
  NodeId other = tied ? re : graph_unary(graph, OP_TANH, re), minus = graph_unary(graph, OP_NEGATE, im);
  NodeId parts[] = {re, im, minus, other};
  if (conjugate) {
    parts[2] = im;
    parts[3] = graph_unary(graph, OP_NEGATE, other);
  }
  Shape stacked = {4, {dim_constant(2), dim_constant(2), dim_constant(64), dim_constant(3)}};
  return graph_reshape(graph, graph_concat(graph, parts, 4, 0), &stacked);
}

/* A product in one of several orders of operands and axes, with elementwise ops behind it. */
static Graph *make_case(Arena *arena, int number) {
  Graph *graph = graph_create(arena, "product");
  bool conjugate = number & 1, swapped = number & 2, last = number & 4, twice = number & 8;
  Dim batch = dim_symbol(1, graph_symbol(graph, "B"));
  Shape shape = last ? (Shape){3, {batch, dim_constant(64), dim_constant(2)}}
                     : (Shape){3, {dim_constant(2), batch, dim_constant(64)}};
  NodeId x = graph_leaf(graph, OP_INPUT, "x", &shape), w = stacked_weight(graph, conjugate, number < 32);
  const char *labels[2][2] = {{"Qbd,QPde->Pbe", "QPde,Qbd->Pbe"}, {"bdQ,QPde->beP", "QPde,bdQ->beP"}};
  NodeId y = graph_contract(graph, swapped ? w : x, swapped ? x : w, labels[last][swapped]);
  if (number & 16) {
    Shape result = *graph_shape(graph, y);
    Shape bias = {1, {dim_constant(2)}};
    int64_t axis = last ? 2 : 0;
    NodeId b = graph_broadcast(graph, graph_leaf(graph, OP_PARAMETER, "b", &bias), &result, &axis);
    y = graph_binary(graph, OP_ADD, graph_unary(graph, OP_TANH, y), b);
    if (twice) y = graph_binary(graph, OP_MULTIPLY, y, graph_leaf(graph, OP_INPUT, "g", &result));
  }
  graph_add_output(graph, OUTPUT_VALUE, "y", y, NODE_NONE);
  int64_t axes[] = {0, 1, 2};
  NodeId loss = graph_reduce(graph, OP_REDUCE_SUM, graph_unary(graph, OP_TANH, y), axes, 3);
  graph_add_output(graph, OUTPUT_LOSS, "loss", loss, NODE_NONE);
  return graph;
}

static uint32_t count_products(const Graph *graph) {
  uint32_t count = 0;
  for (NodeId id = 1; id <= graph->node_count; id++) count += graph_op(graph, id) == OP_CONTRACT;
  return count;
}

static void check_same(const Graph *before, const Graph *after, Arena *arena) {
  const char *message = NULL;
  ck_assert_msg(graph_verify(after, arena, &message), "case %d: %s", (int)before->output_count, message);
  Value *old = random_graph_evaluate(before, arena), *new = random_graph_evaluate(after, arena);
  for (uint32_t k = 0; k < before->output_count; k++) {
    const Output *a = &before->output[k], *b = graph_find_output(after, a->kind, a->name);
    ck_assert_ptr_nonnull(b);
    for (int64_t i = 0; i < value_count(&old[a->node]); i++) {
      double x = old[a->node].data[i], y = new[b->node].data[i];
      ck_assert_msg(fabs(x - y) <= 1e-12 * (1 + fabs(x)), "output %s[%d] was %.17g and became %.17g", a->name, (int)i,
                    x, y);
    }
  }
}

START_TEST(computes_the_same) {
  Arena *arena = arena_create();
  PassContext context = {.arena = arena, .pass = "complex-product"};
  const DifferentiateSpec spec = {.parameters = true, .inputs = true};
  Graph *before = make_case(arena, _i), *after = pass_complex_product(before, &context);
  ck_assert_uint_eq(count_products(after), _i < 32 ? 3 : 1);
  check_same(before, after, arena);
  check_same(graph_differentiate(before, arena, &spec), graph_differentiate(after, arena, &spec), arena);
  ck_assert(graph_equal(after, pass_complex_product(after, &context)));
  arena_destroy(arena);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("complex_product");
  TCase *tests = tcase_create("products");
  tcase_add_loop_test(tests, computes_the_same, 0, CASE_COUNT);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
