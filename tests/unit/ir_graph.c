/* Extents, shapes, graphs and what guards them. */
#include "ir/cost.h"
#include "ir/graph.h"
#include "ir/guard.h"
#include "tests/suite_run.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static const Shape VECTOR = {1, {{3, SYMBOL_NONE}}};

START_TEST(dims) {
  Dim result;
  ck_assert(dim_multiply(dim_constant(7), dim_symbol(2, 1), &result) && dim_equal(result, dim_symbol(14, 1)));
  ck_assert(!dim_multiply(dim_symbol(1, 1), dim_symbol(1, 1), &result));
  ck_assert(!dim_multiply(dim_constant(INT64_MAX), dim_constant(2), &result));
  ck_assert(dim_divide(dim_symbol(14, 1), dim_constant(7), &result) && dim_equal(result, dim_symbol(2, 1)));
  ck_assert(dim_divide(dim_symbol(14, 1), dim_symbol(7, 1), &result) && dim_equal(result, dim_constant(2)));
  ck_assert(!dim_divide(dim_symbol(14, 1), dim_symbol(7, 2), &result));
  ck_assert(!dim_divide(dim_constant(14), dim_symbol(7, 1), &result));
  ck_assert(!dim_divide(dim_constant(14), dim_constant(4), &result));
  ck_assert(!dim_divide(dim_constant(14), dim_constant(0), &result));
  ck_assert_int_eq(dim_value(dim_symbol(7, 2), (int64_t[]){3, 5}), 35);
}
END_TEST

START_TEST(shapes) {
  Arena *arena = arena_create();
  Shape shape = {3, {dim_symbol(2, 1), dim_constant(4), dim_constant(5)}};
  Dim count, strides[SHAPE_MAX_RANK];
  ck_assert(shape_count(&shape, &count) && dim_equal(count, dim_symbol(40, 1)));
  ck_assert(shape_strides(&shape, strides));
  ck_assert(dim_equal(strides[0], dim_constant(20)) && dim_equal(strides[2], dim_constant(1)));
  Text text = text_begin(arena);
  text_shape(&text, &shape, NULL);
  text_shape(&text, &(Shape){0}, NULL);
  text_dim(&text, dim_symbol(1, 1), (const char *const[]){"B"});
  ck_assert_str_eq(text.data, "[2*s1, 4, 5][]B");
  arena_destroy(arena);
}
END_TEST

START_TEST(equal_nodes_are_one) {
  Arena *arena = arena_create();
  Graph *graph = graph_create(arena, "t");
  NodeId x = graph_leaf(graph, OP_INPUT, "x", &VECTOR);
  ck_assert_uint_eq(graph_leaf(graph, OP_INPUT, "x", &VECTOR), x);
  ck_assert_uint_ne(graph_leaf(graph, OP_PARAMETER, "x", &VECTOR), x);
  ck_assert_uint_eq(graph_find_leaf(graph, OP_INPUT, "x"), x);
  ck_assert_uint_eq(graph_find_leaf(graph, OP_STATE, "x"), NODE_NONE);
  NodeId sum = graph_binary(graph, OP_ADD, x, x);
  ck_assert_uint_eq(graph_binary(graph, OP_ADD, x, x), sum);
  ck_assert_uint_ne(graph_constant(graph, 0.0), graph_constant(graph, -0.0));
  ck_assert_uint_eq(graph_constant(graph, 0.0 / 0.0), graph_constant(graph, -(0.0 / 0.0)));
  NodeId clone = graph_add_clone(graph, OP_ADD, (NodeId[]){x, x}, 2, NULL);
  ck_assert_uint_ne(clone, sum);
  ck_assert_uint_eq(graph_binary(graph, OP_ADD, x, x), sum);
  NodeId last = x;
  for (int round = 0; round < 2; round++) {
    last = x;
    for (int k = 0; k < 20000; k++) last = graph_binary(graph, OP_ADD, last, x);
  }
  ck_assert_uint_eq(graph->node_count, last);
  arena_destroy(arena);
}
END_TEST

START_TEST(constructors_drop_what_changes_nothing) {
  Arena *arena = arena_create();
  Graph *graph = graph_create(arena, "t");
  NodeId x = graph_leaf(graph, OP_INPUT, "x", &VECTOR), one = graph_constant(graph, 1);
  ck_assert_uint_eq(graph_reshape(graph, x, &VECTOR), x);
  ck_assert_uint_eq(graph_broadcast(graph, x, &VECTOR, (int64_t[]){0}), x);
  ck_assert_uint_eq(graph_broadcast_scalar(graph, one, &(Shape){0}), one);
  ck_assert_uint_eq(graph_permute(graph, x, (int64_t[]){0}), x);
  ck_assert_uint_eq(graph_slice(graph, x, 0, 0, 3), x);
  ck_assert_uint_eq(graph_pad(graph, x, 0, 0, 0), x);
  ck_assert_uint_eq(graph_concat(graph, &x, 1, 0), x);
  ck_assert_uint_eq(graph_reduce(graph, OP_REDUCE_SUM, x, NULL, 0), x);
  ck_assert_uint_eq(graph->node_count, 2);
  arena_destroy(arena);
}
END_TEST

START_TEST(violations_unwind) {
  Arena *arena = arena_create();
  Graph *graph = graph_create(arena, "t");
  NodeId x = graph_leaf(graph, OP_INPUT, "x", &VECTOR), one = graph_constant(graph, 1);
  Guard guard;
  if (guard_enter(&guard)) {
    graph_binary(graph, OP_ADD, x, one);
    ck_abort_msg("a sum of two shapes was built");
  }
  ck_assert_int_eq(guard.kind, GUARD_BUG);
  ck_assert_str_eq(guard.message, "graph t: add: operand 0 is [3] but operand 1 is []");
  const char *message;
  ck_assert_uint_eq(graph_try_add(graph, OP_EXP, (NodeId[]){99}, 1, NULL, &message), NODE_NONE);
  ck_assert_str_eq(message, "operand 0 is %99, which is not an earlier node");
  ck_assert_uint_eq(graph_try_add(graph, OP_NONE, NULL, 0, NULL, &message), NODE_NONE);
  ck_assert_uint_eq(graph_try_add(graph, OP_COUNT, NULL, 0, NULL, &message), NODE_NONE);
  ck_assert(!graph_try_add_output(graph, OUTPUT_LOSS, "l", x, NODE_NONE, &message));
  ck_assert_uint_eq(graph->node_count, 2);
  arena_destroy(arena);
}
END_TEST

/* x, w, y = x w, loss = sum y, dx; cluster 1 is around y. */
static Graph *build_sample(Arena *arena) {
  Graph *graph = graph_create(arena, "sample");
  int32_t batch = graph_symbol(graph, "B");
  Shape rows = {2, {dim_symbol(1, batch), dim_constant(4)}}, weights = {2, {dim_constant(5), dim_constant(4)}};
  graph->span = (Span){0, 7, 2};
  NodeId x = graph_leaf(graph, OP_INPUT, "x", &rows), w = graph_leaf(graph, OP_PARAMETER, "w", &weights);
  NodeId y = graph_contract(graph, x, w, "be,fe->bf");
  graph->node[y].cluster = graph_add_cluster(graph, LOWER_CONTRACT, y);
  graph->span = SPAN_NONE;
  NodeId loss = graph_reduce(graph, OP_REDUCE_SUM, y, (int64_t[]){0, 1}, 2);
  graph_add_output(graph, OUTPUT_VALUE, "y", y, NODE_NONE);
  graph_add_output(graph, OUTPUT_LOSS, "loss", loss, NODE_NONE);
  graph_add_output(graph, OUTPUT_GRADIENT, "x", graph_unary(graph, OP_NEGATE, x), x);
  return graph;
}

START_TEST(copies) {
  Arena *arena = arena_create();
  Graph *graph = build_sample(arena), *copy = graph_create_like(arena, graph);
  NodeId *map = ARENA_ARRAY(arena, NodeId, graph->node_count + 1);
  for (NodeId id = 1; id <= graph->node_count; id++) map[id] = graph_copy_node(copy, graph, id, map);
  graph_copy_outputs(copy, graph, map);
  copy->node[3].cluster = graph_add_cluster(copy, LOWER_CONTRACT, 3);
  ck_assert(graph_equal(graph, copy));
  ck_assert_uint_eq(graph_node(copy, 1)->span.start, 7);
  ck_assert_uint_eq(graph_node(copy, 4)->span.length, 0);
  ck_assert_uint_eq(graph_find_output(copy, OUTPUT_GRADIENT, "x")->leaf, 1);
  ck_assert(graph_find_output(copy, OUTPUT_VALUE, "x") == NULL);
  copy->node[3].cluster = 0;
  ck_assert(!graph_equal(graph, copy));
  arena_destroy(arena);
}
END_TEST

START_TEST(use_counts) {
  Arena *arena = arena_create();
  const uint32_t *uses = graph_use_counts(build_sample(arena), arena);
  static const uint32_t expected[] = {0, 2, 1, 2, 1, 1};
  for (int k = 1; k <= 5; k++) ck_assert_uint_eq(uses[k], expected[k]);
  arena_destroy(arena);
}
END_TEST

typedef enum Damage {
  DAMAGE_SHAPE,
  DAMAGE_ORDER,
  DAMAGE_OP,
  DAMAGE_ATTRIBUTE,
  DAMAGE_CLUSTER,
  DAMAGE_ANCHOR,
  DAMAGE_OUTPUT,
  DAMAGE_OUTPUT_NAME,
  DAMAGE_LEAF,
  DAMAGE_COUNT
} Damage;

START_TEST(verifier_finds_damage) {
  static const char *const messages[DAMAGE_COUNT] = {
      [DAMAGE_SHAPE] = "node %3 = contract: its shape is [B, 6] but its rule gives [B, 5]",
      [DAMAGE_ORDER] = "node %3 = contract: operand 0 is %4, which is not an earlier node",
      [DAMAGE_OP] = "node %3 = ?: there is no such op",
      [DAMAGE_ATTRIBUTE] = "node %3 = contract: 'bea' labels operand 0 of rank 2",
      [DAMAGE_CLUSTER] = "node %1 = input: there is no cluster 2",
      [DAMAGE_ANCHOR] = "cluster 1: its anchor %1 is not in it",
      [DAMAGE_OUTPUT] = "output 1: loss 'loss' is not a scalar",
      [DAMAGE_OUTPUT_NAME] = "output 2: there is no gradient of %5",
      [DAMAGE_LEAF] = "node %2 = param: its name 'other' is not the one it was added with"};
  Arena *arena = arena_create();
  Graph *graph = build_sample(arena);
  const NodeId forward[] = {4, 2};
  const char *message;
  ck_assert_msg(graph_verify(graph, arena, &message), "%s", message);
  switch ((Damage)_i) {
    case DAMAGE_SHAPE:
      graph->node[3].shape.dim[1] = dim_constant(6);
      break;
    case DAMAGE_ORDER:
      graph->node[3].operand = forward;
      break;
    case DAMAGE_OP:
      graph->node[3].op = OP_COUNT;
      break;
    case DAMAGE_ATTRIBUTE:
      graph->node[3].attribute[CONTRACT_LABELS].text = "bea,fe->baf";
      break;
    case DAMAGE_CLUSTER:
      graph->node[1].cluster = 2;
      break;
    case DAMAGE_ANCHOR:
      graph->cluster[1].anchor = 1;
      break;
    case DAMAGE_OUTPUT:
      graph->output[1].node = 3;
      break;
    case DAMAGE_OUTPUT_NAME:
      graph->output[2].leaf = 5;
      break;
    case DAMAGE_LEAF:
      graph->node[2].attribute[LEAF_NAME].text = "other";
      break;
    case DAMAGE_COUNT:
      break;
  }
  ck_assert(!graph_verify(graph, arena, &message));
  ck_assert_str_eq(message, messages[_i]);
  arena_destroy(arena);
}
END_TEST

START_TEST(einstein_labels) {
  Labels labels;
  const char *message;
  ck_assert(labels_parse("bte,fe->btf", &labels, &message));
  ck_assert_str_eq(labels.a, "bte");
  ck_assert_str_eq(labels.b, "fe");
  ck_assert_str_eq(labels.result, "btf");
  ck_assert(labels_parse(",->", &labels, &message));
  static const char *const wrong[] = {"",         "ab",           "ab,bc",    "ab,bc->ac ", "aa,ab->b", "ab,bc->a",
                                      "a,b->abc", "abcdefghi,->", "a1,a1->a", "a,a->aa",    "a-,>a->"};
  for (size_t k = 0; k < sizeof wrong / sizeof wrong[0]; k++) ck_assert(!labels_parse(wrong[k], &labels, &message));
}
END_TEST

START_TEST(costs) {
  Arena *arena = arena_create();
  const Graph *graph = build_sample(arena);
  const int64_t symbols[] = {3};
  Cost contract = node_cost(graph, 3, symbols), sum = node_cost(graph, 4, symbols), leaf = node_cost(graph, 1, symbols);
  ck_assert(contract.multiplies == 3 * 5 * 4 && contract.adds == 3 * 5 * 4);
  ck_assert(contract.bytes_read == 4 * (3 * 4 + 5 * 4) && contract.bytes_written == 4 * 3 * 5);
  ck_assert(sum.adds == 15 && sum.bytes_written == 4 && leaf.bytes_written == 0);
  Cost all = graph_cost(graph, symbols);
  ck_assert(all.adds == 60 + 15 + 12 && all.multiplies == 60 && all.transcendentals == 0);
  Graph *wave = graph_create(arena, "t");
  NodeId x = graph_leaf(wave, OP_INPUT, "x", &(Shape){2, {dim_constant(8), dim_constant(3)}});
  Cost transform = node_cost(wave, graph_dft(wave, x, (int64_t[]){0}, 1, false, DFT_REAL_TO_COMPLEX, 1, 0), symbols);
  ck_assert(transform.adds == 3 * 12 * 3 && transform.multiplies == 2 * 12 * 3);
  ck_assert(node_cost(wave, graph_unary(wave, OP_EXP, x), symbols).transcendentals == 24);
  arena_destroy(arena);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("ir_graph");
  TCase *tests = tcase_create("graph");
  tcase_add_test(tests, dims);
  tcase_add_test(tests, shapes);
  tcase_add_test(tests, equal_nodes_are_one);
  tcase_add_test(tests, constructors_drop_what_changes_nothing);
  tcase_add_test(tests, violations_unwind);
  tcase_add_test(tests, copies);
  tcase_add_test(tests, use_counts);
  tcase_add_loop_test(tests, verifier_finds_damage, 0, DAMAGE_COUNT);
  tcase_add_test(tests, einstein_labels);
  tcase_add_test(tests, costs);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
