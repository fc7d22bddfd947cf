/* A node that moves to another cluster: settled there and then as by settling everything anew. */
#include "passes/lower_internal.h"
#include "tests/random_graph.h"
#include "tests/suite_run.h"

#include <check.h>

static bool has_concat(const Clusters *clusters, uint32_t cluster) {
  for (uint32_t k = clusters->member_first[cluster]; k < clusters->member_first[cluster + 1]; k++)
    if (graph_op(clusters->graph, clusters->member[k]) == OP_CONCAT) return true;
  return false;
}

static void compare(const Clusters *moved, Arena *arena) {
  Clusters *anew = clusters_create(moved->graph, arena);
  for (NodeId id = 1; id <= moved->graph->node_count; id++) anew->of[id] = moved->of[id];
  clusters_settle(anew);
  ck_assert_uint_eq(anew->count, moved->count);
  for (uint32_t c = 0; c <= moved->count + 1; c++) ck_assert_uint_eq(moved->member_first[c], anew->member_first[c]);
  for (uint32_t k = 0; k < moved->member_first[moved->count + 1]; k++)
    ck_assert_uint_eq(moved->member[k], anew->member[k]);
  for (NodeId id = 1; id <= moved->graph->node_count; id++) {
    ck_assert_msg(moved->stored[id] == anew->stored[id], "%%%u is stored: %d, not %d", id, moved->stored[id],
                  anew->stored[id]);
    ck_assert_uint_eq(moved->part_of[id], anew->part_of[id]);
  }
}

START_TEST(moves_are_settled) {
  enum { STEPS = 60, MOVES = 40 };
  Arena *arena = arena_create();
  Random random = {(uint64_t)_i * 7919 + 1};
  Clusters *clusters = clusters_create(random_graph(&random, arena, STEPS), arena);
  clusters_settle(clusters);
  for (int move = 0; move < MOVES && clusters->count >= 2; move++) {
    uint32_t from = 1 + random_below(&random, clusters->count), to = 1 + random_below(&random, clusters->count);
    if (from == to || has_concat(clusters, from) || has_concat(clusters, to)) continue;
    NodeId nodes[RANDOM_GRAPH_MAX_COUNT];
    uint32_t count = 0;
    bool all = random_below(&random, 2) == 0; /* or some of them */
    for (uint32_t k = clusters->member_first[from]; k < clusters->member_first[from + 1]; k++)
      if (all || random_below(&random, 2) == 0) nodes[count++] = clusters->member[k];
    clusters_move(clusters, nodes, count, to);
    compare(clusters, arena);
  }
  arena_destroy(arena);
}
END_TEST

/* More members than fit on the stack. */
START_TEST(large_clusters_move) {
  enum { LENGTH = 700 };
  Arena *arena = arena_create();
  Graph *graph = graph_create(arena, "chain");
  Shape shape = {.rank = 1, .dim = {dim_constant(8)}};
  NodeId x = graph_leaf(graph, OP_INPUT, "x", &shape);
  for (int k = 0; k < LENGTH; k++) x = graph_unary(graph, k % 2 ? OP_TANH : OP_NEGATE, x);
  graph_add_output(graph, OUTPUT_VALUE, "y", x, NODE_NONE);
  Clusters *clusters = clusters_create(graph, arena);
  clusters_settle(clusters);
  for (uint32_t c = 1; c < clusters->count; c++) {
    NodeId *nodes = arena_copy(arena, &clusters->member[clusters->member_first[c]], c * sizeof *nodes);
    clusters_move(clusters, nodes, c, c + 1);
    if (c % 100 == 99) compare(clusters, arena);
  }
  compare(clusters, arena);
  arena_destroy(arena);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("clusters");
  TCase *tests = tcase_create("moves");
  tcase_set_timeout(tests, 120);
  tcase_add_loop_test(tests, moves_are_settled, 0, 200);
  tcase_add_test(tests, large_clusters_move);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
