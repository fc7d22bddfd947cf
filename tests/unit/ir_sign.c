/* What is known of signs, of graphs and of kernels. */
#include "tests/suite_run.h"

#include "ir/sign.h"

static Arena *arena;
static Graph *graph;
static NodeId x, y; /* of any sign */

static void begin(void) {
  Shape shape = {1, {dim_constant(3)}};
  arena = arena_create();
  graph = graph_create(arena, "signs");
  x = graph_leaf(graph, OP_INPUT, "x", &shape);
  y = graph_leaf(graph, OP_PARAMETER, "y", &shape);
}

static NodeId positive(NodeId a) { return graph_unary(graph, OP_SOFTPLUS, a); }
static NodeId negative(NodeId a) { return graph_unary(graph, OP_NEGATE, graph_unary(graph, OP_EXP, a)); }

START_TEST(graphs) {
  begin();
  const Shape *shape = graph_shape(graph, x);
  NodeId zero = graph_constant_like(graph, 0, shape), below = graph_constant_like(graph, -2, shape);
  struct {
    NodeId id;
    Sign sign;
  } cases[] = {
      {x, SIGN_ANY},
      {graph_binary(graph, OP_MULTIPLY, x, y), SIGN_ANY},
      {graph_binary(graph, OP_MULTIPLY, x, x), SIGN_NOT_NEGATIVE},
      {positive(x), SIGN_NOT_NEGATIVE},
      {negative(x), SIGN_NOT_POSITIVE},
      {graph_binary(graph, OP_MULTIPLY, positive(x), negative(y)), SIGN_NOT_POSITIVE},
      {graph_binary(graph, OP_MULTIPLY, negative(x), negative(y)), SIGN_NOT_NEGATIVE},
      {graph_binary(graph, OP_MULTIPLY, positive(x), y), SIGN_ANY},
      {graph_binary(graph, OP_DIVIDE, below, positive(x)), SIGN_NOT_POSITIVE},
      {graph_binary(graph, OP_ADD, positive(x), positive(y)), SIGN_NOT_NEGATIVE},
      {graph_binary(graph, OP_ADD, positive(x), negative(y)), SIGN_ANY},
      {graph_binary(graph, OP_SUBTRACT, negative(x), positive(y)), SIGN_NOT_POSITIVE},
      {graph_binary(graph, OP_MAXIMUM, x, zero), SIGN_NOT_NEGATIVE},
      {graph_binary(graph, OP_MINIMUM, x, zero), SIGN_ANY},
      {graph_binary(graph, OP_MINIMUM, x, below), SIGN_NOT_POSITIVE},
      {graph_pad(graph, negative(x), 0, 1, 0), SIGN_NOT_POSITIVE},
      {graph_unary(graph, OP_COPY, graph_slice(graph, positive(x), 0, 1, 2)), SIGN_NOT_NEGATIVE},
  };
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++)
    ck_assert_msg(graph_sign(graph, cases[k].id) == cases[k].sign, "case %zu", k);
  arena_destroy(arena);
}
END_TEST

START_TEST(kernels) {
  Expr exprs[] = {
      {.kind = EXPR_LOAD, .sign = SIGN_NOT_NEGATIVE},
      {.kind = EXPR_LOAD, .sign = SIGN_NOT_POSITIVE},
      {.kind = EXPR_LOAD},
      {.kind = EXPR_OP, .op = OP_MULTIPLY, .arg = {0, 1}},
      {.kind = EXPR_OP, .op = OP_MULTIPLY, .arg = {3, 2}},
      {.kind = EXPR_CONSTANT, .value = -3},
      {.kind = EXPR_OP, .op = OP_ADD, .arg = {3, 5}},
      {.kind = EXPR_STATE},
  };
  static const Sign expected[] = {SIGN_NOT_NEGATIVE, SIGN_NOT_POSITIVE, SIGN_ANY,          SIGN_NOT_POSITIVE,
                                  SIGN_ANY,          SIGN_NOT_POSITIVE, SIGN_NOT_POSITIVE, SIGN_ANY};
  Kernel kernel = {.expr_count = sizeof exprs / sizeof *exprs, .expr = exprs};
  for (uint32_t k = 0; k < kernel.expr_count; k++)
    ck_assert_msg(kernel_sign(&kernel, k) == expected[k], "expression %u", k);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("ir_sign");
  TCase *test_case = tcase_create("sign");
  tcase_add_test(test_case, graphs);
  tcase_add_test(test_case, kernels);
  suite_add_tcase(suite, test_case);
  return suite_run(suite);
}
