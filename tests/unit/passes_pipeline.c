/* The pipeline: names, skipping, restricting, dumping, reports, explanations, what survives a bug; dead code and CSE.
 */
#include "ir/guard.h"
#include "passes/pipeline.h"
#include "tests/suite_run.h"

#include <check.h>
#include <stdlib.h>
#include <string.h>

static Arena *arena;

static void begin(void) { arena = arena_create(); }
static void end(void) { arena_destroy(arena); }

/* y = x * 1, z = y y + y y, and an exp that nothing needs */
static Graph *example(void) {
  Graph *graph = graph_create(arena, "example");
  Shape shape = {1, {dim_constant(3)}};
  NodeId x = graph_leaf(graph, OP_PARAMETER, "x", &shape);
  NodeId y = graph_binary(graph, OP_MULTIPLY, x, graph_constant_like(graph, 1, &shape));
  graph_unary(graph, OP_EXP, y);
  NodeId left = graph_binary(graph, OP_MULTIPLY, x, y), right = graph_binary(graph, OP_MULTIPLY, y, x);
  NodeId sum = graph_reduce(graph, OP_REDUCE_SUM, graph_binary(graph, OP_ADD, left, right), (int64_t[]){0}, 1);
  graph_add_output(graph, OUTPUT_LOSS, "loss", sum, NODE_NONE);
  return graph;
}

static uint32_t count_op(const Graph *graph, OpCode op) {
  uint32_t count = 0;
  for (NodeId id = 1; id <= graph->node_count; id++) count += graph_op(graph, id) == op;
  return count;
}

START_TEST(runs_all) {
  PipelineOptions options = {.verify = true};
  const Graph *graph = example(), *after = pipeline_run(graph, arena, &options, NULL);
  ck_assert_uint_eq(count_op(after, OP_EXP), 0);
  ck_assert_uint_eq(count_op(after, OP_CONSTANT), 0);
  ck_assert_uint_eq(count_op(after, OP_MULTIPLY), 1);
  ck_assert_uint_eq(count_op(graph, OP_MULTIPLY), 3);
}
END_TEST

START_TEST(skips) {
  const char *skip[] = {"simplify", "dead"};
  PipelineOptions options = {.skip = skip, .skip_count = 2};
  PipelineReport *report = pipeline_report_create(arena);
  const Graph *after = pipeline_run(example(), arena, &options, report);
  ck_assert_uint_eq(count_op(after, OP_CONSTANT), 1);
  for (uint32_t k = 0; k < pipeline_length(); k++) {
    const char *name = pipeline_pass(k)->name;
    bool skipped = strcmp(name, "simplify") == 0 || strcmp(name, "dead") == 0;
    ck_assert_int_eq(report->pass[k].ran, !skipped);
  }
}
END_TEST

START_TEST(restricts) {
  const char *only[] = {"dead"};
  PipelineOptions options = {.only = only, .only_count = 1};
  PipelineReport *report = pipeline_report_create(arena);
  const Graph *after = pipeline_run(example(), arena, &options, report);
  ck_assert_uint_eq(count_op(after, OP_EXP), 0);
  ck_assert_uint_eq(count_op(after, OP_CONSTANT), 1);
  for (uint32_t k = 0; k < pipeline_length(); k++) {
    const PassInfo *pass = pipeline_pass(k);
    ck_assert_int_eq(report->pass[k].ran, pass->kind == PASS_REQUIRED || strcmp(pass->name, "dead") == 0);
  }
}
END_TEST

START_TEST(differentiates_whatever_is_skipped) {
  const char *only[] = {"cse"};
  const DifferentiateSpec spec = {.parameters = true};
  PipelineOptions options = {.only = only, .only_count = 1, .differentiate = &spec};
  const Graph *after = pipeline_run(example(), arena, &options, NULL);
  ck_assert_ptr_nonnull(graph_find_output(after, OUTPUT_GRADIENT, "x"));
}
END_TEST

/* No pass before differentiate may lose a leaf whose gradient is wanted even where it is zero. */
START_TEST(zeros_for_leaves_without_use) {
  Graph *graph = example();
  Shape shape = {1, {dim_constant(2)}};
  graph_leaf(graph, OP_PARAMETER, "unused", &shape);
  DifferentiateSpec spec = {.parameters = true, .zeros = true};
  PipelineOptions options = {.differentiate = &spec};
  const Graph *after = pipeline_run(graph, arena, &options, NULL);
  ck_assert_ptr_nonnull(graph_find_output(after, OUTPUT_GRADIENT, "unused"));
  spec.zeros = false;
  after = pipeline_run(graph, arena, &options, NULL);
  ck_assert_ptr_null(graph_find_output(after, OUTPUT_GRADIENT, "unused"));
  ck_assert_uint_eq(graph_find_leaf(after, OP_PARAMETER, "unused"), NODE_NONE);
}
END_TEST

START_TEST(unknown_names) {
  const char *wrong[] = {"dead", "simplfy"}, *far[] = {"quantise"}, *required[] = {"differentiate"};
  const char *message = NULL;
  PipelineOptions options = {.skip = wrong, .skip_count = 2};
  ck_assert(!pipeline_check(&options, arena, &message));
  ck_assert_str_eq(message, "there is no pass 'simplfy'; did you mean 'simplify'?");
  options = (PipelineOptions){.only = far, .only_count = 1};
  ck_assert(!pipeline_check(&options, arena, &message));
  ck_assert_ptr_nonnull(strstr(message, "there is no pass 'quantise'; there are dead, simplify, reassociate, spectral-symmetry, complex-product, differentiate,"));
  options = (PipelineOptions){.skip = required, .skip_count = 1};
  ck_assert(!pipeline_check(&options, arena, &message));
  ck_assert_str_eq(message, "pass 'differentiate' is no choice: it always runs where it is needed");
  options = (PipelineOptions){.skip = wrong, .skip_count = 1, .only = wrong, .only_count = 1};
  ck_assert(pipeline_check(&options, arena, &message));
}
END_TEST

static void record_dump(void *user, uint32_t position, const PassInfo *pass, const Graph *graph) {
  Text *text = user;
  ck_assert_ptr_eq(pass, pipeline_pass(position));
  ck_assert_uint_gt(graph->node_count, 0);
  text_print(text, "%s ", pass->name);
}

START_TEST(dumps_and_reports) {
  Text text = text_begin(arena);
  const char *only[] = {"simplify", "dead"};
  PipelineOptions options = {.only = only, .only_count = 2, .dump = record_dump, .dump_user = &text};
  PipelineReport *report = pipeline_report_create(arena);
  const Graph *graph = example(), *after = pipeline_run(graph, arena, &options, report);
  ck_assert_str_eq(text.data,
                   "dead simplify simplify differentiate complex-split simplify dead simplify spectral-split unwindow-split separate-outputs ");
  ck_assert_uint_eq(report->pass[0].nodes_before, graph->node_count);
  ck_assert_uint_lt(report->pass[0].nodes_after, report->pass[0].nodes_before);
  uint32_t last = pipeline_length() - 1;
  while (!report->pass[last].ran) last--;
  ck_assert_uint_eq(report->pass[last].nodes_after, after->node_count);
  for (uint32_t k = 0; k < pipeline_length(); k++) ck_assert_double_ge(report->pass[k].seconds, 0);
  ck_assert_ptr_null(report->running);
}
END_TEST

START_TEST(explains) {
  Text text = text_begin(arena);
  const char *only[] = {"dead"};
  PipelineOptions options = {.only = only, .only_count = 1, .explain = &text};
  pipeline_run(example(), arena, &options, NULL);
  ck_assert_str_eq(text.data, "differentiate: no gradient is wanted\n");
}
END_TEST

/* A spec that does not fit is a bug in differentiate: the report names the pass and holds its graph. */
static void run_unfit(PipelineReport *report) {
  const char *names[] = {"nothing"};
  const DifferentiateSpec spec = {names, 1, .parameters = true};
  PipelineOptions options = {.differentiate = &spec};
  pipeline_run(example(), arena, &options, report);
}

START_TEST(report_survives_a_bug) {
  PipelineReport *report = pipeline_report_create(arena);
  Guard guard;
  if (guard_enter(&guard)) {
    run_unfit(report);
    guard_leave(&guard);
    ck_abort_msg("a wrong spec was accepted");
  }
  ck_assert_int_eq(guard.kind, GUARD_BUG);
  ck_assert_str_eq(report->running, "differentiate");
  ck_assert_ptr_nonnull(report->before);
  ck_assert_uint_eq(report->before->output_count, 1);
}
END_TEST

static void run_unsound(void) {
  Graph *graph = example();
  graph->node[graph->node_count].shape.rank = 2;
  PipelineOptions options = {.verify = true};
  pipeline_run(graph, arena, &options, NULL);
}

START_TEST(verifies) {
  Guard guard;
  if (guard_enter(&guard)) {
    run_unsound();
    guard_leave(&guard);
    ck_abort_msg("an unsound graph was accepted");
  }
  ck_assert_int_eq(guard.kind, GUARD_BUG);
  ck_assert_ptr_nonnull(strstr(guard.message, "before the first pass"));
}
END_TEST

START_TEST(dead_keeps_leaves_of_outputs) {
  Graph *graph = graph_create(arena, "states");
  Shape shape = {1, {dim_constant(3)}};
  NodeId state = graph_leaf(graph, OP_STATE, "mean", &shape);
  NodeId x = graph_leaf(graph, OP_INPUT, "x", &shape);
  graph_leaf(graph, OP_INPUT, "unused", &shape);
  graph_add_output(graph, OUTPUT_STATE, "mean", graph_unary(graph, OP_NEGATE, x), state);
  PassContext context = {.arena = arena, .pass = "dead"};
  Graph *after = pass_dead(graph, &context);
  ck_assert_uint_ne(graph_find_leaf(after, OP_STATE, "mean"), NODE_NONE);
  ck_assert_uint_eq(graph_find_leaf(after, OP_INPUT, "unused"), NODE_NONE);
  ck_assert_uint_eq(after->node_count, 3);
}
END_TEST

START_TEST(cse_orders_commutative_operands) {
  PassContext context = {.arena = arena, .pass = "cse"};
  Graph *graph = graph_create(arena, "orders");
  Shape shape = {1, {dim_constant(3)}};
  NodeId x = graph_leaf(graph, OP_INPUT, "x", &shape), y = graph_leaf(graph, OP_INPUT, "y", &shape);
  graph_add_output(graph, OUTPUT_VALUE, "a", graph_binary(graph, OP_ADD, x, y), NODE_NONE);
  graph_add_output(graph, OUTPUT_VALUE, "b", graph_binary(graph, OP_ADD, y, x), NODE_NONE);
  graph_add_output(graph, OUTPUT_VALUE, "c", graph_binary(graph, OP_SUBTRACT, x, y), NODE_NONE);
  graph_add_output(graph, OUTPUT_VALUE, "d", graph_binary(graph, OP_SUBTRACT, y, x), NODE_NONE);
  Graph *after = pass_cse(graph, &context);
  ck_assert_uint_eq(count_op(after, OP_ADD), 1);
  ck_assert_uint_eq(count_op(after, OP_SUBTRACT), 2);
}
END_TEST

int main(void) {
  Suite *suite = suite_create("passes_pipeline");
  TCase *tests = tcase_create("pipeline");
  tcase_add_checked_fixture(tests, begin, end);
  tcase_add_test(tests, runs_all);
  tcase_add_test(tests, skips);
  tcase_add_test(tests, restricts);
  tcase_add_test(tests, differentiates_whatever_is_skipped);
  tcase_add_test(tests, zeros_for_leaves_without_use);
  tcase_add_test(tests, unknown_names);
  tcase_add_test(tests, dumps_and_reports);
  tcase_add_test(tests, explains);
  tcase_add_test(tests, report_survives_a_bug);
  tcase_add_test(tests, verifies);
  tcase_add_test(tests, dead_keeps_leaves_of_outputs);
  tcase_add_test(tests, cse_orders_commutative_operands);
  suite_add_tcase(suite, tests);
  return suite_run(suite);
}
