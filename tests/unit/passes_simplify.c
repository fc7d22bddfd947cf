/* Random graphs compute the same before and after each pass, with and without gradients, and a simplification has nothing
 * left to do after it ran. */
#include "passes/pipeline.h"
#include "tests/random_graph.h"
#include "tests/suite_run.h"

#include <check.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SEED_COUNT = 300 };

static const char *const PASS_NAMES[] = {"simplify", "cse", "dead", "reassociate"};
static PassFunction *const PASS_FUNCTIONS[] = {pass_simplify, pass_cse, pass_dead, pass_reassociate};

static const bool FINAL[] = {true, true, true, false}; /* a second run has nothing to do */

enum { PASS_COUNT = sizeof PASS_NAMES / sizeof PASS_NAMES[0] };

/* Largest absolute element of all values, as a scale for errors. */
static double scale_of(const Graph *graph, const Value *values) {
  double scale = 1;
  for (NodeId id = 1; id <= graph->node_count; id++) {
    for (int64_t i = 0; values[id].data && i < value_count(&values[id]); i++) {
      if (isfinite(values[id].data[i])) scale = fmax(scale, fabs(values[id].data[i]));
    }
  }
  return scale;
}

static bool same_number(double a, double b, double scale) {
  if (isnan(a) || isnan(b) || isinf(a) || isinf(b)) return (isnan(a) && isnan(b)) || a == b;
  return fabs(a - b) <= 1e-12 * scale;
}

static void check_same(const Graph *before, const Graph *after, Arena *arena, const char *what) {
  const char *message = NULL;
  ck_assert_msg(graph_verify(after, arena, &message), "%s: %s", what, message);
  ck_assert_uint_eq(before->output_count, after->output_count);
  Value *old = random_graph_evaluate(before, arena), *new = random_graph_evaluate(after, arena);
  double scale = scale_of(before, old);
  for (uint32_t k = 0; k < before->output_count; k++) {
    const Output *a = &before->output[k], *b = &after->output[k];
    ck_assert_int_eq(a->kind, b->kind);
    ck_assert_str_eq(a->name, b->name);
    int64_t count = value_count(&old[a->node]);
    ck_assert_int_eq(count, value_count(&new[b->node]));
    for (int64_t i = 0; i < count; i++) {
      double x = old[a->node].data[i], y = new[b->node].data[i];
      ck_assert_msg(same_number(x, y, scale), "%s: output %s[%d] was %.17g and became %.17g", what, a->name, (int)i, x,
                    y);
    }
  }
}

/* Runs the pass; where it is final, its result must be the same to itself. */
static Graph *run(uint32_t pass, const Graph *graph, Arena *arena, bool differentiated, const char *what) {
  PassContext context = {.arena = arena, .differentiated = differentiated, .pass = PASS_NAMES[pass]};
  Graph *after = PASS_FUNCTIONS[pass](graph, &context);
  if (!FINAL[pass]) return after;
  ck_assert_msg(graph_equal(after, PASS_FUNCTIONS[pass](after, &context)), "%s: the pass is not done after one run",
                what);
  return after;
}

START_TEST(random_graphs_compute_the_same) {
  Arena *arena = arena_create();
  Random random = {(uint64_t)_i + 1};
  Graph *graph = random_graph(&random, arena, 8 + random_below(&random, 40));
  const DifferentiateSpec spec = {.parameters = true, .inputs = true};
  Graph *graphs[] = {graph, graph_differentiate(graph, arena, &spec)};
  for (uint32_t k = 0; k < 2; k++) {
    for (uint32_t pass = 0; pass < PASS_COUNT; pass++) {
      const char *what = arena_format(arena, "seed %d, %s%s", _i, PASS_NAMES[pass], k ? ", with gradients" : "");
      check_same(graphs[k], run(pass, graphs[k], arena, k == 1, what), arena, what);
    }
  }
  arena_destroy(arena);
}
END_TEST

/* Gradients of a simplified graph are those of the graph itself. */
START_TEST(simplify_before_differentiate) {
  Arena *arena = arena_create();
  Random random = {(uint64_t)_i + 1};
  Graph *graph = random_graph(&random, arena, 8 + random_below(&random, 40));
  PassContext context = {.arena = arena, .pass = "simplify"};
  const DifferentiateSpec spec = {.parameters = true, .inputs = true, .zeros = true};
  Graph *before = graph_differentiate(pass_dead(graph, &context), arena, &spec);
  Graph *after = graph_differentiate(pass_simplify(graph, &context), arena, &spec);
  const char *what = arena_format(arena, "seed %d", _i);
  /* A leaf that simplify finds to be without influence is gone. */
  Graph *common = graph_create_like(arena, before);
  NodeId *map = ARENA_ARRAY(arena, NodeId, before->node_count + 1);
  for (NodeId id = 1; id <= before->node_count; id++) map[id] = graph_copy_node(common, before, id, map);
  for (uint32_t k = 0; k < before->output_count; k++) {
    const Output *output = &before->output[k];
    if (!graph_find_output(after, output->kind, output->name)) continue;
    graph_add_output(common, output->kind, output->name, map[output->node],
                     output->leaf ? map[output->leaf] : NODE_NONE);
  }
  ck_assert_uint_eq(common->output_count, after->output_count);
  for (uint32_t k = 0; k < after->output_count; k++) ck_assert_str_eq(common->output[k].name, after->output[k].name);
  check_same(common, after, arena, what);
  arena_destroy(arena);
}
END_TEST

/* A leaf that nothing reads gets a gradient of zero only if it is still there when the graph is differentiated. */
START_TEST(leaves_wait_for_their_gradients) {
  Arena *arena = arena_create();
  Graph *graph = graph_create(arena, "leaves");
  NodeId read = graph_leaf(graph, OP_PARAMETER, "read", &(Shape){0});
  graph_leaf(graph, OP_PARAMETER, "parameter", &(Shape){0});
  graph_leaf(graph, OP_INPUT, "input", &(Shape){0});
  graph_add_output(graph, OUTPUT_LOSS, "loss", read, NODE_NONE);
  for (int k = 0; k < 8; k++) {
    const DifferentiateSpec spec = {.zeros = k & 1, .parameters = k & 2, .inputs = k & 4};
    PassContext context = {.arena = arena, .pass = "dead", .differentiate = &spec};
    uint32_t kept = 1 + (spec.zeros && spec.parameters) + (spec.zeros && spec.inputs);
    ck_assert_uint_eq(pass_dead(graph, &context)->node_count, kept);
    context.differentiated = true;
    ck_assert_uint_eq(pass_dead(graph, &context)->node_count, 1);
  }
  arena_destroy(arena);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("passes_simplify");
  TCase *tests = tcase_create("simplify");
  tcase_set_timeout(tests, 120);
  tcase_add_loop_test(tests, random_graphs_compute_the_same, 0, SEED_COUNT);
  tcase_add_loop_test(tests, simplify_before_differentiate, 0, SEED_COUNT);
  tcase_add_test(tests, leaves_wait_for_their_gradients);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
